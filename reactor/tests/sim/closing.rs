//! What a close waits for: a registered producer, within a limit; over TCP and over TLS, at either end.

use super::tls::Identity;
use super::*;
use reactor::Producer;
use reactor::sim::HostState;
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
fn a_half_close_waits_for_a_silent_producer_only_until_the_time_limit() {
    at_each_end(|is_secure, end| {
        let outcome = talk(is_secure, end, |reactor, transport, events| {
            let (transport, events) = (transport.clone(), events.clone());
            // After the handshake, which has a limit of its own.
            reactor.call_later(SECOND, move || {
                transport.register_producer(Rc::new(Idle(events)));
                transport.lose_write_connection();
                transport.write(b"drop ");
            });
        });
        assert_eq!(outcome.ours, ["made", "lost FlushTimeout", "stop"], "{is_secure} {end:?}");
        assert_eq!(outcome.theirs[..2], ["made", "data drop "]);
        assert!(outcome.lost_after <= MADE + 32 * SECOND, "{:?}", outcome.lost_after);
    });
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

const ANSWER: usize = 200_000;

/// Descriptors that every program has.
const OF_A_PROGRAM: usize = 5;

/// A server that answers the first bytes with much, and closes while its client still sends; and a client that sends
/// `request` bytes and then does `at_end` when it has read the end. Returns the world, what the server met, how many
/// bytes the client got, and what it met.
fn refuse(request: usize, at_end: fn(&Transport)) -> (World, Host, Events, Rc<Cell<usize>>, Events) {
    let (world, events, answers, got) = (world(1), Events::default(), Events::default(), Rc::new(Cell::new(0)));
    let met = events.clone();
    let server = world.host("server", move |reactor| {
        let met = met.clone();
        reactor.listen_tcp("0.0.0.0:8007", move |_| Refusing(met.clone())).unwrap();
    });
    let (noted, count) = (answers.clone(), got.clone());
    world.host("client", move |reactor| {
        let (noted, count) = (noted.clone(), count.clone());
        reactor.connect_tcp(("server", PORT), move |_| Asking {
            request,
            at_end,
            events: noted.clone(),
            got: count.clone(),
        });
    });
    (world, server, events, got, answers)
}

struct Refusing(Events);

impl Protocol for Refusing {
    fn data_received(&mut self, transport: &Transport, _data: &[u8]) {
        transport.write(&[b'!'; ANSWER]);
        transport.lose_connection();
    }
    fn connection_lost(&mut self, reason: &Reason) {
        self.0.note(reason.to_string());
    }
}

struct Asking {
    request: usize,
    at_end: fn(&Transport),
    events: Events,
    got: Rc<Cell<usize>>,
}

impl Protocol for Asking {
    fn connection_made(&mut self, transport: &Transport) {
        transport.write(&vec![b'?'; self.request]);
    }
    fn data_received(&mut self, _transport: &Transport, data: &[u8]) {
        self.got.set(self.got.get() + data.len());
    }
    fn read_connection_lost(&mut self, transport: &Transport) {
        self.events.note("end");
        (self.at_end)(transport);
    }
    fn connection_lost(&mut self, reason: &Reason) {
        self.events.note(reason.to_string());
    }
}

#[test]
fn an_answer_arrives_whole_although_its_reader_still_sends_when_we_close() {
    let (world, _, events, got, answers) = refuse(300_000, Transport::lose_connection);
    world.run_for(4 * SECOND);
    assert_eq!((got.get(), answers.all()), (ANSWER, vec!["end".to_owned(), "closed cleanly".to_owned()]));
    assert_eq!(events.all(), ["closed cleanly"]);
    assert_eq!(world.connection_count(), 0, "it was closed when its peer had closed, and not at a limit");
}

#[test]
fn a_peer_that_never_closes_holds_a_socket_only_until_the_limit() {
    let (world, server, events, got, answers) = refuse(300_000, |_| {});
    world.run_for(4 * SECOND);
    assert_eq!(
        (got.get(), answers.all(), events.all()),
        (ANSWER, vec!["end".to_owned()], vec!["closed cleanly".to_owned()])
    );
    assert_eq!(server.descriptor_count(), OF_A_PROGRAM + 2, "the port, and the socket that lingers");
    world.run_for(2 * SECOND);
    assert_eq!(server.descriptor_count(), OF_A_PROGRAM + 1);
}

#[test]
fn a_peer_that_sends_without_end_is_reset() {
    let (world, server, _, _, answers) = refuse(3_000_000, |_| {});
    world.run_for(4 * SECOND);
    assert!(answers.all().last().is_some_and(|reason| reason.starts_with("lost")), "{:?}", answers.all());
    assert_eq!(server.descriptor_count(), OF_A_PROGRAM + 1);
}

#[test]
fn a_stop_waits_for_a_socket_that_lingers_but_not_beyond_its_own_limit() {
    let (world, server, ..) = refuse(300_000, |_| {});
    world.run_for(SECOND);
    server.terminate();
    world.run_for(SECOND);
    assert!(server.state() == HostState::Running, "it waits for the peer");
    world.run_for(2 * SECOND);
    assert!(server.state() != HostState::Running);
}

#[test]
fn a_producer_registered_on_a_connection_that_is_gone_is_told_to_stop_unless_it_is_unregistered_or_replaced() {
    struct Named(&'static str, Events);
    impl Producer for Named {
        fn pause_producing(&self) {}
        fn resume_producing(&self) {}
        fn stop_producing(&self) {
            self.1.note(self.0);
        }
    }
    let (world, told, line) = (world(1), Events::default(), LastTransport::default());
    server(&world, &Events::default(), plain);
    let (keep, producers) = (line.clone(), told.clone());
    client(&world, &Events::default(), move |noting| {
        let (keep, producers) = (keep.clone(), producers.clone());
        let ours = keep.clone();
        let lost = move |_: &Reason| {
            ours.transport().register_producer(Named("unregistered", producers.clone()));
            ours.transport().unregister_producer();
            ours.transport().register_producer(Named("replaced", producers.clone()));
            ours.transport().register_producer(Named("in connection_lost", producers.clone()));
        };
        Noting { lost: Box::new(lost), ..keep.of(noting) }
    });
    world.run_for(SECOND);
    line.transport().lose_connection();
    world.run_for(SECOND);
    assert_eq!(told.all(), ["in connection_lost"]);
    for name in ["replaced later", "unregistered later"] {
        line.transport().register_producer(Named(name, told.clone()));
    }
    line.transport().unregister_producer();
    world.run_for(SECOND);
    assert_eq!(told.all(), ["in connection_lost"]);
    line.transport().register_producer(Named("later", told.clone()));
    assert_eq!(told.all(), ["in connection_lost"], "not before the call returns");
    world.run_for(SECOND);
    assert_eq!(told.all(), ["in connection_lost", "later"]);
}

#[test]
fn a_producer_that_puts_another_in_its_place_when_it_is_paused_hears_nothing_more() {
    struct Fickle(Transport, Events);
    impl Producer for Fickle {
        fn pause_producing(&self) {
            self.1.note("pause");
            self.0.register_producer(Asked(self.1.clone()));
        }
        fn resume_producing(&self) {
            self.1.note("the old one resumes");
        }
    }
    struct Asked(Events);
    impl Producer for Asked {
        fn is_pull(&self) -> bool {
            true
        }
        fn pause_producing(&self) {}
        fn resume_producing(&self) {
            self.0.note("the new one is asked");
        }
    }
    let (world, told, line) = (world(1), Events::default(), LastTransport::default());
    server(&world, &Events::default(), plain);
    let keep = line.clone();
    client(&world, &Events::default(), move |noting| keep.of(noting));
    world.run_for(SECOND);
    let transport = line.transport();
    transport.register_producer(Fickle(transport.clone(), told.clone()));
    // More than the mark, and no more than the system takes at once: so it is paused with nothing left to wait for.
    transport.write(&[7; 100_000]);
    world.run_for(SECOND);
    assert_eq!(told.all()[..2], ["pause", "the new one is asked"]);
    assert!(!told.all().contains(&"the old one resumes".to_owned()));
}

#[test]
fn a_pull_producer_that_another_registers_in_its_own_place_is_asked_without_any_other_event() {
    struct Link(Transport, Events, u32);
    impl Producer for Link {
        fn is_pull(&self) -> bool {
            true
        }
        fn pause_producing(&self) {}
        fn resume_producing(&self) {
            self.1.note(format!("link {}", self.2));
            // Only the first time: it may be asked again.
            if self.2 < 5 && self.1.all().iter().filter(|event| event.ends_with(&self.2.to_string())).count() == 1 {
                self.0.register_producer(Link(self.0.clone(), self.1.clone(), self.2 + 1));
            }
        }
    }
    let (world, told, line) = (world(1), Events::default(), LastTransport::default());
    server(&world, &Events::default(), plain);
    let keep = line.clone();
    client(&world, &Events::default(), move |noting| keep.of(noting));
    world.run_for(SECOND);
    line.transport().register_producer(Link(line.transport(), told.clone(), 1));
    world.run_for(SECOND);
    let mut links = told.all();
    links.dedup();
    assert_eq!(links, ["link 1", "link 2", "link 3", "link 4", "link 5"]);
}
