//! A TLS server made of rustls alone, blocking, which can do what no decent one does.

use crate::certificates::Identity;
use crate::peer::patient;
use reactor::tls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use reactor::tls::rustls::{self, ServerConfig, ServerConnection};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;

pub(crate) type RawServer<'a> = rustls::Stream<'a, ServerConnection, TcpStream>;

/// A blocking TLS server for one connection, made of rustls alone: where it listens, and its work.
pub(crate) fn raw_server<T>(
    identity: &Identity,
    alpn: &[&str],
    work: impl FnOnce(&mut RawServer<'_>) -> T + Send + 'static,
) -> (SocketAddr, impl FnOnce() -> T + Send + 'static) {
    let chain = vec![CertificateDer::from(identity.certificate.clone())];
    let key = PrivateKeyDer::try_from(identity.key.clone()).unwrap();
    let mut config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let serve = move || {
        let mut socket = patient(listener.accept().map(|(stream, _)| stream));
        let mut session = ServerConnection::new(Arc::new(config)).unwrap();
        work(&mut rustls::Stream::new(&mut session, &mut socket))
    };
    (address, serve)
}
