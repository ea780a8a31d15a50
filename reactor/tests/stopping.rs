//! What a stop means for connections, and for attempts to connect.

#[path = "util/driver.rs"]
mod driver;
#[path = "util/run.rs"]
mod run;

use driver::{Hooks, edited};
use reactor::driver::{Event, Signal};
use reactor::error::ConnectError;
use reactor::testing::assert_nothing_left;
use reactor::{
    Address, ClientFactory, Connector, Deferred, Failure, Phase, Protocol, Reactor, Reason, Settings, SystemEvent,
    Transport, task,
};
use run::run_to_the_end;
use std::cell::{Cell, RefCell};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::rc::Rc;
use std::thread;
use std::time::Duration;

/// Notes what a client factory hears.
struct Client(Rc<RefCell<Vec<&'static str>>>);

impl ClientFactory for Client {
    fn started_connecting(&mut self, _connector: &Connector) {
        self.0.borrow_mut().push("started");
    }
    fn build_protocol(&mut self, _peer: &Address) -> Option<Box<dyn Protocol>> {
        self.0.borrow_mut().push("build");
        None
    }
    fn client_connection_failed(&mut self, _connector: &Connector, failure: Failure) {
        let is_cancelled = matches!(failure.check::<ConnectError>(), Some(ConnectError::Cancelled));
        self.0.borrow_mut().push(if is_cancelled { "cancelled" } else { "failed" });
    }
}

#[test]
fn an_attempt_to_connect_while_the_reactor_closes_is_cancelled() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (reactor, heard) = (Reactor::new().unwrap(), Rc::default());
    let (within, client) = (reactor.clone(), Client(Rc::clone(&heard)));
    reactor.add_system_event_trigger(Phase::During, SystemEvent::Shutdown, move || {
        within.connect_tcp(address, client);
    });
    reactor.stop();
    run_to_the_end(&reactor);
    assert_eq!(*heard.borrow(), ["cancelled"]);
    assert_nothing_left(&reactor);
}

/// Asks for the stop when the first bytes come, says goodbye, and sends back what comes until its peer leaves.
struct Polite {
    reactor: Reactor,
    goodbyes: Rc<Cell<usize>>,
    reason: Rc<RefCell<Option<String>>>,
}

impl Protocol for Polite {
    fn data_received(&mut self, transport: &Transport, data: &[u8]) {
        transport.write(data);
        self.reactor.stop();
    }
    fn reactor_stopping(&mut self, transport: &Transport) {
        self.goodbyes.set(self.goodbyes.get() + 1);
        transport.write(b"goodbye");
    }
    fn connection_lost(&mut self, reason: &Reason) {
        *self.reason.borrow_mut() = Some(reason.to_string());
    }
}

#[test]
fn a_protocol_hears_once_that_the_reactor_stops_and_has_the_last_word() {
    let (reactor, goodbyes, reason) = (Reactor::new().unwrap(), Rc::new(Cell::new(0)), Rc::new(RefCell::new(None)));
    let (within, counted, noted) = (reactor.clone(), goodbyes.clone(), reason.clone());
    let factory = move |_| Polite { reactor: within.clone(), goodbyes: counted.clone(), reason: noted.clone() };
    let address = reactor.listen_tcp("127.0.0.1:0", factory).unwrap().host();
    let peer = thread::spawn(move || {
        let mut stream = TcpStream::connect(address).unwrap();
        let mut received = String::new();
        // Each round takes the closing loop another turn.
        for (say, expect) in [("one", "onegoodbye"), ("two", "two"), ("three", "three")] {
            let mut bytes = vec![0; expect.len()];
            stream.write_all(say.as_bytes()).unwrap();
            stream.read_exact(&mut bytes).unwrap();
            received += str::from_utf8(&bytes).unwrap();
        }
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        stream.read_to_string(&mut received).unwrap();
        received
    });
    run_to_the_end(&reactor);
    assert_eq!(peer.join().unwrap(), "onegoodbyetwothree");
    assert_eq!(goodbyes.get(), 1);
    assert_eq!(reason.take().as_deref(), Some("closed cleanly"));
}

/// A reactor with short limits for a stop.
fn impatient() -> Reactor {
    let mut settings = Settings::default();
    settings.trigger_timeout = Duration::from_millis(20);
    settings.stop_timeout = Duration::from_millis(20);
    Reactor::with_settings(settings).unwrap()
}

/// Calls `f` from `call_when_running`, each time anew.
fn again_and_again(reactor: &Reactor, f: Rc<dyn Fn(&Reactor)>) {
    let within = reactor.clone();
    reactor.call_when_running(move || {
        f(&within);
        again_and_again(&within, f);
    });
}

fn timer_after_timer(reactor: &Reactor) {
    let within = reactor.clone();
    reactor.call_later(Duration::ZERO, move || timer_after_timer(&within));
}

#[test]
fn a_stop_ends_while_calls_and_timers_request_themselves_again_and_again() {
    let reactor = Reactor::new().unwrap();
    let (stopper, begin) = (reactor.clone(), reactor.now());
    again_and_again(&reactor, Rc::new(|_| {}));
    timer_after_timer(&reactor);
    reactor.call_later(Duration::from_millis(5), move || stopper.stop());
    run_to_the_end(&reactor);
    assert!(reactor.now() - begin < reactor.settings().stop_timeout, "it need not wait for its limit");
}

#[test]
fn calls_that_were_requested_before_the_end_of_a_stop_are_made() {
    let (reactor, calls) = (Reactor::new().unwrap(), Rc::new(Cell::new(0)));
    let (within, count) = (reactor.clone(), calls.clone());
    reactor.add_system_event_trigger(Phase::During, SystemEvent::Shutdown, move || {
        let (again, count) = (within.clone(), count.clone());
        within.call_when_running(move || {
            count.set(count.get() + 1);
            again.call_when_running(move || count.set(count.get() + 10));
        });
    });
    reactor.stop();
    run_to_the_end(&reactor);
    assert_eq!(calls.get(), 1);
    reactor.stop();
    run_to_the_end(&reactor);
    assert_eq!(calls.get(), 11, "what the last turn requests waits for the next run");
}

#[test]
fn a_trigger_may_remove_another_one_of_its_phase_and_one_that_it_adds_waits_for_the_next_stop() {
    for phase in [Phase::Before, Phase::During, Phase::After] {
        let (reactor, events) = (Reactor::new().unwrap(), Rc::new(RefCell::new(Vec::new())));
        let second: Rc<Cell<Option<reactor::event_loop::TriggerId>>> = Rc::default();
        let (own, told, removed) = (reactor.clone(), events.clone(), second.clone());
        let first = move || {
            let is_removed = own.remove_system_event_trigger(removed.get().unwrap());
            told.borrow_mut().push(if is_removed { "first removes it" } else { "first removes nothing" });
            let told = told.clone();
            own.add_system_event_trigger(phase, SystemEvent::Shutdown, move || told.borrow_mut().push("added"));
        };
        reactor.add_system_event_trigger(phase, SystemEvent::Shutdown, first);
        let told = events.clone();
        let id =
            reactor.add_system_event_trigger(phase, SystemEvent::Shutdown, move || told.borrow_mut().push("second"));
        second.set(Some(id));
        for expected in [&["first removes it"][..], &["first removes it", "added"]] {
            reactor.stop();
            run_to_the_end(&reactor);
            assert_eq!(*events.borrow(), expected, "{phase:?}");
        }
        assert!(!reactor.remove_system_event_trigger(id));
    }
}

#[test]
fn a_trigger_whose_deferred_never_fires_holds_a_stop_up_only_until_the_limit() {
    let (reactor, firers) = (impatient(), Rc::new(RefCell::new(Vec::new())));
    for _ in 0..2 {
        let kept = firers.clone();
        reactor.add_system_event_trigger(Phase::Before, SystemEvent::Shutdown, move || {
            let (deferred, firer) = Deferred::new();
            kept.borrow_mut().push(firer);
            deferred
        });
        reactor.stop();
        run_to_the_end(&reactor);
        assert_eq!(reactor.delayed_call_count(), 0, "nothing is left behind");
        for firer in firers.take() {
            firer.callback(()).unwrap(); // Too late: it must not count down for the next stop.
        }
    }
}

/// Listens anew whenever its port has been closed.
struct Stubborn(Reactor, Rc<Cell<usize>>);

impl reactor::Factory for Stubborn {
    fn build_protocol(&mut self, _peer: &Address) -> Option<Box<dyn Protocol>> {
        None
    }
    fn stop_factory(&mut self) {
        self.1.set(self.1.get() + 1);
        let _ = self.0.listen_tcp("127.0.0.1:0", Stubborn(self.0.clone(), self.1.clone()));
    }
}

#[test]
fn while_a_reactor_closes_no_port_opens() {
    let (reactor, stops) = (Reactor::new().unwrap(), Rc::new(Cell::new(0)));
    let (stopper, begin) = (reactor.clone(), reactor.now());
    reactor.listen_tcp("127.0.0.1:0", Stubborn(reactor.clone(), stops.clone())).unwrap();
    reactor.call_when_running(move || stopper.stop());
    run_to_the_end(&reactor);
    assert_eq!((stops.get(), reactor.source_count()), (1, 0));
    assert!(reactor.now() - begin < reactor.settings().stop_timeout, "it need not wait for its limit");
    reactor.listen_tcp("127.0.0.1:0", Stubborn(reactor.clone(), stops)).unwrap(); // The next run may have ports again.
}

/// Connects anew, with a new factory, whenever an attempt has failed.
struct Insistent(Reactor);

impl ClientFactory for Insistent {
    fn build_protocol(&mut self, _peer: &Address) -> Option<Box<dyn Protocol>> {
        None
    }
    fn client_connection_failed(&mut self, connector: &Connector, _failure: Failure) {
        self.0.connect_tcp(connector.destination().clone(), Insistent(self.0.clone()));
    }
}

#[test]
fn attempts_that_are_made_anew_hold_a_stop_up_only_until_its_limit() {
    let reactor = impatient();
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    reactor.connect_tcp(closed, Insistent(reactor.clone()));
    reactor.stop();
    run_to_the_end(&reactor);
    assert_eq!(reactor.source_count(), 0);
}

/// Stops a reactor with a "before" trigger that never fires its Deferred. All `signals` arrive in its first turn.
/// Returns how many turns the loop had taken when it began to close.
fn turns_until_it_closes(signals: &[Signal]) -> usize {
    let (hooks, closed_after, firers) = (Hooks::default(), Rc::new(Cell::new(0)), Rc::new(RefCell::new(Vec::new())));
    let reactor = edited(&hooks, impatient().settings().clone());
    reactor.add_system_event_trigger(Phase::Before, SystemEvent::Shutdown, move || {
        let (deferred, firer) = Deferred::<()>::new();
        firers.borrow_mut().push(firer);
        deferred
    });
    let (polls, note) = (hooks.polls.clone(), closed_after.clone());
    reactor.add_system_event_trigger(Phase::During, SystemEvent::Shutdown, move || note.set(polls.get()));
    let mut left: Vec<Event> = signals.iter().map(|signal| Event::Signal(*signal)).collect();
    *hooks.events.borrow_mut() = Some(Box::new(move |events| events.append(&mut left)));
    reactor.call_when_running(|| {}); // So that the first poll does not wait.
    run_to_the_end(&reactor);
    closed_after.get()
}

#[test]
fn two_signals_in_one_turn_end_the_waiting_for_deferreds_at_once() {
    assert!(turns_until_it_closes(&[Signal::Interrupt]) > 1, "after one signal it waits");
    assert_eq!(turns_until_it_closes(&[Signal::Interrupt, Signal::Interrupt]), 1);
    assert_eq!(turns_until_it_closes(&[Signal::Terminate, Signal::Interrupt, Signal::Interrupt]), 1);
}

/// Panics when it hears of its end.
struct Fragile(Rc<Cell<usize>>);

impl Protocol for Fragile {
    fn data_received(&mut self, _transport: &Transport, _data: &[u8]) {}
    fn connection_lost(&mut self, _reason: &Reason) {
        self.0.set(self.0.get() + 1);
        panic!("on purpose");
    }
}

#[test]
fn at_a_stop_every_connection_hears_of_its_end_although_each_panics() {
    let (reactor, heard) = (Reactor::new().unwrap(), Rc::new(Cell::new(0)));
    let noted = heard.clone();
    let address = reactor.listen_tcp("127.0.0.1:0", move |_| Fragile(noted.clone())).unwrap().host();
    let clients: Vec<TcpStream> = (0..3).map(|_| TcpStream::connect(address).unwrap()).collect();
    let within = reactor.clone();
    let checks = task::LoopingCall::start(&reactor, Duration::ZERO, move |tick| {
        if within.inventory().connections.len() == 3 {
            tick.stop();
            within.stop();
        }
    });
    run_to_the_end(&reactor);
    assert_eq!((heard.get(), reactor.source_count()), (3, 0));
    drop((clients, checks));
}

/// Stops the reactor when its attempt has failed.
struct Resigned(Reactor);

impl ClientFactory for Resigned {
    fn build_protocol(&mut self, _peer: &Address) -> Option<Box<dyn Protocol>> {
        None
    }
    fn client_connection_failed(&mut self, _connector: &Connector, _failure: Failure) {
        self.0.stop();
    }
}

#[test]
fn a_factory_may_stop_the_reactor_when_its_attempt_has_failed() {
    let reactor = Reactor::new().unwrap();
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    reactor.connect_tcp(nobody, Resigned(reactor.clone()));
    run_to_the_end(&reactor);
    assert_nothing_left(&reactor);
}
