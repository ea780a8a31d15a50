//! [`AgentError`]: how far a request came, why it came no further, and whose fault that is.

use super::request::Request;
use crate::Failure;
use crate::error::{ConnectError, Reason, TimeoutError};
use crate::http::gzip::GzipError;
use crate::http::limits::{Fault, HttpError};
use crate::http::url::UrlError;
use std::error::Error;
use std::fmt;

/// How far a request came. Twisted has an exception for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Not a byte of it was sent: asking again does no harm.
    RequestNotSent,
    /// It was sent, or some of it, and no answer came: nobody knows what the server did.
    ResponseNeverReceived,
    /// The answer began, and did not come to its end.
    ResponseFailed,
}

/// Whose fault it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Party {
    /// Ours: a limit or a setting of this program.
    Ours,
    /// The peer's: the server or the proxy does what it should not.
    Peer,
    /// The network's, or of a peer that is silent: from here the two look alike.
    Network,
}

/// A request failed. Twisted's `RequestNotSent`, `ResponseNeverReceived` and `ResponseFailed`.
///
/// Tells the method and the origin, never path, query or headers: there may be secrets in them. A request that was
/// cancelled fails with [`CancelledError`](crate::CancelledError) instead.
#[derive(Debug, Clone)]
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
                Reason::Aborted | Reason::Panicked => Party::Ours,
            };
        }
        if reason.check() == Some(&GzipError::TooManyMembers) {
            return Party::Ours; // A limit, as those above.
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

/// A request found as many others waiting for a connection as may wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooManyWaiting {
    /// How many waited: [`max_waiting_per_host`](super::AgentSettings::max_waiting_per_host), or
    /// [`max_waiting`](super::AgentSettings::max_waiting).
    pub waiting: usize,
}

impl fmt::Display for TooManyWaiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} requests wait for a connection already", self.waiting)
    }
}

impl Error for TooManyWaiting {}

/// A redirect is not followed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum RedirectError {
    /// There were more in a row than [`Redirects::Follow`](super::Redirects::Follow) allows. Twisted's
    /// `InfiniteRedirection`.
    TooMany {
        /// How many are allowed.
        limit: usize,
    },
    /// It does not say where to, or says it twice. Twisted's `RedirectWithNoLocation`.
    NoLocation,
    /// It leads to no address that we could ask.
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

/// The proxy gives no tunnel.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProxyError {
    /// It answered with this status: 407 asks for a name and a password.
    Refused(u16),
    /// Its answer is broken.
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
