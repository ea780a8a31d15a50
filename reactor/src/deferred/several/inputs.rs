//! [`join`]: several Deferreds that are waited for together. The three functions of `list.rs` are policies on it.
//!
//! ```text
//!   input 0 --[Input]--+
//!   input 1 --[Input]--+--> Policy::keep --> decided? --> Joint's Out --> ... <-- Deferred
//!   input 2 --[Input]--+                                         ^                     |
//!                                                                | weakly              |
//!                                 the inputs' controls <-- ListControl <---------------+
//! ```
//!
//! Each input gets one step, which hands its result to the [`Policy`]. The policy decides the result of the list once;
//! any result after that is late. The step that decides hands the list's result on to the list's own chain, in the loop
//! that is running, as the last step of a chain does. So lists in lists in lists use the stack of one.
//!
//! If the other inputs must be cancelled first, the loop does that ([`Trampoline::cancel_before`]), and then comes back
//! for the result. A canceller of an input may do anything. It may fire other inputs; these decide the result, and its
//! callbacks cancel and fire more. So nothing is borrowed while a canceller runs.
//!
//! Next: `shared.rs`, one result for several.

use crate::Failure;
use crate::deferred::Deferred;
use crate::deferred::chain::{
    Accept, Chain, Control, FlatRc, Gate, Next, Out, Plain, Run, Tail, Trampoline, WaitedFor, Waiter, deliver_from,
    with_seen,
};
use crate::deferred::story::{Outcome, Place, Status, TellsStatus, Trace};
use crate::failure::Waypoint;
use crate::trace::{self, DeferredEvent, DeferredKind};
use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};

/// Decides when the result of the list is known, and what it is.
pub(super) trait Policy: 'static {
    type Input: 'static;
    type Output: 'static;

    /// What a trace calls it.
    const KIND: DeferredKind;

    /// Keeps the result of one input. Returns the result of the list if this input decides it. Must not run the user's
    /// code or drop the user's values: the policy is borrowed meanwhile.
    fn keep(&mut self, index: usize, result: Result<Self::Input, Failure>) -> Option<Result<Self::Output, Failure>>;

    /// Disposes of what it kept, once the result is known.
    fn dispose(self);

    /// Disposes of a failure that comes when the result is known already. Not called for a cancellation that we asked
    /// for.
    fn log_late(failure: Failure);
}

/// Waits for `inputs` until `policy` knows the result; then cancels the other inputs if `cancel_others` is set. `made`
/// is where the list was made. There must be at least one input.
pub(super) fn join<P: Policy>(
    inputs: Vec<Deferred<P::Input>>,
    policy: P,
    cancel_others: bool,
    made: Place,
) -> Deferred<P::Output> {
    let controls = Rc::new(InputControls {
        unfired: RefCell::new(Vec::with_capacity(inputs.len())),
        cancel_others,
        were_cancelled: Cell::new(false),
    });
    let trace = Trace::begin(made, P::KIND);
    let control = Rc::new(ListControl { gate: Gate::default(), trace, controls: controls.clone() });
    let joint = Rc::new(Joint {
        policy: RefCell::new(Some(policy)),
        controls: controls.clone(),
        decided: Cell::new(None),
        out: Out::empty(trace),
        control: Rc::downgrade(&control),
    });
    // Nothing is decided before all are joined, so that all can be cancelled.
    let mut early = None;
    let mut trampoline = Trampoline::new(None);
    for (index, input) in inputs.into_iter().enumerate() {
        let input_trace = input.trace();
        let (result, input_control) = match input.try_result() {
            Ok(result) => {
                if trace::is_on() {
                    tell_joined(input_trace, trace, index, Some(&result));
                }
                (Some(result), None)
            }
            Err(chain) => {
                if trace::is_on() {
                    tell_joined::<P::Input>(input_trace, trace, index, None);
                }
                let step = Rc::new(Input { index, joint: joint.clone(), inbox: Cell::new(None) });
                (None, Some(chain.end_with(FlatRc::new(step))))
            }
        };
        if let Some(input) = &input_control {
            input.gate().set_waiter(Waiter::Chain(Rc::downgrade(&control) as Weak<dyn Control>));
        }
        controls.unfired.borrow_mut().push(input_control);
        if let Some(result) = result {
            early = joint.keep(index, result, &mut trampoline).or(early);
        }
    }
    let next = early.map_or(Next::Nothing, |decided| joint.clone().decide(decided, &mut trampoline));
    trampoline.begin(next);
    Deferred::from_chain(Chain::new(FlatRc::new(joint), FlatRc::new(control)))
}

/// Tells those who listen of an input. They have not heard of it yet if it has had its result from the start.
#[cold]
#[inline(never)]
fn tell_joined<T: 'static>(input: Trace, list: Trace, index: usize, result: Option<&Result<T, Failure>>) {
    let is_new = result.is_some() && input.number() == 0;
    let input = if is_new { input.tell_made(DeferredKind::Result) } else { input };
    let seen = result.and_then(trace::see);
    let result = seen.as_ref().map(|seen| seen.shown());
    input.tell(DeferredEvent::Joined { list: list.number(), index, result });
}

/// The controls of the inputs, used to cancel them. The list's control and the steps of all inputs share it.
struct InputControls {
    /// A place for each input, empty if it has fired. The inputs keep each other alive through this. So it is emptied
    /// when the result is known, and when the list's control goes, unless the others must be cancelled at the end: then
    /// each must be found even if the list's own Deferred is gone.
    unfired: RefCell<Vec<Option<FlatRc<dyn Control>>>>,
    /// Whether the others are cancelled when the result is known.
    cancel_others: bool,
    /// Whether we have cancelled the inputs: then a late `CancelledError` is not reported.
    were_cancelled: Cell<bool>,
}

impl InputControls {
    fn left(&self) -> Vec<FlatRc<dyn Control>> {
        self.unfired.borrow().iter().flatten().cloned().collect()
    }

    fn remove(&self, index: usize) {
        let control = self.unfired.borrow_mut().get_mut(index).and_then(Option::take);
        drop(control); // Outside of the borrow: it may be the end of a chain.
    }

    fn let_go(&self) {
        let controls = self.unfired.take();
        drop(controls); // Outside of the borrow.
    }
}

/// What the steps of all inputs share: the policy, and the list's own chain behind it.
struct Joint<P: Policy> {
    /// Until the result is known.
    policy: RefCell<Option<P>>,
    controls: Rc<InputControls>,
    /// The result, while the others are being cancelled.
    decided: Cell<Option<Outcome<P::Output>>>,
    out: Out<P::Output>,
    control: Weak<ListControl>,
}

impl<P: Policy> Joint<P> {
    /// Takes the result of one input. Returns the result of the list if this input decides it.
    fn keep(
        &self,
        index: usize,
        result: Result<P::Input, Failure>,
        trampoline: &mut Trampoline,
    ) -> Option<Result<P::Output, Failure>> {
        trampoline.shielded(|| self.controls.remove(index));
        let kept = match self.policy.borrow_mut().as_mut() {
            Some(policy) => Ok(policy.keep(index, result)),
            None => Err(result),
        };
        match kept {
            Ok(decided) => {
                if let Some(result) = &decided
                    && trace::is_on()
                {
                    with_seen(result, |result| self.out.trace().tell(DeferredEvent::Decided { index, result }));
                }
                let policy = if decided.is_some() { self.policy.take() } else { None };
                if let Some(policy) = policy {
                    trampoline.shielded(|| policy.dispose());
                }
                decided
            }
            Err(Err(mut failure)) => {
                failure.pass(Waypoint::List(self.out.trace().made()));
                if !(self.controls.were_cancelled.get() && failure.is_cancellation()) {
                    P::log_late(failure);
                }
                None
            }
            Err(Ok(late)) => {
                drop(late);
                None
            }
        }
    }

    /// Called once, with the result of the list: cancels the other inputs if the caller wants that, and hands the
    /// result on.
    fn decide(self: Rc<Self>, decided: Result<P::Output, Failure>, trampoline: &mut Trampoline) -> Next {
        if self.controls.cancel_others {
            self.controls.were_cancelled.set(true);
            let left = self.controls.left();
            if !left.is_empty() {
                self.decided.set(Some(Outcome::new(decided)));
                let made = self.out.trace().made();
                trampoline.cancel_before(left, made, self);
                return Next::Nothing;
            }
        }
        self.hand_on(decided, trampoline)
    }

    fn hand_on(self: Rc<Self>, decided: Result<P::Output, Failure>, trampoline: &mut Trampoline) -> Next {
        let decided = decided.map_err(|mut failure| {
            failure.pass(Waypoint::List(self.out.trace().made()));
            failure
        });
        let control = self.control.upgrade();
        // From here on a cancel of the list reaches no input, and the list no longer keeps the inputs alive.
        trampoline.shielded(|| self.controls.let_go());
        deliver_from(self, control.map(|control| control as Rc<dyn Control>), decided)
    }
}

impl<P: Policy> Plain for Joint<P> {}

/// Tells those who listen of a list that nothing can decide any more.
impl<P: Policy> Drop for Joint<P> {
    fn drop(&mut self) {
        if self.out.trace().is_told() && self.policy.get_mut().is_some() {
            self.out.trace().tell_gone();
        }
    }
}

impl<P: Policy> Run for Joint<P> {
    /// Called when the other inputs have been cancelled.
    fn run(self: Rc<Self>, trampoline: &mut Trampoline) -> Next {
        match self.decided.take() {
            Some(decided) => self.hand_on(decided.into_inner(), trampoline),
            None => Next::Nothing,
        }
    }
}

impl<P: Policy> Tail<P::Output> for Joint<P> {
    fn out(&self) -> &Out<P::Output> {
        &self.out
    }
}

/// The last step in the chain of an input.
struct Input<P: Policy> {
    index: usize,
    joint: Rc<Joint<P>>,
    inbox: Cell<Option<Outcome<P::Input>>>,
}

impl<P: Policy> Plain for Input<P> {}

impl<P: Policy> Accept<P::Input> for Input<P> {
    fn accept(self: Rc<Self>, input: Result<P::Input, Failure>) -> Rc<dyn Run> {
        self.inbox.set(Some(Outcome::new(input)));
        self
    }
}

impl<P: Policy> Run for Input<P> {
    fn run(self: Rc<Self>, trampoline: &mut Trampoline) -> Next {
        let Some(input) = self.inbox.take() else { return Next::Nothing };
        match self.joint.keep(self.index, input.into_inner(), trampoline) {
            Some(decided) => self.joint.clone().decide(decided, trampoline),
            None => Next::Nothing,
        }
    }
}

/// The control of the chain that follows the inputs.
struct ListControl {
    gate: Gate,
    trace: Trace,
    controls: Rc<InputControls>,
}

impl Drop for ListControl {
    fn drop(&mut self) {
        if !self.controls.cancel_others {
            self.controls.let_go();
        }
    }
}

impl Plain for ListControl {}

impl TellsStatus for ListControl {
    fn status(&self) -> Status {
        let inputs = self.controls.left().into_iter().map(|input| input.into_rc() as Rc<dyn TellsStatus>).collect();
        Status { inputs: Some(inputs), ..self.gate.status(self.trace.made()) }
    }

    fn number(&self) -> u64 {
        self.trace.number()
    }
}

impl Control for ListControl {
    fn gate(&self) -> &Gate {
        &self.gate
    }

    /// Cancels every input that has not fired; their failures then decide the result.
    fn cancel(self: Rc<Self>, at: Place, trampoline: &mut Trampoline) -> Next {
        if !self.gate.cancel_inner(at, trampoline) {
            let left = self.controls.left();
            if !left.is_empty() {
                self.controls.were_cancelled.set(true);
            }
            trampoline.cancel(left.into_iter(), at);
        }
        Next::Nothing
    }

    fn waited_for(&self, number: usize) -> WaitedFor {
        if self.gate.waits_on().is_some() {
            return self.gate.waited_for(number);
        }
        match self.controls.unfired.borrow().get(number) {
            Some(Some(input)) => WaitedFor::Chain(input.clone()),
            Some(None) => WaitedFor::Fired,
            None => WaitedFor::End,
        }
    }
}
