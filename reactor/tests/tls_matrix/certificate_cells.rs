//! Certificates that must be refused.

use crate::shown::{AS_IT_IS, Change, Issuing, Shown};
use crate::world::{NAME, World};
use rcgen::{ExtendedKeyUsagePurpose, IsCa, date_time_ymd};

/// [`NAME`] shows a certificate from an authority that the client trusts, but changed. The client refuses it and says
/// `why`.
#[track_caller]
fn refused(change: Change<'_>, why: &str) {
    let root = Issuing::root("Root");
    World::new().ask(NAME, &root.issue(&[NAME], change), &root.roots(), &[]).is_refused(why);
}

/// `host` shows a good certificate, but one for `names`.
#[track_caller]
fn refused_as(host: &str, names: &[&str], why: &str) {
    let root = Issuing::root("Root");
    World::new().ask(host, &root.issue(names, AS_IT_IS), &root.roots(), &[]).is_refused(why);
}

#[test]
fn expired() {
    refused(
        &|params| params.not_after = date_time_ymd(2030, 5, 31),
        "a certificate of the server's expired on 2030-05-31 00:00 UTC; our clock says 2030-06-01 00:00 UTC",
    );
}

#[test]
fn not_yet_valid() {
    refused(
        &|params| params.not_before = date_time_ymd(2030, 6, 2),
        "a certificate of the server's is valid only from 2030-06-02 00:00 UTC; our clock says 2030-06-01 00:00 UTC",
    );
}

#[test]
fn an_intermediate_that_has_expired() {
    let root = Issuing::root("Root");
    let middle = root.below("Middle", &|params| params.not_after = date_time_ymd(2030, 2, 1));
    let shown = middle.issue(&[NAME], AS_IT_IS).with(&middle);
    let why = "a certificate of the server's expired on 2030-02-01 00:00 UTC; our clock says 2030-06-01 00:00 UTC";
    World::new().ask(NAME, &shown, &root.roots(), &[]).is_refused(why);
}

#[test]
fn the_wrong_host() {
    refused_as(NAME, &["other.test"], "the certificate of the server is for other.test, not for server.test");
    let why = "the certificate of the server is for server.test and 10.0.0.1, not for 127.0.0.1";
    refused_as("127.0.0.1", &[NAME, "10.0.0.1"], why);
}

#[test]
fn a_common_name_alone_is_no_name() {
    let change: Change<'_> = &|params| params.distinguished_name.push(rcgen::DnType::CommonName, NAME);
    let root = Issuing::root("Root");
    let outcome = World::new().ask(NAME, &root.issue(&[], change), &root.roots(), &[]);
    outcome.is_refused("the certificate of the server is for no name at all, not for server.test");
}

#[test]
fn a_wildcard_for_two_labels() {
    let why = "the certificate of the server is for *.server.test, not for a.b.server.test";
    refused_as("a.b.server.test", &["*.server.test"], why);
}

#[test]
fn a_wildcard_for_no_label() {
    refused_as(NAME, &["*.server.test"], "the certificate of the server is for *.server.test, not for server.test");
}

#[test]
fn self_signed() {
    let shown = Shown::self_signed(NAME, AS_IT_IS);
    let roots = Issuing::root("Root").roots();
    let why = "the certificate of the server is self-signed, and not one that we trust";
    World::new().ask(NAME, &shown, &roots, &[]).is_refused(why);
}

#[test]
fn an_authoritys_certificate_used_by_a_server() {
    let shown = Shown::self_signed(NAME, &|params| params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained));
    let why = "the certificate of the server is an authority's own (CA:TRUE), not a server's";
    World::new().ask(NAME, &shown, &shown.as_roots(), &[]).is_refused(why);
}

#[test]
fn an_unknown_authority() {
    let (stranger, roots) = (Issuing::root("Stranger"), Issuing::root("Root").roots());
    World::new().ask(NAME, &stranger.issue(&[NAME], AS_IT_IS), &roots, &[]).is_refused(
        "the certificate of the server comes from \"Stranger\", an authority that we do not trust; \
         if that is an intermediate one, the server has to send its certificate, too",
    );
    let sent_along = stranger.issue(&[NAME], AS_IT_IS).with(&stranger);
    let why = "the certificate of the server comes from \"Stranger\", an authority that we do not trust";
    World::new().ask(NAME, &sent_along, &roots, &[]).is_refused(why);
}

#[test]
fn an_unknown_authority_with_the_name_of_ours() {
    let (forger, roots) = (Issuing::root("Root"), Issuing::root("Root").roots());
    World::new().ask(NAME, &forger.issue(&[NAME], AS_IT_IS), &roots, &[]).is_refused(
        "a signature of the server's is false: its certificate was not issued by the authority it names, \
         or it does not have the certificate's key",
    );
}

#[test]
fn a_missing_intermediate() {
    let root = Issuing::root("Root");
    let middle = root.below("Middle", AS_IT_IS);
    World::new().ask(NAME, &middle.issue(&[NAME], AS_IT_IS), &root.roots(), &[]).is_refused(
        "the certificate of the server comes from \"Middle\", an authority that we do not trust; \
         if that is an intermediate one, the server has to send its certificate, too",
    );
}

#[test]
fn an_issuer_that_is_no_authority() {
    let root = Issuing::root("Root");
    for is_ca in [IsCa::ExplicitNoCa, IsCa::NoCa] {
        let middle = root.below("No authority", &|params| params.is_ca = is_ca);
        let shown = middle.issue(&[NAME], AS_IT_IS).with(&middle);
        let why = "the certificate of the server was issued with one that may not issue any (CA:FALSE)";
        World::new().ask(NAME, &shown, &root.roots(), &[]).is_refused(why);
    }
}

#[test]
fn an_issuer_beyond_the_names_it_may_vouch_for() {
    let root = Issuing::root("Root");
    let elsewhere = rcgen::NameConstraints {
        permitted_subtrees: vec![rcgen::GeneralSubtree::DnsName("elsewhere.test".to_owned())],
        excluded_subtrees: Vec::new(),
    };
    let middle = root.below("Middle", &|params| params.name_constraints = Some(elsewhere.clone()));
    let shown = middle.issue(&[NAME], AS_IT_IS).with(&middle);
    let why = "the certificate of the server is for a name that its issuer may not vouch for";
    World::new().ask(NAME, &shown, &root.roots(), &[]).is_refused(why);
}

#[test]
fn a_key_for_another_use() {
    refused(
        &|params| params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth],
        "the certificate of the server is not for servers, but for client authentication",
    );
}
