//! Calls from other threads, and work that runs on other threads.

mod util;
#[path = "util/wait.rs"]
mod wait;

use reactor::error::ThreadError;
use reactor::testing::assert_no_result;
use reactor::{CancelledError, Deferred, Reactor};
use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::rc::Rc;
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};
use std::thread;
use std::time::Duration;
use util::{PATIENCE, until};
use wait::wait;

#[test]
fn a_call_from_a_thread_wakes_a_loop_that_sleeps() {
    let reactor = Reactor::new().unwrap();
    let handle = reactor.handle();
    // The thread hands its call over when the loop is about to sleep, or asleep.
    let (begin, begun) = mpsc::channel::<()>();
    let thread = thread::spawn(move || {
        begun.recv().unwrap();
        handle.call_from_thread(|reactor| reactor.stop())
    });
    reactor.call_when_running(move || begin.send(()).unwrap());
    let asleep_too_long = reactor.clone();
    let guard = reactor.call_later(PATIENCE, move || asleep_too_long.stop());
    reactor.run().unwrap();
    assert!(guard.active(), "the loop slept on");
    assert_eq!(thread.join().unwrap(), Ok(()));
}

#[test]
fn calls_of_one_thread_are_made_in_its_order_and_on_the_thread_of_the_loop() {
    const CALLS: usize = 1000;
    let reactor = Reactor::new().unwrap();
    let made: Arc<Mutex<Vec<(usize, usize)>>> = Arc::default();
    let loop_thread = thread::current().id();
    for name in 0..4 {
        let (handle, made) = (reactor.handle(), made.clone());
        thread::spawn(move || {
            for index in 0..CALLS {
                let made = made.clone();
                let call = move |_: &Reactor| {
                    assert_eq!(thread::current().id(), loop_thread);
                    made.lock().unwrap().push((name, index));
                };
                handle.call_from_thread(call).unwrap();
            }
        });
    }
    until(&reactor, "all calls are made", || made.lock().unwrap().len() == 4 * CALLS);
    let made = made.lock().unwrap();
    for name in 0..4 {
        let of_one: Vec<usize> = made.iter().filter(|(thread, _)| *thread == name).map(|(_, index)| *index).collect();
        assert!(of_one.is_sorted(), "calls of one thread were reordered");
    }
}

#[test]
fn a_call_handed_over_by_the_loop_itself_comes_later() {
    let reactor = Reactor::new().unwrap();
    let made: Arc<Mutex<Vec<&str>>> = Arc::default();
    let (outer, handle) = (made.clone(), reactor.handle());
    reactor.call_when_running(move || {
        let inner = outer.clone();
        handle.call_from_thread(move |_| inner.lock().unwrap().push("handed over")).unwrap();
        outer.lock().unwrap().push("returned");
    });
    until(&reactor, "both", || made.lock().unwrap().len() == 2);
    assert_eq!(*made.lock().unwrap(), ["returned", "handed over"]);
}

#[test]
fn a_call_that_panics_does_not_take_the_others_with_it() {
    let reactor = Reactor::new().unwrap();
    let made: Arc<Mutex<usize>> = Arc::default();
    let handle = reactor.handle();
    handle.call_from_thread(|_| panic!("as the test wants it")).unwrap();
    let count = made.clone();
    handle.call_from_thread(move |_| *count.lock().unwrap() += 1).unwrap();
    until(&reactor, "the second call", || *made.lock().unwrap() == 1);
}

#[test]
fn a_handle_outlives_its_reactor_and_says_so() {
    let reactor = Reactor::new().unwrap();
    let handle = reactor.handle();
    let held = Arc::new(());
    let (waits, refused) = (held.clone(), held.clone());
    handle.call_from_thread(move |_| drop(waits)).unwrap();
    drop(reactor);
    assert_eq!(Arc::strong_count(&held), 2, "a call that can never be made is dropped");
    assert_eq!(handle.call_from_thread(move |_| drop(refused)), Err(ThreadError::Gone));
    assert_eq!(Arc::strong_count(&held), 1);
}

/// A coroutine that waits until its waker is used, and the waker.
fn rests() -> (Deferred<()>, Waker) {
    let (sender, receiver) = mpsc::channel();
    let mut polls = 0;
    let done = Deferred::from_future(poll_fn(move |context| {
        polls += 1;
        if polls > 1 {
            return Poll::Ready(Ok(()));
        }
        sender.send(context.waker().clone()).unwrap();
        Poll::Pending
    }));
    (done, receiver.recv().unwrap())
}

/// Wakes a coroutine from another thread, and waits until that is done.
fn wake_elsewhere(waker: Waker) {
    thread::spawn(move || waker.wake()).join().unwrap();
}

#[test]
fn a_coroutine_that_a_thread_wakes_goes_on_where_the_program_takes_the_turns() {
    let reactor = Reactor::new().unwrap();
    let (done, waker) = rests();
    // The loop is about to sleep, or asleep.
    let (begin, begun) = mpsc::channel::<()>();
    let thread = thread::spawn(move || {
        begun.recv().unwrap();
        waker.wake();
    });
    reactor.call_when_running(move || begin.send(()).unwrap());
    until(&reactor, "the coroutine goes on", || done.has_fired());
    thread.join().unwrap();
}

#[test]
fn a_coroutine_that_a_thread_wakes_between_two_turns_goes_on_in_the_next() {
    let reactor = Reactor::new().unwrap();
    for _ in 0..3 {
        let (done, waker) = rests();
        wake_elsewhere(waker);
        assert_no_result(&done);
        reactor.iterate(PATIENCE).unwrap();
        assert!(done.has_fired());
        // Afterwards the loop sleeps as usual: one turn lasts until the next delayed call.
        let call = reactor.call_later(Duration::from_millis(1), || {});
        reactor.iterate(PATIENCE).unwrap();
        assert!(!call.active(), "something has woken the loop again");
    }
}

#[test]
fn what_a_reactor_inside_another_leaves_undone_the_outer_one_does() {
    let (outer, inner) = (Reactor::new().unwrap(), Reactor::new().unwrap());
    let (done, waker) = rests();
    outer.call_when_running(move || {
        let stopper = inner.clone();
        inner.call_when_running(move || {
            wake_elsewhere(waker); // The inner reactor hears of it, and stops.
            stopper.stop();
        });
        inner.run().unwrap();
    });
    until(&outer, "the coroutine goes on", || done.has_fired());
}

#[test]
fn the_value_of_work_in_a_thread_comes_back() {
    let reactor = Reactor::new().unwrap();
    let here = thread::current().id();
    let work = reactor.defer_to_thread(move || Ok::<_, io::Error>(thread::current().id() != here));
    assert_no_result(&work);
    assert!(wait(&reactor, work).unwrap(), "it ran in the thread of the loop");
}

#[test]
fn the_error_of_work_in_a_thread_comes_back() {
    let reactor = Reactor::new().unwrap();
    let work = reactor.defer_to_thread(|| Err::<(), _>(io::Error::from(io::ErrorKind::AddrInUse)));
    let failure = wait(&reactor, work).unwrap_err();
    assert_eq!(failure.check::<io::Error>().unwrap().kind(), io::ErrorKind::AddrInUse);
}

#[test]
fn work_that_panics_fails_and_its_thread_goes_on() {
    let reactor = Reactor::new().unwrap();
    for _ in 0..20 {
        let work = reactor.defer_to_thread(|| -> Result<(), io::Error> { panic!("as the test wants it") });
        assert_eq!(wait(&reactor, work).unwrap_err().check(), Some(&ThreadError::Panicked));
    }
    let work = reactor.defer_to_thread(|| Ok::<_, io::Error>(5));
    assert_eq!(wait(&reactor, work).unwrap(), 5);
}

#[test]
fn cancelled_work_is_not_waited_for_and_its_value_is_dropped() {
    let reactor = Reactor::new().unwrap();
    let value = Arc::new(());
    let (gives, (finish, finished)) = (value.clone(), mpsc::channel::<()>());
    let work = reactor.defer_to_thread(move || {
        finished.recv().unwrap();
        Ok::<_, io::Error>(gives)
    });
    work.cancel();
    assert_eq!(wait(&reactor, work).unwrap_err().check(), Some(&CancelledError));
    finish.send(()).unwrap();
    until(&reactor, "the work is done and its value gone", || Arc::strong_count(&value) == 1);
}

#[test]
fn more_work_than_threads_is_all_done() {
    const JOBS: usize = 200;
    let reactor = Reactor::new().unwrap();
    let done: Rc<RefCell<Vec<usize>>> = Rc::default();
    for index in 0..JOBS {
        let note = done.clone();
        reactor
            .defer_to_thread(move || Ok::<_, io::Error>(index))
            .add_callback(move |index| {
                note.borrow_mut().push(index);
            })
            .detach();
    }
    until(&reactor, "all work is done", || done.borrow().len() == JOBS);
    done.borrow_mut().sort_unstable();
    assert!(done.borrow().iter().copied().eq(0..JOBS));
}

#[test]
fn a_flood_of_work_is_refused_instead_of_kept() {
    let reactor = Reactor::new().unwrap();
    let (finish, finished) = mpsc::channel::<()>();
    let finished = Arc::new(Mutex::new(finished));
    let mut refused = None;
    let mut waiting = Vec::new();
    for _ in 0..2000 {
        let finished = finished.clone();
        let work = reactor.defer_to_thread(move || {
            let _ = finished.lock().unwrap().recv(); // Until the test lets go.
            Ok::<_, io::Error>(())
        });
        if work.has_fired() {
            refused = Some(work);
            break;
        }
        waiting.push(work);
    }
    drop(finish);
    let refused = refused.expect("2000 jobs are too many");
    assert_eq!(wait(&reactor, refused).unwrap_err().check(), Some(&ThreadError::QueueFull));
    until(&reactor, "the others are done", || waiting.iter().all(Deferred::has_fired));
}
