//! [`Mistaken`]: remembers that a server refused or forgot something because of its clock, which may prove wrong.
//!
//! By its clock, a server forgets what is old, takes nothing that is older still, and refuses what comes from the
//! future. If somebody sets the clock, that may have been a mistake: the neighbors shall tell everything again.
//!
//! Next: `storing.rs`, what a server does with a store.

use crate::decimal::Time;
use std::cell::Cell;
use std::time::{Duration, Instant};

/// The time of day, and the time of the reactor's clock at that moment. Nobody can set the reactor's clock.
#[derive(Debug, Clone, Copy)]
pub(super) struct ClockOffset {
    pub(super) time: Time,
    pub(super) at: Instant,
}

impl ClockOffset {
    /// By how many nanoseconds the time of day was set forward meanwhile; less than zero if it was set back.
    fn moved(self, since: ClockOffset) -> i128 {
        let passed = self.at.saturating_duration_since(since.at);
        self.time.nanoseconds_since(since.time) - nanoseconds(passed)
    }
}

fn nanoseconds(duration: Duration) -> i128 {
    i128::try_from(duration.as_nanos()).unwrap_or(i128::MAX)
}

/// What may have been a mistake.
#[derive(Default)]
pub(super) struct Mistaken {
    /// How the clock stood when something seemed too old; if it was set meanwhile, when it was furthest ahead.
    too_old: Cell<Option<ClockOffset>>,
    /// How the clock stood when something seemed to come from the future; or when it was furthest behind.
    too_new: Cell<Option<ClockOffset>>,
}

impl Mistaken {
    /// Something is forgotten, or not even taken, because our clock says that it is too old.
    pub(super) fn note_too_old(&self, now: ClockOffset) {
        if self.too_old.get().is_none_or(|before| now.moved(before) > 0) {
            self.too_old.set(Some(now));
        }
    }

    /// Something is refused because our clock says that it comes from the future.
    pub(super) fn note_too_new(&self, now: ClockOffset) {
        if self.too_new.get().is_none_or(|before| now.moved(before) < 0) {
            self.too_new.set(Some(now));
        }
    }

    /// Returns whether our clock was set meanwhile by more than `by`, so that what was noted was a mistake. If so,
    /// forgets what was noted.
    pub(super) fn take_mistake(&self, now: ClockOffset, by: Duration) -> bool {
        let by = nanoseconds(by);
        let was_ahead = self.too_old.get().is_some_and(|before| now.moved(before) < -by);
        let was_behind = self.too_new.get().is_some_and(|before| now.moved(before) > by);
        if was_ahead {
            self.too_old.set(None);
        }
        if was_behind {
            self.too_new.set(None);
        }
        was_ahead || was_behind
    }
}
