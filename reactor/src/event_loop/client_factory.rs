//! [`ClientFactory`]: builds the protocol of an outgoing connection, and hears how the attempt went.
//!
//! It stands beside the connector, and not with the other contracts in `protocol.rs`, because it is handed a
//! [`Connector`] with which it can try again. Protocols know nothing of how their connection was made.
//!
//! Next: `connect.rs`, one connection without a factory.

use super::Connector;
use crate::{Address, Failure, Protocol, Reason};

/// Builds the protocol of an outgoing connection, and hears how the attempt went. Twisted's `ClientFactory`.
///
/// A closure that takes the peer's address and returns a protocol is a client factory; failed attempts are then only
/// logged. Implement the trait to try again: call [`Connector::connect`] from `client_connection_failed` and
/// `client_connection_lost`.
pub trait ClientFactory {
    /// An attempt begins.
    fn started_connecting(&mut self, connector: &Connector) {
        let _ = connector;
    }

    /// Returns a protocol for the connection that is now up, or `None` to drop the connection.
    fn build_protocol(&mut self, peer: &Address) -> Option<Box<dyn Protocol>>;

    /// The attempt failed; `failure` is a [`ConnectError`](crate::error::ConnectError). The default logs it.
    fn client_connection_failed(&mut self, connector: &Connector, failure: Failure) {
        log::warn!(target: "reactor", "{}: {failure}", connector.destination());
    }

    /// The connection has ended. Called after the protocol's `connection_lost`.
    fn client_connection_lost(&mut self, connector: &Connector, reason: &Reason) {
        let _ = (connector, reason);
    }
}

/// The closure takes the address by value, so that `|_peer| Echo` compiles without a type annotation.
impl<F, P> ClientFactory for F
where
    F: FnMut(Address) -> P,
    P: Protocol + 'static,
{
    fn build_protocol(&mut self, peer: &Address) -> Option<Box<dyn Protocol>> {
        Some(Box::new(self(peer.clone())))
    }
}
