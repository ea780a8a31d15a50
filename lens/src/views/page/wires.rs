//! The wires of a page: rows that the script draws, of all hosts of a world or of each connection of a real program.
//!
//! Next: `page.js`, which steps through the events, and `pictures.js`; then `../../cli.rs`, the command line.

use super::data::Table;
use super::part::Part;
use crate::model::Model;
use crate::views::connections::carries_bytes;
use crate::views::wire::{Carried, Row, What, Wire};
use crate::views::wire_svg::{folded, tone_of, tones};
use crate::views::words;
use serde_json::{Value, json};

/// Maximum number of rows in all wires of a page: some 100 bytes each. What is left out is said.
const MAX_ROWS: usize = 2_000;

/// Maximum number of characters of what stands at a row.
const MAX_LABEL: usize = 70;

/// The wires: of a world, or of each connection and each port for datagrams. `None` if there is none.
pub(super) fn wires(model: &Model, part: &Part, texts: &mut Table) -> Option<Value> {
    let mut left = MAX_ROWS;
    let world = Wire::of_world(model, &part.hosts.iter().map(|host| &**host).collect::<Vec<_>>());
    if !world.lanes.is_empty() {
        let wire = row_list("the hosts", with_restarts(model, world), part, &mut left, texts);
        return Some(json!([wire]));
    }
    let mut sockets: Vec<_> = model.sockets.sockets.iter().filter(|socket| carries_bytes(socket)).collect();
    sockets.retain(|socket| socket.arrows.iter().any(|arrow| part.events.contains(&arrow.at)));
    sockets.sort_by_key(|socket| std::cmp::Reverse(socket.carried()));
    let wires = sockets
        .into_iter()
        .map(|socket| row_list(&socket.name(), Wire::of_socket(model, socket), part, &mut left, texts));
    let wires: Vec<Value> = wires.collect();
    (!wires.is_empty()).then_some(Value::Array(wires))
}

/// A host that is started again: without a remark, its two programs would look like one.
fn with_restarts(model: &Model, mut wire: Wire) -> Wire {
    let mut started = Vec::new();
    for (at, event) in model.events.iter().enumerate().filter(|(_, event)| event.kind == "trace") {
        if started.contains(&&event.host)
            && let Some(lane) = wire.lanes.iter().position(|lane| *lane == event.host)
        {
            let label = "starts again: a new program".to_owned();
            wire.rows.push(Row {
                what: What::Mark(lane),
                label,
                link: None,
                range: None,
                is_read: false,
                bytes: None,
                ns: event.ns,
                at,
                seq: event.seq,
            });
        }
        started.push(&event.host);
    }
    wire.rows.sort_by_key(|row| row.at);
    wire
}

/// One wire, as the script reads it.
fn row_list(name: &str, mut wire: Wire, part: &Part, left: &mut usize, texts: &mut Table) -> Value {
    wire.rows.retain(|row| part.events.contains(&row.at));
    let rows = folded(&wire.rows);
    let shown = rows.len().min(*left);
    *left -= shown;
    let tones = tones(&rows);
    let mut row = |row: &Row| {
        let label = texts.text(&words::cut_middle(&row.label, MAX_LABEL));
        let (kind, from, to, under_way) = match row.what {
            What::Arrow { from, to, sent, carried } => {
                let kind = match carried {
                    Carried::Bytes if row.is_read => 4,
                    Carried::Bytes => 0,
                    Carried::End => 1,
                    Carried::Lost => 5,
                };
                (kind, from, to, row.ns.saturating_sub(sent))
            }
            What::Callback(lane) => (2, lane, lane, 0),
            What::Mark(lane) => (3, lane, lane, 0),
        };
        let link = row.link.map(|link| format!("connection #{link}")).unwrap_or_default();
        let range = row.range.map(|(from, to)| format!(", bytes {from}..{to}")).unwrap_or_default();
        let hint = match (under_way, format!("{link}{range}")) {
            (0, hint) if hint.is_empty() => Value::Null,
            (_, hint) => texts.text(&hint),
        };
        match (tone_of(&tones, row), &hint) {
            (Some(tone), _) => json!([row.at, kind, from, to, label, under_way, hint, tone]),
            (None, Value::Null) => json!([row.at, kind, from, to, label]),
            (None, _) => json!([row.at, kind, from, to, label, under_way, hint]),
        }
    };
    let shown: Vec<Value> = rows[..shown].iter().map(&mut row).collect();
    json!({"name": name, "lanes": wire.lanes, "left_out": rows.len() - shown.len(), "rows": shown})
}
