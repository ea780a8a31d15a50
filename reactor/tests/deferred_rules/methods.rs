//! 1b, the other methods: adding, chaining, pausing.

use crate::*;
use reactor::deferred::{self, Pause};

#[test]
fn add_consumes_the_deferred_and_returns_the_next_one() {
    // In Twisted all of these return the same object, and its type changes under way.
    let text: Deferred<String> = deferred::succeed(1).add_callback(|n: i32| Ok(n.to_string()));
    let length: Deferred<usize> = text.add_callbacks(|text| Ok(text.len()), |_| Ok(0));
    let same: Deferred<usize> = length.add_errback(|_| Ok(0)).add_both(|result| result);
    assert_eq!(same.result(), Some(1));
}

#[test]
fn callbacks_capture_their_extra_arguments() {
    let (arguments, word) = (vec![1, 2], "three".to_owned());
    let chain = deferred::succeed(0).add_callback(move |n| Ok(format!("{n} {arguments:?} {word}")));
    assert_eq!(chain.result().as_deref(), Some("0 [1, 2] three"));
}

#[test]
fn a_callback_may_return_nothing() {
    let chain = deferred::succeed(5).add_callback(|_| {});
    assert_eq!(chain.result(), Some(()));
}

#[test]
fn a_question_mark_in_a_callback_takes_any_error() {
    let chain = deferred::succeed("x").add_callback(|text| Ok(text.parse::<u32>()?));
    assert!(failure_of(chain).check::<std::num::ParseIntError>().is_some());
}

#[test]
fn chain_deferred_hands_on_values_and_failures_and_keeps_none() {
    for fired in [false, true] {
        for (result, expected) in [(Ok(1), "1"), (Err(boom()), "failed: boom")] {
            let unhandled = lost(|| {
                let ((first, fire_first), (second, fire_second)) = (Deferred::<u32>::new(), Deferred::<u32>::new());
                let mut result = Some(result.map_err(Failure::new));
                if fired {
                    fire_first.fire(result.take().expect("once")).unwrap();
                }
                let first = first.chain_deferred(fire_second);
                if let Some(result) = result {
                    fire_first.fire(result).unwrap();
                }
                assert_eq!((first.result(), outcome(second)), (Some(()), expected.to_owned()));
            });
            assert_eq!(unhandled, [""; 0]);
        }
    }
}

#[test]
fn chain_deferred_runs_the_others_callbacks_before_its_own_next() {
    for fired in [false, true] {
        let events = Events::default();
        let ((first, fire_first), (second, fire_second)) = (Deferred::<u32>::new(), Deferred::<u32>::new());
        let second = second.add_both(noting(&events, "second"));
        if fired {
            fire_first.callback(1).unwrap();
        }
        let first = first.add_both(noting(&events, "first"));
        let first = first.chain_deferred(fire_second).add_both(noting(&events, "first, after the link"));
        if !fired {
            fire_first.callback(1).unwrap();
        }
        assert_eq!(events.take(), ["first", "second", "first, after the link"], "fired before: {fired}");
        assert_eq!((first.result(), second.result()), (Some(()), Some(1)));
    }
}

#[test]
fn chain_deferred_to_a_fired_deferred_is_an_already_called_error() {
    for fired in [false, true] {
        let ((first, fire_first), (second, fire_second)) = (Deferred::<u32>::new(), Deferred::<u32>::new());
        fire_second.callback(9).unwrap();
        if fired {
            fire_first.callback(1).unwrap();
        }
        let first = first.chain_deferred(fire_second);
        if !fired {
            fire_first.callback(1).unwrap();
        }
        assert!(failure_of(first).check::<reactor::error::AlreadyCalledError>().is_some());
        assert_eq!(second.result(), Some(9));
    }
}

#[test]
fn chain_deferred_does_not_wait_for_the_second_chain() {
    // A returned Deferred makes the chain wait; `chain_deferred` does not.
    let (inner, fire_inner) = Deferred::<u32>::new();
    let ((first, fire_first), (second, fire_second)) = (Deferred::<u32>::new(), Deferred::<u32>::new());
    let second = second.add_callback(move |_| inner);
    let first = first.chain_deferred(fire_second);
    fire_first.callback(1).unwrap();
    assert!(first.has_fired() && !second.has_fired());
    fire_inner.callback(2).unwrap();
    assert_eq!(second.result(), Some(2));
}

#[test]
fn pauses_are_counted_and_may_end_in_any_order() {
    for reversed in [false, true] {
        let events = Events::default();
        let (mut deferred, firer) = Deferred::<u32>::new();
        let mut pauses: Vec<Pause> = (0..3).map(|_| deferred.pause()).collect();
        let chain = deferred.add_both(noting(&events, "ran"));
        firer.callback(1).unwrap();
        if reversed {
            pauses.reverse();
        }
        while let Some(pause) = pauses.pop() {
            assert_eq!(events.take(), [""; 0]);
            pause.unpause();
        }
        assert_eq!(events.take(), ["ran"]);
        assert_eq!(chain.result(), Some(1));
    }
}

#[test]
fn an_unpause_runs_the_callbacks_before_it_returns() {
    let events = Events::default();
    let mut deferred = deferred::succeed(1);
    let pause = deferred.pause();
    assert!(!deferred.has_fired(), "a fired one can be paused, too");
    let chain = deferred.add_both(noting(&events, "first")).add_both(noting(&events, "second"));
    note(&events, "unpausing");
    pause.unpause();
    note(&events, "unpaused");
    assert_eq!(events.take(), ["unpausing", "first", "second", "unpaused"]);
    assert_eq!(chain.result(), Some(1));
}

#[test]
fn a_pause_ends_when_its_guard_is_dropped() {
    // In Twisted a pause without its unpause, or one unpause too many, blocks for ever.
    let (mut deferred, firer) = Deferred::<u32>::new();
    {
        let _pause = deferred.pause();
        firer.callback(1).unwrap();
        assert!(!deferred.has_fired());
    }
    assert_eq!(deferred.result(), Some(1));
}

#[test]
fn a_pause_from_inside_a_callback_takes_effect_at_once() {
    // In Twisted the callbacks that were added already still run.
    let (events, pause) = (Events::default(), Rc::<RefCell<Option<Pause>>>::default());
    let itself: Rc<RefCell<Option<Deferred<u32>>>> = Rc::default();
    let (deferred, firer) = Deferred::<u32>::new();
    let (own, kept) = (itself.clone(), pause.clone());
    let chain = deferred
        .add_callback(move |n| {
            *kept.borrow_mut() = own.borrow_mut().as_mut().map(Deferred::pause);
            Ok(n)
        })
        .add_both(noting(&events, "next"));
    itself.replace(Some(chain));
    firer.callback(1).unwrap();
    assert_eq!(events.take(), [""; 0]);
    drop(pause.take());
    assert_eq!(events.take(), ["next"]);
    assert_eq!(itself.take().and_then(Deferred::result), Some(1));
}

#[test]
fn a_pause_of_a_waiting_chain_holds_it_when_the_inner_deferred_fires() {
    let (inner, fire_inner) = Deferred::<u32>::new();
    let events = Events::default();
    let mut chain = deferred::succeed(()).add_callback(move |()| inner);
    let pause = chain.pause();
    let chain = chain.add_both(noting(&events, "ran"));
    fire_inner.callback(3).unwrap();
    assert_eq!(events.take(), [""; 0]);
    pause.unpause();
    assert_eq!(events.take(), ["ran"]);
    assert_eq!(chain.result(), Some(3));
}

#[test]
fn result_and_has_fired_depend_on_whether_the_result_is_here() {
    let (deferred, firer) = Deferred::<u32>::new();
    assert!(!deferred.has_fired());
    assert_eq!(deferred.result(), None, "it has not fired");
    firer.callback(1).unwrap();
    let (inner, fire_inner) = Deferred::<u32>::new();
    let chain = deferred::succeed(()).add_callback(move |()| inner);
    assert!(!chain.has_fired(), "it has, but it waits");
    fire_inner.callback(2).unwrap();
    assert!(chain.has_fired());
    assert_eq!(chain.result(), Some(2));
}
