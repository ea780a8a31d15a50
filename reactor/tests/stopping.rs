//! What a stop means for connections, and for attempts to connect.

#[path = "util/run.rs"]
mod run;

use reactor::error::ConnectError;
use reactor::{Address, ClientFactory, Connector, Failure, Phase, Protocol, Reactor, Reason, SystemEvent, Transport};
use run::run_to_the_end;
use std::cell::{Cell, RefCell};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::rc::Rc;
use std::thread;

/// Notes what a client factory hears.
struct Client(Rc<RefCell<Vec<&'static str>>>);

impl ClientFactory for Client {
    fn started_connecting(&mut self, _connector: &Connector) {
        self.0.borrow_mut().push("started");
    }
    fn build_protocol(&mut self, _peer: &Address) -> Option<Box<dyn Protocol>> {
        self.0.borrow_mut().push("build");
        None
    }
    fn client_connection_failed(&mut self, _connector: &Connector, failure: Failure) {
        let is_cancelled = matches!(failure.check::<ConnectError>(), Some(ConnectError::Cancelled));
        self.0.borrow_mut().push(if is_cancelled { "cancelled" } else { "failed" });
    }
}

#[test]
fn an_attempt_to_connect_while_the_reactor_closes_is_cancelled() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (reactor, heard) = (Reactor::new().unwrap(), Rc::default());
    let (within, client) = (reactor.clone(), Client(Rc::clone(&heard)));
    reactor.add_system_event_trigger(Phase::During, SystemEvent::Shutdown, move || {
        within.connect_tcp(address, client);
    });
    reactor.stop();
    run_to_the_end(&reactor);
    assert_eq!(*heard.borrow(), ["cancelled"]);
    assert_eq!((reactor.source_count(), reactor.delayed_call_count()), (0, 0), "nothing is left behind");
}

/// Asks for the stop when the first bytes come, says goodbye, and sends back what comes until its peer leaves.
struct Polite {
    reactor: Reactor,
    goodbyes: Rc<Cell<usize>>,
    reason: Rc<RefCell<Option<String>>>,
}

impl Protocol for Polite {
    fn data_received(&mut self, transport: &Transport, data: &[u8]) {
        transport.write(data);
        self.reactor.stop();
    }
    fn reactor_stopping(&mut self, transport: &Transport) {
        self.goodbyes.set(self.goodbyes.get() + 1);
        transport.write(b"goodbye");
    }
    fn connection_lost(&mut self, reason: &Reason) {
        *self.reason.borrow_mut() = Some(reason.to_string());
    }
}

#[test]
fn a_protocol_hears_once_that_the_reactor_stops_and_has_the_last_word() {
    let (reactor, goodbyes, reason) = (Reactor::new().unwrap(), Rc::new(Cell::new(0)), Rc::new(RefCell::new(None)));
    let (within, counted, noted) = (reactor.clone(), goodbyes.clone(), reason.clone());
    let factory = move |_| Polite { reactor: within.clone(), goodbyes: counted.clone(), reason: noted.clone() };
    let address = reactor.listen_tcp("127.0.0.1:0", factory).unwrap().host();
    let peer = thread::spawn(move || {
        let mut stream = TcpStream::connect(address).unwrap();
        let mut received = String::new();
        // Each round takes the closing loop another turn.
        for (say, expect) in [("one", "onegoodbye"), ("two", "two"), ("three", "three")] {
            let mut bytes = vec![0; expect.len()];
            stream.write_all(say.as_bytes()).unwrap();
            stream.read_exact(&mut bytes).unwrap();
            received += str::from_utf8(&bytes).unwrap();
        }
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        stream.read_to_string(&mut received).unwrap();
        received
    });
    run_to_the_end(&reactor);
    assert_eq!(peer.join().unwrap(), "onegoodbyetwothree");
    assert_eq!(goodbyes.get(), 1);
    assert_eq!(reason.take().as_deref(), Some("closed cleanly"));
}
