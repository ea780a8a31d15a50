//! A page that counts its visits in Redis, HTTP and RESP on one loop: `cargo run --example counter`, with a
//! `redis-server` on this machine. A second one, `cargo run --example counter -- 127.0.0.1:8008`, counts on, and both
//! pages show it live.
use reactor::http::server::{Event, EventChannel, HttpServer, Request, Response, Routes};
use reactor::resp::{Client, ClientSettings, SubscriptionEvent};
use reactor::{Deferred, Failure, Reactor};
use std::time::Duration;

const PAGE: &str = "<!doctype html><meta charset=utf-8><title>Visits</title>
<p>Visits so far: <output id=count>COUNT</output></p>
<script>new EventSource('/live').onmessage = event => count.value = event.data</script>";

fn main() -> Result<(), Failure> {
    let reactor = Reactor::new()?;
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().unwrap_or("127.0.0.1:8007".to_owned());
    let store = arguments.next().unwrap_or("127.0.0.1:6379".to_owned());

    let mut settings = ClientSettings::default();
    settings.command_timeout = Duration::from_secs(1); // Then the page says that the store is not there.
    let client = Client::new(&reactor, &*store).with_settings(settings);
    client.start();

    let live = EventChannel::new();
    let told = live.clone();
    let _subscription = client.subscribe("visits", move |event| {
        if let SubscriptionEvent::Message(message) = event {
            told.publish(&Event::data(String::from_utf8_lossy(message.payload)));
        }
    });
    let routes =
        Routes::new().get("/", move |_request| visit(&client)).get("/live", move |_request: Request| live.subscribe());
    let port = reactor.listen_tcp(&*address, HttpServer::new(&reactor, routes).factory())?;
    println!("listening on {host}; try: curl {host}", host = port.host());
    Ok(reactor.run()?)
}

/// Counts a visit, and tells all servers.
fn visit(client: &Client) -> Deferred<Response> {
    let again = client.clone();
    let counted = client.command(["INCR", "visits"]).add_callback(move |count| {
        let count = count.as_integer().unwrap_or_default().to_string();
        again.command(["PUBLISH", "visits", &count]).add_errback(|_| Ok(reactor::resp::Value::Null)).detach();
        Ok(Response::html(PAGE.replace("COUNT", &count)))
    });
    counted.add_errback(|failure| Ok(Response::text(format!("The store is not there: {failure}\n")).with_status(503)))
}

// Prints:
// listening on 127.0.0.1:8007; try: curl 127.0.0.1:8007
