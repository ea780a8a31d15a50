//! STARTTLS over real sockets, on one loop.

use crate::certificates::Authority;
use crate::dialog::{Client, NAME, Server};
use crate::events::Events;
use crate::util::until;
use crate::wait::wait;
use reactor::tls::{StartTlsError, TlsClient, TlsConfigError, TlsServer};
use reactor::{LineProtocol, LineReceiver, LineTransport, Protocol, Reactor, Transport};
use std::time::Duration;

#[test]
fn a_port_and_a_connector_change_to_tls() {
    let (reactor, authority) = (Reactor::new().unwrap(), Authority::new());
    let identity = authority.issue(NAME, 2999);
    let server = TlsServer::new(&reactor, &[&identity.certificate], &identity.key, &[]).unwrap();
    let (at_server, at_client) = (Events::default(), Events::default());
    let noted = at_server.clone();
    let factory = server.plain_first(move |_| LineReceiver::new(Server(noted.clone())));
    let address = reactor.listen_tcp("127.0.0.1:0", factory).unwrap().host();
    let noted = at_client.clone();
    let client = TlsClient::new(&reactor, &authority.roots(), &[]).unwrap();
    reactor.connect_tcp(address, client.plain_first(NAME, move |_| LineReceiver::new(Client(noted.clone()))));
    until(&reactor, "the secret is answered", || at_client.all().len() == 4);
    assert_eq!(at_server.all(), ["STARTTLS", "completed", "secret"]);
    assert_eq!(at_client.all(), ["READY", "completed", "welcome", "ok"]);
    assert_eq!(reactor.delayed_call_count(), 0, "no time limit is left");
}

#[test]
fn the_transport_of_a_deferred_connection_changes_too() {
    let (reactor, authority) = (Reactor::new().unwrap(), Authority::new());
    let identity = authority.issue(NAME, 2999);
    let server = TlsServer::new(&reactor, &[&identity.certificate], &identity.key, &[]).unwrap();
    let at_server = Events::default();
    let noted = at_server.clone();
    let factory = server.plain_first(move |_| LineReceiver::new(Server(noted.clone())));
    let address = reactor.listen_tcp("127.0.0.1:0", factory).unwrap().host();
    let client = TlsClient::new(&reactor, &authority.roots(), &[]).unwrap();
    let at_client = Events::default();
    let noted = at_client.clone();
    let connected = client.connect_plain_first(&reactor, address, NAME, |_| LineReceiver::new(Client(noted)));
    let transport = wait(&reactor, connected).unwrap();
    assert!(!transport.is_tls());
    until(&reactor, "the secret is answered", || at_client.all().len() == 4);
    assert!(transport.is_tls() && transport.peer_certificate().is_some());
    assert_eq!(transport.start_tls(&[]), Err(StartTlsError::AlreadyTls));
    transport.write(b"by hand\r\n");
    until(&reactor, "it arrives", || at_server.all().last().is_some_and(|last| last == "by hand"));

    let connected =
        client.connect_plain_first(&reactor, address, "not a name", |_| LineReceiver::new(Client(Events::default())));
    let failure = wait(&reactor, connected).unwrap_err();
    assert!(failure.check::<TlsConfigError>().is_some(), "{failure}");
}

#[test]
fn tls_may_begin_while_no_callback_runs_after_the_peers_hello_has_come() {
    // The program answers later, from a timer; by then the peer's whole first flight has been read.
    let (reactor, authority) = (Reactor::new().unwrap(), Authority::new());
    let identity = authority.issue(NAME, 2999);
    let server = TlsServer::new(&reactor, &[&identity.certificate], &identity.key, &[]).unwrap();
    let at_server = Events::default();
    let (noted, timers) = (at_server.clone(), reactor.clone());
    let factory =
        server.plain_first(move |_| Later { events: noted.clone(), reactor: timers.clone(), kept: Vec::new() });
    let address = reactor.listen_tcp("127.0.0.1:0", factory).unwrap().host();
    let client = TlsClient::new(&reactor, &authority.roots(), &[]).unwrap();
    let at_client = Events::default();
    let noted = at_client.clone();
    reactor.connect_tcp(address, client.plain_first(NAME, move |_| LineReceiver::new(Hasty(noted.clone()))));
    until(&reactor, "the secret has come", || at_server.all().len() == 3);
    assert_eq!(at_server.all(), ["taken", "completed", "secret\r\n"]);
}

/// Keeps what comes behind its first line, and starts TLS in a later turn.
struct Later {
    events: Events,
    reactor: Reactor,
    kept: Vec<u8>,
}

impl Protocol for Later {
    fn data_received(&mut self, transport: &Transport, data: &[u8]) {
        if transport.is_tls() {
            return self.events.note(String::from_utf8_lossy(data));
        }
        let is_first = self.kept.is_empty();
        self.kept.extend_from_slice(data);
        if is_first {
            let transport = transport.clone();
            self.reactor.call_later(Duration::from_millis(5), move || transport.start_tls(&[]).unwrap());
        }
    }
    fn take_unprocessed(&mut self) -> Vec<u8> {
        self.events.note("taken");
        self.kept.split_off(b"STARTTLS\r\n".len())
    }
    fn handshake_completed(&mut self, _transport: &Transport) {
        self.events.note("completed");
    }
}

/// Does not wait for an answer to its command.
struct Hasty(Events);

impl LineProtocol for Hasty {
    fn connection_made(&mut self, transport: &LineTransport) {
        transport.send_line(b"STARTTLS");
        transport.start_tls().unwrap();
        transport.send_line(b"secret");
    }
    fn line_received(&mut self, _transport: &LineTransport, line: &[u8]) {
        self.0.note(String::from_utf8_lossy(line));
    }
}
