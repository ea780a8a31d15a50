//! Connections over real sockets: the order of events, the ways to end, and refused clients.

#[path = "util/answering_later.rs"]
mod answering_later;
#[path = "util/converse.rs"]
mod converse;
#[path = "util/events.rs"]
mod events;
#[path = "util/peer.rs"]
mod peer;
mod util;

use answering_later::answers_later;
use converse::{LARGE, converse, read_all, serve};
use events::{Events, Noting};
use peer::{meanwhile, patient};
use reactor::{Address, Producer, Protocol, Reactor, Transport};
use std::cell::{Cell, RefCell};
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::rc::Rc;
use std::time::Duration;
use util::until;

#[test]
fn events_come_in_order_and_the_end_comes_last() {
    let (events, echoed) = converse(
        |_, noting| Noting { data: Box::new(|transport, data| transport.write(data)), ..noting },
        |mut stream| {
            stream.write_all(b"hello").unwrap();
            stream.shutdown(Shutdown::Write).unwrap();
            read_all(&mut stream)
        },
    );
    assert_eq!(events, ["made", "data hello", "end", "lost Done"]);
    assert_eq!(echoed, b"hello");
}

#[test]
fn by_default_a_half_closed_client_gets_all_that_was_written() {
    let (events, received) = converse(
        |_, noting| Noting { made: Box::new(|transport| transport.write(&vec![b'x'; LARGE])), ..noting },
        |mut stream| {
            stream.shutdown(Shutdown::Write).unwrap();
            read_all(&mut stream).len()
        },
    );
    // So much waits that reading pauses, and the end is read after that.
    assert_eq!(events, ["made", "resumed", "end", "lost Done"]);
    assert_eq!(received, LARGE);
}

#[test]
fn a_protocol_that_stays_can_answer_a_half_closed_client_later() {
    let (events, answer) = converse(
        |reactor, noting| Noting { end: answers_later(reactor), ..noting },
        |mut stream| {
            stream.write_all(b"question").unwrap();
            stream.shutdown(Shutdown::Write).unwrap();
            read_all(&mut stream)
        },
    );
    assert_eq!(events, ["made", "data question", "end", "lost Done"]);
    assert_eq!(answer, b"answer");
}

#[test]
fn reading_goes_on_after_lose_write_connection() {
    let (events, received) = converse(
        |_, noting| {
            let made = |transport: &Transport| {
                transport.write(b"all I have");
                transport.lose_write_connection();
                transport.write(b"too late");
            };
            Noting { made: Box::new(made), ..noting }
        },
        |mut stream| {
            let received = read_all(&mut stream);
            stream.write_all(b"more").unwrap();
            received
        },
    );
    assert_eq!(events, ["made", "data more", "end", "lost Done"]);
    assert_eq!(received, b"all I have");
}

#[test]
fn a_connection_is_done_when_both_directions_have_ended() {
    let (events, ()) = converse(
        |_, noting| {
            let made = |transport: &Transport| transport.lose_write_connection();
            Noting { made: Box::new(made), end: Box::new(|_| {}), ..noting }
        },
        |stream| stream.shutdown(Shutdown::Write).unwrap(),
    );
    assert_eq!(events, ["made", "end", "lost Done"]);
}

#[test]
fn lose_connection_sends_everything_first() {
    let (events, received) = converse(
        |_, noting| {
            let made = |transport: &Transport| {
                let large = vec![b'x'; LARGE];
                transport.write_vectored(&[b"<", &large, b">"]);
                transport.lose_connection();
            };
            Noting { made: Box::new(made), ..noting }
        },
        |mut stream| read_all(&mut stream),
    );
    assert_eq!(events, ["made", "lost Done"]);
    assert_eq!(received.len(), LARGE + 2);
    assert_eq!((received[0], received[LARGE + 1]), (b'<', b'>'));
}

#[test]
fn bytes_written_after_lose_connection_are_dropped() {
    let (events, received) = converse(
        |_, noting| {
            let made = |transport: &Transport| {
                transport.write(b"kept");
                assert!(!transport.is_disconnecting());
                transport.lose_connection();
                assert!(transport.is_disconnecting());
                transport.write(b"dropped");
                transport.write_vectored(&[b"dropped", b"too"]);
            };
            Noting { made: Box::new(made), ..noting }
        },
        |mut stream| read_all(&mut stream),
    );
    assert_eq!(events, ["made", "lost Done"]);
    assert_eq!(received, b"kept");
}

#[test]
fn a_peer_that_does_not_read_delays_the_end_only_until_the_time_limit() {
    let mut settings = reactor::Settings::default();
    settings.close_timeout = Duration::from_millis(20);
    let reactor = Reactor::with_settings(settings).unwrap();
    let events = Events::default();
    let noted = events.clone();
    let factory = move |_| {
        let made = |transport: &Transport| {
            transport.write(&vec![0; LARGE]);
            transport.lose_connection();
        };
        Noting { made: Box::new(made), ..Noting::new(&noted) }
    };
    let port = reactor.listen_tcp("127.0.0.1:0", factory).unwrap();
    let _silent = patient(TcpStream::connect(port.host()));
    until(&reactor, "it is given up", || events.all() == ["made", "lost FlushTimeout"]);
}

#[test]
fn an_abort_throws_away_unsent_bytes_and_the_peer_sees_a_reset() {
    let (events, received) = converse(
        |_, noting| {
            let made = |transport: &Transport| {
                transport.write(b"thrown away");
                transport.abort_connection();
            };
            Noting { made: Box::new(made), ..noting }
        },
        |mut stream| stream.read(&mut [0; 100]).map_err(|error| error.kind()),
    );
    assert_eq!(events, ["made", "lost Aborted"]);
    assert_eq!(received, Err(ErrorKind::ConnectionReset));
}

#[test]
fn a_reset_by_the_peer_is_no_clean_end() {
    let (events, ()) = converse(
        |_, noting| Noting { made: Box::new(|transport| transport.write(b"unread")), ..noting },
        |stream| {
            // Closing a socket with unread bytes resets the connection.
            stream.peek(&mut [0; 1]).unwrap();
        },
    );
    assert_eq!(events, ["made", "lost Lost"]);
}

#[test]
fn connection_lost_comes_once_even_if_the_end_is_requested_twice() {
    struct Silent;
    impl Producer for Silent {
        fn pause_producing(&self) {}
        fn resume_producing(&self) {}
    }
    let kept: Rc<RefCell<Option<Transport>>> = Rc::default();
    let keep = kept.clone();
    let (events, ()) = converse(
        move |_, noting| {
            let made = move |transport: &Transport| {
                *keep.borrow_mut() = Some(transport.clone());
                transport.lose_connection();
                transport.abort_connection();
                transport.lose_connection();
                transport.abort_connection();
                transport.resume_producing();
            };
            Noting { made: Box::new(made), ..noting }
        },
        |mut stream| {
            let _ = stream.read(&mut [0; 1]);
        },
    );
    assert_eq!(events, ["made", "lost Aborted"]);
    // A handle that outlives its connection has no effect, and no harm.
    let transport = kept.take().unwrap();
    transport.write(b"nobody");
    transport.lose_connection();
    transport.pause_producing();
    transport.resume_producing();
    transport.register_producer(Rc::new(Silent));
    transport.set_no_delay(true);
    assert!(transport.is_disconnecting());
    assert_eq!((transport.buffered(), transport.host()), (0, Address::Unknown));
}

#[test]
fn a_panic_in_a_callback_ends_that_connection_only() {
    let events = Events::default();
    let noted = events.clone();
    let (reactor, port) = serve(move |_| {
        let data = |transport: &Transport, data: &[u8]| {
            assert_ne!(data, b"panic", "as the test wants it");
            transport.write(data);
        };
        Noting { data: Box::new(data), ..Noting::new(&noted) }
    });
    let address = port.host();
    let (seen, echoed) = meanwhile(&reactor, move || {
        let (mut calm, mut bad) = (patient(TcpStream::connect(address)), patient(TcpStream::connect(address)));
        bad.write_all(b"panic").unwrap();
        let seen = bad.read(&mut [0; 1]).map_err(|error| error.kind());
        calm.write_all(b"well").unwrap();
        calm.shutdown(Shutdown::Write).unwrap();
        (seen, read_all(&mut calm))
    });
    assert_eq!(seen, Err(ErrorKind::ConnectionReset));
    assert_eq!(echoed, b"well");
    until(&reactor, "both have ended", || reactor.source_count() == 1);
    assert_eq!(events.all(), ["made", "made", "data panic", "lost Panicked", "data well", "end", "lost Done"]);
}

/// Which callback of the contract.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Moment {
    Made,
    Data,
    End,
    Lost,
}

/// Closes every other connection from inside one of its callbacks, and checks the contract of its own.
struct Fratricide {
    me: usize,
    moment: Moment,
    family: Rc<RefCell<Vec<(Transport, usize)>>>,
    abort: bool,
}

impl Fratricide {
    fn strike(&self, now: Moment) {
        assert_eq!(self.family.borrow()[self.me].1, 0, "an event after connection_lost");
        if now == self.moment {
            let others: Vec<Transport> = self.family.borrow().iter().map(|(transport, _)| transport.clone()).collect();
            for (_, other) in others.iter().enumerate().filter(|(index, _)| *index != self.me) {
                if self.abort { other.abort_connection() } else { other.lose_connection() }
            }
        }
    }
}

impl Protocol for Fratricide {
    fn connection_made(&mut self, transport: &Transport) {
        self.family.borrow_mut().push((transport.clone(), 0));
        self.strike(Moment::Made);
    }
    fn data_received(&mut self, _transport: &Transport, _data: &[u8]) {
        self.strike(Moment::Data);
    }
    fn read_connection_lost(&mut self, transport: &Transport) {
        self.strike(Moment::End);
        transport.lose_connection();
    }
    fn connection_lost(&mut self, _reason: &reactor::Reason) {
        self.strike(Moment::Lost);
        self.family.borrow_mut()[self.me].1 += 1;
    }
}

#[test]
fn a_protocol_may_close_all_others_from_inside_any_callback() {
    for moment in [Moment::Made, Moment::Data, Moment::End, Moment::Lost] {
        for abort in [false, true] {
            let family: Rc<RefCell<Vec<(Transport, usize)>>> = Rc::default();
            let shared = family.clone();
            let (reactor, port) = serve(move |_| {
                let me = shared.borrow().len();
                Fratricide { me, moment, family: shared.clone(), abort }
            });
            let address = port.host();
            meanwhile(&reactor, move || {
                let streams: Vec<TcpStream> = (0..5).map(|_| patient(TcpStream::connect(address))).collect();
                for mut stream in &streams {
                    let _ = stream.write_all(b"x"); // Some are gone already.
                    let _ = stream.shutdown(Shutdown::Write);
                }
                for mut stream in &streams {
                    let _ = stream.read(&mut [0; 1]);
                }
            });
            until(&reactor, "all five have ended", || family.borrow().len() == 5 && reactor.source_count() == 1);
            let losses: Vec<usize> = family.borrow().iter().map(|(_, losses)| *losses).collect();
            assert_eq!(losses, [1; 5], "{moment:?}, abort: {abort}");
        }
    }
}

#[test]
fn both_ends_know_both_addresses() {
    let addresses: Rc<Cell<Option<(Address, Address)>>> = Rc::default();
    let noted = addresses.clone();
    let events = Events::default();
    let seen = events.clone();
    let (reactor, port) = serve(move |peer| {
        let (noted, peer) = (noted.clone(), peer.clone());
        let made = move |transport: &Transport| {
            assert_eq!(transport.peer(), peer);
            noted.set(Some((transport.peer(), transport.host())));
        };
        Noting { made: Box::new(made), ..Noting::new(&events) }
    });
    let address = port.host();
    assert_ne!(address.port(), 0);
    let client: SocketAddr = meanwhile(&reactor, move || patient(TcpStream::connect(address)).local_addr().unwrap());
    until(&reactor, "the connection is made", || !seen.all().is_empty());
    assert_eq!(addresses.take(), Some((Address::from(client), Address::from(address))));
}

#[test]
fn options_can_be_set_on_a_connection() {
    let (events, received) = converse(
        |_, noting| {
            let made = |transport: &Transport| {
                transport.set_no_delay(true);
                let seconds = Duration::from_secs;
                let probes = reactor::transport::KeepAlive { idle: seconds(60), interval: seconds(10), probes: 3 };
                transport.set_keep_alive(Some(probes));
                transport.set_keep_alive(None);
                transport.write(b"still up");
                transport.lose_connection();
            };
            Noting { made: Box::new(made), ..noting }
        },
        |mut stream| read_all(&mut stream),
    );
    assert_eq!(events, ["made", "lost Done"]);
    assert_eq!(received, b"still up");
}

#[test]
fn bytes_written_from_a_timer_or_another_connection_go_out_in_the_same_turn() {
    let transports: Rc<RefCell<Vec<Transport>>> = Rc::default();
    let keep = transports.clone();
    let events = Events::default();
    let (reactor, port) = serve(move |_| {
        let keep = keep.clone();
        Noting { made: Box::new(move |transport| keep.borrow_mut().push(transport.clone())), ..Noting::new(&events) }
    });
    let mut stream = patient(TcpStream::connect(port.host()));
    until(&reactor, "the connection is made", || transports.borrow().len() == 1);
    let transport = transports.borrow()[0].clone();
    let written = Rc::new(Cell::new(false));
    let note = written.clone();
    reactor.call_later(Duration::ZERO, move || {
        transport.write(b"from a timer");
        note.set(true);
    });
    until(&reactor, "the timer has run", || written.get());
    stream.set_nonblocking(true).unwrap();
    let mut bytes = [0; 100];
    let count = stream.read(&mut bytes).expect("it was sent before the turn ended");
    assert_eq!(&bytes[..count], b"from a timer");
}

#[test]
fn a_factory_may_refuse_a_connection() {
    struct Refuses;
    impl reactor::Factory for Refuses {
        fn build_protocol(&mut self, _peer: &Address) -> Option<Box<dyn Protocol>> {
            None
        }
    }
    let reactor = Reactor::new().unwrap();
    let address = reactor.listen_tcp("127.0.0.1:0", Refuses).unwrap().host();
    let received = meanwhile(&reactor, move || read_all(&mut patient(TcpStream::connect(address))));
    assert_eq!(received, b"");
    assert_eq!(reactor.source_count(), 1);
}

#[test]
fn a_stopped_port_leaves_its_connections_alone_and_its_factory_hears_of_both() {
    struct Noted(Events);
    impl reactor::Factory for Noted {
        fn build_protocol(&mut self, _peer: &Address) -> Option<Box<dyn Protocol>> {
            Some(Box::new(Noting { data: Box::new(|transport, data| transport.write(data)), ..Noting::new(&self.0) }))
        }
        fn start_factory(&mut self) {
            self.0.note("start");
        }
        fn stop_factory(&mut self) {
            self.0.note("stop");
        }
    }
    let events = Events::default();
    let reactor = Reactor::new().unwrap();
    let port = reactor.listen_tcp("127.0.0.1:0", Noted(events.clone())).unwrap();
    let mut stream = patient(TcpStream::connect(port.host()));
    until(&reactor, "the connection is made", || events.all() == ["start", "made"]);
    port.stop_listening().detach();
    assert_eq!(events.all(), ["start", "made"], "nothing calls back before it returns");
    until(&reactor, "the factory has heard", || events.all() == ["start", "made", "stop"]);
    assert!(TcpStream::connect(port.host()).is_err(), "nobody listens");
    let echoed = meanwhile(&reactor, move || {
        stream.write_all(b"still here").unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        read_all(&mut stream)
    });
    assert_eq!(echoed, b"still here");
}

#[test]
fn an_address_in_use_cannot_be_listened_on() {
    let (reactor, port) = serve(|_| Noting::new(&Events::default()));
    let error = reactor.listen_tcp(port.host(), |_| Noting::new(&Events::default())).unwrap_err();
    assert_eq!(error.error.kind(), ErrorKind::AddrInUse);
    assert_eq!(error.address, port.host().to_string());
    let error = reactor.listen_tcp("localhost", |_| Noting::new(&Events::default())).unwrap_err();
    assert_eq!(error.error.kind(), ErrorKind::InvalidInput);
}
