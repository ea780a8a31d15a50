//! Responses that end without TLS's close_notify: an attacker on the way may have cut them there.

use crate::certificates::{Authority, Identity};
use crate::events::{Events, Noting};
use crate::peer::meanwhile;
use crate::raw_tls::raw_server;
use crate::util::until;
use crate::wait::wait;
use crate::world::{NAME, World};
use reactor::http::{HttpError, Page, PageGetter};
use reactor::tls::{TlsClient, TlsFault};
use reactor::{Failure, Reason, Transport};
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::time::Duration;

/// How a server ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// With a close_notify.
    CloseNotify,
    /// As if the connection had been cut.
    Cut,
    /// With a forged record, which is not encrypted.
    Forged,
}

/// A server that reads a request, sends `answer` and its end in one piece: its address, and its work.
fn server(identity: &Identity, answer: &'static str, end: End) -> (SocketAddr, impl FnOnce() + Send + 'static) {
    raw_server(identity, &["http/1.1"], move |stream| {
        assert_ne!(stream.read(&mut [0; 1000]).unwrap(), 0, "the request");
        let mut bytes = Vec::new();
        stream.conn.writer().write_all(answer.as_bytes()).unwrap();
        if end == End::CloseNotify {
            stream.conn.send_close_notify();
        }
        while stream.conn.wants_write() {
            stream.conn.write_tls(&mut bytes).unwrap();
        }
        if end == End::Forged {
            bytes.extend([23, 3, 3, 0, 30]);
            bytes.extend([7; 30]);
        }
        stream.sock.write_all(&bytes).unwrap();
        // Wait for the client to have read: its own last record would turn our close into a reset.
        stream.sock.shutdown(Shutdown::Write).unwrap();
        let _ = stream.sock.read_to_end(&mut Vec::new());
    })
}

/// The page that such a server gives.
#[track_caller]
fn get(answer: &'static str, end: End) -> Result<Page, Failure> {
    let (world, authority) = (World::new(), Authority::new());
    let (address, serve) = server(&authority.issue(NAME, 2999), answer, end);
    let getter = PageGetter::new(&world.reactor, &authority.roots()).unwrap();
    let page = getter.get(&format!("https://{NAME}:{}/", address.port()));
    meanwhile(&world.reactor, serve);
    let page = wait(&world.reactor, page);
    until(&world.reactor, "the connection is gone", || world.reactor.source_count() == 0);
    assert_eq!(world.reactor.delayed_call_count(), 0, "timers are left");
    page
}

/// The body is complete by its own framing.
const COMPLETE: [&str; 3] = [
    "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nanswer",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nansw\r\n2\r\ner\r\n0\r\n\r\n",
    "HTTP/1.1 204 No Content\r\n\r\n",
];

/// A part of the body is missing.
const INCOMPLETE: [&str; 5] = [
    "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nanswer",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nanswer\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nanswer\r\n0\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n",
    "",
];

/// Only the end of the connection delimits the body.
const UNTIL_THE_END: &str = "HTTP/1.1 200 OK\r\n\r\nanswer";

#[test]
fn an_answer_that_is_complete_needs_no_close_notify() {
    for answer in COMPLETE {
        for end in [End::Cut, End::CloseNotify, End::Forged] {
            let page = get(answer, end).unwrap_or_else(|failure| panic!("{answer:?}, {end:?}: {failure:?}"));
            let expected: &[u8] = if page.head.status == 204 { b"" } else { b"answer" };
            assert_eq!(page.body, expected, "{answer:?}, {end:?}");
        }
    }
}

#[test]
fn a_cut_response_is_an_error() {
    for answer in INCOMPLETE.into_iter().chain([UNTIL_THE_END]) {
        let failure = get(answer, End::Cut).unwrap_err();
        assert!(matches!(failure.check(), Some(Reason::Truncated)), "{answer:?}: {failure:?}");
        assert_eq!(failure.to_string(), "cut off: the stream ended without a TLS close_notify");
    }
}

#[test]
fn a_close_notify_ends_a_body_without_a_length_and_completes_no_other() {
    assert_eq!(get(UNTIL_THE_END, End::CloseNotify).unwrap().body, b"answer");
    for answer in INCOMPLETE {
        let failure = get(answer, End::CloseNotify).unwrap_err();
        assert!(failure.check::<HttpError>().is_some(), "{answer:?}: {failure:?}");
    }
}

#[test]
fn a_forged_record_ends_an_answer_that_is_not_complete() {
    for answer in INCOMPLETE.into_iter().chain([UNTIL_THE_END]) {
        let failure = get(answer, End::Forged).unwrap_err();
        let error = failure.check().and_then(Reason::tls_error).unwrap_or_else(|| panic!("{answer:?}: {failure:?}"));
        assert_eq!((error.fault(), error.is_in_handshake()), (TlsFault::Peer, false));
        let why = "what came from the server cannot be decrypted: it was changed on its way, or the server is broken";
        assert_eq!(error.to_string(), format!("TLS failed: {why}"));
    }
}

#[test]
fn a_paused_protocol_gets_the_data_before_a_forged_record_first() {
    let (world, authority) = (World::new(), Authority::new());
    let (address, serve) = server(&authority.issue(NAME, 2999), "answer", End::Forged);
    let (events, reactor) = (Events::default(), world.reactor.clone());
    let noted = events.clone();
    let client = move |_| {
        let (reactor, noted_later) = (reactor.clone(), noted.clone());
        let data = move |transport: &Transport, _: &[u8]| {
            transport.pause_producing();
            let (transport, noted) = (transport.clone(), noted_later.clone());
            reactor.call_later(Duration::from_millis(1), move || {
                noted.note("goes on");
                transport.resume_producing();
            });
        };
        let made = |transport: &Transport| transport.write(b"request");
        Noting { made: Box::new(made), data: Box::new(data), ..Noting::new(&noted) }
    };
    let tls = TlsClient::new(&world.reactor, &authority.roots(), &[]).unwrap();
    world.reactor.connect_tcp(address, tls.factory(NAME, client));
    meanwhile(&world.reactor, serve);
    until(&world.reactor, "the connection is gone", || world.reactor.source_count() == 0);
    assert_eq!(events.all(), ["made", "data answer", "goes on", "resumed", "lost Tls"]);
}
