//! [`ManualClock`]: a clock that stands still until a test moves it. Twisted's `task.Clock`.
//!
//! It keeps its calls in the same queue as the reactor does ([`Timers`]). The only difference is where the queue gets
//! the time from: here from [`advance`](ManualClock::advance), there from the system's clock.
//!
//! Next: `string_transport.rs`, a connection without a network.

use crate::policies::{PolicyClock, PolicyTime};
use crate::timers::Timers;
use crate::{Clock, DelayedCall, driver};
use std::fmt;
use std::panic::Location;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// Maximum number of calls that are made at one moment. A call that schedules itself again without a delay would
/// otherwise hold a test for ever; no honest test comes near this.
const MAX_CALLS_AT_ONE_MOMENT: usize = 1_000_000;

/// A clock for tests. Its time moves only by [`advance`](ManualClock::advance), which makes the calls that fall due on
/// the way. This is a handle, cheap to clone: all clones are the same clock.
///
/// Each call is made at its own time. While it runs, [`now`](ManualClock::now) is the moment at which it was due, and
/// the delays of new calls count from there. In Twisted's `task.Clock` it is already the end of the advance. So a call
/// that schedules itself again every second is made once there in an advance of ten seconds; here ten times, as on a
/// real clock.
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
/// A call that holds a clone of its clock keeps the clock alive until it is made or cancelled, as a reactor's call
/// does.
#[derive(Clone)]
pub struct ManualClock {
    timers: Rc<Timers>,
    start: Instant,
}

impl ManualClock {
    /// A new clock. It has not moved: [`elapsed`](ManualClock::elapsed) is zero.
    pub fn new() -> ManualClock {
        let start = driver::some_moment();
        ManualClock { timers: Timers::new(start, None), start }
    }

    /// The time on this clock.
    pub fn now(&self) -> Instant {
        self.timers.now()
    }

    /// How far this clock has moved since it was made. Twisted's `seconds`.
    pub fn elapsed(&self) -> Duration {
        self.now() - self.start
    }

    /// Schedules `call` for when this clock has moved by `after`. It is made by `advance`, never before this returns,
    /// not even without a delay.
    #[track_caller]
    pub fn call_later(&self, after: Duration, call: impl FnOnce() + 'static) -> DelayedCall {
        self.timers.call_later(after, call)
    }

    /// Moves the time on by `by`, and makes the calls that fall due on the way: in the order of their times, and calls
    /// of the same time in the order in which they were scheduled. Calls that they schedule are made as well, if they
    /// fall due before the end; a call without a delay comes after all others of its moment.
    ///
    /// With `Duration::ZERO` it makes the calls that are due now.
    ///
    /// # Panics
    /// If a call panics: the panic goes through, so that the test fails. The clock still moves to the end, and the next
    /// `advance` makes the calls that this one did not reach. It also panics if more than a million calls are made at
    /// one moment.
    pub fn advance(&self, by: Duration) {
        let arrival = Arrival { timers: &self.timers, end: self.now() + by };
        let mut at_this_moment = 0;
        while let Some(time) = self.timers.next_time().filter(|time| *time <= arrival.end) {
            at_this_moment = if time > self.now() { 0 } else { at_this_moment + 1 };
            assert!(at_this_moment < MAX_CALLS_AT_ONE_MOMENT, "calls without a delay schedule each other for ever");
            // Before the call, which must see the moment at which it was due.
            forward(&self.timers, time);
            if let Some(begun) = self.timers.take_first_due().and_then(|due| self.timers.begin(due)) {
                begun.asked.context.run(|| begun.make());
            }
        }
    }

    /// Advances by each of these steps in turn. Twisted's `pump`.
    pub fn pump(&self, steps: impl IntoIterator<Item = Duration>) {
        for step in steps {
            self.advance(step);
        }
    }

    /// The calls that wait, in the order in which they will be made. Cancelled calls are not among them. Twisted's
    /// `getDelayedCalls`.
    pub fn pending(&self) -> Vec<DelayedCall> {
        self.timers.waiting()
    }
}

impl Default for ManualClock {
    fn default() -> ManualClock {
        ManualClock::new()
    }
}

/// Moves the clock to the end of an advance when it is dropped, so that this also happens if a call panics.
struct Arrival<'a> {
    timers: &'a Timers,
    end: Instant,
}

impl Drop for Arrival<'_> {
    fn drop(&mut self) {
        forward(self.timers, self.end);
    }
}

/// Moves the clock to `time`, but never back: a call that advances the clock itself may have moved it beyond.
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
    fn call_later_at(
        &self,
        place: &'static Location<'static>,
        after: Duration,
        call: Box<dyn FnOnce()>,
    ) -> DelayedCall {
        self.timers.call_later_at(place, after, call)
    }
}

impl PolicyTime for ManualClock {
    fn moment(&self) -> Option<Instant> {
        Some(self.now())
    }
    fn call_later(&self, after: Duration, call: Box<dyn FnOnce()>) -> Option<DelayedCall> {
        Some(self.call_later_boxed(after, call))
    }
    fn call_later_at(
        &self,
        place: &'static Location<'static>,
        after: Duration,
        call: Box<dyn FnOnce()>,
    ) -> Option<DelayedCall> {
        Some(Clock::call_later_at(self, place, after, call))
    }
}

impl From<&ManualClock> for PolicyClock {
    fn from(clock: &ManualClock) -> PolicyClock {
        PolicyClock::new(clock.clone())
    }
}

impl fmt::Debug for ManualClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ManualClock({:?} after its start, {} calls wait)", self.elapsed(), self.timers.len())
    }
}

#[cfg(test)]
mod tests;
