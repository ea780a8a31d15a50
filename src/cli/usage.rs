//! What the command line may hold, in one table. The parser, `--help`, the man page and the completions all read it,
//! so none of them can know less than another.
//!
//! Next: `cli/man.rs`, the man page.

use crate::config::{self, LEVELS};

/// What the program can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Command {
    Serve,
    Check,
    Keys,
    IamAt,
    WhatsAt,
    Forget,
    Status,
    Watch,
    Places,
    Man,
    Completions,
}

/// A command, as it is explained.
pub(super) struct CommandRow {
    pub(super) command: Command,
    /// The first word of the command line. A server has its own name there.
    pub(super) word: Option<&'static str>,
    /// What follows it.
    pub(super) arguments: &'static str,
    pub(super) about: &'static str,
}

/// All commands, in the order in which the help has them.
pub(super) const COMMANDS: [CommandRow; 11] = [
    CommandRow {
        command: Command::Serve,
        word: None,
        arguments: "SERVER",
        about: "runs the server of this name: Alford, Bolden, Hamilton, Parker or Powell, unless a configuration \
                file names others",
    },
    CommandRow {
        command: Command::Check,
        word: Some(config::RESERVED_NAMES[0]),
        arguments: "FILE",
        about: "reads a configuration file as a server would, and says what is wrong with it, or what it describes",
    },
    CommandRow {
        command: Command::Keys,
        word: Some(config::RESERVED_NAMES[1]),
        arguments: "[DIR]",
        about: "makes the keys and certificates with which the servers of a herd know each other, and says what to \
                copy where; never overwrites any",
    },
    CommandRow {
        command: Command::IamAt,
        word: Some(config::RESERVED_NAMES[2]),
        arguments: "CLIENT LOCATION [TIME]",
        about: "tells the herd where a client is, and prints the reply; TIME is now if it is left out",
    },
    CommandRow {
        command: Command::WhatsAt,
        word: Some(config::RESERVED_NAMES[3]),
        arguments: "CLIENT RADIUS_KM BOUND",
        about: "asks the herd what is near a client, and prints the reply",
    },
    CommandRow {
        command: Command::Forget,
        word: Some(config::RESERVED_NAMES[4]),
        arguments: "CLIENT",
        about: "has the herd forget a client; a server takes this from its own machine only",
    },
    CommandRow {
        command: Command::Status,
        word: Some(config::RESERVED_NAMES[5]),
        arguments: "",
        about: "says how the servers of the herd are: all that a server on this machine tells by its control socket, \
                and of any other one whether it answers; fails if one does not, or if a link is down",
    },
    CommandRow {
        command: Command::Watch,
        word: Some(config::RESERVED_NAMES[6]),
        arguments: "[CLIENT]",
        about: "shows each location that a server on this machine takes, as it takes it, of one client or of all, \
                until Ctrl-C; the configuration must have [control]",
    },
    CommandRow {
        command: Command::Places,
        word: Some(config::RESERVED_NAMES[7]),
        arguments: "LAT LON RADIUS_KM BOUND",
        about: "asks the Places service once, without a herd, and prints the answer, or why there is none: to try a \
                key or a configuration",
    },
    CommandRow {
        command: Command::Man,
        word: Some(config::RESERVED_NAMES[8]),
        arguments: "",
        about: "prints the man page: proxyherd man | man -l -",
    },
    CommandRow {
        command: Command::Completions,
        word: Some(config::RESERVED_NAMES[9]),
        arguments: "SHELL",
        about: "prints the completions for bash, zsh or fish",
    },
];

/// What an option's value is, for completions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Completed {
    Files,
    Directories,
    Words(&'static [&'static str]),
    /// Free text, or no value at all.
    Nothing,
}

/// An option, as it is explained.
pub(super) struct OptionRow {
    pub(super) long: &'static str,
    pub(super) short: Option<char>,
    /// The name of its value, if it takes one.
    pub(super) value: Option<&'static str>,
    pub(super) completed: Completed,
    /// The commands that take it. All do if there are none here.
    pub(super) commands: &'static [Command],
    pub(super) about: &'static str,
}

/// The commands that talk with servers.
const TALKING: &[Command] = &[Command::IamAt, Command::WhatsAt, Command::Forget, Command::Status, Command::Watch];

/// All options, in the order in which the help has them.
pub(super) const OPTIONS: [OptionRow; 7] = [
    OptionRow {
        long: "config",
        short: None,
        value: Some("FILE"),
        completed: Completed::Files,
        commands: &[
            Command::Serve,
            Command::Keys,
            Command::IamAt,
            Command::WhatsAt,
            Command::Forget,
            Command::Status,
            Command::Watch,
            Command::Places,
        ],
        about: "a TOML file that describes another herd than the built-in one",
    },
    OptionRow {
        long: "log-dir",
        short: None,
        value: Some("DIR"),
        completed: Completed::Directories,
        commands: &[Command::Serve],
        about: "an existing directory for the log files of this run (default: the current directory); - is standard \
                error",
    },
    OptionRow {
        long: "log-level",
        short: None,
        value: Some("LEVEL"),
        completed: Completed::Words(&LEVELS),
        commands: &[Command::Serve],
        about: "error, warn, info or debug (default: that of the configuration, or info, which includes every line in \
                and out)",
    },
    OptionRow {
        long: "server",
        short: None,
        value: Some("WHICH"),
        completed: Completed::Nothing,
        commands: TALKING,
        about: "the server to ask: its name, or HOST:PORT (default: the first one of the herd that answers; for \
                status: all)",
    },
    OptionRow {
        long: "json",
        short: None,
        value: None,
        completed: Completed::Nothing,
        commands: TALKING,
        about: "prints each reply as one JSON object on a line",
    },
    OptionRow {
        long: "help",
        short: Some('h'),
        value: None,
        completed: Completed::Nothing,
        commands: &[],
        about: "prints this text",
    },
    OptionRow {
        long: "version",
        short: Some('V'),
        value: None,
        completed: Completed::Nothing,
        commands: &[],
        about: "prints the version",
    },
];

/// The shells that [`Command::Completions`] knows.
pub(super) const SHELLS: [&str; 3] = ["bash", "zsh", "fish"];

impl CommandRow {
    /// The command as it is typed: `places LAT LON RADIUS_KM BOUND`.
    pub(super) fn synopsis(&self) -> String {
        [self.word.unwrap_or_default(), self.arguments].join(" ").trim().to_owned()
    }

    /// The options that this command takes and not all others do.
    pub(super) fn options(&self) -> impl Iterator<Item = &'static OptionRow> {
        let command = self.command;
        OPTIONS.iter().filter(move |option| option.commands.contains(&command))
    }
}

impl OptionRow {
    /// Whether a command takes this option.
    pub(super) fn is_taken_by(&self, command: Command) -> bool {
        self.commands.is_empty() || self.commands.contains(&command)
    }

    /// The option as it is typed: `--config FILE`, `-h, --help`.
    pub(super) fn synopsis(&self) -> String {
        let short = self.short.map_or(String::new(), |short| format!("-{short}, "));
        let value = self.value.map_or(String::new(), |value| format!(" {value}"));
        format!("{short}--{}{value}", self.long)
    }
}

/// The text of this name.
pub(super) fn command(command: Command) -> &'static CommandRow {
    COMMANDS.iter().find(|row| row.command == command).expect("every command has its row")
}

/// The first sentence of the help and of the man page.
pub(super) const ABOUT: &str = "Runs one server of the Twisted Places proxy herd, and talks with it.";

/// How to begin. A list of paragraphs; a line that begins with two spaces is typed as it stands.
pub(super) const FIRST_STEPS: &str = "\
Start one or more servers, each in a terminal of its own:
  proxyherd Powell

Tell a server where you are, and ask it what is near:
  proxyherd iamat me.example +34.068930-118.445127
  proxyherd whatsat me.example 10 3

The same without this program:
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
";

/// What a configuration file may hold.
pub(super) const CONFIGURATION: &str = "\
A configuration file can change all of this; every setting is optional:

  [servers.Alford]                     # these servers replace the built-in herd
  address = \"127.0.0.1:12200\"
  neighbors = [\"Powell\"]               # it is enough to name one side of a link
  link = \"127.0.0.1:12300\"             # neighbors with link come here, over TLS
  tls = \"127.0.0.1:12400\"              # clients that speak TLS come here
  [tls]
  keys = \"keys\"                        # for link: what proxyherd keys has made
  certificate = \"cert.pem\"             # for tls: what clients see
  key = \"key.pem\"                      # for tls: its private key
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
  forget = \"7d\"                        # a client silent for this long is forgotten
  clients_per_address = 100000         # new clients that one address may bring
  connections = 100000                 # maximum of connections (the system may allow less)
  connections_per_address = 1000       # maximum of those from one address
  buffers = 268435456                  # maximum of bytes that wait in all of them together
  idle = \"10m\"                         # how long a client may be silent
  [log]
  level = \"info\"                       # the lowest level that is logged
  total = 1073741824                   # bytes of all log files together: the oldest go
  file = 67108864                      # bytes of one file: the next one follows
  share = 1048576                      # bytes a second for the lines of one peer
  burst = 8388608                      # by how much a peer may be ahead of its share
  [control]
  directory = \"/run/proxyherd\"         # status and watch reach each server there
  [page]                               # each server has a page for browsers, and /metrics
  address = \"127.0.0.1\"                # at its own port + 100; or host:port, or \"off\"

The name of a log is the server, the date and the time (UTC): Powell-2026-11-22-142700.log.
";

/// Signals and exit codes.
pub(super) const ENDING: &str = "\
SIGHUP opens the log again, so that logrotate can move it away, and reads the configuration
again: limits, the log's level, places, and certificates change; the rest needs a restart.
Ctrl-C or SIGTERM lets a server finish in good order; a second one ends it at once.

The exit code is 0 after success, 1 if something failed, 2 if the command line is wrong.
";

/// What `--help` prints.
pub(super) fn help() -> String {
    let mut text = format!("{ABOUT}\n\n");
    let heads = COMMANDS.iter().map(|row| format!("proxyherd {}", row.synopsis()));
    for (at, head) in heads.enumerate() {
        let options = if COMMANDS[at].options().next().is_some() { " [options]" } else { "" };
        text += &format!("{} {head}{options}\n", if at == 0 { "Usage:" } else { "      " });
    }
    text += "\nCommands:\n";
    for row in &COMMANDS {
        explain(&mut text, row.word.unwrap_or(row.arguments), row.about);
    }
    text += "\nOptions:\n";
    for row in &OPTIONS {
        explain(&mut text, &row.synopsis(), row.about);
    }
    text + "\n" + FIRST_STEPS + "\n" + CONFIGURATION + "\n" + ENDING
}

/// The width of the explanations.
const WIDTH: usize = 88;

/// Where the explanations begin.
const MARGIN: usize = 23;

/// Adds a word and, beside it, what it means.
fn explain(text: &mut String, head: &str, about: &str) {
    let mut line = format!("  {head:<0$}", MARGIN - 2);
    for word in about.split(' ') {
        if line.len() + 1 + word.len() > WIDTH {
            *text += line.trim_end();
            *text += "\n";
            line = " ".repeat(MARGIN);
        } else if line.len() > MARGIN {
            line.push(' ');
        }
        line += word;
    }
    *text += &line;
    *text += "\n";
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn the_example_in_the_help_is_a_valid_configuration() {
        let help = help();
        let example = help.split("optional:\n\n").nth(1).and_then(|rest| rest.split("\n\n").next()).unwrap();
        assert!(example.contains("[places]") && example.contains("[limits]"), "{example}");
        // The help leaves out the neighbor that its own server names.
        let text = example.replace("[places]", "[servers.Powell]\naddress = \"x:1\"\n[places]");
        assert!(Config::parse(&text, "the help").is_ok(), "{:?}", Config::parse(&text, "the help"));
    }

    #[test]
    fn every_command_word_is_a_name_that_no_server_can_have() {
        let words: Vec<&str> = COMMANDS.iter().filter_map(|row| row.word).collect();
        assert_eq!(words, config::RESERVED_NAMES);
    }

    #[test]
    fn the_help_fits_its_width() {
        for line in help().lines() {
            assert!(line.len() <= WIDTH + 3 && line.trim_end() == line, "{line:?}");
        }
    }
}
