//! [`Settings`]: the limits of one reactor, each with its reason.

use std::time::Duration;

/// What a reactor allows. All have defaults that suit a server.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Settings {
    /// A callback that runs longer than this is logged with what it was; everybody else waited. Default 50 ms.
    pub slow_callback: Duration,
    /// How long a peer may take none of the last bytes after `lose_connection`, before the connection is aborted.
    /// Default 30 s.
    pub close_timeout: Duration,
    /// How long a stopping reactor waits for connections to get their last bytes out. Default 2 s.
    pub stop_timeout: Duration,
    /// How long a name look-up may take. Default 10 s.
    pub lookup_timeout: Duration,
    /// Connections accepted from one port in one turn; the rest wait for the next turn, so that a flood of new
    /// clients does not starve the old ones. Default 64.
    pub max_accepts_per_turn: usize,
    /// Reads of 64 KiB from one connection in one turn, for the same reason. Default 4.
    pub max_reads_per_turn: usize,
    /// How often a port that ran out of descriptors tries again to accept. Default 200 ms.
    pub accept_retry: Duration,
    /// Whether `run` catches SIGINT and SIGTERM and stops on them. Default true.
    pub catch_signals: bool,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            slow_callback: Duration::from_millis(50),
            close_timeout: Duration::from_secs(30),
            stop_timeout: Duration::from_secs(2),
            lookup_timeout: Duration::from_secs(10),
            max_accepts_per_turn: 64,
            max_reads_per_turn: 4,
            accept_retry: Duration::from_millis(200),
            catch_signals: true,
        }
    }
}
