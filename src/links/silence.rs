//! A neighbor that falls silent after it has said PING: its link is given up.
//!
//! A frozen neighbor's machine takes the next connection at once, and nobody says anything on it. So the neighbor counts
//! as silent, whatever TCP says, until a line comes. The same goes for one that does not answer the first DIGEST.
//!
//! Next: `addresses.rs`, the addresses of a neighbor.

use super::{Link, State};
use std::time::Duration;

/// A neighbor that has said PING, and then nothing for this long, is frozen: its machine still acknowledges what we
/// send, so keep-alive does not notice. Two PINGs may be late.
const PING_WITHIN: Duration = Duration::from_secs(14);

impl Link {
    /// The neighbor has said PING. It will say so again and again, unless it is frozen.
    pub(crate) fn heard_ping(&self) {
        let Some(server) = self.server.upgrade() else { return };
        self.expect_answer();
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

    /// The neighbor has said something.
    pub(super) fn heard_something(&self) {
        self.is_silent.set(false);
    }

    fn give_up(&self) {
        if let State::Up { transport, .. } = &*self.state.borrow() {
            self.is_silent.set(true);
            log::warn!("neighbor {} has said nothing for {PING_WITHIN:?}, and is given up", self.name);
            transport.abort_connection(); // It reports the end later.
        }
    }
}
