//! [`Head`]: the status line and headers of a response, kept as the bytes that came.
//!
//! httparse reads the headers. What it lets pass and we do not are lines that end with a bare LF: somebody else on the
//! way may count them differently. The status line is read here: nothing may stand before it, and its three parts are
//! so plain that this takes half of the instructions.

use super::limits::{HttpError, Limits};
use std::fmt;

/// The version of HTTP that a response is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// HTTP/1.0.
    Http10,
    /// HTTP/1.1.
    Http11,
}

/// The head of a response.
///
/// It is kept as it came, in one piece. Looking for a header walks its lines: few programs look for more than one or
/// two, and a table of where they stand would cost each head as much as all other work beside httparse.
#[derive(Clone, PartialEq, Eq)]
pub struct Head {
    /// The status code, such as 200: three digits.
    pub status: u16,
    /// The version that the server speaks.
    pub version: Version,
    /// Status line, headers and the empty line, all of them checked: each ends with CR LF, each header has its colon.
    bytes: Box<[u8]>,
}

/// Why something is no head at all.
pub(super) const NOT_HTTP: &str = "it does not begin with HTTP/1";

/// `HTTP/1.1 200`: what comes before the reason.
const BEFORE_REASON: usize = 12;

/// Room for this many headers is on the stack. Where there are more, they are read once more, with room for all.
const FEW: usize = 32;

const BAD_VERSION: &str = "its version is not 1.0 or 1.1";
const BAD_STATUS: &str = "its status line is none";
const BARE_LF: &str = "a line does not end with CR LF";

impl Head {
    /// What the server says beside the status; often empty. It is not to be relied on.
    pub fn reason(&self) -> &str {
        let (line, _) = split_line(&self.bytes);
        let reason = line.get(BEFORE_REASON + 1..).unwrap_or(&[]);
        std::str::from_utf8(reason).unwrap_or("")
    }

    /// The values of all headers of this name, in any case.
    pub fn header<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.headers().filter(move |(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// All headers in order: names as they came, and values without the white space around them.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &[u8])> {
        let (_, mut rest) = split_line(&self.bytes);
        std::iter::from_fn(move || {
            let (line, after) = split_line(rest);
            rest = after;
            let (name, value) = line.split_at_checked(memchr::memchr(b':', line)?)?;
            Some((std::str::from_utf8(name).ok()?, value[1..].trim_ascii()))
        })
    }

    /// `bytes` are the head that `line` was read from.
    pub(super) fn new(line: &StatusLine, bytes: &[u8]) -> Head {
        Head { status: line.status, version: line.version, bytes: bytes.into() }
    }
}

/// What [`read`] finds in a head, beside its headers.
#[derive(Debug, Clone, Copy)]
pub(super) struct StatusLine {
    pub(super) status: u16,
    pub(super) version: Version,
    /// Bytes of the whole head.
    pub(super) length: usize,
}

/// Reads the head that `bytes` begin with; `None` if its end is not there. `look` sees each header, in order.
#[inline(always)]
pub(super) fn read<'a>(
    bytes: &'a [u8],
    limits: &Limits,
    look: impl FnMut(&'a str, &'a [u8]),
) -> Result<Option<StatusLine>, HttpError> {
    let bytes = &bytes[..bytes.len().min(limits.head)];
    let Some(line) = status_line(bytes)? else { return Ok(None) };
    let mut few = [httparse::EMPTY_HEADER; FEW];
    let few = &mut few[..limits.headers.min(FEW)];
    match httparse::parse_headers(&bytes[line.length..], few) {
        Ok(httparse::Status::Complete((length, headers))) => check_lines(bytes, line, length, headers, look).map(Some),
        Err(httparse::Error::TooManyHeaders) if limits.headers > FEW => read_many(bytes, limits, line, look),
        Ok(httparse::Status::Partial) => Ok(None),
        Err(error) => Err(refusal(error)),
    }
}

/// As [`read`], with more headers than have room on the stack.
#[cold]
fn read_many<'a>(
    bytes: &'a [u8],
    limits: &Limits,
    line: StatusLine,
    look: impl FnMut(&'a str, &'a [u8]),
) -> Result<Option<StatusLine>, HttpError> {
    // More than there are bytes for is not worth any room.
    let mut many = vec![httparse::EMPTY_HEADER; limits.headers.min(bytes.len())];
    match httparse::parse_headers(&bytes[line.length..], &mut many) {
        Ok(httparse::Status::Complete((length, headers))) => check_lines(bytes, line, length, headers, look).map(Some),
        Ok(httparse::Status::Partial) => Ok(None),
        Err(error) => Err(refusal(error)),
    }
}

/// The status line that `bytes` begin with, and its own length: three digits, and a reason of printable characters.
#[inline(always)]
fn status_line(bytes: &[u8]) -> Result<Option<StatusLine>, HttpError> {
    let Some((start, rest)) = bytes.split_first_chunk::<BEFORE_REASON>() else { return Ok(None) };
    let [version @ .., b' ', first @ b'1'..=b'9', second @ b'0'..=b'9', third @ b'0'..=b'9'] = start else {
        return Err(not_http(BAD_STATUS));
    };
    let version = match version {
        b"HTTP/1.1" => Version::Http11,
        b"HTTP/1.0" => Version::Http10,
        _ => return Err(not_http(BAD_VERSION)),
    };
    let digit = |byte: &u8| u16::from(byte - b'0');
    let status = digit(first) * 100 + digit(second) * 10 + digit(third);
    let is_reason = |byte: &u8| (*byte >= b' ' && *byte != 0x7f) || *byte == b'\t';
    let Some(end) = rest.iter().position(|byte| !is_reason(byte)) else { return Ok(None) };
    if !matches!(rest[0], b' ' | b'\r' | b'\n') {
        return Err(not_http(BAD_STATUS));
    }
    match rest[end..] {
        [b'\r', b'\n', ..] => Ok(Some(StatusLine { status, version, length: BEFORE_REASON + end + 2 })),
        [b'\r'] => Ok(None),
        [b'\n', ..] => Err(not_http(BARE_LF)),
        _ => Err(not_http(BAD_STATUS)),
    }
}

/// Whether every line of the headers ends with CR LF. The result has the length of the whole head.
#[inline(always)]
fn check_lines<'a>(
    bytes: &'a [u8],
    line: StatusLine,
    length: usize,
    headers: &[httparse::Header<'a>],
    mut look: impl FnMut(&'a str, &'a [u8]),
) -> Result<StatusLine, HttpError> {
    let head = &bytes[..line.length + length];
    for header in headers {
        let name = header.name.as_ptr() as usize - head.as_ptr() as usize;
        // A status line comes before the first name, and a line that httparse took before every other.
        if head[name - 2] != b'\r' {
            return Err(not_http(BARE_LF));
        }
        look(header.name, header.value);
    }
    match head.ends_with(b"\r\n\r\n") {
        true => Ok(StatusLine { length: head.len(), ..line }),
        false => Err(not_http(BARE_LF)),
    }
}

#[cold]
fn refusal(error: httparse::Error) -> HttpError {
    match error {
        httparse::Error::TooManyHeaders => HttpError::TooManyHeaders,
        error => not_http(error.to_string()),
    }
}

#[cold]
fn not_http(what: impl Into<String>) -> HttpError {
    HttpError::BadHead(what.into())
}

/// The first line of `bytes`, without its CR LF, and what follows it.
fn split_line(bytes: &[u8]) -> (&[u8], &[u8]) {
    let end = memchr::memchr(b'\n', bytes).map_or(bytes.len(), |at| at + 1);
    let (line, rest) = bytes.split_at(end);
    (line.strip_suffix(b"\r\n").unwrap_or(line), rest)
}

/// Whether `bytes` may be the beginning of a response, of whatever length they are.
pub(super) fn begins_right(bytes: &[u8]) -> bool {
    let start = b"HTTP/1.";
    let common = bytes.len().min(start.len());
    bytes[..common] == start[..common]
}

/// Whether this is TLS's: the first byte of an alert or of a handshake, which begins no text. One is enough, so that it
/// comes to the same however the bytes are cut.
pub(super) fn begins_like_tls(bytes: &[u8]) -> bool {
    matches!(bytes.first(), Some(0x15 | 0x16))
}

impl fmt::Debug for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let headers: Vec<_> = self.headers().map(|(name, value)| (name, String::from_utf8_lossy(value))).collect();
        f.debug_struct("Head")
            .field("status", &self.status)
            .field("version", &self.version)
            .field("reason", &self.reason())
            .field("headers", &headers)
            .finish()
    }
}
