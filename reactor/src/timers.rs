//! [`DelayedCall`] and the queue of calls that wait for their time. Pure: it knows no clock, it is
//! told what time it is.
//!
//! A heap ordered by (time, order of asking): calls due at the same moment run in the order in which they were asked
//! for, which Twisted does not promise. Cancelling and moving to a later time cost nothing but a mark; an entry that is
//! out of date is thrown away or put back when it comes to the top, and when marks outnumber live entries the heap is
//! rebuilt, so that a million cancelled time-outs hold no memory.
//!
//! Next: [`crate::Reactor`], which asks the queue how long to sleep and runs what is due.

use crate::timed::Timed;
use std::cell::{Cell, OnceCell, RefCell};
use std::collections::binary_heap::PeekMut;
use std::collections::{BinaryHeap, HashSet, VecDeque};
use std::fmt;
use std::panic::Location;
use std::rc::{Rc, Weak};
use std::time::{Duration, Instant};

/// The heap is rebuilt when it holds more dead entries than live ones and at least this many.
const REBUILD_AT: usize = 64;

pub(crate) type Action = Box<dyn FnOnce()>;

/// A call that the reactor will make later: what [`Reactor::call_later`](crate::Reactor::call_later) gives.
///
/// Cheap to clone; dropping it does not cancel the call. Twisted's `IDelayedCall`.
#[derive(Clone)]
pub struct DelayedCall {
    call: Rc<Call>,
    queue: Weak<Timers>,
}

/// The call has already been made or cancelled; nothing was changed. Twisted's `AlreadyCalled` and `AlreadyCancelled`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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

struct Call {
    /// When it is to be made. The heap entry may be older: then it is put back when it comes to the top.
    time: Cell<Instant>,
    state: Cell<CallState>,
    action: Cell<Option<Action>>,
    asked: &'static Location<'static>,
}

/// How far a [`DelayedCall`] has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallState {
    /// It is still to be made.
    Waiting,
    /// It has been made, or is being made now.
    Called,
    /// It was cancelled, or its clock is gone.
    Cancelled,
}

impl DelayedCall {
    /// Takes the call back, and drops what it captured. Returns whether there was anything to take back: false if the
    /// call has been made or cancelled already, which is no error.
    pub fn cancel(&self) -> bool {
        if !self.active() {
            return false;
        }
        self.call.state.set(CallState::Cancelled);
        let action = self.call.action.take();
        if let Some(queue) = self.queue.upgrade() {
            queue.one_died();
        }
        drop(action); // Last: it may run any code of the program, which may come back to the queue.
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
        write!(f, "DelayedCall({:?}, asked for at {})", self.call.state.get(), self.call.asked)
    }
}

/// A time so far ahead that it cannot be told is as good as never.
fn add(time: Instant, delay: Duration) -> Instant {
    const NEVER: Duration = Duration::from_secs(100 * 365 * 24 * 3600);
    time.checked_add(delay).unwrap_or_else(|| time + NEVER)
}

/// The queue of delayed calls.
pub(crate) struct Timers {
    heap: RefCell<BinaryHeap<Entry>>,
    next_order: Cell<u64>,
    /// Entries of the heap whose call was cancelled, or that moved ahead of themselves.
    dead: Cell<usize>,
    /// The time as the reactor last told it.
    now: Cell<Instant>,
    /// Has the reactor tell it now.
    clock: OnceCell<Box<dyn Fn()>>,
}

type Entry = Timed<Instant, Rc<Call>>;

impl Timers {
    pub(crate) fn new(now: Instant) -> Rc<Timers> {
        Rc::new(Timers {
            heap: RefCell::new(BinaryHeap::new()),
            next_order: Cell::new(0),
            dead: Cell::new(0),
            now: Cell::new(now),
            clock: OnceCell::new(),
        })
    }

    /// Gives the queue a way to be told what time it is; until then it knows only what it was told last.
    pub(crate) fn set_clock(&self, clock: Box<dyn Fn()>) {
        let _ = self.clock.set(clock); // Once, when the reactor is made.
    }

    /// Tells the queue what time it is; `reset` counts from here.
    pub(crate) fn set_now(&self, now: Instant) {
        self.now.set(now);
    }

    #[track_caller]
    pub(crate) fn call_later(self: &Rc<Timers>, delay: Duration, action: Action) -> DelayedCall {
        if let Some(tell) = self.clock.get() {
            tell();
        }
        let call = Rc::new(Call {
            time: Cell::new(add(self.now.get(), delay)),
            state: Cell::new(CallState::Waiting),
            action: Cell::new(Some(action)),
            asked: Location::caller(),
        });
        self.push(call.clone());
        DelayedCall { call, queue: Rc::downgrade(self) }
    }

    fn push(&self, call: Rc<Call>) {
        let order = self.next_order.get();
        self.next_order.set(order + 1);
        self.heap.borrow_mut().push(Timed { time: call.time.get(), order, value: call });
    }

    /// To a later time costs a mark; to an earlier one needs a new entry, and the old one dies.
    fn move_to(&self, call: &Rc<Call>, time: Instant) {
        let earlier = time < call.time.get();
        call.time.set(time);
        if earlier {
            self.push(call.clone());
            self.one_died();
        }
    }

    fn one_died(&self) {
        self.dead.set(self.dead.get() + 1);
        let mut heap = self.heap.borrow_mut();
        if self.dead.get() >= REBUILD_AT && self.dead.get() * 2 > heap.len() {
            let mut entries = std::mem::take(&mut *heap).into_vec();
            // Each live call keeps the one entry that comes soonest (a later one would only be put back).
            entries.sort_unstable_by_key(|entry| entry.key());
            let mut kept = HashSet::new();
            entries
                .retain(|entry| entry.value.state.get() == CallState::Waiting && kept.insert(Rc::as_ptr(&entry.value)));
            self.dead.set(0);
            *heap = BinaryHeap::from(entries);
        }
    }

    /// When the next call is due.
    pub(crate) fn next_time(&self) -> Option<Instant> {
        self.settle_top();
        self.heap.borrow().peek().map(|entry| entry.time)
    }

    /// Throws away or puts back entries at the top that are out of date.
    fn settle_top(&self) {
        let mut heap = self.heap.borrow_mut();
        while let Some(mut top) = heap.peek_mut() {
            let due = top.value.time.get();
            if top.value.state.get() != CallState::Waiting {
                PeekMut::pop(top);
                self.dead.set(self.dead.get().saturating_sub(1));
            } else if due > top.time {
                top.time = due; // The heap puts it back where it belongs when `top` goes.
            } else {
                return;
            }
        }
    }

    /// The time as it was last told.
    pub(crate) fn now(&self) -> Instant {
        self.now.get()
    }

    /// Takes out the calls that are due now, in order. What becomes due while they run waits for the next turn.
    pub(crate) fn take_due(&self, due: &mut VecDeque<Due>) {
        while let Some(call) = self.take_first_due() {
            due.push_back(call);
        }
    }

    /// Takes out the first call that is due now.
    pub(crate) fn take_first_due(&self) -> Option<Due> {
        if self.next_time()? > self.now.get() {
            return None;
        }
        let entry = self.heap.borrow_mut().pop()?;
        Some(Due(entry.value))
    }

    /// Makes a call that was due, unless one made before it in the same turn cancelled it or moved it.
    pub(crate) fn begin(&self, due: Due) -> Option<(Action, &'static Location<'static>)> {
        let call = due.0;
        if call.state.get() != CallState::Waiting {
            self.dead.set(self.dead.get().saturating_sub(1));
            return None;
        }
        if call.time.get() > self.now.get() {
            self.push(call);
            return None;
        }
        call.state.set(CallState::Called);
        Some((call.action.take()?, call.asked))
    }

    /// Drops all that waits, and what it captured.
    pub(crate) fn clear(&self) {
        let entries = self.heap.take();
        for entry in entries {
            entry.value.state.set(CallState::Cancelled);
            drop(entry.value.action.take());
        }
    }

    /// The calls that wait, in the order in which they will be made.
    pub(crate) fn waiting(self: &Rc<Timers>) -> Vec<DelayedCall> {
        let heap = self.heap.borrow();
        let mut entries: Vec<&Entry> = heap.iter().collect();
        // A call that was moved to an earlier time has more than one entry: the soonest is the one that counts.
        entries.sort_unstable_by_key(|entry| entry.key());
        let mut seen = HashSet::new();
        entries.retain(|entry| entry.value.state.get() == CallState::Waiting && seen.insert(Rc::as_ptr(&entry.value)));
        entries.sort_by_key(|entry| (entry.value.time.get(), entry.order));
        let handle = |entry: &Entry| DelayedCall { call: entry.value.clone(), queue: Rc::downgrade(self) };
        entries.into_iter().map(handle).collect()
    }

    /// How many calls wait.
    pub(crate) fn len(&self) -> usize {
        let heap = self.heap.borrow();
        let mut live: Vec<_> = heap
            .iter()
            .filter(|entry| entry.value.state.get() == CallState::Waiting)
            .map(|entry| Rc::as_ptr(&entry.value))
            .collect();
        live.sort_unstable();
        live.dedup();
        live.len()
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

#[cfg(test)]
mod tests;
