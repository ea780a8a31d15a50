//! Bodies that are written piece by piece, and events.

use super::{Peer, get, serve, serve_with, text};
use reactor::http::server::{BodyWriter, Event, EventChannel, EventSender, HttpServer, Request, Response};
use reactor::testing::{ManualClock, assert_no_result};
use reactor::{Producer, Reactor};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

type Slot<T> = Rc<RefCell<Option<T>>>;

/// A server whose writers the test gets.
fn streaming() -> (Peer, Slot<BodyWriter>) {
    let slot: Slot<BodyWriter> = Rc::default();
    let writers = slot.clone();
    let peer = serve(move |_request| {
        let (response, writer) = Response::stream("text/plain")?;
        writer.write(b"first");
        *writers.borrow_mut() = Some(writer);
        Ok(response)
    });
    (peer, slot)
}

const HEAD: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n";

#[test]
fn a_stream_goes_out_in_chunks_and_then_the_connection_goes_on() {
    let (mut peer, slot) = streaming();
    assert_eq!(peer.send([get("/"), get("/")].concat()), format!("{HEAD}5\r\nfirst\r\n"));
    assert_eq!(peer.wire.write_count(), 1, "head and first piece in one");
    let writer = slot.take().unwrap();
    writer.write(b"");
    writer.write(&[b'x'; 26]);
    assert_eq!(peer.turn(), format!("1a\r\n{}\r\n", "x".repeat(26)));
    writer.finish();
    assert_eq!(peer.turn(), format!("0\r\n\r\n{HEAD}5\r\nfirst\r\n"));
}

#[test]
fn a_stream_that_is_complete_at_once_has_a_length() {
    let mut peer = serve(|_request| {
        let (response, writer) = Response::stream("text/plain; charset=utf-8")?;
        writer.write(b"all ");
        writer.write(b"of it");
        writer.finish();
        Ok(response)
    });
    assert_eq!(peer.send(get("/")), text("all of it"));
}

#[test]
fn the_end_of_the_connection_ends_a_stream_in_http_1_0() {
    let (mut peer, slot) = streaming();
    let answer = peer.send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    assert_eq!(answer, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\nfirst");
    slot.take().unwrap().finish();
    assert!(peer.wire.is_losing());
}

#[test]
fn a_stream_in_response_to_head_is_not_written() {
    let (mut peer, slot) = streaming();
    assert_eq!(peer.send("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n"), HEAD);
    let writer = slot.take().unwrap();
    assert!(writer.is_gone());
    writer.write(b"lost");
    writer.finish();
    assert_eq!(peer.turn(), "");
    assert!(peer.is_open());
}

#[test]
fn a_writer_that_is_dropped_breaks_its_response_off() {
    let (mut peer, slot) = streaming();
    peer.send(get("/"));
    drop(slot.take());
    assert!(peer.wire.is_aborted(), "it must not look complete");
    // Also before the response has gone out.
    let mut peer = serve(|_request| Ok(Response::stream("text/plain")?.0));
    assert_eq!(peer.send(get("/")), "");
    assert!(peer.wire.is_aborted());
}

#[test]
fn what_is_written_before_the_response_goes_out_is_bounded() {
    let mut peer = serve(|_request| {
        let (response, writer) = Response::stream("text/plain")?;
        (0..20).for_each(|_| writer.write(&[0; 100_000]));
        assert!(writer.is_gone());
        Ok(response)
    });
    peer.send(get("/"));
    assert!(peer.wire.is_aborted());
}

#[test]
fn a_writer_hears_when_its_peer_is_gone() {
    let (mut peer, slot) = streaming();
    peer.send(get("/"));
    let gone = slot.borrow().as_ref().unwrap().when_gone();
    assert_no_result(&gone);
    peer.lose();
    assert!(gone.has_fired());
    let writer = slot.take().unwrap();
    assert!(writer.is_gone() && writer.when_gone().has_fired());
    writer.write(b"lost");
}

#[derive(Default)]
struct Noted(Cell<u32>);

impl Producer for Noted {
    fn pause_producing(&self) {}
    fn resume_producing(&self) {
        self.0.set(self.0.get() + 1);
    }
}

#[test]
fn a_producer_is_registered_with_the_connection_until_the_body_is_finished() {
    let noted: Rc<Noted> = Rc::default();
    let slot: Slot<BodyWriter> = Rc::default();
    let (producer, writers) = (noted.clone(), slot.clone());
    let mut peer = serve(move |_request| {
        let (response, writer) = Response::stream("text/plain")?;
        writer.register_producer(producer.clone());
        *writers.borrow_mut() = Some(writer);
        Ok(response)
    });
    peer.send(get("/"));
    peer.wire.producer().expect("it is registered").resume_producing();
    assert_eq!(noted.0.get(), 1);
    slot.take().unwrap().finish();
    assert!(peer.wire.producer().is_none());
}

const EVENTS: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-store\r\n\
                      X-Accel-Buffering: no\r\nTransfer-Encoding: chunked\r\n\r\n";

fn listening() -> (Peer, ManualClock, Slot<EventSender>) {
    let slot: Slot<EventSender> = Rc::default();
    let senders = slot.clone();
    let (peer, clock) = serve_with(
        |_| {},
        move |_request| {
            let (response, sender) = Response::events();
            *senders.borrow_mut() = Some(sender);
            response
        },
    );
    (peer, clock, slot)
}

#[test]
fn events_go_out_as_they_happen_and_comments_between() {
    let (mut peer, clock, slot) = listening();
    assert_eq!(peer.send(get("/")), EVENTS);
    let sender = slot.take().unwrap();
    sender.send(&Event::data("a\nb"));
    assert_eq!(peer.turn(), "11\r\ndata: a\ndata: b\n\n\r\n");
    clock.advance(super::seconds(15));
    assert_eq!(peer.turn(), "", "an event has come since");
    clock.advance(super::seconds(15));
    assert_eq!(peer.turn(), "3\r\n:\n\n\r\n");
    drop(sender);
    assert_eq!(peer.turn(), "0\r\n\r\n", "an orderly end: the client comes back");
    assert_eq!(peer.send(get("/")), EVENTS);
}

#[test]
fn a_listener_that_ends_its_side_is_gone() {
    let (mut peer, _clock, slot) = listening();
    peer.send(get("/"));
    peer.end_sending();
    assert!(peer.wire.is_losing() && slot.take().unwrap().is_gone());
}

#[test]
fn a_channel_knows_its_subscribers() {
    let channel = EventChannel::new();
    let counts: Rc<RefCell<Vec<usize>>> = Rc::default();
    let noted = counts.clone();
    channel.on_change(move |channel| {
        noted.borrow_mut().push(channel.subscriber_count());
        channel.publish(&Event::data(channel.subscriber_count().to_string()));
    });
    let subscribers = channel.clone();
    let server = HttpServer::new(&ManualClock::new(), move |_request: Request| subscribers.subscribe());
    let mut peers = [Peer::new(&server), Peer::new(&server)];
    assert_eq!(peers[0].send(get("/")), format!("{EVENTS}9\r\ndata: 1\n\n\r\n"), "head and event in one write");
    peers[1].send(get("/"));
    assert_eq!(peers[0].turn(), "9\r\ndata: 2\n\n\r\n");
    peers[1].lose();
    assert_eq!(peers[0].turn(), "9\r\ndata: 1\n\n\r\n");
    peers[0].lose();
    assert_eq!(*counts.borrow(), [1, 2, 1, 0]);
}

#[test]
fn a_channel_may_go_by_turns_and_each_subscriber_gets_all_in_order() {
    let reactor = Reactor::new().unwrap();
    let channel = EventChannel::new().in_turns(&reactor);
    let subscribers = channel.clone();
    let server = HttpServer::new(&ManualClock::new(), move |_request: Request| subscribers.subscribe());
    let subscriber = || {
        let mut peer = Peer::new(&server);
        peer.send(get("/"));
        peer
    };
    let mut peers: Vec<Peer> = (0..40).map(|_| subscriber()).collect();
    ["one", "two"].into_iter().for_each(|word| channel.publish(&Event::data(word)));
    peers.push(subscriber());
    peers[20].lose();
    let mut heard = vec![String::new(); peers.len()];
    let mut sent_at_once = Vec::new();
    loop {
        let news: Vec<String> = peers.iter_mut().map(Peer::turn).collect();
        let count = news.iter().map(|news| news.matches("data: ").count()).sum::<usize>();
        if count == 0 {
            break;
        }
        sent_at_once.push(count);
        heard.iter_mut().zip(news).for_each(|(heard, news)| heard.push_str(&news));
        reactor.iterate(Duration::ZERO).unwrap();
    }
    assert_eq!(sent_at_once, [16, 16, 16, 16, 14]);
    let both = "b\r\ndata: one\n\n\r\nb\r\ndata: two\n\n\r\n";
    for (number, heard) in heard.iter().enumerate() {
        let expected = if [20, 40].contains(&number) { "" } else { both };
        assert_eq!(heard, expected, "subscriber {number}");
    }
    assert_eq!(channel.subscriber_count(), 40);
    channel.publish(&Event::data("three"));
    // Somebody who publishes faster than the turns go.
    (0..70).for_each(|_| channel.publish(&Event::data("four")));
    let heard = |peer: &mut Peer| peer.turn().matches("data: four").count();
    assert!(peers.iter_mut().enumerate().all(|(number, peer)| number == 20 || heard(peer) >= 60), "few wait");
    drop((channel, server, peers));
    assert_eq!(reactor.delayed_call_count(), 0, "nothing is left behind");
}

#[test]
fn a_subscriber_may_first_hear_what_has_happened_before() {
    let channel = EventChannel::new();
    let subscribers = channel.clone();
    let server = HttpServer::new(&ManualClock::new(), move |_request: Request| {
        subscribers.subscribe_with(&Event::data("all so far"))
    });
    let mut peers = [Peer::new(&server), Peer::new(&server)];
    assert_eq!(peers[0].send(get("/")), format!("{EVENTS}12\r\ndata: all so far\n\n\r\n"));
    peers[1].send(get("/"));
    assert_eq!(peers[0].turn(), "", "the others do not hear it again");
    channel.publish(&Event::data("x"));
    assert_eq!(peers.each_mut().map(Peer::turn), ["9\r\ndata: x\n\n\r\n"; 2]);
}

#[test]
fn the_first_event_may_be_larger_than_what_waits_for_a_response() {
    let channel = EventChannel::new();
    let subscribers = channel.clone();
    let first = "x".repeat(3 << 20);
    let long = first.clone();
    let server =
        HttpServer::new(&ManualClock::new(), move |_request: Request| subscribers.subscribe_with(&Event::data(&*long)));
    let mut peer = Peer::new(&server);
    let sent = peer.send(get("/"));
    assert!(sent.ends_with(&format!("data: {first}\n\n\r\n")), "{} bytes", sent.len());
    channel.publish(&Event::data("x"));
    assert_eq!(peer.turn(), "9\r\ndata: x\n\n\r\n");
}

#[test]
fn a_subscription_that_is_never_sent_is_forgotten() {
    let channel = EventChannel::new();
    drop(channel.subscribe());
    channel.publish(&Event::data("x"));
    assert_eq!(channel.subscriber_count(), 0);
}
