//! [`HttpServer`]: a service and its limits, as a factory for ports.
//!
//! Next: `events.rs`, a response that has no end.

use super::connection::Connection;
use super::protocol::ConnectionProtocol;
use super::service::Service;
use super::settings::ServerSettings;
use super::shared::{ServerCounts, Shared};
use crate::policies::{ConnectionCounts, ConnectionLimits, PolicyClock, Timeouts};
use crate::tls::TlsServer;
use crate::{Address, Factory};
use std::fmt;
use std::rc::Rc;

/// What a peer must take within [`ServerSettings::slow_time`].
const SLOW_BYTES: u64 = 32 * 1024;

/// An HTTP server. Twisted's `Site`. The handle is cheap to clone, and all of its factories share their limits.
///
/// ```
/// use reactor::Reactor;
/// use reactor::http::server::{HttpServer, Request, Response};
///
/// let reactor = Reactor::new()?;
/// let server = HttpServer::new(&reactor, |request: Request| Response::text(format!("{}\n", request.path())));
/// let port = reactor.listen_tcp("127.0.0.1:0", server.factory())?;
/// # Ok::<(), reactor::Failure>(())
/// ```
///
/// When the reactor stops, requests that are under way are answered, streams of events end, and everything else is
/// closed; after [`stop_timeout`](crate::Settings::stop_timeout) what is left is broken off.
#[derive(Clone)]
pub struct HttpServer {
    shared: Rc<Shared>,
    connections: ConnectionLimits,
    timeouts: Timeouts,
}

impl HttpServer {
    /// A server with the default limits. `clock` is a `&Reactor`, or a `&ManualClock` in tests.
    pub fn new(clock: impl Into<PolicyClock>, service: impl Service + 'static) -> HttpServer {
        HttpServer::with_settings(clock, ServerSettings::default(), service)
    }

    /// A server with limits of its own.
    pub fn with_settings(
        clock: impl Into<PolicyClock>,
        settings: ServerSettings,
        service: impl Service + 'static,
    ) -> HttpServer {
        let clock = clock.into();
        let connections =
            ConnectionLimits::new(clock.clone()).total(settings.max_connections).per_address(settings.max_per_address);
        let timeouts = Timeouts::new(clock.clone()).stalled(settings.stall_time).slow(settings.slow_time, SLOW_BYTES);
        HttpServer { shared: Rc::new(Shared::new(Box::new(service), settings, clock)), connections, timeouts }
    }

    /// The factory for a port that speaks plain HTTP.
    pub fn factory(&self) -> impl Factory + 'static {
        self.connections.factory(self.timeouts.factory(self.bare_factory()))
    }

    /// The factory for a port that speaks HTTPS. The limits hold for connections from their beginning: a handshake
    /// counts.
    pub fn tls_factory(&self, tls: &TlsServer) -> impl Factory + 'static {
        self.connections.factory(self.timeouts.factory(tls.factory(self.bare_factory())))
    }

    /// The factory without the limits on the number of connections and on stalled ones, to be put into others.
    pub fn bare_factory(&self) -> impl Factory + 'static {
        let shared = self.shared.clone();
        move |_peer: Address| ConnectionProtocol(Connection::new(&shared))
    }

    /// What has been counted so far.
    pub fn counts(&self) -> ServerCounts {
        self.shared.counts.get()
    }

    /// The connections, counted.
    pub fn connection_counts(&self) -> ConnectionCounts {
        self.connections.counts()
    }
}

impl fmt::Debug for HttpServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HttpServer({:?})", self.counts())
    }
}
