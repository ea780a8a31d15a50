//! [`Waiting`]: what a neighbour is still to be told.

use super::Why;
use crate::locations::ClientId;
use std::collections::{HashMap, VecDeque};

/// The clients that the neighbour is to be told about, in order, each once.
#[derive(Default)]
pub(super) struct Waiting {
    order: VecDeque<ClientId>,
    why: HashMap<ClientId, Why>,
}

impl Waiting {
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

    pub(super) fn pop(&mut self) -> Option<(ClientId, Why)> {
        let client = self.order.pop_front()?;
        let why = self.why.remove(&client)?;
        Some((client, why))
    }

    pub(super) fn len(&self) -> usize {
        self.order.len()
    }
}
