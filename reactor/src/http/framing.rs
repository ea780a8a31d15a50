//! How the end of a body will be known, and whether the connection outlives it: RFC 9112, sections 6.3 and 9.3.
//!
//! Strictly: whoever reads a body's length in two ways can be made to read somebody else's response as its own. So a
//! length that is given twice, beside a transfer coding, or as anything but digits is an error, although RFC 9110, 8.6,
//! would let equal ones pass: a server that sends two is put together from parts that do not know of each other.

use super::head::Version;
use super::limits::{HttpError, Limits};

/// What was asked for, as far as it changes the framing of the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    /// The answer may have a body.
    Body,
    /// HEAD: the answer has none, whatever its headers say.
    Head,
    /// CONNECT: after an answer that agrees the connection is no more HTTP.
    Connect,
}

/// How a body ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Body {
    /// There is none.
    None,
    Length(u64),
    Chunked,
    UntilClose,
    /// A redirect's, announced larger than we allow. Whoever follows it does not want its body: where it leads to is
    /// all that counts. Whoever does not is refused the body when it comes.
    TooLarge,
}

/// Whether an answer of this status may lead elsewhere.
pub(super) fn is_redirect(status: u16) -> bool {
    matches!(status, 301..=303 | 307 | 308)
}

/// What a head means for what follows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Framing {
    pub(super) body: Body,
    /// The connection may carry another response after this one.
    pub(super) persists: bool,
}

/// What the headers say about the framing, noted one by one.
#[derive(Debug, Default)]
pub(super) struct Claims<'a> {
    length: Option<&'a [u8]>,
    length_again: bool,
    transfer_coding: Option<&'a [u8]>,
    transfer_coding_again: bool,
    content_coding: Option<&'a [u8]>,
    close: bool,
    keep_alive: bool,
}

impl<'a> Claims<'a> {
    /// Notes a header, if it is one that matters.
    #[inline(always)]
    pub(super) fn note(&mut self, name: &'a str, value: &'a [u8]) {
        // Most names are told apart by their length and the first letter alone.
        if matches!(name.len(), 10 | 14 | 16 | 17) && matches!(name.as_bytes()[0] | 0x20, b'c' | b't' | b'p') {
            self.note_by_name(name, value);
        }
    }

    fn note_by_name(&mut self, name: &'a str, value: &'a [u8]) {
        if is(name, b"content-length") {
            self.length_again |= self.length.replace(value).is_some();
        } else if is(name, b"transfer-encoding") {
            self.transfer_coding_again |= self.transfer_coding.replace(value).is_some();
        } else if is(name, b"content-encoding") && !value.eq_ignore_ascii_case(b"identity") {
            self.content_coding = Some(value);
        } else if is(name, b"connection") {
            self.close |= lists(value, b"close");
            self.keep_alive |= lists(value, b"keep-alive");
        } else if is(name, b"proxy-connection") {
            // No standard has it, but it is clear what a server means that says close.
            self.close |= lists(value, b"close");
        }
    }

    /// Whether there is a header that decides where a body ends.
    pub(super) fn is_about_length(&self) -> bool {
        self.length.is_some() || self.transfer_coding.is_some()
    }

    /// What all of it means for a response of this status.
    #[inline(always)]
    pub(super) fn framing(
        &self,
        status: u16,
        version: Version,
        asked: Asked,
        accept_codings: bool,
        limits: &Limits,
    ) -> Result<Framing, HttpError> {
        if asked == Asked::Connect && (200..300).contains(&status) {
            // RFC 9110, 9.3.6: its length and codings are to be ignored.
            return Ok(Framing { body: Body::None, persists: false });
        }
        let length = self.length()?;
        let chunked = self.chunked(version)?;
        let wants_to = !self.close && (version == Version::Http11 || self.keep_alive);
        if matches!(status, 100..200 | 204) {
            // One that announces a body where none can be will hardly go on with the next response.
            return Ok(Framing { body: Body::None, persists: wants_to && !chunked && length.unwrap_or(0) == 0 });
        }
        if status == 304 || asked == Asked::Head {
            return Ok(Framing { body: Body::None, persists: wants_to });
        }
        if let (Some(coding), false) = (self.content_coding, accept_codings) {
            return Err(HttpError::UnknownContentCoding(String::from_utf8_lossy(coding).into_owned()));
        }
        match length {
            Some(length) if length > limits.body => match is_redirect(status) {
                true => Ok(Framing { body: Body::TooLarge, persists: false }),
                false => Err(HttpError::BodyTooLarge),
            },
            Some(length) => Ok(Framing { body: Body::Length(length), persists: wants_to }),
            None if chunked => Ok(Framing { body: Body::Chunked, persists: wants_to }),
            None => Ok(Framing { body: Body::UntilClose, persists: false }),
        }
    }

    fn length(&self) -> Result<Option<u64>, HttpError> {
        let Some(digits) = self.length else { return Ok(None) };
        if self.length_again || digits.is_empty() {
            return Err(HttpError::BadContentLength);
        }
        let mut length = 0_u64;
        for byte in digits {
            let digit = byte.wrapping_sub(b'0');
            // What is larger than this could overflow in the next line.
            if digit > 9 || length > (u64::MAX - 9) / 10 {
                return Err(HttpError::BadContentLength);
            }
            length = length * 10 + u64::from(digit);
        }
        Ok(Some(length))
    }

    fn chunked(&self, version: Version) -> Result<bool, HttpError> {
        let Some(coding) = self.transfer_coding else { return Ok(false) };
        match version {
            _ if self.length.is_some() => Err(HttpError::ConflictingLength),
            // RFC 9112, 6.1: the framing is faulty, as an HTTP/1.0 part on the way may not have understood it.
            Version::Http10 => Err(HttpError::UnexpectedTransferCoding),
            _ if self.transfer_coding_again => Err(HttpError::UnknownTransferCoding),
            _ if coding.eq_ignore_ascii_case(b"chunked") => Ok(true),
            _ => Err(HttpError::UnknownTransferCoding),
        }
    }
}

/// Whether a header's name is this one, given in small letters, in any case.
///
/// A bit makes a letter small and leaves a hyphen as it is. What else it makes of either is in no header's name.
fn is<const LENGTH: usize>(name: &str, expected: &[u8; LENGTH]) -> bool {
    let Ok(name): Result<&[u8; LENGTH], _> = name.as_bytes().try_into() else { return false };
    name.iter().zip(expected).fold(0, |differs, (own, other)| differs | ((own | 0x20) ^ other)) == 0
}

/// Whether a list of words, with commas between them, holds `word` in any case.
fn lists(value: &[u8], word: &[u8]) -> bool {
    value.split(|byte| *byte == b',').any(|part| part.trim_ascii().eq_ignore_ascii_case(word))
}
