//! Wakers on other threads: what they wake goes on in the reactor that runs on the coroutine's own.

use super::{Drops, Events, oneshot, yield_now};
use reactor::{Deferred, Reactor};
use std::cell::Cell;
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Poll, Waker};
use std::thread;
use std::time::Duration;

/// Nothing of what is waited for here takes as long.
const PATIENCE: Duration = Duration::from_secs(60);

/// Runs until `done` has fired.
fn run_until(reactor: &Reactor, done: Deferred<()>) {
    let (stop, too_late) = (reactor.clone(), reactor.clone());
    let done = done.add_both(move |result| {
        stop.stop();
        result
    });
    let guard = reactor.call_later(PATIENCE, move || too_late.stop());
    if !done.has_fired() {
        reactor.run().unwrap();
    }
    assert!(guard.cancel(), "it took too long");
    assert_eq!(done.result(), Some(()));
}

/// Runs until what other threads had asked for before has been done.
fn run_once(reactor: &Reactor) {
    let handle = reactor.handle();
    reactor.call_when_running(move || {
        let stop = |reactor: &Reactor| reactor.stop();
        handle.call_from_thread(stop).unwrap();
    });
    reactor.run().unwrap();
}

#[test]
fn a_wake_from_another_thread_while_the_reactor_runs_goes_on_in_the_loop() {
    let reactor = Reactor::new().unwrap();
    let (begin, begun) = mpsc::channel::<()>();
    let (sender, receiver) = oneshot::<u32>();
    let thread = thread::spawn(move || {
        begun.recv().unwrap();
        sender.send(3);
    });
    let own = thread::current().id();
    let done = Deferred::from_future(async move {
        assert_eq!(receiver.await, 3);
        assert_eq!(thread::current().id(), own);
        Ok(())
    });
    reactor.call_when_running(move || begin.send(()).unwrap());
    run_until(&reactor, done);
    thread.join().unwrap();
}

#[test]
fn a_wake_from_another_thread_before_the_reactor_runs_is_not_lost() {
    let (sender, receiver) = oneshot::<u32>();
    let done = Deferred::from_future(async move {
        assert_eq!(receiver.await, 3);
        Ok(())
    });
    thread::spawn(move || sender.send(3)).join().unwrap();
    assert!(!done.has_fired(), "it goes on here, and here runs no reactor");
    run_until(&Reactor::new().unwrap(), done);
}

#[test]
fn many_wakes_from_many_threads_all_arrive() {
    const THREADS: usize = 4;
    const EACH: usize = 200;
    let reactor = Reactor::new().unwrap();
    let (done, fire_done) = Deferred::<()>::new();
    let (mut senders, left) = (Vec::new(), Rc::new(Cell::new(THREADS * EACH)));
    for _ in 0..THREADS {
        let mut own = Vec::new();
        for number in 0..EACH {
            let (first, receive_first) = oneshot::<usize>();
            let (second, receive_second) = oneshot::<usize>();
            let (left, fire_done) = (left.clone(), fire_done.clone());
            own.push((first, second, number));
            Deferred::from_future(async move {
                assert_eq!((receive_first.await, receive_second.await), (number, number + 1));
                left.set(left.get() - 1);
                if left.get() == 0 {
                    fire_done.callback(())?;
                }
                Ok(())
            })
            .detach();
        }
        senders.push(own);
    }
    let (begin, begun): (Vec<_>, Vec<_>) = senders.iter().map(|_| mpsc::channel::<()>()).unzip();
    let threads = senders.into_iter().zip(begun).map(|(own, begun)| {
        thread::spawn(move || {
            begun.recv().unwrap();
            for (first, second, number) in own {
                first.send(number);
                second.send(number + 1);
            }
        })
    });
    let threads: Vec<_> = threads.collect();
    reactor.call_when_running(move || begin.iter().for_each(|begin| begin.send(()).unwrap()));
    run_until(&reactor, done);
    threads.into_iter().for_each(|thread| thread.join().unwrap());
}

#[test]
fn a_wake_that_comes_while_a_coroutine_comes_to_rest_is_not_lost() {
    // The other thread waits for the waker in a busy loop. So its wakes, and the drops of the wakers, often come
    // between the end of a poll and the rest of the coroutine.
    const ROUNDS: usize = 2000;
    let lent: Arc<Mutex<Option<Waker>>> = Arc::default();
    let (given, mut polls) = (lent.clone(), 0);
    let done = Deferred::from_future(poll_fn(move |context| {
        polls += 1;
        if polls > ROUNDS {
            return Poll::Ready(Ok(()));
        }
        *given.lock().unwrap() = Some(context.waker().clone());
        Poll::Pending
    }));
    let ended = Arc::new(AtomicBool::new(false));
    let is_over = ended.clone();
    let other = thread::spawn(move || {
        while !is_over.load(Ordering::Relaxed) {
            let waker = lent.lock().unwrap().take();
            waker.map_or_else(thread::yield_now, Waker::wake);
        }
    });
    run_until(&Reactor::new().unwrap(), done);
    ended.store(true, Ordering::Relaxed);
    other.join().unwrap();
}

#[test]
fn in_a_reactor_a_coroutine_that_yields_lets_others_run() {
    let reactor = Reactor::new().unwrap();
    let (events, timers) = (Events::default(), Rc::new(Cell::new(0)));
    let running = |name: &'static str| {
        let events = events.clone();
        async move {
            for round in 0..3 {
                events.note(format!("{name} {round}"));
                yield_now().await;
            }
            Ok(())
        }
    };
    let (begin, fire_begin) = Deferred::<()>::new();
    let begin = begin.share();
    let (first, second) = (begin.wait(), begin.wait());
    let (a, b) = (running("a"), running("b"));
    let a = Deferred::from_future(async move {
        first.await?;
        a.await
    });
    let b = Deferred::from_future(async move {
        second.await?;
        b.await
    });
    let (count, clock) = (timers.clone(), reactor.clone());
    let busy = Deferred::from_future(async move {
        // As often as it takes for a call of the clock to have its turn.
        a.await?;
        let called = count.clone();
        clock.call_later(Duration::ZERO, move || called.set(1));
        while count.get() == 0 {
            yield_now().await;
        }
        b.await
    });
    reactor.call_when_running(move || fire_begin.callback(()).unwrap());
    run_until(&reactor, busy);
    assert_eq!(timers.get(), 1);
    assert_eq!(events.take(), ["a 0", "b 0", "a 1", "b 1", "a 2", "b 2"]);
}

#[test]
fn a_coroutine_that_yielded_before_the_end_of_a_reactor_goes_on_in_the_next() {
    let first = Reactor::new().unwrap();
    let stop = first.clone();
    let (begin, fire_begin) = Deferred::<()>::new();
    let done = Deferred::from_future(async move {
        begin.await?;
        stop.stop();
        for _ in 0..10 {
            yield_now().await;
        }
        Ok(())
    });
    first.call_when_running(move || fire_begin.callback(()).unwrap());
    first.run().unwrap();
    assert!(!done.has_fired());
    drop(first);
    run_until(&Reactor::new().unwrap(), done);
}

#[test]
fn a_coroutine_that_yields_until_a_reactor_has_done_something_may_begin_before_it_runs() {
    let reactor = Reactor::new().unwrap();
    let (done, polls) = (Rc::new(Cell::new(false)), Rc::new(Cell::new(0)));
    let (is_done, counted) = (done.clone(), polls.clone());
    let waits = Deferred::from_future(async move {
        while !is_done.get() {
            counted.set(counted.get() + 1);
            yield_now().await;
        }
        Ok(())
    });
    assert_eq!((waits.has_fired(), polls.get()), (false, 10_000), "it rests until a reactor runs");
    reactor.call_later(Duration::ZERO, move || done.set(true));
    run_until(&reactor, waits);
}

#[test]
fn a_coroutine_that_yields_a_hundred_times_needs_no_reactor() {
    let done = Deferred::from_future(async {
        for _ in 0..100 {
            yield_now().await;
        }
        Ok(())
    });
    assert!(done.has_fired());
}

#[test]
fn a_waker_that_another_thread_drops_lets_the_body_go() {
    let drops = Drops::default();
    let guard = drops.guard();
    let (sender, receiver) = oneshot::<u32>();
    Deferred::from_future(async move {
        let _guard = guard;
        receiver.await;
        Ok(())
    })
    .detach();
    let waker = sender.take_waker();
    thread::spawn(move || drop(waker)).join().unwrap();
    assert_eq!(drops.count(), 0, "it lives on this thread, which has not heard of it");
    run_once(&Reactor::new().unwrap());
    assert_eq!(drops.count(), 1);
}

#[test]
fn a_waker_that_outlives_its_coroutine_does_nothing_on_another_thread() {
    let (sender, receiver) = oneshot::<u32>();
    let done = Deferred::from_future(async move {
        receiver.await;
        Ok(())
    });
    let waker = sender.take_waker();
    done.cancel();
    done.add_errback(|_| Ok(())).detach();
    thread::spawn(move || {
        waker.wake_by_ref();
        waker.wake();
    })
    .join()
    .unwrap();
    run_once(&Reactor::new().unwrap());
    drop(sender);
}

#[test]
fn a_body_that_is_still_waiting_when_its_thread_ends_is_dropped_there() {
    let (sender, receiver) = oneshot::<u32>();
    let (tell, told) = mpsc::channel::<thread::ThreadId>();
    struct Tells(mpsc::Sender<thread::ThreadId>);
    impl Drop for Tells {
        fn drop(&mut self) {
            self.0.send(thread::current().id()).unwrap();
        }
    }
    let thread = thread::spawn(move || {
        let tells = Tells(tell);
        Deferred::from_future(async move {
            let _tells = tells;
            receiver.await;
            Ok(())
        })
        .detach();
    });
    let id = thread.thread().id();
    thread.join().unwrap();
    assert_eq!(told.try_iter().collect::<Vec<_>>(), [id]);
    sender.send(1); // Nobody is there any more.
}

#[test]
fn many_wakes_from_another_thread_where_no_reactor_runs_take_little_memory_and_count_once() {
    let polls = Rc::new(Cell::new(0));
    let (sender, receiver) = mpsc::channel::<Waker>();
    let count = polls.clone();
    let done = Deferred::from_future(poll_fn(move |context| {
        count.set(count.get() + 1);
        if count.get() > 1 {
            return Poll::Ready(Ok(()));
        }
        sender.send(context.waker().clone()).unwrap();
        Poll::Pending
    }));
    let thread = thread::spawn(move || {
        let waker = receiver.recv().unwrap();
        let info = allocation_counter::measure(|| (0..100_000).for_each(|_| waker.wake_by_ref()));
        assert!(info.bytes_max < 64 << 10, "{info:?}");
    });
    thread.join().unwrap();
    assert_eq!(polls.get(), 1);
    run_until(&Reactor::new().unwrap(), done);
    assert_eq!(polls.get(), 2);
}
