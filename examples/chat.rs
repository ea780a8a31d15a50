//! What one client says, all hear: `cargo run --example chat`, then `nc -C 127.0.0.1 1025`, twice.
use reactor::{LineProtocol, LineReceiver, LineTransport, Reactor, Reason};
use std::cell::RefCell;
use std::rc::Rc;

#[derive(Clone, Default)]
struct Room(Rc<RefCell<Vec<LineTransport>>>);

impl LineProtocol for Room {
    fn connection_made(&mut self, transport: &LineTransport) {
        self.0.borrow_mut().push(transport.clone());
    }
    fn line_received(&mut self, _transport: &LineTransport, line: &[u8]) {
        self.0.borrow().iter().for_each(|client| client.send_line(line));
    }
    fn connection_lost(&mut self, _reason: &Reason) {
        self.0.borrow_mut().retain(|client| !client.is_disconnecting());
    }
}

fn main() -> Result<(), reactor::Failure> {
    let (reactor, room) = (Reactor::new()?, Room::default());
    reactor.listen_tcp("127.0.0.1:1025", move |_peer| LineReceiver::new(room.clone()))?;
    Ok(reactor.run()?)
}
