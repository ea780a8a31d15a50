//! [`Ends`]: what a Deferred that has not fired holds of its chain; and [`Awaiting`], what it holds while it is
//! awaited.

use super::chain::{Accept, Settle};
use super::coroutine;
use super::head::{Head, Source};
use super::held::Held;
use super::history::{Place, Trace};
use super::out::{Slot, Tail};
use super::root::{Root, WaitsOn};
use super::step::waits_for;
use crate::Failure;
use crate::error::{CancelledError, CircularWaitError};
use std::rc::{Rc, Weak};
use std::task::{Context, Poll};

/// The last step of a chain, and its root.
pub(super) struct Ends<T: 'static> {
    tail: Held<dyn Tail<T>>,
    root: Held<dyn Root>,
}

impl<T: 'static> Ends<T> {
    #[inline(always)]
    pub(super) fn new(tail: Held<dyn Tail<T>>, root: Held<dyn Root>) -> Ends<T> {
        Ends { tail, root }
    }

    pub(super) fn root(&self) -> Held<dyn Root> {
        self.root.clone()
    }

    #[inline(always)]
    pub(super) fn trace(&self) -> Trace {
        self.tail.out().trace()
    }

    /// The result, if it is here. A paused chain has none (see [`Gate`](super::root::Gate)).
    #[inline(always)]
    pub(super) fn take(&self) -> Option<Result<T, Failure>> {
        self.tail.out().take()
    }

    #[inline(always)]
    pub(super) fn is_done(&self) -> bool {
        self.tail.out().is_done()
    }

    // What follows is said once; the ends are given up for the root.

    /// Puts a step of the same chain behind; gives back the new ends.
    #[inline(always)]
    pub(super) fn grow<U: 'static, N>(self, step: impl FnOnce(Trace) -> Rc<N>) -> Ends<U>
    where
        N: Accept<T> + Tail<U> + 'static,
    {
        let out = self.tail.out();
        let step = step(out.trace());
        out.link(Held::new(step.clone()));
        Ends { tail: Held::new(step), root: self.root }
    }

    pub(super) fn link(self, step: Held<dyn Accept<T>>) -> Held<dyn Root> {
        self.tail.out().link(step);
        self.root
    }

    pub(super) fn link_first(self, step: Held<dyn Accept<T>>) -> Held<dyn Root> {
        self.tail.out().link_first(step);
        self.root
    }

    pub(super) fn link_waiter(self, step: Held<dyn Settle<T>>) -> Held<dyn Root> {
        self.tail.out().link_waiter(step);
        self.root
    }
}

/// A Deferred that some code awaits. It does not hold the chain: the chain holds the code.
pub(super) struct Awaiting<T: 'static> {
    slot: Rc<Slot<T>>,
    tail: Weak<dyn Tail<T>>,
    /// Held here only if no coroutine of ours can hold it.
    root: Option<Held<dyn Root>>,
    weak_root: Weak<dyn Root>,
    pub(super) trace: Trace,
}

impl<T: 'static> Awaiting<T> {
    /// Begins to wait; fails if the coroutine that runs would wait for itself.
    #[cold]
    pub(super) fn begin(ends: Ends<T>, context: &Context<'_>, at: Place) -> Result<Box<Awaiting<T>>, Failure> {
        let coroutine = coroutine::current_root();
        if let Some(own) = &coroutine
            && waits_for(&ends.root, &(own.clone() as Rc<dyn Root>))
        {
            return Err(Failure::at(CircularWaitError { callback: at }, at));
        }
        let slot = Slot::new();
        let trace = ends.trace();
        let tail = Rc::clone(&ends.tail);
        tail.out().link_awaiter(slot.clone(), coroutine::awaiter(context));
        let root = ends.root;
        let weak_root = Rc::downgrade(&root);
        let weak_tail = Rc::downgrade(&tail);
        let root = match coroutine {
            Some(own) => {
                own.awaits(Rc::downgrade(&tail.as_awaited()), WaitsOn { root, by: at });
                None
            }
            None => Some(root),
        };
        Ok(Box::new(Awaiting { slot, tail: weak_tail, root, weak_root, trace }))
    }

    /// The result, or remembers who is to be roused now.
    pub(super) fn poll(&self, context: &Context<'_>) -> Poll<Result<T, Failure>> {
        if let Some(result) = self.slot.take() {
            return Poll::Ready(result);
        }
        if let Some(tail) = self.tail.upgrade() {
            tail.out().link_awaiter(self.slot.clone(), coroutine::awaiter(context));
        }
        Poll::Pending
    }

    pub(super) fn is_done(&self) -> bool {
        self.slot.has_result()
    }

    pub(super) fn root(&self) -> Option<Held<dyn Root>> {
        self.root.clone().or_else(|| self.weak_root.upgrade().map(Held::new))
    }

    /// A cancel that reaches nobody any more: the waiting ends.
    pub(super) fn give_up(&self, at: Place) {
        if !self.slot.has_result() {
            self.slot.set(Err(Failure::at(CancelledError, at)));
        }
    }

    /// Awaits no more: the result, or the chain that it is to come from. If all that could fire it is gone, that is one
    /// that nobody fires.
    pub(super) fn into_ends(mut self) -> Result<Result<T, Failure>, Ends<T>> {
        if let Some(result) = self.slot.take() {
            return Ok(result);
        }
        Err(match (self.tail.upgrade(), self.root()) {
            (Some(tail), Some(root)) => {
                self.tail = Weak::<Head<T>>::new();
                tail.out().stop_awaiting();
                Ends::new(Held::new(tail), root)
            }
            _ => {
                let head = Head::new(Source::None, self.trace.made());
                Ends::new(Held::new(head.clone()), Held::new(head))
            }
        })
    }
}

impl<T: 'static> Drop for Awaiting<T> {
    fn drop(&mut self) {
        if let Some(tail) = self.tail.upgrade() {
            tail.out().stop_awaiting();
        }
    }
}
