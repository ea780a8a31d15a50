//! [`RequestHead`]: request line and headers of a request, kept as received. Sans-I/O.
//!
//! The request line is read here, to the letter: a method, one space, a target, one space, a version, CR LF. RFC 9112,
//! section 3, lets a server take other white space too; then two readers may find two targets. The headers are read
//! as those of a response are (`head.rs`).
//!
//! Next: `request.rs`, the parser of requests.

use super::framing::{Framing, FramingHeaders};
use super::head::{BARE_LF, Version, header_lines, is_token_byte, read_headers};
use super::limits::Limits;
use super::refusal::Refusal;
use std::fmt;
use std::ops::Range;

/// The head of a request.
///
/// It is kept as received, in one piece, and looking for a header walks its lines.
#[derive(Clone, PartialEq, Eq)]
pub struct RequestHead {
    version: Version,
    line: RequestLine,
    expects_continue: bool,
    /// Request line, headers and the empty line. All are checked: each ends with CR LF, and each header has a colon.
    bytes: Box<[u8]>,
}

/// Where the parts of a request line are.
#[derive(Debug, Clone, PartialEq, Eq)]
struct RequestLine {
    method: usize,
    target: Range<usize>,
    /// In the target: the path and the query.
    path: usize,
    /// Bytes of the line, with its CR LF.
    length: usize,
}

/// A head that has been read, and what it says of the body.
pub(super) struct ReadHead {
    pub(super) head: RequestHead,
    pub(super) framing: Framing,
}

impl RequestHead {
    /// The method, as it came: methods are case-sensitive.
    pub fn method(&self) -> &str {
        self.text(0..self.line.method)
    }

    /// The target, as it came: a path and perhaps a query; a whole URL, if the peer takes us for a proxy; or `*`.
    pub fn target(&self) -> &str {
        self.text(self.line.target.clone())
    }

    /// The path of the target, still percent-encoded. It begins with a slash, but for the target `*`.
    pub fn path(&self) -> &str {
        let (path, _) = self.path_and_query();
        if path.is_empty() { "/" } else { path } // A URL such as `http://host?query`.
    }

    /// The query of the target, without the question mark.
    pub fn query(&self) -> Option<&str> {
        self.path_and_query().1
    }

    fn path_and_query(&self) -> (&str, Option<&str>) {
        let text = self.text(self.line.path..self.line.target.end);
        text.split_once('?').map_or((text, None), |(path, query)| (path, Some(query)))
    }

    /// Whether the target is a whole URL that begins with `https:`.
    pub(crate) fn is_for_https(&self) -> bool {
        self.target().get(..6).is_some_and(|start| start.eq_ignore_ascii_case("https:"))
    }

    /// Whether it says how long its body is, if one is to come.
    pub(crate) fn has_length(&self) -> bool {
        self.headers().any(|(name, _)| {
            name.eq_ignore_ascii_case("content-length") || name.eq_ignore_ascii_case("transfer-encoding")
        })
    }

    /// The version that the client speaks.
    pub fn version(&self) -> Version {
        self.version
    }

    /// The host that is asked, with its port if it has one. `None` only in HTTP/1.0.
    pub fn host(&self) -> Option<&str> {
        self.header("host").next().and_then(|host| std::str::from_utf8(host).ok())
    }

    /// The values of all headers of this name, ignoring case.
    pub fn header<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.headers().filter(move |(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// All headers in order: names as they came, values without the white space around them.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &[u8])> {
        header_lines(&self.bytes[self.line.length..])
    }

    /// Whether the client waits for `100 Continue` before it sends the body.
    pub fn expects_continue(&self) -> bool {
        self.expects_continue
    }

    /// A part of the request line, which is ASCII.
    fn text(&self, range: Range<usize>) -> &str {
        std::str::from_utf8(&self.bytes[range]).unwrap_or_default()
    }
}

/// Reads the head at the beginning of `bytes`; `None` if its end has not come. The other number is its length.
#[inline(always)]
pub(super) fn read_request_head(bytes: &[u8], limits: &Limits) -> Result<Option<(ReadHead, usize)>, Refusal> {
    let bytes = &bytes[..bytes.len().min(limits.head)];
    let Some((line, version)) = request_line(bytes)? else { return Ok(None) };
    let mut headers = RequestHeaders::default();
    let length = read_headers(bytes, line.length, limits, |name, value| headers.note(name, value))?;
    let Some(length) = length else { return Ok(None) };
    if line.target.len() > limits.target {
        return Err(Refusal::TargetTooLong);
    }
    let line = RequestLine { path: check_target(bytes, &line, version, &headers)?, ..line };
    let expects_continue = match headers.expectation {
        None => false,
        // RFC 9110, section 10.1.1: a client that speaks 1.0 cannot wait for it.
        Some(what) if what.eq_ignore_ascii_case(b"100-continue") => version == Version::Http11,
        Some(_) => return Err(Refusal::UnknownExpectation),
    };
    let framing = headers.framing.request_framing(version, limits)?;
    let head = RequestHead { version, line, expects_continue, bytes: bytes[..length].into() };
    Ok(Some((ReadHead { head, framing }, length)))
}

/// Reads the request line; `None` if its end has not come.
#[inline(always)]
fn request_line(bytes: &[u8]) -> Result<Option<(RequestLine, Version)>, Refusal> {
    let Some(end) = memchr::memchr(b'\n', bytes) else { return Ok(None) };
    let Some(line) = bytes[..end].strip_suffix(b"\r") else { return Err(malformed(BARE_LF)) };
    let method = line.iter().take_while(|byte| is_token_byte(**byte)).count();
    if method == 0 || line.get(method) != Some(&b' ') {
        return Err(malformed("the method is not a token with one space after it"));
    }
    let rest = &line[method + 1..];
    // Printable ASCII; a fragment is never sent.
    let target = rest.iter().take_while(|byte| byte.is_ascii_graphic() && **byte != b'#').count();
    if target == 0 || rest.get(target) != Some(&b' ') {
        return Err(malformed("the target is not printable ASCII with one space after it"));
    }
    let version = match &rest[target + 1..] {
        b"HTTP/1.1" => Version::Http11,
        b"HTTP/1.0" => Version::Http10,
        [b'H', b'T', b'T', b'P', b'/', major, b'.', minor] if major.is_ascii_digit() && minor.is_ascii_digit() => {
            return Err(Refusal::UnsupportedVersion);
        }
        _ => return Err(malformed("the version is not HTTP/1.0 or HTTP/1.1")),
    };
    let start = method + 1;
    Ok(Some((RequestLine { method, target: start..start + target, path: start, length: end + 1 }, version)))
}

fn malformed(what: &str) -> Refusal {
    Refusal::BadHead(what.to_owned())
}

/// Checks the target and the host: RFC 9112, section 3.2. Returns where the path begins.
#[inline(always)]
fn check_target(
    bytes: &[u8],
    line: &RequestLine,
    version: Version,
    headers: &RequestHeaders<'_>,
) -> Result<usize, Refusal> {
    let (method, target) = (&bytes[..line.method], &bytes[line.target.clone()]);
    match headers.host {
        _ if method == b"CONNECT" => return Err(Refusal::Connect),
        _ if headers.is_host_repeated => return Err(Refusal::RepeatedHost),
        None if version == Version::Http11 => return Err(Refusal::NoHost),
        Some(host) if !is_host(host) => return Err(Refusal::BadHost),
        _ => {}
    }
    if target[0] == b'/' || target == b"*" && method == b"OPTIONS" {
        return Ok(line.path);
    }
    // The absolute form. A server must take it, and a proxy may have sent it on (RFC 9112, section 3.2.2).
    let scheme = [&b"http://"[..], b"https://"]
        .into_iter()
        .find(|scheme| target.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme)));
    let Some(scheme) = scheme else { return Err(Refusal::BadTarget) };
    let rest = &target[scheme.len()..];
    let authority = rest.iter().take_while(|byte| !matches!(byte, b'/' | b'?')).count();
    let host = &rest[..authority];
    if !is_host(host) {
        return Err(Refusal::BadTarget);
    }
    match headers.host {
        Some(named) if !named.eq_ignore_ascii_case(host) => Err(Refusal::OtherHost),
        _ => Ok(line.path + scheme.len() + authority),
    }
}

/// Whether this is a host as `http` URLs have it, perhaps with a port: RFC 9110, section 7.2. A comma is none of a
/// name's characters here: with one, two headers may have become one.
fn is_host(text: &[u8]) -> bool {
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~%!$&'()*+;=".contains(&byte);
    let (host, port) = match text.strip_prefix(b"[") {
        Some(rest) => {
            let Some(end) = memchr::memchr(b']', rest) else { return false };
            let is_address = rest[..end].iter().all(|byte| byte.is_ascii_hexdigit() || b":.".contains(byte));
            if end == 0 || !is_address {
                return false;
            }
            (&rest[..end], &rest[end + 1..])
        }
        None => {
            let end = memchr::memchr(b':', text).unwrap_or(text.len());
            if !text[..end].iter().all(|byte| is_name(*byte)) {
                return false;
            }
            text.split_at(end)
        }
    };
    let is_port = match port {
        [] => true,
        [b':', digits @ ..] => digits.len() <= 5 && digits.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    !host.is_empty() && is_port
}

/// The headers that a server acts on itself, noted one by one.
#[derive(Debug, Default)]
struct RequestHeaders<'a> {
    framing: FramingHeaders<'a>,
    host: Option<&'a [u8]>,
    is_host_repeated: bool,
    expectation: Option<&'a [u8]>,
}

impl<'a> RequestHeaders<'a> {
    #[inline(always)]
    fn note(&mut self, name: &'a str, value: &'a [u8]) {
        match name.len() {
            4 if name.eq_ignore_ascii_case("host") => {
                self.is_host_repeated |= self.host.replace(value).is_some();
            }
            6 if name.eq_ignore_ascii_case("expect") => {
                // A second one is an expectation that nobody knows.
                self.expectation = Some(if self.expectation.is_none() { value } else { b"" });
            }
            _ => self.framing.note(name, value),
        }
    }
}

impl fmt::Debug for RequestHead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let headers: Vec<_> = self.headers().map(|(name, value)| (name, String::from_utf8_lossy(value))).collect();
        f.debug_struct("RequestHead")
            .field("method", &self.method())
            .field("target", &self.target())
            .field("version", &self.version)
            .field("headers", &headers)
            .finish()
    }
}
