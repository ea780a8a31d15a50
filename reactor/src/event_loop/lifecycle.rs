//! How a reactor runs and stops: Twisted's `run`, `stop`, `iterate` and system event triggers.
//!
//! ```text
//!                run               stop / signal            all gone
//!   Stopped ------------> Running ---------------> Stopping ---------> Stopped
//!
//!   Stopping:  "before" triggers; wait for their Deferreds (the loop goes on)
//!              "during" triggers; close ports, give up attempts, close connections after their last byte
//!              "after" triggers
//! ```
//!
//! A second signal ends the waiting at once.

use super::connection::Connection;
use super::registry::Source;
use super::turn::Turn;
use super::{Core, Reactor};
use crate::deferred;
use crate::deferred::IntoDeferred;
use crate::error::RunError;
use crate::{Deferred, DelayedCall, Reason};
use std::cell::{Cell, RefCell};
use std::fmt;
use std::mem;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

/// What a trigger is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SystemEvent {
    /// The loop begins to run.
    Startup,
    /// The loop is to stop.
    Shutdown,
}

/// When in an event a trigger runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// First. A shutdown waits for the Deferreds that these give; the loop goes on meanwhile, as if nothing was.
    Before,
    /// At a shutdown: when the ports are closed and the connections told to end.
    During,
    /// At a shutdown: when all connections have ended.
    After,
}

/// Names a trigger, to remove it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TriggerId(u64);

struct Trigger {
    id: TriggerId,
    phase: Phase,
    event: SystemEvent,
    action: Box<dyn FnOnce() -> Deferred<()>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum State {
    #[default]
    Stopped,
    Running,
    /// The "before" triggers have run; their Deferreds are waited for.
    Waiting,
    /// Connections are ending.
    Closing,
}

#[derive(Default)]
pub(super) struct Lifecycle {
    state: Cell<State>,
    stop_wanted: Cell<bool>,
    /// Deferreds of the "before" triggers that have not fired; a counter of its own for each stop.
    pending: RefCell<Rc<Cell<usize>>>,
    triggers: RefCell<Vec<Trigger>>,
    next_id: Cell<u64>,
    turn: RefCell<Turn>,
    /// A second signal has come before the connections were told to end.
    in_a_hurry: Cell<bool>,
    /// Aborts what cannot be closed in time.
    limit: Cell<Option<DelayedCall>>,
}

impl Reactor {
    /// Runs the loop until [`stop`](Reactor::stop), SIGINT or SIGTERM. It can be run again.
    ///
    /// # Errors
    /// [`RunError`] if it runs already or the system cannot wait for events.
    pub fn run(&self) -> Result<(), RunError> {
        let run = Run::new(self)?;
        let _hooked = run.hooked();
        let mut result = run.start();
        while result.is_ok() && !run.is_over() {
            result = run.take_turn();
        }
        result
    }

    /// Takes one turn, waiting at most `longest` for something to happen. For programs with a loop of their own; starts
    /// and stops nothing.
    ///
    /// # Errors
    /// As [`run`](Reactor::run).
    pub fn iterate(&self, longest: Duration) -> Result<(), RunError> {
        self.core.take_turn(Some(longest))
    }

    /// Asks the loop to stop; it does so in its own time, as [`Phase`] tells. Does nothing if it is stopping already;
    /// if it does not run, the next `run` stops after its first turn.
    pub fn stop(&self) {
        self.core.lifecycle.stop_wanted.set(true);
    }

    /// Whether the loop runs and nobody has asked it to stop.
    pub fn running(&self) -> bool {
        self.core.lifecycle.state.get() == State::Running && !self.core.lifecycle.stop_wanted.get()
    }

    /// Has `f` called at a phase of an event, once. It may return nothing, or a Deferred, for which a shutdown waits
    /// in the phase [`Before`](Phase::Before). Failures are logged and stop nothing.
    pub fn add_system_event_trigger<R>(
        &self,
        phase: Phase,
        event: SystemEvent,
        f: impl FnOnce() -> R + 'static,
    ) -> TriggerId
    where
        R: IntoDeferred<Value = ()>,
    {
        let life = &self.core.lifecycle;
        let id = TriggerId(life.next_id.replace(life.next_id.get() + 1));
        let action = Box::new(move || f().into_deferred());
        life.triggers.borrow_mut().push(Trigger { id, phase, event, action });
        id
    }

    /// Takes a trigger back; true if it had not run.
    pub fn remove_system_event_trigger(&self, id: TriggerId) -> bool {
        let mut triggers = self.core.lifecycle.triggers.borrow_mut();
        let found = triggers.iter().position(|trigger| trigger.id == id).map(|at| triggers.remove(at));
        drop(triggers);
        found.is_some() // Dropped only now: what it captured may do anything.
    }
}

/// A run of the loop from its beginning to its end, step by step: [`Reactor::run`] takes the steps one after the other,
/// a simulated world when it is time for each.
///
/// Dropping it ends the run.
pub(crate) struct Run {
    reactor: Reactor,
    /// Has the loop go on with coroutines that were roused elsewhere.
    rouse: deferred::Hook,
    catches_signals: Cell<bool>,
}

impl Run {
    /// Begins; fails if a loop runs already, also if this is in a turn by hand, or in a trigger.
    pub(crate) fn new(reactor: &Reactor) -> Result<Run, RunError> {
        let life = &reactor.core.lifecycle;
        if life.state.get() != State::Stopped || life.turn.try_borrow_mut().is_err() {
            return Err(RunError::AlreadyRunning);
        }
        life.state.set(State::Running);
        // Coroutines that are roused on other threads go on in this loop, also those roused while no loop ran.
        let handle = reactor.handle();
        let rouse = Arc::new(move || {
            let _ = handle.call_from_thread(|_| deferred::go_on());
        });
        rouse();
        Ok(Run { reactor: reactor.clone(), rouse, catches_signals: Cell::new(false) })
    }

    /// As long as the guard lives, coroutines of this thread go on in this loop. To be held over all that follows.
    pub(crate) fn hooked(&self) -> deferred::Hooked {
        deferred::hook(self.rouse.clone())
    }

    pub(crate) fn start(&self) -> Result<(), RunError> {
        let core = &self.reactor.core;
        if core.work.settings.catch_signals {
            core.driver.borrow_mut().catch_signals(true).map_err(RunError::Poll)?;
            self.catches_signals.set(true);
        }
        core.start_up();
        Ok(())
    }

    pub(crate) fn is_over(&self) -> bool {
        self.reactor.core.lifecycle.state.get() == State::Stopped
    }

    pub(crate) fn take_turn(&self) -> Result<(), RunError> {
        self.reactor.core.take_turn(None)
    }

    /// How long the next turn would wait if nothing happened; `None` for ever.
    pub(crate) fn wait_time(&self) -> Option<Duration> {
        self.reactor.core.wait_time(None)
    }

    pub(crate) fn reactor(&self) -> &Reactor {
        &self.reactor
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        let core = &self.reactor.core;
        if self.catches_signals.get()
            && let Err(error) = core.driver.borrow_mut().catch_signals(false)
        {
            log::warn!(target: "reactor", "cannot give the signals back: {error}");
        }
        core.lifecycle.state.set(State::Stopped);
        core.lifecycle.stop_wanted.set(false);
    }
}

impl Core {
    fn take_turn(&self, longest: Option<Duration>) -> Result<(), RunError> {
        // A turn inside a turn would re-enter protocols.
        let mut turn = self.lifecycle.turn.try_borrow_mut().map_err(|_| RunError::AlreadyRunning)?;
        turn.take(self, longest)?;
        self.advance_shutdown();
        Ok(())
    }

    fn start_up(&self) {
        let _turn = self.lifecycle.turn.try_borrow_mut(); // The triggers are no place for another turn.
        for phase in [Phase::Before, Phase::During, Phase::After] {
            self.fire_triggers(SystemEvent::Startup, phase);
        }
    }

    /// Whether the loop has something to do about stopping.
    pub(super) fn is_stop_pressing(&self) -> bool {
        self.lifecycle.stop_wanted.get() && self.lifecycle.state.get() == State::Running
    }

    /// Whether everything is being closed: nothing new may begin.
    pub(super) fn is_closing(&self) -> bool {
        self.lifecycle.state.get() == State::Closing
    }

    /// Takes the steps of a shutdown that are due.
    fn advance_shutdown(&self) {
        let life = &self.lifecycle;
        if life.state.get() == State::Running && life.stop_wanted.get() {
            life.state.set(State::Waiting);
            life.pending.replace(Rc::default());
            for deferred in self.fire_triggers(SystemEvent::Shutdown, Phase::Before) {
                let pending = life.pending.borrow().clone();
                pending.set(pending.get() + 1);
                // One that fails does not hold the shutdown up; the failure goes to the log.
                drop(deferred.add_both(move |result| {
                    pending.set(pending.get() - 1);
                    result
                }));
            }
        }
        if life.state.get() == State::Waiting && life.pending.borrow().get() == 0 {
            life.state.set(State::Closing);
            self.fire_triggers(SystemEvent::Shutdown, Phase::During);
            self.limit_the_closing();
        }
        if life.state.get() == State::Closing {
            self.close_everything();
        }
        if life.state.get() == State::Closing && self.registry.borrow().is_empty() && !self.work.is_pressing() {
            if let Some(limit) = life.limit.take() {
                limit.cancel();
            }
            self.fire_triggers(SystemEvent::Shutdown, Phase::After);
            life.state.set(State::Stopped);
        }
    }

    /// Drops all triggers, and what they captured.
    pub(super) fn forget_triggers(&self) {
        drop(self.lifecycle.triggers.take());
        drop(self.lifecycle.limit.take());
    }

    /// Runs the triggers of one phase in the order in which they were added.
    fn fire_triggers(&self, event: SystemEvent, phase: Phase) -> Vec<Deferred<()>> {
        let mut triggers = self.lifecycle.triggers.borrow_mut();
        let (now, later) =
            mem::take(&mut *triggers).into_iter().partition(|trigger| trigger.event == event && trigger.phase == phase);
        *triggers = later;
        drop(triggers);
        let now: Vec<Trigger> = now;
        let mut deferreds = Vec::new();
        for trigger in now {
            let what = |out: &mut dyn fmt::Write| out.write_fmt(format_args!("a trigger {phase:?} {event:?}"));
            self.run_callback(what, || deferreds.push((trigger.action)()));
        }
        deferreds
    }

    /// Ports and attempts now, connections once their last byte has gone out. Again in each turn: a callback may have
    /// opened something.
    fn close_everything(&self) {
        for connector in self.work.looking_up.take() {
            connector.stop();
        }
        // The loop does not wait for other look-ups any more: they stay unfired.
        for limit in self.work.lookup_limits.take().into_values() {
            limit.cancel();
        }
        self.close_sources(|connection| connection.reactor_stopping(self));
    }

    /// Closes ports, gives up attempts, and has `end` end each connection.
    fn close_sources(&self, end: impl Fn(&Rc<Connection>)) {
        // A copy: what closes one source may change the registry.
        let sources = self.registry.borrow().all();
        for source in sources {
            match source {
                Source::Accepted => {} // Only while a factory runs, and none does now.
                Source::Port(port) => port.stop(self),
                Source::Attempt(attempt) => attempt.stop(),
                Source::Connection(connection) => end(&connection),
            }
        }
    }

    fn limit_the_closing(&self) {
        if self.lifecycle.in_a_hurry.replace(false) {
            return self.abort_everything();
        }
        let reactor = self.weak();
        let abort = move || {
            if let Some(core) = reactor.core() {
                core.abort_everything();
            }
        };
        let limit = self.work.timers.call_later(self.work.settings.stop_timeout, Box::new(abort));
        self.lifecycle.limit.set(Some(limit));
    }

    fn abort_everything(&self) {
        self.close_sources(|connection| connection.end(Reason::Aborted));
    }

    /// The first signal stops in an orderly way; another one does not wait any more.
    pub(super) fn stop_by_signal(&self) {
        let life = &self.lifecycle;
        if life.stop_wanted.replace(true) {
            life.pending.replace(Rc::default());
            match life.state.get() {
                State::Closing => self.abort_everything(),
                _ => life.in_a_hurry.set(true),
            }
        }
    }
}
