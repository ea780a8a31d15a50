//! Sockets that somebody else has opened, on the loop: [`Reactor::adopt_stream_port`], and its equals for UDP and for
//! one connection. Twisted's `IReactorSocket`.
//!
//! A supervisor such as systemd opens the port, so that no client is refused while the server starts or is replaced,
//! and so that the server needs no right to open it. The server inherits a descriptor. To make a socket of a number is
//! `unsafe` in Rust, and stays with the program. It has three ways:
//!
//! * The crate `listenfd` reads `LISTEN_FDS` and gives std's sockets.
//! * If the supervisor hands the socket over as standard input (systemd: `StandardInput=socket`), std is enough, and
//!   nothing is `unsafe`: see the example at [`Reactor::adopt_stream_port`].
//! * `std::os::fd::FromRawFd`, in the program's own `unsafe` block.
//!
//! A simulated world has no sockets of the system, and refuses all three.
//!
//! Next: `standard_io.rs`, a connection that every process has.

use super::connection::{Connection, Origin};
use super::datagram_port::DatagramPort;
use super::registry::Source;
use super::{Core, ListeningPort, Reactor, port};
use crate::context::Asked;
use crate::datagram::MAX_DATAGRAM;
use crate::driver::{AdoptedDatagramSocket, AdoptedListener, AdoptedStream, Driver, Stream, Token};
use crate::error::CannotListenError;
use crate::foreign::Foreign;
use crate::{Address, DatagramProtocol, DatagramTransport, Factory, Protocol, Transport};
use std::io;
use std::panic::Location;

/// What errors call a socket that has no address of ours to be named by.
const NAME: &str = "the adopted socket";

impl Reactor {
    /// Accepts connections from a socket that listens already, TCP or UNIX; `factory` builds a protocol for each.
    /// Otherwise as [`listen_tcp`](Reactor::listen_tcp). Twisted's `adoptStreamPort`.
    ///
    /// The socket becomes non-blocking, for every process that shares it. It is closed when the port stops. The file of
    /// a UNIX socket stays: it belongs to the process that made it.
    ///
    /// ```
    /// use reactor::{Protocol, Reactor, Transport};
    /// use std::{io, net::TcpListener, os::fd::AsFd};
    ///
    /// struct Echo;
    /// impl Protocol for Echo {
    ///     fn data_received(&mut self, transport: &Transport, data: &[u8]) {
    ///         transport.write(data);
    ///     }
    /// }
    /// // A socket that was handed over as standard input.
    /// let inherited = || -> io::Result<TcpListener> { Ok(io::stdin().as_fd().try_clone_to_owned()?.into()) };
    /// # let inherited = || TcpListener::bind("127.0.0.1:0"); // Nobody has handed one over to this test.
    /// let reactor = Reactor::new()?;
    /// let port = reactor.adopt_stream_port(inherited()?, |_peer| Echo)?;
    /// assert!(port.host().tcp().is_some());
    /// # Ok::<(), reactor::Failure>(())
    /// ```
    ///
    /// # Errors
    /// If it is not a socket, not of the kind that its type says, or does not listen; if the driver is a simulated one;
    /// and while the reactor closes everything to stop. The socket is closed then.
    #[track_caller]
    pub fn adopt_stream_port(
        &self,
        listener: impl Into<AdoptedListener>,
        factory: impl Factory + 'static,
    ) -> Result<ListeningPort<Address>, CannotListenError> {
        let listener = listener.into();
        let open = |driver: &mut dyn Driver, token| driver.adopt_listener(listener, token);
        let kind = |host: &Address| Some(host.clone());
        port::open(&self.core, NAME.to_owned(), Foreign::new(Box::new(factory)), open, kind)
    }

    /// Receives datagrams from a UDP socket that is open already. Otherwise as [`listen_udp`](Reactor::listen_udp). If
    /// the socket is connected, it talks to that one address, as after
    /// [`DatagramTransport::connect`]. Twisted's `adoptDatagramPort`.
    ///
    /// # Errors
    /// As [`adopt_stream_port`](Reactor::adopt_stream_port).
    #[track_caller]
    pub fn adopt_datagram_port(
        &self,
        socket: impl Into<AdoptedDatagramSocket>,
        protocol: impl DatagramProtocol + 'static,
    ) -> Result<DatagramTransport, CannotListenError> {
        let socket = socket.into();
        let open = |driver: &mut dyn Driver, token| driver.adopt_datagram_socket(socket, token);
        DatagramPort::open(&self.core, NAME.to_owned(), MAX_DATAGRAM, Box::new(protocol), open)
    }

    /// Speaks `protocol` over a connection that is there already: one that the program was started with, one end of a
    /// socket pair. The loop calls `connection_made` before anything else, and never before this returns. As for an
    /// accepted connection, [`pause_when_full`](Transport::pause_when_full) is on. Twisted's `adoptStreamConnection`.
    ///
    /// The socket becomes non-blocking, for every process that shares it.
    ///
    /// # Errors
    /// If it is not a socket, not of the kind that its type says, or not connected; if the driver is a simulated one;
    /// and while the reactor closes everything to stop. The connection is closed then, and the protocol is dropped.
    #[track_caller]
    pub fn adopt_stream_connection(
        &self,
        stream: impl Into<AdoptedStream>,
        protocol: impl Protocol + 'static,
    ) -> io::Result<Transport> {
        let stream = stream.into();
        let open = |driver: &mut dyn Driver, token| driver.adopt_stream(stream, token);
        attach(&self.core, Box::new(protocol), open)
    }
}

/// Makes a connection of a stream that is connected already: `open` registers it under a token, and knows its peer. The
/// loop introduces it to its protocol soon.
#[track_caller]
pub(super) fn attach(
    core: &Core,
    protocol: Box<dyn Protocol>,
    open: impl FnOnce(&mut dyn Driver, Token) -> io::Result<(Box<dyn Stream>, Address)>,
) -> io::Result<Transport> {
    let protocol = Foreign::new(protocol);
    if core.is_closing() {
        return Err(io::Error::other("the reactor is stopping"));
    }
    let origin = Origin::Port(Asked::here());
    let token = core.registry.borrow().next_token();
    let (stream, peer) = open(&mut **core.driver.borrow_mut(), token)?;
    let connection = Connection::new(token, core.work.clone(), stream, protocol, peer.canonical(), origin);
    core.registry.borrow_mut().insert(token, Source::Connection(connection.clone()));
    let (begun, reactor) = (connection.clone(), core.weak());
    let begin = move || {
        if let Some(core) = reactor.core() {
            begun.begin(&core);
        }
    };
    core.work.call_soon(Location::caller(), Box::new(begin));
    Ok(Transport::new(connection))
}
