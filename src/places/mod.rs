//! What is near a place: the trait [`Places`], its providers, and the form of their answers.
//!
//! All providers answer in the form of Google's Nearby Search (legacy), as text: it is handed on to clients as it came,
//! only cut to the number of places that they asked for (`answer.rs`).

mod answer;
mod google;
mod limiter;
mod offline;
mod table;

pub use answer::{cut, error_answer};
pub use google::Google;
pub use limiter::{Limiter, TooMany};
pub use offline::Offline;

use crate::config::{ConfigError, PlacesConfig, Provider};
use reactor::tls::TrustRoots;
use reactor::{Deferred, Reactor};
use std::rc::Rc;
use std::time::Duration;

/// How long a Places service may take unless the configuration says otherwise.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Questions under way at once unless the configuration says otherwise.
const MAX_IN_FLIGHT: usize = 32;

/// The environment variable with Google's key.
pub const KEY_VARIABLE: &str = "GOOGLE_PLACES_API_KEY";

/// A question: what is within `radius` of here?
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nearby {
    /// Degrees, a plain decimal number.
    pub latitude: String,
    /// Degrees, a plain decimal number.
    pub longitude: String,
    /// Metres, a plain decimal number.
    pub radius: String,
}

/// Somebody who knows places.
pub trait Places {
    /// Asks. The answer is the text of a Nearby Search response, of whatever status; a failure means that there is no
    /// answer. Cancelling gives the question up.
    fn nearby(&self, question: &Nearby) -> Deferred<Vec<u8>>;

    /// What it is, for the start's message and the log.
    fn describe(&self) -> String;
}

/// The provider that the configuration and the environment ask for.
///
/// # Errors
/// If something that it needs is missing or wrong.
pub fn open(reactor: &Reactor, config: &PlacesConfig, key: Option<String>) -> Result<Rc<dyn Places>, ConfigError> {
    let wants_key = config.provider != Some(Provider::Offline);
    let key = match (config.key_file.as_ref().filter(|_| wants_key), key.filter(|key| !key.trim().is_empty())) {
        (_, Some(key)) => Some(key.trim().to_owned()),
        (Some(path), None) => {
            let text = std::fs::read_to_string(path)
                .map_err(|error| ConfigError(format!("cannot read the key file {}: {error}", path.display())))?;
            let key = text.trim().to_owned();
            if key.is_empty() {
                return Err(ConfigError(format!("the key file {} is empty", path.display())));
            }
            Some(key)
        }
        (None, None) => None,
    };
    let timeout = config.timeout.unwrap_or(TIMEOUT);
    let provider = config.provider.unwrap_or(if key.is_some() { Provider::Google } else { Provider::Offline });
    let inner: Rc<dyn Places> = match provider {
        Provider::Google => {
            let key = key.ok_or_else(|| {
                ConfigError(format!("the provider google needs a key: set {KEY_VARIABLE}, or key_file in [places]"))
            })?;
            let mut roots = TrustRoots::web();
            if let Some(path) = &config.ca_file {
                roots = TrustRoots::none();
                roots.add_pem_file(path).map_err(|error| ConfigError(format!("ca_file: {error}")))?;
            }
            Rc::new(Google::new(reactor, config.base_url.as_deref(), &roots, Some(key), timeout)?)
        }
        Provider::Offline => Rc::new(Offline::start(reactor, timeout)?),
    };
    Ok(Rc::new(Limiter::new(inner, config.max_in_flight.unwrap_or(MAX_IN_FLIGHT))))
}
