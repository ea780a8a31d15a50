//! [`LineTransport`]: the handle of a protocol that receives lines, and what it shares with the receiver.
//!
//! Next: `line_time.rs`, the limit on the time of a line.

use crate::Transport;
use crate::error::StartTlsError;
use crate::line_buffer::Delimiter;
use std::cell::{Cell, RefCell};
use std::ops::Deref;
use std::rc::Rc;

/// The transport as a [`LineProtocol`](crate::LineProtocol) sees it: a [`Transport`] that also sends lines and changes
/// the mode.
///
/// Clones are the same connection: keep one to send lines later. It dereferences to the plain [`Transport`];
/// `Transport::clone(transport)` is a handle for code that knows nothing of lines.
#[derive(Debug, Clone)]
pub struct LineTransport {
    pub(super) transport: Transport,
    pub(super) lines: Rc<Lines>,
}

/// What the handles of one connection share with its receiver.
#[derive(Debug)]
pub(super) struct Lines {
    /// The protocol has asked for something since the receiver looked last. Then the next line may need more than to be
    /// found and delivered.
    pub(super) has_asked: Cell<bool>,
    pub(super) delimiter: RefCell<Delimiter>,
    pub(super) mode: Cell<Mode>,
    pub(super) asked_for: Cell<AskedFor>,
    pub(super) max_length: Cell<usize>,
    pub(super) max_lines_at_once: Cell<usize>,
    /// Bytes that `set_line_mode` gave back: they are delivered again before anything else.
    pub(super) given_back: RefCell<Vec<u8>>,
    /// The number of bytes that were received and not delivered when the last delivery ended.
    pub(super) undelivered: Cell<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    Line,
    Raw,
    /// After a line that was too long: it is unknown where the next one begins.
    Discard,
}

/// What the protocol has asked of the receiver, which does it before the next line.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct AskedFor {
    pub(super) clear: bool,
    pub(super) new_delimiter: bool,
}

impl LineTransport {
    /// Sends `line` and the delimiter, in one piece. Twisted's `sendLine`.
    #[track_caller]
    pub fn send_line(&self, line: &[u8]) {
        self.transport.write_vectored(&[line, self.lines.delimiter.borrow().bytes()]);
    }

    /// Sets what ends a line from here on, in both directions; the bytes that were received with this line are split
    /// anew. Outside a callback, it counts for received lines when the next bytes are received.
    ///
    /// # Panics
    /// If `delimiter` is empty.
    pub fn set_delimiter(&self, delimiter: &[u8]) {
        *self.lines.delimiter.borrow_mut() = Delimiter::new(delimiter);
        self.lines.has_asked.set(true);
        self.lines.asked_for.set(AskedFor { new_delimiter: true, ..self.lines.asked_for.get() });
    }

    /// Throws away what was received and not delivered, such as the commands that a client has sent behind a bad one.
    /// Twisted's `clearLineBuffer`, which also returns the bytes: to get them, use raw mode.
    pub fn clear_line_buffer(&self) {
        self.lines.given_back.take();
        self.lines.has_asked.set(true);
        self.lines.asked_for.set(AskedFor { clear: true, ..self.lines.asked_for.get() });
    }

    /// Delivers bytes to `raw_data_received` from here on, beginning with those that were received with this line.
    pub fn set_raw_mode(&self) {
        self.lines.has_asked.set(true);
        self.lines.mode.set(Mode::Raw);
    }

    /// Delivers lines from here on, beginning with `extra`. Outside a callback, `extra` is delivered when the next
    /// bytes are received.
    pub fn set_line_mode(&self, extra: &[u8]) {
        self.lines.has_asked.set(true);
        self.lines.mode.set(Mode::Line);
        self.lines.given_back.borrow_mut().extend_from_slice(extra);
    }

    /// The number of bytes that have been received and not delivered, as of the last delivery: the beginning of a line,
    /// and what a pause holds back. More than zero while nothing is paused means that the peer is in the middle of a
    /// line.
    pub fn undelivered(&self) -> usize {
        self.lines.undelivered.get()
    }

    /// Changes this connection from clear text to TLS: [`Transport::start_tls`], whose contract holds here. Lines that
    /// have been received and not delivered are never delivered: an attacker may have put them there. They go to the
    /// handshake. What comes over TLS begins with a new line, in the present mode.
    ///
    /// # Errors
    /// As [`Transport::start_tls`].
    pub fn start_tls(&self) -> Result<(), StartTlsError> {
        self.transport.start_tls(&[])
    }

    /// Sets the maximum length of a line from here on, the delimiter not counted.
    pub fn set_max_length(&self, max_length: usize) {
        self.lines.has_asked.set(true);
        self.lines.max_length.set(max_length);
    }

    /// Sets the maximum number of lines that are delivered at once, from the next delivery on: so a program can share
    /// out a turn of the loop among connections that come and go. Otherwise it is that of
    /// [`LineReceiver::with_max_lines_at_once`](super::LineReceiver::with_max_lines_at_once).
    ///
    /// # Panics
    /// If `max` is zero.
    pub fn set_max_lines_at_once(&self, max: usize) {
        assert!(max > 0, "a line at a time at least");
        self.lines.max_lines_at_once.set(max);
    }
}

impl Deref for LineTransport {
    type Target = Transport;
    fn deref(&self) -> &Transport {
        &self.transport
    }
}
