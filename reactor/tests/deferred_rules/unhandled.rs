//! M15: a failure that nobody handled is logged when its chain is dropped, once. M16: awaiting handles it.

use crate::*;
use reactor::{CancelledError, deferred};

/// M15: A failure that nobody handled is logged when its chain is dropped.
mod m15 {
    use super::*;

    /// Chains that have failed and are not dropped yet, made in all ways.
    fn failed_chains() -> Vec<Deferred<u32>> {
        let (errback, firer) = Deferred::<u32>::new();
        firer.errback(boom()).unwrap();
        let (passed, firer) = Deferred::<u32>::new();
        let passed = passed.add_callback(Ok).add_callback(Ok);
        firer.errback(boom()).unwrap();
        let (raised, firer) = Deferred::<u32>::new();
        let raised = raised.add_callback(|_| Err::<u32, _>(boom().into()));
        firer.callback(1).unwrap();
        let (inner, fire_inner) = Deferred::<u32>::new();
        let waited = deferred::succeed(()).add_callback(move |()| inner).add_callback(Ok);
        fire_inner.errback(boom()).unwrap();
        let mut paused = deferred::fail::<u32>(boom());
        drop(paused.pause());
        vec![
            deferred::fail(boom()),
            deferred::succeed(()).add_callback(|()| Err::<u32, _>(boom().into())),
            Deferred::from_future(async { Err(boom().into()) }),
            errback,
            passed,
            raised,
            waited,
            paused,
        ]
    }

    #[test]
    fn a_failure_that_nobody_handled_is_logged_once_when_its_chain_is_dropped_and_not_before() {
        for index in 0..failed_chains().into_iter().map(outcome).count() {
            let mut chain = None;
            let early = lost(|| {
                let mut chains = failed_chains();
                chain = Some(chains.swap_remove(index));
                chains.into_iter().for_each(|other| drop(outcome(other)));
            });
            assert_eq!(early, [""; 0], "{index}: it may still be handled");
            assert_eq!(lost(|| drop(chain)), ["boom"], "{index}");
        }
    }

    #[test]
    fn a_later_errback_that_succeeds_handles_the_failure() {
        let unhandled = lost(|| {
            for chain in failed_chains() {
                assert_eq!(chain.add_errback(|_| Ok(1)).result(), Some(1));
            }
        });
        assert_eq!(unhandled, [""; 0]);
    }

    #[test]
    fn a_later_errback_that_passes_the_failure_on_does_not_handle_it() {
        for chain in failed_chains() {
            assert_eq!(lost(|| drop(chain.add_errback(Err::<u32, _>))), ["boom"]);
        }
    }

    #[test]
    fn an_errback_that_raises_another_failure_leaves_only_that_one() {
        let unhandled = lost(|| drop(deferred::fail::<u32>(boom()).add_errback(|_| Err(Failure::msg("another")))));
        assert_eq!(unhandled, ["another"]);
    }

    #[test]
    fn a_cancelled_error_is_logged_too() {
        let unhandled = testing::collect_unhandled(|| {
            let (deferred, _firer) = Deferred::<u32>::new();
            deferred.cancel();
        });
        assert!(unhandled.len() == 1 && unhandled[0].check::<CancelledError>().is_some(), "{unhandled:?}");
    }

    #[test]
    fn a_failure_is_logged_at_once_if_the_deferred_was_dropped_before() {
        let unhandled = lost(|| {
            let (deferred, firer) = Deferred::<u32>::new();
            drop(deferred.add_callback(Ok));
            let logged_by_the_firing = lost(|| firer.errback(boom()).unwrap());
            assert_eq!(logged_by_the_firing, ["boom"]);
        });
        assert_eq!(unhandled, [""; 0]);
    }

    #[test]
    fn a_deferred_that_never_fired_logs_nothing() {
        let unhandled = lost(|| {
            let (deferred, firer) = Deferred::<u32>::new();
            drop(deferred.add_callback(|_| Err::<u32, _>(boom().into())));
            drop(firer);
        });
        assert_eq!(unhandled, [""; 0]);
    }

    #[test]
    fn a_failure_that_a_pause_holds_back_is_logged() {
        let unhandled = lost(|| {
            let (mut deferred, firer) = Deferred::<u32>::new();
            let pause = deferred.pause();
            firer.errback(boom()).unwrap();
            drop(deferred);
            drop(pause);
        });
        assert_eq!(unhandled, ["boom"]);
    }

    #[test]
    fn a_delivered_failure_that_nobody_takes_is_logged() {
        let unhandled = lost(|| {
            let (deferred, firer) = Deferred::<u32>::new();
            let coroutine = Deferred::from_future(async move {
                let _unused = deferred.add_both(|result| result);
                Ok(1)
            });
            assert_eq!(coroutine.result(), Some(1));
            firer.errback(boom()).unwrap();
        });
        assert_eq!(unhandled, ["boom"]);
        assert_eq!(lost(|| assert_eq!(deferred::fail::<u32>(boom()).result(), None)), ["boom"]);
    }

    #[test]
    fn a_failure_in_a_chain_that_holds_itself_is_logged() {
        // In Twisted a helper object logs it when the collector finds the circle. Here the circle ends with its
        // callback.
        let unhandled = lost(|| {
            let itself: Rc<RefCell<Option<Deferred<u32>>>> = Rc::default();
            let (deferred, firer) = Deferred::<u32>::new();
            let own = itself.clone();
            itself.replace(Some(deferred.add_errback(move |failure| {
                let _ = &own;
                Err(failure)
            })));
            drop(itself);
            firer.errback(boom()).unwrap();
        });
        assert_eq!(unhandled, ["boom"]);
    }

    #[test]
    fn the_last_deferred_that_got_a_failure_is_responsible_for_it() {
        let handled = lost(|| {
            let (inner, fire_inner) = Deferred::<u32>::new();
            let (other, fire_other) = Deferred::<u32>::new();
            let (last, fire_last) = Deferred::<u32>::new();
            let chain = deferred::succeed(()).add_callback(move |()| inner);
            drop(chain.chain_deferred(fire_other));
            drop(other.add_callback(Ok).chain_deferred(fire_last));
            let last = Deferred::from_future(last).add_errback(|_| Ok(3));
            fire_inner.errback(boom()).unwrap();
            assert_eq!(last.result(), Some(3));
        });
        assert_eq!(handled, [""; 0]);
    }

    #[test]
    fn clones_of_one_failure_are_logged_once() {
        let failure = Failure::new(boom());
        let unhandled = lost(|| (0..3).for_each(|_| drop(deferred::fail::<u32>(failure.clone()))));
        assert_eq!(unhandled, ["boom"]);
    }
}

/// M16: Awaiting a failure handles it.
mod m16 {
    use super::*;

    #[test]
    fn awaiting_a_failed_deferred_counts_as_handling_it() {
        for fired in [true, false] {
            let unhandled = lost(|| {
                let (deferred, firer) = Deferred::<u32>::new();
                if fired {
                    firer.errback(boom()).unwrap();
                }
                let chain = Deferred::from_future(async move { Ok(deferred.await.is_err()) });
                if !fired {
                    firer.errback(boom()).unwrap();
                }
                assert_eq!(chain.result(), Some(true));
            });
            assert_eq!(unhandled, [""; 0]);
        }
    }

    #[test]
    fn a_failure_that_the_body_returns_is_logged_once() {
        let unhandled = lost(|| {
            let (deferred, firer) = Deferred::<u32>::new();
            drop(Deferred::from_future(async move { Ok(deferred.await? + 1) }));
            firer.errback(boom()).unwrap();
        });
        assert_eq!(unhandled, ["boom"]);
    }
}
