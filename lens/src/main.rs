//! `lens TRACE`: what went wrong in a trace of `deferred-reactor`, and pictures of what happened.
//!
//! Next: nothing; this is the end of the walk.
#![deny(missing_docs, missing_debug_implementations, unreachable_pub, rust_2018_idioms)]

mod cli;
mod sources;

use cli::{Command, Form, View};
use lens::methods::find_methods;
use lens::model::Socket;
use lens::trace::Trace;
use lens::views::connections::Connections;
use lens::views::ladder::Ladders;
use lens::views::loop_view::LoopViews;
use lens::views::page::{Part, page_of};
use lens::views::waits::Waits;
use lens::views::wire::Wire;
use lens::views::{Text, shown};
use lens::{Model, verdict::Verdict};
use sources::Sources;
use std::env;
use std::fs::{self, File};
use std::io::{self, BufReader, IsTerminal, Write};
use std::process::ExitCode;

/// Something is wrong in the trace.
const FOUND: u8 = 1;
/// The command cannot be carried out.
const REFUSED: u8 = 2;

fn main() -> ExitCode {
    let command = match cli::parse(env::args_os().skip(1)) {
        Ok(Some(command)) => command,
        Ok(None) => {
            print!("{}", cli::USAGE);
            return ExitCode::SUCCESS;
        }
        Err(what) => return refuse(&what),
    };
    match run(&command) {
        Ok(code) => code,
        Err(what) => refuse(&what),
    }
}

fn refuse(what: &str) -> ExitCode {
    eprintln!("lens: {}", shown(what));
    ExitCode::from(REFUSED)
}

fn run(command: &Command) -> Result<ExitCode, String> {
    let name = command.file.display();
    let file = File::open(&command.file).map_err(|error| format!("{name}: {error}"))?;
    let trace = Trace::read(BufReader::new(file)).map_err(|error| format!("{name}: {error}"))?;
    let mut model = Model::new(trace);
    let count = model.events.len();
    if let Some(at) = command.at.filter(|at| *at > count) {
        return Err(format!("there is no moment after {at} events: the trace has {count}"));
    }
    let sources = command.source.as_deref().map(Sources::in_folder).transpose()?;
    if let Some(sources) = &sources {
        find_methods(&mut model, |file| Some(sources.file(file)?.text));
    }
    let (text, code) = match command.view {
        View::Verdict => {
            let verdict = Verdict::new(&model);
            let code = if verdict.is_clean() { ExitCode::SUCCESS } else { ExitCode::from(FOUND) };
            (in_colour(command, &verdict.text()), code)
        }
        View::Ladder => (ladder(command, &model)?, ExitCode::SUCCESS),
        View::Page => {
            let title = command.file.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let part = Part::choose(&model, command.events, command.turns, command.at, &command.hosts)?;
            (page_of(&model, &title, &part, |file| sources.as_ref()?.file(file)), ExitCode::SUCCESS)
        }
        View::Loop => (turns(command, &model)?, ExitCode::SUCCESS),
        View::Wire => (wire(command, &model)?, ExitCode::SUCCESS),
        View::Waits => {
            let waits = Waits::after(&model, command.at.unwrap_or(usize::MAX));
            (in_form(command, || waits.text(), || waits.to_svg()), ExitCode::SUCCESS)
        }
    };
    match &command.output {
        Some(path) => fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()))?,
        // A reader that has seen enough closes the pipe.
        None => match io::stdout().write_all(text.as_bytes()) {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => return Err(error.to_string()),
            _ => {}
        },
    }
    Ok(code)
}

fn ladder(command: &Command, model: &Model) -> Result<String, String> {
    let chosen = command.deferred.or(command.request);
    if let Some(number) = chosen.filter(|number| !model.chains.chains.contains_key(number)) {
        return Err(format!("there is no Deferred {number} in this trace"));
    }
    let ladders = match (command.deferred, command.request) {
        (Some(number), _) => Ladders::of(model, |chain| chain.number == number),
        (None, Some(number)) => Ladders::of_request(model, number),
        (None, None) => Ladders::new(model),
    };
    Ok(match command.form {
        _ if command.path => ladders.path().iter().map(|step| shown(&step.to_string()) + "\n").collect(),
        _ => in_form(command, || ladders.text(), || ladders.to_svg()),
    })
}

fn in_form(command: &Command, text: impl FnOnce() -> Text, svg: impl FnOnce() -> String) -> String {
    match command.form {
        Form::Text => in_colour(command, &text()),
        Form::Svg => svg(),
    }
}

fn in_colour(command: &Command, text: &Text) -> String {
    let to_terminal = command.output.is_none() && io::stdout().is_terminal();
    match command.colour.is_on(to_terminal, |name| env::var_os(name)) {
        true => text.coloured(),
        false => text.plain(),
    }
}

fn turns(command: &Command, model: &Model) -> Result<String, String> {
    let views = LoopViews::new(model, &hosts(command, model)?, command.turns, command.run);
    if views.is_empty() {
        return Err(match command.turns {
            Some((first, last)) => format!("there is no turn from {first} to {last} in this trace"),
            None => "there is no such turn of a loop in this trace".to_owned(),
        });
    }
    Ok(in_form(command, || views.text(), || views.to_svg()))
}

/// The hosts that the command names; all, if it names none. A real program has one host without a name.
fn hosts<'a>(command: &'a Command, model: &'a Model) -> Result<Vec<&'a str>, String> {
    let all = model.hosts();
    if let Some(unknown) = command.hosts.iter().find(|host| !all.contains(&host.as_str())) {
        let known: Vec<&str> = all.into_iter().filter(|host| !host.is_empty()).collect();
        let known = if known.is_empty() { "it is of a real program".to_owned() } else { known.join(", ") };
        return Err(format!("there is no host {unknown} in this trace: {known}"));
    }
    Ok(if command.hosts.is_empty() { all } else { command.hosts.iter().map(String::as_str).collect() })
}

/// The connection of a host with this number. Each program of a host that was started again has numbers of its own.
fn connection<'a>(model: &'a Model, host: &str, number: u64, run: Option<usize>) -> Result<&'a Socket, String> {
    let mut with_number =
        model.sockets.with_number(host, number).filter(|socket| run.is_none_or(|run| socket.run == run));
    match (with_number.next(), with_number.next()) {
        (Some(socket), None) => Ok(socket),
        (Some(_), Some(_)) => {
            Err(format!("there are several connections {number}, as the program was started again; --run chooses one"))
        }
        (None, _) => Err(format!("there is no connection {number} in this trace; see --wire --sockets")),
    }
}

fn wire(command: &Command, model: &Model) -> Result<String, String> {
    let hosts = hosts(command, model)?;
    if command.sockets {
        return Ok(in_colour(command, &Connections::new(model).text()));
    }
    let is_world = model.events.iter().any(|event| event.kind == "network");
    let wire = match command.socket {
        None if is_world => Wire::of_world(model, &hosts),
        chosen => {
            let connections = Connections::new(model);
            let host = match hosts[..] {
                [host] => host,
                _ if chosen.is_some() && is_world => {
                    return Err("--socket needs one --host: each has its own".to_owned());
                }
                _ => "",
            };
            let socket = match chosen {
                None => {
                    connections.busiest().ok_or("there is no connection and no port for datagrams in this trace")?
                }
                Some(number) => connection(model, host, number, command.run)?,
            };
            let wire = Wire::of_socket(model, socket);
            if chosen.is_none() { wire.with_remark(connections.choice(socket)) } else { wire }
        }
    };
    let wire = command.events.iter().fold(wire, |wire, (first, last)| wire.between(*first, *last));
    let wire = command.only.iter().fold(wire, |wire, text| wire.only_with(text));
    let wire = if command.arrows { wire.only_arrows() } else { wire };
    Ok(in_form(command, || wire.text(), || wire.to_svg()))
}
