//! What the book checks when something is over: a server's callback, a time of silence, a server's life.
//!
//! Next: `observer.rs`, how the book hears of it all.

use super::{Book, Version, shown};
use crate::book::invariants::{FORGETS_WITHIN, Invariant};
use crate::herd::Left;
use proxyherd::locations::Stamp;
use reactor::transport::HIGH_WATER;

impl Book {
    /// Checks that every server runs and knows the newest version of each client that any of them holds. The error says
    /// what is wrong.
    pub(crate) fn convergence(&self) -> Result<(), String> {
        if self.has_store() {
            return self.equals_store();
        }
        let inner = &*self.inner.borrow();
        let newest: Vec<Option<Version>> = (0..inner.clients.len()).map(|client| inner.newest_held(client)).collect();
        let horizon = self.horizon();
        // Some servers may have swept it away already.
        let is_fading = |version: Version| self.may_forget() && inner.is_before(version, horizon);
        for (member, name) in self.members.borrow().iter().zip(&inner.graph.names) {
            let Some(server) = member.server() else { return Err(format!("{name} does not run")) };
            let locations = server.locations().borrow();
            for (client, expected) in inner.clients.iter().zip(&newest) {
                if expected.is_some_and(is_fading) {
                    continue;
                }
                let line = locations.get(client).map(|known| &known.line[..]);
                if line != expected.map(|version| &*inner.versions[version].line) {
                    let line = line.map_or("nothing".to_owned(), shown);
                    return Err(format!("{name} knows {line}; the newest that is held is {}", inner.text(*expected)));
                }
            }
            let known = newest.iter().flatten().count();
            if locations.len() != known && !self.may_forget() {
                return Err(format!("{name} knows {} clients, not {known}", locations.len()));
            }
        }
        Ok(())
    }

    /// Counts the acknowledged versions that no running server holds. Such a version may be forgotten, or lost with
    /// every server that held it; but no running server may have heard it and dropped it.
    pub(crate) fn check_acknowledged(&self) {
        if let Some(beside) = self.beside.get() {
            return self.check_kept_by_store(beside);
        }
        let inner = &mut *self.inner.borrow_mut();
        let client = |version: Version| inner.versions[version].client;
        let is_gone = |version: &Version| inner.is_newer(*version, inner.newest_held(client(*version)));
        let gone = inner.acknowledged.iter().copied().filter(is_gone);
        let (lost, forgotten): (Vec<Version>, Vec<Version>) =
            gone.partition(|version| inner.is_newer(*version, inner.forgotten[client(*version)]));
        for (life, version) in &inner.dropped {
            if !inner.lives[*life].is_over && lost.contains(version) {
                let name = &inner.graph.names[inner.lives[*life].server];
                self.fail(Invariant::KeepsAcknowledged, || {
                    format!("{} was acknowledged, and is lost: {name} heard it, too", inner.text(Some(*version)))
                });
            }
        }
        (inner.count.lost, inner.count.forgotten) = (lost.len() as u64, forgotten.len() as u64);
    }

    /// Checks that no server keeps what is forgotten, and that all have the same horizon.
    pub(crate) fn check_forgotten(&self) {
        let (members, horizon) = (self.members.borrow(), self.horizon().unwrap_or(Stamp::FIRST));
        let mut agreed = None;
        for server in members.iter().filter_map(|member| member.server()) {
            let locations = server.locations().borrow();
            let kept = locations.iter().find(|known| known.heard < horizon.earlier_by(FORGETS_WITHIN));
            if let Some(known) = kept {
                self.fail(Invariant::Forgets, || format!("{} still keeps {}", server.name(), shown(&known.line)));
            }
            let own = locations.horizon();
            if *agreed.get_or_insert(own) != own {
                self.fail(Invariant::Forgets, || format!("{} has a horizon of its own, {own}", server.name()));
            }
        }
        self.check_forgotten_by_store(horizon.earlier_by(FORGETS_WITHIN));
    }

    /// A client has just heard of this version, while all was well.
    pub(crate) fn check_shown(&self, version: Option<Version>) {
        let horizon = self.horizon().filter(|_| self.may_forget()).map(|it| it.earlier_by(FORGETS_WITHIN));
        let inner = self.inner.borrow();
        if version.is_some_and(|version| inner.is_before(version, horizon)) {
            self.fail(Invariant::Forgets, || format!("a server still shows {}", inner.text(version)));
        }
    }

    /// A server has stopped in good order: checks what it has left behind.
    pub(crate) fn stopped(&self, server: usize, left: Left) {
        let name = || self.inner.borrow().graph.names[server].clone();
        let Left { calls, descriptors, unanswered } = left;
        if calls + descriptors > 0 {
            self.fail(Invariant::NothingLeft, || {
                format!("{} has stopped and left {calls} delayed calls and {descriptors} descriptors", name())
            });
        }
        if unanswered != 0 {
            self.fail(Invariant::NothingUnfired, || format!("{} has stopped and owed {unanswered} answers", name()));
        }
    }

    /// Checks that each link is up and that each neighbor is connected once: no older connection is left. The error
    /// says what is wrong.
    pub(crate) fn links(&self) -> Result<(), String> {
        let members = self.members.borrow();
        for server in members.iter().filter_map(|member| member.server()) {
            for link in server.links() {
                let (name, neighbor, inbound) = (server.name(), link.name(), link.inbound_count());
                if !link.is_up() {
                    return Err(format!("the link of {name} to {neighbor} is still down"));
                }
                if inbound != 1 {
                    return Err(format!("{name} has {inbound} connections of {neighbor}"));
                }
            }
        }
        Ok(())
    }

    /// Checks that every neighbor that said something older has been told the newer version.
    pub(crate) fn check_debts(&self) {
        let inner = &*self.inner.borrow();
        for life in inner.lives.iter().filter(|life| !life.is_over) {
            if let Some((neighbor, client)) = life.debt() {
                let name = &inner.graph.names[life.server];
                self.fail(Invariant::AnswersOlder, || {
                    let newer = inner.text(life.held[client]);
                    format!("{name} has never told its neighbor {neighbor}, which said something older, {newer}")
                });
            }
        }
    }

    /// Checks what waits for each neighbor, after everything that followed from an event has been done.
    pub(crate) fn check_entries(&self, life: usize) {
        let inner = &*self.inner.borrow();
        let members = self.members.borrow();
        let Some(server) = members.get(inner.lives[life].server).and_then(|member| member.server()) else { return };
        let known = inner.lives[life].known();
        // A server stops writing once the buffer is over its limit; the last line may exceed it by its length.
        let most = HIGH_WATER + inner.longest;
        for link in server.links() {
            let (waiting, buffered) = (link.pending_count(), link.buffered());
            if buffered > most {
                self.fail(Invariant::BoundedWaiting, || {
                    let name = server.name();
                    format!("{name} has {buffered} bytes in its buffer for {}, more than {most}", link.name())
                });
            }
            if waiting > known {
                self.fail(Invariant::BoundedWaiting, || {
                    format!("{} has {waiting} entries for {} but knows {known} clients", server.name(), link.name())
                });
            }
        }
    }
}
