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
//!            World: Server Server Server ... (herd/) --Watch--> Book (book/): which version is newer, who holds it,
//!                                  |                                          how many lines may be sent
//!            heals, converges, falls silent, stops (run/) ----> Invariant (book/invariants.rs)
//! ```
//!
//! `lessons/` shows what rules other than the one that ships lead to. `machine/` is the real machine on which all of
//! this runs: its threads, its clock and its standard output.
//!
//! Folders use each other in one direction only: `herd`, then `book`, `clients`, `faults`, `run`; `machine` uses none
//! of them. `cli.rs`, at the top, uses all.
//!
//! # What is not simulated
//!
//! The log file and the command line of a server; operating systems that misbehave; disks, because a server has none. A
//! callback takes no time. TLS between a server and its own Places provider is real, and draws its keys from the
//! system: its bytes differ from run to run, its lengths and times do not.
//!
//! Next: `herd/mod.rs`, the servers in their world.

use std::process::ExitCode;

mod book;
mod cli;
mod clients;
mod faults;
mod herd;
mod lessons;
mod machine;
mod run;

fn main() -> ExitCode {
    cli::main(std::env::args_os().skip(1))
}

#[cfg(test)]
mod tests;
