//! A callback that holds the loop, in tests that measure for how long it did.

use std::time::{Duration, Instant};

/// Holds the thread without sleeping, and tells for how long it did.
pub fn hold(time: Duration) -> Duration {
    let begin = Instant::now();
    while begin.elapsed() < time {
        std::hint::spin_loop();
    }
    begin.elapsed()
}

/// Repeats `measure`, which returns what it saw, for how long its program held the loop, and for how long by the trace, until
/// both times agree within 2 ms. On a busy machine the thread may lose its processor between the two readings of the clock;
/// it does not do so twenty times in a row.
pub fn agreed<T>(mut measure: impl FnMut() -> (T, Duration, Duration)) -> T {
    let mut errors = Vec::new();
    while errors.len() < 20 {
        let (seen, by_program, by_trace) = measure();
        let error = by_program.abs_diff(by_trace);
        if error < Duration::from_millis(2) {
            return seen;
        }
        errors.push(error);
    }
    panic!("the trace is wrong by {errors:?}");
}
