//! How a run stops: its states, and the steps from one to the next.
//!
//! ```text
//!            stop, signal             the turn is over          no Deferred is waited for
//!   Running --------------> StopWanted --------------> Waiting --------------------------> Closing
//!                                                                                            |
//!                         the turn is over            all has ended, or the limit has passed |
//!                 Stopped <--------------- LastTurn <----------------------------------------+
//!                    ^                                                                       |
//!                    +-----------------------------------------------------------------------+
//!                                all has ended, and no call of the program waits
//! ```
//!
//! From `StopWanted` on, a stop has a *pace*. It begins orderly: it waits for Deferreds, for last bytes and for threads
//! that work, each within a limit. A signal that arrives while the reactor stops makes it hurry, and ends all waiting.
//!
//! Next: `hangup.rs`, the signal that does not stop a run.

use super::Core;
use super::connection::Connection;
use super::lifecycle::{Lifecycle, Phase, SystemEvent};
use super::registry::Source;
use crate::Reason;
use crate::diagnostics::tell;
use crate::driver::Signal;
use std::rc::Rc;
use std::time::Duration;

/// See the picture above.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum State {
    #[default]
    Stopped,
    /// As `Stopped`, and `stop` has been called: the next run stops after its first turn.
    StopAhead,
    Running,
    /// A stop has been asked for. It begins when this turn is over, and no callback is running.
    StopWanted(Pace),
    /// The "before" triggers have run. The loop goes on as usual until their Deferreds have fired.
    Waiting(Pace),
    /// Ports are closed, and connections are ending.
    Closing(Pace),
    /// As `Closing`, but the next turn is the last: it makes the calls that the program asked for meanwhile, and tells
    /// protocols of an abort.
    LastTurn(Pace),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pace {
    Orderly,
    /// The limit of the closing has passed, or a second signal has arrived: Deferreds are not waited for, and
    /// connections are aborted.
    Hurried,
}

/// What a reactor that closes has still to do.
enum Left {
    Nothing,
    /// Only calls that the program asked for. They may ask for themselves again, for ever.
    Calls,
    /// Threads that work. The waiting for them has a limit of its own, and each of them wakes the loop when it is done.
    Threads,
    /// Connections that have not ended, or work of the loop's own: factories and protocols that must hear of an end.
    Work,
}

impl Lifecycle {
    /// A stop is asked for, by the program or by a first signal.
    pub(super) fn want_stop(&self) {
        match self.state.get() {
            State::Stopped => self.state.set(State::StopAhead),
            State::Running => self.state.set(State::StopWanted(Pace::Orderly)),
            State::StopAhead | State::StopWanted(_) | State::Waiting(_) | State::Closing(_) | State::LastTurn(_) => {}
        }
    }
}

impl Core {
    /// The first signal stops in an orderly way. One that arrives while the reactor stops ends the waiting, for
    /// Deferreds and for connections.
    pub(super) fn stop_by_signal(&self, signal: Signal) {
        let state = &self.lifecycle.state;
        match state.get() {
            State::Stopped | State::Running => {
                self.lifecycle.exit_signal.set(Some(signal));
                self.lifecycle.want_stop();
            }
            State::StopAhead => {}
            // Two signals before the stop has begun. It has nothing to end yet, so it remembers the hurry.
            State::StopWanted(_) => state.set(State::StopWanted(Pace::Hurried)),
            State::Waiting(_) => state.set(State::Waiting(Pace::Hurried)),
            State::Closing(_) | State::LastTurn(_) => {
                self.stop_waiting_for_work();
                self.hurry_closing();
            }
        }
    }

    /// Whether a step of a stop is due after the next turn, so that this turn must not wait.
    pub(super) fn is_stop_pressing(&self) -> bool {
        match self.lifecycle.state.get() {
            State::StopWanted(_) | State::LastTurn(_) => true,
            State::Stopped | State::StopAhead | State::Running | State::Waiting(_) | State::Closing(_) => false,
        }
    }

    /// Whether the reactor closes everything: nothing new may begin.
    pub(super) fn is_closing(&self) -> bool {
        matches!(self.lifecycle.state.get(), State::Closing(_) | State::LastTurn(_))
    }

    /// Takes the steps of a shutdown that are due. Called after each turn, and not from `stop`: no callback is running
    /// here.
    ///
    /// One call can pass through several states: a stop with nothing to wait for is over after this one turn.
    pub(super) fn advance_shutdown(&self) {
        let lifecycle = &self.lifecycle;
        loop {
            match lifecycle.state.get() {
                State::Stopped | State::StopAhead | State::Running => return,
                State::StopWanted(pace) => {
                    // Before the triggers: they must find that the reactor stops, and a `stop` of theirs must not begin
                    // it again.
                    lifecycle.state.set(State::Waiting(pace));
                    self.run_before_triggers();
                }
                State::Waiting(Pace::Orderly) if lifecycle.waits_for_deferreds() => return,
                State::Waiting(pace) => {
                    // Before the triggers: a port that one of them opens would be closed at once.
                    lifecycle.state.set(State::Closing(pace));
                    self.run_triggers(SystemEvent::Shutdown, Phase::During);
                    self.stop_work(pace == Pace::Hurried);
                    self.limit(self.work.settings.stop_timeout, Core::hurry_closing);
                }
                State::Closing(pace) => {
                    self.close_everything(pace);
                    match (self.what_is_left(), pace) {
                        (Left::Nothing, _) => return self.end_shutdown(),
                        (Left::Threads, _) | (Left::Work, Pace::Orderly) => return,
                        (Left::Calls, _) | (Left::Work, Pace::Hurried) => {
                            return lifecycle.state.set(State::LastTurn(pace));
                        }
                    }
                }
                State::LastTurn(pace) => {
                    self.close_everything(pace);
                    match (self.what_is_left(), pace) {
                        // The calls of the last turn have made more work. It ends within the limit of the closing.
                        (Left::Threads, _) | (Left::Work, Pace::Orderly) => return,
                        (Left::Nothing | Left::Calls, _) | (Left::Work, Pace::Hurried) => return self.end_shutdown(),
                    }
                }
            }
        }
    }

    /// Runs the "before" triggers, and counts the Deferreds that they return.
    fn run_before_triggers(&self) {
        let lifecycle = &self.lifecycle;
        // A fresh counter: a Deferred that an earlier stop no longer waited for may fire now.
        lifecycle.pending.take();
        for deferred in self.run_triggers(SystemEvent::Shutdown, Phase::Before) {
            let deferred = deferred.into_inner();
            // A failure goes to the log: it must not hold the shutdown up.
            if deferred.has_fired() {
                deferred.detach();
                continue;
            }
            let pending = lifecycle.pending.borrow().clone();
            pending.set(pending.get() + 1);
            deferred
                .add_both(move |result| {
                    pending.set(pending.get() - 1);
                    result
                })
                .detach();
        }
        if lifecycle.waits_for_deferreds() {
            let limit = self.work.settings.trigger_timeout;
            self.limit(limit, move |core| {
                let pending = core.lifecycle.pending.take().get();
                tell!(Warn, "reactor", "the stop no longer waits for {pending} Deferreds: {limit:?} are over");
            });
        }
    }

    fn what_is_left(&self) -> Left {
        if self.thread_pool.is_waited_for() {
            Left::Threads
        } else if !self.registry.borrow().is_empty() || self.work.has_own_work() {
            Left::Work
        } else if self.work.is_pressing() {
            Left::Calls
        } else {
            Left::Nothing
        }
    }

    fn end_shutdown(&self) {
        self.lifecycle.set_limit(None);
        self.run_triggers(SystemEvent::Shutdown, Phase::After);
        // After the triggers: `listen_tcp` refuses them, as nothing would close their port.
        self.lifecycle.state.set(State::Stopped);
    }

    /// Closes ports and attempts now, and connections after their last byte, or now if there is a hurry. Called again
    /// after each turn, because a connection attempt may have become a connection meanwhile.
    fn close_everything(&self, pace: Pace) {
        for connector in self.work.looking_up.take() {
            connector.stop();
        }
        // The loop no longer waits for other look-ups: their Deferreds stay unfired.
        for limit in self.work.lookup_limits.take().into_values() {
            limit.cancel();
        }
        match pace {
            Pace::Orderly => self.close_sources(|connection| connection.reactor_stopping(self)),
            Pace::Hurried => self.abort_everything(),
        }
    }

    /// Aborts what has not ended yet. One turn is left in which its protocols hear of it.
    fn hurry_closing(&self) {
        self.lifecycle.state.set(State::Closing(Pace::Hurried));
        self.abort_everything();
    }

    fn abort_everything(&self) {
        self.close_sources(|connection| connection.end(Reason::Aborted));
        // Not within `close_sources`: an orderly stop waits until the last bytes have arrived.
        let sources = self.registry.borrow().all();
        for source in sources {
            if let Source::Lingering(lingering) = source {
                lingering.close(self);
            }
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
                Source::Datagrams(port) => port.stop(self),
                Source::Attempt(attempt) => attempt.stop(),
                Source::Connection(connection) => end(&connection),
                Source::Lingering(_) => {} // It ends within its own limits.
            }
        }
    }

    /// Has `f` called when a stage of the stop has taken `time`. Takes the place of an earlier limit.
    fn limit(&self, time: Duration, f: impl FnOnce(&Core) + 'static) {
        let reactor = self.weak();
        let action = move || {
            if let Some(core) = reactor.core() {
                f(&core);
            }
        };
        self.lifecycle.set_limit(Some(self.work.timers.call_later(time, action)));
    }
}
