//! [`Deferred`]: a result that is not there yet, and the chain of callbacks that wait for it.
//!
//! Twisted's `twisted.internet.defer`, typed. The end that produces the result is a [`Firer`]; the end that adds
//! callbacks is the [`Deferred`]. Each `add_*` consumes the Deferred and gives the next one, so its type is always
//! true:
//!
//! ```text
//!   Firer<T> --callback/errback--> [ T ] --add_callback--> [ U ] --add_errback--> [ U ] ...
//!                                    |                       |
//!                                 a Failure slides past the callbacks, a value past the errbacks
//! ```
//!
//! The rules (Twisted's, in this order of importance):
//! * A Deferred fires once. A second firing is an error for whoever fires: [`AlreadyCalledError`].
//! * Everything is synchronous: firing runs the whole chain before `callback` returns; adding to a Deferred that has
//!   fired runs the callback before `add_callback` returns. No trip through the reactor.
//! * A callback that returns a Deferred makes the chain wait for it.
//! * A callback that fires another Deferred runs that one's chain nested, at once.
//! * A failure that nobody handled is logged when its chain is dropped.
//! * Nothing recurses: a chain of any length runs and is dropped in constant stack (`chain.rs`).
//!
//! Next: `chain.rs` for how it runs, then [`crate::Protocol`].

mod chain;
mod out;

use crate::Failure;
use crate::error::AlreadyCalledError;
use crate::failure::Passed;
use chain::{Head, Root, Step, Tail};
use out::{Next, Outcome};
use std::fmt;
use std::panic::Location;
use std::rc::Rc;

/// A result that may not be there yet.
///
/// ```
/// use reactor::{Deferred, Failure};
///
/// let (deferred, firer) = Deferred::<u32>::new();
/// let chain = deferred
///     .add_callback(|n| if n < 10 { Ok(n * 2) } else { Err(Failure::msg("too large")) })
///     .add_errback(|_failure| Ok(0));
/// firer.callback(4)?;
/// assert_eq!(chain.result(), Some(8));
/// # Ok::<(), reactor::AlreadyCalledError>(())
/// ```
#[must_use = "a Deferred that is dropped is not cancelled, but its failure would go to the log"]
pub struct Deferred<T: 'static> {
    state: State<T>,
    made: &'static Location<'static>,
}

enum State<T: 'static> {
    /// The result is here, no chain object exists: adding to it is a plain function call.
    Fired(Outcome<T>),
    /// The last step of a chain, and the chain's root, by which it is cancelled and paused.
    Pending { tail: Rc<dyn Tail<T>>, root: Rc<dyn Root> },
}

/// What a callback may return: `()`, a `Result<U, Failure>` or a `Deferred<U>`.
pub trait IntoDeferred {
    /// The type that the next callback gets.
    type Value: 'static;
    /// Turns the callback's return value into the Deferred that the chain goes on with.
    fn into_deferred(self) -> Deferred<Self::Value>;
}

impl IntoDeferred for () {
    type Value = ();
    fn into_deferred(self) -> Deferred<()> {
        succeed(())
    }
}

impl<T: 'static> IntoDeferred for Result<T, Failure> {
    type Value = T;
    fn into_deferred(self) -> Deferred<T> {
        Deferred::fired(self)
    }
}

impl<T: 'static> IntoDeferred for Deferred<T> {
    type Value = T;
    fn into_deferred(self) -> Deferred<T> {
        self
    }
}

/// A Deferred that has already fired with `value`. Twisted's `defer.succeed`.
#[track_caller]
pub fn succeed<T: 'static>(value: T) -> Deferred<T> {
    Deferred::fired(Ok(value))
}

/// A Deferred that has already failed. Twisted's `defer.fail`.
#[track_caller]
pub fn fail<T: 'static>(failure: impl Into<Failure>) -> Deferred<T> {
    Deferred::fired(Err(failure.into()))
}

impl<T: 'static> Deferred<T> {
    /// A Deferred that has not fired, and the end that fires it.
    #[track_caller]
    pub fn new() -> (Deferred<T>, Firer<T>) {
        Deferred::from_head(Head::new(None, Location::caller()))
    }

    /// Like [`new`](Deferred::new), with what `cancel` is to do: usually to stop the work, and perhaps to fire with a
    /// better error. It is dropped as soon as the Deferred fires.
    #[track_caller]
    pub fn with_canceller(canceller: impl FnOnce(&Firer<T>) + 'static) -> (Deferred<T>, Firer<T>) {
        Deferred::from_head(Head::new(Some(Box::new(canceller)), Location::caller()))
    }

    fn from_head(head: Rc<Head<T>>) -> (Deferred<T>, Firer<T>) {
        let made = head.made();
        let state = State::Pending { tail: head.clone(), root: head.clone() };
        (Deferred { state, made }, Firer { head })
    }

    #[track_caller]
    fn fired(result: Result<T, Failure>) -> Deferred<T> {
        Deferred { state: State::Fired(Outcome::new(result)), made: Location::caller() }
    }

    /// Adds a callback: it gets the value, and what it returns is the next result. A failure passes by.
    ///
    /// Runs before this returns if the Deferred has fired and is not paused.
    #[track_caller]
    pub fn add_callback<R>(self, callback: impl FnOnce(T) -> R + 'static) -> Deferred<R::Value>
    where
        R: IntoDeferred,
    {
        self.add(Side::Callback, |result| match result {
            Ok(value) => callback(value).into_deferred(),
            Err(failure) => Deferred::fired(Err(failure)),
        })
    }

    /// Adds an errback: it gets the failure, and what it returns is the next result. A value passes by.
    #[track_caller]
    pub fn add_errback<R>(self, errback: impl FnOnce(Failure) -> R + 'static) -> Deferred<T>
    where
        R: IntoDeferred<Value = T>,
    {
        self.add(Side::Errback, |result| match result {
            Ok(value) => Deferred::fired(Ok(value)),
            Err(failure) => errback(failure).into_deferred(),
        })
    }

    /// Adds a callback and an errback side by side: one of the two runs, never both. A failure of `callback` does
    /// **not** reach this `errback`.
    #[track_caller]
    pub fn add_callbacks<R, E>(
        self,
        callback: impl FnOnce(T) -> R + 'static,
        errback: impl FnOnce(Failure) -> E + 'static,
    ) -> Deferred<R::Value>
    where
        R: IntoDeferred,
        E: IntoDeferred<Value = R::Value>,
    {
        self.add(Side::Both, |result| match result {
            Ok(value) => callback(value).into_deferred(),
            Err(failure) => errback(failure).into_deferred(),
        })
    }

    /// Adds one callback for both: it gets whatever came. For cleaning up.
    #[track_caller]
    pub fn add_both<R>(self, callback: impl FnOnce(Result<T, Failure>) -> R + 'static) -> Deferred<R::Value>
    where
        R: IntoDeferred,
    {
        self.add(Side::Both, |result| callback(result).into_deferred())
    }

    #[track_caller]
    fn add<U: 'static>(self, side: Side, run: impl FnOnce(Result<T, Failure>) -> Deferred<U> + 'static) -> Deferred<U> {
        let Deferred { state, made } = self;
        let added = Location::caller();
        match state {
            State::Fired(outcome) => {
                let result = outcome.into_inner();
                let failed = result.is_err();
                let mut next = run(result);
                next.note_failure(side, failed, added, made);
                // The chain was made where its first Deferred was, not where a step returned.
                if matches!(next.state, State::Fired(_)) {
                    next.made = made;
                }
                next
            }
            State::Pending { tail, root } => match root.is_paused() {
                false => match tail.take() {
                    Some(result) => Deferred { state: State::Fired(Outcome::new(result)), made }.add(side, run),
                    None => Deferred::attach(&*tail, root, side, run, added, made),
                },
                true => Deferred::attach(&*tail, root, side, run, added, made),
            },
        }
    }

    fn attach<S: 'static>(
        tail: &dyn Tail<S>,
        root: Rc<dyn Root>,
        side: Side,
        run: impl FnOnce(Result<S, Failure>) -> Deferred<T> + 'static,
        added: &'static Location<'static>,
        made: &'static Location<'static>,
    ) -> Deferred<T> {
        let step = Step::new(run, side, added, made);
        if let Some(ready) = tail.attach(Next::Step(step.clone())) {
            root.park(ready); // The Deferred is paused with its result in hand.
        }
        Deferred { state: State::Pending { tail: step, root }, made }
    }

    /// Writes down, on a failure that this step gave back, whether it raised it or let it through.
    fn note_failure(
        &mut self,
        side: Side,
        failed_before: bool,
        added: &'static Location<'static>,
        made: &'static Location<'static>,
    ) {
        if let State::Fired(outcome) = &mut self.state
            && let Some(failure) = outcome.failure_mut()
        {
            side.note(failure, failed_before, added, made);
        }
    }

    /// Cancels what this Deferred waits for: runs the canceller, and fails with
    /// [`CancelledError`](crate::CancelledError) unless that fired it. If the chain waits for a Deferred that a
    /// callback returned, that one is cancelled. Does nothing if it has fired and waits for nothing.
    ///
    /// Without a canceller, the next firing by the producer is silently ignored: it could not have known.
    pub fn cancel(&self) {
        if let State::Pending { root, .. } = &self.state {
            chain::cancel(root.clone());
        }
    }

    /// Holds the chain before its next callback until [`unpause`](Deferred::unpause); counted.
    #[track_caller]
    pub fn pause(&mut self) {
        if let State::Fired(outcome) = &mut self.state {
            let result = outcome.take();
            let head = Head::already_fired(result, self.made);
            self.state = State::Pending { tail: head.clone(), root: head };
        }
        if let State::Pending { root, .. } = &self.state {
            root.pause();
        }
    }

    /// Takes one [`pause`](Deferred::pause) back; the last one runs what waits, before this returns. Does nothing if
    /// it is not paused.
    pub fn unpause(&self) {
        if let State::Pending { root, .. } = &self.state {
            chain::unpause(root.clone());
        }
    }

    /// The value, if this has fired, is not paused, and did not fail. A failure is left where it is, to be logged.
    pub fn result(self) -> Option<T> {
        match self.state {
            State::Fired(outcome) => outcome.into_value(),
            State::Pending { tail, root } if !root.is_paused() => {
                tail.take().and_then(|result| Outcome::new(result).into_value())
            }
            State::Pending { .. } => None,
        }
    }

    /// Whether the result is here: adding a callback would run it at once.
    pub fn has_fired(&self) -> bool {
        match &self.state {
            State::Fired(_) => true,
            State::Pending { tail, root } => tail.is_done() && !root.is_paused(),
        }
    }
}

impl<T: 'static> fmt::Debug for Deferred<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = if self.has_fired() { "fired" } else { "pending" };
        write!(f, "Deferred({state}, made at {})", self.made)
    }
}

/// The end of a Deferred that fires it. Cheap to clone; whichever clone fires first counts.
///
/// Dropping every `Firer` without firing leaves the chain unfired for ever, as in Twisted.
pub struct Firer<T: 'static> {
    head: Rc<Head<T>>,
}

impl<T: 'static> Firer<T> {
    /// Fires with a value: the whole chain runs before this returns.
    ///
    /// # Errors
    /// [`AlreadyCalledError`] if it has fired before. The first firing after a cancel without a canceller is ignored
    /// without an error, as in Twisted.
    pub fn callback(&self, value: T) -> Result<(), AlreadyCalledError> {
        chain::fire(&self.head, Ok(value))
    }

    /// Fires with a failure: the first errback gets it before this returns.
    ///
    /// # Errors
    /// As [`callback`](Firer::callback).
    #[track_caller]
    pub fn errback(&self, failure: impl Into<Failure>) -> Result<(), AlreadyCalledError> {
        let mut failure = failure.into();
        failure.pass(Passed::Made(self.head.made()));
        chain::fire(&self.head, Err(failure))
    }

    /// Fires with whichever it is.
    ///
    /// # Errors
    /// As [`callback`](Firer::callback).
    #[track_caller]
    pub fn fire(&self, result: Result<T, Failure>) -> Result<(), AlreadyCalledError> {
        match result {
            Ok(value) => self.callback(value),
            Err(failure) => self.errback(failure),
        }
    }

    /// Whether it has fired (or was cancelled).
    pub fn called(&self) -> bool {
        self.head.called()
    }
}

impl<T: 'static> Clone for Firer<T> {
    fn clone(&self) -> Firer<T> {
        Firer { head: self.head.clone() }
    }
}

impl<T: 'static> fmt::Debug for Firer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = if self.called() { "called" } else { "not called" };
        write!(f, "Firer({state}, made at {})", self.head.made())
    }
}

/// Which results a step works on; the others pass it by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Callback,
    Errback,
    Both,
}

impl Side {
    /// Writes down on a failure that came out of such a step what it met there.
    fn note(
        self,
        failure: &mut Failure,
        failed_before: bool,
        added: &'static Location<'static>,
        made: &'static Location<'static>,
    ) {
        if self == Side::Callback && failed_before {
            return failure.pass(Passed::Through(added));
        }
        failure.pass(Passed::RaisedBy(added));
        if !failure.trail().contains(&Passed::Made(made)) {
            failure.pass(Passed::Made(made));
        }
    }
}

#[cfg(test)]
mod tests;
