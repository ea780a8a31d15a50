//! [`Pool`]: which request gets which connection, and which has to wait.
//!
//! ```text
//!   a request --> an idle connection of its host, the one used last
//!            \--> else a new one, if there may be one more
//!            \--> else the queue of its host, if there is room
//!            \--> else TooManyWaiting
//! ```
//!
//! When a connection becomes free or ends, the request that has waited longest among those that could now be served is
//! served. A host with idle connections gives one up if another host would have to wait for it.
//!
//! Connections at work are not held here, only counted: a pool must not keep them when everybody else is gone.

use super::connection::{ClientConnection, ConnectionOwner, ConnectionUser};
use super::error::TooManyWaiting;
use super::origin::Origin;
use super::route::Route;
use super::settings::AgentSettings;
use crate::Deferred;
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::rc::{Rc, Weak};

pub(super) struct Pool {
    this: Weak<Pool>,
    route: Rc<Route>,
    /// In order: there are seldom more than a few, and each request looks for its own several times.
    hosts: RefCell<BTreeMap<Origin, Host>>,
    /// Sums over all hosts.
    open: Cell<usize>,
    idle: Cell<usize>,
    waiting: Cell<usize>,
    /// Connections that were told to make room and are not gone yet.
    making_room: RefCell<Vec<Weak<ClientConnection>>>,
    /// Numbers those who wait and those who are idle, in the order in which they began.
    turn: Cell<u64>,
}

#[derive(Default)]
struct Host {
    open: usize,
    /// The one used last is the last.
    idle: VecDeque<(u64, Rc<ClientConnection>)>,
    waiting: VecDeque<(u64, Weak<dyn ConnectionUser>)>,
}

/// What can be done for a request.
enum Plan {
    Reuse(Rc<ClientConnection>),
    Open,
    /// Close this one, to open another when it is gone.
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
            turn: Cell::new(0),
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

    fn next_turn(&self) -> u64 {
        self.turn.replace(self.turn.get() + 1)
    }

    // ---- Requests come, wait, and go.

    /// Sees to it that `user` gets a connection, now or later.
    pub(super) fn submit(&self, user: &Rc<dyn ConnectionUser>) -> Result<(), TooManyWaiting> {
        let origin = user.origin();
        let first_come = self.hosts.borrow().get(origin).map_or(0, |host| host.waiting.len());
        if first_come == 0 && self.serve(user, origin) {
            return Ok(());
        }
        for (waiting, limit) in
            [(first_come, self.settings().max_waiting_per_host), (self.waiting.get(), self.settings().max_waiting)]
        {
            if waiting >= limit {
                return Err(TooManyWaiting { waiting });
            }
        }
        self.enqueue(user, VecDeque::push_back);
        Ok(())
    }

    /// The same for one that was served once, by a stale connection: it comes before those who still wait.
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
        let entry = (self.next_turn(), Rc::downgrade(user));
        push(&mut self.hosts.borrow_mut().entry(user.origin().clone()).or_default().waiting, entry);
        self.waiting.set(self.waiting.get() + 1);
    }

    /// Takes `user` out of the queue, if it is there; it stands in it once at most.
    ///
    /// It is looked for from the front, where those stand whose time is over: each of them is found at once. Who is
    /// cancelled elsewhere costs a look at those before it, which are no more than `max_waiting_per_host`: the 256 of
    /// the default are 4 KiB, less than the cancelled request has cost already. An index to find it at once would have
    /// to be kept by every request that waits.
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

    /// Begins to make a connection for `user`.
    fn open_for(&self, user: &Rc<dyn ConnectionUser>) {
        let origin = user.origin();
        let settings = self.route.settings().clone();
        let connection = ClientConnection::new(self.this.clone(), origin.clone(), settings, Rc::downgrade(user));
        let Some(connector) = self.route.connect(connection.clone()) else { return };
        self.open.set(self.open.get() + 1);
        self.hosts.borrow_mut().entry(origin.clone()).or_default().open += 1;
        user.connecting(connection, connector);
    }

    /// Whether there may be one more connection.
    fn has_room(&self) -> bool {
        self.open.get() < self.settings().max_open.max(1)
    }

    /// Whether anything can be done for anybody.
    fn has_anything(&self) -> bool {
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

    /// Serves those who wait, as far as that can be done; who has waited longest comes first.
    fn serve_those_who_wait(&self) {
        if self.waiting.get() == 0 || !self.has_anything() {
            return;
        }
        // The first of each host, looked for once: there may be as many hosts as requests wait.
        let mut firsts: BTreeMap<u64, Origin> = {
            let hosts = self.hosts.borrow();
            hosts.iter().filter_map(|(origin, host)| Some((host.waiting.front()?.0, origin.clone()))).collect()
        };
        while self.has_anything()
            && let Some((_, origin)) = firsts.pop_first()
        {
            let first = self.hosts.borrow().get(&origin).and_then(|host| host.waiting.front()?.1.upgrade());
            if first.is_some_and(|first| !self.serve(&first, &origin)) {
                continue; // Nor can those of its host that wait behind it.
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

    /// Keeps to the limits on idle connections: the oldest go.
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

    /// Takes `connection` out of the idle ones, if it is there.
    fn take_out_of_idle(&self, connection: &ClientConnection) {
        let mut hosts = self.hosts.borrow_mut();
        let Some(host) = hosts.get_mut(connection.origin()) else { return };
        let before = host.idle.len();
        host.idle.retain(|(_, other)| !std::ptr::eq(&**other, connection));
        self.idle.set(self.idle.get() - (before - host.idle.len()));
    }

    /// Closes all idle connections; fires when they are gone.
    pub(super) fn close_idle(&self) -> Vec<Deferred<()>> {
        let idle: Vec<Rc<ClientConnection>> = self
            .hosts
            .borrow()
            .values()
            .flat_map(|host| host.idle.iter().map(|(_, connection)| connection.clone()))
            .collect();
        let close = |connection: &Rc<ClientConnection>| {
            let (deferred, firer) = Deferred::new();
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
        let since = self.next_turn();
        let mut hosts = self.hosts.borrow_mut();
        let host = hosts.entry(connection.origin().clone()).or_default();
        host.idle.push_back((since, connection.clone()));
        self.idle.set(self.idle.get() + 1);
        drop(hosts);
        self.serve_those_who_wait();
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
        self.serve_those_who_wait();
    }
}

impl Host {
    fn is_empty(&self) -> bool {
        self.open == 0 && self.waiting.is_empty()
    }
}

impl Drop for Pool {
    /// Nobody can ask for the idle connections any more.
    fn drop(&mut self) {
        for (_, connection) in self.hosts.get_mut().values().flat_map(|host| &host.idle) {
            connection.close();
        }
    }
}
