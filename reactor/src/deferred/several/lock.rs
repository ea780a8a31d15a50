//! [`DeferredLock`] and [`DeferredSemaphore`]: callers wait in order of arrival, and without blocking the thread.
//!
//! Twisted's classes of these names. There, `release` is a method. A program may forget it, call it twice, or call it
//! without holding the lock (an AssertionError, if assertions are on). Here, acquiring gives a [`Permit`], and dropping
//! the permit releases: on success, on failure, on cancel, on panic. A program that releases twice, or releases what it
//! does not hold, does not compile.
//!
//! A release hands the token straight to the oldest waiter, before any other caller can take it, and runs the waiter's
//! callbacks before it returns. So if A releases from inside its callback, the order is "A in, B, A out", as in
//! Twisted. A million waiters that release like that use bounded stack (see
//! [`Firer::callback`](crate::Firer::callback)).
//!
//! All clones of a handle are the same lock. It is for one thread: it guards work that takes several turns of the loop,
//! not memory. There is no limit to the number of waiters. A caller that needs one can ask
//! [`DeferredSemaphore::waiting_count`] how many there are.
//!
//! In async code: `let held = lock.acquire().await?;`.
//!
//! Next: `waiters.rs`, how those wait.

use super::run_end::RunEnd;
use super::waiters::Waiters;
use crate::deferred::chain::{Chain, FlatRc, Reply, Step, caught, telling};
use crate::deferred::story::{Outcome, Place, Side};
use crate::deferred::{Deferred, Given, IntoDeferred, succeed};
use crate::diagnostics::tell;
use crate::{Context, Failure, trace};
use std::cell::Cell;
use std::fmt;
use std::num::NonZeroUsize;
use std::panic::{Location, resume_unwind};
use std::rc::Rc;

/// Lets a limited number of callers in at a time; the others wait in order of arrival.
///
/// ```
/// use reactor::deferred::DeferredSemaphore;
/// use std::num::NonZeroUsize;
///
/// let doors = DeferredSemaphore::new(NonZeroUsize::MIN.saturating_add(1));
/// let first = doors.acquire().result().expect("there are two tokens");
/// let second = doors.acquire().result().expect("this is the other");
/// let third = doors.acquire();
/// assert!(!third.has_fired());
/// drop(first);
/// assert!(third.has_fired());
/// # drop(second);
/// ```
#[derive(Clone)]
pub struct DeferredSemaphore(Rc<Tokens>);

struct Tokens {
    limit: NonZeroUsize,
    /// The tokens that nobody holds: none while callers wait.
    free: Cell<usize>,
    waiters: Rc<Waiters<Permit>>,
}

impl DeferredSemaphore {
    /// A semaphore with `limit` tokens. (Twisted's raises ValueError for less than one.)
    pub fn new(limit: NonZeroUsize) -> DeferredSemaphore {
        DeferredSemaphore(Rc::new(Tokens { limit, free: Cell::new(limit.get()), waiters: Waiters::new() }))
    }

    /// Acquires one token, now or when all earlier callers have had theirs.
    ///
    /// A cancel while waiting gives up the place in the queue; afterwards it does nothing. Dropping the Deferred gives
    /// up the place too, at once, even if a [`Canceller`](crate::deferred::Canceller) or a
    /// [`Pause`](crate::deferred::Pause) of it is left: neither can receive the permit.
    #[track_caller]
    pub fn acquire(&self) -> Deferred<Permit> {
        let tokens = &self.0;
        match tokens.free.get().checked_sub(1) {
            Some(left) => {
                tokens.free.set(left);
                succeed(Permit(tokens.clone()))
            }
            None => tokens.waiters.wait(),
        }
    }

    /// Acquires, calls `work`, and releases when the Deferred that `work` returned has fired with a value or a failure.
    /// The result of that Deferred is passed on after the release.
    ///
    /// A cancel while waiting gives up the place, and `work` is not called. A later cancel cancels what `work`
    /// returned. If `work` panics, the token is released as well.
    ///
    /// A release runs the callbacks of the next waiter. If one of those panics, the result of this `run` still stands:
    /// it is passed on, and then the panic resumes in the code that fired. If all of this happens before `run` returns,
    /// the panic reaches the caller of `run`, and the result is lost (a failure is reported).
    ///
    /// ```
    /// use reactor::{Deferred, deferred::DeferredLock};
    ///
    /// let lock = DeferredLock::new();
    /// let (answer, firer) = Deferred::<u32>::new();
    /// let first = lock.run(move || answer);
    /// let second = lock.run(|| Ok("after that"));
    /// assert!(!second.has_fired());
    /// firer.callback(1)?;
    /// assert_eq!((first.result(), second.result()), (Some(1), Some("after that")));
    /// # Ok::<(), reactor::error::AlreadyCalledError>(())
    /// ```
    #[track_caller]
    pub fn run<R: IntoDeferred>(&self, work: impl FnOnce() -> R + 'static) -> Deferred<R::Value> {
        let at = Location::caller();
        let acquired = self.acquire();
        let trace = acquired.trace();
        if trace::is_on() && acquired.is_done() {
            // As any callback, so that somebody is told of it.
            return acquired.add_at(Side::Callback, move |held| run_at_once(held, work, at).into_reply(), at);
        }
        match acquired.try_result() {
            Ok(held) => {
                Deferred::call_now(held, Side::Callback, |held| run_at_once(held, work, at).into_reply(), at, trace)
            }
            Err(chain) => Deferred::from_chain(with_run_end(chain, Side::Callback, at, |end| {
                let context = Context::current();
                move |held: Result<Permit, Failure>| {
                    let held = match held {
                        Ok(held) => held,
                        Err(failure) => return Reply::Ready(Err(failure)),
                    };
                    let release = move |result| {
                        end.release(held);
                        Reply::Ready(result)
                    };
                    match context.run(|| work().into_given()) {
                        Given::Ready(result) => release(result),
                        Given::Pending(deferred) => deferred.add_at(Side::Both, release, at).into_given().into_reply(),
                    }
                }
            })),
        }
    }

    /// How many tokens could be acquired now without waiting.
    pub fn free_tokens(&self) -> usize {
        self.0.free.get()
    }

    /// How many tokens there are in all.
    pub fn limit(&self) -> NonZeroUsize {
        self.0.limit
    }

    /// How many callers wait. Waiters that have given up do not count. There is one exception: a coroutine may give up
    /// unnoticed if its own Deferred is gone. It then counts until its turn comes.
    pub fn waiting_count(&self) -> usize {
        self.0.waiters.len()
    }
}

/// Runs `work` when there was no need to wait.
fn run_at_once<R: IntoDeferred>(held: Result<Permit, Failure>, work: impl FnOnce() -> R, at: Place) -> Given<R::Value> {
    let held = match held {
        Ok(held) => held,
        Err(failure) => return Given::Ready(Err(failure)),
    };
    // If the release panics, our caller gets that panic and no result. An `Outcome` reports a failure that is lost.
    let release = |result, held| {
        let result = Outcome::new(result);
        drop(held);
        result.into_inner()
    };
    match work().into_given() {
        Given::Ready(result) => Given::Ready(release(result, held)),
        Given::Pending(deferred) => {
            let trace = deferred.trace();
            Given::Pending(match deferred.try_result() {
                Ok(result) => {
                    let release = |result| Reply::Ready(release(result, held));
                    Deferred::call_now(result, Side::Both, release, at, trace)
                }
                Err(chain) => Deferred::from_chain(with_run_end(chain, Side::Both, at, |end| {
                    move |result| {
                        end.release(held);
                        Reply::Ready(result)
                    }
                })),
            })
        }
    }
}

/// Adds a callback that releases, and behind it the step that resumes a panic of the next waiter.
fn with_run_end<T, U, F>(
    chain: Chain<T>,
    side: Side,
    at: Place,
    callback: impl FnOnce(FlatRc<RunEnd<U>>) -> F,
) -> Chain<U>
where
    F: FnOnce(Result<T, Failure>) -> Reply<U> + 'static,
{
    let trace = chain.trace().plus_one();
    let end = RunEnd::new(trace);
    let callback = callback(FlatRc::new(end.clone()));
    if trace::is_on() && trace.number() != 0 {
        let callback = telling(trace.minus_one(), side, at, callback);
        return chain.grow(|_| Step::new(callback, side, at, trace.minus_one())).grow(|_| end);
    }
    chain.grow(|_| Step::new(callback, side, at, trace.minus_one())).grow(|_| end)
}

impl fmt::Debug for DeferredSemaphore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "DeferredSemaphore({} of {} free, {} waiting)",
            self.free_tokens(),
            self.limit(),
            self.waiting_count()
        )
    }
}

/// Lets one caller in at a time; the others wait in order of arrival.
///
/// ```
/// use reactor::deferred::DeferredLock;
///
/// let lock = DeferredLock::new();
/// let held = lock.acquire().result().expect("nobody has it");
/// assert!(lock.is_locked());
/// drop(held);
/// assert!(!lock.is_locked());
/// ```
#[derive(Clone)]
pub struct DeferredLock(DeferredSemaphore);

impl DeferredLock {
    /// A lock that nobody holds.
    pub fn new() -> DeferredLock {
        DeferredLock(DeferredSemaphore::new(NonZeroUsize::MIN))
    }

    /// Acquires the lock, now or when all earlier callers have had it; see [`DeferredSemaphore::acquire`].
    #[track_caller]
    pub fn acquire(&self) -> Deferred<Permit> {
        self.0.acquire()
    }

    /// Calls `work` while holding the lock; see [`DeferredSemaphore::run`].
    #[track_caller]
    pub fn run<R: IntoDeferred>(&self, work: impl FnOnce() -> R + 'static) -> Deferred<R::Value> {
        self.0.run(work)
    }

    /// Whether a caller that wants it must wait.
    pub fn is_locked(&self) -> bool {
        self.0.free_tokens() == 0
    }

    /// How many callers wait; see [`DeferredSemaphore::waiting_count`].
    pub fn waiting_count(&self) -> usize {
        self.0.waiting_count()
    }
}

impl Default for DeferredLock {
    fn default() -> DeferredLock {
        DeferredLock::new()
    }
}

impl fmt::Debug for DeferredLock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = if self.is_locked() { "locked" } else { "unlocked" };
        write!(f, "DeferredLock({state}, {} waiting)", self.waiting_count())
    }
}

/// What was acquired: a [`DeferredLock`], or one token of a [`DeferredSemaphore`]. Dropping it releases it.
///
/// A release runs the callbacks of the next waiter before the drop is over, as in Twisted. If they panic, their chain
/// comes to rest, and then the panic leaves the drop. But if this is dropped while another panic unwinds, the second
/// panic is only logged, as two at once would end the process.
#[must_use = "dropping it releases it"]
pub struct Permit(Rc<Tokens>);

impl Drop for Permit {
    fn drop(&mut self) {
        let tokens = &self.0;
        let Some(waiter) = tokens.waiters.remove_oldest() else {
            return tokens.free.set(tokens.free.get() + 1);
        };
        match caught(|| waiter.callback(Permit(tokens.clone()))) {
            Ok(fired) => debug_assert!(fired.is_ok(), "a waiter that has fired does not wait"),
            Err(_) if std::thread::panicking() => {
                tell!(Error, "reactor::deferred", "A callback panicked that got what a panic had released");
            }
            Err(panic) => resume_unwind(panic),
        }
    }
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Permit(one of {})", self.0.limit)
    }
}
