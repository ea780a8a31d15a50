//! [`page`]: everything in one file of HTML. It opens from the disk, and loads nothing.
//!
//! The pictures are the same as the SVG files. A script steps through them: each shape knows the event at which it appears, and what
//! is shown depends on the number of the event alone.
//!
//! Next: `../main.rs`, the program.

use super::ladder::Ladders;
use super::loop_view::LoopView;
use super::svg::{STYLE, escaped};
use super::wire::Wire;
use super::words;
use crate::model::{Happened, Model};
use crate::trace::Event;
use crate::verdict::Verdict;
use serde_json::{Value, json};
use std::collections::HashMap;

/// Maximum number of events that a page steps through. The verdict and the pictures are about all of them.
pub const MAX_EVENTS: usize = 10_000;

/// Maximum number of bytes that the ladders of a page take. Of more Deferreds, those that come first are shown.
const MAX_LADDERS: usize = 200_000;

/// Maximum number of bytes of a page, for [`MAX_EVENTS`] events without sources.
pub const MAX_PAGE: usize = 1 << 20;

/// The texts of a page, each once.
#[derive(Default)]
struct Table {
    texts: Vec<String>,
    known: HashMap<String, usize>,
}

impl Table {
    fn number(&mut self, text: String) -> usize {
        if let Some(number) = self.known.get(&text) {
            return *number;
        }
        self.known.insert(text.clone(), self.texts.len());
        self.texts.push(text);
        self.texts.len() - 1
    }

    fn place(&mut self, place: &str) -> i64 {
        if place.is_empty() { -1 } else { self.number(place.to_owned()) as i64 }
    }
}

/// The page. `source` gives the text of a file of the program, if it is to be shown.
pub fn page(model: &Model, title: &str, source: impl Fn(&str) -> Option<String>) -> String {
    let (mut texts, mut places) = (Table::default(), Table::default());
    let events: Vec<Value> = model
        .events
        .iter()
        .take(MAX_EVENTS)
        .map(|event| {
            let text = texts.number(words::cut(&told(event), 64));
            json!([event.ns, text, places.place(event.text("place"))])
        })
        .collect();
    let spans: Vec<Value> = spans(model)
        .into_iter()
        .map(|(from, to, text, place)| {
            json!([from, to.map_or(-1, |to| to as i64), texts.number(text), places.place(&place)])
        })
        .collect();
    let source: HashMap<String, String> = places.texts.iter().filter_map(|place| excerpt(place, &source)).collect();
    let data =
        json!({"texts": texts.texts, "places": places.texts, "events": events, "spans": spans, "source": source});
    // Nothing in a script's text may end the script.
    let data = data.to_string().replace("</", "<\\/").replace("<!--", "<\\!--");
    let sections = sections(model);
    let tabs: Vec<_> =
        sections.iter().map(|(id, name, _)| format!("<button data-view=\"{id}\">{name}</button>")).collect();
    let bodies: Vec<_> =
        sections.iter().map(|(id, _, body)| format!("<section id=\"view-{id}\">{body}</section>")).collect();
    filled(&[
        ("{title}", &escaped(title)),
        ("{style}", STYLE),
        ("{tabs}", &tabs.join(" ")),
        ("{sections}", &bodies.join("\n")),
        ("{data}", &data),
    ])
}

/// The template with its gaps filled, in one pass: what fills a gap has none.
fn filled(gaps: &[(&str, &str)]) -> String {
    let mut rest = include_str!("page.html");
    let mut page = String::new();
    let next = |rest: &str| gaps.iter().filter_map(|gap| Some((rest.find(gap.0)?, *gap))).min_by_key(|(at, _)| *at);
    while let Some((at, (gap, text))) = next(rest) {
        page.push_str(&rest[..at]);
        page.push_str(text);
        rest = &rest[at + gap.len()..];
    }
    page + rest
}

fn sections(model: &Model) -> Vec<(&'static str, &'static str, String)> {
    let verdict = Verdict::new(model).to_text();
    let mut sections = vec![("verdict", "Verdict", format!("<pre>{}</pre>", escaped(&verdict)))];
    if !model.chains.chains.is_empty() {
        sections.push(("ladder", "Deferreds", ladders(model)));
    }
    let hosts: Vec<&str> =
        model.hosts().into_iter().filter(|host| model.turns.turns.iter().any(|turn| turn.host == *host)).collect();
    if !hosts.is_empty() {
        let views =
            hosts.iter().take(8).map(|host| LoopView::new(model, host, None).drawing().element("turns of the loop"));
        sections.push(("loop", "Loop", views.collect::<Vec<_>>().join("<br>")));
    }
    let wires = wires(model);
    if !wires.is_empty() {
        sections.push(("wire", "Wire", wires));
    }
    sections.push(("waits", "Who waits", "<ul id=\"waits\"></ul>".to_owned()));
    sections
}

fn ladders(model: &Model) -> String {
    let all = Ladders::new(model);
    let mut body = String::new();
    for (count, ladder) in all.0.iter().enumerate() {
        let element = Ladders(vec![ladder.clone()]).drawing().element(&ladder.title);
        if body.len() + element.len() > MAX_LADDERS {
            let left = all.0.len() - count;
            return format!("{body}<p>{left} more: lens TRACE --ladder has all of them.</p>");
        }
        body.push_str(&element);
        body.push_str("<br>");
    }
    body
}

fn wires(model: &Model) -> String {
    let world = Wire::of_world(model, &[]);
    if !world.lanes.is_empty() {
        return world.drawing().element("what went over the wire");
    }
    let mut connections: Vec<_> = model.sockets.sockets.iter().filter(|socket| socket.connected.is_some()).collect();
    connections.sort_by_key(|socket| std::cmp::Reverse(socket.read + socket.sent));
    let drawn =
        connections.into_iter().take(4).map(|socket| Wire::of_socket(model, socket).drawing().element(&socket.name()));
    drawn.collect::<Vec<_>>().join("<br>")
}

/// An event in a few words.
fn told(event: &Event) -> String {
    let mut text = if event.host.is_empty() { String::new() } else { format!("{}: ", event.host) };
    match event.kind.as_str() {
        "call" => {
            let failed = event.text("failed");
            let outcome =
                if failed.is_empty() { event.number("done").unwrap_or(0).to_string() } else { failed.to_owned() };
            text.push_str(&format!("{} {outcome}", event.text("call")));
        }
        "network" => text.push_str(event.text("words")),
        "callback_begin" => text.push_str(&format!("begins: {}", event.text("words"))),
        "callback_end" => text.push_str("the callback is over"),
        "phase" => text.push_str(&format!("phase {}", event.phase)),
        "turn" => text.push_str(&format!("turn {}, waits for {}", event.turn, event.text("waits_for"))),
        kind => text.push_str(&kind.replace('_', " ")),
    }
    for key in ["socket", "timer", "deferred", "step"] {
        if let Some(number) = event.number(key) {
            text.push_str(&format!(", {key} {number}"));
        }
    }
    for key in ["value", "error", "reason"] {
        if !event.text(key).is_empty() {
            text.push_str(&format!(": {}", words::one_line(event.text(key))));
        }
    }
    text
}

/// What waited: from which event to which.
fn spans(model: &Model) -> Vec<(usize, Option<usize>, String, String)> {
    let mut spans = Vec::new();
    let host = |host: &str| if host.is_empty() { String::new() } else { format!("{host}: ") };
    for chain in model.chains.chains.values().filter(|chain| chain.what != "result") {
        let Some(made) = chain.log.first() else { continue };
        let is_end = |what: &Happened| {
            matches!(what, Happened::Fired(_) | Happened::Cancelled | Happened::Decided(..) | Happened::Gone(_))
        };
        let end = chain.log.iter().find(|event| is_end(&event.what)).map(|event| event.at);
        let text = format!("{}{} has not fired", host(&chain.host), model.chains.name(chain.number));
        spans.push((made.at, end, text, chain.place.clone()));
    }
    let find =
        |from: usize, wanted: &dyn Fn(&Event) -> bool| model.events[from..].iter().position(wanted).map(|at| at + from);
    for timer in model.timers.timers.iter().take(MAX_EVENTS) {
        let is_end = |event: &Event| {
            event.host == timer.host
                && event.number("timer") == Some(timer.number)
                && matches!(event.kind.as_str(), "callback_begin" | "timer_cancelled")
                || event.kind == "end" && event.host == timer.host
        };
        let text = format!("{}delayed call {}", host(&timer.host), timer.number);
        spans.push((timer.at, find(timer.at, &is_end), text, timer.place.clone()));
    }
    for socket in model.sockets.sockets.iter().filter(|socket| socket.connected.is_some()) {
        let from = socket.arrows.iter().find(|arrow| arrow.what == "connected").map_or(0, |arrow| arrow.at);
        let to = socket.arrows.iter().find(|arrow| arrow.what == "ended").map(|arrow| arrow.at);
        spans.push((from, to, format!("{}{}", host(&socket.host), socket.name()), socket.place.clone()));
    }
    spans.retain(|(from, ..)| *from < MAX_EVENTS);
    spans.sort_by_key(|(from, ..)| *from);
    spans
}

/// The lines around a place, under the place without its column.
fn excerpt(place: &str, source: &impl Fn(&str) -> Option<String>) -> Option<(String, String)> {
    let line = words::line_of(place);
    let (file, number) = line.rsplit_once(':')?;
    let (text, number) = (source(file)?, number.parse::<usize>().ok()?);
    let from = number.saturating_sub(3);
    let lines = text.lines().enumerate().skip(from).take(6);
    let marked = lines.map(|(index, text)| {
        let mark = if index + 1 == number { '>' } else { ' ' };
        format!("{mark}{:>4} {text}", index + 1)
    });
    Some((line.to_owned(), marked.collect::<Vec<_>>().join("\n")))
}
