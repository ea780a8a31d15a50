//! 1d, DeferredQueue.

use crate::*;
use reactor::CancelledError;
use reactor::deferred::{DeferredQueue, QueueOverflow, QueueUnderflow};

#[test]
fn queue_put_goes_to_the_oldest_waiter() {
    let queue = DeferredQueue::unbounded();
    let (first, second) = (queue.get(), queue.get());
    assert_eq!(queue.waiting_count(), 2);
    queue.put(1).unwrap();
    assert!(first.has_fired() && !second.has_fired());
    queue.put(2).unwrap();
    assert_eq!((first.result(), second.result()), (Some(1), Some(2)));
}

#[test]
fn queue_put_runs_the_waiters_callbacks_before_it_returns() {
    let (events, queue) = (Events::default(), DeferredQueue::unbounded());
    let chain = queue.get().add_both(noting(&events, "got it"));
    queue.put(1).unwrap();
    note(&events, "put");
    assert_eq!(events.take(), ["got it", "put"]);
    assert_eq!(chain.result(), Some(1));
}

#[test]
fn queue_put_inside_a_waiters_callback_runs_the_next_waiter_before_it_returns() {
    let (events, queue) = (Events::default(), DeferredQueue::unbounded());
    let (mine, next, again) = (events.clone(), events.clone(), queue.clone());
    let a = queue.get().add_callback(move |n: u32| {
        note(&mine, format!("a in {n}"));
        again.put(2).unwrap();
        note(&mine, "a out");
    });
    let b = queue.get().add_callback(move |n| note(&next, format!("b {n}")));
    queue.put(1).unwrap();
    assert_eq!(events.take(), ["a in 1", "b 2", "a out"]);
    drop((a, b));
}

#[test]
fn queue_stores_what_nobody_waits_for_in_order() {
    let queue = DeferredQueue::unbounded();
    (0..3).for_each(|n| queue.put(n).unwrap());
    assert_eq!((queue.len(), queue.is_empty()), (3, false));
    assert_eq!([(); 3].map(|()| queue.get().result()), [Some(0), Some(1), Some(2)]);
    assert!(queue.is_empty());
}

#[test]
fn queue_overflow_is_returned_by_put_with_the_item() {
    let queue = DeferredQueue::bounded(2, 1);
    queue.put("a").unwrap();
    queue.put("b").unwrap();
    assert_eq!(queue.put("c"), Err(QueueOverflow("c")));
    assert_eq!(queue.get().result(), Some("a"));
    queue.put("d").unwrap();
}

#[test]
fn queue_get_fails_with_underflow_if_too_many_wait_already() {
    // In Twisted `get` raises it; here it comes as everything from `get` comes.
    let queue = DeferredQueue::<u32>::bounded(1, 2);
    let waiters = [queue.get(), queue.get()];
    assert!(failure_of(queue.get()).check::<QueueUnderflow>().is_some());
    queue.put(1).unwrap();
    let third = queue.get();
    assert!(!third.has_fired());
    queue.put(2).unwrap();
    queue.put(3).unwrap();
    assert_eq!(waiters.map(Deferred::result), [Some(1), Some(2)]);
    assert_eq!(third.result(), Some(3));
}

#[test]
fn queue_of_size_0_only_hands_items_to_waiters() {
    let queue = DeferredQueue::bounded(0, 1);
    assert_eq!(queue.put(1), Err(QueueOverflow(1)));
    let waiter = queue.get();
    queue.put(2).unwrap();
    assert_eq!(queue.put(3), Err(QueueOverflow(3)));
    assert_eq!(waiter.result(), Some(2));
}

#[test]
fn queue_of_backlog_0_lets_nobody_wait() {
    let queue = DeferredQueue::bounded(1, 0);
    assert!(failure_of(queue.get()).check::<QueueUnderflow>().is_some());
    queue.put(1).unwrap();
    assert_eq!(queue.get().result(), Some(1));
}

#[test]
fn queue_cancel_removes_the_waiter_and_no_item_is_lost() {
    let queue = DeferredQueue::bounded(1, 2);
    let (first, second) = (queue.get(), queue.get());
    first.cancel();
    assert_eq!(queue.waiting_count(), 1);
    assert!(failure_of(first).check::<CancelledError>().is_some());
    queue.put(1).unwrap();
    assert_eq!(second.result(), Some(1));
    assert!(queue.is_empty());
}

#[test]
fn queue_cancel_after_the_item_came_does_nothing() {
    let queue = DeferredQueue::unbounded();
    queue.put(1).unwrap();
    let first = queue.get();
    first.cancel();
    assert_eq!(first.result(), Some(1));
}
