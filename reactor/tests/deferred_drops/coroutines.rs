//! Coroutines: the future is dropped with what it waits for, its Deferred with the code that holds it.

use super::{Drops, Guard, guarded, leaves_nothing};
use reactor::deferred::{DeferredLock, succeed};
use reactor::{Deferred, Failure, Firer};
use std::cell::Cell;
use std::future::{pending, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

type Body = fn(Deferred<Guard>, &Drops) -> Deferred<Guard>;

const BODIES: [(&str, Body); 6] = [
    ("one await", |source, drops| {
        let guard = drops.guard();
        Deferred::from_future(async move {
            let _guard = guard;
            source.await
        })
    }),
    ("a chain awaited", |source, drops| {
        let (guard, source) = (drops.guard(), guarded(source, drops));
        guarded(
            Deferred::from_future(async move {
                let _guard = guard;
                source.await
            }),
            drops,
        )
    }),
    ("nested", |source, drops| {
        let (outer, inner) = (drops.guard(), drops.guard());
        let inner = Deferred::from_future(async move {
            let _inner = inner;
            source.await
        });
        Deferred::from_future(async move {
            let _outer = outer;
            inner.await
        })
    }),
    ("given back", |source, drops| {
        let guard = drops.guard();
        let (begin, firer) = Deferred::<()>::new();
        let chain = begin.add_callback(move |()| {
            Deferred::from_future(async move {
                let _guard = guard;
                source.await
            })
        });
        firer.callback(()).unwrap();
        guarded(chain, drops)
    }),
    ("a cancel is taken and more awaited", |source, drops| {
        let (guard, kept) = (drops.guard(), drops.guard());
        // Its Firer is lost; held by the body, it would keep the body that awaits it.
        let (more, _) = Deferred::<Guard>::with_canceller(move |_| drop(kept));
        Deferred::from_future(async move {
            let _guard = guard;
            match source.await {
                Ok(value) => Ok(value),
                Err(_) => more.await,
            }
        })
    }),
    ("given up and awaited again", |source, drops| {
        let guard = drops.guard();
        Deferred::from_future(async move {
            let (_guard, mut source) = (guard, source);
            poll_fn(|context| {
                assert!(Pin::new(&mut source).poll(context).is_pending());
                std::task::Poll::Ready(())
            })
            .await;
            source.add_callback(Ok).await
        })
    }),
];

type Way = fn(Deferred<Guard>, Firer<Guard>, &Drops);

const WAYS: [(&str, Way); 9] = [
    ("fired", |chain, firer, drops| {
        firer.callback(drops.guard()).unwrap();
        drop((chain, firer));
    }),
    ("failed", |chain, firer, _| {
        firer.errback(Failure::msg("no")).unwrap();
        drop((firer, chain));
    }),
    ("Deferred dropped, then fired", |chain, firer, drops| {
        drop(chain);
        firer.callback(drops.guard()).unwrap();
    }),
    ("Deferred dropped, then failed", |chain, firer, _| {
        drop(chain);
        firer.errback(Failure::msg("no")).unwrap();
    }),
    ("cancelled", |chain, firer, _| {
        chain.cancel();
        drop((chain, firer));
    }),
    ("cancelled twice, with the Firer gone", |chain, firer, _| {
        drop(firer);
        chain.cancel();
        chain.cancel();
        drop(chain);
    }),
    ("both lost, the Firer first", |chain, firer, _| {
        drop(firer);
        drop(chain);
    }),
    ("both lost, the Deferred first", |chain, firer, _| {
        drop(chain);
        drop(firer);
    }),
    ("paused, fired and lost", |mut chain, firer, drops| {
        let pause = chain.pause();
        firer.callback(drops.guard()).unwrap();
        drop(firer);
        drop(chain);
        drop(pause);
    }),
];

#[test]
fn a_coroutine_is_gone_with_its_ends_whatever_happened_to_it() {
    for (body_name, body) in BODIES {
        for (way_name, way) in WAYS {
            leaves_nothing(&format!("{body_name}, {way_name}"), |drops| {
                let guard = drops.guard();
                let (source, firer) = Deferred::<Guard>::with_canceller(move |_| drop(guard));
                way(body(source, drops), firer, drops);
            });
            leaves_nothing(&format!("{body_name}, without a canceller, {way_name}"), |drops| {
                let (source, firer) = Deferred::<Guard>::new();
                way(guarded(body(source, drops), drops), firer, drops);
            });
        }
    }
}

#[test]
fn a_coroutine_that_awaits_something_else_is_gone_with_its_deferred() {
    for cancelled in [true, false] {
        leaves_nothing("something else", |drops| {
            let guard = drops.guard();
            let chain = Deferred::<Guard>::from_future(async move {
                let _guard = guard;
                pending().await
            });
            let chain = guarded(chain, drops);
            if cancelled {
                chain.cancel();
            }
            drop(chain);
        });
    }
}

#[test]
fn a_coroutine_that_has_ended_at_once_keeps_nothing() {
    leaves_nothing("at once", |drops| {
        let (value, guard) = (drops.guard(), drops.guard());
        let chain = Deferred::from_future(async move {
            let _guard = guard;
            succeed(value).await
        });
        assert_eq!(drops.count(), 1, "the body is gone");
        drop(chain);
    });
}

#[test]
fn a_waker_keeps_the_body_and_the_last_one_lets_it_go() {
    for deferred_first in [true, false] {
        leaves_nothing("waker", |drops| {
            let guard = drops.guard();
            let lent: Rc<std::cell::RefCell<Vec<Waker>>> = Rc::default();
            let lend = lent.clone();
            let chain = Deferred::<Guard>::from_future(async move {
                let _guard = guard;
                poll_fn(|context| {
                    lend.borrow_mut().push(context.waker().clone());
                    std::task::Poll::Pending
                })
                .await
            });
            let wakers = lent.take();
            if deferred_first {
                drop(chain);
                assert_eq!(drops.count(), 0);
                drop(wakers);
            } else {
                drop(wakers);
                drop(chain);
            }
        });
    }
}

#[test]
fn what_is_polled_outside_keeps_nothing() {
    for (name, way) in WAYS {
        leaves_nothing(name, |drops| {
            let (source, firer) = Deferred::<Guard>::new();
            let mut chain = guarded(source, drops);
            let context = &mut Context::from_waker(Waker::noop());
            assert!(Pin::new(&mut chain).poll(context).is_pending());
            way(chain, firer, drops);
        });
    }
}

#[test]
fn a_lock_that_a_body_holds_is_released_when_the_body_goes() {
    for (name, way) in WAYS {
        leaves_nothing(name, |drops| {
            let lock = DeferredLock::new();
            let (source, firer) = Deferred::<Guard>::new();
            let own = lock.clone();
            let chain = Deferred::from_future(async move {
                let _held = own.acquire().await?;
                source.await
            });
            let guard = drops.guard();
            let next = lock.acquire().add_callback(move |_held| drop(guard));
            way(chain, firer, drops);
            assert!(next.has_fired() && !lock.is_locked(), "{name}");
        });
    }
}

#[test]
fn a_body_that_holds_its_own_waker_is_gone_once_it_is_cancelled() {
    leaves_nothing("own waker", |drops| {
        let guard = drops.guard();
        let chain = Deferred::<()>::from_future(async move {
            let _guard = guard;
            let own = Cell::new(None);
            poll_fn(move |context| {
                own.set(Some(context.waker().clone()));
                Poll::Pending
            })
            .await
        });
        assert_eq!(drops.count(), 0);
        chain.cancel();
        assert_eq!(drops.count(), 1);
        drop(chain.add_errback(|_| Ok(())));
    });
}

#[test]
fn a_body_that_waits_for_a_shared_result_is_gone_once_that_is_lost_or_it_is_cancelled() {
    for handle_inside in [true, false] {
        leaves_nothing("shared", |drops| {
            let guard = drops.guard();
            let (source, firer) = Deferred::<u32>::new();
            let shared = guarded_number(source, drops).share();
            let chain = if handle_inside {
                Deferred::from_future(async move {
                    let _guard = guard;
                    shared.wait().await
                })
            } else {
                let answer = shared.wait();
                drop(shared);
                Deferred::from_future(async move {
                    let _guard = guard;
                    answer.await
                })
            };
            if handle_inside {
                chain.cancel();
            }
            drop((firer, chain));
            assert_eq!(drops.count(), 2);
        });
    }
}

fn guarded_number(source: Deferred<u32>, drops: &Drops) -> Deferred<u32> {
    let guard = drops.guard();
    source.add_callback(move |n| {
        drop(guard);
        Ok(n)
    })
}
