//! Responses: in order, one write each, with what the protocol demands.

use super::{Peer, Shelf, echo, get, last_text, post, serve, serve_with, text};
use reactor::deferred::DeferredQueue;
use reactor::http::server::{HttpServer, Request, Response};
use reactor::testing::{ManualClock, for_every_chunking};
use reactor::{Deferred, Failure, Firer};
use std::rc::Rc;

#[test]
fn a_request_gets_its_response_in_one_write() {
    let mut peer = serve(echo);
    assert_eq!(peer.send(get("/x?y")), text("GET /x?y"));
    assert_eq!(peer.wire.write_count(), 1);
    assert!(peer.is_open());
}

#[test]
fn requests_of_one_read_are_answered_in_order_however_they_are_cut() {
    let long = "PUT /3 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
    let bytes = [get("/1"), post("/2", "body"), long.to_owned(), get("/4")].concat();
    let expected = [text("GET /1"), text("POST /2"), text("PUT /3"), text("GET /4")].concat();
    for_every_chunking(bytes.as_bytes(), |chunks| {
        let mut peer = serve(|request: Request| {
            let answer = format!("{} {}", request.method(), request.target());
            request.collect(100).add_callback(|_| Ok(Response::text(answer)))
        });
        let answers: String = chunks.iter().map(|chunk| peer.send(chunk)).collect();
        assert_eq!(answers, expected);
        assert!(peer.is_open());
    });
}

#[test]
fn a_body_that_nobody_wants_is_skipped_if_it_has_come() {
    let mut peer = serve(echo);
    let expected = [text("POST /1"), text("GET /2")].concat();
    assert_eq!(peer.send([post("/1", "body"), get("/2")].concat()), expected);
    // If it has not, the connection ends: it might never come.
    let mut peer = serve(echo);
    assert_eq!(peer.send("POST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nbod"), last_text("POST /1"));
    assert!(peer.wire.is_losing());
}

#[test]
fn the_next_request_waits_for_the_response_to_the_one_before() {
    let waiting: Shelf<(String, Firer<Response>)> = Rc::default();
    let asked = waiting.clone();
    let mut peer = serve(move |request: Request| {
        let (deferred, firer) = Deferred::new();
        asked.borrow_mut().push((request.path().to_owned(), firer));
        deferred
    });
    assert_eq!(peer.send([get("/1"), get("/2"), get("/3")].concat()), "");
    for path in ["/1", "/2", "/3"] {
        let (own, firer) = waiting.borrow_mut().pop().expect("it is asked");
        assert!(waiting.borrow().is_empty(), "one at a time");
        assert_eq!(own, path);
        firer.callback(Response::text(path)).unwrap();
        assert!(waiting.borrow().is_empty(), "never from inside the program's call");
        assert_eq!(peer.turn(), text(path));
    }
    assert_eq!(peer.wire.write_count(), 3);
}

#[test]
fn a_peer_that_sends_requests_without_end_is_not_read_on() {
    let queue: Rc<DeferredQueue<Response>> = Rc::new(DeferredQueue::unbounded());
    let source = queue.clone();
    let mut peer = serve(move |_request| source.get());
    for _ in 0..100 {
        peer.send(get("/"));
    }
    assert!(peer.transport.is_paused());
    assert_eq!(peer.waiting.len(), 98, "one is served, one is held");
    for number in 0..100 {
        queue.put(Response::text("x")).unwrap();
        assert_eq!(peer.turn(), text("x"), "{number}");
    }
}

#[test]
fn a_response_to_head_has_no_body() {
    let mut peer = serve(echo);
    let head = "HEAD /x HTTP/1.1\r\nHost: a\r\n\r\n";
    let whole = text("HEAD /x");
    let expected = whole.strip_suffix("HEAD /x").unwrap();
    assert_eq!(peer.send([head, &get("/y")].concat()), [expected, &text("GET /y")].concat());
}

#[test]
fn no_content_and_not_modified_have_no_body_and_no_length() {
    let mut peer = serve(|request: Request| match request.path() {
        "/204" => Response::text("lost").with_status(204),
        "/304" => Response::new(304).header("ETag", "\"x\"").unwrap(),
        _ => Response::new(200),
    });
    assert_eq!(peer.send(get("/204")), "HTTP/1.1 204 No Content\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n");
    assert_eq!(peer.send(get("/304")), "HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\n\r\n");
    assert_eq!(peer.send(get("/")), "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
}

#[test]
fn the_connection_ends_when_either_side_says_so() {
    let mut peer = serve(echo);
    assert_eq!(peer.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"), last_text("GET /"));
    assert!(peer.wire.is_losing());
    let mut peer = serve(|_request| Response::text("bye").and_close());
    assert_eq!(peer.send([get("/"), get("/")].concat()), last_text("bye"));
    assert!(peer.wire.is_losing());
}

#[test]
fn http_1_0_is_kept_alive_if_it_asks_for_it() {
    let mut peer = serve(echo);
    assert_eq!(peer.send("GET / HTTP/1.0\r\n\r\n"), last_text("GET /"));
    assert!(peer.wire.is_losing());
    let mut peer = serve(echo);
    let answer = peer.send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    assert!(answer.contains("\r\nConnection: keep-alive\r\n\r\nGET /"), "{answer}");
    assert!(peer.is_open());
}

#[test]
fn a_connection_carries_no_more_requests_than_allowed() {
    let (mut peer, _clock) = serve_with(|settings| settings.max_requests = 3, echo);
    let expected = [text("GET /1"), text("GET /2"), last_text("GET /3")].concat();
    assert_eq!(peer.send(["/1", "/2", "/3", "/4"].map(get).concat()), expected);
    assert!(peer.wire.is_losing());
}

#[test]
fn a_service_that_fails_is_a_500_and_the_connection_goes_on() {
    let server = HttpServer::new(&ManualClock::new(), |request: Request| match request.path() {
        "/bad" => Err(Failure::msg("the reason, which only the log may have")),
        _ => Ok(Response::text("good")),
    });
    let mut peer = Peer::new(&server);
    let answer = peer.send([get("/bad"), get("/good")].concat());
    assert!(
        answer.starts_with("HTTP/1.1 500 Internal Server Error\r\n") && answer.ends_with(&text("good")),
        "{answer}"
    );
    assert!(!answer.contains("reason"));
    assert_eq!((server.counts().requests, server.counts().failed), (2, 1));
}

#[test]
fn a_status_that_does_not_exist_is_a_500() {
    let mut peer = serve(|_request| Response::text("x").with_status(99));
    assert!(peer.send(get("/")).starts_with("HTTP/1.1 500 "));
}

#[test]
fn a_header_that_could_smuggle_something_is_refused_where_it_is_made() {
    let add =
        |name: &str, value: &str| Response::new(200).header(name, value).map(drop).map_err(|error| error.to_string());
    assert!(add("X-Y", "z").is_ok());
    for (name, value) in
        [("", "x"), ("A B", "x"), ("A:", "x"), ("A", "x\r\nB: y"), ("A", "\0"), ("Content-Length", "1")]
    {
        assert!(add(name, value).is_err(), "{name:?}: {value:?}");
    }
    assert!(Response::bytes("a/b\r\nX: y", &b""[..]).is_err());
    assert!(Response::redirect(302, "/x\r\nSet-Cookie: y").is_err());
}

#[test]
fn a_refused_request_is_told_why_and_the_connection_ends() {
    for (bytes, status) in [
        ("GET / HTTP/1.1\r\n\r\n", "400 Bad Request"),
        ("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", "400 Bad Request"),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9999999999\r\n\r\n", "413 Content Too Large"),
        ("GET / HTTP/1.1\r\nHost: a\r\nExpect: x\r\n\r\n", "417 Expectation Failed"),
        ("CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n", "501 Not Implemented"),
        ("GET / HTTP/3.0\r\nHost: a\r\n\r\n", "505 HTTP Version Not Supported"),
    ] {
        let mut peer = serve(echo);
        // The request before it is served.
        let answer = peer.send([&get("/1"), bytes, &get("/2")].concat());
        let refusal = answer.strip_prefix(&text("GET /1")).expect("the first is good");
        assert!(refusal.starts_with(&format!("HTTP/1.1 {status}\r\n")), "{bytes:?}: {refusal}");
        assert!(refusal.contains("\r\nConnection: close\r\n") && !refusal.contains("GET /2"), "{refusal}");
        assert!(peer.wire.is_losing());
    }
}
