//! One turn of the loop. Everything that a reactor does, it does here:
//!
//! 1. Work out how long to wait: not at all if there is work already, otherwise until the next delayed call is due.
//! 2. Poll.
//! 3. Handle the events: accept, finish connects, read. Flush each connection right after its own event.
//! 4. Make the calls that other threads handed over, and those of `call_when_running`.
//! 5. Make the delayed calls that are due: those that wait now, not those that they add.
//! 6. Attend to the connections that are queued: they were written to, resumed or closed from elsewhere, with one
//!    vectored write each; or they stopped on their read budget, and read on with a new one.
//! 7. Report the connections that have ended: `connection_lost`.
//!
//! Why in this order:
//!
//! * The events (3) come before the calls (4, 5). A time-out must not fire while the answer lies unread in the socket;
//!   after a slow callback, exactly that would happen.
//! * The calls (4, 5) come before the flushing (6), so that everything that they write leaves in this turn, and many
//!   writes to one connection leave as one.
//! * The ends (7) come after attending (6), because attending makes ends: a connection that was closed ends when its
//!   last byte has gone out. So it is reported, and its socket closed, in the same turn. And no end is delivered where
//!   it is made: that may be inside a callback, of this connection or of another.
//! * Ends close sockets. So ports that ran out of descriptors try again after (7), when there are some.
//! * Each step does a bounded amount of work. What is added to a queue while its step runs waits for the next turn:
//!   otherwise two protocols that write to each other would keep the loop from polling for ever.
//!
//! Next: `connection/mod.rs`, what attending to a connection means.

use super::callback::Description;
use super::registry::Source;
use super::{Core, Reactor};
use crate::deferred::tell_lost;
use crate::driver::{Event, Readiness, Signal};
use crate::error::RunError;
use crate::trace::{CallbackKind, Entered, Kind, Phase, Scope, WaitsFor};
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

/// Maximum number of due calls for which a turn keeps the memory.
const MAX_DUE_KEPT: usize = 1024;

/// The lists that a turn fills. They are kept from turn to turn for their memory.
#[derive(Default)]
pub(super) struct Turn {
    events: Vec<Event>,
    due: VecDeque<crate::timers::Due>,
}

impl Turn {
    /// Takes one turn, waiting no longer than `longest`.
    pub(super) fn take(&mut self, core: &Core, longest: Option<Duration>) -> Result<(), RunError> {
        tell_lost();
        core.turns.set(core.turns.get().wrapping_add(1));
        let timeout = core.wait_time(longest);
        let _traced = core.work.trace.as_ref().map(|scope| TracedTurn::begin(scope, core.waits_for(timeout, longest)));
        self.events.clear();
        core.driver.borrow_mut().poll(timeout, &mut self.events).map_err(RunError::Poll)?;
        core.read_clock(); // The poll may have slept: what follows begins now.

        if !self.events.is_empty() {
            core.begin_phase(Phase::Events);
        }
        for event in &self.events {
            match event {
                Event::Ready(readiness) => core.dispatch(*readiness),
                Event::Signal(signal) => core.signalled(*signal),
            }
        }
        // After the events: those served existing connections, and new connections must not starve them.
        core.continue_accepting();
        core.make_calls_from_threads();
        core.make_soon_calls();
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
        core.begin_phase(Phase::Timers);
        if self.due.len() > MAX_DUE_KEPT {
            core.read_clock(); // It took time to take them out. That time must not count for the first call.
        }
        for due in self.due.drain(..) {
            if let Some(begun) = timers.begin(due) {
                let asked = &begun.asked;
                let describe = |out: &mut Description| {
                    let late = timers.now().checked_duration_since(begun.due).unwrap_or_default();
                    out.timer(begun.id, late).place(asked.place);
                    out.write_fmt(format_args!("the delayed call requested at {asked}"))
                };
                asked.context.run(|| core.run_callback(describe, || begun.make()));
            }
        }
        self.due.shrink_to(MAX_DUE_KEPT); // The memory of a burst goes.
    }
}

impl Reactor {
    /// How many turns its loop has begun, for status pages.
    pub fn turn_count(&self) -> u64 {
        self.core.turns.get()
    }
}

/// Tells a trace that the turn is over, also if the poll has failed.
struct TracedTurn<'a> {
    scope: &'a Scope,
    /// Meanwhile Deferreds report to the trace of this reactor.
    _entered: Entered,
}

impl<'a> TracedTurn<'a> {
    #[cold]
    fn begin(scope: &'a Rc<Scope>, turn: Kind<'_>) -> TracedTurn<'a> {
        scope.begin_turn(turn);
        TracedTurn { scope, _entered: Entered::new(scope) }
    }
}

impl Drop for TracedTurn<'_> {
    #[cold]
    fn drop(&mut self) {
        self.scope.end_turn();
    }
}

impl Core {
    /// Tells the trace that the turn has come to this phase. Called only if there is something to do in it: a trace has
    /// no phase without events, and most turns have two phases.
    fn begin_phase(&self, phase: Phase) {
        if let Some(scope) = &self.work.trace {
            scope.begin_phase(phase);
        }
    }

    /// What a turn that waits no longer than `timeout` tells a trace.
    #[cold]
    fn waits_for(&self, timeout: Option<Duration>, longest: Option<Duration>) -> Kind<'static> {
        let waits_for = match timeout {
            None => WaitsFor::Event,
            Some(_) if self.work.is_pressing() || self.is_stop_pressing() => WaitsFor::Nothing,
            Some(_) if timeout == longest => WaitsFor::Limit,
            Some(_) => WaitsFor::Timer,
        };
        Kind::Turn { waits_for, timeout }
    }

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
            Some(Source::Lingering(lingering)) => lingering.ready(self),
            Some(Source::Attempt(attempt)) => attempt.ready(self, event),
            Some(Source::Port(port)) => port.accept(self),
            Some(Source::Datagrams(port)) => port.ready(self),
            Some(Source::Accepted) | None => {} // A late event: its source has gone since the driver noticed it.
        }
    }

    /// Accepts more from ports that used up their budget. The driver will not report them again.
    fn continue_accepting(&self) {
        if self.work.ports.borrow().is_empty() {
            return;
        }
        self.begin_phase(Phase::Events); // Perhaps there were none.
        for port in self.work.ports.take() {
            port.continue_accepting(self);
        }
    }

    fn signalled(&self, signal: Signal) {
        match signal {
            Signal::Interrupt | Signal::Terminate => {
                log::info!(target: "reactor", "{signal:?} signal: stopping");
                self.stop_by_signal(signal);
            }
            Signal::Hangup => self.hung_up(),
        }
    }

    fn make_calls_from_threads(&self) {
        if !self.calls_from_threads.is_pending() {
            return;
        }
        self.begin_phase(Phase::Calls);
        let reactor = Reactor { core: self.this.upgrade().expect("the loop runs inside a living reactor") };
        for (call, asked) in self.calls_from_threads.take() {
            let describe = |out: &mut Description| {
                out.kind(CallbackKind::ThreadCall).place(asked.place);
                out.write_fmt(format_args!("the call from another thread requested at {asked}"))
            };
            asked.context.run(|| self.run_callback(describe, || call.into_inner()(&reactor)));
        }
    }

    fn make_soon_calls(&self) {
        if self.work.soon.borrow().is_empty() {
            return;
        }
        self.begin_phase(Phase::Calls);
        for (call, asked) in self.work.take_calls() {
            let describe = |out: &mut Description| {
                out.kind(CallbackKind::SoonCall).place(asked.place);
                out.write_fmt(format_args!("the call when running requested at {asked}"))
            };
            asked.context.run(|| self.run_callback(describe, call.into_inner()));
        }
    }

    fn attend_to_all(&self) {
        // A connection that is queued again in this step, because its budget is used up, waits for the next turn.
        let present = self.work.attention.borrow().len();
        if present == 0 {
            return;
        }
        self.begin_phase(Phase::Flush);
        for _ in 0..present {
            let next = self.work.attention.borrow_mut().pop_front();
            if let Some(connection) = next {
                connection.attend_from_queue(self);
            }
        }
    }

    fn deliver_ends(&self) {
        if self.work.ended.borrow().is_empty() {
            return;
        }
        self.begin_phase(Phase::Ends);
        let ended = self.work.ended.take();
        for connection in ended {
            connection.deliver_end(self);
        }
        // The sockets are closed by now, so descriptors are free again.
        for port in self.work.out_of_descriptors.take() {
            port.try_again(self);
        }
    }
}
