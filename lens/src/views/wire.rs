//! [`Wire`]: what went over the network, as a sequence diagram. One line for each host of a world, or one for the program and
//! one for its peer.
//!
//! In a world, each arrow is a piece of bytes as it arrived, drawn from the moment of the write that it came from: where TCP cut a
//! write, there are several arrows. On a real machine, each arrow is a call to the system: what one read brought, what one
//! write took. The callback that a read became stands below it.
//!
//! What ends a connection, or one direction of it, has an arrow too: in a world from the moment at which it left.
//!
//! Next: `wire_world.rs`, the diagram of a world.

use super::{tls, words};
use crate::model::{Arrow, Model, Socket};

/// Maximum number of rows in a picture.
pub const MAX_ROWS: usize = 400;

/// The widest excerpt of bytes, in characters.
const MAX_BYTES: usize = 48;

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
    /// Whether one read took just what this arrow has brought, when it came.
    pub is_read: bool,
    /// The bytes that the arrow carries, if the trace has all of them.
    pub bytes: Option<Vec<u8>>,
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
        /// What it carries.
        carried: Carried,
    },
    /// A callback on a line.
    Callback(usize),
    /// Something else on a line.
    Mark(usize),
}

/// What an arrow carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Carried {
    /// Bytes, or a request for a connection.
    Bytes,
    /// No bytes, but the end of a direction or of the connection, or an error.
    End,
    /// Bytes or a datagram that do not arrive.
    Lost,
}

impl Wire {
    /// One connection of a real program.
    pub fn of_socket(model: &Model, socket: &Socket) -> Wire {
        let me = if socket.host.is_empty() { "the program".to_owned() } else { socket.host.clone() };
        let peer = match (socket.is_port, socket.peer.is_empty()) {
            // Its address is our own, and each datagram may have another one.
            (true, _) => "the peers".to_owned(),
            (false, true) => "the peer".to_owned(),
            (false, false) => socket.peer.clone(),
        };
        let me = match (socket.is_port, socket.host.is_empty()) {
            (true, true) => socket.name(),
            (true, false) => format!("{me}, {}", socket.name()),
            (false, _) => me,
        };
        let lanes = vec![peer, me];
        let mut rows = Vec::new();
        let row = |what: What, label: String, arrow: &Arrow| Row {
            what,
            label,
            link: None,
            range: None,
            is_read: false,
            bytes: (arrow.count > 0 && arrow.bytes.len() as u64 == arrow.count).then(|| arrow.bytes.clone()),
            ns: arrow.ns,
            at: arrow.at,
            seq: model.events.get(arrow.at).map_or(0, |event| event.seq),
        };
        let has_ended = |what: &str| socket.arrows.iter().any(|arrow| arrow.what == what);
        let was_refused = socket.arrows.iter().any(|arrow| arrow.what.ends_with("connect") && !arrow.words.is_empty());
        let is_break = |arrow: &Arrow| {
            let broke = ["ConnectionReset", "ConnectionAborted", "BrokenPipe", "TimedOut"];
            matches!(&*arrow.what, "read" | "write") && broke.contains(&&*arrow.words)
        };
        let was_broken = socket.arrows.iter().any(is_break);
        let moved = |arrow: &Arrow, preposition: &str| {
            // A datagram has its own sender or receiver.
            let peer = match model.events.get(arrow.at).map_or("", |event| event.text("peer")) {
                "" => String::new(),
                peer => format!(" {preposition} {peer}"),
            };
            let text = format!("{} {}{peer} {}", arrow.what, arrow.count, excerpt(&arrow.bytes, arrow.count));
            text.trim_end().to_owned()
        };
        for arrow in &socket.arrows {
            let (to_us, from_us) = (|carried| (0, 1, carried), |carried| (1, 0, carried));
            let ((from, to, carried), label) = match arrow.what.as_str() {
                // A datagram may be empty.
                "read" if arrow.count > 0 || socket.is_port && arrow.words.is_empty() => {
                    (to_us(Carried::Bytes), moved(arrow, "from"))
                }
                "read" if !arrow.words.is_empty() => (to_us(Carried::End), format!("read fails: {}", arrow.words)),
                "peer_ended" => (to_us(Carried::End), "FIN: the peer has ended its side".to_owned()),
                "write" if arrow.words.is_empty() => (from_us(Carried::Bytes), moved(arrow, "to")),
                "write" => (from_us(Carried::End), format!("write fails: {}", arrow.words)),
                "shutdown" => (from_us(Carried::End), "FIN: we have ended our side".to_owned()),
                "close" if has_ended("reset_on_close") => {
                    (from_us(Carried::End), "RST: we end the connection".to_owned())
                }
                "close" if socket.is_port => {
                    rows.push(row(What::Mark(1), "the port is closed".to_owned(), arrow));
                    continue;
                }
                // After that, or without a connection, there is nothing left to say to the peer.
                "close" if has_ended("shutdown") || was_refused || was_broken => continue,
                "close" => (from_us(Carried::End), "FIN: we close the connection".to_owned()),
                // It failed on our side, or the answer was a refusal.
                "connect" if !arrow.words.is_empty() => {
                    (from_us(Carried::End), format!("connect fails: {}", arrow.words))
                }
                "finish_connect" if !arrow.words.is_empty() => {
                    (to_us(Carried::End), format!("connect fails: {}", arrow.words))
                }
                "connect" => (from_us(Carried::Bytes), "connect".to_owned()),
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
            rows.push(row(What::Arrow { from, to, sent: arrow.ns, carried }, label, arrow));
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
        let is_bytes = |row: &Row| matches!(row.what, What::Arrow { carried: Carried::Bytes, .. });
        self.rows.retain(|row| !is_bytes(row) || row.label.contains(text));
        self
    }

    /// Only what comes from the first arrow on that has `text` in it.
    #[must_use]
    pub fn from(mut self, text: &str) -> Wire {
        let is_it = |row: &Row| matches!(row.what, What::Arrow { .. }) && row.label.contains(text);
        self.rows.drain(..self.rows.iter().position(is_it).unwrap_or(0));
        self
    }

    /// Without the reads, callbacks and remarks: only what went from one line to another.
    #[must_use]
    pub fn only_arrows(mut self) -> Wire {
        self.rows.retain(|row| matches!(row.what, What::Arrow { .. }));
        self.rows.iter_mut().for_each(|row| row.is_read = false);
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
}

pub(super) fn callback(event: &crate::Event) -> String {
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
    let shown = bytes.escape_ascii().to_string();
    // The trace may have the first bytes only: then nobody knows how they end.
    match bytes.len() as u64 >= count {
        true => quoted(&words::cut_middle(&shown, MAX_BYTES)),
        false => {
            let begin = words::cut(&format!("{shown}…"), MAX_BYTES);
            let begin = begin.trim_end_matches('…');
            quoted(&format!("{}…", begin.strip_suffix('\\').unwrap_or(begin)))
        }
    }
}

/// Bytes that are shown in escapes, between quotes. With these quotes, those among the bytes need no escape.
pub(super) fn quoted(escaped: &str) -> String {
    format!("“{}”", escaped.replace("\\\"", "\"").replace("\\'", "'"))
}
