//! [`Reactor::listen_udp`], and the port behind a [`DatagramTransport`].
//!
//! A datagram is handed to the system inside `write`: the system's buffer is the only queue. Readiness is
//! edge-triggered, so a port that stops on its budget has the loop call it again; the driver will not report it.
//!
//! Next: `adopt.rs`, sockets that somebody else has opened.

use super::callback::Description;
use super::registry::Source;
use super::work_queue::WorkQueue;
use super::{Core, ListenAddress, Reactor, WeakReactor};
use crate::address::{Address, IntoAddress};
use crate::context::Asked;
use crate::datagram::{DatagramBackend, MAX_DATAGRAM};
use crate::diagnostics::tell;
use crate::driver::{DatagramSocket, Driver, Token};
use crate::error::{CannotListenError, DatagramError};
use crate::foreign::Foreign;
use crate::trace::{CallbackKind, Kind};
use crate::{DatagramProtocol, DatagramTransport, Deferred, Firer, deferred};
use std::cell::{Cell, RefCell};
use std::fmt;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::rc::{Rc, Weak};

/// Where to receive datagrams, and how. Converts from a socket address or its text.
///
/// ```
/// use reactor::UdpListenAddress;
/// let address = UdpListenAddress::from("[::]:8000").ipv6_only(false).max_packet_size(1500);
/// ```
#[derive(Debug, Clone)]
pub struct UdpListenAddress {
    address: ListenAddress,
    max_packet_size: usize,
}

impl UdpListenAddress {
    /// Sets the maximum number of bytes in a datagram for
    /// [`datagram_received`](DatagramProtocol::datagram_received). Of a longer one the program hears by
    /// [`datagram_too_long`](DatagramProtocol::datagram_too_long). By default none is too long: there is always room
    /// for the longest that UDP has. (Twisted cuts after 8192 bytes and does not tell.)
    pub fn max_packet_size(mut self, bytes: usize) -> UdpListenAddress {
        self.max_packet_size = bytes;
        self
    }

    /// As [`ListenAddress::ipv6_only`]: with `false`, a port at `[::]` takes datagrams over IPv4 too. An IPv4 address
    /// to send to is then written `::ffff:192.0.2.1`; received ones are shown as `192.0.2.1`, and may be answered so.
    pub fn ipv6_only(mut self, on: bool) -> UdpListenAddress {
        self.address = self.address.ipv6_only(on);
        self
    }

    /// As [`ListenAddress::reuse_port`]: with `true`, others of our user that say the same may receive at the same
    /// address. On Linux each of them gets the datagrams of some senders.
    pub fn reuse_port(mut self, on: bool) -> UdpListenAddress {
        self.address = self.address.reuse_port(on);
        self
    }
}

/// Everything that converts to the address of a TCP port.
impl<A: Into<ListenAddress>> From<A> for UdpListenAddress {
    fn from(address: A) -> UdpListenAddress {
        UdpListenAddress { address: address.into(), max_packet_size: MAX_DATAGRAM }
    }
}

impl Reactor {
    /// Receives datagrams at `address`, and hands them to `protocol` while the loop runs. The handle that it returns
    /// sends datagrams from that address, and closes the port. Port 0 means any free one. Twisted's `listenUDP`.
    ///
    /// A protocol that holds a clone of the reactor keeps the reactor alive until the port is closed.
    ///
    /// ```
    /// use reactor::{DatagramTransport, Reactor};
    /// use std::net::SocketAddr;
    ///
    /// let reactor = Reactor::new()?;
    /// let echo = |transport: &DatagramTransport, data: &[u8], from: SocketAddr| transport.write_to(data, from);
    /// let server = reactor.listen_udp("127.0.0.1:0", echo)?;
    /// let stopper = reactor.clone();
    /// let client = move |_: &DatagramTransport, datagram: &[u8], _: SocketAddr| {
    ///     assert_eq!(datagram, b"hello");
    ///     stopper.stop();
    /// };
    /// let client = reactor.listen_udp("127.0.0.1:0", client)?;
    /// client.write_to(b"hello", server.host())?;
    /// reactor.run()?;
    /// # Ok::<(), reactor::Failure>(())
    /// ```
    ///
    /// # Errors
    /// If the address is in use, is not ours, or is not an address; and while the reactor closes everything to stop.
    #[track_caller]
    pub fn listen_udp(
        &self,
        address: impl IntoAddress<UdpListenAddress>,
        protocol: impl DatagramProtocol + 'static,
    ) -> Result<DatagramTransport, CannotListenError> {
        let UdpListenAddress { address, max_packet_size } = address.into_address();
        let name = address.text.clone();
        let open =
            |driver: &mut dyn Driver, token| Ok((driver.listen_udp(address.parse()?, address.options, token)?, None));
        DatagramPort::open(&self.core, name, max_packet_size, Box::new(protocol), open)
    }
}

impl DatagramPort {
    /// Opens a port: `open` opens its socket under a token, and knows the one address that a connected socket talks to.
    /// `name` is what the caller asked for.
    #[track_caller]
    pub(super) fn open(
        core: &Core,
        name: String,
        max_packet_size: usize,
        protocol: Box<dyn DatagramProtocol>,
        open: impl FnOnce(&mut dyn Driver, Token) -> io::Result<(Box<dyn DatagramSocket>, Option<SocketAddr>)>,
    ) -> Result<DatagramTransport, CannotListenError> {
        let protocol = Foreign::new(protocol);
        let token = core.registry.borrow().next_token();
        let open = || {
            if core.is_closing() {
                return Err(io::Error::other("the reactor is stopping"));
            }
            let (socket, peer) = open(&mut **core.driver.borrow_mut(), token)?;
            let host = socket.local_address()?;
            Ok((socket, host, peer))
        };
        let (socket, host, peer) = open().map_err(|error| CannotListenError { address: name, error })?;
        let asked = Asked::here();
        let port = Rc::new_cyclic(|this| DatagramPort {
            this: this.clone(),
            token,
            host,
            max_packet_size,
            reactor: core.weak(),
            work: core.work.clone(),
            socket: RefCell::new(Some(socket)),
            protocol: Cell::new(Some(protocol)),
            peer: Cell::new(peer.map(canonical)),
            asked,
            has_started: Cell::new(false),
            is_readable: Cell::new(false),
            is_refused: Cell::new(false),
            is_queued: Cell::new(false),
            dropped: Cell::new(0),
            stopped: RefCell::default(),
            is_over: Cell::new(false),
        });
        core.registry.borrow_mut().insert(token, Source::Datagrams(port.clone()));
        if let Some(scope) = &core.work.trace {
            let address = port.host.to_string();
            scope.emit(Kind::Listening { socket: token.serial(), address: &address, place: port.asked.place });
        }
        port.call_soon(|port, core| port.start(core));
        Ok(DatagramTransport::new(port))
    }
}

pub(super) struct DatagramPort {
    this: Weak<DatagramPort>,
    token: Token,
    host: SocketAddr,
    max_packet_size: usize,
    reactor: WeakReactor,
    work: Rc<WorkQueue>,
    /// `None` once the port is closed.
    socket: RefCell<Option<Box<dyn DatagramSocket>>>,
    /// `None` while one of its callbacks runs, and once it has been told of the end.
    protocol: Cell<Option<Foreign<Box<dyn DatagramProtocol>>>>,
    peer: Cell<Option<SocketAddr>>,
    /// The code that opened it.
    asked: Asked,
    /// The protocol has been told that it starts. Nothing is received before that.
    has_started: Cell<bool>,
    /// The driver has reported datagrams, and no receive has said that there are no more.
    is_readable: Cell<bool>,
    /// A write met a refusal, and the protocol has not been told.
    is_refused: Cell<bool>,
    /// The loop will call `go_on`.
    is_queued: Cell<bool>,
    /// Datagrams for which the system had no room.
    dropped: Cell<u64>,
    /// The Deferreds of `stop_listening`.
    stopped: RefCell<Vec<Firer<()>>>,
    /// The protocol has been told of the end, and is gone.
    is_over: Cell<bool>,
}

impl DatagramPort {
    fn call_soon(&self, f: impl FnOnce(&Rc<DatagramPort>, &Core) + 'static) {
        let (this, reactor) = (self.this.clone(), self.reactor.clone());
        let call = move || {
            if let Some(port) = this.upgrade()
                && let Some(core) = reactor.core()
            {
                f(&port, &core);
            }
        };
        self.work.call_soon(self.asked.place, Box::new(call));
    }

    fn start(self: &Rc<Self>, core: &Core) {
        self.call(core, "start_protocol", |protocol, transport| protocol.start_protocol(transport));
        self.has_started.set(true);
        self.receive(core);
    }

    /// The driver has news of this port.
    pub(super) fn ready(self: &Rc<Self>, core: &Core) {
        self.is_readable.set(true);
        self.receive(core);
    }

    /// Does what had to wait: the budget was used up, a write met a refusal, or the system had no memory.
    fn go_on(self: &Rc<Self>, core: &Core) {
        self.is_queued.set(false);
        if self.is_refused.take() {
            self.report_refusal(core);
        }
        self.receive(core);
    }

    fn go_on_soon(&self) {
        if !self.is_queued.replace(true) {
            self.call_soon(|port, core| port.go_on(core));
        }
    }

    fn report_refusal(self: &Rc<Self>, core: &Core) {
        // A closed port hears only of its end.
        if self.socket.borrow().is_some() {
            self.call(core, "connection_refused", |protocol, transport| protocol.connection_refused(transport));
        }
    }

    /// Receives until nothing is there, or the budget is used up.
    fn receive(self: &Rc<Self>, core: &Core) {
        if !self.has_started.get() || !self.is_readable.get() {
            return;
        }
        let mut buffer = core.take_buffer();
        for _ in 0..self.work.settings.max_datagrams_at_once.max(1) {
            let received = match &*self.socket.borrow() {
                Some(socket) => socket.receive(&mut buffer),
                None => break, // The last callback has closed the port.
            };
            match received {
                Ok((length, from)) => self.deliver(core, &buffer[..length], from),
                Err(error) => match error.kind() {
                    ErrorKind::WouldBlock => self.is_readable.set(false),
                    ErrorKind::Interrupted => {}
                    // An unconnected port may have sent to many peers, and the system does not say which refused.
                    ErrorKind::ConnectionRefused | ErrorKind::ConnectionReset if self.peer.get().is_none() => {}
                    ErrorKind::ConnectionRefused => self.report_refusal(core),
                    ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable => {
                        log::debug!(target: "reactor", "what {} sent did not arrive: {error}", self.host);
                    }
                    _ => {
                        self.is_readable.set(false);
                        self.try_later(core, &error);
                    }
                },
            }
            if !self.is_readable.get() {
                break;
            }
        }
        core.give_buffer(buffer);
        if self.is_readable.get() {
            self.go_on_soon();
        }
    }

    fn deliver(self: &Rc<Self>, core: &Core, datagram: &[u8], from: SocketAddr) {
        let from = canonical(from);
        // The system filters from the connect on, but not the datagrams that had come before it.
        if self.peer.get().is_some_and(|peer| peer != from) {
            return;
        }
        let length = datagram.len();
        match datagram.get(..self.max_packet_size) {
            Some(beginning) if length > self.max_packet_size => {
                self.call(core, "datagram_too_long", |protocol, transport| {
                    protocol.datagram_too_long(transport, beginning, length, from);
                });
            }
            _ => self.call(core, "datagram_received", |protocol, transport| {
                protocol.datagram_received(transport, datagram, from);
            }),
        }
    }

    /// The system lacks memory, say. No event reports when it has some again.
    fn try_later(&self, core: &Core, error: &io::Error) {
        tell!(Warn, "reactor", "{} cannot receive: {error}; trying again", self.host);
        let (this, reactor) = (self.this.clone(), self.reactor.clone());
        let again = move || {
            if let Some(port) = this.upgrade()
                && let Some(core) = reactor.core()
            {
                port.ready(&core);
            }
        };
        core.work.timers.call_later(self.work.settings.accept_retry, again);
    }

    /// Takes the protocol out, calls it, and puts it back: the callback may come back to this port. A panic is logged,
    /// and the port goes on.
    fn call(
        self: &Rc<Self>,
        core: &Core,
        what: &'static str,
        f: impl FnOnce(&mut dyn DatagramProtocol, &DatagramTransport),
    ) {
        let Some(mut protocol) = self.protocol.take() else { return };
        let transport = DatagramTransport::new(self.clone());
        let describe =
            |out: &mut Description| self.describe(out.method(CallbackKind::Protocol, what, Some(self.token)), what);
        self.asked.context.run(|| core.run_callback(describe, || f(&mut **protocol, &transport)));
        self.protocol.set(Some(protocol));
    }

    fn describe(&self, out: &mut Description, what: &str) -> fmt::Result {
        out.place(self.asked.place);
        out.write_fmt(format_args!("{what} of the UDP port {}, opened at {}", self.host, self.asked))
    }

    /// Closes the socket. The loop tells the protocol.
    pub(super) fn stop(&self, core: &Core) {
        if self.socket.take().is_none() {
            return;
        }
        core.registry.borrow_mut().remove(self.token);
        self.is_readable.set(false);
        // Strong: this port is in no list any more.
        let port = self.this.upgrade();
        self.call_soon(move |this, core| {
            this.call(core, "stop_protocol", |protocol, _| protocol.stop_protocol());
            let protocol = this.protocol.take();
            core.run_callback(|out| this.describe(out, "the drop of the protocol"), || drop(protocol));
            this.is_over.set(true); // Before the Deferreds fire: their callbacks may stop the port again.
            for firer in this.stopped.take() {
                let describe = |out: &mut Description| this.describe(out, "a callback of stop_listening");
                core.run_callback(describe, || {
                    let _ = firer.callback(()); // If it was cancelled, this has no effect.
                });
            }
            drop(port);
        });
    }

    /// Drops what it holds, without a callback: the loop is gone.
    pub(super) fn forget(&self) {
        drop(self.socket.take());
        drop(self.protocol.take());
        drop(self.stopped.take());
    }

    /// How the system wants an address for this socket: a socket for both kinds takes IPv4 addresses mapped.
    fn for_socket(&self, address: SocketAddr) -> SocketAddr {
        match address {
            SocketAddr::V4(v4) if self.host.is_ipv6() => SocketAddr::from((v4.ip().to_ipv6_mapped(), v4.port())),
            other => other,
        }
    }
}

fn canonical(address: SocketAddr) -> SocketAddr {
    Address::from(address).canonical().tcp().unwrap_or(address)
}

impl DatagramBackend for DatagramPort {
    fn write(&self, datagram: &[u8], to: Option<SocketAddr>) -> Result<(), DatagramError> {
        let peer = self.peer.get();
        let to = match (to.map(canonical), peer) {
            (None, None) => return Err(DatagramError::NotConnected),
            (Some(to), Some(peer)) if to != peer => return Err(DatagramError::NotThePeer),
            (_, Some(_)) => None,
            (Some(to), None) => Some(self.for_socket(to)),
        };
        let socket = self.socket.borrow();
        let socket = socket.as_ref().ok_or(DatagramError::Closed)?;
        let mut sent = socket.send(datagram, to);
        if let Err(error) = &sent
            && error.kind() == ErrorKind::ConnectionRefused
        {
            // That is the answer to an earlier datagram, and this one has not been sent.
            if peer.is_some() {
                self.is_refused.set(true);
                self.go_on_soon();
            }
            sent = socket.send(datagram, to);
        }
        sent.map_err(|error| match error.kind() {
            ErrorKind::FileTooLarge => DatagramError::TooLong { length: datagram.len() },
            ErrorKind::WouldBlock => {
                self.dropped.set(self.dropped.get() + 1);
                DatagramError::Full
            }
            _ => DatagramError::System(error),
        })
    }

    fn connect(&self, peer: SocketAddr) -> Result<(), DatagramError> {
        if self.peer.get().is_some() {
            return Err(DatagramError::AlreadyConnected);
        }
        let socket = self.socket.borrow();
        let socket = socket.as_ref().ok_or(DatagramError::Closed)?;
        socket.connect(self.for_socket(canonical(peer))).map_err(DatagramError::System)?;
        self.peer.set(Some(canonical(peer)));
        Ok(())
    }

    fn set_broadcast_allowed(&self, on: bool) -> Result<(), DatagramError> {
        let socket = self.socket.borrow();
        socket.as_ref().ok_or(DatagramError::Closed)?.set_broadcast(on).map_err(DatagramError::System)
    }

    fn stop_listening(&self) -> Deferred<()> {
        match self.reactor.core() {
            Some(core) if !self.is_over.get() => {
                let (deferred, firer) = Deferred::unwatched();
                self.stopped.borrow_mut().push(firer);
                self.stop(&core);
                deferred
            }
            _ => deferred::succeed(()),
        }
    }

    fn host(&self) -> SocketAddr {
        let socket = self.socket.borrow();
        // A connected socket has the address that the route gives it.
        canonical(socket.as_ref().and_then(|socket| socket.local_address().ok()).unwrap_or(self.host))
    }

    fn peer(&self) -> Option<SocketAddr> {
        self.peer.get()
    }

    fn dropped_count(&self) -> u64 {
        self.dropped.get()
    }
}
