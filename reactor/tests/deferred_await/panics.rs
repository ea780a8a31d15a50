//! A panic in a body: the rest is told, and then the panic goes on to the code that fired.

use super::{Drops, outcome};
use reactor::error::PanicError;
use reactor::testing::collect_unhandled;
use reactor::{Deferred, Failure};
use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

fn panics(work: impl FnOnce()) -> String {
    let payload = catch_unwind(AssertUnwindSafe(work)).expect_err("it panics");
    payload.downcast_ref::<&str>().expect("panics of the tests are plain text").to_string()
}

#[test]
fn a_panic_before_the_first_wait_goes_to_the_code_that_started_the_body() {
    let drops = Drops::default();
    let guard = drops.guard();
    let _ = collect_unhandled(|| {
        let text = panics(|| {
            Deferred::from_future(async move {
                let _guard = guard;
                if drops_nothing() {
                    panic!("at once");
                }
                Ok(())
            })
            .detach();
        });
        assert_eq!(text, "at once");
    });
    assert_eq!(drops.count(), 1);
}

/// Always true; the compiler need not know.
fn drops_nothing() -> bool {
    std::hint::black_box(true)
}

#[test]
fn a_panic_after_a_wait_resumes_in_the_firing_code_when_the_chain_has_run() {
    let drops = Drops::default();
    let (guard, kept) = (drops.guard(), drops.guard());
    let (deferred, firer) = Deferred::<u32>::new();
    let chain = Deferred::from_future(async move {
        let _guard = guard;
        match deferred.await? {
            0 => panic!("in the body"),
            n => Ok(n),
        }
    })
    .add_errback(move |failure| {
        drop(kept);
        assert_eq!(failure.trap::<PanicError>()?.message, "in the body");
        Ok(9)
    });
    assert_eq!(panics(|| firer.callback(0).unwrap()), "in the body");
    assert_eq!((drops.count(), chain.result()), (2, Some(9)));
}

#[test]
fn code_that_awaits_the_body_gets_its_panic_as_a_failure() {
    let (deferred, firer) = Deferred::<u32>::new();
    let inner = Deferred::from_future(async move {
        match deferred.await? {
            0 => panic!("in the body"),
            n => Ok(n),
        }
    });
    let outer = Deferred::from_future(async move {
        let failure = inner.await.unwrap_err();
        assert!(failure.check::<PanicError>().is_some(), "{failure}");
        Ok(9)
    });
    assert_eq!(panics(|| firer.callback(0).unwrap()), "in the body");
    assert_eq!(outer.result(), Some(9));
}

#[test]
fn a_panic_in_a_drop_at_the_end_of_the_body_makes_its_value_a_failure() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("in a drop");
        }
    }
    let (deferred, firer) = Deferred::<()>::new();
    let mut bomb = Some(Bomb);
    // Not dropped by its code, but with the future itself.
    let mut deferred = deferred;
    let chain = Deferred::from_future(std::future::poll_fn(move |context| {
        let _ = &mut bomb;
        std::pin::Pin::new(&mut deferred).poll(context)
    }));
    assert_eq!(panics(|| firer.callback(()).unwrap()), "in a drop");
    assert_eq!(outcome(chain), "failed: a callback panicked: in a drop");
}

#[test]
fn the_panic_of_a_canceller_comes_out_of_the_cancel_and_the_body_goes_on() {
    let (deferred, _firer) = Deferred::<u32>::with_canceller(|_| panic!("in the canceller"));
    let chain = Deferred::from_future(async move { deferred.await.or(Ok(4)) });
    assert_eq!(panics(|| chain.cancel()), "in the canceller");
    assert_eq!(chain.result(), Some(4));
}

#[test]
fn after_a_panic_other_coroutines_run_as_before() {
    let (deferred, firer) = Deferred::<u32>::new();
    let bad = Deferred::from_future(async move {
        match deferred.await? {
            0 => panic!("in the body"),
            n => Ok(n),
        }
    })
    .add_errback(|_| Ok(0));
    panics(|| firer.callback(0).unwrap());
    let (deferred, firer) = Deferred::<u32>::new();
    let good = Deferred::from_future(async move { Ok::<_, Failure>(deferred.await? + 1) });
    firer.callback(1).unwrap();
    assert_eq!((bad.result(), good.result()), (Some(0), Some(2)));
}

#[test]
fn the_panic_of_a_foreign_waker_resumes_when_the_other_waiters_were_served() {
    struct Panics;
    impl Wake for Panics {
        fn wake(self: Arc<Self>) {
            panic!("in the waker");
        }
    }
    let (source, firer) = Deferred::<u32>::new();
    let shared = source.share();
    let (mut awaited, second) = (pin!(shared.wait()), shared.wait());
    let waker = Waker::from(Arc::new(Panics));
    assert!(awaited.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    assert_eq!(panics(|| firer.callback(4).unwrap()), "in the waker");
    assert_eq!((awaited.has_fired(), outcome(second).as_str()), (true, "4"));
}

#[test]
fn a_coroutine_that_a_foreign_waker_wakes_before_it_panics_goes_on() {
    struct RousesAndPanics(Waker);
    impl Wake for RousesAndPanics {
        fn wake(self: Arc<Self>) {
            self.0.wake_by_ref();
            panic!("in the waker");
        }
    }
    let (lent, polls) = (Rc::new(RefCell::new(None)), Rc::new(Cell::new(0)));
    let (lend, count) = (lent.clone(), polls.clone());
    let body = Deferred::<()>::from_future(poll_fn(move |context| {
        count.set(count.get() + 1);
        *lend.borrow_mut() = Some(context.waker().clone());
        Poll::Pending
    }));
    let (mut source, firer) = Deferred::<u32>::new();
    let waker = Waker::from(Arc::new(RousesAndPanics(lent.take().unwrap())));
    assert!(pin!(&mut source).poll(&mut Context::from_waker(&waker)).is_pending());
    assert_eq!(panics(|| firer.callback(4).unwrap()), "in the waker");
    assert_eq!((polls.get(), outcome(source).as_str()), (2, "4"));
    let waker: Waker = lent.take().unwrap();
    waker.wake();
    assert_eq!(polls.get(), 3, "and wakes are heard as before");
    body.cancel();
    body.add_errback(|_| Ok(())).detach();
}
