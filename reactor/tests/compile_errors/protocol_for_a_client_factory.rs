//! A connection is asked for with a protocol, and not with what makes one.
//!
//! rustc: `Echo` does not build protocols for outgoing connections
//! rustc: a client factory is a closure that returns a protocol: `|_peer| Echo`

use reactor::{Protocol, Reactor, Transport};

struct Echo;
impl Protocol for Echo {
    fn data_received(&mut self, transport: &Transport, data: &[u8]) {
        transport.write(data);
    }
}

fn main() {
    Reactor::new().unwrap().connect_tcp("127.0.0.1:8007", Echo);
}
