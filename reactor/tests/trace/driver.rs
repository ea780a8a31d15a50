//! The decorator of a driver: calls with their outcome.

use super::reading::Events;
use super::util::until;
use super::{Echo, traced};
use reactor::driver::{Driver, Event, Job, ListenOptions, Listener, LookupReply, MioDriver, Stream, Token, Wake};
use reactor::trace::{Call, Event as Traced, Kind, Outcome, Ring, Trace};
use reactor::{DatagramProtocol, DatagramTransport, Reactor, Settings};
use std::cell::RefCell;
use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

#[test]
fn an_accept_that_finds_nobody_would_block() {
    let (reactor, reader) = traced();
    let port = reactor.listen_tcp("127.0.0.1:0", |_| Echo).unwrap();
    let _client = TcpStream::connect(port.host()).unwrap();
    until(&reactor, "it is accepted", || reactor.inventory().connections.len() == 1);
    assert!(reactor.listen_tcp(port.host(), |_| Echo).is_err(), "the port is taken");
    drop((port, reactor));
    let events = Events::of(&reader);
    let calls: Vec<_> = events.story(&["call"]).into_iter().filter(|call| !call.starts_with("poll")).collect();
    let close = "close 0";
    let expected = ["listen 0", "local_address 0", "accept 0", "accept WouldBlock", "listen AddrInUse", close, close];
    assert_eq!(calls, expected);
    let accept = events.calls("accept")[0];
    assert_eq!(accept["listener"], events.calls("listen")[0]["socket"]);
    assert_eq!(accept["socket"], events.calls("close")[1]["socket"], "{events:#?}", events = events.0);
}

struct Echoing;

impl DatagramProtocol for Echoing {
    fn datagram_received(&mut self, transport: &DatagramTransport, datagram: &[u8], from: SocketAddr) {
        transport.write_to(datagram, from).unwrap();
    }
}

#[test]
fn a_datagram_names_its_sender_or_receiver_and_a_port_the_address_that_it_got() {
    let (reactor, reader) = traced();
    let port = reactor.listen_udp("127.0.0.1:0", Echoing).unwrap();
    let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
    peer.send_to(b"hello", port.host()).unwrap();
    let written = || Events::of(&reader).calls("write").len() == 1;
    until(&reactor, "it is answered", written);
    let events = Events::of(&reader);
    let (port, peer) = (port.host().to_string(), peer.local_addr().unwrap().to_string());
    assert_eq!(events.only("listening")["address"], *port);
    assert_eq!(events.calls("local_address")[0]["address"], *port);
    assert_eq!(events.calls("read")[0]["peer"], *peer);
    assert_eq!(events.calls("write")[0]["peer"], *peer);
}

#[test]
fn names_are_told_when_asked_and_when_answered() {
    let (reactor, reader) = traced();
    let answer = reactor.resolve("localhost");
    until(&reactor, "it is answered", || answer.has_fired());
    let events = Events::of(&reader);
    assert_eq!(events.calls("resolve")[0]["name"], "localhost");
    assert_eq!(events.only("resolved")["name"], "localhost");
    assert!(events.only("resolved")["done"].as_u64().unwrap() > 0);
}

#[test]
fn an_observer_gets_typed_events() {
    let seen: Rc<RefCell<Vec<(Duration, Outcome)>>> = Rc::default();
    let sink = seen.clone();
    let observer = move |event: &Traced<'_>| {
        if let Kind::Call { call: Call::Poll { .. }, outcome } = event.kind {
            sink.borrow_mut().push((event.time, outcome));
        }
    };
    let reactor = Reactor::traced(Trace::new(observer), Settings::default()).unwrap();
    reactor.iterate(Duration::ZERO).unwrap();
    assert!(matches!(seen.borrow()[..], [(_, Outcome::Done(0))]));
    assert!(reactor.trace().unwrap().event_count() > 3);
    assert!(Reactor::with_driver(Box::new(MioDriver::new().unwrap()), Settings::default()).trace().is_none());
}

/// A driver that has no clock to lend, and whose polls fail.
struct Poor(MioDriver);

impl Driver for Poor {
    fn now(&self) -> Instant {
        self.0.now()
    }
    fn system_time(&self) -> SystemTime {
        self.0.system_time()
    }
    fn random(&mut self) -> u64 {
        4
    }
    fn poll(&mut self, _timeout: Option<Duration>, _events: &mut Vec<Event>) -> io::Result<()> {
        Err(ErrorKind::OutOfMemory.into())
    }
    fn waker(&self) -> Arc<dyn Wake> {
        self.0.waker()
    }
    fn listen_tcp(&mut self, at: SocketAddr, how: ListenOptions, token: Token) -> io::Result<Box<dyn Listener>> {
        self.0.listen_tcp(at, how, token)
    }
    fn connect_tcp(&mut self, to: SocketAddr, from: Option<SocketAddr>, token: Token) -> io::Result<Box<dyn Stream>> {
        self.0.connect_tcp(to, from, token)
    }
    fn resolve(&mut self, _host: &str, _reply: LookupReply) {}
    fn spawn(&mut self, job: Job, _max_threads: usize) -> Result<(), Job> {
        Err(job)
    }
    fn catch_signals(&mut self, _on: bool) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn any_driver_can_be_traced_and_a_turn_ends_though_its_poll_fails() {
    let (ring, reader) = Ring::new(100);
    let driver = Box::new(Poor(MioDriver::new().unwrap()));
    let reactor = Reactor::with_traced_driver(driver, Trace::new(ring), Settings::default());
    assert!(reactor.iterate(Duration::ZERO).is_err());
    drop(reactor);
    let events = Events::of(&reader);
    assert_eq!(events.story(&["turn", "call", "turn_end", "end"]), ["turn", "poll OutOfMemory", "turn_end", "end"]);
    events.is_complete();
}
