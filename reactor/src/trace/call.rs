//! [`Call`]: what the driver was asked, and [`Outcome`], how it went.
//!
//! Next: `current.rs`, how Deferreds find the trace.

use std::io;
use std::time::Duration;

/// The bytes of a read or a write.
#[derive(Debug, Clone, Copy)]
pub struct Bytes<'a> {
    /// The first ones, with the secrets masked; none if they are left out.
    pub shown: &'a [u8],
}

/// What the driver was asked. `docs/trace.md` says which call to the system each is.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum Call<'a> {
    /// To wait. The outcome counts events.
    Poll {
        /// How long at most; `None` means for ever.
        timeout: Option<Duration>,
        /// How long it took.
        took: Duration,
    },
    /// To open a listening socket, or a UDP socket.
    Listen {
        /// Its number.
        socket: u64,
        /// Where.
        address: &'a str,
        /// UDP.
        datagrams: bool,
    },
    /// To accept a connection.
    Accept {
        /// The listening socket.
        listener: u64,
        /// The number of the new one, if there is one.
        socket: u64,
        /// Its peer.
        peer: Option<&'a str>,
    },
    /// To begin a connection.
    Connect {
        /// Its number.
        socket: u64,
        /// Where to.
        address: &'a str,
    },
    /// Whether the connection is made. The outcome is 1 if it is, 0 if the attempt goes on.
    FinishConnect {
        /// The socket.
        socket: u64,
    },
    /// To take over a socket of the system.
    Adopt {
        /// Its number.
        socket: u64,
    },
    /// To read. The outcome counts bytes.
    Read {
        /// The socket.
        socket: u64,
        /// Number of bytes that there was room for.
        room: usize,
        /// Who sent it, if it is a datagram.
        peer: Option<&'a str>,
        /// What was read.
        bytes: Bytes<'a>,
    },
    /// To write. The outcome counts bytes.
    Write {
        /// The socket.
        socket: u64,
        /// Number of bytes that were offered.
        offered: usize,
        /// Number of pieces that they stand in.
        pieces: usize,
        /// Who is to get it, if it is a datagram that names its receiver.
        peer: Option<&'a str>,
        /// What was written.
        bytes: Bytes<'a>,
    },
    /// To end our side.
    Shutdown {
        /// The socket.
        socket: u64,
    },
    /// To prepare that the close breaks the connection off.
    ResetOnClose {
        /// The socket.
        socket: u64,
    },
    /// To close a socket.
    Close {
        /// The socket.
        socket: u64,
    },
    /// To set an option of a socket.
    SetOption {
        /// The socket.
        socket: u64,
        /// Which.
        name: &'static str,
    },
    /// The local address of a socket.
    LocalAddress {
        /// The socket.
        socket: u64,
        /// Which it is.
        address: Option<&'a str>,
    },
    /// To look a name up. The answer comes later.
    Resolve {
        /// The name.
        name: &'a str,
    },
    /// To do work on another thread.
    Spawn,
    /// To report signals, or no more.
    CatchSignals {
        /// Which.
        name: &'static str,
        /// Whether to report them.
        on: bool,
    },
}

impl Call<'_> {
    /// Its name in a line of JSON.
    pub fn name(&self) -> &'static str {
        match self {
            Call::Poll { .. } => "poll",
            Call::Listen { .. } => "listen",
            Call::Accept { .. } => "accept",
            Call::Connect { .. } => "connect",
            Call::FinishConnect { .. } => "finish_connect",
            Call::Adopt { .. } => "adopt",
            Call::Read { .. } => "read",
            Call::Write { .. } => "write",
            Call::Shutdown { .. } => "shutdown",
            Call::ResetOnClose { .. } => "reset_on_close",
            Call::Close { .. } => "close",
            Call::SetOption { .. } => "set_option",
            Call::LocalAddress { .. } => "local_address",
            Call::Resolve { .. } => "resolve",
            Call::Spawn => "spawn",
            Call::CatchSignals { .. } => "catch_signals",
        }
    }
}

/// How a call to the driver went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It went well; a number of bytes, events or addresses, where the call counts something.
    Done(usize),
    /// It failed. `WouldBlock` only says that there was nothing to do.
    Failed {
        /// The kind of the error.
        kind: io::ErrorKind,
        /// The number of the system's error, if it is one of these.
        code: Option<i32>,
    },
}

impl Outcome {
    /// The outcome of a call; `count` is what it counts.
    pub fn of<T>(result: &io::Result<T>, count: impl FnOnce(&T) -> usize) -> Outcome {
        match result {
            Ok(value) => Outcome::Done(count(value)),
            Err(error) => Outcome::failed(error),
        }
    }

    /// A failure.
    pub fn failed(error: &io::Error) -> Outcome {
        Outcome::Failed { kind: error.kind(), code: error.raw_os_error() }
    }
}
