//! Calls from other threads that wait for their results.

#[path = "util/run.rs"]
mod run;
mod util;

use reactor::error::{BlockingCallError, ThreadError};
use reactor::{Deferred, Failure, Firer, Reactor, task};
use run::run_to_the_end;
use std::cell::RefCell;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;
use util::until;

// What the thread of a loop keeps, so that its Deferreds neither fire nor go.
thread_local!(static FIRERS: RefCell<Vec<Firer<()>>> = RefCell::default());

/// A Deferred that does not fire.
fn unfired() -> Deferred<()> {
    let (deferred, firer) = Deferred::new();
    FIRERS.with_borrow_mut(|firers| firers.push(firer));
    deferred
}

/// What `work` on another thread returns; meanwhile the loop takes turns.
#[track_caller]
fn meanwhile<T: Send + 'static>(reactor: &Reactor, work: impl FnOnce() -> T + Send + 'static) -> T {
    let (handle, (sender, receiver)) = (reactor.handle(), mpsc::channel());
    thread::spawn(move || {
        sender.send(work()).unwrap();
        handle.call_from_thread(|_| {}).unwrap(); // So that the loop looks.
    });
    let mut result = None;
    until(reactor, "the other thread has its answer", || {
        result = receiver.try_recv().ok();
        result.is_some()
    });
    result.expect("it is here")
}

fn thread_error(result: Result<(), BlockingCallError>) -> ThreadError {
    match result {
        Err(BlockingCallError::Thread(error)) => error,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_value_and_the_value_of_a_deferred_come_back() {
    let reactor = Reactor::new().unwrap();
    let handle = reactor.handle();
    let own = thread::current().id();
    let values = meanwhile(&reactor, move || {
        let now = handle.blocking_call_from_thread(move |_| Ok::<_, Failure>(thread::current().id() == own));
        let later = handle.blocking_call_from_thread(|reactor| {
            task::sleep(reactor, Duration::from_millis(1)).add_callback(|()| Ok("later".to_owned()))
        });
        (now, later)
    });
    assert_eq!(values, (Ok(true), Ok("later".to_owned())));
}

#[test]
fn a_failure_comes_back_as_its_text_and_its_report() {
    let reactor = Reactor::new().unwrap();
    let handle = reactor.handle();
    let work = move || handle.blocking_call_from_thread(|_| Err::<(), _>(Failure::msg("no luck")));
    match meanwhile(&reactor, work) {
        Err(BlockingCallError::Failed { error, report }) => {
            assert_eq!(error, "no luck");
            assert!(report.contains("raised at") && report.contains("blocking_calls.rs"), "{report}");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_call_that_panics_is_an_error_for_the_caller_and_the_loop_goes_on() {
    let reactor = Reactor::new().unwrap();
    let handle = reactor.handle();
    let errors = meanwhile(&reactor, move || {
        let now = handle.blocking_call_from_thread(|_| -> Result<(), Failure> { panic!("as the test wants it") });
        let later = handle.blocking_call_from_thread(|_| -> Result<(), Failure> { Ok(()) });
        (now, later)
    });
    assert_eq!(errors, (Err(ThreadError::Panicked.into()), Ok(())));
}

#[test]
fn on_the_thread_of_the_loop_it_is_refused() {
    let reactor = Reactor::new().unwrap();
    let handle = reactor.handle();
    assert_eq!(thread_error(handle.blocking_call_from_thread(|_| ())), ThreadError::OwnThread);
    let (sender, receiver) = mpsc::channel();
    let stopper = reactor.clone();
    reactor.call_when_running(move || {
        sender.send(handle.blocking_call_from_thread(|_| ())).unwrap();
        stopper.stop();
    });
    run_to_the_end(&reactor);
    assert_eq!(thread_error(receiver.recv().unwrap()), ThreadError::OwnThread);
}

#[test]
fn a_call_before_the_run_waits_for_it() {
    let reactor = Reactor::new().unwrap();
    let handle = reactor.handle();
    let thread = thread::spawn(move || {
        handle.blocking_call_from_thread(|reactor| {
            reactor.stop();
            Ok::<_, Failure>(7)
        })
    });
    run_to_the_end(&reactor);
    assert_eq!(thread.join().unwrap(), Ok(7));
}

#[test]
fn a_stop_sends_the_callers_away_that_still_wait() {
    let reactor = Reactor::new().unwrap();
    let handle = reactor.handle();
    let thread = thread::spawn(move || {
        let result = handle.blocking_call_from_thread(|reactor| {
            reactor.stop();
            unfired()
        });
        (result, handle.blocking_call_from_thread(|_| ()))
    });
    run_to_the_end(&reactor);
    let (waited, came_later) = thread.join().unwrap();
    assert_eq!((thread_error(waited), thread_error(came_later)), (ThreadError::Stopped, ThreadError::Stopped));
    // A result that comes now has nobody to go to.
    FIRERS.with_borrow_mut(|firers| firers.drain(..).for_each(|firer| firer.callback(()).unwrap()));
}

#[test]
fn after_a_stop_callers_wait_again_when_the_program_takes_turns_again() {
    let reactor = Reactor::new().unwrap();
    reactor.stop();
    run_to_the_end(&reactor);
    let handle = reactor.handle();
    reactor.iterate(Duration::ZERO).unwrap();
    assert_eq!(meanwhile(&reactor, move || handle.blocking_call_from_thread(|_| Ok::<_, Failure>(1))), Ok(1));
}

#[test]
fn the_drop_of_the_reactor_sends_the_callers_away() {
    let reactor = Reactor::new().unwrap();
    let handle = reactor.handle();
    let (enter, entered) = mpsc::channel();
    let thread = thread::spawn(move || {
        let result = handle.blocking_call_from_thread(move |_| {
            enter.send(()).unwrap();
            unfired()
        });
        (result, handle.blocking_call_from_thread(|_| ()))
    });
    until(&reactor, "the call is made", || entered.try_recv().is_ok());
    drop(reactor);
    let (waited, came_later) = thread.join().unwrap();
    assert_eq!((thread_error(waited), thread_error(came_later)), (ThreadError::Gone, ThreadError::Gone));
}

#[test]
fn a_deferred_that_is_dropped_gives_no_result() {
    let reactor = Reactor::new().unwrap();
    let handle = reactor.handle();
    let work = move || {
        handle.blocking_call_from_thread(|reactor| {
            let (deferred, firer) = Deferred::<()>::new();
            reactor.call_later(Duration::from_millis(1), move || drop(firer));
            deferred
        })
    };
    assert_eq!(thread_error(meanwhile(&reactor, work)), ThreadError::NoResult);
}

#[test]
fn work_that_a_stop_waits_for_may_still_ask_the_loop() {
    let reactor = Reactor::new().unwrap();
    let (handle, (stopping, stops)) = (reactor.handle(), mpsc::channel());
    let work = reactor.defer_to_thread(move || {
        stops.recv().unwrap();
        handle.blocking_call_from_thread(|_| Ok::<_, Failure>(3))
    });
    let stopper = reactor.clone();
    reactor.call_when_running(move || stopper.stop());
    reactor.call_later(Duration::from_millis(1), move || stopping.send(()).unwrap());
    run_to_the_end(&reactor);
    assert_eq!(work.result(), Some(3));
}
