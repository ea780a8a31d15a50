//! The reactor as the clock of policies. The folder `policies` knows nothing of a reactor.
//!
//! Next: `tls.rs`, a client factory that puts TLS around another. It can wait until you have read about TLS.

use super::{Reactor, WeakReactor};
use crate::policies::{PolicyClock, PolicyTime};
use crate::{Clock, DelayedCall};
use std::panic::Location;
use std::time::{Duration, Instant, SystemTime};

impl PolicyTime for WeakReactor {
    fn moment(&self) -> Option<Instant> {
        Some(self.core()?.last_reading.get())
    }

    fn system_time(&self) -> Option<SystemTime> {
        Some(self.upgrade()?.system_time())
    }

    fn call_later(&self, after: Duration, call: Box<dyn FnOnce()>) -> Option<DelayedCall> {
        Some(self.upgrade()?.call_later_boxed(after, call))
    }
    fn call_later_at(
        &self,
        place: &'static Location<'static>,
        after: Duration,
        call: Box<dyn FnOnce()>,
    ) -> Option<DelayedCall> {
        Some(self.upgrade()?.call_later_for(place, after, call))
    }
}

impl From<&Reactor> for PolicyClock {
    fn from(reactor: &Reactor) -> PolicyClock {
        PolicyClock::new(reactor.weak())
    }
}
