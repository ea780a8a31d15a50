//! [`ClientService`]: the handle of a connection that comes back when it is lost.
//!
//! Next: `machine.rs`, what it does.

use super::machine::Inner;
use super::settings::ServiceSettings;
use crate::deferred::IntoDeferred;
use crate::event_loop::BuildEach;
use crate::{Deferred, Destination, Failure, IntoAddress, Protocol, Reactor, Transport};
use std::fmt;
use std::rc::Rc;

/// Keeps a connection to a destination: it connects, and connects again whenever the connection is lost or an attempt
/// has failed, after a wait that grows. Twisted's `ClientService`.
///
/// Each attempt looks the name up again and has its addresses race, as every [`Destination`] does. The waits are random
/// ([`Backoff`](super::Backoff)). Their random numbers come from the reactor's driver, so a simulated run repeats them.
///
/// `T` is what [`when_connected`](ClientService::when_connected) gives: the transport, or what the step of
/// [`prepared`](ClientService::prepared) makes of it.
///
/// This is a handle, cheap to clone. Dropping all handles does not stop a service that was started. It stops with its
/// reactor: then it begins no attempt any more, and its protocol hears
/// [`reactor_stopping`](Protocol::reactor_stopping). In another run it has to be started again.
pub struct ClientService<T: Clone + 'static = Transport> {
    inner: Rc<Inner<T>>,
}

impl ClientService<Transport> {
    /// A service for `destination`; `build` makes the protocol of each connection, from the peer's address. It does
    /// nothing before [`start`](ClientService::start).
    ///
    /// A `build` that holds a clone of the reactor keeps the reactor alive until the service has stopped.
    #[track_caller]
    pub fn new<P: Protocol + 'static>(
        reactor: &Reactor,
        destination: impl IntoAddress<Destination>,
        build: impl BuildEach<P> + 'static,
    ) -> ClientService<Transport> {
        ClientService::prepared(reactor, destination, build, |transport| Ok(transport.clone()))
    }
}

impl<T: Clone + 'static> ClientService<T> {
    /// Like [`new`](ClientService::new), with a step that each new connection must pass, such as a login. Its value is
    /// what `when_connected` gives. If it fails, or takes longer than [`ServiceSettings::prepare_timeout`], the
    /// connection is closed, and that counts as a failed attempt. Twisted's `prepareConnection`.
    ///
    /// `prepare` is called when `connection_made` has returned; over TLS, when `handshake_completed` has.
    #[track_caller]
    pub fn prepared<P, R>(
        reactor: &Reactor,
        destination: impl IntoAddress<Destination>,
        mut build: impl BuildEach<P> + 'static,
        mut prepare: impl FnMut(&Transport) -> R + 'static,
    ) -> ClientService<T>
    where
        P: Protocol + 'static,
        R: IntoDeferred<Value = T>,
    {
        let build = Box::new(move |peer| Box::new(build(peer)) as Box<dyn Protocol>);
        let prepare = Box::new(move |transport: &Transport| prepare(transport).into_deferred());
        let inner = Inner::new(reactor, destination.into_address(), build, prepare);
        ClientService { inner }
    }

    /// Speaks TLS from the next attempt on, with the server of this name. If no certificate can be for `server_name`,
    /// each attempt fails. Needs the feature `tls`.
    #[cfg(feature = "tls")]
    pub fn over_tls(self, tls: &crate::tls::TlsClient, server_name: &str) -> ClientService<T> {
        let (tls, server_name) = (tls.clone(), server_name.to_owned());
        self.inner.set_layer(Rc::new(move |protocol| Ok(tls.wrap(&server_name, protocol)?)));
        self
    }

    /// Sets the settings, from the next attempt on.
    pub fn with_settings(self, settings: ServiceSettings) -> ClientService<T> {
        self.inner.set_settings(settings);
        self
    }

    /// Begins to connect. Does nothing if the service runs already. While it is stopping, it begins as soon as the old
    /// connection is gone. Returns itself, for the next call. Twisted's `startService`.
    pub fn start(&self) -> &ClientService<T> {
        self.inner.start();
        self
    }

    /// Ends the attempt, or closes the connection in an orderly way, and tries no more. The Deferreds of
    /// `when_connected` fail with [`ServiceError::Stopped`](super::ServiceError::Stopped), some of them before this
    /// returns. Twisted's `stopService`.
    ///
    /// The Deferred fires when the connection is gone; at once if there is none. If the peer takes none of the last
    /// bytes, that takes up to the reactor's [`close_timeout`](crate::Settings::close_timeout).
    #[track_caller]
    pub fn stop(&self) -> Deferred<()> {
        self.inner.stop()
    }

    /// Fires when there is a connection, after the protocol's `connection_made` (over TLS: `handshake_completed`) and
    /// the step of [`prepared`](ClientService::prepared); at once if it is there and not closing.
    ///
    /// Fails with [`ServiceError::Stopped`](super::ServiceError::Stopped) when the service is stopped, or has been;
    /// with [`TooManyWaiters`](super::ServiceError::TooManyWaiters) if too many wait. Before the first start it waits.
    /// Cancelling gives up the place.
    #[track_caller]
    pub fn when_connected(&self) -> Deferred<T> {
        self.inner.when_connected(None)
    }

    /// As [`when_connected`](ClientService::when_connected), but fails when `failures` attempts (at least one) have
    /// failed, with the failure of the last one. So a program can report that the very first attempt failed, and go on.
    /// Twisted's `whenConnected(failAfterFailures)`.
    #[track_caller]
    pub fn when_connected_within(&self, failures: u32) -> Deferred<T> {
        self.inner.when_connected(Some(failures.max(1)))
    }

    /// Says that the present connection is a healthy one, before [`ServiceSettings::healthy_after`] has gone by: the
    /// program has got an answer, for example. Then the backoff begins anew when it is lost.
    pub fn note_healthy(&self) {
        self.inner.note_healthy();
    }

    /// If the service waits to try again, has it try now: the program has learned that the server is up. The number of
    /// failures, and so the next wait, stays as it is.
    pub fn try_now(&self) {
        self.inner.try_now();
    }

    /// Whether there is a connection, prepared and not closing.
    pub fn is_connected(&self) -> bool {
        self.inner.is_connected()
    }

    /// The number of attempts that failed and of connections that did not last, in a row.
    pub fn failure_count(&self) -> u32 {
        self.inner.failure_count()
    }

    /// Why there is no connection: the failure of the last attempt, or how the last connection has ended. `None` while
    /// there is one, and before the first attempt is over.
    pub fn last_failure(&self) -> Option<Failure> {
        self.inner.last_failure()
    }

    /// `on_down` is called whenever an attempt has failed, or a connection is lost: not when the service is stopped.
    #[cfg(feature = "resp")]
    pub(crate) fn set_on_down(&self, on_down: impl Fn() + 'static) {
        self.inner.set_on_down(Rc::new(on_down));
    }

    /// Where it connects to.
    pub fn destination(&self) -> &Destination {
        self.inner.destination()
    }
}

impl<T: Clone + 'static> Clone for ClientService<T> {
    fn clone(&self) -> ClientService<T> {
        ClientService { inner: self.inner.clone() }
    }
}

impl<T: Clone + 'static> fmt::Debug for ClientService<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ClientService(to {}, {})", self.destination(), self.inner.state_in_words())
    }
}
