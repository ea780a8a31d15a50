//! The command line: reading it, the help, and a server's run from its start to its end.
//!
//! Next: `cli/ask.rs`, the command that asks the Places service once.

mod ask;

pub use ask::PlacesOptions;

use crate::config::{Config, PLACES_COMMAND};
use crate::log_file::{LogFile, Mask};
use crate::places::{self, ApiKey, KEY_VARIABLE};
use crate::server::Server;
use crate::terminal;
use log::LevelFilter;
use reactor::{Failure, Reactor};
use std::cell::RefCell;
use std::ffi::OsString;
use std::io::{IsTerminal, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::rc::Rc;
use std::time::SystemTime;

/// What `--help` prints.
pub const HELP: &str = "\
Runs one server of the Twisted Places proxy herd.

Usage: proxyherd SERVER [options]
       proxyherd places LAT LON RADIUS_KM BOUND [--config FILE]

  SERVER               the name of the server to run: Alford, Bolden, Hamilton, Parker
                       or Powell, unless a configuration file names others
  places               asks the Places service once, as a WHATSAT would, and prints the
                       answer, or why there is none: to try a key or a configuration

Options:
  --config FILE        a TOML file that describes another herd than the built-in one
  --log-dir DIR        an existing directory for the log files of this run (default: the
                       current directory); - is standard error
  --log-level LEVEL    error, warn, info or debug (default: info, which includes every
                       line in and out)
  -h, --help           prints this text
  -V, --version        prints the version

Start one or more servers, each in a terminal of its own:
  proxyherd Powell

Tell a server where you are, and ask it what is near:
  $ nc 127.0.0.1 12204
  IAMAT me.example +34.068930-118.445127 1400794645.392014450
  WHATSAT me.example 10 3

IAMAT client location time: location is latitude and longitude in degrees, each with
a sign; time is in seconds since 1970. Every server of the herd then knows the client.
WHATSAT client radius bound: at most `bound` (0 to 20) places within `radius` (0 to 50)
kilometres of the client's last location.

Places come from the data that ships with the program (airports, helipads, cities).
With a key for Google's Places API in the environment variable GOOGLE_PLACES_API_KEY
they come from Google; a key made since October 2026 needs provider = \"google-new\".
A configuration file can change all of this; every setting is optional:

  [servers.Alford]                     # these servers replace the built-in herd
  address = \"127.0.0.1:12200\"
  neighbors = [\"Powell\"]               # it is enough to name one side of a link
  [places]
  provider = \"google-new\"              # or \"google\" (the older API), \"overpass\", \"offline\"
  base_url = \"https://example.com\"     # another address of the service
  ca_file = \"ca.pem\"                   # certificates to trust instead of the usual ones
  connect_to = \"127.0.0.1:8443\"        # where to connect to instead of base_url's host
  timeout = \"2s\"                       # maximum time for an answer (default 10s)
  key_file = \"key.txt\"                 # for when the key is not in the environment
  max_in_flight = 32                   # maximum of questions under way (overpass: 1)
  fields = [\"rating\"]                  # google-new only: also \"price\", \"opening\"
                                       # (overpass only: interval = \"1s\" between questions)
  [limits]
  line = 65536                         # maximum length of a line, in bytes
  ahead = \"1d\"                         # maximum that a client's time may be ahead
  memory = 1073741824                  # maximum of bytes for all locations
  [log]
  total = 1073741824                   # bytes of all log files together: the oldest go
  file = 67108864                      # bytes of one file: the next one follows
  share = 1048576                      # bytes a second for the lines of one peer
  burst = 8388608                      # by how much a peer may be ahead of its share

The name of a log is the server, the date and the time (UTC): Powell-2026-11-22-142700.log.
SIGHUP opens the log again, so that logrotate can move it away.
Ctrl-C or SIGTERM lets a server finish in good order; a second one ends it at once.
";

/// As a directory for the log: standard error.
const STANDARD_ERROR: &str = "-";

/// A server needs no rights at all, unless its port is below 1024.
const ROOT_WARNING: &str = "it runs as root, and needs no such rights: start it as another user";

/// What the command line asks for.
#[derive(Debug, PartialEq, Eq)]
pub enum Action {
    /// To print the help.
    Help,
    /// To print the version.
    Version,
    /// To run a server.
    RunServer(ServerOptions),
    /// To ask the Places service once.
    AskPlaces(PlacesOptions),
}

/// How to run a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerOptions {
    /// The server's name.
    pub server: String,
    /// The configuration file.
    pub config: Option<PathBuf>,
    /// The directory for the log.
    pub log_dir: PathBuf,
    /// The lowest level that is logged.
    pub log_level: LevelFilter,
}

/// Reads the command line.
///
/// # Errors
/// One line that says what is wrong with it.
pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Action, String> {
    use lexopt::prelude::*;
    let mut parser = lexopt::Parser::from_args(arguments);
    let (mut values, mut config, mut log_dir, mut log_level) = (Vec::<String>::new(), None, None, None);
    loop {
        let is_places = values.first().is_some_and(|value| value == PLACES_COMMAND);
        // Before the parser sees it: to the parser, the latitude -33.9 is an option named 3.
        if is_places
            && let Some(number) = parser.try_raw_args().and_then(|mut raw| raw.next_if(ask::is_negative_number))
        {
            values.push(number.to_string_lossy().into_owned());
            continue;
        }
        let Some(argument) = parser.next().map_err(|error| error.to_string())? else { break };
        match argument {
            Short('h') | Long("help") => return Ok(Action::Help),
            Short('V') | Long("version") => return Ok(Action::Version),
            Long("config") => config = Some(parser.value().map_err(|error| error.to_string())?.into()),
            Long("log-dir") => log_dir = Some(parser.value().map_err(|error| error.to_string())?.into()),
            Long("log-level") => log_level = Some(parse_level(parser.value().map_err(|error| error.to_string())?)?),
            Value(value) if values.is_empty() || is_places => values.push(value.to_string_lossy().into_owned()),
            Value(more) => return Err(format!("one server at a time: {more:?} is a second one")),
            other => return Err(other.unexpected().to_string()),
        }
    }
    match &values[..] {
        [] => Err("which server? For example: proxyherd Powell (see proxyherd --help)".to_owned()),
        [first, ..] if first == PLACES_COMMAND && (log_dir.is_some() || log_level.is_some()) => {
            Err("places writes no log, so it does not take --log-dir and --log-level".to_owned())
        }
        [first, rest @ ..] if first == PLACES_COMMAND => ask::parse(rest, config).map(Action::AskPlaces),
        [server, ..] => Ok(Action::RunServer(ServerOptions {
            server: server.clone(),
            config,
            log_dir: log_dir.unwrap_or_else(|| PathBuf::from(".")),
            log_level: log_level.unwrap_or(LevelFilter::Info),
        })),
    }
}

fn parse_level(level: OsString) -> Result<LevelFilter, String> {
    match level.to_str() {
        Some("error") => Ok(LevelFilter::Error),
        Some("warn") => Ok(LevelFilter::Warn),
        Some("info") => Ok(LevelFilter::Info),
        Some("debug") => Ok(LevelFilter::Debug),
        _ => Err(format!("no log level {level:?}; there are error, warn, info and debug")),
    }
}

/// The whole program.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let result = match parse(arguments) {
        Ok(Action::Help) => return print(HELP.as_bytes()),
        Ok(Action::Version) => return print(concat!("proxyherd ", env!("CARGO_PKG_VERSION"), "\n").as_bytes()),
        Ok(Action::AskPlaces(question)) => ask::run(&question),
        Ok(Action::RunServer(options)) => run(&options),
        Err(error) => Err(error),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // It may repeat a service's words, and those must not command the terminal. Standard error may be closed.
            let _ = writeln!(std::io::stderr(), "proxyherd: {}", terminal::in_one_line(&error));
            ExitCode::FAILURE
        }
    }
}

/// Prints. Does not panic if standard output is closed.
fn print(text: &[u8]) -> ExitCode {
    let _ = std::io::stdout().write_all(text);
    ExitCode::SUCCESS
}

fn read_config(path: Option<&Path>) -> Result<Config, String> {
    path.map_or_else(|| Ok(Config::default()), Config::read).map_err(|error| error.to_string())
}

/// The key in the environment. A key that is not text is an error: without an error, the places would be the offline
/// ones, as they are without a key.
fn key_variable() -> Result<Option<String>, String> {
    match std::env::var(KEY_VARIABLE) {
        Ok(key) => Ok(Some(key)),
        Err(std::env::VarError::NotPresent) => Ok(None),
        Err(std::env::VarError::NotUnicode(_)) => Err(format!("the environment variable {KEY_VARIABLE} is not text")),
    }
}

fn run(options: &ServerOptions) -> Result<(), String> {
    let config = read_config(options.config.as_deref())?;
    config.server(&options.server).map_err(|error| error.to_string())?;
    let reactor = Reactor::new().map_err(|error| format!("cannot create an event loop: {error}"))?;
    let key = places::find_key(&config.places, key_variable()?).map_err(|error| error.to_string())?;
    let places = places::open(&reactor, &config.places, key.clone()).map_err(|error| error.to_string())?;

    // The log comes after everything that can be wrong with the configuration, and before anything that logs.
    let log = Rc::new(open_log(options, &config, reactor.system_time())?);
    log.install(key.map(mask)).map_err(|error| error.to_string())?;
    for warning in places::warnings(&config.places) {
        log::warn!("{warning}");
        if log.path().is_some() {
            let _ = writeln!(std::io::stderr(), "proxyherd: warning: {warning}"); // Standard error may be closed.
        }
    }
    if log.is_roots() {
        log::warn!("{ROOT_WARNING}");
    }
    reactor.on_hangup(hangup(&reactor, log.clone())).map_err(|error| error.to_string())?;

    let started =
        Server::start(&reactor, &config, &options.server, places.clone()).map_err(|error| error.to_string())?;
    let banner = {
        let (options, config, places, log) = (options.clone(), config, places.describe(), log.clone());
        move |host| banner(&options, &config, host, &places, &log)
    };
    let result = run_started(&reactor, started, banner);
    match &result {
        Ok(()) => log::info!("{} has ended", options.server),
        Err(error) => log::error!("{error}"),
    }
    // Before the file may be removed, and before the process ends: until then lines wait in memory.
    log.finish();
    result.map_err(|error| {
        if let (true, Some(path)) = (error.at_start, log.path()) {
            let _ = std::fs::remove_file(path); // A server that did not start leaves no log.
        }
        error.what
    })
}

/// The log where the options want it: `-` is standard error.
fn open_log(options: &ServerOptions, config: &Config, now: SystemTime) -> Result<LogFile, String> {
    let level = options.log_level;
    match options.log_dir.as_os_str() == STANDARD_ERROR {
        true => LogFile::to_standard_error(level, &config.log),
        false => LogFile::create(&options.log_dir, &options.server, level, &config.log, now),
    }
    .map_err(|error| format!("cannot write a log into {}: {error}", options.log_dir.display()))
}

/// What a server does at SIGHUP: it opens its log again, so that logrotate can move the old one away.
///
/// A terminal that is closed sends the same signal. A server that was started there ends then, as any program would:
/// nobody could see it or stop it with Ctrl-C any more.
fn hangup(reactor: &Reactor, log: Rc<LogFile>) -> impl FnMut() + 'static {
    let (had_terminal, stopper) = (std::io::stdout().is_terminal(), reactor.handle());
    move || {
        if had_terminal && !std::io::stdout().is_terminal() {
            log::info!("SIGHUP: the terminal is closed");
            let _ = stopper.call_from_thread(Reactor::stop); // It cannot fail while the loop runs.
            return;
        }
        log.reopen();
        log::info!("SIGHUP: this log was opened again");
    }
}

/// Hides the key in what is logged: an error may repeat what a service said, and a service may repeat the key.
fn mask(key: ApiKey) -> Mask {
    Box::new(move |text| key.masked(text))
}

/// Why a run failed, and whether it failed before the server listened.
struct RunFailed {
    what: String,
    at_start: bool,
}

impl std::fmt::Display for RunFailed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.what)
    }
}

/// Runs the loop until the program is told to stop. A server that cannot start stops it, too.
fn run_started(
    reactor: &Reactor,
    started: reactor::Deferred<SocketAddr>,
    banner: impl FnOnce(SocketAddr) -> String + 'static,
) -> Result<(), RunFailed> {
    let failed: Rc<RefCell<Option<Failure>>> = Rc::default();
    let (seen, stopper) = (failed.clone(), reactor.clone());
    let chain = started
        .add_callback(move |host| {
            print(banner(host).as_bytes());
        })
        .add_errback(move |failure| {
            *seen.borrow_mut() = Some(failure);
            stopper.stop();
        });
    reactor.run().map_err(|error| RunFailed { what: error.to_string(), at_start: false })?;
    drop(chain);
    match failed.take() {
        Some(failure) => Err(RunFailed { what: failure.to_string(), at_start: true }),
        None => Ok(()),
    }
}

fn banner(options: &ServerOptions, config: &Config, host: SocketAddr, places: &str, log: &LogFile) -> String {
    let name = &options.server;
    let neighbors = config.servers.get(name).map_or(&[][..], |server| &server.neighbors[..]);
    let neighbors = if neighbors.is_empty() { "none".to_owned() } else { neighbors.join(", ") };
    let more = match places.starts_with("offline") {
        true => format!("\n           set {KEY_VARIABLE} to ask Google instead (see --help)"),
        false => String::new(),
    };
    let (path, warning) = match log.path() {
        Some(path) => (path.display().to_string(), if log.is_roots() { ROOT_WARNING } else { "" }),
        None => ("standard error".to_owned(), ""),
    };
    let warning = if warning.is_empty() { String::new() } else { format!("\n  warning: {warning}") };
    let ip = if host.ip().is_unspecified() { "127.0.0.1".to_owned() } else { host.ip().to_string() };
    format!(
        "{name} listens on {host}; neighbors: {neighbors}\n  places:  {places}{more}\n  log:     {path}{warning}\n  \
         try:     echo \"IAMAT me.example +34.068930-118.445127 $(date +%s)\" | nc -q 1 {ip} {}\n  stop:    Ctrl-C\n",
        host.port()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_in_the_help_is_a_valid_configuration() {
        let example = HELP.split("optional:\n\n").nth(1).and_then(|rest| rest.split("\n\n").next()).unwrap();
        assert!(example.contains("[places]") && example.contains("[limits]"), "{example}");
        // The help leaves out the neighbor that its own server names.
        let text = example.replace("[places]", "[servers.Powell]\naddress = \"x:1\"\n[places]");
        assert!(Config::parse(&text, "the help").is_ok(), "{:?}", Config::parse(&text, "the help"));
    }
}
