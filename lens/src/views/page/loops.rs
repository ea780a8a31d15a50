//! The loops of a page: columns of turns, which the script draws at any zoom, and what held them.
//!
//! Next: `wires.rs`, the connections.

use super::data::Table;
use super::links::Links;
use super::part::Part;
use crate::model::{Model, Turn};
use crate::verdict::holds;
use crate::views::loop_view::{LoopView, MAX_COLUMNS, PHASES, Program, programs};
use crate::views::{Calls, Column, words};
use serde_json::{Value, json};

/// Maximum number of loops on a page. Each has some 5 KB; what is left out is said.
const MAX_LOOPS: usize = 40;

/// Maximum number of holds of a loop that have a sentence below its picture. The verdict counts the others.
const MAX_HELD: usize = 10;

/// The loops of a page.
pub(super) struct Loops {
    /// The data for the script.
    pub(super) data: Value,
    /// What stands on the page: the picture of the first loop, and sentences.
    pub(super) html: String,
}

impl Loops {
    pub(super) fn new(model: &Model, part: &Part, texts: &mut Table, links: &Links<'_>) -> Option<Loops> {
        let all = loops(model, part);
        let shown = &all[..all.len().min(MAX_LOOPS)];
        let first = shown.first()?;
        let mut html = String::new();
        if all.len() > shown.len() {
            html.push_str(&format!(
                "<p>These are {} of {} loops. For others, name their hosts: --host NAME</p>",
                shown.len(),
                all.len()
            ));
        }
        let whole = |of: &Program<'_>| -> Vec<Column> {
            let each = of.turns.len().div_ceil(MAX_COLUMNS).max(1);
            of.turns.chunks(each).map(|turns| Column::of(model, turns)).collect()
        };
        let picture = LoopView { name: first.name.clone(), columns: whole(first), ..LoopView::default() };
        let picture = picture.drawing().element(&format!("turns of {}", first.name));
        html.push_str(&format!("<div class=\"scroll\" id=\"loop\" tabindex=\"0\" role=\"region\" aria-label=\"turns of the loop\">{picture}</div>"));
        let data: Vec<Value> = shown
            .iter()
            .map(|of| {
                let is_here = |turn: &&&Turn| part.events.contains(&turn.at);
                let turns: Vec<&Turn> = of.turns.iter().filter(is_here).copied().collect();
                let is_part = turns.len() < of.turns.len();
                let whole: Vec<Value> =
                    if is_part { whole(of) } else { Vec::new() }.iter().map(|column| row(column, texts)).collect();
                let turns: Vec<Value> = turns.iter().map(|turn| row(&Column::of(model, &[*turn]), texts)).collect();
                json!({"name": of.name, "host": of.turns.first().map(|turn| &turn.host), "whole": whole, "turns": turns})
            })
            .collect();
        html.push_str(LEGEND);
        html.push_str(&calls(model, shown));
        html.push_str(&held(model, shown, links));
        Some(Loops { data: Value::Array(data), html })
    }
}

/// What a reader of the picture must know.
const LEGEND: &str = "<p class=\"legend\">A column: one turn, or several. A bar: how long the loop waited, the number of \
    system calls, and the callbacks of one turn together; the figure at the left is a full bar. A dot: a delayed call, red if \
    it was late by more than 10 ms; of more than four, their numbers. Red: a callback held the loop, or several \
    did so together, or the program did so before the turn; above it for how long. 2!: two delayed calls or sockets \
    were kept waiting.</p>";

/// The calls to the system of each loop, by name.
fn calls(model: &Model, loops: &[Program<'_>]) -> String {
    let mut html = String::new();
    for of in loops {
        let hosts =
            loops.iter().filter(|other| other.turns.first().map(|it| &it.host) == of.turns.first().map(|it| &it.host));
        let is_all = hosts.count() == 1;
        let lines = Calls::of(model, &of.turns, is_all).lines();
        if !lines.is_empty() {
            let (name, table) = (super::escaped(&of.name), super::escaped(&lines.join("\n")));
            html.push_str(&format!(
                "<details><summary>System calls of {name}</summary><pre tabindex=\"0\">{table}</pre></details>"
            ));
        }
    }
    html
}

/// The loops of all programs, in the order in which they began.
fn loops<'a>(model: &'a Model, part: &Part) -> Vec<Program<'a>> {
    let hosts = model.hosts().into_iter().filter(|host| part.has_host(host));
    let mut loops: Vec<Program<'a>> = hosts.flat_map(|host| programs(model, host)).collect();
    for of in loops.iter_mut().filter(|of| of.name.is_empty()) {
        of.name = "the loop".to_owned();
    }
    loops
}

/// A column, as the script reads it.
fn row(column: &Column, texts: &mut Table) -> Value {
    let phases = PHASES.iter().zip(0..).filter(|((name, _), _)| column.phases.contains(name));
    let phases: u32 = phases.map(|(_, bit)| 1 << bit).sum();
    let words =
        if column.longest_words.is_empty() { json!(-1) } else { texts.text(&words::cut(&column.longest_words, 90)) };
    // Each name and its count, one behind the other.
    let of_call = column.of_call.iter().flat_map(|(name, count)| [texts.text(&words::cut(name, 30)), json!(count)]);
    let of_call: Vec<Value> = of_call.collect();
    json!([
        column.first,
        column.last,
        column.begin,
        column.end,
        column.waited,
        column.busy,
        phases,
        column.calls,
        column.callbacks,
        column.longest,
        words,
        column.timers,
        column.latest,
        column.victims,
        column.at,
        of_call,
        column.held,
        column.late,
    ])
}

/// What held these loops, the longest first, and what waited for that.
fn held(model: &Model, loops: &[Program<'_>], links: &Links<'_>) -> String {
    let mut holds = holds(model, loops.iter().flat_map(|of| &of.turns).copied());
    holds.sort_by_key(|hold| std::cmp::Reverse(hold.took));
    if holds.is_empty() {
        return "<p>Nothing held a loop for more than 10 ms.</p>".to_owned();
    }
    let mut html = "<h3>What held the loop, and what waited meanwhile</h3><ul class=\"found\">".to_owned();
    for hold in holds.iter().take(MAX_HELD) {
        let victims: String =
            hold.victims.iter().map(|victim| format!("<li>{}</li>", links.linked_beside_a_picture(victim))).collect();
        let sentence = links.linked_beside_a_picture(&hold.sentence);
        html.push_str(&format!("<li>{sentence}{}<ul>{victims}</ul></li>", super::step_to(hold.at)));
    }
    html.push_str("</ul>");
    if let Some(more) = holds.len().checked_sub(MAX_HELD).filter(|more| *more > 0) {
        html.push_str(&format!("<p>{} of the loop have no room here.</p>", words::count(more, "more hold")));
    }
    html
}
