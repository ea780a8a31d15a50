//! `proxyherd check FILE`: reads a configuration as a server would at its start, and says what is wrong with it.
//!
//! Next: `cli/keys.rs`, the command that makes keys and certificates.

use super::event_loop::short_lived_event_loop;
use super::outcome::{Error, print};
use crate::config::{Config, Door, HostPort, StoreConfig};
use crate::identity::Identity;
use crate::page;
use crate::places;
use crate::store::Access;
use reactor::Reactor;
use std::fmt::Write;
use std::path::Path;

/// Reads the file and all files that it names. Nothing listens and nothing connects: names are not looked up, and the
/// Places service is not asked (`proxyherd places` does that).
pub(super) fn run(file: &Path) -> Result<(), Error> {
    let config = Config::read(file).map_err(|error| error.to_string())?;
    let reactor = short_lived_event_loop()?;
    let key = places::find_key(&config.places, places::key_variable()?).map_err(|error| error.to_string())?;
    let places = places::open(&reactor, &config.places, key).map_err(|error| error.to_string())?;
    let keys = keys(&reactor, &config)?;
    if let Some(store) = &config.store {
        Access::read(&reactor, store, &config.tls).map_err(|error| error.to_string())?;
    }
    print(report(file, &config, &places.describe(), &keys).as_bytes());
    Ok(())
}

/// Reads the keys and certificates that are here: a machine has only those of its own servers. Returns what to say
/// about them.
fn keys(reactor: &Reactor, config: &Config) -> Result<String, Error> {
    let (mut text, mut missing) = (String::new(), Vec::new());
    for (name, server) in &config.servers {
        let directory = config.tls.keys.as_ref().filter(|_| server.link.is_some()).map(|keys| keys.join(name));
        if directory.is_some_and(|directory| !directory.exists()) {
            missing.push(name.as_str());
            continue;
        }
        let identity = Identity::read(reactor, config, name).map_err(|error| error.to_string())?;
        for warning in identity.warnings(reactor.system_time()) {
            let _ = writeln!(text, "  warning: {warning}");
        }
    }
    if !missing.is_empty() {
        let _ = writeln!(text, "  keys of {} are not on this machine", missing.join(", "));
    }
    Ok(text)
}

fn report(file: &Path, config: &Config, places: &str, keys: &str) -> String {
    let mut text = format!("{}: good\n", file.display());
    for (name, server) in &config.servers {
        let neighbors = if server.neighbors.is_empty() { "none".to_owned() } else { server.neighbors.join(", ") };
        let places: Vec<String> = server.places_to_listen().map(listening).collect();
        let _ = writeln!(text, "  {name} listens on {}; neighbors: {neighbors}", places.join(", "));
    }
    if let Some(store) = &config.store {
        text += &in_words(store);
    }
    let _ = writeln!(text, "  places: {places}");
    text += &pages(config);
    text += keys;
    for warning in places::warnings(&config.places) {
        let _ = writeln!(text, "  warning: {warning}");
    }
    for part in parts(config).iter().skip(1) {
        let _ = writeln!(text, "  warning: no link joins {} to the rest of the herd", part.join(", "));
    }
    text
}

/// The store, and what is wrong with how it is set.
fn in_words(store: &StoreConfig) -> String {
    let mut text = format!("  store: {}\n", store.describe());
    for warning in store.warnings() {
        let _ = writeln!(text, "  warning: {warning}");
    }
    text
}

/// Where the page of each server is, and what is wrong with that.
fn pages(config: &Config) -> String {
    let mut text = String::new();
    let doors: Vec<&HostPort> =
        config.servers.values().flat_map(|own| own.places_to_listen()).map(|(_, p)| p).collect();
    for (name, own) in &config.servers {
        let Some(address) = config.page.address_of(own) else { continue };
        let _ = writeln!(text, "  page of {name}: http://{address}/");
        let is_taken = doors.iter().any(|door| door.port == address.port() && door.host == address.ip().to_string());
        if is_taken {
            let _ = writeln!(text, "  warning: a server listens at {address}, so there can be no page");
        }
        if !address.ip().is_loopback() {
            let _ = writeln!(text, "  warning: {}", page::open_to_others(address));
        }
    }
    text
}

/// Where a server listens, in words: an address in clear text stands alone.
fn listening((door, place): (Door, &HostPort)) -> String {
    match door {
        Door::Plain => place.to_string(),
        Door::Tls | Door::Link => format!("{place} ({})", door.setting()),
    }
}

/// The herd's parts that no link joins, the largest first.
fn parts(config: &Config) -> Vec<Vec<&str>> {
    let mut parts: Vec<Vec<&str>> = Vec::new();
    for name in config.servers.keys() {
        if parts.iter().flatten().any(|seen| seen == name) {
            continue;
        }
        let mut part = vec![name.as_str()];
        let mut next = 0;
        while let Some(server) = part.get(next).and_then(|name| config.servers.get(*name)) {
            part.extend(
                server.neighbors.iter().map(String::as_str).filter(|name| !part.contains(name)).collect::<Vec<_>>(),
            );
            next += 1;
        }
        parts.push(part);
    }
    parts.sort_by_key(|part| std::cmp::Reverse(part.len()));
    parts
}
