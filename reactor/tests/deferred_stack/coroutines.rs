//! Coroutines that await each other: a million of them use the stack of one.

use crate::{Dropped, outcome};
use reactor::{CancelledError, Deferred, Firer};
use std::cell::Cell;
use std::rc::Rc;

/// More than any stack has room for. Under Miri the stack is not the point. A million; in a debug build, which is
/// many times slower, a tenth of that. Either would overflow the stack if it were used.
const MANY: usize = match () {
    () if cfg!(miri) => 40,
    () if cfg!(debug_assertions) => 100_000,
    () => 1_000_000,
};

type Drops = Rc<Cell<usize>>;

fn row(drops: &Drops) -> (Deferred<usize>, Firer<usize>) {
    let (first, firer) = Deferred::<usize>::new();
    let last = (0..MANY).fold(first, |inner, _| {
        let guard = Dropped(drops.clone());
        Deferred::from_future(async move {
            let _guard = guard;
            Ok(inner.await? + 1)
        })
    });
    (last, firer)
}

#[test]
fn many_coroutines_are_fired_in_constant_stack() {
    let drops = Drops::default();
    let (last, firer) = row(&drops);
    firer.callback(0).unwrap();
    assert_eq!((drops.get(), last.result()), (MANY, Some(MANY)));
}

#[test]
fn many_coroutines_fail_in_constant_stack() {
    let drops = Drops::default();
    let (last, firer) = row(&drops);
    firer.errback(CancelledError).unwrap();
    assert_eq!((drops.get(), outcome(last).as_str()), (MANY, "failed: cancelled"));
}

#[test]
fn many_coroutines_are_cancelled_in_constant_stack() {
    let drops = Drops::default();
    let (last, _firer) = row(&drops);
    last.cancel();
    assert_eq!((drops.get(), outcome(last).as_str()), (MANY, "failed: cancelled"));
}

#[test]
fn many_coroutines_are_dropped_in_constant_stack_whichever_end_goes_last() {
    for firer_last in [true, false] {
        let drops = Drops::default();
        let (last, firer) = row(&drops);
        if firer_last {
            drop(last);
            assert_eq!(drops.get(), 0, "they can still go on");
            drop(firer);
        } else {
            drop(firer);
            drop(last);
        }
        assert_eq!(drops.get(), MANY, "Firer last: {firer_last}");
    }
}

#[test]
fn many_coroutines_between_callbacks_are_fired_in_constant_stack() {
    let (first, firer) = Deferred::<usize>::new();
    let last = (0..MANY / 2).fold(first, |inner, _| {
        let (chain, fire) = Deferred::<()>::new();
        let chain =
            chain.add_callback(move |()| Deferred::from_future(async move { inner.await })).add_callback(|n| Ok(n + 1));
        fire.callback(()).unwrap();
        chain
    });
    firer.callback(0).unwrap();
    assert_eq!(last.result(), Some(MANY / 2));
}

#[test]
fn many_waits_in_one_body_use_constant_stack() {
    let queue = reactor::deferred::DeferredQueue::<bool>::bounded(0, 1);
    let items = queue.clone();
    let count = Deferred::from_future(async move {
        let mut count = 0;
        while items.get().await? {
            count += 1;
        }
        Ok(count)
    });
    for _ in 0..MANY {
        queue.put(true).unwrap();
    }
    queue.put(false).unwrap();
    assert_eq!(count.result(), Some(MANY));
}
