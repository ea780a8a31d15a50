//! [`Transport`]: the handle by which a protocol writes to its connection and steers it.
//!
//! One cheap, clonable type for every kind of connection: what is behind it is a [`TransportBackend`] (a TCP connection, TLS
//! over another transport, memory). The contract of every method (Twisted's `ITransport`, `ITCPTransport`,
//! `IConsumer`):
//!
//! * Nothing here calls a protocol or producer back before it returns: requests are noted and carried out by the loop.
//! * Nothing here fails: on a connection that is gone, or going, it has no effect. How it went, `connection_lost`
//!   tells.
//! * Bytes written are kept in order and sent as soon as the callback that wrote them returns.
//!
//! **Backpressure.** Above [`HIGH_WATER`] bytes that wait to be sent, the registered producer is told to pause; when all
//! have gone out, to resume. A server has no producer: it writes in answer to what it reads. So an accepted connection
//! also stops reading from a peer that does not read our replies ([`pause_when_full`](Transport::pause_when_full)).
//! Above a hard limit (default [`MAX_BUFFERED`]) the connection is aborted: no peer can fill our memory.
//!
//! Next: [`crate::LineReceiver`], a protocol that many build on.

use crate::Address;
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

/// Above this many bytes waiting to be sent a producer is paused: 64 KiB, as in Twisted.
pub const HIGH_WATER: usize = 64 * 1024;

/// Above this many bytes waiting to be sent the connection is aborted, unless
/// [`Transport::set_max_buffered`] said otherwise: 64 MiB.
pub const MAX_BUFFERED: usize = 64 * 1024 * 1024;

/// Something that writes to a transport again and again, and can be told to wait. Twisted's `IPushProducer`.
///
/// All three are called by the loop, never from inside a call of the producer's own.
pub trait Producer {
    /// Too much waits to be sent: write no more until told.
    fn pause_producing(&self);
    /// Everything has gone out: write on.
    fn resume_producing(&self);
    /// The connection is gone; write no more, ever.
    fn stop_producing(&self) {}
}

/// When TCP asks a silent peer whether it is still there; see [`Transport::set_keep_alive`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeepAlive {
    /// Silence before the first probe. Whole seconds, at least one.
    pub idle: Duration,
    /// Time between probes. Whole seconds, at least one.
    pub interval: Duration,
    /// Unanswered probes after which the connection is lost.
    pub probes: u32,
}

/// What a [`Transport`] is a handle to. To be implemented by layers such as TLS and by test doubles; the contract of
/// each method is that of the method of the same name on [`Transport`].
#[expect(missing_docs, reason = "the methods are documented once, on Transport")]
pub trait TransportBackend {
    fn write(&self, data: &[u8]);
    fn write_vectored(&self, pieces: &[&[u8]]) {
        for piece in pieces {
            self.write(piece);
        }
    }
    fn lose_connection(&self);
    fn lose_write_connection(&self);
    fn abort_connection(&self);
    fn pause_producing(&self);
    fn resume_producing(&self);
    fn is_paused(&self) -> bool;
    fn is_disconnecting(&self) -> bool;
    fn pause_when_full(&self, on: bool);
    fn register_producer(&self, producer: Rc<dyn Producer>);
    fn unregister_producer(&self);
    fn buffered(&self) -> usize;
    fn set_max_buffered(&self, bytes: usize);
    fn set_no_delay(&self, on: bool);
    fn set_keep_alive(&self, keep_alive: Option<KeepAlive>);
    fn peer(&self) -> Address;
    fn host(&self) -> Address;
}

/// The handle to a connection. Clones are the same connection.
#[derive(Clone)]
pub struct Transport(Rc<dyn TransportBackend>);

impl Transport {
    /// A handle to `backend`.
    pub fn new(backend: Rc<dyn TransportBackend>) -> Transport {
        Transport(backend)
    }

    /// Sends `data` after what was written before.
    pub fn write(&self, data: &[u8]) {
        self.0.write(data);
    }

    /// Sends several pieces as if they were one. Twisted's `writeSequence`.
    pub fn write_vectored(&self, pieces: &[&[u8]]) {
        self.0.write_vectored(pieces);
    }

    /// Closes the connection once everything written has gone out. Reading stops now, and writing has no effect any
    /// more. If the peer takes none of the last bytes for the reactor's
    /// [`close_timeout`](crate::Settings::close_timeout), it is aborted.
    pub fn lose_connection(&self) {
        self.0.lose_connection();
    }

    /// Tells the peer, once everything written has gone out, that no more will come; reading goes on.
    pub fn lose_write_connection(&self) {
        self.0.lose_write_connection();
    }

    /// Breaks the connection off now: what waits is thrown away and the peer sees a reset. `connection_lost` follows
    /// from the loop, after the running callback.
    pub fn abort_connection(&self) {
        self.0.abort_connection();
    }

    /// Stops reading: no more `data_received` until [`resume_producing`](Transport::resume_producing), so that the
    /// peer is slowed down by TCP. An end of the connection is also noticed only then, unless writing meets it.
    pub fn pause_producing(&self) {
        self.0.pause_producing();
    }

    /// Reads on. The protocol hears `reading_resumed` first, from the loop.
    pub fn resume_producing(&self) {
        self.0.resume_producing();
    }

    /// Whether reading is paused, by request or because too much waits to be sent.
    pub fn is_paused(&self) -> bool {
        self.0.is_paused()
    }

    /// Whether the connection is going or gone: what is written now is thrown away.
    pub fn is_disconnecting(&self) -> bool {
        self.0.is_disconnecting()
    }

    /// Sets whether reading pauses while more than [`HIGH_WATER`] bytes wait to be sent, until all of them have gone
    /// out. It takes effect inside `write`, so that [`is_paused`](Transport::is_paused) is true at once.
    ///
    /// On by default for connections that a port accepted, TLS over them included: a peer that sends requests and does
    /// not read the answers costs 64 KiB, not [`MAX_BUFFERED`]. Off by default for outgoing connections. If both ends
    /// paused, two programs that write much before they read would wait for each other for ever. So turn it on for an
    /// outgoing connection only if you write in answer to what you read, and off for an accepted one whose peer reads
    /// nothing until it has sent everything.
    pub fn pause_when_full(&self, on: bool) {
        self.0.pause_when_full(on);
    }

    /// Registers who is to be paused when more than [`HIGH_WATER`] bytes wait, replacing an earlier one. On a
    /// connection that is gone it is told to stop, by the loop.
    pub fn register_producer(&self, producer: Rc<dyn Producer>) {
        self.0.register_producer(producer);
    }

    /// Forgets the producer.
    pub fn unregister_producer(&self) {
        self.0.unregister_producer();
    }

    /// How many bytes wait to be sent.
    pub fn buffered(&self) -> usize {
        self.0.buffered()
    }

    /// Sets how many bytes may wait to be sent before the connection is aborted.
    pub fn set_max_buffered(&self, bytes: usize) {
        self.0.set_max_buffered(bytes);
    }

    /// Sends small pieces at once instead of gathering them (`TCP_NODELAY`).
    pub fn set_no_delay(&self, on: bool) {
        self.0.set_no_delay(on);
    }

    /// Has TCP probe a silent peer (`SO_KEEPALIVE`), or not.
    pub fn set_keep_alive(&self, keep_alive: Option<KeepAlive>) {
        self.0.set_keep_alive(keep_alive);
    }

    /// The address of the other end. Twisted's `getPeer`.
    pub fn peer(&self) -> Address {
        self.0.peer()
    }

    /// The address of this end. Twisted's `getHost`.
    pub fn host(&self) -> Address {
        self.0.host()
    }
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Transport(to {})", self.peer())
    }
}
