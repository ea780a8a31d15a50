//! Waiting for several Deferreds: for all of them ([`deferred_list`]), for all to succeed ([`gather_results`]), for
//! the first to succeed ([`race`]).
//!
//! Twisted has one class for these, `DeferredList`, with three flags, and each combination gives a result of another
//! type. Here each is a function with a type:
//!
//! | Twisted | here |
//! |---|---|
//! | `DeferredList(ds)` | [`deferred_list`] |
//! | `DeferredList(ds, fireOnOneErrback=True)`, `gatherResults` | [`gather_results`] with [`Others::LeaveRunning`] |
//! | `DeferredList(ds, fireOnOneCallback=True)` | [`race`] with [`Others::LeaveRunning`] |
//! | `race(ds)` | [`race`] with [`Others::Cancel`] |
//! | `consumeErrors=True` | not needed: the inputs are consumed |
//!
//! For all three: an input that has fired already counts. Cancelling the result cancels every input that has not fired,
//! and the result then follows from the inputs; once the result is known, a cancel does nothing. If a canceller panics,
//! the other inputs are cancelled all the same, and then the panic goes on to the code that cancelled or fired.
//! Everything takes linear time and constant stack: a million inputs, or a million lists inside each other, whether
//! they fire, fail, are cancelled or dropped, or each fails and cancels the next.
//!
//! What differs from Twisted, on purpose: the caller chooses what happens to the siblings of the first failure, while
//! Twisted leaves them running; and an empty race fails, while Twisted's never fires.
//!
//! One more thing differs, when cancellers nest. A canceller may fail its Deferred; this fails a list, which cancels
//! its other inputs; and their cancellers may do the same. From the sixteenth level on, a list fires only after the
//! canceller that failed it has returned, so the order of events is not Twisted's.
//!
//! Next: `inputs.rs`, how it is done. What they fail with is in `failure/lists.rs`.

use super::inputs::{Policy, join};
use crate::Failure;
use crate::deferred::story::Outcome;
use crate::deferred::{Deferred, fail, succeed};
use crate::failure::{FailureGroup, FirstError};
use crate::trace::DeferredKind;
use std::marker::PhantomData;
use std::mem;
use std::panic::Location;

/// What happens to the other inputs once the result is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Others {
    /// Those that have not fired are cancelled, before the result fires.
    ///
    /// For this, the inputs keep each other alive until the result is known. So if you no longer want the result,
    /// cancel it; do not only drop it. If it is dropped, and all Firers of the inputs are dropped unfired, the inputs
    /// stay in memory for good, with everything that their callbacks captured. A timeout ([`Deferred::add_timeout`])
    /// cancels the result, and keeps it alive until then.
    Cancel,
    /// They go on; their results are dropped.
    LeaveRunning,
}

/// Waits for all inputs. The result has the result of each, value or failure, in the order of the inputs. It never
/// fails itself.
///
/// An empty list fires at once. Twisted's `DeferredList`.
///
/// ```
/// use reactor::{Failure, deferred};
///
/// let inputs = [deferred::succeed(1), deferred::fail(Failure::msg("no")), deferred::succeed(3)];
/// let sum = deferred::deferred_list(inputs).add_callback(|results| Ok(results.into_iter().flatten().sum::<i32>()));
/// assert_eq!(sum.result(), Some(4));
/// ```
#[track_caller]
pub fn deferred_list<T: 'static>(inputs: impl IntoIterator<Item = Deferred<T>>) -> Deferred<Vec<Result<T, Failure>>> {
    let inputs: Vec<_> = inputs.into_iter().collect();
    if inputs.is_empty() {
        return succeed(Vec::new());
    }
    let slots = Slots::new(inputs.len());
    join(inputs, All(slots), false, Location::caller())
}

/// Waits for all inputs to succeed. The result has all values, in the order of the inputs. If an input fails, the
/// result fails at once, with a [`FirstError`].
///
/// No failure vanishes: after the first one, another failure of an input is logged as unhandled, except a
/// cancellation that we asked for ([`Others::Cancel`], or a cancel of the result). Values that come after it are
/// dropped. An empty list fires at once. Twisted's `gatherResults`.
///
/// ```
/// use reactor::{Failure, deferred};
/// use reactor::failure::Message;
/// use reactor::deferred::{FirstError, Others};
///
/// let all = deferred::gather_results([deferred::succeed("a"), deferred::succeed("b")], Others::Cancel);
/// assert_eq!(all.result(), Some(vec!["a", "b"]));
///
/// let inputs = [deferred::succeed("a"), deferred::fail(Failure::msg("no"))];
/// let index = deferred::gather_results(inputs, Others::Cancel).add_callback(|_| Ok(None)).add_errback(|failure| {
///     Ok(failure.check::<FirstError>().map(|first| first.index))
/// });
/// assert_eq!(index.result(), Some(Some(1)));
/// ```
#[track_caller]
pub fn gather_results<T: 'static>(inputs: impl IntoIterator<Item = Deferred<T>>, others: Others) -> Deferred<Vec<T>> {
    let inputs: Vec<_> = inputs.into_iter().collect();
    if inputs.is_empty() {
        return succeed(Vec::new());
    }
    let slots = Slots::new(inputs.len());
    join(inputs, Values(slots), others == Others::Cancel, Location::caller())
}

/// Waits for the first input to succeed. The result is its index and its value. If all inputs fail, the result fails
/// with a [`FailureGroup`] of their failures.
///
/// With [`Others::Cancel`] the losers are cancelled before the result fires; the winner never is. In a race some inputs
/// are expected to lose. So once there is a winner, the failures of losers, earlier or later ones, are not reported as
/// unhandled (as in Twisted), but logged at level debug, except cancellations that we asked for. Values of losers are
/// dropped.
///
/// A race without inputs fails at once, with an empty [`FailureGroup`]. (Twisted's never fires.)
///
/// ```
/// use reactor::{Deferred, deferred};
/// use reactor::deferred::Others;
///
/// let (slow, slow_firer) = Deferred::<&str>::new();
/// let (fast, fast_firer) = Deferred::<&str>::new();
/// let first = deferred::race([slow, fast], Others::Cancel);
/// fast_firer.callback("the hare")?;
/// assert_eq!(first.result(), Some((1, "the hare")));
/// assert!(slow_firer.called(), "it was cancelled");
/// # Ok::<(), reactor::error::AlreadyCalledError>(())
/// ```
#[track_caller]
pub fn race<T: 'static>(inputs: impl IntoIterator<Item = Deferred<T>>, others: Others) -> Deferred<(usize, T)> {
    let inputs: Vec<_> = inputs.into_iter().collect();
    if inputs.is_empty() {
        return fail(FailureGroup(Vec::new()));
    }
    let slots = Slots::new(inputs.len());
    let policy = First { failures: slots, made: Location::caller(), value: PhantomData };
    join(inputs, policy, others == Others::Cancel, Location::caller())
}

/// A place for each input, and how many are empty.
struct Slots<T> {
    filled: Vec<Option<T>>,
    empty: usize,
}

impl<T> Slots<T> {
    fn new(count: usize) -> Slots<T> {
        Slots { filled: (0..count).map(|_| None).collect(), empty: count }
    }

    /// Fills the place of one input. Returns the content of all places if that was the last empty one.
    fn fill(&mut self, index: usize, value: T) -> Option<Vec<T>> {
        self.filled[index] = Some(value);
        self.empty -= 1;
        (self.empty == 0).then(|| mem::take(&mut self.filled).into_iter().flatten().collect())
    }
}

struct All<T>(Slots<Result<T, Failure>>);

impl<T: 'static> Policy for All<T> {
    type Input = T;
    type Output = Vec<Result<T, Failure>>;
    const KIND: DeferredKind = DeferredKind::List;

    fn keep(&mut self, index: usize, result: Result<T, Failure>) -> Option<Result<Self::Output, Failure>> {
        self.0.fill(index, result).map(Ok)
    }

    fn dispose(self) {}

    fn log_late(failure: Failure) {
        unhandled(failure);
    }
}

struct Values<T>(Slots<T>);

impl<T: 'static> Policy for Values<T> {
    type Input = T;
    type Output = Vec<T>;
    const KIND: DeferredKind = DeferredKind::List;

    fn keep(&mut self, index: usize, result: Result<T, Failure>) -> Option<Result<Vec<T>, Failure>> {
        match result {
            Ok(value) => self.0.fill(index, value).map(Ok),
            Err(failure) => Some(Err(failure.wrapped(|failure| FirstError { index, failure }))),
        }
    }

    fn dispose(self) {}

    fn log_late(failure: Failure) {
        unhandled(failure);
    }
}

struct First<T> {
    failures: Slots<Failure>,
    made: &'static Location<'static>,
    value: PhantomData<T>,
}

impl<T: 'static> Policy for First<T> {
    type Input = T;
    type Output = (usize, T);
    const KIND: DeferredKind = DeferredKind::Race;

    fn keep(&mut self, index: usize, result: Result<T, Failure>) -> Option<Result<(usize, T), Failure>> {
        match result {
            Ok(value) => Some(Ok((index, value))),
            Err(failure) => {
                self.failures.fill(index, failure).map(|all| Err(Failure::at(FailureGroup(all), self.made)))
            }
        }
    }

    /// If there is a winner, these failed before it. If there is none, the places are empty: the result has the
    /// failures.
    fn dispose(self) {
        self.failures.filled.into_iter().flatten().for_each(Self::log_late);
    }

    fn log_late(failure: Failure) {
        log::debug!(target: "reactor::deferred", "Lost a race: {}", failure.report());
    }
}

/// Reports the failure, as a dropped Deferred does.
fn unhandled(failure: Failure) {
    drop(Outcome::<()>::new(Err(failure)));
}
