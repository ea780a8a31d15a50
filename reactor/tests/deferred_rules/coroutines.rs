//! 1c, inlineCallbacks and their cancel: an `async` block is a Deferred, and its body may catch what a cancel leads to.

use crate::*;
use reactor::failure::Message;
use reactor::{CancelledError, deferred};

#[test]
fn inline_callbacks_give_their_return_value_or_error() {
    let good = Deferred::from_future(async { Ok(1) });
    let bad = Deferred::<u32>::from_future(async { Ok("x".parse::<u32>()?) });
    assert_eq!(good.result(), Some(1));
    assert!(failure_of(bad).check::<std::num::ParseIntError>().is_some());
}

#[test]
fn inline_callbacks_get_failures_at_the_await_and_may_catch_them() {
    let (inner, firer) = Deferred::<u32>::new();
    let unhandled = lost(|| {
        let chain = Deferred::from_future(async move {
            match inner.await {
                Err(failure) => failure.trap::<Message>().map(|message| message.0.clone()),
                Ok(_) => Err(Failure::msg("it should have failed")),
            }
        });
        firer.errback(boom()).unwrap();
        assert_eq!(chain.result().as_deref(), Some("boom"));
    });
    assert_eq!(unhandled, [""; 0]);
}

#[test]
fn inline_callbacks_inside_inline_callbacks_with_callbacks_between() {
    let events = Events::default();
    let (inner, firer) = Deferred::<u32>::new();
    let noted = events.clone();
    let chain = Deferred::from_future(async move {
        let nested = Deferred::from_future(async move { Ok(inner.await? + 1) });
        let nested = nested.add_both(noting(&noted, "between")).add_callback(|n| Ok(n * 10));
        let n = nested.await?;
        note(&noted, "outer");
        Ok(n + 1)
    });
    let chain = chain.add_both(noting(&events, "after"));
    firer.callback(1).unwrap();
    assert_eq!(events.take(), ["between", "outer", "after"]);
    assert_eq!(chain.result(), Some(21));
}

#[test]
fn inline_callbacks_may_call_async_functions() {
    async fn sum(first: Deferred<u32>, second: Deferred<u32>) -> Result<u32, Failure> {
        Ok(first.await? + second.await?)
    }
    let ((first, fire_first), (second, fire_second)) = (Deferred::<u32>::new(), Deferred::<u32>::new());
    let chain = Deferred::from_future(async move { Ok(sum(first, second).await? * 2) });
    fire_second.callback(2).unwrap();
    assert!(!chain.has_fired());
    fire_first.callback(1).unwrap();
    assert_eq!(chain.result(), Some(6));
}

#[test]
fn inline_callbacks_that_panic_fail_and_the_panic_goes_on_to_the_firing_code() {
    let (inner, firer) = Deferred::<()>::new();
    let chain = Deferred::<u32>::from_future(async move {
        inner.await?;
        panic!("ouch")
    });
    assert_eq!(panic_of(|| firer.callback(()).unwrap()), "ouch");
    assert_eq!(outcome(chain), "failed: a callback panicked: ouch");
}

#[test]
fn inline_callbacks_go_on_after_their_deferred_was_dropped() {
    let events = Events::default();
    let (noted, (inner, firer)) = (events.clone(), Deferred::<u32>::new());
    Deferred::from_future(async move {
        note(&noted, inner.await?);
        Ok(())
    })
    .detach();
    firer.callback(5).unwrap();
    assert_eq!(events.take(), ["5"]);
}

/// What a body does with the cancellation that comes out of its `await`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Body {
    LetsItThrough,
    RaisesAnother,
    GivesAValue,
    WaitsForMore,
    WaitsForMoreAndRaisesAnother,
}

const BODIES: [Body; 5] = [
    Body::LetsItThrough,
    Body::RaisesAnother,
    Body::GivesAValue,
    Body::WaitsForMore,
    Body::WaitsForMoreAndRaisesAnother,
];

impl Body {
    async fn run(self, first: Deferred<u32>, more: Deferred<u32>) -> Result<u32, Failure> {
        match (first.await, self) {
            (Ok(value), _) => Ok(value),
            (Err(failure), _) if failure.check::<CancelledError>().is_none() => Err(Failure::msg("no cancellation")),
            (Err(failure), Body::LetsItThrough) => Err(failure),
            (Err(_), Body::RaisesAnother) => Err(Failure::msg("another")),
            (Err(_), Body::GivesAValue) => Ok(7),
            (Err(_), Body::WaitsForMore) => more.await,
            (Err(_), Body::WaitsForMoreAndRaisesAnother) => {
                more.await.map_err(|failure| Failure::msg(format!("more was {failure}")))
            }
        }
    }

    fn waits(self) -> bool {
        matches!(self, Body::WaitsForMore | Body::WaitsForMoreAndRaisesAnother)
    }

    /// What one cancel comes to; one more is needed if it waits.
    fn result(self) -> &'static str {
        match self {
            Body::LetsItThrough | Body::WaitsForMore => "failed: cancelled",
            Body::RaisesAnother => "failed: another",
            Body::GivesAValue => "7",
            Body::WaitsForMoreAndRaisesAnother => "failed: more was cancelled",
        }
    }
}

/// How the coroutine is hidden in what is cancelled.
const NESTINGS: [fn(Deferred<u32>) -> Deferred<u32>; 6] = [
    |coroutine| coroutine,
    |coroutine| Deferred::from_future(coroutine),
    |coroutine| Deferred::from_future(async { Deferred::from_future(coroutine).add_both(|result| result).await }),
    |coroutine| deferred::succeed(()).add_callback(move |()| coroutine),
    |coroutine| deferred::succeed(()).add_callback(move |()| coroutine).add_callback(Ok),
    |coroutine| Deferred::from_future(async { deferred::succeed(()).add_callback(move |()| coroutine).await }),
];

#[test]
fn cancel_of_inline_callbacks_comes_out_of_the_await_at_any_depth() {
    for body in BODIES {
        for (index, nest) in NESTINGS.into_iter().enumerate() {
            let ((first, fire_first), (more, fire_more)) = (Deferred::<u32>::new(), Deferred::<u32>::new());
            let chain = nest(Deferred::from_future(body.run(first, more)));
            assert!(!chain.has_fired());
            chain.cancel();
            assert!(fire_first.called());
            assert_eq!(chain.has_fired(), !body.waits(), "{body:?} in nesting {index}");
            if body.waits() {
                assert!(!fire_more.called());
                chain.cancel();
                assert!(fire_more.called());
            }
            assert_eq!(outcome(chain), body.result(), "{body:?} in nesting {index}");
        }
    }
}

#[test]
fn cancel_of_inline_callbacks_that_wait_for_more_then_goes_on_if_that_fires() {
    for nest in NESTINGS {
        let ((first, _fire_first), (more, fire_more)) = (Deferred::<u32>::new(), Deferred::<u32>::new());
        let chain = nest(Deferred::from_future(Body::WaitsForMore.run(first, more)));
        chain.cancel();
        fire_more.callback(9).unwrap();
        assert_eq!(chain.result(), Some(9));
    }
}

#[test]
fn cancel_of_inline_callbacks_gives_what_the_canceller_of_the_awaited_deferred_fires() {
    for (index, nest) in NESTINGS.into_iter().enumerate() {
        let (first, _fire_first) = Deferred::<u32>::with_canceller(|firer| firer.callback(3).unwrap());
        let chain = nest(Deferred::from_future(async move { Ok(first.await? + 1) }));
        chain.cancel();
        assert_eq!(outcome(chain), "4", "nesting {index}");
    }
}

#[test]
fn cancel_of_inline_callbacks_that_have_ended_does_nothing() {
    let chain = Deferred::from_future(async { Ok(1) });
    chain.cancel();
    assert_eq!(chain.result(), Some(1));
}

#[test]
fn cancel_from_inside_its_own_body_is_for_what_it_awaits_next() {
    let canceller: Rc<RefCell<Option<deferred::Canceller>>> = Rc::default();
    let ((start, fire_start), (next, fire_next)) = (Deferred::<()>::new(), Deferred::<u32>::new());
    let own = canceller.clone();
    let chain = Deferred::from_future(async move {
        start.await?;
        own.take().expect("it is there").cancel();
        next.await
    });
    canceller.replace(Some(chain.canceller()));
    fire_start.callback(()).unwrap();
    assert!(fire_next.called());
    assert_eq!(outcome(chain), "failed: cancelled");
}
