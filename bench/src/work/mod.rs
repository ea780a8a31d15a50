//! The works: what servers are measured at. Each puts its figures into [`Results`](crate::results::Results).

pub mod accept;
pub mod flood;
pub mod idle;
pub mod pages;
pub mod programs;
pub mod replies;
pub mod whatsat;

use std::time::Duration;

/// How much time is spent on a figure.
#[derive(Clone, Copy)]
pub struct Effort {
    pub rounds: usize,
    /// The time for one measurement.
    pub time: Duration,
    pub full: bool,
}

impl Effort {
    pub const QUICK: Self = Self { rounds: 5, time: Duration::from_millis(250), full: false };
    pub const FULL: Self = Self { rounds: 7, time: Duration::from_millis(400), full: true };
}

pub fn progress(work: &str, round: usize, effort: Effort) {
    eprint!("\r{work}: round {} of {}    ", round + 1, effort.rounds);
    if round + 1 == effort.rounds {
        eprintln!();
    }
}
