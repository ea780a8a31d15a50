//! [`ThreadPool`]: a small pool of threads for work that blocks.
//!
//! A thread is started when work waits and no thread is idle, up to the limit. It ends when it has been idle for
//! [`MAX_IDLE`], and with the pool. Work in progress is not waited for: a look-up that hangs must not hold up the end
//! of the program.
//!
//! Next: `signals.rs`, the last part of the real world.

use super::Job;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

/// Maximum number of jobs that wait for a thread. More are refused, so that a stuck pool cannot fill the memory.
const MAX_QUEUED_JOBS: usize = 1024;

/// How long a thread waits for more work before it ends.
const MAX_IDLE: Duration = Duration::from_secs(10);

pub(super) struct ThreadPool {
    name: &'static str,
    limit: usize,
    pool: Arc<Pool>,
}

struct Pool {
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

impl Pool {
    /// Jobs run outside the lock, so it cannot be poisoned; if it were, the state would still be sound.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl ThreadPool {
    pub(super) fn new(name: &'static str, limit: usize) -> ThreadPool {
        let pool = Arc::new(Pool { state: Mutex::default(), wake: Condvar::new() });
        ThreadPool { name, limit, pool }
    }

    pub(super) fn spawn(&self, job: Job) -> Result<(), Job> {
        let mut state = self.pool.lock();
        if state.queue.len() >= MAX_QUEUED_JOBS {
            return Err(job);
        }
        state.queue.push_back(job);
        if state.idle >= state.queue.len() {
            self.pool.wake.notify_one();
        } else if state.threads < self.limit {
            let pool = self.pool.clone();
            let name = format!("reactor-{}-{}", self.name, state.threads);
            match thread::Builder::new().name(name).spawn(move || work(&pool)) {
                Ok(_detached) => state.threads += 1,
                // Without any thread, the job would wait for ever.
                Err(_) if state.threads == 0 => return state.queue.pop_back().map_or(Ok(()), Err),
                Err(error) => log::warn!(target: "reactor", "cannot start a {} thread: {error}", self.name),
            }
        }
        Ok(())
    }
}

impl Drop for ThreadPool {
    fn drop(&mut self) {
        let mut state = self.pool.lock();
        state.closed = true;
        state.queue.clear();
        drop(state);
        self.pool.wake.notify_all();
    }
}

fn work(pool: &Pool) {
    let mut state = pool.lock();
    // Ends with the lock held: a job that comes later must not count on this thread.
    while !state.closed {
        match state.queue.pop_front() {
            Some(job) => {
                drop(state);
                // The panic hook has printed the panic. The thread lives on for the next job; `defer_to_thread` catches
                // a panic of its work before this, and reports it.
                let _ = catch_unwind(AssertUnwindSafe(job));
                state = pool.lock();
            }
            None => {
                state.idle += 1;
                let (after, waited) =
                    pool.wake.wait_timeout(state, MAX_IDLE).unwrap_or_else(|poisoned| poisoned.into_inner());
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
