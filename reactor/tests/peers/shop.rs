//! [`Shop`]: certificates, in files for the other end and as values for ours.

use crate::certificates::{Authority, Identity};
use crate::pem::pem;
use reactor::Reactor;
use reactor::tls::{PrivateCertificate, TlsClient, TlsServer};
use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The name in the server's certificate.
pub(crate) const NAME: &str = "server.test";

/// A second name, with a certificate of its own.
pub(crate) const OTHER_NAME: &str = "other.test";

/// A folder with `root.pem`, `server.pem` and `client.pem`, removed when it is dropped. The last two have a certificate
/// and its key.
pub(crate) struct Shop {
    folder: PathBuf,
    authority: Authority,
}

impl Shop {
    pub(crate) fn open() -> Shop {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("reactor-peers-{}-{number}", std::process::id()));
        fs::create_dir(&folder).unwrap();
        let authority = Authority::new();
        fs::write(folder.join("root.pem"), pem("CERTIFICATE", authority.der())).unwrap();
        for (file, name) in [("server.pem", NAME), ("other.pem", OTHER_NAME), ("client.pem", "alice")] {
            let Identity { certificate, key } = authority.issue(name, 2999);
            fs::write(folder.join(file), pem("CERTIFICATE", &certificate) + &pem("PRIVATE KEY", &key)).unwrap();
        }
        Shop { folder, authority }
    }

    pub(crate) fn folder(&self) -> &str {
        self.folder.to_str().expect("the temporary folder has a plain name")
    }

    /// The path of `NAME.pem`.
    pub(crate) fn file(&self, name: &str) -> String {
        format!("{}/{name}.pem", self.folder())
    }

    fn private(&self, name: &str) -> PrivateCertificate {
        PrivateCertificate::from_pem_file(self.file(name)).unwrap()
    }

    /// Our server, with a certificate for [`NAME`] and one for [`OTHER_NAME`].
    pub(crate) fn server(&self, reactor: &Reactor) -> TlsServer {
        let server = TlsServer::with_certificate(reactor, self.private("server")).unwrap();
        server.also_certificate(self.private("other")).unwrap()
    }

    /// Our server, which asks each client for a certificate.
    pub(crate) fn asking_server(&self, reactor: &Reactor) -> TlsServer {
        self.server(reactor).require_client_certificate(&self.authority.roots()).unwrap()
    }

    /// Our client.
    pub(crate) fn client(&self, reactor: &Reactor, alpn: &[&str]) -> TlsClient {
        TlsClient::new(reactor, &self.authority.roots(), alpn).unwrap()
    }

    /// Our client, as alice.
    pub(crate) fn alice(&self, reactor: &Reactor, alpn: &[&str]) -> TlsClient {
        self.client(reactor, alpn).certificate(self.private("client"))
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder); // It may stay: the folder is temporary.
    }
}
