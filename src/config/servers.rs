//! `[servers]`: where each server listens, and which servers are its neighbors.
//!
//! Next: `tls.rs`, the keys and certificates of servers that speak TLS.

use super::reader::{ConfigError, Reader, Value};
use super::tls::TlsConfig;
use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use toml::de::DeTable;

/// The words that are commands on the command line, so no server can have one of them as its name.
pub const RESERVED_NAMES: [&str; 10] =
    ["check", "keys", "iamat", "whatsat", "forget", "status", "watch", "places", "man", "completions"];

/// The maximum length of a server's name in bytes: it stands in every AT line.
const MAX_NAME: usize = 64;

/// The settings of a server.
const KEYS: [&str; 4] = ["address", "tls", "link", "neighbors"];

/// A host and a port, as `host:port` with brackets around an IPv6 address.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct HostPort {
    /// A name or an address.
    pub host: String,
    /// The port.
    pub port: u16,
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

/// By which of a server's ports a peer comes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    /// `address`: clients, and neighbors that are recognized by their address.
    Plain,
    /// `tls`: clients alone.
    Tls,
    /// `link`: neighbors that prove with a certificate who they are.
    Link,
}

impl Door {
    /// The setting that opens it.
    pub fn setting(self) -> &'static str {
        match self {
            Door::Plain => "address",
            Door::Tls => "tls",
            Door::Link => "link",
        }
    }
}

/// One server of the herd. It has `address`, or `tls`, or both.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ServerConfig {
    /// `address`: where it listens for clients in clear text, and for neighbors without `link`.
    pub address: Option<HostPort>,
    /// `tls`: where it listens for clients that speak TLS.
    pub tls: Option<HostPort>,
    /// `link`: where it listens for neighbors. They speak TLS, and each proves with its certificate which server it is.
    pub link: Option<HostPort>,
    /// The names of its neighbors, sorted. Each of them has this server among its neighbors, too.
    pub neighbors: Vec<String>,
}

impl ServerConfig {
    /// All places where it listens.
    pub fn places_to_listen(&self) -> impl Iterator<Item = (Door, &HostPort)> {
        let all = [(Door::Plain, &self.address), (Door::Tls, &self.tls), (Door::Link, &self.link)];
        all.into_iter().filter_map(|(door, place)| Some((door, place.as_ref()?)))
    }

    /// The name or address by which clients reach it, if they can.
    pub fn host(&self) -> Option<&str> {
        self.address.as_ref().or(self.tls.as_ref()).map(|place| &place.host[..])
    }

    /// Whether the link with a neighbor is over TLS: it is if both servers have `link`.
    pub fn has_secure_link_with(&self, neighbor: &ServerConfig) -> bool {
        self.link.is_some() && neighbor.link.is_some()
    }

    /// How this server reaches a neighbor; `None` if it cannot.
    pub fn link_with(&self, neighbor: &ServerConfig) -> Option<LinkTarget> {
        let is_secure = self.has_secure_link_with(neighbor);
        let place = if is_secure { &neighbor.link } else { &neighbor.address };
        Some(LinkTarget { place: place.clone()?, is_secure })
    }
}

/// How a server reaches a neighbor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkTarget {
    /// Where the neighbor listens.
    pub place: HostPort,
    /// Whether both prove with certificates which servers they are, over TLS.
    pub is_secure: bool,
}

/// Makes each server a neighbor of its neighbors: it is enough to name one side of a link.
pub(super) fn link_both_ways(servers: &mut BTreeMap<String, ServerConfig>) {
    let links: Vec<(String, String)> = servers
        .iter()
        .flat_map(|(name, server)| server.neighbors.iter().map(|neighbor| (neighbor.clone(), name.clone())))
        .collect();
    for (from, to) in links {
        if let Some(server) = servers.get_mut(&from) {
            server.neighbors.push(to);
        }
    }
    for server in servers.values_mut() {
        server.neighbors.sort();
        server.neighbors.dedup();
    }
}

impl Reader<'_> {
    pub(super) fn servers(&self, value: &Value<'_>) -> Result<BTreeMap<String, ServerConfig>, ConfigError> {
        let mut servers = BTreeMap::new();
        for (name, value) in self.table(value, "servers")? {
            let name = name.get_ref();
            let printable = |byte: u8| byte.is_ascii_graphic() && byte != b'/';
            // The command line could not tell this server from the command.
            if RESERVED_NAMES.contains(&name.as_ref()) {
                return Err(self.error(value, format!("a server cannot be named {name:?}: that is a command")));
            }
            if name.is_empty() || name.len() > MAX_NAME || !name.bytes().all(printable) {
                let what = "a server's name is at most 64 printable ASCII characters without white space and slashes";
                return Err(self.error(value, format!("{name:?}: {what}")));
            }
            servers.insert(name.to_string(), self.server(value, name)?);
        }
        // In this order: a link is checked where its author wrote it, not where it was added.
        self.check_neighbors(value, &servers)?;
        self.check_addresses(value, &servers)?;
        self.check_names_of_links(value, &servers)?;
        link_both_ways(&mut servers);
        self.check_that_neighbors_can_connect(value, &servers)?;
        Ok(servers)
    }

    fn server(&self, value: &Value<'_>, name: &str) -> Result<ServerConfig, ConfigError> {
        let mut server = ServerConfig::default();
        for (key, value) in self.table(value, &format!("servers.{name}"))? {
            match key.get_ref().as_ref() {
                "address" => server.address = Some(self.host_port(value, "address")?),
                "tls" => server.tls = Some(self.host_port(value, "tls")?),
                "link" => server.link = Some(self.host_port(value, "link")?),
                "neighbors" => {
                    let list = value.get_ref().as_array();
                    let wrong = || format!("{} is not a list of names", self.shown("neighbors", value));
                    let list = list.ok_or_else(|| self.error(value, wrong()))?;
                    for neighbor in list.iter() {
                        server.neighbors.push(self.string(neighbor, "a neighbor")?.to_owned());
                    }
                }
                _ => return Err(self.unknown(key, &format!(" of server {name}"), &KEYS)),
            }
        }
        match (&server.address, &server.tls) {
            (None, None) => Err(self.error(value, format!("server {name} has no address"))),
            _ => Ok(server),
        }
    }

    fn host_port(&self, value: &Value<'_>, name: &str) -> Result<HostPort, ConfigError> {
        let (host, port) = self.address(value, name)?;
        Ok(HostPort { host, port })
    }

    fn check_neighbors(&self, value: &Value<'_>, servers: &BTreeMap<String, ServerConfig>) -> Result<(), ConfigError> {
        if servers.is_empty() {
            return Err(self.error(value, "a herd has at least one server"));
        }
        for (name, server) in servers {
            for neighbor in &server.neighbors {
                let wrong = match servers.contains_key(neighbor) {
                    _ if neighbor == name => "is named as its own neighbor",
                    false => "has a neighbor that is not a server of the herd",
                    true => continue,
                };
                // The error has the line of the list that names the neighbor.
                let list = setting(value, name, "neighbors");
                return Err(self.error(list, format!("server {name} {wrong}: {neighbor:?}")));
            }
        }
        Ok(())
    }

    /// Two ports at one address are a slip of copying: the second one could not be opened.
    fn check_addresses(&self, value: &Value<'_>, servers: &BTreeMap<String, ServerConfig>) -> Result<(), ConfigError> {
        let mut seen: BTreeMap<u16, Vec<(Host, &String, &HostPort)>> = BTreeMap::new();
        for (name, server) in servers {
            for (door, place) in server.places_to_listen() {
                let host = Host::of(&place.host);
                let others = seen.entry(place.port).or_default();
                let same = others.iter().find(|(other, owner, _)| host.meets(other, *owner == name));
                let same = same.map(|(_, owner, other)| (*owner, *other));
                others.push((host, name, place));
                let Some((owner, other)) = same else { continue };
                let is_spelled_alike = other.host.eq_ignore_ascii_case(&place.host);
                let what = match (owner == name, is_spelled_alike) {
                    (true, true) => format!("server {name} has the address \"{place}\" twice"),
                    (true, false) => format!("server {name} has one address twice: \"{other}\" and \"{place}\""),
                    (false, true) => format!("servers {owner} and {name} have the same address \"{place}\""),
                    (false, false) => {
                        format!("servers {owner} and {name} have the same address: \"{other}\" and \"{place}\"")
                    }
                };
                let at = match door {
                    Door::Plain => setting(value, name, ""), // The herd's oldest error: it names the server's own line.
                    Door::Tls | Door::Link => setting(value, name, door.setting()),
                };
                return Err(self.error(at, what));
            }
        }
        Ok(())
    }

    /// A server with `link` proves its name with a certificate, so a certificate must be able to have that name.
    fn check_names_of_links(
        &self,
        value: &Value<'_>,
        servers: &BTreeMap<String, ServerConfig>,
    ) -> Result<(), ConfigError> {
        let mut seen: BTreeMap<String, &String> = BTreeMap::new();
        for (name, _) in servers.iter().filter(|(_, server)| server.link.is_some()) {
            let what = match seen.insert(name.to_ascii_lowercase(), name) {
                Some(other) => format!("certificates cannot tell {other} and {name} apart: they ignore case"),
                None if !can_stand_in_certificate(name) => format!(
                    "server {name} cannot have a link: a certificate has names of letters, digits and hyphens, such \
                     as Powell or powell-2"
                ),
                None => continue,
            };
            return Err(self.error(setting(value, name, "link"), what));
        }
        Ok(())
    }

    /// A neighbor without `link` connects in clear text.
    fn check_that_neighbors_can_connect(
        &self,
        value: &Value<'_>,
        servers: &BTreeMap<String, ServerConfig>,
    ) -> Result<(), ConfigError> {
        for (name, server) in servers.iter().filter(|(_, server)| server.address.is_none()) {
            let plain = server
                .neighbors
                .iter()
                .find(|neighbor| servers.get(*neighbor).is_some_and(|neighbor| !server.has_secure_link_with(neighbor)));
            if let Some(neighbor) = plain {
                let what =
                    format!("its neighbor {neighbor} cannot connect to it: both need link, or {name} an address");
                return Err(self.error(setting(value, name, ""), format!("server {name} has no address: {what}")));
            }
        }
        Ok(())
    }

    /// What TLS needs must be there, once everything has been read.
    pub(super) fn check_keys(
        &self,
        table: &DeTable<'_>,
        servers: &BTreeMap<String, ServerConfig>,
        tls: &TlsConfig,
    ) -> Result<(), ConfigError> {
        let Some(value) = table.get("servers") else { return Ok(()) };
        for (name, server) in servers {
            let (key, what) = match (&server.link, &server.tls) {
                (Some(_), _) if tls.keys.is_none() => {
                    ("link", "link needs keys in [tls]: a directory of keys and certificates; proxyherd keys makes it")
                }
                (_, Some(_)) if tls.certificate.is_none() => {
                    ("tls", "tls needs certificate and key in [tls]: the files with what clients shall see")
                }
                _ => continue,
            };
            return Err(self.error(setting(value, name, key), what));
        }
        Ok(())
    }
}

/// Where a setting of a server stands; the server's own table if it does not have that setting.
fn setting<'v, 'i>(servers: &'v Value<'i>, name: &str, key: &str) -> &'v Value<'i> {
    let entry = servers.get_ref().as_table().and_then(|table| table.get(name)).unwrap_or(servers);
    entry.get_ref().as_table().and_then(|table| table.get(key)).unwrap_or(entry)
}

/// A host, in whichever way it is spelled.
#[derive(PartialEq, Eq)]
enum Host {
    Address(IpAddr),
    /// `localhost`: the machine itself, over IPv4 or IPv6.
    Local,
    /// Any other name, in lower case. Where it leads is known only when it is looked up.
    Named(String),
}

impl Host {
    fn of(text: &str) -> Host {
        let name = text.to_ascii_lowercase();
        match text.parse::<IpAddr>() {
            Ok(address) => Host::Address(address.to_canonical()),
            Err(_) if matches!(name.as_str(), "localhost" | "localhost.") => Host::Local,
            Err(_) => Host::Named(name),
        }
    }

    /// Whether only one of two ports with one number can be open at these hosts.
    ///
    /// All addresses of a machine (`0.0.0.0`, `[::]`) meet its loopback addresses. Whether they meet another address
    /// depends on where the servers run: two servers may run on two machines, one server (`is_one_server`) does not.
    fn meets(&self, other: &Host, is_one_server: bool) -> bool {
        let meets_all = |all: &Host, one: &Host| match (all, one) {
            (Host::Address(all), Host::Address(one)) if all.is_unspecified() => {
                all.is_ipv4() == one.is_ipv4() && (is_one_server || one.is_loopback())
            }
            (Host::Address(all), Host::Local) => all.is_unspecified() || all.is_loopback(),
            _ => false,
        };
        self == other || meets_all(self, other) || meets_all(other, self)
    }
}

/// Whether this is a name as hosts have it, and not an IP address.
fn can_stand_in_certificate(name: &str) -> bool {
    let label = |label: &str| {
        let proper = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        !label.is_empty()
            && label.len() <= 63
            && label.bytes().all(proper)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let last = name.rsplit('.').next().unwrap_or(name);
    name.split('.').all(label) && last.bytes().any(|byte| byte.is_ascii_alphabetic())
}
