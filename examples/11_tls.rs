//! TLS both ways: a server and a client, with protocols as without TLS. Run it with `cargo run --example 11_tls`.
//!
//! The certificate is made at the start. A real server has one in a file (`TlsServer::from_pem_files`), and a client of
//! the web trusts `TrustRoots::web()`.
use rcgen::{CertifiedKey, generate_simple_self_signed};
use reactor::tls::{TlsClient, TlsServer, TrustRoots};
use reactor::{Deferred, Failure, Firer, LineProtocol, LineReceiver, LineTransport, Reactor, Reason};
use std::net::SocketAddr;

/// The server's side of a connection: it says everything again, and louder.
struct Shout;

impl LineProtocol for Shout {
    fn line_received(&mut self, transport: &LineTransport, line: &[u8]) {
        transport.send_line(&line.to_ascii_uppercase());
    }
}

/// The client's side. It fires its Firer when the connection has ended.
struct Whisper(Firer<()>);

impl LineProtocol for Whisper {
    fn handshake_completed(&mut self, transport: &LineTransport) {
        let names = transport.peer_certificate().map(|certificate| certificate.host_names().join(", "));
        println!("encrypted; the server is {}", names.unwrap_or_default());
        transport.send_line(b"a secret");
    }
    fn line_received(&mut self, transport: &LineTransport, line: &[u8]) {
        println!("it says: {}", String::from_utf8_lossy(line));
        transport.lose_connection();
    }
    fn connection_lost(&mut self, _reason: &Reason) {
        self.0.callback(()).expect("a connection ends once");
    }
}

/// Talks with the server that calls itself `name`.
async fn talk(reactor: Reactor, tls: TlsClient, server: SocketAddr, name: &str) -> Result<(), Failure> {
    let (ended, firer) = Deferred::new();
    tls.connect(&reactor, server, name, |_peer| LineReceiver::new(Whisper(firer))).await?;
    ended.await
}

fn main() -> Result<(), Failure> {
    let reactor = Reactor::new()?;
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["example.com".to_owned()])?;
    let server = TlsServer::new(&reactor, &[cert.der()], &signing_key.serialize_der(), &[])?;
    let port = reactor.listen_tcp("127.0.0.1:0", server.factory(|_peer| LineReceiver::new(Shout)))?;

    let mut roots = TrustRoots::none();
    roots.add_der(cert.der())?;
    let (client, address) = (TlsClient::new(&reactor, &roots, &[])?, port.host());
    let (same, again) = (reactor.clone(), client.clone());
    let talks = Deferred::from_future(async move {
        talk(same.clone(), client, address, "example.com").await?;
        // Encryption to the wrong server is worth nothing: the name must be right.
        let wrong = talk(same, again, address, "example.org").await;
        println!("{}", wrong.expect_err("the certificate is for another name"));
        println!("next: cargo run --example 12_threads");
        Ok(())
    });
    reactor.run_until(talks)
}

// Prints:
// encrypted; the server is example.com
// it says: A SECRET
// the TLS handshake failed: the certificate of the server is for example.com, not for example.org
// next: cargo run --example 12_threads
