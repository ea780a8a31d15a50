//! The certificates of one run.

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

/// A root, and a server's certificate from it for all names below `bench.test`; DER.
pub struct Identity {
    pub root: Vec<u8>,
    pub certificate: Vec<u8>,
    pub key: Vec<u8>,
}

impl Identity {
    pub fn new() -> Self {
        let key = || KeyPair::generate().expect("ring makes keys");
        let params = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            CertificateParams::new(names).expect("these names are valid")
        };
        let mut authority = params(&[]);
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let root = CertifiedIssuer::self_signed(authority, key()).expect("rcgen signs");
        let own = key();
        let certificate = params(&["*.bench.test"]).signed_by(&own, &root).expect("rcgen signs");
        Self { root: root.der().to_vec(), certificate: certificate.der().to_vec(), key: own.serialize_der() }
    }
}
