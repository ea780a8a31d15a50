//! [`Run`] and [`Lifecycle`]: how a reactor runs and stops. Twisted's `run`, `stop`, `iterate` and system event
//! triggers.
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
//! **Every stop ends**, whatever the program does, short of a callback that never returns. The waiting for Deferreds
//! has a limit ([`trigger_timeout`](crate::Settings::trigger_timeout)), and so has the closing
//! ([`stop_timeout`](crate::Settings::stop_timeout)). While the reactor closes, no port opens and no attempt begins.
//! A stop does not wait for timers, nor for calls that request themselves again. A second signal ends the waiting at
//! once.
//!
//! Ports close only in "during", and not at the beginning: while the "before" triggers wait, a server goes on serving.
//!
//! Next: `hangup.rs`, the signal that does not stop a run.

use super::connection::Connection;
use super::registry::Source;
use super::turn::Turn;
use super::{Core, Reactor};
use crate::deferred;
use crate::deferred::IntoDeferred;
use crate::error::RunError;
use crate::foreign::Foreign;
use crate::{Deferred, DelayedCall, Reason};
use std::cell::{Cell, OnceCell, RefCell};
use std::fmt;
use std::mem;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

/// The event that a trigger belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SystemEvent {
    /// The loop begins to run.
    Startup,
    /// The loop stops.
    Shutdown,
}

/// The part of an event in which a trigger runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// First. A shutdown waits for the Deferreds that these triggers return, without a time limit; only a second signal
    /// ends that wait. Meanwhile the loop goes on as usual.
    Before,
    /// At a shutdown: when the ports close and the connections are told to end.
    During,
    /// At a shutdown: after all connections have ended.
    After,
}

/// Names a trigger, so that it can be removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TriggerId(u64);

type TriggerAction = Box<dyn FnOnce() -> Deferred<()>>;

struct Trigger {
    id: TriggerId,
    phase: Phase,
    event: SystemEvent,
    action: Foreign<TriggerAction>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum State {
    #[default]
    Stopped,
    Running,
    /// The "before" triggers have run, and some of their Deferreds have not fired.
    Waiting,
    /// Ports are closed, and connections are ending.
    Closing,
}

#[derive(Default)]
pub(super) struct Lifecycle {
    state: Cell<State>,
    stop_wanted: Cell<bool>,
    /// Number of Deferreds of the "before" triggers that have not fired. Each stop has a counter of its own: a Deferred
    /// that a second signal has cut off may still fire, and must not count down for a later stop.
    pending: RefCell<Rc<Cell<usize>>>,
    triggers: RefCell<Vec<Trigger>>,
    next_id: Cell<u64>,
    turn: RefCell<Turn>,
    /// The limit of the closing has passed, or a second signal has arrived: connections are aborted.
    overdue: Cell<bool>,
    /// The next turn is the last one.
    last_turn: Cell<bool>,
    /// Ends the waiting for Deferreds, and later the closing.
    limit: Cell<Option<DelayedCall>>,
    /// See [`Reactor::install_hook`]. Made once: a program may take each turn itself.
    resume_woken: OnceCell<deferred::Hook>,
}

impl Reactor {
    /// Runs the loop until [`stop`](Reactor::stop), SIGINT or SIGTERM. The reactor can be run again after that.
    ///
    /// # Errors
    /// [`RunError`] if the loop runs already, or if the system cannot wait for events.
    pub fn run(&self) -> Result<(), RunError> {
        let run = Run::new(self)?;
        let _hooked = self.install_hook();
        let mut result = run.start();
        while result.is_ok() && !run.is_over() {
            result = run.take_turn();
        }
        result
    }

    /// Takes one turn, and waits at most `longest` for something to happen. For programs with a loop of their own. It
    /// runs no triggers and catches no signals. Coroutines that other threads woke since the last turn go on in this
    /// one.
    ///
    /// # Errors
    /// As [`run`](Reactor::run).
    pub fn iterate(&self, longest: Duration) -> Result<(), RunError> {
        let _hooked = self.install_hook();
        self.core.take_turn(Some(longest))
    }

    /// Asks the loop to stop. It stops in an orderly way, in the phases of [`Phase`]. Does nothing if the loop is
    /// stopping already. If it does not run, the next `run` stops after its first turn.
    pub fn stop(&self) {
        self.core.lifecycle.stop_wanted.set(true);
    }

    /// Whether the loop runs and has not been asked to stop.
    pub fn running(&self) -> bool {
        self.core.lifecycle.state.get() == State::Running && !self.core.lifecycle.stop_wanted.get()
    }

    /// Registers `f` to be called once, at a phase of an event. `f` returns nothing, or a Deferred; in the phase
    /// [`Before`](Phase::Before) a shutdown waits for that Deferred. A failure is logged and stops nothing.
    pub fn add_system_event_trigger<R>(
        &self,
        phase: Phase,
        event: SystemEvent,
        f: impl FnOnce() -> R + 'static,
    ) -> TriggerId
    where
        R: IntoDeferred<Value = ()>,
    {
        let lifecycle = &self.core.lifecycle;
        let id = TriggerId(lifecycle.next_id.replace(lifecycle.next_id.get() + 1));
        let action: TriggerAction = Box::new(move || f().into_deferred());
        let action = Foreign::new(action);
        lifecycle.triggers.borrow_mut().push(Trigger { id, phase, event, action });
        id
    }

    /// Removes a trigger. Returns false if it has run, or was removed, already.
    pub fn remove_system_event_trigger(&self, id: TriggerId) -> bool {
        let mut triggers = self.core.lifecycle.triggers.borrow_mut();
        let found = triggers.iter().position(|trigger| trigger.id == id).map(|at| triggers.remove(at));
        drop(triggers);
        found.is_some() // Dropped after the borrow has ended: what the trigger captured may come back here in its drop.
    }
}

impl Reactor {
    /// While the guard lives, coroutines of this thread (`async` blocks, see `deferred/awaiting/`) whose wakers are
    /// called elsewhere resume in this loop. Hold it as long as the loop takes turns.
    pub(crate) fn install_hook(&self) -> deferred::Hooked {
        let make = || -> deferred::Hook {
            let handle = self.handle();
            Arc::new(move || {
                let _ = handle.call_from_thread(|_| deferred::go_on());
            })
        };
        deferred::hook(self.core.lifecycle.resume_woken.get_or_init(make).clone())
    }
}

/// A run of the loop from its beginning to its end, step by step. [`Reactor::run`] takes the steps one after the other;
/// a simulated world takes each step when it is due. So both run the same code.
///
/// Dropping it ends the run.
pub(crate) struct Run {
    reactor: Reactor,
    catches_signals: Cell<bool>,
}

impl Run {
    /// Begins a run. Fails if the loop runs already, or if this is inside `iterate` or a trigger.
    pub(crate) fn new(reactor: &Reactor) -> Result<Run, RunError> {
        let lifecycle = &reactor.core.lifecycle;
        if lifecycle.state.get() != State::Stopped || lifecycle.turn.try_borrow_mut().is_err() {
            return Err(RunError::AlreadyRunning);
        }
        lifecycle.state.set(State::Running);
        Ok(Run { reactor: reactor.clone(), catches_signals: Cell::new(false) })
    }

    pub(crate) fn start(&self) -> Result<(), RunError> {
        let core = &self.reactor.core;
        if core.work.settings.catch_signals {
            core.driver.borrow_mut().catch_signals(true).map_err(RunError::Poll)?;
            self.catches_signals.set(true);
        }
        core.begin_hangups()?;
        core.start_up();
        Ok(())
    }

    pub(crate) fn is_over(&self) -> bool {
        self.reactor.core.lifecycle.state.get() == State::Stopped
    }

    pub(crate) fn take_turn(&self) -> Result<(), RunError> {
        self.reactor.core.take_turn(None)
    }

    /// How long the next turn would wait if nothing happened; `None` means for ever.
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
        core.end_hangups();
        // For a run that an error ended in the middle of a stop; otherwise both are done already.
        core.lifecycle.set_limit(None);
        core.lifecycle.state.set(State::Stopped);
        core.lifecycle.stop_wanted.set(false);
        core.lifecycle.overdue.set(false);
        core.lifecycle.last_turn.set(false);
    }
}

impl Core {
    fn take_turn(&self, longest: Option<Duration>) -> Result<(), RunError> {
        // The borrow lasts for the turn: a callback that calls `iterate` gets an error. A turn inside a turn would
        // re-enter protocols.
        let mut turn = self.lifecycle.turn.try_borrow_mut().map_err(|_| RunError::AlreadyRunning)?;
        turn.take(self, longest)?;
        self.advance_shutdown();
        Ok(())
    }

    fn start_up(&self) {
        let _turn = self.lifecycle.turn.try_borrow_mut(); // So that a trigger cannot take a turn.
        for phase in [Phase::Before, Phase::During, Phase::After] {
            self.run_triggers(SystemEvent::Startup, phase);
        }
    }

    /// Whether a step of a stop is due after the next turn, so that this turn must not wait.
    pub(super) fn is_stop_pressing(&self) -> bool {
        let lifecycle = &self.lifecycle;
        lifecycle.last_turn.get() || lifecycle.stop_wanted.get() && lifecycle.state.get() == State::Running
    }

    /// Whether the reactor closes everything: nothing new may begin.
    pub(super) fn is_closing(&self) -> bool {
        self.lifecycle.state.get() == State::Closing
    }

    /// Takes the steps of a shutdown that are due. Called after each turn, and not from `stop`: no callback is running
    /// here.
    ///
    /// The `if`s stand in the order of the states, so that one call can pass through several of them. A stop with
    /// nothing to wait for is then over after this one turn.
    fn advance_shutdown(&self) {
        let lifecycle = &self.lifecycle;
        if lifecycle.state.get() == State::Running && lifecycle.stop_wanted.get() {
            lifecycle.state.set(State::Waiting);
            lifecycle.pending.replace(Rc::default());
            for deferred in self.run_triggers(SystemEvent::Shutdown, Phase::Before) {
                let pending = lifecycle.pending.borrow().clone();
                pending.set(pending.get() + 1);
                // A failure counts, too, and goes to the log: it must not hold the shutdown up.
                deferred
                    .into_inner()
                    .add_both(move |result| {
                        pending.set(pending.get() - 1);
                        result
                    })
                    .detach();
            }
            if lifecycle.pending.borrow().get() > 0 {
                self.limit_the_waiting();
            }
        }
        if lifecycle.state.get() == State::Waiting && lifecycle.pending.borrow().get() == 0 {
            lifecycle.state.set(State::Closing);
            self.run_triggers(SystemEvent::Shutdown, Phase::During);
            self.limit_the_closing();
        }
        if lifecycle.state.get() == State::Closing {
            self.close_everything();
        }
        if lifecycle.state.get() == State::Closing && self.is_closing_over() {
            lifecycle.set_limit(None);
            self.run_triggers(SystemEvent::Shutdown, Phase::After);
            lifecycle.state.set(State::Stopped);
        }
    }

    /// Whether nothing is left to close.
    ///
    /// One more turn is taken for calls that the program asked for meanwhile, and for the ends of connections that were
    /// aborted at the limit. It is the last: a call that always requests itself again would keep the loop here.
    fn is_closing_over(&self) -> bool {
        let lifecycle = &self.lifecycle;
        let is_clear = self.registry.borrow().is_empty() && !self.work.has_own_work();
        if is_clear && !self.work.is_pressing() {
            return true;
        }
        (is_clear || lifecycle.overdue.get()) && lifecycle.last_turn.replace(true)
    }

    /// Drops the time limit, all triggers, and the values that they captured.
    pub(super) fn forget_triggers(&self) {
        drop(self.lifecycle.triggers.take());
        drop(self.lifecycle.limit.take());
    }

    /// Runs the triggers of one phase in the order in which they were added.
    fn run_triggers(&self, event: SystemEvent, phase: Phase) -> Vec<Foreign<Deferred<()>>> {
        let mut triggers = self.lifecycle.triggers.borrow_mut();
        let (now, later) =
            mem::take(&mut *triggers).into_iter().partition(|trigger| trigger.event == event && trigger.phase == phase);
        *triggers = later;
        drop(triggers);
        let now: Vec<Trigger> = now;
        let mut deferreds = Vec::new();
        for trigger in now {
            let what = |out: &mut dyn fmt::Write| out.write_fmt(format_args!("a trigger {phase:?} {event:?}"));
            self.run_callback(what, || deferreds.push(Foreign::new(trigger.action.into_inner()())));
        }
        deferreds
    }

    /// Closes ports and attempts now, and connections after their last byte; past the limit, connections too. Called
    /// again after each turn, because a connection attempt may have become a connection meanwhile.
    fn close_everything(&self) {
        for connector in self.work.looking_up.take() {
            connector.stop();
        }
        // The loop no longer waits for other look-ups: their Deferreds stay unfired.
        for limit in self.work.lookup_limits.take().into_values() {
            limit.cancel();
        }
        match self.lifecycle.overdue.get() {
            true => self.abort_everything(),
            false => self.close_sources(|connection| connection.reactor_stopping(self)),
        }
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

    fn limit_the_waiting(&self) {
        let limit = self.work.settings.trigger_timeout;
        self.limit(limit, move |core| {
            let pending = core.lifecycle.stop_waiting();
            log::warn!(target: "reactor", "the stop no longer waits for {pending} Deferreds: {limit:?} are over");
        });
    }

    fn limit_the_closing(&self) {
        self.limit(self.work.settings.stop_timeout, Core::end_the_closing);
    }

    /// Has `f` called when a stage of the stop has taken `time`. Takes the place of an earlier limit.
    fn limit(&self, time: Duration, f: impl FnOnce(&Core) + 'static) {
        let reactor = self.weak();
        let action = move || {
            if let Some(core) = reactor.core() {
                f(&core);
            }
        };
        self.lifecycle.set_limit(Some(self.work.timers.call_later(time, Box::new(action))));
    }

    /// Aborts what has not ended yet. One turn is left in which its protocols hear of it.
    fn end_the_closing(&self) {
        self.lifecycle.overdue.set(true);
        self.lifecycle.last_turn.set(false);
        self.abort_everything();
    }

    fn abort_everything(&self) {
        self.close_sources(|connection| connection.end(Reason::Aborted));
    }

    /// The first signal stops in an orderly way. A second one ends the waiting, for Deferreds and for connections.
    pub(super) fn stop_by_signal(&self) {
        let lifecycle = &self.lifecycle;
        if lifecycle.stop_wanted.replace(true) {
            lifecycle.stop_waiting();
            match lifecycle.state.get() {
                State::Closing => self.end_the_closing(),
                _ => lifecycle.overdue.set(true),
            }
        }
    }
}

impl Lifecycle {
    /// Waits for no Deferreds any more. Returns how many have not fired.
    fn stop_waiting(&self) -> usize {
        self.pending.take().get() // A fresh counter: there is nothing left to wait for.
    }

    fn set_limit(&self, limit: Option<DelayedCall>) {
        if let Some(old) = self.limit.replace(limit) {
            old.cancel();
        }
    }
}

impl Core {
    /// Drops everything that the reactor holds. It must be done by hand: a protocol holds its transport, the transport
    /// is the connection, and the connection holds the protocol.
    ///
    /// The program's own `Drop`s run here, and may make requests. The loop will not carry them out, so timers and
    /// requests are cleared once more at the end.
    pub(super) fn tear_down(&self) {
        self.inbox.close();
        self.work.timers.clear();
        self.work.clear();
        for connector in self.work.looking_up.take() {
            connector.forget();
        }
        let sources = self.registry.borrow().all();
        for source in sources {
            match source {
                Source::Accepted => {}
                Source::Port(port) => port.forget(),
                Source::Attempt(attempt) => attempt.forget(),
                Source::Connection(connection) => connection.forget(),
            }
        }
        self.completions.clear();
        self.resolver.take();
        self.forget_triggers();
        self.forget_hangups();
        self.work.timers.clear();
        self.work.clear();
    }
}

impl Drop for Core {
    fn drop(&mut self) {
        self.tear_down();
    }
}
