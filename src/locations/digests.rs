//! The digests of a table: see [`crate::digest`].
//!
//! An IAMAT hashes nothing. What has changed since the last comparison stands at the end of the order of changes, and
//! is hashed when somebody compares. A version that goes takes its hash out of the sums.
//!
//! Next: [`locations/table.rs`](../../src/proxyherd/locations/table.rs.html), the table below.

use super::{Known, Locations, NOBODY};
use crate::digest::{CHILDREN, LEAVES, Node, hash, leaf};

/// What a table keeps for its digests.
pub(super) struct Digests {
    /// The sum of each leaf. Empty until the first comparison.
    sums: Vec<u64>,
    /// The first client in the order of changes whose version has no hash yet. Those after it have none, either.
    unhashed: u32,
}

impl Digests {
    pub(super) fn new() -> Digests {
        Digests { sums: Vec::new(), unhashed: NOBODY }
    }

    /// A client stands at the end of the order of changes now, without a hash.
    #[inline]
    pub(super) fn appended(&mut self, number: u32) {
        if self.unhashed == NOBODY {
            self.unhashed = number;
        }
    }

    /// A client has left its place in the order of changes, before the client `after`.
    #[inline]
    pub(super) fn left(&mut self, number: u32, after: u32) {
        if self.unhashed == number {
            self.unhashed = after;
        }
    }

    /// A version goes, which has this hash, or zero if it has none.
    #[inline]
    pub(super) fn take_out(&mut self, hash: u64) {
        if hash != 0 {
            let sum = &mut self.sums[leaf(hash)];
            *sum = sum.wrapping_sub(hash);
        }
    }
}

impl Locations {
    /// Hashes at most this number of versions that have changed. Returns whether all have their hash now.
    pub(crate) fn hash_some(&mut self, most: usize) -> bool {
        if self.digests.sums.is_empty() {
            self.digests.sums = vec![0; LEAVES];
        }
        for _ in 0..most {
            if self.digests.unhashed == NOBODY {
                return true;
            }
            let known = self.known.at_mut(self.digests.unhashed);
            known.hash = hash(&known.line);
            let sum = &mut self.digests.sums[leaf(known.hash)];
            *sum = sum.wrapping_add(known.hash);
            self.digests.unhashed = known.after;
        }
        self.digests.unhashed == NOBODY
    }

    /// The sums of the children of a node, over all versions that have their hash.
    pub(crate) fn sums(&self, node: Node) -> [u64; CHILDREN] {
        let mut sums = [0; CHILDREN];
        for (sum, child) in sums.iter_mut().zip(node.children()) {
            let leaves = self.digests.sums.get(child.leaves()).unwrap_or_default();
            *sum = leaves.iter().fold(0, |sum: u64, leaf| sum.wrapping_add(*leaf));
        }
        sums
    }
}

impl Known {
    /// The leaf that its version is in. `None` if it has no hash yet.
    pub(crate) fn leaf(&self) -> Option<usize> {
        (self.hash != 0).then(|| leaf(self.hash))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decimal::Time;
    use crate::locations::Stamp;
    use crate::message::{Command, parse};

    fn says(locations: &mut Locations, client: usize, time: usize) {
        let line = format!("AT A +1.000000000 client{client} +1+1 {time}");
        let Ok(Command::At(at)) = parse(line.as_bytes()) else { panic!("{line}") };
        locations.offer(&at, None);
    }

    /// All leaves.
    fn leaves(locations: &mut Locations) -> Vec<u64> {
        while !locations.hash_some(7) {}
        locations.digests.sums.clone()
    }

    #[test]
    fn equal_tables_have_equal_sums_however_they_came_to_be() {
        let [mut one, mut other] = [(); 2].map(|()| Locations::new(1 << 20));
        for step in 0..3000 {
            let client = step * 7_919 % 64;
            says(&mut one, client, step);
            match step % 5 {
                0 => drop(leaves(&mut one)),
                1 => drop(one.hash_some(2)),
                _ => {}
            }
            if step % 11 == 0 {
                // Forgets some, the first and the last of the list among them.
                let horizon = Time::parse((step.saturating_sub(40)).to_string().as_bytes()).unwrap();
                one.forget_before(Stamp::from(horizon));
                one.sweep(usize::MAX, Stamp::from(horizon), |_| {});
            }
        }
        let kept: Vec<(usize, usize)> = one.iter().map(|known| number_and_time(&known.line)).collect();
        kept.iter().rev().for_each(|(client, time)| says(&mut other, *client, *time));
        assert!(!kept.is_empty());
        assert_eq!(leaves(&mut one), leaves(&mut other));
        says(&mut other, kept[0].0, 5000);
        assert_ne!(leaves(&mut one), leaves(&mut other));
        let all = |sums: Vec<u64>| sums.iter().fold(0u64, |sum, leaf| sum.wrapping_add(*leaf));
        let root = one.sums(Node::ROOT).to_vec();
        assert_eq!(all(root), all(leaves(&mut one)), "a node has the sum of what is below it");
    }

    fn number_and_time(line: &[u8]) -> (usize, usize) {
        let text = std::str::from_utf8(line).unwrap();
        let fields: Vec<&str> = text.split(' ').collect();
        (fields[3].trim_start_matches("client").parse().unwrap(), fields[5].parse().unwrap())
    }

    #[test]
    fn what_has_been_forgotten_to_the_last_leaves_nothing_in_the_sums() {
        let mut locations = Locations::new(1 << 20);
        (0..100).for_each(|client| says(&mut locations, client, client));
        locations.hash_some(50);
        let end = Stamp::from(Time::parse(b"1000").unwrap());
        locations.forget_before(end);
        locations.sweep(usize::MAX, end, |_| {});
        assert!(leaves(&mut locations).iter().all(|sum| *sum == 0));
        says(&mut locations, 1, 2000);
        assert_eq!(leaves(&mut locations).iter().filter(|sum| **sum != 0).count(), 1);
    }
}
