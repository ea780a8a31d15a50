//! What a trace costs a server of the herd under load: its CPU time for each IAMAT with `REACTOR_TRACE`, beside the same
//! without. README.md explains the result.
//!
//! ```text
//! trace_bench PROXYHERD [ROUNDS]
//! ```
//!
//! Each round starts two new servers. A trace ends when its file is full, and from then on its server would run as fast
//! as without a trace.

#[path = "../load.rs"]
#[allow(dead_code, reason = "made for more measurements than these")]
mod load;
#[path = "../server.rs"]
#[allow(dead_code, reason = "made for more measurements than these")]
mod server;
#[path = "../talk.rs"]
#[allow(dead_code, reason = "made for more measurements than these")]
mod talk;

use load::{Load, Shape, Until};
use server::{SETTLE, Server, free_address};
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use talk::{NAME, Talk};

/// Connections, requests in flight on each, and IAMATs in a measurement: a trace of them fits into its file.
const LOADS: [(usize, usize, usize); 4] = [(1, 1, 10_000), (30, 1, 15_000), (1, 16, 60_000), (30, 16, 60_000)];

/// The server has a CPU of its own.
const CPU: usize = 0;

fn main() -> io::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (program, rounds) = match &arguments[..] {
        [program] => (program, Ok(7)),
        [program, rounds] => (program, rounds.parse()),
        _ => return Err(io::Error::other("trace_bench PROXYHERD [ROUNDS]")),
    };
    let rounds: usize = rounds.map_err(io::Error::other)?;
    println!("{:<28}{:>12}{:>12}{:>24}", "CPU us for each IAMAT", "no trace", "trace", "ratio (lowest, highest)");
    for (connections, in_flight, replies) in LOADS {
        let shape = Shape { connections, in_flight };
        let one = |traced| measure(Path::new(program), shape, replies, traced);
        let pairs: Vec<(f64, f64)> = (0..rounds).map(|_| Ok((one(false)?, one(true)?))).collect::<io::Result<_>>()?;
        let (without, with) = (sorted(pairs.iter().map(|pair| pair.0)), sorted(pairs.iter().map(|pair| pair.1)));
        let ratios = sorted(pairs.iter().map(|(without, with)| with / without));
        let range = format!("{:.2} ({:.2}, {:.2})", ratios[rounds / 2], ratios[0], ratios[rounds - 1]);
        println!("{shape:<28}{:>12.2}{:>12.2}{range:>24}", without[rounds / 2], with[rounds / 2]);
    }
    Ok(())
}

fn sorted(numbers: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut numbers: Vec<f64> = numbers.collect();
    numbers.sort_by(f64::total_cmp);
    numbers
}

/// The server's CPU time for one IAMAT, in microseconds.
fn measure(program: &Path, shape: Shape, replies: usize, traced: bool) -> io::Result<f64> {
    let scratch = Scratch::new()?;
    let address = free_address()?;
    let (config, trace) = (scratch.0.join("herd.toml"), scratch.0.join("trace.jsonl"));
    fs::write(&config, format!("[servers.{NAME}]\naddress = \"{address}\"\nneighbors = []\n"))?;
    let mut command: Vec<OsString> = vec!["env".into()];
    if traced {
        let mut variable = OsString::from("REACTOR_TRACE=");
        variable.push(&trace);
        command.push(variable);
    }
    command.extend([program.into(), NAME.into(), "--config".into(), config.into(), "--log-level".into()]);
    command.extend(["error".into(), "--log-dir".into(), scratch.0.clone().into()]);
    let server = Server::start(&command, CPU, address, &scratch.0)?;
    let mut load = Load::connect(address, shape, Talk::Iamat)?;
    load.drive(Until::Replies(replies / 5))?;
    sleep(SETTLE);
    let before = server.cpu()?;
    let run = load.drive(Until::Replies(replies))?;
    sleep(SETTLE);
    let spent = server.cpu()?.since(&before)? as f64;
    if traced && is_cut(&trace)? {
        return Err(io::Error::other(format!("{shape}: the trace was full before the end")));
    }
    Ok(spent / run.replies as f64 / 1000.0)
}

/// Whether the file has ended with the line that stands for all that did not fit.
fn is_cut(trace: &Path) -> io::Result<bool> {
    let mut file = File::open(trace)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(100)))?;
    let mut end = String::new();
    file.read_to_string(&mut end)?;
    Ok(length == 0 || end.contains("\"kind\":\"cut\""))
}

/// A directory that is removed at the end.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> io::Result<Scratch> {
        let path = std::env::temp_dir().join(format!("trace_bench-{}", std::process::id()));
        fs::create_dir_all(&path)?;
        Ok(Scratch(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
