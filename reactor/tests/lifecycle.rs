//! How a reactor runs, stops and runs again, and which callbacks it makes meanwhile.

#[path = "util/events.rs"]
mod events;
#[path = "util/peer.rs"]
mod peer;
#[path = "util/run.rs"]
mod run;
mod util;

use events::{Events, Noting};
use peer::{meanwhile, patient};
use reactor::error::RunError;
use reactor::{Address, ClientFactory, Connector, Deferred, Phase, Protocol, Reactor, Reason, Settings, SystemEvent};
use run::run_to_the_end;
use std::cell::{Cell, RefCell};
use std::io::Read;
use std::net::{TcpListener, TcpStream};
use std::rc::Rc;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;
use util::{PATIENCE, until};

const PHASES: [Phase; 3] = [Phase::Before, Phase::During, Phase::After];

/// Runs `reactor` and stops it in its first turn.
#[track_caller]
fn run_and_stop(reactor: &Reactor) {
    let stopper = reactor.clone();
    reactor.call_when_running(move || stopper.stop());
    run_to_the_end(reactor);
}

/// Fails if `work` takes longer than patience; for what might hang. Reactors cannot travel, so `work` makes its own.
#[track_caller]
fn within_patience(work: impl FnOnce() + Send + 'static) {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        work();
        let _ = sender.send(());
    });
    match receiver.recv_timeout(PATIENCE / 4) {
        Ok(()) => {}
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("it hangs"),
        Err(mpsc::RecvTimeoutError::Disconnected) => panic!("it panicked"),
    }
}

#[test]
fn a_reactor_can_be_run_stopped_and_run_again() {
    let reactor = Reactor::new().unwrap();
    assert!(!reactor.running());
    for _ in 0..3 {
        let (inside, seen) = (reactor.clone(), Rc::new(Cell::new(false)));
        let note = seen.clone();
        reactor.call_when_running(move || {
            note.set(inside.running());
            inside.stop();
        });
        run_to_the_end(&reactor);
        assert!(seen.get() && !reactor.running());
    }
}

#[test]
fn a_stop_before_the_run_ends_it_after_its_first_turn() {
    let reactor = Reactor::new().unwrap();
    let events = Events::default();
    let note = events.clone();
    reactor.call_when_running(move || note.note("called"));
    reactor.stop();
    run_to_the_end(&reactor);
    assert_eq!(events.all(), ["called"]);
    reactor.stop();
    run_to_the_end(&reactor); // With nothing to wake it up.
}

#[test]
fn a_port_serves_again_in_the_next_run() {
    let reactor = Reactor::new().unwrap();
    for run in 0..2 {
        let stopper = reactor.clone();
        let events = Events::default();
        let noted = events.clone();
        let factory = move |_| {
            let stopper = stopper.clone();
            Noting {
                made: Box::new(|transport| transport.write(b"hello")),
                end: Box::new(move |_| stopper.stop()),
                ..Noting::new(&noted)
            }
        };
        let address = reactor.listen_tcp("127.0.0.1:0", factory).unwrap().host();
        let client = thread::spawn(move || {
            let mut stream = patient(TcpStream::connect(address));
            stream.read_exact(&mut [0; 5]).unwrap();
        });
        run_to_the_end(&reactor);
        client.join().unwrap();
        assert_eq!(events.all(), ["made", "end", "lost Done"], "run {run}");
        assert_eq!(reactor.source_count(), 0, "a stop closes the port");
    }
}

#[test]
fn run_and_iterate_inside_a_callback_are_refused() {
    let reactor = Reactor::new().unwrap();
    let (inside, refused) = (reactor.clone(), Rc::new(Cell::new(0)));
    let count = refused.clone();
    reactor.call_when_running(move || {
        let results = [inside.run(), inside.iterate(Duration::ZERO)];
        count.set(results.iter().filter(|result| matches!(result, Err(RunError::AlreadyRunning))).count());
        inside.stop();
    });
    run_to_the_end(&reactor);
    assert_eq!(refused.get(), 2);
}

#[test]
fn run_inside_iterate_is_refused_and_changes_nothing() {
    let reactor = Reactor::new().unwrap();
    let events = Events::default();
    let note = events.clone();
    reactor.add_system_event_trigger(Phase::Before, SystemEvent::Startup, move || note.note("startup"));
    let (inside, note) = (reactor.clone(), events.clone());
    reactor.call_when_running(move || {
        assert!(matches!(inside.run(), Err(RunError::AlreadyRunning)));
        note.note("refused");
    });
    until(&reactor, "the call", || !events.all().is_empty());
    assert_eq!(events.all(), ["refused"], "nothing started");
}

#[test]
fn iterate_inside_a_trigger_is_refused() {
    let reactor = Reactor::new().unwrap();
    let events = Events::default();
    for event in [SystemEvent::Startup, SystemEvent::Shutdown] {
        for phase in PHASES {
            let (inside, note) = (reactor.clone(), events.clone());
            reactor.add_system_event_trigger(phase, event, move || {
                let refused = matches!(inside.iterate(Duration::ZERO), Err(RunError::AlreadyRunning));
                note.note(format!("{event:?} {phase:?} {refused}"));
            });
        }
    }
    run_and_stop(&reactor);
    let expected = ["Startup", "Shutdown"]
        .iter()
        .flat_map(|event| ["Before", "During", "After"].map(|phase| format!("{event} {phase} true")))
        .collect::<Vec<_>>();
    assert_eq!(events.all(), expected);
}

#[test]
fn iterate_waits_no_longer_than_it_is_told() {
    within_patience(|| {
        let reactor = Reactor::new().unwrap();
        reactor.iterate(Duration::ZERO).unwrap(); // With nothing at all to wait for.
        let begin = reactor.now();
        reactor.call_later(PATIENCE, || {});
        reactor.iterate(Duration::from_millis(1)).unwrap();
        assert!(reactor.now() - begin < PATIENCE);
    });
}

#[test]
fn one_reactor_may_take_turns_inside_a_callback_of_another() {
    let (outer, inner) = (Reactor::new().unwrap(), Reactor::new().unwrap());
    let events = Events::default();
    let noted = events.clone();
    let port = inner
        .listen_tcp("127.0.0.1:0", move |_| Noting {
            data: Box::new(|transport, data| transport.write(data)),
            ..Noting::new(&noted)
        })
        .unwrap();
    let client_events = Events::default();
    let (noted, address) = (client_events.clone(), port.host());
    let client = inner.clone();
    let inside = inner.clone();
    let (inner_events, stopper) = (events.clone(), outer.clone());
    outer.call_when_running(move || {
        client.connect_tcp(address, move |_| Noting {
            made: Box::new(|transport| transport.write(b"ping")),
            data: Box::new(|transport, _| transport.lose_connection()),
            ..Noting::new(&noted)
        });
        until(&inside, "both ends are done", || inner_events.all().len() == 4);
        stopper.stop();
    });
    run_to_the_end(&outer);
    assert_eq!(events.all(), ["made", "data ping", "end", "lost Done"]);
    assert_eq!(client_events.all(), ["made", "data ping", "lost Done"]);
}

#[test]
fn a_reactor_may_run_inside_a_callback_of_another() {
    let (outer, inner) = (Reactor::new().unwrap(), Reactor::new().unwrap());
    let (stop_outer, run_inner, stop_inner) = (outer.clone(), inner.clone(), inner.clone());
    let events = Events::default();
    let (note_inner, note_outer) = (events.clone(), events.clone());
    inner.call_when_running(move || {
        note_inner.note("inner");
        stop_inner.stop();
    });
    outer.call_when_running(move || {
        run_inner.run().unwrap();
        note_outer.note("outer");
        stop_outer.stop();
    });
    run_to_the_end(&outer);
    assert_eq!(events.all(), ["inner", "outer"]);
}

#[test]
fn calls_when_running_are_made_in_order_and_new_ones_in_the_next_turn() {
    let reactor = Reactor::new().unwrap();
    let events = Events::default();
    let (first, later, inside) = (events.clone(), events.clone(), reactor.clone());
    reactor.call_when_running(move || {
        first.note("first");
        inside.call_when_running(move || later.note("next turn"));
    });
    let second = events.clone();
    reactor.call_when_running(move || second.note("second"));
    reactor.iterate(Duration::ZERO).unwrap();
    assert_eq!(events.all(), ["first", "second"]);
    reactor.iterate(Duration::ZERO).unwrap();
    assert_eq!(events.all(), ["first", "second", "next turn"]);
}

#[test]
fn a_panic_in_a_call_does_not_stop_the_loop() {
    let reactor = Reactor::new().unwrap();
    reactor.call_when_running(|| panic!("as the test wants it"));
    reactor.call_later(Duration::ZERO, || panic!("as the test wants it"));
    let stopper = reactor.clone();
    reactor.call_later(Duration::ZERO, move || stopper.stop());
    run_to_the_end(&reactor);
}

#[test]
fn triggers_run_phase_by_phase_in_the_order_in_which_they_were_added() {
    let reactor = Reactor::new().unwrap();
    let events = Events::default();
    for phase in [Phase::After, Phase::During, Phase::Before] {
        for event in [SystemEvent::Shutdown, SystemEvent::Startup] {
            for index in 1..=2 {
                let note = events.clone();
                reactor
                    .add_system_event_trigger(phase, event, move || note.note(format!("{event:?} {phase:?} {index}")));
            }
        }
    }
    let (stopper, note) = (reactor.clone(), events.clone());
    reactor.call_when_running(move || {
        note.note("running");
        stopper.stop();
    });
    run_to_the_end(&reactor);
    let of = |event: &str| {
        let phases = ["Before", "During", "After"];
        phases.iter().flat_map(|phase| [1, 2].map(|index| format!("{event} {phase} {index}"))).collect::<Vec<_>>()
    };
    assert_eq!(events.all(), [of("Startup"), vec!["running".to_owned()], of("Shutdown")].concat());

    let before = events.all().len();
    run_and_stop(&reactor);
    assert_eq!(events.all().len(), before, "a trigger runs once");
}

#[test]
fn a_trigger_taken_back_does_not_run() {
    let reactor = Reactor::new().unwrap();
    let events = Events::default();
    let note = events.clone();
    let id = reactor.add_system_event_trigger(Phase::Before, SystemEvent::Shutdown, move || note.note("ran"));
    assert!(reactor.remove_system_event_trigger(id));
    assert!(!reactor.remove_system_event_trigger(id));
    run_and_stop(&reactor);
    assert_eq!(events.all(), [""; 0]);
}

#[test]
fn a_start_does_not_wait_for_a_trigger_but_its_deferred_may_stop_the_run() {
    let reactor = Reactor::new().unwrap();
    let stopper = reactor.clone();
    reactor.add_system_event_trigger(Phase::Before, SystemEvent::Startup, move || {
        reactor::task::sleep(&stopper.clone(), Duration::ZERO).add_callback(move |()| stopper.stop())
    });
    run_to_the_end(&reactor);
}

#[test]
fn a_stop_calls_no_trigger_before_it_returns() {
    let reactor = Reactor::new().unwrap();
    let events = Events::default();
    let note = events.clone();
    reactor.add_system_event_trigger(Phase::Before, SystemEvent::Shutdown, move || note.note("before"));
    let (stopper, note) = (reactor.clone(), events.clone());
    reactor.call_when_running(move || {
        stopper.stop();
        note.note("stopped");
    });
    run_to_the_end(&reactor);
    assert_eq!(events.all(), ["stopped", "before"]);
}

#[test]
fn a_stop_waits_for_the_deferreds_of_its_first_phase_while_the_loop_goes_on() {
    let reactor = Reactor::new().unwrap();
    let events = Events::default();
    for (name, milliseconds) in [("slow", 4), ("fast", 1)] {
        let (note, clock) = (events.clone(), reactor.clone());
        reactor.add_system_event_trigger(Phase::Before, SystemEvent::Shutdown, move || {
            let (deferred, firer) = Deferred::<()>::new();
            clock.call_later(Duration::from_millis(milliseconds), move || {
                note.note(name);
                firer.callback(()).unwrap();
            });
            deferred
        });
    }
    let note = events.clone();
    reactor.add_system_event_trigger(Phase::During, SystemEvent::Shutdown, move || note.note("during"));
    run_and_stop(&reactor);
    assert_eq!(events.all(), ["fast", "slow", "during"]);
}

#[test]
fn a_trigger_that_panics_or_fails_holds_nothing_up() {
    let reactor = Reactor::new().unwrap();
    let events = Events::default();
    for phase in PHASES {
        reactor.add_system_event_trigger(phase, SystemEvent::Shutdown, || -> () { panic!("as the test wants it") });
        reactor.add_system_event_trigger(phase, SystemEvent::Shutdown, || {
            reactor::deferred::fail::<()>(reactor::failure::Message("as the test wants it".to_owned()))
        });
        let note = events.clone();
        reactor.add_system_event_trigger(phase, SystemEvent::Shutdown, move || note.note(format!("{phase:?}")));
    }
    run_and_stop(&reactor);
    assert_eq!(events.all(), ["Before", "During", "After"]);
}

#[test]
fn a_stop_sends_every_connection_its_last_bytes() {
    const SIZE: usize = 16 * 1024 * 1024;
    let reactor = Reactor::new().unwrap();
    let events = Events::default();
    let (noted, stopper) = (events.clone(), reactor.clone());
    let factory = move |_| {
        let stopper = stopper.clone();
        let made = move |transport: &reactor::Transport| {
            transport.write(&vec![b'x'; SIZE]);
            stopper.stop();
        };
        Noting { made: Box::new(made), ..Noting::new(&noted) }
    };
    let address = reactor.listen_tcp("127.0.0.1:0", factory).unwrap().host();
    let client = thread::spawn(move || {
        let mut bytes = Vec::new();
        patient(TcpStream::connect(address)).read_to_end(&mut bytes).unwrap();
        bytes.len()
    });
    let note = events.clone();
    reactor.add_system_event_trigger(Phase::After, SystemEvent::Shutdown, move || note.note("after"));
    run_to_the_end(&reactor);
    assert_eq!(client.join().unwrap(), SIZE);
    assert_eq!(events.all(), ["made", "lost Done", "after"]);
}

fn impatient() -> Reactor {
    let mut settings = Settings::default();
    settings.stop_timeout = Duration::from_millis(20);
    Reactor::with_settings(settings).unwrap()
}

#[test]
fn a_stop_does_not_wait_for_a_peer_that_does_not_read() {
    let reactor = impatient();
    let events = Events::default();
    let noted = events.clone();
    let factory = move |_| Noting {
        made: Box::new(|transport| transport.write(&vec![0; 32 * 1024 * 1024])),
        ..Noting::new(&noted)
    };
    let port = reactor.listen_tcp("127.0.0.1:0", factory).unwrap();
    let _silent = patient(TcpStream::connect(port.host()));
    until(&reactor, "the connection is made", || !events.all().is_empty());
    run_and_stop(&reactor);
    assert_eq!(events.all(), ["made", "lost Aborted"]);
}

/// Connects again as soon as a connection is lost or fails.
struct Stubborn(Events);

impl ClientFactory for Stubborn {
    fn build_protocol(&mut self, _peer: &Address) -> Option<Box<dyn Protocol>> {
        Some(Box::new(Noting::new(&self.0)))
    }
    fn client_connection_failed(&mut self, connector: &Connector, _failure: reactor::Failure) {
        connector.connect();
    }
    fn client_connection_lost(&mut self, connector: &Connector, _reason: &Reason) {
        connector.connect();
    }
}

#[test]
fn a_client_that_always_reconnects_does_not_hold_up_a_stop() {
    within_patience(|| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap(); // The backlog accepts for it.
        let reactor = impatient();
        let events = Events::default();
        reactor.connect_tcp(listener.local_addr().unwrap(), Stubborn(events.clone()));
        until(&reactor, "the connection is made", || !events.all().is_empty());
        run_and_stop(&reactor);
        assert_eq!(reactor.source_count(), 0);
    });
}

#[test]
fn a_stop_gives_up_a_connection_that_is_still_being_looked_up() {
    struct Waits(Events);
    impl ClientFactory for Waits {
        fn build_protocol(&mut self, _peer: &Address) -> Option<Box<dyn Protocol>> {
            self.0.note("built");
            None
        }
        fn client_connection_failed(&mut self, _connector: &Connector, failure: reactor::Failure) {
            self.0.note(failure.to_string());
        }
    }
    // Stopped in its first turn, so that no attempt can have begun.
    let reactor = Reactor::new().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let events = Events::default();
    reactor.connect_tcp(("localhost", listener.local_addr().unwrap().port()), Waits(events.clone()));
    run_and_stop(&reactor);
    assert_eq!(events.all(), ["the connection attempt was stopped"]);
}

#[test]
fn dropping_a_reactor_drops_all_that_it_held() {
    let held = Rc::new(());
    let reactor = Reactor::new().unwrap();
    let (in_server, in_client, events) = (held.clone(), held.clone(), Events::default());
    let holding = |held: &Rc<()>, events: &Events| {
        let held = held.clone();
        let kept: RefCell<Option<reactor::Transport>> = RefCell::new(None);
        Noting {
            made: Box::new(move |transport| {
                let _ = &held;
                *kept.borrow_mut() = Some(transport.clone());
            }),
            ..Noting::new(events)
        }
    };
    let noted = events.clone();
    let port = reactor.listen_tcp("127.0.0.1:0", move |_| holding(&in_server, &noted)).unwrap();
    let noted = events.clone();
    let connector = reactor.connect_tcp(port.host(), move |_| holding(&in_client, &noted));
    let (in_timer, in_call) = (held.clone(), held.clone());
    reactor.call_later(PATIENCE, move || drop(in_timer));
    until(&reactor, "both ends are made", || events.all() == ["made", "made"]);
    reactor.call_when_running(move || drop(in_call));
    assert_eq!(Rc::strong_count(&held), 7, "two factories, two protocols, a timer, a call, and the test");
    drop((connector, port));
    drop(reactor);
    assert_eq!(Rc::strong_count(&held), 1);
}

#[test]
fn a_thread_may_run_a_reactor_of_its_own() {
    let reactor = Reactor::new().unwrap();
    let stopped = meanwhile(&reactor, || {
        let own = Reactor::new().unwrap();
        let stopper = own.clone();
        own.call_when_running(move || stopper.stop());
        own.run().is_ok()
    });
    assert!(stopped);
}
