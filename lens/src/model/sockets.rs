//! [`Sockets`] and [`Timers`]: connections with their bytes, delayed calls.
//!
//! Next: `chains.rs`, Deferreds.

use super::Turns;
use crate::trace::Event;
use std::collections::HashMap;

/// A connection or a port.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Socket {
    /// The host; empty for a real program.
    pub host: String,
    /// Its number.
    pub number: u64,
    /// The peer's address; empty for a port.
    pub peer: String,
    /// The type of the protocol.
    pub protocol: String,
    /// Whether the program connected.
    pub outgoing: bool,
    /// Where the program asked for it.
    pub place: String,
    /// When its connection came up.
    pub connected: Option<u64>,
    /// When the program asked for an end.
    pub closing: Option<u64>,
    /// When it ended, why, and whether that is clean.
    pub ended: Option<(u64, String, bool)>,
    /// Whether the system's socket is closed.
    pub is_closed: bool,
    /// Number of bytes that were written and not sent, the last time that this was told.
    pub waiting: u64,
    /// Since when reading is paused because the peer does not read.
    pub full_since: Option<u64>,
    /// How long it has been so in all.
    pub full_for: u64,
    /// Number of bytes read.
    pub read: u64,
    /// Number of bytes sent.
    pub sent: u64,
    /// Number of calls that were answered with WouldBlock, and calls in all.
    pub would_block: u64,
    /// Number of reads, writes and accepts.
    pub calls: u64,
    /// What went over it, in order.
    pub arrows: Vec<Arrow>,
    /// Whether it is a port.
    pub is_port: bool,
}

/// Something on a connection.
#[derive(Debug, Clone, PartialEq)]
pub struct Arrow {
    /// `read`, `write`, `connected`, `closing`, `peer_ended`, `ended`, `callback` and so on.
    pub what: String,
    /// When.
    pub ns: u64,
    /// Number of bytes.
    pub count: u64,
    /// The first bytes.
    pub bytes: Vec<u8>,
    /// In words.
    pub words: String,
    /// The event.
    pub at: usize,
}

/// All sockets of a trace.
#[derive(Debug, Default)]
pub struct Sockets {
    /// In the order in which they appear.
    pub sockets: Vec<Socket>,
    known: HashMap<(String, u64), usize>,
}

impl Sockets {
    pub(super) fn take(&mut self, at: usize, event: &Event, turns: &Turns) {
        if event.kind == "trace" {
            // The host's program begins anew, and its numbers with it.
            self.known.retain(|(host, _), _| *host != event.host);
        }
        let Some(number) = event.number("socket").or_else(|| event.number("listener")) else { return };
        let key = (event.host.clone(), number);
        let next = self.sockets.len();
        let index = *self.known.entry(key).or_insert(next);
        if index == next {
            self.sockets.push(Socket { host: event.host.clone(), number, ..Socket::default() });
        }
        let socket = &mut self.sockets[index];
        match event.kind.as_str() {
            "call" => socket.call(at, event),
            "connected" => {
                socket.connected = Some(event.ns);
                socket.peer = event.text("peer").to_owned();
                socket.protocol = short(event.text("protocol")).to_owned();
                socket.outgoing = event.flag("outgoing");
                socket.place = event.text("place").to_owned();
                socket.arrow(at, event, 0, "");
            }
            "written" => {
                socket.waiting = event.number("waiting").unwrap_or(0);
                let by = turns.callbacks.last().filter(|callback| Some(callback.number) == event.callback);
                let by = by.map_or("", |callback| &callback.method).to_owned();
                socket.arrow(at, event, event.number("count").unwrap_or(0), &by);
            }
            "reading_paused" => {
                if event.flag("full") {
                    socket.full_since.get_or_insert(event.ns);
                }
                socket.arrow(
                    at,
                    event,
                    0,
                    if event.flag("full") { "reads no more: the peer does not read" } else { "" },
                );
            }
            "reading_resumed" => {
                socket.end_full(event.ns);
                socket.arrow(at, event, 0, "");
            }
            "closing" => {
                socket.closing.get_or_insert(event.ns);
                socket.arrow(at, event, 0, if event.flag("half") { "our side only" } else { "" });
            }
            "peer_ended" => socket.arrow(at, event, 0, ""),
            "ended" => {
                socket.end_full(event.ns);
                socket.waiting = event.number("unsent").unwrap_or(0);
                socket.ended = Some((event.ns, event.text("reason").to_owned(), event.flag("clean")));
                socket.arrow(at, event, socket.waiting, event.text("reason"));
            }
            "callback_begin" => socket.arrow(at, event, 0, event.text("method")),
            _ => {}
        }
    }

    /// A socket by its number.
    pub fn get(&self, host: &str, number: u64) -> Option<&Socket> {
        self.known.get(&(host.to_owned(), number)).map(|index| &self.sockets[*index])
    }
}

impl Socket {
    fn call(&mut self, at: usize, event: &Event) {
        let (call, done) = (event.text("call"), event.number("done").unwrap_or(0));
        if matches!(call, "read" | "write" | "accept") {
            self.calls += 1;
            self.would_block += u64::from(event.text("failed") == "WouldBlock");
        }
        match call {
            "listen" => {
                self.is_port = true;
                self.peer = event.text("address").to_owned();
            }
            "close" => {
                self.is_closed = true;
                self.arrow(at, event, 0, "");
            }
            "read" if event.text("failed") != "WouldBlock" => {
                self.read += done;
                self.arrow(at, event, done, event.text("failed"));
            }
            "write" if event.text("failed") != "WouldBlock" => {
                self.sent += done;
                self.waiting = self.waiting.saturating_sub(done);
                // The peer takes something: what comes before is not silence.
                self.full_since = self.full_since.map(|_| event.ns);
                self.arrow(at, event, done, event.text("failed"));
            }
            "shutdown" | "connect" | "finish_connect" | "reset_on_close" => {
                self.arrow(at, event, 0, event.text("failed"))
            }
            _ => {}
        }
    }

    fn arrow(&mut self, at: usize, event: &Event, count: u64, words: &str) {
        let what = if event.kind == "call" { event.text("call") } else { event.kind.trim_end_matches("_begin") };
        let arrow =
            Arrow { what: what.to_owned(), ns: event.ns, count, bytes: event.bytes(), words: words.to_owned(), at };
        self.arrows.push(arrow);
    }

    fn end_full(&mut self, now: u64) {
        if let Some(since) = self.full_since.take() {
            self.full_for += now.saturating_sub(since);
        }
    }

    /// What a person calls it.
    pub fn name(&self) -> String {
        match (self.peer.is_empty(), self.is_port) {
            (true, _) => format!("socket {}", self.number),
            (false, true) => format!("port {} ({})", self.number, self.peer),
            (false, false) => format!("connection {} with {}", self.number, self.peer),
        }
    }
}

/// A delayed call.
#[derive(Debug, Clone, PartialEq)]
pub struct Timer {
    /// The host; empty for a real program.
    pub host: String,
    /// Its number.
    pub number: u64,
    /// Where the program asked for it.
    pub place: String,
    /// When it is due.
    pub due: u64,
    /// When it was asked for.
    pub set: u64,
    /// When it was made, and how late.
    pub made: Option<(u64, u64)>,
    /// When it was cancelled.
    pub cancelled: Option<u64>,
    /// The event that asked for it.
    pub at: usize,
}

/// All delayed calls of a trace.
#[derive(Debug, Default)]
pub struct Timers {
    /// In order.
    pub timers: Vec<Timer>,
    known: HashMap<(String, u64), usize>,
    /// All of them, as indexes, by the time at which they are due at last.
    by_due: Vec<usize>,
}

impl Timers {
    pub(super) fn take(&mut self, at: usize, event: &Event) {
        let Some(number) = event.number("timer") else { return };
        let key = (event.host.clone(), number);
        if event.kind == "timer_set" {
            self.known.insert(key, self.timers.len());
            self.timers.push(Timer {
                host: event.host.clone(),
                number,
                place: event.text("place").to_owned(),
                due: event.ns.saturating_add(event.number("delay_ns").unwrap_or(0)),
                set: event.ns,
                made: None,
                cancelled: None,
                at,
            });
            return;
        }
        let Some(timer) = self.known.get(&key).and_then(|index| self.timers.get_mut(*index)) else { return };
        match event.kind.as_str() {
            "timer_moved" => timer.due = event.ns.saturating_add(event.number("delay_ns").unwrap_or(0)),
            "timer_cancelled" => timer.cancelled = Some(event.ns),
            "callback_begin" => timer.made = Some((event.ns, event.number("late_ns").unwrap_or(0))),
            _ => {}
        }
    }

    /// Orders them by time, when all are known.
    pub(super) fn order(&mut self) {
        self.by_due = (0..self.timers.len()).collect();
        self.by_due.sort_by_key(|index| self.timers[*index].due);
    }

    /// Those that are due from `begin` on and before `end`.
    pub fn due_between(&self, begin: u64, end: u64) -> impl Iterator<Item = &Timer> {
        let from = self.by_due.partition_point(|index| self.timers[*index].due < begin);
        self.by_due[from..].iter().map(|index| &self.timers[*index]).take_while(move |timer| timer.due < end)
    }
}

/// The last part of a path of Rust: `Echo` of `examples::Echo`. What stands in angle brackets stays, shortened too.
pub(crate) fn short(path: &str) -> &str {
    let end = path.find('<').unwrap_or(path.len());
    let begin = path[..end].rfind("::").map_or(0, |at| at + 2);
    &path[begin..]
}
