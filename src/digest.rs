//! Digests of a table: by comparing them, two servers find out which versions only one of them has, however many
//! clients both know.
//!
//! Each version has a *hash*: the first eight bytes of the SHA-256 of its line. The hashes are sorted into the leaves
//! of a tree by their first four hexadecimal digits. A [`Node`] is named by the digits that all of its hashes begin
//! with, and its *sum* is the sum of them, modulo 2^64. Equal sums mean equal versions.
//!
//! ```text
//!                        -            the root: all hashes
//!              0   1   2 ... e   f    sixteen nodes
//!             00  01 ...        ff    256, then 4,096, and 65,536 leaves
//! ```
//!
//! Could a client choose what it says so that two tables that differ have equal sums? A line holds the nanosecond at
//! which a server heard it, which no client can choose, and a version that a newer one has replaced is gone. So it
//! could only report again and again until one of 2^64 sums fits.
//!
//! Next: [`locations.rs`](mod@crate::locations), what a server knows.

use ring::digest;
use std::fmt;
use std::ops::Range;

/// The number of digits that name a leaf.
const DEPTH: u32 = 4;

/// The number of leaves. With five million clients, each has 76.
pub(crate) const LEAVES: usize = 1 << (4 * DEPTH);

/// The number of children of a node.
pub const CHILDREN: usize = 16;

/// A node of the tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Node {
    /// The digits that all of its hashes begin with, as a number.
    first: u32,
    /// How many digits.
    depth: u32,
}

impl Node {
    /// The node that all hashes are in.
    pub const ROOT: Node = Node { first: 0, depth: 0 };

    /// Reads the name of a node that has children: a minus for the root, otherwise one to three digits, `0` to `9` and
    /// `a` to `f`.
    pub fn parse(text: &[u8]) -> Option<Node> {
        if text == b"-" {
            return Some(Node::ROOT);
        }
        let depth = u32::try_from(text.len()).ok().filter(|depth| (1..DEPTH).contains(depth))?;
        let first = text.iter().try_fold(0, |first, digit| Some(first << 4 | hexadecimal(*digit)? as u32))?;
        Some(Node { first, depth })
    }

    /// Its children, in order. Those of the last nodes that have a name are leaves.
    pub fn children(self) -> impl Iterator<Item = Node> {
        (0..CHILDREN as u32).map(move |digit| Node { first: self.first << 4 | digit, depth: self.depth + 1 })
    }

    /// Whether it has children.
    pub fn has_children(self) -> bool {
        self.depth < DEPTH
    }

    /// The part of a table that is in it, on average: one in this number.
    pub fn part(self) -> usize {
        1 << (4 * self.depth)
    }

    /// The leaves below it.
    pub(crate) fn leaves(self) -> Range<usize> {
        let each = 1 << (4 * (DEPTH - self.depth));
        let first = self.first as usize * each;
        first..first + each
    }
}

/// As [`Node::parse`] reads it.
impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.depth {
            0 => f.write_str("-"),
            depth => write!(f, "{:0width$x}", self.first, width = depth as usize),
        }
    }
}

/// The value of a digit that is written in lower case.
fn hexadecimal(digit: u8) -> Option<u64> {
    match digit {
        b'0'..=b'9' => Some(u64::from(digit - b'0')),
        b'a'..=b'f' => Some(u64::from(digit - b'a' + 10)),
        _ => None,
    }
}

/// Reads a sum: sixteen digits.
pub fn parse_sum(text: &[u8]) -> Option<u64> {
    if text.len() != 16 {
        return None;
    }
    text.iter().try_fold(0, |sum, digit| Some(sum << 4 | hexadecimal(*digit)?))
}

/// The hash of a line. Zero stands for none.
pub(crate) fn hash(line: &[u8]) -> u64 {
    let digest = digest::digest(&digest::SHA256, line);
    let first = digest.as_ref().first_chunk().copied().unwrap_or_default();
    u64::from_be_bytes(first).max(1)
}

/// The leaf that a hash is in.
pub(crate) fn leaf(hash: u64) -> usize {
    (hash >> (64 - 4 * DEPTH)) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_the_beginning_of_the_sha_256_of_the_line() {
        assert_eq!(format!("{:016x}", hash(b"abc")), "ba7816bf8f01cfea");
    }

    #[test]
    fn nodes_have_names_and_each_leaf_is_below_one_of_them() {
        for name in ["-", "0", "f", "3a", "0f9"] {
            assert_eq!(Node::parse(name.as_bytes()).unwrap().to_string(), name);
        }
        for name in ["", "--", "g", "A", "3aff", "12345678", " "] {
            assert_eq!(Node::parse(name.as_bytes()), None, "{name:?}");
        }
        let mut next = 0;
        for child in Node::ROOT.children().flat_map(Node::children).flat_map(Node::children).flat_map(Node::children) {
            assert_eq!((child.leaves(), child.has_children(), child.part()), (next..next + 1, false, LEAVES));
            next += 1;
        }
        assert_eq!((Node::ROOT.leaves(), next), (0..LEAVES, LEAVES));
        assert_eq!(Node::parse(b"3a").unwrap().leaves(), 0x3a00..0x3b00);
        assert_eq!(parse_sum(b"00000000000000ff"), Some(255));
        assert_eq!([&b"ff"[..], b"00000000000000FF", b"+0000000000000ff"].map(parse_sum), [None; 3]);
    }
}
