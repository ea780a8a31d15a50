//! [`ServerSettings`]: the limits of an [`HttpServer`](super::HttpServer), each with its reason.
//!
//! Next: `service.rs`, what answers.

use crate::http::Limits;
use std::time::Duration;

/// Limits of an [`HttpServer`](super::HttpServer). Nobody who connects is trusted; the defaults suit a server that
/// anybody may reach.
///
/// ```
/// use reactor::http::server::ServerSettings;
/// use std::time::Duration;
///
/// let mut settings = ServerSettings::default();
/// settings.limits.body = 10 * 1024 * 1024;
/// settings.idle_time = Duration::from_secs(5);
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ServerSettings {
    /// Maximum sizes of a request. By default [`Limits::for_requests`].
    pub limits: Limits,
    /// Maximum time of a head, from its first byte to its last, and from the beginning of the connection to the end of
    /// the first head. Then the answer is 408. Default 10 s.
    pub head_time: Duration,
    /// Maximum time of a body, while the service takes it. A pause that the service makes does not count; after it, the
    /// time begins anew. Then the answer is 408. Default 60 s.
    pub body_time: Duration,
    /// Maximum time until the service's Deferred fires, from the end of the request. Then it is cancelled, and the
    /// answer is 503. It holds for the head of a response; a stream may take longer. Default 60 s.
    pub answer_time: Duration,
    /// Maximum time between two requests. Then the connection is closed. Default 60 s.
    pub idle_time: Duration,
    /// Maximum time in which a peer takes nothing of what waits for it. Then the connection is broken off. Default 30
    /// s.
    pub stall_time: Duration,
    /// Maximum time in which a peer takes 32 KiB of what waits for it. Then the connection is broken off: a peer that
    /// takes a byte now and then would hold a large response for days. Default 60 s, so about 500 bytes a second.
    pub slow_time: Duration,
    /// Maximum number of requests on a connection. The last one's response says `Connection: close`. Default 1000, as
    /// in nginx: what a connection may have accumulated goes with it.
    pub max_requests: usize,
    /// Maximum number of requests, on all connections, that begin before the loop looks at everything else (other
    /// ports, timers). Further requests wait for the next turn, in order; at least one begins in each. Default: no
    /// maximum. Set some 16 if the loop has other work that must not wait.
    pub max_requests_at_once: usize,
    /// Maximum number of connections. Then the one that has been idle longest makes room, or the new one is closed.
    /// Default 1024.
    pub max_connections: usize,
    /// Maximum number of connections from one address; an IPv6 network of 64 bits counts as one. Default 256: whole
    /// offices share an address. Behind a proxy all come from one, and it should be
    /// [`max_connections`](ServerSettings::max_connections).
    pub max_per_address: usize,
    /// Maximum bytes of events that wait for a peer that does not read. Then it is dropped. Default 256 KiB.
    pub max_event_backlog: usize,
    /// Time after which a stream of events without an event gets a comment, so that nobody on the way takes it for
    /// dead. A peer whose machine has gone is noticed 15 s after that. Default 15 s, as the HTML standard advises.
    pub heartbeat: Duration,
}

impl Default for ServerSettings {
    fn default() -> ServerSettings {
        ServerSettings {
            limits: Limits::for_requests(),
            head_time: Duration::from_secs(10),
            body_time: Duration::from_secs(60),
            answer_time: Duration::from_secs(60),
            idle_time: Duration::from_secs(60),
            stall_time: Duration::from_secs(30),
            slow_time: Duration::from_secs(60),
            max_requests: 1000,
            max_requests_at_once: usize::MAX,
            max_connections: 1024,
            max_per_address: 256,
            max_event_backlog: 256 * 1024,
            heartbeat: Duration::from_secs(15),
        }
    }
}
