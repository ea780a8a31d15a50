//! [`Trampoline`]: the loop that runs a chain, however long it is, in constant stack.
//!
//! A chain is one small object for each callback that waits, linked from the end that fires to the end that adds:
//!
//! ```text
//!   Firer --> Head<T> --Out--> Step<T, U> --Out--> Step<U, V> <-- Deferred<V> (tail)
//!               ^                                                    |
//!               +------ its control: pauses it, cancels it ----------+
//! ```
//!
//! Each node takes its input, does its work and hands the result to the node that follows. If each node simply called
//! the next one, a million of them would need a million frames of the stack. So a node *returns* what must run next, a
//! [`Next`], and this loop calls it.
//!
//! # An example
//!
//! `inner` is a Deferred that has not fired.
//!
//! ```text
//!   let chain = deferred.add_callback(a).add_callback(|_| inner).add_callback(c);
//!   firer.callback(1);
//!
//!   Firer::callback(1)
//!     Head: admits the firing, takes the step that follows, makes a Trampoline
//!     Step a:  runs a(1), pushes its result into its Out
//!       Step b:  runs, and gets a Deferred that has not fired: it waits, as what follows the last step of `inner`;
//!                the control of this chain notes the control of `inner`, so that a cancel finds the way
//!     Next::Nothing: the trampoline ends, and `callback` returns
//!
//!   fire_inner.callback(2)
//!     Head of inner:  nothing follows in its own chain, but Step b waits: b takes the result
//!     Next::OtherChain(Step b): the trampoline runs it in b's own chain
//!       Step b:  pushes 2 into its Out
//!         Step c:  runs c(2); nobody follows, so the result stays in c's Out until it is asked for
//!     Next::Nothing: the trampoline ends
//! ```
//!
//! Step b ran inside step a, one call deeper: that is quick, and most chains are short. After [`MAX_DEPTH`] such calls
//! a step returns [`Next::Step`] instead, so the calls return and the stack is as it was. From one chain to another
//! only the trampoline goes on, so a million Deferreds that wait for each other use no stack.
//!
//! # Order
//!
//! * A firing has a trampoline of its own. A callback that fires another Deferred therefore runs that chain nested, to
//!   its end, before the callback goes on: Twisted's order.
//! * Work that must wait for all this is postponed ([`Postponed`]), last in, first out. Cancels are postponed too: the
//!   trampoline follows what the chain waits for, one link after the other, and everything that one cancel leads to
//!   comes to rest before the next cancel.
//! * A panic of a callback becomes a failure, which the rest of the chain gets. The panic itself is kept, and resumes
//!   at the end in the code that fired (see `panics.rs`). So the chain gives back a lock that it holds and sends a
//!   reply that it owes, and a test that fails inside a callback still fails.
//!
//! Next: `step.rs`, one callback.

use super::control::{self, Control};
use super::flat_rc::{FlatRc, Node};
use super::nesting::{self, Level};
use super::panics::{self, Payload, caught};
use super::waking;
use crate::context;
use crate::deferred::story::Place;
use crate::error::PanicError;
use crate::trace::{self, DeferredEvent};
use crate::{Context, Failure};
use std::mem;
use std::rc::Rc;
use std::task::Waker;

/// A node that has what it needs and may run.
pub(crate) trait Run: Node {
    /// Does its work and hands the result on. Returns what must run next.
    fn run(self: Rc<Self>, trampoline: &mut Trampoline) -> Next;
}

/// What must run next.
pub(crate) enum Next {
    /// The next node of the same chain.
    Step(Rc<dyn Run>),
    /// A node of another chain, and that chain's control if it still has one.
    OtherChain(Rc<dyn Run>, Option<Rc<dyn Control>>),
    /// Code outside of all chains that waits for the result.
    Wake(Waker),
    /// Nothing: the chain has ended, waits, or is paused.
    Nothing,
}

/// A step as the node before it in the same chain sees it.
pub(crate) trait Accept<T>: Node {
    /// Takes the input, to run later: returns itself.
    fn accept(self: Rc<Self>, input: Result<T, Failure>) -> Rc<dyn Run>;

    /// Takes the input and runs, inside `trampoline`, which is in this chain. The chain is not paused.
    fn run_with(self: Rc<Self>, input: Result<T, Failure>, trampoline: &mut Trampoline) -> Next {
        self.accept(input).run(trampoline)
    }
}

/// A step that waits for a Deferred, as the last node of that Deferred's chain sees it.
pub(crate) trait Resume<T>: Node {
    /// Takes the result of that Deferred.
    fn resume(self: Rc<Self>, result: Result<T, Failure>) -> Next;
}

/// What the trampoline does when everything before it has come to rest.
pub(super) enum Postponed {
    /// Runs a node, in the chain of this control, if that still exists.
    Run(Rc<dyn Run>, Option<Rc<dyn Control>>),
    /// Cancels a chain, for the cancel that stands at this place in the source.
    Cancel(FlatRc<dyn Control>, Place),
}

/// The loop of one firing, and what it must remember.
pub(crate) struct Trampoline {
    /// The control of the chain that runs.
    pub(crate) control: Option<Rc<dyn Control>>,
    /// A stack: the last one runs first. Most firings postpone nothing and allocate nothing.
    pub(super) postponed: Option<Vec<Postponed>>,
    /// The first panic of the user's code.
    panic: Option<Payload>,
    /// How many steps have run inside each other since the loop called one.
    depth: u32,
}

/// How many steps run inside each other before one returns to the loop. Most chains are shorter and never need the
/// loop; for longer ones it keeps the stack small.
const MAX_DEPTH: u32 = 16;

impl Trampoline {
    #[inline]
    pub(crate) fn new(control: Option<Rc<dyn Control>>) -> Trampoline {
        Trampoline { control, postponed: None, panic: None, depth: 0 }
    }

    /// The control of the chain that runs, if that chain is paused.
    #[inline]
    pub(super) fn paused_control(&self) -> Option<&Rc<dyn Control>> {
        if control::some_are_paused() {
            self.control.as_ref().filter(|control| control.gate().is_paused())
        } else {
            None
        }
    }

    /// Counts a call of one step inside another. Returns false if the step must return to the loop instead.
    #[inline]
    pub(super) fn descend(&mut self) -> bool {
        self.depth += 1;
        self.depth < MAX_DEPTH
    }

    /// Runs `run`, a node of the chain that runs now, when everything that is under way has come to rest.
    pub(crate) fn postpone(&mut self, run: Rc<dyn Run>) {
        let control = self.control.clone();
        self.postponed.get_or_insert_default().push(Postponed::Run(run, control));
    }

    /// The same for a node that does not belong to a chain, or that need not wait for the pauses of its chain.
    pub(crate) fn postpone_alone(&mut self, run: Rc<dyn Run>) {
        self.postponed.get_or_insert_default().push(Postponed::Run(run, None));
    }

    /// Cancels each of these in turn, with all that it waits for. If a canceller panics, the others are cancelled all
    /// the same.
    pub(crate) fn cancel(&mut self, controls: impl DoubleEndedIterator<Item = FlatRc<dyn Control>>, at: Place) {
        let cancels = controls.rev().map(|control| Postponed::Cancel(control, at));
        self.postponed.get_or_insert_default().extend(cancels);
    }

    /// Calls `callback`. If it panics, returns the panic as a failure, and keeps the panic itself for the end of the
    /// loop.
    #[inline]
    pub(crate) fn call<R>(&mut self, callback: impl FnOnce() -> R, at: Place) -> Result<R, Failure> {
        caught(callback).map_err(|payload| self.panicked(payload, at))
    }

    #[cold]
    fn panicked(&mut self, payload: Payload, at: Place) -> Failure {
        let failure = Failure::at(PanicError::new(&*payload), at);
        self.keep_panic(payload);
        failure
    }

    /// Does `work`, which may drop one of the user's values, while a result is on its way. A panic must not lose that
    /// result, so it is kept for the end of the loop.
    pub(crate) fn shielded(&mut self, work: impl FnOnce()) {
        if let Err(payload) = caught(work) {
            self.keep_panic(payload);
        }
    }

    /// Keeps a panic for the end of the loop, unless there is one already.
    pub(crate) fn keep_panic(&mut self, payload: Payload) {
        self.panic.get_or_insert(payload);
    }

    /// Runs a new loop, in no context, inside those that run already; or leaves it to the innermost of them, if there
    /// are too many (see `nesting.rs`).
    pub(crate) fn begin(mut self, first: Next) {
        if context::is_set() {
            return Context::empty().run(|| self.begin(first));
        }
        match Level::begin() {
            Some(_level) => self.go(first),
            None => nesting::run_or_leave(self, first),
        }
    }

    /// Runs `first` and all that follows, until everything has ended, waits or is paused.
    #[inline]
    pub(super) fn go(&mut self, first: Next) {
        // Most firings have nothing left to do here.
        if matches!(first, Next::Nothing) && self.postponed.is_none() && self.panic.is_none() {
            mem::forget(first); // There is nothing to drop, and without this a call to find that out.
            return;
        }
        self.run_all(first);
    }

    /// The same, and then resumes the first panic.
    #[inline(never)]
    fn run_all(&mut self, first: Next) {
        let mut next = first;
        // The user's code may panic outside of all callbacks, in a `Drop`: that ends its own chain, and no other.
        while let Err(payload) = caught(|| self.run_until_rest(next)) {
            self.keep_panic(payload);
            next = Next::Nothing;
        }
        if let Some(payload) = self.panic.take() {
            panics::resume(payload);
        }
    }

    /// The loop.
    fn run_until_rest(&mut self, first: Next) {
        let mut next = first;
        // The number of the present walk of cancels, which goes from control to control and ends when a node runs.
        let mut walk = None;
        loop {
            let node = match next {
                Next::Step(node) => node,
                Next::OtherChain(node, control) => {
                    self.control = control;
                    node
                }
                Next::Wake(waker) => {
                    next = waking::wake(waker, self);
                    continue;
                }
                Next::Nothing => match self.postponed.as_mut().and_then(Vec::pop) {
                    Some(Postponed::Run(node, control)) => {
                        self.control = control;
                        node
                    }
                    Some(Postponed::Cancel(control, at)) => {
                        // Circles are refused (see `circle.rs`); if one came about all the same, a cancel must end.
                        let walk = *walk.get_or_insert_with(control::new_walk);
                        if control.gate().visit(walk) {
                            next = control.into_rc().cancel(at, self);
                        }
                        continue;
                    }
                    None => break,
                },
            };
            self.depth = 0;
            walk = None;
            // A pause may have begun since this node was given its input.
            next = match self.paused_control() {
                Some(control) => {
                    control.gate().park(node);
                    Next::Nothing
                }
                None => node.run(self),
            };
        }
    }
}

/// Runs `node` and all that follows, in a trampoline of its own.
pub(crate) fn run(node: Rc<dyn Run>, control: Option<Rc<dyn Control>>) {
    go(Next::OtherChain(node, control));
}

/// Runs `next` and all that follows, in a trampoline of its own.
pub(crate) fn go(next: Next) {
    // Most often nothing waited for the result.
    if !matches!(next, Next::Nothing) {
        Trampoline::new(None).begin(next);
    }
}

/// Cancels the chain of `control`: follows what it waits for, however deep, to what can be cancelled. If a canceller
/// panics, the panic resumes at the end.
pub(crate) fn cancel(control: FlatRc<dyn Control>, at: Place) {
    if trace::is_on() {
        trace::report(control.number(), DeferredEvent::CancelAsked { place: at });
    }
    let mut trampoline = Trampoline::new(None);
    trampoline.cancel([control].into_iter(), at);
    trampoline.begin(Next::Nothing);
}
