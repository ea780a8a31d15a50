//! TLS on the loop: the reactor as the clock of TLS sessions, and a client factory that puts TLS around its protocols.
//! Also the reactor as the clock of policies.
//! The folder `tls` knows nothing of a reactor or a connector; what needs both stands here.
//!
//! Next: `lifecycle.rs`, how the loop starts and stops.

use super::{ClientFactory, Connector, Reactor, WeakReactor};
use crate::policies::{PolicyClock, PolicyTime};
use crate::tls::{TimeSource, TlsClient, TlsClock};
use crate::{Address, Clock, DelayedCall, Failure, Protocol, Reason};
use std::time::{Duration, Instant, SystemTime};

impl TimeSource for WeakReactor {
    fn call_later(&self, after: Duration, call: Box<dyn FnOnce()>) -> Option<DelayedCall> {
        Some(self.upgrade()?.call_later_boxed(after, call))
    }

    fn system_time(&self) -> Option<SystemTime> {
        Some(self.upgrade()?.system_time())
    }
}

impl PolicyTime for WeakReactor {
    fn moment(&self) -> Option<Instant> {
        Some(self.core()?.last_reading.get())
    }

    fn call_later(&self, after: Duration, call: Box<dyn FnOnce()>) -> Option<DelayedCall> {
        Some(self.upgrade()?.call_later_boxed(after, call))
    }
}

impl From<&Reactor> for PolicyClock {
    fn from(reactor: &Reactor) -> PolicyClock {
        PolicyClock::new(reactor.weak())
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
                log::warn!(target: "reactor", "no TLS with {peer}: {error}");
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
