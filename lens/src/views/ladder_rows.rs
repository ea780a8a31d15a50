//! The rows of a [`Ladder`]: what happened to a Deferred, in words, with the lane on which the path went on.
//!
//! Next: `path.rs`, the callbacks that ran.

use super::ladder::{Ladder, Lane, MAX_DEPTH, Rung, RungKind, rung};
use super::words;
use crate::model::{ChainEvent, Happened, Model, Run, Side, Step, StepState};
use crate::verdict::is_waited_for;
use std::collections::{BTreeSet, HashMap};

/// Maximum number of inputs in a row that are missing and have a remark each. A file may have any index.
const MAX_MISSING: usize = 8;

/// Makes ladders, each Deferred in one of them only.
pub(super) struct Builder<'a> {
    model: &'a Model,
    /// Whether there are several hosts, so that a Deferred says of which it is.
    has_hosts: bool,
    drawn: BTreeSet<u64>,
    awaited: HashMap<u64, Vec<u64>>,
}

impl<'a> Builder<'a> {
    pub(super) fn new(model: &'a Model) -> Builder<'a> {
        let has_hosts = model.hosts().len() > 1;
        Builder { model, has_hosts, drawn: BTreeSet::new(), awaited: awaited(model) }
    }

    /// The ladder of a Deferred, unless it is drawn already or unknown.
    pub(super) fn ladder(&mut self, number: u64, role: &str, depth: usize) -> Option<Ladder> {
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
            maker: String::new(),
            is_partial: chain.is_partial,
            made_at: chain.log.first().map(|made| made.at),
            rungs: Vec::new(),
            pauses: 0,
            held: Lane::Neither,
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
        if chain.has_fired && chain.gone.is_none() && chain.is_paused() && is_waited_for(self.model, chain) {
            let detail = "is still paused when the trace ends".to_owned();
            ladder.push(Rung { detail, ..rung(RungKind::Alarm, String::new(), "", None) });
        }
        Some(ladder)
    }

    /// In which callback of a Deferred that is drawn this one was made, in words; empty if in none.
    pub(super) fn maker(&self, number: u64) -> String {
        let made = self.model.chains.chains.get(&number).and_then(|chain| chain.log.first());
        let made = made.filter(|made| made.what == Happened::Made);
        let step = made.and_then(|made| self.model.chains.steps.get(&made.in_step?));
        match step.filter(|step| step.chain != number && self.drawn.contains(&step.chain)) {
            None => String::new(),
            Some(step) if step.side == Side::Body => self.model.chains.name(step.chain),
            Some(step) => format!("{} of {}", label(step), self.model.chains.name(step.chain)),
        }
    }

    fn event(&mut self, ladder: &mut Ladder, event: &ChainEvent, depth: usize) {
        let when = Some((event.ns, event.at));
        let name = |number: u64| self.model.chains.name(number);
        let note = |detail: String| Rung { detail, ..rung(RungKind::Note, String::new(), &event.place, when) };
        let alarm = |detail: String| Rung { detail, ..rung(RungKind::Alarm, String::new(), &event.place, when) };
        let chain = self.model.chains.chains.get(&ladder.chain);
        let is_coroutine = chain.is_some_and(|chain| chain.what == "coroutine");
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
                ladder.push(Rung { lane: Lane::Failure, after: Lane::Failure, ..note(text) });
                if let Some(last) = ladder.rungs.last_mut() {
                    last.kind = RungKind::Source;
                }
            }
            Happened::Decided(index, result) => {
                let is_of_all = |with| self.model.chains.chains[&ladder.chain].is_of_all_inputs(with);
                let detail = match result {
                    Some(all) if is_of_all(all) => format!("complete with input {index}: {}", words::passed(all)),
                    Some(with) => format!("decided by input {index}, with {}", words::passed(with)),
                    None => format!("decided by input {index}"),
                };
                ladder.source(detail, result.as_ref(), event);
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
            Happened::Paused => ladder.pause(note("paused".to_owned())),
            Happened::Unpaused => ladder.unpause(note("a pause ends".to_owned())),
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

/// The numbers of the inputs that are missing among those of a list.
fn missing(inputs: &[(u64, u64)]) -> Vec<u64> {
    let mut missing = Vec::new();
    let mut next = 0;
    for (index, _) in inputs {
        missing.extend((next..*index).take(MAX_MISSING));
        next = index.saturating_add(1);
    }
    missing
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
