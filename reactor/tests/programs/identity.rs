//! The certificate of all hosts that speak TLS.

use crate::acts::SERVER_NAME;
use rcgen::{CertificateParams, KeyPair, PKCS_ED25519, SerialNumber, date_time_ymd};
use reactor::Reactor;
use reactor::tls::{TlsClient, TlsServer, TrustRoots};
use std::sync::LazyLock;

/// A certificate and its key. Their lengths are always the same, and so are the times of a run: see `reactor::sim`.
static IDENTITY: LazyLock<(Vec<u8>, Vec<u8>)> = LazyLock::new(|| {
    let key = KeyPair::generate_for(&PKCS_ED25519).unwrap();
    let mut params = CertificateParams::new(vec![SERVER_NAME.to_owned()]).unwrap();
    (params.not_before, params.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2030, 1, 1));
    params.serial_number = Some(SerialNumber::from(1));
    let certificate = params.self_signed(&key).unwrap();
    (certificate.der().to_vec(), key.serialize_der())
});

/// A server and a client that trust each other.
pub(crate) fn tls_of(reactor: &Reactor) -> (TlsServer, TlsClient) {
    let (certificate, key) = &*IDENTITY;
    let mut roots = TrustRoots::none();
    roots.add_der(certificate).unwrap();
    let server = TlsServer::new(reactor, &[certificate], key, &[]).unwrap();
    (server, TlsClient::new(reactor, &roots, &[]).unwrap())
}
