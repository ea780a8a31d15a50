//! What the library's own callers of callbacks tell: locks, and a program that is one Deferred.

use super::deferreds::{renumbered, story, told};
use super::reading::Events;
use super::traced;
use reactor::deferred::DeferredLock;
use reactor::{Deferred, Failure, task};
use std::time::Duration;

#[test]
fn work_under_a_free_lock_is_told_and_what_it_waits_for() {
    let events = renumbered(told(|| {
        let lock = DeferredLock::new();
        let (work, firer) = Deferred::<u32>::new();
        let answer = lock.run(move || work).add_callback(|n| Ok(n + 1));
        firer.callback(1).unwrap();
        drop(answer);
    }));
    let story = story(&events);
    let position =
        |what: &str| story.iter().position(|line| line == what).unwrap_or_else(|| panic!("{what}: {story:#?}"));
    let order =
        ["step_begin 2 step 1", "step_added 1 step 2", "step_end 2 step 1 waits for 1", "fired 1 1", "resumed 2 1"];
    let places: Vec<usize> = order.iter().map(|what| position(what)).collect();
    assert!(places.is_sorted(), "{story:#?}");
    assert!(story.iter().any(|line| line.starts_with("step_end 2 step") && line.ends_with(" 2")), "{story:#?}");
}

#[test]
fn work_that_waited_for_a_lock_is_told_as_its_callback() {
    let events = renumbered(told(|| {
        let lock = DeferredLock::new();
        let held = lock.acquire().result().unwrap();
        let answer = lock.run(|| Err::<(), _>(Failure::msg("no"))).add_errback(|_no| Ok(()));
        drop(held);
        drop(answer);
    }));
    let story = story(&events);
    assert!(story.iter().any(|line| line == "step_end 1 step 1 err no"), "{story:#?}");
}

#[test]
fn a_pair_of_callbacks_is_told_apart_from_a_function_for_both() {
    let events = told(|| {
        let (number, firer) = Deferred::<u32>::new();
        let chain = number.add_callbacks(Ok, |_failure| Ok(0)).add_both(|_result| Ok(()));
        firer.callback(1).unwrap();
        drop(chain);
    });
    let sides: Vec<&str> = events.0.iter().filter_map(|event| event["side"].as_str()).collect();
    assert_eq!(sides, ["pair", "both"]);
}

#[test]
fn a_program_that_is_one_deferred_is_not_cancelled_at_its_end() {
    let (reactor, reader) = traced();
    let main = task::sleep(&reactor, Duration::from_millis(1)).add_callback(|()| Ok(42));
    assert_eq!(reactor.run_until(main).unwrap(), 42);
    drop(reactor);
    let events = Events::of(&reader);
    let kinds: Vec<&str> = events.0.iter().filter_map(|event| event["kind"].as_str()).collect();
    assert!(!kinds.contains(&"cancel_asked"), "{kinds:?}");
    let made = events.0.iter().filter(|event| event["kind"] == "deferred_made").count();
    assert_eq!(made, 1, "{:#?}", events.0);
}

#[test]
fn a_reactor_that_its_own_calls_hold_has_an_end_when_it_is_closed() {
    let (reactor, reader) = traced();
    let held = reactor.clone();
    reactor.call_later(Duration::from_secs(3600), move || held.stop());
    reactor.stop();
    reactor.run().unwrap();
    reactor.close().unwrap();
    drop(reactor);
    let events = Events::of(&reader);
    assert_eq!(events.0.last().unwrap()["kind"], "end");
    assert_eq!(events.0.iter().filter(|event| event["kind"] == "end").count(), 1);
}
