//! A peer that takes nothing: its program is told long before the hard limit ends the connection.
//!
//! ```text
//!   MANY bytes wait --> looked at after PATIENCE --some have gone--> looked at again
//!                            |
//!                            +--none have gone--> told, once for each place that listens or connects
//! ```
//!
//! Next: `requests.rs`, what a program asks of a connection.

use super::{Connection, ConnectionState};
use crate::diagnostics::{is_first_at, tell};
use std::time::Duration;

/// Number of waiting bytes from which on a connection is looked at. Below it, a peer that takes nothing costs little;
/// and only few connections have a timer for this.
const MANY: usize = 1 << 20;

/// How long a peer may take nothing before the program is told. A network that is merely bad moves something in that
/// time.
const PATIENCE: Duration = Duration::from_secs(10);

impl Connection {
    /// Called when the socket has not taken everything.
    pub(super) fn watch_unread(&self) {
        if self.sending.buffered() >= MANY && !self.sending.has_unread_timer() {
            self.look_later();
        }
    }

    fn look_later(&self) {
        let (this, before) = (self.this.clone(), self.sending.bytes_sent());
        let look = move || {
            if let Some(me) = this.upgrade() {
                me.look(before);
            }
        };
        let place = self.origin.asked().place;
        let timer = self.context().run(|| self.work.timers.call_later_at(place, PATIENCE, look));
        self.sending.set_unread_timer(Some(timer));
    }

    /// `before` bytes had been sent when the time began.
    fn look(&self, before: u64) {
        let (waiting, limit) = (self.sending.buffered(), &self.sending.limit);
        if self.life.get() != ConnectionState::Open || waiting < MANY {
            self.sending.set_unread_timer(None);
        } else if self.sending.bytes_sent() != before || self.sending.waits_for_meter.get() {
            self.look_later(); // It reads, if slowly; or our own meter holds the bytes back.
        } else if !limit.is_told() && is_first_at(self.origin.asked().place) {
            // The timer stays, though it is over: each connection is told once.
            limit.note_told();
            tell!(
                Warn,
                "reactor",
                "the peer does not read: {waiting} bytes wait to be sent to it, and it has taken none for \
                {PATIENCE:?}, on {}",
                self.described()
            );
        }
    }

    /// Tells why a close is broken off, once for each place that listens or connects.
    pub(super) fn tell_unfinished(&self) {
        if !is_first_at(self.origin.asked().place) {
            return;
        }
        let (waiting, limit, connection) =
            (self.sending.buffered(), self.work.settings.close_timeout, self.described());
        if waiting > 0 {
            tell!(
                Warn,
                "reactor",
                "the peer does not read: {waiting} bytes wait since the program closed the connection, and it has \
                 taken none for {limit:?}. Broken off: {connection}"
            );
        } else {
            tell!(
                Warn,
                "reactor",
                "a producer has neither written nor unregistered for {limit:?} since the program closed its \
                 connection. Broken off: {connection}"
            );
        }
    }
}
