//! Sends back what it receives: `cargo run --example 03_echo`, then type into `nc 127.0.0.1 8007`.
use reactor::{Protocol, Reactor, Transport};

struct Echo;

impl Protocol for Echo {
    fn data_received(&mut self, transport: &Transport, data: &[u8]) {
        transport.write(data);
    }
}

fn main() -> Result<(), reactor::Failure> {
    let (reactor, place) = (Reactor::new()?, std::env::args().nth(1).unwrap_or("127.0.0.1:8007".to_owned()));
    println!("listening on {}\nnext: cargo run --example 04_blocked_echo", reactor.listen_tcp(place, |_| Echo)?.host());
    Ok(reactor.run()?)
}

// Prints:
// listening on 127.0.0.1:8007
// next: cargo run --example 04_blocked_echo
