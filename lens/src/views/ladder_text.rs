//! A [`Ladder`] as text: 80 columns, no colour needed.
//!
//! The lanes stand in known columns, those of an outer ladder before those of an inner one. Ink goes by these columns.
//!
//! Next: `ladder_svg.rs`, the same as a picture.

use super::ladder::{Ladder, Ladders, Lane, Rung, RungKind};
use super::{Ink, Text, words};
use crate::model::Side;

/// The lanes of a row in which the body of a coroutine ran: no result comes into it.
const BODY: &str = " ▒▒▒▒▒   ";

/// What stands in place of ladders if there are none.
pub(super) const NONE: &str = "No Deferred is told in this trace.";

/// The width of a text, in columns.
pub(crate) const WIDTH: usize = 80;

/// Maximum number of lines of what a callback made of its input; a ladder far inside has narrow ones.
const MAX_LINES: usize = 2;
const MAX_LINES_NARROW: usize = 4;
const NARROW: usize = 50;

impl Ladders {
    /// As text.
    pub fn text(&self) -> Text {
        let mut out = Text::default();
        for ladder in &self.0 {
            ladder.write(&mut out, "");
            out.line(Ink::Plain, "");
        }
        let end = match self.0.is_empty() {
            true => NONE,
            false => "ok: values; err: failures; the numbers: in which order it happened.",
        };
        out.line(Ink::Dim, end);
        if self.has_body() {
            out.line(Ink::Dim, "▒: the body of a coroutine ran, to its next await or to its end.");
        }
        out
    }

    /// As text without colours.
    pub fn to_text(&self) -> String {
        self.text().plain()
    }
}

impl Ladder {
    fn write(&self, out: &mut Text, indent: &str) {
        let role = if self.role.is_empty() { String::new() } else { format!("{}: ", self.role) };
        line(out, indent, (Ink::Title, &format!("{role}{}", self.title)), &self.made());
        line(out, indent, (Ink::Plain, " ok  err"), "");
        let begin = indent.chars().count();
        out.ink(begin + 1..begin + 3, Ink::Value);
        out.ink(begin + 5..begin + 8, Ink::Failure);
        for rung in &self.rungs {
            rung.write(out, indent);
        }
    }
}

impl Rung {
    /// What its words are, unless it ran.
    fn ink(&self) -> Ink {
        match self.kind {
            RungKind::Alarm => Ink::Wrong,
            RungKind::Note | RungKind::PassedBy { .. } | RungKind::NotReached { .. } => Ink::Dim,
            RungKind::Source if self.came() == Lane::Failure => Ink::Failure,
            _ => Ink::Plain,
        }
    }

    fn write(&self, out: &mut Text, indent: &str) {
        let when = self.when.filter(|(ns, _)| *ns > 0 && !matches!(self.kind, RungKind::PassedBy { .. }));
        let time = when.map_or(String::new(), |(ns, _)| format!(" at {}", words::time(ns)));
        let place = format!("{}{time}", words::short_place(&self.place));
        let place = place.trim_start();
        if let RungKind::Inside(ladders) = &self.kind {
            let lanes = lanes(self.lane, None);
            for (index, ladder) in ladders.iter().enumerate() {
                if index > 0 {
                    line(out, &format!("{indent}{lanes}│ "), (Ink::Plain, ""), "");
                }
                ladder.write(out, &format!("{indent}{lanes}│ "));
            }
            return;
        }
        let lit = match &self.kind {
            RungKind::Source => lanes(Lane::Neither, Some(('●', self.came()))),
            RungKind::Ran { side: Side::Body, .. } => BODY.to_owned(),
            RungKind::Ran { side, .. } => boxes(*side, self.lane, true),
            RungKind::PassedBy { side } | RungKind::NotReached { side } => boxes(*side, self.lane, false),
            RungKind::Note => lanes(self.after, None),
            RungKind::Alarm => lanes(self.after, None).trim_end().to_owned() + "  ! ",
            RungKind::Inside(_) => String::new(),
        };
        let order = if self.order == 0 { "   ".to_owned() } else { format!("{:>2} ", self.order) };
        let lit = format!("{lit}{order}");
        match (&self.kind, self.label.is_empty()) {
            (RungKind::Ran { .. }, _) => {
                line(out, indent, (Ink::Plain, &format!("{lit}{}", self.label)), place);
                let (lane, after) = (self.lane, self.after);
                // A body gets nothing: its result begins on its lane.
                let is_straight = lane == after || lane == Lane::Neither || after == Lane::Neither;
                let turn = if is_straight { lanes(after, None) } else { crossing(after) };
                let ink = if after == Lane::Failure { Ink::Failure } else { Ink::Plain };
                line(out, indent, (ink, &format!("{turn}     {}", self.detail)), "");
            }
            (_, true) => line(out, indent, (self.ink(), &format!("{lit}{}", self.detail)), place),
            (_, false) => line(out, indent, (self.ink(), &format!("{lit}{}, {}", self.label, self.detail)), place),
        }
    }
}

/// One line: a text at the left, and a place at the right if there is room; else below.
fn line(out: &mut Text, indent: &str, (ink, left): (Ink, &str), right: &str) {
    let begin = indent.chars().count();
    let room = WIDTH.saturating_sub(begin);
    let mut put = |ink: Ink, line: &str, place_at: usize| {
        out.line(ink, &format!("{indent}{line}"));
        ink_lanes(out, begin);
        out.ink(begin + place_at..usize::MAX, Ink::Dim);
    };
    let (long, wide) = (left.chars().count(), right.chars().count());
    if right.is_empty() || long + 2 + wide > room {
        let below = room.saturating_sub(12).max(1);
        for (index, piece) in lines_of(left, (room, below)).iter().enumerate() {
            let begin = if index == 0 { String::new() } else { format!("{:12}", lanes_of(left)) };
            put(ink, &format!("{begin}{piece}"), room);
        }
        if !right.is_empty() {
            let right = words::cut(right, room.saturating_sub(10));
            let gap = room.saturating_sub(10 + right.chars().count());
            put(ink, &format!("{:10}{:gap$}{right}", lanes_of(left), ""), 10);
        }
        return;
    }
    put(ink, &format!("{left}{:gap$}{right}", "", gap = room - long - wide), room - wide);
}

/// Width of a ladder's lanes, and of those with the bar behind them if another ladder stands inside.
const LANES: usize = 9;
const INSIDE: usize = LANES + 2;

/// Lights the lanes of the last line: those of the ladder that begins at `begin`, and those of the ladders around it.
fn ink_lanes(out: &mut Text, begin: usize) {
    let mut crossing = None;
    out.ink_each(0..begin + LANES, |column, char| {
        let lane = if column % INSIDE < 3 { Ink::Value } else { Ink::Failure };
        match char {
            '┃' | '█' | '●' => Some(lane),
            // A crossing has the colour of the lane to which it goes.
            '┏' | '┗' => {
                crossing = Some(if char == '┏' { Ink::Value } else { Ink::Failure });
                crossing
            }
            '━' | '┛' | '┓' => crossing,
            '┆' | '□' | '─' | '│' => Some(Ink::Dim),
            _ => None,
        }
    });
}

/// The lanes that go on below a line.
fn lanes_of(line: &str) -> String {
    let below = |char| match char {
        '┃' | '█' | '●' | '┏' | '┓' => '┃',
        '┆' | '□' | '┛' | '┗' => '┆',
        _ => ' ',
    };
    let is_lane = |column: usize| matches!(column, 1 | 5);
    let below = |(column, char)| if char == '▒' && is_lane(column) { '┆' } else { below(char) };
    line.chars().take(LANES - 1).enumerate().map(below).collect()
}

/// Breaks a text into lines: the first has this room, and those below it have the other one. If there would be too many,
/// what the text quotes is cut: what came of it stays.
fn lines_of(text: &str, (room, below): (usize, usize)) -> Vec<String> {
    let max = if room < NARROW { MAX_LINES_NARROW } else { MAX_LINES };
    let wrapped = |text: &str| {
        let (first, mut rest) = broken(text, room);
        let mut lines = vec![first];
        while let Some(left) = rest.take() {
            let (line, more) = broken(&left, below);
            lines.push(line);
            rest = more;
        }
        lines
    };
    let mut most = room + below * (max - 1);
    let text = words::cut_way(text, most);
    loop {
        let lines = wrapped(&words::cut_way(&text, most));
        if lines.len() <= max || most <= room {
            return lines;
        }
        most -= 1;
    }
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
            (Side::Callback, Lane::Value) | (Side::Errback, Lane::Failure) | (Side::Both | Side::Pair, _)
        )
    };
    let lane = |lane: Lane| match (own(lane), lit == lane) {
        (true, true) if ran => '█',
        (true, _) => '□',
        (false, true) => '┃',
        (false, false) => '┆',
    };
    let between = if side == Side::Both { "───" } else { "   " };
    format!(" {}{between}{}   ", lane(Lane::Value), lane(Lane::Failure))
}

/// The path goes over to the other lane.
fn crossing(to: Lane) -> String {
    match to {
        Lane::Value => " ┏━━━┛   ".to_owned(),
        _ => " ┗━━━┓   ".to_owned(),
    }
}
