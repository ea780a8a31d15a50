//! How a server answers a neighbor that compares its table with ours: see [`crate::digest`].
//!
//! Versions that have changed since the last comparison have no hash yet. They get one in slices, and the answer waits
//! for that.
//!
//! Next: `forgetting.rs`, how a server forgets.

use super::Server;
use crate::digest::{CHILDREN, Node};
use reactor::{Deferred, Firer};
use std::rc::Rc;
use std::time::Duration;

/// Maximum number of versions that get their hash before others have their turn: half a millisecond's work.
pub(crate) const MAX_HASHED: usize = 1024;

impl Server {
    /// The sums of the children of a node, when all versions have their hash. `None` if they can be had at once only by
    /// a long callback: then [`sums_later`](Server::sums_later) has them.
    pub(crate) fn sums(&self, node: Node) -> Option<[u64; CHILDREN]> {
        let mut locations = self.locations.borrow_mut();
        locations.hash_some(MAX_HASHED).then(|| locations.sums(node))
    }

    /// The same, in a later turn.
    pub(crate) fn sums_later(self: &Rc<Self>, node: Node) -> Deferred<[u64; CHILDREN]> {
        let (sums, firer) = Deferred::new();
        self.go_on_hashing(node, firer);
        sums
    }

    fn go_on_hashing(self: &Rc<Self>, node: Node, firer: Firer<[u64; CHILDREN]>) {
        let this = Rc::downgrade(self);
        self.reactor.call_later(Duration::ZERO, move || {
            let Some(server) = this.upgrade().filter(|_| !firer.is_abandoned()) else { return };
            match server.sums(node) {
                Some(sums) => drop(firer.callback(sums)), // It fails only if the connection has ended meanwhile.
                None => server.go_on_hashing(node, firer),
            }
        });
    }
}
