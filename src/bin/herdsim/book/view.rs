//! What the book says while a run goes on, for a page that shows it: what every server lacks, what goes in circles, and
//! how each invariant stands.
//!
//! Next: `answers.rs`, what the Places service should say.

use super::{Book, Version};
use crate::book::invariants::Invariant;
use std::time::{Duration, Instant};

/// A version of a client's location.
pub(crate) struct Newest {
    /// The AT line.
    pub(crate) line: Vec<u8>,
    /// Whether a running server holds it.
    pub(crate) is_held: bool,
}

impl Book {
    /// From now on there is one more client, unless there is one of this name.
    pub(crate) fn add_client(&self, name: &[u8]) {
        let inner = &mut *self.inner.borrow_mut();
        if inner.client_numbers.contains_key(name) {
            return;
        }
        inner.client_numbers.insert(name.to_vec(), inner.clients.len());
        inner.clients.push(name.to_vec());
        inner.forgotten.push(None);
        inner.lives.iter_mut().for_each(super::Life::add_client);
    }

    /// The newest versions that any running server has ever taken, client by client.
    fn best(&self) -> Vec<Option<Version>> {
        let inner = &*self.inner.borrow();
        let mut best: Vec<Option<Version>> = vec![None; inner.clients.len()];
        for life in inner.lives.iter().filter(|life| !life.is_over) {
            for (newest, own) in best.iter_mut().zip(&life.best) {
                if own.is_some_and(|own| Some(own) != *newest && inner.is_newer(own, *newest)) {
                    *newest = *own;
                }
            }
        }
        best
    }

    /// For each server, about how many clients it knows nothing or something old, although a running server has taken
    /// something newer. `None` if it does not run.
    pub(crate) fn stale(&self) -> Vec<Option<usize>> {
        let best = self.best();
        let inner = &*self.inner.borrow();
        let lacks = |life: usize| {
            let held = &inner.lives[life].held;
            held.iter().zip(&best).filter(|(held, best)| held != best).count()
        };
        inner.current.iter().map(|life| life.map(lacks)).collect()
    }

    /// The newest version of each client that any running server has taken, and whether one still holds it.
    pub(crate) fn newest(&self) -> Vec<Newest> {
        let best = self.best();
        let inner = &*self.inner.borrow();
        let is_held = |client: usize, version: Version| {
            inner.lives.iter().any(|life| !life.is_over && life.held[client] == Some(version))
        };
        let newest = best.iter().enumerate().filter_map(|(client, version)| Some((client, (*version)?)));
        newest
            .map(|(client, version)| Newest {
                line: inner.versions[version].line.to_vec(),
                is_held: is_held(client, version),
            })
            .collect()
    }

    /// How long a version that comes again and again may be away. For worlds whose links have other delays.
    pub(crate) fn set_storm_patience(&self, patience: Duration) {
        self.inner.borrow_mut().storms.patience = patience;
    }

    /// How many clients' locations go in circles now, and how many have done so.
    pub(crate) fn storms(&self, now: Instant) -> (usize, u64) {
        let inner = self.inner.borrow();
        (inner.storms.clients(now).count(), inner.storms.seen)
    }

    /// When a server last heard news of a client.
    pub(crate) fn last_news(&self) -> Option<Instant> {
        self.inner.borrow().last_news
    }

    /// What a server's reactor says of the time. `None` if it does not run.
    pub(super) fn now(&self, server: usize) -> Option<Instant> {
        Some(self.members.borrow().get(server)?.server()?.reactor().now())
    }

    /// What has not held: each invariant with the first time that it did not.
    pub(crate) fn failures(&self) -> Vec<(Invariant, String)> {
        self.failures.borrow().iter().map(|(invariant, what)| (*invariant, what.clone())).collect()
    }

    /// Whether every link between running servers is up and each neighbor is connected once.
    pub(crate) fn is_linked(&self) -> bool {
        let members = self.members.borrow();
        let all = members.iter().map(|member| member.server());
        let is_linked = |server: &proxyherd::server::Server| {
            server.links().iter().all(|link| link.is_up() && link.inbound_count() == 1)
        };
        all.into_iter().all(|server| server.is_some_and(|server| is_linked(&server)))
    }
}
