//! [`Server`]: one server of the herd: what it knows, its links, its Places service.
//!
//! Everything here runs on one reactor, in callbacks that do not wait. [`crate::locations`] decides whether an AT is
//! newer than what is known; this file decides where it goes. That is the flood:
//!
//! * A newer version is stored, and then forwarded to every neighbor except the one that it came from.
//! * A version that is already known stops here. So each server forwards each version at most once, and every flood
//!   ends.
//! * A neighbor that sends an older version gets the newer one back (anti-entropy). Otherwise it might never get the
//!   newer one, which may have been sent on a link that broke.
//! * A link that comes up carries every client that the neighbor lacks: what was sent while it was down is lost.
//! * *Telling back*: the last lines of a neighbor's process may reach us after it has died, and its successor lacks
//!   them. So when a connection that brought news has ended, and the neighbor may be a new process, we send it what it
//!   has told us since our link came up ([`Link`] knows when).
//!
//! * What was heard long ago is forgotten, by a rule that is the same on every server (`server/forgetting.rs`).
//!
//! Next: [`server/doors.rs`](../../src/proxyherd/server/doors.rs.html), its ports.

mod asking;
mod changing;
mod comparing;
mod doors;
mod foreign_keys;
mod forgetting;
mod mistaken;
mod owing;
mod pacing;
mod storing;

pub use forgetting::NotTaken;
pub use owing::{Storing, StoringCounters};

use crate::address_group::AddressGroup;
use crate::config::{Config, ConfigError, Door, HostPort, Limits, MAX_AHEAD, ServerConfig};
use crate::connections::Connections;
use crate::counters::Counters;
use crate::decimal::Time;
use crate::identity::Identity;
use crate::links::Link;
use crate::locations::{Change, Locations, NeighborId, Order, Stamp, Verdict, Version, newness};
use crate::message::At;
use crate::places::Places;
use crate::store::{Access, Store};
use crate::watch::{HeardFrom, Watch};
use comparing::Comparing;
use forgetting::Forgetting;
use mistaken::Mistaken;
use pacing::Pacing;
use reactor::{Deferred, Failure, Phase, Reactor, SystemEvent};
use std::cell::{Cell, OnceCell, RefCell};
use std::collections::BTreeSet;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::rc::{Rc, Weak};
use std::time::{Duration, Instant, SystemTime};

/// How far another server's clock may be ahead of ours. An AT from a clock beyond that is refused: one forged line
/// could otherwise freeze a client for ever. Every server has the same limit, so that they refuse the same lines. It is
/// far larger than any difference between clocks that somebody looks after.
const MAX_CLOCK_LEAD: Duration = Duration::from_secs(2 * 24 * 3600);

/// Why a server does not take an AT that is well formed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doubt {
    /// No server of the herd has this name.
    UnknownServer,
    /// The client's time is further ahead of the server's clock than any server accepts.
    TooFarAhead,
    /// The server's clock is too far ahead of ours. If ours is wrong, the line may be good.
    FromTheFuture,
}

impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Doubt::UnknownServer => "no server of the herd has this name: the configuration must name every server",
            Doubt::TooFarAhead => "the client's time is further ahead of the server's clock than any server accepts",
            Doubt::FromTheFuture => "the server's clock is more than two days ahead of ours",
        })
    }
}

/// One server of the herd.
pub struct Server {
    this: Weak<Server>,
    name: String,
    /// Where it listens.
    own: Vec<(Door, HostPort)>,
    /// Its keys and certificates.
    identity: RefCell<Rc<Identity>>,
    reactor: Reactor,
    limits: Cell<Limits>,
    /// The names of all servers of the herd.
    herd: BTreeSet<Box<[u8]>>,
    locations: Rc<RefCell<Locations>>,
    /// What it does with the store beside the herd, if there is one.
    storing: Option<Storing>,
    forgetting: Forgetting,
    mistaken: Mistaken,
    links: OnceCell<Vec<Rc<Link>>>,
    pacing: Rc<Pacing>,
    comparing: Rc<Comparing>,
    places: RefCell<Rc<dyn Places>>,
    /// The last reading of the clock.
    clock: Cell<Option<(SystemTime, Time)>>,
    connections: Rc<Connections>,
    /// Replies are put together here, so that most need no allocation. One is enough for all connections.
    scratch: Cell<Vec<u8>>,
    /// What clients were owed when the server stopped.
    owed: Cell<Owed>,
    /// A port that was opened for `address` by somebody else.
    #[cfg(unix)]
    inherited: Cell<Option<std::os::fd::OwnedFd>>,
    made: Instant,
    counters: Rc<Counters>,
    watch: Rc<dyn Watch>,
}

fn no_way(name: &str, neighbor: &str) -> ConfigError {
    ConfigError(format!("server {name} cannot connect to its neighbor {neighbor}, which has no address"))
}

/// A buffer that a long reply has made larger than this is not kept.
const MAX_SCRATCH: usize = 512;

/// What clients were owed in the end.
#[derive(Debug, Clone, Copy, Default)]
struct Owed {
    clients: usize,
    /// Commands that were not carried out.
    commands: usize,
    /// Bytes of replies to earlier commands.
    bytes: usize,
}

impl Server {
    /// Starts the server `name` of the herd that `config` describes: it looks up the names, listens on every address of
    /// its own name, and connects to its neighbors. The Deferred fires with the first address on which it listens. It
    /// fails if the server's own name cannot be looked up, or if it cannot listen.
    ///
    /// The server closes its links when the reactor stops.
    ///
    /// # Errors
    /// If `config` has no server of this name, or if the keys and certificates that it needs cannot be used.
    pub fn start(
        reactor: &Reactor,
        config: &Config,
        name: &str,
        places: Rc<dyn Places>,
    ) -> Result<Deferred<SocketAddr>, ConfigError> {
        Ok(Server::new(reactor, config, name, places, Box::new(newness), Rc::new(()))?.begin())
    }

    /// A server that does nothing until [`begin`](Server::begin) is called. A simulation uses it to choose two things
    /// that [`start`](Server::start) does not offer: the order of versions, and an observer.
    ///
    /// # Errors
    /// As [`start`](Server::start).
    pub fn new(
        reactor: &Reactor,
        config: &Config,
        name: &str,
        places: Rc<dyn Places>,
        order: Order,
        watch: Rc<dyn Watch>,
    ) -> Result<Rc<Server>, ConfigError> {
        let own = config.server(name)?;
        let doors = own.places_to_listen().map(|(door, place)| (door, place.clone())).collect();
        let identity = Identity::read(reactor, config, name)?;
        let counters = Rc::<Counters>::default();
        let storing = match &config.store {
            Some(store) => {
                let access = Access::read(reactor, store, &config.tls)?;
                let memory = owing::memory_for_cache(&config.limits);
                Some(Storing::new(Store::new(reactor, store, &access, name, memory)))
            }
            None => None,
        };
        let memory = storing.as_ref().map_or(config.limits.memory, |_| owing::memory_for_table(&config.limits));
        let locations = Rc::new(RefCell::new(Locations::with_order(memory, order)));
        let server = Rc::new_cyclic(|this| Server {
            this: this.clone(),
            name: name.to_owned(),
            reactor: reactor.clone(),
            own: doors,
            identity: RefCell::new(Rc::new(identity)),
            limits: Cell::new(config.limits),
            herd: config.servers.keys().map(|name| name.as_bytes().into()).collect(),
            comparing: Comparing::new(reactor, locations.clone()),
            locations,
            storing,
            forgetting: Forgetting::default(),
            mistaken: Mistaken::default(),
            links: OnceCell::new(),
            pacing: Pacing::new(reactor),
            places: RefCell::new(places),
            clock: Cell::new(None),
            connections: Connections::new(reactor, &config.limits, counters.clone()),
            scratch: Cell::default(),
            owed: Cell::default(),
            #[cfg(unix)]
            inherited: Cell::new(None),
            made: reactor.now(),
            counters,
            watch,
        });
        let neighbors = own.neighbors.iter().filter_map(|name| Some((name.clone(), config.servers.get(name)?)));
        let link = |(id, (neighbor, there)): (NeighborId, (String, &ServerConfig))| {
            let target = own.link_with(there).ok_or_else(|| no_way(name, &neighbor))?;
            Ok(Link::new(&server, id, neighbor, target))
        };
        let list = neighbors.enumerate().map(link).collect::<Result<_, ConfigError>>()?;
        let _ = server.links.set(list); // Cannot fail: the server is new.
        Ok(server)
    }

    /// Starts a server that [`new`](Server::new) has made; the Deferred is that of [`start`](Server::start). Call it
    /// once.
    pub fn begin(self: Rc<Server>) -> Deferred<SocketAddr> {
        let closing = self.clone();
        self.reactor.add_system_event_trigger(Phase::Before, SystemEvent::Shutdown, move || {
            closing.stop_sweeping();
            let stopped = closing.stop_storing();
            stopped.add_both(move |_| closing.links().iter().for_each(|link| link.close()))
        });
        self.begin_sweeping();
        self.begin_storing();

        let ended = self.clone();
        self.reactor.add_system_event_trigger(Phase::After, SystemEvent::Shutdown, move || {
            ended.pacing.stop();
            ended.comparing.stop();
            let Owed { clients, commands, bytes } = ended.owed.take();
            if clients > 0 {
                let what = format!("replies to {commands} commands, and {bytes} bytes of earlier replies");
                log::warn!("{clients} clients were owed {what}");
            }
        });

        // The addresses of the neighbors decide who may send an AT. But we do not wait for these look-ups: a name that
        // cannot be looked up must not keep this server from serving.
        for link in self.links() {
            link.look_up().detach();
        }
        let opened = self.open_doors();
        opened.add_callback(move |doors| {
            let plain = doors.iter().find(|(door, _)| *door == Door::Plain);
            let plain = plain.map_or(&[][..], |(_, hosts)| hosts);
            Link::open_all(self.links(), plain);
            let first = doors.iter().find_map(|(_, hosts)| hosts.first().copied());
            first.ok_or_else(|| Failure::msg("the server has no address"))
        })
    }

    /// Its keys and certificates.
    pub(crate) fn identity(&self) -> Rc<Identity> {
        self.identity.borrow().clone()
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The reactor on which it runs.
    pub fn reactor(&self) -> &Reactor {
        &self.reactor
    }

    /// The time on its clock. All calls within one callback return the same time.
    pub fn time(&self) -> Time {
        let time = self.reactor.system_time();
        match self.clock.get() {
            // The reactor reads its clock once for each callback: converting it once is enough.
            Some((at, known)) if at == time => known,
            _ => {
                let read = Time::from(time);
                self.clock.set(Some((time, read)));
                read
            }
        }
    }

    /// Its limits.
    pub fn limits(&self) -> Limits {
        self.limits.get()
    }

    /// The links to its neighbors.
    pub fn links(&self) -> &[Rc<Link>] {
        self.links.get().map_or(&[], Vec::as_slice)
    }

    /// Its observer.
    pub(crate) fn watch(&self) -> &dyn Watch {
        &*self.watch
    }

    /// When it was made.
    pub fn made(&self) -> Instant {
        self.made
    }

    /// What it has done so far.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// What it knows.
    pub fn locations(&self) -> &RefCell<Locations> {
        &self.locations
    }

    /// How its table stands beside a neighbor's.
    pub(crate) fn comparing(&self) -> &Comparing {
        &self.comparing
    }

    /// The connections that peers have made to it.
    pub fn connections(&self) -> &Rc<Connections> {
        &self.connections
    }

    /// An empty buffer for a reply.
    pub(crate) fn take_scratch(&self) -> Vec<u8> {
        self.scratch.take()
    }

    /// Keeps the buffer for the next reply.
    pub(crate) fn keep_scratch(&self, mut scratch: Vec<u8>) {
        if scratch.capacity() <= MAX_SCRATCH {
            scratch.clear();
            self.scratch.set(scratch);
        }
    }

    /// Counts what a client was owed when its connection ended because the server stops.
    pub fn count_owed(&self, commands: usize, bytes: usize) {
        let owed = self.owed.get();
        self.owed.set(Owed {
            clients: owed.clients + 1,
            commands: owed.commands + commands,
            bytes: owed.bytes + bytes,
        });
    }

    /// The neighbor of this name.
    pub fn neighbor_called(&self, name: &[u8]) -> Option<NeighborId> {
        self.links().iter().position(|link| link.name().as_bytes() == name)
    }

    /// Whether this is an address of a neighbor that is recognized by its address.
    pub fn is_neighbors_address(&self, address: Option<IpAddr>) -> bool {
        self.links().iter().any(|link| link.may_come_from(address))
    }

    /// A neighbor has connected to us.
    pub fn neighbor_connected(&self, neighbor: NeighborId) {
        log::info!("neighbor {} has connected", self.links()[neighbor].name());
        self.links()[neighbor].neighbor_connected();
    }

    /// A neighbor's connection to us, made at `made`, has ended. `brought_news` says whether it had told us anything
    /// new.
    pub fn neighbor_disconnected(&self, neighbor: NeighborId, made: Instant, brought_news: bool) {
        log::info!("neighbor {} has disconnected", self.links()[neighbor].name());
        self.links()[neighbor].neighbor_disconnected(made, brought_news);
    }

    /// Takes what a client at `from` said, as an AT; `line` is the same AT as a line. If it is newer than what is
    /// known, it is stored and flooded. `now` is what [`time`](Server::time) has returned in this callback. Where the
    /// client is, is asked for a new client alone: most are known.
    ///
    /// # Errors
    /// Why the client must not get its reply.
    pub fn take_iamat(
        &self,
        at: &At<'_>,
        line: &[u8],
        now: Time,
        from: impl FnOnce() -> AddressGroup,
    ) -> Result<(), NotTaken> {
        let heard = Stamp::from(now);
        let version = Version { client: at.iamat.client, time: at.iamat.time, heard, line };
        let verdict = {
            let mut locations = self.locations.borrow_mut();
            let horizon = locations.horizon();
            locations.offer_version(&version, None, || self.admit(heard, horizon, from()))
        };
        self.watch.heard(at, line, HeardFrom::Client, &verdict);
        self.spread(&verdict, at.iamat.client, None);
        match verdict {
            // The client gets its reply all the same if we know something newer.
            Verdict::Newer(_) | Verdict::Same | Verdict::Older(_) => {}
            Verdict::NoRoom => return Err(NotTaken::NoRoom),
            Verdict::BeyondShare => return Err(NotTaken::BeyondShare),
            Verdict::Forgotten => return Err(NotTaken::ClockBehind),
        }
        self.watch.done();
        Ok(())
    }

    /// Whether an AT can be what it says: that a server of this herd heard it, and at a time that its clock could show.
    ///
    /// # Errors
    /// Why not.
    pub fn check_at(&self, at: &At<'_>) -> Result<(), Doubt> {
        self.check_version(at.server, at.iamat.time, at.clock())
    }

    /// The same for an AT or a FORGOT: the server that it names, its time, and what that server's clock showed.
    ///
    /// # Errors
    /// As [`check_at`](Server::check_at).
    pub fn check_version(&self, server: &[u8], time: Time, clock: Option<Time>) -> Result<(), Doubt> {
        if !self.herd.contains(server) {
            return Err(Doubt::UnknownServer);
        }
        match clock {
            Some(clock) if time.is_later_than(clock, MAX_AHEAD) => Err(Doubt::TooFarAhead),
            Some(clock) if clock.is_later_than(self.time(), MAX_CLOCK_LEAD) => Err(Doubt::FromTheFuture),
            _ => Ok(()),
        }
    }

    /// Takes an AT from another server: `from` is the neighbor, if it has said which one it is. The verdict says
    /// whether the AT was news.
    pub fn take_at(&self, at: &At<'_>, from: Option<NeighborId>) -> Verdict {
        let mut line = Vec::new();
        at.write_to(&mut line);
        let heard = Stamp::from(at.clock().unwrap_or(at.iamat.time));
        let version = Version { client: at.iamat.client, time: at.iamat.time, heard, line: &line };
        let verdict = self.offer_news(&version, from);
        self.watch.heard(at, &line, from.map_or(HeardFrom::Unnamed, HeardFrom::Neighbor), &verdict);
        self.spread(&verdict, at.iamat.client, from);
        self.watch.done();
        match &verdict {
            Verdict::Newer(_) => self.counters.at_news.add(),
            _ => self.counters.at_known.add(),
        }
        verdict
    }

    /// Tells every neighbor about a client, except the neighbor that told us: that one knows it.
    fn flood(&self, change: &Change, from: Option<NeighborId>) {
        self.links().iter().for_each(|link| link.spread(change, from));
    }

    /// Something was stored: takes care that the table does not become full.
    fn keep_room(&self) {
        let locations = self.locations.borrow();
        if locations.is_crowded() || locations.is_making_room() {
            drop(locations);
            self.make_room();
        }
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Server({}, {} clients known)", self.name, self.locations.borrow().len())
    }
}
