//! [`Storing`]: a store, and what a server owes to it.
//!
//! Next: `foreign_keys.rs`, clients whose key in the store has something else.

use super::foreign_keys::ForeignKeys;
use crate::config::{Limits, OnLoss};
use crate::counters::Counter;
use crate::locations::{ClientId, Forgotten};
use crate::store::{Store, Trouble};
use reactor::{Deferred, DelayedCall, Transport};
use std::cell::{Cell, RefCell};
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::rc::Rc;
use std::time::Instant;

/// Maximum number of versions that are offered again at once. The store answers a client's offer behind them within a
/// few milliseconds.
const MAX_AGAIN: usize = 64;

/// Maximum number of a neighbor's versions that wait for the store. Then we stop reading from the neighbor.
pub(super) const MAX_FROM_NEIGHBORS: usize = 1024;

/// This part of `[limits] memory` is for what was read from the store.
const PART_FOR_CACHE: usize = 4;

/// How much of the memory for locations is left for the table beside a store.
pub(super) fn memory_for_table(limits: &Limits) -> usize {
    limits.memory - memory_for_cache(limits)
}

pub(super) fn memory_for_cache(limits: &Limits) -> usize {
    limits.memory / PART_FOR_CACHE
}

/// A store, and what this server owes to it.
pub struct Storing {
    pub(super) store: Rc<Store>,
    pub(super) on_loss: Cell<OnLoss>,
    /// The clients in the table, by bucket, except those that are being offered. No bucket stands here without clients.
    owed: RefCell<BTreeMap<u16, BTreeSet<u32>>>,
    /// Those that were not taken again: they wait for the next call.
    pub(super) set_aside: RefCell<BTreeSet<u32>>,
    /// Those that the store refuses for their keys.
    foreign_keys: RefCell<ForeignKeys>,
    /// How many are being offered again.
    pub(super) again: Cell<usize>,
    /// How many may be: fewer, when the store does not take them in time. Otherwise the same ones, together too much
    /// for a narrow path, would be late again and again.
    at_once: Cell<usize>,
    pub(super) next_call: RefCell<Option<DelayedCall>>,
    /// How many versions of neighbors wait for the store, and from whom we do not read until it is fewer.
    pub(super) from_neighbors: Cell<usize>,
    pub(super) held_back: RefCell<Vec<Transport>>,
    pub(super) counters: StoringCounters,
}

/// What has been counted.
#[derive(Debug, Default)]
pub struct StoringCounters {
    /// IAMATs that the store did not take, and that went by flood.
    pub flooded: Counter,
    /// IAMATs that the store did not take, and that were refused.
    pub refused: Counter,
    /// Versions that the store has taken later.
    pub caught_up: Counter,
}

impl Storing {
    pub(super) fn new(store: Rc<Store>) -> Storing {
        Storing {
            on_loss: Cell::new(store.config().on_loss),
            store,
            owed: RefCell::default(),
            set_aside: RefCell::default(),
            foreign_keys: RefCell::default(),
            again: Cell::new(0),
            at_once: Cell::new(MAX_AGAIN),
            next_call: RefCell::default(),
            from_neighbors: Cell::new(0),
            held_back: RefCell::default(),
            counters: StoringCounters::default(),
        }
    }

    /// The store.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// What was counted.
    pub fn counters(&self) -> &StoringCounters {
        &self.counters
    }

    /// Sets what becomes of IAMATs that the store does not take.
    pub fn set_on_loss(&self, on_loss: OnLoss) {
        self.on_loss.set(on_loss);
    }

    /// How many clients of the table the store has to be offered.
    pub fn owed_count(&self) -> usize {
        let owed: usize = self.owed.borrow().values().map(BTreeSet::len).sum();
        owed + self.set_aside.borrow().len() + self.foreign_keys.borrow().waiting_count() + self.again.get()
    }

    /// How many of them the store refuses, because their keys have something else.
    pub fn foreign_key_count(&self) -> usize {
        self.foreign_keys.borrow().len()
    }

    /// Whether some of these wait until they are offered again.
    pub(super) fn has_waiting_keys(&self) -> bool {
        self.foreign_keys.borrow().waiting_count() > 0
    }

    /// Takes the next client to offer, if its bucket is not lost.
    pub(super) fn next_owed(&self) -> Option<ClientId> {
        if self.again.get() >= self.at_once.get() || self.set_aside.borrow().len() >= MAX_AGAIN {
            return None;
        }
        let mut owed = self.owed.borrow_mut();
        let (bucket, clients) = owed.iter_mut().find(|(bucket, _)| !self.store.has_lost(**bucket))?;
        let (bucket, number) = (*bucket, clients.pop_first());
        if clients.is_empty() {
            owed.remove(&bucket);
        }
        number.map(|number| ClientId::from_index(number as usize))
    }

    /// What was offered again has an answer: the store has it, or not, and why.
    pub(super) fn answered_again(&self, client: ClientId, outcome: Result<(), Trouble>, now: Instant) {
        self.again.set(self.again.get() - 1);
        let (number, at_once) = (client.index() as u32, self.at_once.get());
        match outcome {
            Ok(()) => {
                self.at_once.set((at_once + 1).min(MAX_AGAIN));
                self.key_is_ours(number);
            }
            Err(Trouble::ForeignKey) => {
                if self.foreign_keys.borrow_mut().refused(number, now) {
                    log::warn!("the store refuses some clients for their keys: they stay owed to it");
                }
            }
            Err(Trouble::Slow) => {
                self.at_once.set((at_once / 2).max(1));
                self.set_aside.borrow_mut().insert(number);
            }
            Err(Trouble::Other) => drop(self.set_aside.borrow_mut().insert(number)),
        }
    }

    /// The clients that wait for the next call wait no more. Returns their numbers.
    pub(super) fn take_waiting(&self, now: Instant) -> Vec<u32> {
        let mut all = self.foreign_keys.borrow_mut().take_due(now, MAX_AGAIN);
        all.extend(self.set_aside.take());
        all
    }

    pub(super) fn owe(&self, client: ClientId, name: &[u8]) {
        let number = client.index() as u32; // A number has 32 bits.
        // A client that reports again has the same key.
        if !self.foreign_keys.borrow().waits(number) {
            self.owed.borrow_mut().entry(self.store.bucket_of(name)).or_default().insert(number);
        }
    }

    fn key_is_ours(&self, number: u32) {
        let was_foreign = self.foreign_keys.borrow_mut().remove(number).is_some();
        if was_foreign && self.foreign_key_count() == 0 {
            log::info!("no client is owed to the store because of its key any more");
        }
    }

    pub(super) fn owe_no_more(&self, forgotten: &Forgotten) {
        let (number, bucket) = (forgotten.client.index() as u32, self.store.bucket_of(&forgotten.known.client));
        if let Entry::Occupied(mut clients) = self.owed.borrow_mut().entry(bucket) {
            clients.get_mut().remove(&number);
            if clients.get().is_empty() {
                clients.remove();
            }
        }
        self.set_aside.borrow_mut().remove(&number);
        self.key_is_ours(number);
    }

    /// Reads from the neighbors again that were held back.
    pub(super) fn let_neighbors_go_on(&self) {
        if self.from_neighbors.get() <= MAX_FROM_NEIGHBORS / 2 {
            self.held_back.take().iter().for_each(Transport::resume_producing);
        }
    }

    pub(super) fn stop(&self) -> Deferred<()> {
        if let Some(call) = self.next_call.take() {
            call.cancel();
        }
        self.store.stop()
    }
}

impl fmt::Debug for Storing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Storing({:?}, {} owed to it)", self.store, self.owed_count())
    }
}
