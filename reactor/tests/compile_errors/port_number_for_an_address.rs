//! A port is opened by its number alone.
//!
//! rustc: `{integer}` is not an address
//! rustc: write `"127.0.0.1:8007"` for this machine alone; to listen for everybody, `"0.0.0.0:8007"`

use reactor::{Protocol, Reactor, Transport};

struct Echo;
impl Protocol for Echo {
    fn data_received(&mut self, transport: &Transport, data: &[u8]) {
        transport.write(data);
    }
}

fn main() {
    Reactor::new().unwrap().listen_tcp(8007, |_peer| Echo).unwrap();
}
