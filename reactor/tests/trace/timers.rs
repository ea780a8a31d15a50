//! Delayed calls: asked for, moved, cancelled, made, and how late.

use super::reading::Events;
use super::traced;
use super::util::until;
use std::time::Duration;

const MS: Duration = Duration::from_millis(1);

#[test]
fn a_delayed_call_is_followed_from_its_request_to_its_end() {
    let (reactor, reader) = traced();
    let moved = reactor.call_later(1000 * MS, || {});
    moved.reset(2 * MS).unwrap();
    let cancelled = reactor.call_later(3000 * MS, || {});
    assert!(cancelled.cancel());
    assert!(!cancelled.cancel(), "only once");
    until(&reactor, "the call is made", || !moved.active());
    let events = Events::of(&reader);
    let [set, other, ..] = events.of_kind("timer_set")[..] else { panic!("two calls") };
    assert_eq!((&set["delay_ns"], &other["delay_ns"]), (&1_000_000_000.into(), &3_000_000_000_u64.into()));
    assert!(set["place"].as_str().unwrap().contains("timers.rs:"), "{set}");
    assert_eq!(events.of_kind("timer_moved")[0]["timer"], set["timer"]);
    assert_eq!(events.of_kind("timer_moved")[0]["delay_ns"], 2_000_000);
    assert_eq!(events.of_kind("timer_cancelled")[0]["timer"], other["timer"]);
    assert_ne!(set["timer"], other["timer"]);
    let made = events.of_kind("callback_begin")[0];
    assert_eq!((&made["what"], &made["timer"], &made["phase"]), (&"timer".into(), &set["timer"], &"timers".into()));
    let waited = made["ns"].as_u64().unwrap() - events.of_kind("timer_moved")[0]["ns"].as_u64().unwrap();
    let late = made["late_ns"].as_u64().unwrap();
    assert!(waited >= late, "{waited} {late}");
}

#[test]
fn a_callback_that_holds_the_loop_makes_calls_late() {
    let (reactor, reader) = traced();
    let late = reactor.call_later(MS, || {});
    let slow = reactor.clone();
    reactor.call_when_running(move || {
        let begin = slow.now();
        while slow.now() < begin + 20 * MS {
            std::hint::spin_loop();
        }
    });
    until(&reactor, "the late call is made", || !late.active());
    let events = Events::of(&reader);
    let begins = events.of_kind("callback_begin");
    let (blocker, victim) = (begins[0], begins.iter().find(|event| event["what"] == "timer").unwrap());
    let took = events.of_kind("callback_end")[0]["took_ns"].as_u64().unwrap();
    assert!(took >= 20_000_000 && blocker["place"].as_str().unwrap().contains("timers.rs:"), "{blocker}");
    assert!(victim["late_ns"].as_u64().unwrap() >= 18_000_000, "{victim}");
}
