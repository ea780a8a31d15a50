//! Polled by other code: a foreign executor, and combinators of futures that hand out wakers of their own.

use super::{block_on, oneshot, outcome};
use reactor::deferred::{Others, gather_results, succeed};
use reactor::{Deferred, Failure};
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;

/// Notes that one child was woken, and wakes the parent.
struct Child {
    woken: AtomicBool,
    parent: Arc<Mutex<Option<Waker>>>,
}

impl Wake for Child {
    fn wake(self: Arc<Self>) {
        self.woken.store(true, Ordering::Release);
        let parent = self.parent.lock().unwrap().take();
        parent.into_iter().for_each(Waker::wake);
    }
}

/// All outputs in order. Each child has a waker of its own, and only those that were woken are polled.
async fn join_all<F: Future + Unpin>(futures: Vec<F>, polls: &AtomicUsize) -> Vec<F::Output> {
    let parent = Arc::new(Mutex::new(None));
    let child = || Arc::new(Child { woken: AtomicBool::new(true), parent: parent.clone() });
    let mut left: Vec<_> = futures.into_iter().map(|future| (Some(future), None, child())).collect();
    poll_fn(|context| {
        *parent.lock().unwrap() = Some(context.waker().clone());
        for (future, output, child) in &mut left {
            let Some(running) = future.as_mut() else { continue };
            if !child.woken.swap(false, Ordering::AcqRel) {
                continue;
            }
            polls.fetch_add(1, Ordering::Relaxed);
            let waker = Waker::from(child.clone());
            if let Poll::Ready(ready) = Pin::new(running).poll(&mut Context::from_waker(&waker)) {
                (*future, *output) = (None, Some(ready));
            }
        }
        if left.iter().any(|(future, ..)| future.is_some()) {
            return Poll::Pending;
        }
        parent.lock().unwrap().take();
        Poll::Ready(left.iter_mut().filter_map(|(_, output, _)| output.take()).collect())
    })
    .await
}

/// The output of whichever is ready first, and the other one.
async fn select<A: Future + Unpin, B: Future<Output = A::Output> + Unpin>(mut a: A, mut b: B) -> (A::Output, A, B) {
    let first = poll_fn(|context| match Pin::new(&mut a).poll(context) {
        Poll::Pending => Pin::new(&mut b).poll(context),
        ready => ready,
    })
    .await;
    (first, a, b)
}

#[test]
fn a_foreign_executor_polls_a_deferred_and_a_coroutine() {
    assert_eq!(block_on(succeed(1)).unwrap(), 1);
    assert_eq!(block_on(Deferred::from_future(async { Ok(2) })).unwrap(), 2);
    let (deferred, firer) = Deferred::<u32>::new();
    let coroutine = Deferred::from_future(async move { Ok(deferred.await? + 1) });
    let fires = async {
        super::yield_now().await;
        firer.callback(1).unwrap();
        Ok(0)
    };
    let (first, _, _) = block_on(async { select(Box::pin(fires), coroutine).await });
    assert_eq!(first.unwrap(), 0);
}

#[test]
fn a_foreign_executor_is_woken_by_the_firing() {
    struct Count(AtomicUsize);
    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
    let count = Arc::new(Count(AtomicUsize::new(0)));
    let waker = Waker::from(count.clone());
    let mut context = Context::from_waker(&waker);
    let (mut deferred, firer) = Deferred::<u32>::new();
    assert!(Pin::new(&mut deferred).poll(&mut Context::from_waker(Waker::noop())).is_pending());
    assert!(Pin::new(&mut deferred).poll(&mut context).is_pending(), "the last waker counts");
    firer.callback(3).unwrap();
    assert_eq!(count.0.load(Ordering::Relaxed), 1);
    assert!(deferred.has_fired());
    match Pin::new(&mut deferred).poll(&mut context) {
        Poll::Ready(result) => assert_eq!(result.unwrap(), 3),
        Poll::Pending => panic!("it has fired"),
    }
    drop((waker, deferred));
    assert_eq!(Arc::strong_count(&count), 1, "no waker is left over");
}

#[test]
fn a_combinator_with_wakers_of_its_own_polls_only_what_has_fired() {
    let polls = Arc::new(AtomicUsize::new(0));
    let counted = polls.clone();
    let (inputs, firers): (Vec<_>, Vec<_>) = (0..10).map(|_| Deferred::<u32>::new()).unzip();
    let sum = Deferred::from_future(async move {
        let outputs = join_all(inputs, &counted).await;
        outputs.into_iter().sum::<Result<u32, Failure>>()
    });
    for (n, firer) in (0..10).zip(&firers).rev() {
        assert!(!sum.has_fired());
        firer.callback(n).unwrap();
    }
    assert_eq!(sum.result(), Some(45));
    assert_eq!(polls.load(Ordering::Relaxed), 20, "each when it began and when it was fired");
}

#[test]
fn a_combinator_in_a_coroutine_is_cancelled_with_all_that_it_waits_for() {
    let (inputs, firers): (Vec<_>, Vec<_>) = (0..10).map(|_| Deferred::<u32>::new()).unzip();
    let all = Deferred::from_future(async move {
        let outputs = join_all(inputs, &AtomicUsize::new(0)).await;
        Ok(outputs.into_iter().filter(Result::is_err).count())
    });
    firers[3].callback(1).unwrap();
    all.cancel();
    assert!(firers.iter().all(reactor::Firer::called));
    assert_eq!(all.result(), Some(9));
}

#[test]
fn coroutines_in_a_combinator_in_a_coroutine_go_on_one_by_one() {
    let (inputs, firers): (Vec<_>, Vec<_>) = (0..10).map(|_| Deferred::<u32>::new()).unzip();
    let bodies = inputs.into_iter().map(|input| Deferred::from_future(async move { Ok(input.await? * 2) })).collect();
    let sum = Deferred::from_future(async move {
        join_all(bodies, &AtomicUsize::new(0)).await.into_iter().sum::<Result<u32, Failure>>()
    });
    for firer in firers {
        firer.callback(1).unwrap();
    }
    assert_eq!(sum.result(), Some(20));
}

#[test]
fn a_combinator_mixes_deferreds_with_other_futures() {
    let (deferred, firer) = Deferred::<u32>::new();
    let (sender, receiver) = oneshot::<u32>();
    let (late, receive_late) = oneshot::<u32>();
    let chain = Deferred::from_future(async move {
        let other = Box::pin(async move { Ok(receiver.await) });
        let (first, deferred, _) = select(deferred, other).await;
        let late = Box::pin(async move { Ok(receive_late.await) });
        let (second, _, late) = select(deferred, late).await;
        Ok((first?, second?, late.await?))
    });
    sender.send(1);
    firer.callback(2).unwrap();
    assert!(!chain.has_fired());
    late.send(3);
    assert_eq!(chain.result(), Some((1, 2, 3)));
}

#[test]
fn a_deferred_that_is_polled_by_an_executor_inside_of_a_body_does_not_disturb_the_body() {
    let (outer, fire_outer) = Deferred::<u32>::new();
    let chain = Deferred::from_future(async move {
        let (inner, fire_inner) = Deferred::<u32>::new();
        let mut inner = inner;
        let waker = Waker::noop();
        assert!(Pin::new(&mut inner).poll(&mut Context::from_waker(waker)).is_pending());
        fire_inner.callback(1)?;
        let one = block_on(inner)?;
        Ok(one + outer.await?)
    });
    fire_outer.callback(2).unwrap();
    assert_eq!(chain.result(), Some(3));
}

#[test]
fn a_thread_with_an_executor_and_no_reactor_has_deferreds_of_its_own() {
    let sum = thread::spawn(|| {
        block_on(async {
            let (inputs, firers): (Vec<_>, Vec<_>) = (0..3).map(|_| Deferred::<u32>::new()).unzip();
            let all = gather_results(inputs, Others::Cancel);
            for (n, firer) in (1..).zip(firers) {
                firer.callback(n)?;
            }
            Ok::<u32, Failure>(all.await?.into_iter().sum())
        })
        .ok()
    });
    assert_eq!(sum.join().unwrap(), Some(6));
}

#[test]
fn a_select_ends_with_the_child_that_is_ready() {
    let (never, _firer) = Deferred::<u32>::new();
    let chain = Deferred::from_future(async move {
        let (first, never, _) = select(never, succeed(4)).await;
        never.cancel();
        assert_eq!(never.await.unwrap_err().to_string(), "cancelled");
        first
    });
    assert_eq!(outcome(chain), "4");
}
