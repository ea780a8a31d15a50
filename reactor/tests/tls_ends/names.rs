//! Several certificates at one server, and certificates that are replaced while it listens.

use crate::issuing::{Authority, Found, client, server, shake_hands};
use reactor::Protocol;
use reactor::testing::connect;
use reactor::tls::TlsConfigError;

/// The names in the certificate that a server has shown.
fn shown(found: &Found) -> Vec<String> {
    found.session().peer_certificate().expect("a server shows one").host_names()
}

#[test]
fn a_client_gets_the_certificate_for_the_name_that_it_asks_for() {
    let authority = Authority::new("Root");
    let [default, wildcard, exact] = [&["default.test", "10.0.0.1"][..], &["*.sub.test"], &["one.sub.test"]]
        .map(|names| authority.issue(names).private());
    let server = server(default).also_certificate(wildcard).unwrap().also_certificate(exact).unwrap();
    let client = client(&authority.roots(), &[]);
    for (name, names) in [
        ("default.test", &["default.test", "10.0.0.1"][..]),
        ("other.sub.test", &["*.sub.test"]),
        ("one.sub.test", &["one.sub.test"]),
        ("ONE.sub.test", &["one.sub.test"]),
    ] {
        let (at_client, at_server) = shake_hands(&client, name, &server);
        assert_eq!(shown(&at_client), names, "{name}");
        assert_eq!(at_server.session().server_name(), Some(&*name.to_ascii_lowercase()));
        assert_eq!(at_client.session().server_name(), None);
    }
    // A client that expects an address sends no name, and gets the default.
    let (at_client, at_server) = shake_hands(&client, "10.0.0.1", &server);
    assert_eq!((shown(&at_client)[0].as_str(), at_server.session().server_name()), ("default.test", None));
}

#[test]
fn a_client_that_asks_for_an_unknown_name_gets_the_default_and_refuses_it() {
    let authority = Authority::new("Root");
    let other = authority.issue(&["other.test"]).private();
    let server = server(authority.issue(&["default.test"]).private()).also_certificate(other).unwrap();
    let (at_client, at_server) = shake_hands(&client(&authority.roots(), &[]), "unknown.test", &server);
    let why = "the TLS handshake failed: the certificate of the server is for default.test, not for unknown.test";
    assert_eq!(at_client.error(), why);
    assert!(at_server.session.borrow().is_none());
}

#[test]
fn new_certificates_are_shown_to_new_connections_of_a_factory_that_is_in_use() {
    let authority = Authority::new("Root");
    let (old, new) = (authority.issue(&["a.test"]), authority.issue(&["a.test", "b.test"]));
    let server = server(old.private());
    let in_use = server.clone();
    let client = client(&authority.roots(), &[]);
    let (before, held) = (Found::default(), Found::default());
    let wrapped: Box<dyn Protocol> = client.wrap("a.test", before.protocol()).unwrap();
    let up = connect(in_use.wrap(held.protocol()).unwrap(), wrapped);
    up.flush();

    server.set_certificates(vec![new.private()]).unwrap();
    let (after, _) = shake_hands(&client, "a.test", &in_use);
    assert_eq!((shown(&before).len(), shown(&after).len()), (1, 2));
    assert!(!after.session().is_resumed(), "nobody resumes a session from before");
    assert_eq!(before.events.all(), ["made", "data hello"], "the connection that was up goes on");

    let refused = server.set_certificates(Vec::new()).unwrap_err();
    assert!(matches!(refused, TlsConfigError::NoCertificate { .. }));
    let (still, _) = shake_hands(&client, "b.test", &in_use);
    assert_eq!(shown(&still).len(), 2, "what is refused changes nothing");
}

#[test]
fn a_change_of_a_clone_does_not_reach_the_server_that_it_came_from() {
    let authority = Authority::new("Root");
    let plain = server(authority.issue(&["a.test"]).private());
    let asking = plain.clone().require_client_certificate(&authority.roots()).unwrap();
    let client = client(&authority.roots(), &[]);
    assert!(shake_hands(&client, "a.test", &plain).1.session.borrow().is_some());
    assert!(shake_hands(&client, "a.test", &asking).1.session.borrow().is_none());
}
