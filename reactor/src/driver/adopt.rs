//! Sockets that the program hands over, under the real driver.
//!
//! A descriptor is only a number, so std's type says nothing about what is behind it: a program that took the wrong
//! number has a `TcpListener` that is a pipe. Each socket is checked before the loop gets it.
//!
//! Next: `standard_io.rs`, standard input and output.

use super::mio_driver::{MioListener, MioStream};
use super::udp::MioDatagramSocket;
#[cfg(unix)]
use super::unix::{self, MioUnixListener, MioUnixStream};
use super::{AdoptedDatagramSocket, AdoptedListener, AdoptedStream, DatagramSocket, Listener, Stream, Token};
use crate::Address;
use mio::Registry;
use socket2::{SockRef, Type};
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::rc::Rc;

/// Puts a listening socket under the loop.
pub(super) fn listener(
    listener: AdoptedListener,
    registry: &Rc<Registry>,
    token: Token,
) -> io::Result<Box<dyn Listener>> {
    match listener {
        AdoptedListener::Tcp(listener) => {
            let socket = SockRef::from(&listener);
            check(&socket, Type::STREAM, Family::Internet)?;
            check_listening(&socket)?;
            listener.set_nonblocking(true)?;
            MioListener::register(mio::net::TcpListener::from_std(listener), registry, token)
        }
        #[cfg(unix)]
        AdoptedListener::Unix(listener) => {
            let socket = SockRef::from(&listener);
            check(&socket, Type::STREAM, Family::Unix)?;
            check_listening(&socket)?;
            listener.set_nonblocking(true)?;
            // Its file is left to the process that made it, which will want it for the next server.
            MioUnixListener::register(None, mio::net::UnixListener::from_std(listener), registry, token)
        }
    }
}

/// Puts a connected stream socket under the loop.
pub(super) fn stream(
    stream: AdoptedStream,
    registry: &Registry,
    token: Token,
) -> io::Result<(Box<dyn Stream>, Address)> {
    match stream {
        AdoptedStream::Tcp(stream) => {
            check(&SockRef::from(&stream), Type::STREAM, Family::Internet)?;
            let peer = stream.peer_addr().map_err(|_| wrong("it is not connected"))?;
            stream.set_nonblocking(true)?;
            Ok((MioStream::register(mio::net::TcpStream::from_std(stream), registry, token)?, peer.into()))
        }
        #[cfg(unix)]
        AdoptedStream::Unix(stream) => {
            check(&SockRef::from(&stream), Type::STREAM, Family::Unix)?;
            let peer = stream.peer_addr().map_err(|_| wrong("it is not connected"))?;
            stream.set_nonblocking(true)?;
            Ok((
                MioUnixStream::register(mio::net::UnixStream::from_std(stream), registry, token)?,
                unix::address(&peer),
            ))
        }
    }
}

/// Puts a UDP socket under the loop.
pub(super) fn datagram_socket(
    AdoptedDatagramSocket(socket): AdoptedDatagramSocket,
    registry: &Registry,
    token: Token,
) -> io::Result<(Box<dyn DatagramSocket>, Option<SocketAddr>)> {
    check(&SockRef::from(&socket), Type::DGRAM, Family::Internet)?;
    socket.set_nonblocking(true)?;
    let peer = socket.peer_addr().ok(); // A socket that is not connected has none.
    Ok((MioDatagramSocket::register(mio::net::UdpSocket::from_std(socket), registry, token)?, peer))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Family {
    Internet,
    Unix,
}

/// Whether the socket is what its type says.
fn check(socket: &SockRef<'_>, kind: Type, family: Family) -> io::Result<()> {
    let found =
        socket.r#type().map_err(|error| io::Error::new(error.kind(), format!("it is not a socket: {error}")))?;
    let address = socket.local_addr()?;
    let found_family = match address.is_unix() {
        true => Family::Unix,
        false if address.as_socket().is_some() => Family::Internet,
        false => return Err(wrong("it is neither an Internet socket nor a UNIX socket")),
    };
    match (family, found_family) {
        (Family::Internet, Family::Unix) => return Err(wrong("it is a UNIX socket, and not one of the Internet")),
        (Family::Unix, Family::Internet) => return Err(wrong("it is a socket of the Internet, and not a UNIX socket")),
        (Family::Internet, Family::Internet) | (Family::Unix, Family::Unix) => {}
    }
    match (kind, found) {
        (wanted, found) if wanted == found => Ok(()),
        (Type::STREAM, _) => Err(wrong("it is a socket for datagrams, and not for connections")),
        _ => Err(wrong("it is a socket for connections, and not for datagrams")),
    }
}

/// A socket that does not listen would never have anything to accept, and would not say so.
fn check_listening(socket: &SockRef<'_>) -> io::Result<()> {
    #[cfg(any(target_os = "android", target_os = "freebsd", target_os = "linux"))]
    if !socket.is_listener()? {
        return Err(wrong("it does not listen"));
    }
    // Other systems cannot say it in advance; the first accept fails there.
    let _ = socket;
    Ok(())
}

fn wrong(what: &str) -> io::Error {
    io::Error::new(ErrorKind::InvalidInput, what)
}
