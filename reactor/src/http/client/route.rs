//! [`Route`]: the way from an agent to a server. Where the connection goes, which protocols run on it, and what the
//! first line of a request says; a proxy changes all three.
//!
//! ```text
//!   http, no proxy      TCP to the server   request line: /path
//!   https, no proxy     TCP to the server   request line: /path          on TLS
//!   http, a proxy       TCP to the proxy    request line: the whole URL
//!   https, a proxy      TCP to the proxy    request line: /path          on TLS in a tunnel
//! ```
//!
//! Next: `connection.rs`, one connection.

use super::connection::{ClientConnection, ConnectionProtocol};
use super::origin::Origin;
use super::request::Request;
use super::settings::AgentSettings;
use super::tunnel::Tunnel;
use crate::context::Asked;
use crate::event_loop::WeakReactor;
use crate::tls::{TlsClient, TlsConfigError};
use crate::{Address, ClientFactory, Connector, Context, Destination, Failure, Protocol, Reactor};
use std::panic::Location;
use std::rc::Rc;

/// What all connections of one agent have in common.
pub(super) struct Route {
    reactor: WeakReactor,
    tls: TlsClient,
    settings: Rc<AgentSettings>,
}

impl Route {
    pub(super) fn new(reactor: WeakReactor, tls: TlsClient, mut settings: AgentSettings) -> Rc<Route> {
        settings.user_agent.retain(|c| !c.is_control());
        // The exchange has the same limit for a CONNECT and this together, so its timer fires first.
        let tls = tls.handshake_timeout(settings.handshake_timeout);
        Rc::new(Route { reactor, tls, settings: Rc::new(settings) })
    }

    /// The same reactor and the same trust, with other settings.
    pub(super) fn with_settings(&self, settings: AgentSettings) -> Rc<Route> {
        Route::new(self.reactor.clone(), self.tls.clone(), settings)
    }

    pub(super) fn reactor(&self) -> Option<Reactor> {
        self.reactor.upgrade()
    }

    pub(super) fn settings(&self) -> &Rc<AgentSettings> {
        &self.settings
    }

    /// The head of `request` as it goes over the wire.
    pub(super) fn head_of(&self, request: &Request) -> Vec<u8> {
        let url = request.url();
        let coding = match self.settings.accept_gzip {
            true => "Accept-Encoding: gzip\r\n",
            false => "Accept-Encoding: identity\r\n",
        };
        let close = if self.settings.max_idle_per_host == 0 { "Connection: close\r\n" } else { "" };
        match &self.settings.proxy {
            Some(proxy) if !self.needs_tunnel(url.is_secure()) => {
                let more = [coding, close, &proxy.authorization_line()];
                request.head_bytes(&url.to_string(), &self.settings.user_agent, &more)
            }
            _ => request.head_bytes(url.target(), &self.settings.user_agent, &[coding, close]),
        }
    }

    /// Begins to connect `connection`, on behalf of the code at `asked`; `None` if the reactor is gone.
    pub(super) fn connect(
        self: &Rc<Self>,
        connection: Rc<ClientConnection>,
        asked: &'static Location<'static>,
    ) -> Option<Connector> {
        let reactor = self.reactor()?;
        let destination = match &self.settings.proxy {
            Some(proxy) => Destination::from((proxy.host_name(), proxy.port())),
            None => self.server(connection.origin()),
        };
        let destination = destination.timeout(self.settings.connect_timeout).lookup_lane(self.settings.lookup_lane);
        let factory = ConnectionFactory { route: self.clone(), connection };
        // It does not belong to the request that needs it first: it is kept for others.
        Some(Context::empty().run(|| reactor.connect_for(Asked::at(asked), destination, factory)))
    }

    /// The protocols on a new connection, one on top of the other: a tunnel, TLS, and the connection's own.
    fn protocol_of(&self, connection: &Rc<ClientConnection>) -> Result<Box<dyn Protocol>, TlsConfigError> {
        let origin = connection.origin();
        let plain = Box::new(ConnectionProtocol::new(connection.clone()));
        let protocol = if origin.is_secure() { self.tls.wrap(origin.host_name(), plain)? } else { plain };
        Ok(match &self.settings.proxy {
            Some(proxy) if self.needs_tunnel(origin.is_secure()) => {
                let server = self.server(origin).to_string();
                Box::new(Tunnel::new(connection.clone(), &server, proxy, &self.settings.limits, protocol))
            }
            _ => protocol,
        })
    }

    /// Whether a proxy is asked for a tunnel. Without one, a proxy goes where the URL says, so `connect_to` needs one
    /// too.
    fn needs_tunnel(&self, is_secure: bool) -> bool {
        is_secure || self.settings.connect_to.is_some()
    }

    /// Where the server is, according to `connect_to` or else the URL.
    fn server(&self, origin: &Origin) -> Destination {
        match &self.settings.connect_to {
            Some((host, port)) => Destination::from((host.as_str(), *port)),
            None => origin.destination(),
        }
    }
}

/// Builds the protocols of a connection once it is up.
struct ConnectionFactory {
    route: Rc<Route>,
    connection: Rc<ClientConnection>,
}

impl ClientFactory for ConnectionFactory {
    fn build_protocol(&mut self, _peer: &Address) -> Option<Box<dyn Protocol>> {
        match self.route.protocol_of(&self.connection) {
            Ok(protocol) => Some(protocol),
            Err(error) => {
                self.connection.fail(error.into());
                None
            }
        }
    }

    fn client_connection_failed(&mut self, _connector: &Connector, failure: Failure) {
        self.connection.lost(failure);
    }
}
