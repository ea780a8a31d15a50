//! [`ReplyParser`]: the bytes of a connection in, values out. Sans-I/O: no sockets, no clock, no callbacks.
//!
//! ```text
//!            a line                                     its bytes and CR LF
//!   Line ------------> a number, a text: a value    Body ------------------> a value
//!            $ ! =  ------------------------------>  Body
//!            * % ~ > |  ------> a frame on the stack; Line again, until the frame is full: a value
//! ```
//!
//! A value that is complete goes into the frame on top of the stack. If that frame is full now, it is a value itself,
//! and goes into the next one. With an empty stack, it is the reply. So nothing recurses, and the stack is the depth.
//!
//! Nothing is believed before it is there. A length over the limits is refused from the length alone, and memory is
//! taken for what has come, not for what was announced: `*1000000000` costs the server twelve bytes, and must not cost
//! us gigabytes.
//!
//! The result does not depend on how the bytes are cut: a line that comes in pieces is kept until its end is there, and
//! each verdict that comes sooner looks only at bytes that no later one can change.
//!
//! Next: `slot.rs`, where in a cluster a key is.

use super::error::{ReplyError, ServerError};
use super::value::{Value, Values};
use std::borrow::Cow;
use std::mem;

/// Maximum number of bytes in a line that is a length or an integer; 64 bits have 20 digits. Doubles have no such
/// limit: some commands print all digits of a large one, thousands of them.
const MAX_NUMBER: usize = 64;

/// Number of bytes in the end of a line, CR and LF.
const LINE_END: usize = 2;

/// Maximum number of values, or of bytes, for which memory is taken before any of them has come.
const MAX_BELIEVED: usize = 1024;

/// Maximum sizes of one reply: a server that fails, or lies, must not fill our memory.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReplyLimits {
    /// Maximum number of values in values. Replies of Redis have at most seven levels; a script may build more.
    /// Default 32.
    pub max_depth: usize,
    /// Maximum number of values in one reply, all levels together. Each takes 32 bytes of memory, and as few as three
    /// on the wire. Default 1,048,576.
    pub max_elements: usize,
    /// Maximum number of bytes in one reply, as they come. Default 64 MiB. The server's own limit on a value is 512
    /// MiB.
    pub max_bytes: usize,
}

impl Default for ReplyLimits {
    fn default() -> ReplyLimits {
        ReplyLimits { max_depth: 32, max_elements: 1 << 20, max_bytes: 64 << 20 }
    }
}

/// Reads the replies of a connection, one after the other.
///
/// ```
/// use reactor::resp::{ReplyLimits, ReplyParser, Value};
///
/// let mut parser = ReplyParser::new(ReplyLimits::default());
/// let mut input: &[u8] = b"*2\r\n:1\r\n$3\r\ntwo\r\n+O";
/// let reply = parser.next(&mut input)?;
/// assert_eq!(reply, Some(Value::from(vec![1.into(), "two".into()])));
/// assert_eq!(parser.next(&mut input)?, None, "the next reply is not complete");
/// let mut input: &[u8] = b"K\r\n";
/// assert_eq!(parser.next(&mut input)?, Some(Value::Simple(b"OK".to_vec())));
/// # Ok::<(), reactor::resp::ReplyError>(())
/// ```
#[derive(Debug)]
pub struct ReplyParser {
    limits: ReplyLimits,
    reading: Reading,
    /// The aggregates around the value that comes next, the innermost last.
    stack: Vec<Frame>,
    /// Bytes of this reply so far, an unfinished line not counted.
    bytes: usize,
    /// Values of this reply that have been announced.
    elements: usize,
    error: Option<ReplyError>,
}

#[derive(Debug)]
enum Reading {
    /// A line, of which this much has come.
    Line(Vec<u8>),
    /// The bytes of a value and the CR LF behind them, of which this much has come.
    Body { kind: u8, length: usize, bytes: Vec<u8> },
}

/// An aggregate that is not complete.
#[derive(Debug)]
struct Frame {
    kind: u8,
    /// Number of values that are still to come; at least one.
    left: usize,
    values: Vec<Value>,
}

/// What a line leads to.
enum Step {
    Value(Value),
    Body { kind: u8, length: usize },
    Frame { kind: u8, length: usize },
}

impl ReplyParser {
    /// A parser for one connection.
    pub fn new(limits: ReplyLimits) -> ReplyParser {
        let reading = Reading::Line(Vec::new());
        ReplyParser { limits, reading, stack: Vec::new(), bytes: 0, elements: 0, error: None }
    }

    /// Takes the next reply or push from the front of `input`, which moves on past it. `None` if it is not complete:
    /// all of the input is used up then.
    ///
    /// # Errors
    /// [`ReplyError`]. The connection must then be closed, because nobody knows where the next reply begins; each later
    /// call returns the same error.
    pub fn next(&mut self, input: &mut &[u8]) -> Result<Option<Value>, ReplyError> {
        if let Some(error) = &self.error {
            return Err(error.clone());
        }
        let result = self.read(input);
        if let Err(error) = &result {
            self.error = Some(error.clone());
            (self.reading, self.stack) = (Reading::Line(Vec::new()), Vec::new());
        }
        result
    }

    /// Whether no part of a reply has come: an end of the connection cuts none.
    pub fn is_between_replies(&self) -> bool {
        self.bytes == 0 && matches!(&self.reading, Reading::Line(line) if line.is_empty())
    }

    fn read(&mut self, input: &mut &[u8]) -> Result<Option<Value>, ReplyError> {
        loop {
            let value = match &mut self.reading {
                Reading::Line(partial) => {
                    let room = self.limits.max_bytes.saturating_sub(self.bytes + LINE_END);
                    let Some(line) = take_line(partial, input, room)? else { return Ok(None) };
                    self.bytes += line.len() + LINE_END;
                    match read_line(&line)? {
                        Step::Value(value) => value,
                        Step::Body { kind, length } => {
                            self.begin_body(kind, length)?;
                            continue;
                        }
                        Step::Frame { kind, length } => match self.begin_frame(kind, length)? {
                            Some(empty) => empty,
                            None => continue,
                        },
                    }
                }
                Reading::Body { kind, length, bytes } => {
                    let Some(body) = take_body(bytes, *length, input)? else { return Ok(None) };
                    let value = body_value(*kind, body)?;
                    self.reading = Reading::Line(Vec::new());
                    value
                }
            };
            if let Some(reply) = self.place(value) {
                (self.bytes, self.elements) = (0, 0);
                return Ok(Some(reply));
            }
        }
    }

    fn begin_body(&mut self, kind: u8, length: usize) -> Result<(), ReplyError> {
        let whole = length.checked_add(LINE_END).ok_or(ReplyError::TooLarge)?;
        if whole > self.limits.max_bytes.saturating_sub(self.bytes) {
            return Err(ReplyError::TooLarge);
        }
        self.bytes += whole;
        self.reading = Reading::Body { kind, length, bytes: Vec::new() };
        Ok(())
    }

    /// Puts a frame on the stack. An empty one is a value at once, or, if it is an attribute, nothing.
    fn begin_frame(&mut self, kind: u8, length: usize) -> Result<Option<Value>, ReplyError> {
        if kind == b'>' && !self.stack.is_empty() {
            return Err(ReplyError::NestedPush);
        }
        if self.stack.len() >= self.limits.max_depth {
            return Err(ReplyError::TooDeep);
        }
        let left = if matches!(kind, b'%' | b'|') { length.saturating_mul(2) } else { length };
        if left > self.limits.max_elements.saturating_sub(self.elements) {
            return Err(ReplyError::TooManyElements);
        }
        self.elements += left;
        if left == 0 {
            return Ok(aggregate(kind, Vec::new()));
        }
        self.stack.push(Frame { kind, left, values: Vec::with_capacity(left.min(MAX_BELIEVED)) });
        Ok(None)
    }

    /// Puts a complete value where it belongs. Returns it if it belongs to nothing: it is the reply.
    fn place(&mut self, mut value: Value) -> Option<Value> {
        while let Some(frame) = self.stack.last_mut() {
            frame.values.push(value);
            frame.left -= 1;
            if frame.left > 0 {
                return None;
            }
            let full = self.stack.pop()?;
            value = aggregate(full.kind, full.values)?; // An attribute says something about the next value.
        }
        Some(value)
    }
}

/// The aggregate of these values; nothing for an attribute, which is dropped.
fn aggregate(kind: u8, values: Vec<Value>) -> Option<Value> {
    let values = Values::from(values);
    match kind {
        b'*' => Some(Value::Array(values)),
        b'%' => Some(Value::Map(values)),
        b'~' => Some(Value::Set(values)),
        b'>' => Some(Value::Push(values)),
        _ => None,
    }
}

/// Takes a line from the front of `input`, after what has come of it already: its type and its text, without CR LF.
/// `None` if its end has not come. `room` is how many bytes it may have.
fn take_line<'a>(
    partial: &mut Vec<u8>,
    input: &mut &'a [u8],
    room: usize,
) -> Result<Option<Cow<'a, [u8]>>, ReplyError> {
    let Some(first) = partial.first().or(input.first()).copied() else { return Ok(None) };
    // At once, and not at the end of the line: something that is not RESP may never have one.
    let (room, error) = match first {
        b'+' | b'-' | b'(' | b',' => (room, ReplyError::TooLarge),
        b':' | b'#' | b'_' | b'$' | b'!' | b'=' | b'*' | b'%' | b'~' | b'>' | b'|' => {
            if room < MAX_NUMBER {
                (room, ReplyError::TooLarge)
            } else {
                (MAX_NUMBER, ReplyError::LineTooLong)
            }
        }
        b';' | b'.' => return Err(ReplyError::Streamed),
        other => return Err(ReplyError::UnknownType(other)),
    };
    if partial.last() == Some(&b'\r') {
        let Some((end, rest)) = input.split_first() else { return Ok(None) };
        if *end != b'\n' {
            return Err(ReplyError::BareLineEnd);
        }
        *input = rest;
        partial.pop();
        return Ok(Some(Cow::Owned(mem::take(partial))));
    }
    let end = memchr::memchr2(b'\r', b'\n', input);
    if partial.len() + end.unwrap_or(input.len()) > room {
        return Err(error);
    }
    let bytes = *input;
    let whole = match end {
        Some(end) if bytes[end] == b'\n' => return Err(ReplyError::BareLineEnd),
        Some(end) => match bytes.get(end + 1) {
            Some(b'\n') => Some(end),
            Some(_) => return Err(ReplyError::BareLineEnd),
            None => None,
        },
        None => None,
    };
    let Some(end) = whole else {
        partial.extend_from_slice(bytes);
        *input = &[];
        return Ok(None);
    };
    *input = &bytes[end + 2..];
    if partial.is_empty() {
        return Ok(Some(Cow::Borrowed(&bytes[..end])));
    }
    partial.extend_from_slice(&bytes[..end]);
    Ok(Some(Cow::Owned(mem::take(partial))))
}

/// Takes the bytes of a value from the front of `input`, after what has come of them already.
fn take_body(partial: &mut Vec<u8>, length: usize, input: &mut &[u8]) -> Result<Option<Vec<u8>>, ReplyError> {
    let whole = length + 2;
    if partial.is_empty() && input.len() >= whole {
        let (bytes, rest) = input.split_at(whole);
        *input = rest;
        return match bytes.ends_with(b"\r\n") {
            true => Ok(Some(bytes[..length].to_vec())),
            false => Err(ReplyError::NoEnd),
        };
    }
    let (more, rest) = input.split_at(input.len().min(whole - partial.len()));
    partial.extend_from_slice(more);
    *input = rest;
    if partial.len() < whole {
        return Ok(None);
    }
    let mut bytes = mem::take(partial);
    if !bytes.ends_with(b"\r\n") {
        return Err(ReplyError::NoEnd);
    }
    bytes.truncate(length);
    Ok(Some(bytes))
}

fn body_value(kind: u8, mut bytes: Vec<u8>) -> Result<Value, ReplyError> {
    match kind {
        b'$' => Ok(Value::Bytes(bytes)),
        b'!' => Ok(Value::Error(ServerError::from_bytes(&bytes))),
        _ => match bytes[..] {
            [a, b, c, b':', ..] => {
                bytes.drain(..4);
                Ok(Value::Verbatim([a, b, c], bytes))
            }
            _ => Err(ReplyError::BadVerbatim),
        },
    }
}

/// What a whole line means: the sign of its type, and its text.
fn read_line(line: &[u8]) -> Result<Step, ReplyError> {
    let (kind, text) = (line[0], &line[1..]); // `take_line` has seen the first byte.
    let shown = || String::from_utf8_lossy(&text[..text.len().min(MAX_NUMBER)]).into_owned();
    let value = match kind {
        b'+' => Value::Simple(text.to_vec()),
        b'-' => Value::Error(ServerError::from_bytes(text)),
        b':' => Value::Integer(integer(text).ok_or_else(|| ReplyError::BadInteger(shown()))?),
        b'(' if is_signed_digits(text) => Value::BigNumber(String::from_utf8_lossy(text).into_owned()),
        b'(' => return Err(ReplyError::BadNumber(shown())),
        b',' => Value::Double(double(text).ok_or_else(|| ReplyError::BadNumber(shown()))?),
        b'#' => match text {
            b"t" => Value::Boolean(true),
            b"f" => Value::Boolean(false),
            _ => return Err(ReplyError::BadBoolean(shown())),
        },
        b'_' if text.is_empty() => Value::Null,
        b'_' => return Err(ReplyError::BadNull(shown())),
        // The nulls of RESP2.
        b'$' | b'*' if text == b"-1" => Value::Null,
        _ if text == b"?" && matches!(kind, b'$' | b'*' | b'%' | b'~' | b'>' | b'|') => {
            return Err(ReplyError::Streamed);
        }
        _ => {
            let length = length(text).ok_or_else(|| ReplyError::BadLength(shown()))?;
            return match kind {
                b'=' if length < 4 => Err(ReplyError::BadVerbatim),
                b'$' | b'!' | b'=' => Ok(Step::Body { kind, length }),
                _ => Ok(Step::Frame { kind, length }),
            };
        }
    };
    Ok(Step::Value(value))
}

/// A length: digits, and no zero before others. Two readers of a length must not differ.
fn length(text: &[u8]) -> Option<usize> {
    match text {
        [b'0'] => Some(0),
        [b'1'..=b'9', ..] => digits(text),
        _ => None,
    }
}

fn digits(text: &[u8]) -> Option<usize> {
    text.iter().try_fold(0usize, |number, byte| match byte {
        b'0'..=b'9' => number.checked_mul(10)?.checked_add(usize::from(byte - b'0')),
        _ => None,
    })
}

fn is_signed_digits(text: &[u8]) -> bool {
    let digits = text.strip_prefix(b"-").or(text.strip_prefix(b"+")).unwrap_or(text);
    !digits.is_empty() && digits.iter().all(u8::is_ascii_digit)
}

fn integer(text: &[u8]) -> Option<i64> {
    // The standard library takes a sign and digits, just as the protocol does.
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// A double. Servers print what C prints, in which a NaN may have a sign.
fn double(text: &[u8]) -> Option<f64> {
    match text {
        b"inf" | b"+inf" => Some(f64::INFINITY),
        b"-inf" => Some(f64::NEG_INFINITY),
        b"nan" | b"-nan" | b"+nan" => Some(f64::NAN),
        // The standard library takes more words for these, and everything else that we take: `1`, `1.5`, `-1e-300`.
        _ if text.iter().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(byte)) => {
            std::str::from_utf8(text).ok()?.parse().ok()
        }
        _ => None,
    }
}
