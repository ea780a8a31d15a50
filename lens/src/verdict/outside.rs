//! [`Outside`]: the program did something else between two turns, or before the first one, and something waited for the
//! loop meanwhile. A program that calls `iterate` in a loop of its own, or runs the reactor several times, does so.
//! If nothing waited, it is no fault.
//!
//! Next: `victims.rs`, what had to wait.

use super::SLOW;
use super::victims::{Victims, victims_outside};
use crate::Event;
use crate::model::{Model, Turn};

/// A time in which the program was outside of its loop.
#[derive(Debug)]
pub(crate) struct Outside<'a> {
    /// The turn that ends it.
    pub(super) turn: &'a Turn,
    /// Since when.
    pub(super) begin: u64,
    /// For how long, without the callbacks outside of a turn.
    pub(crate) took: u64,
    /// The event with which it begins.
    pub(crate) at: usize,
    /// What had to wait.
    pub(crate) victims: Victims<'a>,
}

impl<'a> Outside<'a> {
    /// What was before a turn, if it took long and something waited for it.
    pub(crate) fn before(model: &'a Model, turn: &'a Turn) -> Option<Outside<'a>> {
        // A simulated host waits between its turns.
        if !turn.host.is_empty() {
            return None;
        }
        let index = model.turns.turns.partition_point(|other| other.at < turn.at);
        let before = model.turns.turns[..index].last();
        let (begin, at) = match before.filter(|before| before.host == turn.host && before.run == turn.run) {
            Some(before) if before.number.checked_add(1) == Some(turn.number) => {
                (before.end, end_of(model, before, turn))
            }
            None if turn.number == 1 => first_of_program(model, turn)?,
            _ => return None, // Turns are missing in the trace.
        };
        let first = model.turns.callbacks.partition_point(|callback| callback.at < at);
        let callbacks = model.turns.callbacks[first..].iter().take_while(|callback| callback.at < turn.at);
        let own = callbacks.filter(|callback| callback.outer.is_none());
        let in_callbacks = own.fold(0_u64, |sum, callback| sum.saturating_add(callback.took));
        let took = turn.begin.saturating_sub(begin).saturating_sub(in_callbacks);
        if took <= SLOW {
            return None;
        }
        let victims = victims_outside(model, turn, begin);
        (!victims.is_empty()).then_some(Outside { turn, begin, took, at, victims })
    }

    /// Where it stands: `between turns 2 and 3`.
    pub(crate) fn words(&self) -> String {
        match self.turn.number {
            1 => "before turn 1".to_owned(),
            number => format!("between turns {} and {number}", number - 1),
        }
    }
}

/// The event that ends a turn.
fn end_of(model: &Model, before: &Turn, turn: &Turn) -> usize {
    let ends = |at: &usize| model.events[*at].kind == "turn_end" && model.events[*at].host == turn.host;
    (before.at..turn.at).rev().find(ends).unwrap_or(turn.at)
}

/// The first thing for which the loop is to wait: a delayed call, or a socket. Before it, nothing can have waited.
fn first_of_program(model: &Model, turn: &Turn) -> Option<(u64, usize)> {
    let own = (0..turn.at).rev().take_while(|at| !matches!(&*model.events[*at].kind, "trace" | "end"));
    let is_thing =
        |event: &Event| event.host == turn.host && event.number("timer").or(event.number("socket")).is_some();
    let first = own.filter(|at| is_thing(&model.events[*at])).last()?;
    Some((model.events[first].ns, first))
}
