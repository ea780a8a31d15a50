//! 1b, cancel: it reaches what a chain waits for, once, and ends in a failure unless the canceller knows better.

use crate::*;
use reactor::{CancelledError, deferred};

#[test]
fn cancel_unfired_without_a_canceller_fails_with_a_cancelled_error() {
    let (deferred, _firer) = Deferred::<u32>::new();
    deferred.cancel();
    assert!(deferred.has_fired());
    assert!(failure_of(deferred).check::<CancelledError>().is_some());
}

#[test]
fn cancel_unfired_without_a_canceller_ignores_one_late_firing() {
    for cancels in [1, 2, 3] {
        for late_value in [true, false] {
            let (deferred, firer) = Deferred::<u32>::new();
            (0..cancels).for_each(|_| deferred.cancel());
            let late = if late_value { firer.callback(1) } else { firer.errback(boom()) };
            assert_eq!(late, Ok(()), "cancelled {cancels} times");
            firer.callback(2).unwrap_err();
            firer.errback(boom()).unwrap_err();
            assert_eq!(outcome(deferred), "failed: cancelled");
        }
    }
}

#[test]
fn cancel_the_late_firing_is_ignored_and_not_logged() {
    let unhandled = lost(|| {
        let (deferred, firer) = Deferred::<u32>::new();
        let events = Events::default();
        let chain = deferred.add_both(noting(&events, "ran")).add_errback(|_| Ok(0));
        chain.cancel();
        firer.errback(boom()).unwrap();
        assert_eq!(events.take(), ["ran"]);
        assert_eq!(chain.result(), Some(0));
    });
    assert_eq!(unhandled, [""; 0]);
}

#[test]
fn cancel_unfired_calls_the_canceller_which_may_fire_or_not() {
    type Action = fn(&Firer<u32>);
    let cases: [(Action, &str); 3] = [
        (|_| {}, "failed: cancelled"),
        (|firer| firer.callback(7).unwrap(), "7"),
        (|firer| firer.errback(boom()).unwrap(), "failed: boom"),
    ];
    for (action, expected) in cases {
        let events = Events::default();
        let noted = events.clone();
        let (deferred, firer) = Deferred::<u32>::with_canceller(move |firer| {
            note(&noted, "canceller");
            action(firer);
        });
        deferred.cancel();
        deferred.cancel();
        assert_eq!(events.take(), ["canceller"], "it is called once");
        firer.callback(1).unwrap_err();
        firer.errback(boom()).unwrap_err();
        assert_eq!(outcome(deferred), expected);
    }
}

#[test]
fn cancel_a_canceller_may_fire_another_way_than_by_its_argument() {
    let firer: Rc<RefCell<Option<Firer<u32>>>> = Rc::default();
    let own = firer.clone();
    let (deferred, fire) = Deferred::<u32>::with_canceller(move |_| {
        own.take().expect("it is there").callback(3).unwrap();
    });
    firer.replace(Some(fire));
    deferred.cancel();
    assert_eq!(deferred.result(), Some(3));
}

#[test]
fn cancel_a_canceller_may_cancel_its_own_deferred_again() {
    let canceller: Rc<RefCell<Option<deferred::Canceller>>> = Rc::default();
    let again = canceller.clone();
    let (deferred, _firer) = Deferred::<u32>::with_canceller(move |firer| {
        again.take().expect("it is there").cancel();
        assert!(!firer.called(), "it is for this one to say what comes out");
        firer.callback(4).unwrap();
    });
    canceller.replace(Some(deferred.canceller()));
    deferred.cancel();
    assert_eq!(deferred.result(), Some(4));
}

#[test]
fn cancel_a_panicking_canceller_does_not_leave_it_stuck() {
    // In Twisted the exception escapes, and the Deferred is never fired.
    let (deferred, firer) = Deferred::<u32>::with_canceller(|_| panic!("cannot stop"));
    assert_eq!(panic_of(|| deferred.cancel()), "cannot stop");
    assert!(deferred.has_fired());
    deferred.cancel();
    firer.callback(1).unwrap_err();
    assert_eq!(outcome(deferred), "failed: cancelled");
    let (deferred, _firer) = Deferred::<u32>::with_canceller(|firer| {
        firer.callback(5).unwrap();
        panic!("too late");
    });
    assert_eq!(panic_of(|| deferred.cancel()), "too late");
    assert_eq!(deferred.result(), Some(5));
}

#[test]
fn cancel_reaches_what_a_chain_waits_for_at_any_depth() {
    for depth in [1, 2, 10] {
        let (mut chain, firer) = Deferred::<u32>::with_canceller(|firer| firer.errback(boom()).unwrap());
        for _ in 0..depth {
            let inner = chain;
            let (outer, fire_outer) = Deferred::<()>::with_canceller(|_| panic!("it has fired"));
            chain = outer.add_callback(move |()| inner);
            fire_outer.callback(()).unwrap();
        }
        chain.cancel();
        assert!(firer.called());
        assert_eq!(outcome(chain), "failed: boom", "the outer one sees what the inner one yields");
    }
}

#[test]
fn cancel_of_a_chain_that_waits_may_lead_to_a_value() {
    let (inner, _fire_inner) = Deferred::<u32>::with_canceller(|firer| firer.callback(1).unwrap());
    let chain = deferred::succeed(()).add_callback(move |()| inner).add_callback(|n| Ok(n + 1));
    chain.cancel();
    assert_eq!(chain.result(), Some(2));
}

#[test]
fn cancel_again_reaches_what_the_chain_waits_for_by_then() {
    let ((first, _fire_first), (second, _fire_second)) = (Deferred::<u32>::new(), Deferred::<u32>::new());
    let chain = deferred::succeed(()).add_callback(move |()| first).add_errback(move |_| second);
    chain.cancel();
    assert!(!chain.has_fired());
    chain.cancel();
    assert_eq!(outcome(chain), "failed: cancelled");
}

#[test]
fn cancel_of_a_fired_deferred_does_nothing_and_a_late_firing_stays_an_error() {
    let (deferred, firer) = Deferred::<u32>::with_canceller(|_| panic!("it has fired"));
    firer.callback(1).unwrap();
    deferred.cancel();
    firer.callback(2).unwrap_err();
    assert_eq!(deferred.result(), Some(1));
    let fired = deferred::succeed(2);
    fired.cancel();
    assert_eq!(fired.result(), Some(2));
}

#[test]
fn cancel_of_a_fired_and_paused_deferred_does_nothing() {
    let (mut deferred, firer) = Deferred::<u32>::with_canceller(|_| panic!("it has fired"));
    let pause = deferred.pause();
    firer.callback(1).unwrap();
    let chain = deferred.add_callback(|n| Ok(n + 1));
    chain.cancel();
    pause.unpause();
    assert_eq!(chain.result(), Some(2));
}

#[test]
fn cancel_of_an_unfired_paused_deferred_fails_it_and_the_pause_holds_that_back() {
    let (mut deferred, _firer) = Deferred::<u32>::new();
    let pause = deferred.pause();
    deferred.cancel();
    assert!(!deferred.has_fired());
    pause.unpause();
    assert_eq!(outcome(deferred), "failed: cancelled");
}

#[test]
fn cancel_from_inside_a_callback_of_the_same_chain_is_not_remembered() {
    // As in Twisted: it has fired, and waits for nothing yet.
    let canceller: Rc<RefCell<Option<deferred::Canceller>>> = Rc::default();
    let (inner, fire_inner) = Deferred::<u32>::new();
    let (deferred, firer) = Deferred::<()>::new();
    let own = canceller.clone();
    let chain = deferred.add_callback(move |()| {
        own.borrow().as_ref().expect("it is there").cancel();
        inner
    });
    canceller.replace(Some(chain.canceller()));
    firer.callback(()).unwrap();
    assert!(!chain.has_fired(), "a cancel is not remembered");
    fire_inner.callback(1).unwrap();
    assert_eq!(chain.result(), Some(1));
}

#[test]
fn cancel_does_not_go_back_through_chain_deferred() {
    let ((first, fire_first), (second, fire_second)) = (Deferred::<u32>::new(), Deferred::<u32>::new());
    let first = first.chain_deferred(fire_second);
    second.cancel();
    assert!(!fire_first.called(), "it is one-way");
    fire_first.callback(1).unwrap();
    assert_eq!((first.result(), outcome(second)), (Some(()), "failed: cancelled".to_owned()));
}

#[test]
fn dropping_a_deferred_does_not_cancel_it() {
    let events = Events::default();
    let (deferred, firer) = Deferred::<u32>::with_canceller(|_| panic!("nobody cancelled it"));
    deferred.add_both(noting(&events, "ran")).detach();
    firer.callback(1).unwrap();
    assert_eq!(events.take(), ["ran"]);
}
