//! [`for_each_seed`]: the same test in many worlds.

use super::World;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// Names the one seed to be run, in the environment.
const ONE_SEED: &str = "REACTOR_SEED";

/// How many of the last lines of its trace a failing world shows.
const LINES: usize = 60;

/// Runs `test` with a new world for each seed. If it panics, the last lines of that world's trace and the seed are
/// printed, and the panic goes on.
///
/// With `REACTOR_SEED=17` in the environment, only seed 17 is run.
///
/// # Panics
/// If `test` does, or if `REACTOR_SEED` is no number.
pub fn for_each_seed(seeds: Range<u64>, mut test: impl FnMut(&World)) {
    let seeds = match std::env::var(ONE_SEED) {
        Ok(seed) => {
            let seed = seed.parse().unwrap_or_else(|_| panic!("{ONE_SEED}={seed} is no seed"));
            seed..seed + 1
        }
        Err(_) => seeds,
    };
    for seed in seeds {
        let world = World::new(seed);
        world.keep_trace(LINES);
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| test(&world))) {
            for line in world.trace() {
                eprintln!("{line}");
            }
            eprintln!("seed {seed} failed; this repeats it: {ONE_SEED}={seed} and the same command");
            resume_unwind(panic);
        }
    }
}
