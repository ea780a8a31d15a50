//! [`TlsClient`]: the end that connects.
//!
//! Next: `server.rs`, the end that is connected to.

use super::clock::TlsClock;
use super::config_error::TlsConfigError;
use super::crypto::{CertificateClock, provider};
use super::layer::TlsProtocol;
use super::plain_first::PlainFirst;
use super::private_certificate::PrivateCertificate;
use super::profile::Profile;
use super::trust_roots::TrustRoots;
use super::verifier::ServerVerifier;
use crate::Protocol;
use rustls::client::ResolvesClientCert;
use rustls::pki_types::ServerName;
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, ClientConnection, SignatureScheme};
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

/// The client end of TLS: the authorities that it trusts, the application protocols (ALPN) that it offers, and its own
/// certificate if it has one. Cheap to clone.
///
/// It remembers at most 256 sessions, so that a second connection to a server resumes the first: a handshake without
/// certificates. Clones share that memory.
#[derive(Clone)]
pub struct TlsClient {
    config: Arc<ClientConfig>,
    certificate_clock: Arc<CertificateClock>,
    profile: Rc<Profile>,
}

impl TlsClient {
    /// A client that trusts `roots` and offers the application protocols `alpn`, such as `["http/1.1"]`. `clock` is a
    /// `&Reactor`.
    ///
    /// # Errors
    /// If `roots` is empty.
    pub fn new(clock: impl Into<TlsClock>, roots: &TrustRoots, alpn: &[&str]) -> Result<TlsClient, TlsConfigError> {
        let (clock, certificate_clock) = (clock.into(), CertificateClock::new());
        let verifier = ServerVerifier::new(roots.store()?, provider()).map_err(TrustRoots::refused)?;
        let refusals = verifier.refusals();
        let mut config = ClientConfig::builder_with_details(provider(), certificate_clock.clone())
            .with_safe_default_protocol_versions()?
            .dangerous() // But the verdicts are rustls's own.
            .with_custom_certificate_verifier(verifier)
            .with_no_client_auth();
        config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        let profile = Profile::new("the server", config.alpn_protocols.clone(), Some(refusals), clock);
        Ok(TlsClient { config: Arc::new(config), certificate_clock, profile: Rc::new(profile) })
    }

    /// Sets the maximum time for a handshake; the default is 10 s. After that the connection is aborted, and the
    /// protocol's `connection_lost` hears that it is the server's fault.
    pub fn handshake_timeout(mut self, after: Duration) -> TlsClient {
        Rc::make_mut(&mut self.profile).handshake_timeout = after;
        self
    }

    /// Sets the certificate that it shows to servers that ask for one. Other servers never see it. Its memory of
    /// earlier sessions begins anew: a session that is resumed is one of an earlier identity.
    pub fn certificate(mut self, certificate: PrivateCertificate) -> TlsClient {
        let config = Arc::make_mut(&mut self.config);
        config.client_auth_cert_resolver = Arc::new(Always(certificate.certified));
        config.resumption = rustls::client::Resumption::default();
        self
    }

    /// A protocol that speaks TLS with `server_name`, and gives the plain bytes to `protocol`.
    ///
    /// `server_name` need not be the name or address to which the connection goes. It is sent to the server (SNI)
    /// unless it is an IP address, and the server's certificate must be for it.
    ///
    /// # Errors
    /// If no certificate can be for that name.
    pub fn wrap(&self, server_name: &str, protocol: Box<dyn Protocol>) -> Result<Box<dyn Protocol>, TlsConfigError> {
        let session = self.session(name_of(server_name)?)?;
        Ok(Box::new(TlsProtocol::new(session.into(), protocol, self.profile.clone())))
    }

    /// A protocol that begins in clear text, and speaks TLS with `server_name` from the moment at which `protocol`
    /// calls [`Transport::start_tls`](crate::Transport::start_tls).
    ///
    /// # Errors
    /// If no certificate can be for that name.
    pub fn wrap_plain_first(
        &self,
        server_name: &str,
        protocol: Box<dyn Protocol>,
    ) -> Result<Box<dyn Protocol>, TlsConfigError> {
        let (tls, name) = (self.clone(), name_of(server_name)?);
        let make_session = move || Ok(tls.session(name.clone())?.into());
        Ok(Box::new(PlainFirst::new(Box::new(make_session), protocol, self.profile.clone())))
    }

    fn session(&self, name: ServerName<'static>) -> Result<ClientConnection, TlsConfigError> {
        self.certificate_clock.set(&self.profile.clock);
        Ok(ClientConnection::new(self.config.clone(), name)?)
    }
}

fn name_of(server_name: &str) -> Result<ServerName<'static>, TlsConfigError> {
    ServerName::try_from(server_name.to_owned()).map_err(|_| TlsConfigError::BadName(server_name.to_owned()))
}

impl fmt::Debug for TlsClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TlsClient")
    }
}

/// Shows one certificate to every server that asks.
#[derive(Debug)]
struct Always(Arc<CertifiedKey>);

impl ResolvesClientCert for Always {
    fn resolve(&self, _root_hints: &[&[u8]], _schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(self.0.clone())
    }

    fn has_certs(&self) -> bool {
        true
    }
}
