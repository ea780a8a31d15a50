//! [`Inside`]: what a failure knows of its error from the start, because the error may hold other failures, and those
//! hold others.
//!
//! A list in a list in a list fails with an error of an error of an error. What must be known of such an error is
//! worked out when its failure is made, from the failures directly inside it: nothing ever searches a million of them.
//! And they are dropped one after the other, not one from inside the other.
//!
//! Next: `../deferred/mod.rs`, the chain that carries a failure.

use super::{Failure, FailureGroup, FirstError, Message};
use crate::CancelledError;
use std::any::{self, Any};
use std::cell::{Cell, RefCell};
use std::error::Error;
use std::fmt;
use std::mem;

/// An error that knows the name of its own type. The table of its methods has the name, so it costs a failure nothing.
pub(super) trait TypedError: Error {
    fn type_name(&self) -> &'static str;
}

impl<E: Error + 'static> TypedError for E {
    fn type_name(&self) -> &'static str {
        any::type_name::<E>()
    }
}

/// What is known of an error from the start, in one byte.
pub(super) struct Inside(Cell<u8>);

/// The error may hold other failures.
const MAY_HOLD_FAILURES: u8 = 1;
/// It is a cancellation, or what lists and races make of one.
const IS_CANCELLATION: u8 = 2;
/// One clone of the failure has been reported as unhandled.
const IS_REPORTED: u8 = 4;

impl Inside {
    #[inline]
    pub(super) fn of<E: Error + 'static>(error: &E) -> Inside {
        let any: &dyn Any = error;
        let is_cancellation = if let Some(first) = any.downcast_ref::<FirstError>() {
            first.failure.is_cancellation()
        } else if let Some(FailureGroup(failures)) = any.downcast_ref() {
            // An empty race was not cancelled.
            !failures.is_empty() && failures.iter().all(Failure::is_cancellation)
        } else {
            any.is::<CancelledError>()
        };
        let may_hold_failures = mem::needs_drop::<E>() && !any.is::<Message>();
        let holds = if may_hold_failures { MAY_HOLD_FAILURES } else { 0 };
        let cancelled = if is_cancellation { IS_CANCELLATION } else { 0 };
        Inside(Cell::new(holds | cancelled))
    }

    pub(super) fn is_cancellation(&self) -> bool {
        self.0.get() & IS_CANCELLATION != 0
    }

    /// Marks the failure as reported. Returns whether it was not marked before.
    pub(super) fn mark_reported(&self) -> bool {
        self.0.replace(self.0.get() | IS_REPORTED) & IS_REPORTED == 0
    }

    /// Drops `error` without recursion. This must be what is known of that error.
    #[inline]
    pub(super) fn drop(&self, error: &mut Box<dyn TypedError>) {
        if self.0.get() & MAY_HOLD_FAILURES != 0 {
            let_go(error);
        }
    }
}

thread_local! {
    /// Whether a drop further out on the stack will empty the list of errors that are put off.
    static IS_DROPPING: Cell<bool> = const { Cell::new(false) };
    /// The errors that are still to be dropped.
    static PUT_OFF: RefCell<Vec<Box<dyn TypedError>>> = const { RefCell::new(Vec::new()) };
}

/// Drops an error now, or later if it is inside the drop of another one.
#[cold]
#[inline(never)]
fn let_go(error: &mut Box<dyn TypedError>) {
    // `fmt::Error` has no size, so its box allocates nothing.
    let error = mem::replace(error, Box::new(fmt::Error));
    if IS_DROPPING.replace(true) {
        // While the thread ends there is no list any more: then the closure is dropped uncalled, and the error with it.
        let _ = PUT_OFF.try_with(|list| list.borrow_mut().push(error));
        return;
    }
    let _end = Dropping;
    drop(error);
    while let Some(next) = PUT_OFF.try_with(|list| list.borrow_mut().pop()).ok().flatten() {
        drop(next);
    }
}

/// Ends the outermost drop, also if some error's own `Drop` panicked.
struct Dropping;

impl Drop for Dropping {
    fn drop(&mut self) {
        IS_DROPPING.set(false);
    }
}
