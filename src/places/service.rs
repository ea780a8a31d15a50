//! [`Service`]: an HTTP service behind a URL that is asked with a key, and [`ServiceError`]: why it gave no answer.
//!
//! Every provider asks through this. It is the one place where the key leaves the program, and where the key is masked
//! in everything that comes back. Over HTTPS the request, and with it the key, goes out only after TLS has accepted the
//! service's certificate.
//!
//! Next: `google.rs`, the simplest provider.

use super::answer::AnswerError;
use super::key::ApiKey;
use crate::config::ConfigError;
use reactor::http::{Agent, AgentSettings, Page, Request, Url};
use reactor::tls::TrustRoots;
use reactor::{Deferred, Failure, Reactor};
use std::fmt;
use std::time::Duration;

/// The maximum length of an answer in bytes, unless a provider sets another. Twenty places from Google take about a
/// tenth of it.
const MAX_ANSWER: u64 = 1 << 20;

/// The maximum number of characters of a service's media type that an error repeats.
const MAX_MEDIA_TYPE: usize = 60;

/// The maximum time for an answer, unless the configuration sets another.
pub(crate) const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);

/// The maximum number of questions under way, unless the configuration sets another.
pub(super) const DEFAULT_MAX_IN_FLIGHT: usize = 32;

/// How to reach a service.
#[derive(Debug)]
pub struct Access {
    /// The URL below which it answers.
    pub base_url: Url,
    /// The certificates that may vouch for it.
    pub roots: TrustRoots,
    /// The key that it wants, if any.
    pub key: Option<ApiKey>,
    /// The maximum time from the question to the last byte of the answer.
    pub timeout: Duration,
    /// The maximum number of questions under way.
    pub at_once: usize,
    /// Where to connect to instead of the URL's host. The name that is asked for, and that the certificate must have,
    /// is still that of the URL.
    pub connect_to: Option<(String, u16)>,
}

impl Access {
    /// The usual way to a URL: no key, the default limits, and a connection to the URL's own host.
    pub fn new(base_url: Url, roots: TrustRoots) -> Access {
        Access {
            base_url,
            roots,
            key: None,
            timeout: DEFAULT_TIMEOUT,
            at_once: DEFAULT_MAX_IN_FLIGHT,
            connect_to: None,
        }
    }
}

/// A service that can be asked.
pub(super) struct Service {
    agent: Agent,
    base: Url,
    pub(super) key: Option<ApiKey>,
}

/// What a service has answered, with the key masked.
#[derive(Debug)]
pub(super) struct ServiceReply {
    pub(super) status: u16,
    media_type: Option<String>,
    pub(super) body: Vec<u8>,
}

impl Service {
    pub(super) fn new(reactor: &Reactor, access: Access) -> Result<Service, ConfigError> {
        Service::with_max_answer(reactor, access, MAX_ANSWER)
    }

    /// A service with answers of at most `max_answer` bytes.
    pub(super) fn with_max_answer(reactor: &Reactor, access: Access, max_answer: u64) -> Result<Service, ConfigError> {
        let mut settings = AgentSettings::default();
        settings.timeout = access.timeout;
        settings.connect_timeout = settings.connect_timeout.min(access.timeout);
        settings.handshake_timeout = settings.handshake_timeout.min(access.timeout);
        settings.first_byte_timeout = access.timeout;
        settings.limits.body = max_answer;
        // The Limiter decides how many questions are under way. If the agent had a lower limit, questions would wait
        // here a second time, where the Limiter's clock does not see them.
        settings.max_open_per_host = access.at_once;
        settings.max_open = access.at_once;
        // A busy server keeps all of them: a handshake costs more than the question that needs it.
        settings.max_idle_per_host = access.at_once;
        settings.max_idle = access.at_once;
        settings.user_agent = concat!("proxyherd/", env!("CARGO_PKG_VERSION")).to_owned();
        settings.connect_to = access.connect_to;
        settings.lookup_lane = "places"; // Never behind the names of neighbors.
        if let (Some(trace), Some(key)) = (reactor.trace(), &access.key) {
            // In both forms in which a request carries it.
            trace.mask(key.text().as_bytes());
            trace.mask(key.for_query().as_bytes());
        }
        let agent = Agent::with_settings(reactor, &access.roots, settings);
        let agent = agent.map_err(|error| ConfigError(error.to_string()))?;
        Ok(Service { agent, base: access.base_url, key: access.key })
    }

    /// The URL of a path, and perhaps a query, below the base URL.
    pub(super) fn url(&self, path: &str) -> Result<Url, Failure> {
        let prefix = self.base.target().trim_end_matches('/');
        Ok(self.base.with_target(&format!("{prefix}{path}"))?)
    }

    pub(super) fn base(&self) -> &Url {
        &self.base
    }

    /// Asks. The reply may have any HTTP status. The key is masked in it, and in a failure too.
    pub(super) fn ask(&self, request: Result<Request, Failure>) -> Deferred<ServiceReply> {
        let request = match request {
            Ok(request) => request,
            Err(failure) => return reactor::deferred::fail(failure),
        };
        let key = self.key.clone();
        self.agent.fetch(request).add_both(move |page| match (page, key) {
            (Ok(page), Some(key)) => Ok(ServiceReply::new(page, |text| key.mask(text))),
            (Ok(page), None) => Ok(ServiceReply::new(page, |text| text)),
            // The report has all that a log can show of the failure: its causes too, where the text alone may be clean.
            (Err(failure), Some(key)) if key.masked(failure.report().as_bytes()).is_some() => {
                let text = key.mask(failure.to_string().into_bytes());
                Err(Failure::msg(String::from_utf8_lossy(&text)))
            }
            (Err(failure), _) => Err(failure),
        })
    }
}

impl ServiceReply {
    fn new(page: Page, hide: impl Fn(Vec<u8>) -> Vec<u8>) -> ServiceReply {
        let media_type = page.head.header("content-type").next().map(|value| {
            let value = hide(value.to_vec());
            let end = value.iter().position(|byte| *byte == b';').unwrap_or(value.len());
            String::from_utf8_lossy(&value[..end]).trim().chars().take(MAX_MEDIA_TYPE).collect()
        });
        ServiceReply { status: page.head.status, media_type, body: hide(page.body) }
    }

    /// The error that this reply is not an answer, for the given reason.
    pub(super) fn not_an_answer(&self, error: AnswerError) -> ServiceError {
        let media_type =
            self.media_type.clone().filter(|name| matches!(error, AnswerError::NotJson(_)) && !is_json(name));
        ServiceError::NotAnAnswer { error, media_type }
    }
}

fn is_json(media_type: &str) -> bool {
    media_type.to_ascii_lowercase().ends_with("json")
}

/// A service has answered over HTTP, but has not answered the question.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ServiceError {
    /// It answered with this HTTP status, and with nothing that says more.
    Status(u16),
    /// It answered with something else than a Places answer.
    NotAnAnswer {
        /// What is wrong with it.
        error: AnswerError,
        /// Its media type, if that is another one than JSON's.
        media_type: Option<String>,
    },
    /// It says in its own words that it could not do what it was asked.
    Remark(String),
}

impl fmt::Display for ServiceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ServiceError::Status(status) => {
                write!(f, "the Places service answered {status}{}", phrase(*status))?;
                f.write_str(if matches!(status, 300..=399) { "; redirects are not followed" } else { "" })
            }
            ServiceError::NotAnAnswer { error, media_type: None } => write!(f, "{error}"),
            ServiceError::NotAnAnswer { error, media_type: Some(name) } => write!(f, "{error} (its type is {name})"),
            ServiceError::Remark(remark) => write!(f, "the Places service says: {remark}"),
        }
    }
}

impl std::error::Error for ServiceError {}

/// HTTP's own words for a status. The service's words are not repeated: they might hold anything.
fn phrase(status: u16) -> &'static str {
    match status {
        301 => " Moved Permanently",
        302 => " Found",
        303 => " See Other",
        304 => " Not Modified",
        307 => " Temporary Redirect",
        308 => " Permanent Redirect",
        400 => " Bad Request",
        401 => " Unauthorized",
        403 => " Forbidden",
        404 => " Not Found",
        405 => " Method Not Allowed",
        406 => " Not Acceptable",
        407 => " Proxy Authentication Required",
        408 => " Request Timeout",
        410 => " Gone",
        413 => " Content Too Large",
        414 => " URI Too Long",
        429 => " Too Many Requests",
        431 => " Request Header Fields Too Large",
        500 => " Internal Server Error",
        501 => " Not Implemented",
        502 => " Bad Gateway",
        503 => " Service Unavailable",
        504 => " Gateway Timeout",
        _ => "",
    }
}
