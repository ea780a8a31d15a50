//! A herd with a store: real `redis-server`s, which the tests start. Without that program, each test reports SKIPPED.
//!
//! The herd's servers run inside this process, on a clock that the test moves ([`harness`]).

mod alarms;
mod away;
#[path = "../../reactor/tests/util/certificates.rs"]
#[allow(dead_code, reason = "made for more tests than these")]
mod certificates;
mod cluster;
#[path = "../util/counted_link.rs"]
mod counted_link;
#[path = "../protocol/harness.rs"]
#[allow(dead_code, reason = "made for more tests than these")]
mod harness;
#[path = "../util/held_places.rs"]
#[allow(dead_code, reason = "what the harness needs")]
mod held_places;
mod late_answers;
mod lies;
mod losses;
mod order;
#[path = "../../reactor/tests/util/pem.rs"]
mod pem;
#[path = "../../reactor/tests/resp_servers/server.rs"]
mod redis;
mod reshaping;
mod restart;
mod rights;
mod script;
mod secure;
mod servers;
mod shared_wait;
mod short_breaks;
mod shuffled;
#[path = "../../reactor/tests/util/skip.rs"]
mod skip;
mod trouble;
#[path = "../util/mod.rs"]
#[allow(dead_code, reason = "made for more tests than these")]
mod util;

// What the shared files find one module above themselves.
use proxyherd::address_group::AddressGroup;
use proxyherd::places::{Nearby, Places};

use harness::Harness;
use proxyherd::config::{Config, HostPort, Limits, OnLoss, ServerConfig, StoreConfig, TlsConfig};
use proxyherd::locations::newness;
use proxyherd::server::Server;
use proxyherd::status::{Status, StoreStatus};
use reactor::Deferred;
use redis::Server as Redis;
use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// A server of a herd, and where it listens.
pub(crate) struct Herder {
    pub(crate) server: Rc<Server>,
    pub(crate) address: SocketAddr,
}

impl Herder {
    /// Starts the server `name` of a herd of its own, beside these servers of a store.
    pub(crate) fn start(
        harness: &Harness,
        name: &str,
        stores: &[&Redis],
        change: impl FnOnce(&mut StoreConfig),
    ) -> Herder {
        let nodes = stores.iter().map(|redis| HostPort { host: "127.0.0.1".to_owned(), port: redis.port });
        Herder::start_at(harness, name, nodes.collect(), change)
    }

    pub(crate) fn start_at(
        harness: &Harness,
        name: &str,
        nodes: Vec<HostPort>,
        change: impl FnOnce(&mut StoreConfig),
    ) -> Herder {
        Herder::start_with(harness, name, nodes, TlsConfig::default(), change)
    }

    /// The same with the certificates of `[tls]`.
    pub(crate) fn start_with(
        harness: &Harness,
        name: &str,
        nodes: Vec<HostPort>,
        tls: TlsConfig,
        change: impl FnOnce(&mut StoreConfig),
    ) -> Herder {
        let mut store = StoreConfig::of(nodes);
        store.buckets = 16;
        change(&mut store);
        let own = HostPort { host: "127.0.0.1".to_owned(), port: 0 };
        let server = ServerConfig { address: Some(own), ..ServerConfig::default() };
        // The test's clock shows a time of long ago.
        let limits = Limits { forget: Duration::MAX, ..Limits::default() };
        let servers = [(name.to_owned(), server)].into();
        let config = Config { servers, limits, tls, store: Some(store), ..Config::default() };
        let order = Box::new(newness);
        let server = Server::new(&harness.reactor, &config, name, Rc::new(NoPlaces), order, Rc::new(())).unwrap();
        let address = harness.wait_for_start(server.clone().begin());
        Herder { server, address }
    }

    pub(crate) fn store(&self) -> StoreStatus {
        Status::of(&self.server).store.expect("it has a store")
    }

    pub(crate) fn counted(&self, name: &str) -> u64 {
        let counters = self.store().counters;
        counters.iter().find(|(counter, _)| *counter == name).expect("such a counter").1
    }

    /// How many clients are in its table.
    pub(crate) fn table_len(&self) -> usize {
        self.server.locations().borrow().len()
    }

    /// Waits until the store has answered for the first time.
    #[track_caller]
    pub(crate) fn wait_for_store(&self, harness: &Harness, redis: &Redis) {
        Pace::new(harness).until("the store has our functions", || {
            redis.ask(&["FCALL", "proxyherd_version", "0"]).trim() == "1" && self.store().lost == 0
        });
    }

    /// The first line of the reply to a WHATSAT: an AT, or a question mark and the command.
    #[track_caller]
    pub(crate) fn whats_at(&self, harness: &Harness, client: &str) -> String {
        let mut connection = harness.connect(self.address);
        let line = connection.ask(&format!("WHATSAT {client} 1 1"));
        if line.starts_with("AT ") {
            while !connection.line().is_empty() {}
        }
        line
    }

    /// Waits until a WHATSAT is answered with this line. A server answers with what it remembers until the store's
    /// push has come, and that may come later than the reply of another server to the newer IAMAT.
    #[track_caller]
    pub(crate) fn wait_until_it_says(&self, harness: &Harness, client: &str, line: &str) {
        harness.turn_until(line, || self.whats_at(harness, client) == line);
    }
}

/// A harness whose clock goes as fast as the real one: what a real store needs some time for must not look late.
pub(crate) struct Pace<'h> {
    pub(crate) harness: &'h Harness,
    last: Cell<Instant>,
}

impl<'h> Pace<'h> {
    pub(crate) fn new(harness: &'h Harness) -> Pace<'h> {
        Pace { harness, last: Cell::new(Instant::now()) }
    }

    #[track_caller]
    pub(crate) fn until(&self, what: &str, mut condition: impl FnMut() -> bool) {
        self.harness.turn_until(what, || {
            let now = Instant::now();
            self.harness.advance(now - self.last.replace(now));
            condition()
        });
    }
}

/// A service that knows no place.
struct NoPlaces;

impl Places for NoPlaces {
    fn nearby(&self, _question: &Nearby, _from: AddressGroup) -> Deferred<Vec<u8>> {
        reactor::deferred::succeed(br#"{"results":[],"status":"OK"}"#.to_vec())
    }

    fn describe(&self) -> String {
        "none".to_owned()
    }
}

/// A store that answers.
pub(crate) fn started_redis() -> Option<Redis> {
    let redis = Redis::start(&[])?;
    wait_until_it_answers(&redis);
    Some(redis)
}

pub(crate) fn wait_until_it_answers(redis: &Redis) {
    util::wait_until("the store answers", || redis.ask(&["PING"]).contains("PONG"));
}

/// The same with a store that refuses what it cannot take.
pub(crate) fn refusing(store: &mut StoreConfig) {
    store.on_loss = OnLoss::Refuse;
}
