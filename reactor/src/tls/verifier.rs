//! rustls's own verifier, with an ear to what it refuses: when the error is told, the certificates are gone.
//!
//! Next: `error.rs`, which tells it.

use super::certificate::{CHAIN, Certificate, LastIssuer, last_issuer};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{VerifierBuilderError, WebPkiServerVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use std::sync::{Arc, Mutex, PoisonError};

/// Fewer bits than these make no safe RSA key; ring, which checks the signatures, takes none.
const RSA_BITS: usize = 2048;

/// What was seen of certificates that were refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Seen {
    /// The only certificate has issued itself.
    SelfSigned,
    /// Whom the chain leads to.
    Chain(LastIssuer),
    /// A certificate has an RSA key of so few bits.
    WeakKey(usize),
}

/// Asks rustls, hands on what it says unchanged, and keeps what the last refused certificates said.
#[derive(Debug)]
pub(super) struct Verifier {
    rustls: Arc<WebPkiServerVerifier>,
    /// rustls wants its verifiers to be of use to any thread, so it is a lock; nobody ever waits for it.
    seen: Mutex<Option<Seen>>,
}

impl Verifier {
    pub(super) fn new(
        roots: RootCertStore,
        provider: Arc<CryptoProvider>,
    ) -> Result<Arc<Verifier>, VerifierBuilderError> {
        let rustls = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build()?;
        Ok(Arc::new(Verifier { rustls, seen: Mutex::new(None) }))
    }

    /// What was seen of the certificates that have just been refused. To be asked in the same breath.
    pub(super) fn take_seen(&self) -> Option<Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn note(&self, leaf: &CertificateDer<'_>, others: &[CertificateDer<'_>]) {
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = look(leaf, others);
    }
}

fn look(leaf: &CertificateDer<'_>, others: &[CertificateDer<'_>]) -> Option<Seen> {
    let certificate = Certificate::parse(leaf)?;
    let others_read = others.iter().take(CHAIN).filter_map(|der| Certificate::parse(der));
    let all = [certificate].into_iter().chain(others_read);
    if let Some(bits) = all.filter_map(|one| one.rsa_bits()).find(|bits| *bits < RSA_BITS) {
        return Some(Seen::WeakKey(bits));
    }
    if certificate.is_self_issued() {
        return Some(Seen::SelfSigned);
    }
    Some(Seen::Chain(last_issuer(certificate, others)))
}

// Custom verifiers are how programs stop checking certificates. This one cannot: every verdict is rustls's own.
impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verdict = self.rustls.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        verdict.inspect_err(|_| self.note(end_entity, intermediates))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let verdict = self.rustls.verify_tls12_signature(message, certificate, signature);
        verdict.inspect_err(|_| self.note(certificate, &[]))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let verdict = self.rustls.verify_tls13_signature(message, certificate, signature);
        verdict.inspect_err(|_| self.note(certificate, &[]))
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.rustls.supported_verify_schemes()
    }
}
