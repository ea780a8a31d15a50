//! Where a body ends, and whether the connection outlives it: RFC 9112, sections 6.3 and 9.3.
//!
//! This is where smuggling is prevented; `response.rs` says what it is. A length that is given twice, that stands
//! beside a transfer coding, or that is anything but digits is an error. RFC 9110, section 8.6, would let two equal
//! lengths pass. We do not: a server that sends two is put together from parts that do not know of each other.
//!
//! Next: `section.rs`, for lines that come in pieces.

use super::head::Version;
use super::limits::{HttpError, Limits};

/// The method that a response answers, as far as it changes the framing of the response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RequestMethod {
    /// Its response has no body, whatever the headers say.
    Head,
    /// After a 2xx response the connection is a tunnel, and no longer HTTP.
    Connect,
    /// GET, POST and all others: the response may have a body.
    Other,
}

/// How a body ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Body {
    /// There is none.
    None,
    Length(u64),
    Chunked,
    UntilClose,
    /// A redirect's, announced larger than we allow. A client that follows the redirect needs only its `Location`, so
    /// the head is given out. A client that wants the body gets an error when the body comes.
    TooLarge,
}

/// Whether a response of this status is a redirect.
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

/// The headers of one message that say how it is framed, noted one by one.
#[derive(Debug, Default)]
pub(super) struct FramingHeaders<'a> {
    length: Option<&'a [u8]>,
    is_length_repeated: bool,
    transfer_coding: Option<&'a [u8]>,
    is_transfer_coding_repeated: bool,
    content_coding: Option<&'a [u8]>,
    close: bool,
    keep_alive: bool,
}

impl<'a> FramingHeaders<'a> {
    /// Notes a header, if it is one of ours.
    #[inline(always)]
    pub(super) fn note(&mut self, name: &'a str, value: &'a [u8]) {
        // Most other names differ already in length or first letter, so that they cost no comparison. A new name in
        // `note_by_name` needs its length and letter here.
        if matches!(name.len(), 10 | 14 | 16 | 17) && matches!(name.as_bytes()[0] | 0x20, b'c' | b't' | b'p') {
            self.note_by_name(name, value);
        }
    }

    fn note_by_name(&mut self, name: &'a str, value: &'a [u8]) {
        if is_name(name, b"content-length") {
            self.is_length_repeated |= self.length.replace(value).is_some();
        } else if is_name(name, b"transfer-encoding") {
            self.is_transfer_coding_repeated |= self.transfer_coding.replace(value).is_some();
        } else if is_name(name, b"content-encoding") && !value.eq_ignore_ascii_case(b"identity") {
            self.content_coding = Some(value);
        } else if is_name(name, b"connection") {
            self.close |= list_contains(value, b"close");
            self.keep_alive |= list_contains(value, b"keep-alive");
        } else if is_name(name, b"proxy-connection") {
            // No standard has this header, but the intention of a server that says close is clear.
            self.close |= list_contains(value, b"close");
        }
    }

    /// Whether a header decides where a body ends.
    pub(super) fn has_length_or_coding(&self) -> bool {
        self.length.is_some() || self.transfer_coding.is_some()
    }

    /// The framing of a response with this status line and these headers. The order of the steps is that of RFC 9112,
    /// section 6.3: the cases without a body come first. Their Content-Length describes the body that another request
    /// would have got.
    #[inline(always)]
    pub(super) fn response_framing(
        &self,
        status: u16,
        version: Version,
        method: RequestMethod,
        accept_codings: bool,
        limits: &Limits,
    ) -> Result<Framing, HttpError> {
        if method == RequestMethod::Connect && (200..300).contains(&status) {
            // RFC 9110, section 9.3.6: ignore its length and codings. So this stands before they are checked.
            return Ok(Framing { body: Body::None, persists: false });
        }
        let length = self.length()?;
        let chunked = self.chunked(version)?;
        let wants_to_persist = !self.close && (version == Version::Http11 || self.keep_alive);
        if matches!(status, 100..200 | 204) {
            // These have no body, but a server that announces one may send it. That body would be read as the next
            // response, so the connection is not used again.
            return Ok(Framing {
                body: Body::None,
                persists: wants_to_persist && !chunked && length.unwrap_or(0) == 0,
            });
        }
        if status == 304 || method == RequestMethod::Head {
            return Ok(Framing { body: Body::None, persists: wants_to_persist });
        }
        if let (Some(coding), false) = (self.content_coding, accept_codings) {
            return Err(HttpError::UnknownContentCoding(String::from_utf8_lossy(coding).into_owned()));
        }
        match length {
            Some(length) if length > limits.body => match is_redirect(status) {
                true => Ok(Framing { body: Body::TooLarge, persists: false }),
                false => Err(HttpError::BodyTooLarge),
            },
            Some(length) => Ok(Framing { body: Body::Length(length), persists: wants_to_persist }),
            None if chunked => Ok(Framing { body: Body::Chunked, persists: wants_to_persist }),
            None => Ok(Framing { body: Body::UntilClose, persists: false }),
        }
    }

    /// The framing of a request with these headers: RFC 9112, section 6.3. A request without a length and without a
    /// coding has no body.
    pub(super) fn request_framing(&self, version: Version, limits: &Limits) -> Result<Framing, HttpError> {
        let length = self.length()?;
        let chunked = self.chunked(version)?;
        let persists = !self.close && (version == Version::Http11 || self.keep_alive);
        let body = match length {
            Some(length) if length > limits.body => return Err(HttpError::BodyTooLarge),
            None | Some(0) if !chunked => Body::None,
            Some(length) => Body::Length(length),
            None => Body::Chunked,
        };
        Ok(Framing { body, persists })
    }

    fn length(&self) -> Result<Option<u64>, HttpError> {
        let Some(digits) = self.length else { return Ok(None) };
        if self.is_length_repeated || digits.is_empty() {
            return Err(HttpError::BadContentLength);
        }
        let mut length = 0_u64;
        for byte in digits {
            let digit = byte.wrapping_sub(b'0');
            // A larger length could overflow in the next line.
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
            // RFC 9112, section 6.1: the framing is faulty, because an intermediary that speaks 1.0 may not have
            // understood the coding.
            Version::Http10 => Err(HttpError::UnexpectedTransferCoding),
            _ if self.is_transfer_coding_repeated => Err(HttpError::UnknownTransferCoding),
            _ if coding.eq_ignore_ascii_case(b"chunked") => Ok(true),
            _ => Err(HttpError::UnknownTransferCoding),
        }
    }
}

/// Whether a header's name equals `expected`, which is in lower case, ignoring case.
///
/// Setting bit 0x20 makes a letter lower case and leaves a hyphen as it is. Of all other bytes only CR becomes one of
/// these (a hyphen), and no header's name holds a CR.
fn is_name<const LENGTH: usize>(name: &str, expected: &[u8; LENGTH]) -> bool {
    let Ok(name): Result<&[u8; LENGTH], _> = name.as_bytes().try_into() else { return false };
    name.iter().zip(expected).fold(0, |differs, (own, other)| differs | ((own | 0x20) ^ other)) == 0
}

/// Whether a comma-separated list contains `word`, ignoring case.
fn list_contains(value: &[u8], word: &[u8]) -> bool {
    value.split(|byte| *byte == b',').any(|part| part.trim_ascii().eq_ignore_ascii_case(word))
}
