//! Replays programs over Deferreds and prints what happened, to be compared with what Twisted's own Deferred does:
//!
//! ```text
//! cargo run --release -p deferred-reactor --example deferred_replay < programs.jsonl > traces.jsonl
//! ```
//!
//! With `--trace FILE` it runs the one program of its standard input, and also writes a trace of everything that its
//! Deferreds do (`docs/trace.md`). Callbacks and Deferreds have their numbers in the program as names there, and values
//! are shown.
//!
//! One program a line in, one trace a line out; `reactor/oracle/README.md` has the format and the recorded cases.
//! A line that is not a program ends the run: what is wrong goes to stderr with the line's number, and the exit status
//! is 1. The traces of the lines before it are printed.
//!
//! Next: `program.rs`, how a line becomes a program, then `replay.rs`, how it runs.

mod program;
mod replay;

use reactor::trace::{Trace, TraceFile};
use std::env;
use std::ffi::OsStr;
use std::io::{self, BufRead, BufWriter, Read, Write};
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut out = BufWriter::new(io::stdout().lock());
    let arguments: Vec<_> = env::args_os().skip(1).collect();
    let done = match &arguments[..] {
        [] => replay_lines(io::stdin().lock(), &mut out),
        [option, file] if option == "--trace" => replay_one(io::stdin().lock(), file, &mut out),
        _ => Err("usage: deferred_replay [--trace FILE] < PROGRAMS".to_owned()),
    };
    // Also after a bad line: the traces before it are good.
    let done = done.and(out.flush().map_err(|error| format!("writing: {error}")));
    if let Err(what) = done {
        eprintln!("deferred_replay: {what}");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

fn replay_lines(mut input: impl BufRead, out: &mut impl Write) -> Result<(), String> {
    let mut line = Vec::new();
    for number in 1_u64.. {
        line.clear();
        if input.read_until(b'\n', &mut line).map_err(|error| format!("line {number}: {error}"))? == 0 {
            break;
        }
        let trace = replay_line(&line).map_err(|what| format!("line {number}: {what:.500}"))?;
        writeln!(out, "{trace}").map_err(|error| format!("writing: {error}"))?;
    }
    Ok(())
}

/// Runs one program, and writes a trace of it.
fn replay_one(mut input: impl Read, file: &OsStr, out: &mut impl Write) -> Result<(), String> {
    let mut text = Vec::new();
    input.read_to_end(&mut text).map_err(|error| format!("reading: {error}"))?;
    let program = parse(&text)?;
    let created = TraceFile::create(file).map_err(|error| format!("{}: {error}", file.display()))?;
    let happened = replay::replay_traced(&program, &Trace::new(created).show_values())?;
    writeln!(out, "{happened}").map_err(|error| format!("writing: {error}"))
}

fn replay_line(line: &[u8]) -> Result<serde_json::Value, String> {
    replay::replay(&parse(line)?)
}

fn parse(text: &[u8]) -> Result<serde_json::Value, String> {
    serde_json::from_slice(text).map_err(|error| {
        // Its own "at line 1" would be taken for the line of the input.
        let text = error.to_string();
        format!("not JSON: {}", text.split(" at line ").next().unwrap_or_default())
    })
}
