//! [`TlsConfigError`]: a TLS end could not be made. It names the file or text, the place in it, and what is wrong.
//!
//! Next: `pem.rs`, where most of these errors come from.

use crate::error::debug_is_display;
use std::fmt;
use std::io;
use std::path::PathBuf;

/// Why a TLS end could not be made: something that it was given is wrong.
#[non_exhaustive]
pub enum TlsConfigError {
    /// A file with certificates or keys could not be read.
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The error of the system, or of the rule that the file breaks: only files of a sensible size are read.
        error: io::Error,
    },
    /// A text that should contain certificates (PEM) has none.
    NoCertificate {
        /// Where it came from.
        source: String,
        /// What it has instead: `a private key`, `nothing`.
        found: String,
    },
    /// A text that should contain a private key (PEM) has none.
    NoKey {
        /// Where it came from.
        source: String,
        /// What it has instead: `2 certificates`, `nothing`.
        found: String,
    },
    /// A private key is encrypted. There is nobody here to ask for its password.
    EncryptedKey {
        /// The file or text, and the line at which the key begins.
        source: String,
    },
    /// A private key does not belong to the certificate.
    KeyMismatch {
        /// Where the key came from.
        key: String,
        /// Where the certificate came from.
        certificate: String,
        /// The position of the certificate in the chain to which the key does belong, counted from 1.
        fits: Option<usize>,
    },
    /// A certificate or key is malformed or cannot be used.
    Bad {
        /// Where it came from, and the line at which it begins.
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
            TlsConfigError::NoCertificate { source, found } => {
                write!(f, "{source} has no certificate (PEM is expected); it has {found}")
            }
            TlsConfigError::NoKey { source, found } => {
                write!(f, "{source} has no private key (PEM is expected); it has {found}")
            }
            TlsConfigError::EncryptedKey { source } => {
                write!(f, "{source}: the private key is encrypted; ")?;
                write!(f, "decrypt it (openssl pkey -in KEY -out DECRYPTED) and protect the file instead")
            }
            TlsConfigError::KeyMismatch { key, certificate, fits: None } => {
                write!(f, "the private key in {key} does not belong to the certificate in {certificate}")
            }
            TlsConfigError::KeyMismatch { key, certificate, fits: Some(place) } => {
                write!(f, "the private key in {key} belongs to certificate {place} in {certificate}; ")?;
                write!(f, "the server's or client's own certificate must come first, and its issuer's after it")
            }
            TlsConfigError::Bad { source, reason } => write!(f, "{source}: {reason}"),
            TlsConfigError::BadName(name) => write!(f, "{name:?} is not a name that a certificate could be for"),
            TlsConfigError::Rustls(error) => write!(f, "TLS cannot be set up: {error}"),
        }
    }
}

impl std::error::Error for TlsConfigError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            TlsConfigError::Unreadable { error, .. } => Some(error),
            TlsConfigError::Rustls(error) => Some(error),
            _ => None,
        }
    }
}

debug_is_display!(TlsConfigError);

impl From<rustls::Error> for TlsConfigError {
    fn from(error: rustls::Error) -> TlsConfigError {
        TlsConfigError::Rustls(error)
    }
}
