//! [`ResponseParser`]: the bytes of one HTTP/1.1 response in, events out. Pure: no sockets, no callbacks.
//!
//! ```text
//!   Head --+--> Length(left) ---------------------------+
//!          +--> ChunkSize --> ChunkData --> ChunkEnd ---+--> Done
//!          |        ^------------------------+          |
//!          |        +--> Trailers ----------------------+
//!          +--> UntilClose -----------------------------+
//! ```
//!
//! Framing follows RFC 9112, section 6.3, strictly: whoever reads a body's length in two ways can be made to read
//! somebody else's response as its own. A length given twice, or beside a transfer coding, is an error.

use std::fmt;
use std::mem;

/// What a response may cost; more is an error, and memory stays within these.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Limits {
    /// Bytes of the head: status line and headers. Default 64 KiB.
    pub head: usize,
    /// Header lines. Default 100.
    pub headers: usize,
    /// Bytes of the body. Default 8 MiB.
    pub body: u64,
    /// Interim (1xx) responses before the real one. Default 8.
    pub interim: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { head: 64 * 1024, headers: 100, body: 8 * 1024 * 1024, interim: 8 }
    }
}

/// Bytes of one chunk-size line or of all trailers; nobody needs more.
const LINE_LIMIT: usize = 4096;

/// What is wrong with a response. All are the peer's doing, except that limits are ours to set.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum HttpError {
    /// The head is not HTTP/1.
    BadHead(String),
    /// The head is larger than [`Limits::head`].
    HeadTooLarge,
    /// There are more headers than [`Limits::headers`].
    TooManyHeaders,
    /// There are more interim responses than [`Limits::interim`].
    TooManyInterim,
    /// `Content-Length` is not one plain number.
    BadContentLength,
    /// Both `Content-Length` and `Transfer-Encoding`: the length is not certain.
    ConflictingLength,
    /// A transfer coding other than `chunked` alone.
    UnknownTransferCoding,
    /// A content coding that was not asked for.
    UnknownContentCoding(String),
    /// A chunk is not framed as it should be.
    BadChunk,
    /// The body is larger than [`Limits::body`].
    BodyTooLarge,
    /// The connection ended before the response did.
    Incomplete,
    /// `101 Switching Protocols`, which was not asked for.
    UnexpectedUpgrade,
}

impl fmt::Display for HttpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HttpError::BadHead(what) => write!(f, "the server's answer is not HTTP: {what}"),
            HttpError::HeadTooLarge => f.write_str("the head of the server's answer is too large"),
            HttpError::TooManyHeaders => f.write_str("the server's answer has too many headers"),
            HttpError::TooManyInterim => f.write_str("the server sends interim answers without end"),
            HttpError::BadContentLength => f.write_str("the server's Content-Length is not one plain number"),
            HttpError::ConflictingLength => f.write_str("the server gives the length of its answer in two ways"),
            HttpError::UnknownTransferCoding => f.write_str("the server uses a transfer coding that we do not know"),
            HttpError::UnknownContentCoding(coding) => write!(f, "the server's answer is coded as {coding:?}"),
            HttpError::BadChunk => f.write_str("the server's chunks are broken"),
            HttpError::BodyTooLarge => f.write_str("the server's answer is too large"),
            HttpError::Incomplete => f.write_str("the server's answer ended too early"),
            HttpError::UnexpectedUpgrade => f.write_str("the server switched to another protocol without being asked"),
        }
    }
}

impl std::error::Error for HttpError {}

/// The head of a response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// The status code, such as 200.
    pub status: u16,
    /// What the server says beside it; may be empty.
    pub reason: String,
    /// Names as they came and values, in order.
    pub headers: Vec<(String, Vec<u8>)>,
}

impl Head {
    /// The values of all headers of this name, in any case.
    pub fn header<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.headers.iter().filter(move |(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| &value[..])
    }
}

/// What [`ResponseParser::next`] found.
#[derive(Debug, PartialEq, Eq)]
pub enum ResponseEvent<'a> {
    /// The head is complete. Interim (1xx) heads are passed over.
    Head(Head),
    /// Some of the body.
    Data(&'a [u8]),
    /// The response is complete; bytes after it are left in the input.
    End,
    /// The input is used up.
    NeedMore,
}

/// Reads one response to a GET request.
///
/// ```
/// use reactor::http::{Limits, ResponseEvent, ResponseParser};
///
/// let mut parser = ResponseParser::new(Limits::default());
/// let mut input: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";
/// assert!(matches!(parser.next(&mut input)?, ResponseEvent::Head(head) if head.status == 200));
/// assert_eq!(parser.next(&mut input)?, ResponseEvent::Data(b"hi"));
/// assert_eq!(parser.next(&mut input)?, ResponseEvent::End);
/// # Ok::<(), reactor::http::HttpError>(())
/// ```
#[derive(Debug)]
pub struct ResponseParser {
    limits: Limits,
    state: State,
    /// An unfinished head or line.
    partial: Vec<u8>,
    body: u64,
    interim: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Head,
    Length(u64),
    UntilClose,
    ChunkSize,
    ChunkData(u64),
    ChunkEnd,
    Trailers,
    Done,
}

impl ResponseParser {
    /// A parser for one response.
    pub fn new(limits: Limits) -> ResponseParser {
        ResponseParser { limits, state: State::Head, partial: Vec::new(), body: 0, interim: 0 }
    }

    /// Takes the next event from the front of `input`, which moves on past it.
    ///
    /// # Errors
    /// [`HttpError`]; the connection is then of no more use, and this must not be called again.
    pub fn next<'a>(&mut self, input: &mut &'a [u8]) -> Result<ResponseEvent<'a>, HttpError> {
        loop {
            match self.state {
                State::Done => return Ok(ResponseEvent::End),
                _ if input.is_empty() && self.state != State::Length(0) => return Ok(ResponseEvent::NeedMore),
                State::Head => match self.head(input)? {
                    Some(head) => return Ok(ResponseEvent::Head(head)),
                    None if self.partial.is_empty() => {} // An interim one; go on.
                    None => return Ok(ResponseEvent::NeedMore),
                },
                State::Length(0) => self.state = State::Done,
                State::Length(left) => {
                    let data = take(input, left);
                    self.state = State::Length(left - data.len() as u64);
                    return self.data(data);
                }
                State::UntilClose => {
                    let data = mem::take(input);
                    return self.data(data);
                }
                State::ChunkData(0) => self.state = State::ChunkEnd,
                State::ChunkData(left) => {
                    let data = take(input, left);
                    self.state = State::ChunkData(left - data.len() as u64);
                    return self.data(data);
                }
                State::ChunkSize | State::ChunkEnd | State::Trailers => {
                    let Some(line) = self.line(input)? else { return Ok(ResponseEvent::NeedMore) };
                    self.framing_line(&line)?;
                }
            }
        }
    }

    /// The peer's sending has ended in an orderly way: that completes a body without a length, and nothing else.
    ///
    /// # Errors
    /// [`HttpError::Incomplete`].
    pub fn finish(&mut self) -> Result<(), HttpError> {
        match self.state {
            State::Done | State::UntilClose | State::Length(0) => {
                self.state = State::Done;
                Ok(())
            }
            _ => Err(HttpError::Incomplete),
        }
    }

    fn data<'a>(&mut self, data: &'a [u8]) -> Result<ResponseEvent<'a>, HttpError> {
        self.body += data.len() as u64;
        match self.body > self.limits.body {
            true => Err(HttpError::BodyTooLarge),
            false => Ok(ResponseEvent::Data(data)),
        }
    }

    /// Gathers a head in `partial` until httparse finds it complete.
    fn head(&mut self, input: &mut &[u8]) -> Result<Option<Head>, HttpError> {
        let before = self.partial.len();
        let room = self.limits.head.saturating_sub(before);
        self.partial.extend_from_slice(&input[..input.len().min(room)]);
        // The end of a head is an empty line: parsing earlier than that would be work done again and again.
        let from = before.saturating_sub(3);
        if !self.partial[from..].windows(2).any(|pair| pair == b"\n\n" || pair == b"\n\r") {
            *input = &[];
            return match self.partial.len() >= self.limits.head {
                true => Err(HttpError::HeadTooLarge),
                false => self.check_start().map(|()| None),
            };
        }
        let mut headers = vec![httparse::EMPTY_HEADER; self.limits.headers];
        let mut response = httparse::Response::new(&mut headers);
        let length = match response.parse(&self.partial) {
            Ok(httparse::Status::Complete(length)) => length,
            Ok(httparse::Status::Partial) if self.partial.len() >= self.limits.head => {
                return Err(HttpError::HeadTooLarge);
            }
            Ok(httparse::Status::Partial) => {
                *input = &[];
                return Ok(None);
            }
            Err(httparse::Error::TooManyHeaders) => return Err(HttpError::TooManyHeaders),
            Err(error) => return Err(HttpError::BadHead(error.to_string())),
        };
        let head = Head {
            status: response.code.unwrap_or(0),
            reason: response.reason.unwrap_or("").to_owned(),
            headers: response.headers.iter().map(|field| (field.name.to_owned(), field.value.to_vec())).collect(),
        };
        *input = &input[length - before..];
        self.partial = Vec::new();
        match head.status {
            101 => Err(HttpError::UnexpectedUpgrade),
            100..200 => {
                self.interim += 1;
                if self.interim > self.limits.interim { Err(HttpError::TooManyInterim) } else { Ok(None) }
            }
            _ => {
                self.state = body_framing(&head, &self.limits)?;
                Ok(Some(head))
            }
        }
    }

    /// Something that does not even begin like HTTP is told at once, not when a limit is reached.
    fn check_start(&self) -> Result<(), HttpError> {
        let start = b"HTTP/1.";
        let common = self.partial.len().min(start.len());
        match self.partial[..common] == start[..common] || self.partial[0] == b'\r' || self.partial[0] == b'\n' {
            true => Ok(()),
            false => Err(HttpError::BadHead("it does not begin with HTTP/1".to_owned())),
        }
    }

    /// The next line that ends with CR LF, without it.
    fn line(&mut self, input: &mut &[u8]) -> Result<Option<Vec<u8>>, HttpError> {
        let end = memchr::memchr(b'\n', input);
        let taken = end.map_or(input.len(), |at| at + 1);
        if self.partial.len() + taken > LINE_LIMIT {
            return Err(HttpError::BadChunk);
        }
        self.partial.extend_from_slice(&input[..taken]);
        *input = &input[taken..];
        if end.is_none() {
            return Ok(None);
        }
        let mut line = mem::take(&mut self.partial);
        match line.ends_with(b"\r\n") {
            true => {
                line.truncate(line.len() - 2);
                Ok(Some(line))
            }
            false => Err(HttpError::BadChunk), // A bare LF: somebody may count it differently.
        }
    }

    fn framing_line(&mut self, line: &[u8]) -> Result<(), HttpError> {
        self.state = match self.state {
            State::ChunkSize => match chunk_size(line)? {
                0 => State::Trailers,
                size if self.body.saturating_add(size) > self.limits.body => return Err(HttpError::BodyTooLarge),
                size => State::ChunkData(size),
            },
            State::ChunkEnd if line.is_empty() => State::ChunkSize,
            State::ChunkEnd => return Err(HttpError::BadChunk),
            _ if line.is_empty() => State::Done,
            // A trailer: of no use to a client that did not ask for one, but it must look like a field, and count.
            _ => {
                self.interim += 1;
                if self.interim > self.limits.headers || !line.contains(&b':') {
                    return Err(HttpError::BadChunk);
                }
                State::Trailers
            }
        };
        Ok(())
    }
}

/// Takes at most `count` bytes off the front.
fn take<'a>(input: &mut &'a [u8], count: u64) -> &'a [u8] {
    let count = usize::try_from(count).map_or(input.len(), |count| count.min(input.len()));
    let (data, rest) = input.split_at(count);
    *input = rest;
    data
}

/// How the end of the body will be known: RFC 9112, section 6.3.
fn body_framing(head: &Head, limits: &Limits) -> Result<State, HttpError> {
    if let Some(coding) = head.header("content-encoding").find(|coding| !coding.eq_ignore_ascii_case(b"identity")) {
        return Err(HttpError::UnknownContentCoding(String::from_utf8_lossy(coding).into_owned()));
    }
    if matches!(head.status, 204 | 304) {
        return Ok(State::Length(0));
    }
    let length = content_length(head)?;
    let codings: Vec<&[u8]> = head.header("transfer-encoding").collect();
    match (length, &codings[..]) {
        (Some(_), [_, ..]) => Err(HttpError::ConflictingLength),
        (Some(length), []) if length > limits.body => Err(HttpError::BodyTooLarge),
        (Some(length), []) => Ok(State::Length(length)),
        (None, []) => Ok(State::UntilClose),
        (None, [one]) if one.trim_ascii().eq_ignore_ascii_case(b"chunked") => Ok(State::ChunkSize),
        (None, _) => Err(HttpError::UnknownTransferCoding),
    }
}

fn content_length(head: &Head) -> Result<Option<u64>, HttpError> {
    let mut lengths = head.header("content-length");
    let Some(first) = lengths.next() else { return Ok(None) };
    // RFC 9112 lets equal ones pass; a server that sends two is broken enough not to be trusted.
    if lengths.next().is_some() || first.is_empty() || !first.iter().all(u8::is_ascii_digit) {
        return Err(HttpError::BadContentLength);
    }
    let digits = std::str::from_utf8(first).map_err(|_| HttpError::BadContentLength)?;
    digits.parse().map(Some).map_err(|_| HttpError::BadContentLength)
}

/// Hexadecimal digits, then perhaps extensions, which are passed over.
fn chunk_size(line: &[u8]) -> Result<u64, HttpError> {
    let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    let rest = line[digits..].trim_ascii_start();
    let extension_is_sound = rest.is_empty() || (rest[0] == b';' && !rest.contains(&b'\r'));
    if digits == 0 || digits > 16 || !extension_is_sound {
        return Err(HttpError::BadChunk);
    }
    line[..digits].iter().try_fold(0u64, |size, digit| {
        let value = (*digit as char).to_digit(16).ok_or(HttpError::BadChunk)?;
        Ok(size << 4 | u64::from(value))
    })
}

#[cfg(test)]
mod tests;
