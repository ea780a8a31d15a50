//! A body that takes a cancel and awaits more goes on, and can be cancelled again.

use super::outcome;
use reactor::deferred::{deferred_list, succeed};
use reactor::{Deferred, Failure};
use std::cell::Cell;
use std::rc::Rc;

/// Takes `times` cancels and goes on; then lets one pass. `told` counts the producers that were told.
async fn stubborn(times: u32, told: Rc<Cell<u32>>) -> Result<u32, Failure> {
    for taken in 0.. {
        let note = told.clone();
        let (next, firer) = Deferred::<u32>::with_canceller(move |_| note.set(note.get() + 1));
        let result = next.await;
        drop(firer);
        if taken == times {
            return result;
        }
        assert_eq!(result.unwrap_err().to_string(), "cancelled");
    }
    unreachable!("the loop has no end")
}

type Nest = fn(Deferred<u32>) -> Deferred<u32>;

const NESTINGS: [(&str, Nest); 5] = [
    ("plain", |inner| inner),
    ("in a coroutine", |inner| Deferred::from_future(async move { inner.await })),
    ("in a chain", |inner| succeed(()).add_callback(move |()| inner).add_callback(Ok)),
    ("in a chain in a coroutine", |inner| {
        let chain = succeed(()).add_callback(move |()| inner).add_callback(Ok);
        Deferred::from_future(async move { chain.await })
    }),
    ("in a list", |inner| deferred_list([inner]).add_callback(|mut results| results.remove(0))),
];

#[test]
fn each_cancel_reaches_what_it_awaits_by_then() {
    for (name, nest) in NESTINGS {
        let told = Rc::new(Cell::new(0));
        let chain = nest(Deferred::from_future(stubborn(3, told.clone())));
        for count in 1..=3 {
            chain.cancel();
            assert_eq!(told.get(), count, "{name}");
            assert!(!chain.has_fired(), "{name}");
        }
        chain.cancel();
        assert_eq!((told.get(), outcome(chain).as_str()), (4, "failed: cancelled"), "{name}");
    }
}

#[test]
fn what_it_awaits_after_a_cancel_gives_its_value() {
    for (name, nest) in NESTINGS {
        let (first, _fire_first) = Deferred::<u32>::new();
        let (second, fire_second) = Deferred::<u32>::new();
        let chain = nest(Deferred::from_future(async move {
            match first.await {
                Ok(n) => Ok(n),
                Err(_) => second.await,
            }
        }));
        chain.cancel();
        assert!(!chain.has_fired(), "{name}");
        fire_second.callback(7).unwrap();
        assert_eq!(outcome(chain), "7", "{name}");
    }
}

#[test]
fn a_body_that_takes_a_cancel_and_then_awaits_what_has_fired_has_ended_when_the_cancel_returns() {
    for (name, nest) in NESTINGS {
        let (first, _firer) = Deferred::<u32>::new();
        let chain = nest(Deferred::from_future(async move { first.await.or(succeed(3).await) }));
        chain.cancel();
        assert!(chain.has_fired(), "{name}");
        assert_eq!(outcome(chain), "3", "{name}");
    }
}
