//! What one client says, the others hear: `cargo run --example 06_chat`, then `nc 127.0.0.1 1025` in two terminals.
use reactor::{LineProtocol, LineReceiver, LineTransport, Reactor, Reason};
use std::cell::RefCell;
use std::rc::Rc;

/// All clients share one list. It needs no lock: only one callback runs at a time.
#[derive(Clone, Default)]
struct Room(Rc<RefCell<Vec<LineTransport>>>);

impl LineProtocol for Room {
    fn connection_made(&mut self, transport: &LineTransport) {
        transport.send_line(format!("{} others are here", self.0.borrow().len()).as_bytes());
        self.0.borrow_mut().push(transport.clone());
    }
    fn line_received(&mut self, from: &LineTransport, line: &[u8]) {
        let room = self.0.borrow();
        room.iter().filter(|client| client.peer() != from.peer()).for_each(|client| client.send_line(line));
    }
    fn connection_lost(&mut self, _reason: &Reason) {
        self.0.borrow_mut().retain(|client| !client.is_disconnecting());
    }
}

fn main() -> Result<(), reactor::Failure> {
    let (reactor, room) = (Reactor::new()?, Room::default());
    let address = std::env::args().nth(1).unwrap_or("127.0.0.1:1025".to_owned());
    // A line ends with CR LF unless we say otherwise, as in most protocols of the Internet. `nc` sends LF alone.
    // Without `with_delimiter` its lines would never end, and the chat would look dead.
    let chat = move |_peer| LineReceiver::new(room.clone()).with_delimiter(b"\n");
    let port = reactor.listen_tcp(&*address, chat)?;
    println!("listening on {0}; try: nc {1} {2}", port.host(), port.host().ip(), port.host().port());
    println!("next: cargo run --example 07_periodic");
    Ok(reactor.run()?)
}

// Prints:
// listening on 127.0.0.1:1025; try: nc 127.0.0.1 1025
// next: cargo run --example 07_periodic
