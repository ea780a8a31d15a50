//! How deep loops run inside each other. A callback may fire another Deferred by hand; that chain runs nested, in a
//! [`Trampoline`] of its own, and its callbacks may fire the next one.
//!
//! Each level takes stack, so there are at most [`MAX_NESTED`]. Beyond it, a loop does not run where it begins. It
//! waits for the innermost loop that runs. When that loop has come to rest, it runs the loops that wait, one after the
//! other; what the first one leaves behind comes before the second. The order is the same as with nested firings, with
//! one difference: the callback that fired goes on before what it fired has run.
//!
//! Next: `waking.rs`.

use super::panics::caught;
use super::trampoline::{Next, Trampoline};
use std::cell::{Cell, RefCell};
use std::panic;

/// Maximum number of loops inside each other on one thread. Twisted reaches 248 before Python refuses, so every order
/// that Twisted can have is ours too. In a debug build each level takes 3 KiB of stack, without the callback's own
/// frames. It is a number of levels and not of bytes so that the order of events does not depend on how the program was
/// compiled.
const MAX_NESTED: u32 = 256;

thread_local! {
    /// One more than the number of loops that may begin before the last one. It counts down because this takes two
    /// instructions, and three to count up: every firing does it.
    static ROOM: Cell<u32> = const { Cell::new(MAX_NESTED) };
    /// Whether the innermost loop that is allowed runs. New loops wait for it.
    static LAST_RUNS: Cell<bool> = const { Cell::new(false) };
    /// The loops that wait for it, in order.
    static LEFT: RefCell<Vec<(Trampoline, Next)>> = const { RefCell::new(Vec::new()) };
}

/// While it lives, one more loop runs on this thread.
pub(super) struct Level(());

impl Level {
    /// Begins one more level. Returns nothing if the loop is to begin with [`run_or_leave`] instead.
    #[inline(always)]
    pub(super) fn begin() -> Option<Level> {
        let room = ROOM.get() - 1;
        ROOM.set(room);
        if room == 0 {
            ROOM.set(1);
            return None;
        }
        Some(Level(()))
    }
}

impl Drop for Level {
    #[inline(always)]
    fn drop(&mut self) {
        ROOM.set(ROOM.get() + 1);
    }
}

/// While it lives, the last loop that may be nested runs.
struct Last;

impl Drop for Last {
    fn drop(&mut self) {
        LAST_RUNS.set(false);
    }
}

/// Runs the last loop that may be nested, and then what was left to it; or, if that one runs already, leaves `next` to
/// it. A panic resumes when all have run.
#[cold]
#[inline(never)]
pub(super) fn run_or_leave(trampoline: Trampoline, next: Next) {
    let mut work = vec![(trampoline, next)];
    // While the thread ends there is no list: then this loop runs at once, whatever stack it takes.
    if LAST_RUNS.replace(true) && LEFT.try_with(|left| left.borrow_mut().append(&mut work)).is_ok() {
        return;
    }
    let last = Last;
    let mut panic = None;
    while let Some((mut trampoline, next)) = work.pop() {
        if let Err(payload) = caught(|| trampoline.go(next)) {
            panic.get_or_insert(payload);
        }
        let left = LEFT.try_with(RefCell::take).unwrap_or_default();
        work.extend(left.into_iter().rev());
    }
    drop(last);
    if let Some(payload) = panic {
        panic::resume_unwind(payload);
    }
}
