//! [`Reactor::connect`]: one outgoing connection as a Deferred, without a factory. `tls.rs` has the same over TLS.
//!
//! ```text
//!   connect --> attempt --> protocol built --> connection_made (TLS: handshake_completed) --> fires with the transport
//!                  |                |
//!                  +- ConnectError  +- connection_lost before that: Reason
//! ```
//!
//! Next: `unix.rs`, the same over UNIX sockets.

use super::{BuildOnce, ClientFactory, Connector, Destination, Reactor};
use crate::address::IntoAddress;
use crate::context::Asked;
use crate::{Address, Deferred, Failure, Firer, Protocol, Reason, Transport};
use std::cell::{Cell, RefCell};
use std::panic::Location;
use std::rc::Rc;

impl Reactor {
    /// Connects to `destination` once. `build` makes the protocol, from the peer's address. The Deferred fires with the
    /// protocol's transport when `connection_made` has returned, before any data comes. Twisted's
    /// `endpoint.connect(factory)`. If `build` puts TLS around a protocol, the transport is that above TLS, and the
    /// handshake has not begun; [`TlsClient::connect`](crate::tls::TlsClient::connect) waits for the handshake.
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
        destination: impl IntoAddress<Destination>,
        build: impl BuildOnce<P> + 'static,
    ) -> Deferred<Transport> {
        self.connect_once(destination.into_address(), move |peer, announcement| {
            Ok(Box::new(Announcing::new(build(peer), announcement)))
        })
    }

    #[track_caller]
    pub(super) fn connect_once(
        &self,
        destination: Destination,
        build: impl FnOnce(Address, Announcement) -> Result<Box<dyn Protocol>, Failure> + 'static,
    ) -> Deferred<Transport> {
        // Weak: the connector holds its factory, and the factory holds the other end of the Deferred.
        let connector = Rc::<RefCell<Option<Box<dyn Fn()>>>>::default();
        let give_up = connector.clone();
        let (deferred, firer) = Deferred::unwatched_with_canceller(move |_| {
            if let Some(give_up) = give_up.take() {
                give_up();
            }
        });
        let announcement = Announcement { firer: Rc::new(Cell::new(Some(firer))), place: Location::caller() };
        let made = self.connect_for(Asked::here(), destination, Once { build: Some(build), announcement });
        let made = made.downgrade();
        *connector.borrow_mut() = Some(Box::new(move || {
            if let Some(connector) = made.upgrade() {
                connector.disconnect();
            }
        }));
        deferred
    }
}

/// The end of the Deferred that has not fired yet. The factory and the protocol share it.
#[derive(Clone)]
pub(super) struct Announcement {
    firer: Rc<Cell<Option<Firer<Transport>>>>,
    /// Where the program asked for the connection.
    place: &'static Location<'static>,
}

impl Announcement {
    /// Fires the Deferred, if nothing has. Firing one that was cancelled has no effect.
    fn make(&self, result: impl FnOnce() -> Result<Transport, Failure>) {
        if let Some(firer) = self.firer.take() {
            let _ = firer.fire(result());
        }
    }

    fn make_failure(&self, reason: Reason) {
        self.make(|| Err(Failure::at(reason, self.place)));
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

    /// The protocol has announced it already, with a better reason if there is TLS; unless it panicked.
    fn client_connection_lost(&mut self, _connector: &Connector, reason: &Reason) {
        self.announcement.make_failure(reason.clone());
    }
}

/// A protocol that also announces that its connection is up.
pub(super) struct Announcing<P> {
    inner: P,
    announcement: Announcement,
}

impl<P> Announcing<P> {
    pub(super) fn new(inner: P, announcement: Announcement) -> Announcing<P> {
        Announcing { inner, announcement }
    }

    /// After the inner protocol has heard the same: it sees its connection before anything else does.
    fn announce(&self, transport: &Transport) {
        // The inner protocol may be a layer, such as TLS, that the program has put around its own. On the transport
        // below it, the program would write in clear text.
        let mut own = transport.clone();
        while let Some(above) = own.layer_above() {
            own = above;
        }
        self.announcement.make(|| Ok(own));
    }
}

impl<P: Protocol> Protocol for Announcing<P> {
    fn type_name(&self) -> &'static str {
        self.inner.type_name()
    }

    fn wrapped(&mut self) -> Option<&mut dyn Protocol> {
        Some(&mut self.inner)
    }

    fn connection_made(&mut self, transport: &Transport) {
        self.inner.connection_made(transport);
        // A connection that is over TLS from its start is of use when its handshake is done.
        if !transport.is_tls() {
            self.announce(transport);
        }
    }

    fn handshake_completed(&mut self, transport: &Transport) {
        self.inner.handshake_completed(transport);
        self.announce(transport);
    }

    fn data_received(&mut self, transport: &Transport, data: &[u8]) {
        self.inner.data_received(transport, data);
    }

    fn connection_lost(&mut self, reason: &Reason) {
        self.inner.connection_lost(reason);
        self.announcement.make(|| Err(reason.clone().into()));
    }
}
