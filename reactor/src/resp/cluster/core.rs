//! [`Core`]: the servers of a cluster, and the map of its slots.
//!
//! The map is asked for at the start; when a server says that a slot has moved; when a command cannot be sent; and when
//! a connection is lost or cannot be made: perhaps its server has left the cluster, and nobody else would say so. The
//! pauses between the attempts to connect grow, and so do those between these questions. Any server may be asked, those
//! with a connection first. One question is on its way at a time.
//!
//! Ownership: the program's handles hold this, this holds a client for each server, and a client holds the commands
//! that wait there. What waits refers to this weakly.
//!
//! Next: `journey.rs`, the way of one command.

use super::map::{MAX_NODES, NodeAddress, SlotMap};
use super::settings::ClusterSettings;
use crate::event_loop::WeakReactor;
use crate::resp::client::{Client, Invalidation, Layer, Tracking, WhenDown};
use crate::service::ServiceError;
use crate::{Deferred, DelayedCall, Destination, Failure, Firer, Reactor, deferred};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::{Rc, Weak};
use std::time::{Duration, Instant};

/// A map is asked for no more often than this. A cluster in trouble has enough to do.
const BETWEEN_MAPS: Duration = Duration::from_millis(100);

/// Maximum number of Deferreds that wait for the first map.
const MAX_WAITERS: usize = 65_536;

/// The program's closure for invalidations, shared by the clients.
pub(super) type OnInvalidation = Rc<RefCell<dyn FnMut(Invalidation<'_>)>>;

pub(super) struct Core {
    pub(super) this: Weak<Core>,
    pub(super) reactor: WeakReactor,
    pub(super) settings: RefCell<Rc<ClusterSettings>>,
    seeds: Vec<Destination>,
    layer: RefCell<Option<Layer>>,
    tracking: RefCell<Option<(Tracking, OnInvalidation)>>,
    nodes: RefCell<BTreeMap<NodeAddress, Client>>,
    map: RefCell<SlotMap>,
    is_running: Cell<bool>,
    is_asking: Cell<bool>,
    last_asked: Cell<Option<Instant>>,
    /// Number of times that asking for a map has failed in a row.
    failures: Cell<u32>,
    /// Why the last question for a map got none.
    last_failure: RefCell<Option<Failure>>,
    waiters: RefCell<Vec<Firer<()>>>,
    /// What sleeps, by numbers that are given out once. A stop wakes all: nothing may be left of it then.
    sleepers: RefCell<BTreeMap<u64, (Firer<()>, DelayedCall)>>,
    next_sleeper: Cell<u64>,
    /// Commands without a reply, and their bytes.
    pub(super) commands: Cell<usize>,
    pub(super) bytes: Cell<usize>,
}

impl Core {
    pub(super) fn new(reactor: &Reactor, seeds: Vec<Destination>) -> Rc<Core> {
        Rc::new_cyclic(|this| Core {
            this: this.clone(),
            reactor: reactor.weak(),
            settings: RefCell::default(),
            seeds,
            layer: RefCell::new(None),
            tracking: RefCell::new(None),
            nodes: RefCell::default(),
            map: RefCell::new(SlotMap::empty()),
            is_running: Cell::new(false),
            is_asking: Cell::new(false),
            last_asked: Cell::new(None),
            failures: Cell::new(0),
            last_failure: RefCell::new(None),
            waiters: RefCell::default(),
            sleepers: RefCell::default(),
            next_sleeper: Cell::new(0),
            commands: Cell::new(0),
            bytes: Cell::new(0),
        })
    }

    pub(super) fn settings(&self) -> Rc<ClusterSettings> {
        self.settings.borrow().clone()
    }

    #[cfg(feature = "tls")]
    pub(super) fn set_layer(&self, layer: Layer) {
        drop(self.layer.replace(Some(layer)));
    }

    pub(super) fn set_tracking(&self, tracking: Tracking, on_invalidation: OnInvalidation) {
        drop(self.tracking.replace(Some((tracking, on_invalidation))));
    }

    pub(super) fn is_running(&self) -> bool {
        self.is_running.get()
    }

    pub(super) fn start(&self) {
        if !self.is_running.replace(true) {
            self.refresh();
        }
    }

    pub(super) fn stop(&self) -> Deferred<()> {
        self.is_running.set(false);
        let nodes = self.nodes.take();
        *self.map.borrow_mut() = SlotMap::empty();
        let gone: Vec<Deferred<()>> = nodes.values().map(Client::stop).collect();
        for waiter in self.waiters.take() {
            let _ = waiter.errback(ServiceError::Stopped); // It may have been cancelled.
        }
        self.wake_all();
        // The clients stay until they have stopped.
        deferred::deferred_list(gone).add_callback(move |_| drop(nodes))
    }

    // ---- Servers.

    /// The client of a server; a new one if there is none. `None` if there are too many, or the cluster is stopped.
    pub(super) fn node(&self, address: &NodeAddress) -> Option<Client> {
        if let Some(client) = self.nodes.borrow().get(address) {
            return Some(client.clone());
        }
        let reactor = self.reactor.upgrade().filter(|_| self.is_running.get())?;
        if self.nodes.borrow().len() >= MAX_NODES + self.seeds.len() {
            return None;
        }
        let settings = self.settings();
        let seed = self.seeds.iter().find(|seed| NodeAddress::of(seed) == *address).cloned();
        let destination = seed.unwrap_or_else(|| (address.host.clone(), address.port).into());
        let mut of_client = settings.client.clone();
        of_client.when_down = WhenDown::Refuse; // Another server may be in its place soon.
        of_client.database = 0;
        let client = Client::new(&reactor, destination.timeout(settings.connect_timeout)).with_settings(of_client);
        let mut client = client.with_layer(self.layer.borrow().clone());
        if let Some((tracking, on_invalidation)) = &*self.tracking.borrow() {
            let on_invalidation = on_invalidation.clone();
            client = client.with_tracking(tracking.clone(), move |what| (on_invalidation.borrow_mut())(what));
        }
        let this = self.this.clone();
        client.set_on_down(move || {
            // Without any map it is asked for again and again anyway.
            this.upgrade().filter(|core| !core.map.borrow().is_empty()).into_iter().for_each(|core| core.refresh());
        });
        client.start();
        self.nodes.borrow_mut().insert(address.clone(), client.clone());
        Some(client)
    }

    /// The server that has a slot.
    pub(super) fn address_of(&self, slot: u16) -> Option<NodeAddress> {
        self.map.borrow().get(slot).cloned()
    }

    pub(super) fn place_of(&self, slot: u16) -> Option<u16> {
        self.map.borrow().place(slot)
    }

    pub(super) fn primaries(&self) -> Vec<NodeAddress> {
        self.map.borrow().primaries().to_vec()
    }

    /// A server has said that the slot is elsewhere.
    pub(super) fn moved(&self, slot: u16, address: NodeAddress) {
        self.map.borrow_mut().moved(slot, address);
        self.refresh(); // Slots seldom move alone.
    }

    pub(super) fn is_connected(&self) -> bool {
        let (map, nodes) = (self.map.borrow(), self.nodes.borrow());
        !map.is_empty() && map.primaries().iter().filter_map(|at| nodes.get(at)).all(Client::is_connected)
    }

    /// Why there is no map. What a server has against us says more than that there is no connection to it.
    pub(super) fn last_failure(&self) -> Option<Failure> {
        if !self.map.borrow().is_empty() {
            return None;
        }
        let of_node = self.nodes.borrow().values().find_map(Client::last_failure);
        of_node.or_else(|| self.last_failure.borrow().clone())
    }

    // ---- The map.

    /// Fires when there is a map.
    #[track_caller]
    pub(super) fn when_ready(&self) -> Deferred<()> {
        if !self.map.borrow().is_empty() {
            return deferred::succeed(());
        }
        let mut waiters = self.waiters.borrow_mut();
        if waiters.len() >= MAX_WAITERS {
            waiters.retain(|waiter| !waiter.called());
        }
        if waiters.len() >= MAX_WAITERS {
            return deferred::fail(ServiceError::TooManyWaiters);
        }
        let (deferred, firer) = Deferred::unwatched();
        waiters.push(firer);
        deferred
    }

    /// Asks for a map, if nobody does.
    pub(super) fn refresh(&self) {
        if self.is_running.get() && !self.is_asking.replace(true) {
            Deferred::from_future(ask(self.this.clone())).add_both(|_| ()).detach();
        }
    }

    /// Fires when a map may be asked for again.
    fn when_due(&self) -> Deferred<()> {
        let Some(reactor) = self.reactor.upgrade() else { return deferred::fail(ServiceError::Stopped) };
        let now = reactor.now();
        let due = self.last_asked.get().map_or(now, |last| last + BETWEEN_MAPS);
        self.last_asked.set(Some(now.max(due)));
        match due > now {
            true => self.sleep(due - now),
            false => deferred::succeed(()),
        }
    }

    /// Whom to ask: those with a connection, then the others.
    fn candidates(&self) -> Vec<NodeAddress> {
        let nodes = self.nodes.borrow();
        let connected =
            |is: bool| nodes.iter().filter(move |(_, node)| node.is_connected() == is).map(|(at, _)| at.clone());
        let mut all: Vec<NodeAddress> = connected(true).chain(connected(false)).collect();
        for other in self.primaries().into_iter().chain(self.seeds.iter().map(NodeAddress::of)) {
            if !all.contains(&other) {
                all.push(other);
            }
        }
        all
    }

    /// A new map is here. Servers that are not in it are given up: their clients end with their last command.
    fn mapped(&self, map: SlotMap) {
        let mut nodes = self.nodes.borrow_mut();
        let gone: Vec<NodeAddress> = nodes.keys().filter(|node| !map.primaries().contains(node)).cloned().collect();
        let gone: Vec<Client> = gone.iter().filter_map(|node| nodes.remove(node)).collect();
        drop(nodes);
        let had_others = !gone.is_empty() && !self.map.borrow().is_empty();
        *self.map.borrow_mut() = map;
        drop(gone);
        if had_others && let Some((_, on_invalidation)) = &*self.tracking.borrow() {
            // Nobody tells any more what has changed there.
            (on_invalidation.borrow_mut())(Invalidation::Everything);
        }
        for waiter in self.waiters.take() {
            let _ = waiter.callback(()); // It may have been cancelled.
        }
    }

    fn asked(&self, result: Result<SlotMap, Failure>) {
        self.is_asking.set(false);
        match result {
            Ok(map) => {
                self.failures.set(0);
                self.mapped(map);
            }
            Err(failure) => {
                log::debug!(target: "reactor", "no server of the cluster has sent a map: {failure}");
                self.failures.set(self.failures.get().saturating_add(1));
                drop(self.last_failure.replace(Some(failure)));
                // Without any map, nobody else asks again.
                if self.map.borrow().is_empty() && self.is_running.get() {
                    let this = self.this.clone();
                    let again = move |()| this.upgrade().into_iter().for_each(|core| core.refresh());
                    self.sleep(self.pause(self.failures.get())).add_callback(again).add_errback(|_| ()).detach();
                }
            }
        }
    }

    /// Fires after this time, or earlier, when the cluster is stopped.
    pub(super) fn sleep(&self, time: Duration) -> Deferred<()> {
        let Some(reactor) = self.reactor.upgrade() else { return deferred::fail(ServiceError::Stopped) };
        let number = self.next_sleeper.replace(self.next_sleeper.get() + 1);
        let (this, of_canceller) = (self.this.clone(), self.this.clone());
        let (deferred, firer) = Deferred::unwatched_with_canceller(move |_| {
            let found = of_canceller.upgrade().and_then(|core| core.sleepers.borrow_mut().remove(&number));
            if let Some((_, call)) = found {
                call.cancel();
            }
        });
        let call = reactor.call_later(time, move || {
            let found = this.upgrade().and_then(|core| core.sleepers.borrow_mut().remove(&number));
            if let Some((firer, _)) = found {
                let _ = firer.callback(()); // It may have been cancelled.
            }
        });
        self.sleepers.borrow_mut().insert(number, (firer, call));
        deferred
    }

    fn wake_all(&self) {
        for (firer, call) in self.sleepers.take().into_values() {
            call.cancel();
            let _ = firer.callback(()); // It may have been cancelled.
        }
    }

    /// How long to wait before the next try, when `tries` tries have failed.
    pub(super) fn pause(&self, tries: u32) -> Duration {
        let settings = self.settings();
        let doublings = tries.saturating_sub(1).min(16);
        settings.first_pause.saturating_mul(1 << doublings).min(settings.longest_pause).max(Duration::from_millis(1))
    }
}

impl Drop for Core {
    /// What sleeps finds that there is no cluster any more: in the next turn, because a program that drops something
    /// does not expect callbacks.
    fn drop(&mut self) {
        let sleepers = self.sleepers.take();
        if sleepers.is_empty() {
            return;
        }
        for (_, call) in sleepers.values() {
            call.cancel();
        }
        if let Some(reactor) = self.reactor.upgrade() {
            let wake = move || {
                for (firer, _) in sleepers.into_values() {
                    let _ = firer.callback(()); // It may have been cancelled.
                }
            };
            reactor.call_later(Duration::ZERO, wake);
        }
    }
}

/// Asks one server after the other, until one has a map.
async fn ask(core: Weak<Core>) -> Result<(), Failure> {
    if let Some(due) = core.upgrade().map(|core| core.when_due()) {
        due.await?;
    }
    let candidates = core.upgrade().map(|core| core.candidates()).unwrap_or_default();
    let mut result = Err(Failure::msg("there is none to ask"));
    for address in candidates {
        let Some(asked) = core.upgrade().and_then(|core| {
            let limit = core.settings().connect_timeout;
            Some(core.node(&address)?.command_within(limit, ["CLUSTER", "SLOTS"]))
        }) else {
            continue;
        };
        result = asked.await.and_then(|reply| match SlotMap::parse(&reply, &address.host) {
            Some(map) if map.is_empty() => Err(Failure::msg(format!(
                "{address} has no slot, nor knows a server that has: is the cluster created?"
            ))),
            Some(map) => Ok(map),
            None => Err(crate::resp::ServerFault::Nonsense { command: "CLUSTER SLOTS" }.into()),
        });
        if result.is_ok() {
            break;
        }
    }
    if let Some(core) = core.upgrade() {
        core.asked(result);
    }
    Ok(())
}
