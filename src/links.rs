//! [`Link`]: our connection to one neighbour, down which our AT lines go.
//!
//! ```text
//!            connected: PEER, then every AT that we know
//!    Down ------------------------------------------------> Up
//!     ^  ^ failed: wait longer                              |
//!     |  +---+                                              |
//!     +------------------------- lost ----------------------+
//! ```
//!
//! What waits for a neighbour that reads slowly is a list of clients, each in it once; the line is looked up when it is
//! written. So it is always the newest, and costs at most one entry for each client.

mod refused;
mod waiting;
mod wire;

use crate::config::ServerConfig;
use crate::locations::{ClientId, Known, NeighborId};
use crate::log_file::Traffic;
use crate::replies::Replies;
use crate::server::Server;
use reactor::transport::{HIGH_WATER, KeepAlive};
use reactor::{Connector, Deferred, DelayedCall, Destination, Failure, Transport};
use refused::{LOOK_AGAIN, Refused};
use std::cell::{Cell, RefCell};
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::rc::{Rc, Weak};
use std::time::{Duration, Instant};
use waiting::Waiting;
use wire::{LinkFactory, Pace};

/// The shortest and the longest wait before a link is tried again. Longer waits would keep a herd split long after its
/// network has healed.
const WAIT: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// How long one attempt may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// A link that has been up for so long was a good one: the waits begin anew.
const GOOD_AFTER: Duration = Duration::from_secs(5);

/// A neighbour that vanished without a word is noticed after at most 14 seconds instead of two hours.
pub(crate) const KEEP_ALIVE: KeepAlive =
    KeepAlive { idle: Duration::from_secs(5), interval: Duration::from_secs(3), probes: 3 };

/// Why a neighbour is told about a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// It is news; not told to whoever the news came from.
    News,
    /// The neighbour has shown that it lacks it, or may lack it.
    TheyLackIt,
}

/// The connection to one neighbour.
pub struct Link {
    this: Weak<Link>,
    server: Weak<Server>,
    id: NeighborId,
    name: String,
    traffic: Traffic,
    host: String,
    port: u16,
    /// Where the neighbour may come from: the addresses of its name.
    addresses: RefCell<Vec<IpAddr>>,
    /// Connections from the neighbour that are open.
    guests: Cell<usize>,
    /// One that brought news has ended since the link came up, and it is not known whether who is there now was behind
    /// it.
    may_lack: Cell<bool>,
    refused: RefCell<Refused>,
    /// The last look-up of the neighbour's name has failed: once in the log is enough.
    is_nameless: Cell<bool>,
    state: RefCell<State>,
    /// Attempts that failed since the last good link.
    failures: Cell<u32>,
    waiting: RefCell<Waiting>,
}

enum State {
    /// Not opened yet, or closed for good.
    Closed,
    Connecting,
    /// Waiting to try again.
    Down {
        again: DelayedCall,
        connector: Connector,
    },
    Up {
        transport: Transport,
        since: Instant,
        paused: bool,
    },
}

impl Link {
    pub(crate) fn new(server: &Rc<Server>, id: NeighborId, name: String, there: &ServerConfig) -> Rc<Link> {
        Rc::new_cyclic(|this| Link {
            this: this.clone(),
            server: Rc::downgrade(server),
            id,
            traffic: Traffic::new(&format!("to {name}"), server.reactor()),
            name,
            host: there.host.clone(),
            port: there.port,
            addresses: RefCell::default(),
            guests: Cell::new(0),
            may_lack: Cell::new(false),
            refused: RefCell::default(),
            is_nameless: Cell::new(false),
            state: RefCell::new(State::Closed),
            failures: Cell::new(0),
            waiting: RefCell::default(),
        })
    }

    /// The neighbour's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether the connection is up.
    pub fn is_up(&self) -> bool {
        matches!(&*self.state.borrow(), State::Up { .. })
    }

    /// How many connections from the neighbour are open.
    pub fn guests(&self) -> usize {
        self.guests.get()
    }

    /// How many bytes have been written and wait for the system to take them.
    pub fn buffered(&self) -> usize {
        match &*self.state.borrow() {
            State::Up { transport, .. } => transport.buffered(),
            _ => 0,
        }
    }

    /// How many clients wait to be told about.
    pub fn waiting(&self) -> usize {
        self.waiting.borrow().len()
    }

    /// Whether somebody from this address may say that it is the neighbour.
    pub fn may_come_from(&self, address: Option<IpAddr>) -> bool {
        let Some(address) = address.map(|address| address.to_canonical()) else { return false };
        // Whoever listens everywhere on this machine comes from this machine.
        self.addresses.borrow().iter().any(|own| *own == address || own.is_unspecified() && address.is_loopback())
    }

    /// Finds out where the neighbour may come from. Does not fail: a name that is not known now may be later, and each
    /// attempt to connect looks again. Those who were refused and turn out to be the neighbour take what they have
    /// written for told: when they have been answered their connections are closed, so that they come again and tell
    /// everything.
    pub(crate) fn look_up(&self) -> Deferred<()> {
        let Some(server) = self.server.upgrade() else { return reactor::deferred::succeed(()) };
        let this = self.this.clone();
        server.reactor().resolve(&self.host).add_both(move |result| {
            let Some(link) = this.upgrade() else { return };
            link.looked_up(result);
            let known = link.refused.borrow_mut().take(|from| link.may_come_from(from));
            known.iter().for_each(|replies| replies.close_when_paid());
            link.look_again();
        })
    }

    fn looked_up(&self, result: Result<Vec<IpAddr>, Failure>) {
        let was_nameless = self.is_nameless.replace(result.is_err());
        match result {
            Ok(addresses) => *self.addresses.borrow_mut() = addresses.iter().map(IpAddr::to_canonical).collect(),
            Err(failure) if was_nameless => log::debug!("neighbor {}: {failure}", self.name),
            Err(failure) => log::warn!("neighbor {}: {failure}", self.name),
        }
    }

    /// Somebody said that it is the neighbour, from an address that is not known as the neighbour's now.
    pub(crate) fn was_refused(&self, from: Option<IpAddr>, connection: &Rc<Replies>) {
        self.refused.borrow_mut().push(from, connection);
        self.look_again();
    }

    /// While somebody who was refused is connected, the name is looked up every few seconds: it may have been wrong,
    /// and nothing else would ask for it while our link is up.
    fn look_again(&self) {
        let Some(server) = self.server.upgrade() else { return };
        let mut refused = self.refused.borrow_mut();
        if refused.needs_look_up() {
            let this = self.this.clone();
            refused.set_look_up(server.reactor().call_later(LOOK_AGAIN, move || {
                if let Some(link) = this.upgrade() {
                    drop(link.look_up());
                }
            }));
        }
    }

    /// Begins to connect, from our own address: the neighbour knows us by it.
    pub(crate) fn open(&self, ours: &[SocketAddr]) {
        let Some(server) = self.server.upgrade() else { return };
        let mut there = Destination::from((self.host.as_str(), self.port)).timeout(CONNECT_TIMEOUT);
        for own in ours.iter().map(SocketAddr::ip).filter(|own| !own.is_unspecified()) {
            there = there.bind_address(own);
        }
        *self.state.borrow_mut() = State::Connecting;
        server.reactor().connect_tcp(there, LinkFactory { link: self.this.clone() });
    }

    /// Ends it for good.
    pub(crate) fn close(&self) {
        self.refused.borrow_mut().clear();
        match self.state.replace(State::Closed) {
            State::Down { again, .. } => {
                again.cancel();
            }
            State::Up { transport, .. } => transport.lose_connection(),
            State::Closed | State::Connecting => {}
        }
    }

    /// The neighbour has connected to us, so it is there: a link that waits tries again now. If it had been connected
    /// before, it may be another one by now.
    pub(crate) fn guest_came(&self) {
        self.guests.set(self.guests.get() + 1);
        if let State::Down { again, .. } = &*self.state.borrow() {
            let _ = again.reset(Duration::ZERO);
        }
        if self.may_lack.take() {
            self.tell_back();
        }
    }

    /// A connection of the neighbour's has ended that was made at `made`. Its news may have come out of the network's
    /// buffers long after whoever said it had died; then who is there now lacks it. It is another one if our link is
    /// younger than that connection, if there is another connection, or if one comes later.
    pub(crate) fn guest_left(&self, made: Instant, brought_news: bool) {
        self.guests.set(self.guests.get() - 1);
        let since = match &*self.state.borrow() {
            State::Up { since, .. } if brought_news => *since,
            _ => return,
        };
        if since >= made || self.guests.get() > 0 {
            self.tell_back();
        } else {
            self.may_lack.set(true);
        }
    }

    /// The neighbour is to hear what we know of a client. While the link is down nothing is noted: when it comes up,
    /// everything is told.
    pub(crate) fn tell(&self, client: &ClientId, why: Why) {
        if self.is_up() {
            self.waiting.borrow_mut().push(client, why);
            self.write_on();
        }
    }

    /// The neighbour is to hear what it has told us itself: it may be another one by now, which lacks it. While the
    /// link is down nothing is noted.
    fn tell_back(&self) {
        let Some(server) = self.server.upgrade() else { return };
        if !self.is_up() {
            return;
        }
        let locations = server.locations().borrow();
        let has_said = |known: &&Known| known.from == Some(self.id);
        for known in locations.iter().filter(has_said) {
            self.waiting.borrow_mut().push(&known.client, Why::TheyLackIt);
        }
        drop(locations);
        if let Some(watch) = server.watch() {
            watch.told_back(self.id);
        }
        self.write_on();
        if let Some(watch) = server.watch() {
            watch.done();
        }
    }

    /// Writes what waits, as much as the neighbour reads.
    fn write_on(&self) {
        let Some(server) = self.server.upgrade() else { return };
        let transport = match &*self.state.borrow() {
            State::Up { transport, paused: false, .. } => transport.clone(),
            _ => return,
        };
        let locations = server.locations().borrow();
        let is_full = || transport.buffered() > HIGH_WATER;
        while !is_full() {
            let Some((client, why)) = self.waiting.borrow_mut().pop() else { return };
            let Some(known) = locations.get(&client) else { continue };
            // It may have told us itself in the meantime.
            let told_us = known.from == Some(self.id);
            if why == Why::TheyLackIt || !told_us {
                if let Some(watch) = server.watch() {
                    watch.told(self.id, &known.line);
                }
                self.traffic.line_out(&known.line);
                transport.write_vectored(&[&known.line, b"\n"]);
            }
        }
    }

    fn set_paused(&self, now: bool) {
        if let State::Up { paused, .. } = &mut *self.state.borrow_mut() {
            *paused = now;
        }
        self.write_on();
    }

    fn came_up(&self, transport: &Transport) {
        let Some(server) = self.server.upgrade() else { return };
        if matches!(&*self.state.borrow(), State::Closed) {
            return transport.lose_connection();
        }
        log::info!("the link to {} is up", self.name);
        transport.set_no_delay(true);
        transport.set_keep_alive(Some(KEEP_ALIVE));
        transport.register_producer(Rc::new(Pace(self.this.clone())));
        transport.write_vectored(&[b"PEER ", server.name().as_bytes(), b"\n"]);
        *self.state.borrow_mut() =
            State::Up { transport: transport.clone(), since: server.reactor().now(), paused: false };
        self.may_lack.set(false);
        let mut waiting = self.waiting.borrow_mut();
        *waiting = Waiting::default();
        if let Some(watch) = server.watch() {
            watch.linked(self.id);
        }
        for client in server.locations().borrow().clients() {
            waiting.push(client, Why::TheyLackIt);
        }
        drop(waiting);
        self.write_on();
        if let Some(watch) = server.watch() {
            watch.done();
        }
    }

    /// The link is lost, or an attempt has failed: try again after a wait that grows and has some chance in it, so
    /// that a herd does not come back all at once.
    fn went_down(&self, connector: &Connector) {
        let Some(server) = self.server.upgrade() else { return };
        let reactor = server.reactor();
        let mut state = self.state.borrow_mut();
        match &*state {
            State::Closed | State::Down { .. } => return,
            State::Up { since, .. } if reactor.now() - *since >= GOOD_AFTER => self.failures.set(0),
            State::Up { .. } | State::Connecting => {}
        }
        let grown = WAIT.0 * 2u32.saturating_pow(self.failures.get().min(16));
        self.failures.set(self.failures.get() + 1);
        let most = grown.clamp(WAIT.0 * 2, WAIT.1);
        let chance = (reactor.random() % 1024) as u32;
        let wait = WAIT.0 + (most - WAIT.0) * chance / 1024;
        let this = self.this.clone();
        let again = reactor.call_later(wait, move || {
            if let Some(link) = this.upgrade() {
                link.try_again();
            }
        });
        *state = State::Down { again, connector: connector.clone() };
        drop(state);
        *self.waiting.borrow_mut() = Waiting::default();
    }

    fn try_again(&self) {
        // The neighbour may have another address by now.
        drop(self.look_up());
        let old = self.state.replace(State::Connecting);
        if let State::Down { connector, .. } = old {
            connector.connect();
        } else {
            self.state.replace(old);
        }
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = if self.is_up() { "up" } else { "down" };
        write!(f, "Link(to {}, {state}, {} waiting)", self.name, self.waiting())
    }
}
