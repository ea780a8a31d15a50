//! [`Response`]: status, headers and body of a response.
//!
//! The server itself sets the headers that frame a message (`Content-Length`, `Connection` and others). Bytes that
//! could smuggle something into a head are refused when they are given, not when they are sent.
//!
//! Next: `status.rs`, the words for a status.

use super::writer::{BodyWriter, StreamToSend};
use crate::deferred::{Given, IntoDeferred};
use crate::error::debug_is_display;
use crate::http::head::is_token_byte;
use std::borrow::Cow;
use std::fmt;
use std::rc::Rc;

/// Headers with which the server frames messages and steers the connection.
const OWNED: [&str; 8] =
    ["content-length", "transfer-encoding", "connection", "keep-alive", "trailer", "upgrade", "date", "content-type"];

/// A response: status, headers, body.
///
/// ```
/// use reactor::http::server::Response;
///
/// let page = Response::html("<h1>hello</h1>").header("Cache-Control", "no-store")?;
/// let missing = Response::text("there is nothing here\n").with_status(404);
/// # Ok::<(), reactor::Failure>(())
/// ```
pub struct Response {
    pub(super) status: u16,
    pub(super) content_type: Option<Cow<'static, str>>,
    /// Header lines, each with its CR LF.
    pub(super) headers: Vec<u8>,
    pub(super) body: Body,
    /// Whether the connection closes after it.
    pub(super) closes: bool,
}

/// The body of a response.
pub(super) enum Body {
    Bytes(Cow<'static, [u8]>),
    /// One that many responses share.
    Shared(Rc<[u8]>),
    Stream(StreamToSend),
}

impl Response {
    /// A response without a body: a status from 200 to 599. Any other is a mistake; it is logged and sent as 500.
    pub fn new(status: u16) -> Response {
        let body = Body::Bytes(Cow::Borrowed(b""));
        Response { status, content_type: None, headers: Vec::new(), body, closes: false }
    }

    /// Status 200 with this text.
    pub fn text(text: impl Into<Cow<'static, str>>) -> Response {
        Response::with_text("text/plain; charset=utf-8", text.into())
    }

    /// Status 200 with this page.
    pub fn html(page: impl Into<Cow<'static, str>>) -> Response {
        Response::with_text("text/html; charset=utf-8", page.into())
    }

    /// Status 200 with this JSON.
    pub fn json(text: impl Into<Cow<'static, str>>) -> Response {
        Response::with_text("application/json", text.into())
    }

    fn with_text(content_type: &'static str, text: Cow<'static, str>) -> Response {
        let bytes = match text {
            Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
            Cow::Owned(text) => Cow::Owned(text.into_bytes()),
        };
        Response { content_type: Some(Cow::Borrowed(content_type)), body: Body::Bytes(bytes), ..Response::new(200) }
    }

    /// Status 200 with these bytes.
    ///
    /// # Errors
    /// [`HeaderError`] if the content type cannot be sent.
    pub fn bytes(
        content_type: impl Into<Cow<'static, str>>,
        bytes: impl Into<Cow<'static, [u8]>>,
    ) -> Result<Response, HeaderError> {
        let content_type = checked_content_type(content_type.into())?;
        Ok(Response { content_type: Some(content_type), body: Body::Bytes(bytes.into()), ..Response::new(200) })
    }

    /// Status 200 with bytes that other responses have, too.
    ///
    /// # Errors
    /// [`HeaderError`] if the content type cannot be sent.
    pub fn shared(content_type: impl Into<Cow<'static, str>>, bytes: Rc<[u8]>) -> Result<Response, HeaderError> {
        let content_type = checked_content_type(content_type.into())?;
        Ok(Response { content_type: Some(content_type), body: Body::Shared(bytes), ..Response::new(200) })
    }

    /// Status 200 with a body that the writer writes, before and after this response is returned. The client gets it in
    /// chunks. Twisted's `request.write` and `NOT_DONE_YET`.
    ///
    /// # Errors
    /// [`HeaderError`] if the content type cannot be sent.
    pub fn stream(content_type: impl Into<Cow<'static, str>>) -> Result<(Response, BodyWriter), HeaderError> {
        let content_type = checked_content_type(content_type.into())?;
        let (response, writer) = Response::of_stream(content_type, false);
        Ok((response, writer))
    }

    pub(super) fn of_stream(content_type: Cow<'static, str>, is_events: bool) -> (Response, BodyWriter) {
        let writer = BodyWriter::new(is_events);
        let body = Body::Stream(writer.to_send());
        (Response { content_type: Some(content_type), body, ..Response::new(200) }, writer)
    }

    /// Leads the client to another address. `status` is 301, 302, 303, 307 or 308.
    ///
    /// # Errors
    /// [`HeaderError`] if the address cannot be sent.
    pub fn redirect(status: u16, location: &str) -> Result<Response, HeaderError> {
        Response::new(status).header("Location", location)
    }

    /// Sets the status: see [`new`](Response::new).
    pub fn with_status(self, status: u16) -> Response {
        Response { status, ..self }
    }

    /// Adds a header.
    ///
    /// # Errors
    /// [`HeaderError`] if the name is not a token, if the value contains a control character, or if the server sets
    /// this header itself.
    pub fn header(mut self, name: &str, value: &str) -> Result<Response, HeaderError> {
        if name.is_empty() || !name.bytes().all(is_token_byte) {
            return Err(HeaderError::Name);
        }
        if OWNED.iter().any(|owned| name.eq_ignore_ascii_case(owned)) {
            return Err(HeaderError::Owned(name.to_owned()));
        }
        check_value(name, value)?;
        self.add_checked(name, value);
        Ok(self)
    }

    /// Adds a header whose name and value are known to be sound.
    pub(super) fn add_checked(&mut self, name: &str, value: &str) {
        for part in [name, ": ", value, "\r\n"] {
            self.headers.extend_from_slice(part.as_bytes());
        }
    }

    /// Tells a browser to believe the content type, and not to guess another one from the bytes.
    pub(super) fn forbid_sniffing(&mut self) {
        const LINE: &[u8] = b"X-Content-Type-Options: nosniff\r\n";
        if memchr::memmem::find(&self.headers, LINE).is_none() {
            self.headers.extend_from_slice(LINE);
        }
    }

    /// Closes the connection after this response.
    pub fn and_close(self) -> Response {
        Response { closes: true, ..self }
    }

    /// The status.
    pub fn status(&self) -> u16 {
        self.status
    }
}

fn checked_content_type(content_type: Cow<'static, str>) -> Result<Cow<'static, str>, HeaderError> {
    check_value("Content-Type", &content_type)?;
    Ok(content_type)
}

fn check_value(name: &str, value: &str) -> Result<(), HeaderError> {
    match value.bytes().any(|byte| byte.is_ascii_control() && byte != b'\t') {
        true => Err(HeaderError::Value(name.to_owned())),
        false => Ok(()),
    }
}

/// A service may return a response as it is.
impl IntoDeferred for Response {
    type Value = Response;
    #[inline]
    fn into_given(self) -> Given<Response> {
        Given::Ready(Ok(self))
    }
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let body = match &self.body {
            Body::Bytes(bytes) => format!("{} bytes", bytes.len()),
            Body::Shared(bytes) => format!("{} bytes", bytes.len()),
            Body::Stream(_) => "a stream".to_owned(),
        };
        write!(f, "Response({}, {body})", self.status)
    }
}

/// Why a header cannot be sent: a mistake of the service. The text never has a header's value, which may be secret.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum HeaderError {
    /// The name is not a token.
    Name,
    /// The value of this header contains a control character.
    Value(String),
    /// The server sets this header itself; the content type has an argument of its own.
    Owned(String),
}

impl fmt::Display for HeaderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HeaderError::Name => f.write_str("a header's name is letters, digits and a few signs"),
            HeaderError::Value(name) => write!(f, "the value of the header {name} holds a control character"),
            HeaderError::Owned(name) => write!(f, "the header {name} is set by the server itself"),
        }
    }
}

impl std::error::Error for HeaderError {}

debug_is_display!(HeaderError);
