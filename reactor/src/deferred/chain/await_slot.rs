//! [`AwaitSlot`]: where the result of an awaited Deferred lies until the awaiting code is polled.
//!
//! The slot is an object of its own. The chain holds the code that awaits it, through the waker. If that code also held
//! the chain, both would stay in memory for ever. So the code holds the slot, and the slot holds the chain only weakly:
//!
//! ```text
//!   last node --Out--> Awaiter --> AwaitSlot <-- the Deferred, in the future that awaits it
//!       ^                              |  '----> WakeTarget, until the result comes
//!       '----------- weakly -----------'
//! ```
//!
//! Next: `spare.rs`, heads that are used again.

use super::control::Control;
use super::flat_rc::FlatRc;
use super::out::Tail;
use super::peek;
use super::pending::Chain;
use super::trampoline::{Next, Run};
use crate::Failure;
use crate::deferred::story::Outcome;
use std::cell::Cell;
use std::rc::{Rc, Weak};
use std::task::Waker;

/// What is woken when a Deferred that is awaited fires.
pub(crate) enum WakeTarget {
    /// One of our own coroutines: it goes on in the loop that fires.
    Coroutine(FlatRc<dyn Run>),
    /// Anything else that polls futures.
    Waker(Waker),
}

impl WakeTarget {
    fn next(self) -> Next {
        match self {
            WakeTarget::Coroutine(coroutine) => Next::OtherChain(coroutine.into_rc(), None),
            WakeTarget::Waker(waker) => Next::Wake(waker),
        }
    }
}

/// Where an awaited result lies until it is polled for.
pub(crate) struct AwaitSlot<T: 'static> {
    result: Cell<Option<Outcome<T>>>,
    /// The chain itself, if the coroutine that awaited it has ended.
    chain: Cell<Option<Chain<T>>>,
    /// Only while the chain has its [`Awaiter`]: the coroutine holds the slot.
    target: Cell<Option<WakeTarget>>,
    /// The last node of the chain.
    tail: Weak<dyn Tail<T>>,
}

impl<T: 'static> AwaitSlot<T> {
    pub(crate) fn new(tail: &Rc<dyn Tail<T>>) -> Rc<AwaitSlot<T>> {
        let tail = Rc::downgrade(tail);
        Rc::new(AwaitSlot { result: Cell::new(None), chain: Cell::new(None), target: Cell::new(None), tail })
    }

    /// The last node of the chain, if that still exists.
    pub(crate) fn tail(&self) -> Option<Rc<dyn Tail<T>>> {
        self.tail.upgrade()
    }

    pub(crate) fn take(&self) -> Option<Result<T, Failure>> {
        self.result.take().map(Outcome::into_inner)
    }

    pub(crate) fn set(&self, result: Result<T, Failure>) {
        self.result.set(Some(Outcome::new(result)));
    }

    pub(crate) fn has_result(&self) -> bool {
        peek(&self.result, Option::is_some)
    }

    pub(crate) fn take_chain(&self) -> Option<Chain<T>> {
        self.chain.take()
    }
}

/// A Deferred that a coroutine awaits, or did.
pub(crate) trait Awaited {
    /// The coroutine has ended before this Deferred fired: gives the chain back to the Deferred, which other code may
    /// hold now.
    fn give_back(&self, control: FlatRc<dyn Control>);
}

impl<T: 'static> Awaited for AwaitSlot<T> {
    fn give_back(&self, control: FlatRc<dyn Control>) {
        if let Some(tail) = self.tail() {
            tail.clone().out().give_back(Chain::new(FlatRc::new(tail), control));
        }
    }
}

/// A chain's link to the slot. Dropping it also drops what would have been woken.
pub(super) struct Awaiter<T: 'static>(Rc<AwaitSlot<T>>);

impl<T: 'static> Awaiter<T> {
    pub(super) fn new(slot: Rc<AwaitSlot<T>>) -> Awaiter<T> {
        Awaiter(slot)
    }

    pub(super) fn push(self, result: Result<T, Failure>) -> Next {
        let target = self.0.target.take();
        self.0.set(result);
        target.map_or(Next::Nothing, WakeTarget::next)
    }

    pub(super) fn wake_later(slot: &AwaitSlot<T>, target: WakeTarget) {
        slot.target.set(Some(target));
    }

    /// Puts the chain where the Deferred finds it.
    pub(super) fn keep(self, chain: Chain<T>) {
        self.0.chain.set(Some(chain));
    }
}

impl<T: 'static> Drop for Awaiter<T> {
    fn drop(&mut self) {
        drop(self.0.target.take());
    }
}
