//! What went wrong with a Places service, in words for whoever runs a server: what happened, and what to do about it.

use super::answer::AnswerStatus;
use super::limiter::TooManyQuestions;
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
    "the service is too slow, or something on the way swallows what is sent; timeout in [places] sets the limit";

const NOT_REACHED: &str =
    "nothing has been asked yet; often a firewall drops what is sent, or base_url has the port of something else";

/// Why there is no answer.
pub fn explain(failure: &Failure) -> String {
    match advice(failure) {
        Some(advice) => format!("{failure}: {advice}"),
        None => failure.to_string(),
    }
}

fn advice(failure: &Failure) -> Option<&'static str> {
    if let Some(error) = find::<ConnectError>(failure) {
        Some(no_connection(error))
    } else if let Some(reason) = find::<Reason>(failure) {
        Some(broken_off(reason))
    } else if find::<TimeoutError>(failure).is_some() {
        let was_sent = find::<AgentError>(failure).is_none_or(|error| error.stage() != Stage::RequestNotSent);
        Some(if was_sent { TOO_SLOW } else { NOT_REACHED })
    } else if let Some(error) = find::<HttpError>(failure) {
        Some(no_http(error))
    } else if let Some(error) = find::<ServiceError>(failure) {
        Some(no_answer(error))
    } else if find::<TooManyQuestions>(failure).is_some() {
        Some("max_in_flight in [places] says how many are asked at once")
    } else {
        None
    }
}

/// An error of this kind in a failure: the error itself, or what it was caused by.
fn find<E: Error + 'static>(failure: &Failure) -> Option<&E> {
    let mut error = failure.value();
    loop {
        match error.downcast_ref::<E>() {
            None => error = error.source()?,
            found => return found,
        }
    }
}

fn no_connection(error: &ConnectError) -> &'static str {
    match error {
        ConnectError::NameLookup { .. } => "is the name right, and has this machine a network and a name server?",
        ConnectError::Failed { error, .. } => no_way(error),
        ConnectError::Timeout { .. } => "nothing came back while connecting; often a firewall drops what is sent",
        _ => "the program is ending",
    }
}

fn no_way(error: &io::Error) -> &'static str {
    match error.kind() {
        ErrorKind::ConnectionRefused => "the machine is there, but nothing listens on that port",
        ErrorKind::NetworkUnreachable | ErrorKind::HostUnreachable => "this machine has no way to that address",
        ErrorKind::PermissionDenied => "this machine's own rules forbid it",
        _ => "the network did not carry the connection",
    }
}

fn no_tls(error: &TlsError) -> &'static str {
    match (error.cause(), error.fault()) {
        (Some(rustls::Error::InvalidCertificate(certificate)), _) => bad(certificate),
        (None, _) if error.is_in_handshake() => "should base_url begin with http:// ?",
        (_, TlsFault::NothingInCommon) => "the other side speaks nothing that is safe today",
        (_, TlsFault::Refused) => "the other side broke TLS off",
        _ => "the other side does not keep to TLS",
    }
}

/// The certificate is looked at before a byte of the request goes out.
fn bad(certificate: &CertificateError) -> &'static str {
    use CertificateError as Bad;
    match certificate {
        Bad::Expired | Bad::ExpiredContext { .. } | Bad::NotValidYet | Bad::NotValidYetContext { .. } => {
            "the service needs another one, or this machine's clock is wrong; the key was not sent"
        }
        Bad::UnknownIssuer => "if it is your own, name its CA with ca_file in [places]; the key was not sent",
        Bad::NotValidForName | Bad::NotValidForNameContext { .. } => {
            "base_url must have a name that it is for; the key was not sent"
        }
        _ => "the key was not sent",
    }
}

fn broken_off(reason: &Reason) -> &'static str {
    if let Some(error) = reason.tls_error() {
        return no_tls(error);
    }
    match reason {
        Reason::Truncated => "the answer is not complete, and somebody may have cut it off",
        Reason::Lost(_) => "the other side, or something on the way, broke the connection off",
        Reason::Done => "the other side closed the connection without an answer",
        _ => "the connection was broken off here",
    }
}

fn no_http(error: &HttpError) -> &'static str {
    match error {
        HttpError::Tls => "should base_url begin with https:// ?",
        _ => "what is there does not speak HTTP as a Places service does; is base_url right?",
    }
}

fn no_answer(error: &ServiceError) -> &'static str {
    match error {
        ServiceError::Status(300..=399) => "base_url must be where the service is now",
        ServiceError::Status(401 | 403 | 407) => {
            "the service, or something before it, lets nobody in; if it takes a key, is that right?"
        }
        ServiceError::Status(404 | 405 | 410) => "no such service there; is base_url right?",
        ServiceError::Status(500..) => "the service has a fault of its own; try again later",
        ServiceError::Status(_) => "the service does not take the request; is base_url right?",
        ServiceError::NotAnAnswer { .. } => "what is there is no Places service; is base_url right?",
        ServiceError::Remark(_) => "the service could not do it; a smaller radius may help",
    }
}

/// Why a service that has answered did not do what it was asked; `provider` is which it is.
pub fn explain_status(told: &AnswerStatus, provider: Option<Provider>) -> String {
    let message = told.message.as_deref().unwrap_or("it gives no reason");
    let is_old = provider != Some(Provider::GoogleNew);
    let has_key = provider != Some(Provider::Overpass);
    let advice = match &*told.status {
        "REQUEST_DENIED" if !has_key => "the instance, or something before it, does not let us in".to_owned(),
        "OVER_QUERY_LIMIT" if !has_key => "the instance has had enough of us; interval in [places] may help".to_owned(),
        "REQUEST_DENIED" if is_old && message.contains("legacy API") => {
            "the key's project may not use the old Places API; say provider = \"google-new\" in [places]".to_owned()
        }
        "REQUEST_DENIED" => {
            format!("look at the key ({KEY_VARIABLE} or key_file) and at what its project is allowed to use")
        }
        "OVER_QUERY_LIMIT" => "the quota is used up, or billing is not enabled for the key's project".to_owned(),
        "INVALID_REQUEST" => "the service did not understand the question".to_owned(),
        _ => "the service has a fault of its own; try again later".to_owned(),
    };
    format!("{}: {message}: {advice}", told.status)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn denied(message: &str, provider: Option<Provider>) -> String {
        explain_status(
            &AnswerStatus { status: "REQUEST_DENIED".to_owned(), message: Some(message.to_owned()) },
            provider,
        )
    }

    #[test]
    fn a_key_without_the_old_api_is_told_of_the_new_one() {
        for apostrophe in ["'", "\u{2019}"] {
            let message = format!("You{apostrophe}re calling a legacy API, which is not enabled for your project.");
            assert!(denied(&message, Some(Provider::Google)).contains("provider = \"google-new\""));
            assert!(denied(&message, None).contains("provider = \"google-new\""));
        }
        assert!(denied("The provided API key is invalid.", None).contains(KEY_VARIABLE));
    }

    #[test]
    fn whatever_is_wrong_with_a_certificate_the_key_was_not_sent() {
        for (fault, word) in [
            (CertificateError::Expired, "clock"),
            (CertificateError::NotValidYet, "clock"),
            (CertificateError::UnknownIssuer, "ca_file"),
            (CertificateError::NotValidForName, "base_url"),
            (CertificateError::BadSignature, "key"),
        ] {
            let words = bad(&fault);
            assert!(words.contains(word) && words.contains("key was not sent"), "{words}");
        }
    }

    #[test]
    fn what_nobody_has_words_for_is_told_as_it_is() {
        assert_eq!(explain(&Failure::msg("odd")), "odd");
    }
}
