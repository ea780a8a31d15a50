//! [`LineBuffer`]: bytes in, lines out. Pure: no transport, no callbacks.
//!
//! A line that lies whole in a read is given out as a slice of it, without a copy. Only an unfinished line is kept, in
//! a buffer that never grows beyond the limit. Each byte is looked at once, however the stream was cut into reads.
//!
//! Next: [`line_buffer/delimiter.rs`](../../src/reactor/line_buffer/delimiter.rs.html), what ends a line.

mod delimiter;

pub(crate) use delimiter::Delimiter;
use delimiter::find_byte;

/// Splits a stream of bytes at a delimiter.
///
/// ```
/// use reactor::line_buffer::{LineBuffer, Split};
///
/// let mut lines = LineBuffer::new(b"\n", 80);
/// let mut input: &[u8] = b"one\ntw";
/// assert_eq!(lines.split(&mut input), Split::Line(b"one"));
/// assert_eq!(lines.split(&mut input), Split::Incomplete);
/// let mut input: &[u8] = b"o\n";
/// assert_eq!(lines.split(&mut input), Split::Line(b"two"));
/// ```
#[derive(Debug)]
pub struct LineBuffer {
    delimiter: Delimiter,
    max_length: usize,
    partial: Vec<u8>,
    /// The line in `partial` was given out as a slice of it, so it can be dropped only at the next call.
    given_out: bool,
}

/// What [`LineBuffer::split`] found.
#[derive(Debug, PartialEq, Eq)]
pub enum Split<'a> {
    /// A whole line, without its delimiter.
    Line(&'a [u8]),
    /// The input is used up. The beginning of a line in it, if any, is kept until the next call.
    Incomplete,
    /// The line that begins here is longer than the limit, whether or not its end has arrived. This is its beginning,
    /// no longer than a line and its delimiter may be; the bytes that the buffer has not kept are still in the input.
    TooLong(&'a [u8]),
}

impl LineBuffer {
    /// A buffer for lines of at most `max_length` bytes, the delimiter not counted.
    ///
    /// # Panics
    /// If `delimiter` is empty.
    pub fn new(delimiter: &[u8], max_length: usize) -> LineBuffer {
        LineBuffer { delimiter: Delimiter::new(delimiter), max_length, partial: Vec::new(), given_out: false }
    }

    /// Looks for another delimiter from here on. The unfinished line must be taken out first: it has been searched for
    /// the old one.
    pub(crate) fn set_delimiter(&mut self, delimiter: Delimiter) {
        debug_assert!(self.rest().is_empty(), "a line that was searched for another delimiter");
        self.delimiter = delimiter;
    }

    /// The maximum length of a line, the delimiter not counted.
    pub fn max_length(&self) -> usize {
        self.max_length
    }

    /// Sets the maximum length of a line, the delimiter not counted.
    pub fn set_max_length(&mut self, max_length: usize) {
        self.max_length = max_length;
    }

    /// What ends a line.
    pub fn delimiter(&self) -> &[u8] {
        self.delimiter.bytes()
    }

    /// The unfinished line: bytes that were taken from an input and not given out yet.
    pub fn rest(&self) -> &[u8] {
        if self.given_out { &[] } else { &self.partial }
    }

    /// Returns the unfinished line, and forgets it.
    pub fn take_rest(&mut self) -> Vec<u8> {
        if self.given_out {
            self.forget();
        }
        std::mem::take(&mut self.partial)
    }

    /// Takes the next line from what is kept and the front of `input`, which moves on past it.
    #[inline]
    pub fn split<'a, 'i: 'a>(&'a mut self, input: &mut &'i [u8]) -> Split<'a> {
        if self.given_out {
            self.forget();
        }
        if self.partial.is_empty() { self.split_input(input) } else { self.split_partial(input) }
    }

    /// Drops a line that was given out. A short line leaves its room to the line after it, which has often begun in the
    /// same read.
    fn forget(&mut self) {
        self.given_out = false;
        if self.partial.capacity() > SHORT_LINE {
            self.partial = Vec::new();
        }
        self.partial.clear();
    }

    /// A delimiter that ends within this number of bytes ends a line that is not too long.
    fn limit(&self) -> usize {
        self.max_length.saturating_add(self.delimiter.bytes().len())
    }

    #[inline]
    fn split_input<'a, 'i: 'a>(&'a mut self, input: &mut &'i [u8]) -> Split<'a> {
        let whole: &'i [u8] = input;
        // Do not look for a delimiter beyond this window.
        let window = &whole[..whole.len().min(self.limit())];
        match self.delimiter.find(window) {
            Some(end) => {
                *input = &whole[end + self.delimiter.bytes().len()..];
                Split::Line(&whole[..end])
            }
            None => self.keep(input),
        }
    }

    /// Keeps the beginning of a line, unless it is too long already.
    fn keep<'a, 'i: 'a>(&'a mut self, input: &mut &'i [u8]) -> Split<'a> {
        if input.len() >= self.limit() {
            return Split::TooLong(&input[..self.max_length]);
        }
        if input.is_empty() {
            self.partial = Vec::new(); // An idle connection does not keep the room of its last line.
        } else {
            // At once: a line that comes in small pieces would grow its buffer, and copy it, again and again.
            self.partial.reserve(input.len().max(SHORT_LINE));
            self.partial.extend_from_slice(input);
            *input = &[];
        }
        Split::Incomplete
    }

    /// Looks for the last byte of the delimiter and moves everything up to it into `partial`. Whether the whole
    /// delimiter is there shows in `partial` alone, even if it was cut between two reads.
    fn split_partial<'a, 'i: 'a>(&'a mut self, input: &mut &'i [u8]) -> Split<'a> {
        let (last, limit) = (self.delimiter.last(), self.limit());
        loop {
            let found = find_byte(last, input);
            let take = found.map_or(input.len(), |at| at + 1);
            if self.partial.len() + take > limit || (found.is_none() && self.partial.len() + take == limit) {
                return Split::TooLong(&self.partial);
            }
            self.partial.extend_from_slice(&input[..take]);
            *input = &input[take..];
            if found.is_none() {
                return Split::Incomplete;
            }
            if self.delimiter.ends(&self.partial) {
                self.given_out = true;
                return Split::Line(&self.partial[..self.partial.len() - self.delimiter.bytes().len()]);
            }
            if self.partial.len() >= limit {
                return Split::TooLong(&self.partial);
            }
        }
    }
}

/// The room that the beginning of a line gets at least: most lines are not longer.
const SHORT_LINE: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::for_every_chunking;

    /// Splits `bytes` in every chunking and checks the lines, the rest and whether it became too long.
    #[track_caller]
    fn check(delimiter: &[u8], max: usize, bytes: &[u8], lines: &[&[u8]], rest: &[u8], too_long: bool) {
        for_every_chunking(bytes, |chunks| {
            let mut buffer = LineBuffer::new(delimiter, max);
            let mut seen: Vec<Vec<u8>> = Vec::new();
            let mut was_too_long = false;
            'all: for chunk in chunks {
                let mut input = *chunk;
                loop {
                    match buffer.split(&mut input) {
                        Split::Line(line) => seen.push(line.to_vec()),
                        Split::Incomplete => break,
                        Split::TooLong(kept) => {
                            assert!(kept.len() <= max + delimiter.len());
                            was_too_long = true;
                            break 'all;
                        }
                    }
                }
            }
            assert_eq!(seen, lines, "lines");
            assert_eq!(was_too_long, too_long, "too long");
            if !too_long {
                assert_eq!(buffer.rest(), rest, "rest");
            }
        });
    }

    #[test]
    fn lines_do_not_depend_on_where_reads_are_cut() {
        check(b"\n", 10, b"one\ntwo\n\nfour", &[b"one", b"two", b""], b"four", false);
        check(b"\r\n", 10, b"one\r\ntwo\r\n\r\n", &[b"one", b"two", b""], b"", false);
        check(b"abab", 10, b"xababababyabab", &[b"x", b"", b"y"], b"", false);
    }

    #[test]
    fn a_lone_piece_of_the_delimiter_is_content() {
        check(b"\r\n", 10, b"a\rb\nc\r\r\n", &[b"a\rb\nc\r"], b"", false);
    }

    #[test]
    fn a_line_of_the_maximum_length_is_taken_and_one_more_byte_is_too_long() {
        check(b"\n", 4, b"1234\n", &[b"1234"], b"", false);
        check(b"\n", 4, b"12345\n", &[], b"", true);
        check(b"\n", 4, b"12345", &[], b"", true);
        check(b"\n", 4, b"1234", &[], b"1234", false);
        check(b"\r\n", 4, b"ok\r\n1234\r\n", &[b"ok", b"1234"], b"", false);
        check(b"\r\n", 4, b"ok\r\n12345\r\n", &[b"ok"], b"", true);
        check(b"\r\n", 4, b"1234\r", &[], b"1234\r", false);
        check(b"\r\n", 4, b"12345\r", &[], b"", true);
    }

    #[test]
    fn a_line_in_one_read_is_not_copied() {
        let mut buffer = LineBuffer::new(b"\n", 100);
        let bytes = b"hello\nworld\n";
        let mut input: &[u8] = bytes;
        let Split::Line(line) = buffer.split(&mut input) else { panic!("no line") };
        assert_eq!(line.as_ptr(), bytes.as_ptr());
        assert_eq!(buffer.partial.capacity(), 0);
    }

    #[test]
    fn the_limit_and_the_delimiter_can_be_asked_for() {
        let mut buffer = LineBuffer::new(b"\r\n", 4);
        assert_eq!((buffer.max_length(), buffer.delimiter()), (4, &b"\r\n"[..]));
        buffer.set_max_length(5);
        assert_eq!(buffer.max_length(), 5);
    }

    #[test]
    fn a_new_limit_counts_for_the_unfinished_line_too() {
        let mut buffer = LineBuffer::new(b"\n", 10);
        assert_eq!(buffer.split(&mut &b"12345"[..]), Split::Incomplete);
        buffer.set_max_length(4);
        assert_eq!(buffer.split(&mut &b"6\n"[..]), Split::TooLong(b"12345"));
    }

    #[test]
    fn an_unfinished_line_that_is_taken_away_does_not_begin_the_next_one() {
        let mut buffer = LineBuffer::new(b"\n", 10);
        assert_eq!(buffer.split(&mut &b"one\ntw"[..]), Split::Line(b"one"));
        assert_eq!(buffer.take_rest(), b"");
        assert_eq!(buffer.split(&mut &b"tw"[..]), Split::Incomplete);
        assert_eq!(buffer.take_rest(), b"tw");
        assert_eq!(buffer.rest(), b"");
        assert_eq!(buffer.split(&mut &b"three\n"[..]), Split::Line(b"three"));
    }

    #[test]
    fn an_endless_line_is_never_held_beyond_the_limit() {
        let mut buffer = LineBuffer::new(b"\n", 1000);
        let chunk = [b'x'; 300];
        for _ in 0..10 {
            let mut input = &chunk[..];
            buffer.split(&mut input);
            assert!(buffer.rest().len() <= 1000);
        }
    }
}
