//! What every integration test needs: the loop, taken turn by turn until something is true.
//!
//! The files beside this one are included by the tests that use them.

use reactor::Reactor;
use std::time::{Duration, Instant};

/// How long anything may take before a test fails; never waited for in a test that passes.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Takes turns of the loop until `done`. Fails, saying `what` did not happen, when patience ends.
#[track_caller]
pub(crate) fn until(reactor: &Reactor, what: &str, mut done: impl FnMut() -> bool) {
    // Wakes the loop when patience ends, whatever else it waits for.
    let guard = reactor.call_later(PATIENCE, || {});
    let begin = Instant::now();
    while !done() {
        assert!(begin.elapsed() < PATIENCE, "it did not happen: {what}");
        reactor.iterate(PATIENCE).unwrap();
    }
    guard.cancel();
}
