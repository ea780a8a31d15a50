//! A race: the first value wins; the others lose, before or after, and nobody is told.

use super::lists::{boom, pending, watch, watched};
use super::*;
use crate::deferred::{FailureGroup, Others, race};

#[test]
fn the_first_value_wins_a_race_and_the_losers_are_cancelled_before_it_is_told() {
    let events = Events::default();
    let (inputs, firers) = watched(&events, 3, |_, _| {});
    let first = watch(&events, race(inputs, Others::Cancel));
    firers[0].errback(boom()).unwrap();
    assert!(!first.has_fired(), "a failure does not win");
    firers[1].callback(5).unwrap();
    assert_eq!(events.take(), ["cancel 2", "(1, 5)"]);
}

#[test]
fn the_first_fired_input_wins_a_race_and_the_running_ones_are_cancelled() {
    let ((before, fire_before), (after, fire_after)) = (Deferred::<u32>::new(), Deferred::<u32>::new());
    let inputs = [before, deferred::fail(boom()), deferred::succeed(1), deferred::succeed(2), after];
    assert_eq!(race(inputs, Others::Cancel).result(), Some((2, 1)));
    assert!(fire_before.called() && fire_after.called());
}

#[test]
fn the_message_of_a_failure_group_shows_only_the_first_few() {
    let group = FailureGroup((0..1000).map(|n| Failure::msg(n.to_string())).collect());
    assert_eq!(group.to_string(), "all 1000 inputs failed: 0; 1; 2; 3; 4; and 995 more");
    assert_eq!(FailureGroup(Vec::new()).to_string(), "nobody took part in the race");
}

#[test]
fn the_failures_of_losers_are_logged_as_lost_races_unless_we_asked_for_them() {
    let (inputs, firers) = pending::<u32>(4);
    let lines = logged(|| {
        let first = race(inputs, Others::LeaveRunning);
        firers[0].errback(Message("before".to_owned())).unwrap();
        firers[1].callback(1).unwrap();
        firers[2].errback(Message("after".to_owned())).unwrap();
        firers[3].callback(3).unwrap();
        assert_eq!(first.result(), Some((1, 1)));
    });
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines.iter().all(|line| line.starts_with("Lost a race: ")), "{lines:?}");
    let lines = logged(|| {
        let (inputs, firers) = pending::<u32>(2);
        let first = race(inputs, Others::Cancel);
        firers[0].callback(1).unwrap();
        assert_eq!(first.result(), Some((0, 1)));
    });
    assert_eq!(lines, [""; 0], "we asked for the cancellation");
}

#[test]
fn a_loser_left_running_can_still_be_fired() {
    let (inputs, firers) = pending::<u32>(2);
    let first = race(inputs, Others::LeaveRunning);
    firers[1].callback(1).unwrap();
    assert_eq!((firers[0].called(), firers[0].callback(2)), (false, Ok(())));
    assert_eq!(first.result(), Some((1, 1)));
}
