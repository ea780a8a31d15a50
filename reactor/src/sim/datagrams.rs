//! UDP: sockets, and datagrams on their way. A link may lose a datagram, double it, or let a later one overtake it.
//!
//! ```text
//!   send -> loss? double? -> on the link, each with a time of its own -> datagram_arrived -> the socket's queue
//!                                                                              |
//!   connection_refused at a connected sender <--- refusal on its way back <----+ nobody listens
//! ```
//!
//! Nothing is sent again: that is the program's work. A datagram of any length travels whole; a real network cuts a
//! long one into fragments, and loses it if one of them is lost.
//!
//! Next: `console.rs`, standard input and output.

use super::kernel::{HostState, Ready};
use super::network::Network;
use super::queue::Event;
use super::trace::Action;
use crate::datagram::MAX_DATAGRAM;
use crate::driver::{ListenOptions, Readiness, Token};
use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::mem;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// What one IPv4 datagram can carry.
const MAX_IPV4_DATAGRAM: usize = 65_507;

/// A UDP socket, as its kernel knows it.
pub(super) struct DatagramSocketState {
    host: u32,
    address: SocketAddr,
    token: Token,
    takes_ipv4_too: bool,
    peer: Option<SocketAddr>,
    may_broadcast: bool,
    /// Datagrams that the program has not received; and their bytes together.
    queue: VecDeque<DatagramInFlight>,
    queued_bytes: usize,
    /// What the next call fails with: a refusal has come.
    error: Option<ErrorKind>,
    is_in_ready_list: bool,
}

/// A datagram on a link, or in the queue of its receiver.
pub(super) struct DatagramInFlight {
    /// Its number, for readers of the trace.
    number: u64,
    /// The sender's socket and its token: its key may be used again.
    sender: (u32, Token),
    from: SocketAddr,
    to: SocketAddr,
    link: u32,
    bytes: Vec<u8>,
}

impl Network {
    /// Opens a socket; its key and its address, with a port chosen if `address` has port 0.
    pub(super) fn listen_udp(
        &mut self,
        host: u32,
        mut address: SocketAddr,
        options: ListenOptions,
        token: Token,
    ) -> io::Result<(u32, SocketAddr)> {
        if options.reuse_port {
            return Err(io::Error::new(ErrorKind::Unsupported, "a simulated host has no SO_REUSEPORT"));
        }
        let ip = address.ip();
        if !ip.is_unspecified() && !ip.is_loopback() && !self.host(host).addresses.contains(&ip) {
            return Err(ErrorKind::AddrNotAvailable.into());
        }
        let takes_ipv4_too = ip == Ipv6Addr::UNSPECIFIED && !options.ipv6_only;
        if address.port() == 0 {
            let ports = (32_768..=60_999).map(|port| SocketAddr::new(ip, port));
            let is_free = |at: &SocketAddr| !self.is_udp_taken(host, *at, takes_ipv4_too);
            address = ports.into_iter().find(is_free).ok_or(ErrorKind::AddrInUse)?;
        }
        if self.is_udp_taken(host, address, takes_ipv4_too) {
            return Err(ErrorKind::AddrInUse.into());
        }
        self.open_descriptor(host)?;
        let key = self.datagram_sockets.insert(DatagramSocketState {
            host,
            address,
            token,
            takes_ipv4_too,
            peer: None,
            may_broadcast: false,
            queue: VecDeque::new(),
            queued_bytes: 0,
            error: None,
            is_in_ready_list: false,
        });
        self.note(host, Action::OpenUdp.count(u64::from(address.port())));
        Ok((u32::try_from(key).expect("fewer sockets than that"), address))
    }

    fn is_udp_taken(&self, host: u32, address: SocketAddr, takes_ipv4_too: bool) -> bool {
        self.datagram_sockets.iter().any(|(_, socket)| {
            let (ip, other) = (address.ip(), socket.address.ip());
            let same_kind = ip.is_ipv4() == other.is_ipv4()
                || (takes_ipv4_too && other.is_ipv4())
                || (socket.takes_ipv4_too && ip.is_ipv4());
            let same_place = ip == other || ip.is_unspecified() || other.is_unspecified();
            socket.host == host && socket.address.port() == address.port() && same_kind && same_place
        })
    }

    pub(super) fn udp(&mut self, key: u32) -> &mut DatagramSocketState {
        &mut self.datagram_sockets[key as usize]
    }

    /// The program closes the socket, or has ended.
    pub(super) fn close_udp(&mut self, key: u32) {
        let socket = self.datagram_sockets.remove(key as usize);
        self.host_mut(socket.host).descriptors -= 1;
        self.note(socket.host, Action::CloseUdp.count(u64::from(socket.address.port())));
    }

    /// Closes all sockets of a host after its program has ended.
    pub(super) fn close_all_udp(&mut self, host: u32) {
        let keys: Vec<usize> =
            self.datagram_sockets.iter().filter(|(_, socket)| socket.host == host).map(|(key, _)| key).collect();
        keys.into_iter().for_each(|key| self.close_udp(key as u32));
    }

    /// Sends a datagram on its way. The sender does not hear whether it arrives.
    pub(super) fn send_datagram(&mut self, key: u32, bytes: &[u8], to: Option<SocketAddr>) -> io::Result<()> {
        let socket = self.udp(key);
        if let Some(error) = socket.error.take() {
            return Err(error.into());
        }
        let (host, token, may_broadcast) = (socket.host, socket.token, socket.may_broadcast);
        let to = to.or(socket.peer).ok_or(ErrorKind::NotConnected)?;
        let to = SocketAddr::new(to.ip().to_canonical(), to.port());
        let max = if to.is_ipv4() { MAX_IPV4_DATAGRAM } else { MAX_DATAGRAM };
        if bytes.len() > max {
            return Err(ErrorKind::FileTooLarge.into());
        }
        let is_broadcast = to.ip() == IpAddr::V4(Ipv4Addr::BROADCAST);
        if is_broadcast && !may_broadcast {
            return Err(ErrorKind::PermissionDenied.into());
        }
        let hosts: Vec<u32> = match is_broadcast {
            true => (0..self.hosts.len() as u32).collect(),
            false => vec![self.host_at(host, to.ip()).ok_or(ErrorKind::NetworkUnreachable)?],
        };
        let text = self.detail(|| self.trace.excerpt(bytes.iter().copied()));
        self.trace.mix_bytes(bytes);
        let number = self.next_datagram;
        self.next_datagram += 1;
        let sent = Action::SendDatagram.count(bytes.len() as u64);
        let other = (!is_broadcast).then(|| hosts[0]);
        self.note_with(host, sent.of_datagram(number, other), &text);
        for other in hosts {
            let from = self.source_of(key, other == host, to)?;
            let link = self.link_between(host, other);
            self.put_on_link(DatagramInFlight { number, sender: (key, token), from, to, link, bytes: bytes.to_vec() })?;
        }
        Ok(())
    }

    /// The address that a receiver sees.
    fn source_of(&self, key: u32, is_local: bool, to: SocketAddr) -> io::Result<SocketAddr> {
        let DatagramSocketState { host, address, takes_ipv4_too, .. } = self.datagram_sockets[key as usize];
        if address.is_ipv4() != to.is_ipv4() && !takes_ipv4_too {
            return Err(ErrorKind::InvalidInput.into());
        }
        let ip = match address.ip() {
            ip if !ip.is_unspecified() => ip,
            _ if is_local && to.ip().is_loopback() => to.ip(),
            _ => {
                let mut ours = self.host(host).addresses.iter().copied();
                ours.find(|ip| ip.is_ipv4() == to.is_ipv4()).ok_or(ErrorKind::AddrNotAvailable)?
            }
        };
        Ok(SocketAddr::new(ip, address.port()))
    }

    fn put_on_link(&mut self, datagram: DatagramInFlight) -> io::Result<()> {
        let (link, len) = (datagram.link, datagram.bytes.len());
        let (from, other) = (self.links[link as usize].from, self.links[link as usize].to);
        let settings = self.link_settings(link);
        if let Some(bandwidth) = settings.bandwidth {
            // What the link has not sent yet stands in the sender's buffer.
            let waits = u128::from(self.links[link as usize].free_at.saturating_sub(self.now));
            let waiting_bytes = waits * u128::from(bandwidth) / 1_000_000_000;
            if waiting_bytes + len as u128 > self.host(from).send_buffer as u128 {
                return Err(ErrorKind::WouldBlock.into());
            }
        }
        let departs = self.departure(link, settings.bandwidth, len);
        if self.is_cut(link) || self.draw_loss(link) {
            self.note(from, Action::LoseDatagram.count(len as u64).of_datagram(datagram.number, other));
            return Ok(());
        }
        let is_doubled = settings.duplication > 0 && self.random.chance(u64::from(settings.duplication), 1_000_000);
        let copy = is_doubled.then(|| DatagramInFlight { bytes: datagram.bytes.clone(), ..datagram });
        for datagram in [Some(datagram), copy].into_iter().flatten() {
            // Each has a time of its own, so that a later one may overtake an earlier one.
            let at = departs.saturating_add(self.draw_latency(link));
            let key = u32::try_from(self.datagrams.insert(datagram)).expect("fewer datagrams than that");
            self.queue.push(at, Event::DatagramArrived(key));
        }
        Ok(())
    }

    pub(super) fn datagram_arrived(&mut self, key: u32) {
        let datagram = self.datagrams.remove(key as usize);
        let DatagramInFlight { number, sender, from, to, link, .. } = datagram;
        let (other, host, len) = (self.links[link as usize].from, self.links[link as usize].to, datagram.bytes.len());
        let lost = Action::LoseDatagram.count(len as u64).of_datagram(number, other);
        if self.is_cut(link) {
            return self.note(host, lost);
        }
        let is_broadcast = to.ip() == IpAddr::V4(Ipv4Addr::BROADCAST);
        let Some(key) = self.socket_for(host, to, is_broadcast) else {
            if !is_broadcast && self.host(host).state != HostState::Down {
                let back = self.link_between(host, other);
                if !self.is_cut(back) && !self.draw_loss(back) {
                    let latency = self.draw_latency(back);
                    self.later(latency, Event::DatagramRefused(sender.0, sender.1));
                }
            }
            return self.note(host, Action::RefuseDatagram.count(u64::from(to.port())).of_datagram(number, other));
        };
        let room = self.host(host).receive_buffer;
        let socket = self.udp(key);
        if socket.peer.is_some_and(|peer| peer != from) {
            return;
        }
        if socket.queued_bytes + len > room {
            return self.note(host, lost);
        }
        socket.queued_bytes += len;
        socket.queue.push_back(datagram);
        self.note(host, Action::GetDatagram.count(len as u64).of_datagram(number, other));
        self.mark_udp_ready(key);
    }

    /// The socket that receives what goes to this address of `host`.
    fn socket_for(&self, host: u32, to: SocketAddr, is_broadcast: bool) -> Option<u32> {
        let takes = |socket: &DatagramSocketState| {
            let ip = socket.address.ip();
            let same_kind = ip.is_ipv4() == to.is_ipv4() || socket.takes_ipv4_too;
            let same_place = ip == to.ip() || ip.is_unspecified() || is_broadcast;
            socket.host == host && socket.address.port() == to.port() && same_kind && same_place
        };
        let found = self.datagram_sockets.iter().find(|(_, socket)| takes(socket));
        found.map(|(key, _)| key as u32)
    }

    /// Another machine says that nobody listens there. Only a connected socket hears of it.
    pub(super) fn datagram_refused(&mut self, key: u32, token: Token) {
        let socket = self.datagram_sockets.get_mut(key as usize);
        let socket = socket.filter(|socket| socket.token == token && socket.peer.is_some());
        if let Some(socket) = socket {
            socket.error = Some(ErrorKind::ConnectionRefused);
            self.mark_udp_ready(key);
        }
    }

    fn mark_udp_ready(&mut self, key: u32) {
        let socket = self.udp(key);
        let (host, token) = (socket.host, socket.token);
        if !mem::replace(&mut socket.is_in_ready_list, true) {
            self.host_mut(host).ready.push_back(Ready::Datagrams(key, token));
        }
        self.make_due(host);
    }

    pub(super) fn take_udp_readiness(&mut self, key: u32, token: Token) -> Option<Readiness> {
        let socket = self.datagram_sockets.get_mut(key as usize).filter(|socket| socket.token == token)?;
        socket.is_in_ready_list = false;
        Some(Readiness { token, readable: true, writable: true, read_closed: false, broken: false })
    }

    /// The program takes the next datagram.
    pub(super) fn receive_datagram(&mut self, key: u32, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        let socket = self.udp(key);
        if let Some(error) = socket.error.take() {
            return Err(error.into());
        }
        let DatagramInFlight { number, from, link, bytes, .. } =
            socket.queue.pop_front().ok_or(ErrorKind::WouldBlock)?;
        socket.queued_bytes -= bytes.len();
        let (host, len) = (socket.host, bytes.len().min(buffer.len()));
        buffer[..len].copy_from_slice(&bytes[..len]);
        let other = self.links[link as usize].from;
        self.note(host, Action::ReceiveDatagram.count(len as u64).of_datagram(number, other));
        Ok((len, from))
    }
}

impl DatagramSocketState {
    pub(super) fn connect(&mut self, peer: SocketAddr) {
        self.peer = Some(SocketAddr::new(peer.ip().to_canonical(), peer.port()));
    }

    pub(super) fn set_broadcast(&mut self, on: bool) {
        self.may_broadcast = on;
    }
}
