//! `proxyherd SERVER`: runs one server of the herd. See `proxyherd --help`.

use std::process::ExitCode;

fn main() -> ExitCode {
    proxyherd::cli::main(std::env::args_os().skip(1))
}
