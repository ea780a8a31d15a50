//! [`steps`]: one turn of a loop, step by step.
//!
//! Next: `calls.rs`, the calls to the system, by name.

use super::{page, words};
use crate::Event;
use crate::model::{Model, Turn};

/// Maximum number of characters of a step: it stands behind its time.
pub(super) const MAX_STEP: usize = 68;

/// Everything in one turn, with the time since it began.
pub(super) fn steps(model: &Model, turn: &Turn) -> Vec<(u64, usize, String)> {
    let events = model.events.iter().enumerate().skip(turn.at).filter(|(_, event)| event.host == turn.host);
    let mut depth = 0;
    let mut steps = Vec::new();
    for (at, event) in events.take_while(|(_, event)| event.turn == turn.number) {
        if at > turn.at && event.kind == "trace" {
            break; // The host is started again.
        }
        let socket = event.number("socket").map(|socket| format!(" on {socket}")).unwrap_or_default();
        let text = match event.kind.as_str() {
            "phase" => format!("── {}", event.phase),
            "call" => {
                let failed = event.error();
                let outcome = if failed.is_empty() { event.number("done").unwrap_or(0).to_string() } else { failed };
                format!("{}{socket}: {outcome}", event.text("call"))
            }
            "callback_begin" => event.text("words").to_owned(),
            "callback_end" => {
                depth -= usize::from(depth > 0);
                format!("took {}", words::time(event.number("took_ns").unwrap_or(0)))
            }
            "turn_end" => "── the turn is over".to_owned(),
            "network" => event.text("words").to_owned(),
            _ => in_words(model, at, event, MAX_STEP.saturating_sub(2 * depth)),
        };
        steps.push((event.ns - turn.begin.min(event.ns), depth, text));
        depth += usize::from(event.kind == "callback_begin");
        if event.kind == "turn_end" {
            break;
        }
    }
    steps
}

/// An event in words, with its place behind them if it has one.
fn in_words(model: &Model, at: usize, event: &Event, room: usize) -> String {
    let told = page::told(model, at, event);
    let told = told.strip_prefix(&format!("{}: ", event.host)).unwrap_or(&told);
    match page::place_of(model, at, event).map(words::short_place) {
        None | Some("") => told.to_owned(),
        Some(place) => {
            let room = room.saturating_sub(place.chars().count() + 3);
            format!("{} ({place})", words::cut_quoted(told, room))
        }
    }
}
