//! [`Index`] and [`Chunks`]: a hash table in two parts that grows in small steps.
//!
//! A `HashMap` of five million clients that grows moves all of them in one callback, and everybody waits for half a
//! second. So the entries stand in chunks that never move, and the index is split into shards by the hash. Each shard
//! is a small table of numbers that grows alone: with five million clients it has about five thousand.
//!
//! Next: `identity.rs`, the keys and certificates of a server.

use std::hash::{BuildHasher, Hasher, RandomState};

/// The number of shards is two to this power.
const SHARD_BITS: u32 = 10;

/// The number of entries in a chunk is two to this power.
const CHUNK_BITS: u32 = 10;

/// Finds the number of an entry by a hash of its key.
pub(super) struct Index {
    shards: Vec<Shard>,
    /// Keyed at random: a peer that chooses the keys must not be able to choose the shard.
    hasher: RandomState,
}

/// A hash table with linear probing.
#[derive(Clone, Default)]
struct Shard {
    /// A power of two of them, or none. The upper half of a slot is the upper half of a hash, the lower half is one
    /// more than the entry's number. Zero is a free slot.
    slots: Vec<u64>,
    len: usize,
}

/// The hash of a key.
#[derive(Clone, Copy)]
pub(super) struct Hash(u64);

impl Index {
    pub(super) fn new() -> Index {
        Index { shards: vec![Shard::default(); 1 << SHARD_BITS], hasher: RandomState::new() }
    }

    pub(super) fn hash(&self, key: &[u8]) -> Hash {
        // Not `hash_one`, which would hash the length, too: only whole keys are hashed here.
        let mut hasher = self.hasher.build_hasher();
        hasher.write(key);
        Hash(hasher.finish())
    }

    /// The entry with this hash for which `is_it` holds.
    pub(super) fn find(&self, hash: Hash, is_it: impl Fn(u32) -> bool) -> Option<u32> {
        let Shard { slots, .. } = &self.shards[shard(hash)];
        let mut at = upper(hash.0) as usize;
        loop {
            // No slots at all: the mask would be nothing. Otherwise one slot in four is free, so the loop ends.
            let slot = *slots.get(at & slots.len().wrapping_sub(1))?;
            let number = (slot as u32).checked_sub(1)?;
            if upper(slot) == upper(hash.0) && is_it(number) {
                return Some(number);
            }
            at += 1;
        }
    }

    /// Adds an entry that is not there. Its number must be less than `u32::MAX`.
    pub(super) fn insert(&mut self, hash: Hash, number: u32) {
        let shard = &mut self.shards[shard(hash)];
        if shard.len >= shard.slots.len() / 4 * 3 {
            let larger = vec![0; (shard.slots.len() * 2).max(8)];
            let old = std::mem::replace(&mut shard.slots, larger);
            old.into_iter().filter(|slot| *slot != 0).for_each(|slot| shard.place(slot));
        }
        shard.len += 1;
        shard.place(u64::from(upper(hash.0)) << 32 | u64::from(number + 1));
    }
}

impl Shard {
    fn place(&mut self, slot: u64) {
        let mask = self.slots.len() - 1;
        let mut at = upper(slot) as usize & mask;
        while self.slots[at] != 0 {
            at = (at + 1) & mask;
        }
        self.slots[at] = slot;
    }
}

/// The shard takes the lower bits, the place in it the upper ones: with the same bits for both, all entries of a shard
/// would want the same places.
fn shard(hash: Hash) -> usize {
    hash.0 as usize & ((1 << SHARD_BITS) - 1)
}

fn upper(bits: u64) -> u32 {
    (bits >> 32) as u32
}

/// A vector that never moves more than one chunk.
pub(super) struct Chunks<T> {
    chunks: Vec<Vec<T>>,
}

impl<T> Chunks<T> {
    pub(super) fn new() -> Chunks<T> {
        Chunks { chunks: Vec::new() }
    }

    pub(super) fn len(&self) -> usize {
        match self.chunks.split_last() {
            Some((last, full)) => (full.len() << CHUNK_BITS) + last.len(),
            None => 0,
        }
    }

    pub(super) fn push(&mut self, value: T) {
        match self.chunks.last_mut() {
            Some(last) if last.len() < 1 << CHUNK_BITS => last.push(value),
            _ => self.chunks.push(vec![value]),
        }
    }

    /// # Panics
    /// If there is no such entry.
    pub(super) fn at(&self, number: u32) -> &T {
        &self.chunks[number as usize >> CHUNK_BITS][number as usize & ((1 << CHUNK_BITS) - 1)]
    }

    /// # Panics
    /// If there is no such entry.
    pub(super) fn at_mut(&mut self, number: u32) -> &mut T {
        &mut self.chunks[number as usize >> CHUNK_BITS][number as usize & ((1 << CHUNK_BITS) - 1)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_found_again_and_no_other() {
        const COUNT: u32 = 100_000;
        let (mut index, mut keys) = (Index::new(), Chunks::new());
        let key = |number: u32| format!("client-{number}").into_bytes();
        let find = |index: &Index, keys: &Chunks<Vec<u8>>, key: &[u8]| {
            index.find(index.hash(key), |number| keys.at(number) == key)
        };
        assert_eq!(find(&index, &keys, &key(0)), None, "an empty one");
        for number in 0..COUNT {
            index.insert(index.hash(&key(number)), number);
            keys.push(key(number));
        }
        assert_eq!(keys.len(), COUNT as usize);
        for number in 0..COUNT {
            assert_eq!(find(&index, &keys, &key(number)), Some(number));
        }
        for number in COUNT..2 * COUNT {
            assert_eq!(find(&index, &keys, &key(number)), None);
        }
    }

    #[test]
    fn keys_with_equal_hashes_are_told_apart() {
        let mut index = Index::new();
        for number in 0..1000 {
            index.insert(Hash(7 << 32), number);
        }
        for number in 0..1000 {
            assert_eq!(index.find(Hash(7 << 32), |found| found == number), Some(number));
        }
        assert_eq!(index.find(Hash(7 << 32), |_| false), None);
    }

    #[test]
    fn no_step_of_growth_moves_much() {
        let mut index = Index::new();
        let mut most = 0;
        for number in 0..500_000u32 {
            let hash = index.hash(&number.to_le_bytes());
            let before = index.shards[shard(hash)].slots.len();
            index.insert(hash, number);
            if index.shards[shard(hash)].slots.len() > before {
                most = most.max(before);
            }
        }
        // A shard has 488 entries on average.
        assert!((256..=1024).contains(&most), "{most} slots were moved at once");
    }
}
