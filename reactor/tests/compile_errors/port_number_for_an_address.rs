//! A port is opened by its number alone.
//!
//! rustc: the trait `From<{integer}>` is not implemented for `ListenAddress`
//! rustc: `ListenAddress` implements `From<&str>`

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
