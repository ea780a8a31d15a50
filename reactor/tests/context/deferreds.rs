//! Callbacks, cancellers, locks, coroutines.

use super::{Seen, here, inside};
use reactor::deferred::{DeferredLock, Others, gather_results, succeed};
use reactor::{Context, Deferred, Failure, Firer};
use std::panic::{AssertUnwindSafe, catch_unwind};

fn deferred() -> (Deferred<()>, Firer<()>) {
    Deferred::new()
}

#[test]
fn callbacks_run_in_the_context_of_the_code_that_added_them() {
    let (seen, (waiting, firer)) = (Seen::default(), deferred());
    let [one, two, three, four] = ["callback", "errback", "both", "none"].map(|what| seen.noting(what));
    let waiting = inside(1, || {
        waiting.add_callback(move |()| {
            one();
            Err::<(), _>(Failure::msg("no"))
        })
    });
    let waiting = inside(2, || waiting.add_errback(move |_| two()));
    let waiting = inside(3, || waiting.add_both(move |_| three()));
    let waiting = waiting.add_callback(move |()| four());
    inside(9, || firer.callback(())).unwrap();
    let expected = [("callback", Some(1)), ("errback", Some(2)), ("both", Some(3)), ("none", None)];
    assert_eq!(seen.take(), expected);
    assert!(waiting.has_fired());
}

#[test]
fn a_callback_that_is_added_to_a_fired_deferred_runs_in_the_context_that_is_there() {
    assert_eq!(inside(1, || succeed(()).add_callback(|()| Ok(here()))).result(), Some(Some(1)));
}

#[test]
fn a_firing_carries_no_context_into_a_chain_that_waits() {
    // Nothing follows in the chain that fires, so the loop begins in the chain that waits for it.
    let (seen, (inner, firer)) = (Seen::default(), deferred());
    let note = seen.noting("outer");
    let outer = succeed(()).add_callback(|()| inner).add_callback(move |()| note());
    inside(9, || firer.callback(())).unwrap();
    assert_eq!((seen.take(), outer.has_fired()), (vec![("outer", None)], true));
}

#[test]
fn the_end_of_a_pause_and_a_list_carry_none_either() {
    let (seen, note) = (Seen::default(), Seen::noting);
    let mut paused = succeed(());
    let pause = paused.pause();
    let resumed = note(&seen, "resumed");
    let paused = paused.add_callback(move |()| resumed());
    inside(9, || drop(pause));
    let (input, firer) = deferred();
    let gathered = note(&seen, "gathered");
    let list = inside(1, || gather_results([input], Others::Cancel).add_callback(move |_| gathered()));
    inside(9, || firer.callback(())).unwrap();
    assert_eq!(seen.take(), [("resumed", None), ("gathered", Some(1))]);
    assert!(paused.has_fired() && list.has_fired());
}

#[test]
fn a_nested_firing_leaves_the_context_of_the_callback_as_it_was() {
    let (seen, (outer, fire_outer), (inner, fire_inner)) = (Seen::default(), deferred(), deferred());
    let note = seen.noting("inner");
    let inner = inside(2, || inner.add_callback(move |()| note()));
    let note = seen.noting("outer");
    let outer = inside(1, || {
        outer.add_callback(move |()| {
            note();
            fire_inner.callback(()).unwrap();
            note();
        })
    });
    inside(9, || {
        fire_outer.callback(()).unwrap();
        assert_eq!(here(), Some(9));
    });
    assert_eq!(seen.take(), [("outer", Some(1)), ("inner", Some(2)), ("outer", Some(1))]);
    drop((inner, outer));
}

#[test]
fn a_panic_of_a_callback_leaves_its_context_too() {
    let (waiting, firer) = deferred();
    let waiting = inside(1, || waiting.add_callback(|()| -> Result<(), Failure> { panic!("as the test wants it") }));
    let waiting = waiting.add_errback(|_| {
        assert_eq!(here(), None);
        Ok(())
    });
    inside(9, || {
        catch_unwind(AssertUnwindSafe(|| firer.callback(()))).unwrap_err();
        assert_eq!(here(), Some(9));
    });
    assert_eq!(waiting.result(), Some(()));
}

#[test]
fn firings_beyond_the_limit_of_nesting_keep_their_contexts() {
    fn nest(depth: u32, seen: Seen) -> Deferred<()> {
        let (deferred, firer) = deferred();
        let waiting = inside(depth, || {
            deferred.add_callback(move |()| {
                if depth < 300 {
                    drop(nest(depth + 1, seen.clone()));
                }
                assert_eq!(here(), Some(depth));
                seen.note("level");
            })
        });
        firer.callback(()).unwrap();
        waiting
    }
    let seen = Seen::default();
    drop(nest(1, seen.clone()));
    assert_eq!(seen.take().len(), 300);
    assert_eq!(here(), None);
}

#[test]
fn a_canceller_runs_in_the_context_of_the_code_that_made_the_deferred() {
    let seen = Seen::default();
    for made_in in [None, Some(1)] {
        let note = seen.noting("cancelled");
        let make = || Deferred::<()>::with_canceller(move |_| note());
        let (deferred, _firer) = match made_in {
            Some(id) => inside(id, make),
            None => make(),
        };
        let deferred = deferred.add_errback(|_| Ok(()));
        inside(9, || deferred.cancel());
        assert_eq!(seen.take(), [("cancelled", made_in)]);
    }
}

#[test]
fn work_that_waits_for_a_lock_runs_in_the_context_of_the_code_that_brought_it() {
    let (seen, lock) = (Seen::default(), DeferredLock::new());
    let held = lock.acquire().result();
    let [one, two] = ["one", "two"].map(|what| seen.noting(what));
    let one = inside(1, || lock.run(one));
    let two = lock.run(two);
    inside(9, || drop(held));
    assert_eq!(seen.take(), [("one", Some(1)), ("two", None)]);
    assert!(one.has_fired() && two.has_fired());
}

#[test]
fn a_coroutine_goes_on_in_the_context_in_which_it_was_started() {
    let (seen, (question, firer)) = (Seen::default(), deferred());
    let (own, dropped) = (seen.clone(), NotesItsDrop(seen.clone()));
    let coroutine = inside(1, || {
        Deferred::from_future(async move {
            let _dropped = dropped;
            own.note("before");
            let inner = own.clone();
            let from_within = inside(2, || {
                Deferred::from_future(async move {
                    question.await?;
                    inner.note("inner");
                    Ok::<_, Failure>(())
                })
            });
            own.note("between");
            from_within.await?;
            own.note("after");
            Ok::<_, Failure>(())
        })
    });
    inside(9, || firer.callback(())).unwrap();
    let expected =
        [("before", Some(1)), ("between", Some(1)), ("inner", Some(2)), ("after", Some(1)), ("drop", Some(1))];
    assert_eq!(seen.take(), expected);
    assert!(coroutine.has_fired());
}

struct NotesItsDrop(Seen);

impl Drop for NotesItsDrop {
    fn drop(&mut self) {
        self.0.note("drop");
    }
}

#[test]
fn a_coroutine_that_was_started_in_no_context_goes_on_in_none() {
    let (seen, (question, firer)) = (Seen::default(), deferred());
    let own = seen.clone();
    let coroutine = Deferred::from_future(async move {
        question.await?;
        own.note("after");
        Ok::<_, Failure>(())
    });
    inside(9, || firer.callback(())).unwrap();
    assert_eq!((seen.take(), coroutine.result()), (vec![("after", None)], Some(())));
}

#[test]
fn a_future_that_has_ended_is_dropped_in_the_context_of_its_coroutine() {
    let (seen, (question, firer)) = (Seen::default(), deferred());
    let (held, mut question) = (NotesItsDrop(seen.clone()), Box::pin(question));
    let future = std::future::poll_fn(move |context| {
        let _ = &held;
        question.as_mut().poll(context)
    });
    let coroutine = inside(1, || Deferred::from_future(future));
    inside(9, || firer.callback(())).unwrap();
    assert_eq!((seen.take(), coroutine.result()), (vec![("drop", Some(1))], Some(())));
}

#[test]
fn a_coroutine_that_is_cancelled_drops_its_body_in_its_own_context() {
    let seen = Seen::default();
    let held = NotesItsDrop(seen.clone());
    let coroutine = inside(1, || {
        Deferred::from_future(async move {
            let _held = held;
            std::future::pending::<Result<(), Failure>>().await
        })
    });
    inside(9, || coroutine.cancel());
    assert_eq!(seen.take(), [("drop", Some(1))]);
    drop(coroutine.add_errback(|_| Ok(())));
}

#[test]
fn a_context_that_is_left_costs_the_next_program_nothing() {
    // Callbacks are boxed once more in a context, and only there.
    let allocations = |chain: &dyn Fn()| {
        chain();
        allocation_counter::measure(chain).count_total
    };
    let chain = || {
        let (waiting, firer) = deferred();
        let waiting = waiting.add_callback(|()| ()).add_callback(|()| ());
        firer.callback(()).unwrap();
        drop(waiting);
    };
    let in_none = allocations(&chain);
    let context = Context::empty().with(super::Id(1));
    assert_eq!(context.run(|| allocations(&chain)), in_none + 2);
    assert_eq!(allocations(&chain), in_none);
}
