//! [`Protocol`] and the factories that build them: what a program writes to speak over a connection.
//!
//! The contract, which the loop keeps (Twisted's `IProtocol`):
//!
//! ```text
//!   connection_made  handshake_completed?  (data_received | reading_resumed)*
//!       read_connection_lost?  ...  connection_lost
//! ```
//!
//! * `connection_made` comes first, `connection_lost` last; each exactly once.
//! * A protocol is never re-entered: nothing that it does with a transport calls it back before it returns.
//! * Bytes come in order, cut anywhere. Test with [`for_every_chunking`](crate::testing::for_every_chunking).
//! * A callback must not block: all connections wait for it. One that takes long is logged.
//! * A panic in a callback ends that one connection ([`Reason::Panicked`]).
//!
//! Next: [`crate::Transport`], the other half of the contract.

use crate::{Address, Reason, Transport};

/// What happens on one connection. Every method but `data_received` has a sensible default.
pub trait Protocol {
    /// The connection is up; `transport` is the way to write to it, and may be cloned and kept.
    fn connection_made(&mut self, transport: &Transport) {
        let _ = transport;
    }

    /// Over TLS: the handshake is done, and the peer has shown that it is who it should be; comes before any data. What
    /// was written earlier goes out now. Twisted's `IHandshakeListener`.
    fn handshake_completed(&mut self, transport: &Transport) {
        let _ = transport;
    }

    /// Bytes have come: at least one, cut anywhere.
    fn data_received(&mut self, transport: &Transport, data: &[u8]);

    /// Reading goes on after a pause; comes before more data. For protocols that hold back input that they have
    /// already received, such as [`LineReceiver`](crate::LineReceiver).
    fn reading_resumed(&mut self, transport: &Transport) {
        let _ = transport;
    }

    /// The peer will send no more, but may still read (Twisted's `IHalfCloseableProtocol`). The default ends the
    /// connection once everything written has gone out.
    fn read_connection_lost(&mut self, transport: &Transport) {
        transport.lose_connection();
    }

    /// The reactor stops. The default ends the connection once everything written has gone out; whoever says goodbye
    /// first must do so soon, before [`Settings::stop_timeout`](crate::Settings::stop_timeout).
    fn reactor_stopping(&mut self, transport: &Transport) {
        transport.lose_connection();
    }

    /// The connection is gone; writing has no effect any more. The protocol is dropped after this.
    fn connection_lost(&mut self, reason: &Reason) {
        let _ = reason;
    }
}

impl Protocol for Box<dyn Protocol> {
    fn connection_made(&mut self, transport: &Transport) {
        (**self).connection_made(transport);
    }
    fn handshake_completed(&mut self, transport: &Transport) {
        (**self).handshake_completed(transport);
    }
    fn data_received(&mut self, transport: &Transport, data: &[u8]) {
        (**self).data_received(transport, data);
    }
    fn reading_resumed(&mut self, transport: &Transport) {
        (**self).reading_resumed(transport);
    }
    fn read_connection_lost(&mut self, transport: &Transport) {
        (**self).read_connection_lost(transport);
    }
    fn reactor_stopping(&mut self, transport: &Transport) {
        (**self).reactor_stopping(transport);
    }
    fn connection_lost(&mut self, reason: &Reason) {
        (**self).connection_lost(reason);
    }
}

/// Builds a protocol for each connection that a listening port accepts. Twisted's `Factory`.
///
/// A closure that takes the peer's address and returns a protocol is a factory:
///
/// ```
/// use reactor::{Protocol, Reactor, Transport};
///
/// struct Echo;
/// impl Protocol for Echo {
///     fn data_received(&mut self, transport: &Transport, data: &[u8]) {
///         transport.write(data);
///     }
/// }
/// let reactor = Reactor::new()?;
/// reactor.listen_tcp("127.0.0.1:0", |_peer| Echo)?;
/// # Ok::<(), reactor::Failure>(())
/// ```
///
/// A closure that uses the address names its type: `|peer: Address| Greeter::new(peer)`. Implement the trait yourself
/// to refuse peers, or to learn when the port begins and ends.
pub trait Factory {
    /// Returns a protocol for the connection from `peer`, or `None` to close it at once.
    fn build_protocol(&mut self, peer: &Address) -> Option<Box<dyn Protocol>>;

    /// The port has begun to listen.
    fn start_factory(&mut self) {}

    /// The port has stopped. The factory is dropped after this.
    fn stop_factory(&mut self) {}
}

/// By value, although the method has a reference: rustc takes `|_peer|` for a closure over *one* lifetime, which would
/// not do for `FnMut(&Address)`, and a bound on the trait does not teach it otherwise.
impl<F, P> Factory for F
where
    F: FnMut(Address) -> P,
    P: Protocol + 'static,
{
    fn build_protocol(&mut self, peer: &Address) -> Option<Box<dyn Protocol>> {
        Some(Box::new(self(peer.clone())))
    }
}
