//! The clock of the machine: how long a simulation takes, and when it is time to report progress.
//!
//! Next: `output.rs`, where the results go.

use std::cell::Cell;
use std::time::{Duration, Instant};

/// How often progress is reported.
const PROGRESS: Duration = Duration::from_secs(2);

/// Measures from its making.
pub(crate) struct Stopwatch {
    begin: Instant,
}

impl Stopwatch {
    pub(crate) fn start() -> Stopwatch {
        Stopwatch { begin: Instant::now() }
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.begin.elapsed()
    }
}

/// Says when the next report of progress is due.
pub(crate) struct ProgressTimer {
    last: Cell<Instant>,
}

impl ProgressTimer {
    /// The first report is due [`PROGRESS`] from now.
    pub(crate) fn start() -> ProgressTimer {
        ProgressTimer { last: Cell::new(Instant::now()) }
    }

    /// How long until a report is due: zero if it is due now.
    pub(crate) fn remaining(&self) -> Duration {
        PROGRESS.saturating_sub(self.last.get().elapsed())
    }

    /// Whether a report is due. If it is, the next one is due [`PROGRESS`] from now.
    pub(crate) fn take_due(&self) -> bool {
        let is_due = self.remaining().is_zero();
        if is_due {
            self.last.set(Instant::now());
        }
        is_due
    }
}
