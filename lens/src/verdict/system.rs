//! What is wrong with sockets: peers that do not read, programs that do not, connections that leaked, calls that find
//! nothing to do, and no descriptor left.
//!
//! Next: `../views/mod.rs`, the pictures.

use super::{About, FULL, Finding, KEPT_OPEN, MAX_VICTIMS, STORM};
use crate::Event;
use crate::model::{Model, Socket};
use crate::views::words;
use std::collections::BTreeMap;

pub(super) fn sockets(model: &Model) -> Vec<Finding> {
    let end = model.events.last().map_or(0, |event| event.ns);
    let mut findings = Vec::new();
    for socket in &model.sockets.sockets {
        let at = socket.arrows.first().map_or(0, |arrow| arrow.at);
        let host = if socket.host.is_empty() { String::new() } else { format!("On {}: ", socket.host) };
        let mut add = |about, sentence: String, took| {
            let (details, place) = (Vec::new(), socket.place.clone());
            findings.push(Finding { about, sentence: format!("{host}{sentence}"), details, place, took, at });
        };
        let silent = socket.silent_for.max(socket.full_since.map_or(0, |since| end.saturating_sub(since)));
        if silent > FULL {
            let bytes = words::count(usize::try_from(socket.waiting).unwrap_or(usize::MAX), "byte");
            let waits = match (socket.waiting, &socket.ended) {
                (0, _) => String::new(),
                (_, None) => format!("; {bytes} still to be sent"),
                (_, Some(_)) => format!("; {bytes} never sent"),
            };
            let name = socket.name();
            let sentence = format!("The peer of {name} did not read for {}{waits}.", words::time(silent));
            add(About::DoesNotRead, sentence, silent);
        }
        let unread = socket.unread_for.max(socket.unread_since.map_or(0, |since| end.saturating_sub(since)));
        if unread > FULL {
            let (name, time) = (socket.name(), words::time(unread));
            let sentence =
                format!("The program read nothing from {name} for {time}, though there was something to read.");
            add(About::Unread, sentence, unread);
        }
        // A simulated host that crashes, or is cut off when its world ends, leaves its connections as a matter of course.
        let is_left = socket.connected.is_some() && socket.ended.is_none() && socket.host.is_empty();
        if is_left && model.has_ended(&socket.host) {
            add(About::Leaked, format!("{} was still open when its reactor was dropped.", socket.name()), 0);
        }
    }
    findings
}

/// Connections that the program keeps open although the peer has closed, until the program ends or stops. A program that
/// still writes to a peer that only ended its side makes no mistake.
pub(super) fn kept_open(model: &Model) -> Vec<Finding> {
    let end = model.events.last().map_or(0, |event| event.ns);
    let mut alike: BTreeMap<(&str, &str), Vec<(u64, &Socket)>> = BTreeMap::new();
    for socket in &model.sockets.sockets {
        let Some(closed) = socket.peer_ended.filter(|_| !socket.has_written_since && socket.waiting == 0) else {
            continue;
        };
        let until = match &socket.ended {
            Some((ns, ..)) if socket.is_stopped => *ns,
            Some(_) => continue,
            // A simulated host that crashes, or is cut off when its world ends, has not kept it.
            None if !socket.host.is_empty() => continue,
            None => end,
        };
        let time = until.saturating_sub(closed);
        if time > KEPT_OPEN {
            alike.entry((&socket.host, &socket.place)).or_default().push((time, socket));
        }
    }
    let finding = |((host, place), mut kept): ((&str, &str), Vec<(u64, &Socket)>)| {
        kept.sort_by_key(|(time, socket)| (std::cmp::Reverse(*time), socket.at));
        let (took, first) = kept[0];
        let host = if host.is_empty() { String::new() } else { format!("On {host}: ") };
        let asked = if first.outgoing { "connections requested" } else { "connections to the port opened" };
        let at = if place.is_empty() { String::new() } else { format!(": {asked} at {}", words::line_of(place)) };
        let (peers, time) = match kept.len() {
            1 => ("1 connection open after its peer had closed".to_owned(), "for"),
            many => (format!("{many} connections open after their peers had closed"), "for up to"),
        };
        let sentence = format!("{host}The program kept {peers}, {time} {}{at}.", words::time(took));
        let name = |(time, socket): &(u64, &Socket)| format!("{}: for {}", socket.name(), words::time(*time));
        let mut details: Vec<String> = kept.iter().take(MAX_VICTIMS).map(name).collect();
        if kept.len() > MAX_VICTIMS {
            details.push(words::count(kept.len() - MAX_VICTIMS, "more connection"));
        }
        let at = first.arrows.iter().find(|arrow| arrow.what == "peer_ended").map_or(first.at, |arrow| arrow.at);
        Finding { about: About::KeptOpen, sentence, details, place: place.to_owned(), took, at }
    };
    alike.into_iter().map(finding).collect()
}

pub(super) fn storms(model: &Model) -> Vec<Finding> {
    let mut findings = Vec::new();
    for socket in &model.sockets.sockets {
        if socket.would_block >= STORM && socket.would_block * 2 > socket.calls {
            let (blocked, calls) = (socket.would_block, socket.calls);
            findings.push(Finding {
                about: About::Storm,
                sentence: format!("{blocked} of {calls} calls on {} found nothing to do (EAGAIN).", socket.name()),
                details: Vec::new(),
                place: socket.place.clone(),
                took: 0,
                at: socket.arrows.first().map_or(0, |arrow| arrow.at),
            });
        }
    }
    findings
}

/// Calls that found no free descriptor, for each port or address that they were about.
pub(super) fn no_descriptors(model: &Model) -> Vec<Finding> {
    const ENFILE: u64 = 23;
    const EMFILE: u64 = 24;
    let socket_of = |event: &Event, at: usize| {
        let number = event.number("listener").or(event.number("socket"))?;
        model.sockets.get_at(&event.host, number, at)
    };
    let mut alike: BTreeMap<(&str, String), Vec<(usize, &Event)>> = BTreeMap::new();
    for call in model.turns.calls.iter().filter(|call| !call.failed.is_empty()) {
        let event = &model.events[call.at];
        if !matches!(event.number("code"), Some(ENFILE | EMFILE)) {
            continue;
        }
        let socket = socket_of(event, call.at);
        let about = match (call.name.as_str(), event.text("address"), event.text("name")) {
            ("listen", address, _) => format!(" on {address}"),
            (_, "", "") => socket.map_or(String::new(), |socket| format!(" on {}", socket.name())),
            (_, "", name) => format!(" of {name}"),
            (_, address, _) => format!(" to {address}"),
        };
        alike.entry((&call.name, about)).or_default().push((call.at, event));
    }
    let finding = |((call, about), events): ((&str, String), Vec<(usize, &Event)>)| {
        let ((at, first), (_, last)) = (events[0], events[events.len() - 1]);
        let took = last.ns.saturating_sub(first.ns);
        let time = if events.len() > 1 { format!(" within {}", words::time(took)) } else { String::new() };
        let calls = words::count(events.len(), "call");
        let sentence = format!("{calls} of {call}{about} found no free descriptor (EMFILE){time}.");
        let place = socket_of(first, at).map_or(String::new(), |socket| socket.place.clone());
        let details = Vec::new();
        Finding { about: About::NoDescriptors, sentence, details, place, took, at }
    };
    alike.into_iter().map(finding).collect()
}
