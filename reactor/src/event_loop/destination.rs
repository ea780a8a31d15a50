//! [`Destination`]: where an outgoing connection goes, and how it is made.
//!
//! Next: `connector.rs`, which makes it.

use super::ListenAddress;
use super::resolver::DEFAULT_LANE;
use crate::address::{parse_address, split_host_port};
use crate::error::ConnectError;
use crate::{Address, UnixAddress};
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// How long an attempt may take, look-up included, unless [`Destination::timeout`] sets another: 30 s, as in Twisted.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);

/// How long one address is tried alone before the next is tried beside it: RFC 8305 (section 8) recommends this, and
/// the two borders of it.
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);
const MIN_ATTEMPT_DELAY: Duration = Duration::from_millis(10);
const MAX_ATTEMPT_DELAY: Duration = Duration::from_secs(2);

/// Where to connect to: a host name or address and a port, or a UNIX socket; and how to connect. Converts from text
/// such as `"example.com:443"` or `"[::1]:443"`, from `(host, port)`, an [`Address`], a socket address or a
/// [`UnixAddress`]. Text that names no destination makes the attempt fail, with [`ConnectError::BadAddress`].
///
/// The scope of a link-local IPv6 address is kept: in a [`SocketAddr`], as a number (`fe80::1%2`), and as the name of
/// an interface (`fe80::1%eth0`), which the system's resolver knows.
///
/// ```
/// use reactor::Destination;
/// use std::time::Duration;
/// let there = Destination::from("example.com:443").timeout(Duration::from_secs(5));
/// assert_eq!(there, Destination::from(("example.com", 443)).timeout(Duration::from_secs(5)));
/// let neighbor = Destination::from(("fe80::1%2", 443));
/// assert_eq!(neighbor.to_string(), "[fe80::1%2]:443");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destination {
    host: String,
    port: u16,
    place: Whereabouts,
    timeout: Duration,
    attempt_delay: Duration,
    bind: [Option<SocketAddr>; 2],
    /// Text that cannot be a local address, and what is wrong with it.
    bad_bind: Option<(String, String)>,
    lane: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Whereabouts {
    /// The host is a name, which must be looked up.
    Name,
    /// The host is an address.
    Internet(SocketAddr),
    /// The text names no place, for this reason.
    Nowhere(String),
    #[cfg_attr(not(unix), allow(dead_code, reason = "only UNIX systems have its From"))]
    Unix(UnixAddress),
}

impl Destination {
    /// Sets how long the attempt may take, look-up included (default 30 s).
    pub fn timeout(mut self, timeout: Duration) -> Destination {
        self.timeout = timeout;
        self
    }

    /// Sets how long one address of a name is tried alone before the next one is tried beside it (default 250 ms, at
    /// least 10 ms, at most 2 s). An address that fails hands on to the next at once. The Connection Attempt Delay of
    /// RFC 8305; Twisted's `attemptDelay`.
    pub fn attempt_delay(mut self, delay: Duration) -> Destination {
        self.attempt_delay = delay.clamp(MIN_ATTEMPT_DELAY, MAX_ATTEMPT_DELAY);
        self
    }

    /// Sets the local address to connect from, for remote addresses of the same kind. One of each kind (IPv4, IPv6) may
    /// be set: a socket address, or its text. Its port 0 means any free one. Text that is not an address makes the
    /// attempt fail, with [`ConnectError::BadAddress`]. Twisted's `bindAddress`.
    pub fn bind_address(mut self, address: impl Into<ListenAddress>) -> Destination {
        let address = address.into();
        match address.parse() {
            Ok(address) => self.bind[usize::from(address.is_ipv6())] = Some(address),
            Err(error) => self.bad_bind = Some((address.text, error.to_string())),
        }
        self
    }

    /// Sets the lane in which the host name is looked up: see [`Reactor::resolve_in`](crate::Reactor::resolve_in).
    pub fn lookup_lane(mut self, lane: &'static str) -> Destination {
        self.lane = lane;
        self
    }

    /// Fails if the program has given text that is not an address.
    pub(super) fn check(&self) -> Result<(), ConnectError> {
        let (text, reason) = match (&self.place, &self.bad_bind) {
            (Whereabouts::Nowhere(reason), _) => (&self.host, reason),
            (_, Some((text, reason))) => (text, reason),
            (Whereabouts::Name | Whereabouts::Internet(_) | Whereabouts::Unix(_), None) => return Ok(()),
        };
        Err(ConnectError::BadAddress { text: text.clone(), reason: reason.clone() })
    }

    /// The remote host, a name or an address, as the program gave it. Empty for a UNIX socket.
    pub fn host_name(&self) -> &str {
        &self.host
    }

    /// The remote port. 0 for a UNIX socket.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The remote address, unless the host is a name that must be looked up.
    pub(super) fn address(&self) -> Option<Address> {
        match &self.place {
            Whereabouts::Name | Whereabouts::Nowhere(_) => None,
            Whereabouts::Internet(address) => Some(Address::Tcp(*address)),
            Whereabouts::Unix(address) => Some(Address::Unix(address.clone())),
        }
    }

    pub(super) fn lane(&self) -> &'static str {
        self.lane
    }

    pub(super) fn time_allowed(&self) -> Duration {
        self.timeout
    }

    pub(super) fn delay_between_attempts(&self) -> Duration {
        self.attempt_delay
    }

    /// The local address for a connection to `remote`.
    pub(super) fn bind_for(&self, remote: SocketAddr) -> Option<SocketAddr> {
        self.bind[usize::from(remote.is_ipv6())]
    }
}

impl From<(&str, u16)> for Destination {
    fn from((host, port): (&str, u16)) -> Destination {
        Destination {
            host: host.to_owned(),
            port,
            place: parse_address(host, port).map_or(Whereabouts::Name, Whereabouts::Internet),
            timeout: CONNECT_TIMEOUT,
            attempt_delay: ATTEMPT_DELAY,
            bind: [None; 2],
            bad_bind: None,
            lane: DEFAULT_LANE,
        }
    }
}

impl From<(String, u16)> for Destination {
    fn from((host, port): (String, u16)) -> Destination {
        Destination::from((host.as_str(), port))
    }
}

impl From<(IpAddr, u16)> for Destination {
    fn from(address: (IpAddr, u16)) -> Destination {
        Destination::from(SocketAddr::from(address))
    }
}

impl From<&str> for Destination {
    fn from(text: &str) -> Destination {
        match split_host_port(text) {
            Ok(place) => Destination::from(place),
            Err(reason) => Destination { place: Whereabouts::Nowhere(reason), ..Destination::from((text, 0)) },
        }
    }
}

impl From<String> for Destination {
    fn from(text: String) -> Destination {
        Destination::from(text.as_str())
    }
}

impl From<&String> for Destination {
    fn from(text: &String) -> Destination {
        Destination::from(text.as_str())
    }
}

impl From<SocketAddr> for Destination {
    fn from(address: SocketAddr) -> Destination {
        let host = match address {
            SocketAddr::V6(v6) if v6.scope_id() != 0 => format!("{}%{}", v6.ip(), v6.scope_id()),
            _ => address.ip().to_string(),
        };
        // The address itself: the text has no place for the flow label.
        Destination { place: Whereabouts::Internet(address), ..Destination::from((host.as_str(), address.port())) }
    }
}

#[cfg(unix)]
impl From<UnixAddress> for Destination {
    fn from(address: UnixAddress) -> Destination {
        Destination { place: Whereabouts::Unix(address), ..Destination::from(("", 0)) }
    }
}

/// Where a peer was is where to connect to again. [`Address::StandardIo`] and [`Address::Unknown`] make the attempt
/// fail, with [`ConnectError::BadAddress`].
impl From<Address> for Destination {
    fn from(address: Address) -> Destination {
        match address {
            Address::Tcp(address) => Destination::from(address),
            #[cfg(unix)]
            Address::Unix(address) => Destination::from(address),
            other => {
                let reason = "it is not an address that one can connect to".to_owned();
                Destination { place: Whereabouts::Nowhere(reason), ..Destination::from((&*other.to_string(), 0)) }
            }
        }
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Whereabouts::Internet(address) => address.fmt(f),
            Whereabouts::Unix(address) => address.fmt(f),
            // A scope that this machine does not know: still an IPv6 address, and read back as one.
            Whereabouts::Name if self.host.contains(':') => write!(f, "[{}]:{}", self.host, self.port),
            Whereabouts::Name => write!(f, "{}:{}", self.host, self.port),
            Whereabouts::Nowhere(_) => f.write_str(&self.host),
        }
    }
}
