//! Measures this library and this herd beside other people's servers, all in one run, and writes what came of it.
//! README.md says how to run it and how to read it.

mod instructions;
mod load;
mod machine;
#[path = "bin/https-bench/nginx.rs"]
mod nginx;
mod page;
mod peers;
mod plot;
mod results;
mod server;
mod talk;
mod work;

use std::env;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process;

use page::{ECHO, IAMAT, Report};
use peers::{ECHOES, FLOOR, HERDS, PAGES, Peer, Tools};
use results::Results;
use work::{Effort, accept, flood, idle, pages, programs, replies, whatsat};

const USAGE: &str = "usage: herd-bench [--full] [--only WORK,...] [--peers NAME,...] [--write]
                  [--python PYTHON] [--node NODE] [--proxyherd PROGRAM]
       herd-bench --instructions PROXYHERD ...
works: echo, IAMAT, WHATSAT, HTTP, accept, idle, flood, programs";
const WORKS: [&str; 8] = [ECHO, IAMAT, whatsat::WORK, pages::WORK, accept::WORK, idle::WORK, flood::WORK, PROGRAMS];
const PROGRAMS: &str = "programs";
/// The root of the repository.
const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

struct Options {
    effort: Effort,
    works: Vec<String>,
    /// The peers to measure besides those that they are compared with; all if it is empty.
    peers: Vec<String>,
    write: bool,
    python: String,
    node: String,
    proxyherd: Option<PathBuf>,
}

impl Options {
    fn parse(mut arguments: impl Iterator<Item = String>) -> Option<Self> {
        let list = |value: String| value.split(',').map(str::to_owned).collect();
        let mut options = Self {
            effort: Effort::QUICK,
            works: WORKS.map(str::to_owned).to_vec(),
            peers: Vec::new(),
            write: false,
            python: "python3".to_owned(),
            node: "node".to_owned(),
            proxyherd: None,
        };
        while let Some(option) = arguments.next() {
            match option.as_str() {
                "--full" => options.effort = Effort::FULL,
                "--write" => options.write = true,
                "--only" => options.works = list(arguments.next()?),
                "--peers" => options.peers = list(arguments.next()?),
                "--python" => options.python = arguments.next()?,
                "--node" => options.node = arguments.next()?,
                "--proxyherd" => options.proxyherd = Some(arguments.next()?.into()),
                _ => return None,
            }
        }
        let known = |name: &String| ECHOES.iter().chain(HERDS).chain(PAGES).any(|(peer, _)| peer == name);
        let works_are_known = options.works.iter().all(|work| WORKS.contains(&work.as_str()));
        (works_are_known && options.peers.iter().all(known)).then_some(options)
    }

    fn does(&self, work: &str) -> bool {
        self.works.iter().any(|wanted| wanted == work)
    }

    fn wants(&self, peer: &str) -> bool {
        peer == FLOOR
            || peer == pages::COMPARED
            || self.peers.is_empty()
            || self.peers.iter().any(|wanted| wanted == peer)
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
    end(machine::settle().and_then(|()| in_directory(|directory| run(&options, directory))));
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

fn run(options: &Options, scratch: &Path) -> io::Result<()> {
    let tools = prepare(options, scratch)?;
    let effort = options.effort;
    let mut results = Results::default();
    let chosen = |peers: &[(&'static str, &str)]| -> Vec<&'static str> {
        peers.iter().map(|(name, _)| *name).filter(|name| options.wants(name)).collect()
    };
    let (echoes, herds) = (chosen(ECHOES), chosen(HERDS));
    let shapes = replies::shapes(effort);
    if options.does(ECHO) {
        let mut peers = start(&tools, ECHO, &echoes, &mut results);
        replies::measure(ECHO, &mut peers, &shapes, effort, &mut results);
    }
    if options.does(IAMAT) {
        let mut peers = start(&tools, IAMAT, &[&[FLOOR], &herds[..]].concat(), &mut results);
        try_out(&mut peers, &mut results);
        replies::measure(IAMAT, &mut peers, &shapes, effort, &mut results);
    }
    if options.does(whatsat::WORK) {
        whatsat::measure(&tools, effort, &mut results);
    }
    if options.does(pages::WORK) {
        let peers = start(&tools, pages::WORK, &chosen(PAGES), &mut results);
        pages::measure(peers, effort, &mut results);
    }
    if options.does(accept::WORK) {
        let mut peers = start(&tools, accept::WORK, &[&echoes[..], &herds[..]].concat(), &mut results);
        accept::measure(&mut peers, effort, &mut results);
    }
    if options.does(idle::WORK) {
        idle::measure(&tools, &[&echoes[..], &herds[..]].concat(), &mut results);
    }
    if options.does(flood::WORK) {
        flood::measure(&tools, effort, &mut results);
    }
    let programs = if options.does(PROGRAMS) { programs::run(&tools, effort) } else { Vec::new() };
    let facts = [machine::describe(), tools.versions()].concat();
    let command = if effort.full { "cargo run --release -- --full --write" } else { "cargo run --release" };
    let report = Report { results: &results, programs: &programs, facts: &facts, command, effort };
    if options.write {
        return report.write(&Path::new(ROOT).join("docs"));
    }
    println!("{}", report.text());
    Ok(())
}

/// Builds what is ours, and finds what is not.
fn prepare(options: &Options, scratch: &Path) -> io::Result<Tools> {
    if cfg!(debug_assertions) {
        return Err(io::Error::other("a debug build says nothing about costs: use cargo run --release"));
    }
    // `cargo run` has built only this program.
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    let servers = ["echo_ours", "echo_tokio", "tokio_iamat", "http_ours", "http_hyper"];
    let others = if options.does(PROGRAMS) { programs::names() } else { Vec::new() };
    let bins = servers.into_iter().chain(others).flat_map(|name| ["--bin", name]);
    peers::cargo(&["build", "--manifest-path", manifest].into_iter().chain(bins).collect::<Vec<_>>(), None)?;
    let proxyherd = match &options.proxyherd {
        Some(program) => program.clone(),
        None => {
            peers::cargo(&["build", "--bin", "proxyherd", "--manifest-path", &format!("{ROOT}/Cargo.toml")], None)?;
            Path::new(ROOT).join("target/release/proxyherd")
        }
    };
    let built = env::current_exe()?.with_file_name("peers");
    fs::create_dir_all(&built)?;
    let (python, node) = (options.python.clone(), options.node.clone());
    Ok(Tools { python, node, proxyherd, built, scratch: scratch.to_owned() })
}

/// Starts all that can be started.
fn start(tools: &Tools, work: &str, names: &[&'static str], results: &mut Results) -> Vec<Peer> {
    let mut peers = Vec::new();
    for name in names {
        match tools.start(name) {
            Ok(peer) => peers.push(peer),
            Err(error) => results.fail(work, name, &error.to_string()),
        }
    }
    peers
}

/// Leaves out a server that does not tell good IAMATs from bad ones: it would do less work than the others.
fn try_out(peers: &mut Vec<Peer>, results: &mut Results) {
    peers.retain(|peer| {
        let tried = if peer.name == FLOOR { Ok(()) } else { talk::try_out(peer.server.address) };
        tried.map_err(|error| results.fail(IAMAT, peer.name, &error.to_string())).is_ok()
    });
}
