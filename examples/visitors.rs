//! A page that counts its visitors live: `cargo run --example visitors`, then open the page in two browsers.
use reactor::http::server::{Event, EventChannel, HttpServer, Response, Routes};
use reactor::{Failure, Reactor};

const PAGE: &str = "<!doctype html><meta charset=utf-8><title>Visitors</title>
<p>Here now: <output id=count></output></p>
<script>new EventSource('/count').onmessage = event => count.value = event.data</script>";

fn main() -> Result<(), Failure> {
    let reactor = Reactor::new()?;
    let visitors = EventChannel::new();
    visitors.on_change(|all| all.publish(&Event::data(all.subscriber_count().to_string())));
    let routes =
        Routes::new().get("/", |_request| Response::html(PAGE)).get("/count", move |_request| visitors.subscribe());
    let address = std::env::args().nth(1).unwrap_or("127.0.0.1:8007".to_owned());
    let port = reactor.listen_tcp(&*address, HttpServer::new(&reactor, routes).factory())?;
    println!("listening on {host}; try: curl -N {host}/count", host = port.host());
    Ok(reactor.run()?)
}

// Prints:
// listening on 127.0.0.1:8007; try: curl -N 127.0.0.1:8007/count
