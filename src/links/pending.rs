//! [`PendingClients`]: the clients that a neighbor has still to be told about.
//!
//! Next: `refused.rs`, peers that were not believed.

use crate::locations::ClientId;
use std::collections::{HashMap, VecDeque};

/// Why a neighbor is told about a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// There is news. It need not go to the neighbor that it came from.
    News,
    /// The neighbor has shown that it lacks the newest version, or may lack it.
    TheyLackIt,
}

/// The clients that a neighbor has still to be told about: in order, each once.
#[derive(Default)]
pub(super) struct PendingClients {
    order: VecDeque<ClientId>,
    why: HashMap<ClientId, Why>,
}

impl PendingClients {
    /// Adds a client, unless it is there already. It keeps its place, and the stronger reason: a neighbor that lacks a
    /// version must be told even if the version came from the neighbor itself.
    pub(super) fn push(&mut self, client: &ClientId, why: Why) {
        match self.why.get_mut(client) {
            Some(known) if why == Why::TheyLackIt => *known = why,
            Some(_) => {}
            None => {
                self.why.insert(client.clone(), why);
                self.order.push_back(client.clone());
            }
        }
    }

    /// Takes the client that has waited longest.
    pub(super) fn pop(&mut self) -> Option<(ClientId, Why)> {
        let client = self.order.pop_front()?;
        let why = self.why.remove(&client)?;
        Some((client, why))
    }

    pub(super) fn len(&self) -> usize {
        self.order.len()
    }
}
