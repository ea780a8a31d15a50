//! Eight bytes of a line at once. A command is some seventy bytes, and reading it byte by byte would be most of the
//! work of an IAMAT.
//!
//! Next: [`decimal.rs`](mod@crate::decimal), the numbers in a command.

/// This byte in each of the eight places of a word.
pub(crate) const fn each(byte: u8) -> u64 {
    u64::MAX / 255 * byte as u64
}

/// The first eight bytes as a word, the first one lowest. Zeros stand for those that are missing.
#[inline]
pub(crate) fn first(bytes: &[u8]) -> u64 {
    if let Some(eight) = bytes.first_chunk() {
        return u64::from_le_bytes(*eight);
    }
    if let (Some(first), Some(last)) = (bytes.first_chunk(), bytes.last_chunk()) {
        // Where the two overlap, they hold the same bytes.
        let (first, last) = (u32::from_le_bytes(*first), u32::from_le_bytes(*last));
        return u64::from(first) | u64::from(last) << (8 * (bytes.len() - 4));
    }
    match *bytes {
        [one, two, three] => u64::from_le_bytes([one, two, three, 0, 0, 0, 0, 0]),
        [one, two] => u64::from_le_bytes([one, two, 0, 0, 0, 0, 0, 0]),
        [one] => u64::from(one),
        _ => 0, // There is none.
    }
}

/// How many bytes of a word stand before the first one that `marks` has marked in its highest bit: eight if none is.
#[inline]
pub(crate) fn before_mark(marks: u64) -> usize {
    marks.trailing_zeros() as usize / 8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_has_the_bytes_in_order_and_zeros_behind_them() {
        let bytes = b"\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a";
        for length in 0..=bytes.len() {
            let mut expected = [0; 8];
            let count = length.min(8);
            expected[..count].copy_from_slice(&bytes[..count]);
            assert_eq!(first(&bytes[..length]).to_le_bytes(), expected, "{length}");
        }
        assert_eq!(each(0x21).to_le_bytes(), [0x21; 8]);
    }

    #[test]
    fn marks_are_counted_in_bytes() {
        assert_eq!([before_mark(0), before_mark(0x80), before_mark(0x80 << 56)], [8, 0, 7]);
    }
}
