//! What counts as fired in a verdict, and which callback a panic is of.

#[expect(dead_code, reason = "other tests look into the lines")]
mod util;

use lens::verdict::{About, Finding, Verdict};
use lens::views::ladder::Ladders;
use lens::views::waits::Waits;
use reactor::deferred::{self, deferred_list};
use reactor::sim::World;
use reactor::{Deferred, Failure, Reactor, Settings};
use std::future::pending;
use std::time::Duration;
use util::{Lines, model};

fn verdict(lines: &Lines) -> Verdict {
    Verdict::new(&lines.model())
}

#[track_caller]
fn only(verdict: &Verdict, about: About) -> &Finding {
    let found: Vec<_> = verdict.findings.iter().filter(|finding| finding.about == about).collect();
    assert_eq!(found.len(), 1, "{}", verdict.to_text());
    found[0]
}

#[test]
fn a_coroutine_that_is_cancelled_while_it_awaits_no_deferred_has_fired() {
    let lines = Lines::default();
    lines.stream().during(|| {
        let answer = Deferred::from_future(pending::<Result<u32, Failure>>());
        answer.cancel();
        assert_eq!(answer.add_errback(|_| Ok(7)).result(), Some(7));
    });
    assert!(lines.has(r#""kind":"deferred_cancelled""#));
    assert!(verdict(&lines).is_clean(), "{}", verdict(&lines).to_text());
}

#[test]
fn a_coroutine_that_is_dropped_is_gone() {
    let lines = Lines::default();
    lines.stream().during(|| {
        drop(Deferred::from_future(pending::<Result<u32, Failure>>()));
    });
    assert!(verdict(&lines).is_clean(), "{}", verdict(&lines).to_text());
}

#[test]
fn what_is_awaited_stands_in_the_ladder_of_the_coroutine_even_if_it_has_its_result() {
    let lines = Lines::default();
    lines.stream().during(|| {
        let (fired, firer) = Deferred::<u32>::new();
        let fired = fired.add_callback(|n| Ok(n + 1));
        firer.callback(1).unwrap();
        assert_eq!(Deferred::from_future(async move { Ok(fired.await? + 1) }).result(), Some(3));
    });
    let model = lines.model();
    let text = Ladders::new(&model).to_text();
    assert!(text.contains("awaited: Deferred 1"), "{text}");
    assert!(verdict(&lines).is_clean(), "{}", verdict(&lines).to_text());
}

#[test]
fn a_coroutine_that_nothing_can_wake_never_ends() {
    let lines = Lines::default();
    lines.stream().during(|| {
        let answer = Deferred::from_future(pending::<Result<u32, Failure>>()).add_errback(|_| Ok(7));
        std::mem::forget(answer);
    });
    let verdict = verdict(&lines);
    let finding = only(&verdict, About::NeverFired);
    assert!(finding.sentence.ends_with("can never end: nothing can wake it."), "{finding:?}");
    let waits = Waits::of(&lines.model()).to_text();
    assert!(waits.contains("can never end: nothing can wake it"), "{waits}");
}

#[test]
fn a_chain_of_which_a_callback_got_a_result_has_fired() {
    let made = r#""kind":"deferred_made","deferred":1,"what":"deferred","place":"a.rs:1:1""#;
    let added = r#""kind":"step_added","deferred":1,"step":1,"side":"errback","place":"a.rs:2:1""#;
    let failure = r#""failure":1,"error_type":"E","error":"it is down","raised":"a.rs:3:1""#;
    for got in ["step_begin", "step_passed"] {
        let got = format!(r#""kind":"{got}","deferred":1,"step":1,{failure}"#);
        let lines = [made, added, &got, r#""kind":"end""#];
        let text = (0..).zip(lines).map(|(seq, line)| format!("{{\"seq\":{seq},{line}}}\n"));
        let verdict = Verdict::new(&model(&text.collect::<String>()));
        assert!(verdict.is_clean(), "{}", verdict.to_text());
    }
}

#[test]
fn a_ladder_of_a_world_names_its_host_and_a_program_without_a_clock_has_no_time() {
    let made = |seq: u64, host: &str| {
        let made = r#""kind":"deferred_made","what":"deferred","place":"a.rs:1:1""#;
        format!("{{\"seq\":{seq},\"host\":\"{host}\",{made},\"deferred\":{seq}}}\n")
    };
    let two = model(&(made(1, "Alford") + &made(2, "Bolden")));
    let text = Ladders::new(&two).to_text();
    assert!(text.contains("Alford: Deferred 1 ") && text.contains("Bolden: Deferred 2 "), "{text}");
    assert!(Ladders::new(&two).to_svg().contains(">Bolden: Deferred 2<"));
    let one = model(&made(1, "Alford"));
    assert!(Ladders::new(&one).to_text().starts_with("Deferred 1 "), "one host needs no name");
    assert!(Verdict::new(&one).summary.starts_with("1 event without a clock: "), "{}", Verdict::new(&one).summary);
    let alike = model(&(1..4).map(|seq| made(seq, "Alford")).collect::<String>());
    let waits = Waits::of(&alike).to_text();
    assert!(waits.contains("Alford: 3 Deferreds, each of which has not been fired"), "{waits}");
}

/// A delayed call that a callback asked for, and a call that is made soon for a Deferred.
#[test]
fn a_request_has_the_deferreds_of_the_calls_that_it_caused() {
    let made = |number: u64, place: &str, within: &str| {
        format!(r#"{within}"kind":"deferred_made","deferred":{number},"what":"deferred","place":"{place}""#)
    };
    let begun = |callback: u64, rest: &str| format!(r#""kind":"callback_begin","callback":{callback},{rest}"#);
    let lines = [
        made(1, "a.rs:1:1", ""),
        r#""kind":"step_added","deferred":1,"step":1,"side":"callback","place":"a.rs:2:1""#.to_owned(),
        r#""in_step":1,"kind":"timer_set","timer":5,"delay_ns":1,"place":"a.rs:3:1""#.to_owned(),
        made(2, "a.rs:4:1", r#""in_step":1,"#),
        r#""kind":"timer_set","timer":6,"delay_ns":1,"place":"a.rs:5:1""#.to_owned(),
        begun(1, r#""what":"timer","timer":5,"place":"a.rs:3:1""#),
        made(3, "a.rs:6:1", r#""in":1,"#),
        begun(2, r#""what":"soon_call","place":"a.rs:4:1""#),
        made(4, "connector.rs:7:1", r#""in":2,"#),
        begun(3, r#""what":"timer","timer":6,"place":"a.rs:5:1""#),
        made(5, "a.rs:8:1", r#""in":3,"#),
        begun(4, r#""what":"soon_call","place":"a.rs:4:1""#),
        made(6, "connector.rs:7:1", r#""in":4,"#),
    ];
    let text: String = (0..).zip(lines).map(|(seq, line)| format!("{{\"seq\":{seq},{line}}}\n")).collect();
    let mut drawn: Vec<u64> = Ladders::of_request(&model(&text), 1).0.iter().map(|ladder| ladder.chain).collect();
    drawn.sort_unstable();
    assert_eq!(drawn, [1, 2, 3, 4]);
}

/// A world's end cuts its programs off in the midst of their work.
#[test]
fn what_has_not_fired_when_a_world_ends_is_no_mistake_unless_nothing_can_fire_it() {
    let lines = Lines::default();
    let world = World::new(1);
    world.trace_to(lines.stream());
    world.host("server", |_reactor| {
        let (later, firer) = Deferred::<u32>::new();
        let (never, last) = Deferred::<u32>::new();
        drop(last);
        std::mem::forget((later.add_callback(Ok), never.add_callback(Ok), firer));
    });
    world.run_for(Duration::from_secs(1));
    drop(world);
    let verdict = verdict(&lines);
    let finding = only(&verdict, About::NeverFired);
    assert!(finding.sentence.contains("its last Firer was dropped"), "{finding:?}");
}

#[test]
fn what_waits_when_the_loop_is_over_never_fired_though_the_program_then_drops_it() {
    let lines = Lines::default();
    let reactor = Reactor::traced(lines.stream(), Settings::default()).unwrap();
    let (answer, firer) = Deferred::<u32>::new();
    let answer = answer.add_callback(|n| Ok(n + 1));
    let stopping = reactor.clone();
    reactor.call_later(Duration::ZERO, move || stopping.stop());
    reactor.run().unwrap();
    drop((answer, firer, reactor));
    let verdict = verdict(&lines);
    let finding = only(&verdict, About::NeverFired);
    assert!(finding.sentence.ends_with("never fired before the end."), "{finding:?}");
    assert!(finding.details[0].ends_with("waits for its result"), "{finding:?}");
}

#[test]
fn what_was_lost_by_mistake_never_fired_even_if_it_is_gone_with_all_that_waited_for_it() {
    let lines = Lines::default();
    let mut lost_line = 0;
    lines.stream().during(|| {
        lost_line = line!() + 1;
        let (lost, firer) = Deferred::<u32>::new();
        lost.add_callback(|n| Ok(n + 1)).detach();
        drop(firer);
        // Nobody waits for this one.
        let (unwanted, firer) = Deferred::<u32>::new();
        drop((unwanted, firer));
    });
    let verdict = verdict(&lines);
    let finding = only(&verdict, About::NeverFired);
    assert!(finding.place.contains(&format!("fired.rs:{lost_line}:")), "{finding:?}");
    assert!(finding.sentence.ends_with("can never fire: its last Firer was dropped."), "{finding:?}");
    assert!(finding.details[0].starts_with("1 callback of "), "{finding:?}");
}

#[test]
fn an_inner_deferred_that_was_lost_never_fired_even_if_all_is_gone() {
    let lines = Lines::default();
    lines.stream().during(|| {
        let ((inner, lost), (outer, firer)) = (Deferred::<u32>::new(), Deferred::<u32>::new());
        let end = outer.add_callback(|_| inner).add_callback(|n| Ok(n + 1));
        firer.callback(1).unwrap();
        drop(lost);
        drop(end);
    });
    let verdict = verdict(&lines);
    let finding = only(&verdict, About::NeverFired);
    assert!(finding.details.iter().any(|line| line.ends_with("waits for it")), "{finding:?}");
}

#[test]
fn a_list_has_the_inputs_that_had_their_results_before_it() {
    let lines = Lines::default();
    lines.stream().during(|| {
        let (later, firer) = Deferred::<u32>::new();
        let failed = deferred::fail(Failure::msg("no page"));
        std::mem::forget((deferred_list(vec![later, deferred::succeed(4), failed]), firer));
    });
    let model = lines.model();
    let text = Ladders::new(&model).to_text();
    for expected in ["input 0", "input 1", "input 2", "has 4 from the start", "has Message \"no page\" from the start"]
    {
        assert!(text.contains(expected), "{expected}: {text}");
    }
    let waits = Waits::of(&model).to_text();
    assert!(waits.contains("waits for 1 of 3 inputs"), "{waits}");
}

#[test]
fn the_body_of_a_coroutine_has_a_box_of_its_own_and_its_result_begins_there() {
    let lines = Lines::default();
    lines.stream().during(|| {
        let (number, firer) = Deferred::<u32>::new();
        let end = Deferred::from_future(async move { Ok::<_, Failure>(number.await? + 1) });
        firer.callback(1).unwrap();
        assert_eq!(end.result(), Some(2));
    });
    let model = lines.model();
    let ladders = Ladders::new(&model);
    let text = ladders.to_text();
    assert_eq!(text.matches(" ▒▒▒▒▒ ").count(), 2, "{text}");
    assert!(!text.contains('□') && !text.contains('┛') && text.contains("▒: the body of a coroutine"), "{text}");
    let svg = ladders.to_svg();
    assert_eq!(svg.matches("class=\"bodybox\"").count(), 2, "{svg}");
    assert!(!svg.contains(">cb<") && svg.contains(">async: the body"), "{svg}");
    // The last row has its value on the lane of values, and nothing on the other one.
    let lit = |class: &str| svg.matches(&format!("<polyline class=\"{class}\"")).count();
    assert_eq!((lit("ok"), lit("err")), (3, 0), "{svg}");
}

#[test]
fn what_is_paused_for_ever_is_told() {
    let lines = Lines::default();
    lines.stream().during(|| {
        let (mut number, firer) = Deferred::<u32>::new();
        let pause = number.pause();
        let chain = number.add_callback(|n| Ok(n + 1));
        firer.callback(1).unwrap();
        std::mem::forget((chain, pause));
    });
    let verdict = verdict(&lines);
    let finding = only(&verdict, About::NeverFired);
    assert!(finding.sentence.ends_with("has its result, and was still paused at the end."), "{finding:?}");
    assert!(finding.details.iter().any(|line| line.starts_with("1 callback of ")), "{finding:?}");
}

#[test]
fn what_is_to_get_the_result_of_another_waits_for_it() {
    let lines = Lines::default();
    lines.stream().during(|| {
        let ((one, fire), (other, fire_other)) = (Deferred::<u32>::new(), Deferred::<u32>::new());
        one.chain_deferred(fire_other).detach();
        std::mem::forget((fire, other.add_callback(|n| Ok(n + 1))));
    });
    let model = lines.model();
    let [one, other] = model.chains.chains.keys().copied().collect::<Vec<_>>()[..] else { panic!("two of them") };
    let lines = Waits::of(&model).lines;
    let [outer, inner] = &lines[..] else { panic!("{lines:#?}") };
    assert!(outer.text.starts_with(&format!("Deferred {other} ")) && outer.depth == 0, "{lines:#?}");
    assert!(inner.text.starts_with(&format!("Deferred {one}, which ")) && inner.depth == 1, "{lines:#?}");
    assert_eq!(Ladders::of_request(&model, other).0.len(), 2);
}

fn panics() -> Result<u32, Failure> {
    panic!("on purpose")
}

#[test]
fn a_callback_of_a_deferred_that_panics_is_named_and_what_fired_it_is_not() {
    let lines = Lines::default();
    let reactor = Reactor::traced(lines.stream(), Settings::default()).unwrap();
    let (number, firer) = Deferred::<u32>::new();
    let line = line!() + 1;
    let chain = number.add_callback(|_| panics()).add_errback(|_| Ok(0));
    reactor.call_later(Duration::ZERO, move || firer.callback(1).unwrap());
    while !chain.has_fired() {
        reactor.iterate(Duration::from_millis(100)).unwrap();
    }
    drop((chain, reactor));
    let verdict = verdict(&lines);
    let finding = only(&verdict, About::Panic);
    assert!(finding.place.contains(&format!("fired.rs:{line}:")), "{finding:?}");
    assert!(finding.sentence.starts_with("A callback of Deferred "), "{finding:?}");
}

#[test]
fn a_panic_without_a_reactor_is_found() {
    let lines = Lines::default();
    lines.stream().during(|| {
        let (number, firer) = Deferred::<u32>::new();
        reactor::trace::name_next("halve");
        let chain = number.add_callback(|_| panics()).add_errback(|_| Ok(0));
        let fired = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| firer.callback(1)));
        assert!(fired.is_err());
        drop(chain);
        let started = std::panic::catch_unwind(|| drop(Deferred::from_future(async { panics() })));
        assert!(started.is_err());
    });
    let verdict = verdict(&lines);
    let found = verdict.findings.iter().filter(|finding| finding.about == About::Panic);
    let sentences: Vec<_> = found.map(|finding| finding.sentence.as_str()).collect();
    assert_eq!(sentences.len(), 2, "{}", verdict.to_text());
    assert!(sentences[0].starts_with("The callback halve of Deferred "), "{sentences:?}");
    assert!(sentences[1].starts_with("The body of coroutine "), "{sentences:?}");
}

/// A ring has lost the beginning of the chain.
#[test]
fn a_panic_of_a_chain_that_is_not_told_is_counted() {
    let begun =
        r#""turn":1,"kind":"callback_begin","callback":1,"what":"timer","words":"the delayed call","place":"a.rs:1:1""#;
    let ended = r#""turn":1,"kind":"callback_end","callback":1,"took_ns":1,"spared":2"#;
    let text = format!("{{\"seq\":0,{begun}}}\n{{\"seq\":1,{ended}}}\n");
    let verdict = Verdict::new(&model(&text));
    let sentence = &only(&verdict, About::Panic).sentence;
    assert!(
        sentence.contains("fired Deferreds") && sentence.ends_with("Of their callbacks, 2 panicked."),
        "{sentence}"
    );
}
