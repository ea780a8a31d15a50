//! What a simulated world needs of a reactor: it takes the steps of a [`Run`] itself, each when it is due, and many
//! reactors share one thread. Needs the feature `sim`, as the world does.
//!
//! Next: `shutdown.rs`, the steps of a stop.

use super::Reactor;
use super::lifecycle::Run;
use crate::outgoing::Blocks;
use std::time::Duration;

impl Reactor {
    /// Drops everything in the reactor, even if handles to it are left. A simulated world calls this when a process
    /// crashes.
    pub(crate) fn discard(&self) {
        self.core.tear_down();
    }

    /// Exchanges the memory that is used only within a turn with `memory`. Many reactors that take their turns one
    /// after the other, as in a simulated world, then need it only once.
    pub(crate) fn swap_turn_memory(&self, memory: &mut TurnMemory) {
        memory.buffer = self.core.buffer.replace(std::mem::take(&mut memory.buffer));
        self.core.work.blocks.swap(&mut memory.blocks);
    }

    /// Forgets the reading of the time of day, because that clock has been set.
    pub(crate) fn forget_time_of_day(&self) {
        self.core.time_of_day.set(None);
    }
}

impl Run {
    /// How long the next turn would wait if nothing happened; `None` means for ever.
    pub(crate) fn wait_time(&self) -> Option<Duration> {
        self.reactor.core.wait_time(None)
    }

    pub(crate) fn reactor(&self) -> &Reactor {
        &self.reactor
    }
}

/// See [`Reactor::swap_turn_memory`].
#[derive(Default)]
pub(crate) struct TurnMemory {
    buffer: Vec<u8>,
    blocks: Blocks,
}
