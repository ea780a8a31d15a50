//! [`Waits`]: what waits for what, at one moment: unfired Deferreds, delayed calls, connections.
//!
//! The moment is a number of events: the state after them depends on nothing else, so stepping forward and back gives the same.
//!
//! Next: `page.rs`, everything in one file.

use super::svg::Svg;
use super::{Ink, Text, words};
use crate::model::{Chain, Model, StepState};
use crate::trace::Trace;
use std::collections::BTreeSet;

/// Maximum number of lines.
pub const MAX_LINES: usize = 300;

/// Maximum depth of the tree.
const MAX_DEPTH: usize = 16;

/// A tree.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Waits {
    /// The number of events that had happened.
    pub after: usize,
    /// The time.
    pub ns: u64,
    /// From top to bottom.
    pub lines: Vec<Line>,
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
}

impl Waits {
    /// The state after this many events.
    pub fn after(model: &Model, after: usize) -> Waits {
        let after = after.min(model.events.len());
        let events = model.events[..after].to_vec();
        let is_cut = model.is_cut;
        Waits::of(&Model::new(Trace { events, is_cut, is_full: false }))
    }

    /// The state at the end of a model.
    pub fn of(model: &Model) -> Waits {
        let ns = model.events.last().map_or(0, |event| event.ns);
        let mut waits = Waits { after: model.events.len(), ns, lines: Vec::new() };
        let mut told = BTreeSet::new();
        let chains = &model.chains;
        let is_top = |chain: &Chain| {
            let outer = chain.inner_of.or(chain.list).and_then(|outer| chains.chains.get(&outer));
            !outer.is_some_and(|outer| is_waiting(model, outer))
        };
        for chain in chains.chains.values().filter(|chain| is_waiting(model, chain) && is_top(chain)) {
            waits.chain(model, chain, 0, &mut told);
        }
        for timer in model.timers.timers.iter().filter(|timer| timer.made.is_none() && timer.cancelled.is_none()) {
            if !model.has_ended(&timer.host) {
                let due = match timer.due.checked_sub(ns) {
                    Some(left) => format!("is due in {}", words::time(left)),
                    None => format!("has been due for {}", words::time(ns - timer.due)),
                };
                waits.line(
                    0,
                    format!("{}delayed call {} {due}", on(&timer.host), timer.number),
                    &timer.place,
                    timer.at,
                );
            }
        }
        for socket in &model.sockets.sockets {
            if socket.connected.is_some() && socket.ended.is_none() && !socket.is_closed {
                let waiting = match (socket.waiting, socket.full_since) {
                    (0, _) => "is open".to_owned(),
                    (bytes, None) => format!("has {bytes} bytes to send"),
                    (bytes, Some(_)) => format!("has {bytes} bytes to send, and its peer does not read"),
                };
                let at = socket.arrows.first().map_or(0, |arrow| arrow.at);
                waits.line(0, format!("{}{} {waiting}", on(&socket.host), socket.name()), &socket.place, at);
            }
        }
        waits
    }

    fn chain(&mut self, model: &Model, chain: &Chain, depth: usize, told: &mut BTreeSet<u64>) {
        if depth > MAX_DEPTH || !told.insert(chain.number) {
            return;
        }
        let chains = &model.chains;
        let steps = chain.steps.iter().filter_map(|step| chains.steps.get(step));
        let left = steps.filter(|step| step.state == StepState::Waits).count();
        let callbacks =
            if left > 0 { format!(" ({} not run yet)", words::count(left, "callback")) } else { String::new() };
        let inputs: Vec<_> =
            chains.inputs(chain.number).into_iter().filter_map(|input| chains.chains.get(&input)).collect();
        let unfired: Vec<_> = inputs.iter().filter(|input| is_waiting(model, input)).collect();
        let state = match (chain.what.as_str(), chain.waits_for) {
            ("list" | "race", None) => format!("waits for {} of {} inputs", unfired.len(), inputs.len()),
            ("coroutine", Some(_)) => "awaits".to_owned(),
            (_, Some(_)) => "waits".to_owned(),
            _ if chain.is_lost => "can never fire: its last Firer is gone".to_owned(),
            _ => "has not been fired".to_owned(),
        };
        let at = chain.log.first().map_or(0, |event| event.at);
        let text = format!("{}{} {state}{callbacks}", on(&chain.host), chains.name(chain.number));
        self.line(depth, text, &chain.place, at);
        if let Some(inner) = chain.waits_for.and_then(|inner| chains.chains.get(&inner)) {
            self.chain(model, inner, depth + 1, told);
        }
        for input in unfired {
            self.chain(model, input, depth + 1, told);
        }
    }

    fn line(&mut self, depth: usize, text: String, place: &str, at: usize) {
        if self.lines.len() < MAX_LINES {
            self.lines.push(Line { depth, text, place: place.to_owned(), at });
        }
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
            let branch = if line.depth == 0 { "* ".to_owned() } else { format!("{}└ for ", "  ".repeat(line.depth)) };
            let room = 78_usize.saturating_sub(place.chars().count());
            let text = words::cut(&format!("{branch}{}", line.text), room);
            let place_at = 80 - place.chars().count();
            out.line(line.ink(), &format!("{text}{:gap$}{place}", "", gap = place_at - text.chars().count()));
            out.ink(place_at..80, Ink::Dim);
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
        svg
    }

    /// As a picture.
    pub fn to_svg(&self) -> String {
        self.drawing().file("what waits for what")
    }
}

impl Line {
    fn ink(&self) -> Ink {
        if self.text.contains("never") { Ink::Wrong } else { Ink::Plain }
    }
}

fn is_waiting(model: &Model, chain: &Chain) -> bool {
    (model.chains.is_unfired(chain) || chain.waits_for.is_some()) && !chain.is_gone
}

fn on(host: &str) -> String {
    if host.is_empty() { String::new() } else { format!("{host}: ") }
}
