use super::*;
use crate::herd::rules::Rule;
use crate::herd::{Herd, PlacesKind};
use crate::herd::{feeder, topology::Topology};
use crate::tests::unobserved;
use proxyherd::config::Limits;
use reactor::{Reactor, Reason};
use std::cell::Cell;
use std::net::SocketAddr;

mod one_by_one;

const SECOND: Duration = Duration::from_secs(1);

/// Servers in a line, without observers.
fn line_of(servers: usize) -> (Herd, Graph) {
    line_in(World::new(1), servers)
}

fn line_in(world: World, servers: usize) -> (Herd, Graph) {
    let graph = Topology::Line.graph(servers, &mut Random::new(1)).unwrap();
    let herd = Herd::new(world, &graph, Rule::Newest, PlacesKind::Nobody, unobserved());
    (herd, graph)
}

fn knows(herd: &Herd, server: usize, client: &str) -> bool {
    herd.servers[server].server().is_some_and(|server| server.locations().borrow().get(client.as_bytes()).is_some())
}

#[test]
fn a_direction_is_open_again_when_the_last_fault_that_cut_it_has_ended() {
    let (herd, graph) = line_of(2);
    let book = Book::new(&graph, workload::names(1));
    let victims = Victims::new(&herd.servers, &book, &graph, &[], LinkSettings::default());
    let planned = |fault, number| Planned { fault, server: 0, pair: (0, 1), number };
    // The first server on one side, the second one on the other.
    let (partition, cut) = (planned(Fault::Partition, 1), planned(Fault::CutOneWay, 0));
    let world = &herd.world;
    world.keep_trace(1000);
    let count = |what: &str| world.trace().iter().filter(|line| line.contains(what)).count();
    victims.begin(world, cut);
    victims.begin(world, partition);
    assert_eq!((count("can no longer reach"), count("can reach")), (2, 0));
    victims.end(world, partition);
    assert_eq!(count("can reach"), 1, "the other way only");
    victims.end(world, cut);
    assert_eq!(count("can reach"), 2);
    victims.end(world, cut);
    assert_eq!(count("can reach"), 2, "it is open already");
}

#[test]
fn a_neighbor_whose_name_could_not_be_looked_up_is_believed_once_it_can() {
    let old = Resolution::Addresses(vec!["10.9.9.9".parse().unwrap()]);
    for name in [Resolution::Fails(ErrorKind::TimedOut), Resolution::Silent, old] {
        let (herd, graph) = line_of(2);
        let [one, other] = two(&herd);
        let line = b"IAMAT kiwi +1+1 1\n".to_vec();
        feeder::add(&herd, &graph.names, vec![(5 * SECOND, 0, line)]);
        herd.world.run_for(10 * SECOND);
        herd.world.set_name(one.name(), name);
        other.restart();
        herd.world.run_for(25 * SECOND);
        assert!(!knows(&herd, 1, "kiwi"));
        restore_name(&herd.world, &one);
        herd.world.run_for(20 * SECOND);
        assert!(knows(&herd, 1, "kiwi"));
    }
}

/// Says some lines, each at its time after the connection was made. Then it may leave.
struct Speaker {
    reactor: Reactor,
    says: Vec<(Duration, String)>,
    /// When it closes the connection, after it was made; never if `None`.
    leaves: Option<Duration>,
    is_there: Rc<Cell<bool>>,
}

impl Protocol for Speaker {
    fn connection_made(&mut self, transport: &Transport) {
        self.is_there.set(true);
        for (at, line) in self.says.drain(..) {
            let transport = transport.clone();
            self.reactor.call_later(at, move || transport.write(format!("{line}\n").as_bytes()));
        }
        if let Some(after) = self.leaves {
            let leaving = transport.clone();
            self.reactor.call_later(after, move || leaving.lose_connection());
        }
    }

    fn data_received(&mut self, _transport: &Transport, _data: &[u8]) {}

    fn connection_lost(&mut self, _reason: &Reason) {
        self.is_there.set(false);
    }
}

/// Has a program on a host speak to a server. The returned cell says whether it is connected.
fn speak(from: &Host, to: &Host, says: Vec<(Duration, String)>, leaves: Option<Duration>) -> Rc<Cell<bool>> {
    let is_there = Rc::new(Cell::new(false));
    let (noted, there) = (is_there.clone(), SocketAddr::new(to.address(), PORT));
    ask(&from.reactor().unwrap(), move |reactor| {
        let speaker = reactor.clone();
        let build = move |_| Speaker { reactor: speaker.clone(), says: says.clone(), leaves, is_there: noted.clone() };
        reactor.connect_tcp(there, build);
    });
    is_there
}

/// Has a program on a host say to a server that it is another one, and stay as long as it may.
fn claim(from: &Host, to: &Host, name: &str) -> Rc<Cell<bool>> {
    speak(from, to, vec![(Duration::ZERO, format!("PEER {name}"))], None)
}

/// The hosts of the first two servers.
fn two(herd: &Herd) -> [Host; 2] {
    [0, 1].map(|server: usize| herd.servers[server].host())
}

#[test]
fn a_name_is_looked_up_again_while_a_refused_peer_is_connected() {
    let (herd, _) = line_of(2);
    let [one, other] = two(&herd);
    let stranger = herd.world.host("client-1", |_| {});
    let world = &herd.world;
    world.run_for(10 * SECOND);
    world.keep_trace(100_000);
    let look_ups = || world.trace().iter().filter(|line| line.contains("looks a name up")).count();
    world.set_name(one.name(), Resolution::Addresses(vec![NOBODYS]));
    // The stranger's PEER causes a look-up, and its wrong address is believed. The link stays up.
    let strangers = claim(&stranger, &other, one.name());
    world.run_for(SECOND);
    let neighbors = claim(&one, &other, one.name());
    world.run_for(20 * SECOND);
    assert!(strangers.get() && neighbors.get());
    assert_eq!(look_ups(), 2 + 4, "one for each of them, then one every five seconds for both");
    restore_name(world, &one);
    world.run_for(6 * SECOND);
    assert!(strangers.get() && !neighbors.get(), "the neighbor is sent away, so that it connects again");
    stranger.kill();
    world.run_for(6 * SECOND);
    let before = look_ups();
    world.run_for(60 * SECOND);
    assert_eq!(look_ups(), before, "no refused connection is left");
    [&one, &other].iter().for_each(|host| host.terminate());
    world.run_for(10 * SECOND);
    assert_eq!([one.delayed_calls_left(), other.delayed_calls_left()], [0, 0]);
}

#[test]
fn a_neighbor_that_dies_before_its_name_is_looked_up_is_not_counted() {
    let (herd, _) = line_of(2);
    let [one, other] = two(&herd);
    let stranger = herd.world.host("client-1", |_| {});
    let (world, link) = (&herd.world, herd.servers[1].server().unwrap().links()[0].clone());
    world.run_for(10 * SECOND);
    world.set_name(one.name(), Resolution::Addresses(vec![NOBODYS]));
    let strangers = claim(&stranger, &other, one.name());
    world.run_for(SECOND);
    assert_eq!((link.inbound_count(), strangers.get()), (1, true));
    world.set_name(one.name(), Resolution::Silent);
    let neighbors = claim(&one, &other, one.name());
    world.run_for(SECOND);
    assert!(neighbors.get());
    world.reset_connections(&one, &other);
    restore_name(world, &one);
    world.run_for(30 * SECOND);
    assert_eq!((link.inbound_count(), neighbors.get()), (1, false), "its link, which has come again");
}

#[test]
fn the_longest_line_is_taken_though_the_neighbors_name_had_to_be_looked_up() {
    let (herd, graph) = line_of(2);
    let [one, other] = two(&herd);
    let (head, tail) = ("IAMAT kiwi +1.", "+1 1");
    let zeros = "0".repeat(64 * 1024 - head.len() - tail.len());
    feeder::add(&herd, &graph.names, vec![(5 * SECOND, 0, format!("{head}{zeros}{tail}\n").into_bytes())]);
    let world = &herd.world;
    world.run_for(10 * SECOND);
    // The look-up at its start gives a wrong address; the one that the neighbor's PEER causes gives the right one.
    world.set_name(one.name(), Resolution::Addresses(vec![NOBODYS]));
    other.restart();
    world.run_for(SECOND / 40);
    restore_name(world, &one);
    world.keep_trace(100_000);
    world.run_for(10 * SECOND);
    assert!(knows(&herd, 1, "kiwi"));
    let trace = world.trace();
    let said = trace.iter().position(|line| line.contains("PEER Alford")).unwrap();
    let looks = format!("{:<10} looks a name up: \"Alford\"", "Bolden");
    assert!(trace[said..].iter().any(|line| line.contains(&looks)), "it did not know at once");
    let count = |what: &str| trace.iter().filter(|line| line.contains(what)).count();
    assert_eq!((count("PEER"), count("is longer than")), (2, 0));
}

#[test]
fn a_server_stops_at_once_though_a_look_up_is_planned() {
    let (herd, _) = line_of(2);
    let [one, other] = two(&herd);
    let stranger = herd.world.host("client-1", |_| {});
    herd.world.run_for(10 * SECOND);
    let is_there = claim(&stranger, &other, one.name());
    herd.world.run_for(3 * SECOND);
    assert!(is_there.get());
    other.terminate();
    herd.world.run_for(2 * SECOND);
    assert_eq!((other.state(), other.delayed_calls_left(), is_there.get()), (HostState::Idle, 0, false));
}

#[test]
fn a_server_that_is_asked_to_stop_still_tells_what_it_has_taken() {
    const CLIENTS: u64 = 50;
    let (herd, graph) = line_of(2);
    let [one, other] = two(&herd);
    let lines = (0..CLIENTS).map(|client| (10 * SECOND, 0, format!("IAMAT {client} +1+1 1\n").into_bytes()));
    feeder::add(&herd, &graph.names, lines.collect());
    herd.world.run_for(9 * SECOND);
    // So narrow that most of it is still to be sent when the server is asked to stop.
    herd.world.set_link(&one, &other, LinkSettings::default().bandwidth(1000).max_segment(100));
    herd.world.run_for(SECOND + SECOND / 1000);
    assert!(knows(&herd, 0, "49") && !knows(&herd, 1, "49"));
    one.terminate();
    // Its end of the link lingers for as long as a stop may take: the neighbor may still say PING.
    herd.world.run_for(SECOND);
    assert!(one.state() == HostState::Running && !knows(&herd, 1, "49"));
    herd.world.run_for(3 * SECOND / 2);
    assert_eq!(one.state(), HostState::Idle);
    herd.world.run_for(8 * SECOND);
    assert!((0..CLIENTS).all(|client| knows(&herd, 1, &client.to_string())));
}

#[test]
fn a_crowd_fills_the_backlog_and_leaves_nothing_behind() {
    let (herd, graph) = line_of(2);
    let book = Book::new(&graph, workload::names(1));
    let client_host = herd.world.host("client-1", |_| {});
    let victims =
        Victims::new(&herd.servers, &book, &graph, std::slice::from_ref(&client_host), LinkSettings::default());
    let planned = Planned { fault: Fault::Crowd, server: 1, pair: (1, 2), number: 0 };
    let world = &herd.world;
    world.run_for(5 * SECOND);
    let (server, connections) = (herd.servers[1].host(), world.connection_count());
    let before = (server.descriptor_count(), client_host.descriptor_count());
    world.keep_trace(100_000);
    victims.begin(world, planned);
    world.run_for(2 * SECOND);
    assert!(world.trace().iter().any(|line| line.contains("the backlog of port 12200 is full")));
    victims.end(world, planned);
    world.run_for(SECOND);
    let let_in = server.descriptor_count() - before.0;
    assert_eq!(let_in, Limits::default().connections_per_address, "as many as one address may have");
    world.run_for(CROWD_STAYS);
    assert_eq!(
        (server.descriptor_count(), client_host.descriptor_count(), world.connection_count()),
        (before.0, before.1, connections)
    );
}

#[test]
fn nothing_that_an_impostor_on_a_neighbors_machine_says_is_believed() {
    let (herd, graph) = line_of(2);
    let book = Book::new(&graph, workload::names(3));
    let client_host = herd.world.host("client-1", |_| {});
    let victims =
        Victims::new(&herd.servers, &book, &graph, std::slice::from_ref(&client_host), LinkSettings::default());
    herd.world.run_for(5 * SECOND);
    for number in 0..20 {
        victims.begin(&herd.world, Planned { fault: Fault::Forger, server: 0, pair: (0, 1), number });
        herd.world.run_for(SECOND);
    }
    assert_eq!(book.failure(), None);
    let count = book.count();
    assert!(count.asked == count.replies && count.replies >= 60, "{count:?}");
}
