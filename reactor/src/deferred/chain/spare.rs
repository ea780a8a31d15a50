//! [`take`] and [`keep`]: heads that are used again.
//!
//! A Deferred usually lives for a moment, and allocating and freeing its head is a good part of its cost. So a thread
//! keeps a few empty heads, one for each type, as long as no other type hashes to the same place. Without that, a
//! Deferred that is fired first and then gets four callbacks takes 658 instructions instead of 505, and one that is
//! fired at the end takes 1,925 instead of 1,760 (`bench/count_instructions`).
//!
//! Next: `../story/mod.rs`.

use std::any::{Any, TypeId};
use std::cell::Cell;
use std::hash::{Hash, Hasher};
use std::rc::Rc;

/// How many heads a thread keeps. A power of two.
const MAX_KEPT: usize = 16;

/// The largest size in bytes of a head that is kept.
const MAX_SIZE: usize = 512;

thread_local!(static SPARE: [Cell<Option<Rc<dyn Any>>>; MAX_KEPT] = const { [const { Cell::new(None) }; MAX_KEPT] });

/// The hash of a type is a hash already.
struct AsItIs(u64);

impl Hasher for AsItIs {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        self.0 = bytes.iter().fold(self.0, |sum, byte| sum.rotate_left(8) ^ u64::from(*byte));
    }
    fn write_u64(&mut self, part: u64) {
        self.0 ^= part;
    }
}

/// The place for heads of this type.
#[inline]
fn place<N: 'static>() -> usize {
    let mut hasher = AsItIs(0);
    TypeId::of::<N>().hash(&mut hasher);
    hasher.finish() as usize % MAX_KEPT
}

/// Takes out a head that was kept, in the state in which it was kept.
#[inline]
pub(super) fn take<N: 'static>() -> Option<Rc<N>> {
    if size_of::<N>() > MAX_SIZE {
        return None;
    }
    SPARE.try_with(|spare| spare[place::<N>()].take()).ok()??.downcast().ok()
}

/// Keeps a head that nothing else holds. If its place has one already, that one is dropped.
#[inline]
pub(super) fn keep<N: 'static>(node: Rc<N>) {
    if size_of::<N>() <= MAX_SIZE {
        // While the thread ends nothing is kept any more.
        let _ = SPARE.try_with(|spare| spare[place::<N>()].set(Some(node)));
    }
}
