//! The limits on time, each with its status.

use super::{get, post, seconds, serve_with, text};
use reactor::http::server::{Request, Response};
use reactor::{Deferred, Failure, Firer};
use std::cell::{Cell, RefCell};
use std::rc::Rc;

#[test]
fn a_head_has_its_time_however_it_drips() {
    let (mut peer, clock) = serve_with(|_| {}, super::echo);
    for byte in "GET / HT".bytes() {
        clock.advance(seconds(1));
        assert_eq!(peer.send([byte]), "");
    }
    clock.advance(seconds(2));
    assert!(peer.turn().starts_with("HTTP/1.1 408 Request Timeout\r\n"));
    assert!(peer.wire.is_losing());
}

#[test]
fn the_head_of_a_later_request_has_its_time_from_its_first_byte() {
    let (mut peer, clock) = serve_with(|_| {}, super::echo);
    peer.send(get("/"));
    clock.advance(seconds(50));
    peer.send("G");
    clock.advance(seconds(9));
    assert!(peer.is_open());
    clock.advance(seconds(1));
    assert!(peer.turn().starts_with("HTTP/1.1 408 "));
}

#[test]
fn a_peer_that_says_nothing_is_told_nothing() {
    let (mut peer, clock) = serve_with(|_| {}, super::echo);
    clock.advance(seconds(10));
    assert!(peer.wire.is_losing() && peer.turn().is_empty());
    let (mut peer, clock) = serve_with(|_| {}, super::echo);
    for _ in 0..3 {
        assert_eq!(peer.send(get("/")), text("GET /"));
        clock.advance(seconds(59));
        assert!(peer.is_open());
    }
    clock.advance(seconds(1));
    assert!(peer.wire.is_losing() && peer.turn().is_empty());
}

#[test]
fn a_body_has_its_time_however_it_drips() {
    let failed: Rc<Cell<bool>> = Rc::default();
    let heard = failed.clone();
    let (mut peer, clock) = serve_with(
        |_| {},
        move |request: Request| {
            let heard = heard.clone();
            request.collect(1000).add_both(move |body| {
                heard.set(body.is_err());
                Ok(Response::text("body"))
            })
        },
    );
    peer.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n");
    for _ in 0..59 {
        clock.advance(seconds(1));
        assert_eq!(peer.send("x"), "");
    }
    clock.advance(seconds(1));
    assert!(peer.turn().starts_with("HTTP/1.1 408 "));
    assert!(peer.wire.is_losing() && failed.get());
}

#[test]
fn a_service_has_its_time_and_is_cancelled_then() {
    let cancelled: Rc<Cell<u32>> = Rc::default();
    let count = cancelled.clone();
    let (mut peer, clock) = serve_with(
        |_| {},
        move |_request| {
            let count = count.clone();
            Deferred::<Response>::with_canceller(move |_: &Firer<Response>| count.set(count.get() + 1)).0
        },
    );
    peer.send(get("/"));
    clock.advance(seconds(59));
    assert!(peer.is_open());
    clock.advance(seconds(1));
    assert!(peer.turn().starts_with("HTTP/1.1 503 Service Unavailable\r\n"));
    assert!(peer.wire.is_losing());
    assert_eq!(cancelled.get(), 1);
}

#[test]
fn a_service_that_reads_a_body_has_the_times_one_after_the_other() {
    let slot: Rc<RefCell<Option<Firer<Response>>>> = Rc::default();
    let firers = slot.clone();
    let (mut peer, clock) = serve_with(
        |_| {},
        move |request: Request| {
            let firers = firers.clone();
            request.collect(1000).add_callback(move |_| {
                let (deferred, firer) = Deferred::new();
                *firers.borrow_mut() = Some(firer);
                deferred
            })
        },
    );
    let whole = post("/", "abc");
    let (first, rest) = whole.split_at(whole.len() - 1);
    peer.send(first);
    clock.advance(seconds(59));
    peer.send(rest);
    clock.advance(seconds(59));
    slot.take().expect("the body is there").callback(Response::text("ok")).unwrap();
    assert_eq!(peer.turn(), text("ok"));
}

#[test]
fn an_answer_after_its_time_goes_nowhere() {
    let slot: Rc<RefCell<Option<Firer<Response>>>> = Rc::default();
    let firers = slot.clone();
    let (mut peer, clock) = serve_with(
        |_| {},
        move |_request| {
            // It does not let itself be cancelled.
            let (deferred, firer) = Deferred::new();
            *firers.borrow_mut() = Some(firer);
            Ok::<_, Failure>(()).map(|()| deferred).unwrap()
        },
    );
    peer.send(get("/"));
    clock.advance(seconds(60));
    peer.turn();
    let _ = slot.take().unwrap().callback(Response::text("late"));
    assert_eq!(peer.turn(), "");
}
