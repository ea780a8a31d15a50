//! PING: which peer gets it, and what a server does about a neighbor that falls silent.

use crate::harness::{Connection, Harness, herd};
use crate::held_places::HeldPlaces;
use proxyherd::locations::newness;
use proxyherd::server::Server;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

/// Alford, and its link to Bolden, which the test plays.
fn with_link(test: impl FnOnce(&Harness, SocketAddr, Connection<'_>)) {
    let harness = Harness::new();
    let bolden = harness.listen();
    let (server, _) = harness.start_among(&[("Bolden", bolden.address())]);
    let link = bolden.accept_link();
    test(&harness, server, link);
}

/// Lets time pass, second by second.
fn wait(harness: &Harness, seconds: usize) {
    (0..seconds).for_each(|_| harness.advance(SECOND));
}

/// Has Bolden say something on Alford's link. When the client has its reply, Alford has read it.
#[track_caller]
fn say(harness: &Harness, server: SocketAddr, link: &mut Connection<'_>, words: &str) {
    link.send(words);
    let news = harness.connect(server).ask(&format!("IAMAT kiwi +1+2 {}", harness.next()));
    while link.line() != news {}
    harness.turn();
}

#[test]
fn a_neighbor_that_has_said_peer_gets_a_ping_every_five_seconds_and_others_get_none() {
    with_link(|harness, server, _link| {
        let mut bolden = harness.connect(server);
        bolden.send("PEER Bolden\n");
        let [mut client, mut plain] = [(); 2].map(|()| harness.connect(server));
        plain.send("AT Bolden +0.500000000 kiwi +1+2 100\n");
        assert_eq!((bolden.ask("here?"), client.ask("here?")), ("? here?".to_owned(), "? here?".to_owned()));
        wait(harness, 4);
        assert_eq!(bolden.ask("here?"), "? here?");
        for _ in 0..3 {
            wait(harness, 5);
            assert_eq!(bolden.line(), "PING");
        }
        assert_eq!(bolden.ask("here?"), "? here?", "and nothing else");
        client.expect_silence();
        plain.expect_silence();
        assert_eq!(client.ask("PING"), "? PING");
    });
}

#[test]
fn a_neighbor_that_falls_silent_is_given_up_after_fourteen_seconds() {
    with_link(|harness, server, mut link| {
        for _ in 0..3 {
            say(harness, server, &mut link, "PING\n");
            wait(harness, 13);
            assert!(!link.has_ended());
        }
        wait(harness, 1);
        harness.turn_until("the link is dropped", || link.has_ended());
    });
}

#[test]
fn a_neighbor_that_never_says_ping_is_kept() {
    with_link(|harness, _server, mut link| {
        wait(harness, 300);
        link.expect_silence();
    });
}

#[test]
fn a_ping_after_an_overlong_line_counts() {
    with_link(|harness, server, mut link| {
        say(harness, server, &mut link, "PING\n");
        wait(harness, 13);
        link.send("x".repeat(200_000));
        say(harness, server, &mut link, "x\nPING\n");
        wait(harness, 13);
        assert!(!link.has_ended());
        wait(harness, 1);
        harness.turn_until("the link is dropped", || link.has_ended());
    });
}

#[test]
fn a_neighbor_whose_machine_takes_everything_counts_as_silent_until_it_says_something() {
    let harness = Harness::new();
    let bolden = harness.listen();
    let config = herd(&[("Bolden", bolden.address())]);
    let places = Rc::new(HeldPlaces::default());
    let server = Server::new(&harness.reactor, &config, "Alford", places, Box::new(newness), Rc::new(())).unwrap();
    harness.wait_for_start(server.clone().begin());
    let link = &server.links()[0];
    let states = || (link.is_up(), link.is_silent());
    let mut first = bolden.accept_link();
    first.send("PING\n");
    harness.turn_until("the PING is heard", || link.pinged_since().is_some());
    assert_eq!(states(), (true, false));
    // It freezes and is given up, and its machine takes the next connection.
    wait(&harness, 14);
    harness.turn_until("the link is dropped", || first.has_ended());
    wait(&harness, 1);
    let mut second = bolden.accept_link();
    assert_eq!(states(), (true, true));
    second.send("HELLO\n");
    harness.turn_until("it says something", || !link.is_silent());
    // A new process of it freezes at once.
    drop(second);
    harness.turn_until("the link is dropped", || !link.is_up());
    wait(&harness, 1);
    let _third = bolden.accept_link();
    wait(&harness, 13);
    assert_eq!(states(), (true, false));
    wait(&harness, 1);
    assert_eq!(states(), (true, true));
}
