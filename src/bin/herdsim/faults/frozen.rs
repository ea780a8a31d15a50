//! A server that is suspended: its machine acknowledges everything, but nobody is there. Its neighbors must notice.
//!
//! Next: `last_words.rs`, a fault that random plans meet too seldom.

use super::{HostNumber, Victims};
use crate::book::invariants::Invariant;
use crate::herd::Member;
use proxyherd::links::Link;
use reactor::sim::{HostState, World};
use std::rc::Rc;
use std::time::{Duration, Instant};

/// A neighbor gives a server up that it has heard no PING from for so long.
const SILENCE: Duration = Duration::from_secs(14);

/// Within this time the neighbors give up a server that is suspended, if its last PING needs no more than some seconds.
/// On a bad link it may need longer: then they have [`SILENCE`] from when they heard it.
const NOTICED_WITHIN: Duration = Duration::from_secs(19);

/// A neighbor that was suspended itself needs a moment to notice.
const A_MOMENT: Duration = Duration::from_secs(1);

/// Since when a server has had its link to the neighbor of this name, if the neighbor has said PING on it.
fn linked_since(member: &Member, neighbor: &str) -> Option<Instant> {
    link(member, neighbor)?.pinged_since()
}

/// How long a server waits for another PING before it gives the neighbor up.
fn patience_left(member: &Member, neighbor: &str) -> Option<Duration> {
    let (at, now) = (link(member, neighbor)?.given_up_at()?, member.server()?.reactor().now());
    Some(at.saturating_duration_since(now))
}

fn link(member: &Member, neighbor: &str) -> Option<Rc<Link>> {
    member.server()?.links().iter().find(|link| link.name() == neighbor).cloned()
}

impl Victims {
    /// A server has been suspended: checks that each neighbor drops the link on which it has heard its PINGs, unless
    /// one of the two is suspended, goes on, or ends before that. (A neighbor that goes on finds old PINGs in its
    /// buffers.)
    pub(super) fn expect_notice(self: &Rc<Self>, world: &World, server: HostNumber) {
        let suspension = self.note_suspension(server);
        for neighbor in self.neighbors(server) {
            let Some(since) = linked_since(&self.members[neighbor], &self.names[server]) else { continue };
            let (this, of_neighbor) = (self.clone(), self.suspensions.borrow()[neighbor]);
            let has_not_noticed = Rc::new(move || {
                let (frozen, running) = (this.host(server).state(), this.host(neighbor).state());
                let suspensions = this.suspensions.borrow();
                let is_same = frozen == HostState::Paused
                    && (suspensions[server], suspensions[neighbor]) == (suspension, of_neighbor);
                let link = linked_since(&this.members[neighbor], &this.names[server]);
                is_same && running == HostState::Running && link == Some(since)
            });
            let this = self.clone();
            world.call_later(NOTICED_WITHIN, move |world| {
                if !has_not_noticed() {
                    return;
                }
                let left = patience_left(&this.members[neighbor], &this.names[server]).unwrap_or_default();
                world.call_later(left.min(SILENCE) + A_MOMENT, move |_| {
                    if has_not_noticed() {
                        let [name, frozen] = [neighbor, server].map(|number| this.names[number].clone());
                        this.book.fail(Invariant::NoticesFrozen, || format!("{name} has not given up {frozen}"));
                    }
                });
            });
        }
    }

    /// Notes that a server has been suspended or goes on. Returns how often that has happened.
    pub(super) fn note_suspension(&self, server: HostNumber) -> u32 {
        let mut suspensions = self.suspensions.borrow_mut();
        suspensions[server] += 1;
        self.book.suspended(server);
        suspensions[server]
    }

    fn neighbors(&self, server: HostNumber) -> Vec<HostNumber> {
        let other = |(one, other): &(HostNumber, HostNumber)| match server {
            server if server == *one => Some(*other),
            server if server == *other => Some(*one),
            _ => None,
        };
        self.pairs.iter().filter_map(other).collect()
    }
}
