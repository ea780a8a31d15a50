//! The picture is true: for every recorded program of the oracle, the path that the ladders draw is the run that Twisted's own
//! Deferreds recorded.

#[path = "../../reactor/examples/deferred_replay/program.rs"]
mod program;
#[path = "../../reactor/examples/deferred_replay/replay.rs"]
mod replay;

use lens::model::Passed;
use lens::views::ladder::{Ladder, Ladders, RungKind};
use lens::{Model, Trace};
use reactor::trace::{Event, Trace as Stream};
use serde_json::{Value, json};
use std::cell::RefCell;
use std::rc::Rc;

const CASES: &str = include_str!("../../reactor/oracle/cases.jsonl");

fn cases() -> impl Iterator<Item = Value> {
    CASES.lines().map(|line| serde_json::from_str(line).expect("the recorded cases are JSON"))
}

/// The ladders of a program that runs now.
fn ladders(program: &Value) -> Ladders {
    Ladders::new(&model(program))
}

/// What a program that runs now tells.
fn model(program: &Value) -> Model {
    let lines = Rc::new(RefCell::new(String::new()));
    let sink = lines.clone();
    let stream =
        Stream::new(move |event: &Event<'_>| sink.borrow_mut().push_str(&(event.to_json() + "\n"))).show_values();
    replay::replay_traced(program, &stream).expect("the recorded programs are sound");
    let text = lines.borrow();
    Model::new(Trace::read(text.as_bytes()).expect("it is a trace"))
}

/// The runs that the ladders show, as the oracle writes them.
fn runs(ladders: &Ladders) -> Vec<Value> {
    let path = ladders.path();
    path.iter()
        .map(|step| {
            let number: u64 = step.name.parse().expect("a callback has its number in the program as its name");
            match step.is_failure {
                true => json!(["run", number, "err", step.what]),
                false => json!(["run", number, "ok", step.what.parse::<i64>().expect("a value is a number")]),
            }
        })
        .collect()
}

fn recorded(case: &Value) -> Vec<Value> {
    let events = case["trace"].as_array().expect("a trace is a list");
    events.iter().filter(|event| event[0] == "run").cloned().collect()
}

#[test]
fn the_path_of_every_recorded_program_is_the_run_of_twisted() {
    let (mut count, mut inner) = (0, 0);
    for case in cases() {
        let ladders = ladders(&case["program"]);
        assert_eq!(runs(&ladders), recorded(&case), "{}\n{}", case["program"], ladders.to_text());
        count += 1;
        inner += usize::from(ladders.0.iter().any(has_inner));
    }
    assert!(count >= 3000, "only {count} cases are there");
    assert!(inner >= 300, "only {inner} cases have a ladder in a ladder");
}

/// A program that pauses may end with a failure that a pause holds: the trace ends before that.
#[test]
fn the_verdict_names_the_failures_that_nobody_handled_as_twisted_does() {
    let mut count = 0;
    for case in cases().filter(|case| !case["program"].to_string().contains("pause")).take(1000) {
        let events = case["trace"].as_array().expect("a trace is a list");
        let recorded = events.iter().find(|event| event[0] == "unhandled").expect("each has this event");
        let model = model(&case["program"]);
        let mut found: Vec<_> = model.chains.unhandled.iter().map(|(_, failure, _)| name_of(failure)).collect();
        found.sort_unstable();
        assert_eq!(json!(found), recorded[1], "{}", case["program"]);
        count += found.len();
    }
    assert!(count >= 100, "only {count} failures");
}

fn name_of(failure: &Passed) -> String {
    match failure {
        Passed::Failure { type_name, text, .. } if type_name.ends_with("Named") => text.clone(),
        Passed::Failure { type_name, .. } => type_name.rsplit("::").next().unwrap_or("").to_owned(),
        Passed::Value { .. } => panic!("a value is no failure"),
    }
}

fn has_inner(ladder: &Ladder) -> bool {
    ladder.rungs.iter().any(|rung| matches!(rung.kind, RungKind::Inside(_)))
}

#[test]
fn the_lit_path_has_no_gaps() {
    // A row goes on where the row before it went, but for the rows at which a result comes in.
    fn check(ladder: &Ladder, program: &Value) {
        for pair in ladder.rungs.windows(2) {
            let comes_in = matches!(pair[1].kind, RungKind::Source);
            assert!(comes_in || pair[0].after == pair[1].lane, "{program}\n{pair:#?}");
        }
        for rung in &ladder.rungs {
            if let RungKind::Inside(inner) = &rung.kind {
                inner.iter().for_each(|inner| check(inner, program));
            }
        }
    }
    for case in cases().take(1000) {
        ladders(&case["program"]).0.iter().for_each(|ladder| check(ladder, &case["program"]));
    }
}

#[test]
fn every_text_fits_in_80_columns() {
    for case in cases().take(1000) {
        let text = ladders(&case["program"]).to_text();
        let long = text.lines().find(|line| line.chars().count() > 80);
        assert_eq!(long, None, "{text}");
    }
}
