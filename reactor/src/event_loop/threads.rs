//! [`ReactorHandle`]: the way in from other threads; and work that other threads do for the loop.
//!
//! Everything else in a reactor belongs to one thread, and the compiler checks that. Only two things cross over: a
//! closure in a queue, and a wake-up.
//!
//! A Deferred cannot cross over. So it stays here under a number ([`Completions`]), and the other thread sends the
//! number back with the result.
//!
//! Next: `driver/mod.rs`, the world below the loop.

use super::resolver::Found;
use super::{Reactor, WeakReactor};
use crate::driver::{LookupReply, Wake};
use crate::error::ThreadError;
use crate::foreign::Foreign;
use crate::{Deferred, Failure, Firer};
use std::any::Any;
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::error::Error;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

/// Maximum number of calls from other threads that wait for the loop. Beyond it a call is refused: a thread that floods
/// the loop must not fill the memory.
const MAX_QUEUED_CALLS: usize = 1 << 20;

type Call = Box<dyn FnOnce(&Reactor) + Send>;

/// The handle of a reactor for other threads. It hands calls over, and does nothing else. `Send` and cheap to clone.
#[derive(Clone)]
pub struct ReactorHandle {
    inbox: Arc<CallsFromThreads>,
}

impl ReactorHandle {
    pub(super) fn new(inbox: Arc<CallsFromThreads>) -> ReactorHandle {
        ReactorHandle { inbox }
    }

    /// Makes the loop call `f`, and wakes the loop. May be used on any thread, the loop's own included; `f` is never
    /// called before this method returns. Calls are made in the order of their requests. If the loop does not run, the
    /// call waits until it does.
    ///
    /// # Errors
    /// If more than a million calls wait, or if the reactor is gone. `f` is dropped then.
    pub fn call_from_thread(&self, f: impl FnOnce(&Reactor) + Send + 'static) -> Result<(), ThreadError> {
        self.inbox.push(Foreign::new(Box::new(f)), MAX_QUEUED_CALLS)
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
    calls: Mutex<Option<VecDeque<Foreign<Call>>>>,
    /// Whether there may be calls. The loop looks at it in every turn, and it costs less than the lock.
    pending: AtomicBool,
    waker: Arc<dyn Wake>,
}

impl CallsFromThreads {
    pub(super) fn new(waker: Arc<dyn Wake>) -> CallsFromThreads {
        CallsFromThreads { calls: Mutex::new(Some(VecDeque::new())), pending: AtomicBool::new(false), waker }
    }

    /// No code of the program runs under the lock, so it is never poisoned; if it were, the queue would still be sound.
    fn lock(&self) -> MutexGuard<'_, Option<VecDeque<Foreign<Call>>>> {
        self.calls.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn push(&self, call: Foreign<Call>, limit: usize) -> Result<(), ThreadError> {
        let mut calls = self.lock();
        let queue = calls.as_mut().ok_or(ThreadError::Gone)?;
        if queue.len() >= limit {
            return Err(ThreadError::QueueFull);
        }
        let first = queue.is_empty();
        queue.push_back(call);
        // Under the lock: `take` must not clear it for a call that it missed.
        self.pending.store(true, Ordering::Release);
        drop(calls);
        if first {
            self.waker.wake(); // Once for all calls in the queue: the loop takes them together.
        }
        Ok(())
    }

    pub(super) fn is_pending(&self) -> bool {
        self.pending.load(Ordering::Acquire)
    }

    pub(super) fn take(&self) -> VecDeque<Foreign<Call>> {
        let mut calls = self.lock();
        self.pending.store(false, Ordering::Relaxed);
        match calls.as_mut() {
            Some(queue) if !queue.is_empty() => std::mem::take(queue),
            _ => VecDeque::new(),
        }
    }

    pub(super) fn close(&self) {
        let calls = self.lock().take();
        drop(calls); // Outside the lock: the values that they captured may use this handle in their drop.
    }
}

type Finish = Box<dyn FnOnce(Box<dyn Any + Send>)>;

/// The Deferreds that wait for a result from another thread, by number.
#[derive(Default)]
pub(super) struct Completions {
    /// A map with an order, so that the end of a reactor drops them in the same order each time.
    waiting: RefCell<BTreeMap<u64, Foreign<Finish>>>,
    next: Cell<u64>,
}

impl Completions {
    /// A Deferred, and the number under which its result is handed over. Cancelling the Deferred forgets the number:
    /// the work goes on, and its result is dropped.
    #[track_caller]
    pub(super) fn deferred<T: Send + 'static>(&self, reactor: &WeakReactor) -> (Deferred<T>, u64) {
        let id = self.next.get();
        self.next.set(id + 1);
        let reactor = reactor.clone();
        let (deferred, firer): (Deferred<T>, Firer<T>) = Deferred::with_canceller(move |_| {
            if let Some(core) = reactor.core() {
                drop(core.completions.waiting.borrow_mut().remove(&id));
            }
        });
        let finish = move |result: Box<dyn Any + Send>| {
            if let Ok(value) = result.downcast::<T>() {
                // Cannot fail: a cancelled Deferred has been removed from the map, so nothing has fired this one.
                let _ = firer.callback(*value);
            }
        };
        self.waiting.borrow_mut().insert(id, Foreign::new(Box::new(finish)));
        (deferred, id)
    }

    /// Drops all of them: the loop that would fire them is gone.
    pub(super) fn clear(&self) {
        drop(self.waiting.take());
    }

    pub(super) fn finish<T: Send + 'static>(&self, id: u64, result: T) {
        let finish = self.waiting.borrow_mut().remove(&id);
        if let Some(finish) = finish {
            finish.into_inner()(Box::new(result));
        }
    }
}

/// Hands a result over, from any thread. It is never refused: there are at most as many results as jobs.
pub(super) fn complete<T: Send + 'static>(inbox: &Arc<CallsFromThreads>, id: u64, result: T) {
    let call: Call = Box::new(move |reactor| reactor.core.completions.finish(id, result));
    // An error means that the reactor is gone, and with it the Deferred.
    let _ = inbox.push(Foreign::new(call), usize::MAX);
}

/// The reply for the look-up of `host`. If the driver drops it without a call, the loop hears of that too.
pub(super) fn lookup_reply(inbox: &Arc<CallsFromThreads>, host: &str) -> LookupReply {
    let report = Report { inbox: inbox.clone(), host: host.to_owned(), found: None };
    Box::new(move |found| {
        let mut report = report;
        report.found = Some(found); // It is handed in by the drop, as its absence would be.
    })
}

/// Hands in, when it is dropped, how the look-up of a name has ended.
struct Report {
    inbox: Arc<CallsFromThreads>,
    host: String,
    found: Option<Found>,
}

impl Drop for Report {
    fn drop(&mut self) {
        let (host, found) = (std::mem::take(&mut self.host), self.found.take());
        let call: Call = Box::new(move |reactor| reactor.core.name_answered(&host, found));
        let _ = self.inbox.push(Foreign::new(call), usize::MAX); // There are at most as many of these as look-ups.
    }
}

impl Reactor {
    /// Runs `work` on another thread. The Deferred fires on the loop with its result. Twisted's `deferToThread`.
    ///
    /// Cancelling ends the waiting, not the work. The Deferred fails with the work's own error, or with [`ThreadError`]
    /// if the work panicked or too much work waits.
    #[track_caller]
    pub fn defer_to_thread<T, E>(&self, work: impl FnOnce() -> Result<T, E> + Send + 'static) -> Deferred<T>
    where
        T: Send + 'static,
        E: Error + Send + 'static,
    {
        let (deferred, id) = self.core.completions.deferred::<Result<Result<T, E>, ThreadError>>(&self.core.weak());
        // Whichever driver drops the job, and wherever: the program's closure does no harm.
        let (inbox, work) = (self.core.inbox.clone(), Foreign::new(work));
        let job = Box::new(move || {
            let result = catch_unwind(AssertUnwindSafe(work.into_inner())).map_err(|_| ThreadError::Panicked);
            complete(&inbox, id, result);
        });
        let spawned = self.core.driver.borrow_mut().spawn(job);
        // A refused job is dropped here, after the borrow: what it captured may come back to the reactor in its drop.
        if spawned.is_err() {
            self.core.completions.finish::<Result<Result<T, E>, ThreadError>>(id, Err(ThreadError::QueueFull));
        }
        deferred.add_callback(|result| -> Result<T, Failure> { Ok(result??) })
    }
}
