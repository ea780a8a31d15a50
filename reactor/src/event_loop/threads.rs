//! [`ReactorHandle`]: the way in from other threads.
//!
//! Everything else in a reactor belongs to one thread, and the compiler checks that. Only two things cross over: a
//! closure in a queue, and a wake-up.
//!
//! A Deferred cannot cross over. So it stays here under a number ([`Completions`]), and the other thread sends the
//! number back with the result.
//!
//! Next: `blocking.rs`, a call that waits for its result.

use super::blocking::Blocked;
use super::resolver::Found;
use super::{Reactor, WeakReactor};
use crate::context::Asked;
use crate::driver::{LookupReply, Wake};
use crate::error::ThreadError;
use crate::foreign::Foreign;
use crate::{Deferred, Firer};
use std::any::Any;
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::panic::Location;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

/// Maximum number of calls from other threads that wait for the loop. Beyond it a call is refused: a thread that floods
/// the loop must not fill the memory.
pub(super) const MAX_QUEUED_CALLS: usize = 1 << 20;

pub(super) type Call = Box<dyn FnOnce(&Reactor) + Send>;

/// Calls that wait.
type Calls = VecDeque<(Foreign<Call>, Asked)>;

/// The handle of a reactor for other threads. It hands calls over, and does nothing else. `Send` and cheap to clone.
#[derive(Clone)]
pub struct ReactorHandle {
    pub(super) calls: Arc<CallsFromThreads>,
}

impl ReactorHandle {
    pub(super) fn new(calls: Arc<CallsFromThreads>) -> ReactorHandle {
        ReactorHandle { calls }
    }

    /// Makes the loop call `f`, and wakes the loop. May be used on any thread, the loop's own included; `f` is never
    /// called before this method returns. Calls are made in the order of their requests. If the loop does not run, the
    /// call waits until it does.
    ///
    /// # Errors
    /// If more than a million calls wait, or if the reactor is gone. `f` is dropped then.
    #[track_caller]
    pub fn call_from_thread(&self, f: impl FnOnce(&Reactor) + Send + 'static) -> Result<(), ThreadError> {
        self.calls.push(Box::new(f), Asked::here(), MAX_QUEUED_CALLS)
    }
}

impl fmt::Debug for ReactorHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ReactorHandle")
    }
}

/// The queue between other threads and the loop.
pub(super) struct CallsFromThreads {
    /// `None` once the reactor is gone.
    calls: Mutex<Option<Calls>>,
    /// Whether there may be calls. The loop looks at it in every turn, and it costs less than the lock.
    pending: AtomicBool,
    waker: Arc<dyn Wake>,
    /// The threads that wait for the result of a call.
    pub(super) blocked: Blocked,
}

impl CallsFromThreads {
    pub(super) fn new(waker: Arc<dyn Wake>) -> CallsFromThreads {
        let calls = Mutex::new(Some(VecDeque::new()));
        CallsFromThreads { calls, pending: AtomicBool::new(false), waker, blocked: Blocked::new() }
    }

    /// No code of the program runs under the lock, so it is never poisoned; if it were, the queue would still be sound.
    fn lock(&self) -> MutexGuard<'_, Option<Calls>> {
        self.calls.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    pub(super) fn push(&self, call: Call, asked: Asked, limit: usize) -> Result<(), ThreadError> {
        let call = Foreign::new(call); // Before the lock: if the call is refused, its drop comes after it.
        let mut calls = self.lock();
        let queue = calls.as_mut().ok_or(ThreadError::Gone)?;
        if queue.len() >= limit {
            return Err(ThreadError::QueueFull);
        }
        let first = queue.is_empty();
        queue.push_back((call, asked));
        // Under the lock: `take` must not clear it for a call that it missed.
        self.pending.store(true, Ordering::Release);
        drop(calls);
        if first {
            self.waker.wake(); // Once for all calls in the queue: the loop takes them together.
        }
        Ok(())
    }

    /// Hands over a call of the library's own, of which there is a bounded number.
    pub(super) fn push_own(&self, call: Call, asked: Asked) -> Result<(), ThreadError> {
        self.push(call, asked, usize::MAX)
    }

    pub(super) fn is_pending(&self) -> bool {
        self.pending.load(Ordering::Acquire)
    }

    pub(super) fn take(&self) -> Calls {
        let mut calls = self.lock();
        self.pending.store(false, Ordering::Relaxed);
        match calls.as_mut() {
            Some(queue) if !queue.is_empty() => std::mem::take(queue),
            _ => VecDeque::new(),
        }
    }

    pub(super) fn close(&self) {
        self.blocked.end(ThreadError::Gone);
        let calls = self.lock().take();
        drop(calls); // Outside the lock: the values that they captured may use this handle in their drop.
    }
}

type Finish = Box<dyn FnOnce(Box<dyn Any + Send>)>;

/// The Deferreds that wait for a result from another thread, by number.
#[derive(Default)]
pub(super) struct Completions {
    /// With the place in the program that asked. A map with an order, so that the end of a reactor drops them in the
    /// same order each time.
    waiting: RefCell<BTreeMap<u64, (Foreign<Finish>, &'static Location<'static>)>>,
    next: Cell<u64>,
}

impl Completions {
    /// The number of Deferreds that wait.
    pub(super) fn len(&self) -> usize {
        self.waiting.borrow().len()
    }

    /// A Deferred, and the number under which its result is handed over. Cancelling the Deferred forgets the number:
    /// work that has begun goes on, and its result is dropped.
    #[track_caller]
    pub(super) fn deferred<T: Send + 'static>(&self, reactor: &WeakReactor) -> (Deferred<T>, u64) {
        let id = self.next.get();
        self.next.set(id + 1);
        let reactor = reactor.clone();
        let (deferred, firer): (Deferred<T>, Firer<T>) = Deferred::unwatched_with_canceller(move |_| {
            if let Some(core) = reactor.core() {
                let finish = core.completions.waiting.borrow_mut().remove(&id);
                drop(finish); // After the borrow.
                core.thread_pool.cancel(id);
            }
        });
        let finish = move |result: Box<dyn Any + Send>| {
            if let Ok(value) = result.downcast::<T>() {
                // Cannot fail: a cancelled Deferred has been removed from the map, so nothing has fired this one.
                let _ = firer.callback(*value);
            }
        };
        self.waiting.borrow_mut().insert(id, (Foreign::new(Box::new(finish)), Location::caller()));
        (deferred, id)
    }

    /// Where the program asked for the result; `None` if nothing waits for it any more.
    pub(super) fn place(&self, id: u64) -> Option<&'static Location<'static>> {
        self.waiting.borrow().get(&id).map(|(_, place)| *place)
    }

    /// Drops all of them: the loop that would fire them is gone.
    pub(super) fn clear(&self) {
        drop(self.waiting.take());
    }

    pub(super) fn finish<T: Send + 'static>(&self, id: u64, result: T) {
        let finish = self.waiting.borrow_mut().remove(&id);
        if let Some((finish, _)) = finish {
            finish.into_inner()(Box::new(result));
        }
    }
}

/// The reply for the look-up of `host`. If the driver drops it without a call, the loop hears of that too.
pub(super) fn lookup_reply(
    calls: &Arc<CallsFromThreads>,
    host: &str,
    place: &'static Location<'static>,
) -> LookupReply {
    let report = Report { calls: calls.clone(), host: host.to_owned(), found: None, place };
    Box::new(move |found| {
        let mut report = report;
        report.found = Some(found); // It is handed in by the drop, as its absence would be.
    })
}

/// Hands in, when it is dropped, how the look-up of a name has ended.
struct Report {
    calls: Arc<CallsFromThreads>,
    host: String,
    found: Option<Found>,
    /// The program asked for the look-up here. Others may wait for it, too.
    place: &'static Location<'static>,
}

impl Drop for Report {
    fn drop(&mut self) {
        let (host, found) = (std::mem::take(&mut self.host), self.found.take());
        let place = self.place;
        let call: Call = Box::new(move |reactor| reactor.core.name_answered(&host, found, place));
        // There are at most as many of these as look-ups.
        let _ = self.calls.push_own(call, Asked::for_code_at(self.place));
    }
}
