//! When a body runs: at once up to its first unfired await, and on inside the firing.

use super::Events;
use reactor::Deferred;
use reactor::deferred::succeed;
use std::rc::Rc;

#[test]
fn a_body_runs_at_once_and_goes_on_inside_of_the_firing_before_its_callbacks() {
    let events = Events::default();
    let (deferred, firer) = Deferred::<u32>::new();
    let (before, body, after) = (events.clone(), events.clone(), events.clone());
    let deferred = deferred.add_callback(move |n| {
        before.note("callback of the awaited");
        Ok(n)
    });
    events.note("starting");
    let chain = Deferred::from_future(async move {
        body.note("body");
        succeed(()).await?;
        body.note("body after a fired one");
        let n = deferred.await?;
        body.note("body goes on");
        Ok(n)
    });
    events.note("started");
    let chain = chain.add_callback(move |n| {
        after.note("callback of the coroutine");
        Ok(n)
    });
    events.note("firing");
    firer.callback(3).unwrap();
    events.note("fired");
    assert_eq!(chain.result(), Some(3));
    let expected = [
        "starting",
        "body",
        "body after a fired one",
        "started",
        "firing",
        "callback of the awaited",
        "body goes on",
        "callback of the coroutine",
        "fired",
    ];
    assert_eq!(events.take(), expected);
}

#[test]
fn coroutines_in_coroutines_end_from_the_inside_out() {
    let events = Events::default();
    let (deferred, firer) = Deferred::<()>::new();
    let mut chain = deferred;
    for level in 0..3 {
        let (events, inner) = (events.clone(), chain);
        chain = Deferred::from_future(async move {
            events.note(format!("{level} begins"));
            inner.await?;
            events.note(format!("{level} ends"));
            Ok(())
        });
    }
    firer.callback(()).unwrap();
    assert_eq!(events.take(), ["0 begins", "1 begins", "2 begins", "0 ends", "1 ends", "2 ends"]);
    assert_eq!(chain.result(), Some(()));
}

#[test]
fn a_body_that_fires_another_deferred_runs_that_coroutine_nested_before_it_goes_on_itself() {
    let events = Events::default();
    let (begin, fire_begin) = Deferred::<()>::new();
    let (inner, fire_inner) = Deferred::<()>::new();
    let (first, second) = (events.clone(), events.clone());
    let waits = Deferred::from_future(async move {
        inner.await?;
        second.note("nested");
        Ok(())
    });
    let fires = Deferred::from_future(async move {
        begin.await?;
        first.note("before");
        fire_inner.callback(())?;
        first.note("after");
        Ok(())
    });
    fire_begin.callback(()).unwrap();
    assert_eq!(events.take(), ["before", "nested", "after"]);
    assert_eq!((waits.result(), fires.result()), (Some(()), Some(())));
}

#[test]
fn a_body_that_fires_what_it_awaits_next_does_not_wait() {
    let chain = Deferred::from_future(async {
        let mut sum = 0;
        for n in 0..1000 {
            let (deferred, firer) = Deferred::<u32>::new();
            firer.callback(n)?;
            sum += deferred.await?;
        }
        Ok(sum)
    });
    assert_eq!(chain.result(), Some(499_500));
}

#[test]
fn what_the_body_holds_is_dropped_before_the_callbacks_run() {
    let (deferred, firer) = Deferred::<()>::new();
    let alive = Rc::new(());
    let weak = Rc::downgrade(&alive);
    let chain = Deferred::from_future(async move {
        let _alive = alive;
        deferred.await
    })
    .add_callback(move |()| Ok(weak.upgrade().is_none()));
    firer.callback(()).unwrap();
    assert_eq!(chain.result(), Some(true));
}

#[test]
fn a_coroutine_goes_on_after_its_deferred_was_dropped() {
    let events = Events::default();
    let (first, fire_first) = Deferred::<()>::new();
    let (second, fire_second) = Deferred::<()>::new();
    let body = events.clone();
    Deferred::from_future(async move {
        first.await?;
        body.note("first");
        second.await?;
        body.note("second");
        Ok(())
    })
    .detach();
    fire_first.callback(()).unwrap();
    fire_second.callback(()).unwrap();
    assert_eq!(events.take(), ["first", "second"]);
}
