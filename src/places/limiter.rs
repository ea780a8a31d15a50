//! [`Limiter`]: which questions reach the service, and when: a maximum number under way, if wanted a pause between them
//! and a budget, in fair turns, and none while the service is down.
//!
//! ```text
//!   asked --> service up? budget? --> waits for its turn, --> budget? --> asked of the provider --> answered
//!                                     a permit, the pause
//!             '------------------------ at most half the timeout -------'
//!             '--------------------------------- at most the timeout -----------------------------'
//! ```
//!
//! A question that has waited for half of the timeout is refused. If it could wait for all of it, then under load each
//! question would be let in just when no time is left for its answer, and no client would get one.
//!
//! The parts are plain values that are given the time: `queue.rs` says which question is next, `budget.rs` what may be
//! spent, `breaker.rs` whether the service is up. This file makes them agree.
//!
//! Next: `limiter/not_asked.rs`, the ways in which it refuses, and `limiter/queue.rs`, which question is next.

mod breaker;
mod budget;
mod not_asked;
mod queue;

pub use budget::Span;
pub use not_asked::NotAsked;

use super::service::ServiceError;
use super::{Nearby, Places};
use crate::address_group::AddressGroup;
use breaker::{AskOutcome, Breaker};
use budget::Budget;
use queue::{FairQueue, Ticket};
use reactor::{CancelledError, Clock, Deferred, DelayedCall, Failure, Firer, TimeoutError};
use std::cell::{Cell, RefCell};
use std::fmt;
use std::num::NonZeroUsize;
use std::rc::{Rc, Weak};
use std::time::{Duration, Instant};

/// The maximum number of questions that wait. A client may send several without waiting for answers, and there may be
/// many clients.
const MAX_WAITING: usize = 1024;

/// Stands before a provider and limits how many questions it gets, how fast, and from whom.
pub struct Limiter {
    inner: Rc<dyn Places>,
    desk: Rc<Desk>,
    timeout: Option<Duration>,
}

impl Limiter {
    /// Allows `at_once` questions to `inner` at the same time. Until [`timeout`](Limiter::timeout) sets a limit, a
    /// question waits for its turn without end.
    pub fn new(inner: Rc<dyn Places>, at_once: NonZeroUsize, clock: Rc<dyn Clock>) -> Limiter {
        let state = RefCell::new(State {
            queue: FairQueue::new(MAX_WAITING),
            free: at_once.get(),
            interval: Duration::ZERO,
            next_start: None,
            budget: Budget::default(),
            breaker: Breaker::new(),
            alarm: None,
        });
        let desk = Rc::new_cyclic(|this| Desk { this: this.clone(), clock, state, is_starting: Cell::new(false) });
        Limiter { inner, desk, timeout: None }
    }

    /// Sets the maximum time for an answer, including the wait for its turn. A question that need not wait has no limit
    /// here: the provider has one of its own.
    pub fn timeout(self, after: Duration) -> Limiter {
        Limiter { timeout: Some(after), ..self }
    }

    /// Sets the minimum time from the start of one question to the start of the next.
    pub fn interval(self, interval: Duration) -> Limiter {
        self.desk.state.borrow_mut().interval = interval;
        self
    }

    /// Sets the maximum number of questions in each `span`. Another span may have a limit of its own beside it.
    pub fn budget(self, span: Span, max: usize) -> Limiter {
        self.desk.state.borrow_mut().budget.limit(span, max);
        self
    }
}

impl Places for Limiter {
    fn nearby(&self, question: &Nearby, from: AddressGroup) -> Deferred<Vec<u8>> {
        if let Some(answer) = self.without_asking(question) {
            return reactor::deferred::succeed(answer);
        }
        let permit = match self.desk.enter(question, from) {
            Ok(permit) => permit,
            Err(refused) => return reactor::deferred::fail(Failure::new(refused)),
        };
        let (inner, question) = (self.inner.clone(), question.clone());
        // No timer for a question that need not wait: the provider limits the same time by itself.
        let Some(after) = self.timeout.filter(|_| !permit.has_fired()) else {
            return permit.add_callback(move |permit| permit.until(inner.nearby(&question, from)));
        };
        let clock = self.desk.clock.clone();
        let asked = clock.now();
        let too_late = |_, waited| Err(Failure::new(NotAsked::WaitedTooLong(waited)));
        permit.add_timeout_with(after / 2, &clock.clone(), too_late).add_callback(move |permit| {
            let left = after.saturating_sub(clock.now().duration_since(asked));
            let late = move |_, _| {
                let what = "the answer of the Places service, the wait for its turn included,".to_owned();
                Err(Failure::new(TimeoutError { what, after }))
            };
            permit.until(inner.nearby(&question, from).add_timeout_with(left, &clock, late))
        })
    }

    fn also_asked(&self, question: &Nearby, from: AddressGroup) {
        self.desk.state.borrow_mut().queue.join(from, |waiting| waiting.question == *question);
    }

    fn behind(&self) -> Option<&dyn Places> {
        Some(&*self.inner)
    }

    fn describe(&self) -> String {
        self.inner.describe()
    }
}

impl fmt::Debug for Limiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.desk.state.borrow();
        write!(f, "Limiter({} free, {} waiting)", state.free, state.queue.len())
    }
}

/// Where questions wait and permits are given out.
struct Desk {
    this: Weak<Desk>,
    clock: Rc<dyn Clock>,
    state: RefCell<State>,
    /// Whether questions are being started further up the stack.
    is_starting: Cell<bool>,
}

struct State {
    queue: FairQueue<HeldQuestion>,
    /// How many more questions may be under way.
    free: usize,
    interval: Duration,
    /// The earliest time for the next start, if there is an interval.
    next_start: Option<Instant>,
    budget: Budget,
    breaker: Breaker,
    /// Wakes the desk at that time, while a question waits for it.
    alarm: Option<(Instant, DelayedCall)>,
}

struct HeldQuestion {
    question: Nearby,
    firer: Firer<Permit>,
}

impl Desk {
    /// Lets a question wait for its turn, which may have come already.
    fn enter(self: &Rc<Self>, question: &Nearby, from: AddressGroup) -> Result<Deferred<Permit>, NotAsked> {
        let mut state = self.state.borrow_mut();
        let now = self.clock.now();
        if state.breaker.is_open(now) {
            return Err(NotAsked::ServiceFails);
        }
        state.budget.check(from, now)?;
        let ticket = state.queue.new_ticket();
        let desk = self.this.clone();
        let (permit, firer) = Deferred::with_canceller(move |_| {
            if let Some(desk) = desk.upgrade() {
                desk.leave(ticket);
            }
        });
        let loser = state.queue.push(ticket, from, HeldQuestion { question: question.clone(), firer });
        drop(state); // What fires below may come back here.
        if let Some(loser) = loser {
            let _ = loser.firer.errback(Failure::new(NotAsked::QueueFull));
        }
        self.start_what_may();
        Ok(permit)
    }

    /// A question that waits has been given up.
    fn leave(&self, ticket: Ticket) {
        let mut state = self.state.borrow_mut();
        let gone = state.queue.remove(ticket);
        if state.queue.len() == 0
            && let Some((_, alarm)) = state.alarm.take()
        {
            alarm.cancel();
        }
        drop(state);
        drop(gone); // Outside the borrow: it may run code that comes back here.
    }

    /// Starts the questions that are next, and refuses those that may not be asked.
    fn start_what_may(&self) {
        // What starts may be answered at once, and its permit then comes back here. The loop below sees that too, and
        // the stack does not grow.
        if self.is_starting.replace(true) {
            return;
        }
        let _over = Over(&self.is_starting);
        while let Some((firer, permit)) = self.next() {
            let _ = firer.fire(permit.map_err(Failure::new));
        }
    }

    /// The next question that can be told something: its permit, or why it gets none.
    fn next(&self) -> Option<(Firer<Permit>, Result<Permit, NotAsked>)> {
        let mut state = self.state.borrow_mut();
        let now = self.clock.now();
        if state.queue.len() == 0 {
            if let Some((_, alarm)) = state.alarm.take() {
                alarm.cancel();
            }
            return None;
        }
        if state.breaker.is_open(now) {
            let (_, waiting) = state.queue.pop()?;
            return Some((waiting.firer, Err(NotAsked::ServiceFails)));
        }
        if state.free == 0 {
            return None;
        }
        if let Some(at) = state.next_start.filter(|at| now < *at) {
            self.set_alarm(&mut state, at);
            return None;
        }
        while let Some(asker) = state.queue.next_asker()
            && let Err(refused) = state.budget.check(asker, now)
        {
            // If others want the answer too, it waits for the turn of one of them.
            if let Some(waiting) = state.queue.decline() {
                return Some((waiting.firer, Err(refused)));
            }
        }
        let (asker, waiting) = state.queue.pop()?;
        state.budget.spend(asker);
        if !state.interval.is_zero() {
            state.next_start = Some(now + state.interval);
        }
        state.free -= 1;
        let is_probe = state.breaker.start();
        Some((waiting.firer, Ok(Permit { desk: self.this.clone(), is_probe, outcome: AskOutcome::GivenUp })))
    }

    fn set_alarm(&self, state: &mut State, at: Instant) {
        if state.alarm.as_ref().is_some_and(|(set, _)| *set == at) {
            return;
        }
        let desk = self.this.clone();
        let ring = move || {
            if let Some(desk) = desk.upgrade() {
                desk.state.borrow_mut().alarm = None;
                desk.start_what_may();
            }
        };
        let alarm = self.clock.call_later_boxed(at - self.clock.now(), Box::new(ring));
        if let Some((_, old)) = state.alarm.replace((at, alarm)) {
            old.cancel();
        }
    }
}

/// Sets the flag back at the end, also of a panic.
struct Over<'a>(&'a Cell<bool>);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.set(false);
    }
}

/// A question is under way until this is dropped.
struct Permit {
    desk: Weak<Desk>,
    is_probe: bool,
    outcome: AskOutcome,
}

impl Permit {
    /// The answer, which gives the permit back before anybody gets it: the next question starts first.
    fn until(mut self, answer: Deferred<Vec<u8>>) -> Deferred<Vec<u8>> {
        answer.add_both(move |answer| {
            self.outcome = outcome(&answer);
            drop(self);
            answer
        })
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let Some(desk) = self.desk.upgrade() else { return };
        let mut state = desk.state.borrow_mut();
        state.free += 1;
        state.breaker.end(self.outcome, self.is_probe, desk.clock.now());
        drop(state);
        desk.start_what_may();
    }
}

/// What an answer tells about the service. Anything that it says, and be it nonsense, shows that it is there; only an
/// error of its own machinery does not.
fn outcome(answer: &Result<Vec<u8>, Failure>) -> AskOutcome {
    let Err(failure) = answer else { return AskOutcome::Answered };
    if failure.check::<CancelledError>().is_some() {
        return AskOutcome::GivenUp;
    }
    match failure.check::<ServiceError>() {
        Some(ServiceError::Status(500..)) | None => AskOutcome::Failed,
        Some(_) => AskOutcome::Answered,
    }
}

#[cfg(test)]
mod tests;
