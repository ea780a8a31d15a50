//! Callbacks that fire the next Deferred by hand, and the same with cancels, pauses and coroutines: the order is
//! Twisted's as far as the stack allows, and no depth overflows it.

use super::*;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What any program nests without a change of order.
const SURELY_NESTED: usize = 240;

/// Runs `work` on a thread with the stack that Rust gives threads.
fn on_a_usual_stack(work: impl FnOnce() + Send + 'static) {
    let thread = std::thread::Builder::new().stack_size(2 << 20).spawn(work).expect("a thread can be started");
    thread.join().expect("it does not panic");
}

/// Deferreds, each with a callback that fires the next one and then counts itself.
fn row(length: usize, count: &Rc<Cell<usize>>) -> (Vec<Deferred<()>>, Firer<()>) {
    let (deferreds, firers): (Vec<_>, Vec<_>) = (0..length).map(|_| Deferred::<()>::new()).unzip();
    let first = firers[0].clone();
    let mut next = firers.into_iter().skip(1).map(Some).chain([None]);
    let chains = deferreds.into_iter().map(|deferred| {
        let (next, count) = (next.next().flatten(), count.clone());
        deferred.add_callback(move |()| {
            if let Some(next) = next {
                next.callback(()).expect("it fires once");
            }
            count.set(count.get() + 1);
        })
    });
    (chains.collect(), first)
}

#[test]
fn callbacks_that_fire_the_next_by_hand_use_bounded_stack() {
    on_a_usual_stack(|| {
        let count = Rc::new(Cell::new(0));
        let (chains, first) = row(MANY, &count);
        first.callback(()).unwrap();
        assert_eq!(count.get(), MANY);
        assert!(chains.iter().all(Deferred::has_fired), "all have come to rest when the outermost firing returns");
    });
}

#[test]
fn chains_that_wait_for_what_is_fired_by_hand_use_bounded_stack() {
    on_a_usual_stack(|| {
        let (mut fire_next, mut last): (Option<Firer<()>>, Option<Deferred<()>>) = (None, None);
        for _ in 0..MANY {
            let (inner, firer) = Deferred::<()>::new();
            let next = fire_next.replace(firer);
            let waits = deferred::succeed(()).add_callback(move |()| inner).add_callback(move |()| {
                if let Some(next) = next {
                    next.callback(()).expect("it fires once");
                }
            });
            last = Some(waits);
        }
        fire_next.expect("there are some").callback(()).unwrap();
        assert!(last.expect("there are some").has_fired());
    });
}

#[test]
fn pauses_that_end_inside_each_other_use_bounded_stack() {
    on_a_usual_stack(|| {
        let count = Rc::new(Cell::new(0));
        let mut pause: Option<Pause> = None;
        for _ in 0..MANY {
            let mut held = deferred::succeed(());
            let (own, before, count) = (held.pause(), pause.take(), count.clone());
            held.add_callback(move |()| {
                drop(before);
                count.set(count.get() + 1);
            })
            .detach();
            pause = Some(own);
        }
        pause.expect("there are some").unpause();
        assert_eq!(count.get(), MANY);
    });
}

#[test]
fn cancellers_that_cancel_the_next_by_hand_use_bounded_stack() {
    on_a_usual_stack(|| {
        let mut next: Option<Deferred<()>> = None;
        let cancelled = Rc::new(Cell::new(0));
        for _ in 0..MANY {
            let (inner, cancelled) = (next.take(), cancelled.clone());
            let (deferred, _firer) = Deferred::<()>::with_canceller(move |_| {
                if let Some(inner) = inner {
                    inner.cancel();
                    inner.add_errback(|_| Ok(())).detach();
                }
                cancelled.set(cancelled.get() + 1);
            });
            next = Some(deferred);
        }
        let last = next.expect("there are some");
        last.cancel();
        assert_eq!(cancelled.get(), MANY);
        assert_eq!(outcome(last), "failed: cancelled");
    });
}

#[test]
fn coroutines_that_fire_the_next_by_hand_use_bounded_stack() {
    on_a_usual_stack(|| {
        let count = Rc::new(Cell::new(0));
        let mut fire_next: Option<Firer<()>> = None;
        for _ in 0..MANY {
            let (deferred, firer) = Deferred::<()>::new();
            let (next, count) = (fire_next.replace(firer), count.clone());
            Deferred::from_future(async move {
                deferred.await?;
                if let Some(next) = next {
                    next.callback(())?;
                }
                count.set(count.get() + 1);
                Ok(())
            })
            .detach();
        }
        fire_next.expect("there are some").callback(()).unwrap();
        assert_eq!(count.get(), MANY);
    });
}

#[test]
fn a_firing_runs_nested_to_its_end_as_far_as_any_program_nests() {
    let (events, count) = (Events::default(), Rc::new(Cell::new(0)));
    let (last, fire_last) = Deferred::<()>::new();
    let seen = events.clone();
    last.add_callback(move |()| note(&seen, "last")).detach();
    let (mut chains, first) = row(SURELY_NESTED, &count);
    let (seen, counted) = (events.clone(), count.clone());
    let innermost = chains.pop().expect("there are some").add_callback(move |()| {
        note(&seen, format!("{} before", counted.get()));
        fire_last.callback(()).unwrap();
        note(&seen, "after");
    });
    first.callback(()).unwrap();
    assert_eq!(events.take(), ["1 before", "last", "after"]);
    assert_eq!(count.get(), SURELY_NESTED);
    drop((chains, innermost));
}

/// Each firing at the depth at which they are left to the loop fires two more: what the first one leads to comes before
/// the second one, as nested firings would have it.
#[test]
fn firings_that_are_left_to_the_loop_run_one_after_the_other_in_nested_order() {
    fn tree(events: &Events, name: String, levels: u32) -> Firer<()> {
        let (deferred, firer) = Deferred::<()>::new();
        let below: Vec<_> = match levels {
            0 => Vec::new(),
            _ => ["a", "b"].iter().map(|part| tree(events, format!("{name}{part}"), levels - 1)).collect(),
        };
        let events = events.clone();
        deferred
            .add_callback(move |()| {
                note(&events, name);
                below.iter().for_each(|firer| firer.callback(()).expect("it fires once"));
            })
            .detach();
        firer
    }
    let (events, count) = (Events::default(), Rc::new(Cell::new(0)));
    let root = tree(&events, "t".to_owned(), 2);
    let (mut chains, first) = row(1_000, &count);
    let last = chains.pop().expect("there are some").add_callback(move |()| root.callback(()).map_err(Failure::from));
    first.callback(()).unwrap();
    assert_eq!(events.take(), ["t", "ta", "taa", "tab", "tb", "tba", "tbb"]);
    drop((chains, last));
}

#[test]
fn a_panic_in_a_firing_that_was_left_to_the_loop_resumes_when_all_have_run() {
    let count = Rc::new(Cell::new(0));
    let (mut chains, first) = row(1_000, &count);
    let (after, fire_after) = Deferred::<()>::new();
    let counted = count.clone();
    let panics = chains.pop().expect("there are some").add_callback(move |()| -> Result<(), Failure> {
        fire_after.callback(()).unwrap();
        panic!("far inside")
    });
    after.add_callback(move |()| counted.set(counted.get() + 1)).detach();
    let payload = catch_unwind(AssertUnwindSafe(|| first.callback(()).unwrap())).expect_err("it panics");
    assert_eq!(payload.downcast_ref::<&str>(), Some(&"far inside"));
    assert!(outcome(panics).contains("far inside"));
    assert!(chains.iter().all(Deferred::has_fired));
    // The callbacks that had fired the next one and were left behind by the panic have not counted themselves.
    assert!((700..800).contains(&count.get()), "{}", count.get());
    chains.into_iter().for_each(|chain| chain.add_errback(|_| Ok(())).detach());
}

/// Once the deep row is done, firings nest as before.
#[test]
fn nesting_too_deep_once_has_no_effect_later() {
    for _ in 0..3 {
        let count = Rc::new(Cell::new(0));
        let (mut chains, first) = row(1_000, &count);
        let panics = chains.pop().expect("there are some");
        let panics = panics.add_callback(|()| -> Result<(), Failure> { panic!("far inside") });
        assert!(catch_unwind(AssertUnwindSafe(|| first.callback(()).unwrap())).is_err());
        panics.add_errback(|_| Ok(())).detach();
        chains.into_iter().for_each(|chain| chain.add_errback(|_| Ok(())).detach());
        a_firing_runs_nested_to_its_end_as_far_as_any_program_nests();
    }
}
