//! [`LoopWatch`]: what a loop does now, and a thread that tells of a callback that does not return. Only in debug
//! builds.
//!
//! The loop itself measures a callback when it has returned. One that never does holds up everything, the report too.
//! One thread looks on for all loops of the process. It looks once a second, and ends when the loops are gone.
//!
//! Next: `signals.rs`, the last part of the real world.

use crate::diagnostics::tell;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant};

/// How often the thread looks. It costs a program that is being developed next to nothing, and one in production
/// nothing.
const PERIOD: Duration = Duration::from_secs(1);

/// The loops of the process.
static LOOPS: Mutex<Loops> = Mutex::new(Loops { all: Vec::new(), is_watched: false });

struct Loops {
    all: Vec<Weak<LoopWatch>>,
    /// Whether the thread runs.
    is_watched: bool,
}

/// One loop, as the thread sees it.
pub(super) struct LoopWatch {
    limit: Duration,
    /// The callbacks that run, each inside of the one before.
    running: Mutex<Vec<Running>>,
}

struct Running {
    words: String,
    since: Instant,
    is_told: bool,
}

/// No code of the program runs under these locks.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl LoopWatch {
    /// Has the thread look on. A callback is told when it runs for longer than `limit`.
    pub(super) fn begin(limit: Duration) -> Arc<LoopWatch> {
        let watch = Arc::new(LoopWatch { limit, running: Mutex::default() });
        let mut loops = lock(&LOOPS);
        loops.all.push(Arc::downgrade(&watch));
        if !loops.is_watched {
            // Without the thread nothing is told, and nothing else is missing.
            loops.is_watched = thread::Builder::new().name("reactor-watch".to_owned()).spawn(look_on).is_ok();
        }
        watch
    }

    /// Tells of the innermost callback, once.
    fn look(&self) {
        let mut running = lock(&self.running);
        let Some(callback) = running.last_mut() else { return };
        let time = callback.since.elapsed();
        if time > self.limit && !callback.is_told {
            callback.is_told = true;
            let words = callback.words.clone();
            drop(running); // The loop must not wait for a logger.
            tell!(
                Warn,
                "reactor",
                "{words} has held the loop for {time:.1?} and has not returned; everybody else waits"
            );
        }
    }
}

fn look_on() {
    loop {
        thread::park_timeout(PERIOD); // Nobody unparks it. If it looks early, that does no harm.
        let mut loops = lock(&LOOPS);
        loops.all.retain(|watch| watch.strong_count() > 0);
        if loops.all.is_empty() {
            loops.is_watched = false;
            return;
        }
        let all: Vec<_> = loops.all.iter().filter_map(Weak::upgrade).collect();
        drop(loops); // A logger that makes a reactor must not meet its own lock.
        all.iter().for_each(|watch| watch.look());
    }
}

impl LoopWatch {
    /// A callback begins, perhaps inside of another.
    pub(super) fn callback_begins(&self, words: String) {
        lock(&self.running).push(Running { words, since: Instant::now(), is_told: false });
    }

    /// The innermost callback has ended.
    pub(super) fn callback_ends(&self) {
        lock(&self.running).pop();
    }
}
