//! One turn of the loop. Everything that ever happens, happens here:
//!
//! 1. Work out how long to wait: not at all if something is pressing, else until the next timer.
//! 2. Poll.
//! 3. Handle events: accept, finish connects, read, and flush each connection as soon as its own event is handled.
//! 4. Make the calls that other threads handed over, and those asked for "soon".
//! 5. Make the delayed calls that are due: those present now, not those that they add.
//! 6. Attend to connections that were written to, resumed or closed from elsewhere; one vectored write each.
//! 7. Say goodbye to what has ended: `connection_lost`.
//!
//! Each step does bounded work: what is added while it runs waits for the next turn.
//!
//! Next: `connection/`, what attending to a connection means.

use super::registry::Source;
use super::{Core, Reactor};
use crate::driver::{Event, Readiness, Signal};
use crate::error::RunError;
use std::collections::VecDeque;
use std::mem;
use std::time::Duration;

/// What a loop keeps from turn to turn, to be used again.
#[derive(Default)]
pub(super) struct Turn {
    events: Vec<Event>,
    due: VecDeque<crate::timers::Due>,
}

impl Turn {
    /// Takes one turn, waiting no longer than `longest`.
    pub(super) fn take(&mut self, core: &Core, longest: Option<Duration>) -> Result<(), RunError> {
        let timeout = core.wait_time(longest);
        self.events.clear();
        core.driver.borrow_mut().poll(timeout, &mut self.events).map_err(RunError::Poll)?;
        core.read_clock();

        for event in &self.events {
            match event {
                Event::Ready(readiness) => core.dispatch(*readiness),
                Event::Signal(signal) => core.signalled(*signal),
            }
        }
        core.accept_on();
        core.make_calls_from_threads();
        core.make_calls_asked_for();
        self.make_due_calls(core);
        core.attend_to_all();
        core.deliver_ends();
        Ok(())
    }

    fn make_due_calls(&mut self, core: &Core) {
        let timers = &core.work.timers;
        timers.take_due(&mut self.due);
        if self.due.is_empty() {
            return;
        }
        for due in self.due.drain(..) {
            if let Some((action, asked)) = timers.begin(due) {
                core.run_callback(|out| out.write_fmt(format_args!("the delayed call asked for at {asked}")), action);
            }
        }
    }
}

impl Core {
    pub(super) fn wait_time(&self, longest: Option<Duration>) -> Option<Duration> {
        if self.work.is_pressing() || self.is_stop_pressing() {
            return Some(Duration::ZERO);
        }
        let next = self.work.timers.next_time();
        let next = next.map(|time| time.saturating_duration_since(self.last_reading.get()));
        match (next, longest) {
            (Some(next), Some(longest)) => Some(next.min(longest)),
            (next, longest) => next.or(longest),
        }
    }

    fn dispatch(&self, event: Readiness) {
        let source = self.registry.borrow().get(event.token).cloned();
        match source {
            Some(Source::Connection(connection)) => connection.ready(self, event),
            Some(Source::Attempt(attempt)) => attempt.ready(self, event),
            Some(Source::Port(port)) => port.accept(self),
            Some(Source::Accepted) | None => {} // It has gone since the event was noted.
        }
    }

    /// Goes on with ports that stopped on their budget.
    fn accept_on(&self) {
        if self.work.ports.borrow().is_empty() {
            return;
        }
        for port in self.work.ports.take() {
            port.accept_on(self);
        }
    }

    fn signalled(&self, signal: Signal) {
        log::info!(target: "reactor", "{signal:?} signal: stopping");
        self.stop_by_signal();
    }

    fn make_calls_from_threads(&self) {
        if !self.inbox.is_pending() {
            return;
        }
        let reactor = Reactor { core: self.this.upgrade().expect("the loop runs inside a living reactor") };
        for call in self.inbox.take() {
            self.run_callback(|out| out.write_str("a call from another thread"), || call(&reactor));
        }
    }

    fn make_calls_asked_for(&self) {
        if self.work.soon.borrow().is_empty() {
            return;
        }
        let calls = mem::take(&mut *self.work.soon.borrow_mut());
        for call in calls {
            self.run_callback(|out| out.write_str("a call made when running"), call);
        }
    }

    fn attend_to_all(&self) {
        let present = self.work.attention.borrow().len();
        for _ in 0..present {
            let next = self.work.attention.borrow_mut().pop_front();
            if let Some(connection) = next {
                connection.attend(self);
            }
        }
    }

    fn deliver_ends(&self) {
        if self.work.ended.borrow().is_empty() {
            return;
        }
        let ended = self.work.ended.take();
        for connection in ended {
            self.registry.borrow_mut().remove(connection.token());
            connection.deliver_end(self);
        }
        // Descriptors are free again.
        for port in self.work.exhausted.take() {
            port.try_again(self);
        }
    }
}
