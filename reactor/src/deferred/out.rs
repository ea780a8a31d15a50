//! [`Out`]: the result side of everything that gives a result: what follows, or the result itself until it is fetched.
//!
//! ```text
//!   nothing yet --push--> done --take--> nothing      nobody had asked
//!   nothing yet --link--> linked --push--> nothing    the result goes on at once
//! ```

use super::chain::{self, Accept, Run, Settle, Then, Turn};
use super::ends::Ends;
use super::held::{Held, Node};
use super::history::Trace;
use super::root::Root;
use super::unhandled::Outcome;
use crate::Failure;
use std::cell::Cell;
use std::rc::Rc;
use std::task::Waker;

/// Who is to be roused when a Deferred that is awaited fires.
pub(super) enum Rouses {
    /// One of our own coroutines: it goes on in the loop that fires.
    Coroutine(Held<dyn Run>),
    /// Anything else that polls futures.
    Waker(Waker),
}

impl Rouses {
    fn then(self) -> Then {
        match self {
            Rouses::Coroutine(coroutine) => Then::Other(coroutine.into_rc(), None),
            Rouses::Waker(waker) => Then::Wake(waker),
        }
    }
}

/// Where an awaited result lies until it is polled for. It is apart from the chain: the chain holds the coroutine, and
/// a coroutine that held the chain would keep both alive for ever.
pub(super) struct Slot<T: 'static> {
    result: Cell<Option<Outcome<T>>>,
    /// The chain itself, if the coroutine that awaited it has ended.
    ends: Cell<Option<Ends<T>>>,
    /// Only while the chain has its [`Awaiter`]: the coroutine holds the slot.
    awaits: Cell<Option<Rouses>>,
}

/// A chain's link to the slot and whoever is to be roused. They go with it.
struct Awaiter<T: 'static>(Rc<Slot<T>>);

impl<T: 'static> Awaiter<T> {
    fn push(self, result: Result<T, Failure>) -> Then {
        let rouses = self.0.awaits.take();
        self.0.set(result);
        rouses.map_or(Then::Nothing, Rouses::then)
    }
}

impl<T: 'static> Drop for Awaiter<T> {
    fn drop(&mut self) {
        drop(self.0.awaits.take());
    }
}

impl<T: 'static> Slot<T> {
    pub(super) fn new() -> Rc<Slot<T>> {
        Rc::new(Slot { result: Cell::new(None), ends: Cell::new(None), awaits: Cell::new(None) })
    }

    pub(super) fn take(&self) -> Option<Result<T, Failure>> {
        self.result.take().map(Outcome::into_inner)
    }

    pub(super) fn set(&self, result: Result<T, Failure>) {
        self.result.set(Some(Outcome::new(result)));
    }

    pub(super) fn has_result(&self) -> bool {
        let result = self.result.take();
        let has = result.is_some();
        self.result.set(result);
        has
    }

    pub(super) fn take_ends(&self) -> Option<Ends<T>> {
        self.ends.take()
    }
}

/// The last node of a chain, as its Deferred sees it.
pub(super) trait Tail<T: 'static>: Node {
    fn out(&self) -> &Out<T>;
    /// Itself, for the coroutine that awaits it.
    fn as_awaited(self: Rc<Self>) -> Rc<dyn Awaited>;
}

/// A node that a coroutine awaits, or did.
pub(super) trait Awaited {
    /// The coroutine has ended without awaiting it to the end: gives the chain back to whoever has the Deferred now.
    fn give_back(self: Rc<Self>, root: Held<dyn Root>);
}

/// The result side of a node. One of the first three is there at most; they are apart because two words are moved in
/// registers, and an enum of them all through memory.
pub(super) struct Out<T: 'static> {
    /// The next callback of the same chain.
    step: Cell<Held<dyn Accept<T>>>,
    /// The result, if nobody had asked when it came.
    done: Cell<Option<Outcome<T>>>,
    /// Who else waits for it.
    other: Cell<Option<Other<T>>>,
    /// The chain up to here.
    trace: Trace,
}

/// Who waits for the result, if not a callback of the same chain.
enum Other<T: 'static> {
    /// A callback of another chain, which gave back this Deferred.
    Waiter(Held<dyn Settle<T>>),
    /// Code that awaits it.
    Awaiter(Awaiter<T>),
}

impl<T: 'static> Other<T> {
    fn push(self, result: Result<T, Failure>) -> Then {
        match self {
            Other::Waiter(step) => step.into_rc().settle(result),
            Other::Awaiter(awaiter) => awaiter.push(result),
        }
    }
}

impl<T: 'static> Other<T> {
    #[inline(never)]
    fn push_and_run(self, result: Result<T, Failure>) {
        chain::go(self.push(result));
    }
}

impl<T: 'static> Out<T> {
    #[inline]
    pub(super) const fn empty(trace: Trace) -> Out<T> {
        Out { step: Cell::new(Held::none()), done: Cell::new(None), other: Cell::new(None), trace }
    }

    /// Whether nothing is in it any more.
    #[inline]
    pub(super) fn is_spent(&mut self) -> bool {
        self.step.get_mut().is_none() && self.done.get_mut().is_none() && self.other.get_mut().is_none()
    }

    /// Says where the chain is, of one that has just been made.
    #[inline]
    pub(super) fn begin(&mut self, trace: Trace) {
        self.trace = trace;
    }

    #[inline]
    pub(super) fn trace(&self) -> Trace {
        self.trace
    }

    /// Hands the result on, or keeps it. The next callback of the same chain runs right here, unless too many have
    /// already run inside of each other; what else is to run next is given back.
    #[inline]
    pub(super) fn push(&self, result: Result<T, Failure>, turn: &mut Turn) -> Then {
        match self.take_step() {
            Some(step) if turn.may_go_deeper() => step.run_with(result, turn),
            Some(step) => Then::Step(step.accept(result)),
            None => self.push_elsewhere(result),
        }
    }

    /// The callback that follows.
    #[inline]
    pub(super) fn take_step(&self) -> Option<Rc<dyn Accept<T>>> {
        self.step.replace(Held::none()).into_option()
    }

    /// The same for a result that does not go to a callback of the same chain.
    #[inline]
    pub(super) fn push_elsewhere(&self, result: Result<T, Failure>) -> Then {
        match self.other.take() {
            Some(other) => other.push(result),
            None => {
                self.done.set(Some(Outcome::new(result)));
                Then::Nothing
            }
        }
    }

    /// The same as a firing of its own.
    #[inline(always)]
    pub(super) fn keep_or_push(&self, result: Result<T, Failure>) {
        match self.other.take() {
            Some(other) => other.push_and_run(result),
            None => self.done.set(Some(Outcome::new(result))),
        }
    }

    #[inline]
    pub(super) fn take(&self) -> Option<Result<T, Failure>> {
        self.done.take().map(Outcome::into_inner)
    }

    pub(super) fn is_done(&self) -> bool {
        let done = self.done.take();
        let is_done = done.is_some();
        self.done.set(done);
        is_done
    }

    /// Whether somebody waits for the result.
    pub(super) fn is_linked(&self) -> bool {
        let step = self.take_step();
        let has_step = step.is_some();
        self.step.set(step.map_or(Held::none(), Held::new));
        let other = self.other.take();
        let has_other = other.is_some();
        self.other.set(other);
        has_step || has_other
    }

    // There is no result when something is linked: one that is here is taken instead, and a Deferred that is paused
    // holds its result back (see `Gate` in `root.rs`).

    /// Says which callback follows.
    #[inline]
    pub(super) fn link(&self, step: Held<dyn Accept<T>>) {
        self.step.set(step);
    }

    pub(super) fn link_waiter(&self, step: Held<dyn Settle<T>>) {
        self.other.set(Some(Other::Waiter(step)));
    }

    pub(super) fn link_awaiter(&self, slot: Rc<Slot<T>>, rouses: Rouses) {
        self.other.set(Some(Other::Awaiter(Awaiter(slot.clone()))));
        // Last: the link before, whose place was just taken, has cleared it.
        slot.awaits.set(Some(rouses));
    }

    /// Nobody awaits it any more; whoever still has the Deferred gets the ends of the chain.
    pub(super) fn give_back(&self, ends: Ends<T>) {
        match self.other.take() {
            // Only the Deferred holds the slot now: the chain may be in it.
            Some(Other::Awaiter(awaiter)) => awaiter.0.ends.set(Some(ends)),
            other => self.other.set(other),
        }
    }

    /// Nobody awaits it any more, but it may be asked for otherwise.
    pub(super) fn stop_awaiting(&self) {
        match self.other.take() {
            Some(Other::Awaiter(_)) => {}
            other => self.other.set(other),
        }
    }
}
