//! Panics of callbacks, cancellers and destructors: caught where a chain must go on, resumed when it has come to rest.
//!
//! Next: `cancelling.rs`.

use std::any::Any;
use std::panic::{self, AssertUnwindSafe};

/// What a panic carries.
pub(crate) type Payload = Box<dyn Any + Send>;

/// Calls `work` and catches its panic. `AssertUnwindSafe` is right: nothing looks again at what `work` left half done.
#[inline]
pub(crate) fn caught<R>(work: impl FnOnce() -> R) -> Result<R, Payload> {
    panic::catch_unwind(AssertUnwindSafe(work))
}

/// Runs callbacks from inside a `Drop`. If that drop is part of a panic's unwinding, a second panic would abort the
/// process; so it is caught here, and only the panic hook has reported it.
pub(crate) fn run_in_drop(work: impl FnOnce()) {
    if std::thread::panicking() {
        drop(caught(work));
    } else {
        work();
    }
}
