//! An event as a line of JSON. `docs/trace.md` is the schema.
//!
//! Written by hand and not by a library: the lines are flat, and a server under load writes a dozen for each request.
//!
//! Next: `json_deferreds.rs`, the same for what Deferreds do.

use super::{Bytes, Call, Callback, Event, Kind, Network, Outcome};
use std::io::Write;
use std::panic::Location;
use std::time::Duration;

/// The version of the schema. It rises when a reader of the one before would misunderstand a line. New kinds of events
/// and new fields do not raise it: readers pass over what they do not know.
pub const SCHEMA: u32 = 1;

impl Event<'_> {
    /// Appends the event as one line of JSON in UTF-8, without a line break.
    pub fn write_json(&self, out: &mut Vec<u8>) {
        let mut line = Line { out };
        line.raw("{\"seq\":");
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
        line.raw("}");
    }

    /// The event as a line of JSON.
    pub fn to_json(&self) -> String {
        let mut text = Vec::new();
        self.write_json(&mut text);
        String::from_utf8(text).expect("it is made of texts")
    }
}

pub(super) struct Line<'a> {
    /// Bytes, and not a `String`: that would look at each digit once more, whether it is UTF-8.
    out: &'a mut Vec<u8>,
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
            Kind::Listening { socket, address, place } => {
                self.about("listening", socket);
                self.text("address", address);
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
                if peer.is_some() {
                    self.number("socket", socket);
                }
                self.peer(peer);
            }
            Call::Connect { socket, address } => {
                self.number("socket", socket);
                self.text("address", address);
            }
            Call::FinishConnect { socket }
            | Call::Adopt { socket }
            | Call::Shutdown { socket }
            | Call::ResetOnClose { socket }
            | Call::Close { socket } => self.number("socket", socket),
            Call::LocalAddress { socket, address } => {
                self.number("socket", socket);
                if let Some(address) = address {
                    self.text("address", address);
                }
            }
            Call::Read { socket, room, peer, bytes } => {
                self.number("socket", socket);
                self.peer(peer);
                self.number("room", room as u64);
                self.bytes(bytes);
            }
            Call::Write { socket, offered, pieces, peer, bytes } => {
                self.number("socket", socket);
                self.peer(peer);
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

    fn peer(&mut self, peer: Option<&str>) {
        if let Some(peer) = peer {
            self.text("peer", peer);
        }
    }

    fn outcome(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Done(count) => self.number("done", count as u64),
            Outcome::Failed { kind, code } => {
                self.key("failed");
                self.formatted(format_args!("\"{kind:?}\""));
                if let Some(code) = code {
                    self.key("code");
                    self.formatted(format_args!("{code}"));
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
        self.raw("\"");
        self.escaped(place.file().as_bytes(), is_plain);
        self.raw(":");
        self.digits(u64::from(place.line()));
        self.raw(":");
        self.digits(u64::from(place.column()));
        self.raw("\"");
    }

    /// Bytes as text: each byte is the character of its number. So any JSON reader has the very bytes.
    fn bytes(&mut self, bytes: Bytes<'_>) {
        if bytes.shown.is_empty() {
            return;
        }
        self.key("bytes");
        self.raw("\"");
        self.escaped(bytes.shown, |byte| is_plain(byte) && byte <= b'~');
        self.raw("\"");
    }

    fn key(&mut self, key: &str) {
        self.raw(",\"");
        self.raw(key);
        self.raw("\":");
    }

    pub(super) fn number(&mut self, key: &str, number: u64) {
        self.key(key);
        self.digits(number);
    }

    /// Only if it is set: a flag that is missing is not set.
    pub(super) fn flag(&mut self, key: &str, flag: bool) {
        if flag {
            self.key(key);
            self.raw("true");
        }
    }

    /// A text that needs no escapes.
    pub(super) fn word(&mut self, key: &str, word: &str) {
        self.key(key);
        self.raw("\"");
        self.raw(word);
        self.raw("\"");
    }

    pub(super) fn text(&mut self, key: &str, text: &str) {
        self.key(key);
        self.raw("\"");
        self.escaped(text.as_bytes(), is_plain);
        self.raw("\"");
    }

    #[inline]
    fn raw(&mut self, text: &str) {
        self.out.extend_from_slice(text.as_bytes());
    }

    /// Bytes that are not plain become escapes.
    fn escaped(&mut self, text: &[u8], is_plain: impl Fn(u8) -> bool) {
        // Most texts are plain. A look at all bytes, whatever the first ones are, takes a few of them at a time.
        if text.iter().fold(true, |plain, &byte| plain & is_plain(byte)) {
            return self.out.extend_from_slice(text);
        }
        let mut rest = text;
        while let Some(end) = rest.iter().position(|&byte| !is_plain(byte)) {
            self.out.extend_from_slice(&rest[..end]);
            match rest[end] {
                b'"' => self.raw("\\\""),
                b'\\' => self.raw("\\\\"),
                b'\n' => self.raw("\\n"),
                b'\r' => self.raw("\\r"),
                other => self.formatted(format_args!("\\u{other:04x}")),
            }
            rest = &rest[end + 1..];
        }
        self.out.extend_from_slice(rest);
    }

    fn formatted(&mut self, text: std::fmt::Arguments<'_>) {
        let _ = self.out.write_fmt(text); // Memory takes all.
    }

    fn digits(&mut self, mut number: u64) {
        let mut digits = [0; 20];
        let mut at = digits.len();
        while number >= 100 {
            at -= 2;
            digits[at..at + 2].copy_from_slice(&PAIRS[(number % 100) as usize]);
            number /= 100;
        }
        let [tens, ones] = PAIRS[number as usize];
        at -= 1;
        digits[at] = ones;
        if number >= 10 {
            at -= 1;
            digits[at] = tens;
        }
        self.out.extend_from_slice(&digits[at..]);
    }
}

/// Whether JSON takes this byte of a text as it is.
fn is_plain(byte: u8) -> bool {
    byte >= b' ' && byte != b'"' && byte != b'\\'
}

/// The numbers below 100 with two digits each: a division by 100 is for two of them.
const PAIRS: [[u8; 2]; 100] = {
    let mut pairs = [[b'0'; 2]; 100];
    let mut number = 0;
    while number < pairs.len() {
        pairs[number] = [b'0' + (number / 10) as u8, b'0' + (number % 10) as u8];
        number += 1;
    }
    pairs
};

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
