//! Lists in lists in lists, a million deep: whatever becomes of them uses the stack of one, and so do the errors
//! of errors that they fail with.

use crate::{Dropped, boom, lost, panic_of};
use reactor::deferred::{FailureGroup, FirstError, Others, deferred_list, gather_results, race};
use reactor::testing::ManualClock;
use reactor::{CancelledError, Deferred, Failure, Firer, TimeoutError};
use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

/// As many as would overflow the stack of a test if it were used, in each of many ways.
const MANY: usize = match () {
    () if cfg!(miri) => 16,
    () if cfg!(debug_assertions) => 10_000,
    () => 100_000,
};

/// For those that are tried in a few ways only.
const A_MILLION: usize = if cfg!(debug_assertions) { MANY } else { 1_000_000 };

/// A Deferred that waits for two.
type Nest = fn([Deferred<u32>; 2]) -> Deferred<u32>;

/// The failure of the first of several, if any failed, or their last value.
fn last(results: Vec<Result<u32, Failure>>) -> Result<u32, Failure> {
    results.into_iter().collect::<Result<Vec<_>, _>>().map(|values| values[1])
}

const GATHERING: Nest = |both| gather_results(both, Others::Cancel).add_callback(|values| Ok(values[1]));
const GATHERING_LEFT_RUNNING: Nest =
    |both| gather_results(both, Others::LeaveRunning).add_callback(|values| Ok(values[1]));
const RACE: Nest = |both| race(both, Others::Cancel).add_callback(|(_, value)| Ok(value));
const RACE_LEFT_RUNNING: Nest = |both| race(both, Others::LeaveRunning).add_callback(|(_, value)| Ok(value));
const LIST: Nest = |both| deferred_list(both).add_callback(last);
const COROUTINE: Nest =
    |both| Deferred::from_future(async { Ok(gather_results(both, Others::Cancel).await?.into_iter().sum()) });
const SHARED: Nest = |both| GATHERING(both).share().wait();

const NESTS: [(&str, Nest); 7] = [
    ("gathering", GATHERING),
    ("gathering, left running", GATHERING_LEFT_RUNNING),
    ("race", RACE),
    ("race, left running", RACE_LEFT_RUNNING),
    ("list", LIST),
    ("coroutine", COROUTINE),
    ("shared", SHARED),
];

/// Those in which the fall of one is the fall of all that it waits for.
const FALLING: [(&str, Nest); 3] = [("gathering", GATHERING), ("coroutine", COROUTINE), ("shared", SHARED)];

/// Lists inside each other, each of one more input and the list before, in either order.
struct Row {
    outermost: Deferred<u32>,
    /// That of the innermost input, and those of the inputs beside the lists, from the inside out.
    firers: Vec<Firer<u32>>,
}

impl Row {
    fn new(nest: Nest, list_first: bool) -> Row {
        Row::of(MANY, nest, list_first, Deferred::new)
    }

    fn of(count: usize, nest: Nest, list_first: bool, input: impl Fn() -> (Deferred<u32>, Firer<u32>)) -> Row {
        let mut firers = Vec::with_capacity(count + 1);
        let mut make = || {
            let (deferred, firer) = input();
            firers.push(firer);
            deferred
        };
        let innermost = make();
        let outermost = (0..count).fold(innermost, |list, _| {
            let other = make();
            nest(if list_first { [list, other] } else { [other, list] })
        });
        Row { outermost, firers }
    }

    fn innermost(&self) -> &Firer<u32> {
        &self.firers[0]
    }

    fn beside_the_outermost(&self) -> &Firer<u32> {
        self.firers.last().expect("there is one at least")
    }

    /// What it came to, after all have been called.
    #[track_caller]
    fn end(self, name: &str) -> Result<u32, Failure> {
        assert!(self.firers.iter().all(Firer::called), "{name}: not all have been fired or cancelled");
        self.into_result(name)
    }

    #[track_caller]
    fn into_result(self, name: &str) -> Result<u32, Failure> {
        assert!(self.outermost.has_fired(), "{name}");
        let result = Rc::new(RefCell::new(None));
        let seen = result.clone();
        self.outermost.add_both(move |result| *seen.borrow_mut() = Some(result)).detach();
        result.take().expect("it has fired")
    }
}

/// Tries each of these, with the list before the other input and behind it.
fn for_each(nests: &[(&str, Nest)], check: impl Fn(&str, Nest, bool)) {
    for &(name, nest) in nests {
        for list_first in [false, true] {
            check(name, nest, list_first);
        }
    }
}

#[test]
fn many_nested_lists_succeed() {
    for_each(&NESTS, |name, nest, list_first| {
        let row = Row::new(nest, list_first);
        row.firers.iter().for_each(|firer| {
            let _ = firer.callback(1);
        });
        assert!(row.end(name).is_ok(), "{name}");
    });
}

#[test]
fn many_nested_lists_fail_from_the_inside_out() {
    for_each(&NESTS, |name, nest, list_first| {
        let row = Row::new(nest, list_first);
        row.firers.iter().for_each(|firer| {
            let _ = firer.errback(boom());
        });
        let failure = row.end(name).expect_err(name);
        assert!(failure.to_string().contains("boom"), "{name}: {failure}");
    });
}

#[test]
fn when_the_outermost_of_many_nested_lists_fails_all_of_them_end() {
    for_each(&FALLING, |name, nest, list_first| {
        let unhandled = lost(|| {
            let row = Row::new(nest, list_first);
            row.beside_the_outermost().errback(boom()).unwrap();
            let failure = row.end(name).expect_err(name);
            let index = usize::from(list_first);
            assert_eq!(failure.to_string(), format!("input {index} failed: boom"), "{name}");
        });
        let first = unhandled.first();
        assert_eq!(first, None, "{name}: we asked for the cancellations");
    });
    for list_first in [false, true] {
        let row = Row::new(RACE, list_first);
        row.beside_the_outermost().callback(7).unwrap();
        assert_eq!(row.end("race").ok(), Some(7));
    }
}

#[test]
fn many_nested_lists_end_together_if_their_cancellers_fire_the_inputs() {
    for_each(&FALLING, |name, nest, list_first| {
        let fired = || Deferred::with_canceller(|firer| firer.errback(CancelledError).unwrap());
        let row = Row::of(MANY, nest, list_first, fired);
        row.beside_the_outermost().errback(boom()).unwrap();
        assert!(row.end(name).is_err(), "{name}");
    });
    for list_first in [false, true] {
        let row = Row::of(MANY, RACE, list_first, || Deferred::with_canceller(|firer| firer.callback(5).unwrap()));
        row.outermost.cancel();
        assert_eq!(row.end("race").ok(), Some(5));
    }
}

#[test]
fn a_panic_of_one_canceller_in_many_nested_lists_resumes_when_all_are_cancelled() {
    for_each(&FALLING, |name, nest, list_first| {
        let (panics, count) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
        let input = || {
            let (panics, number) = (panics.clone(), count.replace(count.get() + 1));
            Deferred::with_canceller(move |_| {
                if number == MANY / 2 {
                    panics.set(panics.get() + 1);
                    panic!("a canceller");
                }
            })
        };
        let row = Row::of(MANY, nest, list_first, input);
        let text = panic_of(|| row.beside_the_outermost().errback(boom()).unwrap());
        assert_eq!((text.as_str(), panics.get()), ("a canceller", 1), "{name}");
        assert!(row.end(name).is_err(), "{name}");
    });
}

#[test]
fn many_nested_lists_are_cancelled() {
    for_each(&NESTS, |name, nest, list_first| {
        let unhandled = lost(|| {
            let row = Row::new(nest, list_first);
            row.outermost.cancel();
            let failure = row.end(name).expect_err(name);
            assert!(failure.to_string().contains("cancelled"), "{name}: {failure}");
        });
        let first = unhandled.first();
        assert_eq!(first, None, "{name}: we asked for the cancellations");
    });
}

#[test]
fn many_nested_lists_that_handle_each_failure_are_cancelled() {
    let mended: Nest =
        |[first, second]| race([first.add_errback(|_| Ok(1)), second], Others::Cancel).add_callback(|(_, n)| Ok(n));
    let row = Row::new(mended, false);
    row.outermost.cancel();
    assert_eq!(row.end("mended race").ok(), Some(1));
    let mended: Nest = |both| GATHERING(both).add_errback(|_| Ok(0));
    let row = Row::new(mended, false);
    row.beside_the_outermost().errback(boom()).unwrap();
    assert_eq!(row.end("mended gathering").ok(), Some(0));
}

#[test]
fn many_nested_lists_time_out() {
    for_each(&NESTS, |name, nest, list_first| {
        let clock = ManualClock::new();
        let Row { outermost, firers } = Row::new(nest, list_first);
        let row = Row { outermost: outermost.add_timeout(Duration::from_secs(1), &clock), firers };
        clock.advance(Duration::from_secs(1));
        let failure = row.end(name).expect_err(name);
        assert!(failure.check::<TimeoutError>().is_some(), "{name}: {failure}");
    });
}

#[test]
fn a_million_nested_lists_end_together() {
    let row = Row::of(A_MILLION, GATHERING, false, Deferred::new);
    row.beside_the_outermost().errback(boom()).unwrap();
    assert!(row.end("gathering").is_err());
    let row = Row::of(A_MILLION, RACE, false, Deferred::new);
    row.beside_the_outermost().callback(7).unwrap();
    assert_eq!(row.end("race").ok(), Some(7));
}

#[test]
fn many_nested_lists_are_dropped() {
    let nests = [NESTS[1], NESTS[3], NESTS[4]]; // Those that cancel keep what they are to cancel.
    for_each(&nests, |name, nest, list_first| {
        for firers_first in [false, true] {
            let drops = Rc::new(Cell::new(0));
            let input = || {
                let (deferred, firer) = Deferred::new();
                let dropped = Dropped(drops.clone());
                let deferred = deferred.add_callback(move |n| {
                    let _ = &dropped;
                    Ok(n)
                });
                (deferred, firer)
            };
            let Row { outermost, firers } = Row::of(MANY, nest, list_first, input);
            if firers_first {
                drop(firers);
                drop(outermost);
            } else {
                drop(outermost);
                drop(firers);
            }
            assert_eq!(drops.get(), MANY + 1, "{name}");
        }
    });
}

/// Errors inside each other that are not those of lists: a type that a program defines is dropped like ours.
#[derive(Debug)]
struct Wrapped(#[expect(dead_code, reason = "it is only dropped")] Failure);

impl fmt::Display for Wrapped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("wrapped")
    }
}

impl std::error::Error for Wrapped {}

fn nested(count: usize, wrap: impl Fn(Failure) -> Failure) -> Failure {
    (0..count).fold(Failure::new(boom()), |failure, _| wrap(failure))
}

#[test]
fn many_nested_errors_are_dropped_shown_and_reported() {
    let first = |failure| Failure::new(FirstError { index: 1, failure });
    let group = |failure| Failure::new(FailureGroup(vec![failure, Failure::new(CancelledError)]));
    let mixed = |failure| group(first(failure));
    let double = |failure: Failure| Failure::new(FailureGroup(vec![failure.clone(), failure]));
    let ways: [(&str, &dyn Fn(Failure) -> Failure); 4] =
        [("first", &first), ("group", &group), ("mixed", &mixed), ("double", &double)];
    for (name, wrap) in ways {
        let failure = nested(if name == "first" { A_MILLION } else { MANY }, wrap);
        for text in [failure.to_string(), format!("{failure:?}"), format!("{failure:#?}"), failure.report()] {
            assert!(text.contains("boom") && text.contains("lists further in"), "{name}: {text}");
            assert!(text.len() < 20_000, "{name}: {} bytes", text.len());
        }
        assert!(failure.value().source().is_none());
        drop(failure);
    }
    drop(nested(MANY, |failure| Failure::new(Wrapped(failure))));
    drop(nested(MANY, |failure| Failure::new(Wrapped(first(failure)))));
}

#[test]
fn the_failure_of_many_nested_lists_is_shown_and_reported() {
    for_each(&[("gathering", GATHERING), ("race", RACE)], |name, nest, list_first| {
        let row = Row::new(nest, list_first);
        row.firers.iter().for_each(|firer| {
            let _ = firer.errback(boom());
        });
        let failure = row.end(name).expect_err(name);
        let report = failure.report();
        assert!(report.contains("boom") && report.contains("lists further in"), "{name}: {report}");
        assert!(report.lines().count() < 400, "{name}: {} lines", report.lines().count());
        let unhandled = lost(|| drop(reactor::deferred::fail::<()>(failure)));
        assert_eq!(unhandled.len(), 1, "{name}");
    });
}

#[test]
fn a_late_failure_of_many_nested_lists_is_reported() {
    let unhandled = lost(|| {
        let row = Row::new(GATHERING_LEFT_RUNNING, true);
        row.beside_the_outermost().errback(boom()).unwrap();
        row.innermost().errback(boom()).unwrap();
        assert!(row.into_result("left running").is_err());
    });
    assert_eq!(unhandled.len(), 1, "that of the innermost, through all lists, comes late");
    assert!(unhandled[0].contains("lists further in"), "{unhandled:?}");
}
