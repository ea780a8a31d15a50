//! The step that a new connection must pass.

use super::*;
use reactor::testing::{assert_no_result, failure_result_of};
use reactor::{TimeoutError, task};
use std::cell::Cell;

/// A client with connections that must pass `step`.
fn preparing<R>(
    world: &World,
    events: &Events,
    step: impl Fn(&Reactor, &Transport) -> R + Clone + 'static,
) -> (Host, ClientService<u32>)
where
    R: reactor::deferred::IntoDeferred<Value = u32>,
{
    let events = events.clone();
    client_with(world, move |reactor| {
        let (events, step, reactor) = (events.clone(), step.clone(), reactor.clone());
        let build = move |_| Noting::new(&events);
        ClientService::prepared(&reactor.clone(), ("server", PORT), build, move |transport| step(&reactor, transport))
    })
}

#[test]
fn the_value_of_the_step_is_what_those_that_wait_get() {
    let (world, events) = (world(1), Events::default());
    server(&world, &Events::default());
    let (_host, service) =
        preparing(&world, &events, |reactor, _| task::sleep(reactor, SECOND).add_callback(|()| Ok(42)));
    service.start();
    let waits = service.when_connected();
    world.run_for(SECOND);
    assert!(events.all() == ["made"] && !waits.has_fired() && !service.is_connected());
    world.run_for(SECOND);
    assert_eq!((waits.result(), service.when_connected().result()), (Some(42), Some(42)));
}

#[test]
fn a_step_that_fails_closes_the_connection_and_counts_once() {
    let (world, events) = (world(1), Events::default());
    server(&world, &Events::default());
    let attempts = Rc::new(Cell::new(0));
    let count = attempts.clone();
    let (_host, service) = preparing(&world, &events, move |_, _| {
        count.set(count.get() + 1);
        if count.get() < 3 { Err(Failure::msg("no such user")) } else { Ok(count.get()) }
    });
    service.start();
    noting("first", service.when_connected_within(1), &events);
    noting("third", service.when_connected_within(3), &events);
    world.run_until(60 * SECOND, || service.failure_count() > 0);
    assert_eq!(events.all(), ["made", "first: no such user", "lost Done"]);
    world.run_until(60 * SECOND, || service.is_connected());
    assert_eq!(events.all()[3..], ["made", "lost Done", "made", "third"]);
    assert_eq!((service.failure_count(), service.when_connected().result()), (2, Some(3)));
}

#[test]
fn a_step_that_takes_too_long_is_cancelled() {
    let (world, events) = (world(1), Events::default());
    server(&world, &Events::default());
    let noted = events.clone();
    let (_host, service) = preparing(&world, &events, move |_, _| {
        let noted = noted.clone();
        Deferred::with_canceller(move |_| noted.note("cancelled")).0
    });
    service.start();
    let waits = service.when_connected_within(1);
    world.run_for(30 * SECOND);
    assert_no_result(&waits);
    world.run_for(SECOND);
    assert!(failure_result_of(waits).check::<TimeoutError>().is_some());
    assert_eq!(events.all()[..3], ["made", "cancelled", "lost Done"]);
}

#[test]
fn a_connection_that_is_lost_meanwhile_cancels_the_step_and_counts_once() {
    let (world, events) = (world(1), Events::default());
    server_with(&world, &Events::default(), closing);
    let noted = events.clone();
    let (_host, service) = preparing(&world, &events, move |_, _| {
        let noted = noted.clone();
        Deferred::with_canceller(move |_| noted.note("cancelled")).0
    });
    service.start();
    noting("waiter", service.when_connected_within(1), &events);
    world.run_until(60 * SECOND, || service.failure_count() > 0);
    assert_eq!(events.all(), ["made", "end", "lost Done", "waiter: closed cleanly", "cancelled"]);
    assert_eq!(service.failure_count(), 1);
}

#[test]
fn a_step_or_a_build_that_panics_is_a_failed_attempt() {
    let (world, events) = (world(1), Events::default());
    server(&world, &Events::default());
    let calls = Rc::new(Cell::new(0));
    let (builds, steps, noted) = (calls.clone(), calls.clone(), events.clone());
    let (_host, service) = client_with(&world, move |reactor| {
        let (builds, steps, noted) = (builds.clone(), steps.clone(), noted.clone());
        let build = move |_| {
            builds.set(builds.get() + 1);
            assert!(builds.get() > 2, "a mistake of the program");
            Noting::new(&noted)
        };
        ClientService::prepared(reactor, ("server", PORT), build, move |transport| {
            assert!(steps.get() > 4, "a mistake of the program");
            Ok(transport.clone())
        })
    });
    service.start();
    world.run_for(60 * SECOND);
    assert!(service.is_connected());
    assert_eq!((calls.get(), service.failure_count()), (5, 4));
    assert_eq!(events.all(), ["made", "lost Panicked", "made", "lost Panicked", "made"]);
}

#[test]
fn a_step_may_stop_the_service() {
    let (world, events) = (world(1), Events::default());
    server(&world, &Events::default());
    let itself: Rc<RefCell<Option<ClientService<u32>>>> = Rc::default();
    let (service, noted) = (itself.clone(), events.clone());
    let (host, made) = preparing(&world, &events, move |_, _| {
        noting("stopped", service.borrow().as_ref().unwrap().stop(), &noted);
        let noted = noted.clone();
        Deferred::with_canceller(move |_| noted.note("cancelled")).0
    });
    *itself.borrow_mut() = Some(made.clone());
    made.start();
    noting("waiter", made.when_connected(), &events);
    world.run_for(60 * SECOND);
    let stopped = "waiter: the service has been stopped";
    assert_eq!(events.all(), ["made", stopped, "cancelled", "lost Done", "stopped"]);
    assert!(has_nothing_left(&host));
    itself.take();
}
