//! [`Request`]: method, URL, headers and body of a request, and their bytes. Sans-I/O.
//!
//! The client itself sets the headers that frame a message (`Content-Length`, `Host`, `Connection` and others), and the
//! program cannot. Bytes that could smuggle something into a head are refused when they are given, not when they are
//! sent, so that the error is reported where the mistake is.
//!
//! **Secrets.** `Debug` shows neither the query nor the value of a header with credentials. Headers of
//! [`secret_header`](Request::secret_header) and query parameters of [`secret_query`](Request::secret_query) do not go
//! along when a redirect leads to another origin.
//!
//! Next: `timing.rs`, when it reaches its steps.

use crate::error::debug_is_display;
use crate::http::head::is_token_byte;
use crate::http::url::{Url, percent_decoded};
use std::borrow::Cow;
use std::fmt;
use std::rc::Rc;

/// Headers that carry credentials by their nature.
const CREDENTIALS: [&str; 3] = ["authorization", "cookie", "cookie2"];

/// Headers with which the client frames messages, steers the connection and says what it can decode; and headers for a
/// proxy, which would reach the server instead.
const OWNED: [&str; 12] = [
    "host",
    "content-length",
    "transfer-encoding",
    "connection",
    "keep-alive",
    "proxy-connection",
    "proxy-authorization",
    "te",
    "trailer",
    "upgrade",
    "expect",
    "accept-encoding",
];

/// Secrets shorter than this are not searched for in the address of a redirect: they would be found there by chance.
const MIN_SECRET: usize = 6;

/// Why a request cannot be sent: a mistake of the caller. The text never has a header's value, which may be secret.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum RequestError {
    /// The method is not a token, or is `CONNECT`, which only the client itself sends, to a proxy.
    Method,
    /// The header's name is not a token.
    HeaderName,
    /// The value of this header contains a control character.
    HeaderValue(String),
    /// This header is set by the client itself.
    OwnedHeader(String),
}

impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RequestError::Method => f.write_str("a method is letters, digits and a few signs, and not CONNECT"),
            RequestError::HeaderName => f.write_str("a header's name is letters, digits and a few signs"),
            RequestError::HeaderValue(name) => write!(f, "the value of the header {name} holds a control character"),
            RequestError::OwnedHeader(name) => write!(f, "the header {name} is set by the client itself"),
        }
    }
}

impl std::error::Error for RequestError {}

debug_is_display!(RequestError);

/// A header of a request.
#[derive(Clone, PartialEq, Eq)]
struct Field {
    name: String,
    value: String,
    is_secret: bool,
}

/// One request: method, URL, headers, body. Cheap enough to clone; the body is shared.
///
/// ```
/// use reactor::http::{Request, Url};
///
/// let url: Url = "https://example.com/search?key=12345".parse()?;
/// let request = Request::post(url, "{}").header("Content-Type", "application/json")?.secret_query("key");
/// assert!(!format!("{request:?}").contains("12345"));
/// # Ok::<(), reactor::Failure>(())
/// ```
#[derive(Clone)]
pub struct Request {
    method: Cow<'static, str>,
    url: Url,
    headers: Vec<Field>,
    secret_query: Vec<String>,
    body: Rc<Vec<u8>>,
    /// The program says that sending it twice is as good as sending it once.
    is_marked_idempotent: bool,
}

impl Request {
    /// A GET request.
    pub fn get(url: Url) -> Request {
        Request::of("GET", url)
    }

    /// A HEAD request: the head that [`get`](Request::get) would give, without the body.
    pub fn head(url: Url) -> Request {
        Request::of("HEAD", url)
    }

    /// A POST request with this body.
    pub fn post(url: Url, body: impl Into<Vec<u8>>) -> Request {
        Request::of("POST", url).body(body)
    }

    /// A request with any method; methods are case-sensitive.
    ///
    /// # Errors
    /// [`RequestError::Method`].
    pub fn new(method: &str, url: Url) -> Result<Request, RequestError> {
        match is_token(method) && method != "CONNECT" {
            true => Ok(Request::of(method.to_owned(), url)),
            false => Err(RequestError::Method),
        }
    }

    fn of(method: impl Into<Cow<'static, str>>, url: Url) -> Request {
        let (headers, secret_query, body) = (Vec::new(), Vec::new(), Rc::default());
        Request { method: method.into(), url, headers, secret_query, body, is_marked_idempotent: false }
    }

    /// Adds a header; others of the same name stay.
    ///
    /// # Errors
    /// [`RequestError`] if it could not be sent as one header, or if the client sets it itself.
    pub fn header(self, name: &str, value: &str) -> Result<Request, RequestError> {
        let is_secret = CREDENTIALS.iter().any(|known| name.eq_ignore_ascii_case(known));
        self.add(name, value, is_secret)
    }

    /// Adds a header that carries a secret, such as an API key. `Debug` does not show it, and it is not sent along when
    /// a redirect leads to another origin. `Authorization` and cookies are treated so in any case.
    ///
    /// # Errors
    /// As [`header`](Request::header).
    pub fn secret_header(self, name: &str, value: &str) -> Result<Request, RequestError> {
        self.add(name, value, true)
    }

    fn add(mut self, name: &str, value: &str, is_secret: bool) -> Result<Request, RequestError> {
        if !is_token(name) {
            return Err(RequestError::HeaderName);
        }
        if OWNED.iter().any(|owned| name.eq_ignore_ascii_case(owned)) {
            return Err(RequestError::OwnedHeader(name.to_owned()));
        }
        if value.bytes().any(|byte| byte.is_ascii_control() && byte != b'\t') {
            return Err(RequestError::HeaderValue(name.to_owned()));
        }
        self.headers.push(Field { name: name.to_owned(), value: value.to_owned(), is_secret });
        Ok(self)
    }

    /// Marks the query parameter of this name as a secret: it is not sent when a redirect leads to another
    /// origin.
    pub fn secret_query(mut self, name: &str) -> Request {
        self.secret_query.push(name.to_owned());
        self
    }

    /// Sets the body. `Content-Length` follows from it.
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Request {
        self.body = Rc::new(body.into());
        self
    }

    /// Marks the request as idempotent although its method is not: a search by POST, for example. It is then sent again
    /// if a kept connection turns out to be stale.
    pub fn idempotent(self) -> Request {
        Request { is_marked_idempotent: true, ..self }
    }

    /// The method.
    pub fn method(&self) -> &str {
        &self.method
    }

    /// The URL.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// The body's bytes.
    pub(super) fn content(&self) -> &[u8] {
        &self.body
    }

    /// Whether sending it twice is as good as sending it once: RFC 9110, section 9.2.2.
    pub(super) fn is_idempotent(&self) -> bool {
        self.is_marked_idempotent || matches!(self.method(), "GET" | "HEAD" | "OPTIONS" | "TRACE" | "PUT" | "DELETE")
    }

    /// The bytes before the body. `target` is that of the request line; `more` are header lines of the client's own,
    /// each with its CR LF.
    pub(super) fn head_bytes(&self, target: &str, user_agent: &str, more: &[&str]) -> Vec<u8> {
        let mut head = Vec::with_capacity(256);
        let mut line = |pieces: &[&str]| {
            for piece in pieces {
                head.extend_from_slice(piece.as_bytes());
            }
        };
        let (bracket, host, after, port) = self.url.authority_pieces();
        line(&[&self.method, " ", target, " HTTP/1.1\r\nHost: ", bracket, host, after, &port, "\r\n"]);
        if !user_agent.is_empty() && !self.headers.iter().any(|field| field.name.eq_ignore_ascii_case("user-agent")) {
            line(&["User-Agent: ", user_agent, "\r\n"]);
        }
        for field in &self.headers {
            line(&[&field.name, ": ", &field.value, "\r\n"]);
        }
        line(more);
        // A server may wait for a body if a method that usually has one comes without a length (RFC 9110, section 8.6).
        if !self.body.is_empty() || matches!(self.method(), "POST" | "PUT" | "PATCH") {
            line(&["Content-Length: ", &self.body.len().to_string(), "\r\n"]);
        }
        line(&["\r\n"]);
        head
    }

    /// The request that follows a redirect to `url` with `method`. Another origin gets no credentials; `None` if `url`
    /// itself contains one that cannot be taken out.
    pub(super) fn redirected(&self, url: Url, method: &str) -> Option<Request> {
        let mut next = Request { method: method.to_owned().into(), url, ..self.clone() };
        if method != self.method {
            next.body = Rc::default();
            next.headers.retain(|field| !field.name.to_ascii_lowercase().starts_with("content-"));
        }
        if self.url.is_same_origin(&next.url) {
            return Some(next);
        }
        let secrets = self.secrets();
        next.headers.retain(|field| !field.is_secret);
        let target = without_parameters(next.url.target(), &self.secret_query);
        let has_leaked = secrets.iter().any(|secret| holds(&target, secret));
        next.url = next.url.with_target(&target).ok().filter(|_| !has_leaked)?;
        Some(next)
    }

    /// The values that another origin must not see.
    fn secrets(&self) -> Vec<String> {
        let (_, query) = self.url.target().split_once('?').unwrap_or_default();
        let parameters = query.split('&').filter_map(|one| one.split_once('='));
        let in_query = parameters.filter(|(name, _)| self.secret_query.iter().any(|secret| secret == name));
        let in_headers = self.headers.iter().filter(|field| field.is_secret).map(|field| field.value.clone());
        let all = in_query.map(|(_, value)| value.to_owned()).chain(in_headers);
        all.filter(|secret| secret.len() >= MIN_SECRET).collect()
    }
}

/// Whether `target` contains `secret`, percent-encoded or not.
fn holds(target: &str, secret: &str) -> bool {
    let forms = |text: &str| [Some(text.as_bytes().to_vec()), percent_decoded(text)].into_iter().flatten();
    forms(target).any(|target| forms(secret).any(|secret| target.windows(secret.len()).any(|part| part == secret)))
}

/// `target` without the query parameters of these names.
fn without_parameters(target: &str, names: &[String]) -> String {
    let Some((path, query)) = target.split_once('?') else { return target.to_owned() };
    let is_kept = |one: &&str| !names.iter().any(|name| one.split('=').next() == Some(name));
    let kept: Vec<&str> = query.split('&').filter(is_kept).collect();
    match kept.is_empty() {
        true => path.to_owned(),
        false => format!("{path}?{}", kept.join("&")),
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Request({} {}", self.method, self.url.without_query())?;
        for field in &self.headers {
            let value = if field.is_secret { "..." } else { &field.value };
            write!(f, ", {}: {value}", field.name)?;
        }
        write!(f, ", {} bytes)", self.body.len())
    }
}

/// Whether `text` is a token: RFC 9110, section 5.6.2.
fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(is_token_byte)
}
