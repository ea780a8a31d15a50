//! [`Wire`]: what went over the network, as a sequence diagram. One line for each host of a world, or one for the program and
//! one for its peer.
//!
//! In a world, each arrow is a piece of bytes as it arrived, drawn from the moment of the write that it came from: where TCP cut a
//! write, there are several arrows. On a real machine, each arrow is a call to the system: what one read brought, what one
//! write took. The callback that a read became stands below it.
//!
//! Next: `waits.rs`, what waits for what.

use super::ladder_text::WIDTH;
use super::svg::Svg;
use super::words;
use crate::model::{Model, Socket};
use std::collections::HashMap;
use std::fmt::Write;

/// Maximum number of rows in a picture.
pub const MAX_ROWS: usize = 400;

/// The widest excerpt of bytes, in characters.
const MAX_BYTES: usize = 48;

/// A sequence diagram.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Wire {
    /// The names of the vertical lines.
    pub lanes: Vec<String>,
    /// From top to bottom.
    pub rows: Vec<Row>,
    /// Rows that did not fit.
    pub left_out: usize,
}

/// A row.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// What it is.
    pub what: What,
    /// What stands at it.
    pub label: String,
    /// When.
    pub ns: u64,
    /// The event.
    pub at: usize,
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
    /// The hosts of a world; only those named, if any are.
    pub fn of_world(model: &Model, hosts: &[String]) -> Wire {
        let (lanes, rows) = Wire::rows_of_world(model, hosts);
        Wire::bounded(lanes, rows)
    }

    fn rows_of_world(model: &Model, hosts: &[String]) -> (Vec<String>, Vec<Row>) {
        let is_wanted =
            |host: &str| !host.is_empty() && (hosts.is_empty() || hosts.iter().any(|wanted| wanted == host));
        let lanes: Vec<String> = model.hosts().into_iter().filter(|host| is_wanted(host)).map(str::to_owned).collect();
        let lane = |name: &str| lanes.iter().position(|lane| lane == name);
        let mut streams: HashMap<(u64, String), Stream> = HashMap::new();
        let mut rows = Vec::new();
        for (at, event) in model.events.iter().enumerate() {
            let Some(here) = lane(if event.kind == "network" { event.text("at") } else { &event.host }) else {
                continue;
            };
            let (label, what) = match event.kind.as_str() {
                "network" => {
                    let (link, count) = (event.number("link").unwrap_or(0), event.number("count").unwrap_or(0));
                    let (other, word) = (event.text("other"), event.text("what"));
                    let there = lane(other);
                    match (word, there) {
                        ("write", _) => {
                            let stream = streams.entry((link, event.text("at").to_owned())).or_default();
                            stream.write(event.ns, count, event.text("words"));
                            continue;
                        }
                        ("get", Some(there)) => {
                            let stream = streams.entry((link, other.to_owned())).or_default();
                            let (sent, label) = stream.arrive(count, event.ns);
                            (format!("#{link} {label}"), What::Arrow { from: there, to: here, sent, is_end: false })
                        }
                        ("enter_backlog" | "get_reset" | "get_end", Some(there)) => {
                            let is_end = word != "enter_backlog";
                            let what = What::Arrow { from: there, to: here, sent: event.ns, is_end };
                            (format!("#{link} {}", word.replace('_', " ").replace("enter backlog", "connects")), what)
                        }
                        ("say" | "read" | "start" | "listen" | "look_up" | "answer" | "request_connection", _) => {
                            continue;
                        }
                        _ => (event.text("words").to_owned(), What::Mark(here)),
                    }
                }
                "callback_begin" if event.number("socket").is_some() => (callback(event), What::Callback(here)),
                _ => continue,
            };
            rows.push(Row { what, label, ns: event.ns, at });
        }
        (lanes, rows)
    }

    /// One connection of a real program.
    pub fn of_socket(model: &Model, socket: &Socket) -> Wire {
        let me = if socket.host.is_empty() { "the program".to_owned() } else { socket.host.clone() };
        let lanes = vec![if socket.peer.is_empty() { "the peer".to_owned() } else { socket.peer.clone() }, me];
        let mut rows = Vec::new();
        for arrow in &socket.arrows {
            let excerpt = excerpt(&arrow.bytes, arrow.count);
            let (to_us, from_us) = (|is_end| (0, 1, is_end), |is_end| (1, 0, is_end));
            let ((from, to, is_end), label) = match arrow.what.as_str() {
                "read" if arrow.count > 0 => (to_us(false), format!("read {} {excerpt}", arrow.count)),
                "read" if !arrow.words.is_empty() => (to_us(true), format!("read fails: {}", arrow.words)),
                "peer_ended" => (to_us(true), "the peer has ended its side".to_owned()),
                "write" if arrow.count > 0 => (from_us(false), format!("write {} {excerpt}", arrow.count)),
                "write" => (from_us(true), format!("write fails: {}", arrow.words)),
                "shutdown" => (from_us(true), "we have ended our side".to_owned()),
                "connect" => (from_us(true), "connect".to_owned()),
                "callback" => {
                    let label = model.events.get(arrow.at).map(callback).unwrap_or_default();
                    rows.push(Row { what: What::Callback(1), label, ns: arrow.ns, at: arrow.at });
                    continue;
                }
                "written" | "read" | "finish_connect" => continue,
                other => {
                    let words = if arrow.words.is_empty() { String::new() } else { format!(": {}", arrow.words) };
                    let label = format!("{}{words}", other.replace('_', " "));
                    rows.push(Row { what: What::Mark(1), label, ns: arrow.ns, at: arrow.at });
                    continue;
                }
            };
            rows.push(Row {
                what: What::Arrow { from, to, sent: arrow.ns, is_end },
                label,
                ns: arrow.ns,
                at: arrow.at,
            });
        }
        Wire::bounded(lanes, rows)
    }

    /// Only the rows of these events, both ends included.
    pub fn between(model: &Model, hosts: &[String], (first, last): (u64, u64)) -> Wire {
        let seq = |row: &Row| model.events.get(row.at).map_or(0, |event| event.seq);
        let (lanes, mut rows) = Wire::rows_of_world(model, hosts);
        rows.retain(|row| (first..=last).contains(&seq(row)));
        Wire::bounded(lanes, rows)
    }

    /// Without the callbacks and remarks: only what went from one line to another.
    #[must_use]
    pub fn only_arrows(mut self) -> Wire {
        self.rows.retain(|row| matches!(row.what, What::Arrow { .. }));
        self
    }

    fn bounded(lanes: Vec<String>, mut rows: Vec<Row>) -> Wire {
        let left_out = rows.len().saturating_sub(MAX_ROWS);
        rows.truncate(MAX_ROWS);
        Wire { lanes, rows, left_out }
    }

    /// As text of 80 columns.
    pub fn to_text(&self) -> String {
        let count = self.lanes.len().max(1);
        let room = WIDTH - 12;
        let column = |lane: usize| 12 + room / (2 * count) + lane * room / count;
        let line = |fill: &mut dyn FnMut(&mut Vec<char>)| {
            let mut line = vec![' '; WIDTH];
            (0..count).for_each(|lane| line[column(lane)] = '│');
            fill(&mut line);
            line.into_iter().collect::<String>().trim_end().to_owned() + "\n"
        };
        let put = |line: &mut Vec<char>, at: usize, text: &str| {
            for (index, char) in text.chars().enumerate() {
                if let Some(slot) = line.get_mut(at + index) {
                    *slot = char;
                }
            }
        };
        let centred = |line: &mut Vec<char>, middle: usize, text: &str| {
            let text = words::cut(text, room / count);
            let from = middle.saturating_sub(text.chars().count() / 2).min(WIDTH - text.chars().count());
            put(line, from, &text);
        };
        let mut out = line(&mut |line| {
            line.fill(' ');
            (0..self.lanes.len()).for_each(|lane| centred(line, column(lane), &self.lanes[lane]));
        });
        for row in &self.rows {
            let time = words::time(row.ns);
            out.push_str(&match &row.what {
                What::Arrow { from, to, is_end, .. } if from != to => {
                    let (left, right) = (column(*from.min(to)), column(*from.max(to)));
                    let dash = if *is_end { '╌' } else { '─' };
                    line(&mut |line| {
                        put(line, 0, &time);
                        line[left + 1..right].fill(dash);
                        line[if from < to { right - 1 } else { left + 1 }] = if from < to { '>' } else { '<' };
                        let label = words::cut_middle(&row.label, (right - left).saturating_sub(6));
                        let at = left + 1 + (right - left - 1 - label.chars().count().min(right - left - 1)) / 2;
                        put(line, at, &label);
                    })
                }
                What::Arrow { to: lane, .. } | What::Callback(lane) | What::Mark(lane) => line(&mut |line| {
                    put(line, 0, &time);
                    let label = match row.what {
                        What::Callback(_) => format!("[{}]", words::cut(&row.label, room / count - 2)),
                        _ => words::cut(&row.label, room / count),
                    };
                    centred(line, column(*lane), &label);
                }),
            });
        }
        if self.left_out > 0 {
            let _ = writeln!(out, "({} more rows)", self.left_out);
        }
        out
    }

    pub(crate) fn drawing(&self) -> Svg {
        const GAP: i64 = 330;
        const ROW: i64 = 26;
        let mut svg = Svg::new();
        let lane = |number: usize| 150 + number as i64 * GAP;
        let bottom = 50 + self.rows.len() as i64 * ROW;
        for (number, name) in self.lanes.iter().enumerate() {
            svg.text("title mid", (lane(number), 22), name);
            svg.line("line", &[(lane(number), 32), (lane(number), bottom)]);
        }
        svg.room(lane(self.lanes.len().saturating_sub(1)) + 150, bottom);
        for (index, row) in self.rows.iter().enumerate() {
            let y = 54 + index as i64 * ROW;
            svg.begin(Some(row.at));
            svg.text("soft small", (8, y + 4), &words::time(row.ns));
            match &row.what {
                What::Arrow { from, to, sent, is_end } => {
                    let (x1, x2) = (lane(*from), lane(*to));
                    let toward = if x1 < x2 { -1 } else { 1 };
                    // It leaves higher up if it was under way; not higher than the row above, so that texts stay readable.
                    let slope = if *sent < row.ns { 12 } else { 0 };
                    let class = if *is_end { "hotline" } else { "coolline" };
                    svg.line(class, &[(x1, y - slope), (x2, y)]);
                    svg.line(class, &[(x2 + toward * 9, y - 5), (x2, y), (x2 + toward * 9, y + 5)]);
                    svg.text("small mid over", ((x1 + x2) / 2, y - slope / 2 - 5), &words::cut_middle(&row.label, 46));
                    if *sent < row.ns {
                        svg.hint(&format!("{} under way, since {}", words::time(row.ns - sent), words::time(*sent)));
                    }
                }
                What::Callback(number) => {
                    let label = words::cut(&row.label, 34);
                    let wide = super::svg::width_of(&label, "small") + 16;
                    svg.rect("frame", (lane(*number) - wide / 2, y - 10), (wide, 20));
                    svg.text("small mid", (lane(*number), y + 4), &label);
                }
                What::Mark(number) => svg.text("soft small mid", (lane(*number), y + 4), &words::cut(&row.label, 44)),
            }
            svg.end();
        }
        svg
    }

    /// As a picture.
    pub fn to_svg(&self) -> String {
        self.drawing().file("what went over the wire")
    }
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
    let text = words::cut_middle(&bytes.escape_ascii().to_string(), MAX_BYTES);
    let more = if bytes.len() as u64 >= count || text.contains('…') { "" } else { "…" };
    format!("\"{text}{more}\"")
}

/// One direction of a link: what was written and has not arrived.
#[derive(Default)]
struct Stream {
    /// When, how many bytes, how many of these have arrived, and the first of them.
    writes: std::collections::VecDeque<(u64, u64, u64, String)>,
    arrived: u64,
}

impl Stream {
    fn write(&mut self, ns: u64, count: u64, words: &str) {
        let excerpt = words.split_once(": ").map_or("", |(_, excerpt)| excerpt).to_owned();
        self.writes.push_back((ns, count, 0, excerpt));
    }

    /// Bytes arrive: when they were written, and what they are.
    fn arrive(&mut self, count: u64, now: u64) -> (u64, String) {
        let from = self.arrived;
        self.arrived += count;
        let sent = self.writes.front().map_or(now, |write| write.0);
        let (mut left, mut pieces) = (count, Vec::new());
        while left > 0 {
            let Some((_, length, taken, excerpt)) = self.writes.front_mut() else { break };
            let piece = left.min(*length - *taken);
            pieces.push(match (*taken == 0, piece == *length) {
                (true, true) => excerpt.clone(),
                (true, false) => format!("first {piece} of {length}: {excerpt}"),
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
            [piece] if piece.starts_with('"') => (sent, piece.clone()),
            _ => (sent, format!("{from}..{} {}", self.arrived, pieces.join(" + "))),
        }
    }
}
