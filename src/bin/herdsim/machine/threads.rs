//! The threads of the machine: many seeds at once. Each stays on the thread that began it.
//!
//! Next: `clock.rs`, how long they take.

use std::ops::Range;
use std::sync::{Mutex, PoisonError, mpsc};

/// How many cores the machine has.
pub(crate) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Maximum number of threads, whatever the command line asks for.
const MAX_THREADS: usize = 1024;

/// How many threads work on these seeds: never more than there are seeds.
pub(crate) fn threads(seeds: &Range<u64>, jobs: usize) -> usize {
    jobs.min(MAX_THREADS).min(usize::try_from(seeds.end - seeds.start).unwrap_or(usize::MAX))
}

/// Calls `one` for all seeds, on several threads. `collect` receives the results in any order. When it returns, the
/// threads stop.
pub(crate) fn each<T: Send, R>(
    seeds: Range<u64>,
    jobs: usize,
    one: impl Fn(u64) -> T + Sync,
    collect: impl FnOnce(mpsc::Receiver<(u64, T)>) -> R,
) -> R {
    let threads = threads(&seeds, jobs);
    let rest = Mutex::new(seeds);
    let (sender, receiver) = mpsc::channel();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            let (sender, rest, one) = (sender.clone(), &rest, &one);
            scope.spawn(move || {
                let next = || rest.lock().unwrap_or_else(PoisonError::into_inner).next();
                while let Some(seed) = next() {
                    if sender.send((seed, one(seed))).is_err() {
                        return;
                    }
                }
            });
        }
        drop(sender);
        collect(receiver)
    })
}

/// The results of `f` for all seeds, in any order.
pub(crate) fn map<T: Send>(seeds: Range<u64>, jobs: usize, f: impl Fn(u64) -> T + Sync) -> Vec<T> {
    each(seeds, jobs, f, |receiver| receiver.into_iter().map(|(_, said)| said).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_greatest_seeds_there_are_come_to_an_end() {
        let seeds = u64::MAX - 3..u64::MAX;
        let mut all = map(seeds.clone(), 8, |seed| seed);
        all.sort_unstable();
        assert_eq!(all, [u64::MAX - 3, u64::MAX - 2, u64::MAX - 1]);
        assert_eq!((threads(&seeds, 1_000_000), threads(&(0..u64::MAX), 7)), (3, 7));
    }
}
