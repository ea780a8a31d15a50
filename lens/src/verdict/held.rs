//! What held the loop: a callback that took long, a crowd of short ones, or the program outside of the loop.
//!
//! Next: `crowd.rs`, many callbacks in one turn.

use super::crowd::Crowd;
use super::outside::Outside;
use super::overslept::Overslept;
use super::victims::{Victims, victims};
use super::{About, Finding, SLOW};
use crate::model::{Callback, Model, Side, Step, StepState, Turn};
use crate::views::words;
use std::collections::BTreeMap;

/// Something that held the loop, or woke it too late, for a list of such things.
#[derive(Debug)]
pub(crate) struct Hold {
    /// For how long.
    pub(crate) took: u64,
    /// The event with which it begins.
    pub(crate) at: usize,
    /// The time, and what it was.
    pub(crate) sentence: String,
    /// What had to wait.
    pub(crate) victims: Vec<String>,
}

/// Everything that held the loop in these turns, in order, and the waits that were over too late.
pub(crate) fn holds<'a>(model: &Model, turns: impl IntoIterator<Item = &'a Turn>) -> Vec<Hold> {
    let mut holds = Vec::new();
    for turn in turns {
        if let Some(outside) = Outside::before(model, turn) {
            let (took, words) = (words::time(outside.took), outside.words());
            let inside = words_inside(model, &slow_in(model, &outside));
            let sentence = format!("{took} held by the program outside of the loop, {words}{inside}");
            holds.push(Hold { took: outside.took, at: outside.at, sentence, victims: outside.victims.lines() });
        }
        if let Some(overslept) = Overslept::of(model, turn) {
            let sentence = format!("woken {} {}", words::time(overslept.by), Overslept::words());
            holds.push(Hold { took: overslept.by, at: overslept.at, sentence, victims: overslept.victims.lines() });
        }
        let callbacks = turn.callbacks.iter().map(|index| &model.turns.callbacks[*index]);
        for callback in callbacks.filter(|callback| is_slow(callback)) {
            let inside = inside(model, callback);
            let sentence = format!("{} held by {}{inside}", words::time(callback.took), who(callback));
            let victims = victims(model, callback).lines();
            holds.push(Hold { took: callback.took, at: callback.at, sentence, victims });
        }
        if let Some(crowd) = Crowd::of(model, turn) {
            let sentence = format!("{} held by {}", words::time(crowd.took), crowd.words());
            let victims = [crowd.details(), crowd.victims(model).lines()].concat();
            holds.push(Hold { took: crowd.took, at: crowd.at(), sentence, victims });
        }
    }
    holds.sort_by_key(|hold| hold.at);
    holds
}

/// Whether a callback alone held the loop.
pub(crate) fn is_slow(callback: &Callback) -> bool {
    callback.outer.is_none() && callback.took > SLOW
}

/// Callbacks that held the loop, and what had to wait for them. If one of them did so again and again, its worst time
/// stands for all, with what had to wait for any of them.
pub(super) fn held(model: &Model) -> Vec<Finding> {
    let slow = model.turns.callbacks.iter().filter(|callback| is_slow(callback));
    let mut alike: BTreeMap<_, Vec<&Callback>> = BTreeMap::new();
    for callback in slow {
        let Callback { host, what, object, method, place, .. } = callback;
        alike.entry((host, what, object, method, place)).or_default().push(callback);
    }
    let mut findings = Vec::new();
    for mut alike in alike.into_values() {
        alike.sort_by_key(|callback| std::cmp::Reverse(callback.took));
        let (worst, others) = (alike[0], &alike[1..]);
        let mut details = Victims::joined(alike.iter().map(|callback| victims(model, callback))).lines();
        let (took, inside) = (words::time(worst.took), inside(model, worst));
        let sentence = format!("{} held the loop for {took}{inside}. {}", who(worst), waited(&details));
        let all = alike.iter().fold(0_u64, |all, callback| all.saturating_add(callback.took));
        details.extend(again(others.len(), all));
        // The line to look at is that of the callback in which most of the time went by.
        let place = slow_steps(model, worst).last().map_or(place_of(worst), |(step, _)| &step.place).to_owned();
        findings.push(Finding { about: About::Held, sentence, details, place, took: worst.took, at: worst.at });
    }
    findings
}

/// Crowds of callbacks that held the loop. If one of the same kind did so again and again, the worst stands for all,
/// with what had to wait for any of them.
pub(super) fn crowds(model: &Model) -> Vec<Finding> {
    let crowds = model.turns.turns.iter().filter_map(|turn| Crowd::of(model, turn));
    let mut alike: BTreeMap<_, Vec<Crowd<'_>>> = BTreeMap::new();
    for crowd in crowds {
        alike.entry(crowd.key()).or_default().push(crowd);
    }
    let mut findings = Vec::new();
    for mut alike in alike.into_values() {
        alike.sort_by_key(|crowd| std::cmp::Reverse(crowd.took));
        let (worst, others) = (&alike[0], &alike[1..]);
        let victims = Victims::joined(alike.iter().map(|crowd| crowd.victims(model))).lines();
        let (took, all) = (worst.took, alike.iter().fold(0_u64, |all, crowd| all.saturating_add(crowd.took)));
        let sentence = format!(
            "{}, held the loop for {} together, in one turn. {}",
            worst.words(),
            words::time(took),
            waited(&victims)
        );
        let mut details = [worst.details(), victims].concat();
        details.extend(again(others.len(), all));
        let place = place_of(worst.most().first).to_owned();
        findings.push(Finding { about: About::Held, sentence, details, place, took, at: worst.at() });
    }
    findings
}

/// Times in which the program was outside of its loop, and something waited. The longest of each host stands for all,
/// with what had to wait for any of them.
pub(super) fn outside(model: &Model) -> Option<Finding> {
    let mut all: Vec<Outside<'_>> = model.turns.turns.iter().filter_map(|turn| Outside::before(model, turn)).collect();
    all.sort_by_key(|outside| (std::cmp::Reverse(outside.took), outside.at));
    let worst = all.first()?;
    let (took, at, steps) = (worst.took, worst.at, slow_in(model, worst));
    let (time, words, inside) = (words::time(took), worst.words(), words_inside(model, &steps));
    let sentence = format!("The program was outside of its loop for {time}, {words}{inside}. Meanwhile these waited:");
    let place = steps.last().map_or(String::new(), |(step, _)| step.place.clone());
    let (more, sum) = (all.len() - 1, all.iter().fold(0_u64, |sum, outside| sum.saturating_add(outside.took)));
    let mut details = Victims::joined(all.into_iter().map(|outside| outside.victims)).lines();
    details.extend(again(more, sum));
    Some(Finding { about: About::Held, sentence, details, place, took, at })
}

fn waited(victims: &[String]) -> &'static str {
    if victims.is_empty() { "Nothing else waited meanwhile." } else { "Meanwhile these waited:" }
}

/// How often the same happened, and how long it took in all.
pub(super) fn again(more: usize, all: u64) -> Option<String> {
    let times = words::count(more, "more time");
    (more > 0).then(|| format!("This was the longest. It did so {times}; all took {}.", words::time(all)))
}

/// A callback in which the trace ends. The file tells of it because somebody killed the process after a while.
pub(super) fn endless(model: &Model) -> Vec<Finding> {
    let is_told = model.is_cut && !model.is_full;
    let open = model.turns.open().filter(|callback| is_told && callback.host.is_empty());
    let finding = |callback: &Callback| {
        let mut details = vec!["It held the loop when the process was killed.".to_owned()];
        details.extend(victims(model, callback).lines());
        let sentence = format!("{} had not ended when the trace ends.", who(callback));
        Finding {
            about: About::Endless,
            sentence,
            details,
            place: place_of(callback).to_owned(),
            took: 0,
            at: callback.at,
        }
    };
    open.map(finding).collect()
}

/// Where a callback stands: the line of a method if the source was given, else where the program asked for it.
pub(super) fn place_of(callback: &Callback) -> &str {
    if callback.method_place.is_empty() { &callback.place } else { &callback.method_place }
}

/// A callback in words, with its place.
pub(crate) fn who(callback: &Callback) -> String {
    let place = words::line_of(place_of(callback));
    let host = if callback.host.is_empty() { String::new() } else { format!("on {}: ", callback.host) };
    let name = format!("{} of {}", callback.method, callback.object);
    match callback.words.strip_prefix(&name) {
        Some(rest) if !callback.method_place.is_empty() => format!("{host}{name} ({place}){rest}"),
        _ if place.is_empty() || callback.words.contains(place) => format!("{host}{}", callback.words),
        _ => format!("{host}{} ({place})", callback.words),
    }
}

/// The callbacks of Deferreds that took most of the time in a callback of the loop, to stand behind its time; empty if
/// there is none.
fn inside(model: &Model, callback: &Callback) -> String {
    words_inside(model, &slow_steps(model, callback))
}

fn words_inside(model: &Model, steps: &[(&Step, u64)]) -> String {
    let words = |(step, took): &(&Step, u64)| {
        let name = match step.side {
            Side::Body => format!("the body of {}, made at", model.chains.name(step.chain)),
            _ => "the callback added at".to_owned(),
        };
        format!(", {} of it in {name} {}", words::time(*took), words::line_of(&step.place))
    };
    steps.iter().map(words).collect()
}

/// The callbacks of Deferreds that took most of the time in a callback of the loop, and for how long: the outermost
/// first.
fn slow_steps<'a>(model: &'a Model, callback: &Callback) -> Vec<(&'a Step, u64)> {
    slow_between(model, &callback.host, callback.at, callback.begin, callback.end())
}

/// The same of a time outside of the loop.
fn slow_in<'a>(model: &'a Model, outside: &Outside<'_>) -> Vec<(&'a Step, u64)> {
    slow_between(model, "", outside.at, outside.begin, outside.turn.begin)
}

fn slow_between<'a>(model: &'a Model, host: &str, at: usize, begin: u64, end: u64) -> Vec<(&'a Step, u64)> {
    let mut slow = Vec::new();
    for step in model.chains.steps.values() {
        if let StepState::Ran(run) = &step.state
            && model.chains.chains.get(&step.chain).is_some_and(|chain| chain.host == host)
            && run.at > at
            && run.begin >= begin
            && run.end <= end
            && run.end.saturating_sub(run.begin) > end.saturating_sub(begin) / 2
        {
            slow.push((run.at, step, run.end.saturating_sub(run.begin)));
        }
    }
    slow.sort_by_key(|(at, ..)| *at);
    slow.into_iter().map(|(_, step, took)| (step, took)).collect()
}
