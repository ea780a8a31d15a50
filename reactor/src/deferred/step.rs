//! [`Step`]: one callback of a chain that has not run yet; and [`Link`], which hands a result to another Deferred.

use super::Firer;
use super::chain::{Accept, Run, Settle, Then, Turn};
use super::ends::Ends;
use super::given::Given;
use super::head::Admitted;
use super::held::{Held, Node};
use super::history::{Kept, Part, Place, Trace};
use super::out::{Awaited, Out, Tail};
use super::root::{self, Root, Segment};
use super::unhandled::Outcome;
use crate::Failure;
use crate::error::{AlreadyCalledError, CircularWaitError};
use crate::failure::Waypoint;
use std::cell::Cell;
use std::panic::Location;
use std::ptr;
use std::rc::{Rc, Weak};

/// Which results a callback works on; the others pass it by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Callback,
    Errback,
    Both,
}

/// What has been handed to a step.
enum Inbox<T, U> {
    Input(Outcome<T>),
    /// It waits for the Deferred that its callback gave back.
    Waits(Wait),
    /// What the Deferred came to that the callback gave back.
    Settled(Outcome<U>),
}

/// What a step keeps while it waits for another Deferred.
struct Wait {
    /// The root of its own chain, if anybody holds it.
    root: Option<Weak<dyn Root>>,
    before: Kept,
}

impl Wait {
    /// The wait is over: gives back the root.
    fn end(self, trace: Trace) -> Option<Rc<dyn Root>> {
        trace.recall(self.before);
        let root = self.root?.upgrade()?;
        drop(root.gate().stop_waiting());
        Some(root)
    }
}

/// How many chains are looked at for a circle of chains that wait for each other.
const CIRCLE_LIMIT: usize = 8;

pub(super) struct Step<T: 'static, U: 'static, F> {
    callback: Cell<Option<F>>,
    inbox: Cell<Option<Inbox<T, U>>>,
    out: Out<U>,
    side: Side,
    added: Place,
}

impl<T, U, F> Default for Step<T, U, F> {
    /// One without a callback.
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
    F: FnOnce(Result<T, Failure>) -> Given<U> + 'static,
{
    #[inline]
    pub(super) fn new(callback: F, side: Side, added: Place, before: Trace) -> Rc<Step<T, U, F>> {
        // `Rc::default` builds it where it is to be; `Rc::new` would build it on the stack and copy it.
        let mut step = Rc::<Step<T, U, F>>::default();
        let new = Rc::get_mut(&mut step).expect("nobody else has it yet");
        new.callback.set(Some(callback));
        new.out.begin(before.and_one());
        new.side = side;
        new.added = added;
        step
    }

    /// Waits for the Deferred that the callback gave back.
    #[cold]
    fn wait_for(self: Rc<Self>, ends: Ends<U>, turn: &mut Turn) -> Then {
        let root = turn.root.as_ref();
        let trace = self.out.trace();
        if root.is_some_and(|root| waits_for(&ends.root(), root)) {
            drop(ends);
            let failure = Failure::at(CircularWaitError { callback: self.added }, self.added);
            return self.out.push(Err(trace.raised(failure, self.added)), turn);
        }
        let wait = Wait { root: root.map(Rc::downgrade), before: trace.keep(self.added) };
        self.inbox.set(Some(Inbox::Waits(wait)));
        let added = self.added;
        let inner = ends.link_waiter(Held::new(self));
        if let Some(root) = root {
            root.gate().wait_on(inner, added);
        }
        Then::Nothing
    }
}

/// Whether the chain of `inner` is, or waits for, that of `outer`.
pub(super) fn waits_for(inner: &Rc<dyn Root>, outer: &Rc<dyn Root>) -> bool {
    // A chain has one gate, but a shared result's waiter has two roots at it.
    let is_outer = |root: &Rc<dyn Root>| ptr::eq(root.gate(), outer.gate());
    if is_outer(inner) {
        return true;
    }
    let mut looked_at = 1;
    let mut rest = inner.some_waited_for(CIRCLE_LIMIT);
    while let Some(root) = rest.pop()
        && looked_at < CIRCLE_LIMIT
    {
        if is_outer(&root) {
            return true;
        }
        looked_at += 1;
        rest.extend(root.some_waited_for(CIRCLE_LIMIT));
    }
    false
}

/// A step that waits for `ends`, a Deferred that was given back by the callback added at `added` of one that had
/// fired: the chain that goes on from there has a root of its own. Gives the new chain's ends.
#[cold]
pub(super) fn wait_behind<T: 'static>(ends: Ends<T>, added: Place, trace: Trace) -> Ends<T> {
    type Done<T> = fn(Result<T, Failure>) -> Given<T>;
    let root: Rc<dyn Root> = Segment::new(trace.made());
    let step = Step::<T, T, Done<T>>::new(Given::Ready, Side::Both, added, trace.but_one());
    step.callback.set(None);
    let wait = Wait { root: Some(Rc::downgrade(&root)), before: trace.keep(added) };
    step.inbox.set(Some(Inbox::Waits(wait)));
    root.gate().wait_on(ends.link_waiter(Held::new(step.clone())), added);
    Ends::new(Held::new(step), Held::new(root))
}

/// Whether a callback's input was a failure, and which: to see whether it gives back the same.
#[derive(Clone, Copy)]
pub(super) enum Came {
    Value,
    Failure(u64),
}

impl<T> From<&Result<T, Failure>> for Came {
    #[inline]
    fn from(input: &Result<T, Failure>) -> Came {
        match input {
            Ok(_) => Came::Value,
            Err(failure) => Came::Failure(failure.id()),
        }
    }
}

impl Trace {
    /// Writes down on a failure that came out of a callback what it met there. `self` has that callback counted.
    #[cold]
    pub(super) fn note(self, mut failure: Failure, came: Came, side: Side, added: Place) -> Failure {
        match (came, side) {
            (Came::Failure(_), Side::Callback) => failure.pass(Waypoint::Through(added)),
            (Came::Failure(same), _) if same == failure.id() => failure.pass(Waypoint::PassedOnBy(added)),
            _ => return self.raised(failure, added),
        }
        failure
    }

    #[cold]
    pub(super) fn raised(self, mut failure: Failure, added: Place) -> Failure {
        self.history().without(added).enter(&mut failure, added, Part::Raised);
        failure
    }

    #[cold]
    pub(super) fn given_back(self, mut failure: Failure, added: Place) -> Failure {
        self.history().without(added).enter(&mut failure, added, Part::GaveBack);
        failure
    }
}

impl<T, U, F> Node for Step<T, U, F>
where
    T: 'static,
    U: 'static,
    F: 'static,
{
    fn remains(self: Rc<Self>) -> Option<Rc<dyn Node>> {
        Some(self)
    }
}

impl<T, U, F> Accept<T> for Step<T, U, F>
where
    F: FnOnce(Result<T, Failure>) -> Given<U> + 'static,
{
    #[inline]
    fn run_with(self: Rc<Self>, input: Result<T, Failure>, turn: &mut Turn) -> Then {
        let callback = self.callback.take().expect("a step gets its input once");
        let came = Came::from(&input);
        let trace = self.out.trace();
        trace.ran(self.added);
        // Looked at inside of the call: what comes out of it is small.
        let given = turn.call(
            || match callback(input) {
                Given::Ready(Ok(value)) => Ok(Ok(value)),
                Given::Ready(Err(failure)) => Ok(Err(trace.note(failure, came, self.side, self.added))),
                Given::Pending(deferred) => {
                    deferred.settled().map(|result| result.map_err(|failure| trace.given_back(failure, self.added)))
                }
            },
            self.added,
        );
        let result = match given {
            Ok(Ok(result)) => result,
            Ok(Err(ends)) => return self.wait_for(ends, turn),
            Err(panicked) => Err(trace.raised(panicked, self.added)),
        };
        // The callback itself may have paused the chain.
        match turn.paused_root() {
            Some(root) => {
                root::hold_back(root.gate(), self, result);
                Then::Nothing
            }
            None => self.out.push(result, turn),
        }
    }

    fn accept(self: Rc<Self>, input: Result<T, Failure>) -> Rc<dyn Run> {
        self.inbox.set(Some(Inbox::Input(Outcome::new(input))));
        self
    }
}

impl<T, U, F> Settle<U> for Step<T, U, F>
where
    F: FnOnce(Result<T, Failure>) -> Given<U> + 'static,
{
    fn settle(self: Rc<Self>, result: Result<U, Failure>) -> Then {
        let trace = self.out.trace();
        let root = match self.inbox.take() {
            Some(Inbox::Waits(wait)) => wait.end(trace),
            _ => None,
        };
        let result = result.map_err(|failure| trace.given_back(failure, self.added));
        // Not handed on from here: a row of chains that wait for each other would recurse.
        self.inbox.set(Some(Inbox::Settled(Outcome::new(result))));
        Then::Other(self, root)
    }
}

impl<T, U, F> Run for Step<T, U, F>
where
    F: FnOnce(Result<T, Failure>) -> Given<U> + 'static,
{
    fn run(self: Rc<Self>, turn: &mut Turn) -> Then {
        match self.inbox.take() {
            Some(Inbox::Input(input)) => self.run_with(input.into_inner(), turn),
            Some(Inbox::Settled(outcome)) => self.out.push(outcome.into_inner(), turn),
            Some(Inbox::Waits(_)) | None => Then::Nothing,
        }
    }
}

impl<T, U, F> Tail<U> for Step<T, U, F>
where
    F: 'static,
{
    fn out(&self) -> &Out<U> {
        &self.out
    }
    fn as_awaited(self: Rc<Self>) -> Rc<dyn Awaited> {
        self
    }
}

impl<T, U, F: 'static> Awaited for Step<T, U, F> {
    fn give_back(self: Rc<Self>, root: Held<dyn Root>) {
        let ends = Ends::new(Held::new(self.clone()), root);
        self.out.give_back(ends);
    }
}

/// The step of [`Deferred::chain_deferred`](super::Deferred::chain_deferred): it fires another Deferred without a
/// callback, and so without a loop inside the loop.
pub(super) struct Link<T: 'static> {
    input: Cell<Option<Outcome<T>>>,
    firer: Cell<Option<Firer<T>>>,
    out: Out<()>,
    added: Place,
}

impl<T: 'static> Link<T> {
    pub(super) fn new(firer: Firer<T>, added: Place, before: Trace) -> Rc<Link<T>> {
        Rc::new(Link {
            input: Cell::new(None),
            firer: Cell::new(Some(firer)),
            out: Out::empty(before.and_one()),
            added,
        })
    }
}

impl<T> Node for Link<T> {
    fn remains(self: Rc<Self>) -> Option<Rc<dyn Node>> {
        Some(self)
    }
}

impl<T> Accept<T> for Link<T> {
    fn run_with(self: Rc<Self>, input: Result<T, Failure>, turn: &mut Turn) -> Then {
        self.accept(input).run(turn)
    }

    fn accept(self: Rc<Self>, input: Result<T, Failure>) -> Rc<dyn Run> {
        self.input.set(Some(Outcome::new(input)));
        self
    }
}

impl<T> Run for Link<T> {
    /// Runs twice: first it fires the other one, and when that one has come to rest its own chain goes on.
    fn run(self: Rc<Self>, turn: &mut Turn) -> Then {
        let (Some(firer), Some(input)) = (self.firer.take(), self.input.take()) else {
            return self.out.push(Ok(()), turn);
        };
        let trace = self.out.trace();
        trace.ran(self.added);
        match admit(input, &firer, self.added) {
            Ok(Some(result)) => {
                turn.later(self);
                firer.head().deliver(result)
            }
            Ok(None) => self.out.push(Ok(()), turn),
            Err(error) => {
                let failure = trace.raised(Failure::at(error, self.added), self.added);
                self.out.push(Err(failure), turn)
            }
        }
    }
}

/// What [`Link`] does, for a Deferred that has fired already: nothing waits, so it needs no step.
pub(super) fn hand_on<T: 'static>(result: Result<T, Failure>, firer: &Firer<T>, added: Place) -> Result<(), Failure> {
    let admitted = admit(Outcome::new(result), firer, added).map_err(|error| Failure::at(error, added))?;
    if let Some(result) = admitted {
        firer.head().deliver_and_run(result);
    }
    Ok(())
}

/// Asks whether the other Deferred takes a result; gives what it is to be fired with, or nothing if it ignores it. A
/// failure that it does not take is reported.
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
    Ok(matches!(taken, Admitted::First).then_some(result))
}

impl<T> Tail<()> for Link<T> {
    fn out(&self) -> &Out<()> {
        &self.out
    }
    fn as_awaited(self: Rc<Self>) -> Rc<dyn Awaited> {
        self
    }
}

impl<T> Awaited for Link<T> {
    fn give_back(self: Rc<Self>, root: Held<dyn Root>) {
        let ends = Ends::new(Held::new(self.clone()), root);
        self.out.give_back(ends);
    }
}
