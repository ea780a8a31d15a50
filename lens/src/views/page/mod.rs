//! [`page`]: everything in one file of HTML. It opens from the disk, and loads nothing.
//!
//! A script steps through the events. What it shows depends on the moment alone: the number of events that have happened. So a
//! step back is a step on undone.
//!
//! ```text
//!   part.rs    which events              data.rs    events, what waits, lines of sources  --> DATA
//!   told.rs    an event in words         loops.rs   turns at any zoom                     --> DATA
//!   page.css   light and dark            wires.rs   rows of the wire                      --> DATA
//!   page.js    steps, list, dial         pictures.js draws the loop and the wire from DATA
//! ```
//!
//! The ladders are drawn here; each shape has the event at which it appears. The loop and the wire are drawn by the script, because
//! a reader chooses zoom, hosts and connections, and a picture of each choice would not fit into a page.
//!
//! Next: `part.rs`, the events of a page.

mod data;
mod links;
mod loops;
mod part;
mod told;
mod wires;

pub use part::Part;
pub(super) use {data::place_of, told::told};

use super::ladder::Ladders;
use super::svg::{STYLE, Svg, escaped};
use super::words;
use crate::model::Model;
use crate::verdict::{Finding, MAX_TOLD, Verdict};
use data::Table;
use links::Links;
use serde_json::json;
use std::collections::BTreeMap;

/// Maximum number of events that a page steps through. The verdict is about all of them.
pub const MAX_EVENTS: usize = 10_000;

/// Maximum number of bytes of a page. Of events that need more, fewer are shown.
pub const MAX_PAGE: usize = 1 << 20;

/// Maximum number of bytes that the ladders of a page take. Those that come first are shown, as far as they have room.
const MAX_LADDERS: usize = 200_000;

/// Maximum number of bytes that the verdict takes on a page. The findings behind these are counted.
const MAX_VERDICT: usize = 200_000;

/// Maximum number of characters of a sentence of the verdict, and of each line below it. A story may be as long as a
/// program makes it; `lens` writes it whole.
const MAX_SENTENCE: usize = 500;

/// Maximum number of lines below a sentence of the verdict.
const MAX_DETAILS: usize = 30;

/// A file of the program.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Source {
    /// Its text.
    pub text: String,
    /// Its address, which begins with `file://`: links lead there.
    pub address: Option<String>,
}

/// The page of the first events of a trace. `source` gives the text of a file of the program, if it is to be shown.
pub fn page(model: &Model, title: &str, source: impl Fn(&str) -> Option<String>) -> String {
    let source = |file: &str| source(file).map(|text| Source { text, address: None });
    page_of(model, title, &Part::first(model), source)
}

/// The page of a part of a trace. `source` gives a file of the program, if it is to be shown.
pub fn page_of(model: &Model, title: &str, part: &Part, source: impl Fn(&str) -> Option<Source>) -> String {
    let verdict = verdict(model, &source);
    let mut part = part.clone();
    loop {
        let page = written(model, title, &part, &verdict, &source);
        let count = part.events.len();
        if page.len() <= MAX_PAGE || count <= 1 {
            return page;
        }
        // What does not grow with the events is less than half, so this ends soon.
        part.events.end = part.events.start + (count * MAX_PAGE / page.len() * 9 / 10).max(1);
        part.moment = part.moment.map(|moment| moment.min(part.events.end));
    }
}

fn written(model: &Model, title: &str, part: &Part, verdict: &str, source: &dyn Fn(&str) -> Option<Source>) -> String {
    let (mut texts, mut places) = (Table::default(), Table::default());
    let events = data::events(model, part, &mut texts, &mut places);
    let (waits, more) = data::waits(model, part, &mut texts, &mut places);
    let loops = loops::Loops::new(model, part, &mut texts, &Links::new(source));
    let (files, source) = data::sources(&places, source);
    let mut sections = vec![("verdict", "Verdict", verdict.to_owned())];
    sections.extend(ladders(model, part, &files).map(|html| ("ladder", "Deferreds", html)));
    let wires = wires::wires(model, part, &mut texts);
    let data = json!({
        "first": part.events.start, "total": model.events.len(), "moment": part.moment.unwrap_or(part.events.end),
        "texts": texts.texts, "places": places.texts, "events": events, "waits": waits, "more": more, "files": files, "source": source,
        "loops": loops.as_ref().map(|loops| &loops.data), "wires": wires,
    });
    sections.extend(loops.map(|loops| ("loop", "Loop", ZOOM.to_owned() + &loops.html)));
    sections.extend(wires.map(|_| ("wire", "Wire", WIRE.to_owned())));
    sections.push((
        "waits",
        "What waits",
        "<p id=\"waits-note\" role=\"status\"></p><ul id=\"waits\"></ul>".to_owned(),
    ));
    let tab = |(id, name, _): &(&str, &str, String)| format!("<button data-view=\"{id}\">{name}</button>");
    let body = |(id, name, body): &(&str, &str, String)| {
        format!("<section id=\"view-{id}\" aria-label=\"{name}\"><h2>{name}</h2>{body}</section>")
    };
    let notice = part
        .left_out(model)
        .map(|text| format!("<section class=\"notice\" aria-label=\"what is left out\">{}</section>", escaped(&text)));
    // Nothing in a script's text may end the script.
    let data = data.to_string().replace("</", "<\\/").replace("<!--", "<\\!--");
    filled(&[
        ("{title}", &escaped(title)),
        ("{style}", &(STYLE.to_owned() + include_str!("page.css"))),
        ("{notice}", &notice.unwrap_or_default()),
        ("{tabs}", &sections.iter().map(tab).collect::<Vec<_>>().join(" ")),
        ("{sections}", &sections.iter().map(body).collect::<Vec<_>>().join("\n")),
        ("{data}", &data),
        ("{script}", concat!(include_str!("page.js"), include_str!("pictures.js"))),
    ])
}

/// Above the picture of the loop: which loop, and how much of it.
const ZOOM: &str = "<div class=\"tools\"><label>Loop <select id=\"loop-of\"></select></label> \
    <label><input type=\"checkbox\" id=\"loop-follow\" checked> of the event</label> \
    <span class=\"group\" role=\"group\" aria-label=\"zoom\"><button id=\"zoom-out\" aria-label=\"more turns\">&minus;</button>\
    <button id=\"zoom-in\" aria-label=\"fewer turns\">+</button><button id=\"zoom-all\">all</button>\
    <button id=\"zoom-one\">one turn</button></span> <output id=\"zoom\" role=\"status\"></output></div>";

/// Above the picture of the wire: which connection, or which hosts.
const WIRE: &str = "<div class=\"tools\"><label id=\"wire-choice\">Connection <select id=\"wire-of\"></select></label>\
    <fieldset id=\"wire-hosts\"><legend>Hosts</legend></fieldset></div><p id=\"wire-note\"></p>\
    <div class=\"scroll\" id=\"wire\" tabindex=\"0\" role=\"region\" aria-label=\"the wire\"></div>";

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

/// A button that leads to the moment at which an event has just happened.
fn step_to(at: usize) -> String {
    format!(" <button class=\"go\" data-go=\"{}\">show event {at}</button>", at + 1)
}

fn verdict(model: &Model, source: &dyn Fn(&str) -> Option<Source>) -> String {
    let (verdict, links) = (Verdict::new(model), Links::new(source));
    let mut html = format!("<p class=\"summary\">{}</p>", escaped(&verdict.summary));
    if verdict.findings.is_empty() {
        return html + &format!("<p class=\"fine\">{}</p>", verdict.clean_words());
    }
    html.push_str("<ul class=\"found\">");
    let (mut told, mut more) = (BTreeMap::new(), 0);
    for finding in &verdict.findings {
        let count: &mut usize = told.entry(finding.about).or_default();
        let sentences = if *count < MAX_TOLD { found(finding, source, &links) } else { String::new() };
        if sentences.is_empty() || html.len() + sentences.len() > MAX_VERDICT {
            more += 1;
        } else {
            *count += 1;
            html.push_str(&sentences);
        }
    }
    html.push_str("</ul>");
    if more > 0 {
        html.push_str(&format!("<p>{} of the same kinds.</p>", words::count(more, "more finding")));
    }
    html
}

fn found(finding: &Finding, source: &dyn Fn(&str) -> Option<Source>, links: &Links<'_>) -> String {
    let item = |line: &String| format!("<li>{}</li>", links.linked(&words::cut(line, MAX_SENTENCE)));
    let mut details: String = finding.details.iter().take(MAX_DETAILS).map(item).collect();
    if let Some(more) = finding.details.len().checked_sub(MAX_DETAILS).filter(|more| *more > 0) {
        details.push_str(&format!("<li>{}</li>", words::count(more, "more line")));
    }
    let place = words::line_of(&finding.place);
    let lines = place.rsplit_once(':').and_then(|(file, line)| data::excerpt(&source(file)?.text, line));
    let lines = lines.map(|lines| {
        format!("<details><summary>{}</summary><pre tabindex=\"0\">{}</pre></details>", escaped(place), escaped(&lines))
    });
    let (sentence, lines) = (links.linked(&words::cut(&finding.sentence, MAX_SENTENCE)), lines.unwrap_or_default());
    format!("<li>{sentence}{}<ul>{details}</ul>{lines}</li>", step_to(finding.at))
}

/// What a reader of the ladders must know.
const LEGEND: &str = "<details class=\"legend\"><summary>How to read a ladder</summary><ul>\
    <li>A chain runs down. Its thick line is green on the lane of values, and red on the lane of failures.</li>\
    <li>cb is a callback, eb an errback; &ldquo;both&rdquo; is one function for either. A full box ran, a hollow box did not.</li>\
    <li>async is the body of a coroutine: it ran to its next await, or to its end. No result comes into it.</li>\
    <li>Grey text is a remark, or a callback that was passed by.</li>\
    <li>Without a thick line nothing has come yet: the chain waits.</li>\
    <li>The small numbers say in which order it happened.</li></ul></details>";

/// The ladders of all Deferreds to which something happened in this part.
fn ladders(model: &Model, part: &Part, files: &serde_json::Value) -> Option<String> {
    let is_here = |chain: &crate::model::Chain| {
        part.has_host(&chain.host) && chain.log.iter().any(|event| part.events.contains(&event.at))
    };
    let all = Ladders::of(model, is_here);
    if all.0.is_empty() {
        return None;
    }
    let mut body = LEGEND.to_owned();
    body.push_str("<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"ladders\">");
    let mut left_out = 0;
    for ladder in &all.0 {
        let mut svg = Svg::new();
        ladder.draw(&mut svg, 12, 12);
        let element = with_links(&svg.element(&ladder.title), files);
        if body.len() + element.len() > MAX_LADDERS {
            left_out += 1; // Of those behind it, some may have room.
            continue;
        }
        body.push_str(&element);
    }
    let more = match left_out {
        0 => String::new(),
        _ => format!("<p>{}: lens TRACE --ladder has all of them.</p>", words::count(left_out, "more ladder")),
    };
    Some(body + "</div>" + &more)
}

/// A picture. Its places are links if they lead somewhere, and plain text if not.
fn with_links(picture: &str, files: &serde_json::Value) -> String {
    const BEGIN: &str = "<a href=\"#";
    // What a picture says can be read, and its links followed: it is more than an image.
    let picture = picture.replacen("role=\"img\"", "role=\"group\"", 1);
    let mut parts = picture.split(BEGIN);
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |all, part| {
        let Some((place, rest)) = part.split_once("\" data-place=\"") else { return all + BEGIN + part };
        let rest = rest.split_once("\">").map_or(rest, |(_, rest)| rest);
        let line = words::line_of(place);
        let address = line.rsplit_once(':').and_then(|(file, number)| Some((files.get(file)?.as_str()?, number)));
        match address {
            Some((address, number)) => format!("{all}<a href=\"{}#L{number}\">{rest}", escaped(address)),
            None => all + "<g>" + &rest.replacen("</a>", "</g>", 1),
        }
    })
}
