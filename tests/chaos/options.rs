//! How long to run, and how.

use std::time::Duration;

/// What the command line says.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    pub(crate) time: Duration,
    pub(crate) seed: u64,
    /// Whether servers are killed and told to end.
    pub(crate) kills: bool,
    /// Whether anything goes wrong at all. If not, servers must hold the same in the end as in the beginning.
    pub(crate) faults: bool,
    /// Whether there are attacks and nothing else: all of them if the name is empty.
    pub(crate) attack: Option<String>,
    /// Whether there is a store beside the herd.
    pub(crate) store: bool,
    /// How many clients a herd knows that is attacked.
    pub(crate) clients: u64,
}

/// What `cargo test` gives it.
const SHORT: Duration = Duration::from_secs(4);

/// How long one attack goes on.
const ATTACK: Duration = Duration::from_secs(8);

impl Options {
    /// `None` if the run is not wanted: `cargo test NAME` runs the tests of that name, and `--list` lists them.
    pub(crate) fn parse(arguments: impl Iterator<Item = String>) -> Result<Option<Options>, String> {
        let seed = u64::from(std::process::id());
        let (kills, faults, store, clients) = (true, true, false, 100_000);
        let mut options = Options { time: SHORT, seed, kills, faults, attack: None, store, clients };
        let mut time = None;
        let mut arguments = arguments.peekable();
        while let Some(argument) = arguments.next() {
            let mut number = || {
                let value = arguments.next().ok_or(format!("{argument} needs a number"))?;
                value.parse::<u64>().map_err(|_| format!("{argument} {value}: not a number"))
            };
            match &*argument {
                "--minutes" => time = Some(Duration::from_secs(60 * number()?)),
                "--seconds" => time = Some(Duration::from_secs(number()?)),
                "--clients" => options.clients = number()?,
                "--attacks" => options.attack = Some(options.attack.take().unwrap_or_default()),
                "--only" => options.attack = Some(arguments.next().ok_or("--only needs a name")?),
                "--seed" => options.seed = number()?,
                "--store" => options.store = true,
                "--no-kills" => options.kills = false,
                "--calm" => (options.kills, options.faults) = (false, false),
                "--list" => return Ok(None),
                "--exact" | "--nocapture" | "--quiet" | "-q" | "--show-output" => {}
                "--test-threads" | "--skip" | "--color" | "--format" => drop(arguments.next()),
                other if other.starts_with("--") && other.contains('=') => {}
                other if other.starts_with('-') => return Err(format!("unknown option {other}")),
                other if "chaos".contains(other) => {}
                _ => return Ok(None),
            }
        }
        options.time = time.unwrap_or(if options.attack.is_some() { ATTACK } else { SHORT });
        Ok(Some(options))
    }
}
