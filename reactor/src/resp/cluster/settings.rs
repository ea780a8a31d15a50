//! [`ClusterSettings`]: the limits of a cluster's client, and why a command found no server.
//!
//! Next: `core.rs`, the servers and the map.

use crate::error::debug_is_display;
use crate::resp::client::ClientSettings;
use std::fmt;
use std::time::Duration;

/// Settings of a [`Cluster`](super::Cluster).
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ClusterSettings {
    /// Those of the connection to each server. [`command_timeout`](ClientSettings::command_timeout) is for the whole
    /// way of a command, with all redirects and waits; `database` must be 0, and
    /// [`when_down`](ClientSettings::when_down) is not looked at.
    pub client: ClientSettings,
    /// Maximum number of redirects (`MOVED` and `ASK`) of one command. Default 8: more than a cluster needs that is at
    /// one with itself, and the end of a circle.
    pub max_redirects: u32,
    /// Maximum time to connect to a server. Default 1 s. While a dead server is tried, its commands wait.
    pub connect_timeout: Duration,
    /// First wait before a command is tried again that no server could take: a server that is gone, a cluster that is
    /// choosing a new primary. Each further one is twice as long. Default 20 ms.
    pub first_pause: Duration,
    /// Maximum wait before a command is tried again. Default 500 ms.
    pub longest_pause: Duration,
    /// Maximum number of commands without a reply, at all servers together. Default 65,536.
    pub max_commands: usize,
    /// Maximum number of bytes in them; each is kept until its reply, because it may be redirected. Default 64 MiB.
    pub max_bytes: usize,
}

impl Default for ClusterSettings {
    fn default() -> ClusterSettings {
        ClusterSettings {
            client: ClientSettings::default(),
            max_redirects: 8,
            connect_timeout: Duration::from_secs(1),
            first_pause: Duration::from_millis(20),
            longest_pause: Duration::from_millis(500),
            max_commands: 65_536,
            max_bytes: 64 << 20,
        }
    }
}

/// Why no server of the cluster has taken a command: the reason of a
/// [`CommandError`](crate::resp::CommandError). Keys in different slots are a
/// [`CrossSlotError`](crate::resp::CrossSlotError) instead.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClusterError {
    /// No primary of the map is at the address that the program has named.
    NotAPrimary,
    /// None of its arguments is marked as a key ([`Command::key`](crate::resp::Command::key)), so it belongs to no
    /// server.
    NoKey,
    /// It was redirected again and again.
    TooManyRedirects {
        /// [`ClusterSettings::max_redirects`].
        limit: u32,
    },
    /// No server could take it in its time: no map of the cluster, no server for its slot, or one that is gone, or busy
    /// with a change.
    Unavailable {
        /// What the last server said, or why it could not be reached.
        last: String,
    },
}

impl fmt::Display for ClusterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ClusterError::NotAPrimary => f.write_str("no primary of the cluster is at that address"),
            ClusterError::NoKey => f.write_str("none of its arguments is marked as a key"),
            ClusterError::TooManyRedirects { limit } => write!(f, "it was redirected more than {limit} times"),
            ClusterError::Unavailable { last } => write!(f, "no server of the cluster could take it in time: {last}"),
        }
    }
}

impl std::error::Error for ClusterError {}

debug_is_display!(ClusterError);
