//! Back-pressure, and the end of a client.
//!
//! Next: `login.rs`, how a connection begins.

use super::error::TooManyWaiting;
use super::machine::{Inner, fire};
use crate::service::ServiceError;
use crate::{Deferred, Failure, deferred};

impl Inner {
    #[track_caller]
    pub(super) fn when_there_is_room(&self) -> Deferred<()> {
        let settings = self.settings();
        if let Err(reason) = self.check_open(&settings, 1) {
            if reason.check::<TooManyWaiting>().is_none() {
                return deferred::fail(reason);
            }
            let mut room = self.room.borrow_mut();
            if room.len() >= settings.max_room_waiters {
                return deferred::fail(ServiceError::TooManyWaiters);
            }
            let (deferred, firer) = Deferred::unwatched();
            room.push_back(firer);
            return deferred;
        }
        deferred::succeed(())
    }

    /// Tells those that wait for room, as soon as half of it is free and as long as there is any.
    pub(super) fn note_room(&self) {
        if self.room.borrow().is_empty() {
            return;
        }
        let settings = self.settings();
        if !self.pipeline.borrow().is_half_empty(settings.max_commands, settings.max_bytes) {
            return;
        }
        while self.pipeline.borrow().check_room(1, settings.max_commands, settings.max_bytes).is_ok() {
            let Some(firer) = self.room.borrow_mut().pop_front() else { return };
            if !firer.called() {
                fire(&firer, Ok(()));
            }
        }
    }

    #[track_caller]
    pub(super) fn stop(&self) -> Deferred<()> {
        let stopped = || Failure::from(ServiceError::Stopped);
        self.has_stopped.set(true);
        *self.ending.borrow_mut() = self.transport.borrow().is_some().then(stopped);
        let service = self.service.borrow().clone();
        let gone = service.stop();
        if let Some(companion) = self.companion.take() {
            companion.stop().detach();
            self.registry.lost();
        }
        self.fail_waiting(&stopped());
        let room = self.room.take();
        for firer in room.into_iter().filter(|firer| !firer.called()) {
            fire(&firer, Err(stopped()));
        }
        gone
    }

    /// The program has dropped its last handle.
    pub(super) fn handles_gone(&self) {
        self.has_handles.set(false);
        self.end_if_idle();
    }

    pub(super) fn end_if_idle(&self) {
        if self.has_stopped.get()
            && self.pipeline.borrow().is_empty()
            && let Some(timer) = self.timer.take()
        {
            timer.cancel();
        }
        if !self.has_handles.get() && !self.has_stopped.get() && self.pipeline.borrow().commands() == 0 {
            self.stop().detach();
        }
    }
}
