//! [`Limiter`]: no more than so many questions under way at once, and if wanted a pause between them; the others wait
//! their turn, up to a limit.
//!
//! ```text
//!   asked --> waits for a turn --> waits for the pause --> asked of the provider --> answered
//!             '------------ at most half of the time ----'
//!             '--------------------------- at most all of the time ------------------------'
//! ```
//!
//! Who has waited for half of the time that an answer may take is told that there are too many. If waiting could take
//! all of it, a crowd would be let in one by one just when each has no time left, and nobody would get an answer.

use super::{Nearby, Places};
use reactor::deferred::DeferredSemaphore;
use reactor::{Clock, Deferred, DelayedCall, Failure, Firer, TimeoutError};
use std::cell::Cell;
use std::fmt;
use std::num::NonZeroUsize;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// Questions that may wait; more are refused at once. A client that asks may pipeline, and there may be many.
const MAX_WAITING: usize = 1024;

/// Too many questions wait already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TooManyQuestions {
    /// There is no room for one more.
    QueueFull,
    /// Its turn did not come within this time.
    WaitedTooLong(Duration),
}

impl fmt::Display for TooManyQuestions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("too many questions are waiting for the Places service; ask again later")?;
        match self {
            TooManyQuestions::QueueFull => Ok(()),
            TooManyQuestions::WaitedTooLong(after) => write!(f, " (this one's turn did not come within {after:?})"),
        }
    }
}

impl std::error::Error for TooManyQuestions {}

/// Stands before a provider and keeps the rush away from it.
pub struct Limiter {
    inner: Rc<dyn Places>,
    permits: DeferredSemaphore,
    deadline: Option<Deadline>,
    pacer: Option<Rc<Pacer>>,
}

/// How long an answer may take, all in all.
struct Deadline {
    clock: Rc<dyn Clock>,
    after: Duration,
}

impl Limiter {
    /// At most `at_once` questions to `inner` at any time; without end, if need be.
    pub fn new(inner: Rc<dyn Places>, at_once: NonZeroUsize) -> Limiter {
        Limiter { inner, permits: DeferredSemaphore::new(at_once), deadline: None, pacer: None }
    }

    /// Sets how long an answer may take, the wait for its turn included. Who need not wait is the provider's business.
    pub fn timeout(self, after: Duration, clock: Rc<dyn Clock>) -> Limiter {
        Limiter { deadline: Some(Deadline { clock, after }), ..self }
    }

    /// Sets the least time from the beginning of one question to that of the next.
    pub fn interval(self, interval: Duration, clock: Rc<dyn Clock>) -> Limiter {
        Limiter { pacer: Some(Rc::new(Pacer { clock, interval, next: Rc::default() })), ..self }
    }

    /// A turn, and the right to begin it now.
    fn turn(&self) -> Deferred<reactor::deferred::Permit> {
        let turn = self.permits.acquire();
        match self.pacer.clone() {
            Some(pacer) => turn.add_callback(move |turn| pacer.pause().add_callback(move |()| Ok(turn))),
            None => turn,
        }
    }
}

impl Places for Limiter {
    fn nearby(&self, question: &Nearby) -> Deferred<Vec<u8>> {
        if let Some(answer) = self.without_asking(question) {
            return reactor::deferred::succeed(answer);
        }
        if self.permits.waiting() >= MAX_WAITING {
            return reactor::deferred::fail(Failure::new(TooManyQuestions::QueueFull));
        }
        let (inner, question) = (self.inner.clone(), question.clone());
        let turn = self.turn();
        let Some(Deadline { clock, after }) = self.deadline.as_ref().filter(|_| !turn.has_fired()) else {
            return turn.add_callback(move |turn| release_after(inner.nearby(&question), turn));
        };
        let (clock, after, asked) = (clock.clone(), *after, clock.now());
        let no_turn = |_, waited| Err(Failure::new(TooManyQuestions::WaitedTooLong(waited)));
        turn.add_timeout_with(after / 2, &clock.clone(), no_turn).add_callback(move |turn| {
            let left = after.saturating_sub(clock.now().duration_since(asked));
            let late = move |_, _| {
                let what = "the answer of the Places service, the wait for its turn included,".to_owned();
                Err(Failure::new(TimeoutError { what, after }))
            };
            release_after(inner.nearby(&question).add_timeout_with(left, &clock, late), turn)
        })
    }

    fn behind(&self) -> Option<&dyn Places> {
        Some(&*self.inner)
    }

    fn describe(&self) -> String {
        self.inner.describe()
    }
}

/// The turn is over when there is an answer.
fn release_after(answer: Deferred<Vec<u8>>, turn: reactor::deferred::Permit) -> Deferred<Vec<u8>> {
    answer.add_both(move |answer| {
        drop(turn);
        answer
    })
}

impl fmt::Debug for Limiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Limiter({} free, {} waiting)", self.permits.tokens(), self.permits.waiting())
    }
}

/// Lets one begin every `interval`.
struct Pacer {
    clock: Rc<dyn Clock>,
    interval: Duration,
    /// When the next one may begin.
    next: Rc<Cell<Option<Instant>>>,
}

impl Pacer {
    /// Fires when it is our time. Who is cancelled before it gives the time to the next, if nobody has come meanwhile.
    fn pause(&self) -> Deferred<()> {
        let now = self.clock.now();
        let begin = self.next.get().map_or(now, |next| next.max(now));
        let after = begin + self.interval;
        self.next.set(Some(after));
        if begin == now {
            return reactor::deferred::succeed(());
        }
        let (next, call) = (self.next.clone(), Rc::new(Cell::new(None::<DelayedCall>)));
        let pending = call.clone();
        let (pause, firer): (Deferred<()>, Firer<()>) = Deferred::with_canceller(move |_| {
            if let Some(call) = pending.take() {
                call.cancel();
            }
            if next.get() == Some(after) {
                next.set(Some(begin));
            }
        });
        call.set(Some(self.clock.call_later_boxed(
            begin - now,
            Box::new(move || {
                let _ = firer.callback(()); // Unless it was cancelled.
            }),
        )));
        pause
    }
}

#[cfg(test)]
mod tests;
