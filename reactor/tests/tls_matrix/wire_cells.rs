//! Servers with a fault other than their certificate: they send wrong bytes, or none. Each is a script of bytes.

use crate::events::{Events, Noting};
use crate::peer::{meanwhile, patient};
use crate::shown::{AS_IT_IS, Issuing, Shown};
use crate::util::until;
use crate::wait::wait;
use crate::world::{NAME, World, is_refused};
use reactor::http::{Page, PageGetter};
use reactor::tls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use reactor::tls::rustls::{ServerConfig, ServerConnection, crypto::ring};
use reactor::tls::{TlsClient, TlsFault, TlsServer};
use reactor::{Failure, Reason, TimeoutError, Transport};
use socket2::SockRef;
use std::cell::Cell;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

/// TLS's types of records.
const CHANGE_CIPHER_SPEC: u8 = 20;
const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;
const APPLICATION_DATA: u8 = 23;

/// A server that takes a ClientHello and then runs `script`; it drops the connection if `script` does not return it.
/// Returns the client's result. Not one record with data may have come.
#[track_caller]
fn scripted(
    shown: Option<Shown>,
    script: impl FnOnce(TcpStream, Vec<u8>) -> Option<TcpStream> + Send + 'static,
) -> Result<Page, Failure> {
    let world = World::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let roots = shown.map_or_else(|| Issuing::root("Root").roots(), |shown| shown.as_roots());
    let getter = PageGetter::new(&world.reactor, &roots).unwrap();
    let page = getter.get(&format!("https://{NAME}:{}/?key=SECRET", listener.local_addr().unwrap().port()));
    let kinds = meanwhile(&world.reactor, move || {
        let mut stream = patient(listener.accept().map(|(stream, _)| stream));
        let hello = read_record(&mut stream).unwrap();
        assert_eq!(hello[0], HANDSHAKE);
        let Some(mut stream) = script(stream, hello) else { return Vec::new() };
        stream.shutdown(Shutdown::Write).unwrap();
        kinds_until_the_end(&mut stream)
    });
    assert!(!kinds.contains(&APPLICATION_DATA), "data came: records {kinds:?}");
    let page = wait(&world.reactor, page);
    until(&world.reactor, "the connection is gone", || world.reactor.source_count() == 0);
    assert_eq!(world.reactor.delayed_call_count(), 0, "timers are left");
    page
}

/// The next record, with its header.
fn read_record(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut record = vec![0; 5];
    stream.read_exact(&mut record)?;
    record.resize(5 + usize::from(u16::from_be_bytes([record[3], record[4]])), 0);
    stream.read_exact(&mut record[5..])?;
    Ok(record)
}

/// The types of all records that still come.
fn kinds_until_the_end(stream: &mut TcpStream) -> Vec<u8> {
    std::iter::from_fn(|| read_record(stream).ok().map(|record| record[0])).collect()
}

/// Sends `bytes` and nothing else.
fn says(bytes: impl Into<Vec<u8>>) -> impl FnOnce(TcpStream, Vec<u8>) -> Option<TcpStream> + Send + 'static {
    let bytes = bytes.into();
    move |mut stream, _| {
        stream.write_all(&bytes).unwrap();
        Some(stream)
    }
}

/// Answers a ClientHello by a ServerHello, and nothing of what should follow.
fn server_hello(shown: Shown, mut client_hello: &[u8]) -> Vec<u8> {
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let chain = shown.chain.into_iter().map(CertificateDer::from).collect();
    let key = PrivateKeyDer::try_from(shown.key).unwrap();
    let config = config.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
    let mut session = ServerConnection::new(Arc::new(config.with_single_cert(chain, key).unwrap())).unwrap();
    session.read_tls(&mut client_hello).unwrap();
    session.process_new_packets().unwrap();
    let mut flight = Vec::new();
    session.write_tls(&mut flight).unwrap();
    assert_eq!((flight[0], flight[5]), (HANDSHAKE, 2), "it begins with the ServerHello");
    flight.truncate(5 + usize::from(u16::from_be_bytes([flight[3], flight[4]])));
    flight
}

/// A connection that is dropped now ends with a reset.
fn resets(stream: &TcpStream) {
    SockRef::from(stream).set_linger(Some(Duration::ZERO)).unwrap();
}

#[test]
fn tls_1_1_only() {
    const PROTOCOL_VERSION: [u8; 7] = [ALERT, 3, 2, 0, 2, 2, 70];
    // The ServerHello of a server that chooses 1.1 although the client does not offer it.
    let mut hello_1_1 = vec![HANDSHAKE, 3, 2, 0, 42, 2, 0, 0, 38, 3, 2];
    hello_1_1.extend([7; 32]);
    hello_1_1.extend([0, 0xc0, 0x13, 0]);
    for bytes in [PROTOCOL_VERSION.to_vec(), hello_1_1] {
        let why = "the server speaks neither TLS 1.2 nor 1.3 with us";
        is_refused(&scripted(None, says(bytes)), TlsFault::NothingInCommon, why);
    }
}

#[test]
fn plain_text_on_the_port_for_tls() {
    let answer = "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n";
    let why = "the server does not speak TLS here; it sent \"HTTP/1.1 400 Bad Request\", which is plain HTTP";
    is_refused(&scripted(None, says(answer)), TlsFault::Peer, why);
    let why = "the server does not speak TLS here; it sent \"\\u{16}#\\0\"";
    is_refused(&scripted(None, says("\u{16}#\0")), TlsFault::Peer, why);
}

#[test]
fn nonsense_that_looks_like_tls() {
    let page = scripted(None, says([HANDSHAKE, 3, 3, 0, 4, 99, 0, 0, 0]));
    let failure = page.unwrap_err();
    let error = failure.check().and_then(Reason::tls_error).unwrap_or_else(|| panic!("{failure:?}"));
    assert_eq!((error.fault(), error.is_in_handshake()), (TlsFault::Peer, true));
    assert!(error.to_string().starts_with("the TLS handshake failed: the server breaks TLS's rules: "), "{error}");
}

#[test]
fn a_refusal() {
    let page = scripted(None, says([ALERT, 3, 3, 0, 2, 2, 112]));
    is_refused(&page, TlsFault::Refused, "the server knows no site of that name");
}

#[test]
fn a_reset_in_the_handshake() {
    let shown = || Shown::self_signed(NAME, AS_IT_IS);
    for says_hello in [false, true] {
        let page = scripted(Some(shown()), move |mut stream, client_hello| {
            if says_hello {
                stream.write_all(&server_hello(shown(), &client_hello)).unwrap();
                assert_eq!(read_record(&mut stream).unwrap()[0], CHANGE_CIPHER_SPEC);
            }
            resets(&stream);
            None
        });
        let failure = page.unwrap_err();
        let Some(Reason::Lost(error)) = failure.check() else { panic!("{failure:?}") };
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
        assert!(failure.to_string().starts_with("lost: the connection broke during the TLS handshake: "), "{failure}");
    }
}

#[test]
fn an_end_in_the_handshake() {
    let failure = scripted(None, says("")).unwrap_err();
    let Some(Reason::Lost(error)) = failure.check() else { panic!("{failure:?}") };
    assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    assert_eq!(failure.to_string(), "lost: the peer closed the connection during the TLS handshake");
}

/// A server that sends its ServerHello, waits until the client has read it, and sends no more, until `end` ends it.
#[track_caller]
fn stalling<T>(begin: impl FnOnce(&World, u16, &Shown) -> T, end: impl FnOnce(&World, T)) {
    let (world, shown) = (World::new(), Shown::self_signed(NAME, AS_IT_IS));
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let begun = begin(&world, listener.local_addr().unwrap().port(), &shown);
    let mut stream = meanwhile(&world.reactor, move || {
        let mut stream = patient(listener.accept().map(|(stream, _)| stream));
        let client_hello = read_record(&mut stream).unwrap();
        stream.write_all(&server_hello(shown, &client_hello)).unwrap();
        assert_eq!(read_record(&mut stream).unwrap()[0], CHANGE_CIPHER_SPEC);
        stream
    });
    assert_eq!(world.reactor.source_count(), 1, "the client is still waiting");
    end(&world, begun);
    until(&world.reactor, "the connection is gone", || world.reactor.source_count() == 0);
    assert_eq!(world.reactor.delayed_call_count(), 0, "timers are left");
    let kinds = meanwhile(&world.reactor, move || kinds_until_the_end(&mut stream));
    assert!(!kinds.contains(&APPLICATION_DATA), "data came: records {kinds:?}");
}

#[test]
fn a_stall_after_the_server_hello_ends_at_the_deadline_of_the_page() {
    let after = Duration::from_secs(5);
    stalling(
        |world, port, shown| {
            let getter = PageGetter::new(&world.reactor, &shown.as_roots()).unwrap().timeout(after);
            getter.get(&format!("https://{NAME}:{port}/?key=SECRET"))
        },
        |world, page| {
            assert!(!page.has_fired());
            world.hooks.ahead.set(after);
            let failure = wait(&world.reactor, page).unwrap_err();
            assert_eq!(failure.check::<TimeoutError>().unwrap().after, after);
        },
    );
}

#[test]
fn a_stall_after_the_server_hello_ends_at_the_deadline_of_the_handshake() {
    let after = Duration::from_secs(3);
    stalling(
        |world, port, shown| {
            let reasons: Rc<Cell<Option<Reason>>> = Rc::default();
            let (noted, to) = (reasons.clone(), ("127.0.0.1", port));
            let client = move |_| {
                let noted = noted.clone();
                let lost = move |reason: &Reason| noted.set(Some(reason.clone()));
                let made = |transport: &Transport| transport.write(b"SECRET");
                Noting { lost: Box::new(lost), made: Box::new(made), ..Noting::new(&Events::default()) }
            };
            let tls = TlsClient::new(&world.reactor, &shown.as_roots(), &[]).unwrap().handshake_timeout(after);
            world.reactor.connect_tcp(to, tls.factory(NAME, client));
            reasons
        },
        |world, reasons| {
            world.hooks.ahead.set(after);
            until(&world.reactor, "the connection is gone", || world.reactor.source_count() == 0);
            let reason: Option<Reason> = reasons.take();
            let error = reason.as_ref().and_then(Reason::tls_error).expect("TLS failed");
            assert_eq!(error.to_string(), "the TLS handshake failed: the server did not complete it within 3s");
            assert_eq!((error.fault(), error.is_in_handshake()), (TlsFault::Peer, true));
        },
    );
}

/// A server with TLS on the loop, what its protocol meets, and its port.
fn serving(world: &World, shown: &Shown) -> (Events, u16) {
    let tls = TlsServer::new(&world.reactor, &[&shown.chain[0]], &shown.key, &[]).unwrap();
    let events = Events::default();
    let noted = events.clone();
    let echo = move |_| Noting {
        data: Box::new(|transport: &Transport, data: &[u8]| transport.write(data)),
        ..Noting::new(&noted)
    };
    let port = world.reactor.listen_tcp("127.0.0.1:0", tls.factory(echo)).unwrap();
    (events, port.host().port())
}

#[test]
fn a_client_that_says_nothing_does_not_hold_a_connection_for_ever() {
    let world = World::new();
    let (events, port) = serving(&world, &Shown::self_signed(NAME, AS_IT_IS));
    let mut client = patient(TcpStream::connect(("127.0.0.1", port)));
    until(&world.reactor, "it is accepted", || events.all() == ["made"]);
    world.hooks.ahead.set(Duration::from_secs(10));
    until(&world.reactor, "only the port is left", || world.reactor.source_count() == 1);
    assert_eq!(events.all(), ["made", "lost Tls"]);
    assert_eq!(world.reactor.delayed_call_count(), 0);
    assert!(matches!(client.read(&mut [0; 1]), Ok(0) | Err(_)));
}

#[test]
fn a_client_that_speaks_plain_http_is_told_apart() {
    let world = World::new();
    let (events, port) = serving(&world, &Shown::self_signed(NAME, AS_IT_IS));
    let heard = meanwhile(&world.reactor, move || {
        let mut client = patient(TcpStream::connect(("127.0.0.1", port)));
        client.write_all(b"GET / HTTP/1.1\r\nHost: server.test\r\n\r\n").unwrap();
        let mut heard = Vec::new();
        let _ = client.read_to_end(&mut heard);
        heard
    });
    assert_eq!((events.all(), heard), (vec!["made".to_owned(), "lost Tls".to_owned()], Vec::new()));
}

#[test]
fn a_handshake_that_is_done_has_no_deadline() {
    let (world, shown) = (World::new(), Shown::self_signed(NAME, AS_IT_IS));
    let (server, port) = serving(&world, &shown);
    let transport: Rc<Cell<Option<Transport>>> = Rc::default();
    let events = Events::default();
    let (kept, noted) = (transport.clone(), events.clone());
    let client = move |_| {
        let kept = kept.clone();
        let made = move |transport: &Transport| {
            transport.write(b"one");
            kept.set(Some(transport.clone()));
        };
        Noting { made: Box::new(made), ..Noting::new(&noted) }
    };
    let tls = TlsClient::new(&world.reactor, &shown.as_roots(), &[]).unwrap();
    world.reactor.connect_tcp(("127.0.0.1", port), tls.factory(NAME, client));
    until(&world.reactor, "the echo is here", || events.all() == ["made", "data one"]);
    assert_eq!(world.reactor.delayed_call_count(), 0, "both deadlines are gone");
    world.hooks.ahead.set(Duration::from_secs(3600));
    transport.take().unwrap().write(b" two");
    until(&world.reactor, "the second echo is here", || events.all() == ["made", "data one two"]);
    assert_eq!(server.all(), ["made", "data one two"]);
}
