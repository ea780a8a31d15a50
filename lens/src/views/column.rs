//! [`Column`]: what one turn of the loop was at, or several.
//!
//! Next: `turn_steps.rs`, one turn step by step.

use super::loop_view::PHASES;
use super::svg::Svg;
use super::words;
use crate::model::{Model, Turn};
use crate::verdict::{Crowd, Outside, Overslept, SLOW, is_slow, victims};
use std::collections::{BTreeMap, BTreeSet};

/// Maximum number of delayed calls that have a dot each. A lane has no room for more.
const MAX_DOTS: usize = 4;

/// A column: one turn, or several.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Column {
    /// The first turn.
    pub first: u64,
    /// The last one.
    pub last: u64,
    /// When the first began.
    pub begin: u64,
    /// When the last ended.
    pub end: u64,
    /// How long they waited in all.
    pub waited: u64,
    /// How long their callbacks took in all.
    pub busy: u64,
    /// The phases in which something happened.
    pub phases: Vec<&'static str>,
    /// Number of calls to the system.
    pub calls: usize,
    /// Number of calls of each name.
    pub of_call: BTreeMap<String, usize>,
    /// Number of callbacks.
    pub callbacks: usize,
    /// How long the callbacks of one turn took together, at most; or the program outside of the loop, if something
    /// waited for it meanwhile.
    pub held: u64,
    /// How long the program was outside of the loop before a turn, if something waited meanwhile.
    pub outside: u64,
    /// How long the longest callback took.
    pub longest: u64,
    /// What the longest callback was.
    pub longest_words: String,
    /// Number of delayed calls.
    pub timers: usize,
    /// Number of those that were late.
    pub late: usize,
    /// How late the latest of them was.
    pub latest: u64,
    /// Number of timers and sockets that a callback kept waiting, or the program outside of the loop.
    pub victims: usize,
    /// The event that begins it.
    pub at: usize,
}

impl Column {
    pub(super) fn of(model: &Model, turns: &[&Turn]) -> Column {
        let (first, last) = (turns[0], turns[turns.len() - 1]);
        let mut column = Column {
            first: first.number,
            last: last.number,
            begin: first.begin,
            end: last.end,
            at: first.at,
            ..Column::default()
        };
        for turn in turns {
            column.waited = column.waited.saturating_add(turn.waited);
            column.calls += turn.calls.len();
            for call in &turn.calls {
                *column.of_call.entry(model.turns.calls[*call].name.clone()).or_default() += 1;
            }
            for (phase, _) in PHASES {
                if turn.phases.iter().any(|(name, _)| name == phase) && !column.phases.contains(&phase) {
                    column.phases.push(phase);
                }
            }
            let mut busy = 0_u64;
            for callback in turn.callbacks.iter().map(|index| &model.turns.callbacks[*index]) {
                column.callbacks += 1;
                column.timers += usize::from(callback.timer.is_some());
                column.late += usize::from(callback.timer.and(callback.late).is_some_and(|late| late > SLOW));
                column.latest = column.latest.max(callback.late.unwrap_or(0));
                if callback.outer.is_none() {
                    busy = busy.saturating_add(callback.took);
                }
                if callback.took > column.longest {
                    column.longest = callback.took;
                    column.longest_words.clone_from(&callback.words);
                }
            }
            column.busy = column.busy.saturating_add(busy);
            let outside = Outside::before(model, turn);
            column.outside = column.outside.max(outside.as_ref().map_or(0, |outside| outside.took));
            column.held = column.held.max(busy).max(column.outside);
            column.victims += kept_waiting(model, turn, outside);
        }
        column
    }

    /// A dot for each delayed call, from the bottom up: first those that were late. Of many there are two numbers.
    pub(super) fn draw_timers(&self, svg: &mut Svg, (x, bottom): (i64, i64)) {
        let in_time = self.timers.saturating_sub(self.late);
        if self.timers > MAX_DOTS {
            let numbers = [("hott small mid", self.late), ("small mid", in_time)];
            for (row, (class, count)) in (0..).zip(numbers.into_iter().filter(|(_, count)| *count > 0)) {
                svg.text(class, (x, bottom + 4 - row * 16), &count.to_string());
            }
            return;
        }
        let dots = std::iter::repeat_n("hot", self.late).chain(std::iter::repeat_n("cool", in_time));
        for (row, class) in (0..).zip(dots) {
            svg.dot(class, (x, bottom - row * 10), 4);
        }
    }

    /// The calls to the system: how many, and of each name.
    pub(super) fn calls(&self) -> String {
        let of_call: Vec<_> = self.of_call.iter().map(|(name, count)| format!("{count} {name}")).collect();
        let names = if of_call.is_empty() { String::new() } else { format!(" ({})", of_call.join(", ")) };
        format!("{}{names}", words::count(self.calls, "call"))
    }

    /// Number of turns.
    pub(super) fn turns(&self) -> u64 {
        self.last.saturating_sub(self.first).saturating_add(1)
    }

    pub(super) fn words(&self) -> String {
        let turns = if self.first == self.last {
            format!("turn {}", self.first)
        } else {
            format!("turns {}-{}", self.first, self.last)
        };
        let longest =
            if self.longest_words.is_empty() { String::new() } else { format!("; longest: {}", self.longest_words) };
        let outside = match self.outside {
            0 => String::new(),
            time => format!("; {} outside of the loop before it", words::time(time)),
        };
        format!(
            "{turns} at {}: waited {}, {}, {} taking {}{longest}{outside}",
            words::time(self.begin),
            words::time(self.waited),
            self.calls(),
            words::count(self.callbacks, "callback"),
            words::time(self.busy),
        )
    }
}

/// Number of delayed calls and sockets that had to wait for what held the loop in this turn or before it, and for a
/// wait that was over too late.
fn kept_waiting(model: &Model, turn: &Turn, outside: Option<Outside<'_>>) -> usize {
    let callbacks = turn.callbacks.iter().map(|index| &model.turns.callbacks[*index]);
    let alone = callbacks.filter(|callback| is_slow(callback)).map(|callback| victims(model, callback));
    let together = Crowd::of(model, turn).map(|crowd| crowd.victims(model));
    let (mut timers, mut sockets) = (BTreeSet::new(), BTreeSet::new());
    let asleep = Overslept::of(model, turn).map(|overslept| overslept.victims);
    for victims in alone.chain(together).chain(outside.map(|outside| outside.victims)).chain(asleep) {
        let (late, ready) = victims.numbers();
        timers.extend(late);
        sockets.extend(ready);
    }
    timers.len() + sockets.len()
}
