//! Compares the CPU time that proxyherd and a tokio server (`tokio_iamat`) spend on each reply to an IAMAT, in one run
//! and under the same load. README.md says how to run it and how to read it.

mod instructions;
mod load;
mod server;

use std::env;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{self, Command};
use std::thread::sleep;
use std::time::Duration;

use load::{Load, Shape};
use server::Server;

const USAGE: &str =
    "usage: herd-bench --proxyherd PATH [--rounds N] [--requests N] [--connections N] [--only proxyherd|tokio]
       herd-bench --instructions PATH ...";
/// How long a server gets after the last reply to finish its other work, such as writing its log.
const SETTLE: Duration = Duration::from_millis(150);

struct Options {
    proxyherd: Option<PathBuf>,
    tokio: bool,
    rounds: usize,
    requests: usize,
    connections: usize,
}

impl Options {
    fn parse(mut args: impl Iterator<Item = String>) -> Option<Self> {
        let mut options = Self { proxyherd: None, tokio: true, rounds: 25, requests: 10_000, connections: 50 };
        let mut only = None;
        while let Some(option) = args.next() {
            let value = args.next()?;
            let number = || value.parse().ok().filter(|number| *number > 0);
            match option.as_str() {
                "--proxyherd" => options.proxyherd = Some(value.into()),
                "--rounds" => options.rounds = number()?,
                "--requests" => options.requests = number()?,
                "--connections" => options.connections = number().filter(|number| *number <= 500)?,
                "--only" => only = Some(value),
                _ => return None,
            }
        }
        match only.as_deref() {
            None => options.proxyherd.is_some().then_some(options),
            Some("proxyherd") => options.proxyherd.is_some().then_some(Self { tokio: false, ..options }),
            Some("tokio") => Some(Self { proxyherd: None, ..options }),
            Some(_) => None,
        }
    }
}

fn main() {
    let programs: Vec<PathBuf> = env::args_os().skip(1).map(PathBuf::from).collect();
    if let Some((_, programs)) = programs.split_first().filter(|(first, _)| *first == Path::new("--instructions")) {
        return end(in_directory(|directory| instructions::compare(programs, directory)));
    }
    let Some(options) = Options::parse(env::args().skip(1)) else {
        eprintln!("{USAGE}");
        process::exit(2);
    };
    end(in_directory(|directory| run(&options, directory)));
}

fn in_directory(f: impl FnOnce(&Path) -> io::Result<()>) -> io::Result<()> {
    let directory = env::temp_dir().join(format!("herd-bench-{}", process::id()));
    let result = fs::create_dir(&directory).and_then(|()| f(&directory));
    // It may never have been made, or may stay: the directory is temporary.
    let _ = fs::remove_dir_all(&directory);
    result
}

fn end(result: io::Result<()>) {
    if let Err(error) = result {
        eprintln!("herd-bench: {error}");
        process::exit(1);
    }
}

/// Builds the tokio server: `cargo run` builds only the program that it runs.
fn build_peer() -> io::Result<PathBuf> {
    if cfg!(debug_assertions) {
        return Err(io::Error::other("a debug build says nothing about costs: use cargo run --release"));
    }
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["build", "--quiet", "--release", "--locked", "--bin", "tokio_iamat"]);
    cargo.args(["--manifest-path", concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")]);
    if !cargo.status()?.success() {
        return Err(io::Error::other("tokio_iamat cannot be built"));
    }
    Ok(env::current_exe()?.with_file_name("tokio_iamat"))
}

fn run(options: &Options, directory: &Path) -> io::Result<()> {
    let mut servers = Vec::new();
    let peer = if options.tokio { Some(build_peer()?) } else { None };
    for logs in [true, false] {
        if let Some(path) = &options.proxyherd {
            servers.push(Server::proxyherd(path, logs, directory)?);
        }
        if let Some(path) = &peer {
            servers.push(Server::tokio(path, logs, directory)?);
        }
    }
    for server in &servers {
        load::check(server.address).map_err(|error| blame(server, &error))?;
    }
    let shapes = [
        Shape { connections: options.connections, in_flight: 1, requests: options.requests },
        Shape { connections: options.connections.div_ceil(5), in_flight: 16, requests: 2 * options.requests },
    ];

    // costs[server][shape] has one cost for each round. Each round starts with another server.
    let mut costs = vec![[const { Vec::new() }; 2]; servers.len()];
    let mut replies = 0;
    for round in 0..options.rounds {
        for (number, shape) in shapes.into_iter().enumerate() {
            for turn in 0..servers.len() {
                let at = (round + turn) % servers.len();
                let measured = measure(&servers[at], shape, &mut replies);
                costs[at][number].push(measured.map_err(|error| blame(&servers[at], &error))?);
            }
        }
        eprint!("\rround {} of {}", round + 1, options.rounds);
    }
    eprintln!();

    println!("CPU ns for each reply: median (min..max) of {} rounds", options.rounds);
    println!("{:<26}{:<32}{:<32}", "", shapes[0], shapes[1]);
    for (server, costs) in servers.iter().zip(&costs) {
        print_row(server.program, server.logs, costs, 0);
    }
    for at in 1..servers.len() {
        let [left, right] = [&servers[at - 1], &servers[at]];
        if left.logs == right.logs {
            let ratio = |shape: usize| costs[at - 1][shape].iter().zip(&costs[at][shape]).map(|(l, r)| l / r).collect();
            print_row("proxyherd / tokio", left.logs, &[ratio(0), ratio(1)], 2);
        }
    }
    for server in &servers {
        // Every server has given the same number of replies.
        let bytes = server.logged()? * servers.len() as u64 / replies as u64;
        println!("{} {}: {bytes} bytes logged for each reply", server.program, work(server.logs));
    }
    Ok(())
}

/// The CPU nanoseconds that a warm server spends on each reply. Adds the replies, with those of the warm-up, to
/// `replies`.
fn measure(server: &Server, shape: Shape, replies: &mut usize) -> io::Result<f64> {
    let mut load = Load::connect(server.address, shape)?;
    *replies += load.drive(shape.requests.div_ceil(10))?;
    sleep(SETTLE);
    let before = server.cpu()?;
    let count = load.drive(shape.requests)?;
    sleep(SETTLE);
    *replies += count;
    Ok(server.cpu()?.since(&before)? as f64 / count as f64)
}

fn blame(server: &Server, error: &io::Error) -> io::Error {
    io::Error::other(format!("{} ({}): {error}", server.program, work(server.logs)))
}

fn work(logs: bool) -> &'static str {
    if logs { "logs" } else { "no log" }
}

fn print_row(name: &str, logs: bool, columns: &[Vec<f64>; 2], digits: usize) {
    print!("{name:<18}{:<8}", work(logs));
    for column in columns {
        let mut values = column.clone();
        values.sort_by(f64::total_cmp);
        let (median, min, max) = (median(&values), values[0], values[values.len() - 1]);
        print!("{:<32}", format!("{median:.digits$} ({min:.digits$}..{max:.digits$})"));
    }
    println!();
}

/// The middle of sorted values.
fn median(sorted: &[f64]) -> f64 {
    let half = sorted.len() / 2;
    if sorted.len() % 2 == 1 { sorted[half] } else { f64::midpoint(sorted[half - 1], sorted[half]) }
}
