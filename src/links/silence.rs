//! A neighbor that falls silent after it has said PING: its link is given up.
//!
//! Next: `hearing.rs`, whether anybody is there.

use super::hearing::PING_WITHIN;
use super::{Link, State};
use reactor::DelayedCall;
use std::time::Instant;

impl Link {
    /// Since when the connection is up, if the neighbor has said PING on it.
    pub fn pinged_since(&self) -> Option<Instant> {
        match &*self.state.borrow() {
            State::Up { since, .. } if self.silence.borrow().is_some() => Some(*since),
            _ => None,
        }
    }

    /// When it is given up, if the neighbor does not say PING before.
    pub fn given_up_at(&self) -> Option<Instant> {
        self.silence.borrow().as_ref().map(DelayedCall::time)
    }

    /// Whether the connection is up, and nobody seems to be there: the neighbor's machine takes what we send, and the
    /// neighbor says nothing, not even to a question. It may be frozen.
    pub fn is_silent(&self) -> bool {
        match (&*self.state.borrow(), self.server.upgrade()) {
            (State::Up { since, .. }, Some(server)) => self.hearing.is_silent(*since, server.reactor().now()),
            _ => false,
        }
    }

    /// The neighbor has said PING. It will say so again and again, unless it is frozen.
    pub(crate) fn heard_ping(&self) {
        let Some(server) = self.server.upgrade() else { return };
        self.expect_answer();
        self.hearing.says_ping.set(true);
        let mut silence = self.silence.borrow_mut();
        if !self.is_up() || silence.as_ref().is_some_and(|call| call.reset(PING_WITHIN).is_ok()) {
            return;
        }
        let this = self.this.clone();
        *silence = Some(server.reactor().call_later(PING_WITHIN, move || {
            if let Some(link) = this.upgrade() {
                link.give_up();
            }
        }));
    }

    fn give_up(&self) {
        if let State::Up { transport, .. } = &*self.state.borrow() {
            self.hearing.missed();
            log::warn!("neighbor {} has said nothing for {PING_WITHIN:?}, and is given up", self.name);
            transport.abort_connection(); // It reports the end later.
        }
    }
}
