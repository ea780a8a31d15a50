//! A connection that breaks, at each of its bytes: in clear text, in TLS 1.2 and 1.3, with and without a certificate of
//! the client. Each of our ends learns of it once, says nothing that has not happened, and leaves nothing behind.

use crate::issuing::{Authority, Issued};
use crate::raw::Raw;
use crate::tls_clock::for_tls;
use reactor::testing::{ManualClock, Pump, Side, connect};
use reactor::tls::{PrivateCertificate, TlsClient, TlsServer};
use reactor::{Protocol, Reason, Transport};
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

const NAME: &str = "a.test";

/// What one of our ends meets.
#[derive(Clone, Default)]
struct Met(Rc<RefCell<Vec<String>>>);

impl Met {
    fn note(&self, what: impl Into<String>) {
        self.0.borrow_mut().push(what.into());
    }

    fn protocol(&self, is_client: bool) -> Box<dyn Protocol> {
        Box::new(Ours { met: self.clone(), is_client, heard: 0 })
    }
}

/// Says hello when it can. The client closes when it has heard it; the server, when the client has closed.
struct Ours {
    met: Met,
    is_client: bool,
    heard: usize,
}

impl Protocol for Ours {
    fn connection_made(&mut self, transport: &Transport) {
        self.met.note("made");
        transport.write(b"hello");
    }
    fn handshake_completed(&mut self, _transport: &Transport) {
        self.met.note("handshake");
    }
    fn data_received(&mut self, transport: &Transport, data: &[u8]) {
        assert!(b"hello"[self.heard..].starts_with(data), "{data:?}");
        self.heard += data.len();
        if self.heard == 5 {
            self.met.note("hello");
            if self.is_client {
                transport.lose_connection();
            }
        }
    }
    fn read_connection_lost(&mut self, transport: &Transport) {
        self.met.note("end");
        transport.lose_connection();
    }
    fn connection_lost(&mut self, reason: &Reason) {
        self.met.note(format!("lost: {reason}"));
    }
}

/// How the two ends of a session are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    ClearText,
    /// Our client and a server that speaks 1.2; or the other way round.
    OurClientTls12,
    OurServerTls12,
    Tls13,
}

struct Session {
    pair: Pump,
    /// Of our ends.
    met: Vec<Met>,
}

/// Makes sessions.
struct Ends {
    clock: ManualClock,
    authority: Authority,
    of_server: Issued,
    of_client: Issued,
    our_server: TlsServer,
    certificate: PrivateCertificate,
    /// Whether the server asks for the client's certificate.
    asks: bool,
}

impl Ends {
    fn new(asks: bool) -> Ends {
        let (clock, authority) = (ManualClock::new(), Authority::new("Root"));
        let (of_server, of_client) = (authority.issue(&[NAME]), authority.issue(&["alice"]));
        let our_server = TlsServer::with_certificate(for_tls(&clock), of_server.private()).unwrap();
        let our_server = match asks {
            true => our_server.require_client_certificate(&authority.roots()).unwrap(),
            false => our_server,
        };
        Ends { certificate: of_client.private(), clock, authority, of_server, of_client, our_server, asks }
    }

    /// Made anew for each session: no session is resumed.
    fn our_client(&self, met: &Met) -> Box<dyn Protocol> {
        let client = TlsClient::new(for_tls(&self.clock), &self.authority.roots(), &[]).unwrap();
        client.certificate(self.certificate.clone()).wrap(NAME, met.protocol(true)).unwrap()
    }

    fn our_server(&self, met: &Met) -> Box<dyn Protocol> {
        self.our_server.wrap(met.protocol(false)).unwrap()
    }

    /// Both ends have heard `connection_made`.
    fn session(&self, kind: Kind) -> Session {
        let (client, server) = (Met::default(), Met::default());
        let asked = self.asks.then_some(&self.authority);
        let pair = match kind {
            Kind::ClearText => connect(server.protocol(false), client.protocol(true)),
            Kind::Tls13 => connect(self.our_server(&server), self.our_client(&client)),
            Kind::OurClientTls12 => connect(Raw::server(&self.of_server, asked), self.our_client(&client)),
            Kind::OurServerTls12 => {
                let own = asked.map(|_| &self.of_client);
                connect(self.our_server(&server), Raw::client(&self.authority, NAME, own))
            }
        };
        let met = match kind {
            Kind::OurClientTls12 => vec![client],
            Kind::OurServerTls12 => vec![server],
            Kind::ClearText | Kind::Tls13 => vec![client, server],
        };
        Session { pair, met }
    }
}

/// Lets both talk until `count` bytes of `from` have arrived, and all of the other end that depend on no more.
fn deliver_until(pair: &Pump, from: Side, count: usize) {
    let mut left = count;
    loop {
        let moved = pair.deliver(from, left);
        left -= moved;
        if left == 0 || moved + pair.deliver(from.other(), usize::MAX) == 0 {
            return;
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Break {
    /// Both ends get a reset.
    Reset,
    /// The end that reads is told that its peer will send no more; the other end is told nothing.
    End,
}

/// Breaks a session after each of its bytes, in each direction.
#[track_caller]
fn break_everywhere(ends: &Ends, kind: Kind, how: Break) {
    let whole = ends.session(kind);
    whole.pair.flush();
    let all: Vec<Vec<String>> = whole.met.iter().map(|met| met.0.borrow().clone()).collect();
    for met in &all {
        assert_eq!(met.last().map(String::as_str), Some("lost: closed cleanly"), "{met:?}");
        assert_eq!(met.iter().any(|event| event == "handshake"), kind != Kind::ClearText);
    }
    for from in [Side::Client, Side::Server] {
        let total = whole.pair.said_by(from).len();
        for cut in 0..total {
            let Session { pair, met } = ends.session(kind);
            deliver_until(&pair, from, cut);
            match how {
                Break::Reset => pair.reset(),
                Break::End => {
                    pair.take(from, usize::MAX);
                    pair.end_reading(from.other());
                    pair.flush();
                    // The longest time for a handshake. Then an end that has heard nothing gives up.
                    ends.clock.advance(Duration::from_secs(10));
                    pair.flush();
                }
            }
            for (met, all) in met.iter().zip(&all) {
                let events = met.0.borrow().clone();
                let (last, before) = events.split_last().expect("it has been made");
                let at = || format!("{kind:?}, {how:?} after {cut} of {total} bytes of {from:?}: {events:?}");
                assert!(last.starts_with("lost: "), "{}", at());
                // In clear text, the end of a peer cannot be told from a cut.
                let before: Vec<&String> =
                    before.iter().filter(|event| kind != Kind::ClearText || *event != "end").collect();
                assert!(before.iter().zip(all).all(|(one, other)| *one == other), "{}, but not {all:?}", at());
                if last == "lost: closed cleanly" && kind != Kind::ClearText {
                    assert_eq!(events, *all, "{}", at());
                }
            }
            drop(pair);
            assert_eq!(ends.clock.pending().len(), 0, "timers are left");
            assert!(met.iter().all(|met| Rc::strong_count(&met.0) == 1), "a protocol is left");
        }
    }
}

#[test]
fn a_handshake_that_trickles_ends_at_its_deadline() {
    let ends = Ends::new(false);
    for (from, name) in [(Side::Client, "client"), (Side::Server, "server")] {
        let Session { pair, met } = ends.session(Kind::Tls13);
        for second in 0..10 {
            assert!(!pair.is_over(), "after {second} seconds");
            // The end that waits has all but this one's bytes, and gets one of those in a second.
            pair.deliver(from.other(), usize::MAX);
            pair.deliver(from, 1);
            ends.clock.advance(Duration::from_secs(1));
        }
        pair.flush();
        let waiting = if from == Side::Client { &met[1] } else { &met[0] };
        let events = waiting.0.borrow().clone();
        let why = format!("lost: the TLS handshake failed: the {name} did not complete it within 10s");
        assert_eq!(events, ["made", &*why]);
        drop(pair);
        assert_eq!(ends.clock.pending().len(), 0, "timers are left");
    }
}

#[test]
fn clear_text_that_breaks_after_any_byte() {
    let ends = Ends::new(false);
    break_everywhere(&ends, Kind::ClearText, Break::Reset);
    break_everywhere(&ends, Kind::ClearText, Break::End);
}

#[test]
fn tls_1_3_that_is_reset_after_any_byte() {
    break_everywhere(&Ends::new(false), Kind::Tls13, Break::Reset);
}

#[test]
fn tls_1_3_that_ends_after_any_byte() {
    break_everywhere(&Ends::new(false), Kind::Tls13, Break::End);
}

#[test]
fn tls_1_3_with_a_client_certificate_that_is_reset_after_any_byte() {
    break_everywhere(&Ends::new(true), Kind::Tls13, Break::Reset);
}

#[test]
fn tls_1_2_that_is_reset_after_any_byte() {
    break_everywhere(&Ends::new(false), Kind::OurClientTls12, Break::Reset);
    break_everywhere(&Ends::new(false), Kind::OurServerTls12, Break::Reset);
}

#[test]
fn tls_1_2_that_ends_after_any_byte() {
    break_everywhere(&Ends::new(false), Kind::OurClientTls12, Break::End);
    break_everywhere(&Ends::new(false), Kind::OurServerTls12, Break::End);
}

#[test]
fn tls_1_2_with_a_client_certificate_that_is_reset_after_any_byte() {
    break_everywhere(&Ends::new(true), Kind::OurClientTls12, Break::Reset);
    break_everywhere(&Ends::new(true), Kind::OurServerTls12, Break::Reset);
}
