//! The time limits of a TLS connection: of its handshake, and of what may hold its end up.
//!
//! Next: `early.rs`, what waits for the handshake.

use super::backend::{Closing, TlsBackend};
use super::error::TlsError;
use crate::{DelayedCall, Reason};
use std::rc::Rc;
use std::sync::Arc;

impl TlsBackend {
    pub(super) fn start_handshake_deadline(self: &Rc<TlsBackend>) {
        let (after, this) = (self.profile.handshake_timeout, Rc::downgrade(self));
        let deadline = self.profile.clock.call_later(after, move || {
            let Some(backend) = this.upgrade() else { return };
            let error = TlsError::timed_out(after, backend.error_context());
            backend.reason.borrow_mut().get_or_insert_with(|| Reason::Tls(Arc::new(error)));
            backend.lower.abort_connection();
        });
        self.set_deadline(deadline);
    }

    pub(super) fn has_deadline(&self) -> bool {
        let deadline = self.deadline.take();
        let is_active = deadline.as_ref().is_some_and(DelayedCall::active);
        self.deadline.set(deadline);
        is_active
    }

    pub(super) fn set_deadline(&self, deadline: Option<DelayedCall>) {
        if let Some(old) = self.deadline.replace(deadline) {
            old.cancel();
        }
    }

    /// Limits the time for which a half-close waits for a producer that does not write. The transport below knows
    /// nothing of that wait. Each write begins the time anew.
    pub(super) fn limit_the_producer(&self) {
        if self.lower.is_disconnecting() {
            return; // It is closing or gone, and a limit would outlive it.
        }
        let (clock, this) = (&self.profile.clock, self.this.clone());
        let limit = clock.call_later(clock.close_timeout(), move || {
            let Some(backend) = this.upgrade() else { return };
            if backend.closing.get() != Closing::WriteSideWanted || !backend.is_producer_awaited.get() {
                return;
            }
            if backend.lower.buffered() > 0 {
                return backend.limit_the_producer(); // It has written. What waits is the peer's matter.
            }
            backend.reason.borrow_mut().get_or_insert(Reason::FlushTimeout);
            backend.lower.abort_connection();
        });
        self.set_deadline(limit);
    }
}
