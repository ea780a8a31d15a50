//! [`Verdict`]: what is wrong in a trace, in sentences, the worst first.
//!
//! ```text
//! data_received of a connection held the loop for 50.2 ms (examples/x.rs:12). Meanwhile these waited:
//!   1 timer, up to 48.1 ms late: requested at examples/x.rs:20
//!   2 sockets that were ready: connection 4 with 127.0.0.1:40112 ...
//! ```
//!
//! Next: `views/mod.rs`, the pictures.

use crate::model::{Callback, Chain, Happened, Model, Passed, Socket};
use crate::views::{Ink, Text, words};
use std::collections::BTreeMap;

/// A callback that holds the loop longer is told.
pub const SLOW: u64 = 10_000_000;

/// A peer is told that does not read for longer.
pub const FULL: u64 = 1_000_000_000;

/// Maximum number of findings of one kind that are told one by one. The others are counted.
pub const MAX_TOLD: usize = 10;

/// Maximum number of victims that are named.
const MAX_VICTIMS: usize = 8;

/// A storm is at least this many calls, of which more than half have found nothing to do.
const STORM: u64 = 100;

/// What a finding is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum About {
    /// A callback held the loop.
    Held,
    /// A callback panicked.
    Panic,
    /// Nobody handled a failure.
    Unhandled,
    /// A Deferred never fired.
    NeverFired,
    /// A Deferred was fired twice.
    FiredTwice,
    /// A peer does not read.
    DoesNotRead,
    /// A connection was left open when the program ended.
    Leaked,
    /// Calls to the system that find nothing to do, again and again.
    Storm,
    /// The system has no descriptor left.
    NoDescriptors,
}

/// Something that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What it is about.
    pub about: About,
    /// The sentence.
    pub sentence: String,
    /// More lines.
    pub details: Vec<String>,
    /// The place in the source to look at.
    pub place: String,
    /// How long, in nanoseconds, if it is about a time.
    pub took: u64,
    /// The event at which to look.
    pub at: usize,
}

/// What is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// The worst first.
    pub findings: Vec<Finding>,
    /// What the trace is, in a sentence.
    pub summary: String,
}

impl Verdict {
    /// Looks for everything.
    pub fn new(model: &Model) -> Verdict {
        let mut findings = Vec::new();
        findings.extend(held(model));
        findings.extend(panics(model));
        findings.extend(unhandled(model));
        findings.extend(deferreds(model));
        findings.extend(sockets(model));
        findings.extend(storms(model));
        findings.sort_by_key(|finding| (finding.about, std::cmp::Reverse(finding.took), finding.at));
        Verdict { findings, summary: summary(model) }
    }

    /// Whether nothing is wrong.
    pub fn is_clean(&self) -> bool {
        self.findings.is_empty()
    }

    /// As text without colours.
    pub fn to_text(&self) -> String {
        self.text().plain()
    }

    /// As text.
    pub fn text(&self) -> Text {
        let mut out = Text::default();
        out.line(Ink::Title, &self.summary);
        out.line(Ink::Plain, "");
        if self.is_clean() {
            out.line(Ink::Value, "Nothing is wrong in it.");
        }
        let mut told: BTreeMap<About, usize> = BTreeMap::new();
        for finding in &self.findings {
            let count = told.entry(finding.about).or_default();
            *count += 1;
            if *count <= MAX_TOLD {
                out.block(Ink::Wrong, &wrapped(&format!("* {}", finding.sentence), 2));
                finding.details.iter().for_each(|line| out.block(Ink::Victim, &wrapped(&format!("    {line}"), 6)));
            }
        }
        for (about, count) in told.into_iter().filter(|(_, count)| *count > MAX_TOLD) {
            out.line(Ink::Wrong, &format!("* {:?}: {} more of these.", about, count - MAX_TOLD));
        }
        out
    }
}

/// Breaks a text into lines of 80 columns; the lines after the first begin with spaces.
fn wrapped(text: &str, indent: usize) -> String {
    let mut out = String::new();
    let mut line = text.chars().take_while(|char| *char == ' ').collect::<String>();
    for word in text.split_whitespace() {
        let is_first = line.trim().is_empty();
        if !is_first && line.chars().count() + 1 + word.chars().count() > 80 {
            out.push_str(&(line + "\n"));
            line = " ".repeat(indent);
        } else if !is_first {
            line.push(' ');
        }
        line.push_str(word);
    }
    out + &line + "\n"
}

fn summary(model: &Model) -> String {
    let hosts: Vec<_> = model.hosts().into_iter().filter(|host| !host.is_empty()).collect();
    let length = model.events.last().map_or(0, |event| event.ns);
    let mut text = format!(
        "{} in {}: {}, {}, {}, {}",
        words::count(model.events.len(), "event"),
        words::time(length),
        words::count(model.turns.turns.len(), "turn"),
        words::count(model.turns.callbacks.len(), "callback"),
        words::count(model.sockets.sockets.iter().filter(|socket| socket.connected.is_some()).count(), "connection"),
        words::count(model.chains.chains.len(), "Deferred"),
    );
    if !hosts.is_empty() {
        text.push_str(&format!(", on {}", words::count(hosts.len(), "host")));
    }
    text + if model.is_cut { ". The trace ends before the program." } else { "." }
}

/// Callbacks that held the loop, and what had to wait for them.
fn held(model: &Model) -> Vec<Finding> {
    let outermost = model.turns.callbacks.iter().filter(|callback| callback.outer.is_none() && callback.took > SLOW);
    outermost
        .map(|callback| {
            let mut details = victims(model, callback);
            let waited = if details.is_empty() { "Nothing else waited meanwhile." } else { "Meanwhile these waited:" };
            let sentence = format!("{} {waited}", sentence(callback));
            details.extend(slow_steps(model, callback));
            let place = callback.place.clone();
            Finding { about: About::Held, sentence, details, place, took: callback.took, at: callback.at }
        })
        .collect()
}

/// The same, with the time first: for a line that may be cut.
pub(crate) fn headline(callback: &Callback) -> String {
    format!("{} held by {}", words::time(callback.took), who(callback))
}

/// That it held the loop.
fn sentence(callback: &Callback) -> String {
    format!("{} held the loop for {}.", who(callback), words::time(callback.took))
}

fn who(callback: &Callback) -> String {
    let place = words::line_of(&callback.place);
    let host = if callback.host.is_empty() { String::new() } else { format!("on {}: ", callback.host) };
    match callback.words.contains(place) && !place.is_empty() {
        true => format!("{host}{}", callback.words),
        false if place.is_empty() => format!("{host}{}", callback.words),
        false => format!("{host}{} ({place})", callback.words),
    }
}

/// The callbacks of Deferreds that took most of the time in a callback of the loop.
fn slow_steps(model: &Model, callback: &Callback) -> Vec<String> {
    let (begin, end) = (callback.begin, callback.begin + callback.took);
    let mut slow = Vec::new();
    for step in model.chains.steps.values() {
        if let crate::model::StepState::Ran(run) = &step.state
            && run.begin >= begin
            && run.end <= end
            && run.end - run.begin > callback.took / 2
        {
            let took = words::time(run.end - run.begin);
            slow.push(format!("{took} of it in the callback added at {}", words::line_of(&step.place)));
        }
    }
    slow
}

/// What waited while a callback held the loop: timers that became due, sockets that became ready.
pub(crate) fn victims(model: &Model, callback: &Callback) -> Vec<String> {
    let (begin, end) = (callback.begin, callback.begin + callback.took);
    let mut lines = Vec::new();
    let mut late: Vec<(u64, &str)> = Vec::new();
    for timer in model.timers.timers.iter().filter(|timer| timer.host == callback.host) {
        let was_made = timer.made.map_or(u64::MAX, |(at, _)| at);
        let is_gone = timer.cancelled.is_some_and(|at| at <= end);
        if timer.due >= begin && timer.due < end && was_made >= end && !is_gone && timer.set <= end {
            let until = timer.made.map_or(end, |(at, _)| at);
            late.push((until - timer.due, &timer.place));
        }
    }
    late.sort_unstable_by(|one, other| other.cmp(one));
    for (by, place) in late.iter().take(MAX_VICTIMS) {
        lines.push(format!("a timer, {} late: requested at {}", words::time(*by), words::line_of(place)));
    }
    if late.len() > MAX_VICTIMS {
        lines.push(format!("{} more timers", late.len() - MAX_VICTIMS));
    }
    let sockets = waiting_sockets(model, callback);
    for (since, socket) in sockets.iter().take(MAX_VICTIMS) {
        lines.push(match since {
            Some(since) => {
                format!("{}: it had been ready for {}", socket.name(), words::time(end.saturating_sub(*since)))
            }
            None => format!(
                "{}: the next wait found it ready; it may have been so for {}",
                socket.name(),
                words::time(callback.took)
            ),
        });
    }
    if sockets.len() > MAX_VICTIMS {
        lines.push(format!("{} more sockets", sockets.len() - MAX_VICTIMS));
    }
    lines
}

/// The sockets that a callback kept waiting, and since when each was ready. The wait before the callback found some of
/// them: they were ready by then, and other callbacks of the turn may have kept them waiting, too. For those that the next
/// wait finds at once, the time is not known.
fn waiting_sockets<'a>(model: &'a Model, callback: &Callback) -> Vec<(Option<u64>, &'a Socket)> {
    let Some(turn) = model.turns.turn(&callback.host, callback.turn) else { return Vec::new() };
    let Some(end_at) = callback.end_at else { return Vec::new() };
    let is_own = |event: &crate::Event| event.host == callback.host;
    let mut found: Vec<(Option<u64>, &Socket)> = Vec::new();
    let add = |number: u64, since: Option<u64>, found: &mut Vec<(Option<u64>, &'a Socket)>| {
        if Some(number) != callback.socket
            && let Some(socket) = model.sockets.get(&callback.host, number)
            && !found.iter().any(|(_, known)| known.number == number)
        {
            found.push((since, socket));
        }
    };
    // Found by the wait of its own turn, and served after it.
    let ready = model.events[turn.at..callback.at].iter().filter(|event| is_own(event) && event.kind == "ready");
    for event in ready {
        let number = event.number("socket").unwrap_or(0);
        let is_served = |event: &&crate::Event| {
            is_own(event) && event.kind == "call" && event.number("socket").or(event.number("listener")) == Some(number)
        };
        if !model.events[turn.at..callback.at].iter().any(|event| is_served(&event)) {
            add(number, Some(turn.woke), &mut found);
        }
    }
    // Found by the next wait, which did not have to wait.
    let next = model.events[end_at..].iter().filter(|event| is_own(event));
    let next: Vec<_> = next.skip_while(|event| event.kind != "turn" && event.kind != "end").take(64).collect();
    let poll = next.iter().position(|event| event.text("call") == "poll");
    if let Some(poll) = poll
        && next[poll].number("took_ns").unwrap_or(0) < callback.took / 4
    {
        for event in next[poll + 1..].iter().take_while(|event| event.kind == "ready") {
            add(event.number("socket").unwrap_or(0), None, &mut found);
        }
    }
    found
}

fn panics(model: &Model) -> impl Iterator<Item = Finding> {
    model.turns.callbacks.iter().filter(|callback| callback.panicked || callback.spared > 0).map(|callback| Finding {
        about: About::Panic,
        sentence: format!("{} panicked.", who(callback)),
        details: Vec::new(),
        place: callback.place.clone(),
        took: 0,
        at: callback.at,
    })
}

fn unhandled(model: &Model) -> impl Iterator<Item = Finding> {
    model.chains.unhandled.iter().map(|(at, failure, story)| {
        let raised = match failure {
            Passed::Failure { raised, .. } => raised.clone(),
            Passed::Value { .. } => String::new(),
        };
        Finding {
            about: About::Unhandled,
            sentence: format!(
                "Nobody handled a failure: {}. It was raised at {}.",
                words::passed(failure),
                words::line_of(&raised)
            ),
            details: story.lines().skip(2).map(|line| line.trim().to_owned()).collect(),
            place: raised,
            took: 0,
            at: *at,
        }
    })
}

fn deferreds(model: &Model) -> Vec<Finding> {
    let mut findings = Vec::new();
    let chains = &model.chains;
    for chain in chains.chains.values() {
        let at = chain.log.first().map_or(0, |event| event.at);
        // The far end of all the waiting is told, with what waits for it.
        if chains.is_unfired(chain) && chain.waits_for.is_none() && !chain.is_list() {
            let details = waiters(model, chain);
            let why = match (chain.is_lost, model.has_ended(&chain.host)) {
                (true, _) => "can never fire: its last Firer was dropped",
                (false, true) => "never fired before the end",
                (false, false) => continue, // It may still fire.
            };
            let place = chain.place.clone();
            let sentence = format!("{}, made at {}, {why}.", chains.name(chain.number), words::line_of(&place));
            findings.push(Finding { about: About::NeverFired, sentence, details, place, took: 0, at });
        }
        for event in &chain.log {
            if let Happened::Refused(first) = &event.what
                && !chains.is_cancelled(chain.number)
            {
                let (name, here, first) =
                    (chains.name(chain.number), words::line_of(&event.place), words::line_of(first));
                findings.push(Finding {
                    about: About::FiredTwice,
                    sentence: format!(
                        "{name} was fired a second time at {here}: that result is lost. The first time was at {first}."
                    ),
                    details: Vec::new(),
                    place: event.place.clone(),
                    took: 0,
                    at: event.at,
                });
            }
        }
    }
    findings
}

/// What waits for a Deferred, and what waits for that.
fn waiters(model: &Model, chain: &Chain) -> Vec<String> {
    let mut lines = Vec::new();
    let mut current = chain;
    for _ in 0..MAX_VICTIMS {
        let waiting = current.steps.iter().filter_map(|step| model.chains.steps.get(step));
        let count = waiting.filter(|step| step.state == crate::model::StepState::Waits).count();
        if count > 0 {
            lines.push(format!("{} waits in {}", words::count(count, "callback"), model.chains.name(current.number)));
        }
        let Some(outer) = current.inner_of.or(current.list).and_then(|outer| model.chains.chains.get(&outer)) else {
            break;
        };
        lines.push(format!(
            "{}, made at {}, waits for it",
            model.chains.name(outer.number),
            words::line_of(&outer.place)
        ));
        current = outer;
    }
    lines
}

fn sockets(model: &Model) -> Vec<Finding> {
    let end = model.events.last().map_or(0, |event| event.ns);
    let mut findings = Vec::new();
    for socket in &model.sockets.sockets {
        let at = socket.arrows.first().map_or(0, |arrow| arrow.at);
        let host = if socket.host.is_empty() { String::new() } else { format!("On {}: ", socket.host) };
        let mut add = |about, sentence: String, took| {
            let (details, place) = (Vec::new(), socket.place.clone());
            findings.push(Finding { about, sentence: format!("{host}{sentence}"), details, place, took, at });
        };
        let full = socket.full_for + socket.full_since.map_or(0, |since| end.saturating_sub(since));
        if full > FULL {
            let waits =
                if socket.waiting > 0 { format!("; {} bytes still wait", socket.waiting) } else { String::new() };
            let name = socket.name();
            add(About::DoesNotRead, format!("The peer of {name} did not read for {}{waits}.", words::time(full)), full);
        }
        // A simulated host that crashes, or is cut off when its world ends, leaves its connections as a matter of course.
        let is_left = socket.connected.is_some() && socket.ended.is_none() && socket.host.is_empty();
        if is_left && model.has_ended(&socket.host) {
            add(About::Leaked, format!("{} was still open when its reactor was dropped.", socket.name()), 0);
        }
    }
    findings
}

fn storms(model: &Model) -> Vec<Finding> {
    let mut findings = Vec::new();
    for socket in &model.sockets.sockets {
        if socket.would_block >= STORM && socket.would_block * 2 > socket.calls {
            let (blocked, calls) = (socket.would_block, socket.calls);
            findings.push(Finding {
                about: About::Storm,
                sentence: format!("{blocked} of {calls} calls on {} found nothing to do (EAGAIN).", socket.name()),
                details: Vec::new(),
                place: socket.place.clone(),
                took: 0,
                at: socket.arrows.first().map_or(0, |arrow| arrow.at),
            });
        }
    }
    let is_full = |call: &&crate::model::Call| {
        let code = model.events.get(call.at).and_then(|event| event.number("code"));
        call.name == "accept" && matches!(code, Some(23 | 24)) // ENFILE, EMFILE
    };
    let full: Vec<_> = model.turns.calls.iter().filter(is_full).collect();
    if let Some(first) = full.first() {
        findings.push(Finding {
            about: About::NoDescriptors,
            sentence: format!("{} found no free descriptor (EMFILE).", words::count(full.len(), "accept")),
            details: Vec::new(),
            place: String::new(),
            took: 0,
            at: first.at,
        });
    }
    findings
}
