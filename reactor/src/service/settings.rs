//! [`ServiceSettings`] and [`ServiceError`]: the limits of a service, and what a caller hears at them.
//!
//! Next: `backoff.rs`, how long a service waits.

use super::Backoff;
use crate::error::debug_is_display;
use std::fmt;
use std::time::Duration;

/// The settings of a [`ClientService`](super::ClientService).
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ServiceSettings {
    /// How long to wait before the next attempt.
    pub backoff: Backoff,
    /// A connection that has been up for this long was a healthy one: the backoff begins anew when it is lost. Default
    /// 5 s. A server that accepts and closes at once is thus tried less and less often. See also
    /// [`ClientService::note_healthy`](super::ClientService::note_healthy).
    pub healthy_after: Duration,
    /// Whether the first attempt after a healthy connection is made at once, and is not preceded by a failure. Default
    /// no: a server that restarts would have all its clients come back at one moment. A program that shows its users a
    /// connection that is missing, and has few instances, turns it on: a connection that was cut is there again after
    /// one journey.
    pub returns_at_once: bool,
    /// The first attempt after a start waits for a random time up to this. Default zero. A program that starts many
    /// services at once spreads them by it.
    pub spread_start: Duration,
    /// How long the step of [`ClientService::prepared`](super::ClientService::prepared) may take. Then it is cancelled,
    /// the connection is closed, and the attempt has failed. Default 30 s.
    pub prepare_timeout: Duration,
    /// Maximum number of Deferreds of `when_connected` that wait. A program that asks for a connection with each of its
    /// own requests would fill the memory while the server is down. Default 1024.
    pub max_waiters: usize,
    /// Whether the log has a warning of the first failure in a row, and of what makes a client end its connection.
    /// Default true. A program that tells its operator in its own words why there is no connection
    /// ([`ClientService::last_failure`](super::ClientService::last_failure)) sets it to false.
    pub warns: bool,
}

impl Default for ServiceSettings {
    fn default() -> ServiceSettings {
        ServiceSettings {
            backoff: Backoff::default(),
            healthy_after: Duration::from_secs(5),
            returns_at_once: false,
            spread_start: Duration::ZERO,
            prepare_timeout: Duration::from_secs(30),
            max_waiters: 1024,
            warns: true,
        }
    }
}

/// Why [`ClientService::when_connected`](super::ClientService::when_connected) gives no connection.
#[derive(Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ServiceError {
    /// The service has been stopped, or its reactor has.
    Stopped,
    /// Too many callers wait already: [`ServiceSettings::max_waiters`].
    TooManyWaiters,
}

impl fmt::Display for ServiceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ServiceError::Stopped => "the service has been stopped",
            ServiceError::TooManyWaiters => "too many callers wait for the connection already",
        })
    }
}

impl std::error::Error for ServiceError {}

debug_is_display!(ServiceError);
