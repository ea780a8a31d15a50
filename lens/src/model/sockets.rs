//! [`Sockets`] and [`Timers`]: connections with their bytes, delayed calls.
//!
//! Next: `chain.rs`, a Deferred.

use super::Turns;
use crate::trace::Event;
use std::collections::{HashMap, HashSet};

/// A connection or a port.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Socket {
    /// The host; empty for a real program.
    pub host: String,
    /// Which program of the host: 1, and one more each time that the host is started again. Each has numbers of its
    /// own.
    pub run: usize,
    /// Its number.
    pub number: u64,
    /// The first event that is about it.
    pub at: usize,
    /// The peer's address; empty for a port.
    pub peer: String,
    /// The type of the protocol.
    pub protocol: String,
    /// Whether the program connected.
    pub outgoing: bool,
    /// Where the program asked for it.
    pub place: String,
    /// Whether the program has asked for the connection, and neither has it nor was refused.
    pub is_connecting: bool,
    /// When its connection came up.
    pub connected: Option<u64>,
    /// When the program asked for an end.
    pub closing: Option<u64>,
    /// When the peer ended its side.
    pub peer_ended: Option<u64>,
    /// Whether the program has written since then.
    pub has_written_since: bool,
    /// Whether it ended, or its end was asked for, because the program stops.
    pub is_stopped: bool,
    /// When it ended, why, and whether that is clean.
    pub ended: Option<(u64, String, bool)>,
    /// Whether the system's socket is closed.
    pub is_closed: bool,
    /// Number of bytes that were written and not sent, the last time that this was told.
    pub waiting: u64,
    /// Reading is paused because the peer does not read: since when, or since the peer last took something.
    pub full_since: Option<u64>,
    /// The longest time for which it was so and the peer took nothing.
    pub silent_for: u64,
    /// The program has paused reading: since when.
    pub paused_since: Option<u64>,
    /// Something has come meanwhile: since when.
    pub unread_since: Option<u64>,
    /// For how long it was left unread, until the connection ended and not because the program closed it.
    pub unread_for: u64,
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
    /// Whether it is a port for datagrams.
    pub is_datagrams: bool,
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
    /// Those of each host with one number, in order: one for each program of the host that had it.
    known: HashMap<(String, u64), Vec<usize>>,
    /// The events of the kind `ready` that bring work.
    work: HashSet<usize>,
}

impl Sockets {
    pub(super) fn take(&mut self, at: usize, event: &Event, turns: &Turns) {
        let Some(number) = event.number("socket").or_else(|| event.number("listener")) else { return };
        let (host, run, next) = (event.host.clone(), turns.run(&event.host), self.sockets.len());
        if event.text("call") == "accept" {
            self.count_accept(run, event);
        }
        let known = self.known.entry((host.clone(), number)).or_default();
        let index = known.last().copied().filter(|index| self.sockets[*index].run == run).unwrap_or(next);
        if index == next {
            known.push(next);
            self.sockets.push(Socket { host, run, number, at, ..Socket::default() });
        }
        let socket = &mut self.sockets[index];
        match event.kind.as_str() {
            "call" => socket.call(at, event),
            "ready" => {
                if socket.has_work(event) {
                    self.work.insert(at);
                }
                if socket.paused_since.is_some() && socket.has_input(event) {
                    socket.unread_since.get_or_insert(event.ns);
                }
            }
            "listening" => {
                socket.is_port = true;
                // The library's first traces have it only where the port was asked for.
                if !event.text("address").is_empty() {
                    socket.peer = event.text("address").to_owned();
                }
                socket.place = event.text("place").to_owned();
            }
            "connected" => {
                (socket.connected, socket.is_connecting) = (Some(event.ns), false);
                socket.peer = event.text("peer").to_owned();
                socket.protocol = short(event.text("protocol")).to_owned();
                socket.outgoing = event.flag("outgoing");
                socket.place = event.text("place").to_owned();
                socket.arrow(at, event, 0, "");
            }
            "written" => {
                socket.waiting = event.number("waiting").unwrap_or(0);
                socket.has_written_since |= socket.peer_ended.is_some();
                let by = turns.callbacks.last().filter(|callback| Some(callback.number) == event.callback);
                let by = by.map_or("", |callback| &callback.method).to_owned();
                socket.arrow(at, event, event.number("count").unwrap_or(0), &by);
            }
            "reading_paused" => {
                if event.flag("full") {
                    // Whether the program has paused it, too, the trace does not say.
                    (socket.paused_since, socket.unread_since) = (None, None);
                    socket.full_since.get_or_insert(event.ns);
                } else {
                    socket.end_full(event.ns);
                    socket.paused_since.get_or_insert(event.ns);
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
                (socket.paused_since, socket.unread_since) = (None, None);
                socket.arrow(at, event, 0, "");
            }
            "closing" => {
                socket.is_stopped |= turns.is_stopping(event);
                if !socket.is_stopped && !event.flag("half") {
                    // It needs nothing more of what the peer sends.
                    (socket.paused_since, socket.unread_since) = (None, None);
                }
                socket.closing.get_or_insert(event.ns);
                socket.arrow(at, event, 0, if event.flag("half") { "our side only" } else { "" });
            }
            "peer_ended" => {
                socket.peer_ended.get_or_insert(event.ns);
                socket.arrow(at, event, 0, "");
            }
            "ended" => {
                // The reactor ends it outside of a turn, when it stops or is dropped.
                socket.is_stopped |= socket.closing.is_none() && event.phase == "outside";
                socket.end_full(event.ns);
                socket.paused_since = None;
                socket.unread_for = socket.unread_since.take().map_or(0, |since| event.ns.saturating_sub(since));
                socket.waiting = event.number("unsent").unwrap_or(0);
                socket.ended = Some((event.ns, event.text("reason").to_owned(), event.flag("clean")));
                socket.arrow(at, event, socket.waiting, event.text("reason"));
            }
            "callback_begin" => socket.arrow(at, event, 0, event.text("method")),
            _ => {}
        }
    }

    /// An accept is a call on the port, whatever comes of it.
    fn count_accept(&mut self, run: usize, event: &Event) {
        let key = event.number("listener").map(|number| (event.host.clone(), number));
        let index = key.and_then(|key| self.known.get(&key)?.last().copied());
        if let Some(port) = index.map(|index| &mut self.sockets[index]).filter(|port| port.run == run) {
            port.count(event);
        }
    }

    /// Whether this event says that a socket is ready for something that somebody waits for. A socket that can be
    /// written to is ready for nothing while nothing is to be sent.
    pub(crate) fn is_work(&self, at: usize) -> bool {
        self.work.contains(&at)
    }

    /// The sockets with this number, in order: one for each program of the host that had it.
    pub fn with_number(&self, host: &str, number: u64) -> impl DoubleEndedIterator<Item = &Socket> {
        let known = self.known.get(&(host.to_owned(), number)).into_iter().flatten();
        known.map(|index| &self.sockets[*index])
    }

    /// The socket that had this number at an event.
    pub fn get_at(&self, host: &str, number: u64, at: usize) -> Option<&Socket> {
        self.with_number(host, number).rfind(|socket| socket.at <= at)
    }
}

impl Socket {
    fn count(&mut self, event: &Event) {
        self.calls += 1;
        self.would_block += u64::from(event.text("failed") == "WouldBlock");
    }

    /// Whether a wait has found something to read, or the end. After the peer has ended its side, a socket stays
    /// readable.
    fn has_input(&self, event: &Event) -> bool {
        (event.flag("readable") || event.flag("read_closed")) && self.peer_ended.is_none()
    }

    /// Whether what a wait has found is something to do. While reading is paused, what comes has to wait for that.
    fn has_work(&self, event: &Event) -> bool {
        let comes = self.has_input(event) && self.paused_since.is_none() && self.full_since.is_none();
        let can_go = event.flag("writable") && (self.is_connecting || self.waiting > 0);
        comes || can_go || event.flag("broken")
    }

    fn call(&mut self, at: usize, event: &Event) {
        let (call, done) = (event.text("call"), event.number("done").unwrap_or(0));
        if matches!(call, "read" | "write") {
            self.count(event);
        }
        match call {
            "listen" => {
                (self.is_port, self.is_datagrams) = (true, event.flag("datagrams"));
                self.peer = event.text("address").to_owned();
            }
            "connect" => {
                self.peer = event.text("address").to_owned();
                self.is_connecting = event.text("failed").is_empty();
                self.arrow(at, event, 0, &event.error());
            }
            "close" => {
                self.is_closed = true;
                self.arrow(at, event, 0, "");
            }
            "read" if event.text("failed") != "WouldBlock" => {
                self.read = self.read.saturating_add(done);
                self.arrow(at, event, done, event.text("failed"));
            }
            "write" if event.text("failed") != "WouldBlock" => {
                self.sent = self.sent.saturating_add(done);
                self.waiting = self.waiting.saturating_sub(done);
                if done > 0 && self.full_since.is_some() {
                    self.end_full(event.ns);
                    self.full_since = Some(event.ns);
                }
                self.arrow(at, event, done, event.text("failed"));
            }
            "finish_connect" => {
                self.is_connecting &= event.text("failed").is_empty();
                self.arrow(at, event, 0, &event.error());
            }
            "shutdown" | "reset_on_close" => self.arrow(at, event, 0, event.text("failed")),
            _ => {}
        }
    }

    /// Number of bytes in both directions.
    pub fn carried(&self) -> u64 {
        self.read.saturating_add(self.sent)
    }

    fn arrow(&mut self, at: usize, event: &Event, count: u64, words: &str) {
        let what = if event.kind == "call" { event.text("call") } else { event.kind.trim_end_matches("_begin") };
        let arrow =
            Arrow { what: what.to_owned(), ns: event.ns, count, bytes: event.bytes(), words: words.to_owned(), at };
        self.arrows.push(arrow);
    }

    fn end_full(&mut self, now: u64) {
        if let Some(since) = self.full_since.take() {
            self.silent_for = self.silent_for.max(now.saturating_sub(since));
        }
    }

    /// What a person calls it.
    pub fn name(&self) -> String {
        match (self.peer.is_empty(), self.is_port) {
            (true, _) => format!("socket {}", self.number),
            // It is not open yet, or could not be opened.
            (false, true) => match self.peer.strip_suffix(":0") {
                Some(host) => format!("port {} ({host}, a free port)", self.number),
                None => format!("port {} ({})", self.number, self.peer),
            },
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
    /// When it was cancelled, or its program ended before it was made.
    pub cancelled: Option<u64>,
    /// The event that asked for it.
    pub at: usize,
}

/// All delayed calls of a trace.
#[derive(Debug, Default)]
pub struct Timers {
    /// In order.
    pub timers: Vec<Timer>,
    /// Those of each host with one number, in order: one for each program of the host that had it.
    known: HashMap<(String, u64), Vec<usize>>,
    /// Those of the program that runs, by host.
    of_program: HashMap<String, Vec<usize>>,
    /// All of them, as indexes, by the time at which they are due at last.
    by_due: Vec<usize>,
}

impl Timers {
    pub(super) fn take(&mut self, at: usize, event: &Event) {
        if matches!(event.kind.as_str(), "trace" | "end") {
            self.end_program(event);
        }
        let Some(number) = event.number("timer") else { return };
        let key = (event.host.clone(), number);
        if event.kind == "timer_set" {
            self.known.entry(key).or_default().push(self.timers.len());
            self.of_program.entry(event.host.clone()).or_default().push(self.timers.len());
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
        let index = self.known.get(&key).and_then(|indexes| indexes.last().copied());
        let Some(timer) = index.and_then(|index| self.timers.get_mut(index)) else { return };
        match event.kind.as_str() {
            "timer_moved" => timer.due = event.ns.saturating_add(event.number("delay_ns").unwrap_or(0)),
            "timer_cancelled" => timer.cancelled = Some(event.ns),
            "callback_begin" => timer.made = Some((event.ns, event.number("late_ns").unwrap_or(0))),
            _ => {}
        }
    }

    /// The program of a host has ended: what it asked for is never made.
    fn end_program(&mut self, event: &Event) {
        for index in self.of_program.remove(&event.host).unwrap_or_default() {
            let timer = &mut self.timers[index];
            if timer.made.is_none() {
                timer.cancelled.get_or_insert(event.ns);
            }
        }
    }

    /// The delayed call that had this number at an event.
    pub fn get_at(&self, host: &str, number: u64, at: usize) -> Option<&Timer> {
        let with_number = self.known.get(&(host.to_owned(), number)).into_iter().flatten();
        with_number.map(|index| &self.timers[*index]).rfind(|timer| timer.at <= at)
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

/// The last part of a path of Rust: `Echo` of `examples::Echo`. What stands in angle brackets stays. If the last part is
/// no type's name, the one before it stays, too: `http::server`.
pub(crate) fn short(path: &str) -> &str {
    let end = path.find('<').unwrap_or(path.len());
    let mut begins = path[..end].rmatch_indices("::").map(|(at, _)| at + 2);
    let last = begins.next().unwrap_or(0);
    match path[last..].starts_with(char::is_uppercase) {
        true => &path[last..],
        false => &path[begins.next().unwrap_or(0)..],
    }
}

#[cfg(test)]
mod tests {
    use super::short;

    #[test]
    fn a_path_is_shortened_to_a_type_and_never_to_a_bare_module() {
        assert_eq!([short("rv::panics::P"), short("Echo"), short("")], ["P", "Echo", ""]);
        assert_eq!(short("reactor::tls::Tls<rv::Echo>"), "Tls<rv::Echo>");
        assert_eq!([short("http::server"), short("reactor::http::server")], ["http::server"; 2]);
    }
}
