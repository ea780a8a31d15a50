//! [`Threads`]: threads for work that blocks.
//!
//! A thread is started when a job waits and no thread is idle, up to the limit. It ends when it has been idle for
//! [`MAX_IDLE`], and with the driver. A job that has begun is not waited for here: a look-up that hangs must not hold
//! up the end of the program. For work of the program, the loop waits (see `event_loop/thread_pool.rs`).
//!
//! Next: `watch.rs`, a thread that looks on.

use super::Job;
use crate::diagnostics::tell;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

/// Maximum number of jobs that wait for a thread. More are refused. The loop hands over only what may begin, so jobs
/// wait only while the system refuses to start a thread.
const MAX_QUEUED_JOBS: usize = 1024;

/// How long a thread waits for more work before it ends.
const MAX_IDLE: Duration = Duration::from_secs(10);

pub(super) struct Threads {
    name: &'static str,
    shared: Arc<PoolState>,
}

struct PoolState {
    state: Mutex<State>,
    wake: Condvar,
}

#[derive(Default)]
struct State {
    queue: VecDeque<Job>,
    threads: usize,
    idle: usize,
    closed: bool,
}

impl PoolState {
    /// Jobs run outside the lock, so it cannot be poisoned; if it were, the state would still be sound.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl Threads {
    pub(super) fn new(name: &'static str) -> Threads {
        Threads { name, shared: Arc::new(PoolState { state: Mutex::default(), wake: Condvar::new() }) }
    }

    pub(super) fn spawn(&self, job: Job, max_threads: usize) -> Result<(), Job> {
        let mut state = self.shared.lock();
        if state.queue.len() >= MAX_QUEUED_JOBS {
            return Err(job);
        }
        state.queue.push_back(job);
        if state.idle >= state.queue.len() {
            self.shared.wake.notify_one();
        } else if state.threads < max_threads {
            let shared = self.shared.clone();
            let name = format!("reactor-{}-{}", self.name, state.threads);
            match thread::Builder::new().name(name).spawn(move || work(&shared)) {
                Ok(_detached) => state.threads += 1,
                // Without any thread, the job would wait for ever.
                Err(_) if state.threads == 0 => return state.queue.pop_back().map_or(Ok(()), Err),
                Err(error) => tell!(Warn, "reactor", "cannot start a {} thread: {error}", self.name),
            }
        }
        Ok(())
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.closed = true;
        let queue = std::mem::take(&mut state.queue);
        drop(state);
        self.shared.wake.notify_all();
        drop(queue); // Outside the lock: it is code of the program.
    }
}

fn work(shared: &PoolState) {
    let mut state = shared.lock();
    // Ends with the lock held: a job that comes later must not count on this thread.
    while !state.closed {
        match state.queue.pop_front() {
            Some(job) => {
                drop(state);
                // The panic hook has printed the panic. The thread lives on for the next job; `defer_to_thread` catches
                // a panic of its work before this, and reports it.
                let _ = catch_unwind(AssertUnwindSafe(job));
                state = shared.lock();
            }
            None => {
                state.idle += 1;
                let (after, waited) =
                    shared.wake.wait_timeout(state, MAX_IDLE).unwrap_or_else(|poisoned| poisoned.into_inner());
                state = after;
                state.idle -= 1;
                // Work may have come in the moment at which the time was over: then this thread was counted as idle.
                if waited.timed_out() && state.queue.is_empty() {
                    break;
                }
            }
        }
    }
    state.threads -= 1;
}
