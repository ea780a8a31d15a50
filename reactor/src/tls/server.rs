//! [`TlsServer`]: the end that is connected to.
//!
//! Next: `by_name.rs`, which of its certificates a server shows.

use super::by_name::ByName;
use super::clock::TlsClock;
use super::config_error::TlsConfigError;
use super::crypto::{CertificateClock, provider};
use super::layer::TlsProtocol;
use super::plain_first::PlainFirst;
use super::private_certificate::PrivateCertificate;
use super::profile::Profile;
use super::trust_roots::TrustRoots;
use super::verifier::ClientVerifier;
use crate::diagnostics::tell;
use crate::{Address, Factory, Protocol};
use rustls::server::{ServerSessionMemoryCache, WebPkiClientVerifier};
use rustls::{ServerConfig, ServerConnection};
use std::cell::RefCell;
use std::fmt;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

/// Maximum number of sessions that a server remembers, for clients that come back; the oldest is forgotten first. One
/// has a few hundred bytes, and the chain of the client's certificate if it showed one.
pub const MAX_SESSIONS: usize = 1024;

/// The server end of TLS: its certificates, the application protocols (ALPN) that it speaks, and whether it asks its
/// clients for certificates. Cheap to clone.
///
/// ```no_run
/// use reactor::{Protocol, Reactor, Transport, tls::TlsServer};
///
/// struct Echo;
/// impl Protocol for Echo {
///     fn data_received(&mut self, transport: &Transport, data: &[u8]) {
///         transport.write(data);
///     }
/// }
/// let reactor = Reactor::new()?;
/// let tls = TlsServer::from_pem_files(&reactor, "chain.pem", "key.pem")?;
/// reactor.listen_tcp("127.0.0.1:8443", tls.factory(|_peer| Echo))?;
/// # Ok::<(), reactor::Failure>(())
/// ```
///
/// Clients resume their sessions. The server remembers the last [`MAX_SESSIONS`], in its memory alone; it writes no
/// secrets into tickets.
#[derive(Clone)]
pub struct TlsServer {
    /// What new connections use. Clones share it, so that [`set_certificates`](TlsServer::set_certificates) reaches the
    /// factories of ports that listen already.
    live: Rc<RefCell<Live>>,
    certificate_clock: Arc<CertificateClock>,
    profile: Rc<Profile>,
}

#[derive(Clone)]
struct Live {
    certificates: Vec<PrivateCertificate>,
    alpn: Vec<Vec<u8>>,
    clients: Option<Arc<ClientVerifier>>,
    /// Made of all the above.
    config: Arc<ServerConfig>,
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
        TlsServer::with_certificate(clock, PrivateCertificate::from_der(chain, key)?)?.alpn(alpn)
    }

    /// A server with the certificate chain of one PEM file and the private key of another, or of the same:
    /// [`PrivateCertificate::from_pem_files`] says what they must have. It speaks no application protocol by name, and
    /// asks no client for a certificate. `clock` is a `&Reactor`.
    ///
    /// # Errors
    /// If a file cannot be read or has not what it must have: the error says which file, which line and why.
    pub fn from_pem_files(
        clock: impl Into<TlsClock>,
        chain: impl AsRef<Path>,
        key: impl AsRef<Path>,
    ) -> Result<TlsServer, TlsConfigError> {
        TlsServer::with_certificate(clock, PrivateCertificate::from_pem_files(chain, key)?)
    }

    /// A server with the chain and the private key of one PEM file.
    ///
    /// # Errors
    /// As [`from_pem_files`](TlsServer::from_pem_files).
    pub fn from_pem_file(clock: impl Into<TlsClock>, path: impl AsRef<Path>) -> Result<TlsServer, TlsConfigError> {
        TlsServer::with_certificate(clock, PrivateCertificate::from_pem_file(path)?)
    }

    /// A server that shows this certificate. If it is expired or not yet valid, a warning goes to the log.
    ///
    /// # Errors
    /// If rustls refuses the configuration.
    pub fn with_certificate(
        clock: impl Into<TlsClock>,
        certificate: PrivateCertificate,
    ) -> Result<TlsServer, TlsConfigError> {
        let (clock, certificate_clock) = (clock.into(), CertificateClock::new());
        warn_of(&certificate, &clock);
        let certificates = vec![certificate];
        let config = configure(&certificates, &[], None, &certificate_clock)?;
        let live = Live { certificates, alpn: Vec::new(), clients: None, config };
        let profile = Profile::new("the client", Vec::new(), None, clock);
        Ok(TlsServer { live: Rc::new(RefCell::new(live)), certificate_clock, profile: Rc::new(profile) })
    }

    /// Adds a certificate. Each client gets the one that is for the name that it asks for (SNI): one with exactly that
    /// name, or else one with a wildcard, which stands for the first label alone. If several are, it gets the first
    /// that was added with a key of a kind that it understands. A client that asks for an unknown name, or for none,
    /// gets the first certificate of all; it will see that it is for another name.
    ///
    /// # Errors
    /// If rustls refuses the configuration.
    pub fn also_certificate(self, certificate: PrivateCertificate) -> Result<TlsServer, TlsConfigError> {
        warn_of(&certificate, &self.profile.clock);
        self.changed(|live| live.certificates.push(certificate))
    }

    /// Sets the application protocols (ALPN) that it speaks, the best first: the first of these that the client offers
    /// is chosen. A client that offers none of them is refused; one that does not use ALPN is not.
    /// [`negotiated_protocol`](crate::Transport::negotiated_protocol) says which was chosen.
    ///
    /// # Errors
    /// If rustls refuses the configuration.
    pub fn alpn(self, protocols: &[&str]) -> Result<TlsServer, TlsConfigError> {
        let protocols: Vec<Vec<u8>> = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        let mut changed = self.changed(|live| live.alpn.clone_from(&protocols))?;
        Rc::make_mut(&mut changed.profile).alpn = protocols;
        Ok(changed)
    }

    /// Asks each client for a certificate that `roots` have issued, and refuses clients that show none. The protocol
    /// finds it with [`peer_certificate`](crate::Transport::peer_certificate). Which of these clients may do what is
    /// for the program to decide.
    ///
    /// # Errors
    /// If `roots` is empty.
    pub fn require_client_certificate(self, roots: &TrustRoots) -> Result<TlsServer, TlsConfigError> {
        self.ask_for_client_certificate(roots, true)
    }

    /// Asks each client for a certificate, and accepts clients that show none. A certificate that is shown must be
    /// valid, and issued by one of `roots`; otherwise the client is refused.
    ///
    /// # Errors
    /// If `roots` is empty.
    pub fn request_client_certificate(self, roots: &TrustRoots) -> Result<TlsServer, TlsConfigError> {
        self.ask_for_client_certificate(roots, false)
    }

    fn ask_for_client_certificate(self, roots: &TrustRoots, is_required: bool) -> Result<TlsServer, TlsConfigError> {
        let builder = WebPkiClientVerifier::builder_with_provider(roots.store()?, provider());
        let builder = if is_required { builder } else { builder.allow_unauthenticated() };
        let verifier = ClientVerifier::new(builder.build().map_err(TrustRoots::refused)?);
        let refusals = verifier.refusals();
        let mut changed = self.changed(|live| live.clients = Some(verifier))?;
        Rc::make_mut(&mut changed.profile).refusals = Some(refusals);
        Ok(changed)
    }

    /// Sets the maximum time for a handshake; the default is 10 s. After that the connection is aborted, so that a
    /// client cannot hold one by staying silent.
    pub fn handshake_timeout(mut self, after: Duration) -> TlsServer {
        Rc::make_mut(&mut self.profile).handshake_timeout = after;
        self
    }

    /// Replaces all certificates, for connections that begin from now on: those of ports that listen already, too.
    /// Connections that are up go on undisturbed. Nobody resumes a session from before. The first certificate is the
    /// default.
    ///
    /// A program that gets a new certificate every few weeks need not stop for that:
    ///
    /// ```no_run
    /// # use reactor::{Reactor, tls::{PrivateCertificate, TlsServer}};
    /// # fn reload(reactor: &Reactor, tls: TlsServer) {
    /// reactor.on_hangup(move || {
    ///     let renewed = PrivateCertificate::from_pem_files("chain.pem", "key.pem");
    ///     if let Err(error) = renewed.and_then(|renewed| tls.set_certificates(vec![renewed])) {
    ///         eprintln!("the old certificate stays: {error}");
    ///     }
    /// });
    /// # }
    /// ```
    ///
    /// # Errors
    /// If there are none, or rustls refuses the configuration. Then nothing has changed.
    pub fn set_certificates(&self, certificates: Vec<PrivateCertificate>) -> Result<(), TlsConfigError> {
        if certificates.is_empty() {
            let source = "the list of certificates".to_owned();
            return Err(TlsConfigError::NoCertificate { source, found: "nothing".to_owned() });
        }
        certificates.iter().for_each(|certificate| warn_of(certificate, &self.profile.clock));
        let changed = self.rebuilt(|live| live.certificates = certificates)?;
        *self.live.borrow_mut() = changed;
        Ok(())
    }

    /// This server with a change, apart from the clones that it has.
    fn changed(self, change: impl FnOnce(&mut Live)) -> Result<TlsServer, TlsConfigError> {
        let live = self.rebuilt(change)?;
        Ok(TlsServer { live: Rc::new(RefCell::new(live)), ..self })
    }

    fn rebuilt(&self, change: impl FnOnce(&mut Live)) -> Result<Live, TlsConfigError> {
        let mut live = self.live.borrow().clone();
        change(&mut live);
        live.config = configure(&live.certificates, &live.alpn, live.clients.as_ref(), &self.certificate_clock)?;
        Ok(live)
    }

    /// A factory that makes the protocols of `inner`, each inside TLS.
    pub fn factory<F: Factory + 'static>(&self, inner: F) -> impl Factory + use<F> {
        TlsServerFactory { tls: self.clone(), begins: Begins::WithTls, inner }
    }

    /// A protocol that speaks TLS with a client, and gives the plain bytes to `protocol`: for a connection that no
    /// factory has made, such as one in memory.
    ///
    /// # Errors
    /// If rustls cannot begin a session.
    pub fn wrap(&self, protocol: Box<dyn Protocol>) -> Result<Box<dyn Protocol>, TlsConfigError> {
        let session = self.session()?;
        Ok(Box::new(TlsProtocol::new(session.into(), protocol, self.profile.clone())))
    }

    /// A factory that makes the protocols of `inner`. Each connection begins in clear text, and changes to TLS when its
    /// protocol calls [`Transport::start_tls`](crate::Transport::start_tls): the protocols with a STARTTLS command.
    pub fn plain_first(&self, inner: impl Factory + 'static) -> impl Factory + 'static {
        TlsServerFactory { tls: self.clone(), begins: Begins::InClearText, inner }
    }

    /// A protocol that begins in clear text, and speaks TLS with a client from the moment at which `protocol` calls
    /// [`Transport::start_tls`](crate::Transport::start_tls).
    pub fn wrap_plain_first(&self, protocol: Box<dyn Protocol>) -> Box<dyn Protocol> {
        let tls = self.clone();
        let make_session = move || Ok(tls.session()?.into());
        Box::new(PlainFirst::new(Box::new(make_session), protocol, self.profile.clone()))
    }

    fn session(&self) -> Result<ServerConnection, TlsConfigError> {
        self.certificate_clock.set(&self.profile.clock);
        Ok(ServerConnection::new(self.live.borrow().config.clone())?)
    }
}

/// A configuration with a memory of its own for sessions. So nobody resumes a session that began under another one,
/// with a certificate that is gone or with clients that nobody asked who they are.
fn configure(
    certificates: &[PrivateCertificate],
    alpn: &[Vec<u8>],
    clients: Option<&Arc<ClientVerifier>>,
    clock: &Arc<CertificateClock>,
) -> Result<Arc<ServerConfig>, TlsConfigError> {
    let builder =
        ServerConfig::builder_with_details(provider(), clock.clone()).with_safe_default_protocol_versions()?;
    let builder = match clients {
        Some(verifier) => builder.with_client_cert_verifier(verifier.clone()),
        None => builder.with_no_client_auth(),
    };
    let mut config = builder.with_cert_resolver(Arc::new(ByName::new(certificates)));
    config.alpn_protocols = alpn.to_vec();
    config.session_storage = ServerSessionMemoryCache::new(MAX_SESSIONS);
    Ok(Arc::new(config))
}

/// Says in the log if clients will refuse it. No error: a server without a certificate would be no better.
fn warn_of(certificate: &PrivateCertificate, clock: &TlsClock) {
    if let Some(warning) = clock.system_time().and_then(|now| certificate.warning(now)) {
        tell!(Warn, "reactor", "{warning}");
    }
}

impl fmt::Debug for TlsServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TlsServer").field(&self.live.borrow().certificates).finish()
    }
}

/// How a connection begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Begins {
    WithTls,
    InClearText,
}

struct TlsServerFactory<F> {
    tls: TlsServer,
    begins: Begins,
    inner: F,
}

impl<F: Factory> Factory for TlsServerFactory<F> {
    fn build_protocol(&mut self, peer: &Address) -> Option<Box<dyn Protocol>> {
        let protocol = self.inner.build_protocol(peer)?;
        let wrapped = match self.begins {
            Begins::WithTls => self.tls.wrap(protocol),
            Begins::InClearText => Ok(self.tls.wrap_plain_first(protocol)),
        };
        match wrapped {
            Ok(protocol) => Some(protocol),
            Err(error) => {
                tell!(Warn, "reactor", "no TLS with {peer}: {error}");
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
