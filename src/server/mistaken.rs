//! What a server does when its clock was wrong.
//!
//! By its clock, a server forgets what is old, takes nothing that is older still, and refuses what comes from the future.
//! If somebody sets the clock, that may have been a mistake: the neighbors shall tell everything again.
//!
//! Next: `storing.rs`, what a server does with a store.

use super::Server;
use crate::decimal::Time;
use std::cell::Cell;
use std::time::{Duration, Instant};

/// Slow corrections may move a clock by an hour. But a server that forgets sooner must look closer.
const HOUR: Duration = Duration::from_secs(3600);

/// The time of day at a moment of the clock that nobody sets.
#[derive(Debug, Clone, Copy)]
struct ClockOffset {
    time: Time,
    at: Instant,
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

impl Server {
    /// Something is forgotten, or not even taken, because our clock says that it is too old.
    pub(super) fn note_too_old(&self) {
        let (noted, now) = (&self.mistaken.too_old, self.clock_offset());
        if noted.get().is_none_or(|before| now.moved(before) > 0) {
            noted.set(Some(now));
        }
    }

    /// Something is refused because our clock says that it comes from the future.
    pub(crate) fn note_too_new(&self) {
        let (noted, now) = (&self.mistaken.too_new, self.clock_offset());
        if noted.get().is_none_or(|before| now.moved(before) < 0) {
            noted.set(Some(now));
        }
    }

    /// If our clock was set so that something which we forgot or refused was good: the neighbors know it, and tell it
    /// when they come again.
    pub(super) fn mend_mistakes(&self) {
        let Mistaken { too_old, too_new } = &self.mistaken;
        let (now, by) = (self.clock_offset(), nanoseconds(HOUR.min(self.limits().forget / 8)));
        let was_ahead = too_old.get().is_some_and(|before| now.moved(before) < -by);
        let was_behind = too_new.get().is_some_and(|before| now.moved(before) > by);
        if was_ahead {
            too_old.set(None);
        }
        if was_behind {
            too_new.set(None);
        }
        if was_ahead || was_behind {
            log::warn!(
                "our clock was set, and something seemed too old or too new before: the neighbors shall tell again"
            );
            self.connections.end_neighbors();
        }
    }

    fn clock_offset(&self) -> ClockOffset {
        ClockOffset { time: self.time(), at: self.reactor.now() }
    }
}
