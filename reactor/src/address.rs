//! [`Address`]: where an end of a connection is.
//!
//! Next: `line_buffer.rs`, the first step to a protocol of lines.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV6};

/// One end of a connection. Twisted's `IAddress`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Address {
    /// An Internet address and port.
    Tcp(SocketAddr),
    /// No known place: an end that exists only in memory, or one that the system no longer knows.
    Unknown,
}

impl Address {
    /// The Internet address and port, if it is one.
    pub fn tcp(&self) -> Option<SocketAddr> {
        match self {
            Address::Tcp(address) => Some(*address),
            Address::Unknown => None,
        }
    }
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Address {
        Address::Tcp(address)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Tcp(address) => address.fmt(f),
            Address::Unknown => f.write_str("unknown"),
        }
    }
}

/// The address that `host` is, with `port`; `None` if `host` is a name. An IPv6 address may end with a scope, as a
/// number: `fe80::1%2` (RFC 4007, section 11). A scope that is the name of an interface is left to the resolver, which
/// knows the names.
pub(crate) fn parse_address(host: &str, port: u16) -> Option<SocketAddr> {
    if let Ok(ip) = host.parse::<IpAddr>() {
        return Some(SocketAddr::new(ip, port));
    }
    let (ip, scope) = host.split_once('%')?;
    let ip: Ipv6Addr = ip.parse().ok()?;
    // Not `parse` alone, which takes a sign.
    let is_number = !scope.is_empty() && scope.bytes().all(|byte| byte.is_ascii_digit());
    let scope: u32 = if is_number { scope.parse().ok()? } else { return None };
    Some(SocketAddrV6::new(ip, port, 0, scope).into())
}

/// The IPv4 address that an IPv4-mapped one stands for (`::ffff:192.0.2.1`, RFC 4291, section 2.5.5.2); any other as it
/// is. A program that compares addresses, or counts connections by them, must meet each peer under one address.
pub(crate) fn canonical(address: SocketAddr) -> SocketAddr {
    match address.ip().to_canonical() {
        IpAddr::V4(ip) => SocketAddr::new(ip.into(), address.port()),
        IpAddr::V6(_) => address, // With its scope.
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_that_is_an_address_is_known_as_one_with_its_scope() {
        for (host, expected) in [
            ("127.0.0.1", Some("127.0.0.1:80")),
            ("::1", Some("[::1]:80")),
            ("fe80::1", Some("[fe80::1]:80")),
            ("fe80::1%2", Some("[fe80::1%2]:80")),
            ("fe80::1%4294967295", Some("[fe80::1%4294967295]:80")),
            ("fe80::1%4294967296", None),
            ("fe80::1%", None),
            ("fe80::1%+2", None),
            ("fe80::1%eth0", None),
            ("fe80::1%2%2", None),
            ("127.0.0.1%2", None),
            ("example.com", None),
            ("", None),
        ] {
            assert_eq!(parse_address(host, 80), expected.map(|text| text.parse().unwrap()), "{host:?}");
        }
    }

    #[test]
    fn only_an_ipv4_mapped_address_becomes_an_ipv4_address() {
        for (address, expected) in [
            ("[::ffff:192.0.2.1]:80", "192.0.2.1:80"),
            ("192.0.2.1:80", "192.0.2.1:80"),
            ("[::1]:80", "[::1]:80"),
            ("[::192.0.2.1]:80", "[::192.0.2.1]:80"),
            ("[fe80::1%2]:80", "[fe80::1%2]:80"),
        ] {
            assert_eq!(canonical(address.parse().unwrap()), expected.parse().unwrap(), "{address}");
        }
    }
}
