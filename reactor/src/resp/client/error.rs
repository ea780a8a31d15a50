//! [`CommandError`]: a command that got no reply, and whether it may have run. Below it stand the reasons that only
//! this client has.
//!
//! Next: `pipeline.rs`, the commands without a reply.

use crate::Failure;
use crate::error::debug_is_display;
use crate::resp::error::ReplyError;
use std::fmt;
use std::time::Duration;

/// A command got no reply. (An error that the server replied with is a [`ServerError`](crate::resp::ServerError)
/// instead; a command that was cancelled fails with [`CancelledError`](crate::CancelledError).)
///
/// The client never sends a command a second time. If this says [`NotSent`](CommandStage::NotSent), the program may.
/// Its text has the command's name, but never its arguments, which may be secrets.
#[derive(Clone)]
pub struct CommandError {
    stage: CommandStage,
    command: String,
    reason: Failure,
}

/// How far a command came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommandStage {
    /// It was not sent, so the server has not carried it out.
    NotSent,
    /// It was sent, and no reply came. Whether the server has carried it out is unknown.
    Unanswered,
}

impl CommandError {
    #[track_caller]
    pub(in crate::resp) fn new(stage: CommandStage, command: &str, reason: impl Into<Failure>) -> CommandError {
        CommandError { stage, command: command.to_owned(), reason: reason.into() }
    }

    /// How far it came.
    pub fn stage(&self) -> CommandStage {
        self.stage
    }

    /// Why it came no further: a [`TimeoutError`](crate::TimeoutError), [`TooManyWaiting`], [`NotAllowed`],
    /// [`NotConnected`], [`ServiceError`](crate::service::ServiceError), [`ServerFault`], the [`Reason`](crate::Reason)
    /// why the connection was lost, or, if no connection was made, the error of that attempt.
    pub fn reason(&self) -> &Failure {
        &self.reason
    }
}

impl fmt::Display for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stage = match self.stage {
            CommandStage::NotSent => "was not sent",
            CommandStage::Unanswered => "got no answer, and may have run",
        };
        write!(f, "{} {stage}: {}", self.command, self.reason.value())
    }
}

impl std::error::Error for CommandError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(self.reason.value())
    }
}

/// Too many commands, or too many bytes in them, have no reply yet.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct TooManyWaiting {
    /// Number of commands without a reply.
    pub commands: usize,
    /// Number of bytes in them.
    pub bytes: usize,
}

impl fmt::Display for TooManyWaiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} commands with {} bytes wait for their replies already", self.commands, self.bytes)
    }
}

impl std::error::Error for TooManyWaiting {}

/// There is no connection, and the client was told not to wait for one ([`WhenDown::Refuse`](super::WhenDown::Refuse)).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct NotConnected;

impl fmt::Display for NotConnected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("there is no connection to the server")
    }
}

impl std::error::Error for NotConnected {}

/// Tracking needs RESP3, and the server speaks only RESP2, or the settings do.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct NeedsResp3;

impl fmt::Display for NeedsResp3 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("tracking needs version 3 of the protocol, and this connection speaks version 2")
    }
}

impl std::error::Error for NeedsResp3 {}

/// A command that would change the connection for all others that use it, or whose replies do not come in their order.
#[derive(Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum NotAllowed {
    /// The client does this itself: the settings and methods of [`Client`](super::Client) have it.
    ByHand,
    /// It concerns the commands that follow it, so it must stand in one [`batch`](super::Client::batch) with them.
    /// `MULTI` and `WATCH` must end there, too, by `EXEC`, `DISCARD` or `UNWATCH`.
    OutsideOfBatch,
}

impl fmt::Display for NotAllowed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            NotAllowed::ByHand => "the command would change the connection for other commands",
            NotAllowed::OutsideOfBatch => "the command and the end of what it begins must stand in one batch",
        })
    }
}

impl std::error::Error for NotAllowed {}

/// What a server did wrong. The connection has been broken off: what it sends can no longer be trusted.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ServerFault {
    /// It sent something that is not a reply, or is too large.
    Reply(ReplyError),
    /// It sent a reply to no command.
    Unrequested,
    /// It sent nothing for too long.
    Silent {
        /// How long.
        after: Duration,
    },
    /// It answered a command of the client's own with something else than the protocol wants.
    Nonsense {
        /// The command.
        command: &'static str,
    },
}

impl fmt::Display for ServerFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ServerFault::Reply(error) => write!(f, "the server broke the protocol: {error}"),
            ServerFault::Unrequested => f.write_str("the server sent a reply that nobody asked for"),
            ServerFault::Silent { after } => {
                let after = Duration::from_millis(u64::try_from(after.as_millis()).unwrap_or(u64::MAX));
                write!(f, "the server owes a reply, and sent nothing for {after:?}")
            }
            ServerFault::Nonsense { command } => write!(f, "the server's answer to {command} makes no sense"),
        }
    }
}

impl std::error::Error for ServerFault {}

debug_is_display!(CommandError, TooManyWaiting, NotConnected, NeedsResp3, NotAllowed, ServerFault);
