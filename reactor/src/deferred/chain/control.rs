//! [`Control`]: a chain as seen by its Deferred and by the chain that waits for it. It pauses and cancels the chain,
//! and answers what the chain waits for.
//!
//! A Deferred holds the control of its chain, and a control holds the control that it waits for. A step holds no
//! control: while it waits, it has a weak link to its own. So when both ends of a chain are gone, so is the chain.
//!
//! A `Head` is the control of its chain and also what a Firer holds. So a Firer that is kept after it has fired keeps
//! what its chain waits for.
//!
//! Next: `circle.rs`, chains that wait for each other.

use super::flat_rc::{FlatRc, Node, Plain};
use super::peek;
use super::trampoline::{Next, Run, Trampoline};
use crate::deferred::story::{Place, Status, TellsStatus, Trace};
use std::cell::Cell;
use std::rc::{Rc, Weak};

/// The control of a chain.
pub(crate) trait Control: Node + TellsStatus {
    fn gate(&self) -> &Gate;

    /// Cancels the chain's own Deferred if that has not fired; else has `trampoline` cancel what the chain waits for.
    /// Returns what must run next. If a canceller panics, `trampoline` keeps the panic.
    fn cancel(self: Rc<Self>, at: Place, trampoline: &mut Trampoline) -> Next {
        self.gate().cancel_inner(at, trampoline);
        Next::Nothing
    }

    /// One of the chains that this one waits for, by its number, from 0 on: to look for circles.
    fn waited_for(&self, number: usize) -> WaitedFor {
        self.gate().waited_for(number)
    }

    /// What a `Pause` or a `Canceller` holds instead of this control. `Some` if the drop of this control is the sign
    /// that nobody receives the result any more, as for a lock's waiter: such a handle must not delay that sign.
    fn for_handles(&self) -> Option<FlatRc<dyn Control>> {
        None
    }
}

/// What holds a chain back: pauses, and the Deferred that it waits for.
///
/// The rule that everything else leans on: while a chain is paused, no node of it has its result in its `Out`. The
/// result waits here, in what is parked.
#[derive(Default)]
pub(crate) struct Gate {
    /// Number of pauses, and [`TOLD`]: one look tells whether there is either.
    pauses: Cell<u32>,
    /// The number of canceller handles in use.
    cancellers: Cell<u32>,
    /// What runs when the pause ends. One is enough: in a chain one node runs at a time.
    parked: Cell<Option<Rc<dyn Run>>>,
    waits_on: Cell<Option<WaitsOn>>,
    waiter: Cell<Waiter>,
    /// The latest walk that came by, of cancels or in search of a circle.
    walk: Cell<u64>,
}

/// Set in the pauses of a head whose making was told to a trace. So the loop, which must look for pauses anyway, pays
/// nothing for a trace that is absent.
const TOLD: u32 = 1 << 31;

/// What a chain waits for.
#[derive(Clone)]
pub(crate) struct WaitsOn {
    pub(crate) control: FlatRc<dyn Control>,
    /// Where the callback that returned it was added.
    pub(crate) by: Place,
}

impl WaitsOn {
    /// The same, for the story.
    pub(crate) fn into_story(self) -> (Rc<dyn TellsStatus>, Place) {
        (self.control.into_rc(), self.by)
    }
}

/// What waits for a chain.
#[derive(Clone, Default)]
pub(crate) enum Waiter {
    #[default]
    Nothing,
    /// The chain of this control; or it did, and waits for something else now.
    Chain(Weak<dyn Control>),
    /// Any number of chains.
    Many,
}

/// One step on the way down.
pub(crate) enum WaitedFor {
    Chain(FlatRc<dyn Control>),
    /// There is nothing under this number, but there may be under the next.
    Fired,
    /// There is nothing more.
    End,
}

impl Gate {
    /// Whether nothing is left in it.
    #[inline]
    pub(super) fn is_spent(&mut self) -> bool {
        (self.pauses.get() | self.cancellers.get()) == 0
            && self.parked.get_mut().is_none()
            && self.waits_on.get_mut().is_none()
    }

    #[inline]
    pub(crate) fn is_paused(&self) -> bool {
        self.pause_count() > 0
    }

    fn pause_count(&self) -> u32 {
        self.pauses.get() & !TOLD
    }

    /// Whether it is neither paused nor told.
    #[inline]
    pub(super) fn is_plain(&self) -> bool {
        self.pauses.get() == 0
    }

    /// From now on the chain is one that is told, or is not.
    pub(super) fn set_told(&self, is_told: bool) {
        self.pauses.set(if is_told { self.pauses.get() | TOLD } else { self.pause_count() });
    }

    pub(super) fn is_told(&self) -> bool {
        self.pauses.get() & TOLD != 0
    }

    /// The number of handles on this control that receive nothing: pauses and cancellers.
    pub(super) fn handles(&self) -> usize {
        self.pause_count() as usize + self.cancellers.get() as usize
    }

    pub(crate) fn begin_pause(&self) {
        self.pauses.set(self.pauses.get() + 1);
        PAUSES.set(PAUSES.get() + 1);
    }

    /// Ends one pause. Returns what was parked if it was the last.
    pub(crate) fn end_pause(&self) -> Option<Rc<dyn Run>> {
        self.pauses.set(self.pauses.get() - 1);
        PAUSES.set(PAUSES.get() - 1);
        if self.is_paused() { None } else { self.parked.take() }
    }

    pub(crate) fn add_canceller(&self) {
        self.cancellers.set(self.cancellers.get() + 1);
    }

    pub(crate) fn remove_canceller(&self) {
        self.cancellers.set(self.cancellers.get() - 1);
    }

    /// Keeps what must run when the pause ends.
    pub(super) fn park(&self, run: Rc<dyn Run>) {
        self.parked.set(Some(run));
    }

    pub(super) fn stop_waiting(&self) {
        if let Some(waits) = self.waits_on.take() {
            // A weak link to a head would keep that from being used again.
            waits.control.gate().set_waiter(Waiter::Nothing);
        }
    }

    pub(crate) fn waits_on(&self) -> Option<WaitsOn> {
        peek(&self.waits_on, Clone::clone)
    }

    /// Has `trampoline` cancel the Deferred that the chain waits for. Returns whether it waits for one.
    pub(crate) fn cancel_inner(&self, at: Place, trampoline: &mut Trampoline) -> bool {
        let waits = self.waits_on();
        let is_waiting = waits.is_some();
        trampoline.cancel(waits.map(|waits| waits.control).into_iter(), at);
        is_waiting
    }

    /// The chain under this number of those that it waits for; there is one at most.
    pub(crate) fn waited_for(&self, number: usize) -> WaitedFor {
        match self.waits_on() {
            Some(waits) if number == 0 => WaitedFor::Chain(waits.control),
            _ => WaitedFor::End,
        }
    }

    pub(super) fn waiter(&self) -> Waiter {
        peek(&self.waiter, Clone::clone)
    }

    /// Notes what waits for the chain from now on.
    pub(crate) fn set_waiter(&self, waiter: Waiter) {
        self.waiter.set(waiter);
    }

    #[inline]
    pub(super) fn forget_waiter(&mut self) {
        *self.waiter.get_mut() = Waiter::Nothing;
    }

    /// Marks it as visited by this walk. Returns whether it is the first visit.
    pub(super) fn visit(&self, walk: u64) -> bool {
        self.walk.replace(walk) != walk
    }

    /// The status of a chain that was made at `made`, as far as its gate knows it.
    pub(crate) fn status(&self, made: Place) -> Status {
        Status { waits_on: self.waits_on().map(WaitsOn::into_story), ..Status::new(made, self.pause_count()) }
    }
}

/// From now on the chain of `control` waits for that of `inner`, which the callback added at `by` returned.
pub(super) fn wait_on(control: &Rc<dyn Control>, inner: FlatRc<dyn Control>, by: Place) {
    inner.gate().set_waiter(Waiter::Chain(Rc::downgrade(control)));
    drop(control.gate().waits_on.replace(Some(WaitsOn { control: inner, by })));
}

/// How far the end of a chain of waiting is looked for.
const MAX_DEPTH: usize = 64;

/// The chain at the far end of all that wait for that of `control`, for its story.
pub(super) fn last_waiting(control: Rc<dyn Control>) -> Rc<dyn TellsStatus> {
    let mut last = control;
    for _ in 0..MAX_DEPTH {
        let Waiter::Chain(next) = last.gate().waiter() else { break };
        let Some(next) = next.upgrade() else { break };
        // The link back may be an old one.
        let waits = |waits: WaitsOn| std::ptr::addr_eq(Rc::as_ptr(&waits.control), Rc::as_ptr(&last));
        if !next.gate().waits_on().is_some_and(waits) {
            break;
        }
        last = next;
    }
    last
}

thread_local!(static LAST_WALK: Cell<u64> = const { Cell::new(0) });

/// The number of a new walk over the chains that wait for each other: a sequence of cancels between which no node runs,
/// or a search for a circle. A walk visits each control once; see [`Gate::visit`].
pub(super) fn new_walk() -> u64 {
    LAST_WALK.set(LAST_WALK.get() + 1);
    LAST_WALK.get()
}

thread_local!(static PAUSES: Cell<usize> = const { Cell::new(0) });

/// Whether any chain of this thread is paused. A cheap test, made after each callback before the chain's own gate is
/// looked at.
#[inline]
pub(super) fn some_are_paused() -> bool {
    PAUSES.get() > 0
}

/// The control of a chain without a head. Such a chain begins when a callback is added to a Deferred that has fired,
/// and returns one that has not.
pub(crate) struct Segment {
    gate: Gate,
    trace: Trace,
}

impl Segment {
    pub(crate) fn new(trace: Trace) -> Rc<Segment> {
        Rc::new(Segment { gate: Gate::default(), trace })
    }
}

impl Plain for Segment {}

impl TellsStatus for Segment {
    fn status(&self) -> Status {
        self.gate.status(self.trace.made())
    }

    fn number(&self) -> u64 {
        self.trace.number()
    }
}

impl Control for Segment {
    fn gate(&self) -> &Gate {
        &self.gate
    }
}
