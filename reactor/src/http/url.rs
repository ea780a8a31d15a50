//! [`Url`]: an `http` or `https` address in its parts (RFC 3986), as far as a client needs them.
//!
//! Next: `limits.rs`, what a message may cost.

use crate::error::debug_is_display;
use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;

/// An address such as `https://example.com/path?query`.
///
/// ```
/// use reactor::http::Url;
/// let url: Url = "https://example.com:8443/near?radius=5".parse()?;
/// assert_eq!((url.host_name(), url.port(), url.target()), ("example.com", 8443, "/near?radius=5"));
/// # Ok::<(), reactor::http::UrlError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Url {
    secure: bool,
    host: String,
    port: u16,
    target: String,
}

/// A text is not a URL that a client can use.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum UrlError {
    /// It does not begin with `http://` or `https://`.
    Scheme,
    /// There is no host name or address, or it contains a character that is not allowed there.
    Host,
    /// The port is not a number from 1 to 65535.
    Port,
    /// There is a user name or password before the host. It would end up in logs.
    UserInfo,
    /// It contains white space, a control character or a non-ASCII character, which must be percent-encoded.
    Character,
}

impl fmt::Display for UrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            UrlError::Scheme => "a URL begins with http:// or https://",
            UrlError::Host => "the URL has no proper host name",
            UrlError::Port => "the URL's port is not a number from 1 to 65535",
            UrlError::UserInfo => "a URL with a user name or password is not accepted",
            UrlError::Character => "the URL holds a character that must be percent-encoded",
        })
    }
}

impl std::error::Error for UrlError {}

debug_is_display!(UrlError);

impl Url {
    /// Whether it is `https`.
    pub fn is_secure(&self) -> bool {
        self.secure
    }

    /// The host name or address, without the brackets of an IPv6 address.
    pub fn host_name(&self) -> &str {
        &self.host
    }

    /// The port, 80 or 443 if none is given.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Path and query, as a request line has them; at least `/`.
    pub fn target(&self) -> &str {
        &self.target
    }

    /// A URL of the same scheme, host and port, with another path and query.
    ///
    /// # Errors
    /// [`UrlError::Character`] if a character must be percent-encoded. That includes `#`: it would begin a fragment,
    /// which is never sent.
    pub fn with_target(&self, target: &str) -> Result<Url, UrlError> {
        check_characters(target)?;
        if target.contains('#') {
            return Err(UrlError::Character);
        }
        let target = if target.starts_with('/') { target.to_owned() } else { format!("/{target}") };
        Ok(Url { target, ..self.clone() })
    }

    /// Scheme, host and port (RFC 6454). It is the part of a URL that holds no secret, so errors and logs may show it.
    pub fn origin(&self) -> String {
        format!("{}://{}", if self.secure { "https" } else { "http" }, self.authority())
    }

    /// The URL as logs may show it: without the query, which may hold secrets.
    pub(super) fn without_query(&self) -> String {
        let (path, dots) = self.target.split_once('?').map_or((&self.target[..], ""), |(path, _)| (path, "?..."));
        format!("{}{path}{dots}", self.origin())
    }

    /// Whether both have the same origin: scheme, host and port.
    pub fn is_same_origin(&self, other: &Url) -> bool {
        (self.secure, &self.host, self.port) == (other.secure, &other.host, other.port)
    }

    /// Host and port as the `Host` header has them: the port only if it is not the usual one.
    pub fn authority(&self) -> String {
        let (bracket, host, after, port) = self.authority_pieces();
        [bracket, host, after, &port].concat()
    }

    /// The pieces of the [`authority`](Url::authority), to be written without joining them first: an opening bracket or
    /// nothing, the host, what closes the host, and the port if it is not the usual one.
    pub(super) fn authority_pieces(&self) -> (&'static str, &str, &'static str, String) {
        let is_ipv6 = self.host.contains(':');
        let usual = if self.secure { 443 } else { 80 };
        let (after, port) = match self.port == usual {
            true => (if is_ipv6 { "]" } else { "" }, String::new()),
            false => (if is_ipv6 { "]:" } else { ":" }, self.port.to_string()),
        };
        (if is_ipv6 { "[" } else { "" }, &self.host, after, port)
    }
}

impl Url {
    /// The URL that `reference`, from a `Location` header for example, means here: RFC 3986, section 5.2. A fragment is
    /// dropped, as it is never sent.
    ///
    /// # Errors
    /// [`UrlError`] if the result is not a URL that a client can use.
    pub fn join(&self, reference: &str) -> Result<Url, UrlError> {
        check_characters(reference)?;
        let reference = reference.split_once('#').map_or(reference, |(before, _fragment)| before);
        if has_scheme(reference) {
            let url: Url = reference.parse()?;
            let target = without_dots(&url.target);
            return Ok(Url { target, ..url });
        }
        if reference.starts_with("//") {
            let scheme = if self.secure { "https:" } else { "http:" };
            return self.join(&format!("{scheme}{reference}"));
        }
        let (path, _query) = self.target.split_once('?').unwrap_or((&self.target, ""));
        let target = match reference.as_bytes().first() {
            None => self.target.clone(),
            Some(b'?') => format!("{path}{reference}"),
            Some(b'/') => without_dots(reference),
            Some(_) => {
                let folder = path.rfind('/').map_or("/", |last| &path[..=last]);
                without_dots(&format!("{folder}{reference}"))
            }
        };
        Ok(Url { target, ..self.clone() })
    }
}

/// Whether `reference` begins with a scheme: RFC 3986, section 3.1. Colons in a path or query do not count.
fn has_scheme(reference: &str) -> bool {
    let Some((scheme, _)) = reference.split_once(':') else { return false };
    scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
}

/// Removes the dot segments from the path of a target: RFC 3986, section 5.2.4. The query stays as it is.
fn without_dots(target: &str) -> String {
    let (path, query) = target.split_at(target.find('?').unwrap_or(target.len()));
    let mut kept: Vec<&str> = Vec::new();
    let mut segments = path.split('/').skip(1).peekable(); // The first is the empty text before the leading slash.
    while let Some(segment) = segments.next() {
        let is_last = segments.peek().is_none();
        match segment {
            "." | ".." => {
                if segment == ".." {
                    kept.pop();
                }
                if is_last {
                    kept.push("");
                }
            }
            _ => kept.push(segment),
        }
    }
    format!("/{}{query}", kept.join("/"))
}

impl FromStr for Url {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Url, UrlError> {
        check_characters(text)?;
        let (scheme, rest) = text.split_once("://").ok_or(UrlError::Scheme)?;
        let secure = match scheme.to_ascii_lowercase().as_str() {
            "https" => true,
            "http" => false,
            _ => return Err(UrlError::Scheme),
        };
        let rest = rest.split_once('#').map_or(rest, |(before, _fragment)| before);
        let split = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, target) = rest.split_at(split);
        if authority.contains('@') {
            return Err(UrlError::UserInfo);
        }
        let (host, port) = split_authority(authority)?;
        let port = match port {
            None => {
                if secure {
                    443
                } else {
                    80
                }
            }
            Some(digits) => parse_port(digits)?,
        };
        let target = if target.starts_with('/') { target.to_owned() } else { format!("/{target}") };
        Ok(Url { secure, host, port, target })
    }
}

fn split_authority(authority: &str) -> Result<(String, Option<&str>), UrlError> {
    if let Some(rest) = authority.strip_prefix('[') {
        let (host, after) = rest.split_once(']').ok_or(UrlError::Host)?;
        let host: Ipv6Addr = host.parse().map_err(|_| UrlError::Host)?;
        return match after.strip_prefix(':') {
            Some(port) => Ok((host.to_string(), Some(port))),
            None if after.is_empty() => Ok((host.to_string(), None)),
            None => Err(UrlError::Host),
        };
    }
    let (host, port) = match authority.split_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (authority, None),
    };
    let proper = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    if host.is_empty() || !host.bytes().all(proper) {
        return Err(UrlError::Host);
    }
    Ok((host.to_ascii_lowercase(), port))
}

fn parse_port(digits: &str) -> Result<u16, UrlError> {
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(UrlError::Port);
    }
    digits.parse().ok().filter(|port| *port != 0).ok_or(UrlError::Port)
}

/// Undoes percent-encoding; `None` if it is malformed.
pub(super) fn percent_decoded(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let mut digit = || rest.next().and_then(|digit| (digit as char).to_digit(16));
                (digit()? * 16 + digit()?) as u8
            }
            byte => byte,
        });
    }
    Some(bytes)
}

fn check_characters(text: &str) -> Result<(), UrlError> {
    match text.bytes().all(|byte| byte.is_ascii_graphic()) {
        true => Ok(()),
        false => Err(UrlError::Character),
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.secure { "https" } else { "http" };
        write!(f, "{scheme}://{}{}", self.authority(), self.target)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, host: &str, port: u16, target: &str, authority: &str) {
        let url: Url = text.parse().unwrap();
        assert_eq!((url.host_name(), url.port(), url.target()), (host, port, target));
        assert_eq!(url.authority(), authority);
    }

    #[test]
    fn a_url_is_split_into_its_parts() {
        check("http://a.example", "a.example", 80, "/", "a.example");
        check("HTTPS://A.Example/x?y#z", "a.example", 443, "/x?y", "a.example");
        check("https://a:444?q=1", "a", 444, "/?q=1", "a:444");
        check("http://[::1]:8080/x", "::1", 8080, "/x", "[::1]:8080");
        check("http://a?x=/@", "a", 80, "/?x=/@", "a");
    }

    /// RFC 3986, section 5.4: the URL that each reference means at `http://a/b/c/d;p?q`. Fragments are dropped, as they
    /// are never sent.
    const REFERENCES: [(&str, &str); 40] = [
        ("g", "http://a/b/c/g"),
        ("./g", "http://a/b/c/g"),
        ("g/", "http://a/b/c/g/"),
        ("/g", "http://a/g"),
        ("//g", "http://g/"),
        ("?y", "http://a/b/c/d;p?y"),
        ("g?y", "http://a/b/c/g?y"),
        ("#s", "http://a/b/c/d;p?q"),
        ("g#s", "http://a/b/c/g"),
        ("g?y#s", "http://a/b/c/g?y"),
        (";x", "http://a/b/c/;x"),
        ("g;x", "http://a/b/c/g;x"),
        ("g;x?y#s", "http://a/b/c/g;x?y"),
        ("", "http://a/b/c/d;p?q"),
        (".", "http://a/b/c/"),
        ("./", "http://a/b/c/"),
        ("..", "http://a/b/"),
        ("../", "http://a/b/"),
        ("../g", "http://a/b/g"),
        ("../..", "http://a/"),
        ("../../", "http://a/"),
        ("../../g", "http://a/g"),
        // The abnormal examples.
        ("../../../g", "http://a/g"),
        ("../../../../g", "http://a/g"),
        ("/./g", "http://a/g"),
        ("/../g", "http://a/g"),
        ("g.", "http://a/b/c/g."),
        (".g", "http://a/b/c/.g"),
        ("g..", "http://a/b/c/g.."),
        ("..g", "http://a/b/c/..g"),
        ("./../g", "http://a/b/g"),
        ("./g/.", "http://a/b/c/g/"),
        ("g/./h", "http://a/b/c/g/h"),
        ("g/../h", "http://a/b/c/h"),
        ("g;x=1/./y", "http://a/b/c/g;x=1/y"),
        ("g;x=1/../y", "http://a/b/c/y"),
        ("g?y/./x", "http://a/b/c/g?y/./x"),
        ("g?y/../x", "http://a/b/c/g?y/../x"),
        ("g#s/./x", "http://a/b/c/g"),
        ("g#s/../x", "http://a/b/c/g"),
    ];

    #[test]
    fn references_resolve_as_in_the_rfc() {
        let base: Url = "http://a/b/c/d;p?q".parse().unwrap();
        for (reference, url) in REFERENCES {
            assert_eq!(base.join(reference).map(|url| url.to_string()).as_deref(), Ok(url), "{reference:?}");
        }
        // The two references of that section with a scheme: one that we do not speak, and one without an authority.
        assert_eq!(base.join("g:h"), Err(UrlError::Scheme));
        assert_eq!(base.join("http:g"), Err(UrlError::Scheme));
    }

    #[test]
    fn a_reference_keeps_the_scheme_or_brings_its_own() {
        let base: Url = "https://a:444/x//y?q".parse().unwrap();
        for (reference, url) in [
            ("//b/z", "https://b/z"),
            ("http://b:81/./z/../w?k", "http://b:81/w?k"),
            ("z", "https://a:444/x//z"),
            ("..", "https://a:444/x/"),
            ("?a:b", "https://a:444/x//y?a:b"),
            ("/a:b", "https://a:444/a:b"),
        ] {
            assert_eq!(base.join(reference).map(|url| url.to_string()).as_deref(), Ok(url), "{reference:?}");
        }
        for (reference, error) in [
            ("//u:p@b/", UrlError::UserInfo),
            ("//", UrlError::Host),
            ("a b", UrlError::Character),
            ("\u{e9}", UrlError::Character),
            ("javascript:x", UrlError::Scheme),
        ] {
            assert_eq!(base.join(reference), Err(error), "{reference:?}");
        }
    }

    #[test]
    fn another_target_holds_nothing_that_is_no_target() {
        let base: Url = "https://a:444/x?q".parse().unwrap();
        assert_eq!(base.with_target("y/z?k").map(|url| url.to_string()).as_deref(), Ok("https://a:444/y/z?k"));
        for target in ["/y#z", "#", "/y?k#", "/y z", "/\u{e9}", "/\r\n"] {
            assert_eq!(base.with_target(target), Err(UrlError::Character), "{target:?}");
        }
    }

    #[test]
    fn an_origin_is_scheme_host_and_port() {
        let url = |text: &str| text.parse::<Url>().unwrap();
        assert_eq!(url("HTTPS://A:443/x?key=1").origin(), "https://a");
        assert!(url("https://a/x").is_same_origin(&url("https://A:443/y")));
        for other in ["http://a/x", "https://b/x", "https://a:444/x"] {
            assert!(!url("https://a/x").is_same_origin(&url(other)), "{other}");
        }
    }

    #[test]
    fn text_that_is_not_a_url_is_refused() {
        for (text, error) in [
            ("", UrlError::Scheme),
            ("example.com/", UrlError::Scheme),
            ("ftp://a/", UrlError::Scheme),
            ("http:///x", UrlError::Host),
            ("http://a b/", UrlError::Character),
            ("http://a/\r\nX:y", UrlError::Character),
            ("http://a%00/", UrlError::Host),
            ("http://[::1/", UrlError::Host),
            ("http://[::1]x/", UrlError::Host),
            ("http://a:/", UrlError::Port),
            ("http://a:0/", UrlError::Port),
            ("http://a:65536/", UrlError::Port),
            ("http://a:+80/", UrlError::Port),
            ("http://u:p@a/", UrlError::UserInfo),
        ] {
            assert_eq!(text.parse::<Url>(), Err(error), "{text}");
        }
    }
}
