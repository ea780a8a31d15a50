//! Deferred, rule by rule.

use super::*;
use crate::error::CancelledError;
use crate::{Message, deferred};
use std::cell::{Cell, RefCell};
use std::sync::Once;

/// What happened, in order.
type Events = Rc<RefCell<Vec<String>>>;

const MILLION: usize = 1_000_000;

fn note(events: &Events, what: impl fmt::Display) {
    events.borrow_mut().push(what.to_string());
}

/// What a chain came to: its value, or its failure's text.
fn outcome<T: fmt::Debug + 'static>(deferred: Deferred<T>) -> String {
    let seen: Rc<RefCell<String>> = Rc::new(RefCell::new("unfired".to_owned()));
    let noted = seen.clone();
    drop(deferred.add_both(move |result| {
        *noted.borrow_mut() = match result {
            Ok(value) => format!("{value:?}"),
            Err(failure) => format!("failed: {failure}"),
        };
    }));
    seen.take()
}

/// What is logged by this thread while `work` runs.
fn logged(work: impl FnOnce()) -> Vec<String> {
    struct Capture;
    thread_local!(static LINES: RefCell<Option<Vec<String>>> = const { RefCell::new(None) });
    impl log::Log for Capture {
        fn enabled(&self, _: &log::Metadata<'_>) -> bool {
            true
        }
        fn log(&self, record: &log::Record<'_>) {
            LINES.with_borrow_mut(|lines| lines.iter_mut().for_each(|lines| lines.push(record.args().to_string())));
        }
        fn flush(&self) {}
    }
    static INSTALL: Once = Once::new();
    INSTALL.call_once(|| {
        log::set_logger(&Capture).expect("no other test of this binary sets a logger");
        log::set_max_level(log::LevelFilter::Trace);
    });
    LINES.set(Some(Vec::new()));
    work();
    LINES.take().unwrap_or_default()
}

/// Adds one to a count when it is dropped.
struct Dropped(Rc<Cell<usize>>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.set(self.0.get() + 1);
    }
}

#[test]
fn a_second_firing_is_refused_whichever_comes_first() {
    for (first, second) in [(true, true), (true, false), (false, true), (false, false)] {
        let (deferred, firer) = Deferred::<&str>::new();
        let fire = |good: bool, text: &'static str| match good {
            true => firer.callback(text),
            false => firer.errback(Message(text.to_owned())),
        };
        assert!(!firer.called());
        assert_eq!(fire(first, "first"), Ok(()));
        assert!(firer.called());
        let error = fire(second, "second").unwrap_err();
        assert!(error.made.file().ends_with("tests.rs"), "{error}");
        let expected = if first { "\"first\"" } else { "failed: first" };
        assert_eq!(outcome(deferred), expected, "{first} then {second}");
    }
}

#[test]
fn a_firing_from_inside_its_own_chain_is_refused() {
    let (deferred, firer) = Deferred::<u32>::new();
    let again = firer.clone();
    let chain = deferred.add_callback(move |_| Ok(again.callback(2).is_err()));
    firer.callback(1).unwrap();
    assert_eq!(chain.result(), Some(true));
}

#[test]
fn any_clone_of_a_firer_fires_and_the_first_counts() {
    let (deferred, firer) = Deferred::<u32>::new();
    assert_eq!(firer.clone().callback(1), Ok(()));
    assert!(firer.callback(2).is_err());
    assert_eq!(deferred.result(), Some(1));
}

/// One chain of every kind of step; what ran. `fire_first` fires it before the steps are added.
fn sides(result: Result<u32, Failure>, fire_first: bool) -> (Vec<String>, String) {
    let events = Events::default();
    let (mut firing, (deferred, firer)) = (Some(result), Deferred::<u32>::new());
    if fire_first {
        firer.fire(firing.take().unwrap()).unwrap();
    }
    let on = |name: &'static str| {
        let events = events.clone();
        move |what: String| note(&events, format!("{name} {what}"))
    };
    let (a, b, c, d, e) = (on("callback"), on("errback"), on("both"), on("left"), on("right"));
    let chain = deferred
        .add_callback(move |n| {
            a(n.to_string());
            if n < 10 { Ok(n + 1) } else { Err(Failure::msg("too large")) }
        })
        .add_errback(move |failure| {
            b(failure.to_string());
            if failure.to_string() == "too large" { Ok(100) } else { Err(failure) }
        })
        .add_both(move |result| {
            c(format!("{:?}", result.as_ref().map_err(Failure::to_string)));
            result
        })
        .add_callbacks(
            move |n| {
                d(n.to_string());
                Ok(n.to_string())
            },
            move |failure| {
                e(failure.to_string());
                Ok("mended".to_owned())
            },
        );
    if let Some(result) = firing {
        assert_eq!(events.borrow().len(), 0, "nothing runs before it fires");
        firer.fire(result).unwrap();
    }
    (events.take(), outcome(chain))
}

#[test]
fn values_run_callbacks_and_failures_errbacks_and_the_others_are_passed_by() {
    for fire_first in [false, true] {
        let (ran, result) = sides(Ok(1), fire_first);
        assert_eq!(ran, ["callback 1", "both Ok(2)", "left 2"]);
        assert_eq!(result, "\"2\"");
        let (ran, result) = sides(Ok(50), fire_first);
        assert_eq!(ran, ["callback 50", "errback too large", "both Ok(100)", "left 100"]);
        assert_eq!(result, "\"100\"");
        let (ran, result) = sides(Err(Failure::msg("bad")), fire_first);
        assert_eq!(ran, ["errback bad", "both Err(\"bad\")", "right bad"]);
        assert_eq!(result, "\"mended\"");
    }
}

#[test]
fn a_failure_of_a_callback_does_not_reach_the_errback_beside_it() {
    for fire_first in [false, true] {
        let (deferred, firer) = Deferred::<u32>::new();
        if fire_first {
            firer.callback(1).unwrap();
        }
        let chain = deferred.add_callbacks(
            |_| Err::<u32, _>(Failure::msg("raised")),
            |_| -> Result<u32, Failure> { panic!("the errback beside it ran") },
        );
        if !fire_first {
            firer.callback(1).unwrap();
        }
        assert_eq!(outcome(chain), "failed: raised");
    }
}

#[test]
fn firing_runs_the_whole_chain_before_it_returns_and_adding_to_a_fired_one_too() {
    let events = Events::default();
    let (deferred, firer) = Deferred::<()>::new();
    let (first, second) = (events.clone(), events.clone());
    let chain = deferred.add_callback(move |()| note(&first, "first"));
    assert!(!chain.has_fired());
    note(&events, "firing");
    firer.callback(()).unwrap();
    note(&events, "fired");
    assert!(chain.has_fired());
    let chain = chain.add_callback(move |()| note(&second, "second"));
    note(&events, "added");
    assert_eq!(chain.result(), Some(()));
    assert_eq!(events.take(), ["firing", "first", "fired", "second", "added"]);
}

#[test]
fn a_callback_that_fires_another_deferred_runs_that_chain_at_once() {
    let events = Events::default();
    let (other, fire_other) = Deferred::<()>::new();
    let inner = events.clone();
    let other = other.add_callback(move |()| note(&inner, "inner"));
    let (deferred, firer) = Deferred::<()>::new();
    let (first, second) = (events.clone(), events.clone());
    let chain = deferred
        .add_callback(move |()| {
            note(&first, "before");
            fire_other.callback(()).unwrap();
            note(&first, "after");
        })
        .add_callback(move |()| note(&second, "next"));
    firer.callback(()).unwrap();
    assert_eq!(events.take(), ["before", "inner", "after", "next"]);
    assert_eq!((other.result(), chain.result()), (Some(()), Some(())));
}

#[test]
fn a_chain_waits_for_the_deferred_that_a_callback_returns() {
    for fire_outer_first in [true, false] {
        let events = Events::default();
        let (inner, fire_inner) = Deferred::<u32>::new();
        let on_inner = events.clone();
        let inner = inner.add_callback(move |n| {
            note(&on_inner, format!("inner {n}"));
            Ok(n * 10)
        });
        let (outer, fire_outer) = Deferred::<()>::new();
        let on_outer = events.clone();
        let chain = outer.add_callback(move |()| inner).add_callback(move |n| {
            note(&on_outer, format!("outer {n}"));
            Ok(n + 1)
        });
        let fire_inner = || {
            note(&events, "fire inner");
            fire_inner.callback(1).unwrap();
        };
        if !fire_outer_first {
            fire_inner();
        }
        note(&events, "fire outer");
        fire_outer.callback(()).unwrap();
        if fire_outer_first {
            assert!(!chain.has_fired());
            fire_inner();
        }
        let expected: &[&str] = match fire_outer_first {
            true => &["fire outer", "fire inner", "inner 1", "outer 10"],
            false => &["fire inner", "inner 1", "fire outer", "outer 10"],
        };
        assert_eq!(events.take(), expected);
        assert_eq!(chain.result(), Some(11));
    }
}

#[test]
fn the_failure_of_a_returned_deferred_goes_to_the_errbacks_of_the_chain_that_waits() {
    for pending in [true, false] {
        let lines = logged(|| {
            let (inner, fire_inner) = Deferred::<u32>::new();
            if !pending {
                fire_inner.errback(Message("inner".to_owned())).unwrap();
            }
            let (outer, fire_outer) = Deferred::<()>::new();
            let chain = outer.add_callback(move |()| inner).add_callback(|_| Ok(0)).add_errback(|failure| {
                assert_eq!(failure.to_string(), "inner");
                Ok(7)
            });
            fire_outer.callback(()).unwrap();
            if pending {
                fire_inner.errback(Message("inner".to_owned())).unwrap();
            }
            assert_eq!(chain.result(), Some(7));
        });
        assert_eq!(lines, [""; 0], "the inner one's failure was handled");
    }
}

#[test]
fn an_errback_may_return_a_deferred() {
    let (retry, fire_retry) = Deferred::<u32>::new();
    let (deferred, firer) = Deferred::<u32>::new();
    let chain = deferred.add_errback(move |_| retry);
    firer.errback(Message("first attempt".to_owned())).unwrap();
    assert!(!chain.has_fired());
    fire_retry.callback(2).unwrap();
    assert_eq!(chain.result(), Some(2));
}

#[test]
fn deferreds_returned_by_deferreds_are_all_waited_for() {
    let (innermost, firer) = Deferred::<u32>::new();
    let (middle, fire_middle) = Deferred::<()>::new();
    let middle = middle.add_callback(move |()| innermost).add_callback(|n| Ok(n + 1));
    let chain = deferred::succeed(()).add_callback(move |()| middle).add_callback(|n| Ok(n + 1));
    fire_middle.callback(()).unwrap();
    assert!(!chain.has_fired());
    firer.callback(1).unwrap();
    assert_eq!(chain.result(), Some(3));
}

#[test]
fn a_chain_that_returns_a_paused_deferred_waits() {
    for fire_first in [true, false] {
        for with_callback in [true, false] {
            let (mut inner, firer) = Deferred::<u32>::new();
            if with_callback {
                inner = inner.add_callback(Ok);
            }
            if fire_first {
                firer.callback(1).unwrap();
            }
            inner.pause();
            let (outer, fire_outer) = Deferred::<()>::new();
            let chain = outer.add_callback(move |()| inner);
            fire_outer.callback(()).unwrap();
            if !fire_first {
                firer.callback(1).unwrap();
            }
            assert!(!chain.has_fired(), "fired first: {fire_first}, with a callback: {with_callback}");
        }
    }
}

#[test]
fn pauses_are_counted() {
    let events = Events::default();
    let ran = events.clone();
    let (mut deferred, firer) = Deferred::<()>::new();
    deferred.pause();
    let mut chain = deferred.add_callback(move |()| note(&ran, "ran"));
    chain.pause();
    firer.callback(()).unwrap();
    chain.unpause();
    assert!(events.borrow().is_empty() && !chain.has_fired());
    chain.unpause();
    assert_eq!(events.take(), ["ran"]);
    assert!(chain.has_fired());
}

#[test]
fn a_fired_deferred_can_be_paused_too() {
    let events = Events::default();
    let mut deferred = deferred::succeed(1);
    deferred.pause();
    assert!(!deferred.has_fired());
    let (first, second) = (events.clone(), events.clone());
    let chain = deferred
        .add_callback(move |n| {
            note(&first, n);
            Ok(n + 1)
        })
        .add_callback(move |n| {
            note(&second, n);
            Ok(n + 1)
        });
    assert!(events.borrow().is_empty());
    chain.unpause();
    assert_eq!(events.take(), ["1", "2"]);
    assert_eq!(chain.result(), Some(3));
}

#[test]
fn a_pause_from_inside_a_callback_holds_the_next_one_back() {
    let events = Events::default();
    let chain: Rc<RefCell<Option<Deferred<()>>>> = Rc::default();
    let (deferred, firer) = Deferred::<()>::new();
    let (itself, second) = (chain.clone(), events.clone());
    *chain.borrow_mut() = Some(
        deferred
            .add_callback(move |()| itself.borrow_mut().iter_mut().for_each(Deferred::pause))
            .add_callback(move |()| note(&second, "second")),
    );
    firer.callback(()).unwrap();
    assert!(events.borrow().is_empty());
    chain.borrow().iter().for_each(Deferred::unpause);
    assert_eq!(events.take(), ["second"]);
}

#[test]
fn an_unpause_too_many_is_harmless() {
    let (mut deferred, firer) = Deferred::<u32>::new();
    deferred.unpause();
    deferred.pause();
    firer.callback(1).unwrap();
    assert!(!deferred.has_fired(), "the unbalanced one was not saved up");
    deferred.unpause();
    deferred.unpause();
    assert_eq!(deferred.result(), Some(1));
}

#[test]
fn a_cancel_without_a_canceller_fails_and_swallows_exactly_one_late_firing() {
    for late_value in [true, false] {
        let (deferred, firer) = Deferred::<u32>::new();
        deferred.cancel();
        assert!(firer.called());
        let late = if late_value { firer.callback(1) } else { firer.errback(Message("late".to_owned())) };
        assert_eq!(late, Ok(()));
        assert!(firer.callback(2).is_err());
        assert!(firer.errback(Message("later".to_owned())).is_err());
        assert_eq!(outcome(deferred), "failed: cancelled");
    }
}

#[test]
fn a_cancel_is_a_cancelled_error_that_errbacks_can_trap() {
    let (deferred, _firer) = Deferred::<u32>::new();
    let chain = deferred.add_errback(|failure| failure.trap::<CancelledError>().map(|_| 5));
    chain.cancel();
    assert_eq!(chain.result(), Some(5));
}

#[test]
fn a_canceller_runs_once_and_may_fire_with_something_better() {
    type Canceller = fn(&Firer<u32>);
    let cases: [(Canceller, &str); 3] = [
        (|_| {}, "failed: cancelled"),
        (|firer| firer.callback(7).unwrap(), "7"),
        (|firer| firer.errback(Message("stopped".to_owned())).unwrap(), "failed: stopped"),
    ];
    for (action, expected) in cases {
        let runs = Rc::new(Cell::new(0));
        let count = runs.clone();
        let (deferred, firer) = Deferred::<u32>::with_canceller(move |firer| {
            count.set(count.get() + 1);
            action(firer);
        });
        deferred.cancel();
        deferred.cancel();
        assert_eq!(runs.get(), 1);
        assert!(firer.callback(1).is_err(), "with a canceller the producer knows");
        assert_eq!(outcome(deferred), expected);
    }
}

#[test]
fn a_canceller_is_dropped_unused_when_the_deferred_fires() {
    let drops = Rc::new(Cell::new(0));
    let kept = Dropped(drops.clone());
    let (deferred, firer) = Deferred::<u32>::with_canceller(move |_| {
        let _ = &kept;
        panic!("it has fired");
    });
    firer.callback(1).unwrap();
    assert_eq!(drops.get(), 1);
    deferred.cancel();
    assert_eq!(deferred.result(), Some(1));
}

#[test]
fn cancelling_a_chain_that_waits_reaches_what_it_waits_for() {
    let events = Events::default();
    let (mine, ran) = (events.clone(), events.clone());
    let (innermost, _firer) = Deferred::<u32>::with_canceller(move |_| note(&mine, "cancelled"));
    let middle = deferred::succeed(()).add_callback(move |()| innermost);
    let (outer, firer) = Deferred::<()>::with_canceller(|_| panic!("it has fired"));
    let chain = outer.add_callback(move |()| middle).add_errback(move |failure| {
        note(&ran, failure);
        Ok(9)
    });
    firer.callback(()).unwrap();
    chain.cancel();
    assert_eq!(events.take(), ["cancelled", "cancelled"]);
    assert_eq!(chain.result(), Some(9));
}

#[test]
fn after_what_it_waited_for_has_fired_a_cancel_reaches_the_next_that_it_waits_for() {
    let (first, fire_first) = Deferred::<()>::with_canceller(|_| panic!("it has fired"));
    let (second, _firer) = Deferred::<()>::new();
    let chain = deferred::succeed(()).add_callback(move |()| first).add_callback(move |()| second);
    fire_first.callback(()).unwrap();
    chain.cancel();
    assert_eq!(outcome(chain), "failed: cancelled");
}

#[test]
fn cancelling_what_has_fired_does_nothing() {
    let deferred = deferred::succeed(1);
    deferred.cancel();
    assert_eq!(deferred.result(), Some(1));
    let (deferred, firer) = Deferred::<u32>::new();
    firer.callback(2).unwrap();
    deferred.cancel();
    assert!(firer.callback(3).is_err(), "no late firing is excused");
    assert_eq!(deferred.result(), Some(2));
}

#[test]
fn a_failure_that_nobody_handled_is_logged_once_when_its_chain_is_dropped() {
    let makers: [fn() -> Deferred<()>; 4] = [
        || deferred::fail(Message("lost in the chain".to_owned())),
        || deferred::succeed(()).add_callback(|()| Err(Failure::msg("lost in the chain"))),
        || {
            let (deferred, firer) = Deferred::<()>::new();
            firer.errback(Message("lost in the chain".to_owned())).unwrap();
            deferred
        },
        || {
            let (deferred, firer) = Deferred::<()>::new();
            let chain = deferred.add_callback(|()| {}).add_callback(|()| {});
            firer.errback(Message("lost in the chain".to_owned())).unwrap();
            chain
        },
    ];
    for (index, make) in makers.into_iter().enumerate() {
        let mut deferred = None;
        assert_eq!(logged(|| deferred = Some(make())), [""; 0], "{index}: it may still be handled");
        let lines = logged(|| drop(deferred));
        assert_eq!(lines.len(), 1, "{index}: {lines:?}");
        assert!(lines[0].starts_with("Unhandled error in Deferred: lost in the chain"), "{index}: {lines:?}");
    }
}

#[test]
fn a_failure_that_was_handled_is_not_logged() {
    let lines = logged(|| {
        let (deferred, firer) = Deferred::<u32>::new();
        let chain = deferred.add_errback(|_| Ok(1));
        firer.errback(Message("handled".to_owned())).unwrap();
        drop(chain);
        drop(deferred::fail::<u32>(Message("handled".to_owned())).add_errback(|_| Ok(1)));
        let (unfired, _firer) = Deferred::<u32>::new();
        drop(unfired);
    });
    assert_eq!(lines, [""; 0]);
}

#[test]
fn result_leaves_a_failure_to_the_log() {
    let lines = logged(|| assert_eq!(deferred::fail::<u32>(Message("left".to_owned())).result(), None));
    assert_eq!(lines.len(), 1, "{lines:?}");
}

#[test]
fn what_is_logged_says_where_the_deferred_was_made_and_where_its_callbacks_were_added() {
    let mut lines_of = [0; 4];
    let lines = logged(|| {
        lines_of[0] = line!() + 1;
        let (deferred, firer) = Deferred::<u32>::new();
        lines_of[1] = line!() + 1;
        let chain = deferred.add_callback(|n| {
            lines_note(n)?;
            Ok(n)
        });
        lines_of[2] = line!() + 1;
        let chain = chain.add_callback(Ok);
        firer.callback(1).unwrap();
        drop(chain);
    });
    lines_of[3] = raised_line();
    let file = file!();
    let report = lines.concat();
    for (what, line) in ["made", "raised by", "passed", "raised at"].iter().zip(lines_of) {
        let place = format!("{file}:{line}:");
        let told = report.lines().any(|line| line.contains(what) && line.contains(&place));
        assert!(told, "{what} at {place} is not told in: {report}");
    }
}

/// Fails at the line that [`raised_line`] gives.
fn lines_note(n: u32) -> Result<(), Failure> {
    Err(Failure::msg(format!("raised with {n}")))
}

fn raised_line() -> u32 {
    lines_note(0).unwrap_err().raised().line()
}

#[test]
fn a_failure_remembers_its_way() {
    for fire_first in [true, false] {
        let (deferred, firer) = Deferred::<u32>::new();
        let failure = || Message("on its way".to_owned());
        if fire_first {
            firer.errback(failure()).unwrap();
        }
        let trail: Rc<RefCell<Vec<Passed>>> = Rc::default();
        let (first, second) = (trail.clone(), trail.clone());
        let chain = deferred.add_callback(|_| Ok(1)).add_errback(move |failure| {
            first.borrow_mut().extend(failure.trail());
            Err(Failure::msg("another"))
        });
        let chain = chain.add_errback(move |failure| {
            second.borrow_mut().extend(failure.trail());
            Ok(0)
        });
        if !fire_first {
            firer.errback(failure()).unwrap();
        }
        assert_eq!(chain.result(), Some(0));
        let trail = trail.take();
        assert!(
            matches!(trail[..3], [Passed::Made(_), Passed::Through(_), Passed::RaisedBy(_)]),
            "fired first: {fire_first}: {trail:?}"
        );
    }
}

#[test]
fn a_million_callbacks_on_a_pending_deferred_run_in_constant_stack() {
    let (deferred, firer) = Deferred::<usize>::new();
    let chain = (0..MILLION).fold(deferred, |chain, _| chain.add_callback(|n| Ok(n + 1)));
    firer.callback(0).unwrap();
    assert_eq!(chain.result(), Some(MILLION));
}

#[test]
fn a_million_callbacks_that_never_ran_are_dropped_in_constant_stack_whoever_goes_last() {
    for firer_last in [true, false] {
        let drops = Rc::new(Cell::new(0));
        let (deferred, firer) = Deferred::<()>::new();
        let chain = (0..MILLION).fold(deferred, |chain, _| {
            let kept = Dropped(drops.clone());
            chain.add_callback(move |()| drop(kept))
        });
        if firer_last {
            drop(chain);
            drop(firer);
        } else {
            drop(firer);
            drop(chain);
        }
        assert_eq!(drops.get(), MILLION);
    }
}

#[test]
fn a_million_returned_deferreds_that_have_fired_use_constant_stack() {
    let (deferred, firer) = Deferred::<usize>::new();
    let chain = (0..MILLION).fold(deferred, |chain, _| chain.add_callback(|n| deferred::succeed(n + 1)));
    firer.callback(0).unwrap();
    assert_eq!(chain.result(), Some(MILLION));
}

/// A Deferred that waits for one that waits for one ... that waits for what the firer fires.
fn waiting_in_a_row(count: usize) -> (Deferred<usize>, Firer<usize>) {
    let (mut chain, firer) = Deferred::<usize>::new();
    for _ in 0..count {
        let (next, fire_next) = Deferred::<()>::new();
        chain = next.add_callback(move |()| chain).add_callback(|n| Ok(n + 1));
        fire_next.callback(()).unwrap();
    }
    (chain, firer)
}

#[test]
fn a_million_deferreds_that_wait_for_each_other_fire_in_constant_stack() {
    let (chain, firer) = waiting_in_a_row(MILLION);
    firer.callback(0).unwrap();
    assert_eq!(chain.result(), Some(MILLION));
}

#[test]
fn a_million_deferreds_that_wait_for_each_other_are_cancelled_in_constant_stack() {
    let (chain, _firer) = waiting_in_a_row(MILLION);
    chain.cancel();
    assert_eq!(outcome(chain), "failed: cancelled");
}

#[test]
fn a_million_deferreds_that_wait_for_each_other_are_dropped_in_constant_stack() {
    for firer_last in [true, false] {
        let (chain, firer) = waiting_in_a_row(MILLION);
        if firer_last {
            drop(chain);
            drop(firer);
        } else {
            drop(firer);
            drop(chain);
        }
    }
}

#[test]
fn every_closure_is_dropped_once_whether_it_ran_or_not() {
    for result in [Some(Ok(())), Some(Err(Failure::msg("for the errbacks"))), None] {
        let drops = Rc::new(Cell::new(0));
        let (deferred, firer) = Deferred::<()>::new();
        let chain = (0..10).fold(deferred, |chain, _| {
            let (a, b, c) = (Dropped(drops.clone()), Dropped(drops.clone()), Dropped(drops.clone()));
            chain
                .add_callback(move |()| {
                    let _ = &a;
                })
                .add_errback(move |failure| {
                    let _ = &b;
                    Err(failure)
                })
                .add_both(move |result| {
                    let _ = &c;
                    result
                })
        });
        let fired = result.is_some();
        if let Some(result) = result {
            firer.fire(result).unwrap();
            assert_eq!(drops.get(), 30, "a closure is gone once the chain has passed it");
        }
        drop(chain.add_errback(|_| Ok(())));
        drop(firer);
        assert_eq!(drops.get(), 30, "fired: {fired}");
    }
}

#[test]
fn a_chain_holds_nothing_once_both_ends_are_gone() {
    let drops = Rc::new(Cell::new(0));
    let (inner, inner_firer) = Deferred::<Dropped>::new();
    let (outer, firer) = Deferred::<()>::new();
    let kept = Dropped(drops.clone());
    let chain = outer.add_callback(move |()| inner).add_callback(move |value| {
        drop(kept);
        Ok(value)
    });
    firer.callback(()).unwrap();
    drop((firer, chain));
    inner_firer.callback(Dropped(drops.clone())).unwrap();
    drop(inner_firer);
    assert_eq!(drops.get(), 2);
}
