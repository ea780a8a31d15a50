//! `proxyherd check FILE`: reads a configuration as a server would at its start, and says what is wrong with it.
//!
//! Next: `cli/talk.rs`, the commands that talk with a herd.

use super::outcome::{Error, print};
use crate::config::Config;
use crate::places;
use reactor::Reactor;
use std::fmt::Write;
use std::path::Path;

/// Reads the file and all files that it names. Nothing listens and nothing connects: names are not looked up, and the
/// Places service is not asked (`proxyherd places` does that).
pub(super) fn run(file: &Path) -> Result<(), Error> {
    let config = Config::read(file).map_err(|error| error.to_string())?;
    let reactor = Reactor::new().map_err(|error| format!("cannot create an event loop: {error}"))?;
    let key = places::find_key(&config.places, places::key_variable()?).map_err(|error| error.to_string())?;
    let places = places::open(&reactor, &config.places, key).map_err(|error| error.to_string())?;
    print(report(file, &config, &places.describe()).as_bytes());
    Ok(())
}

fn report(file: &Path, config: &Config, places: &str) -> String {
    let mut text = format!("{}: good\n", file.display());
    for (name, server) in &config.servers {
        let neighbors = if server.neighbors.is_empty() { "none".to_owned() } else { server.neighbors.join(", ") };
        let _ = writeln!(text, "  {name} listens on {}; neighbors: {neighbors}", server.address());
    }
    let _ = writeln!(text, "  places: {places}");
    for warning in places::warnings(&config.places) {
        let _ = writeln!(text, "  warning: {warning}");
    }
    for part in parts(config).iter().skip(1) {
        let _ = writeln!(text, "  warning: no link joins {} to the rest of the herd", part.join(", "));
    }
    text
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
