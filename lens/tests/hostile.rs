//! A trace that no reactor has written can be drawn all the same, or is refused: nothing in it makes the tool panic.

#[path = "util/drawn.rs"]
mod drawn;
#[path = "util/peers.rs"]
mod peers;
#[expect(dead_code, reason = "other tests look into the lines")]
mod util;

use lens::views::page::{MAX_PAGE, page};
use lens::views::waits::Waits;
use lens::{Model, Trace};
use peers::{add_talker, echo_world};
use reactor::deferred::{self, Others, gather_results};
use reactor::{Deferred, Failure};
use serde_json::{Map, Value, json};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;
use util::{Lines, model};

/// Number of mangled traces.
const COUNT: u64 = 400;

/// Numbers at which something may overflow.
const NUMBERS: [u64; 7] = [0, 1, 7, 1 << 53, 1 << 63, u64::MAX - 1, u64::MAX];

/// Texts at which something may not fit.
const TEXTS: [&str; 6] = ["", "é", "\u{1b}[2J\n", ":::", "[1, 2, ", "a::b<c::d>"];

/// A sequence of numbers that is the same in each run: xorshift.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit as u64) as usize
    }
}

/// A server that is started again, and a client.
fn world() -> String {
    let lines = Lines::default();
    let (world, server, address) = echo_world(lines.stream(), Some(Duration::from_millis(100)));
    add_talker(&world, "client", &address);
    world.run_for(Duration::from_millis(200));
    server.restart();
    world.run_for(Duration::from_millis(200));
    drop(world);
    lines.text()
}

/// Deferreds of each kind.
fn deferreds() -> String {
    let lines = Lines::default();
    lines.stream().during(|| {
        let ((one, fire_one), (other, fire_other)) = (Deferred::<u32>::new(), Deferred::<u32>::new());
        let list = gather_results([one, other], Others::Cancel);
        let chain = deferred::succeed(1).add_callback(move |_| list).add_callback(|list| Ok(list.len()));
        let answer = Deferred::from_future(async move { Ok(chain.await? + 1) });
        let answer = answer.add_callback(|_| Err::<u8, _>(Failure::msg("too large"))).add_errback(|_| Ok(0));
        fire_one.callback(1).unwrap();
        fire_other.callback(2).unwrap();
        assert!(fire_other.callback(3).is_err());
        let (mut lost, last) = Deferred::<u32>::new();
        let pause = lost.pause();
        lost.cancel();
        drop(last);
        std::mem::forget((answer, lost, pause));
    });
    lines.text()
}

/// A loop with a callback that held it, and what that kept waiting.
fn held() -> String {
    let lines = [
        json!({"kind": "trace", "schema": 1}),
        json!({"ns": 1, "kind": "timer_set", "timer": 1, "delay_ns": 1_000_000, "place": "src/due.rs:1:1"}),
        json!({"ns": 2, "turn": 1, "phase": "wait", "kind": "turn", "waits_for": "event"}),
        json!({"ns": 3, "turn": 1, "phase": "wait", "kind": "call", "call": "poll", "took_ns": 1, "done": 2}),
        json!({"ns": 3, "turn": 1, "phase": "wait", "kind": "ready", "socket": 4, "readable": true}),
        json!({"ns": 3, "turn": 1, "phase": "events", "kind": "connected", "socket": 4, "peer": "1.2.3.4:5", "protocol": "a::Echo"}),
        json!({"ns": 3, "turn": 1, "phase": "events", "kind": "written", "socket": 4, "count": 9, "waiting": 9}),
        json!({"ns": 3, "turn": 1, "phase": "events", "kind": "reading_paused", "socket": 4, "full": true}),
        json!({"ns": 4, "turn": 1, "phase": "timers", "in": 1, "kind": "callback_begin", "callback": 1, "what": "protocol",
            "object": "a::Echo", "method": "data_received", "socket": 7, "place": "src/a.rs:9:1", "words": "data_received of a::Echo"}),
        json!({"ns": 50_000_004, "turn": 1, "phase": "timers", "in": 1, "kind": "callback_end", "callback": 1,
            "took_ns": 50_000_000, "spared": 1}),
        json!({"ns": 50_000_005, "turn": 1, "phase": "outside", "kind": "turn_end"}),
        json!({"ns": 50_000_006, "turn": 2, "phase": "wait", "kind": "turn", "waits_for": "nothing"}),
        json!({"ns": 50_000_007, "turn": 2, "phase": "wait", "kind": "call", "call": "poll", "took_ns": 1, "done": 1}),
        json!({"ns": 50_000_007, "turn": 2, "phase": "wait", "kind": "ready", "socket": 4, "readable": true}),
        json!({"ns": 50_000_008, "turn": 2, "phase": "events", "kind": "call", "call": "read", "socket": 4, "done": 5, "bytes": "hello"}),
        json!({"ns": 50_000_009, "turn": 2, "phase": "timers", "kind": "callback_begin", "callback": 2, "what": "timer",
            "timer": 1, "late_ns": 49_000_000, "words": "the delayed call"}),
        json!({"ns": 50_000_010, "turn": 2, "phase": "timers", "kind": "callback_end", "callback": 2, "took_ns": 1}),
    ];
    lines.iter().map(|line| format!("{line}\n")).collect()
}

fn read(lines: &[Map<String, Value>]) -> String {
    lines.iter().map(|line| Value::Object(line.clone()).to_string() + "\n").collect()
}

/// Changes one thing.
fn mangle(lines: &mut Vec<Map<String, Value>>, dice: &mut Dice) {
    let (at, other) = (dice.below(lines.len()), dice.below(lines.len()));
    let keys = |line: &Map<String, Value>, is_it: fn(&Value) -> bool| {
        line.iter().filter(|(_, value)| is_it(value)).map(|(key, _)| key.clone()).collect::<Vec<_>>()
    };
    match dice.below(9) {
        0 if lines.len() > 1 => drop(lines.remove(at)),
        1 => lines.insert(other, lines[at].clone()),
        2 => lines.swap(at, other),
        3 => {
            let kind = lines[other].get("kind").cloned().unwrap_or_default();
            lines[at].insert("kind".to_owned(), kind);
        }
        4 => {
            let keys = keys(&lines[at], |_| true);
            lines[at].remove(&keys[dice.below(keys.len())]);
        }
        5 => {
            let keys = keys(&lines[at], Value::is_string);
            let text = match dice.below(TEXTS.len() + 2) {
                long if long >= TEXTS.len() => "a/".repeat(90) + "b.rs:123:45",
                index => TEXTS[index].to_owned(),
            };
            if !keys.is_empty() {
                lines[at].insert(keys[dice.below(keys.len())].clone(), text.into());
            }
        }
        _ => {
            let keys = keys(&lines[at], Value::is_number);
            let number = NUMBERS[dice.below(NUMBERS.len())];
            if !keys.is_empty() {
                lines[at].insert(keys[dice.below(keys.len())].clone(), number.into());
            }
        }
    }
}

#[test]
fn a_mangled_trace_can_be_drawn_and_in_one_way_only() {
    let whole = [world(), deferreds(), held()].map(|text| {
        let lines = text.lines().map(|line| serde_json::from_str::<Map<String, Value>>(line).unwrap());
        // Those of the test itself have no numbers.
        let numbered = lines.enumerate().map(|(seq, mut line)| {
            line.entry("seq").or_insert(seq.into());
            line
        });
        numbered.collect::<Vec<_>>()
    });
    let mut drawn = 0;
    for seed in 1..=COUNT {
        let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let mut lines = whole[dice.below(whole.len())].clone();
        (0..=dice.below(6)).for_each(|_| mangle(&mut lines, &mut dice));
        let text = read(&lines);
        let Ok(trace) = Trace::read_part(text.as_bytes()) else { continue };
        let draw = || drawn::all(&mut Model::new(trace.clone()));
        let both = catch_unwind(AssertUnwindSafe(|| [draw(), draw()]));
        let [first, second] = both.unwrap_or_else(|_| panic!("seed {seed} cannot be drawn:\n{text}"));
        assert!(first == second, "seed {seed} is drawn in two ways:\n{text}");
        drawn += 1;
    }
    assert!(drawn > COUNT / 2, "only {drawn} could be read");
}

#[test]
fn a_long_place_leaves_room_for_the_words() {
    for long in [78, 79, 80, 81, 300] {
        let place = "x".repeat(long - ".rs:1".len()) + ".rs:1";
        let set = format!("{{\"seq\":0,\"kind\":\"timer_set\",\"timer\":3,\"delay_ns\":5,\"place\":\"{place}:1\"}}\n");
        let text = Waits::of(&model(&set)).to_text();
        let line = text.lines().nth(1).unwrap();
        assert!(line.starts_with("* delayed call 3 is due in ") && line.ends_with(".rs:1"), "{line}");
        assert_eq!(line.chars().count(), 80, "{line}");
    }
}

#[test]
fn a_story_without_end_does_not_make_the_page_larger_than_its_maximum() {
    let failure = |seq: usize| {
        let story = format!("line \\\"{seq}\\\" of it\\n").repeat(20_000);
        let error = format!(
            "\"kind\":\"unhandled\",\"failure\":{seq},\"error_type\":\"E\",\"error\":\"{}\"",
            "<".repeat(99_999)
        );
        format!("{{\"seq\":{seq},{error},\"raised\":\"a.rs:{seq}:1\",\"words\":\"{story}\"}}\n")
    };
    let page = page(&model(&(0..12).map(failure).collect::<String>()), "stories", |_| None);
    assert!(page.len() <= MAX_PAGE, "{} bytes", page.len());
    assert!(page.contains("more lines</li>") && page.contains("more findings of the same kinds"), "what is left out");
}
