//! Queues: first come, first served on both sides, within their limits, and no item is ever swallowed.

use super::*;
use crate::deferred::{DeferredQueue, QueueOverflow};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;

#[test]
fn a_cancelled_waiter_is_taken_out_and_makes_room() {
    let queue = DeferredQueue::bounded(1, 2);
    let (first, second) = (queue.get(), queue.get());
    first.cancel();
    assert_eq!(queue.waiting_count(), 1);
    assert_eq!(outcome(first), "failed: cancelled");
    let third = queue.get();
    queue.put(1).unwrap();
    queue.put(2).unwrap();
    assert_eq!((second.result(), third.result()), (Some(1), Some(2)));
    let served = deferred::succeed(()).add_callback(move |()| queue.get());
    served.cancel();
    assert_eq!(outcome(served), "failed: cancelled");
}

#[test]
fn a_waiter_that_was_dropped_takes_no_item_and_no_place() {
    let queue = DeferredQueue::bounded(1, 2);
    drop(queue.get());
    let first = queue.get();
    drop(queue.get());
    let second = queue.get();
    assert!(!second.has_fired(), "the waiters that are gone made room");
    drop(second);
    queue.put(1).unwrap();
    queue.put(2).unwrap();
    assert_eq!(queue.put(3), Err(QueueOverflow(3)), "nobody waits");
    assert_eq!((first.result(), queue.get().result()), (Some(1), Some(2)));
}

#[test]
fn a_waiter_with_a_callback_has_not_given_up() {
    let (events, queue) = (Events::default(), DeferredQueue::unbounded());
    let (seen, also) = (events.clone(), events.clone());
    queue.get().add_callback(move |n: u32| note(&seen, n)).detach();
    let waits = queue.clone();
    deferred::succeed(()).add_callback(move |()| waits.get()).add_callback(move |n| note(&also, n)).detach();
    queue.put(1).unwrap();
    queue.put(2).unwrap();
    assert_eq!(events.take(), ["1", "2"]);
}

#[test]
fn an_item_put_from_inside_a_waiters_callback_goes_to_the_next_waiter_alone() {
    let (events, queue) = (Events::default(), DeferredQueue::bounded(0, 10));
    let (first_seen, second_seen, again) = (events.clone(), events.clone(), queue.clone());
    let first = queue.get().add_callback(move |n: u32| {
        again.put(n + 1).unwrap();
        assert_eq!(again.put(n + 2), Err(QueueOverflow(n + 2)), "there is one more waiter, not two");
        note(&first_seen, n);
    });
    let second = queue.get().add_callback(move |n| note(&second_seen, n));
    queue.put(1).unwrap();
    assert_eq!(events.take(), ["2", "1"]);
    drop((first, second));
}

#[test]
fn nobody_overtakes_a_waiter_when_a_callback_puts() {
    let (events, queue) = (Events::default(), DeferredQueue::bounded(2, 10));
    let (seen, late, again) = (events.clone(), events.clone(), queue.clone());
    let first = queue.get().add_callback(move |n: u32| {
        again.put(n + 1).unwrap();
        again.get().add_callback(move |n| note(&late, format!("newcomer {n}"))).detach();
    });
    let second = queue.get().add_callback(move |n| note(&seen, format!("second {n}")));
    queue.put(1).unwrap();
    queue.put(9).unwrap();
    assert_eq!(events.take(), ["second 2", "newcomer 9"]);
    drop((first, second));
}

#[test]
fn a_waiter_that_is_cancelled_after_a_put_has_its_item() {
    let queue = DeferredQueue::bounded(0, 10);
    let second: Rc<RefCell<Option<Deferred<u32>>>> = Rc::default();
    let (again, other) = (queue.clone(), second.clone());
    let first = queue.get().add_callback(move |n: u32| {
        again.put(n + 1).unwrap();
        other.borrow().as_ref().expect("it waits").cancel();
    });
    *second.borrow_mut() = Some(queue.get());
    queue.put(1).unwrap();
    assert_eq!(outcome(second.take().unwrap()), "2");
    assert!(!queue.get().has_fired(), "nothing was stored");
    drop(first);
}

#[test]
fn a_panic_of_a_waiter_comes_out_of_put_and_the_queue_is_in_order() {
    let queue = DeferredQueue::bounded(1, 10);
    let first = queue.get().add_callback(|_: u32| -> Result<(), Failure> { panic!("in the waiter") });
    assert!(catch_unwind(AssertUnwindSafe(|| queue.put(1))).is_err());
    let second = queue.get();
    queue.put(2).unwrap();
    assert_eq!(second.result(), Some(2));
    first.add_errback(|_| Ok(())).detach();
}

#[test]
fn many_waiters_that_each_put_for_the_next_use_constant_stack() {
    let queue = DeferredQueue::bounded(0, MANY);
    for _ in 1..MANY {
        let again = queue.clone();
        queue.get().add_callback(move |n: usize| again.put(n + 1).map_err(Failure::from)).detach();
    }
    let last = queue.get();
    queue.put(1).unwrap();
    assert_eq!(last.result(), Some(MANY));
}

#[test]
fn a_queue_drops_its_items_and_its_waiters_with_the_last_handle() {
    let drops = Rc::new(Cell::new(0));
    let queue = DeferredQueue::unbounded();
    queue.put(Dropped(drops.clone())).unwrap();
    drop(queue.clone());
    assert_eq!(drops.get(), 0);
    drop(queue);
    assert_eq!(drops.get(), 1);
    let queue = DeferredQueue::<u32>::unbounded();
    let kept = Dropped(drops.clone());
    let waits = queue.get().add_callback(move |_| drop(kept));
    drop((queue, waits));
    assert_eq!(drops.get(), 2);
}

#[test]
fn a_waiter_with_only_a_canceller_left_takes_no_item_and_no_place() {
    let queue = DeferredQueue::bounded(1, 1);
    let canceller = queue.get().canceller();
    let first = queue.get();
    assert!(!first.has_fired(), "there is room");
    queue.put(1).unwrap();
    assert_eq!(first.result(), Some(1));
    canceller.cancel();
    queue.put(2).unwrap();
    assert_eq!(queue.get().result(), Some(2));
}

/// A walk through the backlog for each would take hours.
#[test]
fn refused_waiters_and_those_that_give_up_do_not_search_a_full_backlog() {
    let queue = DeferredQueue::<u32>::bounded(1, MANY);
    let waiting: Vec<_> = (0..MANY).map(|_| queue.get()).collect();
    for _ in 0..MANY {
        assert!(queue.get().has_fired(), "it was refused");
    }
    let kept: Vec<_> = waiting.into_iter().step_by(2).collect();
    assert_eq!(queue.waiting_count(), kept.len(), "a waiter that was dropped is out at once");
}

#[test]
fn a_waiter_that_gave_up_inside_a_coroutine_that_nobody_holds_is_passed_over() {
    let queue = DeferredQueue::bounded(0, 2);
    let (other, fire_other) = Deferred::<()>::new();
    let waiter = queue.get();
    Deferred::from_future(async move {
        let (mut waiter, mut other) = (waiter, other);
        std::future::poll_fn(|context| {
            assert!(Pin::new(&mut waiter).poll(context).is_pending());
            Pin::new(&mut other).poll(context)
        })
        .await
    })
    .detach();
    let second = queue.get();
    fire_other.callback(()).unwrap();
    queue.put(1).unwrap();
    assert_eq!(second.result(), Some(1));
}

#[test]
fn a_coroutine_that_nobody_holds_begins_to_wait_and_is_served() {
    let (events, queue) = (Events::default(), DeferredQueue::bounded(0, 2));
    let (go, fire_go) = Deferred::<()>::new();
    let (seen, from) = (events.clone(), queue.clone());
    Deferred::from_future(async move {
        go.await?;
        note(&seen, from.get().await?);
        Ok(())
    })
    .detach();
    fire_go.callback(()).unwrap();
    assert_eq!(queue.waiting_count(), 1);
    queue.put(1).unwrap();
    assert_eq!(events.take(), ["1"]);
}
