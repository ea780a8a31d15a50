//! [`Reactor::connect`]: one outgoing connection as a Deferred, without a factory; and the same over TLS.
//!
//! ```text
//!   connect --> attempt --> protocol built --> connection_made (TLS: handshake_completed) --> fires with the transport
//!                  |                |
//!                  +- ConnectError  +- connection_lost before that: Reason
//! ```
//!
//! Next: `unix.rs`, the same over UNIX sockets.

use super::{ClientFactory, Connector, Destination, Reactor};
use crate::tls::TlsClient;
use crate::{Address, Deferred, Failure, Firer, Protocol, Reason, Transport};
use std::cell::{Cell, RefCell};
use std::rc::Rc;

impl Reactor {
    /// Connects to `destination` once. `build` makes the protocol, from the peer's address. The Deferred fires with the
    /// protocol's transport when `connection_made` has returned, before any data comes. Twisted's
    /// `endpoint.connect(factory)`.
    ///
    /// Fails with a [`ConnectError`](crate::error::ConnectError) if no connection could be made. Cancelling gives the
    /// attempt up. From the moment it fires, the protocol alone hears of the connection: a program that wants to
    /// connect again gives [`connect_tcp`](Reactor::connect_tcp) a [`ClientFactory`].
    ///
    /// ```
    /// use reactor::{Protocol, Reactor, Transport};
    ///
    /// struct Silent;
    /// impl Protocol for Silent {
    ///     fn data_received(&mut self, _transport: &Transport, _data: &[u8]) {}
    /// }
    /// let reactor = Reactor::new()?;
    /// let port = reactor.listen_tcp("127.0.0.1:0", |_peer| Silent)?;
    /// let address = port.host();
    /// let connected = reactor.connect(address, |_peer| Silent).add_callback(move |transport| {
    ///     transport.lose_connection();
    ///     Ok(transport.peer().tcp())
    /// });
    /// assert_eq!(reactor.run_until(connected)?, Some(address));
    /// # Ok::<(), reactor::Failure>(())
    /// ```
    #[track_caller]
    pub fn connect<P: Protocol + 'static>(
        &self,
        destination: impl Into<Destination>,
        build: impl FnOnce(Address) -> P + 'static,
    ) -> Deferred<Transport> {
        self.connect_once(destination.into(), move |peer, announcement| {
            Ok(Box::new(Announcing { inner: build(peer), announcement, at: Event::ConnectionMade }))
        })
    }

    #[track_caller]
    fn connect_once(
        &self,
        destination: Destination,
        build: impl FnOnce(Address, Announcement) -> Result<Box<dyn Protocol>, Failure> + 'static,
    ) -> Deferred<Transport> {
        // Weak: the connector holds its factory, and the factory holds the other end of the Deferred.
        let connector = Rc::<RefCell<Option<Box<dyn Fn()>>>>::default();
        let give_up = connector.clone();
        let (deferred, firer) = Deferred::with_canceller(move |_| {
            if let Some(give_up) = give_up.take() {
                give_up();
            }
        });
        let announcement = Announcement(Rc::new(Cell::new(Some(firer))));
        let made = self.connect_tcp(destination, Once { build: Some(build), announcement });
        let made = made.downgrade();
        *connector.borrow_mut() = Some(Box::new(move || {
            if let Some(connector) = made.upgrade() {
                connector.disconnect();
            }
        }));
        deferred
    }
}

impl TlsClient {
    /// Connects to `destination` once, and speaks TLS with `server_name` there. Like [`Reactor::connect`], but the
    /// Deferred fires when the handshake is done, with the transport above TLS.
    ///
    /// It also fails with a [`Reason`] if the handshake fails, and with a
    /// [`TlsConfigError`](crate::tls::TlsConfigError) if no certificate can be for `server_name`. Cancelling during the
    /// handshake closes the connection.
    #[track_caller]
    pub fn connect<P: Protocol + 'static>(
        &self,
        reactor: &Reactor,
        destination: impl Into<Destination>,
        server_name: &str,
        build: impl FnOnce(Address) -> P + 'static,
    ) -> Deferred<Transport> {
        let (tls, server_name) = (self.clone(), server_name.to_owned());
        reactor.connect_once(destination.into(), move |peer, announcement| {
            let inner = Announcing { inner: build(peer), announcement, at: Event::HandshakeCompleted };
            Ok(tls.wrap(&server_name, Box::new(inner))?)
        })
    }
}

impl TlsClient {
    /// Connects to `destination` once, in clear text; the protocol changes to TLS with `server_name` when it calls
    /// [`Transport::start_tls`]. Like [`Reactor::connect`]; it also fails with a
    /// [`TlsConfigError`](crate::tls::TlsConfigError) if no certificate can be for `server_name`.
    #[track_caller]
    pub fn connect_plain_first<P: Protocol + 'static>(
        &self,
        reactor: &Reactor,
        destination: impl Into<Destination>,
        server_name: &str,
        build: impl FnOnce(Address) -> P + 'static,
    ) -> Deferred<Transport> {
        let (tls, server_name) = (self.clone(), server_name.to_owned());
        reactor.connect_once(destination.into(), move |peer, announcement| {
            // Inside, so that the Deferred fires with the transport that changes to TLS.
            let inner = Announcing { inner: build(peer), announcement, at: Event::ConnectionMade };
            Ok(tls.wrap_plain_first(&server_name, Box::new(inner))?)
        })
    }
}

/// The end of the Deferred that has not fired yet. The factory and the protocol share it.
#[derive(Clone)]
struct Announcement(Rc<Cell<Option<Firer<Transport>>>>);

impl Announcement {
    /// Fires the Deferred, if nothing has. Firing one that was cancelled has no effect.
    fn make(&self, result: impl FnOnce() -> Result<Transport, Failure>) {
        if let Some(firer) = self.0.take() {
            let _ = firer.fire(result());
        }
    }
}

/// The factory of one connection.
struct Once<B> {
    build: Option<B>,
    announcement: Announcement,
}

impl<B> ClientFactory for Once<B>
where
    B: FnOnce(Address, Announcement) -> Result<Box<dyn Protocol>, Failure>,
{
    fn build_protocol(&mut self, peer: &Address) -> Option<Box<dyn Protocol>> {
        let build = self.build.take()?;
        match build(peer.clone(), self.announcement.clone()) {
            Ok(protocol) => Some(protocol),
            Err(failure) => {
                self.announcement.make(|| Err(failure));
                None
            }
        }
    }

    fn client_connection_failed(&mut self, _connector: &Connector, failure: Failure) {
        self.announcement.make(|| Err(failure));
    }
}

/// When the Deferred fires.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Event {
    ConnectionMade,
    HandshakeCompleted,
}

/// A protocol that also announces that its connection is up.
struct Announcing<P> {
    inner: P,
    announcement: Announcement,
    at: Event,
}

impl<P> Announcing<P> {
    /// After the inner protocol has heard the same: it sees its connection before anything else does.
    fn announce(&self, now: Event, transport: &Transport) {
        if self.at == now {
            self.announcement.make(|| Ok(transport.clone()));
        }
    }
}

impl<P: Protocol> Protocol for Announcing<P> {
    fn connection_made(&mut self, transport: &Transport) {
        self.inner.connection_made(transport);
        self.announce(Event::ConnectionMade, transport);
    }

    fn handshake_completed(&mut self, transport: &Transport) {
        self.inner.handshake_completed(transport);
        self.announce(Event::HandshakeCompleted, transport);
    }

    fn data_received(&mut self, transport: &Transport, data: &[u8]) {
        self.inner.data_received(transport, data);
    }

    fn reading_resumed(&mut self, transport: &Transport) {
        self.inner.reading_resumed(transport);
    }

    fn take_unprocessed(&mut self) -> Vec<u8> {
        self.inner.take_unprocessed()
    }

    fn read_connection_lost(&mut self, transport: &Transport) {
        self.inner.read_connection_lost(transport);
    }

    fn reactor_stopping(&mut self, transport: &Transport) {
        self.inner.reactor_stopping(transport);
    }

    fn connection_lost(&mut self, reason: &Reason) {
        self.inner.connection_lost(reason);
        self.announcement.make(|| Err(reason.clone().into()));
    }
}
