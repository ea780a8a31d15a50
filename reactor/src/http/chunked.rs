//! [`Chunked`]: decodes a body in chunks, and checks the trailers after it (RFC 9112, section 7.1).
//!
//! ```text
//!   Size --+--> Data(left) --> End --+
//!     ^    |                         |
//!     +----|-------------------------+
//!          +--> Trailers --> Done
//! ```
//!
//! It follows the grammar to the letter. Lines end with CR LF, and nothing but well-formed extensions stands between a
//! size and its CR LF: if two readers skip different bytes there, they find different chunks. What the extensions and
//! the trailers say is ignored.
//!
//! Next: `response.rs`, the parser that uses all of these.

use super::framing::FramingHeaders;
use super::head::is_token_byte;
use super::limits::{HttpError, Limits};
use super::section::{Gathered, Section};

/// Maximum bytes of all trailers with the empty line after them. They are dropped, so a response with more of them
/// is suspect.
const MAX_TRAILERS: usize = 8192;

/// Maximum digits of a size: more could overflow its 64 bits.
const MAX_SIZE_DIGITS: usize = 16;

#[derive(Debug)]
pub(super) struct Chunked {
    state: State,
    /// Bytes that the limit on the body still allows.
    room: u64,
    /// Bytes of extensions that their limit still allows.
    extensions: usize,
    /// An unfinished chunk-size line.
    line: Vec<u8>,
    trailers: Section,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Size,
    Data(u64),
    /// Before or inside the CR LF after a chunk's data.
    End {
        /// The CR has come.
        cr: bool,
    },
    Trailers,
    Done,
}

/// What [`Chunked::next`] found.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    Data(&'a [u8]),
    Done,
    NeedMore,
}

impl Chunked {
    pub(super) fn new(limits: &Limits) -> Chunked {
        Chunked {
            state: State::Size,
            room: limits.body,
            extensions: limits.extensions,
            line: Vec::new(),
            trailers: Section::default(),
        }
    }

    pub(super) fn next<'a>(&mut self, input: &mut &'a [u8], limits: &Limits) -> Result<Piece<'a>, HttpError> {
        loop {
            match self.state {
                State::Done => return Ok(Piece::Done),
                _ if input.is_empty() => return Ok(Piece::NeedMore),
                State::Size => match self.size(input)? {
                    None => return Ok(Piece::NeedMore),
                    Some(0) => self.state = State::Trailers,
                    Some(size) => {
                        self.room = self.room.checked_sub(size).ok_or(HttpError::BodyTooLarge)?;
                        self.state = State::Data(size);
                    }
                },
                State::Data(left) => {
                    let data = take(input, left);
                    self.state = match left - data.len() as u64 {
                        0 => State::End { cr: false },
                        left => State::Data(left),
                    };
                    return Ok(Piece::Data(data));
                }
                State::End { cr } => {
                    self.state = match (cr, take(input, 1)) {
                        (false, b"\r") => State::End { cr: true },
                        (true, b"\n") => State::Size,
                        _ => return Err(HttpError::BadChunk),
                    };
                }
                State::Trailers => match self.trailers.gather(input, MAX_TRAILERS) {
                    Gathered::NeedMore => return Ok(Piece::NeedMore),
                    Gathered::TooLarge => return Err(HttpError::TrailersTooLarge),
                    Gathered::Complete => {
                        check_trailers(self.trailers.bytes(), limits)?;
                        self.trailers.clear();
                        self.state = State::Done;
                    }
                },
            }
        }
    }

    /// The size on the next line, if all of the line has come.
    fn size(&mut self, input: &mut &[u8]) -> Result<Option<u64>, HttpError> {
        let end = memchr::memchr(b'\n', input);
        let (new, rest) = input.split_at(end.map_or(input.len(), |at| at + 1));
        *input = rest;
        // What an honest line may have: a size, the extensions that are still allowed, and the CR LF.
        let longest = self.extensions.saturating_add(MAX_SIZE_DIGITS + 2);
        if self.line.len() + new.len() > longest {
            return Err(HttpError::ExtensionsTooLarge);
        }
        if end.is_some() && self.line.is_empty() {
            return self.read_size(new).map(Some);
        }
        self.line.extend_from_slice(new);
        if end.is_none() {
            return Ok(None);
        }
        let line = std::mem::take(&mut self.line);
        self.read_size(&line).map(Some)
    }

    fn read_size(&mut self, line: &[u8]) -> Result<u64, HttpError> {
        let line = line.strip_suffix(b"\r\n").ok_or(HttpError::BadChunk)?;
        let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
        let (digits, extensions) = line.split_at(digits);
        self.extensions = self.extensions.checked_sub(extensions.len()).ok_or(HttpError::ExtensionsTooLarge)?;
        if digits.is_empty() || digits.len() > MAX_SIZE_DIGITS || !are_extensions(extensions) {
            return Err(HttpError::BadChunk);
        }
        let value = |digit: u8| u64::from((digit as char).to_digit(16).unwrap_or(0));
        Ok(digits.iter().fold(0, |size, digit| size << 4 | value(*digit)))
    }
}

/// Takes at most `count` bytes off the front.
pub(super) fn take<'a>(input: &mut &'a [u8], count: u64) -> &'a [u8] {
    let count = usize::try_from(count).map_or(input.len(), |count| count.min(input.len()));
    let (data, rest) = input.split_at(count);
    *input = rest;
    data
}

/// `*( BWS ";" BWS name [ BWS "=" BWS ( token / quoted-string ) ] )`
fn are_extensions(mut text: &[u8]) -> bool {
    while !text.is_empty() {
        let Some(rest) = skip_blanks(text).strip_prefix(b";") else { return false };
        let Some(rest) = skip_token(skip_blanks(rest)) else { return false };
        text = match skip_blanks(rest).strip_prefix(b"=") {
            None => rest,
            Some(value) => {
                let value = skip_blanks(value);
                let after = value.strip_prefix(b"\"").map_or_else(|| skip_token(value), skip_quoted);
                let Some(after) = after else { return false };
                after
            }
        };
    }
    true
}

fn skip_blanks(text: &[u8]) -> &[u8] {
    let blanks = text.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    &text[blanks..]
}

/// The bytes after a token; `None` if there is no token.
fn skip_token(text: &[u8]) -> Option<&[u8]> {
    let length = text.iter().take_while(|byte| is_token_byte(**byte)).count();
    (length > 0).then(|| &text[length..])
}

/// The bytes after a quoted string, of which `text` is all but the opening quotation mark; `None` if it has no end.
fn skip_quoted(text: &[u8]) -> Option<&[u8]> {
    let mut escaped = false;
    for (at, byte) in text.iter().enumerate() {
        match byte {
            0..=8 | 10..=31 | 127 => return None, // A control character other than the tab.
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return Some(&text[at + 1..]),
            _ => {}
        }
    }
    None
}

/// Checks trailers, although they are dropped: bytes that are not header lines may be something else, such as the next
/// response. A trailer about the framing is refused (RFC 9110, section 6.5.1): the body has been framed already.
fn check_trailers(section: &[u8], limits: &Limits) -> Result<(), HttpError> {
    if section == b"\r\n" {
        return Ok(());
    }
    let mut room = vec![httparse::EMPTY_HEADER; limits.headers.min(section.len())];
    let headers = match httparse::parse_headers(section, &mut room) {
        Ok(httparse::Status::Complete((_, headers))) => headers,
        Err(httparse::Error::TooManyHeaders) => return Err(HttpError::TooManyHeaders),
        _ => return Err(HttpError::BadTrailers),
    };
    let mut framing = FramingHeaders::default();
    headers.iter().for_each(|header| framing.note(header.name, header.value));
    let mut lines = section.split_inclusive(|byte| *byte == b'\n');
    match lines.all(|line| line.ends_with(b"\r\n")) && !framing.has_length_or_coding() {
        true => Ok(()),
        false => Err(HttpError::BadTrailers),
    }
}
