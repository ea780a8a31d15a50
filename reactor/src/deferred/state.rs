//! [`State`]: what a [`Deferred`] holds, and what it is to add a callback, to ask and to take the result in each state.
//!
//! ```text
//!   New --add--> Pending --poll--> Awaited     nothing has fired yet, or the result lies in the chain
//!   Fired --add--> Fired                       a plain function call
//!   Fired --add--> Pending                     the callback returned a Deferred that has not fired
//! ```
//!
//! Next: `firer.rs`, the other end.

use super::awaiting::Awaiting;
use super::chain::{Boxed, Chain, Control, FlatRc, Head, Reply, Step, Tail, in_current_context, telling, wait_behind};
use super::story::{Incoming, Outcome, Place, Side, Trace};
use super::{Deferred, Firer, Given};
use crate::Failure;
use crate::failure::Waypoint;
use crate::trace::{self, DeferredKind};
use crate::{around, context};
use std::mem;
use std::panic::Location;
use std::rc::Rc;

/// A Deferred is moved in pieces: adding takes one link out of it by reference, because copying the whole would take
/// longer than adding. That is why the two kinds of chain have a variant each, and why one consumed Deferred is left
/// empty.
pub(super) enum State<T: 'static> {
    /// The result is here, no chain object exists.
    Fired(Outcome<T>, Trace),
    /// Nothing has been added to it yet: the head is the chain's last step and its control.
    New(FlatRc<Head<T>>),
    /// The last step of a chain, and the chain's control.
    Pending(Chain<T>),
    /// Some code awaits it.
    Awaited(Box<Awaiting<T>>),
}

impl<T: 'static> Deferred<T> {
    pub(super) fn from_head(head: Rc<Head<T>>) -> (Deferred<T>, Firer<T>) {
        (Deferred { state: State::New(FlatRc::new(head.clone())) }, Firer::new(head))
    }

    /// The Deferred at the end of `chain`.
    #[inline(always)]
    pub(super) fn from_chain(chain: Chain<T>) -> Deferred<T> {
        Deferred { state: State::Pending(chain) }
    }

    /// A Deferred that has its result already, with the place where it was made given by the caller.
    #[inline]
    pub(crate) fn from_result_at(result: Result<T, Failure>, made: Place) -> Deferred<T> {
        let result = result.map_err(|mut failure| {
            failure.pass(Waypoint::Made(made));
            failure
        });
        Deferred { state: State::Fired(Outcome::new(result), Trace::new(made)) }
    }

    #[inline]
    #[track_caller]
    pub(super) fn add<U: 'static>(
        self,
        side: Side,
        run: impl FnOnce(Result<T, Failure>) -> Given<U> + 'static,
    ) -> Deferred<U> {
        self.add_at(side, |result| run(result).into_reply(), Location::caller())
    }

    /// Adds a callback, with the place where that happens given by the caller.
    #[inline]
    pub(super) fn add_at<U: 'static>(
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
        // Only for the first callback: one that comes later knows by the chain's number that nobody listens.
        if !self.has_untold_callbacks() && around::may_have_trace() {
            return self.add_telling(side, run, added);
        }
        match self.state {
            State::Fired(outcome, trace) => {
                Deferred::call_counted(outcome.into_inner(), side, run, added, trace.plus_one_untold())
            }
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
        if around::is_any() {
            return self.add_around(side, run, added);
        }
        self.add_step(side, run, added)
    }

    /// The same in a context, or if somebody listens.
    #[cold]
    fn add_around<U: 'static>(
        &mut self,
        side: Side,
        run: impl FnOnce(Result<T, Failure>) -> Reply<U> + 'static,
        added: Place,
    ) -> Deferred<U> {
        let run: Boxed<T, U> = if context::is_set() { in_current_context(run) } else { Box::new(run) };
        // A Deferred that is older than the trace has no number, and stays untold.
        if trace::is_on() && self.trace().number() != 0 {
            return self.add_boxed(side, telling(self.trace(), side, added, run), added);
        }
        self.add_boxed(side, run, added)
    }

    #[cold]
    fn add_boxed<U: 'static>(&mut self, side: Side, run: Boxed<T, U>, added: Place) -> Deferred<U> {
        self.add_step(side, run, added)
    }

    /// Adds to a Deferred that holds its result, while somebody may listen. It is told as made only now, so that nobody
    /// else pays for it.
    #[cold]
    #[inline(never)]
    fn add_telling<U: 'static>(
        self,
        side: Side,
        run: impl FnOnce(Result<T, Failure>) -> Reply<U> + 'static,
        added: Place,
    ) -> Deferred<U> {
        let trace = match self.trace() {
            trace if !trace::is_on() => return self.add_quietly(side, run, added, trace),
            trace if trace.number() == 0 => trace.tell_made(DeferredKind::Result),
            trace => trace,
        };
        match self.try_result() {
            Ok(result) => Deferred::call_now(result, side, telling(trace, side, added, run), added, trace),
            Err(_chain) => unreachable!("it was looked at by the caller"),
        }
    }

    #[inline(always)]
    fn add_step<U: 'static>(
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
        Deferred::call_now(result, side, run, added, trace)
    }

    #[cold]
    fn add_quietly<U: 'static>(
        self,
        side: Side,
        run: impl FnOnce(Result<T, Failure>) -> Reply<U> + 'static,
        added: Place,
        trace: Trace,
    ) -> Deferred<U> {
        match self.try_result() {
            Ok(result) => Deferred::call_now(result, side, run, added, trace),
            Err(chain) => Deferred::from_chain(chain.grow(|trace| Step::new(run, side, added, trace))),
        }
    }

    #[cold]
    fn add_to_awaited<U: 'static>(
        self,
        side: Side,
        run: impl FnOnce(Result<T, Failure>) -> Reply<U> + 'static,
        added: Place,
    ) -> Deferred<U> {
        let trace = self.trace();
        self.add_quietly(side, run, added, trace)
    }

    /// Calls a callback with the input that is here. `trace` does not count it yet.
    #[inline]
    pub(super) fn call_now<S>(
        input: Result<S, Failure>,
        side: Side,
        run: impl FnOnce(Result<S, Failure>) -> Reply<T>,
        added: Place,
        trace: Trace,
    ) -> Deferred<T> {
        Deferred::call_counted(input, side, run, added, trace.plus_one())
    }

    /// The same with a `trace` that counts it.
    #[inline(always)]
    fn call_counted<S>(
        input: Result<S, Failure>,
        side: Side,
        run: impl FnOnce(Result<S, Failure>) -> Reply<T>,
        added: Place,
        trace: Trace,
    ) -> Deferred<T> {
        let incoming = Incoming::from(&input);
        // Before the call, as in `Step`: what the callback fires may fail and look for the callbacks that ran last.
        trace.note_run(added);
        match run(input).try_result(trace, incoming, side, added) {
            Ok(result) => Deferred { state: State::Fired(Outcome::new(result), trace) },
            Err(inner) => Deferred::from_chain(wait_behind(inner, added, trace)),
        }
    }

    /// Whether the result is here.
    pub(super) fn is_done(&self) -> bool {
        match &self.state {
            State::Fired(..) => true,
            State::New(head) => head.out().is_done(),
            State::Pending(chain) => chain.is_done(),
            State::Awaited(awaiting) => awaiting.is_done(),
        }
    }

    #[inline(always)]
    fn has_untold_callbacks(&self) -> bool {
        matches!(&self.state, State::Fired(_, trace) if trace.is_untold())
    }

    /// How far the chain is.
    pub(super) fn trace(&self) -> Trace {
        match &self.state {
            State::Fired(_, trace) => *trace,
            State::New(head) => head.out().trace(),
            State::Pending(chain) => chain.trace(),
            State::Awaited(awaiting) => awaiting.trace,
        }
    }

    /// The chain's control, if it has one that can still be reached.
    pub(super) fn control(&self) -> Option<FlatRc<dyn Control>> {
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

    /// The value; a failure is reported. Nothing if the result has been taken or is not here.
    pub(super) fn into_value(self) -> Option<T> {
        let result = match self.state {
            State::Fired(mut outcome, _) => outcome.take(),
            _ => self.try_result().ok(),
        };
        Outcome::new(result?).into_value()
    }

    /// Ends the wait of a Deferred with no chain left to cancel.
    pub(super) fn give_up(&self, at: Place) {
        if let State::Awaited(awaiting) = &self.state {
            awaiting.give_up(at);
        }
    }

    /// Turns it into a chain, which can hold its result back. Returns the control.
    pub(super) fn make_pausable(&mut self) -> FlatRc<dyn Control> {
        let mut trace = self.trace();
        if trace::is_on() && trace.number() == 0 && !trace.is_untold() && self.is_done() {
            trace = trace.tell_made(DeferredKind::Result);
        }
        let chain = match self.take().try_result() {
            Ok(result) => Head::holding(result, trace),
            Err(chain) => chain,
        };
        let control = chain.control();
        self.state = State::Pending(chain);
        control
    }

    /// Leaves an empty Deferred in its place, which is never used.
    pub(super) fn take(&mut self) -> Deferred<T> {
        let trace = self.trace();
        mem::replace(self, Deferred { state: State::Fired(Outcome::taken(), trace) })
    }

    /// The result if it is here; otherwise the chain that it will come from.
    #[inline]
    pub(super) fn try_result(self) -> Result<Result<T, Failure>, Chain<T>> {
        match self.state {
            State::Fired(outcome, _) => Ok(outcome.into_inner()),
            State::New(head) => head.out().take().ok_or_else(|| head.into_rc().into_chain()),
            State::Pending(chain) => chain.take().ok_or(chain),
            State::Awaited(awaiting) => awaiting.try_result(),
        }
    }
}
