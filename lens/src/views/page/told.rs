//! [`told`]: an event in a few words.
//!
//! Next: `links.rs`, places in sentences.

use crate::model::{Model, Passed, short};
use crate::trace::Event;
use crate::views::words::{self, long_time, time};

/// An event, by its index, in words, with the host before it.
pub(in crate::views) fn told(model: &Model, at: usize, event: &Event) -> String {
    let text = match &*event.kind {
        "call" => call(event),
        "network" => event.text("words").to_owned(),
        kind if kind.starts_with("deferred_") || is_about_deferred(kind) => deferred(model, at, event),
        kind if is_about_socket(kind) => socket(model, at, event),
        _ => other(event),
    };
    let host = if event.host.is_empty() { event.text("at") } else { &*event.host };
    let host = if host == "--" { "" } else { host }; // It is about the whole world.
    words::one_line(&if host.is_empty() { text } else { format!("{host}: {text}") })
}

fn is_about_deferred(kind: &str) -> bool {
    matches!(
        kind,
        "step_added" | "step_begin" | "step_end" | "step_passed" | "cancel_asked" | "canceller_begin" | "canceller_end"
    ) || matches!(kind, "await_end" | "list_joined" | "list_decided" | "firers_gone")
}

fn is_about_socket(kind: &str) -> bool {
    matches!(
        kind,
        "ready"
            | "listening"
            | "connected"
            | "written"
            | "reading_paused"
            | "reading_resumed"
            | "closing"
            | "peer_ended"
            | "ended"
    )
}

fn other(event: &Event) -> String {
    let timer = || format!("delayed call {}", event.number("timer").unwrap_or(0));
    let in_time = || long_time(event.number("delay_ns").unwrap_or(0));
    match &*event.kind {
        "trace" => "the trace begins".to_owned(),
        "turn" => {
            let waits = match event.text("waits_for") {
                "nothing" => "does not wait: there is work",
                "timer" => "waits for a delayed call",
                "limit" => "waits no longer than its limit",
                _ => "waits for an event",
            };
            format!("turn {} begins and {waits}", event.turn)
        }
        "turn_end" => format!("turn {} ends", event.turn),
        "phase" => format!("phase: {}", event.phase),
        "end" => "the program of this reactor has ended".to_owned(),
        "signal" => format!("the signal {} arrives", event.text("signal")),
        "callback_begin" => format!("runs {}", event.text("words")),
        "callback_end" => {
            let how = if event.flag("panicked") { "it panicked after" } else { "it ran for" };
            format!("{how} {}", time(event.number("took_ns").unwrap_or(0)))
        }
        "timer_set" => format!("{} is requested, due in {}", timer(), in_time()),
        "timer_moved" => format!("{} is moved, due in {}", timer(), in_time()),
        "timer_cancelled" => format!("{} is cancelled", timer()),
        "resolved" => match event.text("failed") {
            "" => format!("{} has {}", event.text("name"), words::count(done(event) as usize, "address")),
            failed => format!("{} cannot be resolved: {failed}", event.text("name")),
        },
        "unhandled" => format!("nobody handled a failure: {}", result(event)),
        kind => kind.replace('_', " "),
    }
}

fn done(event: &Event) -> u64 {
    event.number("done").unwrap_or(0)
}

fn call(event: &Event) -> String {
    let call = event.text("call").replace('_', " ");
    let on = match event.number("socket").or_else(|| event.number("listener")) {
        Some(socket) => format!(" on socket {socket}"),
        None => String::new(),
    };
    let outcome = match (&*event.error(), &*call) {
        ("WouldBlock", _) => ": nothing to do (WouldBlock)".to_owned(),
        ("", "read" | "write") => {
            let peer = match (&*call, event.text("peer")) {
                (_, "") => String::new(),
                ("read", peer) => format!(" from {peer}"),
                (_, peer) => format!(" to {peer}"),
            };
            format!(": {}{peer}", words::count(done(event) as usize, "byte"))
        }
        ("", "poll") => format!(
            ": {} after {}",
            words::count(done(event) as usize, "event"),
            time(event.number("took_ns").unwrap_or(0))
        ),
        ("", _) => String::new(),
        (failed, _) => format!(" fails: {failed}"),
    };
    format!("call: {call}{on}{outcome}")
}

fn socket(model: &Model, at: usize, event: &Event) -> String {
    let number = event.number("socket").unwrap_or(0);
    let is_port = model.sockets.get_at(&event.host, number, at).is_some_and(|socket| socket.is_port);
    let name = format!("{} {number}", if is_port { "port" } else { "connection" });
    match &*event.kind {
        "ready" => {
            let what = [("readable", "to read"), ("writable", "to write"), ("broken", "but broken")];
            let what = what.into_iter().filter(|(flag, _)| event.flag(flag)).map(|(_, words)| words);
            let ended = event.flag("read_closed").then_some("the peer has ended");
            format!("{name} is ready {}", what.chain(ended).collect::<Vec<_>>().join(", "))
        }
        "listening" => format!("{name} is open at {}", event.text("address")),
        "connected" => {
            let protocol = short(event.text("protocol"));
            format!("{name} with {} is up: {protocol}", event.text("peer"))
        }
        "written" => {
            let count = words::count(event.number("count").unwrap_or(0) as usize, "byte");
            format!("writes {count} to {name}")
        }
        "reading_paused" if event.flag("full") => format!("{name} is not read for now: its peer does not read"),
        "reading_paused" => format!("{name} is not read for now"),
        "reading_resumed" => format!("{name} is read again"),
        "closing" if event.flag("half") => format!("the program ends its side of {name}"),
        "closing" => format!("the program asks for the end of {name}"),
        "peer_ended" => format!("the peer of {name} has ended its side"),
        _ => format!("{name} has ended: {}", event.text("reason")),
    }
}

/// Whether a list or a race is decided by all its inputs together.
fn is_of_all(model: &Model, event: &Event) -> bool {
    let list = event.number("deferred").and_then(|number| model.chains.chains.get(&number));
    list.zip(Passed::of(event)).is_some_and(|(list, result)| list.is_of_all_inputs(&result))
}

fn deferred(model: &Model, at: usize, event: &Event) -> String {
    let name = |key: &str| event.number(key).map(|number| model.chains.name(number)).unwrap_or_default();
    let (this, with) = (name("deferred"), result(event));
    let step = || {
        let number = event.number("step").unwrap_or(0);
        match model.chains.steps.get(&number) {
            Some(step) if !step.name.is_empty() => step.name.clone(),
            _ => number.to_string(),
        }
    };
    let index = || event.number("index").unwrap_or(0);
    match &*event.kind {
        "deferred_made" => format!("{this} is made"),
        "step_added" => {
            let what = match event.text("side") {
                side @ ("callback" | "errback") => side,
                "pair" => "pair of callbacks",
                _ => "callback for both",
            };
            format!("{what} {} is added to {this}", step())
        }
        "deferred_fired" => format!("{this} is fired with {with}"),
        "deferred_refused" if !model.chains.is_mistake(event.number("deferred").unwrap_or(0), at) => {
            format!("{this} is fired after the cancel: refused")
        }
        "deferred_refused" => format!("{this} is fired a second time: refused"),
        "deferred_ignored" => format!("{this} is fired after a cancel: ignored"),
        "step_begin" if with.is_empty() => format!("the body of {this} goes on"),
        "step_begin" => format!("callback {} of {this} begins with {with}", step()),
        "step_end" if event.flag("panicked") => format!("callback {} of {this} panics", step()),
        "step_end" if event.number("waits_for").is_some() => {
            format!("callback {} of {this} gives back {}: the chain waits", step(), name("waits_for"))
        }
        "step_end" if with.is_empty() => format!("the body of {this} stops at an await"),
        "step_end" => format!("callback {} of {this} gives back {with}", step()),
        "step_passed" => format!("callback {} of {this} is passed by", step()),
        "deferred_resumed" => format!("{this} goes on with {with}"),
        "deferred_paused" => format!("{this} is paused"),
        "deferred_unpaused" => format!("a pause of {this} ends"),
        "cancel_asked" => format!("the program cancels {this}"),
        "canceller_begin" => format!("the canceller of {this} begins"),
        "canceller_end" => format!("the canceller of {this} ends"),
        "deferred_cancelled" => format!("{this} is cancelled"),
        "deferred_awaited" if event.number("by").is_some() => format!("{} awaits {this}", name("by")),
        "deferred_awaited" => format!("{this} is awaited"),
        "await_end" => format!("the await of {this} ends with {with}"),
        "list_joined" if !with.is_empty() => format!("{this} is input {} of {}, and has {with}", index(), name("list")),
        "list_joined" => format!("{this} is input {} of {}", index(), name("list")),
        "list_decided" if is_of_all(model, event) => format!("{this} is complete with input {}: {with}", index()),
        "list_decided" => format!("input {} decides {this}: {with}", index()),
        "deferred_shares" => format!("{this} waits for the shared result of {}", name("source")),
        "deferred_will_hand_on" => format!("{this} is to hand its result on to {}", name("to")),
        "deferred_handed_on" => format!("{this} hands its result on to {}", name("to")),
        "firers_gone" => format!("the last Firer of {this} is dropped"),
        "deferred_lost" => format!("{this} can never fire, and something waits for it"),
        "deferred_gone" if event.flag("fired") => format!("{this} is dropped"),
        "deferred_gone" => format!("{this} is dropped before it fired"),
        kind => format!("{}: {this}", kind.replace('_', " ")),
    }
}

/// The result that an event has.
fn result(event: &Event) -> String {
    match (event.text("value"), event.number("failure")) {
        (_, Some(_)) => format!("{} \"{}\"", words::short_type(event.text("error_type")), event.text("error")),
        ("", None) if event.text("type").is_empty() => String::new(),
        ("", None) if event.text("type") == "()" => "()".to_owned(),
        ("", None) => format!("a {}", words::short_type(event.text("type"))),
        (value, None) => value.to_owned(),
    }
}
