//! A [`Wire`] as a picture.
//!
//! Next: `wire_text.rs`, the diagram as text.

use super::svg::{Svg, width_of};
use super::wire::{Carried, Row, What, Wire};
use super::words;
use std::collections::HashMap;

/// Maximum number of characters of words that stand on a line of a picture.
const MAX_WORDS: usize = 44;

/// The arrow of something that is lost ends before its line by this part of the space between two lines.
const LOST_BEFORE: i64 = 6;

/// How far the lines of a picture are apart.
const MIN_GAP: i64 = 280;
const MAX_GAP: i64 = 400;

/// The tones of messages that go over the wire again and again. A page has the same.
const TONES: [&str; 4] = ["coolline", "twoline", "threeline", "fourline"];

/// That of the others.
const PLAIN: &str = "plainline";

impl Wire {
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
                What::Arrow { from, to, carried, .. } if from == to => {
                    let class = if *carried == Carried::Bytes { "small mid over" } else { "hott small mid over" };
                    let read = if row.is_read { ", read" } else { "" };
                    let label = words::cut_middle(&row.label, MAX_WORDS - read.len());
                    svg.text(class, (lane(*to), y + 2), &(label + read));
                }
                What::Arrow { from, to, sent, carried } => {
                    let (x1, x2) = (lane(*from), lane(*to));
                    let toward = if x1 < x2 { -1 } else { 1 };
                    // It leaves higher up if it was under way; not higher than the row above, so that texts stay readable.
                    let slope = if *sent < row.ns { 8 } else { 0 };
                    let class = match carried {
                        Carried::Bytes => tone_of(&tones, row).map_or(PLAIN, |tone| TONES[tone]),
                        Carried::End | Carried::Lost => "hotline",
                    };
                    if *carried == Carried::Lost {
                        // It ends in a cross before its line.
                        let x2 = x2 + toward * gap / LOST_BEFORE;
                        svg.line(class, &[(x1, y - slope), (x2, y)]);
                        svg.line(class, &[(x2 - 5, y - 5), (x2 + 5, y + 5)]);
                        svg.line(class, &[(x2 - 5, y + 5), (x2 + 5, y - 5)]);
                    } else {
                        svg.line(class, &[(x1, y - slope), (x2, y)]);
                        svg.line(class, &[(x2 + toward * 9, y - 5), (x2, y), (x2 + toward * 9, y + 5)]);
                    }
                    // The middle of an arrow may be another line: then its words stand in the gap before that.
                    let is_crossed = (x1 - x2).abs() / gap % 2 == 0;
                    let (middle, long) = match is_crossed {
                        true => ((x1 + x2) / 2 + toward * gap / 2, gap),
                        false => ((x1 + x2) / 2, (x1 - x2).abs()),
                    };
                    let room = (long - 24) * 3 / 20; // Small letters are 6.7 pixels wide.
                    let label = words::cut_middle(&row.label, usize::try_from(room).unwrap_or(0));
                    svg.text("small mid over", (middle, y - slope - 5), &label);
                    if row.is_read {
                        let class = if toward < 0 { "soft small over" } else { "soft small end over" };
                        svg.text(class, (x2 - toward * 8, y + 3), "read");
                    }
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
                    // A remark may reach to the lines beside its own; before the first line there is the time.
                    let room = if *number == 0 { MAX_WORDS } else { (2 * (gap - 20) * 3 / 20) as usize };
                    let label = words::cut(&row.label, room);
                    svg.text("soft small mid over", (lane(*number), y + 2), &label);
                    svg.room(lane(*number) + width_of(&label, "small") / 2 + 8, y);
                }
            }
            svg.end();
        }
        svg.text("soft small", (lane(0), bottom + 14), &self.end());
        let mut legend = vec![&*self.remark];
        legend.retain(|line| !line.is_empty());
        legend.push("Down: time; at the left, when it arrived. An arrow: bytes on their way.");
        if rows.iter().any(|row| row.is_read) {
            legend.push("“read” at an arrow: one read took just what it brought. Any other read has a row, with the number of bytes.");
        }
        if rows.iter().any(|row| matches!(row.what, What::Callback(_))) {
            legend.push("A box: a callback that runs.");
        }
        if rows.iter().any(|row| matches!(row.what, What::Arrow { carried: Carried::End, .. })) {
            legend.push("Red: no bytes, but the end of one direction (FIN), of the connection (RST), or an error.");
        }
        if rows.iter().any(|row| matches!(row.what, What::Arrow { carried: Carried::Lost, .. })) {
            legend.push("An arrow that ends in a cross: it is lost on the way.");
        }
        if !tones.is_empty() {
            legend.push("Arrows of one colour carry the same bytes. At most four messages have a colour, those that come again most often.");
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
    let key = |row: &Row| (row.ns, row.link, row.is_read);
    let is_same = |one: &Row, other: &Row| one.what == other.what && key(one) == key(other);
    let mut folded: Vec<Row> = Vec::new();
    for pieces in rows.chunk_by(is_same) {
        match pieces {
            [first, between @ .., last] if between.len() >= 2 && matches!(first.what, What::Arrow { .. }) => {
                let others =
                    Row { label: format!("… {} more pieces", between.len()), bytes: None, ..between[0].clone() };
                folded.extend([first.clone(), others, last.clone()]);
            }
            pieces => folded.extend(pieces.iter().cloned()),
        }
    }
    folded
}

/// The tone of each message that comes again most often, by its bytes. Of a message of which the trace has only a part,
/// nobody knows whether it is the same as another one.
pub(super) fn tones(rows: &[Row]) -> HashMap<&[u8], usize> {
    let mut counts: HashMap<&[u8], (usize, usize)> = HashMap::new();
    for (index, bytes) in rows.iter().enumerate().filter_map(|(index, row)| Some((index, message(row)?))) {
        counts.entry(bytes).or_insert((0, index)).0 += 1;
    }
    let mut again: Vec<_> = counts.into_iter().filter(|(_, (count, _))| *count > 1).collect();
    again.sort_by_key(|(_, (count, first))| (std::cmp::Reverse(*count), *first));
    again.truncate(TONES.len());
    again.sort_by_key(|(_, (_, first))| *first);
    again.into_iter().zip(0..).map(|((bytes, _), tone)| (bytes, tone)).collect()
}

/// The tone of a row, if it has one.
pub(super) fn tone_of(tones: &HashMap<&[u8], usize>, row: &Row) -> Option<usize> {
    tones.get(message(row)?).copied()
}

/// The bytes that an arrow carries, if they are known.
fn message(row: &Row) -> Option<&[u8]> {
    let is_arrow = matches!(row.what, What::Arrow { carried: Carried::Bytes, .. });
    row.bytes.as_deref().filter(|_| is_arrow)
}
