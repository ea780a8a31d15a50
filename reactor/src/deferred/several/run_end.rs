//! [`RunEnd`]: the last step of a `run` of a lock.
//!
//! A run releases before its result is passed on, and a release runs the callbacks of the next waiter. If those panic,
//! that has nothing to do with the run, and the panic must not replace the run's result. So the release keeps the panic
//! here; this step passes the result on, and has the panic resume in the code that fired.
//!
//! Without this step the callback that releases would panic, and the run would fail with a `PanicError` although its
//! work was done. The price is these lines, and one allocation for each run that waits.
//!
//! Next: `queue.rs`.

use crate::Failure;
use crate::deferred::chain::{Accept, Next, Out, Payload, Plain, Run, Tail, Trampoline, caught};
use crate::deferred::story::{Outcome, Trace};
use std::cell::Cell;
use std::rc::Rc;

pub(super) struct RunEnd<T: 'static> {
    /// The panic of a waiter that was served when the run released.
    panic: Cell<Option<Payload>>,
    inbox: Cell<Option<Outcome<T>>>,
    out: Out<T>,
}

impl<T: 'static> RunEnd<T> {
    /// `trace` is that of the step before: this one is not a callback of the user's.
    pub(super) fn new(trace: Trace) -> Rc<RunEnd<T>> {
        Rc::new(RunEnd { panic: Cell::new(None), inbox: Cell::new(None), out: Out::empty(trace) })
    }

    /// Drops the permit of the run, which releases.
    pub(super) fn release<P>(&self, permit: P) {
        if let Err(payload) = caught(|| drop(permit)) {
            self.panic.set(Some(payload));
        }
    }
}

impl<T> Plain for RunEnd<T> {}

impl<T> Accept<T> for RunEnd<T> {
    fn accept(self: Rc<Self>, input: Result<T, Failure>) -> Rc<dyn Run> {
        self.inbox.set(Some(Outcome::new(input)));
        self
    }
}

impl<T> Run for RunEnd<T> {
    fn run(self: Rc<Self>, trampoline: &mut Trampoline) -> Next {
        let Some(input) = self.inbox.take() else { return Next::Nothing };
        if let Some(payload) = self.panic.take() {
            trampoline.keep_panic(payload);
        }
        self.out.push(input.into_inner(), trampoline)
    }
}

impl<T> Tail<T> for RunEnd<T> {
    fn out(&self) -> &Out<T> {
        &self.out
    }
}
