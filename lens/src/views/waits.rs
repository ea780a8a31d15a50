//! [`Waits`]: what waits for what, at one moment: unfired Deferreds, delayed calls, connections.
//!
//! The moment is a number of events: the state after them depends on nothing else, so stepping forward and back gives the same.
//!
//! Next: `page.rs`, everything in one file.

use super::svg::Svg;
use super::waiting::Waiting;
use super::{Ink, Text, words};
use crate::model::Model;

/// Maximum number of lines. The others are counted.
pub const MAX_LINES: usize = 300;

/// Deeper lines have the indent of this depth, so that a text keeps room for its words.
const MAX_INDENT: usize = 16;

/// A tree.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Waits {
    /// The number of events that had happened.
    pub after: usize,
    /// The time.
    pub ns: u64,
    /// From top to bottom.
    pub lines: Vec<Line>,
    /// Number of things that have no line, because there are more than [`MAX_LINES`].
    pub left_out: usize,
}

/// A line of the tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// How far it stands inside.
    pub depth: usize,
    /// What it says.
    pub text: String,
    /// The place in the source.
    pub place: String,
    /// The event that began it.
    pub at: usize,
    /// Whether it can never end.
    pub is_wrong: bool,
}

impl Waits {
    /// The state after this many events.
    pub fn after(model: &Model, after: usize) -> Waits {
        let after = after.min(model.events.len());
        Waits::at(model, &Waiting::between(model, after, after), after)
    }

    /// The state at the end of a model.
    pub fn of(model: &Model) -> Waits {
        Waits::after(model, model.events.len())
    }

    pub(crate) fn at(model: &Model, waiting: &Waiting, after: usize) -> Waits {
        let ns = after.checked_sub(1).and_then(|last| model.events.get(last)).map_or(0, |event| event.ns);
        let tree = waiting.tree(after);
        let left_out = tree.len().saturating_sub(MAX_LINES);
        let line = |(depth, state): &(usize, &super::waiting::State)| Line {
            depth: *depth,
            text: format!("{} {}", state.name, state.words(ns)),
            place: state.place.clone(),
            at: state.at,
            is_wrong: state.is_wrong,
        };
        Waits { after, ns, lines: tree.iter().take(MAX_LINES).map(line).collect(), left_out }
    }

    /// How many things wait that have no line.
    fn more(&self) -> Option<String> {
        (self.left_out > 0).then(|| format!("{} more wait.", self.left_out))
    }

    /// As text of 80 columns, without colours.
    pub fn to_text(&self) -> String {
        self.text().plain()
    }

    /// As text of 80 columns.
    pub fn text(&self) -> Text {
        let mut out = Text::default();
        let title = format!("After {}, at {}:", words::count(self.after, "event"), words::time(self.ns));
        out.line(Ink::Title, &title);
        if self.lines.is_empty() {
            out.line(Ink::Plain, "nothing waits.");
        }
        for line in &self.lines {
            let place = words::short_place(&line.place);
            let branch = if line.depth == 0 {
                "* ".to_owned()
            } else {
                format!("{}└ for ", "  ".repeat(line.depth.min(MAX_INDENT)))
            };
            let room = 78_usize.saturating_sub(place.chars().count());
            let text = words::cut(&format!("{branch}{}", line.text), room);
            let place_at = 80 - place.chars().count();
            out.line(line.ink(), &format!("{text}{:gap$}{place}", "", gap = place_at - text.chars().count()));
            out.ink(place_at..80, Ink::Dim);
        }
        if let Some(more) = self.more() {
            out.line(Ink::Plain, &more);
        }
        out
    }

    pub(crate) fn drawing(&self) -> Svg {
        let mut svg = Svg::new();
        svg.text(
            "title",
            (12, 26),
            &format!("After {}, at {}", words::count(self.after, "event"), words::time(self.ns)),
        );
        let mut parents: Vec<i64> = Vec::new();
        for (index, line) in self.lines.iter().enumerate() {
            let (x, y) = (24 + line.depth as i64 * 36, 58 + index as i64 * 28);
            parents.truncate(line.depth);
            svg.begin(Some(line.at));
            if let Some(parent) = parents.last() {
                svg.line("line", &[(x - 29, *parent + 8), (x - 29, y - 4), (x - 8, y - 4)]);
            }
            svg.dot(if line.ink() == Ink::Wrong { "hot" } else { "cool" }, (x, y - 4), 6);
            svg.text("", (x + 16, y), &words::cut(&line.text, 100));
            let behind = x + 30 + super::svg::width_of(&words::cut(&line.text, 100), "");
            svg.place("soft small", (behind, y), &line.place, words::short_place(&line.place));
            svg.end();
            parents.push(y);
        }
        if self.lines.is_empty() {
            svg.text("soft", (12, 56), "nothing waits");
        }
        if let Some(more) = self.more() {
            svg.text("soft", (12, 58 + self.lines.len() as i64 * 28), &more);
        }
        svg
    }

    /// As a picture.
    pub fn to_svg(&self) -> String {
        self.drawing().file("what waits for what")
    }
}

impl Line {
    fn ink(&self) -> Ink {
        if self.is_wrong { Ink::Wrong } else { Ink::Plain }
    }
}
