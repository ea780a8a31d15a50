//! How things stand when somebody begins to look, as events like all others; and how a server is, each second.
//!
//! Next: `feed.rs`, which sends them.

use super::reporter::{location, now};
use crate::config::{Config, HostPort, PageAddress, ServerConfig};
use crate::log_file::TailLines;
use crate::server::Server;
use crate::status::Status;
use serde_json::{Value, json};

/// The herd, as the configuration of this server has it.
pub(super) fn herd(server: &Server, config: &Config) -> Value {
    let own = config.servers.get(server.name());
    // A server on another machine may have a page there, or none: we cannot know.
    let is_beside = |one: &ServerConfig| match (config.page.address, own.and_then(ServerConfig::host), one.host()) {
        (PageAddress::Beside(_), Some(own), Some(host)) => own == host,
        _ => false,
    };
    let one = |(name, one): (&String, &ServerConfig)| {
        json!({
            "name": name,
            "neighbors": one.neighbors,
            "address": one.address.as_ref().or(one.tls.as_ref()).map(HostPort::to_string),
            "page": config.page.address_of(one).filter(|_| name == server.name() || is_beside(one))
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

/// How the server is.
pub(super) fn status(server: &Server) -> Value {
    let mut status = Status::of(server).to_json();
    status["kind"] = json!("status");
    status["by"] = json!(server.name());
    status["at"] = json!(now(server));
    status
}

/// The maximum number of clients that a viewer hears of at first: those that changed last.
const MAX_KNOWN: usize = 500;

/// The maximum number of bytes of that. A client's name may be as long as a line.
const MAX_KNOWN_BYTES: usize = 256 * 1024;

/// What the server knows of the clients that changed last, oldest first, in JSON. The first event says that viewers
/// shall forget all others.
pub(super) fn known(server: &Server) -> Vec<String> {
    let locations = server.locations().borrow();
    let known = locations.newest().take(MAX_KNOWN).filter_map(|known| {
        let mut event = location(&known.at()?);
        event["kind"] = json!("known");
        event["by"] = json!(server.name());
        event["from"] = json!(known.from().map(|neighbor| server.links()[neighbor].name()));
        Some(event.to_string())
    });
    let mut bytes = 0;
    let fits = |event: &String| {
        bytes += event.len();
        bytes <= MAX_KNOWN_BYTES
    };
    let mut known: Vec<String> = known.take_while(fits).collect();
    known.push(json!({ "kind": "anew", "by": server.name() }).to_string());
    known.reverse();
    known
}

/// Lines of the log.
pub(super) fn log(server: &Server, tail: &TailLines) -> Value {
    json!({ "kind": "log", "by": server.name(), "lines": tail.lines, "missed": tail.missed })
}
