//! A connection that comes back is asked for with a protocol, and not with a closure that makes one each time.
//!
//! rustc: `Echo` does not make protocols
//! rustc: write `|_peer| Echo`

use reactor::service::ClientService;
use reactor::{Protocol, Reactor, Transport};

struct Echo;
impl Protocol for Echo {
    fn data_received(&mut self, transport: &Transport, data: &[u8]) {
        transport.write(data);
    }
}

fn main() {
    ClientService::new(&Reactor::new().unwrap(), "127.0.0.1:8007", Echo).start();
}
