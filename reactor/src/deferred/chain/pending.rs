//! [`Chain`]: what a Deferred that has not fired holds; and [`Reply`], what a callback returned, seen by its chain.
//!
//! Next: `control.rs`, the other end that it holds.

use super::control::Control;
use super::flat_rc::FlatRc;
use super::out::Tail;
use super::trampoline::{Accept, Resume};
use crate::Failure;
use crate::deferred::story::{Incoming, Place, Side, Trace};
use std::rc::Rc;

/// What a callback returned.
pub(crate) enum Reply<T: 'static> {
    /// A result.
    Ready(Result<T, Failure>),
    /// A Deferred that has fired: its result.
    Fired(Result<T, Failure>),
    /// A Deferred that has not: its chain.
    Pending(Chain<T>),
}

impl<T: 'static> Reply<T> {
    /// The result, if there is one: if it is a failure, this writes into it how it came out of the callback. Otherwise
    /// the chain to wait for. `incoming`, `side` and `added` are about the callback, which `trace` counts already.
    #[inline(always)]
    pub(crate) fn try_result(
        self,
        trace: Trace,
        incoming: Incoming,
        side: Side,
        added: Place,
    ) -> Result<Result<T, Failure>, Chain<T>> {
        match self {
            Reply::Ready(Ok(value)) => Ok(Ok(value)),
            Reply::Ready(Err(failure)) => Ok(Err(trace.note_way(failure, incoming, side, added))),
            Reply::Fired(result) => Ok(result.map_err(|failure| trace.note_given_back(failure, added))),
            Reply::Pending(inner) => Err(inner),
        }
    }
}

/// The last step of a chain, and the chain's control.
pub(crate) struct Chain<T: 'static> {
    pub(crate) tail: FlatRc<dyn Tail<T>>,
    pub(crate) control: FlatRc<dyn Control>,
}

impl<T: 'static> Chain<T> {
    #[inline(always)]
    pub(crate) fn new(tail: FlatRc<dyn Tail<T>>, control: FlatRc<dyn Control>) -> Chain<T> {
        Chain { tail, control }
    }

    pub(crate) fn control(&self) -> FlatRc<dyn Control> {
        self.control.clone()
    }

    #[inline(always)]
    pub(crate) fn trace(&self) -> Trace {
        self.tail.out().trace()
    }

    /// The result, if it is here. A paused chain has none (see [`Gate`](super::control::Gate)).
    #[inline(always)]
    pub(crate) fn take(&self) -> Option<Result<T, Failure>> {
        self.tail.out().take()
    }

    pub(crate) fn is_done(&self) -> bool {
        self.tail.out().is_done()
    }

    // At most one of these is called, and once: a chain has one Deferred, and each consumes it.

    /// Adds a step behind the last one. Returns the longer chain.
    #[inline(always)]
    pub(crate) fn grow<U: 'static, N>(self, step: impl FnOnce(Trace) -> Rc<N>) -> Chain<U>
    where
        N: Accept<T> + Tail<U> + 'static,
    {
        let out = self.tail.out();
        let step = step(out.trace());
        out.link(FlatRc::new(step.clone()));
        Chain { tail: FlatRc::new(step), control: self.control }
    }

    /// Adds a last step; no Deferred holds what it leads to. Returns the control.
    pub(crate) fn end_with(self, step: FlatRc<dyn Accept<T>>) -> FlatRc<dyn Control> {
        self.tail.out().link(step);
        self.control
    }

    /// Has a step of another chain wait for the result. Returns the control.
    pub(super) fn resume_on_result(self, step: FlatRc<dyn Resume<T>>) -> FlatRc<dyn Control> {
        self.tail.out().link_waiter(step);
        self.control
    }
}
