//! [`Call`]: a call that waits for its time, as its handles and the heaps share it.
//!
//! Next: `heap.rs`, where it waits.

use crate::Context;
use std::cell::Cell;
use std::panic::Location;
use std::time::Instant;

pub(crate) type Action = Box<dyn FnOnce()>;

pub(super) struct Call {
    /// Its number, for a trace: that of its first entry.
    pub(super) id: u64,
    /// When the call is due. Its entry in the heap may say an earlier time: then it is put back when it comes to the
    /// top.
    pub(super) time: Cell<Instant>,
    pub(super) state: Cell<CallState>,
    /// The order of its entry in the heap; [`NO_ENTRY`] when it has none. Another entry of the call is dead.
    pub(super) entry: Cell<u64>,
    pub(super) action: Cell<Option<Action>>,
    /// In which context it will be made. It goes with the action: a cancelled call must not keep its values.
    pub(super) context: Cell<Context>,
    /// Where the program asked for it.
    pub(super) place: &'static Location<'static>,
}

/// The number of no entry.
pub(super) const NO_ENTRY: u64 = u64::MAX;

/// How far a [`DelayedCall`](crate::DelayedCall) has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallState {
    /// It is still to be made.
    Waiting,
    /// It has been made, or is being made now.
    Called,
    /// It was cancelled, or its clock is gone.
    Cancelled,
}
