//! The verdict finds what is wrong, whom it hit, and nothing where nothing is wrong.

#[path = "util/held.rs"]
mod held;
#[expect(dead_code, reason = "other tests look into the lines")]
mod util;

use held::{agreed, hold};
use lens::verdict::{About, Finding, Verdict};
use lens::views::ladder::Ladders;
use reactor::deferred::{self, Others, gather_results};
use reactor::testing::collect_unhandled;
use reactor::{Deferred, Failure, Protocol, Reactor, Settings, Transport};
use std::cell::Cell;
use std::io::Write;
use std::net::TcpStream;
use std::rc::Rc;
use std::time::Duration;
use util::{Lines, model};

const MS: Duration = Duration::from_millis(1);

fn verdict(lines: &Lines) -> Verdict {
    Verdict::new(&lines.model())
}

fn reactor(lines: &Lines) -> Reactor {
    let mut settings = Settings::default();
    settings.slow_callback = Duration::from_secs(3600); // The log need not repeat the verdict.
    Reactor::traced(lines.stream(), settings).unwrap()
}

#[track_caller]
fn only(verdict: &Verdict, about: About) -> &Finding {
    let found: Vec<_> = verdict.findings.iter().filter(|finding| finding.about == about).collect();
    assert_eq!(found.len(), 1, "{}", verdict.to_text());
    found[0]
}

struct Echo;

impl Protocol for Echo {
    fn data_received(&mut self, transport: &Transport, data: &[u8]) {
        transport.write(data);
    }
}

#[test]
fn a_block_of_50_ms_is_found_with_its_line_and_its_victims() {
    let (verdict, finding, [block_line, timer_line], served) = agreed(|| {
        let lines = Lines::default();
        let reactor = reactor(&lines);
        let port = reactor.listen_tcp("127.0.0.1:0", |_| Echo).unwrap();
        let mut client = TcpStream::connect(port.host()).unwrap();
        while reactor.inventory().connections.is_empty() {
            reactor.iterate(MS).unwrap();
        }
        let held = Rc::new(Cell::new(Duration::ZERO));
        let (victim, served) = (Rc::new(Cell::new(false)), client.local_addr().unwrap().to_string());
        let (noted, rings) = (held.clone(), victim.clone());
        let block_line = line!() + 1;
        reactor.call_later(Duration::ZERO, move || {
            client.write_all(b"hello").unwrap();
            noted.set(hold(50 * MS));
            std::mem::forget(client); // It stays open until the process ends.
        });
        let timer_line = line!() + 1;
        reactor.call_later(10 * MS, move || rings.set(true));
        while !victim.get() || !lines.has(r#""bytes":"hello""#) {
            reactor.iterate(100 * MS).unwrap();
        }
        drop((port, reactor));
        let verdict = verdict(&lines);
        // Something else may have held the loop, too, while the thread had no processor.
        let worst = verdict.findings.iter().filter(|finding| finding.about == About::Held).max_by_key(|it| it.took);
        let finding = worst.expect("what held the loop").clone();
        let took = Duration::from_nanos(finding.took);
        ((verdict, finding, [block_line, timer_line], served), held.get(), took)
    });
    assert!(finding.place.contains(&format!("verdict.rs:{block_line}:")), "{}", finding.place);
    let details = finding.details.join("\n");
    assert!(details.contains(&format!("verdict.rs:{timer_line}")), "the timer: {details}");
    assert!(details.contains(&served), "the socket: {details}");
    assert!(verdict.to_text().contains("held the loop for"), "{}", verdict.to_text());
}

/// A delayed call that was due when the callback before it began is its victim, too.
#[test]
fn what_was_due_before_a_block_is_its_victim() {
    let due = [("src/slow.rs:1:1", 0), ("src/due_before.rs:2:2", 1_000_000), ("src/due_during.rs:3:3", 30_000_000)];
    let mut events: Vec<String> = Vec::new();
    let mut event = |ns: u64, turn: u64, phase: &str, rest: String| {
        let seq = events.len();
        events.push(format!(r#"{{"seq":{seq},"ns":{ns},"turn":{turn},"phase":"{phase}",{rest}}}"#));
    };
    for (timer, (place, delay)) in due.iter().enumerate() {
        event(0, 0, "", format!(r#""kind":"timer_set","timer":{timer},"delay_ns":{delay},"place":"{place}""#));
    }
    let call = |timer: usize, late: u64| {
        let place = due[timer].0;
        format!(
            r#""kind":"callback_begin","callback":{timer},"what":"timer","timer":{timer},"late_ns":{late},"place":"{place}""#
        )
    };
    let ended = |callback: usize| format!(r#""kind":"callback_end","callback":{callback}"#);
    event(5_000_000, 1, "wait", r#""kind":"turn""#.to_owned());
    event(5_000_000, 1, "timers", call(0, 5_000_000));
    event(55_000_000, 1, "timers", ended(0));
    event(55_000_000, 1, "timers", call(1, 54_000_000));
    event(55_000_001, 1, "timers", ended(1));
    event(55_000_002, 1, "", r#""kind":"turn_end""#.to_owned());
    event(55_000_003, 2, "wait", r#""kind":"turn""#.to_owned());
    event(55_000_004, 2, "timers", call(2, 25_000_004));
    event(55_000_005, 2, "timers", ended(2));
    event(55_000_006, 2, "", r#""kind":"turn_end""#.to_owned());
    let verdict = Verdict::new(&model(&(events.join("\n") + "\n")));
    let victims: Vec<_> = only(&verdict, About::Held).details.iter().filter(|line| line.contains("a timer")).collect();
    assert_eq!(victims.len(), 2, "{victims:?}");
    assert!(victims[0].contains("due_before.rs:2") && victims[0].contains("54.0 ms late"), "{victims:?}");
    assert!(victims[1].contains("due_during.rs:3") && victims[1].contains("25.0 ms late"), "{victims:?}");
}

#[test]
fn what_never_fires_is_told_with_what_waits_for_it() {
    let lines = Lines::default();
    lines.stream().during(|| {
        let (answer, firer) = Deferred::<u32>::new();
        let page = deferred::succeed(1).add_callback(move |_| answer).add_callback(|n| Ok(n + 1));
        let both = gather_results([page, Deferred::<u32>::new().0], Others::LeaveRunning);
        std::mem::forget((both, firer));
    });
    let verdict = verdict(&lines);
    let never: Vec<_> = verdict.findings.iter().filter(|finding| finding.about == About::NeverFired).collect();
    assert_eq!(never.len(), 2, "{}", verdict.to_text());
    assert!(never[0].sentence.contains("never fired before the end"), "{}", verdict.to_text());
    assert!(never[0].details.iter().any(|line| line.contains("list")), "{}", verdict.to_text());
    assert!(never[1].sentence.contains("its last Firer was dropped"), "{}", verdict.to_text());
}

#[test]
fn a_second_firing_and_a_failure_that_nobody_handled_have_their_places() {
    let lines = Lines::default();
    let (mut first, mut second, mut raised) = (0, 0, 0);
    lines.stream().during(|| {
        let (number, firer) = Deferred::<u32>::new();
        first = line!() + 1;
        firer.callback(1).unwrap();
        second = line!() + 1;
        firer.callback(2).unwrap_err();
        drop(number);
        let unhandled = collect_unhandled(|| {
            raised = line!() + 1;
            drop(deferred::succeed(1).add_callback(|_| -> Result<u8, _> { Err(Failure::msg("too large")) }));
        });
        assert_eq!(unhandled.len(), 1);
    });
    let verdict = verdict(&lines);
    let twice = &only(&verdict, About::FiredTwice).sentence;
    assert!(twice.contains(&format!(":{second}")) && twice.contains(&format!(":{first}")), "{twice}");
    let unhandled = only(&verdict, About::Unhandled);
    assert!(unhandled.place.contains(&format!(":{raised}:")), "{unhandled:?}");
    assert!(unhandled.sentence.contains("too large") && !unhandled.details.is_empty(), "{unhandled:?}");
}

#[test]
fn one_late_firing_after_a_cancel_is_no_mistake_and_a_second_one_is() {
    for has_canceller in [false, true] {
        for firings in 1..=2 {
            let lines = Lines::default();
            let (mut cancelled, mut fired) = (0, 0);
            lines.stream().during(|| {
                let (number, firer) = match has_canceller {
                    true => Deferred::<u32>::with_canceller(|_| ()),
                    false => Deferred::<u32>::new(),
                };
                let number = number.add_errback(|_| Ok(0));
                cancelled = line!() + 1;
                number.cancel();
                // Without a canceller, nobody told the producer: the first late firing is not even an error for it.
                fired = line!() + 1;
                let results: Vec<bool> = (0..firings).map(|value| firer.callback(value).is_ok()).collect();
                assert_eq!(results[0], !has_canceller);
                drop(number);
            });
            let model = lines.model();
            let text = Ladders::new(&model).to_text();
            let first =
                if has_canceller { "fired after the cancel: refused" } else { "fired after the cancel: ignored" };
            assert_eq!(text.matches(first).count(), 1, "{text}");
            let is_mistake = Verdict::new(&model).findings.iter().any(|finding| finding.about == About::FiredTwice);
            assert_eq!(is_mistake, firings == 2, "{text}");
            assert_eq!(text.contains("fired a second time"), firings == 2, "{text}");
            if firings == 2 {
                let verdict = Verdict::new(&model);
                let twice = &only(&verdict, About::FiredTwice).sentence;
                let cancel = format!("it was cancelled at lens/tests/verdict.rs:{cancelled}.");
                let told = format!("lost, as was the first, at lens/tests/verdict.rs:{fired}: {cancel}");
                assert!(twice.contains(&told), "{twice}");
                assert!(text.contains(&format!("refused (first at verdict.rs:{fired})")), "{text}");
            }
        }
    }
}

#[test]
fn a_connection_that_is_open_at_the_end_is_told_and_a_clean_one_is_not() {
    let lines = Lines::default();
    let reactor = reactor(&lines);
    let port = reactor.listen_tcp("127.0.0.1:0", |_| Echo).unwrap();
    let (clean, left) = (TcpStream::connect(port.host()).unwrap(), TcpStream::connect(port.host()).unwrap());
    while reactor.inventory().connections.len() < 2 {
        reactor.iterate(MS).unwrap();
    }
    drop(clean);
    while reactor.inventory().connections.len() > 1 {
        reactor.iterate(100 * MS).unwrap();
    }
    drop((port, reactor));
    let verdict = verdict(&lines);
    let leaked = &only(&verdict, About::Leaked).sentence;
    assert!(leaked.contains(&left.local_addr().unwrap().to_string()), "{leaked}");
    // Something else may have held the loop, too, while the thread had no processor.
    let others = verdict.findings.iter().filter(|finding| finding.about != About::Held);
    assert_eq!(others.count(), 1, "{}", verdict.to_text());
}

/// A trace of a few lines, for what a test cannot bring about at will.
fn written(lines: &[String]) -> Verdict {
    let text: Vec<String> = lines.iter().enumerate().map(|(seq, line)| format!("{{\"seq\":{seq},{line}}}\n")).collect();
    Verdict::new(&model(&text.concat()))
}

#[test]
fn a_peer_that_does_not_read_and_a_storm_of_calls_are_told() {
    let connected = r#""ns":1,"kind":"connected","socket":3,"peer":"1.2.3.4:5","protocol":"Echo","place":"a.rs:1:1""#;
    let paused = r#""ns":2,"kind":"reading_paused","socket":3,"full":true"#;
    let end = r#""ns":3000000002,"kind":"turn""#;
    let verdict = written(&[connected, paused, end].map(str::to_owned));
    let finding = only(&verdict, About::DoesNotRead);
    assert!(
        finding.sentence.contains("did not read for 3.000 s") && finding.sentence.contains("1.2.3.4:5"),
        "{finding:?}"
    );

    let blocked = r#""ns":5,"kind":"call","call":"read","socket":3,"failed":"WouldBlock","code":11"#;
    let mut lines = vec![connected.to_owned()];
    lines.extend((0..120).map(|_| blocked.to_owned()));
    assert!(only(&written(&lines), About::Storm).sentence.contains("120 of 120 calls"));
}

#[test]
fn calls_that_find_no_free_descriptor_name_the_port_or_the_address_and_for_how_long() {
    let lines = [
        r#""ns":1,"kind":"call","call":"listen","socket":9,"address":"127.0.0.1:8007","done":0"#,
        r#""ns":2000,"kind":"call","call":"accept","listener":9,"failed":"Other","code":24"#,
        r#""ns":5000,"kind":"call","call":"accept","listener":9,"failed":"Other","code":24"#,
        r#""ns":6000,"kind":"call","call":"connect","address":"1.2.3.4:5","failed":"Other","code":23"#,
        r#""ns":7000,"kind":"call","call":"connect","address":"1.2.3.4:5","failed":"ConnectionRefused","code":111"#,
    ];
    let text = written(&lines.map(str::to_owned)).to_text().split_whitespace().collect::<Vec<_>>().join(" ");
    for expected in [
        "2 calls of accept on port 9 (127.0.0.1:8007) found no free descriptor (EMFILE) within 3.0 us.",
        "1 call of connect to 1.2.3.4:5 found no free descriptor (EMFILE).",
    ] {
        assert!(text.contains(expected), "{text}");
    }
}

const ECHO: &str = r#""kind":"callback_begin","what":"protocol","method":"data_received","object":"a::Echo","place":"a.rs:9:1","words":"data_received of a::Echo, on a connection to the port opened at a.rs:9:1""#;

#[test]
fn a_callback_in_which_the_trace_of_a_killed_process_ends_is_told() {
    let turn = r#""ns":1,"turn":1,"kind":"turn""#.to_owned();
    let begun = format!(r#""ns":2,"turn":1,"callback":1,{ECHO}"#);
    let ended = r#""ns":3,"turn":1,"kind":"callback_end","callback":1,"took_ns":1"#.to_owned();
    let connected = r#""ns":1,"kind":"connected","socket":3,"peer":"1.2.3.4:5","protocol":"Echo""#.to_owned();
    let ready = r#""ns":1,"turn":1,"kind":"ready","socket":3,"readable":true"#.to_owned();
    let verdict = written(&[turn.clone(), connected, ready, begun.clone()]);
    let finding = only(&verdict, About::Endless);
    assert!(finding.details.iter().any(|line| line.contains("connection 3 with 1.2.3.4:5: it had been ready")));
    assert!(finding.sentence.contains("data_received of a::Echo") && finding.place == "a.rs:9:1", "{finding:?}");
    assert!(written(&[turn.clone(), begun.clone(), ended]).is_clean());
    let is_full = r#""kind":"cut","max_size":1000"#.to_owned();
    assert!(written(&[turn, begun, is_full]).is_clean(), "the file was full, and nobody knows what came then");
}

#[test]
fn callbacks_that_held_the_loop_alike_are_one_finding_with_the_worst_of_them() {
    let mut lines = Vec::new();
    for (number, took) in [(1, 20_000_000), (2, 50_000_000), (3, 30_000_000)] {
        lines.push(format!(r#""ns":{number},"turn":{number},"kind":"turn""#));
        lines.push(format!(r#""ns":{number},"turn":{number},"callback":{number},{ECHO}"#));
        lines.push(format!(
            r#""ns":{number},"turn":{number},"kind":"callback_end","callback":{number},"took_ns":{took}"#
        ));
    }
    let verdict = written(&lines);
    let finding = only(&verdict, About::Held);
    assert_eq!(finding.took, 50_000_000);
    assert!(
        finding.details.iter().any(|line| line == "This was the longest. It did so 2 more times; all took 100.0 ms."),
        "{finding:?}"
    );
}

struct Slow;

impl Protocol for Slow {
    fn connection_made(&mut self, _transport: &Transport) {
        hold(20 * MS);
    }

    fn data_received(&mut self, _transport: &Transport, _data: &[u8]) {}
}

#[test]
fn the_line_of_a_method_is_found_in_the_source() {
    let line = line!() - 9; // Where connection_made of Slow stands.
    let lines = Lines::default();
    let reactor = reactor(&lines);
    let port = reactor.listen_tcp("127.0.0.1:0", |_| Slow).unwrap();
    let client = TcpStream::connect(port.host()).unwrap();
    while reactor.inventory().connections.is_empty() {
        reactor.iterate(100 * MS).unwrap();
    }
    drop((client, port, reactor));
    let mut model = lines.model();
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    lens::methods::find_methods(&mut model, |file| std::fs::read_to_string(root.join(file)).ok());
    let verdict = Verdict::new(&model);
    let at = format!("verdict.rs:{line}:");
    let finding = verdict.findings.iter().find(|it| it.about == About::Held && it.place.contains(&at));
    let finding = finding.unwrap_or_else(|| panic!("{}", verdict.to_text()));
    assert!(finding.sentence.contains(&format!("Slow (lens/tests/verdict.rs:{line}), on")), "{finding:?}");
}

#[test]
fn nothing_is_found_where_nothing_is_wrong() {
    let lines = Lines::default();
    lines.stream().during(|| {
        let (number, firer) = Deferred::<u32>::new();
        let chain = number.add_callback(|n| Ok(n + 1));
        firer.callback(1).unwrap();
        assert_eq!(chain.result(), Some(2));
    });
    let verdict = verdict(&lines);
    assert!(verdict.is_clean(), "{}", verdict.to_text());
    assert!(verdict.to_text().contains("Nothing is wrong"), "{}", verdict.to_text());
}

#[test]
fn a_verdict_fits_in_80_columns() {
    let lines = Lines::default();
    lines.stream().during(|| {
        let (answer, firer) = Deferred::<u32>::new();
        std::mem::forget((answer.add_callback(|n| Ok(n + 1)), firer));
    });
    let text = verdict(&lines).to_text();
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
}
