//! Coroutines: `async` blocks that run in the same loops as callbacks, and become Deferreds.
//!
//! ```text
//!   awaited chain --Out--> Task (the future) --Out--> Step --> ... <-- Deferred (tail)
//!                            | weakly                                   |
//!                            +----> CoroutineRoot <---------------------+
//!                                     | what it awaits, to be cancelled
//! ```
//!
//! The links go as in any chain: what is awaited holds the coroutine, and the root holds what is awaited. So a
//! coroutine ends with what it waits for, and one whose Deferred was dropped goes on as long as something can fire.

use super::Deferred;
use super::chain::{self, Run, Then, Turn};
use super::ends::Ends;
use super::held::{Held, Node};
use super::history::{Place, Trace};
use super::out::{Awaited, Out, Rouses, Tail};
use super::root::{self, Gate, Root, WaitsOn};
use super::waiting::Stage;
use super::waker::{OwnWaker, Rested};
use crate::Failure;
use crate::error::CancelledError;
use crate::failure::Waypoint;
use slab::Slab;
use std::any::Any;
use std::cell::{Cell, RefCell};
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll, Waker};

thread_local!(static CURRENT: RefCell<Option<Rc<dyn Coroutine>>> = const { RefCell::new(None) });

/// A coroutine, as a Deferred that is awaited inside of it sees it.
trait Coroutine: Run {
    /// Whether `waker` rouses it directly: then it can go on in the loop that fires. Inside of a combinator of futures
    /// another waker is handed out, which must be heard of first.
    fn is_roused_by(&self, waker: &Waker) -> bool;
    fn root(&self) -> Option<Rc<CoroutineRoot>>;
    /// Drops the future and fails.
    fn stop(self: Rc<Self>, at: Place, turn: &mut Turn) -> Then;
}

/// How whoever polls now is to be roused.
pub(super) fn rouses(context: &Context<'_>) -> Rouses {
    match current().filter(|coroutine| coroutine.is_roused_by(context.waker())) {
        Some(coroutine) => Rouses::Coroutine(Held::new(coroutine as Rc<dyn Run>)),
        None => Rouses::Waker(context.waker().clone()),
    }
}

/// The coroutine that runs now. While the thread ends there is none.
fn current() -> Option<Rc<dyn Coroutine>> {
    CURRENT.try_with(|current| current.borrow().clone()).ok().flatten()
}

/// Who polls now.
pub(super) enum Poller {
    /// A coroutine of ours, and its root if anybody holds it.
    Coroutine(Option<Rc<CoroutineRoot>>),
    /// Somebody else.
    Other,
}

pub(super) fn poller() -> Poller {
    current().map_or(Poller::Other, |coroutine| Poller::Coroutine(coroutine.root()))
}

/// Makes a coroutine the current one, and the one before it again at the end.
struct Current(Option<Rc<dyn Coroutine>>);

impl Current {
    /// While the thread ends nothing can be made current.
    fn enter(coroutine: Rc<dyn Coroutine>) -> Option<Current> {
        CURRENT.try_with(|current| Current(current.borrow_mut().replace(coroutine))).ok()
    }
}

impl Drop for Current {
    fn drop(&mut self) {
        let before = self.0.take();
        let ended = CURRENT.try_with(|current| std::mem::replace(&mut *current.borrow_mut(), before));
        drop(ended); // Outside of the borrow.
    }
}

/// Starts `future` and runs it to its first unfired await.
pub(super) fn start<T, F>(future: F, made: Place) -> Result<Result<T, Failure>, Ends<T>>
where
    T: 'static,
    F: Future<Output = Result<T, Failure>> + 'static,
{
    let root = Rc::new(CoroutineRoot {
        gate: Gate::default(),
        made,
        awaits: RefCell::default(),
        is_running: Cell::new(false),
        cancel_asked: Cell::new(None),
        task: RefCell::new(Weak::<Task<T, F>>::new()),
    });
    let task = Rc::new(Task {
        future: Cell::new(Some(Box::pin(future))),
        out: Out::empty(Trace::new(made)),
        again: Cell::new(false),
        waker: Cell::new(None),
        root: Rc::downgrade(&root),
        made,
    });
    *root.task.borrow_mut() = Rc::downgrade(&task) as Weak<dyn Coroutine>;
    chain::run(task.clone(), None);
    task.out.take().ok_or_else(|| Ends::new(Held::new(task), Held::new(root)))
}

/// Polls the body of a coroutine that was started at `made`. If that is nothing but a Deferred, it is awaited there, as
/// nobody else awaits it.
#[inline]
fn poll_at<T, F>(future: &mut Pin<Box<F>>, context: &mut Context<'_>, made: Place) -> Poll<F::Output>
where
    T: 'static,
    F: Future<Output = Result<T, Failure>> + 'static,
{
    let any: &mut dyn Any = future;
    match any.downcast_mut::<Pin<Box<Deferred<T>>>>() {
        Some(deferred) => deferred.poll_at(context, made),
        None => future.as_mut().poll(context),
    }
}

/// The future, and what follows it.
struct Task<T: 'static, F> {
    /// Not there while it runs, and when it has ended.
    future: Cell<Option<Pin<Box<F>>>>,
    out: Out<T>,
    /// It was to run while it ran.
    again: Cell<bool>,
    /// Kept for the next poll, if nobody else has it.
    waker: Cell<Option<OwnWaker>>,
    root: Weak<CoroutineRoot>,
    made: Place,
}

impl<T, F> Task<T, F>
where
    T: 'static,
    F: Future<Output = Result<T, Failure>> + 'static,
{
    fn end(self: Rc<Self>, result: Result<T, Failure>) -> Then {
        let result = result.map_err(|mut failure| {
            failure.pass(Waypoint::Coroutine(self.made));
            failure
        });
        let root = self.root.upgrade();
        if let Some(root) = &root {
            root.give_all_back();
            if root.gate.is_paused() {
                root::hold_back(&root.gate, self, result);
                return Then::Nothing;
            }
        }
        match self.out.take_step() {
            Some(step) => Then::Other(step.accept(result), root.map(|root| root as Rc<dyn Root>)),
            None => self.out.push_elsewhere(result),
        }
    }

    /// Polls until it waits for something or has ended.
    fn poll(self: &Rc<Self>, future: &mut Pin<Box<F>>, turn: &mut Turn) -> Poll<Result<T, Failure>> {
        loop {
            // While the thread ends no coroutine goes on.
            let Some(own) = self.waker.take().or_else(OwnWaker::new) else { return Poll::Pending };
            own.start();
            self.again.set(false);
            let waker = own.waker().clone();
            self.waker.set(Some(own));
            let polled = {
                let Some(_current) = Current::enter(self.clone()) else { return Poll::Pending };
                turn.call(|| poll_at(future, &mut Context::from_waker(&waker), self.made), self.made)
            };
            drop(waker);
            match polled {
                Ok(Poll::Pending) => {}
                Ok(Poll::Ready(result)) => return Poll::Ready(result),
                Err(panicked) => return Poll::Ready(Err(panicked)),
            }
            match self.rest(turn) {
                AfterPoll::Waits => return Poll::Pending,
                AfterPoll::RunsAgain => {}
                AfterPoll::Stops(at) => return Poll::Ready(Err(Failure::at(CancelledError, at))),
            }
        }
    }

    /// It waits now. A cancel that came while it ran is for what it awaits now: the loop does that next, and runs it
    /// again if that rouses it. From inside, one that is cancelled a million times would recurse.
    fn rest(self: &Rc<Self>, turn: &mut Turn) -> AfterPoll {
        let asked = self.asked_to_cancel();
        if let Some((at, awaited)) = &asked
            && awaited.is_empty()
        {
            return AfterPoll::Stops(at);
        }
        let Some(own) = self.waker.take() else { return AfterPoll::Waits };
        let again = match own.rest(self.clone(), self.again.get()) {
            Rested::Kept(own) => {
                self.waker.set(Some(own));
                false
            }
            Rested::Lent => false,
            Rested::Again(own) => {
                self.waker.set(Some(own));
                true
            }
        };
        match asked {
            None if again => AfterPoll::RunsAgain,
            None => AfterPoll::Waits,
            Some((at, awaited)) => {
                if again {
                    turn.later_alone(self.clone());
                }
                turn.cancel(awaited.into_iter(), at);
                AfterPoll::Waits
            }
        }
    }

    /// A cancel that came while it ran: where that was asked for, and the roots of what it awaits now.
    fn asked_to_cancel(&self) -> Option<(Place, Vec<Held<dyn Root>>)> {
        let root = self.root.upgrade()?;
        let at = root.cancel_asked.take()?;
        Some((at, root.awaited()))
    }
}

/// What follows when a coroutine has come to wait.
enum AfterPoll {
    Waits,
    RunsAgain,
    /// It was cancelled, and awaits nothing that could be.
    Stops(Place),
}

impl<T, F> Node for Task<T, F>
where
    F: 'static,
{
    fn remains(self: Rc<Self>) -> Option<Rc<dyn Node>> {
        Some(self)
    }
}

impl<T, F> Run for Task<T, F>
where
    F: Future<Output = Result<T, Failure>> + 'static,
{
    fn run(self: Rc<Self>, turn: &mut Turn) -> Then {
        let Some(mut future) = self.future.take() else {
            self.again.set(true);
            return Then::Nothing;
        };
        if let Some(root) = self.root.upgrade() {
            root.is_running.set(true);
        }
        let polled = self.poll(&mut future, turn);
        if let Some(root) = self.root.upgrade() {
            root.is_running.set(false);
        }
        match polled {
            Poll::Pending => {
                self.future.set(Some(future));
                Then::Nothing
            }
            Poll::Ready(result) => {
                // It ends before its callbacks run, as a function does.
                match turn.call(move || drop(future), self.made) {
                    Ok(()) => self.end(result),
                    Err(panicked) => self.end(result.and(Err(panicked))),
                }
            }
        }
    }
}

impl<T, F> Coroutine for Task<T, F>
where
    F: Future<Output = Result<T, Failure>> + 'static,
{
    fn is_roused_by(&self, waker: &Waker) -> bool {
        let own = self.waker.take();
        let is = own.as_ref().is_some_and(|own| own.waker().data() == waker.data());
        self.waker.set(own);
        is
    }

    fn root(&self) -> Option<Rc<CoroutineRoot>> {
        self.root.upgrade()
    }

    fn stop(self: Rc<Self>, at: Place, turn: &mut Turn) -> Then {
        let Some(future) = self.future.take() else { return Then::Nothing };
        turn.call_canceller(|| drop(future));
        self.end(Err(Failure::at(CancelledError, at)))
    }
}

impl<T, F> Tail<T> for Task<T, F>
where
    F: 'static,
{
    fn out(&self) -> &Out<T> {
        &self.out
    }
    fn as_awaited(self: Rc<Self>) -> Rc<dyn Awaited> {
        self
    }
}

impl<T: 'static, F: 'static> Awaited for Task<T, F> {
    fn give_back(self: Rc<Self>, root: Held<dyn Root>) {
        let ends = Ends::new(Held::new(self.clone()), root);
        self.out.give_back(ends);
    }
}

/// By it a coroutine is paused, cancelled and asked what it waits for.
pub(super) struct CoroutineRoot {
    gate: Gate,
    made: Place,
    /// What it awaits; usually one, but a combinator of futures may await a million at once.
    awaits: RefCell<Slab<Await>>,
    is_running: Cell<bool>,
    /// A cancel that came while it ran: it is for what it awaits next.
    cancel_asked: Cell<Option<Place>>,
    task: RefCell<Weak<dyn Coroutine>>,
}

struct Await {
    tail: Weak<dyn Awaited>,
    waits: WaitsOn,
}

impl CoroutineRoot {
    /// Keeps the root of what is awaited from now on; gives the number under which it is kept.
    pub(super) fn awaits(&self, tail: Weak<dyn Awaited>, waits: WaitsOn) -> usize {
        self.awaits.borrow_mut().insert(Await { tail, waits })
    }

    /// Gives that root back, unless the coroutine has ended meanwhile.
    pub(super) fn awaits_no_more(&self, number: usize) -> Option<Held<dyn Root>> {
        self.awaits.borrow_mut().try_remove(number).map(|awaited| awaited.waits.root)
    }

    /// The coroutine has ended: what it has not awaited to the end may be in other hands.
    fn give_all_back(&self) {
        let awaits = self.awaits.take();
        for (_, Await { tail, waits }) in awaits {
            if let Some(tail) = tail.upgrade() {
                tail.give_back(waits.root);
            }
        }
    }

    /// The roots of what it awaits.
    fn awaited(&self) -> Vec<Held<dyn Root>> {
        self.awaits.borrow().iter().map(|(_, awaited)| awaited.waits.root.clone()).collect()
    }

    fn task(&self) -> Option<Rc<dyn Coroutine>> {
        self.task.borrow().upgrade()
    }
}

impl Node for CoroutineRoot {
    fn remains(self: Rc<Self>) -> Option<Rc<dyn Node>> {
        Some(self)
    }
}

impl Root for CoroutineRoot {
    fn gate(&self) -> &Gate {
        &self.gate
    }

    /// Cancels all that it awaits: the failure comes out of the `await`, where the body may handle it, await more, and
    /// be cancelled again. A body that awaits something else than Deferreds is dropped instead.
    fn cancel(self: Rc<Self>, at: Place, turn: &mut Turn) -> Then {
        if self.is_running.get() {
            self.cancel_asked.set(Some(at));
            return Then::Nothing;
        }
        if let Some(waits) = self.gate.waits_on() {
            turn.cancel([waits.root].into_iter(), at);
            return Then::Nothing;
        }
        let awaits = self.awaited();
        if awaits.is_empty()
            && let Some(task) = self.task()
        {
            return task.stop(at, turn);
        }
        turn.cancel(awaits.into_iter(), at);
        Then::Nothing
    }

    fn some_waited_for(&self, at_most: usize) -> Vec<Held<dyn Root>> {
        if let Some(waits) = self.gate.waits_on() {
            return vec![waits.root];
        }
        self.awaits.borrow().iter().take(at_most).map(|(_, awaited)| awaited.waits.root.clone()).collect()
    }

    fn stage(&self) -> Stage {
        let mut stage = Stage::of_gate(self.made, &self.gate);
        if self.task().is_some() {
            stage.awaits = Some(self.awaits.borrow().iter().map(|(_, awaited)| awaited.waits.clone()).collect());
        }
        stage
    }
}
