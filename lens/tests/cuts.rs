//! What is too long for a picture is cut so that nothing false is left: the outcome of a callback stays, excerpts do not
//! pretend to know an end, one colour stands for the same bytes. And names are those that a reader knows.

#[expect(dead_code, reason = "other tests look into the lines")]
mod util;

use lens::Model;
use lens::views::ladder::Ladders;
use lens::views::loop_view::LoopViews;
use lens::views::page::{Part, Source, page, page_of};
use lens::views::wire::{Carried, What, Wire};
use reactor::deferred::{self, Others, gather_results};
use reactor::{Deferred, Failure, Firer};
use std::cell::RefCell;
use std::rc::Rc;
use util::{Lines, model};

fn numbered(lines: &[String]) -> Model {
    let lines = lines.iter().enumerate().map(|(seq, line)| format!("{{\"seq\":{seq},{line}}}\n"));
    model(&lines.collect::<String>())
}

#[test]
fn an_input_of_a_list_has_its_own_number_if_another_one_is_not_told() {
    let lines = [
        r#""kind":"deferred_made","deferred":1,"what":"list","place":"a.rs:1:1""#,
        r#""kind":"deferred_made","deferred":2,"what":"deferred","name":"B","place":"a.rs:2:1""#,
        r#""kind":"deferred_made","deferred":3,"what":"deferred","name":"C","place":"a.rs:3:1""#,
        r#""kind":"list_joined","deferred":2,"list":1,"index":1"#,
        r#""kind":"list_joined","deferred":3,"list":1,"index":2"#,
    ];
    let ladders = Ladders::new(&numbered(&lines.map(str::to_owned)));
    for form in [ladders.to_text(), ladders.to_svg()] {
        for words in ["input 0 is not told in this trace", "input 1: Deferred B", "input 2: Deferred C"] {
            assert!(form.contains(words), "{words}: {form}");
        }
    }
}

#[test]
fn a_long_value_leaves_the_arrow_and_the_outcome_of_a_callback() {
    let lines = Lines::default();
    lines.stream().during(|| {
        let long = "long ".repeat(24);
        drop(deferred::succeed(long.clone()).add_callback(|text| Ok(text + "er")).add_callback(|text| Ok(text.len())));
    });
    let ladders = Ladders::new(&lines.model());
    let text = ladders.to_text().split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(text.contains("… → \"long") && text.contains("… → 122"), "{text}");
    let svg = ladders.to_svg();
    assert!(svg.contains("… → &quot;long") && svg.contains("… → 122<"), "{svg}");
}

type Firers = Rc<RefCell<Vec<Firer<u32>>>>;

/// A retry that calls itself: each failure gives back the next attempt.
fn attempt(number: u32, firers: &Firers) -> Deferred<u32> {
    let (answer, firer) = Deferred::<u32>::new();
    firers.borrow_mut().push(firer);
    let firers = firers.clone();
    answer.add_errback(move |failure| if number < 9 { attempt(number + 1, &firers) } else { deferred::fail(failure) })
}

#[test]
fn the_ladder_far_inside_says_where_it_goes_on() {
    let lines = Lines::default();
    lines.stream().during(|| {
        let firers = Firers::default();
        let answer = attempt(0, &firers).add_errback(|_| Ok(0));
        for number in 0..10 {
            let firer = firers.borrow_mut().pop().expect("the next attempt has begun");
            firer.errback(Failure::msg(format!("attempt {number} failed"))).unwrap();
        }
        drop(answer);
    });
    let model = lines.model();
    let waits = model.chains.steps.values().filter_map(|step| match &step.state {
        lens::model::StepState::Ran(run) => run.waits_for,
        _ => None,
    });
    let flat = |char: char| char.is_whitespace() || "┃┆│█□●┗┏━┛┓".contains(char);
    let text: Vec<_> = Ladders::new(&model).to_text().split(flat).map(str::to_owned).collect();
    let text = text.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
    let inner: Vec<u64> = waits.collect();
    assert!(inner.len() >= 9, "{text}");
    for number in inner {
        assert!(text.contains(&format!("gave back Deferred {number}, and waits for it")), "{number}: {text}");
    }
}

const CONNECTED: &str =
    r#""ns":1,"kind":"connected","socket":3,"peer":"1.2.3.4:5","protocol":"Echo","place":"a.rs:1:1""#;

fn call(name: &str, done: usize, bytes: &str) -> String {
    format!("\"ns\":2,\"kind\":\"call\",\"call\":\"{name}\",\"socket\":3,\"done\":{done},\"bytes\":\"{bytes}\"")
}

fn wire(calls: &[String]) -> (Model, Wire) {
    let model = numbered(&[&[CONNECTED.to_owned()], calls].concat());
    let wire = Wire::of_socket(&model, model.sockets.get_at("", 3, 0).unwrap());
    (model, wire)
}

#[test]
fn an_excerpt_shows_an_end_only_if_the_trace_has_it() {
    let (_, part) = wire(&[call("write", 5003, &"hello".repeat(12))]);
    let label = &part.rows.iter().find(|row| row.label.starts_with("write")).unwrap().label;
    assert_eq!(label, &format!("write 5003 “{}he…”", "hello".repeat(9)));
    let (model, whole) = wire(&[call("write", 63, &("D".repeat(60) + "bye"))]);
    let is_right = |form: &str| form.contains("Dbye”") && !form.contains("…D…") && !form.contains("DD…DD…");
    let (text, svg) = (whole.to_text(), whole.to_svg());
    assert!(is_right(&text) && is_right(&svg), "{text}{svg}");
    assert!(page(&model, "cut", |_| None).contains("bye”"), "the page");
}

#[test]
fn arrows_of_one_colour_carry_the_same_bytes() {
    let calls = [
        call("read", 100, &"a".repeat(64)),
        call("read", 65536, &"a".repeat(64)),
        call("read", 65536, &"a".repeat(64)),
        call("read", 4, "ping"),
        call("write", 4, "ping"),
        call("read", 5, "alone"),
    ];
    let svg = wire(&calls).1.to_svg();
    assert_eq!(svg.matches("<polyline class=\"coolline\"").count(), 4, "two arrows, each with its head: {svg}");
    assert!(!svg.contains("<polyline class=\"twoline\""), "nobody knows whether these are the same: {svg}");
    assert!(svg.contains("Arrows of one colour carry the same bytes. At most four messages have a colour"), "{svg}");

    let six: Vec<String> =
        (0..6).flat_map(|n| [call("read", 1, &n.to_string()), call("write", 1, &n.to_string())]).collect();
    let svg = wire(&six).1.to_svg();
    for (class, lines) in [("coolline", 4), ("twoline", 4), ("threeline", 4), ("fourline", 4), ("plainline", 8)] {
        assert_eq!(svg.matches(&format!("<polyline class=\"{class}\"")).count(), lines, "{class}: {svg}");
    }
}

#[test]
fn a_port_for_datagrams_has_its_own_address_and_each_datagram_its_sender_or_receiver() {
    let lines = [
        r#""kind":"call","call":"listen","socket":4,"address":"127.0.0.1:0","datagrams":true,"done":0"#,
        r#""kind":"listening","socket":4,"address":"127.0.0.1:5439","place":"a.rs:1:1""#,
        r#""kind":"call","call":"read","socket":4,"room":9,"peer":"127.0.0.1:1","bytes":"one","done":3"#,
        r#""kind":"call","call":"read","socket":4,"room":9,"peer":"127.0.0.1:2","bytes":"","done":0"#,
        r#""kind":"call","call":"read","socket":4,"room":9,"failed":"WouldBlock""#,
        r#""kind":"call","call":"write","socket":4,"offered":0,"pieces":1,"peer":"127.0.0.1:3","bytes":"","done":0"#,
        r#""kind":"call","call":"write","socket":4,"offered":2,"pieces":1,"bytes":"to","done":2"#,
        r#""kind":"call","call":"close","socket":4,"done":0"#,
    ];
    let model = numbered(&lines.map(str::to_owned));
    let wire = Wire::of_socket(&model, model.sockets.get_at("", 4, 0).unwrap());
    assert_eq!(wire.lanes, ["the peers", "port 4 (127.0.0.1:5439)"]);
    let rows: Vec<&str> = wire.rows.iter().map(|row| &*row.label).collect();
    assert_eq!(
        rows,
        [
            "read 3 from 127.0.0.1:1 “one”",
            "read 0 from 127.0.0.1:2",
            "write 0 to 127.0.0.1:3",
            "write 2 “to”",
            "the port is closed",
        ]
    );
    assert!(!wire.rows.iter().any(|row| matches!(row.what, What::Arrow { carried: Carried::End, .. })), "{wire:?}");
    let page = page(&model, "datagrams", |_| None);
    // Their numbers stand apart from the words there.
    assert!(page.contains(" bytes from ") && page.contains(" is open at "), "{page}");
}

#[test]
fn an_error_for_which_rust_has_no_name_has_that_of_the_system() {
    let call = |turn: u64, code: u64| {
        format!(
            "\"turn\":{turn},\"phase\":\"events\",\"kind\":\"call\",\"call\":\"accept\",\"listener\":1,\
             \"failed\":\"Uncategorized\",\"code\":{code}"
        )
    };
    let lines =
        [r#""turn":1,"kind":"turn""#.to_owned(), call(1, 24), call(1, 77), r#""turn":1,"kind":"turn_end""#.to_owned()];
    let model = numbered(&lines);
    let text = LoopViews::new(&model, &[""], Some((1, 1)), None).text().plain();
    assert!(text.contains("1 EMFILE, 1 error 77") && text.contains("accept: EMFILE"), "{text}");
    assert!(page(&model, "emfile", |_| None).contains("fails: EMFILE"), "the page");
}

#[test]
fn a_list_of_events_says_that_a_firing_came_after_the_cancel() {
    let lines = Lines::default();
    lines.stream().during(|| {
        let (number, firer) = Deferred::<u32>::with_canceller(|_| ());
        let number = number.add_errback(|_| Ok(0));
        number.cancel();
        firer.callback(1).unwrap_err();
        drop(number);
    });
    let page = page(&lines.model(), "late", |_| None);
    assert!(page.contains("is fired after the cancel: refused") && !page.contains("a second time"), "{page}");
}

#[test]
fn places_in_the_sentences_of_a_page_are_links_and_a_hold_shows_the_line_that_took_the_time() {
    let timer = r#""ns":3,"turn":1,"kind":"callback_begin","callback":1,"what":"timer","timer":1,"place":"a.rs:2:1","words":"the delayed call requested at a.rs:2:1""#;
    let lines = [
        r#""kind":"deferred_made","deferred":1,"what":"deferred","place":"a.rs:1:1""#,
        r#""kind":"step_added","deferred":1,"step":1,"side":"callback","place":"a.rs:5:9""#,
        r#""ns":0,"kind":"timer_set","timer":2,"delay_ns":10000000,"place":"a.rs:7:1""#,
        r#""ns":1,"turn":1,"kind":"turn""#,
        timer,
        r#""ns":5,"turn":1,"kind":"step_begin","deferred":1,"step":1,"type":"u32""#,
        r#""ns":50000005,"turn":1,"kind":"step_end","deferred":1,"step":1,"type":"()""#,
        r#""ns":50000006,"turn":1,"kind":"callback_end","callback":1,"took_ns":50000003"#,
        r#""ns":50000007,"turn":1,"kind":"turn_end""#,
    ];
    let model = numbered(&lines.map(str::to_owned));
    let text = (1..=9).map(|line| format!("line {line}\n")).collect::<String>();
    let source = |file: &str| {
        (file == "a.rs").then(|| Source { text: text.clone(), address: Some("file:///src/a.rs".to_owned()) })
    };
    let page = page_of(&model, "held", &Part::first(&model), source);
    let link = |line: u32| format!(" href=\"file:///src/a.rs#L{line}\">a.rs:{line}</a>");
    let victims: Vec<_> = page.split("requested at <a class=\"place\"").skip(1).collect();
    let links = victims.iter().filter(|rest| rest.split("</li>").next().unwrap_or("").ends_with(&link(7)));
    assert_eq!(links.count(), 2, "the verdict and the loop: {page}");
    assert!(page.contains(&format!("in the callback added at <a class=\"place\"{}", link(5))), "{page}");
    assert!(page.contains("&gt;   5 line 5"), "its line is marked: {page}");
}

#[test]
fn a_list_with_all_its_inputs_says_nothing_of_missing_ones() {
    let lines = Lines::default();
    lines.stream().during(|| {
        let (one, other) = (Deferred::<u32>::new(), Deferred::<u32>::new());
        std::mem::forget((gather_results([one.0, other.0], Others::LeaveRunning), one.1, other.1));
    });
    let text = Ladders::new(&lines.model()).to_text();
    assert!(text.contains("input 0: ") && text.contains("input 1: ") && !text.contains("not told"), "{text}");
}
