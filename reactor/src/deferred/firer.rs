//! [`Firer`]: the end of a Deferred that fires it.
//!
//! Next: `given.rs`, what a callback may return.

use super::chain::{FlatRc, Head};
use crate::Failure;
use crate::error::AlreadyCalledError;
use crate::failure::Waypoint;
use std::fmt;
use std::panic::Location;
use std::rc::Rc;

/// The end of a Deferred that fires it. Cheap to clone; the first firing counts, through whichever clone.
///
/// Dropping every `Firer` without firing leaves the chain unfired, as in Twisted; it can still be cancelled. If
/// something waits for it, that is logged.
///
/// A `Firer` stays in its thread. Another thread hands its result over with
/// [`ReactorHandle::call_from_thread`](crate::ReactorHandle::call_from_thread), or does the work for
/// [`Reactor::defer_to_thread`](crate::Reactor::defer_to_thread).
pub struct Firer<T: 'static> {
    head: FlatRc<Head<T>>,
}

impl<T: 'static> Firer<T> {
    pub(super) fn new(head: Rc<Head<T>>) -> Firer<T> {
        head.count_firer();
        Firer { head: FlatRc::new(head) }
    }

    pub(super) fn head(&self) -> &Rc<Head<T>> {
        &self.head
    }

    /// Fires with a value: the whole chain runs before this returns.
    ///
    /// Called from inside a callback, it runs the chain nested, on the same stack. If 256 firings are nested already,
    /// the chain is left to the innermost one, which runs it when the callbacks inside it have returned; then this
    /// returns before the chain has run. So depth alone does not overflow the stack. The same holds for cancels and for
    /// the end of a pause.
    ///
    /// # Errors
    /// [`AlreadyCalledError`] if the Deferred has fired before, which is also logged, once for each place: ask
    /// [`called`](Firer::called) first if two may fire. If it has no canceller and was cancelled, as by a time limit,
    /// the first firing after that is ignored without an error, as in Twisted. With a canceller it is refused, but not
    /// logged. A second firing after the cancel is refused and logged in both cases.
    ///
    /// # Panics
    /// If a callback panics: the rest of the chain runs with a failure, and then the panic resumes here. But inside a
    /// callback of a reactor's loop, the loop logs it, and this returns.
    #[inline]
    #[track_caller]
    pub fn callback(&self, value: T) -> Result<(), AlreadyCalledError> {
        self.head.fire(Ok(value), Location::caller())
    }

    /// Fires with a failure: the first errback gets it before this returns.
    ///
    /// # Errors
    /// As [`callback`](Firer::callback).
    #[track_caller]
    pub fn errback(&self, failure: impl Into<Failure>) -> Result<(), AlreadyCalledError> {
        self.errback_at(failure.into(), Location::caller())
    }

    /// The same for the code at `place`.
    pub(crate) fn errback_at(
        &self,
        mut failure: Failure,
        place: &'static Location<'static>,
    ) -> Result<(), AlreadyCalledError> {
        if !failure.trail().is_empty() {
            failure.pass(Waypoint::HandedOnAt(place));
        }
        failure.pass(Waypoint::Made(self.head.made()));
        self.head.fire(Err(failure), place)
    }

    /// Fires with a value or a failure.
    ///
    /// # Errors
    /// As [`callback`](Firer::callback).
    #[track_caller]
    pub fn fire(&self, result: Result<T, Failure>) -> Result<(), AlreadyCalledError> {
        match result {
            Ok(value) => self.callback(value),
            Err(failure) => self.errback(failure),
        }
    }

    /// Whether the Deferred has fired, which it also has when it was cancelled.
    pub fn called(&self) -> bool {
        self.head.called()
    }

    /// Whether nothing can receive the result: the Deferred was dropped, and no callback had been added to it. (A
    /// [`Canceller`](super::Canceller) or a [`Pause`](super::Pause) receives nothing.) A producer with one thing to
    /// give can ask this first, and give it to another consumer.
    pub fn is_abandoned(&self) -> bool {
        self.head.is_abandoned(0)
    }
}

impl<T: 'static> Clone for Firer<T> {
    fn clone(&self) -> Firer<T> {
        Firer::new(Rc::clone(&self.head))
    }
}

impl<T: 'static> Drop for Firer<T> {
    #[inline]
    fn drop(&mut self) {
        self.head.discount_firer();
    }
}

impl<T: 'static> fmt::Debug for Firer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = if self.called() { "called" } else { "not called" };
        write!(f, "Firer({state}, made at {})", self.head.made())
    }
}
