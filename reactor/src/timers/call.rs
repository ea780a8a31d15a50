//! [`Call`]: a call that waits for its time, as its handles and the heaps share it.
//!
//! Next: `heap.rs`, where it waits.

use crate::Context;
use crate::foreign::Foreign;
use std::cell::Cell;
use std::mem::size_of;
use std::panic::Location;
use std::rc::Rc;
use std::time::Instant;

/// A closure of at most this many bytes lies in the allocation of its call: one allocation less for nearly every
/// timer. A larger one has its own, because the call stays as long as a handle of it, long after the closure is gone.
const MAX_INSIDE: usize = 64;

/// `A` holds the closure. Its type is known only where the call is requested.
pub(super) struct Call<A: ?Sized = dyn Action> {
    /// Its number, for a trace: that of its first entry.
    pub(super) id: u64,
    /// When the call is due. Its entry in the heap may say an earlier time: then it is put back when it comes to the
    /// top.
    pub(super) time: Cell<Instant>,
    pub(super) state: Cell<CallState>,
    /// The order of its entry in the heap; [`NO_ENTRY`] when it has none. Another entry of the call is dead.
    pub(super) entry: Cell<u64>,
    /// In which context it will be made. It goes with the action: a cancelled call must not keep its values.
    pub(super) context: Cell<Context>,
    /// Where the program asked for it.
    pub(super) place: &'static Location<'static>,
    pub(super) action: A,
}

impl Call {
    /// A call that waits for `time`, and is in no heap yet.
    pub(super) fn new<F: FnOnce() + 'static>(
        id: u64,
        time: Instant,
        place: &'static Location<'static>,
        f: F,
    ) -> Rc<Call> {
        if size_of::<F>() > MAX_INSIDE {
            return Call::with(id, time, place, Box::new(f) as Box<dyn FnOnce()>);
        }
        Call::with(id, time, place, f)
    }

    fn with<F: FnOnce() + 'static>(id: u64, time: Instant, place: &'static Location<'static>, f: F) -> Rc<Call> {
        Rc::new(Call {
            id,
            time: Cell::new(time),
            state: Cell::new(CallState::Waiting),
            entry: Cell::new(NO_ENTRY),
            context: Cell::new(Context::current()),
            place,
            action: Cell::new(Some(f)),
        })
    }
}

/// The closure of a call, which is called once or dropped.
pub(super) trait Action {
    /// Calls it, if it is still there.
    fn call(&self);

    /// Drops it; its drop may panic.
    fn discard(&self);

    /// Drops it; a panic in its drop is caught.
    fn discard_foreign(&self);
}

impl<F: FnOnce() + 'static> Action for Cell<Option<F>> {
    fn call(&self) {
        if let Some(f) = self.take() {
            f();
        }
    }

    fn discard(&self) {
        drop(self.take());
    }

    fn discard_foreign(&self) {
        drop(self.take().map(Foreign::new));
    }
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
