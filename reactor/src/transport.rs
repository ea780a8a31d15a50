//! [`Transport`]: the handle with which a protocol writes to its connection, pauses it and ends it.
//!
//! [`Transport`] has the contract of all its methods.
//!
//! Next: [`transport/producer.rs`](../../src/reactor/transport/producer.rs.html), what writes to it again and again.

mod meter;
mod producer;
mod write_limit;

pub use meter::{Direction, Meter};
pub use producer::Producer;
pub(crate) use write_limit::{Waiting, WriteLimit};

use crate::diagnostics::{is_first_at, tell};
use crate::error::StartTlsError;
use crate::{Address, Context};
use std::any::Any;
use std::fmt;
use std::panic::Location;
use std::rc::{Rc, Weak};
use std::time::Duration;

/// When more than this many bytes wait to be sent, a producer is paused: 64 KiB, as in Twisted.
pub const HIGH_WATER: usize = 64 * 1024;

/// A write aborts the connection if its [`backlog`](Transport::backlog) has this many bytes or more, unless
/// [`Transport::set_max_buffered`] sets another limit: 64 MiB.
pub const MAX_BUFFERED: usize = 64 * 1024 * 1024;

/// When TCP probes a silent peer; see [`Transport::set_keep_alive`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeepAlive {
    /// Silence before the first probe. Whole seconds, at least one.
    pub idle: Duration,
    /// Time between probes. Whole seconds, at least one.
    pub interval: Duration,
    /// Number of unanswered probes after which the connection is lost.
    pub probes: u32,
}

/// The connection behind a [`Transport`]. Layers such as TLS implement it, and test doubles. The contract of each
/// method is that of the method of the same name on [`Transport`].
#[expect(missing_docs, reason = "the methods are documented once, on Transport")]
pub trait TransportBackend {
    fn write(&self, data: &[u8]);
    fn write_vectored(&self, pieces: &[&[u8]]) {
        for piece in pieces {
            self.write(piece);
        }
    }
    /// A write by the program, at this place of its source: for messages about it.
    fn write_from(&self, pieces: &[&[u8]], _place: &'static Location<'static>) {
        self.write_vectored(pieces);
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
    fn backlog(&self) -> usize {
        self.buffered()
    }
    fn bytes_sent(&self) -> u64 {
        0
    }
    fn set_max_buffered(&self, bytes: usize);
    fn set_held_back(&self, _bytes: usize) {}
    fn linger_on_close(&self) {}
    fn below(&self) -> Option<Transport> {
        None
    }
    fn add_meter(&self, _meter: Rc<dyn Meter>) {}
    fn meter_refilled(&self) {}
    fn set_no_delay(&self, on: bool);
    fn set_keep_alive(&self, keep_alive: Option<KeepAlive>);
    fn start_tls(&self, _unprocessed: &[u8]) -> Result<(), StartTlsError> {
        Err(StartTlsError::NotPlainFirst)
    }
    fn is_tls(&self) -> bool {
        false
    }
    fn tls_session(&self) -> Option<Box<dyn Any>> {
        None
    }
    fn set_context(&self, _context: Context) {}
    fn set_layer_above(&self, _above: &Transport) {}
    fn layer_above(&self) -> Option<Transport> {
        None
    }
    fn peer(&self) -> Address;
    fn host(&self) -> Address;
}

/// The handle to a connection. Clones are the same connection.
///
/// One cheap, clonable type serves every kind of connection. Behind it is a [`TransportBackend`]: a TCP connection, TLS
/// over another transport, or memory.
///
/// # Contract
///
/// What holds for every method (Twisted's `ITransport`, `ITCPTransport`, `IConsumer`):
///
/// * No method calls a protocol or a producer back before it returns. It notes the request, and the loop carries it
///   out.
/// * No method fails. On a connection that is closing or gone it has no effect. `connection_lost` reports the outcome.
/// * Bytes are sent in the order in which they were written, many writes with one system call. What the callbacks of a
///   connection's event write on that connection leaves when all of them have returned. What other code writes leaves
///   later in the same turn of the loop, or in the next.
///
/// # Back-pressure
///
/// When more than [`HIGH_WATER`] bytes wait to be sent, the registered producer is told to pause; when all have gone
/// out, to resume. A server has no producer: it writes in answer to what it reads. So an accepted connection stops
/// reading from a peer that does not read our replies ([`pause_when_full`](Transport::pause_when_full)). A write to a
/// peer that has left too much waiting (default [`MAX_BUFFERED`]) aborts the connection: no peer can fill our memory.
/// That counts the [`backlog`](Transport::backlog) only. What one callback writes is taken whole, in one piece or in
/// many, because the loop has not tried to send it.
#[derive(Clone)]
pub struct Transport(Rc<dyn TransportBackend>);

/// A reference to a transport that does not keep it alive.
pub(crate) struct WeakTransport(Weak<dyn TransportBackend>);

impl WeakTransport {
    pub(crate) fn upgrade(&self) -> Option<Transport> {
        self.0.upgrade().map(Transport)
    }
}

impl Transport {
    /// A handle to `backend`.
    pub fn new(backend: Rc<dyn TransportBackend>) -> Transport {
        Transport(backend)
    }

    /// What is behind it, for layers that add methods of their own to this handle.
    #[cfg(feature = "tls")]
    pub(crate) fn backend(&self) -> &dyn TransportBackend {
        &*self.0
    }

    /// Sends `data` after what was written before.
    ///
    /// A write after the program's own [`lose_connection`](Transport::lose_connection) has no effect. It is a mistake
    /// of the program, so it is logged, once for each place in the source.
    #[track_caller]
    pub fn write(&self, data: &[u8]) {
        self.0.write_from(&[data], Location::caller());
    }

    /// Sends several pieces as if they were one. Twisted's `writeSequence`.
    #[track_caller]
    pub fn write_vectored(&self, pieces: &[&[u8]]) {
        self.0.write_from(pieces, Location::caller());
    }

    /// Closes the connection after everything written has gone out. Reading stops now, and writing has no effect any
    /// more. If no byte leaves for the reactor's [`close_timeout`](crate::Settings::close_timeout), the connection is
    /// aborted.
    ///
    /// A producer that is registered has not written everything. So the connection is closed only after the producer
    /// has been [unregistered](Transport::unregister_producer): until then writes are sent, and the producer is paused
    /// and resumed as before. To close without waiting for it, unregister it first. Twisted's rule; the time limit is
    /// ours.
    pub fn lose_connection(&self) {
        self.0.lose_connection();
    }

    /// Ends our side of the connection after everything written has gone out: the peer learns that no more will come.
    /// Reading goes on. This is half-close. It waits for a registered producer, as
    /// [`lose_connection`](Transport::lose_connection) does. If the producer has its turn, and neither writes nor
    /// unregisters for [`close_timeout`](crate::Settings::close_timeout), the connection is aborted: the peer would
    /// wait for an end that never comes. A peer that does not read has no time limit here.
    pub fn lose_write_connection(&self) {
        self.0.lose_write_connection();
    }

    /// Breaks the connection off now. Bytes that wait are thrown away, and the peer sees a reset. The loop calls
    /// `connection_lost` after the running callback.
    pub fn abort_connection(&self) {
        self.0.abort_connection();
    }

    /// Stops reading: no more `data_received` until [`resume_producing`](Transport::resume_producing). TCP's flow
    /// control then slows the peer down. If the peer ends its side, the loop notices only after the pause; if the
    /// connection breaks, it notices at once.
    pub fn pause_producing(&self) {
        self.0.pause_producing();
    }

    /// Reads again. The loop calls the protocol's `reading_resumed` first.
    pub fn resume_producing(&self) {
        self.0.resume_producing();
    }

    /// Whether reading is paused, by request or because too many bytes wait to be sent.
    pub fn is_paused(&self) -> bool {
        self.0.is_paused()
    }

    /// Whether the connection is closing or gone: bytes that are written now are thrown away, unless the close waits
    /// for a producer.
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

    /// Registers the producer that pauses when more than [`HIGH_WATER`] bytes wait, in place of an earlier one. A close
    /// waits until it is unregistered. On a connection that is gone, the loop tells it to stop.
    pub fn register_producer(&self, producer: impl Producer + 'static) {
        self.0.register_producer(Rc::new(producer));
    }

    /// Forgets the producer, which has written everything. It hears nothing more. A close that waited for it goes on.
    pub fn unregister_producer(&self) {
        self.0.unregister_producer();
    }

    /// The number of bytes that wait to be sent. In `connection_lost`: of those that never were.
    pub fn buffered(&self) -> usize {
        self.0.buffered()
    }

    /// The number of bytes that waited when the loop last tried to send: its peer, a meter or a handshake has held them
    /// up. What was written since does not count. The limit of [`set_max_buffered`](Transport::set_max_buffered) is on
    /// these.
    pub fn backlog(&self) -> usize {
        self.0.backlog()
    }

    /// The number of bytes that the system has taken so far, to be sent; over TLS with all that TLS adds. It grows only
    /// if the peer reads.
    pub fn bytes_sent(&self) -> u64 {
        self.0.bytes_sent()
    }

    /// Sets how large the [`backlog`](Transport::backlog) may be when a write begins (default [`MAX_BUFFERED`]). If it
    /// has that many bytes or more, the write aborts the connection. What one callback writes may be larger: the peer
    /// has had no chance to read it. So memory is bounded by the limit and what the program hands over in one callback.
    pub fn set_max_buffered(&self, bytes: usize) {
        self.0.set_max_buffered(bytes);
    }

    /// Says how many bytes a layer above this transport holds back, to write them later. For the producer they wait to
    /// be sent, like those written: it is paused above [`HIGH_WATER`], and resumed when none are left. They neither
    /// pause reading, on which the layer may depend, nor count in [`buffered`](Transport::buffered); in
    /// [`backlog`](Transport::backlog) they do. TLS says so of what is written before its handshake is done.
    pub fn set_held_back(&self, bytes: usize) {
        self.0.set_held_back(bytes);
    }

    /// Sets the context in which the callbacks of this connection run, from the next one on: the number of the
    /// connection, say, for each line of the log. For the rest of this callback, [`Context::run`] enters it. At first
    /// they run in the context of the code that listened or connected.
    ///
    /// A protocol that serves one request after the other runs each in a context of its own, with [`Context::run`].
    pub fn set_context(&self, context: Context) {
        self.0.set_context(context);
    }

    /// Says that a layer stands on this transport, such as TLS, and that the program writes to `above`. The transport
    /// does not keep `above` alive.
    pub fn set_layer_above(&self, above: &Transport) {
        self.0.set_layer_above(above);
    }

    /// The transport of the layer that stands on this one. `None` if there is none, and while it is not connected.
    pub fn layer_above(&self) -> Option<Transport> {
        self.0.layer_above()
    }

    /// A reference that does not keep it alive.
    pub(crate) fn downgrade(&self) -> WeakTransport {
        WeakTransport(Rc::downgrade(&self.0))
    }

    /// Says that the peer may send until it sees our end, and that nobody will read it. TLS says so of its own
    /// messages; a program may, if it answers with an error and closes while its peer still sends.
    ///
    /// A system that closes a socket with unread bytes resets the connection, and our last bytes may be lost on their
    /// way. So after [`lose_connection`](Transport::lose_connection) the loop ends our side only. It reads and drops
    /// what comes until the peer has closed, for [`linger_timeout`](crate::Settings::linger_timeout) and one MiB at
    /// most. `connection_lost` does not wait for it. Without this call the loop does so only if unread bytes have
    /// arrived already when it closes.
    pub fn linger_on_close(&self) {
        self.0.linger_on_close();
    }

    /// Has `meter` decide how many bytes this connection reads and writes, from now on. A connection may have several
    /// meters; the strictest decides. Bytes that wait for it count as any that wait to be sent; and what is not read
    /// fills the buffers of the system, so the peer has to wait. TLS counts with all that it adds. A transport that
    /// exists only in memory has no use for a meter.
    ///
    /// The connection holds its meters until its end. [`Bandwidth`](crate::policies::Bandwidth) is made of this.
    pub fn add_meter(&self, meter: Rc<dyn Meter>) {
        match self.below() {
            Some(below) => below.add_meter(meter),
            None => self.0.add_meter(meter),
        }
    }

    /// The transport on which this one stands, if it is a layer such as TLS.
    pub fn below(&self) -> Option<Transport> {
        self.0.below()
    }

    /// Says that a meter has room again. The loop asks all of them soon.
    pub fn meter_refilled(&self) {
        match self.below() {
            Some(below) => below.meter_refilled(),
            None => self.0.meter_refilled(),
        }
    }

    /// Sets whether small pieces are sent at once, or gathered until the peer has acknowledged the last
    /// (`TCP_NODELAY`; gathering is the system's default).
    pub fn set_no_delay(&self, on: bool) {
        self.0.set_no_delay(on);
    }

    /// Sets whether and when TCP probes a silent peer (`SO_KEEPALIVE`). `None` turns the probes off.
    pub fn set_keep_alive(&self, keep_alive: Option<KeepAlive>) {
        self.0.set_keep_alive(keep_alive);
    }

    /// Changes this connection from clear text to TLS. Twisted's `startTLS`.
    ///
    /// The connection must have been made for it: `plain_first` of [`TlsServer`](crate::tls::TlsServer) or
    /// [`TlsClient`](crate::tls::TlsClient) says at which end of TLS it is, and with which certificates. Everything
    /// written before this call goes out in clear text. Everything written after it is encrypted, and waits for the
    /// handshake; then `handshake_completed` is called. The time limit of a handshake begins now, and reading must not
    /// be paused for longer than that.
    ///
    /// `unprocessed` are bytes that the caller has received and not used: those behind the command that led here. They
    /// came in clear text, so the caller must not use them any more. They are taken for the beginning of the peer's
    /// handshake, which may share a packet with the command. If somebody on the way has put anything else there, the
    /// handshake fails. A [`LineProtocol`](crate::LineProtocol) calls
    /// [`LineTransport::start_tls`](crate::LineTransport::start_tls) instead, which finds these bytes itself.
    ///
    /// What the two ends have said in clear text may have been changed on its way. After the handshake, forget what the
    /// peer has said before (RFC 3207, section 4.2).
    ///
    /// # Errors
    /// If the connection was not made for it, if it is over TLS already, or if it is closing, or closed in one
    /// direction: a handshake needs both. Then nothing has changed.
    pub fn start_tls(&self, unprocessed: &[u8]) -> Result<(), StartTlsError> {
        self.0.start_tls(unprocessed)
    }

    /// Whether what is written now goes out encrypted: the connection is over TLS from its start, or `start_tls` was
    /// called. The handshake may not be done.
    pub fn is_tls(&self) -> bool {
        self.0.is_tls()
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

/// Tells that the program wrote at `place` although it had closed `connection` by a call of `closed_by`.
#[cold]
pub(crate) fn tell_late_write(
    pieces: &[&[u8]],
    place: &'static Location<'static>,
    closed_by: &str,
    connection: &dyn fmt::Display,
) {
    if is_first_at(place) {
        let bytes: usize = pieces.iter().map(|piece| piece.len()).sum();
        tell!(
            Warn,
            "reactor",
            "the write at {place} comes after {closed_by}: its {bytes} bytes are dropped, on {connection}"
        );
    }
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Transport(to {})", self.peer())
    }
}
