//! The threads for work that blocks: how many there are, what waits for them, and what a stop does with the work.

#[path = "util/run.rs"]
mod run;
mod util;
#[path = "util/wait.rs"]
mod wait;

use reactor::error::ThreadError;
use reactor::testing::{assert_no_result, success_result_of};
use reactor::{CancelledError, Deferred, Failure, Phase, Reactor, Settings, SystemEvent};
use run::run_to_the_end;
use std::cell::RefCell;
use std::collections::HashSet;
use std::io;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;
use util::until;
use wait::wait;

fn reactor_with(change: impl FnOnce(&mut Settings)) -> Reactor {
    let mut settings = Settings::default();
    change(&mut settings);
    Reactor::with_settings(settings).unwrap()
}

/// Stops `reactor` from its loop.
fn stop_soon(reactor: &Reactor) {
    let stopper = reactor.clone();
    reactor.call_when_running(move || stopper.stop());
}

/// Work that lasts until something is sent, or the sender is dropped.
fn lasting_work(reactor: &Reactor) -> (Sender<()>, Deferred<()>) {
    let (finish, finished) = mpsc::channel::<()>();
    let work = reactor.defer_to_thread(move || {
        let _ = finished.recv();
        Ok::<_, io::Error>(())
    });
    (finish, work)
}

/// Why `work`, which has fired, failed.
fn error_of(work: Deferred<()>) -> Option<ThreadError> {
    let error: Rc<RefCell<Option<ThreadError>>> = Rc::default();
    let note = error.clone();
    work.add_both(move |result| *note.borrow_mut() = result.unwrap_err().check().copied()).detach();
    error.take()
}

#[test]
fn no_more_threads_work_than_the_setting_allows() {
    const THREADS: usize = 3;
    let reactor = reactor_with(|settings| settings.max_threads = THREADS);
    let (busy, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let threads: Rc<RefCell<HashSet<thread::ThreadId>>> = Rc::default();
    let mut jobs = Vec::new();
    for _ in 0..200 {
        let (busy, most, threads) = (busy.clone(), most.clone(), threads.clone());
        let work = reactor.defer_to_thread(move || {
            most.fetch_max(busy.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            thread::yield_now();
            busy.fetch_sub(1, Ordering::SeqCst);
            Ok::<_, io::Error>(thread::current().id())
        });
        jobs.push(work.add_callback(move |thread| {
            threads.borrow_mut().insert(thread);
        }));
    }
    until(&reactor, "all work is done", || jobs.iter().all(Deferred::has_fired));
    assert!(most.load(Ordering::SeqCst) <= THREADS, "{most:?} at a time");
    assert!(threads.borrow().len() <= THREADS, "{threads:?}");
}

#[test]
fn queued_work_begins_in_the_order_of_the_requests() {
    let reactor = reactor_with(|settings| settings.max_threads = 0); // Counts as 1.
    let begun: Arc<Mutex<Vec<usize>>> = Arc::default();
    let jobs: Vec<_> = (0..50)
        .map(|index| {
            let begun = begun.clone();
            reactor.defer_to_thread(move || {
                begun.lock().unwrap().push(index);
                Ok::<_, io::Error>(())
            })
        })
        .collect();
    until(&reactor, "all work is done", || jobs.iter().all(Deferred::has_fired));
    assert!(begun.lock().unwrap().iter().copied().eq(0..50));
}

#[test]
fn more_threads_can_be_had_while_work_waits() {
    let reactor = reactor_with(|settings| settings.max_threads = 1);
    let (finish, first) = lasting_work(&reactor);
    // The second piece ends the first: with one thread, neither would ever end.
    let second = reactor.defer_to_thread(move || finish.send(()));
    reactor.iterate(Duration::ZERO).unwrap();
    assert_no_result(&first);
    reactor.suggest_thread_pool_size(2);
    until(&reactor, "both are done", || first.has_fired() && second.has_fired());
}

#[test]
fn work_that_is_cancelled_before_it_begins_never_begins() {
    let reactor = reactor_with(|settings| settings.max_threads = 1);
    let (finish, first) = lasting_work(&reactor);
    let captured = Arc::new(());
    let (held, begun) = (captured.clone(), Arc::new(AtomicUsize::new(0)));
    let count = begun.clone();
    let second = reactor.defer_to_thread(move || {
        let _held = held;
        count.fetch_add(1, Ordering::SeqCst);
        Ok::<_, io::Error>(())
    });
    second.cancel();
    assert_eq!(Arc::strong_count(&captured), 1, "what it captured is dropped at once");
    assert_eq!(wait(&reactor, second).unwrap_err().check(), Some(&CancelledError));
    let third = reactor.defer_to_thread(|| Ok::<_, io::Error>(()));
    finish.send(()).unwrap();
    until(&reactor, "the others are done", || first.has_fired() && third.has_fired());
    assert_eq!(begun.load(Ordering::SeqCst), 0);
}

#[test]
fn a_stop_waits_for_work_that_has_begun_and_its_result_arrives() {
    let reactor = Reactor::new().unwrap();
    let (finish, finished) = mpsc::channel::<()>();
    let work = reactor.defer_to_thread(move || {
        finished.recv().unwrap();
        Ok::<_, io::Error>(5)
    });
    stop_soon(&reactor);
    reactor.call_later(Duration::from_millis(5), move || finish.send(()).unwrap());
    run_to_the_end(&reactor);
    assert_eq!(success_result_of(work), 5);
}

#[test]
fn a_stop_drops_work_that_has_not_begun_and_says_so_to_its_deferred() {
    let reactor = reactor_with(|settings| settings.max_threads = 1);
    let (finish, first) = lasting_work(&reactor);
    let second = reactor.defer_to_thread(|| Ok::<_, io::Error>(()));
    // Only the failure of the second lets the first end.
    let second = second.add_errback(move |failure| -> Result<(), reactor::Failure> {
        finish.send(()).unwrap();
        Err(failure)
    });
    stop_soon(&reactor);
    run_to_the_end(&reactor);
    assert_eq!(error_of(second), Some(ThreadError::Stopped));
    success_result_of(first);
}

#[test]
fn a_panic_about_dropped_work_does_not_keep_the_news_from_the_others() {
    let reactor = reactor_with(|settings| settings.max_threads = 1);
    let (finish, _first) = lasting_work(&reactor);
    let second = reactor.defer_to_thread(|| Ok::<_, io::Error>(()));
    second.add_errback(|_| -> Result<(), reactor::Failure> { panic!("as the test wants it") }).detach();
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("as the test wants it");
        }
    }
    let bomb = Bomb;
    let third = reactor.defer_to_thread(move || {
        let _bomb = bomb;
        Ok::<_, io::Error>(())
    });
    let fourth = reactor.defer_to_thread(|| Ok::<_, io::Error>(()));
    reactor.call_later(Duration::from_millis(1), move || drop(finish));
    stop_soon(&reactor);
    run_to_the_end(&reactor);
    assert_eq!((error_of(third), error_of(fourth)), (Some(ThreadError::Stopped), Some(ThreadError::Stopped)));
}

#[test]
fn a_stop_waits_no_longer_than_its_limit_and_the_next_run_gets_the_result() {
    let reactor = reactor_with(|settings| settings.thread_timeout = Duration::from_millis(5));
    let (finish, work) = lasting_work(&reactor);
    for _ in 0..2 {
        stop_soon(&reactor);
        run_to_the_end(&reactor);
        assert_no_result(&work);
    }
    assert_eq!(reactor.delayed_call_count(), 0, "the limit itself is left");
    drop(finish);
    until(&reactor, "the result arrives", || work.has_fired());
}

#[test]
fn no_work_begins_while_the_reactor_closes_but_the_before_triggers_may_have_some() {
    let reactor = Reactor::new().unwrap();
    let before = reactor.clone();
    reactor.add_system_event_trigger(Phase::Before, SystemEvent::Shutdown, move || {
        before.defer_to_thread(|| Ok::<_, io::Error>(()))
    });
    let refused: Rc<RefCell<Option<Deferred<()>>>> = Rc::default();
    let (note, during) = (refused.clone(), reactor.clone());
    reactor.add_system_event_trigger(Phase::During, SystemEvent::Shutdown, move || {
        *note.borrow_mut() = Some(during.defer_to_thread(|| Ok::<_, io::Error>(())));
    });
    stop_soon(&reactor);
    run_to_the_end(&reactor);
    assert_eq!(error_of(refused.take().unwrap()), Some(ThreadError::Stopped));
    let next = reactor.defer_to_thread(|| Ok::<_, io::Error>(()));
    until(&reactor, "after the stop, work is done again", || next.has_fired());
}

#[test]
fn the_drop_of_a_reactor_waits_for_no_work() {
    let reactor = reactor_with(|settings| settings.max_threads = 1);
    let ((begin, begun), (finish, finished)) = (mpsc::channel(), mpsc::channel::<()>());
    let first = reactor.defer_to_thread(move || {
        begin.send(()).unwrap();
        finished.recv()
    });
    begun.recv().unwrap();
    let captured = Arc::new(());
    let held = captured.clone();
    let second = reactor.defer_to_thread(move || Ok::<_, io::Error>(held));
    drop(reactor);
    assert_eq!(Arc::strong_count(&captured), 1, "queued work is dropped");
    assert!(!first.has_fired() && !second.has_fired());
    finish.send(()).unwrap(); // It is still at work.
}

#[test]
fn work_may_fail_with_a_failure_whose_sentence_and_place_leave_the_thread() {
    let reactor = Reactor::new().unwrap();
    let line = line!() + 1;
    let work = reactor.defer_to_thread(|| -> Result<u16, Failure> { Ok("eighty".parse::<u16>()?) });
    let failure = reactor.run_until(work).unwrap_err();
    assert_eq!(failure.to_string(), "invalid digit found in string");
    assert_eq!((failure.raised().file(), failure.raised().line()), (file!(), line));
}

#[test]
fn the_error_of_work_is_raised_where_the_program_asked_for_the_work() {
    let reactor = Reactor::new().unwrap();
    let line = line!() + 1;
    let work = reactor.defer_to_thread(|| "eighty".parse::<u16>());
    let failure = reactor.run_until(work).unwrap_err();
    assert!(failure.check::<std::num::ParseIntError>().is_some());
    assert_eq!((failure.raised().file(), failure.raised().line()), (file!(), line));
}
