//! Ports and connections: attempts that fail, ports that find nothing to do or no descriptor, crowds that wait.

#[expect(dead_code, reason = "other tests look into the lines")]
mod util;

use lens::Model;
use lens::verdict::{About, Verdict};
use lens::views::page::page;
use lens::views::waits::Waits;
use lens::views::wire::{Carried, Row, What, Wire};
use util::model;

fn written(lines: &[String]) -> Model {
    let text: Vec<String> = lines.iter().enumerate().map(|(seq, line)| format!("{{\"seq\":{seq},{line}}}\n")).collect();
    model(&text.concat())
}

/// The labels of a connection's arrows, and whether each comes to us.
fn arrows(calls: &[&str]) -> Vec<(String, bool)> {
    let call = |call: &&str| format!(r#""kind":"call","socket":3,"call":{call}"#);
    let model = written(&calls.iter().map(call).collect::<Vec<_>>());
    let wire = Wire::of_socket(&model, model.sockets.get_at("", 3, 0).unwrap());
    assert_eq!(wire.lanes[0], "1.2.3.4:5");
    let rows = wire.rows.into_iter();
    rows.filter_map(|row| match row.what {
        What::Arrow { to, .. } => Some((row.label, to == 1)),
        _ => None,
    })
    .collect()
}

#[test]
fn a_connection_that_was_not_made_is_not_drawn_as_one() {
    let connect = r#""connect","address":"1.2.3.4:5","done":0"#;
    let refused = r#""finish_connect","failed":"ConnectionRefused","code":111"#;
    let close = r#""close","done":0"#;
    let expected = [("connect", false), ("connect fails: ConnectionRefused", true)];
    assert_eq!(arrows(&[connect, refused, close]), expected.map(|(label, to_us)| (label.to_owned(), to_us)));
    let at_once = r#""connect","address":"1.2.3.4:5","failed":"NetworkUnreachable","code":101"#;
    assert_eq!(arrows(&[at_once]), [("connect fails: NetworkUnreachable".to_owned(), false)]);
}

#[test]
fn nothing_is_sent_by_a_close_after_the_connection_broke() {
    let connect = r#""connect","address":"1.2.3.4:5","done":0"#;
    let broken = r#""write","offered":5,"failed":"ConnectionReset","code":104"#;
    let close = r#""close","done":0"#;
    let expected = [("connect", false), ("write fails: ConnectionReset", false)];
    assert_eq!(arrows(&[connect, broken, close]), expected.map(|(label, to_us)| (label.to_owned(), to_us)));
    let blocked = r#""read","room":5,"failed":"WouldBlock","code":11"#;
    assert!(arrows(&[connect, blocked, close])[1].0.starts_with("FIN: "), "without a break it is closed by a FIN");
}

/// The library looks an address up in a Deferred of its own, and connects in a callback of that.
#[test]
fn a_connection_that_is_being_made_stands_below_the_deferred_that_waits_for_it() {
    let made = |number: u64, place: &str, callback: &str| {
        format!(r#"{callback}"kind":"deferred_made","deferred":{number},"what":"deferred","place":"{place}""#)
    };
    let begun = |callback: u64| {
        format!(r#""turn":1,"kind":"callback_begin","callback":{callback},"what":"soon_call","place":"a.rs:5:1""#)
    };
    let ended = |callback: u64| format!(r#""turn":1,"kind":"callback_end","callback":{callback},"took_ns":1"#);
    let connect = |socket: u64, within: &str| {
        format!(r#"{within}"kind":"call","call":"connect","socket":{socket},"address":"1.2.3.4:{socket}","done":0"#)
    };
    let mut lines = vec![made(1, "a.rs:5:1", ""), made(2, "a.rs:5:1", "")];
    lines.extend([begun(1), connect(7, r#""in":1,"#), ended(1)]);
    lines.extend([begun(2), made(3, "connector.rs:9:1", r#""in":2,"#)]);
    lines.push(r#""kind":"step_added","deferred":3,"step":1,"side":"callback","place":"connector.rs:9:1""#.to_owned());
    lines.extend([ended(2), connect(8, r#""in_step":1,"#)]);
    let waits = |lines: &[String]| {
        let waits = Waits::of(&written(lines)).lines.into_iter();
        waits.map(|line| format!("{} {}", line.depth, line.text)).collect::<Vec<_>>()
    };
    let of = |number: u64| format!("1 connection {number} with 1.2.3.4:{number}, which is being made");
    let deferred = |number: u64| format!("0 Deferred {number} has not been fired");
    let third = "0 Deferred 3 has not been fired (1 callback not run yet)".to_owned();
    assert_eq!(waits(&lines), [deferred(1), of(7), deferred(2), of(8), third.clone()]);
    // The first address is refused: the next one is tried for the same Deferred.
    lines.push(r#""kind":"call","call":"finish_connect","socket":7,"failed":"ConnectionRefused""#.to_owned());
    lines.push(r#""kind":"call","call":"close","socket":7,"done":0"#.to_owned());
    assert_eq!(waits(&lines), [deferred(1), deferred(2), of(8), third.clone()]);
    lines.push(connect(9, r#""in":1,"#));
    assert_eq!(waits(&lines), [deferred(1), of(9), deferred(2), of(8), third]);
}

#[test]
fn a_host_that_talks_to_itself_has_words_on_its_line() {
    let arrow = |label: &str, carried| Row {
        what: What::Arrow { from: 0, to: 0, sent: 1, carried },
        label: label.to_owned(),
        link: None,
        range: None,
        is_read: carried == Carried::Bytes,
        bytes: None,
        ns: 2,
        at: 0,
        seq: 0,
    };
    let (lanes, rows) =
        (vec!["alone".to_owned()], vec![arrow("“hello”", Carried::Bytes), arrow("FIN: ends its side", Carried::End)]);
    let wire = Wire { lanes, rows, ..Wire::default() };
    for picture in [wire.to_text(), wire.to_svg()] {
        assert!(picture.contains("“hello”, read") && picture.contains("FIN: ends its side"), "{picture}");
    }
    assert!(!wire.to_svg().contains("hotline\" points"), "an arrow without a length");
}

#[test]
fn a_port_without_a_free_descriptor_has_its_place() {
    let lines = [
        r#""kind":"call","call":"listen","socket":9,"address":"127.0.0.1:8007","done":0"#,
        r#""kind":"listening","socket":9,"place":"a.rs:7:1""#,
        r#""kind":"call","call":"accept","listener":9,"failed":"Other","code":24"#,
    ];
    let verdict = Verdict::new(&written(&lines.map(str::to_owned)));
    let [finding] = &verdict.findings[..] else { panic!("{}", verdict.to_text()) };
    assert_eq!((finding.about, finding.place.as_str()), (About::NoDescriptors, "a.rs:7:1"));
}

#[test]
fn a_port_that_finds_nothing_to_do_now_and_then_is_no_storm() {
    let mut lines = vec![r#""kind":"listening","socket":1,"place":"a.rs:7:1""#.to_owned()];
    for socket in 2..202 {
        lines.push(format!(
            r#""kind":"call","call":"accept","listener":1,"socket":{socket},"peer":"1.2.3.4:5","done":0"#
        ));
        lines.push(r#""kind":"call","call":"accept","listener":1,"failed":"WouldBlock","code":11"#.to_owned());
    }
    let verdict = Verdict::new(&written(&lines));
    assert!(verdict.is_clean(), "{}", verdict.to_text());
    lines.push(r#""kind":"call","call":"accept","listener":1,"failed":"WouldBlock","code":11"#.to_owned());
    let verdict = Verdict::new(&written(&lines));
    let [finding] = &verdict.findings[..] else { panic!("{}", verdict.to_text()) };
    assert_eq!((finding.about, finding.place.as_str()), (About::Storm, "a.rs:7:1"));
    assert!(finding.sentence.starts_with("201 of 401 calls on "), "{finding:?}");
}

#[test]
fn the_longest_silence_of_a_peer_that_does_not_read_is_told_even_if_it_reads_or_goes_later() {
    let at = |ns: u64, rest: &str| format!(r#""ns":{ns},"socket":3,{rest}"#);
    let connected = at(1, r#""kind":"connected","peer":"1.2.3.4:5","protocol":"Echo","place":"a.rs:1:1""#);
    let paused = at(2, r#""kind":"reading_paused","full":true"#);
    let wrote = |ns, done: u64| at(ns, &format!(r#""kind":"call","call":"write","offered":9,"done":{done}"#));
    let failed = at(3_000_000_002, r#""kind":"call","call":"write","offered":9,"failed":"ConnectionReset","code":104"#);
    let ended = at(3_000_000_002, r#""kind":"ended","reason":"lost","unsent":9"#);
    let resumed = at(3_000_000_003, r#""kind":"reading_resumed""#);
    let later = at(9_000_000_000, r#""kind":"callback_begin","what":"protocol","method":"connection_lost""#);
    let told = |lines: &[String]| {
        let findings = Verdict::new(&written(lines)).findings.into_iter();
        findings.map(|finding| finding.sentence).collect::<Vec<_>>()
    };
    let reset = told(&[connected.clone(), paused.clone(), failed, ended, later.clone()]);
    assert_eq!(reset, ["The peer of connection 3 with 1.2.3.4:5 did not read for 3.000 s; 9 bytes never sent."]);
    let read = told(&[connected.clone(), paused.clone(), wrote(3_000_000_002, 9), resumed.clone(), later.clone()]);
    assert_eq!(read, ["The peer of connection 3 with 1.2.3.4:5 did not read for 3.000 s."]);
    // It reads slowly, but is never silent for long.
    let slow = (1..4).map(|part| wrote(part * 900_000_000, 3));
    let lines: Vec<_> = [connected, paused].into_iter().chain(slow).chain([resumed, later]).collect();
    assert_eq!(told(&lines), [] as [String; 0]);
}

/// What the verdict says of a connection that the program has paused, and what `--waits` says of it, if the rest of the
/// trace is this.
fn paused_and(rest: &[&str]) -> (Vec<String>, String) {
    let at = |ns: u64, rest: &str| format!(r#""ns":{ns},"socket":3,{rest}"#);
    let mut lines = vec![
        at(1, r#""kind":"connected","peer":"1.2.3.4:5","protocol":"Echo","place":"a.rs:1:1""#),
        at(2, r#""kind":"reading_paused""#),
    ];
    let rest = (1..).zip(rest).map(|(second, rest)| at(second * 1_000_000_000, rest));
    lines.extend(rest);
    let model = written(&lines);
    let findings = Verdict::new(&model).findings.into_iter().filter(|finding| finding.about == About::Unread);
    (findings.map(|finding| finding.sentence).collect(), Waits::of(&model).to_text())
}

#[test]
fn a_program_that_leaves_unread_what_came_is_told_and_a_pause_that_ends_is_not() {
    let (found, nothing) = (r#""kind":"ready","readable":true,"writable":true"#, r#""kind":"ready","writable":true"#);
    let (later, resumed) = (r#""kind":"other""#, r#""kind":"reading_resumed""#);
    let told =
        "The program read nothing from connection 3 with 1.2.3.4:5 for 2.000 s, though there was something to read.";
    let (sentences, waits) = paused_and(&[found, later, later]);
    assert_eq!(sentences, [told]);
    assert!(waits.contains("is open, and reading is paused"), "{waits}");

    let stopping = r#""kind":"callback_begin","callback":1,"method":"reactor_stopping""#;
    let (closing, half) = (r#""kind":"closing""#, r#""kind":"closing","half":true"#);
    let ended = r#""phase":"outside","kind":"ended","reason":"closed cleanly","clean":true"#;
    let lost = r#""kind":"ended","reason":"the peer has reset it""#;
    let unread = "for 3.000 s, though";
    assert!(paused_and(&[found, stopping, closing, ended]).0[0].contains(unread), "the stop ends it");
    assert!(paused_and(&[found, later, half, lost, later]).0[0].contains(unread), "the peer ends it");

    let full = r#""kind":"reading_paused","full":true"#;
    let no_fault = [
        &[found, later, resumed, later, later][..],
        &[found, later, later, closing, ended],
        &[later, nothing, later, later],
        &[later, later, found, later],
        &[full, found, later, later, later],
    ];
    for rest in no_fault {
        assert_eq!(paused_and(rest).0, [] as [String; 0], "{rest:?}");
    }
    assert!(!paused_and(no_fault[0]).1.contains("paused"), "{}", paused_and(no_fault[0]).1);
}

#[test]
fn a_port_is_a_victim_only_if_it_has_one_more_connection() {
    let accepted = |ns: u64, socket: u64| {
        format!(
            r#""ns":{ns},"turn":1,"kind":"call","call":"accept","listener":9,"socket":{socket},"peer":"1.2.3.4:5","done":0"#
        )
    };
    let nothing = r#""ns":50000006,"turn":1,"kind":"call","call":"accept","listener":9,"failed":"WouldBlock""#;
    let mut lines = vec![r#""ns":1,"kind":"listening","socket":9,"place":"a.rs:7:1""#.to_owned()];
    lines.push(r#""ns":1,"turn":1,"kind":"turn""#.to_owned());
    lines.push(r#""ns":2,"turn":1,"kind":"call","call":"poll","done":1"#.to_owned());
    lines.push(r#""ns":2,"turn":1,"kind":"ready","socket":9,"readable":true"#.to_owned());
    lines.push(accepted(3, 10));
    lines.push(
        r#""ns":4,"turn":1,"kind":"callback_begin","callback":1,"what":"protocol","method":"connection_made","socket":10"#
            .to_owned(),
    );
    lines.push(r#""ns":50000004,"turn":1,"kind":"callback_end","callback":1,"took_ns":50000000"#.to_owned());
    let with = |more: &[String]| Verdict::new(&written(&[&lines[..], more].concat())).findings.remove(0);
    let alone = with(&[nothing.to_owned()]);
    assert!(alone.sentence.ends_with("Nothing else waited meanwhile.") && alone.details.is_empty(), "{alone:?}");
    let crowd = with(&[accepted(50_000_005, 11), nothing.to_owned()]);
    let expected = "socket 9: another connection was accepted next; it may have waited for 50.0 ms";
    assert_eq!(crowd.details, [expected]);
}

#[test]
fn all_sockets_that_the_next_wait_finds_are_counted() {
    const CROWD: u64 = 1000;
    let mut lines = vec![r#""ns":1,"turn":1,"kind":"turn""#.to_owned()];
    let connected = |socket| {
        format!(r#""ns":1,"turn":1,"kind":"connected","socket":{socket},"peer":"1.2.3.4:5","protocol":"Echo""#)
    };
    lines.extend((1..=CROWD).map(connected));
    lines.push(
        r#""ns":2,"turn":1,"kind":"callback_begin","callback":1,"what":"timer","words":"the delayed call""#.to_owned(),
    );
    lines.push(r#""ns":50000002,"turn":1,"kind":"callback_end","callback":1,"took_ns":50000000"#.to_owned());
    lines.push(r#""ns":50000003,"turn":1,"kind":"turn_end""#.to_owned());
    lines.push(r#""ns":50000004,"turn":2,"kind":"turn""#.to_owned());
    lines.push(r#""ns":50000005,"turn":2,"kind":"call","call":"poll","took_ns":1,"done":1000"#.to_owned());
    lines.extend(
        (1..=CROWD).map(|socket| format!(r#""ns":50000005,"turn":2,"kind":"ready","socket":{socket},"readable":true"#)),
    );
    lines.push(r#""ns":50000006,"turn":2,"kind":"turn_end""#.to_owned());
    let text = Verdict::new(&written(&lines)).to_text();
    assert!(text.contains("992 more sockets"), "{text}");
}

#[test]
fn a_ladder_that_is_too_large_leaves_room_for_those_behind_it() {
    let made = |number: u64, what: &str| {
        format!(r#""kind":"deferred_made","deferred":{number},"what":"{what}","place":"a.rs:{number}:1""#)
    };
    let mut lines = vec![made(1, "list")];
    for number in 2..1000 {
        lines.push(made(number, "deferred"));
        lines.push(format!(r#""kind":"list_joined","deferred":{number},"list":1,"index":{number}"#));
    }
    lines.push(made(1000, "deferred"));
    lines.push(r#""kind":"step_added","deferred":1000,"step":1,"side":"callback","place":"a.rs:9:1""#.to_owned());
    let page = page(&written(&lines), "ladders", |_| None);
    assert!(page.contains("aria-label=\"Deferred 1000\""), "the ladder behind a large one");
    assert!(page.contains("1 more ladder: lens TRACE --ladder has all of them."), "what is left out");
}
