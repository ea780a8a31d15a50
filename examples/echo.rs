//! Sends back what it receives: `cargo run --example echo`, then `nc 127.0.0.1 8007`.
use reactor::{Protocol, Reactor, Transport};

struct Echo;

impl Protocol for Echo {
    fn data_received(&mut self, transport: &Transport, data: &[u8]) {
        transport.write(data);
    }
}

fn main() -> Result<(), reactor::Failure> {
    let reactor = Reactor::new()?;
    reactor.listen_tcp("127.0.0.1:8007", |_peer| Echo)?;
    Ok(reactor.run()?)
}
