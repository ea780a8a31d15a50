use super::*;
use rustls::pki_types::ServerName;
use rustls::{ExtendedKeyPurpose, OtherError};
use std::sync::Arc;

fn error(error: Error, seen: Option<Seen>) -> TlsError {
    let alpn = [b"h2".to_vec(), b"http/1.1".to_vec()];
    TlsError::new(error, ErrorContext { in_handshake: true, peer: "the server", seen, alpn: &alpn })
}

/// The text of an error about a certificate, without the beginning that all have in common.
fn text_of(certificate: CertificateError, seen: Option<Seen>) -> String {
    let error = error(Error::InvalidCertificate(certificate), seen);
    assert_eq!(error.fault(), TlsFault::Certificate);
    error.to_string().strip_prefix("the TLS handshake failed: ").unwrap().to_owned()
}

fn at(seconds: u64) -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(seconds))
}

#[test]
fn dates_are_right_in_all_kinds_of_years() {
    for (seconds, date) in [
        (0, "1970-01-01 00:00 UTC"),
        (951_782_399, "2000-02-28 23:59 UTC"),
        (951_782_400, "2000-02-29 00:00 UTC"),
        (951_868_800, "2000-03-01 00:00 UTC"),
        (1_704_067_199, "2023-12-31 23:59 UTC"),
        (1_709_164_800, "2024-02-29 00:00 UTC"),
        (4_107_542_399, "2100-02-28 23:59 UTC"),
        (4_107_542_400, "2100-03-01 00:00 UTC"),
        (32_503_680_000, "3000-01-01 00:00 UTC"),
        (253_402_300_799, "9999-12-31 23:59 UTC"),
    ] {
        assert_eq!(Date(at(seconds)).to_string(), date);
    }
    assert!(!Date(at(u64::MAX)).to_string().is_empty());
}

#[test]
fn dates_stand_beside_our_own_time() {
    let (time, not_after, not_before) = (at(86_400), at(60), at(172_800));
    assert_eq!(
        text_of(CertificateError::ExpiredContext { time, not_after }, None),
        "a certificate of the server's expired on 1970-01-01 00:01 UTC; our clock says 1970-01-02 00:00 UTC"
    );
    assert_eq!(
        text_of(CertificateError::NotValidYetContext { time, not_before }, None),
        "a certificate of the server's is valid only from 1970-01-03 00:00 UTC; our clock says 1970-01-02 00:00 UTC"
    );
}

#[test]
fn a_wrong_name_stands_beside_a_few_right_ones() {
    let wrong = |presented: Vec<String>| {
        let expected = ServerName::try_from("here.test").unwrap();
        text_of(CertificateError::NotValidForNameContext { expected, presented }, None)
    };
    let dns = |name: &str| format!("DnsName({name:?})");
    assert_eq!(wrong(vec![]), "the certificate of the server is for no name at all, not for here.test");
    assert_eq!(wrong(vec![dns("a.test")]), "the certificate of the server is for a.test, not for here.test");
    assert_eq!(
        wrong(vec![dns("a.test"), dns("*.b.test"), "IpAddress(127.0.0.1)".to_owned(), "DirectoryName".to_owned()]),
        "the certificate of the server is for a.test, *.b.test and 127.0.0.1, not for here.test"
    );
    assert_eq!(
        wrong(vec![dns("a.test"); 300]),
        "the certificate of the server is for a.test, a.test, a.test, a.test, a.test and 295 more, not for here.test"
    );
    let nasty = wrong(vec!["DnsName(\"a\u{1b}[2J\")".to_owned()]);
    assert!(!nasty.contains('\u{1b}'), "{nasty:?}");
}

#[test]
fn an_unknown_authority_is_described_as_far_as_it_is_known() {
    let unknown = |seen| text_of(CertificateError::UnknownIssuer, seen);
    let acme = || Some("\"Acme\"".to_owned());
    assert_eq!(
        unknown(Some(Seen::SelfSigned)),
        "the certificate of the server is self-signed, and not one that we trust"
    );
    assert_eq!(
        unknown(Some(Seen::Chain(LastIssuer::Sent(acme())))),
        "the certificate of the server comes from \"Acme\", an authority that we do not trust"
    );
    assert_eq!(
        unknown(Some(Seen::Chain(LastIssuer::NotSent(acme())))),
        "the certificate of the server comes from \"Acme\", an authority that we do not trust; \
         if that is an intermediate one, the server has to send its certificate, too"
    );
    for seen in [None, Some(Seen::Chain(LastIssuer::NotSent(None)))] {
        assert_eq!(unknown(seen), "the certificate of the server comes from an authority that we do not trust");
    }
}

#[test]
fn a_weak_key_is_named_where_it_may_be_the_cause() {
    assert_eq!(
        text_of(CertificateError::BadSignature, Some(Seen::WeakKey(1024))),
        "a certificate of the server's has an RSA key of 1024 bits; fewer than 2048 are not safe"
    );
    let revoked = text_of(CertificateError::Revoked, Some(Seen::WeakKey(1024)));
    assert_eq!(revoked, "the certificate of the server has been revoked");
}

#[test]
fn errors_that_only_webpki_names_are_described_too() {
    let other = |what: &str| text_of(CertificateError::Other(OtherError(Arc::from(Box::from(what)))), None);
    assert!(other("CaUsedAsEndEntity").ends_with("is an authority's own (CA:TRUE), not a server's"));
    assert!(other("EndEntityUsedAsCa").ends_with("was issued with one that may not issue any (CA:FALSE)"));
    assert_eq!(other("Whatever"), "a certificate of the server's is not valid: Whatever");
    let presented = vec![ExtendedKeyPurpose::ClientAuth];
    assert_eq!(
        text_of(CertificateError::InvalidPurposeContext { required: ExtendedKeyPurpose::ServerAuth, presented }, None),
        "the certificate of the server is not for servers, but for client authentication"
    );
}

#[test]
fn every_error_says_whose_fault_it_is_and_whether_it_is_in_the_handshake() {
    let of = |cause: Error| error(cause, None);
    let alert = |alert| of(Error::AlertReceived(alert));
    for (error, fault, text) in [
        (
            alert(AlertDescription::NoApplicationProtocol),
            TlsFault::NothingInCommon,
            "the server speaks none of our application protocols; ours: h2 and http/1.1",
        ),
        (
            of(PeerMisbehaved::SelectedUnofferedApplicationProtocol.into()),
            TlsFault::Peer,
            "the server chose an application protocol that we did not offer; ours: h2 and http/1.1",
        ),
        (
            alert(AlertDescription::ProtocolVersion),
            TlsFault::NothingInCommon,
            "the server speaks neither TLS 1.2 nor 1.3 with us",
        ),
        (
            alert(AlertDescription::UnknownCA),
            TlsFault::Refused,
            "the server does not accept our certificate (UnknownCA)",
        ),
        (alert(AlertDescription::AccessDenied), TlsFault::Refused, "the server refused us (AccessDenied)"),
        (alert(AlertDescription::UnrecognisedName), TlsFault::Refused, "the server knows no site of that name"),
        (
            of(Error::PeerSentOversizedRecord),
            TlsFault::Peer,
            "the server breaks TLS's rules: peer sent excess record size",
        ),
        (of(Error::FailedToGetRandomBytes), TlsFault::Ours, "by our own fault: failed to get random bytes"),
        (of(Error::NoCertificatesPresented), TlsFault::Certificate, "the server showed no certificate"),
    ] {
        assert_eq!((error.fault(), &*error.to_string()), (fault, &*format!("the TLS handshake failed: {text}")));
        assert!(error.is_in_handshake());
    }
    for (bytes, what) in [
        (&b"GET / HTTP/1.1\r\nHost:"[..], r#""GET / HTTP/1.1\r\nHost:", which is plain HTTP"#),
        (b"HTTP/1.1 400 Bad", r#""HTTP/1.1 400 Bad", which is plain HTTP"#),
        (b"GETS", r#""GETS""#),
    ] {
        let context = ErrorContext { in_handshake: true, peer: "the client", seen: None, alpn: &[] };
        let error = TlsError::not_tls(bytes, context).to_string();
        assert_eq!(error, format!("the TLS handshake failed: the client does not speak TLS here; it sent {what}"));
    }
    let later = ErrorContext { in_handshake: false, peer: "the client", seen: None, alpn: &[] };
    let later = TlsError::new(Error::DecryptError, later);
    assert_eq!((later.is_in_handshake(), later.fault()), (false, TlsFault::Peer));
    assert!(later.to_string().starts_with("TLS failed: what came from the client cannot be decrypted"));
}

#[test]
fn an_alert_in_a_session_that_is_up_does_not_say_that_the_ends_have_nothing_in_common() {
    let later = |alert| {
        let context = ErrorContext { in_handshake: false, peer: "the client", seen: None, alpn: &[] };
        let error = TlsError::new(Error::AlertReceived(alert), context);
        (error.fault(), error.to_string())
    };
    let renegotiation = "TLS failed: the client refused to go on (HandshakeFailure); perhaps it wanted to \
                         renegotiate, and we never do that";
    assert_eq!(later(AlertDescription::HandshakeFailure), (TlsFault::Refused, renegotiation.to_owned()));
    for (alert, name) in [
        (AlertDescription::ProtocolVersion, "ProtocolVersion"),
        (AlertDescription::InsufficientSecurity, "InsufficientSecurity"),
        (AlertDescription::NoApplicationProtocol, "NoApplicationProtocol"),
    ] {
        assert_eq!(later(alert), (TlsFault::Refused, format!("TLS failed: the client refused us ({name})")));
    }
}
