//! [`Outgoing`]: bytes that wait to be sent on one connection. Pure.
//!
//! Small writes are gathered into blocks, and the blocks go out with one vectored write. A connection that has nothing
//! to send owns neither a block nor a queue of blocks: both come from a small store that all connections of a reactor
//! share, and go back to it.
//!
//! Next: `diagnostics.rs`, what the library has to say to a person.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{self, IoSlice};

/// Size of a block. A write that is larger gets a block of its own size.
const BLOCK: usize = 16 * 1024;

/// Maximum number of empty blocks that the store keeps for the next writer: 256 KiB, for all connections together. What
/// a connection's callbacks write on it leaves right after them, so few blocks are in use at the same time.
const MAX_SPARE_BLOCKS: usize = 16;

/// Maximum number of blocks in one vectored write: 256 KiB of small writes.
const MAX_BLOCKS_PER_WRITE: usize = 16;

/// Maximum number of empty queues that the store keeps: as many connections may write between two flushes without an
/// allocation. With room for some blocks, a queue has 150 bytes.
const MAX_SPARE_QUEUES: usize = 64;

/// Empty blocks and empty queues, shared by the connections of one reactor.
#[derive(Default)]
pub(crate) struct Blocks {
    blocks: RefCell<Vec<Vec<u8>>>,
    #[expect(clippy::vec_box, reason = "what goes back and forth is the pointer")]
    queues: RefCell<Vec<Box<Queue>>>,
}

impl Blocks {
    #[cfg(feature = "sim")]
    pub(crate) fn swap(&self, other: &mut Blocks) {
        self.blocks.swap(&other.blocks);
        self.queues.swap(&other.queues);
    }

    fn take(&self) -> Vec<u8> {
        self.blocks.borrow_mut().pop().unwrap_or_else(|| Vec::with_capacity(BLOCK))
    }

    fn take_queue(&self) -> Box<Queue> {
        self.queues.borrow_mut().pop().unwrap_or_default()
    }

    fn give_back_queue(&self, queue: Box<Queue>) {
        let mut spare = self.queues.borrow_mut();
        // A queue that many large writes have made long is not kept.
        if queue.blocks.capacity() <= MAX_BLOCKS_PER_WRITE && spare.len() < MAX_SPARE_QUEUES {
            spare.push(queue);
        }
    }

    fn give_back(&self, mut block: Vec<u8>) {
        let mut spare = self.blocks.borrow_mut();
        if block.capacity() == BLOCK && spare.len() < MAX_SPARE_BLOCKS {
            block.clear();
            spare.push(block);
        }
    }
}

/// The bytes that wait on one connection: written at the back, sent from the front.
#[derive(Default)]
pub(crate) struct Outgoing {
    /// `None` while no byte waits.
    queue: Option<Box<Queue>>,
}

#[derive(Default)]
struct Queue {
    blocks: VecDeque<Vec<u8>>,
    /// Number of bytes of the first block that have been sent.
    sent: usize,
    len: usize,
}

impl Outgoing {
    /// The number of bytes that wait.
    pub(crate) fn len(&self) -> usize {
        self.queue.as_ref().map_or(0, |queue| queue.len)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.queue.is_none()
    }

    pub(crate) fn push(&mut self, data: &[u8], store: &Blocks) {
        if !data.is_empty() {
            self.queue.get_or_insert_with(|| store.take_queue()).push(data, store);
        }
    }

    /// Offers the bytes that wait to `write`, up to 16 blocks at a time, until `write` takes fewer than it was offered.
    ///
    /// Returns true if all went out, and false if `write` would block. A write that takes fewer bytes than it was
    /// offered has filled the socket; this saves the next write, which would only say `WouldBlock`.
    pub(crate) fn flush(
        &mut self,
        store: &Blocks,
        write: impl FnMut(&[IoSlice<'_>]) -> io::Result<usize>,
    ) -> io::Result<bool> {
        let Some(queue) = &mut self.queue else { return Ok(true) };
        let result = queue.flush(store, write);
        self.give_back_if_empty(store);
        result
    }

    /// Throws all bytes away.
    pub(crate) fn clear(&mut self, store: &Blocks) {
        if let Some(queue) = &mut self.queue {
            queue.advance(queue.len, store);
        }
        self.give_back_if_empty(store);
    }

    fn give_back_if_empty(&mut self, store: &Blocks) {
        if let Some(queue) = self.queue.take_if(|queue| queue.len == 0) {
            store.give_back_queue(queue);
        }
    }
}

impl Queue {
    fn push(&mut self, data: &[u8], store: &Blocks) {
        self.len += data.len();
        match self.blocks.back_mut() {
            Some(last) if last.capacity() - last.len() >= data.len() => last.extend_from_slice(data),
            _ if data.len() > BLOCK => self.blocks.push_back(data.to_vec()),
            _ => {
                let mut block = store.take();
                block.extend_from_slice(data);
                self.blocks.push_back(block);
            }
        }
    }

    /// See [`Outgoing::flush`].
    fn flush(
        &mut self,
        store: &Blocks,
        mut write: impl FnMut(&[IoSlice<'_>]) -> io::Result<usize>,
    ) -> io::Result<bool> {
        while self.len > 0 {
            let (written, offered) = self.offer(&mut write);
            match written {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(taken) => {
                    self.advance(taken, store);
                    if taken < offered {
                        return Ok(false);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    /// Offers the first blocks to `write`. Also returns how many bytes they have.
    fn offer(&self, write: &mut impl FnMut(&[IoSlice<'_>]) -> io::Result<usize>) -> (io::Result<usize>, usize) {
        // Most replies lie in one block, and need no list.
        if self.blocks.len() == 1 {
            return (write(&[IoSlice::new(&self.blocks[0][self.sent..])]), self.len);
        }
        let mut slices = [IoSlice::new(&[]); MAX_BLOCKS_PER_WRITE];
        let mut count = 0;
        let mut offered = 0;
        for (slot, block) in slices.iter_mut().zip(&self.blocks) {
            let rest = if count == 0 { &block[self.sent..] } else { &block[..] };
            *slot = IoSlice::new(rest);
            count += 1;
            offered += rest.len();
        }
        (write(&slices[..count]), offered)
    }

    fn advance(&mut self, mut taken: usize, store: &Blocks) {
        self.len -= taken;
        while let Some(first) = self.blocks.front() {
            let rest = first.len() - self.sent;
            if taken < rest {
                self.sent += taken;
                return;
            }
            taken -= rest;
            self.sent = 0;
            if let Some(block) = self.blocks.pop_front() {
                store.give_back(block);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block_count(out: &Outgoing) -> usize {
        out.queue.as_ref().map_or(0, |queue| queue.blocks.len())
    }

    /// Takes `at_once` bytes a call and gives up after `calls` calls.
    fn drain(out: &mut Outgoing, store: &Blocks, at_once: usize, calls: usize) -> (Vec<u8>, bool) {
        let mut sent = Vec::new();
        let mut left = calls;
        let done = out
            .flush(store, |slices| {
                if left == 0 {
                    return Err(io::ErrorKind::WouldBlock.into());
                }
                left -= 1;
                let before = sent.len();
                for slice in slices {
                    let room = at_once - (sent.len() - before);
                    sent.extend_from_slice(&slice[..slice.len().min(room)]);
                }
                Ok(sent.len() - before)
            })
            .unwrap();
        (sent, done)
    }

    #[test]
    fn bytes_come_out_in_order_however_few_a_write_takes() {
        let data: Vec<u8> = (0..100_000u32).map(|n| n as u8).collect();
        for at_once in [1000, 7, 16 * 1024, 40_000, 1_000_000] {
            let store = Blocks::default();
            let mut out = Outgoing::default();
            for piece in data.chunks(333) {
                out.push(piece, &store);
            }
            let mut sent = Vec::new();
            while !out.is_empty() {
                let before = out.len();
                let (more, _) = drain(&mut out, &store, at_once, 3);
                sent.extend(more);
                assert!(sent.len() + out.len() == data.len() && out.len() < before);
            }
            assert_eq!(sent, data);
        }
    }

    #[test]
    fn a_drained_buffer_owns_nothing_and_blocks_are_used_again() {
        let store = Blocks::default();
        let mut out = Outgoing::default();
        out.push(&[1; 10], &store);
        assert_eq!(drain(&mut out, &store, 100, 1), (vec![1; 10], true));
        assert!(out.queue.is_none());
        assert_eq!(store.queues.borrow().len(), 1);
        assert_eq!(store.blocks.borrow().len(), 1);
        out.push(&[2; 10], &store);
        assert_eq!((store.blocks.borrow().len(), store.queues.borrow().len()), (0, 0));
        out.clear(&store);
        assert!(out.is_empty() && out.queue.is_none());
    }

    #[test]
    fn large_writes_have_blocks_of_their_own_that_never_go_to_the_store() {
        let store = Blocks::default();
        store.give_back(store.take());
        let mut out = Outgoing::default();
        out.push(&[0; BLOCK + 1], &store);
        assert_eq!(store.blocks.borrow().len(), 1);
        out.clear(&store);
        assert_eq!(store.blocks.borrow().len(), 1);
    }

    #[test]
    fn small_writes_share_a_block_of_16_kib_until_it_is_full() {
        let store = Blocks::default();
        let mut out = Outgoing::default();
        for _ in 0..16 {
            out.push(&[1; 1024], &store);
        }
        assert_eq!((block_count(&out), out.len()), (1, 16 * 1024));
        out.push(&[2], &store);
        assert_eq!((block_count(&out), out.len()), (2, 16 * 1024 + 1));
    }

    #[test]
    fn a_write_of_exactly_a_block_takes_a_spare_one() {
        let store = Blocks::default();
        store.give_back(store.take());
        let mut out = Outgoing::default();
        out.push(&[0; BLOCK], &store);
        assert_eq!(store.blocks.borrow().len(), 0);
    }

    #[test]
    fn an_empty_write_needs_no_block() {
        let store = Blocks::default();
        let mut out = Outgoing::default();
        out.push(&[], &store);
        assert!(out.is_empty() && out.queue.is_none());
        out.push(&[1; BLOCK], &store);
        out.push(&[], &store);
        assert_eq!(block_count(&out), 1);
    }

    #[test]
    fn the_store_keeps_16_blocks_at_most() {
        let store = Blocks::default();
        let mut out = Outgoing::default();
        for _ in 0..MAX_SPARE_BLOCKS + 2 {
            out.push(&[0; BLOCK], &store);
        }
        out.clear(&store);
        assert_eq!(store.blocks.borrow().len(), 16);
        assert!(store.blocks.borrow().iter().all(Vec::is_empty));
    }

    #[test]
    fn the_store_keeps_64_queues_at_most_and_none_that_was_long() {
        let store = Blocks::default();
        let mut outs: Vec<Outgoing> = (0..MAX_SPARE_QUEUES + 2).map(|_| Outgoing::default()).collect();
        outs.iter_mut().for_each(|out| out.push(&[1], &store));
        outs.iter_mut().for_each(|out| out.clear(&store));
        assert_eq!(store.queues.borrow().len(), 64);
        let mut long = Outgoing::default();
        (0..=MAX_BLOCKS_PER_WRITE).for_each(|_| long.push(&[1; BLOCK + 1], &store));
        long.clear(&store);
        assert_eq!(store.queues.borrow().len(), 63);
    }

    #[cfg(feature = "sim")]
    #[test]
    fn two_stores_exchange_their_blocks() {
        let (full, mut empty) = (Blocks::default(), Blocks::default());
        full.give_back(full.take());
        full.swap(&mut empty);
        assert_eq!((full.blocks.borrow().len(), empty.blocks.borrow().len()), (0, 1));
    }

    #[test]
    fn one_write_is_offered_16_blocks_at_most() {
        let store = Blocks::default();
        let mut out = Outgoing::default();
        for _ in 0..20 {
            out.push(&[0; BLOCK], &store);
        }
        let mut counts = Vec::new();
        let all_went_out = out.flush(&store, |slices| {
            counts.push(slices.len());
            Ok(slices.iter().map(|slice| slice.len()).sum())
        });
        assert!(all_went_out.unwrap());
        assert_eq!(counts, [16, 4]);
    }

    #[test]
    fn after_a_write_that_took_less_than_it_was_offered_the_socket_is_not_asked_again() {
        let store = Blocks::default();
        let mut out = Outgoing::default();
        out.push(&[0; 10], &store);
        assert_eq!(drain(&mut out, &store, 4, 100), (vec![0; 4], false));
        assert_eq!(out.len(), 6);
    }

    /// Flushes ten bytes to a socket that answers with `results`, each only once.
    fn flush_with<const N: usize>(results: [Result<usize, io::ErrorKind>; N]) -> (io::Result<bool>, usize) {
        let store = Blocks::default();
        let mut out = Outgoing::default();
        out.push(&[0; 10], &store);
        let mut results = results.into_iter();
        let flushed = out.flush(&store, |_| results.next().unwrap().map_err(io::Error::from));
        (flushed, out.len())
    }

    #[test]
    fn an_interrupted_write_is_repeated_and_a_blocked_one_is_not() {
        let (flushed, left) = flush_with([Err(io::ErrorKind::Interrupted), Ok(10)]);
        assert_eq!((flushed.unwrap(), left), (true, 0));
        let (flushed, left) = flush_with([Err(io::ErrorKind::WouldBlock)]);
        assert_eq!((flushed.unwrap(), left), (false, 10));
    }

    #[test]
    fn any_other_error_and_a_write_of_nothing_end_the_flush() {
        for (result, error) in
            [(Err(io::ErrorKind::ConnectionReset), io::ErrorKind::ConnectionReset), (Ok(0), io::ErrorKind::WriteZero)]
        {
            let (flushed, left) = flush_with([result]);
            assert_eq!((flushed.unwrap_err().kind(), left), (error, 10));
        }
    }
}
