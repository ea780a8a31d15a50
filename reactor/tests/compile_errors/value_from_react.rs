//! The main function of a program returns a value at once.
//!
//! rustc: `{integer}` is not what a callback may return
//! rustc: a value is returned as `Ok(value)`

fn main() -> std::process::ExitCode {
    reactor::react(|_reactor| 42)
}
