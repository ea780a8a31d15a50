//! Where results stay and go: [`Outcome`], a result that must not be lost unseen, and [`Out`], the result side of a
//! step.
//!
//! Dropping an [`Out`] drops all that follows it, one step after the other: that is where a chain of any length is
//! taken apart without recursion.

use super::chain::{Accept, Root, Run, Settle, Then};
use crate::Failure;
use std::cell::Cell;
use std::rc::{Rc, Weak};

/// A result that is logged if it is dropped while it is a failure.
pub(super) struct Outcome<T>(Option<Result<T, Failure>>);

impl<T> Outcome<T> {
    pub(super) fn new(result: Result<T, Failure>) -> Outcome<T> {
        Outcome(Some(result))
    }

    /// The result; from here on its failure counts as handled.
    pub(super) fn into_inner(mut self) -> Result<T, Failure> {
        self.take()
    }

    pub(super) fn take(&mut self) -> Result<T, Failure> {
        self.0.take().expect("an Outcome is emptied only by taking it, and then not used again")
    }

    /// The value; a failure is logged.
    pub(super) fn into_value(mut self) -> Option<T> {
        match self.0 {
            Some(Ok(_)) => self.take().ok(),
            _ => None,
        }
    }

    pub(super) fn failure_mut(&mut self) -> Option<&mut Failure> {
        self.0.as_mut().and_then(|result| result.as_mut().err())
    }
}

impl<T> Drop for Outcome<T> {
    fn drop(&mut self) {
        if let Some(Err(failure)) = &self.0 {
            log::error!(target: "reactor::deferred", "Unhandled error in Deferred: {}", failure.report());
        }
    }
}

/// Where a step's result goes.
pub(super) enum Next<T> {
    Step(Rc<dyn Accept<T>>),
    /// A step of another chain that waits for this one, and the root of that chain.
    Waiter(Rc<dyn Settle<T>>, Weak<dyn Root>),
}

impl<T> Next<T> {
    fn into_link(self) -> Rc<dyn Link> {
        match self {
            Next::Step(step) => step.into_link(),
            Next::Waiter(step, _) => step.into_link(),
        }
    }
}

/// The result side of a head or step.
pub(super) struct Out<T>(Cell<OutState<T>>);

enum OutState<T> {
    Empty,
    Done(Outcome<T>),
    Linked(Next<T>),
}

impl<T> Out<T> {
    pub(super) fn empty() -> Out<T> {
        Out(Cell::new(OutState::Empty))
    }

    /// One that has its result already.
    pub(super) fn done(result: Result<T, Failure>) -> Out<T> {
        Out(Cell::new(OutState::Done(Outcome::new(result))))
    }

    fn replace(&self, state: OutState<T>) -> OutState<T> {
        self.0.replace(state)
    }

    pub(super) fn push(&self, result: Result<T, Failure>) -> Then {
        match self.replace(OutState::Empty) {
            OutState::Linked(Next::Step(step)) => Then::Step(step.accept(result)),
            OutState::Linked(Next::Waiter(step, root)) => {
                let root = root.upgrade();
                if let Some(root) = &root {
                    root.wait_on(None);
                }
                Then::Other(step.settle(result), root)
            }
            OutState::Empty | OutState::Done(_) => {
                self.replace(OutState::Done(Outcome::new(result)));
                Then::Nothing
            }
        }
    }

    pub(super) fn take(&self) -> Option<Result<T, Failure>> {
        match self.replace(OutState::Empty) {
            OutState::Done(outcome) => Some(outcome.into_inner()),
            other => {
                self.replace(other);
                None
            }
        }
    }

    pub(super) fn is_done(&self) -> bool {
        let state = self.replace(OutState::Empty);
        let done = matches!(state, OutState::Done(_));
        self.replace(state);
        done
    }

    pub(super) fn attach(&self, next: Next<T>) -> Option<Rc<dyn Run>> {
        let result = self.take();
        self.replace(OutState::Linked(next));
        match self.push(result?) {
            Then::Step(step) | Then::Other(step, _) => Some(step),
            Then::Nothing => None,
        }
    }

    pub(super) fn unlink(&self) -> Option<Rc<dyn Link>> {
        match self.replace(OutState::Empty) {
            OutState::Linked(next) => Some(next.into_link()),
            other => {
                self.replace(other);
                None
            }
        }
    }
}

impl<T> Drop for Out<T> {
    /// Drops the steps that follow one after the other, not one inside the other.
    fn drop(&mut self) {
        let mut next = self.unlink();
        while let Some(link) = next {
            next = if Rc::strong_count(&link) == 1 { link.unlink() } else { None };
        }
    }
}

/// For dropping a chain without recursion: gives the next link away.
pub(super) trait Link {
    fn unlink(&self) -> Option<Rc<dyn Link>>;
}
