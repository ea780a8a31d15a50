//! Compares the CPU time of GETs over one kept TLS connection to a local nginx: the Agent of `reactor` and hyper with
//! tokio-rustls, in one process, on one thread each, in turn. ../../../README.md says how to run and read it.

mod hyper_peer;
mod nginx;
mod ours;

use std::io;
use std::net::SocketAddr;
use std::process;
use std::{env, fs};

use nginx::Nginx;

const USAGE: &str = "usage: https-bench [--rounds N] [--requests N] [--only reactor|hyper]";

/// The sizes that are fetched: the response of a Places service is a few KiB for one place and some 40 KiB for twenty.
const SIZES: [usize; 3] = [200, 4 * 1024, 40 * 1024];

/// Something that gets a page again and again over a connection that it keeps.
pub trait Client {
    /// Gets the page this many times, one after the other.
    fn get(&mut self, path: &str, times: usize) -> Result<Spent, Box<dyn std::error::Error>>;
}

/// The cost and the result of a number of GETs.
pub struct Spent {
    pub bytes: usize,
    /// CPU time of the thread that made them.
    pub nanos: u64,
}

/// Number of open connections to a server at this address.
fn connections_to(address: SocketAddr) -> io::Result<usize> {
    let mut count = 0;
    for line in fs::read_to_string("/proc/net/tcp")?.lines().skip(1) {
        // "sl local_address rem_address st": 01 is an established connection.
        let fields: Vec<&str> = line.split_whitespace().collect();
        let local = format!("0100007F:{:04X}", address.port());
        count += usize::from(fields.len() > 3 && fields[1] == local && fields[3] == "01");
    }
    Ok(count)
}

/// Where the file of this size is.
fn path(size: usize) -> String {
    format!("/{size}.json")
}

fn main() {
    let mut rounds = 25;
    let mut requests = 1000;
    let mut only = None;
    let mut args = env::args().skip(1);
    while let Some(option) = args.next() {
        let value = args.next().unwrap_or_default();
        let number = value.parse::<usize>().ok().filter(|number| *number > 0);
        match (option.as_str(), number, value.as_str()) {
            ("--rounds", Some(number), _) => rounds = number,
            ("--requests", Some(number), _) => requests = number,
            ("--only", _, "reactor" | "hyper") => only = Some(value),
            _ => {
                eprintln!("{USAGE}");
                process::exit(2);
            }
        }
    }
    if cfg!(debug_assertions) {
        eprintln!("https-bench: nothing to be learnt from a debug build: use cargo run --release");
        process::exit(1);
    }
    if let Err(error) = run(rounds, requests, only.as_deref()) {
        eprintln!("https-bench: {error}");
        process::exit(1);
    }
}

fn run(rounds: usize, requests: usize, only: Option<&str>) -> Result<(), Box<dyn std::error::Error>> {
    let nginx = Nginx::start(&SIZES.map(|size| (path(size), vec![b'x'; size])))?;
    let mut clients: Vec<(&str, Box<dyn Client>)> = Vec::new();
    if only != Some("hyper") {
        clients.push(("reactor", Box::new(ours::Ours::connect(&nginx)?)));
    }
    if only != Some("reactor") {
        clients.push(("hyper", Box::new(hyper_peer::HyperClient::connect(&nginx)?)));
    }
    let mut costs = [const { [const { Vec::new() }; SIZES.len()] }; 2];
    for round in 0..rounds {
        for (number, size) in SIZES.into_iter().enumerate() {
            for turn in 0..clients.len() {
                let at = (round + turn) % clients.len();
                let (name, client) = &mut clients[at];
                let path = path(size);
                client.get(&path, requests.div_ceil(10))?;
                let Spent { bytes, nanos } = client.get(&path, requests)?;
                if bytes != size * requests {
                    return Err(format!("{name} got {bytes} bytes instead of {requests} times {size}").into());
                }
                costs[at][number].push(nanos as f64 / requests as f64);
            }
        }
        eprint!("\rround {} of {rounds}", round + 1);
    }
    eprintln!();
    if connections_to(nginx.address)? != clients.len() {
        return Err("a client did not keep its connection".into());
    }

    println!("CPU ns for each GET over one kept TLS connection: median (min..max) of {rounds} rounds");
    println!("{:<20}{}", "", SIZES.map(|size| format!("{:<28}", format!("{size} bytes"))).concat());
    for ((name, _), costs) in clients.iter().zip(&costs) {
        println!("{name:<20}{}", costs.each_ref().map(|costs| format!("{:<28}", summary(costs, 0))).concat());
    }
    if clients.len() < 2 {
        return Ok(());
    }
    let ratios: Vec<String> = (0..SIZES.len())
        .map(|size| costs[0][size].iter().zip(&costs[1][size]).map(|(ours, theirs)| ours / theirs).collect())
        .map(|ratios: Vec<f64>| format!("{:<28}", summary(&ratios, 2)))
        .collect();
    println!("{:<20}{}", "reactor / hyper", ratios.concat());
    Ok(())
}

/// The CPU time of this thread in nanoseconds.
pub fn cpu() -> io::Result<u64> {
    let stat = fs::read_to_string("/proc/thread-self/schedstat")?;
    let nanos = stat.split(' ').next().and_then(|on_cpu| on_cpu.parse().ok());
    nanos.ok_or_else(|| io::Error::other(format!("schedstat: {stat:?}")))
}

fn summary(figures: &[f64], digits: usize) -> String {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    let (min, max) = (sorted[0], sorted[sorted.len() - 1]);
    format!("{:.digits$} ({min:.digits$}..{max:.digits$})", sorted[sorted.len() / 2])
}
