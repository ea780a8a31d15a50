//! The command line: which commands there are, and how each of them ends.
//!
//! Next: [`cli/outcome.rs`](../../src/proxyherd/cli/outcome.rs.html), how the program ends.

mod ask;
mod check;
mod completions;
mod event_loop;
mod keys;
mod man;
mod outcome;
mod reach;
mod serve;
mod status;
mod talk;
mod usage;
mod watch;

pub use ask::PlacesOptions;
pub use keys::KeysOptions;
pub use outcome::Error;
pub use serve::ServerOptions;
pub use status::StatusOptions;
pub use talk::{Saying, TalkOptions};
pub use watch::WatchOptions;

use crate::{config, terminal};
use log::LevelFilter;
use outcome::print;
use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use usage::{COMMANDS, Command, OPTIONS, OptionRow, SHELLS};

/// What every message about a wrong command line ends with.
const SEE_HELP: &str = "(see proxyherd --help)";

/// What the command line asks for.
#[derive(Debug, PartialEq, Eq)]
pub enum Action {
    /// To print a text: the help, the version, the man page or a shell's completions.
    Print(String),
    /// To run a server.
    RunServer(ServerOptions),
    /// To read a configuration and say what is wrong with it.
    Check(PathBuf),
    /// To make the keys and certificates of a herd.
    Keys(KeysOptions),
    /// To give one command to a server of the herd.
    Talk(TalkOptions),
    /// To say how servers are.
    Status(StatusOptions),
    /// To show what a server hears, as it hears it.
    Watch(WatchOptions),
    /// To ask the Places service once.
    AskPlaces(PlacesOptions),
}

/// Reads the command line.
///
/// # Errors
/// One line that says what is wrong with it.
pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Action, String> {
    let mut words = Vec::new();
    let mut given: HashMap<&'static str, OsString> = HashMap::new();
    let mut parser = lexopt::Parser::from_args(arguments);
    loop {
        // Before the parser sees it: to the parser, the latitude -33.9 is an option named 3. No option begins so.
        if let Some(number) = parser.try_raw_args().and_then(|mut raw| raw.next_if(is_negative_number)) {
            words.push(number);
            continue;
        }
        let Some(argument) = parser.next().map_err(|error| error.to_string())? else { break };
        let option = match &argument {
            lexopt::Arg::Value(_) => None,
            lexopt::Arg::Short(short) => OPTIONS.iter().find(|option| option.short == Some(*short)),
            lexopt::Arg::Long(long) => OPTIONS.iter().find(|option| option.long == *long),
        };
        match (argument, option) {
            (lexopt::Arg::Value(word), _) => words.push(word),
            (unknown, None) => return Err(format!("{} {SEE_HELP}", unknown.unexpected())),
            (_, Some(option)) => {
                let value = match option.value {
                    Some(_) => parser.value().map_err(|error| error.to_string())?,
                    None => OsString::new(),
                };
                if given.insert(option.long, value).is_some() {
                    return Err(format!("--{} is given twice", option.long));
                }
            }
        }
    }
    // Whatever else stands beside it: somebody who asks for help may have the rest wrong.
    if given.contains_key("help") {
        return Ok(Action::Print(usage::help()));
    }
    if given.contains_key("version") {
        return Ok(Action::Print(concat!("proxyherd ", env!("CARGO_PKG_VERSION"), "\n").to_owned()));
    }
    let words: Vec<String> = words.into_iter().map(into_text).collect::<Result<_, _>>()?;
    let Some((first, rest)) = words.split_first() else {
        return Err(format!("which server? For example: proxyherd Powell {SEE_HELP}"));
    };
    let command = COMMANDS.iter().find(|row| row.word == Some(first)).map_or(Command::Serve, |row| row.command);
    check_options(command, first, &given)?;
    action(command, first, rest, given)
}

/// Expects that the command takes all options that were given.
fn check_options(command: Command, word: &str, given: &HashMap<&'static str, OsString>) -> Result<(), String> {
    let wrong = OPTIONS.iter().find(|option| given.contains_key(option.long) && !option.is_taken_by(command));
    wrong.map_or(Ok(()), |OptionRow { long, .. }| Err(format!("{word} does not take --{long} {SEE_HELP}")))
}

fn action(
    command: Command,
    first: &str,
    rest: &[String],
    mut given: HashMap<&'static str, OsString>,
) -> Result<Action, String> {
    let config = given.remove("config").map(PathBuf::from);
    // A command that takes a certain number of arguments has all of them named in its row.
    let wrong = || format!("{first} needs {} {SEE_HELP}", usage::command(command).arguments);
    Ok(match (command, rest) {
        (Command::Serve, []) => Action::RunServer(ServerOptions {
            server: first.to_owned(),
            config,
            log_dir: given.remove("log-dir").map_or_else(|| PathBuf::from("."), PathBuf::from),
            log_level: given.remove("log-level").map(|level| parse_level(&level)).transpose()?,
        }),
        (Command::Serve, [second, ..]) => return Err(format!("one server at a time: {second:?} is a second one")),
        (Command::Check, [file]) => Action::Check(PathBuf::from(file)),
        (Command::Keys, [] | [_]) => Action::Keys(KeysOptions { directory: rest.first().map(PathBuf::from), config }),
        (Command::IamAt | Command::WhatsAt | Command::Forget, rest) => {
            let saying = match command {
                Command::IamAt => Saying::parse_iamat(rest)?,
                Command::WhatsAt => Saying::parse_whats_at(rest)?,
                _ => Saying::parse_forget(rest)?,
            };
            let saying = saying.ok_or_else(wrong)?;
            let server = given.remove("server").map(into_text).transpose()?;
            Action::Talk(TalkOptions { saying, server, config, json: given.contains_key("json") })
        }
        (Command::Status, []) => {
            let server = given.remove("server").map(into_text).transpose()?;
            Action::Status(StatusOptions { server, config, json: given.contains_key("json") })
        }
        (Command::Watch, [] | [_]) => {
            let server = given.remove("server").map(into_text).transpose()?;
            let client = rest.first().map(|client| talk::check_client(client).map(|()| client.clone())).transpose()?;
            Action::Watch(WatchOptions { client, server, config, json: given.contains_key("json") })
        }
        (Command::Places, rest) => Action::AskPlaces(ask::parse(rest, config)?.ok_or_else(wrong)?),
        (Command::Man, []) => Action::Print(man::page()),
        (Command::Completions, [shell]) => {
            let unknown = || format!("no completions for {shell:?}; there are those for {}", SHELLS.join(", "));
            Action::Print(completions::script(shell).ok_or_else(unknown)?)
        }
        (Command::Man | Command::Status, _) => return Err(format!("{first} takes no arguments {SEE_HELP}")),
        (Command::Check | Command::Keys | Command::Watch | Command::Completions, _) => return Err(wrong()),
    })
}

/// Whether an argument is a negative number and not an option: latitudes in the south and longitudes in the west are.
fn is_negative_number(argument: &OsStr) -> bool {
    let rest = argument.as_encoded_bytes().strip_prefix(b"-");
    rest.is_some_and(|rest| rest.first().is_some_and(|first| first.is_ascii_digit() || *first == b'.'))
}

fn into_text(argument: OsString) -> Result<String, String> {
    argument.into_string().map_err(|argument| format!("{argument:?} is not text in UTF-8"))
}

fn parse_level(level: &OsStr) -> Result<LevelFilter, String> {
    let known = level.to_str().and_then(config::parse_level);
    known.ok_or_else(|| format!("no log level {level:?}; there are error, warn, info and debug"))
}

/// The whole program.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let result = match parse(arguments) {
        Ok(Action::Print(text)) => {
            print(text.as_bytes());
            Ok(())
        }
        Ok(Action::Check(file)) => check::run(&file),
        Ok(Action::Keys(options)) => keys::run(&options),
        Ok(Action::Talk(options)) => talk::run(&options),
        Ok(Action::Status(options)) => status::run(&options),
        Ok(Action::Watch(options)) => watch::run(&options),
        Ok(Action::AskPlaces(question)) => ask::run(&question).map_err(Error::Failed),
        Ok(Action::RunServer(options)) => serve::run(&options),
        Err(error) => Err(Error::Usage(error)),
    };
    let (error, code) = match result {
        Ok(()) => return ExitCode::SUCCESS,
        Err(Error::Usage(error)) => (error, 2),
        Err(Error::Failed(error)) => (error, 1),
    };
    // It may repeat a service's words, and those must not command the terminal. Standard error may be closed.
    let _ = writeln!(std::io::stderr(), "proxyherd: {}", terminal::in_one_line(&error));
    ExitCode::from(code)
}
