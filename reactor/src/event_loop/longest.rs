//! [`LongestCallback`]: which callback has held the loop the longest.
//!
//! Next: `inventory.rs`, what a reactor holds.

use super::Reactor;
use std::cell::{Cell, RefCell};
use std::time::Duration;

/// The callback that has held the loop the longest since the reactor was made: [`Reactor::longest_callback`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LongestCallback {
    /// How long everybody else waited for it.
    pub took: Duration,
    /// What it was, as the log would name it.
    pub what: String,
}

/// The record. To keep it costs one comparison a callback.
#[derive(Debug, Default)]
pub(super) struct Longest {
    /// A callback that took no longer is not a record.
    ordinary: Cell<Duration>,
    found: RefCell<Option<LongestCallback>>,
}

impl Longest {
    /// Whether there is nothing to note about a callback that took this long.
    #[inline]
    pub(super) fn is_ordinary(&self, took: Duration) -> bool {
        took <= self.ordinary.get()
    }

    /// Notes a callback, if it is the record.
    pub(super) fn note(&self, took: Duration, what: &str) {
        let mut found = self.found.borrow_mut();
        if found.as_ref().is_none_or(|found| took > found.took) && !took.is_zero() {
            *found = Some(LongestCallback { took, what: what.to_owned() });
            self.ordinary.set(took);
        }
    }
}

impl Reactor {
    /// The callback that has held the loop the longest since the reactor was made, for status pages. `None` if none has
    /// taken any time yet. Those of more than [`Settings::slow_callback`](crate::Settings::slow_callback) are logged as
    /// well.
    pub fn longest_callback(&self) -> Option<LongestCallback> {
        self.core.longest.found.borrow().clone()
    }
}
