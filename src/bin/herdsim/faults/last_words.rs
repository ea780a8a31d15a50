//! The last words of a server: what it has told is still on its way when it dies, and its neighbors hear it when its
//! successor is up already.
//!
//! Next: `store.rs`, what goes wrong with a store beside the herd.

use super::Victims;
use crate::clients::workload;
use crate::clients::{self, Ending, Visit};
use crate::herd::ask;
use reactor::sim::{Latency, LinkSettings, World};
use std::rc::Rc;
use std::time::Duration;

/// How long before everything heals the last words begin.
const BEFORE: Duration = Duration::from_secs(8);

/// After this time the clients have said everything, and the server is killed.
const SAID_WITHIN: Duration = Duration::from_millis(1500);

/// How long the last words take to reach the neighbors.
const SLOW_WORDS: Latency = Latency::Uniform(Duration::from_secs(3), Duration::from_secs(4));

impl Victims {
    /// Plans that a server is killed and restarted while what it has told is still on its way. Returns when that
    /// begins.
    pub(crate) fn plan_last_words(self: &Rc<Self>, world: &World, server: usize, until: Duration) -> Duration {
        let at = until.saturating_sub(BEFORE);
        let this = self.clone();
        world.call_later(at, move |world| {
            this.set_links_from(world, server, LinkSettings::new(SLOW_WORDS));
            (0..this.client_hosts.len()).for_each(|client| this.say_last_words(world, server, client));
        });
        let this = self.clone();
        world.call_later(at + SAID_WITHIN, move |world| {
            // What is on its way stays slow; the successor's lines are fast.
            this.set_links_from(world, server, this.link);
            this.book.died(server);
            this.host(server).kill();
            this.restart(world, server);
        });
        at
    }

    fn set_links_from(&self, world: &World, server: usize, link: LinkSettings) {
        for (one, other) in &self.pairs {
            if let Some(neighbor) = (*one == server).then_some(*other).or((*other == server).then_some(*one)) {
                world.set_link(&self.host(server), &self.host(neighbor), link);
            }
        }
    }

    fn say_last_words(&self, world: &World, server: usize, client: usize) {
        let host = &self.client_hosts[client];
        let Some(reactor) = host.reactor() else { return };
        let says = vec![(Duration::ZERO, workload::last_words(client, world.now()))];
        let ending = Ending::WhenAnswered;
        let visit = Visit { at: Duration::ZERO, server, says, ending, reads_after: Duration::ZERO, is_calm: false };
        let (names, book) = (self.names.clone(), self.book.clone());
        ask(&reactor, move |reactor| clients::call_on(reactor, visit, &names, &book));
    }
}
