//! The herd's configuration: where each server listens, which servers are neighbors, which Places service they ask.
//!
//! Without a file the herd is the paper's five servers. A TOML file replaces them. Anything in the file that is not
//! understood is an error with its line.
//!
//! Next: [`config/reader.rs`](../../src/proxyherd/config/reader.rs.html), which turns TOML into values and says on
//! which line something is wrong.

mod control;
mod log;
mod page;
mod places;
mod read_file;
mod reader;
mod servers;
mod store;
mod tls;

pub use control::ControlConfig;
pub use log::LogConfig;
pub(crate) use log::{LEVELS, MAX_LOG_BUFFER, parse_level};
pub use page::{PageAddress, PageConfig};
pub use places::{ExtraField, PlacesConfig, Provider};
pub(crate) use read_file::{others_can_read, read_file};
pub use reader::ConfigError;
pub use servers::{Door, HostPort, LinkTarget, RESERVED_NAMES, ServerConfig};
pub use store::{OnLoss, StoreConfig};
pub use tls::TlsConfig;

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

/// The maximum of `[limits] ahead`, and its default. The servers of a herd take no AT beyond it from each other, so a
/// server that accepted more from its clients would be alone with that.
pub const MAX_AHEAD: Duration = Duration::from_secs(24 * 3600);

/// The keys of `[limits]`.
const LIMITS: [&str; 9] = [
    "line",
    "ahead",
    "memory",
    "forget",
    "clients_per_address",
    "connections",
    "connections_per_address",
    "buffers",
    "idle",
];

/// The parts of a configuration.
const PARTS: [&str; 8] = ["servers", "store", "places", "limits", "log", "tls", "control", "page"];

/// The maximum size of a configuration file in bytes: room for many thousand servers.
const MAX_SIZE: usize = 4 << 20;

/// A whole herd.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Its servers, by name.
    pub servers: BTreeMap<String, ServerConfig>,
    /// The store beside it, if it has one.
    pub store: Option<StoreConfig>,
    /// Which Places service it asks, and how.
    pub places: PlacesConfig,
    /// Its limits.
    pub limits: Limits,
    /// What the log of a server may cost.
    pub log: LogConfig,
    /// With which keys and certificates it speaks TLS.
    pub tls: TlsConfig,
    /// Where the operator's programs reach the servers.
    pub control: ControlConfig,
    /// Where a browser sees the servers.
    pub page: PageConfig,
}

/// `[limits]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// `line`: the maximum length of a line in bytes.
    pub line: usize,
    /// `ahead`: the maximum by which a client's time may be ahead of the server's clock.
    pub ahead: Duration,
    /// `memory`: the maximum number of bytes for all locations together. Close to it, those that were heard first are
    /// forgotten, by the whole herd.
    pub memory: usize,
    /// `forget`: a client that has said nothing for this long is forgotten.
    pub forget: Duration,
    /// `clients_per_address`: the maximum number of new clients that one address may bring at once. It has that number
    /// again within `forget`.
    pub clients_per_address: usize,
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
            forget: Duration::from_secs(7 * 24 * 3600),
            clients_per_address: 100_000,
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
                let address = Some(HostPort { host: "127.0.0.1".to_owned(), port: *port });
                ((*name).to_owned(), ServerConfig { address, neighbors, ..ServerConfig::default() })
            })
            .collect();
        servers::link_both_ways(&mut servers);
        let (places, limits, log, tls, control) = Default::default();
        Config { servers, store: None, places, limits, log, tls, control, page: PageConfig::beside() }
    }
}

impl Config {
    /// Reads the TOML file of a herd.
    ///
    /// # Errors
    /// If the file cannot be read, or is not a configuration (see [`parse`](Config::parse)).
    pub fn read(path: &Path) -> Result<Config, ConfigError> {
        Config::parse(&Config::text_of(path)?, &path.display().to_string())
    }

    /// Reads a TOML file for somebody who needs no server of it, only `[places]`: it need not name any.
    ///
    /// # Errors
    /// As [`read`](Config::read).
    pub fn read_without_servers(path: &Path) -> Result<Config, ConfigError> {
        Config::parse_without_servers(&Config::text_of(path)?, &path.display().to_string())
    }

    fn text_of(path: &Path) -> Result<String, ConfigError> {
        read_file(path, MAX_SIZE)
            .and_then(|bytes| String::from_utf8(bytes).map_err(io::Error::other))
            .map_err(|error| ConfigError(format!("cannot read the configuration {}: {error}", path.display())))
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
    /// If it is not TOML, or does not describe a herd: it must name the servers.
    pub fn parse(text: &str, source: &str) -> Result<Config, ConfigError> {
        let config = Config::parse_without_servers(text, source)?;
        // Whether it has `[servers]` shows in nothing else: without it, the servers are those of the paper.
        let names_servers = DeTable::parse(text).is_ok_and(|table| table.get_ref().contains_key("servers"));
        let missing = "no server is named: [servers.NAME] is missing; without --config, the herd is the paper's";
        names_servers.then_some(config).ok_or_else(|| Reader { text, source }.error_at(0, missing))
    }

    /// The same, but it need not name servers.
    fn parse_without_servers(text: &str, source: &str) -> Result<Config, ConfigError> {
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

impl Reader<'_> {
    fn config(&self, table: &DeTable<'_>) -> Result<Config, ConfigError> {
        let mut config = Config { page: PageConfig::default(), ..Config::default() };
        if table.is_empty() {
            // More likely a slip than a wish: somebody who wants the paper's herd as it is needs no file.
            return Err(self.error_at(0, "the file says nothing; without --config, the herd is the paper's"));
        }
        for (key, value) in table {
            match key.get_ref().as_ref() {
                "servers" => config.servers = self.servers(value)?,
                "store" => config.store = Some(self.store(value)?),
                "places" => config.places = self.places(value)?,
                "limits" => config.limits = self.limits(value)?,
                "log" => config.log = self.log(value)?,
                "tls" => config.tls = self.tls(value)?,
                "control" => config.control = self.control(value)?,
                "page" => config.page = self.page(value)?,
                _ => return Err(self.unknown(key, "", &PARTS)),
            }
        }
        self.check_keys(table, &config.servers, &config.tls)?;
        Ok(config)
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
                "forget" => limits.forget = self.duration(value, "forget")?,
                "clients_per_address" => {
                    limits.clients_per_address = self.number(value, "clients_per_address", 1)?;
                }
                "connections" => limits.connections = self.number(value, "connections", 1)?,
                "connections_per_address" => {
                    limits.connections_per_address = self.number(value, "connections_per_address", 1)?;
                }
                "buffers" => limits.buffers = self.number(value, "buffers", 1 << 20)?,
                "idle" => limits.idle = self.duration(value, "idle")?,
                _ => return Err(self.unknown(key, " of limits", &LIMITS)),
            }
        }
        Ok(limits)
    }
}

#[cfg(test)]
mod tests;
