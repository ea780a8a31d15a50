//! [`Limiter`]: a maximum number of questions under way, and if wanted a pause between them. The others wait for their
//! turn, up to a limit.
//!
//! ```text
//!   asked --> waits for a permit --> waits for the pause --> asked of the provider --> answered
//!             '-------------- at most half the timeout ----'
//!             '------------------------------ at most the timeout ---------------------------'
//! ```
//!
//! A question that has waited for half the timeout fails with [`TooManyQuestions`]. If it could wait for all of it,
//! then under load each question would be let in just when no time is left for its answer, and no client would get one.
//!
//! Next: `key.rs`, the secret that must not leave.

use super::{Nearby, Places};
use reactor::deferred::{DeferredSemaphore, Permit};
use reactor::{Clock, Deferred, DelayedCall, Failure, Firer, TimeoutError};
use std::cell::Cell;
use std::fmt;
use std::num::NonZeroUsize;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// The maximum number of questions that wait; another one is refused at once. A client may send several without waiting
/// for answers, and there may be many clients.
const MAX_WAITING: usize = 1024;

/// Too many questions are waiting already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TooManyQuestions {
    /// The queue is full.
    QueueFull,
    /// This question's turn did not come within this time.
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

/// Stands before a provider and limits how many questions it gets, and how fast.
pub struct Limiter {
    inner: Rc<dyn Places>,
    permits: DeferredSemaphore,
    deadline: Option<Deadline>,
    pacer: Option<Rc<Pacer>>,
}

/// The timeout of a question: for the wait and the answer together.
struct Deadline {
    clock: Rc<dyn Clock>,
    after: Duration,
}

impl Limiter {
    /// Allows `at_once` questions to `inner` at the same time. Until [`timeout`](Limiter::timeout) sets a limit, a
    /// question waits for its turn without end.
    pub fn new(inner: Rc<dyn Places>, at_once: NonZeroUsize) -> Limiter {
        Limiter { inner, permits: DeferredSemaphore::new(at_once), deadline: None, pacer: None }
    }

    /// Sets the maximum time for an answer, including the wait for its turn. A question that need not wait has no limit
    /// here: the provider has one of its own.
    pub fn timeout(self, after: Duration, clock: Rc<dyn Clock>) -> Limiter {
        Limiter { deadline: Some(Deadline { clock, after }), ..self }
    }

    /// Sets the minimum time from the start of one question to the start of the next.
    pub fn interval(self, interval: Duration, clock: Rc<dyn Clock>) -> Limiter {
        Limiter { pacer: Some(Rc::new(Pacer { clock, interval, next: Rc::default() })), ..self }
    }

    /// Fires when a question may start. It counts as under way until the permit is dropped.
    fn permit(&self) -> Deferred<Permit> {
        let permit = self.permits.acquire();
        match self.pacer.clone() {
            Some(pacer) => permit.add_callback(move |permit| pacer.pause().add_callback(move |()| Ok(permit))),
            None => permit,
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
        let permit = self.permit();
        // No timer for a question that need not wait: the provider limits the same time by itself.
        let Some(Deadline { clock, after }) = self.deadline.as_ref().filter(|_| !permit.has_fired()) else {
            return permit.add_callback(move |permit| release_after(inner.nearby(&question), permit));
        };
        let (clock, after, asked) = (clock.clone(), *after, clock.now());
        let too_late = |_, waited| Err(Failure::new(TooManyQuestions::WaitedTooLong(waited)));
        permit.add_timeout_with(after / 2, &clock.clone(), too_late).add_callback(move |permit| {
            let left = after.saturating_sub(clock.now().duration_since(asked));
            let late = move |_, _| {
                let what = "the answer of the Places service, the wait for its turn included,".to_owned();
                Err(Failure::new(TimeoutError { what, after }))
            };
            release_after(inner.nearby(&question).add_timeout_with(left, &clock, late), permit)
        })
    }

    fn behind(&self) -> Option<&dyn Places> {
        Some(&*self.inner)
    }

    fn describe(&self) -> String {
        self.inner.describe()
    }
}

/// The answer, which gives the permit back before anybody gets it: the next question starts first.
fn release_after(answer: Deferred<Vec<u8>>, permit: Permit) -> Deferred<Vec<u8>> {
    answer.add_both(move |answer| {
        drop(permit);
        answer
    })
}

impl fmt::Debug for Limiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Limiter({} free, {} waiting)", self.permits.tokens(), self.permits.waiting())
    }
}

/// Spaces the starts of questions: one every `interval`.
struct Pacer {
    clock: Rc<dyn Clock>,
    interval: Duration,
    /// When the next question may start.
    next: Rc<Cell<Option<Instant>>>,
}

impl Pacer {
    /// Reserves the next start, and fires when its time has come. If it is cancelled before that, the start is free
    /// again, unless a later one has been reserved meanwhile.
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
