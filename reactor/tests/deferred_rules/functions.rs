//! 1c, functions: what makes a Deferred of something that may be there already.

use crate::*;
use reactor::deferred::{self, Given, IntoDeferred, execute, fail, log_error, maybe_deferred, succeed};
use reactor::testing::success_result_of;
use std::sync::Once;

#[test]
fn succeed_and_fail_have_fired_from_the_start() {
    let (good, bad) = (succeed(1), fail::<u32>(boom()));
    assert!(good.has_fired() && bad.has_fired());
    assert_eq!((outcome(good), outcome(bad)), ("1".to_owned(), "failed: boom".to_owned()));
    let again = fail::<u32>(failure_of(fail::<u32>(boom())));
    assert_eq!(outcome(again), "failed: boom", "a Failure is not wrapped once more");
}

#[test]
fn execute_calls_now_and_wraps_value_or_error() {
    assert_eq!(success_result_of(execute(|| Ok(1))), 1);
    assert_eq!(outcome(execute(|| Ok("x".parse::<u32>()?))), "failed: invalid digit found in string");
}

#[test]
fn maybe_deferred_wraps_a_value_or_a_failure() {
    assert_eq!(success_result_of(maybe_deferred(|| Ok(1))), 1);
    success_result_of(maybe_deferred(|| {}));
    assert_eq!(outcome(maybe_deferred(|| Err::<u32, _>(boom().into()))), "failed: boom");
    assert_eq!(success_result_of(maybe_deferred(|| Given::Ready(Ok(2)))), 2);
}

#[test]
fn maybe_deferred_passes_a_deferred_through_unchanged() {
    let (deferred, firer) = Deferred::<u32>::new();
    let same = maybe_deferred(move || deferred);
    same.cancel();
    assert!(firer.called(), "it is the very same one");
    assert_eq!(outcome(same), "failed: cancelled");
}

#[test]
fn maybe_deferred_runs_a_coroutine() {
    let (inner, firer) = Deferred::<u32>::new();
    let chain = maybe_deferred(move || Deferred::from_future(async move { Ok(inner.await? + 1) }));
    firer.callback(1).unwrap();
    assert_eq!(success_result_of(chain), 2);
}

#[test]
fn ensure_deferred_passes_a_deferred_through_and_wraps_the_rest() {
    let (deferred, firer) = Deferred::<u32>::new();
    let same = deferred.into_deferred();
    firer.callback(1).unwrap();
    assert_eq!(success_result_of(same), 1);
    assert_eq!(success_result_of(Ok::<_, Failure>(2).into_deferred()), 2);
    assert_eq!(success_result_of(Deferred::from(Ok::<_, Failure>(3))), 3);
}

#[test]
fn passthru_is_an_identity_function() {
    let chain = succeed(1).add_callback(Ok).add_both(std::convert::identity).add_errback(Err);
    assert_eq!(success_result_of(chain), 1);
}

#[test]
fn log_error_logs_the_failure_and_returns_it_unchanged() {
    struct Capture;
    thread_local!(static LINES: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) });
    impl log::Log for Capture {
        fn enabled(&self, _: &log::Metadata<'_>) -> bool {
            true
        }
        fn log(&self, record: &log::Record<'_>) {
            LINES.with_borrow_mut(|lines| lines.push(format!("{} {}", record.level(), record.args())));
        }
        fn flush(&self) {}
    }
    static INSTALL: Once = Once::new();
    INSTALL.call_once(|| {
        log::set_logger(&Capture).expect("no other test of this binary sets a logger");
        log::set_max_level(log::LevelFilter::Trace);
    });
    let chain = fail::<u32>(boom()).add_errback(|failure| Err(log_error(failure)));
    let lines = LINES.take();
    assert!(lines.len() == 1 && lines[0].starts_with("ERROR boom"), "{lines:?}");
    assert_eq!(failure_of(chain).check::<Message>(), Some(&boom()));
    drop(deferred::fail::<u32>(boom()));
    let lines = LINES.take();
    assert!(lines.len() == 1 && lines[0].starts_with("ERROR Unhandled error in Deferred: boom"), "{lines:?}");
}
