//! A timeout cancels what stands before it if that takes too long, and nothing else.

use super::*;
use crate::error::{CancelledError, TimeoutError};
use crate::testing::ManualClock;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);
const LIMIT: Duration = Duration::from_secs(10);

/// Adds a timeout after [`LIMIT`], plain or with a translation that makes "translated" of whatever came.
fn limited(deferred: Deferred<String>, clock: &ManualClock, custom: bool) -> Deferred<String> {
    match custom {
        false => deferred.add_timeout(LIMIT, clock),
        true => deferred.add_timeout_with(LIMIT, clock, |_, after| {
            assert_eq!(after, LIMIT);
            Ok("translated".to_owned())
        }),
    }
}

/// What a failed chain failed of.
fn failure_of<T: 'static>(deferred: Deferred<T>) -> Failure {
    let seen = Rc::new(RefCell::new(None));
    let noted = seen.clone();
    deferred.add_both(move |result| *noted.borrow_mut() = result.err()).detach();
    seen.take().expect("it has failed")
}

fn is_timeout(failure: &Failure) -> bool {
    failure.check::<TimeoutError>().is_some_and(|error| error.after == LIMIT)
}

#[test]
fn a_chain_goes_on_behind_a_timeout() {
    let clock = ManualClock::new();
    let (deferred, firer) = Deferred::<u32>::new();
    let chain = deferred.add_timeout(LIMIT, &clock).add_callback(|n| Ok(n + 1));
    firer.callback(1).unwrap();
    assert_eq!(chain.result(), Some(2));
}

/// `end` ends a chain before its time; what the step behind the timeout saw. That step returns a Deferred, which must
/// not be cancelled when the time comes.
fn ends_in_time(custom: bool, end: impl FnOnce(&Deferred<String>, &Firer<String>)) -> Result<String, Failure> {
    let (clock, seen) = (ManualClock::new(), Rc::new(RefCell::new(None)));
    let (deferred, firer) = Deferred::<String>::new();
    let (inner, _fire_inner) = Deferred::<()>::with_canceller(|_| panic!("it is behind the timeout"));
    let noted = seen.clone();
    let chain = limited(deferred, &clock, custom);
    let chain = chain.add_both(move |result| {
        *noted.borrow_mut() = Some(result);
        inner.add_callback(|()| Ok(String::new()))
    });
    end(&chain, &firer);
    let result = seen.take().expect("the result is there at once");
    assert!(clock.pending().is_empty(), "the delayed call goes as soon as the result is there");
    clock.advance(LIMIT * 2);
    assert!(!chain.has_fired());
    result
}

#[test]
fn a_value_in_time_passes_and_what_follows_is_not_limited() {
    for custom in [false, true] {
        let result = ends_in_time(custom, |_, firer| firer.callback("in time".to_owned()).unwrap());
        assert_eq!(result.unwrap(), "in time");
    }
}

#[test]
fn a_failure_in_time_passes_and_what_follows_is_not_limited() {
    for custom in [false, true] {
        let result = ends_in_time(custom, |_, firer| firer.errback(Message("in time".to_owned())).unwrap());
        assert_eq!(result.unwrap_err().to_string(), "in time");
    }
}

#[test]
fn a_cancel_in_time_is_no_timeout_and_is_not_translated() {
    for custom in [false, true] {
        let result = ends_in_time(custom, |chain, _| chain.cancel());
        assert!(result.unwrap_err().check::<CancelledError>().is_some());
    }
}

#[test]
fn a_timeout_error_says_what_was_waited_for_and_how_long() {
    let clock = ManualClock::new();
    let line = line!() + 1;
    let (deferred, _firer) = Deferred::<u32>::new();
    let chain = deferred.add_callback(|n| Ok(n + 1)).add_timeout(LIMIT, &clock);
    clock.advance(LIMIT);
    let failure = failure_of(chain);
    let text = failure.to_string();
    let begin = format!("the result of the Deferred made at {}:{line}:", file!());
    assert!(text.starts_with(&begin) && text.ends_with(" did not come within 10s"), "{text}");
    let added = format!("added at {}:{}:", file!(), line + 1);
    assert!(failure.report().contains(&added), "it does not name the timeout: {}", failure.report());
}

#[test]
fn a_translation_says_what_the_result_of_a_timeout_is() {
    let (clock, events) = (ManualClock::new(), Events::default());
    let (deferred, _firer) = Deferred::<u32>::new();
    let ran = events.clone();
    let chain = deferred.add_timeout_with(LIMIT, &clock, move |result, after| {
        note(&ran, format!("{} after {after:?}", result.unwrap_err()));
        Err(Failure::msg("mine"))
    });
    clock.advance(LIMIT);
    assert_eq!(events.take(), ["cancelled after 10s"]);
    assert_eq!(outcome(chain), "failed: mine");
}

#[test]
fn a_translation_may_return_a_deferred() {
    let clock = ManualClock::new();
    let (second_try, fire_second) = Deferred::<u32>::new();
    let (deferred, _firer) = Deferred::<u32>::new();
    let chain = deferred.add_timeout_with(LIMIT, &clock, move |_, _| second_try);
    clock.advance(LIMIT);
    assert!(!chain.has_fired());
    fire_second.callback(2).unwrap();
    assert_eq!(chain.result(), Some(2));
}

#[test]
fn the_result_of_a_canceller_is_passed_on_unless_there_is_a_translation() {
    type Canceller = fn(&Firer<String>);
    let cases: [(Canceller, &str); 2] = [
        (|firer| firer.callback("best so far".to_owned()).unwrap(), "\"best so far\""),
        (|firer| firer.errback(Message("stopped".to_owned())).unwrap(), "failed: stopped"),
    ];
    for (canceller, plain) in cases {
        for custom in [false, true] {
            let (clock, events) = (ManualClock::new(), Events::default());
            let (deferred, _firer) = Deferred::<String>::with_canceller(canceller);
            let ran = events.clone();
            let chain = deferred.add_both(move |result| {
                note(&ran, result.is_ok());
                result
            });
            let chain = limited(chain, &clock, custom);
            clock.advance(LIMIT);
            assert_eq!(events.take().len(), 1, "callbacks before the timeout run");
            assert_eq!(outcome(chain), if custom { "\"translated\"" } else { plain });
        }
    }
}

#[test]
fn an_errback_before_the_timeout_gets_a_cancelled_error_and_may_handle_it() {
    for (suppresses, custom) in [(false, false), (false, true), (true, false), (true, true)] {
        let (clock, events) = (ManualClock::new(), Events::default());
        let (deferred, _firer) = Deferred::<String>::new();
        let ran = events.clone();
        let chain = deferred.add_errback(move |failure| {
            note(&ran, failure.check::<CancelledError>().is_some());
            if suppresses { Ok("made up".to_owned()) } else { Err(failure) }
        });
        let chain = limited(chain, &clock, custom);
        clock.advance(LIMIT);
        assert_eq!(events.take(), ["true"]);
        match (suppresses, custom) {
            (_, true) => assert_eq!(chain.result().unwrap(), "translated"),
            (true, false) => assert_eq!(chain.result().unwrap(), "made up"),
            (false, false) => assert!(is_timeout(&failure_of(chain))),
        }
    }
}

#[test]
fn a_timeout_cancels_the_deferred_that_the_chain_waits_for() {
    let (clock, events) = (ManualClock::new(), Events::default());
    let cancelled = events.clone();
    let (inner, _fire_inner) = Deferred::<u32>::with_canceller(move |_| note(&cancelled, "cancelled"));
    let (deferred, firer) = Deferred::<()>::with_canceller(|_| panic!("it has fired"));
    let chain = deferred.add_callback(move |()| inner).add_timeout(LIMIT, &clock);
    firer.callback(()).unwrap();
    clock.advance(LIMIT);
    assert_eq!(events.take(), ["cancelled"]);
    assert!(is_timeout(&failure_of(chain)));
}

#[test]
fn each_timeout_covers_what_stands_before_it() {
    let clock = ManualClock::new();
    let (first, fire_first) = Deferred::<u32>::new();
    let (second, _fire_second) = Deferred::<u32>::new();
    let chain = first.add_timeout(SECOND, &clock).add_callback(move |_| second).add_timeout(LIMIT, &clock);
    assert_eq!(clock.pending().len(), 2);
    fire_first.callback(1).unwrap();
    assert_eq!(clock.pending().len(), 1);
    clock.advance(LIMIT - SECOND);
    assert!(!chain.has_fired());
    clock.advance(SECOND);
    assert!(is_timeout(&failure_of(chain)));
}

#[test]
fn the_delayed_call_keeps_the_chain_until_its_time_and_lets_everything_go_then() {
    for in_time in [true, false] {
        let (clock, drops) = (ManualClock::new(), Rc::new(Cell::new(0)));
        let (kept, events) = (Dropped(drops.clone()), Events::default());
        let (deferred, firer) = Deferred::<u32>::new();
        let ran = events.clone();
        deferred
            .add_timeout(LIMIT, &clock)
            .add_both(move |result| {
                note(&ran, result.is_ok());
                drop(kept);
            })
            .detach();
        if in_time {
            firer.callback(1).unwrap();
        }
        drop(firer);
        assert_eq!(drops.get(), usize::from(in_time), "nobody else holds the chain");
        clock.advance(LIMIT);
        assert_eq!((events.take(), drops.get()), (vec![in_time.to_string()], 1));
        assert!(clock.pending().is_empty());
    }
}

#[test]
fn a_dropped_clock_drops_the_timeout() {
    for custom in [false, true] {
        let (clock, (deferred, _firer)) = (ManualClock::new(), Deferred::<String>::new());
        let chain = limited(deferred, &clock, custom);
        drop(clock);
        chain.cancel();
        assert!(failure_of(chain).check::<CancelledError>().is_some(), "it was not the timeout that cancelled");
    }
    let (clock, drops) = (ManualClock::new(), Rc::new(Cell::new(0)));
    let (kept, (deferred, _)) = (Dropped(drops.clone()), Deferred::<u32>::new());
    deferred.add_timeout(LIMIT, &clock).add_callback(move |_| drop(kept)).detach();
    drop(clock);
    assert_eq!(drops.get(), 1, "a timeout and its chain are a circle while the call waits");
}

#[test]
fn a_timeout_works_on_any_clock() {
    let clock = ManualClock::new();
    let shared: Rc<dyn crate::Clock> = Rc::new(clock.clone());
    let (first, _fire_first) = Deferred::<u32>::new();
    let (second, _fire_second) = Deferred::<u32>::new();
    let chains = [first.add_timeout(LIMIT, &shared), second.add_timeout(LIMIT, &*shared)];
    clock.advance(LIMIT);
    assert!(chains.into_iter().all(|chain| is_timeout(&failure_of(chain))));
}

#[test]
fn a_canceller_reaches_the_chain_when_its_deferred_has_gone_on() {
    let (deferred, _firer) = Deferred::<u32>::new();
    let canceller: Canceller = deferred.canceller();
    let chain = deferred.add_callback(|n| Ok(n + 1));
    canceller.clone().cancel();
    canceller.cancel();
    assert_eq!(outcome(chain), "failed: cancelled");
    deferred::succeed(1).canceller().cancel();
}

#[test]
fn a_list_that_takes_too_long_is_a_timeout_too() {
    for race in [false, true] {
        let clock = ManualClock::new();
        let ((a, _a), (b, _b)) = (Deferred::<u32>::new(), Deferred::<u32>::new());
        let late = Duration::from_secs(1);
        let list = match race {
            true => deferred::race([a, b], deferred::Others::Cancel).add_callback(|_| {}).add_timeout(late, &clock),
            false => deferred::gather_results([a, b], deferred::Others::Cancel)
                .add_callback(|_| {})
                .add_timeout(late, &clock),
        };
        clock.advance(late);
        let is_timeout = list.add_both(|result| Ok(result.is_err_and(|f| f.check::<TimeoutError>().is_some())));
        assert_eq!(is_timeout.result(), Some(true), "race: {race}");
    }
}
