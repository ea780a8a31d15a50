//! [`LineReceiver`]: a protocol that gets whole lines instead of bytes cut anywhere.
//!
//! Twisted's `protocols.basic.LineReceiver`: line mode and raw mode, any delimiter, a limit on the length. A program
//! implements [`LineProtocol`] and wraps it: `LineReceiver::new(Chat::default())`. Three things are better than in
//! Twisted: many lines in one read cost linear time, a line that lies whole in a read is not copied, and an unfinished
//! line never grows beyond the limit.
//!
//! | Twisted's `LineReceiver` | here |
//! |---|---|
//! | `delimiter`, `MAX_LENGTH` | [`LineReceiver::with_delimiter`], [`LineReceiver::with_max_length`] |
//! | `delimiter`, set later | [`LineTransport::set_delimiter`] |
//! | `sendLine`, `setRawMode`, `setLineMode(extra)` | the methods of that name of [`LineTransport`] |
//! | `clearLineBuffer()` | [`LineTransport::clear_line_buffer`]; raw mode gives the bytes out |
//! | `pauseProducing`, `resumeProducing` | those of [`Transport`]; held lines come in a later callback |
//! | `lineReceived` returns an error to stop | pause, or close |
//! | `lineLengthExceeded` gets all that was received | it gets the start; raw mode gives out that and the rest |
//! | `LineOnlyReceiver` | [`LineReceiver`], which costs no more |
//! | (it has no limit on the time of a line) | [`LineReceiver::with_line_timeout`] |
//!
//! Next: [`line_receiver/line_transport.rs`](../../src/reactor/line_receiver/line_transport.rs.html), what a program
//! sees of it.

mod bare_lf;
mod line_time;
mod line_transport;

pub use line_transport::LineTransport;

use crate::error::Limit;
use crate::line_buffer::{Delimiter, LineBuffer, Split};
use crate::policies::PolicyClock;
use crate::undelivered::Undelivered;
use crate::{Protocol, Reason, Transport};
use bare_lf::tell_bare_lf;
use line_time::LineTime;
use line_transport::{AskedFor, Lines, Mode};
use std::cell::{Cell, RefCell};
use std::panic::Location;
use std::rc::Rc;
use std::time::Duration;

/// Maximum length of a line, unless [`LineReceiver::with_max_length`] sets another: 16,384 bytes, as in Twisted.
pub const MAX_LENGTH: usize = 16384;

/// Maximum number of lines that are delivered from one read, unless [`LineReceiver::with_max_lines_at_once`] sets
/// another. The reads of a turn are limited in bytes; but a read of 64 KiB may hold 65,536 empty lines, each with a
/// callback of its own, while all other connections wait. At the limit the rest waits for the loop's next round.
///
/// The limit is here and not in the loop, which knows only bytes, and not in each program, which would have to think of
/// it: this is where cheap bytes become calls.
pub const MAX_LINES_AT_ONCE: usize = 1024;

/// What a program does on a connection that speaks in lines. See [`Protocol`] for what the loop promises.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a `LineProtocol`",
    label = "a `LineProtocol` is wanted here",
    note = "only `line_received` is required; a `Protocol`, which receives bytes, is used without a `LineReceiver`"
)]
pub trait LineProtocol {
    /// The connection is up.
    fn connection_made(&mut self, transport: &LineTransport) {
        let _ = transport;
    }

    /// Over TLS: the handshake is complete. See [`Protocol::handshake_completed`].
    fn handshake_completed(&mut self, transport: &LineTransport) {
        let _ = transport;
    }

    /// A line has arrived; `line` is without its delimiter.
    fn line_received(&mut self, transport: &LineTransport, line: &[u8]);

    /// Bytes have arrived in raw mode.
    fn raw_data_received(&mut self, transport: &LineTransport, data: &[u8]) {
        let _ = (transport, data);
    }

    /// A line is longer than the limit; `start` is the part of it that was kept. The default ends the connection.
    ///
    /// If this method sets raw mode, `start` and everything after it is delivered as raw data. If it sets line mode,
    /// what has been received is thrown away: lines begin with its `extra`, followed by the next read. If it sets no
    /// mode, everything is thrown away until one is set.
    fn line_length_exceeded(&mut self, transport: &LineTransport, start: &[u8]) {
        let _ = start;
        transport.lose_connection();
    }

    /// Reading goes on after a pause. The bytes that were held back are delivered next, with the mode and the limit
    /// that this method sets. Called also when the receiver itself had to wait, after [as many
    /// lines](LineReceiver::with_max_lines_at_once) as it may deliver at once. A pause that ends inside the same
    /// callback holds back no line that has been received: those come first.
    fn reading_resumed(&mut self, transport: &LineTransport) {
        let _ = transport;
    }

    /// The peer will send no more; `rest` is the unfinished last line, if any. The default ends the connection after
    /// everything written has gone out.
    fn read_connection_lost(&mut self, transport: &LineTransport, rest: &[u8]) {
        let _ = rest;
        transport.lose_connection();
    }

    /// The reactor stops. The default ends the connection after everything written has gone out.
    fn reactor_stopping(&mut self, transport: &LineTransport) {
        transport.lose_connection();
    }

    /// The connection is gone. The protocol is dropped after this.
    fn connection_lost(&mut self, reason: &Reason) {
        let _ = reason;
    }
}

/// Turns a [`LineProtocol`] into a [`Protocol`].
///
/// # Line modes
///
/// It begins in line mode, where each line is one `line_received`. In raw mode, `raw_data_received` gets the bytes as
/// they come.
///
/// ```text
///              set_raw_mode               A pause (pause_producing, or backpressure) also holds back lines
///     Line <------------------> Raw       that have been received already. They are delivered when reading
///              set_line_mode              resumes.
/// ```
///
/// A mode that is set inside a callback counts from the next byte on: what was received with the same read is not lost.
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
    /// The unfinished line.
    buffer: LineBuffer,
    max_lines_at_once: usize,
    /// Made when the connection is.
    transport: Option<LineTransport>,
    /// Received while reading was paused, or before the pause and not delivered yet. Boxed: most receivers have none.
    held: Option<Box<Undelivered<'static>>>,
    /// Boxed for the same reason.
    line_time: Option<Box<LineTime>>,
    /// Whether what was received last came over TLS.
    was_tls: bool,
    /// Where the program made it.
    made: &'static Location<'static>,
}

impl<P: LineProtocol> LineReceiver<P> {
    /// A receiver of lines that end with CR LF and have at most [`MAX_LENGTH`] bytes. `nc` ends a line with LF alone:
    /// it is never complete here. Use `nc -C`, or `.with_delimiter(b"\n")`. A peer that seems to wait is logged.
    #[track_caller]
    pub fn new(protocol: P) -> LineReceiver<P> {
        LineReceiver {
            protocol,
            buffer: LineBuffer::new(b"\r\n", MAX_LENGTH),
            max_lines_at_once: MAX_LINES_AT_ONCE,
            transport: None,
            held: None,
            line_time: None,
            was_tls: false,
            made: Location::caller(),
        }
    }

    /// Sets what ends a line.
    ///
    /// # Panics
    /// If `delimiter` is empty.
    pub fn with_delimiter(mut self, delimiter: &[u8]) -> LineReceiver<P> {
        self.buffer.set_delimiter(Delimiter::new(delimiter));
        self
    }

    /// Sets the maximum length of a line, the delimiter not counted.
    pub fn with_max_length(mut self, max_length: usize) -> LineReceiver<P> {
        self.buffer.set_max_length(max_length);
        self
    }

    /// Sets the maximum number of lines that are delivered at once: [`MAX_LINES_AT_ONCE`] says why. The rest is held
    /// back, as in a pause, and delivered in the loop's next round, after
    /// [`reading_resumed`](LineProtocol::reading_resumed). A test without a loop calls that method itself.
    /// [`LineTransport::set_max_lines_at_once`] sets another number later.
    ///
    /// # Panics
    /// If `max` is zero.
    pub fn with_max_lines_at_once(mut self, max: usize) -> LineReceiver<P> {
        assert!(max > 0, "a line at a time at least");
        self.max_lines_at_once = max;
        self
    }

    /// Ends the connection of a peer that does not finish its line within `limit` after its first byte, or the very
    /// first line within `limit` after the connection was made. The protocol hears [`Reason::LimitReached`] with
    /// [`Limit::SlowLine`]. A peer that sends a byte now and then ("slowloris") keeps no connection by it; one that
    /// sends nothing between its lines is left to [`Timeouts`](crate::policies::Timeouts). Raw mode has no limit. Time
    /// in which reading is paused does not count. `clock` is a `&Reactor`, or a `&ManualClock` in tests.
    pub fn with_line_timeout(mut self, clock: impl Into<PolicyClock>, limit: Duration) -> LineReceiver<P> {
        self.line_time = Some(Box::new(LineTime::new(clock.into(), limit)));
        self
    }

    /// Delivers what was held back and then `data`, until all is used up, the protocol pauses, or `max` rounds are
    /// over (as many as are set, if it is `None`); holds back the rest.
    ///
    /// Each callback may change the mode, the limit, pause, close, or give bytes back. So every round of the loop asks
    /// again, and delivers one line or one piece of raw data. A loop and not a recursion: a peer decides how often the
    /// mode changes. Returns whether a line or raw data was delivered.
    fn deliver(&mut self, data: &[u8], max: Option<usize>) -> bool {
        let mut has_delivered = false;
        let Some(transport) = &self.transport else { return false };
        let lines = &transport.lines;
        let mut left = max.unwrap_or(lines.max_lines_at_once.get());
        if transport.is_tls() != self.was_tls {
            // TLS has begun, and something between us and it has not asked for what was left over. Bytes that came in
            // clear text must not mix with those that come over TLS, not even as the beginning of a line.
            self.was_tls = !self.was_tls;
            self.held = None;
            self.buffer.take_rest();
            lines.given_back.take();
        }
        let mut input = match self.held.take() {
            None => Undelivered::of(data),
            Some(held) => held.followed_by(data),
        };
        while !transport.is_disconnecting() {
            // Before the pause is looked at: a callback may give bytes back and pause, and they must be held, too.
            if lines.has_asked.replace(false) {
                // First: what is thrown away must be neither held nor delivered.
                let AskedFor { clear, new_delimiter } = lines.asked_for.take();
                if clear {
                    self.buffer.take_rest();
                    input = Undelivered::default();
                }
                if new_delimiter {
                    // The beginning of a line has been searched for the old one.
                    let kept = self.buffer.take_rest();
                    self.buffer.set_delimiter(lines.delimiter.borrow().clone());
                    if !kept.is_empty() {
                        input = input.preceded_by(kept);
                    }
                }
                if !lines.given_back.borrow().is_empty() {
                    input = input.preceded_by(lines.given_back.take());
                }
                self.buffer.set_max_length(lines.max_length.get());
            }
            if transport.is_paused() {
                self.held = Some(Box::new(input.into_owned()));
                return has_delivered;
            }
            if left == 0 && !input.rest().is_empty() {
                // A pause that is over at once: the loop calls `reading_resumed` in its next round, and reads nothing
                // before that.
                transport.pause_producing();
                transport.resume_producing();
                self.held = Some(Box::new(input.into_owned()));
                return has_delivered;
            }
            match lines.mode.get() {
                Mode::Line => {
                    let mut rest = input.rest();
                    let before = (left, rest.len());
                    let ended = deliver_lines(&mut self.protocol, &mut self.buffer, transport, &mut rest, &mut left);
                    let used = before.1 - rest.len();
                    has_delivered |= left < before.0;
                    match ended {
                        Ended::ByTheProtocol => {}
                        Ended::Incomplete if has_delivered => return true,
                        Ended::Incomplete => {
                            tell_bare_lf(&self.buffer, self.made, transport);
                            return false;
                        }
                        Ended::TooLong => {
                            left = left.saturating_sub(1);
                            if lines.mode.get() == Mode::Line {
                                // Lines begin anew, but not with what was too long.
                                self.buffer.take_rest();
                                input = Undelivered::default();
                                continue;
                            }
                        }
                    }
                    input.consume(used);
                }
                Mode::Discard => {
                    self.buffer.take_rest();
                    return has_delivered;
                }
                Mode::Raw => {
                    // The beginning of a line that was not finished when the mode changed comes first.
                    let kept = self.buffer.take_rest();
                    left = left.saturating_sub(1);
                    has_delivered = true;
                    if !kept.is_empty() {
                        self.protocol.raw_data_received(transport, &kept);
                    } else if !input.rest().is_empty() {
                        self.protocol.raw_data_received(transport, input.rest());
                        input = Undelivered::default();
                    } else {
                        return has_delivered;
                    }
                }
            }
        }
        has_delivered
    }
}

/// Why [`deliver_lines`] has ended.
enum Ended {
    /// The protocol has paused, closed or asked for something, or it has had as many lines as it may have at once.
    ByTheProtocol,
    /// The input is used up.
    Incomplete,
    /// The protocol was told of a line that is too long. If it has not set a mode, the mode is [`Mode::Discard`].
    TooLong,
}

/// Delivers lines from the front of `input`, at least one and at most `left`, for as long as the protocol does nothing
/// but take them. This is where a receiver spends its time.
#[inline]
fn deliver_lines<P: LineProtocol>(
    protocol: &mut P,
    buffer: &mut LineBuffer,
    transport: &LineTransport,
    input: &mut &[u8],
    left: &mut usize,
) -> Ended {
    let lines = &*transport.lines;
    loop {
        match buffer.split(input) {
            Split::Line(line) => {
                protocol.line_received(transport, line);
                *left = left.saturating_sub(1);
                if *left == 0 || lines.has_asked.get() || transport.is_paused() || transport.is_disconnecting() {
                    return Ended::ByTheProtocol;
                }
            }
            Split::Incomplete => return Ended::Incomplete,
            Split::TooLong(start) => {
                lines.mode.set(Mode::Discard); // Unless the protocol knows where to go on.
                protocol.line_length_exceeded(transport, start);
                return Ended::TooLong;
            }
        }
    }
}

impl<P> LineReceiver<P> {
    fn note_delivery(&self, has_delivered: bool) {
        let Some(transport) = &self.transport else { return };
        let undelivered = self.buffer.rest().len() + self.held.as_ref().map_or(0, |held| held.rest().len());
        transport.lines.undelivered.set(undelivered);
        if let Some(line_time) = &self.line_time {
            line_time.note(has_delivered, undelivered > 0 && transport.lines.mode.get() == Mode::Line);
        }
    }
}

impl<P: LineProtocol> Protocol for LineReceiver<P> {
    fn type_name(&self) -> &'static str {
        std::any::type_name::<P>()
    }

    fn connection_made(&mut self, transport: &Transport) {
        let lines = Lines {
            has_asked: Cell::new(false),
            delimiter: RefCell::new(Delimiter::new(self.buffer.delimiter())),
            mode: Cell::new(Mode::Line),
            asked_for: Cell::default(),
            max_length: Cell::new(self.buffer.max_length()),
            max_lines_at_once: Cell::new(self.max_lines_at_once),
            given_back: RefCell::new(Vec::new()),
            undelivered: Cell::new(0),
        };
        if let Some(line_time) = &mut self.line_time {
            line_time.begin(transport);
        }
        self.was_tls = transport.is_tls();
        let transport = self.transport.insert(LineTransport { transport: transport.clone(), lines: Rc::new(lines) });
        self.protocol.connection_made(transport);
    }

    fn handshake_completed(&mut self, _transport: &Transport) {
        if let Some(transport) = &self.transport {
            self.protocol.handshake_completed(transport);
        }
    }

    fn data_received(&mut self, _transport: &Transport, data: &[u8]) {
        let has_delivered = self.deliver(data, None);
        self.note_delivery(has_delivered);
    }

    fn reading_resumed(&mut self, _transport: &Transport) {
        if let Some(transport) = &self.transport {
            self.protocol.reading_resumed(transport);
        }
        let has_delivered = self.deliver(&[], None);
        self.note_delivery(has_delivered);
    }

    fn take_unprocessed(&mut self) -> Vec<u8> {
        self.was_tls = self.transport.as_ref().is_some_and(|transport| transport.is_tls());
        let given_back = self.transport.as_ref().map(|transport| transport.lines.given_back.take());
        let mut bytes = given_back.unwrap_or_default();
        bytes.append(&mut self.buffer.take_rest());
        if let Some(held) = self.held.take() {
            bytes.extend_from_slice(held.rest());
        }
        self.note_delivery(false);
        bytes
    }

    fn read_connection_lost(&mut self, _transport: &Transport) {
        // What was given back outside a callback. All of it: nothing comes after this.
        self.deliver(&[], Some(usize::MAX));
        if let Some(transport) = &self.transport {
            let rest = self.buffer.take_rest();
            self.protocol.read_connection_lost(transport, &rest);
        }
    }

    fn reactor_stopping(&mut self, _transport: &Transport) {
        if let Some(transport) = &self.transport {
            self.protocol.reactor_stopping(transport);
        }
    }

    fn connection_lost(&mut self, reason: &Reason) {
        match self.line_time.take() {
            Some(line_time) if line_time.is_late() => {
                self.protocol.connection_lost(&Reason::LimitReached(Limit::SlowLine));
            }
            _ => self.protocol.connection_lost(reason),
        }
        self.transport = None; // The transport keeps the connection, and the connection keeps this protocol.
    }
}

#[cfg(test)]
mod tests;
