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

/// A request is sent so often, after 1, 2, 4, ... seconds: Linux's `tcp_syn_retries` of 6. It fails after 127 s.
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
            address.set_port(self.free_port(host, ip));
        }
        let is_taken = |other: &SocketAddr| {
            let same_place = other.ip() == ip || other.ip().is_unspecified() || ip.is_unspecified();
            other.port() == address.port() && other.is_ipv4() == address.is_ipv4() && same_place
        };
        if self.host(host).ports.keys().any(is_taken) {
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
        self.open_descriptor(host)?;
        let port = self.free_port(host, ip);
        let asking =
            End { life: Life::Asking, owner: Owner::Program(token), ..End::new(host, SocketAddr::new(ip, port)) };
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
        self.note_end(id, 0, Did::Ask, usize::from(to.port()));
        self.ask(id);
        Ok(id)
    }

    /// Sends a request (again), or gives up.
    pub(super) fn ask(&mut self, id: Id) {
        let Some(connection) = self.get(id).filter(|connection| connection.ends[0].life == Life::Asking) else {
            return;
        };
        if connection.tries == TRIES {
            self.note_end(id, 0, Did::GiveUp, 0);
            return self.break_end(id, 0, ErrorKind::TimedOut);
        }
        connection.tries += 1;
        let way = connection.links[0];
        if self.is_cut(way) || self.is_lost(way) {
            return self.ask_again(id);
        }
        let latency = self.latency(way);
        self.later(latency, Event::Asked(id));
    }

    fn ask_again(&mut self, id: Id) {
        self.note_end(id, 0, Did::LoseRequest, 0);
        let tries = self.connections[id.key as usize].tries;
        self.later(SECOND << (tries - 1), Event::Ask(id));
    }

    /// A request has come.
    pub(super) fn asked(&mut self, id: Id) {
        let Some(connection) = self.get(id) else { return };
        if connection.ends[0].life != Life::Asking || connection.ends[1].life != Life::Absent {
            return;
        }
        let ([there, back], host, address) = (connection.links, connection.ends[1].host, connection.ends[1].address);
        if self.is_cut(there) || self.is_cut(back) {
            return self.ask_again(id);
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
            self.note_end(id, 1, Did::Overflow, number);
            return self.ask_again(id);
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
