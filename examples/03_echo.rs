//! Sends back what it receives: `cargo run --example 03_echo`, then type into `nc 127.0.0.1 8007`.
use reactor::{Protocol, Reactor, Transport};

struct Echo;

impl Protocol for Echo {
    fn data_received(&mut self, transport: &Transport, data: &[u8]) {
        transport.write(data);
    }
}

fn main() -> Result<(), reactor::Failure> {
    let reactor = Reactor::new()?;
    let address = std::env::args().nth(1).unwrap_or("127.0.0.1:8007".to_owned());
    let port = reactor.listen_tcp(&*address, |_peer| Echo)?;
    println!("listening on {0}; try: nc {1} {2}", port.host(), port.host().ip(), port.host().port());
    println!("next: cargo run --example 04_blocked_echo");
    Ok(reactor.run()?)
}

// Prints:
// listening on 127.0.0.1:8007; try: nc 127.0.0.1 8007
// next: cargo run --example 04_blocked_echo
