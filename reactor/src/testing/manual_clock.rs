//! [`ManualClock`]: a clock that stands still until it is told to go on. Twisted's `task.Clock`.
//!
//! It has the very queue that the reactor has; only who tells the queue the time is different.

use crate::timers::Timers;
use crate::{Clock, DelayedCall, driver};
use std::fmt;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// How many calls may be made without any time going by. A call that asks for itself again without a delay would
/// otherwise hold a test for ever; no honest test comes near.
const AT_ONE_MOMENT: usize = 1_000_000;

/// A clock for tests: its time goes on only by [`advance`](ManualClock::advance), which makes the calls that fall due
/// on the way. A cheap handle to clone: all clones are the same clock.
///
/// Each call is made at its own time: while it runs, [`now`](ManualClock::now) is the moment at which it was due, and
/// what it asks for counts from there. In Twisted's `task.Clock` it is already the end of the advance, so that a call
/// that asks for itself again every second is made once in an advance of ten; here, as on the real clock, ten times.
///
/// ```
/// use reactor::testing::ManualClock;
/// use std::{cell::RefCell, rc::Rc, time::Duration};
///
/// const SECOND: Duration = Duration::from_secs(1);
/// let (clock, ticks) = (ManualClock::new(), Rc::new(RefCell::new(Vec::new())));
///
/// fn tick(clock: ManualClock, ticks: Rc<RefCell<Vec<u64>>>) {
///     ticks.borrow_mut().push(clock.elapsed().as_secs());
///     clock.clone().call_later(SECOND, move || tick(clock, ticks));
/// }
/// tick(clock.clone(), ticks.clone());
/// clock.advance(SECOND * 3);
/// assert_eq!(*ticks.borrow(), [0, 1, 2, 3]);
/// assert_eq!(clock.pending().len(), 1, "the next tick");
/// # assert!(clock.pending()[0].cancel());
/// ```
///
/// Like the reactor's, a call that holds a clone of its clock keeps the clock until it is made or cancelled.
#[derive(Clone)]
pub struct ManualClock {
    timers: Rc<Timers>,
    start: Instant,
}

impl ManualClock {
    /// A clock that has not moved yet.
    pub fn new() -> ManualClock {
        let start = driver::some_moment();
        ManualClock { timers: Timers::new(start), start }
    }

    /// The time on this clock.
    pub fn now(&self) -> Instant {
        self.timers.now()
    }

    /// How far this clock has been moved since it was made. Twisted's `seconds`.
    pub fn elapsed(&self) -> Duration {
        self.now() - self.start
    }

    /// Makes `call` when this clock has been moved by `after` from now; never before this returns.
    #[track_caller]
    pub fn call_later(&self, after: Duration, call: impl FnOnce() + 'static) -> DelayedCall {
        self.timers.call_later(after, Box::new(call))
    }

    /// Moves the time on by `by`, and makes the calls that fall due on the way: by their times, and those due at the
    /// same moment in the order in which they were asked for. Calls that they ask for are made, too, if their time
    /// comes before the end; without a delay, as the last of their moment.
    ///
    /// With `Duration::ZERO` it makes the calls that are due now.
    ///
    /// # Panics
    /// If a call panics: nobody catches that here, so that the test fails. The time has then gone by all the same, and
    /// the next `advance` makes the calls that this one did not come to. Also if calls go on asking for others without
    /// a delay, a million times.
    pub fn advance(&self, by: Duration) {
        let arrival = Arrival { timers: &self.timers, end: self.now() + by };
        let mut at_once = 0;
        while let Some(time) = self.timers.next_time().filter(|time| *time <= arrival.end) {
            at_once = if time > self.now() { 0 } else { at_once + 1 };
            assert!(at_once < AT_ONE_MOMENT, "calls without a delay ask for each other for ever");
            forward(&self.timers, time);
            if let Some((action, _)) = self.timers.take_first_due().and_then(|due| self.timers.begin(due)) {
                action();
            }
        }
    }

    /// Advances by each of these steps, one after the other.
    pub fn pump(&self, steps: impl IntoIterator<Item = Duration>) {
        for step in steps {
            self.advance(step);
        }
    }

    /// The calls that wait, in the order in which they will be made. Twisted's `getDelayedCalls`.
    pub fn pending(&self) -> Vec<DelayedCall> {
        self.timers.waiting()
    }
}

impl Default for ManualClock {
    fn default() -> ManualClock {
        ManualClock::new()
    }
}

/// Brings the clock to the end of an advance, also if a call panics.
struct Arrival<'a> {
    timers: &'a Timers,
    end: Instant,
}

impl Drop for Arrival<'_> {
    fn drop(&mut self) {
        forward(self.timers, self.end);
    }
}

/// Never back: a call that advances the clock itself may have gone beyond `time`.
fn forward(timers: &Timers, time: Instant) {
    timers.set_now(time.max(timers.now()));
}

impl Clock for ManualClock {
    fn now(&self) -> Instant {
        ManualClock::now(self)
    }
    #[track_caller]
    fn call_later_boxed(&self, after: Duration, call: Box<dyn FnOnce()>) -> DelayedCall {
        self.timers.call_later(after, call)
    }
}

impl fmt::Debug for ManualClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ManualClock({:?} after its start, {} calls wait)", self.elapsed(), self.timers.len())
    }
}

#[cfg(test)]
mod tests;
