//! [`Verdict`]: what is wrong in a trace, in sentences, the worst first.
//!
//! ```text
//! * data_received of Echo, on the connection from ..., held the loop for 50.2 ms. Meanwhile these waited:
//!     a timer, 48.1 ms late: requested at examples/x.rs:20
//!     connection 4 with 127.0.0.1:40112: it had been ready for 50.2 ms
//! ```
//!
//! Next: `held.rs`, what held the loop.

mod crowd;
mod held;
mod outside;
mod overslept;
mod system;
mod victims;

pub(crate) use crowd::Crowd;
pub(crate) use held::{holds, is_slow};
pub(crate) use outside::Outside;
pub(crate) use overslept::Overslept;
pub(crate) use victims::victims;

use held::{again, who};

use crate::model::{Callback, Chain, Happened, Model, Passed, Side, Step, StepState};
use crate::trace::Gaps;
use crate::views::{Ink, Text, words};
use std::collections::BTreeMap;

/// The verdict names each callback that holds the loop for longer.
pub const SLOW: u64 = 10_000_000;

/// The verdict names each peer that does not read for longer, and each connection of which the program does not.
pub const FULL: u64 = 1_000_000_000;

/// The verdict names each connection that stays open for longer after its peer has closed, if the program writes nothing
/// more.
pub const KEPT_OPEN: u64 = 1_000_000_000;

/// Maximum number of findings of one kind that have a sentence each. The others are counted.
pub const MAX_TOLD: usize = 10;

/// Maximum number of victims that are named.
const MAX_VICTIMS: usize = 8;

/// A storm is at least this many calls, of which more than half have found nothing to do.
const STORM: u64 = 100;

/// What a finding is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum About {
    /// A callback that never ended.
    Endless,
    /// A callback held the loop, or many did so together, or the program did so outside of it.
    Held,
    /// The system woke the loop too late.
    Overslept,
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
    /// The program has paused reading, and did not go on.
    Unread,
    /// A connection was left open when the program ended.
    Leaked,
    /// A peer has closed its connection, and the program kept it open.
    KeptOpen,
    /// Calls to the system that find nothing to do, again and again.
    Storm,
    /// The system has no descriptor left.
    NoDescriptors,
}

impl About {
    /// What findings of this kind are about, for those that are only counted.
    fn words(self) -> &'static str {
        match self {
            About::Endless => "callbacks that had not ended",
            About::Held => "things that held the loop",
            About::Overslept => "waits that were over too late",
            About::Panic => "callbacks that panicked",
            About::Unhandled => "failures that nobody handled",
            About::NeverFired => "Deferreds that never fired",
            About::FiredTwice => "second firings",
            About::DoesNotRead => "peers that did not read",
            About::Unread => "connections from which the program did not read",
            About::Leaked => "connections that were still open at the end",
            About::KeptOpen => "places with connections that the peer had closed",
            About::Storm => "sockets with calls that found nothing to do",
            About::NoDescriptors => "kinds of calls that found no free descriptor",
        }
    }
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
    /// What the trace is, in a sentence or two.
    pub summary: String,
    /// Whether events are missing in it.
    has_gaps: bool,
}

impl Verdict {
    /// Looks for everything.
    pub fn new(model: &Model) -> Verdict {
        let mut findings = Vec::new();
        findings.extend(held::endless(model));
        findings.extend(held::held(model));
        findings.extend(held::crowds(model));
        findings.extend(held::outside(model));
        findings.extend(overslept::overslept(model));
        findings.extend(panics(model));
        findings.extend(unhandled(model));
        findings.extend(deferreds(model));
        findings.extend(system::sockets(model));
        findings.extend(system::kept_open(model));
        findings.extend(system::storms(model));
        findings.extend(system::no_descriptors(model));
        findings.sort_by_key(|finding| (finding.about, std::cmp::Reverse(finding.took), finding.at));
        Verdict { findings, summary: summary(model), has_gaps: model.gaps != Gaps::default() }
    }

    /// Whether nothing is wrong with the program. A busy machine is none of its mistakes.
    pub fn is_clean(&self) -> bool {
        self.findings.iter().all(|finding| finding.about == About::Overslept)
    }

    /// What is said if nothing is wrong.
    pub(crate) fn clean_words(&self) -> &'static str {
        if self.has_gaps { "Nothing is wrong in what is there." } else { "Nothing is wrong in it." }
    }

    /// As text without colours.
    pub fn to_text(&self) -> String {
        self.text().plain()
    }

    /// As text.
    pub fn text(&self) -> Text {
        let mut out = Text::default();
        out.block(Ink::Title, &words::wrapped(&self.summary, 0));
        out.line(Ink::Plain, "");
        if self.findings.is_empty() {
            out.line(Ink::Value, self.clean_words());
        }
        let mut told: BTreeMap<About, usize> = BTreeMap::new();
        for finding in &self.findings {
            let count = told.entry(finding.about).or_default();
            *count += 1;
            if *count <= MAX_TOLD {
                out.block(Ink::Wrong, &words::wrapped(&format!("* {}", finding.sentence), 2));
                finding
                    .details
                    .iter()
                    .for_each(|line| out.block(Ink::Victim, &words::wrapped(&format!("    {line}"), 6)));
            }
        }
        for (about, count) in told.into_iter().filter(|(_, count)| *count > MAX_TOLD) {
            out.line(Ink::Wrong, &format!("* {} more: {}.", count - MAX_TOLD, about.words()));
        }
        out
    }
}

fn summary(model: &Model) -> String {
    let hosts: Vec<_> = model.hosts().into_iter().filter(|host| !host.is_empty()).collect();
    let length = model.events.last().map_or(0, |event| event.ns);
    let in_time = if length == 0 { " without a clock".to_owned() } else { format!(" in {}", words::time(length)) };
    let mut text = format!(
        "{}{in_time}: {}, {}, {}, {}",
        words::count(model.events.len(), "event"),
        words::count(model.turns.turns.len(), "turn"),
        words::count(model.turns.callbacks.len(), "callback"),
        words::count(model.sockets.sockets.iter().filter(|socket| socket.connected.is_some()).count(), "connection"),
        words::count(model.chains.chains.len(), "Deferred"),
    );
    if !hosts.is_empty() {
        text.push_str(&format!(", on {}", words::count(hosts.len(), "host")));
    }
    text += match (model.is_full, model.is_cut) {
        (true, _) => ". The file was full before the program ended.",
        (false, true) => ". The trace ends before the program: its last second may be missing.",
        (false, false) => ".",
    };
    missing(model.gaps).into_iter().fold(text, |text, missing| format!("{text} {missing}"))
}

/// What a trace that is not whole cannot tell.
fn missing(gaps: Gaps) -> Option<String> {
    let events = |count: u64| match count {
        1 => "1 event is missing".to_owned(),
        count => format!("{count} events are missing"),
    };
    let first = match gaps.before {
        0 => None,
        1 => Some("The first event is missing: what began in it is told as far as it is known.".to_owned()),
        count => Some(format!("The first {}: what began in them is told as far as it is known.", events(count))),
    };
    let midst = (gaps.between > 0).then(|| format!("{} in its midst.", events(gaps.between)));
    match (gaps.misplaced, first, midst) {
        (0, None, None) => None,
        (0, first, midst) => Some([first, midst].into_iter().flatten().collect::<Vec<_>>().join(" ")),
        (1, ..) => Some("1 line stands behind a later one: what this says may be wrong.".to_owned()),
        (count, ..) => Some(format!("{count} lines stand behind later ones: what this says may be wrong.")),
    }
}

/// Callbacks of the loop that panicked, and callbacks of Deferreds. A callback that fires a Deferred is spared the
/// panics of that chain. So it is named only for those of which the trace does not tell more.
fn panics(model: &Model) -> Vec<Finding> {
    let panic = |sentence: String, place: &str, at: usize| Finding {
        about: About::Panic,
        sentence,
        details: Vec::new(),
        place: place.to_owned(),
        took: 0,
        at,
    };
    let steps = model.chains.steps.values().filter_map(|step| match &step.state {
        StepState::Ran(run) if run.panicked => Some((step, run.at)),
        _ => None,
    });
    let steps: Vec<(&Step, usize)> = steps.collect();
    let mut findings = Vec::new();
    for callback in &model.turns.callbacks {
        let Callback { at, end_at, place, .. } = callback;
        if callback.panicked {
            findings.push(panic(format!("{} panicked.", who(callback)), place, *at));
        }
        if callback.spared > 0 {
            let is_inside = |at_step: usize| at_step > *at && end_at.is_none_or(|end| at_step < end);
            let told = steps.iter().filter(|(_, at)| is_inside(*at)).count() as u64;
            if let Some(more) = callback.spared.checked_sub(told).filter(|more| *more > 0) {
                let sentence = format!(
                    "{} fired Deferreds that this trace does not tell of. Of their callbacks, {more} panicked.",
                    who(callback)
                );
                findings.push(panic(sentence, place, *at));
            }
        }
    }
    findings
        .extend(steps.iter().map(|(step, at)| panic(format!("{} panicked.", words_of(model, step)), &step.place, *at)));
    findings
}

/// A callback of a Deferred in words, with its place.
fn words_of(model: &Model, step: &Step) -> String {
    let host = model.chains.chains.get(&step.chain).map_or("", |chain| &chain.host);
    let host = if host.is_empty() { String::new() } else { format!("On {host}: ") };
    let (chain, place) = (model.chains.name(step.chain), words::line_of(&step.place));
    match (step.side, &*step.name) {
        (Side::Body, _) => format!("{host}The body of {chain}, made at {place},"),
        (_, "") => format!("{host}A callback of {chain}, added at {place},"),
        (_, name) => format!("{host}The callback {name} of {chain}, added at {place},"),
    }
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
        // A simulated program is cut off in the midst of its work when its world ends, or when its host crashes.
        let is_over = chain.host.is_empty() && model.has_ended(&chain.host);
        if is_over && chain.has_fired && chains.outlives_loop(chain) && chain.is_paused() && is_waited_for(model, chain)
        {
            let (name, place) = (chains.name(chain.number), chain.place.clone());
            let made = words::line_of(&place);
            let sentence = format!("{name}, made at {made}, has its result, and was still paused at the end.");
            let details = waiters(model, chain);
            findings.push(Finding { about: About::NeverFired, sentence, details, place, took: 0, at });
        }
        // The far end of all the waiting is told, with what waits for it.
        if chains.is_unfired(chain) && chain.waits_for.is_none() && !chain.is_list() {
            let details = waiters(model, chain);
            let why = match (chains.is_lost_in_loop(chain), is_over) {
                (true, _) if chain.what == "coroutine" => "can never end: nothing can wake it",
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
                && chains.is_mistake(chain.number, event.at)
            {
                let (name, here) = (chains.name(chain.number), words::line_of(&event.place));
                let first = first_firing(chain, event.at, first);
                findings.push(Finding {
                    about: About::FiredTwice,
                    sentence: format!("{name} was fired a second time at {here}: that result is lost{first}."),
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

/// The end of the sentence about a second firing: where the first one was. After a cancel, the first one is lost, too.
fn first_firing(chain: &Chain, at: usize, first: &str) -> String {
    let cancel = chain.log.iter().find(|event| event.at < at && event.what == Happened::Cancelled);
    let Some(cancel) = cancel else { return format!(". The first time was at {}", words::line_of(first)) };
    let cancel = words::line_of(&cancel.place);
    match words::line_of(first) {
        first if first.is_empty() || first == cancel => format!(", as was the first: it was cancelled at {cancel}"),
        first => format!(", as was the first, at {first}: it was cancelled at {cancel}"),
    }
}

/// Whether something waits for the result of a Deferred that has one: its callbacks, the Deferred to which one of its
/// callbacks or its hand-on leads, a list that nothing has decided, code that awaits it.
pub(crate) fn is_waited_for(model: &Model, chain: &Chain) -> bool {
    let chains = &model.chains;
    let mut steps = chain.steps.iter().filter_map(|step| chains.steps.get(step));
    let has_waiting = steps.any(|step| step.state == StepState::Waits);
    let is_there = |number: Option<u64>| chains.chains.get(&number?).filter(|outer| chains.outlives_loop(outer));
    let outer_waits = is_there(chain.inner_of).is_some_and(|outer| outer.waits_for == Some(chain.number));
    let list_waits = is_there(chain.list).is_some_and(|list| !list.has_fired);
    let (mut awaits, mut other_waits) = (0, false);
    for event in &chain.log {
        match event.what {
            Happened::Awaited(None) => awaits += 1,
            Happened::AwaitEnd(_) => awaits -= 1,
            Happened::WillHandOn(to) => other_waits = is_there(Some(to)).is_some_and(|to| !to.has_fired),
            Happened::HandedOn(_) => other_waits = false,
            _ => {}
        }
    }
    has_waiting || outer_waits || list_waits || other_waits || awaits > 0
}

/// What waits for a Deferred, and what waits for that.
fn waiters(model: &Model, chain: &Chain) -> Vec<String> {
    let mut lines = Vec::new();
    let mut current = chain;
    for _ in 0..MAX_VICTIMS {
        let waiting = current.steps.iter().filter_map(|step| model.chains.steps.get(step));
        let count = waiting.filter(|step| step.state == StepState::Waits).count();
        if count > 0 {
            let (callbacks, verb) = (words::count(count, "callback"), if count == 1 { "waits" } else { "wait" });
            lines.push(format!("{callbacks} of {} {verb} for its result", model.chains.name(current.number)));
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
