//! The way in from other threads: [`ReactorHandle`], and work that is done off the loop.
//!
//! Everything else in a reactor belongs to its thread, and the compiler sees to it. What crosses over is a closure in a
//! queue and a wake-up.

use super::{Reactor, WeakReactor};
use crate::driver::Wake;
use crate::error::ThreadError;
use crate::{Deferred, Failure, Firer};
use std::any::Any;
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::error::Error;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

/// How many calls may wait to be made by the loop; a thread that floods it is refused instead of eating the memory.
const MAX_QUEUED_CALLS: usize = 1 << 20;

type Call = Box<dyn FnOnce(&Reactor) + Send>;

/// What other threads hold of a reactor: it can hand calls over, and nothing else. `Send`, cheap to clone.
#[derive(Clone)]
pub struct ReactorHandle {
    inbox: Arc<Inbox>,
}

impl ReactorHandle {
    pub(super) fn new(inbox: Arc<Inbox>) -> ReactorHandle {
        ReactorHandle { inbox }
    }

    /// Has the loop call `f`, in the order of these requests, and wakes it. From a thread or from the loop itself;
    /// never before this returns. If the loop does not run, the call waits until it does.
    ///
    /// # Errors
    /// If more than a million calls wait, or the reactor is gone; `f` is dropped then.
    pub fn call_from_thread(&self, f: impl FnOnce(&Reactor) + Send + 'static) -> Result<(), ThreadError> {
        self.inbox.push(Box::new(f), MAX_QUEUED_CALLS)
    }
}

impl fmt::Debug for ReactorHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ReactorHandle")
    }
}

pub(super) struct Inbox {
    /// `None` once the reactor is gone.
    calls: Mutex<Option<VecDeque<Call>>>,
    /// Whether there may be calls: looking at this costs less than locking.
    pending: AtomicBool,
    waker: Arc<dyn Wake>,
}

impl Inbox {
    pub(super) fn new(waker: Arc<dyn Wake>) -> Inbox {
        Inbox { calls: Mutex::new(Some(VecDeque::new())), pending: AtomicBool::new(false), waker }
    }

    /// No user code runs under the lock, so it is never poisoned; if it were, the queue would still be sound.
    fn lock(&self) -> MutexGuard<'_, Option<VecDeque<Call>>> {
        self.calls.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn push(&self, call: Call, limit: usize) -> Result<(), ThreadError> {
        let mut calls = self.lock();
        let queue = calls.as_mut().ok_or(ThreadError::Gone)?;
        if queue.len() >= limit {
            return Err(ThreadError::QueueFull);
        }
        let first = queue.is_empty();
        queue.push_back(call);
        self.pending.store(true, Ordering::Release); // Under the lock, so that take() cannot miss it.
        drop(calls);
        if first {
            self.waker.wake(); // The others ride along.
        }
        Ok(())
    }

    pub(super) fn is_pending(&self) -> bool {
        self.pending.load(Ordering::Acquire)
    }

    pub(super) fn take(&self) -> VecDeque<Call> {
        let mut calls = self.lock();
        self.pending.store(false, Ordering::Relaxed);
        match calls.as_mut() {
            Some(queue) if !queue.is_empty() => std::mem::take(queue),
            _ => VecDeque::new(),
        }
    }

    pub(super) fn close(&self) {
        let calls = self.lock().take();
        drop(calls); // Outside the lock: dropping runs whatever they captured.
    }
}

type Finish = Box<dyn FnOnce(Box<dyn Any + Send>)>;

/// Deferreds whose results come from elsewhere, by number: they cannot travel themselves.
#[derive(Default)]
pub(super) struct Completions {
    /// In order, so that what a reactor's end drops is dropped in the same order each time.
    waiting: RefCell<BTreeMap<u64, Finish>>,
    next: Cell<u64>,
}

impl Completions {
    /// A Deferred and the number under which its result is to be handed in. Cancelling forgets the number: the work
    /// goes on, its result goes nowhere.
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
                let _ = firer.callback(*value); // Whoever cancelled it has removed it from here.
            }
        };
        self.waiting.borrow_mut().insert(id, Box::new(finish));
        (deferred, id)
    }

    /// Drops all that wait: nobody will finish them.
    pub(super) fn clear(&self) {
        drop(self.waiting.take());
    }

    pub(super) fn finish<T: Send + 'static>(&self, id: u64, result: T) {
        let finish = self.waiting.borrow_mut().remove(&id);
        if let Some(finish) = finish {
            finish(Box::new(result));
        }
    }
}

/// Hands a result in, from any thread. Never refused: there are at most as many as there are jobs.
pub(super) fn complete<T: Send + 'static>(inbox: &Arc<Inbox>, id: u64, result: T) {
    let call: Call = Box::new(move |reactor| reactor.core.completions.finish(id, result));
    let _ = inbox.push(call, usize::MAX); // If the reactor is gone, so is whoever waited.
}

impl Reactor {
    /// Runs `work` on another thread; the Deferred fires on the loop with what it gives. Twisted's `deferToThread`.
    ///
    /// Cancelling does not stop the work, only the waiting. Fails with the work's own error, or with [`ThreadError`] if
    /// it panicked or too much work waits.
    #[track_caller]
    pub fn defer_to_thread<T, E>(&self, work: impl FnOnce() -> Result<T, E> + Send + 'static) -> Deferred<T>
    where
        T: Send + 'static,
        E: Error + Send + 'static,
    {
        let (deferred, id) = self.core.completions.deferred::<Result<Result<T, E>, ThreadError>>(&self.core.weak());
        let inbox = self.core.inbox.clone();
        let job = Box::new(move || {
            let result = catch_unwind(AssertUnwindSafe(work)).map_err(|_| ThreadError::Panicked);
            complete(&inbox, id, result);
        });
        if self.core.driver.borrow_mut().spawn(job).is_err() {
            self.core.completions.finish::<Result<Result<T, E>, ThreadError>>(id, Err(ThreadError::QueueFull));
        }
        deferred.add_callback(|result| -> Result<T, Failure> { Ok(result??) })
    }
}
