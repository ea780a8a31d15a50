//! Many worlds with random faults: what the loop promises to protocols holds in all of them.

use super::*;
use reactor::sim::{HostState, Random, for_each_seed};
use reactor::transport::KeepAlive;
use std::cell::Cell;
use std::sync::LazyLock;

const KEEP_ALIVE: KeepAlive = KeepAlive { idle: Duration::from_secs(2), interval: SECOND, probes: 2 };

/// Checks the contract of a protocol: `connection_made` first and once, `connection_lost` last and once, and between
/// them all bytes, in order and unchanged.
struct Checked {
    seen: Rc<Seen>,
    was_made: bool,
    was_lost: bool,
    has_ended: bool,
    /// The next byte that must arrive.
    next: u8,
    /// The next byte to write.
    said: Rc<Cell<u8>>,
    talks: bool,
    reactor: Reactor,
}

#[derive(Default)]
struct Seen {
    wrong: RefCell<Vec<String>>,
    made: Cell<u64>,
    lost: Cell<u64>,
    bytes: Cell<u64>,
}

impl Checked {
    fn new(seen: &Rc<Seen>, reactor: &Reactor, talks: bool) -> Checked {
        let (seen, reactor) = (seen.clone(), reactor.clone());
        let (was_made, was_lost, has_ended, next) = (false, false, false, 0);
        Checked { seen, was_made, was_lost, has_ended, next, said: Rc::default(), talks, reactor }
    }

    fn check(&self, what: &str, holds: bool) {
        if !holds {
            self.seen.wrong.borrow_mut().push(what.to_owned());
        }
    }
}

/// Bytes that count up from `first`, and begin again after 255.
fn numbered(first: u8) -> &'static [u8] {
    static NUMBERED: LazyLock<Vec<u8>> = LazyLock::new(|| (0..=255).cycle().take(256 * 1024).collect());
    &NUMBERED[usize::from(first)..]
}

/// Writes numbered bytes now and then, at times more than the buffers hold.
fn talk(reactor: Reactor, transport: Transport, said: Rc<Cell<u8>>) {
    if transport.is_disconnecting() {
        return;
    }
    let draw = reactor.random();
    let len = if draw.is_multiple_of(50) { draw >> 32 & 0x1_ffff } else { draw >> 32 & 0xff } as usize;
    transport.write(&numbered(said.replace(said.get().wrapping_add(len as u8)))[..len]);
    match reactor.random() % 100 {
        0 => transport.lose_connection(),
        1 => transport.abort_connection(),
        2 => transport.lose_write_connection(),
        _ => {}
    }
    let (again, delay) = (reactor.clone(), Duration::from_millis(reactor.random() % 1000));
    reactor.call_later(delay, move || talk(again, transport, said));
}

impl Protocol for Checked {
    fn connection_made(&mut self, transport: &Transport) {
        self.check("made once, and first", !self.was_made && !self.was_lost);
        self.was_made = true;
        self.seen.made.set(self.seen.made.get() + 1);
        transport.set_keep_alive(Some(KEEP_ALIVE));
        if self.talks {
            talk(self.reactor.clone(), transport.clone(), self.said.clone());
        }
    }

    fn data_received(&mut self, transport: &Transport, data: &[u8]) {
        self.check("data between made and lost", self.was_made && !self.was_lost && !self.has_ended);
        self.check("some data", !data.is_empty());
        self.check("bytes in order", data == &numbered(self.next)[..data.len()]);
        self.next = self.next.wrapping_add(data.len() as u8);
        self.seen.bytes.set(self.seen.bytes.get() + data.len() as u64);
        if self.reactor.random().is_multiple_of(50) {
            transport.pause_producing();
            let (transport, delay) = (transport.clone(), Duration::from_millis(self.reactor.random() % 2000));
            self.reactor.call_later(delay, move || transport.resume_producing());
        }
    }

    fn read_connection_lost(&mut self, transport: &Transport) {
        self.check("one end", !self.has_ended && !self.was_lost);
        self.has_ended = true;
        transport.lose_connection();
    }

    fn connection_lost(&mut self, _reason: &Reason) {
        self.check("lost once, after made", self.was_made && !self.was_lost);
        self.was_lost = true;
        self.seen.lost.set(self.seen.lost.get() + 1);
    }
}

/// Connects again and again.
struct Stubborn {
    seen: Rc<Seen>,
    reactor: Reactor,
}

impl ClientFactory for Stubborn {
    fn build_protocol(&mut self, _peer: &Address) -> Option<Box<dyn Protocol>> {
        Some(Box::new(Checked::new(&self.seen, &self.reactor, true)))
    }
    fn client_connection_failed(&mut self, connector: &Connector, _failure: Failure) {
        self.again(connector);
    }
    fn client_connection_lost(&mut self, connector: &Connector, _reason: &Reason) {
        self.again(connector);
    }
}

impl Stubborn {
    fn again(&self, connector: &Connector) {
        let (connector, delay) = (connector.clone(), Duration::from_millis(self.reactor.random() % 3000));
        self.reactor.call_later(delay, move || connector.connect());
    }
}

/// One fault, or the end of one.
fn fault(world: &World, hosts: &[Host], random: &mut Random) {
    let mut any = || &hosts[random.below(hosts.len() as u64) as usize];
    let (one, other) = (any(), any());
    match random.below(12) {
        0 => one.crash(),
        1 => one.kill(),
        2 | 3 => one.restart(),
        4 => one.pause(),
        5 => one.resume(),
        6 => world.cut(one, other),
        7 => world.partition(std::slice::from_ref(one), std::slice::from_ref(other)),
        8 => world.heal(),
        9 => world.reset_connections(one, other),
        10 => one.set_max_descriptors(5 + random.below(10) as usize),
        _ => one.terminate(),
    }
}

fn storm(world: &World) -> Rc<Seen> {
    let seen: Rc<Seen> = Rc::default();
    let latencies = [
        Latency::Fixed(MS),
        Latency::Uniform(MS, 200 * MS),
        Latency::Exponential { least: Duration::ZERO, mean: 20 * MS },
        Latency::LogNormal { median: 10 * MS, sigma: 100 },
    ];
    let latency = latencies[(world.random() % 4) as usize];
    world.set_links(LinkSettings::new(latency).split(20).loss(20_000).bandwidth(1_000_000));
    let mut settings = HostSettings::default();
    (settings.send_buffer, settings.receive_buffer) = (20_000, 10_000);
    let hosts: Vec<Host> = (0..4)
        .map(|number| {
            let seen = seen.clone();
            world.host_with(&format!("host{number}"), settings.clone(), move |reactor| {
                let (listening, own) = (seen.clone(), reactor.clone());
                let checked = move |_| Checked::new(&listening, &own, true);
                if reactor.listen_tcp("0.0.0.0:8007", checked).is_err() {
                    return reactor.stop(); // It has no descriptor to listen with.
                }
                for other in (0..4).filter(|other| *other != number) {
                    let (seen, own) = (seen.clone(), reactor.clone());
                    reactor.connect_tcp((&*format!("host{other}"), PORT), Stubborn { seen, reactor: own });
                }
            })
        })
        .collect();
    let mut random = world.new_random();
    for _ in 0..40 {
        world.run_for(random.between(Duration::ZERO, 2 * SECOND));
        fault(world, &hosts, &mut random);
    }
    // With all faults mended, connections and bytes move again.
    world.heal();
    for host in &hosts {
        host.set_max_descriptors(1000);
        host.resume();
        if host.state() != HostState::Running {
            host.restart();
        }
    }
    let (made, bytes) = (seen.made.get(), seen.bytes.get());
    world.run_for(30 * SECOND);
    assert!(seen.made.get() > made || seen.bytes.get() > bytes, "nothing moves");
    for host in &hosts {
        host.terminate();
    }
    world.run_for(30 * SECOND);
    for host in &hosts {
        assert_eq!((host.state(), host.descriptor_count()), (HostState::Idle, 5), "{host:?}");
    }
    world.run_for(1000 * SECOND);
    assert_eq!(world.connection_count(), 0, "no kernel remembers a connection");
    assert_eq!(*seen.wrong.borrow(), [""; 0]);
    assert!(seen.lost.get() <= seen.made.get());
    seen
}

#[test]
fn under_random_faults_the_contract_of_protocols_holds() {
    let (mut made, mut bytes) = (0, 0);
    for_each_seed(0..200, |world| {
        let seen = storm(world);
        made += seen.made.get();
        bytes += seen.bytes.get();
    });
    assert!(made > 1000 && bytes > 1_000_000, "the storm is too calm: {made} connections, {bytes} bytes");
}

#[test]
fn a_storm_with_the_same_seed_is_the_same_storm() {
    for seed in [0, 7] {
        let hash = || {
            let world = World::new(seed);
            let seen = storm(&world);
            let hash = world.trace_hash();
            drop(world);
            assert_eq!(Rc::strong_count(&seen), 1, "nothing of any program is left");
            hash
        };
        assert_eq!(hash(), hash());
    }
}

#[test]
fn a_failing_seed_stops_the_run_and_its_panic_goes_through() {
    let tried = RefCell::new(Vec::new());
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        for_each_seed(5..10, |world| {
            tried.borrow_mut().push(world.seed());
            assert!(world.seed() < 7, "as expected");
        });
    }));
    assert!(result.is_err());
    assert_eq!(*tried.borrow(), [5, 6, 7]);
}
