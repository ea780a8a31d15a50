//! UNIX sockets of the simulated world: each host has its own names.

use super::*;
use reactor::{UnixAddress, UnixListenAddress};

const PATH: &str = "/run/echo.sock";

fn listens(reactor: &Reactor, events: &Events, shape: fn(Noting) -> Noting) {
    let events = events.clone();
    reactor.listen_unix(PATH, move |_| shape(Noting::new(&events))).unwrap();
}

fn connects(reactor: &Reactor, events: &Events, shape: fn(Noting) -> Noting) {
    let factory = Once { events: events.clone(), shape };
    reactor.connect_unix(PATH, factory);
}

/// A host with a server and, 1 s later, a client in one program.
fn machine(world: &World, server: fn(Noting) -> Noting, client: fn(Noting) -> Noting) -> (Host, Events, Events) {
    let (at_server, at_client) = (Events::default(), Events::default());
    let (for_server, for_client) = (at_server.clone(), at_client.clone());
    let host = world.host("machine", move |reactor| {
        listens(reactor, &for_server, server);
        let (own, events) = (reactor.clone(), for_client.clone());
        reactor.call_later(SECOND, move || connects(&own, &events, client));
    });
    (host, at_server, at_client)
}

fn says_hello(noting: Noting) -> Noting {
    let data = |transport: &Transport, _: &[u8]| transport.lose_connection();
    Noting { made: Box::new(|transport| transport.write(b"hello")), data: Box::new(data), ..noting }
}

#[test]
fn bytes_go_both_ways_and_the_end_is_clean() {
    let world = world(1);
    let (host, server, client) = machine(&world, echoing, says_hello);
    let idle = host.descriptor_count();
    world.run_for(2 * SECOND);
    assert_eq!(server.all(), ["made", "data hello", "end", "lost Done"]);
    assert_eq!(client.all(), ["made", "data hello", "lost Done", "client lost"]);
    assert_eq!(host.descriptor_count(), idle, "only the port is open");
}

#[test]
fn no_partition_and_no_loss_touches_it() {
    let mut settings = WorldSettings::default();
    settings.loopback = LinkSettings::default().loss(900_000);
    let world = World::with_settings(1, settings);
    let (host, _, client) = machine(&world, echoing, says_hello);
    world.cut(&host, &host);
    world.run_for(1001 * MS);
    assert_eq!(client.all(), ["made", "data hello", "lost Done", "client lost"]);
}

#[test]
fn another_host_has_names_of_its_own() {
    let world = world(1);
    let (_, server, _) = machine(&world, plain, plain);
    let events = Events::default();
    let noted = events.clone();
    world.host("other", move |reactor| connects(reactor, &noted, plain));
    world.run_for(100 * MS);
    assert_eq!(events.all(), ["failed: cannot connect to unix:/run/echo.sock: entity not found"]);
    assert_eq!(server.all(), [""; 0]);
}

#[test]
fn a_killed_program_leaves_its_file_behind_and_the_next_run_replaces_it() {
    let world = world(1);
    let (host, server, client) = machine(&world, plain, plain);
    world.run_for(2 * SECOND);
    assert_eq!((server.all(), client.all()), (vec!["made".to_owned()], vec!["made".to_owned()]));
    host.kill();
    world.run_for(MS);
    assert_eq!(host.descriptor_count(), 5, "the five that every program has");
    host.restart(); // Its listen would panic if the path were taken.
    world.run_for(MS);
    assert!(host.reactor().is_some_and(|reactor| reactor.source_count() == 1));
}

#[test]
fn a_file_that_was_left_behind_refuses_and_an_abstract_name_is_gone() {
    let world = world(1);
    let events = Events::default();
    let noted = events.clone();
    let is_second_run = Rc::new(std::cell::Cell::new(false));
    let host = world.host("machine", move |reactor| {
        if !is_second_run.replace(true) {
            for name in [PATH, "\0abstract"] {
                reactor.listen_unix(name, |_| Echo).unwrap();
            }
            return;
        }
        for name in [PATH, "\0abstract", "/run/absent.sock"] {
            reactor.connect_unix(name, Once { events: noted.clone(), shape: plain });
        }
    });
    world.run_for(MS);
    host.kill();
    host.restart();
    world.run_for(MS);
    let refused =
        ["/run/echo.sock: connection refused", "@abstract: connection refused", "/run/absent.sock: entity not found"];
    assert_eq!(events.all(), refused.map(|end| format!("failed: cannot connect to unix:{end}")));
}

#[test]
fn a_path_in_use_is_refused_and_a_stopped_port_frees_it() {
    let world = world(1);
    world.host("machine", |reactor| {
        let port = reactor.listen_unix(PATH, |_| Echo).unwrap();
        let error = reactor.listen_unix(PATH, |_| Echo).unwrap_err();
        assert_eq!(error.error.kind(), std::io::ErrorKind::AddrInUse);
        assert_eq!(port.host(), UnixAddress::from(PATH));
        port.stop_listening().detach();
        reactor.listen_unix(PATH, |_| Echo).expect("it is free again");
    });
    world.run_for(MS);
}

#[test]
fn clients_wait_while_the_backlog_is_full() {
    let world = world(1);
    let events = Events::default();
    let noted = events.clone();
    let server = world.host("machine", move |reactor| {
        reactor.listen_unix(UnixListenAddress::from(PATH).backlog(0), |_| Echo).unwrap();
        // In one turn: the port accepts in the next.
        for _ in 0..5 {
            reactor.connect_unix(PATH, Once { events: noted.clone(), shape: plain });
        }
    });
    world.run_for(5 * MS);
    assert_eq!(events.all(), ["made"]);
    world.run_for(SECOND);
    assert_eq!(events.all(), ["made"; 5]);
    assert_eq!(server.descriptor_count(), 5 + 1 + 10);
}

#[test]
fn a_stop_finds_a_client_that_waits_for_room_in_a_backlog() {
    let world = world(1);
    let events = Events::default();
    let noted = events.clone();
    let host = world.host("machine", move |reactor| {
        reactor.listen_unix(UnixListenAddress::from(PATH).backlog(0), |_| Echo).unwrap();
        for _ in 0..3 {
            reactor.connect_unix(PATH, Once { events: noted.clone(), shape: plain });
        }
        let stopper = reactor.clone();
        reactor.call_when_running(move || stopper.stop());
    });
    world.run_for(SECOND);
    let stopped = "failed: the connection attempt was stopped".to_owned();
    assert_eq!(events.all(), [stopped.as_str(); 3]);
    assert_eq!(host.delayed_calls_left(), 0);
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let hash = |seed| {
        let world = world(seed);
        let (_host, ..) = machine(&world, echoing, says_hello);
        world.run_for(2 * SECOND);
        world.trace_hash()
    };
    assert_eq!(hash(1), hash(1));
    assert_ne!(hash(1), hash(2));
}
