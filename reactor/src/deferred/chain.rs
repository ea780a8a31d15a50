//! How a chain runs: one small object for each callback that waits, linked from the firing end to the last.
//!
//! ```text
//!   Firer --> Head<T> --next--> Step<T, U> --next--> Step<U, V> <-- Deferred<V> (tail)
//!               ^ root: called, paused, canceller, what it waits for       |
//!               +----------------------------------------------------------+
//! ```
//!
//! Strong links point only downstream (and from a Deferred to its root), so nothing leaks when both ends go. Running is
//! a loop in [`run`]: a step takes its input, calls its closure, hands the result to the next step and *returns* that
//! step. A million steps use the stack of one; dropping unfired steps walks the same way ([`Out`]'s `Drop`).
//!
//! A step whose closure gives back an unfired Deferred becomes the `next` of that one's last step; the root of the
//! waiting chain remembers the root that it waits for, so that a cancel can follow.

use super::out::{Link, Next, Out, Outcome};
use super::{Deferred, Firer, Side, State};
use crate::Failure;
use crate::error::{AlreadyCalledError, CancelledError};
use crate::failure::Passed;
use std::cell::{Cell, RefCell};
use std::mem;
use std::panic::Location;
use std::rc::{Rc, Weak};

/// A step that has its input and may run.
pub(super) trait Run {
    /// Runs the closure and hands the result on; gives back what is to run next.
    fn run(self: Rc<Self>, root: Option<&Rc<dyn Root>>) -> Then;
}

/// What follows a step.
pub(super) enum Then {
    /// The next step of the same chain.
    Step(Rc<dyn Run>),
    /// A step of another chain, which has waited for this one, and that chain's root if anybody still holds it.
    Other(Rc<dyn Run>, Option<Rc<dyn Root>>),
    Nothing,
}

/// A step as the one before it sees it.
pub(super) trait Accept<T> {
    fn accept(self: Rc<Self>, input: Result<T, Failure>) -> Rc<dyn Run>;
    fn into_link(self: Rc<Self>) -> Rc<dyn Link>;
}

/// A step as the Deferred that it waits for sees it.
pub(super) trait Settle<U> {
    fn settle(self: Rc<Self>, result: Result<U, Failure>) -> Rc<dyn Run>;
    fn into_link(self: Rc<Self>) -> Rc<dyn Link>;
}

/// The last step as the Deferred handle sees it.
pub(super) trait Tail<T> {
    /// Takes the result, if it is here.
    fn take(&self) -> Option<Result<T, Failure>>;
    fn is_done(&self) -> bool;
    /// Links what follows; if the result is here already (the chain is paused), gives back the step that has it now.
    fn attach(&self, next: Next<T>) -> Option<Rc<dyn Run>>;
}

/// A chain as its Deferred and whoever waits for it see it.
pub(super) trait Root {
    fn is_paused(&self) -> bool;
    fn pause(&self);
    /// Takes one pause back; true if that was the last.
    fn unpause(&self) -> bool;
    /// Keeps the step that is to run when the pause ends.
    fn park(&self, step: Rc<dyn Run>);
    fn unpark(&self) -> Option<Rc<dyn Run>>;
    fn wait_on(&self, other: Option<Rc<dyn Root>>);
    /// For dropping a row of waiting chains without recursion: gives away the one that this one waits for.
    fn waits_on(&self) -> Option<Rc<dyn Root>>;
    /// Cancels the unfired head, or names the root of what it waits for instead.
    fn cancel(self: Rc<Self>) -> Option<Rc<dyn Root>>;
}

type Canceller<T> = Box<dyn FnOnce(&Firer<T>)>;

/// The start of a chain: what the Firer holds, and its root.
pub(super) struct Head<T: 'static> {
    out: Out<T>,
    called: Cell<bool>,
    /// Set by a cancel without a canceller: the producer could not know, so its one late firing is no error.
    swallow: Cell<bool>,
    canceller: Cell<Option<Canceller<T>>>,
    paused: Cell<u32>,
    parked: RefCell<Option<Rc<dyn Run>>>,
    waits_on: RefCell<Option<Rc<dyn Root>>>,
    made: &'static Location<'static>,
}

impl<T: 'static> Head<T> {
    pub(super) fn new(canceller: Option<Canceller<T>>, made: &'static Location<'static>) -> Rc<Head<T>> {
        Head::with(Out::empty(), false, canceller, made)
    }

    pub(super) fn already_fired(result: Result<T, Failure>, made: &'static Location<'static>) -> Rc<Head<T>> {
        Head::with(Out::done(result), true, None, made)
    }

    fn with(
        out: Out<T>,
        called: bool,
        canceller: Option<Canceller<T>>,
        made: &'static Location<'static>,
    ) -> Rc<Head<T>> {
        Rc::new(Head {
            out,
            called: Cell::new(called),
            swallow: Cell::new(false),
            canceller: Cell::new(canceller),
            paused: Cell::new(0),
            parked: RefCell::new(None),
            waits_on: RefCell::new(None),
            made,
        })
    }

    pub(super) fn made(&self) -> &'static Location<'static> {
        self.made
    }

    pub(super) fn called(&self) -> bool {
        self.called.get()
    }
}

impl<T> Drop for Head<T> {
    /// Lets go of the chain that it waits for, and of the one which that one waits for, one after the other.
    fn drop(&mut self) {
        let mut next = self.waits_on.get_mut().take();
        while let Some(root) = next {
            next = if Rc::strong_count(&root) == 1 { root.waits_on() } else { None };
        }
    }
}

impl<T> Tail<T> for Head<T> {
    fn take(&self) -> Option<Result<T, Failure>> {
        self.out.take()
    }
    fn is_done(&self) -> bool {
        self.out.is_done()
    }
    fn attach(&self, next: Next<T>) -> Option<Rc<dyn Run>> {
        self.out.attach(next)
    }
}

impl<T> Root for Head<T> {
    fn is_paused(&self) -> bool {
        self.paused.get() > 0
    }

    fn pause(&self) {
        self.paused.set(self.paused.get() + 1);
    }

    fn unpause(&self) -> bool {
        let paused = self.paused.get();
        self.paused.set(paused.saturating_sub(1));
        paused == 1
    }

    fn park(&self, step: Rc<dyn Run>) {
        *self.parked.borrow_mut() = Some(step);
    }

    fn unpark(&self) -> Option<Rc<dyn Run>> {
        self.parked.borrow_mut().take()
    }

    fn wait_on(&self, other: Option<Rc<dyn Root>>) {
        let old = mem::replace(&mut *self.waits_on.borrow_mut(), other);
        drop(old); // Outside the borrow: it may drop a whole chain.
    }

    fn waits_on(&self) -> Option<Rc<dyn Root>> {
        self.waits_on.borrow_mut().take()
    }

    fn cancel(self: Rc<Self>) -> Option<Rc<dyn Root>> {
        if self.called() {
            return self.waits_on.borrow().clone();
        }
        match self.canceller.take() {
            Some(canceller) => canceller(&Firer { head: self.clone() }),
            None => self.swallow.set(true),
        }
        if !self.called() {
            let mut failure = Failure::new(CancelledError);
            failure.pass(Passed::Made(self.made));
            deliver(&self, Err(failure));
        }
        None
    }
}

impl<T> Link for Head<T> {
    fn unlink(&self) -> Option<Rc<dyn Link>> {
        self.out.unlink()
    }
}

/// One callback of a chain that has not run yet.
pub(super) struct Step<T: 'static, U: 'static, F> {
    work: Cell<Work<T, U, F>>,
    out: Out<U>,
    side: Side,
    added: &'static Location<'static>,
    /// Where the chain's first Deferred was made.
    made: &'static Location<'static>,
}

enum Work<T: 'static, U: 'static, F> {
    /// The closure, without its input.
    Waits(F),
    Ready(F, Outcome<T>),
    /// The closure has run; this is what the Deferred that it gave back came to.
    Settled(Outcome<U>),
    Done,
}

impl<T: 'static, U: 'static, F> Step<T, U, F>
where
    F: FnOnce(Result<T, Failure>) -> Deferred<U> + 'static,
{
    pub(super) fn new(
        run: F,
        side: Side,
        added: &'static Location<'static>,
        made: &'static Location<'static>,
    ) -> Rc<Step<T, U, F>> {
        Rc::new(Step { work: Cell::new(Work::Waits(run)), out: Out::empty(), side, added, made })
    }
}

impl<T, U, F> Accept<T> for Step<T, U, F>
where
    F: FnOnce(Result<T, Failure>) -> Deferred<U> + 'static,
{
    fn accept(self: Rc<Self>, input: Result<T, Failure>) -> Rc<dyn Run> {
        if let Work::Waits(run) = self.work.replace(Work::Done) {
            self.work.set(Work::Ready(run, Outcome::new(input)));
        }
        self
    }
    fn into_link(self: Rc<Self>) -> Rc<dyn Link> {
        self
    }
}

impl<T, U, F> Settle<U> for Step<T, U, F>
where
    F: FnOnce(Result<T, Failure>) -> Deferred<U> + 'static,
{
    fn settle(self: Rc<Self>, result: Result<U, Failure>) -> Rc<dyn Run> {
        self.work.set(Work::Settled(Outcome::new(result)));
        self
    }
    fn into_link(self: Rc<Self>) -> Rc<dyn Link> {
        self
    }
}

impl<T, U, F> Run for Step<T, U, F>
where
    F: FnOnce(Result<T, Failure>) -> Deferred<U> + 'static,
{
    fn run(self: Rc<Self>, root: Option<&Rc<dyn Root>>) -> Then {
        let result = match self.work.replace(Work::Done) {
            Work::Ready(run, input) => {
                let input = input.into_inner();
                let failed = input.is_err();
                let given = run(input);
                match given.state {
                    State::Fired(outcome) => outcome.into_inner().map_err(|mut failure| {
                        self.side.note(&mut failure, failed, self.added, self.made);
                        failure
                    }),
                    State::Pending { tail, root: inner } => match (!inner.is_paused()).then(|| tail.take()).flatten() {
                        Some(result) => result,
                        None => {
                            wait_for(self, root, &*tail, inner);
                            return Then::Nothing;
                        }
                    },
                }
            }
            Work::Settled(outcome) => outcome.into_inner(),
            Work::Waits(_) | Work::Done => return Then::Nothing,
        };
        self.out.push(result)
    }
}

/// Puts `step` behind the Deferred whose last step is `tail`.
fn wait_for<U>(step: Rc<dyn Settle<U>>, root: Option<&Rc<dyn Root>>, tail: &dyn Tail<U>, inner: Rc<dyn Root>) {
    let none: Weak<dyn Root> = Weak::<Head<()>>::new();
    let ready = tail.attach(Next::Waiter(step, root.map_or(none, Rc::downgrade)));
    if let Some(step) = ready {
        // It is paused with its result in hand: unpausing it goes on with us.
        inner.park(Rc::new(Resume { step, root: root.cloned() }));
    }
    if let Some(root) = root {
        root.wait_on(Some(inner));
    }
}

/// A step of another chain, parked with one that was paused when the other began to wait for it.
struct Resume {
    step: Rc<dyn Run>,
    root: Option<Rc<dyn Root>>,
}

impl Run for Resume {
    fn run(self: Rc<Self>, _paused: Option<&Rc<dyn Root>>) -> Then {
        if let Some(root) = &self.root {
            root.wait_on(None);
        }
        Then::Other(self.step.clone(), self.root.clone())
    }
}

impl<T, U, F> Tail<U> for Step<T, U, F> {
    fn take(&self) -> Option<Result<U, Failure>> {
        self.out.take()
    }
    fn is_done(&self) -> bool {
        self.out.is_done()
    }
    fn attach(&self, next: Next<U>) -> Option<Rc<dyn Run>> {
        self.out.attach(next)
    }
}

impl<T, U, F> Link for Step<T, U, F> {
    fn unlink(&self) -> Option<Rc<dyn Link>> {
        self.out.unlink()
    }
}

/// Fires a head that may have fired before.
pub(super) fn fire<T>(head: &Rc<Head<T>>, result: Result<T, Failure>) -> Result<(), AlreadyCalledError> {
    if !head.called() {
        deliver(head, result);
        Ok(())
    } else if head.swallow.replace(false) {
        Ok(())
    } else {
        Err(AlreadyCalledError { made: head.made })
    }
}

fn deliver<T>(head: &Rc<Head<T>>, result: Result<T, Failure>) {
    head.called.set(true);
    drop(head.canceller.take());
    match head.out.push(result) {
        Then::Step(step) => run(step, Some(head.clone())),
        // Whoever waits for a paused Deferred waits for the end of the pause as well.
        Then::Other(step, root) if head.is_paused() => head.park(Rc::new(Resume { step, root })),
        Then::Other(step, root) => run(step, root),
        Then::Nothing => {}
    }
}

/// Runs steps until the chain ends, waits or is paused. Each firing has a loop of its own, so that a callback that
/// fires another Deferred runs that one's chain nested, as in Twisted.
fn run(mut step: Rc<dyn Run>, mut root: Option<Rc<dyn Root>>) {
    loop {
        if let Some(root) = root.as_ref().filter(|root| root.is_paused()) {
            root.park(step);
            return;
        }
        match step.run(root.as_ref()) {
            Then::Step(next) => step = next,
            Then::Other(next, other) => (step, root) = (next, other),
            Then::Nothing => return,
        }
    }
}

pub(super) fn unpause(root: Rc<dyn Root>) {
    if root.unpause()
        && let Some(step) = root.unpark()
    {
        run(step, Some(root));
    }
}

/// Follows what the chain waits for, however deep, to the one that can be cancelled.
pub(super) fn cancel(root: Rc<dyn Root>) {
    let mut next = Some(root);
    while let Some(root) = next {
        next = root.cancel();
    }
}
