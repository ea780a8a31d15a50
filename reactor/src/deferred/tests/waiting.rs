//! A chain waits for the Deferred that one of its callbacks returns.

use super::*;

#[test]
fn a_chain_waits_for_the_deferred_that_a_callback_returns() {
    for fire_outer_first in [true, false] {
        let events = Events::default();
        let (inner, fire_inner) = Deferred::<u32>::new();
        let on_inner = events.clone();
        let inner = inner.add_callback(move |n| {
            note(&on_inner, format!("inner {n}"));
            Ok(n * 10)
        });
        let (outer, fire_outer) = Deferred::<()>::new();
        let on_outer = events.clone();
        let chain = outer.add_callback(move |()| inner).add_callback(move |n| {
            note(&on_outer, format!("outer {n}"));
            Ok(n + 1)
        });
        let fire_inner = || {
            note(&events, "fire inner");
            fire_inner.callback(1).unwrap();
        };
        if !fire_outer_first {
            fire_inner();
        }
        note(&events, "fire outer");
        fire_outer.callback(()).unwrap();
        if fire_outer_first {
            assert!(!chain.has_fired());
            fire_inner();
        }
        let expected: &[&str] = match fire_outer_first {
            true => &["fire outer", "fire inner", "inner 1", "outer 10"],
            false => &["fire inner", "inner 1", "fire outer", "outer 10"],
        };
        assert_eq!(events.take(), expected);
        assert_eq!(chain.result(), Some(11));
    }
}

#[test]
fn the_failure_of_a_returned_deferred_goes_to_the_errbacks_of_the_chain_that_waits() {
    for pending in [true, false] {
        let lines = logged(|| {
            let (inner, fire_inner) = Deferred::<u32>::new();
            if !pending {
                fire_inner.errback(Message("inner".to_owned())).unwrap();
            }
            let (outer, fire_outer) = Deferred::<()>::new();
            let chain = outer.add_callback(move |()| inner).add_callback(|_| Ok(0)).add_errback(|failure| {
                assert_eq!(failure.to_string(), "inner");
                Ok(7)
            });
            fire_outer.callback(()).unwrap();
            if pending {
                fire_inner.errback(Message("inner".to_owned())).unwrap();
            }
            assert_eq!(chain.result(), Some(7));
        });
        assert_eq!(lines, [""; 0], "the inner one's failure was handled");
    }
}

#[test]
fn an_errback_may_return_a_deferred() {
    let (retry, fire_retry) = Deferred::<u32>::new();
    let (deferred, firer) = Deferred::<u32>::new();
    let chain = deferred.add_errback(move |_| retry);
    firer.errback(Message("first attempt".to_owned())).unwrap();
    assert!(!chain.has_fired());
    fire_retry.callback(2).unwrap();
    assert_eq!(chain.result(), Some(2));
}

#[test]
fn deferreds_returned_by_deferreds_are_all_waited_for() {
    let (innermost, firer) = Deferred::<u32>::new();
    let (middle, fire_middle) = Deferred::<()>::new();
    let middle = middle.add_callback(move |()| innermost).add_callback(|n| Ok(n + 1));
    let chain = deferred::succeed(()).add_callback(move |()| middle).add_callback(|n| Ok(n + 1));
    fire_middle.callback(()).unwrap();
    assert!(!chain.has_fired());
    firer.callback(1).unwrap();
    assert_eq!(chain.result(), Some(3));
}

#[test]
fn a_chain_that_returns_a_paused_deferred_waits() {
    for fire_first in [true, false] {
        for with_callback in [true, false] {
            let (mut inner, firer) = Deferred::<u32>::new();
            if with_callback {
                inner = inner.add_callback(Ok);
            }
            if fire_first {
                firer.callback(1).unwrap();
            }
            let pause = inner.pause();
            let (outer, fire_outer) = Deferred::<()>::new();
            let chain = outer.add_callback(move |()| inner);
            fire_outer.callback(()).unwrap();
            if !fire_first {
                firer.callback(1).unwrap();
            }
            assert!(!chain.has_fired(), "fired first: {fire_first}, with a callback: {with_callback}");
            pause.unpause();
            assert_eq!(chain.result(), Some(1));
        }
    }
}
