//! [`Address`]: where an end of a connection is; [`UnixAddress`]: where a UNIX socket is.
//!
//! Next: `line_buffer.rs`, the first step to a protocol of lines.

use std::ffi::OsStr;
use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::path::{Path, PathBuf};

/// One end of a connection. Twisted's `IAddress`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Address {
    /// An Internet address and port.
    Tcp(SocketAddr),
    /// A UNIX socket on this machine.
    Unix(UnixAddress),
    /// Standard input and output of this process. Twisted's `PipeAddress`.
    StandardIo,
    /// No known place: an end that exists only in memory, or one that the system no longer knows.
    Unknown,
}

impl Address {
    /// The Internet address and port, if it is one.
    pub fn tcp(&self) -> Option<SocketAddr> {
        match self {
            Address::Tcp(address) => Some(*address),
            Address::Unix(_) | Address::StandardIo | Address::Unknown => None,
        }
    }

    /// As [`canonical`] for an Internet address.
    pub(crate) fn canonical(self) -> Address {
        match self {
            Address::Tcp(address) => Address::Tcp(canonical(address)),
            other => other,
        }
    }

    /// The name of the UNIX socket, if it is one.
    pub fn unix(&self) -> Option<&UnixAddress> {
        match self {
            Address::Unix(address) => Some(address),
            Address::Tcp(_) | Address::StandardIo | Address::Unknown => None,
        }
    }
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Address {
        Address::Tcp(address)
    }
}

impl From<UnixAddress> for Address {
    fn from(address: UnixAddress) -> Address {
        Address::Unix(address)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Tcp(address) => address.fmt(f),
            Address::Unix(address) => address.fmt(f),
            Address::StandardIo => f.write_str("standard input and output"),
            Address::Unknown => f.write_str("unknown"),
        }
    }
}

/// Where a UNIX socket is. Twisted's `UNIXAddress`.
///
/// Text converts to a path; text that begins with a NUL character converts to an abstract name, as in Twisted. In logs,
/// an address begins with `unix:`, and an abstract name with `@`.
///
/// ```
/// use reactor::UnixAddress;
/// assert_eq!(UnixAddress::from("/run/echo.sock").to_string(), "unix:/run/echo.sock");
/// assert_eq!(UnixAddress::from("\0echo"), UnixAddress::Abstract(b"echo".to_vec()));
/// assert_eq!(UnixAddress::from("\0echo").to_string(), "unix:@echo");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum UnixAddress {
    /// A socket file. A relative path is taken from the working directory.
    Path(PathBuf),
    /// A name in Linux's abstract namespace, without the NUL byte that the system puts in front. It has no file, and is
    /// gone with its socket. Every user of the machine may connect to it.
    Abstract(Vec<u8>),
    /// No name: what a client's end usually has.
    Unnamed,
}

impl UnixAddress {
    /// Maximum number of bytes in a path: the system keeps one for the NUL at its end. The system sets this limit.
    pub const MAX_PATH: usize = if cfg!(any(target_os = "linux", target_os = "android")) { 107 } else { 103 };

    /// Fails if no socket can have this name, in words that say why. The system itself says only "invalid argument".
    pub(crate) fn check(&self) -> io::Result<()> {
        let what = match self {
            UnixAddress::Path(path) => match path.as_os_str().as_encoded_bytes() {
                [] => "the path of the socket is empty".to_owned(),
                bytes if bytes.contains(&0) => "the path of the socket has a NUL byte in it".to_owned(),
                bytes if bytes.len() > Self::MAX_PATH => {
                    let (len, max) = (bytes.len(), Self::MAX_PATH);
                    format!("the path of the socket has {len} bytes; the system allows {max}")
                }
                _ => return Ok(()),
            },
            UnixAddress::Abstract(_) if !cfg!(any(target_os = "linux", target_os = "android")) => {
                return Err(io::Error::new(io::ErrorKind::Unsupported, "only Linux has abstract names of sockets"));
            }
            UnixAddress::Abstract(name) if name.len() > Self::MAX_PATH => {
                let (len, max) = (name.len(), Self::MAX_PATH);
                format!("the abstract name of the socket has {len} bytes; the system allows {max}")
            }
            UnixAddress::Abstract(_) => return Ok(()),
            UnixAddress::Unnamed => "the socket has no name".to_owned(),
        };
        Err(io::Error::new(io::ErrorKind::InvalidInput, what))
    }
}

impl From<&str> for UnixAddress {
    fn from(text: &str) -> UnixAddress {
        match text.strip_prefix('\0') {
            Some(name) => UnixAddress::Abstract(name.into()),
            None => UnixAddress::Path(text.into()),
        }
    }
}

impl From<&Path> for UnixAddress {
    fn from(path: &Path) -> UnixAddress {
        UnixAddress::Path(path.to_owned())
    }
}

impl From<PathBuf> for UnixAddress {
    fn from(path: PathBuf) -> UnixAddress {
        UnixAddress::Path(path)
    }
}

impl fmt::Display for UnixAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // Escaped: a file may have any name, and a log line must stay one line.
            UnixAddress::Path(path) => write!(f, "unix:{}", OsStr::to_string_lossy(path.as_os_str()).escape_debug()),
            UnixAddress::Abstract(name) => write!(f, "unix:@{}", name.escape_ascii()),
            UnixAddress::Unnamed => f.write_str("unix:(no name)"),
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

/// The host and the port of text such as `example.com:80` or `[::1]:80`. The error says what is wrong with it.
pub(crate) fn split_host_port(text: &str) -> Result<(&str, u16), String> {
    let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, rest)) => (host, rest.strip_prefix(':').ok_or("the port is missing: write [address]:port")?),
        None => text.rsplit_once(':').ok_or("the port is missing: write host:port")?,
    };
    if host.contains(':') && !text.starts_with('[') {
        return Err("write an IPv6 address in brackets: [::1]:80".to_owned());
    }
    if host.is_empty() {
        return Err("the host is missing: write host:port".to_owned());
    }
    // Not `parse` alone, which takes a sign.
    let is_number = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    let number = if is_number { port.parse().ok() } else { None };
    let number = number.ok_or_else(|| format!("{port:?} is not a port: that is a number from 0 to 65535"))?;
    Ok((host, number))
}

/// The IPv4 address that an IPv4-mapped one stands for (`::ffff:192.0.2.1`, RFC 4291, section 2.5.5.2); any other as it
/// is. A program that compares addresses, or counts connections by them, must meet each peer under one address.
fn canonical(address: SocketAddr) -> SocketAddr {
    match address.ip().to_canonical() {
        IpAddr::V4(ip) => SocketAddr::new(ip.into(), address.port()),
        IpAddr::V6(_) => address, // With its scope.
    }
}

/// Whatever an address of the type `A` can be made from: a [`Destination`](crate::Destination) to connect to, or a
/// [`ListenAddress`](crate::ListenAddress). It says no more than `Into<A>`, but with a compile error that helps.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an address",
    label = "an address with a host and a port is wanted here",
    note = "write `\"127.0.0.1:8007\"` for this machine alone; to listen for everybody, `\"0.0.0.0:8007\"`",
    note = "or `(host, port)`, a `SocketAddr`, or a `{A}`"
)]
pub trait IntoAddress<A> {
    /// Makes the address.
    fn into_address(self) -> A;
}

#[diagnostic::do_not_recommend]
impl<A, T: Into<A>> IntoAddress<A> for T {
    fn into_address(self) -> A {
        self.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_shows_a_unix_socket_in_one_line() {
        for (address, expected) in [
            (UnixAddress::from("/run/a b.sock"), "unix:/run/a b.sock"),
            (UnixAddress::from("bad\nname\u{1b}[31m"), "unix:bad\\nname\\u{1b}[31m"),
            (UnixAddress::Abstract(b"a\0b\xff".to_vec()), "unix:@a\\x00b\\xff"),
            (UnixAddress::Unnamed, "unix:(no name)"),
        ] {
            assert_eq!(Address::from(address).to_string(), expected);
        }
    }

    #[test]
    fn a_name_that_no_socket_can_have_is_refused_in_words() {
        let longest = "x".repeat(UnixAddress::MAX_PATH);
        for (address, expected) in [
            (UnixAddress::from(longest.as_str()), None),
            (UnixAddress::from(format!("{longest}x").as_str()), Some("bytes; the system allows")),
            (UnixAddress::from(""), Some("is empty")),
            (UnixAddress::from("a\0b"), Some("NUL")),
            (UnixAddress::Unnamed, Some("no name")),
        ] {
            let error = address.check().err().map(|error| error.to_string());
            match expected {
                Some(part) => assert!(error.as_ref().is_some_and(|text| text.contains(part)), "{address}: {error:?}"),
                None => assert_eq!(error, None, "{address}"),
            }
        }
    }

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
    fn text_is_split_into_host_and_port_or_says_what_is_wrong() {
        for (text, expected) in [
            ("example.com:80", Ok(("example.com", 80))),
            ("192.0.2.1:0", Ok(("192.0.2.1", 0))),
            ("[::1]:65535", Ok(("::1", 65535))),
            ("[fe80::1%eth0]:80", Ok(("fe80::1%eth0", 80))),
            ("example.com", Err("the port is missing: write host:port")),
            ("", Err("the port is missing: write host:port")),
            ("[::1]", Err("the port is missing: write [address]:port")),
            ("[::1]80", Err("the port is missing: write [address]:port")),
            ("::1:80", Err("write an IPv6 address in brackets: [::1]:80")),
            (":80", Err("the host is missing: write host:port")),
            ("[]:80", Err("the host is missing: write host:port")),
            ("a:", Err("\"\" is not a port: that is a number from 0 to 65535")),
            ("a:http", Err("\"http\" is not a port: that is a number from 0 to 65535")),
            ("a:+80", Err("\"+80\" is not a port: that is a number from 0 to 65535")),
            ("a:65536", Err("\"65536\" is not a port: that is a number from 0 to 65535")),
        ] {
            assert_eq!(split_host_port(text), expected.map_err(str::to_owned), "{text:?}");
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
