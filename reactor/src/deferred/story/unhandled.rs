//! [`Outcome`]: a result that must not be lost unseen; and what happens to failures that nobody handled.
//!
//! Next: `unfired.rs`, results that never come.

use crate::Failure;
use crate::diagnostics::tell;
use crate::trace;
use std::cell::RefCell;

thread_local!(static COLLECTED: RefCell<Option<Vec<Failure>>> = const { RefCell::new(None) });

/// A result. If it is a failure and is dropped, it is reported.
#[derive(Debug)]
pub(crate) struct Outcome<T>(Option<Result<T, Failure>>);

impl<T> Outcome<T> {
    #[inline]
    pub(crate) fn new(result: Result<T, Failure>) -> Outcome<T> {
        Outcome(Some(result))
    }

    /// An outcome from which the result has been taken.
    pub(crate) fn taken() -> Outcome<T> {
        Outcome(None)
    }

    /// The result; from here on its failure counts as handled.
    #[inline]
    pub(crate) fn into_inner(mut self) -> Result<T, Failure> {
        self.take().expect("this Deferred has given its result to an `await` already")
    }

    #[inline]
    pub(crate) fn take(&mut self) -> Option<Result<T, Failure>> {
        self.0.take()
    }

    /// The value, or nothing; a failure is reported.
    pub(crate) fn into_value(mut self) -> Option<T> {
        match self.0 {
            Some(Ok(_)) => self.take()?.ok(),
            _ => None,
        }
    }

    pub(crate) fn is_failure(&self) -> bool {
        matches!(self.0, Some(Err(_)))
    }
}

impl<T> Drop for Outcome<T> {
    #[inline]
    fn drop(&mut self) {
        if self.is_failure()
            && let Some(Err(failure)) = self.take()
            && failure.mark_reported()
        {
            report(failure);
        }
    }
}

#[cold]
fn report(failure: Failure) {
    // The text first: while the thread ends, `try_with` drops the failure with the closure, and the text is logged.
    let (text, context) = (failure.report(), failure.context());
    if trace::is_on() {
        trace::report_unhandled(&failure, &text);
    }
    let left = COLLECTED.try_with(|collected| match &mut *collected.borrow_mut() {
        Some(collected) => {
            collected.push(failure);
            None
        }
        None => Some(failure),
    });
    if !matches!(left, Ok(None)) {
        context.run(|| tell!(Error, "reactor::deferred", "Unhandled error in Deferred: {text}"));
    }
}

/// See [`crate::testing::collect_unhandled`].
pub(crate) fn collect(work: impl FnOnce()) -> Vec<Failure> {
    /// Puts back what an outer collection had, also if `work` panics.
    struct Outer(Option<Vec<Failure>>);
    impl Drop for Outer {
        fn drop(&mut self) {
            COLLECTED.with_borrow_mut(|collected| *collected = self.0.take());
        }
    }
    let _outer = Outer(COLLECTED.with_borrow_mut(|collected| collected.replace(Vec::new())));
    work();
    COLLECTED.with_borrow_mut(|collected| collected.as_mut().map(std::mem::take)).unwrap_or_default()
}
