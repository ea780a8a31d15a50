//! Who waits for a lock or a queue: Deferreds in the order in which they came.
//!
//! Each has a ticket, by which a cancel finds it without looking at the others. They are served in a loop, not one
//! from inside another: if what a waiter does serves the next one (it releases the lock, it puts an item), the loop
//! that is running does it when the waiter returns. So a million of them use the stack of one.

use super::chain::{Payload, caught};
use super::{Deferred, Firer};
use crate::Failure;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

pub(super) struct Waiters<T: 'static> {
    /// By ticket, so the oldest is the first. Without a limit here: a queue has its own, and for a lock the limit is
    /// that of what is doing the waiting.
    waiting: RefCell<BTreeMap<u64, Firer<T>>>,
    next_ticket: Cell<u64>,
    serving: Cell<bool>,
}

impl<T: 'static> Waiters<T> {
    pub(super) fn new() -> Rc<Waiters<T>> {
        let waiting = RefCell::new(BTreeMap::new());
        Rc::new(Waiters { waiting, next_ticket: Cell::new(0), serving: Cell::new(false) })
    }

    /// One more, at the end. A cancel takes it out and fails it.
    #[track_caller]
    pub(super) fn wait(self: &Rc<Self>) -> Deferred<T> {
        let ticket = self.next_ticket.get();
        self.next_ticket.set(ticket + 1);
        let waiters = Rc::downgrade(self);
        let (deferred, firer) = Deferred::with_canceller(move |_| {
            let taken = waiters.upgrade().and_then(|waiters| waiters.waiting.borrow_mut().remove(&ticket));
            drop(taken);
        });
        self.waiting.borrow_mut().insert(ticket, firer);
        deferred
    }

    /// How many wait. Those whose Deferred was dropped are counted until their turn comes.
    pub(super) fn len(&self) -> usize {
        self.waiting.borrow().len()
    }

    /// Whether anybody waits who would take what is there. Those in front who would not are taken out.
    pub(super) fn any(&self) -> bool {
        loop {
            let gone = match self.waiting.borrow_mut().first_entry() {
                None => return false,
                Some(first) if !first.get().is_abandoned() => return true,
                Some(first) => first.remove(),
            };
            drop(gone);
        }
    }

    /// Takes everybody out whose Deferred was dropped.
    pub(super) fn sweep(&self) {
        let gone: Vec<_> = self.waiting.borrow_mut().extract_if(.., |_, firer| firer.is_abandoned()).collect();
        drop(gone);
    }

    /// Fires the waiters, the oldest first, with what `next` gives, until either runs out. Does nothing if it is
    /// called from inside itself: the outer call goes on. Gives back the first panic of a waiter's callbacks, when all
    /// have been served.
    pub(super) fn serve(&self, mut next: impl FnMut() -> Option<Result<T, Failure>>) -> Option<Payload> {
        if self.serving.replace(true) {
            return None;
        }
        let _serving = Serving(&self.serving);
        let mut panic = None;
        while self.any()
            && let Some(result) = next()
            && let Some((_, firer)) = self.pop_oldest()
        {
            let served = caught(move || {
                // That it has fired already is impossible: only we do, and a cancel takes it out.
                let _ = firer.fire(result);
            });
            if let Err(payload) = served {
                panic.get_or_insert(payload);
            }
        }
        panic
    }

    fn pop_oldest(&self) -> Option<(u64, Firer<T>)> {
        self.waiting.borrow_mut().pop_first()
    }
}

/// Set while [`Waiters::serve`] runs, however it ends.
struct Serving<'a>(&'a Cell<bool>);

impl Drop for Serving<'_> {
    fn drop(&mut self) {
        self.0.set(false);
    }
}
