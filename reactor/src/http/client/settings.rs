//! [`AgentSettings`]: what an [`Agent`](super::Agent) allows, each with its reason.

use super::proxy::Proxy;
use crate::http::limits::Limits;
use std::time::Duration;

/// Limits and manners of an [`Agent`](super::Agent). The defaults suit a program that asks services.
///
/// ```
/// use reactor::http::AgentSettings;
/// use std::time::Duration;
///
/// let mut settings = AgentSettings::default();
/// settings.timeout = Duration::from_secs(5);
/// settings.connect_to = Some(("127.0.0.1".to_owned(), 8443));
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct AgentSettings {
    /// How long a connection may take to come about, look-up included. Default 10 s.
    pub connect_timeout: Duration,
    /// How long the TLS handshake may take; with a proxy, together with the asking for a tunnel. Default 10 s.
    pub handshake_timeout: Duration,
    /// How long the answer's head may take from when the request has been sent. Default 30 s.
    pub first_byte_timeout: Duration,
    /// How long all of it may take: waiting for a connection, redirects, the last byte of the body. A peer that drips
    /// cannot extend it, nor can a body that nobody takes. Default 60 s.
    pub timeout: Duration,
    /// How large an answer may be; a body that is coded is measured coded and decoded.
    pub limits: Limits,
    /// Connections to one host (scheme, name and port) at once. Browsers have 6; so have we.
    pub max_open_per_host: usize,
    /// Connections at once, so that a program that asks many hosts keeps descriptors for itself. Default 128.
    pub max_open: usize,
    /// Connections to one host that are kept for the next request. Default 6. With 0 none is kept, and requests say
    /// `Connection: close`.
    pub max_idle_per_host: usize,
    /// Connections that are kept. Default 32.
    pub max_idle: usize,
    /// How long a connection is kept unused. Default 50 s: shorter than the 60 or 75 s of usual servers, as who closes
    /// first never meets a connection that the other one is just closing.
    pub idle_timeout: Duration,
    /// Requests that wait for a connection to one host. More fail with [`TooManyWaiting`](super::TooManyWaiting).
    /// Default 256.
    pub max_waiting_per_host: usize,
    /// Requests that wait for a connection. Default 1024.
    pub max_waiting: usize,
    /// What stands in `User-Agent`, unless a request brings its own; nothing if empty. Control characters are left out.
    pub user_agent: String,
    /// Connect to this host and port, whatever the URL says: only the connection goes there, while the `Host` header,
    /// SNI and the certificate's name stay those of the URL. For tests and for services behind a tunnel; curl's
    /// `--connect-to`. With a [`proxy`](AgentSettings::proxy), that is asked for a tunnel to this place, for plain HTTP
    /// too, as curl does it; many proxies refuse tunnels to ports other than 443.
    pub connect_to: Option<(String, u16)>,
    /// Go through this proxy: https by a tunnel (CONNECT), plain HTTP by giving it the whole URL.
    pub proxy: Option<Proxy>,
    /// Ask for gzip, and unpack it. If not, a coded answer is an error: nobody asked for it. Default false.
    pub accept_gzip: bool,
    /// Whether redirects are followed. Default no.
    pub redirects: Redirects,
}

/// Whether redirects are followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Redirects {
    /// A redirect is an answer like any other.
    #[default]
    None,
    /// Follow them, but no more than so many in a row: Twisted's limit is 20.
    Follow {
        /// How many in a row.
        limit: usize,
    },
}

impl Default for AgentSettings {
    fn default() -> AgentSettings {
        AgentSettings {
            connect_timeout: Duration::from_secs(10),
            handshake_timeout: Duration::from_secs(10),
            first_byte_timeout: Duration::from_secs(30),
            timeout: Duration::from_secs(60),
            limits: Limits::default(),
            max_open_per_host: 6,
            max_open: 128,
            max_idle_per_host: 6,
            max_idle: 32,
            idle_timeout: Duration::from_secs(50),
            max_waiting_per_host: 256,
            max_waiting: 1024,
            user_agent: concat!("reactor/", env!("CARGO_PKG_VERSION")).to_owned(),
            connect_to: None,
            proxy: None,
            accept_gzip: false,
            redirects: Redirects::None,
        }
    }
}
