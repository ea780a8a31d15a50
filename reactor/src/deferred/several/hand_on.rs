//! [`Deferred::chain_deferred`]: the result of one Deferred fires another.
//!
//! Next: `../../task/mod.rs`, work that is spread over time.

use crate::Failure;
use crate::deferred::chain::{Accept, Firing, Next, Out, Plain, Reply, Run, Tail, Trampoline};
use crate::deferred::story::{Outcome, Place, Side, TellsStatus, Trace};
use crate::deferred::{Deferred, Firer};
use crate::error::AlreadyCalledError;
use crate::failure::Waypoint;
use crate::trace::{self, DeferredEvent};
use std::cell::Cell;
use std::panic::Location;
use std::rc::Rc;

impl<T: 'static> Deferred<T> {
    /// Hands the result, value or failure, to another Deferred; the result here is then `()`. Twisted's
    /// `chainDeferred`, except that a row of a million of them does not recurse.
    ///
    /// If the other one has been fired already, the result here is its [`AlreadyCalledError`]. It is one-way:
    /// cancelling the other one does not cancel this one.
    #[track_caller]
    pub fn chain_deferred(self, firer: Firer<T>) -> Deferred<()> {
        let added = Location::caller();
        let trace = self.trace();
        match self.try_result() {
            Ok(result) => {
                tell_handed_on(trace, &firer, added);
                let hand_on = |result| Reply::Ready(hand_on(result, &firer, added));
                Deferred::call_now(result, Side::Both, hand_on, added, trace)
            }
            Err(chain) => {
                if trace::is_on() {
                    trace.tell(DeferredEvent::WillHandOn { to: firer.head().number(), place: added });
                }
                Deferred::from_chain(chain.grow(|trace| HandOn::new(firer, added, trace)))
            }
        }
    }
}

/// The step that fires another Deferred. It is not a callback that fires it: that would run a loop inside the loop.
struct HandOn<T: 'static> {
    inbox: Cell<Option<Outcome<T>>>,
    firer: Cell<Option<Firer<T>>>,
    out: Out<()>,
    added: Place,
}

impl<T: 'static> HandOn<T> {
    fn new(firer: Firer<T>, added: Place, before: Trace) -> Rc<HandOn<T>> {
        Rc::new(HandOn {
            inbox: Cell::new(None),
            firer: Cell::new(Some(firer)),
            out: Out::empty(before.plus_one()),
            added,
        })
    }
}

impl<T> Plain for HandOn<T> {}

impl<T> Accept<T> for HandOn<T> {
    fn accept(self: Rc<Self>, input: Result<T, Failure>) -> Rc<dyn Run> {
        self.inbox.set(Some(Outcome::new(input)));
        self
    }
}

impl<T> Run for HandOn<T> {
    /// Runs twice: first it fires the other one, and when that one has come to rest its own chain goes on.
    fn run(self: Rc<Self>, trampoline: &mut Trampoline) -> Next {
        let (Some(firer), Some(input)) = (self.firer.take(), self.inbox.take()) else {
            return self.out.push(Ok(()), trampoline);
        };
        let trace = self.out.trace();
        trace.note_run(self.added);
        tell_handed_on(trace, &firer, self.added);
        match admit(input, &firer, self.added) {
            Ok(Some(result)) => {
                firer.head().tell_fired(&result);
                trampoline.postpone(self);
                firer.head().deliver(result)
            }
            Ok(None) => self.out.push(Ok(()), trampoline),
            Err(error) => {
                let failure = trace.note_raised(Failure::at(error, self.added), self.added);
                self.out.push(Err(failure), trampoline)
            }
        }
    }
}

/// Does the work of [`HandOn`] for a Deferred that has fired already: no step is needed.
fn hand_on<T: 'static>(result: Result<T, Failure>, firer: &Firer<T>, added: Place) -> Result<(), Failure> {
    let admitted = admit(Outcome::new(result), firer, added).map_err(|error| Failure::at(error, added))?;
    if let Some(result) = admitted {
        firer.head().deliver_and_run(result);
    }
    Ok(())
}

/// Tells those who listen that a result goes on to the Deferred of `firer`.
fn tell_handed_on<T: 'static>(trace: Trace, firer: &Firer<T>, added: Place) {
    if trace::is_on() {
        trace.tell(DeferredEvent::HandedOn { to: firer.head().number(), place: added });
    }
}

/// Records the firing of the other Deferred. Returns the result with which it must be fired, or nothing if it was
/// cancelled and ignores this firing. If it takes no result and the result is a failure, that is reported.
fn admit<T: 'static>(
    result: Outcome<T>,
    firer: &Firer<T>,
    added: Place,
) -> Result<Option<Result<T, Failure>>, AlreadyCalledError> {
    let taken = firer.head().admit(added)?;
    let result = result.into_inner().map_err(|mut failure| {
        failure.pass(Waypoint::HandedOnAt(added));
        failure.pass(Waypoint::Made(firer.head().made()));
        failure
    });
    Ok(matches!(taken, Firing::Counts).then_some(result))
}

impl<T> Tail<()> for HandOn<T> {
    fn out(&self) -> &Out<()> {
        &self.out
    }
}
