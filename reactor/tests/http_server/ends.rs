//! How connections end: by the peer, by a stop, in the middle.

use super::{Peer, get, last_text, serve};
use reactor::http::server::{HttpServer, Request, Response};
use reactor::testing::ManualClock;
use reactor::{Deferred, Firer};
use std::cell::{Cell, RefCell};
use std::rc::Rc;

type Slot<T> = Rc<RefCell<Option<T>>>;

fn answering_later() -> (Peer, Slot<Firer<Response>>, Rc<Cell<u32>>) {
    let (slot, cancelled): (Slot<Firer<Response>>, Rc<Cell<u32>>) = Default::default();
    let (firers, count) = (slot.clone(), cancelled.clone());
    let peer = serve(move |_request| {
        let count = count.clone();
        let (deferred, firer) = Deferred::with_canceller(move |_| count.set(count.get() + 1));
        *firers.borrow_mut() = Some(firer);
        deferred
    });
    (peer, slot, cancelled)
}

#[test]
fn a_half_closed_peer_gets_its_response() {
    let (mut peer, slot, _) = answering_later();
    peer.send(get("/"));
    peer.end_sending();
    assert!(peer.is_open());
    slot.take().unwrap().callback(Response::text("x")).unwrap();
    assert_eq!(peer.turn(), last_text("x"));
    assert!(peer.wire.is_losing());
}

#[test]
fn a_peer_that_ends_between_or_inside_requests_is_let_go() {
    for bytes in ["", "GE", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\na"] {
        let mut peer = serve(|request: Request| request.collect(10).add_callback(|_| Ok(Response::text("x"))));
        peer.send(bytes);
        assert_eq!(peer.end_sending(), "");
        assert!(peer.wire.is_losing());
    }
}

#[test]
fn a_service_is_cancelled_when_its_peer_is_gone() {
    let (mut peer, slot, cancelled) = answering_later();
    peer.send(get("/"));
    peer.lose();
    assert_eq!(cancelled.get(), 1);
    drop(slot.take());
}

#[test]
fn a_stop_closes_what_is_idle_and_answers_what_is_asked() {
    let mut peer = serve(super::echo);
    peer.send(get("/"));
    peer.protocol.reactor_stopping(&peer.transport.clone());
    assert!(peer.wire.is_losing());

    let (mut peer, slot, _) = answering_later();
    peer.send([get("/1"), get("/2")].concat());
    peer.protocol.reactor_stopping(&peer.transport.clone());
    assert!(peer.is_open());
    slot.take().unwrap().callback(Response::text("x")).unwrap();
    assert_eq!(peer.turn(), last_text("x"));
    assert!(peer.wire.is_losing() && slot.borrow().is_none(), "the second is not served any more");
}

#[test]
fn a_stop_ends_events_in_an_orderly_way() {
    let senders = Rc::default();
    let kept: Slot<_> = Rc::clone(&senders);
    let mut peer = serve(move |_request| {
        let (response, sender) = Response::events();
        *kept.borrow_mut() = Some(sender);
        response
    });
    peer.send(get("/"));
    peer.protocol.reactor_stopping(&peer.transport.clone());
    assert_eq!(peer.turn(), "0\r\n\r\n");
    assert!(peer.wire.is_losing() && senders.borrow().as_ref().unwrap().is_gone());
}

#[test]
fn a_service_that_drops_everything_leaves_nothing_behind() {
    // The connection, its request and its service hold each other in no circle.
    let alive: Rc<()> = Rc::default();
    let held = alive.clone();
    let server = HttpServer::new(&ManualClock::new(), move |request: Request| {
        let held = held.clone();
        request.collect(10).add_callback(move |_| {
            let _held = held;
            Ok(Response::text("x"))
        })
    });
    let mut peer = Peer::new(&server);
    peer.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\na");
    assert_eq!(Rc::strong_count(&alive), 3);
    peer.lose();
    drop(peer);
    assert_eq!(Rc::strong_count(&alive), 2);
    drop(server);
    assert_eq!(Rc::strong_count(&alive), 1);
}
