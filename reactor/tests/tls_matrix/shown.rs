//! [`Shown`]: the certificates that a server shows, made with rcgen. They are valid in 2030 unless a test changes that.

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, PKCS_ECDSA_P256_SHA256,
    SignatureAlgorithm, date_time_ymd,
};
use reactor::tls::TrustRoots;

/// A server's certificate, those that it sends along, and the key; all DER.
pub(crate) struct Shown {
    pub(crate) chain: Vec<Vec<u8>>,
    pub(crate) key: Vec<u8>,
}

/// An issuer of certificates, which may or may not have the right to be one.
pub(crate) struct Issuing(CertifiedIssuer<'static, KeyPair>);

/// Changes a certificate before it is issued.
pub(crate) type Change<'a> = &'a dyn Fn(&mut CertificateParams);

/// Changes nothing.
pub(crate) const AS_IT_IS: Change<'_> = &|_| {};

impl Issuing {
    /// A root called `name`.
    pub(crate) fn root(name: &str) -> Issuing {
        Issuing(CertifiedIssuer::self_signed(authority(name), key()).unwrap())
    }

    /// An issuer called `name` below this one, with a certificate that `change` has changed.
    pub(crate) fn below(&self, name: &str, change: Change<'_>) -> Issuing {
        let mut params = authority(name);
        change(&mut params);
        Issuing(CertifiedIssuer::signed_by(params, key(), &self.0).unwrap())
    }

    /// A server with all of `names`; its certificate is changed by `change`.
    pub(crate) fn issue(&self, names: &[&str], change: Change<'_>) -> Shown {
        self.issue_for(&PKCS_ECDSA_P256_SHA256, names, change)
    }

    /// The same with another kind of key.
    pub(crate) fn issue_for(&self, kind: &'static SignatureAlgorithm, names: &[&str], change: Change<'_>) -> Shown {
        let key = KeyPair::generate_for(kind).unwrap();
        let mut params = server(names);
        change(&mut params);
        let certificate = params.signed_by(&key, &self.0).unwrap();
        Shown { chain: vec![certificate.der().to_vec()], key: key.serialize_der() }
    }

    /// Roots with this issuer alone.
    pub(crate) fn roots(&self) -> TrustRoots {
        let mut roots = TrustRoots::none();
        roots.add_der(self.0.der()).unwrap();
        roots
    }
}

impl Shown {
    /// A server called `name` that has issued its own certificate.
    pub(crate) fn self_signed(name: &str, change: Change<'_>) -> Shown {
        let key = key();
        let mut params = server(&[name]);
        change(&mut params);
        let certificate = params.self_signed(&key).unwrap();
        Shown { chain: vec![certificate.der().to_vec()], key: key.serialize_der() }
    }

    /// Sends this issuer's certificate along.
    pub(crate) fn with(mut self, issuer: &Issuing) -> Shown {
        self.chain.push(issuer.0.der().to_vec());
        self
    }

    /// Roots with the server's own certificate, as if it were an authority's.
    pub(crate) fn as_roots(&self) -> TrustRoots {
        let mut roots = TrustRoots::none();
        roots.add_der(&self.chain[0]).unwrap();
        roots
    }
}

fn key() -> KeyPair {
    KeyPair::generate().unwrap()
}

fn authority(name: &str) -> CertificateParams {
    let mut params = in_2030(name, &[]);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params
}

fn server(names: &[&str]) -> CertificateParams {
    in_2030("a server", names)
}

fn in_2030(common_name: &str, names: &[&str]) -> CertificateParams {
    let mut params = CertificateParams::new(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()).unwrap();
    params.distinguished_name.push(DnType::CommonName, common_name);
    params.not_before = date_time_ymd(2030, 1, 1);
    params.not_after = date_time_ymd(2031, 1, 1);
    params
}
