//! The command line of `herdsim`.

use super::jobs::{self, News};
use super::report::Summary;
use super::run::{Scenario, Stage};
use super::topology::Topology;
use super::{growth, model, storm};
use crate::locations::Rule;
use std::ffi::OsString;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::ops::Range;
use std::path::PathBuf;
use std::process::ExitCode;

/// What `--help` prints.
pub const HELP: &str = "\
Runs the whole herd in a simulated world: the servers that ship, a network and a clock that
a seed decides, clients that overlap and roam, faults of every kind; and checks what must hold.

Usage: herdsim [options]

  --seeds A..B         which seeds: A up to B without B, or one alone (default: 1..101)
  --rule RULE          what servers take for newer: newest (what ships), paper or seen
                       (default: newest). With paper the storm is shown first
  --servers N          how many servers (default: 5)
  --links SHAPE        paper, ring, line, star or random:D, D links a server (default:
                       paper for five servers, else ring)
  --clients C          how many clients (default: 6)
  --minutes M          how long each run is in simulated minutes, at least 3 (default: 10)
  --jobs N             how many threads (default: one for each core)
  --trace-hash         prints each seed with a number that covers all that happened
  --trace FILE         writes what happens to FILE, a line each; for one seed
  --compare-model      the shares of storms and stale ends under each rule without faults
  --growth             how the flood grows with the herd: 5, 50, 500 and 1,000 servers
  -h, --help           this text
  -V, --version        the version

The exit code is 0 if everything held, 1 if something did not, 2 if the command line is wrong.
A failing seed prints the one command that repeats it.
";

/// What the command line asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// The help.
    Help,
    /// The version.
    Version,
    /// To run seeds.
    Run(Options),
    /// To compare the rules without faults.
    CompareModel(Options),
    /// To show how the flood grows.
    Growth(Options),
}

/// How to run them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Which seeds, if it was said.
    pub seeds: Option<Range<u64>>,
    /// What is simulated.
    pub scenario: Scenario,
    /// How many threads.
    pub jobs: usize,
    /// Whether each seed's hash is printed.
    pub trace_hash: bool,
    /// Where the trace goes.
    pub trace: Option<PathBuf>,
}

/// The seeds without `--seeds`.
const SEEDS: Range<u64> = 1..101;

/// Reads the command line.
///
/// # Errors
/// One line that says what is wrong with it.
pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Asked, String> {
    use lexopt::prelude::*;
    let mut parser = lexopt::Parser::from_args(arguments);
    let mut scenario = Scenario::default();
    let (mut seeds, mut jobs, mut trace_hash, mut trace, mut topology) = (None, jobs::cores(), false, None, None);
    let mut make: fn(Options) -> Asked = Asked::Run;
    while let Some(argument) = parser.next().map_err(|error| error.to_string())? {
        match argument {
            Short('h') | Long("help") => return Ok(Asked::Help),
            Short('V') | Long("version") => return Ok(Asked::Version),
            Long("seeds") => seeds = Some(parse_seeds(&text(&mut parser)?)?),
            Long("rule") => scenario.rule = parse_rule(&text(&mut parser)?)?,
            Long("servers") => scenario.servers = number("servers", &text(&mut parser)?, 1)? as usize,
            Long("links") => topology = Some(text(&mut parser)?.parse()?),
            Long("clients") => scenario.clients = number("clients", &text(&mut parser)?, 1)? as usize,
            Long("minutes") => scenario.minutes = number("minutes", &text(&mut parser)?, super::FEWEST_MINUTES)?,
            Long("jobs") => jobs = number("jobs", &text(&mut parser)?, 1)? as usize,
            Long("trace-hash") => trace_hash = true,
            Long("trace") => trace = Some(PathBuf::from(parser.value().map_err(|error| error.to_string())?)),
            Long("compare-model") => make = Asked::CompareModel,
            Long("growth") => make = Asked::Growth,
            other => return Err(other.unexpected().to_string()),
        }
    }
    let default = if scenario.servers == 5 { Topology::Paper } else { Topology::Ring };
    scenario.topology = topology.unwrap_or(default);
    scenario.topology.links(scenario.servers, &mut reactor::sim::Random::new(0))?;
    if trace.is_some() && seeds.as_ref().is_none_or(|seeds: &Range<u64>| seeds.end - seeds.start != 1) {
        return Err("--trace is for one seed: say which with --seeds, such as --seeds 7".to_owned());
    }
    Ok(make(Options { seeds, scenario, jobs, trace_hash, trace }))
}

fn text(parser: &mut lexopt::Parser) -> Result<String, String> {
    let value = parser.value().map_err(|error| error.to_string())?;
    value.into_string().map_err(|value| format!("{value:?} is no text"))
}

fn parse_seeds(text: &str) -> Result<Range<u64>, String> {
    let range = match text.split_once("..") {
        Some((from, to)) => from.parse().ok().zip(to.parse().ok()).map(|(from, to)| from..to),
        None => text.parse().ok().and_then(|seed: u64| Some(seed..seed.checked_add(1)?)),
    };
    let range = range.filter(|range| range.start < range.end);
    range.ok_or_else(|| format!("--seeds {text:?} are no seeds: A..B with A less than B, such as 1..2001"))
}

fn parse_rule(text: &str) -> Result<Rule, String> {
    match text {
        "newest" => Ok(Rule::Newest),
        "paper" => Ok(Rule::Paper),
        "seen" => Ok(Rule::Seen),
        _ => Err(format!("--rule {text:?} is no rule: newest, paper or seen")),
    }
}

fn number(name: &str, text: &str, least: u64) -> Result<u64, String> {
    let number = text.parse().ok().filter(|number| (least..=1_000_000).contains(number));
    number.ok_or_else(|| format!("--{name} {text:?} is not a whole number from {least} to 1000000"))
}

/// Does what the command line says.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    match parse(arguments).and_then(|asked| answer(&asked)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "herdsim: {error}");
            ExitCode::from(2)
        }
    }
}

/// Does it; whether everything held.
fn answer(asked: &Asked) -> Result<bool, String> {
    match asked {
        Asked::Help => print(HELP),
        Asked::Version => print(concat!("herdsim ", env!("CARGO_PKG_VERSION"), "\n")),
        Asked::CompareModel(options) => model::compare(options.seeds.clone(), options.jobs, print)?,
        Asked::Growth(_) => growth::table(print)?,
        Asked::Run(options) => return simulate(options),
    }
    Ok(true)
}

/// Whoever reads may have gone; that is no reason to end in a panic.
fn print(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// Runs the seeds; whether everything held.
fn simulate(options: &Options) -> Result<bool, String> {
    let scenario = &options.scenario;
    if scenario.rule == Rule::Paper {
        print(&storm::lesson());
        model::show_storms(options.jobs, print)?;
        print("And with faults, and everything that must hold:\n\n");
    }
    if let Some(path) = &options.trace {
        write_trace(options, path)?;
    }
    let seeds = options.seeds.clone().unwrap_or(SEEDS);
    let all = seeds.end - seeds.start;
    let mut summary = Summary::default();
    let took = jobs::run_all(seeds, scenario, options.jobs, |news| match news {
        News::Done(outcome, same) => {
            if options.trace_hash {
                print(&format!("seed {} {:016x}\n", outcome.seed, outcome.hash));
            }
            if let Some(text) = summary.add(outcome, same, scenario) {
                print(&text);
            }
        }
        News::Progress(done, took) => {
            let rate = done as f64 / took.as_secs_f64();
            let left = (all - done) as f64 / rate.max(1e-9);
            let _ = writeln!(std::io::stderr(), "{done} of {all} seeds, {rate:.0} a second, about {left:.0} s to go");
        }
    })?;
    print(&summary.text(took, options.jobs));
    Ok(!summary.has_failed())
}

fn write_trace(options: &Options, path: &PathBuf) -> Result<(), String> {
    let Some(seeds) = &options.seeds else { return Ok(()) };
    let file = File::create(path).map_err(|error| format!("cannot write the trace {}: {error}", path.display()))?;
    let stage = Stage::new(seeds.start, &options.scenario)?;
    stage.herd.world.write_trace_to(BufWriter::new(file));
    drop(stage.play());
    Ok(())
}

#[cfg(test)]
mod tests;
