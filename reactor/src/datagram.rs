//! [`DatagramProtocol`] and [`DatagramTransport`]: UDP. Twisted's `DatagramProtocol` and `IUDPTransport`.
//!
//! ```text
//!   listen_udp --> start_protocol --> datagram_received ... --> stop_protocol
//! ```
//!
//! The network may lose a datagram, deliver it twice or out of order, and nobody is told. So nothing is promised here
//! either, but what does happen is not hidden: a datagram that this system does not take is an error of `write`, and a
//! datagram is never cut.
//!
//! * No method calls the protocol back before it returns.
//! * A panic in a callback is logged, and the port goes on, as in Twisted. Many peers share a port: one peer's datagram
//!   must not take it from the others.
//! * [`Settings::max_datagrams_at_once`](crate::Settings::max_datagrams_at_once) limits what one port receives before
//!   the loop goes on to other work.
//!
//! Next: [`address.rs`](../../src/reactor/address.rs.html), where the ends of a connection are.

use crate::Deferred;
use crate::error::DatagramError;
use std::fmt;
use std::net::SocketAddr;
use std::rc::Rc;

/// Maximum number of bytes in a datagram over UDP: what its 16-bit length leaves over IPv6. IPv4 allows 20 fewer.
pub const MAX_DATAGRAM: usize = 65_527;

/// What a program does with the datagrams of one port. Twisted's `DatagramProtocol`.
///
/// A closure that takes the transport, the datagram and the peer's address is one: it is `datagram_received`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not receive datagrams",
    label = "a `DatagramProtocol` is wanted here",
    note = "it may be a closure: `|transport: &DatagramTransport, data: &[u8], from: SocketAddr| ...`"
)]
pub trait DatagramProtocol {
    /// The port is open. Called once, from the loop, before anything else.
    fn start_protocol(&mut self, transport: &DatagramTransport) {
        let _ = transport;
    }

    /// A datagram has come, whole. It may be empty.
    fn datagram_received(&mut self, transport: &DatagramTransport, datagram: &[u8], from: SocketAddr);

    /// A datagram has come that is longer than the port's maximum
    /// ([`UdpListenAddress::max_packet_size`](crate::UdpListenAddress::max_packet_size)). `beginning` has as many bytes
    /// as the maximum allows; `length` is the length of the whole. The default drops it. Twisted delivers the beginning
    /// as if it were the datagram.
    fn datagram_too_long(&mut self, transport: &DatagramTransport, beginning: &[u8], length: usize, from: SocketAddr) {
        let _ = (transport, beginning, length, from);
    }

    /// Nobody listens where the datagrams go. Only a connected port hears of it, and only if the other machine says so
    /// (ICMP). The port stays open. Twisted's `connectionRefused`.
    fn connection_refused(&mut self, transport: &DatagramTransport) {
        let _ = transport;
    }

    /// The port is closed. Called once, last, from the loop.
    fn stop_protocol(&mut self) {}
}

impl<F, R> DatagramProtocol for F
where
    F: FnMut(&DatagramTransport, &[u8], SocketAddr) -> R,
{
    fn datagram_received(&mut self, transport: &DatagramTransport, datagram: &[u8], from: SocketAddr) {
        self(transport, datagram, from);
    }
}

/// The port behind a [`DatagramTransport`]. Each method has the contract of its namesake there.
pub(crate) trait DatagramBackend {
    fn write(&self, datagram: &[u8], to: Option<SocketAddr>) -> Result<(), DatagramError>;
    fn connect(&self, peer: SocketAddr) -> Result<(), DatagramError>;
    fn set_broadcast_allowed(&self, on: bool) -> Result<(), DatagramError>;
    fn stop_listening(&self) -> Deferred<()>;
    fn host(&self) -> SocketAddr;
    fn peer(&self) -> Option<SocketAddr>;
    fn dropped_count(&self) -> u64;
}

/// The handle to a UDP port: it sends, and it closes the port. Clones are the same port. Dropping it does not close the
/// port. Twisted's `IUDPTransport`.
#[derive(Clone)]
pub struct DatagramTransport(Rc<dyn DatagramBackend>);

impl DatagramTransport {
    pub(crate) fn new(backend: Rc<dyn DatagramBackend>) -> DatagramTransport {
        DatagramTransport(backend)
    }

    /// Sends a datagram to `to`, now. On a connected port, `to` must be the peer.
    ///
    /// # Errors
    /// If this system does not take the datagram. It is not sent later: see [`DatagramError::Full`].
    pub fn write_to(&self, datagram: &[u8], to: SocketAddr) -> Result<(), DatagramError> {
        self.0.write(datagram, Some(to))
    }

    /// Sends a datagram to the peer of a connected port, now.
    ///
    /// # Errors
    /// As [`write_to`](DatagramTransport::write_to); and [`DatagramError::NotConnected`].
    pub fn write(&self, datagram: &[u8]) -> Result<(), DatagramError> {
        self.0.write(datagram, None)
    }

    /// Connects the port to one peer: from now on it receives datagrams from that peer alone, sends only to it, and
    /// hears of a refusal. No packet is sent for that. A port can be connected once.
    ///
    /// # Errors
    /// [`DatagramError::AlreadyConnected`], or the system's, such as that it has no route.
    pub fn connect(&self, peer: SocketAddr) -> Result<(), DatagramError> {
        self.0.connect(peer)
    }

    /// Whether datagrams may go to a broadcast address, such as 255.255.255.255 (default no). Twisted's
    /// `setBroadcastAllowed`.
    ///
    /// # Errors
    /// The system's.
    pub fn set_broadcast_allowed(&self, on: bool) -> Result<(), DatagramError> {
        self.0.set_broadcast_allowed(on)
    }

    /// Closes the port. The Deferred fires from the loop when `stop_protocol` has returned and the protocol is gone.
    /// Called again, it closes nothing more, and the Deferred fires at the same time, or at once.
    #[track_caller]
    pub fn stop_listening(&self) -> Deferred<()> {
        self.0.stop_listening()
    }

    /// The local address, with the real port number if 0 was asked for. Twisted's `getHost`.
    pub fn host(&self) -> SocketAddr {
        self.0.host()
    }

    /// The peer of a connected port.
    pub fn peer(&self) -> Option<SocketAddr> {
        self.0.peer()
    }

    /// How many datagrams this system did not take because its buffer was full ([`DatagramError::Full`]).
    pub fn dropped_count(&self) -> u64 {
        self.0.dropped_count()
    }
}

impl fmt::Debug for DatagramTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DatagramTransport({})", self.host())
    }
}
