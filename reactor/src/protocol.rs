//! [`Protocol`] and [`Factory`]: what a program writes to speak over a connection.
//!
//! [`Protocol`] has the contract that the loop keeps.
//!
//! Next: [`transport.rs`](mod@crate::transport), the other half of the contract.

use crate::{Address, Reason, Transport};

/// What a program does on one connection. Every method but `data_received` has a default.
///
/// # Contract
///
/// What the loop promises (Twisted's `IProtocol`):
///
/// ```text
///   connection_made  handshake_completed?  (data_received | reading_resumed)*
///       read_connection_lost?  ...  connection_lost
/// ```
///
/// * `connection_made` comes first and `connection_lost` last; each exactly once.
/// * `reactor_stopping` comes at most once, anywhere between those two. After `read_connection_lost` a protocol that
///   overrides it can go on writing until it closes.
/// * A protocol is never re-entered: nothing that it does with a transport calls it back before its callback returns.
/// * Bytes arrive in order, cut anywhere. Test with [`for_every_chunking`](crate::testing::for_every_chunking).
/// * A callback must not block: all other connections wait for it. The loop logs a callback that takes long.
/// * A panic in a callback ends that one connection ([`Reason::Panicked`]). A panic in a callback of a Deferred that it
///   fires does not.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a `Protocol`",
    label = "a `Protocol` is wanted here",
    note = "a `LineProtocol` becomes one with `LineReceiver::new(...)`",
    note = "a `StringProtocol` becomes one with `StringReceiver::new(...)`",
    note = "any other type implements `Protocol`: only `data_received` is required"
)]
pub trait Protocol {
    /// The connection is up. `transport` writes to it, and may be cloned and kept.
    fn connection_made(&mut self, transport: &Transport) {
        pass_on(self, |inner| inner.connection_made(transport));
    }

    /// Over TLS: the handshake is complete, and the peer has proved its identity. Called before any data that came over
    /// TLS. Bytes that were written earlier go out now. [`Transport::tls_session`] says what the handshake has found.
    /// Twisted's `IHandshakeListener`.
    fn handshake_completed(&mut self, transport: &Transport) {
        pass_on(self, |inner| inner.handshake_completed(transport));
    }

    /// Bytes have arrived: at least one, cut anywhere.
    fn data_received(&mut self, transport: &Transport, data: &[u8]);

    /// Reading goes on after a pause. Called before more data, so that a protocol that held back bytes which it had
    /// received already, such as [`LineReceiver`](crate::LineReceiver), can deliver them now.
    fn reading_resumed(&mut self, transport: &Transport) {
        pass_on(self, |inner| inner.reading_resumed(transport));
    }

    /// TLS begins in the middle of the connection ([`Transport::start_tls`]). Returns the bytes that were received and
    /// not processed yet, and forgets them. They came in clear text: they belong to the handshake, and must never be
    /// processed as if they had come after it.
    ///
    /// A protocol that keeps no received bytes has none to return.
    fn take_unprocessed(&mut self) -> Vec<u8> {
        self.wrapped().map_or_else(Vec::new, |inner| inner.take_unprocessed())
    }

    /// The peer will send no more, but may still read: a half-close (Twisted's `IHalfCloseableProtocol`). The default
    /// ends the connection after everything written has gone out, and after what a registered producer still writes:
    /// see [`Transport::lose_connection`]. (In Twisted, what was not sent is lost, unless the protocol says that it is
    /// half-closeable.)
    fn read_connection_lost(&mut self, transport: &Transport) {
        if !pass_on(self, |inner| inner.read_connection_lost(transport)) {
            transport.lose_connection();
        }
    }

    /// The reactor stops. The default ends the connection after everything written has gone out. A protocol that takes
    /// its leave first has [`Settings::stop_timeout`](crate::Settings::stop_timeout) for that; then it is aborted.
    fn reactor_stopping(&mut self, transport: &Transport) {
        if !pass_on(self, |inner| inner.reactor_stopping(transport)) {
            transport.lose_connection();
        }
    }

    /// The connection is gone, and writing has no effect any more. The protocol is dropped after this.
    fn connection_lost(&mut self, reason: &Reason) {
        pass_on(self, |inner| inner.connection_lost(reason));
    }

    /// The protocol around which this one stands, if it is a wrapper: every callback that this one does not have goes
    /// to that one. Twisted's `ProtocolWrapper`. A wrapper that has a callback calls the inner one itself, where it
    /// likes.
    ///
    /// ```
    /// use reactor::{LineProtocol, LineReceiver, LineTransport, Protocol, Transport, testing};
    /// use std::cell::Cell;
    /// use std::rc::Rc;
    ///
    /// /// Counts the bytes that its protocol receives.
    /// struct Counted<P>(P, Rc<Cell<usize>>);
    /// impl<P: Protocol> Protocol for Counted<P> {
    ///     fn wrapped(&mut self) -> Option<&mut dyn Protocol> {
    ///         Some(&mut self.0)
    ///     }
    ///     fn data_received(&mut self, transport: &Transport, data: &[u8]) {
    ///         self.1.set(self.1.get() + data.len());
    ///         self.0.data_received(transport, data);
    ///     }
    /// }
    ///
    /// struct Echo;
    /// impl LineProtocol for Echo {
    ///     fn connection_made(&mut self, transport: &LineTransport) {
    ///         transport.send_line(b"ready");
    ///     }
    ///     fn line_received(&mut self, transport: &LineTransport, line: &[u8]) {
    ///         transport.send_line(line);
    ///     }
    /// }
    /// let count = Rc::new(Cell::new(0));
    /// let wire = testing::StringTransport::new();
    /// let mut protocol = Counted(LineReceiver::new(Echo), count.clone());
    /// protocol.connection_made(&wire.transport());
    /// protocol.data_received(&wire.transport(), b"hello\r\n");
    /// assert_eq!((count.get(), &wire.written()[..]), (7, &b"ready\r\nhello\r\n"[..]));
    /// ```
    fn wrapped(&mut self) -> Option<&mut dyn Protocol> {
        None
    }

    /// The name of its type, for messages about its callbacks: that one panicked, or held the loop. A protocol that
    /// wraps another one returns the name of that.
    fn type_name(&self) -> &'static str {
        std::any::type_name::<Self>()
    }
}

/// What a callback does that a protocol does not have: its [`wrapped`](Protocol::wrapped) protocol does it, if there is
/// one.
fn pass_on<P: Protocol + ?Sized>(outer: &mut P, callback: impl FnOnce(&mut dyn Protocol)) -> bool {
    outer.wrapped().map(callback).is_some()
}

impl Protocol for Box<dyn Protocol> {
    fn type_name(&self) -> &'static str {
        (**self).type_name()
    }
    fn wrapped(&mut self) -> Option<&mut dyn Protocol> {
        Some(&mut **self)
    }
    fn data_received(&mut self, transport: &Transport, data: &[u8]) {
        (**self).data_received(transport, data);
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
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not build protocols",
    label = "a `Factory` is wanted here",
    note = "a factory is a closure that returns a protocol: `|_peer| Echo`, or `|peer: Address| Greeter::new(peer)`",
    note = "it makes a protocol for each connection; one protocol cannot serve them all"
)]
pub trait Factory {
    /// Returns a protocol for the connection from `peer`, or `None` to close it at once.
    fn build_protocol(&mut self, peer: &Address) -> Option<Box<dyn Protocol>>;

    /// The port has begun to listen.
    fn start_factory(&mut self) {}

    /// The port has stopped. The factory is dropped after this.
    fn stop_factory(&mut self) {}
}

/// The closure takes its address by value, although the method has a reference. For `FnMut(&Address)`, rustc would
/// infer that `|_peer|` takes a reference of one particular lifetime, and refuse it.
impl<F, P> Factory for F
where
    F: FnMut(Address) -> P,
    P: Protocol + 'static,
{
    fn build_protocol(&mut self, peer: &Address) -> Option<Box<dyn Protocol>> {
        Some(Box::new(self(peer.clone())))
    }
}
