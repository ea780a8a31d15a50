//! [`Identity`]: the keys and certificates of one server, and the ends of TLS that are made of them.
//!
//! ```text
//!   keys/Alford/key.pem           its private key             \
//!   keys/Alford/certificate.pem   for the name "Alford"        > both ends of its links: it shows its certificate, and
//!   keys/Alford/herd.pem          the herd's authority        /  wants one of that authority from the other end
//!
//!   certificate, key              what clients see            >  the port `tls`; clients need no certificate
//! ```
//!
//! The authority vouches for names alone: a certificate for "Alford" makes its owner Alford. So the directory `keys`
//! decides who belongs to the herd, and no public authority has a say in that.
//!
//! Next: [`store.rs`](mod@crate::store), what outlives a server.

use crate::config::{Config, ConfigError, TlsConfig};
use reactor::tls::{PrivateCertificate, TlsClient, TlsConfigError, TlsError, TlsFault, TlsServer, TrustRoots};
use reactor::{Reactor, Transport};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// In a server's directory of keys: its private key, its certificate, and the certificates of the herd's authority.
pub const KEY_FILE: &str = "key.pem";
/// See [`KEY_FILE`].
pub const CERTIFICATE_FILE: &str = "certificate.pem";
/// See [`KEY_FILE`].
pub const AUTHORITY_FILE: &str = "herd.pem";

/// How long before its end a certificate gets a warning: time enough to make another one and to copy it.
const WARN_BEFORE: Duration = Duration::from_secs(30 * 24 * 3600);

/// The ends of TLS that a server has. Nothing in it changes: a server that reads its files again gets another one.
#[derive(Debug, Default)]
pub struct Identity {
    link: Option<LinkEnds>,
    clients: Option<TlsServer>,
    /// For each certificate its file, and the last moment at which it is valid.
    ends: Vec<(String, SystemTime)>,
}

#[derive(Debug)]
struct LinkEnds {
    server: TlsServer,
    client: TlsClient,
}

/// What the files of a server hold. A thread can read them: they may be on a disk that is slow, or away.
#[derive(Debug, Default)]
pub(crate) struct IdentityFiles {
    link: Option<LinkFiles>,
    /// What clients see, and its file.
    clients: Option<(PrivateCertificate, PathBuf)>,
}

#[derive(Debug)]
struct LinkFiles {
    certificate: PrivateCertificate,
    roots: TrustRoots,
    /// The certificate's file.
    path: PathBuf,
}

impl IdentityFiles {
    /// Reads the files that the server `name` needs.
    ///
    /// # Errors
    /// As [`Identity::read`].
    pub(crate) fn read(config: &Config, name: &str) -> Result<IdentityFiles, ConfigError> {
        let (server, tls) = (config.server(name)?, &config.tls);
        let mut files = IdentityFiles::default();
        if let (Some(_), Some(keys)) = (&server.link, &tls.keys) {
            files.link = Some(LinkFiles::read(&keys.join(name), name).map_err(|what| tls.error("keys", what))?);
        }
        if let (Some(_), Some(chain), Some(key)) = (&server.tls, &tls.certificate, &tls.key) {
            let wrong = |error: TlsConfigError| tls.error(setting_of(&error, tls), error);
            let certificate = PrivateCertificate::from_pem_files(chain, key).map_err(wrong)?;
            files.clients = Some((certificate, chain.clone()));
        }
        Ok(files)
    }
}

impl LinkFiles {
    fn read(directory: &Path, name: &str) -> Result<LinkFiles, String> {
        let file = |name| directory.join(name);
        let text = |error: TlsConfigError| {
            let is_missing = matches!(
                &error,
                TlsConfigError::Unreadable { error, .. } if error.kind() == std::io::ErrorKind::NotFound
            );
            let advice = if is_missing { "; proxyherd keys makes it, and says what to copy where" } else { "" };
            format!("{error}{advice}")
        };
        let path = file(CERTIFICATE_FILE);
        let certificate = PrivateCertificate::from_pem_files(&path, file(KEY_FILE)).map_err(text)?;
        if !certificate.host_names().any(|host| host.eq_ignore_ascii_case(name)) {
            return Err(format!("{certificate:?} is not for {name}: its names (SAN) must have the server's own"));
        }
        let roots = TrustRoots::from_pem_file(file(AUTHORITY_FILE)).map_err(text)?;
        Ok(LinkFiles { certificate, roots, path })
    }
}

impl Identity {
    /// Reads the files that the server `name` needs: none if it has neither `link` nor `tls`.
    ///
    /// # Errors
    /// If a file cannot be read, if a key does not belong to its certificate, or if the certificate for links is not
    /// for this server's name. The error names the file and says what to do.
    pub fn read(reactor: &Reactor, config: &Config, name: &str) -> Result<Identity, ConfigError> {
        Identity::of(reactor, config, IdentityFiles::read(config, name)?)
    }

    /// The same of files that have been read.
    ///
    /// # Errors
    /// If what they hold cannot be used.
    pub(crate) fn of(reactor: &Reactor, config: &Config, files: IdentityFiles) -> Result<Identity, ConfigError> {
        let (tls, mut identity) = (&config.tls, Identity::default());
        if let Some(LinkFiles { certificate, roots, path }) = files.link {
            identity.note_end(&certificate, &path);
            identity.link = Some(link_ends(reactor, certificate, &roots).map_err(|error| tls.error("keys", error))?);
        }
        if let Some((certificate, path)) = files.clients {
            let wrong = |error: TlsConfigError| tls.error(setting_of(&error, tls), error);
            identity.note_end(&certificate, &path);
            identity.clients = Some(TlsServer::with_certificate(reactor, certificate).map_err(wrong)?);
        }
        Ok(identity)
    }

    fn note_end(&mut self, certificate: &PrivateCertificate, path: &Path) {
        self.ends.extend(certificate.validity().map(|(_, end)| (path.display().to_string(), end)));
    }

    /// The end of TLS to which neighbors connect.
    pub(crate) fn link_server(&self) -> Option<&TlsServer> {
        self.link.as_ref().map(|ends| &ends.server)
    }

    /// The end of TLS that connects to neighbors.
    pub(crate) fn link_client(&self) -> Option<&TlsClient> {
        self.link.as_ref().map(|ends| &ends.client)
    }

    /// The end of TLS to which clients connect.
    pub(crate) fn for_clients(&self) -> Option<&TlsServer> {
        self.clients.as_ref()
    }

    /// A warning for each certificate that ends soon, or has ended.
    pub fn warnings(&self, now: SystemTime) -> Vec<String> {
        let soon = self.ends.iter().filter(|(_, end)| *end <= now + WARN_BEFORE);
        let warning = |(file, end): &(String, SystemTime)| match end.duration_since(now) {
            Ok(left) => format!("the certificate in {file} ends in {} days: renew it", left.as_secs() / (24 * 3600)),
            Err(_) => format!("the certificate in {file} has ended: peers refuse it; renew it"),
        };
        soon.map(warning).collect()
    }
}

/// Both ends of a server's links. Each wants of the other a certificate of the herd's authority.
fn link_ends(
    reactor: &Reactor,
    certificate: PrivateCertificate,
    roots: &TrustRoots,
) -> Result<LinkEnds, TlsConfigError> {
    let server = TlsServer::with_certificate(reactor, certificate.clone())?.require_client_certificate(roots)?;
    let client = TlsClient::new(reactor, roots, &[])?.certificate(certificate);
    Ok(LinkEnds { server, client })
}

/// Which setting an error about the clients' certificate belongs to.
fn setting_of(error: &TlsConfigError, tls: &TlsConfig) -> &'static str {
    let is_of_key = match error {
        TlsConfigError::Unreadable { path, .. } => tls.key.as_ref() == Some(path),
        TlsConfigError::NoKey { .. } | TlsConfigError::EncryptedKey { .. } | TlsConfigError::KeyMismatch { .. } => true,
        _ => false,
    };
    if is_of_key { "key" } else { "certificate" }
}

/// Whether the peer's certificate is for this server.
pub(crate) fn is_for(transport: &Transport, name: &str) -> bool {
    let certificate = transport.peer_certificate();
    certificate.is_some_and(|certificate| certificate.host_names().iter().any(|host| host.eq_ignore_ascii_case(name)))
}

/// Whether a failed handshake is about certificates, and not about a stranger who speaks something else.
pub(crate) fn is_about_keys(error: &TlsError) -> bool {
    matches!(error.fault(), TlsFault::Certificate | TlsFault::Refused)
}

/// What an operator does about a link that failed with this error.
pub(crate) fn advice(error: &TlsError) -> &'static str {
    match error.fault() {
        TlsFault::Certificate => "compare keys/SERVER of both machines: one herd has one authority",
        TlsFault::Refused => "its log says why; compare keys/SERVER of both machines",
        TlsFault::Peer | TlsFault::NothingInCommon => "is that its `link`, and does its own configuration have it?",
        _ => "see docs/operating.md",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_that_ends_within_a_month_gets_a_warning() {
        let day = Duration::from_secs(24 * 3600);
        let now = SystemTime::UNIX_EPOCH + 10_000 * day;
        let identity = |end| Identity { ends: vec![("a.pem".to_owned(), end)], ..Identity::default() };
        assert_eq!(identity(now + 31 * day).warnings(now), [] as [&str; 0]);
        let soon = identity(now + 29 * day + day / 2).warnings(now);
        assert_eq!(soon, ["the certificate in a.pem ends in 29 days: renew it"]);
        let over = identity(now - day).warnings(now);
        assert_eq!(over, ["the certificate in a.pem has ended: peers refuse it; renew it"]);
    }
}
