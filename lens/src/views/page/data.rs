//! What the script of a page reads: the events, what waits at each moment, places and their lines.
//!
//! Next: `loops.rs`, the turns.

use super::part::Part;
use super::told::told;
use super::{Source, words};
use crate::Event;
use crate::model::Model;
use crate::views::waiting::{State, Thing, Waiting};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, HashMap, HashSet};

/// Maximum number of characters of an event in words.
const MAX_TOLD: usize = 110;

/// Maximum number of bytes of all lines of sources on a page. Places of which the lines have no room are links only.
const MAX_SOURCES: usize = 150_000;

/// Maximum number of bytes that the things take which wait when a page begins: there is no other limit to their number. The
/// things behind these are counted. What begins to wait later is limited by the events of the page.
const MAX_WAITING: usize = 200_000;

/// What the numbers of such a thing take, beside its texts. Alike texts stand on a page once, so a thing may take less.
const BYTES_OF_NUMBERS: usize = 50;

/// Maximum number of characters of a line of a source.
const MAX_LINE: usize = 200;

/// Stands for a number in a text of a table.
const GAP: char = '\u{e000}';

/// A number with more digits stays in its text: a script counts exactly up to 2^53.
const MAX_DIGITS: usize = 15;

/// The texts of a page, each once. Most differ in numbers only, so these stand beside the text.
#[derive(Default)]
pub(super) struct Table {
    pub(super) texts: Vec<String>,
    known: HashMap<String, usize>,
}

impl Table {
    /// A text as its number; with numbers in it, as a list: the number of the text with gaps, and what fills the gaps.
    pub(super) fn text(&mut self, text: &str) -> Value {
        let (mut with_gaps, mut numbers) = (String::with_capacity(text.len()), Vec::new());
        let is_digit = |char: &char| char.is_ascii_digit();
        let (mut rest, mut is_in_word) = (text, false);
        while let Some(first) = rest.chars().next() {
            let digits = rest.chars().take_while(is_digit).count();
            let (piece, after) = rest.split_at(digits.max(if digits == 0 { first.len_utf8() } else { 0 }));
            match piece.parse::<u64>() {
                // What would come back as another text is no number: `007`.
                Ok(number) if digits <= MAX_DIGITS && number.to_string() == piece && !is_in_word => {
                    numbers.push(number);
                    with_gaps.push(GAP);
                }
                _ => with_gaps.extend(piece.chars().map(|char| if char == GAP { '?' } else { char })),
            }
            is_in_word = first.is_alphabetic();
            rest = after;
        }
        let text = json!(self.number(&with_gaps));
        if numbers.is_empty() { text } else { [text].into_iter().chain(numbers.into_iter().map(Value::from)).collect() }
    }

    fn number(&mut self, text: &str) -> usize {
        if let Some(number) = self.known.get(text) {
            return *number;
        }
        self.known.insert(text.to_owned(), self.texts.len());
        self.texts.push(text.to_owned());
        self.texts.len() - 1
    }

    fn place(&mut self, place: &str) -> i64 {
        if place.is_empty() { -1 } else { number(self.number(words::line_of(place))) }
    }
}

/// A place in a table, for JSON: -1 stands for none.
pub(super) fn number(index: usize) -> i64 {
    i64::try_from(index).unwrap_or(-1)
}

/// The events: nanoseconds since the one before, text, place, depth. What is 0 or missing at the end is left out.
pub(super) fn events(model: &Model, part: &Part, texts: &mut Table, places: &mut Table) -> Vec<Value> {
    let (mut before, mut rows) = (0, Vec::new());
    // The places of the callbacks that run on each host.
    let mut running: HashMap<&str, Vec<&str>> = HashMap::new();
    for (at, event) in model.events[..part.events.end].iter().enumerate() {
        let running = running.entry(&event.host).or_default();
        let around = match &*event.kind {
            "callback_end" => running.pop(),
            "turn" => {
                running.clear();
                None
            }
            _ => running.last().copied(),
        };
        let depth = running.len();
        if event.kind == "callback_begin" {
            running.push(event.text("place"));
        }
        if at < part.events.start {
            continue;
        }
        let text = texts.text(&words::cut(&told(model, at, event), MAX_TOLD));
        let place = places.place(place_of(model, at, event).or(around).unwrap_or(""));
        let since = event.ns.saturating_sub(before);
        before = event.ns;
        rows.push(match (place, depth) {
            (-1, 0) => json!([since, text]),
            (place, 0) => json!([since, text, place]),
            (place, depth) => json!([since, text, place, depth]),
        });
    }
    rows
}

/// Where an event belongs in the source: the place that it names, or else that of what it is about: the callback of a
/// Deferred, the Deferred, the delayed call, the connection. An event in a callback of a Deferred belongs to that.
pub(in crate::views) fn place_of<'a>(model: &'a Model, at: usize, event: &'a Event) -> Option<&'a str> {
    let chains = &model.chains;
    let step = |number: Option<u64>| number.and_then(|step| chains.steps.get(&step)).map(|step| &*step.place);
    let deferred = || event.number("deferred").and_then(|it| chains.chains.get(&it)).map(|chain| &*chain.place);
    let timer = || event.number("timer").and_then(|it| model.timers.get_at(&event.host, it, at)).map(|it| &*it.place);
    let socket = || {
        let number = event.number("socket").or(event.number("listener"))?;
        model.sockets.get_at(&event.host, number, at).map(|socket| &*socket.place)
    };
    let of_it = || step(event.number("step")).or_else(deferred).or_else(timer).or_else(socket);
    let is_known = |place: &&str| !place.is_empty();
    let own = Some(event.text("place")).filter(is_known);
    own.or_else(|| of_it().filter(is_known)).or_else(|| step(event.step).filter(is_known))
}

/// What waits: from which moment to which, the thing, what waits for it, in words, where, since which event, and if it is due,
/// when. And of what waited already when the page begins and has no room: how many more or fewer wait from a moment on.
pub(super) fn waits(model: &Model, part: &Part, texts: &mut Table, places: &mut Table) -> (Vec<Value>, Vec<Value>) {
    // Things of one kind stand together, in the order of their numbers.
    let id = |thing: Thing| match thing {
        Thing::Deferred(number) => number.saturating_mul(3),
        Thing::Timer(index) => 3 * index as u64 + 1,
        Thing::Socket(index) => 3 * index as u64 + 2,
    };
    let waiting = Waiting::between(model, part.events.start, part.events.end);
    let mut row = |state: &State| {
        let parent = state.parent.map_or(-1, |parent| i64::try_from(id(parent)).unwrap_or(-1));
        let mut text = |text: &str| texts.text(&words::cut(text, MAX_TOLD));
        let (name, what) = (text(&state.name), text(&state.what));
        let mut row =
            vec![json!(state.from), json!(state.to.map_or(-1, number)), json!(id(state.thing)), json!(parent)];
        row.extend([name, what, json!(places.place(&state.place)), json!(state.at)]);
        match state.due {
            Some(due) => row.push(json!(due)),
            None if state.is_wrong => row.push(json!(-1)),
            None => {}
        }
        Value::Array(row)
    };
    // In the order of the tree, so that nothing is shown without what waits for it.
    let (mut size, mut left_out) = (0, HashSet::new());
    for (_, state) in waiting.tree(part.events.start) {
        size +=
            BYTES_OF_NUMBERS + [&state.name, &state.what, &state.place].map(|text| text.len()).iter().sum::<usize>();
        if size > MAX_WAITING {
            left_out.insert(state.thing);
        }
    }
    let mut states: Vec<_> = waiting.states.iter().collect();
    states.sort_by_key(|state| (state.from, state.thing));
    let (mut rows, mut more) = (Vec::new(), BTreeMap::<usize, i64>::new());
    for state in states {
        if left_out.contains(&state.thing) {
            *more.entry(state.from).or_default() += 1;
            if let Some(to) = state.to {
                *more.entry(to).or_default() -= 1;
            }
        } else {
            rows.push(row(state));
        }
    }
    more.retain(|_, change| *change != 0); // A thing that has another state is not one more.
    (rows, more.into_iter().map(|(moment, change)| json!([moment, change])).collect())
}

/// The files to which places lead, and the lines around each place.
pub(super) fn sources(places: &Table, source: &dyn Fn(&str) -> Option<Source>) -> (Value, Value) {
    let mut files: HashMap<&str, Option<Source>> = HashMap::new();
    let (mut addresses, mut excerpts, mut size) = (Map::new(), Map::new(), 0);
    for place in &places.texts {
        let Some((file, line)) = place.rsplit_once(':') else { continue };
        let Some(found) = files.entry(file).or_insert_with(|| source(file)) else { continue };
        if let Some(address) = &found.address {
            addresses.insert(file.to_owned(), json!(address));
        }
        if let Some(lines) = excerpt(&found.text, line).filter(|lines| size + lines.len() <= MAX_SOURCES) {
            size += lines.len();
            excerpts.insert(place.clone(), json!(lines));
        }
    }
    (Value::Object(addresses), Value::Object(excerpts))
}

/// The lines around a line, which has a mark.
pub(super) fn excerpt(text: &str, line: &str) -> Option<String> {
    let number = line.parse::<usize>().ok()?;
    let lines = text.lines().enumerate().skip(number.saturating_sub(3)).take(6);
    let marked = lines.map(|(index, text)| {
        let mark = if index + 1 == number { '>' } else { ' ' };
        format!("{mark}{:>4} {}", index + 1, words::cut(text, MAX_LINE))
    });
    Some(marked.collect::<Vec<_>>().join("\n"))
}
