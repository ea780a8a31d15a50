//! What the unit tests of Deferreds share. The rules themselves, as a program sees them, are in
//! `reactor/tests/deferred_rules`; here are memory, stacks, panics, logs, and orders that are easily got wrong.

mod cancelling;
mod failing;
mod joining;
mod list_errors;
mod lists;
mod locks;
mod memory;
mod nesting;
#[path = "../../tests/util/outcome.rs"]
mod outcome;
mod queues;
mod races;
mod shared;
mod timeouts;
mod waiting;

use super::*;
use crate::deferred;
use crate::failure::Message;
use outcome::outcome;
use std::cell::{Cell, RefCell};
use std::sync::Once;

/// More than any stack has room for. Under Miri, which is slow and not about the stack, more than `MAX_DEPTH` and
/// `MAX_NESTED`.
const MILLION: usize = if cfg!(miri) { 300 } else { 1_000_000 };

/// The same where each takes longer: for a stack of 2 MiB this is enough, too.
const MANY: usize = if cfg!(miri) { 300 } else { 100_000 };

/// What happened, in order.
type Events = Rc<RefCell<Vec<String>>>;

fn note(events: &Events, what: impl fmt::Display) {
    events.borrow_mut().push(what.to_string());
}

/// What is logged by this thread while `work` runs.
fn logged(work: impl FnOnce()) -> Vec<String> {
    struct Capture;
    thread_local!(static LINES: RefCell<Option<Vec<String>>> = const { RefCell::new(None) });
    impl log::Log for Capture {
        fn enabled(&self, _: &log::Metadata<'_>) -> bool {
            true
        }
        fn log(&self, record: &log::Record<'_>) {
            LINES.with_borrow_mut(|lines| lines.iter_mut().for_each(|lines| lines.push(record.args().to_string())));
        }
        fn flush(&self) {}
    }
    static INSTALL: Once = Once::new();
    INSTALL.call_once(|| {
        log::set_logger(&Capture).expect("no other test of this binary sets a logger");
        log::set_max_level(log::LevelFilter::Trace);
    });
    LINES.set(Some(Vec::new()));
    work();
    LINES.take().unwrap_or_default()
}

/// Adds one to a count when it is dropped.
struct Dropped(Rc<Cell<usize>>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.set(self.0.get() + 1);
    }
}

#[test]
fn any_clone_of_a_firer_fires_and_the_first_counts() {
    let (deferred, firer) = Deferred::<u32>::new();
    assert_eq!(firer.clone().callback(1), Ok(()));
    assert!(firer.callback(2).is_err());
    assert_eq!(deferred.result(), Some(1));
}
