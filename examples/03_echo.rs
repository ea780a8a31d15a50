//! Sends back what it receives: `cargo run --example 03_echo`, then type into `nc 127.0.0.1 8007`.
struct Echo;

impl reactor::Protocol for Echo {
    fn data_received(&mut self, transport: &reactor::Transport, data: &[u8]) {
        transport.write(data);
    }
}

fn main() -> Result<(), reactor::Failure> {
    let reactor = reactor::Reactor::new()?;
    let address = std::env::args().nth(1).unwrap_or("127.0.0.1:8007".to_owned());
    let port = reactor.listen_tcp(address, |_peer| Echo)?;
    println!("listening on {}\nnext: cargo run --example 04_blocked_echo", port.host());
    Ok(reactor.run()?)
}

// Prints:
// listening on 127.0.0.1:8007
// next: cargo run --example 04_blocked_echo
