//! SIGINT and SIGTERM. Signals reach the whole process, so each test has one of its own.

#![cfg(unix)]

#[path = "util/child.rs"]
mod child;
#[path = "util/run.rs"]
mod run;

use child::in_child;
use reactor::driver::Signal;
use reactor::{Deferred, Phase, Reactor, Settings, SystemEvent};
use run::run_to_the_end;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::low_level::raise;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

#[test]
fn either_signal_stops_a_run_and_the_reactor_can_run_again() {
    in_child("either_signal_stops_a_run_and_the_reactor_can_run_again", "true", || {
        let reactor = Reactor::new().unwrap();
        for signal in [SIGINT, SIGTERM, SIGINT] {
            reactor.call_when_running(move || raise(signal).unwrap());
            run_to_the_end(&reactor);
        }
        let stopper = reactor.clone();
        reactor.call_later(Duration::from_millis(1), move || stopper.stop());
        run_to_the_end(&reactor);
    });
}

#[test]
fn a_reactor_says_which_signal_has_ended_its_last_run() {
    in_child("a_reactor_says_which_signal_has_ended_its_last_run", "true", || {
        let reactor = Reactor::new().unwrap();
        assert_eq!(reactor.exit_signal(), None);
        for (signal, expected) in [(SIGINT, Signal::Interrupt), (SIGTERM, Signal::Terminate)] {
            reactor.call_when_running(move || raise(signal).unwrap());
            let (seen, asker) = (Rc::new(Cell::new(None)), reactor.clone());
            let note = seen.clone();
            reactor.add_system_event_trigger(Phase::During, SystemEvent::Shutdown, move || {
                note.set(asker.exit_signal());
            });
            run_to_the_end(&reactor);
            assert_eq!((reactor.exit_signal(), seen.get()), (Some(expected), Some(expected)));
        }
        // The program asks first; a signal that only hurries it has not ended the run.
        let stopper = reactor.clone();
        reactor.call_when_running(move || {
            stopper.stop();
            raise(SIGTERM).unwrap();
        });
        run_to_the_end(&reactor);
        assert_eq!(reactor.exit_signal(), None);
        reactor.call_when_running(|| raise(SIGINT).unwrap());
        run_to_the_end(&reactor);
        reactor.stop(); // The next run will end by this.
        assert_eq!(reactor.exit_signal(), None);
        run_to_the_end(&reactor);
        assert_eq!(reactor.exit_signal(), None);
    });
}

#[test]
fn a_signal_stops_every_reactor_that_runs_in_the_process() {
    in_child("a_signal_stops_every_reactor_that_runs_in_the_process", "true", || {
        let (outer, inner) = (Reactor::new().unwrap(), Reactor::new().unwrap());
        inner.call_when_running(move || raise(SIGTERM).unwrap());
        outer.call_when_running(move || run_to_the_end(&inner));
        run_to_the_end(&outer);
    });
}

#[test]
fn a_second_signal_does_not_wait_for_triggers_and_the_next_stop_is_an_orderly_one() {
    in_child("a_second_signal_does_not_wait_for_triggers_and_the_next_stop_is_an_orderly_one", "true", || {
        let reactor = Reactor::new().unwrap();
        let held: Rc<RefCell<Option<reactor::Firer<()>>>> = Rc::default();
        let hold = held.clone();
        let again = reactor.clone();
        reactor.add_system_event_trigger(Phase::Before, SystemEvent::Shutdown, move || {
            let (deferred, firer) = Deferred::<()>::new();
            *hold.borrow_mut() = Some(firer);
            again.call_later(Duration::from_millis(1), || raise(SIGINT).unwrap());
            deferred
        });
        reactor.call_when_running(|| raise(SIGINT).unwrap());
        run_to_the_end(&reactor);

        // What was not waited for is of no account any more, when it comes after all.
        held.take().unwrap().callback(()).unwrap();
        let stopper = reactor.clone();
        let waited = Rc::new(Cell::new(false));
        let (note, clock) = (waited.clone(), reactor.clone());
        reactor.add_system_event_trigger(Phase::Before, SystemEvent::Shutdown, move || {
            let (deferred, firer) = Deferred::<()>::new();
            clock.call_later(Duration::from_millis(1), move || {
                note.set(true);
                firer.callback(()).unwrap();
            });
            deferred
        });
        reactor.call_when_running(move || stopper.stop());
        run_to_the_end(&reactor);
        assert!(waited.get());
    });
}

#[test]
fn outside_a_run_a_signal_has_its_usual_effect() {
    // The child ends itself by the signal, which the shell tells as 128 and the signal's number.
    let name = "outside_a_run_a_signal_has_its_usual_effect";
    let trap = "\"$0\" \"$@\" >/dev/null 2>&1; code=$?; echo '1 passed'; test $code -eq 143; exit $?; true";
    in_child(name, trap, || {
        let reactor = Reactor::new().unwrap();
        let stopper = reactor.clone();
        reactor.call_when_running(move || stopper.stop());
        run_to_the_end(&reactor);
        raise(SIGTERM).unwrap();
        std::process::exit(0);
    });
}

#[test]
fn a_reactor_that_is_not_to_catch_signals_leaves_them_alone() {
    in_child("a_reactor_that_is_not_to_catch_signals_leaves_them_alone", "true", || {
        let seen = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
        signal_hook::flag::register(SIGTERM, seen.clone()).unwrap();
        let mut settings = Settings::default();
        settings.catch_signals = false;
        let reactor = Reactor::with_settings(settings).unwrap();
        let went_on = Rc::new(Cell::new(false));
        let (note, stopper) = (went_on.clone(), reactor.clone());
        reactor.call_when_running(|| raise(SIGTERM).unwrap());
        reactor.call_later(Duration::from_millis(5), move || {
            note.set(true);
            stopper.stop();
        });
        run_to_the_end(&reactor);
        assert!(went_on.get() && seen.load(std::sync::atomic::Ordering::SeqCst));
    });
}

#[test]
fn a_program_that_asks_for_it_hears_of_each_hangup_and_goes_on() {
    in_child("a_program_that_asks_for_it_hears_of_each_hangup_and_goes_on", "true", || {
        let reactor = Reactor::new().unwrap();
        let heard = Rc::new(Cell::new(0));
        for run in 1..=2 {
            let (note, stopper) = (heard.clone(), reactor.clone());
            let hear = move || {
                note.set(note.get() + 1);
                match note.get() < 3 * run {
                    true => raise(SIGHUP).unwrap(),
                    false => stopper.stop(),
                }
            };
            // Before the first run, and within the second.
            match run {
                1 => reactor.on_hangup(hear).unwrap(),
                _ => {
                    let asking = reactor.clone();
                    reactor.call_when_running(move || asking.on_hangup(hear).unwrap());
                }
            }
            reactor.call_when_running(|| raise(SIGHUP).unwrap());
            run_to_the_end(&reactor);
            assert_eq!(heard.get(), 3 * run);
        }
    });
}

#[test]
fn a_hangup_ends_a_program_that_does_not_ask_for_it() {
    // 129 is 128 and the number of SIGHUP.
    let name = "a_hangup_ends_a_program_that_does_not_ask_for_it";
    let trap = "\"$0\" \"$@\" >/dev/null 2>&1; code=$?; echo '1 passed'; test $code -eq 129; exit $?; true";
    in_child(name, trap, || {
        let reactor = Reactor::new().unwrap();
        reactor.call_when_running(|| raise(SIGHUP).unwrap());
        run_to_the_end(&reactor);
        std::process::exit(0);
    });
}

#[cfg(target_os = "linux")]
#[test]
fn an_interrupt_that_the_process_ignores_from_its_start_stays_ignored() {
    in_child("an_interrupt_that_the_process_ignores_from_its_start_stays_ignored", "trap '' INT", || {
        let reactor = Reactor::new().unwrap();
        for _ in 0..2 {
            let went_on = Rc::new(Cell::new(false));
            let (note, stopper) = (went_on.clone(), reactor.clone());
            reactor.call_when_running(|| raise(SIGINT).unwrap());
            reactor.call_later(Duration::from_millis(5), move || {
                note.set(true);
                stopper.stop();
            });
            run_to_the_end(&reactor);
            assert!(went_on.get(), "the interrupt stopped the run");
        }
        // A request that names this process still stops it.
        reactor.call_when_running(|| raise(SIGTERM).unwrap());
        run_to_the_end(&reactor);
    });
}

#[test]
fn an_ignored_request_to_terminate_stops_a_run_nevertheless() {
    in_child("an_ignored_request_to_terminate_stops_a_run_nevertheless", "trap '' TERM", || {
        let reactor = Reactor::new().unwrap();
        reactor.call_when_running(|| raise(SIGTERM).unwrap());
        run_to_the_end(&reactor);
    });
}
