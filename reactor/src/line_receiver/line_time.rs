//! [`LineTime`]: the limit on the time of a line.
//!
//! Next: `bare_lf.rs`, a peer that waits for an answer that never comes.

use crate::Transport;
use crate::policies::{PolicyClock, Timeout};
use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

/// The limit on the time of a line, on one connection.
#[derive(Debug)]
pub(super) struct LineTime {
    clock: PolicyClock,
    limit: Duration,
    /// Made when the connection is.
    timeout: Option<Timeout>,
    is_late: Rc<Cell<bool>>,
}

impl LineTime {
    pub(super) fn new(clock: PolicyClock, limit: Duration) -> LineTime {
        LineTime { clock, limit, timeout: None, is_late: Rc::default() }
    }

    /// The first line has its time from the connection on.
    pub(super) fn begin(&mut self, transport: &Transport) {
        let (transport, is_late) = (transport.clone(), self.is_late.clone());
        let timeout = Timeout::new(self.clock.clone(), move || {
            // While we do not read, the peer cannot finish its line. It has its time anew when we do.
            if !transport.is_paused() && !transport.is_disconnecting() {
                is_late.set(true);
                transport.lose_connection();
            }
        });
        timeout.set(Some(self.limit));
        self.timeout = Some(timeout);
    }

    /// Bytes have come. `has_delivered`: with them, a line was complete. `is_unfinished`: a line has begun.
    pub(super) fn note(&self, has_delivered: bool, is_unfinished: bool) {
        let Some(timeout) = &self.timeout else { return };
        // Each byte of a slow line does not give it time anew.
        let goes_on = !has_delivered && timeout.limit().is_some();
        if !goes_on {
            timeout.set(is_unfinished.then_some(self.limit));
        }
    }

    /// Whether the connection was ended for it.
    pub(super) fn is_late(&self) -> bool {
        self.is_late.get()
    }
}
