//! [`Waiters`]: Deferreds that wait for a lock or a queue, in order of arrival.
//!
//! ```text
//!   Waiters --Firer--> Head --> ... <---- Deferred
//!      ^                 ^                   |
//!      +--- weakly ------+-- WaiterControl <-+
//! ```
//!
//! A waiter gives up by a cancel, or by dropping its Deferred. [`WaiterControl`] notices the drop: only holders that
//! may still receive the result have a link to it.
//!
//! The callback of a waiter may release the lock or put an item. Then the next waiter runs nested, before the release
//! or the `put` returns: Twisted's order. If a million of them do so, `chain/nesting.rs` keeps the stack bounded.
//!
//! Next: `run_end.rs`, how a run of a lock ends.

use super::tickets::Tickets;
use crate::deferred::chain::{Chain, Control, FlatRc, Gate, Head, Next, Node, Trampoline};
use crate::deferred::story::{Place, Status, TellsStatus};
use crate::deferred::{Deferred, Firer};
use std::panic::Location;
use std::rc::{Rc, Weak};

pub(super) struct Waiters<T: 'static> {
    waiting: Tickets<Firer<T>>,
}

impl<T: 'static> Waiters<T> {
    pub(super) fn new() -> Rc<Waiters<T>> {
        Rc::new(Waiters { waiting: Tickets::new() })
    }

    /// Adds a waiter at the end. A cancel takes it out and fails it.
    #[track_caller]
    pub(super) fn wait(self: &Rc<Self>) -> Deferred<T> {
        let ticket = self.waiting.next();
        let waiters = Rc::downgrade(self);
        let on_cancel = waiters.clone();
        let head = Head::new(Some(Box::new(move |_: &Rc<Head<T>>| take_out(&on_cancel, ticket))), Location::caller());
        self.waiting.add(Firer::new(head.clone()));
        let control = Rc::new(WaiterControl { head: head.clone(), ticket, waiters });
        Deferred::from_chain(Chain::new(FlatRc::new(head), FlatRc::new(control)))
    }

    /// How many wait. Waiters that have given up do not count, except one that is awaited by a coroutine without a
    /// Deferred of its own.
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Takes out the waiters in front that have given up.
    pub(super) fn skip_abandoned(&self) {
        while let Some(gone) = self.waiting.remove_oldest_if(Firer::is_abandoned) {
            drop(gone);
        }
    }

    /// Takes out the oldest waiter, to be fired. It has not fired: only its owner fires it, and a cancel takes it out.
    pub(super) fn remove_oldest(&self) -> Option<Firer<T>> {
        self.skip_abandoned();
        self.waiting.remove_oldest()
    }
}

fn take_out<T: 'static>(waiters: &Weak<Waiters<T>>, ticket: u64) {
    drop(waiters.upgrade().and_then(|waiters| waiters.waiting.remove(ticket)));
}

/// The control of a waiter's chain, for holders that may still receive what the waiter waits for. When the last of them
/// is gone, the waiter gives up its place.
///
/// [`Shared`](super::Shared) has a `SharedWaiterControl`. The two have only the drop in common: there a cancel may end
/// the work of all, a handle keeps the place, and the story goes on to the source. One type for both would need a trait
/// of four methods, for cancelling, handles, circles and the story: no fewer lines, and one concept more.
struct WaiterControl<T: 'static> {
    head: Rc<Head<T>>,
    ticket: u64,
    waiters: Weak<Waiters<T>>,
}

impl<T: 'static> WaiterControl<T> {
    /// Called when nothing holds this any more. Even then something may receive the result: callbacks that were added,
    /// or code that is about to await the Deferred.
    fn give_up(&self) {
        if self.head.is_abandoned(1) {
            take_out(&self.waiters, self.ticket);
        }
    }
}

impl<T: 'static> Drop for WaiterControl<T> {
    fn drop(&mut self) {
        self.give_up();
    }
}

impl<T> Node for WaiterControl<T> {
    fn remains(self: Rc<Self>) -> Option<Rc<dyn Node>> {
        Some(self)
    }

    /// Before this is dropped, a permit or an item may come up: it must go to the next waiter.
    fn put_off(&self) {
        self.give_up();
    }
}

impl<T> TellsStatus for WaiterControl<T> {
    fn status(&self) -> Status {
        self.head.status()
    }

    fn number(&self) -> u64 {
        self.head.number()
    }
}

impl<T> Control for WaiterControl<T> {
    fn gate(&self) -> &Gate {
        self.head.gate()
    }

    fn cancel(self: Rc<Self>, at: Place, trampoline: &mut Trampoline) -> Next {
        self.head.clone().cancel(at, trampoline)
    }

    fn for_handles(&self) -> Option<FlatRc<dyn Control>> {
        Some(FlatRc::new(self.head.clone()))
    }
}
