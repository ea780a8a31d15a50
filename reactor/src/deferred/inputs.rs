//! Several Deferreds that are waited for together: what `list.rs` has in common.
//!
//! ```text
//!   input 0 --[Input]--+
//!   input 1 --[Input]--+--> Policy::keep --> decided? --> Joint's Out --> ... <-- Deferred
//!   input 2 --[Input]--+                                     ^                      |
//!                                   the inputs' roots <-- JoinedRoot <--------------+
//! ```
//!
//! Each input gets one step, which hands its result to the [`Policy`]. The policy says when the result of all is known,
//! which happens once; what comes after that is late. The step that decides hands the result on to the list's own chain
//! in the loop that is running, as the last step of a chain does: lists in lists in lists use the stack of one.
//!
//! If the others are to be cancelled first, the loop does that (see [`Turn::cancel_before`]), and then comes back for
//! the result. While an input is being cancelled, everything may happen from inside its canceller: other inputs fire,
//! the result is decided, its callbacks cancel and fire more. So nothing is borrowed then.

use super::Deferred;
use super::chain::{Accept, Run, Then, Turn};
use super::ends::Ends;
use super::held::{Held, Node};
use super::history::{Place, Trace};
use super::list::Others;
use super::out::{Awaited, Out, Tail};
use super::root::{self, Gate, Root};
use super::unhandled::Outcome;
use super::waiting::Stage;
use crate::Failure;
use crate::failure::Waypoint;
use std::cell::{Cell, OnceCell, RefCell};
use std::rc::{Rc, Weak};

/// When the result of several inputs is known, and what it is.
pub(super) trait Policy: 'static {
    type Input: 'static;
    type Output: 'static;

    /// Keeps the result of one input; gives the result of all as soon as that is known. Runs and drops nothing of the
    /// user's: it is borrowed.
    fn keep(&mut self, index: usize, result: Result<Self::Input, Failure>) -> Option<Result<Self::Output, Failure>>;

    /// What becomes of the rest of what it kept, once the result is known.
    fn decided(self);

    /// What becomes of a failure that comes after that, unless it is only a cancellation that we asked for.
    fn late(failure: Failure);
}

/// Waits for `inputs` as `policy` says; `made` is where the list was made. There must be one input at least.
pub(super) fn join<P: Policy>(
    inputs: Vec<Deferred<P::Input>>,
    policy: P,
    others: Others,
    made: Place,
) -> Deferred<P::Output> {
    let roots = Rc::new(Roots(RefCell::new(Vec::with_capacity(inputs.len()))));
    let root = Rc::new(JoinedRoot { gate: Gate::default(), made, roots: roots.clone(), joint: OnceCell::new() });
    let joint = Rc::new(Joint {
        policy: RefCell::new(Some(policy)),
        to_cancel: (others == Others::Cancel).then(|| roots.clone()),
        roots: Rc::downgrade(&roots),
        decided: Cell::new(None),
        was_cancelled: Cell::new(false),
        out: Out::empty(Trace::new(made)),
        root: Rc::downgrade(&root),
    });
    drop(roots);
    let _ = root.joint.set(Rc::downgrade(&joint) as Weak<dyn Joined>);
    // Nothing is decided before all are joined, so that all can be cancelled.
    let mut early = None;
    let mut turn = Turn::new(None);
    for (index, input) in inputs.into_iter().enumerate() {
        let (result, input_root) = match input.settled() {
            Ok(result) => (Some(result), None),
            Err(ends) => {
                let step = Rc::new(Input { index, joint: joint.clone(), inbox: Cell::new(None) });
                (None, Some(ends.link(Held::new(step))))
            }
        };
        root.roots.0.borrow_mut().push(input_root);
        if let Some(result) = result {
            early = joint.keep(index, result, &mut turn).or(early);
        }
    }
    let then = early.map_or(Then::Nothing, |decided| joint.clone().decide(decided, &mut turn));
    turn.go(then);
    Deferred::from_ends(Ends::new(Held::new(joint), Held::new(root)))
}

/// The roots of the inputs that have not given their results, by which they are cancelled.
struct Roots(RefCell<Vec<Option<Held<dyn Root>>>>);

impl Roots {
    fn left(&self) -> Vec<Held<dyn Root>> {
        self.0.borrow().iter().flatten().cloned().collect()
    }

    fn done(&self, index: usize) {
        let root = self.0.borrow_mut().get_mut(index).and_then(Option::take);
        drop(root); // Outside of the borrow: it may be the end of a chain.
    }
}

/// What the inputs' steps have in common, and what follows them.
struct Joint<P: Policy> {
    /// Until the result is known.
    policy: RefCell<Option<P>>,
    /// If the others are to be cancelled when the result is known. An input is then kept alive by the rest: it must be
    /// reached even if nobody holds the list's own Deferred any more.
    to_cancel: Option<Rc<Roots>>,
    roots: Weak<Roots>,
    /// The result, while the others are being cancelled.
    decided: Cell<Option<Outcome<P::Output>>>,
    /// Whether we have cancelled the inputs: that they say so is then no news.
    was_cancelled: Cell<bool>,
    out: Out<P::Output>,
    root: Weak<JoinedRoot>,
}

impl<P: Policy> Joint<P> {
    /// Takes the result of one input; gives the result of all if this one decides it.
    fn keep(
        &self,
        index: usize,
        result: Result<P::Input, Failure>,
        turn: &mut Turn,
    ) -> Option<Result<P::Output, Failure>> {
        if let Some(roots) = self.roots.upgrade() {
            turn.shielded(|| roots.done(index));
        }
        let kept = match self.policy.borrow_mut().as_mut() {
            Some(policy) => Ok(policy.keep(index, result)),
            None => Err(result),
        };
        match kept {
            Ok(decided) => {
                let policy = if decided.is_some() { self.policy.take() } else { None };
                if let Some(policy) = policy {
                    turn.shielded(|| policy.decided());
                }
                decided
            }
            Err(Err(mut failure)) => {
                failure.pass(Waypoint::List(self.out.trace().made()));
                if !(self.was_cancelled.get() && failure.is_cancellation()) {
                    P::late(failure);
                }
                None
            }
            Err(Ok(late)) => {
                drop(late);
                None
            }
        }
    }

    /// The result is known: cancels the others, if they are to be, and hands it on.
    fn decide(self: Rc<Self>, decided: Result<P::Output, Failure>, turn: &mut Turn) -> Then {
        if let Some(roots) = &self.to_cancel {
            self.was_cancelled.set(true);
            let left = roots.left();
            if !left.is_empty() {
                self.decided.set(Some(Outcome::new(decided)));
                let made = self.out.trace().made();
                turn.cancel_before(left, made, self);
                return Then::Nothing;
            }
        }
        self.hand_on(decided, turn)
    }

    fn hand_on(self: Rc<Self>, decided: Result<P::Output, Failure>, turn: &mut Turn) -> Then {
        let decided = decided.map_err(|mut failure| {
            failure.pass(Waypoint::List(self.out.trace().made()));
            failure
        });
        let root = self.root.upgrade();
        if let Some(root) = &root {
            // It is decided: nobody can cancel an input any more, and what they hold is let go of.
            let roots = root.roots.0.take();
            turn.shielded(|| drop(roots));
            if root.gate.is_paused() {
                root::hold_back(&root.gate, self, decided);
                return Then::Nothing;
            }
        }
        match self.out.take_step() {
            Some(step) => Then::Other(step.accept(decided), root.map(|root| root as Rc<dyn Root>)),
            None => self.out.push_elsewhere(decided),
        }
    }
}

/// What the root of a list tells the list.
trait Joined {
    /// The inputs are about to be cancelled.
    fn is_cancelled(&self);
}

impl<P: Policy> Joined for Joint<P> {
    fn is_cancelled(&self) {
        self.was_cancelled.set(true);
    }
}

impl<P: Policy> Node for Joint<P> {
    fn remains(self: Rc<Self>) -> Option<Rc<dyn Node>> {
        Some(self)
    }
}

impl<P: Policy> Run for Joint<P> {
    /// The others have been cancelled.
    fn run(self: Rc<Self>, turn: &mut Turn) -> Then {
        match self.decided.take() {
            Some(decided) => self.hand_on(decided.into_inner(), turn),
            None => Then::Nothing,
        }
    }
}

impl<P: Policy> Tail<P::Output> for Joint<P> {
    fn out(&self) -> &Out<P::Output> {
        &self.out
    }
    fn as_awaited(self: Rc<Self>) -> Rc<dyn Awaited> {
        self
    }
}

impl<P: Policy> Awaited for Joint<P> {
    fn give_back(self: Rc<Self>, root: Held<dyn Root>) {
        let ends = Ends::new(Held::new(self.clone()), root);
        self.out.give_back(ends);
    }
}

/// The last step of an input.
struct Input<P: Policy> {
    index: usize,
    joint: Rc<Joint<P>>,
    inbox: Cell<Option<Outcome<P::Input>>>,
}

impl<P: Policy> Node for Input<P> {
    fn remains(self: Rc<Self>) -> Option<Rc<dyn Node>> {
        Some(self)
    }
}

impl<P: Policy> Accept<P::Input> for Input<P> {
    fn run_with(self: Rc<Self>, input: Result<P::Input, Failure>, turn: &mut Turn) -> Then {
        match self.joint.keep(self.index, input, turn) {
            Some(decided) => self.joint.clone().decide(decided, turn),
            None => Then::Nothing,
        }
    }

    fn accept(self: Rc<Self>, input: Result<P::Input, Failure>) -> Rc<dyn Run> {
        self.inbox.set(Some(Outcome::new(input)));
        self
    }
}

impl<P: Policy> Run for Input<P> {
    fn run(self: Rc<Self>, turn: &mut Turn) -> Then {
        match self.inbox.take() {
            Some(input) => self.run_with(input.into_inner(), turn),
            None => Then::Nothing,
        }
    }
}

/// The root of the chain that follows the inputs.
struct JoinedRoot {
    gate: Gate,
    made: Place,
    roots: Rc<Roots>,
    joint: OnceCell<Weak<dyn Joined>>,
}

impl Node for JoinedRoot {
    fn remains(self: Rc<Self>) -> Option<Rc<dyn Node>> {
        Some(self)
    }
}

impl Root for JoinedRoot {
    fn gate(&self) -> &Gate {
        &self.gate
    }

    /// Cancels every input that has not fired; the result then follows from them.
    fn cancel(self: Rc<Self>, at: Place, turn: &mut Turn) -> Then {
        match self.gate.waits_on() {
            Some(waits) => turn.cancel([waits.root].into_iter(), at),
            None => {
                let left = self.roots.left();
                if !left.is_empty()
                    && let Some(joint) = self.joint.get().and_then(Weak::upgrade)
                {
                    joint.is_cancelled();
                }
                turn.cancel(left.into_iter(), at);
            }
        }
        Then::Nothing
    }

    fn some_waited_for(&self, at_most: usize) -> Vec<Held<dyn Root>> {
        if let Some(waits) = self.gate.waits_on() {
            return vec![waits.root];
        }
        self.roots.0.borrow().iter().flatten().take(at_most).cloned().collect()
    }

    fn stage(&self) -> Stage {
        let mut stage = Stage::of_gate(self.made, &self.gate);
        stage.inputs = Some(self.roots.left());
        stage
    }
}
