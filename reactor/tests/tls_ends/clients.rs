//! Clients that show certificates, or do not.

use crate::issuing::{Authority, client, server, shake_hands};
use rcgen::{ExtendedKeyUsagePurpose, date_time_ymd};
use reactor::tls::{TlsConfigError, TrustRoots};

const FAILED: &str = "the TLS handshake failed: ";

#[test]
fn a_server_that_requires_a_certificate_knows_its_client() {
    let (ours, members) = (Authority::new("Root"), Authority::new("Members"));
    let server = server(ours.issue(&["a.test"]).private()).require_client_certificate(&members.roots()).unwrap();
    let member = client(&ours.roots(), &[]).certificate(members.issue_to_client("alice"));
    let (at_client, at_server) = shake_hands(&member, "a.test", &server);
    let shown = at_server.session().peer_certificate().cloned().expect("the client has shown it");
    assert_eq!(shown.common_name().as_deref(), Some("alice"));
    assert_eq!(shown.issuer_common_name().as_deref(), Some("Members"));
    assert_eq!(at_client.session().peer_certificate().unwrap().organization().as_deref(), Some("Org"));
    assert_eq!((at_client.events.all(), at_server.events.all()), (events(), events()));
}

fn events() -> Vec<String> {
    ["made", "data hello"].map(str::to_owned).to_vec()
}

#[test]
fn a_client_without_the_required_certificate_is_refused_and_told_why() {
    let (ours, members) = (Authority::new("Root"), Authority::new("Members"));
    let server = server(ours.issue(&["a.test"]).private()).require_client_certificate(&members.roots()).unwrap();
    let (at_client, at_server) = shake_hands(&client(&ours.roots(), &[]), "a.test", &server);
    assert_eq!(at_server.error(), format!("{FAILED}the client showed no certificate"));
    // In TLS 1.3 the client is done before the server has looked at its answer.
    assert_eq!(at_client.error(), "TLS failed: the server wants a certificate, and we have none");
    assert_eq!((at_client.events.all(), at_server.events.all()), (refused(), refused()));
}

fn refused() -> Vec<String> {
    ["made", "lost Tls"].map(str::to_owned).to_vec()
}

#[test]
fn a_certificate_that_is_only_requested_may_be_left_out_but_must_not_be_false() {
    let (ours, members, strangers) = (Authority::new("Root"), Authority::new("Members"), Authority::new("Strangers"));
    let server = server(ours.issue(&["a.test"]).private()).request_client_certificate(&members.roots()).unwrap();
    let anonymous = client(&ours.roots(), &[]);
    let (_, at_server) = shake_hands(&anonymous, "a.test", &server);
    assert!(at_server.session().peer_certificate().is_none());
    let (_, at_server) = shake_hands(&anonymous.clone().certificate(members.issue_to_client("bob")), "a.test", &server);
    assert_eq!(at_server.session().peer_certificate().unwrap().common_name().unwrap(), "bob");
    let (_, at_server) = shake_hands(&anonymous.certificate(strangers.issue_to_client("eve")), "a.test", &server);
    let why = "the certificate of the client comes from \"Strangers\", an authority that we do not trust; \
               if that is an intermediate one, the client has to send its certificate, too";
    assert_eq!(at_server.error(), format!("{FAILED}{why}"));
}

#[test]
fn a_false_certificate_of_a_client_is_named_with_its_fault() {
    let (ours, members) = (Authority::new("Root"), Authority::new("Members"));
    let server = server(ours.issue(&["a.test"]).private()).require_client_certificate(&members.roots()).unwrap();
    let error_for = |issued: crate::issuing::Issued| {
        let client = client(&ours.roots(), &[]).certificate(issued.private());
        let (at_client, at_server) = shake_hands(&client, "a.test", &server);
        assert!(at_client.error().starts_with("TLS failed: the server does not accept our certificate"));
        at_server.error().strip_prefix(FAILED).unwrap().to_owned()
    };
    let for_clients = vec![ExtendedKeyUsagePurpose::ClientAuth];
    assert_eq!(
        error_for(members.issue_changed(&["alice"], |params| {
            params.extended_key_usages = for_clients.clone();
            params.not_after = date_time_ymd(2030, 5, 1);
        })),
        "a certificate of the client's expired on 2030-05-01 00:00 UTC; our clock says 2030-06-01 00:00 UTC"
    );
    assert_eq!(
        error_for(members.issue_changed(&["alice"], |params| {
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        })),
        "the certificate of the client is not for clients, but for server authentication"
    );
}

#[test]
fn a_client_shows_its_certificate_to_no_server_that_does_not_ask() {
    let ours = Authority::new("Root");
    let server = server(ours.issue(&["a.test"]).private());
    let client = client(&ours.roots(), &[]).certificate(ours.issue_to_client("alice"));
    let (_, at_server) = shake_hands(&client, "a.test", &server);
    assert!(at_server.session().peer_certificate().is_none());
}

#[test]
fn a_server_that_would_trust_nobody_cannot_be_made() {
    let ours = Authority::new("Root");
    let server = server(ours.issue(&["a.test"]).private());
    let error = server.require_client_certificate(&TrustRoots::none()).unwrap_err();
    assert!(matches!(error, TlsConfigError::NoCertificate { .. }), "{error}");
}
