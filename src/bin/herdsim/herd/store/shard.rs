//! [`Data`]: what one shard of the simulated store has: its primary, and its replicas.
//!
//! ```text
//!   primary   w1 w2 w3 w4 w5     has every write, and answers
//!   replica   w1 w2 w3 w4        has the first ones, and hears of the others later
//!   replica   w1 w2
//! ```
//!
//! Next: `session.rs`, one connection to it.

use super::map::{Map, Place};
use super::session::{self, Session};
use super::{Bytes, Node, REPLICAS, line};
use reactor::Reactor;
use reactor::sim::Random;
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::{Rc, Weak};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Numbers of servers that one shard may give out.
const NODES_A_SHARD: Node = 1_000_000;

/// A value, and when it expires: in milliseconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Kept {
    pub(super) value: Bytes,
    pub(super) expires: Option<u64>,
}

impl Kept {
    fn is_there(&self, now: SystemTime) -> bool {
        self.expires.is_none_or(|expires| milliseconds(now) < expires)
    }
}

/// As a store counts time.
pub(super) fn milliseconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as u64
}

pub(super) struct Data {
    pub(super) number: usize,
    pub(super) map: Rc<Map>,
    /// What the primary has been told to write. A failover takes the last ones away.
    log: RefCell<Vec<Write>>,
    /// What the primary has. What has expired stays until it is asked for.
    values: RefCell<BTreeMap<Bytes, Kept>>,
    nodes: RefCell<Nodes>,
    /// For each key, each value that it ever had, and all servers of the store that have ever had it.
    ever: RefCell<BTreeMap<Bytes, BTreeMap<Bytes, BTreeSet<Node>>>>,
    /// The longest time until a replica hears of a write.
    lag: Duration,
    pub(super) has_functions: Cell<bool>,
    /// Whether the replicas hear of writes.
    is_replicating: Cell<bool>,
    pub(super) is_full: Cell<bool>,
    sessions: RefCell<Vec<Weak<Session>>>,
    /// How many primaries there have been: what an earlier one has sent never arrives.
    primaries: Cell<u64>,
    random: RefCell<Random>,
}

struct Write {
    key: Bytes,
    /// `None` if the key was removed.
    kept: Option<Kept>,
    at: Instant,
}

struct Nodes {
    primary: Node,
    /// The replicas, and how many writes each has.
    replicas: Vec<(Node, usize)>,
    next: Node,
}

impl Nodes {
    fn fill_up(&mut self) {
        while self.replicas.len() < REPLICAS {
            self.replicas.push((self.next, 0));
            self.next += 1;
        }
    }
}

impl Data {
    pub(super) fn new(number: usize, map: &Rc<Map>, seed: u64, lag: Duration) -> Rc<Data> {
        let first = number as Node * NODES_A_SHARD + 1;
        let mut nodes = Nodes { primary: first, replicas: Vec::new(), next: first + 1 };
        nodes.fill_up();
        Rc::new(Data {
            number,
            map: map.clone(),
            log: RefCell::default(),
            values: RefCell::default(),
            nodes: RefCell::new(nodes),
            ever: RefCell::default(),
            lag,
            has_functions: Cell::new(false),
            is_replicating: Cell::new(true),
            is_full: Cell::new(false),
            sessions: RefCell::default(),
            primaries: Cell::new(0),
            random: RefCell::new(Random::new(seed)),
        })
    }

    /// One of its hosts starts.
    pub(super) fn begin(self: &Rc<Self>, reactor: &Reactor, host: usize) {
        self.sessions.borrow_mut().retain(|session| session.upgrade().is_some_and(|it| it.place.host != host));
        if self.map.primary(self.number) == host {
            self.begin_as_primary(reactor);
        }
    }

    /// One of its hosts is the primary's from now on.
    pub(super) fn begin_as_primary(self: &Rc<Self>, reactor: &Reactor) {
        self.primaries.set(self.primaries.get() + 1);
        self.replicate(reactor);
    }

    pub(super) fn add(&self, session: &Rc<Session>) {
        self.sessions.borrow_mut().push(Rc::downgrade(session));
    }

    /// The primary is gone, and this number of replicas with it. The replica with the most writes takes its place.
    /// Returns what has happened in words.
    pub(super) fn lose_primary(&self, replicas: usize) -> String {
        self.primaries.set(self.primaries.get() + 1);
        let nodes = &mut *self.nodes.borrow_mut();
        let mut dead = vec![nodes.primary];
        for _ in 0..replicas.min(nodes.replicas.len()) {
            let at = self.random.borrow_mut().below(nodes.replicas.len() as u64) as usize;
            dead.push(nodes.replicas.remove(at).0);
        }
        let best = (0..nodes.replicas.len()).max_by_key(|at| nodes.replicas[*at].1);
        let (new, has) = match best {
            Some(best) => nodes.replicas.remove(best),
            None => {
                self.has_functions.set(false);
                nodes.next += 1;
                (nodes.next - 1, 0)
            }
        };
        nodes.primary = new;
        nodes.fill_up();
        let mut log = self.log.borrow_mut();
        let lost = log.len() - has;
        log.truncate(has);
        let mut values = self.values.borrow_mut();
        values.clear();
        for Write { key, kept, .. } in &*log {
            match kept {
                Some(kept) => values.insert(key.clone(), kept.clone()),
                None => values.remove(key),
            };
        }
        format!("the store's servers {dead:?} are gone; {new} takes over, and lacks {lost} writes")
    }

    pub(super) fn set_replicating(&self, is_replicating: bool) {
        self.is_replicating.set(is_replicating);
    }

    // ---- What is asked for.

    /// The value of a key. If it has expired, this removes it.
    pub(super) fn get(self: &Rc<Self>, reactor: &Reactor, key: &[u8]) -> Option<Kept> {
        let kept = self.values.borrow().get(key).cloned()?;
        if kept.is_there(reactor.system_time()) {
            return Some(kept);
        }
        self.write(reactor, key, None, None);
        None
    }

    pub(super) fn write(self: &Rc<Self>, reactor: &Reactor, key: &[u8], kept: Option<Kept>, writer: Option<&Session>) {
        self.put(key, kept, reactor.now());
        if let Some(writer) = writer {
            writer.offset.set(self.log.borrow().len());
        }
        for session in self.sessions() {
            session.key_changed(key, writer);
        }
        self.replicate(reactor);
    }

    fn put(&self, key: &[u8], kept: Option<Kept>, at: Instant) {
        match &kept {
            Some(kept) => self.values.borrow_mut().insert(key.to_vec(), kept.clone()),
            None => self.values.borrow_mut().remove(key),
        };
        self.log.borrow_mut().push(Write { key: key.to_vec(), kept, at });
        self.note(self.nodes.borrow().primary, self.log.borrow().len() - 1);
    }

    /// Moves a key to another shard, with all replicas of both. In a real cluster, a primary that dies just after that
    /// may take the key with it.
    pub(super) fn move_key(self: &Rc<Self>, key: &[u8], to: &Rc<Data>) {
        let Some(kept) = self.values.borrow().get(key).cloned() else { return };
        let said = self.log.borrow().iter().rfind(|write| write.key == key).map(|write| write.at);
        let Some(said) = said else { return };
        to.put(key, Some(kept), said);
        self.put(key, None, said);
        for data in [self, to] {
            let (count, nodes) = (data.log.borrow().len(), data.replicas());
            nodes.into_iter().for_each(|node| data.arrived(node, count));
        }
        // Nobody has the key here any more, nor will a new replica.
        self.log.borrow_mut().iter_mut().filter(|write| write.key == key).for_each(|write| write.kept = None);
        self.ever.borrow_mut().remove(key);
        self.sessions().iter().for_each(|session| session.key_changed(key, None));
    }

    /// Its keys that are to move.
    pub(super) fn moving_keys(&self) -> Vec<Bytes> {
        self.values.borrow().keys().filter(|key| self.map.moves(key)).cloned().collect()
    }

    fn sessions(&self) -> Vec<Rc<Session>> {
        self.sessions.borrow().iter().filter_map(Weak::upgrade).collect()
    }

    // ---- Replicas.

    /// The number of the primary that there is now.
    pub(super) fn primary_number(&self) -> u64 {
        self.primaries.get()
    }

    fn replicas(&self) -> Vec<Node> {
        self.nodes.borrow().replicas.iter().map(|(node, _)| *node).collect()
    }

    /// Sends the replicas what they lack.
    pub(super) fn replicate(self: &Rc<Self>, reactor: &Reactor) {
        let (count, primary) = (self.log.borrow().len(), self.primaries.get());
        for node in self.replicas() {
            let delay = self.random.borrow_mut().between(Duration::ZERO, self.lag);
            let data = self.clone();
            reactor.call_later(delay, move || {
                if data.is_replicating.get() && data.primaries.get() == primary {
                    data.arrived(node, count);
                }
            });
        }
    }

    /// A replica has all writes up to `count`.
    fn arrived(self: &Rc<Self>, node: Node, count: usize) {
        let before = {
            let mut nodes = self.nodes.borrow_mut();
            let Some((_, has)) = nodes.replicas.iter_mut().find(|(other, _)| *other == node) else { return };
            let before = *has;
            *has = before.max(count);
            before
        };
        (before..count).for_each(|write| self.note(node, write));
        self.sessions().iter().for_each(|session| session::end_wait_if_confirmed(self, session));
    }

    /// A server of the store has this write.
    fn note(&self, node: Node, write: usize) {
        let Write { key, kept, .. } = &self.log.borrow()[write];
        let Some(Kept { value, .. }) = kept else { return };
        let mut ever = self.ever.borrow_mut();
        ever.entry(key.clone()).or_default().entry(value.clone()).or_default().insert(node);
    }

    /// How many replicas have the first `count` writes.
    pub(super) fn confirmed(&self, count: usize) -> usize {
        self.nodes.borrow().replicas.iter().filter(|(_, has)| *has >= count).count()
    }

    // ---- For the book.

    /// The lines that its clients' keys have, as far as they have not expired.
    pub(super) fn lines(&self, now: SystemTime) -> Vec<(Bytes, Bytes)> {
        let values = self.values.borrow();
        let there = values.iter().filter(|(key, kept)| kept.is_there(now) && self.map.may_have(self.number, key));
        there.map(|(key, kept)| (key.clone(), line(&kept.value).to_vec())).collect()
    }

    /// The lines that it was told to write for these keys, and when, oldest first: without those that were lost, and
    /// without those of a key that has been removed since.
    pub(super) fn written(&self, is_wanted: impl Fn(&[u8]) -> bool) -> Vec<(Instant, Bytes)> {
        let mut found = Vec::new();
        for Write { kept, at, .. } in self.log.borrow().iter().filter(|write| is_wanted(&write.key)) {
            match kept {
                Some(kept) => found.push((*at, line(&kept.value).to_vec())),
                None => found.clear(),
            }
        }
        found
    }

    /// Each line of these keys that it ever had, and the servers of the store that have ever had it.
    pub(super) fn ever_had(&self, is_wanted: impl Fn(&[u8]) -> bool) -> Vec<(Bytes, BTreeSet<Node>)> {
        let ever = self.ever.borrow();
        let values = ever.iter().filter(|(key, _)| is_wanted(key)).flat_map(|(_, values)| values);
        values.map(|(value, nodes)| (line(value).to_vec(), nodes.clone())).collect()
    }

    /// Its servers that live.
    pub(super) fn nodes(&self) -> BTreeSet<Node> {
        self.replicas().into_iter().chain([self.nodes.borrow().primary]).collect()
    }

    /// Why a server of this shard does not carry out a command with this key.
    pub(super) fn redirect(
        self: &Rc<Self>,
        reactor: &Reactor,
        place: Place,
        (key, keys): (&[u8], usize),
        is_asking: bool,
    ) -> Option<String> {
        // A key with something else moves last.
        let has_key = self.map.is_foreign(key) || self.get(reactor, key).is_some();
        self.map.redirect(place, key, keys, has_key, is_asking)
    }
}
