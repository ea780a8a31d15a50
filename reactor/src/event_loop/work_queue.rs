//! [`WorkQueue`]: what the loop has been asked to do and has not done yet.
//!
//! Handles (transports, ports, connectors) never act by themselves. They put their request here, and the loop carries
//! it out when no callback is running. That is why no method calls back before it returns. A source that stopped early,
//! because of its budget or a pause, is queued here too: readiness is edge-triggered, so the driver will not report it
//! again.
//!
//! Next: `callback.rs`, how it calls the program.

use super::connection::Connection;
use super::connector::ConnectorInner;
use super::port::Port;
use crate::DelayedCall;
use crate::Settings;
use crate::context::Asked;
use crate::foreign::Foreign;
use crate::outgoing::Blocks;
use crate::timers::Timers;
use crate::trace::Scope;
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::panic::Location;
use std::rc::Rc;

type Action = Box<dyn FnOnce()>;

/// A place in the source of the program.
pub(super) type Place = &'static Location<'static>;

pub(super) struct WorkQueue {
    pub(super) settings: Settings,
    pub(super) timers: Rc<Timers>,
    /// What hears of everything that happens, if anything does.
    pub(super) trace: Option<Rc<Scope>>,
    pub(super) blocks: Blocks,
    /// Connections with bytes to flush or to read, news for their protocol, or an end to finish; each once. An event
    /// may attend to a connection that stands here. The visit that then finds nothing to do is harmless.
    pub(super) attention: RefCell<VecDeque<Rc<Connection>>>,
    /// Connections that have ended and have not told their protocols.
    pub(super) ended: RefCell<Vec<Rc<Connection>>>,
    /// How many sockets linger after the end of their connection.
    pub(super) lingering_count: Cell<usize>,
    /// Ports that used up their budget and may have more to accept.
    pub(super) ports: RefCell<Vec<Rc<Port>>>,
    /// Ports that ran out of descriptors. They try again when a connection has closed.
    pub(super) out_of_descriptors: RefCell<Vec<Rc<Port>>>,
    /// Connectors that wait for a name, or for room in a backlog. They have no socket yet, so the registry does not
    /// know them, but a stop must find them.
    pub(super) looking_up: RefCell<Vec<Rc<ConnectorInner>>>,
    /// The time limit of each look-up, by the number of its completion.
    pub(super) lookup_limits: RefCell<BTreeMap<u64, DelayedCall>>,
    /// The calls of `call_when_running`, and some of the loop's own, in order: made in step 4 of this turn or the next.
    pub(super) soon: RefCell<VecDeque<(Foreign<Action>, Asked)>>,
    /// Some of these calls are the loop's own: they tell a factory or a producer of an end. A stop waits for them.
    own_calls: Cell<bool>,
    /// The loop is gone: requests are dropped. A connection that queued itself here would keep itself alive for ever.
    closed: Cell<bool>,
}

impl WorkQueue {
    pub(super) fn new(settings: Settings, timers: Rc<Timers>, trace: Option<Rc<Scope>>) -> Rc<WorkQueue> {
        Rc::new(WorkQueue {
            settings,
            timers,
            trace,
            blocks: Blocks::default(),
            attention: RefCell::default(),
            ended: RefCell::default(),
            lingering_count: Cell::new(0),
            ports: RefCell::default(),
            out_of_descriptors: RefCell::default(),
            looking_up: RefCell::default(),
            lookup_limits: RefCell::default(),
            soon: RefCell::default(),
            own_calls: Cell::new(false),
            closed: Cell::new(false),
        })
    }

    /// Whether the next turn has work and must not wait in the poll. A list that is missing here would be served only
    /// when an event happens to come: a hang.
    pub(super) fn is_pressing(&self) -> bool {
        self.has_own_work() || !self.soon.borrow().is_empty()
    }

    /// Whether there is work besides the calls that the program asked for.
    pub(super) fn has_own_work(&self) -> bool {
        self.own_calls.get()
            || !self.attention.borrow().is_empty()
            || !self.ended.borrow().is_empty()
            || !self.ports.borrow().is_empty()
    }

    /// Drops all requests, and those that still come, except look-ups: [`Core`](super::Core) must forget their
    /// connectors.
    pub(super) fn close(&self) {
        self.closed.set(true);
        self.soon.take();
        self.attention.take();
        self.ended.take();
        self.ports.take();
        self.out_of_descriptors.take();
        self.lookup_limits.take();
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed.get()
    }

    /// Has the loop call `action`, which the program asked for, soon.
    pub(super) fn call_when_running(&self, action: Action, asked: Asked) {
        let action = Foreign::new(action);
        if !self.closed.get() {
            self.soon.borrow_mut().push_back((action, asked));
        }
    }

    /// Has the loop attend to `connection` in this turn or the next.
    pub(super) fn attend_to(&self, connection: Rc<Connection>) {
        if !self.closed.get() {
            self.attention.borrow_mut().push_back(connection);
        }
    }

    /// Has the loop make a call of its own soon, for the code at `place`.
    pub(super) fn call_soon(&self, place: Place, action: Action) {
        self.own_calls.set(true);
        self.call_when_running(action, Asked::for_code_at(place));
    }

    /// Takes the calls that wait. Calls that these add wait for the next turn.
    pub(super) fn take_calls(&self) -> VecDeque<(Foreign<Action>, Asked)> {
        self.own_calls.set(false);
        self.soon.take()
    }
}
