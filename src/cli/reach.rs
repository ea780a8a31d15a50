//! [`Way`]: how the program, as a client, reaches a server of the herd: in clear text where the server has an
//! `address`, otherwise over TLS. What an operator may ask goes by the server's control socket.
//!
//! Next: `cli/talk.rs`, the commands that talk with a herd.

use super::outcome::Error;
use crate::config::{Config, HostPort, ServerConfig, TlsConfig};
#[cfg(unix)]
use crate::control;
#[cfg(unix)]
use reactor::UnixAddress;
use reactor::tls::{TlsClient, TrustRoots};
use reactor::{Address, Deferred, Destination, Protocol, Reactor, Transport};
#[cfg(unix)]
use std::path::PathBuf;

/// The way to one server.
#[derive(Debug, Clone)]
pub(super) struct Way {
    /// The server's name, or the address that the command line has.
    pub(super) name: String,
    place: Place,
    tls: Option<TlsClient>,
}

/// Where it ends.
#[derive(Debug, Clone)]
enum Place {
    Port(HostPort),
    /// A control socket.
    #[cfg(unix)]
    Socket(PathBuf),
}

impl Way {
    /// The ways to try, in this order: to the server that is wanted, or to every server of the herd.
    pub(super) fn all(reactor: &Reactor, config: &Config, wanted: Option<&str>) -> Result<Vec<Way>, Error> {
        let Some(wanted) = wanted else {
            return config.servers.iter().map(|(name, server)| Way::to(reactor, &config.tls, name, server)).collect();
        };
        if let Some(server) = config.servers.get(wanted) {
            return Ok(vec![Way::to(reactor, &config.tls, wanted, server)?]);
        }
        let place = wanted.rsplit_once(':').and_then(|(host, port)| Some((host, port.parse::<u16>().ok()?)));
        let Some((host, port)) = place.filter(|(host, port)| !host.is_empty() && *port != 0) else {
            let unknown = config.server(wanted).err().map_or_else(String::new, |error| error.to_string());
            return Err(Error::Usage(format!("{unknown}; or write HOST:PORT")));
        };
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let place = Place::Port(HostPort { host: host.to_owned(), port });
        Ok(vec![Way { name: wanted.to_owned(), place, tls: None }])
    }

    /// The way to the control socket of a server, if its file is here.
    #[cfg(unix)]
    pub(super) fn to_control(config: &Config, server: &str) -> Option<Way> {
        let path = control::path(config, server).filter(|path| path.exists())?;
        Some(Way { name: server.to_owned(), place: Place::Socket(path), tls: None })
    }

    /// There are no such sockets here.
    #[cfg(not(unix))]
    pub(super) fn to_control(_config: &Config, _server: &str) -> Option<Way> {
        None
    }

    fn to(reactor: &Reactor, tls: &TlsConfig, name: &str, server: &ServerConfig) -> Result<Way, Error> {
        let way = |place: &HostPort, tls| Way { name: name.to_owned(), place: Place::Port(place.clone()), tls };
        match (&server.address, &server.tls) {
            (Some(place), _) => Ok(way(place, None)),
            (None, Some(place)) => Ok(way(place, Some(tls_client(reactor, tls)?))),
            (None, None) => Err(Error::Failed(format!("server {name} has no address"))),
        }
    }

    /// Connects. The Deferred fires with the transport to which the protocol writes.
    pub(super) fn connect<P: Protocol + 'static>(
        &self,
        reactor: &Reactor,
        build: impl FnOnce(Address) -> P + 'static,
    ) -> Deferred<Transport> {
        let HostPort { host, port } = match &self.place {
            Place::Port(place) => place,
            #[cfg(unix)]
            Place::Socket(path) => return reactor.connect(UnixAddress::from(path.as_path()), build),
        };
        let destination = Destination::from((host.as_str(), *port));
        match &self.tls {
            Some(tls) => tls.connect(reactor, destination, host, build),
            None => reactor.connect(destination, build),
        }
    }
}

fn tls_client(reactor: &Reactor, config: &TlsConfig) -> Result<TlsClient, Error> {
    let roots = match &config.ca_file {
        Some(path) => TrustRoots::from_pem_file(path),
        None => Ok(TrustRoots::web()),
    };
    let client = roots.and_then(|roots| TlsClient::new(reactor, &roots, &[]));
    client.map_err(|error| Error::Failed(config.error("ca_file", error).to_string()))
}
