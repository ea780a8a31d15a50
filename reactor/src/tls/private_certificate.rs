//! [`PrivateCertificate`]: a certificate, the certificates of its issuers, and the private key.
//!
//! Next: `trust_roots.rs`, the certificates of others that are believed.

use super::certificate::{Certificate, Name};
use super::config_error::TlsConfigError;
use super::crypto::provider;
use super::error::Date;
use super::pem::Pem;
use rustls::pki_types::pem::SectionKind;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::sign::{CertifiedKey, SigningKey};
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// Maximum number of names that a message repeats.
const MAX_NAMES: usize = 3;

/// What one end of TLS shows of itself: its certificate, those of its issuers, and the private key that proves that it
/// is the certificate's owner. Cheap to clone. Twisted's `PrivateCertificate`.
///
/// ```no_run
/// use reactor::{Reactor, tls::{PrivateCertificate, TlsServer}};
///
/// let reactor = Reactor::new()?;
/// let other = PrivateCertificate::from_pem_files("other.example/chain.pem", "other.example/key.pem")?;
/// let tls = TlsServer::from_pem_files(&reactor, "chain.pem", "key.pem")?.also_certificate(other)?;
/// # Ok::<(), reactor::Failure>(())
/// ```
#[derive(Clone)]
pub struct PrivateCertificate {
    pub(super) certified: Arc<CertifiedKey>,
    names: Arc<[Name]>,
    validity: Option<(u64, u64)>,
    /// Where the chain came from.
    source: Arc<str>,
}

impl PrivateCertificate {
    /// Reads the chain and the private key from PEM files. The chain's first certificate is the own one; each one after
    /// it issued the one before. The root may be left out. The key is in the form `PRIVATE KEY` (PKCS #8),
    /// `RSA PRIVATE KEY` or `EC PRIVATE KEY`, not encrypted. Anything else in the files is passed over.
    ///
    /// Both may be the same file. The call reads from the disk: make it at the start, or accept that the loop waits.
    ///
    /// # Errors
    /// If a file cannot be read (it must be a regular file of at most 4 MiB), has no certificate or not exactly one
    /// key, or a malformed or encrypted one, or if the key does not belong to the first certificate. The error says
    /// which file and which line. An expired certificate is not an error here: only a clock can tell. A
    /// [`TlsServer`](super::TlsServer) that gets it logs a warning.
    pub fn from_pem_files(
        chain: impl AsRef<Path>,
        key: impl AsRef<Path>,
    ) -> Result<PrivateCertificate, TlsConfigError> {
        PrivateCertificate::read(&Pem::read(chain.as_ref())?, &Pem::read(key.as_ref())?)
    }

    /// Reads the chain and the private key from one PEM file. Twisted's `PrivateCertificate.loadPEM`.
    ///
    /// # Errors
    /// As [`from_pem_files`](PrivateCertificate::from_pem_files).
    pub fn from_pem_file(path: impl AsRef<Path>) -> Result<PrivateCertificate, TlsConfigError> {
        let both = Pem::read(path.as_ref())?;
        PrivateCertificate::read(&both, &both)
    }

    /// Reads the chain and the private key from PEM texts; they may be the same.
    ///
    /// # Errors
    /// As [`from_pem_files`](PrivateCertificate::from_pem_files).
    pub fn from_pem(chain: &[u8], key: &[u8]) -> Result<PrivateCertificate, TlsConfigError> {
        PrivateCertificate::read(&Pem::new(chain, "the chain"), &Pem::new(key, "the key"))
    }

    /// Takes a chain (the own certificate first) and a private key, each in DER form.
    ///
    /// # Errors
    /// If the chain is empty, if chain or key are malformed, or if they do not belong together.
    pub fn from_der(chain: &[&[u8]], key: &[u8]) -> Result<PrivateCertificate, TlsConfigError> {
        let source = "the private key";
        let key = PrivateKeyDer::try_from(key.to_vec())
            .map_err(|reason| TlsConfigError::Bad { source: source.to_owned(), reason: reason.to_owned() })?;
        let chain = (1..).zip(chain).map(|(number, der)| (format!("certificate {number} of the chain"), der.to_vec()));
        PrivateCertificate::new(chain.collect(), "the chain", key, source)
    }

    fn read(chain: &Pem, key: &Pem) -> Result<PrivateCertificate, TlsConfigError> {
        // The chain first: if the two files were mixed up, that is the error which says so.
        let certificates = chain.certificates()?;
        let (place, kind, der) = key.private_key()?;
        let der = match kind {
            SectionKind::RsaPrivateKey => PrivateKeyDer::Pkcs1(der.into()),
            SectionKind::EcPrivateKey => PrivateKeyDer::Sec1(der.into()),
            _ => PrivateKeyDer::Pkcs8(der.into()),
        };
        PrivateCertificate::new(certificates, &chain.source, der, &place)
    }

    fn new(
        chain: Vec<(String, Vec<u8>)>,
        chain_source: &str,
        key: PrivateKeyDer<'static>,
        key_source: &str,
    ) -> Result<PrivateCertificate, TlsConfigError> {
        let Some((_, own)) = chain.first() else {
            return Err(TlsConfigError::NoCertificate { source: chain_source.to_owned(), found: "nothing".to_owned() });
        };
        let malformed = |source: &str| TlsConfigError::Bad {
            source: source.to_owned(),
            reason: "the certificate is malformed".to_owned(),
        };
        if let Some((place, _)) = chain.iter().find(|(_, der)| Certificate::parse(der).is_none()) {
            return Err(malformed(place));
        }
        let own = Certificate::parse(own).ok_or_else(|| malformed(chain_source))?;
        let (names, validity) = (own.names().into(), own.validity());
        let key = provider().key_provider.load_private_key(key).map_err(|error| TlsConfigError::Bad {
            source: key_source.to_owned(),
            reason: format!("the private key cannot be used: {error}"),
        })?;
        let place_of_mismatch = chain.iter().position(|(_, der)| !does_not_belong(&key, der));
        if place_of_mismatch != Some(0) {
            return Err(TlsConfigError::KeyMismatch {
                key: key_source.to_owned(),
                certificate: chain_source.to_owned(),
                fits: place_of_mismatch.map(|place| place + 1),
            });
        }
        let chain = chain.into_iter().map(|(_, der)| CertificateDer::from(der)).collect();
        let certified = Arc::new(CertifiedKey::new(chain, key));
        Ok(PrivateCertificate { certified, names, validity, source: chain_source.into() })
    }

    /// The host names that the certificate is for, wildcards such as `*.example.com` among them.
    pub fn host_names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().filter_map(|name| match name {
            Name::Host(name) => Some(&**name),
            Name::Address(_) => None,
        })
    }

    /// The first and the last moment at which it is valid, so that a program can say in good time that it will end.
    pub fn validity(&self) -> Option<(SystemTime, SystemTime)> {
        let (from, until) = self.validity?;
        let at = |seconds| SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds));
        Some((at(from)?, at(until)?))
    }

    /// A warning if peers will refuse the certificate at the time `now`.
    pub(super) fn warning(&self, now: SystemTime) -> Option<String> {
        let (from, until) = self.validity?;
        let now = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs();
        let date = |seconds| Date(UnixTime::since_unix_epoch(Duration::from_secs(seconds)));
        let what = match now {
            _ if now > until => format!("expired on {}", date(until)),
            _ if now < from => format!("is valid only from {}", date(from)),
            _ => return None,
        };
        Some(format!("{self:?} {what}, and our clock says {}; peers will refuse it", date(now)))
    }
}

/// Whether it is certain that `key` is not the key of this certificate.
fn does_not_belong(key: &Arc<dyn SigningKey>, certificate: &[u8]) -> bool {
    let certified = CertifiedKey::new(vec![CertificateDer::from(certificate.to_vec())], key.clone());
    // Some kinds of key cannot say what their public half is. Then the first handshake will tell.
    !matches!(certified.keys_match(), Ok(()) | Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::Unknown)))
}

/// Where it came from and what it is for. Never the key.
impl fmt::Debug for PrivateCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut names: Vec<&str> = self.host_names().take(MAX_NAMES).collect();
        if self.host_names().count() > MAX_NAMES {
            names.push("...");
        }
        match names.is_empty() {
            true => write!(f, "the certificate in {}", self.source),
            false => write!(f, "the certificate for {} in {}", names.join(", "), self.source),
        }
    }
}
