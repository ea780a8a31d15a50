//! Several Deferreds waited for together, for all of them or until one fails: when the result comes, what it is, and
//! what becomes of the others.

use super::*;
use crate::CancelledError;
use crate::deferred::chain::caught;
use crate::deferred::{FirstError, Others, deferred_list, gather_results, race};

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
