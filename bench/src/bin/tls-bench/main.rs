//! Measures what a TLS handshake costs on the reactor beside bare rustls: the same certificates, the same settings, the
//! same kind of sockets, one thread, both ends in it. README.md says how to run it and how to read it.
//!
//! Next: `bare.rs` for what it is measured against, then `ours.rs`.

mod bare;
mod identity;
mod ours;

use std::env;
use std::fs;
use std::io;
use std::process;

use bare::Bare;
use identity::Identity;
use ours::Ours;

const USAGE: &str = "\
usage: tls-bench [--rounds N] [--handshakes N]
       tls-bench --instructions ours|bare fresh|resumed N";

/// The request of a client and the reply, once the handshake is done.
const QUESTION: &[u8] = b"GET / HTTP/1.1\r\nHost: bench\r\n\r\n";
const ANSWER: &[u8] = b"HTTP/1.1 204 No Content\r\n\r\n";

/// The names that the clients of one batch ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Another name each time, so that no session is resumed.
    Fresh,
    /// The same name each time, so that all sessions but the first are resumed.
    Resumed,
}

impl Kind {
    /// The name that the client number `number` of the whole run asks for.
    fn name(self, number: u64) -> String {
        match self {
            Kind::Fresh => format!("n{number}.bench.test"),
            Kind::Resumed => "same.bench.test".to_owned(),
        }
    }
}

/// A contender: makes this many connections in a row, each with a handshake, a request, a reply and a clean end.
trait Contender {
    fn run(&mut self, kind: Kind, count: u64) -> io::Result<()>;
}

/// What to do.
enum Task {
    Measure { rounds: usize, handshakes: u64 },
    Instructions { ours: bool, kind: Kind, count: u64 },
}

impl Task {
    fn parse(mut args: impl Iterator<Item = String>) -> Option<Task> {
        let (mut rounds, mut handshakes) = (25, 200);
        while let Some(option) = args.next() {
            match option.as_str() {
                "--rounds" => rounds = args.next()?.parse().ok().filter(|rounds| *rounds > 0)?,
                "--handshakes" => handshakes = args.next()?.parse().ok().filter(|count| *count > 0)?,
                "--instructions" => {
                    let ours = match args.next()?.as_str() {
                        "ours" => true,
                        "bare" => false,
                        _ => return None,
                    };
                    let kind = match args.next()?.as_str() {
                        "fresh" => Kind::Fresh,
                        "resumed" => Kind::Resumed,
                        _ => return None,
                    };
                    let count = args.next()?.parse().ok()?;
                    return args.next().is_none().then_some(Task::Instructions { ours, kind, count });
                }
                _ => return None,
            }
        }
        Some(Task::Measure { rounds, handshakes })
    }
}

fn main() {
    let Some(task) = Task::parse(env::args().skip(1)) else {
        eprintln!("{USAGE}");
        process::exit(2);
    };
    let identity = Identity::new();
    let done = match task {
        Task::Measure { rounds, handshakes } => measure(&identity, rounds, handshakes),
        Task::Instructions { ours: true, kind, count } => {
            Ours::new(&identity).and_then(|mut ours| ours.run(kind, count))
        }
        Task::Instructions { ours: false, kind, count } => {
            Bare::new(&identity).and_then(|mut bare| bare.run(kind, count))
        }
    };
    if let Err(error) = done {
        eprintln!("tls-bench: {error}");
        process::exit(1);
    }
}

fn measure(identity: &Identity, rounds: usize, handshakes: u64) -> io::Result<()> {
    if cfg!(debug_assertions) {
        return Err(io::Error::other("nothing to be learnt from a debug build: use cargo run --release"));
    }
    let mut contenders: [Box<dyn Contender>; 2] = [Box::new(Ours::new(identity)?), Box::new(Bare::new(identity)?)];
    println!("CPU us for each connection, both ends together: median of {rounds} rounds of {handshakes}");
    println!("{:<10}{:>10}{:>10}{:>10}   (middle half of the ratios)", "", "ours", "bare", "ratio");
    for kind in [Kind::Fresh, Kind::Resumed] {
        let mut costs = [const { Vec::new() }; 2];
        for contender in &mut contenders {
            contender.run(kind, handshakes)?; // Warms up.
        }
        for round in 0..rounds {
            // The contenders take turns at being first.
            for turn in 0..2 {
                let at = (round + turn) % 2;
                let before = cpu()?;
                contenders[at].run(kind, handshakes)?;
                costs[at].push((cpu()? - before) as f64 / 1000.0 / handshakes as f64);
            }
        }
        let ratios: Vec<f64> = costs[0].iter().zip(&costs[1]).map(|(ours, bare)| ours / bare).collect();
        let [ours, bare] = costs.map(|costs| quartiles(costs)[1]);
        let [low, ratio, high] = quartiles(ratios);
        let name = format!("{kind:?}").to_lowercase();
        println!("{name:<10}{ours:>10.1}{bare:>10.1}{ratio:>10.3}   ({low:.3}..{high:.3})");
    }
    Ok(())
}

/// The CPU time of this thread in nanoseconds, in user and system mode.
fn cpu() -> io::Result<u64> {
    let text = fs::read_to_string("/proc/thread-self/schedstat")?;
    let first = text.split_whitespace().next().and_then(|number| number.parse().ok());
    first.ok_or_else(|| io::Error::other("/proc/thread-self/schedstat makes no sense"))
}

fn quartiles(mut values: Vec<f64>) -> [f64; 3] {
    values.sort_by(f64::total_cmp);
    [1, 2, 3].map(|quarter| values[(values.len() - 1) * quarter / 4])
}
