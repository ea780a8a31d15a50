//! How the failures of lists in lists are told, and when they count as cancellations.

use super::lists::boom;
use super::*;
use crate::deferred::{FailureGroup, FirstError, Others, gather_results, race};
use crate::testing::ManualClock;
use crate::{CancelledError, TimeoutError};
use std::error::Error;
use std::time::Duration;

fn first(index: usize, failure: Failure) -> Failure {
    Failure::new(FirstError { index, failure })
}

fn group(failures: impl IntoIterator<Item = Failure>) -> Failure {
    Failure::new(FailureGroup(failures.into_iter().collect()))
}

fn firsts(count: usize) -> Failure {
    (0..count).fold(Failure::new(boom()), |failure, index| first(index, failure))
}

#[test]
fn a_message_names_each_of_a_few_lists_and_both_ends_of_many() {
    assert_eq!(firsts(2).to_string(), "input 1 failed: input 0 failed: boom");
    let told = |indices: [usize; 4]| indices.map(|index| format!("input {index} failed: ")).concat();
    assert_eq!(firsts(8).to_string(), told([7, 6, 5, 4]) + &told([3, 2, 1, 0]) + "boom");
    assert_eq!(firsts(9).to_string(), told([8, 7, 6, 5]) + "(1 list further in) " + &told([3, 2, 1, 0]) + "boom");
    let expected = told([99, 98, 97, 96]) + "(92 lists further in) " + &told([3, 2, 1, 0]) + "boom";
    assert_eq!(firsts(100).to_string(), expected);
}

#[test]
fn a_message_shows_nested_groups_and_the_origin_of_deeper_ones() {
    let pair = |failure| group([Failure::msg("no"), failure]);
    let one = pair(Failure::new(boom()));
    assert_eq!(one.to_string(), "all 2 inputs failed: no; boom");
    let two = pair(first(3, one));
    assert_eq!(two.to_string(), "all 2 inputs failed: no; (input 3 failed: all 2 inputs failed: no; boom)");
    let three = pair(two);
    let expected = "all 2 inputs failed: no; (all 2 inputs failed: no; (2 lists further in: no))";
    assert_eq!(three.to_string(), expected);
    assert_eq!(group([group([])]).to_string(), "all 1 inputs failed: (nobody took part in the race)");
}

#[test]
fn the_long_debug_shows_a_few_levels_and_then_the_origin() {
    let shown = format!("{:#?}", firsts(2));
    let expected = "Failure(FirstError { index: 1, failure: Failure(FirstError { index: 0, \
                    failure: Failure(boom raised at ";
    assert!(shown.starts_with(expected), "{shown}");
    let shown = format!("{:#?}", firsts(100));
    assert!(shown.contains("index: 96, failure: Failure(96 lists further in: boom raised at "), "{shown}");
    let shown = format!("{:#?}", group((0..100).map(|_| Failure::new(boom()))));
    assert_eq!(shown.matches("boom").count(), 5, "{shown}");
    assert!(shown.contains(", ..]"), "{shown}");
}

#[test]
fn a_report_shows_the_inputs_of_nested_groups() {
    let leaf = || Failure::new(boom());
    let report = first(0, group([leaf(), group([group([leaf()]), leaf()])])).report();
    let inputs: Vec<_> = report.lines().filter(|line| line.contains("  input ")).map(str::trim).collect();
    let nested = "input 1: all 2 inputs failed: (all 1 inputs failed: boom); boom";
    assert_eq!(inputs, ["input 0: boom", nested, "input 0: (1 list further in) boom", "input 1: boom"], "{report}");
    assert_eq!(report.matches("raised at").count(), 5, "{report}");
}

#[test]
fn a_report_shows_the_first_causes_and_the_last_of_very_many() {
    #[derive(Debug)]
    struct Cause(usize, Option<Box<Cause>>);
    impl fmt::Display for Cause {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "cause {}", self.0)
        }
    }
    impl Error for Cause {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            self.1.as_deref().map(|cause| cause as &(dyn Error + 'static))
        }
    }
    let causes = |count| (0..count).rev().fold(None, |cause, number| Some(Box::new(Cause(number, cause))));
    let report = |count: usize| Failure::new(*causes(count).expect("there is one")).report();
    assert_eq!(report(18).matches("because").count(), 17, "{}", report(18));
    assert!(!report(18).contains("more causes"), "{}", report(18));
    let many = report(100);
    assert!(many.contains("because cause 16\n  (82 more causes before the last)\n  because cause 99\n"), "{many}");
    let wrapped = firsts(0).value().source().is_none()
        && first(1, first(2, Failure::new(Cause(0, causes(1))))).value().source().is_some();
    assert!(wrapped, "the causes of the innermost are those of all");
}

#[test]
fn a_timeout_recognizes_a_cancellation_inside_the_errors_of_lists_and_races() {
    let cancelled = || Failure::new(CancelledError);
    for (failure, expected) in [
        (first(0, group([cancelled(), first(1, cancelled())])), true),
        (group([group([cancelled()]), cancelled()]), true),
        (group([group([cancelled()]), Failure::new(boom())]), false),
        (first(0, group([])), false),
        (group([]), false),
    ] {
        let (text, clock) = (failure.to_string(), ManualClock::new());
        let (deferred, _firer) = Deferred::<u32>::with_canceller(move |firer| firer.errback(failure).unwrap());
        let chain = deferred.add_timeout(Duration::from_secs(1), &clock);
        clock.advance(Duration::from_secs(1));
        let is_timeout = chain.add_both(|result| Ok(result.unwrap_err().check::<TimeoutError>().is_some()));
        assert_eq!(is_timeout.result(), Some(expected), "{text}");
    }
}

#[test]
fn a_cancellation_that_we_asked_for_is_not_logged_if_it_comes_out_of_a_list() {
    for others in super::lists::BOTH {
        let lines = logged(|| {
            let (inputs, firers) = super::lists::pending::<u32>(3);
            let mut inputs = inputs.into_iter();
            let mut next = || inputs.next().expect("there are three");
            let inner = gather_results([next(), next()], others).add_callback(|values| Ok(values[0]));
            let all = gather_results([next(), inner], Others::Cancel);
            firers[2].errback(boom()).unwrap();
            assert_eq!(outcome(all), "failed: input 0 failed: boom");
            let (input, _firer) = Deferred::<u32>::new();
            let shared = race([gather_results([input], others)], others).add_callback(|_| {}).share();
            let waiter = shared.wait();
            waiter.cancel();
            drop(shared);
            assert_eq!(outcome(waiter), "failed: cancelled");
        });
        assert_eq!(lines, [""; 0], "{others:?}");
    }
}
