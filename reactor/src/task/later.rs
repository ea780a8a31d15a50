//! [`sleep`] and [`defer_later`]: a delayed call as a Deferred.
//!
//! Next: `looping_call.rs`, which calls again and again.

use crate::deferred::IntoDeferred;
use crate::{Clock, Deferred, DelayedCall};
use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

/// A Deferred that fires when the time `delay` from now has come on `clock`; never before this returns.
///
/// Cancelling it cancels the delayed call. Twisted's `deferLater` without a function.
///
/// ```
/// use reactor::{task, testing::ManualClock};
/// use std::time::Duration;
///
/// let clock = ManualClock::new();
/// let greeting = task::sleep(&clock, Duration::from_secs(2)).add_callback(|()| Ok("good morning"));
/// assert!(!greeting.has_fired());
/// clock.advance(Duration::from_secs(2));
/// assert_eq!(greeting.result(), Some("good morning"));
/// ```
#[track_caller]
pub fn sleep(clock: &(impl Clock + ?Sized), delay: Duration) -> Deferred<()> {
    let timer: Rc<Cell<Option<DelayedCall>>> = Rc::default();
    let cancelled = timer.clone();
    let (deferred, firer) = Deferred::unwatched_with_canceller(move |_| {
        if let Some(timer) = cancelled.take() {
            timer.cancel();
        }
    });
    // The call holds the Firer, the Firer its canceller, and that holds the call. Firing, cancelling and the end of
    // the clock each break this circle: a clock that goes drops what its calls captured.
    timer.set(Some(clock.call_later_boxed(delay, Box::new(move || firer.callback(()).unwrap_or(())))));
    deferred
}

/// Calls `call` when the time `delay` from now has come on `clock`. The Deferred fires with what it returns.
///
/// Cancelling the Deferred before that time cancels the call. Twisted's `deferLater`.
///
/// ```
/// use reactor::{task, testing::ManualClock};
/// use std::time::Duration;
///
/// let clock = ManualClock::new();
/// let answer = task::defer_later(&clock, Duration::from_secs(1), || Ok("42".parse::<u32>()?));
/// clock.advance(Duration::from_secs(1));
/// assert_eq!(answer.result(), Some(42));
/// ```
#[track_caller]
pub fn defer_later<R>(
    clock: &(impl Clock + ?Sized),
    delay: Duration,
    call: impl FnOnce() -> R + 'static,
) -> Deferred<R::Value>
where
    R: IntoDeferred,
{
    sleep(clock, delay).add_callback(|()| call())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{ManualClock, failure_result_of};
    use crate::{CancelledError, Failure};

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_sleep_fires_when_its_time_has_come_and_not_before() {
        let clock = ManualClock::new();
        let nap = sleep(&clock, SECOND);
        clock.advance(SECOND - Duration::from_nanos(1));
        assert!(!nap.has_fired());
        clock.advance(Duration::from_nanos(1));
        assert_eq!(nap.result(), Some(()));
    }

    #[test]
    fn a_sleep_of_no_time_fires_in_the_next_turn() {
        let clock = ManualClock::new();
        let nap = sleep(&clock, Duration::ZERO);
        assert!(!nap.has_fired());
        clock.advance(Duration::ZERO);
        assert!(nap.has_fired());
    }

    #[test]
    fn a_cancelled_call_is_never_made_and_leaves_no_timer() {
        let clock = ManualClock::new();
        let called = Rc::new(Cell::new(false));
        let note = called.clone();
        let later = defer_later(&clock, SECOND, move || note.set(true));
        later.cancel();
        assert!(clock.pending().is_empty());
        assert_eq!(Rc::strong_count(&called), 1, "what the call captured is dropped");
        clock.advance(SECOND);
        assert!(!called.get());
        assert!(failure_result_of(later).check::<CancelledError>().is_some());
    }

    #[test]
    fn what_the_call_fails_with_is_the_failure_of_the_deferred() {
        let clock = ManualClock::new();
        let later = defer_later(&clock, SECOND, || Err::<(), _>(Failure::msg("no")));
        clock.advance(SECOND);
        assert_eq!(failure_result_of(later).to_string(), "no");
    }

    #[test]
    fn a_deferred_that_the_call_returns_is_waited_for() {
        let clock = ManualClock::new();
        let inner = clock.clone();
        let later = defer_later(&clock, SECOND, move || sleep(&inner, SECOND).add_callback(|()| Ok(2)));
        clock.advance(SECOND);
        assert!(!later.has_fired());
        clock.advance(SECOND);
        assert_eq!(later.result(), Some(2));
    }

    #[test]
    fn a_clock_that_goes_takes_the_call_with_it() {
        let clock = ManualClock::new();
        let captured = Rc::new(());
        let held = captured.clone();
        let later = defer_later(&clock, SECOND, move || drop(held));
        drop((clock, later));
        assert_eq!(Rc::strong_count(&captured), 1);
    }
}
