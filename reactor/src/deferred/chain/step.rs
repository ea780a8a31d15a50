//! [`Step`]: one callback of a chain that has not run yet.
//!
//! ```text
//!   made --accept--> has its input --run--> done          the callback returned a result
//!                                   '-----> waits         it returned a Deferred that has not fired
//!   waits --resume--> has the result --run--> done
//! ```
//!
//! Its state is what lies in its [`Inbox`].
//!
//! What it uses from other files, in a word each:
//! * [`Out`]: the result side of a node. `push` runs the step that follows, or keeps the result if none follows.
//! * [`Control`]: a handle on the chain. It has the `Gate`, which knows whether the chain is paused and what it waits
//!   for.
//! * [`FlatRc`]: an `Rc` that does not recurse when it is dropped.
//! * [`Outcome`]: a result that reports its failure if it is dropped.
//! * [`Trace`]: where the chain was made and which callbacks it has had, for the report of a failure.
//!
//! Next: `in_context.rs`, callbacks that belong to a request.

use super::circle::waits_for;
use super::control::{Control, Segment, wait_on};
use super::flat_rc::{FlatRc, Plain};
use super::out::{Out, Tail, hold_back};
use super::pending::{Chain, Reply};
use super::traced::with_seen;
use super::trampoline::{Accept, Next, Resume, Run, Trampoline};
use crate::Failure;
use crate::around;
use crate::deferred::story::{Incoming, Kept, Outcome, Place, Side, Trace};
use crate::error::CircularWaitError;
use crate::trace::{self, DeferredEvent};
use std::cell::Cell;
use std::panic::Location;
use std::rc::{Rc, Weak};

/// A callback, and what follows it.
///
/// `F` gets the result of the step before, value or failure. A callback for values only is wrapped so that failures
/// pass it by, and an errback the other way round.
pub(crate) struct Step<T: 'static, U: 'static, F> {
    callback: Cell<Option<F>>,
    inbox: Cell<Option<Inbox<T, U>>>,
    out: Out<U>,
    side: Side,
    added: Place,
}

/// What has been handed to a step, or that it waits for that.
enum Inbox<T, U> {
    /// The result of the step before.
    Input(Outcome<T>),
    /// Nothing yet: it waits for the Deferred that its callback returned.
    Waits {
        /// The control of its own chain, if that has one.
        control: Option<Weak<dyn Control>>,
        before: Kept,
    },
    /// The result of that Deferred.
    Resumed(Outcome<U>),
}

impl<T, U> Inbox<T, U> {
    /// For a step in the chain of `control` that begins to wait for what the callback added at `by` returned.
    fn waits(control: Option<&Rc<dyn Control>>, trace: Trace, by: Place) -> Inbox<T, U> {
        Inbox::Waits { control: control.map(Rc::downgrade), before: trace.keep(by) }
    }
}

impl<T, U, F> Default for Step<T, U, F> {
    /// A step without a callback.
    #[inline]
    fn default() -> Step<T, U, F> {
        let nowhere = Location::caller();
        Step {
            callback: Cell::new(None),
            inbox: Cell::new(None),
            out: Out::empty(Trace::new(nowhere)),
            side: Side::Both,
            added: nowhere,
        }
    }
}

impl<T: 'static, U: 'static, F> Step<T, U, F>
where
    F: FnOnce(Result<T, Failure>) -> Reply<U> + 'static,
{
    #[inline]
    pub(crate) fn new(callback: F, side: Side, added: Place, before: Trace) -> Rc<Step<T, U, F>> {
        // `Rc::default` builds it where it will be; `Rc::new` would build it on the stack and copy it. That copy cost
        // 115 of the 1,760 instructions of four callbacks (`bench/count_instructions`, fired-at-end).
        let mut step = Rc::<Step<T, U, F>>::default();
        let new = Rc::get_mut(&mut step).expect("nobody else has it yet");
        new.callback.set(Some(callback));
        new.out.begin(before.plus_one());
        new.side = side;
        new.added = added;
        step
    }

    /// Waits for the Deferred that the callback returned.
    #[cold]
    #[inline(never)]
    fn wait_for(self: Rc<Self>, inner: Chain<U>, trampoline: &mut Trampoline) -> Next {
        let control = trampoline.control.as_ref();
        let trace = self.out.trace();
        if control.is_some_and(|control| waits_for(&inner.control(), control)) {
            drop(inner);
            let failure = Failure::at(CircularWaitError { callback: self.added }, self.added);
            tell_resumed(trace, &Err::<U, _>(failure.clone()));
            return self.out.push(Err(trace.note_raised(failure, self.added)), trampoline);
        }
        self.inbox.set(Some(Inbox::waits(control, trace, self.added)));
        let added = self.added;
        let inner = inner.resume_on_result(FlatRc::new(self));
        if let Some(control) = control {
            wait_on(control, inner, added);
        }
        Next::Nothing
    }
}

impl<T: 'static, U: 'static, F: 'static> Plain for Step<T, U, F> {}

impl<T, U, F> Accept<T> for Step<T, U, F>
where
    F: FnOnce(Result<T, Failure>) -> Reply<U> + 'static,
{
    #[inline]
    fn run_with(self: Rc<Self>, input: Result<T, Failure>, trampoline: &mut Trampoline) -> Next {
        let callback = self.callback.take().expect("a step gets its input once");
        let incoming = Incoming::from(&input);
        let trace = self.out.trace();
        // Before the call: what the callback fires may fail and look for the callbacks that ran last.
        trace.note_run(self.added);
        // Failures get their waypoints inside the call, so that what comes out of it is small.
        let replied =
            trampoline.call(|| callback(input).try_result(trace, incoming, self.side, self.added), self.added);
        let result = match replied {
            Ok(Ok(result)) => result,
            Ok(Err(inner)) => return self.wait_for(inner, trampoline),
            Err(panicked) => Err(trace.note_raised(panicked, self.added)),
        };
        // The callback itself may have paused the chain.
        match trampoline.paused_control() {
            Some(control) => {
                hold_back(control.gate(), self, result);
                Next::Nothing
            }
            None => self.out.push(result, trampoline),
        }
    }

    fn accept(self: Rc<Self>, input: Result<T, Failure>) -> Rc<dyn Run> {
        self.inbox.set(Some(Inbox::Input(Outcome::new(input))));
        self
    }
}

impl<T, U, F> Resume<U> for Step<T, U, F>
where
    F: FnOnce(Result<T, Failure>) -> Reply<U> + 'static,
{
    fn resume(self: Rc<Self>, result: Result<U, Failure>) -> Next {
        let trace = self.out.trace();
        let mut own = None;
        if let Some(Inbox::Waits { control, before }) = self.inbox.take() {
            trace.recall(before);
            own = control.and_then(|control| control.upgrade());
        }
        if let Some(control) = &own {
            control.gate().stop_waiting();
        }
        if around::may_have_trace() {
            tell_resumed(trace, &result);
        }
        let result = result.map_err(|failure| trace.note_given_back(failure, self.added));
        // The trampoline hands it on, not this call: a row of chains that wait for each other would recurse.
        self.inbox.set(Some(Inbox::Resumed(Outcome::new(result))));
        Next::OtherChain(self, own)
    }
}

impl<T, U, F> Run for Step<T, U, F>
where
    F: FnOnce(Result<T, Failure>) -> Reply<U> + 'static,
{
    fn run(self: Rc<Self>, trampoline: &mut Trampoline) -> Next {
        match self.inbox.take() {
            Some(Inbox::Input(input)) => self.run_with(input.into_inner(), trampoline),
            Some(Inbox::Resumed(outcome)) => self.out.push(outcome.into_inner(), trampoline),
            Some(Inbox::Waits { .. }) | None => Next::Nothing,
        }
    }
}

impl<T, U, F: 'static> Tail<U> for Step<T, U, F> {
    fn out(&self) -> &Out<U> {
        &self.out
    }
}

/// Tells those who listen, if anybody does, that the chain of `trace` goes on with what it waited for.
#[cold]
#[inline(never)]
fn tell_resumed<U: 'static>(trace: Trace, result: &Result<U, Failure>) {
    if trace::is_on() {
        with_seen(result, |result| trace.tell(DeferredEvent::Resumed { result }));
    }
}

/// The type of the callback in a step that has run its callback before it was made.
type NoCallback<T> = fn(Result<T, Failure>) -> Reply<T>;

/// A new chain that begins behind `inner`: a step that waits for it, and a control. For a Deferred that has fired, when
/// the callback added at `added` has run and returned one that has not. `trace` counts that callback.
#[cold]
pub(crate) fn wait_behind<T: 'static>(inner: Chain<T>, added: Place, trace: Trace) -> Chain<T> {
    let control: Rc<dyn Control> = Segment::new(trace);
    let step = Rc::new(Step::<T, T, NoCallback<T>> {
        callback: Cell::new(None),
        inbox: Cell::new(Some(Inbox::waits(Some(&control), trace, added))),
        out: Out::empty(trace),
        side: Side::Both,
        added,
    });
    wait_on(&control, inner.resume_on_result(FlatRc::new(step.clone())), added);
    Chain::new(FlatRc::new(step), FlatRc::new(control))
}
