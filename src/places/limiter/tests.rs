use super::*;
use crate::places::tests::{HeldPlaces, SOMEBODY, ask};
use reactor::testing::ManualClock;
use reactor::{CancelledError, Failure};
use std::net::IpAddr;

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
    let limiter = Limiter::new(held.clone(), at_once(2), Rc::new(ManualClock::new()));
    let questions = ["1", "2", "3", "4", "5"].map(|radius| ask(radius, 1));
    let mut asked: Vec<_> = questions.iter().map(|question| limiter.nearby(question, SOMEBODY)).collect();
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
    let limiter = Limiter::new(held.clone(), at_once(1), Rc::new(ManualClock::new()));
    let (one, two) = (outcome(limiter.nearby(&ask("1", 1), SOMEBODY)), outcome(limiter.nearby(&ask("2", 1), SOMEBODY)));
    held.take().1.errback(Failure::msg("broken")).unwrap();
    assert_eq!(held.questions(), [ask("2", 1)]);
    held.answer("two");
    assert_eq!((one.take().as_deref(), two.take().as_deref()), (Some("broken"), Some("two")));
}

#[test]
fn a_question_that_waits_for_half_the_timeout_fails_with_too_many_questions() {
    let (held, clock) = (Rc::new(HeldPlaces::default()), Rc::new(ManualClock::new()));
    let limiter = Limiter::new(held.clone(), at_once(1), clock.clone()).timeout(10 * SECOND);
    let (first, second) =
        (outcome(limiter.nearby(&ask("1", 1), SOMEBODY)), outcome(limiter.nearby(&ask("2", 1), SOMEBODY)));
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
    let limiter = Limiter::new(held.clone(), at_once(1), clock.clone()).timeout(10 * SECOND);
    let (_first, second) =
        (outcome(limiter.nearby(&ask("1", 1), SOMEBODY)), outcome(limiter.nearby(&ask("2", 1), SOMEBODY)));
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
    let limiter = Limiter::new(held.clone(), at_once(1), clock.clone()).interval(SECOND);
    let [first, second, third] = ["1", "2", "3"].map(|radius| outcome(limiter.nearby(&ask(radius, 1), SOMEBODY)));
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
    let limiter = Limiter::new(held.clone(), at_once(1), clock.clone()).interval(SECOND);
    let _first = outcome(limiter.nearby(&ask("1", 1), SOMEBODY));
    held.answer("one");
    let second = limiter.nearby(&ask("2", 1), SOMEBODY);
    let _third = outcome(limiter.nearby(&ask("3", 1), SOMEBODY));
    second.cancel();
    second.add_errback(|failure| failure.trap::<CancelledError>().map(|_| Vec::new())).detach();
    clock.advance(SECOND);
    assert_eq!(held.questions(), [ask("3", 1)]);
}

fn asker(last: u8) -> AddressGroup {
    IpAddr::from([192, 0, 2, last]).into()
}

/// A limiter with one permit, and what is behind it.
fn one_at_a_time() -> (Rc<HeldPlaces>, Rc<ManualClock>, Limiter) {
    let (held, clock) = (Rc::new(HeldPlaces::default()), Rc::new(ManualClock::new()));
    (held.clone(), clock.clone(), Limiter::new(held, at_once(1), clock))
}

#[test]
fn a_crowd_from_one_address_delays_another_address_by_one_question() {
    let (held, _, limiter) = one_at_a_time();
    let crowd: Vec<_> = (0..500).map(|n| outcome(limiter.nearby(&ask(&n.to_string(), 1), asker(1)))).collect();
    let honest = outcome(limiter.nearby(&ask("honest", 1), asker(2)));
    held.answer("0");
    held.answer("1");
    assert_eq!(held.questions(), [ask("honest", 1)]);
    held.answer("for the honest");
    assert_eq!(honest.take().as_deref(), Some("for the honest"));
    assert_eq!(crowd.iter().filter(|told| told.take().is_some()).count(), 2);
}

#[test]
fn a_full_queue_refuses_the_crowd_and_takes_the_newcomer() {
    let (held, _, limiter) = one_at_a_time();
    let crowd: Vec<_> = (0..=MAX_WAITING).map(|n| outcome(limiter.nearby(&ask(&n.to_string(), 1), asker(1)))).collect();
    let honest = outcome(limiter.nearby(&ask("honest", 1), asker(2)));
    assert_eq!(honest.take(), None);
    let refused = crowd.last().and_then(|told| told.take()).unwrap();
    assert_eq!(refused, NotAsked::QueueFull.to_string());
    let refused = outcome(limiter.nearby(&ask("one more", 1), asker(1)));
    assert_eq!(refused.take(), Some(NotAsked::QueueFull.to_string()));
    held.answer("0");
    held.answer("1");
    held.answer("for the honest");
    assert_eq!(honest.take().as_deref(), Some("for the honest"));
}

#[test]
fn a_question_that_a_crowd_has_asked_first_does_not_wait_behind_the_crowd() {
    let (held, _, limiter) = one_at_a_time();
    let places = crate::places::Coalescer::new(Rc::new(limiter));
    let _crowd: Vec<_> = (0..500).map(|n| outcome(places.nearby(&ask(&n.to_string(), 1), asker(1)))).collect();
    let honest = outcome(places.nearby(&ask("400", 1), asker(2)));
    held.answer("0");
    held.answer("1");
    held.answer("both get this");
    assert_eq!(honest.take().as_deref(), Some("both get this"));
}

#[test]
fn beyond_the_budget_questions_are_refused_until_the_minute_is_over() {
    let (held, clock, limiter) = one_at_a_time();
    let limiter = limiter.budget(Span::Minute, 3).budget(Span::Day, 5);
    let asked = |count: usize| {
        let asked: Vec<_> = (0..count).map(|n| outcome(limiter.nearby(&ask(&n.to_string(), 1), asker(1)))).collect();
        while !held.questions().is_empty() {
            held.answer("yes");
        }
        asked.iter().map(|told| told.take().unwrap()).collect::<Vec<_>>()
    };
    let spent = NotAsked::BudgetSpent(Span::Minute).to_string();
    assert_eq!(asked(5), ["yes", "yes", "yes", &spent, &spent], "also those that have waited for their turn");
    clock.advance(59 * SECOND);
    assert_eq!(asked(1), [&*spent]);
    clock.advance(SECOND);
    let spent = NotAsked::BudgetSpent(Span::Day).to_string();
    assert_eq!(asked(4), ["yes", "yes", &spent, &spent]);
}

#[test]
fn a_question_that_is_cancelled_while_it_waits_is_not_paid_for() {
    let (held, _, limiter) = one_at_a_time();
    let limiter = limiter.budget(Span::Minute, 2);
    let first = outcome(limiter.nearby(&ask("1", 1), asker(1)));
    for _ in 0..5 {
        let given_up = limiter.nearby(&ask("2", 1), asker(1));
        given_up.cancel();
        given_up.add_errback(|failure| failure.trap::<CancelledError>().map(|_| Vec::new())).detach();
    }
    let second = outcome(limiter.nearby(&ask("3", 1), asker(1)));
    held.answer("one");
    held.answer("two");
    assert_eq!((first.take().as_deref(), second.take().as_deref()), (Some("one"), Some("two")));
}

#[test]
fn a_share_that_is_spent_does_not_refuse_those_that_share_the_question() {
    let (held, _, limiter) = one_at_a_time();
    let places = crate::places::Coalescer::new(Rc::new(limiter.budget(Span::Minute, 10)));
    let crowd: Vec<_> = (0..10).map(|n| outcome(places.nearby(&ask(&n.to_string(), 1), asker(1)))).collect();
    let honest = outcome(places.nearby(&ask("9", 1), asker(2)));
    while !held.questions().is_empty() {
        held.answer("yes");
    }
    assert_eq!(honest.take().as_deref(), Some("yes"));
    let told: Vec<_> = crowd.iter().filter_map(|told| told.take()).collect();
    let share = NotAsked::ShareSpent(Span::Minute).to_string();
    assert!(told.len() == 10 && told.contains(&share), "{told:?}");
}

#[test]
fn a_service_that_fails_is_left_alone_and_then_asked_once() {
    let (held, clock, limiter) = one_at_a_time();
    let fails = NotAsked::ServiceFails.to_string();
    let asked: Vec<_> = (0..7).map(|n| outcome(limiter.nearby(&ask(&n.to_string(), 1), asker(1)))).collect();
    for _ in 0..5 {
        held.take().1.errback(Failure::msg("no route")).unwrap();
    }
    let told: Vec<_> = asked.iter().map(|told| told.take().unwrap()).collect();
    assert_eq!(told[..5], ["no route"; 5]);
    assert_eq!(told[5..], [&*fails; 2], "those that wait need not wait longer");
    assert_eq!(outcome(limiter.nearby(&ask("8", 1), asker(2))).take().as_ref(), Some(&fails));
    assert_eq!(held.questions().len(), 0);

    clock.advance(5 * SECOND);
    let probe = outcome(limiter.nearby(&ask("probe", 1), asker(1)));
    assert_eq!(outcome(limiter.nearby(&ask("9", 1), asker(2))).take().as_ref(), Some(&fails));
    held.answer("here again");
    assert_eq!(probe.take().as_deref(), Some("here again"));
    let next = outcome(limiter.nearby(&ask("10", 1), asker(2)));
    held.answer("as usual");
    assert_eq!(next.take().as_deref(), Some("as usual"));
}

#[test]
fn answers_that_make_no_sense_and_questions_given_up_are_no_failures_of_the_service() {
    let (held, _, limiter) = one_at_a_time();
    for number in 0..50 {
        let told = limiter.nearby(&ask("1", 1), asker(1));
        match number % 3 {
            0 => held.take().1.errback(ServiceError::Status(404)).unwrap(),
            1 => held.take().1.errback(ServiceError::Remark("too large".to_owned())).unwrap(),
            _ => told.cancel(),
        }
        told.add_errback(|_| Ok(Vec::new())).detach();
    }
    let last = outcome(limiter.nearby(&ask("2", 1), asker(1)));
    held.answer("yes");
    assert_eq!(last.take().as_deref(), Some("yes"));
}

#[test]
fn a_thousand_answers_at_once_need_no_more_stack_than_one() {
    struct Ready(Rc<Cell<usize>>);
    impl Places for Ready {
        fn nearby(&self, question: &Nearby, _from: AddressGroup) -> Deferred<Vec<u8>> {
            self.0.set(self.0.get() + 1);
            match &*question.radius {
                "first" => Deferred::new().0,
                _ => reactor::deferred::succeed(b"now".to_vec()),
            }
        }
        fn describe(&self) -> String {
            String::new()
        }
    }
    let count = Rc::new(Cell::new(0));
    let limiter = Limiter::new(Rc::new(Ready(count.clone())), at_once(1), Rc::new(ManualClock::new()));
    let first = limiter.nearby(&ask("first", 1), asker(1));
    let rest: Vec<_> = (0..1000).map(|_| outcome(limiter.nearby(&ask("1", 1), asker(1)))).collect();
    first.cancel();
    first.add_errback(|_| Ok(Vec::new())).detach();
    assert!(rest.iter().all(|told| told.take().as_deref() == Some("now")));
    assert_eq!(count.get(), 1001);
}
