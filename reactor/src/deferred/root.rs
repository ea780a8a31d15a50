//! [`Root`]: a chain as its Deferred and whoever waits for it see it: by it the chain is paused, cancelled and asked
//! what it waits for.
//!
//! A Deferred holds the root of its chain, and a root holds the root that it waits for. Nothing that fires holds a
//! root: when both ends of a chain are gone, so is the chain.

use super::chain::{self, Run, Then};
use super::held::{Held, Node};
use super::history::Place;
use super::out::Tail;
use super::unhandled::Outcome;
use super::waiting::Stage;
use crate::Failure;
use std::cell::Cell;
use std::panic::Location;
use std::rc::Rc;

/// The root of a chain.
pub(super) trait Root: Node {
    fn gate(&self) -> &Gate;

    /// Cancels what has not fired, or has `turn` cancel what it waits for instead; gives back what is to run next. A
    /// panic of the user's is kept in `turn`.
    fn cancel(self: Rc<Self>, at: Place, turn: &mut chain::Turn) -> Then {
        turn.cancel(self.gate().waits_on().map(|waits| waits.root).into_iter(), at);
        Then::Nothing
    }

    /// Chains that this one waits for, at most so many: for looking for circles.
    fn some_waited_for(&self, _at_most: usize) -> Vec<Held<dyn Root>> {
        self.gate().waits_on().map(|waits| waits.root).into_iter().collect()
    }

    /// How far the chain is, and what it waits for.
    fn stage(&self) -> Stage;

    /// The root for those who only cancel or pause, if this one is to tell by its own end that nobody receives.
    fn for_onlookers(&self) -> Option<Held<dyn Root>> {
        None
    }
}

/// Holds a chain back while it is paused.
///
/// The rule that the others lean on: while a chain is paused no node of it has its result in its `Out`; the result
/// waits here, in what is parked.
#[derive(Default)]
pub(super) struct Gate {
    paused: Cell<u32>,
    /// How many [`Canceller`]s there are.
    cancellers: Cell<u32>,
    /// What is to run when the pause ends. There is at most one: what runs next in a chain.
    parked: Cell<Option<Rc<dyn Run>>>,
    waits_on: Cell<Option<WaitsOn>>,
}

/// What a chain waits for.
#[derive(Clone)]
pub(super) struct WaitsOn {
    pub(super) root: Held<dyn Root>,
    /// Where the callback was added that gave it back.
    pub(super) by: Place,
}

impl Gate {
    /// Whether nothing is in it any more.
    #[inline]
    pub(super) fn is_spent(&mut self) -> bool {
        self.onlookers() == 0 && self.parked.get_mut().is_none() && self.waits_on.get_mut().is_none()
    }

    #[inline]
    pub(super) fn is_paused(&self) -> bool {
        self.paused.get() > 0
    }

    pub(super) fn pauses(&self) -> u32 {
        self.paused.get()
    }

    /// How many hold the root who receive nothing by it.
    pub(super) fn onlookers(&self) -> usize {
        self.paused.get() as usize + self.cancellers.get() as usize
    }

    /// Keeps what is to run when the pause ends.
    pub(super) fn park(&self, run: Rc<dyn Run>) {
        self.parked.set(Some(run));
    }

    pub(super) fn wait_on(&self, root: Held<dyn Root>, by: Place) {
        drop(self.waits_on.replace(Some(WaitsOn { root, by })));
    }

    pub(super) fn stop_waiting(&self) -> Option<WaitsOn> {
        self.waits_on.take()
    }

    pub(super) fn waits_on(&self) -> Option<WaitsOn> {
        let waits_on = self.waits_on.take();
        self.waits_on.set(waits_on.clone());
        waits_on
    }
}

thread_local!(static PAUSES: Cell<usize> = const { Cell::new(0) });

/// Whether any chain of this thread is paused: asked first after each callback, because it costs next to nothing.
#[inline]
pub(super) fn some_are_paused() -> bool {
    PAUSES.get() > 0
}

/// Keeps the result of `tail` back until the pause of its chain ends.
pub(super) fn hold_back<T: 'static>(gate: &Gate, tail: Rc<dyn Tail<T>>, result: Result<T, Failure>) {
    gate.park(Rc::new(HeldBack { tail: Held::new(tail), result: Cell::new(Some(Outcome::new(result))) }));
}

/// A result that waits for the end of a pause.
struct HeldBack<T: 'static> {
    tail: Held<dyn Tail<T>>,
    result: Cell<Option<Outcome<T>>>,
}

impl<T> Node for HeldBack<T> {
    fn remains(self: Rc<Self>) -> Option<Rc<dyn Node>> {
        Some(self)
    }
}

impl<T> Run for HeldBack<T> {
    fn run(self: Rc<Self>, turn: &mut chain::Turn) -> Then {
        match self.result.take() {
            Some(outcome) => self.tail.out().push(outcome.into_inner(), turn),
            None => Then::Nothing,
        }
    }
}

/// The root of a chain that goes on from a Deferred which a callback gave back after the first one had fired: it has no
/// firing end of its own.
pub(super) struct Segment {
    gate: Gate,
    made: Place,
}

impl Segment {
    pub(super) fn new(made: Place) -> Rc<Segment> {
        Rc::new(Segment { gate: Gate::default(), made })
    }
}

impl Node for Segment {
    fn remains(self: Rc<Self>) -> Option<Rc<dyn Node>> {
        Some(self)
    }
}

impl Root for Segment {
    fn gate(&self) -> &Gate {
        &self.gate
    }

    fn stage(&self) -> Stage {
        Stage::of_gate(self.made, &self.gate)
    }
}

/// Holds a Deferred back before its next callback: what [`Deferred::pause`](super::Deferred::pause) gives.
///
/// Dropping it ends the pause, and so does [`unpause`](Pause::unpause). A pause that is never taken back, or taken back
/// once too often, which hang a Deferred of Twisted's for ever, cannot be written.
#[must_use = "the pause ends when this is dropped"]
#[derive(Debug)]
pub struct Pause {
    root: Held<dyn Root>,
}

impl Pause {
    pub(super) fn new(root: Held<dyn Root>) -> Pause {
        let root = root.for_onlookers().unwrap_or(root);
        let gate = root.gate();
        gate.paused.set(gate.paused.get() + 1);
        PAUSES.set(PAUSES.get() + 1);
        Pause { root }
    }

    /// Ends this pause; if it was the last one, what waits runs before this returns.
    pub fn unpause(self) {
        drop(self);
    }
}

impl Drop for Pause {
    fn drop(&mut self) {
        let gate = self.root.gate();
        gate.paused.set(gate.paused.get() - 1);
        PAUSES.set(PAUSES.get() - 1);
        if !gate.is_paused()
            && let Some(parked) = gate.parked.take()
        {
            let root = Rc::clone(&self.root);
            chain::shielded(move || chain::run(parked, Some(root)));
        }
    }
}

/// Cancels a Deferred from elsewhere: what [`Deferred::canceller`](super::Deferred::canceller) gives.
///
/// It reaches the chain as it was when it was asked for, and keeps it alive. Cheap to clone.
#[derive(Debug)]
pub struct Canceller {
    root: Option<Held<dyn Root>>,
}

impl Canceller {
    pub(super) fn new(root: Option<Held<dyn Root>>) -> Canceller {
        Canceller::counted(root.map(|root| root.for_onlookers().unwrap_or(root)))
    }

    fn counted(root: Option<Held<dyn Root>>) -> Canceller {
        if let Some(root) = &root {
            let cancellers = &root.gate().cancellers;
            cancellers.set(cancellers.get() + 1);
        }
        Canceller { root }
    }

    /// The same for whoever knows better where the cancel comes from.
    pub(super) fn cancel_at(&self, at: Place) {
        if let Some(root) = &self.root {
            chain::cancel(root.clone(), at);
        }
    }

    /// Cancels what the chain waits for now; see [`Deferred::cancel`](super::Deferred::cancel).
    #[track_caller]
    pub fn cancel(&self) {
        self.cancel_at(Location::caller());
    }
}

impl Clone for Canceller {
    fn clone(&self) -> Canceller {
        Canceller::counted(self.root.clone())
    }
}

impl Drop for Canceller {
    fn drop(&mut self) {
        if let Some(root) = &self.root {
            let cancellers = &root.gate().cancellers;
            cancellers.set(cancellers.get() - 1);
        }
    }
}
