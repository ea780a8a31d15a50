//! What held the loop, and what had to wait for it.
//!
//! Next: `system.rs`, sockets and descriptors.

use super::{About, Finding, MAX_VICTIMS, SLOW};
use crate::Event;
use crate::model::{Callback, Model, Socket, StepState};
use crate::views::words;
use std::collections::{BTreeMap, BTreeSet};

/// Callbacks that held the loop, and what had to wait for them. If one of them did so again and again, its worst time
/// stands for all.
pub(super) fn held(model: &Model) -> Vec<Finding> {
    let slow = model.turns.callbacks.iter().filter(|callback| callback.outer.is_none() && callback.took > SLOW);
    let mut alike: BTreeMap<_, Vec<&Callback>> = BTreeMap::new();
    for callback in slow {
        let Callback { host, what, object, method, place, .. } = callback;
        alike.entry((host, what, object, method, place)).or_default().push(callback);
    }
    let mut findings = Vec::new();
    for mut alike in alike.into_values() {
        alike.sort_by_key(|callback| std::cmp::Reverse(callback.took));
        let (worst, others) = (alike[0], &alike[1..]);
        let mut details = victims(model, worst);
        let waited = if details.is_empty() { "Nothing else waited meanwhile." } else { "Meanwhile these waited:" };
        let (took, inside) = (words::time(worst.took), slow_steps(model, worst));
        let sentence = format!("{} held the loop for {took}{inside}. {waited}", who(worst));
        if !others.is_empty() {
            let all = alike.iter().fold(0_u64, |all, callback| all.saturating_add(callback.took));
            let (more, all) = (words::count(others.len(), "more time"), words::time(all));
            details.push(format!("This was the longest. It did so {more}; all took {all}."));
        }
        let place = place_of(worst).to_owned();
        findings.push(Finding { about: About::Held, sentence, details, place, took: worst.took, at: worst.at });
    }
    findings
}

/// A callback in which the trace ends. The file tells of it because somebody killed the process after a while.
pub(super) fn endless(model: &Model) -> Vec<Finding> {
    let is_told = model.is_cut && !model.is_full;
    let open = model.turns.open().filter(|callback| is_told && callback.host.is_empty());
    let finding = |callback: &Callback| {
        let mut details = vec!["It held the loop when the process was killed.".to_owned()];
        details.extend(victims(model, callback));
        let sentence = format!("{} had not ended when the trace ends.", who(callback));
        Finding {
            about: About::Endless,
            sentence,
            details,
            place: place_of(callback).to_owned(),
            took: 0,
            at: callback.at,
        }
    };
    open.map(finding).collect()
}

/// Where a callback stands: the line of a method if the source was given, else where the program asked for it.
fn place_of(callback: &Callback) -> &str {
    if callback.method_place.is_empty() { &callback.place } else { &callback.method_place }
}

/// A callback in words, with its place.
pub(crate) fn who(callback: &Callback) -> String {
    let place = words::line_of(place_of(callback));
    let host = if callback.host.is_empty() { String::new() } else { format!("on {}: ", callback.host) };
    let name = format!("{} of {}", callback.method, callback.object);
    match callback.words.strip_prefix(&name) {
        Some(rest) if !callback.method_place.is_empty() => format!("{host}{name} ({place}){rest}"),
        _ if place.is_empty() || callback.words.contains(place) => format!("{host}{}", callback.words),
        _ => format!("{host}{} ({place})", callback.words),
    }
}

/// The callbacks of Deferreds that took most of the time in a callback of the loop, to stand behind its time; empty if
/// there is none.
pub(crate) fn slow_steps(model: &Model, callback: &Callback) -> String {
    let (begin, end) = (callback.begin, callback.end());
    let mut slow = String::new();
    for step in model.chains.steps.values() {
        if let StepState::Ran(run) = &step.state
            && model.chains.chains.get(&step.chain).is_some_and(|chain| chain.host == callback.host)
            && run.at > callback.at
            && run.begin >= begin
            && run.end <= end
            && run.end.saturating_sub(run.begin) > callback.took / 2
        {
            let took = words::time(run.end.saturating_sub(run.begin));
            slow.push_str(&format!(", {took} of it in the callback added at {}", words::line_of(&step.place)));
        }
    }
    slow
}

/// What waited while a callback held the loop: timers that were due before it or became so, and sockets that were ready.
pub(crate) fn victims(model: &Model, callback: &Callback) -> Vec<String> {
    let (begin, end) = (callback.begin, callback.end());
    let mut lines = Vec::new();
    let mut late: Vec<(u64, &str)> = Vec::new();
    for timer in model.timers.due_between(begin, end).filter(|timer| timer.host == callback.host) {
        let was_made = timer.made.map_or(u64::MAX, |(at, _)| at);
        let is_gone = timer.cancelled.is_some_and(|at| at <= end);
        if was_made >= end && !is_gone && timer.set <= end {
            let until = timer.made.map_or(end, |(at, _)| at);
            late.push((until - timer.due, &timer.place));
        }
    }
    // A call that was due before the callback is made in the same turn, or in the next one.
    for call in model.turns.soon_after(callback) {
        if let Some(by) = call.late.filter(|by| call.begin.saturating_sub(*by) < begin) {
            late.push((by, &call.place));
        }
    }
    late.sort_unstable_by(|one, other| other.cmp(one));
    for (by, place) in late.iter().take(MAX_VICTIMS) {
        lines.push(format!("a timer, {} late: requested at {}", words::time(*by), words::line_of(place)));
    }
    if late.len() > MAX_VICTIMS {
        lines.push(format!("{} more timers", late.len() - MAX_VICTIMS));
    }
    let sockets = waiting_sockets(model, callback);
    for (since, socket) in sockets.iter().take(MAX_VICTIMS) {
        lines.push(match since {
            Ready::Since(since) => {
                format!("{}: it had been ready for {}", socket.name(), words::time(end.saturating_sub(*since)))
            }
            Ready::ByNextWait => format!(
                "{}: the next wait found it ready; it may have been so for {}",
                socket.name(),
                words::time(callback.took)
            ),
            Ready::ByNextAccept => format!(
                "{}: another connection was accepted next; it may have waited for {}",
                socket.name(),
                words::time(callback.took)
            ),
        });
    }
    if sockets.len() > MAX_VICTIMS {
        lines.push(format!("{} more sockets", sockets.len() - MAX_VICTIMS));
    }
    lines
}

/// How it is known that a socket was ready.
enum Ready {
    /// The wait before the callback found it. Other callbacks of the turn may have kept it waiting, too.
    Since(u64),
    /// The next wait finds it at once: since when it was ready is not known.
    ByNextWait,
    /// The port was being served, and has one more connection after the callback.
    ByNextAccept,
}

/// The sockets that a callback kept waiting.
fn waiting_sockets<'a>(model: &'a Model, callback: &Callback) -> Vec<(Ready, &'a Socket)> {
    let Some(turn) = callback.turn_at.map(|at| &model.turns.turns[at]) else { return Vec::new() };
    let is_own = |event: &Event| event.host == callback.host;
    let mut found: Vec<(Ready, &Socket)> = Vec::new();
    let mut known = BTreeSet::from_iter(callback.socket);
    let mut add = |number: u64, since: Ready, found: &mut Vec<(Ready, &'a Socket)>| {
        if known.insert(number)
            && let Some(socket) = model.sockets.with_number(&callback.host, number).find(|it| it.run == turn.run)
        {
            found.push((since, socket));
        }
    };
    // Found by the wait of its own turn, and served after it.
    let before = model.events[turn.at..callback.at].iter().filter(|event| is_own(event));
    let (mut ready, mut served) = (Vec::new(), BTreeSet::new());
    for event in before {
        match event.kind.as_str() {
            "ready" => ready.extend(event.number("socket")),
            // An accept serves its port; the connection is new.
            "call" => served.extend(event.number("listener").or(event.number("socket"))),
            _ => {}
        }
    }
    for number in ready.into_iter().filter(|number| !served.contains(number)) {
        add(number, Ready::Since(turn.woke), &mut found);
    }
    let Some(end_at) = callback.end_at else { return found };
    let after = model.events[end_at..].iter().filter(|event| is_own(event));
    for event in after.take_while(|event| event.kind != "turn_end") {
        let port = event.number("listener").filter(|port| served.contains(port));
        if let Some(port) = port.filter(|_| event.number("socket").is_some()) {
            add(port, Ready::ByNextAccept, &mut found);
        }
    }
    // Found by the next wait, which did not have to wait.
    let next = model.events[end_at..].iter().filter(|event| is_own(event));
    let is_over = |event: &&Event| matches!(event.kind.as_str(), "turn_end" | "end" | "trace");
    let mut next = next.skip_while(|event| event.kind != "turn" && event.kind != "end");
    let poll = next.by_ref().take_while(|event| !is_over(event)).find(|event| event.text("call") == "poll");
    if poll.is_some_and(|poll| poll.number("took_ns").unwrap_or(0) < callback.took / 4) {
        for event in next.take_while(|event| event.kind == "ready") {
            add(event.number("socket").unwrap_or(0), Ready::ByNextWait, &mut found);
        }
    }
    found
}
