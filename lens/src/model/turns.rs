//! [`Turns`]: the loop: turns, callbacks, calls to the driver.
//!
//! Next: `sockets.rs`.

use crate::trace::Event;
use std::collections::HashMap;

/// A turn of a loop.
#[derive(Debug, Clone, PartialEq)]
pub struct Turn {
    /// The host; empty for a real program.
    pub host: String,
    /// Which program of the host: 1, and one more each time that the host is started again. Turns count from 1 on in
    /// each.
    pub run: usize,
    /// Its number.
    pub number: u64,
    /// When it began, and ended.
    pub begin: u64,
    /// When it ended; the last event's time if the trace ends in it.
    pub end: u64,
    /// What it was about to wait for.
    pub waits_for: String,
    /// How long it waited.
    pub waited: u64,
    /// When its wait was over.
    pub woke: u64,
    /// The callbacks in it, as indexes.
    pub callbacks: Vec<usize>,
    /// The calls in it, as indexes.
    pub calls: Vec<usize>,
    /// The phases in which something happened, with the time of each.
    pub phases: Vec<(String, u64)>,
    /// The event that begins it.
    pub at: usize,
}

/// A callback of the program.
#[derive(Debug, Clone, PartialEq)]
pub struct Callback {
    /// The host; empty for a real program.
    pub host: String,
    /// Its number.
    pub number: u64,
    /// The turn.
    pub turn: u64,
    /// The turn, as an index; `None` outside of a turn.
    pub turn_at: Option<usize>,
    /// The callback around it.
    pub outer: Option<u64>,
    /// What it is, in words.
    pub words: String,
    /// `protocol`, `timer` and so on.
    pub what: String,
    /// The method, if it is one.
    pub method: String,
    /// The type that the method belongs to, with its path.
    pub object: String,
    /// Where the program asked for it: for a method, where it asked for the port or the connection.
    pub place: String,
    /// Where the method stands in the source, if the source was given.
    pub method_place: String,
    /// The socket that it is about.
    pub socket: Option<u64>,
    /// The delayed call.
    pub timer: Option<u64>,
    /// How late a delayed call was made.
    pub late: Option<u64>,
    /// When it began.
    pub begin: u64,
    /// How long it held the loop; so far, if the trace ends in it.
    pub took: u64,
    /// Whether it panicked.
    pub panicked: bool,
    /// Number of callbacks of Deferreds in it that panicked.
    pub spared: u64,
    /// The event that begins it.
    pub at: usize,
    /// The event that ends it.
    pub end_at: Option<usize>,
}

impl Callback {
    /// When it ended; so far, if the trace ends in it.
    pub fn end(&self) -> u64 {
        self.begin.saturating_add(self.took)
    }
}

/// A call to the driver.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// Its name.
    pub name: String,
    /// The socket.
    pub socket: Option<u64>,
    /// What it counts.
    pub done: Option<u64>,
    /// The error.
    pub failed: String,
    /// Whether a turn made it, and not the program before or after.
    pub is_in_turn: bool,
    /// When it had returned.
    pub ns: u64,
    /// The event.
    pub at: usize,
}

/// The loops of a trace.
#[derive(Debug, Default)]
pub struct Turns {
    /// In order.
    pub turns: Vec<Turn>,
    /// In order.
    pub callbacks: Vec<Callback>,
    /// In order.
    pub calls: Vec<Call>,
    current: HashMap<String, usize>,
    /// The last turn of each host.
    last: HashMap<String, usize>,
    open: HashMap<String, Vec<usize>>,
    /// The program of each host.
    runs: HashMap<String, Run>,
}

/// A program of a host.
#[derive(Debug, Clone, Copy)]
struct Run {
    number: usize,
    /// Whether it has done anything. A thread may use Deferreds before it makes a reactor: that is one program.
    has_begun: bool,
}

impl Turns {
    pub(super) fn take(&mut self, at: usize, event: &Event) {
        self.begin_run(event);
        let turn = self.current.get(&event.host).copied();
        if let Some(turn) = turn {
            self.turns[turn].end = event.ns;
        }
        match event.kind.as_str() {
            "turn" => self.begin_turn(at, event),
            "turn_end" => drop(self.current.remove(&event.host)),
            "trace" | "end" => {
                self.current.remove(&event.host);
                self.open.remove(&event.host);
            }
            "phase" => {
                if let Some(turn) = turn {
                    self.turns[turn].phases.push((event.phase.clone(), event.ns));
                }
            }
            "call" => self.call(at, event, turn),
            "callback_begin" => self.begin_callback(at, event, turn),
            "callback_end" => self.end_callback(at, event),
            _ => {
                for open in self.open.get(&event.host).into_iter().flatten() {
                    self.callbacks[*open].took = event.ns - self.callbacks[*open].begin.min(event.ns);
                }
            }
        }
    }

    /// Which program of this host runs now: 1, and one more each time that the host was started again.
    pub(crate) fn run(&self, host: &str) -> usize {
        self.runs.get(host).map_or(1, |run| run.number)
    }

    fn begin_run(&mut self, event: &Event) {
        if !matches!(event.kind.as_str(), "trace" | "turn" | "call" | "callback_begin") {
            return;
        }
        let has_begun = event.kind != "trace";
        match self.runs.get_mut(&event.host) {
            Some(run) if has_begun => run.has_begun = true,
            Some(run) if run.has_begun => *run = Run { number: run.number + 1, has_begun },
            Some(_) => {}
            None => drop(self.runs.insert(event.host.clone(), Run { number: 1, has_begun })),
        }
    }

    fn begin_turn(&mut self, at: usize, event: &Event) {
        // A simulated host waits between its turns: its driver's wait takes no time.
        let before = self.last.insert(event.host.clone(), self.turns.len()).map(|before| &self.turns[before]);
        let waited = match before {
            Some(before) if !event.host.is_empty() && event.turn.checked_sub(1) == Some(before.number) => {
                event.ns.saturating_sub(before.end)
            }
            _ => 0,
        };
        self.current.insert(event.host.clone(), self.turns.len());
        self.turns.push(Turn {
            host: event.host.clone(),
            run: self.run(&event.host),
            number: event.turn,
            begin: event.ns,
            end: event.ns,
            waits_for: event.text("waits_for").to_owned(),
            waited,
            woke: event.ns,
            callbacks: Vec::new(),
            calls: Vec::new(),
            phases: Vec::new(),
            at,
        });
    }

    fn call(&mut self, at: usize, event: &Event, turn: Option<usize>) {
        if event.text("call") == "poll"
            && let Some(turn) = turn
        {
            let waited = &mut self.turns[turn].waited;
            *waited = waited.saturating_add(event.number("took_ns").unwrap_or(0));
            self.turns[turn].woke = event.ns;
        }
        if let Some(turn) = turn {
            self.turns[turn].calls.push(self.calls.len());
        }
        self.calls.push(Call {
            name: event.text("call").to_owned(),
            socket: event.number("socket").or_else(|| event.number("listener")),
            done: event.number("done"),
            failed: event.error(),
            is_in_turn: turn.is_some(),
            ns: event.ns,
            at,
        });
    }

    fn begin_callback(&mut self, at: usize, event: &Event, turn: Option<usize>) {
        let index = self.callbacks.len();
        if let Some(turn) = turn {
            self.turns[turn].callbacks.push(index);
        }
        let open = self.open.entry(event.host.clone()).or_default();
        let outer = open.last().map(|outer| self.callbacks[*outer].number);
        open.push(index);
        self.callbacks.push(Callback {
            host: event.host.clone(),
            number: event.number("callback").unwrap_or(0),
            turn: event.turn,
            turn_at: turn,
            outer,
            words: event.text("words").to_owned(),
            what: event.text("what").to_owned(),
            method: event.text("method").to_owned(),
            object: event.text("object").to_owned(),
            method_place: String::new(),
            place: event.text("place").to_owned(),
            socket: event.number("socket"),
            timer: event.number("timer"),
            late: event.number("late_ns"),
            begin: event.ns,
            took: 0,
            panicked: false,
            spared: 0,
            at,
            end_at: None,
        });
    }

    fn end_callback(&mut self, at: usize, event: &Event) {
        let Some(index) = self.open.get_mut(&event.host).and_then(Vec::pop) else { return };
        let callback = &mut self.callbacks[index];
        callback.took = event.number("took_ns").unwrap_or(event.ns.saturating_sub(callback.begin));
        callback.panicked = event.flag("panicked");
        callback.spared = event.number("spared").unwrap_or(0);
        callback.end_at = Some(at);
    }

    /// Whether the loop tells a protocol now that the program stops.
    pub(super) fn is_stopping(&self, event: &Event) -> bool {
        let inner = self.open.get(&event.host).and_then(|open| open.last());
        inner.is_some_and(|index| self.callbacks[*index].method == "reactor_stopping")
    }

    /// The outermost callbacks that have not ended when the trace ends.
    pub(crate) fn open(&self) -> impl Iterator<Item = &Callback> {
        self.open.values().filter_map(|open| open.first()).map(|index| &self.callbacks[*index])
    }

    /// The callbacks that begin after this one, in its turn and in the next one of its host.
    pub(crate) fn soon_after(&self, callback: &Callback) -> impl Iterator<Item = &Callback> {
        let end = callback.end();
        let turns = &self.turns[callback.turn_at.unwrap_or(self.turns.len())..];
        let run = turns.first().map_or(0, |turn| turn.run);
        let turns = turns.iter().filter(move |turn| turn.host == callback.host && turn.run == run).take(2);
        turns.flat_map(|turn| &turn.callbacks).map(|index| &self.callbacks[*index]).filter(move |it| it.begin >= end)
    }
}
