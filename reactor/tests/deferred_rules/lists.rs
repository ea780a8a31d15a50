//! 1c, DeferredList and gatherResults: waiting for all.

use crate::*;
use reactor::CancelledError;
use reactor::deferred::{self, FirstError, Others, deferred_list, gather_results, race};

const BOTH: [Others; 2] = [Others::Cancel, Others::LeaveRunning];

fn texts(results: Vec<Result<u32, Failure>>) -> Vec<Result<u32, String>> {
    results.into_iter().map(|result| result.map_err(|failure| failure.to_string())).collect()
}

#[test]
fn deferred_list_gives_all_results_in_input_order() {
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
fn deferred_list_counts_inputs_that_have_fired_already() {
    let fired = || [deferred::succeed(1), deferred::fail(boom())];
    let list = deferred_list(fired()).add_callback(|results| Ok(texts(results)));
    assert_eq!(list.result(), Some(vec![Ok(1), Err("boom".to_owned())]));
    // One that has fired, but waits for another Deferred, does not count yet.
    let (late, firer) = Deferred::<u32>::new();
    let waits = deferred::succeed(()).add_callback(move |()| late);
    let list = deferred_list(fired().into_iter().chain([waits])).add_callback(|results| Ok(texts(results)));
    assert!(!list.has_fired());
    firer.callback(2).unwrap();
    assert_eq!(list.result(), Some(vec![Ok(1), Err("boom".to_owned()), Ok(2)]));
}

#[test]
fn deferred_list_handles_the_failures_of_its_inputs() {
    // In Twisted each input keeps its failure, which is logged unless consumeErrors is set.
    let unhandled = lost(|| {
        let (inputs, firers) = pending::<u32>(2);
        let list = deferred_list(inputs);
        firers.iter().for_each(|firer| firer.errback(boom()).unwrap());
        assert_eq!(list.result().map(texts), Some(vec![Err("boom".to_owned()); 2]));
        drop(deferred_list([deferred::fail(boom()), deferred::succeed(1)]));
    });
    assert_eq!(unhandled, [""; 0]);
}

#[test]
fn deferred_list_that_is_empty_fires_at_once() {
    assert_eq!(deferred_list::<u32>([]).result().map(texts), Some(vec![]));
    for others in BOTH {
        assert_eq!(gather_results::<u32>([], others).result(), Some(vec![]));
    }
}

#[test]
fn deferred_list_that_is_empty_with_fire_on_one_callback_fails_at_once() {
    // In Twisted it never fires.
    assert_eq!(outcome(race::<u32>([], Others::LeaveRunning)), "failed: nobody took part in the race");
}

#[test]
fn deferred_list_fire_on_one_callback_gives_value_and_index_and_leaves_the_others_running() {
    let (inputs, firers) = pending::<u32>(3);
    let first = race(inputs, Others::LeaveRunning);
    firers[0].errback(boom()).unwrap();
    firers[2].callback(5).unwrap();
    assert_eq!(first.result(), Some((2, 5)));
    assert!(!firers[1].called());
    firers[1].callback(1).unwrap();
}

#[test]
fn deferred_list_fire_on_one_errback_fails_with_a_first_error() {
    let (inputs, firers) = pending::<u32>(3);
    let all = gather_results(inputs, Others::LeaveRunning);
    firers[0].callback(0).unwrap();
    firers[2].errback(boom()).unwrap();
    let failure = failure_of(all);
    let first = failure.check::<FirstError>().expect("it is one");
    assert_eq!((first.index, first.failure.check::<Message>()), (2, Some(&boom())));
    assert!(!firers[1].called());
}

#[test]
fn deferred_list_cancel_cancels_every_input_and_the_result_follows_from_them() {
    let (first, _firer) = Deferred::<u32>::with_canceller(|firer| firer.callback(1).unwrap());
    let (second, _firer) = Deferred::<u32>::with_canceller(|firer| firer.errback(boom()).unwrap());
    let (third, _firer) = Deferred::<u32>::new();
    let list = deferred_list([first, second, third, deferred::succeed(4)]).add_callback(|results| Ok(texts(results)));
    list.cancel();
    assert_eq!(list.result(), Some(vec![Ok(1), Err("boom".to_owned()), Err("cancelled".to_owned()), Ok(4)]));
}

#[test]
fn deferred_list_cancel_reaches_what_an_input_waits_for() {
    let (inner, fire_inner) = Deferred::<u32>::new();
    let waits = deferred::succeed(()).add_callback(move |()| inner);
    let list = deferred_list([waits]).add_callback(|results| Ok(texts(results)));
    list.cancel();
    assert!(fire_inner.called());
    assert_eq!(list.result(), Some(vec![Err("cancelled".to_owned())]));
}

#[test]
fn deferred_list_cancel_goes_on_over_a_panicking_canceller_which_is_not_hidden() {
    // In Twisted the exception is logged, and the input never fires.
    let (first, _firer) = Deferred::<u32>::with_canceller(|_| panic!("cannot stop"));
    let (second, fire_second) = Deferred::<u32>::new();
    let list = deferred_list([first, second]).add_callback(|results| Ok(texts(results)));
    assert_eq!(panic_of(|| list.cancel()), "cannot stop");
    assert!(fire_second.called());
    assert_eq!(list.result(), Some(vec![Err("cancelled".to_owned()); 2]));
}

#[test]
fn deferred_list_cancel_after_it_has_fired_early_leaves_the_inputs_alone() {
    let (inputs, firers) = pending::<u32>(2);
    let all = gather_results(inputs, Others::LeaveRunning);
    firers[0].errback(boom()).unwrap();
    all.cancel();
    assert!(!firers[1].called());
    assert_eq!(outcome(all), "failed: input 0 failed: boom");
}

#[test]
fn deferred_list_is_a_deferred_like_any_other() {
    let (inputs, firers) = pending::<u32>(1);
    let mut list = deferred_list(inputs);
    let pause = list.pause();
    firers[0].callback(1).unwrap();
    assert!(!list.has_fired());
    pause.unpause();
    let (inner, fire_inner) = Deferred::<u32>::new();
    let chain = list.add_callback(move |_| inner);
    chain.cancel();
    assert!(fire_inner.called());
    assert_eq!(outcome(chain), "failed: cancelled");
}

#[test]
fn gather_results_gives_a_list_of_values_in_input_order() {
    for others in BOTH {
        let (inputs, firers) = pending::<u32>(3);
        let all = gather_results(inputs.into_iter().chain([deferred::succeed(9)]), others);
        for index in [2, 0, 1] {
            firers[index].callback(index as u32).unwrap();
        }
        assert_eq!(all.result(), Some(vec![0, 1, 2, 9]));
    }
}

#[test]
fn gather_results_first_failure_is_a_first_error() {
    for others in BOTH {
        let (inputs, firers) = pending::<u32>(2);
        let all = gather_results(inputs, others);
        firers[1].errback(boom()).unwrap();
        let failure = failure_of(all);
        assert_eq!(failure.check::<FirstError>().map(|first| first.index), Some(1));
        assert_eq!(failure.to_string(), "input 1 failed: boom");
    }
}

#[test]
fn gather_results_siblings_go_on_or_are_cancelled_as_the_caller_says() {
    // In Twisted they go on, and nobody hears of them any more.
    for (others, expected) in
        [(Others::Cancel, &["cancel 0", "cancel 2", "failed"][..]), (Others::LeaveRunning, &["failed"])]
    {
        let events = Events::default();
        let (inputs, firers) = runners(&events, 3);
        let all = gather_results(inputs, others).add_both(noting(&events, "failed"));
        firers[1].errback(boom()).unwrap();
        assert_eq!(events.take(), expected, "siblings are cancelled before the failure is told");
        assert_eq!(firers[0].called(), others == Others::Cancel);
        assert_eq!(outcome(all), "failed: input 1 failed: boom");
    }
}

#[test]
fn gather_results_a_second_failure_is_logged() {
    for second in [Failure::msg("second"), Failure::new(CancelledError)] {
        let text = second.to_string();
        let unhandled = lost(|| {
            let (inputs, firers) = pending::<u32>(2);
            let all = gather_results(inputs, Others::LeaveRunning).add_errback(|_| Ok(vec![]));
            firers[0].errback(boom()).unwrap();
            firers[1].errback(second).unwrap();
            assert_eq!(all.result(), Some(vec![]));
        });
        assert_eq!(unhandled, [text], "nobody asked for it, even if it is a cancellation");
    }
}

#[test]
fn gather_results_a_sibling_that_fails_to_stop_is_logged_and_one_that_succeeds_is_not() {
    type Action = fn(&Firer<u32>);
    let cases: [(Action, &[&str]); 2] = [
        (|firer| firer.errback(Message("cannot stop".to_owned())).unwrap(), &["cannot stop"]),
        (|firer| firer.callback(1).unwrap(), &[]),
    ];
    for (action, expected) in cases {
        let unhandled = lost(|| {
            let ((first, fire_first), (second, _firer)) = (Deferred::new(), Deferred::with_canceller(action));
            let all = gather_results([first, second], Others::Cancel);
            fire_first.errback(boom()).unwrap();
            assert_eq!(outcome(all), "failed: input 0 failed: boom");
        });
        assert_eq!(unhandled, expected);
    }
}

#[test]
fn gather_results_the_cancellations_that_it_asked_for_are_not_logged() {
    let unhandled = lost(|| {
        let (inputs, firers) = pending::<u32>(3);
        let all = gather_results(inputs, Others::Cancel).add_errback(|_| Ok(vec![]));
        firers[0].errback(boom()).unwrap();
        assert_eq!(all.result(), Some(vec![]));
    });
    assert_eq!(unhandled, [""; 0]);
}

#[test]
fn gather_results_cancel_cancels_all_and_fails_with_the_first_cancellation() {
    for others in BOTH {
        for fired in [0, 1] {
            let unhandled = lost(|| {
                let (inputs, firers) = pending::<u32>(3);
                let all = gather_results(inputs, others);
                firers.iter().take(fired).for_each(|firer| firer.callback(1).unwrap());
                all.cancel();
                assert!(firers.iter().all(Firer::called));
                assert_eq!(outcome(all), format!("failed: input {fired} failed: cancelled"));
            });
            assert_eq!(unhandled, [""; 0]);
        }
    }
}

#[test]
fn first_error_shows_its_index_and_its_error() {
    let first = FirstError { index: 3, failure: Failure::new(boom()) };
    assert_eq!(first.to_string(), "input 3 failed: boom");
    assert_eq!(format!("{first:?}"), first.to_string());
    let debug = format!("{first:#?}");
    assert!(debug.contains("index: 3") && debug.contains("boom"), "{debug}");
}
