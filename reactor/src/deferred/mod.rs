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
//! | this one | the two ends, and what a callback may return: the contract |
//! | `several/` | lists, locks, queues, shared results, timeouts |
//!
//! With this file, `chain/trampoline.rs` and `chain/step.rs` you know how a Deferred works. The rest are additions that
//! can be read alone.
//!
//! [`AlreadyCalledError`]: crate::error::AlreadyCalledError
//!
//! Next: `firer.rs`, the other end.
#![doc = include_str!("twisted_names.md")]

mod awaiting;
mod chain;
mod firer;
mod future;
mod given;
mod handles;
mod several;
mod story;

pub(crate) use awaiting::{Hook, Hooked, go_on, hook};
pub use firer::Firer;
pub use given::{Given, IntoDeferred, execute, fail, log_error, maybe_deferred, succeed};
pub use handles::{Canceller, Pause};
pub use several::{
    DeferredLock, DeferredQueue, DeferredSemaphore, Others, Permit, QueueOverflow, QueueUnderflow, Shared,
    deferred_list, gather_results, race,
};
pub use story::Waiting;
pub(crate) use story::collect;

pub use crate::failure::{FailureGroup, FirstError};

use crate::Failure;
use crate::failure::Waypoint;
use awaiting::Awaiting;
use chain::{Chain, Control, FlatRc, Head, Reply, Step, Tail, wait_behind};
use std::fmt;
use std::mem;
use std::panic::Location;
use std::rc::Rc;
use story::{Incoming, Outcome, Place, Side, Trace};

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

enum State<T: 'static> {
    /// The result is here, no chain object exists: adding to it is a plain function call.
    Fired(Outcome<T>, Trace),
    /// Nothing has been added to it yet: the head is the chain's last step and its control.
    New(FlatRc<Head<T>>),
    /// The last step of a chain, and the chain's control.
    Pending(Chain<T>),
    /// Some code awaits it.
    Awaited(Box<Awaiting<T>>),
}

impl<T: 'static> Deferred<T> {
    /// A Deferred that has not fired, and the end that fires it.
    #[track_caller]
    pub fn new() -> (Deferred<T>, Firer<T>) {
        Deferred::from_head(Head::new(None, Location::caller()))
    }

    /// Like [`new`](Deferred::new), with a canceller, which [`cancel`](Deferred::cancel) calls: usually it stops the
    /// work, and it may fire with a better error. It is dropped as soon as the Deferred fires.
    #[track_caller]
    pub fn with_canceller(canceller: impl FnOnce(&Firer<T>) + 'static) -> (Deferred<T>, Firer<T>) {
        let stop = move |head: &Rc<Head<T>>| canceller(&Firer::new(Rc::clone(head)));
        Deferred::from_head(Head::new(Some(Box::new(stop)), Location::caller()))
    }

    fn from_head(head: Rc<Head<T>>) -> (Deferred<T>, Firer<T>) {
        (Deferred { state: State::New(FlatRc::new(head.clone())) }, Firer::new(head))
    }

    /// The Deferred at the end of `chain`.
    #[inline(always)]
    fn from_chain(chain: Chain<T>) -> Deferred<T> {
        Deferred { state: State::Pending(chain) }
    }

    /// The chain of a head to which nothing has been added.
    fn chain_of_head(head: Rc<Head<T>>) -> Chain<T> {
        Chain::new(FlatRc::new(head.clone()), FlatRc::new(head))
    }

    /// A Deferred that has its result already.
    #[inline]
    #[track_caller]
    pub fn from_result(result: Result<T, Failure>) -> Deferred<T> {
        Deferred::from_result_at(result, Location::caller())
    }

    /// The same, with the place where it was made given by the caller.
    #[inline]
    fn from_result_at(result: Result<T, Failure>, made: Place) -> Deferred<T> {
        let result = result.map_err(|mut failure| {
            failure.pass(Waypoint::Made(made));
            failure
        });
        Deferred { state: State::Fired(Outcome::new(result), Trace::new(made)) }
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
        R: IntoDeferred<Value = T>,
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
        E: IntoDeferred<Value = R::Value>,
    {
        self.add(Side::Both, |result| match result {
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

    #[inline]
    #[track_caller]
    fn add<U: 'static>(self, side: Side, run: impl FnOnce(Result<T, Failure>) -> Given<U> + 'static) -> Deferred<U> {
        self.add_at(side, |result| run(result).into_reply(), Location::caller())
    }

    /// Adds a callback, with the place of that given by the caller.
    #[inline]
    fn add_at<U: 'static>(
        mut self,
        side: Side,
        run: impl FnOnce(Result<T, Failure>) -> Reply<U> + 'static,
        added: Place,
    ) -> Deferred<U> {
        if !matches!(self.state, State::Fired(..)) {
            let next = self.add_to_chain(side, run, added);
            mem::forget(self); // It is empty, and its destructor would take as long as adding to find that out.
            return next;
        }
        match self.state {
            State::Fired(outcome, trace) => Deferred::go_on(outcome.into_inner(), side, run, added, trace),
            _ => unreachable!("it was looked at above"),
        }
    }

    /// Adds to a Deferred that does not hold its result, and leaves `self` empty. It is not inlined, so that the path
    /// of a fired Deferred stays short. It takes `self` by reference, because passing the state by value would copy it.
    #[inline(never)]
    fn add_to_chain<U: 'static>(
        &mut self,
        side: Side,
        run: impl FnOnce(Result<T, Failure>) -> Reply<U> + 'static,
        added: Place,
    ) -> Deferred<U> {
        let (result, trace) = match &mut self.state {
            State::New(head) => {
                let head = head.take();
                match head.out().take() {
                    Some(result) => (result, head.out().trace()),
                    None => {
                        let step = Step::new(run, side, added, head.out().trace());
                        head.out().link(FlatRc::new(step.clone()));
                        return Deferred::from_chain(Chain::new(FlatRc::new(step), FlatRc::new(head.into_rc())));
                    }
                }
            }
            State::Pending(Chain { tail, control }) => {
                let (tail, control) = (tail.take(), control.take());
                let out = tail.out();
                match out.take() {
                    Some(result) => (result, out.trace()),
                    None => {
                        let step = Step::new(run, side, added, out.trace());
                        out.link(FlatRc::new(step.clone()));
                        return Deferred::from_chain(Chain::new(FlatRc::new(step), control));
                    }
                }
            }
            _ => return self.take().add_to_awaited(side, run, added),
        };
        Deferred::go_on(result, side, run, added, trace)
    }

    #[cold]
    fn add_to_awaited<U: 'static>(
        self,
        side: Side,
        run: impl FnOnce(Result<T, Failure>) -> Reply<U> + 'static,
        added: Place,
    ) -> Deferred<U> {
        match self.settled_or_chain() {
            Settled::Now(result, trace) => Deferred::go_on(result, side, run, added, trace),
            Settled::Later(chain) => Deferred::from_chain(chain.grow(|trace| Step::new(run, side, added, trace))),
        }
    }

    /// Calls a callback whose input is here.
    #[inline]
    fn go_on<S>(
        input: Result<S, Failure>,
        side: Side,
        run: impl FnOnce(Result<S, Failure>) -> Reply<T>,
        added: Place,
        trace: Trace,
    ) -> Deferred<T> {
        let incoming = Incoming::from(&input);
        let trace = trace.and_one();
        trace.ran(added);
        let result = match run(input) {
            Reply::Ready(Ok(value)) => Ok(value),
            Reply::Ready(Err(failure)) => Err(trace.note(failure, incoming, side, added)),
            Reply::Fired(result) => result.map_err(|failure| trace.given_back(failure, added)),
            Reply::Pending(inner) => return Deferred::from_chain(wait_behind(inner, added, trace)),
        };
        Deferred { state: State::Fired(Outcome::new(result), trace) }
    }

    /// Cancels what this Deferred waits for: runs the canceller, and then fails with
    /// [`CancelledError`](crate::CancelledError), unless the canceller has fired it. If the chain waits for a Deferred
    /// that a callback returned, that Deferred is cancelled instead. Does nothing if the chain has
    /// been called and waits for no Deferred.
    ///
    /// Without a canceller, the next firing by the producer is silently ignored: the producer could not have known.
    ///
    /// # Panics
    /// If the canceller panics, after the Deferred has failed. (In Twisted such a Deferred is stuck for ever.)
    #[track_caller]
    pub fn cancel(&self) {
        match self.control() {
            Some(control) => chain::cancel(control, Location::caller()),
            None => {
                if let State::Awaited(awaiting) = &self.state {
                    awaiting.give_up(Location::caller());
                }
            }
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
        let chain = match self.take().settled_or_chain() {
            Settled::Now(result, trace) => Deferred::chain_of_head(Head::holding(result, trace)),
            Settled::Later(chain) => chain,
        };
        let pause = Pause::new(chain.control());
        self.state = State::Pending(chain);
        pause
    }

    /// The value, if this has fired, is not paused, did not fail, and has not given its result to an `await`. Otherwise
    /// this drops the Deferred, and a failure is logged as with any Deferred that is dropped.
    pub fn result(self) -> Option<T> {
        if let State::Fired(mut outcome, _) = self.state {
            return outcome.take().and_then(|result| Outcome::new(result).into_value());
        }
        self.settled().ok().and_then(|result| Outcome::new(result).into_value())
    }

    /// Whether the result is here: adding a callback would run it at once.
    pub fn has_fired(&self) -> bool {
        match &self.state {
            State::Fired(..) => true,
            State::New(head) => head.out().is_done(),
            State::Pending(chain) => chain.is_done(),
            State::Awaited(awaiting) => awaiting.is_done(),
        }
    }

    /// What this Deferred waits for, recursively, for a person to read.
    pub fn waiting(&self) -> Waiting {
        match self.control() {
            Some(control) if !self.has_fired() => Waiting::of(control.into_rc()),
            _ => Waiting::nothing(self.made()),
        }
    }

    /// Where it was made.
    fn made(&self) -> Place {
        match &self.state {
            State::Fired(_, trace) => trace.made(),
            State::New(head) => head.made(),
            State::Pending(chain) => chain.trace().made(),
            State::Awaited(awaiting) => awaiting.trace.made(),
        }
    }

    /// The chain's control, if it has one that can still be reached.
    fn control(&self) -> Option<FlatRc<dyn Control>> {
        match &self.state {
            State::Fired(..) => None,
            State::New(head) => {
                let head: Rc<dyn Control> = Rc::<Head<T>>::clone(head);
                Some(FlatRc::new(head))
            }
            State::Pending(chain) => Some(chain.control()),
            State::Awaited(awaiting) => awaiting.control(),
        }
    }

    /// Leaves an empty Deferred in its place, which is never used.
    fn take(&mut self) -> Deferred<T> {
        let made = self.made();
        mem::replace(self, Deferred { state: State::Fired(Outcome::taken(), Trace::new(made)) })
    }

    /// The result, or the chain that it will come from.
    #[inline]
    fn settled(self) -> Result<Result<T, Failure>, Chain<T>> {
        match self.settled_or_chain() {
            Settled::Now(result, _) => Ok(result),
            Settled::Later(chain) => Err(chain),
        }
    }

    #[inline(always)]
    fn settled_or_chain(self) -> Settled<T> {
        match self.state {
            State::Fired(outcome, trace) => Settled::Now(outcome.into_inner(), trace),
            State::New(head) => match head.out().take() {
                None => Settled::Later(Deferred::chain_of_head(head.into_rc())),
                Some(result) => Settled::Now(result, head.out().trace()),
            },
            State::Pending(chain) => match chain.take() {
                None => Settled::Later(chain),
                Some(result) => Settled::Now(result, chain.trace()),
            },
            State::Awaited(awaiting) => {
                let trace = awaiting.trace;
                match awaiting.into_chain() {
                    Ok(result) => Settled::Now(result, trace),
                    Err(chain) => Settled::Later(chain),
                }
            }
        }
    }
}

/// What a consumed Deferred turns into: its result, or the chain that will give it.
enum Settled<T: 'static> {
    Now(Result<T, Failure>, Trace),
    Later(Chain<T>),
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
        write!(f, "Deferred({state}, made at {})", self.made())
    }
}

#[cfg(test)]
mod tests;
