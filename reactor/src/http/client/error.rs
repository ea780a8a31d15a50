//! Everything that can go wrong with a request. [`AgentError`] says how far it came, why it came no further, and whose
//! fault that is. Below it stand the reasons that only the client has.
//!
//! Next: `request.rs`, what is sent.

use super::request::Request;
use crate::Failure;
use crate::error::debug_is_display;
use crate::error::{ConnectError, Reason, TimeoutError};
use crate::http::gzip::GzipError;
use crate::http::limits::{Fault, HttpError};
use crate::http::url::UrlError;
use std::error::Error;
use std::fmt;

/// How far a request came. Twisted has an exception for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Not a byte of it was sent, so sending it again is safe.
    RequestNotSent,
    /// Some or all of it was sent, and no response came. Whether the server has acted on it is unknown.
    ResponseNeverReceived,
    /// The response began, but did not end as it should.
    ResponseFailed,
}

/// Whose fault it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Party {
    /// Ours: a limit or a setting of this program.
    Ours,
    /// The peer's: the server or the proxy breaks a rule.
    Peer,
    /// The network's, or that of a silent peer; from here the two look alike.
    Network,
}

/// A request failed. Twisted's `RequestNotSent`, `ResponseNeverReceived` and `ResponseFailed`.
///
/// Its text has the method and the origin, but never path, query or headers, which may hold secrets. A request that was
/// cancelled fails with [`CancelledError`](crate::CancelledError) instead.
#[derive(Clone)]
pub struct AgentError {
    stage: Stage,
    method: String,
    origin: String,
    reason: Failure,
}

impl AgentError {
    pub(super) fn new(stage: Stage, request: &Request, reason: impl Into<Failure>) -> AgentError {
        let (method, origin) = (request.method().to_owned(), request.url().origin());
        AgentError { stage, method, origin, reason: reason.into() }
    }

    /// How far it came.
    pub fn stage(&self) -> Stage {
        self.stage
    }

    /// Why it came no further: a [`ConnectError`], [`Reason`], [`HttpError`], [`TimeoutError`], [`TooManyWaiting`],
    /// [`RedirectError`], [`GzipError`], [`ProxyError`] or [`TlsConfigError`](crate::tls::TlsConfigError).
    pub fn reason(&self) -> &Failure {
        &self.reason
    }

    /// Whose fault it is, as far as that can be told from here.
    pub fn whose_fault(&self) -> Party {
        let reason = &self.reason;
        if let Some(error) = reason.check::<HttpError>() {
            return if error.fault() == Fault::Limit { Party::Ours } else { Party::Peer };
        }
        if let Some(error) = reason.check::<ConnectError>() {
            return match error {
                ConnectError::Cancelled | ConnectError::NoProtocol => Party::Ours,
                _ => Party::Network,
            };
        }
        if let Some(reason) = reason.check::<Reason>() {
            return match reason {
                Reason::Lost(_) | Reason::Truncated => Party::Network,
                Reason::Done | Reason::Tls(_) | Reason::BufferFull | Reason::FlushTimeout => Party::Peer,
                Reason::Aborted | Reason::Panicked | Reason::LimitReached(_) => Party::Ours,
            };
        }
        if reason.check() == Some(&GzipError::TooManyMembers) {
            return Party::Ours; // A limit, like those of HttpError.
        }
        let is_peer = reason.check::<RedirectError>().is_some()
            || reason.check::<GzipError>().is_some()
            || reason.check::<ProxyError>().is_some();
        match reason.check::<TimeoutError>() {
            Some(_) => Party::Network,
            None if is_peer => Party::Peer,
            None => Party::Ours,
        }
    }
}

impl fmt::Display for AgentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stage = match self.stage {
            Stage::RequestNotSent => "the request was not sent",
            Stage::ResponseNeverReceived => "no answer came",
            Stage::ResponseFailed => "the answer broke off",
        };
        write!(f, "{} {}: {stage}: {}", self.method, self.origin, self.reason.value())
    }
}

impl Error for AgentError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(self.reason.value())
    }
}

debug_is_display!(AgentError);

/// A request was refused because too many others wait for a connection.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct TooManyWaiting {
    /// Number of requests that wait: [`max_waiting_per_host`](super::AgentSettings::max_waiting_per_host), or
    /// [`max_waiting`](super::AgentSettings::max_waiting).
    pub waiting: usize,
}

impl fmt::Display for TooManyWaiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} requests wait for a connection already", self.waiting)
    }
}

impl Error for TooManyWaiting {}

debug_is_display!(TooManyWaiting);

/// Why a redirect is not followed.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum RedirectError {
    /// There were more in a row than [`Redirects::Follow`](super::Redirects::Follow) allows. Twisted's
    /// `InfiniteRedirection`.
    TooMany {
        /// Maximum number of redirects in a row.
        limit: usize,
    },
    /// It has no `Location`, or more than one. Twisted's `RedirectWithNoLocation`.
    NoLocation,
    /// Its `Location` is not a URL that we can request.
    BadLocation(UrlError),
    /// It leads from https to http.
    Insecure,
    /// It leads to another origin, and its address holds a secret of ours.
    Secret,
}

impl fmt::Display for RedirectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RedirectError::TooMany { limit } => write!(f, "more than {limit} redirects in a row"),
            RedirectError::NoLocation => f.write_str("a redirect that does not say where to"),
            RedirectError::BadLocation(error) => write!(f, "a redirect to no usable address: {error}"),
            RedirectError::Insecure => f.write_str("a redirect from https to http"),
            RedirectError::Secret => f.write_str("a redirect that would take a secret to another origin"),
        }
    }
}

impl std::error::Error for RedirectError {}

debug_is_display!(RedirectError);

/// Why a proxy gives no tunnel.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProxyError {
    /// It answered with this status; 407 means that it wants a user name and a password.
    Refused(u16),
    /// Its response is malformed.
    BadAnswer(HttpError),
}

impl fmt::Display for ProxyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ProxyError::Refused(status) => write!(f, "the proxy gives no tunnel: it answered {status}"),
            ProxyError::BadAnswer(error) => write!(f, "the proxy's answer is broken: {error}"),
        }
    }
}

impl std::error::Error for ProxyError {}

debug_is_display!(ProxyError);
