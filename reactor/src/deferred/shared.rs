//! [`Shared`]: one result for several who wait.
//!
//! A Deferred has one chain. In Twisted two callbacks may nevertheless return the same Deferred, and the first gets
//! its value, the second `None`, as a success; cancelling either cancels the work of both. Here the types forbid it (a
//! Deferred is consumed by whoever waits for it), and this is what to use instead: each waiter gets a Deferred of its
//! own, with a clone of the result, and can be cancelled alone.
//!
//! ```text
//!   source chain --[Give]--> waiter's Head --> ... <-- Deferred
//!        ^                        ^                      |
//!        |                        +--- WaiterRoot <------+
//!        +------ root ---- Control <-----+
//! ```
//!
//! Who is responsible for a failure: each waiter for its own clone. If several let it drop, it is logged once, as the
//! clones of a [`Failure`] are one error. If nobody ever asked, it is logged when the last handle is dropped.
//!
//! The waiters are fired in the order in which they asked, one after the other, by the loop that runs the source: a row
//! of shared results, each of which waits for the one before, uses constant stack.

use super::Deferred;
use super::chain::{Accept, Run, Then, Turn};
use super::ends::Ends;
use super::head::{Admitted, Head};
use super::held::{Held, Node};
use super::history::Place;
use super::root::{Gate, Root};
use super::unhandled::Outcome;
use super::waiting::Stage;
use crate::Failure;
use crate::failure::Waypoint;
use std::cell::{Cell, OnceCell, RefCell};
use std::collections::BTreeMap;
use std::fmt;
use std::panic::Location;
use std::rc::Rc;

/// A result that any number may wait for. All clones of a handle are the same.
///
/// A handle keeps alive what it shares, and whoever waits for it. So a callback or a coroutine that waits for the
/// result should not itself hold the last handle: if the result never comes they keep each other in memory. Move what
/// [`wait`](Shared::wait) gives into it instead: `let answer = shared.wait();`, then `async move { answer.await }`.
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
    control: Rc<Control<T>>,
}

/// What handles and waiters have in common; it reaches the source, to cancel it.
struct Control<T: Clone + 'static> {
    handout: Rc<Handout<T>>,
    root: RefCell<Option<Held<dyn Root>>>,
}

/// What the source's last step gives its result to.
struct Handout<T: Clone + 'static> {
    result: OnceCell<Result<T, Failure>>,
    /// By ticket, so the oldest is the first. Without a limit here: each is somebody's Deferred.
    waiters: RefCell<BTreeMap<u64, Held<Head<T>>>>,
    next_ticket: Cell<u64>,
    /// Whether somebody is responsible for the failure.
    told: Cell<bool>,
    /// Whether we have cancelled the source, as nobody wanted it any more.
    cancelled: Cell<bool>,
}

impl<T: Clone + 'static> Shared<T> {
    /// Shares what `deferred` comes to.
    pub fn new(deferred: Deferred<T>) -> Shared<T> {
        let given = Rc::new(Handout {
            result: OnceCell::new(),
            waiters: RefCell::default(),
            next_ticket: Cell::new(0),
            told: Cell::new(false),
            cancelled: Cell::new(false),
        });
        let root = match deferred.settled() {
            Ok(result) => {
                given.keep(result);
                None
            }
            Err(ends) => Some(ends.link(Held::new(Rc::new(Give { given: given.clone(), inbox: Cell::new(None) })))),
        };
        Shared { control: Rc::new(Control { handout: given, root: RefCell::new(root) }) }
    }

    /// A clone of the result, now or when it is there.
    ///
    /// A cancel fails this one only. But if by that all have been cancelled who ever asked, nobody wants the result,
    /// and its source is cancelled. Who has dropped the Deferred, with nothing that follows it, has given up too; that
    /// alone cancels nothing.
    #[track_caller]
    pub fn wait(&self) -> Deferred<T> {
        let given = &self.control.handout;
        let made = Location::caller();
        if let Some(result) = given.result.get() {
            given.told.set(true);
            return Deferred::from_result_at(result.clone(), made);
        }
        let ticket = given.next_ticket.get();
        given.next_ticket.set(ticket + 1);
        let head = Head::new(None, made);
        given.waiters.borrow_mut().insert(ticket, Held::new(head.clone()));
        let root = Rc::new(WaiterRoot { head: head.clone(), ticket, control: self.control.clone() });
        Deferred::from_ends(Ends::new(Held::new(head), Held::new(root)))
    }

    /// Whether the result is there.
    pub fn has_fired(&self) -> bool {
        self.control.handout.result.get().is_some()
    }

    /// How many wait.
    pub fn waiting(&self) -> usize {
        self.control.handout.waiters.borrow().len()
    }
}

impl<T: Clone + 'static> Deferred<T> {
    /// Lets several wait for the result; see [`Shared`].
    #[track_caller]
    pub fn share(self) -> Shared<T> {
        Shared::new(self)
    }
}

impl<T: Clone + 'static> Clone for Shared<T> {
    fn clone(&self) -> Shared<T> {
        Shared { control: self.control.clone() }
    }
}

impl<T: Clone + 'static> fmt::Debug for Shared<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = if self.has_fired() { "fired" } else { "pending" };
        write!(f, "Shared({state}, {} waiting)", self.waiting())
    }
}

impl<T: Clone + 'static> Handout<T> {
    fn keep(&self, result: Result<T, Failure>) {
        let kept = self.result.set(result);
        debug_assert!(kept.is_ok(), "a chain fires once");
    }

    fn nobody_waits(&self) -> bool {
        self.waiters.borrow().is_empty()
    }

    fn pop_oldest(&self) -> Option<Held<Head<T>>> {
        self.waiters.borrow_mut().pop_first().map(|(_, head)| head)
    }
}

impl<T: Clone + 'static> Drop for Handout<T> {
    fn drop(&mut self) {
        let told = self.told.get();
        if let Some(Err(failure)) = self.result.take()
            && !told
            && !(self.cancelled.get() && failure.is_cancellation())
        {
            drop(Outcome::<()>::new(Err(failure)));
        }
    }
}

/// The last step of the source.
struct Give<T: Clone + 'static> {
    given: Rc<Handout<T>>,
    inbox: Cell<Option<Outcome<T>>>,
}

impl<T: Clone> Node for Give<T> {
    fn remains(self: Rc<Self>) -> Option<Rc<dyn Node>> {
        Some(self)
    }
}

impl<T: Clone> Accept<T> for Give<T> {
    fn run_with(self: Rc<Self>, input: Result<T, Failure>, turn: &mut Turn) -> Then {
        // What a waiter's `Clone` panics of is told to that waiter.
        let copy = |turn: &mut Turn| turn.call(|| input.clone(), Location::caller()).unwrap_or_else(Err);
        let given = &self.given;
        if given.result.get().is_none() {
            let kept = copy(turn);
            given.keep(kept);
        }
        while let Some(head) = given.pop_oldest() {
            if !matches!(head.admit(head.made()), Ok(Admitted::First)) {
                continue;
            }
            given.told.set(true);
            let result = copy(turn).map_err(|mut failure| {
                failure.pass(Waypoint::Made(head.made()));
                failure
            });
            // One at a time: the next one when all that follows from this one has come to rest.
            if !given.nobody_waits() {
                self.inbox.set(Some(Outcome::new(input)));
                turn.later_alone(self.clone());
            }
            return head.deliver(result);
        }
        // Whoever asks from now on gets a clone of what is kept; if nobody ever does, it is reported there.
        Then::Nothing
    }

    fn accept(self: Rc<Self>, input: Result<T, Failure>) -> Rc<dyn Run> {
        self.inbox.set(Some(Outcome::new(input)));
        self
    }
}

impl<T: Clone> Run for Give<T> {
    fn run(self: Rc<Self>, turn: &mut Turn) -> Then {
        match self.inbox.take() {
            Some(input) => self.run_with(input.into_inner(), turn),
            None => Then::Nothing,
        }
    }
}

/// Cancels the source, when the last waiter has been told of its own cancel and nobody has come to wait meanwhile.
struct Unwanted<T: Clone + 'static> {
    control: Rc<Control<T>>,
    at: Place,
}

impl<T: Clone> Node for Unwanted<T> {
    fn remains(self: Rc<Self>) -> Option<Rc<dyn Node>> {
        Some(self)
    }
}

impl<T: Clone> Run for Unwanted<T> {
    fn run(self: Rc<Self>, turn: &mut Turn) -> Then {
        if self.control.handout.nobody_waits() {
            self.control.handout.cancelled.set(true);
            turn.cancel(self.control.root.take().into_iter(), self.at);
        }
        Then::Nothing
    }
}

/// The root of a waiter's chain: by it the waiter gives its place up.
struct WaiterRoot<T: Clone + 'static> {
    head: Rc<Head<T>>,
    ticket: u64,
    control: Rc<Control<T>>,
}

impl<T: Clone + 'static> WaiterRoot<T> {
    /// Takes the waiter out if nobody can receive any more: a result that is shared for long, as a stop that all wait
    /// for, would else keep a place for each who ever asked.
    fn give_up(&self) {
        // Two more have it: this root, and the list.
        if self.head.is_abandoned(2) {
            let taken = self.control.handout.waiters.borrow_mut().remove(&self.ticket);
            drop(taken); // Outside of the borrow.
        }
    }
}

impl<T: Clone + 'static> Drop for WaiterRoot<T> {
    fn drop(&mut self) {
        self.give_up();
    }
}

impl<T: Clone> Node for WaiterRoot<T> {
    fn remains(self: Rc<Self>) -> Option<Rc<dyn Node>> {
        Some(self)
    }

    fn put_off(&self) {
        self.give_up();
    }
}

impl<T: Clone> Root for WaiterRoot<T> {
    fn gate(&self) -> &Gate {
        self.head.gate()
    }

    fn cancel(self: Rc<Self>, at: Place, turn: &mut Turn) -> Then {
        if self.head.called() {
            turn.cancel(self.gate().waits_on().map(|waits| waits.root).into_iter(), at);
            return Then::Nothing;
        }
        let given = &self.control.handout;
        given.told.set(true); // Of the cancel.
        drop(given.waiters.borrow_mut().remove(&self.ticket));
        if given.nobody_waits() && given.result.get().is_none() {
            turn.later_alone(Rc::new(Unwanted { control: self.control.clone(), at }));
        }
        self.head.fail_cancelled(at)
    }

    fn some_waited_for(&self, _at_most: usize) -> Vec<Held<dyn Root>> {
        match self.gate().waits_on() {
            Some(waits) => vec![waits.root],
            None if self.head.called() => Vec::new(),
            None => self.control.root.borrow().iter().cloned().collect(),
        }
    }

    fn stage(&self) -> Stage {
        let mut stage = self.head.stage();
        if !self.head.called() {
            stage.inputs = Some(self.control.root.borrow().iter().cloned().collect());
        }
        stage
    }
}
