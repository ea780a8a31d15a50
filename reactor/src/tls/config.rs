//! The two ends of TLS, which trust and which show certificates: [`TrustRoots`], [`TlsClient`], [`TlsServer`].
//!
//! Next: `layer.rs`, one session.

use super::backend::Profile;
use super::clock::TlsClock;
use super::layer::TlsProtocol;
use super::verifier::Verifier;
use crate::{Address, Factory, Protocol};
use rustls::client::VerifierBuilderError;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::time_provider::TimeProvider;
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection};
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

/// What an error calls the roots.
const ROOTS: &str = "the set of trusted roots";

/// Why a TLS end could not be made: something that it was given is wrong.
#[derive(Debug)]
#[non_exhaustive]
pub enum TlsConfigError {
    /// A file with certificates could not be read.
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The error of the system.
        error: io::Error,
    },
    /// A text that should contain certificates (PEM) has none.
    NoCertificate {
        /// Where it came from.
        source: String,
    },
    /// A certificate or key is malformed.
    Bad {
        /// Where it came from.
        source: String,
        /// What is wrong.
        reason: String,
    },
    /// This is not a name or address that a certificate can be for.
    BadName(String),
    /// rustls refused the configuration.
    Rustls(rustls::Error),
}

impl fmt::Display for TlsConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TlsConfigError::Unreadable { path, error } => write!(f, "cannot read {}: {error}", path.display()),
            TlsConfigError::NoCertificate { source } => write!(f, "{source} holds no certificate (PEM is expected)"),
            TlsConfigError::Bad { source, reason } => write!(f, "bad certificate in {source}: {reason}"),
            TlsConfigError::BadName(name) => write!(f, "{name:?} is not a name that a certificate could be for"),
            TlsConfigError::Rustls(error) => write!(f, "TLS cannot be set up: {error}"),
        }
    }
}

impl std::error::Error for TlsConfigError {}

impl From<rustls::Error> for TlsConfigError {
    fn from(error: rustls::Error) -> TlsConfigError {
        TlsConfigError::Rustls(error)
    }
}

/// The certificate authorities that a client trusts.
#[derive(Debug, Clone)]
pub struct TrustRoots(RootCertStore);

impl TrustRoots {
    /// The authorities that Mozilla's browsers trust, as of the version of `webpki-roots` in use.
    pub fn web() -> TrustRoots {
        TrustRoots(webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect())
    }

    /// No authority yet.
    pub fn none() -> TrustRoots {
        TrustRoots(RootCertStore::empty())
    }

    /// Adds the certificates of a PEM file.
    ///
    /// # Errors
    /// If the file cannot be read, has no certificate, or has a malformed one.
    pub fn add_pem_file(&mut self, path: &Path) -> Result<(), TlsConfigError> {
        let bytes = std::fs::read(path).map_err(|error| TlsConfigError::Unreadable { path: path.into(), error })?;
        self.add_pem(&bytes, &path.display().to_string())
    }

    /// Adds the certificates of a PEM text; `source` is for error messages.
    ///
    /// # Errors
    /// If the text has no certificate, or a malformed one.
    pub fn add_pem(&mut self, pem: &[u8], source: &str) -> Result<(), TlsConfigError> {
        let bad = |reason: String| TlsConfigError::Bad { source: source.to_owned(), reason };
        let mut found = false;
        for certificate in CertificateDer::pem_slice_iter(pem) {
            let certificate = certificate.map_err(|error| bad(error.to_string()))?;
            self.0.add(certificate).map_err(|error| bad(error.to_string()))?;
            found = true;
        }
        if found { Ok(()) } else { Err(TlsConfigError::NoCertificate { source: source.to_owned() }) }
    }

    /// Adds one certificate in DER form.
    ///
    /// # Errors
    /// If it is malformed.
    pub fn add_der(&mut self, certificate: &[u8]) -> Result<(), TlsConfigError> {
        self.0.add(CertificateDer::from(certificate.to_vec())).map_err(TlsConfigError::from)
    }
}

/// The time of day as rustls asks for it, from any thread: set from the [`TlsClock`] when a session begins.
#[derive(Debug)]
struct CertificateClock {
    seconds: AtomicU64,
}

impl CertificateClock {
    fn new() -> Arc<CertificateClock> {
        Arc::new(CertificateClock { seconds: AtomicU64::new(0) })
    }

    /// Sets it to the time of `clock`, for the session that begins now.
    fn set(&self, clock: &TlsClock) {
        let Some(time) = clock.system_time() else { return };
        let seconds = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs();
        self.seconds.store(seconds, Ordering::Relaxed);
    }
}

impl TimeProvider for CertificateClock {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(Duration::from_secs(self.seconds.load(Ordering::Relaxed))))
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

/// The client end of TLS: the authorities that it trusts, the application protocols (ALPN) that it offers. Cheap to
/// clone.
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
        if roots.0.is_empty() {
            return Err(TlsConfigError::NoCertificate { source: ROOTS.to_owned() });
        }
        let bad =
            |error: VerifierBuilderError| TlsConfigError::Bad { source: ROOTS.to_owned(), reason: error.to_string() };
        let verifier = Verifier::new(roots.0.clone(), provider()).map_err(bad)?;
        let mut config = ClientConfig::builder_with_details(provider(), certificate_clock.clone())
            .with_safe_default_protocol_versions()?
            .dangerous() // But the verdicts are rustls's own.
            .with_custom_certificate_verifier(verifier.clone())
            .with_no_client_auth();
        config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        let profile = Profile::new("the server", config.alpn_protocols.clone(), Some(verifier), clock);
        Ok(TlsClient { config: Arc::new(config), certificate_clock, profile: Rc::new(profile) })
    }

    /// Sets the maximum time for a handshake; the default is 10 s. After that the connection is aborted, and the
    /// protocol's `connection_lost` hears that it is the server's fault.
    pub fn handshake_timeout(mut self, after: Duration) -> TlsClient {
        Rc::make_mut(&mut self.profile).handshake_timeout = after;
        self
    }

    /// A protocol that speaks TLS with `server_name`, and gives the plain bytes to `protocol`.
    ///
    /// # Errors
    /// If no certificate can be for that name.
    pub fn wrap(&self, server_name: &str, protocol: Box<dyn Protocol>) -> Result<Box<dyn Protocol>, TlsConfigError> {
        let name = ServerName::try_from(server_name.to_owned())
            .map_err(|_| TlsConfigError::BadName(server_name.to_owned()))?;
        self.certificate_clock.set(&self.profile.clock);
        let session = ClientConnection::new(self.config.clone(), name)?;
        Ok(Box::new(TlsProtocol::new(session.into(), protocol, self.profile.clone())))
    }
}

impl fmt::Debug for TlsClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TlsClient")
    }
}

/// The server end of TLS: its certificate and key. Cheap to clone.
#[derive(Clone)]
pub struct TlsServer {
    config: Arc<ServerConfig>,
    certificate_clock: Arc<CertificateClock>,
    profile: Rc<Profile>,
}

impl TlsServer {
    /// A server that shows `chain` (DER, its own certificate first), has the private key `key` (DER), and speaks the
    /// application protocols `alpn`. `clock` is a `&Reactor`.
    ///
    /// # Errors
    /// If chain or key are malformed or do not belong together.
    pub fn new(
        clock: impl Into<TlsClock>,
        chain: &[&[u8]],
        key: &[u8],
        alpn: &[&str],
    ) -> Result<TlsServer, TlsConfigError> {
        let (clock, certificate_clock) = (clock.into(), CertificateClock::new());
        let chain = chain.iter().map(|der| CertificateDer::from(der.to_vec())).collect();
        let key = PrivateKeyDer::try_from(key.to_vec()).map_err(|reason| TlsConfigError::Bad {
            source: "the private key".to_owned(),
            reason: reason.to_owned(),
        })?;
        let mut config = ServerConfig::builder_with_details(provider(), certificate_clock.clone())
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(chain, key)?;
        config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        let profile = Profile::new("the client", config.alpn_protocols.clone(), None, clock);
        Ok(TlsServer { config: Arc::new(config), certificate_clock, profile: Rc::new(profile) })
    }

    /// Sets the maximum time for a handshake; the default is 10 s. After that the connection is aborted, so that a
    /// client cannot hold one by staying silent.
    pub fn handshake_timeout(mut self, after: Duration) -> TlsServer {
        Rc::make_mut(&mut self.profile).handshake_timeout = after;
        self
    }

    /// A factory that makes the protocols of `inner`, each inside TLS.
    pub fn factory(&self, inner: impl Factory + 'static) -> impl Factory + 'static {
        TlsServerFactory { tls: self.clone(), inner }
    }
}

impl fmt::Debug for TlsServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TlsServer")
    }
}

struct TlsServerFactory<F> {
    tls: TlsServer,
    inner: F,
}

impl<F: Factory> Factory for TlsServerFactory<F> {
    fn build_protocol(&mut self, peer: &Address) -> Option<Box<dyn Protocol>> {
        let protocol = self.inner.build_protocol(peer)?;
        self.tls.certificate_clock.set(&self.tls.profile.clock);
        match ServerConnection::new(self.tls.config.clone()) {
            Ok(session) => Some(Box::new(TlsProtocol::new(session.into(), protocol, self.tls.profile.clone()))),
            Err(error) => {
                log::warn!(target: "reactor", "no TLS with {peer}: {error}");
                None
            }
        }
    }

    fn start_factory(&mut self) {
        self.inner.start_factory();
    }

    fn stop_factory(&mut self) {
        self.inner.stop_factory();
    }
}
