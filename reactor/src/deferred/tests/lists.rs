//! Several Deferreds waited for together, for all of them or until one fails: when the result comes, what it is, and
//! what becomes of the others.

use super::*;
use crate::CancelledError;
use crate::deferred::chain::caught;
use crate::deferred::{FailureGroup, FirstError, Others, deferred_list, gather_results, race};

pub(super) const BOTH: [Others; 2] = [Others::Cancel, Others::LeaveRunning];

pub(super) fn pending<T>(count: usize) -> (Vec<Deferred<T>>, Vec<Firer<T>>) {
    (0..count).map(|_| Deferred::new()).unzip()
}

/// Inputs that note when they are cancelled, and then do what `action` does.
pub(super) fn watched(
    events: &Events,
    count: usize,
    action: fn(usize, &Firer<u32>),
) -> (Vec<Deferred<u32>>, Vec<Firer<u32>>) {
    let make = |index| {
        let events = events.clone();
        Deferred::with_canceller(move |firer| {
            note(&events, format!("cancel {index}"));
            action(index, firer);
        })
    };
    (0..count).map(make).unzip()
}

/// Notes what the result comes to, when it comes.
pub(super) fn watch<T: fmt::Debug + 'static>(events: &Events, deferred: Deferred<T>) -> Deferred<()> {
    let events = events.clone();
    deferred.add_both(move |result| match result {
        Ok(value) => note(&events, format!("{value:?}")),
        Err(failure) => note(&events, format!("failed: {failure}")),
    })
}

pub(super) fn texts(results: Vec<Result<u32, Failure>>) -> Vec<Result<u32, String>> {
    results.into_iter().map(|result| result.map_err(|failure| failure.to_string())).collect()
}

pub(super) fn boom() -> Message {
    Message("boom".to_owned())
}

// All of them.

#[test]
fn a_list_gives_all_results_in_input_order_whatever_the_order_of_firing() {
    for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0]] {
        let (inputs, firers) = pending::<u32>(3);
        let list = deferred_list(inputs).add_callback(|results| Ok(texts(results)));
        for index in order {
            assert!(!list.has_fired());
            match index {
                1 => firers[1].errback(boom()).unwrap(),
                _ => firers[index].callback(index as u32).unwrap(),
            }
        }
        assert_eq!(list.result(), Some(vec![Ok(0), Err("boom".to_owned()), Ok(2)]));
    }
}

#[test]
fn inputs_that_have_fired_already_count_and_so_do_those_that_wait_for_others() {
    let (late, firer) = Deferred::<u32>::new();
    let waits = deferred::succeed(()).add_callback(move |()| late);
    let inputs = [deferred::succeed(1), waits, deferred::fail(boom())];
    let list = deferred_list(inputs).add_callback(|results| Ok(texts(results)));
    assert!(!list.has_fired());
    firer.callback(2).unwrap();
    assert_eq!(list.result(), Some(vec![Ok(1), Ok(2), Err("boom".to_owned())]));
    let list = deferred_list([deferred::succeed(1), deferred::fail(boom())]);
    assert!(list.has_fired());
    drop(list);
}

#[test]
fn no_inputs_fire_at_once_and_an_empty_race_fails_at_once() {
    assert_eq!(deferred_list::<u32>([]).result().map(texts), Some(vec![]));
    for others in BOTH {
        assert_eq!(gather_results::<u32>([], others).result(), Some(vec![]));
        let failed = race::<u32>([], others).add_both(|result| {
            Ok(result.unwrap_err().check::<FailureGroup>().is_some_and(|FailureGroup(failures)| failures.is_empty()))
        });
        assert_eq!(failed.result(), Some(true));
    }
}

#[test]
fn a_list_handles_the_failures_that_it_gives_in_its_result() {
    let lines = logged(|| drop(deferred_list([deferred::fail::<u32>(boom()), deferred::succeed(1)])));
    assert_eq!(lines, [""; 0]);
}

#[test]
fn cancelling_a_list_cancels_what_has_not_fired_and_the_result_follows_from_the_inputs() {
    let events = Events::default();
    let (inputs, firers) = watched(&events, 4, |index, firer| match index {
        1 => firer.callback(11).unwrap(),
        2 => firer.errback(boom()).unwrap(),
        _ => {}
    });
    let list = deferred_list(inputs).add_callback(|results| Ok(texts(results)));
    firers[0].callback(10).unwrap();
    list.cancel();
    assert_eq!(events.take(), ["cancel 1", "cancel 2", "cancel 3"]);
    let cancelled = Err("cancelled".to_owned());
    assert_eq!(list.result(), Some(vec![Ok(10), Ok(11), Err("boom".to_owned()), cancelled]));
}

#[test]
fn an_input_that_goes_on_after_a_cancel_is_waited_for_and_can_be_cancelled_again() {
    for cancels in 1..4 {
        let (cleaned_up, clean_up) = Deferred::<u32>::new();
        let (first, _firer) = Deferred::<u32>::new();
        let stubborn = first.add_errback(move |_| cleaned_up);
        let list = deferred_list([stubborn, deferred::succeed(1)]).add_callback(|results| Ok(texts(results)));
        list.cancel();
        assert!(!list.has_fired(), "the list follows from its inputs");
        if cancels == 1 {
            clean_up.callback(7).unwrap();
            assert_eq!(list.result(), Some(vec![Ok(7), Ok(1)]));
            continue;
        }
        (1..cancels).for_each(|_| list.cancel());
        assert_eq!(list.result(), Some(vec![Err("cancelled".to_owned()), Ok(1)]));
    }
}

#[test]
fn cancelling_what_has_fired_leaves_the_inputs_alone() {
    let events = Events::default();
    let (inputs, firers) = watched(&events, 2, |_, _| {});
    let first = race(inputs, Others::LeaveRunning);
    firers[1].callback(5).unwrap();
    first.cancel();
    assert_eq!(first.result(), Some((1, 5)));
    assert_eq!(events.take(), [""; 0]);
    assert!(!firers[0].called());
}

// All or the first failure.

#[test]
fn gathered_values_come_in_input_order() {
    for others in BOTH {
        let (inputs, firers) = pending::<u32>(3);
        let all = gather_results(inputs, others);
        for index in [2, 0, 1] {
            firers[index].callback(index as u32).unwrap();
        }
        assert_eq!(all.result(), Some(vec![0, 1, 2]));
    }
}

#[test]
fn the_first_failure_fails_a_gathering_at_once_and_can_be_looked_into() {
    for others in BOTH {
        for fire_first in [true, false] {
            let (mut inputs, firers) = pending::<u32>(3);
            if fire_first {
                inputs[1] = deferred::fail(boom());
            }
            let all = gather_results(inputs, others);
            if !fire_first {
                firers[1].errback(boom()).unwrap();
            }
            assert!(all.has_fired());
            let failure: Rc<RefCell<Option<Failure>>> = Rc::default();
            let seen = failure.clone();
            all.add_both(move |result| *seen.borrow_mut() = result.err()).detach();
            let failure = failure.take().expect("it failed");
            let first = failure.check::<FirstError>().expect("it is a FirstError");
            assert_eq!((first.index, first.failure.check::<Message>()), (1, Some(&boom())));
            assert_eq!(failure.to_string(), "input 1 failed: boom");
            assert_eq!(firers[0].called(), others == Others::Cancel);
        }
    }
}

#[test]
fn siblings_are_cancelled_before_the_failure_is_told_or_left_running_as_the_caller_says() {
    for (others, expected) in [
        (Others::Cancel, vec!["cancel 0", "cancel 2", "failed: input 1 failed: boom"]),
        (Others::LeaveRunning, vec!["failed: input 1 failed: boom"]),
    ] {
        let events = Events::default();
        let (inputs, firers) = watched(&events, 3, |_, _| {});
        let all = watch(&events, gather_results(inputs, others));
        firers[1].errback(boom()).unwrap();
        assert_eq!(events.take(), expected);
        drop(all);
    }
}

#[test]
fn a_siblings_later_failure_is_logged_but_not_the_cancellation_that_we_asked_for() {
    for (others, action, expected) in [
        (Others::Cancel, (|_, _| {}) as fn(usize, &Firer<u32>), 0),
        (Others::Cancel, |_, firer| firer.errback(Message("cannot stop".to_owned())).unwrap(), 1),
        (Others::Cancel, |_, firer| firer.callback(1).unwrap(), 0),
        (Others::LeaveRunning, |_, _| {}, 0),
    ] {
        let lines = logged(|| {
            let (inputs, firers) = watched(&Events::default(), 2, action);
            let all = gather_results(inputs, others);
            firers[0].errback(boom()).unwrap();
            assert_eq!(outcome(all), "failed: input 0 failed: boom");
        });
        assert_eq!(lines.len(), expected, "{others:?}: {lines:?}");
    }
    for failure in [Failure::msg("too late"), Failure::new(CancelledError)] {
        let lines = logged(|| {
            let (inputs, firers) = pending::<u32>(2);
            let all = gather_results(inputs, Others::LeaveRunning);
            firers[0].errback(boom()).unwrap();
            assert_eq!(outcome(all), "failed: input 0 failed: boom");
            firers[1].errback(failure).unwrap();
        });
        assert_eq!(lines.len(), 1, "nobody asked for it: {lines:?}");
        assert!(lines[0].starts_with("Unhandled error in Deferred: "), "{lines:?}");
    }
}

#[test]
fn cancelling_a_gathering_cancels_all_and_fails_with_the_first_cancellation() {
    for others in BOTH {
        let lines = logged(|| {
            let (inputs, firers) = pending::<u32>(3);
            let all = gather_results(inputs, others);
            firers[0].callback(1).unwrap();
            all.cancel();
            assert!(firers.iter().all(Firer::called));
            assert_eq!(outcome(all), "failed: input 1 failed: cancelled");
        });
        assert_eq!(lines, [""; 0]);
    }
}

/// Panics when it is dropped.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("in a drop");
    }
}

#[test]
fn the_result_of_a_list_is_not_lost_if_a_value_or_a_canceller_panics_when_it_is_dropped() {
    for others in BOTH {
        // A value that came before the failure.
        let (succeeded, (failing, firer)) = (deferred::succeed(Some(Bomb)), Deferred::new());
        let all = gather_results([succeeded, failing], others).add_callback(|_| Ok(1));
        assert!(caught(|| firer.errback(Message("boom".to_owned())).unwrap()).is_err());
        assert_eq!(outcome(all), "failed: input 1 failed: boom");
        // A canceller, which nothing but the list keeps.
        let (failing, firer) = Deferred::<Option<Bomb>>::new();
        let bomb = Bomb;
        let (never, _) = Deferred::with_canceller(move |_| std::mem::forget(bomb));
        let all = gather_results([failing, never], others).add_callback(|_| Ok(1));
        let fired = caught(|| firer.errback(Message("boom".to_owned())).unwrap());
        assert_eq!(fired.is_err(), others == Others::LeaveRunning);
        assert_eq!(outcome(all), "failed: input 0 failed: boom");
    }
}

#[test]
fn the_failure_of_a_list_that_panics_before_it_is_there_is_logged() {
    let lines = logged(|| {
        let inputs = [Deferred::from_result(Ok(Bomb)), Deferred::from_result(Err(Failure::msg("boom")))];
        assert!(caught(move || drop(gather_results(inputs, Others::Cancel))).is_err());
    });
    assert_eq!(lines.len(), 1, "{lines:?}");
}

#[test]
fn a_cancel_after_the_result_is_there_does_not_hide_what_was_not_asked_for() {
    let lines = logged(|| {
        let (inputs, firers) = pending::<u32>(2);
        let all = gather_results(inputs, Others::LeaveRunning);
        firers[0].errback(boom()).unwrap();
        all.cancel();
        firers[1].errback(CancelledError).unwrap();
        assert_eq!(outcome(all), "failed: input 0 failed: boom");
    });
    assert_eq!(lines.len(), 1, "{lines:?}");
}
