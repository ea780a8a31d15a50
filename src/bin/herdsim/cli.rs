//! The command line of `herdsim`: what it asks for, and the modes that answer.
//!
//! Next: a program of your own. This is the last file.

use crate::herd::rules::Rule;
use crate::herd::topology::Topology;
use crate::lessons::{growth, model, storm};
use crate::machine::output::{self, print, progress};
use crate::machine::threads;
use crate::page::{self, Address, Settings};
use crate::run::many::{self, News};
use crate::run::report::{self, Summary};
use crate::run::{MIN_MINUTES, Scenario};
use std::ffi::OsString;
use std::ops::Range;
use std::path::PathBuf;
use std::process::ExitCode;

/// What `--help` prints.
pub(crate) const HELP: &str = "\
Runs the whole herd in a simulated world, and checks what must hold: the servers that ship, with
a network and a clock that a seed decides, clients that overlap and roam, and faults of every kind.

Usage: herdsim [options]

  --seeds A..B         the seeds from A up to, but not including, B; or one seed (default: 1..101)
  --rule RULE          when servers take a location: newest (the rule that ships), paper or seen
                       (default: newest). paper shows the storm first
  --servers N          number of servers (default: 5)
  --links SHAPE        paper, ring, line, star, or random:D with D links a server (default:
                       paper for five servers, else ring)
  --clients C          number of clients (default: 6)
  --minutes M          length of each run in simulated minutes, at least 3 (default: 10)
  --store              every herd has a store beside it; without this, one seed in twenty has one
  --forget             every herd forgets what it has not heard of for a minute; without this, one
                       seed in forty has such a herd
  --jobs N             number of threads (default: one for each core)
  --trace-hash         print a hash of everything that happened in each seed
  --trace FILE         write everything that happens in one seed to FILE, a line each: first the
                       settings that the seed draws, last the verdict
  --compare-model      print how often each rule ends in a storm, or stale, without faults
  --growth             print how the flood grows with the herd: 5, 50, 500 and 1,000 servers
  --page               show a herd on a page, to try things out with the mouse. It begins with
                       the seed, servers, links, clients and rule of the command line
  --port P             the port of the page (default: 12400; 0 is any that is free)
  --replay ADDRESS     print, line by line, the run that an address of the page holds, and check
                       what must hold
  -h, --help           print this text
  -V, --version        print the version

--compare-model also takes --seeds and --jobs; --growth and --replay take no other option.

Exit codes: 0 if everything held, 1 if something did not, 2 if the command line is wrong or the
output or the trace cannot be written, 141 if nobody reads the output any more, as with head(1).
A seed that fails prints the command that repeats it.
";

/// What the command line asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Asked {
    /// The help.
    Help,
    /// The version.
    Version,
    /// To run seeds.
    Run(Options),
    /// To compare the rules without faults.
    CompareModel(Options),
    /// To show how the flood grows.
    Growth,
    /// To show a herd on a page at this port.
    Page(Settings, u16),
    /// To print the run of an address.
    Replay(String),
}

/// How to run them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Options {
    /// Which seeds, if the command line says.
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
pub(crate) fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Asked, String> {
    use lexopt::prelude::*;
    let mut parser = lexopt::Parser::from_args(arguments);
    let mut scenario = Scenario::default();
    let (mut seeds, mut jobs, mut trace_hash, mut trace, mut topology) = (None, threads::cores(), false, None, None);
    let (mut mode, mut port, mut address) = (Mode::Run, page::PORT, String::new());
    let mut given = Vec::new();
    while let Some(argument) = parser.next().map_err(|error| error.to_string())? {
        if let Long(name) = argument {
            if given.iter().any(|before| before == name) {
                return Err(format!("--{name} is given twice"));
            }
            given.push(name.to_owned());
        }
        match argument {
            Short('h') | Long("help") => return Ok(Asked::Help),
            Short('V') | Long("version") => return Ok(Asked::Version),
            Long("seeds") => seeds = Some(parse_seeds(&text(&mut parser)?)?),
            Long("rule") => scenario.rule = text(&mut parser)?.parse().map_err(|error| format!("--rule {error}"))?,
            Long("servers") => scenario.servers = number("servers", &text(&mut parser)?, 1)? as usize,
            Long("links") => topology = Some(text(&mut parser)?.parse()?),
            Long("clients") => scenario.clients = number("clients", &text(&mut parser)?, 1)? as usize,
            Long("minutes") => scenario.minutes = number("minutes", &text(&mut parser)?, MIN_MINUTES)?,
            Long("jobs") => jobs = number("jobs", &text(&mut parser)?, 1)? as usize,
            Long("store") => scenario.store = true,
            Long("forget") => scenario.forget = true,
            Long("trace-hash") => trace_hash = true,
            Long("trace") => trace = Some(PathBuf::from(parser.value().map_err(|error| error.to_string())?)),
            Long("compare-model") => mode = mode.or(Mode::CompareModel)?,
            Long("growth") => mode = mode.or(Mode::Growth)?,
            Long("page") => mode = mode.or(Mode::Page)?,
            Long("port") => port = parse_port(&text(&mut parser)?)?,
            Long("replay") => {
                mode = mode.or(Mode::Replay)?;
                address = text(&mut parser)?;
                if address.contains("://") && !address.contains('#') {
                    return Err("--replay: the run stands behind the # of an address, and this one has none".to_owned());
                }
            }
            other => return Err(other.unexpected().to_string()),
        }
    }
    mode.takes(&given)?;
    let default = if scenario.servers == 5 { Topology::Paper } else { Topology::Ring };
    scenario.topology = topology.unwrap_or(default);
    scenario.topology.check(scenario.servers)?;
    if scenario.store && scenario.rule != Rule::Newest {
        return Err("--store needs the rule that ships: a store has no other".to_owned());
    }
    if trace.is_some() && seeds.as_ref().is_none_or(|seeds: &Range<u64>| seeds.end - seeds.start != 1) {
        return Err("--trace needs one seed, such as --seeds 7".to_owned());
    }
    let options = Options { seeds, scenario, jobs, trace_hash, trace };
    Ok(match mode {
        Mode::Page => Asked::Page(settings(&options, &given)?, port),
        Mode::Replay => Asked::Replay(address),
        Mode::Run => Asked::Run(options),
        Mode::CompareModel => Asked::CompareModel(options),
        Mode::Growth => Asked::Growth,
    })
}

/// What the options so far ask for, while the command line is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Run,
    CompareModel,
    Growth,
    Page,
    Replay,
}

impl Mode {
    fn or(self, other: Mode) -> Result<Mode, String> {
        match self {
            Mode::Run => Ok(other),
            _ => Err("--compare-model, --growth, --page and --replay cannot be combined".to_owned()),
        }
    }

    /// Refuses an option that would change nothing.
    fn takes(self, given: &[String]) -> Result<(), String> {
        let (name, taken): (&str, &[&str]) = match self {
            Mode::Run if given.iter().any(|given| given == "port") => return Err("--port needs --page".to_owned()),
            Mode::Run => return Ok(()),
            Mode::Page => ("page", &["seeds", "servers", "links", "clients", "rule", "port"]),
            Mode::Replay => ("replay", &[]),
            Mode::CompareModel => ("compare-model", &["seeds", "jobs"]),
            Mode::Growth => ("growth", &[]),
        };
        match given.iter().find(|given| **given != name && !taken.contains(&given.as_str())) {
            Some(other) => Err(format!("--{name} does not take --{other}")),
            None => Ok(()),
        }
    }
}

fn text(parser: &mut lexopt::Parser) -> Result<String, String> {
    let value = parser.value().map_err(|error| error.to_string())?;
    value.into_string().map_err(|value| format!("{value:?} is not text"))
}

fn parse_seeds(text: &str) -> Result<Range<u64>, String> {
    let range = match text.split_once("..") {
        Some((from, to)) => from.parse().ok().zip(to.parse().ok()).map(|(from, to)| from..to),
        None => text.parse().ok().and_then(|seed: u64| Some(seed..seed.checked_add(1)?)),
    };
    let range = range.filter(|range| range.start < range.end);
    range.ok_or_else(|| format!("--seeds {text:?} is not a range of seeds: A..B with A less than B, such as 1..2001"))
}

fn parse_port(text: &str) -> Result<u16, String> {
    text.parse().map_err(|_| format!("--port {text:?} is not a port: a whole number from 0 to 65535"))
}

/// What a page begins with.
fn settings(options: &Options, given: &[String]) -> Result<Settings, String> {
    let Options { seeds, scenario, .. } = options;
    let usual = Settings::default();
    let seed = match seeds {
        None => usual.seed,
        Some(seeds) if seeds.end - seeds.start == 1 => seeds.start,
        Some(_) => return Err("--page needs one seed, such as --seeds 7".to_owned()),
    };
    let has = |name: &str| given.iter().any(|given| given == name);
    let clients = if has("clients") { scenario.clients } else { usual.clients };
    let settings =
        Settings { seed, servers: scenario.servers, links: scenario.topology, clients, rule: scenario.rule, ..usual };
    settings.check()?;
    Ok(settings)
}

fn number(name: &str, text: &str, least: u64) -> Result<u64, String> {
    let number = text.parse().ok().filter(|number| (least..=1_000_000).contains(number));
    number.ok_or_else(|| format!("--{name} {text:?} is not a whole number from {least} to 1000000"))
}

/// Does what the command line asks for.
pub(crate) fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let asked = parse(arguments).map_err(|error| format!("{error} (see herdsim --help)"));
    match asked.and_then(|asked| answer(&asked)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            output::complain(&error);
            ExitCode::from(output::TROUBLE)
        }
    }
}

/// Does it. Returns whether everything held.
fn answer(asked: &Asked) -> Result<bool, String> {
    match asked {
        Asked::Help => print(HELP),
        Asked::Version => print(concat!("herdsim ", env!("CARGO_PKG_VERSION"), "\n")),
        Asked::CompareModel(options) => model::compare(options.seeds.clone(), options.jobs, print)?,
        Asked::Growth => growth::table(print, progress)?,
        Asked::Page(settings, port) => {
            let address = Address { settings: settings.clone(), ..Address::default() };
            page::serve(address, *port, print)?;
        }
        Asked::Replay(address) => return page::replay(address, print),
        Asked::Run(options) => return simulate(options),
    }
    Ok(true)
}

/// Runs the seeds. Returns whether everything held.
fn simulate(options: &Options) -> Result<bool, String> {
    let scenario = &options.scenario;
    if scenario.rule == Rule::Paper {
        print(&storm::lesson());
        model::show_storms(options.jobs, print)?;
        print("And with faults, and everything that must hold:\n\n");
    }
    let seeds = options.seeds.clone().unwrap_or(SEEDS);
    let (all, threads) = (seeds.end - seeds.start, threads::threads(&seeds, options.jobs));
    let mut summary = Summary::default();
    let took = many::run_all(seeds, scenario, options.trace.as_deref(), options.jobs, |news| match news {
        News::Done(outcome, same) => {
            if options.trace_hash {
                print(&format!("seed {} {:016x}\n", outcome.seed, outcome.hash));
            }
            if let Some(failure) = summary.add(outcome, same, scenario) {
                print(&format!("seed {} FAILED: {failure}\n", outcome.seed));
                print(&report::shown(outcome.seed, scenario));
            }
        }
        News::Progress(done, took) => progress(&report::progress(done, all, took)),
    })?;
    print(&summary.text(took, threads));
    Ok(!summary.has_failed())
}

#[cfg(test)]
mod tests;
