//! Callbacks that were added while somebody listened: wrapped, so that they tell what they get and what they give back,
//! and only they pay for it. The same trick as in `in_context.rs`.
//!
//! Next: `head.rs`, the start of a chain.

use super::in_context::Boxed;
use super::pending::{Chain, Reply};
use crate::Failure;
use crate::deferred::story::{Place, Side, Trace};
use crate::trace::{self, DeferredEvent, Shown};

/// Tells that a callback is added to the chain of `chain`. Returns the callback with what it will tell.
#[cold]
#[inline(never)]
pub(crate) fn telling<T: 'static, U: 'static>(
    chain: Trace,
    side: Side,
    added: Place,
    callback: impl FnOnce(Result<T, Failure>) -> Reply<U> + 'static,
) -> Boxed<T, U> {
    let (step, name) = (trace::new_step(), trace::take_name());
    chain.tell(DeferredEvent::Added { step, side, place: added, name: name.as_deref() });
    Box::new(move |input| {
        let is_for_it = match (&input, side) {
            (Ok(_), Side::Callback) | (Err(_), Side::Errback) | (_, Side::Both | Side::Pair) => true,
            (Ok(_), Side::Errback) | (Err(_), Side::Callback) => false,
        };
        if !is_for_it {
            with_seen(&input, |input| chain.tell(DeferredEvent::StepPassed { step, input }));
            return callback(input);
        }
        let running = Running::begin(chain, step, Some(&input));
        let reply = callback(input);
        match &reply {
            Reply::Ready(result) | Reply::Fired(result) => running.end(Some(result)),
            Reply::Pending(inner) => running.wait_for(inner),
        }
        reply
    })
}

/// Calls `tell` with what is shown of a result, if somebody listens.
#[cold]
pub(crate) fn with_seen<T: 'static>(result: &Result<T, Failure>, tell: impl FnOnce(Shown<'_>)) {
    if let Some(seen) = trace::see(result) {
        tell(seen.shown());
    }
}

/// A step that runs. If it is dropped, the step has panicked.
pub(crate) struct Running {
    chain: Trace,
    step: u64,
    outer: Option<u64>,
}

impl Running {
    pub(crate) fn begin<T: 'static>(chain: Trace, step: u64, input: Option<&Result<T, Failure>>) -> Running {
        let seen = input.and_then(trace::see);
        let input = seen.as_ref().map(|seen| seen.shown());
        chain.tell(DeferredEvent::StepBegin { step, input });
        Running { chain, step, outer: trace::enter_step(step) }
    }

    /// It has given this back; a coroutine, nothing yet.
    pub(crate) fn end<T: 'static>(self, output: Option<&Result<T, Failure>>) {
        let seen = output.and_then(trace::see);
        let (step, output) = (self.step, seen.as_ref().map(|seen| seen.shown()));
        self.over(DeferredEvent::StepEnd { step, output, waits_for: None, panicked: false });
    }

    fn wait_for<T: 'static>(self, inner: &Chain<T>) {
        let waits_for = Some(inner.trace().number()).filter(|number| *number != 0);
        let step = self.step;
        self.over(DeferredEvent::StepEnd { step, output: None, waits_for, panicked: false });
    }

    fn over(self, event: DeferredEvent<'_>) {
        trace::leave_step(self.outer);
        self.chain.tell(event);
        std::mem::forget(self);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        trace::leave_step(self.outer);
        self.chain.tell(DeferredEvent::StepEnd { step: self.step, output: None, waits_for: None, panicked: true });
    }
}
