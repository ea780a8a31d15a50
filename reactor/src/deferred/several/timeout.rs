//! [`Deferred::add_timeout`]: a limit on the time that a chain may take.
//!
//! ```text
//!   [ work ] --> [ callback ] --> [ timeout ] --> [ callback ] ...
//!   '---- cancelled if it takes too long ----'     none of its business
//! ```
//!
//! A timeout is a delayed call that cancels the chain, and a step that drops the call when a result passes. So it works
//! by the rules of a cancel: the canceller runs, a Deferred that is waited for is cancelled in turn, and errbacks
//! before the timeout see a [`CancelledError`](crate::CancelledError); only those behind it see a [`TimeoutError`].
//! Test it on a [`ManualClock`](crate::testing::ManualClock).
//!
//! Next: `hand_on.rs`, one Deferred fires another.

use crate::deferred::{Deferred, IntoDeferred};
use crate::error::TimeoutError;
use crate::timers::CallState;
use crate::{Clock, Failure};
use std::panic::Location;
use std::time::Duration;

impl<T: 'static> Deferred<T> {
    /// Cancels this Deferred if it has no result after the time `after` on `clock`, and then makes the
    /// [`CancelledError`](crate::CancelledError) a [`TimeoutError`], also if it is inside of what lists and races make
    /// of it. Twisted's `addTimeout`.
    ///
    /// It covers what was added before it and nothing that is added behind it. Whatever else the cancel leads to
    /// passes unchanged: what a canceller fired, the value of an errback that made up for the `CancelledError`. A
    /// cancel by anybody else stays a `CancelledError`. As soon as a result comes by, the call on the clock is dropped;
    /// until then it keeps the chain alive.
    ///
    /// ```
    /// use reactor::{Deferred, TimeoutError, testing::ManualClock};
    /// use std::time::Duration;
    ///
    /// let clock = ManualClock::new();
    /// let (deferred, _firer) = Deferred::<u32>::new();
    /// let chain = deferred.add_timeout(Duration::from_secs(5), &clock).add_errback(|failure| {
    ///     assert!(failure.check::<TimeoutError>().is_some(), "{failure}");
    ///     Ok(0)
    /// });
    /// clock.advance(Duration::from_secs(5));
    /// assert_eq!(chain.result(), Some(0));
    /// ```
    #[track_caller]
    pub fn add_timeout(self, after: Duration, clock: &(impl Clock + ?Sized)) -> Deferred<T> {
        let made = self.made();
        self.add_timeout_with(after, clock, move |result, after| match result {
            Err(failure) if failure.is_cancellation() => {
                let what = format!("the result of the Deferred made at {made}");
                Err(failure.with_error(TimeoutError { what, after }))
            }
            other => other,
        })
    }

    /// As [`add_timeout`](Deferred::add_timeout), but if the time has run out, `on_timeout` says what the result is: it
    /// gets the one that the cancel led to, which may be a value, and `after`. If the time has not run out,
    /// `on_timeout` is dropped unused.
    ///
    /// ```
    /// use reactor::{Deferred, testing::ManualClock};
    /// use std::time::Duration;
    ///
    /// let clock = ManualClock::new();
    /// let (fresh, _firer) = Deferred::<&str>::new();
    /// let chain = fresh.add_timeout_with(Duration::from_secs(5), &clock, |_result, _after| Ok("yesterday's"));
    /// clock.advance(Duration::from_secs(5));
    /// assert_eq!(chain.result(), Some("yesterday's"));
    /// ```
    #[track_caller]
    pub fn add_timeout_with<R>(
        self,
        after: Duration,
        clock: &(impl Clock + ?Sized),
        on_timeout: impl FnOnce(Result<T, Failure>, Duration) -> R + 'static,
    ) -> Deferred<T>
    where
        R: IntoDeferred<Value = T>,
    {
        if self.has_fired() {
            return self;
        }
        let (canceller, at) = (self.canceller(), Location::caller());
        let limit = clock.call_later_boxed(after, Box::new(move || canceller.cancel_at(at)));
        // The delayed call itself knows whether the result or the timeout came first. It counts as called before it
        // cancels, so the result of that very cancel is seen as late here.
        self.add_both(move |result| match limit.state() {
            CallState::Called => on_timeout(result, after).into_given(),
            // The clock may be gone with all its calls: then nobody cancelled us.
            CallState::Waiting | CallState::Cancelled => {
                limit.cancel();
                result.into_given()
            }
        })
    }
}
