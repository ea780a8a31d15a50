//! What a callback may return, and Deferreds that have their result from the start.
//!
//! Next: `handles.rs`, the other handles on a chain.

use super::Deferred;
use super::chain::Reply;
use crate::Failure;
use crate::diagnostics::tell;

/// What a callback returned: a result, or a Deferred to wait for.
#[derive(Debug)]
pub enum Given<T: 'static> {
    /// The result is here.
    Ready(Result<T, Failure>),
    /// The chain waits for this Deferred, and goes on with its result.
    Pending(Deferred<T>),
}

impl<T: 'static> Given<T> {
    #[inline]
    pub(super) fn into_reply(self) -> Reply<T> {
        match self {
            Given::Ready(result) => Reply::Ready(result),
            Given::Pending(deferred) => match deferred.try_result() {
                Ok(result) => Reply::Fired(result),
                Err(chain) => Reply::Pending(chain),
            },
        }
    }
}

/// What a callback may return: `()`, a `Result<U, Failure>`, a `Deferred<U>`, or a [`Given<U>`] if it is sometimes
/// one and sometimes the other.
///
/// Inside such a callback `?` takes any error: a value that implements [`std::error::Error`] becomes a [`Failure`].
///
/// ```
/// use reactor::{Failure, deferred};
///
/// let chain = deferred::succeed("8007")
///     .add_callback(|text| Ok(text.parse::<u16>()?))                  // a ParseIntError becomes a Failure
///     .add_callback(|port| Ok(std::str::from_utf8(&port.to_be_bytes())?.len())); // and so does a Utf8Error
/// assert_eq!(chain.result(), Some(2));
/// # Ok::<(), Failure>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not what a callback may return",
    label = "a callback returns `{Self}` here",
    note = "a value is returned as `Ok(value)`, an error as `Err(error.into())`",
    note = "a callback returns `()`, a `Result<T, Failure>`, a `Deferred<T>`, or a `Given<T>`"
)]
pub trait IntoDeferred {
    /// The type that the next callback gets.
    type Value: 'static;

    /// The result, or the Deferred that it will come from.
    fn into_given(self) -> Given<Self::Value>;

    /// A Deferred with the result: it has fired if the result is here, else it will fire. Twisted's `ensureDeferred`.
    #[track_caller]
    fn into_deferred(self) -> Deferred<Self::Value>
    where
        Self: Sized,
    {
        match self.into_given() {
            Given::Ready(result) => Deferred::from_result(result),
            Given::Pending(deferred) => deferred,
        }
    }
}

impl IntoDeferred for () {
    type Value = ();
    #[inline]
    fn into_given(self) -> Given<()> {
        Given::Ready(Ok(()))
    }
}

impl<T: 'static> IntoDeferred for Result<T, Failure> {
    type Value = T;
    #[inline]
    fn into_given(self) -> Given<T> {
        Given::Ready(self)
    }
}

impl<T: 'static> IntoDeferred for Deferred<T> {
    type Value = T;
    #[inline]
    fn into_given(self) -> Given<T> {
        Given::Pending(self)
    }
}

impl<T: 'static> IntoDeferred for Given<T> {
    type Value = T;
    #[inline]
    fn into_given(self) -> Given<T> {
        self
    }
}

/// What an errback may return: as a callback, but with the type of value that the chain has already. So an errback for
/// a chain of `u32` returns a `Result<u32, Failure>` or a `Deferred<u32>`; one that only reports the failure returns it
/// as `Err(failure)`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not what an errback of this chain may return",
    label = "the errback returns `{Self}`, and the next callback wants a `{T}`",
    note = "an errback returns a value in place of the failure, `Ok(value)`, or passes the failure on, `Err(failure)`"
)]
pub trait Recovery<T>: IntoDeferred<Value = T> {}

#[diagnostic::do_not_recommend]
impl<T, R: IntoDeferred<Value = T>> Recovery<T> for R {}

/// A Deferred that has already fired with `value`. Twisted's `defer.succeed`.
#[inline]
#[track_caller]
pub fn succeed<T: 'static>(value: T) -> Deferred<T> {
    Deferred::from_result(Ok(value))
}

/// A Deferred that has already failed. Twisted's `defer.fail`.
#[track_caller]
pub fn fail<T: 'static>(failure: impl Into<Failure>) -> Deferred<T> {
    Deferred::from_result(Err(failure.into()))
}

/// Calls `call` now; what it returns is the result of the Deferred. Twisted's `defer.execute`.
///
/// ```
/// use reactor::deferred;
///
/// assert_eq!(deferred::execute(|| Ok("80".parse::<u16>()?)).result(), Some(80));
/// ```
#[track_caller]
pub fn execute<T: 'static>(call: impl FnOnce() -> Result<T, Failure>) -> Deferred<T> {
    Deferred::from_result(call())
}

/// Calls `call` now. If it returns a Deferred, returns that; anything else becomes a Deferred that has fired. For
/// functions that may have their answer at once. Twisted's `defer.maybeDeferred`.
#[track_caller]
pub fn maybe_deferred<R: IntoDeferred>(call: impl FnOnce() -> R) -> Deferred<R::Value> {
    call().into_deferred()
}

/// Logs a failure and returns it unchanged. For an errback that reports a failure and still passes it on:
/// `deferred.add_errback(|failure| Err(deferred::log_error(failure)))`. Twisted's `defer.logError`.
pub fn log_error(failure: Failure) -> Failure {
    tell!(Error, "reactor::deferred", "{}", failure.report());
    failure
}
