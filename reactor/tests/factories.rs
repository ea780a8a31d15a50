//! Factories that open and close ports while they build a protocol.

#[path = "util/events.rs"]
mod events;
#[path = "util/peer.rs"]
mod peer;
mod util;

use events::{Events, Noting};
use peer::{meanwhile, patient};
use reactor::{Address, Factory, ListeningPort, Protocol, Reactor, Transport};
use std::cell::RefCell;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::rc::Rc;
use util::until;

/// Notes what it hears; `build` comes first in each `build_protocol`, of a protocol that sends everything back.
struct Noted<F> {
    events: Events,
    build: F,
}

impl<F: FnMut()> Factory for Noted<F> {
    fn build_protocol(&mut self, _peer: &Address) -> Option<Box<dyn Protocol>> {
        self.events.note("build");
        (self.build)();
        let echo = |transport: &Transport, data: &[u8]| transport.write(data);
        Some(Box::new(Noting { data: Box::new(echo), ..Noting::new(&self.events) }))
    }
    fn start_factory(&mut self) {
        self.events.note("start");
    }
    fn stop_factory(&mut self) {
        self.events.note("stop");
    }
}

/// What comes back for `hello`, up to the end.
#[track_caller]
fn echoed(reactor: &Reactor, mut stream: TcpStream) -> String {
    meanwhile(reactor, move || {
        let mut text = String::new();
        stream.write_all(b"hello").unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        stream.read_to_string(&mut text).unwrap();
        text
    })
}

#[test]
fn a_port_may_be_stopped_while_its_factory_builds_and_the_factory_still_hears_of_it() {
    let (reactor, events) = (Reactor::new().unwrap(), Events::default());
    let port: Rc<RefCell<Option<ListeningPort>>> = Rc::default();
    let own = port.clone();
    let build = move || own.take().expect("one connection").stop_listening().detach();
    let listening = reactor.listen_tcp("127.0.0.1:0", Noted { events: events.clone(), build }).unwrap();
    let address = listening.host();
    *port.borrow_mut() = Some(listening);

    let stream = patient(TcpStream::connect(address));
    until(&reactor, "the factory has heard", || events.all() == ["start", "build", "made", "stop"]);
    assert!(TcpStream::connect(address).is_err(), "nobody listens");
    assert_eq!(echoed(&reactor, stream), "hello", "what it built lives on");
    until(&reactor, "nothing is left", || reactor.source_count() == 0);
}

#[test]
fn a_factory_may_open_another_port_while_it_builds() {
    let (reactor, outer, inner) = (Reactor::new().unwrap(), Events::default(), Events::default());
    let opened: Rc<RefCell<Vec<ListeningPort>>> = Rc::default();
    let (within, noted, keep) = (reactor.clone(), inner.clone(), opened.clone());
    let build = move || {
        let factory = Noted { events: noted.clone(), build: || {} };
        keep.borrow_mut().push(within.listen_tcp("127.0.0.1:0", factory).unwrap());
    };
    let first = reactor.listen_tcp("127.0.0.1:0", Noted { events: outer.clone(), build }).unwrap();

    let stream = patient(TcpStream::connect(first.host()));
    until(&reactor, "the first connection is made", || outer.all() == ["start", "build", "made"]);
    let second = opened.borrow()[0].host();
    assert_eq!(echoed(&reactor, patient(TcpStream::connect(second))), "hello");
    assert_eq!(echoed(&reactor, stream), "hello");
    until(&reactor, "both ports are left", || reactor.source_count() == 2);
    assert_eq!(outer.all(), ["start", "build", "made", "data hello", "end", "lost Done"]);
    assert_eq!(inner.all(), ["start", "build", "made", "data hello", "end", "lost Done"]);
    first.stop_listening().detach(); // Its factory holds the reactor.
    until(&reactor, "its factory has heard", || outer.all().len() == 7);
}
