//! [`Calls`]: the calls to the system, by name, as `strace -c` counts them.
//!
//! Next: `tls.rs`, what encrypted bytes are.

use super::words;
use crate::model::{Call, Model, Turn};
use std::collections::BTreeMap;

/// Maximum number of names. A driver has fewer; a file may have any.
const MAX_NAMES: usize = 40;

/// Maximum number of characters of a name, and of all errors of a name.
const MAX_NAME: usize = 20;
const MAX_ERRORS: usize = 48;

/// How often each call was made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Calls {
    /// How often, and how often with each error, by name.
    pub of: BTreeMap<String, (u64, BTreeMap<String, u64>)>,
    /// Whether the calls before the first turn, between turns and after the last one are counted, too.
    pub is_all: bool,
}

impl Calls {
    /// The calls of these turns of a host; with `is_all`, those outside of turns, too.
    pub(super) fn of(model: &Model, turns: &[&Turn], is_all: bool) -> Calls {
        let mut calls = Calls { is_all, ..Calls::default() };
        let inside = turns.iter().flat_map(|turn| &turn.calls).map(|index| &model.turns.calls[*index]);
        inside.for_each(|call| calls.count(call));
        if let Some(turn) = turns.first().filter(|_| is_all) {
            let own = model.turns.calls.iter().filter(|call| model.events[call.at].host == turn.host);
            own.filter(|call| !call.is_in_turn).for_each(|call| calls.count(call));
        }
        calls
    }

    fn count(&mut self, call: &Call) {
        let (count, errors) = self.of.entry(call.name.clone()).or_default();
        *count += 1;
        if !call.failed.is_empty() {
            *errors.entry(call.failed.clone()).or_default() += 1;
        }
    }

    /// A table, a line for each name, the most frequent first; empty if there was no call.
    pub(super) fn lines(&self) -> Vec<String> {
        let mut names: Vec<_> = self.of.iter().collect();
        names.sort_by_key(|(_, (count, _))| std::cmp::Reverse(*count));
        let row = |(name, (count, errors)): &(&String, &(u64, BTreeMap<String, u64>))| {
            let errors: Vec<_> = errors.iter().map(|(error, count)| format!("{count} {error}")).collect();
            let line = format!(
                "{:>13} {count:>7}  {}",
                words::cut(name, MAX_NAME),
                words::cut(&errors.join(", "), MAX_ERRORS)
            );
            line.trim_end().to_owned()
        };
        let rows: Vec<_> = names.iter().take(MAX_NAMES).map(row).collect();
        let where_ = if self.is_all { "in all" } else { "in these turns" };
        let title = (!rows.is_empty()).then(|| format!(" system calls   count  errors, {where_}"));
        title.into_iter().chain(rows).collect()
    }
}
