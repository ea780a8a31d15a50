//! What Deferreds do, as lines of JSON: a part of `json.rs`.
//!
//! Next: `file.rs`, where the lines go.

use super::json::Line;
use super::{DeferredEvent, Shown};

impl Line<'_> {
    pub(super) fn deferred(&mut self, deferred: u64, event: &DeferredEvent<'_>) {
        self.word("kind", kind(event));
        self.number("deferred", deferred);
        match *event {
            DeferredEvent::Made { what, place, name } => {
                self.word("what", what.name());
                self.name(name);
                self.place(place);
            }
            DeferredEvent::Added { step, side, place, name } => {
                self.number("step", step);
                self.word("side", side.name());
                self.name(name);
                self.place(place);
            }
            DeferredEvent::Fired { result, place } => {
                self.shown(result);
                self.place(place);
            }
            DeferredEvent::Refused { place, first } => {
                self.place(place);
                self.place_as("first", first);
            }
            DeferredEvent::StepBegin { step, input } => {
                self.number("step", step);
                input.into_iter().for_each(|input| self.shown(input));
            }
            DeferredEvent::StepEnd { step, output, waits_for, panicked } => {
                self.number("step", step);
                output.into_iter().for_each(|output| self.shown(output));
                waits_for.into_iter().for_each(|inner| self.number("waits_for", inner));
                self.flag("panicked", panicked);
            }
            DeferredEvent::StepPassed { step, input } => {
                self.number("step", step);
                self.shown(input);
            }
            DeferredEvent::Resumed { result } | DeferredEvent::AwaitEnd { result } => self.shown(result),
            DeferredEvent::Ignored { place }
            | DeferredEvent::CancelAsked { place }
            | DeferredEvent::Cancelled { place } => self.place(place),
            DeferredEvent::Awaited { by, place } => {
                by.into_iter().for_each(|by| self.number("by", by));
                self.place(place);
            }
            DeferredEvent::Joined { list, index, result } => {
                self.number("list", list);
                self.number("index", index as u64);
                result.into_iter().for_each(|result| self.shown(result));
            }
            DeferredEvent::Decided { index, result } => {
                self.number("index", index as u64);
                self.shown(result);
            }
            DeferredEvent::Shares { source } => self.number("source", source),
            DeferredEvent::WillHandOn { to, place } | DeferredEvent::HandedOn { to, place } => {
                self.number("to", to);
                self.place(place);
            }
            DeferredEvent::Gone { fired } => self.flag("fired", fired),
            DeferredEvent::Paused
            | DeferredEvent::Unpaused
            | DeferredEvent::CancellerBegin
            | DeferredEvent::CancellerEnd
            | DeferredEvent::FirersGone
            | DeferredEvent::Lost => {}
        }
    }

    pub(super) fn unhandled(&mut self, failure: Shown<'_>, words: &str) {
        self.word("kind", "unhandled");
        self.shown(failure);
        self.text("words", words);
    }

    fn name(&mut self, name: Option<&str>) {
        if let Some(name) = name {
            self.text("name", name);
        }
    }

    fn shown(&mut self, result: Shown<'_>) {
        match result {
            Shown::Value { type_name, text } => {
                self.text("type", type_name);
                text.into_iter().for_each(|text| self.text("value", text));
            }
            Shown::Failure { id, type_name, text, raised } => {
                self.number("failure", id);
                self.text("error_type", type_name);
                self.text("error", text);
                self.place_as("raised", raised);
            }
        }
    }
}

fn kind(event: &DeferredEvent<'_>) -> &'static str {
    match event {
        DeferredEvent::Made { .. } => "deferred_made",
        DeferredEvent::Added { .. } => "step_added",
        DeferredEvent::Fired { .. } => "deferred_fired",
        DeferredEvent::Refused { .. } => "deferred_refused",
        DeferredEvent::Ignored { .. } => "deferred_ignored",
        DeferredEvent::StepBegin { .. } => "step_begin",
        DeferredEvent::StepEnd { .. } => "step_end",
        DeferredEvent::StepPassed { .. } => "step_passed",
        DeferredEvent::Resumed { .. } => "deferred_resumed",
        DeferredEvent::Paused => "deferred_paused",
        DeferredEvent::Unpaused => "deferred_unpaused",
        DeferredEvent::CancelAsked { .. } => "cancel_asked",
        DeferredEvent::CancellerBegin => "canceller_begin",
        DeferredEvent::CancellerEnd => "canceller_end",
        DeferredEvent::Cancelled { .. } => "deferred_cancelled",
        DeferredEvent::Awaited { .. } => "deferred_awaited",
        DeferredEvent::AwaitEnd { .. } => "await_end",
        DeferredEvent::Joined { .. } => "list_joined",
        DeferredEvent::Decided { .. } => "list_decided",
        DeferredEvent::Shares { .. } => "deferred_shares",
        DeferredEvent::WillHandOn { .. } => "deferred_will_hand_on",
        DeferredEvent::HandedOn { .. } => "deferred_handed_on",
        DeferredEvent::FirersGone => "firers_gone",
        DeferredEvent::Lost => "deferred_lost",
        DeferredEvent::Gone { .. } => "deferred_gone",
    }
}
