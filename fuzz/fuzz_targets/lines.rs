//! Lines: a `LineBuffer` gives the same lines wherever the stream is cut, and they are those of `split`.

#![no_main]

use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use proxyherd_fuzz::Pieces;
use reactor::line_buffer::{LineBuffer, Split};

#[derive(Debug, Arbitrary)]
struct Input {
    two_bytes: bool,
    max_length: u8,
    pieces: Pieces,
}

/// The unfinished line, or the beginning of one that is too long; nothing after that counts.
type Rest = Result<Vec<u8>, Vec<u8>>;

/// The lines, and what follows them.
fn ours(delimiter: &[u8], max_length: usize, pieces: &[&[u8]]) -> (Vec<Vec<u8>>, Rest) {
    let mut lines = LineBuffer::new(delimiter, max_length);
    let mut found = Vec::new();
    for piece in pieces {
        let mut input = *piece;
        loop {
            match lines.split(&mut input) {
                Split::Line(line) => found.push(line.to_vec()),
                Split::Incomplete => break,
                Split::TooLong(start) => {
                    assert!(start.len() <= max_length + delimiter.len(), "{} bytes were kept", start.len());
                    // What the buffer has not kept is still in the input.
                    let mut line = [start, input].concat();
                    line.truncate(max_length);
                    return (found, Err(line));
                }
            }
        }
        assert!(input.is_empty());
        assert!(lines.rest().len() < max_length + delimiter.len() + 1);
    }
    let rest = lines.take_rest();
    (found, Ok(rest))
}

fn plain(delimiter: &[u8], max_length: usize, bytes: &[u8]) -> (Vec<Vec<u8>>, Rest) {
    let (mut found, mut rest) = (Vec::new(), bytes);
    loop {
        let end = rest.windows(delimiter.len()).position(|window| window == delimiter);
        match end {
            Some(end) if end <= max_length => {
                found.push(rest[..end].to_vec());
                rest = &rest[end + delimiter.len()..];
            }
            // The delimiter may have begun at the end of the rest.
            None if rest.len() < max_length + delimiter.len() => return (found, Ok(rest.to_vec())),
            _ => return (found, Err(rest[..max_length].to_vec())),
        }
    }
}

fuzz_target!(|input: Input| {
    let delimiter: &[u8] = if input.two_bytes { b"\r\n" } else { b"\n" };
    let max_length = usize::from(input.max_length);
    let whole = ours(delimiter, max_length, &[&input.pieces.bytes]);
    assert_eq!(whole, ours(delimiter, max_length, &input.pieces.cut()), "in pieces");
    let expected = plain(delimiter, max_length, &input.pieces.bytes);
    assert_eq!(whole.0, expected.0);
    assert_eq!(whole.1.is_ok(), expected.1.is_ok(), "{whole:?} {expected:?}");
    if let (Ok(rest), Ok(plain)) = (&whole.1, &expected.1) {
        assert_eq!(rest, plain);
    }
});
