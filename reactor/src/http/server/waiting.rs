//! The limits on the time of a connection: one timeout, set for what the connection waits for now.
//!
//! Next: `sending.rs`, how a response goes out.

use super::connection::{Connection, Incoming, Phase};
use super::request::BodyError;
use super::response::Response;
use crate::http::Refusal;

/// What the timeout is set for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wait {
    /// A new connection has not sent anything.
    First,
    /// A request is complete.
    Idle,
    Head,
    Body,
    Answer,
    /// A stream of events needs a comment now and then.
    Beat,
    Nothing,
}

impl Connection {
    /// Sets the time limit for what is waited for now.
    pub(super) fn set_timeout(&self) {
        let settings = &self.shared.settings;
        let is_arriving = !self.is_body_paused.get()
            && matches!(*self.incoming.borrow(), Incoming::Wanted(_) | Incoming::Unwanted | Incoming::Away);
        let (wait, limit) = match self.phase.get() {
            Phase::Over => (Wait::Nothing, None),
            Phase::Head if !self.parser.borrow().is_between_requests() => (Wait::Head, Some(settings.head_time)),
            Phase::Head if self.number.get() == 0 => (Wait::First, Some(settings.head_time)),
            Phase::Head => (Wait::Idle, Some(settings.idle_time)),
            _ if is_arriving => (Wait::Body, Some(settings.body_time)),
            Phase::Serving => (Wait::Answer, Some(settings.answer_time)),
            Phase::Streaming if self.stream.borrow().as_ref().is_some_and(|stream| stream.is_events()) => {
                (Wait::Beat, Some(settings.heartbeat))
            }
            Phase::Streaming | Phase::Receiving => (Wait::Nothing, None),
        };
        // A limit that is running goes on, or a peer could prolong it with every byte. The first head's began with the
        // connection.
        let was = self.waits_for.get();
        let goes_on = was == wait || was == Wait::First && wait == Wait::Head;
        self.waits_for.set(wait);
        if !goes_on {
            self.timeout.set(limit);
        }
    }

    pub(super) fn timed_out(&self) {
        let wait = self.waits_for.replace(Wait::Nothing);
        match wait {
            Wait::Head => self.refuse(&Refusal::SlowHead),
            Wait::Body => self.refuse(&Refusal::SlowBody),
            Wait::First | Wait::Idle => self.close(),
            Wait::Answer => {
                self.shared.count(|counts| counts.failed += 1);
                log::warn!(target: "reactor", "a service did not answer in time");
                self.is_last.set(true);
                self.send_and_close(Response::text("the service did not answer in time\n").with_status(503));
                self.leave_service(BodyError::ConnectionLost);
            }
            Wait::Beat => {
                let stream = self.stream.borrow().clone();
                stream.into_iter().filter(|stream| !stream.take_fresh()).for_each(|stream| stream.write(b":\n\n"));
                self.set_timeout();
            }
            Wait::Nothing => {}
        }
    }
}
