//! What an `await` gives, whatever is awaited.

use super::{Events, outcome};
use reactor::deferred::{DeferredLock, DeferredQueue, Others, deferred_list, fail, gather_results, race, succeed};
use reactor::error::CircularWaitError;
use reactor::testing::{ManualClock, collect_unhandled};
use reactor::{Deferred, Failure, TimeoutError};
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

#[test]
fn a_body_that_waits_for_nothing_has_ended_when_it_is_started() {
    assert_eq!(Deferred::from_future(async { Ok(5) }).result(), Some(5));
    assert_eq!(outcome(Deferred::<()>::from_future(async { Err(Failure::msg("no")) })), "failed: no");
}

#[test]
fn an_await_of_a_fired_deferred_goes_on_at_once() {
    let sum = Deferred::from_future(async {
        let failed = fail::<u32>(Failure::msg("no")).await;
        assert_eq!(failed.unwrap_err().to_string(), "no");
        Ok(succeed(1).await? + succeed(2).add_callback(|n| succeed(n * 10)).await?)
    });
    assert_eq!(sum.result(), Some(21));
}

#[test]
fn unfired_deferreds_are_awaited_one_after_the_other() {
    let (first, fire_first) = Deferred::<u32>::new();
    let (second, fire_second) = Deferred::<u32>::new();
    let sum = Deferred::from_future(async { Ok(first.await? + second.await?) });
    assert!(!sum.has_fired());
    fire_second.callback(2).unwrap();
    assert!(!sum.has_fired());
    fire_first.callback(1).unwrap();
    assert_eq!(sum.result(), Some(3));
}

#[test]
fn an_awaited_failure_is_handled_by_the_await() {
    for fire_first in [true, false] {
        let unhandled = collect_unhandled(|| {
            let (deferred, firer) = Deferred::<u32>::new();
            if fire_first {
                firer.errback(Failure::msg("no")).unwrap();
            }
            let chain = Deferred::from_future(async move { Ok(deferred.await.unwrap_or(7)) });
            if !fire_first {
                firer.errback(Failure::msg("no")).unwrap();
            }
            assert_eq!(chain.result(), Some(7));
        });
        assert!(unhandled.is_empty(), "fired first: {fire_first}, {unhandled:?}");
    }
}

#[test]
fn a_failure_that_nobody_handled_is_reported_once_with_its_way_through_the_coroutines() {
    let unhandled = collect_unhandled(|| {
        let (deferred, firer) = Deferred::<u32>::new();
        let inner = Deferred::from_future(async move { deferred.await });
        let outer = Deferred::from_future(async move { inner.await });
        firer.errback(Failure::msg("no")).unwrap();
        drop(outer);
    });
    assert_eq!(unhandled.len(), 1);
    let report = unhandled[0].report();
    assert_eq!(report.matches("awaited at ").count(), 2, "{report}");
    assert_eq!(report.matches("in the coroutine started at ").count(), 2, "{report}");
}

#[test]
fn a_paused_deferred_is_awaited_until_its_pause_ends() {
    for fire_first in [true, false] {
        let (mut deferred, firer) = Deferred::<u32>::new();
        if fire_first {
            firer.callback(1).unwrap();
        }
        let pause = deferred.pause();
        let chain = Deferred::from_future(async move { deferred.await });
        if !fire_first {
            firer.callback(1).unwrap();
        }
        assert!(!chain.has_fired());
        pause.unpause();
        assert_eq!(chain.result(), Some(1), "fired first: {fire_first}");
    }
}

#[test]
fn a_pause_of_a_coroutine_holds_back_its_callbacks_and_not_its_body() {
    let events = Events::default();
    let (deferred, firer) = Deferred::<()>::new();
    let body = events.clone();
    let mut coroutine = Deferred::from_future(async move {
        deferred.await?;
        body.note("body");
        Ok(())
    });
    let pause = coroutine.pause();
    let after = events.clone();
    let chain = coroutine.add_callback(move |()| after.note("callback"));
    firer.callback(()).unwrap();
    assert_eq!(events.take(), ["body"]);
    pause.unpause();
    assert_eq!(events.take(), ["callback"]);
    assert_eq!(chain.result(), Some(()));
}

#[test]
fn a_chain_that_waits_for_a_returned_deferred_is_awaited_to_its_end() {
    for fire_outer_first in [true, false] {
        let (inner, fire_inner) = Deferred::<u32>::new();
        let (outer, fire_outer) = Deferred::<()>::new();
        if fire_outer_first {
            fire_outer.callback(()).unwrap();
        }
        let chain = outer.add_callback(move |()| inner);
        let bare = Deferred::from_future(async move { chain.await });
        if !fire_outer_first {
            fire_outer.callback(()).unwrap();
        }
        fire_inner.callback(1).unwrap();
        assert_eq!(bare.result(), Some(1), "outer first: {fire_outer_first}");
    }
}

#[test]
fn a_callback_may_return_a_coroutine_and_a_coroutine_may_await_a_chain_of_them() {
    let (deferred, firer) = Deferred::<u32>::new();
    let chain = succeed(())
        .add_callback(move |()| Deferred::from_future(async move { Ok(deferred.await? + 1) }))
        .add_callback(|n| Deferred::from_future(async move { Ok(succeed(n).await? * 10) }));
    let outer = Deferred::from_future(async move { Ok(chain.await? + 5) });
    firer.callback(1).unwrap();
    assert_eq!(outer.result(), Some(25));
}

#[test]
fn lists_and_races_are_awaited() {
    let new = Deferred::<u32>::new;
    let ((a, fire_a), (b, fire_b), (c, fire_c), (d, fire_d)) = (new(), new(), new(), new());
    let all = Deferred::from_future(async move {
        let mut seen = Vec::new();
        let (index, first) = race([a, b], Others::Cancel).await?;
        seen.push(format!("{index} {first}"));
        let list = deferred_list([c, fail(Failure::msg("no"))]).await?;
        seen.push(format!("{:?}", list.into_iter().map(Result::ok).collect::<Vec<_>>()));
        let failed = gather_results([d, fail(Failure::msg("no"))], Others::LeaveRunning).await;
        seen.push(failed.unwrap_err().to_string());
        Ok(seen)
    });
    fire_b.callback(2).unwrap();
    assert!(fire_a.called(), "the loser was cancelled");
    fire_c.callback(3).unwrap();
    assert_eq!(all.result().unwrap(), ["1 2", "[Some(3), None]", "input 1 failed: no"]);
    fire_d.callback(4).unwrap();
}

#[test]
fn a_lock_is_held_until_the_body_drops_it() {
    let (lock, events) = (DeferredLock::new(), Events::default());
    let (work, firer) = Deferred::<()>::new();
    let mut work = Some(work);
    let running: Vec<_> = ["first", "second"]
        .map(|name| {
            let (lock, events, work) = (lock.clone(), events.clone(), work.take());
            Deferred::from_future(async move {
                let held = lock.acquire().await?;
                events.note(format!("{name} in"));
                if let Some(work) = work {
                    work.await?;
                }
                events.note(format!("{name} out"));
                drop(held);
                events.note(format!("{name} ends"));
                Ok(())
            })
        })
        .into();
    assert_eq!(events.take(), ["first in"]);
    firer.callback(()).unwrap();
    assert_eq!(events.take(), ["first out", "second in", "second out", "second ends", "first ends"]);
    assert!(!lock.is_locked() && running.iter().all(Deferred::has_fired));
}

#[test]
fn a_queue_is_read_in_a_loop() {
    let queue = DeferredQueue::<u32>::bounded(2, 1);
    queue.put(1).unwrap();
    let items = queue.clone();
    let sum = Deferred::from_future(async move {
        let mut sum = 0;
        loop {
            match items.get().await? {
                0 => return Ok(sum),
                item => sum += item,
            }
        }
    });
    for item in [2, 3, 0] {
        assert!(!sum.has_fired());
        queue.put(item).unwrap();
    }
    assert_eq!(sum.result(), Some(6));
}

#[test]
fn a_timeout_comes_out_of_the_await() {
    let clock = ManualClock::new();
    let own = clock.clone();
    let (never, _firer) = Deferred::<u32>::new();
    let chain = Deferred::from_future(async move {
        let late = never.add_timeout(Duration::from_secs(3), &own).await.unwrap_err();
        assert!(late.check::<TimeoutError>().is_some(), "{late}");
        Ok(7)
    });
    clock.advance(Duration::from_secs(3));
    assert_eq!(chain.result(), Some(7));
}

#[test]
fn a_coroutine_that_awaits_its_own_deferred_fails() {
    let (begin, fire_begin) = Deferred::<()>::new();
    let own: Rc<RefCell<Option<Deferred<u32>>>> = Rc::default();
    let taken = own.clone();
    let coroutine = Deferred::from_future(async move {
        begin.await?;
        let own = taken.take().expect("it was put there").add_callback(|n| Ok(n + 1));
        let failure = own.await.unwrap_err();
        assert!(failure.check::<CircularWaitError>().is_some(), "{failure}");
        assert!(failure.report().contains("awaiting.rs"), "{}", failure.report());
        Ok(5)
    });
    *own.borrow_mut() = Some(coroutine);
    fire_begin.callback(()).unwrap();
    assert!(own.borrow().is_none());
}

#[test]
fn a_coroutine_that_awaits_a_chain_which_waits_for_it_fails() {
    let (begin, fire_begin) = Deferred::<()>::new();
    let chain: Rc<RefCell<Option<Deferred<u32>>>> = Rc::default();
    let taken = chain.clone();
    let coroutine = Deferred::from_future(async move {
        begin.await?;
        let chain = taken.take().expect("it was put there");
        let failure = chain.await.unwrap_err();
        assert!(failure.check::<CircularWaitError>().is_some(), "{failure}");
        Ok(5)
    });
    *chain.borrow_mut() = Some(succeed(()).add_callback(move |()| coroutine).add_callback(Ok));
    fire_begin.callback(()).unwrap();
    assert!(chain.borrow().is_none());
}
