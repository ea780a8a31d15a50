//! How connections come about: listening, asking, backlogs, accepting. As on Linux, with one simplification: a
//! connection stands in the backlog as soon as the request has come, not when its answer has been acknowledged.

use super::connection::{Connection, End, Life, Mark, Owner, Pipe};
use super::network::{Network, Port, Ready};
use super::queue::{Event, Id};
use super::trace::Did;
use crate::driver::Token;
use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// A request is sent so often, after waits of 1, 2, 4, ... seconds, and fails after 127 s: Linux's `tcp_syn_retries` of
/// 6, as it was until 6.4. From 6.5 on `tcp_syn_linear_timeouts` has the first waits be 1, 1, 1, 1, 1, 2, 4, ...
/// seconds, for up to four requests more, and it fails after 131 s.
const TRIES: u32 = 7;

const SECOND: u64 = 1_000_000_000;

impl Network {
    /// Opens a listening socket.
    pub(super) fn listen(
        &mut self,
        host: u32,
        mut address: SocketAddr,
        backlog: u32,
        token: Token,
    ) -> io::Result<(u32, SocketAddr)> {
        let kernel = self.host(host);
        let ip = address.ip();
        if !ip.is_unspecified() && !ip.is_loopback() && !kernel.addresses.contains(&ip) {
            return Err(ErrorKind::AddrNotAvailable.into());
        }
        if address.port() == 0 {
            address = self.free_port(host, ip, None).ok_or(ErrorKind::AddrInUse)?;
        }
        if self.host(host).is_listened_on(address) {
            return Err(ErrorKind::AddrInUse.into());
        }
        self.open_descriptor(host)?;
        let backlog = backlog as usize;
        let port = Port { host, address, token, backlog, waiting: VecDeque::new(), is_listed: false };
        let key = u32::try_from(self.listeners.insert(port)).expect("fewer ports than that");
        self.host_mut(host).ports.insert(address, key);
        self.note(host, Did::Listen.count(u64::from(address.port())));
        Ok((key, address))
    }

    /// Closes it; those that wait in its backlog are broken off.
    pub(super) fn close_port(&mut self, key: u32) {
        let port = self.listeners.remove(key as usize);
        let kernel = self.host_mut(port.host);
        kernel.ports.remove(&port.address);
        kernel.descriptors -= 1;
        self.note(port.host, Did::CloseListener.count(u64::from(port.address.port())));
        for id in port.waiting {
            if let Some(connection) = self.get(id) {
                connection.ends[1].owner = Owner::Nobody;
                self.abort(id, 1);
            }
        }
    }

    /// Who listens at an address of `host`.
    fn port_at(&self, host: u32, address: SocketAddr) -> Option<u32> {
        let everywhere = match address {
            SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        };
        let ports = &self.host(host).ports;
        ports.get(&address).or_else(|| ports.get(&SocketAddr::new(everywhere, address.port()))).copied()
    }

    /// Asks for a connection to `to`.
    pub(super) fn connect(&mut self, host: u32, to: SocketAddr, bind: Option<IpAddr>, token: Token) -> io::Result<Id> {
        let Some(other) = self.who(host, to.ip()) else {
            self.note(host, Did::FindNoRoute.count(u64::from(to.port())));
            return Err(ErrorKind::NetworkUnreachable.into());
        };
        let ours = |ip: &IpAddr| ip.is_loopback() || self.host(host).addresses.contains(ip);
        let ip = match bind.filter(|ip| !ip.is_unspecified()) {
            Some(ip) => Some(ip).filter(ours),
            None if other == host => Some(to.ip()),
            None => self.host(host).addresses.iter().copied().find(|ip| ip.is_ipv4() == to.is_ipv4()),
        };
        let ip = ip.ok_or(ErrorKind::AddrNotAvailable)?;
        let from = self.free_port(host, ip, Some(to)).ok_or(ErrorKind::AddrNotAvailable)?;
        self.open_descriptor(host)?;
        let asking = End { life: Life::Asking, owner: Owner::Program(token), ..End::new(host, from) };
        let connection = Connection {
            serial: self.next_serial,
            ends: [asking, End::new(other, to)],
            pipes: [Pipe::new(), Pipe::new()],
            links: [self.way(host, other), self.way(other, host)],
            tries: 0,
        };
        self.next_serial = self.next_serial.wrapping_add(1);
        let serial = connection.serial;
        let id = Id { key: u32::try_from(self.connections.insert(connection)).expect("fewer connections"), serial };
        self.take_port(id);
        self.note_end(id, 0, Did::Ask, usize::from(to.port()));
        self.ask(id);
        Ok(id)
    }

    /// Sends a request (again), or gives up. It is sent again unless an answer has come by then.
    pub(super) fn ask(&mut self, id: Id) {
        let Some(connection) = self.get(id).filter(|connection| connection.ends[0].life == Life::Asking) else {
            return;
        };
        if connection.tries == TRIES {
            self.note_end(id, 0, Did::GiveUp, 0);
            return self.break_end(id, 0, ErrorKind::TimedOut);
        }
        let (wait, way) = (SECOND << connection.tries, connection.links[0]);
        connection.tries += 1;
        if connection.tries > 1 {
            self.note_end(id, 0, Did::Retransmit, 0);
        }
        self.later(wait, Event::Ask(id));
        if self.is_cut(way) || self.is_lost(way) {
            return self.note_end(id, 0, Did::LoseRequest, 0);
        }
        let latency = self.latency(way);
        self.later(latency, Event::Asked(id));
    }

    /// A request has come.
    pub(super) fn asked(&mut self, id: Id) {
        let Some(connection) = self.get(id).filter(|connection| connection.ends[0].life == Life::Asking) else {
            return;
        };
        let ([there, back], end) = (connection.links, &connection.ends[1]);
        let (host, address, life, owner) = (end.host, end.address, end.life, end.owner);
        // Nobody accepts a connection whose answer cannot come: that is as if the request had not.
        if self.is_cut(there) || self.is_cut(back) {
            return self.note_end(id, 0, Did::LoseRequest, 0);
        }
        match life {
            Life::Absent => {}
            // It has come before: whoever waits to be able to answer does so now.
            Life::Open | Life::Asking => return self.answer_again(id),
            // The kernel that had it knows nothing of it any more.
            Life::Gone if owner == Owner::Nobody => self.forget_answer(id),
            // But its program still has the old end: there is no room for a new one yet.
            Life::Gone => return self.note_end(id, 0, Did::LoseRequest, 0),
        }
        let number = usize::from(address.port());
        let Some(key) = self.port_at(host, address) else {
            self.note_end(id, 1, Did::Refuse, number);
            let latency = self.latency(back);
            return self.later(latency, Event::Reset(id, 0));
        };
        let port = &mut self.listeners[key as usize];
        // Linux takes one more than it was asked to, and drops requests beyond that.
        if port.waiting.len() > port.backlog {
            return self.note_end(id, 1, Did::Overflow, number);
        }
        port.waiting.push_back(id);
        if !std::mem::replace(&mut port.is_listed, true) {
            let ready = Ready::Port(key, port.token);
            self.host_mut(host).ready.push_back(ready);
        }
        self.make_due(host);
        let now = self.now;
        let connection = &mut self.connections[id.key as usize];
        let end = &mut connection.ends[1];
        (end.life, end.owner, end.heard) = (Life::Open, Owner::Backlog(key), now);
        connection.pipes[1].beginning = Mark::Wanted;
        self.note_end(id, 1, Did::Queue, number);
        self.pump(id, 1);
    }

    /// The end that was asked is as if it had never been.
    fn forget_answer(&mut self, id: Id) {
        let connection = &mut self.connections[id.key as usize];
        let [_, end] = &mut connection.ends;
        *end = End::new(end.host, end.address);
        connection.pipes[1] = Pipe::new();
    }

    /// Takes the first of a backlog.
    pub(super) fn accept(&mut self, key: u32, token: Token) -> io::Result<(Id, SocketAddr)> {
        let host = self.listeners[key as usize].host;
        // As Linux does: without a descriptor it does not even look whether anybody waits.
        self.open_descriptor(host)?;
        let Some(id) = self.listeners[key as usize].waiting.pop_front() else {
            self.host_mut(host).descriptors -= 1;
            return Err(ErrorKind::WouldBlock.into());
        };
        let connection = &mut self.connections[id.key as usize];
        connection.ends[1].owner = Owner::Program(token);
        let peer = connection.ends[0].address;
        let incoming = &connection.pipes[0];
        // An edge that came before there was anybody to tell.
        if incoming.unread > 0 || incoming.end == Mark::Arrived || connection.ends[1].life == Life::Gone {
            self.tell(id, 1);
        }
        self.note_end(id, 1, Did::Accept, 0);
        Ok((id, peer))
    }
}
