//! [`SimulatedStore`]: a store beside the simulated herd. It is written from its contract (docs/design/store.md), and
//! not from `function.lua`: a mistake there must not be repeated here.
//!
//! ```text
//!   primary   w1 w2 w3 w4 w5     has every write, and answers
//!   replica   w1 w2 w3 w4        has the first ones, and hears of the others later
//!   replica   w1 w2
//! ```
//!
//! When the primary dies, the replica with the most writes takes its place, and what it lacks is lost. All of them
//! together are one host of the world: at any time, only one server of a store answers.
//!
//! Next: `session.rs`, one connection to it.

use reactor::Reactor;
use reactor::sim::{Host, Random, World};
use session::{Connection, Session};
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::{Rc, Weak};
use std::time::{Duration, Instant};

mod session;
#[cfg(test)]
mod tests;

/// The host's name.
pub(crate) const NAME: &str = "store";

pub(crate) const PORT: u16 = 6379;

/// The number of replicas. A server of the store that has died is replaced by a new one.
pub(crate) const REPLICAS: usize = 2;

type Bytes = Vec<u8>;

/// A server of the store. No two have the same number, also later.
type Node = u32;

/// The store survives its host, as disks and replicas do.
pub(crate) struct SimulatedStore {
    pub(crate) host: Host,
    data: Rc<Data>,
}

struct Data {
    /// What the primary has been told to write. A failover takes the last ones away.
    log: RefCell<Vec<Write>>,
    /// What the primary has.
    values: RefCell<BTreeMap<Bytes, Bytes>>,
    nodes: RefCell<Nodes>,
    /// For each key, each value that it ever had, and all servers of the store that have ever had it.
    ever: RefCell<BTreeMap<Bytes, BTreeMap<Bytes, BTreeSet<Node>>>>,
    /// The longest time until a replica hears of a write.
    lag: Duration,
    has_functions: Cell<bool>,
    /// Whether the replicas hear of writes.
    is_replicating: Cell<bool>,
    is_full: Cell<bool>,
    sessions: RefCell<Vec<Weak<Session>>>,
    /// How many primaries there have been: what an earlier one has sent never arrives.
    primaries: Cell<u64>,
    random: RefCell<Random>,
}

struct Write {
    key: Bytes,
    value: Bytes,
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

impl SimulatedStore {
    /// Puts a store into the world. A write reaches its replicas within `lag`.
    pub(crate) fn new(world: &World, seed: u64, lag: Duration) -> SimulatedStore {
        let mut nodes = Nodes { primary: 1, replicas: Vec::new(), next: 2 };
        nodes.fill_up();
        let data = Rc::new(Data {
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
        });
        let of_host = data.clone();
        let host = world.host(NAME, move |reactor| {
            reactor.quiet();
            let (data, own) = (of_host.clone(), reactor.clone());
            data.primaries.set(data.primaries.get() + 1);
            data.sessions.borrow_mut().clear();
            data.replicate(reactor);
            let session = move |_peer| Connection::new(&data, &own);
            drop(reactor.listen_tcp(("0.0.0.0", PORT), session)); // A simulated machine always has a free port.
        });
        SimulatedStore { host, data }
    }

    /// The primary dies for good, and this number of replicas with it. The replica with the most writes takes its
    /// place, once the host is started again. Returns what has happened in words.
    pub(crate) fn fail_over(&self, replicas: usize) -> String {
        self.host.kill();
        let data = &self.data;
        data.primaries.set(data.primaries.get() + 1);
        let nodes = &mut *data.nodes.borrow_mut();
        let mut dead = vec![nodes.primary];
        for _ in 0..replicas.min(nodes.replicas.len()) {
            let at = data.random.borrow_mut().below(nodes.replicas.len() as u64) as usize;
            dead.push(nodes.replicas.remove(at).0);
        }
        let best = (0..nodes.replicas.len()).max_by_key(|at| nodes.replicas[*at].1);
        let (new, has) = match best {
            Some(best) => nodes.replicas.remove(best),
            None => {
                data.has_functions.set(false);
                nodes.next += 1;
                (nodes.next - 1, 0)
            }
        };
        nodes.primary = new;
        nodes.fill_up();
        let mut log = data.log.borrow_mut();
        let lost = log.len() - has;
        log.truncate(has);
        *data.values.borrow_mut() = log.iter().map(|write| (write.key.clone(), write.value.clone())).collect();
        format!("the store's servers {dead:?} die; {new} takes over, and lacks {lost} writes")
    }

    /// Whether the replicas hear of writes from now on.
    pub(crate) fn set_replicating(&self, is_replicating: bool) {
        self.data.is_replicating.set(is_replicating);
        if let Some(reactor) = self.host.reactor().filter(|_| is_replicating) {
            let data = self.data.clone();
            super::ask(&reactor, move |reactor| data.replicate(reactor));
        }
    }

    /// Whether there is no room for another write.
    pub(crate) fn set_full(&self, is_full: bool) {
        self.data.is_full.set(is_full);
    }

    /// Somebody removes the functions.
    pub(crate) fn remove_functions(&self) {
        self.data.has_functions.set(false);
    }

    /// The line that it has of a client.
    pub(crate) fn line_of(&self, client: &[u8]) -> Option<Bytes> {
        let values = self.data.values.borrow();
        let (_, value) = values.iter().find(|(key, _)| is_key_of(key, client))?;
        Some(line(value).to_vec())
    }

    /// The lines that it was told to write for a client, and when, oldest first, without the lost ones.
    pub(crate) fn written_for(&self, client: &[u8]) -> Vec<(Instant, Bytes)> {
        let log = self.data.log.borrow();
        let own = log.iter().filter(|write| is_key_of(&write.key, client));
        own.map(|write| (write.at, line(&write.value).to_vec())).collect()
    }

    /// Each line of a client that it ever had, and the servers of the store that have ever had it.
    pub(crate) fn ever_had(&self, client: &[u8]) -> Vec<(Bytes, BTreeSet<Node>)> {
        let ever = self.data.ever.borrow();
        let of_client = ever.iter().filter(|(key, _)| is_key_of(key, client));
        let values = of_client.flat_map(|(_, values)| values);
        values.map(|(value, nodes)| (line(value).to_vec(), nodes.clone())).collect()
    }

    /// Its servers that live.
    pub(crate) fn nodes(&self) -> BTreeSet<Node> {
        let nodes = self.data.nodes.borrow();
        nodes.replicas.iter().map(|(node, _)| *node).chain([nodes.primary]).collect()
    }
}

/// Whether a key is this client's: `{proxyherd:BUCKET}:CLIENT`.
fn is_key_of(key: &[u8], client: &[u8]) -> bool {
    let end = key.iter().position(|byte| *byte == b'}').map(|brace| &key[brace + 1..]);
    end.and_then(|end| end.strip_prefix(b":")) == Some(client)
}

/// The line in a value: 22 digits and a space stand before it.
fn line(value: &[u8]) -> &[u8] {
    value.get(23..).unwrap_or_default()
}

impl Data {
    fn write(self: &Rc<Self>, reactor: &Reactor, key: &[u8], value: &[u8], writer: &Session) {
        self.values.borrow_mut().insert(key.to_vec(), value.to_vec());
        self.log.borrow_mut().push(Write { key: key.to_vec(), value: value.to_vec(), at: reactor.now() });
        writer.offset.set(self.log.borrow().len());
        self.note(self.nodes.borrow().primary, self.log.borrow().len() - 1);
        for session in self.sessions() {
            session.key_changed(key, writer);
        }
        self.replicate(reactor);
    }

    /// Sends the replicas what they lack.
    fn replicate(self: &Rc<Self>, reactor: &Reactor) {
        let (count, primary) = (self.log.borrow().len(), self.primaries.get());
        let replicas: Vec<Node> = self.nodes.borrow().replicas.iter().map(|(node, _)| *node).collect();
        for node in replicas {
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
        let Write { key, value, .. } = &self.log.borrow()[write];
        let mut ever = self.ever.borrow_mut();
        ever.entry(key.clone()).or_default().entry(value.clone()).or_default().insert(node);
    }

    /// How many replicas have the first `count` writes.
    fn confirmed(&self, count: usize) -> usize {
        self.nodes.borrow().replicas.iter().filter(|(_, has)| *has >= count).count()
    }

    fn sessions(&self) -> Vec<Rc<Session>> {
        self.sessions.borrow().iter().filter_map(Weak::upgrade).collect()
    }
}
