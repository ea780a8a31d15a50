//! TLS over real sockets: which certificates it accepts, and which ends count as clean.

#[path = "util/answering_later.rs"]
mod answering_later;
#[path = "util/certificates.rs"]
mod certificates;
#[path = "util/events.rs"]
mod events;
#[path = "util/peer.rs"]
mod peer;
#[path = "util/raw_tls.rs"]
mod raw_tls;
#[path = "util/run.rs"]
mod run;
mod util;

use answering_later::answers_later;
use certificates::{Authority, Identity};
use events::{Events, Noting};
use peer::{meanwhile, patient};
use raw_tls::raw_server;
use reactor::tls::rustls::pki_types::{CertificateDer, ServerName};
use reactor::tls::rustls::{self, ClientConfig, ClientConnection, RootCertStore};
use reactor::tls::{TlsClient, TlsServer, TrustRoots};
use reactor::{Address, Protocol, Reactor, Reason, Transport};
use run::run_to_the_end;
use std::cell::Cell;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use util::until;

const NAME: &str = "server.test";
const SOON: i32 = 2999;

fn is_over(events: &Events) -> bool {
    events.all().iter().any(|event| event.starts_with("lost"))
}

fn once<P: Protocol + 'static>(protocol: P) -> impl FnMut(Address) -> P + 'static {
    let first = Cell::new(Some(protocol));
    move |_| first.take().expect("one connection")
}

/// Listens with TLS for one connection.
fn serve(reactor: &Reactor, identity: &Identity, alpn: &[&str], protocol: impl Protocol + 'static) -> SocketAddr {
    let tls = TlsServer::new(reactor, &[&identity.certificate], &identity.key, alpn).unwrap();
    reactor.listen_tcp("127.0.0.1:0", tls.factory(once(protocol))).unwrap().host()
}

/// Connects with TLS, expecting the server to be [`NAME`].
fn request(reactor: &Reactor, to: SocketAddr, roots: &TrustRoots, alpn: &[&str], protocol: impl Protocol + 'static) {
    let tls = TlsClient::new(reactor, roots, alpn).unwrap();
    reactor.connect_tcp(to, tls.factory(NAME, once(protocol)));
}

/// Runs both ends on one reactor until both have ended, and returns the notes of each.
#[track_caller]
fn converse(
    server: impl FnOnce(&Reactor, Noting) -> Noting,
    client: impl FnOnce(&Reactor, Noting) -> Noting,
) -> (Vec<String>, Vec<String>) {
    let reactor = Reactor::new().unwrap();
    let authority = Authority::new();
    let (server_events, client_events) = (Events::default(), Events::default());
    let server = server(&reactor, Noting::new(&server_events));
    let address = serve(&reactor, &authority.issue(NAME, SOON), &[], server);
    let client = client(&reactor, Noting::new(&client_events));
    request(&reactor, address, &authority.roots(), &[], client);
    until(&reactor, "both ends are over", || is_over(&server_events) && is_over(&client_events));
    assert_eq!(reactor.source_count(), 1, "only the port is left");
    (server_events.all(), client_events.all())
}

fn writing(text: &'static str) -> Box<dyn FnMut(&Transport)> {
    Box::new(move |transport| transport.write(text.as_bytes()))
}

#[test]
fn bytes_written_at_one_end_come_out_at_the_other_and_the_end_is_clean() {
    let (server, client) = converse(
        |_, noting| {
            let data = |transport: &Transport, data: &[u8]| {
                transport.write(data);
                transport.lose_connection();
            };
            Noting { data: Box::new(data), ..noting }
        },
        |_, noting| Noting { made: writing("hello"), ..noting },
    );
    assert_eq!(server, ["made", "data hello", "lost Done"]);
    assert_eq!(client, ["made", "data hello", "end", "lost Done"]);
}

#[test]
fn lose_connection_during_the_handshake_still_sends_what_was_written() {
    let (server, client) = converse(
        |_, noting| noting,
        |_, noting| {
            let made = |transport: &Transport| {
                transport.write(b"all I have");
                transport.lose_connection();
                transport.write(b"too late");
            };
            Noting { made: Box::new(made), ..noting }
        },
    );
    assert_eq!(server, ["made", "data all I have", "end", "lost Done"]);
    assert_eq!(client, ["made", "lost Done"]);
}

/// Writes and ends its sending at once, before the handshake has even begun.
fn ask_and_end(transport: &Transport) {
    transport.write(b"question");
    transport.lose_write_connection();
}

#[test]
fn a_half_closed_client_gets_its_reply() {
    let (server, client) = converse(
        |reactor, noting| Noting { end: answers_later(reactor), ..noting },
        |_, noting| Noting { made: Box::new(ask_and_end), ..noting },
    );
    assert_eq!(server, ["made", "data question", "end", "lost Done"]);
    assert_eq!(client, ["made", "data answer", "end", "lost Done"]);
}

#[test]
fn a_connection_whose_both_directions_have_ended_is_done() {
    // Both only ever end their own sending, one after the other.
    let (server, client) = converse(
        |_, noting| {
            let end = |transport: &Transport| transport.lose_write_connection();
            Noting { made: writing("greeting"), end: Box::new(end), ..noting }
        },
        |_, noting| {
            let data = |transport: &Transport, _: &[u8]| transport.lose_write_connection();
            Noting { data: Box::new(data), end: Box::new(|_| {}), ..noting }
        },
    );
    assert_eq!(server, ["made", "end", "lost Done"]);
    assert_eq!(client, ["made", "data greeting", "end", "lost Done"]);
}

#[test]
fn a_client_accepts_only_a_valid_certificate_for_the_right_name_from_a_trusted_authority() {
    let (ours, stranger) = (Authority::new(), Authority::new());
    for (what, identity) in [
        ("unknown authority", stranger.issue(NAME, SOON)),
        ("wrong name", ours.issue("other.test", SOON)),
        ("expired", ours.issue(NAME, 2001)),
    ] {
        let reactor = Reactor::new().unwrap();
        let (server, client) = (Events::default(), Events::default());
        let address = serve(&reactor, &identity, &[], Noting::new(&server));
        request(&reactor, address, &ours.roots(), &[], Noting { made: writing("secret"), ..Noting::new(&client) });
        until(&reactor, "both ends are over", || is_over(&server) && is_over(&client));
        assert_eq!(client.all(), ["made", "lost Tls"], "{what}");
        // The alert told the server why; not a byte of the request reached it.
        assert_eq!(server.all(), ["made", "lost Tls"], "{what}");
    }
}

#[test]
fn the_ends_agree_on_an_application_protocol_or_do_not_talk() {
    let authority = Authority::new();
    let identity = authority.issue(NAME, SOON);
    let reactor = Reactor::new().unwrap();
    let events = Events::default();
    let (address, agreed) = raw_server(&identity, &["http/1.1"], |stream| {
        stream.conn.complete_io(&mut stream.sock).unwrap();
        let agreed = stream.conn.alpn_protocol().map(<[u8]>::to_vec);
        stream.conn.send_close_notify();
        stream.conn.complete_io(&mut stream.sock).unwrap();
        agreed
    });
    request(&reactor, address, &authority.roots(), &["h2", "http/1.1"], Noting::new(&events));
    assert_eq!(meanwhile(&reactor, agreed), Some(b"http/1.1".to_vec()));

    let (server, client) = (Events::default(), Events::default());
    let address = serve(&reactor, &identity, &["h2"], Noting { made: writing("secret"), ..Noting::new(&server) });
    request(&reactor, address, &authority.roots(), &["http/1.1"], Noting::new(&client));
    until(&reactor, "both ends are over", || is_over(&server) && is_over(&client));
    assert_eq!(server.all(), ["made", "lost Tls"]);
    assert_eq!(client.all(), ["made", "lost Tls"]);
}

#[test]
fn close_notify_distinguishes_an_end_from_a_truncation() {
    for polite in [true, false] {
        let authority = Authority::new();
        let reactor = Reactor::new().unwrap();
        let events = Events::default();
        let (address, serve) = raw_server(&authority.issue(NAME, SOON), &[], move |stream| {
            stream.write_all(b"part of it").unwrap();
            if polite {
                stream.conn.send_close_notify();
                stream.conn.complete_io(&mut stream.sock).unwrap();
            }
            // Wait for the client to have read: its data would turn our close into a reset.
            stream.sock.shutdown(std::net::Shutdown::Write).unwrap();
            let _ = stream.sock.read_to_end(&mut Vec::new());
        });
        request(&reactor, address, &authority.roots(), &[], Noting::new(&events));
        meanwhile(&reactor, serve);
        until(&reactor, "the client is over", || is_over(&events));
        let expected: &[&str] = match polite {
            true => &["made", "data part of it", "end", "lost Done"],
            false => &["made", "data part of it", "lost Truncated"],
        };
        assert_eq!(events.all(), expected);
    }
}

type RawClient<'a> = rustls::Stream<'a, ClientConnection, TcpStream>;

/// A blocking TLS client made of rustls alone.
fn raw_client<T>(address: SocketAddr, authority: &[u8], work: impl FnOnce(&mut RawClient<'_>) -> T) -> T {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from(authority.to_vec())).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let mut socket = patient(TcpStream::connect(address));
    let mut session = ClientConnection::new(Arc::new(config), ServerName::try_from(NAME).unwrap()).unwrap();
    work(&mut rustls::Stream::new(&mut session, &mut socket))
}

#[test]
fn bytes_after_the_close_notify_are_ignored() {
    // If the loop could not get rid of them, it would never return. So the reactor has a thread of its own here.
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let authority = Authority::new();
        let reactor = Reactor::new().unwrap();
        let events = Events::default();
        let server = Noting { end: Box::new(|transport| transport.write(b"seen")), ..Noting::new(&events) };
        let address = serve(&reactor, &authority.issue(NAME, SOON), &[], server);
        let root = authority.der().to_vec();
        meanwhile(&reactor, move || {
            raw_client(address, &root, |stream| {
                stream.write_all(b"before").unwrap();
                // In one piece, which is more than a session takes at once.
                let mut last = Vec::new();
                stream.conn.send_close_notify();
                stream.conn.write_tls(&mut last).unwrap();
                last.extend_from_slice(&[0; 32 * 1024]);
                stream.sock.write_all(&last).unwrap();
                stream.read_exact(&mut [0; 4]).unwrap();
            });
        });
        let _ = sender.send(events.all());
    });
    let events = receiver.recv_timeout(util::PATIENCE / 2).expect("the loop goes on");
    assert_eq!(events[..3], ["made", "data before", "end"]);
}

#[test]
fn a_server_that_does_not_speak_tls_is_reported() {
    for (answer, expected) in [(&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], "lost Tls"), (b"", "lost Lost")] {
        let reactor = Reactor::new().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let events = Events::default();
        let client = Noting { made: writing("secret"), ..Noting::new(&events) };
        request(&reactor, address, &Authority::new().roots(), &[], client);
        let seen = meanwhile(&reactor, move || {
            let mut stream = patient(listener.accept().map(|(stream, _)| stream));
            let mut seen = vec![0; 10_000];
            let count = stream.read(&mut seen).unwrap();
            stream.write_all(answer).unwrap();
            stream.shutdown(std::net::Shutdown::Write).unwrap();
            seen.truncate(count);
            let _ = stream.read_to_end(&mut seen);
            seen
        });
        until(&reactor, "the client is over", || is_over(&events));
        assert_eq!(events.all(), ["made", expected]);
        assert!(!seen.windows(6).any(|window| window == b"secret"));
    }
}

/// Sends `left` bytes in pieces as its transport takes them, counts what comes, and pauses at every read.
struct Mill {
    reactor: Reactor,
    received: Rc<Cell<usize>>,
    expected: usize,
}

impl Protocol for Mill {
    fn connection_made(&mut self, transport: &Transport) {
        transport.write(&vec![b'x'; self.expected]);
    }
    fn data_received(&mut self, transport: &Transport, data: &[u8]) {
        assert!(!transport.is_paused(), "it was paused");
        assert!(data.iter().all(|byte| *byte == b'x'));
        self.received.set(self.received.get() + data.len());
        transport.pause_producing();
        let transport = transport.clone();
        self.reactor.call_later(Duration::ZERO, move || transport.resume_producing());
    }
}

#[test]
fn large_transfers_both_ways_survive_pauses() {
    const SIZE: usize = 4 * 1024 * 1024;
    let reactor = Reactor::new().unwrap();
    let authority = Authority::new();
    let counts = [Rc::new(Cell::new(0)), Rc::new(Cell::new(0))];
    let mill =
        |received: &Rc<Cell<usize>>| Mill { reactor: reactor.clone(), received: received.clone(), expected: SIZE };
    let address = serve(&reactor, &authority.issue(NAME, SOON), &[], mill(&counts[0]));
    request(&reactor, address, &authority.roots(), &[], mill(&counts[1]));
    until(&reactor, "all has come", || counts.iter().all(|count| count.get() == SIZE));
}

#[test]
fn a_stop_ends_a_connection_with_a_close_notify() {
    let authority = Authority::new();
    let reactor = Reactor::new().unwrap();
    let events = Events::default();
    let stopper = reactor.clone();
    let data = move |transport: &Transport, _: &[u8]| {
        transport.write(b"last word");
        stopper.stop();
    };
    let server = Noting { data: Box::new(data), ..Noting::new(&events) };
    let address = serve(&reactor, &authority.issue(NAME, SOON), &[], server);
    let peer = std::thread::spawn(move || {
        let (reactor, events) = (Reactor::new().unwrap(), Events::default());
        let client = Noting { made: writing("hello"), ..Noting::new(&events) };
        request(&reactor, address, &authority.roots(), &[], client);
        until(&reactor, "the client is over", || is_over(&events));
        events.all()
    });
    run_to_the_end(&reactor);
    assert_eq!(events.all(), ["made", "data hello", "lost Done"]);
    assert_eq!(peer.join().unwrap(), ["made", "data last word", "end", "lost Done"]);
}

#[test]
fn lose_connection_while_data_arrives_is_a_clean_end() {
    let (server, _) = converse(
        |_, noting| Noting { data: Box::new(|transport, _| transport.lose_connection()), ..noting },
        |_, noting| Noting { made: Box::new(|transport| transport.write(&[b'x'; 1024 * 1024])), ..noting },
    );
    assert_eq!((&*server[0], &*server[2]), ("made", "lost Done"));
    assert_eq!(server.len(), 3);
}

#[test]
fn handshake_completed_comes_at_both_ends_before_any_data() {
    struct Hears(Events, &'static str);
    impl Protocol for Hears {
        fn connection_made(&mut self, transport: &Transport) {
            self.0.note("made");
            transport.write(self.1.as_bytes()); // It waits in the session.
        }
        fn handshake_completed(&mut self, transport: &Transport) {
            self.0.note("completed");
            transport.write(b" and more");
        }
        fn data_received(&mut self, _transport: &Transport, data: &[u8]) {
            self.0.note(String::from_utf8_lossy(data)); // Cut anywhere.
        }
    }
    let (reactor, authority) = (Reactor::new().unwrap(), Authority::new());
    let (server, client) = (Events::default(), Events::default());
    let address = serve(&reactor, &authority.issue(NAME, SOON), &[], Hears(server.clone(), "from the server"));
    request(&reactor, address, &authority.roots(), &[], Hears(client.clone(), "from the client"));
    let seen = |events: &Events| events.all().concat();
    let expected = |from: &str| format!("madecompletedfrom the {from} and more");
    until(&reactor, "all has come", || seen(&server).ends_with("more") && seen(&client).ends_with("more"));
    assert_eq!((seen(&server), seen(&client)), (expected("client"), expected("server")));
}

#[test]
fn what_was_written_before_the_handshake_is_not_sent_if_the_protocol_aborts_when_it_is_completed() {
    struct Wary;
    impl Protocol for Wary {
        fn connection_made(&mut self, transport: &Transport) {
            transport.write(b"not for everybody");
        }
        fn handshake_completed(&mut self, transport: &Transport) {
            transport.abort_connection();
        }
        fn data_received(&mut self, _transport: &Transport, _data: &[u8]) {}
    }
    let (reactor, authority) = (Reactor::new().unwrap(), Authority::new());
    let (server, client) = (Events::default(), Events::default());
    let roots = authority.roots();
    let wary = serve(&reactor, &authority.issue(NAME, SOON), &[], Wary);
    request(&reactor, wary, &roots, &[], Noting::new(&client));
    let trusting = serve(&reactor, &authority.issue(NAME, SOON), &[], Noting::new(&server));
    request(&reactor, trusting, &roots, &[], Wary);
    until(&reactor, "both are over", || is_over(&server) && is_over(&client));
    for events in [server, client] {
        assert!(!events.all().iter().any(|event| event.starts_with("data")), "{:?}", events.all());
    }
}

#[test]
fn a_handshake_that_fails_is_never_completed() {
    struct Hears(Events);
    impl Protocol for Hears {
        fn handshake_completed(&mut self, _transport: &Transport) {
            self.0.note("completed");
        }
        fn data_received(&mut self, _transport: &Transport, _data: &[u8]) {}
        fn connection_lost(&mut self, _reason: &Reason) {
            self.0.note("lost");
        }
    }
    let (reactor, authority) = (Reactor::new().unwrap(), Authority::new());
    let client = Events::default();
    let address = serve(&reactor, &authority.issue("other.test", SOON), &[], Noting::new(&Events::default()));
    request(&reactor, address, &authority.roots(), &[], Hears(client.clone()));
    until(&reactor, "it is over", || is_over(&client));
    assert_eq!(client.all(), ["lost"]);
}
