//! Deferred, rule by rule: what all of its tests share, and how it fires. The other rules are in the folder beside.

mod cancelling;
mod failing;
mod joining;
mod list_errors;
mod lists;
mod locks;
mod memory;
mod pausing;
mod queues;
mod races;
mod shared;
mod timeouts;
mod waiting;

use super::*;
use crate::deferred;
use crate::failure::Message;
use std::cell::{Cell, RefCell};
use std::sync::Once;

/// More than any stack has room for. Under Miri, which is slow and not about the stack, more than `MAX_DEPTH` and
/// `MAX_CIRCLE`.
const MILLION: usize = if cfg!(miri) { 40 } else { 1_000_000 };

/// The same where each takes longer: for a stack of 2 MiB this is enough, too.
const MANY: usize = if cfg!(miri) { 40 } else { 100_000 };

/// What happened, in order.
type Events = Rc<RefCell<Vec<String>>>;

fn note(events: &Events, what: impl fmt::Display) {
    events.borrow_mut().push(what.to_string());
}

/// What a chain came to: its value, or its failure's text.
fn outcome<T: fmt::Debug + 'static>(deferred: Deferred<T>) -> String {
    let seen: Rc<RefCell<String>> = Rc::new(RefCell::new("unfired".to_owned()));
    let noted = seen.clone();
    deferred
        .add_both(move |result| {
            *noted.borrow_mut() = match result {
                Ok(value) => format!("{value:?}"),
                Err(failure) => format!("failed: {failure}"),
            };
        })
        .detach();
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
