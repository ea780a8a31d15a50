//! [`Tickets`]: waiters, in order of arrival.
//!
//! Each has a ticket. When it gives up, the ticket finds it without a search.
//!
//! Next: `lock.rs`.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

/// Waiters, each under a number of its own. What is taken out is returned, so that the caller drops it when nothing is
/// borrowed: dropping it may drop a whole chain, and run the user's code.
pub(super) struct Tickets<W> {
    /// The oldest is the first. No limit here: the owner of this list has one, or documents that it has none.
    waiting: RefCell<BTreeMap<u64, W>>,
    next: Cell<u64>,
}

impl<W> Tickets<W> {
    pub(super) fn new() -> Tickets<W> {
        Tickets { waiting: RefCell::new(BTreeMap::new()), next: Cell::new(0) }
    }

    /// The ticket of the next waiter that is added.
    pub(super) fn next(&self) -> u64 {
        self.next.get()
    }

    pub(super) fn add(&self, waiter: W) {
        let ticket = self.next.replace(self.next.get() + 1);
        self.waiting.borrow_mut().insert(ticket, waiter);
    }

    pub(super) fn remove(&self, ticket: u64) -> Option<W> {
        self.waiting.borrow_mut().remove(&ticket)
    }

    pub(super) fn remove_oldest(&self) -> Option<W> {
        self.waiting.borrow_mut().pop_first().map(|(_, waiter)| waiter)
    }

    /// Removes the oldest if `condition` holds for it.
    pub(super) fn remove_oldest_if(&self, condition: impl FnOnce(&W) -> bool) -> Option<W> {
        let mut waiting = self.waiting.borrow_mut();
        let oldest = waiting.first_entry()?;
        condition(oldest.get()).then(|| oldest.remove())
    }

    pub(super) fn len(&self) -> usize {
        self.waiting.borrow().len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.borrow().is_empty()
    }
}
