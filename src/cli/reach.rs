//! [`Way`]: how the program, as a client, reaches a server of the herd: in clear text where the server has an
//! `address`, otherwise over TLS.
//!
//! Next: `cli/talk.rs`, the commands that talk with a herd.

use super::outcome::Error;
use crate::config::{Config, HostPort, ServerConfig, TlsConfig};
use reactor::tls::{TlsClient, TrustRoots};
use reactor::{Address, Deferred, Destination, Protocol, Reactor, Transport};

/// The way to one server.
#[derive(Debug, Clone)]
pub(super) struct Way {
    /// The server's name, or the address that the command line has.
    pub(super) name: String,
    place: HostPort,
    tls: Option<TlsClient>,
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
        Ok(vec![Way { name: wanted.to_owned(), place: HostPort { host: host.to_owned(), port }, tls: None }])
    }

    fn to(reactor: &Reactor, tls: &TlsConfig, name: &str, server: &ServerConfig) -> Result<Way, Error> {
        let way = |place: &HostPort, tls| Way { name: name.to_owned(), place: place.clone(), tls };
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
        let HostPort { host, port } = &self.place;
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
