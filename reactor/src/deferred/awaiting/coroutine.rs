//! Coroutines: `async` blocks that run in the same loops as callbacks, and become Deferreds.
//!
//! ```text
//!   awaited chain --Out--> Task (the future) --Out--> Step --> ... <-- Deferred (tail)
//!                            | weakly                                     |
//!                            +----> CoroutineControl <--------------------+
//!                                     | holds what it awaits, to cancel it
//! ```
//!
//! The links go as in any chain: what is awaited holds the coroutine, and the coroutine's control holds the control of
//! what is awaited. So a coroutine is dropped when nothing can fire what it awaits; and if only its Deferred was
//! dropped, it goes on as long as something can.
//!
//! Next: `told.rs`, coroutines that somebody hears of.

use super::told::{begin_step, end_step};
use super::waker::OwnWaker;
use crate::deferred::chain::{
    self, AwaitSlot, Awaited, Chain, Control, FlatRc, Gate, Next, Out, Plain, Run, Tail, Trampoline, WaitedFor, Waiter,
    WaitsOn, WakeTarget, deliver_from,
};
use crate::deferred::story::{Place, Status, TellsStatus, Trace, is_loss_unexpected};
use crate::diagnostics::{is_first_at, tell};
use crate::error::CancelledError;
use crate::failure::Waypoint;
use crate::trace::{self, DeferredEvent, DeferredKind};
use crate::{Context, Failure};
use slab::Slab;
use std::cell::{Cell, RefCell};
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::task::{self, Poll, Waker};

/// Where no reactor runs, a coroutine that wakes itself runs this often in a row. One that waits in this way for
/// something that only a reactor does would never come to an end; the next reactor goes on with it.
const MAX_IN_A_ROW: usize = 10_000;

thread_local!(static CURRENT: RefCell<Option<Rc<dyn Coroutine>>> = const { RefCell::new(None) });

/// A coroutine, as seen by a Deferred that it awaits.
trait Coroutine: Run {
    /// Whether `waker` wakes the coroutine directly: then it can go on in the loop that fires. A combinator of futures
    /// hands out a waker of its own, which must be called first.
    fn is_woken_by(&self, waker: &Waker) -> bool;
    fn control(&self) -> Option<Rc<CoroutineControl>>;
    /// Drops the future and fails.
    fn stop(self: Rc<Self>, at: Place, trampoline: &mut Trampoline) -> Next;
}

/// What must be woken for the code that polls now.
pub(crate) fn wake_target(context: &task::Context<'_>) -> WakeTarget {
    match current().filter(|coroutine| coroutine.is_woken_by(context.waker())) {
        Some(coroutine) => WakeTarget::Coroutine(FlatRc::new(coroutine as Rc<dyn Run>)),
        None => WakeTarget::Waker(context.waker().clone()),
    }
}

/// The coroutine that runs now. While the thread ends there is none.
fn current() -> Option<Rc<dyn Coroutine>> {
    CURRENT.try_with(|current| current.borrow().clone()).ok().flatten()
}

/// The code that polls now.
pub(crate) enum Poller {
    /// One of our coroutines, and its control if that still exists.
    Coroutine(Option<Rc<CoroutineControl>>),
    /// Another executor, or a program that polls by hand.
    Other,
}

/// The number of the coroutine that polls now.
pub(crate) fn number() -> Option<u64> {
    Some(current()?.control()?.number()).filter(|number| *number != 0)
}

pub(crate) fn poller() -> Poller {
    current().map_or(Poller::Other, |coroutine| Poller::Coroutine(coroutine.control()))
}

/// While it lives, a coroutine is the current one. Its end makes the one before current again.
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
pub(crate) fn start<T, F>(future: F, made: Place) -> Result<Result<T, Failure>, Chain<T>>
where
    T: 'static,
    F: Future<Output = Result<T, Failure>> + 'static,
{
    let trace = Trace::begin(made, DeferredKind::Coroutine);
    let control = Rc::new(CoroutineControl {
        gate: Gate::default(),
        trace,
        awaits: RefCell::default(),
        is_running: Cell::new(false),
        is_lost: Cell::new(false),
        cancel_asked: Cell::new(None),
        task: RefCell::new(Weak::<Task<T, F>>::new()),
    });
    let task = Rc::new(Task {
        future: Cell::new(Some(Box::pin(future))),
        out: Out::empty(trace),
        again: Cell::new(false),
        waker: Cell::new(None),
        control: Rc::downgrade(&control),
        made,
        context: Context::current(),
    });
    *control.task.borrow_mut() = Rc::downgrade(&task) as Weak<dyn Coroutine>;
    chain::run(task.clone(), None);
    task.out.take().ok_or_else(|| Chain::new(FlatRc::new(task), FlatRc::new(control)))
}

/// The future, and what follows it.
struct Task<T: 'static, F> {
    /// Taken out while it runs and when it has ended.
    future: Cell<Option<Pin<Box<F>>>>,
    out: Out<T>,
    /// Whether it was woken while it ran.
    again: Cell<bool>,
    /// Kept for the next poll, if no other code has a clone of it.
    waker: Cell<Option<OwnWaker>>,
    control: Weak<CoroutineControl>,
    made: Place,
    /// In which the body runs: that of the code that started it.
    context: Context,
}

impl<T, F> Task<T, F>
where
    T: 'static,
    F: Future<Output = Result<T, Failure>> + 'static,
{
    fn end(self: Rc<Self>, result: Result<T, Failure>) -> Next {
        let result = result.map_err(|mut failure| {
            failure.pass(Waypoint::Coroutine(self.made));
            self.context.run(|| failure.claimed())
        });
        let control = self.control.upgrade();
        if let Some(control) = &control {
            control.give_all_back();
        }
        deliver_from(self, control.map(|control| control as Rc<dyn Control>), result)
    }

    /// Polls until it waits for something or has ended.
    fn poll(self: &Rc<Self>, future: &mut Pin<Box<F>>, trampoline: &mut Trampoline) -> Poll<Result<T, Failure>> {
        for left in (0..MAX_IN_A_ROW).rev() {
            // While the thread ends no coroutine goes on.
            let Some(own) = self.waker.take().or_else(OwnWaker::new) else { return Poll::Pending };
            own.forget_wakes();
            self.again.set(false);
            let waker = own.waker().clone();
            self.waker.set(Some(own));
            let polled = {
                let Some(_current) = Current::enter(self.clone()) else { return Poll::Pending };
                if self.out.trace().is_told() {
                    begin_step::<T>(self.out.trace());
                }
                // The only call of the body: two calls would keep the compiler from inlining it.
                let poll = || future.as_mut().poll(&mut task::Context::from_waker(&waker));
                let polled = trampoline.call(|| self.context.run(poll), self.made);
                if self.out.trace().is_told() { end_step(self.out.trace(), polled) } else { polled }
            };
            drop(waker);
            match polled {
                Ok(Poll::Pending) => {}
                Ok(Poll::Ready(result)) => return Poll::Ready(result),
                Err(panicked) => return Poll::Ready(Err(panicked)),
            }
            match self.rest(left > 0, trampoline) {
                AfterPoll::Waits => return Poll::Pending,
                AfterPoll::RunsAgain => {}
                AfterPoll::Stops(at) => return Poll::Ready(Err(self.cancelled(at))),
            }
        }
        Poll::Pending // The last rest has left a note for a reactor.
    }

    /// Tells those who listen that the coroutine was cancelled; returns the failure with which it ends.
    #[cold]
    #[inline(never)]
    fn cancelled(&self, at: Place) -> Failure {
        if trace::is_on() {
            self.out.trace().tell(DeferredEvent::Cancelled { place: at });
        }
        Failure::at(CancelledError, at)
    }

    /// Called when a poll has come to wait. If the coroutine was cancelled while it ran, the cancel is for what it
    /// awaits now: the trampoline does that cancel next, and then runs the coroutine again if it was woken. Done in
    /// here, a million cancels of one coroutine would recurse.
    fn rest(self: &Rc<Self>, may_run_again: bool, trampoline: &mut Trampoline) -> AfterPoll {
        let asked = self.asked_to_cancel();
        if let Some((at, awaited)) = &asked
            && awaited.is_empty()
        {
            return AfterPoll::Stops(at);
        }
        let Some(own) = self.waker.take() else { return AfterPoll::Waits };
        let (kept, again) = own.rest(self.clone(), self.again.get(), may_run_again);
        self.waker.set(kept);
        match asked {
            None if again => AfterPoll::RunsAgain,
            None => AfterPoll::Waits,
            Some((at, awaited)) => {
                if again {
                    trampoline.postpone_alone(self.clone());
                }
                trampoline.cancel(awaited.into_iter(), at);
                AfterPoll::Waits
            }
        }
    }

    /// Takes a cancel that came while it ran: the place of that cancel, and the controls of what it awaits now.
    fn asked_to_cancel(&self) -> Option<(Place, Vec<FlatRc<dyn Control>>)> {
        let control = self.control.upgrade()?;
        let at = control.cancel_asked.take()?;
        Some((at, control.awaited()))
    }
}

/// What follows when a coroutine has come to wait.
enum AfterPoll {
    Waits,
    RunsAgain,
    /// It was cancelled, and awaits no Deferred that could be cancelled.
    Stops(Place),
}

impl<T: 'static, F: 'static> Plain for Task<T, F> {}

impl<T: 'static, F> Drop for Task<T, F> {
    #[inline]
    fn drop(&mut self) {
        if self.future.get_mut().is_some() {
            self.lose();
        }
    }
}

impl<T: 'static, F> Task<T, F> {
    /// The body has not ended, and nothing can wake it any more.
    #[cold]
    #[inline(never)]
    fn lose(&mut self) {
        let trace = self.out.trace();
        let Some(control) = self.control.upgrade() else { return trace.tell_gone() };
        control.is_lost.set(true);
        // If it awaits a Deferred, that one is lost, and is told.
        let is_mistake = self.out.is_linked() && control.awaits.borrow().is_empty() && is_loss_unexpected();
        if trace.is_told() && trace::is_on() {
            trace.tell(DeferredEvent::FirersGone);
            if is_mistake {
                trace.tell(DeferredEvent::Lost);
            }
        }
        let made = self.made;
        if is_mistake && is_first_at(made) {
            tell!(
                Warn,
                "reactor::deferred",
                "the coroutine made at {made} will never end, and what waits for it will never run: nothing can wake it"
            );
        }
    }
}

impl<T, F> Run for Task<T, F>
where
    F: Future<Output = Result<T, Failure>> + 'static,
{
    fn run(self: Rc<Self>, trampoline: &mut Trampoline) -> Next {
        let Some(mut future) = self.future.take() else {
            self.again.set(true);
            return Next::Nothing;
        };
        if let Some(control) = self.control.upgrade() {
            control.is_running.set(true);
        }
        let polled = self.poll(&mut future, trampoline);
        if let Some(control) = self.control.upgrade() {
            control.is_running.set(false);
        }
        match polled {
            Poll::Pending => {
                self.future.set(Some(future));
                Next::Nothing
            }
            Poll::Ready(result) => {
                // Its variables are dropped before its callbacks run, as with a function that returns.
                match trampoline.call(|| self.context.run(|| drop(future)), self.made) {
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
    fn is_woken_by(&self, waker: &Waker) -> bool {
        let is_own = |own: &Option<OwnWaker>| own.as_ref().is_some_and(|own| own.waker().data() == waker.data());
        chain::peek(&self.waker, is_own)
    }

    fn control(&self) -> Option<Rc<CoroutineControl>> {
        self.control.upgrade()
    }

    fn stop(self: Rc<Self>, at: Place, trampoline: &mut Trampoline) -> Next {
        let Some(future) = self.future.take() else { return Next::Nothing };
        trampoline.call_canceller(|| self.context.run(|| drop(future)));
        let cancelled = self.cancelled(at);
        self.end(Err(cancelled))
    }
}

impl<T, F> Tail<T> for Task<T, F>
where
    F: 'static,
{
    fn out(&self) -> &Out<T> {
        &self.out
    }
}

/// The control of a coroutine.
pub(crate) struct CoroutineControl {
    gate: Gate,
    trace: Trace,
    /// What it awaits; usually one, but a combinator of futures may await a million at once.
    awaits: RefCell<Slab<Await>>,
    is_running: Cell<bool>,
    /// Nothing can wake the body any more.
    is_lost: Cell<bool>,
    /// A cancel that came while it ran: it is for what it awaits next.
    cancel_asked: Cell<Option<Place>>,
    task: RefCell<Weak<dyn Coroutine>>,
}

struct Await {
    deferred: Weak<dyn Awaited>,
    waits: WaitsOn,
}

impl CoroutineControl {
    /// Keeps the control of what is awaited from now on. Returns the number under which it is kept.
    pub(crate) fn begin_await<T: 'static>(self: &Rc<Self>, slot: &Rc<AwaitSlot<T>>, waits: WaitsOn) -> usize {
        waits.control.gate().set_waiter(Waiter::Chain(Rc::downgrade(self) as Weak<dyn Control>));
        let deferred = Rc::downgrade(slot) as Weak<dyn Awaited>;
        self.awaits.borrow_mut().insert(Await { deferred, waits })
    }

    /// Removes that control and returns it, unless the coroutine has ended meanwhile.
    pub(crate) fn end_await(&self, number: usize) -> Option<FlatRc<dyn Control>> {
        let control = self.awaits.borrow_mut().try_remove(number)?.waits.control;
        control.gate().set_waiter(Waiter::Nothing);
        Some(control)
    }

    /// Called when the coroutine has ended. It may have moved unfired Deferreds elsewhere: gives each its chain back.
    fn give_all_back(&self) {
        let awaits = self.awaits.take();
        for (_, Await { deferred, waits }) in awaits {
            if let Some(deferred) = deferred.upgrade() {
                deferred.give_back(waits.control);
            }
        }
    }

    /// The controls of what it awaits.
    fn awaited(&self) -> Vec<FlatRc<dyn Control>> {
        self.awaits.borrow().iter().map(|(_, awaited)| awaited.waits.control.clone()).collect()
    }

    fn task(&self) -> Option<Rc<dyn Coroutine>> {
        self.task.borrow().upgrade()
    }
}

impl Plain for CoroutineControl {}

/// Tells those who listen that a coroutine which can never end has gone. The end of any other one is told by its chain.
impl Drop for CoroutineControl {
    #[inline]
    fn drop(&mut self) {
        if self.is_lost.get() {
            self.trace.tell_gone();
        }
    }
}

impl TellsStatus for CoroutineControl {
    fn status(&self) -> Status {
        let mut status = self.gate.status(self.trace.made());
        if self.task().is_some() {
            let awaits = self.awaits.borrow();
            status.awaits = Some(awaits.iter().map(|(_, awaited)| awaited.waits.clone().into_story()).collect());
        }
        status.is_lost = self.is_lost.get();
        status
    }

    fn number(&self) -> u64 {
        self.trace.number()
    }
}

impl Control for CoroutineControl {
    fn gate(&self) -> &Gate {
        &self.gate
    }

    /// Cancels every Deferred that it awaits. The failure comes out of the `await`, where the body may handle it, await
    /// more, and be cancelled again. A body that awaits no Deferred is dropped instead.
    fn cancel(self: Rc<Self>, at: Place, trampoline: &mut Trampoline) -> Next {
        if self.is_running.get() {
            self.cancel_asked.set(Some(at));
            return Next::Nothing;
        }
        if self.gate.cancel_inner(at, trampoline) {
            return Next::Nothing;
        }
        let awaits = self.awaited();
        if awaits.is_empty()
            && let Some(task) = self.task()
        {
            return task.stop(at, trampoline);
        }
        trampoline.cancel(awaits.into_iter(), at);
        Next::Nothing
    }

    fn waited_for(&self, number: usize) -> WaitedFor {
        if self.gate.waits_on().is_some() {
            return self.gate.waited_for(number);
        }
        let awaits = self.awaits.borrow();
        match awaits.get(number) {
            Some(awaited) => WaitedFor::Chain(awaited.waits.control.clone()),
            None if number < awaits.capacity() => WaitedFor::Fired,
            None => WaitedFor::End,
        }
    }
}
