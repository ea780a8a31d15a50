//! [`run_all`]: many seeds, on several threads: each world stays on the thread that made it.
//!
//! Here are the only threads and the only clock of the simulation; neither is seen inside a world. A world that panics
//! is the failure of its seed; the other seeds go on.

use super::book::Count;
use super::invariants::{Failure, Invariant};
use super::output::TraceFile;
use super::panics;
use super::run::{Outcome, Scenario, Stage};
use reactor::sim::World;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Mutex, PoisonError, mpsc};
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

type Ended = Result<(Outcome, Same), String>;

/// As many as the machine has cores.
pub(super) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// No more threads than this, whatever is asked for.
const MOST_THREADS: usize = 1024;

/// How many threads work on so many seeds: more than seeds would have nothing to do.
pub(super) fn threads(seeds: &Range<u64>, jobs: usize) -> usize {
    jobs.min(MOST_THREADS).min(usize::try_from(seeds.end - seeds.start).unwrap_or(usize::MAX))
}

/// Runs all seeds; the time that it took. With `trace`, what happens in them is written there: it is for one seed.
///
/// # Errors
/// If there is no such herd, or the trace cannot be written.
pub(super) fn run_all(
    seeds: Range<u64>,
    scenario: &Scenario,
    trace: Option<&Path>,
    jobs: usize,
    told: impl FnMut(News<'_>),
) -> Result<Duration, String> {
    panics::watch();
    let first = seeds.start;
    run_each(seeds, jobs, |seed| one(seed, seed == first || seed.is_multiple_of(TWICE), scenario, trace), told)
}

fn run_each(
    seeds: Range<u64>,
    jobs: usize,
    one: impl Fn(u64) -> Ended + Sync,
    mut told: impl FnMut(News<'_>),
) -> Result<Duration, String> {
    let begin = Instant::now();
    each(seeds.clone(), jobs, one, |receiver| collect(seeds, receiver, begin, &mut told))?;
    Ok(begin.elapsed())
}

/// Works on all seeds with some threads, and has `collect` take what comes, in no order. Nobody works on once it has
/// returned.
fn each<T: Send, R>(
    seeds: Range<u64>,
    jobs: usize,
    one: impl Fn(u64) -> T + Sync,
    collect: impl FnOnce(mpsc::Receiver<(u64, T)>) -> R,
) -> R {
    let threads = threads(&seeds, jobs);
    let rest = Mutex::new(seeds);
    let (sender, receiver) = mpsc::channel();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            let (sender, rest, one) = (sender.clone(), &rest, &one);
            scope.spawn(move || {
                let next = || rest.lock().unwrap_or_else(PoisonError::into_inner).next();
                while let Some(seed) = next() {
                    if sender.send((seed, one(seed))).is_err() {
                        return;
                    }
                }
            });
        }
        drop(sender);
        collect(receiver)
    })
}

/// The first run is the one that is traced, the second one never: if a trace changed anything, they would differ.
fn one(seed: u64, is_twice: bool, scenario: &Scenario, trace: Option<&Path>) -> Ended {
    let outcome = match trace {
        Some(path) => traced(seed, scenario, path)?,
        None => run(seed, scenario, |_| {})?,
    };
    if !is_twice {
        return Ok((outcome, Same::NotAsked));
    }
    let same = if run(seed, scenario, |_| {})? == outcome { Same::Yes } else { Same::No };
    Ok((outcome, same))
}

fn traced(seed: u64, scenario: &Scenario, path: &Path) -> Result<Outcome, String> {
    let wrong = |error| format!("cannot write the trace {}: {error}", path.display());
    let (file, first_error) = TraceFile::create(path).map_err(wrong)?;
    let outcome = run(seed, scenario, |world| world.write_trace_to(file))?;
    first_error.take().map_or(Ok(outcome), |error| Err(wrong(error)))
}

/// Runs a seed. `watch` gets its world when nothing is in it yet.
fn run(seed: u64, scenario: &Scenario, watch: impl FnOnce(&World)) -> Result<Outcome, String> {
    guarded(seed, || Ok(play(&Stage::new(seed, scenario, watch)?)))
}

/// Plays it; the trace ends with what did not hold. If the world panics, that is what has failed: its trace can still
/// be read.
pub(super) fn play(stage: &Stage) -> Outcome {
    let world = &stage.herd.world;
    let outcome = catch_unwind(AssertUnwindSafe(|| stage.play())).unwrap_or_else(|_| {
        let ended = panicked(world.seed());
        let failure = ended.failure.map(|failure| Failure { at: world.now(), ..failure });
        Outcome { failure, hash: world.trace_hash(), simulated: world.now(), events: world.event_count(), ..ended }
    });
    // The hash, which was taken before, covers what has happened, and not what an onlooker says about it.
    world.note(&match &outcome.failure {
        Some(failure) => format!("FAILED: {failure}"),
        None => "all held".to_owned(),
    });
    outcome
}

/// Runs `f`, which may panic before there is a world and after it.
fn guarded(seed: u64, f: impl FnOnce() -> Result<Outcome, String>) -> Result<Outcome, String> {
    catch_unwind(AssertUnwindSafe(f)).unwrap_or_else(|_| Ok(panicked(seed)))
}

fn panicked(seed: u64) -> Outcome {
    let what = panics::last().unwrap_or_else(|| "it panicked".to_owned());
    Outcome {
        seed,
        failure: Some(Failure { invariant: Invariant::NoPanic, what, at: Duration::ZERO }),
        hash: 0,
        simulated: Duration::ZERO,
        converged_in: Duration::ZERO,
        events: 0,
        count: Count::default(),
    }
}

/// Hands on what comes, in the order of the seeds.
fn collect(
    seeds: Range<u64>,
    receiver: mpsc::Receiver<(u64, Ended)>,
    begin: Instant,
    told: &mut impl FnMut(News<'_>),
) -> Result<(), String> {
    // The outcomes of all that are done wait here for the slowest one before them: there is no limit, but they are
    // small.
    let mut early = BTreeMap::new();
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
    each(seeds, jobs, f, |receiver| receiver.into_iter().map(|(_, said)| said).collect())
}

/// How long `f` takes on the clock of the machine.
pub(super) fn timed<T>(f: impl FnOnce() -> T) -> (T, Duration) {
    let begin = Instant::now();
    let result = f();
    (result, begin.elapsed())
}

/// Says now and then, on the clock of the machine, that it is time to tell how far it is.
pub(super) struct Pace {
    last: Cell<Instant>,
}

impl Pace {
    pub(super) fn new() -> Pace {
        Pace { last: Cell::new(Instant::now()) }
    }

    pub(super) fn is_time(&self) -> bool {
        let is_time = self.last.get().elapsed() >= PROGRESS;
        if is_time {
            self.last.set(Instant::now());
        }
        is_time
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(seed: u64) -> Outcome {
        Outcome { failure: None, ..panicked(seed) }
    }

    #[test]
    fn a_seed_that_panics_has_failed_and_the_others_go_on() {
        panics::watch();
        let one = |seed| {
            let outcome = guarded(seed, || if seed == 4 { panic!("seed four is ill") } else { Ok(held(seed)) });
            Ok((outcome?, Same::NotAsked))
        };
        let mut done = Vec::new();
        let told = |news: News<'_>| {
            if let News::Done(outcome, _) = news {
                done.push(outcome.clone());
            }
        };
        run_each(2..7, 2, one, told).unwrap();
        assert_eq!(done.iter().map(|outcome| outcome.seed).collect::<Vec<_>>(), [2, 3, 4, 5, 6]);
        let failed: Vec<&Outcome> = done.iter().filter(|outcome| outcome.failure.is_some()).collect();
        let [Outcome { seed: 4, failure: Some(failure), .. }] = failed[..] else { panic!("{failed:?}") };
        assert_eq!(failure.invariant, Invariant::NoPanic);
        assert!(failure.what.contains("seed four is ill"), "{failure}");
    }

    #[test]
    fn a_world_that_panics_says_when_and_keeps_its_trace() {
        let stage =
            Stage::new(1, &Scenario { minutes: 3, ..Scenario::default() }, |world| world.keep_trace(5)).unwrap();
        stage.herd.world.call_later(Duration::from_secs(7), |_| panic!("a script is ill"));
        let outcome = play(&stage);
        let failure = outcome.failure.unwrap();
        assert_eq!((failure.invariant, failure.at), (Invariant::NoPanic, Duration::from_secs(7)));
        assert!(failure.what.contains("a script is ill") && outcome.hash != 0, "{failure}");
        let trace = stage.herd.world.trace();
        assert!(trace[4].contains("7.000000000 --         FAILED: no panic at 7.000 s: panicked at "), "{trace:?}");
        assert!(trace[4].ends_with(r"\na script is ill"), "all on one line: {trace:?}");
    }

    #[test]
    fn the_greatest_seeds_there_are_come_to_an_end() {
        let seeds = u64::MAX - 3..u64::MAX;
        let mut all = map(seeds.clone(), 8, |seed| seed);
        all.sort_unstable();
        assert_eq!(all, [u64::MAX - 3, u64::MAX - 2, u64::MAX - 1]);
        assert_eq!((threads(&seeds, 1_000_000), threads(&(0..u64::MAX), 7)), (3, 7));
    }
}
