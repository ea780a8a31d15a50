//! What holds over every kind of stream socket. The tests of each kind include this file beside a file `kind` of their
//! own, which says how that kind listens and connects.

use crate::answering_later::answers_later;
use crate::converse::{LARGE, converse, read_all, serve};
use crate::events::{Events, Noting};
use crate::kind::{self, Socket};
use crate::peer::meanwhile;
use crate::util::until;
use reactor::transport::HIGH_WATER;
use reactor::{Producer, Protocol, Reactor, Transport};
use std::cell::{Cell, RefCell};
use std::io::{Read, Write};
use std::net::Shutdown;
use std::rc::Rc;
use std::time::Duration;

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
    let port = kind::listen(&reactor, factory);
    let _silent = kind::connect(&port.host());
    until(&reactor, "it is given up", || events.all() == ["made", "lost FlushTimeout"]);
}

#[test]
fn bytes_that_come_one_by_one_come_in_order() {
    const TEXT: &str = "the quick brown fox jumps over the lazy dog";
    let (events, echoed) = converse(
        |_, noting| Noting { data: Box::new(|transport, data| transport.write(data)), ..noting },
        |mut stream| {
            let mut echoed = Vec::new();
            for byte in TEXT.bytes() {
                stream.write_all(&[byte]).unwrap();
                let mut answer = [0];
                stream.read_exact(&mut answer).unwrap(); // So that each byte is a read of its own.
                echoed.extend(answer);
            }
            stream.shutdown(Shutdown::Write).unwrap();
            (echoed, read_all(&mut stream))
        },
    );
    assert_eq!(events, ["made", &format!("data {TEXT}"), "end", "lost Done"]);
    assert_eq!(echoed, (TEXT.as_bytes().to_vec(), Vec::new()));
}

/// Writes pieces until it is told to pause, and ends the connection after the last one.
struct Pieces {
    transport: Transport,
    left: Cell<usize>,
    paused: Cell<bool>,
    told: Rc<RefCell<Vec<&'static str>>>,
}

const PIECE: usize = HIGH_WATER / 2;

impl Pieces {
    fn go_on(&self) {
        while self.left.get() > 0 && !self.paused.get() && self.transport.buffered() <= HIGH_WATER {
            self.left.set(self.left.get() - 1);
            self.transport.write(&[b'x'; PIECE]);
        }
        if self.left.get() == 0 {
            self.transport.unregister_producer();
            self.transport.lose_connection();
        }
    }
}

impl Producer for Pieces {
    fn pause_producing(&self) {
        self.told.borrow_mut().push("pause");
        self.paused.set(true);
    }
    fn resume_producing(&self) {
        self.told.borrow_mut().push("resume");
        self.paused.set(false);
        self.go_on();
    }
}

#[test]
fn a_producer_is_paused_while_its_peer_does_not_read_and_all_its_bytes_arrive() {
    const PIECES: usize = 8 * 1024 * 1024 / PIECE;
    let told: Rc<RefCell<Vec<&'static str>>> = Rc::default();
    let note = told.clone();
    let (events, received) = converse(
        move |_, noting| {
            let made = move |transport: &Transport| {
                let (left, paused, told) = (Cell::new(PIECES), Cell::new(false), note.clone());
                let producer = Rc::new(Pieces { transport: transport.clone(), left, paused, told });
                transport.register_producer(producer.clone());
                producer.go_on();
            };
            Noting { made: Box::new(made), ..noting }
        },
        |mut stream| read_all(&mut stream).len(),
    );
    assert_eq!((events.last().map(String::as_str), received), (Some("lost Done"), PIECES * PIECE));
    let told = told.take();
    assert!(told.len() >= 2, "it was paused: {told:?}");
    assert!(told.chunks(2).all(|pair| pair == ["pause", "resume"]), "in pairs: {told:?}");
}

#[test]
fn a_port_that_stops_while_clients_wait_accepts_none_of_them_and_leaves_nothing() {
    let events = Events::default();
    let noted = events.clone();
    let (reactor, port) = serve(move |_| Noting::new(&noted));
    let clients: Vec<Socket> = (0..10).map(|_| kind::connect(&port.host())).collect();
    port.stop_listening().detach(); // Before the loop has accepted one.
    until(&reactor, "the port is closed", || reactor.source_count() == 0);
    assert_eq!(events.all(), [""; 0]);
    let ends = meanwhile(&reactor, move || {
        clients.into_iter().map(|mut client| matches!(client.read(&mut [0; 1]), Ok(0) | Err(_))).collect::<Vec<_>>()
    });
    assert_eq!(ends, [true; 10], "each client hears that it is over");
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
                let mut streams: Vec<Socket> = (0..5).map(|_| kind::connect(&address)).collect();
                for stream in &mut streams {
                    let _ = stream.write_all(b"x"); // Some are gone already.
                    let _ = stream.shutdown(Shutdown::Write);
                }
                for stream in &mut streams {
                    let _ = stream.read(&mut [0; 1]);
                }
            });
            until(&reactor, "all five have ended", || family.borrow().len() == 5 && reactor.source_count() == 1);
            let losses: Vec<usize> = family.borrow().iter().map(|(_, losses)| *losses).collect();
            assert_eq!(losses, [1; 5], "{moment:?}, abort: {abort}");
        }
    }
}
