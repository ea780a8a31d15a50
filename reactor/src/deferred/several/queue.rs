//! [`DeferredQueue`]: items on one side, Deferreds that wait for items on the other, each in order of arrival.
//!
//! Twisted's class of this name. There, both sides are unlimited by default; here the program chooses
//! [`bounded`](DeferredQueue::bounded) or [`unbounded`](DeferredQueue::unbounded). What does not fit comes back to the
//! caller: the item in a [`QueueOverflow`], the wait as a Deferred that has failed with [`QueueUnderflow`] (Twisted
//! raises both). A waiter that has given up never swallows an item: one that was cancelled, as in Twisted, and also
//! one that has dropped its Deferred.
//!
//! A callback that got an item may `put` another one. That runs the callbacks of the next waiter before `put` returns,
//! as in Twisted. A million waiters that each put for the next use bounded stack (see
//! [`Firer::callback`](crate::Firer::callback)).
//!
//! When the last handle of a queue is dropped, its items are dropped, and callers that wait do so for ever, as with a
//! dropped [`Firer`](crate::Firer).
//!
//! Next: `timeout.rs`, waiting for a limited time.

use super::waiters::Waiters;
use crate::deferred::{Deferred, fail, succeed};
use crate::error::debug_is_display;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::error::Error;
use std::fmt;
use std::rc::Rc;

/// A queue; callers that take wait for items. All clones of a handle are the same queue.
///
/// ```
/// use reactor::deferred::DeferredQueue;
///
/// let jobs = DeferredQueue::bounded(1, 10);
/// let first = jobs.get();
/// assert!(!first.has_fired());
/// jobs.put("paint the fence")?;
/// assert_eq!(first.result(), Some("paint the fence"));
///
/// jobs.put("mow the lawn")?;
/// let refused = jobs.put("feed the cat").unwrap_err();
/// assert_eq!(refused.0, "feed the cat");
/// assert_eq!(jobs.get().result(), Some("mow the lawn"));
/// # Ok::<(), reactor::deferred::QueueOverflow<&str>>(())
/// ```
pub struct DeferredQueue<T: 'static>(Rc<Queue<T>>);

struct Queue<T: 'static> {
    /// The maximum number of items stored: each is memory that another program or peer may fill.
    size: usize,
    /// The maximum number of callers that wait.
    backlog: usize,
    /// Empty while callers wait.
    items: RefCell<VecDeque<T>>,
    waiters: Rc<Waiters<T>>,
}

impl<T: 'static> DeferredQueue<T> {
    /// A queue that stores at most `size` items while nobody waits, and lets at most `backlog` callers wait while there
    /// is no item. With size 0 it stores none: an item goes straight to a caller that waits, or is refused.
    pub fn bounded(size: usize, backlog: usize) -> DeferredQueue<T> {
        let items = RefCell::new(VecDeque::new());
        DeferredQueue(Rc::new(Queue { size, backlog, items, waiters: Waiters::new() }))
    }

    /// A queue without limits: for items of which there cannot be many, as their number is limited elsewhere.
    pub fn unbounded() -> DeferredQueue<T> {
        DeferredQueue::bounded(usize::MAX, usize::MAX)
    }

    /// Gives an item to the oldest waiter, and its callbacks run before this returns; or stores it.
    ///
    /// # Errors
    /// [`QueueOverflow`], with the item, if nobody waits and the queue is full.
    ///
    /// # Panics
    /// If a callback of the waiter does; the queue is in order then.
    pub fn put(&self, item: T) -> Result<(), QueueOverflow<T>> {
        let queue = &self.0;
        if let Some(waiter) = queue.waiters.remove_oldest() {
            let fired = waiter.callback(item);
            debug_assert!(fired.is_ok(), "a waiter that has fired does not wait");
            return Ok(());
        }
        let mut items = queue.items.borrow_mut();
        if items.len() >= queue.size {
            return Err(QueueOverflow(item));
        }
        items.push_back(item);
        Ok(())
    }

    /// Takes the oldest item. If there is none, the Deferred fires with an item that comes when all earlier callers
    /// have theirs.
    ///
    /// The Deferred has failed with [`QueueUnderflow`] if there is no item and too many callers wait already. A cancel
    /// gives up the place, and so does dropping the Deferred, even if a [`Canceller`](crate::deferred::Canceller) or a
    /// [`Pause`](crate::deferred::Pause) of it is left.
    #[track_caller]
    pub fn get(&self) -> Deferred<T> {
        let queue = &self.0;
        let item = queue.items.borrow_mut().pop_front();
        if let Some(item) = item {
            return succeed(item);
        }
        queue.waiters.skip_abandoned();
        if queue.waiters.len() >= queue.backlog {
            return fail(QueueUnderflow);
        }
        queue.waiters.wait()
    }

    /// How many items are stored.
    pub fn len(&self) -> usize {
        self.0.items.borrow().len()
    }

    /// Whether no item is stored.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many callers wait for an item. Waiters that have given up do not count. There is one exception: a coroutine
    /// may give up unnoticed if its own Deferred is gone. It then counts until its turn comes.
    pub fn waiting_count(&self) -> usize {
        self.0.waiters.len()
    }
}

impl<T: 'static> Clone for DeferredQueue<T> {
    fn clone(&self) -> DeferredQueue<T> {
        DeferredQueue(self.0.clone())
    }
}

impl<T: 'static> fmt::Debug for DeferredQueue<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DeferredQueue({} stored, {} waiting)", self.len(), self.waiting_count())
    }
}

/// The queue is full; the item comes back.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct QueueOverflow<T>(pub T);

impl<T> fmt::Debug for QueueOverflow<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<T> fmt::Display for QueueOverflow<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the queue is full")
    }
}

impl<T> Error for QueueOverflow<T> {}

/// The queue is empty, and the maximum number of callers wait for an item already.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct QueueUnderflow;

impl fmt::Display for QueueUnderflow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("too many wait for an item already")
    }
}

impl Error for QueueUnderflow {}

debug_is_display!(QueueUnderflow);
