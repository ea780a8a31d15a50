//! [`Timeouts`]: limits on the time of a connection that need no help of its protocol.
//!
//! A timer on each connection looks at it four times within the shortest limit, and the transport counts what was sent.
//! So the limits cost next to nothing when bytes come or go. A limit is kept to a quarter: a connection that is idle
//! for 60 s is closed within 75 s.
//!
//! Next: `../tls/mod.rs`, a layer between two transports.

use super::clock::PolicyClock;
use crate::error::Limit;
use crate::{Address, DelayedCall, Factory, Protocol, Reason, Transport};
use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::{Rc, Weak};
use std::time::{Duration, Instant};

/// How often a connection is looked at within the shortest of its limits.
const LOOKS: u32 = 4;

/// A connection is looked at no more often than this, whatever its limits are.
const SHORTEST_LOOK: Duration = Duration::from_millis(10);

/// Limits on the time of each connection. The handle is cheap to clone; what is set counts for new connections.
///
/// A connection that reaches a limit is closed in an orderly way; if bytes wait that its peer does not take, it is
/// aborted. Its protocol hears [`Reason::LimitReached`]. Time in which the program itself has paused reading counts
/// neither as idle nor as silent, unless bytes wait to be sent.
#[derive(Clone)]
pub struct Timeouts(Rc<TimeoutsInner>);

struct TimeoutsInner {
    clock: PolicyClock,
    /// A connection keeps those with which it began.
    limits: RefCell<Rc<TimeLimits>>,
    counts: Cell<TimeoutCounts>,
}

#[derive(Debug, Clone, Copy, Default)]
struct TimeLimits {
    idle: Option<Duration>,
    silent: Option<Duration>,
    stalled: Option<Duration>,
    slow: Option<Slow>,
    total: Option<Duration>,
}

/// What a peer must take of what waits for it.
#[derive(Debug, Clone, Copy)]
struct Slow {
    /// At least as many bytes as this,
    bytes: u64,
    /// in this time.
    within: Duration,
}

impl TimeLimits {
    /// The shortest of those that depend on what comes and goes.
    fn traffic(&self) -> Option<Duration> {
        [self.idle, self.silent, self.stalled, self.slow.map(|slow| slow.within)].into_iter().flatten().min()
    }
}

/// How many connections [`Timeouts`] has closed, by the limit, for an operator to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct TimeoutCounts {
    /// Closed because of [`Timeouts::idle`].
    pub idle: u64,
    /// Closed because of [`Timeouts::silent`].
    pub silent: u64,
    /// Closed because of [`Timeouts::stalled`].
    pub stalled: u64,
    /// Closed because of [`Timeouts::slow`].
    pub slow: u64,
    /// Closed because of [`Timeouts::total`].
    pub total: u64,
}

impl Timeouts {
    /// No limit yet. `clock` is a `&Reactor`, or a `&ManualClock` in tests.
    pub fn new(clock: impl Into<PolicyClock>) -> Timeouts {
        Timeouts(Rc::new(TimeoutsInner { clock: clock.into(), limits: RefCell::default(), counts: Cell::default() }))
    }

    /// Closes connections on which no byte has come or gone for this long. Bytes that are written count when the system
    /// takes them: to write more and more to a peer that reads nothing keeps no connection alive.
    pub fn idle(self, limit: Duration) -> Timeouts {
        self.change(|limits| limits.idle = Some(limit))
    }

    /// Closes connections on which no byte has come for this long, whatever is sent on them.
    pub fn silent(self, limit: Duration) -> Timeouts {
        self.change(|limits| limits.silent = Some(limit))
    }

    /// Closes a connection if its peer has taken no byte for this long, although bytes wait for it.
    pub fn stalled(self, limit: Duration) -> Timeouts {
        self.change(|limits| limits.stalled = Some(limit))
    }

    /// Closes a connection if its peer has taken fewer than `bytes` in this long, although bytes waited for it all the
    /// time. A peer that takes one byte now and then never stalls, and would hold what waits for it for days.
    pub fn slow(self, limit: Duration, bytes: u64) -> Timeouts {
        self.change(|limits| limits.slow = Some(Slow { bytes, within: limit }))
    }

    /// Closes connections this long after they were made.
    pub fn total(self, limit: Duration) -> Timeouts {
        self.change(|limits| limits.total = Some(limit))
    }

    fn change(self, change: impl FnOnce(&mut TimeLimits)) -> Timeouts {
        let mut limits = **self.0.limits.borrow();
        change(&mut limits);
        self.0.limits.replace(Rc::new(limits));
        self
    }

    /// A factory that makes the protocols of `inner`, each with these limits.
    pub fn factory<F: Factory + 'static>(&self, inner: F) -> impl Factory + use<F> {
        Timing { timeouts: self.clone(), inner }
    }

    /// How many connections were closed so far.
    pub fn counts(&self) -> TimeoutCounts {
        self.0.counts.get()
    }
}

impl fmt::Debug for Timeouts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Timeouts({:?}, {:?})", self.0.limits.borrow(), self.counts())
    }
}

struct Timing<F> {
    timeouts: Timeouts,
    inner: F,
}

impl<F: Factory> Factory for Timing<F> {
    fn build_protocol(&mut self, peer: &Address) -> Option<Box<dyn Protocol>> {
        let inner = self.inner.build_protocol(peer)?;
        Some(Box::new(Timed { inner, shared: self.timeouts.0.clone(), watch: None }))
    }

    fn start_factory(&mut self) {
        self.inner.start_factory();
    }

    fn stop_factory(&mut self) {
        self.inner.stop_factory();
    }
}

/// The watch on one connection.
struct Watch {
    this: Weak<Watch>,
    shared: Rc<TimeoutsInner>,
    limits: Rc<TimeLimits>,
    transport: Transport,
    made: Instant,
    /// Bytes have come since the last look.
    has_received: Cell<bool>,
    bytes_sent: Cell<u64>,
    /// When it was seen last that bytes had come.
    received: Cell<Instant>,
    /// When it was seen last that bytes had gone, or that none waited.
    sent: Cell<Instant>,
    /// When it was seen last that bytes had gone.
    sent_some: Cell<Instant>,
    /// Since when bytes have waited all the time, and how many had been sent by then. It begins anew when the peer has
    /// taken enough.
    slow_since: Cell<(Instant, u64)>,
    next_look: RefCell<Option<DelayedCall>>,
    /// The limit for which the connection was closed.
    reached: Cell<Option<Limit>>,
}

impl Watch {
    /// `None` if there is nothing to watch.
    fn begin(shared: &Rc<TimeoutsInner>, transport: &Transport) -> Option<Rc<Watch>> {
        let limits = shared.limits.borrow().clone();
        limits.traffic().into_iter().chain(limits.total).next()?;
        let now = shared.clock.moment()?;
        let watch = Rc::new_cyclic(|this| Watch {
            this: this.clone(),
            shared: shared.clone(),
            limits,
            transport: transport.clone(),
            made: now,
            has_received: Cell::new(false),
            bytes_sent: Cell::new(0),
            received: Cell::new(now),
            sent: Cell::new(now),
            sent_some: Cell::new(now),
            slow_since: Cell::new((now, 0)),
            next_look: RefCell::new(None),
            reached: Cell::new(None),
        });
        watch.look_later(now);
        Some(watch)
    }

    fn look_later(&self, now: Instant) {
        let often = self.limits.traffic().map(|limit| (limit / LOOKS).max(SHORTEST_LOOK));
        let end = self.limits.total.map(|total| total.saturating_sub(now.saturating_duration_since(self.made)));
        let Some(after) = [often, end].into_iter().flatten().min() else { return };
        let this = self.this.clone();
        let call = self.shared.clock.call_later(after, move || {
            if let Some(me) = this.upgrade() {
                me.look();
            }
        });
        *self.next_look.borrow_mut() = call;
    }

    fn look(&self) {
        let Some(now) = self.shared.clock.moment() else { return };
        let (waiting, bytes_sent) = (self.transport.buffered() > 0, self.transport.bytes_sent());
        // The peer is not to blame for our own pause, but for not taking what we send.
        if self.has_received.take() || self.transport.is_paused() && !waiting {
            self.received.set(now);
        }
        let has_sent = bytes_sent != self.bytes_sent.replace(bytes_sent);
        if has_sent {
            self.sent_some.set(now);
        }
        if has_sent || !waiting {
            self.sent.set(now);
        }
        let enough = self.limits.slow.map_or(0, |slow| slow.bytes);
        if !waiting || bytes_sent - self.slow_since.get().1 >= enough {
            self.slow_since.set((now, bytes_sent));
        }
        match self.limit_reached(now) {
            Some(limit) => self.close(limit, waiting),
            None => self.look_later(now),
        }
    }

    fn limit_reached(&self, now: Instant) -> Option<Limit> {
        let is_over = |limit: Option<Duration>, since: Instant| {
            limit.is_some_and(|limit| now.saturating_duration_since(since) >= limit)
        };
        let checks = [
            (self.limits.total, self.made, Limit::TotalTime),
            (self.limits.stalled, self.sent.get(), Limit::Stalled),
            (self.limits.slow.map(|slow| slow.within), self.slow_since.get().0, Limit::Slow),
            (self.limits.silent, self.received.get(), Limit::Silent),
            (self.limits.idle, self.received.get().max(self.sent_some.get()), Limit::Idle),
        ];
        checks.into_iter().find(|(limit, since, _)| is_over(*limit, *since)).map(|(_, _, limit)| limit)
    }

    fn close(&self, limit: Limit, waiting: bool) {
        if self.transport.is_disconnecting() {
            return; // The program was faster; a close has its own limit.
        }
        let mut counts = self.shared.counts.get();
        match limit {
            Limit::Stalled => counts.stalled += 1,
            Limit::Slow => counts.slow += 1,
            Limit::Silent => counts.silent += 1,
            Limit::TotalTime => counts.total += 1,
            _ => counts.idle += 1,
        }
        self.shared.counts.set(counts);
        self.reached.set(Some(limit));
        match waiting {
            false => self.transport.lose_connection(),
            true => self.transport.abort_connection(), // It would wait for a peer that takes nothing.
        }
    }

    fn stop(&self) {
        if let Some(look) = self.next_look.take() {
            look.cancel();
        }
    }
}

struct Timed {
    inner: Box<dyn Protocol>,
    shared: Rc<TimeoutsInner>,
    watch: Option<Rc<Watch>>,
}

impl Protocol for Timed {
    fn type_name(&self) -> &'static str {
        self.inner.type_name()
    }

    fn wrapped(&mut self) -> Option<&mut dyn Protocol> {
        Some(&mut *self.inner)
    }

    fn connection_made(&mut self, transport: &Transport) {
        self.watch = Watch::begin(&self.shared, transport);
        self.inner.connection_made(transport);
    }

    fn data_received(&mut self, transport: &Transport, data: &[u8]) {
        if let Some(watch) = &self.watch {
            watch.has_received.set(true);
        }
        self.inner.data_received(transport, data);
    }

    fn connection_lost(&mut self, reason: &Reason) {
        let watch = self.watch.take();
        watch.iter().for_each(|watch| watch.stop());
        match watch.and_then(|watch| watch.reached.get()) {
            Some(limit) => self.inner.connection_lost(&Reason::LimitReached(limit)),
            None => self.inner.connection_lost(reason),
        }
    }
}

/// A watch goes with its protocol, whether or not that has heard of the end.
impl Drop for Timed {
    fn drop(&mut self) {
        if let Some(watch) = self.watch.take() {
            watch.stop();
        }
    }
}
