//! [`GzipDecoder`]: coded bytes in, plain bytes out, a buffer at a time (RFC 1952). Sans-I/O.
//!
//! ```text
//!   Header --> Deflated --> Trailer --+--> Between: the end, or another member
//!      ^                              |
//!      +------------------------------+
//! ```
//!
//! The caller brings the buffer and counts the bytes that come out, so it stops a decompression bomb after one buffer
//! too many. While the program pauses, only coded bytes wait, which are few. Checksum and length must be right; bytes
//! after the last member, or missing from it, are an error.
//!
//! Next: `coding.rs`, which uses it.

use crate::error::debug_is_display;
use flate2::{Crc, Decompress, FlushDecompress, Status};
use std::fmt;

/// Maximum bytes of a member's header. It may hold a file name and a comment, and each goes on until a zero byte.
const MAX_HEADER: usize = 4096;

/// A member with fewer plain bytes than this is tiny.
const TINY: u32 = 1024;

/// Maximum number of tiny members in one body. An empty member is 20 bytes, gives none, and yet takes some 3 us, as the
/// decompressor has to start again. 8 MiB of them would stay within every other limit and cost more than a second.
/// Members that are not tiny count against the limit on plain bytes.
const MAX_TINY_MEMBERS: usize = 1000;

/// Bytes of the fixed part of a header.
const FIXED: usize = 10;

/// Bytes of a trailer: checksum and length.
const TRAILER: usize = 8;

/// What is wrong with a body that is coded with gzip.
#[derive(Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum GzipError {
    /// A header is not that of gzip.
    BadHeader,
    /// The compressed data is malformed.
    BadData,
    /// Checksum or length do not match the plain bytes.
    BadCheckSum,
    /// It ended too early.
    Truncated,
    /// Other bytes follow the last member.
    TrailingGarbage,
    /// It has more than 1000 members of less than 1 KiB each. They cost work and give next to nothing.
    TooManyMembers,
}

impl fmt::Display for GzipError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            GzipError::BadHeader => "the response is not gzip, although it says so",
            GzipError::BadData => "the response's gzip is broken",
            GzipError::BadCheckSum => "the response's gzip does not add up",
            GzipError::Truncated => "the response's gzip ended too early",
            GzipError::TrailingGarbage => "something follows the response's gzip",
            GzipError::TooManyMembers => "the response's gzip is in more tiny parts than we allow",
        })
    }
}

impl std::error::Error for GzipError {}

debug_is_display!(GzipError);

/// Decompresses one body.
pub(super) struct GzipDecoder {
    state: State,
    /// An unfinished header or trailer.
    partial: Vec<u8>,
    unpacker: Decompress,
    sum: Crc,
    /// Tiny members so far.
    tiny: usize,
}

enum State {
    /// Nothing has come. If it stays so, the body is empty, which is not an error.
    Untouched,
    Header,
    Deflated {
        /// The last call gave plain bytes. There may be more of them inside the decompressor, with no input left.
        may_have_more: bool,
    },
    Trailer,
    /// A member has ended.
    Between,
}

impl GzipDecoder {
    pub(super) fn new() -> GzipDecoder {
        let (partial, unpacker, sum) = (Vec::new(), Decompress::new(false), Crc::new());
        GzipDecoder { state: State::Untouched, partial, unpacker, sum, tiny: 0 }
    }

    /// Decompresses from the front of `coded`, which moves on, into `plain`. Returns the number of plain bytes; 0 means
    /// that all of `coded` is used up and no more comes out of it.
    pub(super) fn next(&mut self, coded: &mut &[u8], plain: &mut [u8]) -> Result<usize, GzipError> {
        loop {
            match self.state {
                State::Deflated { may_have_more } => {
                    if coded.is_empty() && !may_have_more {
                        return Ok(0);
                    }
                    let count = self.unpack(coded, plain)?;
                    if count > 0 {
                        return Ok(count);
                    }
                }
                _ if coded.is_empty() => return Ok(0),
                State::Untouched => self.state = State::Header,
                State::Between if coded[0] == 0x1f => self.state = State::Header,
                State::Between => return Err(GzipError::TrailingGarbage),
                State::Header => {
                    if self.header(coded)? {
                        self.state = State::Deflated { may_have_more: false };
                    }
                }
                State::Trailer => {
                    let missing = TRAILER - self.partial.len();
                    self.gather(coded, missing);
                    if self.partial.len() == TRAILER {
                        self.check_sum()?;
                        self.tiny += usize::from(self.sum.amount() < TINY);
                        if self.tiny > MAX_TINY_MEMBERS {
                            return Err(GzipError::TooManyMembers);
                        }
                        self.partial.clear();
                        self.sum.reset();
                        self.unpacker.reset(false);
                        self.state = State::Between;
                    }
                }
            }
        }
    }

    /// The body has ended; an error if it was cut.
    pub(super) fn finish(&self) -> Result<(), GzipError> {
        match self.state {
            State::Untouched | State::Between => Ok(()),
            _ => Err(GzipError::Truncated),
        }
    }

    fn unpack(&mut self, coded: &mut &[u8], plain: &mut [u8]) -> Result<usize, GzipError> {
        let (before_in, before_out) = (self.unpacker.total_in(), self.unpacker.total_out());
        let status = self.unpacker.decompress(coded, plain, FlushDecompress::None);
        // Neither can be more than the length of the slice, so the casts are exact and the indexing is in bounds.
        let taken = (self.unpacker.total_in() - before_in) as usize;
        let given = (self.unpacker.total_out() - before_out) as usize;
        *coded = &coded[taken..];
        self.sum.update(&plain[..given]);
        self.state = match status {
            Ok(Status::StreamEnd) => State::Trailer,
            Ok(Status::Ok) if taken + given > 0 => State::Deflated { may_have_more: given > 0 },
            Ok(_) if coded.is_empty() => State::Deflated { may_have_more: false },
            Ok(_) | Err(_) => return Err(GzipError::BadData),
        };
        Ok(given)
    }

    /// Moves at most `count` bytes into `partial`.
    fn gather(&mut self, coded: &mut &[u8], count: usize) {
        let (taken, rest) = coded.split_at(count.min(coded.len()));
        self.partial.extend_from_slice(taken);
        *coded = rest;
    }

    /// Takes bytes until the header is complete; true once it is.
    fn header(&mut self, coded: &mut &[u8]) -> Result<bool, GzipError> {
        while !coded.is_empty() {
            if self.partial.len() == MAX_HEADER {
                return Err(GzipError::BadHeader);
            }
            self.gather(coded, 1);
            let start = &[0x1f, 0x8b, 8][..self.partial.len().min(3)];
            if !self.partial.starts_with(start) {
                return Err(GzipError::BadHeader);
            }
            if header_length(&self.partial)? == Some(self.partial.len()) {
                self.partial.clear();
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn check_sum(&self) -> Result<(), GzipError> {
        let number = |at: usize| self.partial[at..at + 4].iter().rev().fold(0u32, |n, byte| n << 8 | u32::from(*byte));
        match number(0) == self.sum.sum() && number(4) == self.sum.amount() {
            true => Ok(()),
            false => Err(GzipError::BadCheckSum),
        }
    }
}

/// The length of the header that begins with these bytes, once it can be known: RFC 1952, section 2.3.
fn header_length(header: &[u8]) -> Result<Option<usize>, GzipError> {
    let [checked, extra, name, comment, reserved] = [2, 4, 8, 16, 0xe0];
    if header.len() < FIXED {
        return Ok(None);
    }
    let flags = header[3];
    if flags & reserved != 0 {
        return Err(GzipError::BadHeader);
    }
    let mut at = FIXED;
    if flags & extra != 0 {
        let Some(length) = header.get(at..at + 2) else { return Ok(None) };
        at += 2 + usize::from(u16::from_le_bytes([length[0], length[1]]));
    }
    for text in [name, comment] {
        if flags & text != 0 {
            let Some(rest) = header.get(at..) else { return Ok(None) };
            let Some(end) = memchr::memchr(0, rest) else { return Ok(None) };
            at += end + 1;
        }
    }
    at += if flags & checked != 0 { 2 } else { 0 };
    Ok(Some(at))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::for_every_chunking;
    use flate2::Compression;
    use flate2::read::GzEncoder;
    use std::io::Read;

    fn pack(plain: &[u8]) -> Vec<u8> {
        let mut packed = Vec::new();
        GzEncoder::new(plain, Compression::best()).read_to_end(&mut packed).unwrap();
        packed
    }

    /// What all chunks together come to, with a buffer of `room` bytes.
    fn unpack<'a>(chunks: impl IntoIterator<Item = &'a [u8]>, room: usize) -> Result<Vec<u8>, GzipError> {
        let (mut decoder, mut buffer, mut plain) = (GzipDecoder::new(), vec![0; room], Vec::new());
        for mut chunk in chunks {
            loop {
                match decoder.next(&mut chunk, &mut buffer)? {
                    0 => break,
                    count => plain.extend_from_slice(&buffer[..count]),
                }
            }
            assert!(chunk.is_empty(), "all is used up");
        }
        decoder.finish().map(|()| plain)
    }

    #[track_caller]
    fn check(coded: &[u8], expected: Result<&[u8], GzipError>) {
        for_every_chunking(coded, |chunks| {
            assert_eq!(unpack(chunks.iter().copied(), 7).as_deref().map_err(|error| *error), expected);
        });
        assert_eq!(unpack([coded], 1 << 16).as_deref().map_err(|error| *error), expected);
    }

    /// A header with everything that one may have, before what `pack` makes.
    fn with_long_header(packed: &[u8]) -> Vec<u8> {
        let header = [0x1f, 0x8b, 8, 2 | 4 | 8 | 16, 0, 0, 0, 0, 0, 3, 2, 0, 7, 7, b'n', 0, b'c', b'c', 0, 1, 2];
        [&header[..], &packed[10..]].concat()
    }

    #[test]
    fn packed_bytes_come_out_again() {
        check(&pack(b"hello hello hello"), Ok(b"hello hello hello"));
        check(&pack(b""), Ok(b""));
        check(&with_long_header(&pack(b"hello")), Ok(b"hello"));
        check(&[pack(b"two "), pack(b"members")].concat(), Ok(b"two members"));
        check(b"", Ok(b""));
    }

    #[test]
    fn a_bomb_comes_out_a_buffer_at_a_time() {
        let packed = pack(&vec![0; 10_000_000]);
        assert!(packed.len() < 20_000);
        let (mut decoder, mut coded, mut buffer) = (GzipDecoder::new(), &packed[..], [0; 1000]);
        let mut sizes = Vec::new();
        while sizes.last() != Some(&0) {
            sizes.push(decoder.next(&mut coded, &mut buffer).unwrap());
        }
        assert_eq!(decoder.finish(), Ok(()));
        assert_eq!(sizes.iter().sum::<usize>(), 10_000_000);
        assert!(sizes.len() > 10_000);
    }

    #[test]
    fn members_may_be_many_or_tiny_but_not_both() {
        let (tiny, empty) = (pack(b"x"), pack(b""));
        assert_eq!(unpack([&tiny.repeat(MAX_TINY_MEMBERS)[..]], 100), Ok(vec![b'x'; MAX_TINY_MEMBERS]));
        for one_too_many in [&tiny, &empty] {
            let coded = [&tiny.repeat(MAX_TINY_MEMBERS)[..], &one_too_many[..]].concat();
            assert_eq!(unpack([&coded[..]], 100), Err(GzipError::TooManyMembers));
            assert_eq!(unpack(coded.chunks(1), 100), Err(GzipError::TooManyMembers));
        }
        assert_eq!(unpack([&empty.repeat(MAX_TINY_MEMBERS + 1)[..]], 100), Err(GzipError::TooManyMembers));
        // As programs write them that compress block by block.
        let blocks = pack(&[b'x'; TINY as usize]).repeat(MAX_TINY_MEMBERS + 1);
        assert_eq!(unpack([&blocks[..]], 1 << 16).map(|plain| plain.len()), Ok((MAX_TINY_MEMBERS + 1) * TINY as usize));
    }

    #[test]
    fn a_cut_body_is_an_error_wherever_it_is_cut() {
        let packed = with_long_header(&pack(b"hello"));
        for end in 1..packed.len() {
            assert_eq!(unpack([&packed[..end]], 100), Err(GzipError::Truncated), "cut at {end}");
        }
    }

    #[test]
    fn bytes_after_the_end_are_an_error() {
        for garbage in [&b"\0"[..], b"x", b"\r\n"] {
            check(&[&pack(b"hello"), garbage].concat(), Err(GzipError::TrailingGarbage));
        }
        check(&[&pack(b"hello")[..], b"\x1f\x8b"].concat(), Err(GzipError::Truncated));
        check(&[&pack(b"hello")[..], b"\x1f\x8c"].concat(), Err(GzipError::BadHeader));
    }

    #[test]
    fn bytes_that_are_not_gzip_are_refused() {
        let packed = pack(b"hello hello");
        let changed = |at: usize, value: u8| {
            let mut changed = packed.clone();
            changed[at] = value;
            changed
        };
        check(b"hello", Err(GzipError::BadHeader));
        check(&changed(2, 7), Err(GzipError::BadHeader)); // No such method.
        check(&changed(3, 0x20), Err(GzipError::BadHeader)); // A flag that means nothing.
        check(&changed(10, 0x07), Err(GzipError::BadData)); // No such kind of block.
        check(&changed(packed.len() - 8, !packed[packed.len() - 8]), Err(GzipError::BadCheckSum));
        check(&changed(packed.len() - 1, 1), Err(GzipError::BadCheckSum));
        let endless = [&[0x1f, 0x8b, 8, 8, 0, 0, 0, 0, 0, 3][..], &[b'n'; MAX_HEADER]].concat();
        assert_eq!(unpack([&endless[..]], 100), Err(GzipError::BadHeader));
    }
}
