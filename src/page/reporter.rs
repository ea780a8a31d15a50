//! [`Reporter`]: one server's observer, which notes what happens to it. It says what this server knows, and no more:
//! the page puts the reports of several servers together, if it has them.
//!
//! Next: `snapshot.rs`, how things stand when somebody begins to look.

use super::notes::{Kind, Notebook, Unwritten};
use crate::decimal::Time;
use crate::locations::{Known, NeighborId, Verdict};
use crate::message::{self, At, Command, Forgot};
use crate::server::Server;
use crate::watch::{Answered, HeardFrom, Stages, Watch};
use serde_json::{Value, json};
use std::fmt;
use std::net::IpAddr;
use std::rc::Rc;
use std::time::{Duration, UNIX_EPOCH};

/// The maximum length of text of a peer that a note repeats: the log has all of it.
const MAX_SHOWN: usize = 200;

/// Notes what a server does, while it is one of its observers. `docs/page.md` describes the notes.
pub struct Reporter<N> {
    server: Box<dyn Fn() -> Option<Rc<Server>>>,
    notes: Rc<N>,
}

impl<N: Notebook> Reporter<N> {
    /// The reporter of a server that may not have been made yet, or may have ended: then `server` gives `None`, and
    /// nothing is noted.
    pub fn new(server: impl Fn() -> Option<Rc<Server>> + 'static, notes: &Rc<N>) -> Reporter<N> {
        Reporter { server: Box::new(server), notes: notes.clone() }
    }

    fn note(&self, kind: Kind, fill: impl FnOnce(&Server) -> Value) {
        let Some(server) = (self.server)() else { return };
        self.notes.add(kind, || {
            let mut note = fill(&server);
            note["by"] = json!(server.name());
            note["at"] = json!(now(&server));
            note
        });
    }

    /// A note about a line, of which there are many: what `keep` gives writes it, if somebody reads it.
    fn note_unwritten(&self, keep: impl FnOnce(&Server) -> Unwritten) {
        let Some(server) = (self.server)() else { return };
        self.notes.add_unwritten(Kind::Frequent, || {
            let (by, at, write) = (server.name().to_owned(), now(&server), keep(&server));
            Box::new(move || {
                let mut note = write();
                note["by"] = json!(by);
                note["at"] = json!(at);
                note
            })
        });
    }
}

impl<N> fmt::Debug for Reporter<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reporter")
    }
}

/// A server's clock, in seconds since 1970.
pub(super) fn now(server: &Server) -> f64 {
    let time = server.reactor().system_time();
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

/// A location, as every event has it. `at` is when the server that heard it from the client did so, by its own clock.
pub fn location(at: &At<'_>) -> Value {
    json!({
        "client": text(at.iamat.client),
        "server": text(at.server),
        "latitude": degrees(&at.iamat.location.latitude()),
        "longitude": degrees(&at.iamat.location.longitude()),
        "time": text(at.iamat.time_text),
        "difference": text(at.difference),
        "heard": at.clock().map(seconds),
    })
}

/// Bytes of a peer as text, as near as JSON can have them.
pub(super) fn text(bytes: &[u8]) -> String {
    let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(MAX_SHOWN)]);
    if bytes.len() > MAX_SHOWN { format!("{shown} ...") } else { shown.into_owned() }
}

fn degrees(number: &str) -> Option<f64> {
    number.parse().ok()
}

fn seconds(time: Time) -> f64 {
    time.to_string().parse().unwrap_or_default()
}

/// The name of what was decided about a version of this time. Only a rule that does not ship takes what is older.
fn verdict_name(verdict: &Verdict, time: Time) -> &'static str {
    match verdict {
        Verdict::Newer(_) if held(verdict).is_some_and(|held| held > time) => "older_taken",
        Verdict::Newer(_) => "newer",
        Verdict::Same => "same",
        Verdict::Older(_) => "older",
        Verdict::NoRoom => "no_room",
        Verdict::Forgotten => "too_old",
        Verdict::BeyondShare => "beyond_share",
    }
}

/// The time of the version that a newly taken one has replaced.
fn held(verdict: &Verdict) -> Option<Time> {
    match verdict {
        Verdict::Newer(change) => change.before.as_ref().map(|before| before.time),
        _ => None,
    }
}

/// A time without the zeros at its end, as clients mostly write it.
fn plain(time: Time) -> String {
    let text = time.to_string();
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

fn source(from: HeardFrom, server: &Server) -> Value {
    match from {
        HeardFrom::Client => json!("client"),
        HeardFrom::Unnamed => Value::Null,
        HeardFrom::Neighbor(neighbor) => json!(server.links()[neighbor].name()),
    }
}

impl<N: Notebook> Watch for Reporter<N> {
    fn heard(&self, at: &At<'_>, line: &[u8], from: HeardFrom, verdict: &Verdict) {
        self.note_unwritten(|server| {
            let (line, from) = (line.to_owned(), source(from, server));
            let (held, verdict) = (held(verdict), verdict_name(verdict, at.iamat.time));
            Box::new(move || {
                let mut note = match message::parse(&line) {
                    Ok(Command::At(at)) => location(&at),
                    _ => json!({}),
                };
                note["kind"] = json!("heard");
                note["from"] = from.clone();
                note["verdict"] = json!(verdict);
                note["held"] = json!(held.map(plain));
                note
            })
        });
    }

    fn stored(&self, at: &At<'_>, _line: &[u8], is_news: bool) {
        self.note(Kind::Frequent, |_| {
            let mut note = location(at);
            note["kind"] = json!("stored");
            note["verdict"] = json!(if is_news { "newer" } else { "older" });
            note
        });
    }

    fn moved(&self, known: &Known) {
        self.note(Kind::Frequent, |_| json!({ "kind": "moved", "client": text(&known.client) }));
    }

    fn heard_forgot(&self, forgot: &Forgot<'_>, _line: &[u8], from: HeardFrom, verdict: &Verdict) {
        self.note(Kind::Frequent, |server| {
            json!({
                "kind": "heard_forgot",
                "client": text(forgot.client),
                "server": text(forgot.server),
                "time": text(forgot.time_text),
                "from": source(from, server),
                "verdict": verdict_name(verdict, forgot.time),
            })
        });
    }

    fn forgot(&self, known: &Known) {
        self.note(Kind::Frequent, |_| json!({ "kind": "forgot", "client": text(&known.client) }));
    }

    fn told(&self, neighbor: NeighborId, line: &[u8]) {
        self.note_unwritten(|server| {
            let (line, to) = (line.to_owned(), server.links()[neighbor].name().to_owned());
            Box::new(move || {
                let (what, client, time) = match message::parse(&line) {
                    Ok(Command::At(at)) => ("location", at.iamat.client, at.iamat.time_text),
                    Ok(Command::Forgot(forgot)) => ("forgot", forgot.client, forgot.time_text),
                    _ => ("other", &b""[..], &b""[..]),
                };
                json!({ "kind": "told", "what": what, "to": to, "client": text(client), "time": text(time) })
            })
        });
    }

    fn linked(&self, neighbor: NeighborId) {
        self.note(Kind::Rare, |server| json!({ "kind": "linked", "to": server.links()[neighbor].name() }));
    }

    fn told_back(&self, neighbor: NeighborId) {
        self.note(Kind::Rare, |server| json!({ "kind": "told_back", "to": server.links()[neighbor].name() }));
    }

    fn refused(&self, line: &[u8], peer: Option<IpAddr>, why: &dyn fmt::Display) {
        self.note(Kind::Rare, |_| {
            let peer = peer.map(|peer| peer.to_canonical().to_string());
            json!({ "kind": "refused", "line": text(line), "peer": peer, "why": why.to_string() })
        });
    }

    fn answered(&self, answered: &Answered<'_>) {
        self.note(Kind::Rare, |_| {
            json!({
                "kind": "answered",
                "client": text(answered.client),
                "latitude": degrees(answered.latitude),
                "longitude": degrees(answered.longitude),
                "radius": degrees(answered.radius),
                "bound": answered.bound,
                "seconds": answered.took.as_secs_f64(),
                "outcome": answered.outcome.name(),
                "stages": stages(&answered.stages),
                "places": places(answered.places),
            })
        });
    }
}

/// Where the time went, in seconds.
fn stages(stages: &Stages) -> Value {
    let Stages { queue, name, connect, tls, wait, body } = *stages;
    let seconds = |stage: Option<Duration>| stage.map(|stage| stage.as_secs_f64());
    json!({
        "queue": seconds(queue),
        "name": seconds(name),
        "connect": seconds(connect),
        "tls": seconds(tls),
        "wait": seconds(wait),
        "body": seconds(body),
    })
}

/// Name and location of each place in a reply.
fn places(reply: &[u8]) -> Vec<Value> {
    let Ok(Value::Object(reply)) = serde_json::from_slice(reply) else { return Vec::new() };
    let results = reply.get("results").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let place = |place: &Value| {
        let location = &place["geometry"]["location"];
        let name = place["name"].as_str().map(|name| text(name.as_bytes()));
        json!({ "name": name, "latitude": location["lat"], "longitude": location["lng"] })
    };
    results.iter().map(place).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_of_a_reply_have_a_name_and_a_location() {
        let reply = br#"{"results":[{"name":"x","geometry":{"location":{"lat":1.5,"lng":-2}}},{}],"status":"OK"}"#;
        let [first, second] = &places(reply)[..] else { panic!() };
        assert_eq!(first, &json!({ "name": "x", "latitude": 1.5, "longitude": -2 }));
        assert_eq!(second, &json!({ "name": null, "latitude": null, "longitude": null }));
        assert_eq!(places(b"[]").len() + places(b"{").len() + places(b"{}").len(), 0);
    }

    #[test]
    fn a_location_is_what_its_line_says() {
        let Ok(Command::At(at)) = message::parse(b"AT Powell +0.250000000 k\xff +34.5-118 1000.5") else { panic!() };
        let expected = json!({
            "client": "k\u{fffd}", "server": "Powell", "latitude": 34.5, "longitude": -118.0, "time": "1000.5",
            "difference": "+0.250000000", "heard": 1000.75,
        });
        assert_eq!(location(&at), expected);
        assert_eq!(text(&[b'x'; 300]).len(), MAX_SHOWN + 4);
        assert_eq!(plain(at.iamat.time), "1000.5");
    }
}
