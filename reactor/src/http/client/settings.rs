//! [`AgentSettings`]: the limits of an [`Agent`](super::Agent), each with its reason.
//!
//! Next: `error.rs`, everything that can go wrong.

use super::proxy::Proxy;
use crate::http::limits::Limits;
use std::time::Duration;

/// Limits and behavior of an [`Agent`](super::Agent). The defaults suit a program that calls web services.
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
    /// Maximum time to connect, name look-up included. Default 10 s.
    pub connect_timeout: Duration,
    /// Maximum time of the TLS handshake; with a proxy, of the request for a tunnel and the handshake together. Default
    /// 10 s.
    pub handshake_timeout: Duration,
    /// Maximum time from the end of the request to the end of the response's head. Default 30 s.
    pub first_byte_timeout: Duration,
    /// Maximum time of the whole request: waiting for a connection, redirects, everything up to the last byte of the
    /// body. It is never extended, neither by a peer that sends a byte now and then nor by a program that does not take
    /// the body. Default 60 s.
    pub timeout: Duration,
    /// Maximum sizes of a response. The limit on a coded body holds both before and after decoding.
    pub limits: Limits,
    /// Maximum number of connections to one host (scheme, name and port). Default 6, as in browsers.
    pub max_open_per_host: usize,
    /// Maximum number of connections, so that a program that calls many hosts keeps file descriptors for other work.
    /// Default 128.
    pub max_open: usize,
    /// Maximum number of idle connections to one host. Default 6. With 0 none is kept, and requests say
    /// `Connection: close`.
    pub max_idle_per_host: usize,
    /// Maximum number of idle connections. Default 32.
    pub max_idle: usize,
    /// Time after which an idle connection is closed. Default 50 s, which is less than the 60 or 75 s of usual servers:
    /// if we close first, we seldom send a request on a connection that the server is just closing.
    pub idle_timeout: Duration,
    /// Maximum number of requests that wait for a connection to one host. More fail with
    /// [`TooManyWaiting`](super::TooManyWaiting). Default 256.
    pub max_waiting_per_host: usize,
    /// Maximum number of requests that wait for a connection. Default 1024.
    pub max_waiting: usize,
    /// The `User-Agent` header, unless a request brings its own; no header if empty. Control characters are removed.
    pub user_agent: String,
    /// Connect to this host and port, whatever the URL says. The `Host` header, SNI and the name in the certificate
    /// stay those of the URL. For tests, and for services behind a tunnel. With a [`proxy`](AgentSettings::proxy), the
    /// proxy is asked for a tunnel to this place, also for plain HTTP, as curl's `--connect-to` does; many proxies
    /// refuse tunnels to ports other than 443.
    pub connect_to: Option<(String, u16)>,
    /// The lane in which host names are looked up: see [`Reactor::resolve_in`](crate::Reactor::resolve_in). By default
    /// the common one.
    pub lookup_lane: &'static str,
    /// Go through this proxy: https by a tunnel (CONNECT), plain HTTP by sending it the whole URL.
    pub proxy: Option<Proxy>,
    /// Ask for gzip and decode it. If false, a coded response is an error, as it was not asked for. Default false.
    pub accept_gzip: bool,
    /// Whether redirects are followed. Default no.
    pub redirects: Redirects,
}

/// Whether redirects are followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Redirects {
    /// A redirect is a response like any other.
    #[default]
    None,
    /// Follow redirects. Twisted's limit is 20.
    Follow {
        /// Maximum number of redirects in a row.
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
            lookup_lane: "",
            proxy: None,
            accept_gzip: false,
            redirects: Redirects::None,
        }
    }
}
