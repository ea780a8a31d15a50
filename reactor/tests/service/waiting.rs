//! What waits for the connection.

use super::*;
use reactor::service::ServiceError;
use reactor::testing::{assert_no_result, failure_result_of};
use std::cell::Cell;

#[test]
fn those_that_wait_are_fired_in_order_and_a_panic_of_one_hurts_nobody() {
    let (world, events) = (world(1), Events::default());
    server(&world, &Events::default());
    let (_host, service) = client(&world, &events);
    noting("before the start", service.when_connected(), &events);
    service.when_connected().add_callback(|_| -> () { panic!("a mistake of the program") }).detach();
    service.start();
    noting("after", service.when_connected(), &events);
    world.run_for(SECOND);
    assert_eq!(events.all(), ["made", "before the start", "after"]);
    assert!(service.is_connected());
}

#[test]
fn a_waiter_with_a_limit_fails_when_that_many_attempts_have_failed() {
    let (world, events) = (world(1), Events::default());
    let server = server(&world, &Events::default());
    server.kill();
    let (_host, service) = client(&world, &Events::default());
    service.start();
    noting("first", service.when_connected_within(1), &events);
    noting("never", service.when_connected_within(0), &events);
    noting("third", service.when_connected_within(3), &events);
    noting("in the end", service.when_connected(), &events);
    world.run_until(60 * SECOND, || service.failure_count() == 1);
    let refused = "cannot connect to 10.0.0.1:8007: connection refused";
    assert_eq!(events.all(), [format!("first: {refused}"), format!("never: {refused}")]);
    world.run_until(60 * SECOND, || service.failure_count() == 2);
    assert_eq!(events.all().len(), 2);
    world.run_until(60 * SECOND, || service.failure_count() == 3);
    assert_eq!(events.all()[2..], [format!("third: {refused}")]);
    server.restart();
    world.run_for(10 * SECOND);
    assert_eq!(events.all()[3..], ["in the end"]);
}

#[test]
fn the_waiters_are_bounded_and_those_that_gave_up_do_not_count() {
    let (world, events) = (world(1), Events::default());
    let (_host, service) = client(&world, &events);
    let service = service.with_settings(settings(|settings| settings.max_waiters = 2));
    let (first, second) = (service.when_connected(), service.when_connected());
    let too_many = || failure_result_of(service.when_connected()).check().copied();
    assert_eq!(too_many(), Some(ServiceError::TooManyWaiters));
    first.cancel();
    drop(failure_result_of(first));
    let third = service.when_connected();
    assert_eq!(too_many(), Some(ServiceError::TooManyWaiters));
    drop(second); // Nobody would get its value.
    let fourth = service.when_connected();
    assert_no_result(&third);
    assert_no_result(&fourth);
}

#[test]
fn a_connection_that_is_closing_is_not_given_out() {
    let (world, events) = (world(1), Events::default());
    server(&world, &Events::default());
    let (_host, service) = client(&world, &events);
    service.start();
    world.run_for(SECOND);
    transport_of(&service).lose_connection();
    assert!(!service.is_connected());
    noting("the next one", service.when_connected(), &events);
    assert_eq!(events.all(), ["made"]);
    world.run_for(10 * SECOND);
    assert_eq!(events.all(), ["made", "lost Done", "made", "the next one"]);
}

#[test]
fn a_waiter_may_stop_the_service_or_wait_again_from_its_callback() {
    let (world, events) = (world(1), Events::default());
    server(&world, &Events::default());
    let (host, service) = client(&world, &events);
    service.start();
    let (again, noted) = (service.clone(), events.clone());
    let waits = service.when_connected().add_callback(move |_| {
        noting("again", again.when_connected(), &noted);
        noting("stopped", again.stop(), &noted);
        noting("too late", again.when_connected(), &noted);
    });
    waits.detach();
    world.run_for(10 * SECOND);
    let late = "too late: the service has been stopped";
    assert_eq!(events.all(), ["made", "again", late, "lost Done", "stopped"]);
    assert!(has_nothing_left(&host));
}

#[test]
fn a_service_whose_reactor_is_gone_keeps_nothing_alive() {
    for turns in 0..3 {
        let captured = Rc::new(Cell::new(0));
        let reactor = Reactor::new().unwrap();
        let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let held = captured.clone();
        let service = ClientService::new(&reactor, silent.local_addr().unwrap(), move |_| {
            held.set(held.get() + 1);
            Noting::new(&Events::default())
        });
        service.start();
        let waits = service.when_connected();
        for _ in 0..turns {
            reactor.iterate(Duration::ZERO).unwrap();
        }
        drop(reactor);
        assert_eq!(failure_result_of(service.when_connected()).check(), Some(&ServiceError::Stopped));
        assert!(service.stop().has_fired());
        drop((service, waits));
        assert_eq!(Rc::strong_count(&captured), 1, "after {turns} turns, a circle keeps it");
    }
}

#[test]
fn a_service_without_a_handle_goes_on() {
    let (world, events) = (world(1), Events::default());
    let server = server(&world, &Events::default());
    let (_host, service) = client(&world, &events);
    service.start();
    drop(service);
    world.run_for(SECOND);
    server.kill();
    server.restart();
    world.run_for(10 * SECOND);
    assert_eq!(events.all().iter().filter(|event| *event == "made").count(), 2);
}
