//! [`Network`]: the kernels of all hosts, the connections and links between them, and the virtual clock.
//!
//! It calls no program. When something happens that a program must hear of, it puts that into the ready list of the
//! program's kernel and makes the host due; the [`World`](super::World) then lets the host's loop take a turn, and
//! the poll in that turn finds the ready list.
//!
//! ```text
//!   event --> Network::handle --> segment_arrived, syn_arrived, ... --> mark_ready --> due
//!                                                                                       |
//!   program <-- loop's turn <-- poll <-- next_ready <--------- World::take_due_turns <--+
//! ```
//!
//! The files from `handshake.rs` to `reset.rs` are all `impl Network`: one file for each part of TCP.
//!
//! Next: `kernel.rs`, what it knows of one host.

use super::connection::{Connection, EndState, Owner, Progress};
use super::datagrams::{DatagramInFlight, DatagramSocketState};
use super::kernel::{HostState, Kernel, ListeningSocket, Ready};
use super::queue::{ConnectionId, EndIndex, Event, EventQueue};
use super::random::Random;
use super::settings::{LinkSettings, WorldSettings};
use super::trace::{Action, Record, Trace};
use crate::driver::{Readiness, Token};
use slab::Slab;
use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::time::Duration;

pub(super) struct Network {
    /// The virtual clock: nanoseconds since the world began.
    pub(super) now: u64,
    pub(super) queue: EventQueue,
    /// The order of draws is part of a run: one draw more or less changes everything after it.
    pub(super) random: Random,
    pub(super) trace: Trace,
    pub(super) settings: WorldSettings,
    pub(super) hosts: Vec<Kernel>,
    pub(super) connections: Slab<Connection>,
    pub(super) listeners: Slab<ListeningSocket>,
    pub(super) datagram_sockets: Slab<DatagramSocketState>,
    pub(super) datagrams: Slab<DatagramInFlight>,
    pub(super) links: Vec<DirectedLink>,
    links_by_hosts: BTreeMap<(u32, u32), u32>,
    /// The link of each host that its UNIX sockets share: nothing cuts it, and it loses nothing.
    unix_links: BTreeMap<u32, u32>,
    pub(super) hosts_by_address: BTreeMap<IpAddr, u32>,
    /// The hosts that are to take a turn now, in order.
    due: VecDeque<u32>,
    pub(super) next_serial: u32,
    /// The number of the next datagram, for readers of the trace.
    pub(super) next_datagram: u64,
}

/// One direction between two hosts; all connections between them share it.
pub(super) struct DirectedLink {
    pub(super) from: u32,
    pub(super) to: u32,
    /// The settings that were made for this link; without any, the world's hold.
    pub(super) own_settings: Option<LinkSettings>,
    pub(super) is_cut: bool,
    /// When the bytes handed over so far have all left; a segment sent earlier waits until then.
    pub(super) free_at: u64,
}

impl Network {
    pub(super) fn new(seed: u64, settings: WorldSettings) -> Network {
        Network {
            now: 0,
            queue: EventQueue::default(),
            random: Random::stream(seed, 0),
            trace: Trace::new(),
            settings,
            hosts: Vec::new(),
            connections: Slab::new(),
            listeners: Slab::new(),
            datagram_sockets: Slab::new(),
            datagrams: Slab::new(),
            links: Vec::new(),
            links_by_hosts: BTreeMap::new(),
            unix_links: BTreeMap::new(),
            hosts_by_address: BTreeMap::new(),
            due: VecDeque::new(),
            next_serial: 0,
            next_datagram: 0,
        }
    }

    /// Lets an event happen.
    pub(super) fn handle(&mut self, event: Event) {
        match event {
            Event::Wake(host) => self.wake(host),
            Event::SendSyn(id) => self.send_syn(id),
            Event::SynArrived(id) => self.syn_arrived(id),
            Event::SegmentArrived(id, side) => self.segment_arrived(id, side),
            Event::SendBufferDrained(id, side) => self.send_buffer_drained(id, side),
            Event::WindowUpdateArrived(id, side) => self.window_update_arrived(id, side),
            Event::RetryTimer(id, side) => self.retry_timer_expired(id, side),
            Event::ResetArrived(id, side) => self.reset_arrived(id, side),
            Event::KeepAliveTimer(id, side) => self.keep_alive_timer_expired(id, side),
            Event::DatagramArrived(key) => self.datagram_arrived(key),
            Event::DatagramRefused(key, token) => self.datagram_refused(key, token),
            Event::Scheduled(_) => {} // The world does these itself: they run code of programs.
        }
    }

    /// Puts an event into the queue, `after` nanoseconds from now.
    pub(super) fn later(&mut self, after: u64, event: Event) {
        self.queue.push(self.now.saturating_add(after), event);
    }

    /// How long ago the world began.
    pub(super) fn elapsed(&self) -> Duration {
        Duration::from_nanos(self.now)
    }

    pub(super) fn host(&self, host: u32) -> &Kernel {
        &self.hosts[host as usize]
    }

    pub(super) fn host_mut(&mut self, host: u32) -> &mut Kernel {
        &mut self.hosts[host as usize]
    }

    /// The connection, unless it is over. Events check this first: a connection may be removed while they wait.
    pub(super) fn get(&mut self, id: ConnectionId) -> Option<&mut Connection> {
        self.connections.get_mut(id.key as usize).filter(|connection| connection.serial == id.serial)
    }

    /// Which host a program on `from` reaches at an address.
    pub(super) fn host_at(&self, from: u32, address: IpAddr) -> Option<u32> {
        if address.is_loopback() || address.is_unspecified() {
            return Some(from);
        }
        self.hosts_by_address.get(&address).copied()
    }

    /// The link from one host to another, made when it is first asked for.
    pub(super) fn link_between(&mut self, from: u32, to: u32) -> u32 {
        let links = &mut self.links;
        *self.links_by_hosts.entry((from, to)).or_insert_with(|| {
            links.push(DirectedLink { from, to, own_settings: None, is_cut: false, free_at: 0 });
            u32::try_from(links.len() - 1).expect("fewer links than that")
        })
    }

    /// The link of a host's UNIX sockets, made when it is first asked for. It is as fast as the loopback.
    pub(super) fn unix_link(&mut self, host: u32) -> u32 {
        let (links, settings) = (&mut self.links, self.settings.loopback.loss(0));
        *self.unix_links.entry(host).or_insert_with(|| {
            links.push(DirectedLink { from: host, to: host, own_settings: Some(settings), is_cut: false, free_at: 0 });
            u32::try_from(links.len() - 1).expect("fewer links than that")
        })
    }

    pub(super) fn link_settings(&self, link: u32) -> LinkSettings {
        let link = &self.links[link as usize];
        let default = if link.from == link.to { self.settings.loopback } else { self.settings.link };
        link.own_settings.unwrap_or(default)
    }

    /// Whether nothing gets through: the link is cut, or the machine it leads to is down.
    pub(super) fn is_cut(&self, link: u32) -> bool {
        let link = &self.links[link as usize];
        link.is_cut || self.host(link.to).state == HostState::Down
    }

    /// Draws how long a small packet takes on a link.
    pub(super) fn draw_latency(&mut self, link: u32) -> u64 {
        self.link_settings(link).latency.draw(&mut self.random)
    }

    /// Draws whether a link loses a packet.
    pub(super) fn draw_loss(&mut self, link: u32) -> bool {
        let loss = self.link_settings(link).loss;
        loss > 0 && self.random.chance(u64::from(loss), 1_000_000)
    }

    /// Wakes the loop of `host` after this many nanoseconds, unless another event wakes it earlier.
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
        // Otherwise an earlier wake-up has replaced this one (lazy deletion: the queue cannot take an event out).
        if kernel.wake == now {
            kernel.wake = u64::MAX;
            self.make_due(host);
        }
    }

    /// Has the loop of `host` take a turn now. A paused program's host is made due again when it resumes.
    pub(super) fn make_due(&mut self, host: u32) {
        let kernel = &mut self.hosts[host as usize];
        if kernel.state == HostState::Running && !kernel.is_due {
            kernel.is_due = true;
            self.due.push_back(host);
        }
    }

    /// Takes the next host that is due. One that ended or was paused in the meantime is not.
    pub(super) fn next_due(&mut self) -> Option<u32> {
        while let Some(host) = self.due.pop_front() {
            let kernel = self.host_mut(host);
            kernel.is_due = false;
            if kernel.state == HostState::Running {
                return Some(host);
            }
        }
        None
    }

    /// Puts this end into its host's ready list, because something about it has changed.
    pub(super) fn mark_ready(&mut self, id: ConnectionId, side: EndIndex) {
        let Some(connection) = self.get(id) else { return };
        let end = &mut connection.ends[side];
        let host = end.host;
        if matches!(end.owner, Owner::Program(_)) && !std::mem::replace(&mut end.is_in_ready_list, true) {
            self.host_mut(host).ready.push_back(Ready::End(id, side));
        }
        self.make_due(host);
    }

    /// Takes the next report for a poll of `host`.
    pub(super) fn next_ready(&mut self, host: u32) -> Option<Readiness> {
        while let Some(ready) = self.host_mut(host).ready.pop_front() {
            let readiness = match ready {
                Ready::End(id, side) => self.take_readiness(id, side),
                Ready::Listener(key, token) => self.take_listener_readiness(key, token),
                Ready::Datagrams(key, token) => self.take_udp_readiness(key, token),
                Ready::Console => self.take_console_readiness(host),
            };
            // `None` if the source was closed after it became ready.
            if readiness.is_some() {
                return readiness;
            }
        }
        None
    }

    fn take_listener_readiness(&mut self, key: u32, token: Token) -> Option<Readiness> {
        let listener = self.listeners.get_mut(key as usize).filter(|listener| listener.token == token)?;
        listener.is_in_ready_list = false;
        Some(Readiness { token, readable: true, writable: false, read_closed: false, broken: false })
    }

    /// As epoll does, this reports everything that is true now, not only what has changed.
    fn take_readiness(&mut self, id: ConnectionId, side: EndIndex) -> Option<Readiness> {
        let connection = self.get(id)?;
        let end = &mut connection.ends[side];
        end.is_in_ready_list = false;
        let Owner::Program(token) = end.owner else { return None };
        let broken = end.error.is_some();
        let gone = end.state == EndState::Gone;
        let has_room = end.state == EndState::Open && !end.wants_room;
        let incoming = &connection.pipes[1 - side];
        let read_closed = gone || incoming.fin == Progress::Arrived;
        Some(Readiness {
            token,
            readable: read_closed || incoming.unread > 0,
            writable: gone || has_room,
            read_closed,
            broken,
        })
    }

    /// Writes down what `host` did.
    #[inline]
    pub(super) fn note(&mut self, host: u32, record: impl Into<Record>) {
        self.note_with(host, record, "");
    }

    /// Writes down what `host` did, with a detail for the reader of the trace; the hash does not cover the detail.
    #[inline]
    pub(super) fn note_with(&mut self, host: u32, record: impl Into<Record>, detail: &str) {
        let hosts = &self.hosts;
        self.trace.record(self.now, host, record.into(), detail, |host| hosts[host as usize].name.clone());
    }

    /// A detail for the trace, worked out only if somebody reads the trace.
    #[inline]
    pub(super) fn detail(&self, f: impl FnOnce() -> String) -> String {
        if self.trace.is_read() { f() } else { String::new() }
    }

    /// Writes down something that holds for all hosts from now on. The hash covers the whole text.
    pub(super) fn say(&mut self, text: &str) {
        self.trace.say(self.now, "--", text);
    }

    /// Writes down what one end of a connection did.
    #[inline]
    pub(super) fn note_end(&mut self, id: ConnectionId, side: EndIndex, action: Action, number: usize) {
        self.note_end_with(id, side, action, number, "");
    }

    /// Writes down what one end of a connection did, with a detail that the hash does not cover.
    #[inline]
    pub(super) fn note_end_with(
        &mut self,
        id: ConnectionId,
        side: EndIndex,
        action: Action,
        number: usize,
        detail: &str,
    ) {
        let connection = &self.connections[id.key as usize];
        let (host, other) = (connection.ends[side].host, connection.ends[1 - side].host);
        let record = Record { connection: Some(id.serial), number: number as u64, ..action.to(other) };
        self.note_with(host, record, detail);
    }
}
