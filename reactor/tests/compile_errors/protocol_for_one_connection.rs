//! One connection is asked for with a protocol, and not with a closure that makes one.
//!
//! rustc: `Echo` does not make a protocol
//! rustc: write `|_peer| Echo`

use reactor::{Protocol, Reactor, Transport};

struct Echo;
impl Protocol for Echo {
    fn data_received(&mut self, transport: &Transport, data: &[u8]) {
        transport.write(data);
    }
}

fn main() {
    Reactor::new().unwrap().connect("127.0.0.1:8007", Echo).detach();
}
