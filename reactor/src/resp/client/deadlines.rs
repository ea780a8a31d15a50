//! What a client does as time goes by: deadlines, silence, signs of life.
//!
//! One timer serves all deadlines. It is set for the earliest, and no reply touches it: when it comes, it looks which
//! commands are out of time, and sets itself for the next. It holds the client, so it is never set without a reason.
//!
//! Next: `room.rs`, back-pressure, and the end.

use super::error::{CommandStage, ServerFault};
use super::machine::{Inner, fail};
use super::pipeline::{Answer, Entry, Name};
use crate::resp::command::Command;
use crate::{Failure, Reactor, TimeoutError};
use std::rc::Rc;
use std::time::{Duration, Instant};

/// Deadlines are looked at no more often than this: a look goes through all commands.
const STEP: Duration = Duration::from_millis(1);

/// A hundred years: adding `Duration::MAX` to an instant would overflow.
pub(super) const MAX_TIME: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

impl Inner {
    pub(super) fn own_deadline(&self, reactor: &Reactor) -> Instant {
        reactor.now() + self.settings().silence_timeout.min(MAX_TIME)
    }

    /// Looks at the deadlines at `time`, or earlier.
    pub(super) fn look_at(self: &Rc<Self>, reactor: &Reactor, time: Instant) {
        let mut timer = self.timer.borrow_mut();
        if timer.as_ref().is_some_and(|timer| timer.active() && timer.time() <= time) {
            return;
        }
        if let Some(timer) = timer.take() {
            timer.cancel();
        }
        let me = self.clone();
        *timer = Some(reactor.call_later(time.saturating_duration_since(reactor.now()).max(STEP), move || me.look()));
    }

    fn look(self: &Rc<Self>) {
        let Some(reactor) = self.reactor.upgrade() else { return };
        drop(self.timer.take());
        let now = reactor.now();
        self.check_silence(now);
        let (written, waiting) = self.pipeline.borrow_mut().take_expired(now);
        let late =
            |name: Name, after| Failure::from(TimeoutError { what: format!("the reply to {}", name.text()), after });
        for (name, after, answer) in written {
            fail(name, answer, CommandStage::Unanswered, &late(name, after));
        }
        for Entry { name, time, answer, .. } in waiting {
            fail(name, answer, CommandStage::NotSent, &late(name, time));
        }
        self.note_room();
        let silence = self.silence_ends(now);
        let next = self.pipeline.borrow().next_deadline();
        if let Some(next) = [next, silence].into_iter().flatten().min() {
            self.look_at(&reactor, next);
        }
        self.end_if_idle();
    }

    /// When the server has been silent for too long, if it owes something. `None` also if that moment is over.
    fn silence_ends(&self, now: Instant) -> Option<Instant> {
        let due = self.pipeline.borrow().oldest_deadline()?;
        let end = due.max(self.quiet_since.get() + self.settings().silence_timeout.min(MAX_TIME));
        (end > now).then_some(end)
    }

    fn check_silence(&self, now: Instant) {
        let owes = !self.pipeline.borrow().owes_nothing();
        if owes && self.is_ready() && self.silence_ends(now).is_none() {
            self.blame(ServerFault::Silent { after: now - self.quiet_since.get() });
        }
    }

    pub(super) fn beat_later(&self, reactor: &Reactor) {
        let interval = self.settings().ping_interval;
        if interval.is_zero() {
            return;
        }
        let this = self.this.clone();
        let call = move || {
            if let Some(inner) = this.upgrade() {
                inner.beat();
            }
        };
        let quiet_for = reactor.now().saturating_duration_since(self.quiet_since.get());
        let wait = interval.min(MAX_TIME).saturating_sub(quiet_for).max(STEP);
        drop(self.heartbeat.replace(Some(reactor.call_later(wait, call))));
    }

    /// Asks for a sign of life, if there was none for long and none is owed.
    fn beat(self: &Rc<Self>) {
        let Some(reactor) = self.reactor.upgrade() else { return };
        if !self.is_ready() {
            return;
        }
        let (now, settings) = (reactor.now(), self.settings());
        let is_quiet = now - self.quiet_since.get() >= settings.ping_interval;
        if is_quiet && self.pipeline.borrow().owes_nothing() {
            let deadline = self.own_deadline(&reactor);
            self.push_own(&reactor, Name::new(b"PING"), deadline, Answer::Nobody(1));
            self.write(&[Command::new("PING")]);
        }
        self.beat_later(&reactor);
    }
}
