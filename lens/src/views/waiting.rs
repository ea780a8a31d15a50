//! [`Waiting`]: what waits for what, at each moment of a part of a trace: unfired Deferreds, delayed calls, connections.
//!
//! ```text
//!   events         ─●──●──●──●──●──●──●─
//!   Deferred 1        [not fired ][waits]        a state holds from one moment to another
//!   Deferred 2                    [not fired]    and stands below the state of what waits for it
//! ```
//!
//! The events are read once, and each touches few states. A view of one moment and the page of HTML, which goes from moment to
//! moment, read the same states, so they cannot differ.
//!
//! Next: `attempts.rs`, what waits for a connection that is being made.

use super::attempts::Attempts;
use super::words;
use crate::Event;
use crate::model::{Chain, Happened, Model, Socket, StepState, Timer};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// Something that can wait. The order is that of a tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Thing {
    /// A Deferred, by its number.
    Deferred(u64),
    /// A delayed call, by its index.
    Timer(usize),
    /// A connection, by its index.
    Socket(usize),
}

/// What is true of a thing for some time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct State {
    /// The thing.
    pub(crate) thing: Thing,
    /// It holds from this moment on: after this number of events.
    pub(crate) from: usize,
    /// At this moment it holds no longer.
    pub(crate) to: Option<usize>,
    /// What waits for it.
    pub(crate) parent: Option<Thing>,
    /// The host; empty for a real program.
    pub(crate) host: String,
    /// What the thing is called.
    pub(crate) name: String,
    /// What it is at. A delayed call says when it is due instead.
    pub(crate) what: String,
    /// When it is due.
    pub(crate) due: Option<u64>,
    /// The place in the source.
    pub(crate) place: String,
    /// The event that began the thing.
    pub(crate) at: usize,
    /// Whether this can never end.
    pub(crate) is_wrong: bool,
}

/// The states of all things from one moment to another.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    /// In the order in which they end; those that do not end come last.
    pub(crate) states: Vec<State>,
}

impl Waiting {
    /// The states at all moments from the one after `first` events to the one after `last` events.
    pub(crate) fn between(model: &Model, first: usize, last: usize) -> Waiting {
        let mut replay = Replay::default();
        for (at, event) in model.events.iter().enumerate().take(last) {
            if at == first {
                replay.begin(first);
            }
            let touched = replay.take(at, event);
            if at >= first {
                touched.into_iter().for_each(|thing| replay.update_with_children(thing, at + 1));
            }
        }
        if first >= last.min(model.events.len()) {
            replay.begin(first);
        }
        let mut states = replay.past;
        states.extend(replay.open.into_values());
        Waiting { states }
    }

    /// The tree at a moment, from top to bottom, with the depth of each state.
    pub(crate) fn tree(&self, moment: usize) -> Vec<(usize, &State)> {
        let holds = |state: &&State| state.from <= moment && state.to.is_none_or(|to| moment < to);
        let now: BTreeMap<Thing, &State> = self.states.iter().filter(holds).map(|state| (state.thing, state)).collect();
        let mut below: BTreeMap<Thing, Vec<Thing>> = BTreeMap::new();
        let mut tops = Vec::new();
        for state in now.values() {
            match state.parent.filter(|parent| now.contains_key(parent)) {
                Some(parent) => below.entry(parent).or_default().push(state.thing),
                None => tops.push(state.thing),
            }
        }
        // Behind the tops stand all things: of a circle, the first one is a top.
        let mut left: Vec<(usize, Thing)> = tops.iter().chain(now.keys()).rev().map(|thing| (0, *thing)).collect();
        let (mut tree, mut told) = (Vec::new(), BTreeSet::new());
        while let Some((depth, thing)) = left.pop() {
            if told.insert(thing) {
                tree.push((depth, now[&thing]));
                let below = below.get(&thing).into_iter().flatten();
                left.extend(below.rev().map(|thing| (depth + 1, *thing)));
            }
        }
        tree
    }
}

impl State {
    /// What it is at, at this time.
    pub(crate) fn words(&self, ns: u64) -> String {
        match self.due {
            Some(due) if due >= ns => format!("is due in {}", words::long_time(due - ns)),
            Some(due) => format!("has been due for {}", words::long_time(ns - due)),
            None => self.what.clone(),
        }
    }
}

/// The model as it was, event by event.
#[derive(Default)]
struct Replay {
    model: Model,
    /// The Deferreds for which one waits: those that its callbacks gave back, the inputs of a list.
    children: HashMap<u64, Vec<u64>>,
    /// The Deferred to which one hands its result on.
    handed_on: HashMap<u64, u64>,
    /// Delayed calls and sockets of the programs that run, by host and number.
    timers: HashMap<(String, u64), usize>,
    sockets: HashMap<(String, u64), usize>,
    attempts: Attempts,
    /// Those of programs that have ended.
    gone: HashSet<Thing>,
    open: BTreeMap<Thing, State>,
    past: Vec<State>,
}

impl Replay {
    /// Takes an event. Returns the things that may have another state now.
    fn take(&mut self, at: usize, event: &Event) -> BTreeSet<Thing> {
        let mut touched = BTreeSet::new();
        let (timers, sockets) = (self.model.timers.timers.len(), self.model.sockets.sockets.len());
        self.model.take(at, event);
        let key = |number: u64| (event.host.clone(), number);
        if matches!(&*event.kind, "trace" | "end") {
            touched.extend(self.end_program(&event.host));
        }
        if let Some(number) = event.number("timer") {
            if self.model.timers.timers.len() > timers {
                self.timers.insert(key(number), timers);
            }
            touched.extend(self.timers.get(&key(number)).map(|index| Thing::Timer(*index)));
        }
        if let Some(number) = event.number("socket").or_else(|| event.number("listener")) {
            if self.model.sockets.sockets.len() > sockets {
                self.sockets.insert(key(number), sockets);
            }
            touched.extend(self.sockets.get(&key(number)).map(|index| Thing::Socket(*index)));
        }
        let socket = event.number("socket").and_then(|number| self.sockets.get(&key(number)));
        self.attempts.take(&self.model, event, socket.copied());
        if let Some(number) = event.number("deferred") {
            self.relate(number, event);
            let others = ["waits_for", "by", "list", "to", "source"].map(|key| event.number(key));
            let outer = self.model.chains.chains.get(&number).map(|chain| [chain.inner_of, chain.list]);
            let related = others.into_iter().chain(outer.into_iter().flatten()).flatten().chain([number]);
            touched.extend(related.map(Thing::Deferred));
        }
        touched
    }

    /// Notes which Deferred waits for which.
    fn relate(&mut self, number: u64, event: &Event) {
        let mut waits = |outer: Option<u64>, inner: u64| {
            if let Some(outer) = outer {
                self.children.entry(outer).or_default().push(inner);
            }
        };
        match &*event.kind {
            "step_end" => {
                if let Some(inner) = event.number("waits_for") {
                    waits(Some(number), inner);
                }
            }
            "deferred_awaited" => waits(event.number("by"), number),
            "list_joined" => waits(event.number("list"), number),
            "deferred_will_hand_on" => {
                waits(event.number("to"), number);
                self.handed_on.extend(event.number("to").map(|to| (number, to)));
            }
            _ => {}
        }
    }

    /// The program of this host has ended. Its delayed calls are never made, and what a simulated host leaves open is closed for
    /// it. A real program that leaves a connection open has made a mistake, so that stays.
    fn end_program(&mut self, host: &str) -> Vec<Thing> {
        let mut ended = Vec::new();
        let mut is_left = |key: &(String, u64), thing: Thing| {
            if key.0 == host {
                ended.push(thing);
            }
            key.0 != host
        };
        self.timers.retain(|key, index| is_left(key, Thing::Timer(*index)));
        if !host.is_empty() {
            self.sockets.retain(|key, index| is_left(key, Thing::Socket(*index)));
        }
        self.gone.extend(&ended);
        ended
    }

    /// The first moment: everything that waits then.
    fn begin(&mut self, moment: usize) {
        let deferreds = self.model.chains.chains.keys().map(|number| Thing::Deferred(*number));
        let timers = (0..self.model.timers.timers.len()).map(Thing::Timer);
        let sockets = (0..self.model.sockets.sockets.len()).map(Thing::Socket);
        for thing in deferreds.chain(timers).chain(sockets).collect::<Vec<_>>() {
            self.update(thing, moment);
        }
    }

    fn update_with_children(&mut self, thing: Thing, moment: usize) {
        // A thing that begins to wait, or no longer waits, is the parent of another one, or no longer.
        if self.update(thing, moment)
            && let Thing::Deferred(number) = thing
        {
            for child in self.children.get(&number).cloned().unwrap_or_default() {
                self.update(Thing::Deferred(child), moment);
            }
        }
    }

    /// Brings the state of a thing up to date. Returns whether it has begun to wait, or waits no longer.
    fn update(&mut self, thing: Thing, moment: usize) -> bool {
        let now = if self.gone.contains(&thing) { None } else { self.state(thing, moment) };
        let before = self.open.get(&thing);
        let is_same = |before: &State, now: &State| State { from: moment, ..before.clone() } == *now;
        let (was_waiting, is_waiting) = (before.is_some(), now.is_some());
        match (before, &now) {
            (None, None) => return false,
            (Some(before), Some(now)) if is_same(before, now) => return false,
            _ => {}
        }
        // A state that did not last for a moment was seen by nobody.
        if let Some(before) = self.open.remove(&thing).filter(|before| before.from < moment) {
            self.past.push(State { to: Some(moment), ..before });
        }
        self.open.extend(now.map(|now| (thing, now)));
        was_waiting != is_waiting
    }

    fn state(&self, thing: Thing, from: usize) -> Option<State> {
        let state = match thing {
            Thing::Deferred(number) => self.deferred(self.model.chains.chains.get(&number)?)?,
            Thing::Timer(index) => timer(self.model.timers.timers.get(index)?)?,
            Thing::Socket(index) => self.attempts.state(index, socket(self.model.sockets.sockets.get(index)?)?),
        };
        Some(State { thing, from, ..state })
    }

    fn deferred(&self, chain: &Chain) -> Option<State> {
        if !is_waiting(chain) {
            return None;
        }
        let chains = &self.model.chains;
        let steps = chain.steps.iter().filter_map(|step| chains.steps.get(step));
        let left = steps.filter(|step| step.state == StepState::Waits).count();
        let callbacks =
            if left > 0 { format!(" ({} not run yet)", words::count(left, "callback")) } else { String::new() };
        let outer = [chain.inner_of, chain.list, self.handed_on.get(&chain.number).copied()];
        let waits = |outer: &u64| *outer != chain.number && chains.chains.get(outer).is_some_and(is_waiting);
        Some(State {
            parent: outer.into_iter().flatten().find(waits).map(Thing::Deferred),
            is_wrong: chain.is_lost && chain.waits_for.is_none(),
            at: chain.log.first().map_or(0, |event| event.at),
            ..State::of(&chain.host, &chains.name(chain.number), self.what_of(chain) + &callbacks, &chain.place)
        })
    }

    /// What a Deferred waits for.
    fn what_of(&self, chain: &Chain) -> String {
        let shared = chain.log.iter().find_map(|event| match event.what {
            Happened::Shares(source) => Some(source),
            _ => None,
        });
        match (&*chain.what, chain.waits_for) {
            _ if has_result(chain) => "is paused".to_owned(),
            ("list" | "race", None) => {
                let inputs = self.children.get(&chain.number).map_or(&[][..], |inputs| &inputs[..]);
                let inputs = inputs.iter().filter_map(|input| self.model.chains.chains.get(input));
                let inputs: Vec<_> = inputs.filter(|input| input.list == Some(chain.number)).collect();
                let left = inputs.iter().filter(|input| is_waiting(input)).count();
                format!("waits for {left} of {}", words::count(inputs.len(), "input"))
            }
            ("coroutine", Some(_)) => "awaits".to_owned(),
            ("coroutine", None) if chain.is_lost => "can never end: nothing can wake it".to_owned(),
            ("coroutine", None) => self.body(chain).to_owned(),
            (_, Some(_)) => "waits".to_owned(),
            _ if chain.is_lost => "can never fire: its last Firer is gone".to_owned(),
            (_, None) => match shared {
                Some(source) => format!("waits for the shared result of {}", self.model.chains.name(source)),
                None => "has not been fired".to_owned(),
            },
        }
    }

    /// What the body of a coroutine is at, if it awaits nothing that is told.
    fn body(&self, chain: &Chain) -> &'static str {
        let steps = chain.steps.iter().filter_map(|step| self.model.chains.steps.get(step));
        let mut runs = steps.filter_map(|step| match &step.state {
            StepState::Ran(run) => Some(run.is_over),
            _ => None,
        });
        match runs.next_back() {
            None => "has not begun",
            Some(false) => "is running",
            Some(true) => "has not ended",
        }
    }
}

impl State {
    fn of(host: &str, name: &str, what: String, place: &str) -> State {
        let name = if host.is_empty() { name.to_owned() } else { format!("{host}: {name}") };
        State {
            thing: Thing::Deferred(0),
            from: 0,
            to: None,
            parent: None,
            host: host.to_owned(),
            name,
            what,
            due: None,
            place: place.to_owned(),
            at: 0,
            is_wrong: false,
        }
    }
}

/// Whether it has a result, so that only a pause can hold it.
fn has_result(chain: &Chain) -> bool {
    chain.has_fired && chain.waits_for.is_none()
}

fn is_waiting(chain: &Chain) -> bool {
    chain.gone.is_none() && (!has_result(chain) || chain.is_paused())
}

fn timer(timer: &Timer) -> Option<State> {
    if timer.made.is_some() || timer.cancelled.is_some() {
        return None;
    }
    let name = format!("delayed call {}", timer.number);
    Some(State { due: Some(timer.due), at: timer.at, ..State::of(&timer.host, &name, String::new(), &timer.place) })
}

fn socket(socket: &Socket) -> Option<State> {
    let is_there = socket.connected.is_some() || socket.is_connecting;
    if !is_there || socket.ended.is_some() || socket.is_closed {
        return None;
    }
    let what = match (socket.waiting, socket.full_since) {
        _ if socket.is_connecting => "is being made".to_owned(),
        (0, _) => "is open".to_owned(),
        (bytes, None) => format!("has {bytes} bytes to send"),
        (bytes, Some(_)) => format!("has {bytes} bytes to send, and its peer does not read"),
    };
    let what = if socket.paused_since.is_some() { what + ", and reading is paused" } else { what };
    let at = socket.arrows.first().map_or(0, |arrow| arrow.at);
    Some(State { at, ..State::of(&socket.host, &socket.name(), what, &socket.place) })
}
