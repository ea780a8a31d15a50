//! [`ReplyError`]: how a server breaks the protocol. [`ServerError`]: what it answers to a command that it refuses.
//! [`CrossSlotError`]: a command that no server of a cluster can carry out.
//!
//! Next: `parser.rs`, from bytes to values.

use crate::error::debug_is_display;
use std::fmt;

/// Why bytes are not a reply, or not one that we take. Whose fault it is: the server's, or that of something between it
/// and us; for the four limits perhaps our own, because [`ReplyLimits`](super::ReplyLimits) are ours.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReplyError {
    /// A value begins with a byte that is not the sign of a type.
    UnknownType(u8),
    /// A line ends with CR or LF alone.
    BareLineEnd,
    /// A number that should be a length is not one, or is negative where only -1 may be.
    BadLength(String),
    /// An integer is not one, or has more than 64 bits.
    BadInteger(String),
    /// A number is not one.
    BadNumber(String),
    /// A boolean that is neither `t` nor `f`.
    BadBoolean(String),
    /// A null with something in it.
    BadNull(String),
    /// A verbatim text without its format.
    BadVerbatim,
    /// The bytes of a value are not followed by CR LF: its length is wrong.
    NoEnd,
    /// A value whose length is told at its end, or in pieces. No server sends these, and we refuse them.
    Streamed,
    /// A push inside of another value.
    NestedPush,
    /// A number or a length of more bytes than any can have.
    LineTooLong,
    /// More levels of values in values than [`ReplyLimits::max_depth`](super::ReplyLimits::max_depth).
    TooDeep,
    /// More values in one reply than [`ReplyLimits::max_elements`](super::ReplyLimits::max_elements).
    TooManyElements,
    /// More bytes in one reply than [`ReplyLimits::max_bytes`](super::ReplyLimits::max_bytes).
    TooLarge,
}

impl fmt::Display for ReplyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ReplyError::UnknownType(0x15) => f.write_str("the server speaks TLS, and this connection does not"),
            ReplyError::UnknownType(b'H') => f.write_str("the server does not speak RESP; perhaps it speaks HTTP"),
            ReplyError::UnknownType(byte) => write!(f, "no reply begins with '{}'", [*byte].escape_ascii()),
            ReplyError::BareLineEnd => f.write_str("a line that does not end with CR LF"),
            ReplyError::BadLength(text) => write!(f, "{text:?} is not a length"),
            ReplyError::BadInteger(text) => write!(f, "{text:?} is not an integer of 64 bits"),
            ReplyError::BadNumber(text) => write!(f, "{text:?} is not a number"),
            ReplyError::BadBoolean(text) => write!(f, "{text:?} is not a boolean"),
            ReplyError::BadNull(text) => write!(f, "a null with {text:?} in it"),
            ReplyError::BadVerbatim => f.write_str("a verbatim text without a format"),
            ReplyError::NoEnd => f.write_str("bytes that are longer or shorter than their length says"),
            ReplyError::Streamed => f.write_str("a value without a length: streamed values are not supported"),
            ReplyError::NestedPush => f.write_str("a push inside of a reply"),
            ReplyError::LineTooLong => f.write_str("a number or a length that is too long to be one"),
            ReplyError::TooDeep => f.write_str("a reply with more levels than allowed"),
            ReplyError::TooManyElements => f.write_str("a reply with more values than allowed"),
            ReplyError::TooLarge => f.write_str("a reply of more bytes than allowed"),
        }
    }
}

impl std::error::Error for ReplyError {}

/// The server refuses a command, or cannot carry it out: a code such as `WRONGTYPE` or `NOAUTH`, and a text.
///
/// ```
/// use reactor::resp::ServerError;
///
/// let error = ServerError::new("WRONGTYPE Operation against a key holding the wrong kind of value");
/// assert_eq!(error.code(), "WRONGTYPE");
/// assert!(error.message().starts_with("Operation"));
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct ServerError(Box<str>);

impl ServerError {
    /// An error with this text, as the server sends it, its code in front.
    pub fn new(text: &str) -> ServerError {
        ServerError::from_bytes(text.as_bytes())
    }

    /// Bytes that are not UTF-8, and control characters, which a terminal would obey, are replaced: this is text for
    /// people and logs.
    pub(super) fn from_bytes(bytes: &[u8]) -> ServerError {
        let text = String::from_utf8_lossy(bytes);
        ServerError(match text.chars().any(char::is_control) {
            true => text.replace(char::is_control, "\u{FFFD}").into(),
            false => text.into(),
        })
    }

    /// The first word, if it is a code: capitals, digits and underscores. `ERR` stands for everything that has no code
    /// of its own. Empty if there is none: what a script raises need not have one.
    pub fn code(&self) -> &str {
        let word = self.0.split(' ').next().unwrap_or("");
        let is_code = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
        if word.bytes().all(is_code) { word } else { "" }
    }

    /// What follows the code.
    pub fn message(&self) -> &str {
        self.0[self.code().len()..].trim_start_matches(' ')
    }

    /// All of it.
    pub fn text(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the server answers: {}", self.0)
    }
}

impl std::error::Error for ServerError {}

/// The keys of a command are in different slots of a cluster. Keys with the same hash tag never are: see
/// [`slot_of`](super::slot_of).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct CrossSlotError {
    /// The slot of the first key.
    pub slot: u16,
    /// The slot of a later key.
    pub other: u16,
}

impl fmt::Display for CrossSlotError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the keys of the command are in different slots of the cluster: {} and {}", self.slot, self.other)
    }
}

impl std::error::Error for CrossSlotError {}

debug_is_display!(ReplyError, ServerError, CrossSlotError);
