//! How a connection comes about: listening, requesting, backlogs, accepting.
//!
//! ```text
//!   client                                  server
//!   connect: Connecting  -- SYN ---------->  Open, in the backlog; later the program accepts
//!            Open        <--------- SYN-ACK --
//! ```
//!
//! One simplification: a connection stands in the backlog as soon as the SYN has arrived. A real kernel first keeps it
//! in a second queue, until the client has acknowledged the SYN-ACK.
//!
//! Next: `stream.rs`, the bytes.

use super::connection::{Connection, End, EndState, Owner, Pipe, Progress};
use super::kernel::{ListeningSocket, Ready};
use super::network::Network;
use super::queue::{ConnectionId, EndIndex, Event};
use super::trace::Action;
use crate::Address;
use crate::driver::{ListenOptions, Token};
use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Maximum number of SYNs for one connection. They are sent after waits of 1, 2, 4, ... seconds, and the attempt fails
/// after 127 s: Linux's `tcp_syn_retries` of 6, as it was until version 6.4. From 6.5 on, `tcp_syn_linear_timeouts`
/// makes the first waits 1, 1, 1, 1, 1, 2, 4, ... seconds, for up to four more SYNs, and the attempt fails after 131 s.
const MAX_SYNS: u32 = 7;

const SECOND: u64 = 1_000_000_000;

impl Network {
    /// Opens a listening socket; its key and its address, with a port chosen if `address` has port 0. A socket for both
    /// kinds of clients stands at two addresses.
    pub(super) fn listen(
        &mut self,
        host: u32,
        mut address: SocketAddr,
        options: ListenOptions,
        token: Token,
    ) -> io::Result<(u32, SocketAddr)> {
        let kernel = self.host(host);
        if options.reuse_port {
            return Err(io::Error::new(ErrorKind::Unsupported, "a simulated host has no SO_REUSEPORT"));
        }
        let ip = address.ip();
        if !ip.is_unspecified() && !ip.is_loopback() && !kernel.addresses.contains(&ip) {
            return Err(ErrorKind::AddrNotAvailable.into());
        }
        let is_for_both = ip == Ipv6Addr::UNSPECIFIED && !options.ipv6_only;
        let second_ip = is_for_both.then_some(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        if address.port() == 0 {
            address = self.free_port_to_listen_on(host, ip, second_ip).ok_or(ErrorKind::AddrInUse)?;
        }
        let second = second_ip.map(|ip| SocketAddr::new(ip, address.port()));
        let addresses = || [Some(address), second].into_iter().flatten();
        if addresses().any(|address| self.host(host).is_listened_on(address)) {
            return Err(ErrorKind::AddrInUse.into());
        }
        self.open_descriptor(host)?;
        let listener = ListeningSocket {
            host,
            address: address.into(),
            token,
            max_backlog: options.backlog as usize,
            backlog: VecDeque::new(),
            is_in_ready_list: false,
        };
        let key = u32::try_from(self.listeners.insert(listener)).expect("fewer listening sockets than that");
        self.host_mut(host).ports.extend(addresses().map(|address| (address, key)));
        self.note(host, Action::Listen.count(u64::from(address.port())));
        Ok((key, address))
    }

    /// Closes a listening socket. The connections in its backlog are reset.
    pub(super) fn close_listener(&mut self, key: u32) {
        let listener = self.listeners.remove(key as usize);
        let kernel = self.host_mut(listener.host);
        kernel.ports.retain(|_, other| *other != key);
        kernel.descriptors -= 1;
        match &listener.address {
            Address::Unix(address) => self.close_unix_listener(listener.host, address),
            address => {
                let port = address.tcp().map_or(0, |address| address.port());
                self.note(listener.host, Action::CloseListener.count(u64::from(port)));
            }
        }
        for id in listener.backlog {
            if let Some(connection) = self.get(id) {
                connection.ends[1].owner = Owner::Nobody;
                self.abort(id, 1);
            }
        }
    }

    /// The listening socket that takes connections to this address of `host`.
    fn listener_at(&self, host: u32, address: SocketAddr) -> Option<u32> {
        let unspecified = match address {
            SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        };
        let ports = &self.host(host).ports;
        ports.get(&address).or_else(|| ports.get(&SocketAddr::new(unspecified, address.port()))).copied()
    }

    /// Begins a connection to `to`. The client hears of the outcome by a poll, as with a non-blocking socket.
    pub(super) fn connect(
        &mut self,
        host: u32,
        to: SocketAddr,
        bind: Option<SocketAddr>,
        token: Token,
    ) -> io::Result<ConnectionId> {
        let Some(other) = self.host_at(host, to.ip()) else {
            self.note(host, Action::FindNoRoute.count(u64::from(to.port())));
            return Err(ErrorKind::NetworkUnreachable.into());
        };
        let is_ours = |ip: &IpAddr| ip.is_loopback() || self.host(host).addresses.contains(ip);
        let ip = match bind.map(|bind| bind.ip()).filter(|ip| !ip.is_unspecified()) {
            Some(ip) => Some(ip).filter(is_ours),
            None if other == host => Some(to.ip()),
            None => self.host(host).addresses.iter().copied().find(|ip| ip.is_ipv4() == to.is_ipv4()),
        };
        let ip = ip.ok_or(ErrorKind::AddrNotAvailable)?;
        let from = match bind.map_or(0, |bind| bind.port()) {
            0 => self.free_port(host, ip, Some(to)).ok_or(ErrorKind::AddrNotAvailable)?,
            port => Some(SocketAddr::new(ip, port))
                .filter(|from| self.is_port_free(host, *from, Some(to)))
                .ok_or(ErrorKind::AddrInUse)?,
        };
        self.open_descriptor(host)?;
        let client = End { state: EndState::Connecting, owner: Owner::Program(token), ..End::new(host, from) };
        let connection = Connection {
            serial: self.next_serial,
            ends: [client, End::new(other, to)],
            pipes: [Pipe::new(), Pipe::new()],
            links: [self.link_between(host, other), self.link_between(other, host)],
            syns_sent: 0,
        };
        self.next_serial = self.next_serial.wrapping_add(1);
        let serial = connection.serial;
        let key = u32::try_from(self.connections.insert(connection)).expect("fewer connections than that");
        let id = ConnectionId { key, serial };
        self.take_port(id);
        self.note_end(id, 0, Action::RequestConnection, usize::from(to.port()));
        self.send_syn(id);
        Ok(id)
    }

    /// Sends the SYN for the first time or again, or gives up. Does nothing if an answer has come in the meantime.
    pub(super) fn send_syn(&mut self, id: ConnectionId) {
        let Some(connection) = self.get(id).filter(|connection| connection.ends[0].state == EndState::Connecting)
        else {
            return;
        };
        if connection.syns_sent == MAX_SYNS {
            self.note_end(id, 0, Action::GiveUp, 0);
            return self.fail_end(id, 0, ErrorKind::TimedOut);
        }
        let (wait, link) = (SECOND << connection.syns_sent, connection.links[0]);
        connection.syns_sent += 1;
        if connection.syns_sent > 1 {
            self.note_end(id, 0, Action::Retransmit, 0);
        }
        self.later(wait, Event::SendSyn(id));
        if self.is_cut(link) || self.draw_loss(link) {
            return self.note_end(id, 0, Action::LoseRequest, 0);
        }
        let latency = self.draw_latency(link);
        self.later(latency, Event::SynArrived(id));
    }

    /// A SYN arrives at the server's kernel.
    pub(super) fn syn_arrived(&mut self, id: ConnectionId) {
        let Some(connection) = self.get(id).filter(|connection| connection.ends[0].state == EndState::Connecting)
        else {
            return;
        };
        let ([there, back], end) = (connection.links, &connection.ends[1]);
        let (host, state, owner) = (end.host, end.state, end.owner);
        // UNIX sockets send no SYN.
        let Some(address) = end.address.tcp() else { return };
        // If the answer cannot arrive, there will be no connection. So the SYN counts as lost.
        if self.is_cut(there) || self.is_cut(back) {
            return self.note_end(id, 0, Action::LoseRequest, 0);
        }
        match state {
            EndState::Absent => {}
            // The server has had a SYN already; this one shows that its SYN-ACK has not arrived.
            EndState::Open | EndState::Connecting => return self.resend_syn_ack(id),
            // The server's end failed, and its kernel has forgotten it: this SYN begins a new one.
            EndState::Gone if owner == Owner::Nobody => self.forget_old_end(id),
            // The same, but the program still holds the old end, and this connection has no place for a second one.
            EndState::Gone => return self.note_end(id, 0, Action::LoseRequest, 0),
        }
        let port = usize::from(address.port());
        let Some(key) = self.listener_at(host, address) else {
            self.note_end(id, 1, Action::Refuse, port);
            let latency = self.draw_latency(back);
            return self.later(latency, Event::ResetArrived(id, 0));
        };
        let listener = &mut self.listeners[key as usize];
        // Linux lets one connection more wait than the program asked for, and drops SYNs beyond that. The client sends
        // the SYN again, so a full backlog delays a connection and does not refuse it.
        if listener.backlog.len() > listener.max_backlog {
            return self.note_end(id, 1, Action::OverflowBacklog, port);
        }
        listener.backlog.push_back(id);
        if !std::mem::replace(&mut listener.is_in_ready_list, true) {
            let ready = Ready::Listener(key, listener.token);
            self.host_mut(host).ready.push_back(ready);
        }
        self.make_due(host);
        let now = self.now;
        let connection = &mut self.connections[id.key as usize];
        let end = &mut connection.ends[1];
        (end.state, end.owner, end.last_heard) = (EndState::Open, Owner::Backlog(key), now);
        connection.pipes[1].syn_ack = Progress::Wanted;
        self.note_end(id, 1, Action::EnterBacklog, port);
        self.pump(id, 1);
    }

    /// Makes the server's end as if there had never been one.
    fn forget_old_end(&mut self, id: ConnectionId) {
        let connection = &mut self.connections[id.key as usize];
        let [_, end] = &mut connection.ends;
        *end = End::new(end.host, end.address.clone());
        connection.pipes[1] = Pipe::new();
    }

    /// A SYN has come again: if the server waits to retry its SYN-ACK, it retries now.
    fn resend_syn_ack(&mut self, id: ConnectionId) {
        let now = self.now;
        if let Some(retransmission) = &mut self.connections[id.key as usize].pipes[1].retransmission {
            retransmission.next = now;
            self.retry_timer_expired(id, 1);
        }
    }

    /// The SYN-ACK that `side` has sent arrives at the client.
    pub(super) fn syn_ack_arrived(&mut self, id: ConnectionId, side: EndIndex) {
        let connection = &mut self.connections[id.key as usize];
        connection.pipes[side].syn_ack = Progress::Arrived;
        connection.ends[1 - side].state = EndState::Open;
        let is_known = connection.ends[side].state == EndState::Open;
        self.note_end(id, 1 - side, Action::Connect, 0);
        if !is_known {
            self.acknowledge_to_unknown_sender(id, side);
        }
        self.pump(id, 1 - side);
    }

    /// Whether the client's attempt has succeeded: `Ok(false)` as long as it waits for an answer.
    pub(super) fn finish_connect(&mut self, id: ConnectionId, side: EndIndex) -> Result<bool, ErrorKind> {
        let end = &mut self.connections[id.key as usize].ends[side];
        match (end.error.take(), end.state) {
            (Some(error), _) => Err(error),
            (None, EndState::Connecting) => Ok(false),
            (None, EndState::Open) => Ok(true),
            (None, EndState::Absent | EndState::Gone) => Err(ErrorKind::NotConnected),
        }
    }

    /// Takes the first connection of a backlog for the program.
    pub(super) fn accept(&mut self, key: u32, token: Token) -> io::Result<(ConnectionId, Address)> {
        let host = self.listeners[key as usize].host;
        // Linux takes a descriptor before it looks at the backlog, so lack of one fails even if nothing waits.
        self.open_descriptor(host)?;
        let Some(id) = self.listeners[key as usize].backlog.pop_front() else {
            self.host_mut(host).descriptors -= 1;
            return Err(ErrorKind::WouldBlock.into());
        };
        let connection = &mut self.connections[id.key as usize];
        connection.ends[1].owner = Owner::Program(token);
        let peer = connection.ends[0].address.clone();
        let incoming = &connection.pipes[0];
        // Polls are edge-triggered. What happened in the backlog found no program to tell, so tell it now.
        if incoming.unread > 0 || incoming.fin == Progress::Arrived || connection.ends[1].state == EndState::Gone {
            self.mark_ready(id, 1);
        }
        self.note_end(id, 1, Action::Accept, 0);
        Ok((id, peer))
    }
}
