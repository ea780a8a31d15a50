//! `get_page` against servers written by hand, plain and over TLS.

#[path = "util/certificates.rs"]
mod certificates;
#[path = "util/events.rs"]
mod events;
#[path = "util/peer.rs"]
mod peer;
#[path = "util/raw_tls.rs"]
mod raw_tls;
mod util;
#[path = "util/wait.rs"]
mod wait;

use certificates::Authority;
use events::{Events, Noting};
use peer::{meanwhile, patient};
use raw_tls::raw_server;
use reactor::error::ConnectError;
use reactor::http::{HttpError, Limits, Page, PageError, PageGetter, UrlError, get_page};
use reactor::testing::assert_nothing_left;
use reactor::tls::TlsServer;
use reactor::{CancelledError, Deferred, Failure, Protocol, Reactor, Reason, TimeoutError, Transport};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener};
use std::time::Duration;
use util::until;
use wait::wait;

fn getter(reactor: &Reactor) -> PageGetter {
    PageGetter::new(reactor, &Authority::new().roots()).unwrap()
}

/// Serves one request with `answer` and closes. Returns the page and the request.
#[track_caller]
fn serve(get: impl FnOnce(&Reactor, &str) -> Deferred<Page>, answer: &'static str) -> (Result<Page, Failure>, String) {
    let reactor = Reactor::new().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let page = get(&reactor, &format!("http://{}/path?query", listener.local_addr().unwrap()));
    let request = meanwhile(&reactor, move || {
        let mut stream = patient(listener.accept().map(|(stream, _)| stream));
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            request.push(byte[0]);
        }
        stream.write_all(answer.as_bytes()).unwrap();
        String::from_utf8(request).unwrap()
    });
    let page = wait(&reactor, page);
    until(&reactor, "the connection is gone", || reactor.source_count() == 0);
    (page, request)
}

#[track_caller]
fn check(answer: &'static str, status: u16, body: &str) {
    let (page, _) = serve(|reactor, url| getter(reactor).get(url), answer);
    let page = page.unwrap();
    assert_eq!((page.head.status, page.body), (status, body.as_bytes().to_vec()));
}

#[track_caller]
fn refuse(answer: &'static str, error: HttpError) {
    let (page, _) = serve(|reactor, url| getter(reactor).get(url), answer);
    assert_eq!(page.unwrap_err().check(), Some(&error));
}

#[test]
fn a_body_ends_with_its_length_its_last_chunk_or_the_connection() {
    check("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", 200, "hello");
    check("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n", 200, "hello!");
    check("HTTP/1.0 200 OK\r\n\r\nhello", 200, "hello");
    check("HTTP/1.1 500 Oh\r\nContent-Length: 2\r\n\r\nno", 500, "no");
}

#[test]
fn a_truncated_response_is_not_a_page() {
    refuse("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhello", HttpError::Incomplete);
    refuse("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", HttpError::Incomplete);
    refuse("HTTP/1.1 200", HttpError::Incomplete);
    refuse("", HttpError::Incomplete);
}

#[test]
fn the_request_names_the_host_and_asks_for_one_plain_answer() {
    let ok = "HTTP/1.1 204 No Content\r\n\r\n";
    let (_, request) = serve(|reactor, url| getter(reactor).user_agent("tes\r\nt").get(url), ok);
    let lines: Vec<&str> = request.split("\r\n").collect();
    assert_eq!(lines[0], "GET /path?query HTTP/1.1");
    assert!(lines[1].starts_with("Host: 127.0.0.1:"), "{request}");
    for line in ["User-Agent: test", "Accept-Encoding: identity", "Connection: close"] {
        assert!(lines.contains(&line), "{request}");
    }
}

#[test]
fn a_response_above_the_limits_fails() {
    let mut limits = Limits::default();
    limits.body = 4;
    let answer = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
    let (page, _) = serve(|reactor, url| getter(reactor).limits(limits).get(url), answer);
    assert_eq!(page.unwrap_err().check(), Some(&HttpError::BodyTooLarge));
}

#[test]
fn get_page_gives_the_body_and_fails_for_other_statuses() {
    let reactor = Reactor::new().unwrap();
    for (answer, expected) in [("200 OK", Ok(())), ("404 Not Found", Err(404))] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let page = get_page(&reactor, &format!("http://{}", listener.local_addr().unwrap()));
        meanwhile(&reactor, move || {
            let mut stream = patient(listener.accept().map(|(stream, _)| stream));
            assert_ne!(stream.read(&mut [0; 1000]).unwrap(), 0);
            write!(stream, "HTTP/1.1 {answer}\r\nContent-Length: 4\r\n\r\nbody").unwrap();
        });
        match (wait(&reactor, page), expected) {
            (Ok(body), Ok(())) => assert_eq!(body, b"body"),
            (Err(failure), Err(status)) => {
                let PageError(page) = failure.check().expect("a PageError");
                assert_eq!((page.head.status, &page.body[..]), (status, &b"body"[..]));
            }
            (result, _) => panic!("{answer} gave {result:?}"),
        }
    }
}

#[test]
fn text_that_is_not_a_url_fails_at_once() {
    let reactor = Reactor::new().unwrap();
    let page = getter(&reactor).get("ftp://example.com/");
    assert!(page.has_fired());
    assert_eq!(wait(&reactor, page).unwrap_err().check(), Some(&UrlError::Scheme));
}

#[test]
fn a_refused_connection_is_reported() {
    let reactor = Reactor::new().unwrap();
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let failure = wait(&reactor, getter(&reactor).get(&format!("http://{closed}"))).unwrap_err();
    assert!(matches!(failure.check(), Some(ConnectError::Failed { .. })), "{failure:?}");
    assert_nothing_left(&reactor);
}

#[test]
fn a_silent_server_times_out_and_its_connection_is_reset() {
    let reactor = Reactor::new().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let timeout = Duration::from_millis(50);
    let failure = wait(&reactor, getter(&reactor).timeout(timeout).get(&url)).unwrap_err();
    assert_eq!(failure.check::<TimeoutError>().unwrap().after, timeout);
    until(&reactor, "the connection is gone", || reactor.source_count() == 0);
    assert_eq!(reactor.delayed_call_count(), 0);
}

#[test]
fn a_cancel_ends_the_connection_before_and_after_it_is_made() {
    for made in [false, true] {
        let reactor = Reactor::new().unwrap();
        let events = Events::default();
        let noted = events.clone();
        let port = reactor.listen_tcp("127.0.0.1:0", move |_| Noting::new(&noted)).unwrap();
        let page = getter(&reactor).get(&format!("http://{}", port.host()));
        if made {
            until(&reactor, "the request has come", || events.all().len() == 2);
        }
        page.cancel();
        assert_eq!(wait(&reactor, page).unwrap_err().check(), Some(&CancelledError));
        until(&reactor, "only the port is left", || reactor.source_count() == 1);
        if made {
            until(&reactor, "the server saw the reset", || events.all().last().unwrap() == "lost Lost");
        }
    }
}

/// A TLS server on our own loop that answers the first bytes of each request with `answer`.
fn secure(reactor: &Reactor, authority: &Authority, name: &str, answer: &'static [u8]) -> String {
    struct Answers(&'static [u8]);
    impl Protocol for Answers {
        fn data_received(&mut self, transport: &Transport, _request: &[u8]) {
            transport.write(self.0);
            transport.lose_connection();
        }
    }
    let identity = authority.issue(name, 2999);
    let tls = TlsServer::new(reactor, &[&identity.certificate], &identity.key, &["http/1.1"]).unwrap();
    let port = reactor.listen_tcp("127.0.0.1:0", tls.factory(move |_| Answers(answer))).unwrap();
    format!("https://localhost:{}/", port.host().port())
}

#[test]
fn a_page_comes_over_tls() {
    let (reactor, authority) = (Reactor::new().unwrap(), Authority::new());
    let getter = PageGetter::new(&reactor, &authority.roots()).unwrap();
    for answer in [&b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecret"[..], b"HTTP/1.0 200 OK\r\n\r\nsecret"] {
        let url = secure(&reactor, &authority, "localhost", answer);
        assert_eq!(wait(&reactor, getter.get(&url)).unwrap().body, b"secret");
    }
}

#[test]
fn a_server_without_the_right_certificate_gets_no_request() {
    let (reactor, authority) = (Reactor::new().unwrap(), Authority::new());
    let url = secure(&reactor, &authority, "other.test", b"HTTP/1.1 204 No\r\n\r\n");
    for getter in [PageGetter::new(&reactor, &authority.roots()).unwrap(), getter(&reactor)] {
        let failure = wait(&reactor, getter.get(&url)).unwrap_err();
        assert!(matches!(failure.check(), Some(Reason::Tls(_))), "{failure:?}");
    }
}

#[test]
fn a_body_without_a_length_that_ends_without_close_notify_is_not_a_page() {
    let (reactor, authority) = (Reactor::new().unwrap(), Authority::new());
    let (address, serve) = raw_server(&authority.issue("localhost", 2999), &["http/1.1"], |stream| {
        assert_ne!(stream.read(&mut [0; 1000]).unwrap(), 0);
        stream.write_all(b"HTTP/1.0 200 OK\r\n\r\nhalf a secret").unwrap();
        stream.sock.shutdown(Shutdown::Write).unwrap(); // As an attacker between the two could do.
        let _ = stream.sock.read_to_end(&mut Vec::new());
    });
    let getter = PageGetter::new(&reactor, &authority.roots()).unwrap();
    let page = getter.get(&format!("https://localhost:{}/", address.port()));
    meanwhile(&reactor, serve);
    let failure = wait(&reactor, page).unwrap_err();
    assert!(matches!(failure.check(), Some(Reason::Truncated)), "{failure:?}");
}
