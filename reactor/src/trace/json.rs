//! An event as a line of JSON. `docs/trace.md` is the schema.
//!
//! Written by hand and not by a library: the lines are flat, and a server under load writes a dozen for each request.
//!
//! Next: `json_deferreds.rs`, the same for what Deferreds do.

use super::{Bytes, Call, Callback, Event, Kind, Network, Outcome};
use std::fmt::Write;
use std::panic::Location;
use std::time::Duration;

/// The version of the schema. It rises when a reader of the one before would misunderstand a line. New kinds of events
/// and new fields do not raise it: readers pass over what they do not know.
pub const SCHEMA: u32 = 1;

impl Event<'_> {
    /// Appends the event as one line of JSON, without a line break.
    pub fn write_json(&self, out: &mut String) {
        let mut line = Line { out };
        line.out.push_str("{\"seq\":");
        line.digits(self.seq);
        line.number("ns", nanoseconds(self.time));
        line.number("turn", self.turn);
        line.word("phase", self.phase.name());
        if let Some(host) = self.host {
            line.text("host", host);
        }
        if let Some(callback) = self.callback {
            line.number("in", callback);
        }
        if let Some(step) = self.step {
            line.number("in_step", step);
        }
        line.kind(&self.kind);
        line.out.push('}');
    }

    /// The event as a line of JSON.
    pub fn to_json(&self) -> String {
        let mut text = String::new();
        self.write_json(&mut text);
        text
    }
}

pub(super) struct Line<'a> {
    out: &'a mut String,
}

impl Line<'_> {
    fn kind(&mut self, kind: &Kind<'_>) {
        match *kind {
            Kind::Trace { max_bytes } => {
                self.word("kind", "trace");
                self.number("schema", u64::from(SCHEMA));
                self.word("library", env!("CARGO_PKG_VERSION"));
                self.number("max_bytes", max_bytes as u64);
            }
            Kind::Turn { waits_for, timeout } => {
                self.word("kind", "turn");
                self.word("waits_for", waits_for.name());
                self.timeout(timeout);
            }
            Kind::Phase => self.word("kind", "phase"),
            Kind::TurnEnd => self.word("kind", "turn_end"),
            Kind::End => self.word("kind", "end"),
            Kind::CallbackBegin(callback) => self.callback(callback),
            Kind::CallbackEnd(ended) => {
                self.word("kind", "callback_end");
                self.number("callback", ended.id);
                self.number("took_ns", nanoseconds(ended.took));
                self.flag("panicked", ended.panicked);
                if ended.spared > 0 {
                    self.number("spared", ended.spared as u64);
                }
            }
            Kind::Call { ref call, outcome } => {
                self.word("kind", "call");
                self.call(call);
                self.outcome(outcome);
            }
            Kind::Ready { socket, readable, writable, read_closed, broken } => {
                self.about("ready", socket);
                self.flag("readable", readable);
                self.flag("writable", writable);
                self.flag("read_closed", read_closed);
                self.flag("broken", broken);
            }
            Kind::Signal(name) => {
                self.word("kind", "signal");
                self.word("signal", name);
            }
            Kind::TimerSet { timer, delay, place } => {
                self.word("kind", "timer_set");
                self.number("timer", timer);
                self.number("delay_ns", nanoseconds(delay));
                self.place(place);
            }
            Kind::TimerMoved { timer, delay } => {
                self.word("kind", "timer_moved");
                self.number("timer", timer);
                self.number("delay_ns", nanoseconds(delay));
            }
            Kind::TimerCancelled { timer } => {
                self.word("kind", "timer_cancelled");
                self.number("timer", timer);
            }
            Kind::Resolved { name, outcome } => {
                self.word("kind", "resolved");
                self.text("name", name);
                self.outcome(outcome);
            }
            Kind::Network(Network { at, what, link, datagram, count, other, words }) => {
                self.word("kind", "network");
                self.text("at", at);
                self.word("what", what);
                if let Some(link) = link {
                    self.number("link", u64::from(link));
                }
                if let Some(datagram) = datagram {
                    self.number("datagram", datagram);
                }
                self.number("count", count);
                if let Some(other) = other {
                    self.text("other", other);
                }
                self.text("words", words);
            }
            Kind::Deferred { deferred, ref event } => self.deferred(deferred, event),
            Kind::Unhandled { failure, words } => self.unhandled(failure, words),
            ref connection => self.connection(connection),
        }
    }

    fn connection(&mut self, kind: &Kind<'_>) {
        match *kind {
            Kind::Listening { socket, place } => {
                self.about("listening", socket);
                self.place(place);
            }
            Kind::Connected { socket, peer, protocol, outgoing, place } => {
                self.about("connected", socket);
                self.text("peer", peer);
                self.text("protocol", protocol);
                self.flag("outgoing", outgoing);
                self.place(place);
            }
            Kind::Written { socket, count, waiting, place } => {
                self.about("written", socket);
                self.number("count", count as u64);
                self.number("waiting", waiting as u64);
                if let Some(place) = place {
                    self.place(place);
                }
            }
            Kind::ReadingPaused { socket, full } => {
                self.about("reading_paused", socket);
                self.flag("full", full);
            }
            Kind::ReadingResumed { socket } => self.about("reading_resumed", socket),
            Kind::Closing { socket, half } => {
                self.about("closing", socket);
                self.flag("half", half);
            }
            Kind::PeerEnded { socket } => self.about("peer_ended", socket),
            Kind::Ended { socket, reason, clean, unsent } => {
                self.about("ended", socket);
                self.text("reason", reason);
                self.flag("clean", clean);
                self.number("unsent", unsent as u64);
            }
            _ => self.word("kind", "unknown"),
        }
    }

    fn callback(&mut self, callback: &Callback<'_>) {
        self.word("kind", "callback_begin");
        self.number("callback", callback.id);
        self.word("what", callback.kind.name());
        if let Some(method) = callback.method {
            self.text("method", method);
        }
        if let Some(object) = callback.object {
            self.text("object", object);
        }
        if let Some(socket) = callback.socket {
            self.number("socket", socket);
        }
        if let Some(timer) = callback.timer {
            self.number("timer", timer);
        }
        if let Some(late) = callback.late {
            self.number("late_ns", nanoseconds(late));
        }
        if let Some(place) = callback.place {
            self.place(place);
        }
        self.text("words", callback.words);
    }

    fn call(&mut self, call: &Call<'_>) {
        self.word("call", call.name());
        match *call {
            Call::Poll { timeout, took } => {
                self.timeout(timeout);
                self.number("took_ns", nanoseconds(took));
            }
            Call::Listen { socket, address, datagrams } => {
                self.number("socket", socket);
                self.text("address", address);
                self.flag("datagrams", datagrams);
            }
            Call::Accept { listener, socket, peer } => {
                self.number("listener", listener);
                if let Some(peer) = peer {
                    self.number("socket", socket);
                    self.text("peer", peer);
                }
            }
            Call::Connect { socket, address } => {
                self.number("socket", socket);
                self.text("address", address);
            }
            Call::FinishConnect { socket }
            | Call::Adopt { socket }
            | Call::Shutdown { socket }
            | Call::ResetOnClose { socket }
            | Call::Close { socket }
            | Call::LocalAddress { socket } => self.number("socket", socket),
            Call::Read { socket, room, bytes } => {
                self.number("socket", socket);
                self.number("room", room as u64);
                self.bytes(bytes);
            }
            Call::Write { socket, offered, pieces, bytes } => {
                self.number("socket", socket);
                self.number("offered", offered as u64);
                self.number("pieces", pieces as u64);
                self.bytes(bytes);
            }
            Call::SetOption { socket, name } => {
                self.number("socket", socket);
                self.word("name", name);
            }
            Call::Resolve { name } => self.text("name", name),
            Call::CatchSignals { name, on } => {
                self.word("name", name);
                self.flag("on", on);
            }
            Call::Spawn => {}
        }
    }

    fn outcome(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Done(count) => self.number("done", count as u64),
            Outcome::Failed { kind, code } => {
                self.key("failed");
                let _ = write!(self.out, "\"{kind:?}\""); // Writing to a String cannot fail.
                if let Some(code) = code {
                    self.key("code");
                    let _ = write!(self.out, "{code}");
                }
            }
        }
    }

    fn about(&mut self, kind: &str, socket: u64) {
        self.word("kind", kind);
        self.number("socket", socket);
    }

    fn timeout(&mut self, timeout: Option<Duration>) {
        if let Some(timeout) = timeout {
            self.number("timeout_ns", nanoseconds(timeout));
        }
    }

    pub(super) fn place(&mut self, place: &'static Location<'static>) {
        self.place_as("place", place);
    }

    pub(super) fn place_as(&mut self, key: &str, place: &'static Location<'static>) {
        self.key(key);
        self.out.push('"');
        self.escaped(place.file());
        self.out.push(':');
        self.digits(u64::from(place.line()));
        self.out.push(':');
        self.digits(u64::from(place.column()));
        self.out.push('"');
    }

    /// Bytes as text: each byte is the character of its number. So any JSON reader has the very bytes.
    fn bytes(&mut self, bytes: Bytes<'_>) {
        if bytes.shown.is_empty() {
            return;
        }
        self.key("bytes");
        self.out.push('"');
        for &byte in bytes.shown {
            match byte {
                b'"' => self.out.push_str("\\\""),
                b'\\' => self.out.push_str("\\\\"),
                b'\n' => self.out.push_str("\\n"),
                b'\r' => self.out.push_str("\\r"),
                b' '..=b'~' => self.out.push(char::from(byte)),
                other => self.escape(u32::from(other)),
            }
        }
        self.out.push('"');
    }

    fn key(&mut self, key: &str) {
        self.out.push_str(",\"");
        self.out.push_str(key);
        self.out.push_str("\":");
    }

    pub(super) fn number(&mut self, key: &str, number: u64) {
        self.key(key);
        self.digits(number);
    }

    /// Only if it is set: a flag that is missing is not set.
    pub(super) fn flag(&mut self, key: &str, flag: bool) {
        if flag {
            self.key(key);
            self.out.push_str("true");
        }
    }

    /// A text that needs no escapes.
    pub(super) fn word(&mut self, key: &str, word: &str) {
        self.key(key);
        self.out.push('"');
        self.out.push_str(word);
        self.out.push('"');
    }

    pub(super) fn text(&mut self, key: &str, text: &str) {
        self.key(key);
        self.out.push('"');
        self.escaped(text);
        self.out.push('"');
    }

    fn escaped(&mut self, text: &str) {
        if text.bytes().all(|byte| byte >= b' ' && byte != b'"' && byte != b'\\') {
            return self.out.push_str(text);
        }
        for char in text.chars() {
            match char {
                '"' => self.out.push_str("\\\""),
                '\\' => self.out.push_str("\\\\"),
                '\n' => self.out.push_str("\\n"),
                control if control < ' ' => self.escape(u32::from(control)),
                other => self.out.push(other),
            }
        }
    }

    fn escape(&mut self, code: u32) {
        let _ = write!(self.out, "\\u{code:04x}");
    }

    fn digits(&mut self, mut number: u64) {
        let mut digits = [0; 20];
        let mut at = digits.len();
        loop {
            at -= 1;
            digits[at] = b'0' + (number % 10) as u8;
            number /= 10;
            if number == 0 {
                break;
            }
        }
        self.out.push_str(str::from_utf8(&digits[at..]).unwrap_or_default());
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
