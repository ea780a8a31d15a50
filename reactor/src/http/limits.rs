//! What a message may cost ([`Limits`]), what can be wrong with one ([`HttpError`]), whose fault that is ([`Fault`]).
//!
//! Next: `head.rs`, the status line and the headers.

use std::fmt;

/// The maximum cost of a message. More is an error, so that memory stays bounded. `Limits::default()` is for a client,
/// [`Limits::for_requests`] for a server.
///
/// A [`ResponseParser`](super::ResponseParser) holds one unfinished head, or later one unfinished chunk-size line
/// (16 KiB) or trailer section (8 KiB). While that is parsed or its buffer grows, there are for a moment a second copy
/// and 32 bytes for each header. With the default limits this is never more than 150 KB. Bodies are passed on, never
/// kept.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Limits {
    /// Maximum bytes of the head: status line, headers and the empty line. Default 64 KiB.
    pub head: usize,
    /// Maximum bytes of a request's target. Default 8 KiB, as in nginx. Responses have none.
    pub target: usize,
    /// Maximum number of header lines, and of trailer lines. Default 100.
    pub headers: usize,
    /// Maximum bytes of the body, without its chunks' framing. Default 8 MiB. A response that announces more is refused
    /// at its head; a redirect (301, 302, 303, 307, 308) only when the body comes, as a client that follows it does not
    /// need the body.
    pub body: u64,
    /// Maximum bytes of the extensions of all chunks together. Default 16 KiB, as in hyper and Node. They are dropped,
    /// and count as no part of the body: without a limit a server could send thousands of bytes for each byte of the
    /// body.
    pub extensions: usize,
    /// Maximum number of interim (1xx) responses before the real one. Default 8.
    pub interim: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            head: 64 * 1024,
            target: 8 * 1024,
            headers: 100,
            body: 8 * 1024 * 1024,
            extensions: 16 * 1024,
            interim: 8,
        }
    }
}

impl Limits {
    /// What a server allows anybody to send: a head of 16 KiB, as in Node, and a body of 1 MiB, as in nginx. The other
    /// limits are those of `Limits::default()`.
    pub fn for_requests() -> Limits {
        Limits { head: 16 * 1024, body: 1024 * 1024, ..Limits::default() }
    }
}

/// Whose fault an [`HttpError`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// The peer violated the protocol, or closed the connection too early.
    Peer,
    /// The peer sent more than we allow.
    Limit,
}

/// What is wrong with a response. Its connection cannot be used any more: where the next response begins is unknown.
///
/// `Debug` has the name of the variant, as it is the verdict of a parser, by which parsers are compared. A program sees
/// it inside an error of the client, as a sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum HttpError {
    /// The head is not an HTTP/1 head.
    BadHead(String),
    /// It is TLS and not HTTP: the URL begins with `http://`, but the port speaks `https://`.
    Tls,
    /// The head is larger than [`Limits::head`].
    HeadTooLarge,
    /// There are more headers, or trailers, than [`Limits::headers`].
    TooManyHeaders,
    /// There are more interim responses than [`Limits::interim`].
    TooManyInterim,
    /// `Content-Length` is not one plain number.
    BadContentLength,
    /// There are both `Content-Length` and `Transfer-Encoding`: the end of the body is uncertain.
    ConflictingLength,
    /// The transfer coding is not `chunked`, alone and once.
    UnknownTransferCoding,
    /// A transfer coding in HTTP/1.0, which has none.
    UnexpectedTransferCoding,
    /// The body has a content coding that was not asked for.
    UnknownContentCoding(String),
    /// A chunk is not framed as it should be.
    BadChunk,
    /// The chunks' extensions are longer than [`Limits::extensions`].
    ExtensionsTooLarge,
    /// The bytes after the last chunk are not header lines, or they would change the framing.
    BadTrailers,
    /// The trailers after the last chunk are longer than 8 KiB.
    TrailersTooLarge,
    /// The body is larger than [`Limits::body`].
    BodyTooLarge,
    /// The connection ended before the response did.
    Incomplete,
    /// The server answered `101 Switching Protocols`, which was not asked for.
    UnexpectedUpgrade,
}

impl HttpError {
    /// Whose fault it is.
    pub fn fault(&self) -> Fault {
        match self {
            HttpError::HeadTooLarge
            | HttpError::TooManyHeaders
            | HttpError::TooManyInterim
            | HttpError::ExtensionsTooLarge
            | HttpError::TrailersTooLarge
            | HttpError::BodyTooLarge => Fault::Limit,
            HttpError::BadHead(_)
            | HttpError::Tls
            | HttpError::BadContentLength
            | HttpError::ConflictingLength
            | HttpError::UnknownTransferCoding
            | HttpError::UnexpectedTransferCoding
            | HttpError::UnknownContentCoding(_)
            | HttpError::BadChunk
            | HttpError::BadTrailers
            | HttpError::Incomplete
            | HttpError::UnexpectedUpgrade => Fault::Peer,
        }
    }
}

impl fmt::Display for HttpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            HttpError::BadHead(what) => return write!(f, "the server's response is not HTTP: {what}"),
            HttpError::UnknownContentCoding(coding) => {
                return write!(f, "the server's response is coded as {coding:?}");
            }
            HttpError::Tls => "the server's response is not HTTP but TLS: the port is one for https",
            HttpError::HeadTooLarge => "the head of the server's response is larger than we allow",
            HttpError::TooManyHeaders => "the server's response has more headers than we allow",
            HttpError::TooManyInterim => "the server sends interim responses without end",
            HttpError::BadContentLength => "the server's Content-Length is not one plain number",
            HttpError::ConflictingLength => "the server gives the length of its response in two ways",
            HttpError::UnknownTransferCoding => "the server uses a transfer coding that we do not know",
            HttpError::UnexpectedTransferCoding => "the server uses a transfer coding in HTTP/1.0, which has none",
            HttpError::BadChunk => "the server's chunks are broken",
            HttpError::ExtensionsTooLarge => "the server's chunks have longer extensions than we allow",
            HttpError::BadTrailers => "what the server sends after the last chunk is broken",
            HttpError::TrailersTooLarge => "what the server sends after the last chunk is longer than we allow",
            HttpError::BodyTooLarge => "the server's response is larger than we allow",
            HttpError::Incomplete => "the server's response ended too early",
            HttpError::UnexpectedUpgrade => "the server switched to another protocol without being asked",
        })
    }
}

impl std::error::Error for HttpError {}
