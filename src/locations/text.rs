//! [`Text`]: the bytes of a name or of a line, without an allocation if they are few.
//!
//! A table of a million clients with a name and a line each would have two million small allocations. An allocator
//! keeps pieces of one size together, so they would stand among everything else that is as small: when the clients are
//! forgotten, whatever else has been made meanwhile would keep the memory around it from the system. Here nearly all
//! text stands in the entries themselves, and goes when all the entries of a chunk have gone.
//!
//! Next: `identity.rs`, the keys and certificates of a server.

use super::RESERVED_LINE;
use std::fmt;
use std::ops::Deref;

/// Bytes. If there are at most `HERE`, they stand in the value itself, otherwise in an allocation.
#[derive(Clone)]
pub struct Text<const HERE: usize>(Bytes<HERE>);

#[derive(Clone)]
enum Bytes<const HERE: usize> {
    Here { len: u8, bytes: [u8; HERE] },
    Elsewhere(Vec<u8>),
}

impl<const HERE: usize> Text<HERE> {
    /// Becomes these bytes.
    #[inline]
    pub(super) fn set(&mut self, text: &[u8]) {
        match &mut self.0 {
            Bytes::Here { len, bytes } if text.len() <= HERE => {
                bytes[..text.len()].copy_from_slice(text);
                *len = text.len() as u8;
            }
            // The next long line takes the room of the last one. It keeps no more than the table counts for a line.
            Bytes::Elsewhere(bytes) if text.len() > HERE => {
                bytes.clear();
                bytes.shrink_to(text.len().max(RESERVED_LINE));
                bytes.reserve_exact(text.len());
                bytes.extend_from_slice(text);
            }
            _ => *self = text.into(),
        }
    }
}

impl<const HERE: usize> From<&[u8]> for Text<HERE> {
    fn from(text: &[u8]) -> Text<HERE> {
        const { assert!(HERE <= u8::MAX as usize, "its length is one byte") };
        if text.len() > HERE {
            return Text(Bytes::Elsewhere(text.into()));
        }
        let mut new = Text(Bytes::Here { len: 0, bytes: [0; HERE] });
        new.set(text);
        new
    }
}

impl<const HERE: usize> Deref for Text<HERE> {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        match &self.0 {
            Bytes::Here { len, bytes } => &bytes[..usize::from(*len)],
            Bytes::Elsewhere(bytes) => bytes,
        }
    }
}

impl<const HERE: usize> fmt::Debug for Text<HERE> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.escape_ascii())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_any_length_is_what_it_was_made_from() {
        for len in [0, 1, 7, 8, 9, 300] {
            let bytes: Vec<u8> = (0..len).map(|number| number as u8).collect();
            let text = Text::<8>::from(&*bytes);
            assert_eq!(*text, *bytes);
            assert_eq!(matches!(text.0, Bytes::Here { .. }), len <= 8, "{len}");
            assert_eq!(*text.clone(), *bytes);
            // It replaces a short text, and a long one.
            for before in [&b"kiwi"[..], &[7; 100]] {
                let mut text = Text::<8>::from(before);
                text.set(&bytes);
                assert_eq!(*text, *bytes);
                assert_eq!(matches!(text.0, Bytes::Here { .. }), len <= 8, "{len}");
            }
        }
    }

    #[test]
    fn long_text_keeps_no_more_room_than_is_counted_for_it() {
        let mut text = Text::<8>::from(&[7; 9][..]);
        for len in [10, 200, 201, 300, 301, 5000, 301, 9] {
            text.set(&vec![7; len]);
            let Bytes::Elsewhere(bytes) = &text.0 else { panic!("{len} bytes do not stand here") };
            assert!(bytes.len() == len && bytes.capacity() <= len.max(RESERVED_LINE), "{len}: {}", bytes.capacity());
        }
    }

    #[test]
    fn it_takes_no_more_room_than_its_bytes_and_their_length() {
        assert_eq!(size_of::<Text<30>>(), 32);
        assert_eq!(format!("{:?}", Text::<30>::from(&b"kiwi\n"[..])), "\"kiwi\\n\"");
    }
}
