//! UDP sockets of the real driver.
//!
//! Next: `adopt.rs`, sockets that the program hands over.

use super::mio_driver::reuse_port;
use super::{DatagramSocket, ListenOptions, Token};
use mio::net::UdpSocket;
use mio::{Interest, Registry};
use socket2::{Domain, Protocol, Socket, Type};
use std::io::{self, ErrorKind};
use std::net::SocketAddr;

/// Opens a socket. Unlike a TCP port, it does not set `SO_REUSEADDR`: on Linux two programs could then share the port,
/// and the later one would take the datagrams of the earlier.
pub(super) fn listen(
    address: SocketAddr,
    options: ListenOptions,
    registry: &Registry,
    token: Token,
) -> io::Result<Box<dyn DatagramSocket>> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_nonblocking(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(options.ipv6_only)?;
    }
    if options.reuse_port {
        reuse_port(&socket)?;
    }
    socket.bind(&address.into())?;
    MioDatagramSocket::register(UdpSocket::from_std(socket.into()), registry, token)
}

pub(super) struct MioDatagramSocket(UdpSocket);

impl MioDatagramSocket {
    pub(super) fn register(
        mut socket: UdpSocket,
        registry: &Registry,
        token: Token,
    ) -> io::Result<Box<dyn DatagramSocket>> {
        // Writable, too: an error that ICMP reports may come as that event alone.
        registry.register(&mut socket, mio::Token(token.0), Interest::READABLE | Interest::WRITABLE)?;
        Ok(Box::new(MioDatagramSocket(socket)))
    }
}

impl DatagramSocket for MioDatagramSocket {
    fn receive(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.0.recv_from(buffer)
    }

    fn send(&self, datagram: &[u8], to: Option<SocketAddr>) -> io::Result<()> {
        let sent = match to {
            Some(to) => self.0.send_to(datagram, to),
            None => self.0.send(datagram),
        };
        sent.map(drop).map_err(with_kind)
    }

    fn connect(&self, peer: SocketAddr) -> io::Result<()> {
        self.0.connect(peer)
    }

    fn set_broadcast(&self, on: bool) -> io::Result<()> {
        self.0.set_broadcast(on)
    }

    fn local_address(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

/// The error of a send, with the kind by which the loop knows it.
fn with_kind(error: io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(ENOBUFS) => ErrorKind::WouldBlock.into(),
        Some(EMSGSIZE) => io::Error::new(ErrorKind::FileTooLarge, error),
        _ => error,
    }
}

// The numbers of two errors for which std has no kind: the system's queue is full, and the datagram is too long.
#[cfg(any(target_os = "linux", target_os = "android"))]
const ENOBUFS: i32 = 105;
#[cfg(any(target_os = "linux", target_os = "android"))]
const EMSGSIZE: i32 = 90;
#[cfg(windows)]
const ENOBUFS: i32 = 10_055;
#[cfg(windows)]
const EMSGSIZE: i32 = 10_040;
#[cfg(not(any(target_os = "linux", target_os = "android", windows)))]
const ENOBUFS: i32 = 55;
#[cfg(not(any(target_os = "linux", target_os = "android", windows)))]
const EMSGSIZE: i32 = 40;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_queue_of_the_system_counts_as_no_room_and_other_errors_keep_their_number() {
        let kind = |number| with_kind(io::Error::from_raw_os_error(number)).kind();
        assert_eq!(kind(ENOBUFS), ErrorKind::WouldBlock);
        assert_eq!(kind(EMSGSIZE), ErrorKind::FileTooLarge);
        let denied = io::Error::from_raw_os_error(13);
        let number = denied.raw_os_error();
        assert_eq!(with_kind(denied).raw_os_error(), number);
    }
}
