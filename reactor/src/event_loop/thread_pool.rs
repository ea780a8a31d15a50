//! [`ThreadPool`]: work that other threads do for the loop. Twisted's `deferToThread` and its thread pool.
//!
//! ```text
//!                   at most MAX_QUEUED          at most max_threads
//!   defer_to_thread ---------> Queued ---------------> Running ---------> the Deferred fires
//!                                |                        |
//!      cancelled, or a stop ---> dropped                  +-- cancelled: goes on; its result is dropped
//!                                                         +-- a stop: is waited for, with a limit
//! ```
//!
//! The loop has the queue, and the driver gets a piece of work only when it may begin. So each driver has these rules,
//! the simulated one too, and what is queued never leaves the thread of the loop. The price: when all threads are busy,
//! the next piece begins when the loop has heard that one has ended.
//!
//! Next: `driver/mod.rs`, the world below the loop.

use super::callback::Description;
use super::threads::{Call, CallsFromThreads};
use super::{Core, Reactor};
use crate::context::Asked;
use crate::deferred;
use crate::diagnostics::tell;
use crate::driver::Job;
use crate::error::ThreadError;
use crate::failure::Message;
use crate::foreign::Foreign;
use crate::{Deferred, DelayedCall, Failure, Settings};
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::error::Error;
use std::mem;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::sync::Arc;

/// Maximum number of pieces of work that wait for a thread. More are refused, so that stuck threads cannot fill the
/// memory.
const MAX_QUEUED: usize = 1024;

/// One piece of work. It does the work and returns the call that hands its result to the loop; or, with an error, it
/// drops the work and returns the call that hands in the error.
type Work = Box<dyn FnOnce(Result<(), ThreadError>) -> Call + Send>;

/// Work that waits for a thread.
struct Queued {
    /// The number of its completion.
    id: u64,
    work: Work,
    asked: Asked,
}

/// The work that waits for a thread, and the number of threads that are busy.
pub(super) struct ThreadPool {
    queue: RefCell<VecDeque<Queued>>,
    running: Cell<usize>,
    max_threads: Cell<usize>,
    /// Set while a stop waits for the running ones: it ends this.
    limit: RefCell<Option<DelayedCall>>,
}

impl ThreadPool {
    pub(super) fn new(settings: &Settings) -> ThreadPool {
        ThreadPool {
            queue: RefCell::default(),
            running: Cell::new(0),
            max_threads: Cell::new(settings.max_threads.max(1)),
            limit: RefCell::default(),
        }
    }

    /// Whether a stop waits for work. Every piece that runs reports its end, and that wakes the loop.
    pub(super) fn is_waited_for(&self) -> bool {
        self.running.get() > 0 && self.limit.borrow().is_some()
    }

    /// The next piece that may begin.
    fn next(&self) -> Option<Queued> {
        if self.running.get() >= self.max_threads.get() {
            return None;
        }
        let next = self.queue.borrow_mut().pop_front()?;
        self.running.set(self.running.get() + 1);
        Some(next)
    }

    /// Drops a piece of work that has not begun.
    pub(super) fn cancel(&self, id: u64) {
        let mut queue = self.queue.borrow_mut();
        let found = queue.iter().position(|queued| queued.id == id).and_then(|at| queue.remove(at));
        drop(queue);
        drop(found); // After the borrow: what the work captured may come back here in its drop.
    }

    /// Drops what waits, without a report: the loop is gone.
    pub(super) fn forget(&self) {
        drop(self.queue.take());
        drop(self.limit.take());
    }

    /// No stop waits for the work any more. Returns whether one did.
    pub(super) fn end_waiting(&self) -> bool {
        let limit = self.limit.take();
        limit.is_some_and(|limit| {
            limit.cancel();
            self.running.get() > 0
        })
    }
}

impl Reactor {
    /// Runs `work` on another thread. The Deferred fires on the loop with its result. Twisted's `deferToThread`.
    ///
    /// At most [`Settings::max_threads`] pieces of work run at a time; up to 1024 more wait, and begin in the order of
    /// their requests. A thread is started when work needs it, and ends when it has been idle for ten seconds.
    ///
    /// Cancelling drops work that has not begun. Work that has begun goes on, and its result is dropped.
    ///
    /// A stop drops the work that has not begun, and waits for the rest, for at most [`Settings::thread_timeout`];
    /// so do `run_until` and `react` at their end. Work that must not be dropped belongs into a trigger of the phase
    /// [`Before`](crate::Phase::Before). The drop of a reactor waits for nothing.
    ///
    /// The work may fail with any error that is `Send`, or with a [`Failure`]. A `Failure` itself cannot leave its
    /// thread: its sentence and the place where it was raised do.
    ///
    /// The Deferred fails with the work's own error, or with a [`ThreadError`]:
    /// [`Panicked`](ThreadError::Panicked), [`QueueFull`](ThreadError::QueueFull), [`Stopped`](ThreadError::Stopped) or
    /// [`NoThread`](ThreadError::NoThread).
    ///
    /// ```
    /// use reactor::Reactor;
    ///
    /// let reactor = Reactor::new()?;
    /// let text = reactor.defer_to_thread(|| std::fs::read_to_string("Cargo.toml"));
    /// assert!(reactor.run_until(text)?.contains("[package]"));
    /// # Ok::<(), reactor::Failure>(())
    /// ```
    #[track_caller]
    pub fn defer_to_thread<T, E>(&self, work: impl FnOnce() -> Result<T, E> + Send + 'static) -> Deferred<T>
    where
        T: Send + 'static,
        E: WorkError,
    {
        let core = &self.core;
        if core.is_closing() {
            return deferred::fail(ThreadError::Stopped);
        }
        if core.thread_pool.queue.borrow().len() >= MAX_QUEUED {
            return deferred::fail(ThreadError::QueueFull);
        }
        let (deferred, id) = core.completions.deferred::<Result<Result<T, ErrorOnItsWay>, ThreadError>>(&core.weak());
        // Wherever it is dropped: the program's closure does no harm.
        let (work, asked) = (Foreign::new(work), Asked::here());
        let (context, place) = (asked.context.clone(), asked.place);
        let work: Work = Box::new(move |order| {
            let run = || {
                let work = || work.into_inner()().map_err(|error| error.send(place));
                context.run(|| catch_unwind(AssertUnwindSafe(work))).map_err(|_| ThreadError::Panicked)
            };
            let result = order.and_then(|()| run());
            Box::new(move |reactor| reactor.core.completions.finish(id, result))
        });
        core.thread_pool.queue.borrow_mut().push_back(Queued { id, work, asked });
        core.start_work();
        deferred.add_callback(move |result| match result {
            Ok(result) => result.map_err(|error| error()),
            Err(error) => Err(Failure::at(error, place)),
        })
    }

    /// Sets the maximum number of threads of [`defer_to_thread`](Reactor::defer_to_thread), in place of
    /// [`Settings::max_threads`]. 0 counts as 1. If more are busy, they finish their work first. Twisted's
    /// `suggestThreadPoolSize`.
    pub fn suggest_thread_pool_size(&self, threads: usize) {
        self.core.thread_pool.max_threads.set(threads.max(1));
        self.core.start_work();
    }
}

/// An error on its way from a thread to the loop. There it is made into a failure.
pub type ErrorOnItsWay = Box<dyn FnOnce() -> Failure + Send>;

/// The error of work for a thread: any error that is `Send`, or a [`Failure`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the error of work for a thread",
    label = "the work fails with a `{Self}`",
    note = "the work returns a `Result<T, E>`, in which `E` is an error that is `Send`, or a `Failure`",
    note = "text becomes an error with `Failure::msg(\"...\")`"
)]
pub trait WorkError {
    /// Readies it to leave the thread. If it does not know where it was raised, that is `place`.
    fn send(self, place: &'static Location<'static>) -> ErrorOnItsWay;
}

impl<E: Error + Send + 'static> WorkError for E {
    fn send(self, place: &'static Location<'static>) -> ErrorOnItsWay {
        Box::new(move || Failure::at(self, place))
    }
}

impl WorkError for Failure {
    fn send(self, _place: &'static Location<'static>) -> ErrorOnItsWay {
        let (sentence, raised) = (Message(self.to_string()), self.raised());
        Box::new(move || Failure::at(sentence, raised))
    }
}

impl Core {
    /// Hands the driver the work that may begin.
    fn start_work(&self) {
        while let Some(Queued { work, asked, .. }) = self.thread_pool.next() {
            let mut begun = Begun { calls: self.calls_from_threads.clone(), work: Some(work), report: None, asked };
            let job: Job = Box::new(move || begun.run());
            let refused = self.driver.borrow_mut().spawn(job, self.thread_pool.max_threads.get());
            // After the borrow: what a refused job captured may come back to the reactor in its drop.
            drop(refused);
        }
    }

    /// A thread is free again. The next piece begins before the program hears of the result.
    fn work_ended(&self) {
        let running = self.thread_pool.running.get() - 1;
        self.thread_pool.running.set(running);
        if running == 0 {
            self.thread_pool.end_waiting();
        }
        self.start_work();
    }

    /// The reactor closes everything: drops the work that has not begun, and has the stop wait for the rest.
    pub(super) fn stop_work(&self, is_overdue: bool) {
        let queue = self.thread_pool.queue.take();
        if !queue.is_empty() {
            log::info!(target: "reactor", "the stop drops {} pieces of work that no thread has begun", queue.len());
        }
        let reactor = Reactor { core: self.this.upgrade().expect("the loop runs inside a living reactor") };
        for Queued { work, asked, .. } in queue {
            let fail = work(Err(ThreadError::Stopped));
            let describe = |out: &mut Description| {
                out.place(asked.place);
                out.write_fmt(format_args!("a callback of the work for a thread requested at {asked}"))
            };
            asked.context.run(|| self.run_callback(describe, || fail(&reactor)));
        }
        if self.thread_pool.running.get() == 0 {
            return;
        }
        let (weak, timeout) = (self.weak(), self.work.settings.thread_timeout);
        let give_up = move || {
            if let Some(core) = weak.core() {
                core.stop_waiting_for_work();
            }
        };
        let limit = self.work.timers.call_later(timeout, give_up);
        drop(self.thread_pool.limit.replace(Some(limit)));
        if is_overdue {
            self.stop_waiting_for_work();
        }
    }

    /// The limit has passed, or a second signal has come.
    pub(super) fn stop_waiting_for_work(&self) {
        if self.thread_pool.end_waiting() {
            let running = self.thread_pool.running.get();
            tell!(Warn, "reactor", "the stop does not wait for {running} threads; their work may be cut off");
        }
    }
}

/// A piece of work that the driver has. When it is dropped, the loop hears of its end, even if it never ran.
struct Begun {
    calls: Arc<CallsFromThreads>,
    /// `None` once it has run.
    work: Option<Work>,
    report: Option<Call>,
    asked: Asked,
}

impl Begun {
    fn run(&mut self) {
        self.report = self.work.take().map(|work| work(Ok(())));
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        let never_ran = mem::take(&mut self.work).map(|work| work(Err(ThreadError::NoThread)));
        let report = self.report.take().or(never_ran);
        let call: Call = Box::new(move |reactor| {
            reactor.core.work_ended();
            if let Some(report) = report {
                report(reactor);
            }
        });
        // There is at most one for each thread. An error means that the reactor is gone, and with it the Deferred.
        let _ = self.calls.push_own(call, self.asked.clone());
    }
}
