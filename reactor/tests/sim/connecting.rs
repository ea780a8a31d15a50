//! How connections come about, and why they fail.

use super::*;
use reactor::sim::Resolution;
use reactor::{Destination, ListenAddress, Settings};
use std::io::ErrorKind;

fn outcome(events: &Events, to: impl Into<Destination> + Clone + 'static) -> impl FnMut(&Reactor) + 'static {
    let events = events.clone();
    move |reactor| {
        reactor.connect_tcp(to.clone(), Once { events: events.clone(), shape: plain });
    }
}

#[test]
fn a_connection_takes_a_look_up_and_one_round_trip() {
    let (world, events) = (world(1), Events::default());
    server(&world, &Events::default(), plain);
    client(&world, &events, plain);
    world.run_for(25 * MS - Duration::from_nanos(1));
    assert!(events.all().is_empty());
    world.run_for(Duration::from_nanos(1));
    assert_eq!(events.all(), ["made"]);
}

#[test]
fn a_port_without_a_listener_refuses_after_one_round_trip() {
    let (world, events) = (world(1), Events::default());
    let server = world.host("server", |_| {});
    world.host("client", outcome(&events, (server.address().to_string().leak() as &str, 1)));
    world.run_for(20 * MS);
    let [event] = &events.all()[..] else { panic!("{:?}", events.all()) };
    assert!(event.starts_with("failed: cannot connect to 10.0.0.1:1: connection refused"), "{event}");
}

#[test]
fn an_address_without_a_host_has_no_route() {
    let (world, events) = (world(1), Events::default());
    world.host("client", outcome(&events, ("192.168.0.1", 1)));
    world.run_for(Duration::ZERO);
    assert!(events.all()[0].contains("network unreachable"), "{:?}", events.all());
}

#[test]
fn a_connection_to_a_machine_that_is_down_times_out() {
    let (world, events) = (world(1), Events::default());
    let down = world.host("server", |_| {});
    down.crash();
    let patient = Destination::from(("server", PORT)).timeout(200 * SECOND);
    world.host("impatient", outcome(&events, Destination::from(("server", PORT)).timeout(3 * SECOND)));
    world.host("patient", outcome(&events, patient));
    world.run_for(126 * SECOND);
    assert_eq!(events.all(), ["failed: no connection to server:8007 within 3s"]);
    world.run_for(2 * SECOND);
    assert!(events.all()[1].contains("timed out"), "Linux's limit: {:?}", events.all());
}

/// A client that requests a connection; the answer is on its way when the link back is cut.
fn with_a_lost_answer(boot: impl FnMut(&Reactor) + 'static) -> (World, Host, Host, Events) {
    let (world, events) = (world(1), Events::default());
    let server = world.host("server", boot);
    let client = world.host("client", outcome(&events, Destination::from(("server", PORT)).timeout(200 * SECOND)));
    world.run_for(20 * MS);
    world.cut(&server, &client);
    (world, server, client, events)
}

#[test]
fn a_lost_answer_is_sent_again_when_the_request_comes_again() {
    let (world, _, _, events) = with_a_lost_answer(echo);
    world.run_for(6500 * MS);
    world.heal();
    // The client sends its request 0, 1, 3 and 7 s after the first. On its own, the server would retry after 12.6 s.
    world.run_for(500 * MS);
    assert!(events.all().is_empty());
    world.run_for(5 * MS);
    assert_eq!(events.all(), ["made"]);
    world.run_for(1000 * SECOND);
    assert_eq!((events.all(), world.connection_count()), (vec!["made".to_owned()], 1));
}

#[test]
fn a_connection_whose_answers_are_all_lost_times_out_and_leaves_nothing_behind() {
    let (world, server, client, events) = with_a_lost_answer(echo);
    world.run_for(126 * SECOND);
    assert!(events.all().is_empty());
    world.run_for(2 * SECOND);
    assert!(events.all()[0].contains("timed out"), "Linux's limit: {:?}", events.all());
    world.run_for(1000 * SECOND);
    assert_eq!((world.connection_count(), server.descriptor_count(), client.descriptor_count()), (0, 6, 5));
}

#[test]
fn a_lost_refusal_is_sent_again_after_a_second() {
    let (world, _, _, events) = with_a_lost_answer(|_| {});
    world.run_for(500 * MS);
    world.heal();
    world.run_for(500 * MS);
    assert!(events.all().is_empty());
    world.run_for(5 * MS);
    assert!(events.all()[0].contains("refused"), "{:?}", events.all());
}

#[test]
fn a_restarted_machine_answers_a_repeated_request_as_a_new_one() {
    let (world, server, _, events) = with_a_lost_answer(echo);
    world.run_for(100 * MS);
    server.crash();
    server.restart();
    world.heal();
    world.run_for(900 * MS);
    assert!(events.all().is_empty());
    world.run_for(5 * MS);
    assert_eq!(events.all(), ["made"], "the request sent after a second");
    world.run_for(1000 * SECOND);
    assert_eq!((events.all().len(), world.connection_count(), server.descriptor_count()), (1, 1, 7));
}

#[test]
fn on_a_slow_link_repeated_requests_make_one_connection() {
    let (world, events, answers) = (world(1), Events::default(), Events::default());
    world.set_links(LinkSettings::new(Latency::Fixed(4 * SECOND)));
    server(&world, &events, plain);
    client(&world, &answers, saying("hello"));
    world.run_for(9 * SECOND);
    assert_eq!((events.all(), answers.all()), (vec!["made".to_owned()], vec!["made".to_owned()]));
    world.run_for(100 * SECOND);
    assert_eq!(events.all(), ["made", "data hello"]);
    assert_eq!((answers.all().len(), world.connection_count()), (1, 1));
}

#[test]
fn a_full_backlog_drops_requests_and_accepts_them_when_they_come_again() {
    let (world, events) = (world(1), Events::default());
    let server = world.host("server", |reactor| {
        reactor.listen_tcp(ListenAddress::from("0.0.0.0:8007").backlog(1), |_| Echo).unwrap();
    });
    server.pause();
    let clients = events.clone();
    world.host("clients", move |reactor| {
        for _ in 0..5 {
            reactor.connect_tcp(("server", PORT), Once { events: clients.clone(), shape: plain });
        }
    });
    world.run_for(500 * MS);
    assert_eq!(events.all(), ["made"; 2], "the backlog holds one more than the program asked for, as on Linux");
    server.resume();
    world.run_for(400 * MS);
    assert_eq!(events.all().len(), 2, "the other requests have not come again yet");
    world.run_for(400 * MS);
    assert_eq!(events.all(), ["made"; 5], "they come again after a second, and find room");
}

#[test]
fn bytes_that_arrive_before_the_accept_are_read_after_it() {
    let (world, events) = (world(1), Events::default());
    let server = server(&world, &events, plain);
    server.pause();
    client(&world, &Events::default(), saying("hello"));
    world.run_for(SECOND);
    server.resume();
    world.run_for(Duration::ZERO);
    assert_eq!(events.all(), ["made", "data hello"]);
}

#[test]
fn connections_in_a_backlog_are_reset_when_the_port_closes() {
    let (world, events) = (world(1), Events::default());
    let server = world.host("server", echo);
    server.pause();
    client(&world, &events, plain);
    world.run_for(SECOND);
    assert_eq!(events.all(), ["made"]);
    server.kill();
    world.run_for(SECOND);
    assert_eq!(events.all(), ["made", "lost Lost", "client lost"]);
    assert_eq!(world.connection_count(), 0);
}

#[test]
fn a_look_up_answers_fails_or_stays_silent_as_the_world_was_told() {
    let (world, events) = (world(1), Events::default());
    let server = world.host("server", echo);
    world.set_name("other", Resolution::Addresses(vec!["10.9.9.9".parse().unwrap(), server.address()]));
    world.set_name("broken", Resolution::Fails(ErrorKind::TimedOut));
    world.set_name("silent", Resolution::Silent);
    for name in ["other", "unknown", "broken", "silent"] {
        world.host(&format!("client of {name}"), outcome(&events, (name, PORT)));
    }
    world.run_for(9 * SECOND);
    let failed = |name: &str, why: &str| format!("failed: cannot look up {name}: {why}");
    let soon = [failed("unknown", "entity not found"), failed("broken", "timed out"), "made".to_owned()];
    assert_eq!(events.all(), soon, "no host has the first address of `other`");
    world.run_for(2 * SECOND);
    assert_eq!(events.all()[3], failed("silent", "no answer within 10s"));
}

#[test]
fn a_host_reaches_itself_by_its_loopback_and_by_its_name() {
    let world = world(1);
    for (number, name) in ["127.0.0.1", "localhost", "10.0.0.1", "me"].into_iter().enumerate() {
        let (events, client_events) = (Events::default(), Events::default());
        let (noted, port) = (events.clone(), 1000 + number as u16);
        let boot = move |reactor: &Reactor| {
            let noted = noted.clone();
            reactor.listen_tcp(&*format!("0.0.0.0:{port}"), move |_| Noting::new(&noted)).unwrap();
            outcome(&client_events, (name, port))(reactor);
        };
        let me = world.host(if name.starts_with("10") { "ten" } else { name }, boot);
        world.set_name("me", Resolution::Addresses(vec![me.address()]));
        world.run_for(SECOND);
        let expected: &[&str] = if name == "10.0.0.1" { &[] } else { &["made"] };
        assert_eq!(events.all(), expected, "{name}: only the first host has that address");
    }
}

#[test]
fn a_port_has_one_listener_and_only_at_an_address_of_its_host() {
    let world = world(1);
    world.host("server", |reactor| {
        let listen = |address: &str| reactor.listen_tcp(address, |_| Echo).map(|port| port.host());
        let kind = |address: &str| listen(address).unwrap_err().error.kind();
        assert_eq!(listen("0.0.0.0:80").unwrap().to_string(), "0.0.0.0:80");
        assert_eq!(kind("0.0.0.0:80"), ErrorKind::AddrInUse);
        assert_eq!(kind("127.0.0.1:80"), ErrorKind::AddrInUse);
        assert_eq!(kind("10.0.0.2:81"), ErrorKind::AddrNotAvailable);
        let (one, other) = (listen("10.0.0.1:0").unwrap(), listen("10.0.0.1:0").unwrap());
        assert!(one.port() >= 32768 && other.port() > one.port());
        listen("[::1]:80").unwrap();
    });
}

/// A server with descriptors for `free` connections, and five clients at once.
fn short_of_descriptors(free: usize) -> (World, Host, Events, LastTransport) {
    let (world, events, line) = (world(1), Events::default(), LastTransport::default());
    let keep = line.clone();
    let host = server(&world, &events, move |noting| keep.of(noting));
    host.set_max_descriptors(host.descriptor_count() + free);
    world.host("clients", |reactor| {
        for _ in 0..5 {
            reactor.connect_tcp(("server", PORT), |_| Echo);
        }
    });
    (world, host, events, line)
}

#[test]
fn a_server_without_descriptors_accepts_nobody_and_everybody_once_it_has_some() {
    let (world, server, events, line) = short_of_descriptors(2);
    world.run_for(SECOND);
    assert_eq!(events.all(), ["made"; 2]);
    assert!(world.turn_count() < 100, "it does not spin: {} turns", world.turn_count());
    line.transport().lose_connection();
    world.run_for(MS);
    assert_eq!(events.all(), ["made", "made", "lost Done", "made"], "at once: it need not wait for another request");
    server.set_max_descriptors(100);
    world.run_for(Settings::default().accept_retry);
    assert_eq!(events.all().len(), 6, "the retry finds the others");
}

#[test]
fn a_client_without_descriptors_cannot_connect() {
    let (world, events) = (world(1), Events::default());
    server(&world, &Events::default(), plain);
    let mut settings = HostSettings::default();
    settings.max_descriptors = 5;
    client_with(&world, settings, &events, plain);
    world.run_for(SECOND);
    assert!(events.all()[0].contains("Too many open files"), "{:?}", events.all());
}

#[test]
fn a_failed_attempt_gives_its_descriptor_back() {
    let (world, events) = (world(1), Events::default());
    world.host("server", |_| {});
    let client = client(&world, &events, plain);
    world.run_for(7 * MS);
    assert_eq!(client.descriptor_count(), 6);
    world.run_for(SECOND);
    assert_eq!((events.all().len(), client.descriptor_count(), world.connection_count()), (1, 5, 0));
}

/// How many ports the system gives out.
const PORTS: usize = 28_232;

/// Requests `count` connections.
fn ask(host: &Host, events: &Events, port: u16, count: usize) {
    let reactor = host.reactor().unwrap();
    for _ in 0..count {
        let to = Destination::from(("10.0.0.1", port)).timeout(100 * SECOND);
        reactor.connect_tcp(to, Once { events: events.clone(), shape: plain });
    }
}

#[test]
fn a_port_in_use_is_not_given_out_again() {
    let (world, events, peers) = (world(1), Events::default(), Events::default());
    let noted = peers.clone();
    world.host("server", move |reactor| {
        let noted = noted.clone();
        let echo = move |peer: Address| {
            noted.note(peer.to_string());
            Echo
        };
        reactor.listen_tcp("0.0.0.0:8007", echo).unwrap();
    });
    let client = world.host("client", |_| {});
    ask(&client, &events, PORT, 1);
    world.run_for(SECOND);
    ask(&client, &Events::default(), 1, PORTS - 1);
    world.run_for(SECOND);
    ask(&client, &events, PORT, 2);
    world.run_for(SECOND);
    assert_eq!(events.all(), ["made"; 3]);
    assert_eq!(peers.all(), ["10.0.0.2:32768", "10.0.0.2:32769", "10.0.0.2:32770"]);
}

#[test]
fn with_all_local_ports_in_use_towards_one_address_another_can_still_be_reached() {
    let (world, events, more) = (world(1), Events::default(), Events::default());
    let server = world.host("server", |_| {});
    server.crash();
    let client = world.host("client", |_| {});
    ask(&client, &events, PORT, PORTS);
    world.run_for(SECOND);
    assert_eq!((events.all().len(), client.descriptor_count()), (0, 5 + PORTS));
    ask(&client, &more, PORT, 1);
    world.run_for(SECOND);
    assert!(more.all()[0].contains("address not available"), "{:?}", more.all());
    ask(&client, &more, PORT + 1, 1);
    world.run_for(SECOND);
    assert_eq!(more.all().len(), 1, "it still waits for an answer");
    world.run_for(200 * SECOND);
    assert_eq!((events.all().len(), more.all().len(), client.descriptor_count()), (PORTS, 2, 5));
    server.restart();
    ask(&client, &more, PORT, 1);
    world.run_for(SECOND);
    assert!(more.all()[2].contains("refused"), "the ports are free again: {:?}", more.all());
}
