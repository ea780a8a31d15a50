//! The number of connections, in all and from one address.

use super::*;
use reactor::policies::ConnectionLimits;
use reactor::testing::ManualClock;
use std::cell::Cell;

#[test]
fn an_address_has_its_number_of_connections_and_no_more() {
    let clock = ManualClock::new();
    let limits = ConnectionLimits::new(&clock).per_address(2);
    let mut factory = limits.factory(noting(&Events::default()));
    let first = Peer::connect(&mut factory, "10.0.0.1").unwrap();
    let second = Peer::connect(&mut factory, "10.0.0.1").unwrap();
    assert!(Peer::connect(&mut factory, "10.0.0.1").is_none());
    // The same address, as a port that listens on IPv6 sees it.
    assert!(Peer::connect(&mut factory, "::ffff:10.0.0.1").is_none());
    let other = Peer::connect(&mut factory, "10.0.0.2").unwrap();
    let counts = limits.counts();
    assert_eq!((counts.open, counts.addresses, counts.refused_for_address), (3, 2, 2));
    first.goes(&Reason::Done);
    let third = Peer::connect(&mut factory, "10.0.0.1").unwrap();
    // Dropped without a word, as when a reactor is dropped.
    drop((second, third, other));
    assert_eq!((limits.counts().open, limits.counts().addresses), (0, 0));
}

#[test]
fn an_ipv6_network_counts_as_one_address() {
    let clock = ManualClock::new();
    let limits = ConnectionLimits::new(&clock).per_address(1);
    let mut factory = limits.factory(noting(&Events::default()));
    let _first = Peer::connect(&mut factory, "2001:db8:0:1::1").unwrap();
    assert!(Peer::connect(&mut factory, "2001:db8:0:1:ffff::2").is_none());
    let _second = Peer::connect(&mut factory, "2001:db8:0:2::1").unwrap();
    for (bits, same) in [(0, true), (48, true), (64, false), (128, false), (255, false)] {
        let limits = ConnectionLimits::new(&clock).per_address(1).ipv6_prefix(bits);
        let mut factory = limits.factory(noting(&Events::default()));
        let _first = Peer::connect(&mut factory, "2001:db8:0:1::1").unwrap();
        assert_eq!(Peer::connect(&mut factory, "2001:db8:0:2::1").is_none(), same, "/{bits}");
    }
}

#[test]
fn at_the_limit_the_connection_that_was_idle_longest_makes_room() {
    let (clock, events) = (ManualClock::new(), Events::default());
    let limits = ConnectionLimits::new(&clock).total(3);
    let mut factory = limits.factory(noting(&events));
    let mut peers: Vec<Peer> = (1..4).map(|n| Peer::connect(&mut factory, &format!("10.0.0.{n}")).unwrap()).collect();
    clock.advance(SECOND);
    peers[0].sends(b"still here");
    clock.advance(SECOND * 10);
    let newest = Peer::connect(&mut factory, "10.0.0.4").unwrap();
    let closed: Vec<bool> = peers.iter().map(|peer| peer.wire.is_losing()).collect();
    assert_eq!(closed, [false, true, false]);
    assert_eq!(limits.counts().open, 3, "the one that goes has given its place up");
    peers.remove(1).goes(&Reason::Done);
    assert_eq!(events.all().last().unwrap(), "lost LimitReached");
    assert_eq!((limits.counts().open, limits.counts().closed_for_pressure), (3, 1));
    let _next = Peer::connect(&mut factory, "10.0.0.5").unwrap();
    assert!(peers[1].wire.is_losing() && !peers[0].wire.is_losing() && !newest.wire.is_losing());
}

#[test]
fn without_an_idle_connection_the_new_one_is_closed() {
    let clock = ManualClock::new();
    let limits = ConnectionLimits::new(&clock).total(2).spare(SECOND * 5);
    let mut factory = limits.factory(noting(&Events::default()));
    let _old = Peer::connect(&mut factory, "10.0.0.1").unwrap();
    let _other = Peer::connect(&mut factory, "10.0.0.2").unwrap();
    clock.advance(SECOND * 5 - Duration::from_nanos(1));
    assert!(Peer::connect(&mut factory, "10.0.0.3").is_none());
    assert_eq!(limits.counts().refused_for_total, 1);
    clock.advance(Duration::from_nanos(1));
    assert!(Peer::connect(&mut factory, "10.0.0.3").is_some());
    let none = ConnectionLimits::new(&clock).total(0);
    assert!(Peer::connect(&mut none.factory(noting(&Events::default())), "10.0.0.1").is_none());
}

#[test]
fn a_peer_that_downloads_is_not_idle() {
    let clock = ManualClock::new();
    let limits = ConnectionLimits::new(&clock).total(2);
    let mut factory = limits.factory(noting(&Events::default()));
    let downloads = Peer::connect(&mut factory, "10.0.0.1").unwrap();
    clock.advance(SECOND);
    let idle = Peer::connect(&mut factory, "10.0.0.2").unwrap();
    clock.advance(SECOND * 10);
    downloads.wire.transport().write(b"the next piece");
    let _new = Peer::connect(&mut factory, "10.0.0.3").unwrap();
    assert_eq!((downloads.wire.is_losing(), idle.wire.is_losing()), (false, true));
}

#[test]
fn a_flood_of_new_connections_costs_a_bounded_number_of_looks_and_the_table_stays_small() {
    let clock = ManualClock::new();
    let limits = ConnectionLimits::new(&clock).total(100);
    let mut factory = limits.factory(noting(&Events::default()));
    let mut peers = Vec::new();
    for n in 0..10_000_u32 {
        clock.advance(SECOND / 10);
        let from = std::net::Ipv4Addr::from_bits(n).to_string();
        peers.extend(Peer::connect(&mut factory, &from));
        peers.retain(|peer| !peer.wire.is_losing());
        let counts = limits.counts();
        assert!(counts.open <= 100 && counts.addresses <= 100, "{counts:?}");
    }
    assert_eq!(limits.counts().closed_for_pressure, 9900);
}

#[test]
fn what_is_refused_costs_the_program_nothing_and_a_refusal_of_the_program_holds_no_place() {
    struct Choosy(Rc<Cell<u32>>);
    impl Factory for Choosy {
        fn build_protocol(&mut self, _peer: &Address) -> Option<Box<dyn Protocol>> {
            self.0.set(self.0.get() + 1);
            None
        }
    }
    let (clock, asked) = (ManualClock::new(), Rc::new(Cell::new(0)));
    let limits = ConnectionLimits::new(&clock).total(1);
    let mut factory = limits.factory(Choosy(asked.clone()));
    assert!(Peer::connect(&mut factory, "10.0.0.1").is_none());
    assert_eq!((limits.counts().open, limits.counts().addresses, asked.get()), (0, 0, 1));
    let _peer = Peer::connect(&mut limits.factory(noting(&Events::default())), "10.0.0.1");
    assert!(Peer::connect(&mut factory, "10.0.0.2").is_none());
    assert_eq!((asked.get(), limits.counts().refused_for_total), (1, 1));
}

#[test]
fn several_factories_may_share_the_limits() {
    let clock = ManualClock::new();
    let limits = ConnectionLimits::new(&clock).total(2);
    let (mut one, mut other) = (limits.factory(noting(&Events::default())), limits.factory(noting(&Events::default())));
    let _first = Peer::connect(&mut one, "10.0.0.1").unwrap();
    let _second = Peer::connect(&mut other, "10.0.0.1").unwrap();
    assert!(Peer::connect(&mut one, "10.0.0.1").is_none());
}
