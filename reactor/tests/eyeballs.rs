//! Names with several addresses: they race, the first connection wins, and a failure names them all. And the addresses
//! themselves, which keep their scope and their flow label on the way.

#[path = "util/driver.rs"]
mod driver;
#[path = "util/events.rs"]
mod events;
#[path = "util/skip.rs"]
mod skip;
mod util;

use driver::{Hooks, edited};
use events::{Events, Noting};
use reactor::driver::{Event, Readiness, Token};
use reactor::error::ConnectError;
use reactor::testing::assert_nothing_left;
use reactor::{Address, ClientFactory, Connector, Destination, Failure, Protocol, Reactor, Settings, Transport};
use skip::skipped;
use std::cell::{Cell, RefCell};
use std::net::{Ipv6Addr, SocketAddr, SocketAddrV6, TcpListener};
use std::rc::Rc;
use std::time::Duration;
use util::until;

const DELAY: Duration = Duration::from_millis(250);

struct Client {
    events: Events,
    failure: Rc<RefCell<Option<Failure>>>,
}

impl ClientFactory for Client {
    fn build_protocol(&mut self, peer: &Address) -> Option<Box<dyn Protocol>> {
        self.events.note(format!("connected to {}", peer.tcp().unwrap().ip()));
        Some(Box::new(Noting::new(&self.events)))
    }
    fn client_connection_failed(&mut self, _connector: &Connector, failure: Failure) {
        self.events.note("failed");
        *self.failure.borrow_mut() = Some(failure);
    }
}

/// A machine on which time passes when the test says, and some addresses are silent.
struct Rig {
    hooks: Hooks,
    reactor: Reactor,
    events: Events,
    failure: Rc<RefCell<Option<Failure>>>,
    port: u16,
}

impl Rig {
    /// The name `many.test` has these addresses. Those that are `silent` seem never to answer.
    fn new(addresses: &[&str], silent: &'static [&'static str]) -> Rig {
        let hooks = Hooks::default();
        let found: Vec<SocketAddr> = addresses.iter().map(|ip| SocketAddr::new(ip.parse().unwrap(), 0)).collect();
        *hooks.resolve.borrow_mut() = Some(Box::new(move |_, reply| reply(Ok(found.clone()))));
        // The loop never hears of what happens to a silent one.
        let attempts = hooks.attempts.clone();
        *hooks.events.borrow_mut() = Some(Box::new(move |events| {
            let is_silent = |token: Token| {
                let attempts = attempts.borrow();
                let attempt = attempts.iter().find(|attempt| attempt.token == token);
                attempt.is_some_and(|attempt| silent.contains(&&*attempt.address.ip().to_string()))
            };
            events.retain(|event| !matches!(event, Event::Ready(Readiness { token, .. }) if is_silent(*token)));
        }));
        let reactor = edited(&hooks, Settings::default());
        Rig { hooks, reactor, events: Events::default(), failure: Rc::default(), port: 0 }
    }

    fn connect(&self, destination: Destination) -> Connector {
        let client = Client { events: self.events.clone(), failure: self.failure.clone() };
        let connector = self.reactor.connect_tcp(destination, client);
        until(&self.reactor, "the first attempt", || self.attempts() > 0);
        connector
    }

    fn there(&self) -> Destination {
        Destination::from(("many.test", self.port))
    }

    /// The number of addresses that have been tried.
    fn attempts(&self) -> usize {
        self.hooks.attempts.borrow().len()
    }

    fn tried(&self) -> Vec<String> {
        self.hooks.attempts.borrow().iter().map(|attempt| attempt.address.ip().to_string()).collect()
    }

    fn pass(&self, time: Duration) {
        self.hooks.ahead.set(self.hooks.ahead.get() + time);
        for _ in 0..4 {
            let passed = Rc::new(Cell::new(false));
            let pass = passed.clone();
            self.reactor.call_later(Duration::ZERO, move || pass.set(true));
            until(&self.reactor, "a turn", || passed.get());
        }
    }
}

fn listening(ip: &str, rig: &mut Rig) -> TcpListener {
    let listener = TcpListener::bind((ip, rig.port)).unwrap();
    rig.port = listener.local_addr().unwrap().port();
    listener
}

#[test]
fn a_silent_first_address_costs_a_delay_and_not_the_whole_time_allowed() {
    let mut rig = Rig::new(&["127.0.0.2", "127.0.0.1"], &["127.0.0.2"]);
    let (_listener, _silent) = (listening("127.0.0.1", &mut rig), listening("127.0.0.2", &mut rig));
    rig.connect(rig.there());
    rig.pass(DELAY - Duration::from_millis(50));
    assert_eq!((rig.tried(), rig.events.all().len()), (vec!["127.0.0.2".to_owned()], 0));
    rig.hooks.ahead.set(rig.hooks.ahead.get() + Duration::from_millis(50));
    until(&rig.reactor, "it is connected", || rig.events.all() == ["connected to 127.0.0.1", "made"]);
    assert_eq!(rig.reactor.source_count(), 1, "the silent attempt is gone");
    assert_eq!(rig.reactor.delayed_call_count(), 0);
}

#[test]
fn an_address_that_refuses_hands_on_to_the_next_at_once() {
    let mut rig = Rig::new(&["127.0.0.3", "127.0.0.2", "127.0.0.1"], &[]);
    let _listener = listening("127.0.0.1", &mut rig);
    rig.connect(rig.there().attempt_delay(Duration::from_secs(2)));
    until(&rig.reactor, "it is connected", || rig.events.all() == ["connected to 127.0.0.1", "made"]);
    assert_eq!(rig.hooks.ahead.get(), Duration::ZERO);
    assert_eq!(rig.reactor.delayed_call_count(), 0);
}

#[test]
fn the_first_connection_wins_although_an_earlier_address_would_answer_later() {
    let mut rig = Rig::new(&["127.0.0.2", "127.0.0.3", "127.0.0.1"], &["127.0.0.2", "127.0.0.3"]);
    let _listeners = ["127.0.0.1", "127.0.0.2", "127.0.0.3"].map(|ip| listening(ip, &mut rig));
    rig.connect(rig.there());
    rig.pass(DELAY);
    assert_eq!(rig.tried(), ["127.0.0.2", "127.0.0.3"]);
    assert_eq!(rig.reactor.source_count(), 2, "both are under way");
    rig.pass(DELAY);
    until(&rig.reactor, "it is connected", || rig.events.all() == ["connected to 127.0.0.1", "made"]);
    assert_eq!(rig.reactor.source_count(), 1);
}

#[test]
fn the_kinds_of_addresses_take_turns() {
    let rig = Rig::new(&["::1", "fd00::7", "127.0.0.2", "127.0.0.3"], &["::1", "fd00::7", "127.0.0.2", "127.0.0.3"]);
    rig.connect(Destination::from(("many.test", 9)).attempt_delay(Duration::from_millis(10)));
    for _ in 0..4 {
        rig.pass(Duration::from_millis(10));
    }
    let tried = rig.tried();
    assert_eq!(tried[..2], ["::1", "127.0.0.2"]);
    assert_eq!(tried.last().unwrap(), "127.0.0.3");
}

#[test]
fn when_all_addresses_fail_the_error_names_each() {
    let addresses = ["127.0.0.3", "127.0.0.2", "127.0.0.1"];
    let mut rig = Rig::new(&addresses, &[]);
    drop(listening("127.0.0.1", &mut rig)); // Now nobody listens there.
    rig.connect(rig.there());
    until(&rig.reactor, "it fails", || rig.events.all() == ["failed"]);
    let failure = rig.failure.take().unwrap();
    let Some(ConnectError::Failed { address, error, earlier }) = failure.check() else { panic!("{failure:?}") };
    let failed: Vec<String> = earlier.iter().map(|(address, _)| address.tcp().unwrap().ip().to_string()).collect();
    assert_eq!(
        (failed, address.tcp().unwrap().ip().to_string()),
        (vec!["127.0.0.3".into(), "127.0.0.2".into()], "127.0.0.1".into())
    );
    let text = failure.to_string();
    assert!(addresses.iter().all(|address| text.contains(&format!("{address}:{}: ", rig.port))), "{text}");
    assert_eq!(failure.value().source().unwrap().to_string(), error.to_string());
    assert_nothing_left(&rig.reactor);
}

#[test]
fn the_time_allowed_is_for_all_addresses_together_and_a_stop_ends_them_all() {
    for stop in [false, true] {
        let mut rig = Rig::new(&["127.0.0.2", "127.0.0.3"], &["127.0.0.2", "127.0.0.3"]);
        let _listeners = ["127.0.0.2", "127.0.0.3"].map(|ip| listening(ip, &mut rig));
        let connector = rig.connect(rig.there().timeout(Duration::from_secs(5)));
        rig.pass(DELAY);
        assert_eq!(rig.reactor.source_count(), 2);
        match stop {
            true => connector.stop_connecting(),
            false => rig.pass(Duration::from_secs(5)),
        }
        assert_eq!(rig.reactor.source_count(), 0);
        until(&rig.reactor, "it fails", || rig.events.all() == ["failed"]);
        let failure = rig.failure.take().unwrap();
        match stop {
            true => assert!(matches!(failure.check(), Some(ConnectError::Cancelled)), "{failure:?}"),
            false => assert!(matches!(failure.check(), Some(ConnectError::Timeout { .. })), "{failure:?}"),
        }
        assert_eq!(rig.reactor.delayed_call_count(), 0);
    }
}

#[test]
fn at_most_16_attempts_run_beside_each_other_and_every_address_has_its_turn() {
    let addresses: Vec<String> = (2..40).map(|last| format!("127.0.0.{last}")).collect();
    let names: Vec<&str> = addresses.iter().map(String::as_str).collect();
    static SILENT: std::sync::OnceLock<Vec<&'static str>> = std::sync::OnceLock::new();
    let silent = SILENT.get_or_init(|| names.iter().map(|name| &*name.to_string().leak()).collect());
    let mut rig = Rig::new(&names, silent);
    let _listeners: Vec<TcpListener> = names.iter().map(|ip| listening(ip, &mut rig)).collect();
    let _good = listening("127.0.0.1", &mut rig);
    rig.connect(rig.there().attempt_delay(Duration::from_millis(10)));
    while rig.attempts() < names.len() {
        rig.pass(Duration::from_millis(10));
        assert!(rig.reactor.source_count() <= 16);
    }
    assert_eq!((rig.reactor.source_count(), rig.tried()), (16, addresses));
}

#[test]
fn the_delay_between_attempts_has_its_borders() {
    let there = |delay| Destination::from(("many.test", 80)).attempt_delay(delay);
    assert_eq!(there(Duration::ZERO), there(Duration::from_millis(10)));
    assert_ne!(there(Duration::from_millis(10)), there(Duration::from_millis(11)));
    assert_eq!(there(Duration::MAX), there(Duration::from_secs(2)));
}

#[test]
fn a_scope_and_a_flow_label_are_kept_all_the_way_to_the_driver() {
    let link_local: Ipv6Addr = "fe80::1".parse().unwrap();
    let rig = Rig::new(&[], &[]);
    let whole = SocketAddrV6::new(link_local, 9, 77, 1);
    let own = SocketAddrV6::new(link_local, 0, 0, 1);
    for (there, expected) in [
        (Destination::from(("fe80::1%1", 9)), SocketAddrV6::new(link_local, 9, 0, 1)),
        (Destination::from(SocketAddr::from(whole)), whole),
    ] {
        assert_eq!((there.host_name(), &*there.to_string()), ("fe80::1%1", "[fe80::1%1]:9"));
        rig.hooks.attempts.borrow_mut().clear();
        rig.connect(there.bind_address(SocketAddr::from(own)));
        let attempt = rig.hooks.attempts.borrow()[0];
        assert_eq!((attempt.address, attempt.bind), (expected.into(), Some(own.into())));
    }
}

/// A link-local address of this machine: its text, and the number and the name of its interface. `None` if it has none.
fn link_local() -> Option<(Ipv6Addr, u32, String)> {
    let table = std::fs::read_to_string("/proc/net/if_inet6").ok()?;
    table.lines().find_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [address, number, _, "20", flags, name] = fields[..] else { return None };
        let is_usable = u32::from_str_radix(flags, 16).ok()? & 0x40 == 0; // Not tentative.
        let address = Ipv6Addr::from(u128::from_str_radix(address, 16).ok()?);
        is_usable.then_some((address, u32::from_str_radix(number, 16).ok()?, name.to_owned()))
    })
}

#[test]
fn a_link_local_address_is_reached_and_listened_on_by_its_scope() {
    let Some((ip, number, name)) = link_local() else {
        return skipped("this machine has no link-local address");
    };
    let reactor = Reactor::new().unwrap();
    let events = Events::default();
    let noted = events.clone();
    let listen = format!("[{ip}%{number}]:0");
    // The server sees the scope, too: in the address of its client, and in its own.
    let has_scope = move |address: &Address| {
        let Address::Tcp(SocketAddr::V6(v6)) = address else { panic!("{address} is not an IPv6 address") };
        assert_eq!((*v6.ip(), v6.scope_id()), (ip, number));
    };
    let build = move |peer: Address| {
        has_scope(&peer);
        let made = move |transport: &Transport| {
            assert_eq!(transport.peer(), peer);
            has_scope(&transport.host());
        };
        Noting { made: Box::new(made), ..Noting::new(&noted) }
    };
    let port = reactor.listen_tcp(&*listen, build).unwrap();
    let whole = port.host();
    assert!(matches!(whole, SocketAddr::V6(v6) if v6.scope_id() == number), "{whole}");
    let again =
        reactor.listen_tcp(SocketAddr::V6(SocketAddrV6::new(ip, 0, 0, number)), |_| Noting::new(&Events::default()));
    drop(again.unwrap());
    let own = SocketAddr::V6(SocketAddrV6::new(ip, 0, 0, number));
    for there in [
        Destination::from(whole),
        Destination::from((&*format!("{ip}%{number}"), whole.port())),
        Destination::from((&*format!("{ip}%{name}"), whole.port())),
        Destination::from(whole).bind_address(own),
    ] {
        let text = there.to_string();
        let client = Events::default();
        let noted = client.clone();
        let connector = reactor.connect_tcp(there, move |peer: Address| {
            assert_eq!(peer, Address::Tcp(whole));
            Noting::new(&noted)
        });
        until(&reactor, &text, || client.all() == ["made"]);
        connector.disconnect();
        until(&reactor, "it is over", || client.all().len() == 2);
    }
}
