//! [`Waiters`]: the Deferreds of `when_connected` that have not fired.
//!
//! Next: `attempt.rs`, one attempt as the reactor sees it.

use crate::diagnostics::tell;
use crate::foreign::Foreign;
use crate::foreign::contain;
use crate::{Deferred, Failure, Firer};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::{Rc, Weak};

pub(super) struct Waiters<T: 'static> {
    /// By the order in which they came.
    waiting: RefCell<BTreeMap<u64, Waiter<T>>>,
    next: Cell<u64>,
}

struct Waiter<T: 'static> {
    firer: Foreign<Firer<T>>,
    /// After this many failures more it fails; `None` means never.
    failures_left: Option<u32>,
}

impl<T: 'static> Waiters<T> {
    pub(super) fn new() -> Rc<Waiters<T>> {
        Rc::new(Waiters { waiting: RefCell::default(), next: Cell::new(0) })
    }

    /// A Deferred that waits. `None` if `max` wait already.
    #[track_caller]
    pub(super) fn wait(self: &Rc<Self>, failures_left: Option<u32>, max: usize) -> Option<Deferred<T>> {
        if self.waiting.borrow().len() >= max {
            self.drop_abandoned();
        }
        if self.waiting.borrow().len() >= max {
            return None;
        }
        let number = self.next.replace(self.next.get() + 1);
        let waiters: Weak<Waiters<T>> = Rc::downgrade(self);
        let (deferred, firer) = Deferred::unwatched_with_canceller(move |_| {
            if let Some(waiters) = waiters.upgrade() {
                let waiter = waiters.waiting.borrow_mut().remove(&number);
                drop(waiter); // After the borrow.
            }
        });
        self.waiting.borrow_mut().insert(number, Waiter { firer: Foreign::new(firer), failures_left });
        Some(deferred)
    }

    /// Forgets the waiters that have dropped their Deferreds: nobody would get their value.
    fn drop_abandoned(&self) {
        let mut waiting = self.waiting.borrow_mut();
        let abandoned: Vec<u64> =
            waiting.iter().filter(|(_, waiter)| waiter.firer.is_abandoned()).map(|(number, _)| *number).collect();
        let abandoned: Vec<_> = abandoned.iter().filter_map(|number| waiting.remove(number)).collect();
        drop(waiting);
        drop(abandoned);
    }

    /// Fires all that wait now, in the order in which they came.
    pub(super) fn fire(&self, mut result: impl FnMut() -> Result<T, Failure>) {
        let waiting = self.waiting.take();
        for waiter in waiting.into_values() {
            fire(waiter.firer, &mut result);
        }
    }

    /// An attempt has failed: those that have waited for enough attempts fail.
    pub(super) fn note_failure(&self, failure: &Failure) {
        let mut over = Vec::new();
        let mut waiting = self.waiting.borrow_mut();
        for (number, waiter) in waiting.iter_mut() {
            if let Some(left) = &mut waiter.failures_left {
                *left = left.saturating_sub(1);
                if *left == 0 {
                    over.push(*number);
                }
            }
        }
        let over: Vec<_> = over.iter().filter_map(|number| waiting.remove(number)).collect();
        drop(waiting);
        for waiter in over {
            fire(waiter.firer, || Err(failure.clone()));
        }
    }
}

/// Fires one Deferred. If a callback of it panics, the others must still hear, and the connection is not to blame.
fn fire<T>(firer: Foreign<Firer<T>>, result: impl FnOnce() -> Result<T, Failure>) {
    let sound = contain(|| {
        let _ = firer.fire(result()); // It was not cancelled: a cancel takes it out.
    });
    if !sound {
        tell!(Error, "reactor", "a callback of when_connected panicked");
    }
}
