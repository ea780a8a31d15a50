//! A program that is one Deferred: `run_until` and `react`.

use reactor::error::RunError;
use reactor::{CancelledError, Deferred, Failure, Phase, Reactor, Settings, SystemEvent, react, task};
use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

const SOON: Duration = Duration::from_millis(1);
const NEVER: Duration = Duration::from_secs(3600);

#[test]
fn the_loop_runs_until_the_result_is_there() {
    let reactor = Reactor::new().unwrap();
    for round in 0..2 {
        let main = task::sleep(&reactor, SOON).add_callback(move |()| Ok(round));
        assert_eq!(reactor.run_until(main).unwrap(), round);
        assert!(!reactor.running());
        assert_eq!(reactor.delayed_call_count(), 0);
    }
}

#[test]
fn a_result_that_is_there_already_ends_it_in_an_orderly_way() {
    let reactor = Reactor::new().unwrap();
    let stopped = Rc::new(Cell::new(false));
    let note = stopped.clone();
    reactor.add_system_event_trigger(Phase::Before, SystemEvent::Shutdown, move || note.set(true));
    assert_eq!(reactor.run_until(reactor::deferred::succeed("now")).unwrap(), "now");
    assert!(stopped.get());
}

#[test]
fn a_failure_is_returned_and_not_logged_as_unhandled() {
    let reactor = Reactor::new().unwrap();
    let main = task::sleep(&reactor, SOON).add_callback(|()| Err::<(), _>(Failure::msg("no")));
    assert_eq!(reactor.run_until(main).unwrap_err().to_string(), "no");
}

#[test]
fn a_stop_by_something_else_cancels_the_program() {
    let reactor = Reactor::new().unwrap();
    let stopper = reactor.clone();
    reactor.call_later(SOON, move || stopper.stop());
    let failure = reactor.run_until(task::sleep(&reactor, NEVER)).unwrap_err();
    assert!(failure.check::<CancelledError>().is_some(), "{failure}");
    // The cancel is ours, but the program has asked for the run.
    let report = failure.report().to_string();
    assert!(report.contains("raised at reactor/tests/run_until.rs:"), "{report}");

    let stopper = reactor.clone();
    reactor.call_later(SOON, move || stopper.stop());
    let saved = task::sleep(&reactor, NEVER).add_callback(|()| Ok("done")).add_errback(|_cancelled| Ok("saved"));
    assert_eq!(reactor.run_until(saved).unwrap(), "saved");
}

#[test]
fn a_program_that_takes_its_time_to_give_up_is_waited_for() {
    let reactor = Reactor::new().unwrap();
    let (stopper, clock) = (reactor.clone(), reactor.clone());
    reactor.call_later(SOON, move || stopper.stop());
    let slow = task::sleep(&reactor, NEVER).add_errback(move |_| task::sleep(&clock, SOON)).add_callback(|()| Ok(7));
    assert_eq!(reactor.run_until(slow).unwrap(), 7);
}

#[test]
fn a_result_that_never_comes_is_an_error_of_the_run() {
    let mut settings = Settings::default();
    settings.stop_timeout = SOON;
    let reactor = Reactor::with_settings(settings).unwrap();
    let stopper = reactor.clone();
    reactor.call_later(SOON, move || stopper.stop());
    // A paused Deferred does not hear that it is cancelled.
    let mut main = task::sleep(&reactor, NEVER);
    let _pause = main.pause();
    let failure = reactor.run_until(main).unwrap_err();
    assert!(matches!(failure.check::<RunError>(), Some(RunError::NoResult)), "{failure}");
}

#[test]
fn inside_the_running_loop_it_is_refused() {
    let reactor = Reactor::new().unwrap();
    let inside = reactor.clone();
    let main = task::sleep(&reactor, SOON).add_callback(move |()| {
        let (deferred, _firer) = Deferred::<()>::new();
        Ok(inside.run_until(deferred).unwrap_err().to_string())
    });
    assert_eq!(reactor.run_until(main).unwrap(), "the reactor is already running");
}

#[test]
fn react_turns_the_result_into_an_exit_code() {
    let code = |result: Result<(), Failure>| format!("{:?}", react(move |_| result));
    assert_eq!(code(Ok(())), format!("{:?}", std::process::ExitCode::SUCCESS));
    assert_eq!(code(Err(Failure::msg("no"))), format!("{:?}", std::process::ExitCode::FAILURE));
}

#[test]
fn a_program_that_fails_after_a_stop_has_that_failure_as_its_result() {
    let reactor = Reactor::new().unwrap();
    let (stopper, clock) = (reactor.clone(), reactor.clone());
    reactor.call_later(SOON, move || stopper.stop());
    let main = task::sleep(&reactor, NEVER)
        .add_errback(move |_cancelled| task::sleep(&clock, SOON))
        .add_callback(|()| Err::<(), _>(Failure::msg("too late")));
    assert_eq!(reactor.run_until(main).unwrap_err().to_string(), "too late");
}
