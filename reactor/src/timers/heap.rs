//! [`Heap`]: entries of calls, the earliest first, some of which are out of date. Pure.
//!
//! ```text
//!            push            every YOUNG entries: the dead are dropped,
//!     call --------> young --------------------------------------------> old
//!                      |        and if most are left, they move             |
//!                      +-------------> the earlier top is due <-------------+
//! ```
//!
//! The queue has two heaps because most calls are time-outs, which are cancelled soon after they were requested. They
//! come and go in the young heap, which is small and stays in the processor's cache. What they cost does not depend on
//! the number of calls that wait: a million of them lie in the old heap, where each step of a new entry towards the top
//! would be a cache miss, and a million dead entries might gather before it pays to drop them.
//!
//! Next: [`../settings.rs`](mod@crate::settings), the limits of the loop.

use super::call::Call;
use crate::timed::Timed;
use std::cell::{Cell, RefCell};
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;
use std::rc::Rc;
use std::time::Instant;

/// A heap is rebuilt when it holds at least this many dead entries, and more of them than live ones.
pub(super) const REBUILD_AT: usize = 64;

/// A heap keeps room for this many entries, even when fewer calls wait. Beyond it, memory is given back as soon as
/// three quarters are not used.
pub(super) const MIN_ROOM: usize = 512;

pub(super) type Entry = Timed<Instant, Rc<Call>>;

#[derive(Default)]
pub(super) struct Heap {
    pub(super) entries: RefCell<BinaryHeap<Entry>>,
    /// Number of entries that are not the entry of their call.
    pub(super) dead: Cell<usize>,
}

impl Heap {
    pub(super) fn push(&self, entry: Entry) {
        self.entries.borrow_mut().push(entry);
    }

    /// The number of entries, those that are dead included.
    pub(super) fn entry_count(&self) -> usize {
        self.entries.borrow().len()
    }

    /// The number of calls that wait in it.
    pub(super) fn len(&self) -> usize {
        self.entry_count() - self.dead.get()
    }

    /// One of its entries is dead from now on.
    pub(super) fn one_died(&self) {
        self.dead.set(self.dead.get() + 1);
        if self.dead.get() >= REBUILD_AT && self.dead.get() * 2 > self.entry_count() {
            self.drop_dead();
        }
    }

    pub(super) fn drop_dead(&self) {
        self.entries.borrow_mut().retain(is_alive);
        self.dead.set(0);
        self.give_room_back();
    }

    /// Moves all entries, dead or not, to `other`.
    pub(super) fn move_to(&self, other: &Heap) {
        other.entries.borrow_mut().append(&mut self.entries.borrow_mut());
        other.dead.set(other.dead.get() + self.dead.take());
    }

    /// When its first call is due, and the order of that call.
    pub(super) fn first(&self) -> Option<(Instant, u64)> {
        self.settle_top();
        self.entries.borrow().peek().map(Timed::key)
    }

    /// Takes out the first call, which [`first`](Heap::first) has just told.
    pub(super) fn pop(&self) -> Option<Rc<Call>> {
        self.entries.borrow_mut().pop().map(|entry| entry.value)
    }

    /// Throws away or puts back entries that are out of date, until the top is a live one.
    fn settle_top(&self) {
        let mut heap = self.entries.borrow_mut();
        while let Some(mut top) = heap.peek_mut() {
            let due = top.value.time.get();
            if !is_alive(&top) {
                PeekMut::pop(top);
                self.dead.set(self.dead.get() - 1);
            } else if due > top.time {
                top.time = due; // The heap puts it back where it belongs when `top` goes.
            } else {
                return;
            }
        }
    }

    /// The calls that wait in it, in any order.
    pub(super) fn waiting(&self) -> Vec<(u64, Rc<Call>)> {
        let entries = self.entries.borrow();
        entries.iter().filter(|entry| is_alive(entry)).map(|entry| (entry.order, entry.value.clone())).collect()
    }

    /// Takes out the calls of all entries. A call that has left entries behind comes several times.
    pub(super) fn take(&self) -> impl Iterator<Item = Rc<Call>> + use<> {
        self.dead.set(0);
        self.entries.take().into_iter().map(|entry| entry.value)
    }

    /// Gives back the memory of a burst. What is kept is twice what is used, so the cost is amortized over the entries
    /// that were taken out.
    pub(super) fn give_room_back(&self) {
        let mut heap = self.entries.borrow_mut();
        if heap.capacity() > MIN_ROOM.max(4 * heap.len()) {
            let room = MIN_ROOM.max(2 * heap.len());
            heap.shrink_to(room);
        }
    }
}

/// Whether the entry's call waits, and this is its current entry.
fn is_alive(entry: &Entry) -> bool {
    entry.value.entry.get() == entry.order
}
