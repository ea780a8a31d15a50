//! What went wrong with a Places service, in words for the person who runs a server: what happened, and what to do.
//!
//! Next: `open.rs`, which puts the parts together.

use super::answer::AnswerStatus;
use super::limiter::NotAsked;
use super::open::KEY_VARIABLE;
use super::service::ServiceError;
use crate::config::Provider;
use reactor::error::ConnectError;
use reactor::http::{AgentError, HttpError, Stage};
use reactor::tls::rustls::{self, CertificateError};
use reactor::tls::{TlsError, TlsFault};
use reactor::{Failure, Reason, TimeoutError};
use std::error::Error;
use std::io::{self, ErrorKind};

const TOO_SLOW: &str =
    "the service is too slow, or something on the way drops what is sent; timeout in [places] sets the limit";

const NOT_REACHED: &str =
    "the request was not sent; often a firewall drops packets, or base_url has the port of another service";

/// Why there is no answer, and what to do about it.
pub fn explain(failure: &Failure) -> String {
    match advice(failure) {
        Some(advice) => format!("{failure}: {advice}"),
        None => failure.to_string(),
    }
}

/// What to do about a failure, if we know. The order counts: a connection that broke is often the cause inside an HTTP
/// error, and then the connection is what to look at.
fn advice(failure: &Failure) -> Option<&'static str> {
    if let Some(error) = find::<ConnectError>(failure) {
        Some(about_connecting(error))
    } else if let Some(reason) = find::<Reason>(failure) {
        Some(about_the_end(reason))
    } else if find::<TimeoutError>(failure).is_some() {
        let was_sent = find::<AgentError>(failure).is_none_or(|error| error.stage() != Stage::RequestNotSent);
        Some(if was_sent { TOO_SLOW } else { NOT_REACHED })
    } else if let Some(error) = find::<HttpError>(failure) {
        Some(about_http(error))
    } else if let Some(error) = find::<ServiceError>(failure) {
        Some(about_the_answer(error))
    } else {
        find::<NotAsked>(failure).map(about_our_limits)
    }
}

/// The first error of this type in a failure: the error itself, or one of its causes.
fn find<E: Error + 'static>(failure: &Failure) -> Option<&E> {
    let mut error = failure.value();
    loop {
        match error.downcast_ref::<E>() {
            None => error = error.source()?,
            found => return found,
        }
    }
}

fn about_connecting(error: &ConnectError) -> &'static str {
    match error {
        ConnectError::NameLookup { .. } => "is the name right, and does this machine have a network and a name server?",
        ConnectError::Failed { error, .. } => about_network(error),
        ConnectError::Timeout { .. } => "nothing came back while connecting; often a firewall drops packets",
        _ => "the program is ending",
    }
}

fn about_network(error: &io::Error) -> &'static str {
    match error.kind() {
        ErrorKind::ConnectionRefused => "the machine is up, but nothing listens on that port",
        ErrorKind::NetworkUnreachable | ErrorKind::HostUnreachable => "this machine has no route to that address",
        ErrorKind::PermissionDenied => "a rule of this machine, such as its firewall, forbids it",
        _ => "the network failed",
    }
}

fn about_tls(error: &TlsError) -> &'static str {
    match (error.cause(), error.fault()) {
        (Some(rustls::Error::InvalidCertificate(certificate)), _) => about_certificate(certificate),
        (None, _) if error.is_in_handshake() => "should base_url begin with http:// ?",
        (_, TlsFault::NothingInCommon) => "the other side supports no version of TLS that is safe today",
        (_, TlsFault::Refused) => "the other side refused to go on with TLS",
        _ => "the other side does not follow the rules of TLS",
    }
}

/// Every advice says that the key was not sent: the certificate is checked before a byte of the request goes out.
fn about_certificate(certificate: &CertificateError) -> &'static str {
    use CertificateError as Bad;
    match certificate {
        Bad::Expired | Bad::ExpiredContext { .. } | Bad::NotValidYet | Bad::NotValidYetContext { .. } => {
            "the service needs a new certificate, or this machine's clock is wrong; the key was not sent"
        }
        Bad::UnknownIssuer => "if it is your own, name its CA with ca_file in [places]; the key was not sent",
        Bad::NotValidForName | Bad::NotValidForNameContext { .. } => {
            "base_url must have a name that the certificate is for; the key was not sent"
        }
        _ => "the key was not sent",
    }
}

fn about_the_end(reason: &Reason) -> &'static str {
    if let Some(error) = reason.tls_error() {
        return about_tls(error);
    }
    match reason {
        Reason::Truncated => "the answer is not complete; it may have been cut on purpose",
        Reason::Lost(_) => "the other side, or something on the way, broke the connection",
        Reason::Done => "the other side closed the connection without an answer",
        _ => "the connection was closed on this side",
    }
}

fn about_http(error: &HttpError) -> &'static str {
    match error {
        HttpError::Tls => "should base_url begin with https:// ?",
        _ => "the program there does not speak HTTP as a Places service does; is base_url right?",
    }
}

fn about_the_answer(error: &ServiceError) -> &'static str {
    match error {
        ServiceError::Status(300..=399) => "base_url must be the service's present address",
        ServiceError::Status(401 | 403 | 407) => {
            "the service, or a proxy before it, refuses access; if it takes a key, is the key right?"
        }
        ServiceError::Status(404 | 405 | 410) => "there is no such service; is base_url right?",
        ServiceError::Status(500..) => "the service has a problem of its own; try again later",
        ServiceError::Status(_) => "the service does not accept the request; is base_url right?",
        ServiceError::NotAnAnswer { .. } => "the program there is not a Places service; is base_url right?",
        ServiceError::Remark(_) => "the service could not do it; a smaller radius may help",
    }
}

fn about_our_limits(error: &NotAsked) -> &'static str {
    match error {
        NotAsked::QueueFull | NotAsked::WaitedTooLong(_) => {
            "max_in_flight in [places] sets how many are asked at the same time"
        }
        NotAsked::BudgetSpent(_) | NotAsked::ShareSpent(_) => {
            "max_per_minute and max_per_day in [places] set the budget"
        }
        NotAsked::ServiceFails => "it is asked again within a minute; the log says how it failed",
    }
}

/// Why a service that has answered did not do what it was asked. `provider` says which one it is; `None` stands for the
/// one that a key chooses.
pub fn explain_status(told: &AnswerStatus, provider: Option<Provider>) -> String {
    let message = told.message.as_deref().unwrap_or("it gives no reason");
    let is_old = provider != Some(Provider::GoogleNew);
    let has_key = provider != Some(Provider::Overpass);
    let advice = match &*told.status {
        "REQUEST_DENIED" if !has_key => "the instance, or a proxy before it, refuses access".to_owned(),
        "OVER_QUERY_LIMIT" if !has_key => {
            "the instance wants fewer questions; interval in [places] may help".to_owned()
        }
        "REQUEST_DENIED" if is_old && message.contains("legacy API") => {
            "the key's project may not use the old Places API; set provider = \"google-new\" in [places]".to_owned()
        }
        "REQUEST_DENIED" => {
            format!("check the key ({KEY_VARIABLE} or key_file) and what its project is allowed to use")
        }
        "OVER_QUERY_LIMIT" => "the quota is used up, or billing is not enabled for the key's project".to_owned(),
        "INVALID_REQUEST" => "the service did not understand the question".to_owned(),
        _ => "the service has a problem of its own; try again later".to_owned(),
    };
    format!("{}: {message}: {advice}", told.status)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_of_a_certificate_says_that_the_key_was_not_sent() {
        for (fault, word) in [
            (CertificateError::Expired, "clock"),
            (CertificateError::NotValidYet, "clock"),
            (CertificateError::UnknownIssuer, "ca_file"),
            (CertificateError::NotValidForName, "base_url"),
            (CertificateError::BadSignature, "key"),
        ] {
            let words = about_certificate(&fault);
            assert!(words.contains(word) && words.contains("key was not sent"), "{words}");
        }
    }

    #[test]
    fn a_failure_without_advice_is_shown_as_it_is() {
        assert_eq!(explain(&Failure::msg("odd")), "odd");
    }
}
