//! [`Pump`]: two protocols that talk over a connection in memory, without a loop. Twisted's `iosim` and its `IOPump`.
//!
//! It keeps the contract of the loop: nothing calls back before it returns, bytes keep their order, a close sends what
//! was written and waits for a producer, a half-close leaves the other direction open, a full buffer pauses the
//! producer, and `connection_lost` comes last and once. It has no time, so nothing ends because it takes too
//! long. (Twisted's `FakeTransport` drops what was written before `loseConnection`.)
//!
//! Next: `left_over.rs`, what a test must not leave behind.

use super::wire::Wire;
use crate::foreign::contain;
use crate::transport::TransportBackend;
use crate::{Protocol, Reason, Transport};
use std::cell::{Cell, RefCell};
use std::fmt;
use std::io;
use std::rc::Rc;
use std::sync::Arc;

/// Two protocols that have not come to rest after this many rounds talk for ever.
const MAX_ROUNDS: usize = 100_000;

/// Connects two protocols in memory: both hear `connection_made`, the server first. Nothing moves until the test
/// [pumps](Pump::flush).
///
/// ```
/// use reactor::{LineProtocol, LineReceiver, LineTransport, testing};
///
/// struct Greeter;
/// impl LineProtocol for Greeter {
///     fn line_received(&mut self, transport: &LineTransport, line: &[u8]) {
///         transport.send_line(&[b"hello, ", line].concat());
///         transport.lose_connection();
///     }
/// }
/// struct Caller;
/// impl LineProtocol for Caller {
///     fn connection_made(&mut self, transport: &LineTransport) {
///         transport.send_line(b"Ada");
///     }
///     fn line_received(&mut self, _transport: &LineTransport, line: &[u8]) {
///         assert_eq!(line, b"hello, Ada");
///     }
/// }
/// let pump = testing::connect(LineReceiver::new(Greeter), LineReceiver::new(Caller));
/// pump.flush();
/// assert!(pump.is_over());
/// assert_eq!(pump.said_by_client(), b"Ada\r\n");
/// ```
pub fn connect(server: impl Protocol + 'static, client: impl Protocol + 'static) -> Pump {
    let pump = Pump {
        server: End::new(Wire::of_server(), server),
        client: End::new(Wire::of_client(), client),
        piece: Cell::new(usize::MAX),
    };
    for end in [&pump.server, &pump.client] {
        end.call(|protocol, transport| protocol.connection_made(transport));
    }
    pump
}

/// One of the two ends of a [`Pump`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The first argument of [`connect`].
    Server,
    /// The second one.
    Client,
}

impl Side {
    /// The other one.
    pub fn other(self) -> Side {
        match self {
            Side::Server => Side::Client,
            Side::Client => Side::Server,
        }
    }
}

/// The connection of two protocols: see [`connect`].
///
/// A test may also play the network between them: stop the bytes at any place, take some away, put others in, break the
/// connection off.
pub struct Pump {
    server: End,
    client: End,
    piece: Cell<usize>,
}

struct End {
    wire: Rc<Wire>,
    /// Taken out while one of its callbacks runs. `None` when it is over.
    protocol: RefCell<Option<Box<dyn Protocol>>>,
    /// It has been told that its peer will send no more.
    has_read_end: Cell<bool>,
}

impl Pump {
    /// The server's transport.
    pub fn server(&self) -> Transport {
        Transport::new(self.server.wire.clone())
    }

    /// The client's transport.
    pub fn client(&self) -> Transport {
        Transport::new(self.client.wire.clone())
    }

    /// Everything that the server has written so far, delivered or not.
    pub fn said_by_server(&self) -> Vec<u8> {
        self.said_by(Side::Server)
    }

    /// Everything that the client has written so far, delivered or not.
    pub fn said_by_client(&self) -> Vec<u8> {
        self.said_by(Side::Client)
    }

    /// Everything that this end has written so far, delivered or not.
    pub fn said_by(&self, side: Side) -> Vec<u8> {
        self.end(side).wire.all_written()
    }

    /// Cuts the bytes into pieces of at most this many, in each direction and round (default: no cut).
    ///
    /// # Panics
    /// If it is zero.
    pub fn in_pieces_of(&self, bytes: usize) {
        assert!(bytes > 0, "a byte at a time at least");
        self.piece.set(bytes);
    }

    /// One round: delivers to each end what the other had written before the round, and carries out what they have
    /// asked for. Returns whether anything happened.
    ///
    /// # Panics
    /// If a protocol does. On a loop, that would end its connection alone.
    pub fn pump(&self) -> bool {
        let piece = self.piece.get();
        let (to_server, to_client) = (self.client.wire.waiting().min(piece), self.server.wire.waiting().min(piece));
        let moved = [
            self.server.receive(&self.client, to_server),
            self.client.receive(&self.server, to_client),
            self.server.wire.tell_producer(),
            self.client.wire.tell_producer(),
            self.finish(&self.server, &self.client),
            self.finish(&self.client, &self.server),
            self.server.stop_late_producer(),
            self.client.stop_late_producer(),
        ];
        for end in [&self.server, &self.client] {
            end.wire.note_backlog();
        }
        moved.contains(&true)
    }

    /// Pumps until nothing happens any more.
    ///
    /// # Panics
    /// If the two have not come to rest after 100,000 rounds; if a protocol panics.
    pub fn flush(&self) {
        for _ in 0..MAX_ROUNDS {
            if !self.pump() {
                return;
            }
        }
        panic!("the two still talk after {MAX_ROUNDS} rounds");
    }

    /// Delivers up to `most` bytes that `from` has written, and carries out nothing else. Returns their number: zero if
    /// the other end is paused or closing, too.
    ///
    /// # Panics
    /// If a protocol does.
    pub fn deliver(&self, from: Side, most: usize) -> usize {
        let before = self.end(from).wire.waiting();
        self.end(from.other()).receive(self.end(from), most);
        before - self.end(from).wire.waiting()
    }

    /// Takes up to `most` bytes that `from` has written off the wire: they are never delivered.
    pub fn take(&self, from: Side, most: usize) -> Vec<u8> {
        self.end(from).wire.take(most)
    }

    /// Has `to` receive `data`, as if its peer had sent it, before all that waits. An attacker on the way can do that.
    ///
    /// # Panics
    /// If a protocol does.
    pub fn inject(&self, to: Side, data: &[u8]) {
        if !self.end(to).is_over() {
            self.end(to).call(|protocol, transport| protocol.data_received(transport, data));
        }
    }

    /// Tells `to` that its peer will send no more, though the peer has not said so: the end of the stream is cut off.
    /// Returns whether that is news to it.
    ///
    /// # Panics
    /// If a protocol does.
    pub fn end_reading(&self, to: Side) -> bool {
        self.end(to).end_reading()
    }

    fn end(&self, side: Side) -> &End {
        match side {
            Side::Server => &self.server,
            Side::Client => &self.client,
        }
    }

    /// The network breaks the connection off: both hear [`Reason::Lost`], and what was on its way is lost.
    pub fn reset(&self) {
        for end in [&self.server, &self.client] {
            end.lose(&reset());
        }
    }

    /// Whether both have heard `connection_lost`.
    pub fn is_over(&self) -> bool {
        self.server.is_over() && self.client.is_over()
    }

    /// Carries out what `end` has asked for, as far as its last bytes have been taken. Returns whether there was
    /// anything.
    fn finish(&self, end: &End, other: &End) -> bool {
        if end.is_over() {
            return false;
        }
        if let Some(reason) = end.wire.broken_off() {
            end.lose(&reason);
            other.lose(&reset());
            return true;
        }
        // The other end may be closing, too. It reads nothing then, and what it is sent is lost.
        if other.is_over() || other.wire.is_disconnecting() {
            end.wire.throw_away();
        }
        if end.wire.waiting() > 0 || end.wire.takes_writes() {
            return false;
        }
        let told = other.end_reading();
        if end.wire.is_disconnecting() || end.has_read_end.get() {
            end.lose(&Reason::Done);
            return true;
        }
        told
    }
}

impl End {
    fn new(wire: Rc<Wire>, protocol: impl Protocol + 'static) -> End {
        let protocol: Box<dyn Protocol> = Box::new(protocol);
        End { wire, protocol: RefCell::new(Some(protocol)), has_read_end: Cell::new(false) }
    }

    fn is_over(&self) -> bool {
        self.wire.is_gone()
    }

    /// Calls the protocol, which is not borrowed meanwhile.
    fn call(&self, f: impl FnOnce(&mut dyn Protocol, &Transport)) {
        let Some(mut protocol) = self.protocol.take() else { return };
        self.wire.context().run(|| f(&mut *protocol, &Transport::new(self.wire.clone())));
        self.protocol.replace(Some(protocol));
    }

    /// Takes up to `most` bytes that `from` has written. Returns whether anything happened.
    fn receive(&self, from: &End, most: usize) -> bool {
        if self.is_over() || self.wire.is_disconnecting() {
            return false;
        }
        let resumes = self.wire.take_resuming();
        if resumes {
            self.call(|protocol, transport| protocol.reading_resumed(transport));
        }
        // Asked again: it may have paused or closed in that callback.
        if self.wire.is_paused() || self.wire.is_disconnecting() {
            return resumes;
        }
        let data = from.wire.take(most);
        if !data.is_empty() {
            self.call(|protocol, transport| protocol.data_received(transport, &data));
        }
        resumes || !data.is_empty()
    }

    /// Tells it that its peer will send no more. Returns whether that is news.
    fn end_reading(&self) -> bool {
        if self.is_over() || self.wire.is_disconnecting() || self.wire.is_paused() || self.has_read_end.replace(true) {
            return false;
        }
        self.call(|protocol, transport| protocol.read_connection_lost(transport));
        true
    }

    /// Tells a producer that was registered when the connection was gone. Returns whether there was one.
    fn stop_late_producer(&self) -> bool {
        let Some((producer, context)) = self.wire.take_late_producer() else { return false };
        context.run(|| producer.stop_producing());
        true
    }

    fn lose(&self, reason: &Reason) {
        if self.is_over() {
            return;
        }
        let producer = self.wire.end();
        self.call(|protocol, _| protocol.connection_lost(reason));
        let protocol = self.protocol.take();
        self.wire.context().run(|| drop(protocol));
        if let Some((producer, context)) = producer {
            context.run(|| producer.stop_producing());
        }
    }
}

/// A protocol may hold its transport, and a transport its producer, which holds the other transport.
impl Drop for Pump {
    fn drop(&mut self) {
        for end in [&self.server, &self.client] {
            contain(|| drop(end.wire.end()));
        }
    }
}

fn reset() -> Reason {
    Reason::Lost(Arc::new(io::ErrorKind::ConnectionReset.into()))
}

impl fmt::Debug for Pump {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (to_client, to_server) = (self.server.wire.waiting(), self.client.wire.waiting());
        write!(f, "Pump({to_client} bytes on their way to the client, {to_server} to the server)")
    }
}

#[cfg(test)]
mod tests;
