//! [`for_each_seed`]: the same test in many worlds.
//!
//! Next: `testing/mod.rs`, tools for tests of a single protocol or timer.

use super::World;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;
use std::{env, thread};

/// The environment variable that names a single seed to run.
const ONE_SEED: &str = "REACTOR_SEED";

/// How many lines a failing world shows from the end of its trace.
const MAX_TRACE_LINES: usize = 60;

/// Calls `test` once for each seed, with a new world that has this seed. If a call panics, this prints the last lines
/// of that world's trace, the seed, and the command that repeats it; then the panic goes on, and no other seed is run.
///
/// With `REACTOR_SEED=17` in the environment, only seed 17 is run, whatever `seeds` says.
///
/// # Panics
/// If `test` panics, or if `REACTOR_SEED` is not a number.
pub fn for_each_seed(seeds: Range<u64>, mut test: impl FnMut(&World)) {
    match env::var(ONE_SEED) {
        Ok(seed) => in_one_world(seed.parse().unwrap_or_else(|_| panic!("{ONE_SEED}={seed} is not a seed")), &mut test),
        Err(_) => seeds.for_each(|seed| in_one_world(seed, &mut test)),
    }
}

fn in_one_world(seed: u64, test: &mut impl FnMut(&World)) {
    let world = World::new(seed);
    world.keep_trace(MAX_TRACE_LINES);
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| test(&world))) {
        for line in world.trace() {
            eprintln!("{line}");
        }
        let args: Vec<String> = env::args_os().map(|arg| arg.to_string_lossy().into_owned()).collect();
        eprintln!("seed {seed} failed; this repeats it:\n  {}", command(seed, &args, thread::current().name()));
        resume_unwind(panic);
    }
}

/// The command that runs this program in the same way with one seed. If it is a test program of cargo's, it runs only
/// the test that failed, which is the name of the thread. Other variables of the environment are not in the command.
fn command(seed: u64, args: &[String], thread: Option<&str>) -> String {
    let program = args.first().map_or("", |program| program);
    let is_test_program = Path::new(program).parent().is_some_and(|folder| folder.ends_with("deps"));
    let words = match thread.filter(|name| is_test_program && *name != "main") {
        Some(test) => vec![program, "--exact", test],
        None => args.iter().map(String::as_str).collect(),
    };
    words.iter().fold(format!("{ONE_SEED}={seed}"), |command, word| command + " " + &quoted(word))
}

/// A word, quoted for a shell if it needs that.
fn quoted(word: &str) -> String {
    let is_plain = |char: char| char.is_ascii_alphanumeric() || "_-+=:,./@%".contains(char);
    if !word.is_empty() && word.chars().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(args: &[&str], thread: Option<&str>) -> String {
        command(17, &args.iter().map(|arg| (*arg).to_owned()).collect::<Vec<_>>(), thread)
    }

    #[test]
    fn the_command_that_repeats_a_seed_is_complete() {
        let test = "/target/debug/deps/sim-0123456789abcdef";
        let whole = format!("REACTOR_SEED=17 {test} --exact faults::storms");
        assert_eq!(shown(&[test], Some("faults::storms")), whole);
        assert_eq!(
            shown(&[test, "fau", "--nocapture"], Some("faults::storms")),
            whole,
            "of many tests only the one that failed"
        );
        // With one thread, all tests run on `main`, so the name of the thread is not that of a test.
        let known = format!("REACTOR_SEED=17 {test} fau --test-threads=1");
        assert_eq!(shown(&[test, "fau", "--test-threads=1"], Some("main")), known);
        let program = ["target/release/my sim", "--name", "it's", ""];
        let known = r"REACTOR_SEED=17 'target/release/my sim' --name 'it'\''s' ''";
        assert_eq!(shown(&program, Some("worker")), known);
        assert_eq!(shown(&program, None), known);
    }
}
