//! Many short callbacks together hold the loop: the verdict names them, and what they kept waiting.

#[expect(dead_code, reason = "other tests look into the lines")]
mod util;

use lens::Model;
use lens::verdict::{About, Finding, Verdict};
use lens::views::loop_view::LoopViews;
use lens::views::page::page;
use util::model;

const MS: u64 = 1_000_000;

/// A turn with callbacks, as the lines of a trace.
#[derive(Default)]
struct Lines {
    text: String,
    seq: usize,
    callback: usize,
    ns: u64,
    turn: u64,
}

impl Lines {
    fn line(&mut self, phase: &str, rest: &str) {
        let Lines { seq, ns, turn, .. } = self;
        self.text.push_str(&format!("{{\"seq\":{seq},\"ns\":{ns},\"turn\":{turn},\"phase\":\"{phase}\",{rest}}}\n"));
        self.seq += 1;
    }

    /// A turn begins, and its wait finds these sockets.
    fn turn(&mut self, ready: &[u64]) {
        self.turn += 1;
        self.line("wait", r#""kind":"turn""#);
        self.line("wait", &format!("\"kind\":\"call\",\"call\":\"poll\",\"took_ns\":0,\"done\":{}", ready.len()));
        for socket in ready {
            self.line("wait", &format!("\"kind\":\"ready\",\"socket\":{socket},\"readable\":true"));
        }
    }

    fn turn_end(&mut self) {
        self.line("outside", r#""kind":"turn_end""#);
    }

    fn timer_set(&mut self, timer: usize, due: u64, place: &str) {
        let delay = due - self.ns;
        self.line(
            "outside",
            &format!("\"kind\":\"timer_set\",\"timer\":{timer},\"delay_ns\":{delay},\"place\":\"{place}:1\""),
        );
    }

    /// The delayed call `timer`, which was due at this time.
    fn timer(&mut self, timer: usize, due: u64, place: &str, took: u64) {
        let late = self.ns - due;
        let what = format!("\"what\":\"timer\",\"timer\":{timer},\"late_ns\":{late},\"place\":\"{place}:1\"");
        self.callback(&what, &format!("the delayed call requested at {place}:1"), took);
    }

    /// A method of a connection.
    fn method(&mut self, socket: u64, method: &str, took: u64) {
        let what = format!(
            "\"what\":\"protocol\",\"method\":\"{method}\",\"object\":\"a::Page\",\"socket\":{socket},\"place\":\"src/a.rs:9:1\""
        );
        self.callback(&what, &format!("{method} of a::Page, on connection {socket}"), took);
    }

    fn callback(&mut self, what: &str, words: &str, took: u64) {
        self.callback += 1;
        let number = self.callback;
        self.line("timers", &format!("\"kind\":\"callback_begin\",\"callback\":{number},{what},\"words\":\"{words}\""));
        self.ns += took;
        self.line("timers", &format!("\"kind\":\"callback_end\",\"callback\":{number},\"took_ns\":{took}"));
    }

    fn model(&self) -> Model {
        model(&self.text)
    }
}

/// Fifty delayed calls of 6 ms each in one turn; one of another place stands behind them, and forty become due meanwhile.
fn many_calls() -> Model {
    let mut lines = Lines::default();
    (0..50).for_each(|timer| lines.timer_set(timer, 20 * MS, "src/x.rs:12"));
    lines.timer_set(50, 20 * MS, "src/behind.rs:3");
    let meanwhile = |timer: usize| (30 + timer as u64) * MS;
    (0..40).for_each(|timer| lines.timer_set(100 + timer, meanwhile(timer), "src/y.rs:20"));
    lines.ns = 20 * MS;
    lines.turn(&[]);
    (0..50).for_each(|timer| lines.timer(timer, 20 * MS, "src/x.rs:12", 6 * MS));
    lines.timer(50, 20 * MS, "src/behind.rs:3", 0);
    lines.turn_end();
    lines.turn(&[]);
    (0..40).for_each(|timer| lines.timer(100 + timer, meanwhile(timer), "src/y.rs:20", 0));
    lines.turn_end();
    lines.model()
}

/// On one line, as a reader reads it.
fn flat(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[track_caller]
fn only_held(model: &Model) -> Finding {
    let verdict = Verdict::new(model);
    let [finding] = &verdict.findings[..] else { panic!("{}", verdict.to_text()) };
    assert_eq!(finding.about, About::Held);
    finding.clone()
}

#[test]
fn many_short_callbacks_that_hold_the_loop_together_are_told_with_their_victims() {
    let finding = only_held(&many_calls());
    let told = "50 delayed calls of src/x.rs:12, none of which took more than 10.0 ms, held the loop for 300.0 ms together, in one turn. Meanwhile these waited:";
    assert_eq!(finding.sentence, told);
    assert_eq!((finding.took, finding.place.as_str()), (300 * MS, "src/x.rs:12:1"));
    let details = finding.details.join("\n");
    let own = "48 of the 50 were late by more than 10.0 ms: they waited for each other, the last for 294.0 ms";
    assert!(details.starts_with(own), "{details}");
    for victim in [
        "a timer, 300.0 ms late: requested at src/behind.rs:3",
        "40 timers, 251.0 to 290.0 ms late: requested at src/y.rs:20",
    ] {
        assert!(details.contains(victim), "{victim}: {details}");
    }
}

#[test]
fn the_picture_of_the_loop_has_the_sum_of_a_turn_and_counts_each_victim() {
    let model = many_calls();
    let view = &LoopViews::new(&model, &[""], None, None).views[0];
    assert_eq!((view.columns[0].held, view.columns[0].longest), (300 * MS, 6 * MS));
    assert_eq!((view.columns[0].victims, view.columns[0].timers, view.columns[0].late), (41, 51, 49));
    let svg = view.to_svg();
    assert!(svg.contains(">300</text>") && svg.contains(">41!</text>"), "{svg}");
    assert!(svg.contains(">49</text>") && svg.contains(">2</text>"), "late, and in time: {svg}");
    let text = view.to_text();
    assert!(text.lines().any(|line| line == "     together #·"), "{text}");
    let told = "# 300.0 ms held by 50 delayed calls of src/x.rs:12, none of which took more than";
    assert!(text.contains(told) && flat(&text).contains("40 timers, 251.0 to 290.0 ms late"), "{text}");
    assert!(
        page(&model, "crowd", |_| None).contains("<li>300.0 ms held by 50 delayed calls of src/x.rs:12"),
        "the page"
    );
}

/// The most frequent slow server: each of a few requests takes 6 ms, and all are there at once.
#[test]
fn connections_that_were_ready_wait_for_those_before_them() {
    let mut lines = Lines::default();
    let sockets = [11, 12, 13, 14];
    for socket in sockets {
        lines.line("events", &format!("\"kind\":\"connected\",\"socket\":{socket},\"peer\":\"1.2.3.4:{socket}\""));
    }
    lines.turn(&sockets);
    for socket in sockets {
        lines.line("events", &format!("\"kind\":\"call\",\"call\":\"read\",\"socket\":{socket},\"done\":5"));
        lines.method(socket, "data_received", 6 * MS);
    }
    lines.turn_end();
    lines.turn(&[11]);
    lines.line("events", r#""kind":"call","call":"read","socket":11,"done":5"#);
    lines.turn_end();
    let finding = only_held(&lines.model());
    let told =
        "4 calls of data_received of a::Page (src/a.rs:9), none of which took more than 10.0 ms, held the loop for";
    assert!(finding.sentence.starts_with(told), "{finding:?}");
    let waited = [
        "connection 14 with 1.2.3.4:14: it had been ready for 18.0 ms",
        "connection 13 with 1.2.3.4:13: it had been ready for 12.0 ms",
        "connection 11 with 1.2.3.4:11: the next wait found it ready; it may have been so for 24.0 ms",
    ];
    assert_eq!(finding.details, waited);
}

#[test]
fn a_callback_that_held_the_loop_alone_is_not_told_again_with_the_others() {
    let mut lines = Lines::default();
    lines.turn(&[]);
    lines.method(1, "data_received", 50 * MS);
    lines.method(2, "data_received", 9 * MS);
    lines.turn_end();
    let finding = only_held(&lines.model());
    assert!(finding.sentence.starts_with("data_received of a::Page, on connection 1"), "{finding:?}");
}

/// A request that holds the loop keeps the second one waiting, which then holds it longer: both have victims.
#[test]
fn callbacks_of_one_kind_that_held_the_loop_have_the_victims_of_all_of_them() {
    let mut lines = Lines::default();
    let sockets = [11, 12, 13];
    for socket in sockets {
        lines.line("events", &format!("\"kind\":\"connected\",\"socket\":{socket},\"peer\":\"1.2.3.4:{socket}\""));
    }
    lines.turn(&sockets);
    for (socket, took) in [(11, 30 * MS), (12, 40 * MS), (13, 0)] {
        lines.line("events", &format!("\"kind\":\"call\",\"call\":\"read\",\"socket\":{socket},\"done\":5"));
        lines.method(socket, "data_received", took);
    }
    lines.turn_end();
    let finding = only_held(&lines.model());
    let waited = [
        "connection 13 with 1.2.3.4:13: it had been ready for 70.0 ms",
        "connection 12 with 1.2.3.4:12: it had been ready for 30.0 ms",
        "This was the longest. It did so 1 more time; all took 70.0 ms.",
    ];
    assert_eq!(finding.details, waited);
}

#[test]
fn victims_of_many_places_are_counted() {
    let mut lines = Lines::default();
    (0..11).for_each(|timer| lines.timer_set(timer, (10 + timer as u64) * MS, &format!("src/x.rs:{timer}")));
    lines.turn(&[]);
    lines.method(1, "data_received", 50 * MS);
    lines.turn_end();
    let finding = only_held(&lines.model());
    assert_eq!(finding.details.len(), 9, "{finding:?}");
    assert_eq!(finding.details[0], "a timer, 40.0 ms late: requested at src/x.rs:0");
    assert_eq!(finding.details[8], "3 more timers");
}

#[test]
fn at_most_four_delayed_calls_are_dots_and_red_ones_are_as_many_as_were_late() {
    let mut lines = Lines::default();
    (0..4).for_each(|timer| lines.timer_set(timer, 5 * MS, "src/x.rs:12"));
    lines.ns = 20 * MS;
    lines.turn(&[]);
    lines.timer(0, 5 * MS, "src/x.rs:12", 0);
    (1..4).for_each(|timer| lines.timer(timer, 20 * MS, "src/x.rs:12", 0));
    lines.turn_end();
    let svg = LoopViews::new(&lines.model(), &[""], None, None).to_svg();
    let count = |class: &str| svg.matches(&format!("<circle class=\"{class}\"")).count();
    assert_eq!((count("hot"), count("cool")), (1, 3), "{svg}");
}
