//! The bodies of requests: they wait until they are asked for, and go no faster than they are taken.

use super::{Peer, Shelf, get, last_text, post, serve, text};
use reactor::http::server::{BodyError, HttpServer, Request, RequestBody, Response};
use reactor::testing::ManualClock;
use reactor::{Deferred, Failure, Firer};
use std::cell::RefCell;
use std::rc::Rc;

/// Answers with the body.
fn collect(request: Request) -> Deferred<Response> {
    request.collect(10).add_callbacks(
        |body| Ok(Response::text(String::from_utf8(body)?)),
        |failure: Failure| Ok(Response::text(failure.to_string()).with_status(413)),
    )
}

const CHUNKED: &str = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";

#[test]
fn a_body_is_collected_up_to_its_limit() {
    let mut peer = serve(collect);
    assert_eq!(peer.send(post("/", "0123456789")), text("0123456789"));
    assert_eq!(peer.send([CHUNKED, "5\r\n01234\r\n5\r\n56789\r\n0\r\n\r\n"].concat()), text("0123456789"));
    assert_eq!(peer.send(get("/")), text(""));
    let answer = peer.send([post("/", "0123456789x"), get("/")].concat());
    assert!(answer.starts_with("HTTP/1.1 413 ") && answer.ends_with(&text("")), "{answer}");
}

#[test]
fn a_body_that_is_wanted_has_a_length() {
    for (line, is_enough) in [("", false), ("Content-Length: 0\r\n", true)] {
        let answer = serve(collect).send(format!("POST / HTTP/1.1\r\nHost: a\r\n{line}\r\n"));
        match is_enough {
            true => assert_eq!(answer, text("")),
            false => assert!(answer.starts_with("HTTP/1.1 411 Length Required\r\n"), "{answer}"),
        }
    }
    // What follows is not taken for a request.
    let mut peer = serve(collect);
    let answer = peer.send(["PUT / HTTP/1.1\r\nHost: a\r\n\r\n", &get("/")].concat());
    assert!(answer.starts_with("HTTP/1.1 411 ") && answer.matches("HTTP/1.1").count() == 1, "{answer}");
    assert!(peer.wire.is_losing());
    // A service that wants no body needs no length.
    assert_eq!(serve(super::echo).send("POST /x HTTP/1.1\r\nHost: a\r\n\r\n"), text("POST /x"));
}

#[test]
fn an_https_url_is_not_served_without_tls() {
    let target = |target: &str| serve(super::echo).send(format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n"));
    assert_eq!(target("http://a/x"), text("GET http://a/x"));
    for url in ["https://a/x", "HTTPS://a"] {
        let answer = target(url);
        assert!(answer.starts_with("HTTP/1.1 421 Misdirected Request\r\n"), "{answer}");
    }
}

#[test]
fn a_body_comes_only_when_it_is_asked_for() {
    let kept: Shelf<(Request, Firer<Response>)> = Rc::default();
    let keeper = kept.clone();
    let mut peer = serve(move |request: Request| {
        let (deferred, firer) = Deferred::new();
        keeper.borrow_mut().push((request, firer));
        deferred
    });
    let head = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 8\r\nExpect: 100-continue\r\n\r\n";
    assert_eq!(peer.send([head, "abc"].concat()), "");
    assert!(peer.transport.is_paused(), "nothing more is read");
    let (request, firer) = kept.borrow_mut().pop().unwrap();
    let body = request.collect(100);
    assert_eq!(peer.turn(), "HTTP/1.1 100 Continue\r\n\r\n");
    assert!(!peer.transport.is_paused() && !body.has_fired());
    assert_eq!(peer.send("defgh"), "");
    assert_eq!(body.result().as_deref(), Some(&b"abcdefgh"[..]));
    firer.callback(Response::text("ok")).unwrap();
    assert_eq!(peer.turn(), text("ok"));
    assert_eq!(
        request
            .collect(100)
            .add_errback(|failure| {
                assert_eq!(failure.check::<BodyError>(), None, "its end is known");
                Ok(b"failed".to_vec())
            })
            .result()
            .as_deref(),
        Some(&b""[..])
    );
}

#[test]
fn who_expects_to_be_told_and_is_not_keeps_the_body() {
    let mut peer = serve(super::echo);
    let answer = peer.send("PUT /x HTTP/1.1\r\nHost: a\r\nContent-Length: 8\r\nExpect: 100-continue\r\n\r\n");
    assert_eq!(answer, last_text("PUT /x"), "and no 100; the connection ends, as the body may come or not");
    assert!(peer.wire.is_losing());
}

#[test]
fn a_body_is_taken_once() {
    let mut peer = serve(|request: Request| {
        let first = request.collect(100);
        let second = request.collect(100);
        second.add_both(move |second| {
            assert_eq!(second.unwrap_err().check(), Some(&BodyError::Taken));
            first.add_callback(|body| Ok(Response::text(String::from_utf8(body)?)))
        })
    });
    assert_eq!(peer.send(post("/", "abc")), text("abc"));
}

#[test]
fn a_taker_that_pauses_is_given_nothing() {
    let steps: Rc<RefCell<(Vec<u8>, Option<RequestBody>)>> = Rc::default();
    let taken = steps.clone();
    let mut peer = serve(move |request: Request| {
        let taken = taken.clone();
        let done = request.deliver_body(move |body, piece| {
            let mut taken = taken.borrow_mut();
            taken.0.extend_from_slice(piece);
            taken.1 = Some(body.clone());
            body.pause_producing();
        });
        done.add_callback(|()| Ok(Response::text("done")))
    });
    peer.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc");
    peer.send("def");
    peer.send("ghi");
    assert_eq!(steps.borrow().0, b"abc");
    for expected in [&b"abcdef"[..], b"abcdefghi"] {
        let body = steps.borrow_mut().1.take().unwrap();
        assert!(body.is_paused());
        body.resume_producing();
        assert_eq!(peer.turn(), "");
        assert_eq!(steps.borrow().0, expected);
    }
    steps.borrow_mut().1.take().unwrap().resume_producing();
    // The pause came after the last byte: the end waits for nothing.
    assert_eq!(peer.send(""), text("done"));
}

#[test]
fn a_body_that_breaks_a_rule_is_refused_and_its_taker_hears_of_it() {
    let heard: Rc<RefCell<Vec<String>>> = Rc::default();
    let ear = heard.clone();
    let server = HttpServer::new(&ManualClock::new(), move |request: Request| {
        let ear = ear.clone();
        request.collect(100).add_both(move |body| {
            ear.borrow_mut().push(format!("{:?}", body.map_err(|failure| failure.to_string())));
            Ok(Response::text("too late"))
        })
    });
    let mut peer = Peer::new(&server);
    let answer = peer.send([CHUNKED, "3\r\nabc\r\nx\r\n"].concat());
    assert!(answer.starts_with("HTTP/1.1 400 ") && !answer.contains("too late"), "{answer}");
    assert!(peer.wire.is_losing());
    assert_eq!(*heard.borrow(), ["Err(\"the body of the request was refused: the chunks are broken\")"]);
    assert_eq!(server.counts().refused, 1);
}

#[test]
fn a_response_may_come_before_the_body_has_ended() {
    // The taker goes on, and the connection after it.
    let sum: Rc<RefCell<usize>> = Rc::default();
    let counted = sum.clone();
    let mut peer = serve(move |request: Request| {
        let counted = counted.clone();
        request.deliver_body(move |_, piece| *counted.borrow_mut() += piece.len()).detach();
        Response::text("early")
    });
    assert_eq!(peer.send("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nabc"), text("early"));
    assert_eq!(peer.send(["def", &get("/")].concat()), text("early"));
    assert_eq!(*sum.borrow(), 6);
}
