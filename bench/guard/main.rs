//! The guard: no path may take more instructions than `counts.txt` says. It measures twelve paths under callgrind and
//! fails if one of them takes over three percent more, with the functions that grew.
//!
//! ```text
//! cargo run --release --example guard                # compare
//! cargo run --release --example guard -- --record    # after a change that is worth its price: write counts.txt anew
//! cargo run --release --example guard -- --traced    # what each path takes while it writes a trace
//! ```
//!
//! Instructions and not time: the same program gives the same count beside any load. But the count depends on the
//! compiler, on the system's library, on valgrind and on what the CPU can do. `counts.txt` names those for which it
//! was recorded. With others the guard says SKIPPED, not passed: record the counts of the version before your change,
//! and compare with those.
//!
//! Each path runs twice, with a small and a large number of operations. The difference contains neither the start of the
//! program nor its end.

#[cfg(unix)]
mod callgrind;
#[cfg(unix)]
mod recorded;
#[cfg(unix)]
mod server_paths;
#[cfg(unix)]
mod shapes;

use std::process::ExitCode;

#[cfg(unix)]
fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let result = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["--serve", ..] => return proxyherd::cli::main(arguments.iter().skip(1).map(Into::into)),
        ["--shape", name, count] => shapes::run(name, count),
        _ if cfg!(debug_assertions) => Err("a debug build says nothing about costs: use cargo run --release".into()),
        ["--record"] => guard::record(),
        ["--traced"] => guard::traced(),
        [] => guard::compare(),
        _ => Err("usage: guard [--record | --traced]".into()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("guard: {error}");
            ExitCode::FAILURE
        }
    }
}

/// It needs valgrind.
#[cfg(not(unix))]
fn main() -> ExitCode {
    println!("SKIPPED, not passed: this system has no valgrind");
    ExitCode::SUCCESS
}

#[cfg(unix)]
mod guard {
    use super::callgrind::{self, Cost};
    use super::recorded::{Counts, Machine};
    use super::{server_paths, shapes};
    use std::error::Error;

    /// A path may take this much more than recorded.
    const ALLOWED: f64 = 1.03;

    pub(super) fn record() -> Result<(), Box<dyn Error>> {
        let mut counts = Counts { machine: Machine::this()?, paths: Vec::new() };
        for path in paths() {
            let cost = (path.measure)()?;
            println!("{:<16}{:>10.0}", path.name, cost.total);
            counts.paths.push((path.name.to_owned(), cost));
        }
        counts.write()
    }

    pub(super) fn compare() -> Result<(), Box<dyn Error>> {
        let recorded = Counts::read()?;
        let machine = match Machine::this() {
            Ok(machine) if machine == recorded.machine => machine,
            Ok(machine) => {
                let there = &recorded.machine;
                println!("SKIPPED, not passed: the counts are those of\n{there}\nand this is\n{machine}");
                return Ok(());
            }
            Err(error) => {
                println!("SKIPPED, not passed: {error}");
                return Ok(());
            }
        };
        println!("{machine}\n{:<16}{:>10}{:>10}", "instructions", "recorded", "now");
        let mut grown = Vec::new();
        for path in paths() {
            let before = recorded.of(path.name)?;
            let mut now = (path.measure)()?;
            if is_more(&now, before) {
                // A timer that came due on a busy machine adds to a count, and nothing takes away from it.
                let again = (path.measure)()?;
                now = if again.total < now.total { again } else { now };
            }
            let percent = (now.total / before.total - 1.0) * 100.0;
            println!("{:<16}{:>10.0}{:>10.0} {percent:>+6.1} %", path.name, before.total, now.total);
            if is_more(&now, before) {
                now.grown_since(before).for_each(|(name, more)| println!("    {more:>+8.0} {name}"));
                grown.push(path.name);
            }
        }
        match grown.is_empty() {
            true => Ok(()),
            false => Err(format!("over three percent more instructions than recorded: {}", grown.join(", ")).into()),
        }
    }

    /// What a trace into a file costs. Nothing is recorded: the ratio means something on any machine.
    pub(super) fn traced() -> Result<(), Box<dyn Error>> {
        println!("{}\n{:<16}{:>10}{:>10}", Machine::this()?, "instructions", "untraced", "traced");
        for path in paths() {
            let (untraced, traced) = ((path.measure)()?.total, callgrind::traced(&path.measure)?.total);
            println!("{:<16}{untraced:>10.0}{traced:>10.0} {:>6.1} times", path.name, traced / untraced);
        }
        Ok(())
    }

    fn is_more(now: &Cost, before: &Cost) -> bool {
        now.total > before.total * ALLOWED
    }

    /// Something that is measured: one operation of it.
    pub(super) struct Path {
        pub(super) name: &'static str,
        pub(super) measure: Box<dyn Fn() -> Result<Cost, Box<dyn Error>>>,
    }

    fn paths() -> impl Iterator<Item = Path> {
        server_paths::all().chain(shapes::all())
    }
}
