//! [`Status`]: how a server is, at one moment. Every view of a server shows this one: `proxyherd status` as text and as
//! JSON, by the control socket.
//!
//! Nothing is counted here. The numbers are read where they are: the [`Counters`](crate::counters) of the server, its
//! links and connections, the log, the reactor, and what the system says about the process.
//!
//! Next: [`status/process.rs`](../../src/proxyherd/status/process.rs.html), the process as the system sees it.

mod process;
mod store;

pub use process::Process;
pub use store::StoreStatus;

use crate::counters::{PlacesOutcome, Refused};
use crate::links::Link;
use crate::log_file::{self, Losses};
use crate::server::Server;
use serde_json::{Map, Value, json};
use std::time::Duration;

/// How a server is.
#[derive(Debug, Clone)]
pub struct Status {
    /// Its name.
    pub server: String,
    /// How long it has run.
    pub uptime: Duration,
    /// How many clients it knows.
    pub clients: usize,
    /// How many connections of peers are open.
    pub connections: usize,
    /// Its links, in the order of the neighbors' names.
    pub links: Vec<LinkStatus>,
    /// The numbers that only grow, by name.
    pub counters: Vec<(&'static str, u64)>,
    /// How many commands were refused, by reason.
    pub refused: Vec<(&'static str, u64)>,
    /// The store beside the herd, if there is one.
    pub store: Option<StoreStatus>,
    /// Lines that are not in the log.
    pub log: Losses,
    /// How many turns the loop has begun.
    pub turns: u64,
    /// The callback that has held the loop the longest: for how long, and what it was.
    pub longest_callback: Option<(Duration, String)>,
    /// What the system says.
    pub process: Process,
}

/// How the link to one neighbor is.
#[derive(Debug, Clone)]
pub struct LinkStatus {
    /// The neighbor.
    pub neighbor: String,
    /// Whether our connection to it is up.
    pub is_up: bool,
    /// Whether it is up, and the neighbor says nothing: it may be frozen.
    pub is_silent: bool,
    /// For how long it has been up, or down.
    pub lasts: Duration,
    /// When it is tried again, if it is down and waits for that.
    pub next_try: Option<Duration>,
    /// Whether both ends prove with certificates which servers they are.
    pub is_secure: bool,
    /// How many connections from the neighbor are open.
    pub inbound: usize,
    /// For how long there has been such a connection, or none.
    pub inbound_lasts: Duration,
    /// How many clients it has still to be told about.
    pub waiting: usize,
    /// The bytes that wait in our buffer.
    pub buffered: usize,
}

impl Status {
    /// The status of a server now.
    pub fn of(server: &Server) -> Status {
        Status::with_process(server, Process::of_this())
    }

    /// The same, with what is known of the process. A simulated server is not alone in its process.
    pub fn with_process(server: &Server, process: Process) -> Status {
        let counters = server.counters();
        let longest = server.reactor().longest_callback();
        let now = server.reactor().now();
        let link = |link: &Link| LinkStatus {
            neighbor: link.name().to_owned(),
            is_up: link.is_up(),
            is_silent: link.is_silent(),
            lasts: now.saturating_duration_since(link.changed()),
            next_try: link.next_try().map(|next| next.saturating_duration_since(now)),
            is_secure: link.is_secure(),
            inbound: link.inbound_count(),
            inbound_lasts: now.saturating_duration_since(link.inbound_changed()),
            waiting: link.pending_count(),
            buffered: link.buffered(),
        };
        Status {
            server: server.name().to_owned(),
            uptime: now.saturating_duration_since(server.made()),
            clients: server.locations().borrow().len(),
            connections: server.connections().count(),
            links: server.links().iter().map(|own| link(own)).collect(),
            counters: vec![
                ("iamat", counters.iamat.get()),
                ("whatsat", counters.whatsat.get()),
                ("at_news", counters.at_news.get()),
                ("at_known", counters.at_known.get()),
                ("told", counters.told.get()),
                ("connections", counters.connections.get()),
                ("cut_off", counters.cut_off.get()),
                ("places_answered", counters.places_times(PlacesOutcome::Answered).count()),
                ("places_failed", counters.places_times(PlacesOutcome::Failed).count()),
                ("places_not_asked", counters.places_times(PlacesOutcome::NotAsked).count()),
            ],
            refused: Refused::ALL.iter().map(|why| (why.name(), counters.refused(*why))).collect(),
            store: server.storing().map(|storing| StoreStatus::of(storing, now)),
            log: log_file::losses(),
            turns: server.reactor().turn_count(),
            longest_callback: longest.map(|longest| (longest.took, longest.what)),
            process,
        }
    }

    /// As a JSON object. Times are in seconds, memory in bytes. What the system does not tell is `null`.
    pub fn to_json(&self) -> Value {
        let numbers = |numbers: &[(&str, u64)]| {
            numbers.iter().map(|(name, number)| ((*name).to_owned(), json!(number))).collect::<Map<_, _>>()
        };
        let mut status = json!({
            "server": self.server,
            "version": env!("CARGO_PKG_VERSION"),
            "uptime": self.uptime.as_secs_f64(),
            "clients": self.clients,
            "connections": self.connections,
            "links": self.links.iter().map(LinkStatus::to_json).collect::<Vec<_>>(),
            "counters": numbers(&self.counters),
            "refused": numbers(&self.refused),
            "log": { "dropped": self.log.dropped, "unwritten": self.log.unwritten, "beyond_share": self.log.beyond },
            "turns": self.turns,
            "longest_callback": self.longest_callback.as_ref().map(|(took, what)| {
                json!({ "seconds": took.as_secs_f64(), "what": what })
            }),
            "memory": self.process.memory,
            "descriptors": self.process.descriptors,
            "descriptors_allowed": self.process.descriptors_allowed,
        });
        if let Some(store) = &self.store {
            status["store"] = store.to_json();
        }
        status
    }
}

impl LinkStatus {
    fn to_json(&self) -> Value {
        json!({
            "neighbor": self.neighbor,
            "up": self.is_up,
            "silent": self.is_silent,
            "seconds": self.lasts.as_secs_f64(),
            "next_try": self.next_try.map(|next| next.as_secs_f64()),
            "tls": self.is_secure,
            "inbound": self.inbound,
            "inbound_seconds": self.inbound_lasts.as_secs_f64(),
            "waiting": self.waiting,
            "buffered": self.buffered,
        })
    }
}
