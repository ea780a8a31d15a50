//! [`Model`]: what the events of a trace mean: turns and callbacks, sockets and timers, Deferreds.
//!
//! It is built in one pass. Each part keeps the index of the events that it is made of, so that a view can say when and where.
//!
//! Next: `turns.rs`, the loop.

mod chain;
mod chains;
mod sockets;
mod turns;

pub use chain::{Chain, ChainEvent, Happened, Passed, Run, Side, Step, StepState};
pub use chains::Chains;
pub(crate) use sockets::short;
pub use sockets::{Arrow, Socket, Sockets, Timer, Timers};
pub use turns::{Call, Callback, Turn, Turns};

use crate::trace::{Event, Gaps, Trace};
use std::collections::{BTreeMap, HashSet};

/// What happened.
#[derive(Debug, Default)]
pub struct Model {
    /// The events themselves.
    pub events: Vec<Event>,
    /// Whether the trace ends before the program did.
    pub is_cut: bool,
    /// Whether it ends because its file was full.
    pub is_full: bool,
    /// What is missing in it.
    pub gaps: Gaps,
    /// The loop.
    pub turns: Turns,
    /// Connections and ports.
    pub sockets: Sockets,
    /// Delayed calls.
    pub timers: Timers,
    /// Deferreds.
    pub chains: Chains,
    /// The hosts of which a program has ended.
    ended: HashSet<String>,
}

impl Model {
    /// Reads the meaning out of the events.
    pub fn new(trace: Trace) -> Model {
        let mut model = Model { is_cut: trace.is_cut, is_full: trace.is_full, gaps: trace.gaps, ..Model::default() };
        for (at, event) in trace.events.iter().enumerate() {
            model.take(at, event);
        }
        model.timers.order();
        model.events = trace.events;
        model
    }

    /// Reads the meaning of one more event, without keeping it.
    pub(crate) fn take(&mut self, at: usize, event: &Event) {
        self.turns.take(at, event);
        self.sockets.take(at, event, &self.turns);
        self.timers.take(at, event);
        self.chains.take(at, event);
        if event.kind == "end" {
            self.ended.insert(event.host.clone());
        }
    }

    /// How often each call to the driver was made, by name and outcome: `read`, `read WouldBlock`.
    pub fn calls(&self) -> BTreeMap<String, u64> {
        let mut counts = BTreeMap::new();
        for event in self.events.iter().filter(|event| event.kind == "call") {
            let failed = event.error();
            let name = if failed.is_empty() {
                event.text("call").to_owned()
            } else {
                format!("{} {failed}", event.text("call"))
            };
            *counts.entry(name).or_default() += 1;
        }
        counts
    }

    /// Whether the program (of this host) has ended.
    pub fn has_ended(&self, host: &str) -> bool {
        self.ended.contains(host)
    }

    /// The hosts, in the order in which they appear. One without a name, if the trace is of a real program.
    pub fn hosts(&self) -> Vec<&str> {
        let mut hosts: Vec<&str> = Vec::new();
        for event in &self.events {
            if !hosts.contains(&event.host.as_str()) {
                hosts.push(&event.host);
            }
        }
        hosts
    }
}
