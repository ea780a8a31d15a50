//! Delayed calls, loops of calls, tasks; what the loop calls at its start, at its end, and at SIGHUP.

use super::driver::{Hooks, edited};
use super::util::until;
use super::{Seen, here, inside};
use reactor::driver::{Event, Signal};
use reactor::policies::{PolicyClock, PolicyTime, Timeouts};
use reactor::task::{Cooperator, LoopingCall, sleep};
use reactor::testing::ManualClock;
use reactor::{Clock, DelayedCall, Factory, Phase, Protocol, Reactor, Settings, SystemEvent, Transport};
use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_delayed_call_runs_in_the_context_of_the_code_that_requested_it() {
    let (seen, clock, reactor) = (Seen::default(), ManualClock::new(), Reactor::new().unwrap());
    for clock in [&clock as &dyn Clock, &reactor] {
        inside(1, || clock.call_later_boxed(Duration::ZERO, Box::new(seen.noting("in one"))));
        let moved = clock.call_later_boxed(Duration::ZERO, Box::new(seen.noting("in none")));
        inside(9, || moved.reset(Duration::ZERO)).unwrap();
    }
    inside(9, || clock.advance(SECOND));
    assert_eq!(seen.take(), [("in one", Some(1)), ("in none", None)]);
    inside(9, || until(&reactor, "both", || seen.has("in none")));
    assert_eq!(seen.take(), [("in one", Some(1)), ("in none", None)]);
}

#[test]
fn a_sleep_wakes_each_sleeper_in_its_own_context() {
    let (seen, clock) = (Seen::default(), ManualClock::new());
    let sleepers = [1, 2].map(|id| {
        let note = seen.noting("awake");
        inside(id, || sleep(&clock, SECOND).add_callback(move |()| note()))
    });
    clock.advance(SECOND);
    assert_eq!(seen.take(), [("awake", Some(1)), ("awake", Some(2))]);
    assert!(sleepers.iter().all(reactor::Deferred::has_fired));
}

#[test]
fn the_body_of_a_loop_runs_in_the_context_that_started_it_whatever_resets_it() {
    let (seen, clock) = (Seen::default(), ManualClock::new());
    let note = seen.noting("tick");
    let (looping, ended) = inside(1, || LoopingCall::start(&clock, SECOND, move |_| note()));
    clock.advance(SECOND);
    inside(9, || looping.reset());
    clock.advance(SECOND);
    assert_eq!(seen.take(), [("tick", Some(1)); 3]);
    assert!(looping.stop() && ended.has_fired());
}

#[test]
fn each_task_of_a_cooperator_takes_its_steps_in_its_own_context() {
    let (seen, clock) = (Seen::default(), ManualClock::new());
    let cooperator = Cooperator::new(&clock);
    let [one, two, none] = ["one", "two", "none"].map(|what| {
        let note = seen.noting(what);
        (0..2).map(move |_| note())
    });
    let _tasks = [inside(1, || cooperator.cooperate(one)), inside(2, || cooperator.cooperate(two))];
    let _last = cooperator.cooperate(none);
    clock.advance(Duration::ZERO);
    let round = [("one", Some(1)), ("two", Some(2)), ("none", None)];
    assert_eq!(seen.take(), [round, round].concat());
}

#[test]
fn the_turn_of_a_cooperator_is_asked_for_in_no_context() {
    #[derive(Clone)]
    struct Noted(ManualClock, Seen);
    impl Clock for Noted {
        fn now(&self) -> Instant {
            self.0.now()
        }
        fn call_later_boxed(&self, after: Duration, call: Box<dyn FnOnce()>) -> DelayedCall {
            self.1.note("asked");
            self.0.call_later_boxed(after, call)
        }
    }
    let seen = Seen::default();
    let cooperator = Cooperator::new(&Noted(ManualClock::new(), seen.clone()));
    drop(inside(1, || cooperator.cooperate([(); 2])));
    assert_eq!(seen.take(), [("asked", None)]);
}

#[test]
fn a_call_when_running_and_triggers_run_in_the_context_of_the_code_that_asked_for_them() {
    use Phase::{After, Before, During};
    use SystemEvent::{Shutdown, Startup};
    let (seen, reactor) = (Seen::default(), Reactor::new().unwrap());
    let triggers = [
        ("start", Startup, Before),
        ("before", Shutdown, Before),
        ("during", Shutdown, During),
        ("after", Shutdown, After),
    ];
    for (what, event, phase) in triggers {
        inside(1, || reactor.add_system_event_trigger(phase, event, seen.noting(what)));
    }
    reactor.add_system_event_trigger(After, Startup, seen.noting("in none"));
    reactor.add_system_event_trigger(After, Shutdown, seen.noting("in none at the end"));
    inside(2, || reactor.call_when_running(seen.noting("running")));
    let (stopper, note) = (reactor.clone(), seen.noting("running in none"));
    reactor.call_when_running(move || {
        note();
        stopper.stop();
    });
    // What is not asked for in the context of the run does not belong to it.
    inside(9, || reactor.run()).unwrap();
    let expected = [
        ("start", Some(1)),
        ("in none", None),
        ("running", Some(2)),
        ("running in none", None),
        ("before", Some(1)),
        ("during", Some(1)),
        ("after", Some(1)),
        ("in none at the end", None),
    ];
    assert_eq!(seen.take(), expected);
}

#[test]
fn the_handler_of_a_hangup_runs_in_the_context_of_the_code_that_registered_it() {
    let (seen, hooks) = (Seen::default(), Hooks::default());
    let reactor = edited(&hooks, Settings::default());
    inside(1, || reactor.on_hangup(seen.noting("hangup"))).unwrap();
    *hooks.events.borrow_mut() = Some(Box::new(|events| events.push(Event::Signal(Signal::Hangup))));
    for _ in 0..2 {
        reactor.iterate(Duration::ZERO).unwrap();
    }
    assert_eq!(seen.take(), [("hangup", Some(1)); 2]);
}

#[test]
fn a_policy_that_serves_all_connections_asks_for_its_time_in_no_context() {
    struct Noted(ManualClock, Rc<RefCell<Vec<Option<u32>>>>);
    impl PolicyTime for Noted {
        fn moment(&self) -> Option<Instant> {
            Some(self.0.now())
        }
        fn call_later(&self, after: Duration, call: Box<dyn FnOnce()>) -> Option<DelayedCall> {
            self.1.borrow_mut().push(here());
            Some(self.0.call_later_boxed(after, call))
        }
    }
    struct Silent;
    impl Protocol for Silent {
        fn data_received(&mut self, _transport: &Transport, _data: &[u8]) {}
    }
    let asked = Rc::default();
    let clock = PolicyClock::new(Noted(ManualClock::new(), Rc::clone(&asked)));
    let mut factory = Timeouts::new(clock).idle(SECOND).factory(|_peer| Silent);
    inside(1, || {
        let mut protocol = factory.build_protocol(&reactor::Address::Unknown).unwrap();
        let transport = reactor::testing::StringTransport::new().transport();
        protocol.connection_made(&transport);
    });
    assert_eq!(*asked.borrow(), [None]);
}
