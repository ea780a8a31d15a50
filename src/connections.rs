//! [`Connections`]: the connections that peers have made to a server, and what they may cost it.
//!
//! Anybody may connect, so nothing here depends on what a peer means to do:
//!
//! * A peer opens more connections than its address may have: the longest idle one of that address is cut off.
//! * A peer connects when the server has as many as it may have: the address with the most connections loses its
//!   longest idle one.
//! * An address opens more than five thousand connections a second while others are connected: the rest are closed at
//!   once.
//! * A peer does not read its replies for 30 s, or needs more than 30 s for one line: it is cut off.
//! * A client is owed nothing, and sends no line for `[limits] idle`: it is closed.
//! * All buffers together exceed `[limits] buffers`: the connections with the largest are cut off.
//!
//! A neighbor is never idle and never slow, because it has nothing to say while nobody moves. But it counts, and so do
//! its buffers.
//!
//! While several addresses are connected, those of one address share the lines of a turn of the loop, and what may wait
//! for a store: a crowd at one address makes nobody else wait. An address that is alone has nobody to share with.
//!
//! Closing the longest idle, and not refusing the newest, is what lets an honest client in beside a thousand others at
//! the same address, and a neighbor that comes back.
//!
//! Next: [`connections/patience.rs`](../../src/proxyherd/connections/patience.rs.html), how long a server waits for one
//! peer.

mod patience;
mod share;

use crate::address_group::AddressGroup;
use crate::config::Limits;
use crate::counters::Counters;
use crate::log_file::Traffic;
use crate::replies::{MAX_OWED, Replies};
use log::Level;
use patience::{Decision, Patience};
use reactor::transport::KeepAlive;
use reactor::{DelayedCall, LineTransport, Reactor};
pub(crate) use share::MAX_LINES_AT_ONCE;
use share::Share;
pub use share::Turns;
use std::cell::{Cell, RefCell};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::rc::{Rc, Weak};
use std::time::{Duration, Instant};

/// How often all connections are looked at. A limit of time is kept to within this.
const SWEEP: Duration = Duration::from_secs(5);

/// A client's machine that fails sends no end. Keep-alive notices it after ten minutes; otherwise it would hold its
/// connection, and a descriptor, for ever. (A client that is there and does not read is cut off much sooner.)
///
/// The first sweep that finds a connection sets this, and not the connection's beginning: it takes five system calls, a
/// third of what a short connection costs, and the machine probes nobody in the first minute anyway.
const CLIENT_KEEP_ALIVE: KeepAlive =
    KeepAlive { idle: Duration::from_secs(60), interval: Duration::from_secs(60), probes: 9 };

/// The maximum number of connections that one address may open within a second, while others are connected too.
/// Connections wait in one queue until they are accepted: one address that opens them faster than they can be served
/// would otherwise keep all others waiting there. To close one at once takes a small part of what it takes to serve it.
/// It is far more than one address may have at a time: an honest client at that address must get in beside a crowd.
const OPENED_IN_A_SECOND: usize = 5000;

/// The connections of a server.
pub struct Connections {
    this: Weak<Connections>,
    reactor: Reactor,
    limits: Cell<Limits>,
    table: RefCell<Table>,
    recent: RefCell<Recent>,
    /// The bytes in all buffers when they were last counted, and all that was written since.
    charged: Cell<usize>,
    sweep: Cell<Option<DelayedCall>>,
    counters: Rc<Counters>,
}

/// How many connections each address has opened since the second began.
struct Recent {
    begin: Instant,
    opened: HashMap<AddressGroup, usize>,
}

/// Who is connected.
#[derive(Default)]
struct Table {
    /// Behind pointers, because half of the map's room is free: connections that come in order leave it so.
    entries: BTreeMap<ConnectionId, Rc<Entry>>,
    groups: HashMap<AddressGroup, Group>,
    /// The addresses by the number of their connections.
    sizes: BTreeSet<(usize, AddressGroup)>,
    last: u64,
}

/// Names a connection. A later one has a greater number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct ConnectionId(u64);

/// The connections of one address.
#[derive(Default)]
struct Group {
    ids: BTreeSet<ConnectionId>,
    share: Rc<Share>,
}

/// A connection. Its protocol notes here what the next sweep looks at, and finds here what it must keep to.
#[derive(Debug)]
struct Entry {
    id: ConnectionId,
    group: AddressGroup,
    transport: LineTransport,
    replies: Rc<Replies>,
    traffic: Traffic,
    /// The number of lines received.
    lines: Cell<u64>,
    is_neighbor: Cell<bool>,
    /// Whether keep-alive is on.
    is_probed: Cell<bool>,
    share: Rc<Share>,
    patience: RefCell<Patience>,
}

/// A connection's entry among [`Connections`]. Its protocol holds it; a clone is the same entry.
#[derive(Debug, Clone)]
pub struct Registration {
    connections: Rc<Connections>,
    entry: Rc<Entry>,
}

impl Connections {
    /// None yet. `counters` is told how many there are and how many are cut off.
    pub fn new(reactor: &Reactor, limits: &Limits, counters: Rc<Counters>) -> Rc<Connections> {
        Rc::new_cyclic(|this| Connections {
            this: this.clone(),
            reactor: reactor.clone(),
            limits: Cell::new(*limits),
            table: RefCell::default(),
            recent: RefCell::new(Recent { begin: reactor.now(), opened: HashMap::new() }),
            charged: Cell::new(0),
            sweep: Cell::new(None),
            counters,
        })
    }

    /// Sets the limits. Connections beyond a lower one are cut off as others take their places.
    pub fn set_limits(&self, limits: &Limits) {
        self.limits.set(*limits);
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.table.borrow().entries.len()
    }

    /// Whether a connection from this address is served. If not, it must be closed at once. A neighbor's always is.
    pub fn admits(&self, group: AddressGroup, may_be_neighbor: impl FnOnce() -> bool) -> bool {
        if self.table.borrow().is_alone(group) {
            return true;
        }
        let opened = self.recent.borrow_mut().count(group, self.reactor.now());
        if opened <= OPENED_IN_A_SECOND || may_be_neighbor() {
            return true;
        }
        self.counters.cut_off.add();
        if opened == OPENED_IN_A_SECOND + 1 {
            log::info!("{group} has opened {OPENED_IN_A_SECOND} connections in a second: more are closed at once");
        }
        false
    }

    /// A peer has connected. Beyond the limits, another connection is cut off for it.
    pub fn enter(
        self: &Rc<Self>,
        group: AddressGroup,
        transport: &LineTransport,
        replies: &Rc<Replies>,
        traffic: &Traffic,
    ) -> Registration {
        self.counters.connections.add();
        let now = self.reactor.now();
        let (size, total) = self.table.borrow().size_with(group);
        if size > self.limits.get().connections_per_address {
            self.make_room(group, now, format_args!("{size} connections from {group} are more than it may have"));
        } else if total > self.limits.get().connections {
            let largest = self.table.borrow().largest_group().unwrap_or(group);
            self.make_room(largest, now, format_args!("{total} connections are more than the server may have"));
        }
        let entry = self.table.borrow_mut().insert(group, |id, share| Entry {
            id,
            group,
            transport: transport.clone(),
            replies: replies.clone(),
            traffic: traffic.clone(),
            lines: Cell::new(0),
            is_neighbor: Cell::new(false),
            is_probed: Cell::new(false),
            share,
            patience: RefCell::new(Patience::new(now)),
        });
        transport.set_max_lines_at_once(entry.share.lines());
        if total == 1 {
            self.sweep_later();
        }
        Registration { connections: self.clone(), entry }
    }

    /// Cuts off the longest idle client of an address. If all its connections are of neighbors, the newest one goes:
    /// the others have proved to be of use.
    fn make_room(&self, group: AddressGroup, now: Instant, why: fmt::Arguments<'_>) {
        let found = self.table.borrow().longest_idle(group, now);
        let Some((id, idle)) = found else { return };
        // Now, and not when it hears of its end: the next peer may come before that.
        let removed = self.table.borrow_mut().remove(id);
        if let Some(entry) = removed {
            self.counters.cut_off.add();
            let what = format_args!("cut off, idle for {} s: {why}", idle.as_secs());
            entry.traffic.event(Level::Info, what);
            entry.transport.abort_connection();
        }
    }

    fn sweep_later(&self) {
        let this = self.this.clone();
        let call = self.reactor.call_later(SWEEP, move || {
            if let Some(connections) = this.upgrade() {
                connections.sweep();
            }
        });
        self.sweep.set(Some(call));
    }

    /// Looks at every connection.
    fn sweep(&self) {
        let now = self.reactor.now();
        let table = self.table.borrow();
        for entry in table.entries.values() {
            if !entry.is_probed.replace(true) {
                entry.transport.set_keep_alive(Some(CLIENT_KEEP_ALIVE));
            }
            match entry.judge(now, self.limits.get().idle) {
                Decision::Keep => {}
                Decision::Close(why) => {
                    self.counters.cut_off.add();
                    entry.traffic.event(Level::Info, format_args!("closed: {why}"));
                    entry.transport.lose_connection();
                }
                Decision::CutOff(why) => {
                    self.counters.cut_off.add();
                    entry.traffic.event(Level::Info, format_args!("cut off: {why}"));
                    entry.transport.abort_connection();
                }
            }
        }
        let is_empty = table.entries.is_empty();
        drop(table);
        self.keep_within_buffers();
        if !is_empty {
            self.sweep_later();
        }
    }

    /// Ends the connections of all neighbors. They connect again, and tell everything that they know.
    pub fn end_neighbors(&self) {
        let table = self.table.borrow();
        for entry in table.entries.values().filter(|entry| entry.is_neighbor.get()) {
            entry.traffic.event(Level::Info, format_args!("closed: it shall tell us everything again"));
            entry.transport.lose_connection();
        }
    }

    /// Counts the bytes in all buffers. If they are too many, cuts off the connections with the largest ones, until a
    /// quarter of the room is free: otherwise the next reply would count them all again.
    fn keep_within_buffers(&self) {
        let max = self.limits.get().buffers;
        let table = self.table.borrow();
        let mut sizes: Vec<(usize, ConnectionId)> =
            table.entries.iter().map(|(id, entry)| (entry.buffered(), *id)).filter(|(bytes, _)| *bytes > 0).collect();
        let mut total: usize = sizes.iter().map(|(bytes, _)| bytes).sum();
        if total > max {
            sizes.sort_unstable_by_key(|size| Reverse(*size));
            for (bytes, id) in sizes {
                if total <= max / 4 * 3 {
                    break;
                }
                if let Some(entry) = table.entries.get(&id) {
                    self.counters.cut_off.add();
                    let what = format_args!("cut off: {bytes} bytes wait for it, and all buffers together are full");
                    entry.traffic.event(Level::Warn, what);
                    entry.transport.abort_connection();
                }
                total -= bytes;
            }
        }
        self.charged.set(total);
    }
}

impl Registration {
    /// Notes that the peer has sent a line. From the next turn on, its `transport` delivers as many lines at once as
    /// its address now leaves to each client. A neighbor need not share.
    pub fn line_received(&self, transport: &LineTransport) {
        let entry = &self.entry;
        entry.lines.set(entry.lines.get() + 1);
        let is_neighbor = entry.is_neighbor.get();
        transport.set_max_lines_at_once(if is_neighbor { MAX_LINES_AT_ONCE } else { entry.share.lines() });
    }

    /// A client has sent a line that is too long, and `discarded` bytes of it were thrown away. Returns how long to
    /// wait before the next read. `None`: not at all.
    pub fn pause_after(&self, discarded: usize) -> Option<Duration> {
        self.entry.share.pause_after(discarded)
    }

    /// How many commands of this connection may wait for a store.
    pub fn max_waiting(&self) -> usize {
        if self.entry.is_neighbor.get() { MAX_OWED } else { self.entry.share.waiting() }
    }

    /// How the commands of this connection take turns at a store.
    pub fn turns(&self) -> Rc<Turns> {
        self.entry.share.turns()
    }

    /// Notes that the peer is a neighbor.
    pub fn set_neighbor(&self) {
        self.entry.is_neighbor.set(true);
    }

    /// Sets when the system probes the peer's machine, instead of the times for a client.
    pub fn set_keep_alive(&self, transport: &LineTransport, keep_alive: KeepAlive) {
        self.entry.is_probed.set(true);
        transport.set_keep_alive(Some(keep_alive));
    }

    /// Notes a reply of this many bytes, which may have to wait for the peer. Connections may be cut off for it, this
    /// one included.
    pub fn charge(&self, bytes: usize) {
        let connections = &self.connections;
        connections.charged.set(connections.charged.get() + bytes);
        if connections.charged.get() > connections.limits.get().buffers {
            connections.keep_within_buffers();
        }
    }

    /// The connection has ended. Returns how many are left.
    pub fn leave(&self) -> usize {
        let removed = self.connections.table.borrow_mut().remove(self.entry.id);
        drop(removed); // Apart from the borrow: dropping what is owed runs code of its own.
        let left = self.connections.count();
        if left == 0
            && let Some(sweep) = self.connections.sweep.take()
        {
            sweep.cancel();
        }
        left
    }
}

impl Entry {
    /// The bytes that wait for this peer, or that it has sent and that wait for the rest of a line.
    fn buffered(&self) -> usize {
        self.replies.owed().1 + self.transport.undelivered()
    }

    fn judge(&self, now: Instant, idle: Duration) -> Decision {
        let mut patience = self.patience.borrow_mut();
        if self.transport.is_disconnecting() {
            return Decision::Keep; // It ends already, and within a limit of its own.
        }
        if self.is_neighbor.get() {
            return patience.judge_neighbor(now, self.replies.written_and_taken());
        }
        let is_owing = self.replies.is_owing() || self.transport.is_paused();
        let partial = if is_owing { 0 } else { self.transport.undelivered() };
        patience.judge_client(now, idle, self.lines.get(), partial, is_owing, self.replies.written_and_taken())
    }
}

impl Recent {
    /// Counts one more. Returns how many this address has opened in this second.
    fn count(&mut self, group: AddressGroup, now: Instant) -> usize {
        if now.saturating_duration_since(self.begin) >= Duration::from_secs(1) {
            self.begin = now;
            self.opened.clear();
        }
        let opened = self.opened.entry(group).or_default();
        *opened += 1;
        *opened
    }
}

impl Table {
    /// Whether nobody is connected from elsewhere.
    fn is_alone(&self, group: AddressGroup) -> bool {
        self.groups.len() == usize::from(self.groups.contains_key(&group))
    }

    /// How many connections there are with one more from `group`: of this group, and in all.
    fn size_with(&self, group: AddressGroup) -> (usize, usize) {
        (self.groups.get(&group).map_or(0, |group| group.ids.len()) + 1, self.entries.len() + 1)
    }

    fn largest_group(&self) -> Option<AddressGroup> {
        self.sizes.last().map(|(_, group)| *group)
    }

    /// The connection of a group that has been idle the longest, and for how long.
    fn longest_idle(&self, group: AddressGroup, now: Instant) -> Option<(ConnectionId, Duration)> {
        let ids = &self.groups.get(&group)?.ids;
        let clients = ids.iter().filter_map(|id| Some((*id, self.entries.get(id)?)));
        let idle = clients
            .filter(|(_, entry)| !entry.is_neighbor.get())
            .map(|(id, entry)| (id, entry.patience.borrow().idle_for(now, entry.lines.get())))
            // Of two that are equal the older one.
            .max_by_key(|(id, idle)| (*idle, Reverse(*id)));
        idle.or_else(|| ids.last().map(|id| (*id, Duration::ZERO)))
    }

    fn insert(&mut self, group: AddressGroup, entry: impl FnOnce(ConnectionId, Rc<Share>) -> Entry) -> Rc<Entry> {
        self.last += 1;
        let id = ConnectionId(self.last);
        let share = self.change_group(group, |ids| ids.insert(id));
        let entry = Rc::new(entry(id, share));
        self.entries.insert(id, entry.clone());
        entry
    }

    /// `None` if it was removed before: what was cut off for another still hears of its end.
    fn remove(&mut self, id: ConnectionId) -> Option<Rc<Entry>> {
        let entry = self.entries.remove(&id)?;
        self.change_group(entry.group, |ids| ids.remove(&id));
        Some(entry)
    }

    /// Returns where the share of each connection of this group stands.
    fn change_group(
        &mut self,
        group: AddressGroup,
        change: impl FnOnce(&mut BTreeSet<ConnectionId>) -> bool,
    ) -> Rc<Share> {
        let groups_before = self.groups.len();
        let Group { ids, share } = self.groups.entry(group).or_default();
        let share = share.clone();
        self.sizes.remove(&(ids.len(), group));
        change(ids);
        match ids.len() {
            0 => drop(self.groups.remove(&group)),
            size => drop(self.sizes.insert((size, group))),
        }
        let is_alone = self.groups.len() <= 1;
        if is_alone != (groups_before <= 1) {
            self.groups.values().for_each(|Group { ids, share }| share.divide(ids.len(), is_alone));
        } else if let Some(Group { ids, share }) = self.groups.get(&group) {
            share.divide(ids.len(), is_alone);
        }
        share
    }
}

impl fmt::Debug for Connections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Connections({})", self.count())
    }
}
