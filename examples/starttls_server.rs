//! Changes from clear text to TLS when its client asks for that: `cargo run --example starttls_server`, then
//! `starttls_client` with the address that it prints. Both read `server.pem` in the current directory: a certificate
//! and its key. This command makes one:
//!
//! `openssl req -x509 -nodes -newkey rsa:2048 -subj /CN=example.com -addext subjectAltName=DNS:example.com
//! -addext basicConstraints=critical,CA:FALSE -keyout server.pem -out server.pem`
use reactor::{LineProtocol, LineReceiver, LineTransport, Reactor, tls::TlsServer};

struct Server;

impl LineProtocol for Server {
    fn line_received(&mut self, transport: &LineTransport, line: &[u8]) {
        println!("received: {}", String::from_utf8_lossy(line));
        if line == b"STARTTLS" && !transport.is_tls() {
            transport.send_line(b"READY");
            transport.start_tls().expect("the connection is up, and not TLS");
        }
    }
}

fn main() -> Result<(), reactor::Failure> {
    let reactor = Reactor::new()?;
    let tls = TlsServer::from_pem_file(&reactor, "server.pem")?;
    let factory = tls.plain_first(|_peer| LineReceiver::new(Server));
    println!("{}", reactor.listen_tcp("127.0.0.1:0", factory)?.host());
    Ok(reactor.run()?)
}
