//! [`Section`]: header lines that come in pieces, kept until the empty line that ends them. Heads and trailers are
//! sections.
//!
//! Next: `chunked.rs`, which ends with one.

/// Header lines that are not complete yet. It looks at each byte once, however they are cut: a peer that sends a head
/// byte by byte must not cost quadratic time.
#[derive(Debug, Default)]
pub(super) struct Section {
    bytes: Vec<u8>,
}

/// The result of [`Section::gather`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Gathered {
    /// The empty line is there.
    Complete,
    /// The input is used up.
    NeedMore,
    /// There are `limit` bytes and no empty line.
    TooLarge,
}

impl Section {
    /// Moves bytes from `input` into the section, up to and including the empty line, and until it has `limit` bytes at
    /// most.
    pub(super) fn gather(&mut self, input: &mut &[u8], limit: usize) -> Gathered {
        loop {
            let room = limit.saturating_sub(self.bytes.len()).min(input.len());
            let end = memchr::memchr(b'\n', &input[..room]);
            let (line, rest) = input.split_at(end.map_or(room, |at| at + 1));
            self.make_room(line.len(), limit);
            self.bytes.extend_from_slice(line);
            *input = rest;
            match end {
                Some(_) if self.ends_with_empty_line() => return Gathered::Complete,
                Some(_) => {}
                None if self.bytes.len() >= limit => return Gathered::TooLarge,
                None => return Gathered::NeedMore,
            }
        }
    }

    /// Doubles the capacity, as `Vec` does by itself, but not past `limit`.
    fn make_room(&mut self, more: usize, limit: usize) {
        let needed = self.bytes.len() + more;
        if needed > self.bytes.capacity() {
            let capacity = needed.max(self.bytes.capacity() * 2).min(limit.max(needed));
            self.bytes.reserve_exact(capacity - self.bytes.len());
        }
    }

    /// A bare LF ends a line here too. It is refused later, when the section is read; here it only must not be missed,
    /// or we would wait for an end that has already come.
    fn ends_with_empty_line(&self) -> bool {
        let Some(line) = self.bytes.strip_suffix(b"\n") else { return false };
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        line.is_empty() || line.ends_with(b"\n")
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Drops all bytes and frees the memory.
    pub(super) fn clear(&mut self) {
        self.bytes = Vec::new();
    }
}
