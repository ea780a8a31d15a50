//! [`DeferredEvent`]: what Deferreds do, as events of a trace.
//!
//! A Deferred has one number for its whole chain, and each callback of it a number of its own, its step. The run of a
//! coroutine's body from one `await` to the next is a step, too.
//!
//! Next: `seen.rs`, what an event shows of a result.

use std::panic::Location;

/// What has happened to a Deferred.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum DeferredEvent<'a> {
    /// It was made. One that had its result from the start is reported when its first callback is added.
    Made {
        /// As what.
        what: DeferredKind,
        /// Where in the source.
        place: &'static Location<'static>,
        /// The name that the program gave it: [`name_next`](super::name_next).
        name: Option<&'a str>,
    },
    /// A callback was added.
    Added {
        /// The number of the callback.
        step: u64,
        /// Which results it gets.
        side: Side,
        /// Where in the source.
        place: &'static Location<'static>,
        /// The name that the program gave it: [`name_next`](super::name_next).
        name: Option<&'a str>,
    },
    /// It was fired. It is not fired by a cancel: see [`Cancelled`](DeferredEvent::Cancelled).
    Fired {
        /// With this.
        result: Shown<'a>,
        /// Where in the source.
        place: &'static Location<'static>,
    },
    /// It was fired a second time, which was refused.
    Refused {
        /// Where in the source.
        place: &'static Location<'static>,
        /// Where it was fired first.
        first: &'static Location<'static>,
    },
    /// It was fired after a cancel. The first time, that is ignored: nobody told the producer. Twisted's rule.
    Ignored {
        /// Where in the source.
        place: &'static Location<'static>,
    },
    /// A callback begins.
    StepBegin {
        /// The number of the callback.
        step: u64,
        /// What it gets; nothing, if it is the body of a coroutine.
        input: Option<Shown<'a>>,
    },
    /// A callback is over. What it did happened in between: steps nest.
    StepEnd {
        /// The number of the callback.
        step: u64,
        /// The result; none if the chain waits for a Deferred, if a coroutine awaits, or after a panic.
        output: Option<Shown<'a>>,
        /// The Deferred that it gave back, and for which the chain waits.
        waits_for: Option<u64>,
        /// It panicked.
        panicked: bool,
    },
    /// A result passed a callback by: it is for values and got a failure, or the other way round.
    StepPassed {
        /// The number of the callback.
        step: u64,
        /// The result.
        input: Shown<'a>,
    },
    /// The Deferred that it waited for has fired: the chain goes on with its result.
    Resumed {
        /// The result.
        result: Shown<'a>,
    },
    /// It was paused.
    Paused,
    /// A pause ended.
    Unpaused,
    /// The program asked for a cancel. It is for what the chain waits for at the end.
    CancelAsked {
        /// Where in the source.
        place: &'static Location<'static>,
    },
    /// Its canceller is called.
    CancellerBegin,
    /// Its canceller has returned.
    CancellerEnd,
    /// It had not fired, and fails because of a cancel.
    Cancelled {
        /// Where in the source the cancel was asked for.
        place: &'static Location<'static>,
    },
    /// Some code awaits it.
    Awaited {
        /// The coroutine; none if another executor polls it.
        by: Option<u64>,
        /// Where in the source.
        place: &'static Location<'static>,
    },
    /// The code that awaited it has its result.
    AwaitEnd {
        /// The result.
        result: Shown<'a>,
    },
    /// It has become an input of a list or a race.
    Joined {
        /// The list.
        list: u64,
        /// Its place among the inputs.
        index: usize,
        /// Its result, if it has one already.
        result: Option<Shown<'a>>,
    },
    /// A list or a race has its result.
    Decided {
        /// The input that decided it.
        index: usize,
        /// The result.
        result: Shown<'a>,
    },
    /// It waits for a result that several share.
    Shares {
        /// The Deferred whose result that is.
        source: u64,
    },
    /// It is to hand its result on to another Deferred, when it has one.
    WillHandOn {
        /// The other one.
        to: u64,
        /// Where in the source.
        place: &'static Location<'static>,
    },
    /// It hands its result on to another Deferred.
    HandedOn {
        /// The other one.
        to: u64,
        /// Where in the source.
        place: &'static Location<'static>,
    },
    /// Its last [`Firer`](crate::Firer) was dropped, and it has not been fired: only a cancel can end its wait now.
    FirersGone,
    /// The loss of its last [`Firer`](crate::Firer) is a mistake: something waits for its result, which never comes.
    /// Not told of what goes with a reactor, or after a run.
    Lost,
    /// Both of its ends are gone, and all that waited in it. Of a coroutine or a list this is told only if it has not
    /// fired.
    Gone {
        /// Whether it has fired.
        fired: bool,
    },
}

/// What a Deferred was made as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum DeferredKind {
    /// Something fires it.
    Deferred,
    /// It had its result from the start.
    Result,
    /// A coroutine.
    Coroutine,
    /// A list: it has its result when all inputs have theirs, or with the first failure.
    List,
    /// A race: the first value decides it.
    Race,
}

impl DeferredKind {
    /// Its name in a line of JSON.
    pub fn name(self) -> &'static str {
        match self {
            DeferredKind::Deferred => "deferred",
            DeferredKind::Result => "result",
            DeferredKind::Coroutine => "coroutine",
            DeferredKind::List => "list",
            DeferredKind::Race => "race",
        }
    }
}

/// Which results a callback gets. Others pass it by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Values.
    Callback,
    /// Failures.
    Errback,
    /// Both.
    Both,
    /// Both, each with a function of its own (`add_callbacks`).
    Pair,
}

impl Side {
    /// Its name in a line of JSON.
    pub fn name(self) -> &'static str {
        match self {
            Side::Callback => "callback",
            Side::Errback => "errback",
            Side::Both => "both",
            Side::Pair => "pair",
        }
    }
}

/// What an event shows of a result.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum Shown<'a> {
    /// A value.
    Value {
        /// Its type.
        type_name: &'static str,
        /// The value itself, if the program asked for that: see [`Trace::show_values`](super::Trace::show_values).
        text: Option<&'a str>,
    },
    /// A failure.
    Failure {
        /// Its number. It stays the same on its way through the chains.
        id: u64,
        /// The type of its error.
        type_name: &'static str,
        /// The error in words.
        text: &'a str,
        /// Where in the source it was made.
        raised: &'static Location<'static>,
    },
}
