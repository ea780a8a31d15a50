//! [`Raw`]: an end made of rustls alone that speaks TLS 1.2 and nothing newer. Two ends of ours would take 1.3.

use crate::issuing::{Authority, Issued};
use reactor::tls::rustls::crypto::ring::default_provider;
use reactor::tls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use reactor::tls::rustls::server::WebPkiClientVerifier;
use reactor::tls::rustls::time_provider::TimeProvider;
use reactor::tls::rustls::version::TLS12;
use reactor::tls::rustls::{ClientConfig, ClientConnection, Connection, RootCertStore, ServerConfig, ServerConnection};
use reactor::{Protocol, Transport};
use std::io::{Read, Write};
use std::sync::Arc;
use std::time::Duration;

/// Says hello when the handshake is done. The client closes when it is told hello; the server, when the client has.
pub(crate) struct Raw {
    session: Connection,
    is_client: bool,
    has_said_hello: bool,
}

/// The first of June 2030, as for our ends.
#[derive(Debug)]
struct Today;

impl TimeProvider for Today {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(Duration::from_secs(1_906_502_400)))
    }
}

fn chain_and_key(issued: &Issued) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
    (vec![issued.certificate.clone().into()], PrivateKeyDer::try_from(issued.key.clone()).unwrap())
}

fn roots(authority: &Authority) -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add(authority.der().to_vec().into()).unwrap();
    roots
}

impl Raw {
    /// A client that trusts `authority`, expects `name`, and shows `own` if it is asked to.
    pub(crate) fn client(authority: &Authority, name: &'static str, own: Option<&Issued>) -> Box<dyn Protocol> {
        let builder = ClientConfig::builder_with_details(Arc::new(default_provider()), Arc::new(Today))
            .with_protocol_versions(&[&TLS12])
            .unwrap()
            .with_root_certificates(roots(authority));
        let config = match own.map(chain_and_key) {
            Some((chain, key)) => builder.with_client_auth_cert(chain, key).unwrap(),
            None => builder.with_no_client_auth(),
        };
        let session = ClientConnection::new(Arc::new(config), ServerName::try_from(name).unwrap()).unwrap();
        Box::new(Raw { session: session.into(), is_client: true, has_said_hello: false })
    }

    /// A server that shows `own`, and asks each client for a certificate of `clients` if there is such an authority.
    pub(crate) fn server(own: &Issued, clients: Option<&Authority>) -> Box<dyn Protocol> {
        let (chain, key) = chain_and_key(own);
        let provider = Arc::new(default_provider());
        let builder = ServerConfig::builder_with_details(provider.clone(), Arc::new(Today))
            .with_protocol_versions(&[&TLS12])
            .unwrap();
        let builder = match clients.map(roots) {
            Some(roots) => {
                let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider).build().unwrap();
                builder.with_client_cert_verifier(verifier)
            }
            None => builder.with_no_client_auth(),
        };
        let session = ServerConnection::new(Arc::new(builder.with_single_cert(chain, key).unwrap())).unwrap();
        Box::new(Raw { session: session.into(), is_client: false, has_said_hello: false })
    }

    fn flush(&mut self, transport: &Transport) {
        let mut out = Vec::new();
        while self.session.wants_write() {
            self.session.write_tls(&mut out).unwrap();
        }
        transport.write(&out);
    }
}

impl Protocol for Raw {
    fn connection_made(&mut self, transport: &Transport) {
        self.flush(transport);
    }

    fn data_received(&mut self, transport: &Transport, mut data: &[u8]) {
        let mut received = Vec::new();
        let mut is_closed = false;
        while !data.is_empty() {
            self.session.read_tls(&mut data).unwrap();
            let Ok(state) = self.session.process_new_packets() else {
                self.flush(transport);
                return transport.lose_connection();
            };
            is_closed = state.peer_has_closed();
            let mut more = vec![0; state.plaintext_bytes_to_read()];
            self.session.reader().read_exact(&mut more).unwrap();
            received.append(&mut more);
        }
        if !self.session.is_handshaking() && !self.has_said_hello {
            self.has_said_hello = true;
            self.session.writer().write_all(b"hello").unwrap();
        }
        if is_closed || self.is_client && !received.is_empty() {
            self.session.send_close_notify();
            self.flush(transport);
            return transport.lose_connection();
        }
        self.flush(transport);
    }
}
