//! [`ClientSettings`]: who a client is, and its limits, each with its reason.
//!
//! Next: `error.rs`, what can go wrong with a command.

use crate::resp::parser::ReplyLimits;
use crate::service::ServiceSettings;
use std::fmt;
use std::time::Duration;

/// Settings of a [`Client`](super::Client). The defaults suit a server in the same data center.
///
/// ```
/// use reactor::resp::ClientSettings;
///
/// let mut settings = ClientSettings::default();
/// settings.user = Some("herd".to_owned());
/// settings.password = Some("secret".into());
/// settings.database = 2;
/// assert!(!format!("{settings:?}").contains("secret"));
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ClientSettings {
    /// The ACL user. `None` is the server's user `default`, and all that servers before Redis 6 know.
    pub user: Option<String>,
    /// The password; with `None` the client does not log in.
    pub password: Option<Password>,
    /// A name for the connection, to be seen in `CLIENT LIST`: without blanks.
    pub name: Option<String>,
    /// The number of the database. Default 0, the only one of a cluster.
    pub database: u32,
    /// Which versions of the protocol it speaks. Default both.
    pub version: ProtocolVersion,
    /// Maximum time of a command, from the call to the reply; it may wait for a connection meanwhile. Default 5 s. A
    /// command that blocks in the server, such as `BLPOP`, needs more:
    /// [`command_within`](super::Client::command_within).
    pub command_timeout: Duration,
    /// If the oldest command has no reply in its time, and not a byte has come for this long, the server is gone: the
    /// connection is broken off. Default 5 s.
    pub silence_timeout: Duration,
    /// If nothing has come for this long, the client asks for a sign of life (`PING`). Default 10 s; zero turns it off.
    /// Without it, a server that has vanished is noticed only by the next command, and a cache that relies on
    /// [`tracking`](super::Client::with_tracking) would be stale until then.
    pub ping_interval: Duration,
    /// What becomes of commands while there is no connection. Default: they wait.
    pub when_down: WhenDown,
    /// Maximum number of commands without a reply, waiting or sent. More fail with
    /// [`TooManyWaiting`](super::TooManyWaiting). Default 16,384: what a server answers within a tenth of a second.
    pub max_commands: usize,
    /// Maximum number of bytes in commands without a reply. Default 16 MiB.
    pub max_bytes: usize,
    /// Maximum number of Deferreds of [`when_there_is_room`](super::Client::when_there_is_room). Default 1024.
    pub max_room_waiters: usize,
    /// Maximum sizes of a reply.
    pub limits: ReplyLimits,
    /// How it comes back when the connection is lost. The time of a login (`prepare_timeout`) is 5 s here.
    pub service: ServiceSettings,
}

impl Default for ClientSettings {
    fn default() -> ClientSettings {
        let service = ServiceSettings { prepare_timeout: Duration::from_secs(5), ..ServiceSettings::default() };
        ClientSettings {
            user: None,
            password: None,
            name: None,
            database: 0,
            version: ProtocolVersion::default(),
            command_timeout: Duration::from_secs(5),
            silence_timeout: Duration::from_secs(5),
            ping_interval: Duration::from_secs(10),
            when_down: WhenDown::default(),
            max_commands: 16_384,
            max_bytes: 16 << 20,
            max_room_waiters: 1024,
            limits: ReplyLimits::default(),
            service,
        }
    }
}

/// Which versions of the protocol a client speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum ProtocolVersion {
    /// RESP3, and RESP2 with a server that does not know `HELLO` (before Redis 6) or refuses version 3.
    #[default]
    Any,
    /// RESP2 only: for a proxy that ends a connection at a command that it does not know.
    Resp2,
    /// RESP3 only: a server without it counts as down.
    Resp3,
}

/// What becomes of commands while there is no connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum WhenDown {
    /// They wait for the next connection, until their time is over.
    #[default]
    Wait,
    /// They fail at once. Those of a first attempt, which has neither succeeded nor failed, wait for its outcome; with
    /// [`returns_at_once`](ServiceSettings::returns_at_once), so do those of the first attempt after a healthy
    /// connection.
    Refuse,
}

/// A password, which is never shown, nor in a trace of the reactor ([`Trace::mask`](crate::trace::Trace::mask)).
#[derive(Clone, PartialEq, Eq)]
pub struct Password(String);

impl Password {
    pub(super) fn text(&self) -> &str {
        &self.0
    }
}

impl From<String> for Password {
    fn from(text: String) -> Password {
        Password(text)
    }
}

impl From<&str> for Password {
    fn from(text: &str) -> Password {
        Password(text.to_owned())
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(..)")
    }
}
