//! [`success_result_of`], [`failure_result_of`], [`assert_no_result`]: what a test asks of a Deferred. As in Trial.
//!
//! Next: `chunks.rs`, the ways in which TCP may cut a stream.

use crate::{Deferred, Failure};

/// The value of `deferred`.
///
/// ```
/// use reactor::{deferred, testing::success_result_of};
///
/// assert_eq!(success_result_of(deferred::succeed(42)), 42);
/// ```
///
/// # Panics
/// If it has not fired, with what it waits for; if it has failed, with the failure and where that came from.
#[track_caller]
pub fn success_result_of<T: 'static>(deferred: Deferred<T>) -> T {
    match result_of(deferred) {
        Ok(value) => value,
        Err(failure) => panic!("a value was expected, but the Deferred has failed: {}", failure.report()),
    }
}

/// The failure of `deferred`; it counts as handled.
///
/// ```
/// use reactor::{deferred, failure::Message, testing::failure_result_of};
///
/// let failure = failure_result_of(deferred::fail::<()>(Message("boom".into())));
/// assert!(failure.check::<Message>().is_some());
/// ```
///
/// # Panics
/// If it has not fired, with what it waits for; if it has a value.
#[track_caller]
pub fn failure_result_of<T: 'static>(deferred: Deferred<T>) -> Failure {
    match result_of(deferred) {
        Ok(_) => panic!("a failure was expected, but the Deferred has a value"),
        Err(failure) => failure,
    }
}

/// Checks that `deferred` has no result yet. It stays as it is.
///
/// ```
/// use reactor::{Deferred, testing::assert_no_result};
///
/// let (deferred, _firer) = Deferred::<u32>::new();
/// assert_no_result(&deferred);
/// ```
///
/// # Panics
/// If it has fired.
#[track_caller]
pub fn assert_no_result<T: 'static>(deferred: &Deferred<T>) {
    assert!(!deferred.has_fired(), "no result was expected, but the Deferred has fired");
}

#[track_caller]
fn result_of<T: 'static>(deferred: Deferred<T>) -> Result<T, Failure> {
    if !deferred.has_fired() {
        panic!("a result was expected, but the Deferred has not fired: {}", deferred.waiting());
    }
    deferred.add_both(Ok).result().expect("it has fired")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deferred;
    use crate::testing::collect_unhandled;
    use std::panic::{AssertUnwindSafe, catch_unwind};

    /// The message of the panic that `check` ends with.
    fn panic_of<R>(check: impl FnOnce() -> R) -> String {
        let payload = catch_unwind(AssertUnwindSafe(check)).err().expect("it should panic");
        payload
            .downcast_ref::<String>()
            .cloned()
            .or_else(|| payload.downcast_ref::<&str>().map(|s| s.to_string()))
            .unwrap()
    }

    #[test]
    fn a_result_is_handed_out() {
        assert_eq!(success_result_of(deferred::succeed("yes")), "yes");
        assert_eq!(failure_result_of(deferred::fail::<()>(Failure::msg("no"))).to_string(), "no");
        assert_no_result(&Deferred::<()>::new().0);
    }

    #[test]
    fn a_failure_where_a_value_was_expected_shows_itself_and_the_place() {
        let text = panic_of(|| success_result_of(deferred::fail::<()>(Failure::msg("no such thing"))));
        assert!(text.contains("no such thing") && text.contains(file!()), "{text}");
    }

    #[test]
    fn a_value_where_a_failure_was_expected_fails() {
        assert!(panic_of(|| failure_result_of(deferred::succeed(1))).contains("has a value"));
        assert!(panic_of(|| assert_no_result(&deferred::succeed(1))).contains("has fired"));
    }

    #[test]
    fn a_deferred_that_has_not_fired_says_what_it_waits_for() {
        let (inner, _firer) = Deferred::<()>::new();
        let chain = deferred::succeed(()).add_callback(move |()| inner);
        let text = panic_of(|| success_result_of(chain));
        assert!(text.contains("has not fired") && text.contains(file!()), "{text}");
        assert!(panic_of(|| failure_result_of(Deferred::<()>::new().0)).contains("has not fired"));
    }

    #[test]
    fn a_failure_that_was_asked_for_counts_as_handled() {
        let unhandled = collect_unhandled(|| drop(failure_result_of(deferred::fail::<()>(Failure::msg("no")))));
        assert!(unhandled.is_empty());
    }
}
