//! `proxyherd SERVER`: runs one server of the herd. See `proxyherd --help`.
//!
//! Next: `bin/herdsim/main.rs`, the same servers in a simulated world.

use std::process::ExitCode;

fn main() -> ExitCode {
    proxyherd::cli::main(std::env::args_os().skip(1))
}
