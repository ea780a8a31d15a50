//! [`LineReceiver`]: a protocol that gets whole lines instead of bytes cut anywhere.
//!
//! Twisted's `protocols.basic.LineReceiver`: line mode and raw mode, any delimiter, a limit on the length. A program
//! implements [`LineProtocol`] and wraps it: `LineReceiver::new(Chat::default())`. Unlike Twisted's, many lines in one
//! read cost linear time, a whole line in a read is not copied, and an unfinished line is held up to the limit only.
//!
//! ```text
//!              set_raw_mode                       Pausing (pause_producing, or back-pressure) holds back lines that
//!     Line <------------------> Raw               have been received already; they come when reading is resumed.
//!              set_line_mode
//! ```
//!
//! Next: [`crate::Reactor`].

use crate::line_buffer::{LineBuffer, Split};
use crate::{Protocol, Reason, Transport};
use std::cell::{Cell, RefCell};
use std::mem;
use std::ops::Deref;

/// The longest line allowed unless [`LineReceiver::with_max_length`] says otherwise: 16,384 bytes, as in Twisted.
pub const MAX_LENGTH: usize = 16384;

/// What happens on a connection that speaks in lines. See [`Protocol`] for what the loop promises.
pub trait LineProtocol {
    /// The connection is up.
    fn connection_made(&mut self, transport: &LineTransport) {
        let _ = transport;
    }

    /// A line has come, without its delimiter.
    fn line_received(&mut self, transport: &LineTransport, line: &[u8]);

    /// Bytes have come in raw mode.
    fn raw_data_received(&mut self, transport: &LineTransport, data: &[u8]) {
        let _ = (transport, data);
    }

    /// A line is longer than the limit; `start` is as much of it as was kept. What follows is thrown away until a
    /// mode is set: raw mode, set here, gets `start` and what follows; line mode, set here, begins with its `extra` and
    /// what is read next. The default ends the connection.
    fn line_length_exceeded(&mut self, transport: &LineTransport, start: &[u8]) {
        let _ = start;
        transport.lose_connection();
    }

    /// Reading goes on after a pause; what was held back comes next, by the limit and in the mode that are set here.
    fn reading_resumed(&mut self, transport: &LineTransport) {
        let _ = transport;
    }

    /// The peer will send no more; `rest` is the unfinished last line, if any. The default ends the connection once
    /// everything written has gone out.
    fn read_connection_lost(&mut self, transport: &LineTransport, rest: &[u8]) {
        let _ = rest;
        transport.lose_connection();
    }

    /// The reactor stops. The default ends the connection once everything written has gone out.
    fn reactor_stopping(&mut self, transport: &LineTransport) {
        transport.lose_connection();
    }

    /// The connection is gone.
    fn connection_lost(&mut self, reason: &Reason) {
        let _ = reason;
    }
}

/// The transport as a [`LineProtocol`] sees it: a [`Transport`] that also sends lines and changes the mode.
#[derive(Debug)]
pub struct LineTransport {
    transport: Transport,
    delimiter: Vec<u8>,
    mode: Cell<Mode>,
    max_length: Cell<usize>,
    /// Bytes that `set_line_mode` gave back, to be read again.
    given_back: RefCell<Vec<u8>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Line,
    Raw,
    /// After a line that was too long: there is no telling where the next one begins.
    Discard,
}

impl LineTransport {
    /// Sends `line` and the delimiter, in one piece. Twisted's `sendLine`.
    pub fn send_line(&self, line: &[u8]) {
        self.transport.write_vectored(&[line, &self.delimiter]);
    }

    /// From here on bytes go to `raw_data_received`, beginning with those that were received with this line.
    pub fn set_raw_mode(&self) {
        self.mode.set(Mode::Raw);
    }

    /// From here on bytes are lines again, beginning with `extra`; outside a callback, when the next bytes come.
    pub fn set_line_mode(&self, extra: &[u8]) {
        self.mode.set(Mode::Line);
        self.given_back.borrow_mut().extend_from_slice(extra);
    }

    /// Sets the longest line allowed from here on, the delimiter not counted.
    pub fn set_max_length(&self, max_length: usize) {
        self.max_length.set(max_length);
    }

    /// The plain transport, to clone and keep.
    pub fn transport(&self) -> &Transport {
        &self.transport
    }
}

impl Deref for LineTransport {
    type Target = Transport;
    fn deref(&self) -> &Transport {
        &self.transport
    }
}

/// Turns a [`LineProtocol`] into a [`Protocol`].
///
/// ```
/// use reactor::{LineProtocol, LineReceiver, LineTransport, Protocol, testing::StringTransport};
///
/// struct Shout;
/// impl LineProtocol for Shout {
///     fn line_received(&mut self, transport: &LineTransport, line: &[u8]) {
///         transport.send_line(&line.to_ascii_uppercase());
///     }
/// }
/// let wire = StringTransport::new();
/// let mut protocol = LineReceiver::new(Shout);
/// protocol.connection_made(&wire.transport());
/// protocol.data_received(&wire.transport(), b"hello\r\nwor");
/// protocol.data_received(&wire.transport(), b"ld\r\n");
/// assert_eq!(wire.written(), b"HELLO\r\nWORLD\r\n");
/// ```
#[derive(Debug)]
pub struct LineReceiver<P> {
    protocol: P,
    buffer: LineBuffer,
    /// Made when the connection is.
    wire: Option<LineTransport>,
    /// Received, and held back because reading was paused: at most what one read brought, from `held_from` on.
    held: Vec<u8>,
    held_from: usize,
}

impl<P: LineProtocol> LineReceiver<P> {
    /// Lines that end with CR LF and are at most [`MAX_LENGTH`] long.
    pub fn new(protocol: P) -> LineReceiver<P> {
        LineReceiver {
            protocol,
            buffer: LineBuffer::new(b"\r\n", MAX_LENGTH),
            wire: None,
            held: Vec::new(),
            held_from: 0,
        }
    }

    /// Lines that end with `delimiter`.
    ///
    /// # Panics
    /// If it is empty.
    pub fn with_delimiter(mut self, delimiter: &[u8]) -> LineReceiver<P> {
        self.buffer = LineBuffer::new(delimiter, self.buffer.max_length());
        self
    }

    /// Lines of at most `max_length` bytes, the delimiter not counted.
    pub fn with_max_length(mut self, max_length: usize) -> LineReceiver<P> {
        self.buffer = LineBuffer::new(self.buffer.delimiter(), max_length);
        self
    }

    /// Gives out what `input` holds until it is used up or reading is paused; returns how much of its end is left over
    /// then. A loop, not a recursion, however often the protocol changes the mode.
    fn deliver(&mut self, input: &[u8]) -> usize {
        let Some(wire) = &self.wire else { return 0 };
        let mut again: Vec<u8>; // Keeps what set_line_mode gave back alive while `input` borrows it.
        let mut rejoined = false;
        let mut input = input;
        while !wire.is_disconnecting() {
            if !wire.given_back.borrow().is_empty() {
                let mut joined = wire.given_back.take();
                joined.extend_from_slice(input);
                again = joined;
                input = &again;
                rejoined = true;
            }
            if wire.is_paused() {
                if rejoined {
                    (self.held, self.held_from) = (input.to_vec(), 0);
                    return 0;
                }
                return input.len();
            }
            self.buffer.set_max_length(wire.max_length.get());
            match wire.mode.get() {
                Mode::Line => match self.buffer.split(&mut input) {
                    Split::Line(line) => self.protocol.line_received(wire, line),
                    Split::Incomplete => return 0,
                    Split::TooLong(start) => {
                        wire.mode.set(Mode::Discard);
                        self.protocol.line_length_exceeded(wire, start);
                        if wire.mode.get() == Mode::Line {
                            // Lines begin anew, but not with what was too long.
                            self.buffer.take_rest();
                            input = &[];
                        }
                    }
                },
                Mode::Discard => {
                    self.buffer.take_rest();
                    return 0;
                }
                Mode::Raw => {
                    let kept = self.buffer.take_rest();
                    if !kept.is_empty() {
                        self.protocol.raw_data_received(wire, &kept);
                    } else if !input.is_empty() {
                        self.protocol.raw_data_received(wire, mem::take(&mut input));
                    } else {
                        return 0;
                    }
                }
            }
        }
        0
    }

    fn deliver_held(&mut self, held: Vec<u8>, from: usize) {
        let left = self.deliver(&held[from..]);
        if left > 0 {
            (self.held_from, self.held) = (held.len() - left, held);
        }
    }
}

impl<P: LineProtocol> Protocol for LineReceiver<P> {
    fn connection_made(&mut self, transport: &Transport) {
        let wire = self.wire.insert(LineTransport {
            transport: transport.clone(),
            delimiter: self.buffer.delimiter().to_vec(),
            mode: Cell::new(Mode::Line),
            max_length: Cell::new(self.buffer.max_length()),
            given_back: RefCell::new(Vec::new()),
        });
        self.protocol.connection_made(wire);
    }

    fn data_received(&mut self, _transport: &Transport, data: &[u8]) {
        if self.held.is_empty() {
            let left = self.deliver(data);
            if left > 0 {
                (self.held, self.held_from) = (data[data.len() - left..].to_vec(), 0);
            }
        } else {
            let mut held = mem::take(&mut self.held);
            held.extend_from_slice(data);
            self.deliver_held(held, self.held_from);
        }
    }

    fn reading_resumed(&mut self, _transport: &Transport) {
        if let Some(wire) = &self.wire {
            self.protocol.reading_resumed(wire);
        }
        let (held, from) = (mem::take(&mut self.held), mem::take(&mut self.held_from));
        self.deliver_held(held, from);
    }

    fn read_connection_lost(&mut self, _transport: &Transport) {
        self.deliver(&[]); // What was given back outside a callback: nothing comes after it.
        if let Some(wire) = &self.wire {
            let rest = self.buffer.take_rest();
            self.protocol.read_connection_lost(wire, &rest);
        }
    }

    fn reactor_stopping(&mut self, _transport: &Transport) {
        if let Some(wire) = &self.wire {
            self.protocol.reactor_stopping(wire);
        }
    }

    fn connection_lost(&mut self, reason: &Reason) {
        self.protocol.connection_lost(reason);
        self.wire = None;
    }
}

#[cfg(test)]
mod tests;
