//! [`Deferred::add_timeout`]: a limit on the time that a chain may take.
//!
//! ```text
//!   [ work ] --> [ callback ] --> [ timeout ] --> [ callback ] ...
//!   '---- cancelled if it takes too long ----'     not affected
//! ```
//!
//! A timeout is a delayed call that cancels the chain, and a step that drops the call when a result passes. So the
//! rules of a cancel apply: the canceller runs, and if the chain waits for another Deferred, that one is cancelled.
//! Errbacks before the timeout see a [`CancelledError`](crate::CancelledError); only those behind it see a
//! [`TimeoutError`]. Test it on a [`ManualClock`](crate::testing::ManualClock).
//!
//! Next: `hand_on.rs`, one Deferred fires another.

use crate::deferred::{Deferred, IntoDeferred};
use crate::error::TimeoutError;
use crate::timers::CallState;
use crate::{Clock, Failure};
use std::panic::Location;
use std::time::Duration;

impl<T: 'static> Deferred<T> {
    /// Cancels this Deferred if it has no result after the time `after` on `clock`, and then turns the
    /// [`CancelledError`](crate::CancelledError) into a [`TimeoutError`]. So too if a list or a race has put the
    /// `CancelledError` into its own error. Twisted's `addTimeout`.
    ///
    /// The timeout covers what was added before it, and nothing that is added behind it. If the cancel leads to another
    /// result, that passes unchanged: what a canceller fired, or the value of an errback that handled the
    /// `CancelledError`. If other code cancels, the result stays a `CancelledError`. As soon as a result passes, the
    /// call on the clock is dropped; until then it keeps the chain alive.
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
        let made = self.trace().made();
        self.add_timeout_with(after, clock, move |result, after| match result {
            Err(failure) if failure.is_cancellation() => {
                let what = format!("the result of the Deferred made at {made}");
                Err(failure.with_error(TimeoutError { what, after }))
            }
            other => other,
        })
    }

    /// As [`add_timeout`](Deferred::add_timeout), but if the time has run out, `on_timeout` decides the result. It gets
    /// the result that the cancel led to, which may be a value, and `after`. If the time has not run out, `on_timeout`
    /// is dropped unused.
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
        // The delayed call knows whether the result or the timeout came first. It counts as called before it cancels,
        // so here the result of that very cancel counts as late.
        self.add_both(move |result| match limit.state() {
            CallState::Called => on_timeout(result, after).into_given(),
            // Cancelled: the clock may be gone with all its calls. Then the result came first.
            CallState::Waiting | CallState::Cancelled => {
                limit.cancel();
                result.into_given()
            }
        })
    }
}
