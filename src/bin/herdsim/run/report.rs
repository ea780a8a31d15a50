//! The report at the end of many seeds: what failed, the command that repeats it, and how much was simulated.
//!
//! Next: `lessons/mod.rs`, what other rules lead to.

use crate::book::Count;
use crate::book::invariants::{Invariant, Violation};
use crate::herd::rules::Rule;
use crate::run::many::{self, Same};
use crate::run::{RunOutcome, Scenario, Simulation};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::panic::catch_unwind;
use std::time::Duration;

/// Maximum number of failing seeds that are shown in full. The others are only counted.
const MAX_SHOWN: usize = 3;

/// How many of the last lines of a failing seed's trace are shown.
const MAX_TRACE_LINES: usize = 30;

/// The sum of many runs.
#[derive(Default)]
pub(crate) struct Summary {
    pub(crate) seeds: u64,
    failed: BTreeMap<Invariant, (u64, u64)>,
    shown: usize,
    simulated: Duration,
    events: u64,
    twice: u64,
    slowest: Duration,
    count: Count,
}

impl Summary {
    /// Adds a run. Returns what failed in it, if that should be printed at once.
    pub(crate) fn add(&mut self, outcome: &RunOutcome, same: Same, scenario: &Scenario) -> Option<Violation> {
        self.seeds += 1;
        self.simulated += outcome.simulated;
        self.events += outcome.events;
        self.slowest = self.slowest.max(outcome.converged_in);
        self.twice += u64::from(same != Same::NotAsked);
        let (sum, count) = (&mut self.count, outcome.count);
        sum.told += count.told;
        sum.allowed += count.allowed;
        sum.versions += count.versions;
        sum.older += count.older;
        sum.links_up += count.links_up;
        sum.asked += count.asked;
        sum.replies += count.replies;
        sum.lost += count.lost;
        sum.forgotten += count.forgotten;
        let failure = match (&outcome.failure, same) {
            (Some(failure), _) => failure.clone(),
            (None, Same::No) => {
                let what = "the same seed gave two runs".to_owned();
                Violation { invariant: Invariant::SameAgain, what, at: outcome.simulated }
            }
            (None, _) => return None,
        };
        let (times, _) = self.failed.entry(failure.invariant).or_insert((0, outcome.seed));
        *times += 1;
        self.shown += 1;
        // If the rule is known to fail, one example is enough.
        let most = if scenario.rule == Rule::Newest { MAX_SHOWN } else { 1 };
        (self.shown <= most).then_some(failure)
    }

    pub(crate) fn has_failed(&self) -> bool {
        !self.failed.is_empty()
    }

    pub(crate) fn text(&self, took: Duration, jobs: usize) -> String {
        let mut text = String::new();
        let Count { told, allowed, versions, asked, replies, lost, forgotten, links_up, .. } = self.count;
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "{asked} commands, {replies} replies, {versions} versions; {told} AT lines of at most {allowed}; \
             {links_up} links came up"
        );
        let _ = writeln!(
            text,
            "{lost} acknowledged locations were lost with every server that held them, {forgotten} were forgotten; the \
             slowest convergence took {} s; {} run twice",
            self.slowest.as_secs(),
            seeds(self.twice)
        );
        for (invariant, (times, first)) in &self.failed {
            let _ = writeln!(
                text,
                "FAILED {times} time{}, first with seed {first}: {invariant}",
                if *times == 1 { "" } else { "s" }
            );
        }
        let failed: u64 = self.failed.values().map(|(times, _)| times).sum();
        let verdict = if failed == 0 { "all held".to_owned() } else { format!("{failed} FAILED") };
        let seconds = took.as_secs_f64().max(1e-9);
        let _ = writeln!(
            text,
            "{}, {verdict}; {} simulated in {seconds:.1} s: {:.0} seeds/s, {:.0} times real time, {:.2} million \
             events/s on {jobs} thread{}",
            seeds(self.seeds),
            long(self.simulated),
            self.seeds as f64 / seconds,
            self.simulated.as_secs_f64() / seconds,
            self.events as f64 / seconds / 1e6,
            if jobs == 1 { "" } else { "s" }
        );
        text
    }
}

/// A long time in words.
pub(crate) fn long(time: Duration) -> String {
    let hours = time.as_secs_f64() / 3600.0;
    match hours {
        ..2.0 => format!("{:.1} minutes", hours * 60.0),
        ..72.0 => format!("{hours:.1} hours"),
        ..17_532.0 => format!("{:.1} days", hours / 24.0),
        _ => format!("{:.1} years", hours / 24.0 / 365.25),
    }
}

/// What is printed about a seed that has failed: the last lines of its trace, for which it is run again, and the
/// command that repeats it.
pub(crate) fn shown(seed: u64, scenario: &Scenario) -> String {
    let mut text = String::new();
    // The world may panic again.
    let lines = catch_unwind(|| last_lines(seed, scenario)).unwrap_or_default();
    for line in lines {
        let _ = writeln!(text, "  {line}");
    }
    let _ = writeln!(text, "this repeats it: {}", command(seed, scenario));
    text
}

/// The last lines of the trace of a seed.
fn last_lines(seed: u64, scenario: &Scenario) -> Vec<String> {
    let Ok(stage) = Simulation::new(seed, scenario, |world| world.keep_trace(MAX_TRACE_LINES)) else {
        return Vec::new();
    };
    drop(many::play(&stage));
    stage.herd.world.trace()
}

/// How far a run of many seeds has come, and how long the rest will take.
pub(crate) fn progress(done: u64, all: u64, took: Duration) -> String {
    let begun = format!("{done} of {}", seeds(all));
    if done == 0 {
        return format!("{begun} after {} s", took.as_secs());
    }
    let rate = done as f64 / took.as_secs_f64().max(1e-9);
    let left = (all - done) as f64 / rate;
    format!("{begun}, {rate:.1} a second, about {left:.0} s to go")
}

/// A number of seeds in words.
fn seeds(number: u64) -> String {
    format!("{number} seed{}", if number == 1 { "" } else { "s" })
}

/// The one command that repeats a seed.
pub(crate) fn command(seed: u64, scenario: &Scenario) -> String {
    let Scenario { servers, topology, clients, minutes, rule, store, forget } = scenario;
    let store = if *store { " --store" } else { "" };
    let forget = if *forget { " --forget" } else { "" };
    format!(
        "cargo run --release --bin herdsim -- --seeds {seed}..{} --rule {rule} --servers {servers} --links {topology} \
         --clients {clients} --minutes {minutes}{store}{forget} --trace trace.txt",
        seed + 1
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_says_how_long_it_will_take_once_that_can_be_known() {
        assert_eq!(progress(0, 2000, Duration::from_secs(2)), "0 of 2000 seeds after 2 s");
        assert_eq!(progress(1, 3, Duration::from_secs(4)), "1 of 3 seeds, 0.2 a second, about 8 s to go");
        assert_eq!(progress(0, 1, Duration::from_secs(9)), "0 of 1 seed after 9 s");
    }
}
