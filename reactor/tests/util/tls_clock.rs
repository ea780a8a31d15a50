//! The day and the clock by which TLS goes in a test: the test moves them.

use reactor::DelayedCall;
use reactor::testing::ManualClock;
use reactor::tls::{TimeSource, TlsClock};
use std::time::{Duration, SystemTime};

/// The day on which the tests take place: the first of June 2030.
const TODAY: Duration = Duration::from_secs(1_906_502_400);

struct Source {
    clock: ManualClock,
    today: SystemTime,
}

impl TimeSource for Source {
    fn call_later(&self, after: Duration, call: Box<dyn FnOnce()>) -> Option<DelayedCall> {
        Some(self.clock.call_later(after, call))
    }
    fn system_time(&self) -> Option<SystemTime> {
        Some(self.today + self.clock.elapsed())
    }
}

/// `clock` for TLS.
pub(crate) fn for_tls(clock: &ManualClock) -> TlsClock {
    let source = Source { clock: clock.clone(), today: SystemTime::UNIX_EPOCH + TODAY };
    TlsClock::new(source, Duration::from_secs(10))
}
