//! A UDP port is given a protocol for connections.
//!
//! rustc: `Echo` does not receive datagrams
//! rustc: it may be a closure: `|transport: &DatagramTransport, data: &[u8], from: SocketAddr| ...`

use reactor::{Protocol, Reactor, Transport};

struct Echo;
impl Protocol for Echo {
    fn data_received(&mut self, transport: &Transport, data: &[u8]) {
        transport.write(data);
    }
}

fn main() {
    Reactor::new().unwrap().listen_udp("127.0.0.1:0", Echo).unwrap();
}
