//! [`Shared`]: one result for several waiters.
//!
//! A Deferred has one chain. In Twisted, two callbacks may nevertheless return the same Deferred: the first gets its
//! value, the second gets `None` as a success, and cancelling either cancels the work of both. Here the types forbid
//! that, because waiting for a Deferred consumes it. Instead each waiter gets a Deferred of its own from this type,
//! with a clone of the result, and each can be cancelled alone.
//!
//! ```text
//!   source chain --[Give]--> waiter's Head --> ... <-- Deferred
//!        ^                        ^                      |
//!        |                        +-SharedWaiterControl<-+
//!        |                                   |
//!        +------ control ------- Sharing <---+
//! ```
//!
//! Each waiter is responsible for its own clone of a failure. If several drop theirs, the failure is logged once, as
//! the clones of a [`Failure`] are one error. If nobody ever asked, it is logged when the last handle is dropped.
//!
//! The loop that runs the source fires the waiters one after the other, in the order in which they asked: a row of
//! shared results, each of which waits for the one before, uses constant stack.
//!
//! Next: `tickets.rs`, the waiters.

use super::tickets::Tickets;
use crate::Failure;
use crate::deferred::Deferred;
use crate::deferred::chain::{
    Accept, Chain, Control, Firing, FlatRc, Gate, Head, Next, Node, Plain, Run, Trampoline, WaitedFor, Waiter,
};
use crate::deferred::story::{Outcome, Place, Status, TellsStatus};
use crate::failure::Waypoint;
use crate::trace::{self, DeferredEvent};
use std::cell::{Cell, OnceCell, RefCell};
use std::fmt;
use std::panic::Location;
use std::rc::Rc;

/// A result that any number of callers may wait for. All clones of a handle share the same result.
///
/// A handle keeps the shared Deferred alive, and everything that waits for its result. So a callback or a coroutine
/// that waits for the result should not itself hold the last handle: if the result never comes, the two keep each other
/// in memory. Move what [`wait`](Shared::wait) returns into it instead: `let answer = shared.wait();`, then
/// `async move { answer.await }`.
///
/// ```
/// use reactor::{Deferred, deferred::Shared};
///
/// let (answer, firer) = Deferred::<String>::new();
/// let shared = Shared::new(answer);
/// let (first, second) = (shared.wait(), shared.wait());
/// firer.callback("forty-two".to_owned())?;
/// let late = shared.wait();
/// for waiter in [first, second, late] {
///     assert_eq!(waiter.result().as_deref(), Some("forty-two"));
/// }
/// # Ok::<(), reactor::error::AlreadyCalledError>(())
/// ```
pub struct Shared<T: Clone + 'static> {
    sharing: Rc<Sharing<T>>,
}

/// What handles and waiters share.
struct Sharing<T: Clone + 'static> {
    handout: Rc<Handout<T>>,
    /// Used to cancel the source.
    source: RefCell<Option<FlatRc<dyn Control>>>,
}

/// Where the last step of the source puts the result.
struct Handout<T: Clone + 'static> {
    result: OnceCell<Result<T, Failure>>,
    waiters: Tickets<FlatRc<Head<T>>>,
    /// Whether a waiter has got the result, and so is responsible for the failure.
    was_told: Cell<bool>,
    /// Whether we have cancelled the source, because nobody wanted the result any more.
    was_cancelled: Cell<bool>,
}

impl<T: Clone + 'static> Shared<T> {
    /// Shares the result of `deferred`.
    pub fn new(deferred: Deferred<T>) -> Shared<T> {
        let handout = Rc::new(Handout {
            result: OnceCell::new(),
            waiters: Tickets::new(),
            was_told: Cell::new(false),
            was_cancelled: Cell::new(false),
        });
        let source = match deferred.try_result() {
            Ok(result) => {
                handout.keep(result);
                None
            }
            Err(chain) => {
                let source =
                    chain.end_with(FlatRc::new(Rc::new(Give { handout: handout.clone(), inbox: Cell::new(None) })));
                source.gate().set_waiter(Waiter::Many);
                Some(source)
            }
        };
        Shared { sharing: Rc::new(Sharing { handout, source: RefCell::new(source) }) }
    }

    /// A Deferred of its own, which fires with a clone of the result: at once if the result is here.
    ///
    /// A cancel fails this waiter only. If it was the last waiter, nobody wants the result, and the source is cancelled
    /// too. Dropping the Deferred, if nothing follows it, also gives up its place, but never cancels the source.
    #[track_caller]
    pub fn wait(&self) -> Deferred<T> {
        let handout = &self.sharing.handout;
        let made = Location::caller();
        if let Some(result) = handout.result.get() {
            handout.was_told.set(true);
            return Deferred::from_result_at(result.clone(), made);
        }
        let ticket = handout.waiters.next();
        let head = Head::new(None, made);
        if trace::is_on()
            && let Some(source) = &*self.sharing.source.borrow()
        {
            trace::report(head.number(), DeferredEvent::Shares { source: source.number() });
        }
        handout.waiters.add(FlatRc::new(head.clone()));
        let control = Rc::new(SharedWaiterControl { head: head.clone(), ticket, sharing: self.sharing.clone() });
        Deferred::from_chain(Chain::new(FlatRc::new(head), FlatRc::new(control)))
    }

    /// Whether the result is here.
    pub fn has_fired(&self) -> bool {
        self.sharing.handout.result.get().is_some()
    }

    /// How many callers wait.
    pub fn waiting_count(&self) -> usize {
        self.sharing.handout.waiters.len()
    }
}

impl<T: Clone + 'static> Deferred<T> {
    /// Lets several callers wait for the result; see [`Shared`].
    #[track_caller]
    pub fn share(self) -> Shared<T> {
        Shared::new(self)
    }
}

impl<T: Clone + 'static> Clone for Shared<T> {
    fn clone(&self) -> Shared<T> {
        Shared { sharing: self.sharing.clone() }
    }
}

impl<T: Clone + 'static> fmt::Debug for Shared<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = if self.has_fired() { "fired" } else { "pending" };
        write!(f, "Shared({state}, {} waiting)", self.waiting_count())
    }
}

impl<T: Clone + 'static> Handout<T> {
    fn keep(&self, result: Result<T, Failure>) {
        let kept = self.result.set(result);
        debug_assert!(kept.is_ok(), "a chain fires once");
    }
}

impl<T: Clone + 'static> Drop for Handout<T> {
    fn drop(&mut self) {
        let was_told = self.was_told.get();
        if let Some(Err(failure)) = self.result.take()
            && !was_told
            && !(self.was_cancelled.get() && failure.is_cancellation())
        {
            drop(Outcome::<()>::new(Err(failure)));
        }
    }
}

/// The last step of the source.
struct Give<T: Clone + 'static> {
    handout: Rc<Handout<T>>,
    inbox: Cell<Option<Outcome<T>>>,
}

impl<T: Clone + 'static> Plain for Give<T> {}

impl<T: Clone> Accept<T> for Give<T> {
    fn accept(self: Rc<Self>, input: Result<T, Failure>) -> Rc<dyn Run> {
        self.inbox.set(Some(Outcome::new(input)));
        self
    }
}

impl<T: Clone> Run for Give<T> {
    fn run(self: Rc<Self>, trampoline: &mut Trampoline) -> Next {
        let Some(input) = self.inbox.take().map(Outcome::into_inner) else { return Next::Nothing };
        // If a `Clone` panics, the waiter for which the copy was made fails with a `PanicError`.
        let copy =
            |trampoline: &mut Trampoline| trampoline.call(|| input.clone(), Location::caller()).unwrap_or_else(Err);
        let handout = &self.handout;
        if handout.result.get().is_none() {
            let kept = copy(trampoline);
            handout.keep(kept);
        }
        while let Some(head) = handout.waiters.remove_oldest() {
            if !matches!(head.admit(head.made()), Ok(Firing::Counts)) {
                continue;
            }
            handout.was_told.set(true);
            let result = copy(trampoline).map_err(|mut failure| {
                failure.pass(Waypoint::Made(head.made()));
                failure
            });
            head.tell_fired(&result);
            // One at a time: the next one when all that follows from this one has come to rest.
            if !handout.waiters.is_empty() {
                self.inbox.set(Some(Outcome::new(input)));
                trampoline.postpone_alone(self.clone());
            }
            return head.deliver(result);
        }
        // Callers that ask from now on get a clone of the kept result. If none ever does, `Handout` reports a failure.
        Next::Nothing
    }
}

/// Runs when the last waiter has been cancelled and its chain has come to rest. Cancels the source, unless another
/// waiter has come meanwhile.
struct Unwanted<T: Clone + 'static> {
    sharing: Rc<Sharing<T>>,
    at: Place,
}

impl<T: Clone + 'static> Plain for Unwanted<T> {}

impl<T: Clone> Run for Unwanted<T> {
    fn run(self: Rc<Self>, trampoline: &mut Trampoline) -> Next {
        if self.sharing.handout.waiters.is_empty() {
            self.sharing.handout.was_cancelled.set(true);
            trampoline.cancel(self.sharing.source.take().into_iter(), self.at);
        }
        Next::Nothing
    }
}

/// The control of a waiter's chain. When it is dropped, the waiter gives up its place.
struct SharedWaiterControl<T: Clone + 'static> {
    head: Rc<Head<T>>,
    ticket: u64,
    sharing: Rc<Sharing<T>>,
}

impl<T: Clone + 'static> SharedWaiterControl<T> {
    /// Takes the waiter out if it can no longer receive. A result that is shared for a long time, such as a stop that
    /// everything waits for, would otherwise keep a place for each caller that ever asked.
    fn give_up(&self) {
        // Two more links to the head: this control has one, and the list of waiters.
        if self.head.is_abandoned(2) {
            drop(self.sharing.handout.waiters.remove(self.ticket));
        }
    }
}

impl<T: Clone + 'static> Drop for SharedWaiterControl<T> {
    fn drop(&mut self) {
        self.give_up();
    }
}

impl<T: Clone> Node for SharedWaiterControl<T> {
    fn remains(self: Rc<Self>) -> Option<Rc<dyn Node>> {
        Some(self)
    }

    fn put_off(&self) {
        self.give_up();
    }
}

impl<T: Clone> TellsStatus for SharedWaiterControl<T> {
    fn status(&self) -> Status {
        let mut status = self.head.status();
        if !self.head.called() {
            let source = self.sharing.source.borrow();
            status.inputs = Some(source.iter().map(|source| source.clone().into_rc() as Rc<dyn TellsStatus>).collect());
        }
        status
    }

    fn number(&self) -> u64 {
        self.head.number()
    }
}

impl<T: Clone> Control for SharedWaiterControl<T> {
    fn gate(&self) -> &Gate {
        self.head.gate()
    }

    fn cancel(self: Rc<Self>, at: Place, trampoline: &mut Trampoline) -> Next {
        if self.head.called() {
            self.gate().cancel_inner(at, trampoline);
            return Next::Nothing;
        }
        let handout = &self.sharing.handout;
        handout.was_told.set(true); // Of the cancel.
        drop(handout.waiters.remove(self.ticket));
        if handout.waiters.is_empty() && handout.result.get().is_none() {
            trampoline.postpone_alone(Rc::new(Unwanted { sharing: self.sharing.clone(), at }));
        }
        self.head.fail_cancelled(at)
    }

    fn waited_for(&self, number: usize) -> WaitedFor {
        match &*self.sharing.source.borrow() {
            Some(source) if number == 0 && !self.head.called() => WaitedFor::Chain(source.clone()),
            _ => self.gate().waited_for(number),
        }
    }
}
