//! [`PolicyClock`]: the time of a policy.
//!
//! It must not keep its reactor alive: the reactor holds its ports, a port its factory, and that the policy.
//!
//! Next: `idle_list.rs`, connections in the order in which they were last heard of.

use crate::{Context, DelayedCall};
use std::fmt;
use std::panic::Location;
use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime};

/// What gives a policy its time. Once it is gone, so are the connections.
pub trait PolicyTime {
    /// The moment at which the running callback began, or the present: whichever costs less. `None` if it is gone.
    fn moment(&self) -> Option<Instant>;

    /// The time of day. `None` if it is gone, or knows none.
    fn system_time(&self) -> Option<SystemTime> {
        None
    }

    /// Makes `call` when `after` has passed, never before this returns. `None` if it is gone.
    fn call_later(&self, after: Duration, call: Box<dyn FnOnce()>) -> Option<DelayedCall>;

    /// The same for the code at `place`, as [`Clock::call_later_at`](crate::Clock::call_later_at).
    fn call_later_at(
        &self,
        place: &'static Location<'static>,
        after: Duration,
        call: Box<dyn FnOnce()>,
    ) -> Option<DelayedCall> {
        let _ = place;
        self.call_later(after, call)
    }
}

/// The clock of a policy. Made from a `&Reactor` or a `&ManualClock`; cheap to clone.
#[derive(Clone)]
pub struct PolicyClock(Rc<dyn PolicyTime>);

impl PolicyClock {
    /// A clock that asks `time`.
    pub fn new(time: impl PolicyTime + 'static) -> PolicyClock {
        PolicyClock(Rc::new(time))
    }

    pub(super) fn moment(&self) -> Option<Instant> {
        self.0.moment()
    }

    #[cfg(feature = "http")]
    pub(crate) fn system_time(&self) -> Option<SystemTime> {
        self.0.system_time()
    }

    pub(crate) fn call_later(&self, after: Duration, call: impl FnOnce() + 'static) -> Option<DelayedCall> {
        // It is for all connections, and not only for the one whose callback has asked.
        Context::empty().run(|| self.0.call_later(after, Box::new(call)))
    }

    pub(super) fn call_later_at(
        &self,
        place: &'static Location<'static>,
        after: Duration,
        call: impl FnOnce() + 'static,
    ) -> Option<DelayedCall> {
        Context::empty().run(|| self.0.call_later_at(place, after, Box::new(call)))
    }
}

impl fmt::Debug for PolicyClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PolicyClock")
    }
}
