//! [`Scope`]: one reactor's part of a trace. It knows the turn, the phase and the running callback, so that the places
//! where something happens need not.
//!
//! Next: `order.rs`, what must hold for them.

use super::order::Order;
use super::{Bytes, Call, Event, Kind, Outcome, Phase, Trace, current};
use std::cell::{Cell, RefCell};
use std::fmt;
use std::io::IoSlice;
use std::time::{Duration, Instant};

/// Reads the driver's clock.
pub(crate) type ReadClock = Box<dyn Fn() -> Instant>;

pub(crate) struct Scope {
    trace: Trace,
    host: Option<Box<str>>,
    /// When it began, and how to tell the time. None without a reactor.
    clock: Option<(Instant, ReadClock)>,
    turn: Cell<u64>,
    phase: Cell<Phase>,
    /// Whether the phase has been reported. It is reported with the first event in it.
    is_phase_told: Cell<bool>,
    next_callback: Cell<u64>,
    /// The callback that runs.
    callback: Cell<Option<u64>>,
    /// The callback of a Deferred that runs.
    step: Cell<Option<u64>>,
    has_ended: Cell<bool>,
    /// Checked in debug builds.
    order: Order,
    /// Memory for bytes that stand in several pieces.
    scratch: RefCell<Vec<u8>>,
}

impl Scope {
    /// A reactor's part of `trace`. Times count from `began`; without one, from now.
    pub(crate) fn new(trace: Trace, host: Option<&str>, clock: ReadClock, began: Option<Instant>) -> Scope {
        let scope = Scope { clock: Some((began.unwrap_or_else(&clock), clock)), ..Scope::without_clock(trace, host) };
        scope.emit(Kind::Trace { max_bytes: scope.trace.max_bytes_shown() });
        scope
    }

    /// A part of `trace` for a thread that has no reactor: all its times are 0.
    pub(crate) fn without_reactor(trace: Trace) -> Scope {
        let scope = Scope::without_clock(trace, None);
        scope.emit(Kind::Trace { max_bytes: scope.trace.max_bytes_shown() });
        scope
    }

    fn without_clock(trace: Trace, host: Option<&str>) -> Scope {
        Scope {
            trace,
            host: host.map(Box::from),
            clock: None,
            turn: Cell::new(0),
            phase: Cell::new(Phase::Outside),
            is_phase_told: Cell::new(true),
            next_callback: Cell::new(1),
            callback: Cell::new(None),
            step: Cell::new(None),
            has_ended: Cell::new(false),
            order: Order::default(),
            scratch: RefCell::default(),
        }
    }

    pub(crate) fn trace(&self) -> &Trace {
        &self.trace
    }

    /// Reports what has happened.
    pub(crate) fn emit(&self, kind: Kind<'_>) {
        if self.has_ended.get() {
            return;
        }
        let time = self.now();
        self.tell_phase(time);
        self.send(time, kind);
    }

    fn tell_phase(&self, time: Duration) {
        if !self.is_phase_told.replace(true) {
            self.send(time, Kind::Phase);
        }
    }

    fn send(&self, time: Duration, kind: Kind<'_>) {
        if cfg!(debug_assertions) {
            self.order.check(self.turn.get(), self.phase.get(), time);
        }
        self.trace.send(&mut Event {
            seq: 0,
            time,
            host: self.host.as_deref(),
            turn: self.turn.get(),
            phase: self.phase.get(),
            callback: self.callback.get(),
            step: self.step.get(),
            kind,
        });
    }

    fn now(&self) -> Duration {
        let Some((began, clock)) = &self.clock else { return Duration::ZERO };
        clock().checked_duration_since(*began).unwrap_or_default()
    }

    /// Reports a call to the driver.
    pub(crate) fn call(&self, call: Call<'_>, outcome: Outcome) {
        self.emit(Kind::Call { call, outcome });
    }

    /// Hands `f` the first of these bytes, as they may be shown.
    pub(crate) fn with_bytes(&self, bytes: &[u8], f: impl FnOnce(Bytes<'_>)) {
        // Masked before they are cut: a cut secret would still be one.
        let shown = self.trace.masked(&bytes[..bytes.len().min(self.read_ahead())]);
        f(Bytes { shown: &shown[..shown.len().min(self.trace.max_bytes_shown())] });
    }

    /// The same for the first `count` bytes of several pieces.
    pub(crate) fn with_pieces(&self, pieces: &[IoSlice<'_>], count: usize, f: impl FnOnce(Bytes<'_>)) {
        let mut scratch = self.scratch.take();
        scratch.clear();
        let mut left = count.min(self.read_ahead());
        for piece in pieces {
            let part = &piece[..piece.len().min(left)];
            scratch.extend_from_slice(part);
            left -= part.len();
        }
        self.with_bytes(&scratch, f);
        self.scratch.replace(scratch);
    }

    /// Number of bytes to look at, so that a secret is found which the shown ones cut.
    pub(crate) fn read_ahead(&self) -> usize {
        match self.trace.max_bytes_shown() {
            0 => 0,
            shown => shown + self.trace.0.secrets.borrow().longest(),
        }
    }

    /// The loop begins a turn.
    pub(crate) fn begin_turn(&self, kind: Kind<'_>) {
        self.turn.set(self.turn.get() + 1);
        self.phase.set(Phase::Wait);
        self.is_phase_told.set(true);
        self.emit(kind);
    }

    /// The loop comes to a phase, or does something else in the same one.
    pub(crate) fn begin_phase(&self, phase: Phase) {
        if self.phase.replace(phase) != phase {
            self.is_phase_told.set(false);
        }
    }

    /// The turn is over.
    pub(crate) fn end_turn(&self) {
        self.phase.set(Phase::Outside);
        self.is_phase_told.set(true);
        self.emit(Kind::TurnEnd);
    }

    /// Makes this step the innermost one that runs. Returns the one before.
    pub(super) fn exchange_step(&self, step: Option<u64>) -> Option<u64> {
        self.step.replace(step)
    }

    pub(super) fn has_ended(&self) -> bool {
        self.has_ended.get()
    }

    /// The number of a callback that begins now, and the one around it. The caller reports both ends.
    pub(crate) fn enter_callback(&self) -> (u64, Option<u64>) {
        if !self.has_ended.get() {
            self.tell_phase(self.now()); // First: a phase does not begin inside a callback.
        }
        let id = self.next_callback.replace(self.next_callback.get() + 1);
        (id, self.callback.replace(Some(id)))
    }

    /// The callback inside `outer` is over.
    pub(crate) fn leave_callback(&self, outer: Option<u64>) {
        self.callback.set(outer);
    }

    /// The loop is about to wait.
    pub(crate) fn flush(&self) {
        self.trace.flush();
    }

    /// The reactor reports nothing any more.
    pub(crate) fn end(&self) {
        self.emit(Kind::End);
        self.has_ended.set(true);
        self.trace.flush();
        current::detach(self);
    }
}

impl fmt::Debug for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Scope({:?}, turn {})", self.trace, self.turn.get())
    }
}
