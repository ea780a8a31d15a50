//! A trace is bounded, whatever its program does, and does no harm to it.

use super::reading::Events;
use super::traced;
use reactor::trace::{Event, Ring, Trace, TraceFile};
use reactor::{Reactor, Settings};
use std::cell::RefCell;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::{Duration, Instant};

fn turns(reactor: &Reactor, count: usize) {
    (0..count).for_each(|_| reactor.iterate(Duration::ZERO).unwrap());
}

fn file(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("reactor-trace-{name}-{}.jsonl", std::process::id()))
}

#[test]
fn a_file_is_whole_when_the_reactor_is_gone() {
    let path = file("whole");
    let reactor = Reactor::traced(Trace::new(TraceFile::create(&path).unwrap()), Settings::default()).unwrap();
    turns(&reactor, 2000);
    drop(reactor);
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::remove_file(path).unwrap();
    assert_eq!(Events::parse(&text).is_complete().of_kind("turn").len(), 2000);
}

#[test]
fn a_file_that_is_full_says_so_and_ends() {
    let path = file("full");
    let to = TraceFile::create(&path).unwrap().max_size(1000);
    let reactor = Reactor::traced(Trace::new(to), Settings::default()).unwrap();
    turns(&reactor, 100);
    drop(reactor);
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::remove_file(path).unwrap();
    let (head, last) = text.trim_end().rsplit_once('\n').unwrap();
    assert!(head.len() < 1000 && head.len() > 800, "{}", head.len());
    Events::parse(head);
    let last: serde_json::Value = serde_json::from_str(last).unwrap();
    assert_eq!((&last["kind"], &last["max_size"]), (&"cut".into(), &1000.into()));
}

#[test]
fn a_loop_that_waits_has_written_what_it_did() {
    let path = file("waits");
    let reactor = Reactor::traced(Trace::new(TraceFile::create(&path).unwrap()), Settings::default()).unwrap();
    reactor.call_later(Duration::from_millis(1), || {});
    reactor.iterate(Duration::from_millis(2)).unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::remove_file(path).unwrap();
    assert!(text.contains("timer_set") && text.ends_with('\n'), "{text}");
}

#[test]
fn a_callback_that_hangs_is_in_the_file_while_it_does() {
    let path = file("hangs");
    let reactor = Reactor::traced(Trace::new(TraceFile::create(&path).unwrap()), Settings::default()).unwrap();
    let (read, seen) = (path.clone(), Rc::new(RefCell::new(String::new())));
    let text = seen.clone();
    reactor.call_later(Duration::ZERO, move || {
        let deadline = Instant::now() + Duration::from_secs(20);
        while !text.borrow().contains("callback_begin") && Instant::now() < deadline {
            text.replace(std::fs::read_to_string(&read).unwrap());
        }
    });
    turns(&reactor, 2);
    std::fs::remove_file(path).unwrap();
    let seen = seen.take();
    assert!(seen.contains("callback_begin") && seen.ends_with('\n'), "{seen}");
}

#[test]
fn a_run_that_has_ended_is_written_though_the_reactor_lives() {
    let path = file("run");
    let reactor = Reactor::traced(Trace::new(TraceFile::create(&path).unwrap()), Settings::default()).unwrap();
    reactor.stop();
    reactor.run().unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::remove_file(path).unwrap();
    assert_eq!(Events::parse(&text).of_kind("turn_end").len(), 1, "{text}");
}

#[test]
fn a_ring_keeps_the_last_events() {
    let (ring, reader) = Ring::new(10);
    let reactor = Reactor::traced(Trace::new(ring), Settings::default()).unwrap();
    turns(&reactor, 100);
    let lines = reader.lines();
    assert_eq!(lines.len(), 10);
    assert!(lines[9].contains("turn_end") && lines[9].contains("\"turn\":100,"), "{}", lines[9]);
    let all = reactor.trace().unwrap().event_count();
    assert_eq!(reader.dropped(), all - 10);
    let (none, reader) = Ring::new(0);
    turns(&Reactor::traced(Trace::new(none), Settings::default()).unwrap(), 2);
    assert!(reader.lines().is_empty());
}

#[test]
fn an_observer_that_panics_ends_the_trace_and_nothing_else() {
    let mut left = 3;
    let observer = move |_: &Event<'_>| {
        left -= 1;
        assert!(left > 0, "on purpose");
    };
    let reactor = Reactor::traced(Trace::new(observer), Settings::default()).unwrap();
    turns(&reactor, 10);
    assert_eq!(reactor.trace().unwrap().event_count(), 3);
}

#[test]
fn what_an_observer_does_is_not_reported() {
    let (reactor, reader) = traced();
    let inner = reactor.clone();
    let count = std::rc::Rc::new(std::cell::Cell::new(0));
    let events = count.clone();
    let observer = move |_: &Event<'_>| {
        events.set(events.get() + 1);
        inner.call_later(Duration::ZERO, || {}).cancel();
    };
    let other = Reactor::traced(Trace::new(observer), Settings::default()).unwrap();
    let before = count.get();
    turns(&other, 1);
    assert_eq!(count.get() - before, 3, "turn, poll, turn_end");
    Events::of(&reader);
}
