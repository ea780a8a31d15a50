//! `herdsim`: runs the whole herd in a simulated world, seed after seed, and checks what must hold. See
//! `herdsim --help`.
//!
//! The servers are the very [`Server`](proxyherd::server::Server)s that ship, with the Places provider that ships. The
//! world is [`reactor::sim`]: a network and a clock that the seed decides. The clients are unkind on purpose, and
//! faults of every kind happen.
//!
//! ```text
//!   seed --> delays, faults (faults/), visits (clients/)
//!                                  |
//!            World: Server Server Server ... (herd/) --Watch--> Book (book/): which version is newer, where it is,
//!                                  |                                          how many lines may be sent
//!            heals, converges, falls silent, stops (run/) ----> Invariant (book/invariants.rs)
//! ```
//!
//! The folders, lowest layer first; each uses only those listed before it:
//!
//! | Folder | |
//! |---|---|
//! | `machine/` | the real machine on which all of this runs: its threads, its clock, its standard output |
//! | `herd/` | the servers in their world |
//! | `lessons/` | what rules other than the one that ships lead to |
//! | `book/` | what is true, and what must hold |
//! | `clients/` | what clients do |
//! | `faults/` | what goes wrong, and when |
//! | `run/` | one seed, and many |
//! | `page/` | a run under the mouse |
//! | this one | the command line |
//!
//! # What is not simulated
//!
//! The log file and the command line of a server; operating systems that misbehave; disks, because a server has none. A
//! callback takes no time. TLS between a server and its own Places provider is real, and draws its keys from the
//! system: its bytes differ from run to run, its lengths and times do not.
//!
//! Next: `herd/mod.rs`, the servers in their world.

#![deny(missing_docs, missing_debug_implementations, unreachable_pub, rust_2018_idioms)]

use std::process::ExitCode;

mod book;
mod cli;
mod clients;
mod faults;
mod herd;
mod lessons;
mod machine;
mod page;
mod run;

fn main() -> ExitCode {
    cli::main(std::env::args_os().skip(1))
}

#[cfg(test)]
mod tests;
