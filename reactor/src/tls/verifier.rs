//! rustls's own verifiers, of servers and of clients, with a note of what they refuse. When the error is reported, the
//! certificates are gone, so what the message says about them must be found out at once.
//!
//! Next: `certificate.rs`, how that is read.

use super::certificate::{Certificate, LastIssuer, MAX_CHAIN, last_issuer};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{VerifierBuilderError, WebPkiServerVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, Error, RootCertStore, SignatureScheme};
use std::sync::{Arc, Mutex, PoisonError};

/// Minimum bits of a safe RSA key. ring, which checks the signatures, refuses fewer.
const MIN_RSA_BITS: usize = 2048;

/// What was found in certificates that were refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Seen {
    /// The peer's own certificate was issued by itself.
    SelfSigned,
    /// The issuer to which the chain leads.
    Chain(LastIssuer),
    /// A certificate has an RSA key with too few bits; their number.
    WeakKey(usize),
}

/// What was found in the last certificates that were refused.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    /// A lock, as rustls wants verifiers that any thread may use. On our one thread it is always free.
    seen: Mutex<Option<Seen>>,
}

impl Refusals {
    /// Takes what was found in the certificates that have just been refused. Call it at once: the next refusal
    /// overwrites it.
    pub(super) fn take(&self) -> Option<Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn note(&self, leaf: &CertificateDer<'_>, others: &[CertificateDer<'_>]) {
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = look(leaf, others);
    }
}

fn look(leaf: &CertificateDer<'_>, others: &[CertificateDer<'_>]) -> Option<Seen> {
    let certificate = Certificate::parse(leaf)?;
    let others_read = others.iter().take(MAX_CHAIN).filter_map(|der| Certificate::parse(der));
    let all = [certificate].into_iter().chain(others_read);
    if let Some(bits) = all.filter_map(|one| one.rsa_bits()).find(|bits| *bits < MIN_RSA_BITS) {
        return Some(Seen::WeakKey(bits));
    }
    if certificate.is_self_issued() {
        return Some(Seen::SelfSigned);
    }
    Some(Seen::Chain(last_issuer(certificate, others)))
}

/// A client's verifier of servers: asks rustls, returns its verdict unchanged, and notes what it refuses.
#[derive(Debug)]
pub(super) struct ServerVerifier {
    rustls: Arc<WebPkiServerVerifier>,
    refusals: Arc<Refusals>,
}

impl ServerVerifier {
    pub(super) fn new(
        roots: Arc<RootCertStore>,
        provider: Arc<CryptoProvider>,
    ) -> Result<Arc<ServerVerifier>, VerifierBuilderError> {
        let rustls = WebPkiServerVerifier::builder_with_provider(roots, provider).build()?;
        Ok(Arc::new(ServerVerifier { rustls, refusals: Arc::default() }))
    }

    pub(super) fn refusals(&self) -> Arc<Refusals> {
        self.refusals.clone()
    }
}

// A custom verifier is the usual way to stop checking certificates. These cannot: every verdict is rustls's own.
impl ServerCertVerifier for ServerVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verdict = self.rustls.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        verdict.inspect_err(|_| self.refusals.note(end_entity, intermediates))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let verdict = self.rustls.verify_tls12_signature(message, certificate, signature);
        verdict.inspect_err(|_| self.refusals.note(certificate, &[]))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let verdict = self.rustls.verify_tls13_signature(message, certificate, signature);
        verdict.inspect_err(|_| self.refusals.note(certificate, &[]))
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.rustls.supported_verify_schemes()
    }
}

/// A server's verifier of clients: the same for the other direction.
#[derive(Debug)]
pub(super) struct ClientVerifier {
    rustls: Arc<dyn ClientCertVerifier>,
    refusals: Arc<Refusals>,
}

impl ClientVerifier {
    pub(super) fn new(rustls: Arc<dyn ClientCertVerifier>) -> Arc<ClientVerifier> {
        Arc::new(ClientVerifier { rustls, refusals: Arc::default() })
    }

    pub(super) fn refusals(&self) -> Arc<Refusals> {
        self.refusals.clone()
    }
}

impl ClientCertVerifier for ClientVerifier {
    fn offer_client_auth(&self) -> bool {
        self.rustls.offer_client_auth()
    }

    fn client_auth_mandatory(&self) -> bool {
        self.rustls.client_auth_mandatory()
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.rustls.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let verdict = self.rustls.verify_client_cert(end_entity, intermediates, now);
        verdict.inspect_err(|_| self.refusals.note(end_entity, intermediates))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let verdict = self.rustls.verify_tls12_signature(message, certificate, signature);
        verdict.inspect_err(|_| self.refusals.note(certificate, &[]))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let verdict = self.rustls.verify_tls13_signature(message, certificate, signature);
        verdict.inspect_err(|_| self.refusals.note(certificate, &[]))
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.rustls.supported_verify_schemes()
    }

    fn requires_raw_public_keys(&self) -> bool {
        self.rustls.requires_raw_public_keys()
    }
}
