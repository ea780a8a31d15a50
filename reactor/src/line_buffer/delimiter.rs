//! [`Delimiter`]: what ends a line.
//!
//! Each connection that speaks in lines has one twice: its buffer looks for it, and its transport sends it. So a short
//! delimiter stands in the value itself, without an allocation.
//!
//! Next: [`../undelivered.rs`](../../../src/reactor/undelivered.rs.html), received bytes that a protocol has not seen
//! yet.

use memchr::{memchr, memmem};
use std::fmt;
use std::rc::Rc;

/// The longest delimiter that needs no allocation. With it a [`Delimiter`] has sixteen bytes.
const SHORT: usize = 14;

/// What ends a line: one byte at least.
#[derive(Clone)]
pub(crate) enum Delimiter {
    Short { length: u8, bytes: [u8; SHORT] },
    // A pointer to a pointer, as this is rare: a slice would make each delimiter larger.
    Long(Rc<Box<[u8]>>),
}

impl Delimiter {
    /// # Panics
    /// If there is no byte.
    pub(crate) fn new(delimiter: &[u8]) -> Delimiter {
        assert!(!delimiter.is_empty(), "a delimiter has at least one byte");
        let mut bytes = [0; SHORT];
        match bytes.get_mut(..delimiter.len()) {
            Some(room) => {
                room.copy_from_slice(delimiter);
                Delimiter::Short { length: delimiter.len() as u8, bytes }
            }
            None => Delimiter::Long(Rc::new(delimiter.into())),
        }
    }

    #[inline]
    pub(crate) fn bytes(&self) -> &[u8] {
        match self {
            Delimiter::Short { length, bytes } => &bytes[..usize::from(*length)],
            Delimiter::Long(bytes) => bytes,
        }
    }

    #[inline]
    pub(super) fn last(&self) -> u8 {
        let bytes = self.bytes();
        bytes[bytes.len() - 1]
    }

    /// Where it begins for the first time in `input`.
    #[inline]
    pub(super) fn find(&self, input: &[u8]) -> Option<usize> {
        match *self.bytes() {
            [byte] => find_byte(byte, input),
            // CR LF above all. To search for two bytes at once costs twice as much for a short line, most of it before
            // the first byte is looked at.
            [first, last] => {
                let mut from = 0;
                while let Some(found) = find_byte(last, &input[from..]) {
                    let at = from + found;
                    if at > 0 && input[at - 1] == first {
                        return Some(at - 1);
                    }
                    from = at + 1;
                }
                None
            }
            ref delimiter => memmem::find(input, delimiter),
        }
    }

    /// Whether `line` ends with it.
    #[inline]
    pub(super) fn ends(&self, line: &[u8]) -> bool {
        match (self.bytes(), line) {
            ([first, last], [.., before, end]) => first == before && last == end,
            (delimiter, line) => line.ends_with(delimiter),
        }
    }
}

/// A piece of at most this length is searched without `memchr`.
const SHORT_PIECE: usize = 32;

/// Where `byte` stands for the first time.
///
/// `memchr` begins with some sixty instructions that choose the widest registers of this processor and align the
/// search. In a piece of sixteen bytes, such as a slow peer sends, that costs more than to search eight bytes at a time
/// right here. In longer pieces `memchr` is as quick or quicker.
#[inline]
pub(super) fn find_byte(byte: u8, bytes: &[u8]) -> Option<usize> {
    const ONES: u64 = u64::from_ne_bytes([0x01; 8]);
    const HIGH_BITS: u64 = u64::from_ne_bytes([0x80; 8]);
    if bytes.len() > SHORT_PIECE {
        return memchr(byte, bytes);
    }
    let (words, tail) = bytes.as_chunks();
    for (number, word) in words.iter().enumerate() {
        // A byte that is searched for becomes zero. To take one from it borrows, and sets its high bit. A byte above it
        // may be marked wrongly by the borrow; the lowest one, which comes first in the text, is always right.
        let differing = u64::from_le_bytes(*word) ^ (ONES * u64::from(byte));
        let found = differing.wrapping_sub(ONES) & !differing & HIGH_BITS;
        if found != 0 {
            return Some(8 * number + found.trailing_zeros() as usize / 8);
        }
    }
    tail.iter().position(|other| *other == byte).map(|at| 8 * words.len() + at)
}

impl fmt::Debug for Delimiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.bytes().escape_ascii())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delimiter_keeps_its_bytes_whether_they_stand_in_it_or_not() {
        for length in [1, 2, SHORT, SHORT + 1, 300] {
            let bytes: Vec<u8> = (0..length).map(|at| at as u8).collect();
            let delimiter = Delimiter::new(&bytes);
            assert_eq!(delimiter.bytes(), bytes);
            assert_eq!(matches!(delimiter, Delimiter::Short { .. }), length <= SHORT);
            let line = [b"line".as_slice(), &bytes].concat();
            assert_eq!((delimiter.find(&line), delimiter.ends(&line)), (Some(4), true));
            assert!(!delimiter.ends(&line[..line.len() - 1]));
        }
    }

    #[test]
    fn a_byte_is_found_where_it_stands_first() {
        // Bytes that differ from the wanted one in the lowest or the highest bit, before it and behind it.
        for (wanted, other) in [(b'\n', b'\x0b'), (b'\n', b'\x8a'), (0, 1), (0, 0x80), (255, 254), (1, 0)] {
            for length in 0..SHORT_PIECE + 9 {
                let mut bytes = vec![other; length];
                assert_eq!(find_byte(wanted, &bytes), None);
                for at in (0..length).rev() {
                    bytes[at] = wanted;
                    assert_eq!(find_byte(wanted, &bytes), Some(at), "in {length} bytes");
                }
            }
        }
    }

    #[test]
    fn a_delimiter_has_sixteen_bytes() {
        assert_eq!(size_of::<Delimiter>(), 16);
    }
}
