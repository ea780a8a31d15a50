//! [`Shared`]: what the loop and the two threads share. It belongs to the process, as the two descriptors do. So one
//! connection at a time has it.
//!
//! Next: `input.rs`, the thread that reads.

use super::input::Input;
use super::output::Output;
use crate::driver::Wake;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

static SHARED: Mutex<Shared> = Mutex::new(Shared { opened: 0, open: None, input: Input::new(), output: Output::new() });

/// Woken when the loop has taken the chunk of input, or has closed.
pub(super) static INPUT: Condvar = Condvar::new();

/// Woken when there is a chunk of output, or the loop has closed.
pub(super) static OUTPUT: Condvar = Condvar::new();

/// See the [module](self).
pub(super) struct Shared {
    /// How many connections there have been: the number of the last one.
    pub(super) opened: u64,
    /// The connection that has the descriptors.
    pub(super) open: Option<Open>,
    pub(super) input: Input,
    pub(super) output: Output,
}

/// A connection, as the threads see it: its number, what is new for its loop, and how to wake that.
pub(super) struct Open {
    pub(super) number: u64,
    pub(super) waker: Arc<dyn Wake>,
    pub(super) readable: bool,
    pub(super) read_closed: bool,
    pub(super) writable: bool,
    /// The reader of the output has gone.
    pub(super) broken: bool,
}

/// Never held in a call that may block.
pub(super) fn shared() -> MutexGuard<'static, Shared> {
    SHARED.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    /// Whether the connection of this number has the descriptors.
    pub(super) fn is_open(&self, number: u64) -> bool {
        self.open.as_ref().is_some_and(|open| open.number == number)
    }

    /// Has the loop told something, if the connection of this number is still there.
    pub(super) fn tell(&mut self, number: u64, note: impl FnOnce(&mut Open)) {
        if let Some(open) = self.open.as_mut().filter(|open| open.number == number) {
            note(open);
            open.waker.wake();
        }
    }
}

impl Shared {
    /// Gives the descriptors back. What the output thread has not begun to write is thrown away: only an abort leaves
    /// anything.
    pub(super) fn close(&mut self) {
        self.open = None;
        self.output.close();
        INPUT.notify_all();
        OUTPUT.notify_all();
    }
}
