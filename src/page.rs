//! The page of a server: what it does and knows, as it happens, for a browser; and numbers for other programs.
//!
//! ```text
//!   GET  /            the page (`page/files`), and what belongs to it
//!   GET  /events      what happens, as Server-Sent Events (`page/feed.rs`)
//!   GET  /metrics     numbers, in OpenMetrics or Prometheus' own format (`page/metrics.rs`)
//!   GET  /healthz     "ok" while the loop turns
//!   POST /ask         one IAMAT or WHATSAT, given to the server over its own port (`page/ask.rs`)
//! ```
//!
//! It changes nothing but by that command, which any client may give. It needs no password, so it is for this machine
//! alone, unless the configuration says otherwise. A page of another web site cannot use it: see
//! [`OriginCheck`].
//!
//! Without a viewer it observes nothing and costs nothing. With some, it costs a bounded amount, in time and in memory:
//! see `page/notes.rs`. `docs/page.md` describes the events; the page itself draws them and knows nothing else,
//! so a simulated herd can be drawn by it, too.
//!
//! Next: [`page/notes.rs`](../../src/proxyherd/page/notes.rs.html), what happens, as text.

mod ask;
mod exposition;
mod feed;
mod files;
mod metrics;
mod notes;
mod reporter;
mod snapshot;

pub use ask::ErrorStatus;
pub use files::{routes, with_files};
pub use notes::{Kind, Notebook, Unwritten};
pub use reporter::{Reporter, location};

use crate::config::Config;
use crate::log_file;
use crate::server::Server;
use crate::watch::Observers;
use feed::Feed;
use reactor::Failure;
use reactor::http::server::{HttpServer, OriginCheck, Request, Response, ServerSettings};
use std::net::SocketAddr;
use std::rc::Rc;

/// The maximum number of connections to a page. Each viewer has one that stays.
const MAX_CONNECTIONS: usize = 256;

/// The maximum number of bytes of events that wait for a viewer that does not read. Then it is dropped, and its browser
/// comes back.
const MAX_BACKLOG: usize = 512 * 1024;

/// The maximum number of requests that begin in a turn of the loop. A file takes some 40 microseconds, `/metrics` 180,
/// and `/events` 400 at most, besides the two milliseconds in which the `hello` of the first viewer is made. So a crowd
/// keeps the herd's clients waiting for half a millisecond.
const MAX_REQUESTS_AT_ONCE: usize = 2;

/// Opens the page of a server, if its configuration has one; returns where it is. `observers` are those that the server
/// was made with.
///
/// # Errors
/// If nobody can listen there.
pub fn open(server: &Rc<Server>, observers: &Rc<Observers>, config: &Config) -> Result<Option<SocketAddr>, Failure> {
    let own = config.servers.get(server.name());
    let Some(address) = own.and_then(|own| config.page.address_of(own)) else { return Ok(None) };
    let feed = Feed::new(server, observers, config);
    let http = http(server, &feed, config)?;
    feed.served_by(&http);
    let port = server.reactor().listen_tcp(address, http.factory())?;
    log_file::keep_tail();
    Ok(Some(port.host()))
}

/// What to say of a page that others than this machine can reach.
pub fn open_to_others(address: SocketAddr) -> String {
    format!(
        "the page at {address} has no password: anybody who reaches it sees clients and the log, and can say where a \
         client is"
    )
}

fn http(server: &Rc<Server>, feed: &Rc<Feed>, config: &Config) -> Result<HttpServer, Failure> {
    let (viewed, measured, asked) = (feed.clone(), feed.clone(), server.clone());
    let target = config.servers.get(server.name()).and_then(ask::target);
    let routes = files::routes()?
        .get("/events", move |_request| viewed.subscribe())
        .get("/metrics", move |request: Request| metrics::answer(&measured, &request))
        .get("/healthz", |_request| Ok(Response::text("ok\n").header("Cache-Control", "no-store")?))
        .post("/ask", move |request: Request| ask::answer(&asked, target.clone(), &request));
    let service = config.page.hosts.iter().fold(OriginCheck::new(routes), |check, name| check.host(name));
    let mut settings = ServerSettings::default();
    settings.limits.body = ask::MAX_BODY as u64;
    settings.max_connections = MAX_CONNECTIONS;
    // All come from this machine, or from a proxy. At a limit for each address the newest goes; at that in all, the one
    // that has been idle longest: it begins a request and does not go on, and not the one of a newcomer.
    settings.max_per_address = usize::MAX;
    settings.max_event_backlog = MAX_BACKLOG;
    settings.max_requests_at_once = MAX_REQUESTS_AT_ONCE;
    Ok(HttpServer::with_settings(server.reactor(), settings, service))
}
