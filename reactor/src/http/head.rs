//! [`Head`]: status line and headers of a response, kept as received; and the header lines of any message.
//!
//! httparse reads the headers. It accepts lines that end with a bare LF. We do not: an intermediary may count such
//! lines differently (RFC 9112, section 2.2). The status line is read here. Nothing may stand before it, and
//! its three parts are so plain that reading them here takes half of httparse's instructions.
//!
//! Next: `framing.rs`, what the headers say about the body.

use super::limits::{HttpError, Limits};
use std::fmt;

/// The version of HTTP that a message is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// HTTP/1.0.
    Http10,
    /// HTTP/1.1.
    Http11,
}

/// The head of a response.
///
/// It is kept as received, in one piece, and looking for a header walks its lines. Few programs look for more than one
/// or two. A table of offsets would cost each head as much as all other work beside httparse.
#[derive(Clone, PartialEq, Eq)]
pub struct Head {
    /// The status code, such as 200: three digits.
    pub status: u16,
    /// The version that the server speaks.
    pub version: Version,
    /// Status line, headers and the empty line. All are checked: each ends with CR LF, and each header has a colon.
    bytes: Box<[u8]>,
}

/// The reason given when the first bytes are not the beginning of a response.
pub(super) const NOT_HTTP: &str = "it does not begin with HTTP/1";

/// `HTTP/1.1 200`: what comes before the reason.
const BEFORE_REASON: usize = 12;

/// Headers that have room on the stack. A head with more is read again, with room on the heap. Room on the stack must
/// be cleared for each head, and few have as many as the limits allow.
const HEADERS_ON_STACK: usize = 32;

const BAD_VERSION: &str = "its version is not 1.0 or 1.1";
const BAD_STATUS: &str = "its status line is malformed";
pub(super) const BARE_LF: &str = "a line does not end with CR LF";

impl Head {
    /// The text after the status; often empty, and of no meaning to programs.
    pub fn reason(&self) -> &str {
        let (line, _) = split_line(&self.bytes);
        let reason = line.get(BEFORE_REASON + 1..).unwrap_or(&[]);
        std::str::from_utf8(reason).unwrap_or("")
    }

    /// The values of all headers of this name, ignoring case.
    pub fn header<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.headers().filter(move |(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// All headers in order: names as they came, values without the white space around them.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &[u8])> {
        header_lines(split_line(&self.bytes).1)
    }

    /// `bytes` is the head from which `line` was read.
    pub(super) fn new(line: &StatusLine, bytes: &[u8]) -> Head {
        Head { status: line.status, version: line.version, bytes: bytes.into() }
    }
}

/// The status line, as [`read_head`] finds it.
#[derive(Debug, Clone, Copy)]
pub(super) struct StatusLine {
    pub(super) status: u16,
    pub(super) version: Version,
    /// Bytes up to the end of what was read: the status line, or in the result of [`read_head`] the whole head.
    pub(super) length: usize,
}

/// Reads the head at the beginning of `bytes`; `None` if its end has not come. Calls `on_header` with each header, in
/// order; if the result is an error, ignore the headers it was called with.
#[inline(always)]
pub(super) fn read_head<'a>(
    bytes: &'a [u8],
    limits: &Limits,
    on_header: impl FnMut(&'a str, &'a [u8]),
) -> Result<Option<StatusLine>, HttpError> {
    let bytes = &bytes[..bytes.len().min(limits.head)];
    let Some(line) = status_line(bytes)? else { return Ok(None) };
    let length = read_headers(bytes, line.length, limits, on_header)?;
    Ok(length.map(|length| StatusLine { length, ..line }))
}

/// Reads the headers of a head whose first line takes `line` bytes, with its CR LF. The result is the length of the
/// whole head; `None` if its end has not come. Calls `on_header` as [`read_head`] does.
#[inline(always)]
pub(super) fn read_headers<'a>(
    bytes: &'a [u8],
    line: usize,
    limits: &Limits,
    on_header: impl FnMut(&'a str, &'a [u8]),
) -> Result<Option<usize>, HttpError> {
    let mut room = [httparse::EMPTY_HEADER; HEADERS_ON_STACK];
    let room = &mut room[..limits.headers.min(HEADERS_ON_STACK)];
    match httparse::parse_headers(&bytes[line..], room) {
        Ok(httparse::Status::Complete((length, headers))) => {
            check_lines(&bytes[..line + length], headers, on_header).map(Some)
        }
        Err(httparse::Error::TooManyHeaders) if limits.headers > HEADERS_ON_STACK => {
            read_many(bytes, line, limits, on_header)
        }
        Ok(httparse::Status::Partial) => Ok(None),
        Err(error) => Err(refusal(error)),
    }
}

/// As [`read_headers`], for more headers than have room on the stack.
#[cold]
fn read_many<'a>(
    bytes: &'a [u8],
    line: usize,
    limits: &Limits,
    on_header: impl FnMut(&'a str, &'a [u8]),
) -> Result<Option<usize>, HttpError> {
    // A header takes bytes, so there are never more headers than bytes: a large limit must not make a large table.
    let mut many = vec![httparse::EMPTY_HEADER; limits.headers.min(bytes.len())];
    match httparse::parse_headers(&bytes[line..], &mut many) {
        Ok(httparse::Status::Complete((length, headers))) => {
            check_lines(&bytes[..line + length], headers, on_header).map(Some)
        }
        Ok(httparse::Status::Partial) => Ok(None),
        Err(error) => Err(refusal(error)),
    }
}

/// Reads the status line at the beginning of `bytes`: version, three digits, and a reason of printable characters.
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

/// Checks that every line of a whole head ends with CR LF, and calls `on_header` for each header. The result is the
/// length of the head.
#[inline(always)]
fn check_lines<'a>(
    head: &'a [u8],
    headers: &[httparse::Header<'a>],
    mut on_header: impl FnMut(&'a str, &'a [u8]),
) -> Result<usize, HttpError> {
    for header in headers {
        let name = header.name.as_ptr() as usize - head.as_ptr() as usize;
        // There are always two bytes before a name: the end of the first line or of another header line. httparse has
        // seen that the line before ends with LF; this looks for the CR.
        if head[name - 2] != b'\r' {
            return Err(not_http(BARE_LF));
        }
        on_header(header.name, header.value);
    }
    match head.ends_with(b"\r\n\r\n") {
        true => Ok(head.len()),
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

/// The headers in `lines`, which have been checked: names as they came, values without the white space around them.
pub(super) fn header_lines(lines: &[u8]) -> impl Iterator<Item = (&str, &[u8])> {
    let mut rest = lines;
    std::iter::from_fn(move || {
        let (line, after) = split_line(rest);
        rest = after;
        let (name, value) = line.split_at_checked(memchr::memchr(b':', line)?)?;
        Some((std::str::from_utf8(name).ok()?, value[1..].trim_ascii()))
    })
}

/// The first line of `bytes` without its CR LF, and the bytes after it.
fn split_line(bytes: &[u8]) -> (&[u8], &[u8]) {
    let end = memchr::memchr(b'\n', bytes).map_or(bytes.len(), |at| at + 1);
    let (line, rest) = bytes.split_at(end);
    (line.strip_suffix(b"\r\n").unwrap_or(line), rest)
}

/// Whether a token, such as a method or a header's name, may contain `byte`: RFC 9110, section 5.6.2.
pub(super) fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// Whether `bytes`, however few, can be the beginning of a response.
pub(super) fn could_begin_response(bytes: &[u8]) -> bool {
    let start = b"HTTP/1.";
    let common = bytes.len().min(start.len());
    bytes[..common] == start[..common]
}

/// Whether `bytes` are TLS: the first byte is that of an alert or a handshake record, which begins no text. It looks at
/// one byte only, so that the result is the same however the bytes are cut.
pub(super) fn is_tls(bytes: &[u8]) -> bool {
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
