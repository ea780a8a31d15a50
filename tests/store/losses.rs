//! How many answered locations a failover loses, without and with `wait_replicas`. docs/beyond-one-herd.md has the
//! table.
//!
//! A primary with one replica, 10 ms away, is killed under load, and the replica takes its place: once by hand, so that
//! it happens at once, and once as a cluster does it. `STORE_FAILOVERS=20` makes the tables; without it, there is one
//! failover each.

use super::redis::start_cluster_behind;
use super::*;
use proxyherd::config::TlsConfig;
use proxyherd::decimal::Time;
use proxyherd::locations::{Stamp, Version};
use proxyherd::message::Location;
use proxyherd::store::{Access, Offer, Offered, Store};
use reactor::Reactor;
use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Instant;

/// How many offers are on their way at once.
const DEPTH: usize = 64;

/// How long there is load before the primary is killed.
const LOAD: Duration = Duration::from_millis(400);

/// The network between a primary and its replica: what the primary says arrives this much later, and not at all if the
/// primary's machine fails before.
const NETWORK: Duration = Duration::from_millis(10);

/// Passes on what the two say to each other, until `has_failed`. Returns the port to which the replica connects. What
/// clients say is not slowed down.
fn network(primary: u16, has_failed: Arc<AtomicBool>) -> u16 {
    let port = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = port.local_addr().unwrap();
    thread::spawn(move || {
        while let Ok((replica, _)) = port.accept() {
            let Ok(primary) = TcpStream::connect(("127.0.0.1", primary)) else { continue };
            let (to_primary, to_replica) = (primary.try_clone().unwrap(), replica.try_clone().unwrap());
            let (is_replica, of_replica) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicBool::new(false)));
            let is_far = is_replica.clone();
            thread::spawn(move || {
                pass(replica, to_primary, |_, bytes| {
                    // A client begins with HELLO, a replica with PING.
                    if !of_replica.swap(true, Ordering::SeqCst) && bytes.windows(5).any(|part| part == b"HELLO") {
                        is_replica.store(false, Ordering::SeqCst);
                    }
                    true
                });
            });
            let has_failed = has_failed.clone();
            thread::spawn(move || {
                pass(primary, to_replica, |came, _| {
                    if is_far.load(Ordering::SeqCst) {
                        thread::park_timeout(NETWORK.saturating_sub(came.elapsed()));
                    }
                    !has_failed.load(Ordering::SeqCst)
                });
            });
        }
    });
    address.port()
}

/// Reads and writes in two threads, so that a delay does not become a bandwidth.
fn pass(mut from: TcpStream, mut to: TcpStream, wait: impl Fn(Instant, &[u8]) -> bool) {
    let (send, receive) = mpsc::channel::<(Instant, Vec<u8>)>();
    thread::spawn(move || {
        let mut buffer = [0; 65_536];
        while let Ok(length @ 1..) = from.read(&mut buffer) {
            if send.send((Instant::now(), buffer[..length].to_vec())).is_err() {
                return;
            }
        }
    });
    for (came, bytes) in receive {
        if !wait(came, &bytes) || to.write_all(&bytes).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both); // The other direction has nothing to say any more.
}

struct Load {
    store: Rc<Store>,
    next: Cell<u32>,
    under_way: Cell<usize>,
    /// The clients whose location was answered.
    answered: RefCell<Vec<u32>>,
}

impl Load {
    fn go_on(self: &Rc<Self>) {
        while self.under_way.get() < DEPTH {
            let number = self.next.replace(self.next.get() + 1);
            let (client, time) = (format!("c{number}"), Time::parse(b"1400794640").unwrap());
            let line = format!("AT A +0.000000000 {client} +34-118 1400794640");
            let heard = Stamp::from_nanoseconds(i64::MAX);
            let version = Version { client: client.as_bytes(), time, heard, line: line.as_bytes() };
            let offer =
                Offer { version, location: Location::parse(b"+34-118").ok(), forget: Duration::MAX, may_be_new: true };
            self.under_way.set(self.under_way.get() + 1);
            let this = self.clone();
            let offered = self.store.offer(&offer).add_both(move |offered| {
                this.under_way.set(this.under_way.get() - 1);
                if matches!(offered, Ok(Offered::Stored { .. })) {
                    this.answered.borrow_mut().push(number);
                }
            });
            if offered.has_fired() {
                return; // The store is lost.
            }
            offered.detach();
        }
    }

    /// The number of locations that were answered since the last time, and how many of them are not among these keys.
    fn lost(&self, keys: &str) -> (usize, usize) {
        let there: BTreeSet<&str> = keys.lines().filter_map(|key| key.split("}:c").nth(1)).collect();
        let answered = self.answered.take();
        let lost = answered.iter().filter(|number| !there.contains(number.to_string().as_str())).count();
        (answered.len(), lost)
    }
}

/// A store that is about to be put under load.
fn started_load(reactor: &Reactor, nodes: Vec<HostPort>, wait_replicas: u32) -> Rc<Load> {
    let mut config = StoreConfig::of(nodes);
    (config.wait_replicas, config.timeout) = (wait_replicas, Duration::from_secs(2));
    let access = Access::read(reactor, &config, &TlsConfig::default()).unwrap();
    let store = Store::new(reactor, &config, &access, "test", 1 << 20);
    store.begin(|| ());
    let (next, under_way, answered) = Default::default();
    Rc::new(Load { store, next, under_way, answered })
}

/// The number of answered locations, and how many of them the replica has not got.
fn fail_over(wait_replicas: u32) -> Option<(usize, usize)> {
    let mut primary = started_redis()?;
    let has_failed = Arc::new(AtomicBool::new(false));
    let network = network(primary.port, has_failed.clone());
    let replica = Redis::start(&["--replicaof", &format!("127.0.0.1 {network}")])?;
    util::wait_until("the replica follows", || primary.ask(&["INFO", "replication"]).contains("state=online"));
    let reactor = Reactor::new().unwrap();
    let node = HostPort { host: "127.0.0.1".to_owned(), port: primary.port };
    let load = started_load(&reactor, vec![node], wait_replicas);
    util::wait_until("the functions are there", || {
        reactor.iterate(Duration::from_millis(1)).unwrap();
        replica.ask(&["FCALL_RO", "proxyherd_version", "0"]).trim() == "1"
    });
    let began = Instant::now();
    while began.elapsed() < LOAD || load.answered.borrow().is_empty() {
        load.go_on();
        reactor.iterate(Duration::from_millis(1)).unwrap();
    }
    has_failed.store(true, Ordering::SeqCst);
    primary.kill(); // SIGKILL, in the middle of everything.
    for _ in 0..100 {
        reactor.iterate(Duration::from_millis(1)).unwrap();
    }
    replica.ask(&["REPLICAOF", "NO", "ONE"]);
    Some(load.lost(&replica.ask(&["KEYS", "*:c*"])))
}

/// Failovers that a cluster makes by itself, one after the other: for each, the number of answered locations, and how
/// many of them no primary has.
fn fail_over_in_cluster(wait_replicas: u32, failovers: usize) -> Option<Vec<(usize, usize)>> {
    let mut have_failed = Vec::new();
    let mut nodes = start_cluster_behind(|port| {
        let has_failed = Arc::new(AtomicBool::new(false));
        have_failed.push(has_failed.clone());
        network(port, has_failed)
    })?;
    let reactor = Reactor::new().unwrap();
    let ports = nodes.iter().map(|node| HostPort { host: "127.0.0.1".to_owned(), port: node.port });
    let load = started_load(&reactor, ports.collect(), wait_replicas);
    let turn = || reactor.iterate(Duration::from_millis(1)).unwrap();
    let mut all = Vec::new();
    for round in 0..failovers {
        wait_for(turn, "the store takes everything", || load.store.lost_count() == 0 && load.under_way.get() == 0);
        let began = Instant::now();
        while began.elapsed() < LOAD || load.answered.borrow().is_empty() {
            load.go_on();
            turn();
        }
        let is_primary = |node: &Redis| node.ask(&["INFO", "replication"]).contains("role:master");
        let victim = (0..nodes.len()).filter(|node| is_primary(&nodes[*node])).nth(round % 3).unwrap();
        // Asking took a while: this is under load again.
        let began = Instant::now();
        while began.elapsed() < LOAD / 4 {
            load.go_on();
            turn();
        }
        have_failed[victim].store(true, Ordering::SeqCst);
        nodes[victim].kill();
        let other = (victim + 1) % nodes.len();
        wait_for(turn, "a replica has taken the place", || {
            let map = nodes[other].ask(&["CLUSTER", "NODES"]);
            map.contains("master,fail ") && nodes[other].ask(&["CLUSTER", "INFO"]).contains("cluster_state:ok")
        });
        let others: Vec<&Redis> = nodes.iter().enumerate().filter(|(node, _)| *node != victim).map(|it| it.1).collect();
        let primaries: Vec<&Redis> = others.into_iter().filter(|node| is_primary(node)).collect();
        let keys: String = primaries.iter().map(|node| node.ask(&["KEYS", "*:c*"])).collect();
        all.push(load.lost(&keys));
        primaries.iter().for_each(|node| drop(node.ask(&["FLUSHALL"])));
        have_failed[victim].store(false, Ordering::SeqCst);
        nodes[victim].restart();
        wait_for(turn, "the old primary is a replica", || {
            let is_up = |node: &Redis| {
                let info = node.ask(&["INFO", "replication"]);
                info.contains("state=online") || info.contains("master_link_status:up")
            };
            nodes.iter().all(is_up)
        });
    }
    Some(all)
}

/// Asks the real servers now and then, and lets the client go on meanwhile.
#[track_caller]
fn wait_for(turn: impl Fn(), what: &str, condition: impl Fn() -> bool) {
    let began = Instant::now();
    while !condition() {
        assert!(began.elapsed() < 3 * util::PATIENCE, "{what}");
        (0..50).for_each(|_| turn());
    }
}

/// Prints a line of the table. Returns how many locations were lost.
fn report(how: &str, wait_replicas: u32, all: Vec<(usize, usize)>) -> usize {
    let failovers = all.len();
    let (answered, lost): (Vec<usize>, Vec<usize>) = all.into_iter().unzip();
    let with_losses = lost.iter().filter(|lost| **lost > 0).count();
    let (sum, most) = (lost.iter().sum::<usize>(), lost.iter().max().unwrap_or(&0));
    let answered: usize = answered.iter().sum();
    println!(
        "{how}, wait_replicas = {wait_replicas}: {failovers} failovers, {answered} answered, {sum} lost, \
         in {with_losses} of them; at most {most} at once"
    );
    sum
}

fn failovers() -> usize {
    std::env::var("STORE_FAILOVERS").ok().and_then(|text| text.parse().ok()).unwrap_or(1)
}

#[test]
fn a_failover_loses_no_location_that_a_replica_has_confirmed() {
    for wait_replicas in [0, 1] {
        let all: Option<Vec<_>> = (0..failovers()).map(|_| fail_over(wait_replicas)).collect();
        let Some(all) = all else { return };
        let lost = report("by hand", wait_replicas, all);
        assert!(wait_replicas == 0 || lost == 0);
    }
}

#[test]
fn a_failover_of_a_cluster_loses_no_location_that_a_replica_has_confirmed() {
    // Without confirmation something is lost, or not: that is for the table alone.
    for wait_replicas in if failovers() > 1 { 0..=1 } else { 1..=1 } {
        let Some(all) = fail_over_in_cluster(wait_replicas, failovers()) else { return };
        let lost = report("a cluster", wait_replicas, all);
        assert!(wait_replicas == 0 || lost == 0);
    }
}
