//! How often a Deferred asks for memory: exactly, so that a change of it is noticed.
//!
//! A fired Deferred needs none, whatever is added to it. One that has not fired needs one for its head, unless the
//! thread has kept one from before, and one for each callback, and none when it fires.

use allocation_counter::measure;
use reactor::deferred::{DeferredLock, DeferredQueue, Given, Others, deferred_list, gather_results, race, succeed};
use reactor::{Deferred, Failure};
use std::hint::black_box;

/// How many allocations `work` makes. What is allocated once in a thread has been; and of each type of Deferred that
/// `work` makes, fires and drops, one head has been kept.
#[track_caller]
fn allocations(work: impl Fn()) -> u64 {
    work();
    let info = measure(&work);
    assert_eq!(info.bytes_current, 0, "nothing is left over");
    info.count_total
}

#[test]
fn adding_to_a_fired_deferred_allocates_nothing() {
    let total = allocations(|| {
        let chain = succeed(1)
            .add_callback(|n| Ok(n + 1))
            .add_errback(|_| Ok(0))
            .add_both(|result| result)
            .add_callbacks(|n| Ok(n * 2), |_| Ok(0))
            .add_callback(|n| succeed(n + 1))
            .add_callback(|n| succeed(n).add_callback(|n| succeed(n + 1)))
            .add_both(Given::Ready);
        assert_eq!(black_box(chain.result()), Some(6));
    });
    assert_eq!(total, 0);
}

#[test]
fn an_unfired_deferred_needs_one_allocation_unless_a_head_was_kept_and_a_canceller_one_more() {
    let fires = |(deferred, firer): (Deferred<u32>, reactor::Firer<u32>)| {
        firer.callback(1).unwrap();
        assert_eq!(deferred.result(), Some(1));
    };
    assert_eq!(allocations(|| fires(Deferred::new())), 0);
    // A canceller that captured nothing needs none of its own.
    assert_eq!(allocations(|| fires(Deferred::with_canceller(|_| {}))), 0);
    let captured = 5_u64;
    assert_eq!(
        allocations(|| fires(Deferred::with_canceller(move |_| {
            black_box(captured);
        }))),
        1
    );
    for at_once in [2, 3, 100] {
        assert_eq!(allocations(|| drop(pairs(at_once))) - allocations(|| drop(pairs(1))), u64::from(at_once) - 1);
    }
}

#[test]
fn a_large_head_is_not_kept() {
    let new = || drop(Deferred::<[u64; 100]>::new());
    assert_eq!(allocations(new), 1);
}

#[test]
fn a_head_that_still_holds_something_is_not_kept() {
    let with_callback = || Deferred::<u32>::new().0.add_callback(|n| Ok(n + 1)).detach();
    assert_eq!(allocations(with_callback), 2);
    let with_result = || Deferred::<u32>::new().1.callback(1).unwrap();
    assert_eq!(allocations(with_result), 1);
    let with_canceller = || {
        let captured = black_box(5_u64);
        drop(Deferred::<u32>::with_canceller(move |_| assert_eq!(captured, 5)));
    };
    assert_eq!(allocations(with_canceller), 2);
}

#[test]
fn each_callback_on_an_unfired_deferred_needs_one_allocation_and_a_firing_none() {
    for count in [0, 1, 10, 100] {
        let added = allocations(|| {
            let (deferred, firer) = Deferred::<u32>::new();
            let chain = (0..count).fold(deferred, |chain, _| chain.add_callback(|n| Ok(n + 1)));
            let firing = measure(|| firer.callback(0).unwrap());
            assert_eq!(firing.count_total, 0);
            assert_eq!(chain.result(), Some(count));
        });
        assert_eq!(added, u64::from(count));
    }
}

#[test]
fn every_kind_of_callback_needs_one_allocation() {
    let total = allocations(|| {
        let (deferred, firer) = Deferred::<u32>::new();
        let chain = deferred
            .add_callback(|n| Ok(n + 1))
            .add_errback(|_| Ok(0))
            .add_both(|result| result)
            .add_callbacks(Ok, |_| Ok(0))
            .add_callback(|n| succeed(n + 1));
        firer.callback(1).unwrap();
        assert_eq!(chain.result(), Some(3));
    });
    assert_eq!(total, 5);
}

#[test]
fn chain_deferred_allocates_only_the_step_and_waiting_nothing() {
    let handed_on = allocations(|| {
        let ((first, firer), (second, fire_second)) = (Deferred::<u32>::new(), Deferred::<u32>::new());
        let rest = first.chain_deferred(fire_second);
        firer.callback(1).unwrap();
        assert_eq!((rest.result(), second.result()), (Some(()), Some(1)));
    });
    assert_eq!(handed_on, 3, "one of two Deferreds, the link, and the loop's list of what goes on after it");
    let waited = allocations(|| {
        // Both of one type, so that one head is kept in every build. Two types may hash to one place.
        let ((outer, fire_outer), (inner, fire_inner)) = (Deferred::<u32>::new(), Deferred::<u32>::new());
        let chain = outer.add_callback(move |_| inner);
        let waiting = measure(|| {
            fire_outer.callback(0).unwrap();
            fire_inner.callback(1).unwrap();
        });
        assert_eq!(waiting.count_total, 0, "it keeps what it needs itself");
        assert_eq!(chain.result(), Some(1));
    });
    assert_eq!(waited, 2, "one of two Deferreds, and the callback");
}

#[test]
fn awaiting_a_fired_deferred_allocates_nothing() {
    let future = async {
        let mut sum = 0;
        for n in 0..1000 {
            sum += succeed(n).await?;
        }
        Ok::<u32, Failure>(sum)
    };
    let mut future = std::pin::pin!(future);
    let info = measure(|| {
        let context = &mut std::task::Context::from_waker(std::task::Waker::noop());
        assert!(future.as_mut().poll(context).is_ready());
    });
    assert_eq!(info.count_total, 0);
}

#[test]
fn a_coroutine_and_each_unfired_await_need_a_few_allocations() {
    let empty = allocations(|| assert_eq!(Deferred::from_future(async { Ok(1) }).result(), Some(1)));
    assert_eq!(empty, COROUTINE);
    let fired = allocations(|| {
        let body = async {
            let mut sum = 0;
            for n in 0..100 {
                sum += succeed(n).await?;
            }
            Ok(sum)
        };
        assert_eq!(Deferred::from_future(body).result(), Some(4950));
    });
    assert_eq!(fired, COROUTINE);
    for count in [1_u32, 2, 10, 100] {
        let total = allocations(|| {
            let (waits, firers) = pairs(count);
            let body = async move {
                for wait in waits {
                    wait.await?;
                }
                Ok(())
            };
            let chain = Deferred::from_future(body);
            firers.into_iter().for_each(|firer| firer.callback(1).unwrap());
            assert_eq!(chain.result(), Some(()));
        });
        let lists = allocations(|| drop(pairs(count)));
        assert_eq!(total - lists, COROUTINE + 1 + AWAIT * u64::from(count), "{count} awaits");
    }
}

/// The future in its box, the task, the root, the waker.
const COROUTINE: u64 = 4;
/// Of one that has not fired: what the future holds, and the slot for the result. (A coroutine's list of what it awaits
/// is one more, at its first.)
const AWAIT: u64 = 2;

type Pairs = (Vec<Deferred<u32>>, Vec<reactor::Firer<u32>>);

fn pairs(count: u32) -> Pairs {
    let (mut waits, mut firers) = (Vec::with_capacity(count as usize), Vec::with_capacity(count as usize));
    for _ in 0..count {
        let (wait, firer) = Deferred::new();
        waits.push(wait);
        firers.push(firer);
    }
    (waits, firers)
}

#[test]
fn each_input_of_a_list_needs_one_allocation() {
    type Join = fn(Vec<Deferred<u32>>);
    let joins: [(&str, Join); 3] = [
        ("list", |inputs| drop(deferred_list(inputs))),
        ("gathering", |inputs| drop(gather_results(inputs, Others::LeaveRunning))),
        ("race", |inputs| drop(race(inputs, Others::LeaveRunning))),
    ];
    for (name, join) in joins {
        let needs = |count| {
            let all = allocations(|| {
                let (waits, firers) = pairs(count);
                join(waits);
                drop(firers);
            });
            all - allocations(|| drop(pairs(count)))
        };
        // They have callbacks when they go, so that none is kept.
        let kept = 1;
        assert_eq!([1, 10, 100].map(needs), [1_u32, 10, 100].map(|n| LIST + kept + u64::from(n)), "{name}");
    }
}

/// What holds the inputs' roots, its list, the root, the joint, the results.
const LIST: u64 = 5;

#[test]
fn a_free_lock_and_a_queue_with_items_allocate_nothing() {
    let lock = DeferredLock::new();
    assert_eq!(allocations(|| drop(lock.acquire().result())), 0);
    let queue = DeferredQueue::bounded(10, 1);
    queue.put(0).unwrap();
    let total = allocations(|| {
        queue.put(1).unwrap();
        assert!(queue.get().has_fired());
    });
    assert_eq!(total, 0);
}

#[test]
fn a_failure_needs_two_allocations_and_its_trail_one_now_and_then() {
    let made = allocations(|| drop(black_box(Failure::new(reactor::CancelledError))));
    assert_eq!(made, 2, "its box, and what its clones share; an error without a state needs none");
    let cloned = allocations(|| {
        let failure = Failure::new(reactor::CancelledError);
        let again = measure(|| drop(black_box(failure.clone())));
        assert_eq!(again.count_total, 1);
    });
    assert_eq!(cloned, 3);
}
