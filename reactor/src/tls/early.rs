//! [`Early`]: plain bytes that were written before the handshake was done. Pure.
//!
//! They are kept in blocks, and each block is freed when it has become records: a large write is never in memory twice,
//! in plain and encrypted.
//!
//! Next: `error.rs`, why it failed.

use std::collections::VecDeque;
use std::mem;

/// Maximum length of a block: what one TLS record holds.
const BLOCK: usize = 16 * 1024;

#[derive(Default)]
pub(super) struct Early {
    blocks: VecDeque<Vec<u8>>,
    len: usize,
}

impl Early {
    /// The number of bytes that wait.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn push(&mut self, data: &[u8]) {
        self.len += data.len();
        match self.blocks.back_mut() {
            // Grown as needed: most connections write one short request, and may then wait for the handshake long.
            Some(last) if last.len() + data.len() <= BLOCK => last.extend_from_slice(data),
            _ => self.blocks.extend(data.chunks(BLOCK).map(<[u8]>::to_vec)),
        }
    }

    /// Takes all of them out, in order.
    pub(super) fn take(&mut self) -> impl Iterator<Item = Vec<u8>> + use<> {
        self.len = 0;
        mem::take(&mut self.blocks).into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_out_in_order_in_blocks_however_they_were_written() {
        let data: Vec<u8> = (0..100_000_u32).map(|n| n as u8).collect();
        for piece in [1, 7, 1000, BLOCK - 1, BLOCK, BLOCK + 1, data.len()] {
            let mut early = Early::default();
            data.chunks(piece).for_each(|piece| early.push(piece));
            assert_eq!(early.len(), data.len());
            let blocks: Vec<Vec<u8>> = early.take().collect();
            assert!(blocks.iter().all(|block| (1..=BLOCK).contains(&block.len())));
            assert_eq!((blocks.concat(), early.len()), (data.clone(), 0), "in pieces of {piece}");
            assert_eq!(early.take().count(), 0);
        }
    }

    #[test]
    fn an_empty_write_makes_no_block() {
        let mut early = Early::default();
        early.push(&[]);
        assert_eq!((early.len(), early.take().count()), (0, 0));
    }
}
