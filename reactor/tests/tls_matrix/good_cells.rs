//! Servers that must be accepted: a client that refuses everything would pass all the other tests.

use crate::shown::{AS_IT_IS, Issuing, Shown};
use crate::world::{NAME, World, is_refused};
use rcgen::{ExtendedKeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_ED25519};
use reactor::tls::TlsFault;

#[track_caller]
fn answered(host: &str, names: &[&str]) {
    let root = Issuing::root("Root");
    World::new().ask(host, &root.issue(names, AS_IT_IS), &root.roots(), &["http/1.1"]).is_answered();
}

#[test]
fn the_right_name() {
    answered(NAME, &[NAME]);
    answered(NAME, &["other.test", NAME]);
    answered("SERVER.test", &[NAME]);
}

#[test]
fn a_wildcard_for_one_label() {
    answered("a.server.test", &["*.server.test"]);
}

#[test]
fn an_address() {
    answered("127.0.0.1", &["127.0.0.1"]);
}

#[test]
fn an_intermediate_that_is_sent() {
    let root = Issuing::root("Root");
    let middle = root.below("Middle", AS_IT_IS);
    let lower = middle.below("Lower", AS_IT_IS);
    let shown = lower.issue(&[NAME], AS_IT_IS).with(&lower).with(&middle);
    World::new().ask(NAME, &shown, &root.roots(), &[]).is_answered();
}

#[test]
fn a_self_signed_certificate_that_is_trusted() {
    let shown = Shown::self_signed(NAME, AS_IT_IS);
    World::new().ask(NAME, &shown, &shown.as_roots(), &[]).is_answered();
}

#[test]
fn keys_of_all_kinds() {
    let root = Issuing::root("Root");
    let change: crate::shown::Change<'_> =
        &|params| params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    for kind in [&PKCS_ECDSA_P256_SHA256, &PKCS_ECDSA_P384_SHA384, &PKCS_ED25519] {
        World::new().ask(NAME, &root.issue_for(kind, &[NAME], change), &root.roots(), &[]).is_answered();
    }
}

#[test]
fn a_server_that_has_no_application_protocols() {
    let root = Issuing::root("Root");
    World::new().ask(NAME, &root.issue(&[NAME], AS_IT_IS), &root.roots(), &[]).is_answered();
}

#[test]
fn a_server_with_other_application_protocols_only_is_refused() {
    let root = Issuing::root("Root");
    let outcome = World::new().ask(NAME, &root.issue(&[NAME], AS_IT_IS), &root.roots(), &["h2"]);
    let why = "the server speaks none of our application protocols; ours: http/1.1";
    is_refused(&outcome.page, TlsFault::NothingInCommon, why);
}
