//! [`Kernel`]: what the operating system of one simulated host keeps: its ports, descriptors and clock, and what is
//! ready for its program.
//!
//! Next: `connection.rs`, a TCP connection.

use super::connection::{Connection, EndState, Owner};
use super::console::ConsoleState;
use super::network::Network;
use super::queue::{ConnectionId, EndIndex};
use super::settings::HostSettings;
use super::trace::Action;
use crate::driver::{Signal, Token};
use crate::{Address, UnixAddress};
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::SystemTime;

/// Descriptors that every program has: the three standard streams, the one it polls and the one that wakes the poll.
const ALWAYS_OPEN: usize = 5;

/// The system gives out ports from here, as Linux does, up to [`LAST_PORT`].
const FIRST_PORT: u16 = 32_768;
const LAST_PORT: u16 = 60_999;

/// What Linux says for EMFILE. The error carries words and no number: the C library of the machine would turn a number
/// into words of its own, and the runs of a seed would differ from machine to machine.
const OUT_OF_DESCRIPTORS: &str = "Too many open files";

/// What a host is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostState {
    /// The machine is down, as after [`Host::crash`](super::Host::crash): nothing answers.
    Down,
    /// The machine is up, but the program has ended or was killed. The kernel refuses connections.
    Idle,
    /// The program runs.
    Running,
    /// The program is stopped, as by SIGSTOP. The kernel still accepts connections into backlogs, and buffers bytes.
    Paused,
}

impl HostState {
    /// Whether there is a program, running or paused.
    pub(super) fn has_program(self) -> bool {
        matches!(self, HostState::Running | HostState::Paused)
    }
}

pub(super) struct Kernel {
    pub(super) name: String,
    pub(super) addresses: Vec<IpAddr>,
    pub(super) state: HostState,
    /// Numbers the runs of the program, as a process ID does: a handle that an earlier run left behind is dead.
    pub(super) pid: u32,
    /// What the next poll reports, as in epoll's ready list.
    pub(super) ready: VecDeque<Ready>,
    pub(super) signals: Vec<Signal>,
    pub(super) catches_signals: bool,
    /// The listening sockets by address.
    pub(super) ports: BTreeMap<SocketAddr, u32>,
    /// The names of UNIX sockets, each with its listening socket; `None` is a file that was left behind. They outlive
    /// the program, as files do.
    pub(super) unix: BTreeMap<UnixAddress, Option<u32>>,
    pub(super) console: ConsoleState,
    next_port: u16,
    /// The ports that outgoing connections use, by local and remote address: one local port serves many connections,
    /// as long as no two of them go to the same place.
    ports_taken: BTreeMap<(SocketAddr, SocketAddr), ConnectionId>,
    pub(super) descriptors: usize,
    pub(super) max_descriptors: usize,
    pub(super) send_buffer: usize,
    pub(super) receive_buffer: usize,
    /// What this host's clock would have shown when the world began. Setting the clock moves this.
    pub(super) clock: SystemTime,
    /// It is in [`Network::due`]; it must not stand there twice.
    pub(super) is_due: bool,
    /// When the queue will wake its loop. A [`Wake`](super::queue::Event::Wake) for any other time is out of date.
    pub(super) wake: u64,
}

impl Kernel {
    /// Whether a new listener or connection at this address would collide with a listening socket. The unspecified
    /// address (0.0.0.0) collides with every address.
    pub(super) fn is_listened_on(&self, address: SocketAddr) -> bool {
        self.ports.keys().any(|other| {
            let (ip, other_ip) = (address.ip(), other.ip());
            let same_place = other_ip == ip || other_ip.is_unspecified() || ip.is_unspecified();
            other.port() == address.port() && other.is_ipv4() == address.is_ipv4() && same_place
        })
    }
}

/// A source that the next poll reports.
#[derive(Debug, Clone, Copy)]
pub(super) enum Ready {
    /// One end of a connection.
    End(ConnectionId, EndIndex),
    /// A listening socket, with the token that it had: its key may be used again.
    Listener(u32, Token),
    /// A UDP socket, with its token.
    Datagrams(u32, Token),
    /// Standard input and output.
    Console,
}

pub(super) struct ListeningSocket {
    pub(super) host: u32,
    pub(super) address: Address,
    pub(super) token: Token,
    pub(super) max_backlog: usize,
    /// Connections that wait to be accepted.
    pub(super) backlog: VecDeque<ConnectionId>,
    pub(super) is_in_ready_list: bool,
}

impl Network {
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
            state: HostState::Idle,
            pid: 0,
            ready: VecDeque::new(),
            signals: Vec::new(),
            catches_signals: false,
            ports: BTreeMap::new(),
            unix: BTreeMap::new(),
            console: ConsoleState::new(),
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

    /// Counts one more open descriptor, or fails as a system without descriptors does.
    pub(super) fn open_descriptor(&mut self, host: u32) -> io::Result<()> {
        let kernel = self.host_mut(host);
        if kernel.descriptors >= kernel.max_descriptors {
            self.note(host, Action::LackDescriptor);
            return Err(io::Error::other(OUT_OF_DESCRIPTORS));
        }
        kernel.descriptors += 1;
        Ok(())
    }

    /// A port of `ip` on which nothing listens, and from which no connection goes `to` that place. `None` if there is
    /// none left.
    pub(super) fn free_port(&mut self, host: u32, ip: IpAddr, to: Option<SocketAddr>) -> Option<SocketAddr> {
        (FIRST_PORT..=LAST_PORT).find_map(|_| {
            let kernel = self.host_mut(host);
            let address = SocketAddr::new(ip, kernel.next_port);
            kernel.next_port = if kernel.next_port == LAST_PORT { FIRST_PORT } else { kernel.next_port + 1 };
            self.is_port_free(host, address, to).then_some(address)
        })
    }

    /// A port of `ip` on which nothing listens, here or at `second_ip`.
    pub(super) fn free_port_to_listen_on(
        &mut self,
        host: u32,
        ip: IpAddr,
        second_ip: Option<IpAddr>,
    ) -> Option<SocketAddr> {
        for _ in FIRST_PORT..=LAST_PORT {
            let address = self.free_port(host, ip, None)?;
            let second = second_ip.map(|ip| SocketAddr::new(ip, address.port()));
            if !second.is_some_and(|second| self.host(host).is_listened_on(second)) {
                return Some(address);
            }
        }
        None
    }

    /// Whether nothing listens at `address`, and no connection goes from it `to` that place.
    pub(super) fn is_port_free(&self, host: u32, address: SocketAddr, to: Option<SocketAddr>) -> bool {
        !self.host(host).is_listened_on(address) && !to.is_some_and(|to| self.is_port_taken(host, address, to))
    }

    /// Whether the client's kernel or program still holds a connection between these addresses.
    fn is_port_taken(&self, host: u32, from: SocketAddr, to: SocketAddr) -> bool {
        let connection = self.host(host).ports_taken.get(&(from, to)).map(|id| &self.connections[id.key as usize]);
        connection
            .is_some_and(|Connection { ends: [end, _], .. }| end.state != EndState::Gone || end.owner != Owner::Nobody)
    }

    /// Notes that a connection uses its local port.
    pub(super) fn take_port(&mut self, id: ConnectionId) {
        let [from, to] = &self.connections[id.key as usize].ends;
        if let (host, Some(from), Some(to)) = (from.host, from.address.tcp(), to.address.tcp()) {
            self.host_mut(host).ports_taken.insert((from, to), id);
        }
    }

    /// Removes a connection that both programs and both kernels have finished with.
    pub(super) fn remove_if_over(&mut self, id: ConnectionId) {
        if self.get(id).is_some_and(|connection| connection.is_over()) {
            let [from, to] = self.connections.remove(id.key as usize).ends;
            // A later connection may use the port already, if only the other end still knew of this one.
            let taken = &mut self.host_mut(from.host).ports_taken;
            if let (Some(from), Some(to)) = (from.address.tcp(), to.address.tcp())
                && taken.get(&(from, to)) == Some(&id)
            {
                taken.remove(&(from, to));
            }
        }
    }

    /// Ends the program of `host`, which is in `state` afterwards. After a crash (`Down`) the kernel is gone with it:
    /// nobody is told. Otherwise the kernel closes what the program had open.
    pub(super) fn end_program(&mut self, host: u32, state: HostState, action: Action) {
        self.note(host, action);
        let kernel = self.host_mut(host);
        kernel.state = state;
        kernel.ready.clear();
        kernel.signals.clear();
        kernel.catches_signals = false;
        kernel.wake = u64::MAX;
        kernel.console.program_ended(state == HostState::Down);
        let ports = kernel.ports.clone();
        let sockets: Vec<u32> = kernel.unix.values().copied().flatten().collect();
        let ends = self.ends_of(host);
        if state == HostState::Down {
            for (id, side) in ends {
                let Some(connection) = self.get(id) else { continue };
                let end = &mut connection.ends[side];
                let had_program = matches!(end.owner, Owner::Program(_));
                end.owner = Owner::Nobody;
                if had_program {
                    self.host_mut(host).descriptors -= 1;
                }
                self.forget_end(id, side);
            }
        } else {
            for (id, side) in ends {
                if self.get(id).is_some_and(|connection| matches!(connection.ends[side].owner, Owner::Program(_))) {
                    self.close(id, side);
                }
            }
        }
        // After the connections: in a crash every end is gone by now, so that closing the listeners resets nothing. A
        // machine that is down sends nothing.
        for (address, key) in ports {
            // A socket for both kinds of clients stands there twice, and is closed once.
            if self.listeners.get(key as usize).is_some_and(|listener| listener.address.tcp() == Some(address)) {
                self.close_listener(key);
            }
        }
        for key in sockets {
            self.leave_behind(key);
        }
        self.close_all_udp(host);
    }

    /// All ends of connections at `host`, by the keys of the connections: the order must not depend on the machine.
    pub(super) fn ends_of(&self, host: u32) -> Vec<(ConnectionId, EndIndex)> {
        let id = |key: usize, serial| ConnectionId { key: key as u32, serial };
        let ends = self.connections.iter().flat_map(|(key, connection)| {
            (0..2)
                .filter(|side| connection.ends[*side].host == host)
                .map(move |side| (id(key, connection.serial), side))
        });
        ends.collect()
    }

    /// The setting that makes a clock show `time` now.
    pub(super) fn clock_at_the_beginning(&self, time: SystemTime) -> SystemTime {
        time.checked_sub(self.elapsed()).unwrap_or(time)
    }

    /// The time of day on `host`.
    pub(super) fn time_of_day(&self, host: u32) -> SystemTime {
        let clock = self.host(host).clock;
        clock.checked_add(self.elapsed()).unwrap_or(clock)
    }
}
