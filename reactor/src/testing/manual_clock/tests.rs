//! What a test may rely on when it moves a [`ManualClock`].

use super::*;
use crate::timers::CallState;
use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};

const MS: Duration = Duration::from_millis(1);

/// A clock, and the names and times of the calls made on it.
#[derive(Default)]
struct Rig {
    clock: ManualClock,
    made: Rc<RefCell<Vec<(&'static str, u128)>>>,
}

impl Rig {
    /// A call that notes `name` and the time.
    fn note(&self, name: &'static str) -> impl Fn() + 'static {
        let (clock, made) = (self.clock.clone(), self.made.clone());
        move || made.borrow_mut().push((name, clock.elapsed().as_millis()))
    }

    fn later(&self, ms: u32, name: &'static str) -> DelayedCall {
        self.clock.call_later(MS * ms, self.note(name))
    }

    /// Advances by `ms`, and returns the calls that were made.
    fn advance(&self, ms: u32) -> Vec<(&'static str, u128)> {
        self.clock.advance(MS * ms);
        self.made.take()
    }
}

/// The text of the panic of `work`.
fn panic_of(work: impl FnOnce()) -> String {
    let panic = catch_unwind(AssertUnwindSafe(work)).expect_err("it panics");
    (*panic.downcast::<&str>().expect("a panic with a plain text")).to_owned()
}

#[test]
fn a_clock_stands_still_until_it_is_advanced() {
    let rig = Rig::default();
    let start = rig.clock.now();
    assert_eq!((rig.clock.elapsed(), rig.clock.now()), (Duration::ZERO, start));
    rig.clock.advance(MS * 3);
    rig.clock.clone().advance(MS * 4);
    assert_eq!((rig.clock.elapsed(), rig.clock.now()), (MS * 7, start + MS * 7));
}

#[test]
fn a_call_waits_for_its_time_and_is_then_made_once() {
    let rig = Rig::default();
    let call = rig.later(2, "call");
    assert_eq!((call.time(), call.active()), (rig.clock.now() + MS * 2, true));
    assert_eq!(rig.advance(1), []);
    assert_eq!(rig.advance(1), [("call", 2)]);
    assert!(!call.active());
    assert_eq!(rig.advance(100), []);
}

#[test]
fn a_call_without_a_delay_waits_for_an_advance() {
    let rig = Rig::default();
    rig.later(0, "call");
    assert_eq!(rig.made.take(), []);
    assert_eq!(rig.advance(0), [("call", 0)]);
}

#[test]
fn a_call_cannot_cancel_itself_while_it_is_made() {
    let (clock, own) = (ManualClock::new(), Rc::new(RefCell::new(None::<DelayedCall>)));
    let (itself, came) = (own.clone(), Rc::new(Cell::new(None)));
    let comes = came.clone();
    let call = clock.call_later(MS, move || {
        comes.set(itself.take().map(|call| (call.cancel(), call.state())));
    });
    *own.borrow_mut() = Some(call);
    clock.advance(MS);
    assert_eq!(came.get(), Some((false, CallState::Called)));
}

#[test]
fn a_call_can_be_delayed_and_reset_both_ways() {
    let rig = Rig::default();
    let (start, delayed) = (rig.clock.now(), rig.later(10, "delayed"));
    delayed.delay(MS * 10).unwrap();
    assert_eq!(delayed.time(), start + MS * 20);
    let (later, sooner) = (rig.later(20, "later"), rig.later(40, "sooner"));
    rig.advance(10);
    later.reset(MS * 30).unwrap();
    sooner.reset(MS * 20).unwrap();
    assert_eq!((later.time(), sooner.time()), (start + MS * 40, start + MS * 30));
    assert_eq!(rig.advance(25), [("delayed", 20), ("sooner", 30)]);
    assert_eq!(rig.advance(25), [("later", 40)]);
}

#[test]
fn calls_are_made_in_the_order_of_their_times_and_then_as_they_were_scheduled() {
    let rig = Rig::default();
    for (ms, name) in [(3, "d"), (1, "a"), (2, "b"), (3, "e"), (2, "c")] {
        rig.later(ms, name);
    }
    assert_eq!(rig.advance(3), [("a", 1), ("b", 2), ("c", 2), ("d", 3), ("e", 3)]);
}

#[test]
fn a_rescheduled_call_takes_its_place_by_its_new_time() {
    for moved_first in [true, false] {
        let rig = Rig::default();
        let a = rig.later(1, "a");
        if moved_first {
            a.reset(MS * 3).unwrap();
        }
        rig.later(2, "b");
        if !moved_first {
            a.reset(MS * 3).unwrap();
        }
        rig.clock.pump([MS; 3]);
        assert_eq!(rig.made.take(), [("b", 2), ("a", 3)], "moved first: {moved_first}");
    }
}

#[test]
fn a_reset_inside_a_call_counts_from_the_time_of_that_call() {
    for steps in [vec![MS / 2; 10], vec![MS; 5], vec![MS * 5]] {
        let rig = Rig::default();
        let b = rig.later(2, "b");
        rig.clock.call_later(MS, move || b.reset(MS * 3).unwrap());
        rig.later(3, "c");
        rig.clock.pump(steps.clone());
        assert_eq!(rig.made.take(), [("c", 3), ("b", 4)], "{steps:?}");
    }
}

#[test]
fn delays_of_calls_made_inside_a_call_count_from_its_time() {
    let rig = Rig::default();
    let (clock, first) = (rig.clock.clone(), rig.note("first"));
    let (now, soon, beyond) = (rig.note("without delay"), rig.note("soon"), rig.note("beyond"));
    rig.clock.call_later(MS, move || {
        first();
        clock.call_later(MS * 20, beyond);
        clock.call_later(MS * 2, soon);
        clock.call_later(Duration::ZERO, now);
    });
    rig.later(1, "second");
    rig.later(2, "third");
    let made = rig.advance(10);
    assert_eq!(made, [("first", 1), ("second", 1), ("without delay", 1), ("third", 2), ("soon", 3)]);
    assert_eq!((rig.clock.elapsed(), rig.clock.pending().len()), (MS * 10, 1));
    assert_eq!(rig.advance(11), [("beyond", 21)]);
}

#[test]
fn a_call_may_advance_the_clock_itself_and_time_never_goes_back() {
    let rig = Rig::default();
    let (clock, note) = (rig.clock.clone(), rig.note("outer"));
    rig.clock.call_later(MS, move || {
        clock.advance(MS * 10);
        note();
    });
    rig.later(2, "inner");
    rig.later(3, "inner");
    rig.later(12, "next");
    assert_eq!(rig.advance(5), [("inner", 2), ("inner", 3), ("outer", 11)]);
    assert_eq!(rig.clock.elapsed(), MS * 11);
    assert_eq!(rig.advance(1), [("next", 12)]);
}

#[test]
fn a_panic_goes_through_and_the_next_advance_makes_the_remaining_calls() {
    let rig = Rig::default();
    rig.later(1, "before");
    rig.clock.call_later(MS * 2, || panic!("in the call"));
    rig.later(2, "behind");
    rig.later(3, "later");
    assert_eq!(panic_of(|| rig.clock.advance(MS * 5)), "in the call");
    assert_eq!((rig.made.take(), rig.clock.elapsed()), (vec![("before", 1)], MS * 5));
    assert_eq!(rig.advance(0), [("behind", 5), ("later", 5)], "late, because time does not go back");
}

#[test]
fn calls_that_schedule_each_other_without_delay_for_ever_panic() {
    fn again(clock: ManualClock) {
        clock.clone().call_later(Duration::ZERO, move || again(clock));
    }
    let clock = ManualClock::new();
    again(clock.clone());
    assert!(panic_of(|| clock.advance(MS)).contains("for ever"));
    assert!(clock.pending()[0].cancel());
}

#[test]
fn a_dropped_clock_drops_what_its_calls_hold_even_if_that_holds_the_calls() {
    let (clock, held) = (ManualClock::new(), Rc::new(()));
    let (holds, own) = (held.clone(), Rc::new(RefCell::new(None::<DelayedCall>)));
    let circle = own.clone();
    *own.borrow_mut() = Some(clock.call_later(MS, move || drop((holds, circle))));
    drop((own, clock));
    assert_eq!(Rc::strong_count(&held), 1);
}
