//! [`Url`]: an `http` or `https` address taken apart (RFC 3986), as much as a client needs.

use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;

/// An address such as `https://example.com/path?query`.
///
/// ```
/// use reactor::http::Url;
/// let url: Url = "https://example.com:8443/near?radius=5".parse()?;
/// assert_eq!((url.host(), url.port(), url.target()), ("example.com", 8443, "/near?radius=5"));
/// # Ok::<(), reactor::http::UrlError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Url {
    secure: bool,
    host: String,
    port: u16,
    target: String,
}

/// A text is no URL that a client could use.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum UrlError {
    /// It does not begin with `http://` or `https://`.
    Scheme,
    /// No host name or address, or one with a character that none has.
    Host,
    /// The port is not a number from 1 to 65535.
    Port,
    /// A name or password before the host: it would end up in logs.
    UserInfo,
    /// White space, a control character or a non-ASCII one: it must be percent-encoded.
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

impl Url {
    /// Whether it is `https`.
    pub fn is_secure(&self) -> bool {
        self.secure
    }

    /// The host name or address, without the brackets of an IPv6 address.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port, 80 or 443 if none is given.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Path and query, as they stand in a request line; at least `/`.
    pub fn target(&self) -> &str {
        &self.target
    }

    /// The same place with another path and query.
    ///
    /// # Errors
    /// [`UrlError::Character`] if a character must be percent-encoded.
    pub fn with_target(&self, target: &str) -> Result<Url, UrlError> {
        check_characters(target)?;
        let target = if target.starts_with('/') { target.to_owned() } else { format!("/{target}") };
        Ok(Url { target, ..self.clone() })
    }

    /// What the `Host` header says: the port only if it is not the usual one.
    pub fn authority(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        let usual = if self.secure { 443 } else { 80 };
        if self.port == usual { host } else { format!("{host}:{}", self.port) }
    }
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
        assert_eq!((url.host(), url.port(), url.target()), (host, port, target));
        assert_eq!(url.authority(), authority);
    }

    #[test]
    fn urls_are_taken_apart() {
        check("http://a.example", "a.example", 80, "/", "a.example");
        check("HTTPS://A.Example/x?y#z", "a.example", 443, "/x?y", "a.example");
        check("https://a:444?q=1", "a", 444, "/?q=1", "a:444");
        check("http://[::1]:8080/x", "::1", 8080, "/x", "[::1]:8080");
        check("http://a?x=/@", "a", 80, "/?x=/@", "a");
    }

    #[test]
    fn what_is_no_url_is_refused() {
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
