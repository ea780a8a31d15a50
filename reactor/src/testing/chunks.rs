//! [`for_every_chunking`]: TCP may cut a stream anywhere, so a parser must give the same result wherever it is cut.
//!
//! Next: `src/lib.rs`, the herd, which is built on all of this.

/// Calls `check` with different chunkings of `bytes`: whole; byte by byte; in threes with empty chunks between; and cut
/// in two at every place. `check` makes a new parser in each call, feeds it the chunks in order, and asserts the
/// result.
///
/// ```
/// reactor::testing::for_every_chunking(b"12;3;", |chunks| {
///     let all: Vec<u8> = chunks.concat();
///     assert_eq!(all.split(|byte| *byte == b';').count(), 3);
/// });
/// ```
#[track_caller]
pub fn for_every_chunking(bytes: &[u8], mut check: impl FnMut(&[&[u8]])) {
    check(&[bytes]);
    let single: Vec<&[u8]> = bytes.chunks(1).collect();
    check(&single);
    let spaced: Vec<&[u8]> = bytes.chunks(3).flat_map(|chunk| [chunk, &[][..]]).collect();
    check(&spaced);
    for cut in 1..bytes.len() {
        let (front, back) = bytes.split_at(cut);
        check(&[front, back]);
    }
}
