//! Panics of callbacks, cancellers and destructors: caught where a chain must go on, resumed when it has come to rest.
//! A callback of a loop is spared them.
//!
//! Next: `cancelling.rs`.

use std::any::Any;
use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe};

/// What a panic carries.
pub(crate) type Payload = Box<dyn Any + Send>;

/// Calls `work` and catches its panic. `AssertUnwindSafe` is right: nothing looks again at what `work` left half done.
#[inline]
pub(crate) fn caught<R>(work: impl FnOnce() -> R) -> Result<R, Payload> {
    panic::catch_unwind(AssertUnwindSafe(work))
}

thread_local! {
    /// How many panics of chains the running callback of a loop has been spared; `None` if there is no such callback.
    static SPARED: Cell<Option<usize>> = const { Cell::new(None) };
}

/// Resumes the panic of a chain that has come to rest, in the code that fired; unless that is a callback of a loop. The
/// callback may belong to a connection that has nothing to do with the chain, and the unwinding would leave it half
/// done. So the loop reports the panic, and the callback goes on.
pub(crate) fn resume(payload: Payload) {
    match SPARED.try_with(Cell::get) {
        Ok(Some(count)) => {
            SPARED.set(Some(count + 1));
            // The payload is a value of the program's, and may panic in its drop: see `foreign.rs`.
            crate::foreign::contain(|| drop(payload));
        }
        Ok(None) | Err(_) => panic::resume_unwind(payload),
    }
}

/// Runs a callback of a loop, which must not panic itself. Returns how many panics of chains it was spared.
pub(crate) fn sparing(callback: impl FnOnce()) -> usize {
    let outer = SPARED.replace(Some(0)); // A loop may run inside a callback of another.
    callback();
    SPARED.replace(outer).unwrap_or(0)
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
