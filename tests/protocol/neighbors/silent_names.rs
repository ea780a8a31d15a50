//! Neighbors with names that nobody answers for. They cost their own links, and nothing else.

use crate::harness::{Harness, herd};
use proxyherd::config::{Config, HostPort, PlacesConfig, ServerConfig};
use proxyherd::places;
use std::time::Duration;

/// A herd of Alford and this many neighbors, all with silent names.
fn silent_herd(neighbors: usize) -> Config {
    let mut config = herd(&[]);
    let names: Vec<String> = (0..neighbors).map(|number| format!("N{number}")).collect();
    for name in &names {
        let address = Some(HostPort { host: format!("{name}.silent"), port: 1 });
        let there = ServerConfig { address, neighbors: vec!["Alford".to_owned()], ..ServerConfig::default() };
        config.servers.insert(name.clone(), there);
    }
    config.servers.get_mut("Alford").unwrap().neighbors = names;
    config
}

#[test]
fn a_server_with_silent_neighbors_starts_and_answers_whatsat() {
    let harness = Harness::new();
    let mut config = silent_herd(40);
    // Both are names that must be looked up, behind the names of the neighbors.
    config.servers.get_mut("Alford").unwrap().address.as_mut().unwrap().host = "localhost".to_owned();
    let places = places::open(&harness.reactor, &PlacesConfig::default(), None).unwrap();
    let server = harness.start(&config, places);
    let mut client = harness.connect(server);
    client.ask("IAMAT kiwi +34.068930-118.445127 0");
    client.send("WHATSAT kiwi 10 1\n");
    assert!(client.line().starts_with("AT Alford"));
    assert_eq!(client.line(), "{");
    assert!(client.line().contains("html_attributions"), "an answer, and not an error");
    assert!(harness.silent_lookups().len() < 40, "the names of neighbors are looked up a few at a time");
}

#[test]
fn strangers_that_say_peer_share_one_look_up_of_the_neighbors_name() {
    let harness = Harness::new();
    let places = places::open(&harness.reactor, &PlacesConfig::default(), None).unwrap();
    let server = harness.start(&silent_herd(3), places);
    let mut strangers: Vec<_> = (0..50).map(|_| harness.connect(server)).collect();
    for (number, stranger) in strangers.iter_mut().enumerate() {
        stranger.send(format!("PEER N{}\n", number % 3));
    }
    for _ in 0..20 {
        harness.turn();
    }
    let mut lookups = harness.silent_lookups();
    lookups.sort();
    assert_eq!(lookups, ["N0.silent", "N1.silent", "N2.silent"]);
    harness.advance(Duration::from_secs(10));
    assert_eq!(strangers[7].line(), "? PEER N1", "each is refused after the time limit");
}
