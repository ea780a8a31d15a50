//! [`TrustRoots`]: the certificate authorities that one end believes.
//!
//! Next: `crypto.rs`, what rustls needs besides certificates.

use super::config_error::TlsConfigError;
use super::pem::Pem;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use std::path::Path;
use std::sync::Arc;

/// What an error calls the roots.
const ROOTS: &str = "the set of trusted roots";

/// The certificate authorities that one end trusts: a client, for the certificates of servers; or a server that asks
/// for certificates of clients.
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

    /// The authorities with certificates in a PEM file, and no others.
    ///
    /// # Errors
    /// As [`add_pem_file`](TrustRoots::add_pem_file).
    pub fn from_pem_file(path: impl AsRef<Path>) -> Result<TrustRoots, TlsConfigError> {
        let mut roots = TrustRoots::none();
        roots.add_pem_file(path.as_ref())?;
        Ok(roots)
    }

    /// Adds the certificates of a PEM file.
    ///
    /// # Errors
    /// If the file cannot be read (it must be a regular file of at most 4 MiB), has no certificate, or has a malformed
    /// one.
    pub fn add_pem_file(&mut self, path: &Path) -> Result<(), TlsConfigError> {
        self.add_all(&Pem::read(path)?)
    }

    /// Adds the certificates of a PEM text; `source` is for error messages.
    ///
    /// # Errors
    /// If the text has no certificate, or a malformed one.
    pub fn add_pem(&mut self, pem: &[u8], source: &str) -> Result<(), TlsConfigError> {
        self.add_all(&Pem::new(pem, source))
    }

    fn add_all(&mut self, pem: &Pem) -> Result<(), TlsConfigError> {
        for (place, der) in pem.certificates()? {
            let bad = |error: rustls::Error| TlsConfigError::Bad { source: place, reason: error.to_string() };
            self.0.add(CertificateDer::from(der)).map_err(bad)?;
        }
        Ok(())
    }

    /// Adds one certificate in DER form.
    ///
    /// # Errors
    /// If it is malformed.
    pub fn add_der(&mut self, certificate: &[u8]) -> Result<(), TlsConfigError> {
        self.0.add(CertificateDer::from(certificate.to_vec())).map_err(TlsConfigError::from)
    }

    /// The roots for rustls; an error if there are none, because nobody could be trusted then.
    pub(super) fn store(&self) -> Result<Arc<RootCertStore>, TlsConfigError> {
        if self.0.is_empty() {
            return Err(TlsConfigError::NoCertificate { source: ROOTS.to_owned(), found: "nothing".to_owned() });
        }
        Ok(Arc::new(self.0.clone()))
    }

    /// An error of rustls about these roots.
    pub(super) fn refused(error: impl ToString) -> TlsConfigError {
        TlsConfigError::Bad { source: ROOTS.to_owned(), reason: error.to_string() }
    }
}
