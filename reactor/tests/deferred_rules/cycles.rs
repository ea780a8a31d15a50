//! M12: a Deferred that waits for itself; Twisted's is stuck for ever. M18: what can no longer be called is dropped, so
//! that what refers to itself does not stay.

use crate::*;
use reactor::CancelledError;
use reactor::deferred;
use reactor::error::CircularWaitError;

/// A place for a Deferred that its own callback can reach.
type Itself<T> = Rc<RefCell<Option<Deferred<T>>>>;

/// M12: A Deferred cannot wait for itself.
mod m12 {
    use super::*;

    #[test]
    fn a_callback_that_returns_its_own_deferred_fails_with_a_circular_wait_error() {
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

    /// Orders in which the chains of a circle or a row may begin to wait: from either end, every other one first, pairs
    /// from the end, and without any order.
    fn orders(length: usize) -> [Vec<usize>; 5] {
        let every_other = (0..length).step_by(2).chain((1..length).step_by(2)).collect();
        let mut pairs: Vec<_> = (0..length).collect();
        pairs.chunks_mut(2).for_each(<[usize]>::reverse);
        pairs.reverse();
        let mut scattered: Vec<_> = (0..length).collect();
        let mut random = 1_u64;
        for index in (1..length).rev() {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            scattered.swap(index, (random >> 33) as usize % (index + 1));
        }
        [(0..length).collect(), (0..length).rev().collect(), every_other, pairs, scattered]
    }

    /// A chain that waits for what `next` gives when `deferred` fires, as a callback or as a coroutine.
    fn waiting(
        is_awaited: bool,
        deferred: Deferred<()>,
        next: impl FnOnce() -> Deferred<()> + 'static,
    ) -> Deferred<()> {
        if is_awaited {
            Deferred::from_future(async move {
                deferred.await?;
                next().await
            })
        } else {
            deferred.add_callback(move |()| next())
        }
    }

    #[test]
    fn circles_of_any_length_are_found_and_all_their_chains_fail_and_are_freed() {
        let lengths = (2..=20).chain([63, 64, 65, 100, 1999, 2000]);
        for length in lengths.filter(|&length| length < 100 || !cfg!(miri)) {
            for (order, kinds) in orders(length).into_iter().zip(0..) {
                let told: Rc<RefCell<Vec<bool>>> = Rc::default();
                let kept = Rc::new(());
                let slots: Vec<Itself<()>> = (0..length).map(|_| Rc::default()).collect();
                let mut firers = Vec::new();
                for (index, slot) in slots.iter().enumerate() {
                    let (deferred, firer) = Deferred::<()>::new();
                    let (next, told, kept) = (slots[(index + 1) % length].clone(), told.clone(), kept.clone());
                    let is_awaited = (index + kinds) % 3 == 0;
                    let chain = waiting(is_awaited, deferred, move || next.take().expect("it is there"));
                    let chain = chain.add_both(move |result: Result<(), Failure>| {
                        let _kept = kept;
                        let is_circle = |failure: &Failure| failure.check::<CircularWaitError>().is_some();
                        told.borrow_mut().push(result.as_ref().is_err_and(is_circle));
                        result
                    });
                    slot.replace(Some(chain));
                    firers.push(firer);
                }
                let unhandled = testing::collect_unhandled(|| {
                    order.iter().for_each(|index| firers[*index].callback(()).unwrap());
                });
                assert_eq!(*told.borrow(), vec![true; length], "{length} chains, begun in the order {order:?}");
                assert_eq!(unhandled.len(), 1, "the failure went round and came out where it began");
                assert_eq!(Rc::strong_count(&kept), 1, "nothing is left in memory");
            }
        }
    }

    #[test]
    fn a_circle_through_a_list_a_shared_result_and_a_coroutine_is_found() {
        for others in 0..30 {
            let itself: Itself<()> = Rc::default();
            let (deferred, firer) = Deferred::<()>::new();
            let own = itself.clone();
            let first = deferred.add_callback(move |()| own.take().expect("it is there"));
            let shared = first.share();
            let (mut inputs, _firers): (Vec<_>, Vec<_>) = (0..others).map(|_| Deferred::<()>::new()).unzip();
            inputs.insert(others / 2, shared.wait());
            let list = deferred::gather_results(inputs, deferred::Others::LeaveRunning);
            let last = Deferred::from_future(async move { list.await.map(|_| ()) });
            itself.replace(Some(last));
            let waiter = shared.wait();
            firer.callback(()).unwrap();
            assert!(failure_of(waiter).check::<CircularWaitError>().is_some(), "{others}");
        }
    }

    /// If a search walked the row for each chain that is added, this would take hours.
    #[test]
    fn a_long_row_of_waits_takes_linear_time() {
        let length = if cfg!(miri) { 40 } else { 100_000 };
        for (order, kinds) in orders(length).into_iter().zip(0..) {
            let slots: Vec<Itself<()>> = (0..length).map(|_| Rc::default()).collect();
            let (end, fire_end) = Deferred::<()>::new();
            let mut end = Some(end);
            let mut firers = Vec::new();
            for index in 0..length {
                let (deferred, firer) = Deferred::<()>::new();
                let next = slots.get(index + 1).cloned();
                let mut end = if next.is_none() { end.take() } else { None };
                let next = move || next.and_then(|next| next.take()).or(end.take()).expect("there is a next one");
                slots[index].replace(Some(waiting((index + kinds) % 3 == 0, deferred, next)));
                firers.push(firer);
            }
            order.iter().for_each(|index| firers[*index].callback(()).unwrap());
            let first = slots[0].take().expect("nothing waits for it");
            assert!(!first.has_fired());
            fire_end.callback(()).unwrap();
            assert_eq!(first.result(), Some(()));
        }
    }

    #[test]
    fn a_coroutine_that_awaits_its_own_deferred_gets_a_circular_wait_error() {
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
}

/// M18: A callback that can no longer run is dropped.
mod m18 {
    use super::*;

    #[test]
    fn a_canceller_is_dropped_when_the_deferred_fires_in_whatever_way() {
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
    fn a_deferred_that_its_own_canceller_holds_is_freed_when_it_fires() {
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
    fn a_chain_that_its_own_callback_holds_is_freed_when_that_has_run() {
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
    fn the_variables_of_a_coroutine_are_dropped_before_its_callbacks_run() {
        let ends: [End<()>; 3] = [
            |_, firer| firer.callback(()).unwrap(),
            |_, firer| firer.errback(boom()).unwrap(),
            |chain, _| chain.cancel(),
        ];
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
    fn a_chain_that_nothing_can_fire_is_dropped_with_its_handle() {
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
    fn a_cancelled_chain_lets_go_of_what_it_waited_for() {
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
}
