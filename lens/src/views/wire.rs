//! [`Wire`]: what went over the network, as a sequence diagram. One line for each host of a world, or one for the program and
//! one for its peer.
//!
//! In a world, each arrow is a piece of bytes as it arrived, drawn from the moment of the write that it came from: where TCP cut a
//! write, there are several arrows. On a real machine, each arrow is a call to the system: what one read brought, what one
//! write took. The callback that a read became stands below it.
//!
//! What ends a connection, or one direction of it, has an arrow too: in a world from the moment at which it left.
//!
//! Next: `wire_text.rs`, the diagram as text.

use super::svg::{Svg, width_of};
use super::{tls, words};
use crate::model::{Arrow, Model, Socket};
use std::collections::HashMap;

/// Maximum number of rows in a picture.
pub const MAX_ROWS: usize = 400;

/// The widest excerpt of bytes, in characters.
const MAX_BYTES: usize = 48;

/// Maximum number of characters of words that stand on a line of a picture.
const MAX_WORDS: usize = 44;

/// How far the lines of a picture are apart.
const MIN_GAP: i64 = 280;
const MAX_GAP: i64 = 400;

/// The tones of messages that go over the wire again and again.
const TONES: [&str; 4] = ["coolline", "twoline", "threeline", "fourline"];

/// That of the others.
const PLAIN: &str = "plainline";

/// A sequence diagram.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Wire {
    /// The names of the vertical lines.
    pub lanes: Vec<String>,
    /// From top to bottom. A picture shows the first [`MAX_ROWS`].
    pub rows: Vec<Row>,
    /// Number of rows that were cut off behind these.
    pub later: usize,
    /// A sentence above all: how the connection was chosen.
    pub remark: String,
}

/// A row.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// What it is.
    pub what: What,
    /// What stands at it.
    pub label: String,
    /// The number of the connection in a world.
    pub link: Option<u64>,
    /// Which bytes of the connection's stream, if they are only a part of a write, or parts of several.
    pub range: Option<(u64, u64)>,
    /// When.
    pub ns: u64,
    /// The event, as an index.
    pub at: usize,
    /// The number of the event in the file.
    pub seq: u64,
}

/// What a row is.
#[derive(Debug, Clone, PartialEq)]
pub enum What {
    /// Something went from one line to another; since when it was under way.
    Arrow {
        /// From this line.
        from: usize,
        /// To this one.
        to: usize,
        /// When it left.
        sent: u64,
        /// Whether it is an end or an error rather than bytes.
        is_end: bool,
    },
    /// A callback on a line.
    Callback(usize),
    /// Something else on a line.
    Mark(usize),
}

impl Wire {
    /// The hosts of a world; only those named, in that order, if any are.
    pub fn of_world(model: &Model, hosts: &[&str]) -> Wire {
        let all: Vec<&str> = model.hosts().into_iter().filter(|host| !host.is_empty()).collect();
        let lanes: Vec<&str> = match hosts {
            [] => all,
            wanted => wanted.iter().copied().filter(|host| all.contains(host)).collect(),
        };
        let lane = |name: &str| lanes.iter().position(|lane| *lane == name);
        let mut streams: HashMap<(u64, String), Stream> = HashMap::new();
        let (mut last, mut rows) = (None, Vec::new());
        for (at, event) in model.events.iter().enumerate() {
            let Some(here) = lane(if event.kind == "network" { event.text("at") } else { &event.host }) else {
                continue;
            };
            let mut range = None;
            let (label, what) = match event.kind.as_str() {
                "network" => {
                    let (link, count) = (event.number("link").unwrap_or(0), event.number("count").unwrap_or(0));
                    let (other, word) = (event.text("other"), event.text("what"));
                    let there = lane(other);
                    match (word, there) {
                        ("write", _) => {
                            let stream = streams.entry((link, event.text("at").to_owned())).or_default();
                            stream.write(event.ns, count, event.text("words"));
                            last = Some((link, event.text("at").to_owned()));
                            continue;
                        }
                        // It stays a remark as well, and its arrow comes when the other side gets it.
                        ("close" | "shutdown_write" | "abort", _) => {
                            streams.entry((link, event.text("at").to_owned())).or_default().ended = Some(event.ns);
                            (plain_words(event), What::Mark(here))
                        }
                        ("get", Some(there)) => {
                            let stream = streams.entry((link, other.to_owned())).or_default();
                            let (sent, label, part) = stream.arrive(count, event.ns);
                            range = part;
                            (label, What::Arrow { from: there, to: here, sent, is_end: false })
                        }
                        ("enter_backlog", Some(there)) => {
                            let what = What::Arrow { from: there, to: here, sent: event.ns, is_end: false };
                            ("connects".to_owned(), what)
                        }
                        ("get_fin" | "get_reset", Some(there)) => {
                            let stream = streams.entry((link, other.to_owned())).or_default();
                            let sent = stream.ended.unwrap_or(event.ns);
                            let label =
                                if word == "get_fin" { "FIN: ends its side" } else { "RST: ends the connection" };
                            (label.to_owned(), What::Arrow { from: there, to: here, sent, is_end: true })
                        }
                        ("say" | "read" | "start" | "listen" | "look_up" | "answer" | "request_connection", _) => {
                            continue;
                        }
                        _ => (plain_words(event), What::Mark(here)),
                    }
                }
                // What the words of the network leave out: it is no text.
                "call" if event.text("call") == "write" => {
                    if let Some(stream) = last.take().and_then(|key| streams.get_mut(&key)) {
                        stream.name(&event.bytes());
                    }
                    continue;
                }
                "callback_begin" if event.number("socket").is_some() => (callback(event), What::Callback(here)),
                _ => continue,
            };
            let link = event.number("link");
            rows.push(Row { what, label, link, range, ns: event.ns, at, seq: event.seq });
        }
        Wire { lanes: lanes.into_iter().map(str::to_owned).collect(), rows, ..Wire::default() }
    }

    /// One connection of a real program.
    pub fn of_socket(model: &Model, socket: &Socket) -> Wire {
        let me = if socket.host.is_empty() { "the program".to_owned() } else { socket.host.clone() };
        let lanes = vec![if socket.peer.is_empty() { "the peer".to_owned() } else { socket.peer.clone() }, me];
        let mut rows = Vec::new();
        let row = |what: What, label: String, arrow: &Arrow| Row {
            what,
            label,
            link: None,
            range: None,
            ns: arrow.ns,
            at: arrow.at,
            seq: model.events.get(arrow.at).map_or(0, |event| event.seq),
        };
        let has_ended = |what: &str| socket.arrows.iter().any(|arrow| arrow.what == what);
        let was_refused = socket.arrows.iter().any(|arrow| arrow.what.ends_with("connect") && !arrow.words.is_empty());
        for arrow in &socket.arrows {
            let excerpt = excerpt(&arrow.bytes, arrow.count);
            let (to_us, from_us) = (|is_end| (0, 1, is_end), |is_end| (1, 0, is_end));
            let ((from, to, is_end), label) = match arrow.what.as_str() {
                "read" if arrow.count > 0 => (to_us(false), format!("read {} {excerpt}", arrow.count)),
                "read" if !arrow.words.is_empty() => (to_us(true), format!("read fails: {}", arrow.words)),
                "peer_ended" => (to_us(true), "FIN: the peer has ended its side".to_owned()),
                "write" if arrow.count > 0 => (from_us(false), format!("write {} {excerpt}", arrow.count)),
                "write" => (from_us(true), format!("write fails: {}", arrow.words)),
                "shutdown" => (from_us(true), "FIN: we have ended our side".to_owned()),
                "close" if has_ended("reset_on_close") => (from_us(true), "RST: we end the connection".to_owned()),
                // After that, or without a connection, there is nothing left to say to the peer.
                "close" if has_ended("shutdown") || was_refused => continue,
                "close" => (from_us(true), "FIN: we close the connection".to_owned()),
                // It failed on our side, or the answer was a refusal.
                "connect" if !arrow.words.is_empty() => (from_us(true), format!("connect fails: {}", arrow.words)),
                "finish_connect" if !arrow.words.is_empty() => (to_us(true), format!("connect fails: {}", arrow.words)),
                "connect" => (from_us(false), "connect".to_owned()),
                "callback" => {
                    let label = model.events.get(arrow.at).map(callback).unwrap_or_default();
                    rows.push(row(What::Callback(1), label, arrow));
                    continue;
                }
                "written" | "read" | "finish_connect" | "reset_on_close" => continue,
                "ended" => {
                    rows.push(row(What::Mark(1), format!("over: {}", arrow.words), arrow));
                    continue;
                }
                other => {
                    let words = if arrow.words.is_empty() { String::new() } else { format!(": {}", arrow.words) };
                    let label = format!("{}{words}", other.replace('_', " "));
                    rows.push(row(What::Mark(1), label, arrow));
                    continue;
                }
            };
            rows.push(row(What::Arrow { from, to, sent: arrow.ns, is_end }, label, arrow));
        }
        Wire { lanes, rows, ..Wire::default() }
    }

    /// Only the rows of these events, by their numbers in the file, both ends included.
    #[must_use]
    pub fn between(mut self, first: u64, last: u64) -> Wire {
        let before = self.rows.len();
        self.rows.retain(|row| row.seq <= last);
        self.later += before - self.rows.len();
        self.rows.retain(|row| row.seq >= first);
        self
    }

    /// Without the arrows of bytes that do not have `text` in them.
    #[must_use]
    pub fn only_with(mut self, text: &str) -> Wire {
        self.rows.retain(|row| !matches!(row.what, What::Arrow { is_end: false, .. }) || row.label.contains(text));
        self
    }

    /// Only what comes from the first arrow on that has `text` in it.
    #[must_use]
    pub fn from(mut self, text: &str) -> Wire {
        let is_it = |row: &Row| matches!(row.what, What::Arrow { .. }) && row.label.contains(text);
        self.rows.drain(..self.rows.iter().position(is_it).unwrap_or(0));
        self
    }

    /// Without the callbacks and remarks: only what went from one line to another.
    #[must_use]
    pub fn only_arrows(mut self) -> Wire {
        self.rows.retain(|row| matches!(row.what, What::Arrow { .. }));
        self
    }

    /// With a sentence above all.
    #[must_use]
    pub fn with_remark(mut self, remark: String) -> Wire {
        self.remark = remark;
        self
    }

    /// The rows that a picture has room for.
    pub(super) fn shown(&self) -> &[Row] {
        &self.rows[..self.rows.len().min(MAX_ROWS)]
    }

    /// What stands below the last row.
    pub(super) fn end(&self) -> String {
        match (self.rows.get(MAX_ROWS), self.rows.last(), self.later) {
            (Some(next), Some(last), later) => {
                let more = words::count(self.rows.len() - MAX_ROWS + later, "more row");
                format!("{more} in this trace; --events {}..{} shows the next.", next.seq, last.seq)
            }
            (_, _, 0) => "The trace ends here.".to_owned(),
            (_, _, later) => format!("{} in this trace.", words::count(later, "more row")),
        }
    }

    pub(crate) fn drawing(&self) -> Svg {
        const ROW: i64 = 34;
        let mut svg = Svg::new();
        let rows = folded(self.shown());
        let is_bytes = |row: &Row| matches!(row.what, What::Arrow { .. });
        let widest = rows.iter().filter(|row| is_bytes(row)).map(|row| width_of(&row.label, "small")).max();
        let gap = (widest.unwrap_or(0) + 40).clamp(MIN_GAP, MAX_GAP);
        let lane = |number: usize| 200 + number as i64 * gap;
        let bottom = 56 + rows.len() as i64 * ROW;
        for (number, name) in self.lanes.iter().enumerate() {
            svg.text("title mid", (lane(number), 22), name);
            svg.line("line", &[(lane(number), 32), (lane(number), bottom)]);
        }
        svg.room(lane(self.lanes.len().saturating_sub(1)) + 150, bottom);
        let tones = tones(&rows);
        for (index, row) in rows.iter().enumerate() {
            let y = 64 + index as i64 * ROW;
            svg.begin(Some(row.at));
            svg.text("soft small", (8, y + 2), &words::time(row.ns));
            match &row.what {
                // A host that talks to itself: an arrow would have no length.
                What::Arrow { from, to, is_end, .. } if from == to => {
                    let class = if *is_end { "hott small mid over" } else { "small mid over" };
                    svg.text(class, (lane(*to), y + 2), &words::cut_middle(&row.label, MAX_WORDS));
                }
                What::Arrow { from, to, sent, is_end } => {
                    let (x1, x2) = (lane(*from), lane(*to));
                    let toward = if x1 < x2 { -1 } else { 1 };
                    // It leaves higher up if it was under way; not higher than the row above, so that texts stay readable.
                    let slope = if *sent < row.ns { 8 } else { 0 };
                    let class = if *is_end { "hotline" } else { tones.get(&*row.label).unwrap_or(&PLAIN) };
                    svg.line(class, &[(x1, y - slope), (x2, y)]);
                    svg.line(class, &[(x2 + toward * 9, y - 5), (x2, y), (x2 + toward * 9, y + 5)]);
                    // The middle of an arrow may be another line: then its words stand in the gap before that.
                    let is_crossed = (x1 - x2).abs() / gap % 2 == 0;
                    let (middle, long) = match is_crossed {
                        true => ((x1 + x2) / 2 + toward * gap / 2, gap),
                        false => ((x1 + x2) / 2, (x1 - x2).abs()),
                    };
                    let room = (long - 24) * 3 / 20; // Small letters are 6.7 pixels wide.
                    let label = words::cut_middle(&row.label, usize::try_from(room).unwrap_or(0));
                    svg.text("small mid over", (middle, y - slope - 5), &label);
                    let link = row.link.map(|link| format!("connection #{link}")).unwrap_or_default();
                    let range = row.range.map(|(from, to)| format!(", bytes {from}..{to}")).unwrap_or_default();
                    if *sent < row.ns {
                        let since = words::time(*sent);
                        svg.hint(&format!("{link}{range}; {} under way, since {since}", words::time(row.ns - sent)));
                    }
                }
                What::Callback(number) => {
                    let label = words::cut(&row.label, 34);
                    let wide = width_of(&label, "small") + 16;
                    svg.rect("frame", (lane(*number) - wide / 2, y - 12), (wide, 20));
                    svg.text("small mid", (lane(*number), y + 2), &label);
                }
                What::Mark(number) => {
                    svg.text("soft small mid over", (lane(*number), y + 2), &words::cut(&row.label, MAX_WORDS));
                }
            }
            svg.end();
        }
        svg.text("soft small", (lane(0), bottom + 14), &self.end());
        let mut legend = vec![&*self.remark];
        legend.retain(|line| !line.is_empty());
        legend.push("Down: time; at the left, when it arrived. An arrow: bytes on their way.");
        if rows.iter().any(|row| matches!(row.what, What::Callback(_))) {
            legend.push("A box: a callback that runs.");
        }
        if rows.iter().any(|row| matches!(row.what, What::Arrow { is_end: true, .. })) {
            legend.push("Orange: no bytes, but the end of one direction (FIN), of the connection (RST), or an error.");
        }
        if !tones.is_empty() {
            legend.push("Arrows of one colour carry the same bytes; grey ones are not repeated.");
        }
        for (line, text) in (0..).zip(legend) {
            svg.text("soft small", (8, bottom + 40 + line * 18), text);
        }
        svg
    }

    /// As a picture.
    pub fn to_svg(&self) -> String {
        self.drawing().file("what went over the wire")
    }
}

/// Rows, with the pieces of one write that arrived at one time in one row each for the first, the last and the others.
pub(super) fn folded(rows: &[Row]) -> Vec<Row> {
    let is_same = |one: &Row, other: &Row| one.what == other.what && one.ns == other.ns && one.link == other.link;
    let mut folded: Vec<Row> = Vec::new();
    for pieces in rows.chunk_by(is_same) {
        match pieces {
            [first, between @ .., last] if between.len() >= 2 && matches!(first.what, What::Arrow { .. }) => {
                let others = Row { label: format!("… {} more pieces", between.len()), ..between[0].clone() };
                folded.extend([first.clone(), others, last.clone()]);
            }
            pieces => folded.extend(pieces.iter().cloned()),
        }
    }
    folded
}

/// The tone of each message that goes over the wire again and again.
fn tones(rows: &[Row]) -> HashMap<&str, &'static str> {
    let mut counts: HashMap<&str, usize> = HashMap::new();
    let mut tones = HashMap::new();
    for row in rows.iter().filter(|row| matches!(row.what, What::Arrow { is_end: false, .. })) {
        let count = counts.entry(&row.label).or_default();
        *count += 1;
        if *count == 3 {
            tones.insert(&*row.label, TONES[tones.len() % TONES.len()]);
        }
    }
    tones
}

/// The words of the network, without the number of the connection.
fn plain_words(event: &crate::Event) -> String {
    let words = event.text("words");
    let link = event.number("link").map(|link| format!("#{link} ")).unwrap_or_default();
    words.strip_prefix(&*link).unwrap_or(words).to_owned()
}

fn callback(event: &crate::Event) -> String {
    let object = event.text("object");
    let object = crate::model::short(object);
    if object.is_empty() { event.text("method").to_owned() } else { format!("{object}.{}", event.text("method")) }
}

fn excerpt(bytes: &[u8], count: u64) -> String {
    if bytes.is_empty() {
        return String::new();
    }
    let tls = tls::records(bytes, count);
    if !tls.is_empty() {
        return tls;
    }
    let text = words::cut_middle(&bytes.escape_ascii().to_string(), MAX_BYTES);
    let more = if bytes.len() as u64 >= count || text.contains('…') { "" } else { "…" };
    quoted(&format!("{text}{more}"))
}

/// Bytes that are shown in escapes, between quotes. With these quotes, those among the bytes need no escape.
fn quoted(escaped: &str) -> String {
    format!("“{}”", escaped.replace("\\\"", "\"").replace("\\'", "'"))
}

/// One direction of a link: what was written and has not arrived.
#[derive(Default)]
struct Stream {
    /// When, how many bytes, how many of these have arrived, and the first of them.
    writes: std::collections::VecDeque<(u64, u64, u64, String)>,
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
        let excerpt = words.split_once(": ").map_or("", |(_, excerpt)| excerpt);
        // The words of the network end in `" ...` if there are more bytes than these.
        let bytes = excerpt.strip_prefix('"').map(|excerpt| match excerpt.strip_suffix("\" ...") {
            Some(begin) => quoted(&format!("{begin}…")),
            None => quoted(excerpt.strip_suffix('"').unwrap_or(excerpt)),
        });
        let excerpt = bytes.unwrap_or_else(|| excerpt.to_owned());
        self.writes.push_back((ns, count, 0, excerpt));
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
