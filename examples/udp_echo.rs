//! Sends each datagram back to where it came from: `cargo run --example udp_echo`, then `nc -u 127.0.0.1 8007`.
use reactor::{DatagramTransport, Reactor};
use std::net::SocketAddr;

fn main() -> Result<(), reactor::Failure> {
    let reactor = Reactor::new()?;
    let echo = |transport: &DatagramTransport, datagram: &[u8], from: SocketAddr| transport.write_to(datagram, from);
    let address = std::env::args().nth(1).unwrap_or("127.0.0.1:8007".to_owned());
    let host = reactor.listen_udp(&*address, echo)?.host();
    println!("listening on {host}; try: nc -u {} {}", host.ip(), host.port());
    Ok(reactor.run()?)
}

// Prints:
// listening on 127.0.0.1:8007; try: nc -u 127.0.0.1 8007
