//! The chaos run: the paper's herd as real processes, a proxy on each link that cuts, stalls, half-closes, resets and
//! drips, servers that are killed, frozen, told to end, starved of descriptors or of disk; and books that say whether
//! the herd has kept its promises. Where network namespaces can be had, each server is on a host of its own: somebody
//! pulls its cable, and the names of three of its neighbors are asked of a name server that never answers (network.rs).
//!
//! ```text
//!   clients.rs --IAMAT, WHATSAT--> five processes (servers.rs) --AT--> ten proxies (links.rs) --AT--> the others
//!       |                                  ^                                  ^
//!       |                                  +------ faults.rs -----------------+
//!       +--> book.rs: never backwards; when all is mended, the same on all servers; nothing acknowledged is lost
//! ```
//!
//! The driver is one program on one reactor of the library. `cargo test` runs it for a few seconds. For longer:
//!
//! ```text
//! cargo test --test chaos -- --minutes 60 [--seed N] [--store] [--no-kills | --calm]
//! cargo test --release --test chaos -- --attacks [--store] [--only NAME] [--clients N]
//! ```
//!
//! With `--no-kills` no server is restarted, so that their memory and descriptors can be compared from the beginning to
//! the end. With `--calm` nothing goes wrong at all: then memory may grow by one part in a hundred, and no callback may
//! take ten milliseconds. That needs a quiet machine.
//!
//! With `--attacks` somebody abuses a server in thirteen ways, one after the other, while honest clients use it: see
//! `attacks.rs`. That takes some eight minutes, and a quiet machine, too.
//!
//! With `--store` there is a store beside the herd, a real `redis-server`; it is frozen now and then, or killed and
//! started again. A server that cannot reach it may know less than it has said; when all is mended, nothing may be
//! missing.
//!
//! The judge has been judged: with `tests/mutants/no_exchange.patch` in a copy, a run of half a minute finds that the
//! servers do not agree.

#[cfg(unix)]
mod attackers;
#[cfg(unix)]
mod attacks;
#[cfg(unix)]
mod book;
#[cfg(unix)]
mod clients;
#[cfg(unix)]
mod faults;
#[cfg(unix)]
mod honest;
#[cfg(unix)]
mod links;
#[cfg(unix)]
mod network;
#[cfg(unix)]
mod options;
#[cfg(unix)]
mod random;
#[cfg(unix)]
mod rounds;
#[cfg(unix)]
mod servers;
#[cfg(unix)]
mod soak;
#[cfg(unix)]
mod store;

#[cfg(unix)]
fn main() -> std::process::ExitCode {
    rounds::main()
}

/// Its faults are signals.
#[cfg(not(unix))]
fn main() {
    println!("SKIPPED, not passed: this system has no UNIX signals");
}
