//! [`Part`]: the events that a page steps through, and how it says what it leaves out.
//!
//! Next: `told.rs`, an event in words.

use super::MAX_EVENTS;
use crate::Event;
use crate::model::Model;
use crate::views::words;
use std::ops::Range;

/// What a page is to show.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Part {
    /// The events, by their index.
    pub events: Range<usize>,
    /// The moment at which the page opens: after this many events. The last one, if none is given.
    pub moment: Option<usize>,
    /// The hosts of its pictures: all, if none is named.
    pub hosts: Vec<String>,
}

impl Part {
    /// The first events of a trace.
    pub fn first(model: &Model) -> Part {
        Part { events: 0..model.events.len().min(MAX_EVENTS), ..Part::default() }
    }

    /// The events with these numbers, the events of these turns, or those around the moment after `at` events; the first ones if
    /// nothing is chosen. Of more than [`MAX_EVENTS`], the first ones.
    ///
    /// # Errors
    /// If there is no such event, turn or host.
    pub fn choose(
        model: &Model,
        numbers: Option<(u64, u64)>,
        turns: Option<(u64, u64)>,
        at: Option<usize>,
        hosts: &[String],
    ) -> Result<Part, String> {
        let all = model.hosts();
        if let Some(missing) = hosts.iter().find(|host| !all.contains(&host.as_str())) {
            return Err(format!("there is no host {missing} in this trace"));
        }
        let count = model.events.len();
        let mut events = match (numbers, turns) {
            (Some((first, last)), _) => {
                let from = model.events.partition_point(|event| event.seq < first);
                let to = model.events.partition_point(|event| event.seq <= last);
                (from < to).then_some(from..to).ok_or(format!("there is no event {first} to {last} in this trace"))?
            }
            (None, Some(turns)) => of_turns(model, turns, hosts.first().map(String::as_str))?,
            (None, None) => {
                // Half of them before the moment, half behind it.
                let middle = at.unwrap_or(0).min(count);
                let from = middle.saturating_sub(MAX_EVENTS / 2).min(count.saturating_sub(MAX_EVENTS));
                from..count
            }
        };
        events.end = events.end.min(events.start + MAX_EVENTS);
        let moment = at.map(|at| at.clamp(events.start, events.end));
        Ok(Part { events, moment, hosts: hosts.to_vec() })
    }

    /// Whether the pictures have this host.
    pub(super) fn has_host(&self, host: &str) -> bool {
        self.hosts.is_empty() || self.hosts.iter().any(|shown| shown == host)
    }

    /// A sentence about what is left out; nothing if all is there.
    pub(super) fn left_out(&self, model: &Model) -> Option<String> {
        let (count, Range { start, end }) = (model.events.len(), self.events.clone());
        if (start, end) == (0, count) {
            return None;
        }
        let seq = |index: usize| model.events.get(index).map_or(0, |event| event.seq);
        let ns = |index: usize| words::time(model.events.get(index).map_or(0, |event| event.ns));
        let last = end.saturating_sub(1);
        let next = if end < count { (end, count) } else { (start.saturating_sub(MAX_EVENTS), start) };
        let next = (seq(next.0), seq((next.0 + MAX_EVENTS).min(next.1).saturating_sub(1)));
        Some(format!(
            "This page steps through {} of {} events: {} to {}, from {} to {}. The verdict and the whole-run picture of the \
             loop are about all of them. For another part, run: lens TRACE --html --events {}..{}",
            end - start,
            count,
            seq(start),
            seq(last),
            ns(start),
            ns(last),
            next.0,
            next.1,
        ))
    }
}

/// The events from the beginning of the first turn to the end of the last one. If the host was started again, those of
/// its first program that has such a turn.
fn of_turns(model: &Model, (first, last): (u64, u64), host: Option<&str>) -> Result<Range<usize>, String> {
    let host = host.or_else(|| model.turns.turns.first().map(|turn| &*turn.host)).unwrap_or_default();
    let mut of_host = model.turns.turns.iter().filter(|turn| turn.host == host);
    let begin = of_host.find(|turn| (first..=last).contains(&turn.number));
    let begin = begin.ok_or(format!("there is no turn {first} to {last} in this trace"))?;
    let next = of_host.find(|turn| turn.run != begin.run || turn.number > last).map(|turn| turn.at);
    let is_again = |event: &Event| event.host == host && event.kind == "trace";
    let again = model.events[begin.at..].iter().position(is_again).map(|after| begin.at + after);
    Ok(begin.at..next.into_iter().chain(again).min().unwrap_or(model.events.len()))
}
