//! No connection stays half open, whatever happens to the machines and the links, if it uses keep-alive or if somebody
//! writes on it.

use super::keep_alive::KEEP_ALIVE;
use super::*;
use reactor::sim::{Random, for_each_seed};
use reactor::transport::KeepAlive;

/// Longer than an end that probes or retransmits takes to notice.
const LONG: Duration = Duration::from_secs(400);

type Transports = Rc<RefCell<Vec<Transport>>>;

struct Peer {
    keep_alive: Option<KeepAlive>,
    /// A server echoes short messages.
    is_server: bool,
    all: Transports,
}

impl Protocol for Peer {
    fn connection_made(&mut self, transport: &Transport) {
        transport.set_keep_alive(self.keep_alive);
        self.all.borrow_mut().push(transport.clone());
    }
    fn data_received(&mut self, transport: &Transport, data: &[u8]) {
        if self.is_server && data.len() < 100 {
            transport.write(data);
        }
    }
}

/// A server and a client that connects to it twenty times, one connection after the other.
fn hosts(world: &World, keep_alive: Option<KeepAlive>) -> (Host, Host, Transports) {
    let server = world.host("server", move |reactor| {
        let peer = move |_| Peer { keep_alive, is_server: true, all: Transports::default() };
        reactor.listen_tcp("0.0.0.0:8007", peer).unwrap();
    });
    let transports = Transports::default();
    let all = transports.clone();
    let client = world.host("client", move |reactor| {
        for number in 0..20 {
            let (all, later) = (all.clone(), reactor.clone());
            reactor.call_later(number * 3 * SECOND, move || {
                let peer = move |_| Peer { keep_alive, is_server: false, all: all.clone() };
                later.connect_tcp(("server", PORT), peer);
            });
        }
    });
    (server, client, transports)
}

/// One fault, or the end of one, or some bytes.
fn happen(world: &World, random: &mut Random, server: &Host, client: &Host, all: &Transports) {
    match random.below(12) {
        0 | 1 => world.cut(server, client),
        2 | 3 => world.cut(client, server),
        4..=6 => world.heal(),
        7 => server.pause(),
        8 => server.resume(),
        9 => {
            if random.chance(1, 2) {
                server.crash();
            }
            server.restart();
        }
        _ => {
            let len = if random.chance(1, 6) { 600_000 } else { 5 };
            let all = all.borrow();
            if !all.is_empty() {
                all[random.below(all.len() as u64) as usize].write(&vec![1; len]);
            }
        }
    }
}

/// A minute of faults, and then some minutes without. Returns how many ends the server has then, how many the client
/// has, and how many connections there are.
fn storm(world: &World, keep_alive: Option<KeepAlive>) -> [usize; 3] {
    let slow = LinkSettings::new(Latency::Uniform(SECOND / 100, SECOND));
    world.set_links(slow.loss(if world.seed().is_multiple_of(3) { 100_000 } else { 0 }));
    let (server, client, all) = hosts(world, keep_alive);
    let mut random = world.new_random();
    for _ in 0..60 {
        world.run_for(random.between(Duration::ZERO, 2 * SECOND));
        happen(world, &mut random, &server, &client, &all);
    }
    world.heal();
    server.resume();
    world.set_links(slow);
    if keep_alive.is_none() {
        all.borrow().iter().for_each(|transport| transport.write(b"there?"));
    }
    world.run_for(LONG);
    // Without the five descriptors that every program has, and the one that the server listens with.
    [server.descriptor_count() - 6, client.descriptor_count() - 5, world.connection_count()]
}

#[test]
fn with_keep_alive_at_both_ends_no_connection_stays_half_open() {
    let mut left = 0;
    for_each_seed(0..200, |world| {
        let [server, client, connections] = storm(world, Some(KEEP_ALIVE));
        assert_eq!([server, client], [connections; 2]);
        left += connections;
    });
    assert!(left > 0, "some connections outlive the storm");
}

#[test]
fn a_client_that_writes_does_not_stay_half_open() {
    let mut left = 0;
    for_each_seed(0..200, |world| {
        let [server, client, connections] = storm(world, None);
        assert_eq!(server, connections, "the client knows of all its losses; the server, which only answers, may not");
        left += client;
    });
    assert!(left > 0, "some connections outlive the storm");
}
