//! How the program ends: what it prints, and why it failed.
//!
//! Next: `cli/event_loop.rs`, the event loop of each command.

use std::io::Write;

/// Why the program ends without success.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// The command line is wrong. The exit code is 2.
    Usage(String),
    /// Anything else. The exit code is 1.
    Failed(String),
}

impl From<String> for Error {
    fn from(what: String) -> Error {
        Error::Failed(what)
    }
}

/// Prints. Does not panic if standard output is closed.
pub(super) fn print(text: &[u8]) {
    let _ = std::io::stdout().write_all(text);
}
