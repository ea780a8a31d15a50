//! `lens TRACE`: what went wrong in a trace of `deferred-reactor`, and pictures of what happened.
//!
//! Next: nothing; this is the end of the walk.
#![deny(missing_docs, missing_debug_implementations, unreachable_pub, rust_2018_idioms)]

mod cli;

use cli::{Command, Form, View};
use lens::trace::Trace;
use lens::views::ladder::Ladders;
use lens::{Model, verdict::Verdict};
use std::fs::{self, File};
use std::io::{self, BufReader, Write};
use std::process::ExitCode;

/// Something is wrong in the trace.
const FOUND: u8 = 1;
/// The command cannot be carried out.
const REFUSED: u8 = 2;

fn main() -> ExitCode {
    let command = match cli::parse(std::env::args_os().skip(1)) {
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
    eprintln!("lens: {what}");
    ExitCode::from(REFUSED)
}

fn run(command: &Command) -> Result<ExitCode, String> {
    let name = command.file.display();
    let file = File::open(&command.file).map_err(|error| format!("{name}: {error}"))?;
    let trace = Trace::read(BufReader::new(file)).map_err(|error| format!("{name}: {error}"))?;
    let model = Model::new(trace);
    let (text, code) = match command.view {
        View::Verdict => {
            let verdict = Verdict::new(&model);
            let code = if verdict.is_clean() { ExitCode::SUCCESS } else { ExitCode::from(FOUND) };
            (verdict.to_text(), code)
        }
        View::Ladder => (ladder(command, &model)?, ExitCode::SUCCESS),
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
        _ if command.path => ladders.path().iter().map(|step| format!("{step}\n")).collect(),
        Form::Text => ladders.to_text(),
        Form::Svg => ladders.to_svg(),
    })
}
