//! [`Pause`] and [`Canceller`]: what else a program may hold of a chain. Neither receives its result.
//!
//! Next: `chain/mod.rs`, how a chain runs.

use super::chain::{self, Control, FlatRc, run_in_drop};
use super::story::Place;
use std::panic::Location;
use std::rc::Rc;

/// Holds a Deferred back before its next callback: what [`Deferred::pause`](super::Deferred::pause) gives.
///
/// Dropping it ends the pause, and so does [`unpause`](Pause::unpause). In Twisted a pause that is never taken back, or
/// taken back once too often, hangs a Deferred for ever; here neither can be written.
#[must_use = "the pause ends when this is dropped"]
#[derive(Debug)]
pub struct Pause {
    control: FlatRc<dyn Control>,
}

impl Pause {
    pub(super) fn new(control: FlatRc<dyn Control>) -> Pause {
        let control = control.for_handles().unwrap_or(control);
        control.gate().begin_pause();
        Pause { control }
    }

    /// Ends this pause; if it was the last one, what waits runs before this returns.
    pub fn unpause(self) {
        drop(self);
    }
}

impl Drop for Pause {
    fn drop(&mut self) {
        if let Some(parked) = self.control.gate().end_pause() {
            let control = Rc::clone(&self.control);
            run_in_drop(move || chain::run(parked, Some(control)));
        }
    }
}

/// Cancels a Deferred from elsewhere: what [`Deferred::canceller`](super::Deferred::canceller) gives.
///
/// It reaches the chain as it was when it was asked for, and keeps it alive. Cheap to clone.
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

    /// The same for a cancel that was asked for at `at`.
    pub(super) fn cancel_at(&self, at: Place) {
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
