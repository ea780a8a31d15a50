//! [`take`] and [`keep`]: nodes that are done with, for the next ones of their types.
//!
//! A Deferred usually lives for a moment, and asking for the memory of its head and giving it back is no small part of
//! what it costs. So a thread keeps a few heads in which nothing is left, one for each type, as long as the types do
//! not fall to the same place.

use std::any::{Any, TypeId};
use std::cell::Cell;
use std::hash::{Hash, Hasher};
use std::rc::Rc;

/// How many a thread keeps. A power of two.
const KEPT: usize = 16;

/// None that is larger is kept.
const LARGEST: usize = 512;

thread_local!(static SPARE: [Cell<Option<Rc<dyn Any>>>; KEPT] = const { [const { Cell::new(None) }; KEPT] });

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

/// Where one of this type is kept.
#[inline]
fn place<N: 'static>() -> usize {
    let mut hasher = AsItIs(0);
    TypeId::of::<N>().hash(&mut hasher);
    hasher.finish() as usize % KEPT
}

/// One that was kept, as it was then.
#[inline]
pub(super) fn take<N: 'static>() -> Option<Rc<N>> {
    if size_of::<N>() > LARGEST {
        return None;
    }
    SPARE.try_with(|spare| spare[place::<N>()].take()).ok()??.downcast().ok()
}

/// Keeps one that nobody else holds; one that was kept before in the same place goes.
#[inline]
pub(super) fn keep<N: 'static>(node: Rc<N>) {
    if size_of::<N>() <= LARGEST {
        // While the thread ends nothing is kept any more.
        let _ = SPARE.try_with(|spare| spare[place::<N>()].set(Some(node)));
    }
}
