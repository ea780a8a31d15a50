//! [`Undelivered`]: received bytes on their way to a protocol that takes them piece by piece, and may pause in between.
//!
//! Next: `line_receiver.rs`, the first protocol that needs it.

use std::borrow::Cow;

/// Received bytes that the protocol has not seen yet, in order. They stay a slice of the read buffer, and are copied
/// only when they must outlive the read.
#[derive(Debug, Default)]
pub(crate) struct Undelivered<'a> {
    bytes: Cow<'a, [u8]>,
    /// What stands before this position has been delivered. Moving the position, and not the bytes, keeps a protocol
    /// that pauses at every line linear.
    position: usize,
}

impl<'a> Undelivered<'a> {
    /// All of `data`.
    pub(crate) fn of(data: &'a [u8]) -> Undelivered<'a> {
        Undelivered { bytes: Cow::Borrowed(data), position: 0 }
    }
}

impl Undelivered<'static> {
    /// These bytes and then `data`; nothing is copied if there are none of these.
    pub(crate) fn followed_by(self, data: &[u8]) -> Undelivered<'_> {
        if self.rest().is_empty() {
            return Undelivered::of(data);
        }
        if data.is_empty() {
            return self;
        }
        let (mut bytes, mut position) = (self.bytes.into_owned(), self.position);
        // Delivered bytes are thrown away once they are the greater part: then moving the rest costs less than what was
        // delivered did, and a stream that never ends between two pieces does not grow the buffer.
        if position > bytes.len() / 2 {
            bytes.drain(..position);
            position = 0;
        }
        bytes.extend_from_slice(data);
        Undelivered { bytes: Cow::Owned(bytes), position }
    }
}

impl Undelivered<'_> {
    /// What is still to be delivered.
    pub(crate) fn rest(&self) -> &[u8] {
        &self.bytes[self.position..]
    }

    /// The first `count` of these bytes have been delivered.
    pub(crate) fn consume(&mut self, count: usize) {
        self.position += count;
    }

    /// `front` and then what is left of these bytes.
    pub(crate) fn preceded_by(&self, mut front: Vec<u8>) -> Undelivered<'static> {
        front.extend_from_slice(self.rest());
        Undelivered { bytes: Cow::Owned(front), position: 0 }
    }

    /// The same bytes, to be kept after the read.
    pub(crate) fn into_owned(self) -> Undelivered<'static> {
        match self.bytes {
            Cow::Owned(bytes) => Undelivered { bytes: Cow::Owned(bytes), position: self.position },
            Cow::Borrowed(bytes) => Undelivered { bytes: Cow::Owned(bytes[self.position..].to_vec()), position: 0 },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_that_never_ends_between_two_pieces_does_not_grow_the_buffer() {
        let mut held = Undelivered::default();
        for _ in 0..1000 {
            let mut input = std::mem::take(&mut held).followed_by(&[0; 100]);
            let all_but_one = input.rest().len() - 1;
            input.consume(all_but_one);
            held = input.into_owned();
            assert_eq!(held.rest().len(), 1);
            assert!(held.bytes.len() <= 200, "{} bytes are held", held.bytes.len());
        }
    }

    #[test]
    fn nothing_is_copied_if_nothing_was_held() {
        let data = [1, 2, 3];
        let input = Undelivered::default().followed_by(&data);
        assert!(std::ptr::eq(input.rest(), &data[..]));
    }

    #[test]
    fn bytes_keep_their_order() {
        let mut held = Undelivered::default().followed_by(b"abc").into_owned();
        held.consume(1);
        let input = held.followed_by(b"de").preceded_by(b"+".to_vec());
        assert_eq!(input.rest(), b"+bcde");
    }
}
