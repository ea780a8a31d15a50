//! [`Origin`]: scheme, host and port. Connections to the same origin can stand in for each other.
//!
//! Next: `route.rs`, how a connection is made.

use crate::Destination;
use crate::http::url::Url;
use std::fmt;
use std::rc::Rc;

/// Where a request goes: RFC 6454's origin. The proxy is not part of it, as it is the same for a whole agent.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Origin {
    is_secure: bool,
    host: Rc<str>,
    port: u16,
}

impl Origin {
    pub(super) fn of(url: &Url) -> Origin {
        Origin { is_secure: url.is_secure(), host: url.host_name().into(), port: url.port() }
    }

    /// Whether it is spoken to over TLS.
    pub(super) fn is_secure(&self) -> bool {
        self.is_secure
    }

    /// The name that the server's certificate must be for.
    pub(super) fn host_name(&self) -> &str {
        &self.host
    }

    /// Host and port, to connect to.
    pub(super) fn destination(&self) -> Destination {
        Destination::from((&*self.host, self.port))
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.destination())
    }
}
