//! [`Map`]: which shard of the simulated store has which slots, and which of its two hosts is its primary.
//!
//! ```text
//!   slots 0 ............ 16383       cut into parts, each with the slot of one bucket at its end
//!   part  |--a--|--b--|--c--|-d-|    a part moves as a whole, from shard to shard, one key after the other
//! ```
//!
//! All servers of the store have this one map: they always agree, and a map that is wrong is the client's. In a real
//! cluster they tell each other, and may disagree for a while.
//!
//! Next: `shard.rs`, what a shard has.

use super::{Bytes, PORT};
use reactor::resp::{SLOTS, slot_of};
use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;

/// One host of a shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) shard: usize,
    pub(super) host: usize,
}

/// A part that is on its way to another shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Move {
    part: usize,
    pub(super) from: usize,
    pub(super) to: usize,
}

pub(super) struct Map {
    /// The last slot of each part, and the shard that has it.
    parts: RefCell<Vec<(u16, usize)>>,
    moving: Cell<Option<Move>>,
    /// The names of each shard's hosts.
    names: Vec<Vec<String>>,
    /// Which of them is the primary's.
    primaries: Vec<Cell<usize>>,
    /// Keys that somebody has used for something else. They stay so, whatever becomes of the servers.
    foreign: RefCell<BTreeSet<Bytes>>,
}

impl Map {
    /// The shards with hosts of these names take turns at the parts.
    pub(super) fn new(names: Vec<Vec<String>>, buckets: u16) -> Map {
        let mut ends: Vec<u16> =
            (0..buckets).map(|bucket| slot_of(format!("{{proxyherd:{bucket}}}").as_bytes())).collect();
        ends.sort_unstable();
        ends.dedup();
        if let Some(last) = ends.last_mut() {
            *last = SLOTS - 1;
        }
        let parts = ends.into_iter().enumerate().map(|(part, end)| (end, part % names.len())).collect();
        let primaries = names.iter().map(|_| Cell::new(0)).collect();
        Map { parts: RefCell::new(parts), moving: Cell::new(None), names, primaries, foreign: RefCell::default() }
    }

    pub(super) fn part_count(&self) -> usize {
        self.parts.borrow().len()
    }

    pub(super) fn primary(&self, shard: usize) -> usize {
        self.primaries[shard].get()
    }

    pub(super) fn set_primary(&self, shard: usize, host: usize) {
        self.primaries[shard].set(host);
    }

    pub(super) fn is_primary(&self, place: Place) -> bool {
        self.primary(place.shard) == place.host
    }

    fn part_of(&self, key: &[u8]) -> usize {
        let slot = slot_of(key);
        self.parts.borrow().iter().position(|(end, _)| slot <= *end).expect("the last part ends with the last slot")
    }

    /// Whether this shard may have a key.
    pub(super) fn may_have(&self, shard: usize, key: &[u8]) -> bool {
        let part = self.part_of(key);
        self.parts.borrow()[part].1 == shard || self.moving.get().is_some_and(|it| it.part == part && it.to == shard)
    }

    /// Somebody uses a key for something else.
    pub(super) fn make_foreign(&self, key: Bytes) {
        self.foreign.borrow_mut().insert(key);
    }

    pub(super) fn is_foreign(&self, key: &[u8]) -> bool {
        self.foreign.borrow().contains(key)
    }

    /// A part begins to move to the next shard.
    pub(super) fn begin_move(&self, part: usize) -> Move {
        let from = self.parts.borrow()[part].1;
        let moving = Move { part, from, to: (from + 1) % self.names.len() };
        self.moving.set(Some(moving));
        moving
    }

    pub(super) fn moving(&self) -> Option<Move> {
        self.moving.get()
    }

    /// Whether a key moves.
    pub(super) fn moves(&self, key: &[u8]) -> bool {
        self.moving.get().is_some_and(|it| it.part == self.part_of(key))
    }

    /// The part that moves has moved.
    pub(super) fn end_move(&self) {
        if let Some(Move { part, to, .. }) = self.moving.take() {
            self.parts.borrow_mut()[part].1 = to;
        }
    }

    /// Why a server does not carry out a command with `keys` keys, of which the first one is given: it says where to
    /// ask. `is_asking` if ASKING was said before it.
    pub(super) fn redirect(
        &self,
        at: Place,
        key: &[u8],
        keys: usize,
        has_key: bool,
        is_asking: bool,
    ) -> Option<String> {
        let (part, slot) = (self.part_of(key), slot_of(key));
        let owner = self.parts.borrow()[part].1;
        let is_at = |shard| at == Place { shard, host: self.primary(shard) };
        let address = |shard: usize| format!("{}:{PORT}", self.names[shard][self.primary(shard)]);
        // The index of a bucket moves last, so a client's key alone may be missing.
        const LATER: &str = "-TRYAGAIN Multiple keys request during rehashing of slot\r\n";
        match self.moving.get().filter(|moving| moving.part == part) {
            Some(_) if is_at(owner) && !has_key && keys > 1 => Some(LATER.to_owned()),
            Some(Move { to, .. }) if is_at(owner) && !has_key => Some(format!("-ASK {slot} {}\r\n", address(to))),
            Some(Move { to, .. }) if is_at(to) && is_asking => (keys > 1).then(|| LATER.to_owned()),
            _ if is_at(owner) => None,
            _ => Some(format!("-MOVED {slot} {}\r\n", address(owner))),
        }
    }

    /// The answer to CLUSTER SLOTS.
    pub(super) fn slots(&self) -> String {
        let parts = self.parts.borrow();
        let mut first = 0;
        let mut text = format!("*{}\r\n", parts.len());
        for (end, shard) in &*parts {
            let name = &self.names[*shard][self.primary(*shard)];
            text += &format!("*3\r\n:{first}\r\n:{end}\r\n*2\r\n${}\r\n{name}\r\n:{PORT}\r\n", name.len());
            first = end + 1;
        }
        text
    }
}
