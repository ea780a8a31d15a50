//! 1c, race: the first success wins.

use crate::*;
use reactor::deferred::{self, FailureGroup, Others, race};

#[test]
fn race_first_success_wins_and_the_others_are_cancelled_before_the_result_fires() {
    for winner in 0..3 {
        let events = Events::default();
        let (inputs, firers) = runners(&events, 3);
        let first = race(inputs, Others::Cancel).add_both(noting(&events, "result"));
        firers[winner].callback(7).unwrap();
        let mut expected: Vec<_> = (0..3).filter(|index| *index != winner).map(|n| format!("cancel {n}")).collect();
        expected.push("result".to_owned());
        assert_eq!(events.take(), expected);
        assert_eq!(first.result(), Some((winner, 7)));
    }
}

#[test]
fn race_a_failure_does_not_win() {
    let events = Events::default();
    let (inputs, firers) = runners(&events, 2);
    let first = race(inputs, Others::Cancel);
    firers[0].errback(boom()).unwrap();
    assert!(!first.has_fired());
    firers[1].callback(1).unwrap();
    assert_eq!(first.result(), Some((1, 1)));
    assert_eq!(events.take(), [""; 0]);
}

#[test]
fn race_if_all_fail_it_is_a_failure_group_in_input_order() {
    for others in [Others::Cancel, Others::LeaveRunning] {
        let (inputs, firers) = pending::<u32>(3);
        let first = race(inputs, others);
        for index in [1, 2, 0] {
            firers[index].errback(Message(format!("no {index}"))).unwrap();
        }
        let failure = failure_of(first);
        assert_eq!(failure.to_string(), "all 3 inputs failed: no 0; no 1; no 2");
        let FailureGroup(failures) = failure.check::<FailureGroup>().expect("it is one");
        assert_eq!(failures.iter().map(Failure::to_string).collect::<Vec<_>>(), ["no 0", "no 1", "no 2"]);
    }
}

#[test]
fn race_a_result_from_a_canceller_does_not_change_the_winner() {
    let (stubborn, _firer) = Deferred::<u32>::with_canceller(|firer| firer.callback(100).unwrap());
    let (angry, _firer) = Deferred::<u32>::with_canceller(|firer| firer.errback(boom()).unwrap());
    let (winner, fire_winner) = Deferred::<u32>::new();
    let unhandled = lost(|| {
        let first = race([stubborn, angry, winner], Others::Cancel);
        fire_winner.callback(1).unwrap();
        assert_eq!(first.result(), Some((2, 1)));
    });
    assert_eq!(unhandled, [""; 0]);
}

#[test]
fn race_cancel_cancels_all_and_fails_with_their_failures() {
    for others in [Others::Cancel, Others::LeaveRunning] {
        let events = Events::default();
        let (inputs, _firers) = runners(&events, 3);
        let first = race(inputs, others).add_both(noting(&events, "result"));
        first.cancel();
        assert_eq!(events.take(), ["cancel 0", "cancel 1", "cancel 2", "result"]);
        let failure = failure_of(first);
        assert_eq!(failure.to_string(), "all 3 inputs failed: cancelled; cancelled; cancelled");
        assert_eq!(failure.check::<FailureGroup>().map(|FailureGroup(failures)| failures.len()), Some(3));
    }
}

#[test]
fn race_without_inputs_fails_at_once() {
    // In Twisted it never fires.
    let failure = failure_of(race::<u32>([], Others::Cancel));
    assert!(failure.check::<FailureGroup>().is_some_and(|FailureGroup(failures)| failures.is_empty()));
}

#[test]
fn race_counts_inputs_that_have_fired_already() {
    let (late, fire_late) = Deferred::<u32>::new();
    let first = race([late, deferred::fail(boom()), deferred::succeed(4)], Others::Cancel);
    assert_eq!(first.result(), Some((2, 4)));
    assert!(fire_late.called());
}

/// All ways in which three inputs can end, in every order, against the rule said in one sentence.
#[test]
fn race_in_every_order_with_every_combination_of_results() {
    const ORDERS: [[usize; 3]; 6] = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
    for successes in 0..8_u32 {
        for order in ORDERS {
            let succeeds = |index: &usize| successes >> index & 1 == 1;
            let (inputs, firers) = pending::<u32>(3);
            let first = race(inputs, Others::Cancel);
            for index in order {
                let late = match succeeds(&index) {
                    true => firers[index].callback(index as u32),
                    false => firers[index].errback(boom()),
                };
                assert_eq!(late, Ok(()), "a late firing is excused");
            }
            match order.into_iter().find(succeeds) {
                Some(winner) => assert_eq!(first.result(), Some((winner, winner as u32))),
                None => assert!(failure_of(first).check::<FailureGroup>().is_some()),
            }
        }
    }
}
