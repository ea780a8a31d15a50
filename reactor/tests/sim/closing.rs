//! What a close waits for: a registered producer, within a limit; over TCP and over TLS, at either end.

use super::tls::Identity;
use super::*;
use reactor::Producer;
use reactor::tls::{TlsClient, TlsServer};
use std::cell::Cell;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Server,
    Client,
}

/// What the end under test does when its connection is made.
type OnMade = fn(&Reactor, &Transport, &Events);

/// What the end under test and its peer noted, and when the former lost its connection.
struct Outcome {
    ours: Vec<String>,
    theirs: Vec<String>,
    lost_after: Duration,
}

const MADE: Duration = Duration::from_millis(35);

/// Connects two hosts. One does `on_made`; the other does what a protocol does by default.
fn talk(is_secure: bool, end: End, on_made: OnMade) -> Outcome {
    let (world, identity) = (world(1), Identity::new());
    let (ours, theirs) = (Events::default(), Events::default());
    let shape = move |reactor: &Reactor, acts: bool, events: &Events| {
        let (reactor, noted) = (reactor.clone(), events.clone());
        let made: Box<dyn FnMut(&Transport)> = match acts {
            true => Box::new(move |transport| on_made(&reactor, transport, &noted)),
            false => Box::new(|_| {}),
        };
        Noting { made, ..Noting::new(events) }
    };
    let events = |is_acting: bool| if is_acting { ours.clone() } else { theirs.clone() };
    let (id, noted) = (identity.clone(), events(end == End::Server));
    world.host("server", move |reactor| {
        let (within, noted) = (reactor.clone(), noted.clone());
        let build = move |_: Address| shape(&within, end == End::Server, &noted);
        match is_secure {
            true => {
                let tls = TlsServer::new(reactor, &[&id.certificate], &id.key, &[]).unwrap();
                reactor.listen_tcp("0.0.0.0:443", tls.factory(build)).unwrap();
            }
            false => drop(reactor.listen_tcp("0.0.0.0:443", build).unwrap()),
        }
    });
    let noted = events(end == End::Client);
    world.host("client", move |reactor| {
        let (within, noted) = (reactor.clone(), noted.clone());
        let build = move |_: Address| shape(&within, end == End::Client, &noted);
        match is_secure {
            true => {
                let tls = TlsClient::new(reactor, &identity.roots(), &[]).unwrap();
                reactor.connect_tcp(("server", 443), tls.factory("server", build));
            }
            false => drop(reactor.connect_tcp(("server", 443), build)),
        }
    });
    world.run_until(600 * SECOND, || ours.all().iter().any(|event| event.starts_with("lost")));
    let lost_after = world.now();
    world.run_for(SECOND);
    assert_eq!(world.connection_count(), 0, "no kernel keeps it");
    Outcome { ours: ours.all(), theirs: theirs.all(), lost_after }
}

fn at_each_end(check: impl Fn(bool, End)) {
    for is_secure in [false, true] {
        for end in [End::Server, End::Client] {
            check(is_secure, end);
        }
    }
}

/// Writes a drop every ten seconds, and unregisters after the last.
struct Tap {
    reactor: Reactor,
    transport: Transport,
    events: Events,
    left: Cell<u32>,
}

impl Tap {
    fn open(reactor: &Reactor, transport: &Transport, events: &Events, drops: u32) {
        let (reactor, transport, events) = (reactor.clone(), transport.clone(), events.clone());
        let tap = Rc::new(Tap { reactor, transport, events, left: Cell::new(drops) });
        tap.transport.register_producer(tap.clone());
        tap.drip();
    }

    fn drip(self: &Rc<Self>) {
        match self.left.get() {
            0 => self.transport.unregister_producer(),
            left => {
                self.left.set(left - 1);
                self.transport.write(b"drop ");
                let tap = self.clone();
                self.reactor.call_later(10 * SECOND, move || tap.drip());
            }
        }
    }
}

impl Producer for Tap {
    fn pause_producing(&self) {}
    fn resume_producing(&self) {}
    fn stop_producing(&self) {
        self.events.note("stop");
    }
}

#[test]
fn a_close_waits_until_the_producer_has_written_all_and_unregistered() {
    at_each_end(|is_secure, end| {
        let outcome = talk(is_secure, end, |reactor, transport, events| {
            Tap::open(reactor, transport, events, 5);
            transport.lose_connection();
            assert!(transport.is_disconnecting());
        });
        assert_eq!(outcome.ours, ["made", "lost Done"], "{is_secure} {end:?}");
        assert_eq!(
            outcome.theirs,
            ["made", "data drop drop drop drop drop ", "end", "lost Done"],
            "{is_secure} {end:?}"
        );
        assert!(outcome.lost_after >= 50 * SECOND, "five drops take longer than any one may");
    });
}

#[test]
fn a_producer_that_writes_no_more_delays_the_end_only_until_the_time_limit() {
    at_each_end(|is_secure, end| {
        let outcome = talk(is_secure, end, |reactor, transport, events| {
            let (transport, events) = (transport.clone(), events.clone());
            // After the handshake, which has a limit of its own.
            reactor.call_later(SECOND, move || {
                transport.register_producer(Rc::new(Idle(events)));
                transport.lose_connection();
                transport.write(b"drop ");
            });
        });
        assert_eq!(outcome.ours, ["made", "lost FlushTimeout", "stop"], "{is_secure} {end:?}");
        assert_eq!(outcome.theirs[..2], ["made", "data drop "]);
        assert!(outcome.lost_after <= MADE + 32 * SECOND, "{:?}", outcome.lost_after);
    });
}

/// Never writes, and never unregisters.
struct Idle(Events);

impl Producer for Idle {
    fn pause_producing(&self) {}
    fn resume_producing(&self) {}
    fn stop_producing(&self) {
        self.0.note("stop");
    }
}

#[test]
fn a_half_close_waits_for_the_producer_too() {
    at_each_end(|is_secure, end| {
        let outcome = talk(is_secure, end, |reactor, transport, events| {
            Tap::open(reactor, transport, events, 2);
            transport.lose_write_connection();
            assert!(!transport.is_disconnecting());
        });
        assert_eq!(outcome.ours, ["made", "end", "lost Done"], "{is_secure} {end:?}");
        assert_eq!(outcome.theirs, ["made", "data drop drop ", "end", "lost Done"], "{is_secure} {end:?}");
        assert!(outcome.lost_after >= 20 * SECOND);
    });
}

#[test]
fn a_close_waits_for_no_producer_that_comes_after_it() {
    at_each_end(|is_secure, end| {
        let outcome = talk(is_secure, end, |_, transport, events| {
            transport.write(b"sent");
            transport.lose_connection();
            transport.write(b"lost");
            transport.register_producer(Rc::new(Idle(events.clone())));
            transport.write(b"lost, too");
        });
        assert_eq!(outcome.ours, ["made", "lost Done", "stop"], "{is_secure} {end:?}");
        assert_eq!(outcome.theirs, ["made", "data sent", "end", "lost Done"], "{is_secure} {end:?}");
        assert!(outcome.lost_after <= MADE + SECOND);
    });
}

#[test]
fn a_tls_connection_that_is_cut_off_waits_for_no_producer_and_tells_it_to_stop() {
    let (world, events, identity) = (world(1), Events::default(), Identity::new());
    let id = identity.clone();
    let server = world.host("server", move |reactor| {
        let tls = TlsServer::new(reactor, &[&id.certificate], &id.key, &[]).unwrap();
        reactor.listen_tcp("0.0.0.0:443", tls.factory(|_| Echo)).unwrap();
    });
    let noted = events.clone();
    world.host("client", move |reactor| {
        let noted = noted.clone();
        let tls = TlsClient::new(reactor, &identity.roots(), &[]).unwrap();
        let shape = move |_: Address| {
            let within = noted.clone();
            let made = move |transport: &Transport| transport.register_producer(Rc::new(Idle(within.clone())));
            Noting { made: Box::new(made), ..Noting::new(&noted) }
        };
        reactor.connect_tcp(("server", 443), tls.factory("server", shape));
    });
    world.run_for(SECOND);
    server.kill();
    world.run_for(SECOND);
    assert_eq!(events.all(), ["made", "lost Truncated", "stop"]);
}
