//! 1b, asFuture and fromFuture: a Deferred is a future for any executor, and any future becomes a Deferred; and await.

use crate::*;
use reactor::{CancelledError, deferred};
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

/// Counts how often it is woken: the whole of an executor that these tests need.
#[derive(Default)]
struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// Polls once, with a waker that counts.
fn poll<F: Future + Unpin>(future: &mut F, woken: &Arc<Woken>) -> Poll<F::Output> {
    Pin::new(future).poll(&mut Context::from_waker(&Waker::from(woken.clone())))
}

#[test]
fn as_future_gives_the_value_or_the_failure_and_counts_as_handling_it() {
    for (result, expected) in [(Ok(1), Ok(1)), (Err(boom()), Err("boom".to_owned()))] {
        for fired in [false, true] {
            let unhandled = lost(|| {
                let (mut deferred, firer) = Deferred::<u32>::new();
                let (woken, mut firing) = (Arc::<Woken>::default(), Some(result.clone().map_err(Failure::new)));
                if fired {
                    firer.fire(firing.take().expect("once")).unwrap();
                } else {
                    assert!(poll(&mut deferred, &woken).is_pending());
                }
                if let Some(result) = firing {
                    firer.fire(result).unwrap();
                    assert_eq!(woken.0.load(Ordering::SeqCst), 1);
                }
                let Poll::Ready(got) = poll(&mut deferred, &woken) else { panic!("it has fired") };
                assert_eq!(got.map_err(|failure| failure.to_string()), expected);
            });
            assert_eq!(unhandled, [""; 0]);
        }
    }
}

#[test]
fn as_future_a_cancel_ends_the_wait_and_a_late_value_is_ignored() {
    let (mut deferred, firer) = Deferred::<u32>::new();
    let woken = Arc::<Woken>::default();
    assert!(poll(&mut deferred, &woken).is_pending());
    deferred.cancel();
    assert_eq!(woken.0.load(Ordering::SeqCst), 1);
    firer.callback(1).unwrap();
    let Poll::Ready(Err(failure)) = poll(&mut deferred, &woken) else { panic!("it was cancelled") };
    assert!(failure.check::<CancelledError>().is_some());
}

#[test]
fn as_future_dropping_it_does_not_cancel() {
    // Cancelling an asyncio future cancels its Deferred. Here a drop says only that nobody listens any more.
    let (mut deferred, firer) = Deferred::<u32>::with_canceller(|_| panic!("nobody cancelled it"));
    assert!(poll(&mut deferred, &Arc::default()).is_pending());
    drop(deferred);
    firer.callback(1).unwrap();
}

/// A future that is not one of ours, and what finishes it.
#[derive(Clone, Default)]
struct Foreign(Rc<RefCell<(Option<u32>, Option<Waker>)>>);

impl Foreign {
    fn finish(&self, value: u32) {
        self.0.borrow_mut().0 = Some(value);
        let waker = self.0.borrow_mut().1.take();
        waker.expect("somebody waits").wake();
    }
}

impl Future for Foreign {
    type Output = u32;
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<u32> {
        let mut state = self.0.borrow_mut();
        state.1 = Some(context.waker().clone());
        state.0.take().map_or(Poll::Pending, Poll::Ready)
    }
}

#[test]
fn from_future_fires_with_what_the_future_gives() {
    let foreign = Foreign::default();
    let future = foreign.clone();
    let chain = Deferred::from_future(async move { Ok(future.await) }).add_callback(|n| Ok(n + 1));
    assert!(!chain.has_fired());
    foreign.finish(1);
    assert_eq!(chain.result(), Some(2));
    let failed = Deferred::<u32>::from_future(async { Err(boom().into()) });
    assert_eq!(outcome(failed), "failed: boom");
}

#[test]
fn from_future_a_cancel_drops_the_future_and_fails() {
    let drops = Rc::new(Cell::new(0));
    let (foreign, kept) = (Foreign::default(), Dropped(drops.clone()));
    let chain = Deferred::from_future(async move {
        let _kept = kept;
        Ok(foreign.await)
    });
    chain.cancel();
    assert_eq!(drops.get(), 1);
    assert!(failure_of(chain).check::<CancelledError>().is_some());
}

#[test]
fn from_future_passes_on_the_cancellation_of_the_future() {
    let (inner, _firer) = Deferred::<u32>::new();
    let canceller = inner.canceller();
    let chain = Deferred::from_future(inner);
    canceller.cancel();
    assert!(failure_of(chain).check::<CancelledError>().is_some());
}

#[test]
fn from_coroutine_runs_at_once_to_its_first_unfired_await() {
    let events = Events::default();
    let (noted, (inner, firer)) = (events.clone(), Deferred::<u32>::new());
    let chain = Deferred::from_future(async move {
        note(&noted, "started");
        let ready = deferred::succeed(1).await?;
        note(&noted, "past what was ready");
        let late = inner.await?;
        note(&noted, "past what was not");
        Ok(ready + late)
    });
    note(&events, "returned");
    firer.callback(2).unwrap();
    note(&events, "fired");
    let order = ["started", "past what was ready", "returned", "past what was not", "fired"];
    assert_eq!(events.take(), order);
    assert_eq!(chain.result(), Some(3));
}

#[test]
fn await_of_a_fired_deferred_goes_on_at_once() {
    let chain = Deferred::from_future(async {
        let failure = deferred::fail::<u32>(boom()).await.expect_err("it failed");
        Ok(format!("{} {failure}", deferred::succeed(1).await?))
    });
    assert_eq!(chain.result().as_deref(), Some("1 boom"));
}

#[test]
fn await_waits_while_the_deferred_waits_or_is_paused() {
    let (innermost, firer) = Deferred::<u32>::new();
    let mut inner = deferred::succeed(()).add_callback(move |()| innermost);
    let pause = inner.pause();
    let chain = Deferred::from_future(async move { Ok(inner.await? + 1) });
    firer.callback(1).unwrap();
    assert!(!chain.has_fired());
    pause.unpause();
    assert_eq!(chain.result(), Some(2));
}

#[test]
fn await_a_deferred_may_be_polled_and_then_go_on_as_a_deferred() {
    let (mut deferred, firer) = Deferred::<u32>::new();
    assert!(poll(&mut deferred, &Arc::default()).is_pending());
    let chain = deferred.add_callback(|n| Ok(n + 1));
    firer.callback(1).unwrap();
    assert_eq!(chain.result(), Some(2));
}

#[test]
fn await_works_inside_other_peoples_combinators() {
    let (first, fire_first) = Deferred::<u32>::new();
    let (second, fire_second) = Deferred::<u32>::new();
    let chain = Deferred::from_future(async move {
        let (mut first, mut second) = (pin!(first), pin!(second));
        let mut sum = (None, None);
        poll_fn(move |context| {
            if sum.0.is_none()
                && let Poll::Ready(result) = first.as_mut().poll(context)
            {
                sum.0 = Some(result);
            }
            if sum.1.is_none()
                && let Poll::Ready(result) = second.as_mut().poll(context)
            {
                sum.1 = Some(result);
            }
            match (sum.0.take(), sum.1.take()) {
                (Some(first), Some(second)) => Poll::Ready(first.and_then(|first| Ok(first + second?))),
                both => {
                    sum = both;
                    Poll::Pending
                }
            }
        })
        .await
    });
    fire_second.callback(2).unwrap();
    assert!(!chain.has_fired());
    fire_first.callback(1).unwrap();
    assert_eq!(chain.result(), Some(3));
}
