//! [`Head`]: the start of a chain. A Firer holds it, and it is the chain's control.
//!
//! Next: `out.rs`, the other side of every node.

use super::control::{Control, Gate, last_waiting};
use super::flat_rc::{FlatRc, Node};
use super::nesting::{self, Level};
use super::out::{Out, Tail, deliver_from, hold_back};
use super::panics::{self, caught};
use super::pending::Chain;
use super::spare;
use super::traced::with_seen;
use super::trampoline::{self, Accept, Next, Trampoline};
use crate::deferred::story::{MayStayUnfired, Place, Status, TellsStatus, Trace, Watch};
use crate::deferred::story::{forget, is_loss_unexpected, look_later, unwatch, watch};
use crate::diagnostics::{is_first_at, tell};
use crate::error::{AlreadyCalledError, CancelledError};
use crate::failure::Waypoint;
use crate::trace::{self, DeferredEvent, DeferredKind};
use crate::{Context, Failure};
use crate::{around, context};
use std::cell::Cell;
use std::panic::Location;
use std::rc::{Rc, Weak};

/// What `cancel` does to the work behind a Deferred.
pub(crate) type Stop<T> = Box<dyn FnOnce(&Rc<Head<T>>)>;

pub(crate) struct Head<T: 'static> {
    gate: Gate,
    out: Out<T>,
    /// Where it was fired first.
    fired: Cell<Option<Place>>,
    /// How many Firers there are.
    firers: Cell<usize>,
    /// Set by a cancel without a canceller: the producer could not know, so its one late firing is not an error.
    ignores_next: Cell<bool>,
    /// Whether its canceller is running.
    is_cancelling: Cell<bool>,
    fate: Cell<Fate>,
    /// Its number among those that are watched; a debug build sets it.
    watch: Cell<Watch>,
    canceller: Cell<Option<Stop<T>>>,
}

/// What has been noticed about a head beside its firing.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Usual,
    /// It has lost its last Firer, and is looked at again.
    Noted,
    /// That it will never fire has been told.
    Told,
    Cancelled,
    /// It was cancelled, and its producer has fired it once since.
    FiredLate,
}

/// How a firing is taken.
pub(crate) enum Firing {
    /// It is the first: its result is to be delivered.
    Counts,
    /// It comes after a cancel that the producer could not know of.
    Ignored,
}

impl<T> Default for Head<T> {
    /// A head without a canceller. Not inlined, so that each field is written once, where it will be.
    #[inline(never)]
    fn default() -> Head<T> {
        let nowhere = Location::caller();
        Head {
            gate: Gate::default(),
            out: Out::empty(Trace::new(nowhere)),
            fired: Cell::new(None),
            firers: Cell::new(0),
            ignores_next: Cell::new(false),
            is_cancelling: Cell::new(false),
            fate: Cell::new(Fate::Usual),
            watch: Cell::new(0),
            canceller: Cell::new(None),
        }
    }
}

impl<T: 'static> Head<T> {
    #[inline]
    pub(crate) fn new(canceller: Option<Stop<T>>, made: Place) -> Rc<Head<T>> {
        // `Rc::default` builds it where it will be; `Rc::new` would build it on the stack and copy it.
        let mut head = spare::take::<Head<T>>().unwrap_or_default();
        let new = Rc::get_mut(&mut head).expect("nobody else has it yet");
        new.out.begin(Trace::new(made));
        if around::may_have_trace() {
            new.tell_made();
        }
        if canceller.is_some() {
            new.canceller.set(canceller);
        }
        head
    }

    /// Gives a new head its number, and tells those who listen.
    #[cold]
    #[inline(never)]
    fn tell_made(&mut self) {
        let trace = Trace::begin(self.made(), DeferredKind::Deferred);
        self.gate.set_told(trace.number() != 0);
        self.out.begin(trace);
    }

    /// A chain that has fired with `result` and is about to be paused.
    pub(crate) fn holding(result: Result<T, Failure>, trace: Trace) -> Chain<T> {
        let mut head = Rc::<Head<T>>::default();
        if let Some(new) = Rc::get_mut(&mut head) {
            new.out.begin(trace);
            new.gate.set_told(trace.number() != 0);
        }
        head.fired.set(Some(trace.made()));
        hold_back(&head.gate, head.clone(), result);
        head.into_chain()
    }

    /// The chain of a head to which nothing has been added.
    pub(crate) fn into_chain(self: Rc<Self>) -> Chain<T> {
        Chain::new(FlatRc::new(self.clone()), FlatRc::new(self))
    }

    /// Resets it for reuse. Returns false, and leaves it as it is, if something is left in it.
    #[inline]
    fn renew(&mut self) -> bool {
        let is_spent = self.gate.is_spent() && self.out.is_spent() && self.canceller.get_mut().is_none();
        debug_assert_eq!(self.firers.get(), 0, "a Firer holds it");
        if is_spent {
            self.gate.forget_waiter();
            self.fired.set(None);
            self.ignores_next.set(false);
            self.is_cancelling.set(false);
            self.fate.set(Fate::Usual);
        }
        is_spent
    }

    pub(crate) fn made(&self) -> Place {
        self.out.trace().made()
    }

    pub(crate) fn called(&self) -> bool {
        self.fired.get().is_some()
    }

    pub(crate) fn count_firer(&self) {
        self.firers.set(self.firers.get() + 1);
    }

    #[inline]
    pub(crate) fn discount_firer(self: &Rc<Self>) {
        let left = self.firers.get() - 1;
        self.firers.set(left);
        if left == 0 && self.fired.get().is_none() {
            self.lose_firers();
        }
    }

    /// Its last Firer goes, and it has not been fired. (A canceller gets a Firer only while it runs.)
    #[cold]
    #[inline(never)]
    fn lose_firers(self: &Rc<Self>) {
        if trace::is_on() && !self.is_cancelling.get() {
            self.tell(DeferredEvent::FirersGone);
        }
        if self.is_cancelling.get() || self.fate.get() != Fate::Usual || !is_loss_unexpected() {
            return;
        }
        if self.out.is_linked() {
            self.tell_lost();
        } else if !self.is_abandoned(1) {
            let me: Weak<Self> = Rc::downgrade(self);
            if look_later(me) {
                self.fate.set(Fate::Noted);
            }
        }
    }

    #[cold]
    fn tell_lost(&self) {
        self.fate.set(Fate::Told);
        self.tell_if_on(DeferredEvent::Lost);
        let made = self.made();
        if !is_first_at(made) {
            return; // A list of requests that is dropped is one mistake.
        }
        tell!(
            Warn,
            "reactor::deferred",
            "the Deferred made at {made} will never fire, and what waits for it will never \
            run: its last Firer was dropped"
        );
    }

    /// It is being dropped or cancelled: drops the weak links of those that look after it, and tells if it is lost.
    #[cold]
    fn settle(&self) {
        unwatch(&self.watch);
        if self.fate.get() == Fate::Noted {
            forget((&raw const *self).cast());
            if !self.called() && self.out.is_linked() {
                self.tell_lost();
            }
        }
    }

    /// Has the end of a run tell of it, if it has not fired by then. Only in debug builds.
    #[inline]
    pub(crate) fn watch(self: &Rc<Self>) {
        if cfg!(debug_assertions) {
            self.watch.set(watch(|| {
                let me: Weak<Self> = Rc::downgrade(self);
                me
            }));
        }
    }

    /// Tells those who listen. Ask [`trace::is_on`] first.
    #[cold]
    fn tell(&self, event: DeferredEvent<'_>) {
        self.out.trace().tell(event);
    }

    /// Tells those who listen that it is fired, if anybody does.
    #[cold]
    #[inline(never)]
    pub(crate) fn tell_fired(&self, result: &Result<T, Failure>) {
        if trace::is_on()
            && let Some(at) = self.fired.get()
        {
            with_seen(result, |result| self.tell(DeferredEvent::Fired { result, place: at }));
        }
    }

    #[cold]
    #[inline(never)]
    fn tell_gone(&self) {
        self.tell_if_on(DeferredEvent::Gone { fired: self.called() });
    }

    /// The error of a second firing.
    #[cold]
    fn refuse(&self, first: Place, at: Place) -> AlreadyCalledError {
        if trace::is_on() {
            self.tell(DeferredEvent::Refused { place: at, first });
        }
        let made = self.made();
        match self.fate.get() {
            // A producer that comes late after a cancel has done nothing wrong; one that comes twice has.
            Fate::Cancelled => self.fate.set(Fate::FiredLate),
            Fate::FiredLate if is_first_at(at) => tell!(
                Warn,
                "reactor::deferred",
                "the Deferred made at {made} is fired a second time at {at}, and this result \
                is dropped, as was the first: it was cancelled at {first}"
            ),
            Fate::Usual | Fate::Noted | Fate::Told if is_first_at(at) => tell!(
                Warn,
                "reactor::deferred",
                "the Deferred made at {made} is fired a second time at {at}, and this result \
                is dropped: it was fired first at {first}"
            ),
            Fate::Usual | Fate::Noted | Fate::Told | Fate::FiredLate => {}
        }
        AlreadyCalledError { made, first }
    }

    /// Whether no callback follows and none can be added: its only holders are Firers, handles that pause or cancel it,
    /// and `others` more.
    pub(crate) fn is_abandoned(self: &Rc<Self>, others: usize) -> bool {
        let not_receiving = self.firers.get() + self.gate.handles() + others;
        Rc::strong_count(self) == not_receiving && !self.out.is_linked()
    }

    /// Fires it, unless it has fired before.
    #[inline]
    pub(crate) fn fire(self: &Rc<Self>, result: Result<T, Failure>, at: Place) -> Result<(), AlreadyCalledError> {
        match self.admit(at)? {
            Firing::Counts => self.deliver_and_run(result),
            Firing::Ignored => {}
        }
        Ok(())
    }

    /// Records a firing, and returns how it is taken. If it counts, the caller delivers the result.
    #[inline]
    pub(crate) fn admit(&self, at: Place) -> Result<Firing, AlreadyCalledError> {
        match self.fired.get() {
            None => {
                self.fired.set(Some(at));
                unwatch(&self.watch);
                Ok(Firing::Counts)
            }
            Some(_) if self.ignores_next.replace(false) => {
                self.fate.set(Fate::FiredLate);
                self.tell_if_on(DeferredEvent::Ignored { place: at });
                Ok(Firing::Ignored)
            }
            Some(first) => Err(self.refuse(first, at)),
        }
    }

    /// Hands the result of an admitted firing on, and runs all that follows.
    #[inline]
    pub(crate) fn deliver_and_run(self: &Rc<Self>, result: Result<T, Failure>) {
        if let Some(stop) = self.canceller.take() {
            return self.drop_and_run(stop, result);
        }
        if !self.gate.is_plain() {
            return self.tell_and_run(result);
        }
        self.run(result);
    }

    /// The same for one that is told or paused. By value, so that the usual path need not keep the result in memory.
    #[cold]
    #[inline(never)]
    fn tell_and_run(self: &Rc<Self>, result: Result<T, Failure>) {
        self.tell_fired(&result);
        if self.gate.is_paused() {
            return hold_back(&self.gate, self.clone(), result);
        }
        self.run(result);
    }

    #[inline(always)]
    fn run(self: &Rc<Self>, result: Result<T, Failure>) {
        match self.out.take_step() {
            Some(step) => self.run_step(step, result),
            None => self.out.keep_or_push(result),
        }
    }

    #[inline(never)]
    fn run_step(self: &Rc<Self>, step: Rc<dyn Accept<T>>, result: Result<T, Failure>) {
        if context::is_set() {
            return self.run_step_in_no_context(step, result);
        }
        let Some(_level) = Level::begin() else {
            let next = Next::OtherChain(step.accept(result), Some(self.clone()));
            return nesting::run_or_leave(Trampoline::new(None), next);
        };
        let mut trampoline = Trampoline::new(Some(self.clone()));
        let next = step.run_with(result, &mut trampoline);
        trampoline.go(next);
    }

    /// A firing carries no context across: each callback has its own, or none.
    #[cold]
    fn run_step_in_no_context(self: &Rc<Self>, step: Rc<dyn Accept<T>>, result: Result<T, Failure>) {
        Context::empty().run(|| self.run_step(step, result));
    }

    /// The same for a head with a canceller: what the canceller captured may panic when it is dropped.
    #[inline(never)]
    fn drop_and_run(self: &Rc<Self>, stop: Stop<T>, result: Result<T, Failure>) {
        match caught(|| drop(stop)) {
            Ok(()) => self.deliver_and_run(result),
            Err(payload) => {
                self.tell_fired(&result);
                trampoline::go(self.deliver(result));
                panics::resume(payload);
            }
        }
    }

    /// As [`deliver_and_run`](Head::deliver_and_run), for a loop that runs in another chain: returns what must run
    /// next.
    pub(crate) fn deliver(self: &Rc<Self>, result: Result<T, Failure>) -> Next {
        // If a captured value panics when it is dropped, the panic hook has reported it; the chain must be told.
        if let Some(stop) = self.canceller.take() {
            let _ = caught(|| drop(stop));
        }
        deliver_from(self.clone(), Some(self.clone()), result)
    }

    fn tell_if_on(&self, event: DeferredEvent<'_>) {
        if trace::is_on() {
            self.tell(event);
        }
    }

    fn cancel_work(self: &Rc<Self>, at: Place, trampoline: &mut Trampoline) -> Next {
        match self.canceller.take() {
            Some(stop) => {
                self.is_cancelling.set(true);
                self.tell_if_on(DeferredEvent::CancellerBegin);
                trampoline.call_canceller(|| stop(self));
                self.tell_if_on(DeferredEvent::CancellerEnd);
                self.is_cancelling.set(false);
            }
            None => self.ignores_next.set(true),
        }
        self.fail_cancelled(at)
    }

    pub(crate) fn fail_cancelled(self: &Rc<Self>, at: Place) -> Next {
        if self.called() {
            return Next::Nothing;
        }
        let mut failure = Failure::at(CancelledError, at);
        failure.pass(Waypoint::Made(self.made()));
        self.fired.set(Some(at));
        self.settle();
        self.fate.set(Fate::Cancelled);
        self.tell_if_on(DeferredEvent::Cancelled { place: at });
        self.deliver(Err(failure))
    }
}

/// For a head that is not dropped as a node.
impl<T> Drop for Head<T> {
    #[inline]
    fn drop(&mut self) {
        if self.fate.get() == Fate::Noted || (cfg!(debug_assertions) && self.watch.get() != 0) {
            self.settle();
        }
    }
}

impl<T> Node for Head<T> {
    #[inline]
    fn remains(mut self: Rc<Self>) -> Option<Rc<dyn Node>> {
        if !Rc::get_mut(&mut self).is_some_and(Head::renew) {
            self.settle();
            if self.gate.is_told() {
                self.tell_gone();
                self.gate.set_told(false);
            }
            // Again, without the weak links of those that look after unfired heads.
            if !Rc::get_mut(&mut self).is_some_and(Head::renew) {
                return Some(self);
            }
        }
        spare::keep(self);
        None
    }
}

impl<T> MayStayUnfired for Head<T> {
    fn tell_if_lost(&self) {
        if self.fate.get() == Fate::Noted && !self.called() {
            self.tell_lost();
        }
    }

    fn waiting_chain(self: Rc<Self>) -> Option<Rc<dyn TellsStatus>> {
        let is_told = self.fate.get() == Fate::Told;
        (!is_told && !self.called() && self.out.is_linked()).then(|| last_waiting(self))
    }
}

impl<T> Tail<T> for Head<T> {
    fn out(&self) -> &Out<T> {
        &self.out
    }
}

impl<T> TellsStatus for Head<T> {
    fn status(&self) -> Status {
        Status { fired: self.fired.get(), has_head: true, ..self.gate.status(self.made()) }
    }

    fn number(&self) -> u64 {
        self.out.trace().number()
    }
}

impl<T> Control for Head<T> {
    fn gate(&self) -> &Gate {
        &self.gate
    }

    fn cancel(self: Rc<Self>, at: Place, trampoline: &mut Trampoline) -> Next {
        if self.called() {
            self.gate.cancel_inner(at, trampoline);
        } else if !self.is_cancelling.get() {
            return self.cancel_work(at, trampoline);
        }
        Next::Nothing
    }
}
