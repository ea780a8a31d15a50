//! [`Ends`]: what a Deferred that has not fired holds of its chain; and [`Awaiting`], what it holds while it is
//! awaited.

use super::chain::{Accept, Settle};
use super::coroutine::{self, CoroutineRoot, Poller};
use super::head::Head;
use super::held::Held;
use super::history::{Place, Trace};
use super::out::{Slot, Tail};
use super::root::{Root, Segment, WaitsOn};
use super::step::waits_for;
use crate::Failure;
use crate::error::{CancelledError, CircularWaitError};
use std::mem;
use std::ptr;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll};

/// The last step of a chain, and its root.
pub(super) struct Ends<T: 'static> {
    pub(super) tail: Held<dyn Tail<T>>,
    pub(super) root: Held<dyn Root>,
}

impl<T: 'static> Ends<T> {
    #[inline(always)]
    pub(super) fn new(tail: Held<dyn Tail<T>>, root: Held<dyn Root>) -> Ends<T> {
        Ends { tail, root }
    }

    /// Of a chain to which nothing has been added.
    pub(super) fn of_head(head: Rc<Head<T>>) -> Ends<T> {
        Ends::new(Held::new(head.clone()), Held::new(head))
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

    pub(super) fn link_waiter(self, step: Held<dyn Settle<T>>) -> Held<dyn Root> {
        self.tail.out().link_waiter(step);
        self.root
    }
}

/// A Deferred that some code awaits. It does not hold the chain: the chain holds the code.
pub(super) struct Awaiting<T: 'static> {
    slot: Rc<Slot<T>>,
    tail: Weak<dyn Tail<T>>,
    root: KeptRoot,
    weak_root: Weak<dyn Root>,
    pub(super) trace: Trace,
}

/// Who keeps the root of a chain that is awaited.
enum KeptRoot {
    /// The root of the coroutine that awaits it, under this number.
    Coroutine(Weak<CoroutineRoot>, usize),
    /// The Deferred: something else polls it.
    Here(Held<dyn Root>),
    Nobody,
}

impl<T: 'static> Awaiting<T> {
    /// Begins to wait; fails if the coroutine that runs would wait for itself.
    #[cold]
    pub(super) fn begin(ends: Ends<T>, context: &Context<'_>, at: Place) -> Result<Box<Awaiting<T>>, Failure> {
        let trace = ends.trace();
        let tail = Rc::clone(&ends.tail);
        let weak_root = Rc::downgrade(&ends.root);
        let mut awaiting = Awaiting {
            slot: Slot::new(),
            tail: Rc::downgrade(&tail),
            root: KeptRoot::Here(ends.root),
            weak_root,
            trace,
        };
        awaiting.move_to_current(at)?;
        tail.out().link_awaiter(awaiting.slot.clone(), coroutine::rouses(context));
        Ok(Box::new(awaiting))
    }

    /// The result, or remembers who is to be roused now.
    pub(super) fn poll(&mut self, context: &Context<'_>, at: Place) -> Poll<Result<T, Failure>> {
        if let Some(result) = self.take_result() {
            return Poll::Ready(result);
        }
        if let Err(circular) = self.move_to_current(at) {
            return Poll::Ready(Err(circular));
        }
        if let Some(tail) = self.tail.upgrade() {
            tail.out().link_awaiter(self.slot.clone(), coroutine::rouses(context));
        }
        Poll::Pending
    }

    /// Has the root kept by the coroutine that runs, by which that one is cancelled.
    fn move_to_current(&mut self, at: Place) -> Result<(), Failure> {
        let poller = coroutine::poller();
        if let (KeptRoot::Coroutine(keeper, _), Poller::Coroutine(Some(own))) = (&self.root, &poller)
            && ptr::addr_eq(Weak::as_ptr(keeper), Rc::as_ptr(own))
        {
            return Ok(());
        }
        let Some(root) = self.take_root() else { return Ok(()) };
        self.root = match (poller, self.tail.upgrade()) {
            (Poller::Other, _) => KeptRoot::Here(root),
            (Poller::Coroutine(Some(own)), Some(tail)) => {
                if waits_for(&root, &(own.clone() as Rc<dyn Root>)) {
                    return Err(Failure::at(CircularWaitError { callback: at }, at));
                }
                let number = own.awaits(Rc::downgrade(&tail.as_awaited()), WaitsOn { root, by: at });
                KeptRoot::Coroutine(Rc::downgrade(&own), number)
            }
            // Nobody can cancel the coroutine, and it must not hold what holds it.
            (Poller::Coroutine(_), _) => KeptRoot::Nobody,
        };
        Ok(())
    }

    /// Takes the root from whoever keeps it.
    fn take_root(&mut self) -> Option<Held<dyn Root>> {
        let kept = match mem::replace(&mut self.root, KeptRoot::Nobody) {
            KeptRoot::Here(root) => Some(root),
            KeptRoot::Coroutine(keeper, number) => keeper.upgrade().and_then(|keeper| keeper.awaits_no_more(number)),
            KeptRoot::Nobody => None,
        };
        kept.or_else(|| self.slot.take_ends().map(|ends| ends.root)).or_else(|| self.root())
    }

    pub(super) fn is_done(&self) -> bool {
        self.slot.has_result() || self.tail.upgrade().is_some_and(|tail| tail.out().is_done())
    }

    /// The result, if it is here; if nobody awaited it when it came, it is still with the chain.
    fn take_result(&self) -> Option<Result<T, Failure>> {
        self.slot.take().or_else(|| self.tail.upgrade()?.out().take())
    }

    pub(super) fn root(&self) -> Option<Held<dyn Root>> {
        self.weak_root.upgrade().map(Held::new)
    }

    /// A cancel that reaches nobody any more: the waiting ends.
    pub(super) fn give_up(&self, at: Place) {
        if !self.is_done() {
            self.stop_awaiting();
            self.slot.set(Err(Failure::at(CancelledError, at)));
        }
    }

    fn stop_awaiting(&self) {
        if let Some(tail) = self.tail.upgrade() {
            tail.out().stop_awaiting();
        }
    }

    /// Awaits no more: the result, or the chain that it is to come from. If all that could fire it is gone, that is one
    /// that nobody fires.
    pub(super) fn into_ends(mut self) -> Result<Result<T, Failure>, Ends<T>> {
        if let Some(result) = self.take_result() {
            return Ok(result);
        }
        let made = self.trace.made();
        let (tail, root) = match (self.tail.upgrade(), self.take_root()) {
            (Some(tail), Some(root)) => (tail, root),
            // What it could be cancelled by has gone with the coroutine that awaited it.
            (Some(tail), None) => (tail, Held::new(Segment::new(made) as Rc<dyn Root>)),
            (None, _) => {
                let head = Head::new(None, made);
                (head.clone() as Rc<dyn Tail<T>>, Held::new(head as Rc<dyn Root>))
            }
        };
        tail.out().stop_awaiting();
        self.tail = Weak::<Head<T>>::new();
        Err(Ends::new(Held::new(tail), root))
    }
}

impl<T: 'static> Drop for Awaiting<T> {
    fn drop(&mut self) {
        drop(self.take_root());
        self.stop_awaiting();
    }
}
