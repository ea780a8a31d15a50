//! Backpressure over TLS: what is written before the handshake waits like any other bytes, and one large write goes
//! through.

#[path = "util/certificates.rs"]
mod certificates;
#[path = "util/events.rs"]
mod events;
#[path = "util/peer.rs"]
mod peer;
#[path = "util/raw_tls.rs"]
mod raw_tls;
mod util;

use allocation_counter::measure;
use certificates::Authority;
use events::{Events, Noting};
use peer::meanwhile;
use raw_tls::{RawServer, raw_server};
use reactor::tls::{TlsClient, TlsServer, TrustRoots};
use reactor::transport::{HIGH_WATER, MAX_BUFFERED};
use reactor::{Address, Producer, Protocol, Reactor, Transport};
use std::cell::{Cell, RefCell};
use std::io::Read;
use std::net::{SocketAddr, TcpListener};
use std::rc::{Rc, Weak};
use util::until;

const NAME: &str = "server.test";
const PIECE: usize = 16 * 1024;
const LARGE: usize = 80_000_000;

fn once<P: Protocol + 'static>(protocol: P) -> impl FnMut(Address) -> P + 'static {
    let first = Cell::new(Some(protocol));
    move |_| first.take().expect("one connection")
}

fn request(reactor: &Reactor, to: SocketAddr, roots: &TrustRoots, protocol: impl Protocol + 'static) {
    let tls = TlsClient::new(reactor, roots, &[]).unwrap();
    reactor.connect_tcp(to, tls.factory(NAME, once(protocol)));
}

/// Writes a piece in each turn, as long as it is not paused, until all are written.
struct Source {
    reactor: Reactor,
    transport: Transport,
    events: Events,
    left: Cell<usize>,
    paused: Cell<bool>,
    most: Cell<usize>,
    this: Weak<Source>,
}

impl Source {
    fn start(reactor: &Reactor, transport: &Transport, events: &Events, pieces: usize) -> Rc<Source> {
        let source = Rc::new_cyclic(|this| Source {
            reactor: reactor.clone(),
            transport: transport.clone(),
            events: events.clone(),
            left: Cell::new(pieces),
            paused: Cell::new(false),
            most: Cell::new(0),
            this: this.clone(),
        });
        transport.register_producer(source.clone());
        source.produce();
        source
    }

    fn produce(&self) {
        if self.paused.get() {
            return;
        }
        if self.left.get() == 0 {
            return;
        }
        self.left.set(self.left.get() - 1);
        self.transport.write(&[b'x'; PIECE]);
        self.most.set(self.most.get().max(self.transport.buffered()));
        let this = self.this.clone();
        self.reactor.call_when_running(move || {
            if let Some(this) = this.upgrade() {
                this.produce();
            }
        });
    }
}

impl Producer for Source {
    fn pause_producing(&self) {
        assert!(!self.paused.replace(true), "it was paused");
        self.events.note("pause");
    }
    fn resume_producing(&self) {
        assert!(self.paused.replace(false), "it was not paused");
        self.events.note("resume");
        self.produce();
    }
    fn stop_producing(&self) {
        self.paused.set(true);
        self.events.note("stop");
    }
}

type Kept<T> = Rc<RefCell<Option<T>>>;

/// A protocol that registers a [`Source`] at once, and where the source can be found.
fn producing(reactor: &Reactor, events: &Events, pieces: usize) -> (Noting, Kept<Rc<Source>>) {
    let kept = Kept::default();
    let (keep, reactor, noted) = (kept.clone(), reactor.clone(), events.clone());
    let made = move |transport: &Transport| {
        *keep.borrow_mut() = Some(Source::start(&reactor, transport, &noted, pieces));
    };
    (Noting { made: Box::new(made), ..Noting::new(events) }, kept)
}

/// Reads this many bytes, or until the end. Returns the number.
fn read(stream: &mut RawServer<'_>, length: usize) -> usize {
    let (mut buffer, mut count) = (vec![0; 1 << 20], 0);
    while count < length {
        count += match stream.read(&mut buffer) {
            Ok(0) | Err(_) => break,
            Ok(more) => more,
        }
    }
    count
}

/// Takes turns without waiting for anything.
fn turns(reactor: &Reactor, count: usize) {
    for _ in 0..count {
        let passed = Rc::new(Cell::new(false));
        let pass = passed.clone();
        reactor.call_when_running(move || pass.set(true));
        until(reactor, "a turn", || passed.get());
    }
}

#[test]
fn a_producer_is_paused_although_the_peer_has_not_said_a_word_of_its_handshake() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let (reactor, events) = (Reactor::new().unwrap(), Events::default());
    let (protocol, source) = producing(&reactor, &events, MAX_BUFFERED / PIECE);
    request(&reactor, silent.local_addr().unwrap(), &Authority::new().roots(), protocol);
    until(&reactor, "it is connected", || source.borrow().is_some());
    let _peer = silent.accept().unwrap();
    turns(&reactor, 200);
    let source = source.borrow().clone().unwrap();
    assert_eq!(events.all(), ["made", "pause"]);
    // A write that passes the mark, and one more before the loop has told the producer.
    assert!(source.most.get() > HIGH_WATER && source.most.get() <= HIGH_WATER + 3 * PIECE, "{}", source.most.get());
    let written = MAX_BUFFERED - source.left.get() * PIECE;
    let buffered = source.transport.buffered();
    assert!(buffered >= written, "{written} bytes were written, and only {buffered} count");

    source.transport.abort_connection();
    until(&reactor, "it is gone", || reactor.source_count() == 0);
    assert_eq!(events.all(), ["made", "pause", "lost Aborted", "stop"]);
}

#[test]
fn a_producer_paused_before_the_handshake_goes_on_after_it_until_all_has_come() {
    const PIECES: usize = 100;
    let (reactor, events, authority) = (Reactor::new().unwrap(), Events::default(), Authority::new());
    let (address, serve) = raw_server(&authority.issue(NAME, 2999), &[], |stream| read(stream, PIECES * PIECE));
    let (protocol, source) = producing(&reactor, &events, PIECES);
    request(&reactor, address, &authority.roots(), protocol);
    until(&reactor, "it is paused", || events.all() == ["made", "pause"]);
    assert_eq!(meanwhile(&reactor, serve), PIECES * PIECE);
    assert_eq!(events.all()[..3], ["made", "pause", "resume"]);
    let most = source.borrow().as_ref().unwrap().most.get();
    assert!(most <= HIGH_WATER + 4 * PIECE, "{most} bytes waited");
}

/// Writes a large piece whenever everything has gone out, and unregisters after the last.
struct InPieces {
    transport: Transport,
    left: Cell<usize>,
}

impl Producer for InPieces {
    fn pause_producing(&self) {}
    fn resume_producing(&self) {
        match self.left.get() {
            0 => self.transport.unregister_producer(),
            left => {
                self.left.set(left - 1);
                self.transport.write(&[b'x'; 10 * PIECE]);
            }
        }
    }
}

#[test]
fn a_close_that_is_asked_for_before_the_handshake_waits_for_the_producer() {
    let (reactor, events, authority) = (Reactor::new().unwrap(), Events::default(), Authority::new());
    let (address, serve) = raw_server(&authority.issue(NAME, 2999), &[], |stream| {
        let length = read(stream, 70 * PIECE);
        (length, stream.read(&mut [0]).ok()) // Without a close_notify this is an error.
    });
    let made = |transport: &Transport| {
        let producer = Rc::new(InPieces { transport: transport.clone(), left: Cell::new(7) });
        transport.register_producer(producer.clone());
        producer.resume_producing();
        transport.lose_connection();
    };
    request(&reactor, address, &authority.roots(), Noting { made: Box::new(made), ..Noting::new(&events) });
    assert_eq!(meanwhile(&reactor, serve), (70 * PIECE, Some(0)));
    until(&reactor, "it is gone", || reactor.source_count() == 0);
    assert_eq!(events.all(), ["made", "lost Done"]);
}

#[test]
fn a_server_that_writes_much_before_the_handshake_is_paused_and_reads_again_when_all_has_gone_out() {
    let (reactor, events, authority) = (Reactor::new().unwrap(), Events::default(), Authority::new());
    let identity = authority.issue(NAME, 2999);
    let tls = TlsServer::new(&reactor, &[&identity.certificate], &identity.key, &[]).unwrap();
    let made = |transport: &Transport| {
        transport.write(&[b'x'; HIGH_WATER]);
        assert!(!transport.is_paused(), "the mark itself is allowed");
        transport.write(b"x");
        assert!(transport.is_paused());
        assert_eq!(transport.buffered(), HIGH_WATER + 1);
        transport.pause_when_full(false);
        assert!(!transport.is_paused(), "it may read on");
        transport.pause_when_full(true);
    };
    let server = Noting { made: Box::new(made), ..Noting::new(&events) };
    let address = reactor.listen_tcp("127.0.0.1:0", tls.factory(once(server))).unwrap().host();
    let received = Rc::new(Cell::new(0));
    let counted = received.clone();
    let data = move |transport: &Transport, data: &[u8]| {
        counted.set(counted.get() + data.len());
        if counted.get() == HIGH_WATER + 1 {
            transport.lose_connection();
        }
    };
    let made = |transport: &Transport| transport.write(b"hello");
    let client = Noting { made: Box::new(made), data: Box::new(data), ..Noting::new(&Events::default()) };
    request(&reactor, address, &authority.roots(), client);
    until(&reactor, "the server has ended", || events.all().iter().any(|event| event.starts_with("lost")));
    assert_eq!(received.get(), HIGH_WATER + 1);
    let heard = events.all();
    assert!(heard.contains(&"data hello".to_owned()), "{heard:?}");
}

#[test]
fn the_limit_on_waiting_bytes_counts_those_that_wait_for_the_handshake() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let (reactor, events) = (Reactor::new().unwrap(), Events::default());
    let kept = Kept::default();
    let keep = kept.clone();
    let made = move |transport: &Transport| {
        transport.set_max_buffered(1000);
        transport.write_vectored(&[&[0; 600], &[0; 600]]);
        transport.write(b"!");
        assert!(!transport.is_disconnecting(), "nobody has tried to send any of it");
        *keep.borrow_mut() = Some(transport.clone());
    };
    let client = Noting { made: Box::new(made), ..Noting::new(&events) };
    request(&reactor, silent.local_addr().unwrap(), &Authority::new().roots(), client);
    until(&reactor, "it is connected", || kept.borrow().is_some());
    let transport: Transport = kept.take().unwrap();
    until(&reactor, "the loop has tried", || transport.backlog() >= 1201);
    transport.write(b"!");
    assert!(transport.is_disconnecting());
    until(&reactor, "it is gone", || events.all().len() == 2);
    assert_eq!(events.all(), ["made", "lost BufferFull"]);
}

/// Writes [`LARGE`] bytes in one callback, before the handshake or after it.
struct AtOnce {
    before: bool,
    pieces: usize,
}

impl AtOnce {
    fn write(&self, transport: &Transport) {
        let piece = vec![b'x'; LARGE / self.pieces];
        for _ in 0..self.pieces {
            transport.write(&piece);
        }
    }
}

impl Protocol for AtOnce {
    fn connection_made(&mut self, transport: &Transport) {
        if self.before {
            self.write(transport);
        }
    }
    fn handshake_completed(&mut self, transport: &Transport) {
        if !self.before {
            self.write(transport);
        }
    }
    fn data_received(&mut self, _transport: &Transport, _data: &[u8]) {}
}

#[test]
fn what_one_callback_writes_may_be_more_than_the_limit_and_costs_its_own_length() {
    const { assert!(LARGE > MAX_BUFFERED) };
    for (before, pieces) in [(true, 1), (true, 80), (false, 1), (false, 80)] {
        let (reactor, authority) = (Reactor::new().unwrap(), Authority::new());
        let (address, serve) = raw_server(&authority.issue(NAME, 2999), &[], |stream| read(stream, LARGE));
        // Counts the allocations of this thread alone: the peer's are not ours.
        let memory = measure(|| {
            request(&reactor, address, &authority.roots(), AtOnce { before, pieces });
            assert_eq!(meanwhile(&reactor, serve), LARGE, "written before the handshake: {before}");
        });
        let limit = (LARGE + LARGE / pieces + LARGE / 20) as u64; // The program has a piece of it.
        assert!(memory.bytes_max < limit, "before the handshake: {before}: {} bytes at most", memory.bytes_max);
    }
}

#[test]
fn a_peer_that_does_not_read_is_cut_off() {
    let (reactor, events, authority) = (Reactor::new().unwrap(), Events::default(), Authority::new());
    let identity = authority.issue(NAME, 2999);
    let tls = TlsServer::new(&reactor, &[&identity.certificate], &identity.key, &[]).unwrap();
    let kept = Kept::default();
    let keep = kept.clone();
    let data = move |transport: &Transport, _: &[u8]| {
        transport.set_max_buffered(1000);
        transport.write(&vec![0; LARGE / 2]); // More than the system's buffers hold.
        transport.write(b"!");
        assert!(!transport.is_disconnecting(), "nobody has tried to send any of it");
        *keep.borrow_mut() = Some(transport.clone());
    };
    let server = Noting { data: Box::new(data), ..Noting::new(&events) };
    let address = reactor.listen_tcp("127.0.0.1:0", tls.factory(once(server))).unwrap().host();
    let made = |transport: &Transport| {
        transport.write(b"hello");
        transport.pause_producing(); // From the handshake on.
    };
    request(&reactor, address, &authority.roots(), Noting { made: Box::new(made), ..Noting::new(&Events::default()) });
    until(&reactor, "all is written", || kept.borrow().is_some());
    let transport: Transport = kept.take().unwrap();
    until(&reactor, "the loop has tried", || transport.backlog() >= 1000);
    transport.write(b"!");
    assert!(transport.is_disconnecting());
    until(&reactor, "it is over", || events.all().len() > 2);
    assert_eq!(events.all(), ["made", "data hello", "lost BufferFull"]);
}
