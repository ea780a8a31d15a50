//! [`Run`] and [`Lifecycle`]: how a reactor runs and stops. Twisted's `run`, `stop`, `iterate` and system event
//! triggers.
//!
//! ```text
//!                run               stop / signal            all gone
//!   Stopped ------------> Running ---------------> Stopping ---------> Stopped
//!
//!   Stopping:  "before" triggers; wait for their Deferreds (the loop goes on)
//!              "during" triggers; close ports, give up attempts, close connections after their last byte, drop work
//!              that no thread has begun, wait for the rest
//!              "after" triggers
//! ```
//!
//! **Every stop ends**, whatever the program does, short of a callback that never returns. The waiting for Deferreds
//! has a limit ([`trigger_timeout`](crate::Settings::trigger_timeout)), and so have the closing
//! ([`stop_timeout`](crate::Settings::stop_timeout)) and the waiting for threads that work
//! ([`thread_timeout`](crate::Settings::thread_timeout)). While the reactor closes, no port opens, and no attempt and
//! no work begins. A stop does not wait for timers, nor for calls that request themselves again. A second signal ends
//! the waiting at once. If a callback never returns, a second SIGINT or SIGTERM ends the process, a second after the
//! first or later.
//!
//! Ports close only in "during", and not at the beginning: while the "before" triggers wait, a server goes on serving.
//!
//! Next: `stepped.rs`, a run of which each step is taken when it is due.

use super::callback::Description;
use super::registry::Source;
use super::shutdown::{Pace, State};
use super::turn::Turn;
use super::{Core, Reactor};
use crate::context::Asked;
use crate::deferred;
use crate::deferred::IntoDeferred;
use crate::diagnostics::tell;
use crate::driver::Signal;
use crate::error::{RunError, ThreadError};
use crate::foreign::Foreign;
use crate::{Context, Deferred, DelayedCall};
use std::cell::{Cell, OnceCell, RefCell};
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
    /// First. A shutdown waits for the Deferreds that these triggers return, but no longer than
    /// [`trigger_timeout`](crate::Settings::trigger_timeout), or until a second signal. Meanwhile the loop goes on as
    /// usual.
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
    asked: Asked,
}

#[derive(Default)]
pub(super) struct Lifecycle {
    pub(super) state: Cell<State>,
    /// Number of Deferreds of the "before" triggers that have not fired. Each stop has a counter of its own: a Deferred
    /// that an earlier stop no longer waited for may still fire, and must not count down for a later one.
    pub(super) pending: RefCell<Rc<Cell<usize>>>,
    /// The signal that asked for the last stop, if one did.
    pub(super) exit_signal: Cell<Option<Signal>>,
    triggers: RefCell<Vec<Trigger>>,
    next_id: Cell<u64>,
    turn: RefCell<Turn>,
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
        if cfg!(debug_assertions) {
            deferred::tell_unfired();
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
        self.core.calls_from_threads.blocked.begin();
        self.core.take_turn(Some(longest))
    }

    /// Asks the loop to stop. It stops in an orderly way, in the phases of [`Phase`]. Does nothing if the loop is
    /// stopping already. If it does not run, the next `run` stops after its first turn.
    pub fn stop(&self) {
        let lifecycle = &self.core.lifecycle;
        if lifecycle.state.get() == State::Stopped {
            lifecycle.exit_signal.set(None); // That was the last run. This is for the next.
        }
        lifecycle.want_stop();
    }

    /// The signal that stopped the last run, or is stopping this one; `None` if the program did, or nothing has. What
    /// comes after the first request to stop does not count. Twisted's `_exitSignal`.
    ///
    /// A program that was stopped by a signal should end as if the signal had killed it: a shell stops its loop then,
    /// and a supervisor sees the cause. Either exit with 128 and the signal's number, or raise the signal again; after
    /// the run it has its usual effect.
    ///
    /// ```
    /// use reactor::Reactor;
    /// let reactor = Reactor::new()?;
    /// reactor.stop();
    /// reactor.run()?;
    /// assert_eq!(reactor.exit_signal(), None);
    /// # Ok::<(), reactor::Failure>(())
    /// ```
    pub fn exit_signal(&self) -> Option<Signal> {
        self.core.lifecycle.exit_signal.get()
    }

    /// Closes the reactor for good: drops its connections, ports, delayed calls and triggers, with what they captured,
    /// as the drop of its last handle does.
    ///
    /// A program needs this only if its callbacks hold the reactor themselves, such as a delayed call that asks for the
    /// next one: the reactor keeps that call, and the call keeps the reactor, so neither is ever dropped. At the end of
    /// a process, the system frees both; but a trace then lacks its end, and says nothing of what was still open.
    ///
    /// What is asked of the reactor later is dropped, and it cannot run again.
    ///
    /// # Errors
    /// [`RunError::AlreadyRunning`] if the loop runs.
    ///
    /// ```
    /// use reactor::Reactor;
    /// use std::time::Duration;
    ///
    /// let reactor = Reactor::new()?;
    /// let held = reactor.clone();
    /// reactor.call_later(Duration::from_secs(3600), move || held.stop());
    /// reactor.stop();
    /// reactor.run()?;
    /// reactor.close()?;
    /// assert!(reactor.run().is_err());
    /// # Ok::<(), reactor::Failure>(())
    /// ```
    pub fn close(&self) -> Result<(), RunError> {
        let lifecycle = &self.core.lifecycle;
        let _turn = lifecycle.turn.try_borrow_mut().map_err(|_| RunError::AlreadyRunning)?;
        if !matches!(lifecycle.state.get(), State::Stopped | State::StopAhead) {
            return Err(RunError::AlreadyRunning);
        }
        self.core.tear_down();
        if let Some(scope) = &self.core.work.trace {
            scope.end();
        }
        Ok(())
    }

    /// Whether the loop runs and has not been asked to stop.
    pub fn running(&self) -> bool {
        self.core.lifecycle.state.get() == State::Running
    }

    /// Registers `f` to be called once, at a phase of an event. `f` returns nothing, or a Deferred; in the phase
    /// [`Before`](Phase::Before) a shutdown waits for that Deferred. A failure is logged and stops nothing.
    ///
    /// A trigger that another one of its phase adds is called at the next event.
    #[track_caller]
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
        lifecycle.triggers.borrow_mut().push(Trigger { id, phase, event, action, asked: Asked::here() });
        id
    }

    /// Removes a trigger. A trigger may remove one of its own phase, which is then not called. Returns false if it has
    /// run, or was removed, already.
    pub fn remove_system_event_trigger(&self, id: TriggerId) -> bool {
        let mut triggers = self.core.lifecycle.triggers.borrow_mut();
        let found = triggers.iter().position(|trigger| trigger.id == id).map(|at| triggers.remove(at));
        drop(triggers);
        found.is_some() // Dropped after the borrow has ended: what the trigger captured may come back here in its drop.
    }
}

impl Reactor {
    /// While the guard lives, coroutines of this thread (`async` blocks, see `deferred/awaiting/`) resume in this loop
    /// when their wakers are called elsewhere. Hold it as long as the loop takes turns.
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
    pub(super) reactor: Reactor,
    catches_signals: Cell<bool>,
}

impl Run {
    /// Begins a run. Fails if the loop runs already, or if this is inside `iterate` or a trigger.
    pub(crate) fn new(reactor: &Reactor) -> Result<Run, RunError> {
        let lifecycle = &reactor.core.lifecycle;
        if reactor.core.work.is_closed() {
            return Err(RunError::Closed);
        }
        let first = match lifecycle.state.get() {
            State::Stopped => State::Running,
            State::StopAhead => State::StopWanted(Pace::Orderly),
            State::Running | State::StopWanted(_) | State::Waiting(_) | State::Closing(_) | State::LastTurn(_) => {
                return Err(RunError::AlreadyRunning);
            }
        };
        if lifecycle.turn.try_borrow_mut().is_err() {
            return Err(RunError::AlreadyRunning);
        }
        lifecycle.state.set(first);
        if first == State::Running {
            lifecycle.exit_signal.set(None); // Otherwise it may be what has asked for the stop of this run.
        }
        reactor.core.calls_from_threads.blocked.begin();
        deferred::begin_run();
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
}

impl Drop for Run {
    fn drop(&mut self) {
        let core = &self.reactor.core;
        if self.catches_signals.get()
            && let Err(error) = core.driver.borrow_mut().catch_signals(false)
        {
            tell!(Warn, "reactor", "cannot give the signals back: {error}");
        }
        core.end_hangups();
        // For a run that an error ended in the middle of a stop; otherwise both are done already.
        core.lifecycle.set_limit(None);
        core.thread_pool.end_waiting();
        core.calls_from_threads.blocked.end(ThreadError::Stopped);
        core.lifecycle.state.set(State::Stopped);
        deferred::end_run();
        // The program may end here by a signal, without dropping the reactor.
        if let Some(scope) = &core.work.trace {
            scope.flush();
        }
    }
}

impl Core {
    fn take_turn(&self, longest: Option<Duration>) -> Result<(), RunError> {
        if self.work.is_closed() {
            return Err(RunError::Closed);
        }
        // The borrow lasts for the turn: a callback that calls `iterate` gets an error. A turn inside a turn would
        // re-enter protocols.
        let mut turn = self.lifecycle.turn.try_borrow_mut().map_err(|_| RunError::AlreadyRunning)?;
        // The program may be in a context when it calls this. What it has not asked for in it does not belong to it.
        Context::empty().run(|| {
            turn.take(self, longest)?;
            self.advance_shutdown();
            Ok(())
        })
    }

    fn start_up(&self) {
        let _turn = self.lifecycle.turn.try_borrow_mut(); // So that a trigger cannot take a turn.
        for phase in [Phase::Before, Phase::During, Phase::After] {
            self.run_triggers(SystemEvent::Startup, phase);
        }
    }

    /// Drops the time limit, all triggers, and the values that they captured.
    pub(super) fn forget_triggers(&self) {
        drop(self.lifecycle.triggers.take());
        drop(self.lifecycle.limit.take());
    }

    /// Runs the triggers of one phase in the order in which they were added.
    pub(super) fn run_triggers(&self, event: SystemEvent, phase: Phase) -> Vec<Foreign<Deferred<()>>> {
        let mut deferreds = Vec::new();
        // Those that one of them adds wait for the next event, or a trigger that adds itself would hold this one up.
        let end = self.lifecycle.next_id.get();
        // One by one: each may remove others.
        while let Some(trigger) = self.lifecycle.take_trigger(event, phase, end) {
            let what = |out: &mut Description| {
                out.place(trigger.asked.place);
                out.write_fmt(format_args!("the trigger {phase:?} {event:?} added at {}", trigger.asked))
            };
            let run = || deferreds.push(Foreign::new(trigger.action.into_inner()()));
            trigger.asked.context.run(|| self.run_callback(what, run));
        }
        deferreds
    }
}

impl Lifecycle {
    /// Takes out the first trigger of a phase that was added before `end`.
    fn take_trigger(&self, event: SystemEvent, phase: Phase, end: u64) -> Option<Trigger> {
        let mut triggers = self.triggers.borrow_mut();
        let is_it = |trigger: &Trigger| trigger.event == event && trigger.phase == phase && trigger.id.0 < end;
        let at = triggers.iter().position(is_it)?;
        Some(triggers.remove(at))
    }

    pub(super) fn waits_for_deferreds(&self) -> bool {
        self.pending.borrow().get() > 0
    }

    /// Sets the time limit of a stage of a stop, in place of the one before.
    pub(super) fn set_limit(&self, limit: Option<DelayedCall>) {
        if let Some(old) = self.limit.replace(limit) {
            old.cancel();
        }
    }
}

impl Core {
    /// Drops everything that the reactor holds. It must be done by hand: a protocol holds its transport, the transport
    /// is the connection, and the connection holds the protocol.
    ///
    /// The program's own `Drop`s run here, and may make requests. The work queue refuses them; timers that they set are
    /// cleared once more at the end.
    pub(super) fn tear_down(&self) {
        deferred::expecting_losses(|| self.drop_everything());
    }

    fn drop_everything(&self) {
        self.calls_from_threads.close();
        self.thread_pool.forget();
        self.work.timers.clear();
        self.work.close();
        for connector in self.work.looking_up.take() {
            connector.forget();
        }
        let sources = self.registry.borrow().all();
        for source in sources {
            match source {
                Source::Accepted => {}
                Source::Port(port) => port.forget(),
                Source::Datagrams(port) => port.forget(),
                Source::Attempt(attempt) => attempt.forget(),
                Source::Connection(connection) => connection.forget(),
                Source::Lingering(lingering) => lingering.forget(),
            }
        }
        self.completions.clear();
        self.resolver.take();
        self.forget_triggers();
        self.forget_hangups();
        self.work.timers.clear();
    }
}

impl Drop for Core {
    fn drop(&mut self) {
        self.tear_down();
    }
}
