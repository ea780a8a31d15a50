//! Eight servers offer the versions of many clients in any order, while primaries of a cluster are killed. Each client
//! ends at its newest version.
//!
//! `STORE_OFFERS=200000` makes that many offers, and kills a primary three times; without it, there are few offers, and
//! one primary dies.

use super::redis::start_cluster;
use super::*;
use proxyherd::config::TlsConfig;
use proxyherd::decimal::Time;
use proxyherd::locations::{Stamp, Version};
use proxyherd::message::Location;
use proxyherd::store::{Access, Offer, Store};
use reactor::{Deferred, Reactor};
use std::cell::RefCell;
use std::collections::VecDeque;

const SERVERS: usize = 8;

/// How many versions each client has.
const VERSIONS: u32 = 20;

/// How many offers of a server are on their way at once, and how many it makes in one turn: some fail at once.
const DEPTH: usize = 32;

const FEW_OFFERS: usize = 4000;

/// When a client was where it was: the later, the newer.
const FIRST_TIME: u32 = 1_400_794_000;

/// A client, and its time after [`FIRST_TIME`].
type Said = (usize, u32);

/// One server of the eight, as the store sees it.
struct Source {
    store: Rc<Store>,
    queue: RefCell<VecDeque<Said>>,
    under_way: Cell<usize>,
    name: String,
}

impl Source {
    fn new(reactor: &Reactor, nodes: &[Redis], number: usize, queue: VecDeque<Said>) -> Rc<Source> {
        let addresses = nodes.iter().map(|node| HostPort { host: "127.0.0.1".to_owned(), port: node.port });
        let mut config = StoreConfig::of(addresses.collect());
        (config.buckets, config.wait_replicas, config.timeout) = (64, 1, Duration::from_secs(1));
        let access = Access::read(reactor, &config, &TlsConfig::default()).unwrap();
        let name = format!("S{number}");
        let store = Store::new(reactor, &config, &access, &name, 1 << 20);
        store.begin(|| ());
        Rc::new(Source { store, queue: RefCell::new(queue), under_way: Cell::new(0), name })
    }

    /// Offers what is next. What the store does not take comes to the end of the queue, as in a server's table.
    fn go_on(self: &Rc<Self>, confirmed: &Rc<RefCell<Vec<u32>>>) {
        for _ in 0..DEPTH - self.under_way.get() {
            let Some((client, time)) = self.queue.borrow_mut().pop_front() else { return };
            let name = format!("c{client}");
            let line = format!("AT {} +0.000000000 {name} +34-118 {}", self.name, FIRST_TIME + time);
            let when = Time::parse((FIRST_TIME + time).to_string().as_bytes()).unwrap();
            let heard = Stamp::from_nanoseconds(i64::MAX);
            let version = Version { client: name.as_bytes(), time: when, heard, line: line.as_bytes() };
            let offer =
                Offer { version, location: Location::parse(b"+34-118").ok(), forget: Duration::MAX, may_be_new: true };
            self.under_way.set(self.under_way.get() + 1);
            let (this, confirmed) = (self.clone(), confirmed.clone());
            let offered = self.store.offer(&offer).add_both(move |offered| {
                this.under_way.set(this.under_way.get() - 1);
                match offered {
                    Ok(_) => {
                        let newest = &mut confirmed.borrow_mut()[client];
                        *newest = time.max(*newest);
                    }
                    Err(_) => this.queue.borrow_mut().push_back((client, time)),
                }
            });
            offered.detach();
        }
    }
}

/// All versions of all clients, dealt out to the servers in any order.
fn shuffled(offers: usize) -> Vec<VecDeque<Said>> {
    let clients = offers / VERSIONS as usize;
    let mut all: Vec<Said> = (0..clients).flat_map(|client| (1..=VERSIONS).map(move |time| (client, time))).collect();
    let mut random = reactor::sim::Random::new(19);
    for end in (1..all.len()).rev() {
        all.swap(end, random.below(end as u64 + 1) as usize);
    }
    let mut queues = vec![VecDeque::new(); SERVERS];
    all.into_iter().enumerate().for_each(|(number, said)| queues[number % SERVERS].push_back(said));
    queues
}

#[test]
fn every_client_ends_at_its_newest_version_although_primaries_die() {
    let Some(mut nodes) = start_cluster() else { return };
    let many: Option<usize> = std::env::var("STORE_OFFERS").ok().and_then(|text| text.parse().ok());
    let (offers, kills) = (many.unwrap_or(FEW_OFFERS), if many.is_some() { 3 } else { 1 });
    let reactor = Reactor::new().unwrap();
    let queues = shuffled(offers).into_iter().enumerate();
    let sources: Vec<_> = queues.map(|(number, queue)| Source::new(&reactor, &nodes, number, queue)).collect();
    let confirmed = Rc::new(RefCell::new(vec![0; offers / VERSIONS as usize]));
    let left = || sources.iter().map(|source| source.queue.borrow().len() + source.under_way.get()).sum::<usize>();
    let turn = || {
        sources.iter().for_each(|source| source.go_on(&confirmed));
        reactor.iterate(Duration::from_millis(1)).unwrap();
    };
    let began = Instant::now();
    for kill in 0..kills {
        // The servers go on while a primary is away: a third of their offers has to wait.
        while left() > offers / (kills + 1) * (kills - kill) {
            turn();
        }
        nodes[kill].kill();
        let other = (kill + 1) % 3;
        turn_until(turn, "a replica has taken the place", || {
            let info = nodes[other].ask(&["CLUSTER", "NODES"]);
            info.contains("master,fail ") && nodes[other].ask(&["CLUSTER", "INFO"]).contains("cluster_state:ok")
        });
        nodes[kill].restart();
        turn_until(turn, "the old primary is a replica", || {
            nodes[kill].ask(&["INFO", "replication"]).contains("master_link_status:up")
        });
    }
    turn_until(turn, "everything is confirmed", || left() == 0);
    let took = began.elapsed();
    let failed: u64 = sources.iter().map(|source| source.store.counters().failed.get()).sum();
    println!("{offers} offers, {kills} primaries killed, {failed} offers failed and were made again, in {took:?}");
    let reader = &sources[0].store;
    turn_until(turn, "it can be read everywhere", || reader.lost_count() == 0);
    for client in 0..confirmed.borrow().len() {
        let newest = confirmed.borrow()[client];
        assert_eq!(newest, VERSIONS, "c{client}");
        let found = finish(&reactor, reader.look_up(format!("c{client}").as_bytes()));
        let line = String::from_utf8(found.expect("it is there").line).unwrap();
        assert!(
            line.ends_with(&format!(" c{client} +34-118 {}", FIRST_TIME + newest)),
            "{newest} was confirmed: {line}"
        );
    }
    let in_index = |bucket: u16| {
        let key = format!("{{proxyherd:{bucket}}}places");
        let mut replies = nodes.iter().map(|node| node.ask(&["ZRANGE", &key, "0", "-1"]));
        let names = replies.find(|reply| !reply.starts_with("MOVED ")).unwrap();
        names.lines().filter(|name| name.starts_with('c')).count() // What a probe leaves does not count.
    };
    assert_eq!((0..64).map(in_index).sum::<usize>(), offers / VERSIONS as usize, "each has a place in an index");
}

/// Asks the real servers now and then, and lets the herd's go on meanwhile.
#[track_caller]
fn turn_until(turn: impl Fn(), what: &str, condition: impl Fn() -> bool) {
    const EVERY: Duration = Duration::from_millis(100);
    let (began, mut asked) = (Instant::now(), Instant::now());
    loop {
        turn();
        if asked.elapsed() >= EVERY {
            if condition() {
                return;
            }
            assert!(began.elapsed() < 5 * util::PATIENCE, "{what}");
            asked = Instant::now();
        }
    }
}

fn finish<T: 'static>(reactor: &Reactor, deferred: Deferred<T>) -> T {
    let result = Rc::new(RefCell::new(None));
    let kept = result.clone();
    deferred.add_both(move |found| *kept.borrow_mut() = Some(found)).detach();
    while result.borrow().is_none() {
        reactor.iterate(Duration::from_millis(10)).unwrap();
    }
    result.take().expect("it is there").unwrap()
}
