//! A [`Wire`] as text: 80 columns, no colour needed.
//!
//! Next: `connections.rs`, a list of them.

use super::ladder_text::WIDTH;
use super::wire::{Carried, Row, What, Wire};
use super::{Ink, Text, words};
use std::ops::Range;

/// The columns at the left that the time takes.
const TIME: usize = 12;

/// More lines than this stand too close together for a name and what is written at an arrow. Then each row says where it is.
const MAX_LANES: usize = 8;

/// Stands behind the head of an arrow: one read took just what it has brought.
const READ: &str = "read";

/// Stands at the end of an arrow that does not reach its line.
const LOST: char = '×';

impl Wire {
    /// As text of 80 columns, without colours.
    pub fn to_text(&self) -> String {
        self.text().plain()
    }

    /// As text of 80 columns.
    pub fn text(&self) -> Text {
        let mut out = Text::default();
        out.block(Ink::Dim, &words::wrapped(&self.remark, 0));
        if self.count() > MAX_LANES {
            return self.listed(out);
        }
        let mut title = vec![' '; WIDTH];
        for (lane, name) in self.lanes.iter().enumerate() {
            self.centred(&mut title, lane, name);
        }
        out.line(Ink::Title, &String::from_iter(title));
        for row in self.shown() {
            match row.what {
                What::Arrow { from, to, carried, .. } if from != to => self.arrow(&mut out, row, (from, to), carried),
                What::Arrow { to: lane, carried, .. } => {
                    self.words(&mut out, row, lane, ink_of(carried), &with_read(row, row.label.clone()));
                }
                What::Callback(lane) => {
                    let label = format!("[{}]", words::cut(&row.label, self.room() - 2));
                    self.words(&mut out, row, lane, Ink::Value, &label);
                }
                What::Mark(lane) => self.words(&mut out, row, lane, Ink::Dim, &row.label),
            }
        }
        out.line(Ink::Dim, &self.end());
        out
    }

    /// The rows without lines beside each other.
    fn listed(&self, mut out: Text) -> Text {
        for row in self.shown() {
            let (ink, place) = match row.what {
                What::Arrow { from, to, carried, .. } if from == to => (ink_of(carried), self.lanes[to].clone()),
                What::Arrow { from, to, carried, .. } => {
                    (ink_of(carried), format!("{} ─> {}", self.lanes[from], self.lanes[to]))
                }
                What::Callback(lane) => (Ink::Value, self.lanes[lane].clone()),
                What::Mark(lane) => (Ink::Dim, self.lanes[lane].clone()),
            };
            let label = match row.what {
                What::Callback(_) => format!("[{}]", row.label),
                _ => with_read(row, labelled(row)),
            };
            let mut begin = words::time(row.ns);
            for line in words::wrapped_to(WIDTH - TIME, &format!("{place}: {label}"), 2).lines() {
                out.line(ink, &format!("{begin:TIME$}{}", words::cut_middle(line, WIDTH - TIME)));
                begin.clear();
            }
        }
        out.line(Ink::Dim, &self.end());
        out
    }

    fn arrow(&self, out: &mut Text, row: &Row, (from, to): (usize, usize), carried: Carried) {
        let ink = ink_of(carried);
        let (left, right) = (self.column(from.min(to)), self.column(from.max(to)));
        let label = labelled(row);
        let mut line = self.line();
        line[left + 1..right].fill(if carried == Carried::End { '╌' } else { '─' });
        let (head, before) = if from < to { (right - 1, right - 2) } else { (left + 1, left + 2) };
        line[head] = match carried {
            Carried::Lost => ' ', // It does not reach its line.
            _ if from < to => '>',
            _ => '<',
        };
        if carried == Carried::Lost {
            line[before] = LOST;
        }
        if row.is_read {
            put(&mut line, if from < to { right + 2 } else { left - 1 - READ.len() }, READ);
        }
        match (right - left - 1).checked_sub(label.chars().count() + 4) {
            Some(free) => put(&mut line, left + 3 + free / 2, &label),
            // A label that finds no room on its arrow stands above it.
            None => {
                let mut above = self.line();
                put(&mut above, left + 2, &words::cut_middle(&label, WIDTH - left - 2));
                out.line(ink, &String::from_iter(above));
            }
        }
        self.timed(out, row, line, (left + 1..right, ink));
    }

    /// Words on a lane.
    fn words(&self, out: &mut Text, row: &Row, lane: usize, ink: Ink, words: &str) {
        let mut line = self.line();
        let columns = self.centred(&mut line, lane, words);
        self.timed(out, row, line, (columns, ink));
    }

    /// Adds a line with its time.
    fn timed(&self, out: &mut Text, row: &Row, mut line: Vec<char>, (columns, ink): (Range<usize>, Ink)) {
        put(&mut line, 0, &words::time(row.ns));
        out.line(Ink::Dim, &String::from_iter(line));
        out.ink(columns, ink);
    }

    /// A line with nothing on it but the lanes.
    fn line(&self) -> Vec<char> {
        let mut line = vec![' '; WIDTH];
        (0..self.count()).for_each(|lane| line[self.column(lane)] = '│');
        line
    }

    fn count(&self) -> usize {
        self.lanes.len().max(1)
    }

    /// The columns that each lane has.
    fn room(&self) -> usize {
        (WIDTH - TIME) / self.count()
    }

    /// Where a lane is.
    fn column(&self, lane: usize) -> usize {
        let (room, count) = (WIDTH - TIME, self.count());
        TIME + room / (2 * count) + lane * room / count
    }

    /// Puts a text on the middle of a lane. Returns its columns.
    fn centred(&self, line: &mut [char], lane: usize, text: &str) -> Range<usize> {
        let text = words::cut(text, self.room());
        let long = text.chars().count();
        let from = self.column(lane).saturating_sub(long / 2).min(WIDTH - long);
        put(line, from, &text);
        from..from + long
    }
}

/// What stands at an arrow: its connection, which bytes of it, and what they are.
fn labelled(row: &Row) -> String {
    let link = row.link.map(|link| format!("#{link} ")).unwrap_or_default();
    let range = row.range.map(|(from, to)| format!("{from}..{to} ")).unwrap_or_default();
    link + &range + &row.label
}

/// Says of an arrow without room at its head that one read took all of it.
fn with_read(row: &Row, label: String) -> String {
    if row.is_read { format!("{label}, {READ}") } else { label }
}

fn ink_of(carried: Carried) -> Ink {
    match carried {
        Carried::Bytes => Ink::Plain,
        Carried::End | Carried::Lost => Ink::Wrong,
    }
}

fn put(line: &mut [char], at: usize, text: &str) {
    line.iter_mut().skip(at).zip(text.chars()).for_each(|(slot, char)| *slot = char);
}
