//! [`Inner`]: what a [`ClientService`](super::ClientService) does.
//!
//! ```text
//!              start               up               prepared
//!   New, Stopped --> Connecting ------> Preparing ------------> Connected
//!      ^                ^   |              |  \                     |
//!      |         time   |   | failed       |   \ refused            | lost
//!      |                |   v              v    v                   |
//!      |               Waiting <-------- lost - Rejected            |
//!      |                ^                                           |
//!      |                +-------------------------------------------+
//!      +-- gone -- Stopping <-- stop, from every other state; a start meanwhile leads back to Connecting
//! ```
//!
//! The reactor holds a service from its start to its end, by the trigger that ends it with the reactor. Everything else
//! holds it weakly: connectors, connections and timers.
//!
//! Next: `waiters.rs`, what waits for a connection.

use super::Backoff;
use super::attempt::{Attempt, Layer};
use super::settings::{ServiceError, ServiceSettings};
use super::waiters::Waiters;
use crate::context::Asked;
use crate::deferred::{self, Canceller};
use crate::diagnostics::tell;
use crate::error::ConnectError;
use crate::event_loop::{TriggerId, WeakReactor};
use crate::foreign::{Foreign, contain};
use crate::{
    Address, Connector, Deferred, DelayedCall, Destination, Failure, Firer, Phase, Protocol, Reactor, Reason,
    SystemEvent, Transport,
};
use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};
use std::time::{Duration, Instant};

pub(super) type Build = Box<dyn FnMut(Address) -> Box<dyn Protocol>>;
pub(super) type Prepare<T> = Box<dyn FnMut(&Transport) -> Deferred<T>>;

pub(super) struct Inner<T: Clone + 'static> {
    this: Weak<Inner<T>>,
    /// Weak: the reactor holds this, by the trigger.
    reactor: WeakReactor,
    destination: Destination,
    /// What stands between the protocols and TCP, if anything does.
    layer: RefCell<Option<Layer>>,
    settings: RefCell<ServiceSettings>,
    /// Borrowed while it runs. The loop calls it, once for each connection, and nothing else uses it.
    build: RefCell<Foreign<Build>>,
    /// As `build`.
    prepare: RefCell<Foreign<Prepare<T>>>,
    state: RefCell<State<T>>,
    /// The number of the present attempt.
    attempt: Cell<u64>,
    /// Number of attempts that failed and connections that did not last, since the last healthy connection.
    failures: Cell<u32>,
    /// Why there is no connection.
    last_failure: RefCell<Option<Failure>>,
    /// Called whenever an attempt has failed, or a connection is lost.
    #[cfg(feature = "resp")]
    on_down: RefCell<Option<Rc<dyn Fn()>>>,
    /// Why the connection that ends now has ended.
    reason: RefCell<Option<Reason>>,
    waiters: Rc<Waiters<T>>,
    /// Where the program made it.
    asked: Asked,
    /// The Deferreds of `stop`.
    stopped: RefCell<Vec<Foreign<Firer<()>>>>,
    /// Stops this with its reactor, and holds it until then.
    trigger: Cell<Option<TriggerId>>,
}

enum State<T> {
    New,
    Connecting(Connector),
    Preparing {
        transport: Transport,
        /// Cancels the step; `None` while it has not returned.
        step: Option<Canceller>,
    },
    /// The step has failed, which was counted, and the connection is closing.
    Rejected(Transport),
    Connected {
        transport: Transport,
        value: Foreign<T>,
        since: Instant,
        told_healthy: bool,
    },
    Waiting(DelayedCall),
    Stopping {
        /// `start` was called meanwhile.
        again: bool,
    },
    Stopped,
}

impl<T: Clone + 'static> Inner<T> {
    #[track_caller]
    pub(super) fn new(reactor: &Reactor, destination: Destination, build: Build, prepare: Prepare<T>) -> Rc<Inner<T>> {
        let asked = Asked::here();
        Rc::new_cyclic(|this| Inner {
            this: this.clone(),
            reactor: reactor.weak(),
            destination,
            asked,
            layer: RefCell::new(None),
            settings: RefCell::default(),
            build: RefCell::new(Foreign::new(build)),
            prepare: RefCell::new(Foreign::new(prepare)),
            state: RefCell::new(State::New),
            attempt: Cell::new(0),
            failures: Cell::new(0),
            last_failure: RefCell::new(None),
            #[cfg(feature = "resp")]
            on_down: RefCell::new(None),
            reason: RefCell::new(None),
            waiters: Waiters::new(),
            stopped: RefCell::default(),
            trigger: Cell::new(None),
        })
    }

    #[cfg(feature = "tls")]
    pub(super) fn set_layer(&self, layer: Layer) {
        drop(self.layer.replace(Some(layer)));
    }

    #[cfg(feature = "resp")]
    pub(super) fn set_on_down(&self, on_down: Rc<dyn Fn()>) {
        drop(self.on_down.replace(Some(on_down)));
    }

    pub(super) fn set_settings(&self, settings: ServiceSettings) {
        *self.settings.borrow_mut() = settings;
    }

    pub(super) fn destination(&self) -> &Destination {
        &self.destination
    }

    pub(super) fn failure_count(&self) -> u32 {
        self.failures.get()
    }

    pub(super) fn last_failure(&self) -> Option<Failure> {
        self.last_failure.borrow().clone()
    }

    pub(super) fn is_connected(&self) -> bool {
        let is_up = |transport: &Transport| !transport.is_disconnecting() && self.reactor.upgrade().is_some();
        matches!(&*self.state.borrow(), State::Connected { transport, .. } if is_up(transport))
    }

    pub(super) fn state_in_words(&self) -> &'static str {
        match &*self.state.borrow() {
            State::New => "not started",
            State::Connecting(_) => "connecting",
            State::Preparing { .. } | State::Rejected(_) => "preparing",
            State::Connected { .. } => "connected",
            State::Waiting(_) => "waiting to try again",
            State::Stopping { .. } => "stopping",
            State::Stopped => "stopped",
        }
    }

    pub(super) fn note_healthy(&self) {
        if let State::Connected { told_healthy, .. } = &mut *self.state.borrow_mut() {
            *told_healthy = true;
            self.failures.set(0);
        }
    }

    pub(super) fn try_now(&self) {
        if let State::Waiting(again) = &*self.state.borrow() {
            let _ = again.reset(Duration::ZERO); // Cannot fail: in this state the call is still to come.
        }
    }

    pub(super) fn start(&self) {
        let Some(reactor) = self.reactor.upgrade() else { return };
        match &mut *self.state.borrow_mut() {
            State::New | State::Stopped => {}
            State::Stopping { again } => {
                *again = true;
                return;
            }
            _ => return,
        }
        if let Some(me) = self.this.upgrade() {
            let end = move || me.reactor_stops();
            self.trigger.set(Some(reactor.add_system_event_trigger(Phase::During, SystemEvent::Shutdown, end)));
        }
        let spread = self.settings.borrow().spread_start;
        match spread.is_zero() {
            true => self.connect(),
            false => self.connect_after(Backoff::default().shortest(Duration::ZERO).first(spread).longest(spread)),
        }
    }

    fn connect(&self) {
        let Some(reactor) = self.reactor.upgrade() else { return };
        let number = self.attempt.get() + 1;
        self.attempt.set(number);
        let layer = self.layer.borrow().clone();
        let attempt = Attempt { service: self.this.clone(), number, layer, refused: None };
        // A new connector each time. It reports whatever happens, even if the reactor is closing; an old one that is
        // told to connect again then does nothing.
        let connector = reactor.connect_for(self.asked.clone(), self.destination.clone(), attempt);
        self.state.replace(State::Connecting(connector));
    }

    fn connect_after(&self, backoff: Backoff) {
        let Some(reactor) = self.reactor.upgrade() else { return };
        self.connect_in(&reactor, backoff.wait(self.failures.get(), reactor.random()));
    }

    fn connect_in(&self, reactor: &Reactor, wait: Duration) {
        let this = self.this.clone();
        let again = reactor.call_later_for(self.asked.place, wait, move || {
            if let Some(me) = this.upgrade() {
                me.connect();
            }
        });
        self.state.replace(State::Waiting(again));
    }

    #[track_caller]
    pub(super) fn stop(&self) -> Deferred<()> {
        if self.reactor.upgrade().is_none() {
            return deferred::succeed(());
        }
        let (deferred, firer) = Deferred::unwatched();
        self.stopped.borrow_mut().push(Foreign::new(firer));
        self.end(true);
        deferred
    }

    /// The reactor closes everything, and this connection, too: its protocol may take its leave.
    fn reactor_stops(&self) {
        self.trigger.set(None);
        self.end(false);
    }

    /// Stops. What there is of a connection is closed, or left to the loop.
    fn end(&self, close: bool) {
        // The new state first: what follows may run code of the program, which may start the service again.
        let old = self.state.replace(State::Stopping { again: false });
        match old {
            State::New | State::Stopped => self.gone(),
            State::Waiting(again) => {
                again.cancel();
                self.gone();
            }
            State::Connecting(connector) if close => connector.disconnect(),
            State::Preparing { transport, step } => {
                if close {
                    transport.lose_connection();
                }
                if let Some(step) = step {
                    contain(|| step.cancel());
                }
            }
            State::Connected { transport, .. } | State::Rejected(transport) if close => transport.lose_connection(),
            State::Connecting(_) | State::Connected { .. } | State::Rejected(_) | State::Stopping { .. } => {}
        }
        self.waiters.fire(|| Err(ServiceError::Stopped.into()));
    }

    /// There is no connection any more, and no attempt, and the service was asked to stop.
    fn gone(&self) {
        let old = self.state.replace(State::Stopped);
        if let (Some(trigger), Some(reactor)) = (self.trigger.take(), self.reactor.upgrade()) {
            reactor.remove_system_event_trigger(trigger);
        }
        self.failures.set(0);
        if matches!(old, State::Stopping { again: true }) {
            self.start();
        }
        for firer in self.stopped.take() {
            // One program must not be hurt by the panic of another.
            contain(|| {
                let _ = firer.callback(()); // If it was cancelled, this has no effect.
            });
        }
    }

    #[track_caller]
    pub(super) fn when_connected(&self, failures_left: Option<u32>) -> Deferred<T> {
        let now = match &*self.state.borrow() {
            _ if self.reactor.upgrade().is_none() => Some(Err(ServiceError::Stopped)),
            State::Connected { transport, value, .. } if !transport.is_disconnecting() => Some(Ok((**value).clone())),
            State::Stopped | State::Stopping { again: false } => Some(Err(ServiceError::Stopped)),
            _ => None,
        };
        if let Some(now) = now {
            return Deferred::from_result(now.map_err(Failure::from));
        }
        let max = self.settings.borrow().max_waiters;
        match self.waiters.wait(failures_left, max) {
            Some(deferred) => deferred,
            None => deferred::fail(ServiceError::TooManyWaiters),
        }
    }

    /// The program's protocol for a new connection.
    pub(super) fn build(&self, peer: &Address) -> Box<dyn Protocol> {
        (**self.build.borrow_mut())(peer.clone())
    }

    /// The connection of this attempt is up.
    pub(super) fn came_up(&self, attempt: u64, transport: &Transport) {
        if attempt != self.attempt.get() || !matches!(&*self.state.borrow(), State::Connecting(_)) {
            return; // It was stopped in `connection_made`.
        }
        self.state.replace(State::Preparing { transport: transport.clone(), step: None });
        let prepared = (**self.prepare.borrow_mut())(transport);
        let Some(reactor) = self.reactor.upgrade() else { return };
        let prepared = match prepared.has_fired() {
            true => prepared,
            false => prepared.add_timeout(self.settings.borrow().prepare_timeout, &reactor),
        };
        let canceller = prepared.canceller();
        if let State::Preparing { step, .. } = &mut *self.state.borrow_mut() {
            *step = Some(canceller.clone());
        }
        let this = self.this.clone();
        prepared
            .add_both(move |result| {
                if let Some(me) = this.upgrade() {
                    me.prepared(attempt, result);
                }
            })
            .detach();
        if !matches!(&*self.state.borrow(), State::Preparing { .. }) {
            canceller.cancel(); // The step has stopped the service. If it is over, this has no effect.
        }
    }

    fn prepared(&self, attempt: u64, result: Result<T, Failure>) {
        let Some(reactor) = self.reactor.upgrade() else { return };
        let transport = match &*self.state.borrow() {
            State::Preparing { transport, .. } if attempt == self.attempt.get() => transport.clone(),
            _ => return, // It was stopped or lost meanwhile.
        };
        match result {
            Ok(value) => {
                let kept = Foreign::new(value.clone());
                let since = reactor.now();
                self.state.replace(State::Connected { transport, value: kept, since, told_healthy: false });
                drop(self.last_failure.take());
                if self.failures.get() > 0 {
                    let failures = self.failures.get();
                    log::info!(target: "reactor", "{}: connected after {failures} failures", self.destination);
                }
                self.waiters.fire(|| Ok(value.clone()));
            }
            Err(failure) => {
                self.state.replace(State::Rejected(transport.clone()));
                transport.lose_connection();
                self.count_failure(&failure);
                self.waiters.note_failure(&failure);
            }
        }
    }

    fn count_failure(&self, failure: &Failure) {
        // The first in a row is news; a server that is down for a day must not fill the log.
        let is_news = self.failures.get() == 0 && self.settings.borrow().warns;
        let level = if is_news { log::Level::Warn } else { log::Level::Debug };
        let (destination, asked) = (&self.destination, &self.asked);
        tell!(at level, "reactor", "{failure}; trying again (the connection to {destination}, asked for at {asked})");
        self.failures.set(self.failures.get().saturating_add(1));
        drop(self.last_failure.replace(Some(failure.clone())));
    }

    /// The attempt has failed.
    pub(super) fn failed(&self, attempt: u64, failure: Failure) {
        if attempt != self.attempt.get() {
            return;
        }
        // We give attempts up only to stop. So if this one was given up, the reactor has done it, to stop.
        let is_closing = matches!(failure.check(), Some(ConnectError::Cancelled));
        if is_closing && matches!(&*self.state.borrow(), State::Connecting(_)) {
            self.end(false);
        }
        self.over(failure);
    }

    /// The connection has ended, and its protocol knows.
    pub(super) fn lost(&self, attempt: u64, reason: &Reason) {
        let reason = self.reason.take().unwrap_or_else(|| reason.clone());
        if attempt == self.attempt.get() {
            self.over(reason.into());
        }
    }

    /// The protocol hears why its connection has ended; [`lost`](Inner::lost) comes next.
    pub(super) fn note_reason(&self, reason: &Reason) {
        *self.reason.borrow_mut() = Some(reason.clone());
    }

    /// There is no connection any more, nor an attempt. Waits and tries again, unless it is to stop.
    ///
    /// The new state stands before anything of the program runs, which may look at it or stop the service.
    fn over(&self, failure: Failure) {
        let old = self.state.replace(State::Stopped);
        match old {
            State::Stopping { .. } => {
                self.state.replace(old);
                self.gone();
                return;
            }
            State::Connecting(_) | State::Preparing { .. } => {
                self.count_failure(&failure);
                self.connect_after(self.settings.borrow().backoff);
                self.waiters.note_failure(&failure);
                if let State::Preparing { step: Some(step), .. } = old {
                    contain(|| step.cancel());
                }
            }
            State::Connected { since, told_healthy, .. } => {
                log::debug!(target: "reactor", "{}: the connection is gone: {failure}", self.destination);
                let Some(reactor) = self.reactor.upgrade() else { return };
                let is_healthy = told_healthy || reactor.now() - since >= self.settings.borrow().healthy_after;
                if is_healthy {
                    self.failures.set(0);
                }
                if is_healthy && self.settings.borrow().returns_at_once {
                    self.connect_in(&reactor, Duration::ZERO);
                } else {
                    self.failures.set(self.failures.get().saturating_add(1));
                    drop(self.last_failure.replace(Some(failure)));
                    self.connect_after(self.settings.borrow().backoff);
                }
            }
            State::Rejected(_) => self.connect_after(self.settings.borrow().backoff),
            State::New | State::Waiting(_) | State::Stopped => {
                self.state.replace(old);
                return;
            }
        }
        self.tell_down();
    }

    fn tell_down(&self) {
        #[cfg(feature = "resp")]
        if let Some(on_down) = self.on_down.borrow().clone() {
            on_down();
        }
    }
}
