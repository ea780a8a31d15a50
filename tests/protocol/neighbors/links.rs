//! The link, a server's own connection to a neighbor: how it catches up, copes with a slow reader, and comes back.

use crate::harness::{Connection, Harness, Port};
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

/// The minimum wait before a link is tried again.
const MIN_WAIT: Duration = Duration::from_millis(100);

/// The maximum wait.
const MAX_WAIT: Duration = Duration::from_secs(5);

/// The step in which these tests move the clock.
const STEP: Duration = Duration::from_millis(10);

/// Alford and its neighbor Bolden, played by the test.
fn with_bolden(test: impl FnOnce(&Harness, &Port<'_>, SocketAddr)) {
    let harness = Harness::new();
    let bolden = harness.listen();
    let (server, _) = harness.start_among(&[("Bolden", bolden.address())]);
    test(&harness, &bolden, server);
}

/// Breaks a link. Returns the time at which the server has noticed and begins to wait.
#[track_caller]
fn lose(harness: &Harness, link: Connection<'_>) -> Duration {
    let before = harness.reactor.delayed_call_count();
    drop(link);
    harness.turn_until("the server waits to try again", || harness.reactor.delayed_call_count() > before);
    harness.passed()
}

/// Lets time pass until the link is tried again. Returns the time of that, and the new link.
#[track_caller]
fn next_attempt<'s>(harness: &Harness, port: &Port<'s>) -> (Duration, Connection<'s>) {
    let before = harness.attempts();
    let latest = harness.passed() + 2 * MAX_WAIT;
    while harness.attempts() == before {
        assert!(harness.passed() < latest, "the link is not tried again");
        harness.advance(STEP);
    }
    (harness.passed(), port.accept_link())
}

/// Breaks a link ten times, so that the waits have grown.
#[track_caller]
fn fail_often(harness: &Harness, port: &Port<'_>) {
    let mut link = port.accept_link();
    for _ in 0..10 {
        lose(harness, link);
        link = next_attempt(harness, port).1;
    }
    lose(harness, link);
}

#[test]
fn a_link_says_peer_first_and_then_everything_that_is_known() {
    with_bolden(|harness, port, server| {
        let mut link = port.accept_link();
        let mut client = harness.connect(server);
        let mut known = BTreeMap::new();
        for time in 0..2 {
            for number in 0..500 {
                let at = client.ask(&format!("IAMAT client{number} +1+2 {time}"));
                assert_eq!(link.line(), at, "news goes down a link that is up");
                known.insert(number, at);
            }
        }
        lose(harness, link);

        let (_, mut link) = next_attempt(harness, port);
        // A server of the paper's protocol does not know this, nor PEER.
        assert_eq!(link.line(), "DIGEST -");
        link.send("? PEER Alford\n? DIGEST -\n");
        let mut told: Vec<String> = known.iter().map(|_| link.line()).collect();
        let mut known: Vec<String> = known.into_values().collect();
        told.sort();
        known.sort();
        assert_eq!(told, known);
        // Each once: the next thing is the next news.
        let news = client.ask("IAMAT more +1+2 0");
        assert_eq!(link.line(), news);
    });
}

#[test]
fn a_new_link_tells_a_neighbor_even_what_it_said_itself() {
    with_bolden(|harness, port, server| {
        let link = port.accept_link();
        let mut bolden = harness.connect(server);
        bolden.send("PEER Bolden\nAT Bolden +0.500000000 kiwi +1+2 100\n");
        assert_eq!(bolden.ask("taken?"), "? taken?");
        lose(harness, link);
        let (_, mut link) = next_attempt(harness, port);
        assert_eq!(link.line(), "AT Bolden +0.500000000 kiwi +1+2 100", "it may have restarted and know nothing");
    });
}

/// A connection of an earlier Bolden may deliver its last words after the link to the restarted Bolden is up. That one
/// does not know them.
#[test]
fn the_end_of_a_connection_older_than_the_link_tells_a_neighbor_what_it_said() {
    with_bolden(|harness, port, server| {
        let link = port.accept_link();
        let mut old = harness.connect(server);
        old.send("PEER Bolden\nAT Bolden +0.500000000 kiwi +1+2 100\n");
        assert_eq!(old.ask("taken?"), "? taken?");
        lose(harness, link);
        let (_, mut link) = next_attempt(harness, port);
        assert_eq!(link.line(), "AT Bolden +0.500000000 kiwi +1+2 100");
        assert_eq!(old.ask("AT Bolden +0.500000000 lime +1+2 101\ntaken?"), "? taken?");
        let mut client = harness.connect(server);
        let news = client.ask("IAMAT ours +1+2 1");
        assert_eq!(link.line(), news, "while a neighbor's connection is open, it is taken to know what it said on it");
        drop(old);
        assert_eq!(link.line(), "AT Bolden +0.500000000 lime +1+2 101");
        let news = client.ask("IAMAT ours +1+2 2");
        assert_eq!(link.line(), news, "and nothing else: it heard of kiwi when the link came up");
    });
}

#[test]
fn a_neighbor_that_comes_again_is_told_what_it_said_before() {
    with_bolden(|harness, port, server| {
        let mut link = port.accept_link();
        let mut client = harness.connect(server);
        let mut bolden = harness.connect(server);
        bolden.send("PEER Bolden\nAT Bolden +0.500000000 kiwi +1+2 100\n");
        assert_eq!(bolden.ask("taken?"), "? taken?");
        drop(bolden);
        // The end of the connection alone tells Bolden nothing.
        let news = client.ask("IAMAT ours +1+2 1");
        assert_eq!(link.line(), news);
        let mut again = harness.connect(server);
        again.send("PEER Bolden\n");
        assert_eq!(link.line(), "AT Bolden +0.500000000 kiwi +1+2 100");
        // A connection that ends while another one is open.
        assert_eq!(again.ask("AT Bolden +0.500000000 lime +1+2 100\ntaken?"), "? taken?");
        let mut third = harness.connect(server);
        assert_eq!(third.ask("PEER Bolden\nhere?"), "? here?");
        drop(again);
        assert_eq!(link.line(), "AT Bolden +0.500000000 lime +1+2 100");
        let news = client.ask("IAMAT ours +1+2 2");
        assert_eq!(link.line(), news, "and nothing else: it has been told about kiwi on this link");
    });
}

#[test]
fn the_end_of_a_connection_that_brought_no_news_tells_the_neighbor_nothing() {
    with_bolden(|harness, port, server| {
        let mut link = port.accept_link();
        let mut bolden = harness.connect(server);
        bolden.send("PEER Bolden\nAT Bolden +0.500000000 kiwi +1+2 100\n");
        assert_eq!(bolden.ask("taken?"), "? taken?");
        for lines in ["PEER Bolden\n", "PEER Bolden\nAT Bolden +0.500000000 kiwi +1+2 100\n"] {
            let mut other = harness.connect(server);
            other.send(lines);
            assert_eq!(other.ask("taken?"), "? taken?");
            drop(other);
        }
        let mut client = harness.connect(server);
        let news = client.ask("IAMAT lime +1+2 0");
        assert_eq!(link.line(), news);
    });
}

#[test]
fn everything_that_a_neighbor_sends_on_our_link_is_ignored() {
    with_bolden(|harness, port, server| {
        let mut link = port.accept_link();
        link.send("? PEER Alford\nIAMAT back +1+2 0\nAT Bolden +0.500000000 back +1+2 0\nFOO\n");
        link.send(vec![b'x'; 200_000]);
        link.send("\n");
        let mut client = harness.connect(server);
        assert_eq!(client.ask("WHATSAT back 1 1"), "? WHATSAT back 1 1");
        let news = client.ask("IAMAT kiwi +1+2 0");
        assert_eq!(link.line(), news, "and the link goes on");
    });
}

#[test]
fn a_link_is_tried_again_with_waits_that_grow_to_five_seconds() {
    with_bolden(|harness, port, _| {
        let mut link = port.accept_link();
        let mut waits = Vec::new();
        for _ in 0..14 {
            let lost = lose(harness, link);
            let (at, next) = next_attempt(harness, port);
            waits.push(at - lost);
            link = next;
        }
        for wait in &waits {
            assert!((MIN_WAIT..=MAX_WAIT + STEP).contains(wait), "{waits:?}");
        }
        assert!(waits[0] <= 2 * MIN_WAIT + STEP, "{waits:?}");
        // The last eight lie anywhere up to five seconds. That all are short by chance has a probability of 1 in 10
        // million.
        assert!(waits[6..].iter().any(|wait| *wait > MAX_WAIT / 8), "{waits:?}");
    });
}

/// Alford with many neighbors, none of which is there.
fn with_many(links: usize) -> Harness {
    let harness = Harness::new();
    let nobody = harness.listen().address(); // The port is closed again at once.
    let names: Vec<String> = (0..links).map(|number| format!("Bolden{number}")).collect();
    let neighbors: Vec<(&str, SocketAddr)> = names.iter().map(|name| (name.as_str(), nobody)).collect();
    harness.start_among(&neighbors);
    harness
}

#[test]
fn many_links_are_not_opened_all_at_once() {
    const LINKS: usize = 200;
    let harness = with_many(LINKS);
    harness.turn_until("the first are tried", || harness.attempts() >= 40);
    (0..50).for_each(|_| harness.turn());
    assert_eq!(harness.attempts(), 40);
    // Before the first of them come again.
    for more in 1..15 {
        harness.advance(Duration::from_millis(5));
        harness.turn();
        assert_eq!(harness.attempts(), 40 + more);
    }
}

#[test]
fn many_links_that_fail_at_once_are_not_tried_again_all_at_once() {
    const LINKS: usize = 200;
    let harness = with_many(LINKS);
    harness.turn_until("the first are tried", || harness.attempts() == 40);
    // For a server that was held up, all of the others are due.
    harness.advance(Duration::from_millis(5) * (LINKS as u32 - 40));
    (0..50).for_each(|_| harness.turn());
    let before = harness.attempts();
    assert!((LINKS..LINKS + 40).contains(&before), "{before}");
    harness.advance(2 * MIN_WAIT);
    harness.turn();
    // They are spread over a second, from a tenth on: about 22 are due. With two hundred due, or half of that, they are
    // not spread. That half of them are due by chance has a probability of less than 1 in 10 million.
    let again = harness.attempts() - before;
    assert!(again < LINKS / 2, "{again} of {LINKS} were tried again within 0.2 s");
}

#[test]
fn a_link_that_held_for_five_seconds_is_tried_again_soon() {
    with_bolden(|harness, port, _| {
        fail_often(harness, port);
        let (_, link) = next_attempt(harness, port);
        harness.advance(Duration::from_secs(6));
        let lost = lose(harness, link);
        let (at, _link) = next_attempt(harness, port);
        assert!(at - lost <= 2 * MIN_WAIT + STEP, "{:?}", at - lost);
    });
}

#[test]
fn a_neighbor_that_connects_is_linked_to_at_once() {
    with_bolden(|harness, port, server| {
        fail_often(harness, port);
        let mut bolden = harness.connect(server);
        // From here on the clock stands still.
        assert_eq!(bolden.ask("PEER Bolden\nhere"), "? here");
        assert_eq!(port.accept().line(), "PEER Alford");
    });
}

#[test]
fn a_server_serves_its_clients_without_its_neighbors() {
    let harness = Harness::new();
    let nobody = harness.listen().address(); // The port is closed again at once.
    let (server, _) = harness.start_among(&[("Bolden", nobody), ("Zed", nobody)]);
    let mut client = harness.connect(server);
    for _ in 0..20 {
        harness.advance(Duration::from_secs(1));
        assert!(client.ask(&format!("IAMAT kiwi +1+2 {}", harness.next())).starts_with("AT Alford "));
    }
}

#[test]
fn a_neighbor_that_does_not_read_is_owed_only_the_newest_of_each_client() {
    const CLIENTS: usize = 8;
    const ROUNDS: usize = 60;
    with_bolden(|harness, port, server| {
        let mut link = port.accept_link();
        let mut client = harness.connect(server);
        // Lines of a length that soon fills the system's buffers.
        let tail = "x".repeat(60_000);
        let mut newest = BTreeMap::new();
        for round in 0..ROUNDS {
            for number in 0..CLIENTS {
                newest.insert(number, client.ask(&format!("IAMAT client{number}-{tail} +1+2 {round}")));
            }
        }
        let marker = client.ask("IAMAT marker +1+2 0");

        let mut last = BTreeMap::new();
        let mut lines = 0;
        loop {
            let line = link.line();
            if line == marker {
                break;
            }
            let name = line.split(' ').nth(3).unwrap();
            let number: usize = name["client".len()..name.find('-').unwrap()].parse().unwrap();
            last.insert(number, line);
            lines += 1;
        }
        assert!(last == newest, "some newest location is missing");
        assert!(lines < CLIENTS * ROUNDS, "all {lines} lines were kept for it");
    });
}

#[test]
fn a_neighbor_catches_up_at_the_pace_at_which_it_reads() {
    const CLIENTS: usize = 300;
    with_bolden(|harness, port, server| {
        let link = port.accept_link();
        lose(harness, link);
        let mut client = harness.connect(server);
        let tail = "x".repeat(60_000);
        let mut tell = |time| -> Vec<String> {
            (0..CLIENTS).map(|number| client.ask(&format!("IAMAT client{number}-{tail} +1+2 {time}"))).collect()
        };
        tell(0);
        let (_, mut link) = next_attempt(harness, port);
        // The link is up, but most lines wait for it. A line that becomes old while it waits need not be sent.
        let newest: BTreeSet<String> = tell(1).into_iter().collect();
        let mut told = BTreeSet::new();
        let mut lines = 0;
        while told.len() < CLIENTS {
            told.extend(Some(link.line()).filter(|line| newest.contains(line)));
            lines += 1;
        }
        assert!(lines < 2 * CLIENTS, "all {lines} lines were written to a connection that was not read");
    });
}
