//! [`run_all`]: many seeds on several threads. Each world stays on the thread that made it.
//!
//! If a world panics, its seed has failed; the other seeds go on.
//!
//! Next: `report.rs`, the report about them.

use crate::book::Count;
use crate::book::invariants::{Invariant, Violation};
use crate::book::panics;
use crate::machine::clock::{ProgressTimer, Stopwatch};
use crate::machine::output::TraceFile;
use crate::machine::threads::each;
use crate::run::{RunOutcome, Scenario, Simulation};
use reactor::sim::World;
use std::collections::BTreeMap;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::mpsc;
use std::time::Duration;

/// One seed in this number is run twice, to check that both runs are the same.
pub(crate) const TWICE: u64 = 100;

/// What is reported while seeds are run.
pub(crate) enum News<'a> {
    /// A run is over. These come in the order of the seeds.
    Done(&'a RunOutcome, Same),
    /// The number of runs that are over, and the time since the start.
    Progress(u64, Duration),
}

/// Whether a second run was the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Same {
    /// There was no second run.
    NotAsked,
    Yes,
    No,
}

type Ended = Result<(RunOutcome, Same), String>;

/// Runs all seeds. Returns the time that it took. With `trace`, which is for one seed, the trace is written to that
/// file.
///
/// # Errors
/// If there is no such herd, or the trace cannot be written.
pub(crate) fn run_all(
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
    let stopwatch = Stopwatch::start();
    each(seeds.clone(), jobs, one, |receiver| collect(seeds, receiver, &stopwatch, &mut told))?;
    Ok(stopwatch.elapsed())
}

/// Only the first of two runs is traced: if tracing changed anything, they would differ.
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

fn traced(seed: u64, scenario: &Scenario, path: &Path) -> Result<RunOutcome, String> {
    let wrong = |error| format!("cannot write the trace {}: {error}", path.display());
    let (file, first_error) = TraceFile::create(path).map_err(wrong)?;
    let outcome = run(seed, scenario, |world| world.write_trace_to(file))?;
    first_error.take().map_or(Ok(outcome), |error| Err(wrong(error)))
}

/// Runs a seed. `watch` gets its world before anything is in it.
fn run(seed: u64, scenario: &Scenario, watch: impl FnOnce(&World)) -> Result<RunOutcome, String> {
    guarded(seed, || Ok(play(&Simulation::new(seed, scenario, watch)?)))
}

/// Plays a simulation. The last line of the trace says what did not hold. If the world panics, that is the violation,
/// and the trace can still be read.
pub(crate) fn play(stage: &Simulation) -> RunOutcome {
    let world = &stage.herd.world;
    let outcome = catch_unwind(AssertUnwindSafe(|| stage.play())).unwrap_or_else(|_| {
        let ended = panicked(world.seed());
        let failure = ended.failure.map(|failure| Violation { at: world.now(), ..failure });
        RunOutcome { failure, hash: world.trace_hash(), simulated: world.now(), events: world.event_count(), ..ended }
    });
    // After the hash has been taken: it covers what has happened, not the verdict.
    world.note(&match &outcome.failure {
        Some(failure) => format!("FAILED: {failure}"),
        None => "all held".to_owned(),
    });
    outcome
}

/// Runs `f`, which may panic before there is a world and after it.
fn guarded(seed: u64, f: impl FnOnce() -> Result<RunOutcome, String>) -> Result<RunOutcome, String> {
    catch_unwind(AssertUnwindSafe(f)).unwrap_or_else(|_| Ok(panicked(seed)))
}

fn panicked(seed: u64) -> RunOutcome {
    let what = panics::last().unwrap_or_else(|| "it panicked".to_owned());
    RunOutcome {
        seed,
        failure: Some(Violation { invariant: Invariant::NoPanic, what, at: Duration::ZERO }),
        hash: 0,
        simulated: Duration::ZERO,
        converged_in: Duration::ZERO,
        events: 0,
        count: Count::default(),
    }
}

/// Reports the outcomes in the order of the seeds.
fn collect(
    seeds: Range<u64>,
    receiver: mpsc::Receiver<(u64, Ended)>,
    stopwatch: &Stopwatch,
    told: &mut impl FnMut(News<'_>),
) -> Result<(), String> {
    // Outcomes wait here for the slowest seed before them. There is no limit on their number, but they are small.
    let mut early = BTreeMap::new();
    let (mut due, progress) = (seeds.start, ProgressTimer::start());
    while due < seeds.end {
        match receiver.recv_timeout(progress.remaining()) {
            Ok((seed, result)) => drop(early.insert(seed, result?)),
            Err(mpsc::RecvTimeoutError::Timeout) => {}
            Err(mpsc::RecvTimeoutError::Disconnected) => return Err("a thread of the simulation has died".to_owned()),
        }
        while let Some((outcome, same)) = early.remove(&due) {
            told(News::Done(&outcome, same));
            due += 1;
        }
        if progress.take_due() {
            told(News::Progress(due - seeds.start, stopwatch.elapsed()));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(seed: u64) -> RunOutcome {
        RunOutcome { failure: None, ..panicked(seed) }
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
        let failed: Vec<&RunOutcome> = done.iter().filter(|outcome| outcome.failure.is_some()).collect();
        let [RunOutcome { seed: 4, failure: Some(failure), .. }] = failed[..] else { panic!("{failed:?}") };
        assert_eq!(failure.invariant, Invariant::NoPanic);
        assert!(failure.what.contains("seed four is ill"), "{failure}");
    }

    #[test]
    fn a_world_that_panics_says_when_and_keeps_its_trace() {
        let stage =
            Simulation::new(1, &Scenario { minutes: 3, ..Scenario::default() }, |world| world.keep_trace(5)).unwrap();
        stage.herd.world.call_later(Duration::from_secs(7), |_| panic!("a script is ill"));
        let outcome = play(&stage);
        let failure = outcome.failure.unwrap();
        assert_eq!((failure.invariant, failure.at), (Invariant::NoPanic, Duration::from_secs(7)));
        assert!(failure.what.contains("a script is ill") && outcome.hash != 0, "{failure}");
        let trace = stage.herd.world.trace();
        assert!(trace[4].contains("7.000000000 --         FAILED: no panic at 7.000 s: panicked at "), "{trace:?}");
        assert!(trace[4].ends_with(r"\na script is ill"), "all on one line: {trace:?}");
    }
}
