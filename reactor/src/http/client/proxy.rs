//! [`Proxy`]: an HTTP proxy, and the name and password by which it knows us.
//!
//! Next: `tunnel.rs`, the way through it.

use crate::http::url::{Url, UrlError, percent_decoded};
use std::fmt;
use std::str::FromStr;

/// An HTTP proxy. Made from `proxy:3128`, `http://proxy:3128` or, with credentials, `http://user:password@proxy:3128`.
///
/// Percent-encoding in name and password is undone; otherwise they are used as they are. `Debug` does not show them.
#[derive(Clone, PartialEq, Eq)]
pub struct Proxy {
    url: Url,
    /// The value of `Proxy-Authorization`.
    authorization: Option<String>,
}

impl Proxy {
    /// Makes requests show the proxy this user name and password (Basic, RFC 7617), in place of those of its URL.
    pub fn with_credentials(mut self, user: &str, password: &str) -> Proxy {
        self.authorization = Some(format!("Basic {}", base64(format!("{user}:{password}").as_bytes())));
        self
    }

    pub(super) fn host_name(&self) -> &str {
        self.url.host_name()
    }

    pub(super) fn port(&self) -> u16 {
        self.url.port()
    }

    /// The header line with the credentials; empty if there are none.
    pub(super) fn authorization_line(&self) -> String {
        self.authorization.as_ref().map(|value| format!("Proxy-Authorization: {value}\r\n")).unwrap_or_default()
    }
}

impl FromStr for Proxy {
    type Err = UrlError;

    /// # Errors
    /// [`UrlError`] if it has no host, or another scheme than `http`. TLS to the proxy itself is not supported.
    fn from_str(text: &str) -> Result<Proxy, UrlError> {
        let (scheme, rest) = text.split_once("://").unwrap_or(("http", text));
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let (credentials, place) = match authority.rsplit_once('@') {
            Some((credentials, place)) => (Some(credentials), place),
            None => (None, authority),
        };
        let url: Url = format!("{scheme}://{place}").parse()?;
        if url.is_secure() {
            return Err(UrlError::Scheme);
        }
        let proxy = Proxy { url, authorization: None };
        let Some(credentials) = credentials else { return Ok(proxy) };
        let (user, password) = credentials.split_once(':').unwrap_or((credentials, ""));
        Ok(proxy.with_credentials(&decoded(user)?, &decoded(password)?))
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let credentials = if self.authorization.is_some() { ", with credentials" } else { "" };
        write!(f, "Proxy({}{credentials})", self.url.origin())
    }
}

fn decoded(text: &str) -> Result<String, UrlError> {
    let bytes = percent_decoded(text).ok_or(UrlError::UserInfo)?;
    String::from_utf8(bytes).map_err(|_| UrlError::UserInfo)
}

/// RFC 4648, section 4.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let number = (0..3).fold(0, |number, at| number << 8 | u32::from(three.get(at).copied().unwrap_or(0)));
        for at in 0..4 {
            let digit = DIGITS[(number >> (18 - 6 * at) & 63) as usize];
            text.push(if at <= three.len() { digit as char } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_gives_the_examples_of_the_rfc() {
        for (plain, coded) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("fooba", "Zm9vYmE=")]
        {
            assert_eq!(base64(plain.as_bytes()), coded);
        }
    }

    #[test]
    fn a_proxys_credentials_come_from_its_url_or_a_call_and_debug_hides_them() {
        let expected = "Proxy-Authorization: Basic dTpwOkAv\r\n"; // u:p:@/
        for proxy in [
            "http://u:p%3a%40%2F@proxy:3128".parse::<Proxy>().unwrap(),
            "http://proxy:3128/".parse::<Proxy>().unwrap().with_credentials("u", "p:@/"),
        ] {
            assert_eq!((proxy.host_name(), proxy.port()), ("proxy", 3128));
            assert_eq!(proxy.authorization_line(), expected);
            assert_eq!(format!("{proxy:?}"), "Proxy(http://proxy:3128, with credentials)");
        }
        let bare: Proxy = "proxy:3128".parse().unwrap();
        assert_eq!((bare.host_name(), bare.port()), ("proxy", 3128));
        assert_eq!("http://proxy".parse::<Proxy>().unwrap().authorization_line(), "");
    }

    #[test]
    fn text_that_is_not_a_proxy_is_refused() {
        for (text, error) in [
            ("", UrlError::Host),
            ("https://proxy", UrlError::Scheme),
            ("socks5://proxy", UrlError::Scheme),
            ("http://", UrlError::Host),
            ("http://u:p%4@proxy", UrlError::UserInfo),
            ("http://u:%ff@proxy", UrlError::UserInfo),
            ("http://u:p@proxy:0", UrlError::Port),
        ] {
            assert_eq!(text.parse::<Proxy>(), Err(error), "{text}");
        }
    }
}
