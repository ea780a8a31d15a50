//! [`Timed`]: an entry of a heap from which the earliest comes first. Pure.
//!
//! A heap promises nothing for equal times. So an entry has a number besides, in the order of insertion: entries of the
//! same time come out as they went in. The delayed calls and the simulated world both rest on that.
//!
//! Next: `timers.rs`, the first heap of such entries.

use std::cmp::Ordering;

pub(crate) struct Timed<T, V> {
    pub(crate) time: T,
    pub(crate) order: u64,
    pub(crate) value: V,
}

impl<T: Ord + Copy, V> Timed<T, V> {
    pub(crate) fn key(&self) -> (T, u64) {
        (self.time, self.order)
    }
}

impl<T: Ord + Copy, V> PartialEq for Timed<T, V> {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl<T: Ord + Copy, V> Eq for Timed<T, V> {}

impl<T: Ord + Copy, V> PartialOrd for Timed<T, V> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Reversed: `BinaryHeap` gives out the greatest entry first, and here that must be the earliest.
impl<T: Ord + Copy, V> Ord for Timed<T, V> {
    fn cmp(&self, other: &Self) -> Ordering {
        other.key().cmp(&self.key())
    }
}
