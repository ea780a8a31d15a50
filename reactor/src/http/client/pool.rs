//! [`Pool`]: decides which exchange gets which connection, and which has to wait.
//!
//! ```text
//!   an exchange --> an idle connection to its origin, the one used last
//!              \--> else a new one, if the limits allow one more
//!              \--> else the queue of its origin, if there is room
//!              \--> else TooManyWaiting
//! ```
//!
//! When a connection becomes free or ends, the pool serves, of all exchanges that it can serve now, the one that has
//! waited longest. If an exchange would have to wait only because another host keeps idle connections, one of those is
//! closed.
//!
//! The pool does not hold busy connections, but counts them. Their exchange holds them: when it is dropped, they must
//! close, although the pool lives on.
//!
//! Next: `origin.rs`, which connections are alike.

use super::connection::{ClientConnection, ConnectionOwner, ConnectionUser};
use super::error::TooManyWaiting;
use super::origin::Origin;
use super::route::Route;
use super::settings::AgentSettings;
use crate::Deferred;
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::rc::{Rc, Weak};

/// The connections of one agent and the exchanges that wait for them. Clones of the agent share it.
pub(super) struct Pool {
    this: Weak<Pool>,
    route: Rc<Route>,
    /// A BTreeMap, because there are seldom more than a few hosts, and each request looks its own up several times.
    hosts: RefCell<BTreeMap<Origin, Host>>,
    /// Sums over all hosts.
    open: Cell<usize>,
    idle: Cell<usize>,
    waiting: Cell<usize>,
    /// Connections that are closing to make room. While there are any, no other is closed for the same purpose.
    making_room: RefCell<Vec<Weak<ClientConnection>>>,
    /// Numbers waiting exchanges and idle connections in the order in which they began to wait or idle.
    next_number: Cell<u64>,
}

#[derive(Default)]
struct Host {
    open: usize,
    /// In the order in which they became idle. The last is used first: it is the least likely to be stale.
    idle: VecDeque<(u64, Rc<ClientConnection>)>,
    waiting: VecDeque<(u64, Weak<dyn ConnectionUser>)>,
}

/// What can be done for an exchange.
enum Plan {
    Reuse(Rc<ClientConnection>),
    Open,
    /// Close this idle connection; another one is opened when it is gone.
    MakeRoom(Rc<ClientConnection>),
    Wait,
}

impl Pool {
    pub(super) fn new(route: Rc<Route>) -> Rc<Pool> {
        Rc::new_cyclic(|this| Pool {
            this: this.clone(),
            route,
            hosts: RefCell::default(),
            open: Cell::new(0),
            idle: Cell::new(0),
            waiting: Cell::new(0),
            making_room: RefCell::default(),
            next_number: Cell::new(0),
        })
    }

    pub(super) fn route(&self) -> &Rc<Route> {
        &self.route
    }

    fn settings(&self) -> &AgentSettings {
        self.route.settings()
    }

    pub(super) fn open(&self) -> usize {
        self.open.get()
    }

    pub(super) fn idle(&self) -> usize {
        self.idle.get()
    }

    pub(super) fn waiting(&self) -> usize {
        self.waiting.get()
    }

    fn take_number(&self) -> u64 {
        self.next_number.replace(self.next_number.get() + 1)
    }

    // ---- Exchanges come, wait, and go.

    /// Gives `user` a connection, now or later. Fails if too many others wait.
    pub(super) fn submit(&self, user: &Rc<dyn ConnectionUser>) -> Result<(), TooManyWaiting> {
        let origin = user.origin();
        let waiting_before = self.hosts.borrow().get(origin).map_or(0, |host| host.waiting.len());
        // If others wait, this one queues behind them, even if it could be served now: first come, first served.
        if waiting_before == 0 && self.serve(user, origin) {
            return Ok(());
        }
        for (waiting, limit) in
            [(waiting_before, self.settings().max_waiting_per_host), (self.waiting.get(), self.settings().max_waiting)]
        {
            if waiting >= limit {
                return Err(TooManyWaiting { waiting });
            }
        }
        self.enqueue(user, VecDeque::push_back);
        Ok(())
    }

    /// Serves an exchange again that got a stale connection: now, or from the front of the queue. No limit is checked,
    /// as it had a place before.
    pub(super) fn submit_again(&self, user: &Rc<dyn ConnectionUser>) {
        if !self.serve(user, user.origin()) {
            self.enqueue(user, VecDeque::push_front);
        }
    }

    fn enqueue(
        &self,
        user: &Rc<dyn ConnectionUser>,
        push: impl FnOnce(&mut VecDeque<(u64, Weak<dyn ConnectionUser>)>, (u64, Weak<dyn ConnectionUser>)),
    ) {
        let entry = (self.take_number(), Rc::downgrade(user));
        push(&mut self.hosts.borrow_mut().entry(user.origin().clone()).or_default().waiting, entry);
        self.waiting.set(self.waiting.get() + 1);
    }

    /// Takes `user` out of the queue, if it is there; it is there once at most.
    ///
    /// The search begins at the front, where exchanges run out of time, and finds those at once. One that is cancelled
    /// further back costs a look at all before it, at most `max_waiting_per_host`. With the default of 256 that is 4
    /// KiB, less than the request has cost already. To find it at once, every waiting exchange would have to keep an
    /// index.
    pub(super) fn forget(&self, user: &Rc<dyn ConnectionUser>) {
        let origin = user.origin();
        let mut hosts = self.hosts.borrow_mut();
        let Some(host) = hosts.get_mut(origin) else { return };
        let found = host.waiting.iter().position(|(_, other)| std::ptr::addr_eq(other.as_ptr(), Rc::as_ptr(user)));
        if found.and_then(|at| host.waiting.remove(at)).is_some() {
            self.waiting.set(self.waiting.get() - 1);
        }
        if host.is_empty() {
            hosts.remove(origin);
        }
    }

    /// Does for `user` what can be done now; true if it need not wait.
    fn serve(&self, user: &Rc<dyn ConnectionUser>, origin: &Origin) -> bool {
        match self.plan(origin, user.needs_new_connection()) {
            Plan::Reuse(connection) => {
                self.take_out_of_idle(&connection);
                connection.begin(user);
                true
            }
            Plan::Open => {
                self.open_for(user);
                true
            }
            Plan::MakeRoom(connection) => {
                self.making_room.borrow_mut().push(Rc::downgrade(&connection));
                self.take_out_of_idle(&connection);
                connection.close();
                false
            }
            Plan::Wait => false,
        }
    }

    /// Begins to make a connection for `user`. If the reactor is gone, nothing happens.
    fn open_for(&self, user: &Rc<dyn ConnectionUser>) {
        let origin = user.origin();
        let settings = self.route.settings().clone();
        let connection = ClientConnection::new(self.this.clone(), origin.clone(), settings, Rc::downgrade(user));
        let Some(connector) = self.route.connect(connection.clone(), user.asked()) else { return };
        self.open.set(self.open.get() + 1);
        self.hosts.borrow_mut().entry(origin.clone()).or_default().open += 1;
        user.connecting(connection, connector);
    }

    /// Whether the limit allows one more connection.
    fn has_room(&self) -> bool {
        self.open.get() < self.settings().max_open.max(1)
    }

    /// Whether any exchange might be served.
    fn can_serve_any(&self) -> bool {
        self.has_room() || self.idle.get() > 0
    }

    fn plan(&self, origin: &Origin, needs_new: bool) -> Plan {
        let hosts = self.hosts.borrow();
        let host = hosts.get(origin);
        let own_idle = host.and_then(|host| host.idle.back()).map(|(_, connection)| connection.clone());
        match own_idle {
            Some(connection) if !needs_new => return Plan::Reuse(connection),
            _ => {}
        }
        let has_room_in_host = host.map_or(0, |host| host.open) < self.settings().max_open_per_host.max(1);
        let has_room = self.has_room();
        let is_making_room = !self.making_room.borrow().is_empty();
        match (has_room_in_host, has_room) {
            (true, true) => Plan::Open,
            _ if is_making_room => Plan::Wait,
            (false, _) => own_idle.map_or(Plan::Wait, Plan::MakeRoom),
            (true, false) if self.idle.get() == 0 => Plan::Wait,
            (true, false) => {
                let oldest = hosts.values().filter_map(|host| host.idle.front()).min_by_key(|(since, _)| *since);
                oldest.map_or(Plan::Wait, |(_, connection)| Plan::MakeRoom(connection.clone()))
            }
        }
    }

    /// Serves as many waiting exchanges as possible, the one that has waited longest first.
    fn serve_waiting(&self) {
        if self.waiting.get() == 0 || !self.can_serve_any() {
            return;
        }
        // The first of each host. Collected once, as each waiting exchange may have a host of its own: looking at all
        // hosts again for each would take quadratic time.
        let mut firsts: BTreeMap<u64, Origin> = {
            let hosts = self.hosts.borrow();
            hosts.iter().filter_map(|(origin, host)| Some((host.waiting.front()?.0, origin.clone()))).collect()
        };
        while self.can_serve_any()
            && let Some((_, origin)) = firsts.pop_first()
        {
            let first = self.hosts.borrow().get(&origin).and_then(|host| host.waiting.front()?.1.upgrade());
            if first.is_some_and(|first| !self.serve(&first, &origin)) {
                continue; // So the exchanges behind it, for the same host, cannot be served either.
            }
            let mut hosts = self.hosts.borrow_mut();
            let Some(host) = hosts.get_mut(&origin) else { continue };
            if host.waiting.pop_front().is_some() {
                self.waiting.set(self.waiting.get() - 1);
            }
            match host.waiting.front() {
                Some((since, _)) => drop(firsts.insert(*since, origin)),
                None if host.is_empty() => drop(hosts.remove(&origin)),
                None => {}
            }
        }
    }

    // ---- Connections become free, and end.

    /// Closes the oldest idle connection if there is one more than the limits allow.
    fn close_surplus(&self, origin: &Origin) {
        let hosts = self.hosts.borrow();
        let own = hosts.get(origin).filter(|host| host.idle.len() > self.settings().max_idle_per_host);
        let surplus = match own {
            Some(host) => host.idle.front(),
            None if self.idle.get() > self.settings().max_idle => {
                hosts.values().filter_map(|host| host.idle.front()).min_by_key(|(since, _)| *since)
            }
            None => None,
        };
        let surplus = surplus.map(|(_, connection)| connection.clone());
        drop(hosts);
        if let Some(connection) = surplus {
            self.take_out_of_idle(&connection);
            connection.close();
        }
    }

    /// Removes `connection` from the idle ones, if it is one of them.
    fn take_out_of_idle(&self, connection: &ClientConnection) {
        let mut hosts = self.hosts.borrow_mut();
        let Some(host) = hosts.get_mut(connection.origin()) else { return };
        let before = host.idle.len();
        host.idle.retain(|(_, other)| !std::ptr::eq(&**other, connection));
        self.idle.set(self.idle.get() - (before - host.idle.len()));
    }

    /// Closes all idle connections; each Deferred fires when one is gone.
    pub(super) fn close_idle(&self) -> Vec<Deferred<()>> {
        let idle: Vec<Rc<ClientConnection>> = self
            .hosts
            .borrow()
            .values()
            .flat_map(|host| host.idle.iter().map(|(_, connection)| connection.clone()))
            .collect();
        let close = |connection: &Rc<ClientConnection>| {
            let (deferred, firer) = Deferred::unwatched();
            connection.tell_when_gone(firer);
            self.take_out_of_idle(connection);
            connection.close();
            deferred
        };
        idle.iter().map(close).collect()
    }
}

impl ConnectionOwner for Pool {
    fn connection_freed(&self, connection: &Rc<ClientConnection>) {
        let (Some(reactor), true) = (self.route.reactor(), self.settings().max_idle_per_host > 0) else {
            return connection.close();
        };
        connection.keep_idle(&reactor, self.settings().idle_timeout);
        let since = self.take_number();
        let mut hosts = self.hosts.borrow_mut();
        let host = hosts.entry(connection.origin().clone()).or_default();
        host.idle.push_back((since, connection.clone()));
        self.idle.set(self.idle.get() + 1);
        drop(hosts);
        self.serve_waiting();
        self.close_surplus(connection.origin());
    }

    fn connection_closing(&self, connection: &ClientConnection) {
        self.take_out_of_idle(connection);
    }

    fn connection_gone(&self, connection: &ClientConnection) {
        self.take_out_of_idle(connection);
        self.making_room.borrow_mut().retain(|other| !std::ptr::eq(other.as_ptr(), connection));
        self.open.set(self.open.get() - 1);
        let mut hosts = self.hosts.borrow_mut();
        if let Some(host) = hosts.get_mut(connection.origin()) {
            host.open -= 1;
            if host.is_empty() {
                hosts.remove(connection.origin());
            }
        }
        drop(hosts);
        self.serve_waiting();
    }
}

impl Host {
    fn is_empty(&self) -> bool {
        self.open == 0 && self.waiting.is_empty()
    }
}

impl Drop for Pool {
    /// No request can come any more that would use the idle connections.
    fn drop(&mut self) {
        for (_, connection) in self.hosts.get_mut().values().flat_map(|host| &host.idle) {
            connection.close();
        }
    }
}
