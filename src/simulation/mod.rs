//! The whole herd in a world that a seed decides ([`reactor::sim`]): the very servers that ship, the Places provider
//! that ships, clients that are unkind on purpose, and faults of every kind; and what must hold in every run.
//!
//! ```text
//!   seed --> links, delays, faults (faults.rs), visits (workload.rs, clients.rs)
//!                                  |
//!            World: Server Server Server ... (herd.rs) --watch--> Book (book.rs): what is newer, who holds what,
//!                                  |                               how many lines there may be
//!            heals, converges, falls silent, stops (run.rs) -----> invariants.rs
//! ```
//!
//! ```
//! use proxyherd::simulation::{Scenario, run};
//!
//! let outcome = run(7, &Scenario { minutes: 3, ..Scenario::default() }).unwrap();
//! assert_eq!(outcome.failure, None);
//! ```
//!
//! The program `herdsim` runs many seeds ([`cli`]), and shows what other rules than the one that ships lead to.
//!
//! # What is not simulated
//!
//! The log file and the command line of a server; operating systems that lie; disks, as a server has none. A callback
//! takes no time. TLS between a server and its own Places provider is real, and draws its keys from the system: its
//! bytes differ from run to run, its lengths and times do not.
//!
//! Next: `run.rs`, then `book.rs`.

mod answers;
mod book;
pub mod cli;
mod clients;
mod faults;
mod feeder;
mod growth;
mod herd;
mod invariants;
mod jobs;
mod life;
mod model;
mod output;
mod panics;
mod report;
mod run;
mod storm;
mod topology;
mod workload;

pub use book::Count;
pub use invariants::{CONVERGES_WITHIN, DELAYS_A_LINK, Failure, Invariant, QUIET};
pub use run::{FEWEST_MINUTES, Outcome, Scenario, run};
pub use topology::{Links, MOST_SERVERS, Topology};

#[cfg(test)]
mod tests;
