//! Stays connected to the echo server, and comes back when that does: `cargo run --example client_service`.
use reactor::service::ClientService;
use reactor::{Protocol, Reactor, Transport};

struct Printer;

impl Protocol for Printer {
    fn data_received(&mut self, _transport: &Transport, data: &[u8]) {
        println!("{}", String::from_utf8_lossy(data));
    }
}

fn main() -> Result<(), reactor::Failure> {
    let reactor = Reactor::new()?;
    let service = ClientService::new(&reactor, ("localhost", 8007), |_peer| Printer);
    service.start().when_connected().add_callback(|transport| transport.write(b"hello")).detach();
    Ok(reactor.run()?)
}
