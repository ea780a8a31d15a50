//! Backpressure over real sockets: pauses, producers, and the limit on unsent bytes.

#[path = "util/converse.rs"]
mod converse;
#[path = "util/driver.rs"]
mod driver;
#[path = "util/events.rs"]
mod events;
#[path = "util/tcp_kind.rs"]
mod kind;
#[path = "util/peer.rs"]
mod peer;
mod util;

use converse::{LARGE, converse, read_all, serve};
use driver::{Hooks, edited};
use events::{Events, Noting};
use peer::{meanwhile, patient};
use reactor::transport::HIGH_WATER;
use reactor::{LineProtocol, LineReceiver, LineTransport, Producer, Protocol, Reactor, Reason, Settings, Transport};
use socket2::{Domain, Socket, Type};
use std::cell::{Cell, RefCell};
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::rc::Rc;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;
use util::until;

#[test]
fn paused_reading_holds_data_back_and_resuming_goes_on() {
    let events = Events::default();
    let kept: Rc<RefCell<Option<Transport>>> = Rc::default();
    let (noted, keep) = (events.clone(), kept.clone());
    let (reactor, port) = serve(move |_| {
        let keep = keep.clone();
        let made = move |transport: &Transport| {
            transport.pause_producing();
            assert!(transport.is_paused());
            *keep.borrow_mut() = Some(transport.clone());
        };
        Noting { made: Box::new(made), ..Noting::new(&noted) }
    });
    let address = port.host();
    let stream = meanwhile(&reactor, move || {
        let mut stream = patient(TcpStream::connect(address));
        stream.write_all(b"hello").unwrap();
        stream
    });
    until(&reactor, "the connection is made", || !events.all().is_empty());
    turns(&reactor, 10);
    assert_eq!(events.all(), ["made"]);

    let transport = kept.take().unwrap();
    transport.resume_producing();
    assert_eq!(events.all(), ["made"], "nothing calls back before it returns");
    drop(stream);
    until(&reactor, "all has come", || events.all() == ["made", "resumed", "data hello", "end", "lost Done"]);
}

/// Takes turns without waiting for anything.
fn turns(reactor: &Reactor, count: usize) {
    for _ in 0..count {
        let passed = Rc::new(Cell::new(false));
        let pass = passed.clone();
        reactor.call_later(Duration::ZERO, move || pass.set(true));
        until(reactor, "a turn", || passed.get());
    }
}

#[test]
fn a_pause_in_the_middle_of_a_stream_loses_nothing() {
    const PIECE: usize = 1000;
    let received = Rc::new(Cell::new(0));
    struct Hiccups {
        reactor: Reactor,
        received: Rc<Cell<usize>>,
    }
    impl Protocol for Hiccups {
        fn data_received(&mut self, transport: &Transport, data: &[u8]) {
            assert!(!transport.is_paused(), "it was paused");
            self.received.set(self.received.get() + data.len());
            transport.pause_producing();
            let transport = transport.clone();
            self.reactor.call_later(Duration::ZERO, move || transport.resume_producing());
        }
    }
    let counted = received.clone();
    let reactor = Reactor::new().unwrap();
    let own = reactor.clone();
    let factory = move |_| Hiccups { reactor: own.clone(), received: counted.clone() };
    let address = reactor.listen_tcp("127.0.0.1:0", factory).unwrap().host();
    meanwhile(&reactor, move || {
        let mut stream = patient(TcpStream::connect(address));
        for _ in 0..2000 {
            stream.write_all(&[b'x'; PIECE]).unwrap();
        }
    });
    until(&reactor, "all has come", || received.get() == 2000 * PIECE && reactor.source_count() == 1);
}

#[test]
fn a_peer_that_does_not_read_its_answers_is_not_read_from() {
    let most = Rc::new(Cell::new(0));
    let seen_full = Rc::new(Cell::new(false));
    let (noted_most, noted_full) = (most.clone(), seen_full.clone());
    struct Echo(Rc<Cell<usize>>, Rc<Cell<bool>>);
    impl Protocol for Echo {
        fn data_received(&mut self, transport: &Transport, data: &[u8]) {
            transport.write(data);
            self.0.set(self.0.get().max(transport.buffered()));
            self.1.set(self.1.get() | transport.is_paused());
        }
    }
    let (reactor, port) = serve(move |_| Echo(noted_most.clone(), noted_full.clone()));
    let address = port.host();
    let (begin_reading, begun) = mpsc::channel::<()>();
    let reader = thread::spawn(move || {
        let mut stream = patient(TcpStream::connect(address));
        let mut writer = stream.try_clone().unwrap();
        let writing = thread::spawn(move || {
            writer.write_all(&vec![b'x'; 2 * LARGE]).unwrap();
            writer.shutdown(Shutdown::Write).unwrap();
        });
        begun.recv().unwrap();
        let received = read_all(&mut stream).len();
        writing.join().unwrap();
        received
    });
    until(&reactor, "too much waits", || seen_full.get());
    begin_reading.send(()).unwrap();
    let received = meanwhile(&reactor, move || reader.join().unwrap());
    assert_eq!(received, 2 * LARGE);
    assert!(most.get() <= HIGH_WATER + 64 * 1024, "{} bytes were held", most.get());
}

#[test]
fn a_pause_that_is_turned_on_while_the_buffer_is_full_begins_at_once() {
    struct Late(Rc<Cell<Option<[bool; 3]>>>);
    impl Protocol for Late {
        fn connection_made(&mut self, transport: &Transport) {
            transport.pause_when_full(false);
            transport.write(&vec![0; HIGH_WATER + 1]);
            let before = transport.is_paused();
            transport.pause_when_full(true);
            let turned_on = transport.is_paused();
            transport.pause_when_full(false);
            self.0.set(Some([before, turned_on, transport.is_paused()]));
            transport.lose_connection();
        }
        fn data_received(&mut self, _transport: &Transport, _data: &[u8]) {}
    }
    let (reactor, seen) = (Reactor::new().unwrap(), Rc::new(Cell::new(None)));
    let noted = seen.clone();
    let address = reactor.listen_tcp("127.0.0.1:0", move |_peer| Late(noted.clone())).unwrap().host();
    let received = meanwhile(&reactor, move || {
        let mut all = Vec::new();
        patient(TcpStream::connect(address)).read_to_end(&mut all).unwrap();
        all.len()
    });
    assert_eq!(received, HIGH_WATER + 1);
    assert_eq!(seen.get(), Some([false, true, false]));
}

#[test]
fn a_server_may_read_on_while_its_answers_wait() {
    struct Echo(Rc<Cell<usize>>);
    impl Protocol for Echo {
        fn connection_made(&mut self, transport: &Transport) {
            transport.pause_when_full(false);
        }
        fn data_received(&mut self, transport: &Transport, data: &[u8]) {
            transport.write(data);
            assert!(!transport.is_paused());
            self.0.set(self.0.get() + data.len());
        }
    }
    let received = Rc::new(Cell::new(0));
    let counted = received.clone();
    let (reactor, port) = serve(move |_| Echo(counted.clone()));
    let address = port.host();
    let echoed = meanwhile(&reactor, move || {
        let mut stream = patient(TcpStream::connect(address));
        stream.write_all(&vec![b'x'; LARGE]).unwrap(); // Not a byte of the answer is read before that.
        stream.shutdown(Shutdown::Write).unwrap();
        read_all(&mut stream).len()
    });
    assert_eq!((received.get(), echoed), (LARGE, LARGE));
}

/// Were it paused, too, it and the server would wait for each other.
#[test]
fn a_client_that_writes_much_before_it_reads_is_not_paused() {
    struct Echo;
    impl Protocol for Echo {
        fn data_received(&mut self, transport: &Transport, data: &[u8]) {
            transport.write(data);
        }
    }
    struct Client(Rc<Cell<usize>>);
    impl Protocol for Client {
        fn connection_made(&mut self, transport: &Transport) {
            transport.write(&vec![b'x'; LARGE]);
            assert!(!transport.is_paused());
        }
        fn data_received(&mut self, _transport: &Transport, data: &[u8]) {
            self.0.set(self.0.get() + data.len());
        }
    }
    let (reactor, port) = serve(|_| Echo);
    let received = Rc::new(Cell::new(0));
    let counted = received.clone();
    reactor.connect_tcp(port.host(), move |_| Client(counted.clone()));
    until(&reactor, "all has come back", || received.get() == LARGE);
}

#[test]
fn a_producer_is_paused_and_resumed_in_pairs_also_while_a_close_waits_for_it() {
    struct Source {
        events: Events,
        transport: Transport,
        left: Cell<usize>,
    }
    impl Source {
        fn produce(&self) {
            self.left.set(self.left.get() - 1);
            self.transport.write(&vec![b'x'; LARGE]);
        }
    }
    impl Producer for Source {
        fn pause_producing(&self) {
            self.events.note("pause");
        }
        fn resume_producing(&self) {
            self.events.note("resume");
            match self.left.get() {
                0 => self.transport.unregister_producer(),
                _ => self.produce(),
            }
        }
        fn stop_producing(&self) {
            self.events.note("stop");
        }
    }
    let (events, received) = converse(
        |_, noting| {
            let events = noting.events.clone();
            let made = move |transport: &Transport| {
                transport.pause_when_full(false); // What the producer hears is all that is asked here.
                let source =
                    Rc::new(Source { events: events.clone(), transport: transport.clone(), left: Cell::new(2) });
                transport.register_producer(source.clone());
                transport.lose_connection();
                source.produce();
            };
            Noting { made: Box::new(made), ..noting }
        },
        |mut stream| read_all(&mut stream).len(),
    );
    assert_eq!(events, ["made", "pause", "resume", "pause", "resume", "lost Done"]);
    assert_eq!(received, 2 * LARGE);
}

/// Writes a piece in each turn, and asks before each what the limit is about.
struct Flood {
    reactor: Reactor,
    transport: Transport,
    events: Events,
}

impl Flood {
    fn go_on(self) {
        let found = (self.transport.backlog(), self.transport.buffered());
        self.transport.write(&[b'x'; 100_000]);
        if self.transport.is_disconnecting() {
            self.events.note(format!("cut off at the limit: {}", found.0 >= LIMIT));
            return assert_eq!(found, (self.transport.backlog(), self.transport.buffered()), "it had no effect");
        }
        assert!(found.0 <= found.1 && found.0 < LIMIT, "{found:?}");
        self.reactor.clone().call_later(Duration::ZERO, move || self.go_on());
    }
}

const LIMIT: usize = 1_000_000;

#[test]
fn a_peer_that_does_not_read_is_cut_off() {
    let (lost, is_lost) = mpsc::channel();
    let (events, received) = converse(
        |reactor, noting| {
            let (reactor, events) = (reactor.clone(), noting.events.clone());
            let made = move |transport: &Transport| {
                transport.pause_when_full(false);
                transport.set_max_buffered(LIMIT);
                Flood { reactor: reactor.clone(), transport: transport.clone(), events: events.clone() }.go_on();
            };
            let lost = move |_: &Reason| lost.send(()).unwrap();
            Noting { made: Box::new(made), lost: Box::new(lost), ..noting }
        },
        move |mut stream| {
            is_lost.recv().unwrap(); // Not a byte is read before that.
            stream.read_to_end(&mut Vec::new()).map_err(|error| error.kind())
        },
    );
    assert_eq!(events, ["made", "cut off at the limit: true", "lost BufferFull"]);
    assert_eq!(received, Err(ErrorKind::ConnectionReset));
}

#[test]
fn what_one_callback_writes_may_be_more_than_the_limit() {
    const MIB: usize = 1024 * 1024;
    for pieces in [1, 80] {
        let (events, received) = converse(
            move |_, noting| {
                let made = move |transport: &Transport| {
                    let piece = vec![0; 80 * MIB / pieces]; // Above the default limit in all.
                    for _ in 0..pieces {
                        transport.write(&piece);
                    }
                    assert_eq!((transport.backlog(), transport.buffered()), (0, 80 * MIB));
                    transport.lose_connection();
                };
                Noting { made: Box::new(made), ..noting }
            },
            |mut stream| read_all(&mut stream).len(),
        );
        assert_eq!((events, received), (vec!["made".to_owned(), "lost Done".to_owned()], 80 * MIB), "{pieces}");
    }
}

/// A connection that is to end when its peer has taken all of [`LARGE`], and the peer: time passes when the test says.
struct LastBytes {
    hooks: Hooks,
    reactor: Reactor,
    events: Events,
    transport: Transport,
    peer: TcpStream,
    taken: usize,
}

impl LastBytes {
    fn new() -> LastBytes {
        let (hooks, events) = (Hooks::default(), Events::default());
        let reactor = edited(&hooks, Settings::default());
        let kept: Rc<RefCell<Option<Transport>>> = Rc::default();
        let (noted, keep) = (events.clone(), kept.clone());
        let factory = move |_| {
            let keep = keep.clone();
            let made = move |transport: &Transport| {
                transport.write(&vec![b'x'; LARGE]);
                transport.lose_connection();
                *keep.borrow_mut() = Some(transport.clone());
            };
            Noting { made: Box::new(made), ..Noting::new(&noted) }
        };
        let port = reactor.listen_tcp("127.0.0.1:0", factory).unwrap();
        let peer = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        peer.set_recv_buffer_size(256 * 1024).unwrap(); // The system might give it one that holds everything.
        peer.connect(&port.host().into()).unwrap();
        peer.set_nonblocking(true).unwrap();
        until(&reactor, "the connection is made", || !events.all().is_empty());
        let transport = kept.take().unwrap();
        LastBytes { hooks, reactor, events, transport, peer: peer.into(), taken: 0 }
    }

    /// The peer reads until more of what waits has gone out.
    fn read_some(&mut self) {
        let (before, mut buffer) = (self.transport.buffered(), vec![0; 64 * 1024]);
        until(&self.reactor, "more is sent", || {
            self.reactor.call_when_running(|| {}); // What the peer reads wakes no loop.
            if let Ok(count) = self.peer.read(&mut buffer) {
                self.taken += count;
            }
            self.transport.buffered() < before || before == 0
        });
    }

    fn pass(&self, time: Duration) {
        self.hooks.ahead.set(self.hooks.ahead.get() + time);
        turns(&self.reactor, 2);
    }
}

#[test]
fn a_peer_that_takes_its_last_bytes_slowly_but_steadily_gets_them_all() {
    let mut rig = LastBytes::new();
    let limit = rig.reactor.settings().close_timeout;
    while rig.transport.buffered() > 0 {
        rig.read_some();
        rig.pass(limit / 2);
    }
    assert!(rig.hooks.ahead.get() > limit * 2, "it was never slow");
    assert_eq!(rig.events.all(), ["made", "lost Done"]);
    rig.peer.set_nonblocking(false).unwrap();
    assert_eq!(rig.taken + read_all(&mut rig.peer).len(), LARGE);
}

#[test]
fn a_peer_that_takes_nothing_more_of_its_last_bytes_is_cut_off() {
    let mut rig = LastBytes::new();
    let limit = rig.reactor.settings().close_timeout;
    rig.pass(limit / 2);
    rig.read_some();
    rig.pass(limit * 3 / 4);
    assert_eq!(rig.events.all(), ["made"], "it had read meanwhile");
    // The system's buffers may still take a little, but not for ever.
    for _ in 0..100 {
        rig.pass(limit);
    }
    assert_eq!(rig.events.all(), ["made", "lost FlushTimeout"]);
}

#[test]
fn a_reset_is_noticed_while_reading_is_paused() {
    let (events, ()) = converse(
        |_, noting| {
            let made = |transport: &Transport| {
                transport.pause_producing();
                transport.write(b"unread");
            };
            Noting { made: Box::new(made), ..noting }
        },
        |mut stream| {
            stream.write_all(b"nobody reads this").unwrap();
            // Closing a socket with unread bytes resets the connection.
            stream.peek(&mut [0; 1]).unwrap();
        },
    );
    assert_eq!(events, ["made", "lost Lost"]);
}

/// Counts its lines.
struct Counting(Rc<Cell<usize>>);

impl LineProtocol for Counting {
    fn line_received(&mut self, _transport: &LineTransport, _line: &[u8]) {
        self.0.set(self.0.get() + 1);
    }
}

#[test]
fn a_flood_of_empty_lines_is_handled_in_portions() {
    const LINES: usize = 400_000;
    // The connection is attended to twice in a turn: for its event, and for what it could not finish then. Each time it
    // delivers lines that it held back, and reads up to four times.
    const MAX_IN_A_TURN: usize = 2 * (1 + 4) * 1024;
    let reactor = Reactor::new().unwrap();
    let count = Rc::new(Cell::new(0));
    let counted = count.clone();
    let counting = move |_| LineReceiver::new(Counting(counted.clone())).with_delimiter(b"\n");
    let port = reactor.listen_tcp("127.0.0.1:0", counting).unwrap();
    let address = port.host();
    let flood = thread::spawn(move || TcpStream::connect(address).unwrap().write_all(&vec![b'\n'; LINES]));
    let mut most = 0;
    let mut before = 0;
    until(&reactor, "all lines have come", || {
        most = most.max(count.get() - before); // Since the last turn.
        before = count.get();
        before >= LINES
    });
    flood.join().unwrap().unwrap();
    assert_eq!(count.get(), LINES);
    assert!(most <= MAX_IN_A_TURN, "{most} lines in one turn");
}
