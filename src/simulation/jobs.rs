//! [`run_all`]: many seeds, on several threads: each world stays on the thread that made it.
//!
//! Here are the only threads and the only clock of the simulation; neither is seen inside a world.

use super::run::{Outcome, Scenario, run};
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// How often progress is told.
const PROGRESS: Duration = Duration::from_secs(2);

/// One seed in so many is run twice, to see whether it is the same again.
pub(super) const TWICE: u64 = 100;

/// What is told while seeds are run.
pub(super) enum News<'a> {
    /// A run is over; they come in the order of their seeds.
    Done(&'a Outcome, Same),
    /// So many are, after this time.
    Progress(u64, Duration),
}

/// Whether a second run was the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Same {
    /// There was none.
    NotAsked,
    Yes,
    No,
}

/// As many as the machine has cores.
pub(super) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Runs all seeds; the time that it took.
///
/// # Errors
/// If there is no such herd.
pub(super) fn run_all(
    seeds: Range<u64>,
    scenario: &Scenario,
    jobs: usize,
    mut told: impl FnMut(News<'_>),
) -> Result<Duration, String> {
    let begin = Instant::now();
    let next = AtomicU64::new(seeds.start);
    let (sender, receiver) = mpsc::channel();
    std::thread::scope(|scope| {
        for _ in 0..jobs {
            let (sender, next, seeds) = (sender.clone(), &next, &seeds);
            scope.spawn(move || {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    // Nobody listens any more when one seed has shown that there is no such herd.
                    if seed >= seeds.end || sender.send((seed, one(seed, seeds.start, scenario))).is_err() {
                        return;
                    }
                }
            });
        }
        drop(sender);
        collect(seeds.clone(), &receiver, begin, &mut told)
    })?;
    Ok(begin.elapsed())
}

fn one(seed: u64, first: u64, scenario: &Scenario) -> Result<(Outcome, Same), String> {
    let outcome = run(seed, scenario)?;
    if !seed.is_multiple_of(TWICE) && seed != first {
        return Ok((outcome, Same::NotAsked));
    }
    let same = if run(seed, scenario)? == outcome { Same::Yes } else { Same::No };
    Ok((outcome, same))
}

type Ended = (u64, Result<(Outcome, Same), String>);

/// Hands on what comes, in the order of the seeds.
fn collect(
    seeds: Range<u64>,
    receiver: &mpsc::Receiver<Ended>,
    begin: Instant,
    told: &mut impl FnMut(News<'_>),
) -> Result<(), String> {
    // At most a few times the number of threads wait here for a slow one.
    let mut early = std::collections::BTreeMap::new();
    let (mut due, mut last) = (seeds.start, Instant::now());
    while due < seeds.end {
        let wait = PROGRESS.saturating_sub(last.elapsed());
        match receiver.recv_timeout(wait) {
            Ok((seed, result)) => drop(early.insert(seed, result?)),
            Err(mpsc::RecvTimeoutError::Timeout) => {}
            Err(mpsc::RecvTimeoutError::Disconnected) => return Err("a thread of the simulation has died".to_owned()),
        }
        while let Some((outcome, same)) = early.remove(&due) {
            told(News::Done(&outcome, same));
            due += 1;
        }
        if last.elapsed() >= PROGRESS {
            last = Instant::now();
            told(News::Progress(due - seeds.start, begin.elapsed()));
        }
    }
    Ok(())
}

/// What `f` says about each seed, in no order.
pub(super) fn map<T: Send>(seeds: Range<u64>, jobs: usize, f: impl Fn(u64) -> T + Sync) -> Vec<T> {
    let next = AtomicU64::new(seeds.start);
    let (sender, receiver) = mpsc::channel();
    std::thread::scope(|scope| {
        for _ in 0..jobs {
            let (sender, next, f) = (sender.clone(), &next, &f);
            scope.spawn(move || {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end || sender.send(f(seed)).is_err() {
                        return;
                    }
                }
            });
        }
    });
    drop(sender);
    receiver.into_iter().collect()
}

/// How long `f` takes on the clock of the machine.
pub(super) fn timed<T>(f: impl FnOnce() -> T) -> (T, Duration) {
    let begin = Instant::now();
    let result = f();
    (result, begin.elapsed())
}
