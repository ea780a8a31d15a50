//! Turns, phases, waiting, and the callbacks in them.

use super::reading::Events;
use super::util::until;
use super::{Echo, traced};
use reactor::{Protocol, Transport};
use std::cell::Cell;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::rc::Rc;
use std::time::Duration;

const MS: Duration = Duration::from_millis(1);

#[test]
fn an_echo_is_told_from_the_event_to_the_reply() {
    let (reactor, reader) = traced();
    let port = reactor.listen_tcp("127.0.0.1:0", |_| Echo).unwrap();
    let mut client = TcpStream::connect(port.host()).unwrap();
    until(&reactor, "it is accepted", || reactor.inventory().connections.len() == 1);
    let before = reader.lines().len();
    client.write_all(b"hello").unwrap();
    client.set_nonblocking(true).unwrap();
    until(&reactor, "the reply is there", || client.read(&mut [0; 16]).is_ok_and(|count| count == 5));
    drop((port, reactor));
    let events = Events::of(&reader);
    let read = events.0.iter().position(|event| event["bytes"] == "hello").unwrap();
    let turn = &events.0[read]["turn"];
    let is_in = |event: &&serde_json::Value| event["turn"] == *turn;
    let of_turn = events.0[before..].iter().filter(is_in).take(10).cloned().collect();
    let kinds = ["turn", "call", "ready", "phase", "callback_begin", "written", "callback_end", "turn_end"];
    let expected = [
        "turn",
        "poll 1",
        "ready",
        "phase",
        "read 5",
        "data_received",
        "written",
        "callback_end",
        "write 5",
        "turn_end",
    ];
    assert_eq!(Events(of_turn).story(&kinds), expected);
    let begin = events.of_kind("callback_begin").into_iter().find(|event| event["method"] == "data_received").unwrap();
    assert_eq!(begin["what"], "protocol");
    assert!(begin["object"].as_str().unwrap().ends_with("Echo"), "{begin}");
    assert_eq!(begin["socket"], events.0[read]["socket"]);
    assert!(begin["place"].as_str().unwrap().contains("loop_events.rs:"), "{begin}");
    assert!(begin["words"].as_str().unwrap().starts_with("data_received of "), "{begin}");
}

#[test]
fn a_turn_says_what_it_waits_for() {
    let (reactor, reader) = traced();
    reactor.iterate(Duration::ZERO).unwrap();
    reactor.call_later(20 * MS, || {});
    reactor.iterate(MS).unwrap();
    reactor.iterate(1000 * MS).unwrap();
    reactor.call_when_running(|| {});
    reactor.iterate(1000 * MS).unwrap();
    let stopper = reactor.clone();
    let handle = reactor.handle();
    reactor.call_when_running(move || {
        let _ = stopper.handle().call_from_thread(move |reactor| reactor.stop());
    });
    reactor.run().unwrap();
    drop((reactor, handle));
    let events = Events::of(&reader);
    let waits: Vec<_> =
        events.of_kind("turn").iter().map(|event| event["waits_for"].as_str().unwrap().to_owned()).collect();
    assert_eq!(waits[..4], ["limit", "limit", "timer", "nothing"]);
    let polls = events.calls("poll");
    assert!(polls[1]["took_ns"].as_u64().unwrap() >= 1_000_000, "{}", polls[1]);
    let whats: Vec<_> = events.of_kind("callback_begin").iter().map(|event| event["what"].clone()).collect();
    assert_eq!(whats[..3], ["timer", "soon_call", "soon_call"]);
    assert_eq!(whats[3], "thread_call");
    events.is_complete();
}

struct Panics;

impl Protocol for Panics {
    fn data_received(&mut self, _transport: &Transport, _data: &[u8]) {
        panic!("on purpose");
    }
}

#[test]
fn a_callback_that_panics_has_its_end() {
    let (reactor, reader) = traced();
    let port = reactor.listen_tcp("127.0.0.1:0", |_| Panics).unwrap();
    let mut client = TcpStream::connect(port.host()).unwrap();
    client.write_all(b"x").unwrap();
    until(&reactor, "it is accepted", || reactor.inventory().connections.len() == 1);
    until(&reactor, "it is over", || reactor.inventory().connections.is_empty());
    reactor.call_when_running(|| panic!("on purpose, too"));
    reactor.iterate(Duration::ZERO).unwrap();
    drop((port, reactor));
    let events = Events::of(&reader);
    events.is_complete();
    let ends = events.of_kind("callback_end").into_iter().filter(|event| event["panicked"] == true).count();
    assert_eq!(ends, 2);
    let end = events.only("ended");
    assert!(end["reason"].as_str().unwrap().contains("panic"), "{end}");
    assert_eq!(end["clean"], serde_json::Value::Null, "a flag that is not set is left out");
}

#[test]
fn what_a_callback_asks_for_happens_inside_it() {
    let (reactor, reader) = traced();
    let (inner, done) = (reactor.clone(), Rc::new(Cell::new(false)));
    let made = done.clone();
    reactor.call_when_running(move || {
        inner.call_later(Duration::ZERO, move || made.set(true));
    });
    until(&reactor, "the call is made", || done.get());
    let events = Events::of(&reader);
    let outer = events.of_kind("callback_begin").into_iter().find(|event| event["what"] == "soon_call").unwrap();
    let set = events.of_kind("timer_set").into_iter().find(|event| event["in"] == outer["callback"]).unwrap();
    let call = events.of_kind("callback_begin").into_iter().find(|event| event["timer"] == set["timer"]).unwrap();
    assert_eq!(call["place"], set["place"]);
}
