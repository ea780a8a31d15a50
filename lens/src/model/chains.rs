//! [`Chains`]: Deferreds, their callbacks, and what they have to do with each other.
//!
//! Next: `../methods.rs`, where a method stands.

use crate::trace::Event;
use std::collections::BTreeMap;

/// A result, as far as the trace shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Passed {
    /// A value.
    Value {
        /// Its type.
        type_name: String,
        /// Its text, if values are shown.
        text: Option<String>,
    },
    /// A failure.
    Failure {
        /// Its number.
        id: u64,
        /// The type of the error, with its path.
        type_name: String,
        /// The error in words.
        text: String,
        /// Where it was made.
        raised: String,
    },
}

impl Passed {
    fn of(event: &Event) -> Option<Passed> {
        if let Some(id) = event.number("failure") {
            let (type_name, text) = (event.text("error_type").to_owned(), event.text("error").to_owned());
            return Some(Passed::Failure { id, type_name, text, raised: event.text("raised").to_owned() });
        }
        let type_name = event.text("type");
        let text = event.fields.get("value").and_then(|value| value.as_str()).map(str::to_owned);
        (!type_name.is_empty()).then(|| Passed::Value { type_name: type_name.to_owned(), text })
    }

    /// Whether it is a failure.
    pub fn is_failure(&self) -> bool {
        matches!(self, Passed::Failure { .. })
    }
}

/// Which results a callback gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Values.
    Callback,
    /// Failures.
    Errback,
    /// Both.
    Both,
    /// It is the body of a coroutine.
    Body,
}

/// A callback of a chain.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// Its number.
    pub number: u64,
    /// The name that the program gave it; empty if it gave none.
    pub name: String,
    /// The Deferred.
    pub chain: u64,
    /// Which results it gets.
    pub side: Side,
    /// Where it was added.
    pub place: String,
    /// What has become of it.
    pub state: StepState,
}

/// What has become of a callback.
#[derive(Debug, Clone, PartialEq)]
pub enum StepState {
    /// No result has come to it.
    Waits,
    /// A result passed it by.
    Passed(Passed),
    /// It ran.
    Ran(Run),
}

/// A run of a callback.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    /// What it got.
    pub input: Option<Passed>,
    /// What it gave back.
    pub output: Option<Passed>,
    /// The Deferred that it gave back.
    pub waits_for: Option<u64>,
    /// Whether it panicked.
    pub panicked: bool,
    /// When it began and ended.
    pub begin: u64,
    /// When it ended; the same as `begin` if the trace ends in it.
    pub end: u64,
    /// Whether it has ended.
    pub is_over: bool,
    /// The event that begins it.
    pub at: usize,
    /// The event that ends it.
    pub end_at: Option<usize>,
}

/// What happened to a chain, in order.
#[derive(Debug, Clone, PartialEq)]
pub struct ChainEvent {
    /// What.
    pub what: Happened,
    /// The event.
    pub at: usize,
    /// When.
    pub ns: u64,
    /// The step in which it happened.
    pub in_step: Option<u64>,
    /// The place that the event names.
    pub place: String,
}

/// What can happen to a chain.
#[derive(Debug, Clone, PartialEq)]
pub enum Happened {
    /// It was made.
    Made,
    /// It was fired.
    Fired(Option<Passed>),
    /// It was fired again, after this place.
    Refused(String),
    /// It was fired after a cancel, which was ignored.
    Ignored,
    /// This step ran.
    StepRan(u64),
    /// A result passed this step by.
    StepPassed(u64),
    /// It goes on with the result of what it waited for.
    Resumed(Option<Passed>),
    /// It was paused.
    Paused,
    /// A pause ended.
    Unpaused,
    /// A cancel was asked for.
    CancelAsked,
    /// Its canceller was called.
    Canceller,
    /// It failed because of a cancel.
    Cancelled,
    /// Code awaits it: this coroutine.
    Awaited(Option<u64>),
    /// The awaiting code has its result.
    AwaitEnd(Option<Passed>),
    /// It is an input of this list, at this place; with its result, if it had it already.
    Joined(u64, u64, Option<Passed>),
    /// Its input with this index decided it, with this result.
    Decided(u64, Option<Passed>),
    /// It waits for the shared result of this one.
    Shares(u64),
    /// It is to hand its result on to this one.
    WillHandOn(u64),
    /// It hands its result on to this one.
    HandedOn(u64),
    /// Nothing can fire it any more.
    FirersGone,
    /// That is a mistake: something waits for it.
    Lost,
    /// It is gone, and had fired or not.
    Gone(bool),
    /// Nobody handled this failure.
    Unhandled(Passed, String),
}

/// A Deferred, with its whole chain.
#[derive(Debug, Clone, PartialEq)]
pub struct Chain {
    /// Its number.
    pub number: u64,
    /// The host; empty for a real program.
    pub host: String,
    /// `deferred`, `result`, `coroutine`, `list`, `race`.
    pub what: String,
    /// The name that the program gave it; empty if it gave none.
    pub name: String,
    /// Where it was made.
    pub place: String,
    /// The callback of the loop in which it was made.
    pub made_in: Option<u64>,
    /// Its callbacks, in the order of the chain, by their numbers.
    pub steps: Vec<u64>,
    /// What happened, in order.
    pub log: Vec<ChainEvent>,
    /// Whether it has been fired, decided or cancelled, or a callback of it got a result in another way.
    pub has_fired: bool,
    /// What it waits for at the end of the trace.
    pub waits_for: Option<u64>,
    /// Whether it failed because of a cancel.
    pub is_cancelled: bool,
    /// Whether nothing can fire it any more.
    pub is_lost: bool,
    /// Whether the library has warned of that.
    pub is_lost_by_mistake: bool,
    /// Whether it is gone.
    pub is_gone: bool,
    /// The list of which it is an input.
    pub list: Option<u64>,
    /// The chain for which this one is the inner one: a step of it gave this one back, or it awaits this one. Of
    /// several, the last.
    pub inner_of: Option<u64>,
}

impl Chain {
    /// Whether a pause holds it.
    pub fn is_paused(&self) -> bool {
        let pauses = |pauses: i64, event: &ChainEvent| match event.what {
            Happened::Paused => pauses + 1,
            Happened::Unpaused => pauses - 1,
            _ => pauses,
        };
        self.log.iter().fold(0, pauses) > 0
    }

    /// Whether it waits for several inputs.
    pub fn is_list(&self) -> bool {
        matches!(self.what.as_str(), "list" | "race")
    }
}

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
    /// All failures that nobody handled: the event, the failure and its story.
    pub unhandled: Vec<(usize, Passed, String)>,
}

impl Chains {
    pub(super) fn take(&mut self, at: usize, event: &Event) {
        if event.kind == "unhandled" {
            return self.unhandled(at, event);
        }
        let Some(number) = event.number("deferred") else { return };
        if event.kind == "deferred_made" {
            self.make(number, at, event);
        }
        if !self.chains.contains_key(&number) {
            return; // The beginning of the trace is missing, as in a ring.
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
            _ => match self.happened(number, event, passed) {
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
            number,
            host: event.host.clone(),
            what: text("what"),
            name: text("name"),
            place: text("place"),
            made_in: event.callback,
            steps: Vec::new(),
            log: vec![made],
            has_fired: event.text("what") == "result",
            waits_for: None,
            is_cancelled: false,
            is_lost: false,
            is_lost_by_mistake: false,
            is_gone: false,
            list: None,
            inner_of: None,
        };
        self.chains.insert(number, chain);
    }

    fn add(&mut self, chain: u64, event: &Event) {
        let number = event.number("step").unwrap_or(0);
        let side = match event.text("side") {
            "callback" => Side::Callback,
            "errback" => Side::Errback,
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
            let body = Step { number, name: String::new(), chain, side: Side::Body, place, state: StepState::Waits };
            self.steps.insert(number, body);
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

    fn happened(&mut self, number: u64, event: &Event, passed: Option<Passed>) -> Option<Happened> {
        let chain = self.chains.get_mut(&number)?;
        Some(match event.kind.as_str() {
            "deferred_fired" => {
                chain.has_fired = true;
                Happened::Fired(passed)
            }
            "deferred_refused" => Happened::Refused(event.text("first").to_owned()),
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
                chain.is_lost_by_mistake = true;
                Happened::Lost
            }
            "deferred_gone" => {
                chain.is_gone = true;
                Happened::Gone(event.flag("fired"))
            }
            _ => return None,
        })
    }

    fn unhandled(&mut self, at: usize, event: &Event) {
        let Some(failure) = Passed::of(event) else { return };
        let words = event.text("words").to_owned();
        let chain = match &failure {
            Passed::Failure { id, .. } => self.failures.get(id).copied(),
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

    /// The inputs of a list, in order.
    pub fn inputs(&self, list: u64) -> Vec<u64> {
        let mut inputs = self.inputs.get(&list).cloned().unwrap_or_default();
        inputs.sort_unstable();
        inputs.into_iter().map(|(_, chain)| chain).collect()
    }

    /// Whether a Deferred still waits at the end of the trace, and something waits for it. If the
    /// program dropped its last Firer by mistake, it counts even if everything that waited for it is gone.
    pub fn is_unfired(&self, chain: &Chain) -> bool {
        let is_waited_for = || !chain.steps.is_empty() || chain.inner_of.is_some() || chain.list.is_some();
        !chain.has_fired && (chain.is_lost_by_mistake || (!chain.is_gone && is_waited_for()))
    }
}
