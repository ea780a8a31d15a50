//! [`Chains`]: Deferreds, their callbacks, and what they have to do with each other.
//!
//! Next: `../methods.rs`, where a method stands.

use super::chain::{Chain, ChainEvent, Happened, Passed, Run, Side, Step, StepState};
use crate::trace::Event;
use std::collections::BTreeMap;

/// All Deferreds of a trace.
#[derive(Debug, Default)]
pub struct Chains {
    /// By number.
    pub chains: BTreeMap<u64, Chain>,
    /// By number.
    pub steps: BTreeMap<u64, Step>,
    /// The inputs of each list: index and number.
    inputs: BTreeMap<u64, Vec<(u64, u64)>>,
    /// The last chain out of which this failure came.
    failures: BTreeMap<u64, u64>,
    /// The end of the last turn of each host.
    last_turns: BTreeMap<String, usize>,
    /// All failures that nobody handled: the event, the failure and its story.
    pub unhandled: Vec<(usize, Passed, String)>,
}

impl Chains {
    pub(super) fn take(&mut self, at: usize, event: &Event) {
        if event.kind == "unhandled" {
            return self.unhandled(at, event);
        }
        if event.kind == "turn_end" {
            self.last_turns.insert(event.host.clone(), at);
        }
        let Some(number) = event.number("deferred") else { return };
        if event.kind == "deferred_made" {
            self.make(number, at, event);
        }
        if !self.chains.contains_key(&number) {
            // The beginning of the trace is missing, as in a ring: the rest is told all the same. An end tells nothing.
            if event.kind == "deferred_gone" {
                return;
            }
            self.make_partial(number, event);
        }
        let passed = Passed::of(event);
        if let Some(Passed::Failure { id, .. }) = &passed {
            self.failures.insert(*id, number);
        }
        let what = match event.kind.as_str() {
            "step_added" => return self.add(number, event),
            "step_begin" => {
                self.begin(number, at, event, passed);
                Happened::StepRan(event.number("step").unwrap_or(0))
            }
            "step_end" => return self.end(number, at, event, passed),
            "step_passed" => {
                let step = event.number("step").unwrap_or(0);
                if let (Some(step), Some(passed)) = (self.steps.get_mut(&step), passed) {
                    step.state = StepState::Passed(passed);
                    self.chains.entry(number).and_modify(|chain| chain.has_fired = true);
                }
                Happened::StepPassed(step)
            }
            _ => match self.happened(number, at, event, passed) {
                Some(what) => what,
                None => return,
            },
        };
        if let Some(chain) = self.chains.get_mut(&number) {
            let (ns, in_step, place) = (event.ns, event.step, event.text("place").to_owned());
            chain.log.push(ChainEvent { what, at, ns, in_step, place });
        }
    }

    fn make(&mut self, number: u64, at: usize, event: &Event) {
        let text = |key: &str| event.text(key).to_owned();
        let made = ChainEvent { what: Happened::Made, at, ns: event.ns, in_step: event.step, place: text("place") };
        let chain = Chain {
            what: text("what"),
            name: text("name"),
            place: text("place"),
            made_in: event.callback,
            log: vec![made],
            has_fired: event.text("what") == "result",
            ..chain(number, event)
        };
        self.chains.insert(number, chain);
    }

    /// A Deferred that was made before the trace begins. It counts as fired until the trace says that it is not.
    fn make_partial(&mut self, number: u64, event: &Event) {
        let what = if event.kind == "list_decided" { "list" } else { "deferred" }.to_owned();
        let chain = Chain { what, is_partial: true, has_fired: true, ..chain(number, event) };
        self.chains.insert(number, chain);
    }

    fn add(&mut self, chain: u64, event: &Event) {
        let number = event.number("step").unwrap_or(0);
        let side = match event.text("side") {
            "callback" => Side::Callback,
            "errback" => Side::Errback,
            "pair" => Side::Pair,
            _ => Side::Both,
        };
        let (name, place) = (event.text("name").to_owned(), event.text("place").to_owned());
        self.steps.insert(number, Step { number, name, chain, side, place, state: StepState::Waits });
        if let Some(chain) = self.chains.get_mut(&chain) {
            chain.steps.push(number);
        }
    }

    fn begin(&mut self, chain: u64, at: usize, event: &Event, input: Option<Passed>) {
        let number = event.number("step").unwrap_or(0);
        if !self.steps.contains_key(&number) {
            let place = self.chains.get(&chain).map(|chain| chain.place.clone()).unwrap_or_default();
            // Only a body gets nothing. That another callback was added is missing in the trace.
            let side = match &input {
                None => Side::Body,
                Some(Passed::Value { .. }) => Side::Callback,
                Some(Passed::Failure { .. }) => Side::Errback,
            };
            let step = Step { number, name: String::new(), chain, side, place, state: StepState::Waits };
            self.steps.insert(number, step);
            if let Some(chain) = self.chains.get_mut(&chain) {
                chain.steps.push(number);
            }
        }
        if input.is_some() {
            self.chains.entry(chain).and_modify(|chain| chain.has_fired = true);
        }
        let run = Run {
            input,
            output: None,
            waits_for: None,
            panicked: false,
            begin: event.ns,
            end: event.ns,
            is_over: false,
            at,
            end_at: None,
        };
        if let Some(step) = self.steps.get_mut(&number) {
            step.state = StepState::Ran(run);
        }
    }

    fn end(&mut self, number: u64, at: usize, event: &Event, output: Option<Passed>) {
        let Some(step) = event.number("step").and_then(|step| self.steps.get_mut(&step)) else { return };
        let waits_for = event.number("waits_for");
        if let StepState::Ran(run) = &mut step.state {
            (run.output, run.waits_for, run.panicked) = (output, waits_for, event.flag("panicked"));
            (run.end, run.is_over, run.end_at) = (event.ns, true, Some(at));
            if step.side == Side::Body && (run.output.is_some() || run.panicked) {
                self.chains.entry(number).and_modify(|chain| (chain.has_fired, chain.waits_for) = (true, None));
            }
        }
        if let Some(inner) = waits_for {
            self.chains.entry(number).and_modify(|chain| chain.waits_for = Some(inner));
            self.chains.entry(inner).and_modify(|chain| chain.inner_of = Some(number));
        }
    }

    fn happened(&mut self, number: u64, at: usize, event: &Event, passed: Option<Passed>) -> Option<Happened> {
        let chain = self.chains.get_mut(&number)?;
        Some(match event.kind.as_str() {
            "deferred_fired" => {
                chain.has_fired = true;
                Happened::Fired(passed)
            }
            "deferred_refused" => {
                // After a cancel, the library names the place of that as the first one. The first firing since then was
                // ignored or refused.
                let is_firing = |event: &&ChainEvent| matches!(event.what, Happened::Ignored | Happened::Refused(_));
                let firing = chain.log.iter().find(is_firing).filter(|_| chain.is_cancelled);
                Happened::Refused(firing.map_or(event.text("first"), |event| &event.place).to_owned())
            }
            "deferred_ignored" => Happened::Ignored,
            "deferred_resumed" => {
                chain.waits_for = None;
                Happened::Resumed(passed)
            }
            "deferred_paused" => Happened::Paused,
            "deferred_unpaused" => Happened::Unpaused,
            "cancel_asked" => Happened::CancelAsked,
            "canceller_begin" => Happened::Canceller,
            "deferred_cancelled" => {
                (chain.has_fired, chain.is_cancelled, chain.waits_for) = (true, true, None);
                Happened::Cancelled
            }
            "deferred_awaited" => {
                let by = event.number("by");
                chain.inner_of = by.or(chain.inner_of);
                if let Some(by) = by {
                    self.chains.entry(by).and_modify(|by| by.waits_for = Some(number));
                }
                Happened::Awaited(by)
            }
            "await_end" => {
                if let Some(by) = chain.inner_of {
                    self.chains.entry(by).and_modify(|by| by.waits_for = None);
                }
                Happened::AwaitEnd(passed)
            }
            "list_joined" => {
                chain.list = event.number("list");
                let (list, index) = (chain.list.unwrap_or(0), event.number("index").unwrap_or(0));
                self.inputs.entry(list).or_default().push((index, number));
                chain.has_fired |= passed.is_some();
                Happened::Joined(list, index, passed)
            }
            "list_decided" => {
                chain.has_fired = true;
                Happened::Decided(event.number("index").unwrap_or(0), passed)
            }
            "deferred_shares" => Happened::Shares(event.number("source").unwrap_or(0)),
            "deferred_will_hand_on" => Happened::WillHandOn(event.number("to").unwrap_or(0)),
            "deferred_handed_on" => Happened::HandedOn(event.number("to").unwrap_or(0)),
            "firers_gone" => {
                chain.is_lost = true;
                Happened::FirersGone
            }
            "deferred_lost" => {
                (chain.is_lost_by_mistake, chain.has_fired) = (true, false);
                Happened::Lost
            }
            "deferred_gone" => {
                chain.gone = Some(at);
                Happened::Gone(event.flag("fired"))
            }
            _ => return None,
        })
    }

    fn unhandled(&mut self, at: usize, event: &Event) {
        let Some(failure) = Passed::of(event) else { return };
        let words = event.text("words").to_owned();
        let chain = match &failure {
            Passed::Failure { id, raised, .. } => {
                self.failures.get(id).copied().or_else(|| self.panicked(raised, &event.host))
            }
            Passed::Value { .. } => None,
        };
        self.unhandled.push((at, failure.clone(), words.clone()));
        if let Some(chain) = chain.and_then(|chain| self.chains.get_mut(&chain)) {
            let what = Happened::Unhandled(failure, words);
            chain.log.push(ChainEvent {
                what,
                at,
                ns: event.ns,
                in_step: event.step,
                place: event.text("raised").to_owned(),
            });
        }
    }

    /// The Deferred with this last callback, which has panicked. The trace has not told yet where its
    /// failure went. A panic has no number until its failure goes on, and that of a last callback does not.
    fn panicked(&self, place: &str, host: &str) -> Option<u64> {
        let is_it = |chain: &&Chain| {
            let mut steps = chain.steps.iter().rev().filter_map(|step| self.steps.get(step));
            let last = steps.find_map(|step| match &step.state {
                StepState::Ran(run) => Some((run.panicked && step.place == place, run.at)),
                _ => None,
            });
            let is_told = chain.log.iter().any(|event| matches!(event.what, Happened::Unhandled(..)));
            chain.host == host && last.is_some_and(|(is_it, _)| is_it) && !is_told
        };
        self.chains.values().filter(is_it).map(|chain| chain.number).next_back()
    }

    /// What a person calls a Deferred.
    pub fn name(&self, number: u64) -> String {
        let Some(chain) = self.chains.get(&number) else { return format!("Deferred {number}") };
        let what = match chain.what.as_str() {
            "coroutine" => "coroutine",
            "list" => "list",
            "race" => "race",
            _ => "Deferred",
        };
        if chain.name.is_empty() { format!("{what} {number}") } else { format!("{what} {}", chain.name) }
    }

    /// Whether a firing that was refused at this event is a mistake. The first one after a cancel is none: nobody told
    /// the producer.
    pub fn is_mistake(&self, number: u64, at: usize) -> bool {
        let Some(chain) = self.chains.get(&number) else { return false };
        let before = || chain.log.iter().take_while(|event| event.at < at);
        let is_late = |event: &ChainEvent| matches!(event.what, Happened::Ignored | Happened::Refused(_));
        !before().any(|event| event.what == Happened::Cancelled) || before().any(is_late)
    }

    /// The inputs of a list, in order: the place of each in the list, and its number. Some may be missing in the trace.
    pub fn inputs(&self, list: u64) -> Vec<(u64, u64)> {
        let mut inputs = self.inputs.get(&list).cloned().unwrap_or_default();
        inputs.sort_unstable();
        inputs
    }

    /// Whether a Deferred still waits when the last turn of the loop is over, and something waits for it. If the
    /// program dropped its last Firer by mistake, it counts even if everything that waited for it is gone.
    pub fn is_unfired(&self, chain: &Chain) -> bool {
        let is_waited_for = || !chain.steps.is_empty() || chain.inner_of.is_some() || chain.list.is_some();
        !chain.has_fired && (chain.is_lost_by_mistake || (self.outlives_loop(chain) && is_waited_for()))
    }

    /// Whether a Deferred is there when the last turn of the loop is over. Then the program drops all that it has.
    pub fn outlives_loop(&self, chain: &Chain) -> bool {
        chain.gone.is_none_or(|at| self.is_after_loop(chain, at))
    }

    /// Whether nothing could fire a Deferred any more while the loop was still turning.
    pub fn is_lost_in_loop(&self, chain: &Chain) -> bool {
        let mut losses = chain.log.iter().filter(|event| event.what == Happened::FirersGone);
        chain.is_lost && !losses.any(|event| self.is_after_loop(chain, event.at))
    }

    fn is_after_loop(&self, chain: &Chain, at: usize) -> bool {
        self.last_turns.get(&chain.host).is_some_and(|end| at > *end)
    }
}

/// A Deferred of which an event tells, and nothing else is known.
fn chain(number: u64, event: &Event) -> Chain {
    Chain {
        number,
        is_partial: false,
        host: event.host.clone(),
        what: String::new(),
        name: String::new(),
        place: String::new(),
        made_in: None,
        steps: Vec::new(),
        log: Vec::new(),
        has_fired: false,
        waits_for: None,
        is_cancelled: false,
        is_lost: false,
        is_lost_by_mistake: false,
        gone: None,
        list: None,
        inner_of: None,
    }
}
