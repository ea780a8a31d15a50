//! Names with several addresses, and local addresses to connect from, in the simulated world: in virtual time.

use super::*;
use reactor::sim::Resolution;
use reactor::{Deferred, Destination, ListenAddress};
use std::net::SocketAddr;

/// Connects to `many`: its first address is a machine that is down, its second a server. Returns the world and the
/// notes of the client.
fn with_a_silent_first_address(attempt_delay: Option<Duration>) -> (World, Events, Host) {
    let (world, events) = (world(1), Events::default());
    let down = world.host("down", |_| {});
    let up = server(&world, &Events::default(), plain);
    down.crash();
    world.set_name("many", Resolution::Addresses(vec![down.address(), up.address()]));
    let noted = events.clone();
    let client = world.host("client", move |reactor| {
        let mut there = Destination::from(("many", PORT));
        if let Some(delay) = attempt_delay {
            there = there.attempt_delay(delay);
        }
        reactor.connect_tcp(there, Once { events: noted.clone(), shape: plain });
    });
    (world, events, client)
}

#[test]
fn a_silent_first_address_costs_exactly_the_delay() {
    for (setting, delay) in [(None, 250 * MS), (Some(40 * MS), 40 * MS), (Some(MS), 10 * MS)] {
        let (world, events, client) = with_a_silent_first_address(setting);
        // The look-up, the delay, and one round trip.
        world.run_for(5 * MS + delay + 20 * MS - Duration::from_nanos(1));
        assert_eq!(events.all(), [""; 0], "{setting:?}");
        assert_eq!(client.descriptor_count(), 5 + 2);
        world.run_for(Duration::from_nanos(1));
        assert_eq!((events.all(), client.descriptor_count()), (vec!["made".to_owned()], 5 + 1), "{setting:?}");
    }
}

#[test]
fn a_first_address_that_answers_in_time_is_the_only_one_that_is_tried() {
    let (world, events) = (world(1), Events::default());
    let first = server(&world, &Events::default(), plain);
    let second = world.host("second", |_| {});
    world.set_name("many", Resolution::Addresses(vec![first.address(), second.address()]));
    let noted = events.clone();
    world.host("client", move |reactor| {
        reactor.connect_tcp(("many", PORT), Once { events: noted.clone(), shape: plain });
    });
    world.run_for(SECOND);
    assert_eq!((events.all(), world.connection_count()), (vec!["made".to_owned()], 1));
}

#[test]
fn the_same_race_runs_the_same_way_each_time() {
    let hash = || {
        let (world, _, _) = with_a_silent_first_address(None);
        world.run_for(SECOND);
        world.trace_hash()
    };
    assert_eq!(hash(), hash());
}

#[test]
fn a_local_address_may_have_a_port_of_its_own() {
    let (world, events) = (world(1), Events::default());
    world.host("server", echo);
    let noted = events.clone();
    world.host("client", move |reactor| {
        let me = reactor.connect(there(4000), |_| Echo);
        let noted = noted.clone();
        let same = reactor.connect(there(4000), |_| Echo);
        let note = move |result: Result<Transport, Failure>| {
            noted.note(match result {
                Ok(transport) => transport.host().to_string(),
                Err(failure) => failure.to_string(),
            });
            Ok(())
        };
        let both: [Deferred<Transport>; 2] = [me, same];
        both.into_iter().for_each(|connected| connected.add_both(note.clone()).detach());
    });
    world.run_for(SECOND);
    assert_eq!(events.all(), ["cannot connect to 10.0.0.1:8007: address in use", "10.0.0.2:4000"]);
}

fn there(port: u16) -> Destination {
    Destination::from(("10.0.0.1", PORT)).bind_address(SocketAddr::from(([10, 0, 0, 2], port)))
}

/// A server that listens at `address`, and the addresses from which it was reached.
fn listening_at(world: &World, name: &str, address: ListenAddress) -> (Host, Rc<RefCell<Vec<Address>>>) {
    let peers: Rc<RefCell<Vec<Address>>> = Rc::default();
    let seen = peers.clone();
    let settings = ["10.0.0.9", "fd00::9"].map(|address| address.parse().unwrap());
    let mut both = HostSettings::default();
    both.addresses = settings.to_vec();
    let host = world.host_with(name, both, move |reactor| {
        let seen = seen.clone();
        let note = move |peer: Address| {
            seen.borrow_mut().push(peer);
            Echo
        };
        reactor.listen_tcp(address.clone(), note).unwrap();
    });
    (host, peers)
}

/// Connects to both addresses of [`listening_at`]; what came of it, in order.
fn connect_to_both(world: &World) -> Vec<String> {
    let events = Events::default();
    let mut both = HostSettings::default();
    both.addresses = ["10.0.0.7", "fd00::7"].map(|address| address.parse().unwrap()).to_vec();
    let noted = events.clone();
    world.host_with("client", both, move |reactor| {
        for host in ["10.0.0.9", "fd00::9"] {
            reactor.connect_tcp((host, PORT), Once { events: noted.clone(), shape: plain });
        }
    });
    world.run_for(SECOND);
    events.all()
}

#[test]
fn a_port_at_the_unspecified_ipv6_address_refuses_ipv4_clients() {
    let world = world(1);
    let (_, peers) = listening_at(&world, "server", ListenAddress::from("[::]:8007"));
    let events = connect_to_both(&world);
    assert_eq!(events.len(), 2);
    assert!(events[0].starts_with("failed") && events[1] == "made", "{events:?}");
    let peers: Vec<_> = peers.borrow().iter().map(|peer| peer.tcp().unwrap().ip().to_string()).collect();
    assert_eq!(peers, ["fd00::7"]);
}

#[test]
fn a_port_for_both_kinds_of_clients_takes_both_and_ends_for_both() {
    let world = world(1);
    let (server, peers) = listening_at(&world, "server", ListenAddress::from("[::]:8007").ipv6_only(false));
    assert_eq!(connect_to_both(&world), ["made", "made"]);
    let seen: Vec<_> = peers.borrow().iter().map(|peer| peer.tcp().unwrap().ip().to_string()).collect();
    assert_eq!(seen, ["10.0.0.7", "fd00::7"]);
    let reactor = server.reactor().unwrap();
    let listen = |address: &str| reactor.listen_tcp(address, |_| Echo).map(|port| drop(port.stop_listening()));
    assert!(listen("0.0.0.0:8007").is_err() && listen("10.0.0.9:8007").is_err());
    // Its end frees the port for both kinds: the program could not listen again otherwise.
    server.restart();
    world.run_for(SECOND);
    assert!(server.reactor().is_some());
}
