//! [`Chain`]: a Deferred, its callbacks, and what happened to it.
//!
//! Next: `chains.rs`, all of them.

use crate::trace::Event;

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
    pub(crate) fn of(event: &Event) -> Option<Passed> {
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
    /// Both, each with a function of its own.
    Pair,
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
    /// Whether its beginning is missing in the trace: what happened to it before is unknown.
    pub is_partial: bool,
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
    /// The event with which it went.
    pub gone: Option<usize>,
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

    /// Whether such a result of a list or a race is made of all inputs: then the last one completed it, and none decided it.
    pub fn is_of_all_inputs(&self, result: &Passed) -> bool {
        !self.is_partial && (self.what == "race") == result.is_failure()
    }

    /// Whether it waits for several inputs.
    pub fn is_list(&self) -> bool {
        matches!(self.what.as_str(), "list" | "race")
    }
}
