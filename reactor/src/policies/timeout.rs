//! [`Timeout`]: a time limit that a protocol holds. Twisted's `TimeoutMixin`.
//!
//! A protocol may set it anew with every message. So to set it to a later time costs no work in the clock: the call
//! comes at the old time, sees that it is too early, and asks for another.
//!
//! Next: `timeouts.rs`, the limits that need no help of the protocol.

use super::clock::PolicyClock;
use crate::DelayedCall;
use crate::foreign::Foreign;
use std::cell::{Cell, RefCell};
use std::fmt;
use std::panic::Location;
use std::rc::{Rc, Weak};
use std::time::{Duration, Instant};

/// A time limit, for a step of a protocol: its first line, a login, an answer. Dropping it ends it.
///
/// ```
/// use reactor::policies::Timeout;
/// use reactor::testing::{ManualClock, StringTransport};
/// use std::time::Duration;
///
/// let (clock, wire) = (ManualClock::new(), StringTransport::new());
/// let transport = wire.transport();
/// let login = Timeout::new(&clock, move || transport.lose_connection());
/// login.set(Some(Duration::from_secs(10)));
/// clock.advance(Duration::from_secs(9));
/// login.reset();
/// clock.advance(Duration::from_secs(9));
/// assert!(!wire.is_losing());
/// clock.advance(Duration::from_secs(1));
/// assert!(wire.is_losing());
/// ```
pub struct Timeout(Rc<Inner>);

struct Inner {
    this: Weak<Inner>,
    clock: PolicyClock,
    /// Where the program made it. Messages about the action name this place.
    made: &'static Location<'static>,
    limit: Cell<Option<Duration>>,
    /// When it is reached; `None` if it is not set.
    due: Cell<Option<Instant>>,
    /// Comes at `due` or before it.
    call: RefCell<Option<DelayedCall>>,
    action: RefCell<Foreign<Box<dyn FnMut()>>>,
}

impl Timeout {
    /// A time limit that is not set. `action` is called, from the clock, each time that it is reached: Twisted's
    /// `timeoutConnection`. `clock` is a `&Reactor`, or a `&ManualClock` in tests.
    #[track_caller]
    pub fn new(clock: impl Into<PolicyClock>, action: impl FnMut() + 'static) -> Timeout {
        let (action, made): (Box<dyn FnMut()>, _) = (Box::new(action), Location::caller());
        Timeout(Rc::new_cyclic(|this| Inner {
            this: this.clone(),
            clock: clock.into(),
            made,
            limit: Cell::new(None),
            due: Cell::new(None),
            call: RefCell::new(None),
            action: RefCell::new(Foreign::new(action)),
        }))
    }

    /// Sets it to `limit` from now, or ends it (`None`). Returns what it was set to. Twisted's `setTimeout`.
    pub fn set(&self, limit: Option<Duration>) -> Option<Duration> {
        let before = self.0.limit.replace(limit);
        match limit {
            Some(_) => self.reset(),
            None => self.0.due.set(None),
        }
        before
    }

    /// Begins it anew, with the time that was set; does nothing if none is. Twisted's `resetTimeout`.
    pub fn reset(&self) {
        let Some(limit) = self.0.limit.get() else { return };
        let Some(due) = self.0.clock.moment().and_then(|now| now.checked_add(limit)) else { return };
        self.0.due.set(Some(due));
        let is_early_enough = self.0.call.borrow().as_ref().is_some_and(|call| call.active() && call.time() <= due);
        if !is_early_enough {
            self.0.call_in(limit);
        }
    }

    /// What it is set to.
    pub fn limit(&self) -> Option<Duration> {
        self.0.limit.get()
    }
}

impl Inner {
    fn call_in(&self, after: Duration) {
        let this = self.this.clone();
        let call = self.clock.call_later_at(self.made, after, move || {
            if let Some(me) = this.upgrade() {
                me.called();
            }
        });
        if let Some(old) = self.call.replace(call) {
            old.cancel();
        }
    }

    fn called(&self) {
        let (Some(due), Some(now)) = (self.due.get(), self.clock.moment()) else { return };
        if now < due {
            return self.call_in(due - now);
        }
        self.due.set(None);
        self.limit.set(None);
        // Taken out by nobody else: the action is called from the clock alone, and a clock does not re-enter a call.
        if let Ok(mut action) = self.action.try_borrow_mut() {
            action();
        }
    }
}

impl Drop for Timeout {
    fn drop(&mut self) {
        if let Some(call) = self.0.call.take() {
            call.cancel();
        }
    }
}

impl fmt::Debug for Timeout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Timeout({:?})", self.0.limit.get())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::ManualClock;

    const SECOND: Duration = Duration::from_secs(1);

    fn counting(clock: &ManualClock) -> (Timeout, Rc<Cell<u32>>) {
        let count: Rc<Cell<u32>> = Rc::default();
        let counted = count.clone();
        (Timeout::new(clock, move || counted.set(counted.get() + 1)), count)
    }

    #[test]
    fn it_is_reached_once_and_can_be_set_again() {
        let clock = ManualClock::new();
        let (timeout, count) = counting(&clock);
        assert_eq!(timeout.set(Some(SECOND)), None);
        clock.advance(SECOND * 10);
        assert_eq!((count.get(), timeout.limit()), (1, None));
        timeout.reset();
        clock.advance(SECOND * 10);
        assert_eq!(count.get(), 1, "a limit that was reached is not set any more");
        timeout.set(Some(SECOND));
        clock.advance(SECOND);
        assert_eq!(count.get(), 2);
    }

    #[test]
    fn a_later_time_costs_no_call_and_an_earlier_one_is_kept() {
        let clock = ManualClock::new();
        let (timeout, count) = counting(&clock);
        timeout.set(Some(SECOND * 2));
        for _ in 0..100 {
            clock.advance(SECOND / 10);
            timeout.reset();
            assert_eq!(clock.pending().len(), 1);
        }
        assert_eq!(timeout.set(Some(SECOND / 2)), Some(SECOND * 2));
        clock.advance(SECOND / 2 - Duration::from_nanos(1));
        assert_eq!(count.get(), 0);
        clock.advance(Duration::from_nanos(1));
        assert_eq!(count.get(), 1);
    }

    #[test]
    fn ending_a_limit_that_is_not_set_does_nothing() {
        let clock = ManualClock::new();
        let (timeout, count) = counting(&clock);
        assert_eq!(timeout.set(None), None, "it was never set");
        timeout.set(Some(SECOND));
        assert_eq!(timeout.set(None), Some(SECOND));
        assert_eq!(timeout.set(None), None, "it was ended already");
        timeout.set(Some(SECOND));
        clock.advance(SECOND);
        assert_eq!(timeout.set(None), None, "it was reached already");
        clock.advance(SECOND * 10);
        assert_eq!(count.get(), 1);
        assert!(clock.pending().is_empty());
    }

    #[test]
    fn a_limit_that_was_ended_or_dropped_is_never_reached() {
        let clock = ManualClock::new();
        let (timeout, count) = counting(&clock);
        timeout.set(Some(SECOND));
        assert_eq!(timeout.set(None), Some(SECOND));
        clock.advance(SECOND * 2);
        timeout.set(Some(SECOND));
        drop(timeout);
        assert!(clock.pending().is_empty());
        clock.advance(SECOND * 2);
        assert_eq!(count.get(), 0);
    }
}
