//! M12: a Deferred that waits for itself; Twisted's is stuck for ever. M18: what can no longer be called is dropped, so
//! that what refers to itself does not stay.

use crate::*;
use reactor::CancelledError;
use reactor::deferred;
use reactor::error::CircularWaitError;

/// A place for a Deferred that its own callback can reach.
type Itself<T> = Rc<RefCell<Option<Deferred<T>>>>;

#[test]
fn m12_a_callback_that_gives_back_its_own_deferred_fails_with_a_circular_wait_error() {
    let itself: Itself<u32> = Rc::default();
    let unhandled = testing::collect_unhandled(|| {
        let (deferred, firer) = Deferred::<u32>::new();
        let own = itself.clone();
        let chain = deferred.add_callback(move |_| own.take().expect("it is there"));
        itself.replace(Some(chain));
        firer.callback(1).unwrap();
    });
    assert!(unhandled.len() == 1 && unhandled[0].check::<CircularWaitError>().is_some(), "{unhandled:?}");
}

#[test]
fn m12_circles_of_two_to_eight_are_found_and_the_rest_of_the_chain_is_told() {
    for length in 2..=8 {
        let told: Rc<RefCell<Vec<bool>>> = Rc::default();
        let slots: Vec<Itself<()>> = (0..length).map(|_| Rc::default()).collect();
        let mut firers = Vec::new();
        for (index, slot) in slots.iter().enumerate() {
            let (deferred, firer) = Deferred::<()>::new();
            let (next, told) = (slots[(index + 1) % length].clone(), told.clone());
            let chain = deferred.add_callback(move |()| next.take().expect("it is there")).add_both(move |result| {
                told.borrow_mut().push(result.is_err_and(|failure| failure.check::<CircularWaitError>().is_some()));
            });
            slot.replace(Some(chain));
            firers.push(firer);
        }
        firers.iter().for_each(|firer| firer.callback(()).unwrap());
        let told = told.take();
        assert_eq!(told.iter().filter(|is_circular| **is_circular).count(), 1, "{length}: {told:?}");
    }
}

#[test]
fn m12_a_cancel_in_a_circle_too_long_to_be_found_comes_to_an_end() {
    for (length, is_awaited) in [(9, false), (9, true), (10, false), (64, true), (1000, false), (1001, true)] {
        let slots: Vec<Itself<()>> = (0..length).map(|_| Rc::default()).collect();
        let (mut firers, mut cancellers) = (Vec::new(), Vec::new());
        for (index, slot) in slots.iter().enumerate() {
            let (deferred, firer) = Deferred::<()>::new();
            let next = slots[(index + 1) % length].clone();
            let next = move || next.take().expect("it is there");
            let chain = if is_awaited {
                Deferred::from_future(async move {
                    deferred.await?;
                    next().await
                })
            } else {
                deferred.add_callback(move |()| next())
            };
            cancellers.push(chain.canceller());
            slot.replace(Some(chain));
            firers.push(firer);
        }
        firers.iter().for_each(|firer| firer.callback(()).unwrap());
        cancellers[length / 2].cancel();
    }
}

#[test]
fn m12_a_coroutine_that_awaits_its_own_deferred_is_told() {
    let itself: Itself<u32> = Rc::default();
    let (start, firer) = Deferred::<()>::new();
    let own = itself.clone();
    let chain = Deferred::from_future(async move {
        start.await?;
        let own = own.take().expect("it is there");
        match own.await {
            Err(failure) if failure.check::<CircularWaitError>().is_some() => Ok(1),
            other => other,
        }
    });
    let seen = Events::default();
    let noted = seen.clone();
    itself.replace(Some(chain.add_callback(move |n| {
        note(&noted, n);
        Ok(n)
    })));
    firer.callback(()).unwrap();
    assert_eq!(seen.take(), ["1"]);
}

#[test]
fn m18_a_canceller_is_dropped_when_the_deferred_fires_however_that_happens() {
    let ends: [End<u32>; 3] = [
        |_, firer| firer.callback(1).unwrap(),
        |_, firer| firer.errback(boom()).unwrap(),
        |deferred, _| deferred.cancel(),
    ];
    for end in ends {
        let drops = Rc::new(Cell::new(0));
        let kept = Dropped(drops.clone());
        let (deferred, firer) = Deferred::<u32>::with_canceller(move |_| {
            let _ = &kept;
        });
        end(&deferred, &firer);
        assert_eq!(drops.get(), 1);
        outcome(deferred);
    }
}

#[test]
fn m18_a_deferred_that_its_own_canceller_holds_is_freed_when_it_fires() {
    let (drops, itself) = (Rc::new(Cell::new(0)), Itself::default());
    let (own, kept) = (itself.clone(), Dropped(drops.clone()));
    let (deferred, firer) = Deferred::<u32>::with_canceller(move |_| {
        let _ = &own;
    });
    itself.replace(Some(deferred.add_callback(move |n| {
        let _ = &kept;
        Ok(n)
    })));
    drop(itself);
    firer.callback(1).unwrap();
    assert_eq!(drops.get(), 1);
}

#[test]
fn m18_a_chain_that_its_own_callback_holds_is_freed_when_that_has_run() {
    let (drops, itself) = (Rc::new(Cell::new(0)), Itself::<Dropped>::default());
    let (deferred, firer) = Deferred::<Dropped>::new();
    let own = itself.clone();
    itself.replace(Some(deferred.add_callback(move |value| {
        let _ = &own;
        Ok(value)
    })));
    drop(itself);
    firer.callback(Dropped(drops.clone())).unwrap();
    drop(firer);
    assert_eq!(drops.get(), 1, "the result went with its chain");
}

#[test]
fn m18_the_variables_of_a_coroutine_are_dropped_before_its_callbacks_run() {
    let ends: [End<()>; 3] =
        [|_, firer| firer.callback(()).unwrap(), |_, firer| firer.errback(boom()).unwrap(), |chain, _| chain.cancel()];
    for end in ends {
        let (drops, seen) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
        let (kept, (inner, firer)) = (Dropped(drops.clone()), Deferred::<()>::new());
        let coroutine = Deferred::from_future(async move {
            let _kept = kept;
            inner.await
        });
        let count = seen.clone();
        let chain = coroutine.add_both(move |_| count.set(drops.get()));
        end(&chain, &firer);
        assert_eq!(seen.get(), 1);
        assert!(chain.has_fired());
    }
}

#[test]
fn m18_what_waits_for_what_nobody_can_fire_goes_with_its_handle() {
    let drops = Rc::new(Cell::new(0));
    let (inner, firer) = Deferred::<u32>::new();
    let (kept, coroutine_kept) = (Dropped(drops.clone()), Dropped(drops.clone()));
    let chain = deferred::succeed(()).add_callback(move |()| inner).add_callback(move |n| {
        let _ = &kept;
        Ok(n)
    });
    let chain = Deferred::from_future(async move {
        let _kept = coroutine_kept;
        chain.await
    });
    drop(firer);
    assert_eq!(drops.get(), 0, "it can still be cancelled");
    drop(chain);
    assert_eq!(drops.get(), 2);
}

#[test]
fn m18_a_cancelled_chain_lets_go_of_what_it_waited_for() {
    let drops = Rc::new(Cell::new(0));
    let kept = Dropped(drops.clone());
    let (inner, firer) = Deferred::<u32>::new();
    let inner = inner.add_callback(move |n| {
        let _ = &kept;
        Ok(n)
    });
    let chain = deferred::succeed(()).add_callback(move |()| inner).add_callback(Ok);
    chain.cancel();
    assert_eq!(drops.get(), 1);
    assert!(failure_of(chain).check::<CancelledError>().is_some());
    firer.callback(1).unwrap();
}
