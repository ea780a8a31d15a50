//! `herdsim`: runs the whole herd in a simulated world, seed after seed. See `herdsim --help`.

use std::process::ExitCode;

fn main() -> ExitCode {
    proxyherd::simulation::cli::main(std::env::args_os().skip(1))
}
