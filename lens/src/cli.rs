//! The command line.
//!
//! Next: `sources.rs`, the files of the program.

use std::ffi::OsString;
use std::path::PathBuf;

pub(crate) const USAGE: &str = "\
lens TRACE [VIEW] [OPTIONS]: what went wrong in a trace, and pictures of it

A program writes a trace with REACTOR_TRACE=FILE; docs/trace.md says what it has.

Views; without one, the verdict: sentences about what is wrong
  --ladder        Deferreds: the callbacks of each chain, and the path that was taken
  --loop          turns of the loop: what it was at, what held it, and what that kept waiting
  --wire          what went over the network, and which callback it became
  --waits         what waits for what: Deferreds, delayed calls, connections

Options
  --path          with --ladder: only the callbacks that ran, a line each: NAME ok VALUE, or NAME err ERROR
  --deferred N    with --ladder: only Deferred N, and what stands inside it
  --request N     with --ladder: all that has to do with Deferred N
  --turns A..B    with --loop: only these turns; a single one (A..A) with each of its steps; with
                  --html: steps through the events of these turns
  --socket N      with --wire: only connection N, or a port; without it, the busiest
  --sockets       with --wire: a list of the connections and the ports for datagrams
  --run N         with --loop, and with --wire --socket: only the Nth program of a host that was started
                  again
  --host NAME     with --loop, --wire, --html: only this host of a simulated world; may stand several
                  times
  --events A..B   with --wire: only what these events tell, by their numbers (seq); with --html: steps
                  through these events
  --only TEXT     with --wire: of the bytes, only those with this text in them
  --arrows        with --wire: only what went over the network, without callbacks
  --at N          with --waits: after N events; without it, at the end; with --html: opens there
  --svg           as a picture
  --html          everything on one page of HTML, to step through
  --color WHEN    colours in a text: auto (on a terminal; the default), always, never
  --source DIR    the program's source: with it, the verdict and --loop name the line of a method, and --html
                  shows the lines, with links to the files; places in a trace are paths below DIR
  -o FILE         writes to FILE
  --help

The exit code is 0; 1 if the verdict has found something; 2 if the command cannot be carried out.
";

#[derive(Debug, PartialEq)]
pub(crate) struct Command {
    pub(crate) file: PathBuf,
    pub(crate) view: View,
    pub(crate) form: Form,
    pub(crate) path: bool,
    pub(crate) deferred: Option<u64>,
    pub(crate) request: Option<u64>,
    pub(crate) turns: Option<(u64, u64)>,
    pub(crate) socket: Option<u64>,
    pub(crate) sockets: bool,
    pub(crate) hosts: Vec<String>,
    pub(crate) run: Option<usize>,
    pub(crate) at: Option<usize>,
    pub(crate) events: Option<(u64, u64)>,
    pub(crate) arrows: bool,
    pub(crate) only: Option<String>,
    pub(crate) source: Option<PathBuf>,
    pub(crate) output: Option<PathBuf>,
    pub(crate) colour: Colour,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum View {
    Verdict,
    Ladder,
    Page,
    Loop,
    Wire,
    Waits,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Form {
    Text,
    Svg,
}

impl View {
    /// The option that asks for each. The verdict needs none.
    const OPTIONS: [(&str, View); 5] = [
        ("--ladder", View::Ladder),
        ("--loop", View::Loop),
        ("--wire", View::Wire),
        ("--waits", View::Waits),
        ("--html", View::Page),
    ];

    fn name(self) -> &'static str {
        View::OPTIONS.iter().find(|(_, view)| *view == self).map_or("the verdict", |(option, _)| option)
    }
}

/// When a text has colours.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Colour {
    Auto,
    Always,
    Never,
}

impl Colour {
    /// Whether a text has colours that goes to a terminal, or not, in this environment: `NO_COLOR` (see no-color.org) and
    /// `TERM`.
    pub(crate) fn is_on(self, to_terminal: bool, variable: impl Fn(&str) -> Option<OsString>) -> bool {
        let is_refused = || variable("NO_COLOR").is_some_and(|value| !value.is_empty());
        let is_dumb = || variable("TERM").is_some_and(|terminal| terminal == "dumb");
        match self {
            Colour::Auto => to_terminal && !is_refused() && !is_dumb(),
            Colour::Always => true,
            Colour::Never => false,
        }
    }
}

/// Reads the arguments. `None` if they ask for help.
pub(crate) fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Option<Command>, String> {
    let mut arguments = arguments.into_iter();
    let mut file = None;
    let mut command = Command {
        file: PathBuf::new(),
        view: View::Verdict,
        form: Form::Text,
        path: false,
        deferred: None,
        request: None,
        turns: None,
        socket: None,
        sockets: false,
        hosts: Vec::new(),
        run: None,
        at: None,
        events: None,
        arrows: false,
        only: None,
        source: None,
        output: None,
        colour: Colour::Auto,
    };
    let mut given: Vec<String> = Vec::new();
    while let Some(argument) = arguments.next() {
        let text = argument.to_string_lossy().into_owned();
        let mut value = || arguments.next().ok_or(format!("{text} needs a value"));
        match text.as_str() {
            "--help" | "-h" => return Ok(None),
            "--ladder" => command.view = View::Ladder,
            "--svg" => command.form = Form::Svg,
            "--html" => command.view = View::Page,
            "--source" => command.source = Some(value()?.into()),
            "--loop" => command.view = View::Loop,
            "--wire" => command.view = View::Wire,
            "--waits" => command.view = View::Waits,
            "--turns" => command.turns = Some(range(&value()?)?),
            "--socket" => command.socket = Some(number(&value()?)?),
            "--sockets" => command.sockets = true,
            "--host" => command.hosts.push(value()?.to_string_lossy().into_owned()),
            "--run" => command.run = Some(number(&value()?)? as usize),
            "--events" => command.events = Some(range(&value()?)?),
            "--arrows" => command.arrows = true,
            "--only" => command.only = Some(value()?.to_string_lossy().into_owned()),
            "--at" => command.at = Some(number(&value()?)? as usize),
            "--color" => command.colour = colour(&value()?)?,
            "--path" => command.path = true,
            "--deferred" => command.deferred = Some(number(&value()?)?),
            "--request" => command.request = Some(number(&value()?)?),
            "-o" => command.output = Some(value()?.into()),
            _ if text.starts_with('-') && text.len() > 1 => return Err(format!("unknown option {text}; try --help")),
            _ if file.is_some() => return Err(format!("one trace at a time, and not {text} as well")),
            _ => {
                file = Some(argument);
                continue;
            }
        }
        given.push(text);
    }
    refuse_what_does_not_fit(&given, command.view)?;
    let file = file.ok_or("which trace? Try --help")?;
    Ok(Some(Command { file: file.into(), ..command }))
}

/// Each option that belongs to some views only, and these views.
const BELONGS_TO: [(&str, &[View]); 15] = [
    ("--path", &[View::Ladder]),
    ("--deferred", &[View::Ladder]),
    ("--request", &[View::Ladder]),
    ("--turns", &[View::Loop, View::Page]),
    ("--socket", &[View::Wire]),
    ("--sockets", &[View::Wire]),
    ("--host", &[View::Loop, View::Wire, View::Page]),
    ("--run", &[View::Loop, View::Wire]),
    ("--events", &[View::Wire, View::Page]),
    ("--only", &[View::Wire]),
    ("--arrows", &[View::Wire]),
    ("--at", &[View::Waits, View::Page]),
    ("--svg", &[View::Ladder, View::Loop, View::Wire, View::Waits]),
    ("--source", &[View::Verdict, View::Loop, View::Page]),
    ("--color", &[View::Verdict, View::Ladder, View::Loop, View::Wire, View::Waits]),
];

/// Pairs of options of which a command can have only one.
const EXCLUDES: [(&str, &str); 11] = [
    ("--turns", "--events"),
    ("--path", "--svg"),
    ("--path", "--color"),
    ("--svg", "--color"),
    ("--deferred", "--request"),
    ("--socket", "--sockets"),
    ("--sockets", "--svg"),
    ("--sockets", "--host"),
    ("--sockets", "--events"),
    ("--sockets", "--only"),
    ("--sockets", "--arrows"),
];

/// An option that would have no effect is an error: its user expects one.
fn refuse_what_does_not_fit(given: &[String], view: View) -> Result<(), String> {
    let is_given = |option: &str| given.iter().any(|given| given == option);
    let views: Vec<&str> = View::OPTIONS.iter().map(|(option, _)| *option).filter(|option| is_given(option)).collect();
    if let [one, other, ..] = views[..] {
        return Err(format!("{one} and {other} are two views; one at a time"));
    }
    let mut misplaced = BELONGS_TO.iter().filter(|(option, fits)| is_given(option) && !fits.contains(&view));
    if let Some((option, fits)) = misplaced.next() {
        let names: Vec<&str> = fits.iter().map(|view| view.name()).collect();
        return Err(format!("{option} is for {}, not for {}", names.join(", "), view.name()));
    }
    if view == View::Wire && is_given("--run") && !is_given("--socket") {
        return Err("--run with --wire is for --socket: it says of which program".to_owned());
    }
    match EXCLUDES.iter().find(|(one, other)| is_given(one) && is_given(other)) {
        Some((one, other)) => Err(format!("{one} and {other} exclude each other")),
        None => Ok(()),
    }
}

fn colour(value: &OsString) -> Result<Colour, String> {
    match value.to_string_lossy().as_ref() {
        "auto" => Ok(Colour::Auto),
        "always" => Ok(Colour::Always),
        "never" => Ok(Colour::Never),
        other => Err(format!("{other} is not auto, always or never")),
    }
}

fn number(value: &OsString) -> Result<u64, String> {
    let text = value.to_string_lossy();
    text.parse().map_err(|_| format!("{text} is not a number"))
}

/// `3..7`, both ends included.
fn range(value: &OsString) -> Result<(u64, u64), String> {
    let text = value.to_string_lossy();
    let (from, to) = text.split_once("..").ok_or(format!("{text} is not a range such as 3..7"))?;
    match (number(&from.into())?, number(&to.into())?) {
        (from, to) if from > to => Err(format!("{text} is an empty range: {from} comes after {to}")),
        range => Ok(range),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(arguments: &str) -> Result<Option<Command>, String> {
        parse(arguments.split_whitespace().map(OsString::from))
    }

    #[test]
    fn a_command_is_read() {
        let command = parsed("t.jsonl --ladder --path --deferred 7").unwrap().unwrap();
        assert_eq!((command.view, command.path, command.deferred), (View::Ladder, true, Some(7)));
        assert_eq!(parsed("--help"), Ok(None));
    }

    #[test]
    fn colours_are_for_a_terminal_whose_owner_has_not_refused_them() {
        let on = |colour: Colour, to_terminal, environment: &[(&str, &str)]| {
            let value = |name: &str| environment.iter().find(|(key, _)| *key == name).map(|(_, value)| value.into());
            colour.is_on(to_terminal, value)
        };
        let xterm = ("TERM", "xterm-256color");
        assert!(on(Colour::Auto, true, &[xterm]));
        assert!(on(Colour::Auto, true, &[("NO_COLOR", "")]), "an empty one counts as none");
        assert!(!on(Colour::Auto, false, &[xterm]), "a file or a pipe");
        assert!(!on(Colour::Auto, true, &[xterm, ("NO_COLOR", "1")]));
        assert!(!on(Colour::Auto, true, &[("TERM", "dumb")]));
        assert!(on(Colour::Always, false, &[("NO_COLOR", "1")]), "who asks gets them");
        assert!(!on(Colour::Never, true, &[xterm]));
        assert_eq!(parsed("a --color never").unwrap().unwrap().colour, Colour::Never);
    }

    #[test]
    fn a_wrong_command_is_refused_with_the_reason() {
        for (arguments, reason) in [
            ("", "which trace?"),
            ("a b", "one trace at a time"),
            ("a --hue", "unknown option --hue"),
            ("a --color", "needs a value"),
            ("a --color red", "red is not auto, always or never"),
            ("a --ladder --deferred", "needs a value"),
            ("a --ladder --deferred x", "x is not a number"),
            ("a --loop --turns 3", "3 is not a range"),
            ("a --loop --turns 9..3", "9..3 is an empty range"),
            ("a --path", "--path is for --ladder, not for the verdict"),
            ("a --svg", "--svg is for --ladder, --loop, --wire, --waits, not for the verdict"),
            ("a --html --svg", "not for --html"),
            ("a --ladder --loop", "--ladder and --loop are two views"),
            ("a --waits --html", "--waits and --html are two views"),
            ("a --ladder --source x", "--source is for the verdict, --loop, --html, not for --ladder"),
            ("a --waits --host x", "--host is for --loop, --wire, --html, not for --waits"),
            ("a --loop --events 1..2", "--events is for --wire"),
            ("a --wire --run 2", "--run with --wire is for --socket"),
            ("a --waits --run 2", "--run is for --loop, --wire, not for --waits"),
            ("a --ladder --path --svg", "--path and --svg exclude each other"),
            ("a --ladder --deferred 1 --request 2", "exclude each other"),
            ("a --wire --sockets --svg", "exclude each other"),
            ("a --html --turns 1..2 --events 1..2", "--turns and --events exclude each other"),
        ] {
            let refusal = parsed(arguments).unwrap_err();
            assert!(refusal.contains(reason), "{arguments}: {refusal}");
        }
    }
}
