//! Coroutines that somebody hears of: each run of the body, from one `await` to the next, is a step of a trace.
//!
//! The step that runs is in a list of the thread, not in the coroutine. So a coroutine that nobody hears of pays only
//! for a look at the number that it has anyway.
//!
//! Next: `waker.rs`, wakes that do not come from our Deferreds.

use crate::Failure;
use crate::deferred::chain::Running;
use crate::deferred::story::Trace;
use crate::trace;
use std::cell::RefCell;
use std::task::Poll;

/// What a run of the body has come to, or that it panicked.
pub(super) type Polled<T> = Result<Poll<Result<T, Failure>>, Failure>;

/// The number of a coroutine, and its step.
type Step = (u64, Running);

thread_local! {
    /// The steps that run inside each other, the innermost one last.
    static STEPS: RefCell<Vec<Step>> = const { RefCell::new(Vec::new()) };
}

/// A run of the body begins.
#[cold]
#[inline(never)]
pub(super) fn begin_step<T: 'static>(coroutine: Trace) {
    if trace::is_on() {
        let step = (coroutine.number(), Running::begin::<T>(coroutine, trace::new_step(), None));
        let _ = STEPS.try_with(|steps| steps.borrow_mut().push(step));
    }
}

/// A run of the body is over. If it panicked, the drop of the step tells so. Takes the result by value: a reference
/// would cost every coroutine some instructions, since the result could not stay in registers.
#[cold]
#[inline(never)]
pub(super) fn end_step<T: 'static>(coroutine: Trace, polled: Polled<T>) -> Polled<T> {
    let Some((_, step)) = take_step(coroutine.number()) else { return polled };
    match &polled {
        Ok(Poll::Ready(result)) => step.end(Some(result)),
        Ok(Poll::Pending) => step.end::<T>(None),
        Err(_panicked) => drop(step),
    }
    polled
}

/// The step of this coroutine. There is none if nobody listened when it began.
fn take_step(number: u64) -> Option<Step> {
    STEPS.try_with(|steps| steps.borrow_mut().pop_if(|(innermost, _)| *innermost == number)).ok().flatten()
}
