//! [`DelayedCall`] and the queue of calls that wait for their time. Pure: it reads no clock; the reactor tells it the
//! time, in each turn and whenever the queue asks for it.
//!
//! The queue is two heaps, ordered by time and then by order of request: calls that are due at the same moment are made
//! in the order in which they were requested, which Twisted does not promise. A call begins in the young heap. Most
//! calls are cancelled soon; those that are not move to the old heap.
//!
//! Cancelling a call, or moving it to a later time, only changes the call: lazy deletion. Its entry in the heap is out
//! of date then. It is thrown away or put back when it comes to the top. A call that is moved to an earlier time gets a
//! new entry, and the old one is dead: each call knows which entry is its own. When dead entries outnumber the live
//! ones a heap is rebuilt without them, so that a million cancelled time-outs hold no memory.
//!
//! Next: [`timers/call.rs`](../../src/reactor/timers/call.rs.html), a call as its handles and the heaps share it.

mod call;
mod heap;

pub use call::CallState;

use crate::context::Asked;
use crate::error::debug_is_display;
use crate::timed::Timed;
use crate::trace::{Kind, Scope};
use call::{Call, NO_ENTRY};
use heap::Heap;
use std::cell::{Cell, OnceCell};
use std::collections::VecDeque;
use std::fmt;
use std::panic::Location;
use std::rc::{Rc, Weak};
use std::time::{Duration, Instant};

/// When the young heap has this number of entries, it drops the dead ones. If more than half are left, they move to the
/// old heap. An entry has 32 bytes, so the young heap fits into the cache of any processor. A thousand connections that
/// begin their time-outs anew with each read stay in it.
const YOUNG: usize = 2048;

type Place = &'static Location<'static>;

/// A call that the reactor will make later. [`Reactor::call_later`](crate::Reactor::call_later) returns it.
///
/// Cheap to clone. Dropping it does not cancel the call. Twisted's `IDelayedCall`.
#[derive(Clone)]
pub struct DelayedCall {
    call: Rc<Call>,
    queue: Weak<Timers>,
}

/// The call cannot be moved: it has been made or cancelled. Twisted's `AlreadyCalled` and `AlreadyCancelled`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum NotActive {
    /// It has been made, or is being made now.
    AlreadyCalled,
    /// It was cancelled.
    AlreadyCancelled,
}

impl fmt::Display for NotActive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            NotActive::AlreadyCalled => "the call has already been made",
            NotActive::AlreadyCancelled => "the call has already been cancelled",
        })
    }
}

impl std::error::Error for NotActive {}

debug_is_display!(NotActive);

impl DelayedCall {
    /// Takes the call back, and drops what it captured. Returns whether there was anything to take back: false if the
    /// call has been made or cancelled already, which is not an error.
    pub fn cancel(&self) -> bool {
        if !self.active() {
            return false;
        }
        self.call.state.set(CallState::Cancelled);
        let context = self.call.context.take();
        let entry = self.call.entry.replace(NO_ENTRY);
        if let Some(queue) = self.queue.upgrade() {
            queue.report(|| Kind::TimerCancelled { timer: self.call.id });
            if entry != NO_ENTRY {
                queue.one_died(entry);
            }
        }
        // Last: these may run any code of the program, which may come back to the queue.
        self.call.action.discard();
        drop(context);
        true
    }

    /// Moves the call to `delay` from now.
    ///
    /// # Errors
    /// [`NotActive`] if it has been made or cancelled: a program that counts on the call must make a new one.
    pub fn reset(&self, delay: Duration) -> Result<(), NotActive> {
        self.check()?;
        if let Some(queue) = self.queue.upgrade() {
            if let Some(tell) = queue.clock.get() {
                tell();
            }
            queue.move_to(&self.call, add(queue.now.get(), delay));
        }
        Ok(())
    }

    /// Moves the call to `by` after the time at which it was due.
    ///
    /// # Errors
    /// As [`reset`](DelayedCall::reset).
    pub fn delay(&self, by: Duration) -> Result<(), NotActive> {
        self.check()?;
        if let Some(queue) = self.queue.upgrade() {
            queue.move_to(&self.call, add(self.call.time.get(), by));
        }
        Ok(())
    }

    /// Whether the call is still to be made.
    pub fn active(&self) -> bool {
        self.state() == CallState::Waiting
    }

    /// How far the call has come.
    pub fn state(&self) -> CallState {
        self.call.state.get()
    }

    /// When the call is due (or was).
    pub fn time(&self) -> Instant {
        self.call.time.get()
    }

    fn check(&self) -> Result<(), NotActive> {
        match self.state() {
            CallState::Waiting => Ok(()),
            CallState::Called => Err(NotActive::AlreadyCalled),
            CallState::Cancelled => Err(NotActive::AlreadyCancelled),
        }
    }
}

impl fmt::Debug for DelayedCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DelayedCall({:?}, asked for at {})", self.call.state.get(), self.call.place)
    }
}

/// A time that is too far ahead for an `Instant` becomes one in a hundred years: as good as never.
fn add(time: Instant, delay: Duration) -> Instant {
    const NEVER: Duration = Duration::from_secs(100 * 365 * 24 * 3600);
    time.checked_add(delay).unwrap_or_else(|| time + NEVER)
}

/// The queue of delayed calls.
pub(crate) struct Timers {
    young: Heap,
    old: Heap,
    next_order: Cell<u64>,
    /// Entries of this order and later ones are in the young heap, earlier ones in the old heap.
    first_young: Cell<u64>,
    /// When the first call is due, if that is known. From one turn to the next, most programs request and cancel
    /// nothing, and the heaps need not be looked at.
    first_time: Cell<Option<Instant>>,
    /// The time that the reactor told last.
    now: Cell<Instant>,
    /// Asks the reactor to call `set_now`, before a time is computed from `now`.
    clock: OnceCell<Box<dyn Fn()>>,
    trace: Option<Rc<Scope>>,
}

impl Timers {
    pub(crate) fn new(now: Instant, trace: Option<Rc<Scope>>) -> Rc<Timers> {
        Rc::new(Timers {
            young: Heap::default(),
            old: Heap::default(),
            next_order: Cell::new(0),
            first_young: Cell::new(0),
            first_time: Cell::new(None),
            now: Cell::new(now),
            clock: OnceCell::new(),
            trace,
        })
    }

    /// Sets the function that makes the reactor call `set_now`. Until then the queue knows only the last `set_now`.
    pub(crate) fn set_clock(&self, clock: Box<dyn Fn()>) {
        let _ = self.clock.set(clock); // Once, when the reactor is made.
    }

    /// Tells the queue the time. `reset` counts from it.
    pub(crate) fn set_now(&self, now: Instant) {
        self.now.set(now);
    }

    #[track_caller]
    pub(crate) fn call_later(self: &Rc<Timers>, delay: Duration, f: impl FnOnce() + 'static) -> DelayedCall {
        self.call_later_at(Location::caller(), delay, f)
    }

    /// The same for the code at `place`.
    pub(crate) fn call_later_at(
        self: &Rc<Timers>,
        place: Place,
        delay: Duration,
        f: impl FnOnce() + 'static,
    ) -> DelayedCall {
        if let Some(tell) = self.clock.get() {
            tell();
        }
        self.request(Call::new(self.next_order.get(), add(self.now.get(), delay), place, f), delay)
    }

    fn request(self: &Rc<Timers>, call: Rc<Call>, delay: Duration) -> DelayedCall {
        self.push(call.clone());
        self.report(|| Kind::TimerSet { timer: call.id, delay, place: call.place });
        DelayedCall { call, queue: Rc::downgrade(self) }
    }

    /// Reports to the trace, if there is one.
    fn report<'a>(&self, kind: impl FnOnce() -> Kind<'a>) {
        if let Some(scope) = &self.trace {
            scope.emit(kind());
        }
    }

    fn push(&self, call: Rc<Call>) {
        let order = self.next_order.get();
        self.next_order.set(order + 1);
        call.entry.set(order);
        self.first_time.set(self.first_time.get().map(|time| time.min(call.time.get())));
        self.young.push(Timed { time: call.time.get(), order, value: call });
        if self.young.entry_count() == YOUNG {
            self.young.drop_dead();
            if self.young.entry_count() > YOUNG / 2 {
                self.young.move_to(&self.old);
                self.first_young.set(self.next_order.get());
            }
        }
    }

    /// Moves a call. To a later time, nothing but the call changes. To an earlier time, it needs a new entry: the old
    /// one would come to the top too late.
    fn move_to(&self, call: &Rc<Call>, time: Instant) {
        let earlier = time < call.time.get();
        call.time.set(time);
        self.first_time.set(None);
        self.report(|| {
            let delay = time.checked_duration_since(self.now.get()).unwrap_or_default();
            Kind::TimerMoved { timer: call.id, delay }
        });
        // A call without an entry has been taken out because it is due: `begin` looks at its time.
        let entry = call.entry.get();
        if earlier && entry != NO_ENTRY {
            call.entry.set(NO_ENTRY);
            self.one_died(entry); // Before `push`, which may drop the dead entries.
            self.push(call.clone());
        }
    }

    /// The entry of this order is dead from now on.
    fn one_died(&self, order: u64) {
        self.first_time.set(None);
        let heap = if order < self.first_young.get() { &self.old } else { &self.young };
        heap.one_died();
    }

    /// When the next call is due.
    pub(crate) fn next_time(&self) -> Option<Instant> {
        if self.first_time.get().is_none() {
            self.first_time.set(self.first().map(|(time, _)| time));
        }
        self.first_time.get()
    }

    /// When the next call is due, and the heap that has it.
    fn first(&self) -> Option<(Instant, &Heap)> {
        match (self.young.first(), self.old.first()) {
            (Some(young), Some(old)) if old < young => Some((old.0, &self.old)),
            (Some(young), _) => Some((young.0, &self.young)),
            (None, old) => old.map(|(time, _)| (time, &self.old)),
        }
    }

    /// The time that was told last.
    pub(crate) fn now(&self) -> Instant {
        self.now.get()
    }

    /// Takes out the calls that are due now, in order. Calls that become due while these are made wait for the next
    /// turn: otherwise a call that requests itself with no delay would never let the loop poll.
    pub(crate) fn take_due(&self, due: &mut VecDeque<Due>) {
        if self.first_time.get().is_some_and(|time| time > self.now.get()) {
            return;
        }
        while let Some(call) = self.take_first_due() {
            due.push_back(call);
        }
        self.young.give_room_back();
        self.old.give_room_back();
    }

    /// Takes out the first call that is due now.
    pub(crate) fn take_first_due(&self) -> Option<Due> {
        let (time, heap) = self.first()?;
        if time > self.now.get() {
            return None;
        }
        self.first_time.set(None);
        let call = heap.pop()?;
        call.entry.set(NO_ENTRY);
        Some(Due(call))
    }

    /// Marks a due call as called, and returns it to be made. `None` if a call before it in the same turn has
    /// cancelled it or moved it to a later time; a moved one goes back into the heap. The caller makes the call in the
    /// context in which it was asked for.
    pub(crate) fn begin(&self, due: Due) -> Option<Begun> {
        let call = due.0;
        if call.state.get() != CallState::Waiting {
            return None;
        }
        if call.time.get() > self.now.get() {
            self.push(call);
            return None;
        }
        call.state.set(CallState::Called);
        let asked = Asked { place: call.place, context: call.context.take() };
        Some(Begun { asked, id: call.id, due: call.time.get(), call })
    }

    /// Cancels all calls, and drops what they captured.
    pub(crate) fn clear(&self) {
        self.first_time.set(None);
        for call in self.young.take().chain(self.old.take()) {
            call.entry.set(NO_ENTRY);
            call.state.set(CallState::Cancelled);
            call.action.discard_foreign();
            call.context.take();
        }
    }

    /// The calls that wait, in the order in which they will be made.
    pub(crate) fn waiting(self: &Rc<Timers>) -> Vec<DelayedCall> {
        let mut calls = [self.young.waiting(), self.old.waiting()].concat();
        calls.sort_by_key(|(order, call)| (call.time.get(), *order));
        calls.into_iter().map(|(_, call)| DelayedCall { call, queue: Rc::downgrade(self) }).collect()
    }

    /// The number of calls that wait.
    pub(crate) fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }
}

impl Drop for Timers {
    /// A call may hold what holds the call: a timeout and the chain that it would cancel.
    fn drop(&mut self) {
        self.clear();
    }
}

/// A call taken out because it is due; see [`Timers::begin`].
pub(crate) struct Due(Rc<Call>);

/// A call that is made now.
pub(crate) struct Begun {
    call: Rc<Call>,
    pub(crate) asked: Asked,
    pub(crate) id: u64,
    pub(crate) due: Instant,
}

impl Begun {
    /// Makes the call.
    pub(crate) fn make(&self) {
        self.call.action.call();
    }
}

#[cfg(test)]
mod tests;
