//! What the book looks at when something is over: a callback, a time of quiet, a server.

use super::{Book, Version, shown};
use crate::book::invariants::Invariant;
use crate::herd::Left;
use reactor::transport::HIGH_WATER;

impl Book {
    /// Whether all live servers know, of each client, the newest version that any of them has held; or what is wrong.
    pub(crate) fn convergence(&self) -> Result<(), String> {
        let inner = &*self.inner.borrow();
        let newest: Vec<Option<Version>> = (0..inner.clients.len()).map(|client| inner.newest_held(client)).collect();
        for (member, name) in self.members.borrow().iter().zip(&inner.links.names) {
            let Some(server) = member.server() else { return Err(format!("{name} does not run")) };
            let locations = server.locations().borrow();
            for (client, expected) in inner.clients.iter().zip(&newest) {
                let line = locations.get(client).map(|known| &known.line[..]);
                if line != expected.map(|version| &*inner.versions[version].line) {
                    let line = line.map_or("nothing".to_owned(), shown);
                    return Err(format!("{name} knows {line}; the newest that is held is {}", inner.text(*expected)));
                }
            }
            let known = newest.iter().flatten().count();
            if locations.len() != known {
                return Err(format!("{name} knows {} clients, not {known}", locations.len()));
            }
        }
        Ok(())
    }

    /// Counts what was acknowledged and is held by nobody who lives. It is lost with every server that held it; but
    /// nobody who lives may have heard it and not taken it.
    pub(crate) fn check_acknowledged(&self) {
        let inner = &mut *self.inner.borrow_mut();
        let is_lost = |version: &&Version| {
            let client = inner.versions[**version].client;
            inner.is_newer(**version, inner.newest_held(client))
        };
        let lost: Vec<Version> = inner.acknowledged.iter().filter(is_lost).copied().collect();
        for (life, version) in &inner.dropped {
            if !inner.lives[*life].is_over && lost.contains(version) {
                let name = &inner.links.names[inner.lives[*life].server];
                self.fail(Invariant::KeepsAcknowledged, || {
                    format!("{} was acknowledged, and is lost: {name} heard it, too", inner.text(Some(*version)))
                });
            }
        }
        inner.count.lost = lost.len() as u64;
    }

    /// A server has stopped in good order.
    pub(crate) fn stopped(&self, server: usize, left: Left) {
        let name = || self.inner.borrow().links.names[server].clone();
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

    /// Looks whether each link is up, and each neighbour connected once: what was left of older connections is gone.
    pub(crate) fn check_links(&self) {
        let members = self.members.borrow();
        for server in members.iter().filter_map(|member| member.server()) {
            for link in server.links() {
                let (name, neighbor, guests) = (server.name(), link.name(), link.guests());
                if !link.is_up() {
                    self.fail(Invariant::Linked, || format!("the link of {name} to {neighbor} is still down"));
                }
                if guests != 1 {
                    self.fail(Invariant::Linked, || format!("{name} has {guests} connections of {neighbor}"));
                }
            }
        }
    }

    /// Looks whether everybody who said something older has been told what is newer.
    pub(crate) fn check_debts(&self) {
        let inner = &*self.inner.borrow();
        for life in inner.lives.iter().filter(|life| !life.is_over) {
            if let Some((neighbor, client)) = life.debt() {
                let name = &inner.links.names[life.server];
                self.fail(Invariant::AnswersOlder, || {
                    let newer = inner.text(life.held[client]);
                    format!("{name} has never told its neighbor {neighbor}, who said something older, {newer}")
                });
            }
        }
    }

    /// What waits for a neighbour, after all that was to be done.
    pub(crate) fn check_entries(&self, life: usize) {
        let inner = &*self.inner.borrow();
        let members = self.members.borrow();
        let Some(server) = members.get(inner.lives[life].server).and_then(|member| member.server()) else { return };
        let known = inner.lives[life].known();
        // The line that fills the buffer is written whole.
        let most = HIGH_WATER + inner.longest;
        for link in server.links() {
            let (waiting, buffered) = (link.waiting(), link.buffered());
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
