//! Time in which the program is outside of its loop, before the first turn and between two turns, and time in which it
//! does not run at all.

#[expect(dead_code, reason = "other tests look into the lines")]
mod util;

use lens::Model;
use lens::verdict::{About, Finding, Verdict};
use lens::views::loop_view::LoopViews;
use lens::views::page::page;
use util::model;

fn numbered(lines: &[&str]) -> Model {
    model(&lines.iter().enumerate().map(|(seq, line)| format!("{{\"seq\":{seq},{line}}}\n")).collect::<String>())
}

#[track_caller]
fn only(model: &Model) -> Finding {
    let verdict = Verdict::new(model);
    let [finding] = &verdict.findings[..] else { panic!("{}", verdict.to_text()) };
    assert_eq!(finding.about, About::Held);
    finding.clone()
}

#[track_caller]
fn is_clean(model: &Model) {
    let verdict = Verdict::new(model);
    assert!(verdict.is_clean(), "{}", verdict.to_text());
    let text = LoopViews::new(model, &[""], None, None).text().plain();
    assert!(!text.contains("held by"), "{text}");
}

const TRACE: &str = r#""ns":1,"kind":"trace","schema":1"#;
const TIMER: &str = r#""ns":2,"kind":"timer_set","timer":4,"delay_ns":60000000,"place":"a.rs:5:1""#;
const CONNECTED: &str = r#""ns":2,"kind":"connected","socket":3,"peer":"1.2.3.4:5","protocol":"Echo""#;
const TURN_1: &str = r#""ns":20000000,"turn":1,"phase":"wait","kind":"turn""#;
const END_1: &str = r#""ns":20000000,"turn":1,"kind":"turn_end""#;
const TURN_2: &str = r#""ns":320000000,"turn":2,"phase":"wait","kind":"turn""#;
const POLL_2: &str = r#""ns":320000001,"turn":2,"kind":"call","call":"poll","took_ns":1,"done":1"#;
const READY_2: &str = r#""ns":320000001,"turn":2,"kind":"ready","socket":3,"readable":true"#;
const LATE_2: &str = r#""ns":320000002,"turn":2,"phase":"timers","kind":"callback_begin","callback":7,"what":"timer","timer":4,"late_ns":260000000,"place":"a.rs:5:1""#;
const LATE_END_2: &str = r#""ns":320000003,"turn":2,"phase":"timers","kind":"callback_end","callback":7,"took_ns":1"#;
const END_2: &str = r#""ns":320000004,"turn":2,"kind":"turn_end""#;

#[test]
fn what_waited_between_two_turns_waited_for_the_program() {
    let lines = [TRACE, CONNECTED, TIMER, TURN_1, END_1, TURN_2, POLL_2, READY_2, LATE_2, LATE_END_2, END_2];
    let model = numbered(&lines);
    let finding = only(&model);
    let told = "The program was outside of its loop for 300.0 ms, between turns 1 and 2. Meanwhile these waited:";
    assert_eq!((finding.sentence.as_str(), finding.took, finding.at), (told, 300_000_000, 4));
    let waited = [
        "a timer, 260.0 ms late: requested at a.rs:5",
        "connection 3 with 1.2.3.4:5: the next wait found it ready; it may have been so for 300.0 ms",
    ];
    assert_eq!(finding.details, waited);
    let views = LoopViews::new(&model, &[""], None, None);
    let column = &views.views[0].columns[1];
    assert_eq!((column.held, column.victims, views.views[0].columns[0].held), (300_000_000, 2, 0));
    let held = "300.0 ms held by the program outside of the loop, between turns 1 and 2";
    assert_eq!(views.views[0].held, [(held.to_owned(), finding.details)]);
    assert!(
        views.to_svg().contains(">300</text>") && views.to_svg().contains("; 300.0 ms outside of the loop before it")
    );
    assert!(page(&model, "outside", |_| None).contains(&format!("<li>{held}")), "the page");
}

#[test]
fn a_program_that_does_other_things_while_nothing_waits_is_no_fault() {
    let in_time = r#""ns":2,"kind":"timer_set","timer":4,"delay_ns":319999000,"place":"a.rs:5:1""#;
    let waited = r#""ns":330000001,"turn":2,"kind":"call","call":"poll","took_ns":9000000,"done":1"#;
    let found = r#""ns":330000001,"turn":2,"kind":"ready","socket":3,"readable":true"#;
    is_clean(&numbered(&[TRACE, CONNECTED, in_time, TURN_1, END_1, TURN_2, waited, found]));
    let young = r#""ns":319000000,"kind":"connected","socket":3,"peer":"1.2.3.4:5","protocol":"Echo""#;
    is_clean(&numbered(&[TRACE, TURN_1, END_1, young, TURN_2, POLL_2, READY_2, END_2]));
    let cancelled = r#""ns":30000000,"kind":"timer_cancelled","timer":4"#;
    is_clean(&numbered(&[TRACE, TIMER, TURN_1, END_1, cancelled, TURN_2, END_2]));
}

#[test]
fn turns_that_are_missing_in_a_trace_are_no_time_outside_of_the_loop() {
    let later = TURN_2.replace("\"turn\":2", "\"turn\":9");
    is_clean(&numbered(&[TRACE, CONNECTED, TIMER, TURN_1, END_1, &later, POLL_2, READY_2, END_2]));
}

#[test]
fn the_time_before_the_first_turn_counts_from_what_the_loop_is_to_wait_for() {
    let first = TURN_2.replace("\"turn\":2", "\"turn\":1");
    let set = r#""ns":200000000,"kind":"timer_set","timer":4,"delay_ns":20000000,"place":"a.rs:5:1""#;
    let model = numbered(&[TRACE, set, &first, LATE_2, LATE_END_2, END_2]);
    let finding = only(&model);
    assert!(
        finding.sentence.starts_with("The program was outside of its loop for 120.0 ms, before turn 1."),
        "{finding:?}"
    );
    assert_eq!(finding.details.len(), 1, "{finding:?}");
}

#[test]
fn a_callback_outside_of_a_turn_that_took_the_time_is_told_by_itself() {
    let begun = r#""ns":20000001,"turn":1,"phase":"outside","kind":"callback_begin","callback":6,"what":"factory","words":"start_factory""#;
    let ended = r#""ns":319000001,"turn":1,"phase":"outside","kind":"callback_end","callback":6,"took_ns":299000000"#;
    let model = numbered(&[TRACE, TIMER, TURN_1, END_1, begun, ended, TURN_2, LATE_2, LATE_END_2, END_2]);
    assert!(only(&model).sentence.starts_with("start_factory held the loop for 299.0 ms"), "{:?}", only(&model));
}

#[test]
fn a_callback_before_that_time_is_not_blamed_for_the_sockets_that_are_ready_after_it() {
    let begun = r#""ns":20000001,"turn":1,"phase":"events","kind":"callback_begin","callback":6,"what":"factory","words":"build_protocol""#;
    let ended = r#""ns":40000001,"turn":1,"phase":"events","kind":"callback_end","callback":6,"took_ns":20000000"#;
    let end = r#""ns":40000001,"turn":1,"kind":"turn_end""#;
    let model = numbered(&[TRACE, CONNECTED, TURN_1, begun, ended, end, TURN_2, POLL_2, READY_2, END_2]);
    let sentences: Vec<_> = Verdict::new(&model).findings.into_iter().map(|finding| finding.sentence).collect();
    let [outside, callback] = &sentences[..] else { panic!("{sentences:?}") };
    assert!(outside.contains("outside of its loop for 280.0 ms"), "{outside}");
    assert_eq!(callback, "build_protocol held the loop for 20.0 ms. Nothing else waited meanwhile.");
}

/// A coroutine begins outside of a turn, and its first part takes long.
#[test]
fn the_body_of_a_coroutine_that_took_the_time_is_named_with_where_it_was_made() {
    let made = r#""ns":20000001,"turn":1,"kind":"deferred_made","deferred":1,"what":"coroutine","place":"a.rs:8:1""#;
    let begun = r#""ns":20000002,"turn":1,"kind":"step_begin","deferred":1,"step":1"#;
    let ended = r#""ns":319000001,"turn":1,"kind":"step_end","deferred":1,"step":1,"type":"()""#;
    let model = numbered(&[TRACE, TIMER, TURN_1, END_1, made, begun, ended, TURN_2, LATE_2, LATE_END_2, END_2]);
    let finding = only(&model);
    let told = ", between turns 1 and 2, 299.0 ms of it in the body of coroutine 1, made at a.rs:8. Meanwhile";
    assert!(finding.sentence.contains(told) && finding.place == "a.rs:8:1", "{finding:?}");
}

/// A poll of 100 ms, which took so long; the delayed call was due at its end.
fn slept(took: u64) -> Model {
    let end = 20_000_000 + took;
    let late = end - 120_000_000;
    numbered(&[
        TRACE,
        r#""ns":2,"kind":"timer_set","timer":4,"delay_ns":119999998,"place":"a.rs:5:1""#,
        r#""ns":20000000,"turn":1,"phase":"wait","kind":"turn","timeout_ns":100000000"#,
        &format!(r#""ns":{end},"turn":1,"kind":"call","call":"poll","timeout_ns":100000000,"took_ns":{took},"done":0"#),
        &format!(
            r#""ns":{end},"turn":1,"kind":"callback_begin","callback":7,"what":"timer","timer":4,"late_ns":{late},"place":"a.rs:5:1""#
        ),
        &format!(r#""ns":{end},"turn":1,"kind":"callback_end","callback":7,"took_ns":1"#),
        &format!(r#""ns":{end},"turn":1,"kind":"turn_end""#),
    ])
}

#[test]
fn a_wait_that_the_system_ended_too_late_is_told_with_the_delayed_calls() {
    let model = slept(188_000_000);
    let verdict = Verdict::new(&model);
    let [finding] = &verdict.findings[..] else { panic!("{}", verdict.to_text()) };
    let why = "later than it asked: the machine was busy, or the process was stopped";
    assert_eq!(finding.sentence, format!("The system woke the loop 88.0 ms {why}. Meanwhile these waited:"));
    assert_eq!((finding.about, finding.took, finding.at), (About::Overslept, 88_000_000, 3));
    assert!(verdict.is_clean(), "no mistake of the program");
    assert_eq!(finding.details, ["a timer, 88.0 ms late: requested at a.rs:5"]);
    let views = LoopViews::new(&model, &[""], None, None);
    assert_eq!(views.views[0].held, [(format!("woken 88.0 ms {why}"), finding.details.clone())]);
    assert_eq!(views.views[0].columns[0].victims, 1);
    is_clean(&slept(109_000_000));
}
