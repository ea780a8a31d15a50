//! [`ConnectionLimits`]: how many connections there may be, in all and from one address.
//!
//! At the limit in all, the connection that has been idle longest makes room for the new one. If none has been idle for
//! long enough, the new one is closed. The table of addresses has an entry for each address with an open connection, so
//! the limit in all is its limit too.
//!
//! Next: `bucket.rs`, the first step to a limit on bandwidth.

use super::clock::PolicyClock;
use super::idle_list::IdleList;
use crate::error::Limit;
use crate::{Address, Factory, Protocol, Reason, Transport};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::rc::Rc;
use std::time::{Duration, Instant};

/// Maximum number of connections, unless [`ConnectionLimits::total`] sets another.
const MAX_TOTAL: usize = 10_000;

/// An IPv6 provider gives a customer a /64 at least, so that is one "address" (RFC 6177). Unless
/// [`ConnectionLimits::ipv6_prefix`] sets another.
const IPV6_PREFIX: u8 = 64;

/// A connection that was heard of later than this ago is never closed for a new one, unless
/// [`ConnectionLimits::spare`] sets another time. Otherwise a flood of new connections throws out the peers that are
/// being served.
const SPARE: Duration = Duration::from_secs(5);

/// Maximum number of connections that are looked at to find an idle one: a new connection must not cost a walk through
/// all of them.
const MAX_LOOKS: usize = 16;

/// Limits on the number of connections. The handle is cheap to clone; all factories of one handle share its limits, so
/// several ports may share them.
///
/// At [`per_address`](ConnectionLimits::per_address), a new connection from that address is closed at once. At
/// [`total`](ConnectionLimits::total), the connection that neither sent nor took a byte for longest is closed for the
/// new one, if that was at least [`spare`](ConnectionLimits::spare) ago; its protocol hears
/// [`Reason::LimitReached`] with [`Limit::Pressure`]. Otherwise the new one is closed at once.
///
/// What happened is counted: [`counts`](ConnectionLimits::counts).
#[derive(Clone)]
pub struct ConnectionLimits(Rc<LimitsInner>);

struct LimitsInner {
    clock: PolicyClock,
    total: Cell<usize>,
    per_address: Cell<usize>,
    ipv6_prefix: Cell<u8>,
    spare: Cell<Duration>,
    table: RefCell<Table>,
}

struct Table {
    open: IdleList<Open>,
    /// Number of open connections by address; none is zero.
    addresses: HashMap<IpAddr, usize>,
    counts: ConnectionCounts,
}

/// An open connection.
struct Open {
    /// `None` until it is made.
    transport: Option<Transport>,
    address: Option<IpAddr>,
    heard_of: Instant,
    /// What the transport said when this was last looked at.
    bytes_sent: u64,
    /// Where the protocol finds out that the connection was closed for another.
    is_closed_for_another: Rc<Cell<bool>>,
}

/// What [`ConnectionLimits`] has counted, for an operator to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct ConnectionCounts {
    /// Connections that are open now.
    pub open: usize,
    /// Addresses from which connections are open now. An IPv6 network counts as one.
    pub addresses: usize,
    /// New connections that were closed because of the limit in all.
    pub refused_for_total: u64,
    /// New connections that were closed because of the limit for their address.
    pub refused_for_address: u64,
    /// Idle connections that were closed for new ones.
    pub closed_for_pressure: u64,
}

impl ConnectionLimits {
    /// At most 10,000 connections, and any number of them from one address. `clock` is a `&Reactor`, or a
    /// `&ManualClock` in tests.
    pub fn new(clock: impl Into<PolicyClock>) -> ConnectionLimits {
        ConnectionLimits(Rc::new(LimitsInner {
            clock: clock.into(),
            total: Cell::new(MAX_TOTAL),
            per_address: Cell::new(usize::MAX),
            ipv6_prefix: Cell::new(IPV6_PREFIX),
            spare: Cell::new(SPARE),
            table: RefCell::new(Table {
                open: IdleList::new(),
                addresses: HashMap::new(),
                counts: ConnectionCounts::default(),
            }),
        }))
    }

    /// Sets the maximum number of connections (default 10,000). A lower one than before closes nothing.
    pub fn total(self, connections: usize) -> ConnectionLimits {
        self.0.total.set(connections);
        self
    }

    /// Sets the maximum number of connections from one address (default: no limit but that in all).
    pub fn per_address(self, connections: usize) -> ConnectionLimits {
        self.0.per_address.set(connections);
        self
    }

    /// Sets how many bits of an IPv6 address are looked at (default 64). To be set before the first connection.
    pub fn ipv6_prefix(self, bits: u8) -> ConnectionLimits {
        self.0.ipv6_prefix.set(bits.min(128));
        self
    }

    /// Sets for how long a connection must have been idle before it may be closed for a new one (default 5 s).
    pub fn spare(self, idle: Duration) -> ConnectionLimits {
        self.0.spare.set(idle);
        self
    }

    /// A factory that makes the protocols of `inner`, within the limits.
    pub fn factory<F: Factory + 'static>(&self, inner: F) -> impl Factory + use<F> {
        Limiting { limits: self.clone(), inner }
    }

    /// What has been counted so far.
    pub fn counts(&self) -> ConnectionCounts {
        let table = self.0.table.borrow();
        ConnectionCounts { open: table.open.len(), addresses: table.addresses.len(), ..table.counts }
    }

    /// Takes a new connection in, if it may come. `None` if it may not.
    fn admit(&self, peer: &Address) -> Option<Admission> {
        let shared = &self.0;
        let now = shared.clock.moment()?;
        let address = peer.tcp().map(|peer| network_of(peer.ip(), shared.ipv6_prefix.get()));
        let table = &mut *shared.table.borrow_mut();
        let same = address.and_then(|address| table.addresses.get(&address)).copied().unwrap_or(0);
        if same >= shared.per_address.get() {
            table.counts.refused_for_address += 1;
            return None;
        }
        if table.open.len() >= shared.total.get() {
            let Some(idle) = table.take_idle(now, shared.spare.get()) else {
                table.counts.refused_for_total += 1;
                return None;
            };
            table.counts.closed_for_pressure += 1;
            idle.close();
        }
        let is_closed_for_another: Rc<Cell<bool>> = Rc::default();
        let open = Open {
            transport: None,
            address,
            heard_of: now,
            bytes_sent: 0,
            is_closed_for_another: is_closed_for_another.clone(),
        };
        let key = table.open.push(open);
        if let Some(address) = address {
            *table.addresses.entry(address).or_insert(0) += 1;
        }
        Some(Admission { limits: self.clone(), key, is_closed_for_another })
    }
}

impl Table {
    /// Takes out the connection that has been idle longest, if that is long enough.
    ///
    /// The list is in the order of what was received. A connection that has sent since it was last looked at goes to
    /// the end, as if it had received: a peer that downloads is not idle.
    fn take_idle(&mut self, now: Instant, spare: Duration) -> Option<Open> {
        for _ in 0..MAX_LOOKS {
            let key = self.open.first()?;
            let open = self.open.get_mut(key)?;
            if now.saturating_duration_since(open.heard_of) < spare {
                return None; // All others were heard of later.
            }
            let bytes_sent = open.transport.as_ref().map_or(0, Transport::bytes_sent);
            if bytes_sent == open.bytes_sent {
                return self.remove(key);
            }
            (open.bytes_sent, open.heard_of) = (bytes_sent, now);
            self.open.move_to_the_end(key);
        }
        None
    }

    fn remove(&mut self, key: usize) -> Option<Open> {
        let open = self.open.remove(key)?;
        if let Some(Entry::Occupied(mut entry)) = open.address.map(|address| self.addresses.entry(address)) {
            *entry.get_mut() -= 1;
            if *entry.get() == 0 {
                entry.remove();
            }
        }
        Some(open)
    }
}

impl Open {
    /// Ends the connection. A transport calls nobody back.
    fn close(self) {
        self.is_closed_for_another.set(true);
        let Some(transport) = self.transport else { return };
        match transport.buffered() {
            0 => transport.lose_connection(),
            _ => transport.abort_connection(), // It would wait for a peer that takes nothing.
        }
    }
}

/// The network that counts as one address.
fn network_of(address: IpAddr, ipv6_prefix: u8) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(ipv6_prefix)).unwrap_or(0);
            Ipv6Addr::from_bits(v6.to_bits() & mask).into()
        }
        v4 => v4,
    }
}

impl fmt::Debug for ConnectionLimits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ConnectionLimits({:?})", self.counts())
    }
}

struct Limiting<F> {
    limits: ConnectionLimits,
    inner: F,
}

impl<F: Factory> Factory for Limiting<F> {
    fn build_protocol(&mut self, peer: &Address) -> Option<Box<dyn Protocol>> {
        // First: a peer that we refuse must not cost the program anything.
        let place = self.limits.admit(peer)?;
        let inner = self.inner.build_protocol(peer)?;
        Some(Box::new(Limited { inner, place }))
    }

    fn start_factory(&mut self) {
        self.inner.start_factory();
    }

    fn stop_factory(&mut self) {
        self.inner.stop_factory();
    }
}

/// The place of a connection in the table. Dropping it gives the place up, however the connection ended.
struct Admission {
    limits: ConnectionLimits,
    key: usize,
    is_closed_for_another: Rc<Cell<bool>>,
}

impl Admission {
    fn with_open(&self, f: impl FnOnce(&mut Table, Instant)) {
        // Once it was closed for another, its key may be that of another.
        if !self.is_closed_for_another.get()
            && let Some(now) = self.limits.0.clock.moment()
        {
            f(&mut self.limits.0.table.borrow_mut(), now);
        }
    }

    fn made(&self, transport: &Transport) {
        self.with_open(|table, now| {
            if let Some(open) = table.open.get_mut(self.key) {
                (open.transport, open.heard_of) = (Some(transport.clone()), now);
            }
            table.open.move_to_the_end(self.key);
        });
    }

    fn heard_of(&self) {
        self.with_open(|table, now| {
            if let Some(open) = table.open.get_mut(self.key) {
                open.heard_of = now;
            }
            table.open.move_to_the_end(self.key);
        });
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        if !self.is_closed_for_another.get() {
            let gone = self.limits.0.table.borrow_mut().remove(self.key);
            drop(gone); // After the borrow.
        }
    }
}

struct Limited {
    inner: Box<dyn Protocol>,
    place: Admission,
}

impl Protocol for Limited {
    fn type_name(&self) -> &'static str {
        self.inner.type_name()
    }

    fn wrapped(&mut self) -> Option<&mut dyn Protocol> {
        Some(&mut *self.inner)
    }

    fn connection_made(&mut self, transport: &Transport) {
        self.place.made(transport);
        self.inner.connection_made(transport);
    }

    fn data_received(&mut self, transport: &Transport, data: &[u8]) {
        self.place.heard_of();
        self.inner.data_received(transport, data);
    }

    fn connection_lost(&mut self, reason: &Reason) {
        match self.place.is_closed_for_another.get() {
            true => self.inner.connection_lost(&Reason::LimitReached(Limit::Pressure)),
            false => self.inner.connection_lost(reason),
        }
    }
}
