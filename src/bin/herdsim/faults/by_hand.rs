//! Faults that a person chooses, one at a time, instead of the seed.
//!
//! Next: `frozen.rs`, what a suspended server's neighbors must notice.

use super::Victims;
use reactor::sim::{HostState, World};
use std::rc::Rc;
use std::time::Duration;

impl Victims {
    /// Kills a server's process.
    pub(crate) fn kill(&self, server: usize) {
        self.book.died(server);
        self.host(server).kill();
    }

    /// Makes a server's machine fail.
    pub(crate) fn crash(&self, server: usize) {
        self.book.died(server);
        self.host(server).crash();
    }

    /// Starts a server again that does not run.
    pub(crate) fn start_again(&self, world: &World, server: usize) {
        self.restart(world, server);
    }

    /// Suspends a server. From now on its neighbors are expected to notice.
    pub(crate) fn freeze(self: &Rc<Self>, world: &World, server: usize) {
        if self.host(server).state() == HostState::Running {
            self.host(server).pause();
            self.expect_notice(world, server);
        }
    }

    /// Lets a suspended server go on.
    pub(crate) fn thaw(&self, server: usize) {
        self.host(server).resume();
        self.note_suspension(server);
    }

    /// Sets a server's clock forth, or back.
    pub(crate) fn set_clock(&self, server: usize, seconds: i64) {
        let (host, by) = (self.host(server), Duration::from_secs(seconds.unsigned_abs()));
        let now = host.clock();
        host.set_clock(if seconds < 0 { now - by } else { now + by });
    }
}
