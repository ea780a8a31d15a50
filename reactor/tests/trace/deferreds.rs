//! What Deferreds tell: made, added, fired, each step's way in and out, waits, pauses, cancels, awaits, lists.

use super::reading::Events;
use super::traced;
use reactor::deferred::{self, Canceller, Others, Shared, deferred_list, gather_results, race};
use reactor::testing::collect_unhandled;
use reactor::trace::{Ring, Trace, name_next};
use reactor::{Deferred, Failure};
use serde_json::Value;
use std::cell::RefCell;
use std::future::pending;
use std::rc::Rc;
use std::time::Duration;

/// What Deferreds tell while `work` runs, with the values of usual types.
pub fn told(work: impl FnOnce()) -> Events {
    let (ring, reader) = Ring::new(10_000);
    Trace::new(ring).show_values().during(work);
    Events::of(&reader)
}

/// Each event in a word or two: its kind, the name or number of what it is about, and the result.
pub fn story(events: &Events) -> Vec<String> {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let told = events.0.iter().filter(|event| event["deferred"].is_u64());
    told.map(|event| {
        let mut words = vec![text(&event["kind"]).replace("deferred_", "")];
        let about = ["step", "list", "source", "to", "by"].into_iter().find(|key| event[key].is_u64());
        words.push(text(&event["deferred"]));
        words.extend(about.map(|key| format!("{key} {}", event[key])));
        words.extend(event["waits_for"].as_u64().map(|inner| format!("waits for {inner}")));
        words.extend(event["value"].as_str().map(str::to_owned));
        words.extend(event["error"].as_str().map(|error| format!("err {error}")));
        words.join(" ")
    })
    .collect()
}

/// The numbers of Deferreds and steps go on from one test of a thread to the next: counted from 1 here.
pub fn renumbered(mut events: Events) -> Events {
    for keys in [&["deferred", "waits_for", "list", "source", "to", "by"][..], &["step", "in_step"]] {
        let mut known: Vec<u64> = Vec::new();
        for event in &mut events.0 {
            for key in keys {
                let Some(number) = event[key].as_u64() else { continue };
                let at = known.iter().position(|known| *known == number).unwrap_or_else(|| {
                    known.push(number);
                    known.len() - 1
                });
                event[key] = (at + 1).into();
            }
        }
    }
    events
}

#[test]
fn a_chain_is_told_from_its_making_to_its_end() {
    let events = renumbered(told(|| {
        let (number, firer) = Deferred::<u32>::new();
        let chain = number
            .add_callback(|n| if n > 1 { Err(Failure::msg("too large")) } else { Ok(n) })
            .add_callback(|n| Ok(n + 1))
            .add_errback(|_failure| Ok(0));
        firer.callback(7).unwrap();
        drop(chain);
    }));
    let expected = [
        "made 1",
        "step_added 1 step 1",
        "step_added 1 step 2",
        "step_added 1 step 3",
        "fired 1 7",
        "step_begin 1 step 1 7",
        "step_end 1 step 1 err too large",
        "step_passed 1 step 2 err too large",
        "step_begin 1 step 3 err too large",
        "step_end 1 step 3 0",
        "gone 1",
    ];
    assert_eq!(story(&events), expected);
    let added = events.of_kind("step_added");
    assert_eq!(
        added.iter().map(|event| event["side"].as_str().unwrap()).collect::<Vec<_>>(),
        ["callback", "callback", "errback"]
    );
    assert!(added.iter().all(|event| event["place"].as_str().unwrap().contains("deferreds.rs:")));
    assert_eq!(events.only("deferred_fired")["type"], "u32");
    assert_eq!(events.of_kind("step_end")[0]["error_type"], "reactor::failure::Message");
    events.is_complete();
}

#[test]
fn a_chain_that_waits_names_what_it_waits_for() {
    let events = renumbered(told(|| {
        let (inner, firer) = Deferred::<u32>::new();
        let outer = deferred::succeed(1).add_callback(move |_| inner).add_callback(|n| Ok(n + 1));
        firer.callback(2).unwrap();
        assert_eq!(outer.result(), Some(3));
    }));
    let expected = [
        "made 1",
        "made 2",
        "step_added 2 step 1",
        "step_begin 2 step 1 1",
        "step_end 2 step 1 waits for 1",
        "step_added 2 step 2",
        "fired 1 2",
        "resumed 2 2",
        "step_begin 2 step 2 2",
        "step_end 2 step 2 3",
        "gone 1",
    ];
    let told: Vec<_> = story(&events);
    assert_eq!(told, expected);
}

#[test]
fn steps_nest_and_say_in_which_step_a_firing_happened() {
    let events = renumbered(told(|| {
        let ((first, fire_first), (second, fire_second)) = (Deferred::<u32>::new(), Deferred::<u32>::new());
        let second = second.add_callback(|_| ());
        let first = first.add_callback(move |n| fire_second.callback(n).unwrap());
        fire_first.callback(1).unwrap();
        drop((first, second));
    }));
    let begins = events.of_kind("step_begin");
    assert_eq!((&begins[0]["in_step"], &begins[1]["in_step"]), (&Value::Null, &begins[0]["step"]));
    assert_eq!(events.of_kind("deferred_fired")[1]["in_step"], begins[0]["step"]);
}

#[test]
fn a_step_that_panics_has_its_end() {
    let events = told(|| {
        let (number, firer) = Deferred::<u32>::new();
        let chain = number.add_callback(|_| -> Result<u32, Failure> { panic!("on purpose") }).add_errback(|_| Ok(0));
        let fired = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| firer.callback(1)));
        assert!(fired.is_err());
        assert_eq!(chain.result(), Some(0));
    });
    let ends = events.of_kind("step_end");
    assert_eq!((&ends[0]["panicked"], &ends[1]["value"]), (&Value::Bool(true), &Value::from("0")));
    assert_eq!(events.of_kind("step_begin")[1]["in_step"], Value::Null, "the step that panicked is over");
}

#[test]
fn pauses_cancels_and_refusals_are_told() {
    let events = renumbered(told(|| {
        let (mut number, firer) = Deferred::<u32>::with_canceller(|firer| firer.callback(9).unwrap());
        let pause = number.pause();
        number.cancel();
        pause.unpause();
        assert!(firer.callback(1).is_err());
        assert_eq!(number.result(), Some(9));
        let (other, firer) = Deferred::<u32>::new();
        other.cancel();
        firer.callback(2).unwrap();
        assert!(firer.callback(3).is_err());
        drop(other.add_errback(|_| Ok(1)));
    }));
    let expected = [
        "made 1",
        "paused 1",
        "cancel_asked 1",
        "canceller_begin 1",
        "fired 1 9",
        "canceller_end 1",
        "unpaused 1",
        "refused 1",
        "made 2",
        "cancel_asked 2",
        "cancelled 2",
        "ignored 2",
        "refused 2",
        "step_added 2 step 1",
        "step_begin 2 step 1 err cancelled",
        "step_end 2 step 1 1",
        "gone 2",
        "gone 1",
    ];
    let told: Vec<_> = story(&events).into_iter().filter(|event| !event.starts_with("firers_gone")).collect();
    assert_eq!(told, expected);
}

#[test]
fn a_coroutine_is_a_deferred_whose_steps_are_its_runs() {
    let events = renumbered(told(|| {
        let (question, firer) = Deferred::<u32>::new();
        let answer = Deferred::from_future(async move { Ok(question.await? * 2) });
        firer.callback(21).unwrap();
        assert_eq!(answer.result(), Some(42));
    }));
    let expected = [
        "made 1",
        "made 2",
        "step_begin 2 step 1",
        "awaited 1 by 2",
        "step_end 2 step 1",
        "fired 1 21",
        "step_begin 2 step 2",
        "await_end 1 21",
        "step_end 2 step 2 42",
        "gone 1",
    ];
    assert_eq!(story(&events), expected);
    assert_eq!(events.of_kind("deferred_made")[1]["what"], "coroutine");
}

#[test]
fn a_cancel_that_drops_the_body_of_a_coroutine_is_told() {
    let expected = [
        "made 1",
        "step_begin 1 step 1",
        "step_end 1 step 1",
        "cancel_asked 1",
        "cancelled 1",
        "step_added 1 step 2",
        "step_begin 1 step 2 err cancelled",
        "step_end 1 step 2 7",
    ];
    let events = renumbered(told(|| {
        let answer = Deferred::from_future(pending::<Result<u32, Failure>>());
        answer.cancel();
        assert_eq!(answer.add_errback(|_| Ok(7)).result(), Some(7));
    }));
    assert_eq!(story(&events), expected);
    assert!(events.only("deferred_cancelled")["place"].as_str().unwrap().contains("deferreds.rs:"));
    // The same if the cancel comes while the body runs.
    let events = told(|| {
        let ((go, firer), me) = (Deferred::<()>::new(), Rc::new(RefCell::new(None::<Canceller>)));
        let own = me.clone();
        let answer = Deferred::from_future(async move {
            go.await?;
            own.take().iter().for_each(Canceller::cancel);
            pending::<Result<u32, Failure>>().await
        });
        me.replace(Some(answer.canceller()));
        let answer = answer.add_errback(|_| Ok(7));
        firer.callback(()).unwrap();
        assert_eq!(answer.result(), Some(7));
    });
    let coroutine = &events.of_kind("deferred_made")[1]["deferred"];
    assert_eq!(&events.only("deferred_cancelled")["deferred"], coroutine);
}

#[test]
fn an_await_that_finds_its_result_is_told_too() {
    let events = told(|| {
        let (fired, firer) = Deferred::<u32>::new();
        firer.callback(2).unwrap();
        let body = async move { Ok::<_, Failure>(deferred::succeed(1).await? + fired.await?) };
        assert_eq!(Deferred::from_future(body).result(), Some(3));
    });
    let made = events.of_kind("deferred_made");
    let kinds: Vec<_> = made.iter().map(|made| made["what"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["deferred", "coroutine", "result"]);
    let coroutine = &made[1]["deferred"];
    let (awaited, ends) = (events.of_kind("deferred_awaited"), events.of_kind("await_end"));
    for (number, (awaited, end)) in awaited.iter().zip(&ends).enumerate() {
        assert_eq!(awaited["deferred"], made[[2, 0][number]]["deferred"]);
        assert_eq!((&awaited["by"], &end["value"]), (coroutine, &["1", "2"][number].into()));
    }
    assert_eq!((awaited.len(), ends.len()), (2, 2));
}

#[test]
fn a_coroutine_and_a_list_that_can_never_fire_are_gone() {
    let gone = |work: fn()| {
        let events = told(work);
        let unfired = events.of_kind("deferred_gone").into_iter().filter(|event| event["fired"] != true);
        let gone: Vec<_> = unfired.map(|event| event["deferred"].clone()).collect();
        let made = events.of_kind("deferred_made");
        let kinds = made.iter().filter(|made| gone.contains(&made["deferred"])).map(|made| made["what"].clone());
        kinds.collect::<Vec<_>>()
    };
    assert_eq!(gone(|| drop(Deferred::from_future(pending::<Result<u32, Failure>>()))), ["coroutine"]);
    assert_eq!(
        gone(|| {
            let ((one, firer), (other, _)) = (Deferred::<u32>::new(), Deferred::<u32>::new());
            let list = gather_results([one, other], Others::LeaveRunning);
            firer.callback(1).unwrap();
            drop(list);
        }),
        ["deferred", "list"]
    );
    // What has fired needs no such end.
    assert_eq!(
        gone(|| {
            let answer = Deferred::from_future(async { Ok(1) });
            drop(gather_results([answer], Others::LeaveRunning));
        }),
        [""; 0]
    );
}

#[test]
fn a_body_that_panics_has_its_end_and_the_failure_goes_on() {
    let events = renumbered(told(|| {
        let (question, firer) = Deferred::<u32>::new();
        let answer = Deferred::from_future(async move {
            let _answer: u32 = question.await?;
            panic!("on purpose")
        });
        let answer = answer.add_callback(|number: u32| Ok(number)).add_errback(|_| Ok(7));
        let fired = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| firer.callback(21)));
        assert!(fired.is_err());
        assert_eq!(answer.result(), Some(7));
    }));
    let expected = [
        "made 1",
        "made 2",
        "step_begin 2 step 1",
        "awaited 1 by 2",
        "step_end 2 step 1",
        "step_added 2 step 2",
        "step_added 2 step 3",
        "fired 1 21",
        "step_begin 2 step 4",
        "await_end 1 21",
        "step_end 2 step 4",
        "step_passed 2 step 2 err a callback panicked: on purpose",
        "step_begin 2 step 3 err a callback panicked: on purpose",
        "step_end 2 step 3 7",
        "gone 1",
    ];
    assert_eq!(story(&events), expected);
    let panicked: Vec<_> = events.of_kind("step_end").iter().map(|end| end["panicked"] == true).collect();
    assert_eq!(panicked, [false, true, false]);
}

#[test]
fn lists_races_and_shared_results_name_their_inputs() {
    let events = renumbered(told(|| {
        let ((slow, fire_slow), (fast, fire_fast)) = (Deferred::<u32>::new(), Deferred::<u32>::new());
        let winner = race([slow, fast], Others::Cancel);
        fire_fast.callback(2).unwrap();
        assert_eq!(winner.result(), Some((1, 2)));
        drop(fire_slow);
    }));
    let lists: Vec<_> = story(&events).into_iter().filter(|event| event.contains("list")).collect();
    assert_eq!(lists, ["list_joined 1 list 3", "list_joined 2 list 3", "list_decided 3 (1, 2)"]);
    assert_eq!(events.only("list_decided")["index"], 1);
    assert_eq!(events.of_kind("deferred_made")[2]["what"], "race");
    let events = renumbered(told(|| {
        let (answer, firer) = Deferred::<u32>::new();
        let shared = Shared::new(answer);
        let both = gather_results([shared.wait(), shared.wait()], Others::LeaveRunning);
        firer.callback(3).unwrap();
        assert_eq!(both.result(), Some(vec![3, 3]));
    }));
    let shares: Vec<_> = story(&events).into_iter().filter(|event| event.starts_with("shares")).collect();
    assert_eq!(shares, ["shares 2 source 1", "shares 3 source 1"]);
    assert_eq!(events.of_kind("deferred_fired").len(), 3);
}

#[test]
fn an_input_that_has_its_result_already_is_told_with_it() {
    let events = renumbered(told(|| {
        let (later, firer) = Deferred::<u32>::new();
        let failed = deferred::fail(Failure::msg("no"));
        let all = deferred_list(vec![later, deferred::succeed(4), failed]);
        firer.callback(1).unwrap();
        assert_eq!(all.result().unwrap().len(), 3);
    }));
    let joined: Vec<_> = story(&events).into_iter().filter(|event| !event.starts_with("list_decided")).collect();
    let expected = [
        "made 1",
        "made 2",
        "list_joined 1 list 2",
        "made 3",
        "list_joined 3 list 2 4",
        "made 4",
        "list_joined 4 list 2 err no",
        "fired 1 1",
    ];
    assert_eq!(joined[..expected.len()], expected, "{joined:?}");
    let whats: Vec<_> = events.of_kind("deferred_made").iter().map(|event| event["what"].clone()).collect();
    assert_eq!(whats, ["deferred", "list", "result", "result"]);
}

#[test]
fn a_loss_that_was_to_be_expected_is_not_told_as_one() {
    let events = told(|| {
        let ((detached, firer), (held, last), (alone, only)) =
            (Deferred::<u32>::new(), Deferred::<u32>::new(), Deferred::<u32>::new());
        detached.add_callback(|n| Ok(n + 1)).detach();
        drop((firer, alone, only));
        // Nobody had added anything yet: it is looked at again when it goes.
        drop(last);
        drop(held.add_callback(|n| Ok(n + 1)));
    });
    let kinds: Vec<_> = story(&events).iter().map(|event| event.split(' ').next().unwrap_or("").to_owned()).collect();
    assert_eq!(kinds.iter().filter(|kind| *kind == "lost").count(), 2, "{kinds:?}");
    assert_eq!(kinds.iter().filter(|kind| *kind == "gone").count(), 3, "{kinds:?}");
}

#[test]
fn a_result_that_is_handed_on_is_told_on_both_sides() {
    let events = renumbered(told(|| {
        let ((one, fire), (other, fire_other)) = (Deferred::<u32>::new(), Deferred::<u32>::new());
        one.chain_deferred(fire_other).detach();
        fire.callback(5).unwrap();
        assert_eq!(other.result(), Some(5));
    }));
    let told: Vec<_> = story(&events);
    assert_eq!(told[2..6], ["will_hand_on 1 to 2", "fired 1 5", "handed_on 1 to 2", "fired 2 5"]);
}

#[test]
fn what_never_fires_and_what_nobody_handled_is_told() {
    let events = renumbered(told(|| {
        let (number, firer) = Deferred::<u32>::new();
        let chain = number.add_callback(|n| Ok(n + 1));
        drop(firer);
        drop(chain);
        let unhandled = collect_unhandled(|| drop(deferred::fail::<u32>(Failure::msg("nobody listens"))));
        assert_eq!(unhandled.len(), 1);
    }));
    assert_eq!(story(&events), ["made 1", "step_added 1 step 1", "firers_gone 1", "lost 1", "gone 1"]);
    assert_eq!(events.only("deferred_gone")["fired"], Value::Null);
    let unhandled = events.only("unhandled");
    assert_eq!(unhandled["error"], "nobody listens");
    assert!(unhandled["words"].as_str().unwrap().contains("raised at "), "{unhandled}");
}

#[test]
fn values_are_shown_only_if_the_program_asked_and_secrets_never() {
    let work = || {
        let (text, firer) = Deferred::<String>::new();
        let end = text.add_callback(|text| -> Result<u8, Failure> { Err(Failure::msg(format!("no page {text}"))) });
        firer.callback("key k3y-Z9".to_owned()).unwrap();
        let _ = collect_unhandled(|| drop(end));
    };
    for shows in [false, true] {
        let (ring, reader) = Ring::new(100);
        let trace = Trace::new(ring);
        let trace = if shows { trace.show_values() } else { trace };
        trace.mask(b"k3y-Z9");
        trace.during(work);
        let text = reader.lines().join("\n");
        assert_eq!(text.contains(r#""value":"\"key ******\"""#), shows, "{text}");
        assert!(!text.contains("k3y-Z9") && text.contains("no page key ******"), "{text}");
    }
}

#[test]
fn a_name_is_for_the_next_one_only() {
    let events = told(|| {
        name_next("answer");
        let (answer, firer) = Deferred::<u32>::new();
        name_next(7);
        let chain = answer.add_callback(|n| Ok(n + 1)).add_callback(|_| ());
        firer.callback(1).unwrap();
        drop(chain);
    });
    assert_eq!(events.only("deferred_made")["name"], "answer");
    let names: Vec<_> = events.of_kind("step_added").iter().map(|event| event["name"].clone()).collect();
    assert_eq!(names, [Value::from("7"), Value::Null]);
}

#[test]
fn deferreds_of_a_reactor_are_told_in_its_turn_and_callback() {
    let (reactor, reader) = traced();
    let (answer, firer) = Deferred::<u32>::new();
    let chain = answer.add_callback(|_| ());
    reactor.call_later(Duration::ZERO, move || firer.callback(1).unwrap());
    while !chain.has_fired() {
        reactor.iterate(Duration::from_secs(1)).unwrap();
    }
    drop((chain, reactor));
    let (after, firer) = Deferred::<u32>::new();
    drop((after.add_callback(|_| ()), firer));
    let events = Events::of(&reader);
    assert_eq!(events.only("deferred_made")["phase"], "outside");
    let fired = events.only("deferred_fired");
    assert_eq!((&fired["phase"], &fired["in"]), (&"timers".into(), &events.of_kind("callback_begin")[0]["callback"]));
    events.is_complete();
}

#[test]
fn a_deferred_that_is_older_than_the_trace_stays_untold() {
    let (older, firer) = Deferred::<u32>::new();
    let events = told(|| {
        let chain = older.add_callback(|n| Ok(n + 1));
        firer.callback(1).unwrap();
        assert_eq!(chain.result(), Some(2));
    });
    assert!(story(&events).is_empty(), "{:?}", story(&events));
}
