//! One case at a time: cases that random runs meet too seldom. Mostly: a neighbor's connection says something before it
//! ends; does the neighbor's current process hear of it?

use super::*;
use crate::clients::Say;

/// Has a program on a neighbor's host speak as the neighbor until it leaves, and say a line after `at`. It stands for
/// an earlier process of the neighbor that has died while its lines were on their way.
fn speak_as_neighbor(from: &Host, to: &Host, at: Duration, line: &str, leaves: Duration) {
    let says = vec![(Duration::ZERO, "PEER Bolden".to_owned()), (at, line.to_owned())];
    drop(speak(from, to, says, Some(leaves)));
}

fn is_linked(herd: &Herd, server: usize) -> bool {
    herd.servers[server].server().unwrap().links()[0].is_up()
}

#[test]
fn a_neighbor_is_told_what_one_connection_said_if_another_is_open_when_it_ends() {
    let (herd, _) = line_of(2);
    let [one, other] = two(&herd);
    herd.world.run_for(10 * SECOND);
    speak_as_neighbor(&other, &one, SECOND, "AT Bolden +1.000000000 kiwi +1+1 1", 2 * SECOND);
    herd.world.run_for(2 * SECOND);
    assert!(knows(&herd, 0, "kiwi") && !knows(&herd, 1, "kiwi"));
    herd.world.run_for(SECOND);
    assert!(knows(&herd, 1, "kiwi"));
}

/// Two servers of which the second cannot link up with the first any more: it cannot look its name up.
fn one_way() -> (Herd, [Host; 2]) {
    let (herd, _) = line_of(2);
    let [one, other] = two(&herd);
    herd.world.run_for(10 * SECOND);
    herd.world.set_name(one.name(), Resolution::Fails(ErrorKind::TimedOut));
    herd.world.reset_connections(&one, &other);
    (herd, [one, other])
}

#[test]
fn a_neighbor_is_told_what_a_connection_older_than_our_link_said() {
    let (herd, [one, other]) = one_way();
    speak_as_neighbor(&other, &one, SECOND, "AT Bolden +1.000000000 kiwi +1+1 1", 2 * SECOND);
    herd.world.run_for(2 * SECOND);
    assert!(knows(&herd, 0, "kiwi") && !knows(&herd, 1, "kiwi"));
    herd.world.run_for(SECOND);
    assert!(is_linked(&herd, 0) && !is_linked(&herd, 1) && knows(&herd, 1, "kiwi"));
}

#[test]
fn a_neighbor_that_connects_again_is_told_what_its_last_connection_said() {
    let (herd, [one, other]) = one_way();
    herd.world.run_for(SECOND);
    assert!(is_linked(&herd, 0) && !is_linked(&herd, 1));
    speak_as_neighbor(&other, &one, SECOND, "AT Bolden +1.000000000 kiwi +1+1 1", 2 * SECOND);
    herd.world.run_for(20 * SECOND);
    assert!(knows(&herd, 0, "kiwi") && !knows(&herd, 1, "kiwi"), "as far as is known it is the same process");
    restore_name(&herd.world, &one);
    herd.world.run_for(6 * SECOND);
    assert!(is_linked(&herd, 1) && knows(&herd, 1, "kiwi"));
}

#[test]
fn a_neighbor_is_told_back_about_a_client_of_which_other_news_was_already_pending() {
    const MUCH: usize = 40;
    let (herd, graph) = line_of(2);
    let [one, other] = two(&herd);
    let long = |number| format!("IAMAT {number} +1.{}+1 1\n", "0".repeat(60_000)).into_bytes();
    let mut lines: Vec<_> = (0..MUCH).map(|number| (12 * SECOND, 0, long(number))).collect();
    lines.push((12 * SECOND, 0, b"IAMAT kiwi +1+1 1\n".to_vec()));
    feeder::add(&herd, &graph.names, lines);
    herd.world.run_for(10 * SECOND);
    speak_as_neighbor(&other, &one, 3 * SECOND, "AT Bolden +1.000000000 kiwi +1+1 2", 4 * SECOND);
    herd.world.run_for(SECOND);
    // So narrow that most of it waits.
    herd.world.set_link(&one, &other, LinkSettings::default().bandwidth(20_000));
    herd.world.run_for(5 * SECOND);
    let link = herd.servers[0].server().unwrap().links()[0].clone();
    assert!(link.pending_count() > 1 && link.buffered() > 0 && knows(&herd, 0, "kiwi") && !knows(&herd, 1, "kiwi"));
    herd.world.set_link(&one, &other, LinkSettings::default());
    herd.world.run_for(30 * SECOND);
    assert!(link.pending_count() == 0 && is_linked(&herd, 1));
    let told = herd.servers[1].server().unwrap().locations().borrow().get(b"kiwi").map(|known| known.line.clone());
    assert_eq!(told.as_deref(), Some(&b"AT Bolden +1.000000000 kiwi +1+1 2"[..]));
}

#[test]
fn a_herd_that_was_split_for_minutes_is_whole_after_one_more_attempt() {
    for seed in 1..=10 {
        let (herd, _) = line_in(World::new(seed), 2);
        let [one, other] = two(&herd);
        herd.world.run_for(10 * SECOND);
        herd.world.partition(std::slice::from_ref(&one), std::slice::from_ref(&other));
        herd.world.run_for(180 * SECOND);
        assert!(!is_linked(&herd, 0) && !is_linked(&herd, 1));
        herd.world.heal();
        // The attempt that is under way may fail: 5 s. Then comes the longest wait: 5 s.
        herd.world.run_for(11 * SECOND);
        assert!(is_linked(&herd, 0) && is_linked(&herd, 1), "seed {seed}");
    }
}

#[test]
fn a_stranger_that_says_only_peer_gets_its_reply_before_the_end() {
    for ending in [Ending::HalfClose, Ending::EndsInLine, Ending::WhenAnswered] {
        let (herd, graph) = line_of(2);
        let book = Book::new(&graph, workload::names(1));
        let client_host = herd.world.host("client-1", |_| {});
        herd.world.run_for(5 * SECOND);
        let says = vec![(Duration::ZERO, Say::Nonsense(b"PEER Alford".as_slice().into()))];
        let visit = Visit { at: Duration::ZERO, server: 1, says, ending, reads_after: Duration::ZERO, is_calm: true };
        let (names, onlooker) = (graph.names.clone(), book.clone());
        ask(&client_host.reactor().unwrap(), move |reactor| clients::call_on(reactor, visit, &names, &onlooker));
        herd.world.run_for(5 * SECOND);
        assert_eq!(book.failure(), None, "{ending:?}");
        assert_eq!(book.count().replies, 1, "{ending:?}");
    }
}

/// Says very much at once, and does not read until a given time.
struct Deaf {
    reactor: Reactor,
    says: Vec<u8>,
    reads_after: Duration,
}

impl Protocol for Deaf {
    fn connection_made(&mut self, transport: &Transport) {
        transport.pause_producing();
        transport.write(&std::mem::take(&mut self.says));
        let reader = transport.clone();
        self.reactor.call_later(self.reads_after, move || reader.resume_producing());
    }

    fn data_received(&mut self, _transport: &Transport, _data: &[u8]) {}
}

#[test]
fn a_client_that_does_not_read_its_replies_is_not_read_from() {
    const LINES: usize = 40_000;
    let (herd, _) = line_of(1);
    let server = herd.servers[0].host();
    let client_host = herd.world.host("client-1", |_| {});
    herd.world.run_for(SECOND);
    let says: Vec<u8> = (1..=LINES).flat_map(|time| format!("IAMAT kiwi +1+1 {time}\n").into_bytes()).collect();
    let there = SocketAddr::new(server.address(), PORT);
    ask(&client_host.reactor().unwrap(), move |reactor| {
        let deaf = reactor.clone();
        let build = move |_| Deaf { reactor: deaf.clone(), says: says.clone(), reads_after: 30 * SECOND };
        reactor.connect_tcp(there, build);
    });
    let taken = || {
        let server = herd.servers[0].server().unwrap();
        let line = server.locations().borrow().get(b"kiwi").map(|known| known.line.clone());
        line.map_or(0, |line| str::from_utf8(&line).unwrap().rsplit(' ').next().unwrap().parse::<usize>().unwrap())
    };
    herd.world.run_for(20 * SECOND);
    assert!(taken() > 0 && taken() < LINES / 2, "{} of {LINES} lines are taken", taken());
    herd.world.run_for(20 * SECOND);
    assert_eq!(taken(), LINES);
}

#[test]
fn a_server_that_is_suspended_is_given_up_within_fifteen_seconds_of_its_last_ping() {
    let (herd, graph) = line_of(2);
    let book = Book::new(&graph, Vec::new());
    let victims = Victims::new(&herd.servers, &book, &graph, &[], LinkSettings::default());
    let since = || herd.servers[0].server().unwrap().links()[0].pinged_since();
    herd.world.run_for(4 * SECOND);
    assert_eq!(since(), None);
    herd.world.run_for(6 * SECOND);
    let before = since();
    assert!(before.is_some());
    victims.begin(&herd.world, Planned { fault: Fault::Pause, server: 1, pair: (0, 1), number: 0 });
    herd.world.run_for(13 * SECOND / 2);
    assert_eq!(since(), before);
    herd.world.run_for(17 * SECOND / 2);
    assert_eq!(since(), None, "the new connection waits in its backlog");
    herd.world.run_for(10 * SECOND);
    assert!(!book.has_failed());
    two(&herd)[1].resume();
    herd.world.run_for(10 * SECOND);
    assert!(since().is_some() && is_linked(&herd, 1));
}
