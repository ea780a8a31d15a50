//! Wakers on the coroutine's own thread: they wake it at once, once, and never after its end.

use super::{Drops, Events, Sender, oneshot, outcome, yield_now};
use reactor::{Deferred, Failure};
use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Poll, Waker};

#[test]
fn a_wake_runs_the_body_before_it_returns() {
    let (sender, receiver) = oneshot::<u32>();
    let events = Events::default();
    let body = events.clone();
    let chain = Deferred::from_future(async move {
        let n = receiver.await;
        body.note("body");
        Ok(n)
    });
    events.note("sending");
    sender.send(4);
    events.note("sent");
    assert_eq!(events.take(), ["sending", "body", "sent"]);
    assert_eq!(chain.result(), Some(4));
}

#[test]
fn without_a_reactor_a_coroutine_that_wakes_itself_goes_on_at_once() {
    let polls = Rc::new(Cell::new(0));
    let count = polls.clone();
    let chain = Deferred::from_future(async move {
        for _ in 0..1000 {
            yield_now().await;
            count.set(count.get() + 1);
        }
        Ok(())
    });
    assert_eq!((polls.get(), chain.result()), (1000, Some(())));
}

#[test]
fn a_waker_that_outlives_its_coroutine_wakes_nobody() {
    let (sender, receiver) = oneshot::<u32>();
    let (deferred, firer) = Deferred::<u32>::new();
    let (drops, polls) = (Drops::default(), Rc::new(Cell::new(0)));
    let (guard, count) = (drops.guard(), polls.clone());
    let (mut receiver, mut deferred) = (receiver, deferred);
    let chain = Deferred::from_future(async move {
        let _guard = guard;
        poll_fn(move |context| {
            count.set(count.get() + 1);
            assert!(std::pin::Pin::new(&mut receiver).poll(context).is_pending());
            std::pin::Pin::new(&mut deferred).poll(context)
        })
        .await
    });
    let wakers = [sender.take_waker()];
    firer.callback(1).unwrap();
    assert_eq!((drops.count(), polls.get()), (1, 2), "the body is gone, although a waker is left");
    let again = wakers[0].clone();
    wakers.into_iter().for_each(Waker::wake);
    again.wake_by_ref();
    drop(again);
    assert_eq!((polls.get(), outcome(chain).as_str()), (2, "1"));
}

/// A coroutine that holds a guard and waits for what a sender sends.
fn waits_for_a_sender() -> (Sender<u32>, Drops, Deferred<u32>) {
    let (sender, receiver) = oneshot::<u32>();
    let drops = Drops::default();
    let guard = drops.guard();
    let chain = Deferred::from_future(async move {
        let _guard = guard;
        Ok::<_, Failure>(receiver.await)
    });
    (sender, drops, chain)
}

#[test]
fn a_waker_of_a_cancelled_coroutine_wakes_nobody() {
    let (sender, drops, chain) = waits_for_a_sender();
    let waker = sender.take_waker();
    chain.cancel();
    assert_eq!(drops.count(), 1);
    waker.wake();
    sender.send(1);
    assert_eq!(outcome(chain), "failed: cancelled");
}

#[test]
fn a_body_is_dropped_with_its_last_waker_if_it_waits_for_nothing_else() {
    for deferred_first in [true, false] {
        let (sender, drops, chain) = waits_for_a_sender();
        let waker = sender.take_waker();
        if deferred_first {
            drop(chain);
            assert_eq!(drops.count(), 0, "it can still be woken");
            drop(waker.clone());
            assert_eq!(drops.count(), 0);
            drop(waker);
        } else {
            drop(waker);
            drop(chain);
        }
        assert_eq!(drops.count(), 1, "Deferred first: {deferred_first}");
    }
}

#[test]
fn a_body_goes_on_when_it_is_woken_even_if_its_deferred_was_dropped() {
    let (sender, receiver) = oneshot::<u32>();
    let seen = Rc::new(Cell::new(0));
    let note = seen.clone();
    Deferred::from_future(async move {
        note.set(receiver.await);
        Ok(())
    })
    .detach();
    sender.send(4);
    assert_eq!(seen.get(), 4);
}

#[test]
fn a_coroutine_is_polled_for_each_of_several_wakes_but_never_after_its_end() {
    let wakers: Rc<RefCell<Vec<Waker>>> = Rc::default();
    let (lend, polls) = (wakers.clone(), Rc::new(Cell::new(0)));
    let count = polls.clone();
    let chain = Deferred::from_future(poll_fn(move |context| {
        count.set(count.get() + 1);
        lend.borrow_mut().push(context.waker().clone());
        if count.get() < 5 { Poll::Pending } else { Poll::Ready(Ok(())) }
    }));
    for polled in 2..=5 {
        let waker = wakers.borrow_mut().pop().unwrap();
        waker.wake();
        assert_eq!(polls.get(), polled);
    }
    for waker in wakers.take() {
        waker.wake();
    }
    assert_eq!((polls.get(), chain.result()), (5, Some(())));
}

#[test]
fn a_coroutine_that_causes_its_own_wake_is_polled_again() {
    let (sender, receiver) = oneshot::<u32>();
    let (mut sender, mut receiver) = (Some(sender), receiver);
    let polls = Rc::new(Cell::new(0));
    let count = polls.clone();
    let chain = Deferred::from_future(poll_fn(move |context| {
        count.set(count.get() + 1);
        let polled = std::pin::Pin::new(&mut receiver).poll(context);
        if let Some(sender) = sender.take() {
            sender.send(8);
        }
        polled.map(Ok)
    }));
    assert_eq!((polls.get(), chain.result()), (2, Some(8)));
}
