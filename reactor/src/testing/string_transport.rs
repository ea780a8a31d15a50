//! [`StringTransport`]: a transport that remembers what a protocol asked of it. Twisted's class of that name.
//!
//! Next: `wire.rs`, one end of a connection in memory.

use crate::transport::KeepAlive;
use crate::transport::TransportBackend;
use crate::{Address, Producer, Transport};
use std::cell::{Cell, RefCell};
use std::rc::Rc;

/// A connection that exists only in memory. It keeps the bytes that a protocol writes, and remembers its requests; it
/// acts on none of them. So after `lose_connection` no `connection_lost` follows: the test calls that itself.
///
/// ```
/// use reactor::{Protocol, Transport, testing::StringTransport};
///
/// struct Echo;
/// impl Protocol for Echo {
///     fn data_received(&mut self, transport: &Transport, data: &[u8]) {
///         transport.write(data);
///     }
/// }
/// let wire = StringTransport::new();
/// Echo.data_received(&wire.transport(), b"hello");
/// assert_eq!(wire.written(), b"hello");
/// ```
#[derive(Default)]
pub struct StringTransport {
    written: RefCell<Vec<u8>>,
    writes: Cell<usize>,
    sent: Cell<u64>,
    paused: Cell<bool>,
    losing: Cell<bool>,
    write_lost: Cell<bool>,
    aborted: Cell<bool>,
    /// It was losing while a producer was registered, which has not unregistered.
    waits_for_producer: Cell<bool>,
    producer: RefCell<Option<Rc<dyn Producer>>>,
    peer: RefCell<Option<Address>>,
}

impl StringTransport {
    /// A new connection, on which nothing has been written.
    pub fn new() -> Rc<StringTransport> {
        Rc::default()
    }

    /// The handle that the test passes to the protocol.
    pub fn transport(self: &Rc<StringTransport>) -> Transport {
        Transport::new(self.clone())
    }

    /// Everything written so far.
    pub fn written(&self) -> Vec<u8> {
        self.written.borrow().clone()
    }

    /// Everything written since the last call, which it forgets.
    pub fn take_written(&self) -> Vec<u8> {
        self.written.take()
    }

    /// How often `write` or `write_vectored` was called before the protocol closed the connection.
    pub fn write_count(&self) -> usize {
        self.writes.get()
    }

    /// Whether `lose_connection` was called.
    pub fn is_losing(&self) -> bool {
        self.losing.get()
    }

    /// Whether `lose_write_connection` was called.
    pub fn is_write_lost(&self) -> bool {
        self.write_lost.get()
    }

    /// Whether `abort_connection` was called.
    pub fn is_aborted(&self) -> bool {
        self.aborted.get()
    }

    /// The producer that is registered. The test plays the loop: it calls its methods.
    pub fn producer(&self) -> Option<Rc<dyn Producer>> {
        self.producer.borrow().clone()
    }

    /// Sets the address that the protocol sees as its peer's. Until then it is [`Address::Unknown`].
    pub fn set_peer(&self, peer: Address) {
        *self.peer.borrow_mut() = Some(peer);
    }
}

impl TransportBackend for StringTransport {
    fn write(&self, data: &[u8]) {
        self.write_vectored(&[data]);
    }
    fn write_vectored(&self, pieces: &[&[u8]]) {
        if !self.is_disconnecting() || self.waits_for_producer.get() && !self.aborted.get() {
            self.writes.set(self.writes.get() + 1);
            self.sent.set(self.sent.get() + pieces.iter().map(|piece| piece.len() as u64).sum::<u64>());
            self.written.borrow_mut().extend(pieces.concat());
        }
    }
    fn lose_connection(&self) {
        if !self.losing.replace(true) {
            self.waits_for_producer.set(self.producer.borrow().is_some());
        }
    }
    fn lose_write_connection(&self) {
        self.write_lost.set(true);
    }
    fn abort_connection(&self) {
        self.aborted.set(true);
    }
    fn pause_producing(&self) {
        self.paused.set(true);
    }
    fn resume_producing(&self) {
        self.paused.set(false);
    }
    fn is_paused(&self) -> bool {
        self.paused.get()
    }
    fn is_disconnecting(&self) -> bool {
        self.losing.get() || self.aborted.get()
    }
    fn pause_when_full(&self, _on: bool) {}
    fn register_producer(&self, producer: Rc<dyn Producer>) {
        drop(self.producer.replace(Some(producer)));
    }
    fn unregister_producer(&self) {
        self.waits_for_producer.set(false);
        drop(self.producer.take());
    }
    fn buffered(&self) -> usize {
        0
    }
    fn bytes_sent(&self) -> u64 {
        self.sent.get()
    }
    fn set_max_buffered(&self, _bytes: usize) {}
    fn set_no_delay(&self, _on: bool) {}
    fn set_keep_alive(&self, _keep_alive: Option<KeepAlive>) {}
    fn peer(&self) -> Address {
        self.peer.borrow().clone().unwrap_or(Address::Unknown)
    }
    fn host(&self) -> Address {
        Address::Unknown
    }
}

impl std::fmt::Debug for StringTransport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "StringTransport({:?})", String::from_utf8_lossy(&self.written.borrow()))
    }
}
