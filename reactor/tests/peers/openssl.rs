//! The command `openssl` as client and as server, in TLS 1.2 and 1.3.

use crate::events::Events;
use crate::ours::Lines;
use crate::program::Program;
use crate::shop::{NAME, OTHER_NAME, Shop};
use crate::util::until;
use reactor::tls::{TlsClient, TlsServer};
use reactor::{LineProtocol, LineReceiver, LineTransport, Reactor, Reason};
use std::net::SocketAddr;

const VERSIONS: [&str; 2] = ["-tls1_2", "-tls1_3"];

/// What our end says of a peer that wants to renegotiate, and gives up when ours does not.
const RENEGOTIATES: &str =
    "refused to go on (HandshakeFailure); perhaps it wanted to renegotiate, and we never do that";

/// Our server with one `s_client`, which trusts our authority.
struct Served {
    reactor: Reactor,
    events: Events,
    openssl: Program,
}

impl Served {
    fn new(shop: &Shop, server: impl FnOnce(&Reactor) -> TlsServer, options: &[&str]) -> Option<Served> {
        let (reactor, events) = (Reactor::new().unwrap(), Events::default());
        let (address, _port) = listen(&reactor, server(&reactor), &events);
        let openssl = client(shop, address, options)?;
        Some(Served { reactor, events, openssl })
    }

    /// Everything that OpenSSL has said to its end, and everything that ours has met.
    fn end(mut self) -> (String, Vec<String>) {
        let said = self.openssl.rest(&self.reactor);
        until(&self.reactor, "our end is over", || self.reactor.source_count() == 1);
        (said, self.events.all())
    }
}

fn listen(reactor: &Reactor, server: TlsServer, events: &Events) -> (SocketAddr, reactor::ListeningPort) {
    let noted = events.clone();
    let port = reactor.listen_tcp("127.0.0.1:0", server.factory(move |_| LineReceiver::new(Lines(noted.clone()))));
    let port = port.unwrap();
    (port.host(), port)
}

fn client(shop: &Shop, address: SocketAddr, options: &[&str]) -> Option<Program> {
    let (address, root) = (address.to_string(), shop.file("root"));
    let arguments = ["s_client", "-crlf", "-connect", &address, "-CAfile", &root, "-verify_return_error"];
    Program::start("openssl", &[&arguments[..], options].concat())
}

#[test]
fn our_server_answers_openssl_and_its_close_is_clean() {
    let shop = Shop::open();
    for version in VERSIONS {
        let server = |reactor: &Reactor| shop.server(reactor).alpn(&["h2", "http/1.1"]).unwrap();
        let options = [version, "-servername", OTHER_NAME, "-verify_hostname", OTHER_NAME, "-alpn", "spdy,http/1.1"];
        let Some(mut served) = Served::new(&shop, server, &options) else { return };
        let chosen = served.openssl.line_with(&served.reactor, "ALPN");
        assert!(chosen.contains("ALPN protocol: http/1.1"), "{chosen}");
        served.openssl.say("hello\n");
        served.openssl.line_with(&served.reactor, "HELLO");
        served.openssl.say("bye\n");
        let (said, events) = served.end();
        // A connection that is cut off would be `unexpected eof while reading`.
        assert!(said.starts_with("BYE\r\n") && said.ends_with("closed\n"), "{said}");
        let handshake = "handshake Some(\"http/1.1\") None Some(\"other.test\")";
        assert_eq!(events, [handshake, "line 5 hello", "line 3 bye", "lost: closed cleanly"], "{version}");
    }
}

#[test]
fn openssl_closes_and_our_server_meets_a_clean_end() {
    let shop = Shop::open();
    for version in VERSIONS {
        let Some(mut served) = Served::new(&shop, |reactor| shop.server(reactor), &[version, "-noservername"]) else {
            return;
        };
        served.openssl.say("hello\n");
        served.openssl.line_with(&served.reactor, "HELLO");
        served.openssl.say("Q\n"); // It sends its close_notify, and waits for nothing.
        let (_, events) = served.end();
        assert_eq!(events, ["handshake None None None", "line 5 hello", "end", "lost: closed cleanly"], "{version}");
    }
}

#[test]
fn openssl_resumes_its_session_with_our_server() {
    let shop = Shop::open();
    for version in VERSIONS {
        let (reactor, events) = (Reactor::new().unwrap(), Events::default());
        let (address, _port) = listen(&reactor, shop.server(&reactor), &events);
        let kept = shop.file("session");
        for (round, option) in [(1, "-sess_out"), (2, "-sess_in")] {
            let options = [version, "-servername", NAME, option, &kept];
            let Some(mut openssl) = client(&shop, address, &options) else { return };
            let what = openssl.line_with(&reactor, "Cipher is");
            assert_eq!(what.starts_with("Reused, TLSv1."), round == 2, "{version}, round {round}: {what}");
            openssl.say("hello\n");
            openssl.line_with(&reactor, "HELLO"); // With TLS 1.3, what it needs for that has come before.
            openssl.say("bye\n");
            openssl.success(&reactor);
            until(&reactor, "our end is over", || reactor.source_count() == 1);
        }
        let handshake = "handshake None None Some(\"server.test\")";
        let resumed = "handshake None None Some(\"server.test\") resumed";
        let lines = ["line 5 hello", "line 3 bye", "lost: closed cleanly"];
        assert_eq!(events.all(), [&[handshake], &lines[..], &[resumed], &lines[..]].concat(), "{version}");
    }
}

#[test]
fn our_server_knows_openssl_by_its_certificate_and_refuses_it_without_one() {
    let shop = Shop::open();
    let own = shop.file("client");
    for version in VERSIONS {
        let options = [version, "-servername", NAME, "-cert", &own, "-key", &own];
        let Some(mut served) = Served::new(&shop, |reactor| shop.asking_server(reactor), &options) else { return };
        served.openssl.say("bye\n");
        let (_, events) = served.end();
        let handshake = "handshake None Some(\"alice\") Some(\"server.test\")";
        assert_eq!(events, [handshake, "line 3 bye", "lost: closed cleanly"], "{version}");

        let Some(served) = Served::new(&shop, |reactor| shop.asking_server(reactor), &options[..3]) else { return };
        let (said, events) = served.end();
        assert!(said.contains("alert"), "{version}: {said}");
        assert!(events.len() == 1 && events[0].ends_with("showed no certificate"), "{version}: {events:?}");
    }
}

#[test]
fn a_client_that_wants_to_renegotiate_is_refused_and_the_fault_is_its_own() {
    let shop = Shop::open();
    let options = ["-tls1_2", "-servername", NAME];
    let Some(mut served) = Served::new(&shop, |reactor| shop.server(reactor), &options) else { return };
    served.openssl.say("hello\n");
    served.openssl.line_with(&served.reactor, "HELLO");
    served.openssl.say("R\n"); // Its command for that.
    let (said, events) = served.end();
    assert!(said.contains("RENEGOTIATING") && said.contains("no renegotiation"), "{said}");
    assert_eq!(events[2..], [format!("lost: TLS failed: the client {RENEGOTIATES}")]);
}

/// Says `hello`, and waits for it in reverse; then does what `then` says.
struct Asking {
    events: Events,
    then: fn(&LineTransport),
}

impl LineProtocol for Asking {
    fn connection_made(&mut self, transport: &LineTransport) {
        transport.send_line(b"hello");
    }
    fn line_received(&mut self, transport: &LineTransport, line: &[u8]) {
        self.events.note(format!("line {}", String::from_utf8_lossy(line)));
        (self.then)(transport);
    }
    fn handshake_completed(&mut self, transport: &LineTransport) {
        let session = transport.tls_session().expect("the handshake is done");
        let resumed = if session.is_resumed() { " resumed" } else { "" };
        let protocol = session.negotiated_protocol().map(String::from_utf8_lossy);
        self.events.note(format!("{:?} {protocol:?}{resumed}", session.version()));
    }
    fn read_connection_lost(&mut self, transport: &LineTransport, _rest: &[u8]) {
        self.events.note("end");
        transport.lose_connection();
    }
    fn connection_lost(&mut self, reason: &Reason) {
        self.events.note(format!("lost: {reason}"));
    }
}

/// A running `s_server`, which sends each line back reversed, and where it listens.
fn server(shop: &Shop, connections: &str, options: &[&str]) -> Option<(Program, SocketAddr)> {
    let own = shop.file("server");
    let arguments = ["s_server", "-accept", "127.0.0.1:0", "-naccept", connections, "-cert", &own, "-key", &own];
    let mut openssl = Program::start("openssl", &[&arguments[..], options].concat())?;
    loop {
        let line = openssl.line();
        assert!(!line.is_empty(), "openssl does not listen");
        if let Some(address) = line.strip_prefix("ACCEPT ") {
            return Some((openssl, address.parse().unwrap()));
        }
    }
}

/// One connection of `tls` to `address`, and what it has met.
fn ask(reactor: &Reactor, tls: &TlsClient, address: SocketAddr, then: fn(&LineTransport)) -> Vec<String> {
    let events = Events::default();
    let noted = events.clone();
    let build = move |_| LineReceiver::new(Asking { events: noted.clone(), then }).with_delimiter(b"\n");
    reactor.connect_tcp(address, tls.factory(NAME, build));
    until(reactor, "our end is over", || events.all().last().is_some_and(|last| last.starts_with("lost")));
    events.all()
}

#[test]
fn our_client_talks_to_openssl_and_resumes_its_session() {
    let shop = Shop::open();
    for (version, name) in [("-tls1_2", "TLSv1_2"), ("-tls1_3", "TLSv1_3")] {
        let options = [version, "-rev", "-alpn", "h2,http/1.1"];
        let Some((mut openssl, address)) = server(&shop, "2", &options) else { return };
        let reactor = Reactor::new().unwrap();
        let tls = shop.client(&reactor, &["spdy", "http/1.1"]);
        for (end, then) in [
            // The server closes after this line.
            ("end", (|transport| transport.send_line(b"CLOSE")) as fn(&LineTransport)),
            ("", |transport| transport.lose_connection()),
        ] {
            let resumed = if end.is_empty() { " resumed" } else { "" };
            let handshake = format!("{name} Some(\"http/1.1\"){resumed}");
            let met = ask(&reactor, &tls, address, then);
            let expected: Vec<&str> = [&*handshake, "line olleh", end, "lost: closed cleanly"]
                .into_iter()
                .filter(|event| !event.is_empty())
                .collect();
            assert_eq!(met, expected, "{version}");
        }
        let said = openssl.success(&reactor);
        assert_eq!(said.matches("CONNECTION CLOSED").count(), 2, "{said}");
        assert!(said.contains("1 session cache hits") && !said.contains("error"), "{said}");
    }
}

#[test]
fn openssl_knows_our_client_by_its_certificate_and_refuses_it_without_one() {
    let (shop, reactor) = (Shop::open(), Reactor::new().unwrap());
    let root = shop.file("root");
    for version in VERSIONS {
        let options = [version, "-rev", "-Verify", "1", "-verify_return_error", "-CAfile", &root];
        let Some((mut openssl, address)) = server(&shop, "2", &options) else { return };
        let close = |transport: &LineTransport| transport.lose_connection();
        let met = ask(&reactor, &shop.alice(&reactor, &[]), address, close);
        assert_eq!(met[1..], ["line olleh", "lost: closed cleanly"], "{version}");
        let met = ask(&reactor, &shop.client(&reactor, &[]), address, close);
        let last = met.last().expect("it has ended");
        assert!(last.starts_with("lost: ") && last.contains("TLS"), "{version}: {met:?}");
        let said = openssl.rest(&reactor);
        assert!(said.contains("Peer certificate: CN = alice"), "{said}");
        assert!(said.contains("peer did not return a certificate"), "{said}");
    }
}

#[test]
fn a_server_that_wants_to_renegotiate_is_refused() {
    let (shop, reactor, events) = (Shop::open(), Reactor::new().unwrap(), Events::default());
    let Some((mut openssl, address)) = server(&shop, "1", &["-tls1_2"]) else { return };
    let noted = events.clone();
    let build = move |_| LineReceiver::new(Asking { events: noted.clone(), then: |_| {} }).with_delimiter(b"\n");
    reactor.connect_tcp(address, shop.client(&reactor, &[]).factory(NAME, build));
    openssl.line_with(&reactor, "hello");
    openssl.say("r\n"); // Its command for that.
    assert!(openssl.rest(&reactor).contains("no renegotiation"));
    until(&reactor, "our end is over", || reactor.source_count() == 0);
    assert_eq!(events.all()[1..], [format!("lost: TLS failed: the server {RENEGOTIATES}")]);
}
