//! [`Request`]: what is to be asked, and its bytes. Pure.
//!
//! What frames a message (`Content-Length`, `Host`, `Connection` and the like) is the client's business and cannot be
//! set; what could smuggle something into a head is refused when it is given, not when it is sent.
//!
//! **Secrets.** `Debug` shows neither the query nor the value of a header that carries credentials. A header of
//! [`secret_header`](Request::secret_header) and a query parameter of [`secret_query`](Request::secret_query) do not
//! follow a redirect to another origin.

use crate::http::url::{Url, percent_decoded};
use std::borrow::Cow;
use std::fmt;
use std::rc::Rc;

/// Headers that carry credentials by their nature.
const CREDENTIALS: [&str; 3] = ["authorization", "cookie", "cookie2"];

/// Headers by which the client frames messages, steers the connection or says what it can decode; and those meant for a
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

/// A value that is shorter than this is found in many an address by chance; nobody's secret is so short.
const SHORTEST_SECRET: usize = 6;

/// A request is not one that could be sent: the caller's mistake. Values are never told, as they may be secret.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum RequestError {
    /// The method is no token, or `CONNECT`, which asks a proxy for a tunnel.
    Method,
    /// The header's name is no token.
    HeaderName,
    /// The value of the header of this name holds a control character.
    HeaderValue(String),
    /// The header of this name is the client's own to set.
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

/// A header of a request.
#[derive(Clone, PartialEq, Eq)]
struct Field {
    name: String,
    value: String,
    is_secret: bool,
}

/// One request: method, address, headers, body. Cheap enough to clone; the body is shared.
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
    /// Whoever made it says that asking twice does no harm.
    is_harmless: bool,
}

impl Request {
    /// Asks for what is at `url`.
    pub fn get(url: Url) -> Request {
        Request::of("GET", url)
    }

    /// Asks what [`get`](Request::get) would give, without its body.
    pub fn head(url: Url) -> Request {
        Request::of("HEAD", url)
    }

    /// Gives `body` to what is at `url`.
    pub fn post(url: Url, body: impl Into<Vec<u8>>) -> Request {
        Request::of("POST", url).body(body)
    }

    /// A request of any method; methods are told apart by case.
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
        Request { method: method.into(), url, headers, secret_query, body, is_harmless: false }
    }

    /// Adds a header; those of the same name stay.
    ///
    /// # Errors
    /// [`RequestError`] if it could not be sent as one header, or is the client's own.
    pub fn header(self, name: &str, value: &str) -> Result<Request, RequestError> {
        let is_secret = CREDENTIALS.iter().any(|known| name.eq_ignore_ascii_case(known));
        self.add(name, value, is_secret)
    }

    /// Adds a header that carries a secret, such as an API key: `Debug` does not show it and a redirect to another
    /// origin does not get it. `Authorization` and cookies are secret in any case.
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

    /// Says that the query parameter of this name is a secret: it does not follow a redirect to another origin.
    pub fn secret_query(mut self, name: &str) -> Request {
        self.secret_query.push(name.to_owned());
        self
    }

    /// Sets the body. Its length goes with it.
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Request {
        self.body = Rc::new(body.into());
        self
    }

    /// Says that asking twice is as good as asking once, although the method does not: a search by POST, for example. A
    /// kept connection that turns out to be stale is then no reason to fail.
    pub fn idempotent(self) -> Request {
        Request { is_harmless: true, ..self }
    }

    /// The method.
    pub fn method(&self) -> &str {
        &self.method
    }

    /// Where it goes.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// The body's bytes.
    pub(super) fn content(&self) -> &[u8] {
        &self.body
    }

    /// Whether asking twice is as good as asking once: RFC 9110, section 9.2.2.
    pub(super) fn is_idempotent(&self) -> bool {
        self.is_harmless || matches!(self.method(), "GET" | "HEAD" | "OPTIONS" | "TRACE" | "PUT" | "DELETE")
    }

    /// The bytes before the body. `target` is what stands in the first line; `more` are lines of the client's own,
    /// each with its end.
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
        // A server may wait for the body of a method that usually has one.
        if !self.body.is_empty() || matches!(self.method(), "POST" | "PUT" | "PATCH") {
            line(&["Content-Length: ", &self.body.len().to_string(), "\r\n"]);
        }
        line(&["\r\n"]);
        head
    }

    /// The request by which a redirect to `url` is followed, which says to use the method `method`. Another origin
    /// gets no credentials; `None` if the address itself holds one that cannot be taken out.
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
        all.filter(|secret| secret.len() >= SHORTEST_SECRET).collect()
    }
}

/// Whether `target` holds `secret`, percent-encoded or not.
fn holds(target: &str, secret: &str) -> bool {
    let forms = |text: &str| [Some(text.as_bytes().to_vec()), percent_decoded(text)].into_iter().flatten();
    forms(target).any(|target| forms(secret).any(|secret| target.windows(secret.len()).any(|part| part == secret)))
}

/// The target without the query parameters of these names.
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

/// RFC 9110, section 5.6.2.
fn is_token(text: &str) -> bool {
    let is_fit = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(is_fit)
}
