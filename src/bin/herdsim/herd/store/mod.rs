//! [`SimulatedStore`]: a store beside the simulated herd. It is written from its contract (docs/design/store.md), and
//! not from `function.lua`: a mistake there must not be repeated here.
//!
//! It is a primary with replicas, or a cluster of those, its shards. When a primary dies, the replica with the most
//! writes takes its place, and what it lacks is lost. All servers of a store that is alone are one host of the world:
//! at any time, only one of them answers. A shard of a cluster is two hosts: the primary is on one of them, the next
//! primary on the other, which meanwhile says where the primary is.
//!
//! Next: `map.rs`, which shard has what.

use map::{Map, Place};
use reactor::Reactor;
use reactor::sim::{Host, HostState, Random, World};
use session::Connection;
use shard::Data;
use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::{Duration, Instant};

mod map;
mod session;
mod shard;
#[cfg(test)]
mod tests;

/// The name of the host of a store that is alone. Those of a cluster have a number and a letter behind it.
pub(crate) const NAME: &str = "store";

pub(crate) const PORT: u16 = 6379;

/// The number of replicas of a primary. A server of the store that has died is replaced by a new one.
pub(crate) const REPLICAS: usize = 2;

type Bytes = Vec<u8>;

/// A server of the store. No two have the same number, also later.
type Node = u32;

/// The store survives its hosts, as disks and replicas do.
pub(crate) struct SimulatedStore {
    shards: Vec<Shard>,
    map: Rc<Map>,
}

struct Shard {
    hosts: Vec<Host>,
    data: Rc<Data>,
}

impl SimulatedStore {
    /// Puts a store that is alone into the world. A write reaches its replicas within `lag`.
    pub(crate) fn alone(world: &World, seed: u64, lag: Duration) -> SimulatedStore {
        SimulatedStore::with_names(world, seed, lag, 1, vec![vec![NAME.to_owned()]])
    }

    /// Puts a cluster of this number of shards into the world, for clients in this number of buckets.
    pub(crate) fn cluster(world: &World, seed: u64, lag: Duration, shards: usize, buckets: u16) -> SimulatedStore {
        let name = |shard: usize, letter: char| format!("{NAME}-{shard}{letter}");
        let names = (1..=shards).map(|shard| vec![name(shard, 'a'), name(shard, 'b')]).collect();
        SimulatedStore::with_names(world, seed, lag, buckets, names)
    }

    fn with_names(world: &World, seed: u64, lag: Duration, buckets: u16, names: Vec<Vec<String>>) -> SimulatedStore {
        let map = Rc::new(Map::new(names.clone(), buckets));
        let mut random = Random::new(seed);
        let shards = names.iter().enumerate().map(|(shard, names)| {
            let data = Data::new(shard, &map, random.next_u64(), lag);
            let hosts = names.iter().enumerate().map(|(host, name)| {
                let data = data.clone();
                world.host(name, move |reactor| {
                    reactor.quiet();
                    data.begin(reactor, host);
                    let (data, own) = (data.clone(), reactor.clone());
                    let session = move |_peer| Connection::new(&data, &own, Place { shard, host });
                    drop(reactor.listen_tcp(("0.0.0.0", PORT), session)); // A simulated machine always has a free port.
                })
            });
            Shard { hosts: hosts.collect(), data: data.clone() }
        });
        let shards = shards.collect();
        SimulatedStore { shards, map }
    }

    pub(crate) fn shard_count(&self) -> usize {
        self.shards.len()
    }

    /// Into how many parts its slots are cut: a part may move.
    pub(crate) fn part_count(&self) -> usize {
        self.map.part_count()
    }

    /// The names of a host of each shard.
    pub(crate) fn names(&self) -> Vec<String> {
        self.shards.iter().filter_map(|shard| shard.hosts.first()).map(|host| host.name().to_owned()).collect()
    }

    /// The host of a shard's primary.
    pub(crate) fn host(&self, shard: usize) -> &Host {
        &self.shards[shard].hosts[self.map.primary(shard)]
    }

    fn hosts(&self) -> impl Iterator<Item = &Host> {
        self.shards.iter().flat_map(|shard| &shard.hosts)
    }

    // ---- What happens to it.

    /// A primary dies for good, and this number of replicas with it. Returns what has happened in words. Nobody answers
    /// for its shard until [`take_over`](SimulatedStore::take_over).
    pub(crate) fn kill(&self, shard: usize, replicas: usize) -> String {
        self.host(shard).kill();
        self.shards[shard].data.lose_primary(replicas)
    }

    /// The best replica answers for a shard that has lost its primary.
    pub(crate) fn take_over(&self, shard: usize) {
        let old = self.host(shard);
        self.pass_on(shard);
        old.restart();
    }

    /// The primary is suspended, and a replica takes its place meanwhile. Returns what has happened in words, and the
    /// host that is suspended.
    pub(crate) fn pass_over(&self, shard: usize) -> (String, Host) {
        let old = self.host(shard).clone();
        old.pause();
        let text = self.shards[shard].data.lose_primary(0);
        self.pass_on(shard);
        (text, old)
    }

    /// The other host of a shard is the primary's.
    fn pass_on(&self, shard: usize) {
        let hosts = self.shards[shard].hosts.len();
        self.map.set_primary(shard, (self.map.primary(shard) + 1) % hosts);
        self.on_primary(shard, |data, reactor| data.begin_as_primary(reactor));
    }

    /// Calls this on a primary's host, if that runs.
    fn on_primary(&self, shard: usize, f: impl FnOnce(&Rc<Data>, &Reactor) + 'static) {
        let data = self.shards[shard].data.clone();
        if let Some(reactor) = self.host(shard).reactor() {
            super::ask(&reactor, move |reactor| f(&data, reactor));
        }
    }

    /// Whether the replicas of a shard hear of writes from now on.
    pub(crate) fn set_replicating(&self, shard: usize, is_replicating: bool) {
        self.shards[shard].data.set_replicating(is_replicating);
        if is_replicating {
            self.on_primary(shard, |data, reactor| data.replicate(reactor));
        }
    }

    /// Whether there is no room for another write in a shard.
    pub(crate) fn set_full(&self, shard: usize, is_full: bool) {
        self.shards[shard].data.is_full.set(is_full);
    }

    /// Somebody uses the key of a client, in its bucket, for something else, for good.
    pub(crate) fn make_foreign(&self, client: &[u8], bucket: u16) {
        self.map.make_foreign([format!("{{proxyherd:{bucket}}}:").as_bytes(), client].concat());
    }

    /// Somebody removes the functions of a shard.
    pub(crate) fn remove_functions(&self, shard: usize) {
        self.shards[shard].data.has_functions.set(false);
    }

    /// A part of the slots begins to move to another shard. Returns what happens in words.
    pub(crate) fn begin_move(&self, part: usize) -> String {
        let moving = self.map.begin_move(part);
        format!("part {part} of the store's slots begins to move from shard {} to {}", moving.from, moving.to)
    }

    /// Half of the keys that are left move.
    pub(crate) fn move_half(&self) {
        self.move_keys(|left| left.div_ceil(2));
    }

    /// All that is left moves, and is in its new place.
    pub(crate) fn end_move(&self) {
        self.move_keys(|left| left);
        self.map.end_move();
    }

    fn move_keys(&self, count: impl FnOnce(usize) -> usize) {
        let Some(moving) = self.map.moving() else { return };
        let [from, to] = [moving.from, moving.to].map(|shard| &self.shards[shard].data);
        let keys = from.moving_keys();
        keys.iter().take(count(keys.len())).for_each(|key| from.move_key(key, to));
        // What was written to connections goes out.
        [moving.from, moving.to].into_iter().for_each(|shard| self.on_primary(shard, |_, _| ()));
    }

    /// Nothing goes wrong with it any more.
    pub(crate) fn heal(&self) {
        for host in self.hosts() {
            host.resume();
            if host.state() != HostState::Running {
                host.restart();
            }
        }
        for shard in 0..self.shards.len() {
            self.set_full(shard, false);
            self.set_replicating(shard, true);
        }
        self.end_move();
    }

    pub(crate) fn terminate(&self) {
        self.hosts().for_each(Host::terminate);
    }

    // ---- For the book.

    /// The line that it has of a client.
    pub(crate) fn line_of(&self, client: &[u8]) -> Option<Bytes> {
        self.lines().into_iter().find(|(key, _)| is_key_of(key, client)).map(|(_, line)| line)
    }

    /// Each key of it, and the line in its value.
    pub(crate) fn lines(&self) -> Vec<(Bytes, Bytes)> {
        (0..self.shards.len()).flat_map(|shard| self.shards[shard].data.lines(self.host(shard).clock())).collect()
    }

    /// The lines that it was told to write for a client, and when, oldest first, without the lost ones.
    pub(crate) fn written_for(&self, client: &[u8]) -> Vec<(Instant, Bytes)> {
        let mut all: Vec<(Instant, Bytes)> =
            self.shards.iter().flat_map(|shard| shard.data.written(|key| is_key_of(key, client))).collect();
        all.sort_by_key(|(at, _)| *at);
        all
    }

    /// Each line of a client that it ever had, and the servers of the store that have ever had it.
    pub(crate) fn ever_had(&self, client: &[u8]) -> Vec<(Bytes, BTreeSet<Node>)> {
        self.shards.iter().flat_map(|shard| shard.data.ever_had(|key| is_key_of(key, client))).collect()
    }

    /// Its servers that live.
    pub(crate) fn nodes(&self) -> BTreeSet<Node> {
        self.shards.iter().flat_map(|shard| shard.data.nodes()).collect()
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
