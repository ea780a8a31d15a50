//! Outgoing connections: the ways to fail, and what the factory hears of each.

#[path = "util/driver.rs"]
mod driver;
#[path = "util/events.rs"]
mod events;
mod util;

use driver::{Hooks, edited};
use events::{Events, Noting};
use reactor::driver::LookupReply;
use reactor::error::ConnectError;
use reactor::testing::{assert_nothing_left, success_result_of};
use reactor::{Address, ClientFactory, Connector, Destination, Failure, Protocol, Reactor, Reason, Settings};
use std::cell::{Cell, RefCell};
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::rc::Rc;
use std::time::Duration;
use util::until;

const LOCAL: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

type OnConnector = Box<dyn FnMut(&Connector)>;

/// Notes all that a client factory hears, and then does what its closures say.
struct Client {
    events: Events,
    builds: Box<dyn FnMut() -> bool>,
    started: OnConnector,
    failed: OnConnector,
    lost: OnConnector,
}

impl Client {
    fn new(events: &Events) -> Client {
        Client {
            events: events.clone(),
            builds: Box::new(|| true),
            started: Box::new(|_| {}),
            failed: Box::new(|_| {}),
            lost: Box::new(|_| {}),
        }
    }
}

impl ClientFactory for Client {
    fn started_connecting(&mut self, connector: &Connector) {
        self.events.note("started");
        (self.started)(connector);
    }
    fn build_protocol(&mut self, _peer: &Address) -> Option<Box<dyn Protocol>> {
        self.events.note("build");
        (self.builds)().then(|| Box::new(Noting::new(&self.events)) as Box<dyn Protocol>)
    }
    fn client_connection_failed(&mut self, connector: &Connector, failure: Failure) {
        self.events.note(match failure.check::<ConnectError>() {
            Some(ConnectError::Failed { error, .. }) => format!("failed {:?}", error.kind()),
            Some(ConnectError::NameLookup { host, .. }) => format!("no address of {host}"),
            Some(ConnectError::Timeout { .. }) => "timeout".to_owned(),
            Some(ConnectError::Cancelled) => "cancelled".to_owned(),
            Some(ConnectError::NoProtocol) => "no protocol".to_owned(),
            other => format!("unexpected {other:?}"),
        });
        assert!(!connector.is_connected());
        (self.failed)(connector);
    }
    fn client_connection_lost(&mut self, connector: &Connector, reason: &Reason) {
        assert!(!connector.is_connected());
        self.events.note(format!("client lost, clean: {}", reason.is_clean()));
        (self.lost)(connector);
    }
}

fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// An address at which nobody listens.
fn nobody() -> SocketAddr {
    listener().1
}

/// Connects and takes turns until the factory has heard as many events as expected.
#[track_caller]
fn check(to: impl Into<Destination>, client: impl FnOnce(&Reactor, Client) -> Client, expected: &[&str]) {
    let reactor = Reactor::new().unwrap();
    let events = Events::default();
    let factory = client(&reactor, Client::new(&events));
    reactor.connect_tcp(to, factory);
    assert_eq!(events.all(), [""; 0], "nothing calls back before it returns");
    until(&reactor, "as much as expected", || events.all().len() >= expected.len());
    assert_eq!(events.all(), expected);
    assert_nothing_left(&reactor);
}

#[test]
fn a_connection_is_made_and_lost_and_the_factory_hears_it_last() {
    let (listener, address) = listener();
    let reactor = Reactor::new().unwrap();
    let events = Events::default();
    let connector = reactor.connect_tcp(address, Client::new(&events));
    assert_eq!(connector.destination().to_string(), address.to_string());
    until(&reactor, "it is made", || events.all() == ["started", "build", "made"]);
    assert!(connector.is_connected());
    drop(listener.accept().unwrap());
    let expected = ["started", "build", "made", "end", "lost Done", "client lost, clean: true"];
    until(&reactor, "it is lost", || events.all() == expected);
    assert!(!connector.is_connected());
}

#[test]
fn a_refused_connection_fails() {
    check(nobody(), |_, client| client, &["started", "failed ConnectionRefused"]);
}

#[test]
fn nobody_can_be_reached_at_port_zero() {
    let events = Events::default();
    let reactor = Reactor::new().unwrap();
    reactor.connect_tcp((LOCAL, 0), Client::new(&events));
    until(&reactor, "it has failed", || events.all().len() == 2);
    assert!(events.all()[1].starts_with("failed "), "{:?}", events.all());
}

#[test]
fn a_factory_that_builds_nothing_ends_the_connection() {
    let (_listener, address) = listener();
    check(address, |_, client| Client { builds: Box::new(|| false), ..client }, &["started", "build", "no protocol"]);
}

#[test]
fn a_factory_that_asks_for_another_attempt_and_builds_nothing_fails_only_the_one_that_it_gave_up() {
    let (_listener, address) = listener();
    let expected = ["started", "build", "cancelled", "started", "build", "no protocol"];
    let client = |_: &Reactor, client| {
        let connector: Rc<RefCell<Option<Connector>>> = Rc::default();
        let (noted, mut built) = (connector.clone(), 0);
        let started = move |begun: &Connector| *noted.borrow_mut() = Some(begun.clone());
        let builds = move || {
            let connector = connector.take().unwrap();
            built += 1;
            if built == 1 {
                connector.stop_connecting();
                connector.connect();
            }
            false
        };
        Client { started: Box::new(started), builds: Box::new(builds), ..client }
    };
    check(address, client, &expected);
}

#[test]
fn an_attempt_can_be_stopped_from_inside_started_connecting() {
    let (_listener, address) = listener();
    let started = |connector: &Connector| connector.stop_connecting();
    check(address, |_, client| Client { started: Box::new(started), ..client }, &["started", "cancelled"]);
}

#[test]
fn an_attempt_that_replaces_the_one_given_up_in_started_connecting_is_told_to_begin() {
    let again = |_: &Reactor, client| {
        let mut is_first = true;
        let started = move |connector: &Connector| {
            if std::mem::take(&mut is_first) {
                connector.stop_connecting();
                connector.connect();
            }
        };
        Client { started: Box::new(started), ..client }
    };
    check(nobody(), again, &["started", "cancelled", "started", "failed ConnectionRefused"]);
}

#[test]
fn an_attempt_stopped_before_it_began_fails_without_having_started() {
    let (_listener, address) = listener();
    let reactor = Reactor::new().unwrap();
    let events = Events::default();
    let connector = reactor.connect_tcp(address, Client::new(&events));
    connector.stop_connecting();
    connector.stop_connecting();
    assert_eq!(events.all(), [""; 0], "nothing calls back before it returns");
    until(&reactor, "the factory hears", || !events.all().is_empty());
    assert_eq!(events.all(), ["cancelled"]);
}

#[test]
fn disconnect_closes_a_connection_in_an_orderly_way() {
    let (_listener, address) = listener();
    let reactor = Reactor::new().unwrap();
    let events = Events::default();
    let connector = reactor.connect_tcp(address, Client::new(&events));
    until(&reactor, "it is made", || connector.is_connected());
    connector.connect(); // Does nothing: it is connected.
    connector.disconnect();
    let expected = ["started", "build", "made", "lost Done", "client lost, clean: true"];
    until(&reactor, "it is lost", || events.all() == expected);
}

#[test]
fn a_factory_may_connect_again_when_a_connection_failed_or_was_lost() {
    let (listener, address) = listener();
    let (failures, losses) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
    let count_failure = move |connector: &Connector| {
        failures.set(failures.get() + 1);
        if failures.get() < 3 {
            connector.connect();
        }
    };
    let refused = ["started", "failed ConnectionRefused"].repeat(3);
    check(nobody(), |_, client| Client { failed: Box::new(count_failure), ..client }, &refused);

    let count_loss = move |connector: &Connector| {
        losses.set(losses.get() + 1);
        if losses.get() < 2 {
            connector.connect();
        }
    };
    let reactor = Reactor::new().unwrap();
    let events = Events::default();
    reactor.connect_tcp(address, Client { lost: Box::new(count_loss), ..Client::new(&events) });
    let round = ["started", "build", "made", "end", "lost Done", "client lost, clean: true"];
    for rounds in 1..=2 {
        until(&reactor, "it is made", || events.all().len() == 6 * rounds - 3);
        drop(listener.accept().unwrap());
        until(&reactor, "it is lost", || events.all() == round.repeat(rounds));
    }
}

#[test]
fn a_name_is_looked_up() {
    let (_listener, address) = listener();
    let reactor = Reactor::new().unwrap();
    let events = Events::default();
    let connector = reactor.connect_tcp(("localhost", address.port()), Client::new(&events));
    until(&reactor, "it is made", || events.all() == ["started", "build", "made"]);
    assert_eq!(connector.destination().to_string(), format!("localhost:{}", address.port()));
}

#[test]
fn resolve_gives_the_addresses_of_a_name_and_an_address_is_its_own() {
    let reactor = Reactor::new().unwrap();
    assert_eq!(success_result_of(reactor.resolve("127.0.0.1")), [LOCAL]);
    let found: Rc<RefCell<Vec<IpAddr>>> = Rc::default();
    let noted = found.clone();
    let lookup = reactor.resolve("localhost").add_callback(move |addresses| *noted.borrow_mut() = addresses);
    until(&reactor, "the answer is here", || lookup.has_fired());
    assert!(!found.borrow().is_empty() && found.borrow().iter().all(IpAddr::is_loopback), "{found:?}");
}

/// An address as a look-up gives it: without a port.
fn found(ip: &str) -> SocketAddr {
    SocketAddr::new(ip.parse().unwrap(), 0)
}

/// A reactor that answers look-ups with `answer`.
fn resolving(settings: Settings, answer: impl FnMut(&str, LookupReply) + 'static) -> Reactor {
    let hooks = Hooks::default();
    *hooks.resolve.borrow_mut() = Some(Box::new(answer));
    edited(&hooks, settings)
}

#[test]
fn the_addresses_of_a_name_are_tried_in_turn() {
    let (_listener, address) = listener();
    // Nobody listens at the port on the other loopback addresses.
    let reactor = resolving(Settings::default(), |host, reply| {
        assert_eq!(host, "several.test");
        reply(Ok(vec![found("127.0.0.3"), found("127.0.0.2"), found("127.0.0.1")]));
    });
    let events = Events::default();
    reactor.connect_tcp(("several.test", address.port()), Client::new(&events));
    until(&reactor, "it is made", || events.all() == ["started", "build", "made"]);
}

#[test]
fn when_all_addresses_fail_the_factory_hears_once() {
    let reactor = resolving(Settings::default(), |_, reply| reply(Ok(vec![found("127.0.0.3"), found("127.0.0.1")])));
    let events = Events::default();
    reactor.connect_tcp(("several.test", nobody().port()), Client::new(&events));
    until(&reactor, "it fails", || events.all().len() == 2);
    assert_eq!(events.all(), ["started", "failed ConnectionRefused"]);
}

#[test]
fn a_name_without_an_address_fails() {
    type Answer = fn() -> io::Result<Vec<SocketAddr>>;
    let answers: [Answer; 2] = [|| Ok(Vec::new()), || Err(io::Error::other("no such host"))];
    for answer in answers {
        let reactor = resolving(Settings::default(), move |_, reply| reply(answer()));
        let events = Events::default();
        reactor.connect_tcp(("nobody.test", 80), Client::new(&events));
        until(&reactor, "it fails", || events.all().len() == 2);
        assert_eq!(events.all(), ["started", "no address of nobody.test"]);
        assert_eq!(reactor.delayed_call_count(), 0);
    }
}

#[test]
fn a_resolver_that_does_not_answer_is_given_up_after_the_time_limit() {
    let replies: Rc<RefCell<Vec<LookupReply>>> = Rc::default();
    let keep = replies.clone();
    let mut settings = Settings::default();
    settings.lookup_timeout = Duration::from_millis(20);
    let reactor = resolving(settings, move |_, reply| keep.borrow_mut().push(reply));
    let events = Events::default();
    reactor.connect_tcp(("silent.test", 80), Client::new(&events));
    until(&reactor, "it fails", || events.all() == ["started", "no address of silent.test"]);
    // An answer that comes too late goes nowhere.
    replies.take().into_iter().for_each(|reply| reply(Ok(vec![found("127.0.0.1")])));
    take_a_turn(&reactor);
    assert_eq!(events.all().len(), 2);
}

/// Takes at least one turn without waiting for anything.
fn take_a_turn(reactor: &Reactor) {
    let passed = Rc::new(Cell::new(false));
    let pass = passed.clone();
    reactor.call_later(Duration::ZERO, move || pass.set(true));
    until(reactor, "a turn", || passed.get());
}

#[test]
fn a_look_up_counts_towards_the_time_allowed_and_can_be_stopped() {
    for stop in [false, true] {
        let replies: Rc<RefCell<Vec<LookupReply>>> = Rc::default();
        let keep = replies.clone();
        let reactor = resolving(Settings::default(), move |_, reply| keep.borrow_mut().push(reply));
        let events = Events::default();
        let timeout = Duration::from_millis(if stop { 60_000 } else { 20 });
        let destination = Destination::from(("silent.test", 80)).timeout(timeout);
        let connector = reactor.connect_tcp(destination, Client::new(&events));
        until(&reactor, "the look-up has begun", || replies.borrow().len() == 1);
        if stop {
            connector.stop_connecting();
        }
        until(&reactor, "it is given up", || events.all().len() == 2);
        assert_eq!(events.all(), ["started", if stop { "cancelled" } else { "timeout" }]);
        assert_eq!(reactor.delayed_call_count(), 0, "no time limit is left behind");
    }
}

#[test]
fn a_dropped_connector_still_connects() {
    let (_listener, address) = listener();
    let replies: Rc<RefCell<Vec<LookupReply>>> = Rc::default();
    let keep = replies.clone();
    let reactor = resolving(Settings::default(), move |_, reply| keep.borrow_mut().push(reply));
    let events = Events::default();
    drop(reactor.connect_tcp(("slow.test", address.port()), Client::new(&events)));
    until(&reactor, "the look-up has begun", || replies.borrow().len() == 1);
    replies.take().into_iter().for_each(|reply| reply(Ok(vec![found("127.0.0.1")])));
    until(&reactor, "it is made", || events.all() == ["started", "build", "made"]);
}

#[test]
fn an_attempt_that_hears_nothing_times_out() {
    // The driver's events are withheld: for the loop the network is silent.
    let hooks = Hooks::default();
    *hooks.events.borrow_mut() = Some(Box::new(Vec::clear));
    let reactor = edited(&hooks, Settings::default());
    let (_listener, address) = listener();
    let events = Events::default();
    reactor.connect_tcp(Destination::from(address).timeout(Duration::from_millis(20)), Client::new(&events));
    until(&reactor, "it is given up", || events.all() == ["started", "timeout"]);
    assert_eq!(reactor.source_count(), 0);
}

#[test]
fn an_attempt_under_way_can_be_stopped() {
    let hooks = Hooks::default();
    *hooks.events.borrow_mut() = Some(Box::new(Vec::clear));
    let reactor = edited(&hooks, Settings::default());
    let (_listener, address) = listener();
    let events = Events::default();
    let connector = reactor.connect_tcp(address, Client::new(&events));
    until(&reactor, "the attempt is under way", || reactor.source_count() == 1);
    connector.disconnect();
    assert_eq!(reactor.source_count(), 0);
    until(&reactor, "the factory hears", || events.all() == ["started", "cancelled"]);
    assert_eq!(reactor.delayed_call_count(), 0);
}

#[test]
fn a_connection_comes_from_the_address_it_was_bound_to() {
    let (listener, address) = listener();
    let ours: SocketAddr = "127.0.0.2:0".parse().unwrap();
    let reactor = Reactor::new().unwrap();
    let events = Events::default();
    reactor.connect_tcp(Destination::from(address).bind_address(ours), Client::new(&events));
    until(&reactor, "it is made", || events.all() == ["started", "build", "made"]);
    assert_eq!(listener.accept().unwrap().1.ip(), ours.ip());
}

#[test]
fn an_event_for_a_connection_that_is_gone_never_reaches_its_successor() {
    use reactor::driver::{Event, Readiness, Token};
    use std::io::Write;

    #[derive(Default)]
    struct Seen {
        tokens: Vec<Token>,
        /// From here on the loop gets this instead of what really happened.
        instead: Option<Token>,
    }
    let seen: Rc<RefCell<Seen>> = Rc::default();
    let hooks = Hooks::default();
    let edit = seen.clone();
    *hooks.events.borrow_mut() = Some(Box::new(move |events| {
        let mut seen = edit.borrow_mut();
        for event in events.iter() {
            if let Event::Ready(readiness) = event {
                seen.tokens.push(readiness.token);
            }
        }
        if let Some(token) = seen.instead {
            events.clear();
            events.push(Event::Ready(Readiness {
                token,
                readable: true,
                writable: true,
                read_closed: true,
                broken: false,
            }));
        }
    }));
    let reactor = edited(&hooks, Settings::default());
    let (listener, address) = listener();

    let events = Events::default();
    reactor.connect_tcp(address, Client::new(&events));
    until(&reactor, "the first is made", || events.all().len() == 3);
    let gone = seen.borrow().tokens[0];
    drop(listener.accept().unwrap());
    until(&reactor, "the first is lost", || events.all().len() == 6);

    let events = Events::default();
    reactor.connect_tcp(address, Client::new(&events));
    until(&reactor, "the second is made", || events.all().len() == 3);
    let second = *seen.borrow().tokens.last().unwrap();
    assert_ne!(second, gone);
    let mut peer = listener.accept().unwrap().0;
    seen.borrow_mut().instead = Some(gone);
    peer.write_all(b"unheard").unwrap();
    take_a_turn(&reactor);
    assert_eq!(events.all().len(), 3, "the successor was told");
    seen.borrow_mut().instead = Some(second);
    take_a_turn(&reactor);
    until(&reactor, "the true event has come", || events.all().last().unwrap() == "data unheard");
}

#[test]
fn the_time_allowed_counts_from_connect_tcp_however_long_the_loop_has_not_run() {
    let hooks = Hooks::default();
    *hooks.events.borrow_mut() = Some(Box::new(Vec::clear)); // For the loop the network is silent.
    let reactor = edited(&hooks, Settings::default());
    let (_listener, address) = listener();
    let events = Events::default();
    let setting_up = Duration::from_secs(60);
    hooks.ahead.set(setting_up);
    reactor.connect_tcp(Destination::from(address).timeout(Duration::from_secs(30)), Client::new(&events));
    for (later, expected) in [(0, &["started"][..]), (15, &["started"]), (31, &["started", "timeout"])] {
        hooks.ahead.set(setting_up + Duration::from_secs(later));
        take_a_turn(&reactor);
        take_a_turn(&reactor); // What a turn asks for "soon" comes in the next.
        assert_eq!(events.all(), expected, "after {later} s");
    }
}
