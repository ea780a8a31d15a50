//! [`Awaiting`]: what a Deferred holds while some code awaits it.
//!
//! Next: `coroutine.rs`, an `async` block that we run.

use super::coroutine::{self, CoroutineControl, Poller};
use crate::Failure;
use crate::around;
use crate::deferred::chain::{AwaitSlot, Chain, Control, FlatRc, Head, Segment, WaitsOn, waits_for, with_seen};
use crate::deferred::story::{Place, Trace};
use crate::error::{CancelledError, CircularWaitError};
use crate::trace::{self, DeferredEvent, DeferredKind};
use std::mem;
use std::ptr;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll};

/// A Deferred that some code awaits. It does not hold its chain, because the chain holds that code.
pub(crate) struct Awaiting<T: 'static> {
    slot: Rc<AwaitSlot<T>>,
    control: KeptControl,
    weak_control: Weak<dyn Control>,
    pub(crate) trace: Trace,
}

/// Where the control of an awaited chain is kept.
enum KeptControl {
    /// In the control of the coroutine that awaits the chain, under this number.
    Coroutine(Weak<CoroutineControl>, usize),
    /// Here, because something else than a coroutine polls it.
    Here(FlatRc<dyn Control>),
    Nowhere,
}

impl<T: 'static> Awaiting<T> {
    /// Begins to await `chain`. Fails if the coroutine that runs would wait for itself.
    #[cold]
    pub(crate) fn begin(chain: Chain<T>, context: &Context<'_>, at: Place) -> Result<Box<Awaiting<T>>, Failure> {
        let trace = chain.trace();
        let tail = Rc::clone(&chain.tail);
        let weak_control = Rc::downgrade(&chain.control);
        let mut awaiting =
            Awaiting { slot: AwaitSlot::new(&tail), control: KeptControl::Here(chain.control), weak_control, trace };
        awaiting.move_to_current(at)?;
        tail.out().link_awaiter(&awaiting.slot, coroutine::wake_target(context));
        let awaiting = Box::new(awaiting);
        if around::may_have_trace() {
            tell_awaited(awaiting.trace, at);
        }
        Ok(awaiting)
    }

    /// The result if it is here; otherwise registers what must be woken.
    pub(crate) fn poll(&mut self, context: &Context<'_>, at: Place) -> Poll<Result<T, Failure>> {
        if let Some(result) = self.take_result() {
            if around::may_have_trace() {
                tell_await_end(self.trace, &result);
            }
            return Poll::Ready(result);
        }
        if let Err(circular) = self.move_to_current(at) {
            return Poll::Ready(Err(circular));
        }
        if let Some(tail) = self.slot.tail() {
            tail.out().link_awaiter(&self.slot, coroutine::wake_target(context));
        }
        Poll::Pending
    }

    /// Hands the control to the coroutine that runs, so that a cancel of that coroutine finds it.
    fn move_to_current(&mut self, at: Place) -> Result<(), Failure> {
        let poller = coroutine::poller();
        if let (KeptControl::Coroutine(keeper, _), Poller::Coroutine(Some(own))) = (&self.control, &poller)
            && ptr::addr_eq(Weak::as_ptr(keeper), Rc::as_ptr(own))
        {
            return Ok(());
        }
        let Some(control) = self.take_control() else { return Ok(()) };
        self.control = match (poller, self.slot.tail().is_some()) {
            (Poller::Other, _) => KeptControl::Here(control),
            (Poller::Coroutine(Some(own)), true) => {
                if waits_for(&control, &(own.clone() as Rc<dyn Control>)) {
                    return Err(Failure::at(CircularWaitError { callback: at }, at));
                }
                let number = own.begin_await(&self.slot, WaitsOn { control, by: at });
                KeptControl::Coroutine(Rc::downgrade(&own), number)
            }
            // Nothing can use the control: the coroutine has none that could reach it, or the chain is gone. It must
            // not be kept here, in the coroutine's own body: the chain would then hold itself.
            (Poller::Coroutine(_), _) => KeptControl::Nowhere,
        };
        Ok(())
    }

    /// Takes the control from where it is kept.
    fn take_control(&mut self) -> Option<FlatRc<dyn Control>> {
        let kept = match mem::replace(&mut self.control, KeptControl::Nowhere) {
            KeptControl::Here(control) => Some(control),
            KeptControl::Coroutine(keeper, number) => keeper.upgrade().and_then(|keeper| keeper.end_await(number)),
            KeptControl::Nowhere => None,
        };
        kept.or_else(|| self.slot.take_chain().map(|chain| chain.control)).or_else(|| self.control())
    }

    pub(crate) fn is_done(&self) -> bool {
        self.slot.has_result() || self.slot.tail().is_some_and(|tail| tail.out().is_done())
    }

    /// The result, if it is here. If nothing awaited it when it came, it is still in the chain.
    fn take_result(&self) -> Option<Result<T, Failure>> {
        self.slot.take().or_else(|| self.slot.tail()?.out().take())
    }

    pub(crate) fn control(&self) -> Option<FlatRc<dyn Control>> {
        self.weak_control.upgrade().map(FlatRc::new)
    }

    /// Cancels when there is no chain left to cancel: the wait ends with a failure.
    pub(crate) fn give_up(&self, at: Place) {
        if !self.is_done() {
            self.stop_awaiting();
            self.slot.set(Err(Failure::at(CancelledError, at)));
        }
    }

    fn stop_awaiting(&self) {
        if let Some(tail) = self.slot.tail() {
            tail.out().stop_awaiting();
        }
    }

    /// Stops awaiting. Returns the result if it is here; otherwise the chain that it will come from. If everything that
    /// could fire that chain is gone, returns a chain that never fires.
    pub(crate) fn try_result(mut self) -> Result<Result<T, Failure>, Chain<T>> {
        if let Some(result) = self.take_result() {
            return Ok(result);
        }
        let made = self.trace.made();
        let Some(tail) = self.slot.tail() else { return Err(Head::new(None, made).into_chain()) };
        // Only now: the slot may hold the chain, and this takes the control out of it and drops the tail.
        let control = self.take_control();
        tail.out().stop_awaiting();
        // If there is no control, it has gone with the coroutine that awaited the chain.
        let control = control.unwrap_or_else(|| FlatRc::new(Segment::new(self.trace) as Rc<dyn Control>));
        Err(Chain::new(FlatRc::new(tail), control))
    }
}

/// Tells those who listen, if anybody does.
#[cold]
#[inline(never)]
fn tell_awaited(trace: Trace, at: Place) {
    if trace::is_on() {
        trace.tell(DeferredEvent::Awaited { by: coroutine::number(), place: at });
    }
}

/// Tells those who listen that some code awaits a Deferred which has its result already. They have not heard of it yet
/// if it has had that from the start. By value, as [`end_step`](super::told::end_step).
#[cold]
#[inline(never)]
pub(crate) fn tell_had_result<T: 'static>(trace: Trace, result: Result<T, Failure>, at: Place) -> Result<T, Failure> {
    let is_new = trace.number() == 0 && !trace.is_untold();
    let trace = if is_new { trace.tell_made(DeferredKind::Result) } else { trace };
    if trace.number() != 0 {
        tell_awaited(trace, at);
        tell_await_end(trace, &result);
    }
    result
}

#[cold]
#[inline(never)]
fn tell_await_end<T: 'static>(trace: Trace, result: &Result<T, Failure>) {
    if trace::is_on() {
        with_seen(result, |result| trace.tell(DeferredEvent::AwaitEnd { result }));
    }
}

impl<T: 'static> Drop for Awaiting<T> {
    fn drop(&mut self) {
        drop(self.take_control());
        self.stop_awaiting();
    }
}
