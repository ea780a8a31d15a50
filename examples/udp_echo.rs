//! Sends each datagram back to where it came from: `cargo run --example udp_echo`, then `nc -u` to the address that it
//! prints.
use reactor::{DatagramTransport, Reactor};
use std::net::SocketAddr;

fn main() -> Result<(), reactor::Failure> {
    let reactor = Reactor::new()?;
    let echo = |transport: &DatagramTransport, datagram: &[u8], from: SocketAddr| transport.write_to(datagram, from);
    println!("{}", reactor.listen_udp("127.0.0.1:0", echo)?.host());
    Ok(reactor.run()?)
}
