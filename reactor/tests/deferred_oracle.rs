//! Deferreds do what Twisted's do: every recorded program leaves the recorded trace. `oracle/README.md` says where
//! the records come from.

#[path = "../examples/deferred_replay/program.rs"]
mod program;
#[path = "../examples/deferred_replay/replay.rs"]
mod replay;

use replay::replay;
use serde_json::{Value, json};

const CASES: &str = include_str!("../oracle/cases.jsonl");

fn cases() -> impl Iterator<Item = Value> {
    CASES.lines().map(|line| serde_json::from_str(line).expect("the recorded cases are JSON"))
}

/// What differs, for a person to read.
fn difference(case: &Value) -> Option<String> {
    let expected = &case["trace"];
    let (got, differs) = match replay(&case["program"]) {
        Ok(trace) => (trace.to_string(), trace != *expected),
        Err(fault) => (fault, true),
    };
    differs.then(|| format!("program:  {}\nexpected: {expected}\ngot:      {got}", case["program"]))
}

#[test]
fn every_recorded_program_does_what_it_does_in_twisted() {
    let mut count = 0;
    for case in cases() {
        if let Some(difference) = difference(&case) {
            panic!("case {count} of oracle/cases.jsonl differs\n{difference}");
        }
        count += 1;
    }
    assert!(count >= 3000, "only {count} cases are there");
}

#[test]
fn a_changed_lost_or_added_event_is_noticed() {
    let changes: [fn(&mut Vec<Value>); 4] = [
        |trace| drop(trace.pop()),
        |trace| drop(trace.remove(0)),
        |trace| trace.insert(0, json!(["already", 0])),
        |trace| trace[0] = json!(["run", 0, "ok", -1]),
    ];
    for mut case in cases().take(100) {
        let recorded = case["trace"].take();
        for change in changes {
            let mut trace = recorded.as_array().expect("a trace is a list").clone();
            change(&mut trace);
            case["trace"] = Value::Array(trace);
            assert!(difference(&case).is_some(), "nobody noticed that this is not {recorded}: {case}");
        }
    }
}

#[test]
fn the_records_have_every_kind_of_event_and_operation() {
    for kind in ["\"ok\"", "\"err\"", "\"already\"", "\"canceller\"", "\"CancelledError\"", "[\"unhandled\",[\""] {
        let count = CASES.lines().filter(|line| line.contains(kind)).count();
        assert!(count >= 100, "only {count} cases have {kind}");
    }
    for operation in ["add", "add2", "fire", "fail", "cancel", "pause", "unpause", "wait", "pass", "raise"] {
        let count = CASES.lines().filter(|line| line.contains(&format!("[\"{operation}\""))).count();
        assert!(count >= 100, "only {count} cases have {operation}");
    }
}

/// A row of Deferreds: a callback on each fires the next one.
fn row(length: usize) -> Value {
    let makes = (0..length).map(|d| json!(["new", d, null]));
    let adds = (1..length).map(|d| {
        let act = json!({"do": [["fire", d, d]], "then": ["pass"]});
        json!(["add", d - 1, d, "both", act])
    });
    makes.chain(adds).chain([json!(["fire", 0, 0])]).collect()
}

#[test]
fn callbacks_that_fire_one_another_without_end_are_refused() {
    let trace = replay(&row(200)).expect("this is not too deep");
    assert_eq!(trace.as_array().map(Vec::len), Some(200), "199 callbacks and what nobody handled");
    let refusal = replay(&row(1000)).expect_err("this is too deep");
    assert!(refusal.contains("more than 200 deep"), "{refusal}");
}

#[test]
fn a_malformed_program_is_refused_with_the_reason() {
    let act = json!({"do": [], "then": ["wait", 0]});
    for (program, reason) in [
        (json!({}), "a program is a list of operations"),
        (json!([7]), "a list that starts with a name"),
        (json!([["dance", 0]]), "unknown operation \"dance\""),
        (json!([["fire", 3, 1]]), "there is no Deferred 3"),
        (json!([["cancel", 0], ["new", 0, null]]), "Deferred 0 is not made yet"),
        (json!([["new", 0, null], ["new", 0, null]]), "Deferred 0 is made twice"),
        (json!([["new", 0, "something"]]), "a canceller"),
        (json!([["new", 0, null], ["fire", 0, 0.5]]), "an integer of 64 bits"),
        (json!([["new", 0, null], ["pause", 0, 1]]), "2 operands are not what \"pause\" has"),
        (json!([["new", 0, null], ["unpause", 0]]), "Deferred 0 is not paused"),
        (json!([["new", 0, null], ["add", 0, 0, "never", act]]), "\"errback\" or \"both\" expected"),
        (json!([["new", 0, null], ["add", 0, 0, "both", {}]]), "\"then\": ..}"),
        (json!([["new", 0, null], ["add", 0, 0, "both", act], ["fire", 0, 1]]), "while its callbacks run"),
        (
            json!([["new", 0, null], ["new", 1, null], ["add", 1, 0, "both", act], ["fire", 1, 1], ["cancel", 0]]),
            "Deferred 0 has been handed over",
        ),
    ] {
        let refusal = replay(&program).expect_err("this is not a program");
        assert!(refusal.contains(reason), "{program}: {refusal}");
    }
}
