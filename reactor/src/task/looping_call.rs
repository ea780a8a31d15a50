//! [`LoopingCall`]: a call that is made again and again, on a grid in time.
//!
//! ```text
//!   start   0         1         2         3         4         5        interval: 1
//!           |---------|---------|---------|---------|---------|
//!   body    [=]       [=============]     [=]       [=]
//!   count   1         1                   2         1                  one tick was skipped
//! ```
//!
//! The ticks lie at whole multiples of the interval after the start. A late call does not move those after it, so
//! the loop does not drift. A body that takes longer than an interval skips ticks instead of bunching calls, and
//! [`Tick::count`] reports how many intervals have gone by.
//!
//! Next: `cooperator.rs`, which takes turns between several pieces of work.

use crate::context::Asked;
use crate::deferred::{Canceller, Given, IntoDeferred};
use crate::error::PanicError;
use crate::{Clock, Deferred, DelayedCall, Failure, Firer};
use std::cell::{Cell, RefCell};
use std::fmt;
use std::panic::{self, AssertUnwindSafe};
use std::rc::Rc;
use std::time::{Duration, Instant};

/// A call that is made again and again: what [`LoopingCall::start`] gives. Twisted's `task.LoopingCall`.
///
/// A cheap handle to clone; dropping it does not stop the loop.
///
/// ```
/// use reactor::{task::LoopingCall, testing::ManualClock};
/// use std::{cell::Cell, rc::Rc, time::Duration};
///
/// let (clock, calls) = (ManualClock::new(), Rc::new(Cell::new(0)));
/// let count = calls.clone();
/// let (ticking, stopped) = LoopingCall::start(&clock, Duration::from_secs(1), move |_| count.set(count.get() + 1));
/// clock.advance(Duration::from_secs(3));
/// assert_eq!(calls.get(), 4, "at 0, 1, 2 and 3 seconds");
/// ticking.stop();
/// assert!(stopped.has_fired());
/// ```
#[derive(Clone)]
pub struct LoopingCall {
    shared: Rc<Loop>,
}

/// One call of a [`LoopingCall`], as its body sees it.
#[derive(Debug)]
pub struct Tick<'a> {
    count: u64,
    looping: &'a LoopingCall,
}

impl Tick<'_> {
    /// How many intervals have gone by since the last call: 1, or more if ticks were skipped. The first call counts as
    /// one, and so does each call of a loop with an interval of zero. Twisted's `withCount`.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Makes this call the last one.
    pub fn stop(&self) {
        self.looping.stop();
    }

    /// The loop that makes this call.
    pub fn looping_call(&self) -> &LoopingCall {
        self.looping
    }
}

type Body = Box<dyn FnMut(Tick<'_>) -> Deferred<()>>;

struct Loop {
    clock: Box<dyn Clock>,
    interval: Duration,
    grid: Cell<Grid>,
    /// Taken out while it runs; dropped when the loop ends.
    body: Cell<Option<Body>>,
    state: RefCell<State>,
    /// Cancels the Deferred that the body returned, while the loop waits for it.
    waits_for: Cell<Option<Canceller>>,
    /// Fires when the loop has ended.
    ended: Cell<Option<Firer<()>>>,
    /// The code that started it. Other code may reset it.
    asked: Asked,
}

enum State {
    /// The next call stands on the clock.
    Waiting(DelayedCall),
    /// The body runs, or the loop waits for the Deferred that the body returned.
    Running,
    /// As `Running`, and the loop ends with this call.
    Stopping,
    Ended,
}

/// Where the ticks are.
#[derive(Clone, Copy)]
struct Grid {
    origin: Instant,
    /// The number of the tick at which the last call was made; `None` if the first call comes at the origin.
    last: Option<u64>,
}

impl LoopingCall {
    /// Calls `body` now, and again each time an `interval` has gone by, until [`stop`](LoopingCall::stop).
    ///
    /// The body may return `()`, a `Result` or a Deferred; the next call waits for that Deferred. With an interval of
    /// zero the body is called once in each turn.
    ///
    /// The Deferred fires when the loop has ended: with a value after `stop`, with the failure if the body fails, which
    /// ends the loop. Cancelling it stops the loop, and cancels the Deferred that the loop waits for. If the body
    /// panics, the loop ends with a [`PanicError`] and the panic goes on.
    ///
    /// `clock` is cloned into the loop. A loop that runs therefore keeps its clock, until one of the two ends.
    #[track_caller]
    pub fn start<R>(
        clock: &(impl Clock + Clone + 'static),
        interval: Duration,
        body: impl FnMut(Tick<'_>) -> R + 'static,
    ) -> (LoopingCall, Deferred<()>)
    where
        R: IntoDeferred<Value = ()>,
    {
        let (looping, ended) = LoopingCall::new(clock, interval, body, None);
        looping.call();
        (looping, ended)
    }

    /// As [`start`](LoopingCall::start), but makes the first call when an `interval` has gone by. Twisted's
    /// `start(interval, now=False)`.
    #[track_caller]
    pub fn start_later<R>(
        clock: &(impl Clock + Clone + 'static),
        interval: Duration,
        body: impl FnMut(Tick<'_>) -> R + 'static,
    ) -> (LoopingCall, Deferred<()>)
    where
        R: IntoDeferred<Value = ()>,
    {
        let (looping, ended) = LoopingCall::new(clock, interval, body, Some(0));
        looping.schedule();
        (looping, ended)
    }

    #[track_caller]
    fn new<R>(
        clock: &(impl Clock + Clone + 'static),
        interval: Duration,
        mut body: impl FnMut(Tick<'_>) -> R + 'static,
        last: Option<u64>,
    ) -> (LoopingCall, Deferred<()>)
    where
        R: IntoDeferred<Value = ()>,
    {
        let asked = Asked::here();
        let place = asked.place;
        let body: Body = Box::new(move |tick| match body(tick).into_given() {
            Given::Ready(result) => Deferred::from_result_at(result, place),
            Given::Pending(deferred) => deferred,
        });
        let shared = Rc::new(Loop {
            clock: Box::new(clock.clone()),
            interval,
            grid: Cell::new(Grid { origin: clock.now(), last }),
            body: Cell::new(Some(body)),
            state: RefCell::new(State::Running),
            waits_for: Cell::new(None),
            ended: Cell::new(None),
            asked,
        });
        // Weak, or a loop would hold itself if nobody fired its Deferred.
        let canceller = Rc::downgrade(&shared);
        let (ended, firer) = Deferred::unwatched_with_canceller(move |_| {
            if let Some(shared) = canceller.upgrade() {
                LoopingCall { shared }.cancel();
            }
        });
        shared.ended.set(Some(firer));
        (LoopingCall { shared }, ended)
    }

    /// Stops the loop: the body is not called again. If it runs, or the loop waits for the Deferred that it returned,
    /// the loop ends when that has finished. Returns whether the loop was running.
    pub fn stop(&self) -> bool {
        let was = self.shared.state.replace(State::Stopping);
        match was {
            State::Waiting(timer) => {
                timer.cancel();
                self.end(Ok(()));
                true
            }
            State::Running => true,
            State::Stopping => false,
            State::Ended => {
                self.shared.state.replace(State::Ended);
                false
            }
        }
    }

    /// Begins a new grid: the next call is made when an interval from now has gone by. Does nothing while the body
    /// runs, or when the loop has ended. Returns whether the next call was moved.
    pub fn reset(&self) -> bool {
        let is_moved = matches!(&*self.shared.state.borrow(), State::Waiting(timer) if timer.cancel());
        if is_moved {
            self.shared.grid.set(Grid { origin: self.shared.clock.now(), last: Some(0) });
            self.schedule();
        }
        is_moved
    }

    /// Whether calls are still to come: neither stopped nor ended.
    pub fn running(&self) -> bool {
        matches!(&*self.shared.state.borrow(), State::Waiting(_) | State::Running)
    }

    /// The time between two ticks.
    pub fn interval(&self) -> Duration {
        self.shared.interval
    }

    fn call(&self) {
        self.shared.state.replace(State::Running);
        let count = self.count_intervals();
        let Some(mut body) = self.shared.body.take() else { return };
        let tick = Tick { count, looping: self };
        let deferred = match panic::catch_unwind(AssertUnwindSafe(|| body(tick))) {
            Ok(deferred) => deferred,
            Err(payload) => {
                drop(body);
                self.end(Err(Failure::at(PanicError::new(&*payload), self.shared.asked.place)));
                panic::resume_unwind(payload);
            }
        };
        self.shared.body.set(Some(body));
        // Before the callback is added: it runs at once if the Deferred has fired, and takes this out again.
        self.shared.waits_for.set(Some(deferred.canceller()));
        let me = self.clone();
        deferred.add_both(move |result| me.finish_call(result)).detach();
    }

    /// The body has finished, and so has the Deferred that it returned.
    fn finish_call(&self, result: Result<(), Failure>) {
        drop(self.shared.waits_for.take());
        let goes_on = result.is_ok() && matches!(&*self.shared.state.borrow(), State::Running);
        if goes_on { self.schedule() } else { self.end(result) }
    }

    /// Puts the next call on the clock, at the next tick of the grid that is still to come.
    fn schedule(&self) {
        let after = match self.shared.interval.as_nanos() {
            0 => Duration::ZERO,
            interval => duration(interval - self.elapsed().as_nanos() % interval),
        };
        let me = self.clone();
        let call = Box::new(move || me.call());
        let asked = &self.shared.asked;
        let timer = asked.context.run(|| self.shared.clock.call_later_at(asked.place, after, call));
        self.shared.state.replace(State::Waiting(timer));
    }

    /// How many intervals have gone by since the last call.
    fn count_intervals(&self) -> u64 {
        let interval = self.shared.interval.as_nanos();
        if interval == 0 {
            return 1;
        }
        let mut grid = self.shared.grid.get();
        let tick = u64::try_from(self.elapsed().as_nanos() / interval).unwrap_or(u64::MAX);
        let count = grid.last.map_or(1, |last| tick - last);
        grid.last = Some(tick);
        self.shared.grid.set(grid);
        count
    }

    /// The time since the grid began.
    fn elapsed(&self) -> Duration {
        self.shared.clock.now().saturating_duration_since(self.shared.grid.get().origin)
    }

    /// The Deferred of the loop is being cancelled. It fails with what the Deferred that the loop waits for fails with;
    /// if the loop waits for none, nothing is fired here and the cancel itself makes a `CancelledError`.
    fn cancel(&self) {
        let waits_for = self.shared.waits_for.take();
        if waits_for.is_none() {
            drop(self.shared.ended.take());
        }
        self.stop();
        if let Some(canceller) = waits_for {
            canceller.cancel();
        }
    }

    fn end(&self, result: Result<(), Failure>) {
        self.shared.state.replace(State::Ended);
        // What the body captured may hold this loop, and would keep it for ever.
        drop(self.shared.body.take());
        if let Some(firer) = self.shared.ended.take() {
            // An error here means that it was cancelled.
            let _ = match result {
                Ok(()) => firer.callback(()),
                Err(failure) => firer.errback_at(failure, self.shared.asked.place),
            };
        }
    }
}

fn duration(nanoseconds: u128) -> Duration {
    const SECOND: u128 = 1_000_000_000;
    Duration::new((nanoseconds / SECOND) as u64, (nanoseconds % SECOND) as u32)
}

impl fmt::Debug for LoopingCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match &*self.shared.state.borrow() {
            State::Waiting(_) => "waiting",
            State::Running => "in its body",
            State::Stopping => "in its last call",
            State::Ended => "ended",
        };
        write!(f, "LoopingCall(every {:?}, {state})", self.shared.interval)
    }
}

#[cfg(test)]
mod tests;
