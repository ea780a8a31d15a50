//! The herd's configuration: where each server listens, which servers are neighbors, which Places service they ask.
//!
//! Without a file the herd is the paper's five servers. A TOML file replaces them. Anything in the file that is not
//! understood is an error with its line.
//!
//! Next: [`config/reader.rs`](../../src/proxyherd/config/reader.rs.html), which turns TOML into values and says on
//! which line something is wrong.

mod log;
mod places;
mod read_file;
mod reader;

pub use log::LogConfig;
pub(crate) use log::MAX_LOG_BUFFER;
pub use places::{ExtraField, PlacesConfig, Provider};
pub(crate) use read_file::read_file;
pub use reader::ConfigError;

use reader::{Reader, Value};
use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::time::Duration;
use toml::de::DeTable;

/// The paper's herd: name, port on this machine, neighbors. Each link is named once.
const PAPER: [(&str, u16, &[&str]); 5] = [
    ("Alford", 12200, &["Parker", "Powell"]),
    ("Bolden", 12201, &["Parker", "Powell"]),
    ("Hamilton", 12202, &["Parker"]),
    ("Parker", 12203, &[]),
    ("Powell", 12204, &[]),
];

/// The words that are commands on the command line, so no server can have one of them as its name.
pub const RESERVED_NAMES: [&str; 6] = ["check", "iamat", "whatsat", "places", "man", "completions"];

/// The maximum of `[limits] ahead`, and its default. The servers of a herd take no AT beyond it from each other, so a
/// server that accepted more from its clients would be alone with that.
pub const MAX_AHEAD: Duration = Duration::from_secs(24 * 3600);

/// The maximum size of a configuration file in bytes: room for many thousand servers.
const MAX_SIZE: usize = 4 << 20;

/// The maximum length of a server's name in bytes: it stands in every AT line.
const MAX_NAME: usize = 64;

/// A whole herd.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Its servers, by name.
    pub servers: BTreeMap<String, ServerConfig>,
    /// Which Places service it asks, and how.
    pub places: PlacesConfig,
    /// Its limits.
    pub limits: Limits,
    /// What the log of a server may cost.
    pub log: LogConfig,
}

/// One server of the herd.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerConfig {
    /// The host name or address where it listens.
    pub host: String,
    /// The port.
    pub port: u16,
    /// The names of its neighbors, sorted. Each of them has this server among its neighbors, too.
    pub neighbors: Vec<String>,
}

impl ServerConfig {
    /// `host:port`, with brackets around an IPv6 address.
    pub fn address(&self) -> String {
        match self.host.contains(':') {
            true => format!("[{}]:{}", self.host, self.port),
            false => format!("{}:{}", self.host, self.port),
        }
    }
}

/// `[limits]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// `line`: the maximum length of a line in bytes.
    pub line: usize,
    /// `ahead`: the maximum by which a client's time may be ahead of the server's clock.
    pub ahead: Duration,
    /// `memory`: the maximum number of bytes for all locations together. At the limit, new clients are refused.
    pub memory: usize,
    /// `connections`: the maximum number of connections that peers may have made.
    pub connections: usize,
    /// `connections_per_address`: the maximum number of those from one address; of IPv6, from one network of 64 bits.
    pub connections_per_address: usize,
    /// `buffers`: the maximum number of bytes that may wait in all of them together: replies that were not read, and
    /// lines that were not finished.
    pub buffers: usize,
    /// `idle`: how long a client that is owed nothing may be silent.
    pub idle: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            line: 64 * 1024,
            ahead: MAX_AHEAD,
            memory: 1 << 30,
            connections: 100_000,
            connections_per_address: 1000,
            buffers: 256 << 20,
            idle: Duration::from_secs(600),
        }
    }
}

impl Default for Config {
    fn default() -> Config {
        let mut servers: BTreeMap<String, ServerConfig> = PAPER
            .iter()
            .map(|(name, port, neighbors)| {
                let neighbors = neighbors.iter().map(|name| (*name).to_owned()).collect();
                ((*name).to_owned(), ServerConfig { host: "127.0.0.1".to_owned(), port: *port, neighbors })
            })
            .collect();
        link_both_ways(&mut servers);
        Config { servers, places: PlacesConfig::default(), limits: Limits::default(), log: LogConfig::default() }
    }
}

impl Config {
    /// Reads a TOML file.
    ///
    /// # Errors
    /// If the file cannot be read, or is not a configuration (see [`parse`](Config::parse)).
    pub fn read(path: &Path) -> Result<Config, ConfigError> {
        let text = read_file(path, MAX_SIZE)
            .and_then(|bytes| String::from_utf8(bytes).map_err(io::Error::other))
            .map_err(|error| ConfigError(format!("cannot read the configuration {}: {error}", path.display())))?;
        Config::parse(&text, &path.display().to_string())
    }

    /// Reads the file, if there is one; otherwise it is the paper's herd.
    ///
    /// # Errors
    /// As [`read`](Config::read).
    pub fn read_or_default(path: Option<&Path>) -> Result<Config, ConfigError> {
        path.map_or_else(|| Ok(Config::default()), Config::read)
    }

    /// Reads a TOML text. `source` is its name in error messages.
    ///
    /// # Errors
    /// If it is not TOML, or does not describe a herd.
    pub fn parse(text: &str, source: &str) -> Result<Config, ConfigError> {
        let reader = Reader { text, source };
        let table = DeTable::parse(text).map_err(|error| {
            let at = error.span().map_or(0, |span| span.start);
            reader.error_at(at, error.message().lines().next().unwrap_or("not TOML").to_owned())
        })?;
        reader.config(table.get_ref())
    }

    /// The server of this name.
    ///
    /// # Errors
    /// If there is none. The message lists the servers of the herd.
    pub fn server(&self, name: &str) -> Result<&ServerConfig, ConfigError> {
        self.servers.get(name).ok_or_else(|| {
            let known: Vec<&str> = self.servers.keys().map(String::as_str).collect();
            ConfigError(format!("there is no server {name:?}; the herd has {}", known.join(", ")))
        })
    }
}

/// Makes each server a neighbor of its neighbors: it is enough to name one side of a link.
fn link_both_ways(servers: &mut BTreeMap<String, ServerConfig>) {
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
    fn config(&self, table: &DeTable<'_>) -> Result<Config, ConfigError> {
        let mut config = Config::default();
        if table.is_empty() {
            // More likely a slip than a wish: somebody who wants the paper's herd as it is needs no file.
            return Err(self.error_at(0, "the file says nothing; without --config, the herd is the paper's"));
        }
        for (key, value) in table {
            match key.get_ref().as_ref() {
                "servers" => config.servers = self.servers(value)?,
                "places" => config.places = self.places(value)?,
                "limits" => config.limits = self.limits(value)?,
                "log" => config.log = self.log(value)?,
                _ => return Err(self.unknown(key, "", &["servers", "places", "limits", "log"])),
            }
        }
        Ok(config)
    }

    fn servers(&self, value: &Value<'_>) -> Result<BTreeMap<String, ServerConfig>, ConfigError> {
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
        link_both_ways(&mut servers);
        Ok(servers)
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
                let table = value.get_ref().as_table();
                let entry = table.and_then(|table| table.get(name.as_str())).unwrap_or(value);
                let list = entry.get_ref().as_table().and_then(|table| table.get("neighbors")).unwrap_or(entry);
                return Err(self.error(list, format!("server {name} {wrong}: {neighbor:?}")));
            }
        }
        Ok(())
    }

    /// Two servers at one address are a slip of copying: the second one could not start.
    fn check_addresses(&self, value: &Value<'_>, servers: &BTreeMap<String, ServerConfig>) -> Result<(), ConfigError> {
        let mut seen = BTreeMap::new();
        for (name, server) in servers {
            let address = server.address();
            if let Some(other) = seen.insert((server.host.to_ascii_lowercase(), server.port), name) {
                let entry = value.get_ref().as_table().and_then(|table| table.get(name.as_str())).unwrap_or(value);
                return Err(self.error(entry, format!("servers {other} and {name} have the same address {address:?}")));
            }
        }
        Ok(())
    }

    fn server(&self, value: &Value<'_>, name: &str) -> Result<ServerConfig, ConfigError> {
        let (mut address, mut neighbors) = (None, Vec::new());
        for (key, value) in self.table(value, &format!("servers.{name}"))? {
            match key.get_ref().as_ref() {
                "address" => address = Some(self.address(value, "address")?),
                "neighbors" => {
                    let list = value.get_ref().as_array();
                    let wrong = || format!("{} is not a list of names", self.shown("neighbors", value));
                    let list = list.ok_or_else(|| self.error(value, wrong()))?;
                    for neighbor in list.iter() {
                        neighbors.push(self.string(neighbor, "a neighbor")?.to_owned());
                    }
                }
                _ => return Err(self.unknown(key, &format!(" of server {name}"), &["address", "neighbors"])),
            }
        }
        let (host, port) = address.ok_or_else(|| self.error(value, format!("server {name} has no address")))?;
        Ok(ServerConfig { host, port, neighbors })
    }

    fn limits(&self, value: &Value<'_>) -> Result<Limits, ConfigError> {
        let mut limits = Limits::default();
        for (key, value) in self.table(value, "limits")? {
            match key.get_ref().as_ref() {
                // A lower limit would refuse ordinary commands.
                "line" => limits.line = self.number(value, "line", 256)?,
                "ahead" => {
                    limits.ahead = self.duration(value, "ahead")?;
                    if limits.ahead > MAX_AHEAD {
                        let shown = self.shown("ahead", value);
                        let what = format!("{shown} is more than a day: no other server would take such times");
                        return Err(self.error(value, what));
                    }
                }
                "memory" => limits.memory = self.number(value, "memory", 1 << 20)?,
                "connections" => limits.connections = self.number(value, "connections", 1)?,
                "connections_per_address" => {
                    limits.connections_per_address = self.number(value, "connections_per_address", 1)?;
                }
                "buffers" => limits.buffers = self.number(value, "buffers", 1 << 20)?,
                "idle" => limits.idle = self.duration(value, "idle")?,
                _ => {
                    let known =
                        ["line", "ahead", "memory", "connections", "connections_per_address", "buffers", "idle"];
                    return Err(self.unknown(key, " of limits", &known));
                }
            }
        }
        Ok(limits)
    }
}

#[cfg(test)]
mod tests;
