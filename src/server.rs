//! [`Server`]: one server of the herd: what it knows, its links, its Places service.
//!
//! Everything here runs on one reactor, in callbacks that do not wait. The rules of the flood are in
//! [`crate::locations`] (what is newer) and here (where it goes):
//!
//! * what is newer goes to every neighbour but the one that it came from;
//! * what is the same goes nowhere;
//! * who sent something old is sent the newer;
//! * when a neighbour has come again, or a connection of its ends that is older than our link to it, it is sent what it
//!   had told us: that may come out of a network's buffers long after the server that said it has died, and the one
//!   that is up in its place does not know it.

use crate::config::{Config, ConfigError, Limits};
use crate::decimal::Time;
use crate::links::Link;
use crate::locations::{ClientId, Locations, NeighborId, Rule, Verdict};
use crate::log_file::Bytes;
use crate::message::{At, WhatsAt};
use crate::places::{self, Nearby, Places, TooManyQuestions};
use crate::protocol::HerdProtocol;
use crate::watch::{Source, Watch};
use crate::{decimal, links};
use reactor::{Address, Deferred, Failure, LineReceiver, Phase, Reactor, SystemEvent};
use std::cell::{Cell, OnceCell, RefCell};
use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::time::{Instant, SystemTime};

/// One server of the herd.
pub struct Server {
    name: String,
    /// The host name and the port where it listens.
    own: (String, u16),
    reactor: Reactor,
    limits: Limits,
    locations: RefCell<Locations>,
    links: OnceCell<Vec<Rc<Link>>>,
    places: Rc<dyn Places>,
    /// The last reading of the clock.
    clock: Cell<Option<(SystemTime, Time)>>,
    /// Connections that others made to us.
    open: Cell<usize>,
    /// Who looks on. Nobody does at a server that is not simulated.
    watch: Option<Rc<dyn Watch>>,
}

impl Server {
    /// Starts the server `name` of the herd that `config` describes: looks up the names, listens (on every address of
    /// its own name), and links up with its neighbours. The Deferred fires with where it listens (the first address),
    /// or fails with why it cannot.
    ///
    /// # Errors
    /// If there is no such server.
    pub fn start(
        reactor: &Reactor,
        config: &Config,
        name: &str,
        places: Rc<dyn Places>,
    ) -> Result<Deferred<SocketAddr>, ConfigError> {
        Ok(Server::new(reactor, config, name, places, Rule::Newest, None)?.begin())
    }

    /// A server that has not begun yet: [`begin`](Server::begin) starts it. What [`start`](Server::start) leaves as it
    /// ships is chosen here: the rule by which it takes locations, and who looks on. A simulation needs both.
    ///
    /// # Errors
    /// If `config` has no server of this name.
    pub fn new(
        reactor: &Reactor,
        config: &Config,
        name: &str,
        places: Rc<dyn Places>,
        rule: Rule,
        watch: Option<Rc<dyn Watch>>,
    ) -> Result<Rc<Server>, ConfigError> {
        let own = config.server(name)?;
        let server = Rc::new(Server {
            name: name.to_owned(),
            reactor: reactor.clone(),
            own: (own.host.clone(), own.port),
            limits: config.limits.clone(),
            locations: RefCell::new(Locations::with_rule(config.limits.memory, rule)),
            links: OnceCell::new(),
            places,
            clock: Cell::new(None),
            open: Cell::new(0),
            watch,
        });
        let neighbors = own.neighbors.iter().filter_map(|name| Some((name.clone(), config.servers.get(name)?)));
        let list = neighbors.enumerate().map(|(id, (name, there))| Link::new(&server, id, name, there)).collect();
        let _ = server.links.set(list); // It is new: nobody has set them.
        Ok(server)
    }

    /// Starts a server that [`new`](Server::new) has made, as [`start`](Server::start) does. To be called once.
    pub fn begin(self: Rc<Server>) -> Deferred<SocketAddr> {
        let closing = self.clone();
        self.reactor.add_system_event_trigger(Phase::Before, SystemEvent::Shutdown, move || {
            closing.links().iter().for_each(|link| link.close());
        });

        // Who may send what is a matter of addresses; but nobody's name may keep us from serving.
        for link in self.links() {
            drop(link.look_up());
        }
        let resolved = self.reactor.resolve(&self.own.0);
        resolved.add_callback(move |addresses: Vec<IpAddr>| self.listen(&addresses, self.own.1))
    }

    fn listen(self: &Rc<Self>, addresses: &[IpAddr], port: u16) -> Result<SocketAddr, Failure> {
        let mut hosts: Vec<SocketAddr> = Vec::new();
        for address in addresses.iter().collect::<BTreeSet<_>>() {
            let server = self.clone();
            let limit = self.limits.line;
            let factory = move |peer: Address| {
                LineReceiver::new(HerdProtocol::new(server.clone(), &peer)).with_delimiter(b"\n").with_max_length(limit)
            };
            let host = match self.reactor.listen_tcp(SocketAddr::new(*address, port), factory) {
                Ok(port) => port.host(),
                // A name may have an address of a kind that this machine does not speak.
                Err(error) if error.error.kind() == io::ErrorKind::AddrNotAvailable && addresses.len() > 1 => {
                    log::warn!("{error}");
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            log::info!("{} listens on {host}; places: {}", self.name, self.places.describe());
            hosts.push(host);
        }
        let Some(first) = hosts.first() else { return Err(Failure::msg("no address of the server's name is ours")) };
        for link in self.links() {
            link.open(&hosts);
        }
        Ok(*first)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The loop that it runs on.
    pub fn reactor(&self) -> &Reactor {
        &self.reactor
    }

    /// Its clock.
    pub fn time(&self) -> Time {
        let time = self.reactor.system_time();
        match self.clock.get() {
            Some((at, known)) if at == time => known, // The same callback: the same moment.
            _ => {
                let read = Time::from(time);
                self.clock.set(Some((time, read)));
                read
            }
        }
    }

    /// What it allows.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The links to its neighbours.
    pub fn links(&self) -> &[Rc<Link>] {
        self.links.get().map_or(&[], Vec::as_slice)
    }

    /// Who looks on.
    pub(crate) fn watch(&self) -> Option<&dyn Watch> {
        self.watch.as_deref()
    }

    /// What it knows.
    pub fn locations(&self) -> &RefCell<Locations> {
        &self.locations
    }

    /// Somebody has connected to us; how many are there now?
    pub fn connection_opened(&self) -> usize {
        self.open.set(self.open.get() + 1);
        self.open.get()
    }

    /// Somebody has gone; how many are there now?
    pub fn connection_closed(&self) -> usize {
        self.open.set(self.open.get() - 1);
        self.open.get()
    }

    /// The neighbour of this name, wherever it may come from.
    pub fn neighbor_called(&self, name: &[u8]) -> Option<NeighborId> {
        self.links().iter().position(|link| link.name().as_bytes() == name)
    }

    /// Whether a neighbour may come from this address.
    pub fn is_neighbors_address(&self, address: Option<IpAddr>) -> bool {
        self.links().iter().any(|link| link.may_come_from(address))
    }

    /// A neighbour has connected to us.
    pub fn neighbor_came(&self, neighbor: NeighborId) {
        log::info!("neighbor {} has connected", self.links()[neighbor].name());
        self.links()[neighbor].guest_came();
    }

    /// A neighbour's connection to us has ended; when it was made, and whether we had news by it.
    pub fn neighbor_left(&self, neighbor: NeighborId, made: Instant, brought_news: bool) {
        log::info!("neighbor {} has disconnected", self.links()[neighbor].name());
        self.links()[neighbor].guest_left(made, brought_news);
    }

    /// What a client said, as an AT line: keeps it and spreads it if it is news. False if there is no room for it.
    pub fn take_iamat(&self, at: &At<'_>, line: &[u8]) -> bool {
        let verdict = self.locations.borrow_mut().offer_line(at.iamat.client, at.iamat.time, line, None);
        if let Some(watch) = &self.watch {
            watch.heard(at, line, Source::Client, &verdict);
        }
        match verdict {
            Verdict::Newer(client) => self.flood(&client, None),
            Verdict::Same | Verdict::Older(_) => {}
            Verdict::NoRoom => {
                log::warn!("no room for the client {}", Bytes(at.iamat.client));
                return false;
            }
        }
        if let Some(watch) = &self.watch {
            watch.done();
        }
        true
    }

    /// What another server said. Whether it is news.
    pub fn take_at(&self, at: &At<'_>, from: Option<NeighborId>) -> bool {
        let mut line = Vec::new();
        at.write_to(&mut line);
        let verdict = self.locations.borrow_mut().offer_line(at.iamat.client, at.iamat.time, &line, from);
        if let Some(watch) = &self.watch {
            watch.heard(at, &line, from.map_or(Source::Unnamed, Source::Neighbor), &verdict);
        }
        let is_news = matches!(verdict, Verdict::Newer(_));
        match verdict {
            Verdict::Newer(client) => self.flood(&client, from),
            Verdict::Same => {}
            Verdict::Older(client) => {
                if let Some(neighbor) = from {
                    self.links()[neighbor].tell(&client, links::Why::TheyLackIt);
                }
            }
            Verdict::NoRoom => log::warn!("no room for the client {}", Bytes(at.iamat.client)),
        }
        if let Some(watch) = &self.watch {
            watch.done();
        }
        is_news
    }

    fn flood(&self, client: &ClientId, from: Option<NeighborId>) {
        for (id, link) in self.links().iter().enumerate() {
            if Some(id) != from {
                link.tell(client, links::Why::News);
            }
        }
    }

    /// What is near a client: the whole reply, or `None` if nobody knows the client. The Deferred does not fail.
    pub fn whats_at(&self, asked: &WhatsAt<'_>) -> Option<Deferred<Vec<u8>>> {
        let locations = self.locations.borrow();
        let known = locations.get(asked.client)?;
        let location = known.at()?.iamat.location;
        let question = Nearby {
            latitude: location.latitude(),
            longitude: location.longitude(),
            radius: decimal::times_thousand(asked.radius)?,
            bound: asked.bound,
        };
        let (mut reply, bound) = (known.line.clone(), asked.bound);
        drop(locations);
        let answer = self.places.nearby(&question).add_both(move |answer| {
            reply.push(b'\n');
            let cut = answer.map(|text| places::cut_into(&mut reply, &text, bound));
            match cut {
                Ok(Ok(())) => {}
                Ok(Err(error)) => {
                    log::warn!("{error}");
                    reply.extend(places::error_answer("UNKNOWN_ERROR", &error.to_string()));
                }
                Err(failure) => {
                    let status = match failure.check::<TooManyQuestions>() {
                        Some(_) => "OVER_QUERY_LIMIT",
                        None => "UNKNOWN_ERROR",
                    };
                    log::warn!("no answer from the Places service: {failure}");
                    log::debug!("where that came from: {}", failure.report());
                    reply.extend(places::error_answer(status, &failure.to_string()));
                }
            }
            reply.extend_from_slice(b"\n\n");
            Ok(reply)
        });
        Some(answer)
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Server({}, {} clients known)", self.name, self.locations.borrow().len())
    }
}
