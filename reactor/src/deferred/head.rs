//! [`Head`]: the start of a chain: what a Firer holds, and its root.

use super::Firer;
use super::chain::{self, Accept, Then, Turn};
use super::ends::Ends;
use super::held::{Held, Node};
use super::history::{Place, Trace};
use super::out::{Awaited, Out, Tail};
use super::root::{self, Gate, Root};
use super::spare;
use super::waiting::Stage;
use crate::Failure;
use crate::error::{AlreadyCalledError, CancelledError};
use crate::failure::Waypoint;
use std::cell::Cell;
use std::panic::{self, Location};
use std::rc::Rc;

/// What `cancel` does to the work behind a Deferred.
pub(super) type Stop<T> = Box<dyn FnOnce(&Firer<T>)>;

pub(super) struct Head<T: 'static> {
    gate: Gate,
    out: Out<T>,
    /// Where it was fired first.
    fired: Cell<Option<Place>>,
    /// How many Firers there are.
    pub(super) firers: Cell<usize>,
    /// Set by a cancel without a canceller: the producer could not know, so its one late firing is no error.
    swallow: Cell<bool>,
    /// Its canceller runs.
    is_cancelling: Cell<bool>,
    canceller: Cell<Option<Stop<T>>>,
    made: Place,
}

#[cfg(test)]
thread_local!(/// How often it was asked whether a Deferred is abandoned.
    pub(super) static LOOKED_AT: Cell<usize> = const { Cell::new(0) });

/// What becomes of a firing.
pub(super) enum Admitted {
    First,
    /// It comes after a cancel that the producer could not know of.
    Swallowed,
}

impl<T> Default for Head<T> {
    /// One without a canceller. Not inlined, so that each field is written where it is to be, and only once.
    #[inline(never)]
    fn default() -> Head<T> {
        let nowhere = Location::caller();
        Head {
            gate: Gate::default(),
            out: Out::empty(Trace::new(nowhere)),
            fired: Cell::new(None),
            firers: Cell::new(0),
            swallow: Cell::new(false),
            is_cancelling: Cell::new(false),
            canceller: Cell::new(None),
            made: nowhere,
        }
    }
}

impl<T: 'static> Head<T> {
    #[inline]
    pub(super) fn new(canceller: Option<Stop<T>>, made: Place) -> Rc<Head<T>> {
        // `Rc::default` builds it where it is to be; `Rc::new` would build it on the stack and copy it.
        let mut head = spare::take::<Head<T>>().unwrap_or_default();
        let new = Rc::get_mut(&mut head).expect("nobody else has it yet");
        new.out.begin(Trace::new(made));
        if canceller.is_some() {
            new.canceller.set(canceller);
        }
        new.made = made;
        head
    }

    /// One that has fired with `result` and is about to be paused.
    pub(super) fn holding(result: Result<T, Failure>, trace: Trace) -> Rc<Head<T>> {
        let mut head = Head::new(None, trace.made());
        if let Some(new) = Rc::get_mut(&mut head) {
            new.out.begin(trace);
        }
        head.fired.set(Some(trace.made()));
        root::hold_back(&head.gate, head.clone(), result);
        head
    }

    /// Makes it as good as new, unless something is left in it.
    #[inline]
    fn renew(&mut self) -> bool {
        let is_spent = self.gate.is_spent() && self.out.is_spent() && self.canceller.get_mut().is_none();
        debug_assert_eq!(self.firers.get(), 0, "a Firer holds it");
        if is_spent {
            self.fired.set(None);
            self.swallow.set(false);
            self.is_cancelling.set(false);
        }
        is_spent
    }

    pub(super) fn made(&self) -> Place {
        self.made
    }

    pub(super) fn called(&self) -> bool {
        self.fired.get().is_some()
    }

    /// Whether nothing follows it, and nobody could have anything follow: only Firers have it, those who may pause or
    /// cancel it, and `others` more.
    pub(super) fn is_abandoned(self: &Rc<Self>, others: usize) -> bool {
        #[cfg(test)]
        LOOKED_AT.set(LOOKED_AT.get() + 1);
        let cannot = self.firers.get() + self.gate.onlookers() + others;
        Rc::strong_count(self) == cannot && !self.out.is_linked()
    }

    /// Fires it, unless it has fired before.
    #[inline]
    pub(super) fn fire(self: &Rc<Self>, result: Result<T, Failure>, at: Place) -> Result<(), AlreadyCalledError> {
        match self.admit(at)? {
            Admitted::First => self.deliver_and_run(result),
            Admitted::Swallowed => {}
        }
        Ok(())
    }

    /// Whether a firing counts.
    #[inline]
    pub(super) fn admit(&self, at: Place) -> Result<Admitted, AlreadyCalledError> {
        match self.fired.get() {
            None => {
                self.fired.set(Some(at));
                Ok(Admitted::First)
            }
            Some(_) if self.swallow.replace(false) => Ok(Admitted::Swallowed),
            Some(first) => Err(AlreadyCalledError { made: self.made, first }),
        }
    }

    /// Hands the result of an admitted firing on, and runs all that follows.
    #[inline]
    pub(super) fn deliver_and_run(self: &Rc<Self>, result: Result<T, Failure>) {
        if let Some(stop) = self.canceller.take() {
            return self.drop_and_run(stop, result);
        }
        if self.gate.is_paused() {
            return root::hold_back(&self.gate, self.clone(), result);
        }
        match self.out.take_step() {
            Some(step) => self.run_step(step, result),
            None => self.out.keep_or_push(result),
        }
    }

    #[inline(never)]
    fn run_step(self: &Rc<Self>, step: Rc<dyn Accept<T>>, result: Result<T, Failure>) {
        let mut turn = Turn::new(Some(self.clone()));
        let then = step.run_with(result, &mut turn);
        turn.go(then);
    }

    /// The same for one with a canceller, whose captures may panic when they are dropped.
    #[inline(never)]
    fn drop_and_run(self: &Rc<Self>, stop: Stop<T>, result: Result<T, Failure>) {
        match chain::caught(|| drop(stop)) {
            Ok(()) => self.deliver_and_run(result),
            Err(payload) => {
                chain::go(self.deliver(result));
                panic::resume_unwind(payload);
            }
        }
    }

    /// The same for a loop that is running in another chain: gives back what is to run next.
    pub(super) fn deliver(self: &Rc<Self>, result: Result<T, Failure>) -> Then {
        // If what it captured panics when it is dropped, the panic hook has reported it; the chain must be told.
        if let Some(stop) = self.canceller.take() {
            let _ = chain::caught(|| drop(stop));
        }
        if self.gate.is_paused() {
            root::hold_back(&self.gate, self.clone(), result);
            return Then::Nothing;
        }
        match self.out.take_step() {
            Some(step) => Then::Other(step.accept(result), Some(self.clone())),
            None => self.out.push_elsewhere(result),
        }
    }

    fn cancel_work(self: &Rc<Self>, at: Place, turn: &mut Turn) -> Then {
        match self.canceller.take() {
            Some(stop) => {
                let firer = Firer::new(self.clone());
                self.is_cancelling.set(true);
                turn.call_canceller(|| stop(&firer));
                self.is_cancelling.set(false);
            }
            None => self.swallow.set(true),
        }
        self.fail_cancelled(at)
    }

    pub(super) fn fail_cancelled(self: &Rc<Self>, at: Place) -> Then {
        if self.called() {
            return Then::Nothing;
        }
        let mut failure = Failure::at(CancelledError, at);
        failure.pass(Waypoint::Made(self.made));
        self.fired.set(Some(at));
        self.deliver(Err(failure))
    }
}

impl<T> Node for Head<T> {
    #[inline]
    fn remains(mut self: Rc<Self>) -> Option<Rc<dyn Node>> {
        if !Rc::get_mut(&mut self).is_some_and(Head::renew) {
            return Some(self);
        }
        spare::keep(self);
        None
    }
}

impl<T> Tail<T> for Head<T> {
    fn out(&self) -> &Out<T> {
        &self.out
    }
    fn as_awaited(self: Rc<Self>) -> Rc<dyn Awaited> {
        self
    }
}

impl<T> Awaited for Head<T> {
    fn give_back(self: Rc<Self>, root: Held<dyn Root>) {
        let ends = Ends::new(Held::new(self.clone()), root);
        self.out.give_back(ends);
    }
}

impl<T> Root for Head<T> {
    fn gate(&self) -> &Gate {
        &self.gate
    }

    fn cancel(self: Rc<Self>, at: Place, turn: &mut Turn) -> Then {
        if self.called() {
            turn.cancel(self.gate.waits_on().map(|waits| waits.root).into_iter(), at);
        } else if !self.is_cancelling.get() {
            return self.cancel_work(at, turn);
        }
        Then::Nothing
    }

    fn stage(&self) -> Stage {
        let mut stage = Stage::of_gate(self.made, &self.gate);
        stage.fired = self.fired.get();
        stage.has_head = true;
        stage
    }
}
