//! [`Waits`]: what waits for what, at one moment: unfired Deferreds, delayed calls, connections.
//!
//! The moment is a number of events: the state after them depends on nothing else, so stepping forward and back gives the same.
//!
//! Next: `page/mod.rs`, everything in one file.

use super::ladder_text::WIDTH;
use super::svg::Svg;
use super::waiting::{State, Thing, Waiting};
use super::{Ink, Text, words};
use crate::model::Model;
use std::collections::BTreeMap;

/// Maximum number of lines. The others are counted.
pub const MAX_LINES: usize = 300;

/// Minimum number of alike things of one host that share a row in a text or a picture.
const ALIKE: usize = 3;

/// Maximum number of characters of a place in a text. Of a longer one, both ends are shown: the file and the line.
const MAX_PLACE: usize = 38;

/// Deeper lines have the indent of this depth, so that a text keeps room for its words.
const MAX_INDENT: usize = 16;

/// A tree.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Waits {
    /// The number of events that had happened.
    pub after: usize,
    /// The time.
    pub ns: u64,
    /// From top to bottom, a line for each thing.
    pub lines: Vec<Line>,
    /// Number of things that have no line, because there are more than [`MAX_LINES`].
    pub left_out: usize,
    /// The same for a text or a picture: things that are alike share a row.
    rows: Vec<Line>,
    /// Number of rows that are left out, because there are more than [`MAX_LINES`].
    rows_left_out: usize,
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
        let lines: Vec<Line> = tree.iter().take(MAX_LINES).map(|(depth, state)| line(*depth, state, ns)).collect();
        let mut rows = rows(&tree, ns);
        let (left_out, rows_left_out) = (tree.len() - lines.len(), rows.len().saturating_sub(MAX_LINES));
        rows.truncate(MAX_LINES);
        Waits { after, ns, lines, left_out, rows, rows_left_out }
    }

    /// What is said of the rows that are left out.
    fn more(&self) -> Option<String> {
        (self.rows_left_out > 0).then(|| format!("{} more wait.", self.rows_left_out))
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
        if self.rows.is_empty() {
            out.line(Ink::Plain, "nothing waits.");
        }
        for line in &self.rows {
            let place = words::cut_middle(words::short_place(&line.place), MAX_PLACE);
            let branch = if line.depth == 0 {
                "* ".to_owned()
            } else {
                format!("{}└ for ", "  ".repeat(line.depth.min(MAX_INDENT)))
            };
            let place_at = WIDTH - place.chars().count();
            let text = words::cut(&format!("{branch}{}", line.text), place_at - 2);
            out.line(line.ink(), &format!("{text}{:gap$}{place}", "", gap = place_at - text.chars().count()));
            out.ink(place_at..WIDTH, Ink::Dim);
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
        for (index, line) in self.rows.iter().enumerate() {
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
        if self.rows.is_empty() {
            svg.text("soft", (12, 56), "nothing waits");
        }
        if let Some(more) = self.more() {
            svg.text("soft", (12, 58 + self.rows.len() as i64 * 28), &more);
        }
        svg
    }

    /// As a picture.
    pub fn to_svg(&self) -> String {
        self.drawing().file("what waits for what")
    }
}

fn line(depth: usize, state: &State, ns: u64) -> Line {
    Line {
        depth,
        text: format!("{}{}{}", state.name, if depth == 0 { " " } else { ", which " }, state.words(ns)),
        place: state.place.clone(),
        at: state.at,
        is_wrong: state.is_wrong,
    }
}

/// A row for each thing of a tree. Alike things for which nothing waits, and that wait for nothing, share the row of the
/// first of them: a herd has dozens of delayed calls.
fn rows(tree: &[(usize, &State)], ns: u64) -> Vec<Line> {
    let depth_after = |index: usize| tree.get(index + 1).map_or(0, |(depth, _)| *depth);
    let alike = |index: usize, (depth, state): (usize, &State)| {
        let what = match state.thing {
            Thing::Timer(_) => "delayed calls",
            Thing::Socket(_) => "connections",
            Thing::Deferred(_) => "Deferreds",
        };
        let is_alone = depth == 0 && depth_after(index) == 0 && !state.is_wrong;
        is_alone.then(|| (state.host.clone(), what, state.place.clone(), state.what.clone()))
    };
    let mut groups: BTreeMap<_, Vec<&State>> = BTreeMap::new();
    for (index, entry) in tree.iter().enumerate() {
        if let Some(key) = alike(index, *entry) {
            groups.entry(key).or_default().push(entry.1);
        }
    }
    groups.retain(|_, members| members.len() >= ALIKE);
    let row = |(index, (depth, state)): (usize, &(usize, &State))| {
        let Some(key) = alike(index, (*depth, state)).filter(|key| groups.contains_key(key)) else {
            return Some(line(*depth, state, ns));
        };
        let members = &groups[&key];
        (members[0].thing == state.thing).then(|| Line { text: words_of(members, key.1, ns), ..line(0, state, ns) })
    };
    tree.iter().enumerate().filter_map(row).collect()
}

/// What is said of things that are alike.
fn words_of(members: &[&State], what: &str, ns: u64) -> String {
    let first = members[0];
    let host = if first.host.is_empty() { String::new() } else { format!("{}: ", first.host) };
    let due = members.iter().filter_map(|state| state.due);
    let all = match (due.clone().min(), due.max()) {
        (Some(soonest), Some(latest)) if soonest >= ns => {
            format!("are due in {} to {}", words::long_time(soonest - ns), words::long_time(latest - ns))
        }
        (Some(soonest), _) => format!("are due, the first for {}", words::long_time(ns - soonest)),
        _ => return format!("{host}{} {what}, each of which {}", members.len(), first.what),
    };
    format!("{host}{} {what} {all}", members.len())
}

impl Line {
    fn ink(&self) -> Ink {
        if self.is_wrong { Ink::Wrong } else { Ink::Plain }
    }
}
