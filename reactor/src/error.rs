//! The named errors of the reactor: why a connection ended, why one was not made, why a Deferred failed.
//!
//! Twisted's `twisted.internet.error`. The names tell whose fault it is: ours, the peer's, or the network's. HTTP and
//! TLS have errors of their own, beside their code.
//!
//! Next: [`failure.rs`](mod@crate::failure), an error on its way.

use crate::Address;
use std::any::Any;
use std::fmt;
use std::io;
use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

/// `Debug` of an error is its sentence, as that of a [`Failure`](crate::Failure) is its report. `unwrap`, and a `main`
/// that returns an error, print `Debug`, and a person reads it. Three are told to code first, and keep the names of
/// their variants: `Reason`, `HttpError` and `Refusal`.
macro_rules! debug_is_display {
    ($($error:ty),+) => {$(
        impl std::fmt::Debug for $error {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                std::fmt::Display::fmt(self, f)
            }
        }
    )+};
}
pub(crate) use debug_is_display;

/// A Deferred was fired a second time; returned to the caller of the second firing.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct AlreadyCalledError {
    /// Where the Deferred was made.
    pub made: &'static Location<'static>,
    /// Where it was fired first, or cancelled.
    pub first: &'static Location<'static>,
}

impl fmt::Display for AlreadyCalledError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the Deferred made at {} has already been called at {}", self.made, self.first)
    }
}

impl std::error::Error for AlreadyCalledError {}

debug_is_display!(AlreadyCalledError);

/// What was waited for was cancelled.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct CancelledError;

impl fmt::Display for CancelledError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("cancelled")
    }
}

impl std::error::Error for CancelledError {}

debug_is_display!(CancelledError);

/// A Deferred would wait for itself: a callback returned, or a coroutine awaits, the chain that it belongs to. It fails
/// with this instead of waiting for ever, as Twisted's would. Circles of any length are found, also through lists,
/// shared results and coroutines.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct CircularWaitError {
    /// Where the callback was added, or where the coroutine awaits.
    pub callback: &'static Location<'static>,
}

impl fmt::Display for CircularWaitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the Deferred would wait for itself because of the callback at {}", self.callback)
    }
}

impl std::error::Error for CircularWaitError {}

debug_is_display!(CircularWaitError);

/// A callback panicked: the failure that the rest of its chain gets. The panic itself goes on to the code that fired,
/// or to the log if that is a callback of a reactor's loop.
#[derive(Clone, PartialEq, Eq)]
pub struct PanicError {
    /// What the panic said, if it was text.
    pub message: String,
}

impl PanicError {
    pub(crate) fn new(payload: &(dyn Any + Send)) -> PanicError {
        let text = payload.downcast_ref::<&str>().copied();
        let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
        PanicError { message: text.unwrap_or("(its message is not text)").to_owned() }
    }
}

impl fmt::Display for PanicError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a callback panicked: {}", self.message)
    }
}

impl std::error::Error for PanicError {}

debug_is_display!(PanicError);

/// Something took longer than it was allowed to.
#[derive(Clone, PartialEq, Eq)]
pub struct TimeoutError {
    /// What was waited for, for a person to read: `the answer of example.com`.
    pub what: String,
    /// How long the wait was.
    pub after: Duration,
}

impl fmt::Display for TimeoutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} did not come within {:?}", self.what, self.after)
    }
}

impl std::error::Error for TimeoutError {}

debug_is_display!(TimeoutError);

/// Why a connection ended: the argument of [`Protocol::connection_lost`](crate::Protocol::connection_lost).
///
/// `Debug` has the name of the variant, unlike that of the other errors: a reason is told to a protocol, and programs
/// and tests note which one it was. Inside a [`Failure`](crate::Failure) it is shown as its sentence.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Reason {
    /// Either side closed it in an orderly way. Twisted's `ConnectionDone`.
    Done,
    /// The network or the peer broke it off. Twisted's `ConnectionLost`.
    Lost(Arc<io::Error>),
    /// We broke it off with `abort_connection`. Twisted's `ConnectionAborted`.
    Aborted,
    /// We broke it off because its peer had left as many bytes waiting as the hard limit allows, and the program wrote
    /// more: see [`backlog`](crate::Transport::backlog).
    BufferFull,
    /// We broke it off because a callback of its protocol panicked.
    Panicked,
    /// We broke it off because none of the last bytes had left for [`close_timeout`](crate::Settings::close_timeout)
    /// after `lose_connection`: the peer did not take them, or a registered producer neither wrote them nor
    /// unregistered.
    FlushTimeout,
    /// TLS failed: a bad certificate, a broken record, an alert. The error is a [`TlsError`](crate::tls::TlsError):
    /// see [`tls_error`](Reason::tls_error).
    Tls(Arc<dyn std::error::Error + Send + Sync>),
    /// The stream ended without TLS's close_notify. An attacker may have cut the end off.
    Truncated,
    /// We closed it because of a limit that the program has set: see [`policies`](crate::policies).
    LimitReached(Limit),
}

/// The limit that a connection has reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Limit {
    /// No byte came or went for too long.
    Idle,
    /// No byte came for too long.
    Silent,
    /// The peer did not take what we sent for too long.
    Stalled,
    /// The peer took what we sent too slowly.
    Slow,
    /// It lasted too long.
    TotalTime,
    /// A line was not complete in time.
    SlowLine,
    /// There were too many connections, and it was the one that had been idle longest.
    Pressure,
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Limit::Idle => "it was idle for too long",
            Limit::Silent => "the peer was silent for too long",
            Limit::Stalled => "the peer did not read for too long",
            Limit::Slow => "the peer read too slowly",
            Limit::TotalTime => "it lasted too long",
            Limit::SlowLine => "a line was not complete in time",
            Limit::Pressure => "it was idle, and another needed its place",
        })
    }
}

impl Reason {
    /// True for [`Reason::Done`] only.
    pub fn is_clean(&self) -> bool {
        matches!(self, Reason::Done)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::Done => f.write_str("closed cleanly"),
            Reason::Lost(error) => write!(f, "lost: {error}"),
            Reason::Aborted => f.write_str("aborted by us"),
            Reason::BufferFull => f.write_str("aborted: too many bytes wait to be sent"),
            Reason::Panicked => f.write_str("aborted: its protocol panicked"),
            Reason::FlushTimeout => f.write_str("aborted: the last bytes could not be sent in time"),
            Reason::Tls(error) => write!(f, "{error}"),
            Reason::Truncated => f.write_str("cut off: the stream ended without a TLS close_notify"),
            Reason::LimitReached(limit) => write!(f, "closed by us: {limit}"),
        }
    }
}

impl std::error::Error for Reason {}

/// Why a connection cannot change from clear text to TLS: see [`Transport::start_tls`](crate::Transport::start_tls). It
/// is always the fault of the program.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum StartTlsError {
    /// The connection was not made for it, with `plain_first` of a [`TlsServer`](crate::tls::TlsServer) or
    /// [`TlsClient`](crate::tls::TlsClient). So nobody has said with which certificates.
    NotPlainFirst,
    /// It is over TLS already.
    AlreadyTls,
    /// It is closing or gone, or one of its directions has ended. A handshake needs both.
    Closing,
    /// No session could be made.
    NoSession {
        /// What TLS says.
        reason: String,
    },
}

impl fmt::Display for StartTlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("cannot start TLS: ")?;
        match self {
            StartTlsError::NotPlainFirst => f.write_str("the connection was not made for it, with `plain_first`"),
            StartTlsError::AlreadyTls => f.write_str("the connection is over TLS already"),
            StartTlsError::Closing => f.write_str("the connection is closing, or closed in one direction"),
            StartTlsError::NoSession { reason } => f.write_str(reason),
        }
    }
}

impl std::error::Error for StartTlsError {}

debug_is_display!(StartTlsError);

/// Why an outgoing connection could not be made.
#[non_exhaustive]
pub enum ConnectError {
    /// The name has no address, or the look-up failed. Twisted's `DNSLookupError`.
    NameLookup {
        /// The host name that was looked up.
        host: String,
        /// What the resolver said.
        error: io::Error,
    },
    /// The destination, or the local address to connect from, is text that names no address. The fault of the program.
    BadAddress {
        /// The text.
        text: String,
        /// What is wrong with it.
        reason: String,
    },
    /// No address could be reached.
    Failed {
        /// The address that failed last.
        address: Address,
        /// What the system said of it.
        error: io::Error,
        /// The addresses that had failed before, in that order, and what the system said of them.
        earlier: Vec<(Address, io::Error)>,
    },
    /// There was no answer within the time allowed.
    Timeout {
        /// The destination, as the caller named it.
        destination: String,
        /// The time allowed.
        after: Duration,
    },
    /// `stop_connecting` was called, or the reactor stopped. Twisted's `UserError`.
    Cancelled,
    /// The factory's `build_protocol` returned `None`.
    NoProtocol,
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ConnectError::NameLookup { host, error } => write!(f, "cannot look up {host}: {error}"),
            ConnectError::BadAddress { text, reason } => {
                write!(f, "{text:?} is not an address to connect to: {reason}")
            }
            ConnectError::Failed { address, error, earlier } => {
                f.write_str("cannot connect to ")?;
                earlier.iter().try_for_each(|(address, error)| write!(f, "{address}: {error}; nor to "))?;
                write!(f, "{address}: {error}")
            }
            ConnectError::Timeout { destination, after } => {
                write!(f, "no connection to {destination} within {after:?}")
            }
            ConnectError::Cancelled => f.write_str("the connection attempt was stopped"),
            ConnectError::NoProtocol => f.write_str("the factory refused to build a protocol"),
        }
    }
}

impl std::error::Error for ConnectError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            ConnectError::NameLookup { error, .. } | ConnectError::Failed { error, .. } => Some(error),
            ConnectError::BadAddress { .. }
            | ConnectError::Timeout { .. }
            | ConnectError::Cancelled
            | ConnectError::NoProtocol => None,
        }
    }
}

debug_is_display!(ConnectError);

/// Why a datagram was not sent, or a UDP port not changed.
#[non_exhaustive]
pub enum DatagramError {
    /// The datagram is longer than the network, or this system, allows. Our own fault. Twisted's `MessageLengthError`.
    TooLong {
        /// Its number of bytes.
        length: usize,
    },
    /// The system's buffer is full: it has more to send than the network takes. The datagram is dropped, and counted in
    /// [`dropped_count`](crate::DatagramTransport::dropped_count). It is not sent later: a second queue would only
    /// make datagrams late.
    Full,
    /// The port is not connected, so the datagram needs an address.
    NotConnected,
    /// The port is connected, and to another peer.
    NotThePeer,
    /// The port is connected already.
    AlreadyConnected,
    /// The port is closed.
    Closed,
    /// The system refused: it has no route, say, or does not let us broadcast.
    System(io::Error),
}

impl fmt::Display for DatagramError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DatagramError::TooLong { length } => write!(f, "a datagram of {length} bytes is too long"),
            DatagramError::Full => f.write_str("the system has no room for another datagram now"),
            DatagramError::NotConnected => f.write_str("the port is not connected: the datagram needs an address"),
            DatagramError::NotThePeer => f.write_str("the port is connected to another peer"),
            DatagramError::AlreadyConnected => f.write_str("the port is connected already"),
            DatagramError::Closed => f.write_str("the port is closed"),
            DatagramError::System(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for DatagramError {}

debug_is_display!(DatagramError);

/// A port could not be opened. Twisted's `CannotListenError`.
pub struct CannotListenError {
    /// The address that was asked for.
    pub address: String,
    /// What the system said.
    pub error: io::Error,
}

impl fmt::Display for CannotListenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot listen on {}: {}", self.address, self.error)
    }
}

impl std::error::Error for CannotListenError {}

debug_is_display!(CannotListenError);

/// [`Reactor::run`](crate::Reactor::run) could not go on.
#[non_exhaustive]
pub enum RunError {
    /// `run` or `iterate` was called from inside the running loop.
    AlreadyRunning,
    /// The reactor was closed (see [`Reactor::close`](crate::Reactor::close)).
    Closed,
    /// The system's poll call failed.
    Poll(io::Error),
    /// The loop ended, and the Deferred of [`run_until`](crate::Reactor::run_until) had not fired, though it was
    /// cancelled.
    NoResult,
}

impl fmt::Display for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RunError::AlreadyRunning => f.write_str("the reactor is already running"),
            RunError::Closed => f.write_str("the reactor was closed"),
            RunError::Poll(error) => write!(f, "waiting for events failed: {error}"),
            RunError::NoResult => f.write_str("the reactor stopped before the Deferred had its result"),
        }
    }
}

impl std::error::Error for RunError {}

debug_is_display!(RunError);

/// Why work for another thread, or a call from one, was not done.
#[derive(Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ThreadError {
    /// Too much work, or too many calls, wait already.
    QueueFull,
    /// The work, or the call, panicked.
    Panicked,
    /// The reactor is gone.
    Gone,
    /// The reactor stopped before the work began, or before a blocking call had its result.
    Stopped,
    /// The system could start no thread for the work.
    NoThread,
    /// A blocking call was made on the thread of the loop itself. It would wait for ever.
    OwnThread,
    /// The Deferred of a blocking call was dropped, so it will have no result.
    NoResult,
}

impl fmt::Display for ThreadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ThreadError::QueueFull => f.write_str("too much work is waiting"),
            ThreadError::Panicked => f.write_str("the work panicked"),
            ThreadError::Gone => f.write_str("the reactor is gone"),
            ThreadError::Stopped => f.write_str("the reactor stopped before the work was done"),
            ThreadError::NoThread => f.write_str("the system could start no thread for the work"),
            ThreadError::OwnThread => f.write_str("a blocking call on the loop's own thread would wait for ever"),
            ThreadError::NoResult => f.write_str("the Deferred was dropped without a result"),
        }
    }
}

impl std::error::Error for ThreadError {}

debug_is_display!(ThreadError);

/// Why a [blocking call](crate::ReactorHandle::blocking_call_from_thread) has no value.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum BlockingCallError {
    /// The call could not be made, or could not be answered.
    Thread(ThreadError),
    /// The call, or its Deferred, failed. A [`Failure`](crate::Failure) cannot leave its thread.
    Failed {
        /// The failure in words.
        error: String,
        /// Its [report](crate::Failure::report), which also says where it came from.
        report: String,
    },
}

impl From<ThreadError> for BlockingCallError {
    fn from(error: ThreadError) -> BlockingCallError {
        BlockingCallError::Thread(error)
    }
}

impl fmt::Display for BlockingCallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BlockingCallError::Thread(error) => error.fmt(f),
            BlockingCallError::Failed { error, .. } => f.write_str(error),
        }
    }
}

impl std::error::Error for BlockingCallError {}

debug_is_display!(BlockingCallError);
