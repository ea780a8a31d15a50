//! [`IdleList`]: connections in the order in which they were last heard of. Pure.
//!
//! A doubly linked list in a slab. To note that a connection was heard of is to move it to the end, in constant time,
//! whatever the number of connections.
//!
//! Next: `limits.rs`, the policy that is built on it.

use slab::Slab;

/// See the [module](self).
pub(super) struct IdleList<T> {
    entries: Slab<Entry<T>>,
    /// The one that was heard of longest ago.
    first: Option<usize>,
    /// The one that was heard of last.
    last: Option<usize>,
}

struct Entry<T> {
    value: T,
    before: Option<usize>,
    after: Option<usize>,
}

impl<T> IdleList<T> {
    pub(super) fn new() -> IdleList<T> {
        IdleList { entries: Slab::new(), first: None, last: None }
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Puts `value` at the end, and returns its key.
    pub(super) fn push(&mut self, value: T) -> usize {
        let key = self.entries.insert(Entry { value, before: None, after: None });
        self.append(key);
        key
    }

    pub(super) fn get_mut(&mut self, key: usize) -> Option<&mut T> {
        self.entries.get_mut(key).map(|entry| &mut entry.value)
    }

    /// The key of the one that was heard of longest ago.
    pub(super) fn first(&self) -> Option<usize> {
        self.first
    }

    pub(super) fn move_to_the_end(&mut self, key: usize) {
        if self.last != Some(key) && self.entries.contains(key) {
            self.unlink(key);
            self.append(key);
        }
    }

    pub(super) fn remove(&mut self, key: usize) -> Option<T> {
        self.entries.contains(key).then(|| self.unlink(key));
        self.entries.try_remove(key).map(|entry| entry.value)
    }

    fn append(&mut self, key: usize) {
        let entry = &mut self.entries[key];
        (entry.before, entry.after) = (self.last, None);
        match self.last {
            Some(last) => self.entries[last].after = Some(key),
            None => self.first = Some(key),
        }
        self.last = Some(key);
    }

    fn unlink(&mut self, key: usize) {
        let Entry { before, after, .. } = self.entries[key];
        match before {
            Some(before) => self.entries[before].after = after,
            None => self.first = after,
        }
        match after {
            Some(after) => self.entries[after].before = before,
            None => self.last = before,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(feature = "sim")]
    use crate::sim::Random;

    #[cfg(feature = "sim")]
    /// Takes everything out, the first one first, and the other way round by `before`.
    fn drain(list: &mut IdleList<u64>) -> Vec<u64> {
        let mut order = Vec::new();
        while let Some(first) = list.first() {
            order.extend(list.remove(first));
        }
        assert!(list.last.is_none() && list.len() == 0);
        order
    }

    #[cfg(feature = "sim")]
    #[test]
    fn it_keeps_the_order_of_a_plain_list_whatever_is_done_to_it() {
        for seed in 0..200 {
            let mut random = Random::new(seed);
            let (mut list, mut model) = (IdleList::new(), Vec::<(usize, u64)>::new());
            for step in 0..200 {
                let at = random.next_u64() as usize % model.len().max(1);
                match random.next_u64() % 3 {
                    0 => model.push((list.push(step), step)),
                    1 if !model.is_empty() => {
                        let moved = model.remove(at);
                        list.move_to_the_end(moved.0);
                        model.push(moved);
                    }
                    2 if !model.is_empty() => {
                        let (key, value) = model.remove(at);
                        assert_eq!(list.remove(key), Some(value));
                    }
                    _ => {}
                }
                assert_eq!(list.first(), model.first().map(|(key, _)| *key));
                assert_eq!(list.len(), model.len());
            }
            assert_eq!(drain(&mut list), model.iter().map(|(_, value)| *value).collect::<Vec<_>>(), "seed {seed}");
        }
    }

    #[test]
    fn a_key_that_is_gone_changes_nothing() {
        let mut list = IdleList::new();
        let gone = list.push(1);
        list.remove(gone);
        list.move_to_the_end(gone);
        assert!(list.remove(gone).is_none() && list.get_mut(gone).is_none() && list.first().is_none());
    }
}
