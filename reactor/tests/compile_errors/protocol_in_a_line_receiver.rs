//! A protocol of bytes is put into a receiver of lines.
//!
//! rustc: `Echo` is not a `LineProtocol`
//! rustc: a `Protocol`, which receives bytes, is used without a `LineReceiver`

use reactor::{LineReceiver, Protocol, Reactor, Transport};

struct Echo;
impl Protocol for Echo {
    fn data_received(&mut self, transport: &Transport, data: &[u8]) {
        transport.write(data);
    }
}

fn main() {
    Reactor::new().unwrap().listen_tcp("127.0.0.1:0", |_peer| LineReceiver::new(Echo)).unwrap();
}
