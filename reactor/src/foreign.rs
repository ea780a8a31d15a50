//! [`Foreign`]: a value of the program's that the reactor holds, such as a protocol, a producer or a closure.
//!
//! Its `Drop` is code of the program, and may panic like a callback. The reactor drops such values in many places, and
//! some of them in the middle of a list: a panic there would skip the rest of the list. So every such value is held as
//! a `Foreign`, and a panic in its drop is caught and logged, wherever it is dropped.
//!
//! Next: `around.rs`, what may be around the code that runs.

use crate::diagnostics::tell;
use std::any::type_name;
use std::ops::{Deref, DerefMut};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// See the [module](self).
#[derive(Clone)]
pub(crate) struct Foreign<T>(Option<T>);

impl<T> Foreign<T> {
    pub(crate) fn new(value: T) -> Foreign<T> {
        Foreign(Some(value))
    }

    /// Gives the value out: a closure to be called, a Deferred to be used. From here on its panics are the caller's.
    pub(crate) fn into_inner(mut self) -> T {
        self.0.take().expect(PRESENT)
    }
}

const PRESENT: &str = "the value is there until it is given out or dropped";

impl<T> Deref for Foreign<T> {
    type Target = T;
    fn deref(&self) -> &T {
        self.0.as_ref().expect(PRESENT)
    }
}

impl<T> DerefMut for Foreign<T> {
    fn deref_mut(&mut self) -> &mut T {
        self.0.as_mut().expect(PRESENT)
    }
}

impl<T> Drop for Foreign<T> {
    fn drop(&mut self) {
        if let Some(value) = self.0.take()
            && !contain(|| drop(value))
        {
            tell!(Error, "reactor", "a value of the program panicked in its drop: {}", type_name::<T>());
        }
    }
}

/// Runs code of the program. Returns false if it panicked; the panic goes no further.
pub(crate) fn contain(f: impl FnOnce()) -> bool {
    let Err(payload) = catch_unwind(AssertUnwindSafe(f)) else { return true };
    // The payload is a value of the program's, too. If its drop panics, the payload of that panic is leaked: it could
    // go on like this for ever.
    if let Err(second) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        std::mem::forget(second);
    }
    false
}
