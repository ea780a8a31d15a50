//! Says one line in clear text and the next over TLS: `cargo run --example starttls_client ADDRESS`, with the address
//! that `starttls_server` prints, in the same directory.
use reactor::tls::{TlsClient, TrustRoots};
use reactor::{Deferred, Firer, LineProtocol, LineReceiver, LineTransport, Reactor, Reason};

struct Client(Firer<()>);

impl LineProtocol for Client {
    fn connection_made(&mut self, transport: &LineTransport) {
        transport.send_line(b"plain text");
        transport.send_line(b"STARTTLS");
    }
    fn line_received(&mut self, transport: &LineTransport, line: &[u8]) {
        println!("received: {}", String::from_utf8_lossy(line));
        if line == b"READY" && !transport.is_tls() {
            transport.start_tls().expect("the connection is up, and not TLS");
            transport.send_line(b"secure text");
            transport.lose_connection();
        }
    }
    fn connection_lost(&mut self, reason: &Reason) {
        println!("the connection is {reason}");
        self.0.callback(()).expect("it ends once");
    }
}

fn main() -> Result<(), reactor::Failure> {
    let (reactor, (done, firer)) = (Reactor::new()?, Deferred::new());
    let address: std::net::SocketAddr = std::env::args().nth(1).unwrap_or_default().parse()?;
    let tls = TlsClient::new(&reactor, &TrustRoots::from_pem_file("server.pem")?, &[])?;
    let connected = tls.connect_plain_first(&reactor, address, "example.com", |_| LineReceiver::new(Client(firer)));
    reactor.run_until(connected.add_callback(|_transport| done))
}
