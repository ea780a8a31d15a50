//! Who waits for a lock or a queue: Deferreds in the order in which they came.
//!
//! ```text
//!   Waiters --Firer--> Head --> ... <-- Deferred
//!      ^                 ^                 |
//!      +--- weakly ------+-- WaiterRoot <--+
//! ```
//!
//! Each has a ticket, by which it is found without looking at the others when it gives up: by a cancel, or by dropping
//! its Deferred. The latter is what [`WaiterRoot`] is for: only who may still receive has a link to it.
//!
//! They are served in a loop, not one from inside another: if what a waiter does serves the next one (it releases the
//! lock, it puts an item), the loop that is running does it when the waiter returns. So a million of them use the stack
//! of one.

use super::chain::{Payload, Then, Turn, caught};
use super::ends::Ends;
use super::head::Head;
use super::held::{Held, Node};
use super::history::Place;
use super::root::{Gate, Root};
use super::waiting::Stage;
use super::{Deferred, Firer};
use crate::Failure;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::panic::Location;
use std::rc::{Rc, Weak};

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
        let on_cancel = waiters.clone();
        let head = Head::new(Some(Box::new(move |_: &Firer<T>| take_out(&on_cancel, ticket))), Location::caller());
        self.waiting.borrow_mut().insert(ticket, Firer::new(head.clone()));
        let root = Rc::new(WaiterRoot { head: head.clone(), ticket, waiters });
        Deferred::from_ends(Ends::new(Held::new(head), Held::new(root)))
    }

    /// How many wait. Of those who have given up only one that was awaited by a coroutine whose own Deferred is gone
    /// may be among them.
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

fn take_out<T: 'static>(waiters: &Weak<Waiters<T>>, ticket: u64) {
    let taken = waiters.upgrade().and_then(|waiters| waiters.waiting.borrow_mut().remove(&ticket));
    drop(taken); // Outside of the borrow: it may be the end of a chain.
}

/// The root of a waiter's chain for those who may receive what it waits for. When they are gone, so is its place.
struct WaiterRoot<T: 'static> {
    head: Rc<Head<T>>,
    ticket: u64,
    waiters: Weak<Waiters<T>>,
}

impl<T: 'static> WaiterRoot<T> {
    /// Nobody holds this any more. But callbacks may have been added, or code may be about to await the Deferred.
    fn give_up(&self) {
        if self.head.is_abandoned(1) {
            take_out(&self.waiters, self.ticket);
        }
    }
}

impl<T: 'static> Drop for WaiterRoot<T> {
    fn drop(&mut self) {
        self.give_up();
    }
}

impl<T> Node for WaiterRoot<T> {
    fn remains(self: Rc<Self>) -> Option<Rc<dyn Node>> {
        Some(self)
    }

    /// What comes up before this is dropped must already go to the next one.
    fn put_off(&self) {
        self.give_up();
    }
}

impl<T> Root for WaiterRoot<T> {
    fn gate(&self) -> &Gate {
        self.head.gate()
    }

    fn cancel(self: Rc<Self>, at: Place, turn: &mut Turn) -> Then {
        self.head.clone().cancel(at, turn)
    }

    fn stage(&self) -> Stage {
        self.head.stage()
    }

    fn for_onlookers(&self) -> Option<Held<dyn Root>> {
        Some(Held::new(self.head.clone()))
    }
}

/// Set while [`Waiters::serve`] runs, however it ends.
struct Serving<'a>(&'a Cell<bool>);

impl Drop for Serving<'_> {
    fn drop(&mut self) {
        self.0.set(false);
    }
}
