//! What the book knows of a store beside the herd: what its servers were told by it, and what it must still have.
//!
//! Next: `storms.rs`, versions that come again and again.

use super::observer::Told;
use super::{Book, Version, shown};
use crate::book::invariants::Invariant;
use crate::herd::store::SimulatedStore;
use proxyherd::locations::{Known, Stamp};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::{Duration, Instant};

/// A connection to the store that says nothing is given up after five seconds. Until then, what is remembered may have
/// been replaced. The rest is for a turn of the loop.
const MAY_BE_OLD: Duration = Duration::from_secs(6);

/// By how much a deadline may be late, in a world in which a callback takes no time.
const LATE: Duration = Duration::from_millis(50);

/// A store, and what it has promised.
pub(crate) struct Beside {
    pub(crate) store: Rc<SimulatedStore>,
    /// How many servers of the store must have what it has confirmed.
    pub(crate) copies: usize,
    /// The maximum time for which a client waits for it.
    pub(crate) timeout: Duration,
    /// Clients whose keys in the store have something else. The store never has them.
    pub(crate) foreign: BTreeSet<Vec<u8>>,
    /// When each life has offered a version that has not been answered yet.
    pub(crate) offered: RefCell<BTreeMap<(usize, Version), Instant>>,
    /// Which life has taken which version into its table, because the store did not take it.
    pub(crate) taken: RefCell<Vec<(usize, Version)>>,
    /// When each server was last suspended, or went on.
    pub(crate) suspended: RefCell<BTreeMap<usize, Instant>>,
}

impl Book {
    pub(crate) fn set_store(&self, beside: Beside) {
        drop(self.beside.set(beside));
    }

    pub(crate) fn has_store(&self) -> bool {
        self.beside.get().is_some()
    }

    /// A server is suspended, or goes on.
    pub(crate) fn suspended(&self, server: usize) {
        if let (Some(beside), Some(now)) = (self.beside.get(), self.now(server)) {
            beside.suspended.borrow_mut().insert(server, now);
        }
    }

    /// The line of a version that a client has just said.
    pub(super) fn offered(&self, life: usize, told: &Told<'_>, line: &[u8]) {
        let inner = &mut *self.inner.borrow_mut();
        let Some(&client) = inner.client_numbers.get(told.client) else { return };
        let version = inner.version(client, told, line, life);
        self.check_difference(inner, life, told.difference, version);
        if let (Some(beside), Some(now)) = (self.beside.get(), self.now(inner.lives[life].server)) {
            beside.offered.borrow_mut().insert((life, version), now);
        }
    }

    /// What a client has said is in the store, or in the table.
    pub(super) fn check_wait(&self, life: usize, line: &[u8]) {
        let Some(beside) = self.beside.get() else { return };
        let inner = self.inner.borrow();
        let (server, Some(&version)) = (inner.lives[life].server, inner.by_line.get(line)) else { return };
        let Some(since) = beside.offered.borrow_mut().remove(&(life, version)) else { return };
        let Some(now) = self.now(server) else { return };
        let was_suspended = beside.suspended.borrow().get(&server).is_some_and(|at| *at >= since);
        if now - since > beside.timeout + LATE && !was_suspended {
            self.fail(Invariant::NobodyWaits, || format!("{:?} for {}", now - since, inner.text(Some(version))));
        }
    }

    /// The store has confirmed to a life that it has this, or something newer.
    pub(super) fn stored(&self, life: usize, line: &[u8], is_news: bool) {
        let Some(version) = self.inner.borrow().by_line.get(line).copied() else { return };
        let server = self.inner.borrow().lives[life].server;
        self.check_wait(life, line);
        self.check_confirmed(version);
        let now = self.now(server);
        let inner = &mut *self.inner.borrow_mut();
        let client = inner.versions[version].client;
        let confirmed = inner.lives[life].confirmed[client];
        if inner.is_newer(version, confirmed) {
            inner.lives[life].confirmed[client] = Some(version);
        }
        if is_news {
            inner.count.versions += 1;
            inner.last_news = now.or(inner.last_news);
        }
    }

    /// A client leaves the table of a life, because the store has confirmed that it has its location. If it is taken
    /// again, that may be passed on again.
    pub(super) fn moved(&self, life: usize, known: &Known) {
        let Some(version) = self.inner.borrow().by_line.get(&known.line[..]).copied() else { return };
        self.check_confirmed(version);
        let inner = &mut *self.inner.borrow_mut();
        let client = inner.versions[version].client;
        inner.lives[life].forgot(client);
        let confirmed = inner.lives[life].confirmed[client];
        if inner.is_newer(version, confirmed) {
            inner.lives[life].confirmed[client] = Some(version);
        }
        inner.count.allowed += inner.graph.messages_a_version();
    }

    /// The servers of the store that ever had this version, or a newer one.
    fn copies(&self, beside: &Beside, version: Version) -> BTreeSet<u32> {
        let inner = self.inner.borrow();
        let lines = beside.store.ever_had(&inner.clients[inner.versions[version].client]);
        let is_older = |line: &[u8]| inner.by_line.get(line).is_none_or(|known| inner.is_newer(version, Some(*known)));
        lines.into_iter().filter(|(line, _)| !is_older(line)).flat_map(|(_, nodes)| nodes).collect()
    }

    fn check_confirmed(&self, version: Version) {
        let Some(beside) = self.beside.get() else { return };
        let copies = self.copies(beside, version);
        if copies.len() < beside.copies {
            let text = self.inner.borrow().text(Some(version));
            self.fail(Invariant::StoreConfirms, || {
                format!("only the store's servers {copies:?} have {text}, and {} must", beside.copies)
            });
        }
    }

    /// A server was told by the store, or remembers, what is known of a client.
    pub(super) fn looked_up(&self, life: usize, line: &[u8]) {
        let Some(beside) = self.beside.get() else { return };
        let inner = self.inner.borrow();
        let server = inner.lives[life].server;
        let (Some(&version), Some(now)) = (inner.by_line.get(line), self.now(server)) else { return };
        let written = beside.store.written_for(&inner.clients[inner.versions[version].client]);
        let is_newer = |line: &[u8]| inner.by_line.get(line).is_some_and(|it| inner.is_newer(*it, Some(version)));
        let Some((at, newer)) = written.iter().find(|(_, line)| is_newer(line)) else { return };
        // A server that goes on may read a client's question before it reads what the store has said meanwhile.
        let since = beside.suspended.borrow().get(&server).map_or(*at, |suspended| (*at).max(*suspended));
        if now.saturating_duration_since(since) > MAY_BE_OLD + beside.timeout {
            let name = &inner.graph.names[server];
            self.fail(Invariant::StoreFresh, || {
                let ago = now - since;
                format!("{name} shows {}, which {} has replaced {ago:?} ago", shown(line), shown(newer))
            });
        }
    }

    /// Whether every server runs, has lost no part of the store, and has nothing that the store has not, but clients
    /// whose keys in the store have something else.
    pub(super) fn equals_store(&self) -> Result<(), String> {
        for (member, name) in self.members.borrow().iter().zip(&self.inner.borrow().graph.names) {
            let Some(server) = member.server() else { return Err(format!("{name} does not run")) };
            let locations = server.locations().borrow();
            let is_foreign = |client: &[u8]| self.beside.get().is_some_and(|it| it.foreign.contains(client));
            if let Some(known) = locations.iter().find(|known| !is_foreign(&known.client)) {
                return Err(format!("{name} still has {}, which belongs into the store", shown(&known.line)));
            }
            let Some(storing) = server.storing() else { return Err(format!("{name} has no store")) };
            if storing.store().lost_count() > 0 || storing.owed_count() > locations.len() {
                return Err(format!("{name} has not found the store again: {storing:?}"));
            }
        }
        Ok(())
    }

    /// Counts the acknowledged versions that the store has lost, when no server of the herd has anything else. The
    /// store may lose what it has confirmed with every server of it that had it; what was never confirmed, only with
    /// every server of the herd that took it.
    pub(super) fn check_kept_by_store(&self, beside: &Beside) {
        let (mut lost, mut forgotten) = (0, 0);
        // A store counts in milliseconds.
        let horizon = self.horizon().map(|horizon| horizon.later_by(Duration::from_millis(1)));
        let acknowledged = self.inner.borrow().acknowledged.clone();
        for version in acknowledged {
            let inner = self.inner.borrow();
            if beside.foreign.contains(&inner.clients[inner.versions[version].client]) {
                continue;
            }
            let there = beside.store.line_of(&inner.clients[inner.versions[version].client]);
            let there = there.and_then(|line| inner.by_line.get(&line[..]).copied());
            if !inner.is_newer(version, there) {
                continue;
            }
            let ever = beside.store.ever_had(&inner.clients[inner.versions[version].client]);
            let has_expired = |line: &[u8]| {
                let known = inner.by_line.get(line).copied();
                known.is_some_and(|known| !inner.is_newer(version, Some(known)) && inner.is_before(known, horizon))
            };
            if self.may_forget() && ever.iter().any(|(line, _)| has_expired(line)) {
                forgotten += 1;
                continue;
            }
            lost += 1;
            let (copies, alive) = (self.copies(beside, version), beside.store.nodes());
            let taken = beside.taken.borrow();
            let keeper = taken.iter().find(|(life, taken)| *taken == version && !inner.lives[*life].is_over);
            if !copies.is_disjoint(&alive) {
                self.fail(Invariant::StoreKeeps, || {
                    format!("of the store's servers {copies:?}, which had {}, some live", inner.text(Some(version)))
                });
            } else if let Some((life, _)) = keeper.filter(|_| copies.len() < beside.copies) {
                let name = &inner.graph.names[inner.lives[*life].server];
                self.fail(Invariant::KeepsAcknowledged, || {
                    format!("{} is lost, although {name} took it", inner.text(Some(version)))
                });
            }
        }
        let count = &mut self.inner.borrow_mut().count;
        (count.lost, count.forgotten) = (lost, forgotten);
    }

    /// Checks that the store has nothing that was heard before this.
    pub(super) fn check_forgotten_by_store(&self, horizon: Stamp) {
        let Some(beside) = self.beside.get() else { return };
        let inner = self.inner.borrow();
        for (_, line) in beside.store.lines() {
            if inner.by_line.get(&line[..]).is_some_and(|version| inner.is_before(*version, Some(horizon))) {
                self.fail(Invariant::Forgets, || format!("the store still has {}", shown(&line)));
            }
        }
    }
}
