//! Locks and queues: the waiters, what they wait for, and those that gave up.

use super::{Drops, Guard, leaves_nothing};
use reactor::Deferred;
use reactor::deferred::{DeferredLock, DeferredQueue, Permit, QueueOverflow};

fn waiter(lock: &DeferredLock, drops: &Drops) -> Deferred<()> {
    let guard = drops.guard();
    lock.acquire().add_both(move |result| {
        drop(guard);
        result.map(drop)
    })
}

type LockWay = fn(DeferredLock, Permit, Vec<Deferred<()>>);

const LOCK_WAYS: [(&str, LockWay); 5] = [
    ("released", |lock, held, waiters| {
        drop(held);
        assert!(!lock.is_locked());
        drop((lock, waiters));
    }),
    ("waiters gone, then released", |lock, held, waiters| {
        drop(waiters);
        drop(held);
        assert!(!lock.is_locked());
    }),
    ("one cancelled", |lock, held, waiters| {
        waiters[1].cancel();
        drop((held, lock, waiters));
    }),
    ("all cancelled, handles gone", |lock, held, waiters| {
        waiters.iter().for_each(Deferred::cancel);
        drop((lock, waiters));
        drop(held);
    }),
    ("handles gone, then released", |lock, held, waiters| {
        drop(lock);
        drop(held);
        drop(waiters);
    }),
];

#[test]
fn a_lock_keeps_nothing_of_its_former_waiters() {
    for (name, way) in LOCK_WAYS {
        leaves_nothing(name, |drops| {
            let lock = DeferredLock::new();
            let held = lock.acquire().result().unwrap();
            let waiters = (0..3).map(|_| waiter(&lock, drops)).collect();
            way(lock, held, waiters);
        });
        leaves_nothing(name, |drops| {
            let lock = DeferredLock::new();
            let held = lock.acquire().result().unwrap();
            let waiters = (0..3).map(|_| {
                let (guard, value) = (drops.guard(), drops.guard());
                let run = lock.run(move || {
                    drop(guard);
                    Ok(value)
                });
                run.add_callback(drop)
            });
            let waiters = waiters.collect();
            way(lock, held, waiters);
        });
    }
}

#[test]
fn a_run_releases_when_its_work_is_lost_and_keeps_nothing() {
    for firer_first in [true, false] {
        leaves_nothing("lost work", |drops| {
            let lock = DeferredLock::new();
            let (work, firer) = Deferred::<Guard>::new();
            let running = lock.run(move || work);
            let next = waiter(&lock, drops);
            if firer_first {
                drop(firer);
                drop(running);
            } else {
                drop(running);
                drop(firer);
            }
            assert!(next.has_fired());
        });
    }
}

type QueueWay = fn(DeferredQueue<Guard>, &Drops);

const QUEUE_WAYS: [(&str, QueueWay); 6] = [
    ("items never taken", |queue, drops| {
        queue.put(drops.guard()).unwrap();
        queue.put(drops.guard()).unwrap();
    }),
    ("items taken", |queue, drops| {
        queue.put(drops.guard()).unwrap();
        let (first, second) = (queue.get(), queue.get());
        queue.put(drops.guard()).unwrap();
        assert!(first.has_fired() && second.has_fired());
    }),
    ("one too many comes back", |queue, drops| {
        while let Ok(()) = queue.put(drops.guard()) {}
        let QueueOverflow(item) = queue.put(drops.guard()).unwrap_err();
        drop(item);
    }),
    ("takers never served", |queue, drops| {
        let guard = drops.guard();
        let taker = queue.get().add_callback(move |item| drop((item, guard)));
        drop(queue);
        drop(taker);
    }),
    ("a taker cancelled", |queue, drops| {
        let guard = drops.guard();
        let taker = queue.get().add_callback(move |item| drop((item, guard)));
        taker.cancel();
        queue.put(drops.guard()).unwrap();
        drop((taker, queue));
    }),
    ("a taker dropped", |queue, drops| {
        drop(queue.get());
        queue.put(drops.guard()).unwrap();
        assert_eq!(queue.len(), 1);
    }),
];

#[test]
fn a_queue_keeps_nothing_but_its_items_and_those_only_as_long_as_its_handles() {
    for (name, way) in QUEUE_WAYS {
        leaves_nothing(name, |drops| way(DeferredQueue::bounded(2, 2), drops));
    }
    leaves_nothing("unbounded", |drops| {
        let queue = DeferredQueue::unbounded();
        let handle = queue.clone();
        queue.put(drops.guard()).unwrap();
        drop(queue);
        assert_eq!((drops.count(), handle.len()), (0, 1));
    });
}
