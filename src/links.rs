//! [`Link`]: our connection to one neighbor, which carries our AT lines to it. What the neighbor tells us comes on a
//! connection that the neighbor makes ([`crate::protocol`]): so two neighbors have two links, one in each direction.
//!
//! ```text
//!            connected: PEER, then every AT that the neighbor lacks
//!    Down ------------------------------------------------> Up
//!     ^  ^ failed: wait longer                              |
//!     |  +---+                                              |
//!     +------------------------- lost ----------------------+
//! ```
//!
//! A neighbor that reads slowly has no queue. Its link walks along the list of all clients in the order of their last
//! change, at the pace at which the neighbor reads, so each client is pending once, and the line that is sent is always
//! the newest (the updates are coalesced). It looks at a bounded number of clients at a time.
//!
//! Next: [`links/opening.rs`](../../src/proxyherd/links/opening.rs.html), how links are opened.

mod addresses;
mod catching_up;
mod comparison;
mod hearing;
mod marks;
mod opening;
mod pending;
mod refused;
mod silence;
mod wire;

use crate::config::LinkTarget;
use crate::locations::{Change, ClientId, Forgotten, NeighborId, Stamp};
use crate::log_file::Traffic;
use crate::next_turn::NextTurn;
use crate::server::Server;
use catching_up::CatchingUp;
use hearing::Hearing;
use pending::{Look, Pending};
use reactor::transport::{HIGH_WATER, KeepAlive};
use reactor::{Connector, DelayedCall, LineTransport, Transport};
use refused::Refused;
use std::cell::{Cell, RefCell};
use std::fmt;
use std::net::IpAddr;
use std::rc::{Rc, Weak};
use std::time::{Duration, Instant};
use wire::LinkProducer;

/// The shortest backoff before a link is tried again.
const MIN_BACKOFF: Duration = Duration::from_millis(100);

/// The longest backoff. A longer one would keep a herd split long after its network has healed.
const MAX_BACKOFF: Duration = Duration::from_secs(5);

/// When all links fail at once, one is tried again in this time on average, as far as the longest backoff allows. A
/// server with a thousand neighbors would otherwise dial them all within a tenth of a second.
const REDIAL_EVERY: Duration = Duration::from_millis(5);

/// A link that was up for this long was a good one: its backoff starts again from the shortest.
const GOOD_AFTER: Duration = Duration::from_secs(5);

/// Maximum number of clients that a link looks at before others have their turn: less than a millisecond's work.
pub const MAX_LOOKED_AT: usize = 1024;

/// Notices after at most 14 seconds that a neighbor's machine has vanished. The system's default is two hours.
pub(crate) const KEEP_ALIVE: KeepAlive =
    KeepAlive { idle: Duration::from_secs(5), interval: Duration::from_secs(3), probes: 3 };

/// How often a server says PING to each neighbor that has connected to it and said PEER.
pub(crate) const PING_EVERY: Duration = Duration::from_secs(5);

/// What comes back on a link from a server that is there.
pub(crate) const PING_LINE: &[u8] = b"PING\n";

/// The beginning of the reply to a line that is too long.
pub(crate) const TOO_LONG: &str = "? a line is longer than ";

/// Throws away the rest of a line that was too long, and goes on with the line after it.
pub(crate) fn go_on_after_line(transport: &LineTransport, data: &[u8]) {
    if let Some(end) = memchr::memchr(b'\n', data) {
        transport.set_line_mode(&data[end + 1..]);
    }
}

/// The connection to one neighbor.
pub struct Link {
    this: Weak<Link>,
    server: Weak<Server>,
    id: NeighborId,
    name: String,
    traffic: Traffic,
    /// Where the neighbor listens, and how we connect.
    target: LinkTarget,
    /// The addresses of the neighbor's name: it may connect to us from these.
    addresses: RefCell<Vec<IpAddr>>,
    /// How many connections from the neighbor are open.
    inbound: Cell<usize>,
    /// Since when there is such a connection, or none.
    inbound_changed: Cell<Instant>,
    /// A connection that brought news has ended since the link came up, and we do not know whether the current peer
    /// process sent it. If the neighbor connects again, it may be a new process that lacks that news.
    may_lack_news: Cell<bool>,
    refused: RefCell<Refused>,
    /// Whether the last look-up of the neighbor's name failed: a warning in the log once is enough.
    lookup_failed: Cell<bool>,
    state: RefCell<State>,
    /// When the connection came up or went down last.
    changed: Cell<Instant>,
    /// How many attempts have failed since the last good link.
    failures: Cell<u32>,
    /// What TLS failed of when the operator was last told, to tell it once only.
    told: RefCell<Option<String>>,
    pending: RefCell<Pending>,
    catching_up: CatchingUp,
    /// The neighbor has still to be told what the herd has forgotten.
    owes_horizon: Cell<bool>,
    /// Goes on looking at clients in a later turn.
    rest: NextTurn,
    /// Gives the connection up if the neighbor, which has said PING, stays silent.
    silence: RefCell<Option<DelayedCall>>,
    hearing: Hearing,
}

enum State {
    /// Not opened yet, or closed for good.
    Closed,
    /// Its turn to be opened comes, after that of many others.
    ToBeOpened(DelayedCall),
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
    pub(crate) fn new(server: &Rc<Server>, id: NeighborId, name: String, target: LinkTarget) -> Rc<Link> {
        Rc::new_cyclic(|this| Link {
            this: this.clone(),
            server: Rc::downgrade(server),
            id,
            traffic: Traffic::of_neighbor(&format!("to {name}"), &name, server.reactor()),
            name,
            target,
            addresses: RefCell::default(),
            inbound: Cell::new(0),
            inbound_changed: Cell::new(server.reactor().now()),
            may_lack_news: Cell::new(false),
            refused: RefCell::default(),
            lookup_failed: Cell::new(false),
            state: RefCell::new(State::Closed),
            changed: Cell::new(server.reactor().now()),
            failures: Cell::new(0),
            told: RefCell::default(),
            pending: RefCell::new(Pending::nothing(id)),
            catching_up: CatchingUp::default(),
            owes_horizon: Cell::new(false),
            rest: NextTurn::default(),
            silence: RefCell::default(),
            hearing: Hearing::default(),
        })
    }

    /// The neighbor's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether the connection is up.
    pub fn is_up(&self) -> bool {
        matches!(&*self.state.borrow(), State::Up { .. })
    }

    /// Since when the connection is up, or down.
    pub fn changed(&self) -> Instant {
        self.changed.get()
    }

    /// When the connection is tried again, if it is down and waits for that.
    pub fn next_try(&self) -> Option<Instant> {
        match &*self.state.borrow() {
            State::Down { again, .. } => Some(again.time()),
            _ => None,
        }
    }

    /// How many connections from the neighbor are open. When all is well it is one.
    pub fn inbound_count(&self) -> usize {
        self.inbound.get()
    }

    /// Since when a connection from the neighbor is open, or none is.
    pub fn inbound_changed(&self) -> Instant {
        self.inbound_changed.get()
    }

    /// How many bytes have been written to the neighbor and wait in our buffer. Zero if the link is not up.
    pub fn buffered(&self) -> usize {
        match &*self.state.borrow() {
            State::Up { transport, .. } => transport.buffered(),
            _ => 0,
        }
    }

    /// How many clients the neighbor has still to be told about.
    pub fn pending_count(&self) -> usize {
        self.pending.borrow().len()
    }

    /// Whether both ends prove with certificates which servers they are.
    pub fn is_secure(&self) -> bool {
        self.target.is_secure
    }

    /// Whether a peer from this address may say, in clear text, that it is the neighbor.
    pub fn may_come_from(&self, address: Option<IpAddr>) -> bool {
        if self.is_secure() {
            return false;
        }
        let Some(address) = address.map(|address| address.to_canonical()) else { return false };
        // A neighbor that listens on every address of this machine connects from a loopback address.
        self.addresses.borrow().iter().any(|own| *own == address || own.is_unspecified() && address.is_loopback())
    }

    /// Closes the link for good.
    pub(crate) fn close(&self) {
        self.refused.borrow_mut().clear();
        self.forget_connection();
        match self.state.replace(State::Closed) {
            State::Down { again, .. } | State::ToBeOpened(again) => {
                again.cancel();
            }
            State::Up { transport, .. } => end(&transport),
            State::Closed | State::Connecting => {}
        }
    }

    /// The neighbor has connected to us, so it is up: a link that is waiting tries again now. If an earlier connection
    /// of the neighbor has ended, the neighbor may be another process by now.
    pub(crate) fn neighbor_connected(&self) {
        self.set_inbound(self.inbound.get() + 1);
        if let State::Down { again, .. } | State::ToBeOpened(again) = &*self.state.borrow() {
            let _ = again.reset(Duration::ZERO); // Cannot fail: in this state the call is still to come.
        }
        if self.may_lack_news.take() {
            self.tell_back();
        }
    }

    fn set_inbound(&self, count: usize) {
        let before = self.inbound.replace(count);
        if (before == 0) != (count == 0)
            && let Some(server) = self.server.upgrade()
        {
            self.inbound_changed.set(server.reactor().now());
        }
    }

    /// A connection of the neighbor, made at `made`, has ended. What it said may have come out of the network's buffers
    /// long after the process that wrote it had died. Then the neighbor's current process lacks it. The process may be
    /// another one in three cases: our link is younger than that connection, another connection is open, or another one
    /// comes later.
    pub(crate) fn neighbor_disconnected(&self, made: Instant, brought_news: bool) {
        self.set_inbound(self.inbound.get() - 1);
        let since = match &*self.state.borrow() {
            State::Up { since, .. } if brought_news => *since,
            _ => return, // It brought no news; or our link is down, and `came_up` will tell everything.
        };
        if since >= made || self.inbound.get() > 0 {
            self.tell_back();
        } else {
            self.may_lack_news.set(true);
        }
    }

    /// Spreads news of a client. The neighbor is told, unless it is the one that told us: `from`. While the link is
    /// down this does nothing, because everything is compared when it comes up.
    pub(crate) fn spread(&self, change: &Change, from: Option<NeighborId>) {
        if self.is_up() {
            self.pending.borrow_mut().note_change(change, from);
            if from != Some(self.id) {
                self.write_on();
            }
        }
    }

    /// The neighbor has said something older about a client: tells it what we know. While the link is down this does
    /// nothing.
    pub(crate) fn answer_older(&self, client: ClientId) {
        let Some(server) = self.server.upgrade() else { return };
        if self.is_up() {
            self.pending.borrow_mut().note_lacking(client, server.locations().borrow().of(client));
            self.write_on();
        }
    }

    /// A client was forgotten: there is nothing more to tell of it. While the link is down this does nothing.
    pub(crate) fn forget(&self, forgotten: &Forgotten) {
        if self.is_up() {
            self.pending.borrow_mut().note_forgotten(forgotten);
        }
    }

    /// The neighbor is told what the herd has forgotten. While the link is down this does nothing, because that is said
    /// first when it comes up.
    pub(crate) fn tell_horizon(&self) {
        if self.is_up() {
            self.owes_horizon.set(true);
            self.write_on();
        }
    }

    /// The neighbor may be another process by now, which lacks what it has told us. While the link is down this does
    /// nothing.
    fn tell_back(&self) {
        let Some(server) = self.server.upgrade() else { return };
        if !self.is_up() {
            return;
        }
        self.pending.borrow_mut().tell_back();
        server.watch().told_back(self.id);
        self.write_on();
        server.watch().done();
    }

    /// Writes pending lines until the buffer is full; then it goes on when the neighbor has read (flow control). If it
    /// has looked at many clients before that, it goes on in a later turn.
    fn write_on(&self) {
        // One callback may bring many changes, each of which comes here: they wait for that turn, too.
        if self.rest.is_asked() {
            return;
        }
        let Some(server) = self.server.upgrade() else { return };
        let transport = match &*self.state.borrow() {
            State::Up { transport, paused: false, .. } => transport.clone(),
            _ => return,
        };
        let locations = server.locations().borrow();
        let mut pending = self.pending.borrow_mut();
        if transport.buffered() <= HIGH_WATER && self.owes_horizon.take() {
            let horizon = format!("HORIZON {}", locations.horizon());
            self.traffic.line_out(horizon.as_bytes());
            transport.write_vectored(&[horizon.as_bytes(), b"\n"]);
        }
        let mut looked_at = 0;
        // Not `paused`: that is said later, and one line may fill the buffer.
        while transport.buffered() <= HIGH_WATER && looked_at < MAX_LOOKED_AT {
            looked_at += 1;
            match pending.look(&locations) {
                Look::Nothing => break,
                Look::Skip => {}
                Look::Tell(known) => {
                    server.watch().told(self.id, &known.line);
                    // Writing never calls back, so `locations` may stay borrowed.
                    self.traffic.line_out(&known.line);
                    server.counters().told.add();
                    transport.write_vectored(&[&known.line, b"\n"]);
                }
            }
        }
        server.watch().looked_at(self.id, looked_at);
        if looked_at == MAX_LOOKED_AT {
            self.go_on_later(&server);
        }
    }

    /// Goes on with [`write_on`](Link::write_on) in a later turn.
    fn go_on_later(&self, server: &Server) {
        let this = self.this.clone();
        self.rest.ask(server.reactor(), move || {
            let Some(link) = this.upgrade() else { return };
            link.write_on();
            if let Some(server) = link.server.upgrade() {
                server.watch().done();
            }
        });
    }

    /// The link is down: what is pending is told when it comes up again, with everything else.
    fn forget_connection(&self) {
        *self.pending.borrow_mut() = Pending::nothing(self.id);
        self.catching_up.forget();
        self.owes_horizon.set(false);
        self.rest.cancel();
        if let Some(call) = self.silence.take() {
            call.cancel();
        }
    }

    /// The connection, if it is up.
    fn transport(&self) -> Option<Transport> {
        match &*self.state.borrow() {
            State::Up { transport, .. } => Some(transport.clone()),
            _ => None,
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
        self.told.replace(None);
        transport.set_no_delay(true);
        transport.set_keep_alive(Some(KEEP_ALIVE));
        // The neighbor says PING at times of its own. One that meets a closed socket causes a reset, and the reset can
        // destroy our last ATs on their way.
        transport.linger_on_close();
        transport.register_producer(Rc::new(LinkProducer(self.this.clone())));
        transport.write_vectored(&[b"PEER ", server.name().as_bytes(), b"\n"]);
        self.changed.set(server.reactor().now());
        self.hearing.begin();
        *self.state.borrow_mut() =
            State::Up { transport: transport.clone(), since: server.reactor().now(), paused: false };
        self.may_lack_news.set(false); // It is told everything now.
        // PEER must be the first line, so the state is up, and anything is pending, only after it has been written.
        *self.pending.borrow_mut() = Pending::everything(self.id, &server.locations().borrow());
        self.hold_back(&server);
        self.owes_horizon.set(server.locations().borrow().horizon() > Stamp::FIRST);
        server.watch().linked(self.id);
        self.write_on();
        self.begin_to_compare(&server, transport);
        server.watch().done();
    }

    /// The link is lost, or an attempt has failed: tries again after an exponential backoff with jitter, so that the
    /// servers of a herd do not all come back at the same moment.
    fn went_down(&self, connector: &Connector) {
        let Some(server) = self.server.upgrade() else { return };
        let reactor = server.reactor();
        let mut state = self.state.borrow_mut();
        if matches!(&*state, State::Up { .. }) {
            self.changed.set(reactor.now());
        }
        match &*state {
            State::Closed | State::ToBeOpened(_) | State::Down { .. } => return,
            State::Up { since, .. } if reactor.now() - *since >= GOOD_AFTER => self.failures.set(0),
            State::Up { .. } | State::Connecting => {}
        }
        let grown = MIN_BACKOFF * 2u32.saturating_pow(self.failures.get().min(16));
        self.failures.set(self.failures.get() + 1);
        let all = REDIAL_EVERY * u32::try_from(server.links().len()).unwrap_or(u32::MAX).min(1 << 20);
        let most = grown.max(all).clamp(MIN_BACKOFF * 2, MAX_BACKOFF);
        let jitter = (reactor.random() % 1024) as u32;
        let wait = MIN_BACKOFF + (most - MIN_BACKOFF) * jitter / 1024;
        let this = self.this.clone();
        let again = reactor.call_later(wait, move || {
            if let Some(link) = this.upgrade() {
                link.try_again();
            }
        });
        *state = State::Down { again, connector: connector.clone() };
        drop(state);
        self.forget_connection();
    }

    fn try_again(&self) {
        // The neighbor may have another address by now.
        self.look_up().detach();
        let old = self.state.replace(State::Connecting);
        if let State::Down { connector, .. } = old {
            connector.connect();
        } else {
            self.state.replace(old);
        }
    }
}

/// Closes the connection of a link. What has been written goes out; the close does not wait for what is pending.
fn end(transport: &Transport) {
    transport.unregister_producer();
    transport.lose_connection();
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = if self.is_up() { "up" } else { "down" };
        write!(f, "Link(to {}, {state}, {} waiting)", self.name, self.pending_count())
    }
}
