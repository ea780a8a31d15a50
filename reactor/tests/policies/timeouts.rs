//! The time of a connection. A limit is kept to a quarter.

use super::*;
use reactor::Transport;
use reactor::policies::{Bandwidth, ConnectionLimits, Timeouts};
use reactor::sim::{Latency, LinkSettings, World, WorldSettings};
use reactor::testing::ManualClock;
use std::cell::{Cell, RefCell};

#[test]
fn an_idle_connection_is_closed_and_one_that_speaks_or_is_spoken_to_is_not() {
    let (clock, events) = (ManualClock::new(), Events::default());
    let timeouts = Timeouts::new(&clock).idle(SECOND * 60);
    let mut factory = timeouts.factory(noting(&events));
    let idle = Peer::connect(&mut factory, "10.0.0.1").unwrap();
    let mut speaks = Peer::connect(&mut factory, "10.0.0.1").unwrap();
    let listens = Peer::connect(&mut factory, "10.0.0.1").unwrap();
    for second in 1..=200 {
        clock.advance(SECOND);
        if second % 50 == 0 {
            speaks.sends(b"x");
            listens.wire.transport().write(b"x");
        }
        assert_eq!(idle.wire.is_losing(), second >= 60, "after {second} seconds");
    }
    assert!(!speaks.wire.is_losing() && !listens.wire.is_losing());
    idle.goes(&Reason::Done);
    assert_eq!((events.all().last().unwrap().as_str(), timeouts.counts().idle), ("lost LimitReached", 1));
    clock.advance(SECOND * 75);
    assert!(speaks.wire.is_losing() && listens.wire.is_losing());
    speaks.goes(&Reason::Done);
    listens.goes(&Reason::Done);
    assert!(clock.pending().is_empty(), "a connection that is gone is not looked at");
}

#[test]
fn a_silent_peer_is_closed_although_we_speak_to_it() {
    let clock = ManualClock::new();
    let timeouts = Timeouts::new(&clock).silent(SECOND * 8);
    let mut factory = timeouts.factory(noting(&Events::default()));
    let silent = Peer::connect(&mut factory, "10.0.0.1").unwrap();
    for _ in 0..10 {
        clock.advance(SECOND);
        silent.wire.transport().write(b"hello?");
    }
    assert!(silent.wire.is_losing());
    assert_eq!(timeouts.counts().silent, 1);
}

#[test]
fn the_time_in_which_we_do_not_read_is_not_the_peers() {
    let clock = ManualClock::new();
    let timeouts = Timeouts::new(&clock).idle(SECOND * 8).silent(SECOND * 8);
    let mut factory = timeouts.factory(noting(&Events::default()));
    let peer = Peer::connect(&mut factory, "10.0.0.1").unwrap();
    peer.wire.transport().pause_producing();
    clock.advance(SECOND * 100);
    assert!(!peer.wire.is_losing());
    peer.wire.transport().resume_producing();
    clock.advance(SECOND * 10);
    assert!(peer.wire.is_losing());
}

#[test]
fn a_connection_ends_when_its_time_in_all_is_over_whatever_it_does() {
    let clock = ManualClock::new();
    let timeouts = Timeouts::new(&clock).total(SECOND * 100).idle(SECOND * 7);
    let mut factory = timeouts.factory(noting(&Events::default()));
    let mut peer = Peer::connect(&mut factory, "10.0.0.1").unwrap();
    for _ in 0..99 {
        clock.advance(SECOND);
        peer.sends(b"x");
    }
    clock.advance(SECOND - Duration::from_nanos(1));
    assert!(!peer.wire.is_losing());
    clock.advance(Duration::from_nanos(1));
    assert!(peer.wire.is_losing());
    assert_eq!(timeouts.counts().total, 1);
}

#[test]
fn a_close_that_the_program_made_keeps_its_own_reason() {
    let (clock, events) = (ManualClock::new(), Events::default());
    let timeouts = Timeouts::new(&clock).idle(SECOND);
    let peer = Peer::connect(&mut timeouts.factory(noting(&events)), "10.0.0.1").unwrap();
    peer.wire.transport().lose_connection();
    clock.advance(SECOND * 100);
    assert_eq!(timeouts.counts(), reactor::policies::TimeoutCounts::default());
    peer.goes(&Reason::Done);
    assert_eq!(events.all().last().unwrap(), "lost Done");
}

#[test]
fn without_a_limit_there_is_no_timer() {
    let clock = ManualClock::new();
    let timeouts = Timeouts::new(&clock);
    let _peer = Peer::connect(&mut timeouts.factory(noting(&Events::default())), "10.0.0.1").unwrap();
    assert!(clock.pending().is_empty());
}

/// A server that writes a megabyte to a client. It closes a client that takes none of it for 40 s, or less than 256 KiB
/// in a minute. This one reads at `rate`, in bytes a second. Returns how the server's connection ended within five
/// minutes, and its policies' counts of stalled and of slow ones.
fn server_that_writes(rate: u64) -> (Vec<String>, (u64, u64)) {
    let mut settings = WorldSettings::default();
    settings.link = LinkSettings::new(Latency::Fixed(SECOND / 100));
    let (world, events) = (World::with_settings(1, settings), Events::default());
    let kept: Rc<RefCell<Option<Timeouts>>> = Rc::default();
    let (noted, keep) = (events.clone(), kept.clone());
    world.host("server", move |reactor| {
        let timeouts = Timeouts::new(reactor).stalled(SECOND * 40).slow(SECOND * 60, 256 << 10);
        let noted = noted.clone();
        let writes =
            move |_| Noting { made: Box::new(|transport| transport.write(&[b'x'; 1 << 20])), ..Noting::new(&noted) };
        reactor.listen_tcp("0.0.0.0:8007", timeouts.factory(writes)).unwrap();
        *keep.borrow_mut() = Some(timeouts);
    });
    world.host("client", move |reactor| {
        let made = move |transport: &Transport| {
            if rate == 0 {
                transport.pause_producing();
            }
        };
        let bandwidth = Bandwidth::new(reactor).read_each(rate.max(1)).burst(Duration::ZERO);
        let reads = move |_| bandwidth.wrap(Noting { made: Box::new(made), ..Noting::new(&Events::default()) });
        reactor.connect_tcp(("server", 8007), reads);
    });
    world.run_for(SECOND * 300);
    let counts = kept.borrow().as_ref().unwrap().counts();
    let ends = events.all().into_iter().filter(|event| event.starts_with("lost")).collect();
    (ends, (counts.stalled, counts.slow))
}

#[test]
fn a_peer_that_does_not_read_or_reads_too_slowly_is_aborted_and_one_that_has_read_everything_stays() {
    let limit_reached = || vec!["lost LimitReached".to_owned()];
    assert_eq!(server_that_writes(0), (limit_reached(), (1, 0)));
    assert_eq!(server_that_writes(2 << 10), (limit_reached(), (0, 1)));
    assert_eq!(server_that_writes(6 << 10), (vec![], (0, 0)));
    assert_eq!(server_that_writes(1 << 20), (vec![], (0, 0)));
}

#[test]
fn policies_stand_inside_each_other_in_any_order() {
    let (clock, events) = (ManualClock::new(), Events::default());
    let limits = ConnectionLimits::new(&clock).total(1);
    let timeouts = Timeouts::new(&clock).idle(SECOND * 4);
    let mut one: Box<dyn Factory> = Box::new(limits.factory(timeouts.factory(noting(&events))));
    let mut other: Box<dyn Factory> = Box::new(timeouts.factory(limits.factory(noting(&events))));
    for factory in [&mut one, &mut other] {
        let mut peer = Peer::connect(&mut **factory, "10.0.0.1").unwrap();
        assert!(Peer::connect(&mut **factory, "10.0.0.1").is_none());
        peer.sends(b"x");
        clock.advance(SECOND * 10);
        assert!(peer.wire.is_losing());
        peer.goes(&Reason::Done);
    }
    assert_eq!(events.all(), ["made", "data x", "lost LimitReached"].repeat(2));
    assert!(clock.pending().is_empty());
}

#[test]
fn a_policy_does_not_keep_its_reactor_alive() {
    struct Told(Rc<Cell<bool>>);
    impl Drop for Told {
        fn drop(&mut self) {
            self.0.set(true);
        }
    }
    let dropped = Rc::new(Cell::new(false));
    let told = Told(dropped.clone());
    let reactor = reactor::Reactor::new().unwrap();
    let (limits, timeouts) = (ConnectionLimits::new(&reactor), Timeouts::new(&reactor).idle(SECOND));
    let build = move |_| {
        let _ = &told;
        Noting::new(&Events::default())
    };
    reactor.listen_tcp("127.0.0.1:0", limits.factory(timeouts.factory(build))).unwrap();
    drop(reactor);
    assert!(dropped.get(), "a circle keeps it");
}
