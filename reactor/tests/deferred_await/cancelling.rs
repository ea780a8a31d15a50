//! What comes of a cancel, for every way in which the body may take it and every way in which it may be nested.

use super::{outcome, poll_once};
use reactor::deferred::{Others, deferred_list, gather_results, succeed};
use reactor::{CancelledError, Deferred, Failure};
use std::cell::{Cell, RefCell};
use std::future::pending;
use std::rc::Rc;

/// What becomes of the cancel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comes {
    Through,
    ToAValue,
    ToAnotherError,
    ToTheCancellersValue,
    ToTheCancellersError,
}

const COMES: [(Comes, &str); 5] = [
    (Comes::Through, "failed: cancelled"),
    (Comes::ToAValue, "10"),
    (Comes::ToAnotherError, "failed: another"),
    (Comes::ToTheCancellersValue, "20"),
    (Comes::ToTheCancellersError, "failed: the canceller's"),
];

/// What is awaited; the cell says that its producer was told.
fn source(comes: Comes) -> (Deferred<u32>, reactor::Firer<u32>, Rc<Cell<u32>>) {
    let told = Rc::new(Cell::new(0));
    let note = told.clone();
    let (deferred, firer) = Deferred::with_canceller(move |firer: &reactor::Firer<u32>| {
        note.set(note.get() + 1);
        match comes {
            Comes::ToTheCancellersValue => firer.callback(20).unwrap(),
            Comes::ToTheCancellersError => firer.errback(Failure::msg("the canceller's")).unwrap(),
            _ => {}
        }
    });
    (deferred, firer, told)
}

async fn body(awaited: Deferred<u32>, comes: Comes) -> Result<u32, Failure> {
    let result = awaited.await;
    if matches!(comes, Comes::Through | Comes::ToAValue | Comes::ToAnotherError) {
        assert!(result.as_ref().is_err_and(|failure| failure.check::<CancelledError>().is_some()), "{result:?}");
    }
    match comes {
        Comes::ToAValue => Ok(10),
        Comes::ToAnotherError => Err(Failure::msg("another")),
        _ => result,
    }
}

type Nest = fn(Deferred<u32>, Comes) -> Deferred<u32>;

const NESTINGS: [(&str, Nest); 10] = [
    ("plain", |source, comes| Deferred::from_future(body(source, comes))),
    ("a coroutine in a coroutine, which takes it", |source, comes| {
        let inner = Deferred::from_future(body(source, comes));
        Deferred::from_future(async move { inner.await })
    }),
    ("a coroutine in a coroutine, taken outside", |source, comes| {
        let inner = Deferred::from_future(async move { source.await });
        Deferred::from_future(body(inner, comes))
    }),
    ("an async function in a coroutine", |source, comes| {
        Deferred::from_future(async move { Box::pin(body(source, comes)).await })
    }),
    ("a chain in a coroutine", |source, comes| {
        let chain = succeed(()).add_callback(move |()| source).add_callback(Ok).add_errback(Err);
        Deferred::from_future(body(chain, comes))
    }),
    ("what a callback gave back in a coroutine", |source, comes| {
        Deferred::from_future(body(succeed(()).add_callback(move |()| source), comes))
    }),
    ("a coroutine in a chain", |source, comes| {
        succeed(()).add_callback(move |()| Deferred::from_future(body(source, comes))).add_callback(Ok)
    }),
    ("a coroutine in a chain in a coroutine", |source, comes| {
        let chain = succeed(()).add_callback(move |()| Deferred::from_future(body(source, comes))).add_callback(Ok);
        Deferred::from_future(async move { chain.await })
    }),
    ("a coroutine in a list", |source, comes| {
        let coroutine = Deferred::from_future(body(source, comes));
        deferred_list([coroutine, succeed(0)]).add_callback(|mut results| results.swap_remove(0))
    }),
    ("a list in a coroutine", |source, comes| {
        let list = deferred_list([succeed(Ok(0)), source.add_callback(|n| Ok(Ok(n)))])
            .add_callback(|mut results| results.swap_remove(1)?);
        Deferred::from_future(body(list, comes))
    }),
];

#[test]
fn a_cancel_comes_out_of_the_await_and_the_body_decides_the_result() {
    for (name, nest) in NESTINGS {
        for (comes, expected) in COMES {
            let (source, firer, told) = source(comes);
            let chain = nest(source, comes);
            assert!(!chain.has_fired(), "{name}, {comes:?}");
            chain.cancel();
            assert_eq!(told.get(), 1, "{name}, {comes:?}: the producer was told once");
            assert!(firer.called(), "{name}, {comes:?}");
            assert_eq!(outcome(chain), expected, "{name}, {comes:?}");
        }
    }
}

#[test]
fn a_canceller_from_elsewhere_does_the_same() {
    for (name, nest) in NESTINGS {
        for (comes, expected) in COMES {
            let (source, _firer, told) = source(comes);
            let chain = nest(source, comes);
            let canceller = chain.canceller();
            let chain = chain.add_callback(Ok);
            canceller.cancel();
            assert_eq!(told.get(), 1, "{name}, {comes:?}");
            assert_eq!(outcome(chain), expected, "{name}, {comes:?}");
        }
    }
}

#[test]
fn a_cancel_of_what_has_ended_does_nothing() {
    for (name, nest) in NESTINGS {
        let (source, firer, told) = source(Comes::ToTheCancellersValue);
        let chain = nest(source, Comes::ToTheCancellersValue);
        firer.callback(1).unwrap();
        chain.cancel();
        assert_eq!((told.get(), outcome(chain).as_str()), (0, "1"), "{name}");
    }
}

#[test]
fn a_producer_without_a_canceller_may_fire_once_too_late() {
    for (name, nest) in NESTINGS {
        let (source, firer) = Deferred::<u32>::new();
        let chain = nest(source, Comes::Through);
        chain.cancel();
        assert_eq!(firer.callback(1), Ok(()), "{name}");
        assert!(firer.callback(2).is_err(), "{name}");
        assert_eq!(outcome(chain), "failed: cancelled", "{name}");
    }
}

#[test]
fn a_body_that_awaits_something_else_is_dropped_and_has_failed() {
    let dropped = Rc::new(());
    let weak = Rc::downgrade(&dropped);
    let coroutine = Deferred::from_future(async move {
        let _dropped = dropped;
        pending::<()>().await;
        Ok(1)
    });
    coroutine.cancel();
    assert!(weak.upgrade().is_none());
    assert_eq!(outcome(coroutine), "failed: cancelled");
}

#[test]
fn a_body_that_awaits_a_deferred_and_something_else_gets_the_cancel_from_the_deferred() {
    let (source, _firer) = Deferred::<u32>::new();
    let coroutine = Deferred::from_future(async move {
        let (mut source, mut other) = (source, Box::pin(pending::<()>()));
        std::future::poll_fn(|context| {
            let _ = other.as_mut().poll(context);
            std::pin::Pin::new(&mut source).poll(context)
        })
        .await
        .or(Ok(8))
    });
    coroutine.cancel();
    assert_eq!(coroutine.result(), Some(8));
}

#[test]
fn a_body_that_awaits_several_at_once_has_all_of_them_cancelled() {
    let (first, _fire_first, told_first) = source(Comes::Through);
    let (second, _fire_second, told_second) = source(Comes::Through);
    let coroutine = Deferred::from_future(async move {
        let mut second = second;
        assert!(poll_once(&mut second).await.is_pending());
        let failure = first.await.unwrap_err();
        assert!(failure.check::<CancelledError>().is_some());
        second.await.or(Ok(8))
    });
    coroutine.cancel();
    assert_eq!((told_first.get(), told_second.get()), (1, 1));
    assert_eq!(coroutine.result(), Some(8));
}

#[test]
fn a_cancel_does_not_reach_what_the_body_gave_up() {
    let (first, fire_first, told) = source(Comes::Through);
    let (second, _fire_second) = Deferred::<u32>::new();
    let coroutine = Deferred::from_future(async move {
        let mut first = first;
        assert!(poll_once(&mut first).await.is_pending());
        drop(first);
        second.await
    });
    coroutine.cancel();
    assert_eq!(told.get(), 0);
    assert!(!fire_first.called());
    assert_eq!(outcome(coroutine), "failed: cancelled");
}

#[test]
fn a_cancel_while_it_runs_is_for_what_it_awaits_next() {
    let own: Rc<RefCell<Option<reactor::deferred::Canceller>>> = Rc::default();
    let taken = own.clone();
    let (begin, fire_begin) = Deferred::<()>::new();
    let (next, _fire_next, told) = source(Comes::Through);
    let coroutine = Deferred::from_future(async move {
        begin.await?;
        taken.borrow().as_ref().expect("it was put there").cancel();
        succeed(()).await?;
        next.await.or(Ok(6))
    });
    *own.borrow_mut() = Some(coroutine.canceller());
    fire_begin.callback(()).unwrap();
    assert_eq!((told.get(), coroutine.result()), (1, Some(6)));
}

#[test]
fn a_cancel_while_it_runs_is_lost_if_it_ends_without_awaiting() {
    let own: Rc<RefCell<Option<reactor::deferred::Canceller>>> = Rc::default();
    let taken = own.clone();
    let (begin, fire_begin) = Deferred::<()>::new();
    let coroutine = Deferred::from_future(async move {
        begin.await?;
        taken.borrow().as_ref().expect("it was put there").cancel();
        Ok(6)
    });
    *own.borrow_mut() = Some(coroutine.canceller());
    fire_begin.callback(()).unwrap();
    assert_eq!(coroutine.result(), Some(6));
}

#[test]
fn a_gathering_of_coroutines_cancels_the_siblings_of_the_first_failure() {
    let (first, fire_first) = Deferred::<u32>::new();
    let (second, _fire_second, told) = source(Comes::ToAValue);
    let bodies =
        [Deferred::from_future(async move { first.await }), Deferred::from_future(body(second, Comes::ToAValue))];
    let all = gather_results(bodies, Others::Cancel);
    fire_first.errback(Failure::msg("no")).unwrap();
    assert_eq!((told.get(), outcome(all).as_str()), (1, "failed: input 0 failed: no"));
}
