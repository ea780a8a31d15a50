//! [`ByName`]: which certificate a server shows, by the name that the client asks for (SNI) and the signatures that it
//! understands.
//!
//! Next: `session.rs`, what a handshake has found.

use super::private_certificate::PrivateCertificate;
use rustls::SignatureScheme;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use std::collections::HashMap;
use std::sync::Arc;

/// The certificates of a server, by the names in them. The first one is the default.
#[derive(Debug)]
pub(super) struct ByName {
    default: Vec<Arc<CertifiedKey>>,
    exact: HashMap<String, Vec<Arc<CertifiedKey>>>,
    /// By the name without its first label, which is `*`.
    wildcards: HashMap<String, Vec<Arc<CertifiedKey>>>,
}

impl ByName {
    pub(super) fn new(certificates: &[PrivateCertificate]) -> ByName {
        let mut by_name = ByName { default: Vec::new(), exact: HashMap::new(), wildcards: HashMap::new() };
        for certificate in certificates {
            for name in certificate.host_names() {
                let name = name.to_ascii_lowercase();
                let list = match name.strip_prefix("*.") {
                    Some(rest) => by_name.wildcards.entry(rest.to_owned()).or_default(),
                    None => by_name.exact.entry(name).or_default(),
                };
                list.push(certificate.certified.clone());
            }
        }
        by_name.default.extend(certificates.first().map(|first| first.certified.clone()));
        // A client without SNI may also need another kind of key than the default one has.
        for (mut name, is_wildcard) in certificates.first().iter().flat_map(|first| first.host_names()).map(split) {
            name.make_ascii_lowercase();
            let list = if is_wildcard { &by_name.wildcards } else { &by_name.exact };
            by_name.default.extend(list.get(&name).into_iter().flatten().cloned());
        }
        by_name
    }

    /// The candidates for `name`, the best match first: those with exactly that name, or else those with a wildcard for
    /// its first label, or else the default.
    fn candidates(&self, name: Option<&str>) -> &[Arc<CertifiedKey>] {
        let Some(name) = name else { return &self.default };
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        if let Some(found) = self.exact.get(&name) {
            return found;
        }
        // A wildcard stands for one whole label (RFC 6125, section 6.4.3).
        let found = name.split_once('.').and_then(|(_, rest)| self.wildcards.get(rest));
        found.unwrap_or(&self.default)
    }
}

/// A name without its wildcard, and whether it has one.
fn split(name: &str) -> (String, bool) {
    match name.strip_prefix("*.") {
        Some(rest) => (rest.to_owned(), true),
        None => (name.to_owned(), false),
    }
}

impl ResolvesServerCert for ByName {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        choose(self.candidates(hello.server_name()), hello.signature_schemes())
    }
}

/// The first that can sign in a way that the client understands. If there is none, the first: then the handshake fails
/// with an error that says so.
fn choose(candidates: &[Arc<CertifiedKey>], schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
    let fitting = candidates.iter().find(|candidate| candidate.key.choose_scheme(schemes).is_some());
    fitting.or(candidates.first()).cloned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ED25519, SignatureAlgorithm};

    fn certificate(names: &[&str], kind: &'static SignatureAlgorithm) -> PrivateCertificate {
        let key = KeyPair::generate_for(kind).unwrap();
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let certificate = CertificateParams::new(names).unwrap().self_signed(&key).unwrap();
        PrivateCertificate::from_der(&[certificate.der()], &key.serialize_der()).unwrap()
    }

    /// The place in `all` of the certificate for `name`.
    fn chosen(all: &[PrivateCertificate], name: Option<&str>, scheme: SignatureScheme) -> usize {
        let by_name = ByName::new(all);
        let found = choose(by_name.candidates(name), &[scheme]).unwrap();
        all.iter().position(|one| Arc::ptr_eq(&one.certified, &found)).unwrap()
    }

    const ED25519: SignatureScheme = SignatureScheme::ED25519;
    const P256: SignatureScheme = SignatureScheme::ECDSA_NISTP256_SHA256;

    #[test]
    fn an_exact_name_beats_a_wildcard_and_a_wildcard_beats_the_default() {
        let all = [&["first.test"][..], &["*.test", "deep.sub.test"], &["one.test", "ONE.example"]];
        let all = all.map(|names| certificate(names, &PKCS_ED25519));
        for (name, place) in [
            (Some("first.test"), 0),
            (Some("one.test"), 2),
            (Some("ONE.Test"), 2),
            (Some("one.test."), 2),
            (Some("one.example"), 2),
            (Some("other.test"), 1),
            (Some("deep.sub.test"), 1),
            (Some("other.sub.test"), 0), // A wildcard stands for one label.
            (Some("test"), 0),
            (Some("stranger.example"), 0),
            (Some(""), 0),
            (Some("."), 0),
            (None, 0),
        ] {
            assert_eq!(chosen(&all, name, ED25519), place, "{name:?}");
        }
    }

    #[test]
    fn of_two_certificates_for_a_name_the_first_with_a_key_that_the_client_understands_is_chosen() {
        let both = [certificate(&["a.test"], &PKCS_ED25519), certificate(&["a.test"], &PKCS_ECDSA_P256_SHA256)];
        for name in [Some("a.test"), None] {
            assert_eq!(chosen(&both, name, ED25519), 0);
            assert_eq!(chosen(&both, name, P256), 1);
            assert_eq!(chosen(&both, name, SignatureScheme::RSA_PSS_SHA256), 0, "no key fits: the first");
        }
    }
}
