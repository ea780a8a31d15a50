//! [`Pause`] and [`Canceller`]: handles on a chain that do not receive its result.
//!
//! Next: `chain/mod.rs`, how a chain runs.

use super::chain::{self, Control, FlatRc, run_in_drop};
use super::story::Place;
use crate::trace::{self, DeferredEvent};
use std::panic::Location;
use std::rc::Rc;

/// Holds a Deferred back before its next callback: what [`Deferred::pause`](super::Deferred::pause) returns.
///
/// Dropping it ends the pause, and so does [`unpause`](Pause::unpause). In Twisted a Deferred hangs for ever if a pause
/// is never ended, or ended once too often; here neither can be written.
#[must_use = "the pause ends when this is dropped"]
#[derive(Debug)]
pub struct Pause {
    control: FlatRc<dyn Control>,
}

impl Pause {
    pub(super) fn new(control: FlatRc<dyn Control>) -> Pause {
        let control = control.for_handles().unwrap_or(control);
        control.gate().begin_pause();
        if trace::is_on() {
            trace::report(control.number(), DeferredEvent::Paused);
        }
        Pause { control }
    }

    /// Ends this pause. If it was the chain's last one, the callbacks that it held back run before this returns.
    pub fn unpause(self) {
        drop(self);
    }
}

impl Drop for Pause {
    fn drop(&mut self) {
        if trace::is_on() {
            trace::report(self.control.number(), DeferredEvent::Unpaused);
        }
        if let Some(parked) = self.control.gate().end_pause() {
            let control = Rc::clone(&self.control);
            run_in_drop(move || chain::run(parked, Some(control)));
        }
    }
}

/// Cancels a Deferred from elsewhere: what [`Deferred::canceller`](super::Deferred::canceller) returns.
///
/// It cancels the chain to which the Deferred belonged when the handle was made, and keeps that chain alive. Cheap to
/// clone.
#[derive(Debug)]
pub struct Canceller {
    control: Option<FlatRc<dyn Control>>,
}

impl Canceller {
    pub(super) fn new(control: Option<FlatRc<dyn Control>>) -> Canceller {
        Canceller::counted(control.map(|control| control.for_handles().unwrap_or(control)))
    }

    fn counted(control: Option<FlatRc<dyn Control>>) -> Canceller {
        if let Some(control) = &control {
            control.gate().add_canceller();
        }
        Canceller { control }
    }

    /// Cancels what the chain waits for now; see [`Deferred::cancel`](super::Deferred::cancel).
    #[track_caller]
    pub fn cancel(&self) {
        self.cancel_at(Location::caller());
    }

    /// The same, with the place that is blamed for it given by the caller.
    pub(crate) fn cancel_at(&self, at: Place) {
        if let Some(control) = &self.control {
            chain::cancel(control.clone(), at);
        }
    }
}

impl Clone for Canceller {
    fn clone(&self) -> Canceller {
        Canceller::counted(self.control.clone())
    }
}

impl Drop for Canceller {
    fn drop(&mut self) {
        if let Some(control) = &self.control {
            control.gate().remove_canceller();
        }
    }
}
