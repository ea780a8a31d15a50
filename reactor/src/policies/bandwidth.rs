//! [`Bandwidth`]: how many bytes a second are read and written, on each connection and in all.
//!
//! Token buckets: a bucket fills at the rate, up to the burst, and each byte takes a token. A connection that finds
//! none waits in a queue; a timer looks at it ten times a second and shares out what has come in.
//!
//! ```text
//!   room?  each bucket and the shared one have tokens, and nobody waits for the shared one --> the fewest
//!          otherwise --> 0, and into the queue
//!   tick   what was shared out and not used goes back; then each in the queue, the first first, gets its part
//! ```
//!
//! Next: `timeout.rs`, a time limit that a protocol holds.

use super::bucket::Bucket;
use super::clock::PolicyClock;
use crate::transport::{Direction, Meter, WeakTransport};
use crate::{Address, DelayedCall, Factory, Protocol, Transport};
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fmt;
use std::rc::{Rc, Weak};
use std::time::{Duration, Instant};

/// How often what has come in is shared out. Shorter makes more wake-ups, longer makes larger gaps.
const TICK: Duration = Duration::from_millis(100);

/// A bucket holds what comes in during this time at least, and two tokens: less would overflow between two ticks, and
/// the rate would not be reached.
const SHORTEST_BURST: Duration = Duration::from_millis(200);

/// The burst, unless [`Bandwidth::burst`] sets another.
const BURST: Duration = Duration::from_secs(1);

/// Limits on the bytes a second that connections read and write. The handle is cheap to clone; all factories of one
/// handle share its limits in all. What is set counts for new connections. Twisted's `ThrottlingFactory`, and its token
/// buckets, `htb`.
///
/// A connection at its limit is neither read nor written to, and that is all: what waits to be sent pauses producers as
/// ever, and what is not read makes the peer wait. In any time *t*, no more goes than the burst and *t* times the rate.
/// Twisted counts after the fact, holds back writes of producers only, and everything for a second or more.
///
/// Connections that wait for a shared limit get equal parts of what comes in, ten times a second. A close waits for its
/// last bytes within [`close_timeout`](crate::Settings::close_timeout); the time in which we hold them back does not
/// count. The bytes of the system are counted. So it makes no difference whether this stands outside TLS or inside.
///
/// ```
/// use reactor::policies::Bandwidth;
/// use reactor::{Protocol, Reactor, Transport};
///
/// struct Echo;
/// impl Protocol for Echo {
///     fn data_received(&mut self, transport: &Transport, data: &[u8]) {
///         transport.write(data);
///     }
/// }
/// let reactor = Reactor::new()?;
/// let bandwidth = Bandwidth::new(&reactor).write_each(100_000).write_in_all(10_000_000);
/// reactor.listen_tcp("127.0.0.1:0", bandwidth.factory(|_peer| Echo))?;
/// assert_eq!(bandwidth.counts().written, 0);
/// # Ok::<(), reactor::Failure>(())
/// ```
#[derive(Clone)]
pub struct Bandwidth(Rc<Inner>);

struct Inner {
    this: Weak<Inner>,
    clock: PolicyClock,
    /// Bytes a second for each connection.
    each: Cell<Rates>,
    in_all: Cell<Rates>,
    burst: Cell<Duration>,
    lanes: [RefCell<Lane>; 2],
    /// Number of connections that are there.
    lines: Cell<usize>,
    tick: RefCell<Option<DelayedCall>>,
    counts: Cell<BandwidthCounts>,
}

/// Bytes a second, by direction; `None` is no limit.
type Rates = [Option<u64>; 2];

/// One direction of all connections.
#[derive(Default)]
struct Lane {
    bucket: Option<Bucket>,
    /// Somebody has found the bucket empty. Until the next tick nobody may take from it.
    is_short: bool,
    /// Who waits, in the order of coming. Each stands here once at most, so the connections limit it.
    waiting: VecDeque<Weak<Line>>,
    /// Who got a part at the last tick, and may not have used it.
    served: Vec<Weak<Line>>,
}

/// What [`Bandwidth`] has counted, for an operator to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct BandwidthCounts {
    /// Bytes that were read.
    pub read: u64,
    /// Bytes that were written.
    pub written: u64,
    /// How often a connection had to wait, in one of its directions.
    pub waits: u64,
}

impl Bandwidth {
    /// No limit yet. `clock` is a `&Reactor`, or a `&ManualClock` in tests.
    pub fn new(clock: impl Into<PolicyClock>) -> Bandwidth {
        Bandwidth(Rc::new_cyclic(|this| Inner {
            this: this.clone(),
            clock: clock.into(),
            each: Cell::default(),
            in_all: Cell::default(),
            burst: Cell::new(BURST),
            lanes: Default::default(),
            lines: Cell::new(0),
            tick: RefCell::default(),
            counts: Cell::default(),
        }))
    }

    /// Sets how many bytes a second are read from each connection.
    ///
    /// # Panics
    /// If it is 0: such a connection would never move a byte.
    #[track_caller]
    pub fn read_each(self, bytes: u64) -> Bandwidth {
        set(&self.0.each, Direction::In, bytes);
        self
    }

    /// Sets how many bytes a second are written to each connection.
    ///
    /// # Panics
    /// If it is 0.
    #[track_caller]
    pub fn write_each(self, bytes: u64) -> Bandwidth {
        set(&self.0.each, Direction::Out, bytes);
        self
    }

    /// Sets how many bytes a second are read from all connections together.
    ///
    /// # Panics
    /// If it is 0.
    #[track_caller]
    pub fn read_in_all(self, bytes: u64) -> Bandwidth {
        set(&self.0.in_all, Direction::In, bytes);
        self.0.lanes[Direction::In as usize].borrow_mut().bucket = None; // Made anew when it is first asked.
        self
    }

    /// Sets how many bytes a second are written to all connections together.
    ///
    /// # Panics
    /// If it is 0.
    #[track_caller]
    pub fn write_in_all(self, bytes: u64) -> Bandwidth {
        set(&self.0.in_all, Direction::Out, bytes);
        self.0.lanes[Direction::Out as usize].borrow_mut().bucket = None;
        self
    }

    /// Sets for how long a limit that was not used adds up: what comes in during this time may go at once (default 1 s;
    /// at least a fifth of a second, and two bytes). To be set before the first connection. It also limits how much of
    /// what one connection does not use of its part is kept for the others: if many of those that wait have little to
    /// write, a short burst lets fewer bytes through than the rate.
    pub fn burst(self, time: Duration) -> Bandwidth {
        self.0.burst.set(time.max(SHORTEST_BURST));
        self
    }

    /// A factory that makes the protocols of `inner`, within the limits.
    pub fn factory<F: Factory + 'static>(&self, inner: F) -> impl Factory + use<F> {
        Metering { bandwidth: self.clone(), inner }
    }

    /// A protocol with these limits: for an outgoing connection, or standard input and output.
    pub fn wrap<P: Protocol + 'static>(&self, inner: P) -> impl Protocol + use<P> {
        Metered { inner: Box::new(inner), bandwidth: self.clone() }
    }

    /// What has been counted so far, on connections with a limit.
    pub fn counts(&self) -> BandwidthCounts {
        self.0.counts.get()
    }
}

#[track_caller]
fn set(rates: &Cell<Rates>, direction: Direction, bytes: u64) {
    assert!(bytes > 0, "a bandwidth of 0 lets nothing through, ever");
    let mut changed = rates.get();
    changed[direction as usize] = Some(bytes);
    rates.set(changed);
}

impl fmt::Debug for Bandwidth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Bandwidth(each {:?}, in all {:?}, {:?})", self.0.each.get(), self.0.in_all.get(), self.counts())
    }
}

/// The meter of one connection.
struct Line {
    this: Weak<Line>,
    inner: Rc<Inner>,
    transport: WeakTransport,
    sides: [Side; 2],
}

/// One direction of one connection.
struct Side {
    bucket: Option<RefCell<Bucket>>,
    /// Tokens that the last tick has shared out to it. They are taken from both buckets already.
    part: Cell<u64>,
    waits: Cell<bool>,
}

impl Line {
    fn begin(inner: &Rc<Inner>, transport: &Transport) {
        let Some(now) = inner.clock.moment() else { return };
        let side = |direction: Direction| Side {
            bucket: inner.each.get()[direction as usize].map(|rate| Bucket::new(rate, inner.burst.get(), now).into()),
            part: Cell::new(0),
            waits: Cell::new(false),
        };
        inner.lines.set(inner.lines.get() + 1);
        transport.add_meter(Rc::new_cyclic(|this| Line {
            this: this.clone(),
            inner: inner.clone(),
            transport: transport.downgrade(),
            sides: [side(Direction::In), side(Direction::Out)],
        }));
    }
}

impl Meter for Line {
    fn room(&self, direction: Direction, wanted: usize) -> usize {
        let side = &self.sides[direction as usize];
        let wanted = wanted as u64;
        if side.part.get() > 0 {
            return side.part.get().min(wanted) as usize;
        }
        // A clock that is gone takes its connections with it: nothing is held back any more.
        let Some(now) = self.inner.clock.moment() else { return wanted as usize };
        let lane = &mut *self.inner.lane(direction, now);
        let own = side.bucket.as_ref().map_or(u64::MAX, |bucket| bucket.borrow_mut().level(now));
        let shared = match &mut lane.bucket {
            None => u64::MAX,
            Some(_) if lane.is_short => 0, // It must not overtake those that wait.
            Some(bucket) => bucket.level(now),
        };
        lane.is_short |= shared == 0;
        let room = own.min(shared).min(wanted);
        if room == 0 && !side.waits.replace(true) {
            lane.waiting.push_back(self.this.clone());
            self.inner.count(|counts| counts.waits += 1);
            self.inner.tick_later();
        }
        room as usize
    }

    fn used(&self, direction: Direction, bytes: usize) {
        let side = &self.sides[direction as usize];
        let bytes = bytes as u64;
        self.inner.count(|counts| match direction {
            Direction::In => counts.read += bytes,
            Direction::Out => counts.written += bytes,
        });
        let of_part = bytes.min(side.part.get());
        side.part.set(side.part.get() - of_part);
        side.take(bytes - of_part);
        if let Some(bucket) = &mut self.inner.lanes[direction as usize].borrow_mut().bucket {
            bucket.take(bytes - of_part);
        }
    }
}

impl Side {
    fn take(&self, bytes: u64) {
        self.bucket.iter().for_each(|bucket| bucket.borrow_mut().take(bytes));
    }

    /// Takes its part back. Returns it.
    fn give_back(&self) -> u64 {
        let part = self.part.take();
        self.bucket.iter().for_each(|bucket| bucket.borrow_mut().give(part));
        part
    }
}

/// What a connection has not used is for the others.
impl Drop for Line {
    fn drop(&mut self) {
        for (side, lane) in self.sides.iter().zip(&self.inner.lanes) {
            if let Some(bucket) = &mut lane.borrow_mut().bucket {
                bucket.give(side.part.get());
            }
        }
        self.inner.lines.set(self.inner.lines.get() - 1);
        if self.inner.lines.get() == 0 {
            self.inner.rest();
        }
    }
}

impl Inner {
    fn lane(&self, direction: Direction, now: Instant) -> std::cell::RefMut<'_, Lane> {
        let mut lane = self.lanes[direction as usize].borrow_mut();
        if lane.bucket.is_none() {
            let rate = self.in_all.get()[direction as usize];
            lane.bucket = rate.map(|rate| Bucket::new(rate, self.burst.get(), now));
        }
        lane
    }

    fn count(&self, f: impl FnOnce(&mut BandwidthCounts)) {
        let mut counts = self.counts.get();
        f(&mut counts);
        self.counts.set(counts);
    }

    fn tick_later(&self) {
        if self.tick.borrow().is_none() {
            let this = self.this.clone();
            *self.tick.borrow_mut() = self.clock.call_later(TICK, move || {
                if let Some(me) = this.upgrade() {
                    me.tick();
                }
            });
        }
    }

    /// The last connection has gone: nobody waits, and no timer is to be left.
    fn rest(&self) {
        for lane in &self.lanes {
            let lane = &mut *lane.borrow_mut();
            (lane.waiting, lane.served, lane.is_short) = Default::default();
        }
        if let Some(tick) = self.tick.take() {
            tick.cancel();
        }
    }

    /// Shares out what has come in. Goes on while anybody waits, or may not have used what it got.
    fn tick(&self) {
        self.tick.take();
        let Some(now) = self.clock.moment() else { return };
        let mut refilled = Vec::new();
        for direction in [Direction::In, Direction::Out] {
            refilled.extend(self.lane(direction, now).share_out(direction, now));
        }
        if self.lanes.iter().any(|lane| !lane.borrow().is_quiet()) {
            self.tick_later();
        }
        // After the borrows: a transport asks its meter.
        for line in refilled {
            if let Some(transport) = line.transport.upgrade() {
                transport.meter_refilled();
            }
        }
    }
}

impl Lane {
    fn is_quiet(&self) -> bool {
        self.waiting.is_empty() && self.served.is_empty()
    }

    /// Gives each that waits its part; those that get one.
    fn share_out(&mut self, direction: Direction, now: Instant) -> Vec<Rc<Line>> {
        for line in std::mem::take(&mut self.served).iter().filter_map(Weak::upgrade) {
            let part = line.sides[direction as usize].give_back();
            if let Some(bucket) = &mut self.bucket {
                bucket.give(part);
            }
        }
        let mut refilled = Vec::new();
        for left in (1..=self.waiting.len() as u64).rev() {
            let Some(line) = self.waiting.pop_front().and_then(|line| line.upgrade()) else { continue };
            let side = &line.sides[direction as usize];
            let own = side.bucket.as_ref().map_or(u64::MAX, |bucket| bucket.borrow_mut().level(now));
            // At least a byte, as long as there is one: then those who come later wait for the next tick.
            let shared = self.bucket.as_mut().map_or(u64::MAX, |bucket| bucket.level(now).div_ceil(left));
            let part = own.min(shared);
            if part == 0 {
                self.waiting.push_back(line.this.clone());
                continue;
            }
            side.waits.set(false);
            // Without a shared limit, its own bucket is enough: nothing need be taken out in advance.
            if let Some(bucket) = &mut self.bucket {
                bucket.take(part);
                side.take(part);
                side.part.set(part);
                self.served.push(line.this.clone());
            }
            refilled.push(line);
        }
        self.is_short = self.bucket.as_mut().is_some_and(|bucket| bucket.level(now) == 0) && !self.waiting.is_empty();
        refilled
    }
}

struct Metering<F> {
    bandwidth: Bandwidth,
    inner: F,
}

impl<F: Factory> Factory for Metering<F> {
    fn build_protocol(&mut self, peer: &Address) -> Option<Box<dyn Protocol>> {
        let inner = self.inner.build_protocol(peer)?;
        Some(Box::new(Metered { inner, bandwidth: self.bandwidth.clone() }))
    }

    fn start_factory(&mut self) {
        self.inner.start_factory();
    }

    fn stop_factory(&mut self) {
        self.inner.stop_factory();
    }
}

struct Metered {
    inner: Box<dyn Protocol>,
    bandwidth: Bandwidth,
}

impl Protocol for Metered {
    fn type_name(&self) -> &'static str {
        self.inner.type_name()
    }

    fn wrapped(&mut self) -> Option<&mut dyn Protocol> {
        Some(&mut *self.inner)
    }

    fn connection_made(&mut self, transport: &Transport) {
        Line::begin(&self.bandwidth.0, transport);
        self.inner.connection_made(transport);
    }

    fn data_received(&mut self, transport: &Transport, data: &[u8]) {
        self.inner.data_received(transport, data);
    }
}
