//! [`Cache`]: what was read from the store, until it changes there. Pure.
//!
//! It is bounded in bytes and in time. The store says when a key changes; the bound in time holds even if it did not.
//! Trees, because a hash table that grows holds everybody up.
//!
//! Next: `under_way.rs`, which answers may be remembered.

use super::contract::Stored;
use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

/// Nothing is remembered for longer.
pub(super) const KEPT_FOR: Duration = Duration::from_secs(60);

/// What an entry needs besides its line and twice its client's name, roughly.
const OVERHEAD: usize = 200;

pub(super) struct Cache {
    entries: BTreeMap<Box<[u8]>, Entry>,
    /// All entries in their order, and some that are gone: their numbers differ from those in `entries`.
    order: VecDeque<(u64, Box<[u8]>)>,
    next: u64,
    bytes: usize,
    limit: usize,
}

struct Entry {
    stored: Stored,
    number: u64,
    at: Instant,
}

fn size(client: &[u8], stored: &Stored) -> usize {
    OVERHEAD + 2 * client.len() + stored.line.len()
}

impl Cache {
    /// Holds at most `limit` bytes.
    pub(super) fn new(limit: usize) -> Cache {
        Cache { entries: BTreeMap::new(), order: VecDeque::new(), next: 0, bytes: 0, limit }
    }

    pub(super) fn set_limit(&mut self, limit: usize) {
        self.limit = limit;
        self.shrink();
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn get(&self, client: &[u8], now: Instant) -> Option<&Stored> {
        let entry = self.entries.get(client)?;
        (now.saturating_duration_since(entry.at) < KEPT_FOR).then_some(&entry.stored)
    }

    pub(super) fn insert(&mut self, client: &[u8], stored: Stored, now: Instant) {
        self.remove(client);
        let number = self.next;
        self.next += 1;
        self.bytes += size(client, &stored);
        self.entries.insert(client.into(), Entry { stored, number, at: now });
        self.order.push_back((number, client.into()));
        self.shrink();
        // A client that is read and changes, again and again, leaves its name behind each time.
        if self.order.len() > 2 * self.entries.len() + 16 {
            self.order.retain(|(number, client)| self.entries.get(client).is_some_and(|it| it.number == *number));
        }
    }

    pub(super) fn remove(&mut self, client: &[u8]) {
        if let Some(entry) = self.entries.remove(client) {
            self.bytes -= size(client, &entry.stored);
        }
    }

    /// Drops what is too old to be of use, of the first `most` entries in their order.
    pub(super) fn forget_old(&mut self, now: Instant, most: usize) {
        for _ in 0..most {
            let Some((number, client)) = self.order.front() else { break };
            let entry = self.entries.get(client).filter(|entry| entry.number == *number);
            if entry.is_some_and(|entry| now.saturating_duration_since(entry.at) < KEPT_FOR) {
                break;
            }
            let is_here = entry.is_some();
            if let Some((_, client)) = self.order.pop_front().filter(|_| is_here) {
                self.remove(&client);
            }
        }
        if self.order.capacity() > 1024.max(4 * self.order.len()) {
            self.order.shrink_to(2 * self.order.len());
        }
    }

    pub(super) fn clear(&mut self) {
        *self = Cache::new(self.limit);
    }

    fn shrink(&mut self) {
        while self.bytes > self.limit {
            let Some((number, client)) = self.order.pop_front() else { return };
            if self.entries.get(&client).is_some_and(|entry| entry.number == number) {
                self.remove(&client);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decimal::Time;
    use crate::locations::Stamp;

    fn stored(line: &str) -> Stored {
        Stored { line: line.into(), time: Time::parse(b"1").unwrap(), heard: Stamp::FIRST }
    }

    fn line(cache: &Cache, client: &[u8], now: Instant) -> Option<String> {
        cache.get(client, now).map(|stored| String::from_utf8(stored.line.clone()).unwrap())
    }

    #[test]
    fn what_is_read_is_remembered_for_a_while_and_the_oldest_goes_first() {
        let now = Instant::now();
        let mut cache = Cache::new(3 * (OVERHEAD + 3));
        for client in [b"a", b"b", b"c"] {
            cache.insert(client, stored("x"), now);
        }
        cache.insert(b"a", stored("y"), now);
        cache.insert(b"d", stored("x"), now);
        assert_eq!(line(&cache, b"b", now), None, "it was the oldest");
        assert_eq!(line(&cache, b"a", now).as_deref(), Some("y"));
        assert_eq!(line(&cache, b"a", now + KEPT_FOR), None);
        cache.remove(b"c");
        assert_eq!((cache.len(), line(&cache, b"c", now)), (2, None));
        cache.insert(b"e", stored(&"long".repeat(1000)), now);
        assert_eq!((cache.len(), cache.bytes), (0, 0), "what does not fit is not kept");
    }

    #[test]
    fn what_is_too_old_goes_some_at_a_time_and_gives_its_room_back() {
        let (begin, mut cache) = (Instant::now(), Cache::new(1 << 20));
        let client = |number: u32| number.to_string().into_bytes();
        for number in 0..2000 {
            cache.insert(&client(number), stored("x"), begin);
        }
        cache.insert(b"new", stored("x"), begin + Duration::from_secs(1));
        cache.insert(&client(0), stored("y"), begin + Duration::from_secs(1)); // Its name stands in the order twice.
        let last = begin + KEPT_FOR - Duration::from_nanos(1);
        cache.forget_old(last, 10_000);
        assert_eq!((cache.len(), cache.order.len()), (2001, 2001), "only a name without an entry has gone");
        cache.forget_old(begin + KEPT_FOR, 1000);
        assert_eq!(cache.len(), 1001);
        cache.forget_old(begin + KEPT_FOR, 10_000);
        assert_eq!((cache.len(), cache.order.len()), (2, 2));
        assert!(cache.order.capacity() <= 1024 && cache.bytes < 1000, "{} {}", cache.order.capacity(), cache.bytes);
        assert!(cache.get(b"new", begin + KEPT_FOR).is_some() && cache.get(&client(0), begin + KEPT_FOR).is_some());
    }

    #[test]
    fn a_client_that_changes_all_the_time_leaves_nothing_behind() {
        let (now, mut cache) = (Instant::now(), Cache::new(1 << 20));
        for _ in 0..1000 {
            cache.insert(b"a", stored("x"), now);
        }
        assert!(cache.order.len() <= 20 && cache.len() == 1, "{}", cache.order.len());
        cache.clear();
        assert_eq!((cache.len(), cache.bytes, cache.order.len()), (0, 0, 0));
    }
}
