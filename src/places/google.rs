//! [`Google`]: the Places API's Nearby Search (legacy), a GET that answers with JSON. Its form is the one that all
//! providers answer in, so its answers are passed on as they are.
//!
//! Next: `google_new.rs`: its answers have another form.

use super::service::{Access, Service};
use super::{MAX_PLACES, Nearby, Places, answer, refusal};
use crate::address_group::AddressGroup;
use crate::config::ConfigError;
use reactor::http::Request;
use reactor::{Deferred, Failure, Reactor};
use std::fmt;

/// Google's address for this API.
pub(super) const BASE_URL: &str = "https://maps.googleapis.com";

/// The path of a Nearby Search below the base URL.
pub(super) const PATH: &str = "/maps/api/place/nearbysearch/json";

/// A service that speaks the Nearby Search protocol.
pub struct Google {
    service: Service,
}

impl Google {
    /// The service that `access` leads to.
    ///
    /// # Errors
    /// If TLS cannot use the trusted roots.
    pub fn new(reactor: &Reactor, access: Access) -> Result<Google, ConfigError> {
        Ok(Google { service: Service::new(reactor, access)? })
    }

    fn request(&self, question: &Nearby) -> Result<Request, Failure> {
        let Nearby { latitude, longitude, radius, .. } = question;
        let query = format!("{PATH}?location={latitude},{longitude}&radius={radius}");
        match &self.service.key {
            None => Ok(Request::get(self.service.url(&query)?)),
            Some(key) => {
                let url = self.service.url(&format!("{query}&key={}", key.for_query()))?;
                Ok(Request::get(url).secret_query("key"))
            }
        }
    }
}

impl Places for Google {
    fn nearby(&self, question: &Nearby, _from: AddressGroup) -> Deferred<Vec<u8>> {
        self.service.ask(self.request(question)).add_callback(|reply| {
            if reply.status != 200 {
                return refusal::read(reply);
            }
            match answer::read_status(&reply.body) {
                Ok(_) => Ok(reply.body),
                Err(error) => refusal::in_other_words(&reply).ok_or_else(|| Failure::new(reply.not_an_answer(error))),
            }
        })
    }

    /// Google does not hear the bound: it sends a first page of up to twenty places.
    fn as_asked(&self, question: &Nearby) -> Nearby {
        Nearby { bound: MAX_PLACES, ..question.clone() }
    }

    fn describe(&self) -> String {
        format!("google ({})", self.service.base().authority())
    }
}

/// Without the key, so that no log can hold it.
impl fmt::Debug for Google {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Google({})", self.service.base().authority())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::places::ApiKey;
    use reactor::tls::TrustRoots;

    #[test]
    fn a_path_in_the_base_url_stays_and_the_key_is_never_printed() {
        let reactor = Reactor::new().unwrap();
        let key = ApiKey::parse("k&y=+", "the test").unwrap();
        let access = Access::new("https://x.example/sub/".parse().unwrap(), TrustRoots::web());
        let google = Google::new(&reactor, Access { key, ..access }).unwrap();
        let question = Nearby { latitude: "34.0".into(), longitude: "-118".into(), radius: "10000".into(), bound: 3 };
        let request = google.request(&question).unwrap();
        assert_eq!(request.method(), "GET");
        assert_eq!(
            request.url().to_string(),
            "https://x.example/sub/maps/api/place/nearbysearch/json?location=34.0,-118&radius=10000&key=k%26y%3D%2B"
        );
        for shown in [format!("{google:?}"), format!("{request:?}"), google.describe()] {
            assert!(!shown.contains("k%26y") && !shown.contains("k&y"), "{shown}");
        }
    }

    #[test]
    fn questions_that_differ_only_in_their_bound_are_one_request() {
        let reactor = Reactor::new().unwrap();
        let access = Access::new("http://x.example".parse().unwrap(), TrustRoots::web());
        let google = Google::new(&reactor, access).unwrap();
        let ask = |bound, radius: &str| {
            google.as_asked(&Nearby { latitude: "1".into(), longitude: "2".into(), radius: radius.into(), bound })
        };
        assert_eq!(ask(0, "5"), ask(20, "5"));
        assert_ne!(ask(5, "5"), ask(5, "6"));
    }
}
