//! [`Network`]: the kernels of all hosts and the links between them. It knows no program: what is to be told to one is
//! noted, and its host is due for a turn.
//!
//! Next: `handshake.rs`, how connections come about.

use super::connection::{Connection, Life, Mark, Owner};
use super::queue::{Event, Id, Queue, Side};
use super::random::Random;
use super::settings::{HostSettings, LinkSettings, WorldSettings};
use super::trace::{Did, Step, Trace};
use crate::driver::{Readiness, Signal, Token};
use slab::Slab;
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, SystemTime};

/// Descriptors that every program has: the three standard ones, the poll and what wakes it.
const ALWAYS_OPEN: usize = 5;

/// Ports given out by the system begin here, as on Linux, and end at [`LAST_PORT`].
const FIRST_PORT: u16 = 32_768;
const LAST_PORT: u16 = 60_999;

/// What Linux calls EMFILE. Its number would be put into words by the machine's own C library.
const LACKS_DESCRIPTOR: &str = "Too many open files";

pub(super) struct Network {
    /// Nanoseconds since the beginning.
    pub(super) now: u64,
    pub(super) queue: Queue,
    pub(super) random: Random,
    pub(super) trace: Trace,
    pub(super) settings: WorldSettings,
    pub(super) hosts: Vec<Kernel>,
    pub(super) connections: Slab<Connection>,
    pub(super) listeners: Slab<Port>,
    pub(super) links: Vec<Way>,
    links_by_hosts: BTreeMap<(u32, u32), u32>,
    hosts_by_address: BTreeMap<IpAddr, u32>,
    /// Hosts whose loop has something to do now.
    pub(super) due: VecDeque<u32>,
    pub(super) next_serial: u32,
}

/// What the program of a host does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Power {
    /// The machine is down: nothing answers.
    Down,
    /// The machine is up, the program does not run: whatever is asked of it is refused.
    Idle,
    Running,
    /// The program is stopped; its kernel accepts and buffers.
    Paused,
}

/// A host's kernel.
pub(super) struct Kernel {
    pub(super) name: String,
    pub(super) addresses: Vec<IpAddr>,
    pub(super) power: Power,
    /// Counts the starts of its program: what an earlier one holds is dead.
    pub(super) life: u32,
    pub(super) ready: VecDeque<Ready>,
    pub(super) signals: Vec<Signal>,
    pub(super) catches_signals: bool,
    pub(super) ports: BTreeMap<SocketAddr, u32>,
    next_port: u16,
    /// The ports that connections have taken that were asked for here, by where they begin and where they go: one port
    /// serves many as long as no two go to the same place.
    ports_taken: BTreeMap<(SocketAddr, SocketAddr), Id>,
    pub(super) descriptors: usize,
    pub(super) max_descriptors: usize,
    pub(super) send_buffer: usize,
    pub(super) receive_buffer: usize,
    /// What its clock would have said at the beginning of the world.
    pub(super) clock: SystemTime,
    is_due: bool,
    /// When the queue will wake its loop.
    pub(super) wake: u64,
}

impl Kernel {
    /// Whether somebody listens on a port, at that address or at all.
    pub(super) fn is_listened_on(&self, address: SocketAddr) -> bool {
        self.ports.keys().any(|other| {
            let (ip, other_ip) = (address.ip(), other.ip());
            let same_place = other_ip == ip || other_ip.is_unspecified() || ip.is_unspecified();
            other.port() == address.port() && other.is_ipv4() == address.is_ipv4() && same_place
        })
    }
}

/// What a poll is to tell of.
#[derive(Debug, Clone, Copy)]
pub(super) enum Ready {
    End(Id, Side),
    Port(u32, Token),
}

/// A listening socket.
pub(super) struct Port {
    pub(super) host: u32,
    pub(super) address: SocketAddr,
    pub(super) token: Token,
    pub(super) backlog: usize,
    pub(super) waiting: VecDeque<Id>,
    pub(super) is_listed: bool,
}

/// The way from one host to another.
pub(super) struct Way {
    pub(super) from: u32,
    pub(super) to: u32,
    /// Of its own; else the world's.
    pub(super) own: Option<LinkSettings>,
    pub(super) is_cut: bool,
    /// When the bytes sent so far are all on their way.
    pub(super) free: u64,
}

impl Network {
    pub(super) fn new(seed: u64, settings: WorldSettings) -> Network {
        Network {
            now: 0,
            queue: Queue::default(),
            random: Random::stream(seed, 0),
            trace: Trace::new(),
            settings,
            hosts: Vec::new(),
            connections: Slab::new(),
            listeners: Slab::new(),
            links: Vec::new(),
            links_by_hosts: BTreeMap::new(),
            hosts_by_address: BTreeMap::new(),
            due: VecDeque::new(),
            next_serial: 0,
        }
    }

    pub(super) fn add_host(&mut self, name: &str, settings: &HostSettings) -> u32 {
        let host = u32::try_from(self.hosts.len()).expect("fewer than four thousand million hosts");
        let mut addresses = settings.addresses.clone();
        if addresses.is_empty() {
            let mut free = (0x0a00_0001 + host..).map(|number| IpAddr::from(number.to_be_bytes()));
            addresses.extend(free.find(|address| !self.hosts_by_address.contains_key(address)));
        }
        for address in &addresses {
            let taken = self.hosts_by_address.insert(*address, host);
            assert!(
                taken.is_none() && !address.is_loopback(),
                "{address} cannot be the address of {name}: it is taken"
            );
        }
        self.hosts.push(Kernel {
            name: name.to_owned(),
            addresses,
            power: Power::Idle,
            life: 0,
            ready: VecDeque::new(),
            signals: Vec::new(),
            catches_signals: false,
            ports: BTreeMap::new(),
            next_port: FIRST_PORT,
            ports_taken: BTreeMap::new(),
            descriptors: ALWAYS_OPEN,
            max_descriptors: settings.max_descriptors,
            send_buffer: settings.send_buffer.max(1),
            receive_buffer: settings.receive_buffer.max(1),
            clock: settings.clock.map_or(self.settings.start, |time| self.clock_at_the_beginning(time)),
            is_due: false,
            wake: u64::MAX,
        });
        host
    }

    /// Writes down what happened on `host`.
    #[inline]
    pub(super) fn note(&mut self, host: u32, step: impl Into<Step>) {
        self.note_with(host, step, "");
    }

    /// Writes down what happened on `host`, and for whoever reads that, what it was about.
    #[inline]
    pub(super) fn note_with(&mut self, host: u32, step: impl Into<Step>, detail: &str) {
        let hosts = &self.hosts;
        self.trace.step(self.now, host, step.into(), detail, |host| hosts[host as usize].name.clone());
    }

    /// What something was about, if anybody reads it.
    #[inline]
    pub(super) fn detail(&self, f: impl FnOnce() -> String) -> String {
        if self.trace.is_read() { f() } else { String::new() }
    }

    /// Writes down what is so from now on for all hosts. The hash covers all of the text.
    pub(super) fn say(&mut self, text: &str) {
        self.trace.say(self.now, "--", text);
    }

    /// Writes down what happened to an end.
    #[inline]
    pub(super) fn note_end(&mut self, id: Id, side: Side, did: Did, number: usize) {
        self.note_end_with(id, side, did, number, "");
    }

    /// Writes down what happened to an end, and for whoever reads that, what it was about.
    #[inline]
    pub(super) fn note_end_with(&mut self, id: Id, side: Side, did: Did, number: usize, detail: &str) {
        let connection = &self.connections[id.key as usize];
        let (host, other) = (connection.ends[side].host, connection.ends[1 - side].host);
        let step = Step { did, connection: Some(id.serial), number: number as u64, other: Some(other) };
        self.note_with(host, step, detail);
    }

    pub(super) fn host(&self, host: u32) -> &Kernel {
        &self.hosts[host as usize]
    }

    pub(super) fn host_mut(&mut self, host: u32) -> &mut Kernel {
        &mut self.hosts[host as usize]
    }

    pub(super) fn get(&mut self, id: Id) -> Option<&mut Connection> {
        self.connections.get_mut(id.key as usize).filter(|connection| connection.serial == id.serial)
    }

    /// Which host an address means to a program on `host`.
    pub(super) fn who(&self, host: u32, address: IpAddr) -> Option<u32> {
        if address.is_loopback() || address.is_unspecified() {
            return Some(host);
        }
        self.hosts_by_address.get(&address).copied()
    }

    /// The way from one host to another.
    pub(super) fn way(&mut self, from: u32, to: u32) -> u32 {
        let links = &mut self.links;
        *self.links_by_hosts.entry((from, to)).or_insert_with(|| {
            links.push(Way { from, to, own: None, is_cut: false, free: 0 });
            u32::try_from(links.len() - 1).expect("fewer links than that")
        })
    }

    pub(super) fn link(&self, way: u32) -> LinkSettings {
        let way = &self.links[way as usize];
        way.own.unwrap_or(if way.from == way.to { self.settings.loopback } else { self.settings.link })
    }

    /// Whether nothing gets through: the way is cut, or the machine at its end is down.
    pub(super) fn is_cut(&self, way: u32) -> bool {
        let way = &self.links[way as usize];
        way.is_cut || self.host(way.to).power == Power::Down
    }

    /// How long a few bytes take on a way.
    pub(super) fn latency(&mut self, way: u32) -> u64 {
        self.link(way).latency.draw(&mut self.random)
    }

    pub(super) fn later(&mut self, after: u64, event: Event) {
        self.queue.push(self.now.saturating_add(after), event);
    }

    /// Does what an event says.
    pub(super) fn handle(&mut self, event: Event) {
        match event {
            Event::Wake(host) => self.wake(host),
            Event::Ask(id) => self.ask(id),
            Event::Asked(id) => self.asked(id),
            Event::Arrive(id, side) => self.arrive(id, side),
            Event::Room(id, side) => self.room(id, side),
            Event::Window(id, side) => self.window(id, side),
            Event::Again(id, side) => self.again(id, side),
            Event::Reset(id, side) => self.reset(id, side),
            Event::Probe(id, side) => self.probe(id, side),
            Event::Program(_) => {} // The world's, which has it.
        }
    }

    /// Wakes the loop of `host` after so many nanoseconds, if no event will do so before.
    pub(super) fn wake_later(&mut self, host: u32, after: u64) {
        let at = self.now.saturating_add(after);
        let kernel = self.host_mut(host);
        if at < kernel.wake {
            kernel.wake = at;
            self.queue.push(at, Event::Wake(host));
        }
    }

    fn wake(&mut self, host: u32) {
        let now = self.now;
        let kernel = self.host_mut(host);
        if kernel.wake == now {
            kernel.wake = u64::MAX;
            self.make_due(host);
        }
    }

    /// Has the loop of `host` take a turn now.
    pub(super) fn make_due(&mut self, host: u32) {
        let kernel = &mut self.hosts[host as usize];
        if kernel.power == Power::Running && !kernel.is_due {
            kernel.is_due = true;
            self.due.push_back(host);
        }
    }

    /// The next host that is due.
    pub(super) fn next_due(&mut self) -> Option<u32> {
        while let Some(host) = self.due.pop_front() {
            let kernel = self.host_mut(host);
            kernel.is_due = false;
            if kernel.power == Power::Running {
                return Some(host);
            }
        }
        None
    }

    /// Tells the program that has this end that something has changed.
    pub(super) fn tell(&mut self, id: Id, side: Side) {
        let Some(connection) = self.get(id) else { return };
        let end = &mut connection.ends[side];
        let host = end.host;
        if matches!(end.owner, Owner::Program(_)) && !std::mem::replace(&mut end.is_listed, true) {
            self.host_mut(host).ready.push_back(Ready::End(id, side));
        }
        self.make_due(host);
    }

    /// The next thing that a poll of `host` tells.
    pub(super) fn next_ready(&mut self, host: u32) -> Option<Readiness> {
        while let Some(ready) = self.host_mut(host).ready.pop_front() {
            let readiness = match ready {
                Ready::End(id, side) => self.readiness(id, side),
                Ready::Port(key, token) => self.port_readiness(key, token),
            };
            if readiness.is_some() {
                return readiness;
            }
        }
        None
    }

    fn port_readiness(&mut self, key: u32, token: Token) -> Option<Readiness> {
        let port = self.listeners.get_mut(key as usize).filter(|port| port.token == token)?;
        port.is_listed = false;
        Some(Readiness { token, readable: true, writable: false, read_closed: false, broken: false })
    }

    /// As with epoll, all that is true now, not only what has changed.
    fn readiness(&mut self, id: Id, side: Side) -> Option<Readiness> {
        let connection = self.get(id)?;
        let end = &mut connection.ends[side];
        end.is_listed = false;
        let Owner::Program(token) = end.owner else { return None };
        let broken = end.error.is_some();
        let gone = end.life == Life::Gone;
        let room = end.life == Life::Open && !end.wants_room;
        let incoming = &connection.pipes[1 - side];
        let read_closed = gone || incoming.end == Mark::Arrived;
        Some(Readiness {
            token,
            readable: read_closed || incoming.unread > 0,
            writable: gone || room,
            read_closed,
            broken,
        })
    }

    /// Takes a descriptor for a program.
    pub(super) fn open_descriptor(&mut self, host: u32) -> io::Result<()> {
        let kernel = self.host_mut(host);
        if kernel.descriptors >= kernel.max_descriptors {
            self.note(host, Did::LackDescriptor);
            return Err(io::Error::other(LACKS_DESCRIPTOR));
        }
        kernel.descriptors += 1;
        Ok(())
    }

    /// A port of `ip` that nobody on `host` listens on, and from which no connection goes `to` there.
    pub(super) fn free_port(&mut self, host: u32, ip: IpAddr, to: Option<SocketAddr>) -> Option<SocketAddr> {
        (FIRST_PORT..=LAST_PORT).find_map(|_| {
            let kernel = self.host_mut(host);
            let address = SocketAddr::new(ip, kernel.next_port);
            kernel.next_port = if kernel.next_port == LAST_PORT { FIRST_PORT } else { kernel.next_port + 1 };
            let is_free =
                !kernel.is_listened_on(address) && !to.is_some_and(|to| self.is_port_taken(host, address, to));
            is_free.then_some(address)
        })
    }

    /// Whether the kernel of `host` still knows of a connection between these addresses.
    fn is_port_taken(&self, host: u32, from: SocketAddr, to: SocketAddr) -> bool {
        let connection = self.host(host).ports_taken.get(&(from, to)).map(|id| &self.connections[id.key as usize]);
        connection.is_some_and(|Connection { ends: [end, _], .. }| end.life != Life::Gone || end.owner != Owner::Nobody)
    }

    /// Notes that a connection has taken the port that it begins at.
    pub(super) fn take_port(&mut self, id: Id) {
        let [from, to] = &self.connections[id.key as usize].ends;
        let (host, way) = (from.host, (from.address, to.address));
        self.host_mut(host).ports_taken.insert(way, id);
    }

    /// How long ago the world began.
    pub(super) fn elapsed(&self) -> Duration {
        Duration::from_nanos(self.now)
    }

    /// What a clock would have said at the beginning that says `time` now.
    pub(super) fn clock_at_the_beginning(&self, time: SystemTime) -> SystemTime {
        time.checked_sub(self.elapsed()).unwrap_or(time)
    }

    /// The time of day on `host`.
    pub(super) fn time_of_day(&self, host: u32) -> SystemTime {
        let clock = self.host(host).clock;
        clock.checked_add(self.elapsed()).unwrap_or(clock)
    }

    /// All connections of `host`, in the order of their keys.
    pub(super) fn ends_of(&self, host: u32) -> Vec<(Id, Side)> {
        let id = |key: usize, serial| Id { key: key as u32, serial };
        let ends = self.connections.iter().flat_map(|(key, connection)| {
            (0..2)
                .filter(|side| connection.ends[*side].host == host)
                .map(move |side| (id(key, connection.serial), side))
        });
        ends.collect()
    }

    /// Forgets a connection that nobody has anything to do with.
    pub(super) fn forget_if_over(&mut self, id: Id) {
        if self.get(id).is_some_and(|connection| connection.is_over()) {
            let [from, to] = self.connections.remove(id.key as usize).ends;
            // A later one may have it, if only the other end still knew of this one.
            let taken = &mut self.host_mut(from.host).ports_taken;
            if taken.get(&(from.address, to.address)) == Some(&id) {
                taken.remove(&(from.address, to.address));
            }
        }
    }
}
