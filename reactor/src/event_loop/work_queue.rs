//! [`WorkQueue`]: what has been asked for and is to be done by the loop.
//!
//! Handles (transports, connectors) never act by themselves: they write down here that they need attention, and the
//! loop sees to it when no callback is running. That is why nothing calls back before it returns.

use super::connection::Connection;
use super::connector::ConnectorInner;
use super::port::Port;
use crate::DelayedCall;
use crate::Settings;
use crate::outgoing::Blocks;
use crate::timers::{Action, Timers};
use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

pub(super) struct WorkQueue {
    pub(super) settings: Settings,
    pub(super) timers: Rc<Timers>,
    pub(super) blocks: Blocks,
    /// Connections with something to flush, to read on, to tell or to finish.
    pub(super) attention: RefCell<VecDeque<Rc<Connection>>>,
    /// Connections that have ended and whose protocol is to be told.
    pub(super) ended: RefCell<Vec<Rc<Connection>>>,
    /// Ports that stopped accepting on their budget.
    pub(super) ports: RefCell<Vec<Rc<Port>>>,
    /// Ports that ran out of descriptors.
    pub(super) exhausted: RefCell<Vec<Rc<Port>>>,
    /// Connectors that look a name up: they stand in no registry.
    pub(super) looking_up: RefCell<Vec<Rc<ConnectorInner>>>,
    /// What limits each look-up that is under way.
    pub(super) lookup_limits: RefCell<BTreeMap<u64, DelayedCall>>,
    /// Calls to be made in the next turn, in order.
    pub(super) soon: RefCell<VecDeque<Action>>,
}

impl WorkQueue {
    pub(super) fn new(settings: Settings, timers: Rc<Timers>) -> Rc<WorkQueue> {
        Rc::new(WorkQueue {
            settings,
            timers,
            blocks: Blocks::default(),
            attention: RefCell::default(),
            ended: RefCell::default(),
            ports: RefCell::default(),
            exhausted: RefCell::default(),
            looking_up: RefCell::default(),
            lookup_limits: RefCell::default(),
            soon: RefCell::default(),
        })
    }

    /// Whether the next turn has something to do without waiting.
    pub(super) fn is_pressing(&self) -> bool {
        !self.attention.borrow().is_empty()
            || !self.soon.borrow().is_empty()
            || !self.ended.borrow().is_empty()
            || !self.ports.borrow().is_empty()
    }

    /// Drops all that was asked for, but look-ups.
    pub(super) fn clear(&self) {
        self.soon.take();
        self.attention.take();
        self.ended.take();
        self.ports.take();
        self.exhausted.take();
        self.lookup_limits.take();
    }

    pub(super) fn call_soon(&self, action: Action) {
        self.soon.borrow_mut().push_back(action);
    }
}
