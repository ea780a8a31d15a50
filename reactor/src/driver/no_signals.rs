//! What stands in for `signals.rs` on Windows, where no signal can be caught.
//!
//! The system tells of Ctrl-C on a thread of its own, through a function that only `unsafe` code can set. So Ctrl-C has
//! its usual effect there: it ends the process.
//!
//! Next: `../trace/mod.rs`, everything that happens, as one stream.

use super::Signal;
use mio::{Registry, Token};
use std::io;

/// There is no such value.
pub(super) enum SignalPipe {}

/// Leaves the signal alone.
pub(super) fn catch(signal: Signal, _registry: &Registry, _token: Token) -> io::Result<Option<SignalPipe>> {
    log::debug!(target: "reactor", "{signal:?} signals are not caught on this system");
    Ok(None)
}

impl SignalPipe {
    pub(super) fn token(&self) -> Token {
        match *self {}
    }

    pub(super) fn drain(&mut self) -> std::iter::Empty<Signal> {
        match *self {}
    }
}
