//! [`StringReceiver`]: a protocol that gets whole strings, each with its length in front.
//!
//! Twisted's `NetstringReceiver` and `IntNStringReceiver`. A program implements [`StringProtocol`], and wraps it with
//! the [`Framing`] that both ends speak:
//!
//! ```text
//!     Netstring     5:hello,          the length in decimal digits, a colon, the bytes, a comma
//!     Int8             05 hello       the length in one byte
//!     Int16         00 05 hello       the length in two bytes, big-endian
//!     Int32   00 00 00 05 hello       the length in four bytes, big-endian
//! ```
//!
//! A length over the limit is refused from the length alone: a peer that announces four gigabytes costs us nothing.
//!
//! Next: [`clock.rs`](../../src/reactor/clock.rs.html), the time that a program sees.

use crate::error::StartTlsError;
use crate::error::debug_is_display;
use crate::undelivered::Undelivered;
use crate::{Protocol, Reason, Transport};
use std::cell::{Cell, RefCell};
use std::fmt;
use std::mem;
use std::ops::{Deref, Range};
use std::rc::Rc;

/// The longest string allowed unless [`StringReceiver::with_max_length`] says otherwise: 99,999 bytes, as in Twisted.
pub const MAX_LENGTH: usize = 99_999;

/// How a string says where it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// The length in decimal digits without leading zeros, a colon, the bytes, a comma. See
    /// <https://cr.yp.to/proto/netstrings.txt>.
    Netstring,
    /// The length in one byte.
    Int8,
    /// The length in two bytes, the greater one first.
    Int16,
    /// The length in four bytes, the greatest one first.
    Int32,
}

/// What happens on a connection that speaks in strings. See [`Protocol`] for what the loop promises.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a `StringProtocol`",
    label = "a `StringProtocol` is wanted here",
    note = "only `string_received` is required; a `Protocol`, which receives bytes, is used without a `StringReceiver`"
)]
pub trait StringProtocol {
    /// The connection is up.
    fn connection_made(&mut self, transport: &StringSender) {
        let _ = transport;
    }

    /// Over TLS: the handshake is complete. See [`Protocol::handshake_completed`].
    fn handshake_completed(&mut self, transport: &StringSender) {
        let _ = transport;
    }

    /// A whole string has come, without its length.
    fn string_received(&mut self, transport: &StringSender, string: &[u8]);

    /// The peer broke the framing, or announced a string over the limit. Nothing that it sends is delivered any more.
    /// The default ends the connection.
    fn framing_broken(&mut self, transport: &StringSender, error: FramingError) {
        let _ = error;
        transport.lose_connection();
    }

    /// Reading goes on after a pause; what was held back comes next.
    fn reading_resumed(&mut self, transport: &StringSender) {
        let _ = transport;
    }

    /// The peer will send no more; `rest` is the unfinished last string with its length, if any. The default ends the
    /// connection once everything written has gone out.
    fn read_connection_lost(&mut self, transport: &StringSender, rest: &[u8]) {
        let _ = rest;
        transport.lose_connection();
    }

    /// The reactor stops. The default ends the connection once everything written has gone out.
    fn reactor_stopping(&mut self, transport: &StringSender) {
        transport.lose_connection();
    }

    /// The connection is gone.
    fn connection_lost(&mut self, reason: &Reason) {
        let _ = reason;
    }
}

/// What a peer did wrong.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum FramingError {
    /// It announced a string of more bytes than the limit allows.
    TooLong {
        /// The limit.
        limit: usize,
    },
    /// It sent something that is not a netstring.
    Malformed,
}

impl fmt::Display for FramingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FramingError::TooLong { limit } => write!(f, "the peer announced a string of more than {limit} bytes"),
            FramingError::Malformed => f.write_str("the peer sent something that is not a netstring"),
        }
    }
}

impl std::error::Error for FramingError {}

debug_is_display!(FramingError);

/// A string is longer than its framing can say. Twisted's `StringTooLongError`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct StringTooLong {
    /// The length of the string.
    pub length: usize,
    /// The maximum length.
    pub limit: usize,
}

impl fmt::Display for StringTooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a string of {} bytes cannot be sent: at most {} fit its length", self.length, self.limit)
    }
}

impl std::error::Error for StringTooLong {}

debug_is_display!(StringTooLong);

/// The transport as a [`StringProtocol`] sees it: a [`Transport`] that also sends strings.
///
/// Clones are the same connection. It dereferences to the plain [`Transport`].
#[derive(Debug, Clone)]
pub struct StringSender {
    transport: Transport,
    shared: Rc<Connected>,
}

#[derive(Debug)]
struct Connected {
    framing: Framing,
    max_length: Cell<usize>,
    /// Whether the peer has broken the framing: nothing is delivered any more.
    is_broken: Cell<bool>,
    /// The length of a string that is being sent: kept, so that sending allocates nothing.
    header: RefCell<Vec<u8>>,
}

impl StringSender {
    /// Sends `string` with its length, in one piece. Twisted's `sendString`.
    ///
    /// # Errors
    /// [`StringTooLong`] if the length does not fit the framing; nothing is sent then.
    #[track_caller]
    pub fn send_string(&self, string: &[u8]) -> Result<(), StringTooLong> {
        let framing = self.shared.framing;
        if string.len() > framing.max_length() {
            return Err(StringTooLong { length: string.len(), limit: framing.max_length() });
        }
        let mut header = self.shared.header.borrow_mut();
        header.clear();
        framing.write_header(string.len(), &mut header);
        self.transport.write_vectored(&[&header, string, framing.trailer()]);
        Ok(())
    }

    /// Changes this connection from clear text to TLS: [`Transport::start_tls`], whose contract holds here. Strings
    /// that have been received and not delivered are never delivered: an attacker may have put them there. They go to
    /// the handshake.
    ///
    /// # Errors
    /// As [`Transport::start_tls`].
    pub fn start_tls(&self) -> Result<(), StartTlsError> {
        self.transport.start_tls(&[])
    }

    /// Sets the maximum length of a received string from here on.
    pub fn set_max_length(&self, max_length: usize) {
        self.shared.max_length.set(max_length);
    }
}

impl Deref for StringSender {
    type Target = Transport;
    fn deref(&self) -> &Transport {
        &self.transport
    }
}

/// What the bytes at hand begin with.
#[derive(Debug, PartialEq, Eq)]
enum Decoded {
    /// A string, where it stands, and how many bytes it takes with its length.
    String {
        string: Range<usize>,
        used: usize,
    },
    Incomplete,
    Broken(FramingError),
}

impl Framing {
    /// The greatest length that can be written.
    fn max_length(self) -> usize {
        match self {
            Framing::Netstring => usize::MAX,
            Framing::Int8 => u8::MAX.into(),
            Framing::Int16 => u16::MAX.into(),
            Framing::Int32 => u32::MAX.try_into().unwrap_or(usize::MAX),
        }
    }

    fn write_header(self, length: usize, header: &mut Vec<u8>) {
        match self {
            Framing::Netstring => header.extend_from_slice(format!("{length}:").as_bytes()),
            // The length fits: send_string has looked.
            Framing::Int8 => header.push(length as u8),
            Framing::Int16 => header.extend_from_slice(&(length as u16).to_be_bytes()),
            Framing::Int32 => header.extend_from_slice(&(length as u32).to_be_bytes()),
        }
    }

    fn trailer(self) -> &'static [u8] {
        if self == Framing::Netstring { b"," } else { b"" }
    }

    /// Finds the first string of `bytes`. Pure, and in constant time for unfinished strings: a string that comes in
    /// many pieces is looked at once for each piece, at its head only.
    fn decode(self, bytes: &[u8], limit: usize) -> Decoded {
        let (length, header) = match self {
            Framing::Netstring => match decode_netstring_length(bytes, limit) {
                Ok(Some(found)) => found,
                Ok(None) => return Decoded::Incomplete,
                Err(error) => return Decoded::Broken(error),
            },
            Framing::Int8 | Framing::Int16 | Framing::Int32 => {
                let size = match self {
                    Framing::Int8 => 1,
                    Framing::Int16 => 2,
                    _ => 4,
                };
                let Some(header) = bytes.get(..size) else { return Decoded::Incomplete };
                (header.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)), size)
            }
        };
        if length > limit {
            return Decoded::Broken(FramingError::TooLong { limit });
        }
        let string = header..header + length;
        let used = string.end + self.trailer().len();
        match bytes.get(string.end..used) {
            None => Decoded::Incomplete,
            Some(trailer) if trailer == self.trailer() => Decoded::String { string, used },
            Some(_) => Decoded::Broken(FramingError::Malformed),
        }
    }
}

/// The length in front of a netstring, and how many bytes it takes with its colon; `None` if the colon is missing yet.
fn decode_netstring_length(bytes: &[u8], limit: usize) -> Result<Option<(usize, usize)>, FramingError> {
    let mut length: usize = 0;
    for (at, byte) in bytes.iter().enumerate() {
        match byte {
            b':' if at > 0 => return Ok(Some((length, at + 1))),
            // No leading zero, unless it is all that there is.
            b'0'..=b'9' if at == 0 || bytes[0] != b'0' => {
                length = length.saturating_mul(10).saturating_add(usize::from(byte - b'0'));
                // Before the colon: it may never come.
                if length > limit {
                    return Err(FramingError::TooLong { limit });
                }
            }
            _ => return Err(FramingError::Malformed),
        }
    }
    Ok(None)
}

/// Turns a [`StringProtocol`] into a [`Protocol`].
///
/// ```
/// use reactor::string_receiver::{Framing, StringProtocol, StringReceiver, StringSender};
/// use reactor::{Protocol, testing::StringTransport};
///
/// struct Echo;
/// impl StringProtocol for Echo {
///     fn string_received(&mut self, transport: &StringSender, string: &[u8]) {
///         transport.send_string(string).expect("what came fits");
///     }
/// }
/// let wire = StringTransport::new();
/// let mut protocol = StringReceiver::new(Framing::Netstring, Echo);
/// protocol.connection_made(&wire.transport());
/// protocol.data_received(&wire.transport(), b"5:hello,5:wor");
/// protocol.data_received(&wire.transport(), b"ld,");
/// assert_eq!(wire.written(), b"5:hello,5:world,");
/// ```
#[derive(Debug)]
pub struct StringReceiver<P> {
    protocol: P,
    framing: Framing,
    max_length: usize,
    /// Made when the connection is.
    transport: Option<StringSender>,
    /// An unfinished string, and what was received while reading was paused. An unfinished string has at most the
    /// maximum length; no more than one read comes on top, because a paused connection is not read.
    held: Undelivered<'static>,
    /// Whether what was received last came over TLS.
    was_tls: bool,
}

impl<P: StringProtocol> StringReceiver<P> {
    /// A receiver of strings of at most [`MAX_LENGTH`] bytes.
    pub fn new(framing: Framing, protocol: P) -> StringReceiver<P> {
        StringReceiver {
            protocol,
            framing,
            max_length: MAX_LENGTH,
            transport: None,
            held: Undelivered::default(),
            was_tls: false,
        }
    }

    /// Sets the maximum length of a received string, its length in front not counted.
    pub fn with_max_length(mut self, max_length: usize) -> StringReceiver<P> {
        self.max_length = max_length;
        self
    }

    /// Delivers what was held back and then `data`, string by string, until the protocol pauses or no whole string is
    /// left. Every callback may pause, close or change the limit, so each round asks again.
    fn deliver(&mut self, data: &[u8]) {
        let Some(transport) = &self.transport else { return };
        if transport.is_tls() != self.was_tls {
            // As in `LineReceiver`: bytes that came in clear text must not mix with those that come over TLS.
            self.was_tls = !self.was_tls;
            self.held = Undelivered::default();
        }
        let mut input = mem::take(&mut self.held).followed_by(data);
        while !transport.is_disconnecting() && !transport.shared.is_broken.get() {
            if transport.is_paused() {
                self.held = input.into_owned();
                return;
            }
            match self.framing.decode(input.rest(), transport.shared.max_length.get()) {
                Decoded::String { string, used } => {
                    self.protocol.string_received(transport, &input.rest()[string]);
                    input.consume(used);
                }
                Decoded::Incomplete => {
                    if !input.rest().is_empty() {
                        self.held = input.into_owned();
                    }
                    return;
                }
                Decoded::Broken(error) => {
                    transport.shared.is_broken.set(true);
                    self.protocol.framing_broken(transport, error);
                }
            }
        }
    }
}

impl<P: StringProtocol> Protocol for StringReceiver<P> {
    fn type_name(&self) -> &'static str {
        std::any::type_name::<P>()
    }

    fn connection_made(&mut self, transport: &Transport) {
        let shared = Connected {
            framing: self.framing,
            max_length: Cell::new(self.max_length),
            is_broken: Cell::new(false),
            header: RefCell::default(),
        };
        self.was_tls = transport.is_tls();
        let transport = self.transport.insert(StringSender { transport: transport.clone(), shared: Rc::new(shared) });
        self.protocol.connection_made(transport);
    }

    fn handshake_completed(&mut self, _transport: &Transport) {
        if let Some(transport) = &self.transport {
            self.protocol.handshake_completed(transport);
        }
    }

    fn data_received(&mut self, _transport: &Transport, data: &[u8]) {
        self.deliver(data);
    }

    fn reading_resumed(&mut self, _transport: &Transport) {
        if let Some(transport) = &self.transport {
            self.protocol.reading_resumed(transport);
        }
        self.deliver(&[]);
    }

    fn take_unprocessed(&mut self) -> Vec<u8> {
        self.was_tls = self.transport.as_ref().is_some_and(|transport| transport.is_tls());
        mem::take(&mut self.held).rest().to_vec()
    }

    fn read_connection_lost(&mut self, _transport: &Transport) {
        if let Some(transport) = &self.transport {
            let rest = mem::take(&mut self.held);
            self.protocol.read_connection_lost(transport, rest.rest());
        }
    }

    fn reactor_stopping(&mut self, _transport: &Transport) {
        if let Some(transport) = &self.transport {
            self.protocol.reactor_stopping(transport);
        }
    }

    fn connection_lost(&mut self, reason: &Reason) {
        self.protocol.connection_lost(reason);
        self.transport = None; // The transport keeps the connection, and the connection keeps this protocol.
    }
}

#[cfg(test)]
mod tests;
