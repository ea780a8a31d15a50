//! [`Contract`]: what the documents promise to a program, as a judge that watches a run.
//!
//! It is written from the documents of [`reactor::protocol`], [`reactor::transport`] and the other modules, and uses
//! nothing of the loop. It hears of each callback as it begins and ends, and of each request with its outcome. It
//! cannot know when bytes arrive, because the network decides that. But it knows which bytes, in which order, between
//! which callbacks; and once nothing has happened for long, it knows what must have happened by then ([`rest`]).
//!
//! It keeps a book on each thing: connections (`connection.rs`, `asked.rs`), ports, attempts and datagrams
//! (`places.rs`), delayed calls and Deferreds (`time.rs`), the run itself (`run.rs`).

mod asked;
mod connection;
mod places;
mod rest;
mod run;
mod time;

use connection::Life;
pub(crate) use connection::{End, EndId, Seen, byte_of};
pub(crate) use places::{Connecting, Gone, Once, Port, Udp};
use run::{Phase, RunBook};
pub(crate) use time::Deferred;
use time::Timer;

use crate::program::{HOSTS, Kind};
use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

/// What a callback is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Subject {
    Nothing,
    End(usize),
    Port(usize),
    Connector(usize),
    Once(usize),
    Timer(usize),
    Soon(usize),
    Deferred(usize),
    Producer(usize),
    Udp(usize),
    Trigger(usize),
}

/// What a host is in the middle of.
#[derive(Debug, Clone, Copy)]
enum Frame {
    Callback(Kind, Subject),
    /// A request that may call these back before it returns, and nothing else.
    Request(&'static [Kind]),
}

/// What is known about a producer.
#[derive(Debug)]
pub(crate) struct Producer {
    pub(crate) is_pull: bool,
    pub(crate) end: EndId,
    pub(crate) is_paused: bool,
    /// Too many bytes waited, and it has not been told.
    pub(crate) is_to_be_paused: bool,
    pub(crate) was_asked: bool,
    pub(crate) stop: Stop,
    /// It was registered while the reactor closed everything.
    pub(crate) is_late: bool,
    pub(crate) is_dropped: bool,
}

/// Whether a producer must still hear `stop_producing`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stop {
    NotOwed,
    Owed,
}

/// The limits with which the hosts run: see [`reactor::Settings`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) close: Duration,
    pub(crate) stop: Duration,
    pub(crate) trigger: Duration,
    pub(crate) thread: Duration,
}

pub(crate) struct Contract {
    pub(crate) now: Duration,
    pub(crate) limits: Limits,
    pub(crate) is_secure: bool,
    /// What arrives comes in lines.
    pub(crate) has_lines: bool,
    /// TLS begins in `connection_made`.
    pub(crate) starts_tls: bool,
    /// Descriptors are few, so that any opening may fail.
    pub(crate) is_scarce: bool,
    /// The network has been at fault, so connections may be lost.
    pub(crate) has_faults: bool,
    /// What is sent twice may arrive twice.
    pub(crate) max_copies: u32,
    pub(crate) runs: [RunBook; HOSTS],
    frames: [Vec<Frame>; HOSTS],
    /// How many callbacks of each host have begun outside of others: between two of them, the loop may have sent.
    moments: [u64; HOSTS],
    pub(crate) ends: Vec<End>,
    pub(crate) producers: Vec<Producer>,
    pub(crate) ports: Vec<Port>,
    pub(crate) connectors: Vec<Connecting>,
    pub(crate) onces: Vec<Once>,
    pub(crate) udp: Vec<Udp>,
    pub(crate) timers: Vec<Timer>,
    /// The calls of `call_when_running` that wait, in order.
    pub(crate) soon: [VecDeque<usize>; HOSTS],
    pub(crate) soon_count: usize,
    pub(crate) deferreds: Vec<Deferred>,
    difference: Option<String>,
    log: Option<Vec<String>>,
    pub(crate) callback_count: u64,
}

impl Contract {
    pub(crate) fn new(limits: Limits, keeps_log: bool) -> Contract {
        Contract {
            now: Duration::ZERO,
            limits,
            is_secure: false,
            has_lines: false,
            starts_tls: false,
            is_scarce: false,
            has_faults: false,
            max_copies: 1,
            runs: Default::default(),
            frames: Default::default(),
            moments: [0; HOSTS],
            ends: Vec::new(),
            producers: Vec::new(),
            ports: Vec::new(),
            connectors: Vec::new(),
            onces: Vec::new(),
            udp: Vec::new(),
            timers: Vec::new(),
            soon: Default::default(),
            soon_count: 0,
            deferreds: Vec::new(),
            difference: None,
            log: keeps_log.then(Vec::new),
            callback_count: 0,
        }
    }

    /// The first difference between the contract and what has happened.
    pub(crate) fn difference(&self) -> Option<&str> {
        self.difference.as_deref()
    }

    pub(crate) fn log(&self) -> &[String] {
        self.log.as_deref().unwrap_or_default()
    }

    pub(crate) fn differ(&mut self, what: impl fmt::Display) {
        if self.difference.is_none() {
            self.note(|| format!("DIFFERENCE: {what}"));
            self.difference = Some(format!("{what}"));
        }
    }

    /// It is a difference if `holds` is false.
    pub(crate) fn expect(&mut self, holds: bool, what: impl fmt::Display) {
        if !holds {
            self.differ(what);
        }
    }

    pub(crate) fn note(&mut self, line: impl FnOnce() -> String) {
        if let Some(log) = &mut self.log {
            let now = self.now;
            log.push(format!("{:>12.6} {}", now.as_secs_f64(), line()));
        }
    }

    /// A callback begins.
    pub(crate) fn begin(&mut self, host: usize, kind: Kind, subject: Subject) {
        self.callback_count += 1;
        self.note(|| format!("host {host}: {kind:?} {subject:?}"));
        match self.frames[host].last().copied() {
            None => self.moments[host] += 1,
            Some(Frame::Request(permitted)) if permitted.contains(&kind) => {}
            // A value that a closure of the program holds goes with it, inside its callback.
            Some(Frame::Callback(..)) if kind.is_drop() => {}
            Some(frame) => self.differ(format_args!("host {host}: {kind:?} {subject:?} is called inside {frame:?}")),
        }
        self.frames[host].push(Frame::Callback(kind, subject));
        if self.is_dead(host) {
            return;
        }
        match subject {
            Subject::End(end) => self.begin_end(end, kind),
            Subject::Port(port) => self.begin_port(port, kind),
            Subject::Connector(connector) => self.begin_connector(connector, kind),
            Subject::Once(once) => self.begin_once(once, kind),
            Subject::Timer(timer) => self.begin_timer(timer, kind),
            Subject::Soon(call) => self.begin_soon(host, call),
            Subject::Deferred(deferred) => self.begin_deferred(deferred, kind),
            Subject::Producer(producer) => self.begin_producer(producer, kind),
            Subject::Udp(udp) => self.begin_udp(udp, kind),
            Subject::Trigger(trigger) => self.begin_trigger(host, trigger, kind),
            Subject::Nothing => {}
        }
    }

    /// A callback has returned, or unwinds.
    pub(crate) fn end(&mut self, host: usize, has_panicked: bool) {
        let Some(Frame::Callback(kind, subject)) = self.frames[host].pop() else {
            return self.differ(format_args!("host {host}: a callback ends that has not begun"));
        };
        if has_panicked {
            self.note(|| format!("host {host}: {kind:?} {subject:?} panics"));
        }
        if self.is_dead(host) {
            return;
        }
        match subject {
            Subject::End(end) => self.end_end(end, kind, has_panicked),
            Subject::Connector(connector) => self.end_connector(connector, kind, has_panicked),
            Subject::Deferred(deferred) => self.end_deferred(deferred, kind, has_panicked),
            _ => {}
        }
    }

    /// Whether a callback of the loop runs, and not code of the program outside of it.
    pub(crate) fn is_in_loop(&self, host: usize) -> bool {
        let first = self.frames[host].first();
        let is_outside = matches!(first, None | Some(Frame::Callback(Kind::Boot | Kind::Outside, _)));
        !is_outside && self.runs[host].phase != Phase::Between
    }

    /// A request begins during which only these may be called.
    pub(crate) fn begin_request(&mut self, host: usize, permitted: &'static [Kind]) {
        self.frames[host].push(Frame::Request(permitted));
    }

    pub(crate) fn end_request(&mut self, host: usize) {
        if !matches!(self.frames[host].pop(), Some(Frame::Request(_))) {
            self.differ(format_args!("host {host}: a request ends that has not begun"));
        }
    }

    /// Whether the program of the host has ended: nothing is promised any more.
    pub(crate) fn is_dead(&self, host: usize) -> bool {
        self.runs[host].phase == Phase::Dead
    }
}
