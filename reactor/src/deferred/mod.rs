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
//! * A Deferred fires once. A second firing is an error for its caller: [`AlreadyCalledError`].
//! * Everything is synchronous: firing runs the whole chain before `callback` returns; adding to a Deferred that has
//!   fired runs the callback before `add_callback` returns. No trip through the reactor.
//! * A callback that returns a Deferred makes the chain wait for it. Until then the chain has been *called*
//!   ([`Firer::called`]: a result was handed in), but it has not *fired* ([`Deferred::has_fired`]: its last result is
//!   here).
//! * A callback that fires another Deferred runs that one's chain nested, at once. (From 256 levels on, that chain runs
//!   when the callback has returned: see [`Firer::callback`].)
//! * A failure that nobody handled is logged, with where it came from ([`Failure::report`]), when the result is
//!   dropped: with its Deferred; or, if that is gone already ([`Deferred::detach`]), when the last callback has run,
//!   before the firing returns.
//! * A Deferred is a future, and an `async` block becomes a Deferred ([`Deferred::from_future`]): both styles of the
//!   same thing, run by the same loop.
//! * Nothing recurses without a limit: a chain of any length runs and is dropped in constant stack.
//!
//! The rooms, lowest layer first; each uses only those listed before it:
//!
//! | Folder | |
//! |---|---|
//! | `story/` | where a failure came from, what a Deferred waits for, which failures nobody handled |
//! | `chain/` | how a chain runs, is cancelled, paused and dropped |
//! | `awaiting/` | how code awaits a Deferred, and how an `async` block runs |
//! | this one | the two ends, and what a callback may return: the contract; `state.rs`: what a Deferred holds |
//! | `several/` | lists, locks, queues, shared results, timeouts |
//!
//! With this file, `chain/trampoline.rs` and `chain/step.rs` you know how a Deferred works. The rest are additions that
//! can be read alone.
//!
//! [`AlreadyCalledError`]: crate::error::AlreadyCalledError
//!
//! Next: [`state.rs`](../../src/reactor/deferred/state.rs.html), what a Deferred holds.
#![doc = include_str!("twisted_names.md")]

mod awaiting;
mod chain;
mod firer;
mod future;
mod given;
mod handles;
mod several;
mod state;
mod story;

pub(crate) use awaiting::{Hook, Hooked, go_on, hook};
pub(crate) use chain::sparing;
pub use firer::Firer;
pub use given::{Given, IntoDeferred, Recovery, execute, fail, log_error, maybe_deferred, succeed};
pub use handles::{Canceller, Pause};
pub use several::{
    DeferredLock, DeferredQueue, DeferredSemaphore, Others, Permit, QueueOverflow, QueueUnderflow, Shared,
    deferred_list, gather_results, race,
};
pub use story::Waiting;
pub(crate) use story::{begin_run, collect, end_run, expecting_losses, tell_lost, tell_unfired};

pub use crate::failure::{FailureGroup, FirstError};

use crate::{Context, Failure};
use chain::Head;
use state::State;
use std::fmt;
use std::panic::Location;
use std::rc::Rc;
use story::Side;

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
/// # Ok::<(), reactor::error::AlreadyCalledError>(())
/// ```
/// # Contract
///
/// * It fires once, with a value or a [`Failure`].
/// * Callbacks run in the order in which they were added, each with the result of the one before it. A value passes the
///   errbacks by, a failure the callbacks.
/// * Firing runs the callbacks before it returns. A callback that is added to a Deferred which has fired runs before
///   `add_callback` returns. The loop takes no part in it.
/// * A callback that returns a Deferred makes the chain wait for that one.
/// * A failure that nobody handled is logged, with where it came from.
///
/// The [module](crate::deferred) has the rules whole.
///
/// # Dropping
///
/// Dropping a Deferred does not cancel it, and dropping every [`Firer`] does not fire it. When both ends are gone, the
/// callbacks can never run: they are dropped at once, with everything that they captured. If the `Drop` of a captured
/// value panics, the others are dropped all the same, and then the first panic resumes.
///
/// There is one exception to "at once". While a chain is being dropped, another chain may lose its last end, because a
/// callback had captured that end. The other chain is then dropped after the outermost one: a million chains inside
/// each other would otherwise need a million frames of the stack. So inside a `Drop` that a chain runs, do not expect
/// `drop(deferred)` or `drop(firer)` to have dropped what that chain captured. It is gone when the outermost drop
/// returns. (A Deferred that waits for a [`DeferredLock`] or a [`DeferredQueue`] gives up its place at once even then.)
#[must_use = "a Deferred that is dropped is not cancelled, but its failure would go to the log"]
pub struct Deferred<T: 'static> {
    state: State<T>,
}

impl<T: 'static> Deferred<T> {
    /// A Deferred that has not fired, and the end that fires it.
    #[track_caller]
    pub fn new() -> (Deferred<T>, Firer<T>) {
        let head = Head::new(None, Location::caller());
        head.watch();
        Deferred::from_head(head)
    }

    /// The same for the library. A debug build watches only the Deferreds that the program itself has made.
    #[track_caller]
    pub(crate) fn unwatched() -> (Deferred<T>, Firer<T>) {
        Deferred::from_head(Head::new(None, Location::caller()))
    }

    /// Like [`new`](Deferred::new), with a canceller, which [`cancel`](Deferred::cancel) calls: usually it stops the
    /// work, and it may fire with a better error. It runs in the [`Context`] of the code that calls this. It is dropped
    /// as soon as the Deferred fires.
    #[track_caller]
    pub fn with_canceller(canceller: impl FnOnce(&Firer<T>) + 'static) -> (Deferred<T>, Firer<T>) {
        let (deferred, firer) = Deferred::unwatched_with_canceller(canceller);
        firer.head().watch();
        (deferred, firer)
    }

    /// The same for the library.
    #[track_caller]
    pub(crate) fn unwatched_with_canceller(canceller: impl FnOnce(&Firer<T>) + 'static) -> (Deferred<T>, Firer<T>) {
        let stop = move |head: &Rc<Head<T>>| canceller(&Firer::new(Rc::clone(head)));
        let stop: chain::Stop<T> = match Context::current() {
            context if context.is_empty() => Box::new(stop),
            context => Box::new(move |head| context.run(|| stop(head))),
        };
        Deferred::from_head(Head::new(Some(stop), Location::caller()))
    }

    /// A Deferred that has its result already.
    #[inline]
    #[track_caller]
    pub fn from_result(result: Result<T, Failure>) -> Deferred<T> {
        Deferred::from_result_at(result, Location::caller())
    }

    /// Adds a callback. It gets the value, and what it returns is the next result. It is skipped if the result is a
    /// failure.
    ///
    /// Runs before this returns if the Deferred has fired and is not paused.
    #[inline]
    #[track_caller]
    pub fn add_callback<R>(self, callback: impl FnOnce(T) -> R + 'static) -> Deferred<R::Value>
    where
        R: IntoDeferred,
    {
        self.add(Side::Callback, |result| match result {
            Ok(value) => callback(value).into_given(),
            Err(failure) => Given::Ready(Err(failure)),
        })
    }

    /// Adds an errback. It gets the failure, and what it returns is the next result. It is skipped if the result is a
    /// value.
    #[inline]
    #[track_caller]
    pub fn add_errback<R>(self, errback: impl FnOnce(Failure) -> R + 'static) -> Deferred<T>
    where
        R: Recovery<T>,
    {
        self.add(Side::Errback, |result| match result {
            Ok(value) => Given::Ready(Ok(value)),
            Err(failure) => errback(failure).into_given(),
        })
    }

    /// Adds a callback and an errback side by side: one of the two runs, never both. A failure of `callback` does
    /// **not** reach this `errback`.
    #[inline]
    #[track_caller]
    pub fn add_callbacks<R, E>(
        self,
        callback: impl FnOnce(T) -> R + 'static,
        errback: impl FnOnce(Failure) -> E + 'static,
    ) -> Deferred<R::Value>
    where
        R: IntoDeferred,
        E: Recovery<R::Value>,
    {
        self.add(Side::Pair, |result| match result {
            Ok(value) => callback(value).into_given(),
            Err(failure) => errback(failure).into_given(),
        })
    }

    /// Adds one callback for both cases: it gets the result, value or failure. For cleaning up.
    #[inline]
    #[track_caller]
    pub fn add_both<R>(self, callback: impl FnOnce(Result<T, Failure>) -> R + 'static) -> Deferred<R::Value>
    where
        R: IntoDeferred,
    {
        self.add(Side::Both, |result| callback(result).into_given())
    }

    /// Lets the chain run by itself: nobody waits for its result. It is not cancelled, its callbacks run when it fires,
    /// and a failure that none of them handles is logged. The same as dropping the Deferred, said aloud.
    ///
    /// ```
    /// use reactor::Deferred;
    ///
    /// let (answer, firer) = Deferred::<u32>::new();
    /// answer.add_callback(|n| println!("the answer is {n}")).detach();
    /// firer.callback(42)?;
    /// # Ok::<(), reactor::error::AlreadyCalledError>(())
    /// ```
    pub fn detach(self) {
        drop(self);
    }

    /// Cancels what this Deferred waits for: runs the canceller, and then fails with
    /// [`CancelledError`](crate::CancelledError), unless the canceller has fired it. If the chain waits for a Deferred
    /// that a callback returned, that Deferred is cancelled instead. Does nothing if the chain has been called and
    /// waits for no Deferred.
    ///
    /// Without a canceller, the next firing by the producer is silently ignored: the producer could not have known.
    ///
    /// # Panics
    /// If the canceller panics, after the Deferred has failed. (In Twisted such a Deferred is stuck for ever.)
    #[track_caller]
    pub fn cancel(&self) {
        match self.control() {
            Some(control) => chain::cancel(control, Location::caller()),
            None => self.give_up(Location::caller()),
        }
    }

    /// A handle that cancels this chain as it is now, for code that does not hold the Deferred: a timer, a list, a
    /// button.
    pub fn canceller(&self) -> Canceller {
        Canceller::new(self.control())
    }

    /// Holds the chain before its next callback for as long as the [`Pause`] lives. If there are several pauses, the
    /// chain goes on when the last one ends.
    ///
    /// A pause that begins inside a callback of the chain takes effect at once. In Twisted, callbacks that were already
    /// queued still run.
    pub fn pause(&mut self) -> Pause {
        Pause::new(self.make_pausable())
    }

    /// The value, if this has fired, is not paused, did not fail, and has not given its result to an `await`. Otherwise
    /// this drops the Deferred, and a failure is logged as with any Deferred that is dropped.
    pub fn result(self) -> Option<T> {
        self.into_value()
    }

    /// Whether the result is here: adding a callback would run it at once.
    pub fn has_fired(&self) -> bool {
        self.is_done()
    }

    /// What this Deferred waits for, recursively, for a person to read.
    pub fn waiting(&self) -> Waiting {
        match self.control() {
            Some(control) if !self.has_fired() => Waiting::of(control.into_rc()),
            _ => Waiting::nothing(self.trace().made()),
        }
    }
}

impl<T: 'static> From<Result<T, Failure>> for Deferred<T> {
    #[track_caller]
    fn from(result: Result<T, Failure>) -> Deferred<T> {
        Deferred::from_result(result)
    }
}

impl<T: 'static> fmt::Debug for Deferred<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.control() {
            _ if self.has_fired() => "fired",
            Some(control) if control.gate().is_paused() => "paused",
            Some(control) if control.gate().waits_on().is_some() => "waits",
            _ => "pending",
        };
        write!(f, "Deferred({state}, made at {})", self.trace().made())
    }
}

#[cfg(test)]
mod tests;
