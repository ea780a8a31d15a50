//! [`run_to_the_end`]: a run that is expected to stop by itself.

use reactor::Reactor;
use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

/// How long a run may take before a test fails; never waited for in a test that passes.
const PATIENCE: Duration = Duration::from_secs(60);

/// Runs `reactor` until it stops by itself; fails if it does not.
#[track_caller]
pub(crate) fn run_to_the_end(reactor: &Reactor) {
    let late = Rc::new(Cell::new(false));
    let (note, stopper) = (late.clone(), reactor.clone());
    let guard = reactor.call_later(PATIENCE, move || {
        note.set(true);
        stopper.stop();
    });
    reactor.run().unwrap();
    assert!(!late.get(), "the reactor did not stop");
    guard.cancel();
}
