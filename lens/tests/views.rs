//! The views: what each must show, in each of its forms.

#[path = "util/held.rs"]
mod held;
#[path = "util/peers.rs"]
mod peers;
#[path = "../../reactor/tests/util/skip.rs"]
mod skip;
#[path = "util/two.rs"]
mod two;
#[expect(dead_code, reason = "other tests look into the lines")]
mod util;

use held::{agreed, hold};
use lens::Model;
use lens::verdict::Verdict;
use lens::views::connections::Connections;
use lens::views::ladder::Ladders;
use lens::views::loop_view::{LoopView, LoopViews};
use lens::views::page::{MAX_EVENTS, MAX_PAGE, page};
use lens::views::waits::Waits;
use lens::views::wire::{Row, What, Wire};
use reactor::deferred::{self, succeed};
use reactor::{Deferred, Failure, Reactor, Settings};
use skip::skipped;
use std::cell::Cell;
use std::fs;
use std::process::Command;
use std::rc::Rc;
use std::time::Duration;
use two::{fits, world};
use util::{Lines, model};

const MS: Duration = Duration::from_millis(1);

/// A real loop in which a delayed call holds the others for 50 ms.
struct Blocked {
    model: Model,
    /// For how long it did.
    held: Duration,
    /// The lines that asked for the delayed call and for its victim.
    line: u32,
    victim_line: u32,
}

fn blocked() -> Blocked {
    agreed(|| {
        let lines = Lines::default();
        let mut settings = Settings::default();
        settings.slow_callback = Duration::from_secs(3600);
        let reactor = Reactor::traced(lines.stream(), settings).unwrap();
        let (held, is_done) = (Rc::new(Cell::new(Duration::ZERO)), Rc::new(Cell::new(false)));
        let (noted, late) = (held.clone(), is_done.clone());
        let line = line!() + 1;
        reactor.call_later(Duration::ZERO, move || noted.set(hold(50 * MS)));
        let victim_line = line!() + 1;
        reactor.call_later(10 * MS, move || late.set(true));
        while !is_done.get() {
            reactor.iterate(100 * MS).unwrap();
        }
        drop(reactor);
        let (model, held) = (lines.model(), held.get());
        let longest = model.turns.callbacks.iter().map(|callback| callback.took).max().expect("a callback");
        (Blocked { model, held, line, victim_line }, held, Duration::from_nanos(longest))
    })
}

/// These turns of the loop of one host.
#[track_caller]
fn view(model: &Model, host: &str, range: Option<(u64, u64)>) -> LoopView {
    LoopViews::new(model, &[host], range, None).views.remove(0)
}

#[test]
fn the_loop_shows_what_held_it_and_what_waited_in_each_form() {
    let Blocked { model, held, line, victim_line } = blocked();
    let view = view(&model, "", None);
    let text = view.to_text();
    for picture in [text.clone(), view.to_svg(), page(&model, "blocked", |_| None)] {
        let (before, after) = picture.split_once(" ms held by the delayed call").expect("what held the loop");
        let digits = before.rsplit(|char: char| !char.is_ascii_digit() && char != '.').next();
        let shown: f64 = digits.and_then(|digits| digits.parse().ok()).expect("for how long");
        let error = Duration::from_secs_f64(shown / 1e3).abs_diff(held);
        assert!(error < 2 * MS, "{shown} ms, and it was {held:?}");
        // Lines of a text are broken within a sentence, but no place is.
        let (sentence, victims) = after.split_at(after.find("a timer, ").expect("a victim"));
        assert!(sentence.contains(&format!("views.rs:{line}")), "{sentence}");
        assert!(victims[..200.min(victims.len())].contains(&format!("views.rs:{victim_line}")), "{victims}");
    }
    assert!(text.contains("! a timer,"), "{text}");
    assert!(text.lines().any(|line| line.trim_start().starts_with("longest") && line.contains('#')), "{text}");
    fits(&text);
    for picture in [view.to_svg(), page(&model, "blocked", |_| None)] {
        assert!(picture.contains("class=\"hot\"") && picture.contains("1!"), "no red bar, or no victim");
        assert!(picture.contains("views.rs:"), "no line");
    }
}

#[test]
fn one_turn_is_shown_step_by_step() {
    let Blocked { model, .. } = blocked();
    let held = model.turns.callbacks.iter().find(|callback| callback.took > 40_000_000).unwrap();
    let text = view(&model, "", Some((held.turn, held.turn))).to_text();
    let steps: Vec<_> = text.lines().filter(|line| line.trim_start().starts_with('+')).collect();
    assert!(steps[0].contains("turn") && steps.last().unwrap().contains("the turn is over"), "{text}");
    assert!(steps.iter().any(|line| line.contains("── timers")) && text.contains("poll:"), "{text}");
    fits(&text);
}

#[test]
fn a_simulated_host_waits_between_its_turns() {
    let text = view(&world(), "server", None).to_text();
    let waiting = text.lines().find(|line| line.trim_start().starts_with("waiting ")).expect("a lane");
    assert!(waiting.contains('█'), "{text}");
}

#[test]
fn each_host_has_its_loop_in_one_picture_and_the_rest_is_named() {
    let of_world = world();
    let views = LoopViews::new(&of_world, &of_world.hosts(), None, None);
    let (text, svg) = (views.text().plain(), views.to_svg());
    for host in ["server", "client"] {
        assert!(text.contains(&format!("{host}: turns 1 to ")) && svg.contains(&format!(">{host}</text>")), "{text}");
    }
    fits(&text);
    let turn = |host: usize| format!("{{\"seq\":{host},\"turn\":1,\"host\":\"h{host}\",\"kind\":\"turn\"}}\n");
    let model = model(&(0..10).map(turn).collect::<String>());
    let views = LoopViews::new(&model, &model.hosts(), None, None);
    assert!(views.text().plain().contains("Not shown: h8, h9. --host NAME chooses."), "{}", views.text().plain());
    assert!(views.to_svg().contains("Not shown: h8, h9."));
    assert!(LoopViews::new(&model, &model.hosts(), Some((5, 9)), None).is_empty());
}

#[test]
fn connections_are_listed_and_the_busiest_one_is_said_to_be_chosen() {
    let model = world();
    let connections = Connections::new(&model);
    let busiest = model.sockets.sockets.iter().max_by_key(|socket| socket.read + socket.sent).unwrap();
    assert_eq!(connections.busiest(), Some(busiest));
    let text = connections.to_text();
    assert!(text.contains(&format!("{} {}", busiest.host, busiest.number)) && text.contains(&busiest.peer), "{text}");
    assert!(connections.choice(busiest).contains("which carried most of 2"), "{}", connections.choice(busiest));
    fits(&text);
}

#[test]
fn of_connections_that_carried_nothing_the_first_is_chosen() {
    let connected = |seq: u64| {
        format!("{{\"seq\":{seq},\"kind\":\"connected\",\"socket\":{},\"peer\":\"1.2.3.4:{seq}\"}}\n", seq + 1)
    };
    let model = model(&(1..4).map(connected).collect::<String>());
    let connections = Connections::new(&model);
    let first = connections.busiest().unwrap();
    assert_eq!(first.number, 2);
    let told = "Connection 2, the first of 3; none carried a byte. --sockets lists them, --socket N chooses.";
    assert_eq!(connections.choice(first), told);
}

#[test]
fn many_turns_share_columns() {
    let turn = |number: u64, kind: &str, ns: u64| {
        format!("{{\"seq\":{ns},\"ns\":{ns},\"turn\":{number},\"phase\":\"wait\",\"kind\":\"{kind}\"}}\n")
    };
    let text: String =
        (1..=1000).map(|number| turn(number, "turn", 2 * number) + &turn(number, "turn_end", 2 * number + 1)).collect();
    let view = view(&model(&text), "", None);
    assert!(view.columns.len() <= 60, "{}", view.columns.len());
    assert_eq!((view.columns[0].first, view.columns.last().unwrap().last), (1, 1000));
    fits(&view.to_text());
}

#[test]
fn the_figure_of_a_slow_callback_is_rounded() {
    let event = |seq: u64, ns: u64, rest: &str| {
        format!("{{\"seq\":{seq},\"ns\":{ns},\"turn\":1,\"phase\":\"timers\",{rest}}}\n")
    };
    let text = event(0, 0, "\"kind\":\"turn\"")
        + &event(1, 0, "\"kind\":\"callback_begin\",\"callback\":1,\"what\":\"timer\"")
        + &event(2, 60_800_000, "\"kind\":\"callback_end\",\"callback\":1,\"took_ns\":60800000")
        + &event(3, 60_800_000, "\"kind\":\"turn_end\"");
    let svg = LoopViews::new(&model(&text), &[""], None, None).to_svg();
    assert!(svg.contains(">61</text>"), "{svg}");
}

#[test]
fn a_remark_beside_a_line_is_not_cut_while_it_has_room() {
    let label = "over: lost: Connection reset by peer (os error 104)".to_owned();
    let row = |what| Row {
        what,
        label: label.clone(),
        link: None,
        range: None,
        is_read: false,
        bytes: None,
        ns: 0,
        at: 0,
        seq: 0,
    };
    let lanes = vec!["the peer".to_owned(), "the program".to_owned()];
    let svg = Wire { lanes, rows: vec![row(What::Mark(1))], ..Wire::default() }.to_svg();
    assert!(svg.contains(&format!(">{label}</text>")), "{svg}");
}

#[test]
fn colours_light_the_path_and_what_is_wrong_and_change_no_word() {
    let lines = Lines::default();
    lines.stream().during(|| {
        let (answer, firer) = Deferred::<u32>::new();
        let chain = succeed(1).add_callback(move |_| answer);
        let chain = chain.add_callback(|_| Err::<u32, _>(Failure::msg("too large"))).add_callback(Ok);
        let chain = chain.add_errback(|_| Ok(0));
        firer.callback(2).unwrap();
        let (lost, last_firer) = Deferred::<u32>::new();
        drop(last_firer);
        std::mem::forget((chain, lost));
    });
    let text = Ladders::new(&lines.model()).text();
    let coloured = text.coloured();
    let (first, escapes) = coloured.split_once("\x1b[").expect("colours");
    let words = escapes.split("\x1b[").map(|piece| piece.split_once('m').expect("an escape ends").1);
    let plain: String = [first].into_iter().chain(words).collect();
    assert_eq!(plain, text.plain());
    // Green is 32, red 31, bold red what is wrong, faint what was passed by.
    for lit in
        ["\x1b[32m█\x1b[0m", "\x1b[31m ┗━━━┓        2 → raised Message \"too large\"\x1b[0m", "\x1b[32m┏━━━┛\x1b[0m"]
    {
        assert!(coloured.contains(lit), "{lit:?}\n{coloured:?}");
    }
    let line = |words: &str| coloured.lines().find(|line| line.contains(words)).expect("a line with these words");
    assert!(line("passed by").contains("\x1b[2m"), "{:?}", line("passed by"));
    assert!(line("it can never fire").contains("\x1b[1;31m"), "{:?}", line("it can never fire"));
    let Blocked { model, .. } = blocked();
    let held = view(&model, "", None).text().coloured();
    assert!(held.contains("\x1b[1;31m# ") && held.contains("\x1b[33m  ! a timer"), "{held:?}");
    let verdict = Verdict::new(&model).text().coloured();
    assert!(verdict.contains("\x1b[1;31m* ") && verdict.contains("\x1b[33m    a timer"), "{verdict:?}");
}

#[test]
fn a_long_error_is_cut_within_its_quotes_and_what_came_of_it_stays() {
    let lines = Lines::default();
    lines.stream().during(|| {
        let failure = Failure::msg(format!("{} the end", "a long story ".repeat(20)));
        drop(deferred::fail::<u32>(failure).add_errback(|_| Ok(77)));
    });
    let ladders = Ladders::new(&lines.model());
    for form in [ladders.to_text(), ladders.to_svg().replace("&quot;", "\"")] {
        assert!(form.contains("…\" → 77"), "{form}");
    }
    fits(&ladders.to_text());
}

#[test]
fn what_waits_after_an_event_depends_on_that_number_alone() {
    let lines = Lines::default();
    lines.stream().during(|| {
        let (answer, firer) = reactor::Deferred::<u32>::new();
        let page = reactor::deferred::succeed(1).add_callback(move |_| answer).add_callback(|n| Ok(n + 1));
        firer.callback(2).unwrap();
        assert_eq!(page.result(), Some(3));
    });
    let model = lines.model();
    let count = model.events.len();
    let on: Vec<_> = (0..=count).map(|after| Waits::after(&model, after)).collect();
    let back: Vec<_> = (0..=count).rev().map(|after| Waits::after(&model, after)).collect();
    assert!(on.iter().eq(back.iter().rev()));
    let most = on.iter().map(|waits| waits.lines.len()).max();
    assert_eq!((on[0].lines.len(), most, on[count].lines.len()), (0, Some(2), 0), "{}", on[count].to_text());
    on.iter().for_each(|waits| fits(&waits.to_text()));
}

#[test]
fn things_that_are_alike_share_a_row_of_what_waits() {
    let set = |timer: u64, host: &str, place: &str| {
        let delay = timer * 1_000_000_000;
        let what = format!("\"kind\":\"timer_set\",\"timer\":{timer},\"delay_ns\":{delay},\"place\":\"{place}:1\"");
        format!("{{\"seq\":{timer},\"ns\":0,\"host\":\"{host}\",{what}}}\n")
    };
    let places = ["a/mod.rs:7", "b.rs:3", "a/mod.rs:7", "b.rs:3", "a/mod.rs:7", "a/mod.rs:7"];
    let hosts = ["Alford", "Alford", "Alford", "Alford", "Alford", "Bolden"];
    let text: String = (0..6).zip(hosts).zip(places).map(|((timer, host), place)| set(timer, host, place)).collect();
    let waits = Waits::of(&model(&text));
    assert_eq!(waits.lines.len(), 6);
    let shown = waits.to_text();
    let rows: Vec<&str> = shown.lines().skip(1).collect();
    assert_eq!(rows.len(), 4, "two are not many, and the last is another host's: {shown}");
    assert!(rows[0].starts_with("* Alford: 3 delayed calls are due in 0 ns to 4.000 s"), "{shown}");
    assert!(rows[0].ends_with(" a/mod.rs:7"), "{shown}");
    assert!(waits.to_svg().contains("3 delayed calls"));
}

#[test]
fn pictures_are_sound_xml_whatever_the_program_says() {
    let lines = Lines::default();
    lines.stream().during(|| {
        reactor::trace::name_next("<b>&\"\u{1}");
        let (answer, firer) = reactor::Deferred::<String>::new();
        let chain = answer.add_callback(|text| Ok(text.len()));
        firer.callback("</script><script>alert(1)</script>".to_owned()).unwrap();
        drop(chain);
    });
    let model = lines.model();
    let picture = Ladders::new(&model).to_svg();
    assert!(picture.contains("&lt;b&gt;&amp;&quot;") && !picture.contains("<b>") && !picture.contains('\u{1}'));
    let page = page(&model, "</title>", |_| None);
    assert_eq!(page.matches("</script>").count(), 1, "the page's own");
    assert!(page.contains("<title>&lt;/title&gt;</title>"));
    assert!(!page.contains("http:") || page.contains("http://www.w3.org/2000/svg"), "it loads something");
}

/// A trace of a busy server.
fn long() -> Model {
    let mut text = String::new();
    for seq in 0..MAX_EVENTS as u64 {
        let (turn, ns) = (seq / 10 + 1, seq * 12_345);
        let kind = match seq % 10 {
            0 => r#""kind":"turn","waits_for":"event""#.to_owned(),
            1 => r#""kind":"call","call":"poll","took_ns":12000,"done":1"#.to_owned(),
            2 => format!(r#""kind":"ready","socket":{},"readable":true"#, seq % 700),
            3 => format!(
                r#""kind":"call","call":"read","socket":{},"room":65536,"bytes":"IAMAT kiwi.cs.ucla.edu","done":57"#,
                seq % 700
            ),
            4 => format!(
                r#""kind":"callback_begin","callback":{turn},"what":"protocol","method":"data_received","object":"herd::Client","socket":{},"place":"src/server.rs:{}:9","words":"data_received of herd::Client, on the connection from 127.0.0.1:{}""#,
                seq % 700,
                seq % 90,
                30_000 + seq
            ),
            5 => format!(
                r#""kind":"deferred_made","deferred":{turn},"what":"deferred","place":"src/a.rs:{}:9""#,
                seq % 90
            ),
            6 => format!(
                r#""kind":"step_added","deferred":{turn},"step":{turn},"side":"callback","place":"src/a.rs:{}:9""#,
                seq % 90
            ),
            7 => format!(r#""kind":"written","socket":{},"count":90,"waiting":90"#, seq % 700),
            8 => format!(r#""kind":"callback_end","callback":{turn},"took_ns":9000"#),
            _ => r#""kind":"turn_end""#.to_owned(),
        };
        text.push_str(&format!("{{\"seq\":{seq},\"ns\":{ns},\"turn\":{turn},\"phase\":\"events\",{kind}}}\n"));
    }
    model(&text)
}

#[test]
fn a_page_of_10000_events_is_smaller_than_a_mebibyte() {
    let page = page(&long(), "long", |_| None);
    assert!(page.len() < MAX_PAGE, "{} bytes", page.len());
}

#[test]
fn a_page_shows_the_lines_of_the_program_if_it_is_given_them() {
    let source = |file: &str| file.ends_with("views.rs").then(|| include_str!("views.rs").to_owned());
    let page = page(&blocked().model, "blocked", source);
    assert!(page.contains("reactor.call_later(Duration::ZERO, move || noted.set(hold(50 * MS)));"), "no source text");
}

#[test]
fn a_browser_steps_on_and_back_to_the_same_page() {
    let chromium =
        ["chromium", "chromium-browser"].into_iter().find(|name| Command::new(name).arg("--version").output().is_ok());
    let Some(chromium) = chromium else {
        return skipped("chromium is not installed");
    };
    let folder = std::env::temp_dir().join(format!("lens-page-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let file = folder.join("world.html");
    fs::write(&file, page(&world(), "world", |_| None)).unwrap();
    let profile = format!("--user-data-dir={}", folder.display());
    let address = format!("file://{}#steps=40", file.display());
    let output = Command::new(chromium)
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--virtual-time-budget=20000",
            "--dump-dom",
            &profile,
            &address,
        ])
        .output()
        .unwrap();
    let dom = String::from_utf8_lossy(&output.stdout).into_owned();
    fs::remove_dir_all(&folder).unwrap();
    assert!(dom.contains("data-steps=\"same\""), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(dom.contains("class=\"now\""), "an event is marked");
}
