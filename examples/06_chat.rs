//! What one client says, all hear: `cargo run --example 06_chat`, then `nc 127.0.0.1 1025` in two terminals.
use reactor::{LineProtocol, LineReceiver, LineTransport, Reactor, Reason};
use std::{cell::RefCell, rc::Rc};

/// One client. It sees all of them in one list, which needs no lock: only one callback runs at a time.
struct Chatter(Rc<RefCell<Vec<LineTransport>>>);

impl LineProtocol for Chatter {
    fn connection_made(&mut self, transport: &LineTransport) {
        self.0.borrow_mut().push(transport.clone());
    }
    fn line_received(&mut self, _from: &LineTransport, line: &[u8]) {
        self.0.borrow().iter().for_each(|client| client.send_line(line));
    }
    fn connection_lost(&mut self, _reason: &Reason) {
        self.0.borrow_mut().retain(|client| !client.is_disconnecting());
    }
}

fn main() -> Result<(), reactor::Failure> {
    let reactor = Reactor::new()?;
    let room = Rc::default();
    // A line ends with CR LF unless we say otherwise, as in most protocols of the Internet. `nc` sends LF alone.
    // Without `with_delimiter` its lines would never end, and the chat would look dead.
    let chat = move |_peer| LineReceiver::new(Chatter(Rc::clone(&room))).with_delimiter(b"\n");
    let address = std::env::args().nth(1).unwrap_or("127.0.0.1:1025".to_owned());
    let port = reactor.listen_tcp(address, chat)?;
    println!("listening on {}\nnext: cargo run --example 07_periodic", port.host());
    Ok(reactor.run()?)
}

// Prints:
// listening on 127.0.0.1:1025
// next: cargo run --example 07_periodic
