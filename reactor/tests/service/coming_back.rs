//! When it tries again.

use super::*;
use reactor::service::Backoff;
use reactor::sim::{Resolution, for_each_seed};
use std::io::ErrorKind;

#[test]
fn it_connects_and_gives_its_protocols_transport() {
    let (world, events, heard) = (world(1), Events::default(), Events::default());
    server(&world, &heard);
    let (_host, service) = client(&world, &events);
    service.start();
    noting("up", service.when_connected(), &events);
    assert_eq!(events.all(), [""; 0], "nothing calls back before it returns");
    world.run_for(SECOND);
    assert_eq!(events.all(), ["made", "up"]);
    assert!(service.is_connected());
    transport_of(&service).write(b"hello");
    world.run_for(SECOND);
    assert_eq!(heard.all(), ["made", "data hello"]);
}

#[test]
fn a_refused_service_waits_longer_and_longer_and_connects_when_the_server_is_there() {
    for_each_seed(1..21, |world| {
        let (events, heard) = (Events::default(), Events::default());
        let server = server(world, &heard);
        server.kill();
        let (_host, service) = client(world, &events);
        service.start();
        // Waits of 0.1 to 5 s. Without them, a refusal every 20 ms would make 30,000 attempts.
        world.run_for(600 * SECOND);
        let attempts = service.failure_count();
        assert!((150..400).contains(&attempts), "{attempts} attempts in ten minutes");
        assert_eq!(events.all(), [""; 0]);
        server.restart();
        world.run_for(6 * SECOND);
        assert_eq!(events.all(), ["made"]);
    });
}

#[test]
fn a_name_is_looked_up_for_each_attempt() {
    let (world, events, heard) = (world(1), Events::default(), Events::default());
    server(&world, &heard);
    let elsewhere = world.host("elsewhere", |reactor| {
        reactor.listen_tcp("0.0.0.0:8007", |_| Noting::new(&Events::default())).unwrap();
    });
    world.set_name("server", Resolution::Fails(ErrorKind::NotFound));
    let (_host, service) = client(&world, &events);
    service.start();
    world.run_for(60 * SECOND);
    assert!(service.failure_count() > 5 && !service.is_connected());
    world.set_name("server", Resolution::Addresses(vec![elsewhere.address()]));
    world.run_for(10 * SECOND);
    assert_eq!(transport_of(&service).peer().tcp().map(|peer| peer.ip()), Some(elsewhere.address()));
}

#[test]
fn a_server_that_closes_each_connection_at_once_is_tried_less_and_less_often() {
    for_each_seed(1..11, |world| {
        let (events, heard) = (Events::default(), Events::default());
        server_with(world, &heard, closing);
        let (_host, service) = client(world, &events);
        service.start();
        world.run_for(600 * SECOND);
        let made = events.all().iter().filter(|event| *event == "made").count();
        assert!((150..400).contains(&made), "{made} connections in ten minutes");
        assert!(service.failure_count() as usize >= made - 1, "none of them was healthy");
    });
}

#[test]
fn a_service_that_returns_at_once_does_so_after_a_healthy_connection_alone() {
    let (world, events) = (world(1), Events::default());
    let server = server(&world, &Events::default());
    let (_host, service) = client_with(&world, move |reactor| {
        let events = events.clone();
        let service = ClientService::new(reactor, ("server", PORT), move |_| Noting::new(&events));
        service.with_settings(settings(|settings| settings.returns_at_once = true))
    });
    service.start();
    let connected_again_within_60_ms = || {
        server.kill();
        server.restart();
        assert!(world.run_until(SECOND, || !service.is_connected()));
        world.run_until(60 * MS, || service.is_connected())
    };
    world.run_for(6 * SECOND);
    assert!(connected_again_within_60_ms() && service.failure_count() == 0);
    assert!(!connected_again_within_60_ms() && service.failure_count() == 1, "that one was not healthy");
}

/// The number of failures, right after the connection was lost for the fourth time in a row.
fn failures_after(healthy: impl Fn(&World, &ClientService)) -> u32 {
    let (world, events) = (world(1), Events::default());
    let server = server(&world, &Events::default());
    let (_host, service) = client(&world, &events);
    service.start();
    for _ in 0..4 {
        assert!(world.run_until(20 * SECOND, || service.is_connected()));
        healthy(&world, &service);
        server.kill();
        server.restart();
        assert!(world.run_until(SECOND, || !service.is_connected()));
    }
    world.run_for(50 * MS); // The end has been reported, and the next attempt is at least 100 ms away.
    service.failure_count()
}

#[test]
fn only_a_connection_that_lasted_or_was_told_healthy_begins_the_backoff_anew() {
    assert_eq!(failures_after(|_, _| {}), 4);
    assert_eq!(failures_after(|world, _| world.run_for(4980 * MS)), 4);
    assert_eq!(failures_after(|world, _| world.run_for(5000 * MS)), 1);
    assert_eq!(failures_after(|_, service| service.note_healthy()), 1);
}

#[test]
fn a_thousand_services_that_lose_their_server_come_back_spread_over_the_window() {
    const SERVICES: usize = 1000;
    let (world, heard) = (world(1), Events::default());
    let server = server(&world, &heard);
    let services: Rc<RefCell<Vec<ClientService>>> = Rc::default();
    let made = services.clone();
    world.host("client", move |reactor| {
        for _ in 0..SERVICES {
            let service = ClientService::new(reactor, ("server", PORT), |_| Noting::new(&Events::default()));
            let settings = settings(|settings| settings.spread_start = 10 * SECOND);
            let service = service.with_settings(settings);
            service.start();
            made.borrow_mut().push(service);
        }
    });
    // At most this many began within one tenth of the window.
    let most_in_a_tenth = |window: Duration| {
        let counts: Vec<usize> = (0..10)
            .map(|_| {
                let before = heard.all().iter().filter(|event| *event == "made").count();
                world.run_for(window / 10);
                heard.all().iter().filter(|event| *event == "made").count() - before
            })
            .collect();
        *counts.iter().max().unwrap()
    };
    let most = most_in_a_tenth(10 * SECOND);
    assert!((100..150).contains(&most), "{most} of the first attempts in one second");
    world.run_for(6 * SECOND);
    assert!(services.borrow().iter().all(ClientService::is_connected));
    server.kill();
    server.restart();
    let most = most_in_a_tenth(SECOND);
    assert!((80..170).contains(&most), "{most} of 1000 in 100 ms");
}

#[test]
fn try_now_ends_the_wait_and_changes_nothing_else() {
    let (world, events) = (world(1), Events::default());
    let server = server(&world, &Events::default());
    server.kill();
    let (_host, service) = client(&world, &events);
    let patient = Backoff::default().shortest(100 * SECOND).longest(100 * SECOND);
    let service = service.with_settings(settings(|settings| settings.backoff = patient));
    service.try_now();
    service.start();
    service.try_now();
    world.run_for(SECOND);
    assert_eq!(service.failure_count(), 1);
    service.try_now();
    world.run_for(SECOND);
    assert_eq!(service.failure_count(), 2);
    server.restart();
    service.try_now();
    world.run_for(SECOND);
    assert!(service.is_connected());
    service.try_now();
    world.run_for(SECOND);
    assert_eq!(events.all(), ["made"]);
}

#[test]
fn the_waits_are_the_same_in_every_run_of_a_seed() {
    let run = |seed| {
        let world = world(seed);
        server_with(&world, &Events::default(), closing);
        let (_host, service) = client(&world, &Events::default());
        service.start();
        world.run_for(100 * SECOND);
        world.trace_hash()
    };
    assert_eq!(run(7), run(7));
    assert_ne!(run(7), run(8));
}
