//! [`Attempt`]: one attempt of a service, and the connection that it leads to, as the reactor sees them.
//!
//! Each attempt has a factory and a connector of its own, and a number. So what an earlier connection still has to say
//! cannot be taken for news of the present one.
//!
//! Next: `../resp/mod.rs`, a protocol whose replies come in the order of its commands.

use super::machine::Inner;
use crate::{Address, ClientFactory, Connector, Failure, Protocol, Reason, Transport};
use std::rc::{Rc, Weak};

/// Puts a protocol into one that stands between it and TCP: TLS.
pub(super) type Layer = Rc<dyn Fn(Box<dyn Protocol>) -> Result<Box<dyn Protocol>, Failure>>;

/// The factory of one attempt.
pub(super) struct Attempt<T: Clone + 'static> {
    pub(super) service: Weak<Inner<T>>,
    pub(super) number: u64,
    pub(super) layer: Option<Layer>,
    /// Why there is no protocol, if the layer refused to make one.
    pub(super) refused: Option<Failure>,
}

impl<T: Clone + 'static> ClientFactory for Attempt<T> {
    fn build_protocol(&mut self, peer: &Address) -> Option<Box<dyn Protocol>> {
        let inner = self.service.upgrade()?.build(peer);
        let serving = Box::new(Serving { inner, service: self.service.clone(), number: self.number });
        let Some(layer) = &self.layer else { return Some(serving) };
        match layer(serving) {
            Ok(protocol) => Some(protocol),
            Err(failure) => {
                self.refused = Some(failure);
                None
            }
        }
    }

    fn client_connection_failed(&mut self, _connector: &Connector, failure: Failure) {
        if let Some(service) = self.service.upgrade() {
            service.failed(self.number, self.refused.take().unwrap_or(failure));
        }
    }

    fn client_connection_lost(&mut self, _connector: &Connector, reason: &Reason) {
        if let Some(service) = self.service.upgrade() {
            service.lost(self.number, reason);
        }
    }
}

/// The program's protocol, in one that also tells the service that the connection is up. Over TLS it stands inside TLS,
/// so that the service never hands out a transport on which plain bytes could be written.
struct Serving<T: Clone + 'static> {
    inner: Box<dyn Protocol>,
    service: Weak<Inner<T>>,
    number: u64,
}

impl<T: Clone + 'static> Serving<T> {
    /// After the program's protocol has heard the same: it sees its connection before anything else does.
    fn announce(&self, transport: &Transport) {
        if let Some(service) = self.service.upgrade() {
            service.came_up(self.number, transport);
        }
    }
}

impl<T: Clone + 'static> Protocol for Serving<T> {
    fn type_name(&self) -> &'static str {
        self.inner.type_name()
    }

    fn wrapped(&mut self) -> Option<&mut dyn Protocol> {
        Some(&mut *self.inner)
    }

    fn connection_made(&mut self, transport: &Transport) {
        self.inner.connection_made(transport);
        // A connection over TLS is up when its handshake is done.
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
        if let Some(service) = self.service.upgrade() {
            service.note_reason(reason); // The connector knows only that of the connection below TLS.
        }
        self.inner.connection_lost(reason);
    }
}
