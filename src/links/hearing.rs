//! [`Hearing`]: whether anybody is at the other end of a link.
//!
//! A frozen neighbor's machine takes the next connection at once, and nobody says anything on it. So the neighbor
//! counts as silent, whatever TCP says, until a line comes. The same goes for a neighbor that does not answer the first
//! DIGEST, or that has said PING on an earlier connection and does not do so on this one.
//!
//! Next: `addresses.rs`, the addresses of a neighbor.

use std::cell::Cell;
use std::time::{Duration, Instant};

/// A neighbor that has said PING, and then nothing for this long, is frozen: its machine still acknowledges what we
/// send, so keep-alive does not notice. Two PINGs may be late.
pub(super) const PING_WITHIN: Duration = Duration::from_secs(14);

/// What is heard from a neighbor.
#[derive(Default)]
pub(super) struct Hearing {
    /// It has said PING, on this connection or an earlier one.
    pub(super) says_ping: Cell<bool>,
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
