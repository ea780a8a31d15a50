//! A simulated world writes the same stream: virtual time, hosts, and what the network does.

use super::Echo;
use super::reading::Events;
use reactor::sim::{Latency, LinkSettings, World, WorldSettings};
use reactor::trace::{Ring, RingReader, Trace};
use reactor::{Address, ClientFactory, Protocol, Transport};
use std::time::Duration;

const MS: Duration = Duration::from_millis(1);

struct Greets;

impl Protocol for Greets {
    fn connection_made(&mut self, transport: &Transport) {
        transport.write(b"hello");
    }
    fn data_received(&mut self, transport: &Transport, _data: &[u8]) {
        transport.lose_connection();
    }
}

struct GreetsOnce;

impl ClientFactory for GreetsOnce {
    fn build_protocol(&mut self, _peer: &Address) -> Option<Box<dyn Protocol>> {
        Some(Box::new(Greets))
    }
}

/// Two hosts greet each other, one of them crashes and comes back.
fn story(seed: u64, watch: impl FnOnce(&World)) -> u64 {
    let mut settings = WorldSettings::default();
    settings.link = LinkSettings::new(Latency::Uniform(5 * MS, 15 * MS)).split(50).loss(50_000);
    let world = World::with_settings(seed, settings);
    watch(&world);
    let server = world.host("server", |reactor| {
        reactor.listen_tcp("0.0.0.0:8007", |_| Echo).unwrap();
    });
    world.host("client", |reactor| {
        reactor.connect_tcp("server:8007", GreetsOnce);
    });
    world.run_for(500 * MS);
    server.restart();
    world.run_for(500 * MS);
    server.crash();
    world.trace_hash()
}

fn traced(seed: u64) -> (u64, RingReader) {
    let (ring, reader) = Ring::new(100_000);
    (story(seed, |world| world.trace_to(Trace::new(ring))), reader)
}

#[test]
fn hosts_and_network_are_told_in_one_stream_in_virtual_time() {
    let (_, reader) = traced(1);
    let events = Events::of(&reader);
    events.is_complete();
    let told = |host: &str, what: &str| {
        let place = events.0.iter().find(|event| event["at"] == host && event["what"] == what);
        place.unwrap_or_else(|| panic!("{host} {what}"))
    };
    assert_eq!(told("client", "write")["count"], 5);
    assert_eq!(told("client", "write")["host"], "client", "inside the turn of its host");
    assert_eq!(told("client", "write")["link"], told("server", "get")["link"], "one connection");
    let write = events.calls("write").into_iter().find(|event| event["host"] == "client").unwrap();
    assert_eq!((&write["bytes"], &write["turn"]), (&"hello".into(), &told("client", "write")["turn"]));
    let flight = told("server", "get")["ns"].as_u64().unwrap() - write["ns"].as_u64().unwrap();
    assert!(flight >= 5_000_000, "{flight}");
    let read = events.calls("read").into_iter().find(|event| event["host"] == "server").unwrap();
    assert!(read["ns"].as_u64() >= told("server", "get")["ns"].as_u64());
    assert!(events.0.iter().all(|event| event["ns"].as_u64().unwrap() <= 1_000_000_000));
    // A program that is started again has a trace of its own.
    let begins = events.of_kind("trace").into_iter().filter(|event| event["host"] == "server").count();
    assert_eq!(begins, 2);
}

#[test]
fn a_trace_changes_nothing_in_a_world_and_is_the_same_each_time() {
    for seed in 1..20 {
        // In threads of their own: the numbers of Deferreds go on in a thread.
        let run = move || {
            let (hash, reader) = traced(seed);
            (hash, reader.lines())
        };
        let [first, second] = [run, run].map(|run| std::thread::spawn(run).join().unwrap());
        assert_eq!(first.0, story(seed, |_| {}), "seed {seed}");
        assert_eq!(first, second, "seed {seed}");
    }
}

#[test]
fn the_text_trace_is_a_view_of_the_stream() {
    let mut lines = Vec::new();
    let (ring, reader) = Ring::new(100_000);
    let settings = WorldSettings::default();
    let world = World::with_settings(7, settings);
    world.keep_trace(10_000);
    world.trace_to(Trace::new(ring));
    world.host("server", |reactor| {
        reactor.listen_tcp("0.0.0.0:8007", |_| Echo).unwrap();
    });
    world.host("client", |reactor| {
        reactor.connect_tcp("server:8007", GreetsOnce);
    });
    world.note("a note");
    world.run_for(1000 * MS);
    lines.extend(world.trace());
    let events = Events::of(&reader);
    let words: Vec<String> = events
        .of_kind("network")
        .iter()
        .map(|event| {
            let (ns, at) = (event["ns"].as_u64().unwrap(), event["at"].as_str().unwrap());
            let words = event["words"].as_str().unwrap();
            format!("{:>6}.{:09} {at:<10} {words}", ns / 1_000_000_000, ns % 1_000_000_000)
        })
        .collect();
    assert!(words.len() > 20, "{words:#?}");
    assert_eq!(words, lines);
}
