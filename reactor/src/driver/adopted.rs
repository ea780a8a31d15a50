//! [`AdoptedListener`] and its equals: sockets that somebody else has opened, such as a supervisor, on their way from
//! the program to a driver.
//!
//! Next: `mio_driver.rs`, the real driver.

use std::net::{TcpListener, TcpStream, UdpSocket};
#[cfg(unix)]
use std::os::unix::net::{UnixListener, UnixStream};

/// A listening socket that the program hands over. Converts from std's kinds.
#[derive(Debug)]
#[non_exhaustive]
pub enum AdoptedListener {
    /// TCP.
    Tcp(TcpListener),
    /// A UNIX stream socket.
    #[cfg(unix)]
    Unix(UnixListener),
}

/// A connected stream socket that the program hands over. Converts from std's kinds.
#[derive(Debug)]
#[non_exhaustive]
pub enum AdoptedStream {
    /// TCP.
    Tcp(TcpStream),
    /// A UNIX stream socket.
    #[cfg(unix)]
    Unix(UnixStream),
}

/// A UDP socket that the program hands over. Converts from std's.
#[derive(Debug)]
pub struct AdoptedDatagramSocket(pub UdpSocket);

impl From<TcpListener> for AdoptedListener {
    fn from(listener: TcpListener) -> AdoptedListener {
        AdoptedListener::Tcp(listener)
    }
}

#[cfg(unix)]
impl From<UnixListener> for AdoptedListener {
    fn from(listener: UnixListener) -> AdoptedListener {
        AdoptedListener::Unix(listener)
    }
}

impl From<TcpStream> for AdoptedStream {
    fn from(stream: TcpStream) -> AdoptedStream {
        AdoptedStream::Tcp(stream)
    }
}

#[cfg(unix)]
impl From<UnixStream> for AdoptedStream {
    fn from(stream: UnixStream) -> AdoptedStream {
        AdoptedStream::Unix(stream)
    }
}

impl From<UdpSocket> for AdoptedDatagramSocket {
    fn from(socket: UdpSocket) -> AdoptedDatagramSocket {
        AdoptedDatagramSocket(socket)
    }
}
