//! [`Clock`]: anything that tells the time and makes calls later. The reactor is one; a test moves another by hand.
//!
//! Twisted's `IReactorTime`. Code that waits takes its clock as an argument, so that its tests need not wait.
//!
//! Next: `timed.rs`, then `timers.rs`, the queue inside every clock of this library.

use crate::DelayedCall;
use std::panic::Location;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// Tells the time and makes calls later: [`Reactor`](crate::Reactor), or
/// [`ManualClock`](crate::testing::ManualClock) in tests.
///
/// ```
/// use reactor::{Clock, testing::ManualClock};
/// use std::{cell::Cell, rc::Rc, time::Duration};
///
/// /// Rings three times, on any clock.
/// fn alarm(clock: &impl Clock, ring: impl Fn() + Clone + 'static) {
///     for minutes in [10, 15, 20] {
///         clock.call_later(Duration::from_secs(minutes * 60), ring.clone());
///     }
/// }
///
/// let (clock, rings) = (ManualClock::new(), Rc::new(Cell::new(0)));
/// let count = rings.clone();
/// alarm(&clock, move || count.set(count.get() + 1));
/// clock.advance(Duration::from_secs(15 * 60));
/// assert_eq!(rings.get(), 2);
/// ```
///
/// To avoid a type parameter, hold an `Rc<dyn Clock>`: that is a `Clock`, too.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a `Clock`",
    label = "a `Clock` is wanted here",
    note = "a `Reactor` is one, and in tests a `testing::ManualClock` is"
)]
pub trait Clock {
    /// The time now; it never goes back.
    fn now(&self) -> Instant;

    /// Does what [`call_later`](Clock::call_later) does, for a call that is boxed already. A new kind of clock
    /// implements this method.
    #[track_caller]
    fn call_later_boxed(&self, after: Duration, call: Box<dyn FnOnce()>) -> DelayedCall;

    /// Does the same for other code: messages about the call, such as that it panicked or held the loop, name `place`.
    /// A part of a program that makes its own delayed calls on behalf of its caller keeps the caller's place for this.
    ///
    /// A clock that does not implement this names the place of the caller.
    #[track_caller]
    fn call_later_at(
        &self,
        place: &'static Location<'static>,
        after: Duration,
        call: Box<dyn FnOnce()>,
    ) -> DelayedCall {
        let _ = place;
        self.call_later_boxed(after, call)
    }

    /// Makes `call` when `after` has passed, and never before this method returns. Calls that are due at the same
    /// moment are made in the order in which they were requested.
    ///
    /// The values that `call` captures live until then, or until the call is cancelled or the clock is dropped.
    #[track_caller]
    fn call_later(&self, after: Duration, call: impl FnOnce() + 'static) -> DelayedCall
    where
        Self: Sized,
    {
        self.call_later_boxed(after, Box::new(call))
    }
}

impl<C: Clock + ?Sized> Clock for Rc<C> {
    fn now(&self) -> Instant {
        (**self).now()
    }
    #[track_caller]
    fn call_later_boxed(&self, after: Duration, call: Box<dyn FnOnce()>) -> DelayedCall {
        (**self).call_later_boxed(after, call)
    }
    fn call_later_at(
        &self,
        place: &'static Location<'static>,
        after: Duration,
        call: Box<dyn FnOnce()>,
    ) -> DelayedCall {
        (**self).call_later_at(place, after, call)
    }
}

impl<C: Clock + ?Sized> Clock for &C {
    fn now(&self) -> Instant {
        (**self).now()
    }
    #[track_caller]
    fn call_later_boxed(&self, after: Duration, call: Box<dyn FnOnce()>) -> DelayedCall {
        (**self).call_later_boxed(after, call)
    }
    fn call_later_at(
        &self,
        place: &'static Location<'static>,
        after: Duration,
        call: Box<dyn FnOnce()>,
    ) -> DelayedCall {
        (**self).call_later_at(place, after, call)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::ManualClock;
    use std::cell::Cell;

    const SECOND: Duration = Duration::from_secs(1);

    /// Asks `clock` for a call in a second; whether it came and when.
    fn asks(clock: &impl Clock) -> (DelayedCall, Rc<Cell<bool>>) {
        let came = Rc::new(Cell::new(false));
        let comes = came.clone();
        (clock.call_later(SECOND, move || comes.set(true)), came)
    }

    #[test]
    fn a_clock_may_be_lent_shared_and_behind_a_trait_object() {
        let clock = ManualClock::new();
        let shared: Rc<dyn Clock> = Rc::new(clock.clone());
        let all = [asks(&clock), asks(&&clock), asks(&shared), asks(&&*shared)];
        assert!(all.iter().all(|(call, _)| call.time() == clock.now() + SECOND));
        clock.advance(SECOND);
        assert!(all.iter().all(|(_, came)| came.get()));
        assert_eq!(shared.now(), clock.now());
    }

    #[test]
    fn the_reactor_is_a_clock() {
        let reactor = crate::Reactor::new().unwrap();
        let clock: &dyn Clock = &reactor;
        let before = clock.now();
        let (call, came) = asks(&reactor);
        let stopper = reactor.clone();
        call.reset(Duration::ZERO).unwrap();
        clock.call_later_boxed(Duration::ZERO, Box::new(move || stopper.stop()));
        reactor.run().unwrap();
        assert!(came.get() && clock.now() >= before);
    }

    #[test]
    fn a_delayed_call_names_the_place_that_asked_for_it() {
        let clock = ManualClock::new();
        let line = line!() + 1;
        let call = Clock::call_later(&&clock, SECOND, || {});
        let place = format!("{}:{line}:", file!());
        assert!(format!("{call:?}").contains(&place), "{call:?} does not name {place}");
    }
}
