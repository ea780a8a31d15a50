//! How things stand when somebody begins to look, as events like all others; and how a server is, each second.
//!
//! Next: `feed.rs`, which sends them.

use super::reporter::{location, now};
use crate::config::{Config, HostPort, ServerConfig};
use crate::log_file::TailLines;
use crate::server::Server;
use crate::status::Status;
use serde_json::{Value, json};

/// The herd, as the configuration of this server has it.
pub(super) fn herd(server: &Server, config: &Config) -> Value {
    let one = |(name, one): (&String, &ServerConfig)| {
        json!({
            "name": name,
            "neighbors": one.neighbors,
            "address": one.address.as_ref().or(one.tls.as_ref()).map(HostPort::to_string),
            "page": config.page.address_of(one).filter(|_| name == server.name() || has_own_page(config))
                .map(|address| format!("http://{address}/")),
        })
    };
    json!({
        "kind": "herd",
        "by": server.name(),
        "at": now(server),
        "version": env!("CARGO_PKG_VERSION"),
        "servers": config.servers.iter().map(one).collect::<Vec<_>>(),
    })
}

/// Whether the servers of a herd on one machine have a page each.
fn has_own_page(config: &Config) -> bool {
    matches!(config.page.address, crate::config::PageAddress::Beside(_))
}

/// How the server is.
pub(super) fn status(server: &Server) -> Value {
    let mut status = Status::of(server).to_json();
    status["kind"] = json!("status");
    status["by"] = json!(server.name());
    status["at"] = json!(now(server));
    status
}

/// What the server knows of clients: of the `most` that changed last, oldest first.
pub(super) fn known(server: &Server, most: usize) -> Vec<Value> {
    let locations = server.locations().borrow();
    let known = locations.newest().take(most).filter_map(|known| {
        let mut event = location(&known.at()?);
        event["kind"] = json!("known");
        event["by"] = json!(server.name());
        event["from"] = json!(known.from().map(|neighbor| server.links()[neighbor].name()));
        Some(event)
    });
    let mut known: Vec<Value> = known.collect();
    known.reverse();
    known
}

/// Lines of the log.
pub(super) fn log(server: &Server, tail: &TailLines) -> Value {
    json!({ "kind": "log", "by": server.name(), "lines": tail.lines, "missed": tail.missed })
}
