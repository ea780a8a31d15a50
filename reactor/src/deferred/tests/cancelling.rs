//! A cancel reaches what a chain waits for, once, and ends in a failure unless the canceller knows better.

use super::*;
use crate::error::CancelledError;

#[test]
fn a_cancel_without_a_canceller_fails_and_swallows_exactly_one_late_firing() {
    for late_value in [true, false] {
        let (deferred, firer) = Deferred::<u32>::new();
        deferred.cancel();
        assert!(firer.called());
        let late = if late_value { firer.callback(1) } else { firer.errback(Message("late".to_owned())) };
        assert_eq!(late, Ok(()));
        assert!(firer.callback(2).is_err());
        assert!(firer.errback(Message("later".to_owned())).is_err());
        assert_eq!(outcome(deferred), "failed: cancelled");
    }
}

#[test]
fn a_cancel_is_a_cancelled_error_that_errbacks_can_trap() {
    let (deferred, _firer) = Deferred::<u32>::new();
    let chain = deferred.add_errback(|failure| failure.trap::<CancelledError>().map(|_| 5));
    chain.cancel();
    assert_eq!(chain.result(), Some(5));
}

#[test]
fn a_canceller_is_dropped_unused_when_the_deferred_fires() {
    let drops = Rc::new(Cell::new(0));
    let kept = Dropped(drops.clone());
    let (deferred, firer) = Deferred::<u32>::with_canceller(move |_| {
        let _ = &kept;
        panic!("it has fired");
    });
    firer.callback(1).unwrap();
    assert_eq!(drops.get(), 1);
    deferred.cancel();
    assert_eq!(deferred.result(), Some(1));
}

#[test]
fn cancelling_a_chain_that_waits_reaches_what_it_waits_for() {
    let events = Events::default();
    let (mine, ran) = (events.clone(), events.clone());
    let (innermost, _firer) = Deferred::<u32>::with_canceller(move |_| note(&mine, "cancelled"));
    let middle = deferred::succeed(()).add_callback(move |()| innermost);
    let (outer, firer) = Deferred::<()>::with_canceller(|_| panic!("it has fired"));
    let chain = outer.add_callback(move |()| middle).add_errback(move |failure| {
        note(&ran, failure);
        Ok(9)
    });
    firer.callback(()).unwrap();
    chain.cancel();
    assert_eq!(events.take(), ["cancelled", "cancelled"]);
    assert_eq!(chain.result(), Some(9));
}

#[test]
fn after_what_it_waited_for_has_fired_a_cancel_reaches_the_next_that_it_waits_for() {
    let (first, fire_first) = Deferred::<()>::with_canceller(|_| panic!("it has fired"));
    let (second, _firer) = Deferred::<()>::new();
    let chain = deferred::succeed(()).add_callback(move |()| first).add_callback(move |()| second);
    fire_first.callback(()).unwrap();
    chain.cancel();
    assert_eq!(outcome(chain), "failed: cancelled");
}

#[test]
fn cancelling_what_has_fired_does_nothing() {
    let deferred = deferred::succeed(1);
    deferred.cancel();
    assert_eq!(deferred.result(), Some(1));
    let (deferred, firer) = Deferred::<u32>::new();
    firer.callback(2).unwrap();
    deferred.cancel();
    assert!(firer.callback(3).is_err(), "no late firing is excused");
    assert_eq!(deferred.result(), Some(2));
}

#[test]
fn a_cancel_of_a_running_coroutine_that_then_awaits_no_deferred_ends_it() {
    let canceller: Rc<RefCell<Option<Canceller>>> = Rc::default();
    let own = canceller.clone();
    let (begin, fire_begin) = Deferred::<()>::new();
    let coroutine = Deferred::<u32>::from_future(async move {
        begin.await?;
        own.borrow().as_ref().expect("it is put there before").cancel();
        std::future::pending().await
    });
    *canceller.borrow_mut() = Some(coroutine.canceller());
    fire_begin.callback(()).unwrap();
    assert_eq!(outcome(coroutine), "failed: cancelled");
}

#[test]
fn a_canceller_whose_drop_panics_does_not_keep_the_chain_from_being_told() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("dropped");
        }
    }
    let bomb = Bomb;
    let (deferred, firer) = Deferred::<u32>::with_canceller(move |_| drop(bomb));
    let fired = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| firer.callback(1)));
    assert!(fired.is_err());
    assert_eq!(deferred.result(), Some(1));
}

#[test]
fn a_deferred_that_was_awaited_by_reference_has_nothing_left() {
    let mut deferred = deferred::succeed(1);
    let awaited = Deferred::from_future(async move {
        let n = (&mut deferred).await?;
        Ok((n, deferred.result()))
    });
    assert_eq!(awaited.result(), Some((1, None)));
}

#[test]
fn a_producer_sees_that_nobody_listens_although_handles_could_cancel_or_pause() {
    let (mut deferred, firer) = Deferred::<u32>::new();
    let (canceller, pause) = (deferred.canceller(), deferred.pause());
    let also = (canceller.clone(), firer.clone());
    assert!(!firer.is_abandoned(), "somebody may add a callback");
    drop(deferred);
    assert!(firer.is_abandoned());
    drop((also, pause));
    assert!(firer.is_abandoned());
    canceller.cancel();
    assert!(firer.called());

    let (deferred, firer) = Deferred::<u32>::new();
    let canceller = deferred.canceller();
    deferred.add_callback(drop).detach();
    assert!(!firer.is_abandoned(), "a callback listens");
    drop(canceller);
    assert!(!firer.is_abandoned());
}
