//! Application protocols, sessions that are resumed, and what a peer's certificate says.

use crate::issuing::{Authority, client, server, shake_hands};
use reactor::tls::rustls::ProtocolVersion;
use reactor::tls::{MAX_SESSIONS, TlsClient};
use std::time::{Duration, SystemTime};

#[test]
fn the_server_chooses_the_application_protocol_by_its_own_order() {
    let authority = Authority::new("Root");
    let server = server(authority.issue(&["a.test"]).private()).alpn(&["h2", "http/1.1", "spdy"]).unwrap();
    for (offer, chosen) in [(&["spdy", "http/1.1"][..], Some("http/1.1")), (&["h2"], Some("h2")), (&[], None)] {
        let (at_client, at_server) = shake_hands(&client(&authority.roots(), offer), "a.test", &server);
        for found in [at_client, at_server] {
            assert_eq!(found.session().negotiated_protocol(), chosen.map(str::as_bytes), "{offer:?}");
        }
    }
    let (_, at_server) = shake_hands(&client(&authority.roots(), &["gopher"]), "a.test", &server);
    let why =
        "the TLS handshake failed: the client speaks none of our application protocols; ours: h2, http/1.1 and spdy";
    assert_eq!(at_server.error(), why);
}

#[test]
fn a_second_connection_resumes_the_session_of_the_first() {
    let (ours, members) = (Authority::new("Root"), Authority::new("Members"));
    let server =
        server(ours.issue(&["a.test", "b.test"]).private()).request_client_certificate(&members.roots()).unwrap();
    let client = client(&ours.roots(), &[]).certificate(members.issue_to_client("alice"));
    let handshake = |name| {
        let (at_client, at_server) = shake_hands(&client, name, &server);
        let (at_client, at_server) = (at_client.session(), at_server.session());
        assert_eq!(at_client.version(), ProtocolVersion::TLSv1_3);
        assert_eq!(at_client.cipher_suite(), at_server.cipher_suite());
        assert_eq!(at_client.is_resumed(), at_server.is_resumed());
        // The certificates were shown in the first handshake, and are known in the second.
        assert_eq!(at_client.peer_certificate().unwrap().host_names(), ["a.test", "b.test"]);
        assert_eq!(at_server.peer_certificate().unwrap().common_name().unwrap(), "alice");
        at_client.is_resumed()
    };
    assert!(!handshake("a.test"));
    assert!(handshake("a.test"));
    assert!(!handshake("b.test"), "a session is one with a name");
    // Another identity must not go on in the session of this one.
    let other = client.clone().certificate(members.issue_to_client("bob"));
    let (at_client, at_server) = shake_hands(&other, "a.test", &server);
    assert!(!at_client.session().is_resumed());
    assert_eq!(at_server.session().peer_certificate().unwrap().common_name().unwrap(), "bob");
}

#[test]
fn a_server_remembers_only_the_newest_sessions() {
    let authority = Authority::new("Root");
    let server = server(authority.issue(&["a.test"]).private());
    let first = client(&authority.roots(), &[]);
    let resumed = |client: &TlsClient| shake_hands(client, "a.test", &server).0.session().is_resumed();
    assert!(!resumed(&first));
    // Each handshake of a stranger leaves two: a client uses a session only once, and may want to connect twice.
    for _ in 0..=MAX_SESSIONS / 2 {
        assert!(!resumed(&client(&authority.roots(), &[])));
    }
    assert!(!resumed(&first), "it was forgotten");
    assert!(resumed(&first));
}

#[test]
fn a_certificate_says_who_the_peer_is() {
    let authority = Authority::new("Root");
    let issued = authority.issue_changed(&["a.test", "*.b.test", "::1"], |params| {
        params.serial_number = Some(rcgen::SerialNumber::from_slice(&[1, 2, 3]));
    });
    let (at_client, at_server) = shake_hands(&client(&authority.roots(), &[]), "x.b.test", &server(issued.private()));
    assert!(at_server.session().peer_certificate().is_none(), "the server has not asked for one");
    let session = at_client.session();
    let certificate = session.peer_certificate().unwrap();
    assert_eq!(certificate.der(), issued.certificate);
    assert_eq!(certificate.chain(), std::slice::from_ref(&issued.certificate));
    assert_eq!(certificate.common_name().as_deref(), Some("a.test"));
    assert_eq!(certificate.host_names(), ["a.test", "*.b.test", "::1"]);
    assert_eq!(certificate.serial_number(), [1, 2, 3]);
    let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
    assert_eq!(certificate.validity(), Some((at(1_893_456_000), at(1_924_992_000))));
    let debug = r#"{ common_name: Some("a.test"), host_names: ["a.test", "*.b.test", "::1"], issuer: Some("Root") }"#;
    assert_eq!(format!("{certificate:?}"), format!("PeerCertificate {debug}"));
}
