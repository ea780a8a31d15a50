//! The matrix once more, with certificates and a server of OpenSSL. Faults that rcgen and rustls cannot make are only
//! here.

use crate::events::{Events, Noting};
use crate::openssl::{Order, Pair, RSA_1024, RSA_2048, Workshop};
use crate::util::until;
use crate::world::{NAME, World, is_refused};
use reactor::http::Page;
use reactor::tls::{TlsClient, TlsFault, TrustRoots};
use reactor::{Failure, Transport};
use std::cell::Cell;

const ANSWER: &str = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\nanswer";

const ROOT: Order<'_> = Order { name: "Root", alternative: "DNS:root.test", is_authority: true, ..Order::SERVER };

/// Asks a server that shows `pair`, trusting `root`. Returns the result, and all that OpenSSL printed.
#[track_caller]
fn ask(
    shop: &Workshop,
    root: &Pair,
    pair: &Pair,
    sent: Option<&Pair>,
    options: &[&str],
) -> (Result<Page, Failure>, String) {
    let mut roots = TrustRoots::none();
    roots.add_pem(&shop.pem(root), "the root").unwrap();
    let world = World::new();
    let serving = shop.serve(pair, sent, options, ANSWER);
    let page = world.get(NAME, serving.address.port(), &roots);
    until(&world.reactor, "the connection is gone", || world.reactor.source_count() == 0);
    assert_eq!(world.reactor.delayed_call_count(), 0, "timers are left");
    (page, serving.said())
}

/// [`NAME`] shows the certificate of `order`, issued by a root that the client trusts, and is refused because of `why`.
#[track_caller]
fn refused(order: &Order<'_>, options: &[&str], fault: TlsFault, why: &str) {
    let Some(shop) = Workshop::open() else { return };
    let root = shop.issue(None, &ROOT);
    let server = shop.issue(Some(&root), order);
    let (page, said) = ask(&shop, &root, &server, None, options);
    is_refused(&page, fault, why);
    assert_silent(&said);
}

/// Nothing of the request came out at the server's end.
#[track_caller]
fn assert_silent(said: &str) {
    assert!(said.contains("ACCEPT"), "{said}");
    assert!(!said.contains("GET") && !said.contains("SECRET"), "{said}");
}

/// [`NAME`] shows the certificate of `order`, and is accepted.
#[track_caller]
fn answered(order: &Order<'_>, options: &[&str]) {
    let Some(shop) = Workshop::open() else { return };
    let root = shop.issue(None, &ROOT);
    let server = shop.issue(Some(&root), order);
    let (page, said) = ask(&shop, &root, &server, None, options);
    assert_eq!(page.unwrap().body, b"answer");
    assert!(said.contains("GET /?key=SECRET HTTP/1.1"), "{said}");
}

#[test]
fn a_good_certificate_is_accepted() {
    answered(&Order::SERVER, &[]);
    answered(&Order::SERVER, &["-tls1_2"]);
}

#[test]
fn a_good_certificate_with_an_rsa_key_is_accepted() {
    let order = Order { key: RSA_2048, ..Order::SERVER };
    answered(&order, &["-tls1_3"]);
    answered(&order, &["-tls1_2"]);
}

#[test]
fn expired() {
    let why = "a certificate of the server's expired on 2030-05-01 00:00 UTC; our clock says 2030-06-01 00:00 UTC";
    refused(&Order { until: "20300501", ..Order::SERVER }, &[], TlsFault::Certificate, why);
}

#[test]
fn the_wrong_host() {
    let why = "the certificate of the server is for other.test and 10.0.0.1, not for server.test";
    let order = Order { alternative: "DNS:other.test,IP:10.0.0.1", ..Order::SERVER };
    refused(&order, &[], TlsFault::Certificate, why);
}

#[test]
fn sha_1() {
    let why = "a certificate of the server's is signed with SHA-1, which we do not accept";
    refused(&Order { hash: "sha1", ..Order::SERVER }, &[], TlsFault::Certificate, why);
}

#[test]
fn rsa_1024() {
    let why = "a certificate of the server's has an RSA key of 1024 bits; fewer than 2048 are not safe";
    for version in ["-tls1_2", "-tls1_3"] {
        refused(&Order { key: RSA_1024, ..Order::SERVER }, &[version], TlsFault::Certificate, why);
    }
}

#[test]
fn tls_1_1_only() {
    let why = "the server speaks neither TLS 1.2 nor 1.3 with us";
    refused(&Order { key: RSA_2048, ..Order::SERVER }, &["-tls1_1"], TlsFault::NothingInCommon, why);
}

#[test]
fn other_application_protocols_only() {
    let why = "the server speaks none of our application protocols; ours: http/1.1";
    refused(&Order::SERVER, &["-alpn", "h2"], TlsFault::NothingInCommon, why);
}

#[test]
fn self_signed() {
    let Some(shop) = Workshop::open() else { return };
    let (root, server) = (shop.issue(None, &ROOT), shop.issue(None, &Order::SERVER));
    let (page, said) = ask(&shop, &root, &server, None, &[]);
    let why = "the certificate of the server is self-signed, and not one that we trust";
    is_refused(&page, TlsFault::Certificate, why);
    assert_silent(&said);
}

#[test]
fn an_unknown_authority() {
    let Some(shop) = Workshop::open() else { return };
    let (root, stranger) = (shop.issue(None, &ROOT), shop.issue(None, &Order { name: "Stranger", ..ROOT }));
    let server = shop.issue(Some(&stranger), &Order::SERVER);
    let (page, said) = ask(&shop, &root, &server, Some(&stranger), &[]);
    let why = "the certificate of the server comes from \"Stranger\", an authority that we do not trust";
    is_refused(&page, TlsFault::Certificate, why);
    assert_silent(&said);
}

#[test]
fn an_intermediate_missing_weak_or_there() {
    let Some(shop) = Workshop::open() else { return };
    let root = shop.issue(None, &ROOT);
    let middle = shop.issue(Some(&root), &Order { name: "Middle", ..ROOT });
    let server = shop.issue(Some(&middle), &Order::SERVER);
    let (page, said) = ask(&shop, &root, &server, None, &[]);
    let why = "the certificate of the server comes from \"Middle\", an authority that we do not trust; \
               if that is an intermediate one, the server has to send its certificate, too";
    is_refused(&page, TlsFault::Certificate, why);
    assert_silent(&said);

    let (page, _) = ask(&shop, &root, &server, Some(&middle), &[]);
    assert_eq!(page.unwrap().body, b"answer");

    let weak = shop.issue(Some(&root), &Order { name: "Weak", key: RSA_1024, ..ROOT });
    let server = shop.issue(Some(&weak), &Order::SERVER);
    let (page, said) = ask(&shop, &root, &server, Some(&weak), &[]);
    let why = "a certificate of the server's has an RSA key of 1024 bits; fewer than 2048 are not safe";
    is_refused(&page, TlsFault::Certificate, why);
    assert_silent(&said);
}

#[test]
fn an_issuer_that_is_no_authority() {
    let Some(shop) = Workshop::open() else { return };
    let root = shop.issue(None, &ROOT);
    let middle = shop.issue(Some(&root), &Order { name: "No authority", ..Order::SERVER });
    let server = shop.issue(Some(&middle), &Order::SERVER);
    let (page, said) = ask(&shop, &root, &server, Some(&middle), &[]);
    let why = "the certificate of the server was issued with one that may not issue any (CA:FALSE)";
    is_refused(&page, TlsFault::Certificate, why);
    assert_silent(&said);
}

/// OpenSSL answers an empty line, and has read everything before it by then.
#[test]
fn a_write_of_80_mb_before_the_handshake_arrives_whole() {
    const LARGE: usize = 80_000_000;
    let Some(shop) = Workshop::open() else { return };
    let root = shop.issue(None, &ROOT);
    let server = shop.issue(Some(&root), &Order::SERVER);
    let mut roots = TrustRoots::none();
    roots.add_pem(&shop.pem(&root), "the root").unwrap();
    let (world, events) = (World::new(), Events::default());
    let serving = shop.serve(&server, None, &[], "thanks");
    let made = |transport: &Transport| {
        let mut text = vec![b'#'; LARGE];
        text.extend_from_slice(b"\n\r\n");
        transport.write(&text);
        assert!(transport.buffered() > LARGE && !transport.is_disconnecting());
    };
    let data = |transport: &Transport, _: &[u8]| transport.lose_connection();
    let first = Cell::new(Some(Noting { made: Box::new(made), data: Box::new(data), ..Noting::new(&events) }));
    let client = move |_| first.take().expect("one connection");
    let tls = TlsClient::new(&world.reactor, &roots, &[]).unwrap();
    world.reactor.connect_tcp(serving.address, tls.factory(NAME, client));
    until(&world.reactor, "it is over", || events.all().len() == 3);
    assert_eq!(events.all(), ["made", "data thanks", "lost Done"]);
    assert_eq!(serving.said().bytes().filter(|byte| *byte == b'#').count(), LARGE);
}
