//! What the page says, without a browser.

use super::lines::{Lines, model};
use super::{deferreds, turns, world};
use lens::views::page::{MAX_EVENTS, MAX_PAGE, Part, Source, page, page_of};
use lens::views::waits::{MAX_LINES, Waits};
use lens::{Model, Trace};
use reactor::Deferred;
use reactor::deferred::{self, Others};
use serde_json::Value;
use std::time::Instant;

/// What the script of a page reads.
fn data(page: &str) -> Value {
    let (_, data) = page.split_once("const DATA = ").expect("a page has data");
    serde_json::from_str(data.split_once(";\n").expect("it ends").0).expect("it is JSON")
}

/// A text of a page, with its gaps filled.
fn text<'a>(data: &'a Value, text: &'a Value) -> String {
    let Some(parts) = text.as_array() else {
        return data["texts"][text.as_u64().unwrap() as usize].as_str().unwrap().to_owned();
    };
    let mut pieces = data["texts"][parts[0].as_u64().unwrap() as usize].as_str().unwrap().split('\u{e000}');
    let first = pieces.next().unwrap().to_owned();
    parts[1..].iter().zip(pieces).fold(first, |all, (number, piece)| format!("{all}{number}{piece}"))
}

fn names(list: &Value) -> Vec<&str> {
    list.as_array().expect("a list").iter().map(|one| one["name"].as_str().expect("a name")).collect()
}

#[test]
fn a_deferred_that_nothing_waits_for_yet_is_in_the_tree() {
    let lines = Lines::default();
    lines.stream().during(|| {
        let (one, first) = Deferred::<u32>::new();
        let (other, second) = Deferred::<u32>::new();
        let list = deferred::gather_results([one, other], Others::Cancel);
        first.callback(1).unwrap();
        second.callback(2).unwrap();
        drop(list);
    });
    let model = lines.model();
    let texts = |moment| Waits::after(&model, moment).lines.iter().map(|line| line.text.clone()).collect::<Vec<_>>();
    let made = |number: u64| {
        let is_made = |event: &lens::Event| event.kind == "deferred_made" && event.number("deferred") == Some(number);
        model.events.iter().position(is_made).expect("it is made") + 1
    };
    assert_eq!(texts(made(2)), ["Deferred 1 has not been fired", "Deferred 2 has not been fired"]);
    assert_eq!(texts(model.events.len()), [""; 0]);
}

#[test]
fn a_tree_says_how_many_things_have_no_line() {
    let event = |timer: u64| {
        let what = format!("\"kind\":\"timer_set\",\"timer\":{timer},\"delay_ns\":5,\"place\":\"a.rs:{timer}:1\"");
        format!("{{\"seq\":{timer},\"ns\":0,{what}}}\n")
    };
    let text: String = (0..MAX_LINES as u64 + 7).map(event).collect();
    let waits = Waits::of(&model(&text));
    assert_eq!((waits.lines.len(), waits.left_out), (MAX_LINES, 7));
    assert!(waits.to_text().ends_with("\n7 more wait.\n") && waits.to_svg().contains("7 more wait."));
}

#[test]
fn a_place_is_a_link_to_the_file_if_there_is_one_and_text_if_not() {
    let model = deferreds();
    let source = |file: &str| {
        let text = "one\ntwo\n".repeat(200);
        Some(Source { text, address: Some(format!("file:///src/{file}")) })
    };
    let with = page_of(&model, "links", &Part::first(&model), source);
    let file = "lens/tests/html/main.rs";
    assert!(with.contains(&format!("<a href=\"file:///src/{file}#L")), "the places of a ladder");
    assert_eq!(data(&with)["files"][file], format!("file:///src/{file}"));
    let first = data(&with)["source"].as_object().expect("lines").values().next().cloned().expect("lines of a place");
    assert!(first.as_str().is_some_and(|lines| lines.contains("\n>")), "the line has a mark: {first}");
    let without = page(&model, "links", |_| None);
    assert!(!without.contains("<a "), "a link that leads nowhere");
    assert!(without.contains("made at html/main.rs:"), "the place is still there");
}

/// A turn, a phase, a wait and the network are nowhere in the source, nor are the ends of a trace.
fn has_no_place(event: &lens::Event) -> bool {
    let kinds = ["trace", "end", "turn", "phase", "turn_end", "signal", "network"];
    kinds.contains(&&*event.kind) || event.text("call") == "poll" || event.kind == "resolved"
}

#[test]
fn an_event_has_its_own_place_or_that_of_what_it_is_about() {
    let (mut own, mut other) = (0, 0);
    for model in [deferreds(), world(1, true), turns(3)] {
        let data = data(&page(&model, "places", |_| None));
        let rows = data["events"].as_array().expect("events").iter().zip(&model.events);
        for (row, event) in rows.filter(|(_, event)| !has_no_place(event)) {
            // Of a socket that the program has not asked for yet, nothing is known.
            let place = row.get(2).and_then(Value::as_u64);
            let is_nowhere = event.kind == "call" && event.callback.is_none();
            let Some(place) = place else {
                assert!(is_nowhere, "{event:?}");
                continue;
            };
            let place = data["places"][place as usize].as_str().expect("a text");
            assert!(place.contains(".rs:"), "{place}");
            match event.text("place") {
                "" => other += 1,
                named => {
                    assert!(named.starts_with(place), "{place} for {event:?}");
                    own += 1;
                }
            }
        }
    }
    assert!(own > 20 && other > 20, "{own} {other}");
}

#[test]
fn a_page_says_what_it_leaves_out_and_how_to_get_it() {
    let model = turns(2_000);
    let count = model.events.len();
    assert!(count > MAX_EVENTS);
    let whole = page(&model, "long", |_| None);
    let sentence =
        format!("This page steps through {MAX_EVENTS} of {count} events: 0 to {}, from 0 ns to", MAX_EVENTS - 1);
    let (before, _) = whole.split_once(&sentence).expect("what is left out");
    assert!(!before.contains("<main"), "it stands at the top");
    assert!(whole.contains(&format!("lens TRACE --html --events {MAX_EVENTS}..{}", count - 1)), "how to get the rest");
    assert!(!page(&turns(3), "short", |_| None).contains("This page steps through"));

    let choose = |events, turns, at| Part::choose(&model, events, turns, at, &[]);
    assert_eq!(choose(Some((12_000, 12_009)), None, None).unwrap().events, 12_000..12_010);
    let turns = choose(None, Some((1_500, 1_501)), None).unwrap().events;
    assert_eq!((model.events[turns.start].turn, model.events[turns.end - 1].turn, turns.len()), (1_500, 1_501, 16));
    let around = choose(None, None, Some(8_000)).unwrap();
    assert_eq!((around.events, around.moment), (3_000..13_000, Some(8_000)));
    assert_eq!(choose(None, None, None).unwrap(), Part::first(&model));
    assert_eq!(
        choose(Some((99_999, 100_000)), None, None).unwrap_err(),
        "there is no event 99999 to 100000 in this trace"
    );
    assert_eq!(choose(None, Some((9_000, 9_001)), None).unwrap_err(), "there is no turn 9000 to 9001 in this trace");
    let hosts = ["nowhere".to_owned()];
    assert!(Part::choose(&model, None, None, None, &hosts).unwrap_err().contains("there is no host nowhere"));

    let part = page_of(&model, "part", &choose(None, Some((1_500, 1_501)), None).unwrap(), |_| None);
    let data = data(&part);
    assert_eq!((data["first"].as_u64(), data["events"].as_array().map(Vec::len)), (Some(turns.start as u64), Some(16)));
    assert!(part.contains("This page steps through 16 of"), "a part is said, too");
    assert!(data["loops"][0]["whole"].as_array().is_some_and(|whole| whole.len() <= 60 && whole.len() > 30));
}

#[test]
fn a_page_that_would_be_too_large_steps_through_fewer_events_and_says_so() {
    let event = |seq: usize| {
        let words = format!("{seq} ").repeat(60);
        format!(
            "{{\"seq\":{seq},\"ns\":{seq},\"kind\":\"network\",\"what\":\"say\",\"at\":\"a\",\"words\":\"{words}\",\
             \"place\":\"file-{seq}.rs:1:1\"}}\n"
        )
    };
    let model = model(&(0..MAX_EVENTS).map(event).collect::<String>());
    let page = page(&model, "large", |_| Some("a long line of a program\n".repeat(9)));
    assert!(page.len() <= MAX_PAGE, "{} bytes", page.len());
    let shown = data(&page)["events"].as_array().expect("events").len();
    assert!(shown > MAX_EVENTS / 4 && shown < MAX_EVENTS, "{shown}");
    assert!(page.contains(&format!("This page steps through {shown} of {MAX_EVENTS} events")));
}

#[test]
fn a_page_that_begins_while_very_much_waits_counts_what_has_no_room() {
    const WAITING: u64 = 40_000;
    let event = |seq: u64| {
        let (kind, timer) = if seq < WAITING { ("timer_set", seq) } else { ("timer_cancelled", seq - 10) };
        format!(
            "{{\"seq\":{seq},\"ns\":{seq},\"kind\":\"{kind}\",\"timer\":{timer},\"delay_ns\":99999999,\
             \"place\":\"a/folder/file-{timer}.rs:1:1\"}}\n"
        )
    };
    // The last ten of them are cancelled, one by one.
    let model = model(&(0..WAITING + 10).map(event).collect::<String>());
    let part = Part::choose(&model, Some((WAITING, WAITING + 9)), None, None, &[]).unwrap();
    let page = page_of(&model, "waits", &part, |_| None);
    assert!(page.len() <= MAX_PAGE, "{} bytes", page.len());
    let data = data(&page);
    assert_eq!(data["events"].as_array().map(Vec::len), Some(10), "no event had to make room");
    let shown = data["waits"].as_array().expect("what waits").len() as u64;
    assert!(shown > 1_000 && shown < WAITING / 4, "{shown}");
    let more = data["more"].as_array().expect("how many more");
    assert_eq!(more[0], serde_json::json!([WAITING, WAITING - shown]));
    let ended: Vec<_> = (WAITING + 1..=WAITING + 10).map(|moment| serde_json::json!([moment, -1])).collect();
    assert_eq!(more[1..], ended);
}

#[test]
fn each_host_has_its_loop_and_a_host_that_is_started_again_has_two() {
    let page = page(&world(10, true), "world", |_| None);
    let data = data(&page);
    let loops = names(&data["loops"]);
    assert_eq!(loops[..2], ["server, run 1", "server, run 2"]);
    assert_eq!(loops.len(), 12, "{loops:?}");
    assert!(data["texts"].as_array().unwrap().iter().any(|text| text == "starts again: a new program"));
    let wire = &data["wires"][0];
    assert_eq!(wire["lanes"].as_array().map(Vec::len), Some(11));
}

#[test]
fn what_a_host_left_open_when_it_crashed_does_not_wait_any_longer() {
    let model = world(1, true);
    let is_crash = |event: &lens::Event| event.text("what") == "crash";
    let crash = model.events.iter().position(is_crash).expect("the server crashes");
    let of_server = |moment| {
        let lines = Waits::after(&model, moment).lines;
        lines.iter().filter(|line| line.text.starts_with("server: ")).map(|line| line.text.clone()).collect::<Vec<_>>()
    };
    assert_eq!(of_server(crash).len(), 2, "{:?}", of_server(crash));
    let ports = model.sockets.sockets.iter().filter(|socket| socket.host == "server" && socket.number == 1);
    assert_eq!(ports.count(), 2, "the port of each program, though both have the same number");
    let began = model.events.iter().rposition(|event| event.kind == "trace" && event.host == "server");
    let again = of_server(began.expect("it is started again"));
    assert_eq!(again, [""; 0]);
    let end = model.events.iter().rposition(|event| event.kind == "end" && event.host == "server").unwrap();
    let [timer] = &of_server(end)[..] else { panic!("{:?}", of_server(end)) };
    assert!(timer.starts_with("server: delayed call 0 is due in "), "{timer}");
}

#[test]
fn the_legend_of_ladders_stands_there_once() {
    let page = page(&deferreds(), "ladders", |_| None);
    assert!(page.matches("<svg").count() >= 3, "several ladders");
    assert_eq!(page.matches("How to read a ladder").count(), 1);
    for old in ["Pale text", "Small numbers: in which order"] {
        assert!(!page.contains(old), "{old}");
    }
}

#[test]
fn events_are_told_in_plain_words() {
    let page = page(&world(1, false), "words", |_| None);
    let data = data(&page);
    let rows = data["events"].as_array().expect("events").iter().map(|row| text(&data, &row[1]));
    let all: Vec<String> = rows.collect();
    let told = |text: &str| all.iter().any(|told| told.contains(text));
    for text in [
        "server: connection 2 with 10.0.0.2:",
        "client-1: turn 1 begins and does not wait: there is work",
        "server: delayed call 0 is requested, due in 60.000 s",
        "server: call: read on socket 2: 4000 bytes",
        "server: runs data_received of ",
    ] {
        assert!(told(text), "{text}: {all:#?}");
    }
    for text in ["connected: connected", "--: "] {
        assert!(!told(text), "{text}");
    }
}

#[test]
fn a_page_of_many_delayed_calls_takes_time_in_proportion_to_the_events() {
    let event = |seq: usize| {
        let set = if seq < 20_000 { "timer_set" } else { "timer_cancelled" };
        format!("{{\"seq\":{seq},\"ns\":{seq},\"kind\":\"{set}\",\"timer\":{},\"delay_ns\":99999999}}\n", seq % 20_000)
    };
    let trace = Trace::read_part((0..40_000).map(event).collect::<String>().as_bytes()).unwrap();
    let begin = Instant::now();
    let model = Model::new(trace);
    let to_read = begin.elapsed();
    let begin = Instant::now();
    page(&model, "timers", |_| None);
    let to_write = begin.elapsed();
    // A scan of all events for each delayed call takes some 1000 times as long as reading them once.
    assert!(to_write < 100 * to_read, "{to_write:?} to write, {to_read:?} to read");
}
