//! What of a server can be replaced while it runs: its limits, its keys and certificates, its Places service.
//!
//! Next: `comparing.rs`, how a server compares its table with a neighbor's.

use super::Server;
use super::owing::{memory_for_cache, memory_for_table};
use crate::config::Limits;
use crate::identity::Identity;
use crate::places::Places;
use std::rc::Rc;

impl Server {
    /// Sets its limits. A lower one does not undo what was accepted: what is beyond it goes when its turn comes. The
    /// maximum length of a line is that of the moment at which a connection begins.
    pub fn set_limits(&self, limits: Limits) {
        self.limits.set(limits);
        let memory = self.storing().map_or(limits.memory, |storing| {
            storing.store().set_memory(memory_for_cache(&limits));
            memory_for_table(&limits)
        });
        self.locations.borrow_mut().set_limit(memory);
        self.connections.set_limits(&limits);
    }

    /// Sets the keys and certificates for connections that begin from now on. Those that are up go on.
    pub fn set_identity(&self, identity: Identity) {
        self.identity.replace(Rc::new(identity));
    }

    /// Sets the Places service for questions from now on, and returns the old one. Keep that one until the questions
    /// that it has are answered: dropping it drops them, and their clients would wait for ever.
    pub fn set_places(&self, places: Rc<dyn Places>) -> Rc<dyn Places> {
        self.places.replace(places)
    }

    /// Warnings about its certificates, one line each: those that end soon, or have ended.
    pub fn certificate_warnings(&self) -> Vec<String> {
        self.identity().warnings(self.reactor.system_time())
    }
}
