//! Runs with a store beside the herd: a store that dies, fails over, and loses what its replicas have not heard of.
//!
//! Next: `forgetful.rs`, herds that forget.

use crate::book::Book;
use crate::book::store::Beside;
use crate::clients::workload::Workload;
use crate::clients::{Ending, Say, Visit};
use crate::faults::store::Unlucky;
use crate::herd::Herd;
use crate::herd::rules::Rule;
use crate::herd::store::{PORT, REPLICAS, SimulatedStore};
use crate::run::Scenario;
use crate::run::forgetful::Forgets;
use proxyherd::config::{HostPort, StoreConfig};
use proxyherd::store::contract;
use reactor::sim::{Random, World};
use std::cell::{OnceCell, RefCell};
use std::collections::BTreeSet;
use std::ops::Range;
use std::rc::Rc;
use std::time::Duration;

/// One seed in 20, those with remainder 19, has a store.
const SEEDS: (u64, u64) = (20, 19);

/// Few buckets, so that some clients share one.
const BUCKETS: u16 = 4;

/// The store has this time to answer, and besides [`DELAYS`] average delays of a link: delays have long tails, and a
/// store that is well must not look as if it were not.
const TIMEOUT: Duration = Duration::from_millis(500);
const DELAYS: u32 = 20;

/// The longest time until a replica of the store has what its primary has, at most.
const LAG: Duration = Duration::from_millis(400);

/// How often somebody asks where a client is, on average: what a server remembers of the store shows in its answers.
const ASKS_EVERY: Duration = Duration::from_secs(3);

/// A cluster has this number of shards at most, and two at least.
const SHARDS: u64 = 3;

/// In one run of this number, the keys of some clients have something else: of [`FOREIGN_KEYS`] at most.
const RUNS_WITH_FOREIGN_KEYS: u64 = 3;
const FOREIGN_KEYS: usize = 3;

/// Whether the herd of this seed has a store. A herd with little room has none: there, what does not fit is forgotten,
/// and a store has room. Nor has a herd with another rule: the store has the rule that ships.
pub(crate) fn has_store(seed: u64, scenario: &Scenario, forgets: Forgets) -> bool {
    let is_chosen = scenario.store || seed % SEEDS.0 == SEEDS.1;
    is_chosen && scenario.rule == Rule::Newest && forgets != Forgets::WhatDoesNotFit
}

/// The store of one run.
pub(crate) struct Store {
    store: Rc<SimulatedStore>,
    wait_replicas: u32,
    timeout: Duration,
    /// It draws by itself: the same seed has the same visits and faults with a store and without.
    random: RefCell<Random>,
    /// Draws whose keys have something else.
    foreign: RefCell<Random>,
    unlucky: OnceCell<Rc<Unlucky>>,
}

impl Store {
    /// Puts a store into the world. `delay` is the average delay of a link; over it, a line may need `drains`.
    pub(crate) fn new(world: &World, seed: u64, delay: Duration, drains: Duration) -> Store {
        let mut random = Random::new(seed ^ 0x570e_57e7);
        let lag = random.between(Duration::ZERO, LAG);
        // It draws by itself, too: alone, a store has the same faults for a seed as before there were clusters.
        let mut shape = Random::new(seed ^ 0xc105_7e25);
        let shards = if shape.chance(1, 2) { 1 } else { 2 + shape.below(SHARDS - 1) as usize };
        let store = Rc::new(match shards {
            1 => SimulatedStore::alone(world, random.next_u64(), lag),
            shards => SimulatedStore::cluster(world, random.next_u64(), lag, shards, BUCKETS),
        });
        let wait_replicas = random.below(REPLICAS as u64 + 1) as u32;
        let timeout = TIMEOUT + lag + delay * DELAYS + drains;
        let text = format!("a store confirms with {wait_replicas} replicas, which hear of a write within {lag:?}");
        world.note(&format!("{text}; shards: {shards}"));
        let (random, foreign) = (RefCell::new(random), RefCell::new(Random::new(seed ^ 0xf03e_1971)));
        Store { store, wait_replicas, timeout, random, foreign, unlucky: OnceCell::new() }
    }

    /// What the servers of the herd are told about it.
    pub(crate) fn config(&self) -> StoreConfig {
        let nodes = self.store.names().into_iter().map(|host| HostPort { host, port: PORT });
        let mut config = StoreConfig::of(nodes.collect());
        (config.buckets, config.wait_replicas, config.timeout) = (BUCKETS, self.wait_replicas, self.timeout);
        config
    }

    /// Plans what goes wrong with it, and has the book judge it.
    pub(crate) fn plan(&self, book: &Book, herd: &Herd, during: Range<Duration>) {
        let (offered, taken, suspended) = Default::default();
        let copies = 1 + self.wait_replicas as usize;
        let (store, timeout) = (self.store.clone(), self.timeout);
        let foreign = self.make_foreign_keys(&herd.world, book.client_names());
        book.set_store(Beside { store, copies, timeout, foreign, offered, taken, suspended });
        let unlucky = self.unlucky.get_or_init(|| Unlucky::new(&self.store, &herd.servers));
        unlucky.plan(&herd.world, &mut self.random.borrow_mut(), during);
    }

    /// Has the keys of some clients have something else, in some runs. Returns the clients.
    fn make_foreign_keys(&self, world: &World, clients: Vec<Vec<u8>>) -> BTreeSet<Vec<u8>> {
        let random = &mut *self.foreign.borrow_mut();
        if !random.chance(1, RUNS_WITH_FOREIGN_KEYS) {
            return BTreeSet::new();
        }
        let any = |_| clients[random.below(clients.len() as u64) as usize].clone();
        let foreign: BTreeSet<Vec<u8>> = (0..FOREIGN_KEYS).map(any).collect();
        for client in &foreign {
            self.store.make_foreign(client, contract::bucket_of(client, BUCKETS));
            world.note(&format!("the key of {} has something else", client.escape_ascii()));
        }
        foreign
    }

    /// Has clients ask about each other, at any server.
    pub(crate) fn plan_questions(
        &self,
        workload: &Workload,
        forgets: Forgets,
        during: Range<Duration>,
        plan: &mut [Vec<Visit>],
    ) {
        self.plan_visits(workload, forgets, false, during, plan);
    }

    /// The same when all is well, if the herd forgets: by then it must have forgotten some.
    pub(crate) fn plan_calm_questions(
        &self,
        workload: &Workload,
        forgets: Forgets,
        during: Range<Duration>,
        plan: &mut [Vec<Visit>],
    ) {
        if forgets != Forgets::Nothing {
            self.plan_visits(workload, forgets, true, during, plan);
        }
    }

    fn plan_visits(
        &self,
        workload: &Workload,
        forgets: Forgets,
        is_calm: bool,
        during: Range<Duration>,
        plan: &mut [Vec<Visit>],
    ) {
        let random = &mut *self.random.borrow_mut();
        let names: Vec<Rc<[u8]>> = forgets.names(plan.len()).into_iter().map(Rc::from).collect();
        let mut at = during.start;
        while at < during.end {
            let (asker, server) = (random.below(plan.len() as u64) as usize, workload.server(random));
            let client = names[random.below(names.len() as u64) as usize].clone();
            let says = vec![(Duration::ZERO, Say::WhatsAt { client, radius: 1, bound: 1 })];
            let (ending, reads_after) = (Ending::WhenAnswered, Duration::ZERO);
            plan[asker].push(Visit { at, server, says, ending, reads_after, is_calm });
            at += random.between(Duration::ZERO, 2 * ASKS_EVERY);
        }
    }

    /// Nothing goes wrong with it any more.
    pub(crate) fn heal(&self) {
        if let Some(unlucky) = self.unlucky.get() {
            unlucky.heal();
        }
    }

    /// It stops.
    pub(crate) fn stop(&self) {
        self.store.terminate();
    }
}
