//! Polled, and not awaited to the end: it is a Deferred like any other again.

use super::{Drops, outcome, poll_once};
use reactor::deferred::succeed;
use reactor::testing::collect_unhandled;
use reactor::{CancelledError, Deferred, Failure};
use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Waker};

fn poll_outside<T>(deferred: &mut Deferred<T>) -> bool {
    Pin::new(deferred).poll(&mut Context::from_waker(Waker::noop())).is_ready()
}

type Chain = fn(Deferred<u32>) -> Deferred<u32>;

const CHAINS: [(&str, Chain); 5] = [
    ("bare", |source| source),
    ("with a callback", |source| source.add_callback(Ok)),
    ("given back", |source| succeed(()).add_callback(move |()| source)),
    ("waiting", |source| succeed(()).add_callback(move |()| source).add_callback(Ok)),
    ("a coroutine", |source| Deferred::from_future(async move { source.await })),
];

#[test]
fn what_was_polled_outside_runs_the_callbacks_that_are_added_then() {
    for (name, chain) in CHAINS {
        for fire_first in [true, false] {
            let (source, firer) = Deferred::<u32>::new();
            let mut chain = chain(source);
            assert!(!poll_outside(&mut chain), "{name}");
            if fire_first {
                firer.callback(1).unwrap();
                assert!(chain.has_fired(), "{name}");
            }
            let chain = chain.add_callback(|n| Ok(n + 1));
            if !fire_first {
                firer.callback(1).unwrap();
            }
            assert_eq!(outcome(chain), "2", "{name}, fired first: {fire_first}");
        }
    }
}

#[test]
fn what_was_polled_in_a_body_runs_the_callbacks_that_are_added_there() {
    for (name, chain) in CHAINS {
        let (source, firer) = Deferred::<u32>::new();
        let chain = chain(source);
        let coroutine = Deferred::from_future(async move {
            let mut chain = chain;
            assert!(poll_once(&mut chain).await.is_pending());
            chain.add_callback(|n| Ok(n + 1)).await
        });
        firer.callback(1).unwrap();
        assert_eq!(outcome(coroutine), "2", "{name}");
    }
}

#[test]
fn what_was_polled_in_a_body_is_awaited_elsewhere() {
    for (name, chain) in CHAINS {
        let (source, firer) = Deferred::<u32>::new();
        let chain = chain(source);
        let given = Deferred::from_future(async move {
            let mut chain = chain;
            assert!(poll_once(&mut chain).await.is_pending());
            Ok(chain)
        });
        let chain = given.result().unwrap();
        let coroutine = Deferred::from_future(async move { Ok(chain.await? + 1) });
        firer.callback(1).unwrap();
        assert_eq!(outcome(coroutine), "2", "{name}");
    }
}

#[test]
fn what_was_polled_outside_is_cancelled_with_its_work() {
    for (name, chain) in CHAINS {
        let told = Rc::new(Cell::new(0));
        let note = told.clone();
        let (source, _firer) = Deferred::<u32>::with_canceller(move |_| note.set(note.get() + 1));
        let mut chain = chain(source);
        assert!(!poll_outside(&mut chain), "{name}");
        chain.cancel();
        assert_eq!(told.get(), 1, "{name}");
        let text = chain.add_errback(|failure| failure.trap::<CancelledError>().map(|_| 6));
        assert_eq!(text.result(), Some(6), "{name}");
    }
}

#[test]
fn what_was_polled_in_a_body_is_cancelled_by_the_body() {
    for (name, chain) in CHAINS {
        let told = Rc::new(Cell::new(0));
        let note = told.clone();
        let (source, _firer) = Deferred::<u32>::with_canceller(move |_| note.set(note.get() + 1));
        let chain = chain(source);
        let coroutine = Deferred::from_future(async move {
            let mut chain = chain;
            assert!(poll_once(&mut chain).await.is_pending());
            chain.cancel();
            chain.await.or(Ok(6))
        });
        assert_eq!((told.get(), coroutine.result()), (1, Some(6)), "{name}");
    }
}

#[test]
fn a_deferred_that_was_polled_and_dropped_wakes_nobody_and_its_chain_goes_on() {
    for (name, chain) in CHAINS {
        let (source, firer) = Deferred::<u32>::new();
        let (other, fire_other) = Deferred::<u32>::new();
        let chain = chain(source);
        let polls = Rc::new(Cell::new(0));
        let (count, mut other) = (polls.clone(), other);
        let coroutine = Deferred::from_future(async move {
            let mut chain = chain;
            assert!(poll_once(&mut chain).await.is_pending());
            drop(chain);
            std::future::poll_fn(move |context| {
                count.set(count.get() + 1);
                Pin::new(&mut other).poll(context)
            })
            .await
        });
        firer.callback(1).unwrap();
        assert_eq!(polls.get(), 1, "{name}: it was not woken by what it gave up");
        fire_other.callback(2).unwrap();
        assert_eq!((polls.get(), outcome(coroutine).as_str()), (2, "2"), "{name}");
    }
}

#[test]
fn the_failure_of_what_was_given_up_is_reported() {
    let unhandled = collect_unhandled(|| {
        let (mut deferred, firer) = Deferred::<u32>::new();
        assert!(!poll_outside(&mut deferred));
        firer.errback(Failure::msg("too late")).unwrap();
        drop(deferred);
    });
    assert_eq!(unhandled.len(), 1);
    let unhandled = collect_unhandled(|| {
        let (mut deferred, firer) = Deferred::<u32>::new();
        assert!(!poll_outside(&mut deferred));
        drop(deferred);
        firer.errback(Failure::msg("too late")).unwrap();
    });
    assert_eq!(unhandled.len(), 1);
}

#[test]
fn a_polled_deferred_without_a_firer_never_fires_and_keeps_nothing() {
    for (name, chain) in CHAINS {
        let drops = Drops::default();
        let guard = drops.guard();
        let (source, firer) = Deferred::<u32>::new();
        let source = source.add_callback(move |n| {
            let _ = &guard;
            Ok(n)
        });
        let mut chain = chain(source);
        assert!(!poll_outside(&mut chain), "{name}");
        drop(firer);
        assert!(!poll_outside(&mut chain), "{name}");
        chain.cancel();
        chain.add_errback(|_| Ok(0)).detach();
        assert_eq!(drops.count(), 1, "{name}");
    }
}

#[test]
fn a_polled_deferred_can_be_paused() {
    for (name, chain) in CHAINS {
        let (source, firer) = Deferred::<u32>::new();
        let mut chain = chain(source);
        assert!(!poll_outside(&mut chain), "{name}");
        let pause = chain.pause();
        firer.callback(3).unwrap();
        assert!(!poll_outside(&mut chain), "{name}");
        drop(pause);
        assert!(chain.has_fired(), "{name}");
        assert_eq!(outcome(chain), "3", "{name}");
    }
}
