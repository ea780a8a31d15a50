//! Both ways between Deferreds and `async`: a Deferred is a future, and an `async` block becomes a Deferred.
//!
//! Next: `awaiting/mod.rs`, how such a block runs.

use super::Deferred;
use super::awaiting::{self, Awaiting};
use super::state::State;
use super::story::{Outcome, Place, Trace};
use crate::failure::Waypoint;
use crate::{Failure, trace};
use std::any::Any;
use std::future::poll_fn;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};

impl<T: 'static> Deferred<T> {
    /// Runs an `async` block as a coroutine: at once, up to its first `await` of a Deferred that has not fired, and on
    /// from there when that fires. Twisted's `Deferred.fromCoroutine`.
    ///
    /// It needs no runtime: the firing of the Deferred that it awaits runs it, as it would run a callback. If you drop
    /// the Deferred that this returns, the body still goes on. [`cancel`](Deferred::cancel) cancels the Deferred that
    /// the body awaits, and the failure comes out of that `await`.
    ///
    /// The body may also await other futures. If another thread wakes it, or it wakes itself, the reactor of this
    /// thread runs it. If none runs here, the body waits until one does; but one that wakes itself first goes on at
    /// once, 10,000 times in a row at most.
    ///
    /// The body is dropped, with everything that it holds, as soon as nothing can wake it any more. Its Deferred then
    /// never fires, not even by a cancel; if callbacks wait for it, the log has a warning. In two cases the body
    /// stays in memory although nothing will wake it, unless it is cancelled first. (So would a task of any executor.)
    /// * The body holds its own [`Waker`](std::task::Waker), as combinators of many futures do.
    /// * The body holds the last handle of a [`Shared`](super::Shared) result, and waits for that result. To avoid
    ///   this, call [`wait`](super::Shared::wait) before the body begins, and have the body await what that returns.
    ///
    /// ```
    /// use reactor::{Deferred, Failure};
    ///
    /// let (question, firer) = Deferred::<u32>::new();
    /// let answer = Deferred::from_future(async move {
    ///     let n = question.await?;
    ///     Ok::<_, Failure>(n * 2)
    /// });
    /// firer.callback(21)?;
    /// assert_eq!(answer.result(), Some(42));
    /// # Ok::<(), reactor::error::AlreadyCalledError>(())
    /// ```
    #[track_caller]
    pub fn from_future(future: impl Future<Output = Result<T, Failure>> + 'static) -> Deferred<T> {
        let made = Location::caller();
        let mut future = Some(future);
        // The future may be a Deferred: then no code awaits it, and the `await` counts as made here.
        let any: &mut dyn Any = &mut future;
        let started = match any.downcast_mut::<Option<Deferred<T>>>().and_then(Option::take) {
            Some(mut deferred) => awaiting::start(poll_fn(move |context| deferred.poll_at(context, made)), made),
            None => awaiting::start(future.expect("only a Deferred was taken out"), made),
        };
        let state = match started {
            Ok(result) => State::Fired(Outcome::new(result), Trace::new(made)),
            Err(chain) => State::Pending(chain),
        };
        Deferred { state }
    }
}

/// Never relied upon: no `T` is ever pinned.
impl<T: 'static> Unpin for Deferred<T> {}

/// Awaiting a Deferred takes its result; a failure comes out as the `Err`, so that `?` passes it on. Any executor can
/// poll it; inside [`Deferred::from_future`] it needs none.
///
/// # Panics
/// If it is polled after it has given its result.
impl<T: 'static> Future for Deferred<T> {
    type Output = Result<T, Failure>;

    #[inline]
    #[track_caller]
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<T, Failure>> {
        self.get_mut().poll_at(context, Location::caller())
    }
}

impl<T: 'static> Deferred<T> {
    /// Polls, with the place of the `await` given by the caller.
    #[inline]
    pub(super) fn poll_at(&mut self, context: &mut Context<'_>, at: Place) -> Poll<Result<T, Failure>> {
        let result = match &mut self.state {
            State::Fired(outcome, trace) => {
                let result = outcome.take().expect("a Deferred is not polled after it has given its result");
                if trace::is_on() { awaiting::tell_had_result(*trace, result, at) } else { result }
            }
            _ => match self.poll_pending(context, at) {
                Poll::Ready(result) => result,
                Poll::Pending => return Poll::Pending,
            },
        };
        Poll::Ready(result.map_err(|mut failure| {
            failure.pass(Waypoint::AwaitedAt(at));
            failure
        }))
    }

    fn poll_pending(&mut self, context: &mut Context<'_>, at: Place) -> Poll<Result<T, Failure>> {
        let polled = match &mut self.state {
            State::Fired(outcome, _) => outcome.take().map_or(Poll::Pending, Poll::Ready),
            State::Awaited(awaiting) => awaiting.poll(context, at),
            State::New(_) | State::Pending(_) => match (self.trace(), self.take().try_result()) {
                (trace, Ok(result)) if trace::is_on() => Poll::Ready(awaiting::tell_had_result(trace, result, at)),
                (_, Ok(result)) => Poll::Ready(result),
                (_, Err(chain)) => match Awaiting::begin(chain, context, at) {
                    Ok(awaiting) => {
                        self.state = State::Awaited(awaiting);
                        return Poll::Pending;
                    }
                    Err(failure) => Poll::Ready(Err(failure)),
                },
            },
        };
        if polled.is_ready() {
            drop(self.take());
        }
        polled
    }
}
