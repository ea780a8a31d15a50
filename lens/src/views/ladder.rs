//! [`Ladder`]: a Deferred as a ladder of two lanes, one for values and one for failures, with the path that was taken.
//!
//! ```text
//!   ok  err
//!   ●    ┆   fired with 7
//!   █    ┆   callback 1: 7 raised an error
//!   ┗━━━━┓
//!   □    ┃   callback 2 is passed by
//!   ┆    █   errback 3: recovers with 0
//!   ┏━━━━┛
//! ```
//!
//! A Deferred that a callback gave back stands inside, as a ladder of its own; so do the inputs of a list, and what a
//! coroutine awaits. Everything that is drawn is in this structure, and [`Ladders::path`] reads the path off it.
//!
//! Next: `path.rs`, the callbacks that ran.

use super::words;
use crate::model::{Chain, ChainEvent, Happened, Model, Passed, Run, Side, Step, StepState};
use std::collections::{BTreeSet, HashMap};

/// Maximum nesting of ladders in a picture. Deeper ones stand beside it.
pub const MAX_DEPTH: usize = 4;

/// Maximum number of inputs in a row that are missing and have a remark each. A file may have any index.
const MAX_MISSING: usize = 8;

/// The lane on which the path is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lane {
    /// Nothing has been fired, or the chain waits for another Deferred.
    Neither,
    /// A value.
    Value,
    /// A failure.
    Failure,
}

impl Lane {
    fn of(passed: &Passed) -> Lane {
        if passed.is_failure() { Lane::Failure } else { Lane::Value }
    }
}

/// A Deferred, drawn.
#[derive(Debug, Clone, PartialEq)]
pub struct Ladder {
    /// The number of the Deferred.
    pub chain: u64,
    /// What it is called.
    pub title: String,
    /// Why it stands inside another one; empty at the top.
    pub role: String,
    /// Where it was made.
    pub place: String,
    /// Whether it is older than the trace.
    pub is_partial: bool,
    /// The event that made it.
    pub made_at: Option<usize>,
    /// From top to bottom.
    pub rungs: Vec<Rung>,
}

/// A row of a ladder.
#[derive(Debug, Clone, PartialEq)]
pub struct Rung {
    /// What it is.
    pub kind: RungKind,
    /// The lane on which the path comes in.
    pub lane: Lane,
    /// The lane on which it goes on.
    pub after: Lane,
    /// What it is called.
    pub label: String,
    /// What happened, in words.
    pub detail: String,
    /// The place in the source.
    pub place: String,
    /// When, and which event.
    pub when: Option<(u64, usize)>,
    /// Its place in the order in which everything in the picture happened, from 1 on; 0 if it did not happen.
    pub order: usize,
}

/// What a row is.
#[derive(Debug, Clone, PartialEq)]
pub enum RungKind {
    /// A result came into the chain.
    Source,
    /// A callback that ran.
    Ran {
        /// Which results it gets.
        side: Side,
        /// What the program calls it: its name, or its number.
        name: String,
        /// What it got.
        input: Option<Passed>,
    },
    /// A callback that a result passed by.
    PassedBy {
        /// Which results it gets.
        side: Side,
    },
    /// A callback to which no result came.
    NotReached {
        /// Which results it gets.
        side: Side,
    },
    /// Ladders inside.
    Inside(Vec<Ladder>),
    /// Something else that happened.
    Note,
    /// Something that is wrong.
    Alarm,
}

/// All ladders of a trace.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Ladders(pub Vec<Ladder>);

impl Ladders {
    /// The ladders of all Deferreds.
    pub fn new(model: &Model) -> Ladders {
        Ladders::of(model, |_| true)
    }

    /// The ladders of the Deferreds for which `wanted` holds, and of what stands inside them.
    pub fn of(model: &Model, wanted: impl Fn(&Chain) -> bool) -> Ladders {
        let has_hosts = model.hosts().len() > 1;
        let mut builder = Builder { model, has_hosts, drawn: BTreeSet::new(), awaited: awaited(model) };
        let chains = &model.chains.chains;
        let is_inside = |chain: &Chain| {
            let outer = chain.inner_of.or(chain.list);
            outer
                .and_then(|outer| chains.get(&outer))
                .is_some_and(|outer| outer.number != chain.number && wanted(outer))
        };
        let mut ladders = Vec::new();
        for chain in chains.values().filter(|chain| wanted(chain) && !is_inside(chain)) {
            ladders.extend(builder.ladder(chain.number, "", 0));
        }
        // What a circle or a picture that is too deep has left out.
        for chain in chains.values().filter(|chain| wanted(chain)) {
            ladders.extend(builder.ladder(chain.number, "", 0));
        }
        Ladders(ladders).in_order()
    }

    /// Numbers the rows in the order in which they happened.
    fn in_order(mut self) -> Ladders {
        fn each(ladders: &mut [Ladder], f: &mut dyn FnMut(&mut Rung)) {
            for rung in ladders.iter_mut().flat_map(|ladder| &mut ladder.rungs).rev() {
                match &mut rung.kind {
                    RungKind::Inside(inner) => each(inner, f),
                    _ => f(rung),
                }
            }
        }
        let mut events = BTreeSet::new();
        each(&mut self.0, &mut |rung| events.extend(rung.when.map(|(_, at)| at)));
        let mut numbers: HashMap<usize, usize> = events.into_iter().zip(1..).collect();
        // Of several rows of one event, the last one has its number: the others say how it came to that.
        each(&mut self.0, &mut |rung| {
            rung.order = rung.when.and_then(|(_, at)| numbers.remove(&at)).unwrap_or(0);
        });
        self
    }

    /// Whether the body of a coroutine ran in one of them.
    pub(super) fn has_body(&self) -> bool {
        let mut left: Vec<&Ladder> = self.0.iter().collect();
        while let Some(ladder) = left.pop() {
            for rung in &ladder.rungs {
                match &rung.kind {
                    RungKind::Inside(inner) => left.extend(inner),
                    RungKind::Ran { side: Side::Body, .. } => return true,
                    _ => {}
                }
            }
        }
        false
    }
}

/// The Deferreds that each run of a coroutine's body awaits, by the number of that step.
fn awaited(model: &Model) -> HashMap<u64, Vec<u64>> {
    let mut awaited: HashMap<u64, Vec<u64>> = HashMap::new();
    for chain in model.chains.chains.values() {
        let steps = chain.log.iter().filter(|event| matches!(event.what, Happened::Awaited(_)));
        for step in steps.filter_map(|event| event.in_step).collect::<BTreeSet<_>>() {
            awaited.entry(step).or_default().push(chain.number);
        }
    }
    awaited
}

struct Builder<'a> {
    model: &'a Model,
    /// Whether there are several hosts, so that a Deferred says of which it is.
    has_hosts: bool,
    drawn: BTreeSet<u64>,
    awaited: HashMap<u64, Vec<u64>>,
}

impl Builder<'_> {
    /// The ladder of a Deferred, unless it is drawn already or unknown.
    fn ladder(&mut self, number: u64, role: &str, depth: usize) -> Option<Ladder> {
        let chain = self.model.chains.chains.get(&number)?;
        if depth > MAX_DEPTH || !self.drawn.insert(number) {
            return None;
        }
        let host = if self.has_hosts && depth == 0 { format!("{}: ", chain.host) } else { String::new() };
        let mut ladder = Ladder {
            chain: number,
            title: format!("{}{}", host.trim_start_matches(": "), self.model.chains.name(number)),
            role: role.to_owned(),
            place: chain.place.clone(),
            is_partial: chain.is_partial,
            made_at: chain.log.first().map(|made| made.at),
            rungs: Vec::new(),
        };
        if chain.is_list() {
            let inputs = self.model.chains.inputs(number);
            for index in missing(&inputs) {
                let detail = format!("input {index} is not told in this trace");
                ladder.push(Rung { detail, ..rung(RungKind::Note, String::new(), "", None) });
            }
            let inputs = inputs.into_iter();
            let inside: Vec<_> =
                inputs.filter_map(|(index, input)| self.ladder(input, &format!("input {index}"), depth + 1)).collect();
            ladder.inside(inside);
        }
        for event in &chain.log {
            self.event(&mut ladder, event, depth);
        }
        let steps = chain.steps.iter().filter_map(|step| self.model.chains.steps.get(step));
        for step in steps.filter(|step| step.state == StepState::Waits) {
            ladder.push(Rung {
                detail: "not reached".to_owned(),
                ..rung(RungKind::NotReached { side: step.side }, label(step), &step.place, None)
            });
        }
        if self.model.chains.is_unfired(chain) && chain.gone.is_none() {
            let on = chain.waits_for.map(|inner| format!(", and waits for {}", self.model.chains.name(inner)));
            let text = format!("has not fired{}", on.unwrap_or_default());
            ladder.push(Rung { detail: text, ..rung(RungKind::Alarm, String::new(), "", None) });
        }
        Some(ladder)
    }

    fn event(&mut self, ladder: &mut Ladder, event: &ChainEvent, depth: usize) {
        let when = Some((event.ns, event.at));
        let name = |number: u64| self.model.chains.name(number);
        let note = |detail: String| Rung { detail, ..rung(RungKind::Note, String::new(), &event.place, when) };
        let alarm = |detail: String| Rung { detail, ..rung(RungKind::Alarm, String::new(), &event.place, when) };
        let is_coroutine = self.model.chains.chains.get(&ladder.chain).is_some_and(|chain| chain.what == "coroutine");
        match &event.what {
            Happened::Made | Happened::Joined(_, _, None) | Happened::Lost | Happened::Gone(true) => {}
            Happened::Joined(_, _, Some(result)) => {
                // Of a chain that ran, the rows above say how it came to that.
                if ladder.rungs.is_empty() {
                    ladder.source(format!("has {} from the start", words::passed(result)), Some(result), event);
                }
            }
            Happened::Fired(result) => {
                let by = event.in_step.and_then(|step| self.model.chains.steps.get(&step));
                let by = by.map(|step| format!(" in {}", label(step))).unwrap_or_default();
                let with = result.as_ref().map(words::passed).unwrap_or_default();
                ladder.source(format!("fired{by} with {with}"), result.as_ref(), event);
            }
            Happened::Cancelled => {
                let why = self.why_cancelled(ladder.chain, event);
                let text = format!("cancelled{why}: fails with CancelledError");
                ladder.push(Rung { after: Lane::Failure, ..note(text) });
                if let Some(last) = ladder.rungs.last_mut() {
                    last.kind = RungKind::Source;
                }
            }
            Happened::Decided(index, result) => {
                let with = result.as_ref().map(|with| format!(", with {}", words::passed(with))).unwrap_or_default();
                ladder.source(format!("decided by input {index}{with}"), result.as_ref(), event);
            }
            Happened::Resumed(result) => {
                let with = result.as_ref().map(words::passed).unwrap_or_default();
                ladder.source(format!("goes on with {with}"), result.as_ref(), event);
            }
            Happened::StepRan(number) => self.step(ladder, *number, depth),
            Happened::StepPassed(number) => self.passed_by(ladder, *number, event),
            Happened::Refused(first) => {
                let first = words::short_place(first);
                ladder.push(match self.model.chains.is_mistake(ladder.chain, event.at) {
                    true => alarm(format!("fired a second time: refused (first at {first})")),
                    false => note("fired after the cancel: refused".to_owned()),
                });
            }
            Happened::Ignored => ladder.push(note("fired after the cancel: ignored".to_owned())),
            Happened::Paused => ladder.push(note("paused".to_owned())),
            Happened::Unpaused => ladder.push(note("a pause ends".to_owned())),
            Happened::CancelAsked => ladder.push(note("a cancel is asked for".to_owned())),
            Happened::Canceller => {
                let why = self.why_cancelled(ladder.chain, event);
                ladder.push(note(format!("its canceller is called{why}")));
            }
            Happened::Awaited(by) => {
                let by = by.map_or("other code".to_owned(), &name);
                ladder.push(note(format!("awaited by {by}")));
            }
            Happened::AwaitEnd(result) => {
                let with = result.as_ref().map(words::passed).unwrap_or_default();
                ladder.push(note(format!("the await ends with {with}")));
            }
            Happened::Shares(source) => ladder.push(note(format!("shares the result of {}", name(*source)))),
            Happened::WillHandOn(to) => ladder.push(note(format!("is to hand its result on to {}", name(*to)))),
            Happened::HandedOn(to) => ladder.push(note(format!("hands its result on to {}", name(*to)))),
            Happened::FirersGone if is_coroutine => {
                ladder.push(alarm("nothing can wake it: it can never end".to_owned()));
            }
            Happened::FirersGone => ladder.push(alarm("its last Firer is gone: it can never fire".to_owned())),
            Happened::Gone(false) => ladder.push(note("dropped before it fired".to_owned())),
            Happened::Unhandled(failure, _) => ladder.push(alarm(format!("nobody handled {}", words::passed(failure)))),
        }
    }

    /// Why a cancel came at this event, if an input of the same list had decided that list before.
    fn why_cancelled(&self, number: u64, event: &ChainEvent) -> String {
        let chains = &self.model.chains.chains;
        let Some(list) = chains.get(&number).and_then(|chain| chains.get(&chain.list?)) else { return String::new() };
        let decided = list.log.iter().find_map(|earlier| match earlier.what {
            Happened::Decided(index, _) if earlier.at < event.at => Some(index),
            _ => None,
        });
        decided.map_or(String::new(), |index| format!(", because input {index} decided the {}", list.what))
    }

    fn step(&mut self, ladder: &mut Ladder, number: u64, depth: usize) {
        let Some(step) = self.model.chains.steps.get(&number) else { return };
        let StepState::Ran(run) = &step.state else { return };
        let lane = run.input.as_ref().map_or(ladder.lane(), Lane::of);
        let after = match (&run.output, run.panicked) {
            (_, true) => Lane::Failure,
            (Some(output), _) => Lane::of(output),
            (None, _) if run.is_over => Lane::Neither, // It waits.
            (None, _) => lane,
        };
        let name = if step.name.is_empty() { step.number.to_string() } else { step.name.clone() };
        let kind = RungKind::Ran { side: step.side, name, input: run.input.clone() };
        let when = Some((run.begin, run.at));
        let detail = self.way(run, step.side);
        // A value that came by another way than over this ladder, such as out of a list.
        if ladder.lane() == Lane::Neither
            && lane != Lane::Neither
            && ladder.rungs.iter().all(|rung| rung.after == Lane::Neither)
        {
            let with = run.input.as_ref().map(words::passed).unwrap_or_default();
            let came =
                Rung { after: lane, detail: format!("has {with}"), ..rung(RungKind::Source, String::new(), "", when) };
            ladder.push(came);
        }
        ladder.push(Rung { lane, after, detail, ..rung(kind, label(step), &step.place, when) });
        let mut inner: Vec<u64> = run.waits_for.into_iter().collect();
        if step.side == Side::Body {
            let chains = &self.model.chains.chains;
            let awaited = self.awaited.get(&number).into_iter().flatten();
            inner.extend(awaited.filter(|inner| chains[*inner].inner_of == Some(step.chain)));
        }
        let role = if step.side == Side::Body { "awaited" } else { "given back" };
        let inside = inner.into_iter().filter_map(|inner| self.ladder(inner, role, depth + 1)).collect();
        ladder.inside(inside);
    }

    /// What a callback made of its input.
    fn way(&self, run: &Run, side: Side) -> String {
        let took = run.end.saturating_sub(run.begin);
        let took = if took >= 1_000_000 { format!("  ({})", words::time(took)) } else { String::new() };
        let came = run.input.as_ref().map(words::passed);
        let way = match (&run.output, run.waits_for) {
            _ if run.panicked => "panicked".to_owned(),
            _ if !run.is_over => "is still running when the trace ends".to_owned(),
            (_, Some(inner)) => format!("gave back {}, and waits for it", self.model.chains.name(inner)),
            (Some(output), _) if output.is_failure() && came.as_deref() == Some(&*words::passed(output)) => {
                "passed it on".to_owned()
            }
            (Some(output), _) if output.is_failure() => format!("raised {}", words::passed(output)),
            (Some(output), _) => words::passed(output),
            (None, _) if side == Side::Body => "runs to an await".to_owned(),
            (None, _) => "gave back a Deferred that is not told".to_owned(),
        };
        match came {
            Some(came) => format!("{came} → {way}{took}"),
            None => format!("{way}{took}"),
        }
    }

    fn passed_by(&self, ladder: &mut Ladder, number: u64, event: &ChainEvent) {
        let Some(step) = self.model.chains.steps.get(&number) else { return };
        let lane = match &step.state {
            StepState::Passed(passed) => Lane::of(passed),
            _ => ladder.lane(),
        };
        let detail = "passed by".to_owned();
        let when = Some((event.ns, event.at));
        ladder.push(Rung {
            lane,
            after: lane,
            detail,
            ..rung(RungKind::PassedBy { side: step.side }, label(step), &step.place, when)
        });
    }
}

impl Ladder {
    /// Where it was made, in words.
    pub(super) fn made(&self) -> String {
        match self.is_partial {
            true => "made before this trace begins".to_owned(),
            false => format!("made at {}", words::short_place(&self.place)),
        }
    }

    fn lane(&self) -> Lane {
        self.rungs.last().map_or(Lane::Neither, |rung| rung.after)
    }

    /// Adds a row. A row that has no lanes of its own has those of the row before; but after a callback that waits, the path
    /// is interrupted.
    fn push(&mut self, mut rung: Rung) {
        if rung.lane == Lane::Neither {
            rung.lane = self.lane();
        }
        if rung.after == Lane::Neither && !matches!(rung.kind, RungKind::Ran { .. }) {
            rung.after = rung.lane;
        }
        self.rungs.push(rung);
    }

    fn source(&mut self, detail: String, result: Option<&Passed>, event: &ChainEvent) {
        let lane = result.map_or(Lane::Value, Lane::of);
        let when = Some((event.ns, event.at));
        self.push(Rung { lane, after: lane, detail, ..rung(RungKind::Source, String::new(), &event.place, when) });
    }

    fn inside(&mut self, ladders: Vec<Ladder>) {
        if !ladders.is_empty() {
            self.push(rung(RungKind::Inside(ladders), String::new(), "", None));
        }
    }
}

/// The places of a list that no input has, before the last one that is known.
fn missing(inputs: &[(u64, u64)]) -> Vec<u64> {
    let mut missing = Vec::new();
    let mut next = 0;
    for (index, _) in inputs {
        missing.extend((next..*index).take(MAX_MISSING));
        next = index.saturating_add(1);
    }
    missing
}

fn rung(kind: RungKind, label: String, place: &str, when: Option<(u64, usize)>) -> Rung {
    let (lane, after) = (Lane::Neither, Lane::Neither);
    Rung { kind, lane, after, label, detail: String::new(), place: place.to_owned(), when, order: 0 }
}

fn label(step: &Step) -> String {
    let what = match step.side {
        Side::Callback => "callback",
        Side::Errback => "errback",
        Side::Both => "both",
        Side::Pair => "pair",
        Side::Body => "body",
    };
    if step.name.is_empty() { format!("{what} {}", step.number) } else { format!("{what} {}", step.name) }
}
