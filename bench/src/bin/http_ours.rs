//! A small page on this library's HTTP server: `http_ours PORT` listens on 127.0.0.1.

use reactor::Reactor;
use reactor::http::server::{HttpServer, Response, Routes, ServerSettings};

fn main() -> Result<(), reactor::Failure> {
    let port = std::env::args().nth(1).expect("usage: http_ours PORT");
    let reactor = Reactor::new()?;
    let routes = Routes::new().get("/hello", |_request| Response::text("hello, world\n"));
    let mut settings = ServerSettings::default();
    // All load comes from one address, over connections that stay.
    (settings.max_connections, settings.max_per_address) = (20_000, 20_000);
    settings.max_requests = usize::MAX;
    let server = HttpServer::with_settings(&reactor, settings, routes);
    reactor.listen_tcp(format!("127.0.0.1:{port}"), server.factory())?;
    Ok(reactor.run()?)
}
