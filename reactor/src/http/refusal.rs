//! [`Refusal`]: why a server refuses a request, and the status that it answers. Sans-I/O.
//!
//! After a refusal the connection ends: where the next request begins is unknown, or its peer has broken a limit.
//!
//! Next: `request_head.rs`, the request line and the headers.

use super::limits::HttpError;
use std::fmt;

/// Why a request is refused. Its text says what is wrong, for the one who sent it. `Debug` has the name of the variant,
/// as it is the verdict of a parser, by which parsers are compared.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// 400: the head is not an HTTP/1 head.
    BadHead(String),
    /// 400: it is TLS, and this port speaks plain HTTP.
    Tls,
    /// 400: the target is neither a path nor the URL of a resource here.
    BadTarget,
    /// 400: there is no `Host`, which HTTP/1.1 demands.
    NoHost,
    /// 400: there is more than one `Host`.
    RepeatedHost,
    /// 400: `Host` is not a name or address, perhaps with a port.
    BadHost,
    /// 400: the target is a whole URL, and `Host` names another host. One of two servers would believe the one, one
    /// the other.
    OtherHost,
    /// 400: `Content-Length` is not one plain number.
    BadContentLength,
    /// 400: there are both `Content-Length` and `Transfer-Encoding`.
    ConflictingLength,
    /// 400: a transfer coding in HTTP/1.0, which has none.
    UnexpectedTransferCoding,
    /// 400: a chunk is not framed as it should be.
    BadChunk,
    /// 400: the bytes after the last chunk are not header lines, or they would change the framing.
    BadTrailers,
    /// 400: the peer ended its side before the request was complete.
    Incomplete,
    /// 408: the head did not come in time.
    SlowHead,
    /// 408: the body did not come in time.
    SlowBody,
    /// 411: a method that sends a body, without its length, and the service wants it.
    LengthRequired,
    /// 413: the body is larger than [`Limits::body`](super::Limits::body).
    BodyTooLarge,
    /// 413: the chunks' extensions are longer than [`Limits::extensions`](super::Limits::extensions).
    ExtensionsTooLarge,
    /// 414: the target is longer than [`Limits::target`](super::Limits::target).
    TargetTooLong,
    /// 417: an expectation other than `100-continue`.
    UnknownExpectation,
    /// 421: the target is an `https` URL, and the request came without TLS.
    OtherScheme,
    /// 431: the head is larger than [`Limits::head`](super::Limits::head).
    HeadTooLarge,
    /// 431: there are more headers, or trailers, than [`Limits::headers`](super::Limits::headers).
    TooManyHeaders,
    /// 431: the trailers after the last chunk are longer than 8 KiB.
    TrailersTooLarge,
    /// 501: the method is `CONNECT`, which only a proxy serves.
    Connect,
    /// 501: the transfer coding is not `chunked`, alone and once.
    UnknownTransferCoding,
    /// 505: the version is neither 1.0 nor 1.1.
    UnsupportedVersion,
}

impl Refusal {
    /// The status code that it is answered with.
    pub fn status(&self) -> u16 {
        match self {
            Refusal::BadHead(_)
            | Refusal::Tls
            | Refusal::BadTarget
            | Refusal::NoHost
            | Refusal::RepeatedHost
            | Refusal::BadHost
            | Refusal::OtherHost
            | Refusal::BadContentLength
            | Refusal::ConflictingLength
            | Refusal::UnexpectedTransferCoding
            | Refusal::BadChunk
            | Refusal::BadTrailers
            | Refusal::Incomplete => 400,
            Refusal::SlowHead | Refusal::SlowBody => 408,
            Refusal::LengthRequired => 411,
            Refusal::BodyTooLarge | Refusal::ExtensionsTooLarge => 413,
            Refusal::TargetTooLong => 414,
            Refusal::UnknownExpectation => 417,
            Refusal::OtherScheme => 421,
            Refusal::HeadTooLarge | Refusal::TooManyHeaders | Refusal::TrailersTooLarge => 431,
            Refusal::Connect | Refusal::UnknownTransferCoding => 501,
            Refusal::UnsupportedVersion => 505,
        }
    }
}

/// What a request and a response share: their headers, and the framing of their bodies.
impl From<HttpError> for Refusal {
    fn from(error: HttpError) -> Refusal {
        match error {
            HttpError::BadHead(what) => Refusal::BadHead(what),
            HttpError::Tls => Refusal::Tls,
            HttpError::HeadTooLarge => Refusal::HeadTooLarge,
            HttpError::TooManyHeaders => Refusal::TooManyHeaders,
            HttpError::BadContentLength => Refusal::BadContentLength,
            HttpError::ConflictingLength => Refusal::ConflictingLength,
            HttpError::UnknownTransferCoding => Refusal::UnknownTransferCoding,
            HttpError::UnexpectedTransferCoding => Refusal::UnexpectedTransferCoding,
            HttpError::BadChunk => Refusal::BadChunk,
            HttpError::ExtensionsTooLarge => Refusal::ExtensionsTooLarge,
            HttpError::BadTrailers => Refusal::BadTrailers,
            HttpError::TrailersTooLarge => Refusal::TrailersTooLarge,
            HttpError::BodyTooLarge => Refusal::BodyTooLarge,
            HttpError::Incomplete => Refusal::Incomplete,
            // Only a response has these.
            HttpError::TooManyInterim | HttpError::UnknownContentCoding(_) | HttpError::UnexpectedUpgrade => {
                Refusal::BadHead(error.to_string())
            }
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Refusal::BadHead(what) => return write!(f, "the request is not HTTP: {what}"),
            Refusal::Tls => "the request is not HTTP but TLS: the port is one for http",
            Refusal::BadTarget => "the target is neither a path nor the URL of a resource here",
            Refusal::NoHost => "the header Host is missing",
            Refusal::RepeatedHost => "the header Host stands there more than once",
            Refusal::BadHost => "the header Host is not a host, perhaps with a port",
            Refusal::OtherHost => "the target and the header Host name different hosts",
            Refusal::BadContentLength => "Content-Length is not one plain number",
            Refusal::ConflictingLength => "the length of the body is given in two ways",
            Refusal::UnexpectedTransferCoding => "HTTP/1.0 has no transfer codings",
            Refusal::BadChunk => "the chunks are broken",
            Refusal::BadTrailers => "what follows the last chunk is broken",
            Refusal::Incomplete => "the request ended too early",
            Refusal::SlowHead => "the head of the request did not come in time",
            Refusal::SlowBody => "the body of the request did not come in time",
            Refusal::LengthRequired => "the body has neither Content-Length nor Transfer-Encoding",
            Refusal::BodyTooLarge => "the body is larger than allowed",
            Refusal::ExtensionsTooLarge => "the chunks have longer extensions than allowed",
            Refusal::TargetTooLong => "the target is longer than allowed",
            Refusal::UnknownExpectation => "only 100-continue can be expected",
            Refusal::OtherScheme => "the target is an https URL, and the request came without TLS",
            Refusal::HeadTooLarge => "the head is larger than allowed",
            Refusal::TooManyHeaders => "there are more headers than allowed",
            Refusal::TrailersTooLarge => "what follows the last chunk is longer than allowed",
            Refusal::Connect => "this server is not a proxy",
            Refusal::UnknownTransferCoding => "the only transfer coding here is chunked",
            Refusal::UnsupportedVersion => "the versions here are HTTP/1.0 and HTTP/1.1",
        })
    }
}

impl std::error::Error for Refusal {}
