//! The [`Wire`] of a world: bytes from host to host, the reads that took them, and the callbacks that they became.
//!
//! ```text
//!   write ──> Stream ── get ──> an arrow ──> Arrivals ── read ──> "read" at the arrow, or a row of its own
//! ```
//!
//! A read that takes just what one arrow has brought, when it comes, is written at the head of that arrow. Any other read
//! takes several pieces, a part of them, or comes later. So it has a row of its own, which says how many bytes it took, and
//! of how many.
//!
//! Bytes that are lost on the way have an arrow that ends there; those that are sent again have another one.
//!
//! A datagram has an arrow from its sender to each host that it reaches, or on the way to which it is lost.
//!
//! Next: `wire_svg.rs`, the diagram as a picture.

use super::tls;
use super::wire::{Carried, Row, What, Wire, callback, quoted};
use super::words;
use crate::Event;
use crate::model::Model;
use std::collections::{HashMap, VecDeque};

impl Wire {
    /// The hosts of a world; only those named, in that order, if any are.
    pub fn of_world(model: &Model, hosts: &[&str]) -> Wire {
        let all: Vec<&str> = model.hosts().into_iter().filter(|host| !host.is_empty()).collect();
        let lanes: Vec<&str> = match hosts {
            [] => all,
            wanted => wanted.iter().copied().filter(|host| all.contains(host)).collect(),
        };
        let mut links = Links::default();
        let mut rows = Vec::new();
        for (at, event) in model.events.iter().enumerate() {
            let lane = |name: &str| lanes.iter().position(|lane| *lane == name);
            let told = match event.kind.as_str() {
                "network" => links.take(event, &lane, &mut rows),
                // What the words of the network leave out: it is no text.
                "call" if event.text("call") == "write" => {
                    links.name_last_write(&event.bytes());
                    None
                }
                "callback_begin" if event.number("socket").is_some() => {
                    lane(&event.host).map(|here| (What::Callback(here), callback(event), None))
                }
                _ => None,
            };
            if let Some((what, label, range)) = told {
                let (link, ns, seq) = (event.number("link"), event.ns, event.seq);
                let bytes = whole_bytes(&what, &label);
                rows.push(Row { what, label, link, range, is_read: false, bytes, ns, at, seq });
            }
        }
        Wire { lanes: lanes.into_iter().map(str::to_owned).collect(), rows, ..Wire::default() }
    }
}

/// The bytes of an arrow, as they are shown, if it carries one write or datagram and its words have all of that.
fn whole_bytes(what: &What, label: &str) -> Option<Vec<u8>> {
    let shown = label.strip_prefix("UDP ").unwrap_or(label);
    let inside = shown.strip_prefix('“').and_then(|shown| shown.strip_suffix('”'));
    // Bytes that are no ASCII stand in escapes, so these are signs of ours: of more bytes, or of several writes.
    let inside = inside.filter(|inside| !inside.contains(['…', '“', '”']))?;
    matches!(what, What::Arrow { carried: Carried::Bytes, .. }).then(|| inside.as_bytes().to_vec())
}

/// What is told of an event: what it is, its words, and which bytes of the stream.
type Told = (What, String, Option<(u64, u64)>);

/// All connections of the network, while its events are read.
#[derive(Default)]
struct Links {
    /// By the number of the connection and the host that writes.
    streams: HashMap<(u64, String), Stream>,
    /// The stream with the last write.
    last: Option<(u64, String)>,
    /// By the number of the connection and the host that reads.
    arrivals: HashMap<(u64, String), Arrivals>,
    datagrams: Datagrams,
}

impl Links {
    /// An event of the network. A write is told when its bytes arrive.
    fn take(&mut self, event: &Event, lane: &impl Fn(&str) -> Option<usize>, rows: &mut [Row]) -> Option<Told> {
        let (link, count) = (event.number("link").unwrap_or(0), event.number("count").unwrap_or(0));
        let (host, other, word) = (event.text("at"), event.text("other"), event.text("what"));
        let key = || (link, host.to_owned());
        let here = lane(host)?;
        let arrow = |from, sent, carried| What::Arrow { from, to: here, sent, carried };
        if let Some(number) = event.number("datagram") {
            return self.datagrams.take(event, number, lane, rows);
        }
        Some(match (word, lane(other)) {
            ("write", _) => {
                self.streams.entry(key()).or_default().write(event.ns, count, event.text("words"));
                self.last = Some(key());
                return None;
            }
            // It stays a remark as well, and its arrow comes when the other side gets it.
            ("close" | "shutdown_write" | "abort", _) => {
                self.streams.entry(key()).or_default().ended = Some(event.ns);
                (What::Mark(here), plain_words(event), None)
            }
            // They are on their way until it is known that they are lost; later the writer sends them again.
            ("lose", Some(there)) if count > 0 => {
                let sent = self.streams.get(&key()).and_then(|stream| stream.writes.front());
                let sent = sent.map_or(event.ns, |(sent, ..)| *sent);
                let label = format!("lost: {}", words::count(usize::try_from(count).unwrap_or(usize::MAX), "byte"));
                (What::Arrow { from: here, to: there, sent, carried: Carried::Lost }, label, None)
            }
            ("get", Some(there)) => {
                let stream = self.streams.entry((link, other.to_owned())).or_default();
                let (sent, label, range) = stream.arrive(count, event.ns);
                self.arrivals.entry(key()).or_default().arrive(count, Some(rows.len()));
                (arrow(there, sent, Carried::Bytes), label, range)
            }
            ("get", None) => {
                self.arrivals.entry(key()).or_default().arrive(count, None);
                (What::Mark(here), plain_words(event), None)
            }
            ("read", _) => {
                let label = self.arrivals.entry(key()).or_default().read(count, event.ns, rows)?;
                (What::Mark(here), label, None)
            }
            ("enter_backlog", Some(there)) => (arrow(there, event.ns, Carried::Bytes), "connects".to_owned(), None),
            ("get_fin" | "get_reset", Some(there)) => {
                let stream = self.streams.entry((link, other.to_owned())).or_default();
                let label = if word == "get_fin" { "FIN: ends its side" } else { "RST: ends the connection" };
                (arrow(there, stream.ended.unwrap_or(event.ns), Carried::End), label.to_owned(), None)
            }
            ("say" | "start" | "listen" | "look_up" | "answer" | "request_connection", _) => return None,
            _ => (What::Mark(here), plain_words(event), None),
        })
    }

    /// The first bytes of the last write.
    fn name_last_write(&mut self, bytes: &[u8]) {
        if let Some(stream) = self.last.take().and_then(|key| self.streams.get_mut(&key)) {
            stream.name(bytes);
        }
    }
}

/// The words of the network, without the number of the connection.
fn plain_words(event: &Event) -> String {
    let words = event.text("words");
    let link = event.number("link").map(|link| format!("#{link} ")).unwrap_or_default();
    words.strip_prefix(&*link).unwrap_or(words).to_owned()
}

/// The bytes that stand behind the words of the network.
fn excerpt_of(words: &str) -> String {
    let excerpt = words.split_once(": ").map_or("", |(_, excerpt)| excerpt);
    // The words end in `" ...` if there are more bytes than these.
    let bytes = excerpt.strip_prefix('"').map(|excerpt| match excerpt.strip_suffix("\" ...") {
        Some(begin) => quoted(&format!("{begin}…")),
        None => quoted(excerpt.strip_suffix('"').unwrap_or(excerpt)),
    });
    bytes.unwrap_or_else(|| excerpt.to_owned())
}

/// One direction of a link: what was written and has not arrived.
#[derive(Default)]
struct Stream {
    /// When, how many bytes, how many of these have arrived, and the first of them.
    writes: VecDeque<(u64, u64, u64, String)>,
    arrived: u64,
    /// When its writer has ended it.
    ended: Option<u64>,
}

impl Stream {
    /// The first bytes of the last write.
    fn name(&mut self, bytes: &[u8]) {
        if let Some((_, count, _, excerpt)) = self.writes.back_mut()
            && excerpt.is_empty()
        {
            *excerpt = tls::records(bytes, *count);
        }
    }

    fn write(&mut self, ns: u64, count: u64, words: &str) {
        self.writes.push_back((ns, count, 0, excerpt_of(words)));
    }

    /// Bytes arrive: when they were written, what they are, and which they are unless they are just one write.
    fn arrive(&mut self, count: u64, now: u64) -> (u64, String, Option<(u64, u64)>) {
        let from = self.arrived;
        self.arrived = self.arrived.saturating_add(count);
        let sent = self.writes.front().map_or(now, |write| write.0);
        let (mut left, mut pieces) = (count, Vec::new());
        while left > 0 {
            let Some((_, length, taken, excerpt)) = self.writes.front_mut() else { break };
            let piece = left.min(*length - *taken);
            pieces.push(match (*taken == 0, piece == *length) {
                (true, true) => excerpt.clone(),
                (true, false) => format!("first {piece} of {length}: {excerpt}").trim_end_matches(": ").to_owned(),
                (false, _) if *taken + piece == *length => format!("last {piece} of {length}"),
                (false, _) => format!("{piece} of {length}"),
            });
            *taken += piece;
            left -= piece;
            if taken == length {
                self.writes.pop_front();
            }
        }
        match &pieces[..] {
            // A write that arrived whole needs no numbers.
            [piece] if piece.starts_with('“') => (sent, piece.clone(), None),
            [piece] if piece.starts_with(tls::TLS) => (sent, format!("{count} bytes, {piece}"), None),
            _ => (sent, pieces.join(" + "), Some((from, self.arrived))),
        }
    }
}

/// What has arrived at one end of a connection, and was not read.
#[derive(Default)]
struct Arrivals {
    /// The bytes of each piece that are left, and its row, if it is an arrow.
    pieces: VecDeque<(u64, Option<usize>)>,
}

impl Arrivals {
    fn arrive(&mut self, count: u64, row: Option<usize>) {
        self.pieces.push_back((count, row));
    }

    /// A read takes bytes. Marks the arrow that has brought just these, now; or returns what the read's own row says.
    fn read(&mut self, count: u64, now: u64, rows: &mut [Row]) -> Option<String> {
        if let [(length, Some(row))] = *self.pieces.make_contiguous()
            && length == count
            && rows[row].ns == now
        {
            self.pieces.clear();
            rows[row].is_read = true;
            return None;
        }
        let waiting = self.pieces.iter().fold(0, |sum: u64, (length, _)| sum.saturating_add(*length));
        let (mut left, mut taken) = (count, 0);
        while let Some((length, row)) = self.pieces.front_mut().filter(|_| left > 0) {
            let piece = left.min(*length);
            (*length, left, taken) = (*length - piece, left - piece, taken + 1);
            *row = None; // What is left of it is not all that its arrow has brought.
            if *length == 0 {
                self.pieces.pop_front();
            }
        }
        Some(match taken {
            _ if count < waiting => format!("reads {count} of {waiting}"),
            0 | 1 => format!("reads {count}"),
            _ => format!("reads {count}: {taken} pieces"),
        })
    }
}

/// The datagrams of a network, by their numbers.
#[derive(Default)]
struct Datagrams {
    /// Who sent it, when, and what it is.
    sent: HashMap<u64, (String, u64, String)>,
    /// The rows of what has arrived at a host and was not read.
    arrived: HashMap<(u64, String), VecDeque<usize>>,
}

impl Datagrams {
    fn take(
        &mut self,
        event: &Event,
        number: u64,
        lane: &impl Fn(&str) -> Option<usize>,
        rows: &mut [Row],
    ) -> Option<Told> {
        let (host, other, count) = (event.text("at"), event.text("other"), event.number("count").unwrap_or(0));
        let here = lane(host)?;
        let remark = || Some((What::Mark(here), plain_words(event), None));
        let word = event.text("what");
        if word == "send_datagram" {
            let bytes = excerpt_of(event.text("words"));
            let label = if bytes.is_empty() { format!("UDP, {count} bytes") } else { format!("UDP {bytes}") };
            self.sent.insert(number, (host.to_owned(), event.ns, label));
            return None; // It is told when it arrives, or is lost.
        }
        if word == "receive_datagram" {
            let row = self.arrived.get_mut(&(number, host.to_owned())).and_then(VecDeque::pop_front);
            return match row.and_then(|row| rows.get_mut(row)).filter(|row| row.ns == event.ns) {
                Some(row) => {
                    row.is_read = true;
                    None
                }
                None => Some((What::Mark(here), format!("reads {count}"), None)),
            };
        }
        // The network loses it on the way, so that its sender tells of it; or at the end of the way.
        let Some((sender, sent, label)) = self.sent.get(&number) else { return remark() };
        let receiver = if sender == host { other } else { host };
        let (Some(from), Some(to)) = (lane(sender), lane(receiver)) else { return remark() };
        let arrow = |carried, label| Some((What::Arrow { from, to, sent: *sent, carried }, label, None));
        match word {
            "get_datagram" => {
                self.arrived.entry((number, host.to_owned())).or_default().push_back(rows.len());
                arrow(Carried::Bytes, label.clone())
            }
            "lose_datagram" => arrow(Carried::Lost, format!("lost: {label}")),
            "refuse_datagram" => arrow(Carried::End, format!("nobody on UDP port {count}: {label}")),
            _ => remark(),
        }
    }
}
