//! [`Store`]: a Redis or Valkey server, or a cluster of them, that has the newest version of each client's location.
//! It outlives the herd's servers, and several herds can share it.
//!
//! ```text
//!   offer(version) ---> the bucket is lost ----------------------------------------> fails at once
//!                  '--> the function in the store decides what is newer --> Offered
//!                                        '--> no reply, no sense, no confirmation: the bucket is lost, and it fails
//!   look_up(client) --> remembered, or asked for
//! ```
//!
//! This module knows what a store is, and not what a server does with it: that is `server/storing.rs`.
//!
//! Circle: this file and `store/` are one store. What it loses has a file of its own.
//!
//! Next: [`store/contract.rs`](../../src/proxyherd/store/contract.rs.html), what is said.

mod cache;
mod confirming;
pub mod contract;
mod doubt;
mod health;
mod library;
mod looking;
mod losing;
mod news;
mod nodes;
mod under_way;
mod why;

pub use contract::{Offer, Offered, Stored};
pub use doubt::Trouble;
pub use nodes::Access;

use crate::config::StoreConfig;
use crate::counters::Counter;
use crate::next_turn::NextTurn;
use cache::Cache;
use confirming::{Confirming, Kind};
use doubt::{Doubts, nonsense};
use health::Health;
use library::{Found, Seen};
use nodes::Nodes;
use reactor::resp::{Command, Invalidation, Value};
use reactor::{Deferred, DelayedCall, Failure, Reactor, deferred};
use std::cell::{Cell, RefCell};
use std::collections::{BTreeSet, VecDeque};
use std::fmt;
use std::rc::{Rc, Weak};
use std::time::{Duration, Instant};
use under_way::UnderWay;
use why::is_cut;

/// How often the buckets that are lost are probed.
const PROBE_EVERY: Duration = Duration::from_secs(1);

/// How often the functions of the store are looked at, when nothing seems wrong: a server of it may be a new one.
const CHECK_EVERY: Duration = Duration::from_secs(60);

/// Maximum number of offers without an answer. The store has fallen behind by seconds then.
const MAX_OFFERS: usize = 8192;

/// Maximum number of clients that are forgotten at once, because they may not be shown from memory any more: some
/// milliseconds' work.
const MAX_FORGOTTEN: usize = 4096;

/// Why the store has not taken something, or cannot say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreError {
    /// It has lost this bucket, or may not be used.
    Lost,
    /// Too many offers wait for its answer.
    TooManyOffers,
    /// It has answered what it cannot have.
    Nonsense(String),
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StoreError::Lost => f.write_str("the store does not take this client's location now"),
            StoreError::TooManyOffers => f.write_str("too many locations wait for the store"),
            StoreError::Nonsense(what) => write!(f, "the store has answered what it cannot have: {what}"),
        }
    }
}

impl std::error::Error for StoreError {}

/// What has been counted.
#[derive(Debug, Default)]
pub struct StoreCounters {
    /// Versions that the store has taken.
    pub stored: Counter,
    /// Versions that it had, or had a newer one of.
    pub known: Counter,
    /// Offers that failed.
    pub failed: Counter,
    /// Questions about a client that were answered from memory.
    pub remembered: Counter,
    /// Questions that the store has answered.
    pub looked_up: Counter,
    /// Questions that failed.
    pub not_answered: Counter,
    /// Replies that were not believed.
    pub nonsense: Counter,
}

/// The connections to a store, and what is known of it.
pub struct Store {
    this: Weak<Store>,
    reactor: Reactor,
    config: StoreConfig,
    nodes: Rc<Nodes>,
    confirming: Option<Rc<Confirming>>,
    health: Health,
    cache: Rc<RefCell<Cache>>,
    under_way: Rc<RefCell<UnderWay>>,
    offers: Cell<usize>,
    counters: StoreCounters,
    is_running: Cell<bool>,
    /// Whether the functions are being looked at, what was found before, and why a server does not take them.
    is_checking: Cell<bool>,
    seen: Rc<RefCell<Seen>>,
    lacks_functions: RefCell<Option<String>>,
    /// How many probes have no answer yet, and which bucket was probed last.
    probes: Cell<usize>,
    probed_last: Cell<u16>,
    /// Lost buckets that shall be probed because their server takes offers again.
    to_regain: RefCell<VecDeque<u16>>,
    /// Which buckets can be read although they are lost: only writes are refused there, or replicas are missing.
    readable: RefCell<Vec<bool>>,
    /// A server that was named alone has only a part of the keys.
    is_part: Cell<bool>,
    /// Servers to which there was no connection yet at the last look.
    connecting: RefCell<BTreeSet<String>>,
    doubts: RefCell<Doubts>,
    next_look: RefCell<Option<DelayedCall>>,
    next_check: RefCell<Option<DelayedCall>>,
    next_probe: RefCell<Option<DelayedCall>>,
    on_regained: RefCell<Option<Rc<dyn Fn()>>>,
    /// Once for all buckets that one turn of the loop has regained.
    tell_regained: NextTurn,
}

impl Store {
    /// A store that is not connected before [`begin`](Store::begin). `name` is the server's, for the store's own list
    /// of connections. It remembers at most `memory` bytes of what it has read.
    pub fn new(reactor: &Reactor, config: &StoreConfig, access: &Access, name: &str, memory: usize) -> Rc<Store> {
        Rc::new_cyclic(|this: &Weak<Store>| {
            let cache = Rc::new(RefCell::new(Cache::new(memory)));
            let under_way = Rc::new(RefCell::new(UnderWay::default()));
            let (changed, asked, lost) = (cache.clone(), under_way.clone(), this.clone());
            let on_invalidation = move |what: Invalidation<'_>| match what {
                Invalidation::Key(key) => {
                    if let Some(client) = contract::client_of(key) {
                        changed.borrow_mut().remove(client);
                        asked.borrow_mut().changed(client);
                    }
                }
                Invalidation::Everything => {
                    changed.borrow_mut().clear();
                    asked.borrow_mut().everything_changed();
                    // A server that was started again may have lost its functions.
                    lost.upgrade().into_iter().for_each(|store| {
                        store.is_part.set(false);
                        store.check_within(Duration::ZERO);
                    });
                }
            };
            let nodes = Rc::new(Nodes::new(reactor, config, access, name, on_invalidation));
            let StoreConfig { wait_replicas, timeout, buckets, .. } = *config;
            let confirming =
                (wait_replicas > 0).then(|| Confirming::new(&nodes, reactor, wait_replicas, timeout, buckets));
            Store {
                this: this.clone(),
                reactor: reactor.clone(),
                config: config.clone(),
                nodes,
                confirming,
                health: Health::new(buckets),
                cache,
                under_way,
                offers: Cell::new(0),
                counters: StoreCounters::default(),
                is_running: Cell::new(false),
                is_checking: Cell::new(false),
                seen: Rc::default(),
                lacks_functions: RefCell::default(),
                probes: Cell::new(0),
                probed_last: Cell::new(0),
                to_regain: RefCell::default(),
                readable: RefCell::new(vec![false; buckets.into()]),
                is_part: Cell::new(false),
                connecting: RefCell::default(),
                doubts: RefCell::default(),
                next_look: RefCell::default(),
                next_check: RefCell::default(),
                next_probe: RefCell::default(),
                on_regained: RefCell::default(),
                tell_regained: NextTurn::default(),
            }
        })
    }

    /// Connects. `on_regained` is called whenever a bucket that was lost is there again, and when the store is there
    /// for the first time.
    pub fn begin(&self, on_regained: impl Fn() + 'static) {
        self.is_running.set(true);
        *self.on_regained.borrow_mut() = Some(Rc::new(on_regained));
        self.nodes.start();
        self.check_within(Duration::ZERO);
        self.look_later();
    }

    /// Closes the connections for good. Fires when they are gone; all that waited has failed then.
    pub fn stop(&self) -> Deferred<()> {
        self.is_running.set(false);
        for call in [self.next_look.take(), self.next_check.take(), self.next_probe.take()].into_iter().flatten() {
            call.cancel();
        }
        self.tell_regained.cancel();
        self.on_regained.take();
        self.confirming.iter().for_each(|confirming| confirming.stop());
        self.nodes.stop()
    }

    /// Whether it has begun, and has not been stopped.
    pub fn is_running(&self) -> bool {
        self.is_running.get()
    }

    /// Its configuration.
    pub fn config(&self) -> &StoreConfig {
        &self.config
    }

    /// What was counted.
    pub fn counters(&self) -> &StoreCounters {
        &self.counters
    }

    /// Sets how many bytes it may remember.
    pub fn set_memory(&self, memory: usize) {
        self.cache.borrow_mut().set_limit(memory);
    }

    /// How many clients it remembers.
    pub fn remembered_count(&self) -> usize {
        self.cache.borrow().len()
    }

    /// Drops some entries that are too old to be used. The server calls this with each sweep.
    pub(crate) fn forget_old(&self) {
        self.cache.borrow_mut().forget_old(self.reactor.now(), MAX_FORGOTTEN);
    }

    /// How many commands have no reply yet.
    pub fn waiting_count(&self) -> usize {
        self.nodes.waiting_count() + self.confirming.as_ref().map_or(0, |confirming| confirming.waiting_count())
    }

    /// How many buckets are lost.
    pub fn lost_count(&self) -> usize {
        self.health.lost_count()
    }

    /// Since when some are lost, and why.
    pub fn trouble(&self) -> Option<(Instant, String)> {
        self.health.trouble()
    }

    /// The bucket of a client.
    pub fn bucket_of(&self, client: &[u8]) -> u16 {
        contract::bucket_of(client, self.config.buckets)
    }

    /// Whether an offer to this bucket would fail at once.
    pub fn has_lost(&self, bucket: u16) -> bool {
        self.health.is_lost(bucket)
    }

    /// Offers a version. Fires when the store has it, or something newer; with `wait_replicas`, when the replicas have
    /// that, too. Fails otherwise, after `timeout` at the latest. The store may have it then all the same.
    pub fn offer(&self, offer: &Offer<'_>) -> Deferred<Offered> {
        let client = offer.version.client;
        let bucket = self.bucket_of(client);
        self.cache.borrow_mut().remove(client);
        if self.has_lost(bucket) {
            self.counters.failed.add();
            return deferred::fail(StoreError::Lost);
        }
        if self.offers.get() >= MAX_OFFERS {
            self.counters.failed.add();
            return deferred::fail(StoreError::TooManyOffers);
        }
        self.under_way.borrow_mut().offered(client);
        self.offers.set(self.offers.get() + 1);
        let command = contract::offer(offer, bucket, self.confirming.is_some());
        let sent = match &self.confirming {
            Some(confirming) => confirming.send(bucket, Kind::Offer, command),
            // Offered twice, a version is the same.
            None => self.send_again_if_cut(command),
        };
        let (this, client) = (self.this.clone(), Box::<[u8]>::from(client));
        sent.add_both(move |reply| {
            let store = this.upgrade().ok_or(StoreError::Lost)?;
            store.offers.set(store.offers.get() - 1);
            store.under_way.borrow_mut().offer_over(&client);
            store.offered(bucket, &client, reply)
        })
    }

    /// Sends a command that may run twice. If its connection is cut, it is sent on the next one, if that comes in time.
    fn send_again_if_cut(&self, command: Command<'static>) -> Deferred<Value> {
        let (this, since, timeout) = (self.this.clone(), self.reactor.now(), self.config.timeout);
        self.nodes.command_within(timeout, command.clone()).add_errback(move |failure| match this.upgrade() {
            Some(store) if is_cut(&failure) && store.is_running() => {
                let left = timeout.saturating_sub(store.reactor.now().saturating_duration_since(since));
                store.nodes.command_within(left, command)
            }
            _ => deferred::fail(failure),
        })
    }

    fn offered(&self, bucket: u16, client: &[u8], reply: Result<Value, Failure>) -> Result<Offered, Failure> {
        let failure = match reply {
            Ok(value) => match contract::offered(&value, client) {
                Some(Offered::Stored { is_new }) => {
                    self.counters.stored.add();
                    return Ok(Offered::Stored { is_new });
                }
                Some(offered) => {
                    self.counters.known.add();
                    return Ok(offered);
                }
                None => nonsense(&value),
            },
            Err(failure) => failure,
        };
        self.counters.failed.add();
        self.failed(bucket, client, &failure, true);
        Err(failure)
    }

    /// What the store has of a client, as far as it is remembered, or else asked for. Fails after `timeout` at the
    /// latest, if the store does not say.
    pub fn look_up(&self, client: &[u8]) -> Deferred<Option<Stored>> {
        if let Some(stored) = self.cache.borrow().get(client, self.reactor.now()) {
            self.counters.remembered.add();
            return deferred::succeed(Some(stored.clone()));
        }
        let bucket = self.bucket_of(client);
        if self.cannot_read(bucket) {
            self.counters.not_answered.add();
            return deferred::fail(StoreError::Lost);
        }
        let (this, client) = (self.this.clone(), Box::<[u8]>::from(client));
        let question = contract::look_up(&client, bucket);
        let number = self.under_way.borrow_mut().asked(&client);
        let asked = match &self.confirming {
            Some(confirming) if confirming.holds_back(bucket) => confirming.send(bucket, Kind::Question, question),
            _ => self.send_again_if_cut(question),
        };
        asked.add_both(move |reply| {
            let store = this.upgrade().ok_or(StoreError::Lost)?;
            let is_fresh = store.under_way.borrow_mut().answered(&client, number);
            store.looked_up(bucket, &client, is_fresh, reply)
        })
    }

    /// The answer to a question; `is_fresh` if it may be remembered.
    fn looked_up(
        &self,
        bucket: u16,
        client: &[u8],
        is_fresh: bool,
        reply: Result<Value, Failure>,
    ) -> Result<Option<Stored>, Failure> {
        let failure = match reply {
            Ok(Value::Null) => {
                self.counters.looked_up.add();
                return Ok(None);
            }
            Ok(value) => match value.as_bytes().and_then(|bytes| Stored::parse(bytes.to_vec(), client)) {
                Some(stored) => {
                    self.counters.looked_up.add();
                    if is_fresh {
                        self.cache.borrow_mut().insert(client, stored.clone(), self.reactor.now());
                    }
                    return Ok(Some(stored));
                }
                None => nonsense(&value),
            },
            Err(failure) => failure,
        };
        self.counters.not_answered.add();
        self.failed(bucket, client, &failure, false);
        Err(failure)
    }

    // ---- Is it there, and is it ours?

    fn check_within(&self, delay: Duration) {
        if !self.is_running.get() {
            return;
        }
        let this = self.this.clone();
        let call = self.reactor.call_later(delay, move || {
            if let Some(store) = this.upgrade() {
                store.check();
            }
        });
        if let Some(before) = self.next_check.replace(Some(call)) {
            before.cancel();
        }
    }

    /// Looks at the functions of the store, as soon as there is a connection.
    fn check(&self) {
        if self.is_checking.replace(true) {
            return;
        }
        let (nodes, buckets, seen) = (self.nodes.clone(), self.config.buckets, self.seen.clone());
        let (this, reactor) = (self.this.clone(), self.reactor.clone());
        let connected = self.nodes.when_connected();
        let checked = connected
            .add_callback(move |()| Deferred::from_future(library::check(nodes, buckets, seen, reactor.system_time())));
        checked
            .add_both(move |found| {
                let Some(store) = this.upgrade() else { return };
                store.is_checking.set(false);
                store.checked(found.unwrap_or_else(|failure| Found::Away(library::in_short(&failure))));
            })
            .detach();
    }

    fn checked(&self, found: Found) {
        if !self.is_running.get() {
            return;
        }
        let now = self.reactor.now();
        let was_barred = self.health.is_barred();
        let lacking = if let Found::Lacking(why) = &found { Some(why.clone()) } else { None };
        *self.lacks_functions.borrow_mut() = lacking;
        let again = match found {
            Found::Good | Found::Partly(_) | Found::Lacking(_) if self.is_part.get() => PROBE_EVERY,
            Found::Good => {
                self.health.bar(None, now);
                self.probe();
                self.regained();
                CHECK_EVERY
            }
            Found::Partly(why) | Found::Lacking(why) => {
                log::debug!("a part of the store cannot be looked at: {why}");
                self.health.bar(None, now);
                self.probe();
                if was_barred {
                    self.regained();
                }
                PROBE_EVERY
            }
            Found::Away(why) => {
                log::debug!("the store cannot be looked at: {why}");
                PROBE_EVERY
            }
            Found::Unusable(why) => {
                self.health.bar(Some(why), now);
                PROBE_EVERY
            }
        };
        self.check_within(again);
    }

    fn regained(&self) {
        let on_regained = self.on_regained.borrow().clone();
        if let Some(on_regained) = on_regained {
            self.tell_regained.ask(&self.reactor, move || on_regained());
        }
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Store({} of {} buckets lost)", self.lost_count(), self.config.buckets)
    }
}
