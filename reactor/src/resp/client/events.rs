//! What a program hears without having asked: [`SubscriptionEvent`] and [`Invalidation`].
//!
//! Next: `registry.rs`, who hears it.

use crate::resp::error::ServerError;
use std::fmt;

/// What happens to a subscription; see [`Client::subscribe`](super::Client::subscribe).
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum SubscriptionEvent<'a> {
    /// The server has confirmed it: messages come from now on. Again after each `Lost`.
    Began,
    /// A message.
    Message(&'a Message<'a>),
    /// The connection is lost. Messages that are published from now until `Began` will not come; nor may the last ones
    /// before now.
    Lost,
    /// The server refuses it: `NOPERM`, for example. It is asked again on the next connection.
    Refused(&'a ServerError),
}

/// A published message.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Message<'a> {
    /// The channel on which it was published.
    pub channel: &'a [u8],
    /// The pattern that fits the channel, if the subscription is one to a pattern.
    pub pattern: Option<&'a [u8]>,
    /// What was published.
    pub payload: &'a [u8],
}

impl fmt::Debug for Message<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Message({} bytes on {})", self.payload.len(), self.channel.escape_ascii())
    }
}

/// What the client is to be told about changes of keys; see [`Client::with_tracking`](super::Client::with_tracking).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tracking {
    prefixes: Option<Vec<Vec<u8>>>,
    no_own: bool,
}

impl Tracking {
    /// All keys that begin with one of these. The server keeps a table of prefixes, and sends each change of such a
    /// key. No prefix may be the beginning of another one.
    pub fn of_prefixes<P: Into<Vec<u8>>>(prefixes: impl IntoIterator<Item = P>) -> Tracking {
        Tracking { prefixes: Some(prefixes.into_iter().map(P::into).collect()), no_own: false }
    }

    /// The keys that this client has read. The server remembers them, up to a limit, and sends the first change of
    /// each.
    pub fn of_keys_read() -> Tracking {
        Tracking { prefixes: None, no_own: false }
    }

    /// Leaves out changes that this very connection has made.
    pub fn without_own_changes(mut self) -> Tracking {
        self.no_own = true;
        self
    }

    pub(super) fn command(&self) -> crate::resp::Command<'_> {
        let mut command = crate::resp::Command::from(["CLIENT", "TRACKING", "ON"]);
        if let Some(prefixes) = &self.prefixes {
            command = command.arg("BCAST");
            command = prefixes.iter().fold(command, |command, prefix| command.arg("PREFIX").arg(prefix));
        }
        if self.no_own { command.arg("NOLOOP") } else { command }
    }
}

/// What is no longer true of what the program remembers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Invalidation<'a> {
    /// The value of this key.
    Key(&'a [u8]),
    /// Of any key: the connection is lost, or the database was emptied.
    Everything,
}
