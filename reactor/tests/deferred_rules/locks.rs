//! 1d, DeferredLock and DeferredSemaphore.

use crate::*;
use reactor::CancelledError;
use reactor::deferred::{DeferredLock, DeferredSemaphore, Permit};
use std::num::NonZeroUsize;

fn semaphore(tokens: usize) -> DeferredSemaphore {
    DeferredSemaphore::new(NonZeroUsize::new(tokens).expect("tests ask for one at least"))
}

fn held(deferred: Deferred<Permit>) -> Permit {
    deferred.result().expect("it is our turn")
}

#[test]
fn lock_acquire_fires_at_once_if_nobody_has_it() {
    let lock = DeferredLock::new();
    assert!(!lock.is_locked());
    let first = held(lock.acquire());
    assert!(lock.is_locked() && !lock.acquire().has_fired());
    drop(first);
    assert!(!lock.is_locked());
}

#[test]
fn lock_release_hands_the_lock_straight_to_the_oldest_waiter() {
    let lock = DeferredLock::new();
    let first = held(lock.acquire());
    let waiters: Vec<_> = (0..3).map(|_| lock.acquire()).collect();
    assert_eq!(lock.waiting_count(), 3);
    drop(first);
    for (index, waiter) in waiters.into_iter().enumerate() {
        assert!(lock.is_locked());
        assert_eq!(lock.waiting_count(), 2 - index);
        drop(held(waiter));
    }
    assert!(!lock.is_locked());
}

#[test]
fn lock_release_without_holding_it_cannot_be_written() {
    // In Twisted it is an AssertionError. Here there is only what `acquire` gave, which is released once.
    let lock = DeferredLock::new();
    let acquired = held(lock.acquire());
    let release: fn(Permit) = drop;
    release(acquired);
    assert!(!lock.is_locked());
}

#[test]
fn lock_cancel_of_a_waiting_acquire_removes_it() {
    let lock = DeferredLock::new();
    let first = held(lock.acquire());
    let (second, third) = (lock.acquire(), lock.acquire());
    second.cancel();
    assert_eq!(lock.waiting_count(), 1);
    assert!(failure_of(second).check::<CancelledError>().is_some());
    drop(first);
    assert!(third.has_fired() && lock.is_locked());
}

#[test]
fn lock_cancel_after_it_was_acquired_does_nothing() {
    let lock = DeferredLock::new();
    for waited in [false, true] {
        let before = waited.then(|| lock.acquire());
        let acquired = lock.acquire();
        drop(before);
        acquired.cancel();
        assert!(lock.is_locked());
        drop(held(acquired));
        assert!(!lock.is_locked());
    }
}

#[test]
fn lock_run_releases_on_success_failure_and_cancel_and_passes_the_result_on() {
    let ends: [(End<u32>, &str); 3] = [
        (|_, firer| firer.callback(1).unwrap(), "1"),
        (|_, firer| firer.errback(boom()).unwrap(), "failed: boom"),
        (|chain, _| chain.cancel(), "failed: cancelled"),
    ];
    for (end, expected) in ends {
        let lock = DeferredLock::new();
        let (work, firer) = Deferred::<u32>::new();
        let released = lock.clone();
        let chain = lock.run(move || work).add_both(move |result| {
            assert!(!released.is_locked(), "it is released before the result is passed on");
            result
        });
        let next = lock.run(|| Ok(2));
        assert!(lock.is_locked() && !next.has_fired());
        end(&chain, &firer);
        assert_eq!((outcome(chain), next.result()), (expected.to_owned(), Some(2)));
        assert!(!lock.is_locked());
    }
}

#[test]
fn lock_run_releases_when_the_function_fails_or_panics() {
    let lock = DeferredLock::new();
    assert_eq!(outcome(lock.run(|| Err::<u32, _>(boom().into()))), "failed: boom");
    assert!(!lock.is_locked());
    let held = held(lock.acquire());
    let chain = lock.run(|| -> Result<u32, Failure> { panic!("ouch") });
    assert_eq!(panic_of(|| drop(held)), "ouch");
    assert!(!lock.is_locked());
    assert_eq!(outcome(chain), "failed: a callback panicked: ouch");
}

#[test]
fn lock_run_cancelled_while_it_waits_does_not_call_the_function() {
    let lock = DeferredLock::new();
    let first = held(lock.acquire());
    let chain = lock.run(|| -> Result<(), Failure> { panic!("it was cancelled") });
    chain.cancel();
    drop(first);
    assert_eq!(outcome(chain), "failed: cancelled");
    assert!(!lock.is_locked());
}

#[test]
fn lock_permit_is_a_guard_in_an_async_block() {
    let lock = DeferredLock::new();
    let (work, firer) = Deferred::<u32>::new();
    let own = lock.clone();
    let chain = Deferred::from_future(async move {
        let _held = own.acquire().await?;
        work.await
    });
    assert!(lock.is_locked());
    firer.errback(boom()).unwrap();
    assert!(!lock.is_locked());
    assert_eq!(outcome(chain), "failed: boom");
}

#[test]
fn semaphore_hands_out_all_its_tokens_and_then_hands_them_on_in_order() {
    let doors = semaphore(3);
    let inside: Vec<_> = (0..3).map(|_| held(doors.acquire())).collect();
    assert_eq!((doors.free_tokens(), doors.limit().get()), (0, 3));
    let (fourth, fifth) = (doors.acquire(), doors.acquire());
    assert_eq!(doors.waiting_count(), 2);
    let mut inside = inside.into_iter();
    drop(inside.next());
    assert!(fourth.has_fired() && !fifth.has_fired());
    drop(inside.next());
    assert!(fifth.has_fired());
    assert_eq!(doors.free_tokens(), 0);
    drop((inside, held(fourth), held(fifth)));
    assert_eq!(doors.free_tokens(), 3);
}

#[test]
fn semaphore_over_release_cannot_be_written() {
    // In Twisted it is an AssertionError. Here it has as many tokens as there are Acquireds, and never more.
    let doors = semaphore(2);
    for _ in 0..10 {
        drop(held(doors.acquire()));
        assert_eq!(doors.free_tokens(), doors.limit().get());
    }
}

#[test]
fn semaphore_cancel_removes_a_waiter_and_does_nothing_once_acquired() {
    let doors = semaphore(1);
    let first = doors.acquire();
    first.cancel();
    let (second, third) = (doors.acquire(), doors.acquire());
    second.cancel();
    assert!(failure_of(second).check::<CancelledError>().is_some());
    assert_eq!((doors.free_tokens(), doors.waiting_count()), (0, 1));
    drop(held(first));
    drop(held(third));
    assert_eq!(doors.free_tokens(), 1);
}

#[test]
fn semaphore_run_limits_how_many_run_at_once() {
    let doors = semaphore(2);
    let (works, firers) = pending::<u32>(4);
    let running = Rc::new(Cell::new(0));
    let chains: Vec<_> = works
        .into_iter()
        .map(|work| {
            let running = running.clone();
            doors.run(move || {
                running.set(running.get() + 1);
                work.add_both(move |result| {
                    running.set(running.get() - 1);
                    result
                })
            })
        })
        .collect();
    for (index, firer) in firers.iter().enumerate() {
        assert_eq!(running.get(), if index < 3 { 2 } else { 1 });
        firer.callback(index as u32).unwrap();
    }
    let results: Vec<_> = chains.into_iter().map(Deferred::result).collect();
    assert_eq!(results, [Some(0), Some(1), Some(2), Some(3)]);
    assert_eq!(doors.free_tokens(), 2);
}

#[test]
fn lock_release_inside_a_callback_runs_the_next_waiter_before_it_returns() {
    let (events, lock) = (Events::default(), DeferredLock::new());
    let before = held(lock.acquire());
    let (mine, next) = (events.clone(), events.clone());
    let a = lock.acquire().add_callback(move |held| {
        note(&mine, "a in");
        drop(held);
        note(&mine, "a out");
    });
    let b = lock.acquire().add_callback(move |_held| note(&next, "b"));
    drop(before);
    assert_eq!(events.take(), ["a in", "b", "a out"]);
    assert!(!lock.is_locked());
    drop((a, b));
}

#[test]
fn lock_run_runs_the_next_waiters_before_its_own_result_is_passed_on() {
    let (events, lock) = (Events::default(), DeferredLock::new());
    let before = held(lock.acquire());
    let (work, firer) = Deferred::<()>::new();
    let mut first_work = Some(work);
    let runs: Vec<_> = (1..=3)
        .map(|number| {
            let (events, result, work) = (events.clone(), events.clone(), first_work.take());
            let run = lock.run(move || {
                note(&events, format!("work {number}"));
                work.unwrap_or_else(|| reactor::deferred::succeed(()))
            });
            run.add_callback(move |()| note(&result, format!("result {number}")))
        })
        .collect();
    drop(before);
    assert_eq!(events.take(), ["work 1"]);
    firer.callback(()).unwrap();
    assert_eq!(events.take(), ["work 2", "work 3", "result 3", "result 2", "result 1"]);
    assert!(runs.iter().all(Deferred::has_fired) && !lock.is_locked());
}
