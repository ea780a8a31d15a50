//! The same seed gives the same run, and another seed another run.

use super::*;
use reactor::{LineProtocol, LineReceiver, LineTransport};
use std::cell::Cell;

/// Answers each line with the line and a count, after a random delay.
struct Slow {
    reactor: Reactor,
    count: Rc<Cell<u64>>,
}

impl LineProtocol for Slow {
    fn line_received(&mut self, transport: &LineTransport, line: &[u8]) {
        self.count.set(self.count.get() + 1);
        let transport = Transport::clone(transport);
        let answer = format!("{} {}\r\n", String::from_utf8_lossy(line), self.count.get());
        let delay = Duration::from_micros(self.reactor.random() % 10_000);
        self.reactor.call_later(delay, move || transport.write(answer.as_bytes()));
    }
}

/// Five clients that talk to two servers over rough links, with a partition and a crash on the way.
fn busy(seed: u64, trace: usize) -> World {
    let world = World::new(seed);
    world.keep_trace(trace);
    world.set_links(
        LinkSettings::new(Latency::LogNormal { median: 5 * MS, sigma: 80 }).split(30).loss(10_000).bandwidth(50_000),
    );
    let servers = ["one", "two"].map(|name| {
        world.host(name, |reactor| {
            let (count, reactor_) = (Rc::new(Cell::new(0)), reactor.clone());
            let slow = move |_| LineReceiver::new(Slow { reactor: reactor_.clone(), count: count.clone() });
            reactor.listen_tcp("0.0.0.0:8007", slow).unwrap();
        })
    });
    let mut random = world.new_random();
    for number in 0..5 {
        let name = ["one", "two"][random.below(2) as usize];
        let start = random.between(Duration::ZERO, SECOND);
        world.host(&format!("client{number}"), move |reactor| {
            let later = reactor.clone();
            reactor.call_later(start, move || {
                let reactor = later.clone();
                later.connect_tcp((name, PORT), move |_| Talker { reactor: reactor.clone() });
            });
        });
    }
    let (one, two) = (servers[0].clone(), servers[1].clone());
    world.call_later(random.between(SECOND, 5 * SECOND), move |_| {
        one.crash();
        one.restart();
    });
    world.call_later(random.between(SECOND, 5 * SECOND), move |_| two.pause());
    world.run_for(60 * SECOND);
    world
}

/// Writes a line every now and then.
struct Talker {
    reactor: Reactor,
}

impl Protocol for Talker {
    fn connection_made(&mut self, transport: &Transport) {
        talk(self.reactor.clone(), transport.clone(), 50);
    }
    fn data_received(&mut self, _: &Transport, _: &[u8]) {}
}

fn talk(reactor: Reactor, transport: Transport, left: u32) {
    if left > 0 {
        transport.write(format!("this is line {left}\r\n").as_bytes());
        let (next, delay) = (reactor.clone(), Duration::from_micros(reactor.random() % 500_000));
        reactor.call_later(delay, move || talk(next, transport, left - 1));
    }
}

#[test]
fn the_same_seed_gives_the_same_run_and_another_seed_another_run() {
    let runs = |trace: usize| -> Vec<(u64, u64, u64)> {
        (0..10)
            .map(|seed| busy(seed, trace))
            .map(|world| (world.trace_hash(), world.event_count(), world.turn_count()))
            .collect()
    };
    let (first, second) = (runs(0), runs(1000));
    assert_eq!(first, second, "keeping the trace changes nothing");
    let mut hashes: Vec<u64> = first.iter().map(|(hash, ..)| *hash).collect();
    hashes.sort_unstable();
    hashes.dedup();
    assert_eq!(hashes.len(), 10);
    assert_eq!(busy(3, 1_000_000).trace(), busy(3, 1_000_000).trace());
}

#[test]
fn a_run_does_not_depend_on_its_thread() {
    let here = busy(1, 0).trace_hash();
    let there: Vec<_> = (0..2).map(|_| std::thread::spawn(|| busy(1, 0).trace_hash())).collect();
    for world in there {
        assert_eq!(world.join().unwrap(), here);
    }
}

#[test]
fn worlds_that_run_in_turns_do_not_affect_each_other() {
    let expected: Vec<u64> = (0..2).map(|seed| busy_in_steps(&[seed])[0]).collect();
    assert_eq!(busy_in_steps(&[0, 1]), expected);
}

/// Runs worlds a little at a time, in turns, on one thread.
fn busy_in_steps(seeds: &[u64]) -> Vec<u64> {
    let worlds: Vec<World> = seeds.iter().map(|seed| echo_world(*seed)).collect();
    for _ in 0..100 {
        worlds.iter().for_each(|world| world.run_for(30 * MS));
    }
    worlds.iter().map(World::trace_hash).collect()
}

fn echo_world(seed: u64) -> World {
    let world = World::new(seed);
    world.host("server", echo);
    for number in 0..3 {
        world.host(&number.to_string(), |reactor| {
            let reactor_ = reactor.clone();
            reactor.connect_tcp(("server", PORT), move |_| Talker { reactor: reactor_.clone() });
        });
    }
    world
}

#[test]
fn a_run_in_pieces_is_the_same_as_a_run_in_one_go() {
    let whole = echo_world(5);
    whole.run_for(3 * SECOND);
    assert_eq!(busy_in_steps(&[5])[0], whole.trace_hash());
}

#[test]
fn a_run_is_the_same_everywhere() {
    // Written down once. Another machine or compiler must give the same hash; so must another version, unless its loop,
    // network or trace changed on purpose.
    assert_eq!(format!("{:016x}", busy(42, 0).trace_hash()), "ee80fab20d7d1000");
}
