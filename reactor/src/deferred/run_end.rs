//! [`RunEnd`]: the last step of a `run` of a lock.
//!
//! A run releases before its result is passed on, and a release runs the callbacks of whoever is next. Their panic is
//! not the run's: it must not take the place of a result that is there. So the release keeps it here, and this step
//! passes the result on and has the panic go on to whoever fired.

use super::chain::{Accept, Payload, Run, Then, Turn, caught};
use super::ends::Ends;
use super::held::{Held, Node};
use super::history::Trace;
use super::lock::Permit;
use super::out::{Awaited, Out, Tail};
use super::root::Root;
use super::unhandled::Outcome;
use crate::Failure;
use std::cell::Cell;
use std::rc::Rc;

pub(super) struct RunEnd<T: 'static> {
    /// That of one who was served when the run released.
    panic: Cell<Option<Payload>>,
    inbox: Cell<Option<Outcome<T>>>,
    out: Out<T>,
}

impl<T: 'static> RunEnd<T> {
    /// `trace` is that of the step before: this one is not a callback of anybody's.
    pub(super) fn new(trace: Trace) -> Rc<RunEnd<T>> {
        Rc::new(RunEnd { panic: Cell::new(None), inbox: Cell::new(None), out: Out::empty(trace) })
    }

    pub(super) fn release(&self, held: Permit) {
        if let Err(payload) = caught(|| drop(held)) {
            self.panic.set(Some(payload));
        }
    }
}

impl<T> Node for RunEnd<T> {
    fn remains(self: Rc<Self>) -> Option<Rc<dyn Node>> {
        Some(self)
    }
}

impl<T> Accept<T> for RunEnd<T> {
    fn run_with(self: Rc<Self>, input: Result<T, Failure>, turn: &mut Turn) -> Then {
        if let Some(payload) = self.panic.take() {
            turn.keep_panic(payload);
        }
        self.out.push(input, turn)
    }

    fn accept(self: Rc<Self>, input: Result<T, Failure>) -> Rc<dyn Run> {
        self.inbox.set(Some(Outcome::new(input)));
        self
    }
}

impl<T> Run for RunEnd<T> {
    fn run(self: Rc<Self>, turn: &mut Turn) -> Then {
        match self.inbox.take() {
            Some(input) => self.run_with(input.into_inner(), turn),
            None => Then::Nothing,
        }
    }
}

impl<T> Tail<T> for RunEnd<T> {
    fn out(&self) -> &Out<T> {
        &self.out
    }
    fn as_awaited(self: Rc<Self>) -> Rc<dyn Awaited> {
        self
    }
}

impl<T> Awaited for RunEnd<T> {
    fn give_back(self: Rc<Self>, root: Held<dyn Root>) {
        let ends = Ends::new(Held::new(self.clone()), root);
        self.out.give_back(ends);
    }
}
