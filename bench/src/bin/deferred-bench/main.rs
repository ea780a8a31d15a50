//! Measures what a Deferred costs beside its peers: Twisted's own, V8's promises and the `futures` crate, all in one
//! run. README.md says how to run it and how to read it.
//!
//! Next: `shapes.rs` for what is measured, then `ours.rs`.

mod awaits;
mod contender;
mod ours;
mod peer;
mod rust_futures;
mod shapes;
mod table;

use std::env;
use std::io;
use std::process;

use contender::Contender;
use peer::Peer;
use shapes::{SHAPES, Shape};

const USAGE: &str = "\
usage: deferred-bench [--python PYTHON] [--node NODE] [--rounds N] [--only SHAPE]
       deferred-bench --instructions SHAPE N [--inlined]
       deferred-bench --shapes";

/// What to do.
enum Task {
    /// Measure all that is here.
    Measure { python: String, node: String, rounds: usize, only: Option<String> },
    /// Run one shape of ours and nothing else, for a caller that counts instructions.
    Instructions { shape: String, count: u64, inlined: bool },
    /// Name the shapes of ours that can be run.
    Shapes,
}

impl Task {
    fn parse(mut args: impl Iterator<Item = String>) -> Option<Self> {
        let (mut python, mut node) = ("python3".to_owned(), "node".to_owned());
        let (mut rounds, mut only, mut instructions, mut inlined) = (25, None, None, false);
        while let Some(option) = args.next() {
            match option.as_str() {
                "--python" => python = args.next()?,
                "--node" => node = args.next()?,
                "--rounds" => rounds = args.next()?.parse().ok().filter(|rounds| *rounds > 0)?,
                "--only" => only = Some(args.next().filter(|name| SHAPES.iter().any(|shape| shape.name == *name))?),
                "--instructions" => instructions = Some((args.next()?, args.next()?.parse().ok()?)),
                "--inlined" => inlined = true,
                "--shapes" => return Some(Self::Shapes),
                _ => return None,
            }
        }
        match instructions {
            Some((shape, count)) => Some(Self::Instructions { shape, count, inlined }),
            None if inlined => None,
            None => Some(Self::Measure { python, node, rounds, only }),
        }
    }
}

fn main() {
    let Some(task) = Task::parse(env::args().skip(1)) else {
        eprintln!("{USAGE}\nshapes: {}", SHAPES.map(|shape| shape.name).join(", "));
        process::exit(2);
    };
    let done = match task {
        Task::Measure { python, node, rounds, only } => measure(&python, &node, rounds, only.as_deref()),
        Task::Instructions { shape, count, inlined } => run_alone(&shape, count, inlined),
        Task::Shapes => {
            ours::works::<true>().iter().for_each(|work| println!("{}", work.shape));
            Ok(())
        }
    };
    if let Err(error) = done {
        eprintln!("deferred-bench: {error}");
        process::exit(1);
    }
}

fn run_alone(shape: &str, count: u64, inlined: bool) -> io::Result<()> {
    let works = if inlined { ours::works::<false>() } else { ours::works::<true>() };
    let work = works.iter().find(|work| work.shape == shape);
    let work = work.ok_or_else(|| io::Error::other(format!("{shape}: no such shape of ours, see --shapes")))?;
    (work.run)(count);
    Ok(())
}

fn measure(python: &str, node: &str, rounds: usize, only: Option<&str>) -> io::Result<()> {
    if cfg!(debug_assertions) {
        return Err(io::Error::other("nothing to be learnt from a debug build: use cargo run --release"));
    }
    let mut contenders = [
        Contender::here("ours", version_of(&["deferred-reactor"]), ours::works::<true>())?,
        Contender::here("inlined", "ours, with the whole chain in the compiler's sight", ours::works::<false>())?,
        Contender::here("futures", version_of(&["futures-util", "futures-channel"]), rust_futures::works())?,
        Contender::script("V8", Peer::start(node, &["--input-type=module", "-e", include_str!("promises.mjs")])?),
        Contender::script("Twisted", Peer::start(python, &["-c", include_str!("twisted_deferreds.py")])?),
    ];
    let shapes: Vec<Shape> = SHAPES.into_iter().filter(|shape| only.is_none_or(|only| only == shape.name)).collect();
    for contender in &mut contenders {
        for shape in &shapes {
            contender.calibrate(shape.name)?;
        }
    }

    // nanos[contender][shape] has one cost for each round. Each round starts with another contender.
    let mut nanos = vec![vec![Vec::new(); shapes.len()]; contenders.len()];
    for round in 0..rounds {
        for (number, shape) in shapes.iter().enumerate() {
            for turn in 0..contenders.len() {
                let at = (round + turn) % contenders.len();
                nanos[at][number].extend(contenders[at].measure(shape.name)?);
            }
        }
        eprint!("\rround {} of {rounds}", round + 1);
    }
    eprintln!();
    table::print(&shapes, &contenders, &nanos, rounds);
    Ok(())
}

/// Names and versions of packages, from the lock file that this was built with.
fn version_of(packages: &[&str]) -> String {
    const LOCK: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.lock"));
    let version = |name: &&str| {
        let entry = LOCK.split_once(&format!("name = \"{name}\"\nversion = \"")).map(|(_, entry)| entry);
        let version = entry.and_then(|entry| entry.split('"').next());
        format!("{name} {}", version.unwrap_or("of unknown version"))
    };
    packages.iter().map(version).collect::<Vec<_>>().join(", ")
}
