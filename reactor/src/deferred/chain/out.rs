//! [`Out`]: the result side of a node. It holds what follows the node, or the result itself until that is taken.
//!
//! ```text
//!   nothing yet --push--> done --take--> nothing      the result came before anything was added
//!   nothing yet --link--> linked --push--> nothing    something was added first: the result goes there at once
//! ```
//!
//! Next: `pending.rs`, what a Deferred holds of all this.

use super::await_slot::{AwaitSlot, Awaiter, WakeTarget};
use super::control::{Control, Gate};
use super::flat_rc::{FlatRc, Node, Plain};
use super::peek;
use super::pending::Chain;
use super::trampoline::{self, Accept, Next, Resume, Run, Trampoline};
use crate::Failure;
use crate::deferred::story::{Outcome, Trace};
use std::cell::Cell;
use std::rc::Rc;

/// The last node of a chain, as its Deferred sees it.
pub(crate) trait Tail<T: 'static>: Node {
    fn out(&self) -> &Out<T>;
}

/// The result side of a node. At most one of the first three fields is set. They are not one enum, because two words
/// move in registers and the larger enum would move through memory.
pub(crate) struct Out<T: 'static> {
    /// The next callback of the same chain.
    step: Cell<FlatRc<dyn Accept<T>>>,
    /// The result, if nothing followed when it came.
    done: Cell<Option<Outcome<T>>>,
    /// What else waits for it.
    other: Cell<Option<Other<T>>>,
    /// How far the chain is here.
    trace: Trace,
}

/// What waits for the result, if not a callback of the same chain.
enum Other<T: 'static> {
    /// A callback of another chain, which returned this Deferred.
    Waiter(FlatRc<dyn Resume<T>>),
    /// Code that awaits it.
    Awaiter(Awaiter<T>),
}

impl<T: 'static> Other<T> {
    fn push(self, result: Result<T, Failure>) -> Next {
        match self {
            Other::Waiter(step) => step.into_rc().resume(result),
            Other::Awaiter(awaiter) => awaiter.push(result),
        }
    }

    #[inline(never)]
    fn push_and_run(self, result: Result<T, Failure>) {
        trampoline::go(self.push(result));
    }
}

impl<T: 'static> Out<T> {
    #[inline]
    pub(crate) const fn empty(trace: Trace) -> Out<T> {
        Out { step: Cell::new(FlatRc::none()), done: Cell::new(None), other: Cell::new(None), trace }
    }

    /// Whether nothing is left in it.
    #[inline]
    pub(super) fn is_spent(&mut self) -> bool {
        self.step.get_mut().is_none() && self.done.get_mut().is_none() && self.other.get_mut().is_none()
    }

    /// Sets where the chain is, in a node that has just been made.
    #[inline]
    pub(super) fn begin(&mut self, trace: Trace) {
        self.trace = trace;
    }

    #[inline]
    pub(crate) fn trace(&self) -> Trace {
        self.trace
    }

    /// Hands the result on, or keeps it if nothing follows. A callback of the same chain runs right here, unless too
    /// many are running inside each other already. Returns what must run next.
    #[inline]
    pub(crate) fn push(&self, result: Result<T, Failure>, trampoline: &mut Trampoline) -> Next {
        match self.take_step() {
            Some(step) if trampoline.descend() => step.run_with(result, trampoline),
            Some(step) => Next::Step(step.accept(result)),
            None => self.push_elsewhere(result),
        }
    }

    /// Takes out the callback that follows.
    #[inline]
    pub(crate) fn take_step(&self) -> Option<Rc<dyn Accept<T>>> {
        self.step.take().into_option()
    }

    /// [`push`](Out::push) for a node that no callback of the same chain follows.
    #[inline]
    pub(crate) fn push_elsewhere(&self, result: Result<T, Failure>) -> Next {
        match self.other.take() {
            Some(other) => other.push(result),
            None => {
                self.done.set(Some(Outcome::new(result)));
                Next::Nothing
            }
        }
    }

    /// The same, and runs all that follows, in a trampoline of its own.
    #[inline(always)]
    pub(super) fn keep_or_push(&self, result: Result<T, Failure>) {
        match self.other.take() {
            Some(other) => other.push_and_run(result),
            None => self.done.set(Some(Outcome::new(result))),
        }
    }

    #[inline]
    pub(crate) fn take(&self) -> Option<Result<T, Failure>> {
        self.done.take().map(Outcome::into_inner)
    }

    pub(crate) fn is_done(&self) -> bool {
        peek(&self.done, Option::is_some)
    }

    /// Whether something waits for the result.
    pub(crate) fn is_linked(&self) -> bool {
        peek(&self.step, |step| !step.is_none()) || peek(&self.other, Option::is_some)
    }

    // Nothing is linked while a result is here: the caller takes the result instead. A paused chain has no result here
    // (see `Gate`).

    /// Sets the callback that follows.
    #[inline]
    pub(crate) fn link(&self, step: FlatRc<dyn Accept<T>>) {
        self.step.set(step);
    }

    pub(super) fn link_waiter(&self, step: FlatRc<dyn Resume<T>>) {
        self.other.set(Some(Other::Waiter(step)));
    }

    pub(crate) fn link_awaiter(&self, slot: &Rc<AwaitSlot<T>>, target: WakeTarget) {
        self.other.set(Some(Other::Awaiter(Awaiter::new(slot.clone()))));
        // Last: the line above may have dropped an earlier Awaiter of this slot, which clears the slot's target.
        Awaiter::wake_later(slot, target);
    }

    /// Ends the wait of code that has stopped awaiting, and puts the chain where the Deferred finds it.
    pub(super) fn give_back(&self, chain: Chain<T>) {
        if let Some(awaiter) = self.take_awaiter() {
            // Only the Deferred holds the slot now, so the chain may be in it.
            awaiter.keep(chain);
        }
    }

    /// Ends the wait of code that has stopped awaiting. The result stays here when it comes.
    pub(crate) fn stop_awaiting(&self) {
        drop(self.take_awaiter());
    }

    /// Takes the link to code that awaits the result. What else waits for it stays.
    fn take_awaiter(&self) -> Option<Awaiter<T>> {
        match self.other.take() {
            Some(Other::Awaiter(awaiter)) => Some(awaiter),
            other => {
                self.other.set(other);
                None
            }
        }
    }
}

/// Hands on the result of `tail`, the last node of the chain of `control`, from a loop that runs in another chain.
/// Returns what must run next.
pub(crate) fn deliver_from<T: 'static>(
    tail: Rc<dyn Tail<T>>,
    control: Option<Rc<dyn Control>>,
    result: Result<T, Failure>,
) -> Next {
    if let Some(control) = control.as_ref().filter(|control| control.gate().is_paused()) {
        hold_back(control.gate(), tail, result);
        return Next::Nothing;
    }
    match tail.out().take_step() {
        Some(step) => Next::OtherChain(step.accept(result), control),
        None => tail.out().push_elsewhere(result),
    }
}

/// Keeps the result of `tail` back until the pause of its chain ends.
pub(super) fn hold_back<T: 'static>(gate: &Gate, tail: Rc<dyn Tail<T>>, result: Result<T, Failure>) {
    gate.park(Rc::new(HeldBack { tail: FlatRc::new(tail), result: Cell::new(Some(Outcome::new(result))) }));
}

/// A result that waits for the end of a pause.
struct HeldBack<T: 'static> {
    tail: FlatRc<dyn Tail<T>>,
    result: Cell<Option<Outcome<T>>>,
}

impl<T> Plain for HeldBack<T> {}

impl<T> Run for HeldBack<T> {
    fn run(self: Rc<Self>, trampoline: &mut Trampoline) -> Next {
        match self.result.take() {
            Some(outcome) => self.tail.out().push(outcome.into_inner(), trampoline),
            None => Next::Nothing,
        }
    }
}
