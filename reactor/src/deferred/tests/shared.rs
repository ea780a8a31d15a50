//! One result for several: each gets its own clone, and gives up alone.

use super::*;
use crate::deferred::Shared;
use std::panic::{AssertUnwindSafe, catch_unwind};

fn boom() -> Message {
    Message("boom".to_owned())
}

#[test]
fn every_waiter_gets_the_value_in_order_of_asking_before_and_after_it_fires() {
    let (events, (source, firer)) = (Events::default(), Deferred::<u32>::new());
    let shared = source.share();
    let ask = |name: &'static str| {
        let events = events.clone();
        shared.clone().wait().add_callback(move |n| note(&events, format!("{name} {n}")))
    };
    let waiters = [ask("first"), ask("second"), ask("third")];
    assert_eq!((shared.waiting_count(), shared.has_fired()), (3, false));
    firer.callback(7).unwrap();
    let late = ask("late");
    assert_eq!(events.take(), ["first 7", "second 7", "third 7", "late 7"]);
    assert_eq!((shared.waiting_count(), shared.has_fired()), (0, true));
    drop((waiters, late));
}

#[test]
fn every_waiter_gets_the_failure() {
    for fire_first in [true, false] {
        let (source, firer) = Deferred::<u32>::new();
        if fire_first {
            firer.errback(boom()).unwrap();
        }
        let shared = Shared::new(source);
        let waiters = [shared.wait(), shared.wait()];
        if !fire_first {
            firer.errback(boom()).unwrap();
        }
        for waiter in waiters.into_iter().chain([shared.wait()]) {
            assert_eq!(outcome(waiter), "failed: boom");
        }
    }
}

#[test]
fn a_cancelled_waiter_fails_alone() {
    let (source, firer) = Deferred::<u32>::with_canceller(|_| panic!("somebody still wants it"));
    let shared = source.share();
    let [first, second, third] = [(); 3].map(|()| shared.wait());
    first.cancel();
    third.cancel();
    assert_eq!(shared.waiting_count(), 1);
    firer.callback(7).unwrap();
    assert_eq!(
        (outcome(first), outcome(second), outcome(third)),
        ("failed: cancelled".into(), "7".into(), "failed: cancelled".into())
    );
}

#[test]
fn a_waiter_that_is_dropped_keeps_no_place_unless_something_follows_it() {
    let (events, (source, firer)) = (Events::default(), Deferred::<u32>::new());
    let shared = source.share();
    drop(shared.wait());
    let (canceller, noted) = (shared.wait().canceller(), events.clone());
    shared.wait().add_callback(move |n| note(&noted, n)).detach();
    let (waiter, outer) = (shared.wait(), Deferred::<()>::new().0);
    drop(outer.add_callback(move |()| waiter)); // Inside of another drop.
    assert_eq!(shared.waiting_count(), 2, "the one with a callback, and the one with a canceller");
    drop(canceller);
    assert_eq!(shared.waiting_count(), 1);
    firer.callback(7).unwrap();
    assert_eq!(events.take(), ["7"]);
}

#[test]
fn a_dropped_waiter_does_not_keep_a_source_that_all_others_have_given_up() {
    let (source, firer) = Deferred::<u32>::new();
    let shared = source.share();
    drop(shared.wait());
    assert!(!firer.called(), "a drop does not cancel");
    let waiter = shared.wait();
    waiter.cancel();
    assert!(firer.called());
    assert_eq!(outcome(waiter), "failed: cancelled");
}

#[test]
fn when_all_waiters_were_cancelled_the_source_is_cancelled() {
    let events = Events::default();
    let cancelled_source = |asked_late: bool| {
        let noted = events.clone();
        let (source, _firer) = Deferred::<u32>::with_canceller(move |_| note(&noted, "source"));
        let shared = source.share();
        let (first, second) = (shared.wait(), shared.wait());
        first.cancel();
        assert_eq!(events.take(), [""; 0]);
        second.cancel();
        assert_eq!(events.take(), ["source"]);
        assert_eq!((outcome(first), outcome(second)), ("failed: cancelled".into(), "failed: cancelled".into()));
        if asked_late {
            assert_eq!(outcome(shared.wait()), "failed: cancelled", "a wait that begins now is too late");
        }
    };
    let lines = logged(|| [true, false].into_iter().for_each(cancelled_source));
    assert_eq!(lines, [""; 0], "nobody else has to hear of a cancellation that was asked for");
}

#[test]
fn a_source_that_answers_its_cancel_with_a_value_keeps_it_for_later_waiters() {
    let (source, _firer) = Deferred::<u32>::with_canceller(|firer| firer.callback(5).unwrap());
    let shared = source.share();
    let waiter = shared.wait();
    waiter.cancel();
    assert_eq!((outcome(waiter), shared.wait().result()), ("failed: cancelled".into(), Some(5)));
}

#[test]
fn a_source_that_goes_on_after_its_cancel_can_be_wanted_again() {
    let (late, fire_late) = Deferred::<u32>::new();
    let (source, _firer) = Deferred::<u32>::new();
    let shared = source.add_errback(move |_| late).share();
    let first = shared.wait();
    first.cancel();
    let second = shared.wait();
    fire_late.callback(3).unwrap();
    assert_eq!((outcome(first), second.result()), ("failed: cancelled".into(), Some(3)));
}

#[test]
fn a_waiter_may_cancel_another_and_ask_again_from_its_callback() {
    let (events, (source, firer)) = (Events::default(), Deferred::<u32>::new());
    let shared = source.share();
    let last: Rc<RefCell<Option<Deferred<u32>>>> = Rc::default();
    let (seen, other, again) = (events.clone(), last.clone(), shared.clone());
    let first = shared.wait().add_callback(move |n| {
        other.borrow().as_ref().expect("it waits").cancel();
        again.wait().add_callback(move |m| note(&seen, n + m)).detach();
    });
    *last.borrow_mut() = Some(shared.wait());
    firer.callback(1).unwrap();
    assert_eq!(outcome(last.take().unwrap()), "failed: cancelled");
    assert_eq!(events.take(), ["2"]);
    drop(first);
}

#[test]
fn a_failure_is_not_logged_for_a_waiter_that_another_has_just_cancelled() {
    let lines = logged(|| {
        let (source, firer) = Deferred::<u32>::new();
        let shared = source.share();
        let last: Rc<RefCell<Option<Deferred<u32>>>> = Rc::default();
        let other = last.clone();
        let first = shared.wait().add_errback(move |_| {
            other.borrow().as_ref().expect("it waits").cancel();
            Ok(0)
        });
        *last.borrow_mut() = Some(shared.wait());
        firer.errback(boom()).unwrap();
        assert_eq!((outcome(first), outcome(last.take().unwrap())), ("0".into(), "failed: cancelled".into()));
    });
    assert_eq!(lines, [""; 0]);
}

#[test]
fn a_panic_of_one_waiter_resumes_after_the_others_were_served() {
    let (events, (source, firer)) = (Events::default(), Deferred::<u32>::new());
    let shared = source.share();
    let first = shared.wait().add_callback(|_| -> Result<(), Failure> { panic!("in the first") });
    let ask = || {
        let events = events.clone();
        shared.wait().add_callback(move |n| note(&events, n))
    };
    let others = [ask(), ask()];
    assert!(catch_unwind(AssertUnwindSafe(|| firer.callback(1).unwrap())).is_err());
    assert_eq!(events.take(), ["1", "1"]);
    drop((others, first.add_errback(|_| Ok(()))));
}

#[test]
fn a_failure_that_nobody_handles_is_logged_once_however_many_waited() {
    for waiters in 0..4 {
        for fire_first in [true, false] {
            let lines = logged(|| {
                let (source, firer) = Deferred::<u32>::new();
                if fire_first {
                    firer.errback(boom()).unwrap();
                }
                let shared = source.share();
                let waiting: Vec<_> = (0..waiters).map(|_| shared.wait()).collect();
                if !fire_first {
                    firer.errback(boom()).unwrap();
                }
                drop((waiting, shared));
            });
            assert_eq!(lines.len(), 1, "{waiters} waiters, fired first: {fire_first}: {lines:?}");
        }
    }
}

#[test]
fn a_failure_that_every_waiter_handled_is_not_logged_and_one_that_a_waiter_left_is() {
    for (handled, expected) in [(2, 0), (1, 1)] {
        for fire_first in [true, false] {
            let lines = logged(|| {
                let (source, firer) = Deferred::<u32>::new();
                let shared = source.share();
                if fire_first {
                    firer.errback(boom()).unwrap();
                }
                let mut waiters = vec![shared.wait(), shared.wait()];
                if !fire_first {
                    firer.errback(boom()).unwrap();
                }
                for waiter in waiters.drain(..handled) {
                    assert_eq!(outcome(waiter), "failed: boom");
                }
                drop((waiters, shared));
            });
            assert_eq!(lines.len(), expected, "{handled} handled, fired first: {fire_first}: {lines:?}");
        }
    }
}

#[test]
fn a_source_without_handles_and_waiters_still_runs() {
    let lines = logged(|| {
        let (source, firer) = Deferred::<u32>::with_canceller(|_| panic!("nobody cancelled it"));
        drop(source.share());
        firer.errback(boom()).unwrap();
    });
    assert_eq!(lines.len(), 1, "{lines:?}");
    let (events, (source, firer)) = (Events::default(), Deferred::<u32>::new());
    let noted = events.clone();
    source.share().wait().add_callback(move |n| note(&noted, n)).detach();
    firer.callback(4).unwrap();
    assert_eq!(events.take(), ["4"], "the waiter is told, though the handle is gone");
}

#[test]
fn nothing_is_kept_when_it_has_fired_or_nobody_waits() {
    #[derive(Clone)]
    struct Counted(#[expect(dead_code, reason = "it is counted")] Rc<()>);
    let count = Rc::new(());
    let (source, firer) = Deferred::<Counted>::new();
    let shared = source.share();
    let waiters = [shared.wait(), shared.wait()];
    firer.callback(Counted(count.clone())).unwrap();
    assert_eq!(Rc::strong_count(&count), 4, "ours, the two waiters' and the one that is kept");
    drop((waiters, shared, firer));
    assert_eq!(Rc::strong_count(&count), 1);

    let drops = Rc::new(Cell::new(0));
    let kept = Dropped(drops.clone());
    let (source, firer) = Deferred::<u32>::new();
    let shared = source.add_callback(move |n| {
        drop(kept);
        Ok(n)
    });
    drop((firer, shared.share()));
    assert_eq!(drops.get(), 1);
}

#[test]
fn many_waiters_are_served_and_cancelled_in_linear_time() {
    let (source, firer) = Deferred::<u32>::new();
    let shared = source.share();
    let served = Rc::new(Cell::new(0));
    let waiters: Vec<_> = (0..MANY)
        .map(|_| {
            let served = served.clone();
            shared.wait().add_callback(move |_| served.set(served.get() + 1)).add_errback(|_| Ok(()))
        })
        .collect();
    waiters[..MANY / 2].iter().for_each(|waiter| waiter.cancel());
    firer.callback(1).unwrap();
    assert_eq!(served.get(), MANY / 2);
}

#[test]
fn a_long_row_of_shared_results_fires_in_constant_stack() {
    let (source, firer) = Deferred::<usize>::new();
    let mut row = vec![source.share()];
    for index in 0..MANY {
        row.push(row[index].wait().add_callback(|n| Ok(n + 1)).share());
    }
    firer.callback(0).unwrap();
    assert_eq!(row[MANY].wait().result(), Some(MANY));
}

#[test]
fn a_row_of_shared_results_with_two_waiters_each_fires_in_constant_stack() {
    let (mut chain, firer) = Deferred::<u32>::new();
    let mut others = Vec::new();
    for _ in 0..MANY {
        let shared = chain.share();
        chain = shared.wait();
        others.push(shared.wait());
    }
    firer.callback(1).unwrap();
    assert_eq!(chain.result(), Some(1));
    assert!(others.into_iter().all(|other| other.result() == Some(1)));
}

#[test]
fn a_waiter_that_returns_its_own_chain_gets_a_circular_wait_error() {
    let (source, firer) = Deferred::<u32>::new();
    let shared = source.share();
    let own: Rc<RefCell<Option<Deferred<u32>>>> = Rc::default();
    let take = own.clone();
    let chain = shared.wait().add_callback(move |_| take.take().expect("it is put there before"));
    let seen = Rc::new(Cell::new(false));
    let noted = seen.clone();
    *own.borrow_mut() = Some(chain.add_errback(move |failure| {
        noted.set(failure.check::<crate::error::CircularWaitError>().is_some());
        Ok(0)
    }));
    firer.callback(1).unwrap();
    assert!(seen.get());
}

#[test]
fn a_clone_that_panics_fails_its_waiter_and_the_panic_resumes_in_the_firer() {
    struct Bomb;
    impl Clone for Bomb {
        fn clone(&self) -> Bomb {
            panic!("cannot be cloned")
        }
    }
    let (source, firer) = Deferred::<Bomb>::new();
    let shared = source.share();
    let waiter = shared.wait().add_both(|result| Ok(result.is_err()));
    let fired = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| firer.callback(Bomb)));
    assert!(fired.is_err());
    assert_eq!(waiter.result(), Some(true));
}

#[test]
fn a_panic_outside_of_all_callbacks_resumes_when_the_other_waiters_were_served() {
    let (source, firer) = Deferred::<u32>::new();
    let shared = source.share();
    let (slow, _slow_firer) = Deferred::with_canceller(|_| panic!("in the canceller"));
    let first = deferred::race([shared.wait(), slow], deferred::Others::Cancel);
    let second = shared.wait();
    assert!(catch_unwind(AssertUnwindSafe(|| firer.callback(7).unwrap())).is_err());
    assert_eq!((outcome(first).as_str(), outcome(second).as_str()), ("(0, 7)", "7"));
}
