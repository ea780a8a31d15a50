//! The loop in each form: its calls by name, what held it, and one turn step by step.

#[expect(dead_code, reason = "other tests look into the lines")]
mod util;

use lens::Model;
use lens::verdict::Verdict;
use lens::views::loop_view::LoopViews;
use lens::views::page::page;
use util::model;

/// Two turns with calls, and calls outside of them. In the first one a callback of a Deferred holds the loop.
fn blocked() -> Model {
    let timer = r#""kind":"callback_begin","callback":1,"what":"timer","timer":1,"place":"a.rs:63:1","words":"the delayed call requested at a.rs:63:1""#;
    let lines = [
        r#""ns":0,"phase":"outside","kind":"call","call":"listen","socket":9,"address":"1.2.3.4:5","done":0"#,
        r#""ns":0,"kind":"deferred_made","deferred":1,"what":"deferred","name":"answer","place":"a.rs:61:1""#,
        r#""ns":0,"kind":"step_added","deferred":1,"step":1,"side":"callback","place":"a.rs:62:9""#,
        r#""ns":0,"kind":"timer_set","timer":2,"delay_ns":10000000,"place":"a.rs:70:1""#,
        r#""ns":1,"turn":1,"phase":"wait","kind":"turn","waits_for":"timer""#,
        r#""ns":2,"turn":1,"phase":"wait","kind":"call","call":"poll","took_ns":1,"done":0"#,
        timer,
        r#""ns":4,"turn":1,"phase":"timers","kind":"deferred_fired","deferred":1,"type":"u32","value":"7","place":"a.rs:63:20""#,
        r#""ns":5,"turn":1,"phase":"timers","kind":"step_begin","deferred":1,"step":1,"type":"u32","value":"7""#,
        r#""ns":50000005,"turn":1,"phase":"timers","kind":"step_end","deferred":1,"step":1,"type":"()""#,
        r#""ns":50000006,"turn":1,"phase":"timers","kind":"callback_end","callback":1,"took_ns":50000003"#,
        r#""ns":50000007,"turn":1,"phase":"timers","kind":"turn_end""#,
        r#""ns":50000008,"turn":2,"phase":"wait","kind":"turn","waits_for":"event""#,
        r#""ns":50000009,"turn":2,"phase":"wait","kind":"call","call":"poll","took_ns":1,"done":1"#,
        r#""ns":50000009,"turn":2,"phase":"events","kind":"call","call":"read","socket":3,"done":7"#,
        r#""ns":50000009,"turn":2,"phase":"events","kind":"call","call":"read","socket":3,"failed":"WouldBlock""#,
        r#""ns":50000010,"turn":2,"phase":"events","kind":"turn_end""#,
        r#""ns":50000010,"phase":"outside","kind":"call","call":"close","socket":9,"done":0"#,
    ];
    let line = |(seq, line): (usize, &str)| match line == timer {
        true => format!("{{\"seq\":{seq},\"ns\":3,\"turn\":1,\"phase\":\"timers\",{line}}}\n"),
        false => format!("{{\"seq\":{seq},{line}}}\n"),
    };
    model(&lines.into_iter().enumerate().map(line).collect::<String>())
}

fn views(model: &Model, range: Option<(u64, u64)>) -> LoopViews {
    LoopViews::new(model, &[""], range, None)
}

/// On one line, as a reader reads it.
fn flat(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn calls_are_counted_by_name_with_the_waits_and_their_errors() {
    let model = blocked();
    let text = views(&model, None).text().plain();
    let (_, table) = text.split_once("system calls   count  errors, in all\n").expect("a table");
    let rows: Vec<_> = table.lines().take(4).map(flat).collect();
    assert_eq!(rows, ["poll 2", "read 2 1 WouldBlock", "close 1", "listen 1"]);
    let counted: u64 = model.calls().values().sum();
    assert_eq!(counted, 6, "the table has every call");
    let of_turn = views(&model, Some((2, 2))).text().plain();
    assert!(of_turn.contains("in these turns") && !of_turn.contains("listen"), "{of_turn}");
    let lane = text.lines().find(|line| line.trim_start().starts_with("system calls ·") || line.ends_with(" 13"));
    assert!(lane.is_some(), "the waits are calls, too: {text}");
    let svg = views(&model, None).to_svg();
    assert!(svg.contains("3 calls (1 poll, 2 read)") && svg.contains("      read       2  1 WouldBlock<"), "{svg}");
    assert!(page(&model, "calls", |_| None).contains("         poll       2\n"), "the page");
}

#[test]
fn the_callback_of_a_deferred_that_held_the_loop_is_named_in_each_form() {
    let model = blocked();
    let inside = "50.0 ms of it in the callback added at a.rs:62";
    let views = views(&model, None);
    let verdict = Verdict::new(&model);
    for form in [verdict.to_text(), views.text().plain(), views.to_svg(), page(&model, "held", |_| None)] {
        assert!(flat(&form).contains(inside), "{form}");
    }
    // It is no victim.
    let finding = &verdict.findings[0];
    assert!(finding.details.iter().all(|line| line.starts_with("a timer, ")), "{finding:?}");
    assert!(finding.sentence.contains(&format!(", {inside}. Meanwhile these waited:")), "{finding:?}");
}

#[test]
fn a_step_of_a_turn_has_its_number_its_value_and_its_place() {
    let text = views(&blocked(), Some((1, 1))).text().plain();
    for step in ["Deferred answer is fired with 7 (a.rs:63)", "callback 1 of Deferred answer begins with 7 (a.rs:62)"] {
        assert!(text.contains(step), "{step}: {text}");
    }
    assert!(text.contains("gives back ()"), "a unit is no more than that: {text}");
}

#[test]
fn the_lanes_have_one_name_in_each_form_and_no_two_have_the_same() {
    let model = blocked();
    let text = views(&model, None).text().plain();
    let lanes = text.lines().skip(2).map(|line| line.get(..13).unwrap_or("").trim()).take(13);
    let lanes: Vec<_> = lanes.filter(|name| !name.is_empty()).collect();
    assert_eq!(lanes.iter().collect::<std::collections::BTreeSet<_>>().len(), lanes.len(), "{lanes:?}");
    let script = page(&model, "lanes", |_| None);
    let svg = views(&model, None).to_svg();
    for name in ["waiting", "system calls", "callbacks", "delayed calls", "kept waiting"] {
        assert!(lanes.contains(&name) && svg.contains(&format!(">{name}<")) && script.contains(name), "{name}: {text}");
    }
    assert!(text.contains("e, c, t, f, x: something happened in this phase."), "{text}");
}

#[test]
fn the_times_below_a_single_column_stand_beside_each_other() {
    let svg = views(&blocked(), Some((1, 1))).to_svg();
    assert!(svg.contains(">1 ns to 50.0 ms<"), "{svg}");
}

#[test]
fn what_held_the_loop_is_red_and_no_message_has_a_colour_near_it() {
    let svg = views(&blocked(), None).to_svg();
    assert!(svg.contains("Red: it held the loop") && svg.contains("--hot:#cf1322;"), "{svg}");
    for orange in ["#d9480f", "#b45309", "#ff9a57", "#f0b429"] {
        assert!(!svg.contains(orange) && !page(&blocked(), "red", |_| None).contains(orange), "{orange}");
    }
}
