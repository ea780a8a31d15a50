//! A connection that is cut and comes back at once: nobody hears of it.

use super::script::{Stage, line, value};
use std::time::Duration;

#[test]
fn a_question_and_an_offer_on_a_connection_that_is_cut_are_sent_on_the_next_one() {
    let stage = Stage::alone(1, 0);
    stage.run_for(Duration::from_secs(10)); // The connection is a healthy one.
    stage.look_up("kiwi");
    stage.offer("moa", 1);
    assert_eq!(stage.asked(), "GET FCALL");
    stage.cut();
    stage.settle();
    assert_eq!((stage.asked(), stage.heard().len()), ("GET FCALL".to_owned(), 0));
    stage.say(&format!("{}:0\r\n", value("kiwi", 1)));
    assert_eq!(stage.heard(), [line("kiwi", 1), "moa taken".to_owned()]);
    assert_eq!(stage.store.lost_count(), 0);
}

#[test]
fn what_is_asked_and_offered_during_a_short_break_waits_for_the_next_connection() {
    let stage = Stage::alone(1, 0);
    stage.run_for(Duration::from_secs(10));
    stage.cut();
    stage.run_for(Duration::from_micros(200)); // The break is noticed, and the next connection is not there.
    assert!(!stage.store.is_connected());
    stage.begin_look_up("kiwi");
    stage.begin_offer("moa", 1);
    stage.settle();
    assert_eq!(stage.asked(), "GET FCALL");
    stage.say(&format!("{}:2\r\n", value("kiwi", 1)));
    assert_eq!(stage.heard(), [line("kiwi", 1), "moa taken".to_owned()]);
    assert_eq!(stage.store.lost_count(), 0);
}
