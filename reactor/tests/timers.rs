//! Delayed calls through the loop. Their queue has tests of its own; here the loop keeps the time.

#[path = "util/driver.rs"]
mod driver;
mod util;

use driver::{Hooks, edited};
use reactor::{DelayedCall, Reactor, Settings};
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;
use util::{PATIENCE, until};

const MS: Duration = Duration::from_millis(1);

struct Rig {
    reactor: Reactor,
    ran: Rc<RefCell<Vec<&'static str>>>,
}

impl Rig {
    fn new() -> Rig {
        Rig { reactor: Reactor::new().unwrap(), ran: Rc::default() }
    }

    fn later(&self, delay: Duration, name: &'static str) -> DelayedCall {
        let ran = self.ran.clone();
        self.reactor.call_later(delay, move || ran.borrow_mut().push(name))
    }

    #[track_caller]
    fn check(&self, expected: &[&str]) {
        until(&self.reactor, "as many calls as expected", || self.ran.borrow().len() >= expected.len());
        assert_eq!(*self.ran.borrow(), expected);
    }
}

#[test]
fn calls_are_made_in_the_order_of_their_times_and_never_too_early() {
    let rig = Rig::new();
    let begin = rig.reactor.now();
    rig.later(MS * 6, "last");
    rig.later(MS * 3, "second");
    rig.later(MS * 3, "third");
    rig.later(Duration::ZERO, "first");
    assert_eq!(rig.reactor.delayed_call_count(), 4);
    assert!(rig.ran.borrow().is_empty(), "nothing calls back before it returns");
    rig.check(&["first", "second", "third", "last"]);
    assert!(rig.reactor.now() - begin >= MS * 6);
    assert_eq!(rig.reactor.delayed_call_count(), 0);
}

#[test]
fn a_call_can_be_moved_both_ways() {
    let rig = Rig::new();
    let sooner = rig.later(PATIENCE * 2, "sooner");
    let later = rig.later(MS, "later");
    sooner.reset(MS * 2).unwrap();
    later.delay(MS * 3).unwrap();
    let due = later.time();
    rig.check(&["sooner", "later"]);
    assert!(rig.reactor.now() >= due);
}

#[test]
fn a_reset_counts_from_now_even_if_the_loop_has_not_turned_since() {
    let hooks = Hooks::default();
    let reactor = edited(&hooks, Settings::default());
    let call = reactor.call_later(MS, || {});
    hooks.ahead.set(MS * 100);
    call.reset(MS).unwrap();
    assert!(call.time() > reactor.now(), "it counted from an earlier time");
}

#[test]
fn a_call_without_delay_asked_for_by_a_call_is_made_in_the_next_turn() {
    let rig = Rig::new();
    let (inside, ran) = (rig.reactor.clone(), rig.ran.clone());
    rig.reactor.call_later(Duration::ZERO, move || {
        ran.borrow_mut().push("first");
        let ran = ran.clone();
        inside.call_later(Duration::ZERO, move || ran.borrow_mut().push("next turn"));
    });
    rig.later(Duration::ZERO, "second");
    rig.reactor.iterate(PATIENCE).unwrap();
    assert_eq!(*rig.ran.borrow(), ["first", "second"]);
    rig.reactor.iterate(PATIENCE).unwrap();
    assert_eq!(*rig.ran.borrow(), ["first", "second", "next turn"]);
}

#[test]
fn a_call_may_cancel_another_that_is_due_in_the_same_turn() {
    let rig = Rig::new();
    let victim: Rc<RefCell<Option<DelayedCall>>> = Rc::default();
    let doomed = victim.clone();
    rig.reactor.call_later(Duration::ZERO, move || assert!(doomed.take().unwrap().cancel()));
    *victim.borrow_mut() = Some(rig.later(Duration::ZERO, "victim"));
    rig.later(Duration::ZERO, "after");
    rig.check(&["after"]);
}

#[test]
fn a_delayed_call_takes_one_allocation_and_a_large_closure_goes_with_its_cancel() {
    let rig = Rig::new();
    let small = [0u64; 8];
    let cancelled = |reactor: &Reactor| reactor.call_later(MS, move || _ = std::hint::black_box(&small)).cancel();
    (0..64).for_each(|_| assert!(cancelled(&rig.reactor))); // The heap has its room from now on.
    let info = allocation_counter::measure(|| assert!(cancelled(&rig.reactor)));
    assert_eq!(info.count_total, 1);

    let large = [0u64; 1000];
    let mut kept = None;
    let info = allocation_counter::measure(|| {
        kept = Some(rig.reactor.call_later(MS, move || _ = std::hint::black_box(&large)));
        kept.as_ref().unwrap().cancel();
    });
    assert!(info.bytes_current < 300, "a handle keeps {} bytes", info.bytes_current);
    drop(kept);
}
