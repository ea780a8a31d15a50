//! Replays programs over Deferreds and prints what happened, to be compared with what Twisted's own Deferred does:
//!
//! ```text
//! cargo run --release -p deferred-reactor --example deferred_replay < programs.jsonl > traces.jsonl
//! ```
//!
//! One program a line in, one trace a line out; `reactor/oracle/README.md` has the format and the recorded cases.
//! A line that is not a program ends the run: what is wrong goes to stderr with the line's number, and the exit status
//! is 1. The traces of the lines before it are printed.
//!
//! Next: `program.rs`, how a line becomes a program, then `replay.rs`, how it runs.

mod program;
mod replay;

use std::io::{self, BufRead, BufWriter, Write};
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut out = BufWriter::new(io::stdout().lock());
    let done = replay_lines(io::stdin().lock(), &mut out);
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

fn replay_line(line: &[u8]) -> Result<serde_json::Value, String> {
    let program = serde_json::from_slice(line).map_err(|error| {
        // Its own "at line 1" would be taken for the line of the input.
        let text = error.to_string();
        format!("not JSON: {}", text.split(" at line ").next().unwrap_or_default())
    })?;
    replay::replay(&program)
}
