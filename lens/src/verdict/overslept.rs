//! [`Overslept`]: a wait that took longer than it was asked to, and the delayed calls that were late by that. The
//! machine was busy, or the process was stopped: the program is not to blame, but a reader looks for the reason in it.
//!
//! Next: `system.rs`, sockets and descriptors.

use super::victims::{Victims, late_by_wait};
use super::{About, Finding, SLOW, again};
use crate::model::{Model, Turn};
use crate::views::words;

/// A wait that was over too late.
#[derive(Debug)]
pub(crate) struct Overslept<'a> {
    /// By how much.
    pub(crate) by: u64,
    /// The event that ends the wait.
    pub(crate) at: usize,
    /// The delayed calls that were late by it.
    pub(crate) victims: Victims<'a>,
}

impl<'a> Overslept<'a> {
    /// The wait of this turn, if it was over too late and a delayed call was late by it.
    pub(crate) fn of(model: &'a Model, turn: &'a Turn) -> Option<Overslept<'a>> {
        let mut calls = turn.calls.iter().map(|call| &model.turns.calls[*call]);
        let poll = calls.find(|call| call.name == "poll")?;
        let (asked, took) = (model.events[poll.at].number("timeout_ns")?, model.events[poll.at].number("took_ns")?);
        let by = took.checked_sub(asked).filter(|by| *by > SLOW)?;
        let victims = late_by_wait(model, turn);
        (!victims.is_empty()).then_some(Overslept { by, at: poll.at, victims })
    }

    /// In words, behind the time.
    pub(crate) fn words() -> &'static str {
        "later than it asked: the machine was busy, or the process was stopped"
    }
}

/// The waits that were over too late. The worst stands for all, with the delayed calls of all.
pub(super) fn overslept(model: &Model) -> Option<Finding> {
    let mut all: Vec<Overslept<'_>> = model.turns.turns.iter().filter_map(|turn| Overslept::of(model, turn)).collect();
    all.sort_by_key(|overslept| (std::cmp::Reverse(overslept.by), overslept.at));
    let worst = all.first()?;
    let (took, at, more) = (worst.by, worst.at, all.len() - 1);
    let (by, why) = (words::time(took), Overslept::words());
    let sentence = format!("The system woke the loop {by} {why}. Meanwhile these waited:");
    let sum = all.iter().fold(0_u64, |sum, overslept| sum.saturating_add(overslept.by));
    let mut details = Victims::joined(all.into_iter().map(|overslept| overslept.victims)).lines();
    details.extend(again(more, sum));
    Some(Finding { about: About::Overslept, sentence, details, place: String::new(), took, at })
}
