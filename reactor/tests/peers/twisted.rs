//! Twisted as server and as client: lines, strings, one direction that ends first, many connections at once.

use crate::events::Events;
use crate::ours::{ANSWERED, AskingHalfClosing, AskingLines, AskingStrings, HEARD, HalfClosing, Lines, Strings};
use crate::program::Program;
use crate::util::until;
use reactor::string_receiver::{Framing, StringReceiver};
use reactor::{LineProtocol, LineReceiver, LineTransport, Protocol, Reactor, Reason, Transport};
use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::rc::Rc;

const FRAMINGS: [Framing; 4] = [Framing::Netstring, Framing::Int8, Framing::Int16, Framing::Int32];

/// How many connections are open at the same time.
const CROWD: usize = 200;

/// The events, each a line.
fn told(events: &[&str], end: &str) -> String {
    events.iter().chain([&end]).map(|event| format!("{event}\n")).collect()
}

/// The port that a Twisted server listens on.
pub(crate) fn port_of(twisted: &mut Program) -> (&'static str, u16) {
    let line = twisted.line();
    ("127.0.0.1", line.parse().unwrap_or_else(|_| panic!("not a port: {line}")))
}

#[test]
fn our_server_answers_the_lines_of_twisted() {
    let (reactor, events) = (Reactor::new().unwrap(), Events::default());
    let noted = events.clone();
    let port = reactor.listen_tcp("127.0.0.1:0", move |_| LineReceiver::new(Lines(noted.clone()))).unwrap();
    let Some(mut twisted) = Program::twisted(&["lines-client", &port.host().port().to_string()]) else { return };
    assert_eq!(twisted.success(&reactor), told(&ANSWERED, "lost ConnectionDone"));
    until(&reactor, "our end is over", || reactor.source_count() == 1);
    assert_eq!(events.all(), [&HEARD[..], &["lost: closed cleanly"]].concat());
}

#[test]
fn our_client_hears_the_lines_of_twisted() {
    let (reactor, events) = (Reactor::new().unwrap(), Events::default());
    let Some(mut twisted) = Program::twisted(&["lines-server"]) else { return };
    let noted = events.clone();
    reactor.connect_tcp(port_of(&mut twisted), move |_| LineReceiver::new(AskingLines(noted.clone())));
    assert_eq!(twisted.success(&reactor), told(&HEARD, "lost ConnectionDone"));
    until(&reactor, "our end is over", || reactor.source_count() == 0);
    assert_eq!(events.all(), [&ANSWERED[..], &["lost: closed cleanly"]].concat());
}

#[test]
fn our_server_sends_back_the_strings_of_twisted_in_each_framing() {
    let (reactor, events) = (Reactor::new().unwrap(), Events::default());
    let ports = FRAMINGS.map(|framing| {
        let noted = events.clone();
        let build = move |_| StringReceiver::new(framing, Strings(noted.clone()));
        reactor.listen_tcp("127.0.0.1:0", build).unwrap().host().port().to_string()
    });
    let arguments = [&["strings-client"], &ports.each_ref().map(String::as_str)[..]].concat();
    let Some(mut twisted) = Program::twisted(&arguments) else { return };
    let said = twisted.success(&reactor);
    for name in ["NetstringReceiver", "Int8StringReceiver", "Int16StringReceiver", "Int32StringReceiver"] {
        assert!(said.contains(&format!("{name} lost ConnectionDone\n")), "{said}");
    }
    until(&reactor, "our ends are over", || reactor.source_count() == FRAMINGS.len());
    assert_eq!(events.all(), ["lost: closed cleanly"; FRAMINGS.len()]);
}

#[test]
fn our_client_gets_its_strings_back_from_twisted_in_each_framing() {
    let (reactor, events) = (Reactor::new().unwrap(), Events::default());
    let Some(mut twisted) = Program::twisted(&["strings-server"]) else { return };
    for framing in FRAMINGS {
        let noted = events.clone();
        let build = move |_| StringReceiver::new(framing, AskingStrings { events: noted.clone(), heard: Vec::new() });
        reactor.connect_tcp(port_of(&mut twisted), build);
    }
    assert_eq!(twisted.success(&reactor), "lost ConnectionDone\n".repeat(FRAMINGS.len()));
    until(&reactor, "our ends are over", || reactor.source_count() == 0);
    assert_eq!(events.all(), ["lost: closed cleanly"; FRAMINGS.len()]);
}

#[test]
fn our_server_answers_when_twisted_has_closed_its_own_direction() {
    let (reactor, events) = (Reactor::new().unwrap(), Events::default());
    let noted = events.clone();
    let build = move |_| HalfClosing { events: noted.clone(), count: 0 };
    let port = reactor.listen_tcp("127.0.0.1:0", build).unwrap();
    let Some(mut twisted) = Program::twisted(&["half-close-client", &port.host().port().to_string()]) else { return };
    assert_eq!(twisted.success(&reactor), "answer 1000000\nlost ConnectionDone\n");
    until(&reactor, "our end is over", || reactor.source_count() == 1);
    assert_eq!(events.all(), ["end after 1000000", "lost: closed cleanly"]);
}

#[test]
fn our_client_is_answered_by_twisted_when_it_has_closed_its_own_direction() {
    let (reactor, events) = (Reactor::new().unwrap(), Events::default());
    let Some(mut twisted) = Program::twisted(&["half-close-server"]) else { return };
    let noted = events.clone();
    let build = move |_| AskingHalfClosing { events: noted.clone(), question: 1_000_000, answer: Vec::new() };
    reactor.connect_tcp(port_of(&mut twisted), build);
    assert_eq!(twisted.success(&reactor), "lost ConnectionDone\n");
    until(&reactor, "our end is over", || reactor.source_count() == 0);
    assert_eq!(events.all(), ["answer 1000000", "lost: closed cleanly"]);
}

/// Says nothing before all are there; then sends each its number back.
struct Crowd {
    events: Events,
    everybody: Rc<RefCell<Vec<Transport>>>,
}

impl Protocol for Crowd {
    fn connection_made(&mut self, transport: &Transport) {
        let mut everybody = self.everybody.borrow_mut();
        everybody.push(transport.clone());
        if everybody.len() == CROWD {
            self.events.note("all are there");
            everybody.iter().for_each(|one| one.write(b"go\r\n"));
        }
    }
    fn data_received(&mut self, transport: &Transport, data: &[u8]) {
        transport.write(data);
        transport.lose_connection();
    }
    fn connection_lost(&mut self, reason: &Reason) {
        assert!(matches!(reason, Reason::Done), "{reason:?}");
    }
}

#[test]
fn our_server_serves_200_clients_of_twisted_at_once() {
    let (reactor, events) = (Reactor::new().unwrap(), Events::default());
    let (noted, everybody) = (events.clone(), Rc::default());
    let build = move |_| Crowd { events: noted.clone(), everybody: Rc::clone(&everybody) };
    let port = reactor.listen_tcp("127.0.0.1:0", build).unwrap().host().port().to_string();
    let Some(mut twisted) = Program::twisted(&["crowd-client", &port, &CROWD.to_string()]) else { return };
    assert_eq!(twisted.success(&reactor), format!("{CROWD}\n"));
    until(&reactor, "our ends are over", || reactor.source_count() == 1);
    assert_eq!(events.all(), ["all are there"]);
}

/// Says its number when it may, and hears it.
struct AskingCrowd {
    number: usize,
    heard: Rc<RefCell<BTreeSet<usize>>>,
    lost: Rc<Cell<usize>>,
}

impl LineProtocol for AskingCrowd {
    fn line_received(&mut self, transport: &LineTransport, line: &[u8]) {
        let number = self.number.to_string();
        match line {
            b"go" => transport.send_line(number.as_bytes()),
            _ => {
                assert_eq!(line, number.as_bytes());
                self.heard.borrow_mut().insert(self.number);
            }
        }
    }
    fn connection_lost(&mut self, reason: &Reason) {
        assert!(matches!(reason, Reason::Done), "{reason:?}");
        self.lost.set(self.lost.get() + 1);
    }
}

#[test]
fn our_200_clients_are_served_by_twisted_at_once() {
    let reactor = Reactor::new().unwrap();
    let (heard, lost): (Rc<RefCell<BTreeSet<usize>>>, Rc<Cell<usize>>) = Default::default();
    let Some(mut twisted) = Program::twisted(&["crowd-server", &CROWD.to_string()]) else { return };
    let port = port_of(&mut twisted);
    for number in 0..CROWD {
        let (heard, lost) = (heard.clone(), lost.clone());
        let build = move |_| LineReceiver::new(AskingCrowd { number, heard: heard.clone(), lost: lost.clone() });
        reactor.connect_tcp(port, build);
    }
    assert_eq!(twisted.success(&reactor), "all are there\nall have gone\n");
    until(&reactor, "our ends are over", || reactor.source_count() == 0);
    assert_eq!((heard.borrow().len(), lost.get()), (CROWD, CROWD));
}
