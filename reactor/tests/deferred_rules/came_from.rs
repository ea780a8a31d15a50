//! Where a failure came from: what it tells when nobody handled it, of the chain that it went down.
//!
//! Each chain is looked at as it is; and with so much going on elsewhere between its steps that nothing of it is in the
//! list of recent callbacks any more, with its ends long dropped.

use crate::labels::{labelled, told};
use crate::*;
use reactor::deferred;

pub(crate) fn raise<T>() -> Result<T, Failure> {
    Err(boom().into()) // raise
}

/// Runs enough callbacks of other chains that the list of recent ones holds none of ours.
pub(crate) fn long_wait() {
    for n in 0..1000 {
        let chain = deferred::succeed(n).add_callback(Ok).add_callback(Ok).add_callback(Ok);
        assert_eq!(chain.result(), Some(n));
    }
}

/// What the only failure tells that nobody handled while `work` ran.
#[track_caller]
pub(crate) fn lost_tells(work: impl FnOnce()) -> Vec<String> {
    let lost = testing::collect_unhandled(work);
    assert_eq!(lost.len(), 1, "{lost:?}");
    told(&lost[0])
}

#[test]
fn a_failure_of_a_fired_chain_names_the_callbacks_before_and_after_it() {
    let tells = lost_tells(|| {
        let chain = deferred::succeed(1); // made
        let chain = chain.add_callback(Ok); // c1
        let chain = chain.add_errback(Err); // c2
        let chain = chain.add_callback(|_| raise::<u32>()); // c3
        let chain = chain.add_callback(Ok); // c4
        let chain = chain.add_errback(Err); // c5
        drop(chain);
    });
    let expected =
        ["raised <raise>", "in <made>", "after <c1>", "after <c2>", "raised by <c3>", "past <c4>", "passed on by <c5>"];
    assert_eq!(tells, expected);
}

/// A pending chain, of which no handle is left when it is fired.
fn forgotten(wait: fn()) -> Vec<String> {
    lost_tells(|| {
        let (deferred, firer) = Deferred::<u32>::new(); // made pending
        let chain = deferred.add_callback(Ok); // p1
        let chain = chain.add_errback(Err); // p2
        let chain = chain.add_callback(|_| raise::<u32>()); // p3
        let chain = chain.add_callback(Ok); // p4
        let chain = chain.add_errback(Err); // p5
        drop(chain);
        wait();
        firer.callback(1).unwrap();
    })
}

#[test]
fn a_failure_of_a_pending_chain_names_the_same_after_a_long_wait() {
    let expected = [
        "raised <raise>",
        "in <made pending>",
        "after <p1>",
        "after <p2>",
        "raised by <p3>",
        "past <p4>",
        "passed on by <p5>",
    ];
    assert_eq!(forgotten(|| {}), expected);
    assert_eq!(forgotten(long_wait), expected);
}

#[test]
fn an_errback_call_names_where_the_failure_was_raised_and_what_it_passed() {
    let tells = lost_tells(|| {
        let (deferred, firer) = Deferred::<u32>::new(); // made to fail
        deferred.add_callback(Ok).add_callback(Ok).detach(); // both passed
        long_wait();
        firer.errback(boom()).unwrap(); // failed here
    });
    assert_eq!(tells, ["raised <failed here>", "in <made to fail>", "past <both passed>", "past <both passed>"]);
}

#[test]
fn a_new_failure_of_an_errback_names_the_errback_and_not_the_first_failure() {
    let tells = lost_tells(|| {
        let (deferred, firer) = Deferred::<u32>::new(); // made twice bad
        let chain = deferred.add_callback(Ok); // passed by the first
        chain.add_errback(|_| raise::<u32>()).detach(); // raises the second
        firer.errback(Message("first".to_owned())).unwrap();
    });
    assert_eq!(
        tells,
        ["raised <raise>", "in <made twice bad>", "after <passed by the first>", "raised by <raises the second>"]
    );
}

#[test]
fn a_failure_that_an_errback_passes_on_names_that_errback() {
    let tells = lost_tells(|| {
        let chain = deferred::fail::<u32>(boom()); // failed
        let chain = chain.add_errback(|failure| failure.trap::<fmt::Error>().map(|_| 0)); // traps another
        chain.add_both(|result| result).detach(); // both
    });
    assert_eq!(tells, ["raised <failed>", "in <failed>", "passed on by <traps another>", "passed on by <both>"]);
}

#[test]
fn a_panic_names_the_callback_that_panicked() {
    let tells = lost_tells(|| {
        let (deferred, firer) = Deferred::<u32>::new(); // made to panic
        let chain = deferred.add_callback(Ok); // before the panic
        chain.add_callback(|_| -> Result<u32, Failure> { panic!("ouch") }).detach(); // panics
        assert_eq!(panic_of(|| firer.callback(1).unwrap()), "ouch");
    });
    assert_eq!(tells, ["raised <panics>", "in <made to panic>", "after <before the panic>", "raised by <panics>"]);
}

#[test]
fn a_cancelled_error_names_the_place_of_the_cancel() {
    let tells = lost_tells(|| {
        let (deferred, _firer) = Deferred::<u32>::new(); // made in vain
        let chain = deferred.add_callback(Ok); // in vain
        chain.cancel(); // cancel
    });
    assert_eq!(tells, ["raised <cancel>", "in <made in vain>", "past <in vain>"]);
    let tells = lost_tells(|| {
        let (deferred, _firer) = Deferred::<u32>::with_canceller(|firer| firer.fire(raise()).unwrap()); // has one
        deferred.cancel();
    });
    assert_eq!(tells, ["raised <raise>", "in <has one>"]);
}

#[test]
fn a_circular_wait_names_the_callback_that_closed_the_circle() {
    let tells = lost_tells(|| {
        let itself: Rc<RefCell<Option<Deferred<u32>>>> = Rc::default();
        let (deferred, firer) = Deferred::<u32>::new(); // made circular
        let own = itself.clone();
        let chain = deferred.add_callback(Ok); // before the circle
        let chain = chain.add_callback(move |_| own.take().expect("it is there")); // closes the circle
        itself.replace(Some(chain));
        firer.callback(1).unwrap();
    });
    let expected = [
        "raised <closes the circle>",
        "in <made circular>",
        "after <before the circle>",
        "raised by <closes the circle>",
    ];
    assert_eq!(tells, expected);
}

#[test]
fn a_timeout_names_where_it_was_added() {
    let tells = lost_tells(|| {
        let clock = testing::ManualClock::new();
        let (deferred, _firer) = Deferred::<u32>::new(); // made slow
        let chain = deferred.add_callback(Ok); // before the timeout
        chain.add_timeout(std::time::Duration::from_secs(1), &clock).detach(); // timeout
        clock.advance(std::time::Duration::from_secs(1));
    });
    assert_eq!(tells[1..], ["in <made slow>", "past <before the timeout>", "passed on by <timeout>"]);
}

#[test]
fn locks_and_queues_name_where_they_were_asked() {
    let tells = lost_tells(|| {
        let lock = deferred::DeferredLock::new();
        let held = lock.acquire();
        drop(lock.run(raise::<u32>)); // run
        long_wait();
        drop(held);
    });
    assert_eq!(tells[0], "raised <raise>");
    assert_eq!(tells[tells.len() - 2..], ["in <run>", "raised by <run>"]);
    let tells = lost_tells(|| drop(deferred::DeferredQueue::<u32>::bounded(0, 0).get())); // get
    assert_eq!(tells, ["raised <get>", "in <get>"]);
}

#[test]
fn a_long_chain_names_its_last_callbacks_and_counts_the_others() {
    let tells = lost_tells(|| {
        let mut chain = deferred::succeed(1); // made long
        for _ in 0..100 {
            chain = chain.add_callback(Ok); // one of many
        }
        chain.add_callback(|_| raise::<u32>()).detach(); // the last
    });
    assert_eq!(tells[..2], ["raised <raise>", "in <made long>"]);
    assert_eq!(tells.last().map(String::as_str), Some("raised by <the last>"));
    let listed = tells.iter().filter(|line| *line == "after <one of many>").count();
    assert_eq!(tells[2], format!("after {} more", 100 - listed));
}

#[test]
fn a_failure_that_passed_a_million_callbacks_names_the_first_and_the_last() {
    let unhandled = testing::collect_unhandled(|| {
        let mut chain = deferred::fail::<u32>(boom()); // failed long ago
        for _ in 0..LONG {
            chain = chain.add_callback(Ok); // passed
        }
        chain.add_errback(Err).detach(); // the very last
    });
    let tells = told(&unhandled[0]);
    assert!(tells.len() < 100, "{}", tells.len());
    assert_eq!(tells[1..3], ["in <failed long ago>", "past <passed>"]);
    assert_eq!(tells.last().map(String::as_str), Some("passed on by <the very last>"));
    assert!(unhandled[0].report().contains(&format!("{} more", LONG + 2 - unhandled[0].trail().len())));
}

#[test]
fn a_report_has_the_error_its_causes_and_the_trail_in_order() {
    #[derive(Debug)]
    struct Outer(Message);
    impl fmt::Display for Outer {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("the page could not be read")
        }
    }
    impl std::error::Error for Outer {
        fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
            Some(&self.0)
        }
    }
    let chain = deferred::fail::<u32>(Outer(boom())); // reported
    let failure = failure_of(chain.add_callback(Ok)); // reported past
    let report = labelled(&failure.report());
    let mut lines = report.lines();
    for part in ["the page could not be read", "boom", "<reported>", "<reported>", "<reported past>"] {
        assert!(lines.any(|line| line.contains(part)), "{part} is missing or out of order in:\n{report}");
    }
}
