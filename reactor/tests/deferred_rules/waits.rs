//! M7 to M10, M13 and M14: a chain that waits for the Deferred that one of its callbacks returned.

use crate::*;
use reactor::deferred::{self, Given, Shared};

/// M7: A callback that returns an unfired Deferred makes the chain wait.
mod m07 {
    use super::*;

    #[test]
    fn a_chain_waits_for_the_unfired_deferred_that_a_callback_returns() {
        for fired in [false, true] {
            let events = Events::default();
            let (inner, fire_inner) = Deferred::<u32>::new();
            let (outer, fire_outer) = Deferred::<u32>::new();
            if fired {
                fire_outer.callback(1).unwrap();
            }
            let chain = outer.add_callback(move |_| inner).add_both(noting(&events, "went on"));
            if !fired {
                fire_outer.callback(1).unwrap();
            }
            assert!(!chain.has_fired());
            assert_eq!(events.take(), [""; 0]);
            fire_inner.callback(2).unwrap();
            assert_eq!(events.take(), ["went on"]);
            assert_eq!(chain.result(), Some(2));
        }
    }

    #[test]
    fn a_chain_waits_for_a_fired_deferred_that_waits_itself_at_any_depth() {
        let (mut chain, firer) = Deferred::<u32>::new();
        for _ in 0..20 {
            let inner = chain;
            chain = deferred::succeed(()).add_callback(move |()| inner);
        }
        let (outer, fire_outer) = Deferred::<()>::new();
        let outer = outer.add_callback(move |()| chain).add_callback(|n| Ok(n + 1));
        fire_outer.callback(()).unwrap();
        assert!(!outer.has_fired());
        firer.callback(1).unwrap();
        assert_eq!(outer.result(), Some(2));
    }

    #[test]
    fn a_chain_waits_for_a_paused_deferred() {
        for fired in [false, true] {
            let (mut inner, firer) = Deferred::<u32>::new();
            if fired {
                firer.callback(1).unwrap();
            }
            let pause = inner.pause();
            let chain = deferred::succeed(()).add_callback(move |()| inner).add_callback(|n| Ok(n + 1));
            if !fired {
                firer.callback(1).unwrap();
            }
            assert!(!chain.has_fired());
            pause.unpause();
            assert_eq!(chain.result(), Some(2));
        }
    }

    #[test]
    fn the_failure_of_the_inner_deferred_goes_to_the_errbacks_of_the_chain() {
        let (inner, fire_inner) = Deferred::<u32>::new();
        let unhandled = lost(|| {
            let chain = deferred::succeed(())
                .add_callback(move |()| inner)
                .add_callback(|_| -> Result<u32, Failure> { panic!("it failed") })
                .add_errback(|failure| failure.trap::<Message>().map(|_| 3));
            fire_inner.errback(boom()).unwrap();
            assert_eq!(chain.result(), Some(3));
        });
        assert_eq!(unhandled, [""; 0]);
    }

    #[test]
    fn errbacks_and_add_both_may_return_a_deferred() {
        let ((first, fire_first), (second, fire_second)) = (Deferred::<u32>::new(), Deferred::<u32>::new());
        let chain = deferred::fail::<u32>(boom()).add_errback(move |_| first).add_both(move |_| second);
        fire_first.callback(1).unwrap();
        assert!(!chain.has_fired());
        fire_second.callback(2).unwrap();
        assert_eq!(chain.result(), Some(2));
    }

    #[test]
    fn a_callback_may_return_a_deferred_one_time_and_a_value_another_time() {
        for later in [true, false] {
            let (inner, fire_inner) = Deferred::<u32>::new();
            let chain = deferred::succeed(later)
                .add_callback(move |later| if later { Given::Pending(inner) } else { Given::Ready(Ok(1)) });
            assert_eq!(chain.has_fired(), !later);
            fire_inner.callback(1).unwrap();
            assert_eq!(chain.result(), Some(1));
        }
    }
}

/// M8: A returned Deferred that has fired hands over its result, and the responsibility for a failure.
mod m08 {
    use super::*;

    #[test]
    fn a_returned_deferred_that_has_fired_is_not_waited_for() {
        let (inner, fire_inner) = Deferred::<u32>::new();
        fire_inner.callback(2).unwrap();
        let chain = deferred::succeed(()).add_callback(move |()| inner).add_callback(|n| Ok(n + 1));
        assert_eq!(chain.result(), Some(3));
    }

    #[test]
    fn the_chain_that_took_a_failure_is_responsible_for_it() {
        let fired: fn() -> Deferred<u32> = || deferred::fail(boom());
        assert_eq!(lost(|| deferred::succeed(()).add_callback(move |()| fired()).detach()), ["boom"]);
        let handled = || {
            let chain = deferred::succeed(()).add_callback(move |()| fired()).add_errback(|_| Ok(4));
            assert_eq!(chain.result(), Some(4));
        };
        assert_eq!(lost(handled), [""; 0]);
    }
}

/// M9: The callbacks of the inner Deferred run first, then those of the chain that waits.
mod m09 {
    use super::*;

    #[test]
    fn the_callbacks_of_the_inner_deferred_run_before_those_of_the_chain_that_waits() {
        let events = Events::default();
        let (inner, fire_inner) = Deferred::<u32>::new();
        let inner = inner.add_both(noting(&events, "inner 1")).add_both(noting(&events, "inner 2"));
        let (outer, fire_outer) = Deferred::<u32>::new();
        let before = outer.add_both(noting(&events, "outer 1"));
        let waits = before.add_callback(move |_| inner).add_both(noting(&events, "outer 2"));
        note(&events, "fire outer");
        fire_outer.callback(1).unwrap();
        let whole = waits.add_both(noting(&events, "outer 3, added while it waits"));
        note(&events, "fire inner");
        fire_inner.callback(2).unwrap();
        note(&events, "fired");
        let order = ["inner 1", "inner 2", "outer 2", "outer 3, added while it waits"];
        assert_eq!(events.take(), [&["fire outer", "outer 1", "fire inner"][..], &order, &["fired"]].concat());
        assert_eq!(whole.result(), Some(2));
    }
}

/// M10: A Deferred has one waiter.
mod m10 {
    use super::*;

    #[test]
    fn two_waiters_of_a_shared_result_both_get_it() {
        // In Twisted the second gets None, as a success. Here that cannot be written, and this is for it.
        let (inner, fire_inner) = Deferred::<u32>::new();
        let shared = Shared::new(inner);
        let wait = || {
            let shared = shared.clone();
            deferred::succeed(()).add_callback(move |()| shared.wait())
        };
        let (first, second) = (wait(), wait());
        fire_inner.callback(7).unwrap();
        assert_eq!((first.result(), second.result(), wait().result()), (Some(7), Some(7), Some(7)));
    }

    #[test]
    fn a_cancel_by_one_of_two_waiters_leaves_the_other_its_result() {
        // In Twisted the first one's cancel ends the work, and the second gets None, as a success.
        let (inner, fire_inner) = Deferred::<u32>::with_canceller(|_| panic!("the other one wants it"));
        let shared = inner.share();
        let (one, other) = (shared.wait(), shared.wait());
        let first = deferred::succeed(()).add_callback(move |()| one);
        let second = deferred::succeed(()).add_callback(move |()| other);
        first.cancel();
        assert_eq!(outcome(first), "failed: cancelled");
        fire_inner.callback(7).unwrap();
        assert_eq!(second.result(), Some(7));
    }

    #[test]
    fn when_all_waiters_are_cancelled_the_work_is_cancelled() {
        let events = Events::default();
        let noted = events.clone();
        let (inner, _fire_inner) = Deferred::<u32>::with_canceller(move |_| note(&noted, "stopped"));
        let shared = inner.share();
        let waiters = [shared.wait(), shared.wait()];
        for waiter in &waiters {
            assert_eq!(events.take(), [""; 0]);
            waiter.cancel();
        }
        assert_eq!(events.take(), ["stopped"]);
        assert_eq!(waiters.map(outcome), ["failed: cancelled", "failed: cancelled"]);
    }
}

/// M13: A Deferred can be a plain value.
mod m13 {
    use super::*;

    #[test]
    fn a_deferred_can_be_the_value_of_a_deferred() {
        let ((inner, fire_inner), (outer, fire_outer)) = (Deferred::<u32>::new(), Deferred::<Deferred<u32>>::new());
        fire_outer.callback(inner).unwrap();
        let inner = outer.result().expect("the value is here, though it has not fired");
        assert!(!inner.has_fired());
        fire_inner.callback(1).unwrap();
        assert_eq!(inner.result(), Some(1));
    }
}

/// M14: A paused Deferred holds up only the chains that wait for it.
mod m14 {
    use super::*;

    #[test]
    fn a_paused_deferred_holds_up_only_the_chains_that_wait_for_it() {
        let events = Events::default();
        let (innermost, firer) = Deferred::<u32>::new();
        let innermost = innermost.add_both(noting(&events, "innermost"));
        let (middle, fire_middle) = Deferred::<()>::new();
        let mut middle = middle.add_callback(move |()| innermost).add_both(noting(&events, "middle"));
        fire_middle.callback(()).unwrap();
        let pause = middle.pause();
        let outer = deferred::succeed(()).add_callback(move |()| middle).add_both(noting(&events, "outer"));
        firer.callback(1).unwrap();
        assert_eq!(events.take(), ["innermost"]);
        assert!(!outer.has_fired());
        pause.unpause();
        assert_eq!(events.take(), ["middle", "outer"]);
        assert_eq!(outer.result(), Some(1));
    }
}
