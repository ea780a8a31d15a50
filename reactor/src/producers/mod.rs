//! Sources that write to a transport no faster than its peer reads: [`send_file`] and [`send_bytes`].
//!
//! A [`Transport`](crate::Transport) is a [`Producer`](crate::Producer) itself: what it receives. So a proxy registers
//! each of its two connections with the other, and the faster end waits for the slower one.
//!
//! | Twisted | here |
//! |---|---|
//! | `IPushProducer`, `registerProducer(p, True)` | [`Producer`](crate::Producer) |
//! | `IPullProducer`, `registerProducer(p, False)` | a [`Producer`](crate::Producer) with `is_pull` true |
//! | `FileSender().beginFileTransfer(file, consumer)` | [`send_file`] |
//! | its argument `transform` | none: put a [`Read`](std::io::Read) around the file |
//!
//! Next: [`send_bytes.rs`](../../src/reactor/producers/send_bytes.rs.html), bytes in memory.

mod send_bytes;
mod send_file;

pub use send_bytes::send_bytes;
pub use send_file::send_file;

use crate::error::debug_is_display;
use std::fmt;

/// The connection ended before everything was sent.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SendingStopped {
    /// The number of bytes that had been written to the transport. How many of them have arrived is unknown.
    pub written: u64,
}

impl fmt::Display for SendingStopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the connection ended after {} bytes had been written", self.written)
    }
}

impl std::error::Error for SendingStopped {}

debug_is_display!(SendingStopped);
