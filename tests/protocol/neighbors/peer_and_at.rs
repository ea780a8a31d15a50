//! PEER and AT on a connection to the server: which peer may say them, and what the server does.

use crate::harness::{Connection, Harness, NOW, Port, herd};
use crate::held_places::HeldPlaces;
use proxyherd::config::Config;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

/// The address of a neighbor that never connects: no test connects from it.
const ELSEWHERE: &str = "127.0.0.2:1";

/// Alford with its neighbors Bolden and Zed, both played by the test.
pub(super) struct Three<'s> {
    harness: &'s Harness,
    server: SocketAddr,
    /// Alford's links to them.
    bolden: Connection<'s>,
    zed: Connection<'s>,
    ports: [Port<'s>; 2],
}

impl<'s> Three<'s> {
    #[track_caller]
    pub(super) fn new(harness: &'s Harness) -> Three<'s> {
        Three::of(harness, |config| config)
    }

    /// The same, with another configuration.
    #[track_caller]
    pub(super) fn of(harness: &'s Harness, change: impl FnOnce(Config) -> Config) -> Three<'s> {
        let ports = [harness.listen(), harness.listen()];
        let [bolden, zed] = ports.each_ref().map(Port::address);
        let config = change(herd(&[("Bolden", bolden), ("Zed", zed)]));
        let server = harness.start(&config, Rc::new(HeldPlaces::default()));
        let [bolden, zed] = ports.each_ref().map(Port::accept_link);
        Three { harness, server, bolden, zed, ports }
    }

    /// Breaks the link to Bolden, and waits for the next one. Returns what Bolden is told on it.
    #[track_caller]
    pub(super) fn bring_link_up_again(&mut self) -> Vec<String> {
        self.bolden.half_close();
        let harness = self.harness;
        let mut next = None;
        harness.turn_until("the link is tried again", || {
            harness.advance(Duration::from_millis(100));
            next = self.ports[0].try_accept();
            next.is_some()
        });
        self.bolden = next.unwrap();
        assert_eq!(self.bolden.line(), "PEER Alford");
        let [mut told, _] = self.told();
        if told.iter().any(|line| line == "DIGEST -") {
            self.bolden.send("? DIGEST -\n"); // As a server of the paper's protocol.
            told.append(&mut self.told()[0]);
        }
        told.retain(|line| line != "DIGEST -" && !line.contains(" marker "));
        told
    }

    /// A connection to Alford from another machine.
    #[track_caller]
    pub(super) fn connect_from(&self, address: [u8; 4]) -> Connection<'s> {
        self.harness.connect_from(address, self.server)
    }

    /// A new connection to Alford. If there is a name, the first line on it is PEER with this name.
    #[track_caller]
    pub(super) fn connect(&self, peer: Option<&str>) -> Connection<'s> {
        let mut connection = self.harness.connect(self.server);
        if let Some(name) = peer {
            connection.send(format!("PEER {name}\n"));
        }
        connection
    }

    /// The lines that each neighbor has got since the last call.
    #[track_caller]
    pub(super) fn told(&mut self) -> [Vec<String>; 2] {
        // This news goes to both neighbors, after everything that was sent before.
        let marker = self.connect(None).ask(&format!("IAMAT marker +1+2 {}", self.harness.next()));
        [&mut self.bolden, &mut self.zed].map(|link| {
            let mut lines = vec![link.line()];
            while lines.last() != Some(&marker) {
                lines.push(link.line());
            }
            lines.pop();
            lines
        })
    }

    /// Checks what the server knows about a client.
    #[track_caller]
    fn check_known(&mut self, at: &str) {
        // Bolden sends something older about the client, so the server tells it what is newer.
        let client = at.split(' ').nth(3).unwrap();
        let mut bolden = self.connect(Some("Bolden"));
        bolden.send(format!("AT Bolden +1.000000000 {client} +0+0 -999999999999\n"));
        assert_eq!(self.bolden.line(), at);
    }
}

const NEWS: &str = "AT Bolden +0.500000000 kiwi +1+2 100";

#[test]
fn a_neighbors_at_goes_only_to_the_other_neighbors_and_gets_no_reply() {
    let harness = Harness::new();
    let mut herd = Three::new(&harness);
    let mut bolden = herd.connect(Some("Bolden"));
    bolden.send(format!("{NEWS}\n"));
    assert_eq!(bolden.ask("next"), "? next");
    assert_eq!(herd.told(), [vec![], vec![NEWS.to_owned()]]);
    herd.check_known(NEWS);
}

#[test]
fn an_at_without_a_peer_goes_to_every_neighbor() {
    let harness = Harness::new();
    let mut herd = Three::new(&harness);
    let mut someone = herd.connect(None);
    someone.send(format!(" AT\tBolden  +0.500000000 kiwi +1+2 100\r\n{NEWS}\n"));
    assert_eq!(someone.ask("next"), "? next");
    assert_eq!(herd.told(), [vec![NEWS.to_owned()], vec![NEWS.to_owned()]]);
}

#[test]
fn an_at_that_is_known_already_is_not_passed_on() {
    let harness = Harness::new();
    let mut herd = Three::new(&harness);
    let (mut bolden, mut zed) = (herd.connect(Some("Bolden")), herd.connect(Some("Zed")));
    bolden.send(format!("{NEWS}\n"));
    bolden.ask("taken?");
    herd.told();
    for connection in [&mut bolden, &mut zed] {
        connection.send(format!("{NEWS}\n{NEWS}\n"));
        assert_eq!(connection.ask("next"), "? next");
    }
    assert_eq!(herd.told(), [vec![], vec![] as Vec<String>]);
}

#[test]
fn an_older_at_is_answered_with_the_newer_one_and_not_passed_on() {
    let harness = Harness::new();
    let mut herd = Three::new(&harness);
    let newer = herd.connect(None).ask("IAMAT kiwi +1+2 100");
    herd.told();
    let mut bolden = herd.connect(Some("Bolden"));
    bolden.send("AT Bolden +0.500000000 kiwi +5+6 99.999999999\n");
    assert_eq!(bolden.ask("next"), "? next", "the answer goes down the link, not here");
    assert_eq!(herd.told(), [vec![newer.clone()], vec![]]);
    herd.check_known(&newer);

    // A peer that has not said which neighbor it is gets no answer: there is no link to send it down.
    let mut someone = herd.connect(None);
    someone.send("AT Bolden +0.500000000 kiwi +5+6 99\n");
    assert_eq!(someone.ask("next"), "? next");
    assert_eq!(herd.told(), [vec![], vec![] as Vec<String>]);
}

#[test]
fn a_malformed_at_is_an_invalid_command() {
    let harness = Harness::new();
    let mut herd = Three::new(&harness);
    for peer in [None, Some("Bolden")] {
        let mut connection = herd.connect(peer);
        for line in [
            "AT",
            "AT Bolden +0.500000000 kiwi +1+2",
            "AT Bolden +0.500000000 kiwi +1+2 100 more",
            "AT Bolden soon kiwi +1+2 100",
            "AT Bolden 0.500000000 kiwi +1+2 100",
            "AT Bolden +0.5 kiwi +1+2 100",
            "AT Bolden +0.500000000 kiwi 1+2 100",
            "AT Bolden +0.500000000 kiwi +91+2 100",
            "AT Bolden +0.500000000 kiwi +1+2 1e2",
            "at Bolden +0.5 kiwi +1+2 100",
        ] {
            assert_eq!(connection.ask(line), format!("? {line}"));
        }
    }
    assert_eq!(herd.told(), [vec![], vec![] as Vec<String>]);
}

#[test]
fn peer_is_accepted_only_on_the_first_line_and_with_a_neighbors_name() {
    let harness = Harness::new();
    let mut herd = Three::new(&harness);
    for first in ["FOO", "PEER Nobody", "PEER Alford", "PEER bolden", "PEER", "PEER Bolden Zed", "IAMAT first +1+2 0"] {
        let mut connection = herd.connect(None);
        let reply = connection.ask(first);
        assert!(reply == format!("? {first}") || first.starts_with("IAMAT"), "{reply}");
        assert_eq!(connection.ask("PEER Bolden"), "? PEER Bolden", "after {first}");
    }
    let mut connection = herd.connect(Some("Bolden"));
    assert_eq!(connection.ask("PEER Bolden"), "? PEER Bolden");
    assert_eq!(connection.ask("PEER Zed"), "? PEER Zed");
    // It is still Bolden.
    herd.told();
    connection.send(format!("{NEWS}\n"));
    connection.ask("taken?");
    assert_eq!(herd.told(), [vec![], vec![NEWS.to_owned()]]);
}

#[test]
fn a_neighbor_is_believed_only_from_its_own_address() {
    let harness = Harness::new();
    let (server, _) = harness.start_among(&[("Bolden", ELSEWHERE.parse().unwrap())]);
    for lines in [["PEER Bolden", NEWS], [NEWS, "FOO"]] {
        let mut connection = harness.connect(server);
        for line in lines {
            assert_eq!(connection.ask(line), format!("? {line}"));
        }
        assert_eq!(connection.ask("WHATSAT kiwi 1 1"), "? WHATSAT kiwi 1 1");
    }
}

#[test]
fn an_at_is_accepted_from_any_neighbors_address_but_peer_only_from_its_own() {
    let harness = Harness::new();
    let zed = harness.listen();
    let (server, held) = harness.start_among(&[("Bolden", ELSEWHERE.parse().unwrap()), ("Zed", zed.address())]);
    let mut connection = harness.connect(server);
    assert_eq!(connection.ask("PEER Bolden"), "? PEER Bolden");
    connection.send(format!("{NEWS}\nWHATSAT kiwi 1 1\n"));
    harness.turn_until("the AT is taken", || held.questions().len() == 1);
}

#[test]
fn a_server_of_the_herd_that_is_not_a_neighbor_is_treated_as_a_client() {
    let harness = Harness::new();
    let bolden = harness.listen();
    let mut config = crate::harness::herd(&[("Bolden", bolden.address())]);
    config.servers.get_mut("Alford").unwrap().neighbors.clear();
    let server = harness.start(&config, Rc::new(HeldPlaces::default()));
    let mut connection = harness.connect(server);
    assert_eq!(connection.ask("PEER Bolden"), "? PEER Bolden");
    assert_eq!(connection.ask(NEWS), format!("? {NEWS}"));
}

#[test]
fn a_neighbors_connection_may_carry_a_clients_commands_too() {
    let harness = Harness::new();
    let mut herd = Three::new(&harness);
    let mut bolden = herd.connect(Some("Bolden"));
    let at = bolden.ask("IAMAT kiwi +1+2 0");
    assert_eq!(herd.told(), [vec![at.clone()], vec![at]], "a client's news goes to everybody");
}

#[test]
fn a_neighbors_overlong_line_is_left_out_and_the_next_one_is_taken() {
    /// The limit on a client's line, and what an AT adds to it.
    const LIMIT: usize = 65_536 + 1024;
    let harness = Harness::new();
    let mut herd = Three::new(&harness);
    let mut bolden = herd.connect(Some("Bolden"));
    for (time, more) in [1, 2000, 200_000].into_iter().enumerate() {
        let at = |client: &str| format!("AT Bolden +0.500000000 {client} +1+2 {time}");
        let long = at(&"x".repeat(LIMIT + more - at("").len()));
        assert_eq!(long.len(), LIMIT + more);
        bolden.send(format!("{}\n{long}\n{}\n", at("before"), at("after")));
        assert_eq!(bolden.line(), format!("? a line is longer than {LIMIT} bytes"));
        assert_eq!(bolden.ask("next"), "? next");
        assert_eq!(herd.told(), [vec![], vec![at("before"), at("after")]]);
    }
}

#[test]
fn an_at_of_a_server_that_the_herd_does_not_have_is_refused() {
    let harness = Harness::new();
    let mut herd = Three::new(&harness);
    for peer in [None, Some("Bolden")] {
        let line = "AT Evil +0.500000000 kiwi +1+2 100";
        assert_eq!(herd.connect(peer).ask(line), format!("? {line}"));
    }
    assert_eq!(herd.told(), [vec![], vec![] as Vec<String>]);
}

#[test]
fn an_at_that_no_clock_could_have_made_is_refused_and_freezes_nobody() {
    let harness = Harness::new();
    let mut herd = Three::new(&harness);
    let mut bolden = herd.connect(Some("Bolden"));
    let (now, day) = (NOW.as_secs(), 24 * 3600);
    for line in [
        // A clock far ahead of ours, and a client far ahead of the clock.
        "AT Bolden +0.000000000 kiwi +1+2 999999999999".to_owned(),
        format!("AT Bolden -{}.000000000 kiwi +1+2 999999999999", 999_999_999_999 - now),
        // One second too much of either.
        format!("AT Bolden +0.000000000 kiwi +1+2 {}", now + 2 * day + 1),
        format!("AT Bolden -{}.000000000 kiwi +1+2 {}", day + 1, now),
    ] {
        assert_eq!(bolden.ask(&line), format!("? {line}"));
    }
    let newest = herd.connect(None).ask("IAMAT kiwi +5+6 1400794645");
    herd.check_known(&newest);
    herd.told();

    // As far as an honest clock and an honest client may be.
    let furthest = format!("AT Bolden -{day}.000000000 kiwi +1+2 {}", now + 3 * day);
    bolden.send(format!("{furthest}\n"));
    assert_eq!(bolden.ask("taken?"), "? taken?");
    assert_eq!(herd.told(), [vec![], vec![furthest]]);
}

#[test]
fn a_neighbor_whose_at_was_refused_tells_everything_again_when_our_clock_has_been_set() {
    let harness = Harness::new();
    let herd = Three::new(&harness);
    let mut bolden = herd.connect(Some("Bolden"));
    let later = NOW.as_secs() + 400 * 24 * 3600;
    let line = format!("AT Bolden +0.000000000 kiwi +1+2 {later}");
    assert_eq!(bolden.ask(&line), format!("? {line}"));
    harness.advance(Duration::from_secs(7)); // Time that passes for both clocks changes nothing.
    harness.set_time_of_day(NOW + Duration::from_secs(7));
    assert_eq!((bolden.line(), bolden.ask("still there?")), ("PING".to_owned(), "? still there?".to_owned()));
    harness.set_time_of_day(Duration::from_secs(later));
    harness.advance(Duration::from_secs(6)); // By then a sweep has come.
    bolden.send("still there?\n");
    assert_eq!(bolden.rest(), "PING\n");
}
