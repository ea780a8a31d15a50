//! Opens the provider that the configuration and the environment ask for, with all that stands before it.
//!
//! Next: `../terminal.rs`, what a terminal would obey.

use super::key::ApiKey;
use super::service::{Access, DEFAULT_MAX_IN_FLIGHT, DEFAULT_TIMEOUT};
use super::{Cache, Coalescer, Google, GoogleNew, Limiter, Offline, Overpass, Places, Span, google, google_new};
use crate::config::{ConfigError, PlacesConfig, Provider, others_can_read, read_file};
use reactor::http::Url;
use reactor::tls::TrustRoots;
use reactor::{Clock, Reactor};
use std::num::NonZeroUsize;
use std::rc::Rc;
use std::time::Duration;

/// The maximum number of questions under way to Overpass: its instances are free, and many share them.
const MAX_OVERPASS_IN_FLIGHT: usize = 1;

/// The minimum time between questions to Overpass, unless the configuration sets another.
const OVERPASS_INTERVAL: Duration = Duration::from_secs(1);

/// The maximum numbers of questions to a service that takes money for each, unless the configuration sets others. They
/// suit a small herd: an operator that has not thought of a budget should learn of it from the log, not from the bill.
const MAX_PAID_PER_MINUTE: usize = 600;
const MAX_PAID_PER_DAY: usize = 10_000;

/// The maximum size of a `ca_file` in bytes: many times all that browsers trust.
const MAX_CA_FILE: usize = 16 << 20;

/// The environment variable with Google's key.
pub const KEY_VARIABLE: &str = "GOOGLE_PLACES_API_KEY";

/// The key in the environment. A key that is not text is an error: without an error, the places would be the offline
/// ones, as they are without a key.
///
/// # Errors
/// If the variable is set and is not text.
pub fn key_variable() -> Result<Option<String>, String> {
    match std::env::var(KEY_VARIABLE) {
        Ok(key) => Ok(Some(key)),
        Err(std::env::VarError::NotPresent) => Ok(None),
        Err(std::env::VarError::NotUnicode(_)) => Err(format!("the environment variable {KEY_VARIABLE} is not text")),
    }
}

/// The provider that the configuration asks for, with the key that [`find_key`] found.
///
/// # Errors
/// If something that the provider needs is missing or wrong.
pub fn open(reactor: &Reactor, config: &PlacesConfig, key: Option<ApiKey>) -> Result<Rc<dyn Places>, ConfigError> {
    let roots = read_roots(config, key.as_ref())?;
    open_with(reactor, config, key, roots)
}

/// The same, with the roots that [`read_roots`] has read.
pub(crate) fn open_with(
    reactor: &Reactor,
    config: &PlacesConfig,
    key: Option<ApiKey>,
    roots: TrustRoots,
) -> Result<Rc<dyn Places>, ConfigError> {
    let provider = provider(config, key.as_ref());
    let timeout = config.timeout.unwrap_or(DEFAULT_TIMEOUT);
    let default = if provider == Provider::Overpass { MAX_OVERPASS_IN_FLIGHT } else { DEFAULT_MAX_IN_FLIGHT };
    let at_once = config.max_in_flight.unwrap_or(default);
    let access = |default: &str| -> Result<Access, ConfigError> {
        let base_url = base_url(config, default)?;
        let (roots, connect_to) = (roots.clone(), config.connect_to.clone());
        Ok(Access { base_url, roots, key: key.clone(), timeout, at_once, connect_to })
    };
    let inner: Rc<dyn Places> = match provider {
        Provider::Google => {
            need_key(config, &key, "google")?;
            Rc::new(Google::new(reactor, access(google::BASE_URL)?)?)
        }
        Provider::GoogleNew => {
            need_key(config, &key, "google-new")?;
            Rc::new(GoogleNew::new(reactor, access(google_new::BASE_URL)?, &config.fields)?)
        }
        Provider::Overpass => Rc::new(Overpass::new(reactor, access("")?)?),
        Provider::Offline => {
            let useless = [
                ("base_url", config.base_url.is_some()),
                ("ca_file", config.ca_file.is_some()),
                ("connect_to", config.connect_to.is_some()),
            ];
            if let Some((name, _)) = useless.iter().find(|(_, is_set)| *is_set) {
                let what = "is set, but there is no key and no provider: then the places are the offline ones";
                let what = format!("{name} in [places] {what}; set {KEY_VARIABLE}, key_file or provider");
                return Err(config.error(name, what));
            }
            Rc::new(Offline::start(reactor, timeout)?)
        }
    };
    let clock: Rc<dyn Clock> = Rc::new(reactor.clone());
    let at_once = NonZeroUsize::new(at_once).unwrap_or(NonZeroUsize::MIN);
    let mut limiter = Limiter::new(inner, at_once, clock.clone()).timeout(timeout);
    if provider == Provider::Overpass {
        limiter = limiter.interval(config.interval.unwrap_or(OVERPASS_INTERVAL));
    }
    let is_paid = matches!(provider, Provider::Google | Provider::GoogleNew);
    for (span, max, paid) in
        [(Span::Minute, config.max_per_minute, MAX_PAID_PER_MINUTE), (Span::Day, config.max_per_day, MAX_PAID_PER_DAY)]
    {
        if let Some(max) = max.or(is_paid.then_some(paid)) {
            limiter = limiter.budget(span, max);
        }
    }
    // The Cache before the Limiter: what is known costs nothing. The Coalescer first: equal questions then take one
    // permit of the Limiter, not one each.
    Ok(Rc::new(Coalescer::new(Rc::new(Cache::new(Rc::new(limiter), clock)))))
}

/// The key for the provider, if it wants one. `variable` is the value of [`KEY_VARIABLE`]; it wins over the file, so
/// that one run can have another key.
///
/// # Errors
/// If the key cannot be read, or is not a key.
pub fn find_key(config: &PlacesConfig, variable: Option<String>) -> Result<Option<ApiKey>, ConfigError> {
    if !wants_key(config.provider) {
        return Ok(None);
    }
    let source = format!("the environment variable {KEY_VARIABLE}");
    let key = variable.map(|text| ApiKey::parse(&text, &source)).transpose()?.flatten();
    // The file is read even if the variable wins: its mistake should show now, not on the day when the variable is
    // gone.
    let in_file = config.key_file.as_ref().map(|path| ApiKey::read(path));
    let in_file = in_file.transpose().map_err(|error| config.error("key_file", error))?;
    Ok(key.or(in_file))
}

fn provider(config: &PlacesConfig, key: Option<&ApiKey>) -> Provider {
    config.provider.unwrap_or(if key.is_some() { Provider::Google } else { Provider::Offline })
}

/// Whether a key means anything. If no provider is named, a key chooses Google.
fn wants_key(provider: Option<Provider>) -> bool {
    matches!(provider, None | Some(Provider::Google | Provider::GoogleNew))
}

/// Warnings about a configuration that can be used nevertheless, one line each.
pub fn warnings(config: &PlacesConfig) -> Vec<String> {
    let mut warnings: Vec<String> = Vec::new();
    warnings.extend(config.key_file.iter().filter_map(|path| others_can_read("the key file", path)));
    if let Some(url) = config.base_url.as_ref().and_then(|url| url.parse::<Url>().ok())
        && wants_key(config.provider)
        && !url.is_secure()
        && !is_this_machine(url.host_name())
    {
        warnings.push(format!("base_url is not https: anybody on the way to {} can read the key", url.host_name()));
    }
    warnings
}

fn is_this_machine(host: &str) -> bool {
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn need_key(config: &PlacesConfig, key: &Option<ApiKey>, provider: &str) -> Result<(), ConfigError> {
    let what = format!("the provider {provider} needs a key: set {KEY_VARIABLE}, or key_file in [places]");
    if key.is_some() { Ok(()) } else { Err(config.error("provider", what)) }
}

fn base_url(config: &PlacesConfig, default: &str) -> Result<Url, ConfigError> {
    let text = config.base_url.as_deref().unwrap_or(default);
    if text.is_empty() {
        return Err(ConfigError("the provider overpass needs a base_url in [places]: it has no default".to_owned()));
    }
    text.parse().map_err(|error| ConfigError(format!("base_url {text}: {error}")))
}

/// The authorities that the service's certificate may come from. It may have to wait for a file.
///
/// # Errors
/// If `ca_file` cannot be read, or has no certificates.
pub(crate) fn read_roots(config: &PlacesConfig, key: Option<&ApiKey>) -> Result<TrustRoots, ConfigError> {
    if provider(config, key) == Provider::Offline {
        return Ok(TrustRoots::none()); // It has its own.
    }
    let Some(path) = &config.ca_file else { return Ok(TrustRoots::web()) };
    let source = path.display().to_string();
    let pem = read_file(path, MAX_CA_FILE)
        .map_err(|error| config.error("ca_file", format!("ca_file: cannot read {source}: {error}")))?;
    let mut roots = TrustRoots::none();
    roots.add_pem(&pem, &source).map_err(|error| config.error("ca_file", format!("ca_file: {error}")))?;
    Ok(roots)
}
