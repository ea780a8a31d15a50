//! How a chain runs: one small object for each callback that waits, linked from the firing end to the last.
//!
//! ```text
//!   Firer --> Head<T> --Out--> Step<T, U> --Out--> Step<U, V> <-- Deferred<V> (tail)
//!               ^                                                    |
//!               +---- root: by it the chain is paused and cancelled -+
//! ```
//!
//! Strong links point only downstream (and from a Deferred to its root), so nothing leaks when both ends go. Running is
//! a loop, [`Turn::go`]: a step takes its input, calls its closure and hands the result to the next step. A few steps
//! do so directly, one inside the other; then the next one is *returned* to the loop. A million steps use the stack of
//! sixteen. Dropping steps that never ran does not recurse either (`held.rs`).
//!
//! A step whose closure gives back a Deferred that has not fired becomes what follows that one's last step; the root of
//! the waiting chain remembers the root that it waits for, so that a cancel can follow.
//!
//! A cancel is work for the same loop: [`Turn::cancel`] puts off the roots, the loop takes one after the other, and all
//! that one leads to has come to rest before the next one is cancelled. So lists that cancel their inputs, which are
//! lists that fail and cancel theirs, use the stack of one.
//!
//! A panic in a callback is passed on to whoever fired, but not before the rest of the chain has been told: a lock that
//! a chain holds is given back, a reply that it owes is sent, and a test that fails inside a callback still fails.

use super::held::{Held, Node};
use super::history::Place;
use super::root::{self, Root};
use crate::Failure;
use crate::error::PanicError;
use std::any::Any;
use std::cell::{Cell, RefCell};
use std::panic::{self, AssertUnwindSafe};
use std::ptr;
use std::rc::{Rc, Weak};
use std::task::Waker;

/// A node that has what it needs and may run.
pub(super) trait Run: Node {
    /// Does its work and hands the result on; gives back what is to run next.
    fn run(self: Rc<Self>, turn: &mut Turn) -> Then;
}

/// What follows.
pub(super) enum Then {
    /// The next node of the same chain.
    Step(Rc<dyn Run>),
    /// A node of another chain, and that chain's root if anybody still holds it.
    Other(Rc<dyn Run>, Option<Rc<dyn Root>>),
    /// Code outside of all chains that waits for the result.
    Wake(Waker),
    Nothing,
}

/// A step as the node before it sees it.
pub(super) trait Accept<T>: Node {
    /// Runs with that input, in the loop of `turn`, which is in the step's chain; the chain is not paused.
    fn run_with(self: Rc<Self>, input: Result<T, Failure>, turn: &mut Turn) -> Then;
    /// Takes the input; gives back itself, ready to run.
    fn accept(self: Rc<Self>, input: Result<T, Failure>) -> Rc<dyn Run>;
}

/// A step as the Deferred that it waits for sees it.
pub(super) trait Settle<T>: Node {
    /// Takes what that Deferred came to.
    fn settle(self: Rc<Self>, result: Result<T, Failure>) -> Then;
}

/// What a loop is to do when all that it does now has come to rest.
enum Later {
    /// A node that is to run, and the root of its chain if anybody still holds it.
    Run(Rc<dyn Run>, Option<Rc<dyn Root>>),
    /// What is to be cancelled, and where that was asked for.
    Cancel(Held<dyn Root>, Place),
}

/// What a panic carries.
pub(super) type Payload = Box<dyn Any + Send>;

/// One loop over the steps of a firing, with what it must remember. Each firing has its own, so that a callback that
/// fires another Deferred runs that one's chain nested, as in Twisted.
pub(super) struct Turn {
    /// The root of the chain that runs.
    pub(super) root: Option<Rc<dyn Root>>,
    /// What to go on with when the present chain has nothing more to run, last first. There is seldom anything.
    later: Option<Vec<Later>>,
    /// The first panic of a callback.
    panic: Option<Payload>,
    /// How many steps have run inside of each other.
    depth: u32,
}

/// So many steps run each other directly before they return to the loop. Most chains are shorter, and for them the loop
/// is not needed; the stack stays small for the others.
const DEPTH_LIMIT: u32 = 16;

/// So many cancellers run inside of each other because one fires its Deferred, by that fails a list, and the list
/// cancels its other inputs. From then on a list leaves this to the loop that runs the canceller, for when that
/// returns.
const CANCELLER_LIMIT: u32 = 16;

thread_local! {
    /// How many cancellers run inside of each other.
    static CANCELLERS: Cell<u32> = const { Cell::new(0) };
    /// What lists have left to the loop that runs the innermost canceller: for each list what it is to do, last first.
    static PUT_OFF: RefCell<Vec<Vec<Later>>> = const { RefCell::new(Vec::new()) };
}

impl Turn {
    #[inline]
    pub(super) fn new(root: Option<Rc<dyn Root>>) -> Turn {
        Turn { root, later: None, panic: None, depth: 0 }
    }

    /// The root of the chain that runs, if that is paused.
    #[inline]
    pub(super) fn paused_root(&self) -> Option<&Rc<dyn Root>> {
        if root::some_are_paused() { self.root.as_ref().filter(|root| root.gate().is_paused()) } else { None }
    }

    #[inline]
    pub(super) fn may_go_deeper(&mut self) -> bool {
        self.depth += 1;
        self.depth < DEPTH_LIMIT
    }

    /// Goes on with `run` once all that runs next has come to rest.
    pub(super) fn later(&mut self, run: Rc<dyn Run>) {
        let root = self.root.clone();
        self.later.get_or_insert_default().push(Later::Run(run, root));
    }

    /// The same for what belongs to no chain.
    pub(super) fn later_alone(&mut self, run: Rc<dyn Run>) {
        self.later.get_or_insert_default().push(Later::Run(run, None));
    }

    /// Cancels each of these, one after the other, with all that it waits for. A canceller that panics does not keep
    /// the others from being cancelled.
    pub(super) fn cancel(&mut self, roots: impl DoubleEndedIterator<Item = Held<dyn Root>>, at: Place) {
        let cancels = roots.rev().map(|root| Later::Cancel(root, at));
        self.later.get_or_insert_default().extend(cancels);
    }

    /// The same for a list whose result is known: `run` runs when all have been cancelled.
    pub(super) fn cancel_before(&mut self, roots: Vec<Held<dyn Root>>, at: Place, run: Rc<dyn Run>) {
        if CANCELLERS.get() < CANCELLER_LIMIT {
            self.later_alone(run);
            return self.cancel(roots.into_iter(), at);
        }
        let mut rest = Turn::new(None);
        rest.later_alone(run);
        rest.cancel(roots.into_iter(), at);
        // While the thread ends nothing can be put off.
        let left = PUT_OFF.try_with(|put_off| put_off.borrow_mut().extend(rest.later.take()));
        if left.is_err() {
            self.later.get_or_insert_default().extend(rest.later.take().into_iter().flatten());
        }
    }

    /// Calls what the user wants done by a cancel; a panic is kept for the end of the loop. The loop goes on with what
    /// was put off meanwhile.
    pub(super) fn call_canceller(&mut self, canceller: impl FnOnce()) {
        CANCELLERS.set(CANCELLERS.get() + 1);
        let called = caught(canceller);
        CANCELLERS.set(CANCELLERS.get() - 1);
        if let Err(payload) = called {
            self.panic.get_or_insert(payload);
        }
        if CANCELLERS.get() + 1 >= CANCELLER_LIMIT {
            let put_off = PUT_OFF.try_with(RefCell::take).unwrap_or_default();
            // The first of them comes first.
            self.later.get_or_insert_default().extend(put_off.into_iter().rev().flatten());
        }
    }

    /// Calls `callback`; a panic is kept for the end of the loop and becomes a failure here.
    #[inline]
    pub(super) fn call<R>(&mut self, callback: impl FnOnce() -> R, at: Place) -> Result<R, Failure> {
        caught(callback).map_err(|payload| self.panicked(payload, at))
    }

    #[cold]
    fn panicked(&mut self, payload: Payload, at: Place) -> Failure {
        let failure = Failure::at(PanicError::new(&*payload), at);
        self.keep_panic(payload);
        failure
    }

    /// Does what may drop something of the user's, while a result is on its way that must not be lost by a panic; that
    /// is kept for the end of the loop.
    pub(super) fn shielded(&mut self, work: impl FnOnce()) {
        if let Err(payload) = caught(work) {
            self.keep_panic(payload);
        }
    }

    /// Has a panic go on at the end of the loop, unless there is one already.
    pub(super) fn keep_panic(&mut self, payload: Payload) {
        self.panic.get_or_insert(payload);
    }
}

/// Runs `step` and all that follows, until everything has ended, waits or is paused.
pub(super) fn run(step: Rc<dyn Run>, root: Option<Rc<dyn Root>>) {
    go(Then::Other(step, root));
}

/// Runs what is to run next.
pub(super) fn go(then: Then) {
    Turn::new(None).go(then);
}

impl Turn {
    /// Runs what is to run next, and all that follows.
    #[inline]
    pub(super) fn go(&mut self, first: Then) {
        // Most firings have nothing left to do here.
        match first {
            Then::Nothing if self.later.is_none() && self.panic.is_none() => {}
            first => self.run_all(first),
        }
    }

    /// The same, and then lets the first panic go on.
    #[inline(never)]
    fn run_all(&mut self, first: Then) {
        let mut next = first;
        // What panics outside of all callbacks, as a canceller that a list calls, or a `Drop`, ends its own chain only.
        while let Err(payload) = caught(|| self.run_until_rest(next)) {
            self.keep_panic(payload);
            next = Then::Nothing;
        }
        if let Some(payload) = self.panic.take() {
            panic::resume_unwind(payload);
        }
    }

    /// The loop.
    fn run_until_rest(&mut self, first: Then) {
        let mut then = first;
        let mut way = Way::default();
        loop {
            let step = match then {
                Then::Step(step) => step,
                Then::Other(step, root) => {
                    self.root = root;
                    step
                }
                Then::Wake(waker) => {
                    then = super::waker::wake(waker, self);
                    continue;
                }
                Then::Nothing => match self.later.as_mut().and_then(Vec::pop) {
                    Some(Later::Run(step, root)) => {
                        self.root = root;
                        step
                    }
                    Some(Later::Cancel(root, at)) => {
                        if !way.is_back_at(&root) {
                            then = root.into_rc().cancel(at, self);
                        }
                        continue;
                    }
                    None => break,
                },
            };
            self.depth = 0;
            way.begin_again();
            then = match self.paused_root() {
                Some(root) => {
                    root.gate().park(step);
                    Then::Nothing
                }
                None => step.run(self),
            };
        }
    }
}

/// The way of a cancel from root to root, as long as nothing runs: chains that wait for each other in a circle, which
/// is not found when it is longer than some (`step.rs`), would else be followed for ever. Brent's way to notice it: one
/// root is remembered, and after twice as many more another one.
#[derive(Default)]
struct Way {
    /// Weakly, since links are counted, but so that no other root can be in its place.
    met: Option<Weak<dyn Root>>,
    since: usize,
    limit: usize,
}

impl Way {
    fn is_back_at(&mut self, root: &Rc<dyn Root>) -> bool {
        if self.met.as_ref().is_some_and(|met| ptr::addr_eq(met.as_ptr(), Rc::as_ptr(root))) {
            return true;
        }
        self.since += 1;
        if self.since > self.limit {
            *self = Way { met: Some(Rc::downgrade(root)), since: 0, limit: 2 * self.limit + 1 };
        }
        false
    }

    #[inline]
    fn begin_again(&mut self) {
        if self.met.is_some() {
            *self = Way::default();
        }
    }
}

/// Follows what the chain waits for, however deep, to what can be cancelled. The panic of a canceller goes on at the
/// end.
pub(super) fn cancel(root: Held<dyn Root>, at: Place) {
    let mut turn = Turn::new(None);
    turn.cancel([root].into_iter(), at);
    turn.go(Then::Nothing);
}

/// Calls `work`, and catches its panic. Whatever it left half done is not looked at again.
#[inline]
pub(super) fn caught<R>(work: impl FnOnce() -> R) -> Result<R, Payload> {
    panic::catch_unwind(AssertUnwindSafe(work))
}

/// Runs callbacks from inside a `Drop`. If that drop is part of a panic's unwinding, a second panic would abort the
/// process: then it is reported by the panic hook and goes no further.
pub(super) fn shielded(work: impl FnOnce()) {
    if std::thread::panicking() {
        drop(caught(work));
    } else {
        work();
    }
}
