//! A chain of any length runs and is dropped in constant stack, and nothing of it is left over.

use super::*;

#[test]
fn a_million_callbacks_on_a_pending_deferred_run_in_constant_stack() {
    let (deferred, firer) = Deferred::<usize>::new();
    let chain = (0..MILLION).fold(deferred, |chain, _| chain.add_callback(|n| Ok(n + 1)));
    firer.callback(0).unwrap();
    assert_eq!(chain.result(), Some(MILLION));
}

#[test]
fn a_million_callbacks_that_never_ran_are_dropped_in_constant_stack_whichever_end_goes_last() {
    for firer_last in [true, false] {
        let drops = Rc::new(Cell::new(0));
        let (deferred, firer) = Deferred::<()>::new();
        let chain = (0..MILLION).fold(deferred, |chain, _| {
            let kept = Dropped(drops.clone());
            chain.add_callback(move |()| drop(kept))
        });
        drop_both(chain, firer, firer_last);
        assert_eq!(drops.get(), MILLION);
    }
}

fn drop_both<T, U>(chain: Deferred<T>, firer: Firer<U>, firer_last: bool) {
    if firer_last {
        drop(chain);
        drop(firer);
    } else {
        drop(firer);
        drop(chain);
    }
}

#[test]
fn a_million_returned_deferreds_that_have_fired_use_constant_stack() {
    let (deferred, firer) = Deferred::<usize>::new();
    let chain = (0..MILLION).fold(deferred, |chain, _| chain.add_callback(|n| deferred::succeed(n + 1)));
    firer.callback(0).unwrap();
    assert_eq!(chain.result(), Some(MILLION));
}

/// A Deferred that waits for one that waits for one ... that waits for what the firer fires.
fn waiting_in_a_row(count: usize) -> (Deferred<usize>, Firer<usize>) {
    let (mut chain, firer) = Deferred::<usize>::new();
    for _ in 0..count {
        let (next, fire_next) = Deferred::<()>::new();
        chain = next.add_callback(move |()| chain).add_callback(|n| Ok(n + 1));
        fire_next.callback(()).unwrap();
    }
    (chain, firer)
}

#[test]
fn many_deferreds_that_wait_for_each_other_fire_in_constant_stack() {
    let (chain, firer) = waiting_in_a_row(MANY);
    firer.callback(0).unwrap();
    assert_eq!(chain.result(), Some(MANY));
}

#[test]
fn many_deferreds_that_wait_for_each_other_are_cancelled_in_constant_stack() {
    let (chain, _firer) = waiting_in_a_row(MANY);
    chain.cancel();
    assert_eq!(outcome(chain), "failed: cancelled");
}

#[test]
fn many_deferreds_that_wait_for_each_other_are_dropped_in_constant_stack() {
    for firer_last in [true, false] {
        let (chain, firer) = waiting_in_a_row(MANY);
        drop_both(chain, firer, firer_last);
    }
}

#[test]
fn every_closure_is_dropped_once_whether_it_ran_or_not() {
    for result in [Some(Ok(())), Some(Err(Failure::msg("for the errbacks"))), None] {
        let drops = Rc::new(Cell::new(0));
        let (deferred, firer) = Deferred::<()>::new();
        let chain = (0..10).fold(deferred, |chain, _| {
            let (a, b, c) = (Dropped(drops.clone()), Dropped(drops.clone()), Dropped(drops.clone()));
            chain
                .add_callback(move |()| {
                    let _ = &a;
                })
                .add_errback(move |failure| {
                    let _ = &b;
                    Err(failure)
                })
                .add_both(move |result| {
                    let _ = &c;
                    result
                })
        });
        let fired = result.is_some();
        if let Some(result) = result {
            firer.fire(result).unwrap();
            assert_eq!(drops.get(), 30, "a closure is gone once the chain has passed it");
        }
        drop(chain.add_errback(|_| Ok(())));
        drop(firer);
        assert_eq!(drops.get(), 30, "fired: {fired}");
    }
}

#[test]
fn a_chain_holds_nothing_once_both_ends_are_gone() {
    let drops = Rc::new(Cell::new(0));
    let (inner, inner_firer) = Deferred::<Dropped>::new();
    let (outer, firer) = Deferred::<()>::new();
    let kept = Dropped(drops.clone());
    let chain = outer.add_callback(move |()| inner).add_callback(move |value| {
        drop(kept);
        Ok(value)
    });
    firer.callback(()).unwrap();
    drop((firer, chain));
    inner_firer.callback(Dropped(drops.clone())).unwrap();
    drop(inner_firer);
    assert_eq!(drops.get(), 2);
}
