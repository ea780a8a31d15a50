//! The ports of a server, one for each [`Door`] that its configuration has.
//!
//! Next: `asking.rs`, how it asks what is near a client.

use super::Server;
use crate::config::{Door, HostPort};
use crate::connections::MAX_LINES_AT_ONCE;
use crate::protocol::HerdProtocol;
use reactor::deferred::{Others, gather_results};
#[cfg(unix)]
use reactor::driver::AdoptedListener;
use reactor::{Address, Deferred, Factory, Failure, LineReceiver, Protocol};
use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, SocketAddr};
#[cfg(unix)]
use std::os::fd::OwnedFd;
use std::rc::Rc;

impl Server {
    /// Gives it a port that listens already, instead of one of its own for `address`. It must be a TCP port at that
    /// address. Call it before [`begin`](Server::begin).
    #[cfg(unix)]
    pub fn adopt(&self, port: OwnedFd) {
        self.inherited.set(Some(port));
    }

    /// Listens at every door. The Deferred fires with the addresses of each, in the order of the settings.
    pub(super) fn open_doors(self: &Rc<Self>) -> Deferred<Vec<(Door, Vec<SocketAddr>)>> {
        let open = |(door, place): &(Door, HostPort)| {
            let (door, port, server) = (*door, place.port, self.clone());
            // In a lane of its own: with silent names in their lane, the neighbors would keep this server from serving.
            let resolved = self.reactor.resolve_in("own name", &place.host);
            resolved.add_callback(move |addresses: Vec<IpAddr>| Ok((door, server.listen(door, &addresses, port)?)))
        };
        gather_results(self.own.iter().map(open).collect::<Vec<_>>(), Others::Cancel)
    }

    fn listen(self: &Rc<Self>, door: Door, addresses: &[IpAddr], port: u16) -> Result<Vec<SocketAddr>, Failure> {
        #[cfg(unix)]
        if let Some(inherited) = (door == Door::Plain).then(|| self.inherited.take()).flatten() {
            return self.listen_on(inherited, addresses, port);
        }
        let mut hosts: Vec<SocketAddr> = Vec::new();
        for address in addresses.iter().collect::<BTreeSet<_>>() {
            let factory = DoorFactory { server: self.clone(), door };
            let host = match self.reactor.listen_tcp(SocketAddr::new(*address, port), factory) {
                Ok(port) => port.host(),
                // A name may have an address of a family that this machine does not have, such as IPv6.
                Err(error) if error.error.kind() == io::ErrorKind::AddrNotAvailable && addresses.len() > 1 => {
                    log::warn!("{error}");
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            match door {
                Door::Plain => self.log_plain(host),
                Door::Tls => log::info!("{} listens on {host} for clients that speak TLS", self.name),
                Door::Link => log::info!("{} listens on {host} for neighbors", self.name),
            }
            hosts.push(host);
        }
        if hosts.is_empty() {
            return Err(Failure::msg("no address of the server's name is ours"));
        }
        Ok(hosts)
    }

    fn log_plain(&self, host: SocketAddr) {
        log::info!("{} listens on {host}; places: {}", self.name, self.places.borrow().describe());
    }

    /// Accepts clients from a port that somebody else has opened. It must be where the configuration says, or the
    /// neighbors would look for this server in vain.
    #[cfg(unix)]
    fn listen_on(
        self: &Rc<Self>,
        port: OwnedFd,
        addresses: &[IpAddr],
        number: u16,
    ) -> Result<Vec<SocketAddr>, Failure> {
        let factory = DoorFactory { server: self.clone(), door: Door::Plain };
        let port = self.reactor.adopt_stream_port(AdoptedListener::Tcp(port.into()), factory)?;
        let host = port.host().tcp().filter(|host| {
            let is_ours = |own: &IpAddr| *own == host.ip() || host.ip().is_unspecified();
            host.port() == number && addresses.iter().any(is_ours)
        });
        let wrong = || Failure::msg(format!("the port that was handed over is {}, and not `address`", port.host()));
        let host = host.ok_or_else(wrong)?;
        self.log_plain(host);
        Ok(vec![host])
    }
}

/// Makes the protocols of the peers that come in by one door.
struct DoorFactory {
    server: Rc<Server>,
    door: Door,
}

impl Factory for DoorFactory {
    fn build_protocol(&mut self, peer: &Address) -> Option<Box<dyn Protocol>> {
        let address = peer.tcp().map(|address| address.ip());
        if !self.server.connections().admits(address.into(), || self.server.is_neighbors_address(address)) {
            return None;
        }
        let protocol = HerdProtocol::new(self.server.clone(), peer, self.door);
        let lines = LineReceiver::new(protocol)
            .with_delimiter(b"\n")
            .with_max_length(self.server.limits().line)
            .with_max_lines_at_once(MAX_LINES_AT_ONCE);
        // Asked for anew for each connection: the certificates may have been replaced.
        let identity = self.server.identity();
        let tls = match self.door {
            Door::Plain => return Some(Box::new(lines)),
            Door::Tls => identity.for_clients(),
            Door::Link => identity.link_server(),
        };
        match tls?.wrap(Box::new(lines)) {
            Ok(protocol) => Some(protocol),
            Err(error) => {
                log::warn!("no TLS with {peer}: {error}");
                None
            }
        }
    }
}
