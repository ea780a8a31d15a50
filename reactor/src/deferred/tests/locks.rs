//! Locks and semaphores: which waiter gets in, when, and that nothing is ever lost.

use super::*;
use crate::deferred::{Canceller, DeferredLock, DeferredSemaphore, Pause, Permit};
use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind};

fn semaphore(limit: usize) -> DeferredSemaphore {
    DeferredSemaphore::new(NonZeroUsize::new(limit).expect("the tests ask for one at least"))
}

/// Notes `name` when it gets the lock, and keeps it in the chain's result.
fn queue_up(events: &Events, lock: &DeferredLock, name: &'static str) -> Deferred<Permit> {
    let events = events.clone();
    lock.acquire().add_callback(move |held| {
        note(&events, name);
        Ok(held)
    })
}

#[test]
fn a_waiter_that_was_dropped_loses_no_token() {
    let (events, lock) = (Events::default(), DeferredLock::new());
    let a = queue_up(&events, &lock, "a");
    drop(lock.acquire());
    let c = queue_up(&events, &lock, "c");
    drop(lock.acquire());
    drop(a);
    assert_eq!(events.take(), ["a", "c"]);
    drop(c);
    assert_eq!((lock.is_locked(), lock.waiting_count()), (false, 0));
}

#[test]
fn nobody_overtakes_a_waiter_when_a_callback_releases() {
    let (events, lock) = (Events::default(), DeferredLock::new());
    let a = lock.acquire();
    let (late, again) = (events.clone(), lock.clone());
    let newcomer: Rc<RefCell<Option<Deferred<()>>>> = Rc::default();
    let kept = newcomer.clone();
    let b = lock.acquire().add_callback(move |held| {
        drop(held); // c gets it before this returns, and keeps it.
        assert!(again.is_locked());
        let late = late.clone();
        *kept.borrow_mut() = Some(again.acquire().add_callback(move |_| note(&late, "newcomer")));
    });
    let c = queue_up(&events, &lock, "c");
    drop(a);
    assert_eq!((events.take(), lock.waiting_count()), (vec!["c".to_owned()], 1));
    drop(c.result());
    assert_eq!(events.take(), ["newcomer"]);
    drop((b, newcomer.take()));
    assert!(!lock.is_locked());
}

#[test]
fn a_run_that_panics_releases_and_the_next_one_runs() {
    let (events, lock) = (Events::default(), DeferredLock::new());
    let ran = events.clone();
    let (answer, firer) = Deferred::<()>::new();
    let first = lock.run(move || answer).add_callback(|()| {});
    let second = lock.run(|| -> Result<(), Failure> { panic!("inside the lock") });
    let third = lock.run(move || note(&ran, "third"));
    assert!(catch_unwind(AssertUnwindSafe(|| firer.callback(()).unwrap())).is_err());
    assert_eq!(events.take(), ["third"]);
    assert!(!lock.is_locked());
    drop((first, third, second.add_errback(|_| Ok(()))));
}

#[test]
fn a_run_that_never_ends_releases_when_its_work_is_dropped() {
    let lock = DeferredLock::new();
    let (answer, firer) = Deferred::<u32>::new();
    let first = lock.run(move || answer);
    drop(firer);
    assert!(lock.is_locked());
    drop(first);
    assert!(!lock.is_locked());
}

#[test]
fn a_panic_of_a_waiter_that_got_the_lock_resumes_after_the_others_were_served() {
    let (events, lock) = (Events::default(), DeferredLock::new());
    let a = lock.acquire();
    let b = lock.acquire().add_callback(|_held| -> Result<(), Failure> { panic!("in b") });
    let c = queue_up(&events, &lock, "c");
    assert!(catch_unwind(AssertUnwindSafe(|| drop(a))).is_err());
    assert_eq!(events.take(), ["c"]);
    drop(c);
    assert!(!lock.is_locked());
    b.add_errback(|_| Ok(())).detach();
}

#[test]
fn a_permit_dropped_by_a_panic_does_not_end_the_process_if_the_next_waiter_panics_too() {
    let (events, lock) = (Events::default(), DeferredLock::new());
    let held = lock.acquire().result().expect("nobody has it");
    let b = lock.acquire().add_callback(|_held| -> Result<(), Failure> { panic!("the second") });
    let c = queue_up(&events, &lock, "c");
    let lines = logged(|| {
        let caught = catch_unwind(AssertUnwindSafe(move || {
            let _held = held;
            panic!("the first");
        }));
        assert_eq!(caught.unwrap_err().downcast_ref::<&str>(), Some(&"the first"));
    });
    assert!(lines.iter().any(|line| line.contains("A callback panicked")), "{lines:?}");
    assert_eq!(events.take(), ["c"]);
    drop((c, b.add_errback(|_| Ok(()))));
}

#[test]
fn many_waiters_that_release_in_their_callbacks_use_constant_stack() {
    for limit in [1, 3] {
        let (doors, served) = (semaphore(limit), Rc::new(Cell::new(0)));
        let held: Vec<_> = (0..limit).map(|_| doors.acquire()).collect();
        for _ in 0..MANY / 2 {
            let (served, ran) = (served.clone(), served.clone());
            doors.acquire().add_callback(move |_held| served.set(served.get() + 1)).detach();
            drop(doors.run(move || ran.set(ran.get() + 1)));
        }
        drop(held);
        assert_eq!((served.get(), doors.free_tokens()), (MANY, limit));
    }
}

#[test]
fn many_waiters_are_cancelled_without_looking_at_each_other() {
    let lock = DeferredLock::new();
    let held = lock.acquire();
    let waiters: Vec<_> = (0..MANY).map(|_| lock.acquire().add_errback(Err)).collect();
    waiters.iter().for_each(|waiter| waiter.cancel());
    assert_eq!(lock.waiting_count(), 0);
    for waiter in waiters {
        waiter.add_both(|_| {}).detach();
    }
    drop(held);
    assert!(!lock.is_locked());
}

#[test]
fn a_lock_keeps_nothing_of_dropped_waiters() {
    let drops = Rc::new(Cell::new(0));
    let lock = DeferredLock::new();
    let held = lock.acquire();
    let kept = Dropped(drops.clone());
    let waits = lock.acquire().add_callback(move |_held| drop(kept));
    waits.cancel();
    waits.add_errback(|_| Ok(())).detach();
    assert_eq!(drops.get(), 1);
    let kept = Dropped(drops.clone());
    lock.acquire().add_callback(move |_held| drop(kept)).detach();
    drop((lock, held));
    assert_eq!(drops.get(), 2, "the waiter was served when the last handle was the guard's");
}

#[test]
fn a_panic_of_the_next_waiter_does_not_change_the_result_of_the_run_that_released() {
    for waited in [false, true] {
        for (result, expected) in [(Ok(5), "5"), (Err(Failure::msg("its own")), "failed: its own")] {
            let (events, lock) = (Events::default(), DeferredLock::new());
            let before = waited.then(|| lock.acquire());
            let (answer, firer) = Deferred::<u32>::new();
            let first = lock.run(move || answer);
            let second = lock.run(|| -> Result<u32, Failure> { panic!("the second's") });
            let ran = events.clone();
            let third = lock.run(move || note(&ran, "third"));
            drop(before);
            let seen = events.clone();
            let first = first.add_both(move |result| {
                note(&seen, "first");
                result
            });
            let panic = catch_unwind(AssertUnwindSafe(|| firer.fire(result))).unwrap_err();
            assert_eq!(panic.downcast_ref::<&str>(), Some(&"the second's"));
            assert_eq!(events.take(), ["third", "first"], "it went on when all had come to rest");
            assert_eq!((outcome(first).as_str(), lock.is_locked()), (expected, false));
            assert!(outcome(second).contains("the second's"));
            drop(third);
        }
    }
}

#[test]
fn a_panic_of_the_next_waiter_does_not_change_the_result_of_a_paused_run() {
    let lock = DeferredLock::new();
    let before = lock.acquire();
    let mut first = lock.run(|| Ok(5));
    let pause = first.pause();
    drop(before);
    let second = lock.run(|| -> Result<u32, Failure> { panic!("the second's") });
    assert!(catch_unwind(AssertUnwindSafe(|| pause.unpause())).is_err());
    assert_eq!((outcome(first).as_str(), lock.is_locked()), ("5", false));
    assert!(outcome(second).contains("the second's"));
}

#[test]
fn a_failure_that_is_lost_with_the_caller_of_run_is_reported() {
    let lock = DeferredLock::new();
    let (inside, second) = (lock.clone(), Rc::new(RefCell::new(None)));
    let kept = second.clone();
    let work = move || -> Result<u32, Failure> {
        *kept.borrow_mut() = Some(inside.run(|| -> Result<u32, Failure> { panic!("the second's") }));
        Err(Failure::msg("nobody's"))
    };
    let unhandled = crate::testing::collect_unhandled(|| {
        assert!(catch_unwind(AssertUnwindSafe(|| drop(lock.run(work)))).is_err());
    });
    assert_eq!(unhandled.iter().map(|failure| failure.to_string()).collect::<Vec<_>>(), ["nobody's"]);
    assert!(!lock.is_locked());
    assert!(outcome(second.take().expect("it was asked for")).contains("the second's"));
}

/// Ways to keep hold of a Deferred that receive nothing.
fn onlookers(mut waiter: Deferred<Permit>) -> (Canceller, Pause) {
    (waiter.canceller(), waiter.pause())
}

#[test]
fn a_waiter_with_only_a_canceller_or_a_pause_left_has_given_up() {
    let lock = DeferredLock::new();
    let first = lock.acquire();
    let kept = onlookers(lock.acquire());
    let third = lock.acquire();
    assert_eq!(lock.waiting_count(), 1, "it is out at once");
    drop(first);
    assert!(third.has_fired());
    kept.0.clone().cancel();
    drop(kept);
    assert!(lock.is_locked());
    drop(third);
    assert!(!lock.is_locked());
}

#[test]
fn a_waiter_with_a_callback_and_a_canceller_waits_on() {
    let (events, lock) = (Events::default(), DeferredLock::new());
    let first = lock.acquire();
    let second = queue_up(&events, &lock, "second");
    let canceller = second.canceller();
    drop(second);
    assert_eq!(lock.waiting_count(), 1);
    drop(first);
    assert_eq!(events.take(), ["second"]);
    drop(canceller);
    assert!(!lock.is_locked());
}

#[test]
fn a_waiter_dropped_inside_the_drop_of_a_chain_gives_up_at_once() {
    /// Releases after its Deferred is gone, inside the same drop.
    struct Both {
        _waiter: Deferred<Permit>,
        _held: Permit,
    }
    let lock = DeferredLock::new();
    let held = lock.acquire().result().expect("nobody has it");
    let both = Both { _waiter: lock.acquire(), _held: held };
    let third = lock.acquire();
    let (seen, in_time) = (Rc::new(Cell::new(false)), Rc::new(Cell::new(false)));
    let (mark, noted) = (seen.clone(), in_time.clone());
    let third = third.add_callback(move |_held| mark.set(true));
    let (outer, firer) = Deferred::<()>::new();
    /// Looks when what was dropped before it is gone.
    struct Look(Rc<Cell<bool>>, Rc<Cell<bool>>);
    impl Drop for Look {
        fn drop(&mut self) {
            self.1.set(self.0.get());
        }
    }
    let inside = (both, Look(seen, noted));
    let chain = outer.add_callback(move |()| drop(inside));
    drop((chain, firer));
    assert!(in_time.get(), "the third had it before the drop was over");
    drop(third);
    assert!(!lock.is_locked());
}
