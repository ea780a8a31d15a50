//! [`Index`] and [`Chunks`]: a hash table in two parts that grows and shrinks in small steps.
//!
//! A `HashMap` of five million clients that grows moves all of them in one callback, and everybody waits for half a
//! second. So the entries stand in chunks that never move, and the index is split into shards by the hash. Each shard
//! is a table of numbers that grows alone: with five million clients it has about eighty thousand, and moving them
//! takes less than a millisecond. A thousand smaller shards would make a thousand allocations of each size on
//! their way, and an allocator would be left with more memory in pieces.
//!
//! Next: [`locations/text.rs`](../../src/proxyherd/locations/text.rs.html), what stands in an entry.

use std::collections::BTreeSet;
use std::hash::{BuildHasher, Hasher, RandomState};

/// The number of shards is two to this power.
const SHARD_BITS: u32 = 6;

/// The number of entries in a chunk. With them, a chunk is so large that an allocator keeps it apart from everything
/// else, and gives it back to the system when it is empty. Chunks of a hundred kilobytes shared four megabytes with a
/// table of rustls that is never freed. The room for all of them is taken at once: a chunk that grew would leave free
/// pieces of many sizes. Room that was never written costs no memory.
const CHUNK: usize = 4096;

/// The minimum number of slots of a shard that has any.
const MIN_SLOTS: usize = 8;

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
            shard.resize((shard.slots.len() * 2).max(MIN_SLOTS));
        }
        shard.len += 1;
        shard.place(slot(hash, number));
    }

    /// Removes an entry that is there.
    pub(super) fn remove(&mut self, hash: Hash, number: u32) {
        let shard = &mut self.shards[shard(hash)];
        shard.take(slot(hash, number));
        shard.len -= 1;
        if shard.len == 0 {
            // Even a few small pieces would keep the memory around them from the system.
            shard.slots = Vec::new();
        } else if shard.slots.len() > MIN_SLOTS && shard.len < shard.slots.len() / 8 {
            shard.resize(shard.slots.len() / 4);
        }
    }
}

impl Shard {
    fn resize(&mut self, slots: usize) {
        let old = std::mem::replace(&mut self.slots, vec![0; slots.max(MIN_SLOTS)]);
        old.into_iter().filter(|slot| *slot != 0).for_each(|slot| self.place(slot));
    }

    /// Takes a slot out, and moves those after it that would not be found any more: a search ends at a free slot.
    fn take(&mut self, slot: u64) {
        let mask = self.slots.len() - 1;
        let mut free = upper(slot) as usize & mask;
        while self.slots[free] != slot {
            free = (free + 1) & mask;
        }
        let mut at = free;
        loop {
            at = (at + 1) & mask;
            let other = self.slots[at];
            if other == 0 {
                break;
            }
            // How far it stands from where its search begins: if the free slot is on that way, it moves there.
            let way = at.wrapping_sub(upper(other) as usize) & mask;
            if way >= (at.wrapping_sub(free) & mask) {
                self.slots[free] = other;
                free = at;
            }
        }
        self.slots[free] = 0;
    }

    fn place(&mut self, slot: u64) {
        let mask = self.slots.len() - 1;
        let mut at = upper(slot) as usize & mask;
        while self.slots[at] != 0 {
            at = (at + 1) & mask;
        }
        self.slots[at] = slot;
    }
}

fn slot(hash: Hash, number: u32) -> u64 {
    u64::from(upper(hash.0)) << 32 | u64::from(number + 1)
}

/// The shard takes the lower bits, the place in it the upper ones: with the same bits for both, all entries of a shard
/// would want the same places.
fn shard(hash: Hash) -> usize {
    hash.0 as usize & ((1 << SHARD_BITS) - 1)
}

fn upper(bits: u64) -> u32 {
    (bits >> 32) as u32
}

/// Numbered entries, which never move. A number that is free again is given to the next entry, the one in the lowest
/// chunk first; a chunk without entries gives its memory back.
pub(super) struct Chunks<T> {
    chunks: Vec<Chunk<T>>,
    /// The chunks that have a free number.
    roomy: BTreeSet<usize>,
    len: usize,
}

/// The entries with [`CHUNK`] numbers in a row.
struct Chunk<T> {
    entries: Vec<Option<T>>,
    /// Which of them are `None`.
    free: Vec<u16>,
}

impl<T> Chunks<T> {
    pub(super) fn new() -> Chunks<T> {
        Chunks { chunks: Vec::new(), roomy: BTreeSet::new(), len: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// All numbers in use are less than this.
    pub(super) fn end(&self) -> usize {
        self.chunks.last().map_or(0, |last| (self.chunks.len() - 1) * CHUNK + last.entries.len())
    }

    /// Adds an entry, unless all numbers below `u32::MAX` are in use. Returns its number.
    pub(super) fn insert(&mut self, value: T) -> Option<u32> {
        let chunk = match self.roomy.first() {
            Some(chunk) => *chunk,
            None => {
                self.chunks.push(Chunk { entries: Vec::new(), free: Vec::new() });
                self.roomy.insert(self.chunks.len() - 1);
                self.chunks.len() - 1
            }
        };
        let Chunk { entries, free } = &mut self.chunks[chunk];
        let place = free.last().map_or(entries.len(), |place| usize::from(*place));
        let number = u32::try_from(chunk * CHUNK + place).ok().filter(|number| *number != u32::MAX)?;
        match free.pop() {
            Some(_) => entries[place] = Some(value),
            None => {
                // Only a chunk's first entry takes room.
                entries.reserve_exact(CHUNK - entries.len());
                entries.push(Some(value));
            }
        }
        if free.is_empty() && entries.len() == CHUNK {
            self.roomy.remove(&chunk);
        }
        self.len += 1;
        Some(number)
    }

    pub(super) fn remove(&mut self, number: u32) -> Option<T> {
        let (at, place) = split(number);
        let chunk = self.chunks.get_mut(at)?;
        let value = chunk.entries.get_mut(place)?.take()?;
        // The room for all of them at once, as for the entries.
        chunk.free.reserve_exact(CHUNK - chunk.free.len());
        chunk.free.push(place as u16);
        if chunk.free.len() == chunk.entries.len() {
            *chunk = Chunk { entries: Vec::new(), free: Vec::new() };
        }
        self.roomy.insert(at);
        self.len -= 1;
        while self.chunks.last().is_some_and(|last| last.entries.is_empty()) {
            self.chunks.pop();
            self.roomy.remove(&self.chunks.len());
        }
        Some(value)
    }

    pub(super) fn get(&self, number: u32) -> Option<&T> {
        let (chunk, place) = split(number);
        self.chunks.get(chunk)?.entries.get(place)?.as_ref()
    }

    /// # Panics
    /// If there is no such entry.
    pub(super) fn at(&self, number: u32) -> &T {
        let (chunk, place) = split(number);
        self.chunks[chunk].entries[place].as_ref().expect("the number is in use")
    }

    /// # Panics
    /// If there is no such entry.
    pub(super) fn at_mut(&mut self, number: u32) -> &mut T {
        let (chunk, place) = split(number);
        self.chunks[chunk].entries[place].as_mut().expect("the number is in use")
    }
}

/// The chunk of a number, and its place in it.
fn split(number: u32) -> (usize, usize) {
    (number as usize / CHUNK, number as usize % CHUNK)
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
            assert_eq!(keys.insert(key(number)), Some(number));
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
    fn what_was_removed_is_not_found_and_everything_else_is() {
        const COUNT: u32 = 20_000;
        // With few different hashes, the searches are long, and wrap around the end of a shard.
        for hashes in [3, 1000, u64::from(COUNT)] {
            let hash = |number: u32| Hash((u64::from(number) % hashes).wrapping_mul(0x9e37_79b9_7f4a_7c15));
            let count = if hashes == 3 { 500 } else { COUNT };
            let mut index = Index::new();
            (0..count).for_each(|number| index.insert(hash(number), number));
            for number in (0..count).filter(|number| number % 7 != 0) {
                index.remove(hash(number), number);
            }
            for number in 0..count {
                let found = index.find(hash(number), |found| found == number);
                assert_eq!(found, (number % 7 == 0).then_some(number), "{hashes}");
            }
            (0..count).filter(|number| number % 7 == 0).for_each(|number| index.remove(hash(number), number));
            assert!(index.shards.iter().all(|shard| shard.len == 0 && shard.slots.len() <= 4 * MIN_SLOTS));
        }
    }

    #[test]
    fn numbers_are_used_again_and_empty_chunks_give_their_memory_back() {
        let mut chunks = Chunks::new();
        let count = 3 * CHUNK as u32;
        for number in 0..count {
            assert_eq!(chunks.insert(number), Some(number));
            let last = chunks.chunks.last().unwrap();
            assert!((CHUNK..2 * CHUNK).contains(&last.entries.capacity()), "it never grows");
        }
        assert_eq!((chunks.remove(5), chunks.remove(5), chunks.remove(count)), (Some(5), None, None));
        assert_eq!((chunks.get(5), chunks.len()), (None, count as usize - 1));
        chunks.remove(9000);
        assert_eq!((chunks.insert(70), chunks.insert(71), chunks.insert(72)), (Some(5), Some(9000), Some(count)));
        for number in CHUNK as u32..2 * CHUNK as u32 {
            chunks.remove(number);
        }
        assert!(chunks.chunks[1].entries.capacity() == 0 && chunks.chunks.len() == 4);
        for number in 2 * CHUNK as u32..=count {
            chunks.remove(number);
        }
        assert_eq!((chunks.chunks.len(), chunks.end(), chunks.len()), (1, CHUNK, CHUNK));
        assert_eq!((*chunks.at(5), chunks.insert(9)), (70, Some(CHUNK as u32)));
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
        // A shard has 7,812 entries on average.
        assert!((4096..=16384).contains(&most), "{most} slots were moved at once");
    }
}
