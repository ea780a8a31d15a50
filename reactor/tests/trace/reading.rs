//! Reads a trace, and checks the rules that hold for each.

use reactor::trace::RingReader;
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};

const PHASES: [&str; 6] = ["wait", "events", "calls", "timers", "flush", "ends"];

/// The events of a sound trace.
pub(crate) struct Events(pub(crate) Vec<Value>);

/// What is known of one reactor, while its events are read.
#[derive(Default)]
struct State {
    turn: u64,
    in_turn: bool,
    phase: usize,
    callbacks: Vec<u64>,
    last_callback: u64,
    ns: u64,
}

impl Events {
    /// Reads what a ring holds.
    #[track_caller]
    pub(crate) fn of(reader: &RingReader) -> Events {
        assert_eq!(reader.dropped(), 0);
        Events::parse(&reader.lines().join("\n"))
    }

    /// Reads the lines of a trace from its beginning, and checks that phases come in order, that callbacks nest, that
    /// time does not go back and that no number is missing.
    #[track_caller]
    pub(crate) fn parse(text: &str) -> Events {
        let events: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
        let mut states: BTreeMap<String, State> = BTreeMap::new();
        for (seq, event) in events.iter().enumerate() {
            assert_eq!(event["seq"], seq, "a gap before {event}");
            let host = event["host"].as_str().unwrap_or("").to_owned();
            states.entry(host).or_default().check(event);
        }
        Events(events)
    }

    /// Checks that nothing is left open: for the trace of a program that has ended.
    #[track_caller]
    pub(crate) fn is_complete(&self) -> &Events {
        let count = |kind: &str| self.of_kind(kind).len();
        assert_eq!(count("callback_begin"), count("callback_end"));
        assert_eq!(count("turn"), count("turn_end"));
        assert_eq!(count("trace"), count("end"));
        self.times_are_those_of_the_callbacks();
        self
    }

    /// A callback took no longer than from its first line to its last.
    fn times_are_those_of_the_callbacks(&self) {
        let mut begun = HashMap::new();
        for event in &self.0 {
            let callback = (event["host"].as_str(), event["callback"].as_u64());
            match event["kind"].as_str() {
                Some("callback_begin") => drop(begun.insert(callback, event["ns"].as_u64())),
                Some("callback_end") => {
                    let lasted = event["ns"].as_u64().zip(begun[&callback]).map(|(end, begin)| end - begin);
                    assert!(event["took_ns"].as_u64() <= lasted, "{event}: {lasted:?}");
                }
                _ => {}
            }
        }
    }

    pub(crate) fn of_kind(&self, kind: &str) -> Vec<&Value> {
        self.0.iter().filter(|event| event["kind"] == kind).collect()
    }

    pub(crate) fn calls(&self, call: &str) -> Vec<&Value> {
        self.0.iter().filter(|event| event["call"] == call).collect()
    }

    /// What happened, a word for each event of these kinds: the kind, the call, or the method of a callback.
    pub(crate) fn story(&self, kinds: &[&str]) -> Vec<String> {
        let told = self.0.iter().filter(|event| kinds.contains(&event["kind"].as_str().unwrap()));
        told.map(|event| {
            let word = ["call", "method"].iter().find_map(|key| event[key].as_str());
            let outcome = event["done"].as_u64().map(|count| format!(" {count}"));
            let failed = event["failed"].as_str().map(|kind| format!(" {kind}"));
            word.unwrap_or(event["kind"].as_str().unwrap()).to_owned()
                + &outcome.or(failed).filter(|_| event["kind"] == "call").unwrap_or_default()
        })
        .collect()
    }

    #[track_caller]
    pub(crate) fn only(&self, kind: &str) -> &Value {
        let found = self.of_kind(kind);
        assert_eq!(found.len(), 1, "{kind}: {found:#?}");
        found[0]
    }
}

impl State {
    #[track_caller]
    fn check(&mut self, event: &Value) {
        let number = |key: &str| event[key].as_u64().unwrap_or_else(|| panic!("no {key} in {event}"));
        assert!(number("ns") >= self.ns, "time goes back: {event}");
        self.ns = number("ns");
        let phase = event["phase"].as_str().unwrap();
        match event["kind"].as_str().unwrap() {
            "trace" => *self = State { ns: self.ns, ..State::default() },
            "turn" => {
                assert!(!self.in_turn, "a turn inside a turn: {event}");
                assert_eq!(number("turn"), self.turn + 1, "{event}");
                (self.turn, self.in_turn, self.phase) = (self.turn + 1, true, 0);
            }
            "phase" => {
                let at = PHASES.iter().position(|name| *name == phase).unwrap();
                assert!(self.in_turn && at > self.phase, "a phase out of order: {event}");
                self.phase = at;
            }
            "turn_end" => {
                assert!(self.in_turn && self.callbacks.is_empty(), "{event}");
                self.in_turn = false;
            }
            "callback_begin" => {
                assert!(number("callback") > self.last_callback, "{event}");
                self.last_callback = number("callback");
                self.callbacks.push(self.last_callback);
            }
            "callback_end" => assert_eq!(Some(number("callback")), self.callbacks.last().copied(), "{event}"),
            _ => {}
        }
        assert_eq!(number("turn"), self.turn, "{event}");
        assert_eq!(phase, if self.in_turn { PHASES[self.phase] } else { "outside" }, "{event}");
        assert_eq!(event["in"].as_u64(), self.callbacks.last().copied(), "{event}");
        if event["kind"] == "callback_end" {
            self.callbacks.pop();
        }
    }
}
