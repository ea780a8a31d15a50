//! A [`Ladder`] as text: 80 columns, no colour needed.
//!
//! Next: `ladder_svg.rs`, the same as a picture.

use super::ladder::{Ladder, Ladders, Lane, Rung, RungKind};
use super::words;
use crate::model::Side;

/// The width of a text, in columns.
pub(crate) const WIDTH: usize = 80;

impl Ladders {
    /// As text.
    pub fn to_text(&self) -> String {
        let mut out = Vec::new();
        for ladder in &self.0 {
            ladder.write(&mut out, "");
            out.push(String::new());
        }
        if self.0.is_empty() {
            out.push("No Deferred is told in this trace.".to_owned());
        } else {
            out.push("ok: values; err: failures; the numbers: in which order it happened.".to_owned());
        }
        out.into_iter().map(|line| line.trim_end().to_owned() + "\n").collect()
    }
}

impl Ladder {
    fn write(&self, out: &mut Vec<String>, indent: &str) {
        let role = if self.role.is_empty() { String::new() } else { format!("{}: ", self.role) };
        line(out, indent, &format!("{role}{}", self.title), &format!("made at {}", words::short_place(&self.place)));
        line(out, indent, " ok  err", "");
        for rung in &self.rungs {
            rung.write(out, indent);
        }
    }
}

impl Rung {
    fn write(&self, out: &mut Vec<String>, indent: &str) {
        let place = words::short_place(&self.place);
        if let RungKind::Inside(ladders) = &self.kind {
            let lanes = lanes(self.lane, None);
            for (index, ladder) in ladders.iter().enumerate() {
                if index > 0 {
                    out.push(format!("{indent}{lanes}│"));
                }
                ladder.write(out, &format!("{indent}{lanes}│ "));
            }
            return;
        }
        let lit = match &self.kind {
            RungKind::Source => lanes(Lane::Neither, Some(('●', self.after))),
            RungKind::Ran { side, .. } => boxes(*side, self.lane, true),
            RungKind::PassedBy { side } | RungKind::NotReached { side } => boxes(*side, self.lane, false),
            RungKind::Note => lanes(self.lane, None),
            RungKind::Alarm => lanes(self.lane, None).trim_end().to_owned() + "  ! ",
            RungKind::Inside(_) => String::new(),
        };
        let order = if self.order == 0 { "   ".to_owned() } else { format!("{:>2} ", self.order) };
        let lit = format!("{lit}{order}");
        match (&self.kind, self.label.is_empty()) {
            (RungKind::Ran { .. }, _) => {
                line(out, indent, &format!("{lit}{}", self.label), place);
                let (lane, after) = (self.lane, self.after);
                let turn = if lane == after || after == Lane::Neither { lanes(after, None) } else { crossing(after) };
                line(out, indent, &format!("{turn}     {}", self.detail), "");
            }
            (_, true) => line(out, indent, &format!("{lit}{}", self.detail), place),
            (_, false) => line(out, indent, &format!("{lit}{}, {}", self.label, self.detail), place),
        }
    }
}

/// One line: a text at the left, and a place at the right if there is room; else below.
fn line(out: &mut Vec<String>, indent: &str, left: &str, right: &str) {
    let room = WIDTH.saturating_sub(indent.chars().count());
    let (long, wide) = (left.chars().count(), right.chars().count());
    if right.is_empty() || long + 2 + wide > room {
        let (first, rest) = broken(left, room);
        out.push(format!("{indent}{first}"));
        if let Some(rest) = rest {
            out.push(format!("{indent}{:12}{}", lanes_of(left), words::cut(&rest, room.saturating_sub(12))));
        }
        if !right.is_empty() {
            let right = words::cut(right, room.saturating_sub(10));
            let gap = room.saturating_sub(10 + right.chars().count());
            out.push(format!("{indent}{:10}{:gap$}{right}", lanes_of(left), ""));
        }
        return;
    }
    out.push(format!("{indent}{left}{:gap$}{right}", "", gap = room - long - wide));
}

/// The lanes that go on below a line.
fn lanes_of(line: &str) -> String {
    line.chars().take(8).map(|char| if "┃┆│".contains(char) { char } else { ' ' }).collect()
}

/// Breaks a text that is too long for its room, between words if it can.
fn broken(text: &str, room: usize) -> (String, Option<String>) {
    if text.chars().count() <= room {
        return (text.to_owned(), None);
    }
    let first: String = text.chars().take(room).collect();
    let end = first.rfind(' ').filter(|at| *at > room / 2).unwrap_or(first.len());
    (text[..end].to_owned(), Some(text[end..].trim_start().to_owned()))
}

/// The two lanes of a row. `mark` stands on one of them.
fn lanes(lit: Lane, mark: Option<(char, Lane)>) -> String {
    let lane = |own: Lane| match mark {
        Some((mark, at)) if at == own => mark,
        _ if lit == own => '┃',
        _ => '┆',
    };
    format!(" {}   {}   ", lane(Lane::Value), lane(Lane::Failure))
}

/// The lanes of a callback's row: full boxes for one that ran.
fn boxes(side: Side, lit: Lane, ran: bool) -> String {
    let own = |lane: Lane| {
        matches!(
            (side, lane),
            (Side::Callback, Lane::Value) | (Side::Errback, Lane::Failure) | (Side::Both | Side::Body, _)
        )
    };
    let lane = |lane: Lane| match (own(lane), lit == lane) {
        (true, true) if ran => '█',
        (true, _) => '□',
        (false, true) => '┃',
        (false, false) => '┆',
    };
    let between = if matches!(side, Side::Both | Side::Body) { "───" } else { "   " };
    format!(" {}{between}{}   ", lane(Lane::Value), lane(Lane::Failure))
}

/// The path goes over to the other lane.
fn crossing(to: Lane) -> String {
    match to {
        Lane::Value => " ┏━━━┛   ".to_owned(),
        _ => " ┗━━━┓   ".to_owned(),
    }
}
