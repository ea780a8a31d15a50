//! STARTTLS with Twisted, which speaks lines, and with OpenSSL, which speaks SMTP.

use crate::events::Events;
use crate::program::Program;
use crate::shop::{NAME, Shop};
use crate::twisted::port_of;
use crate::util::until;
use reactor::{LineProtocol, LineReceiver, LineTransport, Reactor, Reason};

/// Answers lines in clear text, and changes to TLS when it is asked to.
struct Server(Events);

impl LineProtocol for Server {
    fn line_received(&mut self, transport: &LineTransport, line: &[u8]) {
        self.0.note(format!("line {}", String::from_utf8_lossy(line)));
        if line == b"STARTTLS" {
            transport.send_line(b"READY");
            transport.start_tls().unwrap();
        }
        transport.send_line(&line.to_ascii_uppercase());
        if line == b"bye" {
            transport.lose_connection();
        }
    }
    fn handshake_completed(&mut self, transport: &LineTransport) {
        self.0.note(format!("handshake {:?}", transport.tls_session().unwrap().server_name()));
    }
    fn connection_lost(&mut self, reason: &Reason) {
        self.0.note(format!("lost: {reason}"));
    }
}

/// The client of [`Server`].
struct Client(Events);

impl LineProtocol for Client {
    fn connection_made(&mut self, transport: &LineTransport) {
        transport.send_line(b"hello");
        transport.send_line(b"STARTTLS");
    }
    fn line_received(&mut self, transport: &LineTransport, line: &[u8]) {
        self.0.note(format!("line {}", String::from_utf8_lossy(line)));
        if line == b"READY" {
            transport.start_tls().unwrap();
            transport.send_line(b"secret");
            transport.send_line(b"bye");
        }
    }
    fn handshake_completed(&mut self, _transport: &LineTransport) {
        self.0.note("handshake");
    }
    fn connection_lost(&mut self, reason: &Reason) {
        self.0.note(format!("lost: {reason}"));
    }
}

#[test]
fn our_server_changes_to_tls_when_twisted_asks() {
    let (shop, reactor, events) = (Shop::open(), Reactor::new().unwrap(), Events::default());
    let noted = events.clone();
    let factory = shop.server(&reactor).plain_first(move |_| LineReceiver::new(Server(noted.clone())));
    let port = reactor.listen_tcp("127.0.0.1:0", factory).unwrap().host().port().to_string();
    let Some(mut twisted) = Program::twisted(&["starttls-client", &port, shop.folder()]) else { return };
    let said = twisted.success(&reactor);
    let (first, handshake) = ("line HELLO\nline READY\n", "handshake None server.test b'server.test'\n");
    assert_eq!(said, format!("{first}{handshake}line STARTTLS\nline SECRET\nline BYE\nlost ConnectionDone\n"));
    until(&reactor, "our end is over", || reactor.source_count() == 1);
    let handshake = "handshake Some(\"server.test\")";
    assert_eq!(
        events.all(),
        ["line hello", "line STARTTLS", handshake, "line secret", "line bye", "lost: closed cleanly"]
    );
}

#[test]
fn our_client_asks_twisted_to_change_to_tls() {
    let (shop, reactor, events) = (Shop::open(), Reactor::new().unwrap(), Events::default());
    let Some(mut twisted) = Program::twisted(&["starttls-server", shop.folder()]) else { return };
    let noted = events.clone();
    let build = move |_| LineReceiver::new(Client(noted.clone()));
    reactor.connect_tcp(port_of(&mut twisted), shop.client(&reactor, &[]).plain_first(NAME, build));
    let handshake = "handshake None None b'server.test'\n";
    let lines = "line secret\nline bye\nlost ConnectionDone\n";
    assert_eq!(twisted.success(&reactor), format!("line hello\nline STARTTLS\n{handshake}{lines}"));
    until(&reactor, "our end is over", || reactor.source_count() == 0);
    let lines =
        ["line HELLO", "line READY", "handshake", "line STARTTLS", "line SECRET", "line BYE", "lost: closed cleanly"];
    assert_eq!(events.all(), lines);
}

/// As much of SMTP (RFC 5321, RFC 3207) as a client needs that asks for TLS and quits.
struct Smtp(Events);

impl LineProtocol for Smtp {
    fn connection_made(&mut self, transport: &LineTransport) {
        transport.send_line(b"220 server.test");
    }
    fn line_received(&mut self, transport: &LineTransport, line: &[u8]) {
        let line = String::from_utf8_lossy(line).to_ascii_uppercase();
        self.0.note(&*line);
        match line.split(' ').next() {
            Some("EHLO") if transport.is_tls() => transport.send_line(b"250 server.test"),
            Some("EHLO") => {
                transport.send_line(b"250-server.test");
                transport.send_line(b"250 STARTTLS");
            }
            Some("STARTTLS") => {
                transport.send_line(b"220 go ahead");
                transport.start_tls().unwrap();
            }
            Some("QUIT") => {
                transport.send_line(b"221 goodbye");
                transport.lose_connection();
            }
            _ => transport.send_line(b"500 what?"),
        }
    }
    fn handshake_completed(&mut self, _transport: &LineTransport) {
        self.0.note("handshake");
    }
    fn connection_lost(&mut self, reason: &Reason) {
        self.0.note(format!("lost: {reason}"));
    }
}

#[test]
fn our_server_changes_to_tls_when_openssl_asks_in_smtp() {
    for version in ["-tls1_2", "-tls1_3"] {
        let (shop, reactor, events) = (Shop::open(), Reactor::new().unwrap(), Events::default());
        let noted = events.clone();
        let factory = shop.server(&reactor).plain_first(move |_| LineReceiver::new(Smtp(noted.clone())));
        let address = reactor.listen_tcp("127.0.0.1:0", factory).unwrap().host().to_string();
        let arguments = ["s_client", "-starttls", "smtp", "-name", "me", "-crlf", "-connect", &address, version];
        let root = shop.file("root");
        let trust = ["-CAfile", &root, "-verify_return_error", "-verify_hostname", NAME, "-servername", NAME];
        let Some(mut openssl) = Program::start("openssl", &[&arguments[..], &trust].concat()) else { return };
        openssl.line_with(&reactor, "Verify return code: 0 (ok)");
        openssl.say("EHLO again\n");
        openssl.line_with(&reactor, "250 server.test");
        openssl.say("quit\n"); // A capital Q would be a command for s_client itself.
        let said = openssl.success(&reactor);
        assert!(said.contains("221 goodbye\r\n") && said.ends_with("\nclosed\n"), "{said}");
        until(&reactor, "our end is over", || reactor.source_count() == 1);
        assert_eq!(events.all(), ["EHLO ME", "STARTTLS", "handshake", "EHLO AGAIN", "QUIT", "lost: closed cleanly"]);
    }
}
