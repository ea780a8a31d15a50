//! How many answered locations a failover loses, without and with `wait_replicas`. docs/beyond-one-herd.md has the
//! table.
//!
//! A primary with one replica, 10 ms away, is killed under load, and the replica takes its place.
//! `STORE_FAILOVERS=20` makes the table; without it, there is one failover each.

use super::*;
use proxyherd::config::TlsConfig;
use proxyherd::decimal::Time;
use proxyherd::locations::{Stamp, Version};
use proxyherd::store::{Access, Offer, Offered, Store};
use reactor::Reactor;
use std::cell::{Cell, RefCell};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
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

/// Passes on what the two say to each other, until `has_failed`. Returns the port to which the replica connects.
fn network(primary: u16, has_failed: Arc<AtomicBool>) -> u16 {
    let port = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = port.local_addr().unwrap();
    thread::spawn(move || {
        while let Ok((replica, _)) = port.accept() {
            let Ok(primary) = TcpStream::connect(("127.0.0.1", primary)) else { return };
            let (to_primary, to_replica) = (primary.try_clone().unwrap(), replica.try_clone().unwrap());
            thread::spawn(move || pass(replica, to_primary, |_| true));
            let has_failed = has_failed.clone();
            thread::spawn(move || {
                pass(primary, to_replica, |came| {
                    thread::park_timeout(NETWORK.saturating_sub(came.elapsed()));
                    !has_failed.load(Ordering::SeqCst)
                });
            });
        }
    });
    address.port()
}

/// Reads and writes in two threads, so that a delay does not become a bandwidth.
fn pass(mut from: TcpStream, mut to: TcpStream, wait: impl Fn(Instant) -> bool) {
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
        if !wait(came) || to.write_all(&bytes).is_err() {
            return;
        }
    }
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
            let offer = Offer { version, location: None, forget: Duration::MAX, may_be_new: true };
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
}

/// The number of answered locations, and how many of them the replica has not got.
fn fail_over(wait_replicas: u32) -> Option<(usize, usize)> {
    let mut primary = started_redis()?;
    let has_failed = Arc::new(AtomicBool::new(false));
    let network = network(primary.port, has_failed.clone());
    let replica = Redis::start(&["--replicaof", &format!("127.0.0.1 {network}")])?;
    util::wait_until("the replica follows", || primary.ask(&["INFO", "replication"]).contains("state=online"));
    let reactor = Reactor::new().unwrap();
    let mut config = StoreConfig::of(vec![HostPort { host: "127.0.0.1".to_owned(), port: primary.port }]);
    (config.wait_replicas, config.timeout) = (wait_replicas, Duration::from_secs(2));
    let access = Access::read(&reactor, &config, &TlsConfig::default()).unwrap();
    let store = Store::new(&reactor, &config, &access, "test", 1 << 20);
    store.begin(|| ());
    util::wait_until("the functions are there", || {
        reactor.iterate(Duration::from_millis(1)).unwrap();
        replica.ask(&["FCALL_RO", "proxyherd_version", "0"]).trim() == "1"
    });
    let (next, under_way, answered) = Default::default();
    let load = Rc::new(Load { store, next, under_way, answered });
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
    let keys = replica.ask(&["KEYS", "*:c*"]);
    let there: std::collections::BTreeSet<&str> = keys.lines().filter_map(|key| key.split("}:c").nth(1)).collect();
    let answered = load.answered.borrow();
    let lost = answered.iter().filter(|number| !there.contains(number.to_string().as_str())).count();
    Some((answered.len(), lost))
}

#[test]
fn a_failover_loses_no_location_that_a_replica_has_confirmed() {
    let failovers: usize = std::env::var("STORE_FAILOVERS").ok().and_then(|text| text.parse().ok()).unwrap_or(1);
    for wait_replicas in [0, 1] {
        let mut all = Vec::new();
        for _ in 0..failovers {
            let Some(one) = fail_over(wait_replicas) else { return };
            all.push(one);
        }
        let (answered, lost): (Vec<usize>, Vec<usize>) = all.into_iter().unzip();
        let with_losses = lost.iter().filter(|lost| **lost > 0).count();
        println!(
            "wait_replicas = {wait_replicas}: {failovers} failovers, {} answered, {} lost, in {with_losses} of them; \
             at most {} at once",
            answered.iter().sum::<usize>(),
            lost.iter().sum::<usize>(),
            lost.iter().max().unwrap_or(&0),
        );
        if wait_replicas == 1 {
            assert_eq!(lost.iter().sum::<usize>(), 0);
        }
    }
}
