//! `proxyherd status`: how the servers of the herd are. A server on this machine tells all about itself by its control
//! socket; of any other one, anybody can see only whether it answers.
//!
//! Next: `cli/watch.rs`, the command that shows what a server hears.

use super::event_loop::short_lived_event_loop;
use super::outcome::{Error, print};
use super::reach::Way;
use super::talk;
use crate::config::Config;
use crate::terminal;
use reactor::deferred::{Others, gather_results};
use reactor::{Deferred, Reactor};
use serde_json::{Value, json};
use std::fmt::Write;
use std::path::PathBuf;
use std::time::Duration;

/// How long a server may take to answer.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Not a command of the herd. Every server sends it back, so it shows that a server is there. There it counts as a
/// malformed one.
const PROBE: &str = "STATUS\n";

/// Which servers to ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusOptions {
    /// A name in the configuration, or `host:port`; `None` is every server of the herd.
    pub server: Option<String>,
    /// The configuration file.
    pub config: Option<PathBuf>,
    /// Whether each server's status is printed as one JSON object on a line.
    pub json: bool,
}

/// Asks all at once, and prints.
pub(super) fn run(options: &StatusOptions) -> Result<(), Error> {
    let config = Config::read_or_default(options.config.as_deref()).map_err(|error| error.to_string())?;
    let reactor = short_lived_event_loop()?;
    let ways = Way::all(&reactor, &config, options.server.as_deref())?;
    let asked = ways.into_iter().map(|way| ask(&reactor, &config, way)).collect::<Vec<_>>();
    let all = gather_results(asked, Others::Cancel);
    let all = reactor.run_until(all).map_err(|_| "ended before all servers had answered".to_owned())?;
    let mut wrong = Vec::new();
    for status in &all {
        let text = if options.json { format!("{status}\n") } else { in_words(status) };
        print(terminal::in_json(&text).as_bytes());
        wrong.extend(what_is_wrong(status));
    }
    if wrong.is_empty() { Ok(()) } else { Err(Error::Failed(wrong.join("; "))) }
}

/// The status of one server as JSON. The Deferred does not fail.
fn ask(reactor: &Reactor, config: &Config, way: Way) -> Deferred<Value> {
    let Some(control) = Way::to_control(config, &way.name) else { return probe(reactor, &way) };
    let (clock, began) = (reactor.clone(), reactor.now());
    let told = talk::ask(reactor, &control, "status\n".to_owned(), TIMEOUT);
    told.add_both(move |told| {
        let seconds = clock.now().saturating_duration_since(began).as_secs_f64();
        match told.map(|text| serde_json::from_slice::<Value>(&text)) {
            Ok(Ok(mut status)) if status["server"] == json!(way.name) => {
                status["answers"] = json!(true);
                status["seconds"] = json!(seconds);
                Deferred::from_result(Ok(status))
            }
            // A server that was killed leaves its file behind.
            other => {
                let why =
                    other.map_or_else(|failure| failure.to_string(), |_| "it is not a server of this name".to_owned());
                probe(&clock, &way).add_callback(move |mut probed| {
                    probed["control"] = json!(why);
                    Ok(probed)
                })
            }
        }
    })
}

/// Whether a server answers, as JSON, and in how many seconds. The Deferred does not fail.
fn probe(reactor: &Reactor, way: &Way) -> Deferred<Value> {
    let (clock, began, name) = (reactor.clone(), reactor.now(), way.name.clone());
    talk::ask(reactor, way, PROBE.to_owned(), TIMEOUT).add_both(move |reply| {
        let seconds = clock.now().saturating_duration_since(began).as_secs_f64();
        Ok(match reply {
            Ok(reply) if reply.starts_with(b"? ") => json!({ "server": name, "answers": true, "seconds": seconds }),
            Ok(_) => json!({ "server": name, "answers": false, "error": "it is not a server of a herd" }),
            Err(failure) => json!({ "server": name, "answers": false, "error": failure.to_string() }),
        })
    })
}

/// What an operator should look at.
fn what_is_wrong(status: &Value) -> Vec<String> {
    let name = text(&status["server"]);
    let mut wrong = Vec::new();
    if status["answers"] != json!(true) {
        wrong.push(format!("{name} does not answer"));
    }
    for link in status["links"].as_array().into_iter().flatten().filter(|link| link["up"] != json!(true)) {
        wrong.push(format!("{name}'s link to {} is down", text(&link["neighbor"])));
    }
    for link in status["links"].as_array().into_iter().flatten().filter(|link| link["silent"] == json!(true)) {
        wrong.push(format!("{} says nothing on {name}'s link to it", text(&link["neighbor"])));
    }
    let store = &status["store"];
    let why = store["why"].as_str().map(|why| format!(": {}", terminal::in_one_line(why))).unwrap_or_default();
    match store["lost"].as_u64() {
        Some(lost) if lost > 0 && Some(lost) == store["buckets"].as_u64() => {
            wrong.push(format!("{name} has lost the store{why}"));
        }
        Some(lost) if lost > 0 => wrong.push(format!("{name} has lost a part of the store{why}")),
        Some(_) if store["connected"] == json!(false) => {
            wrong.push(format!("{name} is not connected to the store{why}"));
        }
        _ => {}
    }
    match store["foreign_keys"].as_u64() {
        None | Some(0) => {}
        Some(1) => wrong.push(format!("the store refuses a client of {name}, because its key has something else")),
        Some(count) => {
            wrong.push(format!("the store refuses {count} clients of {name}, because their keys have something else"));
        }
    }
    wrong
}

/// The status for a person to read.
fn in_words(status: &Value) -> String {
    let mut words = text(&status["server"]).to_owned();
    match status["error"].as_str() {
        Some(error) => write!(words, ": does not answer: {}", terminal::in_one_line(error)).unwrap_or_default(),
        None => write!(words, ": answers in {}", span(&status["seconds"])).unwrap_or_default(),
    }
    if let Some(error) = status["control"].as_str() {
        write!(words, "; its control socket does not: {}", terminal::in_one_line(error)).unwrap_or_default();
    }
    words.push('\n');
    if status["uptime"].is_null() {
        return words;
    }
    let mut line = |label: &str, value: String| {
        if !value.is_empty() {
            words += &format!("  {label:<13} {value}\n");
        }
    };
    line("up for", format!("{} (version {})", span(&status["uptime"]), text(&status["version"])));
    line("clients", status["clients"].to_string());
    line("connections", status["connections"].to_string());
    for link in status["links"].as_array().into_iter().flatten() {
        let state = match (&link["up"], &link["silent"]) {
            (Value::Bool(true), Value::Bool(true)) => "up and silent",
            (Value::Bool(true), _) => "up",
            _ => "down",
        };
        let kind = if link["tls"] == json!(true) { "TLS" } else { "clear text" };
        let (inbound, waiting) = (&link["inbound"], &link["waiting"]);
        let what = format!("{state} for {}, {kind}, {inbound} inbound, {waiting} waiting", span(&link["seconds"]));
        line(&format!("link {}", text(&link["neighbor"])), what);
    }
    let store = &status["store"];
    if store.is_object() {
        let (lost, buckets) = (&store["lost"], &store["buckets"]);
        let (owed, remembered) = (&store["owed"], &store["remembered"]);
        let connected = match (&store["connected"], lost.as_u64()) {
            (Value::Bool(false), _) => "not connected,",
            (_, None | Some(0)) => "connected,",
            _ => "connected, but",
        };
        let what = format!("{connected} {lost} of {buckets} buckets lost, {owed} owed to it, {remembered} remembered");
        line("store", what);
        if let Some(count) = store["foreign_keys"].as_u64().filter(|count| *count > 0) {
            line("store refuses", format!("clients whose keys have something else: {count}"));
        }
        if let Some(why) = store["why"].as_str() {
            line("store lost", format!("for {}: {}", span(&store["seconds"]), terminal::in_one_line(why)));
        }
        line("offers", numbers(&store["counters"]));
    }
    line("commands", numbers(&status["counters"]));
    line("refused", numbers(&status["refused"]));
    line("log lacks", numbers(&status["log"]));
    if let Some(what) = status["longest_callback"]["what"].as_str() {
        let what = terminal::in_one_line(what);
        line("longest call", format!("{}: {what}", span(&status["longest_callback"]["seconds"])));
    }
    let memory = status["memory"].as_u64().map(|bytes| format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20)));
    line("memory", memory.unwrap_or_default());
    if let Some(open) = status["descriptors"].as_u64() {
        line("descriptors", format!("{open} of {}", status["descriptors_allowed"]));
    }
    words
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// Those numbers of an object that are not zero: `12 iamat, 3 whatsat`.
fn numbers(object: &Value) -> String {
    let all = object.as_object().into_iter().flatten();
    let some = all.filter(|(_, number)| number.as_u64() != Some(0));
    let some: Vec<String> = some.map(|(name, number)| format!("{number} {}", name.replace('_', " "))).collect();
    if some.is_empty() { "none".to_owned() } else { some.join(", ") }
}

/// Seconds in words. Of more than a second the fraction does not matter.
fn span(seconds: &Value) -> String {
    let seconds = Duration::try_from_secs_f64(seconds.as_f64().unwrap_or_default()).unwrap_or_default();
    let shown = match seconds.as_secs() {
        0 if seconds < Duration::from_millis(10) => {
            Duration::from_micros(u64::try_from(seconds.as_micros()).unwrap_or_default())
        }
        0 => Duration::from_millis(u64::try_from(seconds.as_millis()).unwrap_or_default()),
        whole => Duration::from_secs(whole),
    };
    humantime::format_duration(shown).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_is_down_is_wrong() {
        let link = |up: bool| json!({ "neighbor": "Bolden", "up": up });
        let status = |answers: bool, up: bool| json!({ "server": "Powell", "answers": answers, "links": [link(up)] });
        assert_eq!(what_is_wrong(&status(true, true)), [""; 0]);
        assert_eq!(what_is_wrong(&status(false, true)), ["Powell does not answer"]);
        assert_eq!(what_is_wrong(&status(true, false)), ["Powell's link to Bolden is down"]);
        let store = |connected: bool, lost: u64| {
            let store = json!({ "connected": connected, "buckets": 9, "lost": lost, "why": "gone" });
            what_is_wrong(&json!({ "server": "Powell", "answers": true, "store": store })).concat()
        };
        assert_eq!(store(true, 0), "");
        assert_eq!(store(false, 0), "Powell is not connected to the store: gone");
        assert_eq!(store(true, 1), "Powell has lost a part of the store: gone");
        assert_eq!(store(false, 9), "Powell has lost the store: gone");
        let store = |count: u64| json!({ "connected": true, "buckets": 9, "lost": 0, "foreign_keys": count });
        let wrong =
            |count| what_is_wrong(&json!({ "server": "Powell", "answers": true, "store": store(count) })).concat();
        assert_eq!(wrong(0), "");
        assert_eq!(wrong(2), "the store refuses 2 clients of Powell, because their keys have something else");
    }

    #[test]
    fn a_status_in_words_cannot_command_a_terminal() {
        let status = json!({ "server": "Powell", "answers": false, "error": "a\u{1b}[2Jb\nc" });
        assert_eq!(in_words(&status), "Powell: does not answer: a [2Jb c\n");
    }

    #[test]
    fn only_what_has_happened_is_listed() {
        assert_eq!(numbers(&json!({ "not_taken": 2, "malformed": 0 })), "2 not taken");
        assert_eq!(numbers(&json!({ "malformed": 0 })), "none");
        assert_eq!(span(&json!(3661.5)), "1h 1m 1s");
        assert_eq!(span(&json!(0.0012)), "1ms 200us");
        assert_eq!(span(&json!(0.056_115)), "56ms");
    }

    #[test]
    fn a_long_label_stands_apart_from_its_words() {
        let store =
            json!({ "connected": true, "lost": 2, "buckets": 9, "owed": 1, "remembered": 0, "foreign_keys": 1 });
        let link = json!({ "neighbor": "Hamilton", "up": true, "seconds": 5, "inbound": 1, "waiting": 0 });
        let status = json!({ "server": "Powell", "seconds": 0, "uptime": 5, "links": [link], "store": store });
        let words = in_words(&status);
        assert!(words.contains("\n  link Hamilton up for 5s, clear text, 1 inbound, 0 waiting\n"), "{words}");
        assert!(words.contains("\n  store         connected, but 2 of 9 buckets lost, 1 owed to it"), "{words}");
        assert!(words.contains("\n  store refuses clients whose keys"), "{words}");
    }
}
