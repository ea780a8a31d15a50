//! How a server forgets: what is too old, what an operator wants gone, and the oldest part of a table that is full.
//!
//! ```text
//!   the clock less [limits] forget --+
//!                                    +-- the later one --> a sweep forgets what was heard before it
//!   the herd's horizon --------------+
//!        ^   a table that is nearly full moves it on; so does a neighbor that says HORIZON
//! ```
//!
//! The horizon goes through the herd like news, so a full table ends in equal tables everywhere, whatever came in which
//! order, and at which server. A server whose table is smaller than those of the others decides for all of them.
//!
//! A client that an operator wants gone has a version like any other, a FORGOT without a location. It is newer than
//! what it replaces, spreads as an AT does, and is itself forgotten in its time.
//!
//! Next: `mistaken.rs`, what a server does when its clock was wrong.

use super::Server;
use super::mistaken::ClockOffset;
use crate::address_group::AddressGroup;
use crate::decimal::Time;
use crate::locations::{NeighborId, Stamp, Verdict, Version};
use crate::log_file::Bytes;
use crate::message::Forgot;
use crate::newcomers::{Newcomers, Share};
use crate::watch::HeardFrom;
use reactor::DelayedCall;
use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// Maximum number of entries that a sweep looks at before others have their turn: a millisecond's work.
const MAX_SWEPT: usize = 1024;

/// A sweep passes the whole table in this time, if it does not make room.
const SWEEP_WITHIN: Duration = Duration::from_secs(60);

/// How often a sweep goes on in a small table.
const SWEEP_EVERY: Duration = Duration::from_secs(5);

/// While the table is nearly full, each piece of news has this many entries looked at. So the sweep has passed the
/// whole table before it is full: a sixteenth of it is free at the beginning.
const SWEPT_FOR_NEWS: usize = 32;

/// Maximum number of times that room is made for one version. In a small table, each time forgets only a few clients.
/// In a large table, the sixteenth that is kept free is enough.
const MAX_TRIES: usize = 8;

/// After something was forgotten that has beaten what neighbors may still hold, they are asked this much later, once
/// for all that is forgotten until then. A client can bring that about, but not more often than this.
const ASK_AFTER: Duration = Duration::from_secs(5);

/// Slow corrections may move a clock by an hour. But a server that forgets sooner must look closer.
const HOUR: Duration = Duration::from_secs(3600);

/// Why a server does not take what a client said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotTaken {
    /// The memory for locations is used up.
    NoRoom,
    /// It is about a new client, and the peer's address has brought too many of those.
    BeyondShare,
    /// It is about a new client, and our clock shows a time before that up to which the herd has forgotten.
    ClockBehind,
    /// The client is not known.
    Unknown,
    /// The store does not take it, and the configuration wants it refused then.
    NoStore,
}

impl fmt::Display for NotTaken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            NotTaken::NoRoom => "there is no room for another client",
            NotTaken::BeyondShare => "its address has brought more new clients than its share",
            NotTaken::ClockBehind => "our clock is behind what the herd has already forgotten",
            NotTaken::Unknown => "the client is not known",
            NotTaken::NoStore => "the store does not take it now, and on_loss is \"refuse\"",
        })
    }
}

/// What a server needs for it.
#[derive(Default)]
pub(super) struct Forgetting {
    pub(super) newcomers: RefCell<Newcomers>,
    sweeping: RefCell<Option<DelayedCall>>,
    /// When the neighbors are asked to tell everything again, because we have forgotten what had beaten a later one.
    asks_at: Cell<Option<Instant>>,
}

impl Server {
    /// What was heard before this is forgotten.
    pub fn horizon(&self) -> Stamp {
        Stamp::from(self.time()).earlier_by(self.limits().forget).max(self.locations.borrow().horizon())
    }

    /// Begins to sweep, now and then, until the server stops.
    pub(super) fn begin_sweeping(self: &Rc<Self>) {
        let this = Rc::downgrade(self);
        let call = self.reactor.call_later(self.sweep_after(), move || {
            if let Some(server) = this.upgrade() {
                server.go_on_sweeping();
                server.begin_sweeping();
            }
        });
        self.forgetting.sweeping.replace(Some(call));
    }

    pub(super) fn stop_sweeping(&self) {
        if let Some(call) = self.forgetting.sweeping.take() {
            call.cancel();
        }
    }

    fn sweep_after(&self) -> Duration {
        let locations = self.locations.borrow();
        let slices = u32::try_from(locations.entries_to_sweep() / MAX_SWEPT + 1).unwrap_or(u32::MAX);
        match locations.is_making_room() {
            true => Duration::ZERO,
            false => (SWEEP_WITHIN / slices).min(SWEEP_EVERY),
        }
    }

    fn go_on_sweeping(&self) {
        if self.mistaken.take_mistake(self.clock_offset(), HOUR.min(self.limits().forget / 8)) {
            log::warn!(
                "our clock was set, and something seemed too old or too new before: the neighbors shall tell again"
            );
            self.connections.end_neighbors();
        }
        if self.forgetting.asks_at.get().is_some_and(|at| at <= self.reactor.now()) {
            self.forgetting.asks_at.set(None);
            log::info!("the neighbors may hold a location that we have lost: they shall tell again");
            self.connections.end_neighbors();
        }
        if let Some(storing) = self.storing() {
            storing.store().forget_old();
        }
        // If our clock was ahead and has been set, the horizon must not keep new clients out for that long.
        self.locations.borrow_mut().hold_horizon(Stamp::from(self.time()));
        if self.locations.borrow().left_to_sweep() == 0 {
            self.locations.borrow_mut().begin_sweep(false);
        }
        self.sweep(MAX_SWEPT);
    }

    /// The time of day now, with the time of the reactor's clock, which nobody can set.
    fn clock_offset(&self) -> ClockOffset {
        ClockOffset { time: self.time(), at: self.reactor.now() }
    }

    /// Something that a neighbor has said is refused because our clock says that it comes from the future.
    pub(crate) fn note_too_new(&self) {
        self.mistaken.note_too_new(self.clock_offset());
    }

    fn sweep(&self, most: usize) {
        let horizon = self.horizon();
        let mut locations = self.locations.borrow_mut();
        let agreed = locations.horizon();
        let (mut count, mut by_clock, mut may_lack) = (0, false, false);
        locations.sweep(most, horizon, |forgotten| {
            self.drop_from_links(forgotten);
            self.watch.forgot(&forgotten.known);
            by_clock |= forgotten.known.heard >= agreed;
            may_lack |= forgotten.known.has_beaten_since(horizon);
            count += 1;
        });
        drop(locations);
        if by_clock {
            self.mistaken.note_too_old(self.clock_offset());
        }
        if may_lack && self.forgetting.asks_at.get().is_none() {
            self.forgetting.asks_at.set(Some(self.reactor.now() + ASK_AFTER));
        }
        if count > 0 {
            log::debug!("{count} clients are forgotten: nothing was heard of them since {horizon}");
        }
    }

    /// News has been stored. If the table is nearly full, makes room.
    #[cold]
    pub(super) fn make_room(&self) {
        let crowded = self.locations.borrow().is_crowded();
        if crowded {
            let horizon = self.locations.borrow().next_horizon();
            log::info!("the memory for locations is nearly full: what was heard before {horizon} is forgotten");
            self.move_horizon(horizon, None);
        }
        self.sweep(SWEPT_FOR_NEWS);
    }

    /// Takes what a neighbor says. If there is no room for it, makes some first: a neighbor tells each version once, so
    /// one that was dropped would be missing here for good.
    pub(super) fn offer_news(&self, version: &Version<'_>, from: Option<NeighborId>) -> Verdict {
        for _ in 0..MAX_TRIES {
            let horizon = self.horizon();
            let admit = || if version.heard < horizon { Err(Verdict::Forgotten) } else { Ok(()) };
            let mut locations = self.locations.borrow_mut();
            let verdict = locations.offer_version(version, from, admit);
            if let Verdict::Older(client) = verdict {
                locations.note_beaten(client, version.heard);
            }
            drop(locations);
            if verdict == Verdict::Forgotten && version.heard >= self.locations.borrow().horizon() {
                self.mistaken.note_too_old(self.clock_offset());
            }
            if verdict != Verdict::NoRoom || version.heard < horizon {
                return verdict;
            }
            self.make_room();
            self.sweep(MAX_SWEPT);
        }
        Verdict::NoRoom
    }

    /// A neighbor, if it has said which one it is, has forgotten what was heard before this.
    pub fn take_horizon(&self, horizon: Time, from: Option<NeighborId>) {
        // Another clock may be ahead of ours. But what is heard from now on is not forgotten.
        let horizon = Stamp::from(horizon).min(Stamp::from(self.time()));
        if horizon > self.locations.borrow().horizon() {
            let who = from.map_or("a neighbor", |from| self.links()[from].name());
            log::info!("{who} has forgotten what was heard before {horizon}, and so do we");
        }
        self.move_horizon(horizon, from);
    }

    fn move_horizon(&self, horizon: Stamp, from: Option<NeighborId>) {
        if !self.locations.borrow_mut().forget_before(horizon) {
            return;
        }
        if let Some(call) = &*self.forgetting.sweeping.borrow() {
            let _ = call.reset(Duration::ZERO); // It fails within the call itself, which goes on by itself.
        }
        for (id, link) in self.links().iter().enumerate() {
            if from != Some(id) {
                link.tell_horizon();
            }
        }
    }

    /// Whether a client that is not known may be: it is a new one that a peer at `from` has brought.
    pub(super) fn admit(&self, heard: Stamp, horizon: Stamp, from: AddressGroup) -> Result<(), Verdict> {
        if heard < horizon {
            return Err(Verdict::Forgotten);
        }
        let (share, now) = (Share::of(&self.limits()), self.reactor.now());
        let is_admitted = self.forgetting.newcomers.borrow_mut().admit(from, share, now);
        is_admitted.then_some(()).ok_or(Verdict::BeyondShare)
    }

    /// Forgets a client that is known, and spreads that. Returns the FORGOT line.
    ///
    /// # Errors
    /// If the client is not known.
    pub fn forget(&self, client: &[u8]) -> Result<Vec<u8>, NotTaken> {
        let (known, heard) = match self.locations.borrow().get(client) {
            Some(known) if known.at().is_some() => (known.time, known.heard),
            _ => return Err(NotTaken::Unknown),
        };
        self.forget_known(client, known, heard)
    }

    /// Forgets what was heard of a client at `heard`, with this time.
    pub(super) fn forget_known(&self, client: &[u8], known: Time, heard: Stamp) -> Result<Vec<u8>, NotTaken> {
        // The next report of the client is newer than this, whatever its clock shows. What we have is older.
        let (time, heard) = (known.next(), Stamp::from(self.time()).max(heard));
        let (time_text, difference) = (time.to_string(), Time::from(heard).minus(time).text());
        let (server, difference) = (self.name.as_bytes(), difference.as_bytes());
        let forgot = Forgot { server, difference, client, time_text: time_text.as_bytes(), time };
        let mut line = Vec::new();
        forgot.write_to(&mut line);
        match self.take_version(&forgot, heard, &line, HeardFrom::Client) {
            Verdict::NoRoom => Err(NotTaken::NoRoom),
            _ => Ok(line),
        }
    }

    /// Takes a FORGOT from another server, as [`take_at`](Server::take_at) takes an AT. The caller has checked it.
    pub fn take_forgot(&self, forgot: &Forgot<'_>, from: Option<NeighborId>) -> bool {
        let mut line = Vec::new();
        forgot.write_to(&mut line);
        let heard = Stamp::from(forgot.clock().unwrap_or(forgot.time));
        let from = from.map_or(HeardFrom::Unnamed, HeardFrom::Neighbor);
        matches!(self.take_version(forgot, heard, &line, from), Verdict::Newer(_))
    }

    fn take_version(&self, forgot: &Forgot<'_>, heard: Stamp, line: &[u8], from: HeardFrom) -> Verdict {
        let version = Version { client: forgot.client, time: forgot.time, heard, line };
        let neighbor = from.neighbor();
        let verdict = self.offer_news(&version, neighbor);
        self.watch.heard_forgot(forgot, line, from, &verdict);
        self.spread(&verdict, forgot.client, neighbor);
        self.watch.done();
        verdict
    }

    /// Does what follows from a verdict.
    pub(super) fn spread(&self, verdict: &Verdict, client: &[u8], from: Option<NeighborId>) {
        match verdict {
            // It is stored by now: a link looks the line up when it writes it. Flooding first would send the old one.
            Verdict::Newer(change) => {
                self.owe(change);
                self.flood(change, from);
                self.keep_room();
            }
            // The flood ends here: on a ring, passing it on again would never end.
            Verdict::Same => {}
            Verdict::Older(client) => {
                if let Some(neighbor) = from {
                    self.links()[neighbor].answer_older(*client);
                }
            }
            Verdict::NoRoom => log::warn!("no room for the client {}", Bytes(client)),
            Verdict::Forgotten | Verdict::BeyondShare => {}
        }
    }
}
