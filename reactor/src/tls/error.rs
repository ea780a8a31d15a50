//! [`TlsError`]: why TLS failed, whose fault it is, and a sentence that the operator of the program understands.
//!
//! rustls reports to programs; the sentences here are for people. Dates are written as dates, and names stand beside
//! the name that was wanted. Text of the peer is repeated only in quotes and cut short.
//!
//! Next: `verifier.rs`, what is known of a refused certificate.

use super::certificate::{LastIssuer, readable};
use super::verifier::Seen;
use crate::Reason;
use crate::error::debug_is_display;
use rustls::pki_types::UnixTime;
use rustls::{AlertDescription, CertificateError, Error, InvalidMessage, PeerIncompatible, PeerMisbehaved};
use std::fmt;
use std::time::Duration;

/// Maximum number of a certificate's names that a message repeats.
const MAX_NAMES: usize = 5;

/// Why TLS failed.
///
/// Its text is one sentence that says at which end the fault is. If it [`is_in_handshake`](TlsError::is_in_handshake),
/// nothing that the program wrote has reached the peer, whatever the fault.
#[derive(Clone)]
pub struct TlsError {
    in_handshake: bool,
    peer: &'static str,
    why: Cause,
    seen: Option<Seen>,
    /// The application protocols that our side speaks.
    ours: Vec<String>,
}

#[derive(Debug, Clone)]
enum Cause {
    Rustls(Error),
    /// The peer's first bytes are not TLS.
    NotTls(Vec<u8>),
    TimedOut(Duration),
}

/// At which end of a connection TLS failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum TlsFault {
    /// The peer's certificate was refused. Its owner has to renew it; or we trust the wrong authorities or have the
    /// wrong time; or an attacker answers in place of the peer.
    Certificate,
    /// The peer breaks the rules of TLS, does not speak it, or has fallen silent.
    Peer,
    /// Both follow the rules but have no version, cipher or application protocol in common.
    NothingInCommon,
    /// The peer refused us and said why.
    Refused,
    /// Something failed on our side.
    Ours,
}

/// Here and not beside [`Reason`], which knows only that some layer failed.
impl Reason {
    /// The TLS failure that ended the connection, if one did. It says whose fault that is, and whether it happened in
    /// the handshake.
    pub fn tls_error(&self) -> Option<&TlsError> {
        match self {
            Reason::Tls(error) => error.downcast_ref(),
            _ => None,
        }
    }
}

impl TlsError {
    pub(super) fn new(error: Error, context: ErrorContext<'_>) -> TlsError {
        TlsError::with(Cause::Rustls(error), context)
    }

    pub(super) fn not_tls(first_bytes: &[u8], context: ErrorContext<'_>) -> TlsError {
        TlsError::with(Cause::NotTls(first_bytes.to_vec()), context)
    }

    pub(super) fn timed_out(after: Duration, context: ErrorContext<'_>) -> TlsError {
        TlsError::with(Cause::TimedOut(after), context)
    }

    fn with(why: Cause, context: ErrorContext<'_>) -> TlsError {
        let ErrorContext { in_handshake, peer, seen, alpn } = context;
        let ours = alpn.iter().map(|name| String::from_utf8_lossy(name).into_owned()).collect();
        TlsError { in_handshake, peer, why, seen, ours }
    }

    /// Whether it failed during the handshake. Then not a byte that the program wrote has gone out.
    pub fn is_in_handshake(&self) -> bool {
        self.in_handshake
    }

    /// The error of rustls. `None` if rustls was not asked: the peer does not speak TLS, or did not answer in time.
    pub fn cause(&self) -> Option<&Error> {
        match &self.why {
            Cause::Rustls(error) => Some(error),
            Cause::NotTls(_) | Cause::TimedOut(_) => None,
        }
    }

    /// Whose fault it is.
    pub fn fault(&self) -> TlsFault {
        let Some(error) = self.cause() else { return TlsFault::Peer };
        match error {
            Error::InvalidCertificate(_) | Error::NoCertificatesPresented => TlsFault::Certificate,
            Error::PeerIncompatible(_) | Error::NoApplicationProtocol => TlsFault::NothingInCommon,
            Error::AlertReceived(alert) if self.is_nothing_in_common(*alert) => TlsFault::NothingInCommon,
            Error::AlertReceived(_) => TlsFault::Refused,
            Error::InappropriateMessage { .. }
            | Error::InappropriateHandshakeMessage { .. }
            | Error::InvalidEncryptedClientHello(_)
            | Error::InvalidMessage(_)
            | Error::DecryptError
            | Error::PeerMisbehaved(_)
            | Error::PeerSentOversizedRecord => TlsFault::Peer,
            _ => TlsFault::Ours,
        }
    }
}

/// What is known beside an error when it occurs.
#[derive(Debug)]
pub(super) struct ErrorContext<'a> {
    pub(super) in_handshake: bool,
    /// "the server" or "the client".
    pub(super) peer: &'static str,
    pub(super) seen: Option<Seen>,
    /// The application protocols that our side speaks.
    pub(super) alpn: &'a [Vec<u8>],
}

impl std::error::Error for TlsError {}

debug_is_display!(TlsError);

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.in_handshake { "the TLS handshake failed: " } else { "TLS failed: " })?;
        let peer = self.peer;
        match &self.why {
            Cause::NotTls(bytes) => {
                let what = if is_http(bytes) { ", which is plain HTTP" } else { "" };
                write!(f, "{peer} does not speak TLS here; it sent {}{what}", readable(bytes))
            }
            Cause::TimedOut(after) => write!(f, "{peer} did not complete it within {after:?}"),
            Cause::Rustls(Error::InvalidCertificate(error)) => self.certificate(error, f),
            Cause::Rustls(Error::AlertReceived(alert)) => self.alert(*alert, f),
            Cause::Rustls(Error::PeerIncompatible(why)) => self.incompatible(why, f),
            Cause::Rustls(Error::NoApplicationProtocol) => self.no_protocol(f),
            Cause::Rustls(Error::PeerMisbehaved(PeerMisbehaved::SelectedUnofferedApplicationProtocol)) => {
                write!(f, "{peer} chose an application protocol that we did not offer; {}", self.offer())
            }
            Cause::Rustls(Error::NoCertificatesPresented) => write!(f, "{peer} showed no certificate"),
            Cause::Rustls(Error::DecryptError) => {
                write!(f, "what came from {peer} cannot be decrypted: it was changed on its way, or {peer} is broken")
            }
            Cause::Rustls(Error::InvalidMessage(InvalidMessage::InvalidContentType)) => {
                write!(f, "{peer} sent something that is not TLS")
            }
            Cause::Rustls(error) => match self.fault() {
                TlsFault::Ours => write!(f, "by our own fault: {error}"),
                _ => write!(f, "{peer} breaks TLS's rules: {error}"),
            },
        }
    }
}

impl TlsError {
    fn certificate(&self, error: &CertificateError, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let peer = self.peer;
        if let (Some(Seen::WeakKey(bits)), true) = (&self.seen, is_about_keys(error)) {
            return write!(f, "a certificate of {peer}'s has an RSA key of {bits} bits; fewer than 2048 are not safe");
        }
        match error {
            CertificateError::ExpiredContext { time, not_after } => {
                write!(f, "a certificate of {peer}'s expired on {}; {}", Date(*not_after), OurClock(*time))
            }
            CertificateError::NotValidYetContext { time, not_before } => {
                write!(f, "a certificate of {peer}'s is valid only from {}; {}", Date(*not_before), OurClock(*time))
            }
            CertificateError::NotValidForNameContext { expected, presented } => {
                write!(f, "the certificate of {peer} is for {}, not for {}", names(presented), expected.to_str())
            }
            CertificateError::UnknownIssuer => self.unknown_issuer(f),
            CertificateError::BadSignature => {
                write!(
                    f,
                    "a signature of {peer}'s is false: its certificate was not issued by the authority it names, "
                )?;
                write!(f, "or it does not have the certificate's key")
            }
            CertificateError::UnsupportedSignatureAlgorithmContext { signature_algorithm_id, .. } => {
                let algorithm = algorithm(signature_algorithm_id);
                write!(f, "a certificate of {peer}'s is signed with {algorithm}, which we do not accept")
            }
            CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
                write!(f, "a certificate of {peer}'s is signed in a way that does not fit the key, or that is unsafe")
            }
            CertificateError::InvalidPurposeContext { presented, .. } => {
                let purposes: Vec<String> = presented.iter().take(MAX_NAMES).map(ToString::to_string).collect();
                write!(f, "the certificate of {peer} is not for {}s, but for {}", self.role(), listed(&purposes))
            }
            CertificateError::Revoked => write!(f, "the certificate of {peer} has been revoked"),
            CertificateError::BadEncoding => write!(f, "a certificate of {peer}'s is malformed"),
            CertificateError::UnhandledCriticalExtension => {
                write!(f, "a certificate of {peer}'s depends on something that we do not know")
            }
            // Errors of webpki for which rustls has no variant.
            CertificateError::Other(other) => match other.to_string().as_str() {
                "EndEntityUsedAsCa" => {
                    write!(f, "the certificate of {peer} was issued with one that may not issue any (CA:FALSE)")
                }
                "CaUsedAsEndEntity" => {
                    write!(f, "the certificate of {peer} is an authority's own (CA:TRUE), not a {}'s", self.role())
                }
                "NameConstraintViolation" => {
                    write!(f, "the certificate of {peer} is for a name that its issuer may not vouch for")
                }
                what => write!(f, "a certificate of {peer}'s is not valid: {what}"),
            },
            other => write!(f, "the certificate of {peer} is not accepted: {other}"),
        }
    }

    /// "server" or "client".
    fn role(&self) -> &'static str {
        self.peer.trim_start_matches("the ")
    }

    fn unknown_issuer(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let peer = self.peer;
        match &self.seen {
            Some(Seen::SelfSigned) => write!(f, "the certificate of {peer} is self-signed, and not one that we trust"),
            Some(Seen::Chain(LastIssuer::Sent(Some(root)))) => {
                write!(f, "the certificate of {peer} comes from {root}, an authority that we do not trust")
            }
            Some(Seen::Chain(LastIssuer::NotSent(Some(issuer)))) => {
                write!(f, "the certificate of {peer} comes from {issuer}, an authority that we do not trust; ")?;
                write!(f, "if that is an intermediate one, {peer} has to send its certificate, too")
            }
            _ => write!(f, "the certificate of {peer} comes from an authority that we do not trust"),
        }
    }

    /// Whether the peer says by `alert` that the two ends have nothing in common. In a session that is up they have.
    fn is_nothing_in_common(&self, alert: AlertDescription) -> bool {
        let says_so = matches!(
            alert,
            AlertDescription::ProtocolVersion
                | AlertDescription::HandshakeFailure
                | AlertDescription::InsufficientSecurity
                | AlertDescription::NoApplicationProtocol
        );
        self.in_handshake && says_so
    }

    fn alert(&self, alert: AlertDescription, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let peer = self.peer;
        let nothing_in_common = self.is_nothing_in_common(alert);
        match alert {
            // OpenSSL's answer to our refusal to renegotiate.
            AlertDescription::HandshakeFailure if !nothing_in_common => {
                write!(f, "{peer} refused to go on ({alert:?}); ")?;
                write!(f, "perhaps it wanted to renegotiate, and we never do that")
            }
            AlertDescription::ProtocolVersion if nothing_in_common => {
                write!(f, "{peer} speaks neither TLS 1.2 nor 1.3 with us")
            }
            AlertDescription::HandshakeFailure | AlertDescription::InsufficientSecurity if nothing_in_common => {
                write!(f, "{peer} has no cipher or kind of key in common with us")
            }
            AlertDescription::NoApplicationProtocol if nothing_in_common => self.no_protocol(f),
            AlertDescription::UnrecognisedName => write!(f, "{peer} knows no site of that name"),
            AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateUnknown
            | AlertDescription::UnknownCA => write!(f, "{peer} does not accept our certificate ({alert:?})"),
            AlertDescription::CertificateRequired => write!(f, "{peer} wants a certificate, and we have none"),
            AlertDescription::InternalError => write!(f, "{peer} has a fault of its own (InternalError)"),
            other => write!(f, "{peer} refused us ({other:?})"),
        }
    }

    fn incompatible(&self, why: &PeerIncompatible, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let peer = self.peer;
        match why {
            PeerIncompatible::ServerDoesNotSupportTls12Or13
            | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig
            | PeerIncompatible::SupportedVersionsExtensionRequired
            | PeerIncompatible::Tls12NotOffered
            | PeerIncompatible::Tls12NotOfferedOrEnabled => {
                write!(f, "{peer} speaks neither TLS 1.2 nor 1.3 with us")
            }
            other => write!(f, "{peer} has nothing in common with us: {other:?}"),
        }
    }

    fn no_protocol(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} speaks none of our application protocols; {}", self.peer, self.offer())
    }

    fn offer(&self) -> String {
        match self.ours.is_empty() {
            true => "we speak none".to_owned(),
            false => format!("ours: {}", listed(&self.ours)),
        }
    }
}

/// Whether these first bytes are those of an HTTP response or request.
fn is_http(bytes: &[u8]) -> bool {
    const METHODS: [&str; 9] = ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"];
    let begins = |method: &str| bytes.strip_prefix(method.as_bytes()).is_some_and(|rest| rest.starts_with(b" "));
    bytes.starts_with(b"HTTP/") || METHODS.into_iter().any(begins)
}

/// Whether a weak key may be the cause.
fn is_about_keys(error: &CertificateError) -> bool {
    matches!(
        error,
        CertificateError::BadSignature
            | CertificateError::UnsupportedSignatureAlgorithmContext { .. }
            | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. }
    )
}

/// The names that a certificate is for: rustls gives them as `DnsName("example.com")`.
fn names(presented: &[String]) -> String {
    let bare = |name: &String| {
        let (_, rest) = name.split_once('(')?;
        Some(readable(rest.trim_end_matches(')').trim_matches('"').as_bytes()).trim_matches('"').to_owned())
    };
    let mut names: Vec<String> = presented.iter().take(MAX_NAMES).filter_map(bare).collect();
    if presented.len() > MAX_NAMES {
        names.push(format!("{} more", presented.len() - MAX_NAMES));
    }
    if names.is_empty() { "no name at all".to_owned() } else { listed(&names) }
}

/// `a, b and c`.
fn listed(items: &[String]) -> String {
    match items {
        [] => "nothing".to_owned(),
        [only] => only.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

/// The name of a signature algorithm, of those that old or careless servers still use.
fn algorithm(id: &[u8]) -> &'static str {
    const SHA1: [&[u8]; 3] = [
        &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x05], // With RSA.
        &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x01],             // With ECDSA.
        &[0x2a, 0x86, 0x48, 0xce, 0x38, 0x04, 0x03],             // With DSA.
    ];
    const MD5: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x04];
    let names = |oid: &&[u8]| id.windows(oid.len()).any(|part| part == *oid);
    if SHA1.iter().any(names) {
        "SHA-1"
    } else if names(&MD5) {
        "MD5"
    } else {
        "an algorithm"
    }
}

/// The time against which dates were checked: a wrong clock makes good certificates look bad.
struct OurClock(UnixTime);

impl fmt::Display for OurClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "our clock says {}", Date(self.0))
    }
}

/// A moment, to the minute, in UTC.
pub(super) struct Date(pub(super) UnixTime);

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let minutes = self.0.as_secs() / 60;
        let (days, minute) = (minutes / 1440, minutes % 1440);
        // The calendar repeats every 400 years, which are 146,097 days. A year that begins in March has its odd day
        // last.
        let day = days + 719_468; // Since 0000-03-01.
        let (era, day) = (day / 146_097, day % 146_097);
        let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
        let day = day - (365 * year + year / 4 - year / 100);
        let month = (5 * day + 2) / 153; // March is 0; five months in a row have 153 days.
        let day = day - (153 * month + 2) / 5 + 1;
        let (month, carry) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
        let year = era * 400 + year + carry;
        write!(f, "{year}-{month:02}-{day:02} {:02}:{:02} UTC", minute / 60, minute % 60)
    }
}

/// Whether a peer's first bytes can begin a TLS record: its type, and the major version, which is 3 in all versions.
pub(super) fn looks_like_tls(bytes: &[u8]) -> bool {
    matches!(bytes, [20..=23] | [20..=23, 3, ..])
}

#[cfg(test)]
mod tests;
