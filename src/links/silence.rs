//! A neighbor that falls silent after it has said PING: its link is given up.
//!
//! A frozen neighbor's machine takes the next connection at once, and nobody says anything on it. So the neighbor counts
//! as silent, whatever TCP says, until a line comes. The same goes for a neighbor that does not answer the first DIGEST,
//! or that has said PING on an earlier connection and does not do so on this one.
//!
//! Next: `addresses.rs`, the addresses of a neighbor.

use super::{Link, State};
use std::cell::Cell;
use std::time::{Duration, Instant};

/// A neighbor that has said PING, and then nothing for this long, is frozen: its machine still acknowledges what we
/// send, so keep-alive does not notice. Two PINGs may be late.
const PING_WITHIN: Duration = Duration::from_secs(14);

/// What is heard from a neighbor.
#[derive(Default)]
pub(super) struct Hearing {
    /// It has said PING, on this connection or an earlier one.
    says_ping: Cell<bool>,
    /// It has said something on this connection.
    has_spoken: Cell<bool>,
    /// Nothing came where something had to, and nothing has come since.
    is_missed: Cell<bool>,
}

impl Hearing {
    /// A connection comes up.
    pub(super) fn begin(&self) {
        self.has_spoken.set(false);
    }

    /// A line has come.
    pub(super) fn heard(&self) {
        self.has_spoken.set(true);
        self.is_missed.set(false);
    }

    /// Something did not come.
    pub(super) fn missed(&self) {
        self.is_missed.set(true);
    }

    pub(super) fn is_silent(&self, since: Instant, now: Instant) -> bool {
        let is_due = self.says_ping.get() && now.saturating_duration_since(since) >= PING_WITHIN;
        self.is_missed.get() || is_due && !self.has_spoken.get()
    }
}

impl Link {
    /// Since when the connection is up, if the neighbor has said PING on it.
    pub fn pinged_since(&self) -> Option<Instant> {
        match &*self.state.borrow() {
            State::Up { since, .. } if self.silence.borrow().is_some() => Some(*since),
            _ => None,
        }
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
