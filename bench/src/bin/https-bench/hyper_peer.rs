//! hyper with tokio-rustls on a current-thread runtime: one connection, made by hand, without a pool.

use std::sync::Arc;

use http_body_util::{BodyExt, Empty};
use hyper::body::Bytes;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Runtime};
use tokio_rustls::TlsConnector;

use crate::nginx::Nginx;
use crate::{Client, Spent, cpu};

pub struct HyperClient {
    runtime: Runtime,
    sender: SendRequest<Empty<Bytes>>,
    host: String,
}

impl HyperClient {
    pub fn connect(nginx: &Nginx) -> Result<HyperClient, Box<dyn std::error::Error>> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(nginx.certificate.as_bytes())?)?;
        let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let runtime = Builder::new_current_thread().enable_io().build()?;
        let address = nginx.address;
        let sender = runtime.block_on(async move {
            let stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            let name = ServerName::try_from(address.ip().to_string())?;
            let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await?;
            let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
            tokio::spawn(connection);
            Ok::<_, Box<dyn std::error::Error>>(sender)
        })?;
        Ok(HyperClient { runtime, sender, host: address.to_string() })
    }
}

impl Client for HyperClient {
    fn get(&mut self, path: &str, times: usize) -> Result<Spent, Box<dyn std::error::Error>> {
        let (sender, host) = (&mut self.sender, &self.host);
        self.runtime.block_on(async move {
            let (before, mut bytes) = (cpu()?, 0);
            for _ in 0..times {
                let request = Request::get(path)
                    .header("Host", host)
                    .header("User-Agent", "https-bench")
                    .header("Accept-Encoding", "identity")
                    .body(Empty::<Bytes>::new())?;
                sender.ready().await?;
                let response = sender.send_request(request).await?;
                if response.status() != StatusCode::OK {
                    return Err(response.status().to_string().into());
                }
                bytes += response.into_body().collect().await?.to_bytes().len();
            }
            Ok(Spent { bytes, nanos: cpu()? - before })
        })
    }
}
