//! [`Google`]: the Places API's Nearby Search (legacy), a GET that answers JSON.

use super::{Nearby, Places};
use crate::config::ConfigError;
use reactor::http::{PageGetter, Url};
use reactor::tls::TrustRoots;
use reactor::{Deferred, Failure, Reactor};
use std::fmt;
use std::time::Duration;

/// Where Google is.
const BASE_URL: &str = "https://maps.googleapis.com";

/// The path of a Nearby Search below the base URL.
pub(super) const PATH: &str = "/maps/api/place/nearbysearch/json";

/// A service that speaks the Nearby Search protocol.
pub struct Google {
    getter: PageGetter,
    base: Url,
    key: Option<String>,
}

impl Google {
    /// The service at `base_url` (Google's own if `None`), whose certificate must come from `roots`, asked with `key`.
    ///
    /// # Errors
    /// If the URL or the roots are of no use.
    pub fn new(
        reactor: &Reactor,
        base_url: Option<&str>,
        roots: &TrustRoots,
        key: Option<String>,
        timeout: Duration,
    ) -> Result<Google, ConfigError> {
        let base = base_url.unwrap_or(BASE_URL);
        let base: Url = base.parse().map_err(|error| ConfigError(format!("base_url {base}: {error}")))?;
        let getter = PageGetter::new(reactor, roots).map_err(|error| ConfigError(error.to_string()))?;
        let agent = concat!("proxyherd/", env!("CARGO_PKG_VERSION"));
        Ok(Google { getter: getter.timeout(timeout).user_agent(agent), base, key })
    }

    fn url(&self, question: &Nearby) -> Result<Url, Failure> {
        let Nearby { latitude, longitude, radius } = question;
        let prefix = self.base.target().trim_end_matches('/');
        let mut target = format!("{prefix}{PATH}?location={latitude},{longitude}&radius={radius}");
        if let Some(key) = &self.key {
            target.push_str("&key=");
            target.push_str(&percent_encode(key));
        }
        Ok(self.base.with_target(&target)?)
    }
}

impl Places for Google {
    fn nearby(&self, question: &Nearby) -> Deferred<Vec<u8>> {
        match self.url(question) {
            Ok(url) => {
                let key = self.key.clone();
                let page = self.getter.get_url(&url).add_callback(reactor::http::Page::into_body);
                let Some(key) = key else { return page };
                page.add_both(move |answer| match answer {
                    Ok(body) => Ok(without_key(body, &key)),
                    Err(failure) => {
                        let told = failure.report().into_bytes();
                        if without_key(told.clone(), &key) == told {
                            return Err(failure);
                        }
                        let shown = without_key(failure.to_string().into_bytes(), &key);
                        Err(Failure::msg(String::from_utf8_lossy(&shown)))
                    }
                })
            }
            Err(failure) => reactor::deferred::fail(failure),
        }
    }

    fn describe(&self) -> String {
        format!("google ({})", self.base.authority())
    }
}

/// Without the key, wherever this is printed.
impl fmt::Debug for Google {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Google({})", self.base.authority())
    }
}

/// A service may repeat the key in what it says; that is the one thing in an answer that a client must not see.
fn without_key(body: Vec<u8>, key: &str) -> Vec<u8> {
    [key.to_owned(), percent_encode(key)].iter().fold(body, |body, form| {
        let mut shown = Vec::new();
        let mut from = 0;
        for at in memchr::memmem::find_iter(&body, form) {
            shown.extend_from_slice(&body[from..at]);
            shown.extend_from_slice(b"***");
            from = at + form.len();
        }
        if from == 0 {
            return body;
        }
        shown.extend_from_slice(&body[from..]);
        shown
    })
}

/// Everything but unreserved characters as `%XX` (RFC 3986).
fn percent_encode(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => encoded.push(char::from(byte)),
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_request_is_a_nearby_search() {
        let reactor = Reactor::new().unwrap();
        let key = Some("k&y=ä".to_owned());
        let google =
            Google::new(&reactor, Some("https://x.example/sub/"), &TrustRoots::web(), key, Duration::MAX).unwrap();
        let question = Nearby { latitude: "34.0".into(), longitude: "-118".into(), radius: "10000".into() };
        assert_eq!(
            google.url(&question).unwrap().to_string(),
            "https://x.example/sub/maps/api/place/nearbysearch/json?location=34.0,-118&radius=10000&key=k%26y%3D%C3%A4"
        );
        assert!(!format!("{google:?}").contains("k&y"));
        let said = "{\"error_message\" : \"bad key k&y=ä or k%26y%3D%C3%A4\"}".as_bytes().to_vec();
        assert_eq!(without_key(said, "k&y=ä"), b"{\"error_message\" : \"bad key *** or ***\"}");
    }
}
