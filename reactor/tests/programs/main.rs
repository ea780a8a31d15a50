//! Random programs against a model of the contract.
//!
//! A *program* is what two hosts do in a simulated world, drawn from a seed: they open, write, pause, half-close,
//! abort, panic, fire, cancel and stop from inside every callback. The *contract* (`contract/`) looks on, and says what
//! the documents do not allow. A difference is a fault of the reactor, or something that the documents must say.
//!
//! `PROGRAMS=100000 cargo test --release -p deferred-reactor --test programs` runs as many programs as that.
//! `PROGRAM=17` runs the program of one seed alone.

mod actors;
mod acts;
mod contract;
mod draw;
mod identity;
mod mistakes;
mod play;
mod program;
mod requests;
mod shrink;
mod stage;

use mistakes::Mistake;
use program::Program;
use std::env;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

const DEFAULT_COUNT: u64 = 300;
/// No more programs are run when this many differ.
const MAX_REPORTS: usize = 3;

/// The number in a variable of the environment.
fn number(variable: &str) -> Option<u64> {
    let text = env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable}={text} is not a number")))
}

/// What there is to say of a program that differs: it is made smaller first.
fn report(program: &Program) -> String {
    let differs = |program: &Program| play::play(program, false, None).difference.is_some();
    let small = shrink::shrink(program.clone(), differs);
    let outcome = play::play(&small, true, None);
    let difference = outcome.difference.unwrap_or_default();
    format!("{small}\n{}\n\n{difference}\nPROGRAM={} repeats it", outcome.log.join("\n"), program.seed)
}

#[test]
fn random_programs_keep_to_the_contract() {
    play::watch_panics();
    let seeds = match number("PROGRAM") {
        Some(seed) => seed..seed + 1,
        None => 1..1 + number("PROGRAMS").unwrap_or(DEFAULT_COUNT),
    };
    let next = AtomicU64::new(seeds.start);
    let callbacks = AtomicU64::new(0);
    let differing = Mutex::new(Vec::new());
    let threads = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while differing.lock().unwrap().len() < MAX_REPORTS {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end {
                        break;
                    }
                    let outcome = play::play(&draw::draw(seed), false, None);
                    callbacks.fetch_add(outcome.callback_count, Ordering::Relaxed);
                    if outcome.difference.is_some() {
                        differing.lock().unwrap().push(seed);
                    }
                }
            });
        }
    });
    println!("{} programs, {} callbacks", seeds.end - seeds.start, callbacks.into_inner());
    let differing = differing.into_inner().unwrap();
    let reports: Vec<String> = differing.iter().map(|seed| report(&draw::draw(*seed))).collect();
    assert!(reports.is_empty(), "{}", reports.join("\n\n"));
}

#[test]
fn the_contract_notices_every_mistake() {
    play::watch_panics();
    let is_missed = |mistake: &Mistake| {
        let notices = |seed| play::play(&draw::draw(seed), false, Some(*mistake)).difference.is_some();
        !(1..1 + DEFAULT_COUNT).any(notices)
    };
    let missed: Vec<Mistake> = Mistake::ALL.into_iter().filter(is_missed).collect();
    assert!(missed.is_empty(), "not noticed: {missed:?}");
}
