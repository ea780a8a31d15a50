//! [`Victims`]: what had to wait while the loop was held: delayed calls and sockets.
//!
//! Next: `overslept.rs`, waits that took too long.

use super::{MAX_VICTIMS, SLOW};
use crate::model::{Callback, Model, Socket, Turn};
use crate::views::words;
use std::collections::{BTreeMap, BTreeSet};

/// A wait that took longer has waited: nothing was ready when it began.
const AT_ONCE: u64 = 1_000_000;

/// What had to wait.
#[derive(Debug, Default)]
pub(crate) struct Victims<'a> {
    /// Delayed calls: how late, where they were requested, and their numbers.
    late: Vec<(u64, &'a str, u64)>,
    /// Sockets.
    sockets: Vec<(Ready, &'a Socket)>,
}

/// How it is known that a socket was ready.
#[derive(Debug)]
enum Ready {
    /// The wait before found it, and it was served so much later. Other callbacks of the turn may have kept it waiting,
    /// too.
    For(u64),
    /// The next wait finds it at once: for how long it was ready is not known, but not for longer than this.
    ByNextWait(u64),
    /// The port was being served, and has one more connection after the callback.
    ByNextAccept(u64),
}

impl Ready {
    /// For how long it was ready, at most.
    fn time(&self) -> u64 {
        let (Ready::For(time) | Ready::ByNextWait(time) | Ready::ByNextAccept(time)) = self;
        *time
    }
}

impl<'a> Victims<'a> {
    /// The numbers of the delayed calls and of the sockets. One may wait for several callbacks of a turn.
    pub(crate) fn numbers(&self) -> (impl Iterator<Item = u64>, impl Iterator<Item = u64>) {
        (self.late.iter().map(|late| late.2), self.sockets.iter().map(|(_, socket)| socket.number))
    }

    /// Whether nothing had to wait.
    pub(super) fn is_empty(&self) -> bool {
        self.late.is_empty() && self.sockets.is_empty()
    }

    /// All of these together: each with its longest wait.
    pub(super) fn joined(all: impl IntoIterator<Item = Victims<'a>>) -> Victims<'a> {
        let (mut late, mut sockets) = (Vec::new(), Vec::new());
        for victims in all {
            late.extend(victims.late);
            sockets.extend(victims.sockets);
        }
        late.sort_unstable_by(|one, other| other.cmp(one));
        // What is known comes first.
        let order = |since: &Ready| (!matches!(since, Ready::For(_)), std::cmp::Reverse(since.time()));
        sockets.sort_by_key(|(since, _): &(Ready, &Socket)| order(since));
        let (mut timers, mut known) = (BTreeSet::new(), BTreeSet::new());
        late.retain(|(_, place, number)| timers.insert((*place, *number)));
        sockets.retain(|(_, socket)| known.insert((socket.run, socket.number)));
        Victims { late, sockets }
    }

    /// The delayed calls of each place, the latest first.
    fn late_by_place(&self) -> Vec<(&'a str, Vec<u64>)> {
        let mut places: Vec<(&str, Vec<u64>)> = Vec::new();
        let mut known: BTreeMap<&str, usize> = BTreeMap::new();
        for (by, place, _) in &self.late {
            let index = *known.entry(place).or_insert(places.len());
            if index == places.len() {
                places.push((place, Vec::new()));
            }
            places[index].1.push(*by);
        }
        places
    }

    /// A line for the delayed calls of each place, and for each socket, those that waited longest first. Of many, the
    /// rest is counted.
    pub(crate) fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        let places = self.late_by_place();
        for (place, late) in places.iter().take(MAX_VICTIMS) {
            let by = from_to(late[late.len() - 1], late[0]);
            let timers = if late.len() == 1 { "a timer".to_owned() } else { format!("{} timers", late.len()) };
            lines.push(format!("{timers}, {by} late: requested at {}", words::line_of(place)));
        }
        let more: usize = places.iter().skip(MAX_VICTIMS).map(|(_, late)| late.len()).sum();
        if more > 0 {
            lines.push(words::count(more, "more timer"));
        }
        for (since, socket) in self.sockets.iter().take(MAX_VICTIMS) {
            let name = socket.name();
            lines.push(match since {
                Ready::For(time) => format!("{name}: it had been ready for {}", words::time(*time)),
                Ready::ByNextWait(most) => {
                    format!("{name}: the next wait found it ready; it may have been so for {}", words::time(*most))
                }
                Ready::ByNextAccept(most) => format!(
                    "{name}: another connection was accepted next; it may have waited for {}",
                    words::time(*most)
                ),
            });
        }
        if self.sockets.len() > MAX_VICTIMS {
            lines.push(format!("{} more sockets", self.sockets.len() - MAX_VICTIMS));
        }
        lines
    }
}

/// Two times: `20.1 to 105.4 ms`. Times that read alike are one.
fn from_to(least: u64, most: u64) -> String {
    let (least, most) = (words::time(least), words::time(most));
    match (least.split_once(' '), most.split_once(' ')) {
        _ if least == most => most,
        (Some((number, unit)), Some((_, same))) if unit == same => format!("{number} to {most}"),
        _ => format!("{least} to {most}"),
    }
}

/// What waited while a callback held the loop: timers that were due before it or became so, and sockets that were ready.
pub(crate) fn victims<'a>(model: &'a Model, callback: &Callback) -> Victims<'a> {
    let (begin, end) = (callback.begin, callback.end());
    let mut late = became_due(model, &callback.host, begin, end);
    // A call that was due before the callback is made in the same turn, or in the next one.
    for call in model.turns.soon_after(callback) {
        if let Some(by) = call.late.filter(|by| call.begin.saturating_sub(*by) < begin) {
            late.push((by, &call.place, call.timer.unwrap_or(0)));
        }
    }
    late.sort_unstable_by(|one, other| other.cmp(one));
    Victims { late, sockets: waiting_sockets(model, callback) }
}

/// What waited while many callbacks of a turn held the loop together: `last` ended last. `is_bystander` says of a call
/// of the turn whether it only stood behind the others.
pub(super) fn victims_of_turn<'a>(
    model: &'a Model,
    turn: &Turn,
    last: &Callback,
    is_bystander: impl Fn(&Callback) -> bool,
) -> Victims<'a> {
    let (begin, end) = (turn.woke, last.end());
    let mut late = became_due(model, &turn.host, begin, end);
    let inside = turn.callbacks.iter().map(|index| &model.turns.callbacks[*index]);
    for call in inside.filter(|call| is_bystander(call)) {
        let due = call.begin.saturating_sub(call.late.unwrap_or(0));
        let is_known = late.iter().any(|(_, _, number)| call.timer == Some(*number));
        if call.late.is_some() && !is_known && call.begin.saturating_sub(due.max(begin)) > SLOW {
            late.push((call.late.unwrap_or(0), &call.place, call.timer.unwrap_or(0)));
        }
    }
    late.sort_unstable_by(|one, other| other.cmp(one));
    let mut sockets = served_late(model, turn);
    let mut known: BTreeSet<u64> = sockets.iter().map(|(_, socket)| socket.number).collect();
    let held = end.saturating_sub(begin);
    for number in found_next(model, turn) {
        let socket = with_number(model, turn, number).filter(|_| known.insert(number));
        sockets.extend(socket.map(|socket| (Ready::ByNextWait(held), socket)));
    }
    Victims { late, sockets }
}

/// What waited while the program was outside of its loop, from `begin` to the beginning of this turn.
pub(super) fn victims_outside<'a>(model: &'a Model, turn: &'a Turn, begin: u64) -> Victims<'a> {
    let end = turn.begin;
    let mut late = became_due(model, &turn.host, begin, end);
    for call in turn.callbacks.iter().map(|index| &model.turns.callbacks[*index]) {
        if let Some(by) = call.late.filter(|by| call.begin.saturating_sub(*by) < begin) {
            late.push((by, &call.place, call.timer.unwrap_or(0)));
        }
    }
    late.retain(|(by, ..)| *by > SLOW);
    late.sort_unstable_by(|one, other| other.cmp(one));
    let mut sockets = Vec::new();
    for socket in found_at_once(model, turn).into_iter().filter_map(|number| with_number(model, turn, number)) {
        // It may be younger than that.
        let most = end.saturating_sub(begin.max(model.events[socket.at].ns));
        if most > SLOW {
            sockets.push((Ready::ByNextWait(most), socket));
        }
    }
    Victims { late, sockets }
}

/// The delayed calls that became due while this turn waited, and were made later.
pub(super) fn late_by_wait<'a>(model: &'a Model, turn: &Turn) -> Victims<'a> {
    let mut late = became_due(model, &turn.host, turn.begin, turn.woke);
    late.retain(|(by, ..)| *by > SLOW);
    late.sort_unstable_by(|one, other| other.cmp(one));
    Victims { late, sockets: Vec::new() }
}

/// The delayed calls that became due from `begin` on and before `end`, and were made later.
fn became_due<'a>(model: &'a Model, host: &str, begin: u64, end: u64) -> Vec<(u64, &'a str, u64)> {
    let mut late = Vec::new();
    for timer in model.timers.due_between(begin, end).filter(|timer| timer.host == host) {
        let was_made = timer.made.map_or(u64::MAX, |(at, _)| at);
        let is_gone = timer.cancelled.is_some_and(|at| at <= end);
        if was_made >= end && !is_gone && timer.set <= end {
            let until = timer.made.map_or(end, |(at, _)| at);
            late.push((until - timer.due, &*timer.place, timer.number));
        }
    }
    late
}

/// The sockets that the wait of this turn found ready, and that were served much later: those that waited longest first.
fn served_late<'a>(model: &'a Model, turn: &Turn) -> Vec<(Ready, &'a Socket)> {
    let own = (turn.at..).zip(&model.events[turn.at..]).filter(|(_, event)| event.host == turn.host);
    let mut waits: BTreeMap<u64, Option<u64>> = BTreeMap::new();
    for (at, event) in own.take_while(|(_, event)| !matches!(&*event.kind, "turn_end" | "end" | "trace")) {
        let Some(number) = event.number("listener").or(event.number("socket")) else { continue };
        match (&*event.kind, waits.get_mut(&number)) {
            ("ready", None) if model.sockets.is_work(at) => drop(waits.insert(number, None)),
            ("call" | "callback_begin", Some(wait @ None)) => *wait = Some(event.ns.saturating_sub(turn.woke)),
            _ => {}
        }
    }
    let mut late: Vec<(u64, u64)> =
        waits.into_iter().filter_map(|(number, wait)| Some((wait.filter(|wait| *wait > SLOW)?, number))).collect();
    late.sort_unstable_by(|one, other| other.cmp(one));
    late.into_iter().filter_map(|(wait, number)| Some((Ready::For(wait), with_number(model, turn, number)?))).collect()
}

/// The sockets that the wait after this turn found ready, if it did not have to wait. If the program was outside of the
/// loop for long before it, they waited for that, as far as anybody knows.
fn found_next(model: &Model, turn: &Turn) -> Vec<u64> {
    let after = model.turns.turns.partition_point(|other| other.at <= turn.at);
    let next = model.turns.turns[after..].iter().find(|next| next.host == turn.host);
    let is_next =
        |next: &&Turn| next.run == turn.run && (!next.host.is_empty() || next.begin.saturating_sub(turn.end) <= SLOW);
    next.filter(is_next).map_or(Vec::new(), |next| found_at_once(model, next))
}

/// The sockets that the wait of this turn found ready, if it did not have to wait.
fn found_at_once(model: &Model, turn: &Turn) -> Vec<u64> {
    let own = (turn.at..).zip(&model.events[turn.at..]).filter(|(_, event)| event.host == turn.host);
    let mut own = own.take_while(|(_, event)| !matches!(event.kind.as_str(), "turn_end" | "end" | "trace"));
    let poll = own.find(|(_, event)| event.text("call") == "poll");
    let is_at_once = poll.is_some_and(|(_, poll)| poll.number("took_ns").unwrap_or(0) <= AT_ONCE);
    let ready = own.take_while(|(_, event)| is_at_once && event.kind == "ready");
    ready.filter(|(at, _)| model.sockets.is_work(*at)).map(|(_, event)| event.number("socket").unwrap_or(0)).collect()
}

fn with_number<'a>(model: &'a Model, turn: &Turn, number: u64) -> Option<&'a Socket> {
    model.sockets.with_number(&turn.host, number).find(|socket| socket.run == turn.run)
}

/// The sockets that a callback kept waiting.
fn waiting_sockets<'a>(model: &'a Model, callback: &Callback) -> Vec<(Ready, &'a Socket)> {
    let Some(turn) = callback.turn_at.map(|at| &model.turns.turns[at]) else { return Vec::new() };
    let mut found: Vec<(Ready, &Socket)> = Vec::new();
    let mut known = BTreeSet::from_iter(callback.socket);
    let mut add = |number: u64, since: Ready, found: &mut Vec<(Ready, &'a Socket)>| {
        if known.insert(number)
            && let Some(socket) = with_number(model, turn, number)
        {
            found.push((since, socket));
        }
    };
    // Found by the wait of its own turn, and served after it.
    let own =
        |from: usize, to: usize| (from..).zip(&model.events[from..to]).filter(|(_, event)| event.host == callback.host);
    let (mut ready, mut served) = (Vec::new(), BTreeSet::new());
    for (at, event) in own(turn.at, callback.at) {
        match event.kind.as_str() {
            "ready" if model.sockets.is_work(at) => ready.extend(event.number("socket")),
            // An accept serves its port; the connection is new.
            "call" => served.extend(event.number("listener").or(event.number("socket"))),
            _ => {}
        }
    }
    for number in ready.into_iter().filter(|number| !served.contains(number)) {
        add(number, Ready::For(callback.end().saturating_sub(turn.woke)), &mut found);
    }
    let Some(end_at) = callback.end_at else { return found };
    for (_, event) in own(end_at, model.events.len()).take_while(|(_, event)| event.kind != "turn_end") {
        let port = event.number("listener").filter(|port| served.contains(port));
        if let Some(port) = port.filter(|_| event.number("socket").is_some()) {
            add(port, Ready::ByNextAccept(callback.took), &mut found);
        }
    }
    // Found by the next wait, which did not have to wait.
    for number in found_next(model, turn) {
        add(number, Ready::ByNextWait(callback.took), &mut found);
    }
    found
}
