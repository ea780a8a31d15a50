//! [`Address`]: where an end of a connection is.
//!
//! Next: `line_buffer.rs`, the first step to a protocol of lines.

use std::fmt;
use std::net::SocketAddr;

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
