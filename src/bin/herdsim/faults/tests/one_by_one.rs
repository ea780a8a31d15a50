//! One thing at a time: what random runs meet too seldom. Mostly what a neighbour's connection says before it ends, and
//! whether the neighbour that is there then hears of it.

use super::*;
use crate::clients::Say;

/// Has a program on a neighbour's host speak as the neighbour until it leaves, and say a line after `at`: it
/// stands for one that has died and whose lines are still on their way.
fn speak_as_neighbour(from: &Host, to: &Host, at: Duration, line: &str, leaves: Duration) {
    let says = vec![(Duration::ZERO, "PEER Bolden".to_owned()), (at, line.to_owned())];
    drop(speak(from, to, says, Some(leaves)));
}

fn is_linked(herd: &Herd, server: usize) -> bool {
    herd.servers[server].server().unwrap().links()[0].is_up()
}

#[test]
fn a_neighbour_is_told_what_a_connection_said_that_ended_while_another_was_there() {
    let (herd, _) = line_of(2);
    let [one, other] = two(&herd);
    herd.world.run_for(10 * SECOND);
    speak_as_neighbour(&other, &one, SECOND, "AT Bolden +1 kiwi +1+1 1", 2 * SECOND);
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
fn a_neighbour_is_told_what_a_connection_said_that_is_older_than_the_link_to_it() {
    let (herd, [one, other]) = one_way();
    speak_as_neighbour(&other, &one, SECOND, "AT Bolden +1 kiwi +1+1 1", 2 * SECOND);
    herd.world.run_for(2 * SECOND);
    assert!(knows(&herd, 0, "kiwi") && !knows(&herd, 1, "kiwi"));
    herd.world.run_for(SECOND);
    assert!(is_linked(&herd, 0) && !is_linked(&herd, 1) && knows(&herd, 1, "kiwi"));
}

#[test]
fn a_neighbour_that_comes_after_the_last_one_has_gone_is_told_what_that_said() {
    let (herd, [one, other]) = one_way();
    herd.world.run_for(SECOND);
    assert!(is_linked(&herd, 0) && !is_linked(&herd, 1));
    speak_as_neighbour(&other, &one, SECOND, "AT Bolden +1 kiwi +1+1 1", 2 * SECOND);
    herd.world.run_for(20 * SECOND);
    assert!(knows(&herd, 0, "kiwi") && !knows(&herd, 1, "kiwi"), "for all that is known it is the same neighbour");
    restore_name(&herd.world, &one);
    herd.world.run_for(6 * SECOND);
    assert!(is_linked(&herd, 1) && knows(&herd, 1, "kiwi"));
}

#[test]
fn a_neighbour_is_told_what_another_said_though_news_of_that_client_waited_for_it_before() {
    const MUCH: usize = 40;
    let (herd, graph) = line_of(2);
    let [one, other] = two(&herd);
    let long = |number| format!("IAMAT {number} +1.{}+1 1\n", "0".repeat(60_000)).into_bytes();
    let mut lines: Vec<_> = (0..MUCH).map(|number| (12 * SECOND, 0, long(number))).collect();
    lines.push((12 * SECOND, 0, b"IAMAT kiwi +1+1 1\n".to_vec()));
    feeder::add(&herd, &graph.names, lines);
    herd.world.run_for(10 * SECOND);
    speak_as_neighbour(&other, &one, 3 * SECOND, "AT Bolden +1 kiwi +1+1 2", 4 * SECOND);
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
    assert_eq!(told.as_deref(), Some(&b"AT Bolden +1 kiwi +1+1 2"[..]));
}

#[test]
fn a_herd_that_was_split_for_minutes_is_whole_as_soon_as_one_more_attempt_can_be_made() {
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
fn a_stranger_who_says_that_it_is_a_neighbour_and_no_more_is_answered_before_the_end() {
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

/// Somebody who says very much at once and does not read until a time.
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
fn a_client_that_does_not_read_is_not_read_from_until_it_does() {
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
        line.map_or(0, |line| String::from_utf8(line).unwrap().rsplit(' ').next().unwrap().parse::<usize>().unwrap())
    };
    herd.world.run_for(20 * SECOND);
    assert!(taken() > 0 && taken() < LINES / 2, "{} of {LINES} lines are taken", taken());
    herd.world.run_for(20 * SECOND);
    assert_eq!(taken(), LINES);
}
