//! [`Crowd`]: callbacks of one turn that held the loop together, though none of them did so alone. Most slow servers are
//! slow in this way: each of a hundred requests takes a few milliseconds.
//!
//! A hold of the loop is what happens between the end of one wait and the next. A callback that held it alone is told by
//! itself, and is not of the crowd.
//!
//! Next: `outside.rs`, time between the turns.

use super::SLOW;
use super::held::{is_slow, place_of};
use super::victims::{Victims, victims_of_turn};
use crate::model::{Callback, Model, Turn};
use crate::views::words;
use std::collections::BTreeMap;

/// Maximum number of groups that a sentence names.
const MAX_GROUPS: usize = 3;

/// A group that took less than this part of the time only stood behind the others.
const BYSTANDER: u64 = 10;

/// Callbacks of one turn.
#[derive(Debug)]
pub(crate) struct Crowd<'a> {
    turn: &'a Turn,
    /// How long they took together.
    pub(crate) took: u64,
    /// Those of one place, the longest first.
    groups: Vec<Group<'a>>,
    /// The callback that ended last.
    last: &'a Callback,
}

/// Callbacks of a crowd that are alike.
#[derive(Debug)]
pub(super) struct Group<'a> {
    /// One of them stands for all.
    pub(super) first: &'a Callback,
    count: usize,
    took: u64,
    /// Number of delayed calls in it that were late, and the latest.
    late: (usize, u64),
}

/// What makes callbacks alike: the host, what they are, the type and the method, the place.
pub(super) type Key<'a> = (&'a str, &'a str, &'a str, &'a str, &'a str);

fn key(callback: &Callback) -> Key<'_> {
    (&callback.host, &callback.what, &callback.object, &callback.method, &callback.place)
}

impl<'a> Crowd<'a> {
    /// The crowd of a turn, if there is one.
    pub(crate) fn of(model: &'a Model, turn: &'a Turn) -> Option<Crowd<'a>> {
        let callbacks = turn.callbacks.iter().map(|index| &model.turns.callbacks[*index]);
        let callbacks = callbacks.filter(|callback| callback.outer.is_none() && !is_slow(callback));
        let took = callbacks.clone().fold(0_u64, |sum, callback| sum.saturating_add(callback.took));
        let last = callbacks.clone().max_by_key(|callback| callback.end()).filter(|_| took > SLOW)?;
        let mut groups: BTreeMap<Key<'a>, Group<'a>> = BTreeMap::new();
        for callback in callbacks {
            let group = Group { first: callback, count: 0, took: 0, late: (0, 0) };
            let group = groups.entry(key(callback)).or_insert(group);
            group.count += 1;
            group.took = group.took.saturating_add(callback.took);
            if let Some(by) = callback.late.filter(|by| *by > SLOW) {
                group.late = (group.late.0 + 1, group.late.1.max(by));
            }
        }
        let mut groups: Vec<Group<'a>> = groups.into_values().collect();
        groups.sort_by_key(|group| (std::cmp::Reverse(group.took), group.first.at));
        Some(Crowd { turn, took, groups, last })
    }

    /// The group that took most.
    pub(super) fn most(&self) -> &Group<'a> {
        &self.groups[0]
    }

    /// What makes crowds alike.
    pub(super) fn key(&self) -> Key<'a> {
        key(self.most().first)
    }

    /// The event with which it begins.
    pub(crate) fn at(&self) -> usize {
        self.most().first.at
    }

    /// Who it is: `50 delayed calls of src/x.rs:12, none of which took more than 10 ms`.
    pub(crate) fn words(&self) -> String {
        let none = format!("none of which took more than {}", words::time(SLOW));
        let main = self.groups.iter().take_while(|group| group.took >= self.took / BYSTANDER).take(MAX_GROUPS);
        let main: Vec<&Group<'_>> = main.collect();
        let others = &self.groups[main.len()..];
        let (count, took) = others
            .iter()
            .fold((0, 0_u64), |(count, took), group| (count + group.count, took.saturating_add(group.took)));
        let is_worth_it = took >= self.took / BYSTANDER;
        if let ([group], false) = (&main[..], is_worth_it) {
            return format!("{}, {none}", group.words());
        }
        let with_time = |group: &&Group<'_>| format!("{} ({})", group.words(), words::time(group.took));
        let mut names: Vec<String> = main.iter().map(with_time).collect();
        if is_worth_it {
            names.push(format!("{} ({})", words::count(count, "other callback"), words::time(took)));
        }
        format!("{}, {none}", names.join(" and "))
    }

    /// How late its own delayed calls were: each waited for those before it.
    pub(crate) fn details(&self) -> Vec<String> {
        let group = self.most();
        let line = |(late, latest)| {
            let (was, slow) = (if late == 1 { "was" } else { "were" }, words::time(SLOW));
            let count = group.count;
            format!(
                "{late} of the {count} {was} late by more than {slow}: they waited for each other, the last for {}",
                { words::time(latest) }
            )
        };
        (group.late.0 > 0).then(|| line(group.late)).into_iter().collect()
    }

    /// What else had to wait.
    pub(crate) fn victims(&self, model: &'a Model) -> Victims<'a> {
        let small = self.groups.iter().filter(|group| group.took < self.took / BYSTANDER);
        let bystanders: Vec<Key<'_>> = small.map(|group| key(group.first)).collect();
        victims_of_turn(model, self.turn, self.last, |call| bystanders.contains(&key(call)))
    }
}

impl Group<'_> {
    fn words(&self) -> String {
        let Callback { host, what, method, object, words, .. } = self.first;
        let host = if host.is_empty() { String::new() } else { format!("on {host}: ") };
        let place = words::line_of(place_of(self.first));
        let name = match (&**what, &**method) {
            ("timer", _) => words::count(self.count, "delayed call"),
            (_, "") => format!("{} {words}", times(self.count)),
            (_, method) if object.is_empty() => format!("{} of {method}", words::count(self.count, "call")),
            (_, method) => format!("{} of {method} of {object}", words::count(self.count, "call")),
        };
        match place {
            "" => format!("{host}{name}"),
            place if name.contains(place) => format!("{host}{name}"),
            place if what == "timer" => format!("{host}{name} of {place}"),
            place => format!("{host}{name} ({place})"),
        }
    }
}

fn times(count: usize) -> String {
    if count == 1 { "once".to_owned() } else { format!("{count} times") }
}
