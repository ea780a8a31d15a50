//! TLS on the loop: the reactor as the clock of TLS sessions, a client factory that puts TLS around its protocols, and
//! [`TlsClient::connect`], one connection over TLS as a Deferred. Needs the feature `tls`, as all of TLS does.
//!
//! The folder `tls` knows nothing of a reactor or a connector; what needs both stands here.
//!
//! Next: `lifecycle.rs`, how the loop starts and stops.

use super::connect::Announcing;
use super::{BuildOnce, ClientFactory, Connector, Destination, Reactor, WeakReactor};
use crate::address::IntoAddress;
use crate::diagnostics::tell;
use crate::tls::{TimeSource, TlsClient, TlsClock};
use crate::{Address, Clock, Deferred, DelayedCall, Failure, Protocol, Reason, Transport};
use std::time::{Duration, SystemTime};

impl TimeSource for WeakReactor {
    fn call_later(&self, after: Duration, call: Box<dyn FnOnce()>) -> Option<DelayedCall> {
        Some(self.upgrade()?.call_later_boxed(after, call))
    }

    fn system_time(&self) -> Option<SystemTime> {
        Some(self.upgrade()?.system_time())
    }
}

impl From<&Reactor> for TlsClock {
    fn from(reactor: &Reactor) -> TlsClock {
        TlsClock::new(reactor.weak(), reactor.settings().close_timeout)
    }
}

impl TlsClient {
    /// A factory that makes the protocols of `inner`, each inside TLS with `server_name`.
    pub fn factory(&self, server_name: &str, inner: impl ClientFactory + 'static) -> impl ClientFactory + 'static {
        TlsClientFactory { tls: self.clone(), server_name: server_name.to_owned(), is_plain_first: false, inner }
    }

    /// A factory that makes the protocols of `inner`. Each connection begins in clear text, and changes to TLS with
    /// `server_name` when its protocol calls [`Transport::start_tls`](crate::Transport::start_tls).
    pub fn plain_first(&self, server_name: &str, inner: impl ClientFactory + 'static) -> impl ClientFactory + 'static {
        TlsClientFactory { tls: self.clone(), server_name: server_name.to_owned(), is_plain_first: true, inner }
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
        destination: impl IntoAddress<Destination>,
        server_name: &str,
        build: impl BuildOnce<P> + 'static,
    ) -> Deferred<Transport> {
        let (tls, server_name) = (self.clone(), server_name.to_owned());
        reactor.connect_once(destination.into_address(), move |peer, announcement| {
            let inner = Announcing::new(build(peer), announcement);
            Ok(tls.wrap(&server_name, Box::new(inner))?)
        })
    }

    /// Connects to `destination` once, in clear text; the protocol changes to TLS with `server_name` when it calls
    /// [`Transport::start_tls`]. Like [`Reactor::connect`]; it also fails with a
    /// [`TlsConfigError`](crate::tls::TlsConfigError) if no certificate can be for `server_name`.
    #[track_caller]
    pub fn connect_plain_first<P: Protocol + 'static>(
        &self,
        reactor: &Reactor,
        destination: impl IntoAddress<Destination>,
        server_name: &str,
        build: impl BuildOnce<P> + 'static,
    ) -> Deferred<Transport> {
        let (tls, server_name) = (self.clone(), server_name.to_owned());
        reactor.connect_once(destination.into_address(), move |peer, announcement| {
            // Inside, so that the Deferred fires with the transport that changes to TLS.
            let inner = Announcing::new(build(peer), announcement);
            Ok(tls.wrap_plain_first(&server_name, Box::new(inner))?)
        })
    }
}

struct TlsClientFactory<F> {
    tls: TlsClient,
    server_name: String,
    is_plain_first: bool,
    inner: F,
}

impl<F: ClientFactory> ClientFactory for TlsClientFactory<F> {
    fn started_connecting(&mut self, connector: &Connector) {
        self.inner.started_connecting(connector);
    }

    fn build_protocol(&mut self, peer: &Address) -> Option<Box<dyn Protocol>> {
        let protocol = self.inner.build_protocol(peer)?;
        let wrapped = match self.is_plain_first {
            true => self.tls.wrap_plain_first(&self.server_name, protocol),
            false => self.tls.wrap(&self.server_name, protocol),
        };
        match wrapped {
            Ok(protocol) => Some(protocol),
            Err(error) => {
                tell!(Warn, "reactor", "no TLS with {peer}: {error}");
                None
            }
        }
    }

    fn client_connection_failed(&mut self, connector: &Connector, failure: Failure) {
        self.inner.client_connection_failed(connector, failure);
    }

    fn client_connection_lost(&mut self, connector: &Connector, reason: &Reason) {
        self.inner.client_connection_lost(connector, reason);
    }
}
