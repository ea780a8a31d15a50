//! How a run stands, as events for the page. `docs/page.md` describes them.
//!
//! Next: `parked.rs`, the way back.

use super::act;
use super::address::MAX_ACTS;
use super::film::Film;
use super::lessons::{self, LESSONS};
use super::people::HOST;
use super::show::{Quality, Show};
use crate::book::Count;
use crate::book::invariants::Invariant;
use crate::book::panics;
use crate::herd::PORT;
use proxyherd::message::{self, Command};
use proxyherd::page::location;
use proxyherd::status::{Process, Status};
use reactor::sim::{HostState, InFlight, WorldSettings};
use serde_json::{Value, json};
use std::time::SystemTime;

/// The maximum number of messages on their way that a page is told of.
const MAX_FLIGHTS: usize = 2000;

/// The maximum number of bytes of a message that a page is told.
const MAX_BYTES: usize = 4096;

/// What is judged while a run goes on, in this order. The rest can only be judged at its end.
const SHOWN: [Invariant; 11] = [
    Invariant::Converges,
    Invariant::NeverBackwards,
    Invariant::KeepsAcknowledged,
    Invariant::MessageBound,
    Invariant::AnswersOlder,
    Invariant::Linked,
    Invariant::NoticesFrozen,
    Invariant::RepliesInOrder,
    Invariant::BoundedWaiting,
    Invariant::SameAgain,
    Invariant::NoPanic,
];

/// The herd, and what a page may ask for. By `process` a page knows whether it still speaks with the same one.
fn herd(film: &Film, process: &str) -> Value {
    let show = &film.show;
    let neighbors = |server: usize| {
        let other = |(one, other): &(usize, usize)| match server {
            server if server == *one => Some(*other),
            server if server == *other => Some(*one),
            _ => None,
        };
        let mut neighbors: Vec<&str> = Vec::new();
        neighbors.extend(show.graph.pairs.iter().filter_map(other).map(|other| &show.graph.names[other][..]));
        neighbors.sort_unstable();
        neighbors
    };
    let server = |(number, name): (usize, &String)| {
        let address = format!("{name}:{PORT}");
        json!({ "name": name, "neighbors": neighbors(number), "address": address, "page": null })
    };
    let settings = &show.settings;
    let lessons = LESSONS.iter().map(|lesson| {
        json!({ "title": lesson.title, "text": lesson.text, "address": lesson.address, "speed": lesson.speed })
    });
    let controls = ["play", "pause", "event", "turn", "back", "speed", "go", "load"];
    json!({
        "kind": "herd",
        "at": at(show),
        "version": env!("CARGO_PKG_VERSION"),
        "servers": show.graph.names.iter().enumerate().map(server).collect::<Vec<_>>(),
        "commands": controls.into_iter().chain(act::words()).collect::<Vec<_>>(),
        "settings": {
            "seed": settings.seed.to_string(), // A browser's numbers have 53 bits.
            "servers": settings.servers,
            "links": settings.links.to_string(),
            "clients": settings.clients,
            "rule": settings.rule.to_string(),
            "rule": settings.rule.to_string(),
            "delay": settings.delay,
            "jitter": settings.jitter,
            "every": settings.every,
        },
        "lessons": lessons.collect::<Vec<_>>(),
        "lesson": lessons::of(settings).map(|lesson| lesson.title),
        "process": process,
    })
}

/// The time in the run, in seconds.
fn at(show: &Show) -> f64 {
    show.world().now().as_secs_f64()
}

/// How each server that runs is, as it says itself.
pub(crate) fn statuses(show: &Show) -> Vec<Value> {
    let servers = show.herd.servers.iter().filter_map(|member| member.server());
    servers
        .map(|server| {
            let mut status = Status::with_process(&server, Process::default()).to_json();
            status["kind"] = json!("status");
            status["by"] = json!(server.name());
            status["at"] = json!(at(show));
            status
        })
        .collect()
}

/// Where each client is, by the newest that any server has heard.
pub(crate) fn known(show: &Show) -> Vec<Value> {
    let newest = show.book.newest();
    let known = newest.iter().filter_map(|newest| {
        let Ok(Command::At(at)) = message::parse(&newest.line) else { return None };
        let mut event = location(&at);
        event["kind"] = json!("known");
        event["by"] = event["server"].clone();
        event["is_held"] = json!(newest.is_held);
        Some(event)
    });
    known.collect()
}

/// What is on its way between hosts.
pub(crate) fn flights(show: &Show) -> Value {
    let all = show.world().in_flight();
    let more = all.len().saturating_sub(MAX_FLIGHTS);
    let flights: Vec<Value> = all.iter().take(MAX_FLIGHTS).map(flight).collect();
    json!({ "kind": "flights", "at": at(show), "flights": flights, "more": more })
}

fn flight(one: &InFlight) -> Value {
    let bytes = one.bytes.as_deref().map(|bytes| String::from_utf8_lossy(&bytes[..bytes.len().min(MAX_BYTES)]));
    let end = |name: &str| json!(name.strip_prefix(HOST).unwrap_or(name));
    json!({
        "id": format!("{}{}{}", one.connection, if one.from_client { ">" } else { "<" }, one.number),
        "from": end(&one.from),
        "to": end(&one.to),
        "client": one.from.starts_with(HOST) || one.to.starts_with(HOST),
        "sent": one.sent.as_secs_f64(),
        "arrives": one.arrives.as_secs_f64(),
        "bytes": one.len,
        "text": bytes,
    })
}

/// How it is looked at, and where.
pub(crate) fn clock(film: &Film) -> Value {
    let show = &film.show;
    json!({
        "kind": "clock",
        "at": at(show),
        "place": show.place().to_string(),
        "playing": film.is_playing,
        "travelling": film.is_travelling(),
        "speed": film.speed,
        "real_speed": film.real_speed,
        "seen_until": film.seen_until.as_secs_f64(),
        "events": show.world().event_count(),
        "turns": show.world().turn_count(),
    })
}

/// What no server knows: how its machine is, what was done to links, what everybody lacks, what holds.
pub(crate) fn world(film: &Film) -> Value {
    let show = &film.show;
    let names = &show.graph.names;
    let stale = show.book.stale();
    let host = |(number, name): (usize, &String)| {
        let host = show.herd.servers[number].host();
        let right = WorldSettings::default().start + show.world().now();
        json!({
            "name": name,
            "state": state_name(host.state()),
            "stale": stale[number],
            "clock": seconds_between(host.clock(), right),
        })
    };
    let links = show.links.borrow();
    let link = |((from, to), state): (&(usize, usize), &super::show::LinkState)| {
        let quality = match state.quality {
            Quality::Good => None,
            Quality::Slow => Some("slow"),
            Quality::Lossy => Some("lossy"),
        };
        let fault = if state.is_cut { Some("cut") } else { quality };
        Some(json!([names[*from], names[*to], fault?]))
    };
    let Count { told, allowed, versions, older, asked, replies, links_up, .. } = show.book.count();
    let (storms, storms_seen) = show.storms();
    let (clicks, done) = show.clicks();
    let first = clicks.len().saturating_sub(MAX_ACTS);
    let click = |click: &super::address::Click| {
        json!([click.place.time.as_secs_f64(), click.act.to_string(), click.place.to_string()])
    };
    json!({
        "kind": "world",
        "at": at(show),
        "hosts": names.iter().enumerate().map(host).collect::<Vec<_>>(),
        "links": links.iter().filter_map(link).collect::<Vec<_>>(),
        "rule": show.rule.get().to_string(),
        "told": told, "bound": allowed, "versions": versions, "older": older,
        "asked": asked, "replies": replies, "links_up": links_up,
        "stale": stale.iter().flatten().filter(|stale| **stale > 0).count(),
        "storms": storms, "storms_seen": storms_seen,
        "invariants": invariants(film),
        "clicks": clicks[first..].iter().map(click).collect::<Vec<_>>(),
        "done": done - first,
        "wanderers": show.people.wanderers(),
        "address": film.address().to_string(),
    })
}

fn state_name(state: HostState) -> &'static str {
    match state {
        HostState::Running => "running",
        HostState::Paused => "frozen",
        HostState::Idle => "ended",
        HostState::Down => "down",
    }
}

/// By how many seconds a clock is ahead.
fn seconds_between(clock: SystemTime, right: SystemTime) -> f64 {
    match clock.duration_since(right) {
        Ok(ahead) => ahead.as_secs_f64(),
        Err(behind) => -behind.duration().as_secs_f64(),
    }
}

/// Each invariant with its state: `holds`, `open` while nobody can say, or `broken`; and what was seen.
fn invariants(film: &Film) -> Vec<Value> {
    let failures = film.failures();
    let one = |invariant: &Invariant| {
        let broken = failures.iter().find(|(other, _)| other == invariant).map(|(_, what)| what.clone());
        let (state, what) = match (broken, invariant) {
            (Some(what), _) => ("broken", what),
            (None, Invariant::Converges) => film.show.convergence(),
            (None, Invariant::Linked) => film.show.linked(),
            (None, _) => ("holds", String::new()),
        };
        let may_be_open = matches!(invariant, Invariant::Converges | Invariant::Linked);
        json!({ "name": invariant.to_string(), "state": state, "what": what, "may_be_open": may_be_open })
    };
    SHOWN.iter().map(one).collect()
}

impl Show {
    /// What the book, and what panicked, say does not hold.
    pub(crate) fn failures(&self) -> Vec<(Invariant, String)> {
        let mut failures = self.book.failures();
        if panics::count() > self.panics_before() {
            failures.push((Invariant::NoPanic, panics::last().unwrap_or_default()));
        }
        failures
    }

    /// How many storms there are, and have been.
    pub(crate) fn storms(&self) -> (usize, u64) {
        self.book.storms(self.instant())
    }

    /// Whether all servers know the same.
    fn convergence(&self) -> (&'static str, String) {
        match self.book.convergence() {
            Ok(()) => ("holds", String::new()),
            Err(what) => self.unless_given_up(what),
        }
    }

    /// Whether every link is up.
    fn linked(&self) -> (&'static str, String) {
        match self.book.is_linked() {
            true => ("holds", String::new()),
            false => self.unless_given_up("a link is down, or a neighbor is connected twice".to_owned()),
        }
    }

    /// Something is not yet as it should be. It need not be while something is broken, and for some time after.
    fn unless_given_up(&self, what: String) -> (&'static str, String) {
        let is_running = |member: &std::rc::Rc<crate::herd::Member>| member.host().state() == HostState::Running;
        let works = self.herd.servers.iter().all(is_running)
            && self.links.borrow().values().all(|link| *link == super::show::LinkState::default());
        let quiet = self.world().now().saturating_sub(self.last_change());
        match works && quiet > self.converges_within() {
            true => ("broken", what),
            false if works => ("open", what),
            false => ("open", "something is broken: nobody can expect it".to_owned()),
        }
    }
}

/// Everything, for somebody who begins to look.
pub(crate) fn hello(film: &Film, process: &str) -> String {
    let show = &film.show;
    let mut texts: Vec<String> = [herd(film, process), clock(film), world(film)].iter().map(Value::to_string).collect();
    texts.extend(show.journal.all());
    // Behind what has happened, how it is by now.
    let now = statuses(show).into_iter().chain(known(show)).chain([flights(show), clock(film)]);
    texts.extend(now.map(|event| event.to_string()));
    format!("[{}]", texts.join(","))
}
