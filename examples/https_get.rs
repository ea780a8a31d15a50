//! An HTTPS client. An agent makes two requests over one kept connection: it gets the first page whole, and the second
//! piece by piece. It refuses to talk to a server with the wrong certificate.
//! Run it with `cargo run --example https_get`. The server is in this same program, with a certificate made at start:
//! no network is needed. A client of the web would say `TrustRoots::web()`, and no `connect_to`.

use rcgen::{CertifiedKey, generate_simple_self_signed};
use reactor::http::{Agent, AgentError, AgentSettings, BodyEnd, BodyProtocol, BodyTransport, Party, Request, Stage};
use reactor::tls::{TlsServer, TrustRoots};
use reactor::{Failure, Protocol, Reactor, Transport};

/// Gives every client the same response.
struct Server;

impl Protocol for Server {
    fn data_received(&mut self, transport: &Transport, _request: &[u8]) {
        transport.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 6\r\n\r\nhello\n");
    }
}

/// Prints a body as it comes.
struct Printer;

impl BodyProtocol for Printer {
    fn data_received(&mut self, _body: &BodyTransport, data: &[u8]) {
        print!("it says: {}", String::from_utf8_lossy(data));
    }
    fn body_ended(&mut self, end: BodyEnd) {
        println!("{end:?}");
    }
}

fn main() -> Result<(), Failure> {
    let reactor = Reactor::new()?;
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["example.com".to_owned()])?;
    let tls = TlsServer::new(&reactor, &[cert.der()], &signing_key.serialize_der(), &["http/1.1"])?;
    let port = reactor.listen_tcp("127.0.0.1:0", tls.factory(|_| Server))?;

    let mut roots = TrustRoots::none();
    roots.add_der(cert.der())?;
    let mut settings = AgentSettings::default();
    settings.connect_to = Some(("127.0.0.1".to_owned(), port.host().port()));
    let agent = Agent::with_settings(&reactor, &roots, settings)?;

    let page = Request::get("https://example.com/".parse()?);
    let stranger = Request::get("https://example.org/".parse()?);
    let (second, third) = (agent.clone(), agent.clone());
    let talk = agent
        .fetch(page.clone())
        .add_callback(|page| println!("{}, {} bytes", page.head.status, page.body.len()))
        .add_callback(move |_| {
            println!("{second:?}");
            second.request(page) // Fires at the head: the body is still to come.
        })
        .add_callback(|response| {
            println!("{response:?}");
            response.deliver_body(Printer);
        })
        .add_callback(move |_| third.fetch(stranger)) // The certificate is for another name.
        .add_callback(|page| println!("{}", page.head.status))
        .add_errback(|failure| {
            let error = failure.trap::<AgentError>()?;
            println!("{}", error.reason().value());
            if error.stage() == Stage::RequestNotSent && error.whose_fault() == Party::Peer {
                println!("The request was not sent, and that is the server's fault.");
            }
            Ok(())
        });
    reactor.run_until(talk)
}

// Prints:
// 200, 6 bytes
// Agent(open: 1, idle: 1, waiting: 0)
// Response(200, 0 redirects before)
// it says: hello
// ResponseDone
// the TLS handshake failed: the certificate of the server is for example.com, not for example.org
// The request was not sent, and that is the server's fault.
