//! 1b, addTimeout: the chain up to there takes no longer than it may.

use crate::*;
use reactor::testing::ManualClock;
use reactor::{CancelledError, Clock, DelayedCall, TimeoutError, deferred};
use std::time::{Duration, Instant};

const SECOND: Duration = Duration::from_secs(1);
const LIMIT: Duration = Duration::from_secs(10);

fn is_timeout(deferred: Deferred<u32>) -> bool {
    failure_of(deferred).check::<TimeoutError>().is_some_and(|error| error.after == LIMIT)
}

#[test]
fn add_timeout_cancels_at_its_time_and_makes_it_a_timeout_error() {
    let clock = ManualClock::new();
    let (deferred, firer) = Deferred::<u32>::new();
    let chain = deferred.add_timeout(LIMIT, &clock);
    clock.advance(LIMIT - SECOND);
    assert!(!firer.called() && !chain.has_fired());
    clock.advance(SECOND);
    assert!(firer.called() && is_timeout(chain));
}

#[test]
fn add_timeout_a_result_in_time_passes_and_drops_the_delayed_call() {
    for (result, expected) in [(Ok(1), "1"), (Err(boom()), "failed: boom")] {
        let clock = ManualClock::new();
        let (deferred, firer) = Deferred::<u32>::new();
        let chain = deferred.add_timeout(LIMIT, &clock);
        assert_eq!(clock.pending().len(), 1);
        firer.fire(result.map_err(Failure::new)).unwrap();
        assert_eq!(clock.pending().len(), 0);
        clock.advance(LIMIT);
        assert_eq!(outcome(chain), expected);
    }
}

#[test]
fn add_timeout_covers_only_what_was_added_before_it() {
    let clock = ManualClock::new();
    let (inner, fire_inner) = Deferred::<u32>::with_canceller(|_| panic!("it came after the timeout"));
    let chain = deferred_fired_in_time(&clock).add_callback(move |_| inner);
    clock.advance(LIMIT * 2);
    assert!(!chain.has_fired());
    fire_inner.callback(1).unwrap();
    assert_eq!(chain.result(), Some(1));
}

fn deferred_fired_in_time(clock: &ManualClock) -> Deferred<u32> {
    let (deferred, firer) = Deferred::<u32>::new();
    let chain = deferred.add_timeout(LIMIT, clock);
    firer.callback(0).unwrap();
    chain
}

#[test]
fn add_timeout_cancels_the_deferred_that_is_waited_for() {
    let clock = ManualClock::new();
    let (inner, fire_inner) = Deferred::<u32>::new();
    let chain = deferred::succeed(()).add_callback(move |()| inner).add_timeout(LIMIT, &clock);
    clock.advance(LIMIT);
    assert!(fire_inner.called() && is_timeout(chain));
}

#[test]
fn add_timeout_a_cancel_by_hand_before_stays_a_cancelled_error_and_drops_the_delayed_call() {
    let clock = ManualClock::new();
    let (deferred, _firer) = Deferred::<u32>::new();
    let chain = deferred.add_timeout_with(LIMIT, &clock, |_, _| -> Result<u32, Failure> { panic!("in time") });
    chain.cancel();
    assert_eq!(clock.pending().len(), 0);
    assert!(failure_of(chain).check::<CancelledError>().is_some());
}

#[test]
fn add_timeout_a_canceller_that_fires_has_its_result_passed() {
    type Action = fn(&Firer<u32>);
    let actions: [(Action, &str); 2] =
        [(|firer| firer.callback(7).unwrap(), "7"), (|firer| firer.errback(boom()).unwrap(), "failed: boom")];
    for (action, expected) in actions {
        let clock = ManualClock::new();
        let (deferred, _firer) = Deferred::<u32>::with_canceller(action);
        let chain = deferred.add_timeout(LIMIT, &clock);
        clock.advance(LIMIT);
        assert_eq!(outcome(chain), expected);
    }
}

#[test]
fn add_timeout_an_errback_before_it_may_suppress_or_change_the_cancellation() {
    let clock = ManualClock::new();
    let ((first, _fire_first), (second, _fire_second)) = (Deferred::<u32>::new(), Deferred::<u32>::new());
    let suppressed = first.add_errback(|failure| failure.trap::<CancelledError>().map(|_| 1));
    let changed = second.add_errback(|_| Err(Failure::new(boom())));
    let chains = [suppressed, changed].map(|chain| chain.add_timeout(LIMIT, &clock));
    clock.advance(LIMIT);
    assert_eq!(chains.map(outcome), ["1", "failed: boom"]);
}

#[test]
fn add_timeout_an_errback_behind_it_sees_the_timeout_error() {
    let clock = ManualClock::new();
    let (deferred, _firer) = Deferred::<u32>::new();
    let chain = deferred.add_timeout(LIMIT, &clock).add_errback(|failure| failure.trap::<TimeoutError>().map(|_| 2));
    clock.advance(LIMIT);
    assert_eq!(chain.result(), Some(2));
}

#[test]
fn add_timeout_with_has_the_last_word_if_and_only_if_the_time_ran_out() {
    let actions: [fn(&Firer<u32>); 3] =
        [|_| {}, |firer| firer.callback(7).unwrap(), |firer| firer.errback(boom()).unwrap()];
    for action in actions {
        let (clock, events) = (ManualClock::new(), Events::default());
        let (deferred, _firer) = Deferred::<u32>::with_canceller(action);
        let noted = events.clone();
        let chain = deferred.add_timeout_with(LIMIT, &clock, move |result, after| {
            note(&noted, result.map_or_else(|failure| failure.to_string(), |n| n.to_string()));
            assert_eq!(after, LIMIT);
            Ok(100)
        });
        clock.advance(LIMIT);
        assert_eq!(events.take().len(), 1);
        assert_eq!(chain.result(), Some(100));
    }
    let clock = ManualClock::new();
    let (deferred, firer) = Deferred::<u32>::new();
    let chain = deferred.add_timeout_with(LIMIT, &clock, |_, _| -> Result<u32, Failure> { panic!("in time") });
    firer.callback(1).unwrap();
    assert_eq!(chain.result(), Some(1));
}

#[test]
fn add_timeout_a_late_value_is_ignored_and_a_second_one_is_an_error() {
    let clock = ManualClock::new();
    let (deferred, firer) = Deferred::<u32>::new();
    let chain = deferred.add_timeout(LIMIT, &clock);
    clock.advance(LIMIT);
    firer.callback(1).unwrap();
    firer.callback(2).unwrap_err();
    assert!(is_timeout(chain));
}

#[test]
fn add_timeout_a_panicking_canceller_does_not_defeat_it() {
    // In Twisted such a Deferred is stuck, though its time is over.
    let clock = ManualClock::new();
    let (deferred, _firer) = Deferred::<u32>::with_canceller(|_| panic!("cannot stop"));
    let chain = deferred.add_timeout(LIMIT, &clock);
    assert_eq!(panic_of(|| clock.advance(LIMIT)), "cannot stop");
    assert!(is_timeout(chain));
}

#[test]
fn add_timeout_twice_each_covers_what_stands_before_it() {
    for (first, second) in [(SECOND, LIMIT), (LIMIT, SECOND)] {
        let clock = ManualClock::new();
        let (deferred, firer) = Deferred::<u32>::new();
        let chain = deferred.add_timeout(first, &clock).add_timeout(second, &clock);
        clock.advance(SECOND);
        assert!(firer.called());
        assert_eq!(clock.pending().len(), 0);
        let error = failure_of(chain);
        assert_eq!(error.check::<TimeoutError>().map(|error| error.after), Some(SECOND));
    }
}

#[test]
fn add_timeout_on_what_has_fired_changes_nothing_and_asks_for_no_call() {
    struct Unasked;
    impl Clock for Unasked {
        fn now(&self) -> Instant {
            panic!("nobody need know the time")
        }
        fn call_later_boxed(&self, _: Duration, _: Box<dyn FnOnce()>) -> DelayedCall {
            panic!("there is nothing to cancel")
        }
    }
    let (pending, firer) = Deferred::<u32>::new();
    firer.callback(2).unwrap();
    let pending = pending.add_timeout_with(LIMIT, &Unasked, |_, _| -> Result<u32, Failure> { panic!("in time") });
    let chains = [deferred::succeed(1), deferred::fail(boom())].map(|chain| chain.add_timeout(LIMIT, &Unasked));
    assert_eq!(chains.map(outcome), ["1", "failed: boom"]);
    assert_eq!(pending.result(), Some(2));
}
