//! A protocol of lines is given to a port as it is.
//!
//! rustc: `Chat` is not a `Protocol`
//! rustc: a `LineProtocol` becomes one with `LineReceiver::new(...)`

use reactor::{LineProtocol, LineTransport, Reactor};

struct Chat;
impl LineProtocol for Chat {
    fn line_received(&mut self, _transport: &LineTransport, _line: &[u8]) {}
}

fn main() {
    Reactor::new().unwrap().listen_tcp("127.0.0.1:0", |_peer| Chat).unwrap();
}
