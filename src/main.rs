//! `proxyherd SERVER`: runs one server of the herd. See `proxyherd --help`.
//!
//! Next: `bin/herdsim/main.rs`, the same servers in a simulated world.

#![deny(missing_docs, missing_debug_implementations, unreachable_pub, rust_2018_idioms)]

use std::process::ExitCode;

/// Without it, a server keeps for ever most of the memory that a crowd has made it use once.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    proxyherd::cli::main(std::env::args_os().skip(1))
}
