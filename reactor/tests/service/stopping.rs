//! It stops from every state, and with its reactor.

use super::*;
use reactor::sim::Resolution;

const STOPPED: &str = "waiter: the service has been stopped";

/// Stops a service when it has run for so long, and returns what happened, and what was left after a minute.
#[track_caller]
fn stopped_after(time: Duration, prepare: impl FnOnce(&World)) -> Vec<String> {
    let (world, events) = (world(1), Events::default());
    prepare(&world);
    let (host, service) = client(&world, &events);
    service.start();
    noting("waiter", service.when_connected(), &events);
    world.run_for(time);
    noting("stopped", service.stop(), &events);
    noting("stopped again", service.stop(), &events);
    noting("too late", service.when_connected(), &events);
    world.run_for(60 * SECOND);
    assert!(has_nothing_left(&host), "{host:?}");
    assert_eq!(service.failure_count(), 0);
    assert!(service.stop().has_fired(), "a service that has stopped has nothing to wait for");
    events.all()
}

fn a_server(world: &World) {
    server(world, &Events::default());
}

const LATE: &str = "too late: the service has been stopped";

#[test]
fn while_the_name_is_looked_up() {
    assert_eq!(stopped_after(MS, a_server), [STOPPED, LATE, "stopped", "stopped again"]);
}

#[test]
fn before_the_loop_has_begun_the_attempt() {
    assert_eq!(stopped_after(Duration::ZERO, a_server), [STOPPED, LATE, "stopped", "stopped again"]);
}

#[test]
fn while_the_addresses_race() {
    assert_eq!(stopped_after(10 * MS, a_server), [STOPPED, LATE, "stopped", "stopped again"]);
}

#[test]
fn while_it_is_connected() {
    let expected = ["made", "waiter", LATE, "lost Done", "stopped", "stopped again"];
    assert_eq!(stopped_after(SECOND, a_server), expected);
}

#[test]
fn while_it_waits() {
    let unknown = |world: &World| world.set_name("server", Resolution::Fails(std::io::ErrorKind::NotFound));
    assert_eq!(stopped_after(20 * MS, unknown), [STOPPED, "stopped", "stopped again", LATE]);
}

#[test]
fn before_its_start() {
    let (world, events) = (world(1), Events::default());
    let (_host, service) = client(&world, &events);
    noting("waiter", service.when_connected(), &events);
    noting("stopped", service.stop(), &events);
    assert_eq!(events.all(), [STOPPED, "stopped"]);
}

#[test]
fn the_last_bytes_go_out_before_the_connection_is_closed() {
    let (world, heard) = (world(1), Events::default());
    server(&world, &heard);
    let (_host, service) = client(&world, &Events::default());
    service.start();
    world.run_for(SECOND);
    transport_of(&service).write(&[b'x'; 100_000]);
    let stopped = service.stop();
    world.run_for(60 * SECOND);
    assert!(stopped.has_fired());
    assert_eq!(heard.all()[1].len(), 100_000 + "data ".len());
}

#[test]
fn a_start_meanwhile_connects_when_the_old_connection_is_gone() {
    let (world, events) = (world(1), Events::default());
    server(&world, &Events::default());
    let (host, service) = client(&world, &events);
    service.start();
    world.run_for(SECOND);
    noting("stopped", service.stop(), &events);
    service.start();
    service.start();
    noting("waiter", service.when_connected(), &events);
    assert_eq!(events.all(), ["made"]);
    world.run_for(SECOND);
    assert_eq!(events.all(), ["made", "lost Done", "stopped", "made", "waiter"]);
    // The last word counts.
    noting("stopped", service.stop(), &events);
    service.start();
    noting("stopped again", service.stop(), &events);
    world.run_for(60 * SECOND);
    assert_eq!(events.all()[5..], ["lost Done", "stopped", "stopped again"]);
    assert!(has_nothing_left(&host));
    service.start();
    world.run_for(SECOND);
    assert!(service.is_connected(), "a service may be started again");
}

/// Stops the client's reactor when the service has run for this long. The program must end in good order.
#[track_caller]
fn reactor_stopped_after(time: Duration, prepare: impl FnOnce(&World)) -> Vec<String> {
    let (world, events) = (world(1), Events::default());
    prepare(&world);
    let (host, service) = client(&world, &events);
    service.start();
    noting("waiter", service.when_connected(), &events);
    world.run_for(time);
    host.terminate();
    world.run_for(60 * SECOND);
    assert!(host.reactor().is_none() && host.delayed_calls_left() == 0, "{host:?}: {}", host.delayed_calls_left());
    events.all()
}

#[test]
fn with_its_reactor_whatever_it_does() {
    for time in [Duration::ZERO, MS, 10 * MS] {
        assert_eq!(reactor_stopped_after(time, a_server), [STOPPED]);
    }
    assert_eq!(reactor_stopped_after(SECOND, a_server), ["made", "waiter", "lost Done"]);
    let unknown = |world: &World| world.set_name("server", Resolution::Fails(std::io::ErrorKind::NotFound));
    assert_eq!(reactor_stopped_after(50 * MS, unknown), [STOPPED]);
}

#[test]
fn a_service_that_is_started_while_the_reactor_closes_stops_at_once() {
    let events = Events::default();
    let reactor = Reactor::new().unwrap();
    let service = ClientService::new(&reactor, ("127.0.0.1", 9), |_| Noting::new(&Events::default()));
    let (late, noted, stopper) = (service.clone(), events.clone(), reactor.clone());
    reactor.add_system_event_trigger(reactor::Phase::During, reactor::SystemEvent::Shutdown, move || {
        late.start();
        noting("waiter", late.when_connected(), &noted);
    });
    reactor.call_when_running(move || stopper.stop());
    reactor.run().unwrap();
    assert_eq!(events.all(), [STOPPED]);
    reactor::testing::assert_nothing_left(&reactor);
    // In the next run it works.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let service = ClientService::new(&reactor, listener.local_addr().unwrap(), |_| Noting::new(&Events::default()));
    service.start();
    assert!(reactor.run_until(service.when_connected()).is_ok());
}
