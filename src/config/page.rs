//! `[page]`: where a browser sees a server.
//!
//! Next: `../log_file.rs`, the log of a run.

use super::reader::{ConfigError, Reader, Value};
use super::servers::ServerConfig;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// How far the port of a server's page is from the server's own, unless it is set.
const BESIDE: u16 = 100;

/// `[page]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageConfig {
    /// `address`: where it is.
    pub address: PageAddress,
    /// `hosts`: the names under which a browser may ask for it, besides `localhost` and IP addresses.
    pub hosts: Vec<String>,
}

/// Where a server's page is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PageAddress {
    /// There is none.
    Off,
    /// At this address, and the server's own port and a hundred.
    Beside(IpAddr),
    /// Here, for every server that reads this configuration.
    At(SocketAddr),
}

/// A herd that names no page in its configuration has none: a port that no operator has thought of would be open.
/// Without a configuration, the herd is a demonstration on this machine, and shows itself.
impl Default for PageConfig {
    fn default() -> PageConfig {
        PageConfig { address: PageAddress::Off, hosts: Vec::new() }
    }
}

impl PageConfig {
    /// A page beside each server, for this machine alone.
    pub fn beside() -> PageConfig {
        PageConfig { address: PageAddress::Beside(IpAddr::V4(Ipv4Addr::LOCALHOST)), hosts: Vec::new() }
    }

    /// Where the page of this server is. `None` if it has none, also because its port would be above 65535.
    pub fn address_of(&self, server: &ServerConfig) -> Option<SocketAddr> {
        match self.address {
            PageAddress::Off => None,
            PageAddress::At(address) => Some(address),
            PageAddress::Beside(address) => {
                let own = server.address.as_ref().or(server.tls.as_ref())?;
                Some(SocketAddr::new(address, own.port.checked_add(BESIDE)?))
            }
        }
    }
}

impl Reader<'_> {
    pub(super) fn page(&self, value: &Value<'_>) -> Result<PageConfig, ConfigError> {
        let mut page = PageConfig::beside();
        for (key, value) in self.table(value, "page")? {
            match key.get_ref().as_ref() {
                "address" => page.address = self.page_address(value)?,
                "hosts" => page.hosts = self.hosts(value)?,
                _ => return Err(self.unknown(key, " of page", &["address", "hosts"])),
            }
        }
        Ok(page)
    }

    fn page_address(&self, value: &Value<'_>) -> Result<PageAddress, ConfigError> {
        let text = self.string(value, "address")?;
        let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
        if text == "off" {
            return Ok(PageAddress::Off);
        }
        if let Ok(address) = bare.parse() {
            return Ok(PageAddress::Beside(address));
        }
        let wrong = || {
            let what = "is not \"off\", an IP address such as 127.0.0.1, or one with a port such as 127.0.0.1:12304";
            self.error(value, format!("address {text:?} {what}"))
        };
        text.parse().ok().filter(|address: &SocketAddr| address.port() != 0).map(PageAddress::At).ok_or_else(wrong)
    }

    fn hosts(&self, value: &Value<'_>) -> Result<Vec<String>, ConfigError> {
        let wrong = || self.error(value, format!("{} is not a list of names", self.shown("hosts", value)));
        let list = value.get_ref().as_array().ok_or_else(wrong)?;
        let name = |value: &Value<'_>| {
            let name = self.string(value, "a host")?;
            let is_proper = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
            match name.is_empty() || !name.chars().all(is_proper) {
                true => Err(self.error(value, format!("{name:?} is not a host's name, which has no port"))),
                false => Ok(name.to_owned()),
            }
        };
        list.iter().map(name).collect()
    }
}
