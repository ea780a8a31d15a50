//! A port is given a protocol, and not what makes one.
//!
//! rustc: `Echo` does not build protocols
//! rustc: a factory is a closure that returns a protocol: `|_peer| Echo`

use reactor::{Protocol, Reactor, Transport};

struct Echo;
impl Protocol for Echo {
    fn data_received(&mut self, transport: &Transport, data: &[u8]) {
        transport.write(data);
    }
}

fn main() {
    Reactor::new().unwrap().listen_tcp("127.0.0.1:0", Echo).unwrap();
}
