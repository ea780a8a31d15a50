use super::*;
use crate::places::tests::{HeldPlaces, ask};
use reactor::testing::ManualClock;
use reactor::{CancelledError, Failure};

const SECOND: Duration = Duration::from_secs(1);

fn at_once(number: usize) -> NonZeroUsize {
    NonZeroUsize::new(number).unwrap()
}

/// The text of an answer or of its failure, once there is one.
fn outcome(answer: Deferred<Vec<u8>>) -> Rc<Cell<Option<String>>> {
    let told: Rc<Cell<Option<String>>> = Rc::default();
    let seen = told.clone();
    answer
        .add_both(move |answer: Result<Vec<u8>, Failure>| {
            seen.set(Some(match answer {
                Ok(text) => String::from_utf8(text).unwrap(),
                Err(failure) => failure.to_string(),
            }));
            Ok(())
        })
        .detach();
    told
}

#[test]
fn questions_wait_for_their_turn_and_a_cancelled_one_lets_the_next_start() {
    let held = Rc::new(HeldPlaces::default());
    let limiter = Limiter::new(held.clone(), at_once(2));
    let questions = ["1", "2", "3", "4", "5"].map(|radius| ask(radius, 1));
    let mut asked: Vec<_> = questions.iter().map(|question| limiter.nearby(question)).collect();
    assert_eq!(held.questions(), questions[..2]);
    asked[2].cancel(); // It waits for its turn.
    asked[1].cancel(); // It is under way: now the fourth may start.
    assert_eq!(held.questions(), [questions[0].clone(), questions[3].clone()]);
    held.answer("one");
    assert_eq!(held.questions(), questions[3..], "the fifth is under way now");
    assert_eq!(asked.remove(0).result(), Some(b"one".to_vec()));
    for deferred in asked {
        deferred.add_errback(|failure| failure.trap::<CancelledError>().map(|_| Vec::new())).detach();
    }
}

#[test]
fn a_failure_lets_the_next_question_start_as_an_answer_does() {
    let held = Rc::new(HeldPlaces::default());
    let limiter = Limiter::new(held.clone(), at_once(1));
    let (one, two) = (outcome(limiter.nearby(&ask("1", 1))), outcome(limiter.nearby(&ask("2", 1))));
    held.take().1.errback(Failure::msg("broken")).unwrap();
    assert_eq!(held.questions(), [ask("2", 1)]);
    held.answer("two");
    assert_eq!((one.take().as_deref(), two.take().as_deref()), (Some("broken"), Some("two")));
}

#[test]
fn a_question_that_waits_for_half_the_timeout_fails_with_too_many_questions() {
    let (held, clock) = (Rc::new(HeldPlaces::default()), Rc::new(ManualClock::new()));
    let limiter = Limiter::new(held.clone(), at_once(1)).timeout(10 * SECOND, clock.clone());
    let (first, second) = (outcome(limiter.nearby(&ask("1", 1))), outcome(limiter.nearby(&ask("2", 1))));
    clock.advance(5 * SECOND - Duration::from_millis(1));
    assert_eq!(second.take(), None);
    clock.advance(Duration::from_millis(1));
    let told = second.take().unwrap();
    assert!(told.starts_with("too many questions") && told.contains("within 5s"), "{told}");
    clock.advance(100 * SECOND);
    assert_eq!(first.take(), None, "a question that need not wait has no limit here");
    held.answer("one");
    assert_eq!(first.take().as_deref(), Some("one"));
    assert_eq!((held.questions().len(), format!("{limiter:?}")), (0, "Limiter(1 free, 0 waiting)".to_owned()));
}

#[test]
fn the_wait_and_the_answer_together_take_at_most_the_timeout() {
    let (held, clock) = (Rc::new(HeldPlaces::default()), Rc::new(ManualClock::new()));
    let limiter = Limiter::new(held.clone(), at_once(1)).timeout(10 * SECOND, clock.clone());
    let (_first, second) = (outcome(limiter.nearby(&ask("1", 1))), outcome(limiter.nearby(&ask("2", 1))));
    clock.advance(4 * SECOND);
    held.answer("one");
    assert_eq!(held.questions(), [ask("2", 1)]);
    clock.advance(6 * SECOND - Duration::from_millis(1));
    assert_eq!(second.take(), None);
    clock.advance(Duration::from_millis(1));
    let told = second.take().unwrap();
    assert!(told.contains("did not come within 10s"), "{told}");
    assert_eq!((held.questions().len(), held.cancelled()), (0, 1));
}

#[test]
fn questions_start_at_least_an_interval_apart() {
    let (held, clock) = (Rc::new(HeldPlaces::default()), Rc::new(ManualClock::new()));
    let limiter = Limiter::new(held.clone(), at_once(1)).interval(SECOND, clock.clone());
    let [first, second, third] = ["1", "2", "3"].map(|radius| outcome(limiter.nearby(&ask(radius, 1))));
    held.answer("one");
    assert_eq!((first.take().as_deref(), held.questions().len()), (Some("one"), 0));
    clock.advance(SECOND - Duration::from_millis(1));
    assert_eq!(held.questions().len(), 0);
    clock.advance(Duration::from_millis(1));
    assert_eq!(held.questions(), [ask("2", 1)]);
    clock.advance(10 * SECOND);
    assert_eq!(held.questions(), [ask("2", 1)], "one at a time");
    held.answer("two");
    assert_eq!(held.questions(), [ask("3", 1)], "long enough since the last");
    held.answer("three");
    assert_eq!((second.take().as_deref(), third.take().as_deref()), (Some("two"), Some("three")));
}

#[test]
fn a_question_that_is_cancelled_in_the_pause_does_not_make_it_longer() {
    let (held, clock) = (Rc::new(HeldPlaces::default()), Rc::new(ManualClock::new()));
    let limiter = Limiter::new(held.clone(), at_once(1)).interval(SECOND, clock.clone());
    let _first = outcome(limiter.nearby(&ask("1", 1)));
    held.answer("one");
    let second = limiter.nearby(&ask("2", 1));
    let _third = outcome(limiter.nearby(&ask("3", 1)));
    second.cancel();
    second.add_errback(|failure| failure.trap::<CancelledError>().map(|_| Vec::new())).detach();
    clock.advance(SECOND);
    assert_eq!(held.questions(), [ask("3", 1)]);
}
