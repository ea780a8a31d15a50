//! [`ClientFactory`]: builds the protocol of an outgoing connection, and hears how the attempt went.
//!
//! It stands beside the connector, and not with the other contracts in `protocol.rs`, because it is handed a
//! [`Connector`] with which it can try again. Protocols know nothing of how their connection was made.
//!
//! Next: `building.rs`, closures in the place of a factory.

use super::Connector;
use crate::diagnostics::tell;
use crate::error::ConnectError;
use crate::{Address, Failure, Protocol, Reason};
use log::Level;

/// Builds the protocol of an outgoing connection, and hears how the attempt went. Twisted's `ClientFactory`.
///
/// A closure that takes the peer's address and returns a protocol is a client factory; failed attempts are then only
/// logged. Implement the trait to try again: call [`Connector::connect`] from `client_connection_failed` and
/// `client_connection_lost`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not build protocols for outgoing connections",
    label = "a `ClientFactory` is wanted here",
    note = "a client factory is a closure that returns a protocol: `|_peer| Echo`",
    note = "for one connection without a factory: `reactor.connect(...)`, which returns a Deferred"
)]
pub trait ClientFactory {
    /// An attempt begins.
    fn started_connecting(&mut self, connector: &Connector) {
        let _ = connector;
    }

    /// Returns a protocol for the connection that is now up, or `None` to drop the connection.
    fn build_protocol(&mut self, peer: &Address) -> Option<Box<dyn Protocol>>;

    /// The attempt failed; `failure` is a [`ConnectError`](crate::error::ConnectError). The default logs it, with the
    /// place that called [`connect_tcp`](crate::Reactor::connect_tcp).
    fn client_connection_failed(&mut self, connector: &Connector, failure: Failure) {
        // A stop gives attempts up as a matter of course.
        let is_given_up = matches!(failure.check(), Some(ConnectError::Cancelled));
        let level = if is_given_up { Level::Debug } else { Level::Warn };
        let (destination, asked) = (connector.destination(), connector.asked());
        tell!(at level, "reactor", "{failure} (the connection to {destination}, asked for at {asked})");
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
