//! How a table forgets. What was heard before a certain moment is forgotten, and only that decides: not the order in
//! which clients came, nor the server at which they came. So tables that are forgetting stay equal.
//!
//! The moment is the later one of two: the clock less `[limits] forget`, and the table's *horizon*. A table that is
//! nearly full moves its horizon on, past its oldest sixteenth, and the server tells its neighbors
//! ([`crate::server`]).
//!
//! Versions are ordered by the client's time, but forgotten by the time at which a server heard them. So a version may
//! have beaten another one that was heard later. When the winner is forgotten, a server that had forgotten it before,
//! or has never heard of it, may still hold the loser. So the winner remembers how long the loser is to be known. If it
//! is forgotten before that, the server asks its neighbors what they have.
//!
//! Nothing is sorted by age. A *sweep* passes all entries, some at a time, and removes the old ones. A list in the
//! order of age would cost every IAMAT a move in it, and every entry eight bytes.
//!
//! Next: `digests.rs`, how two tables are compared.

use super::{Before, ClientId, Known, Locations, NOBODY, Place, Stamp, size};

/// The table is nearly full when less than one part in this number is free; then this part of it is forgotten.
const PART: usize = 16;

/// How many entries are looked at to find out how old the oldest part of them is.
const SAMPLE: usize = 1024;

/// A sweep under way.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Sweep {
    /// The number of the next entry.
    next: u32,
    /// How many numbers are left.
    left: usize,
    /// It makes room: others wait for it.
    is_urgent: bool,
}

/// A client that was forgotten.
#[derive(Debug, Clone)]
pub struct Forgotten {
    /// The number that it had. Another client may get it.
    pub client: ClientId,
    /// What was known of it.
    pub known: Known,
    /// The place that it had.
    pub before: Before,
}

impl Locations {
    /// What was heard before this is forgotten, because there was no room for it here, or at another server.
    pub fn horizon(&self) -> Stamp {
        self.horizon
    }

    /// Moves the horizon on. Returns whether that was news.
    pub fn forget_before(&mut self, horizon: Stamp) -> bool {
        let is_later = horizon > self.horizon;
        if is_later {
            self.horizon = horizon;
            self.begin_sweep(true);
        }
        is_later
    }

    /// Moves the horizon back to this, if it is later.
    pub(crate) fn hold_horizon(&mut self, latest: Stamp) {
        self.horizon = self.horizon.min(latest);
    }

    /// Whether the table is nearly full, and nothing is being done about it yet.
    pub(crate) fn is_crowded(&self) -> bool {
        self.bytes > self.limit - self.limit / PART && !self.is_making_room()
    }

    /// Whether a sweep is under way that makes room.
    pub(crate) fn is_making_room(&self) -> bool {
        self.sweep.is_urgent && self.sweep.left > 0
    }

    /// The horizon that would forget the oldest part of the table.
    pub(crate) fn next_horizon(&self) -> Stamp {
        let numbers = self.known.end();
        let step = (numbers / SAMPLE).max(1);
        let sampled = (0..numbers).step_by(step).filter_map(|number| self.known.get(number as u32));
        let mut stamps: Vec<Stamp> = sampled.map(|known| known.heard).collect();
        stamps.sort_unstable();
        stamps.get(stamps.len() / PART).map_or(Stamp::FIRST, |stamp| stamp.next())
    }

    /// Begins a sweep of the whole table.
    pub(crate) fn begin_sweep(&mut self, is_urgent: bool) {
        self.sweep = Sweep { next: 0, left: self.entries_to_sweep(), is_urgent };
    }

    /// How many entries a whole sweep looks at. While clients are forgotten, many of them are free.
    pub(crate) fn entries_to_sweep(&self) -> usize {
        self.known.end()
    }

    /// How many entries the sweep has still to look at.
    pub(crate) fn left_to_sweep(&self) -> usize {
        self.sweep.left
    }

    /// Goes on with the sweep: looks at `most` entries, and forgets those that were heard before `horizon`.
    pub(crate) fn sweep(&mut self, most: usize, horizon: Stamp, mut forgotten: impl FnMut(&Forgotten)) {
        for _ in 0..most.min(self.sweep.left) {
            let number = self.sweep.next;
            self.sweep.next += 1;
            self.sweep.left -= 1;
            if self.known.get(number).is_some_and(|known| known.heard < horizon)
                && let Some(gone) = self.remove(number)
            {
                forgotten(&gone);
            }
        }
    }

    /// A known version has beaten another one, which was heard at this moment.
    pub(crate) fn note_beaten(&mut self, client: ClientId, heard: Stamp) {
        let known = self.known.at_mut(client.0);
        known.has_beaten_later = known.has_beaten_later.max(known.heard.milliseconds_until(heard));
    }

    /// Takes a client out that has not changed since it had this place.
    pub(crate) fn take_out(&mut self, place: Place) -> Option<Forgotten> {
        let is_unchanged = self.known.get(place.client.0).is_some_and(|known| known.change == place.change);
        if is_unchanged { self.remove(place.client.0) } else { None }
    }

    fn remove(&mut self, number: u32) -> Option<Forgotten> {
        let known = self.known.remove(number)?;
        self.index.remove(self.index.hash(&known.client), number);
        self.bytes -= size(&known.client, &known.line);
        self.digests.take_out(known.hash);
        self.digests.left(number, known.after);
        match known.after {
            NOBODY => self.last = known.before,
            after => self.known.at_mut(after).before = known.before,
        }
        match known.before {
            NOBODY => self.first = known.after,
            before => self.known.at_mut(before).after = known.after,
        }
        let (change, time, from) = (known.change, known.time, known.from());
        let before = Before { change, time, from, next: self.place(known.after) };
        Some(Forgotten { client: ClientId(number), known, before })
    }
}

impl Known {
    /// It has replaced a version that was heard at this moment.
    #[cold]
    pub(super) fn note_replaced(&mut self, heard: Stamp) {
        let last_beaten = heard.later_by_milliseconds(self.has_beaten_later);
        self.has_beaten_later = self.heard.milliseconds_until(last_beaten);
    }

    /// Whether it has beaten a version that was heard at this moment or later.
    pub(crate) fn has_beaten_since(&self, horizon: Stamp) -> bool {
        self.has_beaten_later > 0 && self.heard.later_by_milliseconds(self.has_beaten_later) >= horizon
    }
}
