//! What a verdict must not miss: a paused result on which something waits, a trace without its beginning, peers that have
//! closed, a panic as the last callback.

#[expect(dead_code, reason = "other tests look into the lines")]
mod util;

use lens::Trace;
use lens::verdict::{About, Finding, Verdict};
use lens::views::ladder::Ladders;
use lens::views::page::page;
use reactor::Deferred;
use reactor::deferred::{self, Others, gather_results};
use util::{Lines, model};

/// These events, numbered from `first` on.
fn numbered(first: usize, lines: &[&str]) -> String {
    lines.iter().enumerate().map(|(index, line)| format!("{{\"seq\":{},{line}}}\n", first + index)).collect()
}

fn written(lines: &[&str]) -> Verdict {
    Verdict::new(&model(&numbered(0, lines)))
}

#[track_caller]
fn only(verdict: &Verdict, about: About) -> &Finding {
    let [finding] = &verdict.findings[..] else { panic!("{}", verdict.to_text()) };
    assert_eq!(finding.about, about, "{}", verdict.to_text());
    finding
}

/// A Deferred with a result, which a pause holds, and what waits for it.
fn paused(waits: impl FnOnce(Deferred<u32>)) -> Verdict {
    let lines = Lines::default();
    lines.stream().during(|| {
        let (mut answer, firer) = Deferred::<u32>::new();
        std::mem::forget(answer.pause());
        firer.callback(7).unwrap();
        waits(answer);
    });
    let end = format!("{{\"seq\":{},\"kind\":\"end\"}}\n", lines.text().lines().count());
    Verdict::new(&model(&(lines.text() + &end)))
}

#[test]
fn a_paused_result_on_which_something_waits_is_told() {
    let told = |waits: fn(Deferred<u32>)| {
        let verdict = paused(waits);
        let finding = only(&verdict, About::NeverFired).clone();
        assert!(finding.sentence.contains("has its result, and was still paused"), "{finding:?}");
        finding.details.join("\n")
    };
    let list = told(|answer| std::mem::forget(gather_results([answer], Others::LeaveRunning)));
    assert!(list.contains("list ") && list.contains(", waits for it"), "{list}");
    let given_back =
        told(|answer| std::mem::forget(deferred::succeed(()).add_callback(|()| answer).add_callback(|n| Ok(n + 1))));
    assert!(given_back.starts_with("Deferred ") && given_back.contains(", waits for it"), "{given_back}");
    let awaited = told(|answer| std::mem::forget(Deferred::from_future(async move { Ok(answer.await? + 1) })));
    assert!(awaited.contains("coroutine ") && awaited.contains(", waits for it"), "{awaited}");
    let nobody = paused(std::mem::forget);
    assert!(nobody.is_clean(), "{}", nobody.to_text());
}

const REFUSED: &str =
    r#""ns":9,"kind":"deferred_refused","deferred":3,"place":"a.rs:18:1","first":"a.rs:17:1","type":"u32""#;

#[test]
fn a_trace_without_its_beginning_says_so_and_tells_what_it_knows() {
    let step = r#""ns":10,"kind":"step_begin","deferred":4,"step":9,"type":"u32","value":"1""#;
    let end = r#""ns":11,"kind":"step_end","deferred":4,"step":9,"type":"u32","value":"2""#;
    let model = model(&numbered(284, &[REFUSED, step, end]));
    let verdict = Verdict::new(&model);
    let twice = only(&verdict, About::FiredTwice);
    assert!(twice.sentence.contains("fired a second time at a.rs:18"), "{twice:?}");
    assert!(twice.sentence.contains("The first time was at a.rs:17"), "{twice:?}");
    assert!(verdict.summary.contains("The first 284 events are missing: "), "{}", verdict.summary);
    assert!(page(&model, "ring", |_| None).contains("The first 284 events are missing: "), "the page");
    let text = Ladders::new(&model).to_text();
    assert!(text.contains("made before this trace begins") && text.contains("1 → 2"), "{text}");
    assert!(Ladders::new(&model).to_svg().contains("made before this trace begins"));
}

#[test]
fn what_is_not_known_to_be_unfired_is_no_deferred_that_never_fires() {
    let added = r#""kind":"step_added","deferred":3,"step":1,"side":"callback","place":"a.rs:1:1""#;
    let verdict =
        Verdict::new(&model(&numbered(9, &[added, r#""kind":"firers_gone","deferred":3"#, r#""kind":"end""#])));
    assert!(verdict.is_clean() && verdict.to_text().contains("Nothing is wrong in what is there."), "{verdict:?}");
    let lost =
        Verdict::new(&model(&numbered(9, &[added, r#""kind":"deferred_lost","deferred":3"#, r#""kind":"end""#])));
    assert_eq!(only(&lost, About::NeverFired).at, 1);
}

#[test]
fn holes_and_lines_in_another_order_are_told() {
    let summary = |numbers: &[usize]| {
        let lines = numbers.iter().map(|seq| format!("{{\"seq\":{seq},\"kind\":\"turn\"}}\n"));
        Verdict::new(&model(&lines.collect::<String>())).summary
    };
    assert!(summary(&[0, 1, 2]).ends_with("may be missing."), "{}", summary(&[0, 1, 2]));
    assert!(summary(&[0, 4]).ends_with(" 3 events are missing in its midst."), "{}", summary(&[0, 4]));
    let both = summary(&[1, 3]);
    assert!(both.contains(" The first event is missing: ") && both.contains("1 event is missing in its"), "{both}");
    assert!(summary(&[0, 2, 1, 4, 3]).contains(" 2 lines stand behind later ones: "), "{}", summary(&[0, 2, 1, 4, 3]));
}

#[test]
fn what_does_not_begin_as_a_trace_is_refused() {
    let refusal = |text: &str| Trace::read(text.as_bytes()).unwrap_err().to_string();
    assert!(refusal("{\"seq\":0}").contains("does not begin with"), "{}", refusal("{\"seq\":0}"));
    for schema in ["", ",\"schema\":0", ",\"schema\":\"x\"", ",\"schema\":2"] {
        let refusal = refusal(&format!("{{\"seq\":0,\"kind\":\"trace\"{schema}}}\n"));
        assert!(refusal.contains("its schema is"), "{schema}: {refusal}");
    }
}

const CONNECTED: &str =
    r#""ns":1,"kind":"connected","socket":3,"peer":"1.2.3.4:5","protocol":"Echo","place":"a.rs:1:1""#;
const PEER_ENDED: &str = r#""ns":2,"kind":"peer_ended","socket":3"#;
const ENDED: &str =
    r#""ns":3000000002,"phase":"outside","kind":"ended","socket":3,"reason":"closed cleanly","clean":true"#;

#[test]
fn a_peer_that_has_closed_and_whose_connection_stays_open_until_the_stop_is_told() {
    let again = |line: &str| line.replace("\"socket\":3", "\"socket\":4");
    let stopping = r#""ns":3000000001,"kind":"callback_begin","callback":1,"method":"reactor_stopping","socket":3"#;
    let closing = r#""ns":3000000001,"kind":"closing","socket":3"#;
    let stopped = r#""ns":3000000001,"kind":"callback_end","callback":1"#;
    let verdict = written(&[
        CONNECTED,
        &again(CONNECTED),
        PEER_ENDED,
        &again(PEER_ENDED),
        stopping,
        closing,
        stopped,
        ENDED,
        &again(ENDED),
    ]);
    let finding = only(&verdict, About::KeptOpen);
    let told = "The program kept 2 connections open after their peers had closed, for up to 3.000 s: connections to the \
                port opened at a.rs:1.";
    assert_eq!((finding.sentence.as_str(), finding.place.as_str(), finding.at), (told, "a.rs:1:1", 2));
    assert_eq!(finding.details[0], "connection 3 with 1.2.3.4:5: for 3.000 s");
    let open_still = written(&[CONNECTED, PEER_ENDED, r#""ns":3000000002,"kind":"turn""#]);
    assert!(
        only(&open_still, About::KeptOpen)
            .sentence
            .starts_with("The program kept 1 connection open after its peer had closed")
    );
}

#[test]
fn a_half_closed_connection_that_goes_on_or_ends_by_itself_is_no_fault() {
    let writes = r#""ns":2900000000,"kind":"written","socket":3,"count":5,"waiting":0"#;
    let asked = r#""ns":3000000001,"phase":"timers","kind":"closing","socket":3"#;
    let soon = r#""ns":900000002,"phase":"outside","kind":"ended","socket":3,"reason":"closed cleanly","clean":true"#;
    for lines in [
        &[CONNECTED, PEER_ENDED, writes, ENDED][..],
        &[CONNECTED, PEER_ENDED, asked, ENDED],
        &[CONNECTED, PEER_ENDED, soon],
    ] {
        let verdict = written(lines);
        assert!(verdict.is_clean(), "{}", verdict.to_text());
    }
}

#[test]
fn a_panic_of_a_last_callback_has_its_alarm_in_the_ladder() {
    let made = |number: u64, place: &str| {
        let about = format!("\"deferred\":{number},\"step\":{number},\"place\":\"{place}\"");
        [
            format!("\"kind\":\"deferred_made\",{about},\"what\":\"deferred\""),
            format!("\"kind\":\"step_added\",{about},\"side\":\"callback\""),
            format!("\"kind\":\"step_begin\",{about},\"type\":\"u32\",\"value\":\"3\""),
        ]
    };
    let well = r#""kind":"step_end","deferred":1,"step":1,"type":"u32","value":"4""#.to_owned();
    let panicked = r#""kind":"step_end","deferred":2,"step":2,"panicked":true"#.to_owned();
    let unhandled = r#""kind":"unhandled","failure":2,"error_type":"reactor::error::PanicError","error":"a callback panicked","raised":"a.rs:25:7","words":"""#;
    let lines = [&made(1, "a.rs:25:7")[..], &[well], &made(2, "a.rs:25:7"), &[panicked, unhandled.to_owned()]].concat();
    let model = model(&numbered(0, &lines.iter().map(String::as_str).collect::<Vec<_>>()));
    let text = Ladders::new(&model).to_text();
    assert!(text.contains("panicked") && text.contains("nobody handled PanicError"), "{text}");
    assert_eq!(text.matches("  !  ").count(), 1, "only that one: {text}");
    assert!(Ladders::new(&model).to_svg().contains("nobody handled PanicError"));
}
