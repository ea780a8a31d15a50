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

use super::agent_error::TooManyWaiting;
use super::agent_settings::AgentSettings;
use super::exchange::Exchange;
use super::link::{Link, LinkFactory, LinkProtocol};
use super::proxy::Tunnel;
use super::request::Request;
use super::url::Url;
use crate::event_loop::WeakReactor;
use crate::tls::{TlsClient, TlsConfigError};
use crate::{Deferred, Destination, Protocol, Reactor};
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::rc::{Rc, Weak};

/// Connections to the same place can stand in for each other. (The proxy is the same for all of a pool.)
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    secure: bool,
    host: Rc<str>,
    port: u16,
}

impl Key {
    fn of(url: &Url) -> Key {
        Key { secure: url.is_secure(), host: url.host().into(), port: url.port() }
    }

    pub(super) fn is_secure(&self) -> bool {
        self.secure
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", Destination::from((&*self.host, self.port)))
    }
}

pub(super) struct Pool {
    reactor: WeakReactor,
    tls: TlsClient,
    settings: AgentSettings,
    /// In order: there are seldom more than a few, and each request looks for its own several times.
    hosts: RefCell<BTreeMap<Key, Host>>,
    /// Sums over all hosts.
    open: Cell<usize>,
    idle: Cell<usize>,
    waiting: Cell<usize>,
    /// Connections that were told to make room and are not gone yet.
    making_room: RefCell<Vec<Weak<Link>>>,
    /// Numbers those who wait and those who are idle, in the order in which they began.
    turn: Cell<u64>,
}

#[derive(Default)]
struct Host {
    open: usize,
    /// The one used last is the last.
    idle: VecDeque<(u64, Rc<Link>)>,
    waiting: VecDeque<(u64, Weak<Exchange>)>,
}

/// What can be done for a request.
enum Plan {
    Reuse(Rc<Link>),
    Open,
    /// Close this one, to open another when it is gone.
    MakeRoom(Rc<Link>),
    Wait,
}

impl Pool {
    pub(super) fn new(reactor: &Reactor, tls: TlsClient, settings: AgentSettings) -> Rc<Pool> {
        Rc::new(Pool {
            reactor: reactor.weak(),
            // The exchange has the same limit for this and a CONNECT together; it comes first.
            tls: tls.handshake_timeout(settings.handshake_timeout),
            settings,
            hosts: RefCell::default(),
            open: Cell::new(0),
            idle: Cell::new(0),
            waiting: Cell::new(0),
            making_room: RefCell::default(),
            turn: Cell::new(0),
        })
    }

    pub(super) fn reactor(&self) -> Option<Reactor> {
        self.reactor.upgrade()
    }

    pub(super) fn tls(&self) -> &TlsClient {
        &self.tls
    }

    pub(super) fn settings(&self) -> &AgentSettings {
        &self.settings
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

    // ---- What a request needs.

    /// The head of `request`, as it goes over the wire.
    pub(super) fn head_of(&self, request: &Request) -> Vec<u8> {
        let url = request.url();
        let coding = match self.settings.accept_gzip {
            true => "Accept-Encoding: gzip\r\n",
            false => "Accept-Encoding: identity\r\n",
        };
        let close = if self.settings.max_idle_per_host == 0 { "Connection: close\r\n" } else { "" };
        match &self.settings.proxy {
            Some(proxy) if !self.needs_tunnel(url.is_secure()) => {
                let more = [coding, close, &proxy.authorization_line()];
                request.head_bytes(&url.to_string(), &self.settings.user_agent, &more)
            }
            _ => request.head_bytes(url.target(), &self.settings.user_agent, &[coding, close]),
        }
    }

    /// What speaks on the connection of `link`: layer over layer.
    pub(super) fn protocol_of(&self, link: &Rc<Link>) -> Result<Box<dyn Protocol>, TlsConfigError> {
        let (plain, key) = (Box::new(LinkProtocol::new(link.clone())), link.key());
        let protocol = if key.secure { self.tls.wrap(&key.host, plain)? } else { plain };
        Ok(match &self.settings.proxy {
            Some(proxy) if self.needs_tunnel(key.secure) => {
                let place = self.place(key).to_string();
                Box::new(Tunnel::new(link.clone(), &place, proxy, &self.settings.limits, protocol))
            }
            _ => protocol,
        })
    }

    /// Whether a proxy is asked for a tunnel. A proxy that gets the whole URL goes where that says; only one that is
    /// asked for a tunnel goes to `connect_to`.
    fn needs_tunnel(&self, secure: bool) -> bool {
        secure || self.settings.connect_to.is_some()
    }

    /// Where the server is, or is said to be.
    fn place(&self, key: &Key) -> Destination {
        match &self.settings.connect_to {
            Some((host, port)) => Destination::from((host.as_str(), *port)),
            None => Destination::from((&*key.host, key.port)),
        }
    }

    fn open_for(self: &Rc<Self>, exchange: &Rc<Exchange>, key: Key) {
        let Some(reactor) = self.reactor() else { return };
        let destination = match &self.settings.proxy {
            Some(proxy) => Destination::from((proxy.host(), proxy.port())),
            None => self.place(&key),
        };
        self.open.set(self.open.get() + 1);
        self.hosts.borrow_mut().entry(key.clone()).or_default().open += 1;
        let link = Link::new(self, key, exchange);
        let destination = destination.timeout(self.settings.connect_timeout);
        let connector = reactor.connect_tcp(destination, LinkFactory::new(link.clone()));
        exchange.connecting(link, connector);
    }

    // ---- Requests come, wait, and go.

    /// Sees to it that `exchange` gets a connection, now or later.
    pub(super) fn submit(self: &Rc<Self>, exchange: &Rc<Exchange>) -> Result<(), TooManyWaiting> {
        let key = Key::of(exchange.request().url());
        let first_come = self.hosts.borrow().get(&key).map_or(0, |host| host.waiting.len());
        if first_come == 0 && self.serve(exchange, &key) {
            return Ok(());
        }
        for (waiting, limit) in
            [(first_come, self.settings.max_waiting_per_host), (self.waiting.get(), self.settings.max_waiting)]
        {
            if waiting >= limit {
                return Err(TooManyWaiting { waiting });
            }
        }
        self.enqueue(exchange, key, VecDeque::push_back);
        Ok(())
    }

    /// The same for one that was served once, by a stale connection: it comes before those who still wait.
    pub(super) fn submit_again(self: &Rc<Self>, exchange: &Rc<Exchange>) {
        let key = Key::of(exchange.request().url());
        if !self.serve(exchange, &key) {
            self.enqueue(exchange, key, VecDeque::push_front);
        }
    }

    fn enqueue(
        &self,
        exchange: &Rc<Exchange>,
        key: Key,
        push: impl FnOnce(&mut VecDeque<(u64, Weak<Exchange>)>, (u64, Weak<Exchange>)),
    ) {
        let entry = (self.next_turn(), Rc::downgrade(exchange));
        push(&mut self.hosts.borrow_mut().entry(key).or_default().waiting, entry);
        self.waiting.set(self.waiting.get() + 1);
    }

    /// Takes `exchange` out of the queue, if it is there; it stands in it once at most.
    ///
    /// It is looked for from the front, where those stand whose time is over: each of them is found at once. Who is
    /// cancelled elsewhere costs a look at those before it, which are no more than `max_waiting_per_host`: the 256 of
    /// the default are 4 KiB, less than the cancelled request has cost already. An index to find it at once would have
    /// to be kept by every request that waits.
    pub(super) fn forget(&self, exchange: &Rc<Exchange>) {
        let key = Key::of(exchange.request().url());
        let mut hosts = self.hosts.borrow_mut();
        let Some(host) = hosts.get_mut(&key) else { return };
        let found = host.waiting.iter().position(|(_, other)| std::ptr::eq(other.as_ptr(), Rc::as_ptr(exchange)));
        if found.and_then(|at| host.waiting.remove(at)).is_some() {
            self.waiting.set(self.waiting.get() - 1);
        }
        if host.is_empty() {
            hosts.remove(&key);
        }
    }

    /// Does for `exchange` what can be done now; true if it need not wait.
    fn serve(self: &Rc<Self>, exchange: &Rc<Exchange>, key: &Key) -> bool {
        match self.plan(key, exchange.wants_a_new_link()) {
            Plan::Reuse(link) => {
                self.is_no_longer_idle(&link);
                link.begin(exchange);
                true
            }
            Plan::Open => {
                self.open_for(exchange, key.clone());
                true
            }
            Plan::MakeRoom(link) => {
                self.making_room.borrow_mut().push(Rc::downgrade(&link));
                self.is_no_longer_idle(&link);
                link.close();
                false
            }
            Plan::Wait => false,
        }
    }

    /// Whether there may be one more connection.
    fn has_room(&self) -> bool {
        self.open.get() < self.settings.max_open.max(1)
    }

    /// Whether anything can be done for anybody.
    fn has_anything(&self) -> bool {
        self.has_room() || self.idle.get() > 0
    }

    fn plan(&self, key: &Key, wants_a_new_link: bool) -> Plan {
        let hosts = self.hosts.borrow();
        let host = hosts.get(key);
        let own_idle = host.and_then(|host| host.idle.back()).map(|(_, link)| link.clone());
        match own_idle {
            Some(link) if !wants_a_new_link => return Plan::Reuse(link),
            _ => {}
        }
        let has_room_in_host = host.map_or(0, |host| host.open) < self.settings.max_open_per_host.max(1);
        let has_room = self.has_room();
        let is_making_room = !self.making_room.borrow().is_empty();
        match (has_room_in_host, has_room) {
            (true, true) => Plan::Open,
            _ if is_making_room => Plan::Wait,
            (false, _) => own_idle.map_or(Plan::Wait, Plan::MakeRoom),
            (true, false) if self.idle.get() == 0 => Plan::Wait,
            (true, false) => {
                let oldest = hosts.values().filter_map(|host| host.idle.front()).min_by_key(|(since, _)| *since);
                oldest.map_or(Plan::Wait, |(_, link)| Plan::MakeRoom(link.clone()))
            }
        }
    }

    /// Serves those who wait, as far as that can be done; who has waited longest comes first.
    fn serve_those_who_wait(self: &Rc<Self>) {
        if self.waiting.get() == 0 || !self.has_anything() {
            return;
        }
        // The first of each host, looked for once: there may be as many hosts as requests wait.
        let mut firsts: BTreeMap<u64, Key> = {
            let hosts = self.hosts.borrow();
            hosts.iter().filter_map(|(key, host)| Some((host.waiting.front()?.0, key.clone()))).collect()
        };
        while self.has_anything()
            && let Some((_, key)) = firsts.pop_first()
        {
            let first = self.hosts.borrow().get(&key).and_then(|host| host.waiting.front()?.1.upgrade());
            if first.is_some_and(|first| !self.serve(&first, &key)) {
                continue; // Nor can those of its host that wait behind it.
            }
            let mut hosts = self.hosts.borrow_mut();
            let Some(host) = hosts.get_mut(&key) else { continue };
            if host.waiting.pop_front().is_some() {
                self.waiting.set(self.waiting.get() - 1);
            }
            match host.waiting.front() {
                Some((since, _)) => drop(firsts.insert(*since, key)),
                None if host.is_empty() => drop(hosts.remove(&key)),
                None => {}
            }
        }
    }

    // ---- Connections become free, and end.

    /// `link` has brought its answer and may carry another request.
    pub(super) fn released(self: &Rc<Self>, link: &Rc<Link>) {
        let (Some(reactor), true) = (self.reactor(), self.settings.max_idle_per_host > 0) else {
            return link.close();
        };
        link.rest(&reactor, self.settings.idle_timeout);
        let since = self.next_turn();
        let mut hosts = self.hosts.borrow_mut();
        let host = hosts.entry(link.key().clone()).or_default();
        host.idle.push_back((since, link.clone()));
        self.idle.set(self.idle.get() + 1);
        drop(hosts);
        self.serve_those_who_wait();
        self.close_surplus(link.key());
    }

    /// Keeps to the limits on idle connections: the oldest go.
    fn close_surplus(&self, key: &Key) {
        let hosts = self.hosts.borrow();
        let own = hosts.get(key).filter(|host| host.idle.len() > self.settings.max_idle_per_host);
        let surplus = match own {
            Some(host) => host.idle.front(),
            None if self.idle.get() > self.settings.max_idle => {
                hosts.values().filter_map(|host| host.idle.front()).min_by_key(|(since, _)| *since)
            }
            None => None,
        };
        let surplus = surplus.map(|(_, link)| link.clone());
        drop(hosts);
        if let Some(link) = surplus {
            self.is_no_longer_idle(&link);
            link.close();
        }
    }

    /// Takes `link` out of the idle ones, if it is there.
    pub(super) fn is_no_longer_idle(&self, link: &Link) {
        let mut hosts = self.hosts.borrow_mut();
        let Some(host) = hosts.get_mut(link.key()) else { return };
        let before = host.idle.len();
        host.idle.retain(|(_, other)| !std::ptr::eq(&**other, link));
        self.idle.set(self.idle.get() - (before - host.idle.len()));
    }

    /// `link` is gone.
    pub(super) fn gone(self: &Rc<Self>, link: &Link) {
        self.is_no_longer_idle(link);
        self.making_room.borrow_mut().retain(|other| !std::ptr::eq(other.as_ptr(), link));
        self.open.set(self.open.get() - 1);
        let mut hosts = self.hosts.borrow_mut();
        if let Some(host) = hosts.get_mut(link.key()) {
            host.open -= 1;
            if host.is_empty() {
                hosts.remove(link.key());
            }
        }
        drop(hosts);
        self.serve_those_who_wait();
    }

    /// Closes all idle connections; fires when they are gone.
    pub(super) fn close_idle(&self) -> Vec<Deferred<()>> {
        let idle: Vec<Rc<Link>> =
            self.hosts.borrow().values().flat_map(|host| host.idle.iter().map(|(_, link)| link.clone())).collect();
        let close = |link: &Rc<Link>| {
            let (deferred, firer) = Deferred::new();
            link.tell_when_gone(firer);
            self.is_no_longer_idle(link);
            link.close();
            deferred
        };
        idle.iter().map(close).collect()
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
        for (_, link) in self.hosts.get_mut().values().flat_map(|host| &host.idle) {
            link.close();
        }
    }
}
