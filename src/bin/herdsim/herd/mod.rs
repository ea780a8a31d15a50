//! [`Herd`]: a world with the real servers in it: each is the very [`Server`] that ships, on a host of its own.
//!
//! Next: `rules.rs`, the rules by which they take locations.

use crate::herd::rules::Rule;
use crate::herd::topology::Graph;
use proxyherd::address_group::AddressGroup;
use proxyherd::config::{Config, HostPort, Limits, PlacesConfig, ServerConfig};
use proxyherd::locations::Order;
use proxyherd::places::{self, Nearby, Places};
use proxyherd::server::Server;
use proxyherd::watch::Watch;
use reactor::sim::{Host, HostSettings, World};
use reactor::{Deferred, Phase, Reactor, SystemEvent};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::{Rc, Weak};
use std::time::Duration;

pub(crate) mod feeder;
pub(crate) mod rules;
pub(crate) mod store;
pub(crate) mod topology;

/// The port on which all servers listen: each has an address of its own.
pub(crate) const PORT: u16 = 12_200;

/// Makes the observer for a server's new life. Called with the server's number at each start.
pub(crate) type Observer = Rc<dyn Fn(usize) -> Rc<dyn Watch>>;

/// Makes the order of versions for a server's new life.
pub(crate) type Orders = Rc<dyn Fn() -> Order>;

/// Called with a server's number and with what it has left behind, when the server stops in good order.
pub(crate) type Stopped = Rc<dyn Fn(usize, Left)>;

/// What a server has left behind when all its connections are closed and its loop is about to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Left {
    /// Delayed calls.
    pub(crate) calls: usize,
    /// Open descriptors, besides those that every program has.
    pub(crate) descriptors: usize,
    /// Questions to the Places service without an answer.
    pub(crate) unanswered: i64,
}

/// Descriptors that every simulated program has open.
const DESCRIPTORS: usize = 5;

/// Which Places service the servers use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PlacesKind {
    /// The provider that ships: HTTPS to a server on the same host, TLS and all.
    Offline,
    /// None: for herds that get no WHATSAT.
    Nobody,
}

/// Runs `f` on a program's reactor, from a script of the world, and wakes its loop.
pub(crate) fn ask(reactor: &Reactor, f: impl FnOnce(&Reactor) + 'static) {
    let asked = reactor.clone();
    reactor.call_later(Duration::ZERO, move || f(&asked));
    let _ = reactor.handle().call_from_thread(|_| {});
}

/// A herd in its world.
pub(crate) struct Herd {
    pub(crate) world: World,
    pub(crate) servers: Vec<Rc<Member>>,
}

/// One server and its host.
pub(crate) struct Member {
    host: RefCell<Option<Host>>,
    server: RefCell<Weak<Server>>,
    /// How many questions to the Places service have no answer yet, in this life of the server.
    unanswered: RefCell<Rc<Cell<i64>>>,
}

impl Herd {
    /// Puts the servers into a world and starts them.
    pub(crate) fn new(world: World, graph: &Graph, rule: Rule, kind: PlacesKind, observer: Observer) -> Herd {
        let orders = Rc::new(move || rule.order());
        let common = remembering();
        Herd::on_hosts(world, graph, orders, kind, observer, &HostSettings::default(), common, Rc::new(|_, _| {}))
    }

    /// The same as [`new`](Herd::new), on hosts of this kind; `common` is what the servers' configurations have in
    /// common. `stopped` hears of each orderly stop.
    #[allow(clippy::too_many_arguments, reason = "each is one choice of a run, and there is one caller")]
    pub(crate) fn on_hosts(
        world: World,
        graph: &Graph,
        orders: Orders,
        kind: PlacesKind,
        observer: Observer,
        hosts: &HostSettings,
        common: Config,
        stopped: Stopped,
    ) -> Herd {
        let config = Rc::new(config(graph, common));
        let servers = graph.names.iter().enumerate().map(|(number, name)| {
            let member = Rc::new(Member::default());
            let (config, observer, this, own) = (config.clone(), observer.clone(), member.clone(), name.clone());
            let (stopped, orders) = (stopped.clone(), orders.clone());
            let host = world.host_with(name, hosts.clone(), move |reactor| {
                // Connections fail by the thousand here, and that is the point.
                reactor.quiet();
                let unanswered = Rc::new(Cell::new(0));
                let places = Rc::new(Counted { inner: places_for(reactor, kind), unanswered: unanswered.clone() });
                let server = Server::new(reactor, &config, &own, places, orders(), observer(number));
                let server = server.expect("the herd's own configuration names its servers");
                this.server.replace(Rc::downgrade(&server));
                this.unanswered.replace(unanswered.clone());
                server.begin().detach();
                let (this, stopped, over) = (this.clone(), stopped.clone(), reactor.clone());
                reactor.add_system_event_trigger(Phase::After, SystemEvent::Shutdown, move || {
                    let descriptors = this.host().descriptor_count().saturating_sub(DESCRIPTORS);
                    let (calls, unanswered) = (over.delayed_call_count(), unanswered.get());
                    stopped(number, Left { calls, descriptors, unanswered });
                });
            });
            member.host.replace(Some(host));
            member
        });
        let servers = servers.collect();
        Herd { world, servers }
    }
}

impl Member {
    pub(crate) fn host(&self) -> Host {
        self.host.borrow().clone().expect("a member is handed out with its host")
    }

    /// The server, if it is running.
    pub(crate) fn server(&self) -> Option<Rc<Server>> {
        self.server.borrow().upgrade()
    }

    pub(crate) fn unanswered(&self) -> i64 {
        self.unanswered.borrow().get()
    }
}

impl Default for Member {
    fn default() -> Member {
        Member { host: RefCell::default(), server: RefCell::new(Weak::new()), unanswered: RefCell::default() }
    }
}

/// The configuration of a herd in which nothing is forgotten.
pub(crate) fn remembering() -> Config {
    Config { limits: Limits { forget: Duration::MAX, ..Limits::default() }, ..Config::default() }
}

fn config(graph: &Graph, common: Config) -> Config {
    let mut servers: BTreeMap<String, ServerConfig> = graph
        .names
        .iter()
        .map(|name| {
            let address = Some(HostPort { host: name.clone(), port: PORT });
            (name.clone(), ServerConfig { address, ..ServerConfig::default() })
        })
        .collect();
    for (one, other) in &graph.pairs {
        let (one, other) = (&graph.names[*one], &graph.names[*other]);
        for (name, neighbor) in [(one, other), (other, one)] {
            servers.entry(name.clone()).and_modify(|server| server.neighbors.push(neighbor.clone()));
        }
    }
    servers.values_mut().for_each(|server| server.neighbors.sort());
    Config { servers, ..common }
}

fn places_for(reactor: &Reactor, kind: PlacesKind) -> Rc<dyn Places> {
    match kind {
        PlacesKind::Nobody => Rc::new(Nobody),
        PlacesKind::Offline => match places::open(reactor, &PlacesConfig::default(), None) {
            Ok(places) => places,
            Err(error) => panic!("{error}"), // A simulated machine always has a free port.
        },
    }
}

/// A service that counts the answers that it owes.
struct Counted {
    inner: Rc<dyn Places>,
    unanswered: Rc<Cell<i64>>,
}

impl Places for Counted {
    fn nearby(&self, question: &Nearby, from: AddressGroup) -> Deferred<Vec<u8>> {
        let unanswered = self.unanswered.clone();
        unanswered.set(unanswered.get() + 1);
        self.inner.nearby(question, from).add_both(move |answer| {
            unanswered.set(unanswered.get() - 1);
            answer
        })
    }

    fn behind(&self) -> Option<&dyn Places> {
        Some(&*self.inner)
    }

    fn describe(&self) -> String {
        self.inner.describe()
    }
}

/// No service.
struct Nobody;

impl Places for Nobody {
    fn nearby(&self, _question: &Nearby, _from: AddressGroup) -> Deferred<Vec<u8>> {
        reactor::deferred::fail(reactor::Failure::msg("there is no Places service here"))
    }

    fn describe(&self) -> String {
        "nobody".to_owned()
    }
}
